//! Which peers are dropped, over a simulated link: those that we have seen, and laws for all.
//!
//! Invariant: a peer that reads and answers is never dropped, and one that does not is dropped in time.

use crate::link::*;
use crate::support::endpoint::*;
use crate::support::strategies::*;
use crate::support::*;
use proptest::prelude::*;
use proptest::sample::select;
use sansocket::{End, Expired};
use std::time::Duration;

/// The peer has read what was sent, all of it and in order.
fn assert_all_arrived(link: &Link) {
    assert_eq!(link.peer.messages.len(), link.sent.len());
    assert!(link.peer.messages == link.sent);
}

/// The connection ended with our Close, after everything had arrived. Returns the link.
fn assert_kept(setup: &Setup, until: Duration) -> Link {
    let mut link = Link::new(setup);
    link.run(until);
    assert_eq!(link.end, Some(closed(1000, false)));
    assert_all_arrived(&link);
    link
}

/// Fast links of each kind: role, adapter, with a layer below the output and without.
fn kinds() -> impl Iterator<Item = Setup> {
    let adapters = [Adapter::Blocking, Adapter::Reactor];
    let ends = ROLES
        .into_iter()
        .flat_map(move |role| adapters.map(|adapter| (role, adapter)));
    let links = ends.flat_map(|end| [None, Some(16 << 10)].map(|layer| (end, layer)));
    links.map(|((role, adapter), layer)| Setup {
        role,
        adapter,
        layer,
        ..Setup::fast()
    })
}

// ---- what was seen in the field ----

#[test]
fn messages_before_the_close_arrive_however_long_it_takes() {
    for kind in kinds() {
        // 300 kB at 10 kB/s are six times the time for the closing handshake.
        let setup = Setup {
            kernel: 20_000,
            rate: 10_000,
            sends: vec![(Duration::ZERO, 300_000)],
            closes: Some(Duration::ZERO),
            ..kind
        };
        let link = assert_kept(&setup, seconds(60));
        assert!(link.now > seconds(25), "{:?}", link.now);
    }
}

#[test]
fn a_peer_that_takes_bytes_all_the_time_and_answers_late_is_kept() {
    // Its Pong comes when it has read what was sent before the Ping, 60 s later.
    let setup = Setup {
        kernel: 4_000,
        rate: 1_000,
        sends: vec![(seconds(1), 60_000), (seconds(100), 60_000)],
        closes: Some(seconds(200)),
        ..Setup::fast()
    };
    let link = assert_kept(&setup, seconds(300));
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
    for kind in kinds() {
        let setup = Setup {
            answers: Answers::Nothing,
            sends: (0..1_000).map(|index| (index * ms(300), 100)).collect(),
            ..kind
        };
        let mut link = Link::new(&setup);
        let over = link.run(seconds(300));
        assert_eq!(link.end, Some(End::Expired(Expired::Pong)));
        // A Ping after 30 s, 20 s for its Pong, and 5 s for a Close.
        assert!(over.is_some_and(|over| over <= seconds(56)), "{over:?}");
    }
}

#[test]
fn a_process_that_stands_still_again_and_again_keeps_its_peers() {
    for kind in kinds().filter(|kind| kind.layer.is_none()) {
        let setup = Setup {
            stands_still: vec![(seconds(60), seconds(3_600)); 10],
            closes: Some(seconds(40_000)),
            ..kind
        };
        let link = assert_kept(&setup, seconds(45_000));
        assert!(link.peer.pings >= 10);
    }
}

// ---- the laws ----

fn millis(least: u64, most: u64) -> impl Strategy<Value = Duration> {
    (least..most).prop_map(ms)
}

/// Links of all kinds, and messages to be sent over them.
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
            // The kernel's buffer is never what makes the link slow.
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

/// Sets the tightest times that an honest peer on this link can keep. They allow for a round trip of what the kernel
/// holds, for a pause in each write, and for the rate at which the peer reads in two writes, of which the process may
/// stand still in one. The least rate is this part of that rate.
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

/// Standstills that are longer than the tolerance, each so long after the last that the peer has been heard.
fn standstills(setup: &Setup, times: Vec<(f64, Duration)>) -> Vec<(Duration, Duration)> {
    let apart = setup.reading(setup.kernel + 1) + 3 * setup.times.write + setup.times.close;
    let times = times.into_iter();
    times
        .map(|(part, late)| (apart.mul_f64(1.0 + part), late + ms(101)))
        .collect()
}

/// The longest time until the end of a connection on this link.
fn longest(setup: &Setup) -> Duration {
    let late: Duration = setup.stands_still.iter().map(|(_, late)| *late).sum();
    let times = &setup.times;
    let round = times.write + times.pong + times.close + times.keepalive.unwrap();
    let count = setup.stands_still.len() as u32 + 2;
    setup.closes.unwrap() + setup.reading(setup.len()) + late + 3 * count * round
}

proptest! {
    #![proptest_config(cases(400))]

    /// A peer that reads faster than the least rate and answers is kept until we close, and has got everything.
    #[test]
    fn a_peer_that_reads_and_answers_is_never_dropped_and_misses_nothing(
        mut setup in setups(Answers::All),
        keepalive in millis(100, 10_000),
        part in 0.0..0.9_f64,
    ) {
        fit(&mut setup, keepalive, false, part);
        let link = assert_kept(&setup, longest(&setup));
        prop_assert_eq!(link.sent.len(), setup.sends.len());
    }

    /// The same if some ticks are late, by 100 ms to 17 minutes.
    #[test]
    fn a_process_that_stands_still_now_and_then_drops_nobody(
        mut setup in setups(Answers::All),
        keepalive in millis(100, 10_000),
        part in 0.0..0.9_f64,
        late in prop::collection::vec((0.0..3.0_f64, prop_oneof![millis(0, 100), millis(0, 1_000_000)]), 0..6),
    ) {
        fit(&mut setup, keepalive, true, part);
        setup.stands_still = standstills(&setup, late);
        let link = assert_kept(&setup, longest(&setup));
        prop_assert_eq!(link.sent.len(), setup.sends.len());
    }

    /// A peer that never answers is dropped, whether it reads slowly, fast, with pauses or not at all.
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
        // What is sent drains at the least rate, judged in windows that a tick ends up to `write` late, or it stalls. Then
        // a Ping is sent, no Pong comes, and we close. For each standstill every time may run once more.
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

/// Otherwise the laws above would be tested with links on which nothing happens.
#[test]
fn links_of_all_kinds_stall_and_ping() {
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
