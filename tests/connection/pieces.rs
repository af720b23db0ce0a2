//! Messages delivered in the pieces in which they arrive.
//!
//! Invariant: nothing of a message is kept, its pieces form the message, and all rules hold as for
//! complete ones. (Most other tests see that the events are the same for all inputs: see
//! [`each_delivery`].)

use crate::allocator::{allocations, live, peak};
use crate::support::deflate::{Block, Token, write_message};
use crate::support::strategies::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    Config, Connection, Deflate, Deliver, Endpoint, Event, Extension, Input, ProtocolError, Role,
    SendError, Settings, Tick,
};
use std::time::Duration;

/// An event; of a piece, everything that its methods show.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    /// A piece, and whether it is text.
    Text(Place, String),
    Binary(Place, Vec<u8>),
    /// Anything else.
    Other(Event<'static>),
}

/// Where in its message a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Middle,
    Last,
    /// First and last.
    Only,
}

use Place::{First, Last, Middle, Only};

impl Got {
    fn new(event: Event<'_>) -> Self {
        let Event::Piece(piece) = event else {
            return Self::Other(event.into_owned());
        };
        let place = match (piece.is_first(), piece.is_last()) {
            (true, true) => Only,
            (true, false) => First,
            (false, false) => Middle,
            (false, true) => Last,
        };
        match piece.as_text() {
            Some(text) => {
                assert_eq!(text.as_bytes(), piece.as_bytes());
                Self::Text(place, text.into())
            }
            None => Self::Binary(place, piece.as_bytes().into()),
        }
    }

    /// Appends the next piece of a message to what came of it so far.
    fn joined(unfinished: Option<Self>, next: Self) -> Self {
        let unfinished = match (unfinished, &next) {
            (None, Self::Text(place, _) | Self::Binary(place, _)) => {
                assert!(matches!(place, First | Only), "{next:?} starts a message");
                return next;
            }
            (Some(unfinished), _) => unfinished,
            (None, _) => panic!("{next:?} is no piece"),
        };
        match (unfinished, next) {
            (Self::Text(First, text), Self::Text(place @ (Middle | Last), more)) => {
                assert!(place == Last || !more.is_empty(), "an empty piece");
                let place = if place == Last { Only } else { First };
                Self::Text(place, text + &more)
            }
            (Self::Binary(First, data), Self::Binary(place @ (Middle | Last), more)) => {
                assert!(place == Last || !more.is_empty(), "an empty piece");
                let place = if place == Last { Only } else { First };
                Self::Binary(place, [data, more].concat())
            }
            (unfinished, next) => panic!("{next:?} continues {unfinished:?}"),
        }
    }

    /// The pieces of one message as one; `None` if there are none.
    fn join(pieces: impl IntoIterator<Item = Self>) -> Option<Self> {
        pieces.into_iter().fold(None, |unfinished, piece| {
            Some(Self::joined(unfinished, piece))
        })
    }
}

fn text_piece(place: Place, text: &str) -> Got {
    Got::Text(place, text.into())
}

fn failed(error: ProtocolError) -> Got {
    Got::Other(Event::Failed(error))
}

/// The same settings for delivery in pieces.
const fn in_pieces(mut settings: Settings) -> Settings {
    settings.deliver = Deliver::Pieces;
    settings
}

/// A connection that delivers in pieces.
fn piecewise(role: Role) -> Connection {
    connection(role, in_pieces(Settings::default()))
}

/// The events of these bytes.
fn receive_all(ws: &mut Connection, bytes: &[u8]) -> Vec<Got> {
    let (mut bytes, mut out, mut events) = (bytes.to_vec(), BytesMut::new(), Vec::new());
    let mut input = Input(&mut bytes);
    while let Some(event) = ws.receive(&mut input, &mut out) {
        events.push(Got::new(event));
    }
    assert!(input.0.is_empty(), "every byte is taken");
    events
}

fn unlimited() -> Settings {
    settings(|all| all.max_message_size = u64::MAX)
}

/// The agreed extension, with one parameter.
fn agreed(name: &str, value: Option<&str>) -> Extension {
    let plain = Extension::new("permessage-deflate").unwrap();
    plain.param(name, value).unwrap()
}

#[test]
fn a_piece_is_lent_and_nothing_is_kept() {
    const READ: usize = 64 << 10;
    for (role, first, total) in [
        (Role::Server, 0x82, 8 << 20),
        (Role::Client, 0x82, 8 << 20),
        (Role::Server, 0x81, 8 << 20),
    ] {
        let mut ws = connection(role, in_pieces(unlimited()));
        let mut buffer = frame_header(role, first, total as u64);
        let (mut out, mut received) = (BytesMut::new(), 0);
        let (done, heap) = allocations(|| {
            loop {
                let lent = buffer.as_ptr_range();
                let mut input = Input(&mut buffer);
                while let Some(event) = ws.receive(&mut input, &mut out) {
                    let Event::Piece(piece) = event else {
                        panic!("{event:?}")
                    };
                    assert_eq!(piece.as_text().is_some(), first == 0x81);
                    assert_eq!(piece.is_first(), received == 0);
                    assert!(lent.contains(&piece.as_bytes().as_ptr()), "it is lent");
                    received += piece.as_bytes().len();
                    if piece.is_last() {
                        return received;
                    }
                }
                // After the header: ASCII, a number of bytes that is a multiple of the key's length.
                if buffer.len() < READ {
                    buffer = vec![0; READ];
                }
                let key = if role == Role::Server { KEY } else { [0; 4] };
                for word in buffer.as_chunks_mut::<4>().0 {
                    *word = key.map(|byte| byte ^ b'a');
                }
            }
        });
        assert_eq!(done, total);
        assert_eq!(heap, 1, "the buffer of this test");
    }
}

#[test]
fn a_complete_message_is_one_piece() {
    for role in ROLES {
        let mut ws = piecewise(role);
        let bytes = frames(role, &[(0x81, b"text"), (0x82, b"\xff"), (0x81, b"")]);
        let wanted = [
            text_piece(Only, "text"),
            Got::Binary(Only, b"\xff".into()),
            text_piece(Only, ""),
        ];
        assert_eq!(receive_all(&mut ws, &bytes), wanted);
        // Compressed as well.
        let mut ws = with_deflate(piecewise(role));
        let bytes = frame(role, 0xc1, &unhex("f248cdc9c90700"));
        let received = receive_all(&mut ws, &bytes);
        assert_eq!(Got::join(received), Some(text_piece(Only, "Hello")));
    }
}

#[test]
fn text_is_cut_at_characters() {
    let mut ws = piecewise(Role::Server);
    let full = frame(Role::Server, 0x81, "aé€😀z".as_bytes());
    let mut events = Vec::new();
    for byte in &full {
        events.extend(receive_all(&mut ws, &[*byte]));
    }
    let wanted = [
        text_piece(First, "a"),
        text_piece(Middle, "é"),
        text_piece(Middle, "€"),
        text_piece(Middle, "😀"),
        text_piece(Last, "z"),
    ];
    assert_eq!(events, wanted);

    // A read brings two pieces: the character that was cut, then everything after it.
    let (first, second) = full.split_at(6 + 4);
    assert_eq!(receive_all(&mut ws, first), [text_piece(First, "aé")]);
    let wanted = [text_piece(Middle, "€"), text_piece(Last, "😀z")];
    assert_eq!(receive_all(&mut ws, second), wanted);
}

#[test]
fn the_last_piece_may_be_empty_and_no_other() {
    for role in ROLES {
        let mut ws = piecewise(role);
        let bytes = frames(role, &[(1, b""), (0, b"a"), (0, b""), (0x80, b"")]);
        let wanted = [text_piece(First, "a"), text_piece(Last, "")];
        assert_eq!(receive_all(&mut ws, &bytes), wanted);
        let bytes = frames(role, &[(2, b""), (0x80, b"")]);
        let wanted = [Got::Binary(Only, b"".into())];
        assert_eq!(receive_all(&mut ws, &bytes), wanted);
        let bytes = frame(role, 0x81, b"");
        assert_eq!(receive_all(&mut ws, &bytes), [text_piece(Only, "")]);
    }
}

#[test]
fn control_frames_come_in_between() {
    let mut ws = piecewise(Role::Server);
    let sent: [(u8, &[u8]); 4] = [(1, b"one"), (0x89, b"ping"), (0, b"two"), (0x88, b"")];
    let wanted = [
        text_piece(First, "one"),
        Got::Other(ping(b"ping")),
        text_piece(Middle, "two"),
        Got::Other(close(1005, "")),
    ];
    assert_eq!(receive_all(&mut ws, &frames(Role::Server, &sent)), wanted);
}

#[test]
fn the_first_bad_byte_fails_the_connection() {
    let mut ws = piecewise(Role::Server);
    let full = frame(Role::Server, 0x81, b"good\xed\xa0\x80");
    let (good, bad) = full.split_at(6 + 5);
    assert_eq!(receive_all(&mut ws, good), [text_piece(First, "good")]);
    let not_utf8 = [failed(ProtocolError::TextNotUtf8)];
    assert_eq!(receive_all(&mut ws, &bad[..1]), not_utf8);

    // The message ends inside a character.
    for fragments in [
        &[(1, &b"\xc3"[..]), (0x80, b"")][..],
        &[(1, b"a"), (0x80, b"\xf0\x9f\x98")],
    ] {
        let mut ws = piecewise(Role::Server);
        let events = receive_all(&mut ws, &frames(Role::Server, fragments));
        assert_eq!(events.last(), not_utf8.last());
    }
}

// ---- limits, and when settings take effect ----

#[test]
fn limits_count_what_was_handed_on() {
    let settings = in_pieces(settings(|all| all.max_message_size = 10));
    let too_big = [failed(ProtocolError::MessageTooBig { len: 11, max: 10 })];
    for first in [1, 2] {
        let mut ws = connection(Role::Server, settings);
        for _ in 0..2 {
            let bytes = frames(Role::Server, &[(first, b"12345"), (0x80, b"67890")]);
            assert_eq!(
                receive_all(&mut ws, &bytes).len(),
                2,
                "ten bytes, and again"
            );
        }
        receive_all(&mut ws, &frames(Role::Server, &[(first, b"12345")]));
        let header = frame_header(Role::Server, 0x80, 6);
        assert_eq!(receive_all(&mut ws, &header), too_big, "before any payload");
    }
    // Inflated bytes count, and fail at the first one above the limit.
    let mut ws = with_deflate(connection(Role::Client, settings));
    let mut peer = with_deflate(connection(Role::Server, Settings::default()));
    let mut out = BytesMut::new();
    peer.send_piece("12345", false, &mut out).unwrap();
    peer.send_piece("678901", true, &mut out).unwrap();
    let events = receive_all(&mut ws, &out);
    assert_eq!(events[0], text_piece(First, "12345"));
    assert_eq!(events.last(), too_big.last());
}

#[test]
fn limits_may_be_changed_for_the_next_message() {
    let settings = in_pieces(settings(|all| all.max_message_size = 3));
    let mut ws = connection(Role::Server, settings);
    ws.settings().max_message_size = 6;
    let bytes = frames(Role::Server, &[(0x81, b"123456"), (1, b"123")]);
    let wanted = [text_piece(Only, "123456"), text_piece(First, "123")];
    assert_eq!(receive_all(&mut ws, &bytes), wanted);
    // A message under way keeps its limit if that is lowered,
    ws.settings().max_message_size = 3;
    let bytes = frames(Role::Server, &[(0, b""), (0, b"45"), (0x80, b"6")]);
    let wanted = [text_piece(Middle, "45"), text_piece(Last, "6")];
    assert_eq!(receive_all(&mut ws, &bytes), wanted);
    let too_big = [failed(ProtocolError::MessageTooBig { len: 4, max: 3 })];
    let bytes = frame(Role::Server, 0x82, b"1234");
    assert_eq!(receive_all(&mut ws, &bytes), too_big);

    // and if it is raised.
    let mut ws = connection(Role::Server, settings);
    receive_all(&mut ws, &frame(Role::Server, 2, b"123"));
    ws.settings().max_message_size = 6;
    assert_eq!(receive_all(&mut ws, &frame(Role::Server, 0, b"4")), too_big);

    // The same for the number of fragments.
    let mut ws = piecewise(Role::Server);
    ws.settings().max_fragments = 2;
    let start = receive_all(&mut ws, &frame(Role::Server, 1, b"a"));
    assert_eq!(start, [text_piece(First, "a")]);
    ws.settings().max_fragments = 1;
    let bytes = frames(Role::Server, &[(0x80, b"b"), (1, b""), (0, b"")]);
    let too_many = failed(ProtocolError::TooManyFragments);
    let wanted = [text_piece(Last, "b"), too_many];
    assert_eq!(receive_all(&mut ws, &bytes), wanted);
}

/// The ways to deliver messages.
const DELIVER: [Deliver; 3] = [Deliver::Complete, Deliver::InPlace, Deliver::Pieces];

/// Receives from these reads as a caller does who keeps what was not taken. Before each read
/// `settings` is told how much there has been, and may change the settings.
fn receive_reads<'r>(
    ws: &mut Connection,
    reads: impl IntoIterator<Item = &'r [u8]>,
    mut settings: impl FnMut(usize, &mut Settings),
) -> Vec<Got> {
    let (mut buffer, mut events, mut there) = (Vec::new(), Vec::new(), 0);
    for read in reads {
        settings(there, ws.settings());
        there += read.len();
        buffer.extend_from_slice(read);
        let mut input = Input(&mut buffer);
        while let Some(event) = ws.receive(&mut input, &mut BytesMut::new()) {
            events.push(Got::new(event));
        }
        let left = input.0.len();
        buffer.drain(..buffer.len() - left);
    }
    assert!(buffer.is_empty(), "every byte is taken");
    events
}

#[test]
fn a_message_is_delivered_as_was_set_when_its_header_came() {
    let payload = "gathered, in place or in pieces";
    for role in ROLES {
        let header = frame_header(role, 0x81, payload.len() as u64).len();
        let two = frame(role, 0x81, payload.as_bytes()).repeat(2);
        let start_of_second = two.len() / 2;
        for (then, now) in DELIVER.iter().flat_map(|a| DELIVER.map(|b| (*a, b))) {
            // The setting changes after byte `at`, once and for all.
            for at in 0..start_of_second {
                let reads = two.chunks(1);
                let mut ws = connection(role, Settings::default());
                let events = receive_reads(&mut ws, reads, |there, settings| {
                    settings.deliver = if there < at { then } else { now };
                });
                let first = if at < header { now } else { then };
                let mut events = events.into_iter();
                for deliver in [first, now] {
                    if deliver == Deliver::Pieces {
                        let pieces: Vec<_> = events.by_ref().take(payload.len()).collect();
                        assert_eq!(Got::join(pieces), Some(text_piece(Only, payload)));
                    } else {
                        assert_eq!(events.next(), Some(Got::Other(text(payload))));
                    }
                }
                assert_eq!(events.next(), None);
            }
        }
    }
}

#[test]
fn a_change_of_delivery_leaves_the_message_under_way_alone() {
    let payload = "gathered, in pieces, gathered again";
    for deflates in [false, true] {
        for started in DELIVER {
            let mut peer = connection(Role::Client, Settings::default());
            let mut ws = connection(Role::Server, Settings::default());
            if deflates {
                (peer, ws) = (with_deflate(peer), with_deflate(ws));
            }
            for seed in 0..300 {
                let mut bytes = BytesMut::new();
                peer.send_piece(&payload[..20], false, &mut bytes).unwrap();
                peer.send_piece(&payload[20..], true, &mut bytes).unwrap();
                let cuts = Cuts::Random(seed).cut(&bytes);
                let mut random = Random(seed);
                let reads = cuts.iter().map(|read| &read[..]);
                let events = receive_reads(&mut ws, reads, |there, settings| {
                    // A short header has two bytes, and four for the key.
                    settings.deliver = if there < 6 {
                        started
                    } else {
                        DELIVER[random.below(3)]
                    };
                });
                let wanted = if started == Deliver::Pieces {
                    assert_eq!(Got::join(events), Some(text_piece(Only, payload)));
                    continue;
                } else {
                    [Got::Other(text(payload))]
                };
                assert_eq!(events, wanted);
            }
        }
    }
}

#[test]
fn a_message_waiting_in_the_input_keeps_waiting() {
    let full = frame(Role::Server, 0x82, b"it waits");
    for there in 0..full.len() {
        let in_place = settings(|all| all.deliver = Deliver::InPlace);
        let mut ws = connection(Role::Server, in_place);
        let (first, rest) = full.split_at(there);
        let events = receive_reads(&mut ws, [first, rest], |taken, settings| {
            if taken > 0 {
                settings.deliver = Deliver::Pieces;
            }
        });
        // The setting changes before the header is complete, or after it.
        let wanted = if (1..6).contains(&there) {
            Got::Binary(Only, b"it waits".into())
        } else {
            Got::Other(binary(b"it waits"))
        };
        assert_eq!(events, [wanted], "{there}");
        assert_eq!(ws.settings().deliver == Deliver::Pieces, there > 0);
        ws.settings().deliver = Deliver::Pieces;
        let wanted = [Got::Binary(Only, b"it waits".into())];
        assert_eq!(receive_all(&mut ws, &full), wanted, "the next one");
    }
}

// ---- compressed messages ----

#[test]
fn inflated_data_comes_in_bounded_pieces() {
    const TOTAL: usize = 20 << 20;
    for (data, takeover) in [("a", true), ("€", true), ("€", false)] {
        let text = data.repeat(TOTAL / data.len());
        let element = match takeover {
            true => Extension::new("permessage-deflate").unwrap(),
            false => agreed("server_no_context_takeover", None),
        };
        let deflate = Deflate::default();
        let with = |ws: Connection| ws.with_deflate(&deflate, &element).unwrap();
        let mut peer = with(connection(Role::Server, Settings::default()));
        let mut ws = with(connection(Role::Client, in_pieces(unlimited())));
        let mut sent = BytesMut::new();
        peer.send(&text, &mut sent).unwrap();
        peer.send("and once more", &mut sent).unwrap();
        assert!(sent.len() < TOTAL / 100);

        let (mut out, mut received, mut last) = (BytesMut::new(), 0, String::new());
        let ((), most) = peak(|| {
            for read in sent.chunks_mut(16 << 10) {
                let mut input = Input(read);
                while let Some(event) = ws.receive(&mut input, &mut out) {
                    let Event::Piece(piece) = event else {
                        panic!("{event:?}")
                    };
                    let piece = piece.as_text().unwrap();
                    assert!(piece.len() <= (32 << 10) + 4);
                    received += piece.len();
                    last = piece.to_owned();
                }
            }
        });
        assert_eq!(received, text.len() + "and once more".len());
        assert_eq!(last, "and once more");
        // The inflater with its step of output, the history, a piece, and its copy in this test.
        assert!(most < 300 << 10, "{most} bytes");
    }
}

#[test]
fn everything_that_a_fragment_inflates_to_is_delivered_with_it() {
    let data = "a".repeat(40_000);
    let mut peer = with_deflate(connection(Role::Server, Settings::default()));
    let mut bytes = BytesMut::new();
    peer.send(&data, &mut bytes).unwrap();
    let (_, payload) = raw_frames(&bytes, Role::Server).remove(0);
    // Each of its bytes inflates to a thousand, so a step ends in the middle of one.
    for at in 0..=payload.len() {
        let (first, rest) = payload.split_at(at);
        let first = frame(Role::Client, 0x41, first);
        let rest = frame(Role::Client, 0x80, rest);
        let new = || with_deflate(piecewise(Role::Client));

        let mut ws = new();
        let handed_on = Got::join(receive_all(&mut ws, &first));
        let len = match &handed_on {
            None => 0,
            Some(Got::Text(First, text)) => text.len(),
            Some(other) => panic!("{other:?}"),
        };
        // The same bytes count when the message is gathered.
        for (max, fails) in [(len, false), (len.wrapping_sub(1), len > 0)] {
            let limited = settings(|all| all.max_message_size = max as u64);
            let mut gathering = with_deflate(connection(Role::Client, limited));
            let events = receive_all(&mut gathering, &first);
            assert_eq!(!events.is_empty(), fails, "{at}: {len} with {max}");
        }
        let end = receive_all(&mut ws, &rest);
        let all = Got::join(handed_on.into_iter().chain(end));
        assert_eq!(all, Some(text_piece(Only, &data)));

        // A caller that stops in the middle of the pieces gets the rest of them, even if later messages are gathered.
        let (mut ws, mut first, mut out) = (new(), first, BytesMut::new());
        let mut input = Input(&mut first);
        let mut pieces = Vec::from_iter(ws.receive(&mut input, &mut out).map(Got::new));
        ws.settings().deliver = Deliver::Complete;
        let left = [input.0, &rest[..]].concat();
        pieces.extend(receive_all(&mut ws, &left));
        assert_eq!(Got::join(pieces), Some(text_piece(Only, &data)));
    }
}

/// A sender may not refer to what lies farther back than the agreed window (RFC 7692, section
/// 7.1.2), which the codec cannot see within a message. After a final block the history decides: it reaches
/// equally far for a message in pieces and for a complete one.
#[test]
fn a_final_block_changes_nothing_for_later_blocks() {
    let element = agreed("server_max_window_bits", Some("8"));
    let mut random = Random(7);
    let noise: Vec<u8> = (0..700).map(|_| random.below(256) as u8).collect();
    let deflate = Deflate::default();
    let back = |distance| {
        let length = 3;
        (Block::Fixed(vec![Token::Match { length, distance }]), false)
    };
    let first = write_message(&[
        (Block::Stored(noise.clone()), false),
        (Block::Stored(vec![]), true),
        back(700),
    ]);
    let of_the_first = [&noise[..], &noise[..3]].concat();
    for (distance, is_remembered) in [(256, true), (257, false), (703, false)] {
        let second = write_message(&[back(distance)]);
        let mut bytes = frame(Role::Client, 0xc2, &first);
        bytes.extend(frame(Role::Client, 0xc2, &second));
        let new = |settings| {
            let ws = connection(Role::Client, settings);
            ws.with_deflate(&deflate, &element).unwrap()
        };

        let full = receive_all(&mut new(Settings::default()), &bytes);
        let (mut piecewise, mut unfinished) = (Vec::new(), None);
        let mut ws = new(in_pieces(Settings::default()));
        for byte in bytes {
            for event in receive_all(&mut ws, &[byte]) {
                match event {
                    Got::Other(_) => piecewise.push(event),
                    piece => match Got::joined(unfinished.take(), piece) {
                        Got::Binary(Only, data) => piecewise.push(Got::Other(binary(&data))),
                        piece => unfinished = Some(piece),
                    },
                }
            }
        }
        assert_eq!(piecewise, full);
        assert_eq!(full[0], Got::Other(binary(&of_the_first)));
        let invalid = failed(ProtocolError::CompressedDataInvalid);
        assert_eq!(full[1] != invalid, is_remembered, "{distance} bytes back");

        // Between messages only the agreed window is kept.
        let before = live();
        drop(ws);
        assert!(before - live() < 800, "{} bytes", before - live());
    }
}

// ---- sending ----

#[test]
fn pieces_are_sent_as_fragments() {
    let mut ws = connection(Role::Server, Settings::default());
    let mut out = BytesMut::new();
    ws.send_piece("whole", true, &mut out).unwrap();
    ws.send_piece(b"a", false, &mut out).unwrap();
    let other = ws.send_piece("b", false, &mut out);
    assert_eq!(other, Err(SendError::OtherType));
    let between = ws.send(b"c", &mut out);
    assert_eq!(between, Err(SendError::MessageUnfinished));
    ws.send_piece(b"", false, &mut out).unwrap();
    ws.send_piece(b"d", true, &mut out).unwrap();
    assert_eq!(&out[..], b"\x81\x05whole\x02\x01a\x00\x00\x80\x01d");
    ws.close(None, "", &mut out).unwrap();
    let closed = ws.send_piece(b"e", true, &mut out);
    assert_eq!(closed, Err(SendError::Closed));
}

#[test]
fn an_endpoint_receives_in_pieces_as_its_connection_does() {
    let (ws, config) = (piecewise(Role::Server), Config::default());
    let mut endpoint = Endpoint::open(ws, &config, Duration::ZERO);
    let (mut bytes, mut out) = (frame(Role::Server, 0x82, b"pieces"), BytesMut::new());
    let second = Duration::from_secs(1);
    let (first, rest) = bytes.split_at_mut(9);
    let lent = first.as_ptr_range();
    let mut input = Input(first);
    let event = endpoint.receive(&mut input, second, &mut out).unwrap();
    let Event::Piece(piece) = &event else {
        panic!("{event:?}")
    };
    assert!(lent.contains(&piece.as_bytes().as_ptr()), "it is lent");
    assert_eq!(Got::new(event), Got::Binary(First, b"pie".into()));
    // The piece was a sign of life.
    let wake = Tick::Wait(Some(31 * second));
    assert_eq!(endpoint.tick(second, &mut out), wake);
    let mut input = Input(rest);
    let event = endpoint.receive(&mut input, second, &mut out).unwrap();
    assert_eq!(Got::new(event), Got::Binary(Last, b"ces".into()));
    endpoint.send(b"it is open", &mut out).unwrap();
}

// ---- a relay ----

/// Passes on what `from` receives.
fn relay(from: &mut Connection, read: &mut [u8], to: &mut Connection, to_out: &mut BytesMut) {
    let (mut input, mut out) = (Input(read), BytesMut::new());
    while let Some(event) = from.receive(&mut input, &mut out) {
        match event {
            Event::Piece(piece) => to.send_piece(&piece, piece.is_last(), to_out).unwrap(),
            Event::Ping(payload) => to.send_ping(&payload, to_out).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_relay_changes_nothing(
        messages in prop::collection::vec(("\\PC{0,80}", 1..40_usize, any::<bool>()), 0..12),
        first_deflates in any::<bool>(),
        second_deflates in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let deflating = |role, settings, deflates| match deflates {
            true => with_deflate(connection(role, settings)),
            false => connection(role, settings),
        };
        let plain = Settings::default();
        let mut client = deflating(Role::Client, plain, first_deflates);
        let mut inlet = deflating(Role::Server, in_pieces(plain), first_deflates);
        let mut outlet = deflating(Role::Client, plain, second_deflates);
        let mut server = Run::of(deflating(Role::Server, plain, second_deflates));

        let (mut bytes, mut events) = (BytesMut::new(), Vec::new());
        for (words, times, is_text) in &messages {
            let words = words.repeat(*times);
            for is_last in [false, true] {
                match is_text {
                    true => client.send_piece(&words, is_last, &mut bytes).unwrap(),
                    false => client.send_piece(words.as_bytes(), is_last, &mut bytes).unwrap(),
                }
                if !is_last {
                    client.send_ping(b"between", &mut bytes).unwrap();
                }
            }
            events.push(ping(b"between"));
            let twice = words.repeat(2);
            events.push(match is_text {
                true => text(&twice),
                false => binary(twice.as_bytes()),
            });
        }
        let mut relayed = BytesMut::new();
        for mut read in Cuts::Random(seed).cut(&bytes) {
            relay(&mut inlet, &mut read, &mut outlet, &mut relayed);
            server.feed(&relayed.split());
        }
        prop_assert_eq!(&server.events, &events);
    }
}
