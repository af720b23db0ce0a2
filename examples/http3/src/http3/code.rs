//! What ends connections and streams (RFC 9114, section 8.1; RFC 9204, section 6).

use quinn::VarInt;

pub(crate) const NO_ERROR: VarInt = VarInt::from_u32(0x100);
pub(crate) const STREAM_CREATION_ERROR: VarInt = VarInt::from_u32(0x103);
pub(crate) const CLOSED_CRITICAL_STREAM: VarInt = VarInt::from_u32(0x104);
pub(crate) const FRAME_UNEXPECTED: VarInt = VarInt::from_u32(0x105);
pub(crate) const FRAME_ERROR: VarInt = VarInt::from_u32(0x106);
pub(crate) const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x107);
pub(crate) const ID_ERROR: VarInt = VarInt::from_u32(0x108);
pub(crate) const SETTINGS_ERROR: VarInt = VarInt::from_u32(0x109);
pub(crate) const MISSING_SETTINGS: VarInt = VarInt::from_u32(0x10a);
pub(crate) const REQUEST_REJECTED: VarInt = VarInt::from_u32(0x10b);
pub(crate) const REQUEST_CANCELLED: VarInt = VarInt::from_u32(0x10c);
pub(crate) const REQUEST_INCOMPLETE: VarInt = VarInt::from_u32(0x10d);
pub(crate) const MESSAGE_ERROR: VarInt = VarInt::from_u32(0x10e);
pub(crate) const QPACK_DECOMPRESSION_FAILED: VarInt = VarInt::from_u32(0x200);
pub(crate) const QPACK_ENCODER_STREAM_ERROR: VarInt = VarInt::from_u32(0x201);
pub(crate) const QPACK_DECODER_STREAM_ERROR: VarInt = VarInt::from_u32(0x202);
