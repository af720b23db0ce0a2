//! Laws for all inputs of a connection (RFC 6455, sections 5, 7 and 8.1).
//!
//! Invariant: how bytes are cut into reads never changes anything; what one end sends the other
//! receives; no bytes cause a panic, and nothing follows an end.

use crate::support::strategies::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sansocket::{
    CloseCode, Data, Deliver, End as How, Event, Input, ProtocolError, Role, SendError, Settings,
};

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..140),
        1 => (any::<u8>(), 65_530..65_540_usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![8 => "\\PC{0,40}", 1 => "[a-zé€😀]{0,300}"]
}

#[derive(Clone, Debug)]
enum Message {
    Text(String),
    Binary(Vec<u8>),
}

impl Message {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    fn opcode(&self) -> u8 {
        match self {
            Self::Text(_) => 1,
            Self::Binary(_) => 2,
        }
    }

    fn event(&self) -> Event<'static> {
        match self {
            Self::Text(message) => text(message),
            Self::Binary(message) => binary(message),
        }
    }

    /// The message with another one appended.
    fn with(self, more: &Self) -> Self {
        match (self, more) {
            (Self::Text(text), Self::Text(more)) => Self::Text(text + more),
            (Self::Binary(data), Self::Binary(more)) => Self::Binary([&data[..], more].concat()),
            _ => panic!("a message of two types was sent"),
        }
    }

    fn data(&self) -> Data<'_> {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(data) => data.into(),
        }
    }
}

fn messages() -> impl Strategy<Value = Message> {
    prop_oneof![
        texts().prop_map(Message::Text),
        payloads().prop_map(Message::Binary)
    ]
}

/// A frame as a peer of `receiver` sends it, masked with this key if it is a client.
fn keyed_frame(receiver: Role, first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = frame_header(receiver, first, payload.len() as u64);
    match receiver {
        Role::Server => {
            let key_at = frame.len() - 4;
            frame[key_at..].copy_from_slice(&key);
            frame.extend(xor(payload, key));
        }
        Role::Client => frame.extend(payload),
    }
    frame
}

// ---- receiving (sections 5.4, 5.5 and 6.2) ----

/// A message, the places where it is cut into fragments, and the Pings between them.
type Fragmented = (Message, Vec<Index>, Vec<(Index, Vec<u8>)>);

fn fragmented() -> impl Strategy<Value = Fragmented> {
    let pings = vec((any::<Index>(), vec(any::<u8>(), 0..=125)), 0..3);
    (messages(), vec(any::<Index>(), 0..5), pings)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn messages_come_out_however_they_were_fragmented_masked_and_cut(
        role in roles(),
        sent in vec(fragmented(), 0..6),
        keys in vec(any::<[u8; 4]>(), 1..8),
        cuts in cuts(),
    ) {
        let (mut wire, mut events, mut pongs) = (Vec::new(), Vec::new(), Vec::new());
        let mut keys = keys.iter().cycle();
        for (message, places, pings) in &sent {
            let bytes = message.bytes();
            let mut ends: Vec<_> = places.iter().map(|p| p.index(bytes.len() + 1)).collect();
            ends.push(bytes.len());
            ends.sort_unstable();
            let (mut start, last) = (0, ends.len() - 1);
            for (index, end) in ends.into_iter().enumerate() {
                for (place, payload) in pings {
                    if place.index(last + 1) == index {
                        wire.extend(keyed_frame(role, 0x89, payload, *keys.next().unwrap()));
                        events.push(ping(payload));
                        pongs.push(payload.clone());
                    }
                }
                let fin = u8::from(index == last) << 7;
                let opcode = if index == 0 { message.opcode() } else { 0 };
                let payload = &bytes[start..end];
                wire.extend(keyed_frame(role, fin | opcode, payload, *keys.next().unwrap()));
                start = end;
            }
            events.push(message.event());
        }
        let mut run = Run::new(role);
        for piece in cut(&wire, &cuts) {
            run.feed(&piece);
        }
        prop_assert_eq!(&run.events, &events);
        prop_assert!(run.sent().iter().all(|frame| frame.opcode == 10));
        let answers: Vec<_> = run.sent().into_iter().map(|frame| frame.payload).collect();
        prop_assert_eq!(answers, pongs);
        prop_assert!(run.ws.is_open());
    }
}

/// Frames in any order, mostly valid, so that they get far, with garbage now and then.
fn hostile_bytes(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => select(vec![0x01, 0x02, 0x00, 0x00, 0x80, 0x81, 0x82]),
        4 => select(vec![0x89, 0x8a]),
        1 => select(vec![0x88, 0x08, 0xc1, 0x83]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "[a-zé€😀]{0,12}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..20),
        1 => Just(b"\x03\xe8bye".to_vec()),
        1 => vec(any::<u8>(), 100..150),
    ];
    let frames = (first, payload, any::<[u8; 4]>())
        .prop_map(move |(first, payload, key)| keyed_frame(role, first, &payload, key));
    let piece = prop_oneof![
        30 => frames.boxed(),
        1 => vec(any::<u8>(), 0..30).boxed(),
    ];
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn cuts_never_change_events_or_output_and_nothing_follows_an_end(
        (role, bytes) in roles().prop_flat_map(|role| (Just(role), hostile_bytes(role))),
        cuts in cuts(),
        we_close: bool,
    ) {
        let limits = settings(|s| {
            s.max_message_size = 160;
            s.max_fragments = 6;
        });
        let start = || {
            let mut run = Run::with_settings(role, limits);
            if we_close {
                run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap();
            }
            run
        };
        let mut full = start();
        full.feed(&bytes);
        let mut pieces = start();
        for piece in cut(&bytes, &cuts) {
            pieces.feed(&piece);
        }
        prop_assert_eq!(&full.events, &pieces.events);
        prop_assert_eq!(&full.out, &pieces.out);
        prop_assert_eq!(full.ws.is_open(), pieces.ws.is_open());
        prop_assert_eq!(full.ws.must_close_transport(), pieces.ws.must_close_transport());

        let mut run = pieces;
        let end = run.events.iter().position(is_last);
        prop_assert!(end.is_none_or(|end| end + 1 == run.events.len()));
        let closes = run.sent().iter().filter(|frame| frame.opcode == 8).count();
        prop_assert_eq!(closes, usize::from(we_close || end.is_some()));
        if end.is_some() {
            let (events, out) = (run.events.len(), run.out.len());
            run.feed(&bytes);
            prop_assert_eq!((run.events.len(), run.out.len()), (events, out));
            prop_assert_eq!(run.ws.send("", &mut run.out), Err(SendError::Closed));
        }
        let how = run.eof();
        prop_assert_eq!(&full.eof(), &how);
        prop_assert!(!run.ws.is_open());
        let is_closed = matches!(run.events.last(), Some(Event::Close { .. }));
        prop_assert_eq!(how.is_clean(), is_closed);
        prop_assert_eq!(how, match run.events.last() {
            Some(Event::Close { code, .. }) => How::Closed { code: *code, by_peer: !we_close },
            Some(Event::Failed(error)) if !we_close => How::Failed(*error),
            // The first cause is the one that is reported.
            _ if we_close => How::Closed { code: CloseCode::ABNORMAL, by_peer: false },
            _ => How::Failed(ProtocolError::TransportEnded),
        });
    }

    /// `receive_owned` yields the same events, whatever the delivery.
    #[test]
    fn owned_events_are_those_that_are_lent(
        (role, bytes) in roles().prop_flat_map(|role| (Just(role), hostile_bytes(role))),
        cuts in cuts(),
        deliver in select(vec![Deliver::Complete, Deliver::InPlace, Deliver::Pieces]),
    ) {
        let limits = settings(|s| {
            s.deliver = deliver;
            s.max_message_size = 160;
            s.max_fragments = 6;
        });
        let mut lent = Run::with_settings(role, limits);
        let (mut ws, mut out) = (connection(role, limits), BytesMut::new());
        let (mut input, mut joining, mut owned) = (BytesMut::new(), Joining::default(), Vec::new());
        for piece in cut(&bytes, &cuts) {
            lent.feed(&piece);
            input.extend_from_slice(&piece);
            while let Some(event) = ws.receive_owned(&mut input, &mut out) {
                owned.extend(joining.push(event));
            }
            // After each read, not only at the end.
            prop_assert_eq!(&owned, &lent.events);
            prop_assert_eq!(&out, &lent.out);
            prop_assert_eq!(input.len(), lent.left.len());
            if deliver == Deliver::Pieces {
                prop_assert_eq!(joining.unfinished(), lent.joining.unfinished());
            }
        }
    }

    /// Elsewhere a frame of a certain length was looked at again and again.
    #[test]
    fn each_event_takes_a_byte_and_a_failure_is_the_last(
        (role, bytes) in roles().prop_flat_map(|role| (Just(role), hostile_bytes(role))),
        deliver in select(vec![Deliver::Complete, Deliver::InPlace, Deliver::Pieces]),
    ) {
        let mut ws = connection(role, settings(|s| s.deliver = deliver));
        let (mut bytes, mut out) = (bytes, BytesMut::new());
        let mut input = Input(&mut bytes);
        loop {
            let before = input.0.len();
            let Some(event) = ws.receive(&mut input, &mut out).map(Event::into_owned) else {
                break;
            };
            if matches!(event, Event::Failed(_)) {
                prop_assert_eq!(ws.receive(&mut input, &mut out), None, "the last one");
                break;
            }
            prop_assert!(input.0.len() < before, "{event:?}");
        }
        prop_assert!(deliver == Deliver::InPlace || input.0.is_empty());
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        role in roles(),
        bytes in vec(any::<u8>(), 0..200),
        cuts in cuts(),
    ) {
        let mut full = Run::new(role);
        full.feed(&bytes);
        let mut pieces = Run::new(role);
        for piece in cut(&bytes, &cuts) {
            pieces.feed(&piece);
        }
        prop_assert_eq!(full.events, pieces.events);
        prop_assert_eq!(full.out, pieces.out);
    }
}

// ---- text (section 8.1; RFC 3629) ----

fn almost_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => "[a-z\\x00-\\x7f]{0,40}".prop_map(String::into_bytes),
        6 => "[é€😀\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,4}"
            .prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..3),
        1 => select(vec![0xed_u8, 0xe0, 0xf0, 0xf4, 0xf5, 0xc0, 0xc2, 0x80, 0xbf, 0x90, 0x9f, 0xa0])
            .prop_map(|byte| vec![byte]),
        1 => vec(select(vec![0xe2, 0x82, 0xf0, 0x9f, 0x98]), 0..4),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn text_is_accepted_exactly_if_the_standard_library_accepts_it(
        role in roles(),
        bytes in almost_text(),
        places in vec(any::<Index>(), 0..5),
        cuts in cuts(),
    ) {
        let mut ends: Vec<_> = places.iter().map(|p| p.index(bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let (mut wire, mut start, last) = (Vec::new(), 0, ends.len() - 1);
        for (index, end) in ends.into_iter().enumerate() {
            let first = u8::from(index == last) << 7 | u8::from(index == 0);
            wire.extend(frame(role, first, &bytes[start..end]));
            start = end;
        }
        let mut run = Run::new(role);
        for piece in cut(&wire, &cuts) {
            run.feed(&piece);
        }
        let wanted = match std::str::from_utf8(&bytes) {
            Ok(message) => text(message),
            Err(_) => Event::Failed(ProtocolError::TextNotUtf8),
        };
        prop_assert_eq!(&run.events[..], &[wanted]);
    }

    #[test]
    fn text_fails_with_the_first_byte_that_cannot_be_text(
        role in roles(),
        bytes in almost_text(),
    ) {
        // The shortest prefix that no further bytes make valid.
        let bad = (0..=bytes.len()).find(|&len| {
            let error = std::str::from_utf8(&bytes[..len]).err();
            error.is_some_and(|error| error.error_len().is_some())
        });
        // The header announces one byte more, so that the end of the text is not judged.
        let wire = [
            frame_header(role, 0x81, bytes.len() as u64 + 1),
            xor(&bytes, if role == Role::Server { KEY } else { [0; 4] }),
        ]
        .concat();
        let header_len = wire.len() - bytes.len();
        let mut run = Run::new(role);
        let failed = wire.iter().position(|&byte| !run.feed(&[byte]).events.is_empty());
        prop_assert_eq!(failed.map(|index| index + 1), bad.map(|len| header_len + len));
    }
}

// ---- two ends (sections 5, 6 and 7) ----

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn everything_sent_is_received(role in roles(), sent in vec(messages(), 0..8), cuts in cuts()) {
        let mut sender = connection(role, Settings::default());
        let mut out = BytesMut::new();
        for message in &sent {
            sender.send(message.data(), &mut out).unwrap();
        }
        let mut receiver = Run::new(other(role));
        for piece in cut(&out, &cuts) {
            receiver.feed(&piece);
        }
        let wanted: Vec<_> = sent.iter().map(Message::event).collect();
        prop_assert_eq!(receiver.events, wanted);
        prop_assert!(receiver.out.is_empty());
    }
}

#[derive(Clone, Debug)]
enum Action {
    Send(Message),
    /// A piece of a message, and whether it is the last.
    Piece(Message, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
    /// This many bytes of its output reach the peer.
    Deliver(usize),
}

fn actions() -> impl Strategy<Value = Action> {
    let code = select(vec![1000, 1001, 1011, 3000, 4999]).prop_map(CloseCode);
    let close = prop_oneof![
        Just(Action::Close(None, String::new())),
        (code, "[a-zé]{0,60}").prop_map(|(code, reason)| Action::Close(Some(code), reason)),
    ];
    prop_oneof![
        4 => messages().prop_map(Action::Send),
        6 => (messages(), prop::bool::weighted(0.3)).prop_map(|(m, last)| Action::Piece(m, last)),
        1 => vec(any::<u8>(), 0..130).prop_map(Action::Ping),
        1 => vec(any::<u8>(), 0..130).prop_map(Action::Pong),
        1 => close,
        6 => prop_oneof![0..20_usize, 0..70_000_usize].prop_map(Action::Deliver),
    ]
}

/// One end, and the complete messages that it has sent.
struct End {
    run: Run,
    sent: Vec<Event<'static>>,
    unfinished: Option<Message>,
    /// What its own call of `close` said, and whether that answered a Close.
    closed_with: Option<(Option<CloseCode>, bool)>,
}

impl End {
    fn new(role: Role, answer_close: bool) -> Self {
        Self {
            run: Run::with_settings(role, settings(|s| s.answer_close = answer_close)),
            sent: Vec::new(),
            unfinished: None,
            closed_with: None,
        }
    }

    fn has_got_close(&self) -> bool {
        matches!(self.run.events.last(), Some(Event::Close { .. }))
    }

    fn act(&mut self, action: &Action) {
        let has_got_close = self.has_got_close();
        let answers = self.run.ws.settings().answer_close;
        let may_send = self.closed_with.is_none() && !(has_got_close && answers);
        let (ws, out) = (&mut self.run.ws, &mut self.run.out);
        assert_eq!(ws.is_open(), may_send);
        let before = out.len();
        let result = match action {
            Action::Send(message) => {
                let result = ws.send(message.data(), out);
                if result.is_ok() {
                    self.sent.push(message.event());
                }
                result
            }
            Action::Piece(more, is_last) => {
                let result = ws.send_piece(more.data(), *is_last, out);
                if result.is_ok() {
                    let message = match self.unfinished.take() {
                        Some(message) => message.with(more),
                        None => more.clone(),
                    };
                    match is_last {
                        true => self.sent.push(message.event()),
                        false => self.unfinished = Some(message),
                    }
                }
                result
            }
            Action::Ping(payload) => ws.send_ping(payload, out),
            Action::Pong(payload) => ws.send_pong(payload, out),
            Action::Close(code, reason) => {
                let result = ws.close(*code, reason, out);
                if result.is_ok() {
                    self.closed_with = Some((*code, has_got_close));
                }
                result
            }
            Action::Deliver(_) => return,
        };
        assert!(may_send || result.is_err());
        assert_eq!(result.is_ok(), out.len() > before, "all or nothing");
    }
}

fn deliver(from: &mut End, to: &mut End, n: usize) {
    let n = n.min(from.run.out.len());
    let bytes = from.run.out.split_to(n);
    to.run.feed(&bytes);
}

proptest! {
    #![proptest_config(cases(300))]

    /// In the end both have received the code of the Close that the other one sent. If only
    /// one end called `close`, this is the same code on both sides; if both did before they saw
    /// the other's Close, each has the other's (RFC 6455, section 7.1.5). An end that does not answer
    /// a Close at once may send until it does.
    #[test]
    fn two_ends_always_close_with_all_that_was_sent_delivered(
        actions in vec((any::<bool>(), actions()), 0..40),
        answer_close in any::<(bool, bool)>(),
        last_word: bool,
    ) {
        let mut client = End::new(Role::Client, answer_close.0);
        let mut server = End::new(Role::Server, answer_close.1);
        for (at_client, action) in &actions {
            let (here, there) = match at_client {
                true => (&mut client, &mut server),
                false => (&mut server, &mut client),
            };
            match action {
                Action::Deliver(n) => deliver(here, there, *n),
                action => here.act(action),
            }
        }
        let last = if last_word { &mut client } else { &mut server };
        last.act(&Action::Close(Some(CloseCode::NORMAL), String::new()));
        loop {
            deliver(&mut client, &mut server, 1_000);
            deliver(&mut server, &mut client, 1_000);
            // Only an answer that is due is still sent.
            for end in [&mut client, &mut server] {
                if end.has_got_close() && end.run.ws.is_open() {
                    end.act(&Action::Send(Message::Text("the last".into())));
                    end.act(&Action::Close(Some(CloseCode(4000)), String::new()));
                }
            }
            if client.run.out.is_empty() && server.run.out.is_empty() {
                break;
            }
        }

        for (one, two) in [(&client, &server), (&server, &client)] {
            prop_assert!(!one.run.ws.is_open());
            prop_assert!(one.has_got_close());
            let (_, before) = one.run.events.split_last().unwrap();
            let is_message = |e: &&Event<'_>| matches!(e, Event::Text(_) | Event::Binary(_));
            let received: Vec<_> = before.iter().filter(is_message).collect();
            prop_assert_eq!(received, Vec::from_iter(&two.sent));
        }
        prop_assert!(server.run.ws.must_close_transport(), "the server closes first");
        prop_assert!(!client.run.ws.must_close_transport());

        let ends = [client.run.eof(), server.run.eof()];
        for (how, (one, two)) in ends.iter().zip([(&client, &server), (&server, &client)]) {
            // The first to close chose the code; the other one echoed it, or had chosen its own.
            let (said, _) = two.closed_with.or(one.closed_with).unwrap();
            let code = said.unwrap_or(CloseCode::NO_STATUS);
            let by_peer = one.closed_with.is_none_or(|(_, is_answer)| is_answer);
            prop_assert_eq!(how, &How::Closed { code, by_peer });
            prop_assert!(how.is_clean());
            prop_assert_eq!(how.close_code(), code);
        }
        if client.closed_with.is_none() || server.closed_with.is_none() {
            prop_assert_eq!(ends[0].close_code(), ends[1].close_code());
        }
    }
}
