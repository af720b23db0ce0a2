//! Settings of permessage-deflate and the states that connections share. Its law: every setting
//! has a default, and its reason stands beside it.

use super::params::WindowBits;
use super::pool::Pool;
use alloc::sync::Arc;

/// Settings of permessage-deflate; a [`Deflate`] is made of them.
///
/// ```
/// use sansocket::{Deflate, DeflateConfig, HandshakeConfig, WindowBits};
///
/// let mut deflate = DeflateConfig::default();
/// deflate.level = 6;
/// deflate.server_no_context_takeover = true;
///
/// let mut config = HandshakeConfig::default();
/// config.deflate = Some(Deflate::new(deflate));
/// ```
///
/// # What is wished for
///
/// The four fields with the names of RFC 7692, section 7.1, are what this endpoint wants; what is
/// agreed on may be stricter, if the peer asks for that. A server uses its own wishes in the
/// response as far as the offer allows; a client puts them in its offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateConfig {
    /// How hard to compress, from 1 to 9; 2. Other values count as the nearest of these.
    ///
    /// On JSON, level 2 takes about 0.4 of the time of level 6, which is zlib's default, for 15 to
    /// 20 % more octets; level 9 takes 2.6 times that of level 6 for 2 % less.
    pub level: u8,
    /// How much memory the compressor has for symbols and output that wait, from 1 to 9; 8.
    /// Other values count as the nearest of these.
    ///
    /// 9 is 224 KiB, and each step down half of that. Less makes blocks shorter, and costs
    /// more octets for their headers in messages over a few KiB.
    pub mem_level: u8,
    /// The shortest message that is compressed, in octets; 128.
    ///
    /// Compressing any message takes at least 2 µs. Without those before it, JSON of 64 octets
    /// does not shrink, of 128 it shrinks to 103, of 256 to 143; with them to 26, 47 and 87. So what a
    /// shorter message saves is less than the headers of TLS, TCP and IP around it have.
    /// A fragmented message is compressed whatever its size, which is not known when it begins.
    pub min_size: usize,
    /// The server compresses each message by itself; no.
    ///
    /// For a server it saves the compressor's memory between messages, for 65 % more octets in JSON
    /// messages of 256 octets, 25 % in those of 1 KiB and 4 % in those of 16 KiB (RFC 7692,
    /// section 7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message by itself; no (RFC 7692, section 7.1.1.2).
    ///
    /// For a server it saves the window of each connection between messages.
    pub client_no_context_takeover: bool,
    /// The server's window is not larger than this; no wish (RFC 7692, section 7.1.2.1).
    pub server_max_window_bits: Option<WindowBits>,
    /// The client's window is not larger than this; no wish (RFC 7692, section 7.1.2.2).
    ///
    /// A server can ask for it only if the client has said that it knows this parameter, as all
    /// browsers do.
    pub client_max_window_bits: Option<WindowBits>,
    /// The smallest window that this endpoint compresses with; 8 bits.
    ///
    /// An offer or response that asks for less is not taken. RFC 7692, section 7.3, recommends
    /// at least 10 bits for a useful ratio.
    pub min_window_bits: WindowBits,
    /// How many inflaters and how many compressors are kept for reuse; 16 of each.
    ///
    /// They serve all connections that share a [`Deflate`], an inflater of 79 KiB while a message
    /// comes in, a compressor of up to 371 KiB while one is sent. One that comes back to the
    /// connection which it served last goes on at once; otherwise it is given the connection's
    /// window first, up to 32 KiB. More are made when they are needed, and dropped afterwards.
    /// The list is searched from end to end: keep it in the hundreds.
    pub max_pooled: usize,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            level: 2,
            mem_level: 8,
            min_size: 128,
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: None,
            min_window_bits: WindowBits::MIN,
            max_pooled: 16,
        }
    }
}

/// permessage-deflate for any number of connections: settings, and states that they share.
///
/// Put one into [`HandshakeConfig::deflate`](crate::HandshakeConfig::deflate); behind another
/// HTTP implementation, negotiate with [`offer`](Self::offer), [`accept`](Self::accept) and
/// [`agree`](Self::agree), and call [`Connection::with_deflate`](crate::Connection::with_deflate).
///
/// A clone shares the states with its original. They stand behind a lock, which is taken for a
/// moment at the begin and end of a compressed message: threads that serve many connections
/// do best with a `Deflate` each.
///
/// # When not to compress
///
/// A message that holds a secret beside text which an attacker can choose gives the secret away
/// by its length, encrypted or not (CRIME, BREACH; RFC 7692, section 8). Send such messages with
/// compression [off](crate::Connection::set_compression). With context takeover this is so for
/// a secret in one message and chosen text in a later one, too.
#[derive(Clone, Debug)]
pub struct Deflate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: DeflateConfig,
    pool: Pool,
}

impl Deflate {
    /// With these settings, and no state yet.
    #[must_use]
    pub fn new(config: DeflateConfig) -> Self {
        let pool = Pool::new(config.max_pooled);
        Self {
            shared: Arc::new(Shared { config, pool }),
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &DeflateConfig {
        &self.shared.config
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.shared.pool
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new(DeflateConfig::default())
    }
}

/// The same settings and the same states.
impl PartialEq for Deflate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for Deflate {}
