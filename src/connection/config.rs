//! Limits and settings of a connection. Its law: every one is finite by default, and its
//! reason stands beside it.

/// Limits and settings of a [`Connection`](crate::Connection).
///
/// ```
/// use sansocket::Config;
///
/// let mut config = Config::default();
/// config.max_message_size = 64 * 1024;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The longest message that is received, in octets; 16 MiB.
    ///
    /// Checked from each header before its payload, over all fragments of a message (RFC 6455,
    /// section 10.4); a longer one fails the connection with 1009. 16 MiB is far above what
    /// applications send and still an amount that one connection may hold.
    ///
    /// For a compressed message it is checked while inflating, too. As it comes in, that one may
    /// have an eighth more and 64 octets, and 16 for each fragment: as data that does not shrink
    /// needs.
    pub max_message_size: usize,
    /// The longest payload of one frame that is received, in octets; 16 MiB.
    ///
    /// As [`max_message_size`](Self::max_message_size), of which it is a part: lower it to make
    /// peers fragment. The frame of a compressed message may have an eighth more and 64 octets.
    pub max_frame_size: usize,
    /// The most fragments that a received message may have; 262,144.
    ///
    /// Fragments cost no memory here, not even empty ones, but a peer could send empty ones for
    /// ever: above this the connection fails with 1008. The default lets a message of 16 MiB come in
    /// fragments of 64 octets.
    pub max_fragments: u32,
    /// Whether a Ping is answered by the connection; yes.
    ///
    /// RFC 6455, section 5.5.2, asks for a Pong. Turn it off only to send the Pongs yourself,
    /// with [`send_pong`](crate::Connection::send_pong).
    pub answer_pings: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message_size: 16 << 20,
            max_frame_size: 16 << 20,
            max_fragments: 262_144,
            answer_pings: true,
        }
    }
}
