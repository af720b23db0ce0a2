//! The rule of frames and messages that the peer broke.
//!
//! Invariant: one variant for each rule, and each variant knows the close code that is sent.

use super::close::CloseCode;
use core::fmt;

/// The peer broke a rule of the protocol: the connection has failed (RFC 6455, section 7.1.7).
///
/// By the time you see it, the Close frame with [`close_code`](Self::close_code) is in the
/// output, unless one had been sent before.
// A tag of four bytes: an event is moved in fewer steps than with two, and a connection stays small.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// RFC 6455, section 5.2: a reserved bit is set that no negotiated extension defines. RSV1 is
    /// never allowed on control frames and continuations (RFC 7692, section 6.1). Every letter has
    /// such a bit, so text between the frames, such as an HTTP response, ends here.
    ReservedBit {
        /// The first byte of the frame.
        first: u8,
    },
    /// RFC 6455, section 5.2: opcodes 3 to 7 and 11 to 15 are reserved. Holds the opcode.
    ReservedOpcode(u8),
    /// RFC 6455, section 5.5: control frames are not fragmented.
    ControlFrameFragmented,
    /// RFC 6455, section 5.5: control frames have at most 125 bytes of payload.
    ControlFrameTooLong,
    /// RFC 6455, section 5.1: a client masks every frame.
    FrameNotMasked,
    /// RFC 6455, section 5.1: a server masks no frame.
    FrameMasked,
    /// RFC 6455, section 5.2: the payload length is encoded in the shortest way.
    LengthNotMinimal,
    /// RFC 6455, section 5.2: the highest bit of a 64-bit length is 0.
    LengthTopBit,
    /// RFC 6455, section 5.4: a continuation needs a message that was started.
    ContinuationUnexpected,
    /// RFC 6455, section 5.4: a message ends before the next one starts.
    ContinuationExpected,
    /// RFC 6455, section 10.4: the message is longer than
    /// [`Settings::max_message_size`](crate::Settings::max_message_size), after inflating if it is
    /// compressed.
    MessageTooBig {
        /// The message has at least this many bytes.
        len: u64,
        /// The limit, in bytes.
        max: u64,
    },
    /// RFC 6455, section 10.4: the message has more fragments than
    /// [`Settings::max_fragments`](crate::Settings::max_fragments).
    TooManyFragments,
    /// RFC 6455, section 8.1: text is UTF-8.
    TextNotUtf8,
    /// RFC 7692, section 7.2.2: the payload of a compressed message is DEFLATE data (RFC 1951),
    /// which refers to nothing before the window.
    CompressedDataInvalid,
    /// RFC 7692, section 7.2.1: a compressed message ends at the end of a block.
    CompressedDataCut,
    /// RFC 7692, section 7.2.3.4: compressed messages may have final blocks. The peer has sent more
    /// than one for each message and one for each 64 compressed bytes, beside 64 in advance, which
    /// no known sender does: each takes as much time as some hundred other bytes.
    TooManyFinalBlocks,
    /// RFC 6455, section 5.5.1: the body of a Close frame is empty or starts with two bytes
    /// of code.
    CloseBodyTooShort,
    /// RFC 6455, section 7.4: a Close frame may not have this code.
    CloseCodeInvalid(CloseCode),
    /// RFC 6455, section 5.5.1: the reason in a Close frame is UTF-8.
    CloseReasonNotUtf8,
    /// RFC 6455, section 7.1.5: the transport ended before the closing handshake was done.
    /// Only in [`End::Failed`](crate::End::Failed).
    TransportEnded,
}

impl ProtocolError {
    /// The code for this error (RFC 6455, section 7.4.1): what the Close frame in the output
    /// says, or 1006 for [`TransportEnded`](Self::TransportEnded), which sends nothing.
    ///
    /// ```
    /// use sansocket::{CloseCode, ProtocolError};
    ///
    /// assert_eq!(ProtocolError::TextNotUtf8.close_code(), CloseCode::INVALID_DATA);
    /// ```
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooBig { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments | Self::TooManyFinalBlocks => CloseCode::POLICY_VIOLATION,
            Self::TextNotUtf8
            | Self::CompressedDataInvalid
            | Self::CompressedDataCut
            | Self::CloseReasonNotUtf8 => CloseCode::INVALID_DATA,
            Self::TransportEnded => CloseCode::ABNORMAL,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// The rule in words, without the section: also the reason in the Close frame.
    pub(crate) const fn rule(self) -> &'static str {
        match self {
            Self::ReservedBit { .. } => "a reserved bit is set",
            Self::ReservedOpcode(_) => "the opcode is reserved",
            Self::ControlFrameFragmented => "a control frame must not be fragmented",
            Self::ControlFrameTooLong => "a control frame has at most 125 bytes of payload",
            Self::FrameNotMasked => "a client must mask its frames",
            Self::FrameMasked => "a server must not mask its frames",
            Self::LengthNotMinimal => "the payload length is not in its shortest form",
            Self::LengthTopBit => "the highest bit of the payload length is set",
            Self::ContinuationUnexpected => "a continuation frame without a message",
            Self::ContinuationExpected => "a new message before the previous one ended",
            Self::MessageTooBig { .. } => "the message is too big",
            Self::TooManyFragments => "the message has more fragments than `max_fragments`",
            Self::TextNotUtf8 => "text must be UTF-8",
            Self::CompressedDataInvalid => "the compressed data is invalid",
            Self::CompressedDataCut => "the compressed data is cut off",
            Self::TooManyFinalBlocks => {
                "more final blocks than one for each message and each 64 bytes"
            }
            Self::CloseBodyTooShort => "a Close body of one byte",
            Self::CloseCodeInvalid(_) => "the close code is not allowed",
            Self::CloseReasonNotUtf8 => "a close reason must be UTF-8",
            Self::TransportEnded => "the transport ended without a closing handshake",
        }
    }

    /// The section that states the rule.
    const fn section(self) -> &'static str {
        match self {
            Self::CompressedDataInvalid => "RFC 7692, section 7.2.2",
            Self::CompressedDataCut => "RFC 7692, section 7.2.1",
            Self::TooManyFinalBlocks => "RFC 7692, section 7.2.3.4",
            Self::FrameNotMasked | Self::FrameMasked => "RFC 6455, section 5.1",
            Self::ReservedBit { .. }
            | Self::ReservedOpcode(_)
            | Self::LengthNotMinimal
            | Self::LengthTopBit => "RFC 6455, section 5.2",
            Self::ContinuationUnexpected | Self::ContinuationExpected => "RFC 6455, section 5.4",
            Self::ControlFrameFragmented | Self::ControlFrameTooLong => "RFC 6455, section 5.5",
            Self::CloseBodyTooShort | Self::CloseReasonNotUtf8 => "RFC 6455, section 5.5.1",
            Self::TransportEnded => "RFC 6455, section 7.1.5",
            Self::CloseCodeInvalid(_) => "RFC 6455, section 7.4",
            Self::TextNotUtf8 => "RFC 6455, section 8.1",
            Self::MessageTooBig { .. } | Self::TooManyFragments => "RFC 6455, section 10.4",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBit { first } => {
                write!(f, "{}: the frame starts with {first:#04x}", self.rule())?;
                if first.is_ascii_graphic() {
                    let letter = char::from(*first);
                    write!(f, ", {letter:?}: these bytes look like text, perhaps HTTP")?;
                }
            }
            Self::ReservedOpcode(opcode) => write!(f, "{}: {opcode}", self.rule())?,
            Self::MessageTooBig { len, max } => write!(
                f,
                "message of at least {} bytes exceeds `max_message_size` ({})",
                Grouped(*len),
                Grouped(*max)
            )?,
            Self::CloseCodeInvalid(code) => write!(f, "{}: {code}", self.rule())?,
            _ => f.write_str(self.rule())?,
        }
        write!(f, " ({})", self.section())
    }
}

impl core::error::Error for ProtocolError {}

/// A number with a comma before each three digits: `16,777,216`.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            number @ 0..1_000 => write!(f, "{number}"),
            number => write!(f, "{},{:03}", Self(number / 1_000), number % 1_000),
        }
    }
}
