//! A simulated link: an endpoint, its adapter, a kernel's buffer, and a peer that reads at some rate, with pauses, and
//! answers or does not.
//!
//! Invariant: time is a number here, and nothing but the endpoint knows of deadlines.

use crate::support::endpoint::*;
use crate::support::*;
use sansocket::{CloseCode, End, Role, Tick, Times};
use std::collections::VecDeque;
use std::time::Duration;

/// How often the link moves bytes, and the adapter looks at what has happened.
const STEP: Duration = Duration::from_millis(20);

/// How the adapter drives its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    /// A thread: ticks, then writes, and reads only when everything is written.
    Blocking,
    /// A reactor: writes and reads what it can, then ticks.
    Reactor,
}

/// What the peer does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// It answers each Ping and the Close.
    All,
    /// It never says anything.
    Nothing,
}

/// A link and both its ends, at rest.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) role: Role,
    pub(crate) times: Times,
    pub(crate) adapter: Adapter,
    /// The most bytes that a layer below the output holds, such as TLS; `None` if there is no such layer.
    pub(crate) layer: Option<usize>,
    /// The most bytes that the kernel holds for the peer.
    pub(crate) kernel: usize,
    /// The peer reads for `reads`, this many bytes a second, and then nothing for `pauses`, in turns.
    pub(crate) rate: usize,
    pub(crate) reads: Duration,
    pub(crate) pauses: Duration,
    /// How long bytes are on their way, in each direction.
    pub(crate) delay: Duration,
    pub(crate) answers: Answers,
    /// When we send messages, and their lengths.
    pub(crate) sends: Vec<(Duration, usize)>,
    pub(crate) closes: Option<Duration>,
    /// In turns: for how long the process runs, and how late it is then for what the last tick has asked for.
    pub(crate) stands_still: Vec<(Duration, Duration)>,
}

/// The peer's end.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    credit: f64,
    /// Read, but not a complete frame yet.
    read: Vec<u8>,
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) pings: usize,
    has_closed: bool,
}

#[derive(Debug)]
pub(crate) struct Link {
    setup: Setup,
    pub(crate) side: Side,
    pub(crate) peer: Peer,
    pub(crate) now: Duration,
    layer: VecDeque<u8>,
    kernel: VecDeque<u8>,
    /// What is on its way to us, and when it arrives; `None` is the end of the transport.
    coming: VecDeque<(Duration, Option<Vec<u8>>)>,
    wake: Option<Duration>,
    has_shut_down: bool,
    /// When the process runs on.
    awake: Duration,
    pub(crate) sent: Vec<Vec<u8>>,
    /// What is still to be done of the setup.
    sends: VecDeque<(Duration, usize)>,
    pub(crate) stands_still: VecDeque<(Duration, Duration)>,
    closes: Option<Duration>,
    pub(crate) end: Option<End>,
}

impl Link {
    pub(crate) fn new(setup: &Setup) -> Self {
        let mut side = Side::open(setup.role, setup.times);
        if setup.layer.is_some() {
            side.endpoint.flushed(0, false, Duration::ZERO);
        }
        Self {
            side,
            peer: Peer::default(),
            now: Duration::ZERO,
            layer: VecDeque::new(),
            kernel: VecDeque::new(),
            coming: VecDeque::new(),
            wake: Some(Duration::ZERO),
            has_shut_down: false,
            awake: Duration::ZERO,
            sent: Vec::new(),
            sends: setup.sends.iter().copied().collect(),
            stands_still: setup.stands_still.iter().copied().collect(),
            closes: setup.closes,
            end: None,
            setup: setup.clone(),
        }
    }

    /// Runs to the end of the connection, or until this time. Returns when the connection ended.
    pub(crate) fn run(&mut self, until: Duration) -> Option<Duration> {
        while self.now <= until {
            self.peer_reads();
            if self.awake <= self.now && self.has_reason() {
                self.turn();
                if self.end.is_some() {
                    return Some(self.now);
                }
                self.may_stand_still();
            }
            self.now += STEP;
        }
        None
    }

    // ---- the peer ----

    fn peer_reads(&mut self) {
        let setup = &self.setup;
        let cycle = (setup.reads + setup.pauses).as_nanos();
        if self.now.as_nanos() % cycle < setup.reads.as_nanos() {
            self.peer.credit += setup.rate as f64 * STEP.as_secs_f64();
        }
        let n = self.kernel.len().min(self.peer.credit as usize);
        // A peer that has read everything does not read faster later.
        self.peer.credit = (self.peer.credit - n as f64).min(self.setup.rate as f64 * 0.1 + 1.0);
        self.peer.read.extend(self.kernel.drain(..n));
        let there = self.now + self.setup.delay * 2;
        while let Some((first, payload)) = self.peer.next_frame(self.setup.role) {
            let answer = match first & 0x0f {
                8 => {
                    assert!(self.peer.read.is_empty(), "the Close is the last");
                    self.peer.has_closed = true;
                    frame(self.setup.role, 0x88, &payload[..2])
                }
                9 => {
                    self.peer.pings += 1;
                    frame(self.setup.role, 0x8a, &payload)
                }
                _ => {
                    self.peer.messages.push(payload);
                    continue;
                }
            };
            if self.setup.answers == Answers::All {
                self.coming.push_back((there, Some(answer)));
                if self.peer.has_closed && self.setup.role == Role::Client {
                    self.coming.push_back((there, None)); // a server goes first
                }
            }
        }
    }

    // ---- our adapter ----

    pub(crate) fn room(&self) -> usize {
        self.setup.kernel - self.kernel.len()
    }

    /// Whether the adapter is woken now.
    fn has_reason(&self) -> bool {
        let is_due = |time: Option<Duration>| time.is_some_and(|time| time <= self.now);
        let may_write = !self.side.out.is_empty() || !self.layer.is_empty();
        let may_read = match self.setup.adapter {
            Adapter::Blocking => !may_write,
            Adapter::Reactor => true,
        };
        is_due(self.wake)
            || is_due(self.closes)
            || is_due(self.sends.front().map(|(time, _)| *time))
            || (may_write && self.room() > 0)
            || (may_read && is_due(self.coming.front().map(|(time, _)| *time)))
    }

    fn turn(&mut self) {
        match self.setup.adapter {
            Adapter::Blocking => loop {
                self.tick();
                if self.end.is_some() {
                    return;
                }
                self.application();
                if !self.side.out.is_empty() || !self.layer.is_empty() {
                    if !self.write() {
                        return self.tick(); // until there is room
                    }
                } else if !self.read() {
                    return;
                }
            },
            Adapter::Reactor => {
                self.application();
                while self.write() {}
                while self.read() {}
                loop {
                    self.tick();
                    if self.end.is_some() || !self.write() {
                        return;
                    }
                }
            }
        }
    }

    fn application(&mut self) {
        while let Some((_, len)) = due(&mut self.sends, self.now) {
            let message = vec![self.sent.len() as u8; len];
            let sent = self.side.endpoint.send(&message, &mut self.side.out);
            if sent.is_ok() {
                self.sent.push(message);
            }
        }
        if self.closes.take_if(|time| *time <= self.now).is_some() {
            // Fails if the connection has ended already.
            let _ = (self.side.endpoint).close(CloseCode::NORMAL, "", &mut self.side.out);
        }
    }

    fn tick(&mut self) {
        self.wake = match self.side.tick(self.now) {
            Tick::Wait(wake) => wake,
            Tick::ShutDown(wake) => {
                assert!(self.layer.is_empty(), "a layer below holds something");
                if !self.has_shut_down && self.peer.has_closed {
                    self.coming
                        .push_back((self.now + self.setup.delay * 2, None));
                }
                self.has_shut_down = true;
                wake
            }
            Tick::Done(end) => {
                self.end = Some(end);
                None
            }
        };
    }

    /// Whether anything was written.
    fn write(&mut self) -> bool {
        let Some(most) = self.setup.layer else {
            let n = self.room().min(self.side.out.len());
            self.kernel.extend(&self.side.out[..n]);
            if n > 0 {
                self.side.wrote(n, self.now);
            }
            return n > 0;
        };
        let n = (most - self.layer.len()).min(self.side.out.len());
        self.layer.extend(&self.side.out[..n]);
        if n > 0 {
            self.side.wrote(n, self.now);
        }
        let flushed = self.room().min(self.layer.len());
        self.kernel.extend(self.layer.drain(..flushed));
        let holds_more = !self.layer.is_empty();
        self.side.endpoint.flushed(flushed, holds_more, self.now);
        n > 0 || flushed > 0
    }

    /// Whether anything was read.
    fn read(&mut self) -> bool {
        let Some((_, bytes)) = due(&mut self.coming, self.now) else {
            return false;
        };
        match bytes {
            Some(bytes) => _ = self.side.feed(&bytes, self.now),
            None => self.side.endpoint.receive_eof(),
        }
        true
    }

    fn may_stand_still(&mut self) {
        let Some(asked) = self.wake else {
            return;
        };
        if let Some((_, late)) = due(&mut self.stands_still, self.now.saturating_sub(self.awake)) {
            self.awake = asked + late;
        }
    }
}

/// Takes the first entry of the queue, if its time has come.
fn due<T>(queue: &mut VecDeque<(Duration, T)>, now: Duration) -> Option<(Duration, T)> {
    let is_due = queue.front().is_some_and(|(time, _)| *time <= now);
    is_due.then(|| queue.pop_front())?
}

impl Peer {
    /// The next frame that it has read completely: its first byte and its payload.
    fn next_frame(&mut self, sender: Role) -> Option<(u8, Vec<u8>)> {
        let (frame, rest) = next_frame(&self.read, sender)?;
        let taken = self.read.len() - rest.len();
        self.read.drain(..taken);
        Some(frame)
    }
}

impl Setup {
    /// A link on which nothing has to wait.
    pub(crate) fn fast() -> Self {
        Self {
            role: Role::Server,
            times: Times::default(),
            adapter: Adapter::Blocking,
            layer: None,
            kernel: 1 << 20,
            rate: 1 << 30,
            reads: seconds(1),
            pauses: Duration::ZERO,
            delay: ms(50),
            answers: Answers::All,
            sends: Vec::new(),
            closes: None,
            stands_still: Vec::new(),
        }
    }

    /// The longest time in which the peer reads `len` bytes, whenever it starts.
    pub(crate) fn reading(&self, len: usize) -> Duration {
        let in_a_cycle = self.rate as f64 * self.reads.as_secs_f64();
        let cycles = (len as f64 / in_a_cycle).ceil().max(1.0);
        (self.reads + self.pauses).mul_f64(cycles) + self.pauses + 2 * STEP
    }

    /// The fewest bytes that the peer reads in this time, whenever it starts.
    pub(crate) fn read_in(&self, time: Duration) -> f64 {
        let cycle = self.reads + self.pauses;
        let cycles = time.as_nanos() / cycle.as_nanos();
        let rest = time - cycle * cycles as u32;
        let reads = self.reads * cycles as u32 + rest.saturating_sub(self.pauses);
        let reads = reads.saturating_sub(3 * STEP);
        self.rate as f64 * reads.as_secs_f64()
    }

    /// The most bytes that our messages take.
    pub(crate) fn len(&self) -> usize {
        self.sends.iter().map(|(_, len)| len + 14).sum()
    }
}
