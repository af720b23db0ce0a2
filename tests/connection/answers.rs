//! How much a peer can make an endpoint write (RFC 6455, sections 5.5.1 and 5.5.2).
//!
//! Invariant: the answers to all that has arrived are at most three times as long, beside the Close of
//! a failure; one read may be answered by a control frame more, most of which came before.

use crate::support::strategies::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use sansocket::{Connection, Event, Input, Role, Settings};

/// The longest control frame: header, masking key, payload.
const CONTROL: usize = 2 + 4 + 125;

/// Frames of all kinds, good and bad, and bytes that are none.
fn wires() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let payload = || {
        prop_oneof![Just(0..1), Just(0..4), Just(0..126)].prop_flat_map(|len| vec(any::<u8>(), len))
    };
    let frame = prop_oneof![
        6 => payload().prop_map(|payload| (0x89, payload)),
        1 => payload().prop_map(|payload| (0x8a, payload)),
        1 => payload().prop_map(|payload| (0x82, payload)),
        1 => prop_oneof![Just((2, vec![1])), Just((0, vec![2])), Just((0x80, vec![3]))],
        1 => prop_oneof![Just(vec![]), Just(b"\x03\xe8".to_vec()), Just(b"\x03\xe8bye".to_vec())]
            .prop_map(|payload| (0x88, payload)),
        1 => any::<u8>().prop_map(|first| (first, vec![0; 3])),
    ];
    vec(frame, 1..40)
}

/// What each read has appended to the output, and whether the connection failed by then.
fn answers(ws: &mut Connection, reads: Vec<Vec<u8>>) -> Vec<(usize, usize, bool)> {
    let mut failed = false;
    let answered = reads.into_iter().map(|mut read| {
        let (len, mut out) = (read.len(), BytesMut::new());
        let mut input = Input(&mut read);
        while let Some(event) = ws.receive(&mut input, &mut out) {
            failed |= matches!(event, Event::Failed(_));
        }
        (len, out.len(), failed)
    });
    answered.collect()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn answers_are_at_most_three_times_as_long(
        role in roles(),
        wire in wires(),
        lens in cuts(),
        is_cut in any::<bool>(),
    ) {
        let borrowed: Vec<_> = wire.iter().map(|(first, payload)| (*first, &payload[..])).collect();
        let wire = frames(role, &borrowed);
        let lens = if is_cut { lens } else { vec![1] };
        let mut ws = connection(role, Settings::default());
        let (mut arrived, mut written) = (0, 0);
        for (len, appended, failed) in answers(&mut ws, cut(&wire, &lens)) {
            let close = if failed { CONTROL } else { 0 };
            prop_assert!(appended <= 3 * len + CONTROL + close, "{appended} bytes for a read of {len}");
            arrived += len;
            written += appended;
            prop_assert!(written <= 3 * arrived + close, "{written} bytes for {arrived}");
        }
    }
}

/// The law is no looser than it must be.
#[test]
fn the_longest_answers() {
    // An empty Ping of a server is answered by three times its bytes, since a client masks.
    let mut ws = connection(Role::Client, Settings::default());
    let pings = frame(Role::Client, 0x89, b"").repeat(100);
    assert_eq!(answers(&mut ws, vec![pings]), [(200, 600, false)]);
    // The last byte of a long one is answered by all of it.
    let ping = frame(Role::Client, 0x89, &[0; 125]);
    let reads = [&ping[..126], &ping[126..]].map(<[u8]>::to_vec);
    let answered = answers(&mut ws, reads.to_vec());
    assert_eq!(answered, [(126, 0, false), (1, CONTROL, false)]);
    // A server's answers are shorter than what they answer.
    let mut ws = connection(Role::Server, Settings::default());
    for len in [0, 125] {
        let ping = frame(Role::Server, 0x89, &vec![0; len]);
        assert_eq!(answers(&mut ws, vec![ping]), [(6 + len, 2 + len, false)]);
    }
}
