//! Compression, and messages that hold secrets.
//!
//! Invariant: a secret is never compressed together with text that an attacker can choose.
//!
//! # Turn it on
//!
//! permessage-deflate (RFC 7692) is off by default. Put a `Deflate` into
//! [`Config::deflate`](crate::Config); it is then negotiated, and messages from 128 bytes on are
//! compressed. Nothing changes in your loop.
//!
//! ```
//! # #[cfg(feature = "deflate")] {
//! use sansocket::{Config, Deflate};
//!
//! let mut deflate = Deflate::default();
//! deflate.server_no_context_takeover = true; // see below
//! let mut config = Config::default();
//! config.deflate = Some(deflate);
//! # }
//! ```
//!
//! Endpoints of one `Config` share idle inflaters and compressors. A lock guards them: give each
//! busy thread a `Config` with a `Deflate` of its own.
//!
//! # Choose memory or ratio
//!
//! With context takeover, the default, a message may refer to those before it. Small messages that
//! are alike shrink most that way, but a server keeps up to 371 KiB for each connection that has
//! sent one. With `server_no_context_takeover` it keeps 24 bytes. The docs of `Deflate` have the
//! table.
//!
//! # Keep secrets out
//!
//! The length of a compressed message tells what it has in common with other text in it. An
//! attacker who can choose a part of it, and sees lengths on the wire, finds a secret character by
//! character, through TLS as well (CRIME, BREACH; RFC 7692, section 8). Padding does not help much;
//! not compressing does. Turn it off for the message, and on again:
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::{SendError, Session};
//!
//! fn send_token(ws: &mut Session, token: &str, out: &mut BytesMut) -> Result<(), SendError> {
//!     let compressed = core::mem::replace(&mut ws.settings().compress, false);
//!     let sent = ws.send(token, out);
//!     ws.settings().compress = compressed;
//!     sent
//! }
//! # let mut ws = sansocket::Connection::server(sansocket::Settings::default());
//! # let mut out = BytesMut::new();
//! # send_token(&mut ws, "sesame", &mut out)?;
//! # assert!(out.ends_with(b"sesame") && ws.settings().compress);
//! # Ok::<(), SendError>(())
//! ```
//!
//! With context takeover the secret and the chosen text need not be in one message: a later message
//! may refer to an earlier one. An uncompressed message does not enter the window, so the function
//! above covers this as well.
//!
//! If every message of a connection holds a secret, decline for the connection:
//! [`Request::decline_deflate`](crate::Request::decline_deflate).
//!
//! # What a peer can do
//!
//! A compressed message is bounded twice: its compressed form when each header arrives, its
//! inflated form at each step of at most 32 KiB
//! ([`max_message_size`](crate::Settings::max_message_size)). A message that would inflate to
//! gigabytes ends the connection with 1009 at the limit. What a byte may cost in time is bounded as
//! well, see [`Deflate`](crate::Deflate).
