//! What the tests share: frames made and read by hand (not by the crate), and a connection
//! that is fed in any cuts.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

pub mod deflate;
pub mod endpoint;
pub mod example;

use bytes::BytesMut;
use proptest::test_runner::{Config as ProptestConfig, FileFailurePersistence};
use sansocket::negotiation::accept_key;
use sansocket::{
    ClientHandshake, ClientRequest, Config, Connection, Deflate, DeflateParams, Event,
    HandshakeConfig, Input, Opened, Request, RequestError, ResponseError, Role, ServerHandshake,
};

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

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|b| format!("{b:02x}")).collect()
}

/// So many cases of a property; those that have failed once are kept in this file.
pub fn proptest_config(cases: u32, regressions: &'static str) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(regressions))),
        ..ProptestConfig::default()
    }
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

/// Such frames, one behind the other.
pub fn frames(receiver: Role, frames: &[(u8, &[u8])]) -> Vec<u8> {
    let frames = frames
        .iter()
        .map(|&(first, payload)| frame(receiver, first, payload));
    frames.collect::<Vec<_>>().concat()
}

/// The event of a text message.
pub fn text(text: &str) -> Event<'static> {
    Event::Text(text.to_owned().into())
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
pub fn sent_frames(octets: &[u8], sender: Role) -> Vec<Sent> {
    let frames = raw_frames(octets, sender).into_iter();
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

/// As [`sent_frames`], whatever the reserved bits: the first octet of each frame, and its payload.
pub fn raw_frames(mut octets: &[u8], sender: Role) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, len, ..] = *octets {
        let is_masked = len & 0x80 != 0;
        assert_eq!(is_masked, sender == Role::Client, "masked by clients only");
        let (len, at) = match len & 0x7f {
            126 => (
                u16::from_be_bytes(octets[2..4].try_into().unwrap()) as usize,
                4,
            ),
            127 => (
                u64::from_be_bytes(octets[2..10].try_into().unwrap()) as usize,
                10,
            ),
            len => (usize::from(len), 2),
        };
        let (key, at) = match sender {
            Role::Client => (octets[at..at + 4].try_into().unwrap(), at + 4),
            Role::Server => ([0; 4], at),
        };
        frames.push((first, xor(&octets[at..at + len], key)));
        octets = &octets[at + len..];
    }
    assert!(octets.is_empty(), "whole frames");
    frames
}

/// The octets as if the client had used [`KEY`] for each frame.
pub fn with_fixed_key(octets: &[u8], sender: Role) -> Vec<u8> {
    let other = if sender == Role::Client {
        Role::Server
    } else {
        Role::Client
    };
    sent_frames(octets, sender)
        .iter()
        .flat_map(|f| frame(other, u8::from(f.fin) << 7 | f.opcode, &f.payload))
        .collect()
}

/// How the input is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cuts {
    Whole,
    Octets,
    Random(u64),
}

impl Cuts {
    pub const ALL: [Self; 6] = [
        Self::Whole,
        Self::Octets,
        Self::Random(1),
        Self::Random(2),
        Self::Random(3),
        Self::Random(4),
    ];

    pub fn cut(self, octets: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::Whole => vec![octets.to_vec()],
            Self::Octets => octets.chunks(1).map(<[u8]>::to_vec).collect(),
            Self::Random(seed) => {
                let mut random = Random(seed);
                let mut pieces = Vec::new();
                let mut rest = octets;
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

pub fn connection(role: Role, config: &Config) -> Connection {
    match role {
        Role::Server => Connection::server(config),
        Role::Client => Connection::client(config, [7; 32]),
    }
}

/// The connection with permessage-deflate, as plain `permessage-deflate` is agreed on.
pub fn with_deflate(ws: Connection) -> Connection {
    ws.with_deflate(&Deflate::default(), &DeflateParams::default())
}

pub fn other(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// A connection with all that came out of it.
#[derive(Debug)]
pub struct Run {
    pub ws: Connection,
    pub out: BytesMut,
    /// Messages that came in pieces are joined.
    pub events: Vec<Event<'static>>,
    /// What has come of a message in pieces.
    begun: Option<Event<'static>>,
}

impl Run {
    pub fn new(role: Role) -> Self {
        Self::with_config(role, &Config::default())
    }

    pub fn with_config(role: Role, config: &Config) -> Self {
        Self::of(connection(role, config))
    }

    pub fn of(ws: Connection) -> Self {
        Self {
            ws,
            out: BytesMut::new(),
            events: Vec::new(),
            begun: None,
        }
    }

    /// Feeds the connection, in one of the ways to receive, which the octets themselves decide on:
    /// no event depends on it.
    pub fn feed(&mut self, octets: &[u8]) -> &mut Self {
        let mut octets = octets.to_vec();
        let receive = match octets.iter().map(|&octet| u64::from(octet)).sum::<u64>() % 2 {
            0 => Connection::receive,
            _ => Connection::receive_pieces,
        };
        let mut input = Input::new(&mut octets);
        while let Some(event) = receive(&mut self.ws, &mut input, &mut self.out) {
            let event = event.into_owned();
            match &event {
                Event::TextPiece(_) | Event::BinaryPiece(_) => {
                    self.begun = Some(joined(self.begun.take(), event));
                }
                Event::Text(_) | Event::Binary(_) => {
                    self.events.push(joined(self.begun.take(), event));
                }
                _ => self.events.push(event),
            }
        }
        assert!(input.is_empty(), "every octet is taken");
        self
    }

    pub fn feed_cut(&mut self, octets: &[u8], cuts: Cuts) -> &mut Self {
        for piece in cuts.cut(octets) {
            self.feed(&piece);
        }
        self
    }

    pub fn sent(&self) -> Vec<Sent> {
        sent_frames(&self.out, self.ws.role())
    }
}

/// A piece of a message behind what has come of it before.
pub fn joined(begun: Option<Event<'static>>, piece: Event<'static>) -> Event<'static> {
    match (begun, piece) {
        (None, piece) => piece,
        (Some(Event::TextPiece(text)), Event::TextPiece(more)) => {
            assert!(!more.is_empty());
            Event::TextPiece(text + more)
        }
        (Some(Event::TextPiece(text)), Event::Text(more)) => Event::Text(text + more),
        (Some(Event::BinaryPiece(data)), Event::BinaryPiece(more)) => {
            assert!(!more.is_empty());
            Event::BinaryPiece([data, more].concat().into())
        }
        (Some(Event::BinaryPiece(data)), Event::Binary(more)) => {
            Event::Binary([data, more].concat().into())
        }
        (begun, piece) => panic!("{piece:?} goes on with {begun:?}"),
    }
}

/// A client's handshake whose request has gone out, and its key.
pub fn client_handshake(
    request: &ClientRequest,
    config: &HandshakeConfig,
) -> (ClientHandshake, String) {
    let mut out = BytesMut::new();
    let handshake = ClientHandshake::with_seed(request, config, [9; 32], &mut out);
    let text = String::from_utf8(out.to_vec()).unwrap();
    let key = text
        .split("Sec-WebSocket-Key: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    (handshake, key.into())
}

/// The last event there can be is a Close or a failure: whether this is one.
pub fn is_last(event: &Event<'_>) -> bool {
    matches!(event, Event::Close(_) | Event::Failed(_))
}

/// A request that a server takes.
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

/// What came out of a server's handshake.
#[derive(Debug)]
pub struct Served {
    /// `None` if more is needed.
    pub result: Option<Result<Request, RequestError>>,
    pub out: BytesMut,
    /// What was left in the input for the connection.
    pub rest: Vec<u8>,
}

impl Served {
    pub fn error(&self) -> Option<RequestError> {
        self.result.as_ref()?.as_ref().err().copied()
    }

    pub fn request(&self) -> &Request {
        self.result.as_ref().unwrap().as_ref().unwrap()
    }
}

/// Feeds a server's handshake; also what comes behind its end.
pub fn serve(octets: &[u8], cuts: Cuts, config: &HandshakeConfig) -> Served {
    let mut handshake = ServerHandshake::new(config);
    let mut served = Served {
        result: None,
        out: BytesMut::new(),
        rest: Vec::new(),
    };
    for mut piece in cuts.cut(octets) {
        let mut input = Input::new(&mut piece);
        let result = handshake.receive(&mut input, &mut served.out);
        match (&served.result, result) {
            (None, Ok(None)) => assert!(input.is_empty()),
            (None, result) => served.result = Some(result.map(|r| r.unwrap())),
            (Some(Ok(_)), result) => assert!(matches!(result, Ok(None)), "{result:?}"),
            (Some(Err(error)), result) => assert_eq!(result.as_ref().err(), Some(error)),
        }
        served.rest.extend_from_slice(input.take_rest());
    }
    served
}

/// What came out of a client's handshake.
#[derive(Debug)]
pub struct Asked {
    pub handshake: ClientHandshake,
    /// `None` if more is needed.
    pub result: Option<Result<Opened, ResponseError>>,
    /// Without the request.
    pub out: BytesMut,
    /// What was left in the input for the connection.
    pub rest: Vec<u8>,
}

impl Asked {
    pub fn error(&self) -> Option<&ResponseError> {
        self.result.as_ref()?.as_ref().err()
    }

    pub fn opened(&mut self) -> &mut Opened {
        self.result.as_mut().unwrap().as_mut().unwrap()
    }
}

/// A response that opens the WebSocket; `ACCEPT` stands for the answer to the key.
pub const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n";

pub fn client_request() -> ClientRequest {
    ClientRequest::new("ws://example.com/chat".parse().unwrap())
}

/// Feeds a client's handshake with the response, in which `ACCEPT` is replaced by the answer
/// to its key, and then with `behind`.
pub fn ask(
    request: &ClientRequest,
    response: &str,
    behind: &[u8],
    cuts: Cuts,
    config: &HandshakeConfig,
) -> Asked {
    let (handshake, key) = client_handshake(request, config);
    let mut octets = response.replace("ACCEPT", &accept_key(&key)).into_bytes();
    octets.extend_from_slice(behind);
    let mut asked = Asked {
        handshake,
        result: None,
        out: BytesMut::new(),
        rest: Vec::new(),
    };
    for mut piece in cuts.cut(&octets) {
        let mut input = Input::new(&mut piece);
        let result = asked.handshake.receive(&mut input, &mut asked.out);
        match (&asked.result, result) {
            (None, Ok(None)) => assert!(input.is_empty()),
            (None, result) => asked.result = Some(result.map(|r| r.unwrap())),
            (Some(Ok(_)), result) => assert!(matches!(result, Ok(None)), "{result:?}"),
            (Some(Err(error)), result) => assert_eq!(result.as_ref().err(), Some(error)),
        }
        asked.rest.extend_from_slice(input.take_rest());
    }
    asked
}
