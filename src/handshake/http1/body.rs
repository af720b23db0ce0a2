//! The body of a response that refuses a handshake (RFC 9112, section 6).
//!
//! Invariant: it keeps no more than its limit, and ends as soon as its end is known.

use crate::frame::Input;
use crate::handshake::headers::Headers;
use crate::handshake::negotiation::list::Once;
use alloc::vec::Vec;
use core::fmt;

/// Reads a body in pieces.
pub(in crate::handshake) struct BodyReader {
    body: Vec<u8>,
    max_size: usize,
    framing: Framing,
}

impl fmt::Debug for BodyReader {
    /// Hides the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyReader({} bytes)", self.body.len())
    }
}

/// How the end of the body is known (RFC 9112, section 6.3).
enum Framing {
    /// The number of bytes still to come.
    Length(u64),
    /// The number of bytes still to come of a chunk.
    Chunk(u64),
    /// The end of a chunk, or a line with the size of the next, as far as it has arrived.
    ChunkLine(Vec<u8>),
    /// The end of the transport is the end of the body.
    ToTheEnd,
    /// All of it was read.
    Complete,
    /// The framing is broken: nothing more can be read.
    Broken,
}

/// The longest line with the size of a chunk.
const MAX_CHUNK_LINE: usize = 256;

impl BodyReader {
    pub(in crate::handshake) fn new(status: u16, headers: &Headers, max_size: usize) -> Self {
        let mut length = Once::Absent;
        for value in headers.get_all("content-length") {
            length.found(decimal(value.trim_ascii()));
        }
        let coding = headers.get_all("transfer-encoding").next();
        let framing = match (coding, length) {
            _ if status < 200 || status == 204 || status == 304 => Framing::Complete,
            (Some(coding), _) if coding.trim_ascii().eq_ignore_ascii_case(b"chunked") => {
                Framing::ChunkLine(Vec::new())
            }
            (Some(_), _) | (None, Once::Absent) => Framing::ToTheEnd,
            (None, Once::Found(Some(0))) => Framing::Complete,
            (None, Once::Found(Some(length))) => Framing::Length(length),
            // RFC 9112, section 6.3: a wrong length is beyond recovery.
            (None, Once::Found(None) | Once::Repeated(_)) => Framing::Broken,
        };
        Self {
            body: Vec::new(),
            max_size,
            framing,
        }
    }

    /// Takes bytes of the body; returns whether there is nothing more to wait for.
    pub(in crate::handshake) fn receive(&mut self, input: &mut Input<'_>) -> bool {
        loop {
            match &mut self.framing {
                Framing::Complete | Framing::Broken => return true,
                _ if input.is_empty() => return false,
                Framing::Length(remaining) | Framing::Chunk(remaining) => {
                    let n = usize::try_from(*remaining).unwrap_or(usize::MAX);
                    let bytes = input.take(n);
                    *remaining -= bytes.len() as u64;
                    if *remaining == 0 {
                        self.framing = match self.framing {
                            Framing::Chunk(_) => Framing::ChunkLine(Vec::new()),
                            _ => Framing::Complete,
                        };
                    }
                    self.keep(bytes);
                }
                Framing::ToTheEnd => {
                    let bytes = input.take_rest();
                    self.keep(bytes);
                }
                Framing::ChunkLine(line) => {
                    line.extend_from_slice(input.take(1));
                    if let Some(next) = after_chunk_line(line) {
                        self.framing = next;
                    }
                }
            }
        }
    }

    /// The body as far as it has arrived, and whether it is complete. `ended` says whether the
    /// transport has ended.
    pub(in crate::handshake) fn finish(self, ended: bool) -> (Vec<u8>, bool) {
        let is_complete = match self.framing {
            Framing::Complete => true,
            Framing::ToTheEnd => ended,
            _ => false,
        };
        (self.body, is_complete)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.max_size.saturating_sub(self.body.len());
        let (kept, cut_off) = bytes.split_at(bytes.len().min(room));
        if self.body.capacity() - self.body.len() < kept.len() {
            // Twice as much each time, up to the limit.
            let ahead = kept.len().max(self.body.len());
            self.body.reserve_exact(ahead.min(room));
        }
        self.body.extend_from_slice(kept);
        if !cut_off.is_empty() {
            self.framing = Framing::Broken;
        }
    }
}

/// What follows a line with the size of a chunk, once it is complete (RFC 9112, section 7.1).
fn after_chunk_line(line: &[u8]) -> Option<Framing> {
    if !line.ends_with(b"\n") && line.len() < MAX_CHUNK_LINE {
        // Once for each line: reading it at each byte would take quadratic time.
        return None;
    }
    // The line end after a chunk's data comes first, if there was one.
    let size = line.strip_prefix(b"\r\n").unwrap_or(line);
    match httparse::parse_chunk_size(size) {
        // The last chunk. Fields after it are of no use: the transport is closed.
        Ok(httparse::Status::Complete((_, 0))) => Some(Framing::Complete),
        Ok(httparse::Status::Complete((_, size))) => Some(Framing::Chunk(size)),
        Ok(httparse::Status::Partial) if line.len() < MAX_CHUNK_LINE => None,
        _ => Some(Framing::Broken),
    }
}

/// A number without a sign.
pub(in crate::handshake) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}
