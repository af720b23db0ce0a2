//! A cursor over bytes that were just read.
//!
//! Invariant: a byte is taken once, and what was taken lives as long as the caller's slice.

use core::{fmt, mem};

/// Bytes just read from the transport; `receive` takes them and moves the cursor.
///
/// Make one of each read, and call `receive` with it until that returns `None`: by then every byte
/// has been taken, except a message that waits in place
/// ([`Deliver::InPlace`](crate::Deliver::InPlace)). What has not been taken is in `.0`. A payload is
/// unmasked where it lies, which is why the slice is `&mut`; events borrow from it, and the buffer
/// may serve the next read as soon as they are gone.
#[allow(clippy::exhaustive_structs, reason = "a slice with a name")]
pub struct Input<'b>(pub &'b mut [u8]);

impl<'b> Input<'b> {
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next `n` bytes, or all if there are fewer.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> &'b mut [u8] {
        let bytes = mem::take(&mut self.0);
        let (taken, rest) = bytes.split_at_mut(n.min(bytes.len()));
        self.0 = rest;
        taken
    }

    /// As [`take`](Self::take), for a length that may be above `usize`.
    #[inline]
    pub(crate) fn take_up_to(&mut self, n: u64) -> &'b mut [u8] {
        self.take(usize::try_from(n).unwrap_or(usize::MAX))
    }

    /// Takes all bytes that are left.
    #[inline]
    pub(crate) fn take_rest(&mut self) -> &'b mut [u8] {
        mem::take(&mut self.0)
    }
}

impl fmt::Debug for Input<'_> {
    /// Hides the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({} bytes)", self.len())
    }
}
