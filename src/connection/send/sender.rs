//! Messages to bytes (RFC 6455, sections 5 and 6.1).
//!
//! Invariant: a frame is appended completely or not at all, and the fragments of two messages never
//! mix.

use super::data::Data;
use super::prepared::Prepared;
use crate::connection::error::SendError;
use crate::deflate::{Cached, Compression};
use crate::frame::{Header, MAX_CONTROL_LEN, Mask, MaskingKeys, Opcode, Role};
use bytes::{Bytes, BytesMut};

/// What may be sent.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing yet: the opening handshake is not complete.
    NotYetOpen,
    /// A message may start.
    Between,
    /// A message of this type is being sent in pieces.
    Within(Opcode),
    /// No further message.
    Stopped,
}

/// The sending half of a connection.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Only a client has them; a server does not mask.
    keys: Option<MaskingKeys>,
    phase: Phase,
    compression: Compression,
}

impl Sender {
    pub(crate) const fn new(keys: Option<MaskingKeys>, is_open: bool) -> Self {
        Self {
            keys,
            phase: if is_open {
                Phase::Between
            } else {
                Phase::NotYetOpen
            },
            compression: Compression::OFF,
        }
    }

    /// Which side sends: only a client has masking keys.
    #[inline]
    pub(crate) const fn role(&self) -> Role {
        match self.keys {
            Some(_) => Role::Client,
            None => Role::Server,
        }
    }

    /// The opening handshake is complete.
    pub(crate) const fn open(&mut self) {
        if let Phase::NotYetOpen = self.phase {
            self.phase = Phase::Between;
        }
    }

    /// Lets messages be sent compressed from now on.
    pub(crate) fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// Whether messages may be sent compressed.
    #[inline]
    pub(crate) const fn compresses(&self) -> bool {
        self.compression.is_agreed()
    }

    /// Stops sending messages, and drops everything that is kept.
    pub(crate) fn stop(&mut self) {
        self.phase = Phase::Stopped;
        self.compression = Compression::OFF;
    }

    /// Whether something may be sent.
    #[inline]
    pub(crate) const fn check_open(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Between | Phase::Within(_) => Ok(()),
            Phase::NotYetOpen => Err(SendError::NotYetOpen),
            Phase::Stopped => Err(SendError::Closed),
        }
    }

    /// Whether a message may start.
    #[inline]
    const fn check_between(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Between => Ok(()),
            _ => Err(self.not_between()),
        }
    }

    #[cold]
    const fn not_between(&self) -> SendError {
        match self.check_open() {
            Ok(()) => SendError::MessageUnfinished,
            Err(error) => error,
        }
    }

    /// Appends a complete message. Inlined with its callees: short server messages take a quarter
    /// fewer instructions.
    #[inline(always)]
    pub(crate) fn message(
        &mut self,
        data: Data<'_>,
        compress: bool,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.check_between()?;
        if let Data::Prepared(prepared) = data {
            self.prepared(prepared, compress, out);
            return Ok(());
        }
        let (opcode, payload) = data.parts();
        self.complete(opcode, payload, compress, out);
        Ok(())
    }

    #[inline(always)]
    fn complete(&mut self, opcode: Opcode, payload: &[u8], compress: bool, out: &mut BytesMut) {
        if self.compresses() {
            self.message_or_compressed(opcode, payload, compress, out);
        } else {
            self.frame(opcode, true, payload, out);
        }
    }

    #[inline]
    fn prepared(&mut self, prepared: &Prepared, compress: bool, out: &mut BytesMut) {
        match self.shared_frame(prepared, compress) {
            Some(frame) => out.extend_from_slice(frame),
            None => self.complete(prepared.opcode(), prepared.payload(), compress, out),
        }
    }

    /// The frame of a prepared message.
    #[inline]
    pub(crate) fn share(
        &mut self,
        prepared: &Prepared,
        compress: bool,
    ) -> Result<Bytes, SendError> {
        self.check_between()?;
        if let Some(frame) = self.shared_frame(prepared, compress) {
            return Ok(frame.clone());
        }
        let mut own = BytesMut::new();
        self.complete(prepared.opcode(), prepared.payload(), compress, &mut own);
        Ok(own.freeze())
    }

    /// The frame that this connection shares with others; `None` if it needs one of its own.
    #[inline]
    fn shared_frame<'p>(&self, prepared: &'p Prepared, compress: bool) -> Option<&'p Bytes> {
        if self.keys.is_some() {
            return None;
        }
        if self.compresses() {
            return self.shared_compressed(prepared, compress);
        }
        Some(prepared.plain())
    }

    #[cold]
    fn shared_compressed<'p>(&self, prepared: &'p Prepared, compress: bool) -> Option<&'p Bytes> {
        if !self.may_compress(prepared.len(), compress) {
            return Some(prepared.plain());
        }
        match prepared.compressed(&self.compression) {
            Cached::Own => None,
            Cached::Plain => Some(prepared.plain()),
            Cached::Compressed(frame) => Some(frame),
        }
    }

    /// Appends a complete message, except its payload if that may follow unchanged. Returns whether
    /// it must follow.
    #[inline]
    pub(crate) fn apart(
        &mut self,
        data: Data<'_>,
        compress: bool,
        out: &mut BytesMut,
    ) -> Result<bool, SendError> {
        let (opcode, payload) = data.parts();
        let follows = self.keys.is_none() && !self.may_compress(payload.len(), compress);
        if follows {
            self.check_between()?;
            append_header(opcode, true, None, payload.len(), out);
        } else {
            self.message(data, compress, out)?;
        }
        Ok(follows)
    }

    /// Whether to compress a message of this length that starts now, or at least to try.
    #[inline]
    fn may_compress(&self, len: usize, compress: bool) -> bool {
        self.compresses() && compress && self.compression.is_worth(len)
    }

    /// Appends a piece of a message as a fragment, or the message if it is the only one.
    pub(crate) fn piece(
        &mut self,
        data: Data<'_>,
        is_last: bool,
        compress: bool,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.check_open()?;
        let (opcode, payload) = data.parts();
        let (frame_opcode, is_compressed) = match self.phase {
            Phase::Within(started) if started != opcode => return Err(SendError::OtherType),
            Phase::Within(_) => (Opcode::Continuation, self.compression.is_under_way()),
            _ if is_last => return self.message(data, compress, out),
            _ => (opcode, self.compresses() && compress),
        };
        self.phase = if is_last {
            Phase::Between
        } else {
            Phase::Within(opcode)
        };
        if is_compressed {
            self.compressed_frame(frame_opcode, is_last, payload, out);
        } else {
            self.frame(frame_opcode, is_last, payload, out);
        }
        Ok(())
    }

    /// Appends a control frame, also between the fragments of a message. The payload has at most
    /// [`MAX_CONTROL_LEN`] bytes: its length was checked, or it came in a control frame.
    pub(crate) fn control(&mut self, opcode: Opcode, payload: &[u8], out: &mut BytesMut) {
        debug_assert!(payload.len() <= MAX_CONTROL_LEN);
        self.frame(opcode, true, payload, out);
    }

    #[inline(always)]
    fn frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8], out: &mut BytesMut) {
        out.reserve(Header::MAX_LEN + payload.len());
        match &mut self.keys {
            None => {
                append_header(opcode, fin, None, payload.len(), out);
                out.extend_from_slice(payload);
            }
            Some(keys) => append_masked(opcode, fin, keys, payload, out),
        }
    }

    /// Appends a complete message in the better form, compressed or not (RFC 7692, section 6.1).
    #[cold]
    fn message_or_compressed(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        compress: bool,
        out: &mut BytesMut,
    ) {
        let start = out.len();
        if self.may_compress(payload.len(), compress) {
            let compressed_len = self.compressed_frame(opcode, true, payload, out);
            if compressed_len < payload.len() || !self.compression.forgets() {
                return;
            }
            out.truncate(start);
        }
        self.frame(opcode, true, payload, out);
    }

    /// Appends a frame with `part` compressed; returns the length of its payload.
    fn compressed_frame(
        &mut self,
        opcode: Opcode,
        fin: bool,
        part: &[u8],
        out: &mut BytesMut,
    ) -> usize {
        // The length is known only after compressing, so the header is encoded after the payload,
        // and then moved in front of it.
        let start = out.len();
        let gap_end = start + Header::MAX_LEN;
        out.resize(gap_end, 0);
        self.compression.compress(part, fin, out);
        let masking_key = self.keys.as_mut().map(MaskingKeys::next_key);
        let payload_len = out.len() - gap_end;
        if let (Some(key), Some(payload)) = (masking_key, out.get_mut(gap_end..)) {
            Mask::new(key).apply(payload);
        }
        let header = Header {
            fin,
            rsv1: opcode != Opcode::Continuation,
            opcode,
            masking_key,
            payload_len: payload_len as u64,
        };
        let payload_end = out.len();
        header.encode(out);
        let header_start = gap_end - (out.len() - payload_end);
        out.copy_within(payload_end.., header_start);
        out.copy_within(header_start..payload_end, start);
        out.truncate(start + payload_end - header_start);
        payload_len
    }
}

/// Appends a client's frame. A function of its own, so that the code for a server stays short.
fn append_masked(
    opcode: Opcode,
    fin: bool,
    keys: &mut MaskingKeys,
    payload: &[u8],
    out: &mut BytesMut,
) {
    let key = keys.next_key();
    append_header(opcode, fin, Some(key), payload.len(), out);
    Mask::new(key).append(payload, out);
}

#[inline]
fn append_header(
    opcode: Opcode,
    fin: bool,
    masking_key: Option<[u8; 4]>,
    len: usize,
    out: &mut BytesMut,
) {
    let header = Header {
        fin,
        rsv1: false,
        opcode,
        masking_key,
        payload_len: len as u64,
    };
    header.encode(out);
}
