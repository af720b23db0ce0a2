//! The peers, one file each.
//!
//! Invariant: each is driven through its cheapest public API, for an application that gets complete
//! messages and writes each message at once.

use crate::transport::Transport;
use crate::work::{Task, Work};
use bytes::Bytes;
use std::hint::black_box;

mod fastwebsockets;
mod nexus_web;
pub mod sansocket;
mod tokio_websockets;
mod tungstenite;
mod yawc;

/// An open connection of a peer, over the transport that it owns.
pub trait Connection {
    /// Receives `n` messages, at least one.
    fn receive(&mut self, n: usize, sink: &mut Sink);
    /// Sends `payload` as a binary message, `n` times.
    fn send(&mut self, payload: &Bytes, n: usize);
    /// Receives `n` binary messages, at least one, and sends each back.
    fn echo(&mut self, n: usize);
}

/// How a peer is started.
pub struct Peer {
    pub name: &'static str,
    /// A connection after the opening handshake.
    pub open: fn(&Work, Transport) -> Box<dyn Connection>,
    /// Accepts one opening handshake; `None` if the peer leaves that to an HTTP server.
    pub accept: Option<fn(Transport)>,
}

/// All peers, ourselves first.
pub const ALL: &[Peer] = &[
    sansocket::PEER,
    tungstenite::PEER,
    fastwebsockets::PEER,
    tokio_websockets::PEER,
    yawc::PEER,
    nexus_web::PEER,
];

/// Those in the plots.
pub const PLOTTED: &[Peer] = ALL.split_at(4).0;

/// Where received messages go.
pub struct Sink {
    /// What each message must be; `None` while the time is taken.
    pub expected: Option<Bytes>,
    /// The bytes of all messages so far.
    pub bytes: usize,
}

impl Sink {
    /// A message; text has been checked.
    #[inline]
    pub fn take(&mut self, message: &[u8]) {
        self.bytes += black_box(message).len();
        if let Some(expected) = &self.expected {
            assert!(message == expected, "another message than was sent");
        }
    }
}

/// One peer at one work.
pub struct Session<'a> {
    pub peer: &'a Peer,
    work: &'a Work,
    connection: Box<dyn Connection>,
    pub sink: Sink,
}

impl<'a> Session<'a> {
    /// `None` if the peer cannot do that work.
    pub fn new(peer: &'a Peer, work: &'a Work) -> Option<Self> {
        if work.task == Task::Handshake {
            peer.accept?;
        }
        let transport = Transport::new(work.stream.clone());
        Some(Self {
            peer,
            work,
            connection: (peer.open)(work, transport),
            sink: Sink {
                expected: None,
                bytes: 0,
            },
        })
    }

    /// Does the work `n` times.
    pub fn run(&mut self, n: usize) {
        match self.work.task {
            Task::Receive | Task::ReceiveText => self.connection.receive(n, &mut self.sink),
            Task::Send => self.connection.send(&self.work.payload, n),
            Task::Echo => self.connection.echo(n),
            Task::Handshake => {
                let accept = self.peer.accept.expect("it was asked for");
                for _ in 0..n {
                    accept(Transport::new(self.work.stream.clone()));
                }
            }
        }
    }
}
