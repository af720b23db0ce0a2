//! A cursor over octets that were just read. Its law: an octet is taken once, and what was
//! taken lives as long as the caller's slice.

use core::mem;

/// Octets just read from the transport, to be drained by a handshake or a [`Connection`].
///
/// Make one from each read and hand it to `receive` until that returns nothing more: by then
/// every octet has been taken. What one machine leaves (frames that came in one read with the
/// opening handshake), the next one takes. What is lent is unmasked in place, which is why the
/// slice is `&mut`; events borrow from it, and it may be used for the next read as soon as they
/// are gone.
///
/// [`Connection`]: crate::Connection
#[derive(Debug, Default)]
pub struct Input<'b> {
    octets: &'b mut [u8],
}

impl<'b> Input<'b> {
    /// A cursor at the first of `octets`.
    #[must_use]
    #[inline]
    pub const fn new(octets: &'b mut [u8]) -> Self {
        Self { octets }
    }

    /// The octets that have not been taken yet.
    #[must_use]
    #[inline]
    pub const fn remaining(&self) -> &[u8] {
        self.octets
    }

    /// The same, to be unmasked where they lie.
    pub(crate) const fn remaining_mut(&mut self) -> &mut [u8] {
        self.octets
    }

    /// How many octets have not been taken yet.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether all octets have been taken.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Takes the next `n` octets, or all if there are fewer.
    ///
    /// Call it to keep what is left for later (an application that decides on a handshake
    /// while it reads nothing), or to skip what belongs to another protocol.
    #[inline]
    pub fn take(&mut self, n: usize) -> &'b mut [u8] {
        let octets = mem::take(&mut self.octets);
        let (taken, rest) = octets.split_at_mut(n.min(octets.len()));
        self.octets = rest;
        taken
    }

    /// Takes all octets that are left.
    #[inline]
    pub fn take_rest(&mut self) -> &'b mut [u8] {
        mem::take(&mut self.octets)
    }
}
