//! Settings of a connection.
//!
//! Invariant: every limit is finite by default, and a change takes effect where a message starts,
//! never in the middle of one.

/// Settings of a connection: delivery, limits, compression, answers.
///
/// Put them into [`Config::settings`](crate::Config::settings) for how every connection starts, and
/// change those of one connection at any time through [`Session::settings`](crate::Session::settings).
/// A change takes effect with the next message that starts, in either direction; the message under
/// way keeps the settings that it started with. `answer_pings` and `answer_close` are read when the
/// Ping or Close arrives.
///
/// ```
/// use sansocket::{Connection, Deliver, Settings};
///
/// let mut settings = Settings::default();
/// settings.max_message_size = 64 * 1024;
/// let mut ws = Connection::server(settings);
/// ws.settings().deliver = Deliver::Pieces; // an upload follows
/// ```
///
/// A longer message, when the application has agreed to one, and back to the limit after it:
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Deliver, Endpoint, Event, SendError};
///
/// fn handle(ws: &mut Endpoint, event: Event, out: &mut BytesMut) -> Result<(), SendError> {
///     match event {
///         Event::Text(text) if text == "upload" => {
///             ws.settings().deliver = Deliver::Pieces;
///             ws.settings().max_message_size = 1 << 30;
///             ws.send("go", out)
///         }
///         Event::Piece(piece) => {
///             // Write `piece.as_bytes()` to the file.
///             if piece.is_first() {
///                 ws.settings().deliver = Deliver::Complete; // from the next message on
///                 ws.settings().max_message_size = 64 * 1024;
///             }
///             Ok(())
///         }
///         _ => Ok(()),
///     }
/// }
/// # use sansocket::{Config, Connection, Input};
/// # use std::time::Duration;
/// # let mut config = Config::default();
/// # config.settings.max_message_size = 64 * 1024;
/// # let mut ws = Endpoint::open(Connection::server(config.settings), &config, Duration::ZERO);
/// # let (mut peer, mut read) = (Connection::client(config.settings, [7; 32]), BytesMut::new());
/// # peer.send("upload", &mut read)?;
/// # peer.send(&[7; 100_000], &mut read)?;
/// # peer.send("after", &mut read)?;
/// # peer.send(&[7; 100_000], &mut read)?;
/// # let (mut len, mut after, mut failed, mut out) = (0, false, false, BytesMut::new());
/// # for read in read.chunks_mut(1000) {
/// #     let mut input = Input(read);
/// #     while let Some(event) = ws.receive(&mut input, Duration::ZERO, &mut out) {
/// #         match &event {
/// #             Event::Piece(piece) => len += piece.as_bytes().len(),
/// #             Event::Text(text) => after |= *text == "after",
/// #             Event::Failed(_) => failed = true,
/// #             _ => {}
/// #         }
/// #         handle(&mut ws, event, &mut out)?;
/// #     }
/// # }
/// # assert!(len == 100_000 && after && failed);
/// # Ok::<(), SendError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How messages are delivered; complete.
    pub deliver: Deliver,
    /// The longest message that is received, in bytes; 16 MiB.
    ///
    /// Checked from each header before its payload, over all fragments of a message (RFC 6455,
    /// section 10.4); a longer message fails the connection with 1009. 16 MiB is far above what
    /// applications send, and an amount that one connection may hold.
    ///
    /// For a compressed message it is the limit of what it inflates to, checked while inflating.
    /// Its compressed form may have an eighth more and 64 bytes, and 16 for each fragment: as much
    /// as data that does not shrink needs.
    pub max_message_size: u64,
    /// The most fragments that a received message may have; 262,144.
    ///
    /// Fragments cost no memory here, not even empty ones, but a peer could send empty ones for
    /// ever: above this the connection fails with 1008. The default lets a message of 16 MiB come in
    /// fragments of 64 bytes.
    pub max_fragments: u32,
    /// Whether messages that are sent are compressed; yes.
    ///
    /// It matters only where permessage-deflate was agreed on, and for messages of at least
    /// `Deflate::min_size` bytes and messages in pieces. Turn it off for a message that holds a
    /// secret beside text which an attacker can choose (RFC 7692, section 8), or that is compressed
    /// already, such as an image.
    pub compress: bool,
    /// Whether the connection answers Pings; yes.
    ///
    /// RFC 6455, section 5.5.2, asks for a Pong. Turn it off only to send the Pongs yourself,
    /// with [`send_pong`](crate::Session::send_pong).
    pub answer_pings: bool,
    /// Whether the connection answers the peer's Close at once; yes.
    ///
    /// If not, messages may still be sent after the peer's Close, such as those in a queue, and
    /// [`close`](crate::Session::close) is the answer (RFC 6455, section 5.5.1: it should come as
    /// soon as practical). [`Times::close`](crate::Times::close) bounds the time until then.
    pub answer_close: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deliver: Deliver::Complete,
            max_message_size: 16 << 20,
            max_fragments: 262_144,
            compress: true,
            answer_pings: true,
            answer_close: true,
        }
    }
}

/// How messages are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "where the bytes of a message wait: here, there, nowhere"
)]
pub enum Deliver {
    /// Complete. The connection gathers what reads or frames have cut.
    #[default]
    Complete,
    /// Complete, and never copied: an uncompressed message of one frame that has not arrived
    /// completely stays in the input until it has.
    ///
    /// Use it where each connection has a read buffer of its own that can grow. Keep what is left in
    /// the input as it is (a part of it may be unmasked already), read more after it, and call
    /// `receive` again with all of it; [`missing`](crate::Session::missing) says how much more there
    /// is to read. Let the buffer grow with what has arrived (twice as large each time), not with
    /// what is announced. Fragments and compressed messages are gathered as with `Complete`. Text is
    /// checked when it is complete.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::{Connection, Deliver, Event, Input, Settings};
    ///
    /// let mut settings = Settings::default();
    /// settings.deliver = Deliver::InPlace;
    /// let mut ws = Connection::client(settings, [7; 32]); // `seed()`
    ///
    /// let (mut buffer, mut out) = (b"\x81\x05Hel".to_vec(), BytesMut::new()); // what was read
    /// let mut input = Input(&mut buffer);
    /// assert!(ws.receive(&mut input, &mut out).is_none());
    /// assert_eq!(ws.missing(&input), Some(2));
    /// let waiting = input.0.len();
    /// buffer.drain(..buffer.len() - waiting);
    ///
    /// buffer.extend(b"lo"); // the next read
    /// let event = ws.receive(&mut Input(&mut buffer), &mut out);
    /// assert!(matches!(event, Some(Event::Text(text)) if text == "Hello"));
    /// ```
    InPlace,
    /// In pieces, as it arrives: nothing of it is kept, so a message may be longer than memory. The
    /// limits [`max_message_size`](Settings::max_message_size) and
    /// [`max_fragments`](Settings::max_fragments) still hold: raise them for longer messages.
    ///
    /// Every message comes as [`Piece`](crate::Piece)s, also one that arrives completely. Text is
    /// cut between characters and checked as it arrives. A compressed message is inflated as it
    /// arrives, at most about 32 KiB at once, and its last 32 KiB are kept until it ends, as what
    /// follows may refer to them. How the bytes are cut into reads determines the pieces, never the
    /// message that they form. Pings and Pongs may come in between.
    ///
    /// A relay hands each piece on, and the Close:
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::{CloseCode, Event, SendError, Session};
    ///
    /// /// Hands an event of one side on to the other side. Read no more from the first while `out`
    /// /// is not written: else a fast sender fills the memory.
    /// fn relay(event: Event, to: &mut Session, out: &mut BytesMut) -> Result<(), SendError> {
    ///     match event {
    ///         Event::Piece(piece) => to.send_piece(&piece, piece.is_last(), out),
    ///         // 1005 says that there was no code, and is not sent.
    ///         Event::Close { code, reason } => {
    ///             to.close(code.is_on_wire().then_some(code), &reason, out)
    ///         }
    ///         Event::Failed(_) => to.close(CloseCode::BAD_GATEWAY, "", out),
    ///         _ => Ok(()), // each side answers its own Pings
    ///     }
    /// }
    /// # use sansocket::{Connection, Deliver, Input, Settings};
    /// # let mut settings = Settings::default();
    /// # settings.deliver = Deliver::Pieces;
    /// # let (mut from, mut to) = (Connection::server(settings), Connection::server(settings));
    /// # let mut read = *b"\x81\x82\0\0\0\0Hi\x88\x80\0\0\0\0";
    /// # let (mut input, mut own, mut out) = (Input(&mut read), BytesMut::new(), BytesMut::new());
    /// # while let Some(event) = from.receive(&mut input, &mut own) {
    /// #     relay(event, &mut to, &mut out)?;
    /// # }
    /// # assert_eq!((&own[..], &out[..]), (&b"\x88\0"[..], &b"\x81\x02Hi\x88\0"[..]));
    /// # Ok::<(), SendError>(())
    /// ```
    Pieces,
}
