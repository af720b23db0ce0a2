//! Deadlines with a peer that falls silent after a while, and with two ends.
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::schedules::*;
use crate::support::REQUEST;
use crate::support::endpoint::*;
use crate::support::strategies::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sansocket::{End, Event, Expired, HandshakeError, Role, Settings, Tick, Times};
use std::collections::VecDeque;
use std::time::Duration;

// ---- a peer that falls silent ----

/// Times that are too long to call at each millisecond.
fn hours() -> impl Strategy<Value = Duration> {
    prop_oneof![1..100_u64, 1..10_000_u64, 1..10_000_000_u64].prop_map(ms)
}

/// The bound for the end of a connection whose peer is silent from `silent` on, if it started at
/// zero and everything is written at once: the opening handshake is over, or a Ping comes and
/// nothing after it; then the closing handshake is over.
fn bound(times: &Times, silent: Duration) -> Duration {
    let pinged = silent + times.keepalive.unwrap();
    times.handshake.max(pinged + times.pong) + times.close
}

/// What a live peer does: after this part of its time it sends this.
fn signs_of_life() -> impl Strategy<Value = Vec<(f64, Step)>> {
    let step = prop_oneof![
        3 => Just(Step::Byte),
        1 => Just(Step::Message),
        1 => Just(Step::Ping),
        1 => (0..5_u8).prop_map(Step::Pong),
    ];
    vec((prop_oneof![Just(1.0), Just(0.0), 0.0..1.0], step), 0..60)
}

/// Ticks when it is told to, until this time, and writes everything at once if `takes`.
fn pass(watched: &mut Watched, now: Duration, until: Duration, takes: bool) {
    let mut now = now;
    loop {
        watched.tick(now);
        if watched.ended {
            return;
        }
        if takes && !watched.side.out.is_empty() {
            watched.step(&Step::Wrote(1.0), now);
            continue;
        }
        match watched.wake.filter(|wake| *wake <= until) {
            Some(wake) => now = wake,
            None => return,
        }
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn a_peer_is_kept_until_it_falls_silent(
        role in roles(),
        limits in [hours(), hours(), hours(), hours()],
        opens_after in prop_oneof![Just(None), (0.0..1.0).prop_map(Some)],
        signs in signs_of_life(),
        closes in any::<bool>(),
        stalls in any::<bool>(),
    ) {
        let [handshake, keepalive, pong, close] = limits;
        let limits = times(|times| {
            (times.handshake, times.pong, times.close) = (handshake, pong, close);
            times.keepalive = Some(keepalive);
        });
        let mut watched = Watched::new(&limits, role);
        let mut now = Duration::ZERO;
        pass(&mut watched, now, now, true);
        if let Some(part) = opens_after {
            let opened = handshake.mul_f64(part);
            pass(&mut watched, now, opened, true);
            now = opened;
            watched.step(&Step::Head, now);
            watched.step(&Step::Accept, now);
            pass(&mut watched, now, now, true);
            for (part, step) in signs {
                let time = now + keepalive.mul_f64(part).min(keepalive);
                pass(&mut watched, now, time, true);
                now = time;
                watched.step(&step, now);
                pass(&mut watched, now, now, true);
                prop_assert!(watched.side.endpoint.is_open(), "it says something every keepalive");
            }
            if closes {
                watched.step(&Step::WeClose, now);
                watched.tick(now);
            }
        }
        let mut last = bound(&limits, now);
        if stalls {
            // Nor can it keep the connection by not reading.
            last += 3 * limits.write;
            if watched.side.endpoint.is_open() {
                watched.side.send(1_000);
                watched.step(&Step::Wrote(0.5), now);
            }
        }
        pass(&mut watched, now, last, !stalls);
        prop_assert!(watched.ended, "ended by {last:?}");
    }
}

// ---- two ends ----

/// Two ends, and a link that takes this long for each way and is cut at a time.
struct Pair {
    ends: [Watched; 2],
    delay: Duration,
    cut: Duration,
    /// What is on its way to each end, and when it arrives.
    coming: [VecDeque<(Duration, Vec<u8>)>; 2],
    ended: [Option<(Duration, End)>; 2],
    latencies: [Vec<Duration>; 2],
}

impl Pair {
    fn new(times: [&Times; 2], delay: Duration, cut: Duration) -> Self {
        let open = |role, times: &Times| {
            let mut end = Watched::of(Side::open(role, *times), String::new(), Duration::ZERO);
            end.has_opened = true;
            end
        };
        let mut pair = Self {
            ends: [open(Role::Client, times[0]), open(Role::Server, times[1])],
            delay,
            cut,
            coming: [VecDeque::new(), VecDeque::new()],
            ended: [None, None],
            latencies: [Vec::new(), Vec::new()],
        };
        for index in 0..2 {
            pair.turn(index, Duration::ZERO);
        }
        pair
    }

    /// Ticks, and writes everything.
    fn turn(&mut self, index: usize, now: Duration) {
        let end = &mut self.ends[index];
        loop {
            end.tick(now);
            if end.ended {
                let done = end.side.endpoint.end().unwrap();
                self.ended[index].get_or_insert((now, done));
                return;
            }
            if end.side.out.is_empty() {
                return;
            }
            let bytes = end.side.write_all(now);
            if now + self.delay < self.cut {
                self.coming[1 - index].push_back((now + self.delay, bytes));
            }
        }
    }

    /// Runs until this time.
    fn run(&mut self, until: Duration) {
        loop {
            let arrivals = self
                .coming
                .iter()
                .map(|coming| coming.front().map(|(time, _)| *time));
            let wakes = self.ends.iter().map(|end| end.wake);
            let next = arrivals.chain(wakes).flatten().min();
            let Some(now) = next.filter(|next| *next <= until) else {
                return;
            };
            for index in 0..2 {
                while let Some((time, bytes)) = self.coming[index].pop_front() {
                    if time > now {
                        self.coming[index].push_front((time, bytes));
                        break;
                    }
                    let before = self.ends[index].side.endpoint.latency();
                    for event in self.ends[index].side.feed(&bytes, now) {
                        // Each Pong is the answer to the last Ping.
                        if let Event::Pong(_) = event {
                            let latency = self.ends[index].side.endpoint.latency();
                            self.latencies[index].extend(latency.or(before));
                        }
                    }
                    self.turn(index, now);
                }
                if self.ends[index].wake.is_some_and(|wake| wake <= now) {
                    self.turn(index, now);
                }
            }
        }
    }

    fn say(&mut self, index: usize, now: Duration) {
        let side = &mut self.ends[index].side;
        if side.endpoint.is_open() {
            side.endpoint.send("hello", &mut side.out).unwrap();
            self.turn(index, now);
        }
    }
}

proptest! {
    #![proptest_config(cases(500))]

    /// Neither end gives up the other while the link exists, even if Pings and Pongs are all that
    /// is said at times, and both do soon after it is cut.
    #[test]
    fn two_ends_keep_each_other_until_the_link_is_cut(
        delay in 1..2_000_u64,
        slack in [1..5_000_u64, 1..5_000_u64],
        keepalives in [1..20_000_u64, 1..20_000_u64],
        only_one in select(vec![None, Some(0), Some(1)]),
        says in vec((0..30_000_u64, 0..2_usize), 0..20),
        silence in 0..200_000_u64,
    ) {
        let delay = ms(delay);
        let limits = [0, 1].map(|index| times(|times| {
            times.pong = 2 * delay + ms(slack[index]);
            let has = only_one.is_none_or(|only| only == index);
            times.keepalive = has.then_some(ms(keepalives[index]));
        }));
        let cut = ms(says.iter().map(|(gap, _)| gap).sum::<u64>() + silence);
        let mut pair = Pair::new([&limits[0], &limits[1]], delay, cut);
        let mut now = Duration::ZERO;
        for (gap, who) in says {
            now += ms(gap);
            pair.run(now);
            pair.say(who, now);
        }
        pair.run(cut);
        // What was lost may be missed from one keepalive and one Pong before the cut on.
        prop_assert_eq!(&pair.ended, &[None, None]);
        for latency in pair.latencies.iter().flatten() {
            prop_assert_eq!(*latency, 2 * delay);
        }
        for (index, limits) in limits.iter().enumerate() {
            if limits.keepalive.is_some() {
                let bound = bound(limits, cut);
                pair.run(bound);
                let (time, end) = pair.ended[index].clone().unwrap();
                prop_assert_eq!(end, End::Expired(Expired::Pong));
                prop_assert!(cut < time && time <= bound);
            } else {
                // It has received every Ping of the other one, so it sends none itself.
                prop_assert_eq!(&pair.ended[index], &None);
            }
        }
    }
}

#[test]
fn any_bytes_are_a_sign_of_life() {
    // What counts is that bytes arrived, not what they are; an empty read does not count.
    let mut side = Side::open_with(
        Role::Server,
        Times::default(),
        Settings::default(),
        Duration::ZERO,
    );
    side.feed(b"", seconds(29));
    side.pings(seconds(30));
    side.feed(&[0x81], seconds(31));
    side.waits(seconds(31), seconds(61));
}

#[test]
fn a_transport_that_ends_while_the_application_decides_is_the_end() {
    let mut server = Side::asked(Times::default());
    server.waits(seconds(1_000), None);
    server.endpoint.receive_eof();
    let received = REQUEST.len();
    let ended = End::Refused(HandshakeError::TransportEnded { received });
    assert_eq!(server.tick(seconds(2_000)), Tick::Done(ended));
}
