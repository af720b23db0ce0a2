//! The head of a request or a response: a HEADERS frame, and the field lines in it (RFC 9204).
//!
//! Invariant: there is no dynamic table, on either side; a head is bounded before it is kept, and handed on in its order, as
//! the core judges it.
//!
//! The crate qpack, which is h3's codec, takes strings with more padding than RFC 7541, section 5.2, allows. That opens
//! nothing: the core judges what they decode to.

use super::code;
use super::frames::{Frames, Kind, put_head};
use bytes::BytesMut;
use qpack::{DecoderError, HeaderField, decode_stateless, encode_stateless};
use quinn::Side;
use std::io;

/// What a head is.
pub(crate) enum Head {
    /// Names and values, pseudo-headers too, as they came.
    Fields(Vec<HeaderField>),
    /// More than is taken.
    TooLarge,
}

/// Appends a head.
pub(crate) fn put(
    fields: impl IntoIterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)>,
    out: &mut BytesMut,
) -> io::Result<()> {
    let fields = fields.into_iter().map(HeaderField::from);
    let mut block = BytesMut::new();
    encode_stateless(&mut block, fields).map_err(io::Error::other)?;
    put_head(Kind::Headers, block.len(), out);
    out.extend_from_slice(&block);
    Ok(())
}

/// The status of a response: three digits.
pub(crate) fn status(fields: &[HeaderField]) -> Option<u16> {
    let field = fields.iter().find(|field| *field.name == *b":status")?;
    let digits = str::from_utf8(&field.value).ok()?;
    let is_number = digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Reads a head of at most `max` bytes, as RFC 9114, section 4.2.2, counts them. `None` if the stream ends before it.
pub(crate) async fn read(frames: &mut Frames, max: usize) -> io::Result<Option<Head>> {
    match frames.next().await? {
        Some((Kind::Headers, _)) => {}
        Some((Kind::PushPromise, _)) if frames.connection().side() == Side::Client => {
            return Err(frames.broken(code::ID_ERROR, "no push was allowed"));
        }
        Some(_) => return Err(frames.unexpected()),
        None => return Ok(None),
    }
    // Nothing refers to a head that is not decoded.
    let Some(mut block) = frames.payload(max).await? else {
        return Ok(Some(Head::TooLarge));
    };
    let is_stateless = block.first() == Some(&0); // the Required Insert Count
    match decode_stateless(&mut block, max as u64) {
        Ok(decoded) if is_stateless => Ok(Some(Head::Fields(decoded.fields))),
        Err(DecoderError::HeaderTooLong(_)) if is_stateless => Ok(Some(Head::TooLarge)),
        _ => {
            let code = code::QPACK_DECOMPRESSION_FAILED;
            Err(frames.broken(code, "a head that cannot be decoded"))
        }
    }
}
