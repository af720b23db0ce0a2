//! The head of a request or response (RFC 9112, section 2). Its law: every octet is looked at
//! once when it arrives, so a head in any pieces costs linear time, and one that no head may
//! have, or one too many, is an error at once.

use super::config::HandshakeConfig;
use crate::headers::Headers;
use crate::input::Input;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

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
    pub(super) first_line: String,
    pub(super) headers: Headers,
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
        let mut progress = self.progress;
        for (index, &octet) in input.remaining().iter().enumerate() {
            if !self.step(&mut progress, octet)? {
                continue;
            }
            let last = input.take(index + 1);
            let head = if self.kept.is_empty() {
                Cow::Borrowed(&*last)
            } else {
                self.kept.extend_from_slice(last);
                Cow::Owned(core::mem::take(&mut self.kept))
            };
            self.progress = Progress::default();
            return parse(&head, progress.lines).map(Some);
        }
        self.progress = progress;
        self.kept.extend_from_slice(input.take_rest());
        Ok(None)
    }

    /// One more octet; true if it ends the head.
    fn step(&self, now: &mut Progress, octet: u8) -> Result<bool, HeadError> {
        now.size += 1;
        if now.size > self.max_size {
            return Err(if now.lines == 0 {
                HeadError::LineTooLong
            } else {
                HeadError::TooLarge
            });
        }
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
fn parse(mut head: &[u8], lines: usize) -> Result<Head, HeadError> {
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    let first_len = head.windows(2).position(|pair| pair == b"\r\n");
    let (first_line, fields) = head.split_at(first_len.ok_or(HeadError::Malformed)?);
    let first_line = core::str::from_utf8(first_line).map_err(|_| HeadError::Malformed)?;

    let mut parsed = vec![httparse::EMPTY_HEADER; lines];
    let fields = fields.get(2..).unwrap_or_default();
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(fields, &mut parsed)
    else {
        return Err(HeadError::Malformed);
    };
    let mut headers = Headers::with_capacity(parsed.len(), fields.len());
    for field in parsed {
        headers.push_checked(field.name, field.value);
    }
    Ok(Head {
        first_line: first_line.into(),
        headers,
    })
}

/// `HTTP/` digit `.` digit (RFC 9112, section 2.3).
pub(super) fn http_version(text: &str) -> Option<(u8, u8)> {
    match *text.as_bytes().strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'9', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}
