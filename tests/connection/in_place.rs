//! Messages that wait in the caller's buffer until they are complete (`Deliver::InPlace`).
//!
//! Invariant: the events are those of one read, whatever the cuts, and no message of one frame is
//! copied.

use crate::support::strategies::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    Config, Connection, Deliver, Endpoint, Event, Input, ProtocolError, Role, Settings, Tick,
};
use std::ops::Range;
use std::time::Duration;

/// A connection whose messages wait in the input.
fn in_place(role: Role, mut settings: Settings) -> Connection {
    settings.deliver = Deliver::InPlace;
    connection(role, settings)
}

/// The events and the output for these bytes, received at once.
fn at_once(ws: &mut Connection, bytes: &[u8]) -> (Vec<Event<'static>>, BytesMut) {
    let (mut bytes, mut out, mut events) = (bytes.to_vec(), BytesMut::new(), Vec::new());
    let mut input = Input(&mut bytes);
    while let Some(event) = ws.receive(&mut input, &mut out) {
        events.push(event.into_owned());
    }
    (events, out)
}

/// The same with a buffer in which unfinished messages wait; also the number of bytes left in it.
fn waiting(ws: &mut Connection, cuts: &[Vec<u8>]) -> (Vec<Event<'static>>, BytesMut, usize) {
    let (mut buffer, mut out, mut events) = (Vec::new(), BytesMut::new(), Vec::new());
    for part in cuts {
        buffer.extend(part);
        let mut input = Input(&mut buffer);
        while let Some(event) = ws.receive(&mut input, &mut out) {
            events.push(event.into_owned());
        }
        let (left, missing) = (input.0.len(), ws.missing(&input));
        assert_eq!(missing.is_some(), left > 0, "it says what it waits for");
        buffer.drain(..buffer.len() - left);
    }
    (events, out, buffer.len())
}

/// The payload is lent from here.
fn is_lent(payload: &[u8], from: &Range<*const u8>) -> bool {
    let lent = payload.as_ptr_range();
    from.start <= lent.start && lent.end <= from.end
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
    #![proptest_config(cases(500))]

    #[test]
    fn the_events_are_those_of_reading_all_at_once(
        role in prop::sample::select(&ROLES[..]),
        frames in frames(),
        spoilt in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(1..400_usize, 0..60),
        max_size in prop_oneof![Just(100_u64), Just(70_000)],
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(first, len)| frame(role, *first, &vec![b'a'; if first & 8 == 0 { *len } else { len % 126 }]))
            .collect();
        if let (Some((index, byte)), false) = (spoilt, bytes.is_empty()) {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        bytes.truncate(end.index(bytes.len() + 1));
        let mut parts = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts {
            let (part, others) = rest.split_at(cut.min(rest.len()));
            parts.push(part.to_vec());
            rest = others;
        }
        parts.push(rest.to_vec());

        let settings = settings(|s| s.max_message_size = max_size);
        let (expected, expected_out) = at_once(&mut connection(role, settings), &bytes);
        let (mut events, out, left) = waiting(&mut in_place(role, settings), &parts);
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
    #![proptest_config(cases(500))]

    /// A caller that does not keep what was left gets nonsense, but no panic.
    #[test]
    fn a_caller_that_loses_the_waiting_bytes_causes_no_panic(
        role in prop::sample::select(&ROLES[..]),
        parts in prop::collection::vec((0x81..0x83_u8, 0..400_usize, 0..500_usize, any::<bool>()), 0..20),
    ) {
        let (mut ws, mut out) = (connection(role, Settings::default()), BytesMut::new());
        for (first, len, end, waits) in parts {
            let mut bytes = frame(role, first, &vec![b'a'; len]);
            bytes.truncate(end);
            let mut input = Input(&mut bytes);
            ws.settings().deliver = if waits { Deliver::InPlace } else { Deliver::Complete };
            while ws.receive(&mut input, &mut out).is_some() {}
        }
    }
}

#[test]
fn a_message_of_one_frame_is_lent_however_it_was_cut() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
            let mut ws = in_place(role, Settings::default());
            let full = frame(role, 0x82, &vec![7; len]);
            let mut buffer = Vec::new();
            for there in (0..full.len()).step_by(1 + full.len() / 50) {
                buffer.extend_from_slice(&full[buffer.len()..there]);
                let mut input = Input(&mut buffer);
                assert_eq!(ws.receive(&mut input, &mut BytesMut::new()), None);
                assert_eq!(input.0.len(), there, "it waits");
                assert!(ws.missing(&input).is_none_or(|n| n <= full.len() - there));
            }
            buffer.extend_from_slice(&full[buffer.len()..]);
            let place = buffer.as_ptr_range();
            let event = ws.receive(&mut Input(&mut buffer), &mut BytesMut::new());
            let Some(Event::Binary(data)) = event else {
                panic!("{event:?}");
            };
            assert!(is_lent(&data, &place) || len == 0);
            assert!(*data == vec![7; len]);
        }
    }
}

#[test]
fn a_message_is_delivered_as_was_set_when_it_started() {
    let message = "waits, then is gathered";
    let ways = [Deliver::Complete, Deliver::InPlace, Deliver::Pieces];
    for role in ROLES {
        let full = frame(role, 0x81, message.as_bytes());
        let header_len = full.len() - message.len();
        for (before, after) in ways.map(|one| ways.map(|other| (one, other))).concat() {
            for changed in 0..full.len() {
                for more in [0, 1, header_len, full.len()] {
                    let (mut ws, mut out) =
                        (connection(role, Settings::default()), BytesMut::new());
                    let (mut buffer, mut pieces) = (Vec::new(), Vec::new());
                    let reached = full.len().min(changed + more);
                    let reads = [0..changed, changed..reached, reached..full.len()];
                    for (deliver, read) in [before, after, before].into_iter().zip(reads) {
                        ws.settings().deliver = deliver;
                        buffer.extend_from_slice(&full[read]);
                        let place = buffer.as_ptr_range();
                        let mut input = Input(&mut buffer);
                        while let Some(event) = ws.receive(&mut input, &mut out) {
                            if let Event::Text(text) = &event
                                && before == Deliver::InPlace
                                && changed >= header_len
                            {
                                assert!(is_lent(text.as_bytes(), &place));
                            }
                            pieces.push(event.into_owned());
                        }
                        let left = input.0.len();
                        buffer.drain(..buffer.len() - left);
                    }
                    assert!(buffer.is_empty());
                    // It starts when its header is complete.
                    let started = match () {
                        () if changed >= header_len => before,
                        () if changed + more >= header_len => after,
                        () => before,
                    };
                    let come_in_pieces = pieces.iter().all(|e| matches!(e, Event::Piece(_)));
                    assert_eq!(
                        come_in_pieces,
                        started == Deliver::Pieces,
                        "{changed} {more}"
                    );
                    let mut joining = Joining::default();
                    let events: Vec<_> =
                        pieces.into_iter().filter_map(|e| joining.push(e)).collect();
                    assert_eq!(events, [text(message)]);
                }
            }
        }
    }
}

#[test]
fn a_waiting_message_keeps_waiting_when_the_setting_changes() {
    for role in ROLES {
        let full = frame(role, 0x82, b"waits");
        for after in [Deliver::Complete, Deliver::Pieces] {
            let header_len = full.len() - 5;
            for changed in header_len..full.len() {
                let (mut ws, mut out) = (in_place(role, Settings::default()), BytesMut::new());
                let mut buffer = full[..changed].to_vec();
                for there in changed..full.len() {
                    let mut input = Input(&mut buffer);
                    assert_eq!(ws.receive(&mut input, &mut out), None);
                    assert_eq!(input.0.len(), there, "it waits");
                    assert_eq!(ws.missing(&input), Some(full.len() - there));
                    ws.settings().deliver = after;
                    buffer.push(full[there]);
                }
                // The next message follows the new setting.
                buffer.extend_from_slice(&full[..header_len]);
                let mut input = Input(&mut buffer);
                let event = ws.receive(&mut input, &mut out);
                assert_eq!(event, Some(binary(b"waits")));
                assert_eq!(ws.receive(&mut input, &mut out), None);
                assert!(input.0.is_empty());
                assert_eq!(ws.missing(&input), None);
            }
        }
    }
}

#[test]
fn a_large_payload_is_a_view_of_the_buffer_that_was_given_up() {
    let large = vec![b'x'; 1 << 20];
    for role in ROLES {
        for deliver in [Deliver::Complete, Deliver::InPlace] {
            let mut ws = connection(role, settings(|s| s.deliver = deliver));
            let all =
                crate::support::frames(role, &[(0x81, &large), (0x82, &large), (0x82, b"small")]);
            let (mut input, mut out) = (BytesMut::from(&all[..]), BytesMut::new());
            let place = input.as_ptr_range();
            // Text is copied, as it would be validated again.
            let event = ws.receive_owned(&mut input, &mut out);
            assert!(matches!(&event, Some(Event::Text(text)) if text.as_bytes() == large));
            let event = ws.receive_owned(&mut input, &mut out);
            let Some(Event::Binary(data)) = event else {
                panic!("{event:?}");
            };
            assert!(*data == large);
            assert!(is_lent(&data, &place) && is_lent(&data.into_bytes(), &place));
            let event = ws.receive_owned(&mut input, &mut out);
            assert_eq!(event, Some(binary(b"small")));
            assert_eq!(ws.receive_owned(&mut input, &mut out), None);
            assert!(input.is_empty());
        }
    }
}

#[test]
fn a_frame_that_breaks_a_rule_does_not_wait() {
    let settings = settings(|s| s.max_message_size = 1000);
    for (bytes, error) in [
        (&b"\x81\x05"[..], ProtocolError::FrameNotMasked),
        (
            b"\x82\xfe\x03\xe9\0\0\0\0",
            ProtocolError::MessageTooBig {
                len: 1001,
                max: 1000,
            },
        ),
        (b"\x82\xfe\x00\x7d", ProtocolError::LengthNotMinimal),
        (b"\x83", ProtocolError::ReservedOpcode(3)),
        (b"\xc1", ProtocolError::ReservedBit { first: 0xc1 }),
    ] {
        let mut ws = in_place(Role::Server, settings);
        let mut bytes = bytes.to_vec();
        let event = ws.receive(&mut Input(&mut bytes), &mut BytesMut::new());
        assert_eq!(event, Some(Event::Failed(error)));
    }
}

#[test]
fn an_endpoint_lets_messages_wait_as_its_connection_does() {
    let ws = in_place(Role::Server, Settings::default());
    let mut endpoint = Endpoint::open(ws, &Config::default(), Duration::ZERO);
    let (mut buffer, mut out) = (frame(Role::Server, 0x82, b"waits"), BytesMut::new());
    let (end, second) = (buffer.split_off(9), Duration::from_secs(1));
    let mut input = Input(&mut buffer);
    assert_eq!(endpoint.receive(&mut input, second, &mut out), None);
    let missing = endpoint.missing(&input);
    assert_eq!((input.0.len(), missing), (9, Some(2)));
    // Waiting bytes are a sign of life.
    assert_eq!(
        endpoint.tick(second, &mut out),
        Tick::Wait(Some(31 * second))
    );

    buffer.extend(end);
    let place = buffer.as_ptr_range();
    let mut input = Input(&mut buffer);
    let event = endpoint.receive(&mut input, second, &mut out);
    assert!(matches!(&event, Some(Event::Binary(data)) if is_lent(data, &place)));
    assert_eq!(event, Some(binary(b"waits")));
    endpoint.send(b"it is open", &mut out).unwrap();
}
