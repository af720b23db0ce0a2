//! Large messages: received without a copy, sent without a copy, or never complete in memory.
//!
//! Invariant: a buffer grows with what has arrived, never with what a peer has announced.
//!
//! By default a message that is cut by reads is gathered, which copies it once. That is the right
//! choice for most messages. There are three others.
//!
//! # Receive in place
//!
//! With [`Deliver::InPlace`](crate::Deliver::InPlace) an uncompressed message of one frame stays in
//! your read buffer until it is complete. Give the connection a buffer of its own, leave what was
//! not taken at its start, and read more after it.
//!
//! [`receive_owned`](crate::Endpoint::receive_owned) takes the buffer as a `BytesMut`, and advances
//! it past what was taken. A binary message from 16 KiB on leaves as a view of the buffer, which
//! can be sent to another thread; a smaller one is copied, as it would keep the entire buffer alive.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{Connection, Deliver, Event, Input, Settings};
//! use std::io::{self, Read};
//!
//! /// Reads once; every complete message goes to `take`.
//! fn read(
//!     ws: &mut Connection,
//!     mut stream: impl Read,
//!     buffer: &mut BytesMut, // of this connection alone
//!     out: &mut BytesMut,
//!     mut take: impl FnMut(bytes::Bytes),
//! ) -> io::Result<usize> {
//!     // Twice what has arrived, and no more than the message still needs; but one good read at least.
//!     let missing = ws.missing(&Input(buffer)).unwrap_or(0);
//!     let room = missing.min(buffer.len()).max(16 << 10);
//!     let filled = buffer.len();
//!     buffer.resize(filled + room, 0);
//!     let n = stream.read(&mut buffer[filled..])?;
//!     buffer.truncate(filled + n);
//!     while let Some(event) = ws.receive_owned(buffer, out) {
//!         if let Event::Binary(data) = event {
//!             take(data.into_bytes()); // no copy from 16 KiB on
//!         }
//!     }
//!     Ok(n)
//! }
//!
//! let mut settings = Settings::default();
//! settings.deliver = Deliver::InPlace;
//! let mut ws = Connection::server(settings);
//! # let mut out = BytesMut::new();
//! # Connection::client(Settings::default(), [7; 32]).send(&[1; 100_000], &mut out)?;
//! # let (mut stream, mut buffer, mut taken) = (&out[..], BytesMut::new(), Vec::new());
//! # while read(&mut ws, &mut stream, &mut buffer, &mut BytesMut::new(), |data| taken.push(data))? > 0 {}
//! # assert_eq!(taken, [vec![1; 100_000]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Send apart
//!
//! [`send_apart`](crate::Session::send_apart) appends everything but the payload to `out`. Write
//! both with one vectored write; [`wrote`](crate::Endpoint::wrote) says how much of the payload has
//! left. It returns an empty payload where the bytes must change on the way: a client masks them,
//! and a compressed message is in `out` already. So the code is the same in every case.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{Endpoint, SendError};
//! use std::io::{self, IoSlice, Write};
//! use std::time::Duration;
//!
//! fn send(
//!     ws: &mut Endpoint,
//!     image: &[u8],
//!     mut stream: impl Write,
//!     now: impl Fn() -> Duration,
//!     out: &mut BytesMut,
//! ) -> io::Result<()> {
//!     let mut payload = ws.send_apart(image, out).map_err(io::Error::other)?;
//!     while !payload.is_empty() {
//!         match stream.write_vectored(&[IoSlice::new(out), IoSlice::new(payload)]) {
//!             Ok(n) => payload = &payload[ws.wrote(n, now(), out)..],
//!             Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
//!             Err(e) => return Err(e),
//!         }
//!     }
//!     // What the transport does not take now waits in `out`, as usual.
//!     out.extend_from_slice(payload);
//!     Ok(())
//! }
//! # use sansocket::{Config, Connection, Settings};
//! # let connection = Connection::server(Settings::default());
//! # let mut ws = Endpoint::open(connection, &Config::default(), Duration::ZERO);
//! # let (mut stream, mut out) = (Vec::new(), BytesMut::new());
//! # send(&mut ws, b"image", &mut stream, || Duration::ZERO, &mut out)?;
//! # assert_eq!(stream, b"\x82\x05image");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Pieces
//!
//! With [`Deliver::Pieces`](crate::Deliver::Pieces) every message comes as it arrives, so it may be
//! larger than memory. A relay hands each piece on; it needs neither the length nor the end of the
//! message:
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{Connection, Deliver, Event, Input, SendError, Settings};
//!
//! fn relay(
//!     from: &mut Connection,
//!     bytes: &mut [u8],
//!     answers: &mut BytesMut,
//!     to: &mut Connection,
//!     out: &mut BytesMut,
//! ) -> Result<(), SendError> {
//!     let mut input = Input(bytes);
//!     while let Some(event) = from.receive(&mut input, answers) {
//!         if let Event::Piece(piece) = event {
//!             to.send_piece(&piece, piece.is_last(), out)?;
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let mut settings = Settings::default();
//! settings.deliver = Deliver::Pieces;
//! settings.max_message_size = u64::MAX; // nothing of it is kept
//! let mut from = Connection::server(settings);
//! # let mut to = Connection::server(settings);
//! # let (mut read, mut out) = (*b"\x01\x83\0\0\0\0Hel\x80\x82\0\0\0\0lo", BytesMut::new());
//! # relay(&mut from, &mut read, &mut BytesMut::new(), &mut to, &mut out)?;
//! # assert_eq!(&out[..], b"\x01\x03Hel\x80\x02lo");
//! # Ok::<(), SendError>(())
//! ```
//!
//! A setting takes effect with the next message that starts. So an application can switch to pieces
//! for one upload and back, at any time.
