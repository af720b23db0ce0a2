//! The generator: connections that keep messages in flight.
//!
//! Invariant: frames are made before the time is taken; each connection's first answer is compared byte by byte,
//! of all others the bytes are counted.

use crate::server::{Kind, Server};
use bytes::BytesMut;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use sansocket::{Connection, Settings};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_millis(50);
const MEASURED: Duration = Duration::from_millis(300);
/// The longest time that a server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// After the last answer a server soon waits for its sockets, and the kernel updates its times.
const PAUSE: Duration = Duration::from_millis(5);
/// The least length of a stream of frames before it repeats.
const CIRCLE: usize = 64 << 10;

/// With the key of RFC 6455, section 1.3, and the answer to it.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Connections, messages in flight on each, and bytes of a message.
#[derive(Clone, Copy)]
pub struct Scenario(pub usize, pub usize, pub usize);

/// What a server did in one round.
pub struct Round {
    /// Nanoseconds of processor time for each message.
    pub cpu: f64,
    /// Messages in a second.
    pub rate: f64,
    /// Microseconds until the last byte of an answer had arrived, in half of the cases and in 99 of 100.
    pub p50: f64,
    pub p99: f64,
}

/// A scenario for one server, with its bytes.
pub struct Load<'a> {
    server: &'a Server,
    connections: usize,
    in_flight: usize,
    /// What is sent, over and over: complete frames.
    frames: Vec<u8>,
    frame_len: usize,
    /// What comes back for the first of them.
    answer: Vec<u8>,
}

impl<'a> Load<'a> {
    pub fn new(server: &'a Server, scenario: Scenario) -> Self {
        let Scenario(connections, in_flight, len) = scenario;
        let payload: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
        let mut client = Connection::client(Settings::default(), [7; 32]);
        let mut frames = BytesMut::new();
        let mut send = || {
            let sent = client.send(&payload, &mut frames);
            sent.expect("it is open");
            frames.len()
        };
        let frame_len = send();
        while send() < CIRCLE.max(in_flight * frame_len) {}
        let mut answer = BytesMut::new();
        let answered = Connection::server(Settings::default()).send(&payload, &mut answer);
        answered.expect("it is open");
        if server.kind == Kind::Bare {
            answer = frames[..frame_len].into();
        }
        Self {
            server,
            connections,
            in_flight,
            frames: frames.into(),
            frame_len,
            answer: answer.into(),
        }
    }

    /// One round, with connections of its own.
    pub fn round(&self) -> io::Result<Round> {
        let mut poll = Poll::new()?;
        let mut clients = Vec::new();
        for n in 0..self.connections {
            let stream = self.open()?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(n), interest)?;
            clients.push(Client {
                stream,
                to_write: 0,
                at: 0,
                received: 0,
                sent: VecDeque::new(),
            });
        }
        self.flow(&mut poll, &mut clients, WARM_UP)?;
        let (cpu, start) = (self.server.cpu()?, Instant::now());
        let mut times = self.flow(&mut poll, &mut clients, MEASURED)?;
        let time = start.elapsed() - PAUSE;
        let messages = times.len() as f64;
        times.sort_unstable();
        let quantile = |part| times[(messages * part) as usize].as_nanos() as f64 / 1e3;
        Ok(Round {
            cpu: (self.server.cpu()? - cpu) / messages,
            rate: messages / time.as_secs_f64(),
            p50: quantile(0.5),
            p99: quantile(0.99),
        })
    }

    /// Keeps messages in flight for this time, and waits until all are answered. Returns how long each
    /// of them took.
    fn flow(
        &self,
        poll: &mut Poll,
        clients: &mut [Client],
        time: Duration,
    ) -> io::Result<Vec<Duration>> {
        let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 256 << 10]);
        let (mut times, start) = (Vec::new(), Instant::now());
        for client in &mut *clients {
            client.send(self, self.in_flight, start)?;
        }
        let mut in_flight = clients.len() * self.in_flight;
        while in_flight > 0 {
            poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err(ErrorKind::TimedOut.into());
            }
            for event in &events {
                let client = &mut clients[event.token().0];
                loop {
                    let n = match client.stream.read(&mut buffer) {
                        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        result => result?,
                    };
                    let (answers, now) = (client.receive(self, &buffer[..n]), Instant::now());
                    times.extend(client.sent.drain(..answers).map(|sent| now - sent));
                    in_flight -= answers;
                    if now - start < time {
                        client.send(self, answers, now)?;
                        in_flight += answers;
                    }
                    if n < buffer.len() {
                        break;
                    }
                }
                client.write(&self.frames)?;
            }
        }
        let is_whole = |client: &Client| client.received.is_multiple_of(self.answer.len());
        assert!(clients.iter().all(is_whole), "more came than was sent");
        sleep(PAUSE);
        Ok(times)
    }

    /// A connection whose opening handshake, if it has one, is complete.
    fn open(&self) -> io::Result<std::net::TcpStream> {
        let mut stream = std::net::TcpStream::connect(self.server.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        if self.server.kind == Kind::Bare {
            return Ok(stream);
        }
        stream.write_all(REQUEST)?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head);
        assert!(
            head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPTED),
            "{head}"
        );
        Ok(stream)
    }

    /// The bytes of memory of an idle connection that has sent one message. What a server allocates once for
    /// all connections is not counted: it exists after the first hundred.
    pub fn memory(&self) -> io::Result<f64> {
        let (mut streams, mut answer, mut before) = (Vec::new(), self.answer.clone(), 0.0);
        for n in 0..self.connections {
            if n == self.connections / 10 {
                sleep(PAUSE);
                before = self.server.memory()?;
            }
            let mut stream = self.open()?;
            stream.write_all(&self.frames[..self.frame_len])?;
            stream.read_exact(&mut answer)?;
            assert!(answer == self.answer, "another message came back");
            streams.push(stream);
        }
        sleep(PAUSE);
        let counted = self.connections - self.connections / 10;
        Ok((self.server.memory()? - before) / counted as f64)
    }
}

struct Client {
    stream: TcpStream,
    /// The number of bytes that the socket has not taken yet, and their place in the frames.
    to_write: usize,
    at: usize,
    /// The number of bytes of answers so far.
    received: usize,
    /// When each message in flight was sent.
    sent: VecDeque<Instant>,
}

impl Client {
    fn send(&mut self, load: &Load<'_>, messages: usize, now: Instant) -> io::Result<()> {
        self.sent.extend(std::iter::repeat_n(now, messages));
        self.to_write += messages * load.frame_len;
        self.write(&load.frames)
    }

    /// Writes until the socket takes no more.
    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        while self.to_write > 0 {
            let end = frames.len().min(self.at + self.to_write);
            let n = match self.stream.write(&frames[self.at..end]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                result => result?,
            };
            self.to_write -= n;
            self.at = (self.at + n) % frames.len();
        }
        Ok(())
    }

    /// Returns how many answers these bytes complete.
    fn receive(&mut self, load: &Load<'_>, bytes: &[u8]) -> usize {
        let before = self.received;
        self.received += bytes.len();
        if let Some(first) = load.answer.get(before..) {
            let same = first.iter().zip(bytes).all(|(one, other)| one == other);
            assert!(same, "{}: another message came back", load.server.name);
        }
        self.received / load.answer.len() - before / load.answer.len()
    }
}
