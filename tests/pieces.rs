//! Messages in the pieces in which they arrive. The law of this file: nothing of a message is kept,
//! the pieces are the message, and all rules hold as for whole ones. (That the events are the same
//! for all inputs, every other test sees: [`Run::feed`] receives in pieces as often as not.)

#[path = "support/allocator.rs"]
mod allocator;
mod support;

use allocator::{allocations, live, peak};
use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::{
    Config, Connection, Data, DeadlinesConfig, Deflate, DeflateParams, Endpoint, Event, Input,
    ProtocolError, Role, SendError, WindowBits,
};
use std::borrow::Cow;
use std::time::Duration;
use support::deflate::{Block, Token, write_message};
use support::*;

/// What comes of these bytes.
fn pieces(ws: &mut Connection, bytes: &[u8]) -> Vec<Event<'static>> {
    let (mut bytes, mut out, mut events) = (bytes.to_vec(), BytesMut::new(), Vec::new());
    let mut input = Input::new(&mut bytes);
    while let Some(event) = ws.receive_pieces(&mut input, &mut out) {
        events.push(event.into_owned());
    }
    assert!(input.is_empty(), "every byte is taken");
    events
}

fn text_piece(text: &str) -> Event<'static> {
    Event::TextPiece(text.to_owned().into())
}

fn unlimited() -> Config {
    let mut config = Config::default();
    config.max_message_size = usize::MAX;
    config.max_frame_size = usize::MAX;
    config
}

#[test]
fn a_piece_is_lent_and_nothing_is_kept() {
    const READ: usize = 64 << 10;
    for (role, first, total) in [
        (Role::Server, 0x82, 40 << 20),
        (Role::Client, 0x82, 40 << 20),
        (Role::Server, 0x81, 20 << 20),
    ] {
        let mut ws = connection(role, &unlimited());
        let mut buffer = frame_header(role, first, total as u64);
        let (mut out, mut received) = (BytesMut::new(), 0);
        let (done, heap) = allocations(|| {
            loop {
                let mut input = Input::new(&mut buffer);
                while let Some(event) = ws.receive_pieces(&mut input, &mut out) {
                    match event {
                        Event::TextPiece(Cow::Borrowed(text)) => received += text.len(),
                        Event::BinaryPiece(Cow::Borrowed(data)) => received += data.len(),
                        Event::Text(Cow::Borrowed(text)) => return received + text.len(),
                        Event::Binary(Cow::Borrowed(data)) => return received + data.len(),
                        other => panic!("{other:?}"),
                    }
                }
                // The header is over: from now on whole keys' worth of bytes that are ASCII.
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
fn text_is_cut_at_characters() {
    let mut ws = connection(Role::Server, &Config::default());
    let whole = frame(Role::Server, 0x81, "aé€😀z".as_bytes());
    let mut events = Vec::new();
    for byte in &whole {
        events.extend(pieces(&mut ws, &[*byte]));
    }
    let expected = ["a", "é", "€", "😀"].map(text_piece).into_iter();
    assert_eq!(events, expected.chain([text("z")]).collect::<Vec<_>>());

    // In one read as much as there is: the rest of a character that was cut, and then all others.
    let (first, second) = whole.split_at(6 + 4);
    assert_eq!(pieces(&mut ws, first), [text_piece("aé")]);
    assert_eq!(pieces(&mut ws, second), [text_piece("€"), text("😀z")]);
}

#[test]
fn the_last_piece_may_be_empty_and_no_other() {
    for role in ROLES {
        let mut ws = connection(role, &Config::default());
        let bytes = frames(role, &[(1, b""), (0, b"a"), (0, b""), (0x80, b"")]);
        assert_eq!(pieces(&mut ws, &bytes), [text_piece("a"), text("")]);
        let bytes = frames(role, &[(2, b""), (0x80, b"")]);
        assert_eq!(pieces(&mut ws, &bytes), [Event::Binary(b"".into())]);
        // What is whole comes as it always does.
        assert_eq!(pieces(&mut ws, &frame(role, 0x81, b"")), [text("")]);
    }
}

#[test]
fn control_frames_come_in_between() {
    let mut ws = connection(Role::Server, &Config::default());
    let sent: [(u8, &[u8]); 4] = [(1, b"one"), (0x89, b"ping"), (0, b"two"), (0x88, b"")];
    let events = pieces(&mut ws, &frames(Role::Server, &sent));
    let ping = Event::Ping(b"ping".into());
    let expected = [
        text_piece("one"),
        ping,
        text_piece("two"),
        Event::Close(None),
    ];
    assert_eq!(events, expected);
}

#[test]
fn the_first_bad_byte_fails_the_connection() {
    let mut ws = connection(Role::Server, &Config::default());
    let whole = frame(Role::Server, 0x81, b"good\xed\xa0\x80");
    let (good, bad) = whole.split_at(6 + 5);
    assert_eq!(pieces(&mut ws, good), [text_piece("good")]);
    let failed = [Event::Failed(ProtocolError::TextNotUtf8)];
    assert_eq!(pieces(&mut ws, &bad[..1]), failed);

    // A character that the end of the message cuts off.
    for fragments in [
        &[(1, &b"\xc3"[..]), (0x80, b"")][..],
        &[(1, b"a"), (0x80, b"\xf0\x9f\x98")],
    ] {
        let mut ws = connection(Role::Server, &Config::default());
        let events = pieces(&mut ws, &frames(Role::Server, fragments));
        assert_eq!(events.last(), failed.last());
    }
}

#[test]
fn limits_count_what_was_handed_on() {
    let mut config = Config::default();
    config.max_message_size = 10;
    let too_big = [Event::Failed(ProtocolError::MessageTooBig)];
    for first in [1, 2] {
        let mut ws = connection(Role::Server, &config);
        for _ in 0..2 {
            let bytes = frames(Role::Server, &[(first, b"12345"), (0x80, b"67890")]);
            assert_eq!(pieces(&mut ws, &bytes).len(), 2, "ten bytes, and again");
        }
        pieces(&mut ws, &frames(Role::Server, &[(first, b"12345")]));
        let header = frame_header(Role::Server, 0x80, 6);
        assert_eq!(pieces(&mut ws, &header), too_big, "before any payload");
    }
    // Inflated bytes count, where they go beyond.
    let mut ws = with_deflate(connection(Role::Client, &config));
    let mut peer = with_deflate(connection(Role::Server, &Config::default()));
    let mut out = BytesMut::new();
    peer.send_first_fragment("12345", &mut out).unwrap();
    peer.send_last_fragment("678901", &mut out).unwrap();
    let events = pieces(&mut ws, &out);
    assert_eq!(events[0], text_piece("12345"));
    assert_eq!(events.last(), too_big.last());
}

#[test]
fn limits_may_be_changed_for_what_follows() {
    let (mut small, mut large) = (Config::default(), Config::default());
    small.max_message_size = 3;
    large.max_message_size = 6;
    let mut ws = connection(Role::Server, &small);
    ws.set_limits(&large);
    let bytes = frames(Role::Server, &[(0x81, b"123456"), (1, b"123")]);
    assert_eq!(
        pieces(&mut ws, &bytes),
        [text("123456"), text_piece("123")]
    );
    // Also in the middle of a message.
    ws.set_limits(&small);
    assert_eq!(pieces(&mut ws, &frame(Role::Server, 0, b"")), []);
    let too_big = [Event::Failed(ProtocolError::MessageTooBig)];
    assert_eq!(pieces(&mut ws, &frame(Role::Server, 0, b"4")), too_big);

    large.max_frame_size = 2;
    let mut ws = connection(Role::Server, &small);
    ws.set_limits(&large);
    let too_big = [Event::Failed(ProtocolError::FrameTooBig)];
    assert_eq!(pieces(&mut ws, &frame(Role::Server, 2, b"123")), too_big);
    large.max_fragments = 1;
    let mut ws = connection(Role::Server, &small);
    ws.set_limits(&large);
    let many = frames(Role::Server, &[(1, b""), (0, b"")]);
    let too_many = [Event::Failed(ProtocolError::TooManyFragments)];
    assert_eq!(pieces(&mut ws, &many), too_many);
}

#[test]
fn what_is_inflated_comes_in_bounded_pieces() {
    const TOTAL: usize = 20 << 20;
    for (data, takeover) in [("a", true), ("€", true), ("€", false)] {
        let text = data.repeat(TOTAL / data.len());
        let agreed = DeflateParams {
            server_no_context_takeover: !takeover,
            ..Default::default()
        };
        let deflate = Deflate::default();
        let mut peer = connection(Role::Server, &Config::default()).with_deflate(&deflate, &agreed);
        let mut ws = connection(Role::Client, &unlimited()).with_deflate(&deflate, &agreed);
        let mut sent = BytesMut::new();
        peer.send_text(&text, &mut sent).unwrap();
        peer.send_text("and once more", &mut sent).unwrap();
        assert!(sent.len() < TOTAL / 100);

        let (mut out, mut received, mut last) = (BytesMut::new(), 0, String::new());
        let ((), most) = peak(|| {
            for read in sent.chunks_mut(16 << 10) {
                let mut input = Input::new(read);
                while let Some(event) = ws.receive_pieces(&mut input, &mut out) {
                    let (Event::TextPiece(piece) | Event::Text(piece)) = &event else {
                        panic!("{event:?}")
                    };
                    assert!(piece.len() <= (32 << 10) + 4);
                    received += piece.len();
                    last = piece.clone().into_owned();
                }
            }
        });
        assert_eq!(received, text.len() + "and once more".len());
        assert_eq!(last, "and once more");
        // Inflater, its step of output, the history, a piece and its copy in this test.
        assert!(most < 300 << 10, "{most} bytes");
    }
}

#[test]
fn all_that_a_fragment_inflates_to_comes_with_it() {
    let data = "a".repeat(40_000);
    let mut peer = with_deflate(connection(Role::Server, &Config::default()));
    let mut bytes = BytesMut::new();
    peer.send_text(&data, &mut bytes).unwrap();
    let (_, payload) = raw_frames(&bytes, Role::Server).remove(0);
    // An byte of it is a thousand, and somewhere among them a step is full.
    for at in 0..=payload.len() {
        let (first, rest) = payload.split_at(at);
        let (mut first, mut rest) = (
            frame(Role::Client, 0x41, first),
            frame(Role::Client, 0x80, rest),
        );
        let new = || with_deflate(connection(Role::Client, &Config::default()));
        let joined_pieces = |ws: &mut Connection, bytes: &[u8]| {
            let received = pieces(ws, bytes);
            let all = received
                .into_iter()
                .reduce(|begun, piece| joined(Some(begun), piece));
            all.unwrap_or_else(|| text_piece(""))
        };
        let (mut ws, mut gathering, mut out) = (new(), new(), BytesMut::new());
        let handed_on = joined_pieces(&mut ws, &first);
        assert_eq!(
            gathering.receive(&mut Input::new(&mut first), &mut out),
            None
        );
        let gathered = joined_pieces(&mut gathering, b"");
        assert_eq!(handed_on, gathered);

        // Who leaves some of the pieces finds them in the rest.
        let mut first = frame(Role::Client, 0x41, &payload[..at]);
        let (mut ws, mut input) = (new(), Input::new(&mut first));
        let begun = ws.receive_pieces(&mut input, &mut out);
        let begun = begun.map(Event::into_owned);
        assert_eq!(ws.receive(&mut input, &mut out), None);
        let end = ws.receive(&mut Input::new(&mut rest), &mut out).unwrap();
        let all = joined(begun, end.into_owned());
        assert_eq!(all, text(&data));
    }
}

/// A sender may not refer to what lies farther back than the agreed window (RFC 7692, section
/// 7.1.2), which the codec cannot see within a message. Where a final block lies between them, it
/// is the history that decides: that of a message in pieces reaches as far as that of a whole one.
#[test]
fn a_final_block_changes_nothing_for_later_blocks() {
    let agreed = DeflateParams {
        server_max_window_bits: WindowBits::new(8),
        ..Default::default()
    };
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
    let of_the_first = Event::Binary([&noise[..], &noise[..3]].concat().into());
    for (distance, is_remembered) in [(256, true), (257, false), (703, false)] {
        let second = write_message(&[back(distance)]);
        let mut bytes = frame(Role::Client, 0xc2, &first);
        bytes.extend(frame(Role::Client, 0xc2, &second));
        let ws = || {
            let ws = connection(Role::Client, &Config::default());
            ws.with_deflate(&deflate, &agreed)
        };

        let mut whole = Vec::new();
        let (mut read, mut out, mut gathering) = (bytes.clone(), BytesMut::new(), ws());
        let mut input = Input::new(&mut read);
        while let Some(event) = gathering.receive(&mut input, &mut out) {
            whole.push(event.into_owned());
        }
        let (mut in_pieces, mut begun, mut ws) = (Vec::new(), None, ws());
        for byte in bytes {
            for event in pieces(&mut ws, &[byte]) {
                match event {
                    Event::Failed(_) => in_pieces.push(event),
                    event => match joined(begun.take(), event) {
                        piece @ Event::BinaryPiece(_) => begun = Some(piece),
                        message => in_pieces.push(message),
                    },
                }
            }
        }
        assert_eq!(in_pieces, whole);
        assert_eq!(whole[0], of_the_first);
        let failed = Event::Failed(ProtocolError::CompressedDataInvalid);
        assert_eq!(whole[1] != failed, is_remembered, "{distance} bytes back");

        // Between messages it has the agreed window and no more.
        let before = live();
        drop(ws);
        assert!(before - live() < 800, "{} bytes", before - live());
    }
}

#[test]
fn one_message_may_be_received_in_every_way() {
    let payload = "gathered, in pieces, gathered again";
    for deflates in [false, true] {
        let mut peer = connection(Role::Client, &Config::default());
        let mut ws = connection(Role::Server, &Config::default());
        if deflates {
            (peer, ws) = (with_deflate(peer), with_deflate(ws));
        }
        for seed in 0..300 {
            let mut bytes = BytesMut::new();
            peer.send_first_fragment(&payload[..20], &mut bytes)
                .unwrap();
            peer.send_last_fragment(&payload[20..], &mut bytes)
                .unwrap();
            let (mut random, mut begun, mut done) = (Random(seed), None, None);
            for mut read in Cuts::Random(seed).cut(&bytes) {
                let mut input = Input::new(&mut read);
                let receive = match random.below(2) {
                    0 => Connection::receive,
                    _ => Connection::receive_pieces,
                };
                while let Some(event) = receive(&mut ws, &mut input, &mut BytesMut::new()) {
                    let event = joined(begun.take(), event.into_owned());
                    match event {
                        Event::TextPiece(_) => begun = Some(event),
                        event => done = Some(event),
                    }
                }
            }
            assert_eq!(done, Some(text(payload)));
        }
    }
}

#[test]
fn what_waits_in_the_input_may_go_on_in_pieces() {
    let whole = frame(Role::Server, 0x82, b"it waits");
    for there in 0..whole.len() {
        let mut ws = connection(Role::Server, &Config::default());
        let (mut buffer, rest) = (whole[..there].to_vec(), &whole[there..]);
        let mut input = Input::new(&mut buffer);
        assert_eq!(ws.receive_whole(&mut input, &mut BytesMut::new()), None);
        let mut events = pieces(&mut ws, &buffer);
        events.extend(pieces(&mut ws, rest));
        let all = events
            .into_iter()
            .reduce(|begun, piece| joined(Some(begun), piece));
        assert_eq!(all, Some(Event::Binary(b"it waits".into())));
    }
}

#[test]
fn pieces_are_sent_as_fragments() {
    let mut ws = connection(Role::Server, &Config::default());
    let mut out = BytesMut::new();
    ws.send_piece("whole", true, &mut out).unwrap();
    ws.send_piece(b"a", false, &mut out).unwrap();
    let other = ws.send_piece("b", false, &mut out);
    assert_eq!(other, Err(SendError::OtherType));
    let between = ws.send_binary(b"c", &mut out);
    assert_eq!(between, Err(SendError::MessageUnfinished));
    ws.send_piece(b"", false, &mut out).unwrap();
    ws.send_piece(b"d", true, &mut out).unwrap();
    assert_eq!(&out[..], b"\x81\x05whole\x02\x01a\x00\x00\x80\x01d");
    ws.close(None, "", &mut out).unwrap();
    let closed = ws.send_piece(b"e", true, &mut out);
    assert_eq!(closed, Err(SendError::NotOpen));
}

#[test]
fn an_endpoint_receives_in_pieces_as_its_connection_does() {
    let ws = connection(Role::Server, &Config::default());
    let mut endpoint = Endpoint::open(ws, DeadlinesConfig::default(), Duration::ZERO);
    let (mut bytes, mut out) = (frame(Role::Server, 0x82, b"pieces"), BytesMut::new());
    let second = Duration::from_secs(1);
    let (first, rest) = bytes.split_at_mut(9);
    let mut input = Input::new(first);
    let received = endpoint.receive_pieces(&mut input, second, &mut out);
    assert!(matches!(
        received,
        Some((Event::BinaryPiece(Cow::Borrowed(b"pie")), _))
    ));
    // It was a sign of life.
    assert_eq!(endpoint.check(second, &mut out), Ok(Some(31 * second)));
    let mut input = Input::new(rest);
    let (event, ws) = endpoint
        .receive_pieces(&mut input, second, &mut out)
        .unwrap();
    assert!(matches!(event, Event::Binary(Cow::Borrowed(b"ces"))));
    ws.send_binary(b"it is open", &mut out).unwrap();
}

// ---- a relay ----

/// Hands on what comes from the peer of `from`.
fn relay(from: &mut Connection, read: &mut [u8], to: &mut Connection, to_out: &mut BytesMut) {
    let (mut input, mut out) = (Input::new(read), BytesMut::new());
    while let Some(event) = from.receive_pieces(&mut input, &mut out) {
        match event {
            Event::TextPiece(text) => to.send_piece(&*text, false, to_out).unwrap(),
            Event::BinaryPiece(data) => to.send_piece(&*data, false, to_out).unwrap(),
            Event::Text(text) => to.send_piece(&*text, true, to_out).unwrap(),
            Event::Binary(data) => to.send_piece(&*data, true, to_out).unwrap(),
            Event::Ping(payload) => to.send_ping(&payload, to_out).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(proptest_config(300, "proptest-regressions/pieces.txt"))]

    #[test]
    fn a_relay_changes_nothing(
        messages in prop::collection::vec(("\\PC{0,80}", 1..40_usize, any::<bool>()), 0..12),
        first_deflates in any::<bool>(),
        second_deflates in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let deflating = |role, deflates| match deflates {
            true => with_deflate(connection(role, &Config::default())),
            false => connection(role, &Config::default()),
        };
        let mut client = deflating(Role::Client, first_deflates);
        let mut inlet = deflating(Role::Server, first_deflates);
        let mut outlet = deflating(Role::Client, second_deflates);
        let mut server = Run::of(deflating(Role::Server, second_deflates));

        let (mut bytes, mut events) = (BytesMut::new(), Vec::new());
        for (words, times, is_text) in &messages {
            let words = words.repeat(*times);
            let data = match is_text {
                true => Data::Text(&words),
                false => Data::Binary(words.as_bytes()),
            };
            client.send_piece(data, false, &mut bytes).unwrap();
            client.send_ping(b"between", &mut bytes).unwrap();
            client.send_piece(data, true, &mut bytes).unwrap();
            let twice = words.repeat(2);
            events.push(Event::Ping(b"between".into()));
            events.push(match is_text {
                true => Event::Text(twice.into()),
                false => Event::Binary(twice.into_bytes().into()),
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
