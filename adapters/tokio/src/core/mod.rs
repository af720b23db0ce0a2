//! One connection and its one algorithm, without a lock and without a waker of its own: whoever has
//! `&mut Core` drives both directions.
//!
//! Invariant: nothing here waits, so nothing is ever half done.

mod due;
mod input;
mod opening;
mod output;
mod receive;
mod send;
mod turn;

use crate::message::Message;
use crate::options::Options;
use crate::transport::Transport;
use bytes::BytesMut;
use due::Due;
use input::Input;
use output::Output;
use sansocket::{
    ClientRequest, Connection, Data, Deliver, End, Endpoint, Request, Response, Settings,
};
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

pub(crate) struct Core<S> {
    /// `None` once it is over.
    io: Option<S>,
    endpoint: Endpoint,
    start: Instant,
    /// The time of the last turn: no message asks the clock.
    now: Duration,
    input: Input,
    /// A message that was taken while only the writer was polled.
    ready: Option<Box<Message>>,
    /// The peer's Close, until it is answered.
    due: Due,
    output: Output,
    timer: Option<Pin<Box<Sleep>>>,
    /// What the timer is set to.
    alarm: Duration,
    runtime: Handle,
    high_water: u32,
    /// How much of the output answers the peer, at most.
    answers: u32,
    shows_control: bool,
    user: User,
    /// Whether the transport has nothing more to be read.
    is_read_to_end: bool,
    shutdown: Shutdown,
    end: Option<Box<End>>,
    /// What the transport reported when it failed.
    failure: Option<io::Error>,
    /// Whether the end was told as an error.
    is_told: bool,
    /// Whether somebody waits for output to be written.
    is_awaited: bool,
    /// Whether the last read found nothing: the transport has the waker.
    is_read_pending: bool,
    /// Whether nothing was asked for since a turn that left nothing to do for anybody.
    is_calm: bool,
}

/// What the user still does.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum User {
    Receives,
    /// Nobody takes messages any more.
    Sends,
    /// Nobody keeps it open any more: what is there is written, and nothing more is sent.
    Left,
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
        let mut due = Due::new(options.config.times.close);
        adapt(endpoint.settings(), &mut due);
        // From the start the layer below the output reports what has left: large payloads wait there.
        endpoint.flushed(0, false, Duration::ZERO);
        Self {
            io: Some(io),
            endpoint,
            start: Instant::now(),
            now: Duration::ZERO,
            input: Input::new(input, options.max_read),
            ready: None,
            due,
            output: Output::new(out),
            timer: None,
            alarm: Duration::MAX,
            runtime: Handle::current(),
            // Without room for a byte nothing would ever be sent, nor read.
            high_water: saturated(options.high_water).max(1),
            answers: 0,
            shows_control: options.show_control,
            user: User::Receives,
            is_read_to_end: false,
            shutdown: Shutdown::NotYet,
            is_awaited: false,
            is_read_pending: false,
            is_calm: false,
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
        !self.endpoint.is_open() || self.io.is_none() || self.output.is_broken || self.is_left()
    }

    /// Whether all is written, and nothing else has to be done whatever the user does.
    pub(crate) fn is_settled(&self) -> bool {
        self.output.is_settled()
            && !matches!(self.shutdown, Shutdown::Due)
            && !self.due.is_waiting(&self.endpoint)
    }

    /// Whether messages that were read wait to be taken: then output may wait for theirs.
    #[inline]
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_hungry || self.ready.is_some()
    }

    /// Whether nobody takes messages any more.
    fn discards(&self) -> bool {
        self.user >= User::Sends
    }

    fn is_left(&self) -> bool {
        self.user == User::Left
    }

    /// Whether a turn would change nothing, unless something happens.
    pub(crate) const fn is_calm(&self) -> bool {
        self.is_calm
    }

    /// A turn may have something to do again.
    pub(crate) const fn disturb(&mut self) {
        (self.is_calm, self.is_read_pending) = (false, false);
    }

    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_deref()
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
        let mut settings = *self.endpoint.settings();
        self.due.give_back(&mut settings);
        settings
    }

    pub(crate) fn set_settings(&mut self, mut settings: Settings) {
        adapt(&mut settings, &mut self.due);
        *self.endpoint.settings() = settings;
    }
}

/// Messages are never gathered by the core: they wait in the buffer that they were read into. And a
/// Close is answered by us.
const fn adapt(settings: &mut Settings, due: &mut Due) {
    if matches!(settings.deliver, Deliver::Complete) {
        settings.deliver = Deliver::InPlace;
    }
    due.take_over(settings);
}

fn saturated(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
