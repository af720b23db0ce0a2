//! Two endpoints and a transport between them, which do nothing but what a move says.
//!
//! Invariant: after each move an end does what its loop would do, `tick`, and the laws are judged.

use crate::moves::{Budget, Move};
use crate::support::{ROLES, config, connection, frame, next_frame, other, settings};
use bytes::BytesMut;
use sansocket::{CloseCode, End, Endpoint, Event, Expired, Input, SendError, Tick};
use std::collections::VecDeque;
use std::time::Duration;

/// More moves than a closing handshake takes.
const MAX_MOVES: usize = 60;

/// One end of the transport.
pub(crate) struct Side {
    pub(crate) ws: Endpoint,
    pub(crate) out: BytesMut,
    pub(crate) budget: Budget,
    pub(crate) may_close: bool,
    pub(crate) is_held: bool,
    pub(crate) wake: Option<Duration>,
    /// On its way to this end: frames, and how much of the first has arrived.
    pub(crate) coming: VecDeque<Vec<u8>>,
    pub(crate) arrived: usize,
    /// Nothing more will come.
    pub(crate) is_last: bool,
    pub(crate) has_ended_input: bool,
    pub(crate) has_shut_down: bool,
    /// Its application has closed, before the peer's Close came.
    pub(crate) closed_first: bool,
    pub(crate) said: usize,
    pub(crate) heard: usize,
    /// The code of the Close that it has sent.
    pub(crate) sent: Option<CloseCode>,
    pub(crate) heard_close: Option<CloseCode>,
    pub(crate) has_failed: bool,
    pub(crate) end: Option<End>,
}

pub(crate) struct Game {
    pub(crate) now: Duration,
    pub(crate) sides: [Side; 2],
    pub(crate) may_break: u8,
    pub(crate) time_outs: u8,
}

impl Game {
    pub(crate) fn new(budget: &Budget) -> Self {
        let mut config = config(|_| {});
        // A stalled transport is dropped before a silent peer is.
        config.times.min_rate = 0;
        let now = Duration::from_secs(1);
        let side = |index: usize| Side {
            ws: Endpoint::open(
                connection(
                    ROLES[index],
                    settings(|s| s.answer_close = budget.answers[index]),
                ),
                &config,
                now,
            ),
            out: BytesMut::new(),
            budget: *budget,
            may_close: true,
            is_held: false,
            wake: None,
            coming: VecDeque::new(),
            arrived: 0,
            is_last: false,
            has_ended_input: false,
            has_shut_down: false,
            closed_first: false,
            said: 0,
            heard: 0,
            sent: None,
            heard_close: None,
            has_failed: false,
            end: None,
        };
        let mut game = Self {
            now,
            sides: [side(0), side(1)],
            may_break: budget.breaks,
            time_outs: budget.time_outs,
        };
        game.tick(0);
        game.tick(1);
        game
    }

    /// What may happen now.
    pub(crate) fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (index, side) in self.sides.iter().enumerate() {
            if side.end.is_some() {
                continue;
            }
            let budget = &side.budget;
            let is_open = side.ws.is_open();
            let may_read = !side.has_ended_input && !side.is_held;
            let comes = may_read && (!side.coming.is_empty() || side.is_last);
            let is_whole = side
                .coming
                .front()
                .is_some_and(|frame| side.arrived + 1 < frame.len());
            let may_fail = !side.has_shut_down && !self.sides[1 - index].has_ended_input;
            let all = [
                (is_open && budget.sends > 0, Move::Send(index)),
                (is_open && budget.pings > 0, Move::Ping(index)),
                (is_open && side.may_close, Move::Close(index)),
                (budget.fails > 0 && may_fail, Move::Fail(index)),
                (!side.out.is_empty(), Move::Write(index)),
                (comes, Move::Deliver(index)),
                (comes && is_whole && budget.cuts > 0, Move::Cut(index)),
                (side.is_held || budget.holds > 0, Move::Hold(index)),
            ];
            moves.extend(all.into_iter().filter(|(is, _)| *is).map(|(_, step)| step));
        }
        if self.sides.iter().any(|side| side.end.is_none()) {
            if self.may_break > 0 {
                moves.push(Move::Break);
            }
            if self.time_outs > 0 && self.sides.iter().any(|side| side.wake.is_some()) {
                moves.push(Move::TimeOut);
            }
        }
        moves
    }

    pub(crate) fn play(&mut self, step: Move) {
        let now = self.now;
        match step {
            Move::Send(index) => {
                let side = &mut self.sides[index];
                side.budget.sends -= 1;
                side.said += 1;
                assert_eq!(side.ws.send("m", &mut side.out), Ok(()));
            }
            Move::Ping(index) => {
                let side = &mut self.sides[index];
                side.budget.pings -= 1;
                assert_eq!(side.ws.send_ping(b"", &mut side.out), Ok(()));
            }
            Move::Close(index) => {
                let side = &mut self.sides[index];
                side.may_close = false;
                side.closed_first = side.heard_close.is_none();
                let code = [CloseCode::NORMAL, CloseCode::GOING_AWAY][index];
                assert_eq!(side.ws.close(code, "", &mut side.out), Ok(()));
                assert!(!side.ws.is_open());
            }
            Move::Fail(index) => {
                self.sides[index].budget.fails -= 1;
                let peer = &mut self.sides[1 - index];
                peer.coming.push_back(frame(ROLES[1 - index], 0x83, b""));
                return; // nothing has happened to this end
            }
            Move::Write(index) => self.write(index),
            Move::Deliver(index) => self.deliver(index, false),
            Move::Cut(index) => {
                self.sides[index].budget.cuts -= 1;
                self.deliver(index, true);
            }
            Move::Hold(index) => {
                let side = &mut self.sides[index];
                if !side.is_held {
                    side.budget.holds -= 1;
                }
                side.is_held = !side.is_held;
                side.ws.hold_back(side.is_held, now);
            }
            Move::Break => {
                self.may_break -= 1;
                for index in [0, 1] {
                    let side = &mut self.sides[index];
                    side.coming.clear();
                    if side.end.is_none() {
                        side.out.clear();
                        side.has_ended_input = true;
                        side.ws.receive_eof();
                        self.tick(index);
                        let end = &self.sides[index].end;
                        assert!(end.is_some(), "a broken transport is the end");
                    }
                }
                return;
            }
            Move::TimeOut => {
                self.time_outs -= 1;
                let wakes = self.sides.iter().filter_map(|side| side.wake);
                self.now = wakes.min().expect("a deadline");
                for index in [0, 1] {
                    if self.sides[index].wake == Some(self.now) {
                        self.tick(index);
                    }
                }
                return;
            }
        }
        match step {
            Move::Send(index)
            | Move::Ping(index)
            | Move::Close(index)
            | Move::Write(index)
            | Move::Deliver(index)
            | Move::Cut(index)
            | Move::Hold(index) => self.tick(index),
            Move::Fail(_) | Move::Break | Move::TimeOut => {}
        }
    }

    /// All of the output leaves, and is judged.
    fn write(&mut self, index: usize) {
        let [a, b] = &mut self.sides;
        let (side, peer) = if index == 0 { (a, b) } else { (b, a) };
        let mut bytes = &side.out[..];
        while let Some(((first, payload), rest)) = next_frame(bytes, ROLES[index]) {
            assert!(
                side.sent.is_none() || first == 0x8a,
                "after the Close only Pongs"
            );
            if first == 0x88 {
                let code = payload.first_chunk().expect("our Closes have codes");
                side.sent = Some(CloseCode(u16::from_be_bytes(*code)));
            }
            // Nobody is there who would read.
            if peer.end.is_none() && !peer.has_ended_input {
                peer.coming
                    .push_back(bytes[..bytes.len() - rest.len()].to_vec());
            }
            bytes = rest;
        }
        assert!(bytes.is_empty(), "complete frames");
        let len = side.out.len();
        side.ws.wrote(len, self.now, &mut side.out);
    }

    /// The next frame arrives, or one byte of it, or the end.
    fn deliver(&mut self, index: usize, is_cut: bool) {
        let now = self.now;
        let side = &mut self.sides[index];
        let Some(next) = side.coming.front() else {
            side.has_ended_input = true;
            return side.ws.receive_eof();
        };
        let from = side.arrived;
        let to = if is_cut { from + 1 } else { next.len() };
        let mut bytes = next[from..to].to_vec();
        side.arrived = to;
        if !is_cut {
            side.coming.pop_front();
            side.arrived = 0;
        }
        let mut input = Input(&mut bytes);
        loop {
            let Side { ws, out, .. } = &mut self.sides[index];
            let Some(event) = ws.receive(&mut input, now, out) else {
                break;
            };
            self.hear(index, &event);
        }
    }

    fn hear(&mut self, index: usize, event: &Event<'_>) {
        let [a, b] = &mut self.sides;
        let (side, peer) = if index == 0 { (a, b) } else { (b, a) };
        let is_over = side.heard_close.is_some() || side.has_failed || side.end.is_some();
        assert!(!is_over, "{event:?} after the end");
        match event {
            Event::Text(text) => {
                assert_eq!(text, "m");
                side.heard += 1;
                assert!(side.heard <= peer.said);
            }
            Event::Ping(_) | Event::Pong(_) => {}
            Event::Close { code, .. } => {
                side.heard_close = Some(*code);
                assert_eq!(peer.sent, Some(*code), "the code that was sent");
                assert_eq!(side.heard, peer.said, "messages before the Close arrive");
            }
            Event::Failed(_) => side.has_failed = true,
            other => panic!("{other:?}"),
        }
    }

    fn tick(&mut self, index: usize) {
        let now = self.now;
        let side = &mut self.sides[index];
        if side.end.is_some() {
            return;
        }
        let wake = match side.ws.tick(now, &mut side.out) {
            Tick::Wait(wake) => {
                assert!(!side.has_shut_down, "nothing follows after it");
                wake
            }
            Tick::ShutDown(wake) => {
                assert!(side.out.is_empty());
                side.has_shut_down = true;
                wake
            }
            Tick::Done(end) => {
                self.judge(index, &end);
                self.sides[index].end = Some(end);
                None
            }
        };
        let side = &mut self.sides[index];
        side.wake = wake;
        assert!(
            side.wake.is_none_or(|wake| wake > now),
            "a time in the past"
        );
        let is_closing = side.end.is_none() && !side.ws.is_open();
        assert!(!is_closing || side.wake.is_some(), "closing has a deadline");
        if side.end.is_some() || side.has_shut_down {
            self.sides[1 - index].is_last = true;
        }
    }

    /// An end is done.
    fn judge(&mut self, index: usize, end: &End) {
        let now = self.now + Duration::from_secs(1_000);
        let side = &mut self.sides[index];
        let len = side.out.len();
        assert_eq!(side.ws.tick(now, &mut side.out), Tick::Done(end.clone()));
        assert_eq!(side.ws.send("", &mut side.out), Err(SendError::Closed));
        assert_eq!(side.out.len(), len);
        match end {
            End::Closed { code, by_peer } => {
                assert_eq!(side.heard_close.unwrap_or(CloseCode::ABNORMAL), *code);
                assert_eq!(*by_peer, !side.closed_first);
            }
            End::Failed(_) => {
                assert!(side.heard_close.is_none() && !side.closed_first);
                assert!(side.has_failed || side.has_ended_input);
            }
            End::Expired(Expired::Close) => {
                assert!(side.heard_close.is_none(), "the peer has closed");
            }
            End::Expired(_) => {}
            other => panic!("{other:?}"),
        }
        let peer = &self.sides[1 - index];
        let is_by_peer = |end: &End| matches!(end, End::Closed { by_peer: true, .. });
        let both = is_by_peer(end) && peer.end.as_ref().is_some_and(is_by_peer);
        assert!(!both, "each by the other");
    }

    /// How both ended, once they have.
    pub(crate) fn ends(&self) -> Option<String> {
        let names: Option<Vec<_>> = self
            .sides
            .iter()
            .map(|side| name(side.end.as_ref()?))
            .collect();
        names.map(|names| names.join(", "))
    }

    // ---- from any state on ----

    /// Both applications close, and everything is written, delivered and read: it ends.
    pub(crate) fn ends_with_the_peer(mut self) {
        self.time_outs = u8::MAX;
        let mut waits = 0;
        for _ in 0..MAX_MOVES {
            let wanted = |step: &&Move| match step {
                Move::Hold(index) => self.sides[*index].is_held,
                Move::Close(_) | Move::Write(_) | Move::Deliver(_) => true,
                _ => false,
            };
            let moves = self.moves();
            let step = moves.iter().find(wanted).copied();
            if let Some(step) = step {
                self.play(step);
            } else if moves.contains(&Move::TimeOut) {
                waits += 1;
                self.play(Move::TimeOut);
            } else {
                break;
            }
        }
        assert!(
            self.ends().is_some(),
            "it never ends with a peer that answers"
        );
        let are_clean = self
            .sides
            .iter()
            .all(|side| side.end.as_ref().is_some_and(End::is_clean));
        assert!(waits == 0 || !are_clean, "a clean end needs no deadline");
    }

    /// One end closes, and nothing of the other arrives any more: it ends by its deadlines.
    pub(crate) fn ends_alone(mut self, index: usize) {
        self.time_outs = u8::MAX;
        for _ in 0..MAX_MOVES {
            if self.sides[index].end.is_some() {
                return;
            }
            let moves = self.moves();
            let wanted = [Move::Close(index), Move::Write(index), Move::TimeOut];
            let step = wanted.into_iter().find(|step| moves.contains(step));
            self.play(step.expect("it does not wait for ever"));
        }
        panic!("it never ends alone");
    }
}

fn name(end: &End) -> Option<String> {
    Some(match end {
        End::Closed { code, by_peer } => {
            format!(
                "Closed {} by {}",
                code.0,
                if *by_peer { "peer" } else { "us" }
            )
        }
        End::Failed(error) => {
            let name = format!("{error:?}");
            let end = name.find([' ', '(']).unwrap_or(name.len());
            format!("Failed {}", &name[..end])
        }
        End::Expired(expired) => format!("Expired {expired:?}"),
        other => panic!("{other:?}"),
    })
}

/// The first byte of a frame on its way to this end, and the code of a Close.
pub(crate) fn shown(bytes: &[u8], receiver: usize) -> String {
    match next_frame(bytes, other(ROLES[receiver])) {
        Some(((0x88, payload), _)) => format!("88{payload:?}"),
        // Of a Ping only matters whether it is one of the endpoint's.
        Some(((first, payload), _)) => format!("{first:x}/{}", payload.len()),
        None => "?".into(),
    }
}
