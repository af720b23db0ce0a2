//! What an implementation makes of the bytes of a session.
//!
//! Invariant: two verdicts are the same if the application sees the same.

use std::fmt;

/// A message, by its type, its length and a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub is_text: bool,
    pub len: usize,
    pub crc: u32,
}

impl Message {
    pub fn new(is_text: bool, data: &[u8]) -> Self {
        let (len, crc) = (data.len(), crc32fast::hash(data));
        Self { is_text, len, crc }
    }
}

/// How a session stands after its last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    /// The peer's Close, with its code; 1005 without one.
    Closed(u16),
    /// The connection failed with this close code.
    Failed(u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub messages: Vec<Message>,
    pub end: End,
}

/// How the messages of another implementation relate to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    Same,
    /// It has delivered more, after the same.
    More,
    /// It has delivered fewer, and the same so far.
    Fewer,
    Different,
}

impl Messages {
    pub fn of(ours: &[Message], theirs: &[Message]) -> Self {
        match () {
            () if ours == theirs => Self::Same,
            () if theirs.starts_with(ours) => Self::More,
            () if ours.starts_with(theirs) => Self::Fewer,
            () => Self::Different,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Closed(_) => f.write_str("closed"),
            Self::Failed(code) => write!(f, "failed {code}"),
        }
    }
}
