//! Compressed messages (RFC 1951; RFC 7692, section 7.2), read and written by hand: neither by
//! the crate nor by a compression library; and the terms of a connection.
//!
//! Invariant: obviously right, never fast. Section numbers without a name are those of RFC 1951.

use sansocket::{Connection, Deflate, Extension};

// ---- settings and terms ----

/// The name of the extension (RFC 7692, section 7).
pub const NAME: &str = "permessage-deflate";

/// The settings with this change.
pub fn deflate(change: impl FnOnce(&mut Deflate)) -> Deflate {
    let mut deflate = Deflate::default();
    change(&mut deflate);
    deflate
}

/// The terms of two ends (RFC 7692, section 7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    pub server_no_context_takeover: bool,
    pub client_no_context_takeover: bool,
    pub server_max_window_bits: Option<u8>,
    pub client_max_window_bits: Option<u8>,
}

impl Params {
    /// The same for both directions.
    pub fn both_ways(window_bits: u8, no_context_takeover: bool) -> Self {
        assert!((8..=15).contains(&window_bits));
        Self {
            server_no_context_takeover: no_context_takeover,
            client_no_context_takeover: no_context_takeover,
            server_max_window_bits: Some(window_bits),
            client_max_window_bits: Some(window_bits),
        }
    }

    /// The element of a response with these terms.
    pub fn extension(&self) -> Extension {
        let bits = |bits: Option<u8>| bits.map(|bits| Some(bits.to_string()));
        let flag = |is_there: bool| is_there.then_some(None);
        let params = [
            (
                "server_no_context_takeover",
                flag(self.server_no_context_takeover),
            ),
            (
                "client_no_context_takeover",
                flag(self.client_no_context_takeover),
            ),
            ("server_max_window_bits", bits(self.server_max_window_bits)),
            ("client_max_window_bits", bits(self.client_max_window_bits)),
        ];
        let mut element = Extension::new(NAME).unwrap();
        for (name, value) in params {
            if let Some(value) = value {
                element = element.param(name, value.as_deref()).unwrap();
            }
        }
        element
    }

    /// The connection after a handshake that has agreed on this.
    pub fn agreed(&self, ws: Connection, deflate: &Deflate) -> Connection {
        ws.with_deflate(deflate, &self.extension()).unwrap()
    }
}

/// The size of a window of this many bits, in bytes; 15 bits without a number.
pub fn window_of(bits: Option<u8>) -> usize {
    1 << bits.unwrap_or(15)
}

// ---- the reader ----

/// The bytes that every payload leaves out: the end of an empty stored block (RFC 7692, section 7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The symbol that ends a block (section 3.2.5).
pub const END_OF_BLOCK: usize = 256;

/// The shortest length of each length symbol from 257 on, and its extra bits (section 3.2.5).
#[rustfmt::skip]
const LENGTHS: [(u16, u32); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1), (15, 1),
    (17, 1), (19, 2), (23, 2), (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3), (67, 4),
    (83, 4), (99, 4), (115, 4), (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
];

/// The least distance of each distance symbol, and its extra bits (section 3.2.5).
#[rustfmt::skip]
const DISTANCES: [(u16, u32); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3), (33, 4),
    (49, 4), (65, 5), (97, 5), (129, 6), (193, 6), (257, 7), (385, 7), (513, 8), (769, 8),
    (1025, 9), (1537, 9), (2049, 10), (3073, 10), (4097, 11), (6145, 11), (8193, 12),
    (12289, 12), (16385, 13), (24577, 13),
];

/// The order in which a dynamic block has the lengths of its code length codes (section 3.2.7).
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// The lengths of the distance codes of a fixed block (section 3.2.6).
pub const FIXED_DISTANCES: [u8; 32] = [5; 32];

/// The lengths of the literal and length codes of a fixed block (section 3.2.6).
pub fn fixed_literals() -> Vec<u8> {
    [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat()
}

/// Repeats `length` bytes from `distance` bytes back, which may include the new ones.
fn repeat(bytes: &mut Vec<u8>, length: usize, distance: usize) {
    for _ in 0..length {
        bytes.push(bytes[bytes.len() - distance]);
    }
}

/// Why a payload is not a compressed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

/// The number of blocks read, of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// Stored blocks of one byte or more.
    pub stored: usize,
    /// Stored blocks of no bytes, as each message has one at its end.
    pub empty: usize,
    /// Blocks with the fixed codes.
    pub fixed: usize,
    /// Blocks with their own codes.
    pub dynamic: usize,
    /// Blocks of any kind that end a DEFLATE stream: their BFINAL is 1.
    pub bfinal: usize,
}

/// Reads the compressed messages of one direction of a connection, one after the other. An
/// error ends them: what comes after it means nothing.
#[derive(Clone, Debug)]
pub struct Oracle {
    window: Vec<u8>,
    max_distance: usize,
    largest_distance: usize,
    blocks: Blocks,
}

impl Oracle {
    /// Reads messages whose matches reach back by `max_distance` bytes, the agreed window.
    pub fn new(max_distance: usize) -> Self {
        assert!((256..=32_768).contains(&max_distance), "a window");
        Self {
            window: Vec::new(),
            max_distance,
            largest_distance: 0,
            blocks: Blocks::default(),
        }
    }

    /// The largest distance of any match so far; 0 if there was none.
    pub fn largest_distance(&self) -> usize {
        self.largest_distance
    }

    /// The blocks so far.
    pub fn blocks(&self) -> Blocks {
        self.blocks
    }

    /// Inflates one message. No payload at all is an empty message and leaves the window alone.
    pub fn message(&mut self, payload: &[u8], context_takeover: bool) -> Result<Vec<u8>, Corrupt> {
        if payload.is_empty() {
            return Ok(Vec::new());
        }
        if !context_takeover {
            self.window.clear();
        }
        let bytes = [payload, &TAIL].concat();
        let mut bits = Bits(&bytes, 0);
        let start = self.window.len();
        while bits.1 < 8 * bytes.len() {
            self.block(&mut bits)?;
        }
        let message = self.window[start..].to_vec();
        let old = self.window.len().saturating_sub(self.max_distance);
        self.window.drain(..old);
        Ok(message)
    }

    /// One block (section 3.2.3). After the last one of a stream another stream starts.
    fn block(&mut self, bits: &mut Bits<'_>) -> Result<(), Corrupt> {
        let bfinal = bits.number(1)? == 1;
        match bits.number(2)? {
            0 => self.stored(bits)?,
            1 => {
                self.blocks.fixed += 1;
                let literals = CodeSet::new(&fixed_literals(), false)?;
                let distances = CodeSet::new(&FIXED_DISTANCES, false)?;
                self.symbols(bits, literals, distances)?;
            }
            2 => {
                self.blocks.dynamic += 1;
                let (literals, distances) = dynamic_sets(bits)?;
                self.symbols(bits, literals, distances)?;
            }
            _ => return Err(Corrupt("a reserved block type")),
        }
        if bfinal {
            self.blocks.bfinal += 1;
            bits.align();
        }
        Ok(())
    }

    /// The rest of a stored block (section 3.2.4).
    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), Corrupt> {
        bits.align();
        let len = bits.number(16)?;
        if len ^ bits.number(16)? != 0xffff {
            return Err(Corrupt("the two lengths of a stored block differ"));
        }
        for _ in 0..len {
            self.window.push(bits.number(8)? as u8);
        }
        match len {
            0 => self.blocks.empty += 1,
            _ => self.blocks.stored += 1,
        }
        Ok(())
    }

    /// The literals and matches of a block, to its end (section 3.2.3).
    fn symbols(
        &mut self,
        bits: &mut Bits<'_>,
        literals: CodeSet,
        distances: CodeSet,
    ) -> Result<(), Corrupt> {
        loop {
            let symbol = literals.symbol(bits)?;
            if symbol == END_OF_BLOCK {
                return Ok(());
            }
            if symbol < END_OF_BLOCK {
                self.window.push(symbol as u8);
                continue;
            }
            let length = LENGTHS.get(symbol - 257).ok_or(Corrupt("no length"))?;
            let length = usize::from(length.0) + bits.number(length.1)?;
            let symbol = distances.symbol(bits)?;
            let distance = DISTANCES.get(symbol).ok_or(Corrupt("no distance"))?;
            let distance = usize::from(distance.0) + bits.number(distance.1)?;
            if distance > self.max_distance {
                return Err(Corrupt("a distance beyond the agreed window"));
            }
            if distance > self.window.len() {
                return Err(Corrupt("a distance beyond the first byte"));
            }
            self.largest_distance = self.largest_distance.max(distance);
            repeat(&mut self.window, length, distance);
        }
    }
}

/// The codes of a dynamic block for literals and lengths, and for distances (section 3.2.7).
fn dynamic_sets(bits: &mut Bits<'_>) -> Result<(CodeSet, CodeSet), Corrupt> {
    let literals = 257 + bits.number(5)?;
    let distances = 1 + bits.number(5)?;
    let code_lengths = 4 + bits.number(4)?;
    if literals > 257 + LENGTHS.len() || distances > DISTANCES.len() {
        return Err(Corrupt("more codes than symbols"));
    }
    let mut lengths = [0; ORDER.len()];
    for &symbol in &ORDER[..code_lengths] {
        lengths[symbol] = bits.number(3)? as u8;
    }
    let set = CodeSet::new(&lengths, false)?;

    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match set.symbol(bits)? {
            16 if lengths.is_empty() => return Err(Corrupt("nothing to repeat")),
            16 => (lengths[lengths.len() - 1], 3 + bits.number(2)?),
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            length => (length as u8, 1),
        };
        lengths.extend(vec![length; times]);
    }
    if lengths.len() > literals + distances {
        return Err(Corrupt("a repeat past the end"));
    }
    if lengths[END_OF_BLOCK] == 0 {
        return Err(Corrupt("no code for the end of the block"));
    }
    let (literals, distances) = lengths.split_at(literals);
    Ok((
        CodeSet::new(literals, false)?,
        CodeSet::new(distances, true)?,
    ))
}

/// The bytes of a payload, and how many of their bits were read (section 3.1.1).
struct Bits<'a>(&'a [u8], usize);

impl Bits<'_> {
    /// A number of `count` bits, the lowest first.
    fn number(&mut self, count: u32) -> Result<usize, Corrupt> {
        let mut number = 0;
        for place in 0..count {
            let byte = self.0.get(self.1 / 8).ok_or(Corrupt("cut short"))?;
            number |= usize::from(byte >> (self.1 % 8) & 1) << place;
            self.1 += 1;
        }
        Ok(number)
    }

    /// Skips to the next byte, unless one starts here.
    fn align(&mut self) {
        self.1 = self.1.next_multiple_of(8);
    }
}

/// A set of codes (section 3.2.2): for each length the first code and the symbols, in order.
struct CodeSet(Vec<(usize, Vec<usize>)>);

impl CodeSet {
    /// The set in which each symbol has a code of this length in bits, or none if that is 0. Codes
    /// must fill their space; but distances may have no code at all, or one, of one bit.
    fn new(lengths: &[u8], for_distances: bool) -> Result<Self, Corrupt> {
        let mut rows = vec![(0, Vec::new())];
        let mut next = 0;
        for length in 1..=15 {
            let first = next * 2;
            let symbols = (0..lengths.len()).filter(|&symbol| lengths[symbol] == length);
            let symbols: Vec<_> = symbols.collect();
            next = first + symbols.len();
            rows.push((first, symbols));
        }
        let codes: usize = rows.iter().map(|(_, symbols)| symbols.len()).sum();
        let sparse = codes == 0 || codes == 1 && rows[1].1.len() == 1;
        match next {
            0x8001.. => Err(Corrupt("more codes than there is space for")),
            0x8000 => Ok(Self(rows)),
            _ if for_distances && sparse => Ok(Self(rows)),
            _ => Err(Corrupt("codes missing")),
        }
    }

    /// Reads a code, the highest bit first.
    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, Corrupt> {
        let mut code = 0;
        for (first, symbols) in &self.0[1..] {
            code = code * 2 + bits.number(1)?;
            // `code` is not below `first`: it would start with a shorter code, taken before.
            if let Some(symbol) = symbols.get(code - first) {
                return Ok(*symbol);
            }
        }
        Err(Corrupt("no such code"))
    }
}

// ---- the writer ----

/// A literal byte, or a repetition of earlier bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A byte.
    Literal(u8),
    /// 3 to 258 bytes, from 1 to 32,768 bytes back.
    Match { length: u16, distance: u16 },
}

/// A block to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Bytes as they are; more than 65,535 are written as several blocks.
    Stored(Vec<u8>),
    /// With the fixed codes.
    Fixed(Vec<Token>),
    /// With codes made for these tokens.
    Dynamic(Vec<Token>),
}

/// The payload of a message of these blocks, each with its BFINAL.
pub fn write_message(blocks: &[(Block, bool)]) -> Vec<u8> {
    let mut writer = BitWriter::default();
    for (block, bfinal) in blocks {
        writer.block(block, *bfinal);
    }
    writer.message()
}

/// The plain bytes of the tokens, which follow those of `history`.
pub fn expand(history: &[u8], tokens: &[Token]) -> Vec<u8> {
    let mut bytes = history.to_vec();
    for &token in tokens {
        match token {
            Token::Literal(byte) => bytes.push(byte),
            Token::Match { length, distance } => repeat(&mut bytes, length.into(), distance.into()),
        }
    }
    bytes.split_off(history.len())
}

/// A code and its length in bits.
pub type Code = (u32, u32);

/// The codes of the symbols that have these lengths (section 3.2.2), legal or not.
pub fn codes(lengths: &[u8]) -> Vec<Code> {
    let mut codes = vec![(0, 0); lengths.len()];
    let mut next = 0;
    for length in 1..=15 {
        next <<= 1;
        for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| **l == length) {
            codes[symbol] = (next, length.into());
            next += 1;
        }
    }
    codes
}

/// Writes bits: complete blocks, and parts of blocks that may be illegal.
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// The number of bits of the last byte that are not written yet.
    free: u32,
}

impl BitWriter {
    /// A number of `count` bits, the lowest first.
    pub fn bits(&mut self, value: u32, count: u32) {
        for place in 0..count {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let bit = (value >> place & 1) as u8;
            *self.bytes.last_mut().unwrap() |= bit << (8 - self.free);
            self.free -= 1;
        }
    }

    /// A Huffman code, its highest bit first.
    pub fn code(&mut self, (code, count): Code) {
        assert_ne!(count, 0, "the symbol has a code");
        for place in (0..count).rev() {
            self.bits(code >> place, 1);
        }
    }

    /// Zero bits to the next byte, unless one starts here.
    pub fn align(&mut self) {
        self.free = 0;
    }

    /// What was written, padded to the next byte.
    pub fn bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written, as the payload of a message: with the start of an empty stored block.
    pub fn message(mut self) -> Vec<u8> {
        self.bits(0, 3);
        self.bytes()
    }

    /// One block; after the last one of a stream zero bits to the next byte.
    pub fn block(&mut self, block: &Block, bfinal: bool) {
        match block {
            Block::Stored(bytes) => self.stored(bytes, bfinal),
            Block::Fixed(tokens) => {
                self.bits(bfinal.into(), 1);
                self.bits(1, 2);
                self.tokens(tokens, &fixed_literals(), &FIXED_DISTANCES);
            }
            Block::Dynamic(tokens) => {
                let (literals, distances) = lengths_for(tokens);
                self.bits(bfinal.into(), 1);
                self.bits(2, 2);
                self.dynamic_header(&literals, &distances);
                self.tokens(tokens, &literals, &distances);
            }
        }
        if bfinal {
            self.align();
        }
    }

    /// Stored blocks; the last one may be the last of its stream.
    fn stored(&mut self, bytes: &[u8], bfinal: bool) {
        let (piece, rest) = bytes.split_at(bytes.len().min(0xffff));
        self.bits((bfinal && rest.is_empty()).into(), 1);
        self.bits(0, 2);
        self.align();
        self.bits(piece.len() as u32, 16);
        self.bits(!piece.len() as u32, 16);
        self.bytes.extend(piece);
        if !rest.is_empty() {
            self.stored(rest, bfinal);
        }
    }

    /// What follows the type of a dynamic block up to its first code (section 3.2.7), from the
    /// lengths of its codes, legal or not.
    pub fn dynamic_header(&mut self, literals: &[u8], distances: &[u8]) {
        let runs = runs(&[literals, distances].concat());
        let mut frequencies = [0; ORDER.len()];
        frequencies[0] = 1; // so that there are two codes, even if all lengths are 0
        for &(symbol, ..) in &runs {
            frequencies[symbol] += 1;
        }
        let lengths = huffman_lengths(&frequencies, 7);
        let ordered = ORDER.map(|symbol| lengths[symbol]);
        let count = used(&ordered).max(4);
        self.bits(literals.len() as u32 - 257, 5);
        self.bits(distances.len() as u32 - 1, 5);
        self.bits(count as u32 - 4, 4);
        for &length in &ordered[..count] {
            self.bits(length.into(), 3);
        }
        let codes = codes(&lengths);
        for (symbol, extra, extra_bits) in runs {
            self.code(codes[symbol]);
            self.bits(extra, extra_bits);
        }
    }

    /// The tokens and the end of the block, in codes of these lengths.
    pub fn tokens(&mut self, tokens: &[Token], literals: &[u8], distances: &[u8]) {
        let alphabets = [codes(literals), codes(distances)];
        for (alphabet, symbol, extra, extra_bits) in tokens.iter().flat_map(symbols_of) {
            self.code(alphabets[alphabet][symbol]);
            self.bits(extra, extra_bits);
        }
        self.code(alphabets[0][END_OF_BLOCK]);
    }
}

/// The symbols of a token, each with its alphabet (0: literals and lengths, 1: distances), its
/// extra bits and their count.
fn symbols_of(token: &Token) -> Vec<(usize, usize, u32, u32)> {
    let find = |alphabet, table: &[(u16, u32)], first, value| {
        let at = table.iter().rposition(|&(least, _)| least <= value);
        let at = at.expect("lengths are 3 or more, distances 1 or more");
        let (least, extra_bits) = table[at];
        let extra = u32::from(value - least);
        assert_eq!(extra >> extra_bits, 0, "at most 258, at most 32,768");
        (alphabet, first + at, extra, extra_bits)
    };
    match *token {
        Token::Literal(byte) => vec![(0, byte.into(), 0, 0)],
        Token::Match { length, distance } => vec![
            find(0, &LENGTHS, 257, length),
            find(1, &DISTANCES, 0, distance),
        ],
    }
}

/// The lengths of codes made for these tokens: for literals and lengths, and for distances.
pub fn lengths_for(tokens: &[Token]) -> (Vec<u8>, Vec<u8>) {
    let mut frequencies = [vec![0; 257 + LENGTHS.len()], vec![0; DISTANCES.len()]];
    frequencies[0][END_OF_BLOCK] = 1;
    if tokens.is_empty() {
        // A single code would not fill its space.
        frequencies[0][0] = 1;
    }
    for (alphabet, symbol, ..) in tokens.iter().flat_map(symbols_of) {
        frequencies[alphabet][symbol] += 1;
    }
    let [mut literals, mut distances] = frequencies.map(|f| huffman_lengths(&f, 15));
    literals.truncate(used(&literals));
    distances.truncate(used(&distances).max(1));
    (literals, distances)
}

/// The number of lengths without the zeros at the end.
fn used(lengths: &[u8]) -> usize {
    let last = lengths.iter().rposition(|&length| length != 0);
    last.map_or(0, |last| last + 1)
}

/// The lengths of the best codes of at most `limit` bits, by package-merge: pairs of the
/// lightest are packed `limit` - 1 times, and each choice of a symbol is one bit of its code.
fn huffman_lengths(frequencies: &[u64], limit: u32) -> Vec<u8> {
    let used = (0..frequencies.len()).filter(|&symbol| frequencies[symbol] != 0);
    let single: Vec<_> = used.map(|s| (frequencies[s], vec![s])).collect();
    let mut row = Vec::new();
    for _ in 0..limit {
        let pairs = row.chunks_exact(2);
        let packed =
            pairs.map(|p: &[(u64, Vec<_>)]| (p[0].0 + p[1].0, [&p[0].1[..], &p[1].1].concat()));
        row = packed.chain(single.iter().cloned()).collect();
        row.sort();
    }
    // A single symbol has a code of one bit.
    row.truncate((2 * single.len()).saturating_sub(2).max(1));
    let mut lengths = vec![0; frequencies.len()];
    for symbol in row.into_iter().flat_map(|(_, symbols)| symbols) {
        lengths[symbol] += 1;
    }
    lengths
}

/// The lengths as symbols of the code length alphabet (section 3.2.7), each with its extra bits
/// and their count.
fn runs(lengths: &[u8]) -> Vec<(usize, u32, u32)> {
    let mut runs = Vec::new();
    for run in lengths.chunk_by(|a, b| a == b) {
        let length = usize::from(run[0]);
        let mut left = run.len() as u32;
        if length != 0 {
            runs.push((length, 0, 0));
            left -= 1;
        }
        while left != 0 {
            let (symbol, least, most, extra_bits) = match (length, left) {
                (0, 11..) => (18, 11, 138, 7),
                (0, 3..) => (17, 3, 10, 3),
                (_, 3..) => (16, 3, 6, 2),
                _ => (length, 1, 1, 0),
            };
            let count = left.min(most);
            runs.push((symbol, count - least, extra_bits));
            left -= count;
        }
    }
    runs
}
