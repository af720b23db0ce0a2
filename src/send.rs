//! Messages to octets (RFC 6455, sections 5 and 6.1). Its law: a frame is appended whole or not
//! at all, and the fragments of two messages never mix.

#[cfg(feature = "deflate")]
use crate::deflate::Compression;
use crate::error::SendError;
use crate::frame::{Header, MAX_CONTROL_LEN, Opcode};
use crate::mask::Mask;
use crate::masking_key::MaskingKeys;
use crate::prepared::Prepared;
use bytes::{Bytes, BytesMut};

/// A payload is copied and masked in steps of this size, so that its octets are still in the
/// fastest cache when they are masked.
const STEP: usize = 16 << 10;

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
    const fn opcode(self) -> Opcode {
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

/// The sending half of a connection.
#[derive(Debug)]
pub(crate) struct Sender {
    /// A client's; a server does not mask.
    keys: Option<MaskingKeys>,
    /// The type of the fragmented message that is being sent.
    message: Option<Opcode>,
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
            message: None,
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
        self.message = None;
        #[cfg(feature = "deflate")]
        self.set_compression(Compression::OFF);
    }

    /// Appends a whole message.
    #[inline]
    pub(crate) fn message(&mut self, data: Data<'_>, out: &mut BytesMut) -> Result<(), SendError> {
        self.check_no_message()?;
        self.whole(data.opcode(), data.octets(), out);
        Ok(())
    }

    #[inline]
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
        self.check_no_message()?;
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
    pub(crate) fn apart(&mut self, data: Data<'_>, out: &mut BytesMut) -> Result<bool, SendError> {
        if self.keys.is_some() || self.may_compress(data.octets().len()) {
            return self.message(data, out).map(|()| false);
        }
        self.check_no_message()?;
        self.header(data.opcode(), true, data.octets().len(), out);
        Ok(true)
    }

    /// Appends a whole message, but for its payload if that is not compressed; it is masked where it
    /// lies, if it must be. Returns whether it is to follow.
    pub(crate) fn in_place(
        &mut self,
        opcode: Opcode,
        payload: &mut [u8],
        out: &mut BytesMut,
    ) -> Result<bool, SendError> {
        self.check_no_message()?;
        #[cfg(feature = "deflate")]
        if self.may_compress(payload.len()) {
            self.message_or_compressed(opcode, payload, out);
            return Ok(false);
        }
        if let Some(mut mask) = self.header(opcode, true, payload.len(), out) {
            mask.apply(payload);
        }
        Ok(true)
    }

    /// Whether a message of so many octets that begins now is to be compressed, or at least tried.
    fn may_compress(&self, len: usize) -> bool {
        #[cfg(feature = "deflate")]
        return self.compresses() && self.wants_compression && self.compression.is_worth(len);
        #[cfg(not(feature = "deflate"))]
        {
            let _ = len;
            false
        }
    }

    #[inline]
    const fn check_no_message(&self) -> Result<(), SendError> {
        match self.message {
            Some(_) => Err(SendError::MessageUnfinished),
            None => Ok(()),
        }
    }

    /// Appends the first fragment of a message, which is not its last.
    pub(crate) fn first(&mut self, data: Data<'_>, out: &mut BytesMut) -> Result<(), SendError> {
        self.check_no_message()?;
        self.message = Some(data.opcode());
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
        match self.message {
            None => return Err(SendError::NoMessage),
            Some(opcode) if opcode != data.opcode() => return Err(SendError::OtherType),
            Some(_) if fin => self.message = None,
            Some(_) => {}
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
        match (self.message, is_last) {
            (Some(_), _) => self.next(data, is_last, out),
            (None, true) => self.message(data, out),
            (None, false) => self.first(data, out),
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

    #[inline]
    fn frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8], out: &mut BytesMut) {
        out.reserve(Header::MAX_LEN + payload.len());
        match self.header(opcode, fin, payload.len(), out) {
            None => out.extend_from_slice(payload),
            Some(mask) => append_masked(payload, mask, out),
        }
    }

    /// Appends a header. Returns the mask for the payload, if there must be one.
    #[inline]
    fn header(
        &mut self,
        opcode: Opcode,
        fin: bool,
        len: usize,
        out: &mut BytesMut,
    ) -> Option<Mask> {
        let masking_key = self.keys.as_mut().map(MaskingKeys::next_key);
        let header = Header {
            fin,
            rsv1: false,
            opcode,
            masking_key,
            payload_len: len as u64,
        };
        header.encode(out);
        masking_key.map(Mask::new)
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

fn append_masked(payload: &[u8], mut mask: Mask, out: &mut BytesMut) {
    for octets in payload.chunks(STEP) {
        let start = out.len();
        out.extend_from_slice(octets);
        mask.apply(out.get_mut(start..).unwrap_or_default());
    }
}
