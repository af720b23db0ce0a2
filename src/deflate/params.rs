//! What two peers agree on (RFC 7692, section 7.1). Its law: a window has 8 to 15 bits, whoever
//! names it.

use crate::frame::Role;
use core::fmt;

/// The size of an LZ77 window as its base-2 logarithm, 8 to 15: 256 octets to 32 KiB
/// (RFC 7692, section 7.1.2).
///
/// ```
/// use sansocket::WindowBits;
///
/// let bits = WindowBits::new(12).expect("8 to 15");
/// assert_eq!((bits.get(), bits.octets()), (12, 4096));
/// assert_eq!(WindowBits::new(16), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8 bits: 256 octets.
    pub const MIN: Self = Self(8);
    /// 15 bits: 32 KiB, what both sides use where nothing else was agreed on.
    pub const MAX: Self = Self(15);

    /// The size with so many bits; `None` below 8 and above 15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The number of bits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The size of the window, in octets.
    #[must_use]
    pub const fn octets(self) -> usize {
        1 << self.0
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The parameters of permessage-deflate that both sides agreed on (RFC 7692, section 7.1).
///
/// Those that begin with `server` rule what the server compresses and the client inflates, those
/// that begin with `client` the reverse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "RFC 7692, section 7, defines four parameters"
)]
pub struct DeflateParams {
    /// The server compresses each message by itself (RFC 7692, section 7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message by itself (RFC 7692, section 7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The server's window; of 15 bits where nothing was said (RFC 7692, section 7.1.2.1).
    pub server_max_window_bits: Option<WindowBits>,
    /// The client's window; of 15 bits where nothing was said (RFC 7692, section 7.1.2.2).
    pub client_max_window_bits: Option<WindowBits>,
}

impl DeflateParams {
    /// What rules the messages that `sender` compresses.
    pub(crate) fn terms(&self, sender: Role) -> Terms {
        let (no_context_takeover, max_window_bits) = match sender {
            Role::Server => (self.server_no_context_takeover, self.server_max_window_bits),
            Role::Client => (self.client_no_context_takeover, self.client_max_window_bits),
        };
        Terms {
            context_takeover: !no_context_takeover,
            window: max_window_bits.unwrap_or(WindowBits::MAX),
        }
    }
}

/// What was agreed on for one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Whether a message may refer to those before it.
    pub(crate) context_takeover: bool,
    /// How far back it may refer.
    pub(crate) window: WindowBits,
}
