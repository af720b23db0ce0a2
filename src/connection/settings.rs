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
    InPlace,
    /// In pieces, as it arrives: nothing of it is kept, so messages may have any size.
    ///
    /// Every message comes as [`Piece`](crate::Piece)s, also one that arrives completely. Text is
    /// cut between characters and checked as it arrives. A compressed message is inflated as it
    /// arrives, at most about 32 KiB at once, and its last 32 KiB are kept until it ends, as what
    /// follows may refer to them. How the bytes are cut into reads determines the pieces, never the
    /// message that they form. Pings and Pongs may come in between.
    Pieces,
}
