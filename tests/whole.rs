//! Messages that wait in the caller's buffer until they are whole. The law of this file: the events
//! are those of reading all at once, whatever the cuts, and no message of one frame is copied.

mod support;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{Config, Connection, DeadlinesConfig, Endpoint, Event, Input, ProtocolError, Role};
use std::borrow::Cow;
use std::time::Duration;
use support::*;

/// What comes of these octets, and what is left of them.
fn at_once(ws: &mut Connection, octets: &[u8]) -> (Vec<Event<'static>>, BytesMut) {
    let (mut octets, mut out, mut events) = (octets.to_vec(), BytesMut::new(), Vec::new());
    let mut input = Input::new(&mut octets);
    while let Some(event) = ws.receive(&mut input, &mut out) {
        events.push(event.into_owned());
    }
    (events, out)
}

/// The same by a buffer in which unfinished messages wait.
fn waiting(ws: &mut Connection, cuts: &[Vec<u8>]) -> (Vec<Event<'static>>, BytesMut, usize) {
    let (mut buffer, mut out, mut events) = (Vec::new(), BytesMut::new(), Vec::new());
    for part in cuts {
        buffer.extend(part);
        let mut input = Input::new(&mut buffer);
        while let Some(event) = ws.receive_whole(&mut input, &mut out) {
            events.push(event.into_owned());
        }
        let (left, missing) = (input.len(), ws.missing(&input));
        assert_eq!(missing.is_some(), left > 0, "it says what it waits for");
        buffer.drain(..buffer.len() - left);
    }
    (events, out, buffer.len())
}

fn frames() -> impl Strategy<Value = Vec<(u8, usize)>> {
    let first = prop_oneof![
        6 => prop::sample::select(vec![0x81, 0x82]),
        3 => prop::sample::select(vec![0x01, 0x00, 0x80, 0x02]),
        2 => prop::sample::select(vec![0x89, 0x8a]),
        1 => prop::sample::select(vec![0x88, 0x83, 0xc1, 0x09]),
    ];
    let len = prop_oneof![6 => 0..140_usize, 1 => 65_530..65_540_usize];
    prop::collection::vec((first, len), 0..10)
}

proptest! {
    #![proptest_config(proptest_config(500, "proptest-regressions/whole.txt"))]

    #[test]
    fn the_events_are_those_of_reading_all_at_once(
        role in prop::sample::select(&ROLES[..]),
        frames in frames(),
        spoilt in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(1..400_usize, 0..60),
        max_size in prop_oneof![Just(100_usize), Just(70_000)],
        end in any::<prop::sample::Index>(),
    ) {
        let mut octets: Vec<u8> = frames
            .iter()
            .flat_map(|(first, len)| frame(role, *first, &vec![b'a'; if first & 8 == 0 { *len } else { len % 126 }]))
            .collect();
        if let (Some((index, octet)), false) = (spoilt, octets.is_empty()) {
            let index = index.index(octets.len());
            octets[index] = octet;
        }
        octets.truncate(end.index(octets.len() + 1));
        let mut parts = Vec::new();
        let mut rest = &octets[..];
        for cut in cuts {
            let (part, others) = rest.split_at(cut.min(rest.len()));
            parts.push(part.to_vec());
            rest = others;
        }
        parts.push(rest.to_vec());

        let mut config = Config::default();
        config.max_message_size = max_size;
        let mut one = connection(role, &config);
        let (expected, expected_out) = at_once(&mut one, &octets);
        let (mut events, out, left) = waiting(&mut connection(role, &config), &parts);
        // Text that waits has not been checked yet.
        if left > 0 && matches!(expected.last(), Some(Event::Failed(ProtocolError::TextNotUtf8))) {
            events.push(Event::Failed(ProtocolError::TextNotUtf8));
        } else {
            prop_assert_eq!(with_fixed_key(&out, role), with_fixed_key(&expected_out, role));
        }
        prop_assert_eq!(events, expected);
    }
}

proptest! {
    #![proptest_config(proptest_config(500, "proptest-regressions/whole.txt"))]

    /// Who does not keep what was left gets nonsense, and no more than that.
    #[test]
    fn other_octets_than_those_that_were_left_do_no_harm(
        role in prop::sample::select(&ROLES[..]),
        parts in prop::collection::vec((0x81..0x83_u8, 0..400_usize, 0..500_usize, any::<bool>()), 0..20),
    ) {
        let (mut ws, mut out) = (connection(role, &Config::default()), BytesMut::new());
        for (first, len, end, waits) in parts {
            let mut octets = frame(role, first, &vec![b'a'; len]);
            octets.truncate(end);
            let mut input = Input::new(&mut octets);
            let receive = if waits { Connection::receive_whole } else { Connection::receive };
            while receive(&mut ws, &mut input, &mut out).is_some() {}
        }
    }
}

#[test]
fn a_message_of_one_frame_is_lent_however_it_was_cut() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
            let mut ws = connection(role, &Config::default());
            let whole = frame(role, 0x82, &vec![7; len]);
            let mut buffer = Vec::new();
            for there in (0..whole.len()).step_by(1 + whole.len() / 50) {
                buffer.extend_from_slice(&whole[buffer.len()..there]);
                let mut input = Input::new(&mut buffer);
                assert_eq!(ws.receive_whole(&mut input, &mut BytesMut::new()), None);
                assert_eq!(input.len(), there, "it waits");
                assert!(ws.missing(&input).is_none_or(|n| n <= whole.len() - there));
            }
            buffer.extend_from_slice(&whole[buffer.len()..]);
            let mut input = Input::new(&mut buffer);
            let event = ws.receive_whole(&mut input, &mut BytesMut::new());
            assert!(
                matches!(event, Some(Event::Binary(Cow::Borrowed(data))) if data == vec![7; len])
            );
        }
    }
}

#[test]
fn both_ways_of_receiving_may_take_turns() {
    let mut ws = connection(Role::Server, &Config::default());
    let mut out = BytesMut::new();
    let whole = frame(Role::Server, 0x81, b"waits, then is gathered");
    for waits in 0..whole.len() {
        for more in 0..=whole.len() - waits {
            let (begin, end) = whole.split_at(waits + more);
            let mut begin = begin.to_vec();
            let mut input = Input::new(&mut begin[..waits]);
            assert_eq!(ws.receive_whole(&mut input, &mut out), None);
            let mut input = Input::new(&mut begin);
            let mut event = ws.receive(&mut input, &mut out);
            assert!(input.is_empty(), "now it is kept");
            let mut end = end.to_vec();
            let mut input = Input::new(&mut end);
            event = event.or_else(|| ws.receive_whole(&mut input, &mut out));
            assert_eq!(event, Some(text("waits, then is gathered")));
        }
    }
}

#[test]
fn what_breaks_a_rule_does_not_wait() {
    let mut config = Config::default();
    config.max_message_size = 1000;
    for (octets, error) in [
        (&b"\x81\x05"[..], ProtocolError::FrameNotMasked),
        (b"\x82\xfe\x03\xe9\0\0\0\0", ProtocolError::MessageTooBig),
        (b"\x82\xfe\x00\x7d", ProtocolError::LengthNotMinimal),
        (b"\x83", ProtocolError::ReservedOpcode),
        (b"\xc1", ProtocolError::ReservedBit),
    ] {
        let mut ws = connection(Role::Server, &config);
        let mut octets = octets.to_vec();
        let event = ws.receive_whole(&mut Input::new(&mut octets), &mut BytesMut::new());
        assert_eq!(event, Some(Event::Failed(error)));
    }
}

#[test]
fn an_endpoint_lets_messages_wait_as_its_connection_does() {
    let ws = connection(Role::Server, &Config::default());
    let mut endpoint = Endpoint::open(ws, DeadlinesConfig::default(), Duration::ZERO);
    let (mut buffer, mut out) = (frame(Role::Server, 0x82, b"waits"), BytesMut::new());
    let (end, second) = (buffer.split_off(9), Duration::from_secs(1));
    let mut input = Input::new(&mut buffer);
    assert!(
        endpoint
            .receive_whole(&mut input, second, &mut out)
            .is_none()
    );
    let missing = endpoint.connection().unwrap().missing(&input);
    assert_eq!((input.len(), missing), (9, Some(2)));
    // It was a sign of life.
    assert_eq!(endpoint.check(second, &mut out), Ok(Some(31 * second)));

    buffer.extend(end);
    let mut input = Input::new(&mut buffer);
    let (event, ws) = endpoint
        .receive_whole(&mut input, second, &mut out)
        .unwrap();
    assert!(matches!(event, Event::Binary(Cow::Borrowed(b"waits"))));
    ws.send_binary(b"it is open", &mut out).unwrap();
}
