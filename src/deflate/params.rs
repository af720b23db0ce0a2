//! What two peers agree on (RFC 7692, section 7.1).
//!
//! Invariant: a window has 8 to 15 bits, whatever a setting says.

use crate::frame::Role;

/// The size of an LZ77 window as its base-2 logarithm: 256 bytes to 32 KiB (RFC 7692,
/// section 7.1.2).
///
/// An enum and no number, so that an enum around it needs no byte for its tag: see
/// `Compression`, which every connection has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Window {
    Bits8 = 8,
    Bits9,
    Bits10,
    Bits11,
    Bits12,
    Bits13,
    Bits14,
    Bits15,
}

impl Window {
    /// What both sides use unless they agree on less.
    pub(crate) const MAX: Self = Self::Bits15;

    /// The window with the number of bits nearest to this one.
    pub(crate) const fn nearest(bits: u8) -> Self {
        match bits {
            ..=8 => Self::Bits8,
            9 => Self::Bits9,
            10 => Self::Bits10,
            11 => Self::Bits11,
            12 => Self::Bits12,
            13 => Self::Bits13,
            14 => Self::Bits14,
            15.. => Self::Bits15,
        }
    }

    /// The number of bits, 8 to 15.
    pub(crate) const fn bits(self) -> u8 {
        self as u8
    }

    /// The size in bytes.
    pub(super) const fn size(self) -> usize {
        1 << self.bits()
    }
}

/// The parameters that both sides agreed on (RFC 7692, section 7.1).
///
/// Those that start with `server` rule what the server compresses and the client inflates, those
/// that start with `client` the reverse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params {
    /// The server compresses each message on its own (RFC 7692, section 7.1.1.1).
    pub(crate) server_no_context_takeover: bool,
    /// The client compresses each message on its own (RFC 7692, section 7.1.1.2).
    pub(crate) client_no_context_takeover: bool,
    /// The server's window; 15 bits if nothing was said (RFC 7692, section 7.1.2.1).
    pub(crate) server_max_window_bits: Option<Window>,
    /// The client's window; 15 bits if nothing was said (RFC 7692, section 7.1.2.2).
    pub(crate) client_max_window_bits: Option<Window>,
}

impl Params {
    /// The terms for the messages that an endpoint in this role sends.
    pub(super) fn sent_by(&self, role: Role) -> Terms {
        match role {
            Role::Server => self.of_server(),
            Role::Client => self.of_client(),
        }
    }

    /// The terms for the messages that an endpoint in this role receives.
    pub(super) fn received_by(&self, role: Role) -> Terms {
        match role {
            Role::Server => self.of_client(),
            Role::Client => self.of_server(),
        }
    }

    fn of_server(&self) -> Terms {
        Terms {
            context_takeover: !self.server_no_context_takeover,
            window: self.server_max_window_bits.unwrap_or(Window::MAX),
        }
    }

    fn of_client(&self) -> Terms {
        Terms {
            context_takeover: !self.client_no_context_takeover,
            window: self.client_max_window_bits.unwrap_or(Window::MAX),
        }
    }
}

/// What was agreed on for one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Whether a message may refer to those before it.
    pub(super) context_takeover: bool,
    /// How far back it may refer.
    pub(super) window: Window,
}
