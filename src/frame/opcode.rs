//! What a frame is (RFC 6455, sections 5.2 and 5.5).
//!
//! Invariant: a reserved opcode cannot be expressed.

/// The longest payload of a control frame (RFC 6455, section 5.5).
pub(crate) const MAX_CONTROL_LEN: usize = 125;

/// What a frame is (RFC 6455, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "RFC 6455 defines six; the others are errors"
)]
#[repr(u8)]
pub enum Opcode {
    /// 0: continues a message.
    Continuation = 0x0,
    /// 1: starts a text message.
    Text = 0x1,
    /// 2: starts a binary message.
    Binary = 0x2,
    /// 8: starts or ends the closing handshake.
    Close = 0x8,
    /// 9: asks for a Pong.
    Ping = 0x9,
    /// 10: answers a Ping, or is unsolicited.
    Pong = 0xa,
}

impl Opcode {
    /// Whether it is Close, Ping or Pong (RFC 6455, section 5.5).
    ///
    /// ```
    /// use sansocket::frame::Opcode;
    ///
    /// assert!(Opcode::Ping.is_control() && !Opcode::Continuation.is_control());
    /// ```
    #[must_use]
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    pub(super) const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }
}
