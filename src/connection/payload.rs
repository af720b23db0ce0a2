//! Payloads of messages and control frames, as they are delivered.
//!
//! Invariant: a payload borrows from the caller's input or owns its bytes; it never borrows from the
//! connection, and `Debug` shows its length only.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::ops::Deref;

/// Text that was received: lent from the input, or gathered. It derefs to `str`.
///
/// ```
/// use sansocket::Text;
///
/// let text = Text::from("Grüße");
/// assert!(text.starts_with("Gr") && text == "Grüße");
/// let kept: Text<'static> = text.clone().into_owned();
/// assert_eq!(kept.into_string(), "Grüße");
/// assert_eq!(text.into_bytes(), "Grüße".as_bytes());
/// ```
#[derive(Clone)]
pub struct Text<'b>(TextRepr<'b>);

/// A boxed slice instead of a `String`: both variants are then a pointer and a length, so a lent
/// one costs nothing more to read.
#[derive(Clone)]
enum TextRepr<'b> {
    Lent(&'b str),
    Owned(Box<str>),
}

impl Text<'_> {
    /// Returns the same with its bytes owned: to keep it, or to hand it to another thread.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        Text(TextRepr::Owned(match self.0 {
            TextRepr::Lent(text) => text.into(),
            TextRepr::Owned(text) => text,
        }))
    }

    /// The text as a `String`; copied only if it is lent.
    #[inline]
    #[must_use]
    pub fn into_string(self) -> String {
        match self.0 {
            TextRepr::Lent(text) => text.into(),
            TextRepr::Owned(text) => text.into_string(),
        }
    }

    /// The bytes of the text; copied only if it is lent.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            TextRepr::Lent(text) => Bytes::copy_from_slice(text.as_bytes()),
            TextRepr::Owned(text) => Bytes::from(text.into_boxed_bytes()),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match &self.0 {
            TextRepr::Lent(text) => text,
            TextRepr::Owned(text) => text,
        }
    }
}

impl<'b> From<&'b str> for Text<'b> {
    #[inline]
    fn from(text: &'b str) -> Self {
        Self(TextRepr::Lent(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(TextRepr::Owned(text.into()))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text<'_> {
    /// The text itself. It comes from the peer: escape it before you log it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.len())
    }
}

/// Bytes that were received: lent from the input, gathered, or a view of the caller's buffer. It
/// derefs to `[u8]`.
///
/// ```
/// use sansocket::Binary;
///
/// let data = Binary::from(b"\x01\x02");
/// assert_eq!(data.len(), 2);
/// let kept: Binary<'static> = data.into_owned();
/// assert_eq!(kept.into_bytes(), &[1, 2][..]);
/// ```
#[derive(Clone)]
pub struct Binary<'b>(BinaryRepr<'b>);

#[derive(Clone)]
enum BinaryRepr<'b> {
    Lent(&'b [u8]),
    Owned(Box<[u8]>),
    /// Boxed, so that an event stays small.
    View(Box<Bytes>),
}

impl Binary<'_> {
    /// Its length, if it is lent.
    #[inline]
    pub(super) const fn lent_len(&self) -> Option<usize> {
        match &self.0 {
            BinaryRepr::Lent(data) => Some(data.len()),
            BinaryRepr::Owned(_) | BinaryRepr::View(_) => None,
        }
    }

    /// Returns the same with its bytes owned: to keep it, or to hand it to another thread.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Binary<'static> {
        Binary(match self.0 {
            BinaryRepr::Lent(data) => BinaryRepr::Owned(data.into()),
            BinaryRepr::Owned(data) => BinaryRepr::Owned(data),
            BinaryRepr::View(data) => BinaryRepr::View(data),
        })
    }

    /// The bytes; copied only if they are lent.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            BinaryRepr::Lent(data) => Box::<[u8]>::from(data).into(), // shorter than by a `Vec`
            BinaryRepr::Owned(data) => data.into(),
            BinaryRepr::View(data) => *data,
        }
    }
}

impl Deref for Binary<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            BinaryRepr::Lent(data) => data,
            owned => owned.owned(),
        }
    }
}

impl BinaryRepr<'_> {
    /// Out of line, so that a lent payload, the common case, costs one check.
    #[cold]
    fn owned(&self) -> &[u8] {
        match self {
            Self::Lent(data) => data,
            Self::Owned(data) => data,
            Self::View(data) => data,
        }
    }
}

impl<'b> From<&'b [u8]> for Binary<'b> {
    #[inline]
    fn from(data: &'b [u8]) -> Self {
        Self(BinaryRepr::Lent(data))
    }
}

impl<'b, const N: usize> From<&'b [u8; N]> for Binary<'b> {
    fn from(data: &'b [u8; N]) -> Self {
        Self(BinaryRepr::Lent(data))
    }
}

impl From<Vec<u8>> for Binary<'_> {
    fn from(data: Vec<u8>) -> Self {
        Self(BinaryRepr::Owned(data.into()))
    }
}

impl From<Bytes> for Binary<'_> {
    fn from(data: Bytes) -> Self {
        Self(BinaryRepr::View(Box::new(data)))
    }
}

impl PartialEq for Binary<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Binary<'_> {}

impl PartialEq<[u8]> for Binary<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl PartialEq<&[u8]> for Binary<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Binary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binary({} bytes)", self.len())
    }
}

/// A part of a message, as it arrived ([`Deliver::Pieces`](crate::Deliver::Pieces)).
///
/// The pieces of a message are all text or all binary; text is cut between characters. Only the last
/// piece may be empty. Hand it on with [`Session::send_piece`](crate::Session::send_piece).
///
/// ```
/// use sansocket::Piece;
///
/// /// Gathers the pieces of a message.
/// fn gather(message: &mut Vec<u8>, piece: &Piece) {
///     if piece.is_first() {
///         message.clear();
///     }
///     message.extend_from_slice(piece.as_bytes());
///     if piece.is_last() {
///         let kind = if piece.as_text().is_some() { "text" } else { "binary" };
///         println!("{kind} of {} bytes", message.len());
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Piece<'b>(PieceData<'b>);

/// Each variant has the place next to its data, and owned data is a boxed slice, so that an event
/// stays small.
#[derive(Clone)]
enum PieceData<'b> {
    LentText(&'b str, Place),
    LentBinary(&'b [u8], Place),
    Text(Box<str>, Place),
    Binary(Box<[u8]>, Place),
}

/// The place of a piece in its message.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    is_first: bool,
    is_last: bool,
}

impl<'b> Piece<'b> {
    pub(super) const fn lent_text(text: &'b str, is_first: bool, is_last: bool) -> Self {
        Self(PieceData::LentText(text, Place { is_first, is_last }))
    }

    pub(super) const fn lent_binary(data: &'b [u8], is_first: bool, is_last: bool) -> Self {
        Self(PieceData::LentBinary(data, Place { is_first, is_last }))
    }

    pub(super) fn text(text: String, is_first: bool, is_last: bool) -> Self {
        Self(PieceData::Text(text.into(), Place { is_first, is_last }))
    }

    pub(super) fn binary(data: Vec<u8>, is_first: bool, is_last: bool) -> Self {
        Self(PieceData::Binary(data.into(), Place { is_first, is_last }))
    }

    const fn place(&self) -> Place {
        match &self.0 {
            PieceData::LentText(_, place)
            | PieceData::LentBinary(_, place)
            | PieceData::Text(_, place)
            | PieceData::Binary(_, place) => *place,
        }
    }

    /// Whether it is the first of its message.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.place().is_first
    }

    /// Whether it is the last of its message.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.place().is_last
    }

    /// The text, if the message is text.
    #[must_use]
    pub const fn as_text(&self) -> Option<&str> {
        match &self.0 {
            PieceData::LentText(text, _) => Some(text),
            PieceData::Text(text, _) => Some(text),
            PieceData::LentBinary(..) | PieceData::Binary(..) => None,
        }
    }

    /// The bytes, also of text.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            PieceData::LentText(text, _) => text.as_bytes(),
            PieceData::LentBinary(data, _) => data,
            PieceData::Text(text, _) => text.as_bytes(),
            PieceData::Binary(data, _) => data,
        }
    }

    /// The bytes, also of text; copied only if they are lent.
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use sansocket::Piece;
    /// fn keep(piece: Piece, queue: &mut Vec<Bytes>) {
    ///     queue.push(piece.into_bytes());
    /// }
    /// ```
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            PieceData::LentText(text, _) => Bytes::copy_from_slice(text.as_bytes()),
            PieceData::LentBinary(data, _) => Bytes::copy_from_slice(data),
            PieceData::Text(text, _) => Bytes::from(text.into_boxed_bytes()),
            PieceData::Binary(data, _) => Bytes::from(data),
        }
    }

    /// Returns the same with its bytes owned: to keep it, or to hand it to another thread.
    ///
    /// ```
    /// # use sansocket::Piece;
    /// fn keep(piece: Piece, queue: &mut Vec<Piece<'static>>) {
    ///     queue.push(piece.into_owned());
    /// }
    /// ```
    #[must_use]
    pub fn into_owned(self) -> Piece<'static> {
        Piece(match self.0 {
            PieceData::LentText(text, place) => PieceData::Text(text.into(), place),
            PieceData::LentBinary(data, place) => PieceData::Binary(data.into(), place),
            PieceData::Text(text, place) => PieceData::Text(text, place),
            PieceData::Binary(data, place) => PieceData::Binary(data, place),
        })
    }
}

/// Equal if type, bytes and place in the message are equal.
impl PartialEq for Piece<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_text().is_some() == other.as_text().is_some()
            && self.place() == other.place()
            && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Piece<'_> {}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.as_text().is_some() {
            "text"
        } else {
            "binary"
        };
        write!(f, "Piece({kind}, {} bytes", self.as_bytes().len())?;
        f.write_str(if self.is_first() { ", first" } else { "" })?;
        f.write_str(if self.is_last() { ", last)" } else { ")" })
    }
}
