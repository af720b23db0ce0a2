//! An endpoint over a simulated link with a rate, pauses, a kernel's buffer and late calls, and a
//! peer that reads and answers, or does not.
//!
//! Invariant: time is a number here. The link and the peer are simulated, and know nothing of
//! deadlines.

use crate::support::endpoint::*;
use crate::support::strategies::*;
use crate::support::*;
use proptest::prelude::*;
use proptest::sample::select;
use sansocket::{CloseCode, End, Expired, Role, Tick, Times};
use std::collections::VecDeque;
use std::time::Duration;

/// The link moves bytes so often, and so often an adapter may see what has happened.
const STEP: Duration = Duration::from_millis(20);

/// How the adapter drives its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adapter {
    /// A thread: ticks, then writes, and reads only when everything is written.
    Blocking,
    /// A reactor: writes and reads what it can, then ticks.
    Reactor,
}

/// What the peer does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    /// It answers each Ping and the Close.
    All,
    /// It never says anything.
    Nothing,
}

/// A link and both its ends, at rest.
#[derive(Clone, Debug)]
struct Setup {
    role: Role,
    times: Times,
    adapter: Adapter,
    /// The room of a layer below the output, such as TLS.
    layer: Option<usize>,
    /// What the kernel holds of what the peer has not read.
    kernel: usize,
    /// The bytes that the peer reads in a second while it reads, for how long it reads, and for how
    /// long it does not.
    rate: usize,
    reads: Duration,
    pauses: Duration,
    /// What takes this long each way.
    delay: Duration,
    answers: Answers,
    /// The messages that we send, and when.
    sends: Vec<(Duration, usize)>,
    closes: Option<Duration>,
    /// When the process has run for this long, it stands still until it is this much too late for what
    /// the last tick has asked for; and again.
    stands_still: Vec<(Duration, Duration)>,
}

/// The peer's end.
#[derive(Debug, Default)]
struct Peer {
    credit: f64,
    /// What it has read and not understood yet.
    read: Vec<u8>,
    messages: Vec<Vec<u8>>,
    pings: usize,
    has_closed: bool,
}

#[derive(Debug)]
struct Link {
    setup: Setup,
    side: Side,
    peer: Peer,
    now: Duration,
    layer: VecDeque<u8>,
    kernel: VecDeque<u8>,
    /// What is on its way to us, and when it is there; `None` is the end of the transport.
    coming: VecDeque<(Duration, Option<Vec<u8>>)>,
    wake: Option<Duration>,
    has_shut_down: bool,
    /// Until when the process stands still.
    awake: Duration,
    sent: Vec<Vec<u8>>,
    /// What is still to be done of the setup.
    sends: VecDeque<(Duration, usize)>,
    stands_still: VecDeque<(Duration, Duration)>,
    closes: Option<Duration>,
    end: Option<End>,
}

impl Link {
    fn new(setup: &Setup) -> Self {
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

    /// Runs until it is over, but not longer than to this time. Returns when it was over.
    fn run(&mut self, until: Duration) -> Option<Duration> {
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
        // It does not save up what it does not need.
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

    fn room(&self) -> usize {
        self.setup.kernel - self.kernel.len()
    }

    /// Whether the adapter has something to do now.
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
                        return self.tick(); // it waits for room
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
            // It may be too late: the peer was given up.
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

/// The first of these, if its time has come.
fn due<T>(queue: &mut VecDeque<(Duration, T)>, now: Duration) -> Option<(Duration, T)> {
    let is_due = queue.front().is_some_and(|(time, _)| *time <= now);
    is_due.then(|| queue.pop_front())?
}

impl Peer {
    /// The next frame that it has read completely: its first byte and its payload.
    fn next_frame(&mut self, sender: Role) -> Option<(u8, Vec<u8>)> {
        let (first, len) = (*self.read.first()?, *self.read.get(1)? & 0x7f);
        let (len, at) = match len {
            126 => (be(self.read.get(2..4)?), 4),
            127 => (be(self.read.get(2..10)?), 10),
            len => (usize::from(len), 2),
        };
        let at = at + if sender == Role::Client { 4 } else { 0 };
        if self.read.len() < at + len {
            return None;
        }
        let frame: Vec<u8> = self.read.drain(..at + len).collect();
        let [(_, payload)] = &raw_frames(&frame, sender)[..] else {
            panic!("one frame");
        };
        Some((first, payload.clone()))
    }
}

fn be(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}

impl Setup {
    /// A link on which nothing waits.
    fn fast() -> Self {
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

    /// How long the peer takes at most to read this much, from any time on.
    fn reading(&self, len: usize) -> Duration {
        let in_a_cycle = self.rate as f64 * self.reads.as_secs_f64();
        let cycles = (len as f64 / in_a_cycle).ceil().max(1.0);
        (self.reads + self.pauses).mul_f64(cycles) + self.pauses + 2 * STEP
    }

    /// The bytes that the peer reads at least in this time, from any time on.
    fn read_in(&self, time: Duration) -> f64 {
        let cycle = self.reads + self.pauses;
        let cycles = time.as_nanos() / cycle.as_nanos();
        let rest = time - cycle * cycles as u32;
        let reads = self.reads * cycles as u32 + rest.saturating_sub(self.pauses);
        let reads = reads.saturating_sub(3 * STEP);
        self.rate as f64 * reads.as_secs_f64()
    }

    fn len(&self) -> usize {
        self.sends.iter().map(|(_, len)| len + 14).sum()
    }
}

/// What the peer has read is what was sent, all of it and in order.
fn assert_all_arrived(link: &Link) {
    assert_eq!(link.peer.messages.len(), link.sent.len());
    assert!(link.peer.messages == link.sent);
}

// ---- what was seen in the field ----

#[test]
fn what_was_sent_before_the_close_arrives_however_long_it_takes() {
    for role in ROLES {
        for adapter in [Adapter::Blocking, Adapter::Reactor] {
            for layer in [None, Some(16 << 10)] {
                // 300 kB at 10 kB/s are six times the time for the closing handshake.
                let setup = Setup {
                    role,
                    adapter,
                    layer,
                    kernel: 20_000,
                    rate: 10_000,
                    sends: vec![(Duration::ZERO, 300_000)],
                    closes: Some(Duration::ZERO),
                    ..Setup::fast()
                };
                let mut link = Link::new(&setup);
                let over = link.run(seconds(60));
                assert!(over.is_some_and(|over| over > seconds(25)), "{over:?}");
                assert_eq!(link.end, Some(closed(1000, false)));
                assert_all_arrived(&link);
            }
        }
    }
}

#[test]
fn a_peer_that_takes_bytes_all_the_time_and_answers_late_is_kept() {
    // Its Pong comes when it has read what was before the Ping: 60 s after we have sent that.
    let setup = Setup {
        kernel: 4_000,
        rate: 1_000,
        sends: vec![(seconds(1), 60_000), (seconds(100), 60_000)],
        closes: Some(seconds(200)),
        ..Setup::fast()
    };
    let mut link = Link::new(&setup);
    link.run(seconds(300));
    assert_eq!(link.end, Some(closed(1000, false)));
    assert_all_arrived(&link);
    assert!(link.peer.pings > 0);
}

#[test]
fn a_peer_that_takes_a_byte_now_and_then_is_dropped() {
    let setup = Setup {
        kernel: 1,
        rate: 1,
        reads: seconds(1),
        pauses: seconds(28),
        sends: vec![(Duration::ZERO, 10_000)],
        ..Setup::fast()
    };
    let over = Link::new(&setup).run(seconds(1_000));
    // A minute, and one tick that asks for another.
    assert!(over.is_some_and(|over| over <= seconds(95)), "{over:?}");
}

#[test]
fn a_peer_that_reads_everything_and_answers_nothing_is_dropped_though_we_send_for_ever() {
    for role in ROLES {
        for adapter in [Adapter::Blocking, Adapter::Reactor] {
            for layer in [None, Some(16 << 10)] {
                let setup = Setup {
                    role,
                    adapter,
                    layer,
                    answers: Answers::Nothing,
                    sends: (0..1_000).map(|index| (index * ms(300), 100)).collect(),
                    ..Setup::fast()
                };
                let mut link = Link::new(&setup);
                let over = link.run(seconds(300));
                assert_eq!(link.end, Some(End::Expired(Expired::Pong)));
                // A Ping after 30 s, 20 s for its Pong, and 5 s for a Close.
                assert!(over.is_some_and(|over| over <= seconds(56)), "{over:?}");
            }
        }
    }
}

#[test]
fn a_process_that_stands_still_again_and_again_keeps_its_peers() {
    for role in ROLES {
        for adapter in [Adapter::Blocking, Adapter::Reactor] {
            let setup = Setup {
                role,
                adapter,
                stands_still: vec![(seconds(60), seconds(3_600)); 20],
                closes: Some(seconds(80_000)),
                ..Setup::fast()
            };
            let mut link = Link::new(&setup);
            link.run(seconds(90_000));
            assert_eq!(link.end, Some(closed(1000, false)));
            assert!(link.peer.pings >= 20);
        }
    }
}

// ---- the laws ----

fn millis(least: u64, most: u64) -> impl Strategy<Value = Duration> {
    (least..most).prop_map(ms)
}

/// How the links differ, and what is sent over them.
fn setups(answers: Answers) -> impl Strategy<Value = Setup> {
    let ends = (
        select(&ROLES[..]),
        select(vec![Adapter::Blocking, Adapter::Reactor]),
        prop::option::of(100..20_000_usize),
    );
    let peer = (
        1..8_000_usize,
        100..20_000_usize,
        millis(100, 3_000),
        prop_oneof![1 => Just(Duration::ZERO), 2 => millis(0, 3_000)],
        millis(0, 500),
    );
    let sends = prop::collection::vec((millis(0, 60_000), 0..20_000_usize), 0..12);
    let closes = millis(0, 90_000);
    (ends, peer, sends, closes).prop_map(move |(ends, peer, mut sends, closes)| {
        let (role, adapter, layer) = ends;
        let (kernel, rate, reads, pauses, delay) = peer;
        sends.sort();
        sends.retain(|(time, _)| *time <= closes);
        Setup {
            role,
            adapter,
            layer,
            // It is never what makes the link slow.
            kernel: kernel.max(rate / 20 + 1),
            rate,
            reads,
            pauses,
            delay,
            answers,
            sends,
            closes: Some(closes),
            ..Setup::fast()
        }
    })
}

/// Times that an honest peer on this link keeps, with nothing to spare but this: a round trip of what
/// the kernel holds, a pause in each write, and a part of the rate at which it reads in twice the
/// time of a write, of which the process may stand still.
fn fit(setup: &mut Setup, keepalive: Duration, stands_still: bool, part: f64) {
    let spare = ms(200);
    let answer = setup.reading(setup.kernel + 1) + 2 * setup.delay + spare;
    setup.times = times(|times| {
        times.keepalive = Some(keepalive);
        (times.pong, times.close) = (answer, answer + 2 * setup.delay);
        times.write = setup.reading(1) + spare;
        let write = times.write;
        let counts = 2 * write - if stands_still { write } else { Duration::ZERO };
        let rate = setup.read_in(counts) / (2 * write).as_secs_f64();
        times.min_rate = (rate * part) as u32;
    });
}

/// Late by more than the tolerance, and between that as long as it takes to hear of the peer.
fn standstills(setup: &Setup, times: Vec<(f64, Duration)>) -> Vec<(Duration, Duration)> {
    let apart = setup.reading(setup.kernel + 1) + 3 * setup.times.write + setup.times.close;
    let times = times.into_iter();
    times
        .map(|(part, late)| (apart.mul_f64(1.0 + part), late + ms(101)))
        .collect()
}

/// How long all that is sent may take at most, with what follows it.
fn longest(setup: &Setup) -> Duration {
    let late: Duration = setup.stands_still.iter().map(|(_, late)| *late).sum();
    let times = &setup.times;
    let round = times.write + times.pong + times.close + times.keepalive.unwrap();
    let count = setup.stands_still.len() as u32 + 2;
    setup.closes.unwrap() + setup.reading(setup.len()) + late + 3 * count * round
}

proptest! {
    #![proptest_config(cases(400))]

    /// Whoever reads above the least rate and answers is kept until we close, and has everything then.
    #[test]
    fn a_peer_that_reads_and_answers_is_never_dropped_and_misses_nothing(
        mut setup in setups(Answers::All),
        keepalive in millis(100, 10_000),
        part in 0.0..0.9_f64,
    ) {
        fit(&mut setup, keepalive, false, part);
        let mut link = Link::new(&setup);
        link.run(longest(&setup));
        prop_assert_eq!(link.end.clone(), Some(closed(1000, false)));
        prop_assert_eq!(link.sent.len(), setup.sends.len());
        assert_all_arrived(&link);
    }

    /// The same where ticks are late by anything from 100 ms to hours, now and then.
    #[test]
    fn a_process_that_stands_still_now_and_then_drops_nobody(
        mut setup in setups(Answers::All),
        keepalive in millis(100, 10_000),
        part in 0.0..0.9_f64,
        late in prop::collection::vec((0.0..3.0_f64, prop_oneof![millis(0, 100), millis(0, 1_000_000)]), 0..6),
    ) {
        fit(&mut setup, keepalive, true, part);
        setup.stands_still = standstills(&setup, late);
        let mut link = Link::new(&setup);
        link.run(longest(&setup));
        prop_assert_eq!(link.end.clone(), Some(closed(1000, false)));
        prop_assert_eq!(link.sent.len(), setup.sends.len());
        assert_all_arrived(&link);
    }

    /// A peer that says nothing is dropped, whether it reads slowly, fast, in parts or not at all.
    #[test]
    fn a_peer_that_never_answers_is_dropped_in_time(
        mut setup in setups(Answers::Nothing),
        reads in any::<bool>(),
        closes in any::<bool>(),
        limits in [millis(100, 10_000), millis(100, 10_000), millis(100, 10_000), millis(100, 10_000)],
        min_rate in 100..2_000_u32,
        late in prop::collection::vec((millis(0, 100_000), millis(101, 20_000)), 0..4),
    ) {
        let [keepalive, pong, close, write] = limits;
        setup.times = times(|times| {
            (times.keepalive, times.pong) = (Some(keepalive), pong);
            (times.close, times.write, times.min_rate) = (close, write, min_rate);
        });
        if !reads {
            setup.rate = 0;
        }
        if !closes {
            setup.closes = None;
        }
        setup.stands_still = late;
        // All that is sent drains at the least rate, in windows that end with a tick up to a write
        // later; or it stalls. Then there is a Ping, no Pong, and a Close. Each time may be given once
        // more for each time that the process stands still.
        let last = setup.sends.last().map_or(Duration::ZERO, |(time, _)| *time);
        let window = 3 * write;
        let in_a_window = min_rate as f64 * (2 * write).as_secs_f64();
        let windows = (setup.len() as f64 / in_a_window).ceil() as u32 + 1;
        let bound = window * windows + keepalive + pong + close + 3 * write;
        let late: Duration = setup.stands_still.iter().map(|(_, late)| *late).sum();
        let count = setup.stands_still.len() as u32;
        let bound = last + bound + late + count * (keepalive + pong + close + window) + seconds(1);
        let mut link = Link::new(&setup);
        let over = link.run(bound);
        prop_assert!(over.is_some(), "not over by {bound:?}");
        prop_assert!(matches!(
            link.end,
            Some(End::Expired(Expired::Pong | Expired::Write | Expired::Close))
        ));
    }
}

/// The links reach what they are for: otherwise the laws above would hold for nothing.
#[test]
fn the_links_stall_and_ping() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut pings, mut stalls, mut late) = (0, 0, 0);
    for _ in 0..100 {
        let strategy = (setups(Answers::All), millis(100, 10_000));
        let (mut setup, keepalive) = strategy.new_tree(&mut runner).unwrap().current();
        fit(&mut setup, keepalive, true, 0.9);
        setup.stands_still = standstills(&setup, vec![(1.0, ms(500)); 3]);
        let mut link = Link::new(&setup);
        while link.end.is_none() {
            link.run(link.now);
            stalls += u32::from(!link.side.out.is_empty() && link.room() == 0);
        }
        pings += link.peer.pings;
        late += 3 - link.stands_still.len();
    }
    assert!(
        pings > 500 && stalls > 10_000 && late > 50,
        "{pings} {stalls} {late}"
    );
}
