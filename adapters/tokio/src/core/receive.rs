//! What comes from the peer: messages for whoever asks, and reading on behalf of a reader who does not.
//!
//! Invariant: messages are taken one at a time, so a Close behind them is not answered before they were
//! taken; a message that was read is the user's, also after the end.

use super::{Core, User, saturated};
use crate::error::Error;
use crate::message::{Message, Utf8};
use crate::transport::Transport;
use bytes::Buf;
use sansocket::Event;
use std::ops::ControlFlow;
use std::task::{Context, Poll};

/// A longer input may have a payload that is not copied, but a view of it.
const LONG: usize = 16 << 10;
/// So often it is read in a row, until others have their turn and deadlines are looked at. Not every
/// transport takes part in tokio's budget, and a destructor has none.
const READS: u8 = 32;

/// Receives.
impl<S: Transport> Core<S> {
    /// The next message; `None` at a clean end. An end that is not clean is told once as an error.
    pub(crate) fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        loop {
            let message = self.take();
            self.due.is_reader_busy = message.is_some();
            if message.is_some() {
                return Poll::Ready(Ok(message));
            }
            self.due.answer(&mut self.endpoint, self.output.out());
            if self.end.is_some() {
                self.output.discard(&mut self.endpoint, self.now); // gives its buffer back
                return Poll::Ready(self.tell_end().map(|()| None));
            }
            // What is to be written goes first. If nothing is, the clock can wait.
            let has_read_enough = self.has_read_enough(context);
            let reads_first = !has_read_enough && self.output.is_settled() && self.may_read();
            if reads_first && self.poll_read(context).is_ready() {
                continue;
            }
            self.turn(context);
            let is_over = self.end.is_some();
            let must_wait = has_read_enough || reads_first || !self.may_read();
            if !is_over && (must_wait || self.poll_read(context).is_pending()) {
                return Poll::Pending;
            }
        }
    }

    /// Whether it is time for others: a peer that always has more must not keep the thread, nor outlast
    /// its deadlines. Then whoever waits is woken.
    pub(super) fn has_read_enough(&mut self, context: &Context<'_>) -> bool {
        let is_enough = self.input.reads >= READS;
        if is_enough {
            self.input.reads = 0;
            context.waker().wake_by_ref();
        }
        is_enough
    }

    /// The next message of what was read, for a reader who asks; `None` if more must be read first.
    #[inline]
    pub(crate) fn take_for_reader(&mut self) -> Option<Message> {
        let message = match self.input.is_hungry || self.ready.is_some() {
            true => self.take_ready(),
            false => self.take_next(),
        };
        self.due.is_reader_busy = message.is_some();
        message
    }

    /// The same for anybody, and not inlined.
    pub(super) fn take(&mut self) -> Option<Message> {
        match self.input.is_hungry || self.ready.is_some() {
            true => self.take_ready(),
            false => self.take_next(),
        }
    }

    fn take_ready(&mut self) -> Option<Message> {
        self.ready.take().map(|message| *message)
    }

    #[inline(always)]
    fn take_next(&mut self) -> Option<Message> {
        loop {
            let (bytes, out) = (&mut self.input.bytes, self.output.buffer());
            if bytes.len() > LONG {
                let before = out.len();
                let event = self.endpoint.receive_owned(bytes, self.now, out);
                match self.took(before, event) {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(message) => return message,
                }
            }
            // Every payload is short, and copied straight into its message.
            let before = out.len();
            let mut input = sansocket::Input(bytes);
            let message = match self.endpoint.receive(&mut input, self.now, out) {
                Some(Event::Binary(data)) => Message::Binary(data.into_bytes()),
                Some(Event::Text(text)) => Message::Text(text.into_string().into()),
                event => {
                    let event = event.map(Event::into_owned);
                    let left = input.0.len();
                    bytes.advance(bytes.len() - left);
                    match self.took(before, event) {
                        ControlFlow::Continue(()) => continue,
                        ControlFlow::Break(message) => return message,
                    }
                }
            };
            let left = input.0.len();
            bytes.advance(bytes.len() - left);
            if left == 0 {
                self.input.empty();
            }
            return Some(message);
        }
    }

    /// An event was taken, or there is none; its answer is behind the output that was there before.
    #[cold]
    fn took(
        &mut self,
        before: usize,
        event: Option<Event<'static>>,
    ) -> ControlFlow<Option<Message>> {
        let answer = self.output.out().len() - before;
        self.answers = self.answers.saturating_add(saturated(answer));
        let Some(event) = event else {
            if self.input.bytes.is_empty() {
                self.input.empty();
            } else {
                let rest = sansocket::Input(&mut self.input.bytes);
                let missing = self.endpoint.missing(&rest).unwrap_or(1);
                self.input.wait_for(missing);
            }
            return ControlFlow::Break(None);
        };
        let Some(message) = self.message(event) else {
            return ControlFlow::Continue(());
        };
        // Inflating in pieces may have more although nothing is left here. How the next message shall
        // come says nothing about this one.
        let may_go_on = matches!(&message, Message::Piece(piece) if !piece.is_last());
        if self.input.bytes.is_empty() && !may_go_on {
            self.input.empty();
        }
        ControlFlow::Break(Some(message))
    }

    /// What the user sees of an event: control frames only if they are wanted.
    fn message(&mut self, event: Event<'static>) -> Option<Message> {
        Some(match event {
            Event::Text(text) => Message::Text(text.into_string().into()),
            Event::Binary(data) => Message::Binary(data.into_bytes()),
            Event::Piece(piece) => Message::Piece(piece),
            Event::Ping(data) if self.shows_control => Message::Ping(data.into_bytes()),
            Event::Pong(data) if self.shows_control => Message::Pong(data.into_bytes()),
            Event::Close { code, reason } => {
                let reason = Utf8::from(reason.into_string());
                self.due.came(code, reason.clone());
                return self
                    .shows_control
                    .then_some(Message::Close { code, reason });
            }
            _ => return None, // answered already
        })
    }

    /// Whether there is room for answers to what is read: a peer that sends Pings and reads nothing
    /// waits. Messages are no matter: the user takes them, or they wait. Behind a Close that is not
    /// answered yet there is nothing to read.
    pub(super) fn may_read(&self) -> bool {
        self.answers < self.high_water && !self.due.is_waiting(&self.endpoint)
    }

    /// Ready if something was read, or the transport has ended.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.is_read_pending = true;
        let Some(io) = self.io.as_mut().filter(|_| !self.is_read_to_end) else {
            return Poll::Pending;
        };
        let n = match self.input.read(io, context) {
            Poll::Ready(Ok(n)) => n,
            Poll::Ready(Err(error)) => {
                self.failure.get_or_insert(error);
                0
            }
            // Nothing can be written any more. What has arrived was read, and nothing more is awaited.
            Poll::Pending if self.output.is_broken => 0,
            Poll::Pending => return Poll::Pending,
        };
        self.is_read_pending = false;
        if n == 0 {
            self.is_read_to_end = true;
            self.endpoint.receive_eof();
        } else {
            self.now = self.start.elapsed();
        }
        Poll::Ready(())
    }

    /// Reads on behalf of a reader that is not polled just now: so Pings are answered and a Close is
    /// seen. At most one message is taken; what came after it is read when it has been taken.
    pub(crate) fn read_ahead(&mut self, context: &mut Context<'_>) {
        while self.end.is_none() && self.may_read() && !self.has_read_enough(context) {
            if self.discards() {
                while self.take().is_some() {}
            } else if self.ready.is_none() && !self.input.is_hungry {
                self.ready = self.take().map(Box::new); // or else it was no message that waited
                if self.ready.is_some() {
                    context.waker().wake_by_ref(); // the reader, whose own waker may be gone by now
                }
            }
            if self.has_input() || !self.may_read() || self.poll_read(context).is_pending() {
                break;
            }
        }
        if !self.due.is_reader_busy {
            self.due.answer(&mut self.endpoint, self.output.out());
        }
    }

    /// Nobody takes messages any more.
    pub(crate) fn discard_messages(&mut self) {
        self.stay(User::Sends);
    }

    /// Nobody keeps it open any more.
    pub(crate) fn leave(&mut self) {
        self.stay(User::Left);
    }

    fn stay(&mut self, user: User) {
        if self.user < user {
            self.user = user;
        }
        self.due.is_reader_busy = false;
    }

    /// How it ended: an error if it is not clean, once.
    pub(super) fn tell_end(&mut self) -> Result<(), Error> {
        match self.end() {
            Some(end) if !end.is_clean() && !self.is_told => {
                self.is_told = true;
                Err(self.ended())
            }
            _ => Ok(()),
        }
    }
}
