//! What the application sends on a connection: messages whole, in fragments, prepared or left where
//! they are, Pings and Pongs. Its law: what cannot be sent leaves nothing in the output.

use super::Connection;
use crate::connection::send::Data;
use crate::connection::{Prepared, SendError};
use crate::frame::Opcode;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

impl Connection {
    /// Appends a text message to `out` (RFC 6455, section 5.6).
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::MessageUnfinished`]; nothing was appended.
    #[inline(always)]
    pub fn send_text(&mut self, text: &str, out: &mut BytesMut) -> Result<(), SendError> {
        self.sender.message(Opcode::Text, text.as_bytes(), out)
    }

    /// Appends a binary message to `out` (RFC 6455, section 5.6).
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::MessageUnfinished`]; nothing was appended.
    #[inline(always)]
    pub fn send_binary(&mut self, data: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.sender.message(Opcode::Binary, data, out)
    }

    /// Appends a message to `out` but for its payload, which is to be written right behind `out`: for
    /// a large one that need not be copied (RFC 6455, section 5.6).
    ///
    /// Write both at once (a vectored write), and append nothing to `out` in between. Below some
    /// 2 KiB [`send_binary`](Self::send_binary) is as fast. What is returned is empty if the payload
    /// cannot go as it is: a client's, which is masked, and a compressed one are in `out`.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Connection};
    /// # use std::io::{IoSlice, Write};
    /// # fn send(ws: &mut Connection, image: &[u8], mut stream: impl Write) -> std::io::Result<()> {
    /// let mut out = BytesMut::new();
    /// let payload = ws.send_apart(image, &mut out).map_err(std::io::Error::other)?;
    /// let written = stream.write_vectored(&[IoSlice::new(&out), IoSlice::new(payload)])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::MessageUnfinished`]; nothing was appended.
    #[inline]
    pub fn send_apart<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        out: &mut BytesMut,
    ) -> Result<&'a [u8], SendError> {
        let data = data.into();
        let follows = self.sender.apart(data.opcode(), data.octets(), out)?;
        Ok(if follows { data.octets() } else { &[] })
    }

    /// As [`send_apart`](Self::send_apart), for a client as well: `data` is masked where it lies
    /// (RFC 6455, section 5.3).
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::MessageUnfinished`]; nothing was appended or masked.
    pub fn send_binary_in_place<'a>(
        &mut self,
        data: &'a mut [u8],
        out: &mut BytesMut,
    ) -> Result<&'a [u8], SendError> {
        let follows = self.sender.in_place(Opcode::Binary, data, out)?;
        Ok(if follows { data } else { &[] })
    }

    /// As [`send_binary_in_place`](Self::send_binary_in_place), for text; what is returned has its
    /// memory.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::MessageUnfinished`]; nothing was appended.
    pub fn send_text_in_place(
        &mut self,
        text: String,
        out: &mut BytesMut,
    ) -> Result<Vec<u8>, SendError> {
        let mut octets = text.into_bytes();
        let follows = self.sender.in_place(Opcode::Text, &mut octets, out)?;
        Ok(if follows { octets } else { Vec::new() })
    }

    /// Appends a message to `out` that was prepared for many connections.
    ///
    /// It is sent as [`send_text`](Self::send_text) or [`send_binary`](Self::send_binary) would
    /// send it, at the price of a copy where the connection can use a frame made before: see
    /// [`Prepared`]. Mix the two as you like.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Connection, Prepared};
    /// # let mut ws = Connection::server(&Config::default());
    /// # let mut out = BytesMut::new();
    /// let score = Prepared::text("2:1");
    /// ws.send_prepared(&score, &mut out)?;
    /// assert_eq!(&out[..], b"\x81\x032:1");
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::MessageUnfinished`]; nothing was appended.
    #[inline]
    pub fn send_prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender.prepared(prepared, out)
    }

    /// Sends a message that was prepared for many connections, as a frame which these share: for a
    /// vectored write, without a copy.
    ///
    /// The message counts as sent. **Write what comes back after all that is in `out`, and before
    /// all that will be**: a frame left out, or out of its row, breaks the connection. One way is a
    /// queue of pieces, into which `out` goes first:
    ///
    /// ```
    /// use bytes::{Bytes, BytesMut};
    /// use sansocket::{Connection, Prepared, SendError};
    ///
    /// fn send(
    ///     ws: &mut Connection,
    ///     news: &Prepared,
    ///     out: &mut BytesMut,
    ///     queue: &mut Vec<Bytes>, // for `Write::write_vectored`
    /// ) -> Result<(), SendError> {
    ///     let frame = ws.share_prepared(news)?;
    ///     if !out.is_empty() {
    ///         queue.push(out.split().freeze());
    ///     }
    ///     queue.push(frame);
    ///     Ok(())
    /// }
    /// # let mut ws = Connection::server(&sansocket::Config::default());
    /// # let (mut out, mut queue) = (BytesMut::new(), Vec::new());
    /// # ws.send_ping(b"", &mut out)?;
    /// # send(&mut ws, &Prepared::text("2:1"), &mut out, &mut queue)?;
    /// # assert_eq!(queue.concat(), b"\x89\0\x81\x032:1");
    /// # Ok::<(), SendError>(())
    /// ```
    ///
    /// Where the connection needs a frame of its own (see [`Prepared`]), that one comes back, in
    /// memory which nobody shares.
    ///
    /// Below some 1 KiB [`send_prepared`](Self::send_prepared) is the cheaper one: so short a copy
    /// takes less than the counting of who shares the frame.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::MessageUnfinished`]; nothing was sent.
    #[inline]
    pub fn share_prepared(&mut self, prepared: &Prepared) -> Result<Bytes, SendError> {
        self.sender.share(prepared)
    }

    /// Appends the first fragment of a message to `out` (RFC 6455, section 5.4).
    ///
    /// For a message whose length is not known when it begins. The type of `data`, text or
    /// binary, is that of the message; fragments of any size follow by
    /// [`send_next_fragment`](Self::send_next_fragment), and
    /// [`send_last_fragment`](Self::send_last_fragment) ends it. Control frames may be sent in
    /// between.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Connection};
    /// # let mut ws = Connection::server(&Config::default());
    /// # let mut out = BytesMut::new();
    /// ws.send_first_fragment("Hel", &mut out)?;
    /// ws.send_last_fragment("lo", &mut out)?;
    /// assert_eq!(&out[..], b"\x01\x03Hel\x80\x02lo");
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::MessageUnfinished`]; nothing was appended.
    pub fn send_first_fragment<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender.first(data.into(), out)
    }

    /// Appends a further fragment of a message to `out`, which is not its last
    /// (RFC 6455, section 5.4).
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::NoMessage`] and [`SendError::OtherType`]; nothing
    /// was appended.
    pub fn send_next_fragment<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender.next(data.into(), false, out)
    }

    /// Appends the last fragment of a message to `out`; it may be empty
    /// (RFC 6455, section 5.4).
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`], [`SendError::NoMessage`] and [`SendError::OtherType`]; nothing
    /// was appended.
    pub fn send_last_fragment<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender.next(data.into(), true, out)
    }

    /// Appends a piece of a message to `out`, its last or not, as a fragment; or as the whole message
    /// if it is the only one (RFC 6455, section 5.4).
    ///
    /// For who does not know whether a message is under way, such as a relay: see
    /// [`receive_pieces`](Self::receive_pieces). A message begins if none is.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::OtherType`]; nothing was appended.
    pub fn send_piece<'a>(
        &mut self,
        data: impl Into<Data<'a>>,
        is_last: bool,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.sender.piece(data.into(), is_last, out)
    }

    /// Whether messages are compressed that begin from now on; they are unless you say no.
    ///
    /// Say no for a message that holds a secret beside text which somebody else can choose
    /// (see [`Deflate`](crate::Deflate)), or that is compressed already, such as an image. A message is compressed
    /// only if permessage-deflate was agreed on, and if it has at least
    /// [`DeflateConfig::min_size`](crate::DeflateConfig::min_size) octets or comes in fragments.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Connection, SendError};
    /// # fn send(ws: &mut Connection, out: &mut BytesMut, token: &str) -> Result<(), SendError> {
    /// ws.set_compression(false);
    /// ws.send_text(token, out)?;
    /// ws.set_compression(true);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "deflate")]
    pub const fn set_compression(&mut self, on: bool) {
        self.sender.want_compression(on);
    }

    /// Whether permessage-deflate was agreed on (RFC 7692, section 5); `false` once the
    /// connection is closing.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn has_deflate(&self) -> bool {
        self.sender.compresses()
    }

    /// Appends a Ping to `out`, with at most 125 octets of payload, which come back in the
    /// Pong (RFC 6455, section 5.5.2).
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::ControlTooLong`]; nothing was appended.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.control(Opcode::Ping, payload, out)
    }

    /// Appends a Pong to `out` that nobody asked for, with at most 125 octets of payload
    /// (RFC 6455, section 5.5.3).
    ///
    /// Pings are answered without it, unless
    /// [`Config::answer_pings`](crate::Config::answer_pings) is off.
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`] and [`SendError::ControlTooLong`]; nothing was appended.
    pub fn send_pong(&mut self, payload: &[u8], out: &mut BytesMut) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.control(Opcode::Pong, payload, out)
    }
}
