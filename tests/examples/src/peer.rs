//! Clients by hand, over any transport.
//!
//! Invariant: no wait is without a limit, so a test fails and never hangs.

use crate::support::{REQUEST, frame};
use crate::{NEVER, Server, in_tokio};
use sansocket::Role;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// A frame of a server: its first byte and its payload.
pub type Frame = (u8, Vec<u8>);

/// A client by hand, over whatever it has for a transport.
pub trait Client {
    type Transport: Read + Write;

    fn transport(&mut self) -> &mut Self::Transport;

    fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.transport().write_all(bytes.as_ref()).unwrap();
        self.transport().flush().unwrap();
    }

    /// Sends a frame with this first byte.
    fn send(&mut self, first: u8, payload: &[u8]) {
        self.write(frame(Role::Server, first, payload));
    }

    /// The next `len` bytes.
    #[track_caller]
    fn exactly(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.transport().read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The head of a response with this status, and nothing after it.
    #[track_caller]
    fn head(&mut self, status: &str) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.exactly(1));
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        head
    }

    /// Does the opening handshake and returns the response.
    #[track_caller]
    fn open(&mut self, request: &str) -> String {
        self.write(request);
        self.head("101")
    }

    #[track_caller]
    fn frame(&mut self) -> Frame {
        let header = self.exactly(2);
        let len = match header[1] {
            126 => u16::from_be_bytes(self.exactly(2).try_into().unwrap()).into(),
            127 => u64::from_be_bytes(self.exactly(8).try_into().unwrap()) as usize,
            len => len.into(),
        };
        (header[0], self.exactly(len))
    }

    /// The next message; Pings before it are answered.
    #[track_caller]
    fn message(&mut self) -> Frame {
        loop {
            let (first, payload) = self.frame();
            match first {
                0x89 => self.send(0x8a, &payload),
                first => return (first, payload),
            }
        }
    }

    /// The code of the Close frame that comes next.
    #[track_caller]
    fn close_code(&mut self) -> u16 {
        let (first, payload) = self.message();
        assert_eq!(first, 0x88, "a Close frame");
        u16::from_be_bytes(*payload.first_chunk().unwrap())
    }

    /// A message goes there and back.
    #[track_caller]
    fn echo(&mut self) {
        self.send(0x81, b"still here");
        assert_eq!(self.message(), (0x81, b"still here".to_vec()));
    }

    /// Repeats these bytes until the server drops the connection, or has taken `most`; returns how many it took.
    fn send_for_ever(&mut self, bytes: &[u8], most: usize) -> usize {
        let mut sent = 0;
        while sent < most {
            match self.transport().write(&bytes[sent % bytes.len()..]) {
                Ok(n) => sent += n,
                Err(error) => {
                    assert_reset(&error);
                    break;
                }
            }
        }
        sent
    }

    /// Is served until `until` is true.
    #[track_caller]
    fn meanwhile(&mut self, mut until: impl FnMut() -> bool) {
        let start = Instant::now();
        while !until() {
            let sent = Instant::now();
            self.echo();
            assert!(sent.elapsed() < NEVER / 4, "it is served meanwhile");
            assert!(start.elapsed() < NEVER, "it never comes");
        }
    }

    /// Is served until the server has at most this many files open.
    #[track_caller]
    fn until_files(&mut self, server: &Server, files: usize) {
        self.meanwhile(|| server.files() <= files);
    }
}

/// A client over TCP.
pub struct Peer(pub TcpStream);

impl Client for Peer {
    type Transport = TcpStream;

    fn transport(&mut self) -> &mut TcpStream {
        &mut self.0
    }
}

impl Peer {
    /// Writes one byte, and returns whether the connection is still there to take it.
    #[track_caller]
    pub fn dribble(&mut self, byte: u8) -> bool {
        takes(&mut self.0, &[byte])
    }

    /// The server has ended the connection in order: nothing more comes, and no reset.
    #[track_caller]
    pub fn ended(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{}", rest.escape_ascii());
    }

    /// The server has ended the connection, in order or by a reset, without another byte.
    #[track_caller]
    pub fn is_gone(&mut self) {
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            assert_reset(&error);
        }
        assert!(rest.is_empty(), "{}", rest.escape_ascii());
    }

    pub fn reset(self) {
        reset(self.0);
    }

    pub fn twin(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }
}

impl Server {
    /// A TCP connection to it.
    #[track_caller]
    pub fn tcp(&self) -> TcpStream {
        with_limits(TcpStream::connect(self.address()).unwrap())
    }

    /// A TCP connection with room for few bytes on their way to the client.
    #[track_caller]
    pub fn narrow_tcp(&self) -> TcpStream {
        let stream = in_tokio(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            let stream = socket.connect(self.address()).await.unwrap();
            stream.into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        with_limits(stream)
    }

    #[track_caller]
    pub fn connect(&self) -> Peer {
        Peer(self.tcp())
    }

    /// As `connect`, with room for few bytes on their way to the peer.
    #[track_caller]
    pub fn connect_narrow(&self) -> Peer {
        Peer(self.narrow_tcp())
    }

    /// A connection whose opening handshake is done.
    #[track_caller]
    pub fn open(&self) -> Peer {
        let mut peer = self.connect();
        peer.open(REQUEST);
        peer
    }
}

fn with_limits(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(NEVER)).unwrap();
    stream.set_write_timeout(Some(NEVER)).unwrap();
    stream
}

/// Whether the connection is still there to take these bytes.
#[track_caller]
pub fn takes(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    let written = stream.write_all(bytes);
    if let Err(error) = &written {
        assert_reset(error);
    }
    written.is_ok()
}

/// The error says that the connection is gone, and not that a timeout has passed.
#[track_caller]
fn assert_reset(error: &io::Error) {
    let kinds = [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
    ];
    assert!(kinds.contains(&error.kind()), "{error}");
}

/// Nothing has come before the read timeout.
#[track_caller]
pub fn assert_silence(error: &io::Error) {
    let kinds = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
    assert!(kinds.contains(&error.kind()), "{error}");
}

/// Ends the connection with a reset.
pub fn reset(stream: TcpStream) {
    stream.set_nonblocking(true).unwrap();
    in_tokio(async {
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        stream.set_zero_linger().unwrap();
    });
}
