//! A frame whose payload is arriving.
//!
//! Invariant: its header has been judged.

use crate::frame::Mask;

/// A frame whose payload is arriving.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) fin: bool,
    pub(super) mask: Option<Mask>,
    /// This many of the next bytes in the input have been unmasked there, but not taken.
    pub(super) unmasked: u16,
    /// Bytes of the payload that have not been taken.
    pub(super) remaining: u64,
}
