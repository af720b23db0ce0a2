//! Messages, which own their payload.
//!
//! Invariant: text is UTF-8, checked once, by the core; `Debug` shows lengths, never a payload.

use bytes::Bytes;
use bytestring::ByteString;
use sansocket::{CloseCode, Piece, Prepared};
use std::fmt;
use std::ops::Deref;

/// What is received and sent: it owns its payload, and a clone shares it.
///
/// Text is copied once out of the read buffer. So is binary data below 16 KiB, as a small view would
/// keep a large buffer alive. From 16 KiB on binary data is a view of the buffer that it was read
/// into, without a copy. `Debug` shows the kind and the length, never the payload: print
/// [`as_text`](Self::as_text).
///
/// ```
/// use tokio_sansocket::Message;
///
/// let message = Message::from("Grüße");
/// assert_eq!(message.as_text(), Some("Grüße"));
/// assert_eq!(Message::from(vec![1, 2]).as_bytes(), [1, 2]);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Message {
    /// Text (RFC 6455, section 5.6).
    Text(Utf8),
    /// Binary (RFC 6455, section 5.6).
    Binary(Bytes),
    /// A part of a message, as it arrived: with [`Deliver::Pieces`](sansocket::Deliver::Pieces) every
    /// message comes so. Sent, it is the next part of the message under way.
    Piece(Piece<'static>),
    /// A Ping (RFC 6455, section 5.5.2). Received only with
    /// [`Options::show_control`](crate::Options::show_control), and answered by then.
    Ping(Bytes),
    /// A Pong (RFC 6455, section 5.5.3). Received only with
    /// [`Options::show_control`](crate::Options::show_control).
    Pong(Bytes),
    /// A Close (RFC 6455, section 5.5.1). Received only with
    /// [`Options::show_control`](crate::Options::show_control), and answered by then, unless
    /// [`Settings::answer_close`](sansocket::Settings::answer_close) is off. Sent, it starts the closing
    /// handshake or is the answer to the peer's Close.
    Close {
        /// Why; 1005 says that there is none.
        code: CloseCode,
        /// At most 123 bytes.
        reason: Utf8,
    },
    /// For sending only: a message for many connections, framed and compressed once.
    Prepared(Prepared),
}

impl Message {
    /// The text, if it is a text message or a piece of one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Piece(piece) => piece.as_text(),
            _ => None,
        }
    }

    /// The payload of whatever it is; a Close's is its reason.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) | Self::Close { reason: text, .. } => text.as_bytes(),
            Self::Binary(data) | Self::Ping(data) | Self::Pong(data) => data,
            Self::Piece(piece) => piece.as_bytes(),
            Self::Prepared(prepared) => match prepared.data() {
                sansocket::Data::Text(text) => text.as_bytes(),
                sansocket::Data::Binary(data) => data,
                _ => &[],
            },
        }
    }

    /// The payload of whatever it is, without a copy; a Close's is its reason.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) | Self::Close { reason: text, .. } => text.into(),
            Self::Binary(data) | Self::Ping(data) | Self::Pong(data) => data,
            Self::Piece(piece) => piece.into_bytes(),
            Self::Prepared(_) => Bytes::copy_from_slice(self.as_bytes()),
        }
    }
}

macro_rules! message_from {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl From<$type> for Message {
            fn from(data: $type) -> Self {
                Self::$variant(data.into())
            }
        }
    )*};
}

message_from! {
    Utf8 => Text,
    String => Text,
    &str => Text,
    Bytes => Binary,
    Vec<u8> => Binary,
    Piece<'static> => Piece,
    Prepared => Prepared,
}

impl From<&[u8]> for Message {
    fn from(data: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(data))
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(data: &[u8; N]) -> Self {
        Self::from(&data[..])
    }
}

impl From<&Prepared> for Message {
    fn from(prepared: &Prepared) -> Self {
        Self::Prepared(prepared.clone())
    }
}

/// Text over [`Bytes`]: it derefs to `str`, and a clone shares it.
///
/// It is made without a copy of a `String`, and of [`Bytes`] that are checked (`try_from`).
///
/// ```
/// use tokio_sansocket::Utf8;
///
/// const WELCOME: Utf8 = Utf8::from_static("welcome");
/// assert!(WELCOME.starts_with("wel") && WELCOME == "welcome");
/// assert_eq!(format!("{WELCOME:?}"), "Utf8(7 bytes)");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Utf8(ByteString);

impl Utf8 {
    /// Text that the program holds anyway.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }
}

impl Deref for Utf8 {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Utf8 {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Utf8 {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Utf8> for Bytes {
    fn from(text: Utf8) -> Self {
        text.0.into_bytes()
    }
}

impl From<Utf8> for String {
    fn from(text: Utf8) -> Self {
        text.0.into()
    }
}

impl TryFrom<Bytes> for Utf8 {
    type Error = std::str::Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        ByteString::try_from(bytes).map(Self)
    }
}

impl PartialEq<str> for Utf8 {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Utf8 {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Display for Utf8 {
    /// The text itself. If it comes from the peer, escape it before you log it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
            Self::Ping(_) => "Ping",
            Self::Pong(_) => "Pong",
            Self::Close { code, reason } => {
                return write!(f, "Close({code}, {} bytes)", reason.len());
            }
            Self::Piece(piece) => return piece.fmt(f),
            Self::Prepared(prepared) => return prepared.fmt(f),
        };
        write!(f, "{kind}({} bytes)", self.as_bytes().len())
    }
}

impl fmt::Debug for Utf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Utf8({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_shows_no_payload() {
        let data = || Bytes::from("sesame");
        let reason = Utf8::from("sesame");
        let code = CloseCode::NORMAL;
        for message in [
            Message::from("sesame"),
            Message::Binary(data()),
            Message::Ping(data()),
            Message::Pong(data()),
            Message::Close { code, reason },
            Message::Prepared(Prepared::new("sesame")),
        ] {
            let shown = format!("{message:?} {message:#?}");
            assert!(
                shown.contains("6 bytes") && !shown.contains("sesame"),
                "{shown}"
            );
        }
    }
}
