//! The sending half of a connection.
//!
//! Invariant: what cannot be sent leaves nothing in the output.

mod data;
mod prepared;
mod sender;

pub use data::Data;
pub use prepared::Prepared;
pub(crate) use sender::Sender;
