//! The negotiator's stand-in without the feature `deflate`: it offers nothing and declines
//! everything.
//!
//! Invariant: it has no size, and the same methods as the one that it replaces.

use crate::connection::Session;
use crate::handshake::error::HandshakeError;
use crate::handshake::extension::{Extension, Extensions};

#[derive(Clone, Debug, Default)]
pub(in crate::handshake) struct Negotiator;

impl Negotiator {
    pub(in crate::handshake) const fn offer(&self) -> Option<Extension> {
        None
    }

    pub(in crate::handshake) const fn accept(&self, _: &Extensions) -> Option<Extension> {
        None
    }

    #[allow(clippy::unnecessary_wraps, reason = "the shape of the one above")]
    pub(in crate::handshake) const fn agree(
        &self,
        _: &[Extension],
        _: &[Extension],
    ) -> Result<Option<Extension>, HandshakeError> {
        Ok(None)
    }

    #[allow(
        clippy::needless_pass_by_ref_mut,
        reason = "the shape of the one above"
    )]
    pub(in crate::handshake) const fn apply(&self, _: &Extension, _: &mut Session) {}
}
