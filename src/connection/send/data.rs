//! What the application sends.
//!
//! Invariant: text is `str`, so a text message that is not UTF-8 cannot be sent.

use super::prepared::Prepared;
use crate::connection::payload::{Binary, Piece, Text};
use crate::frame::Opcode;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// The data of a message, or of a piece of one: text, binary, or prepared (RFC 6455, section 5.6).
///
/// It is made by `From`, so [`Session::send`](crate::Session::send) takes `&str` and `&String` as
/// text; `&[u8]`, `&Vec<u8>`, `&Bytes` as binary; `&Text`, `&Binary` and `&Piece` as they were
/// received; and `&Prepared`.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Data<'a> {
    /// Text.
    Text(&'a str),
    /// Binary.
    Binary(&'a [u8]),
    /// A message that was prepared for many connections.
    Prepared(&'a Prepared),
}

impl<'a> Data<'a> {
    /// Its type and its bytes.
    #[inline(always)]
    pub(in crate::connection) fn parts(self) -> (Opcode, &'a [u8]) {
        match self {
            Self::Text(text) => (Opcode::Text, text.as_bytes()),
            Self::Binary(data) => (Opcode::Binary, data),
            Self::Prepared(prepared) => (prepared.opcode(), prepared.payload()),
        }
    }
}

macro_rules! data_from {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl<'a> From<&'a $type> for Data<'a> {
            #[inline(always)]
            fn from(data: &'a $type) -> Self {
                Self::$variant(data)
            }
        }
    )*};
}

data_from! {
    str => Text,
    String => Text,
    Text<'_> => Text,
    [u8] => Binary,
    Vec<u8> => Binary,
    Bytes => Binary,
    Binary<'_> => Binary,
    Prepared => Prepared,
}

impl<'a, const N: usize> From<&'a [u8; N]> for Data<'a> {
    #[inline(always)]
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(data)
    }
}

impl<'a> From<&'a Piece<'_>> for Data<'a> {
    #[inline]
    fn from(piece: &'a Piece<'_>) -> Self {
        match piece.as_text() {
            Some(text) => Self::Text(text),
            None => Self::Binary(piece.as_bytes()),
        }
    }
}

/// Defined here because `prepared` does not know `Data`.
impl Prepared {
    /// A message of text or binary (RFC 6455, section 5.6).
    ///
    /// ```
    /// use sansocket::Prepared;
    ///
    /// let news = Prepared::new("Grüße");
    /// let tick = Prepared::new(&[1, 2, 3]);
    /// ```
    #[must_use]
    pub fn new<'a>(data: impl Into<Data<'a>>) -> Self {
        let data = data.into();
        if let Data::Prepared(prepared) = data {
            return prepared.clone();
        }
        let (opcode, payload) = data.parts();
        Self::framed(opcode, payload)
    }

    /// The message itself, text or binary, neither framed nor compressed.
    ///
    /// ```
    /// # use sansocket::{Data, Prepared};
    /// let news = Prepared::new(b"Hello");
    /// assert!(matches!(news.data(), Data::Binary(data) if data == b"Hello"));
    /// ```
    #[must_use]
    pub fn data(&self) -> Data<'_> {
        match core::str::from_utf8(self.payload()) {
            Ok(text) if self.opcode() == Opcode::Text => Data::Text(text),
            _ => Data::Binary(self.payload()),
        }
    }
}

/// Shows type and length, not the data.
impl fmt::Debug for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(data) => write!(f, "Binary({} bytes)", data.len()),
            Self::Prepared(prepared) => prepared.fmt(f),
        }
    }
}
