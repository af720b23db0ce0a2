//! The other end: a bare connection over an in-memory stream, driven by hand.
//!
//! Invariant: it does nothing by itself, so a test sees what the adapter has written, and when.

use bytes::{Buf, BytesMut};
use futures_util::future::join;
use sansocket::{CloseCode, Connection, Data, Event, Input, Settings};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::time::timeout;
use tokio_sansocket::{Options, WebSocket, from_upgraded};

/// What the peer says or hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Pong,
    Close(u16),
    /// The stream has ended.
    Eof,
}

pub(crate) fn text(text: impl Into<String>) -> Said {
    Said::Text(text.into())
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) reader: ReadHalf<DuplexStream>,
    pub(crate) writer: WriteHalf<DuplexStream>,
    pub(crate) ws: Connection,
    buffer: BytesMut,
    /// How many reads it took to hear what was heard.
    pub(crate) reads: usize,
}

/// A client and the server's WebSocket, with `room` bytes on the way.
pub(crate) fn pair(room: usize, options: &Options) -> (Peer, WebSocket<DuplexStream>) {
    let (near, io) = duplex(room);
    let connection = Connection::server(options.config.settings);
    let ws = from_upgraded(near, connection, options, BytesMut::new());
    (Peer::client(io), ws)
}

impl Peer {
    pub(crate) fn client(io: DuplexStream) -> Self {
        let mut settings = Settings::default();
        settings.answer_pings = false;
        settings.answer_close = false;
        let (reader, writer) = split(io);
        Self {
            reader,
            writer,
            ws: Connection::client(settings, [7; 32]),
            buffer: BytesMut::new(),
            reads: 0,
        }
    }

    /// The frames of all of this.
    pub(crate) fn frames(&mut self, said: &[Said]) -> BytesMut {
        let mut out = BytesMut::new();
        for said in said {
            let sent = match said {
                Said::Text(text) => self.ws.send(text, &mut out),
                Said::Binary(data) => self.ws.send(data, &mut out),
                Said::Ping => self.ws.send_ping(b"p", &mut out),
                Said::Pong => self.ws.send_pong(b"", &mut out),
                Said::Close(code) => self.ws.close(CloseCode(*code), "", &mut out),
                Said::Eof => Ok(()),
            };
            sent.unwrap();
        }
        out
    }

    /// Writes all of this at once.
    pub(crate) async fn say(&mut self, said: &[Said]) {
        let out = self.frames(said);
        self.writer.write_all(&out).await.unwrap();
        if said.last() == Some(&Said::Eof) {
            self.writer.shutdown().await.unwrap();
        }
    }

    /// Writes all of this, and hears what comes next meanwhile.
    pub(crate) async fn exchange(&mut self, said: &[Said]) -> Said {
        let out = self.frames(said);
        let (reader, writer) = split(duplex(1).0);
        let mut writer = std::mem::replace(&mut self.writer, writer);
        drop(reader);
        let (written, heard) = join(writer.write_all(&out), self.hear()).await;
        written.unwrap();
        self.writer = writer;
        heard
    }

    /// What comes next, in at most an hour.
    pub(crate) async fn hear(&mut self) -> Said {
        let hour = Duration::from_secs(3600);
        timeout(hour, self.listen()).await.expect("nothing came")
    }

    /// Whether nothing comes for so long.
    pub(crate) async fn hears_nothing(&mut self, span: Duration) -> bool {
        timeout(span, self.listen()).await.is_err()
    }

    async fn listen(&mut self) -> Said {
        loop {
            let mut input = Input(&mut self.buffer);
            let event = self.ws.receive(&mut input, &mut BytesMut::new());
            let event = event.map(Event::into_owned);
            let left = input.0.len();
            self.buffer.advance(self.buffer.len() - left);
            match event {
                Some(Event::Text(text)) => return Said::Text(text.into_string()),
                Some(Event::Binary(data)) => return Said::Binary(data.to_vec()),
                Some(Event::Ping(_)) => return Said::Ping,
                Some(Event::Pong(_)) => return Said::Pong,
                Some(Event::Close { code, .. }) => return Said::Close(code.0),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            self.reads += 1;
            self.buffer.reserve(1 << 16);
            // A reset is an end as well.
            if self.reader.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return Said::Eof;
            }
        }
    }

    pub(crate) async fn hears(&mut self, expected: &[Said]) {
        for expected in expected {
            assert_eq!(&self.hear().await, expected);
        }
    }
}

/// The data of a message.
pub(crate) fn said(message: &tokio_sansocket::Message) -> Said {
    match message.as_text() {
        Some(text) => Said::Text(text.into()),
        None => Said::Binary(message.as_bytes().to_vec()),
    }
}

/// So that a prepared message can be compared.
pub(crate) fn data_said(data: Data<'_>) -> Said {
    match data {
        Data::Text(text) => Said::Text(text.into()),
        Data::Binary(data) => Said::Binary(data.into()),
        other => panic!("{other:?}"),
    }
}
