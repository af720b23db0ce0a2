//! What took too long.
//!
//! Invariant: one variant for each time of `Times` that can run out.

use crate::frame::CloseCode;
use core::fmt;

/// What took too long; the times are those of [`Times`](crate::Times).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expired {
    /// [`Times::handshake`](crate::Times::handshake): the opening handshake. A server has answered
    /// 408 (RFC 9110, section 15.5.9).
    Handshake,
    /// [`Times::pong`](crate::Times::pong): no sign of life after a Ping. A Close with 1011 was sent.
    Pong,
    /// [`Times::idle`](crate::Times::idle): no message. A Close with 1001 was sent.
    Idle,
    /// [`Times::close`](crate::Times::close): the peer did not answer our Close. If the application
    /// does not answer the peer's Close in this time, the end is that Close.
    Close,
    /// [`Times::write`](crate::Times::write) or [`Times::min_rate`](crate::Times::min_rate): the peer
    /// does not read what is sent, or too slowly.
    Write,
}

impl Expired {
    /// The code of the Close frame that is sent for it, if one is.
    pub(crate) const fn close_code(self) -> Option<CloseCode> {
        match self {
            // As IANA's registry puts it: an endpoint meets what keeps it from going on.
            Self::Pong => Some(CloseCode::INTERNAL_ERROR),
            Self::Idle => Some(CloseCode::GOING_AWAY),
            _ => None,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Handshake => "the opening handshake took too long",
            Self::Pong => "no sign of life after a Ping",
            Self::Idle => "no message for too long",
            Self::Close => "the closing handshake took too long",
            Self::Write => "the peer takes nothing, or too little, of what is sent",
        }
    }
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Expired {}
