//! Octets to events (RFC 6455, sections 5 and 6.2). Its law: everything is judged before it is
//! kept, and what is kept is only a partial header, a partial control frame, and the message
//! under way. It writes no output.

use crate::close::{CloseCode, CloseFrame};
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::Inflation;
use crate::error::ProtocolError;
use crate::event::Event;
use crate::frame::{Header, MAX_CONTROL_LEN, Opcode};
use crate::input::Input;
use crate::mask::Mask;
use crate::message::{self, Message};
use crate::role::Role;
use crate::utf8;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::mem;

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

/// A control frame and what has come in of its payload.
#[derive(Debug)]
struct Control {
    frame: Frame,
    octets: [u8; MAX_CONTROL_LEN],
    len: u8,
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

/// A frame that lies whole in the input behind a header of at most 8 octets, as nearly all do.
#[derive(Clone, Copy)]
struct Whole {
    /// The first octet of its header.
    first: u8,
    header_len: usize,
    len: usize,
}

impl Whole {
    /// What the input begins with, if it is one, and masked as it must be.
    #[inline]
    fn ahead(role: Role, input: &Input<'_>) -> Option<Self> {
        let [first, second, a, b, ..] = *input.remaining() else {
            return None;
        };
        let (len, header_len) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([a, b])), 4),
            127.. => return None,
            len => (usize::from(len), 2),
        };
        let is_minimal = header_len == 2 || len >= 126;
        let is_masked = role == Role::Server;
        let header_len = header_len + if is_masked { 4 } else { 0 };
        let is_one =
            is_masked == (second & 0x80 != 0) && is_minimal && input.len() >= header_len + len;
        is_one.then_some(Self {
            first,
            header_len,
            len,
        })
    }

    /// Takes it, and returns its payload as it came in, with its mask.
    #[inline]
    fn take<'b>(self, role: Role, input: &mut Input<'b>) -> (&'b mut [u8], Option<Mask>) {
        let header = input.take(self.header_len);
        let payload = input.take(self.len);
        let key = match role {
            Role::Server => header.last_chunk(),
            Role::Client => None,
        };
        (payload, key.map(|key| Mask::new(*key)))
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

/// What the input begins with, where that is a message which may wait there.
enum Ahead {
    /// A part of its header.
    CutHeader,
    /// Its header, how long that is, and how long its payload is.
    Payload(Header, usize, usize),
}

/// Whether something waits in the input.
pub(crate) enum Waiting<'b> {
    /// Nothing that could: the input is for [`Receiver::receive`].
    Nothing,
    /// A message that is not there as a whole.
    Message,
    /// It is there, and has been taken.
    Whole(Result<Event<'b>, ProtocolError>),
}

/// The first octet of a frame that is a whole message, not compressed.
const TEXT: u8 = 0x80 | Opcode::Text as u8;
const BINARY: u8 = 0x80 | Opcode::Binary as u8;
/// The first octet of a further fragment which is not the last.
const NEXT_FRAGMENT: u8 = Opcode::Continuation as u8;

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

    /// The next message, if it lies whole and plain in the input; else nothing has been taken.
    ///
    /// It is the short way of [`receive`](Self::receive): it sees only what all rules allow.
    #[inline]
    pub(crate) fn whole_message<'b>(
        &self,
        role: Role,
        input: &mut Input<'b>,
    ) -> Option<Result<Event<'b>, ProtocolError>> {
        let frame = Whole::ahead(role, input)?;
        if !matches!(frame.first, TEXT | BINARY)
            || !matches!(self.partial, Partial::None)
            || self.message.is_under_way()
            || frame.len > self.max_frame_size
            || frame.len > self.message.max_size()
        {
            return None;
        }
        let (payload, mask) = frame.take(role, input);
        if let Some(mut mask) = mask {
            mask.apply(payload);
        }
        Some(if frame.first == TEXT {
            text(payload)
        } else {
            Ok(Event::Binary(Cow::Borrowed(payload)))
        })
    }

    /// What the input begins with, if it is a whole and plain message as far as can be seen.
    fn ahead(&self, role: Role, octets: &[u8]) -> Option<Ahead> {
        let begins = matches!(octets, [TEXT | BINARY, ..])
            && matches!(self.partial, Partial::None | Partial::Waits { .. })
            && !self.message.is_under_way();
        if !begins {
            return None;
        }
        let Some((header, header_len)) = Header::parse(octets, role, false).ok()? else {
            return Some(Ahead::CutHeader);
        };
        let len = usize::try_from(header.payload_len).ok()?;
        let fits = len <= self.max_frame_size && len <= self.message.max_size();
        fits.then_some(Ahead::Payload(header, header_len, len))
    }

    /// How many octets are still to come, at least, of a message that may wait in the input.
    pub(crate) fn missing(&self, role: Role, input: &Input<'_>) -> Option<usize> {
        match self.ahead(role, input.remaining())? {
            Ahead::CutHeader => Some(1),
            Ahead::Payload(_, header_len, len) => {
                let missing = header_len.saturating_add(len).checked_sub(input.len())?;
                (missing > 0).then_some(missing)
            }
        }
    }

    /// Lends a message that has waited in the input, or lets one wait there.
    pub(crate) fn waiting_message<'b>(&mut self, role: Role, input: &mut Input<'b>) -> Waiting<'b> {
        let (header, header_len, len) = match self.ahead(role, input.remaining()) {
            None => return Waiting::Nothing,
            Some(Ahead::CutHeader) => return Waiting::Message,
            Some(Ahead::Payload(header, header_len, len)) => (header, header_len, len),
        };
        let from = match self.partial {
            Partial::Waits { unmasked } => unmasked,
            _ => 0,
        };
        let there = len.min(input.len() - header_len);
        let is_whole = there == len;
        // What came in is in the fastest cache: now is the time to unmask it.
        let to = if is_whole { len } else { there - there % 4 };
        let payload = input.remaining_mut().get_mut(header_len..);
        let fresh = payload.and_then(|payload| payload.get_mut(from..to));
        if let (Some(key), Some(fresh)) = (header.masking_key, fresh) {
            Mask::new(key).apply(fresh);
        }
        if !is_whole {
            self.partial = Partial::Waits { unmasked: to };
            return Waiting::Message;
        }
        self.partial = Partial::None;
        input.take(header_len);
        let payload = input.take(len);
        Waiting::Whole(match header.opcode {
            Opcode::Text => text(payload),
            _ => Ok(Event::Binary(Cow::Borrowed(payload))),
        })
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

    /// Gathers the fragments of a plain message that lie whole in the input, but for the last: the
    /// short way, as [`whole_message`](Self::whole_message).
    fn gather_fragments(&mut self, role: Role, input: &mut Input<'_>) -> Result<(), ProtocolError> {
        if !matches!(self.partial, Partial::None)
            || !self.message.is_under_way()
            || self.message.is_compressed()
        {
            return Ok(());
        }
        while let Some(frame) = Whole::ahead(role, input) {
            if frame.first != NEXT_FRAGMENT
                || frame.len > self.max_frame_size
                || frame.len > self.message.room(false, 0)
                || self.fragments >= self.max_fragments
            {
                break;
            }
            self.fragments += 1;
            let (payload, mut mask) = frame.take(role, input);
            self.message.append(payload, mask.as_mut())?;
        }
        Ok(())
    }

    /// As [`receive`](Self::receive), but a message is handed on as it comes in.
    pub(crate) fn receive_piece<'b>(
        &mut self,
        role: Role,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        // What was gathered while nobody asked for pieces goes first.
        if let Some(event) = self.message.drain() {
            return Ok(Some(event));
        }
        loop {
            let frame = match self.next(role, input)? {
                Next::Nothing => return Ok(None),
                Next::Event(event) => return Ok(Some(event)),
                Next::Frame(frame) => frame,
            };
            let event = self.take_piece(frame, input)?;
            if event.is_some() || matches!(self.partial, Partial::Payload(_)) && input.is_empty() {
                return Ok(event);
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
                let event = control_event(control.frame.opcode, payload);
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

    /// Takes what makes at most one piece of a message, and hands it on.
    fn take_piece<'b>(
        &mut self,
        mut frame: Frame,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let lends = self.message.lends();
        let mut lent: &[u8] = &[];
        if lends {
            let octets = input.take(frame.remaining);
            frame.remaining -= octets.len();
            if let Some(mask) = &mut frame.mask {
                mask.apply(octets);
            }
            lent = octets;
        } else {
            self.gather_step(&mut frame, input)?;
        }
        let is_over = frame.remaining == 0 && !self.message.has_more();
        let is_last = is_over && frame.fin;
        self.partial = if is_over {
            Partial::None
        } else {
            Partial::Payload(frame)
        };
        if is_last {
            self.fragments = 0;
        }
        match (lends, is_last) {
            (true, _) => self.message.lend(lent, is_last),
            (false, true) => self.message.finish(),
            (false, false) => Ok(self.message.drain()),
        }
    }

    /// Gathers what makes at most one piece: a step of what is compressed, or an octet of a
    /// character that was cut off.
    fn gather_step(
        &mut self,
        frame: &mut Frame,
        input: &mut Input<'_>,
    ) -> Result<(), ProtocolError> {
        let most = if self.message.is_compressed() {
            STEP
        } else {
            1
        };
        let len = frame.remaining.min(most).min(input.len());
        let part = input.remaining_mut().get_mut(..len).unwrap_or_default();
        if let Some(mut mask) = frame.mask {
            mask.apply(part);
        }
        let taken = self.message.append_step(part)?;
        // What has not been taken stays in the input as it came in.
        if let (Some(mask), Some(rest)) = (&mut frame.mask, part.get_mut(taken..)) {
            mask.skip(taken);
            mask.clone().apply(rest);
        }
        input.take(taken);
        frame.remaining -= taken;
        Ok(())
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

impl Control {
    const fn new(frame: Frame) -> Self {
        Self {
            frame,
            octets: [0; MAX_CONTROL_LEN],
            len: 0,
        }
    }

    /// Takes what has arrived of the payload, which fits; returns whether that was its end.
    fn take(&mut self, input: &mut Input<'_>) -> bool {
        let part = input.take(self.frame.remaining);
        self.frame.remaining -= part.len();
        if let Some(mask) = &mut self.frame.mask {
            mask.apply(part);
        }
        for (place, octet) in self.octets.iter_mut().skip(usize::from(self.len)).zip(part) {
            *place = *octet;
            self.len += 1;
        }
        self.frame.remaining == 0
    }

    fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A message or control frame that lies whole in the caller's octets.
#[inline]
fn lend(frame: Frame, payload: &mut [u8]) -> Result<Event<'_>, ProtocolError> {
    if let Some(mut mask) = frame.mask {
        mask.apply(payload);
    }
    match frame.opcode {
        Opcode::Text => text(payload),
        Opcode::Binary | Opcode::Continuation => Ok(Event::Binary(Cow::Borrowed(payload))),
        control => control_event(control, Cow::Borrowed(payload)),
    }
}

/// A text message that lies whole in the caller's octets.
#[inline]
fn text(payload: &[u8]) -> Result<Event<'_>, ProtocolError> {
    match utf8::check(payload) {
        Ok(text) => Ok(Event::Text(Cow::Borrowed(text))),
        Err(_) => Err(ProtocolError::TextNotUtf8),
    }
}

#[cold]
fn control_event(opcode: Opcode, payload: Cow<'_, [u8]>) -> Result<Event<'_>, ProtocolError> {
    Ok(match opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        _ => Event::Close(close_frame(payload)?),
    })
}

/// The body of a Close frame (RFC 6455, section 5.5.1).
fn close_frame(body: Cow<'_, [u8]>) -> Result<Option<CloseFrame<'_>>, ProtocolError> {
    let code = match (body.first_chunk(), body.len()) {
        (Some(code), _) => CloseCode(u16::from_be_bytes(*code)),
        (None, 0) => return Ok(None),
        (None, _) => return Err(ProtocolError::CloseBodyTooShort),
    };
    if !code.is_on_wire() {
        return Err(ProtocolError::CloseCodeInvalid(code));
    }
    let reason = match body {
        Cow::Borrowed(body) => utf8::check(body.get(2..).unwrap_or_default()).map(Cow::Borrowed),
        Cow::Owned(body) => {
            utf8::check(body.get(2..).unwrap_or_default()).map(|text| Cow::Owned(text.into()))
        }
    };
    let reason = reason.map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
    Ok(Some(CloseFrame { code, reason }))
}
