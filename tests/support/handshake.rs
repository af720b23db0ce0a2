//! Opening handshakes driven as a transport drives them, and the connections after them.
//!
//! Invariant: no byte is lost between the opening handshake and the connection.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use super::{Joining, Sent, sent_frames};
use bytes::BytesMut;
use sansocket::{Config, Endpoint, Event, HandshakeError, Input};
use std::time::Duration;

/// An endpoint with its events and output.
#[derive(Debug)]
pub struct Driven {
    pub endpoint: Endpoint,
    pub out: BytesMut,
    /// Messages that came in pieces are joined. Requests are not among them: they are accepted.
    pub events: Vec<Event<'static>>,
    joining: Joining,
    /// Bytes that were not taken.
    left: Vec<u8>,
}

impl Driven {
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            out: BytesMut::new(),
            events: Vec::new(),
            joining: Joining::default(),
            left: Vec::new(),
        }
    }

    /// Feeds bytes, after those that were not taken.
    pub fn feed(&mut self, bytes: &[u8]) -> &mut Self {
        self.left.extend_from_slice(bytes);
        let (mut input, out) = (Input(&mut self.left), &mut self.out);
        while let Some(event) = self.endpoint.receive(&mut input, Duration::ZERO, out) {
            match event {
                Event::Request(request) => self.endpoint.accept(request, out).unwrap(),
                event => self.events.extend(self.joining.push(event)),
            }
        }
        let left = input.0.len();
        self.left.drain(..self.left.len() - left);
        self
    }

    /// The frames in the output, which holds nothing else.
    pub fn sent(&self) -> Vec<Sent> {
        sent_frames(&self.out, self.endpoint.role())
    }
}

/// How a server hands a request over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every check was passed.
    Request,
    /// It is HTTP, and the application may answer it.
    Http,
    /// It is not HTTP that this server can read. The answer is written.
    Refused,
}

/// How a server hands over the request in these bytes, and what it has written by then.
#[track_caller]
pub fn handed_over(bytes: &[u8], config: &Config) -> (Kind, Option<HandshakeError>, BytesMut) {
    let mut endpoint = Endpoint::server(config, Duration::ZERO);
    let (mut bytes, mut out) = (bytes.to_vec(), BytesMut::new());
    let mut input = Input(&mut bytes);
    let event = endpoint.receive(&mut input, Duration::ZERO, &mut out);
    let (kind, error) = match event.expect("a request") {
        Event::Request(request) => (Kind::Request, request.error().cloned()),
        Event::Http(request) => (Kind::Http, request.error().cloned()),
        Event::Refused(error) => (Kind::Refused, Some(*error)),
        other => panic!("{other:?} for a request"),
    };
    (kind, error, out)
}
