//! Ticks that are late.
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::deadlines::*;
use crate::support::endpoint::*;
use crate::support::*;
use sansocket::{CloseCode, End, Expired, Response, Role, Tick, Times};
use std::time::Duration;

/// A tick is on time if it is at most this much later than the time that the last one asked for.
const TOLERANCE: Duration = Duration::from_millis(100);

/// A deadline that is about to be over: an end and the time of the deadline, how long it runs, and how
/// it ends.
type Deadline = (
    &'static str,
    fn() -> (Side, Duration),
    Duration,
    fn() -> End,
);

const SECOND: Duration = Duration::from_secs(1);

fn deadlines() -> Vec<Deadline> {
    vec![
        (
            "the handshake of a server",
            || (Side::server(Times::default()), 10 * SECOND),
            10 * SECOND,
            || End::Expired(Expired::Handshake),
        ),
        (
            "the handshake of a client",
            || {
                let mut side = Side::client(Times::default()).0;
                side.write_all(Duration::ZERO);
                (side, 10 * SECOND)
            },
            10 * SECOND,
            || End::Expired(Expired::Handshake),
        ),
        (
            "a Pong",
            || {
                let mut side = Side::open(Role::Server, Times::default());
                side.pings(30 * SECOND);
                (side, 50 * SECOND)
            },
            20 * SECOND,
            || End::Expired(Expired::Pong),
        ),
        (
            "a message",
            || {
                let times = times(|times| {
                    times.keepalive = None;
                    times.idle = Some(60 * SECOND);
                });
                (Side::open(Role::Client, times), 60 * SECOND)
            },
            60 * SECOND,
            || End::Expired(Expired::Idle),
        ),
        (
            "the closing handshake",
            || {
                let mut side = Side::open(Role::Server, Times::default());
                side.close(CloseCode::NORMAL);
                wake(&mut side, SECOND);
                side.sent(SECOND);
                (side, 6 * SECOND)
            },
            5 * SECOND,
            || End::Expired(Expired::Close),
        ),
        (
            "the end of the transport",
            || {
                let mut side = Side::open(Role::Client, Times::default());
                side.frame(0x88, b"\x03\xe8", SECOND);
                wake(&mut side, SECOND);
                side.sent(SECOND);
                (side, 6 * SECOND)
            },
            5 * SECOND,
            || closed(1000, true),
        ),
        (
            "the end of the transport after a refusal",
            || {
                let mut side = Side::server(Times::default());
                let busy = Response::new(503);
                side.endpoint.respond(busy, &mut side.out).unwrap();
                wake(&mut side, SECOND);
                side.write_all(SECOND);
                (side, 6 * SECOND)
            },
            5 * SECOND,
            || End::Responded,
        ),
        (
            "a write",
            || {
                let mut side = Side::open(Role::Server, Times::default());
                side.send(100);
                wake(&mut side, Duration::ZERO);
                (side, 30 * SECOND)
            },
            30 * SECOND,
            || End::Expired(Expired::Write),
        ),
    ]
}

/// Whether the deadline is judged at this time: it is over, or the peer is given up.
#[track_caller]
fn is_judged(side: &mut Side, now: Duration, end: &End) -> bool {
    let before = side.out.len();
    match side.tick(now) {
        Tick::Done(done) => {
            assert_eq!(&done, end);
            true
        }
        Tick::Wait(_) | Tick::ShutDown(_) => {
            let is_judged = side.out.len() > before;
            if is_judged {
                assert_eq!(&side.done_in(now, seconds(60)), end);
            }
            is_judged
        }
    }
}

#[test]
fn a_tick_within_the_tolerance_judges() {
    for (what, start, _, end) in deadlines() {
        for late in [Duration::ZERO, NANO, ms(50), TOLERANCE] {
            let (mut side, time) = start();
            assert_eq!(wake(&mut side, time - NANO), Some(time), "{what}");
            assert!(
                is_judged(&mut side, time + late, &end()),
                "{what}: {late:?}"
            );
        }
    }
}

#[test]
fn a_late_tick_restarts_the_time_once() {
    for (what, start, again, end) in deadlines() {
        for late in [TOLERANCE + NANO, seconds(1), seconds(100_000)] {
            let (mut side, time) = start();
            assert_eq!(wake(&mut side, time - NANO), Some(time), "{what}");
            let (now, len) = (time + late, side.out.len());
            let asked = now + again;
            assert_eq!(wake(&mut side, now), Some(asked), "{what}: {late:?}");
            assert_eq!(side.out.len(), len, "{what}");
            // Only once, whether the next tick is late or not.
            for late in [Duration::ZERO, TOLERANCE + NANO, seconds(100_000)] {
                let (mut side, time) = start();
                wake(&mut side, time - NANO);
                assert_eq!(wake(&mut side, now), Some(asked), "{what}");
                assert_eq!(wake(&mut side, asked - NANO), Some(asked), "{what}");
                assert!(
                    is_judged(&mut side, asked + late, &end()),
                    "{what}: {late:?}"
                );
            }
        }
    }
}

#[test]
fn a_rate_that_is_judged_late_gets_another_window() {
    let start = || {
        let times = times(|times| times.keepalive = None);
        let mut side = Side::open(Role::Server, times);
        side.send(10_000);
        side.waits(Duration::ZERO, seconds(30));
        for time in [20, 40, 59] {
            side.wrote(1, seconds(time));
            wake(&mut side, seconds(time));
        }
        side.waits(seconds(60) - NANO, seconds(60));
        side
    };
    for late in [Duration::ZERO, TOLERANCE] {
        let expired = End::Expired(Expired::Write);
        assert_eq!(start().tick(seconds(60) + late), Tick::Done(expired));
    }
    for late in [TOLERANCE + NANO, seconds(1), seconds(28)] {
        let (mut side, now) = (start(), seconds(60) + late);
        side.waits_at_most(now, now + seconds(30));
        for time in [20, 40, 59].map(seconds) {
            side.wrote(1, now + time);
            wake(&mut side, now + time);
        }
        side.expires(now + seconds(60), Expired::Write);
    }
}

#[test]
fn a_late_tick_before_any_deadline_is_over_does_not_count() {
    let mut side = Side::open(Role::Server, Times::default());
    side.waits(Duration::ZERO, seconds(30));
    // A Ping that is sent late uses up nothing.
    assert!(matches!(side.tick(seconds(40)), Tick::Wait(_)));
    assert_eq!(side.sent(seconds(40))[0].opcode, 9);
    side.waits(seconds(40), seconds(60));
    side.waits(seconds(100), seconds(120));
    side.gives_up(seconds(120), CloseCode::INTERNAL_ERROR);
}

#[test]
fn after_a_sign_of_life_the_next_late_tick_counts_as_the_first() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let mut now = Duration::ZERO;
        for silence in 0..5 {
            side.pings(now + seconds(30));
            side.waits(now + seconds(30), now + seconds(50));
            now += seconds(100);
            side.waits(now, now + seconds(20));
            // Any byte, or progress after a stall.
            if silence % 2 == 0 {
                side.feed(&frame(role, 0x8a, b"")[..1], now);
                side.feed(&frame(role, 0x8a, b"")[1..], now);
            } else {
                side.send(100);
                side.wrote(50, now);
                side.write_all(now);
            }
        }
        side.pings(now + seconds(30));
        side.gives_up(now + seconds(50), CloseCode::INTERNAL_ERROR);
    }
}

/// A container is stopped, a computer sleeps, a debugger looks, and the Pong waits in its socket.
#[test]
fn a_pong_that_waits_to_be_read_keeps_the_peer() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let ping = side.pings(seconds(30));
        side.waits(seconds(30), seconds(50));
        // The process wakes up hours later, and ticks before it reads.
        let now = seconds(100_000);
        side.waits(now, now + seconds(20));
        assert!(side.endpoint.is_open() && side.out.is_empty());
        side.frame(0x8a, &ping, now);
        side.waits(now, now + seconds(30));
    }
}

/// The first tick is asked for at once. A thread that gets its first turn late must not hold that against the peer.
#[test]
fn the_first_tick_may_be_late_too() {
    let client = || {
        let mut side = Side::client(Times::default()).0;
        side.write_all(Duration::ZERO);
        side
    };
    for mut side in [Side::server(Times::default()), client()] {
        side.waits(60 * SECOND, 70 * SECOND);
        assert!(is_judged(
            &mut side,
            70 * SECOND,
            &End::Expired(Expired::Handshake)
        ));
    }
}
