//! This crate: a read buffer that grows with the message that waits in it, and large payloads written
//! from where they are.
//!
//! Invariant: what is left of a read is in `read[from..to]`.

use super::{Connection, Peer, Sink};
use crate::transport::Transport;
use crate::work::Role;
use bytes::{Bytes, BytesMut};
use sansocket::{Config, Deliver, Endpoint, Event, Input, Settings};
use std::hint::black_box;
use std::io::{IoSlice, Read};
use std::time::Duration;

pub const PEER: Peer = Peer {
    name: "sansocket",
    open: |work, transport| {
        Box::new(Sansocket {
            transport,
            ws: connection(work.role, Deliver::InPlace),
            read: vec![0; 2 * READ],
            from: 0,
            to: 0,
            out: BytesMut::new(),
        })
    },
    accept: Some(accept),
};

/// The size of a read, except at the end of a long message.
const READ: usize = 16 << 10;

/// A payload of at least this many bytes is not copied into the output.
const APART: usize = 512;

struct Sansocket {
    transport: Transport,
    ws: sansocket::Connection,
    read: Vec<u8>,
    from: usize,
    to: usize,
    out: BytesMut,
}

pub fn connection(role: Role, deliver: Deliver) -> sansocket::Connection {
    let mut settings = Settings::default();
    settings.deliver = deliver;
    settings.max_message_size = u64::MAX;
    match role {
        Role::Server => sansocket::Connection::server(settings),
        Role::Client => sansocket::Connection::client(settings, [7; 32]),
    }
}

impl Sansocket {
    /// Hands the next `n` messages to `then`.
    #[inline]
    fn each(
        &mut self,
        mut n: usize,
        mut then: impl FnMut(&[u8], &mut sansocket::Connection, &mut BytesMut, &mut Transport),
    ) {
        loop {
            let mut input = Input(&mut self.read[self.from..self.to]);
            while let Some(event) = self.ws.receive(&mut input, &mut self.out) {
                let message = match &event {
                    Event::Text(text) => text.as_bytes(),
                    Event::Binary(data) => data,
                    event => unreachable!("{event:?}"),
                };
                then(message, &mut self.ws, &mut self.out, &mut self.transport);
                n -= 1;
                if n == 0 {
                    self.from = self.to - input.0.len();
                    return;
                }
            }
            let missing = self.ws.missing(&input).unwrap_or(0);
            self.from = self.to - input.0.len();
            self.fill(missing);
        }
    }

    /// Reads: a long message to its end, so that the next one starts at the front.
    fn fill(&mut self, missing: usize) {
        let waiting = self.to - self.from;
        let wanted = if waiting + missing > READ {
            missing.min(READ)
        } else {
            READ
        };
        if self.from > 0 && (waiting == 0 || self.read.len() - self.to < wanted) {
            self.read.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, waiting);
        }
        if self.read.len() - self.to < wanted {
            self.read.resize(2 * self.read.len(), 0);
        }
        let room = &mut self.read[self.to..self.to + wanted];
        self.to += self.transport.read(room).expect("it never fails");
    }
}

/// Sends `data` with one write.
#[inline]
fn send(
    data: &[u8],
    ws: &mut sansocket::Connection,
    out: &mut BytesMut,
    transport: &mut Transport,
) {
    if data.len() < APART {
        ws.send(data, out).expect("it is open");
        transport.put(&[IoSlice::new(out)]);
    } else {
        let payload = ws.send_apart(data, out).expect("it is open");
        transport.put(&[IoSlice::new(out), IoSlice::new(payload)]);
    }
    out.clear();
}

impl Connection for Sansocket {
    fn receive(&mut self, n: usize, sink: &mut Sink) {
        self.each(n, |message, _, _, _| sink.take(message));
    }

    fn send(&mut self, payload: &Bytes, n: usize) {
        for _ in 0..n {
            send(payload, &mut self.ws, &mut self.out, &mut self.transport);
        }
    }

    fn echo(&mut self, n: usize) {
        self.each(n, send);
    }
}

fn accept(mut transport: Transport) {
    let mut ws = Endpoint::server(&Config::default(), Duration::ZERO);
    let (mut read, mut out) = ([0; 4 << 10], BytesMut::new());
    let len = transport.read(&mut read).expect("it never fails");
    let mut input = Input(&mut read[..len]);
    let Some(Event::Request(request)) = ws.receive(&mut input, Duration::ZERO, &mut out) else {
        panic!("it is a good request");
    };
    ws.accept(request, &mut out)
        .expect("it waits for the answer");
    black_box(ws);
    transport.put(&[IoSlice::new(&out)]);
}
