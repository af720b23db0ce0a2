//! An echo server on one thread: a reactor (mio), and one read buffer for all connections.
//!
//!     cargo run --release --example echo_mio -- [ADDRESS] [--max-message BYTES] [--deflate] [--hurry N]
//!
//! Ctrl-C and SIGTERM close all connections with 1001 and end the program; a second one ends it at
//! once. Each connection is an open file: for many the shell must allow it (`ulimit -n 20000`).

use anyhow::{Context, Result};
use bytes::BytesMut;
use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use sansocket::{
    CloseCode, Config, Deflate, Endpoint, Event, Input, OriginPolicy, SendError, Tick,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Read at most this much of one client before the others have their turn: nearly every message is
/// complete in it, and lent.
const MAX_READ: usize = 256 << 10;
/// The same for a client whose last message was large: two of 1 MiB, and their headers.
const MAX_LARGE_READ: usize = (2 << 20) + 64;
/// A client with this much output waiting for it is not read until it has taken some.
const MAX_OUT: usize = 1 << 20;
/// A payload from this size on is written from where it lies; shorter ones are written together.
const LARGE: usize = 64 << 10;
/// Not clients. Their tokens come after these, and each is used once.
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
    max_message: u64,
    /// Accept permessage-deflate
    #[arg(long)]
    deflate: bool,
    /// Make every deadline N times shorter
    #[arg(long, value_name = "N", default_value = "1")]
    hurry: NonZeroU32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut config = Config::default();
    // An echo has no secrets, so pages of any site may connect. Yours should not say this.
    config.origins = OriginPolicy::any();
    config.deflate = arguments.deflate.then(Deflate::default);
    config.settings.max_message_size = arguments.max_message;
    config.times = config.times / arguments.hurry.get();

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
    // Lent to each client for its turn. A client that has output left keeps `out`.
    let (mut buffer, mut out) = (vec![0; MAX_LARGE_READ], BytesMut::new());
    let (mut listener, mut accept_at) = (Some(listener), None);
    let mut clients: BTreeMap<Token, Box<Client>> = BTreeMap::new();
    let mut tokens = (STOP.0 + 1..).map(Token);
    // When each client has its turn at the latest, and when everything is to be over.
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
                return Ok(()); // a second signal, or the timer
            }
            accept_at = None;
            timers.insert((now + config.times.close, STOP));
            clients.retain(|_, client| {
                let closed = client.ws.close(CloseCode::GOING_AWAY, "", &mut client.out);
                closed != Err(SendError::NotYetOpen)
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
                            ws: Endpoint::server(&config, now),
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
                    // Too many open files, for instance: wait until some are closed.
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
                    // Most bytes that come in only move the time on: an earlier timer may stay.
                    Some(time) if now < old && old <= time => {}
                    Some(time) => {
                        timers.remove(&(old, token));
                        timers.insert((time, token));
                        client.timer = time;
                    }
                    None => {
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
    ws: Endpoint,
    /// What is to be written. It holds no memory while it is empty.
    out: BytesMut,
    /// How much is read at once.
    max_read: usize,
    /// Nothing comes after what can be read now.
    is_ended: bool,
    /// What the reactor tells of.
    interest: Option<Interest>,
    /// When its turn comes at the latest.
    timer: Duration,
}

impl Client {
    /// Does everything that can be done now. Returns when to come back at the latest; `None`: it is
    /// over.
    fn turn(
        &mut self,
        token: Token,
        registry: &Registry,
        buffer: &mut [u8],
        now: Duration,
    ) -> Option<Duration> {
        self.write(&[], now);
        let more = self.out.len() <= MAX_OUT && self.read(buffer, now);
        self.write(&[], now);
        let wake = match self.ws.tick(now, &mut self.out) {
            Tick::Wait(wake) => wake,
            Tick::ShutDown(wake) => {
                let _ = self.stream.shutdown(Shutdown::Write); // again does no harm
                wake
            }
            Tick::Done(_end) => return None,
        };

        // Only while there is something to write, the reactor tells of room for it.
        let interest = match self.out.is_empty() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        match self.interest.replace(interest) {
            Some(old) if old == interest => Ok(()),
            Some(_) => registry.reregister(&mut self.stream, token, interest),
            None => registry.register(&mut self.stream, token, interest),
        }
        .ok()?;
        // Readiness is told only once: what was not read waits for the next turn.
        let wake = if more { Some(now) } else { wake };
        Some(wake.unwrap_or(Duration::MAX))
    }

    /// Reads once. Returns whether there may be more.
    fn read(&mut self, buffer: &mut [u8], now: Duration) -> bool {
        let n = match self.stream.read(&mut buffer[..self.max_read]) {
            Ok(n @ 1..) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            _ => {
                self.ws.receive_eof();
                return false;
            }
        };
        // On Linux a buffer that is not full says that nothing is left but the end.
        let more = n == self.max_read || self.is_ended || !cfg!(target_os = "linux");
        let mut input = Input(&mut buffer[..n]);
        while let Some(event) = self.ws.receive(&mut input, now, &mut self.out) {
            let payload = match event {
                Event::Text(ref text) => self.ws.send_apart(text, &mut self.out),
                Event::Binary(ref data) => self.ws.send_apart(data, &mut self.out),
                Event::Request(request) => self.ws.accept(request, &mut self.out).map(|()| &[][..]),
                _ => continue, // Pings, Closes and errors are answered already
            };
            // Sending fails only when the connection is closing: nothing is left to say.
            let payload = payload.unwrap_or_default();
            if payload.len() < LARGE {
                self.out.extend_from_slice(payload);
                self.max_read = MAX_READ;
            } else {
                self.write(payload, now);
                self.max_read = MAX_LARGE_READ;
            }
        }
        more
    }

    /// Writes what the socket takes of `out` and the payload after it. The rest is in `out` then.
    fn write(&mut self, mut payload: &[u8], now: Duration) {
        while !self.out.is_empty() || !payload.is_empty() {
            let parts = [IoSlice::new(&self.out), IoSlice::new(payload)];
            let result = match payload {
                [] => self.stream.write(&self.out), // costs less than a vector of one
                _ => self.stream.write_vectored(&parts),
            };
            match result {
                Ok(n) => payload = &payload[self.ws.wrote(n, now, &mut self.out)..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.out.clear();
                    return self.ws.receive_eof();
                }
            }
        }
        self.out.extend_from_slice(payload);
    }
}
