//! Laws for all inputs: how octets are cut into reads never changes anything; what one end
//! sends the other receives; no octets make anything panic, and nothing follows an end
//! (RFC 6455, sections 5, 7 and 8.1).

mod support;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sansocket::negotiation::Extension;
use sansocket::{
    CloseCode, ClosedBy, Config, Event, HandshakeConfig, Header, Input, Opcode, ProtocolError,
    Role, SendError, State,
};
use support::*;

fn config(cases: u32) -> ProptestConfig {
    proptest_config(cases, "proptest-regressions/properties.txt")
}

// ---- what the inputs are made of ----

fn roles() -> impl Strategy<Value = Role> {
    select(vec![Role::Server, Role::Client])
}

/// Lengths of reads, used in turn; 0 is an empty read.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![0..4_usize, 0..40_usize, 0..1_000_usize], 1..10)
}

fn cut(octets: &[u8], lens: &[usize]) -> Vec<Vec<u8>> {
    let (mut pieces, mut rest) = (Vec::new(), octets);
    for len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        // A row of empty reads only would never end.
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

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..140),
        1 => (any::<u8>(), 65_530..65_540_usize).prop_map(|(octet, len)| vec![octet; len]),
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
    fn octets(&self) -> &[u8] {
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
            Self::Text(text) => Event::Text(text.clone().into()),
            Self::Binary(data) => Event::Binary(data.clone().into()),
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

// ---- frames (section 5.2) ----

fn headers() -> impl Strategy<Value = Header> {
    use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
    let opcodes = select(vec![Continuation, Text, Binary, Close, Ping, Pong]);
    let lens = prop_oneof![0..130_u64, 65_530..65_540_u64, 0..1_u64 << 63];
    let flags = (any::<bool>(), any::<bool>());
    (opcodes, lens, flags, any::<Option<[u8; 4]>>()).prop_map(
        |(opcode, len, (fin, rsv1), masking_key)| Header {
            fin: fin || opcode.is_control(),
            rsv1: rsv1 && matches!(opcode, Text | Binary),
            opcode,
            masking_key,
            payload_len: if opcode.is_control() { len % 126 } else { len },
        },
    )
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn a_header_that_is_written_is_read_back(header in headers(), behind: [u8; 3]) {
        let mut octets = BytesMut::new();
        header.encode(&mut octets);
        let receiver = if header.masking_key.is_some() { Role::Server } else { Role::Client };
        let len = octets.len();
        prop_assert!(len <= Header::MAX_LEN);
        octets.extend_from_slice(&behind);
        prop_assert_eq!(Header::parse(&octets, receiver, header.rsv1), Ok(Some((header, len))));
        for short in 0..len {
            prop_assert_eq!(Header::parse(&octets[..short], receiver, header.rsv1), Ok(None));
        }
        prop_assert!(Header::parse(&octets, other(receiver), true).is_err());
        if header.rsv1 {
            let error = Err(ProtocolError::ReservedBit);
            prop_assert_eq!(Header::parse(&octets, receiver, false), error);
        }
    }

    #[test]
    fn a_header_that_is_read_is_written_the_same(octets: [u8; 14], role in roles(), rsv1: bool) {
        if let Ok(Some((header, len))) = Header::parse(&octets, role, rsv1) {
            let mut again = BytesMut::new();
            header.encode(&mut again);
            prop_assert_eq!(&again[..], &octets[..len]);
        }
    }

    #[test]
    fn a_verdict_on_a_header_never_changes(octets: [u8; 14], role in roles()) {
        let whole = Header::parse(&octets, role, false);
        for len in 0..=octets.len() {
            match Header::parse(&octets[..len], role, false) {
                Ok(None) => {}
                verdict => prop_assert_eq!(&verdict, &whole),
            }
        }
    }
}

// ---- receiving (sections 5.4, 5.5 and 6.2) ----

/// A message, the places where it is cut into fragments, and the Pings between them.
type Fragmented = (Message, Vec<Index>, Vec<(Index, Vec<u8>)>);

fn fragmented() -> impl Strategy<Value = Fragmented> {
    let pings = vec((any::<Index>(), vec(any::<u8>(), 0..=125)), 0..3);
    (messages(), vec(any::<Index>(), 0..5), pings)
}

proptest! {
    #![proptest_config(config(300))]

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
            let octets = message.octets();
            let mut ends: Vec<_> = places.iter().map(|p| p.index(octets.len() + 1)).collect();
            ends.push(octets.len());
            ends.sort_unstable();
            let (mut begin, last) = (0, ends.len() - 1);
            for (index, end) in ends.into_iter().enumerate() {
                for (place, payload) in pings {
                    if place.index(last + 1) == index {
                        wire.extend(keyed_frame(role, 0x89, payload, *keys.next().unwrap()));
                        events.push(Event::Ping(payload.clone().into()));
                        pongs.push(payload.clone());
                    }
                }
                let fin = u8::from(index == last) << 7;
                let opcode = if index == 0 { message.opcode() } else { 0 };
                let payload = &octets[begin..end];
                wire.extend(keyed_frame(role, fin | opcode, payload, *keys.next().unwrap()));
                begin = end;
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
        prop_assert_eq!(run.ws.state(), State::Open);
    }
}

/// Frames that are mostly right, in any order, and now and then garbage, so that it goes deep.
fn hostile_octets(role: Role) -> impl Strategy<Value = Vec<u8>> {
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
    #![proptest_config(config(1_000))]

    #[test]
    fn cuts_never_change_events_or_output_and_nothing_follows_an_end(
        (role, octets) in roles().prop_flat_map(|role| (Just(role), hostile_octets(role))),
        cuts in cuts(),
        we_close: bool,
    ) {
        let mut limits = Config::default();
        limits.max_message_size = 160;
        limits.max_frame_size = 140;
        limits.max_fragments = 6;
        let start = || {
            let mut run = Run::with_config(role, &limits);
            if we_close {
                run.ws.close(CloseCode::NORMAL, "", &mut run.out).unwrap();
            }
            run
        };
        let mut whole = start();
        whole.feed(&octets);
        let mut pieces = start();
        for piece in cut(&octets, &cuts) {
            pieces.feed(&piece);
        }
        prop_assert_eq!(&whole.events, &pieces.events);
        prop_assert_eq!(&whole.out, &pieces.out);
        prop_assert_eq!(whole.ws.state(), pieces.ws.state());

        let mut run = pieces;
        let end = run.events.iter().position(is_last);
        prop_assert!(end.is_none_or(|end| end + 1 == run.events.len()));
        let closes = run.sent().iter().filter(|frame| frame.opcode == 8).count();
        prop_assert_eq!(closes, usize::from(we_close || end.is_some()));
        if end.is_some() {
            let (events, out) = (run.events.len(), run.out.len());
            run.feed(&octets);
            prop_assert_eq!((run.events.len(), run.out.len()), (events, out));
            prop_assert_eq!(run.ws.send_text("", &mut run.out), Err(SendError::NotOpen));
        }
        let clean = run.ws.receive_eof().is_ok();
        prop_assert_eq!(clean, matches!(run.events.last(), Some(Event::Close(_))));
        prop_assert_eq!(clean, run.ws.is_clean());
        prop_assert_eq!(run.ws.state(), State::Closed);
    }

    #[test]
    fn arbitrary_octets_never_panic(
        role in roles(),
        octets in vec(any::<u8>(), 0..200),
        cuts in cuts(),
    ) {
        let mut whole = Run::new(role);
        whole.feed(&octets);
        let mut pieces = Run::new(role);
        for piece in cut(&octets, &cuts) {
            pieces.feed(&piece);
        }
        prop_assert_eq!(whole.events, pieces.events);
        prop_assert_eq!(whole.out, pieces.out);
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
            .prop_map(|octet| vec![octet]),
        1 => vec(select(vec![0xe2, 0x82, 0xf0, 0x9f, 0x98]), 0..4),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn text_is_what_the_standard_library_takes_for_text(
        role in roles(),
        octets in almost_text(),
        places in vec(any::<Index>(), 0..5),
        cuts in cuts(),
    ) {
        let mut ends: Vec<_> = places.iter().map(|p| p.index(octets.len() + 1)).collect();
        ends.push(octets.len());
        ends.sort_unstable();
        let (mut wire, mut begin, last) = (Vec::new(), 0, ends.len() - 1);
        for (index, end) in ends.into_iter().enumerate() {
            let first = u8::from(index == last) << 7 | u8::from(index == 0);
            wire.extend(frame(role, first, &octets[begin..end]));
            begin = end;
        }
        let mut run = Run::new(role);
        for piece in cut(&wire, &cuts) {
            run.feed(&piece);
        }
        let wanted = match std::str::from_utf8(&octets) {
            Ok(text) => Event::Text(text.to_owned().into()),
            Err(_) => Event::Failed(ProtocolError::TextNotUtf8),
        };
        prop_assert_eq!(&run.events[..], &[wanted]);
    }

    #[test]
    fn text_fails_with_the_first_octet_that_cannot_be_text(
        role in roles(),
        octets in almost_text(),
    ) {
        // The shortest beginning that nothing makes valid.
        let bad = (0..=octets.len()).find(|&len| {
            let error = std::str::from_utf8(&octets[..len]).err();
            error.is_some_and(|error| error.error_len().is_some())
        });
        // One octet more is announced than comes, so the end of the text is not judged.
        let wire = [
            frame_header(role, 0x81, octets.len() as u64 + 1),
            xor(&octets, if role == Role::Server { KEY } else { [0; 4] }),
        ]
        .concat();
        let header_len = wire.len() - octets.len();
        let mut run = Run::new(role);
        let failed = wire.iter().position(|&octet| !run.feed(&[octet]).events.is_empty());
        prop_assert_eq!(failed.map(|index| index + 1), bad.map(|len| header_len + len));
    }
}

// ---- two ends (sections 5, 6 and 7) ----

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn what_is_sent_is_received(role in roles(), sent in vec(messages(), 0..8), cuts in cuts()) {
        let mut sender = connection(role, &Config::default());
        let mut out = BytesMut::new();
        for message in &sent {
            match message {
                Message::Text(text) => sender.send_text(text, &mut out).unwrap(),
                Message::Binary(data) => sender.send_binary(data, &mut out).unwrap(),
            }
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
    First(Message),
    Next(Message),
    Last(Message),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
    /// So many octets of its output reach the peer.
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
        2 => messages().prop_map(Action::First),
        2 => messages().prop_map(Action::Next),
        2 => messages().prop_map(Action::Last),
        1 => vec(any::<u8>(), 0..130).prop_map(Action::Ping),
        1 => vec(any::<u8>(), 0..130).prop_map(Action::Pong),
        1 => close,
        6 => prop_oneof![0..20_usize, 0..70_000_usize].prop_map(Action::Deliver),
    ]
}

/// One end, and what it has sent as a whole.
struct End {
    run: Run,
    sent: Vec<Event<'static>>,
    unfinished: Option<Message>,
    /// What its own call of `close` said.
    closed_with: Option<Option<CloseCode>>,
}

impl End {
    fn new(role: Role) -> Self {
        Self {
            run: Run::new(role),
            sent: Vec::new(),
            unfinished: None,
            closed_with: None,
        }
    }

    fn act(&mut self, action: &Action) {
        let (ws, out) = (&mut self.run.ws, &mut self.run.out);
        let before = out.len();
        let result = match action {
            Action::Send(message) => {
                let result = match message {
                    Message::Text(text) => ws.send_text(text, out),
                    Message::Binary(data) => ws.send_binary(data, out),
                };
                if result.is_ok() {
                    self.sent.push(message.event());
                }
                result
            }
            Action::First(message) => {
                let result = send(message, |data| ws.send_first_fragment(data, out));
                if result.is_ok() {
                    self.unfinished = Some(message.clone());
                }
                result
            }
            Action::Next(more) => {
                let result = send(more, |data| ws.send_next_fragment(data, out));
                if result.is_ok() {
                    append(self.unfinished.as_mut().unwrap(), more);
                }
                result
            }
            Action::Last(more) => {
                let result = send(more, |data| ws.send_last_fragment(data, out));
                if result.is_ok() {
                    let mut message = self.unfinished.take().unwrap();
                    append(&mut message, more);
                    self.sent.push(message.event());
                }
                result
            }
            Action::Ping(payload) => ws.send_ping(payload, out),
            Action::Pong(payload) => ws.send_pong(payload, out),
            Action::Close(code, reason) => {
                let result = ws.close(*code, reason, out);
                if result.is_ok() {
                    self.closed_with = Some(*code);
                }
                result
            }
            Action::Deliver(_) => return,
        };
        assert_eq!(result.is_ok(), out.len() > before, "all or nothing");
    }
}

fn send<'m>(
    message: &'m Message,
    send: impl FnOnce(sansocket::Data<'m>) -> Result<(), SendError>,
) -> Result<(), SendError> {
    send(match message {
        Message::Text(text) => sansocket::Data::Text(text),
        Message::Binary(data) => sansocket::Data::Binary(data),
    })
}

fn append(message: &mut Message, more: &Message) {
    match (message, more) {
        (Message::Text(text), Message::Text(more)) => text.push_str(more),
        (Message::Binary(data), Message::Binary(more)) => data.extend_from_slice(more),
        _ => panic!("a message of two types was sent"),
    }
}

fn deliver(from: &mut End, to: &mut End, n: usize) {
    let n = n.min(from.run.out.len());
    let octets = from.run.out.split_to(n);
    to.run.feed(&octets);
}

proptest! {
    #![proptest_config(config(300))]

    /// Once both have drained, both have the code of the Close that the other one sent. If only
    /// one end called `close`, this is the same code on both sides; if both did before they saw
    /// the other's Close, each has the other's (RFC 6455, section 7.1.5).
    #[test]
    fn two_ends_always_close_with_all_that_was_sent_delivered(
        actions in vec((any::<bool>(), actions()), 0..40),
        last_word: bool,
    ) {
        let (mut client, mut server) = (End::new(Role::Client), End::new(Role::Server));
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
        while !client.run.out.is_empty() || !server.run.out.is_empty() {
            deliver(&mut client, &mut server, 1_000);
            deliver(&mut server, &mut client, 1_000);
        }

        for (one, two) in [(&client, &server), (&server, &client)] {
            prop_assert_eq!(one.run.ws.state(), State::Closing);
            prop_assert_eq!(one.run.ws.error(), None);
            let (close, before) = one.run.events.split_last().unwrap();
            prop_assert!(matches!(close, Event::Close(_)));
            let received: Vec<_> = before
                .iter()
                .filter(|event| matches!(event, Event::Text(_) | Event::Binary(_)))
                .cloned()
                .collect();
            prop_assert_eq!(&received, &two.sent);

            // The first to close said the code; the other one echoed it, or said its own.
            let said = two.closed_with.or(one.closed_with).unwrap();
            let code = said.unwrap_or(CloseCode::NO_STATUS);
            prop_assert_eq!(one.run.ws.close_code(), Some(code));
            let by = if one.closed_with.is_some() { ClosedBy::Us } else { ClosedBy::Peer };
            prop_assert_eq!(one.run.ws.closed_by(), Some(by));
        }
        if client.closed_with.is_none() || server.closed_with.is_none() {
            prop_assert_eq!(client.run.ws.close_code(), server.run.ws.close_code());
        }
        prop_assert!(server.run.ws.must_close_transport(), "the server closes first");
        prop_assert!(!client.run.ws.must_close_transport());
        for end in [&mut client, &mut server] {
            prop_assert_eq!(end.run.ws.receive_eof(), Ok(()));
            prop_assert!(end.run.ws.is_clean());
        }
    }
}

// ---- the opening handshake (section 4) ----

/// A good head in which some octets were replaced, lines doubled, moved or left out.
fn heads(good: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let other_lines = vec![
        "Origin: http://example.com\r\n",
        "Origin: null\r\n",
        "Sec-WebSocket-Protocol: a, b,,c\r\n",
        "Sec-WebSocket-Protocol: ,\r\n",
        "Sec-WebSocket-Extensions: permessage-deflate; a=\"b\\c\"; d\r\n",
        "Sec-WebSocket-Extensions: x; y=\"\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 7\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: keep-alive, Upgrade\r\n",
        "X:\r\n",
        "\r\n",
        "folded: a\r\n b\r\n",
        "bare: a\nb\r\n",
    ];
    let lines = vec((any::<Index>(), select(other_lines)), 0..3);
    let lost = prop::option::weighted(0.2, any::<Index>());
    let octets = prop_oneof![2 => vec((any::<Index>(), any::<u8>()), 0..1), 1 => vec((any::<Index>(), any::<u8>()), 0..3)];
    let behind = vec(any::<u8>(), 0..30);
    (lines, lost, octets, behind).prop_map(move |(more, lost, octets, behind)| {
        let mut lines: Vec<&str> = good.split_inclusive("\r\n").collect();
        if let Some(lost) = lost {
            lines.remove(lost.index(lines.len()));
        }
        for (place, line) in more {
            lines.insert(1 + place.index(lines.len() - 1), line);
        }
        let mut head = lines.concat().into_bytes();
        for (place, octet) in octets {
            let at = place.index(head.len());
            head[at] = octet;
        }
        head.extend(behind);
        head
    })
}

fn small_limits() -> HandshakeConfig {
    let mut config = HandshakeConfig::default();
    config.max_head_size = 400;
    config.max_headers = 8;
    config.max_interim_responses = 1;
    config.max_body_size = 20;
    config
}

/// The octets to a server's handshake; what came of it.
fn served(pieces: &[Vec<u8>]) -> (Option<String>, BytesMut, Vec<u8>) {
    let mut handshake = sansocket::ServerHandshake::new(&small_limits());
    let (mut outcome, mut out, mut rest) = (None, BytesMut::new(), Vec::new());
    for mut piece in pieces.iter().cloned() {
        let mut input = Input::new(&mut piece);
        match handshake.receive(&mut input, &mut out) {
            Ok(None) => assert!(input.is_empty() || outcome.is_some()),
            Ok(Some(request)) => {
                let _ = request.accept().send(&mut out);
                outcome = Some(format!("{request:?}"));
            }
            Err(error) => {
                assert!(input.is_empty());
                outcome = Some(format!("{error:?}"));
            }
        }
        rest.extend_from_slice(input.take_rest());
    }
    (outcome, out, rest)
}

/// The octets to a client's handshake, then the end of the transport.
fn asked(pieces: &[Vec<u8>]) -> (String, BytesMut, Vec<u8>) {
    let request = client_request().subprotocol("a").unwrap();
    let request = request.extension(Extension::new("x").unwrap());
    let (mut handshake, _) = client_handshake(&request, &small_limits());
    let (mut outcome, mut out, mut rest) = (None, BytesMut::new(), Vec::new());
    for mut piece in pieces.iter().cloned() {
        let mut input = Input::new(&mut piece);
        match handshake.receive(&mut input, &mut out) {
            Ok(None) => assert!(input.is_empty() || outcome.is_some()),
            Ok(Some(opened)) => outcome = Some(format!("{opened:?}")),
            Err(error) => {
                assert!(input.is_empty());
                outcome = Some(format!("{error:?}"));
            }
        }
        rest.extend_from_slice(input.take_rest());
    }
    let end = handshake.receive_eof();
    (outcome.unwrap_or_else(|| format!("{end:?}")), out, rest)
}

/// A 101 for the key of the seed that the tests use.
const OPENING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT_OF_THE_SEED\r\n\r\n";
const REFUSING: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden";
const CHUNKED: &str = "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n\
    3\r\nabc\r\nf;x\r\n0123456789abcde\r\n0\r\nX: y\r\n\r\n";
const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx";

fn responses() -> impl Strategy<Value = Vec<u8>> {
    let (_, key) = client_handshake(&client_request(), &small_limits());
    let accept = sansocket::negotiation::accept_key(&key);
    let opening = heads(OPENING).prop_map(move |head| {
        // An octet of the mark itself may have been replaced; then it is a wrong answer.
        let mark = b"ACCEPT_OF_THE_SEED";
        match head.windows(mark.len()).position(|part| part == mark) {
            Some(at) => [&head[..at], accept.as_bytes(), &head[at + mark.len()..]].concat(),
            None => head,
        }
    });
    prop_oneof![
        opening.boxed(),
        heads(REFUSING).boxed(),
        heads(CHUNKED).boxed(),
        heads(INTERIM).boxed(),
    ]
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn cuts_never_change_what_a_server_makes_of_a_request(head in heads(REQUEST), cuts in cuts()) {
        let whole = served(std::slice::from_ref(&head));
        prop_assert_eq!(whole, served(&cut(&head, &cuts)));
    }

    #[test]
    fn cuts_never_change_what_a_client_makes_of_a_response(head in responses(), cuts in cuts()) {
        let whole = asked(std::slice::from_ref(&head));
        prop_assert_eq!(whole, asked(&cut(&head, &cuts)));
    }

    #[test]
    fn arbitrary_heads_never_panic(octets in vec(any::<u8>(), 0..300), cuts in cuts()) {
        let whole = std::slice::from_ref(&octets);
        prop_assert_eq!(served(whole), served(&cut(&octets, &cuts)));
        prop_assert_eq!(asked(whole), asked(&cut(&octets, &cuts)));
    }
}

/// The strategies reach what they are for: otherwise the laws above would hold for nothing.
#[test]
fn the_good_heads_are_good() {
    assert!(served(&[REQUEST.into()]).1.starts_with(b"HTTP/1.1 101 "));
    let (_, key) = client_handshake(&client_request(), &small_limits());
    let accept = sansocket::negotiation::accept_key(&key);
    let opening = OPENING.replace("ACCEPT_OF_THE_SEED", &accept);
    assert!(asked(&[opening.into()]).0.starts_with("Opened"));
    for response in [REFUSING, CHUNKED] {
        let outcome = asked(&[response.into()]).0;
        assert!(outcome.contains("is_complete: true"), "{outcome}");
    }
    assert_eq!(asked(&[INTERIM.into()]).0, "TooManyInterimResponses");
}
