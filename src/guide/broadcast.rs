//! One message to many connections.
//!
//! Invariant: a message is framed once, and compressed once for all connections that compress
//! alike.
//!
//! # Send
//!
//! Make a [`Prepared`](crate::Prepared) message, and [`send`](crate::Session::send) it on each
//! connection. It is right for every connection, whatever that has negotiated.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{Endpoint, Prepared};
//!
//! fn broadcast(room: &mut [(Endpoint, BytesMut)], news: &str) {
//!     let news = Prepared::new(news);
//!     for (ws, out) in room {
//!         if out.len() > 1 << 20 {
//!             continue; // a slow receiver misses news instead of filling memory
//!         }
//!         // Sending fails only where the connection is closing, or is in the middle of a message.
//!         let _ = ws.send(&news, out);
//!     }
//! }
//! ```
//!
//! A clone of a `Prepared` is cheap, and shares its frames across threads: where each connection is
//! an [actor](super::inbox), put a clone into each inbox.
//!
//! Servers with context takeover compress a broadcast once for each connection, as every connection
//! has another window. A server that mostly broadcasts sets `server_no_context_takeover`: see
//! [`compression`](super::compression).
//!
//! # Share
//!
//! From about 1 KiB on, [`share`](crate::Session::share) is cheaper than `send`: it does not copy
//! the frame. It returns the frame as `Bytes`, to be written after what is in `out`. So the adapter
//! has a queue of pieces instead of one buffer, and tells [`flushed`](crate::Endpoint::flushed)
//! what it wrote of it.
//!
//! ```
//! use bytes::{Buf, Bytes, BytesMut};
//! use sansocket::{Endpoint, Prepared, SendError};
//! use std::collections::VecDeque;
//! use std::io::{self, IoSlice, Write};
//! use std::time::Duration;
//!
//! struct Peer {
//!     ws: Endpoint,
//!     out: BytesMut,
//!     queue: VecDeque<Bytes>, // to be written before `out`
//! }
//!
//! impl Peer {
//!     fn share(&mut self, news: &Prepared, now: Duration) -> Result<(), SendError> {
//!         let frame = self.ws.share(news)?;
//!         self.queue_out(now);
//!         self.queue.push_back(frame);
//!         Ok(())
//!     }
//!
//!     /// Moves `out` to the end of the queue.
//!     fn queue_out(&mut self, now: Duration) {
//!         if !self.out.is_empty() {
//!             self.queue.push_back(self.out.split().freeze());
//!         }
//!         self.ws.flushed(0, true, now);
//!     }
//!
//!     /// Writes as much of the queue as the transport takes in one write.
//!     fn write(&mut self, mut stream: impl Write, now: Duration) -> io::Result<()> {
//!         self.queue_out(now);
//!         let slices: Vec<_> = self.queue.iter().take(64).map(|piece| IoSlice::new(piece)).collect();
//!         let n = stream.write_vectored(&slices)?;
//!         let mut left = n;
//!         while let Some(first) = self.queue.front_mut() {
//!             if left < first.len() {
//!                 first.advance(left);
//!                 break;
//!             }
//!             left -= first.len();
//!             self.queue.pop_front();
//!         }
//!         self.ws.flushed(n, !self.queue.is_empty(), now);
//!         Ok(())
//!     }
//! }
//! # use sansocket::{Config, Connection, Settings};
//! # let connection = Connection::server(Settings::default());
//! # let ws = Endpoint::open(connection, &Config::default(), Duration::ZERO);
//! # let mut peer = Peer { ws, out: BytesMut::new(), queue: VecDeque::new() };
//! # let (news, mut written) = (Prepared::new("2:1"), Vec::new());
//! # peer.ws.send_ping(b"", &mut peer.out)?;
//! # peer.share(&news, Duration::ZERO)?;
//! # peer.share(&news, Duration::ZERO)?;
//! # peer.write(&mut written, Duration::ZERO)?;
//! # assert_eq!(written, b"\x89\0\x81\x032:1\x81\x032:1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
