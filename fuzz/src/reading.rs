//! A connection that is fed in cuts, with settings that change, and everything it tells.
//!
//! Invariant: where a message starts, and where a control frame arrives, the settings are those of the plan.

use crate::model::Told;
use crate::script::Script;
use crate::support::deflate::Params;
use bytes::{Buf, BytesMut};
use sansocket::{Connection, Deflate, Deliver, Event, Input, Role, Settings};

/// The settings after this many events.
pub(crate) type Plan<'p> = &'p dyn Fn(usize) -> Settings;

/// A connection of this role; `terms` turns on compression.
pub(crate) fn connection(role: Role, terms: Option<(&Params, &Deflate)>) -> Connection {
    let ws = match role {
        Role::Server => Connection::server(Settings::default()),
        Role::Client => Connection::client(Settings::default(), [7; 32]),
    };
    match terms {
        Some((params, deflate)) => params.agreed(ws, deflate),
        None => ws,
    }
}

pub(crate) const fn other(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// Any settings, with limits that inputs of a few KiB reach.
pub(crate) fn any_settings(script: &mut Script<'_>) -> Settings {
    let mut settings = Settings::default();
    let ways = [Deliver::Complete, Deliver::InPlace, Deliver::Pieces];
    settings.deliver = script.one_of(&ways);
    settings.max_message_size = script.one_of(&[1 << 18, 1 << 18, 70_000, 200, 3, 0]);
    settings.max_fragments = script.one_of(&[1_000, 1_000, 3, 0]);
    settings.compress = !script.flag();
    settings.answer_pings = !script.one_in(4);
    settings.answer_close = !script.one_in(4);
    settings
}

/// Whether it is the last event that there can be.
pub(crate) const fn is_last(told: &Told) -> bool {
    matches!(told, Told::Close(..) | Told::Failed(_))
}

pub(crate) struct Reader<'r> {
    pub(crate) ws: Connection,
    pub(crate) out: BytesMut,
    /// What waits in place.
    pub(crate) left: BytesMut,
    pub(crate) told: Vec<Told>,
    /// The message that comes in pieces.
    unfinished: Option<(bool, Vec<u8>)>,
    plan: Plan<'r>,
}

impl<'r> Reader<'r> {
    pub(crate) fn new(ws: Connection, plan: Plan<'r>) -> Self {
        let mut reader = Self {
            ws,
            out: BytesMut::new(),
            left: BytesMut::new(),
            told: Vec::new(),
            unfinished: None,
            plan,
        };
        reader.follow_plan();
        reader
    }

    fn follow_plan(&mut self) {
        *self.ws.settings() = (self.plan)(self.told.len());
    }

    /// Feeds it, and checks what must hold after each read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.left.extend_from_slice(bytes);
        self.drain(None);
        self.has_taken_all();
    }

    /// As [`feed`](Self::feed). Where a message is under way, `noise` changes the settings, before this and within it.
    pub(crate) fn feed_with_noise(&mut self, bytes: &[u8], noise: &mut Script<'_>, within: bool) {
        if noise.flag() {
            // Between reads they may be anything, if they are restored before a message starts.
            *self.ws.settings() = any_settings(noise);
            self.drain(Some(noise));
            self.follow_plan();
            if within {
                self.disturb(noise);
            }
        }
        self.left.extend_from_slice(bytes);
        self.drain(Some(noise));
        self.has_taken_all();
    }

    /// Changes everything that must not matter within a message.
    fn disturb(&mut self, noise: &mut Script<'_>) {
        let planned = (self.plan)(self.told.len());
        *self.ws.settings() = any_settings(noise);
        self.ws.settings().answer_pings = planned.answer_pings;
        self.ws.settings().answer_close = planned.answer_close;
    }

    fn has_taken_all(&mut self) {
        if !self.left.is_empty() {
            let missing = self.ws.missing(&Input(&mut self.left));
            assert!(missing.is_some_and(|n| n > 0), "it says what it waits for");
        }
    }

    fn drain(&mut self, mut noise: Option<&mut Script<'_>>) {
        let mut events = 0;
        loop {
            let (before, out_len) = (self.left.len(), self.out.len());
            let owned = noise.as_mut().is_some_and(|noise| noise.flag());
            let event = if owned {
                self.ws.receive_owned(&mut self.left, &mut self.out)
            } else {
                let mut input = Input(&mut self.left);
                let event = self.ws.receive(&mut input, &mut self.out);
                let event = event.map(Event::into_owned);
                let taken = before - input.0.len();
                self.left.advance(taken);
                event
            };
            let Some(event) = event else {
                assert_eq!(self.out.len(), out_len, "what is sent has an event");
                return;
            };
            events += 1;
            // At least two bytes for an event, or a step of inflating.
            assert!(events <= 1_000_000, "every event takes bytes");
            self.tell(event, noise.as_deref_mut());
        }
    }

    fn tell(&mut self, event: Event<'_>, noise: Option<&mut Script<'_>>) {
        let is_over = self.told.last().is_some_and(is_last);
        assert!(!is_over, "{event:?} after the end");
        let told = match event {
            Event::Piece(piece) => {
                assert_eq!(piece.is_first(), self.unfinished.is_none());
                assert!(piece.is_last() || !piece.as_bytes().is_empty());
                let is_text = piece.as_text().is_some();
                let (was_text, data) = self.unfinished.get_or_insert((is_text, Vec::new()));
                assert_eq!(*was_text, is_text);
                data.extend(piece.as_bytes());
                if !piece.is_last() {
                    if let Some(noise) = noise {
                        self.disturb(noise);
                    }
                    return;
                }
                let (is_text, data) = self.unfinished.take().expect("it was there");
                Told::Message(is_text, data)
            }
            Event::Text(text) => {
                assert!(self.unfinished.is_none(), "a message in two ways");
                Told::Message(true, text.as_bytes().to_vec())
            }
            Event::Binary(data) => {
                assert!(self.unfinished.is_none(), "a message in two ways");
                Told::Message(false, data.to_vec())
            }
            Event::Ping(payload) => Told::Ping(payload.to_vec()),
            Event::Pong(payload) => Told::Pong(payload.to_vec()),
            Event::Close { code, reason } => Told::Close(code.0, reason.to_string()),
            Event::Failed(error) => Told::Failed(error),
            other => panic!("{other:?} without a handshake"),
        };
        self.told.push(told);
        self.follow_plan();
    }
}
