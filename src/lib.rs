//! The WebSocket protocol with no socket in it: bytes in, events and bytes out, for clients and
//! servers.
//!
//! Invariant: the same bytes, times and seed give the same run, always.
//!
//! The crate is RFC 6455 as a pure state machine. It reads no socket, has no clock and no runtime,
//! and copies and allocates only where the protocol needs it. The owner of the transport drives it:
//! a blocking loop, a reactor, an async task, a ring, a simulator.
//!
//! # The loop
//!
//! One loop for each transport: **`tick`, write and `wrote`, read and `receive`**. [`Endpoint`] has it
//! in full over a `TcpStream`, to be copied as it stands. The application's part is in the middle:
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{Endpoint, Event, Input};
//! use std::time::Duration;
//!
//! /// Answers what was just read; the answers are appended to `out`.
//! fn echo(ws: &mut Endpoint, read: &mut [u8], now: Duration, out: &mut BytesMut) {
//!     let mut input = Input(read);
//!     while let Some(event) = ws.receive(&mut input, now, out) {
//!         // Sending fails only if the connection is closing, and then nothing has to be sent.
//!         let _ = match event {
//!             Event::Request(request) => ws.accept(request, out),
//!             Event::Text(text) => ws.send(&text, out),
//!             Event::Binary(data) => ws.send(&data, out),
//!             _ => Ok(()), // Pings, Closes and errors are answered already
//!         };
//!     }
//! }
//! ```
//!
//! One read makes one write, however many messages came in it, and one buffer serves for every
//! connection of a thread: an endpoint keeps no part of it, and an idle one owns no heap memory.
//!
//! # Where to start
//!
//! - A server or a client over a transport of yours: [`Endpoint`]. For a client that reconnects
//!   there is [`Backoff`].
//! - To send, to close, to change settings: [`Session`], which an `Endpoint` derefs to.
//! - Where other software speaks HTTP: [`Request::read`] and [`Request::answer`] for a server,
//!   [`Offer`] for a client, then [`Endpoint::open`]; without deadlines [`Connection`]. The guide has
//!   [a page](guide::other_http) on it. Through a proxy: [`Tunnel`]. Redirects:
//!   [`ClientRequest::redirected`].
//! - One message to many connections: [`Prepared`].
//! - A relay, or uploads of any size: [`Deliver::Pieces`].
//! - A page or a health check on the same port: [`Event::Http`].
//! - TLS or a queue between `out` and the transport: [`Endpoint::flushed`].
//! - Frames, for proxies and tools: [`mod@frame`].
//! - How to build an adapter, and what to do in the common cases: the [`guide`].
//! - Complete programs to copy: the folder `examples`.
//!
//! # States
//!
//! ```text
//!   Endpoint::server               Endpoint::client            Endpoint::open
//!        │                                │                          │
//!   Event::Request ── accept ──┐    Event::Opened ──┐                │
//!   Event::Http                │          │         │                │
//!        │ respond, or the     │          │         │                │   HTTP: statuses
//!        │ default answer      │    Event::Refused  │                │
//!   ─────┼─────────────────────┼──────────┼─────────┼────────────────┼───────────────
//!        │                     ▼          │         ▼                ▼   WebSocket: codes
//!        │                   Open: messages, Ping, Pong
//!        │                     │          │
//!        │    close(), Event::Close, Event::Failed: the Close is in `out`
//!        │                     ▼          │
//!        │                  Closing       │
//!        ▼                     ▼          ▼
//!     Tick::ShutDown, then Tick::Done(End): Responded, Closed, Refused, Failed, Expired
//! ```
//!
//! # What it promises
//!
//! - Receiving cannot fail: a peer that breaks the protocol is an [`Event::Failed`] that names
//!   the rule, with the Close frame already in the output.
//! - How the bytes are cut into reads never changes the events.
//! - A setting takes effect where a message starts, never in the middle of one.
//! - Memory follows the bytes received, never the lengths announced, and everything that a peer
//!   controls has a finite limit: see [`Config`] and [`Settings`].
//! - What a compressed message inflates to is bounded before it is written.
//! - A deadline judges the peer, not the scheduler: see [`Endpoint::tick`].
//! - No panic, whatever the bytes, and no `unsafe` code.
//! - What is logged is harmless: neither `Debug` nor the text of an error shows a payload, a key, a
//!   subprotocol (where browsers put tokens), a query, userinfo, or the value of a header field that
//!   is not known to hold no secret. Paths are shown.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `std` | yes | run-time choice of SIMD instructions for checking UTF-8 |
//! | `entropy` | yes | seeds from the operating system: `seed()` |
//! | `deflate` | yes | permessage-deflate (RFC 7692): `Config::deflate`; needs `std` |
//! | `http` | no | from and to the types of the crate `http`, for hyper, axum, h2 and h3; needs `std` |
//! | `idna` | no | host names that are not ASCII in a [`ClientRequest`] |
//! | `simd` | no | wide vectors (AVX2, if the machine has it) for masking from 512 bytes on; needs Rust 1.89 |
//!
//! The crate itself is `no_std` with `alloc`. The codec behind `deflate` is not, so a device without
//! `std` leaves that feature out: nothing of it is compiled then, and offers are declined. On a target
//! without compare-and-swap, turn on the feature `extra-platforms` of the crate `bytes`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::disallowed_methods)]
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable
    )
)]

extern crate alloc;

mod connection;
mod deflate;
mod endpoint;
pub mod frame;
#[cfg(any(doc, doctest))]
pub mod guide;
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
    ClientRequest, Config, Extension, FieldFault, HandshakeError, Headers, LineFault, Offer,
    OriginPolicy, ParamFault, Request, Response, SetupError, Tunnel,
};
pub use time::{Backoff, Expired, Times};

/// The README's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
