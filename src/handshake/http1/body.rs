//! The body of a response that refuses a handshake (RFC 9112, section 6). Its law: it keeps no
//! more than its limit, and ends as soon as its end is known.

use crate::frame::Input;
use crate::handshake::headers::Headers;
use crate::handshake::negotiation::only;
use alloc::vec::Vec;

/// Reads a body in pieces.
#[derive(Debug)]
pub(in crate::handshake) struct BodyReader {
    body: Vec<u8>,
    max_size: usize,
    framing: Framing,
}

/// How the end of the body is known (RFC 9112, section 6.3).
#[derive(Debug)]
enum Framing {
    /// So many octets are still to come.
    Length(u64),
    /// Octets of a chunk are to come.
    Chunk(u64),
    /// The end of a chunk, or a line with the size of the next, as far as it is there.
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
        let length = only(headers.iter(), "content-length").map(|value| value.map(decimal));
        let framing = match (headers.get("transfer-encoding"), length) {
            _ if status == 204 || status == 304 => Framing::Complete,
            (Some(coding), _) if coding.trim_ascii().eq_ignore_ascii_case(b"chunked") => {
                Framing::ChunkLine(Vec::new())
            }
            (Some(_), _) | (None, Ok(None)) => Framing::ToTheEnd,
            (None, Ok(Some(Some(0)))) => Framing::Complete,
            (None, Ok(Some(Some(length)))) => Framing::Length(length),
            // RFC 9112, section 6.3: a wrong length is beyond recovery.
            (None, Ok(Some(None)) | Err(_)) => Framing::Broken,
        };
        Self {
            body: Vec::new(),
            max_size,
            framing,
        }
    }

    /// Takes octets of the body; true if there is nothing more to wait for.
    pub(in crate::handshake) fn receive(&mut self, input: &mut Input<'_>) -> bool {
        loop {
            match &mut self.framing {
                Framing::Complete | Framing::Broken => return true,
                _ if input.is_empty() => return false,
                Framing::Length(remaining) | Framing::Chunk(remaining) => {
                    let n = usize::try_from(*remaining).unwrap_or(usize::MAX);
                    let octets = input.take(n);
                    *remaining -= octets.len() as u64;
                    if *remaining == 0 {
                        self.framing = match self.framing {
                            Framing::Chunk(_) => Framing::ChunkLine(Vec::new()),
                            _ => Framing::Complete,
                        };
                    }
                    self.keep(octets);
                }
                Framing::ToTheEnd => {
                    let octets = input.take_rest();
                    self.keep(octets);
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

    /// The body as far as it is there, and whether that is all of it. `ended` says whether the
    /// transport has ended.
    pub(in crate::handshake) fn finish(self, ended: bool) -> (Vec<u8>, bool) {
        let is_complete = match self.framing {
            Framing::Complete => true,
            Framing::ToTheEnd => ended,
            _ => false,
        };
        (self.body, is_complete)
    }

    fn keep(&mut self, octets: &[u8]) {
        let room = self.max_size - self.body.len();
        let fits = octets.len().min(room);
        self.body
            .extend_from_slice(octets.get(..fits).unwrap_or_default());
        if fits < octets.len() {
            self.framing = Framing::Broken; // cut off
        }
    }
}

/// What follows once a line with the size of a chunk is there (RFC 9112, section 7.1).
fn after_chunk_line(line: &[u8]) -> Option<Framing> {
    // The line end behind a chunk's data comes first, if there was one.
    let size = line.strip_prefix(b"\r\n").unwrap_or(line);
    match httparse::parse_chunk_size(size) {
        // The last chunk. Fields behind it are of no use: the transport is closed.
        Ok(httparse::Status::Complete((_, 0))) => Some(Framing::Complete),
        Ok(httparse::Status::Complete((_, size))) => Some(Framing::Chunk(size)),
        Ok(httparse::Status::Partial) if line.len() < MAX_CHUNK_LINE => None,
        _ if line == b"\r" || line == b"\r\n" => None,
        _ => Some(Framing::Broken),
    }
}

fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}
