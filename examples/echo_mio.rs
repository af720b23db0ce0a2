//! An echo server on one thread: a reactor (mio), and one read buffer for all connections.
//!
//!     cargo run --release --example echo_mio -- [ADDR] [--max-message BYTES] [--deflate] [--hurry N]
//!
//! ADDR is 127.0.0.1:9001 if it is not given; with port 0 the system picks one. `--deflate`
//! accepts permessage-deflate, `--hurry` makes every deadline N times shorter. Ctrl-C and SIGTERM
//! close all connections with 1001 and end the program; a second one ends it at once. Each
//! connection is an open file: for many of them the shell must allow it (`ulimit -n 20000`).

use bytes::{Buf, BytesMut};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use sansocket::negotiation::OriginPolicy;
use sansocket::{
    CloseCode, Connection, Deadlines, DeadlinesConfig, Deflate, Event, Expired, HandshakeConfig,
    Input, Rejection, ServerHandshake,
};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// So many reads of one client, or new clients, before the others have their turn.
const AT_ONCE: usize = 2;
/// A client that has so much output to take is not read until it has taken some.
const MAX_OUT: usize = 1 << 20;
/// A connection that has no deadline at all is looked at now and then.
const AT_LEAST: Duration = Duration::from_secs(3600);
/// What is no client. Their tokens come after these, and each is used once.
const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("echo_mio: {error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let (address, config, times) = arguments()?;
    let cannot = |error| format!("cannot listen on {address}: {error}");
    let socket_address = address.to_socket_addrs().map_err(cannot)?.next();
    let mut listener = TcpListener::bind(socket_address.ok_or("no address")?).map_err(cannot)?;
    let mut poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let waker = Waker::new(&registry, STOP)?;
    ctrlc::set_handler(move || drop(waker.wake()))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on ws://{address}/")?;

    let start = Instant::now();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 << 10];
    let mut listener = Some(listener);
    let mut clients: BTreeMap<Token, Box<Client>> = BTreeMap::new();
    let mut last_token = STOP;
    // When who has a turn at the latest: each is in it once.
    let mut timers: BTreeSet<(Duration, Token)> = BTreeSet::new();
    let mut accept_at = Duration::MAX;
    let mut ready = Vec::new();
    while listener.is_some() || !clients.is_empty() {
        let first = timers.first().map(|(time, _)| *time);
        let wait = first.map(|time| time.saturating_sub(start.elapsed()));
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        let now = start.elapsed();
        ready.extend(events.iter().map(|event| event.token()));
        while let Some((_, token)) = timers.first().filter(|(time, _)| *time <= now) {
            ready.push(*token);
            timers.pop_first();
        }

        if ready.contains(&STOP) {
            if listener.take().is_none() {
                return Ok(()); // by a second signal, or by the timer
            }
            timers.insert((now + times.close, STOP));
            clients.retain(|_, client| client.go_away());
            ready.extend(clients.keys());
        }
        for token in ready.drain(..) {
            if let (LISTENER, Some(listener)) = (token, &listener) {
                let again = accept(listener, now, |stream| {
                    last_token.0 += 1;
                    let client = Client::new(stream, &config, &times, now);
                    clients.insert(last_token, Box::new(client));
                    timers.insert((now, last_token));
                });
                timers.remove(&(accept_at, LISTENER));
                accept_at = again.unwrap_or(Duration::MAX);
                timers.extend(again.map(|time| (time, LISTENER)));
            }
            let Some(client) = clients.get_mut(&token) else {
                continue;
            };
            match client.turn(token, &registry, &mut buffer, &times, now) {
                // Most octets that come in only make it later: a timer that is set is left so.
                Ok(time) if client.timer > now && client.timer <= time => {}
                Ok(time) => {
                    timers.remove(&(client.timer, token));
                    timers.insert((time, token));
                    client.timer = time;
                }
                Err(_) => {
                    // Afterwards `ws.close_code()` and `ws.is_clean()` tell how it ended.
                    let _ = client.ws.as_mut().map(Connection::receive_eof);
                    timers.remove(&(client.timer, token));
                    clients.remove(&token);
                }
            }
        }
    }
    Ok(())
}

/// Accepts who waits. Returns when to do that again, if not when the system says so.
fn accept(
    listener: &TcpListener,
    now: Duration,
    mut add: impl FnMut(TcpStream),
) -> Option<Duration> {
    for _ in 0..AT_ONCE {
        match listener.accept() {
            Ok((stream, _)) => add(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            // Too many open files, say: wait for some to be closed.
            Err(_) => return Some(now + Duration::from_millis(50)),
        }
    }
    Some(now)
}

struct Client {
    stream: TcpStream,
    /// What it is registered for.
    interest: Option<Interest>,
    handshake: Option<Box<ServerHandshake>>,
    /// After the handshake. A client that has neither is refused.
    ws: Option<Connection>,
    deadlines: Deadlines,
    /// When its turn comes at the latest.
    timer: Duration,
    /// What is to be written. It holds no memory while that is nothing.
    out: BytesMut,
}

impl Client {
    fn new(
        stream: TcpStream,
        config: &HandshakeConfig,
        times: &DeadlinesConfig,
        now: Duration,
    ) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            interest: None,
            handshake: Some(Box::new(ServerHandshake::new(config))),
            ws: None,
            deadlines: Deadlines::new(*times, now),
            timer: now,
            out: BytesMut::new(),
        }
    }

    /// Does all that can be done now. Returns when to come back at the latest; an error is the
    /// end of the connection.
    fn turn(
        &mut self,
        token: Token,
        registry: &Registry,
        buffer: &mut [u8],
        times: &DeadlinesConfig,
        now: Duration,
    ) -> io::Result<Duration> {
        self.write(now)?;
        let (mut more, mut reads) = (true, 0);
        while more && reads < AT_ONCE {
            more = self.out.len() <= MAX_OUT && self.read(buffer, times, now)?;
            self.write(now)?;
            reads += 1;
        }
        let time = loop {
            let len = self.out.len();
            let time = match self.deadlines.check(self.ws.as_mut(), now, &mut self.out) {
                Err(Expired::Handshake) if self.handshake.is_some() => {
                    let rejection = Rejection::new(408).map_err(io::Error::other)?;
                    rejection.send(&mut self.out);
                    self.refuse(times, now);
                    None
                }
                Err(Expired::Pong | Expired::Idle) => None, // the Close frame is in `out`
                result => result.map_err(io::Error::other)?,
            };
            if self.out.len() == len {
                break time.unwrap_or(now + AT_LEAST);
            }
            self.write(now)?;
        };

        // To hear of room for writing only while there is something to be written.
        let interest = match self.out.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        match self.interest.replace(interest) {
            Some(old) if old == interest => {}
            Some(_) => registry.reregister(&mut self.stream, token, interest)?,
            None => registry.register(&mut self.stream, token, interest)?,
        }
        if self.out.is_empty() {
            self.out = BytesMut::new();
        }
        // Readiness is told only once: what was not read waits for the next turn.
        Ok(if more { now } else { time })
    }

    /// Reads once. Returns whether there may be more.
    fn read(
        &mut self,
        buffer: &mut [u8],
        times: &DeadlinesConfig,
        now: Duration,
    ) -> io::Result<bool> {
        let n = match self.stream.read(buffer) {
            // Who ends only its writing is still sent the last octets, but no others.
            Ok(0) if self.is_ending() && !self.out.is_empty() => return Ok(false),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            result => result?,
        };
        self.deadlines.received(now);
        let mut input = Input::new(&mut buffer[..n]);
        if let Some(handshake) = &mut self.handshake {
            match handshake.receive(&mut input, &mut self.out) {
                Ok(None) => {}
                Ok(Some(request)) => {
                    self.ws = Some(request.accept().send(&mut self.out));
                    self.handshake = None;
                }
                Err(_) => self.refuse(times, now), // the refusal is in `out`
            }
        }
        let Some(ws) = &mut self.ws else {
            return Ok(true);
        };
        while let Some(event) = ws.receive(&mut input, &mut self.out) {
            self.deadlines.event(&event, now);
            // Sending fails only after a Close frame of ours: then there is nothing more to say.
            let _ = match event {
                Event::Text(text) => ws.send_text(&text, &mut self.out),
                Event::Binary(data) => ws.send_binary(&data, &mut self.out),
                _ => Ok(()), // Pings and Closes are answered already
            };
        }
        Ok(true)
    }

    /// Writes what the socket takes.
    fn write(&mut self, now: Duration) -> io::Result<()> {
        let mut written = 0;
        while !self.out.is_empty() {
            let n = match self.stream.write(&self.out) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                result => result?,
            };
            self.out.advance(n);
            written += n;
        }
        self.deadlines.wrote(written, self.out.len(), now);
        if written > 0 && !self.out.is_empty() {
            // Who takes slowly is perhaps not read meanwhile: this is a sign of life, too.
            self.deadlines.received(now);
        }
        if self.out.is_empty() && self.is_ending() {
            // Writing ends first, and what still comes in is dropped: a socket that is closed
            // before it is read to the end sends a reset, which can destroy the last octets.
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    /// Whether the output is the last.
    fn is_ending(&self) -> bool {
        match &self.ws {
            Some(ws) => ws.must_close_transport(),
            None => self.handshake.is_none(),
        }
    }

    /// The refusal is in the output: there is the time of a closing handshake to take it.
    fn refuse(&mut self, times: &DeadlinesConfig, now: Duration) {
        let mut last = *times;
        last.handshake = times.close;
        self.deadlines = Deadlines::new(last, now);
        self.handshake = None;
    }

    /// Closes the connection, if it is open. Returns whether there is one.
    fn go_away(&mut self) -> bool {
        let ws = self.ws.as_mut();
        ws.map(|ws| ws.close(CloseCode::GOING_AWAY, "", &mut self.out))
            .is_some()
    }
}

fn arguments() -> Result<(String, HandshakeConfig, DeadlinesConfig), String> {
    let (mut config, mut times) = (HandshakeConfig::default(), DeadlinesConfig::default());
    // An echo has no secrets: pages of any site may connect. Yours should not say this.
    config.origin_policy = OriginPolicy::Any;
    let mut address = None;
    let words = std::env::args_os().skip(1).map(OsString::into_string);
    let mut words = words.map(|word| word.map_err(|word| format!("{word:?} is not UTF-8")));
    while let Some(word) = words.next().transpose()? {
        let mut value = || words.next()?.ok();
        match &*word {
            "--max-message" => {
                let bytes = value().and_then(|value| value.parse().ok());
                let bytes = bytes.ok_or("--max-message needs a number of bytes")?;
                config.connection.max_message_size = bytes;
                config.connection.max_frame_size = bytes;
            }
            "--hurry" => {
                let n = value().and_then(|value| value.parse().ok());
                let n: u32 = n.filter(|n| *n > 0).ok_or("--hurry needs a number")?;
                times.handshake /= n;
                times.keepalive = times.keepalive.map(|time| time / n);
                times.pong /= n;
                times.close /= n;
                times.write /= n;
            }
            "--deflate" => config.deflate = Some(Deflate::default()), // all connections share it
            _ if address.is_none() && !word.starts_with('-') => address = Some(word),
            _ => {
                let usage = "[ADDR] [--max-message BYTES] [--deflate] [--hurry N]";
                return Err(format!("what is {word}? Usage: echo_mio {usage}"));
            }
        }
    }
    let address = address.unwrap_or_else(|| "127.0.0.1:9001".into());
    Ok((address, config, times))
}
