//! What a peer has to do: the messages, and the bytes in which they arrive.
//!
//! Invariant: every peer gets the same bytes.

use crate::peers::sansocket::connection;
use bytes::{Bytes, BytesMut};
pub use sansocket::Role;
use sansocket::{Connection, Deliver, SendError};

/// A browser's opening handshake; the key is that of RFC 6455, section 1.3.
const REQUEST: &[u8] =
    b"GET /chat?room=42 HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
    Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
    Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The least length of a stream before it repeats.
const CIRCLE: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Receive,
    /// As `Receive`, with text, which must be checked.
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
    /// The input, over and over.
    pub stream: Bytes,
    /// The bytes of one message with its headers.
    pub wire_len: usize,
}

impl Work {
    /// Messages of `payload`, in fragments of at most `most` bytes.
    fn new(name: &str, task: Task, role: Role, payload: Vec<u8>, most: usize) -> Self {
        // Our frames; each peer proves that it can read them before it is timed.
        let writer = if task == Task::Send {
            role
        } else {
            role.peer()
        };
        let (mut writer, mut stream) = (connection(writer, Deliver::Complete), BytesMut::new());
        let mut write = || {
            let text = str::from_utf8(&payload)
                .ok()
                .filter(|_| task == Task::ReceiveText);
            let written = match text {
                Some(text) => writer.send(text, &mut stream),
                None => send(&payload, most, &mut writer, &mut stream),
            };
            written.expect("it is open");
            stream.len()
        };
        let wire_len = write();
        while write() < CIRCLE {}
        Self {
            name: format!("{name}, {}", size(payload.len())),
            task,
            role,
            payload: payload.into(),
            stream: stream.into(),
            wire_len,
        }
    }

    /// Binary messages of `len` bytes.
    pub fn binary(name: &str, task: Task, role: Role, len: usize) -> Self {
        Self::new(name, task, role, bytes(len), usize::MAX)
    }
}

fn send(
    payload: &[u8],
    most: usize,
    writer: &mut Connection,
    out: &mut BytesMut,
) -> Result<(), SendError> {
    let mut pieces = payload.chunks(most);
    let last = pieces.next_back().unwrap_or_default();
    for piece in pieces {
        writer.send_piece(piece, false, out)?;
    }
    writer.send_piece(last, true, out)
}

/// The rows of the table.
pub fn rows() -> Vec<Work> {
    use {Role::*, Task::*};
    let mut rows = Vec::new();
    let mut add = |name: &str, task, role, lens: &[usize]| {
        rows.extend(lens.iter().map(|&len| Work::binary(name, task, role, len)));
    };
    add("echo", Echo, Server, &[16, 125, 1 << 10, 16 << 10, 1 << 20]);
    add(
        "receive",
        Receive,
        Server,
        &[16, 125, 1 << 10, 16 << 10, 1 << 20],
    );
    add("receive as a client", Receive, Client, &[125]);
    add("send", Send, Server, &[16, 125, 1 << 10, 16 << 10]);
    add("send as a client", Send, Client, &[125, 16 << 10]);
    let ascii = "The quick brown fox jumps over the lazy dog, 0123456789 times. ";
    let mixed = "café naïve Ωμέγα привет мир 日本語テキスト 한국어 plain ascii 🎉🚀 end. ";
    for (name, sample) in [("receive ASCII text", ascii), ("receive mixed text", mixed)] {
        for len in [125, 1 << 10] {
            rows.push(Work::new(
                name,
                ReceiveText,
                Server,
                text(sample, len),
                usize::MAX,
            ));
        }
    }
    let name = "receive fragments of 1 KiB";
    rows.push(Work::new(name, Receive, Server, bytes(1 << 20), 1 << 10));
    rows.push(Work {
        name: "accept the opening handshake".into(),
        task: Handshake,
        role: Server,
        payload: Bytes::new(),
        stream: REQUEST.into(),
        wire_len: REQUEST.len(),
    });
    rows
}

/// The same on every run: xorshift32.
fn bytes(len: usize) -> Vec<u8> {
    let mut n = 0x9e37_79b9_u32;
    let next = || {
        n ^= n << 13;
        n ^= n >> 17;
        n ^= n << 5;
        Some(n.to_be_bytes())
    };
    std::iter::from_fn(next).flatten().take(len).collect()
}

fn text(sample: &str, len: usize) -> Vec<u8> {
    let text: String = sample.chars().cycle().take(len).collect();
    let mut text = text[..text.floor_char_boundary(len)]
        .to_owned()
        .into_bytes();
    text.resize(len, b'.');
    text
}

/// 16 B, 1 KiB, 64 MiB.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
