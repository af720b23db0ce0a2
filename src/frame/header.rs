//! The header of a frame (RFC 6455, section 5.2).
//!
//! Invariant: a header is judged byte by byte in the order in which it arrives, so an error never
//! depends on how the bytes were cut.

use super::error::ProtocolError;
use super::input::Input;
use super::mask::Mask;
use super::opcode::{MAX_CONTROL_LEN, Opcode};
use super::role::Role;
use bytes::BytesMut;
use core::fmt;

/// The bit of the second byte that says whether the payload is masked.
const MASKED: u8 = 0x80;
/// The other bits: the length of the payload, or one of the next two values.
const LEN_MASK: u8 = 0x7f;
/// The length is in the next two bytes.
const LEN_16: u8 = 126;
/// The length is in the next eight bytes.
const LEN_64: u8 = 127;

/// The length of a payload and that of the header without its key, as the second byte of a header and
/// the two after it say; no bytes and 10 if the length is in the long form.
#[inline(always)]
const fn short_len(second: u8, next: [u8; 2]) -> (usize, usize) {
    match second & LEN_MASK {
        LEN_16 => (u16::from_be_bytes(next) as usize, 4),
        LEN_64.. => (0, 10),
        len => (len as usize, 2),
    }
}

/// The header of a frame: everything before its payload (RFC 6455, section 5.2).
///
/// [`Connection`](crate::Connection) reads and writes headers for its callers; the type is
/// public for proxies and tools that work on frames.
///
/// ```
/// use sansocket::Role;
/// use sansocket::frame::{Header, Opcode};
///
/// let frame = [0x81, 0x05, b'H', b'e', b'l', b'l', b'o'];
/// let (header, len) = Header::parse(&frame, Role::Client, false)?.unwrap();
/// assert_eq!((header.opcode, header.payload_len, len), (Opcode::Text, 5, 2));
///
/// let mut out = bytes::BytesMut::new();
/// header.encode(&mut out);
/// assert_eq!(out[..], frame[..len]);
/// # Ok::<(), sansocket::ProtocolError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "the fields of section 5.2")]
pub struct Header {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// "Per-message compressed" (RFC 7692, section 6), where that was negotiated.
    pub rsv1: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key that the payload is masked with.
    pub masking_key: Option<[u8; 4]>,
    /// The length of the payload, in bytes.
    pub payload_len: u64,
}

impl fmt::Debug for Header {
    /// Hides the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("fin", &self.fin)
            .field("rsv1", &self.rsv1)
            .field("opcode", &self.opcode)
            .field("is_masked", &self.masking_key.is_some())
            .field("payload_len", &self.payload_len)
            .finish()
    }
}

impl Header {
    /// The longest header, in bytes.
    pub const MAX_LEN: usize = 14;

    /// Reads the header that `bytes` start with, as an endpoint in the role of `receiver`.
    ///
    /// Returns it with its own length in bytes, or `None` if more bytes are needed. `rsv1_allowed`
    /// says whether an extension that uses RSV1 was negotiated. The caller checks frame order and
    /// size limits.
    ///
    /// # Errors
    ///
    /// The first rule that the bytes break, as soon as the byte that breaks it has arrived (RFC
    /// 6455, sections 5.1, 5.2 and 5.5).
    #[inline]
    pub fn parse(
        bytes: &[u8],
        receiver: Role,
        rsv1_allowed: bool,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, rest @ ..] = bytes else {
            return Ok(None);
        };
        let Some(opcode) = Opcode::from_bits(first & 0x0f) else {
            // Decision: reserved bits are judged before the opcode.
            return Err(if first & 0x70 == 0 {
                ProtocolError::ReservedOpcode(first & 0x0f)
            } else {
                ProtocolError::ReservedBit { first: *first }
            });
        };
        let (fin, rsv1) = (first & 0x80 != 0, first & 0x40 != 0);
        let begins_message = matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & 0x30 != 0 || (rsv1 && !(rsv1_allowed && begins_message)) {
            return Err(ProtocolError::ReservedBit { first: *first });
        }
        if opcode.is_control() && !fin {
            return Err(ProtocolError::ControlFrameFragmented);
        }

        let [second, rest @ ..] = rest else {
            return Ok(None);
        };
        let (masked, len7) = (second & MASKED != 0, second & LEN_MASK);
        if opcode.is_control() && usize::from(len7) > MAX_CONTROL_LEN {
            return Err(ProtocolError::ControlFrameTooLong);
        }
        match (receiver, masked) {
            (Role::Server, false) => return Err(ProtocolError::FrameNotMasked),
            (Role::Client, true) => return Err(ProtocolError::FrameMasked),
            _ => {}
        }

        let next = rest.first_chunk::<2>().copied();
        let (short, header_len) = short_len(*second, next.unwrap_or([0; 2]));
        let (payload_len, rest, len) = match header_len {
            2 => (short as u64, rest, 2),
            4 => {
                let Some((_, rest)) = rest.split_first_chunk::<2>() else {
                    return Ok(None);
                };
                if short < usize::from(LEN_16) {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (short as u64, rest, 4)
            }
            _ => {
                if rest.first().is_some_and(|byte| byte & 0x80 != 0) {
                    return Err(ProtocolError::LengthTopBit);
                }
                let Some((bytes, rest)) = rest.split_first_chunk::<8>() else {
                    return Ok(None);
                };
                let len = u64::from_be_bytes(*bytes);
                if len <= 0xffff {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (len, rest, 10)
            }
        };

        let (masking_key, len) = if masked {
            let Some(key) = rest.first_chunk::<4>() else {
                return Ok(None);
            };
            (Some(*key), len + 4)
        } else {
            (None, len)
        };
        let header = Self {
            fin,
            rsv1,
            opcode,
            masking_key,
            payload_len,
        };
        Ok(Some((header, len)))
    }

    /// Appends the header to `out`, with the length in its shortest form.
    #[inline(always)]
    pub fn encode(&self, out: &mut BytesMut) {
        let first = u8::from(self.fin) << 7 | u8::from(self.rsv1) << 6 | self.opcode as u8;
        // One piece of fixed size for each form: an append of known length is a plain store.
        match (self.payload_len, self.masking_key) {
            (len @ ..=125, None) => out.extend_from_slice(&[first, len as u8]),
            (len @ ..=125, Some([k, l, m, n])) => {
                out.extend_from_slice(&[first, MASKED | len as u8, k, l, m, n]);
            }
            (len @ ..=0xffff, key) => {
                let [a, b] = (len as u16).to_be_bytes();
                match key {
                    None => out.extend_from_slice(&[first, LEN_16, a, b]),
                    Some([k, l, m, n]) => {
                        out.extend_from_slice(&[first, MASKED | LEN_16, a, b, k, l, m, n]);
                    }
                }
            }
            (len, key) => {
                let [a, b, c, d, e, f, g, h] = len.to_be_bytes();
                let second = if key.is_some() {
                    MASKED | LEN_64
                } else {
                    LEN_64
                };
                out.extend_from_slice(&[first, second, a, b, c, d, e, f, g, h]);
                out.extend_from_slice(key.as_ref().map_or(&[], |key| &key[..]));
            }
        }
    }
}

/// A frame that is complete in the input, with a header of at most 8 bytes: the common case.
///
/// It is a filter in front of [`Header::parse`], and judges nothing: whatever passes, `parse` would
/// read in the same way. Letting `parse` do both costs 28 instructions a message, of 109.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompleteFrame {
    /// The first byte of the header: FIN, reserved bits and opcode, not judged yet.
    pub(crate) first: u8,
    header_len: usize,
    /// The length of the payload, in bytes.
    pub(crate) len: usize,
}

impl CompleteFrame {
    /// The frame that `input` starts with, if it is complete, its length is minimal, and it is
    /// masked as `receiver` wants it; otherwise [`Header::parse`] decides.
    #[inline]
    pub(crate) fn peek(receiver: Role, input: &[u8]) -> Option<Self> {
        let [first, second, a, b, ..] = *input else {
            return None;
        };
        let (len, header_len) = short_len(second, [a, b]);
        // A length below 126 in the longer form is not minimal; the long form is not here.
        let is_minimal = header_len == 2 || (header_len == 4 && len >= usize::from(LEN_16));
        let is_masked = receiver == Role::Server;
        let header_len = header_len + if is_masked { 4 } else { 0 };
        let is_complete =
            is_masked == (second & MASKED != 0) && is_minimal && input.len() >= header_len + len;
        is_complete.then_some(Self {
            first,
            header_len,
            len,
        })
    }

    /// Takes it from `input`, and returns its payload as it arrived, with its mask.
    #[inline]
    pub(crate) fn take<'b>(
        self,
        receiver: Role,
        input: &mut Input<'b>,
    ) -> (&'b mut [u8], Option<Mask>) {
        let header = input.take(self.header_len);
        let payload = input.take(self.len);
        let key = match receiver {
            Role::Server => header.last_chunk(),
            Role::Client => None,
        };
        (payload, key.map(|key| Mask::new(*key)))
    }
}
