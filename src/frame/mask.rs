//! XOR with a masking key (RFC 6455, section 5.3).
//!
//! Invariant: a mask remembers its place in the key, so data may be cut anywhere.

use alloc::vec::Vec;
use bytes::BytesMut;
use core::fmt;

/// A masking key and how far into a frame's payload it has been applied.
///
/// The same operation masks and unmasks (RFC 6455, section 5.3). [`Connection`] does this for
/// its callers; the type is public for proxies and tools that work on frames.
///
/// ```
/// use sansocket::frame::Mask;
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mask {
    /// The key, turned so that its first byte is the one for the next byte of data.
    key: [u8; 4],
}

impl fmt::Debug for Mask {
    /// Hides the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").finish_non_exhaustive()
    }
}

/// From this length on, aligning for wide vectors pays off. It is also the size of a block when
/// masking while copying: the longer the block, the fewer checks for room.
const LONG: usize = 512;

/// The alignment of the widest vectors, in bytes. A vector across two cache lines takes twice as
/// long, and after a header of 2 to 14 bytes every second one would be.
const ALIGNMENT: usize = 64;

/// What masked bytes are appended to, in blocks.
pub(crate) trait Append {
    fn append(&mut self, block: &[u8]);
    /// Removes the last `count` bytes.
    fn take_back(&mut self, count: usize);
}

impl Append for BytesMut {
    #[inline]
    fn append(&mut self, block: &[u8]) {
        self.extend_from_slice(block);
    }

    #[inline]
    fn take_back(&mut self, count: usize) {
        self.truncate(self.len() - count);
    }
}

impl Append for Vec<u8> {
    #[inline]
    fn append(&mut self, block: &[u8]) {
        self.extend_from_slice(block);
    }

    #[inline]
    fn take_back(&mut self, count: usize) {
        self.truncate(self.len() - count);
    }
}

/// The widest instructions that pay: those of AVX2 where the machine has AVX-512. The compiler makes
/// code of the latter that takes 20 times as long (16 KiB in place: 2,950 ns, with AVX2 147 ns, on an
/// AMD EPYC; `cargo bench -p sansocket-benches --bench codec -- receive-server/16384`).
#[cfg(feature = "simd")]
fn level() -> fearless_simd::Level {
    let widest = fearless_simd::Level::new();
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(avx2) = widest.as_avx2() {
        return fearless_simd::Level::Avx2(avx2);
    }
    widest
}

impl Mask {
    /// A mask for the first byte of a frame's payload.
    #[must_use]
    pub const fn new(masking_key: [u8; 4]) -> Self {
        Self { key: masking_key }
    }

    /// XORs `data` in place, and advances by its length.
    #[inline]
    pub fn apply(&mut self, data: &mut [u8]) {
        if data.len() >= LONG {
            return self.apply_long(data);
        }
        self.apply_here(data);
    }

    #[cfg(feature = "simd")]
    #[inline(never)]
    fn apply_long(&mut self, data: &mut [u8]) {
        fearless_simd::dispatch!(level(), _simd => self.apply_aligned(data));
    }

    #[cfg(not(feature = "simd"))]
    #[inline(never)]
    fn apply_long(&mut self, data: &mut [u8]) {
        self.apply_aligned(data);
    }

    /// XORs the first bytes before all others and stores them last, so that the others start
    /// aligned.
    #[inline(always)]
    fn apply_aligned(&mut self, data: &mut [u8]) {
        let before = data.as_ptr().addr().wrapping_neg() % ALIGNMENT;
        let Some(mut first) = data.first_chunk::<ALIGNMENT>().copied() else {
            return self.apply_here(data);
        };
        self.xor(&mut first);
        self.skip(before);
        let (_, aligned) = data.split_at_mut(before);
        self.apply_blocks::<128>(aligned);
        if let Some(place) = data.first_chunk_mut() {
            *place = first;
        }
    }

    #[inline(always)]
    fn apply_here(&mut self, data: &mut [u8]) {
        match data.len() {
            128.. => self.apply_blocks::<64>(data),
            32.. => self.apply_blocks::<32>(data),
            16.. => self.apply_blocks::<16>(data),
            8.. => self.apply_blocks::<8>(data),
            _ => self.apply_blocks::<4>(data),
        }
    }

    /// XORs in blocks of `N` bytes, or byte by byte if `data` is shorter than one. The last `N`
    /// bytes are XORed before all others and stored last, so that the rest after the blocks needs
    /// no narrower steps.
    #[inline(always)]
    fn apply_blocks<const N: usize>(&mut self, data: &mut [u8]) {
        let Some(mut last) = data.last_chunk::<N>().copied() else {
            for byte in data {
                *byte = self.next(*byte);
            }
            return;
        };
        let (blocks, rest) = data.as_chunks_mut::<N>();
        for block in blocks {
            self.xor(block);
        }
        self.skip(rest.len());
        self.xor(&mut last);
        if let Some(place) = data.last_chunk_mut() {
            *place = last;
        }
    }

    /// Appends `data` to `out`, XORed on the way.
    #[inline]
    pub(crate) fn append(self, data: &[u8], out: &mut impl Append) {
        #[cfg(feature = "simd")]
        if data.len() >= LONG {
            return self.append_wide(data, out);
        }
        self.append_here(data, out);
    }

    #[cfg(feature = "simd")]
    #[inline(never)]
    fn append_wide(self, data: &[u8], out: &mut impl Append) {
        fearless_simd::dispatch!(level(), _simd => self.append_blocks::<LONG>(data, out));
    }

    #[inline(always)]
    fn append_here(mut self, data: &[u8], out: &mut impl Append) {
        match data.len() {
            64.. => self.append_blocks::<64>(data, out),
            16.. => self.append_blocks::<16>(data, out),
            4.. => self.append_blocks::<4>(data, out),
            _ => {
                for byte in data {
                    out.append(&[self.next(*byte)]);
                }
            }
        }
    }

    /// Appends in blocks of `N` bytes; `data` has at least one. A rest shorter than a block is
    /// appended as the end of a block that overlaps the one before.
    #[inline(always)]
    fn append_blocks<const N: usize>(mut self, data: &[u8], out: &mut impl Append) {
        let (blocks, rest) = data.as_chunks::<N>();
        for block in blocks {
            let mut block = *block;
            self.xor(&mut block);
            out.append(&block);
        }
        if let (1.., Some(block)) = (rest.len(), data.last_chunk::<N>()) {
            let mut block = *block;
            self.skip(rest.len());
            self.xor(&mut block);
            out.take_back(N - rest.len());
            out.append(&block);
        }
    }

    /// XORs the next byte.
    #[inline(always)]
    const fn next(&mut self, byte: u8) -> u8 {
        let [key, ..] = self.key;
        self.skip(1);
        byte ^ key
    }

    /// Advances as if this many bytes had been masked.
    #[inline(always)]
    pub(crate) const fn skip(&mut self, len: usize) {
        let bytes = (len % 4) as u32;
        self.key = u32::from_le_bytes(self.key)
            .rotate_right(8 * bytes)
            .to_le_bytes();
    }

    /// XORs complete keys, so the place in the key stays the same.
    #[inline(always)]
    fn xor<const N: usize>(self, block: &mut [u8; N]) {
        const { assert!(N.is_multiple_of(4), "complete keys") }
        let key = u32::from_le_bytes(self.key);
        for part in block.as_chunks_mut().0 {
            *part = (u32::from_le_bytes(*part) ^ key).to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    /// Tests the narrow code as well, where the tests are built with the wide one.
    #[test]
    fn every_code_path_masks_as_the_rfc_says() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in (0..200).chain([511, 512, 513, 10_007]) {
            for phase in 0..4 {
                let expected: Vec<u8> = (phase..phase + len).map(|i| key[i % 4]).collect();
                let mut before = Mask::new(key);
                before.apply(&mut vec![0; phase]);
                for append in [Mask::append, Mask::append_here] {
                    let mut out = BytesMut::from("before");
                    append(before, &vec![0; len], &mut out);
                    assert_eq!(out.strip_prefix(b"before"), Some(&expected[..]));
                }
                let mut gathered = b"before".to_vec();
                before.append(&vec![0; len], &mut gathered);
                assert_eq!(gathered.strip_prefix(b"before"), Some(&expected[..]));
                for apply in [Mask::apply, Mask::apply_here] {
                    let (mut mask, mut data) = (before, vec![0; len]);
                    apply(&mut mask, &mut data);
                    assert_eq!(data, expected);
                    let mut next = [0];
                    mask.apply(&mut next);
                    assert_eq!(next, [key[(phase + len) % 4]], "it stands where it should");
                }
            }
        }
    }

    /// Both ends of long data are XORed separately from its middle: neither may reach too far.
    #[test]
    fn where_data_lies_changes_nothing() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in [
            4,
            33,
            127,
            LONG - 1,
            LONG,
            LONG + 1,
            LONG + 127,
            3 * LONG + 66,
        ] {
            let expected: Vec<u8> = (0..len).map(|i| key[i % 4]).collect();
            let mut after = Mask::new(key);
            after.skip(len);
            for at in 0..2 * ALIGNMENT {
                let mut bytes = vec![0; at + len + 1];
                let mut mask = Mask::new(key);
                mask.apply(&mut bytes[at..at + len]);
                assert!(bytes[..at].iter().all(|byte| *byte == 0));
                assert_eq!(bytes[at..at + len], expected);
                assert_eq!(bytes[at + len], 0);
                assert_eq!(mask, after);
            }
        }
    }
}
