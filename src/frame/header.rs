//! The header of a frame (RFC 6455, section 5.2). Its law: a header is judged octet by octet in
//! the order in which it arrives, so an error never depends on how the octets were cut.

use super::error::ProtocolError;
use super::opcode::{MAX_CONTROL_LEN, Opcode};
use super::role::Role;
use bytes::BytesMut;

/// The header of a frame: all that stands before its payload (RFC 6455, section 5.2).
///
/// [`Connection`](crate::Connection) reads and writes headers for its callers; the type is
/// public for proxies and tools that work on frames.
///
/// ```
/// use sansocket::{Header, Opcode, Role};
///
/// let frame = [0x81, 0x05, b'H', b'e', b'l', b'l', b'o'];
/// let (header, len) = Header::parse(&frame, Role::Client, false)?.unwrap();
/// assert_eq!((header.opcode, header.payload_len, len), (Opcode::Text, 5, 2));
/// # Ok::<(), sansocket::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The length of the payload, in octets.
    pub payload_len: u64,
}

impl Header {
    /// The longest header, in octets.
    pub const MAX_LEN: usize = 14;

    /// Reads the header that `octets` begin with, as an endpoint in the role of `receiver`.
    ///
    /// Returns it with its own length in octets, or `None` if there are too few octets for a
    /// verdict. `rsv1_allowed` says whether an extension that uses RSV1 was negotiated. Rules
    /// on the row of frames and limits on sizes are the caller's.
    ///
    /// # Errors
    ///
    /// The first rule that the octets break, as soon as the octet is there that breaks it
    /// (RFC 6455, sections 5.1, 5.2 and 5.5).
    #[inline]
    pub fn parse(
        octets: &[u8],
        receiver: Role,
        rsv1_allowed: bool,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, rest @ ..] = octets else {
            return Ok(None);
        };
        let Some(opcode) = Opcode::from_bits(first & 0x0f) else {
            // Decision: reserved bits are judged before the opcode.
            return Err(if first & 0x70 == 0 {
                ProtocolError::ReservedOpcode
            } else {
                ProtocolError::ReservedBit
            });
        };
        let (fin, rsv1) = (first & 0x80 != 0, first & 0x40 != 0);
        let begins_message = matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & 0x30 != 0 || (rsv1 && !(rsv1_allowed && begins_message)) {
            return Err(ProtocolError::ReservedBit);
        }
        if opcode.is_control() && !fin {
            return Err(ProtocolError::ControlFrameFragmented);
        }

        let [second, rest @ ..] = rest else {
            return Ok(None);
        };
        let (masked, len7) = (second & 0x80 != 0, second & 0x7f);
        if opcode.is_control() && usize::from(len7) > MAX_CONTROL_LEN {
            return Err(ProtocolError::ControlFrameTooLong);
        }
        match (receiver, masked) {
            (Role::Server, false) => return Err(ProtocolError::FrameNotMasked),
            (Role::Client, true) => return Err(ProtocolError::FrameMasked),
            _ => {}
        }

        let (payload_len, rest, len) = match len7 {
            126 => {
                let Some((octets, rest)) = rest.split_first_chunk::<2>() else {
                    return Ok(None);
                };
                let len = u16::from_be_bytes(*octets);
                if len < 126 {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (u64::from(len), rest, 4)
            }
            127 => {
                if rest.first().is_some_and(|octet| octet & 0x80 != 0) {
                    return Err(ProtocolError::LengthTopBit);
                }
                let Some((octets, rest)) = rest.split_first_chunk::<8>() else {
                    return Ok(None);
                };
                let len = u64::from_be_bytes(*octets);
                if len <= 0xffff {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (len, rest, 10)
            }
            len => (u64::from(len), rest, 2),
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
                out.extend_from_slice(&[first, 0x80 | len as u8, k, l, m, n]);
            }
            (len @ ..=0xffff, key) => {
                let [a, b] = (len as u16).to_be_bytes();
                match key {
                    None => out.extend_from_slice(&[first, 126, a, b]),
                    Some([k, l, m, n]) => {
                        out.extend_from_slice(&[first, 0x80 | 126, a, b, k, l, m, n]);
                    }
                }
            }
            (len, key) => {
                let [a, b, c, d, e, f, g, h] = len.to_be_bytes();
                let second = if key.is_some() { 0x80 | 127 } else { 127 };
                out.extend_from_slice(&[first, second, a, b, c, d, e, f, g, h]);
                out.extend_from_slice(key.as_ref().map_or(&[], |key| &key[..]));
            }
        }
    }
}
