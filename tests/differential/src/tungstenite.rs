//! tungstenite, which reads from a transport that has these bytes and then nothing.
//!
//! Invariant: an error of its own is a failure, and the end of the bytes is none.

use crate::sessions::Session;
use crate::verdict::{End, Message, Verdict};
use sansocket::Role;
use std::io::{self, ErrorKind, Read, Write};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, WebSocket, protocol};

/// What was sent, and where what is written goes: nowhere.
struct Transport<'b>(&'b [u8]);

impl Read for Transport<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Transport<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn run(session: &Session) -> Verdict {
    let role = match session.role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(16 << 20))
        .max_frame_size(Some(16 << 20));
    let mut ws = WebSocket::from_raw_socket(Transport(&session.bytes), role, Some(config));
    let mut messages = Vec::new();
    let end = loop {
        match ws.read() {
            Ok(tungstenite::Message::Text(text)) => {
                messages.push(Message::new(true, text.as_bytes()));
            }
            Ok(tungstenite::Message::Binary(data)) => messages.push(Message::new(false, &data)),
            Ok(tungstenite::Message::Close(frame)) => {
                break End::Closed(frame.map_or(1005, |frame| frame.code.into()));
            }
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break End::Open,
            Err(Error::Utf8(_)) => break End::Failed(1007),
            Err(Error::Capacity(_)) => break End::Failed(1009),
            Err(Error::Protocol(_)) => break End::Failed(1002),
            Err(error) => panic!("{error:?}"),
        }
    };
    Verdict { messages, end }
}
