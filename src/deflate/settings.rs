//! Settings of permessage-deflate, with the states that connections share.
//!
//! Invariant: every setting has a default with its reason, and a value out of range counts as the
//! nearest one within.

use super::pool::Pool;

/// permessage-deflate: the settings, and the states that all clones share.
///
/// Put one into [`Config::deflate`](crate::Config::deflate): an [`Endpoint`](crate::Endpoint), a
/// [`Request`](crate::Request) and an [`Offer`](crate::Offer) negotiate it. Only if nothing of this
/// crate does the handshake, negotiate with [`offer`](Self::offer), [`accept`](Self::accept) and
/// [`agree`](Self::agree), and call [`Connection::with_deflate`](crate::Connection::with_deflate).
///
/// ```
/// use sansocket::{Config, Deflate};
///
/// let mut deflate = Deflate::default();
/// deflate.level = 6;
/// deflate.server_no_context_takeover = true;
///
/// let mut config = Config::default();
/// config.deflate = Some(deflate);
/// ```
///
/// # What is negotiated
///
/// The four fields with the names of RFC 7692, section 7.1, are what this endpoint wants; what is
/// agreed on may be stricter, if the peer asks for that. A server puts its own wishes into the
/// response as far as the offer allows; a client puts them into its offer.
///
/// # Shared states
///
/// A clone shares the idle inflaters and compressors with its original, and may have other
/// settings. They are guarded by a lock, which is held briefly at the start and the end of a
/// compressed message: give each thread that serves many connections a `Deflate` of its own, made
/// by [`default`](Self::default). Two values are equal if they have the same settings and share
/// their states.
///
/// # Memory
///
/// Nothing is allocated before the first compressed message. What a connection then holds, beside the
/// [`Connection`](crate::Connection) itself; `cargo test --test memory table -- --nocapture`
/// measures it and checks this table:
///
/// | context takeover | window | idle | has received | has sent | has sent, `mem_level` 1 | while a message comes in |
/// |---|--:|--:|--:|--:|--:|--:|
/// | yes | 9 bits | 0 | 584 B | 245 KiB | 134 KiB | 79 KiB |
/// | yes | 12 bits | 0 | 4 KiB | 259 KiB | 148 KiB | 83 KiB |
/// | yes | 15 bits | 0 | 32 KiB | 371 KiB | 260 KiB | 111 KiB |
/// | no | 9 bits | 0 | 72 B | 24 B | 24 B | 79 KiB |
/// | no | 12 bits | 0 | 72 B | 24 B | 24 B | 79 KiB |
/// | no | 15 bits | 0 | 72 B | 24 B | 24 B | 79 KiB |
///
/// All connections of one `Deflate` share inflaters; each keeps only the window that later messages
/// may refer to. Without context takeover they share compressors, too. At most
/// [`max_pooled`](field@Self::max_pooled) of each kind wait for use, an inflater of 79 KiB, a compressor as
/// in the table. Compressors are large even for small windows, as the codec's hash table takes
/// 128 KiB: a server with many mostly idle connections sets
/// [`server_no_context_takeover`](Self::server_no_context_takeover).
///
/// # Time
///
/// Time follows the bytes received, whatever is in them. `benches/instructions` counts what a byte of
/// input costs, beside the bytes of ordinary messages of 128 bytes: at most 1.6 times as much for
/// empty blocks and frames, matches, fragments of a byte and final blocks in a message, 4.5 times for
/// messages of one empty block, 6.7 times for blocks that are nothing but their code tables, and 7.5 times
/// where each message is of a few bytes and the inflater must be given the window for it: with
/// windows of less than 15 bits, more connections in turn than
/// [`max_pooled`](field@Self::max_pooled), or a final block in each message. CI fails above 8.
///
/// A final block takes two bytes, and the window must be copied for it. So a peer may send one for
/// each message and one for each 64 compressed bytes, beside 64 in advance;
/// [`TooManyFinalBlocks`](crate::ProtocolError::TooManyFinalBlocks), Close 1008, is the end of a
/// connection that has more.
///
/// # When not to compress
///
/// A message that holds a secret beside text which an attacker can choose reveals the secret by its
/// length, encrypted or not (CRIME, BREACH; RFC 7692, section 8). Send such messages with
/// [`Settings::compress`](crate::Settings::compress) off. With context takeover this is so for
/// a secret in one message and chosen text in a later one, too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deflate {
    /// How hard to compress, from 1 to 9; 2. Other values count as the nearest of these.
    ///
    /// On JSON, level 2 takes about 0.4 of the time of level 6, which is zlib's default, for 15 to
    /// 20 % more bytes; level 9 takes 2.6 times that of level 6 for 2 % less.
    pub level: u8,
    /// How much memory the compressor has for symbols and waiting output, from 1 to 9; 8.
    /// Other values count as the nearest of these.
    ///
    /// 9 is 224 KiB, and each step down half of that. Less makes blocks shorter, and costs
    /// more bytes for their headers in messages over a few KiB.
    pub mem_level: u8,
    /// The shortest message that is compressed, in bytes; 128.
    ///
    /// Compressing any message takes at least 2 µs. Without those before it, JSON of 64 bytes
    /// does not shrink, of 128 it shrinks to 103, of 256 to 143; with them to 26, 47 and 87. So a
    /// shorter message saves less than the headers of TLS, TCP and IP around it take.
    /// A fragmented message is compressed whatever its size, which is not known when it starts.
    /// Values of 4 GiB and more count as 4 GiB.
    pub min_size: usize,
    /// The server compresses each message on its own; no.
    ///
    /// For a server it saves the compressor's memory between messages, for 65 % more bytes in JSON
    /// messages of 256 bytes, 25 % in those of 1 KiB and 4 % in those of 16 KiB (RFC 7692,
    /// section 7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message on its own; no (RFC 7692, section 7.1.1.2).
    ///
    /// For a server it saves the window of each connection between messages.
    pub client_no_context_takeover: bool,
    /// The server's window is at most this large, from 8 to 15 bits; no limit (RFC 7692, section
    /// 7.1.2.1). Other values count as the nearest of these.
    ///
    /// It is the base-2 logarithm of the size: 8 bits are 256 bytes, 15 bits 32 KiB.
    pub server_max_window_bits: Option<u8>,
    /// The client's window is at most this large, from 8 to 15 bits; no limit (RFC 7692, section
    /// 7.1.2.2). Other values count as the nearest of these.
    ///
    /// A server can ask for it only if the client has said that it knows this parameter, as all
    /// browsers do.
    pub client_max_window_bits: Option<u8>,
    /// The smallest window that this endpoint compresses with, from 8 to 15 bits; 8 bits. Other
    /// values count as the nearest of these.
    ///
    /// An offer or response that asks for less is not accepted. RFC 7692, section 7.3, recommends
    /// at least 10 bits for a useful ratio.
    pub min_window_bits: u8,
    /// The number of inflaters, and of compressors, that are kept for reuse; 16 of each.
    ///
    /// They serve all connections of all clones: an inflater of 79 KiB while a message comes in, a
    /// compressor of up to 371 KiB while one is sent. An inflater that returns to the connection
    /// which it served last continues at once; otherwise it is given the connection's window first,
    /// up to 32 KiB. More are made when they are needed, and dropped afterwards. The list is
    /// searched from end to end: keep it in the hundreds (65,534 at most). If clones differ, the
    /// value of the connection that gives one back counts.
    pub max_pooled: usize,
    pool: Pool,
}

impl Deflate {
    /// The idle states.
    pub(super) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How many states of each kind the pool may keep when it gets one back.
    pub(super) fn max_pooled(&self) -> u16 {
        // One less than the largest, so that a connection can store it in a `NonZeroU16`.
        u16::try_from(self.max_pooled).map_or(u16::MAX - 1, |max| max.min(u16::MAX - 1))
    }
}

/// Makes states of its own: connections share them through clones of this value.
impl Default for Deflate {
    fn default() -> Self {
        Self {
            level: 2,
            mem_level: 8,
            min_size: 128,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: None,
            min_window_bits: 8,
            max_pooled: 16,
            pool: Pool::default(),
        }
    }
}
