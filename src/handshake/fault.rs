//! What is wrong with a line of a head, or with a header field.
//!
//! Invariant: a fault shows no key and no token: those are told by a place or a length.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// What is wrong with a line of a head, in [`HandshakeError::Malformed`](crate::HandshakeError).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineFault {
    /// RFC 9112, section 2.2: a line ends with CR and LF. There is an LF alone.
    BareLf,
    /// RFC 9112, section 2.2: a CR is followed by an LF. There is a CR alone.
    BareCr,
    /// RFC 9110, section 5.5: there are no control bytes but tabs. There is this one.
    Control(u8),
    /// RFC 9112, section 5.2: a field is not folded. The line starts with a space or a tab.
    Folded,
    /// RFC 9112, section 5.1: no space is between a name and its colon.
    SpaceBeforeColon,
    /// RFC 9110, section 5.1: a name is a token. It has this byte.
    Name(u8),
    /// RFC 9112, section 5: a field is a name, a colon and a value. There is no colon.
    NoColon,
    /// RFC 9112, section 3: a request line is a method, a target and a version of HTTP, with one
    /// space between them.
    RequestLine,
    /// RFC 9112, section 4: a status line starts with a version of HTTP, a space and three digits.
    StatusLine,
}

impl LineFault {
    /// The section that states the rule.
    pub(super) const fn section(self) -> &'static str {
        match self {
            Self::BareLf | Self::BareCr => "RFC 9112, section 2.2",
            Self::Control(_) => "RFC 9110, section 5.5",
            Self::Folded => "RFC 9112, section 5.2",
            Self::SpaceBeforeColon => "RFC 9112, section 5.1",
            Self::Name(_) => "RFC 9110, section 5.1",
            Self::NoColon => "RFC 9112, section 5",
            Self::RequestLine => "RFC 9112, section 3",
            Self::StatusLine => "RFC 9112, section 4",
        }
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareLf => "a bare LF where a line ends with CR LF",
            Self::BareCr => "a bare CR where a line ends with CR LF",
            Self::Control(byte) => return write!(f, "the control byte {byte:#04x}"),
            Self::Folded => "a folded line: it starts with a space or a tab",
            Self::SpaceBeforeColon => "a space before the colon",
            Self::Name(byte) => return write!(f, "{} in a header name", Shown(*byte)),
            Self::NoColon => "no colon after the header name",
            Self::RequestLine => {
                "a request line must be a method, a target and HTTP/1.1, with one space between"
            }
            Self::StatusLine => "a status line must be HTTP/1.1 and three digits",
        })
    }
}

/// What is wrong with a header field, in the variants of [`HandshakeError`](crate::HandshakeError)
/// that are about one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldFault {
    /// It is not there.
    Missing,
    /// It is there this many times.
    Repeated(usize),
    /// There is nothing in it.
    Empty,
    /// It has this value, which is cut after 100 characters.
    Value(Box<str>),
    /// Its value, which is not shown, has this many bytes.
    Length(usize),
    /// There is a byte in it that does not fit.
    Byte {
        /// The byte.
        found: u8,
        /// Its place: the number of bytes before it in the value.
        at: usize,
    },
    /// It ends where something must follow.
    Cut,
    /// An element of its list is there twice.
    Duplicate,
    /// A parameter of an extension does not fit.
    Param {
        /// The parameter as it was found, such as `client_max_window_bits=16`.
        param: Box<str>,
        /// What is wrong with it.
        fault: ParamFault,
    },
}

impl FieldFault {
    /// Most characters of a value that are shown.
    const MAX_SHOWN: usize = 100;

    /// The fault of a field with this value, which holds no secret.
    pub(super) fn value(value: &[u8]) -> Self {
        // A character has at most 4 bytes, and more are not looked at.
        let (start, _) = value.split_at(value.len().min(4 * Self::MAX_SHOWN));
        let shown: String = String::from_utf8_lossy(start)
            .chars()
            .take(Self::MAX_SHOWN)
            .collect();
        Self::Value(shown.into())
    }

    /// The fault of a value of which `rest`, at its end, could not be read.
    pub(super) fn at_rest(value: &[u8], rest: &[u8]) -> Self {
        match rest.first() {
            Some(&found) => Self::Byte {
                found,
                at: value.len() - rest.len(),
            },
            None => Self::Cut,
        }
    }
}

impl fmt::Display for FieldFault {
    /// A sentence without its subject, which is the name of the field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Repeated(times) => write!(f, "is there {times} times"),
            Self::Empty => f.write_str("is empty"),
            Self::Value(value) => write!(f, "is {value:?}"),
            Self::Length(len) => write!(f, "has {len} bytes"),
            Self::Byte { found, at } => write!(f, "has {} after {at} bytes", Shown(*found)),
            Self::Cut => f.write_str("ends too early"),
            Self::Duplicate => f.write_str("names the same thing twice"),
            Self::Param { param, fault } => {
                let param = param.escape_debug();
                match fault {
                    ParamFault::Unknown => write!(f, "has the unknown parameter `{param}`"),
                    ParamFault::Repeated => write!(f, "has the parameter `{param}` twice"),
                    ParamFault::NoValue => write!(f, "has `{param}` without a value"),
                    ParamFault::Value => write!(f, "has a wrong value in `{param}`"),
                    ParamFault::Missing => write!(f, "lacks `{param}`, which was asked for"),
                    ParamFault::NotOffered => {
                        write!(f, "has `{param}`, which does not fit the offer")
                    }
                    ParamFault::TooSmall => {
                        write!(f, "has `{param}`, which is below `min_window_bits`")
                    }
                }
            }
        }
    }
}

/// What is wrong with a parameter of an extension (RFC 7692, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamFault {
    /// The extension has no such parameter.
    Unknown,
    /// It is there twice.
    Repeated,
    /// It has no value, and must have one.
    NoValue,
    /// It has a value that it must not have.
    Value,
    /// It was asked for, and is not there.
    Missing,
    /// It was not asked for, or in another way.
    NotOffered,
    /// The window is smaller than `Deflate::min_window_bits`.
    TooSmall,
}

/// A byte for readers: `'x'`, or `0xF8` if it is no visible character.
pub(super) struct Shown(pub(super) u8);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b' '..=b'~' => write!(f, "{:?}", char::from(self.0)),
            byte => write!(f, "the byte {byte:#04x}"),
        }
    }
}
