//! Sessions: what a peer sends on an open connection, valid at first and then perhaps broken.
//!
//! Invariant: a seed makes one session, the same on every machine.

use crate::zlib::{Deflater, Inflater};
use fastrand::Rng;
use sansocket::Role;

pub struct Session {
    /// The role of the implementation under test.
    pub role: Role,
    /// Whether permessage-deflate was agreed on, without parameters.
    pub has_deflate: bool,
    pub bytes: Vec<u8>,
}

/// How likely a frame breaks a rule, as one in so many.
const BROKEN: u32 = 60;

impl Session {
    pub fn new(seed: u64, has_deflate: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let role = if random.bool() {
            Role::Server
        } else {
            Role::Client
        };
        let mut peer = Peer {
            role,
            bytes: Vec::new(),
            breaks: random.bool(),
            deflater: has_deflate
                .then(|| Deflater::new(random.i32(1..=9), 15, random.u8(0..8) == 0)),
            random,
        };
        for _ in 0..peer.random.u8(0..9) {
            match peer.random.u8(0..8) {
                0 => peer.control(0x89),
                1 => peer.control(0x8a),
                _ => peer.message(),
            }
        }
        if peer.one_in(3) {
            peer.close();
        }
        let mut bytes = peer.bytes;
        let mut random = peer.random;
        if random.u8(0..3) == 0 {
            mutate(&mut random, &mut bytes);
        }
        Self {
            role,
            has_deflate,
            bytes,
        }
    }
}

struct Peer {
    role: Role,
    bytes: Vec<u8>,
    breaks: bool,
    deflater: Option<Deflater>,
    random: Rng,
}

impl Peer {
    fn one_in(&mut self, n: u32) -> bool {
        self.random.u32(0..n) == 0
    }

    fn breaks(&mut self) -> bool {
        self.breaks && self.one_in(BROKEN)
    }

    fn len(&mut self) -> usize {
        match self.random.u8(..) {
            0 => self.random.usize(65_530..65_545),
            1..8 => self.random.usize(120..132),
            8..40 => self.random.usize(0..2_000),
            _ => self.random.usize(0..24),
        }
    }

    fn payload(&mut self, is_text: bool) -> Vec<u8> {
        let len = self.len();
        if !is_text {
            // Half of them compress.
            let most = if self.random.bool() { 255 } else { 3 };
            return (0..len).map(|_| self.random.u8(0..=most)).collect();
        }
        let mut text = String::new();
        while text.len() < len {
            let c = match self.random.u8(0..20) {
                0 => self.random.char('\0'..='\u{10ffff}'),
                1 => self.random.char('\u{80}'..='\u{7ff}'),
                2 => self.random.char('\u{ff00}'..='\u{10100}'),
                _ => self.random.char('a'..='e'),
            };
            text.push(c);
        }
        let mut text = text.into_bytes();
        if self.breaks() && !text.is_empty() {
            let at = self.random.usize(0..text.len());
            text[at] = self.random.u8(0x80..);
        }
        text
    }

    fn message(&mut self) {
        let is_text = self.random.bool();
        let mut payload = self.payload(is_text);
        let mut rsv1 = 0;
        if let Some(deflater) = &mut self.deflater
            && self.random.u8(0..4) > 0
        {
            rsv1 = 0x40;
            payload = deflater.message(&payload, &mut self.random);
            if payload.is_empty() {
                // RFC 7692, section 7.2.3.6: an empty message.
                payload.push(0);
            }
            if self.breaks() {
                mutate(&mut self.random, &mut payload);
            }
        }
        let fragments = if self.random.bool() {
            1
        } else {
            self.random.usize(1..5)
        };
        for number in 1..=fragments {
            while self.one_in(6) {
                let first = if self.random.bool() { 0x89 } else { 0x8a };
                self.control(first);
            }
            let is_last = number == fragments;
            let len = if is_last {
                payload.len()
            } else {
                self.random.usize(0..=payload.len())
            };
            let rest = payload.split_off(len);
            let opcode = match number {
                1 => (2 - u8::from(is_text)) | rsv1,
                _ => 0,
            };
            self.frame(opcode | u8::from(is_last) << 7, &payload);
            payload = rest;
        }
    }

    fn control(&mut self, first: u8) {
        let len = if self.breaks() {
            self.random.usize(120..130)
        } else {
            self.random.usize(0..20)
        };
        self.frame(first, &vec![b'p'; len]);
    }

    fn close(&mut self) {
        let code = match self.random.u8(0..6) {
            0 => self.random.u16(..),
            1 => self.random.u16(990..1020),
            2 => self.random.u16(3_000..5_000),
            _ => 1000,
        };
        let mut body = code.to_be_bytes().to_vec();
        let reason = self.payload(true);
        body.extend(&reason[..reason.len().min(60)]);
        body.truncate(self.random.usize(0..body.len() + 8));
        self.frame(0x88, &body);
        if self.random.bool() {
            self.message();
        }
    }

    fn frame(&mut self, mut first: u8, payload: &[u8]) {
        if self.breaks() {
            first ^= 1 << self.random.u8(0..8);
        }
        let mut is_masked = self.role == Role::Server;
        is_masked ^= self.breaks();
        let mask_bit = if is_masked { 0x80 } else { 0 };
        let mut form = match payload.len() {
            ..126 => 0,
            126..0x1_0000 => 2,
            _ => 8,
        };
        if self.breaks() {
            form = if payload.len() < 0x1_0000 && self.random.bool() {
                2
            } else {
                8
            };
        }
        let mut len = payload.len() as u64;
        if self.breaks() {
            len = if self.random.bool() {
                len + 1
            } else {
                self.random.u64(..)
            };
            form = if len < 126 { 0 } else { 8 };
        }
        self.bytes.push(first);
        match form {
            0 => self.bytes.push(mask_bit | len as u8),
            2 => {
                self.bytes.push(mask_bit | 126);
                self.bytes.extend((len as u16).to_be_bytes());
            }
            _ => {
                self.bytes.push(mask_bit | 127);
                self.bytes.extend(len.to_be_bytes());
            }
        }
        if is_masked {
            let key = self.random.u32(..).to_ne_bytes();
            self.bytes.extend(key);
            let bytes = payload.iter().zip(key.iter().cycle());
            self.bytes.extend(bytes.map(|(byte, key)| byte ^ key));
        } else {
            self.bytes.extend(payload);
        }
    }
}

/// Changes a few bytes, or their number.
pub fn mutate(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.u8(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(0..bytes.len());
        let end = (at + random.usize(0..12)).min(bytes.len());
        match random.u8(0..6) {
            0 | 1 => bytes[at] ^= 1 << random.u8(0..8),
            2 => bytes[at] = random.u8(..),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            _ => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

/// What a session has, as far as its frames can be read.
#[derive(Debug, Default)]
pub struct Traits {
    /// A compressed message without any byte.
    pub has_empty_compressed: bool,
    /// A control frame between the fragments of a compressed message.
    pub has_control_within_compressed: bool,
    /// RSV1 on the continuation of a compressed message.
    pub has_rsv1_on_continuation: bool,
    /// A final block in a compressed message.
    pub has_final_block: bool,
    /// The code of the first Close.
    pub close_code: Option<u16>,
    /// Whether that Close comes between the fragments of a message.
    pub has_close_within_message: bool,
}

impl Session {
    pub fn traits(&self) -> Traits {
        let (mut traits, mut rest) = (Traits::default(), &self.bytes[..]);
        let mut zlib = Inflater::new();
        // The compressed message under way.
        let mut compressed: Option<Vec<u8>> = None;
        let mut is_within = false;
        while let Some((first, payload)) = self.next_frame(&mut rest) {
            match first & 15 {
                8 if traits.close_code.is_none() => {
                    traits.close_code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    traits.has_close_within_message = is_within;
                }
                8.. => traits.has_control_within_compressed |= compressed.is_some(),
                1 | 2 => compressed = (first & 0x40 != 0).then_some(payload),
                _ => {
                    if let Some(message) = &mut compressed {
                        message.extend(payload);
                        traits.has_rsv1_on_continuation |= first & 0x40 != 0;
                    }
                }
            }
            if first & 8 == 0 {
                is_within = first & 0x80 == 0;
            }
            if first & 0x88 == 0x80
                && let Some(message) = compressed.take()
            {
                traits.has_empty_compressed |= message.is_empty();
                zlib.message(&message, 16 << 20);
            }
        }
        if let Some(message) = compressed {
            zlib.message(&message, 16 << 20);
        }
        traits.has_final_block = zlib.finals > 0;
        traits
    }

    /// The first byte and the payload of the next frame, perhaps cut; `None` if its header is cut.
    fn next_frame(&self, bytes: &mut &[u8]) -> Option<(u8, Vec<u8>)> {
        let ([first, second], rest) = bytes.split_first_chunk()?;
        let digits = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (len, rest) = rest.split_at_checked(digits)?;
        let len = match len {
            [] => u64::from(second & 0x7f),
            len => len.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
        };
        let keys = if self.role == Role::Server { 4 } else { 0 };
        let (key, rest) = rest.split_at_checked(keys)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
        let (payload, rest) = rest.split_at(len);
        *bytes = rest;
        let mut key = key.iter().cycle();
        let payload = payload.iter().map(|byte| byte ^ key.next().unwrap_or(&0));
        Some((*first, payload.collect()))
    }
}
