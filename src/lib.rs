//! The WebSocket protocol with no socket in it: octets in, events and octets out, for clients
//! and servers.
//!
//! The crate is RFC 6455 as a pure state machine. It reads no socket, has no clock and no
//! runtime, and copies and allocates only where the protocol needs it. Whoever owns the
//! transport drives it: a blocking loop, a reactor, an async task, a ring, a simulator.
//!
//! # The loop
//!
//! Read, drain the events, write what is in `out`, close when told to:
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{Connection, Event, Input};
//! use std::io::{self, Read, Write};
//!
//! fn echo(mut stream: impl Read + Write, mut ws: Connection) -> io::Result<()> {
//!     let (mut buffer, mut out) = (vec![0; 16 * 1024], BytesMut::new());
//!     while !ws.must_close_transport() {
//!         let n = stream.read(&mut buffer)?;
//!         if n == 0 {
//!             return ws.receive_eof().map_err(io::Error::other);
//!         }
//!         let mut input = Input::new(&mut buffer[..n]);
//!         while let Some(event) = ws.receive(&mut input, &mut out) {
//!             // Sending fails only when the connection is closing: nothing is left to be said.
//!             let _ = match event {
//!                 Event::Text(text) => ws.send_text(&text, &mut out),
//!                 Event::Binary(data) => ws.send_binary(&data, &mut out),
//!                 _ => Ok(()), // Pings and Closes are answered already
//!             };
//!         }
//!         stream.write_all(&out)?;
//!         out.clear();
//!     }
//!     Ok(())
//! }
//! ```
//!
//! One read makes one write, however many messages came in it, and one buffer serves for every
//! connection of a thread: a connection keeps nothing of it, and an idle one owns no heap
//! memory.
//!
//! # Where to begin
//!
//! - An adapter for a runtime: [`Endpoint`] is all of the below as one, from the first octet to the
//!   last, and keeps the [`Deadlines`]. For a client that comes back there is [`Backoff`].
//! - A server: [`ServerHandshake`] yields a [`Request`], [`Request::accept`] a [`Connection`].
//! - A client: [`Uri`], [`ClientRequest`], [`ClientHandshake`] yields a [`Connection`].
//! - Behind another HTTP implementation: [`negotiation`] and [`Connection::server`].
//! - One message to many connections: [`Prepared`].
//! - A relay, or uploads of any size: [`Connection::receive_pieces`].
//! - Complete programs to copy: the folder `examples`.
//!
//! # States
//!
//! ```text
//!   ServerHandshake ──── Request ─── accept ──┐         HTTP: statuses
//!        │                  │                 │
//!        │ RequestError     └─ Rejection      │
//!        ▼                        ▼           │
//!   response in `out`,    response in `out`,  │
//!   close transport       close transport     │
//!                                             │
//!   ClientHandshake ──── Opened ──────────────┤
//!        │                                    │
//!        │ ResponseError                      │
//!        ▼                                    │
//!   close transport                           │
//! ────────────────────────────────────────────┼──────────────────────────
//!                                             ▼         WebSocket: codes
//!                                           Open ◄─┐
//!                                            │ │   │ messages, Ping, Pong
//!       close() ─► Close in `out`            │ └───┘
//!       Event::Close ─► answer in `out`      │
//!       Event::Failed ─► Close in `out`      │
//!                                            ▼
//!                                         Closing     close_expected()
//!                                            │        server: must_close_transport()
//!                                            │        once it has the peer's Close, or failed
//!       receive_eof()                        ▼
//!                                         Closed      close_code(), is_clean()
//! ```
//!
//! # What it promises
//!
//! - Receiving cannot fail: a peer that breaks the protocol is an [`Event::Failed`] that names
//!   the rule, with the Close frame already in the output.
//! - How the octets are cut into reads never changes the events.
//! - Memory follows octets received, never lengths announced, and everything that a peer
//!   controls has a finite limit: see [`Config`] and [`HandshakeConfig`].
//! - What a compressed message inflates to is bounded before it is written.
//! - No panic, whatever the octets, and no `unsafe` code.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `std` | yes | run-time choice of SIMD instructions for checking UTF-8 |
//! | `entropy` | yes | seeds from the operating system: `ClientHandshake::new` |
//! | `deflate` | yes | permessage-deflate (RFC 7692): `HandshakeConfig::deflate`; needs `std` |
//! | `idna` | no | host names that are not ASCII in a [`Uri`] |
//! | `simd` | no | the machine's widest vectors for masking payloads from 512 octets on; needs Rust 1.89 |
//!
//! The crate itself is `no_std` with `alloc`. The codec behind `deflate` is not, so a device without
//! `std` leaves that feature out: nothing of it is compiled then, and offers are declined.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

extern crate alloc;

mod connection;
mod deflate;
mod endpoint;
pub mod frame;
mod handshake;
mod time;

pub use connection::{
    Binary, Connection, Data, Deliver, Piece, Prepared, SendError, Session, Settings, Text,
};
#[cfg(feature = "deflate")]
pub use deflate::Deflate;
pub use endpoint::{End, Endpoint, Event, Tick};
pub use frame::close::CloseCode;
pub use frame::error::ProtocolError;
pub use frame::input::Input;
pub use frame::role::Role;
#[cfg(feature = "entropy")]
pub use handshake::seed;
pub use handshake::{
    ClientRequest, Config, Extension, HandshakeError, Headers, OriginPolicy, Request, Response,
    SetupError, negotiation,
};
pub use time::{Backoff, Expired, Times};

/// The README's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
