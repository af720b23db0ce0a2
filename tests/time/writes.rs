//! Deadlines of writes, with and without a layer below the output.
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::deadlines::*;
use crate::support::endpoint::*;
use crate::support::*;
use sansocket::{CloseCode, End, Expired, Role, Tick, Times};
use std::time::Duration;

// ---- writes ----

/// An end in each phase with 150 bytes of output or more since time zero, in which nothing else
/// than a write is ever due.
fn phases() -> Vec<Side> {
    let mut times = nothing();
    times.write = seconds(30);
    let mut sides = Vec::new();
    sides.push(Side::client(times).0);
    let mut accepted = Side::asked(times);
    accepted.accept();
    accepted.send(150);
    sides.push(accepted);
    for role in ROLES {
        let mut open = Side::open(role, times);
        open.send(150);
        sides.push(open);
        let mut closing = Side::open(role, times);
        closing.send(150);
        CLOSINGS[0].1(&mut closing, Duration::ZERO);
        sides.push(closing);
    }
    sides
}

#[test]
fn a_write_that_stalls_ends_the_connection_in_each_phase() {
    for mut side in phases() {
        side.waits(Duration::ZERO, seconds(30));
        side.wrote(100, seconds(2));
        side.waits(seconds(2), seconds(32));
        side.expires(seconds(32), Expired::Write);
        let end = End::Expired(Expired::Write);
        assert_eq!(side.tick(seconds(99)), Tick::Done(end), "it stays so");
    }
}

#[test]
fn a_write_that_never_starts_ends_the_connection_in_each_phase() {
    for mut side in phases() {
        side.waits(Duration::ZERO, seconds(30));
        side.waits(seconds(29), seconds(30));
        side.expires(seconds(30), Expired::Write);
    }
}

#[test]
fn only_bytes_that_were_taken_give_a_write_more_time() {
    for mut side in phases() {
        let is_open = side.endpoint.is_open();
        side.wrote(100, seconds(2));
        for time in 3..32 {
            if is_open {
                side.send(50 + time as usize);
                side.frame(0x8a, b"", seconds(time));
            }
            assert_eq!(side.endpoint.wrote(0, seconds(time), &mut side.out), 0);
            side.waits(seconds(time), seconds(32));
        }
        side.wrote(1, ms(31_999));
        side.waits(seconds(32), ms(61_999));
        side.write_all(seconds(40));
        wake(&mut side, seconds(40));
        if is_open {
            side.waits(seconds(1_000), None); // nothing is left
            side.send(10);
            side.waits(seconds(1_000), seconds(1_030));
            side.expires(seconds(1_030), Expired::Write);
        }
    }
}

#[test]
fn a_write_of_everything_leaves_nothing_to_be_due() {
    let mut times = nothing();
    times.write = seconds(30);
    for role in ROLES {
        let mut side = Side::open(role, times);
        for len in [6, 100, 1_000, 100_000] {
            side.send(len);
            side.write_all(seconds(2));
            side.waits(seconds(2), None);
        }
    }
}

#[test]
fn a_peer_that_takes_bytes_again_is_alive() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.pings(seconds(30));
        side.send(100);
        side.waits(seconds(31), seconds(50));
        side.wrote(1, seconds(31));
        // The transport's own buffer took that, whether or not the peer reads.
        side.waits(seconds(31), seconds(50));
        side.wrote(1, seconds(49));
        side.waits(seconds(50), seconds(79));
        side.write_all(seconds(60));
        side.pings(seconds(90));
    }
}

#[test]
fn there_is_no_ping_while_it_would_have_to_wait() {
    let times = times(|times| times.keepalive = Some(seconds(10)));
    let mut side = Side::open(Role::Server, times);
    side.send(100);
    side.waits_at_most(seconds(5), seconds(35));
    for time in 6..35 {
        side.waits(seconds(time), seconds(35));
    }
    assert_eq!(side.out.len(), 100);
    // Nothing is left although nothing was taken, for example because it was dropped.
    side.out.clear();
    assert!(matches!(side.tick(seconds(34)), Tick::Wait(_)));
    assert_eq!(side.sent(seconds(34))[0].opcode, 9);
}

#[test]
fn all_times_can_be_made_shorter() {
    let mut times = Times::default();
    times.idle = Some(seconds(60));
    let short = times / 20;
    assert_eq!(
        (short.handshake, short.pong, short.close, short.write),
        (ms(500), seconds(1), ms(250), ms(1_500))
    );
    assert_eq!(
        (short.keepalive, short.idle),
        (Some(ms(1_500)), Some(seconds(3)))
    );
    assert_eq!(short.min_rate, 20 * 64, "as many bytes in a shorter time");
    times.keepalive = None;
    assert_eq!((times / 2).keepalive, None);
}

#[test]
fn a_peer_that_takes_too_little_is_dropped_for_it() {
    // 64 bytes a second over a minute, so 3,840 bytes.
    for (taken, is_enough) in [(2, false), (3_839, false), (3_840, true), (9_000, true)] {
        for role in ROLES {
            let times = times(|times| times.keepalive = None);
            let mut side = Side::open(role, times);
            side.send(20_000);
            side.waits(Duration::ZERO, seconds(30));
            side.wrote(1, seconds(29));
            side.waits(seconds(29), seconds(59));
            side.wrote(taken - 1, seconds(58));
            if is_enough {
                side.waits(seconds(58), seconds(88));
                // It is judged again a minute later.
                side.waits(seconds(60), seconds(88));
                side.wrote(1, seconds(88));
                side.waits(seconds(88), seconds(118));
                side.wrote(1, seconds(117));
                side.waits(seconds(117), seconds(120));
                side.expires(seconds(120), Expired::Write);
            } else {
                side.waits(seconds(58), seconds(60));
                side.expires(seconds(60), Expired::Write);
            }
        }
    }
}

#[test]
fn the_rate_counts_only_while_something_is_unwritten() {
    for role in ROLES {
        let times = times(|times| times.keepalive = None);
        let mut side = Side::open(role, times);
        for minute in 0..5 {
            let start = seconds(60 * minute);
            side.send(100);
            side.waits(start, start + seconds(30));
            side.wrote(50, start + seconds(29));
            side.waits(start + seconds(29), start + seconds(59));
            side.write_all(start + seconds(58));
            side.waits(start + seconds(58), None);
        }
    }
}

#[test]
fn a_rate_of_zero_is_no_limit() {
    for role in ROLES {
        let times = times(|times| {
            times.keepalive = None;
            times.min_rate = 0;
        });
        let mut side = Side::open(role, times);
        side.send(2_000);
        for time in (0..1_000).map(|index| seconds(29 * index)) {
            assert!(matches!(side.tick(time), Tick::Wait(_)));
            side.wrote(1, time);
            side.waits(time, time + seconds(30));
        }
    }
}

// ---- layers below ----

/// An end above a layer such as TLS, in which nothing waits.
fn open_above(role: Role, times: Times) -> Side {
    let mut side = Side::open(role, times);
    side.endpoint.flushed(0, false, Duration::ZERO);
    side
}

#[test]
fn bytes_that_a_layer_below_holds_count_as_unwritten() {
    for role in ROLES {
        // The layer may also report for the first time at this point.
        let new = Side::open(role, Times::default());
        for mut side in [open_above(role, Times::default()), new] {
            side.waits(Duration::ZERO, seconds(30));
            assert!(matches!(side.tick(seconds(30)), Tick::Wait(_)));
            side.sent(seconds(30));
            side.endpoint.flushed(0, true, seconds(30));
            side.waits_at_most(seconds(30), seconds(60));
            side.waits_at_most(seconds(50), seconds(60));
            side.waits_at_most(seconds(55), seconds(60));
            assert!(side.endpoint.is_open() && side.out.is_empty());
            side.endpoint.flushed(10, true, seconds(56));
            side.waits(seconds(56), seconds(86));
            side.endpoint.flushed(20, false, seconds(57));
            // Progress after a stall is a sign of life, so no Pong is awaited.
            side.waits(seconds(57), seconds(87));
            side.pings(seconds(87));
            side.endpoint.flushed(30, false, seconds(87));
            side.gives_up(seconds(107), CloseCode::INTERNAL_ERROR);
        }
    }
}

#[test]
fn a_layer_below_that_passes_everything_on_changes_nothing() {
    for role in ROLES {
        let mut side = open_above(role, Times::default());
        side.waits(Duration::ZERO, seconds(30));
        assert!(matches!(side.tick(seconds(30)), Tick::Wait(_)));
        side.sent(seconds(30));
        side.endpoint.flushed(30, false, seconds(30));
        side.waits(seconds(30), seconds(50));
        side.gives_up(seconds(50), CloseCode::INTERNAL_ERROR);
        side.endpoint.flushed(30, false, seconds(50));
        side.waits(seconds(50), seconds(55));
        side.expires(seconds(55), Expired::Pong);
    }
}

#[test]
fn a_layer_below_that_writes_nothing_ends_the_connection() {
    let mut times = nothing();
    times.write = seconds(30);
    for role in ROLES {
        let mut side = open_above(role, times);
        side.send(100);
        side.write_all(seconds(1));
        side.endpoint.flushed(0, true, seconds(1));
        for time in 1..31 {
            side.endpoint.flushed(0, true, seconds(time));
            side.waits(seconds(time), seconds(31));
        }
        side.expires(seconds(31), Expired::Write);
    }
}

#[test]
fn there_is_no_ping_while_a_layer_below_holds_something() {
    for role in ROLES {
        let times = times(|times| times.keepalive = Some(seconds(10)));
        let mut side = open_above(role, times);
        side.send(100);
        side.write_all(seconds(1));
        side.endpoint.flushed(0, true, seconds(1));
        side.waits_at_most(seconds(1), seconds(31));
        for time in 2..31 {
            side.waits(seconds(time), seconds(31));
        }
        assert!(side.out.is_empty());
        side.endpoint.flushed(100, false, seconds(30));
        side.pings(seconds(40));
    }
}

#[test]
fn a_close_that_a_layer_below_holds_has_not_left() {
    for role in ROLES {
        let new = Side::open(role, Times::default());
        for mut side in [open_above(role, Times::default()), new] {
            side.close(CloseCode::NORMAL);
            wake(&mut side, Duration::ZERO);
            side.sent(Duration::ZERO);
            side.endpoint.flushed(0, true, Duration::ZERO);
            side.waits_at_most(Duration::ZERO, seconds(30));
            for time in (1..20).map(seconds) {
                side.endpoint.flushed(100, true, time);
                side.waits_at_most(time, time + seconds(30));
            }
            side.endpoint.flushed(100, false, seconds(20));
            side.waits(seconds(20), seconds(25));
            side.expires(seconds(25), Expired::Close);
        }
    }
}

#[test]
fn the_last_output_is_not_shut_down_while_a_layer_below_holds_it() {
    let new = Side::open(Role::Server, Times::default());
    for mut server in [open_above(Role::Server, Times::default()), new] {
        server.frame(0x88, b"\x03\xe8", seconds(1));
        wake(&mut server, seconds(1));
        server.sent(seconds(1));
        server.endpoint.flushed(0, true, seconds(1));
        server.waits_at_most(seconds(1), seconds(31));
        server.endpoint.flushed(9, false, seconds(3));
        assert_eq!(server.tick(seconds(3)), Tick::ShutDown(Some(seconds(8))));
        server.ends(seconds(8), &closed(1000, true));
    }
}
