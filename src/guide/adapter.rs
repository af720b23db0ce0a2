//! An adapter in five steps.
//!
//! Invariant: one turn is `tick`, then write, then read, and what is in `out` is written before
//! more is read.
//!
//! An adapter owns the transport, the buffers, the clock and the wait. The [`Endpoint`] decides
//! everything else. This one works with any transport that does not block; the caller waits with
//! `poll`, epoll, a runtime or a game's next frame. The blocking one is in the docs of
//! [`Endpoint`].
//!
//! # 1. Own four things
//!
//! The transport, the endpoint, the output and the clock. The read buffer may belong to the thread:
//! an endpoint keeps no reference into it.
//!
//! # 2. Tick
//!
//! Ask [`tick`](crate::Endpoint::tick) first, in every turn. It appends what is due (a Ping, a
//! Close) to `out`, and says what the transport does next. It is the only place that reports the
//! end.
//!
//! # 3. Write
//!
//! If `out` is not empty, write it, and report what was taken with
//! [`wrote`](crate::Endpoint::wrote). Do not read while bytes wait in `out`: this is the
//! backpressure that keeps a peer which only sends from filling your memory.
//!
//! # 4. Read
//!
//! Give what was read to [`receive`](crate::Endpoint::receive), in a loop until it returns `None`.
//! Answers go to `out`, and the next turn writes them all at once.
//!
//! # 5. End
//!
//! When a read returns no bytes or fails, call [`receive_eof`](crate::Endpoint::receive_eof). When
//! a write fails, clear `out` first, as nothing of it can leave. Then `tick` reports how it ended.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{End, Endpoint, Event, Input, Tick};
//! use std::io::{self, ErrorKind, Read, Write};
//! use std::time::{Duration, Instant};
//!
//! struct Peer<T> {
//!     transport: T,
//!     ws: Endpoint,
//!     out: BytesMut,
//! }
//!
//! /// What the caller waits for, and until when.
//! enum Next {
//!     Readable(Option<Duration>),
//!     Writable(Option<Duration>),
//!     Done(End),
//! }
//!
//! impl<T: Read + Write> Peer<T> {
//!     /// Works until the transport would block. `clock` is the origin of all times.
//!     fn turn(
//!         &mut self,
//!         buffer: &mut [u8],
//!         clock: Instant,
//!         shut_down: impl Fn(&T) -> io::Result<()>,
//!     ) -> Next {
//!         loop {
//!             let wake = match self.ws.tick(clock.elapsed(), &mut self.out) {
//!                 Tick::Wait(wake) => wake,
//!                 Tick::ShutDown(wake) => {
//!                     let _ = shut_down(&self.transport); // calling it again does no harm
//!                     wake
//!                 }
//!                 Tick::Done(end) => return Next::Done(end),
//!             };
//!             if !self.out.is_empty() {
//!                 match self.transport.write(&self.out) {
//!                     Ok(n) => drop(self.ws.wrote(n, clock.elapsed(), &mut self.out)),
//!                     Err(e) if e.kind() == ErrorKind::WouldBlock => return Next::Writable(wake),
//!                     Err(e) if e.kind() == ErrorKind::Interrupted => {}
//!                     Err(_) => {
//!                         self.out.clear();
//!                         self.ws.receive_eof();
//!                     }
//!                 }
//!                 continue;
//!             }
//!             match self.transport.read(buffer) {
//!                 Ok(0) => self.ws.receive_eof(),
//!                 Ok(n) => self.received(&mut buffer[..n], clock.elapsed()),
//!                 Err(e) if e.kind() == ErrorKind::WouldBlock => return Next::Readable(wake),
//!                 Err(e) if e.kind() == ErrorKind::Interrupted => {}
//!                 Err(_) => self.ws.receive_eof(),
//!             }
//!         }
//!     }
//!
//!     fn received(&mut self, bytes: &mut [u8], now: Duration) {
//!         let (mut input, out) = (Input(bytes), &mut self.out);
//!         while let Some(event) = self.ws.receive(&mut input, now, out) {
//!             // Sending fails only if the connection is closing.
//!             let _ = match event {
//!                 Event::Request(request) => self.ws.accept(request, out),
//!                 Event::Text(text) => self.ws.send(&text, out),
//!                 Event::Binary(data) => self.ws.send(&data, out),
//!                 _ => Ok(()),
//!             };
//!         }
//!     }
//! }
//! # use sansocket::{ClientRequest, Config};
//! # /// Has what a client sends, and ends after it.
//! # struct Wire { input: io::Cursor<Vec<u8>>, output: Vec<u8> }
//! # impl Read for Wire {
//! #     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> { self.input.read(buffer) }
//! # }
//! # impl Write for Wire {
//! #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.output.write(bytes) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let (config, zero) = (Config::default(), Duration::ZERO);
//! # let (request, mut sent) = (ClientRequest::new("ws://localhost/")?, BytesMut::new());
//! # let _ = Endpoint::client(&request, &config, [7; 32], zero, &mut sent);
//! # sent.extend_from_slice(b"\x82\x81\0\0\0\0x\x88\x80\0\0\0\0");
//! # let transport = Wire { input: io::Cursor::new(sent.to_vec()), output: Vec::new() };
//! # let (ws, out) = (Endpoint::server(&config, zero), BytesMut::new());
//! # let mut peer = Peer { transport, ws, out };
//! # let Next::Done(end) = peer.turn(&mut [0; 1024], Instant::now(), |_| Ok(())) else {
//! #     panic!("it never blocks")
//! # };
//! # assert!(end.is_clean(), "{end}");
//! # assert!(peer.transport.output.ends_with(b"\x82\x01x\x88\0"));
//! # Ok::<(), sansocket::SetupError>(())
//! ```
//!
//! # What to add
//!
//! - Many connections on one thread: limit the reads of a turn, so that one fast client does not
//!   keep the others waiting.
//! - TLS, HTTP/2, or a write that is still in flight: tell [`flushed`](crate::Endpoint::flushed)
//!   what the layer below holds back. Otherwise a deadline may judge a peer for bytes that never
//!   left.
//! - A request that takes time to decide: keep the [`Request`](crate::Request), read nothing, and
//!   call [`accept`](crate::Endpoint::accept) or [`respond`](crate::Endpoint::respond) later. No
//!   deadline runs meanwhile.
//! - A stop of the server: [`close`](crate::Session::close) with 1001, then go on with the loop
//!   until `tick` returns [`Done`](crate::Tick::Done).
//!
//! [`Endpoint`]: crate::Endpoint
