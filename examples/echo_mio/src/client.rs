//! One client of the reactor: it reads, answers and writes as far as the socket goes.
//!
//! Invariant: after its turn a client waits for the socket or for its timer, and has nothing else to do.

use bytes::BytesMut;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use sansocket::{Config, Endpoint, Event, Input, Tick};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

/// The most that is read of one client before the others have their turn: nearly every message is
/// complete in it, and so is lent.
const MAX_READ: usize = 256 << 10;
/// The same for a client whose last message was large: two of 1 MiB, and their headers.
pub(crate) const MAX_LARGE_READ: usize = (2 << 20) + 64;
/// A client with this much output waiting for it is not read until it has taken some.
const MAX_OUT: usize = 1 << 20;
/// A payload from this size on is written from where it lies; shorter ones are written together.
const LARGE: usize = 64 << 10;

pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) ws: Endpoint,
    /// The output. It holds no memory while it is empty.
    pub(crate) out: BytesMut,
    /// The most that is read at once.
    max_read: usize,
    /// The client has shut down writing: nothing follows what can be read now.
    pub(crate) is_ended: bool,
    /// The readiness that the reactor reports.
    interest: Option<Interest>,
    /// The latest time of its next turn.
    pub(crate) timer: Duration,
}

impl Client {
    pub(crate) fn new(stream: TcpStream, config: &Config, now: Duration) -> Self {
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            ws: Endpoint::server(config, now),
            out: BytesMut::new(),
            max_read: MAX_READ,
            is_ended: false,
            interest: None,
            timer: now,
        }
    }

    /// Does everything that can be done now. Returns the latest time of the next turn; `None` if it is
    /// over.
    pub(crate) fn turn(
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
                let _ = self.stream.shutdown(Shutdown::Write); // calling it again does no harm
                wake
            }
            Tick::Done(end) => {
                common::log(&end);
                return None;
            }
        };

        // The reactor reports room for output only while there is some.
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
        // Readiness is reported only once: what was not read waits for the next turn.
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
        // On Linux a read that does not fill the buffer has emptied the socket.
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

    /// Writes what the socket takes of `out` and the payload after it; the rest goes into `out`.
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
