//! Octets to events (RFC 6455, sections 5 and 6.2). Its law: everything is judged before it is
//! kept, and what is kept is only a partial header, a partial control frame, and the message
//! under way. It writes no output.
//!
//! What can be received in one go has the short ways of [`whole`]; [`waiting`] and [`pieces`] are the
//! other two ways to receive messages; [`control`] has the frames that are no messages.

mod control;
mod message;
mod pieces;
mod utf8;
mod waiting;
mod whole;

pub(crate) use waiting::Waiting;

use crate::connection::{Config, Event};
#[cfg(feature = "deflate")]
use crate::deflate::Inflation;
use crate::frame::{Header, Input, Mask, Opcode, ProtocolError, Role};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use control::{Control, control_event};
use core::mem;
use message::Message;
use whole::lend;

/// The receiving half of a connection.
#[derive(Debug)]
pub(crate) struct Receiver {
    max_frame_size: usize,
    max_fragments: u32,
    partial: Partial,
    message: Message,
    /// Fragments of the message so far.
    fragments: u32,
}

/// What there is of a frame that was cut.
#[derive(Debug)]
enum Partial {
    /// Nothing: a frame may begin.
    None,
    /// Some octets of its header. The octet that is never kept is the one that would complete it.
    Header {
        octets: [u8; Header::MAX_LEN - 1],
        len: u8,
    },
    /// Its header has been judged, and its payload is still coming in: that of a message's frame.
    Payload(Frame),
    /// The same of a control frame, which is put together here.
    Control(Box<Control>),
    /// It waits in the input from its first octet on, and so many octets of its payload have been
    /// unmasked there: whole keys.
    Waits { unmasked: usize },
    /// Nothing, and no frame may begin any more.
    Stopped,
}

/// A frame whose payload comes in.
#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    mask: Option<Mask>,
    remaining: usize,
}

impl Frame {
    /// Whether it is a whole message or control frame by itself.
    #[inline]
    const fn is_whole(&self) -> bool {
        self.fin && !matches!(self.opcode, Opcode::Continuation)
    }
}

/// What comes next out of the input.
enum Next<'b> {
    /// Nothing: all of it has been taken.
    Nothing,
    /// A whole message or control frame that lies there.
    Event(Event<'b>),
    /// A frame of a message, of which there is a payload to be taken, perhaps an empty one.
    Frame(Frame),
}

/// A payload is unmasked, checked and gathered in steps of this size, so that its octets are
/// still in the fastest cache when they are touched again.
const STEP: usize = 16 << 10;

impl Receiver {
    pub(crate) const fn new(config: &Config) -> Self {
        Self {
            max_frame_size: config.max_frame_size,
            max_fragments: config.max_fragments,
            partial: Partial::None,
            message: Message::new(config.max_message_size),
            fragments: 0,
        }
    }

    /// The limits of all frames that begin from now on.
    pub(crate) const fn set_limits(&mut self, config: &Config) {
        self.max_frame_size = config.max_frame_size;
        self.max_fragments = config.max_fragments;
        self.message.set_max_size(config.max_message_size);
    }

    /// From now on messages may come compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn set_inflation(&mut self, inflation: Inflation) {
        self.message.set_inflation(inflation);
    }

    /// Whether messages may come compressed.
    #[inline]
    pub(crate) const fn inflates(&self) -> bool {
        self.message.inflates()
    }

    /// The next event for an endpoint in this role, or `None` when all of `input` has been taken.
    pub(crate) fn receive<'b>(
        &mut self,
        role: Role,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        loop {
            self.gather_fragments(role, input)?;
            let frame = match self.next(role, input)? {
                Next::Nothing => return Ok(None),
                Next::Event(event) => return Ok(Some(event)),
                Next::Frame(frame) => frame,
            };
            if !self.take_payload(frame, input)? {
                return Ok(None);
            }
            if let Some(event) = self.finish(frame)? {
                return Ok(Some(event));
            }
        }
    }

    /// The next frame of a message that is not there as a whole, or what is.
    fn next<'b>(&mut self, role: Role, input: &mut Input<'b>) -> Result<Next<'b>, ProtocolError> {
        let waited = match &mut self.partial {
            Partial::None | Partial::Header { .. } => None,
            Partial::Payload(frame) => return Ok(Next::Frame(*frame)),
            Partial::Control(control) => {
                if !control.take(input) {
                    return Ok(Next::Nothing);
                }
                let payload = Cow::Owned(control.octets().into());
                let event = control_event(control.opcode(), payload);
                self.partial = Partial::None;
                return event.map(Next::Event);
            }
            Partial::Waits { unmasked } => Some(mem::take(unmasked)),
            Partial::Stopped => {
                input.take_rest();
                return Ok(Next::Nothing);
            }
        };
        if waited.is_some() {
            self.partial = Partial::None;
        }
        let Some(header) = self.next_header(role, input)? else {
            return Ok(Next::Nothing);
        };
        let mut frame = self.judge(&header)?;
        if let Some(unmasked) = waited {
            self.message.begin(header.opcode, header.rsv1);
            let unmasked = input.take(unmasked.min(frame.remaining));
            self.message.make_room(frame.remaining, unmasked.len());
            self.message.append_unmasked(unmasked)?;
            frame.remaining -= unmasked.len();
        } else if frame.remaining <= input.len() && frame.is_whole() && !header.rsv1 {
            return lend(frame, input.take(frame.remaining)).map(Next::Event);
        } else if frame.opcode.is_control() {
            let mut control = Control::new(frame);
            control.take(input);
            self.partial = Partial::Control(Box::new(control));
            return Ok(Next::Nothing);
        } else {
            self.message.begin(header.opcode, header.rsv1);
        }
        Ok(Next::Frame(frame))
    }

    /// Drops all that is kept: nothing will be received any more.
    pub(crate) fn stop(&mut self) {
        self.partial = Partial::Stopped;
        self.message.stop();
    }

    /// Takes a header, whole from the input or put together from octets kept before.
    fn next_header(
        &mut self,
        role: Role,
        input: &mut Input<'_>,
    ) -> Result<Option<Header>, ProtocolError> {
        // RFC 7692, section 6, is the only use of RSV1.
        let rsv1_allowed = self.inflates();
        let (mut octets, mut end) = match self.partial {
            Partial::Header { octets, len } => (octets, usize::from(len)),
            _ => {
                if let Some((header, len)) = Header::parse(input.remaining(), role, rsv1_allowed)? {
                    input.take(len);
                    return Ok(Some(header));
                }
                ([0; Header::MAX_LEN - 1], 0)
            }
        };
        while let [octet] = *input.take(1) {
            let mut header = [0; Header::MAX_LEN];
            for (place, kept) in header
                .iter_mut()
                .zip(octets.iter().take(end).chain([&octet]))
            {
                *place = *kept;
            }
            let so_far = header.get(..=end).unwrap_or_default();
            if let Some((header, _)) = Header::parse(so_far, role, rsv1_allowed)? {
                self.partial = Partial::None;
                return Ok(Some(header));
            }
            if let Some(place) = octets.get_mut(end) {
                *place = octet;
                end += 1;
            }
        }
        if end > 0 {
            let len = end as u8; // less than `MAX_LEN`
            self.partial = Partial::Header { octets, len };
        }
        Ok(None)
    }

    /// The rules that need to know the frames before (RFC 6455, section 5.4) and the limits
    /// (RFC 6455, section 10.4), all before any payload.
    #[inline]
    fn judge(&mut self, header: &Header) -> Result<Frame, ProtocolError> {
        let is_under_way = self.message.is_under_way();
        match header.opcode {
            Opcode::Continuation if !is_under_way => {
                return Err(ProtocolError::ContinuationUnexpected);
            }
            Opcode::Text | Opcode::Binary if is_under_way => {
                return Err(ProtocolError::ContinuationExpected);
            }
            _ => {}
        }
        let max_frame_size = match header.rsv1 || self.message.is_compressed() {
            true => message::max_compressed(self.max_frame_size),
            false => self.max_frame_size,
        };
        // A length above `usize` is above every limit.
        let remaining = match usize::try_from(header.payload_len) {
            Ok(len) if header.opcode.is_control() || len <= max_frame_size => len,
            _ => return Err(ProtocolError::FrameTooBig),
        };
        if !header.opcode.is_control() {
            if remaining > self.message.room(header.rsv1, self.fragments) {
                return Err(ProtocolError::MessageTooBig);
            }
            if !header.fin || is_under_way {
                if self.fragments >= self.max_fragments {
                    return Err(ProtocolError::TooManyFragments);
                }
                self.fragments += 1;
            }
        }
        Ok(Frame {
            opcode: header.opcode,
            fin: header.fin,
            mask: header.masking_key.map(Mask::new),
            remaining,
        })
    }

    /// Takes what has arrived of the payload; returns whether that was its end.
    fn take_payload(
        &mut self,
        mut frame: Frame,
        input: &mut Input<'_>,
    ) -> Result<bool, ProtocolError> {
        self.message.make_room(frame.remaining, input.len());
        for octets in input.take(frame.remaining).chunks_mut(STEP) {
            frame.remaining -= octets.len();
            self.message.append(octets, frame.mask.as_mut())?;
        }
        let is_over = frame.remaining == 0;
        self.partial = if is_over {
            Partial::None
        } else {
            Partial::Payload(frame)
        };
        Ok(is_over)
    }

    /// A frame whose payload has been gathered is over, and with it perhaps the message.
    fn finish<'b>(&mut self, frame: Frame) -> Result<Option<Event<'b>>, ProtocolError> {
        if !frame.fin {
            return Ok(None);
        }
        self.fragments = 0;
        self.message.finish()
    }
}
