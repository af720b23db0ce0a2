//! What the receiving half keeps between reads.
//!
//! Invariant: everything is judged before it is kept, and what is kept is only a partial header, a
//! partial control frame, and the message under way.

use super::arriving::Frame;
use super::control::Control;
use super::message::Message;
use crate::connection::settings::Deliver;
use crate::deflate::Inflation;
use crate::frame::{Header, ProtocolError};
use alloc::boxed::Box;
use arrayvec::ArrayVec;
use core::fmt;

/// The receiving half of a connection.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(super) partial: Partial,
    pub(super) message: Message,
    /// How many more fragments the message under way may have, and how it is delivered: latched
    /// where it started.
    pub(super) fragments_left: u32,
    pub(super) deliver: Deliver,
}

/// What has arrived of a frame that was cut.
pub(super) enum Partial {
    /// Nothing: a frame may start.
    None,
    /// A part of its header, without the last byte, which would complete it.
    Header(ArrayVec<u8, { Header::MAX_LEN - 1 }>),
    /// A frame of a message: its header has been judged, and its payload is still arriving.
    Payload(Frame),
    /// A control frame, which is gathered here.
    Control(Box<Control>),
    /// A frame that waits in the input from its first byte on; this many bytes of its payload have
    /// been unmasked there, a multiple of four.
    Waits { unmasked: usize },
    /// Nothing, and no further frame may start; holds the rule that the peer broke, if that is why.
    Stopped(Option<ProtocolError>),
}

impl Receiver {
    pub(crate) const fn new() -> Self {
        Self {
            partial: Partial::None,
            message: Message::NONE,
            fragments_left: 0,
            deliver: Deliver::Complete,
        }
    }

    /// Lets messages arrive compressed from now on.
    pub(crate) fn set_inflation(&mut self, inflation: Inflation) {
        self.message.set_inflation(inflation);
    }

    /// Stops receiving, and drops everything that is kept.
    pub(crate) fn stop(&mut self) {
        self.partial = Partial::Stopped(self.error());
        self.message = Message::NONE;
    }

    /// Stops receiving, as the peer broke this rule.
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        let error = self.error().unwrap_or(error);
        self.stop();
        self.partial = Partial::Stopped(Some(error));
    }

    /// The first rule that the peer broke.
    pub(crate) const fn error(&self) -> Option<ProtocolError> {
        match self.partial {
            Partial::Stopped(error) => error,
            _ => None,
        }
    }

    /// Whether there may be another event without further bytes.
    #[inline]
    pub(crate) const fn may_have_more(&self) -> bool {
        matches!(self.deliver, Deliver::Pieces) && self.message.is_under_way()
    }
}

/// Shows the variant, not the bytes that are kept.
impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Header(_) => "Header",
            Self::Payload(_) => "Payload",
            Self::Control(_) => "Control",
            Self::Waits { .. } => "Waits",
            Self::Stopped(_) => "Stopped",
        })
    }
}
