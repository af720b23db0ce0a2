//! An echo server on one thread: a reactor (mio), and one read buffer for all connections.
//!
//!     cargo run --release --example echo_mio -- [ADDRESS] [--max-message BYTES] [--deflate] [--hurry N]
//!
//! Ctrl-C and SIGTERM close all connections with 1001 and end the program; a second one ends it at
//! once. Each connection is an open file: for many the shell must allow it (`ulimit -n 20000`).

use anyhow::{Context, Result};
use bytes::{Buf, BytesMut};
use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use sansocket::negotiation::OriginPolicy;
use sansocket::{
    CloseCode, DeadlinesConfig, Deflate, Endpoint, Event, HandshakeConfig, Input, ServerHandshake,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So much is read of one client at most before the others have their turn: nearly every message
/// is there as a whole then, and is lent.
const MAX_READ: usize = 256 << 10;
/// So much of one whose last message was large: two of 1 MiB, and their headers.
const MAX_LARGE_READ: usize = (2 << 20) + 64;
/// A client that has so much output to take is not read until it has taken some.
const MAX_OUT: usize = 1 << 20;
/// From here on a payload is written from where it lies; shorter ones go together.
const LARGE: usize = 64 << 10;
/// What is no client. The clients' tokens come after these, and each is used once.
const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

/// An echo server on one thread: a reactor (mio), and one read buffer for all connections
#[derive(Parser)]
struct Arguments {
    /// Where to listen; with port 0 the system picks one
    #[arg(default_value = "127.0.0.1:9001")]
    address: SocketAddr,
    /// The largest message that is taken
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    max_message: usize,
    /// Accept permessage-deflate
    #[arg(long)]
    deflate: bool,
    /// Make every deadline N times shorter
    #[arg(long, value_name = "N", default_value = "1")]
    hurry: NonZeroU32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut config = HandshakeConfig::default();
    // An echo has no secrets: pages of any site may connect. Yours should not say this.
    config.origin_policy = OriginPolicy::Any;
    config.deflate = arguments.deflate.then(Deflate::default); // all connections share it
    config.connection.max_message_size = arguments.max_message;
    config.connection.max_frame_size = arguments.max_message;
    let times = Arc::new(DeadlinesConfig::default() / arguments.hurry.get());

    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(arguments.address)
        .with_context(|| format!("cannot listen on {}", arguments.address))?;
    let registry = poll.registry();
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let waker = Waker::new(registry, STOP)?;
    ctrlc::set_handler(move || drop(waker.wake()))?;
    let address = listener.local_addr()?;
    writeln!(io::stdout(), "listening on ws://{address}/")?;

    let start = Instant::now();
    let mut events = Events::with_capacity(1024);
    // All clients are lent these for their turns. Who has output left keeps it.
    let (mut buffer, mut out) = (vec![0; MAX_LARGE_READ], BytesMut::new());
    let (mut listener, mut accept_at) = (Some(listener), None);
    let mut clients: BTreeMap<Token, Box<Client>> = BTreeMap::new();
    let mut tokens = (STOP.0 + 1..).map(Token);
    // When each client has its turn at the latest, and when all is to be over.
    let mut timers: BTreeSet<(Duration, Token)> = BTreeSet::new();
    let mut ready = Vec::new();
    while listener.is_some() || !clients.is_empty() {
        let timer = timers.first().map(|(time, _)| *time);
        let timer = timer.into_iter().chain(accept_at).min();
        let wait = timer.map(|time| time.saturating_sub(start.elapsed()));
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        let now = start.elapsed();
        for event in &events {
            ready.push(event.token());
            if event.is_read_closed()
                && let Some(client) = clients.get_mut(&event.token())
            {
                client.is_ended = true;
            }
        }
        ready.extend(accept_at.filter(|time| *time <= now).map(|_| LISTENER));
        while timers.first().is_some_and(|(time, _)| *time <= now) {
            ready.extend(timers.pop_first().map(|(_, token)| token));
        }

        if ready.contains(&STOP) {
            if listener.take().is_none() {
                return Ok(()); // by a second signal, or by the timer
            }
            accept_at = None;
            timers.insert((now + times.close, STOP));
            clients.retain(|_, client| {
                let ws = client.endpoint.connection();
                ws.map(|ws| ws.close(CloseCode::GOING_AWAY, "", &mut client.out))
                    .is_some()
            });
            ready.extend(clients.keys());
        }
        for token in ready.drain(..) {
            if let (LISTENER, Some(listener)) = (token, &listener) {
                accept_at = match listener.accept() {
                    Ok((stream, _)) => {
                        let _ = stream.set_nodelay(true);
                        let client = Client {
                            stream,
                            endpoint: Endpoint::server(&config, times.clone(), now),
                            out: BytesMut::new(),
                            max_read: MAX_READ,
                            is_ended: false,
                            interest: None,
                            timer: now,
                        };
                        let token = tokens.next().expect("fewer than 2^64");
                        clients.insert(token, Box::new(client));
                        timers.insert((now, token));
                        Some(now) // there may be more
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                    // Too many open files, say: wait for some to be closed.
                    Err(_) => Some(now + Duration::from_millis(50)),
                };
            } else if let Some(client) = clients.get_mut(&token) {
                if client.out.is_empty() {
                    client.out = mem::take(&mut out);
                }
                let turn = client.turn(token, poll.registry(), &mut buffer, now);
                if client.out.is_empty() {
                    out = mem::take(&mut client.out);
                }
                let old = client.timer;
                match turn {
                    // Most octets that come in only make it later: a timer that is set is left so.
                    Ok(time) if now < old && old <= time => continue,
                    Ok(time) => {
                        timers.remove(&(old, token));
                        timers.insert((time, token));
                        client.timer = time;
                    }
                    Err(_) => {
                        // Afterwards `Connection::close_code` and `is_clean` tell how it ended.
                        let _ = client.endpoint.receive_eof();
                        timers.remove(&(old, token));
                        clients.remove(&token);
                    }
                }
            }
        }
    }
    Ok(())
}

struct Client {
    stream: TcpStream,
    endpoint: Endpoint<ServerHandshake>,
    /// What is to be written. It holds no memory while that is nothing.
    out: BytesMut,
    /// So much is read of it at once.
    max_read: usize,
    /// Nothing comes after what can be read now.
    is_ended: bool,
    /// What the reactor is to tell of.
    interest: Option<Interest>,
    /// When its turn comes at the latest.
    timer: Duration,
}

impl Client {
    /// Does all that can be done now. Returns when to come back at the latest; an error is the
    /// end of the connection.
    fn turn(
        &mut self,
        token: Token,
        registry: &Registry,
        buffer: &mut [u8],
        now: Duration,
    ) -> Result<Duration> {
        if !self.out.is_empty() {
            self.write(&[], now)?;
        }
        let more = self.out.len() <= MAX_OUT && self.read(buffer, now)?;
        self.write(&[], now)?;
        let timer = self.endpoint.check(now, &mut self.out)?;

        // To hear of room for writing only while there is something to be written.
        let interest = match self.out.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        match self.interest.replace(interest) {
            None => registry.register(&mut self.stream, token, interest)?,
            Some(old) if old != interest => {
                registry.reregister(&mut self.stream, token, interest)?
            }
            Some(_) => {}
        }
        // Readiness is told only once: what was not read waits for the next turn.
        Ok(if more {
            now
        } else {
            timer.unwrap_or(Duration::MAX)
        })
    }

    /// Reads once. Returns whether there may be more.
    fn read(&mut self, buffer: &mut [u8], now: Duration) -> io::Result<bool> {
        let n = match self.stream.read(&mut buffer[..self.max_read]) {
            // Who ends only its writing is still sent the last octets, but no others.
            Ok(0) if self.endpoint.must_close_transport() && !self.out.is_empty() => {
                return Ok(false);
            }
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            result => result?,
        };
        // On Linux a buffer that is not full says that nothing is left but the end.
        let more = n == self.max_read || self.is_ended || !cfg!(target_os = "linux");
        let mut input = Input::new(&mut buffer[..n]);
        if let Some(request) = self.endpoint.request(&mut input, now, &mut self.out) {
            self.endpoint.accept(request.accept(), now, &mut self.out);
        }
        while let Some((event, ws)) = self.endpoint.receive(&mut input, now, &mut self.out) {
            let payload = match &event {
                Event::Text(text) => ws.send_apart(&**text, &mut self.out),
                Event::Binary(data) => ws.send_apart(&**data, &mut self.out),
                _ => continue, // Pings and Closes are answered already
            };
            // Sending fails only when the connection is closing: nothing is left to be said.
            let payload = payload.unwrap_or_default();
            if payload.len() < LARGE {
                self.out.extend_from_slice(payload);
                self.max_read = MAX_READ;
            } else {
                self.write(payload, now)?;
                self.max_read = MAX_LARGE_READ;
            }
        }
        Ok(more)
    }

    /// Writes what the socket takes of `out` and the payload behind it. The rest is `out` then.
    fn write(&mut self, mut payload: &[u8], now: Duration) -> io::Result<()> {
        let mut written = 0;
        while !self.out.is_empty() || !payload.is_empty() {
            let parts = [IoSlice::new(&self.out), IoSlice::new(payload)];
            let result = match payload {
                [] => self.stream.write(&self.out), // costs less than a vector of one
                _ => self.stream.write_vectored(&parts),
            };
            let n = match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                result => result?,
            };
            let of_out = n.min(self.out.len());
            match of_out == self.out.len() {
                true => self.out.clear(), // goes on where it began, which costs less
                false => self.out.advance(of_out),
            }
            payload = &payload[n - of_out..];
            written += n;
        }
        self.out.extend_from_slice(payload);
        self.endpoint.wrote(written, self.out.len(), now);
        if self.out.is_empty() && self.endpoint.must_close_transport() {
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}
