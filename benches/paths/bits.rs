//! Writes DEFLATE (RFC 1951), one block after another.
//!
//! Invariant: what it writes is valid, and no encoder would write it.

/// Whole bytes, and the bits that do not fill one yet.
#[derive(Default)]
pub(crate) struct Bits {
    pub(crate) bytes: Vec<u8>,
    word: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u64, count: u32) {
        self.word |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.word as u8);
            self.word >>= 8;
            self.count -= 8;
        }
    }

    /// A Huffman code, which starts with its highest bit.
    fn code(&mut self, code: u32, count: u32) {
        self.put(u64::from(code.reverse_bits() >> (32 - count)), count);
    }

    fn align(&mut self) {
        self.put(0, (8 - self.count) % 8);
    }

    /// An empty stored block.
    pub(crate) fn stored(&mut self) {
        self.put(0, 3);
        self.align();
        self.bytes.extend([0, 0, 0xff, 0xff]);
    }

    /// A block with fixed codes.
    pub(crate) fn fixed(&mut self, bfinal: bool, content: impl FnOnce(&mut Self)) {
        self.put(u64::from(bfinal) | 1 << 1, 3);
        content(self);
        self.code(0, 7);
        if bfinal {
            self.align();
        }
    }

    pub(crate) fn literal(&mut self) {
        self.code(0x30 + u32::from(b'a'), 8);
    }

    /// The length of a match with fixed codes, 3 or 258, and the farthest distance.
    pub(crate) fn far_match(&mut self, is_long: bool) {
        match is_long {
            true => self.code(0b1100_0101, 8),
            false => self.code(1, 7),
        }
        self.code(29, 5);
        self.put((1 << 13) - 1, 13);
    }

    /// An empty block with codes for all literals, lengths and distances.
    pub(crate) fn dynamic(&mut self) {
        self.put(2 << 1, 3);
        // 286, 30 and 12 lengths follow.
        for (value, count) in [(29, 5), (29, 5), (8, 4)] {
            self.put(value, count);
        }
        // The codes of lengths: of 16 (again), 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4.
        for len in [1, 0, 0, 0, 2, 0, 3, 0, 0, 4, 0, 4] {
            self.put(len, 3);
        }
        let mut lengths = |code: (u32, u32), times: u32| {
            self.code(code.0, code.1);
            let mut rest = times - 1;
            while rest > 0 {
                let again = match rest {
                    7 | 8 => 4,
                    rest => rest.min(6),
                };
                self.code(0, 1);
                self.put(u64::from(again) - 3, 2);
                rest -= again;
            }
        };
        lengths((0b10, 2), 226); // 8 bits
        lengths((0b110, 3), 60); // 9 bits
        lengths((0b1110, 4), 1); // 4 bits, twice: no length is repeated once
        lengths((0b1110, 4), 1);
        lengths((0b1111, 4), 28); // 5 bits
        // The end of the block: the 31st code of 9 bits.
        self.code((226 << 1) + 30, 9);
    }
}
