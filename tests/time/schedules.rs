//! Deadlines for any schedule of calls.
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::deadlines::*;
use crate::support::endpoint::*;
use crate::support::strategies::*;
use crate::support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sansocket::{
    CloseCode, End, Endpoint, Event, Expired, HandshakeError, ProtocolError, Role, Tick, Times,
};
use std::collections::VecDeque;
use std::time::Duration;

/// Limits of at most this many milliseconds, 0 among them. There is no least rate: its windows are
/// another matter.
pub(crate) fn limits(most: u64) -> impl Strategy<Value = Times> {
    let time = move || prop_oneof![1 => Just(0), 3 => 0..10_u64, 6 => 0..most].prop_map(ms);
    let some = move || prop::option::weighted(0.8, time());
    let limits = (time(), some(), time(), some(), time(), time());
    limits.prop_map(|(handshake, keepalive, pong, idle, close, write)| {
        times(|times| {
            (times.handshake, times.pong) = (handshake, pong);
            (times.keepalive, times.idle) = (keepalive, idle);
            (times.close, times.write) = (close, write);
            times.min_rate = 0;
        })
    })
}

/// What happens at one end.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The peer's head arrives.
    Head,
    /// A server accepts it.
    Accept,
    /// One byte of the peer, somewhere in its head or a frame.
    Byte,
    Message,
    Ping,
    /// The answer to the Ping of this number, if there was one.
    Pong(u8),
    PeerCloses,
    PeerFails,
    WeClose,
    WeSend,
    TransportEnds,
    /// This part of the output is written.
    Wrote(f64),
}

/// Steps, and how long after the one before each comes.
pub(crate) fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        6 => Just(Step::Byte),
        3 => Just(Step::Message),
        1 => Just(Step::Ping),
        2 => (0..5_u8).prop_map(Step::Pong),
        2 => select(vec![Step::Head, Step::Accept]),
        2 => select(vec![Step::PeerCloses, Step::PeerFails, Step::WeClose, Step::TransportEnds]),
        2 => Just(Step::WeSend),
        8 => prop_oneof![3 => Just(1.0), 2 => 0.0..1.0].prop_map(Step::Wrote),
    ];
    let opened = prop_oneof![3 => Just(true), 1 => Just(false)];
    let gap = || prop_oneof![2 => Just(0), 4 => 0..10_u64, 4 => 0..100_u64];
    (gap(), opened, vec((gap(), step), 0..30)).prop_map(|(first, opened, mut steps)| {
        if opened {
            let written = Step::Wrote(1.0);
            let opening = [Step::Head, Step::Accept, written.clone()];
            let opening = opening.into_iter().map(|step| (0, step));
            steps.splice(0..0, [(0, written)].into_iter().chain(opening));
            steps[1].0 = first;
        }
        steps
    })
}

/// What happened, as the caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// The peer's head has come.
    Head,
    /// The connection is open.
    Opened,
    Received,
    Message,
    WeClosed,
    PeerClosed,
    PeerFailed,
    /// New bytes in the output, and their frames.
    Queued(usize, Vec<Sent>),
    Wrote(usize),
    TransportEnded,
    Latency(Duration),
    ShutDown,
    Done(End),
}

/// When a caller calls `tick`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Every millisecond, and after everything that happens.
    Always,
    /// At the times that ticks return, and after everything that happens.
    WhenTold,
    /// At the times that ticks return. If only bytes have come, the timer stays as it is.
    Timer,
}

/// One end, and what its caller has seen.
pub(crate) struct Watched {
    pub(crate) side: Side,
    pub(crate) seen: Vec<(Duration, Seen)>,
    /// The rest of the head.
    pub(crate) head: VecDeque<u8>,
    /// The rest of the frame that the peer is sending.
    pub(crate) unfinished: VecDeque<u8>,
    pub(crate) latency: Option<Duration>,
    pub(crate) wake: Option<Duration>,
    pub(crate) has_opened: bool,
    pub(crate) has_shut_down: bool,
    pub(crate) ended: bool,
}

impl Watched {
    pub(crate) fn new(times: &Times, role: Role) -> Self {
        let (side, head) = opening(role, *times);
        Self::of(side, head, Duration::ZERO)
    }

    pub(crate) fn of(side: Side, head: String, now: Duration) -> Self {
        let mut watched = Self {
            side,
            seen: Vec::new(),
            head: head.into_bytes().into(),
            unfinished: VecDeque::new(),
            latency: None,
            wake: None,
            has_opened: false,
            has_shut_down: false,
            ended: false,
        };
        watched.see_queued(0, now);
        watched.tick(now);
        watched
    }

    pub(crate) fn see(&mut self, now: Duration, seen: Seen) {
        self.seen.push((now, seen));
    }

    /// Records what was appended since the output was `before` bytes long.
    pub(crate) fn see_queued(&mut self, before: usize, now: Duration) {
        let (bytes, role) = (&self.side.out[before..], self.side.role);
        if !bytes.is_empty() {
            let is_http = bytes.starts_with(b"HTTP") || bytes.starts_with(b"GET");
            let frames = if is_http {
                Vec::new()
            } else {
                sent_frames(bytes, role)
            };
            self.see(now, Seen::Queued(bytes.len(), frames));
        }
    }

    pub(crate) fn tick(&mut self, now: Duration) {
        if self.ended {
            return;
        }
        let before = self.side.out.len();
        let tick = self.side.tick(now);
        self.see_queued(before, now);
        self.wake = match tick {
            Tick::Wait(wake) => {
                assert!(!self.has_shut_down, "told at each tick until the end");
                wake
            }
            Tick::ShutDown(wake) => {
                if !self.has_shut_down {
                    self.see(now, Seen::ShutDown);
                }
                self.has_shut_down = true;
                wake
            }
            Tick::Done(end) => {
                self.see(now, Seen::Done(end));
                self.ended = true;
                None
            }
        };
    }

    pub(crate) fn receive(&mut self, bytes: &[u8], now: Duration) {
        self.see(now, Seen::Received);
        let before = self.side.out.len();
        let events = self.side.feed(bytes, now);
        if events.iter().any(|event| matches!(event, Event::Opened(_))) {
            self.see(now, Seen::Head);
            self.has_opened = true;
            self.see(now, Seen::Opened);
        }
        if self.side.request.is_some() {
            self.see(now, Seen::Head);
        }
        for event in events {
            match event {
                Event::Close { .. } => self.see(now, Seen::PeerClosed),
                Event::Failed(_) => self.see(now, Seen::PeerFailed),
                _ => {}
            }
        }
        self.see_queued(before, now);
        let latency = self.side.endpoint.latency();
        if latency != self.latency {
            self.latency = latency;
            self.see(now, Seen::Latency(latency.unwrap()));
        }
    }

    /// The rest of the frame that the peer is sending, and one more frame.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8], now: Duration) {
        let mut bytes: Vec<u8> = self.unfinished.drain(..).collect();
        bytes.extend(frame(self.side.role, first, payload));
        self.receive(&bytes, now);
    }

    /// Whether anything but the arrival of bytes has happened.
    pub(crate) fn step(&mut self, step: &Step, now: Duration) -> bool {
        let was_open = self.side.endpoint.is_open();
        let (before, is_connected) = (self.side.out.len(), self.has_opened);
        let seen_before = self.seen.len();
        match step {
            Step::Head if !self.head.is_empty() => {
                let head: Vec<u8> = self.head.drain(..).collect();
                self.receive(&head, now);
                return true;
            }
            Step::Accept if self.side.request.is_some() => {
                let request = self.side.request.take().unwrap();
                if self
                    .side
                    .endpoint
                    .accept(request, &mut self.side.out)
                    .is_ok()
                {
                    self.has_opened = true;
                    self.see_queued(before, now);
                    self.see(now, Seen::Opened);
                }
                return true;
            }
            Step::Wrote(part) => {
                let n = (before as f64 * part) as usize;
                if n > 0 {
                    self.side.wrote(n, now);
                    self.see(now, Seen::Wrote(n));
                }
                return true;
            }
            Step::TransportEnds => {
                self.side.endpoint.receive_eof();
                self.see(now, Seen::TransportEnded);
                return true;
            }
            Step::Byte if self.head.len() > 1 => {
                let byte = self.head.pop_front().unwrap();
                self.receive(&[byte], now);
            }
            // What follows a request is read when that is answered.
            _ if !is_connected => {}
            Step::Byte => {
                if self.unfinished.is_empty() {
                    self.unfinished
                        .extend(frame(self.side.role, 0x8a, b"unasked"));
                }
                let byte = self.unfinished.pop_front().unwrap();
                self.receive(&[byte], now);
            }
            Step::Message => {
                self.frame(0x81, b"text", now);
                if was_open {
                    self.see(now, Seen::Message);
                }
            }
            // A Pong after our Close is handled below.
            Step::Ping if was_open => self.frame(0x89, b"ping", now),
            Step::Pong(number) => self.frame(0x8a, &[0, 0, 0, *number], now),
            Step::PeerCloses => self.frame(0x88, b"\x03\xe8", now),
            Step::PeerFails => self.frame(0x83, b"", now),
            Step::WeClose if was_open => {
                self.see(now, Seen::WeClosed);
                self.side.close(CloseCode::NORMAL);
            }
            Step::WeSend if was_open => self.side.send(50),
            _ => {}
        }
        if matches!(step, Step::WeClose | Step::WeSend) {
            self.see_queued(before, now);
        }
        let is_over = |seen: &Seen| matches!(seen, Seen::PeerClosed | Seen::PeerFailed);
        let seen = &self.seen[seen_before..];
        self.side.out.len() != before || seen.iter().any(|(_, seen)| is_over(seen))
    }
}

/// Runs these steps until this time; returns what the caller sees.
pub(crate) fn watch(
    times: &Times,
    role: Role,
    steps: &[(u64, Step)],
    end: Duration,
    caller: Caller,
) -> Vec<(Duration, Seen)> {
    let mut watched = Watched::new(times, role);
    let mut now = Duration::ZERO;
    let mut until = |watched: &mut Watched, time: Duration| match caller {
        Caller::Always => {
            while now < time {
                now += ms(1);
                watched.tick(now);
            }
        }
        Caller::WhenTold | Caller::Timer => {
            while let Some(wake) = watched.wake.filter(|wake| *wake <= time)
                && !watched.ended
            {
                watched.tick(wake);
            }
        }
    };
    let mut time = Duration::ZERO;
    for (gap, step) in steps {
        time += ms(*gap);
        until(&mut watched, time);
        if watched.ended {
            break;
        }
        if matches!(step, Step::Wrote(_)) {
            watched.tick(time); // before each write
        }
        let more_than_bytes = watched.step(step, time);
        if more_than_bytes || caller != Caller::Timer {
            watched.tick(time);
        }
    }
    until(&mut watched, end);
    watched.seen
}

/// After this time nothing more happens by itself, with limits of 100 ms.
pub(crate) const END: Duration = Duration::from_millis(30 * 100 + 700);

/// What a judge knows of one end.
#[derive(Debug, Default)]
struct Judge {
    head: bool,
    opened: bool,
    /// The number of bytes appended to the output so far, and of those that have left it.
    queued: usize,
    written: usize,
    /// Since when nothing of what waits was taken.
    waits: Option<Duration>,
    /// A write left something, or a tick found it still there, and something has been left since.
    stalled: bool,
    /// When the last byte or other sign of life came, and the last message.
    life: Duration,
    message: Duration,
    /// When the output was empty again.
    drained: Duration,
    /// Where the last Ping ends, when it left, and whether it waits for a sign of life.
    ping: Option<(usize, Option<Duration>)>,
    is_asked: bool,
    /// Where the last output ends, and when it left.
    last: Option<(usize, Option<Duration>)>,
    /// The first cause of the end, other than a Close of an application.
    cause: Option<End>,
    we_closed: bool,
    peer_closed: Option<bool>,
    transport_ended: Option<Duration>,
}

impl Judge {
    const fn unwritten(&self) -> usize {
        self.queued - self.written
    }

    const fn is_open(&self) -> bool {
        self.opened && self.last.is_none() && self.transport_ended.is_none()
    }

    fn lives(&mut self, time: Duration) {
        self.life = time;
        self.is_asked = false;
    }

    /// Whether something waits that a tick before this time has seen.
    fn is_stalled(&self, time: Duration) -> bool {
        self.stalled || self.waits.is_some_and(|since| since < time)
    }

    /// This time, unless something unwritten has waited since before it.
    fn unless_stalled(&self, due: Duration) -> Option<Duration> {
        match self.waits {
            None => Some(due.max(self.drained)),
            Some(since) => (!self.stalled && due <= since).then_some(since),
        }
    }

    /// Every deadline that runs, and when it is over.
    fn due(&self, times: &Times) -> Vec<(Duration, Expired)> {
        let mut due = Vec::new();
        if let Some(since) = self.waits {
            due.push((since + times.write, Expired::Write));
        }
        if !self.head && self.last.is_none() {
            due.push((times.handshake, Expired::Handshake));
        }
        if let Some((_, Some(left))) = self.last {
            due.push((left + times.close, Expired::Close));
        }
        if self.is_open() {
            if let Some((_, Some(left))) = self.ping
                && self.is_asked
            {
                due.push((left + times.pong, Expired::Pong));
            }
            if let Some(idle) = times.idle
                && let Some(due_at) = self.unless_stalled(self.message + idle)
            {
                due.push((due_at, Expired::Idle));
            }
        }
        due
    }

    /// When a Ping is due.
    fn ping_due(&self, times: &Times) -> Option<Duration> {
        let keepalive = times.keepalive?;
        let may_ping = self.is_open() && !self.is_asked;
        self.unless_stalled(self.life + keepalive)
            .filter(|_| may_ping)
    }

    /// When it is over because the transport has ended.
    fn over(&self) -> Option<Duration> {
        let ended = self.transport_ended?;
        match self.last {
            Some((_, left)) => left.map(|left| left.max(ended)),
            None => Some(ended),
        }
    }

    /// Records that the peer broke a rule, or was given up.
    fn is_caused(&mut self, end: End) {
        if self.peer_closed.is_none() {
            self.cause.get_or_insert(end);
        }
    }

    /// The ends that are right. Of two causes at the same time either is.
    fn ends(&self, expired: Option<Expired>) -> Vec<End> {
        if let Some(cause) = &self.cause {
            let mut ends = vec![cause.clone()];
            if self.we_closed {
                ends.extend(
                    [closed(1006, false)]
                        .into_iter()
                        .chain(expired.map(End::Expired)),
                );
            }
            return ends;
        }
        match (self.peer_closed, expired) {
            (Some(by_peer), None | Some(Expired::Close)) => vec![closed(1000, by_peer)],
            // The answer is not written.
            (Some(by_peer), Some(expired)) => vec![closed(1000, by_peer), End::Expired(expired)],
            (None, Some(expired)) => vec![End::Expired(expired)],
            (None, None) if self.we_closed => vec![closed(1006, false)],
            (None, None) if self.opened => vec![failed(ProtocolError::TransportEnded)],
            (None, None) => vec![End::Refused(ENDED)],
        }
    }
}

/// The transport ended in the opening handshake, after any number of bytes.
const ENDED: HandshakeError = HandshakeError::TransportEnded { received: 0 };

/// Checks a log against the rules as they are written: everything due was done when it was due.
pub(crate) fn judge(times: &Times, role: Role, seen: &[(Duration, Seen)], end: Duration) {
    let mut judge = Judge::default();
    let seen = seen.iter().map(|(time, seen)| (*time, Some(seen)));
    for (time, seen) in seen.chain([(end, None)]) {
        let due = judge.due(times);
        let first = due.iter().map(|(time, _)| *time).min();
        let (ping, over) = (judge.ping_due(times), judge.over());
        for (what, due) in [("something", first), ("a Ping", ping), ("the end", over)] {
            assert!(
                due.is_none_or(|due| time <= due),
                "{time:?}: {what} was due at {due:?}: {judge:?}"
            );
        }
        let is_due = |expired| due.contains(&(time, expired));
        let Some(seen) = seen else {
            return;
        };
        match seen {
            Seen::Head => judge.head = true,
            Seen::Opened => {
                judge.opened = true;
                (judge.life, judge.message) = (time, time);
            }
            Seen::Received => judge.lives(time),
            Seen::Message => judge.message = time,
            Seen::WeClosed => judge.we_closed = true,
            Seen::PeerClosed => {
                let by_peer = !judge.we_closed;
                judge.peer_closed.get_or_insert(by_peer);
            }
            Seen::PeerFailed => judge.is_caused(failed(ProtocolError::ReservedOpcode(3))),
            Seen::Queued(len, frames) => {
                judge.waits = judge.waits.or(Some(time));
                judge.queued += len;
                let end = judge.queued;
                if frames.is_empty() && role == Role::Server && !judge.head {
                    assert!(is_due(Expired::Handshake), "408 when it is due");
                    judge.is_caused(End::Expired(Expired::Handshake));
                    judge.last = Some((end, None));
                }
                for sent in frames {
                    match sent.opcode {
                        9 => {
                            assert_eq!(ping, Some(time), "a Ping when it was due");
                            let others: Vec<_> = frames[1..].iter().map(|s| s.opcode).collect();
                            assert!(sent == &frames[0] && matches!(others[..], [] | [8]));
                            (judge.ping, judge.is_asked) = (Some((end, None)), true);
                        }
                        8 => {
                            assert!(judge.last.is_none(), "one Close");
                            judge.last = Some((end, None));
                            let expired = match sent.close_code() {
                                Some(1011) => Expired::Pong,
                                Some(1001) => Expired::Idle,
                                _ => continue,
                            };
                            assert!(is_due(expired), "{expired:?}: {judge:?}");
                            judge.is_caused(End::Expired(expired));
                        }
                        _ => {}
                    }
                }
            }
            Seen::Wrote(n) => {
                if judge.is_stalled(time) {
                    judge.lives(time);
                    judge.message = time;
                }
                judge.written += n;
                let written = judge.written;
                for mark in [&mut judge.ping, &mut judge.last].into_iter().flatten() {
                    if mark.0 <= written {
                        mark.1 = mark.1.or(Some(time));
                    }
                }
                let is_left = judge.unwritten() > 0;
                judge.waits = is_left.then_some(time);
                judge.stalled = is_left;
                judge.drained = time;
            }
            Seen::TransportEnded => {
                judge.transport_ended = judge.transport_ended.or(Some(time));
            }
            Seen::Latency(latency) => {
                // Of the last Ping only.
                let left = judge.ping.expect("a Ping").1;
                assert!(left.is_none_or(|left| time - *latency == left));
            }
            Seen::ShutDown => {
                assert!(judge.last.is_some_and(|(_, left)| left.is_some()));
                assert_eq!(judge.unwritten(), 0);
            }
            Seen::Done(end) => {
                let end = match end {
                    End::Refused(HandshakeError::TransportEnded { .. }) => &End::Refused(ENDED),
                    end => end,
                };
                let is_over = over == Some(time);
                let causes = [Expired::Close, Expired::Write, Expired::Handshake];
                let mut expired: Vec<_> = causes.into_iter().filter(|e| is_due(*e)).collect();
                assert!(is_over || !expired.is_empty(), "{end:?}: {judge:?}");
                let mut ends = Vec::new();
                if is_over {
                    ends.extend(judge.ends(None));
                }
                for expired in expired.drain(..) {
                    ends.extend(judge.ends(Some(expired)));
                }
                assert!(ends.contains(end), "{end:?} is not in {ends:?}: {judge:?}");
                return;
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn what_is_due_is_done_at_its_time_and_nothing_else_is(
        role in roles(),
        limits in limits(100),
        steps in steps(),
    ) {
        let seen = watch(&limits, role, &steps, END, Caller::Always);
        judge(&limits, role, &seen, END);
        // At most one Close frame is sent, with the code of what expired or of an answer.
        let closes = seen.iter().filter_map(|(_, seen)| match seen {
            Seen::Queued(_, frames) => frames.iter().find(|sent| sent.opcode == 8),
            _ => None,
        });
        let closes: Vec<_> = closes.map(Sent::close_code).collect();
        let end = seen.iter().find_map(|(_, seen)| match seen {
            Seen::Done(end) => Some(end),
            _ => None,
        });
        match end {
            Some(End::Expired(Expired::Pong)) => prop_assert_eq!(closes, [Some(1011)]),
            Some(End::Expired(Expired::Idle)) => prop_assert_eq!(closes, [Some(1001)]),
            _ => {
                let codes = [Some(1000), Some(1001), Some(1002), Some(1011)];
                prop_assert!(closes.len() <= 1 && closes.iter().all(|code| codes.contains(code)));
            }
        }
    }

    #[test]
    fn a_caller_that_ticks_when_told_sees_what_one_that_always_ticks_sees(
        role in roles(),
        limits in limits(100),
        steps in steps(),
    ) {
        let always = watch(&limits, role, &steps, END, Caller::Always);
        prop_assert_eq!(&watch(&limits, role, &steps, END, Caller::WhenTold), &always);
    }

    /// A Ping's time for an answer ends before the next Ping is due, as in the default.
    #[test]
    fn a_timer_may_stay_as_it_is_if_only_bytes_come(
        role in roles(),
        mut limits in limits(100),
        steps in steps(),
    ) {
        // No tick asks for less than a millisecond.
        limits.keepalive = limits.keepalive.map(|keepalive| keepalive.max(ms(1)));
        limits.pong = limits.pong.min(limits.keepalive.unwrap_or(Duration::MAX));
        let always = watch(&limits, role, &steps, END, Caller::Always);
        prop_assert_eq!(&watch(&limits, role, &steps, END, Caller::Timer), &always);
    }
}

/// Otherwise the laws above would be tested with schedules that reach nothing.
#[test]
fn the_schedules_reach_everything() {
    let ends = [(1000, true), (1000, false), (1006, false)];
    let ends = ends.map(|(code, by_peer)| format!("{:?}", closed(code, by_peer)));
    let others = [
        "2",
        "8",
        "9",
        "10",
        "Expired(Close)",
        "Expired(Handshake)",
        "Expired(Idle)",
        "Expired(Pong)",
        "Expired(Write)",
        "Failed(ReservedOpcode(3))",
        "Failed(TransportEnded)",
        "Latency",
        "Refused",
        "ShutDown",
    ];
    let mut missing: std::collections::BTreeSet<_> = others.map(str::to_owned).into();
    missing.extend(ends);
    let mut runner = TestRunner::deterministic();
    // Which ones come first depends on the width of `usize`.
    for _ in 0..10_000 {
        let strategy = (roles(), limits(100), steps());
        let (role, limits, steps) = strategy.new_tree(&mut runner).unwrap().current();
        for (_, seen) in watch(&limits, role, &steps, END, Caller::WhenTold) {
            let reached = match seen {
                Seen::Done(End::Refused(_)) => vec!["Refused".to_owned()],
                Seen::Done(end) => vec![format!("{end:?}")],
                Seen::Latency(_) => vec!["Latency".into()],
                Seen::ShutDown => vec!["ShutDown".into()],
                Seen::Queued(_, sent) => sent.iter().map(|sent| sent.opcode.to_string()).collect(),
                _ => Vec::new(),
            };
            for what in reached {
                missing.remove(&what);
            }
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("no schedule has {missing:?}");
}

// ---- extremes ----

fn extreme_times() -> impl Strategy<Value = Duration> {
    prop_oneof![
        3 => select(vec![
            Duration::ZERO,
            NANO,
            seconds(1),
            Duration::from_secs(u64::MAX),
            Duration::MAX - seconds(1),
            Duration::MAX - NANO,
            Duration::MAX,
        ]),
        1 => any::<(u64, u32)>().prop_map(|(seconds, nanos)| Duration::new(seconds, nanos % 1_000_000_000)),
    ]
}

fn extreme_limits() -> impl Strategy<Value = Times> {
    let time = extreme_times;
    let some = || prop::option::weighted(0.8, extreme_times());
    let rate = select(vec![0, 1, 64, u32::MAX]);
    let limits = (time(), some(), time(), some(), time(), time(), rate);
    limits.prop_map(|(handshake, keepalive, pong, idle, close, write, rate)| {
        times(|times| {
            (times.handshake, times.pong) = (handshake, pong);
            (times.keepalive, times.idle) = (keepalive, idle);
            (times.close, times.write) = (close, write);
            times.min_rate = rate;
        })
    })
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn times_of_any_length_work(
        role in roles(),
        limits in extreme_limits(),
        mut times in vec(extreme_times(), 1..30),
        steps in steps(),
    ) {
        times.sort();
        let config = config_of(limits);
        let (side, head) = match role {
            Role::Server => {
                let server = Endpoint::server(&config, times[0]);
                (Side::of(server, role, bytes::BytesMut::new()), REQUEST.to_owned())
            }
            Role::Client => {
                let (mut out, head) = (bytes::BytesMut::new(), Side::client(limits).1);
                let request = client_request();
                let client = Endpoint::client(&request, &config, [9; 32], times[0], &mut out);
                (Side::of(client, role, out), head)
            }
        };
        let mut watched = Watched::of(side, head, times[0]);
        for (time, (_, step)) in times.into_iter().zip(steps) {
            watched.tick(time);
            watched.step(&step, time);
            watched.tick(time);
        }
        let pings = watched.seen.iter().filter(|(_, seen)| {
            matches!(seen, Seen::Queued(_, sent) if sent.iter().any(|sent| sent.opcode == 9))
        });
        prop_assert!(limits.keepalive.is_some() || pings.count() == 0);
    }
}

#[test]
fn times_of_zero_are_over_at_once() {
    let zero = times(|zero| {
        (zero.handshake, zero.pong) = (Duration::ZERO, Duration::ZERO);
        (zero.close, zero.write) = (Duration::ZERO, Duration::ZERO);
        zero.keepalive = Some(Duration::ZERO);
    });
    let now = Duration::ZERO;
    // Nothing can be written within zero time.
    for role in ROLES {
        let mut side = Side::open(role, zero);
        let expired = End::Expired(Expired::Write);
        assert_eq!(side.done_in(now, now), expired, "the Ping is not written");
    }
    let mut server = Side::server(zero);
    let end = server.done_in(now, now);
    assert_eq!(end, End::Expired(Expired::Handshake));
    let client = Side::client(zero).0;
    for (role, mut side) in ROLES.into_iter().zip([Side::server(zero), client]) {
        let head = opening(role, zero).1;
        side.write_all(now);
        side.feed(head.as_bytes(), now);
        if role == Role::Server {
            side.accept();
            side.write_all(now);
        }
        // The handshake took no time, so it was not late.
        assert!(side.endpoint.is_open());
    }
    let zero = times(|times| {
        *times = zero;
        times.write = seconds(1);
    });
    for role in ROLES {
        let mut side = Side::open(role, zero);
        assert!(matches!(side.tick(now), Tick::Wait(_)));
        assert_eq!(side.sent(now)[0].opcode, 9);
        assert!(matches!(side.tick(now), Tick::Wait(_)));
        side.has_closed(CloseCode::INTERNAL_ERROR, now);
        let expired = End::Expired(Expired::Pong);
        assert_eq!(side.tick(now), Tick::Done(expired));
    }
}

#[test]
fn the_longest_times_are_never_over() {
    let mut times = nothing();
    times.keepalive = Some(Duration::MAX);
    times.idle = Some(Duration::MAX);
    let last = Duration::MAX - NANO;
    for role in ROLES {
        let (mut side, head) = opening(role, times);
        assert!(wake(&mut side, seconds(1)).is_none_or(|wake| wake == Duration::MAX));
        assert!(wake(&mut side, last).is_none_or(|wake| wake == Duration::MAX));
        side.write_all(last);
        side.feed(head.as_bytes(), last);
        if role == Role::Server {
            side.accept();
        }
        side.send(100);
        assert!(wake(&mut side, last).is_none_or(|wake| wake == Duration::MAX));
        side.write_all(last);
        assert!(wake(&mut side, last).is_none_or(|wake| wake == Duration::MAX));
        CLOSINGS[0].1(&mut side, last);
        side.sent(last);
        assert!(wake(&mut side, last).is_none_or(|wake| wake == Duration::MAX));
        assert!(side.out.is_empty());
    }
}
