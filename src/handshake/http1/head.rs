//! The head of a request or response (RFC 9112, section 2).
//!
//! Invariant: every byte is looked at once when it arrives, so a head in any pieces costs linear
//! time. A byte that no head may have, or one too many, is an error at once.

use crate::frame::Input;
use crate::handshake::error::HandshakeError;
use crate::handshake::fault::LineFault;
use crate::handshake::headers::{Field, Headers};
use crate::handshake::token::is_token_byte;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::Range;

/// Finds the end of a head in bytes that come in pieces.
pub(in crate::handshake) struct HeadReader {
    /// What has arrived of a head that was cut.
    kept: Vec<u8>,
    progress: Progress,
    max_size: usize,
    max_headers: usize,
}

impl fmt::Debug for HeadReader {
    /// Hides the bytes, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeadReader({} bytes)", self.kept.len())
    }
}

/// How far the reader has come in the head.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Bytes so far.
    size: usize,
    /// Lines that have ended, without empty ones before the first.
    lines: usize,
    /// Bytes of the line so far.
    line_len: usize,
    after_cr: bool,
}

impl Progress {
    /// The error for the next byte, or for a CR before it.
    const fn malformed(&self, fault: LineFault) -> HandshakeError {
        HandshakeError::Malformed {
            line: self.lines + 1,
            at: self.line_len,
            fault,
        }
    }
}

/// A head: its first line and its fields.
#[derive(Debug)]
pub(in crate::handshake) struct Head {
    first_line: Range<usize>,
    pub(in crate::handshake) headers: Headers,
}

impl Head {
    /// The request line or status line.
    pub(in crate::handshake) fn first_line(&self) -> &[u8] {
        self.headers.part(&self.first_line)
    }
}

impl HeadReader {
    pub(in crate::handshake) fn new(max_size: usize, max_headers: usize) -> Self {
        Self {
            kept: Vec::new(),
            progress: Progress::default(),
            // Places in a head have 32 bits.
            max_size: max_size.min(u32::MAX as usize),
            max_headers,
        }
    }

    /// Takes the bytes of a head and no more; `None` if its end has not arrived yet.
    pub(in crate::handshake) fn receive(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<Head>, HandshakeError> {
        let Some(len) = self.find_end(input.0)? else {
            self.kept.extend_from_slice(input.take_rest());
            return Ok(None);
        };
        let mut head = mem::take(&mut self.kept);
        head.extend_from_slice(input.take(len));
        // The application may keep it for long.
        head.shrink_to_fit();
        let lines = mem::take(&mut self.progress).lines;
        parse(head, lines).map(Some)
    }

    /// Looks for the end of the head, and returns the number of these bytes that belong to it.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let mut now = self.progress;
        let mut rest = bytes;
        loop {
            if !now.after_cr {
                let len = plain_len(rest);
                rest = rest.split_at(len).1;
                now.size += len;
                now.line_len += len;
                self.check_size(&now)?;
            }
            let Some((&byte, after)) = rest.split_first() else {
                self.progress = now;
                return Ok(None);
            };
            rest = after;
            if self.step(&mut now, byte)? {
                self.progress = now;
                return Ok(Some(bytes.len() - rest.len()));
            }
        }
    }

    fn check_size(&self, now: &Progress) -> Result<(), HandshakeError> {
        if now.size <= self.max_size {
            Ok(())
        } else if now.lines == 0 {
            Err(HandshakeError::TargetTooLong { max: self.max_size })
        } else {
            Err(HandshakeError::HeadTooLarge { max: self.max_size })
        }
    }

    /// Looks at one more byte; returns whether it ends the head.
    fn step(&self, now: &mut Progress, byte: u8) -> Result<bool, HandshakeError> {
        now.size += 1;
        self.check_size(now)?;
        match (byte, now.after_cr) {
            (b'\n', true) => {
                now.after_cr = false;
                if now.line_len == 0 {
                    // Empty lines before the first are skipped (RFC 9112, section 2.2).
                    return Ok(now.lines > 0);
                }
                if now.lines > self.max_headers {
                    let max = self.max_headers;
                    return Err(HandshakeError::TooManyHeaders { max });
                }
                now.lines += 1;
                now.line_len = 0;
            }
            (b'\r', false) => now.after_cr = true,
            // A line ends with CR and LF, and has no control bytes but tabs (RFC 9112, section
            // 2.2, and RFC 9110, section 5.5): decided here in the strict way.
            (_, true) => return Err(now.malformed(LineFault::BareCr)),
            (b'\n', false) => return Err(now.malformed(LineFault::BareLf)),
            (0..=8 | 11..=31 | 127, false) => return Err(now.malformed(LineFault::Control(byte))),
            _ => now.line_len += 1,
        }
        Ok(false)
    }
}

/// Reads a complete head with this number of lines.
fn parse(bytes: Vec<u8>, lines: usize) -> Result<Head, HandshakeError> {
    let mut head = &*bytes;
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    // Every CR of a head is before an LF, and there is at least one.
    let first_len = head.iter().position(|&byte| byte == b'\r');
    let (first_line, fields) = head.split_at(first_len.unwrap_or(head.len()));
    let fields = fields.strip_prefix(b"\r\n").unwrap_or_default();

    // Most heads have no more fields than these, and need no memory for them.
    let (mut few, mut many) = ([httparse::EMPTY_HEADER; 24], Vec::new());
    let parsed = match few.get_mut(..lines) {
        Some(few) => few,
        None => {
            many.resize(lines, httparse::EMPTY_HEADER);
            &mut many
        }
    };
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(fields, parsed)
    else {
        return Err(broken_field(fields));
    };
    // Places in the head instead of copies. An empty part may lie elsewhere.
    let place = |part: &[u8]| {
        let start = part.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
        if part.is_empty() {
            0..0
        } else {
            start as u32..(start + part.len()) as u32
        }
    };
    let fields = parsed.iter().map(|field| Field {
        name: place(field.name.as_bytes()),
        value: place(field.value),
    });
    let (first_line, fields) = (place(first_line), fields.collect());
    Ok(Head {
        first_line: first_line.start as usize..first_line.end as usize,
        headers: Headers::of_head(bytes, fields),
    })
}

/// The error for the first line that is no field: a token, a colon, and any value.
#[cold]
fn broken_field(fields: &[u8]) -> HandshakeError {
    let lines = fields.split(|&byte| byte == b'\n').zip(2..);
    let mut faults = lines.filter_map(|(text, line)| {
        let (at, fault) = line_fault(text.strip_suffix(b"\r").unwrap_or(text))?;
        Some(HandshakeError::Malformed { line, at, fault })
    });
    let error = faults.next();
    debug_assert!(error.is_some(), "the parser and this know the same rules");
    error.unwrap_or(HandshakeError::Malformed {
        line: 2,
        at: 0,
        fault: LineFault::NoColon,
    })
}

/// What is wrong with a line that is to be a field, and where.
fn line_fault(line: &[u8]) -> Option<(usize, LineFault)> {
    let at = line.iter().position(|&byte| !is_token_byte(byte));
    let (name, rest) = line.split_at(at.unwrap_or(line.len()));
    let fault = match rest {
        [b':', ..] if !name.is_empty() => return None,
        [b' ' | b'\t', ..] if name.is_empty() => LineFault::Folded,
        [b' ' | b'\t', ..] if rest.trim_ascii_start().starts_with(b":") => {
            LineFault::SpaceBeforeColon
        }
        [byte, ..] => LineFault::Name(*byte),
        [] => LineFault::NoColon,
    };
    Some((name.len(), fault))
}

/// The number of bytes before the first control byte. Eight are looked at in one step.
fn plain_len(bytes: &[u8]) -> usize {
    let (words, last) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let controls = controls(u64::from_le_bytes(*word));
        if controls != 0 {
            return 8 * index + controls.trailing_zeros() as usize / 8;
        }
    }
    let in_last = last.iter().position(u8::is_ascii_control);
    8 * words.len() + in_last.unwrap_or(last.len())
}

/// The lowest bit that is set is the top bit of the first control byte; 0 if there is none.
const fn controls(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    // A difference borrows from the byte above only where its own byte is one that is looked for.
    let below_space = word.wrapping_sub(ONES * 32) & !word;
    let delete = word ^ (ONES * 127);
    let delete = delete.wrapping_sub(ONES) & !delete;
    (below_space | delete) & (ONES * 128)
}
