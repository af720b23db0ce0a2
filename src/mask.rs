//! XOR with a masking key (RFC 6455, section 5.3). Its law: a mask remembers where in the key
//! it stands, so data may be cut anywhere.

/// A masking key and how far into a frame's payload it has been applied.
///
/// The same operation masks and unmasks (RFC 6455, section 5.3). [`Connection`] does this for
/// its callers; the type is public for proxies and tools that work on frames.
///
/// ```
/// use sansocket::Mask;
///
/// let mut data = *b"Hello";
/// Mask::new([0x37, 0xfa, 0x21, 0x3d]).apply(&mut data);
/// assert_eq!(data, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
///
/// let mut mask = Mask::new([0x37, 0xfa, 0x21, 0x3d]);
/// mask.apply(&mut data[..3]); // in pieces, cut anywhere
/// mask.apply(&mut data[3..]);
/// assert_eq!(data, *b"Hello");
/// ```
///
/// [`Connection`]: crate::Connection
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// The key, turned so that its first octet is the one for the next octet of data.
    key: [u8; 4],
}

/// From this length on, wider instructions are worth the way to them.
#[cfg(feature = "simd")]
const WIDE_LEN: usize = 2 << 10;

impl Mask {
    /// A mask that stands at the first octet of a frame's payload.
    #[must_use]
    pub const fn new(masking_key: [u8; 4]) -> Self {
        Self { key: masking_key }
    }

    /// XORs `data` in place and moves on by its length.
    #[inline]
    pub fn apply(&mut self, data: &mut [u8]) {
        #[cfg(feature = "simd")]
        if data.len() >= WIDE_LEN {
            return self.apply_wide(data);
        }
        self.apply_here(data);
    }

    /// Moves on as if so many octets had been masked.
    pub(crate) const fn skip(&mut self, n: usize) {
        let turns = (n % 4) as u32;
        self.key = u32::from_le_bytes(self.key)
            .rotate_right(8 * turns)
            .to_le_bytes();
    }

    /// With the widest instructions that this machine has.
    #[cfg(feature = "simd")]
    fn apply_wide(&mut self, data: &mut [u8]) {
        let level = fearless_simd::Level::new();
        fearless_simd::dispatch!(level, _simd => self.apply_here(data));
    }

    #[inline(always)]
    fn apply_here(&mut self, data: &mut [u8]) {
        let mut key = u32::from_le_bytes(self.key);
        let wide = u64::from(key) << 32 | u64::from(key);

        let (blocks, rest) = data.as_chunks_mut::<32>();
        for block in blocks {
            for word in block.as_chunks_mut::<8>().0 {
                *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
            }
        }
        let (words, rest) = rest.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
        }
        let (halves, rest) = rest.as_chunks_mut::<4>();
        for half in halves {
            *half = (u32::from_le_bytes(*half) ^ key).to_le_bytes();
        }
        // Fewer than 4 octets are left, and all before them were whole keys.
        for octet in rest {
            *octet ^= key as u8;
            key = key.rotate_right(8);
        }
        self.key = key.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    /// The narrow way is tested here as well where the tests have the wide one.
    #[test]
    fn every_way_is_that_of_the_rfc() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in (0..100).chain([2_047, 2_048, 2_049, 10_007]) {
            for phase in 0..4 {
                let expected: Vec<u8> = (phase..phase + len).map(|i| key[i % 4]).collect();
                for apply in [Mask::apply, Mask::apply_here] {
                    let (mut mask, mut data) = (Mask::new(key), vec![0; len]);
                    mask.apply(&mut vec![0; phase]);
                    apply(&mut mask, &mut data);
                    assert_eq!(data, expected);
                    let mut next = [0];
                    mask.apply(&mut next);
                    assert_eq!(next, [key[(phase + len) % 4]], "it stands where it should");
                }
            }
        }
    }
}
