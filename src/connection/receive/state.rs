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

/// What there is of a frame that was cut.
pub(super) enum Partial {
    /// Nothing: a frame may start.
    None,
    /// A part of its header. The byte that is never kept is the one that would complete it.
    Header(ArrayVec<u8, { Header::MAX_LEN - 1 }>),
    /// Its header has been judged, and its payload is still arriving: that of a message's frame.
    Payload(Frame),
    /// The same of a control frame, which is put together here.
    Control(Box<Control>),
    /// It waits in the input from its first byte on, and this many bytes of its payload have been
    /// unmasked there: whole keys.
    Waits { unmasked: usize },
    /// Nothing, and no frame may start any more; the rule that the peer broke, if that is why.
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

    /// From now on messages may arrive compressed.
    pub(crate) fn set_inflation(&mut self, inflation: Inflation) {
        self.message.set_inflation(inflation);
    }

    /// Drops all that is kept: nothing will be received any more.
    pub(crate) fn stop(&mut self) {
        self.partial = Partial::Stopped(self.error());
        self.message = Message::NONE;
    }

    /// The same, since the peer broke this rule.
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

    /// Whether an event may come out without further bytes.
    #[inline]
    pub(crate) const fn may_have_more(&self) -> bool {
        matches!(self.deliver, Deliver::Pieces) && self.message.is_under_way()
    }
}

/// What it is, without the bytes that are kept.
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
