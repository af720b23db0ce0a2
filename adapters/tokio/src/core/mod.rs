//! One connection and its one algorithm, without a lock and without a waker of its own: whoever has
//! `&mut Core` drives both directions.
//!
//! Invariant: nothing here waits, so nothing is ever half done. `Pending` comes only after all output
//! was offered to the transport and all deadlines were looked at, and each of them has the waker.

mod input;
mod output;

use crate::error::Error;
use crate::message::{Message, Utf8};
use crate::options::Options;
use crate::transport::Transport;
use bytes::{Bytes, BytesMut};
use input::Input;
use output::Output;
use sansocket::{
    ClientRequest, CloseCode, Connection, Data, Deliver, End, Endpoint, Event, Request, Response,
    SendError, Settings, Tick,
};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// From here on a payload is written from where it lies: below, a copy costs less than a part more
/// in a write.
const APART: usize = 64 << 10;
/// From here on the frame of a prepared message is shared and not copied.
const SHARED: usize = 16 << 10;

pub(crate) struct Core<S> {
    /// `None` once it is over.
    io: Option<S>,
    endpoint: Endpoint,
    start: Instant,
    /// The time of the last turn: no message asks the clock.
    now: Duration,
    input: Input,
    /// A message that was taken while only the writer was polled.
    ready: Option<Message>,
    output: Output,
    timer: Option<Pin<Box<Sleep>>>,
    /// What the timer is set to.
    alarm: Duration,
    runtime: Handle,
    high_water: u32,
    /// How much of the output answers the peer, at most.
    answers: u32,
    shows_control: bool,
    /// Whether nobody takes messages any more.
    pub(crate) discards: bool,
    /// Whether the transport has nothing more to be read.
    is_read_to_end: bool,
    shutdown: Shutdown,
    end: Option<End>,
    /// What the transport reported when it failed.
    failure: Option<io::Error>,
    /// Whether the end was told as an error.
    is_told: bool,
    /// Whether somebody waits for output to be written.
    is_awaited: bool,
}

/// Whether writing is shut down.
#[derive(Clone, Copy)]
enum Shutdown {
    NotYet,
    Due,
    Done,
}

/// What is to be sent.
pub(crate) enum Outgoing<'a> {
    Message(Message),
    /// A part of a message, its last or not.
    Piece(Data<'a>, bool),
}

/// What the opening handshake has come to.
pub(crate) enum Opening {
    /// Server: this is to be decided on. The request failed its checks if it has an error.
    Request(Request),
    /// Client: it is open.
    Opened(Response),
}

/// Starts.
impl<S: Transport> Core<S> {
    pub(crate) fn server(io: S, options: &Options) -> Self {
        let endpoint = Endpoint::server(&options.config, Duration::ZERO);
        Self::new(io, endpoint, options, BytesMut::new(), BytesMut::new())
    }

    pub(crate) fn client(
        io: S,
        request: &ClientRequest,
        options: &Options,
        seed: [u8; 32],
    ) -> Self {
        let (config, mut out) = (&options.config, BytesMut::new());
        let endpoint = Endpoint::client(request, config, seed, Duration::ZERO, &mut out);
        Self::new(io, endpoint, options, BytesMut::new(), out)
    }

    pub(crate) fn upgraded(
        io: S,
        connection: Connection,
        options: &Options,
        leftover: BytesMut,
    ) -> Self {
        let endpoint = Endpoint::open(connection, &options.config, Duration::ZERO);
        Self::new(io, endpoint, options, leftover, BytesMut::new())
    }

    fn new(
        io: S,
        mut endpoint: Endpoint,
        options: &Options,
        input: BytesMut,
        out: BytesMut,
    ) -> Self {
        let settings = in_place(*endpoint.settings());
        *endpoint.settings() = settings;
        // From the start the layer below the output reports what has left: large payloads wait there.
        endpoint.flushed(0, false, Duration::ZERO);
        Self {
            io: Some(io),
            endpoint,
            start: Instant::now(),
            now: Duration::ZERO,
            input: Input::new(input, options.max_read),
            ready: None,
            output: Output::new(out),
            timer: None,
            alarm: Duration::MAX,
            runtime: Handle::current(),
            high_water: u32::try_from(options.high_water).unwrap_or(u32::MAX),
            answers: 0,
            shows_control: options.show_control,
            discards: false,
            is_read_to_end: false,
            shutdown: Shutdown::NotYet,
            is_awaited: false,
            end: None,
            failure: None,
            is_told: false,
        }
    }
}

/// Questions.
impl<S> Core<S> {
    /// Whether there is room for a message; a send that must fail need not wait.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.output.len() < self.high_water as usize || self.is_closed()
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        !self.endpoint.is_open() || self.io.is_none() || self.output.is_broken
    }

    /// Whether all is written, and nothing else has to be done with the transport.
    pub(crate) fn is_settled(&self) -> bool {
        self.output.is_settled() && !matches!(self.shutdown, Shutdown::Due)
    }

    /// Whether messages that were read wait to be taken: then output may wait for theirs.
    #[inline]
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_hungry || self.ready.is_some()
    }

    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn io(&self) -> Option<&S> {
        self.io.as_ref()
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn settings(&mut self) -> Settings {
        *self.endpoint.settings()
    }

    pub(crate) fn set_settings(&mut self, settings: Settings) {
        *self.endpoint.settings() = in_place(settings);
    }
}

/// Receives.
impl<S: Transport> Core<S> {
    /// The next message; `None` at a clean end. An end that is not clean is told once as an error.
    pub(crate) fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        loop {
            if let Some(message) = self.take() {
                return Poll::Ready(Ok(Some(message)));
            }
            if self.end.is_some() {
                return Poll::Ready(self.tell_end().map(|()| None));
            }
            // What is to be written goes first. If nothing is, the clock can wait.
            let reads_first = self.output.is_settled() && self.may_read();
            if reads_first && self.poll_read(context).is_ready() {
                continue;
            }
            self.turn(context);
            let is_over = self.end.is_some();
            if !is_over && (reads_first || !self.may_read() || self.poll_read(context).is_pending())
            {
                return Poll::Pending;
            }
        }
    }

    /// The next message of what was read; `None` if more must be read first.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Message> {
        if self.input.is_hungry || self.ready.is_some() {
            return self.ready.take();
        }
        self.take_next()
    }

    fn take_next(&mut self) -> Option<Message> {
        let before = self.output.buffer().len();
        let message = loop {
            let (bytes, out) = (&mut self.input.bytes, self.output.buffer());
            let Some(event) = self.endpoint.receive_owned(bytes, self.now, out) else {
                break None;
            };
            if let Some(message) = self.message(event) {
                break Some(message);
            }
        };
        let answers = self.output.buffer().len() - before;
        self.answers = self.answers.saturating_add(saturated(answers));
        if message.is_some() {
            // Inflating in pieces may have more although nothing is left here.
            if self.input.bytes.is_empty() && self.endpoint.settings().deliver != Deliver::Pieces {
                self.input.empty();
            }
        } else if self.input.bytes.is_empty() {
            self.input.empty();
        } else {
            let rest = sansocket::Input(&mut self.input.bytes);
            let missing = self.endpoint.missing(&rest).unwrap_or(1);
            self.input.wait_for(missing);
        }
        message
    }

    /// What the user sees of an event: control frames only if they are wanted.
    fn message(&self, event: Event<'static>) -> Option<Message> {
        Some(match event {
            Event::Text(text) => Message::Text(Utf8::from(text.into_string())),
            Event::Binary(data) => Message::Binary(data.into_bytes()),
            Event::Piece(piece) => Message::Piece(piece),
            Event::Ping(data) if self.shows_control => Message::Ping(data.into_bytes()),
            Event::Pong(data) if self.shows_control => Message::Pong(data.into_bytes()),
            Event::Close { code, reason } if self.shows_control => Message::Close {
                code,
                reason: Utf8::from(reason.into_string()),
            },
            _ => return None, // answered already
        })
    }

    /// Whether there is room for answers to what is read: a peer that sends Pings and reads nothing
    /// waits. Messages are no matter: the user takes them, or they wait.
    fn may_read(&self) -> bool {
        self.answers < self.high_water
    }

    /// Ready if something was read, or the transport has ended.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
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
        if n == 0 {
            self.is_read_to_end = true;
            self.endpoint.receive_eof();
        } else {
            self.now = self.start.elapsed();
        }
        Poll::Ready(())
    }

    /// Reads on behalf of a reader that is not polled just now: so Pings are answered and a Close is
    /// seen. At most one message is taken; what is behind it is looked at when it is gone.
    pub(crate) fn read_ahead(&mut self, context: &mut Context<'_>) {
        while self.end.is_none() && self.may_read() {
            if self.discards {
                while self.take().is_some() {}
            }
            if self.has_input() || self.poll_read(context).is_pending() {
                return;
            }
            if !self.is_read_to_end {
                self.ready = self.take();
            }
            if self.ready.is_some() && !self.discards {
                context.waker().wake_by_ref(); // the reader, whose own waker may be gone by now
            }
        }
    }

    /// How it ended: an error if it is not clean, once.
    fn tell_end(&mut self) -> Result<(), Error> {
        match &self.end {
            Some(end) if !end.is_clean() && !self.is_told => {
                self.is_told = true;
                Err(Error::Ended {
                    end: Box::new(end.clone()),
                    transport: self.failure.take(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Opens.
impl<S: Transport> Core<S> {
    /// Reads until there is a request to decide on, or the server's response.
    pub(crate) fn poll_opening(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Opening, Error>> {
        loop {
            while !self.input.is_hungry {
                let (bytes, out) = (&mut self.input.bytes, self.output.buffer());
                match self.endpoint.receive_owned(bytes, self.now, out) {
                    Some(Event::Request(request) | Event::Http(request)) => {
                        return Poll::Ready(Ok(Opening::Request(request)));
                    }
                    Some(Event::Opened(response)) => {
                        if self.input.bytes.is_empty() {
                            self.input.empty();
                        }
                        return Poll::Ready(Ok(Opening::Opened(*response)));
                    }
                    Some(_) => {} // refused: the end tells
                    None => self.input.empty(),
                }
            }
            self.turn(context);
            if let Some(end) = &self.end {
                return Poll::Ready(Err(end.clone().into()));
            }
            if self.poll_read(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Answers the request. One that failed its checks is refused in any case.
    pub(crate) fn decide(&mut self, decision: Result<Request, Response>) {
        // It cannot fail: the request was not answered before.
        let _ = match decision {
            Ok(request) => self.endpoint.accept(request, self.output.buffer()),
            Err(response) => self.endpoint.respond(response, self.output.buffer()),
        };
        if self.input.bytes.is_empty() {
            self.input.empty();
        }
    }

    /// Open, with the response written; an error if there is no connection.
    pub(crate) fn poll_opened(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.turn(context);
            if let Some(end) = &self.end {
                return Poll::Ready(Err(end.clone().into()));
            }
            if self.endpoint.is_open() {
                return match self.output.is_settled() {
                    true => Poll::Ready(Ok(())),
                    false => Poll::Pending,
                };
            }
            // It was refused: the client reads the response, and leaves.
            if self.take().is_none() && self.poll_read(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// Sends.
impl<S: Transport> Core<S> {
    /// Appends what is to be sent, or nothing.
    pub(crate) fn push(&mut self, outgoing: Outgoing<'_>) -> Result<(), Error> {
        if self.io.is_none() || self.output.is_broken {
            return Err(self.ended());
        }
        let (endpoint, out) = (&mut self.endpoint, self.output.buffer());
        let message = match outgoing {
            Outgoing::Message(message) => message,
            Outgoing::Piece(data, is_last) => {
                return Ok(endpoint.send_piece(data, is_last, out)?);
            }
        };
        match message {
            Message::Text(text) if text.len() >= APART => {
                if !endpoint.send_apart(&*text, out)?.is_empty() {
                    self.follow(text.into());
                }
            }
            Message::Text(text) => endpoint.send(&*text, out)?,
            Message::Binary(data) if data.len() >= APART => {
                if !endpoint.send_apart(&data, out)?.is_empty() {
                    self.follow(data);
                }
            }
            Message::Binary(data) => endpoint.send(&data, out)?,
            Message::Prepared(prepared) if prepared.len() >= SHARED => {
                let frame = endpoint.share(&prepared)?;
                self.follow(frame);
            }
            Message::Prepared(prepared) => endpoint.send(&prepared, out)?,
            Message::Piece(piece) => endpoint.send_piece(&piece, piece.is_last(), out)?,
            Message::Ping(data) => endpoint.send_ping(&data, out)?,
            Message::Pong(data) => endpoint.send_pong(&data, out)?,
            Message::Close { code, reason } => {
                endpoint.close(code.is_on_wire().then_some(code), &reason, out)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, payload: Bytes) {
        self.output.follow(payload, &mut self.endpoint, self.now);
    }

    /// Starts the closing handshake, or answers the peer's Close. Nothing happens if a Close was sent
    /// before.
    pub(crate) fn close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), Error> {
        match self.endpoint.close(code, reason, self.output.buffer()) {
            Ok(()) | Err(SendError::Closed) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Why nothing can be sent any more.
    fn ended(&self) -> Error {
        match &self.end {
            Some(end) => end.clone().into(),
            None => SendError::Closed.into(), // writing has failed, and reading tells how it ends
        }
    }

    /// Waits for room.
    pub(crate) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.drive(context);
        self.awaited(self.has_room())
    }

    /// Waits until all is written.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.drive(context);
        if self.output.is_broken {
            return Poll::Ready(Err(self.ended()));
        }
        self.awaited(self.end.is_some() || self.is_settled())
            .map(Ok)
    }

    /// Waits for the end.
    pub(crate) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<End, Error>> {
        self.drive(context);
        match &self.end {
            None => self.awaited(false).map(|()| unreachable!()),
            Some(end) if end.is_clean() => Poll::Ready(Ok(end.clone())),
            Some(end) => Poll::Ready(Err(end.clone().into())),
        }
    }

    const fn awaited(&mut self, is_done: bool) -> Poll<()> {
        self.is_awaited |= !is_done;
        match is_done {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Does everything that can be done without the reader.
    pub(crate) fn drive(&mut self, context: &mut Context<'_>) {
        self.read_ahead(context);
        self.turn(context);
    }

    /// Writes what there is and does what is due. What is left has the waker for room.
    pub(crate) fn turn(&mut self, context: &mut Context<'_>) {
        self.now = self.start.elapsed();
        if self.now >= self.alarm {
            self.alarm = Duration::MAX;
        }
        let holds_back = self.has_input() && !self.discards;
        self.endpoint.hold_back(holds_back, self.now);
        let wake = loop {
            let Some(io) = &mut self.io else { return };
            let mut io = Pin::new(io);
            let (output, endpoint) = (&mut self.output, &mut self.endpoint);
            match output.write(io.as_mut(), context, endpoint, self.now) {
                Ok(moved) => {
                    if moved && std::mem::take(&mut self.is_awaited) {
                        context.waker().wake_by_ref();
                    }
                }
                Err(error) => {
                    self.failure.get_or_insert(error);
                    context.waker().wake_by_ref();
                }
            }
            self.answers = self.answers.min(saturated(output.len()));
            let before = output.out().len();
            let wake = match endpoint.tick(self.now, output.out()) {
                Tick::Wait(wake) => wake,
                Tick::ShutDown(wake) => {
                    if !matches!(self.shutdown, Shutdown::Done) {
                        // An error is an end, which reading tells as well.
                        let is_done = io.poll_shutdown(context).is_ready();
                        self.shutdown = if is_done {
                            Shutdown::Done
                        } else {
                            Shutdown::Due
                        };
                    }
                    wake
                }
                Tick::Done(end) => {
                    self.finish(end, context);
                    return;
                }
            };
            if output.out().len() == before {
                break wake;
            }
        };
        self.set_timer(wake, context);
    }

    /// It is over: lets go of everything except a message that was taken already.
    fn finish(&mut self, end: End, context: &mut Context<'_>) {
        self.end = Some(end);
        self.abandon();
        context.waker().wake_by_ref();
    }

    /// Drops the transport.
    pub(crate) fn abandon(&mut self) {
        self.output.discard(&mut self.endpoint, self.now);
        self.input.bytes.clear();
        self.input.empty();
        self.shutdown = Shutdown::Done;
        (self.io, self.timer) = (None, None);
    }

    /// One that is set for an earlier time stays: it finds nothing due, and is set anew.
    fn set_timer(&mut self, wake: Option<Duration>, context: &mut Context<'_>) {
        let Some(wake) = wake.filter(|wake| *wake < self.alarm) else {
            return;
        };
        self.alarm = wake;
        let at = self.start + wake;
        let timer = match &mut self.timer {
            Some(timer) => {
                timer.as_mut().reset(at);
                timer
            }
            none => {
                let _runtime = self.runtime.enter();
                none.insert(Box::pin(sleep_until(at)))
            }
        };
        // The runtime knows it from its first poll on. A task that has used up its budget would not
        // get so far.
        let _ = pin!(unconstrained(timer.as_mut())).poll(context);
    }
}

/// Messages are never gathered by the core: they wait in the buffer that they were read into.
fn in_place(mut settings: Settings) -> Settings {
    if settings.deliver == Deliver::Complete {
        settings.deliver = Deliver::InPlace;
    }
    settings
}

fn saturated(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
