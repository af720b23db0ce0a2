//! What is on the wire (RFC 6455, section 5), without connections and without HTTP.
//!
//! Invariant: this room uses no other room of the crate.

mod close;
mod error;
mod header;
mod input;
mod mask;
mod masking_key;
mod opcode;
mod role;

pub use close::{CloseCode, CloseFrame};
pub use error::ProtocolError;
pub use header::Header;
pub use input::Input;
pub use mask::Mask;
pub use opcode::Opcode;
pub use role::Role;

pub(crate) use masking_key::MaskingKeys;
pub(crate) use opcode::MAX_CONTROL_LEN;
