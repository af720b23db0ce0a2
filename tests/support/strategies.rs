//! What property tests share: the number of cases, and how bytes are cut.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use super::ROLES;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::FileFailurePersistence;
use sansocket::Role;

/// A property with this number of cases. Inputs on which it has failed are kept in a file beside
/// its test, `NAME.regressions`, and are tried first: commit them.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

pub fn roles() -> impl Strategy<Value = Role> {
    select(ROLES.to_vec())
}

/// Lengths of reads, used in turn; 0 is an empty read.
pub fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![0..4_usize, 0..40_usize, 0..1_000_usize], 1..10)
}

pub fn cut(bytes: &[u8], lens: &[usize]) -> Vec<Vec<u8>> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    for len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        // A sequence of empty reads only would never end.
        let len = if lens.iter().all(|len| *len == 0) {
            1
        } else {
            *len
        };
        let (piece, after) = rest.split_at(len.min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}
