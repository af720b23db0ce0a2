//! One end of a run: an endpoint, the buffers of its adapter, and what the judge wants to know about it.
//!
//! Invariant: the endpoint sees its own clock only, which may jump forward.

use crate::allocator::{live, peak};
use crate::ledger::{Heard, Message, Said};
use crate::plan::{Micros, Plan};
use crate::support::{Random, client_request, connection};
use bytes::{Buf, BytesMut};
use sansocket::{CloseCode, End, Endpoint, Event, Input, ProtocolError, Request, Role, Settings};
use std::time::Duration;

/// The server is the first.
pub(crate) const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// How an end closed, as it was told.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    /// When nothing more could be sent: a Close, a refusal, a failure.
    pub(crate) stopped: Option<Duration>,
    /// Whether the application closed before the peer, and nothing else was the cause before.
    pub(crate) is_ours: bool,
    /// The peer's Close, and when it came.
    pub(crate) heard: Option<(CloseCode, Duration)>,
    /// The same time without the jumps of the clock.
    pub(crate) heard_at: Micros,
    pub(crate) failed: Option<ProtocolError>,
    /// A refusal was told.
    pub(crate) is_refused: bool,
    /// Whether the Close was given automatically.
    pub(crate) is_echoed: bool,
    /// `tick` closed, as something took too long.
    pub(crate) gave_up: bool,
}

/// When something last happened, by the clock of the end.
#[derive(Debug, Default)]
pub(crate) struct Last {
    pub(crate) opened: Duration,
    /// A byte of the peer.
    pub(crate) life: Duration,
    pub(crate) message: Duration,
    /// The transport took a byte, or nothing waited.
    pub(crate) progress: Duration,
    /// Something has waited to be written since then.
    pub(crate) waits: Duration,
}

/// What has happened since the clock jumped, or the process stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jump {
    Now,
    Ticked,
    /// A byte of the peer has come.
    Over,
}

pub(crate) struct Side {
    pub(crate) ws: Endpoint,
    pub(crate) out: BytesMut,
    /// What a layer below holds.
    pub(crate) held: BytesMut,
    /// What was read and not taken yet.
    pub(crate) buffer: BytesMut,
    pub(crate) random: Random,
    /// How far its clock is ahead.
    pub(crate) offset: Micros,
    pub(crate) start: Duration,
    /// What `tick` has asked for.
    pub(crate) wake: Option<Micros>,
    /// Its thread does not run before.
    pub(crate) runs: Micros,
    pub(crate) next_action: Option<Micros>,
    pub(crate) actions: usize,
    /// It reads nothing before.
    pub(crate) holds: Option<Micros>,
    pub(crate) request: Option<(Micros, Request)>,
    /// When it answers a Close, with this code.
    pub(crate) answer: Option<(Micros, Option<CloseCode>)>,
    pub(crate) said: Said,
    pub(crate) heard: Heard,
    pub(crate) closing: Closing,
    pub(crate) last: Last,
    /// How far it has got over a jump of its clock.
    pub(crate) jump: Jump,
    /// It stopped reading in the middle of its buffer.
    pub(crate) is_interrupted: bool,
    pub(crate) has_ended_input: bool,
    pub(crate) has_shut_down: bool,
    pub(crate) end: Option<End>,
    /// The application has dropped the transport.
    pub(crate) has_vanished: bool,
    /// The number of bytes that it has received.
    pub(crate) received: usize,
    /// Those since the last message or piece was heard.
    pub(crate) unheard: usize,
    /// What the last `hold_back` said.
    pub(crate) holds_back: bool,
    /// The highest limits since the last message: its length, and its fragments.
    pub(crate) limits: (u64, u32),
    /// The turns in which nothing happened.
    pub(crate) idle_turns: u32,
    /// What the endpoint has allocated, and the most of it beyond what it may hold of `unheard`.
    pub(crate) memory: isize,
    pub(crate) most_memory: isize,
}

impl Side {
    pub(crate) fn new(plan: &Plan, index: usize) -> Self {
        let mut random = Random(plan.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ index as u64);
        let (role, config) = (ROLES[index], &plan.sides[index].config);
        let offset = random.below(1_000_000_000) as Micros;
        let start = Duration::from_micros(offset);
        let mut out = BytesMut::new();
        let before = live();
        let ws = match role {
            _ if plan.is_opened => {
                let ws = connection(role, config.settings);
                let ws = match &plan.deflate {
                    Some((params, deflate)) => params.agreed(ws, deflate),
                    None => ws,
                };
                Endpoint::open(ws, config, start)
            }
            Role::Server => Endpoint::server(config, start),
            Role::Client => Endpoint::client(&client_request(), config, [7; 32], start, &mut out),
        };
        let memory = live() - before;
        if plan.is_measured {
            out.reserve(1 << 20);
        }
        Self {
            ws,
            out,
            held: BytesMut::new(),
            buffer: BytesMut::new(),
            random,
            offset,
            start,
            wake: Some(0),
            runs: 0,
            next_action: Some(0),
            actions: plan.sides[index].actions,
            holds: None,
            request: None,
            answer: None,
            said: Said::default(),
            heard: Heard::default(),
            closing: Closing::default(),
            last: Last {
                opened: start,
                life: start,
                message: start,
                progress: start,
                waits: start,
            },
            jump: Jump::Over,
            is_interrupted: false,
            has_ended_input: false,
            has_shut_down: false,
            end: None,
            has_vanished: false,
            received: 0,
            unheard: 0,
            holds_back: false,
            limits: (
                config.settings.max_message_size,
                config.settings.max_fragments,
            ),
            idle_turns: 0,
            memory,
            most_memory: memory,
        }
    }

    /// Whether its loop still runs.
    pub(crate) fn runs(&self) -> bool {
        self.end.is_none() && !self.has_vanished
    }

    pub(crate) fn is_pending(&self) -> bool {
        !self.out.is_empty() || !self.held.is_empty()
    }

    /// The next event, by either way to receive, with the memory that it took.
    pub(crate) fn receive(&mut self, now: Duration) -> Option<Event<'static>> {
        let Self {
            ws, buffer, out, ..
        } = self;
        let is_owned = self.random.below(2) == 0;
        let before = live();
        let (event, most) = peak(|| {
            if is_owned {
                return ws.receive_owned(buffer, now, out);
            }
            let mut input = Input(buffer);
            let event = ws.receive(&mut input, now, out).map(Event::into_owned);
            let left = input.0.len();
            buffer.advance(buffer.len() - left);
            event
        });
        self.holds(most);
        self.memory += live() - before;
        event
    }

    /// Runs something that uses the endpoint, and counts what it allocates.
    pub(crate) fn counted<T>(&mut self, call: impl FnOnce(&mut Self) -> T) -> T {
        let before = live();
        let result = call(self);
        self.memory += live() - before;
        self.holds(0);
        result
    }

    /// It holds so much more than before. Of a message that is not complete it may hold eight times what has
    /// arrived.
    fn holds(&mut self, more: isize) {
        let unheard = 8 * self.unheard as isize;
        self.most_memory = self.most_memory.max(self.memory + more - unheard);
    }

    /// The transport is broken, as a read or a write says.
    pub(crate) fn fails(&mut self, now: Duration) {
        self.out.clear();
        if !self.held.is_empty() {
            self.held.clear();
            self.ws.flushed(0, false, now);
        }
        self.ends_input();
    }

    pub(crate) fn ends_input(&mut self) {
        self.ws.receive_eof();
        self.has_ended_input = true;
    }

    /// Changes the settings.
    pub(crate) fn set(&mut self, settings: Settings) {
        *self.ws.settings() = settings;
        let (size, fragments) = self.limits;
        self.limits = (
            size.max(settings.max_message_size),
            fragments.max(settings.max_fragments),
        );
    }

    /// A message was heard completely: it was within a limit that it may have started with.
    pub(crate) fn judge_limits(&mut self, message: &Message) {
        let (size, fragments) = self.limits;
        assert!(message.len as u64 <= size, "{message:?} beyond {size}");
        let is_cut = message.fragments > 1;
        assert!(
            !is_cut || message.fragments <= fragments,
            "{message:?} beyond {fragments}"
        );
        let settings = *self.ws.settings();
        self.limits = (settings.max_message_size, settings.max_fragments);
    }

    /// Notes when sending has stopped.
    pub(crate) fn watch(&mut self, was_open: bool, now: Duration) {
        if was_open && !self.ws.is_open() {
            self.closing.stopped.get_or_insert(now);
        }
    }
}
