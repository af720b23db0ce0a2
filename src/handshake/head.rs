//! The head of a request or response (RFC 9112, section 2). Its law: every octet is looked at
//! once when it arrives, so a head in any pieces costs linear time, and one that no head may
//! have, or one too many, is an error at once.

use super::config::HandshakeConfig;
use crate::headers::{Field, Headers, is_token_octet};
use crate::input::Input;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

/// Finds the end of a head in octets that come in pieces.
#[derive(Debug)]
pub(super) struct HeadReader {
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
pub(super) enum HeadError {
    Malformed,
    /// The first line alone is longer than the limit.
    LineTooLong,
    TooLarge,
    TooManyHeaders,
}

/// A head: its first line and its fields.
#[derive(Debug)]
pub(super) struct Head {
    first_line: Range<usize>,
    pub(super) headers: Headers,
}

impl Head {
    pub(super) fn first_line(&self) -> &str {
        self.headers.text_at(&self.first_line)
    }
}

impl HeadReader {
    pub(super) fn new(config: &HandshakeConfig) -> Self {
        Self {
            kept: Vec::new(),
            progress: Progress::default(),
            max_size: config.max_head_size,
            max_headers: config.max_headers,
        }
    }

    /// Takes the octets of a head and no more; `None` if its end is not there yet.
    pub(super) fn receive(&mut self, input: &mut Input<'_>) -> Result<Option<Head>, HeadError> {
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

/// Reads a whole head of that many lines. That each ends with CR and LF, and that they have no
/// control octets but tabs, is known.
fn parse(octets: Vec<u8>, lines: usize) -> Result<Head, HeadError> {
    let mut cursor = Cursor {
        octets: &octets,
        at: 0,
    };
    let mut first_line = cursor.line();
    while first_line.is_empty() && lines > 0 {
        first_line = cursor.line();
    }
    let mut fields = Vec::with_capacity(lines);
    for _ in 1..lines {
        fields.push(cursor.field()?);
    }
    let text = octets.get(first_line.clone()).unwrap_or_default();
    core::str::from_utf8(text).map_err(|_| HeadError::Malformed)?;
    Ok(Head {
        first_line,
        headers: Headers::of_head(octets, fields),
    })
}

/// Reads the lines of a head.
struct Cursor<'h> {
    octets: &'h [u8],
    at: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &[u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    /// The next line, or what is left of this one.
    fn line(&mut self) -> Range<usize> {
        let start = self.at;
        let mut end = start + plain_len(self.rest());
        while self.octets.get(end) == Some(&b'\t') {
            self.at = end + 1;
            end = self.at + plain_len(self.rest());
        }
        self.at = end + 2;
        start..end
    }

    /// RFC 9112, section 5: a token, a colon without space before it, and a value, around which space
    /// does not count.
    fn field(&mut self) -> Result<Field, HeadError> {
        let start = self.at;
        let name_len = self.rest().iter().position(|&octet| !is_token_octet(octet));
        let colon = start + name_len.unwrap_or_default();
        if colon == start || self.octets.get(colon) != Some(&b':') {
            return Err(HeadError::Malformed);
        }
        self.at = colon + 1;
        let value = self.line();
        let octets = self.octets.get(value.clone()).unwrap_or_default();
        let octets = octets.trim_ascii_end();
        let end = value.start + octets.len();
        Ok(Field {
            name: start..colon,
            value: end - octets.trim_ascii_start().len()..end,
        })
    }
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
pub(super) fn http_version(text: &str) -> Option<(u8, u8)> {
    match *text.as_bytes().strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}
