//! One run: it gives each end its turn when something has happened for it, and time goes on in between.
//!
//! Invariant: an end whose time has come gets its turn, and the order is drawn from the seed alone.

use crate::pipe::Pipe;
use crate::plan::{Draw, Features, MS, Micros, Plan, SECOND};
use crate::side::{Jump, Side};
use crate::support::Random;
use bytes::Buf;
use sansocket::{End, Event, Expired, Tick};
use std::time::Duration;

/// More turns than any run of so few actions needs.
const MAX_TURNS: u32 = 60_000;

/// Notes what happens, if anybody wants to read it.
macro_rules! note {
    ($run:expr, $index:expr, $($what:tt)*) => {
        if let Some(trace) = &mut $run.trace {
            let name = ["server", "client"][$index];
            let seconds = $run.now as f64 / 1e6;
            trace.push(format!("{seconds:12.6}  {name}  {}", format_args!($($what)*)));
        }
    };
}
pub(crate) use note;

pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) now: Micros,
    pub(crate) sides: [Side; 2],
    /// The first is from the server to the client.
    pub(crate) pipes: [Pipe; 2],
    pub(crate) trace: Option<Vec<String>>,
    random: Random,
    pub(crate) turns: u32,
    breaks: Option<Micros>,
}

impl Run {
    pub(crate) fn new(plan: Plan, is_traced: bool) -> Self {
        Self {
            now: 0,
            sides: [0, 1].map(|index| Side::new(&plan, index)),
            pipes: [0, 1].map(|_| Pipe::new(plan.capacity)),
            trace: is_traced.then(|| vec![plan.to_string()]),
            random: Random(plan.seed ^ 0x6e65_7477),
            turns: 0,
            breaks: plan.breaks,
            plan,
        }
    }

    pub(crate) fn run(&mut self) {
        while self.sides.iter().any(Side::runs) {
            let times = [0, 1].map(|index| self.next(index));
            let (index, time) = match times {
                [Some(a), Some(b)] if a == b => ((self.turns % 2) as usize, a),
                [Some(a), Some(b)] => {
                    if a < b {
                        (0, a)
                    } else {
                        (1, b)
                    }
                }
                [Some(a), None] => (0, a),
                [None, Some(b)] => (1, b),
                [None, None] => panic!("somebody waits for ever"),
            };
            self.now = self.now.max(time);
            if self.breaks.is_some_and(|breaks| breaks <= self.now) {
                self.breaks = None;
                self.break_network();
                continue;
            }
            self.turns += 1;
            assert!(self.turns < MAX_TURNS, "it does not end");
            self.turn(index);
        }
        self.judge();
    }

    pub(crate) fn trace(&self) -> String {
        self.trace
            .iter()
            .flatten()
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// How both ends ended.
    pub(crate) fn ends(&self) -> [String; 2] {
        self.sides.each_ref().map(|side| match &side.end {
            None => "vanished".into(),
            Some(End::Closed { code, by_peer }) => {
                format!(
                    "Closed {} by {}",
                    code.0,
                    if *by_peer { "peer" } else { "us" }
                )
            }
            Some(End::Failed(error)) => {
                let name = format!("{error:?}");
                let end = name.find([' ', '(']).unwrap_or(name.len());
                format!("Failed {}", &name[..end])
            }
            Some(End::Refused(_)) => "Refused".into(),
            Some(End::Responded) => "Responded".into(),
            Some(End::Expired(expired)) => format!("Expired {expired:?}"),
            Some(other) => panic!("{other:?}"),
        })
    }

    /// What the clock of this end says.
    pub(crate) fn local(&self, index: usize) -> Duration {
        Duration::from_micros(self.now + self.sides[index].offset)
    }

    /// When bytes that are written now arrive.
    fn arrival(&mut self) -> Micros {
        self.now + self.random.up_to(self.plan.delay)
    }

    // ---- turns ----

    /// Whether this end reads.
    fn may_read(&self, index: usize) -> bool {
        let (side, plan) = (&self.sides[index], &self.plan.sides[index]);
        !side.has_ended_input
            && side.holds.is_none()
            && side.request.is_none()
            && !(plan.is_blocking && side.is_pending())
            && side.out.len() <= plan.max_output
    }

    /// When this end has something to do.
    fn next(&self, index: usize) -> Option<Micros> {
        let side = &self.sides[index];
        if !side.runs() {
            return None;
        }
        let request = side.request.as_ref().map(|(time, _)| *time);
        let answer = side.answer.map(|(time, _)| time);
        let incoming = &self.pipes[1 - index];
        let may_read = self.may_read(index);
        let reads = incoming.next().filter(|_| may_read);
        // What was left in the buffer when it stopped reading.
        let rest = (may_read && side.is_interrupted).then_some(0);
        let writes = (side.is_pending() && self.pipes[index].room() > 0).then_some(0);
        let due = [
            side.wake,
            side.next_action,
            side.holds,
            request,
            answer,
            reads,
            rest,
            writes,
        ];
        let first = due.into_iter().flatten().min()?;
        Some(first.max(side.runs).max(self.now))
    }

    fn turn(&mut self, index: usize) {
        let latency = self.plan.sides[index].latency;
        if latency > 0 && self.sides[index].runs <= self.now {
            self.sides[index].runs = self.now + self.random.up_to(latency);
        }
        let before = self.sides[index].wake;
        if self.random.is_one_in(16) {
            self.tick(index); // once more does no harm
            if !self.sides[index].runs() {
                return;
            }
        }
        let mut is_busy = self.act(index);
        if !self.sides[index].runs() {
            return;
        }
        is_busy |= self.write(index);
        is_busy |= self.read(index);
        loop {
            is_busy |= self.tick(index);
            // What is written may be the last: `tick` says so.
            if !self.sides[index].runs() || !self.write(index) {
                break;
            }
            is_busy = true;
        }
        let side = &mut self.sides[index];
        side.idle_turns += u32::from(!is_busy);
        let is_told_again =
            side.wake.is_some() && side.wake == before && side.wake <= Some(self.now);
        assert!(is_busy || !is_told_again, "a busy loop");
    }

    /// Whether anything happened beside waiting.
    fn tick(&mut self, index: usize) -> bool {
        let now = self.local(index);
        let holds_back = !self.may_read(index) && !self.plan.sides[index].is_blocking;
        let side = &mut self.sides[index];
        side.ws.hold_back(holds_back, now);
        if side.holds_back && !holds_back {
            // The peer has its full time again.
            (side.last.life, side.last.message) = (now, now);
        }
        side.holds_back = holds_back;
        if self.plan.is_measured {
            side.out.reserve(200_000);
        }
        let (before, was_open) = (side.out.len(), side.ws.is_open());
        let had_shut_down = side.has_shut_down;
        let tick = side.counted(|side| side.ws.tick(now, &mut side.out));
        let has_sent = side.out.len() > before;
        if side.jump == Jump::Now {
            side.jump = Jump::Ticked;
        }
        if has_sent {
            side.said.cost += side.out.len() - before;
        }
        let silent = [Expired::Pong, Expired::Idle].map(End::Expired);
        let gave_up = match &tick {
            Tick::Done(end) => silent.contains(end),
            _ => !side.ws.is_open(),
        };
        if was_open && gave_up {
            side.closing.gave_up = true;
            side.watch(true, now);
            self.judge_given_up(index, now);
        }
        let side = &mut self.sides[index];
        if has_sent && !was_open {
            side.closing.stopped.get_or_insert(now); // 408
        }
        if before == 0 && has_sent {
            (side.last.waits, side.last.progress) = (now, now);
        }
        let wake = match tick {
            Tick::Wait(wake) => {
                assert!(
                    !had_shut_down,
                    "nothing follows after the transport is shut down"
                );
                wake
            }
            Tick::ShutDown(wake) => {
                assert!(!side.is_pending(), "everything is written before");
                side.has_shut_down = true;
                wake
            }
            Tick::Done(end) => {
                note!(self, index, "is done: {end:?}");
                self.sides[index].end = Some(end);
                self.judge_end(index, now);
                self.drop_transport(index);
                return true;
            }
        };
        assert!(wake.is_none_or(|wake| wake > now), "a time that has passed");
        let offset = side.offset;
        // Rounded up: a timer is never early.
        side.wake =
            wake.map(|wake| (wake.as_nanos().div_ceil(1_000) as Micros).saturating_sub(offset));
        if side.has_shut_down && !had_shut_down {
            let arrival = self.arrival();
            self.pipes[index].end(arrival);
            note!(self, index, "shuts down writing");
        }
        has_sent || had_shut_down != self.sides[index].has_shut_down
    }

    // ---- the transport ----

    /// The network takes a part.
    pub(crate) fn write_to_pipe(&mut self, index: usize, bytes: &[u8]) -> usize {
        let arrival = self.arrival();
        let has_cuts = self.plan.features.has(Features::CUTS);
        let most = match self.random.below(4) {
            0 if has_cuts => 1 + self.random.below(bytes.len().max(1)),
            _ => bytes.len(),
        };
        let n = self.pipes[index].write(&bytes[..most.min(bytes.len())], arrival);
        if n > 0 && self.pipes[index].is_gone() {
            // Nobody is there: the peer's system says so.
            let arrival = self.arrival();
            self.pipes[1 - index].breaks(arrival);
        }
        if n > 0 {
            note!(self, index, "writes {n} bytes, which arrive at {arrival}");
        }
        n
    }

    /// Whether anything was written.
    fn write(&mut self, index: usize) -> bool {
        let now = self.local(index);
        if !self.sides[index].is_pending() {
            return false;
        }
        if self.pipes[1 - index].is_broken(self.now) {
            note!(self, index, "cannot write: the transport is broken");
            self.sides[index].fails(now);
            return true;
        }
        let Some(most) = self.plan.sides[index].layer else {
            let out = std::mem::take(&mut self.sides[index].out);
            let n = self.write_to_pipe(index, &out);
            let side = &mut self.sides[index];
            side.out = out;
            if n > 0 {
                assert_eq!(side.ws.wrote(n, now, &mut side.out), 0);
                side.wrote(n, now);
            }
            return n > 0;
        };
        let side = &mut self.sides[index];
        let taken = (most - side.held.len()).min(side.out.len());
        side.held.extend_from_slice(&side.out[..taken]);
        if taken > 0 {
            side.ws.wrote(taken, now, &mut side.out);
        }
        let mut held = std::mem::take(&mut side.held);
        let n = self.write_to_pipe(index, &held);
        held.advance(n);
        let side = &mut self.sides[index];
        side.held = held;
        side.ws.flushed(n, !side.held.is_empty(), now);
        side.wrote(n, now);
        taken > 0 || n > 0
    }

    /// Whether anything was read.
    fn read(&mut self, index: usize) -> bool {
        if !self.may_read(index) {
            return false;
        }
        let now = self.local(index);
        let incoming = &mut self.pipes[1 - index];
        let side = &mut self.sides[index];
        if incoming.is_broken(self.now) {
            side.fails(now);
            note!(self, index, "cannot read: the transport is broken");
            return true;
        }
        let most = self.plan.sides[index].read;
        let bytes = incoming.read(most, self.now);
        let n = bytes.len();
        side.buffer.extend_from_slice(bytes);
        if n > 0 {
            note!(self, index, "reads {n} bytes");
            let side = &mut self.sides[index];
            side.received += n;
            side.unheard += n;
            side.last.life = now;
            if side.jump == Jump::Ticked {
                side.jump = Jump::Over;
            }
        }
        let was_interrupted = std::mem::take(&mut self.sides[index].is_interrupted);
        if n > 0 || was_interrupted {
            self.drain(index, now);
        }
        if self.may_read(index)
            && !self.sides[index].is_interrupted
            && self.pipes[1 - index].has_ended(self.now)
        {
            note!(self, index, "reads the end");
            self.sides[index].ends_input();
            return true;
        }
        n > 0 || was_interrupted
    }

    fn drain(&mut self, index: usize, now: Duration) {
        let features = self.plan.features;
        loop {
            let has_limits = self.plan.sides[index].has_limits;
            let side = &mut self.sides[index];
            if self.plan.is_measured {
                side.out.reserve(200_000);
            }
            if features.has(Features::SETTINGS) && side.random.is_one_in(8) {
                let limits = has_limits && side.random.is_one_in(4);
                let settings = crate::plan::any_settings(&mut side.random, limits, features);
                side.set(settings);
            }
            let was_open = side.ws.is_open();
            let before = side.out.len();
            let event = side.receive(now);
            side.watch(was_open, now);
            if before == 0 && !side.out.is_empty() && side.held.is_empty() {
                (side.last.waits, side.last.progress) = (now, now);
            }
            let Some(event) = event else { return };
            self.hear(index, &event);
            let most = self.plan.sides[index].answers;
            let side = &mut self.sides[index];
            let is_request = matches!(event, Event::Request(_));
            if let Event::Request(request) = event {
                side.request = Some((self.now + side.random.up_to(most), request));
            } else {
                side.counted(|_| drop(event));
            }
            let holds = features.has(Features::HOLDS) && side.random.is_one_in(32);
            if is_request || holds {
                // What was not taken waits.
                side.is_interrupted = true;
                if !is_request {
                    let time = self.now + side.random.up_to(most.min(SECOND)) + MS;
                    side.holds.get_or_insert(time);
                }
                return;
            }
        }
    }

    /// This end drops its transport. If bytes are unread, its system tells the peer by a reset.
    pub(crate) fn drop_transport(&mut self, index: usize) {
        let arrival = self.arrival();
        let (outgoing, incoming) = (index, 1 - index);
        let is_unread = self.pipes[incoming].has_unread();
        self.pipes[incoming].forsake();
        if is_unread {
            self.pipes[outgoing].breaks(arrival);
        } else {
            self.pipes[outgoing].end(arrival);
        }
    }

    fn break_network(&mut self) {
        let kind = self.random.below(4);
        note!(self, 0, "the network breaks, in way {kind}");
        let arrivals = [self.arrival(), self.arrival()];
        match kind {
            0 => self.pipes.iter_mut().for_each(Pipe::cut),
            1 => self.pipes[0].cut(),
            2 => {
                self.pipes[0].breaks(arrivals[0]);
                self.pipes[1].cut();
            }
            _ => {
                for (pipe, arrival) in self.pipes.iter_mut().zip(arrivals) {
                    pipe.breaks(arrival);
                }
            }
        }
    }
}
