//! What is on the wire (RFC 6455, section 5): headers, opcodes and masks, for proxies and tools.
//!
//! Invariant: this room uses no other room of the crate, so it knows nothing of connections or HTTP.
//!
//! [`Connection`](crate::Connection) reads and writes frames for its callers; this module is not
//! needed to send and receive messages.

pub(crate) mod close;
pub(crate) mod error;
mod header;
pub(crate) mod input;
mod mask;
mod masking_key;
mod opcode;
pub(crate) mod role;

pub use header::Header;
pub use mask::Mask;
pub use opcode::Opcode;

pub(crate) use close::{CloseCode, MAX_REASON_LEN};
pub(crate) use error::ProtocolError;
pub(crate) use header::CompleteFrame;
pub(crate) use input::Input;
pub(crate) use masking_key::MaskingKeys;
pub(crate) use opcode::MAX_CONTROL_LEN;
pub(crate) use role::Role;
