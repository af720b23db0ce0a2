//! An echo server on one thread: a reactor (mio), and one read buffer for all connections.
//!
//!     cargo run --release -p echo_mio -- [ADDRESS] [--max-message BYTES] [--deflate] [--same-origin] [--hurry N]
//!
//! Ctrl-C and SIGTERM close all connections with 1001 and end the program; a second one ends it at
//! once. Each connection is an open file: for many the shell must allow it (`ulimit -n 20000`).

mod client;

use bytes::BytesMut;
use client::{Client, MAX_LARGE_READ};
use common::{Context, Result};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use sansocket::{CloseCode, SendError};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::mem;
use std::time::{Duration, Instant};

/// Not clients. The tokens of clients come after these, and none is used twice.
const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

fn main() -> Result<()> {
    let about =
        "An echo server on one thread: a reactor (mio), and one read buffer for all connections";
    let server = common::server("echo_mio", about, "");
    let config = server.config;

    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(server.address)
        .with_context(|| format!("cannot listen on {}", server.address))?;
    let registry = poll.registry();
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let waker = Waker::new(registry, STOP)?;
    common::on_stop(move || drop(waker.wake()))?;
    common::announce("ws", listener.local_addr()?, server.path)?;

    let start = Instant::now();
    let mut events = Events::with_capacity(1024);
    // Lent to each client for its turn. A client that has output left keeps `out`.
    let (mut buffer, mut out) = (vec![0; MAX_LARGE_READ], BytesMut::new());
    let (mut listener, mut accept_at) = (Some(listener), None);
    let mut clients: BTreeMap<Token, Box<Client>> = BTreeMap::new();
    let mut tokens = (STOP.0 + 1..).map(Token);
    // The latest time of each client's next turn, and when everything must be over.
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
                return Ok(()); // the timer
            }
            accept_at = None;
            timers.insert((now + common::stop_time(&config), STOP));
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
                        let client = Client::new(stream, &config, now);
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
                    // Most bytes that arrive only move the time forward: an earlier timer may stay.
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
