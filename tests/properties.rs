//! Laws for all inputs. Failures are kept in `proptest-regressions/properties.txt`.

mod support;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use sansocket::{
    ClientHandshake, ClientRequest, CloseCode, Config, Event, HandshakeConfig, Header, Input,
    Opcode, ProtocolError, Role, SendError, ServerHandshake, State,
};
use support::*;

fn cases(cases: u32) -> ProptestConfig {
    let file = FileFailurePersistence::Direct("proptest-regressions/properties.txt");
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(file)),
        ..ProptestConfig::default()
    }
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

/// Lengths of the pieces, used in a circle.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..4_usize, 1..40_usize, 1..2_000_usize], 1..8)
}

fn cut(mut octets: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for &len in cuts.iter().cycle() {
        if octets.is_empty() {
            break;
        }
        let (piece, rest) = octets.split_at(len.min(octets.len()));
        pieces.push(piece.to_vec());
        octets = rest;
    }
    pieces
}

/// A frame under a key of its own.
fn frame_under(receiver: Role, first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = frame_header(receiver, first, payload.len() as u64);
    if receiver == Role::Client {
        frame.extend(payload);
        return frame;
    }
    let at = frame.len() - 4;
    frame[at..].copy_from_slice(&key);
    frame.extend(xor(payload, key));
    frame
}

// ---- frames ----

fn opcode() -> impl Strategy<Value = Opcode> {
    use Opcode::*;
    prop::sample::select(vec![Continuation, Text, Binary, Close, Ping, Pong])
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn headers_round_trip(
        receiver in role(), opcode in opcode(), fin: bool, rsv1: bool, key: [u8; 4],
        len in prop_oneof![0..130_u64, 65_530..65_540_u64, 0..u64::MAX / 2],
        behind in vec(any::<u8>(), 0..4),
    ) {
        let control = opcode.is_control();
        let header = Header {
            fin: fin || control,
            rsv1: rsv1 && matches!(opcode, Opcode::Text | Opcode::Binary),
            opcode,
            masking_key: (receiver == Role::Server).then_some(key),
            payload_len: if control { len % 126 } else { len },
        };
        let mut out = BytesMut::new();
        header.encode(&mut out);
        for end in 0..out.len() {
            prop_assert_eq!(Header::parse(&out[..end], receiver, true), Ok(None));
        }
        let len = out.len();
        out.extend_from_slice(&behind);
        prop_assert_eq!(Header::parse(&out, receiver, true), Ok(Some((header, len))));
    }

    #[test]
    fn text_is_judged_as_the_standard_library_does(
        receiver in role(), cuts in cuts(), fragments in cuts_of_fragments(),
        text in prop_oneof![
            vec(any::<u8>(), 0..40),
            any::<String>().prop_map(String::into_bytes),
            // Nearly valid: one octet of a text is another one.
            (any::<String>(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(s, at, b)| {
                let mut octets = s.into_bytes();
                if !octets.is_empty() {
                    let at = at.index(octets.len());
                    octets[at] = b;
                }
                octets
            }),
        ],
    ) {
        let mut run = Run::new(receiver);
        for piece in cut(&fragmented(receiver, 1, &text, &fragments, &[]), &cuts) {
            run.feed(&piece);
        }
        let expected = match String::from_utf8(text) {
            Ok(text) => Event::Text(text.into()),
            Err(_) => Event::Failed(ProtocolError::TextNotUtf8),
        };
        prop_assert_eq!(run.events, [expected]);
    }
}

// ---- messages ----

/// A message or control frame, as the application knows it.
#[derive(Clone, Debug)]
enum Item {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

impl Item {
    fn event(&self) -> Event<'static> {
        match self.clone() {
            Self::Text(text) => Event::Text(text.into()),
            Self::Binary(data) => Event::Binary(data.into()),
            Self::Ping(payload) => Event::Ping(payload.into()),
            Self::Pong(payload) => Event::Pong(payload.into()),
        }
    }
}

fn control() -> impl Strategy<Value = Item> {
    let payload = || vec(any::<u8>(), 0..=125);
    prop_oneof![
        payload().prop_map(Item::Ping),
        payload().prop_map(Item::Pong)
    ]
}

fn message() -> impl Strategy<Value = Item> {
    let data = prop_oneof![vec(any::<u8>(), 0..300), vec(any::<u8>(), 60_000..70_000)];
    prop_oneof![
        4 => any::<String>().prop_map(Item::Text),
        1 => "[a-zé€😀]{0,9000}".prop_map(Item::Text),
        4 => data.prop_map(Item::Binary),
    ]
}

fn cuts_of_fragments() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![Just(0), 0..5_usize, 0..30_000_usize], 0..6)
}

fn control_frame(receiver: Role, item: &Item, key: [u8; 4]) -> Vec<u8> {
    match item {
        Item::Ping(payload) => frame_under(receiver, 0x89, payload, key),
        Item::Pong(payload) => frame_under(receiver, 0x8a, payload, key),
        _ => unreachable!("no control frame"),
    }
}

/// A message in fragments of these lengths and one more, each under another key, with a
/// control frame behind each but the last.
fn fragmented(
    receiver: Role,
    opcode: u8,
    data: &[u8],
    lens: &[usize],
    between: &[Item],
) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = data;
    for (index, &len) in lens.iter().enumerate() {
        let (fragment, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        let first = if index == 0 { opcode } else { 0 };
        let key = [index as u8, 0xa5, len as u8, 0];
        octets.extend(frame_under(receiver, first, fragment, key));
        if let Some(item) = between.get(index) {
            octets.extend(control_frame(receiver, item, [0xff, 0, index as u8, 1]));
        }
    }
    let first = if lens.is_empty() { 0x80 | opcode } else { 0x80 };
    octets.extend(frame_under(receiver, first, rest, [1, 2, 3, 4]));
    octets
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn messages_come_out_as_they_went_in(
        receiver in role(), cuts in cuts(),
        items in vec((message(), cuts_of_fragments(), vec(control(), 0..4)), 0..6),
    ) {
        let (mut octets, mut expected, mut pongs) = (Vec::new(), Vec::new(), Vec::new());
        for (message, fragments, between) in &items {
            let (opcode, data) = match message {
                Item::Text(text) => (1, text.as_bytes()),
                Item::Binary(data) => (2, &data[..]),
                _ => unreachable!("a message"),
            };
            octets.extend(fragmented(receiver, opcode, data, fragments, between));
            let between = between.iter().take(fragments.len());
            expected.extend(between.clone().map(Item::event));
            expected.push(message.event());
            pongs.extend(between.filter_map(|item| match item {
                Item::Ping(payload) => Some(Sent { fin: true, opcode: 10, payload: payload.clone() }),
                _ => None,
            }));
        }
        let mut run = Run::new(receiver);
        for piece in cut(&octets, &cuts) {
            run.feed(&piece);
        }
        prop_assert_eq!(run.sent(), pongs);
        prop_assert_eq!(run.events, expected);
    }
}

// ---- hostile octets ----

/// Valid frames, broken frames and garbage, so that the garbage meets every state.
fn hostile(receiver: Role) -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]);
    let payload = prop_oneof![
        vec(any::<u8>(), 0..20),
        "[a-zé😀]{0,40}".prop_map(String::into_bytes),
        Just(vec![0x03, 0xe8]),
    ];
    let frame = (first, payload, any::<[u8; 4]>())
        .prop_map(move |(first, payload, key)| frame_under(receiver, first, &payload, key));
    let broken = (frame.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(mut frame, at, octet)| {
            let at = at.index(frame.len());
            frame[at] = octet;
            frame
        },
    );
    vec(
        prop_oneof![8 => frame, 1 => broken, 1 => vec(any::<u8>(), 0..30)],
        0..12,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(1024))]

    /// No octets panic, how they are cut changes nothing, and nothing follows an end.
    #[test]
    fn any_octets_in_any_cut_give_the_same(
        (receiver, octets) in role().prop_flat_map(|role| (Just(role), hostile(role))),
        cuts in cuts(), behind in vec(any::<u8>(), 0..20),
        max_message_size in prop_oneof![Just(usize::MAX), 0..60_usize],
        max_fragments in prop_oneof![Just(u32::MAX), 0..4_u32],
    ) {
        let mut config = Config::default();
        config.max_message_size = max_message_size;
        config.max_fragments = max_fragments;
        let (mut whole, mut pieces) =
            (Run::with_config(receiver, &config), Run::with_config(receiver, &config));
        whole.feed(&octets);
        for piece in cut(&octets, &cuts) {
            pieces.feed(&piece);
        }
        prop_assert_eq!(&whole.events, &pieces.events);
        prop_assert_eq!(&whole.out, &pieces.out);

        let is_end = |event: &Event<'_>| matches!(event, Event::Close(_) | Event::Failed(_));
        if let Some(end) = whole.events.iter().position(is_end) {
            prop_assert_eq!(end + 1, whole.events.len());
            prop_assert_eq!(whole.ws.send_text("x", &mut whole.out), Err(SendError::NotOpen));
            whole.feed(&behind);
            prop_assert_eq!(whole.events.len(), pieces.events.len());
            prop_assert_eq!(&whole.out, &pieces.out);
            prop_assert_eq!(whole.sent().last().unwrap().opcode, 8);
        }
        // Any state may be the last, and a peer cannot make the output grow beyond its input.
        prop_assert_eq!(pieces.ws.receive_eof().is_ok(), pieces.ws.is_clean());
        prop_assert_eq!(pieces.ws.state(), State::Closed);
        prop_assert!(pieces.out.len() <= 3 * octets.len() + 130);
    }

    #[test]
    fn any_request_in_any_cut_gives_the_same(octets in head(true), cuts in cuts()) {
        let serve = |pieces: Vec<Vec<u8>>| {
            let mut handshake = ServerHandshake::new(&HandshakeConfig::default());
            let (mut out, mut left, mut outcome) = (BytesMut::new(), 0, None);
            for mut piece in pieces {
                let mut input = Input::new(&mut piece);
                let result = handshake.receive(&mut input, &mut out);
                left += input.len();
                match result {
                    Ok(None) => {}
                    Ok(Some(request)) => {
                        let _ = request.accept().send(&mut out);
                        outcome = Some(Ok(request.target().to_owned()));
                    }
                    Err(error) => outcome = Some(Err(error)),
                }
            }
            (outcome, left, out)
        };
        prop_assert_eq!(serve(vec![octets.clone()]), serve(cut(&octets, &cuts)));
    }

    #[test]
    fn any_response_in_any_cut_gives_the_same(octets in head(false), cuts in cuts(), eof: bool) {
        let connect = |pieces: Vec<Vec<u8>>| {
            let request = ClientRequest::new("ws://localhost/".parse().unwrap());
            let (mut handshake, key) = client_handshake(&request, &HandshakeConfig::default());
            assert_eq!(key, KEY_OF_SEED);
            let (mut out, mut left, mut outcome) = (BytesMut::new(), 0, None);
            for mut piece in pieces {
                let mut input = Input::new(&mut piece);
                let result = handshake.receive(&mut input, &mut out);
                left += input.len();
                match result {
                    Ok(None) => {}
                    Ok(Some(opened)) => outcome = Some(Ok(opened.headers)),
                    Err(error) => outcome = Some(Err(error)),
                }
            }
            if eof && outcome.is_none() {
                outcome = Some(Err(handshake.receive_eof()));
            }
            (outcome, left, out)
        };
        prop_assert_eq!(connect(vec![octets.clone()]), connect(cut(&octets, &cuts)));
    }
}

/// The key of the handshake that [`client_handshake`] begins: its seed is fixed.
const KEY_OF_SEED: &str = "02JtHI9w4qqMPzU9hZT3Iw==";

/// Heads that are nearly right, with garbage in all places.
fn head(request: bool) -> impl Strategy<Value = Vec<u8>> {
    let first_line = if request {
        vec![
            "GET / HTTP/1.1",
            "GET /a?b HTTP/1.1",
            "POST / HTTP/1.1",
            "GET / HTTP/1.0",
            "\r\nGET /x HTTP/1.1",
        ]
    } else {
        vec![
            "HTTP/1.1 101 X",
            "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 101 X",
            "HTTP/1.1 404 X",
            "HTTP/1.0 200 OK",
            "HTTP/1.1 302",
        ]
    };
    let accept = sansocket::negotiation::accept_key(KEY_OF_SEED);
    let fields: Vec<String> = [
        "Host: a",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    .map(String::from)
    .into_iter()
    .chain([format!("Sec-WebSocket-Accept: {accept}")])
    .collect();
    let other = prop_oneof![
        4 => Just(String::new()),
        1 => "[ -~]{0,30}",
        1 => "Content-Length: [0-9]{1,2}",
        1 => "Transfer-Encoding: chunked",
        1 => "Sec-WebSocket-(Extensions|Protocol): [a-c;=\", ]{0,12}",
        1 => "X: [\\t\\r\\n\\x00a]{0,5}",
        1 => any::<String>(),
    ];
    let behind = prop_oneof![
        vec(any::<u8>(), 0..20),
        Just(b"5\r\nhello\r\n0\r\n\r\nrest".to_vec())
    ];
    (
        prop::sample::select(first_line),
        vec(other, fields.len()),
        behind,
    )
        .prop_map(move |(first_line, others, behind)| {
            let mut head = format!("{first_line}\r\n");
            for (field, other) in fields.iter().zip(others) {
                head += &format!("{field}\r\n");
                if !other.is_empty() {
                    head += &format!("{other}\r\n");
                }
            }
            [head.as_bytes(), b"\r\n", &behind].concat()
        })
}

// ---- a pair ----

#[derive(Clone, Debug)]
enum Action {
    Send(Item),
    /// Begins or goes on with a fragmented message.
    Fragment(String),
    /// Its last fragment.
    Finish(String),
    Close(Option<u16>),
    /// So many octets of what was written arrive at the other end.
    Deliver(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let item = prop_oneof![message(), control()];
    let code = prop::option::of(prop::sample::select(vec![1000, 1001, 1011, 3000, 4999]));
    prop_oneof![
        4 => item.prop_map(Action::Send),
        2 => "[a-zé😀]{0,9}".prop_map(Action::Fragment),
        2 => "[a-zé😀]{0,9}".prop_map(Action::Finish),
        1 => code.prop_map(Action::Close),
        8 => prop_oneof![0..20_usize, 0..100_000_usize].prop_map(Action::Deliver),
    ]
}

/// One end of a pair, and what its application believes.
struct End {
    run: Run,
    unfinished: Option<String>,
    /// Messages and control frames that were taken for sending.
    sent: Vec<Event<'static>>,
    closed_with: Option<Option<u16>>,
}

impl End {
    fn new(role: Role) -> Self {
        Self {
            run: Run::new(role),
            unfinished: None,
            sent: Vec::new(),
            closed_with: None,
        }
    }

    fn act(&mut self, action: &Action) {
        let (ws, out) = (&mut self.run.ws, &mut self.run.out);
        let result = match action {
            Action::Send(Item::Text(text)) => ws.send_text(text, out),
            Action::Send(Item::Binary(data)) => ws.send_binary(data, out),
            Action::Send(Item::Ping(payload)) => ws.send_ping(payload, out),
            Action::Send(Item::Pong(payload)) => ws.send_pong(payload, out),
            Action::Fragment(text) if self.unfinished.is_some() => {
                ws.send_next_fragment(&**text, out)
            }
            Action::Fragment(text) => ws.send_first_fragment(&**text, out),
            Action::Finish(text) => ws.send_last_fragment(&**text, out),
            Action::Close(code) => ws.close(code.map(CloseCode), "", out),
            Action::Deliver(_) => return,
        };
        match (result, action) {
            (Ok(()), Action::Send(item)) => self.sent.push(item.event()),
            (Ok(()), Action::Fragment(text)) => {
                self.unfinished.get_or_insert_default().push_str(text);
            }
            (Ok(()), Action::Finish(text)) => {
                let text = self.unfinished.take().unwrap() + text;
                self.sent.push(Event::Text(text.into()));
            }
            (Ok(()), Action::Close(code)) => self.closed_with = Some(*code),
            (Ok(()), Action::Deliver(_)) => {}
            (Err(SendError::NotOpen), _) => assert_ne!(ws.state(), State::Open),
            (Err(SendError::MessageUnfinished), _) => assert!(self.unfinished.is_some()),
            (Err(SendError::NoMessage), _) => assert!(self.unfinished.is_none()),
            (Err(error), _) => panic!("{error}"),
        }
    }

    /// Messages and Pings as the other end should see them; its own Pongs are not asked for.
    fn received(&self) -> Vec<Event<'static>> {
        let events = self
            .run
            .events
            .iter()
            .filter(|event| !matches!(event, Event::Close(_)));
        events.cloned().collect()
    }
}

fn deliver(from: &mut End, to: &mut End, most: usize) {
    let n = most.min(from.run.out.len());
    let octets = from.run.out.split_to(n);
    to.run.feed(&octets);
}

proptest! {
    #![proptest_config(cases(256))]

    /// Whatever the two ends do, all that was sent arrives, once and in order; then both are
    /// closed, cleanly, and agree on the code. If both began to close, each has the other's
    /// code (RFC 6455, section 7.1.5).
    #[test]
    fn a_pair_always_ends_closed(
        actions in vec((any::<bool>(), action()), 0..60), last_close: bool,
    ) {
        let (mut a, mut b) = (End::new(Role::Client), End::new(Role::Server));
        for (at_a, action) in actions.iter().chain([&(last_close, Action::Close(Some(1000)))]) {
            let (one, other) = if *at_a { (&mut a, &mut b) } else { (&mut b, &mut a) };
            match action {
                Action::Deliver(n) => deliver(one, other, *n),
                action => one.act(action),
            }
        }
        while !(a.run.out.is_empty() && b.run.out.is_empty()) {
            deliver(&mut a, &mut b, usize::MAX);
            deliver(&mut b, &mut a, usize::MAX);
        }

        for (one, other) in [(&a, &b), (&b, &a)] {
            // Pongs are the connection's own answers beside the application's.
            let is_said = |event: &&Event<'_>| !matches!(event, Event::Pong(_));
            let (received, sent) = (other.received(), one.sent.clone());
            prop_assert!(received.iter().filter(is_said).eq(sent.iter().filter(is_said)));

            let code = one.run.ws.close_code().unwrap();
            let expected = match (one.closed_with, other.closed_with) {
                (_, Some(code)) | (Some(code), None) => code.unwrap_or(1005),
                (None, None) => unreachable!("somebody closes"),
            };
            prop_assert_eq!(code, CloseCode(expected));
        }
        prop_assert!(b.run.ws.must_close_transport() && !a.run.ws.must_close_transport());
        for end in [&mut a, &mut b] {
            prop_assert_eq!(end.run.ws.receive_eof(), Ok(()));
            prop_assert!(end.run.ws.is_clean());
            prop_assert!(end.run.ws.must_close_transport());
        }
    }
}

/// A seed gives the same run each time: also what tests rely on.
#[test]
fn a_seed_gives_the_same_key() {
    let request = ClientRequest::new("ws://localhost/".parse().unwrap());
    let (_, key) = client_handshake(&request, &HandshakeConfig::default());
    assert_eq!(key, KEY_OF_SEED);
    let mut out = BytesMut::new();
    let config = HandshakeConfig::default();
    let _ = ClientHandshake::with_seed(&request, &config, [10; 32], &mut out);
    assert!(!out.windows(24).any(|w| w == KEY_OF_SEED.as_bytes()));
}
