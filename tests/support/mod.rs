//! What the tests share: frames made and read by hand (not by the crate), and a connection
//! that is fed in any cuts.
//!
//! Invariant: what is expected is never computed by the code under test.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

// More files are beside this one, which only some binaries include, by their path: `allocator.rs`
// replaces the allocator of the binary; `any.rs` and `model.rs` are for `switches.rs` and `turns.rs`.
pub mod deflate;
pub mod endpoint;
pub mod errors;
pub mod handshake;
pub mod strategies;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use sansocket::{
    Binary, ClientRequest, CloseCode, Config, Connection, Deflate, Deliver, End, Endpoint, Event,
    Extension, HandshakeError, Input, Request, Response, Role, SendError, Settings, Text, Tick,
};
use std::cell::Cell;
use std::time::Duration;

/// The key with which the tests mask.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub const ROLES: [Role; 2] = [Role::Server, Role::Client];

pub fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// XOR as RFC 6455, section 5.3, writes it.
pub fn xor(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    payload
        .iter()
        .enumerate()
        .map(|(i, b)| b ^ key[i % 4])
        .collect()
}

/// A frame as a peer of `receiver` sends it: masked if the receiver is a server.
pub fn frame(receiver: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame_header(receiver, first, payload.len() as u64);
    match receiver {
        Role::Server => frame.extend(xor(payload, KEY)),
        Role::Client => frame.extend(payload),
    }
    frame
}

/// Such frames, one after the other.
pub fn frames(receiver: Role, frames: &[(u8, &[u8])]) -> Vec<u8> {
    let frames = frames
        .iter()
        .map(|&(first, payload)| frame(receiver, first, payload));
    frames.collect::<Vec<_>>().concat()
}

/// The settings, changed.
pub fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    settings
}

/// The configuration, changed.
pub fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

/// The event of a text message.
pub fn text(text: &str) -> Event<'static> {
    Event::Text(Text::from(text).into_owned())
}

/// The event of a binary message.
pub fn binary(data: &[u8]) -> Event<'static> {
    Event::Binary(Binary::from(data).into_owned())
}

/// The event of a Ping.
pub fn ping(payload: &[u8]) -> Event<'static> {
    Event::Ping(Binary::from(payload).into_owned())
}

/// The event of a Pong.
pub fn pong(payload: &[u8]) -> Event<'static> {
    Event::Pong(Binary::from(payload).into_owned())
}

/// The event of a Close frame; the code is 1005 if it has no body.
pub fn close(code: u16, reason: &str) -> Event<'static> {
    Event::Close {
        code: CloseCode(code),
        reason: Text::from(reason).into_owned(),
    }
}

/// The same event again. Only requests cannot be copied, and pieces have no need to.
pub fn copied(event: &Event<'_>) -> Event<'static> {
    match event {
        Event::Text(data) => text(data),
        Event::Binary(data) => binary(data),
        Event::Ping(payload) => ping(payload),
        Event::Pong(payload) => pong(payload),
        Event::Close { code, reason } => close(code.0, reason),
        Event::Failed(error) => Event::Failed(*error),
        Event::Opened(response) => Event::Opened(response.clone()),
        Event::Refused(error) => Event::Refused(error.clone()),
        other => panic!("{other:?} cannot be copied"),
    }
}

/// The header of such a frame, whatever follows it.
pub fn frame_header(receiver: Role, first: u8, len: u64) -> Vec<u8> {
    let masked = if receiver == Role::Server { 0x80 } else { 0 };
    let mut header = vec![first];
    match len {
        0..=125 => header.push(masked | len as u8),
        126..=0xffff => {
            header.push(masked | 126);
            header.extend((len as u16).to_be_bytes());
        }
        _ => {
            header.push(masked | 127);
            header.extend(len.to_be_bytes());
        }
    }
    if receiver == Role::Server {
        header.extend(KEY);
    }
    header
}

/// A frame that a connection has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub fin: bool,
    pub opcode: u8,
    pub payload: Vec<u8>,
}

impl Sent {
    /// The code of a Close frame.
    pub fn close_code(&self) -> Option<u16> {
        assert_eq!(self.opcode, 8, "a Close frame");
        self.payload
            .first_chunk()
            .map(|code| u16::from_be_bytes(*code))
    }
}

/// Reads what an endpoint in the role of `sender` has written, in which no bit is reserved.
pub fn sent_frames(bytes: &[u8], sender: Role) -> Vec<Sent> {
    let frames = raw_frames(bytes, sender).into_iter();
    let sent = frames.map(|(first, payload)| {
        assert_eq!(first & 0x70, 0, "no reserved bits");
        Sent {
            fin: first & 0x80 != 0,
            opcode: first & 0x0f,
            payload,
        }
    });
    sent.collect()
}

/// The first byte of a frame, and its payload.
pub type RawFrame = (u8, Vec<u8>);

/// As [`sent_frames`], whatever the reserved bits.
pub fn raw_frames(mut bytes: &[u8], sender: Role) -> Vec<RawFrame> {
    let mut frames = Vec::new();
    while let Some((frame, rest)) = next_frame(bytes, sender) {
        frames.push(frame);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "complete frames");
    frames
}

/// The first frame as in [`raw_frames`], and the bytes after it; `None` if it is not complete.
pub fn next_frame(bytes: &[u8], sender: Role) -> Option<(RawFrame, &[u8])> {
    let ([first, len], rest) = bytes.split_first_chunk()?;
    let is_masked = len & 0x80 != 0;
    assert_eq!(is_masked, sender == Role::Client, "masked by clients only");
    let (len, rest) = match len & 0x7f {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u16::from_be_bytes(*len).into(), rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*len) as usize, rest)
        }
        len => (len.into(), rest),
    };
    let (key, rest) = match sender {
        Role::Client => rest.split_first_chunk()?,
        Role::Server => (&[0; 4], rest),
    };
    let (payload, rest) = rest.split_at_checked(len)?;
    Some(((*first, xor(payload, *key)), rest))
}

/// The bytes as if the client had used [`KEY`] for each frame.
pub fn with_fixed_key(bytes: &[u8], sender: Role) -> Vec<u8> {
    sent_frames(bytes, sender)
        .iter()
        .flat_map(|f| frame(other(sender), u8::from(f.fin) << 7 | f.opcode, &f.payload))
        .collect()
}

/// How the input is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cuts {
    AtOnce,
    Bytes,
    Random(u64),
}

impl Cuts {
    pub const ALL: [Self; 6] = [
        Self::AtOnce,
        Self::Bytes,
        Self::Random(1),
        Self::Random(2),
        Self::Random(3),
        Self::Random(4),
    ];

    pub fn cut(self, bytes: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::AtOnce => vec![bytes.to_vec()],
            Self::Bytes => bytes.chunks(1).map(<[u8]>::to_vec).collect(),
            Self::Random(seed) => {
                let mut random = Random(seed);
                let mut pieces = Vec::new();
                let mut rest = bytes;
                while !rest.is_empty() {
                    let most = [3, 20, 200, 5_000][random.below(4)];
                    let (piece, after) = rest.split_at(rest.len().min(random.below(most)));
                    pieces.push(piece.to_vec());
                    rest = after;
                }
                pieces
            }
        }
    }
}

/// A small generator of numbers (xorshift): tests are the same on each run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x ^= x >> 30;
        x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^= x >> 27;
        (x % end as u64) as usize
    }
}

/// Bytes that do not shrink.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| random.below(256) as u8).collect()
}

pub fn connection(role: Role, settings: Settings) -> Connection {
    match role {
        Role::Server => Connection::server(settings),
        Role::Client => Connection::client(settings, [7; 32]),
    }
}

/// The connection with permessage-deflate, as plain `permessage-deflate` is agreed on.
pub fn with_deflate(ws: Connection) -> Connection {
    let agreed = Extension::new("permessage-deflate").unwrap();
    ws.with_deflate(&Deflate::default(), &agreed).unwrap()
}

pub fn other(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// Joins messages that come in pieces. A message comes in one way, from its first piece to its last.
#[derive(Debug, Default)]
pub struct Joining(Option<(bool, Vec<u8>)>);

impl Joining {
    /// Takes the next event. Returns the message that it completes, or the event itself if it is no
    /// piece; `None` if the message goes on.
    #[track_caller]
    pub fn push(&mut self, event: Event<'_>) -> Option<Event<'static>> {
        let piece = match event {
            Event::Piece(piece) => piece,
            event => {
                let is_message = matches!(event, Event::Text(_) | Event::Binary(_));
                assert!(!is_message || self.0.is_none(), "a message in two ways");
                return Some(event.into_owned());
            }
        };
        let (is_text, bytes) = (piece.as_text().is_some(), piece.as_bytes());
        assert!(
            piece.is_last() || !bytes.is_empty(),
            "only the last is empty"
        );
        assert_eq!(piece.is_first(), self.0.is_none(), "one message at a time");
        let (was_text, mut unfinished) = self.0.take().unwrap_or((is_text, Vec::new()));
        assert_eq!(is_text, was_text, "a message of one type");
        assert!(piece.as_text().is_none_or(|text| text.as_bytes() == bytes));
        unfinished.extend_from_slice(bytes);
        if !piece.is_last() {
            self.0 = Some((is_text, unfinished));
            return None;
        }
        Some(match is_text {
            true => text(std::str::from_utf8(&unfinished).unwrap()),
            false => binary(&unfinished),
        })
    }

    /// What has come of the message under way.
    pub fn unfinished(&self) -> Option<&[u8]> {
        self.0.as_ref().map(|(_, unfinished)| &unfinished[..])
    }
}

/// How messages are delivered.
#[derive(Clone, Copy, Debug)]
pub enum Delivery {
    Always(Deliver),
    /// Complete and in pieces in turns, changed before each read.
    InTurns,
}

impl Delivery {
    pub const ALL: [Self; 4] = [
        Self::Always(Deliver::Complete),
        Self::Always(Deliver::Pieces),
        Self::Always(Deliver::InPlace),
        Self::InTurns,
    ];

    /// Without the one in which text waits in the input, unchecked, until its frame is complete.
    pub const AS_IT_ARRIVES: [Self; 3] = [Self::ALL[0], Self::ALL[1], Self::ALL[3]];

    fn of_read(self, read: usize) -> Deliver {
        match self {
            Self::Always(deliver) => deliver,
            Self::InTurns => [Deliver::Complete, Deliver::Pieces][read % 2],
        }
    }
}

thread_local! {
    static DELIVERY: Cell<Delivery> = const { Cell::new(Delivery::InTurns) };
}

/// Runs a test once for each [`Delivery`]. Every [`Run`] in it receives in this way, unless its
/// settings say otherwise.
pub fn each_delivery(test: impl Fn()) {
    in_deliveries(&Delivery::ALL, test);
}

/// The same with a part of them.
pub fn in_deliveries(deliveries: &[Delivery], test: impl Fn()) {
    for &delivery in deliveries {
        // Shown if the test fails.
        println!("{delivery:?}");
        DELIVERY.set(delivery);
        test();
    }
    DELIVERY.set(Delivery::InTurns);
}

/// A connection with all that came out of it.
#[derive(Debug)]
pub struct Run {
    pub ws: Connection,
    pub out: BytesMut,
    /// Messages that came in pieces are joined.
    pub events: Vec<Event<'static>>,
    /// What has come of a message in pieces.
    pub joining: Joining,
    /// How messages are delivered, unless the settings said so.
    delivery: Option<Delivery>,
    /// The number of reads so far.
    reads: usize,
    /// What waits in the input (`Deliver::InPlace`).
    pub left: Vec<u8>,
}

impl Run {
    pub fn new(role: Role) -> Self {
        Self::with_settings(role, Settings::default())
    }

    pub fn with_settings(role: Role, settings: Settings) -> Self {
        Self::of(connection(role, settings))
    }

    pub fn of(mut ws: Connection) -> Self {
        Self {
            delivery: (ws.settings().deliver == Deliver::Complete).then(|| DELIVERY.get()),
            reads: 0,
            ws,
            out: BytesMut::new(),
            events: Vec::new(),
            joining: Joining::default(),
            left: Vec::new(),
        }
    }

    /// Feeds the connection. If its settings say nothing else, messages are delivered as
    /// [`each_delivery`] says, or else in turns: no event depends on it.
    pub fn feed(&mut self, bytes: &[u8]) -> &mut Self {
        if let Some(delivery) = self.delivery {
            self.ws.settings().deliver = delivery.of_read(self.reads);
            self.reads += 1;
        }
        self.left.extend_from_slice(bytes);
        let mut input = Input(&mut self.left);
        while let Some(event) = self.ws.receive(&mut input, &mut self.out) {
            self.events.extend(self.joining.push(event));
        }
        let left = input.0.len();
        let in_place = self.ws.settings().deliver == Deliver::InPlace;
        assert!(left == 0 || in_place, "every byte is taken");
        self.left.drain(..self.left.len() - left);
        self
    }

    pub fn feed_cut(&mut self, bytes: &[u8], cuts: Cuts) -> &mut Self {
        for piece in cuts.cut(bytes) {
            self.feed(&piece);
        }
        self
    }

    pub fn sent(&self) -> Vec<Sent> {
        sent_frames(&self.out, self.ws.role())
    }

    /// The transport ends. Returns how it all ended.
    pub fn eof(&mut self) -> End {
        self.ws.receive_eof();
        self.ws.end().expect("it is over")
    }
}

/// The answer to a key, as RFC 6455, section 4.2.2, writes it.
pub fn accept_key(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(sha1_smol::Sha1::from(text).digest().bytes())
}

/// A client's endpoint whose request has gone out, and its key.
pub fn client_handshake(request: &ClientRequest, config: &Config) -> (Endpoint, String) {
    let mut out = BytesMut::new();
    let mut endpoint = Endpoint::client(request, config, [9; 32], Duration::ZERO, &mut out);
    let key = key_in(&out);
    let left = endpoint.wrote(out.len(), Duration::ZERO, &mut out);
    assert!(left == 0 && out.is_empty(), "all of it is drained");
    (endpoint, key)
}

/// The key in a client's request.
pub fn key_in(request: &[u8]) -> String {
    let text = std::str::from_utf8(request).unwrap();
    let (_, after) = text.split_once("Sec-WebSocket-Key: ").unwrap();
    after.split_once("\r\n").unwrap().0.into()
}

/// The last event there can be is a Close or a failure: whether this is one.
pub fn is_last(event: &Event<'_>) -> bool {
    matches!(event, Event::Close { .. } | Event::Failed(_))
}

/// A request that a server accepts.
pub const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The head with one more line.
pub fn with_line(head: &str, line: &str) -> String {
    let head = head.strip_suffix("\r\n").unwrap();
    format!("{head}{line}\r\n\r\n")
}

/// The head with a part replaced, which must be there.
pub fn replaced(head: &str, from: &str, to: &str) -> String {
    assert!(head.contains(from), "{from} is in {head}");
    head.replacen(from, to, 1)
}

/// What came out of a server's opening handshake.
#[derive(Debug)]
pub struct Served {
    pub endpoint: Endpoint,
    /// `None` if more is needed. A request that was refused had no other answer, so it got the
    /// default one, which is in `out`.
    pub result: Option<Result<Request, HandshakeError>>,
    pub out: BytesMut,
    /// What was left in the input for the connection.
    pub rest: Vec<u8>,
}

impl Served {
    pub fn error(&self) -> Option<HandshakeError> {
        self.result.as_ref()?.as_ref().err().cloned()
    }

    #[track_caller]
    pub fn request(&self) -> &Request {
        self.result.as_ref().unwrap().as_ref().unwrap()
    }

    #[track_caller]
    pub fn request_mut(&mut self) -> &mut Request {
        self.result.as_mut().unwrap().as_mut().unwrap()
    }

    /// Accepts the request.
    #[track_caller]
    pub fn accept(&mut self) {
        let request = self.result.take().unwrap().unwrap();
        self.endpoint.accept(request, &mut self.out).unwrap();
        assert!(self.endpoint.is_open());
    }

    /// Answers the request with a page or a refusal.
    #[track_caller]
    pub fn respond(&mut self, response: Response) {
        self.endpoint.respond(response, &mut self.out).unwrap();
        assert!(!self.endpoint.is_open());
    }
}

/// Feeds a server's opening handshake; also what comes after its end. A request that passes every
/// check is not answered; any other gets the default answer.
#[track_caller]
pub fn serve(bytes: &[u8], cuts: Cuts, config: &Config) -> Served {
    let mut served = Served {
        endpoint: Endpoint::server(config, Duration::ZERO),
        result: None,
        out: BytesMut::new(),
        rest: Vec::new(),
    };
    let mut http = None;
    for mut piece in cuts.cut(bytes) {
        let (mut input, out) = (Input(&mut piece), &mut served.out);
        // While the application decides on a request it reads nothing.
        while !matches!(served.result, Some(Ok(_))) {
            let Some(event) = served.endpoint.receive(&mut input, Duration::ZERO, out) else {
                assert!(input.0.is_empty(), "every byte is taken");
                break;
            };
            assert!(served.result.is_none(), "nothing follows, but {event:?}");
            match event {
                Event::Request(request) => {
                    assert!(request.error().is_none() && http.is_none() && out.is_empty());
                    served.result = Some(Ok(request));
                }
                Event::Http(request) => {
                    assert!(http.is_none() && out.is_empty(), "nothing was answered");
                    http = Some(request.error().expect("it is no handshake").clone());
                }
                Event::Refused(error) => {
                    assert!(http.take().is_none_or(|http| http == *error));
                    served.result = Some(Err(*error));
                }
                other => panic!("{other:?} in an opening handshake"),
            }
        }
        served.rest.extend_from_slice(input.0);
        assert_eq!(served.endpoint.send("", out), Err(not_open(&served.result)));
    }
    assert!(http.is_none(), "the next `receive` has answered it");
    served
}

/// Why nothing can be sent before an opening handshake has succeeded.
fn not_open<T>(result: &Option<Result<T, HandshakeError>>) -> SendError {
    match result {
        Some(Err(_)) => SendError::Closed,
        _ => SendError::NotYetOpen,
    }
}

/// What came out of a client's opening handshake.
#[derive(Debug)]
pub struct Asked {
    pub endpoint: Endpoint,
    /// `None` if more is needed.
    pub result: Option<Result<Response, HandshakeError>>,
    /// Without the request.
    pub out: BytesMut,
    /// What was left in the input for the connection.
    pub rest: Vec<u8>,
}

impl Asked {
    pub fn error(&self) -> Option<HandshakeError> {
        self.result.as_ref()?.as_ref().err().cloned()
    }

    #[track_caller]
    pub fn opened(&self) -> &Response {
        self.result.as_ref().unwrap().as_ref().unwrap()
    }

    /// The transport ends. Returns why there is no connection.
    #[track_caller]
    pub fn eof(&mut self) -> HandshakeError {
        refused_at_eof(&mut self.endpoint)
    }
}

/// The transport of an endpoint ends before it was open. Returns why there is no connection.
#[track_caller]
pub fn refused_at_eof(endpoint: &mut Endpoint) -> HandshakeError {
    endpoint.receive_eof();
    let mut out = BytesMut::new();
    let Tick::Done(end) = endpoint.tick(Duration::ZERO, &mut out) else {
        panic!("it is over");
    };
    assert!(out.is_empty());
    assert_eq!(endpoint.end(), Some(end.clone()));
    match end {
        End::Refused(error) => error,
        end => panic!("it ended otherwise: {end:?}"),
    }
}

/// A response that opens the WebSocket; `ACCEPT` stands for the answer to the key.
pub const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n";

pub fn client_request() -> ClientRequest {
    ClientRequest::new("ws://example.com/chat").unwrap()
}

/// Feeds a client's opening handshake with the response, in which `ACCEPT` is replaced by the answer
/// to its key, and then with `after`. Of that the connection gets nothing.
#[track_caller]
pub fn ask(
    request: &ClientRequest,
    response: &str,
    after: &[u8],
    cuts: Cuts,
    config: &Config,
) -> Asked {
    let (endpoint, key) = client_handshake(request, config);
    let mut bytes = response.replace("ACCEPT", &accept_key(&key)).into_bytes();
    bytes.extend_from_slice(after);
    receive_response(endpoint, &cuts.cut(&bytes))
}

/// Feeds a client's opening handshake with what came from the server.
#[track_caller]
pub fn receive_response(endpoint: Endpoint, pieces: &[Vec<u8>]) -> Asked {
    let mut asked = Asked {
        endpoint,
        result: None,
        out: BytesMut::new(),
        rest: Vec::new(),
    };
    for mut piece in pieces.iter().cloned() {
        let mut input = Input(&mut piece);
        // What follows an opening is for the connection.
        while !matches!(asked.result, Some(Ok(_))) {
            let (endpoint, out) = (&mut asked.endpoint, &mut asked.out);
            assert_eq!(endpoint.send("", out), Err(not_open(&asked.result)));
            let Some(event) = endpoint.receive(&mut input, Duration::ZERO, out) else {
                assert!(input.0.is_empty(), "every byte is taken");
                break;
            };
            assert!(asked.result.is_none(), "nothing follows, but {event:?}");
            asked.result = Some(match event {
                Event::Opened(response) => Ok(*response),
                Event::Refused(error) => Err(*error),
                other => panic!("{other:?} in an opening handshake"),
            });
        }
        asked.rest.extend_from_slice(input.0);
    }
    asked
}
