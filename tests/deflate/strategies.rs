//! Strategies for what two ends agree on (RFC 7692, section 7.1).

use crate::support::deflate::*;
use crate::support::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sansocket::{Data, Deflate, Event, Role};

/// The same inputs on each run, to check that a strategy reaches enough.
pub(crate) fn samples<S: Strategy>(strategy: S, count: usize) -> impl Iterator<Item = S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

/// Mostly small windows, whose ends are reached more often.
pub(crate) fn windows() -> impl Strategy<Value = u8> {
    prop_oneof![8..=10_u8, 8..=15_u8]
}

pub(crate) fn params() -> impl Strategy<Value = Params> {
    let alone = || prop::bool::weighted(0.3);
    let windows = || prop::option::weighted(0.6, windows());
    (alone(), alone(), windows(), windows()).prop_map(|(server, client, s, c)| Params {
        server_no_context_takeover: server,
        client_no_context_takeover: client,
        server_max_window_bits: s,
        client_max_window_bits: c,
    })
}

pub(crate) fn deflates() -> impl Strategy<Value = Deflate> {
    let min_sizes = prop_oneof![3 => Just(0), 3 => 0..2_000_usize, 1 => Just(usize::MAX)];
    let least = prop_oneof![3 => Just(8), 1 => windows()];
    let numbers = (0..=10_u8, 0..=10_u8, min_sizes, 0..=3_usize);
    (params(), numbers, least).prop_map(
        |(wishes, (level, mem_level, min_size, max_pooled), min)| {
            deflate(|c| {
                c.level = level;
                c.mem_level = mem_level;
                c.min_size = min_size;
                c.server_no_context_takeover = wishes.server_no_context_takeover;
                c.client_no_context_takeover = wishes.client_no_context_takeover;
                c.server_max_window_bits = wishes.server_max_window_bits;
                c.client_max_window_bits = wishes.client_max_window_bits;
                c.min_window_bits = min;
                c.max_pooled = max_pooled;
            })
        },
    )
}

pub(crate) fn pool_of(max_pooled: usize) -> Deflate {
    deflate(|c| c.max_pooled = max_pooled)
}

/// Whether what `sender` compresses may refer to earlier messages, and how far back.
pub(crate) fn terms(params: &Params, sender: Role) -> (bool, usize) {
    let (alone, bits) = match sender {
        Role::Server => (
            params.server_no_context_takeover,
            params.server_max_window_bits,
        ),
        Role::Client => (
            params.client_no_context_takeover,
            params.client_max_window_bits,
        ),
    };
    (!alone, window_of(bits))
}

pub(crate) fn message_event(is_text: bool, bytes: &[u8]) -> Event<'static> {
    match is_text {
        true => text(str::from_utf8(bytes).unwrap()),
        false => binary(bytes),
    }
}

pub(crate) fn data(is_text: bool, bytes: &[u8]) -> Data<'_> {
    match is_text {
        true => Data::Text(std::str::from_utf8(bytes).unwrap()),
        false => Data::Binary(bytes),
    }
}
