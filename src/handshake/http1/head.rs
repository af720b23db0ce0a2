//! The head of a request or response (RFC 9112, section 2). Its law: every octet is looked at
//! once when it arrives, so a head in any pieces costs linear time, and one that no head may
//! have, or one too many, is an error at once.

use crate::frame::Input;
use crate::handshake::config::HandshakeConfig;
use crate::handshake::headers::{Field, Headers};
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

/// Finds the end of a head in octets that come in pieces.
#[derive(Debug)]
pub(in crate::handshake) struct HeadReader {
    /// What there is of a head that was cut.
    kept: Vec<u8>,
    progress: Progress,
    max_size: usize,
    max_headers: usize,
}

/// Where in the head the reader stands.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Octets so far.
    size: usize,
    /// Lines that have ended, without empty ones before the first.
    lines: usize,
    /// Octets of the line so far.
    line_len: usize,
    after_cr: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::handshake) enum HeadError {
    Malformed,
    /// The first line alone is longer than the limit.
    LineTooLong,
    TooLarge,
    TooManyHeaders,
}

/// A head: its first line and its fields.
#[derive(Debug)]
pub(in crate::handshake) struct Head {
    first_line: Range<usize>,
    pub(in crate::handshake) headers: Headers,
}

impl Head {
    pub(in crate::handshake) fn first_line(&self) -> &str {
        self.headers.text_at(&self.first_line)
    }
}

impl HeadReader {
    pub(in crate::handshake) fn new(config: &HandshakeConfig) -> Self {
        Self {
            kept: Vec::new(),
            progress: Progress::default(),
            max_size: config.max_head_size,
            max_headers: config.max_headers,
        }
    }

    /// Takes the octets of a head and no more; `None` if its end is not there yet.
    pub(in crate::handshake) fn receive(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<Head>, HeadError> {
        let Some(len) = self.find_end(input.remaining())? else {
            self.kept.extend_from_slice(input.take_rest());
            return Ok(None);
        };
        let mut head = mem::take(&mut self.kept);
        head.extend_from_slice(input.take(len));
        let lines = mem::take(&mut self.progress).lines;
        parse(head, lines).map(Some)
    }

    /// Goes on to the end of the head, and returns how many of these octets belong to it.
    fn find_end(&mut self, octets: &[u8]) -> Result<Option<usize>, HeadError> {
        let mut now = self.progress;
        let mut rest = octets;
        loop {
            if !now.after_cr {
                let len = plain_len(rest);
                rest = rest.get(len..).unwrap_or_default();
                now.size += len;
                now.line_len += len;
                self.check_size(&now)?;
            }
            let Some((&octet, behind)) = rest.split_first() else {
                self.progress = now;
                return Ok(None);
            };
            rest = behind;
            if self.step(&mut now, octet)? {
                self.progress = now;
                return Ok(Some(octets.len() - rest.len()));
            }
        }
    }

    fn check_size(&self, now: &Progress) -> Result<(), HeadError> {
        if now.size <= self.max_size {
            Ok(())
        } else if now.lines == 0 {
            Err(HeadError::LineTooLong)
        } else {
            Err(HeadError::TooLarge)
        }
    }

    /// One more octet; true if it ends the head.
    fn step(&self, now: &mut Progress, octet: u8) -> Result<bool, HeadError> {
        now.size += 1;
        self.check_size(now)?;
        match (octet, now.after_cr) {
            (b'\n', true) => {
                now.after_cr = false;
                if now.line_len == 0 {
                    // Empty lines before the first are skipped (RFC 9112, section 2.2).
                    return Ok(now.lines > 0);
                }
                if now.lines > self.max_headers {
                    return Err(HeadError::TooManyHeaders);
                }
                now.lines += 1;
                now.line_len = 0;
            }
            (b'\r', false) => now.after_cr = true,
            // A line ends with CR and LF, and has no control octets but tabs (RFC 9112, section
            // 2.2, and RFC 9110, section 5.5): decided here in the strict way.
            (_, true) | (0..=8 | 10..=31 | 127, false) => return Err(HeadError::Malformed),
            _ => now.line_len += 1,
        }
        Ok(false)
    }
}

/// Reads a whole head of that many lines.
fn parse(octets: Vec<u8>, lines: usize) -> Result<Head, HeadError> {
    let mut head = &*octets;
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    let first_len = head.windows(2).position(|pair| pair == b"\r\n");
    let (first_line, fields) = head.split_at(first_len.ok_or(HeadError::Malformed)?);
    core::str::from_utf8(first_line).map_err(|_| HeadError::Malformed)?;

    let mut parsed = vec![httparse::EMPTY_HEADER; lines];
    let fields = fields.get(2..).unwrap_or_default();
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(fields, &mut parsed)
    else {
        return Err(HeadError::Malformed);
    };
    // Where they stand, so that none is copied. What is empty may lie elsewhere.
    let place = |part: &[u8]| {
        let start = part.as_ptr().addr().wrapping_sub(octets.as_ptr().addr());
        if part.is_empty() {
            0..0
        } else {
            start..start + part.len()
        }
    };
    let fields = parsed.iter().map(|field| Field {
        name: place(field.name.as_bytes()),
        value: place(field.value),
    });
    let (first_line, fields) = (place(first_line), fields.collect());
    Ok(Head {
        first_line,
        headers: Headers::of_head(octets, fields),
    })
}

/// How many octets stand before the first control octet; eight are looked at in one step.
fn plain_len(octets: &[u8]) -> usize {
    let (words, last) = octets.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let controls = controls(u64::from_le_bytes(*word));
        if controls != 0 {
            return 8 * index + controls.trailing_zeros() as usize / 8;
        }
    }
    let in_last = last.iter().position(u8::is_ascii_control);
    8 * words.len() + in_last.unwrap_or(last.len())
}

/// The lowest bit that is set is the top bit of the first control octet; 0 if there is none.
const fn controls(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    // A difference borrows from the octet above only where its own octet is one that is looked for.
    let below_space = word.wrapping_sub(ONES * 32) & !word;
    let delete = word ^ (ONES * 127);
    let delete = delete.wrapping_sub(ONES) & !delete;
    (below_space | delete) & (ONES * 128)
}

/// `HTTP/` digit `.` digit (RFC 9112, section 2.3).
pub(in crate::handshake) fn http_version(text: &str) -> Option<(u8, u8)> {
    match *text.as_bytes().strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}
