//! What a peer has to do: the messages and the octets that bring them. Its law: every peer gets the
//! same.

use bytes::Bytes;
pub use sansocket::Role;

/// A browser's opening handshake; the key is that of RFC 6455, section 1.3.
pub const REQUEST: &[u8] =
    b"GET /chat?room=42 HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The octets that a stream holds at least before it begins again.
const CIRCLE: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Receive,
    /// As `Receive`, of text, which is to be checked.
    ReceiveText,
    Send,
    /// Receive a message and send it back.
    Echo,
    /// Accept the opening handshake, as a server.
    Handshake,
}

/// One task with messages of one kind.
pub struct Work {
    pub name: String,
    pub task: Task,
    /// The peer's own role.
    pub role: Role,
    pub payload: Bytes,
    /// What comes in, over and over.
    pub stream: Bytes,
}

impl Work {
    /// Messages of `payload`, in frames of at most `fragment` octets.
    fn new(name: String, task: Task, role: Role, payload: Vec<u8>, fragment: usize) -> Self {
        let opcode = if task == Task::ReceiveText { 1 } else { 2 };
        let mut random = random();
        let mut stream = Vec::new();
        while task != Task::Send && stream.len() < CIRCLE {
            let count = payload.len().div_ceil(fragment).max(1);
            for n in 0..count {
                let part = &payload[n * fragment..payload.len().min((n + 1) * fragment)];
                let first = u8::from(n + 1 == count) << 7 | if n == 0 { opcode } else { 0 };
                let key = (role == Role::Server).then(|| random.next().unwrap().to_be_bytes());
                frame(first, part, key, &mut stream);
            }
        }
        Self {
            name,
            task,
            role,
            payload: payload.into(),
            stream: stream.into(),
        }
    }

    /// Binary messages of `len` octets.
    pub fn binary(task: Task, role: Role, len: usize) -> Self {
        let octets = random().flat_map(u32::to_be_bytes).take(len).collect();
        let name = format!("{}, {}", describe(task, role), size(len));
        Self::new(name, task, role, octets, len.max(1))
    }

    /// The octets of a frame beside its payload.
    pub fn overhead(&self) -> usize {
        let extended = match self.payload.len() {
            0..126 => 0,
            126..0x1_0000 => 2,
            _ => 8,
        };
        let masked =
            (self.role == Role::Server) == matches!(self.task, Task::Receive | Task::ReceiveText);
        2 + extended + if masked { 4 } else { 0 }
    }

    fn text(kind: &str, sample: &str, len: usize) -> Self {
        let text: String = sample.chars().cycle().take(len).collect();
        let end = text.floor_char_boundary(len);
        let mut text = text.into_bytes();
        text.truncate(end);
        text.resize(len, b'.');
        let name = format!("receive {kind}, {}", size(len));
        Self::new(name, Task::ReceiveText, Role::Server, text, len)
    }

    fn fragmented(len: usize, fragment: usize) -> Self {
        let octets = random().flat_map(u32::to_be_bytes).take(len).collect();
        let name = format!("receive, {} in fragments of {}", size(len), size(fragment));
        Self::new(name, Task::Receive, Role::Server, octets, fragment)
    }

    fn handshake() -> Self {
        Self {
            name: "accept the opening handshake".into(),
            task: Task::Handshake,
            role: Role::Server,
            payload: Bytes::new(),
            stream: REQUEST.into(),
        }
    }
}

/// The rows of the table.
pub fn all() -> Vec<Work> {
    use {Role::*, Task::*};
    const ASCII: &str = "The quick brown fox jumps over the lazy dog, 0123456789 times. ";
    const MIXED: &str = "café naïve Ωμέγα привет мир 日本語テキスト 한국어 plain ascii 🎉🚀 end. ";
    let mut all = Vec::new();
    let mut binary = |task, role, lens: &[usize]| {
        all.extend(lens.iter().map(|&len| Work::binary(task, role, len)));
    };
    binary(Echo, Server, &[16, 125, 1 << 10, 16 << 10, 1 << 20]);
    binary(Receive, Server, &[16, 125, 1 << 10, 16 << 10, 1 << 20]);
    binary(Receive, Client, &[125]);
    binary(Send, Server, &[16, 125, 1 << 10, 16 << 10]);
    binary(Send, Client, &[125, 16 << 10]);
    for (kind, sample) in [("ASCII text", ASCII), ("mixed text", MIXED)] {
        all.extend([125, 1 << 10].map(|len| Work::text(kind, sample, len)));
    }
    all.push(Work::fragmented(1 << 20, 1 << 10));
    all.push(Work::handshake());
    all
}

/// The same octets on every run: xorshift32.
fn random() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(0x9e37_79b9_u32), |&n| {
        let n = n ^ n << 13;
        let n = n ^ n >> 17;
        Some(n ^ n << 5)
    })
}

/// Appends a frame (RFC 6455, section 5.2).
fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.push(first);
    match payload.len() {
        len @ 0..126 => out.push(masked | len as u8),
        len @ 126..0x1_0000 => {
            out.push(masked | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(masked | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(key.iter().flatten());
    let key = key.unwrap_or_default();
    out.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(octet, key)| octet ^ key),
    );
}

/// The payloads of the frames in `octets`.
pub fn payloads(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let [_, second, rest @ ..] = octets {
        let extra = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (extended, rest) = rest.split_at(extra);
        let len = match extra {
            0 => usize::from(second & 0x7f),
            _ => extended
                .iter()
                .fold(0, |len, octet| len << 8 | usize::from(*octet)),
        };
        let (key, rest) = rest.split_at(if second & 0x80 == 0 { 0 } else { 4 });
        let key = if key.is_empty() { &[0; 4] } else { key };
        let (payload, rest) = rest.split_at(len);
        payloads.push(
            payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(octet, key)| octet ^ key)
                .collect(),
        );
        octets = rest;
    }
    payloads
}

fn describe(task: Task, role: Role) -> &'static str {
    match (task, role) {
        (Task::Receive, Role::Client) => "receive as a client",
        (Task::Receive, _) => "receive",
        (Task::Send, Role::Client) => "send as a client",
        (Task::Send, _) => "send",
        _ => "echo",
    }
}

/// 16 B, 1 KiB, 64 MiB.
pub fn size(octets: usize) -> String {
    match octets {
        0..0x400 => format!("{octets} B"),
        0x400..0x10_0000 => format!("{} KiB", octets >> 10),
        _ => format!("{} MiB", octets >> 20),
    }
}
