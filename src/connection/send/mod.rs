//! Messages to octets (RFC 6455, sections 5 and 6.1). Its law: a frame is appended whole or not
//! at all, and the fragments of two messages never mix.

use crate::connection::SendError;
#[cfg(feature = "deflate")]
use crate::deflate::Compression;
use crate::frame::{Header, MAX_CONTROL_LEN, Mask, MaskingKeys, Opcode};
use bytes::{Bytes, BytesMut};

mod prepared;

pub use prepared::Prepared;

/// The data of a fragment: all fragments of a message are of one type.
///
/// Text is `str`, so that a message cannot be sent that is not UTF-8 (RFC 6455, section 5.6).
/// Made from `&str` and from `&[u8]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "RFC 6455, section 5.6, has two types of data"
)]
pub enum Data<'a> {
    /// A part of a text message.
    Text(&'a str),
    /// A part of a binary message.
    Binary(&'a [u8]),
}

impl<'a> Data<'a> {
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }

    pub(crate) const fn octets(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }
}

impl<'a> From<&'a str> for Data<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Binary(data)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Data<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(data)
    }
}

/// What may be sent.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// A message may begin.
    Between,
    /// The fragments of a message of this type are under way.
    Within(Opcode),
    /// No message any more.
    Stopped,
}

/// The sending half of a connection.
#[derive(Debug)]
pub(crate) struct Sender {
    /// A client's; a server does not mask.
    keys: Option<MaskingKeys>,
    phase: Phase,
    #[cfg(feature = "deflate")]
    compression: Compression,
    /// Whether the application wants its messages compressed.
    #[cfg(feature = "deflate")]
    wants_compression: bool,
}

impl Sender {
    pub(crate) const fn new(keys: Option<MaskingKeys>) -> Self {
        Self {
            keys,
            phase: Phase::Between,
            #[cfg(feature = "deflate")]
            compression: Compression::OFF,
            #[cfg(feature = "deflate")]
            wants_compression: true,
        }
    }

    /// From now on messages may be sent compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
    }

    /// Whether messages may be sent compressed.
    #[cfg(feature = "deflate")]
    #[inline]
    pub(crate) const fn compresses(&self) -> bool {
        self.compression.is_agreed()
    }

    /// Whether messages that begin from now on are to be compressed.
    #[cfg(feature = "deflate")]
    pub(crate) const fn want_compression(&mut self, wants: bool) {
        self.wants_compression = wants;
    }

    /// Drops all that is kept: no message will be sent any more.
    pub(crate) fn stop(&mut self) {
        self.phase = Phase::Stopped;
        #[cfg(feature = "deflate")]
        self.set_compression(Compression::OFF);
    }

    /// Appends a whole message. It goes into the caller with all that it is made of: a server's short
    /// one takes a quarter fewer instructions so.
    #[inline(always)]
    pub(crate) fn message(
        &mut self,
        opcode: Opcode,
        octets: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        self.check_between()?;
        self.whole(opcode, octets, out);
        Ok(())
    }

    #[inline(always)]
    fn whole(&mut self, opcode: Opcode, octets: &[u8], out: &mut BytesMut) {
        #[cfg(feature = "deflate")]
        if self.compresses() {
            self.message_or_compressed(opcode, octets, out);
            return;
        }
        self.frame(opcode, true, octets, out);
    }

    /// Appends a whole message that is prepared.
    #[inline]
    pub(crate) fn prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        match self.shared_frame(prepared)? {
            Some(frame) => out.extend_from_slice(frame),
            None => self.whole(prepared.opcode(), prepared.payload(), out),
        }
        Ok(())
    }

    /// The frame of a whole message that is prepared.
    #[inline]
    pub(crate) fn share(&mut self, prepared: &Prepared) -> Result<Bytes, SendError> {
        if let Some(frame) = self.shared_frame(prepared)? {
            return Ok(frame.clone());
        }
        let mut own = BytesMut::new();
        self.whole(prepared.opcode(), prepared.payload(), &mut own);
        Ok(own.freeze())
    }

    /// The frame that this connection sends as others do; `None` if it needs one of its own.
    #[inline]
    fn shared_frame<'p>(&self, prepared: &'p Prepared) -> Result<Option<&'p Bytes>, SendError> {
        self.check_between()?;
        if self.keys.is_some() {
            return Ok(None);
        }
        #[cfg(feature = "deflate")]
        if self.may_compress(prepared.payload_len()) {
            return Ok(prepared.compressed(&self.compression));
        }
        Ok(Some(prepared.plain()))
    }

    /// Appends a whole message, but for its payload if that may follow as it is. Returns whether it
    /// is to follow.
    #[inline]
    pub(crate) fn apart(
        &mut self,
        opcode: Opcode,
        octets: &[u8],
        out: &mut BytesMut,
    ) -> Result<bool, SendError> {
        self.check_between()?;
        let follows = self.keys.is_none() && !self.may_compress(octets.len());
        if follows {
            append_header(opcode, true, None, octets.len(), out);
        } else {
            self.whole(opcode, octets, out);
        }
        Ok(follows)
    }

    /// Appends a whole message, but for its payload if that is not compressed; it is masked where it
    /// lies, if it must be. Returns whether it is to follow.
    pub(crate) fn in_place(
        &mut self,
        opcode: Opcode,
        payload: &mut [u8],
        out: &mut BytesMut,
    ) -> Result<bool, SendError> {
        self.check_between()?;
        #[cfg(feature = "deflate")]
        if self.may_compress(payload.len()) {
            self.message_or_compressed(opcode, payload, out);
            return Ok(false);
        }
        let masking_key = self.keys.as_mut().map(MaskingKeys::next_key);
        append_header(opcode, true, masking_key, payload.len(), out);
        if let Some(key) = masking_key {
            Mask::new(key).apply(payload);
        }
        Ok(true)
    }

    /// Whether a message of so many octets that begins now is to be compressed, or at least tried.
    #[inline]
    fn may_compress(&self, len: usize) -> bool {
        #[cfg(feature = "deflate")]
        return self.compresses() && self.wants_compression && self.compression.is_worth(len);
        #[cfg(not(feature = "deflate"))]
        {
            let _ = len;
            false
        }
    }

    /// Whether a message may begin.
    #[inline]
    const fn check_between(&self) -> Result<(), SendError> {
        match self.phase {
            Phase::Between => Ok(()),
            _ => Err(self.not_between()),
        }
    }

    #[cold]
    const fn not_between(&self) -> SendError {
        match self.phase {
            Phase::Stopped => SendError::NotOpen,
            _ => SendError::MessageUnfinished,
        }
    }

    /// Appends the first fragment of a message, which is not its last.
    pub(crate) fn first(&mut self, data: Data<'_>, out: &mut BytesMut) -> Result<(), SendError> {
        self.check_between()?;
        self.phase = Phase::Within(data.opcode());
        #[cfg(feature = "deflate")]
        if self.wants_compression && self.compresses() {
            self.compressed_frame(data.opcode(), false, data.octets(), out);
            return Ok(());
        }
        self.frame(data.opcode(), false, data.octets(), out);
        Ok(())
    }

    /// Appends a further fragment of the message, its last if `fin`.
    pub(crate) fn next(
        &mut self,
        data: Data<'_>,
        fin: bool,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        match self.phase {
            Phase::Stopped => return Err(SendError::NotOpen),
            Phase::Between => return Err(SendError::NoMessage),
            Phase::Within(opcode) if opcode != data.opcode() => return Err(SendError::OtherType),
            Phase::Within(_) if fin => self.phase = Phase::Between,
            Phase::Within(_) => {}
        }
        #[cfg(feature = "deflate")]
        if self.compression.is_under_way() {
            self.compressed_frame(Opcode::Continuation, fin, data.octets(), out);
            return Ok(());
        }
        self.frame(Opcode::Continuation, fin, data.octets(), out);
        Ok(())
    }

    /// Appends a fragment of the message that is being sent or begins, or the whole of that.
    pub(crate) fn piece(
        &mut self,
        data: Data<'_>,
        is_last: bool,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        match self.phase {
            Phase::Within(_) => self.next(data, is_last, out),
            _ if is_last => self.message(data.opcode(), data.octets(), out),
            _ => self.first(data, out),
        }
    }

    /// Appends a control frame; also between the fragments of a message.
    pub(crate) fn control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_LEN {
            return Err(SendError::ControlTooLong);
        }
        self.frame(opcode, true, payload, out);
        Ok(())
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
}

/// Compressed messages (RFC 7692, section 6.1).
#[cfg(feature = "deflate")]
impl Sender {
    /// Appends a whole message in the form that it is better sent in.
    #[cold]
    fn message_or_compressed(&mut self, opcode: Opcode, octets: &[u8], out: &mut BytesMut) {
        let start = out.len();
        if self.may_compress(octets.len()) {
            let compressed_len = self.compressed_frame(opcode, true, octets, out);
            if compressed_len < octets.len() || !self.compression.forgets() {
                return;
            }
            out.truncate(start);
        }
        self.frame(opcode, true, octets, out);
    }

    /// Appends a frame with `part` compressed; returns the length of its payload.
    fn compressed_frame(
        &mut self,
        opcode: Opcode,
        fin: bool,
        part: &[u8],
        out: &mut BytesMut,
    ) -> usize {
        // The header tells the length, so it comes after the payload, and both then move up.
        let start = out.len();
        let gap_end = start + Header::MAX_LEN;
        out.resize(gap_end, 0);
        self.compression.compress(part, fin, out);
        let masking_key = self.keys.as_mut().map(MaskingKeys::next_key);
        let payload = out.get_mut(gap_end..).unwrap_or_default();
        if let Some(key) = masking_key {
            Mask::new(key).apply(payload);
        }
        let payload_len = payload.len();
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

/// A client's frame. It is a function of its own, so that a server's is short.
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
