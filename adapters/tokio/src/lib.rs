//! WebSockets for tokio: the adapter of [`sansocket`], which is the protocol.
//!
//! Invariant: any future may be dropped at any await; nothing is lost, doubled or reordered.
//!
//! # Quick start
//!
//! ```toml
//! tokio-sansocket = { version = "0.1", features = ["rustls-native-roots"] } # the feature is for wss://
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
//! ```
//!
//! The types of the protocol come along as `tokio_sansocket::sansocket`. A server, an echo:
//!
//! ```
//! use tokio::net::{TcpListener, TcpStream};
//! use tokio_sansocket::{Error, Options, accept};
//!
//! async fn serve(stream: TcpStream, options: &Options) -> Result<(), Error> {
//!     let mut ws = accept(stream, options, Ok).await?;
//!     while let Some(message) = ws.recv().await? {
//!         ws.send(message).await?;
//!     }
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let address = listener.local_addr()?;
//! tokio::spawn(async move {
//!     loop {
//!         let (stream, _) = listener.accept().await.unwrap();
//!         let _ = stream.set_nodelay(true);
//!         tokio::spawn(async move { serve(stream, &Options::default()).await });
//!     }
//! });
//!
//! // A client:
//! use tokio_sansocket::{connect, sansocket::CloseCode};
//!
//! # let uri = &*format!("ws://{address}/");
//! let (mut ws, _response) = connect(uri, &Options::default()).await?;
//! ws.send("hello").await?;
//! assert_eq!(ws.recv().await?.unwrap().as_text(), Some("hello"));
//! ws.close(CloseCode::NORMAL, "").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to start
//!
//! - A server: [`accept`](accept()). A client: [`connect`](connect()), or [`client`](client()) over any
//!   stream.
//! - To receive in one task and to send in another: [`WebSocket::split`].
//! - To send from any number of tasks: [`Sender`]; the same to many:
//!   [`Prepared`](sansocket::Prepared).
//! - Uploads and relays: [`WebSocket::send_piece`], and
//!   [`Deliver::Pieces`](sansocket::Deliver::Pieces).
//! - Limits, deadlines, origins, compression: [`Options::config`].
//! - How it ended: [`Error`] and [`WebSocket::end`].
#![cfg_attr(
    any(doc, doctest),
    doc = "- After hyper or axum: [`other_http`]. From another crate: [`coming_from_tokio_tungstenite`]."
)]
//!
//! # Connect again
//!
//! [`Backoff`](sansocket::Backoff) says whether another try is worth it, and when:
//!
//! ```no_run
//! use std::io::ErrorKind::{InvalidData, InvalidInput, Unsupported};
//! use std::time::Instant;
//! use tokio_sansocket::sansocket::{Backoff, End, seed};
//! use tokio_sansocket::{Error, Options, connect};
//!
//! async fn stay(uri: &str, options: &Options) -> Result<End, Error> {
//!     let mut backoff = Backoff::new(seed()?); // one for all tries
//!     loop {
//!         let start = Instant::now();
//!         let ended = session(uri, options).await;
//!         let wait = match &ended {
//!             Ok(end) => backoff.after(end, start.elapsed()),
//!             Err(Error::Ended { end, .. }) => backoff.after(end, start.elapsed()),
//!             // A certificate that is not trusted, a host that is no name, no TLS: so it will be next time.
//!             Err(Error::Io(error))
//!                 if matches!(error.kind(), InvalidData | InvalidInput | Unsupported) =>
//!             {
//!                 None
//!             }
//!             Err(Error::Io(_)) => Some(backoff.after_failure()),
//!             Err(_) => None, // the application's own: the URI, a message that may not be sent
//!         };
//!         let Some(wait) = wait else { return ended };
//!         tokio::time::sleep(wait).await;
//!     }
//! }
//!
//! /// One connection, to its end.
//! async fn session(uri: &str, options: &Options) -> Result<End, Error> {
//!     let (mut ws, _response) = connect(uri, options).await?;
//!     while let Some(message) = ws.recv().await? {
//!         println!("{:?}", message.as_text());
//!     }
//!     Ok(ws.end().expect("`recv` returned `None`"))
//! }
//! ```
//!
//! # What it does by itself
//!
//! Pings and Closes are answered, a silent peer is asked and given up, so is one that takes nothing of
//! what is sent: all of [`Times`](sansocket::Times), with at most one timer for each connection. All this
//! happens **while something of the connection is polled**: `recv`, or a send, flush or close that
//! waits. A connection that nobody polls does nothing: no Ping, no Pong, no deadline, no read. What was
//! sent before is written all the same, and a peer that stops reading is given up. So keep a task in
//! `recv`, as nearly every program does.
//!
//! A user who is slow to take messages never ends a healthy peer: what was not read is not held against
//! it, and no message is lost. While a message waits, what came after it is not looked at.
//!
//! # How it ends
//!
//! Whatever ends the connection, messages that were read are received first, and then comes the error or
//! `None`. What the operating system has and was not read is lost if the peer resets the connection. The
//! transport is shut down before it is dropped, so that TLS says `close_notify`; that has as much time as
//! the closing handshake, in a task of its own, while you hear of the end at once. A peer that has run
//! out of its time gets no more of it.
//!
//! # When bytes are written
//!
//! When `send` returns, the message is written, or will be, whatever happens next: no call of yours has
//! to follow. It writes at once if all that was read has been taken: a question is answered without
//! delay. Else the answer waits for those of the other messages, until the task waits; and in halves and
//! senders always until the task yields. So **what one wake-up of a task sends is one write**, however
//! many messages that is. A payload of 64 KiB and more is written from where it lies.
//!
//! With [`Options::high_water`] bytes waiting, `send` waits: that is the back pressure. A slow peer holds
//! up only those who send to it.
//!
//! # Memory
//!
//! Messages own their payload. Text and small binary messages are copied once out of the read buffer,
//! which serves all connections of a thread in turn; binary messages of 16 KiB and more are views of the
//! buffer that they were read into. Nanoseconds to make a payload one's own (one core, the frame was copied
//! into the buffer before):
//!
//! | | 16 B | 125 B | 1 KiB | 16 KiB | 64 KiB | 1 MiB |
//! |---|--:|--:|--:|--:|--:|--:|
//! | binary, copied | 35 | 31 | 47 | 600 | 1,890 | 22,800 |
//! | binary, a view | 39 | 35 | 39 | 16 | 270 | ~0 |
//! | binary, a view, four of which are kept | 117 | 113 | 123 | 240 | 600 | ~0 |
//! | text, copied | 31 | 27 | 46 | 605 | 2,250 | 32,700 |
//! | text, a view, checked a second time (ASCII) | 53 | 82 | 68 | 380 | 1,380 | 18,000 |
//! | text, a view, checked a second time (mixed) | 81 | 261 | 1,717 | 27,700 | 118,500 | 1,800,000 |
//!
//! A view keeps its read buffer alive, 64 KiB or more: 4,000 times what a message of 16 bytes needs, and
//! at most 16 times what one of 16 KiB does. A connection that is idle holds no buffer at all. One that
//! waits for the rest of a message holds what has arrived of it and about 34 bytes; from 16 KiB on, the
//! buffer that it arrives in, with room for four times as much or for 256 KiB.
//!
//! # Cancel safety
//!
//! Each method says what is true when its future is dropped before it is ready: of a send, nothing was
//! sent; of a receive, nothing is lost; a close that was begun goes on. So all of them may be branches of
//! `tokio::select!`.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `connect` | yes | [`connect`](connect()): sockets; through a proxy, if you want |
//! | `rustls-native-roots` | no | `wss://` for `connect`, trusting whom the system trusts |
//! | `rustls-webpki-roots` | no | the same, trusting whom Mozilla trusts, compiled in |
//! | `rustls` | no | the same, trusting whom you say: [`Options::tls`](Options#structfield.tls) |
//! | `deflate` | yes | permessage-deflate (RFC 7692): `Config::deflate` |
//! | `http` | no | from and to the types of the crate `http`: opening handshakes of hyper and axum |
//! | `idna` | no | host names that are not ASCII |
//! | `simd` | no | wide vectors for masking; needs Rust 1.89 |
//! | `tracing` | no | events: opened, rejected, failed, expired, closed; no payloads |
#![forbid(unsafe_code)]
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

mod accept;
mod client;
#[cfg(any(doc, doctest))]
pub mod coming_from_tokio_tungstenite;
#[cfg(feature = "connect")]
mod connect;
mod core;
mod error;
mod halves;
mod helper;
mod hub;
mod message;
mod options;
#[cfg(any(doc, doctest))]
pub mod other_http;
mod pool;
mod sender;
mod shared;
mod sync;
mod trace;
mod transport;
mod websocket;

pub use accept::{accept, accept_async};
pub use client::client;
#[cfg(feature = "connect")]
pub use connect::{MaybeTls, Proxy, connect};
pub use error::Error;
pub use halves::{ReadHalf, WriteHalf};
pub use message::{Message, Utf8};
pub use options::Options;
/// The protocol itself: configuration, requests, responses, close codes, prepared messages.
pub use sansocket;
pub use sender::Sender;
pub use transport::Transport;
pub use websocket::{WebSocket, from_upgraded};

/// TLS, for [`Options::tls`] and for servers.
#[cfg(feature = "rustls")]
pub use tokio_rustls;

/// The README's code is compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
