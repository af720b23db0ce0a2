//! The Ping of a keepalive, and how long its answer took (RFC 6455, section 5.5.2).
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::deadlines::*;
use crate::support::endpoint::*;
use crate::support::*;
use sansocket::{CloseCode, Expired, Role, Tick, Times};
use std::time::Duration;

// ---- the Ping ----

#[test]
fn a_ping_comes_after_silence_only() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        // Any byte counts, also one inside a frame.
        for (index, byte) in frame(role, 0x82, &[0; 20]).into_iter().enumerate() {
            let time = seconds(30 * index as u64) + ms(29_999);
            side.feed(&[byte], time);
            side.waits(time, time + seconds(30));
        }
        let last = if role == Role::Server { 25 } else { 21 };
        side.pings(seconds(30 * last) + ms(29_999) + seconds(30));
    }
}

#[test]
fn there_is_one_ping_for_each_silence() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let mut payloads = Vec::new();
        for silence in 0..5 {
            let start = seconds(45 * silence);
            side.waits(start, start + seconds(30));
            assert!(matches!(side.tick(start + seconds(30)), Tick::Wait(_)));
            payloads.extend(side.sent(start + seconds(30)));
            for later in 30..45 {
                side.waits(start + seconds(later), start + seconds(50));
            }
            assert!(side.out.is_empty());
            side.feed(&frame(role, 0x8a, b"")[..1], start + seconds(45));
            side.feed(&frame(role, 0x8a, b"")[1..], start + seconds(45));
        }
        assert_eq!(payloads.len(), 5, "no second one before a byte has come");
        for (number, ping) in (1_u32..).zip(payloads) {
            assert_eq!(ping.opcode, 9);
            assert_eq!(ping.payload, number.to_be_bytes(), "no two are alike");
        }
    }
}

#[test]
fn a_ping_may_come_between_the_fragments_that_are_sent() {
    let mut side = Side::open(Role::Server, Times::default());
    let sent = side.endpoint.send_piece("one, ", false, &mut side.out);
    assert_eq!(sent, Ok(()));
    side.waits(Duration::ZERO, seconds(30));
    side.sent(Duration::ZERO);
    side.pings(seconds(30));
    side.waits(seconds(30), seconds(50));
    side.gives_up(seconds(50), CloseCode::INTERNAL_ERROR);
}

#[test]
fn without_keepalive_there_is_no_ping_and_nothing_is_due() {
    let times = times(|times| times.keepalive = None);
    for role in ROLES {
        let mut side = Side::open(role, times);
        for time in [seconds(1), seconds(1_000_000), Duration::MAX] {
            side.waits(time, None);
        }
        assert!(side.out.is_empty());
    }
}

#[test]
fn there_is_no_ping_while_opening_or_closing() {
    let mut times = nothing();
    times.keepalive = Some(Duration::ZERO);
    for role in ROLES {
        let mut side = opening(role, times).0;
        side.write_all(Duration::ZERO);
        let asked = Side::asked(times);
        for mut side in [side]
            .into_iter()
            .chain((role == Role::Server).then_some(asked))
        {
            for time in 0..100 {
                assert!(matches!(side.tick(seconds(time)), Tick::Wait(_)));
            }
            assert!(side.out.is_empty());
        }
    }
    times.keepalive = Some(seconds(60));
    for (how, close, _) in CLOSINGS.into_iter().take(3) {
        for role in ROLES {
            let mut side = Side::open(role, times);
            close(&mut side, seconds(50));
            wake(&mut side, seconds(50));
            side.sent(seconds(50));
            for time in 50..1_000 {
                wake(&mut side, seconds(time));
            }
            assert!(side.out.is_empty(), "{how}");
        }
    }
}

#[test]
fn the_time_for_a_pong_starts_when_the_ping_has_left() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.waits(seconds(1), seconds(30));
        assert!(matches!(side.tick(seconds(30)), Tick::Wait(_)));
        // Nothing is written yet, so only the time for a write runs.
        side.waits_at_most(seconds(30), seconds(60));
        side.waits_at_most(seconds(50), seconds(60));
        side.waits_at_most(seconds(55), seconds(60));
        assert!(side.endpoint.is_open());
        let ping = side.out.len();
        side.send(100);
        side.wrote(ping - 1, seconds(55));
        side.waits_at_most(seconds(55), seconds(85));
        // The last byte of the Ping leaves, but not what follows it.
        side.wrote(1, seconds(56));
        assert_eq!(side.out.len(), 100);
        // Progress after a stall is a sign of life, so no Pong is awaited.
        side.waits(seconds(56), seconds(86));
        side.write_all(seconds(57));
        side.pings(seconds(87));
        side.gives_up(seconds(107), CloseCode::INTERNAL_ERROR);
    }
}

#[test]
fn a_ping_that_is_written_late_at_once_is_no_sign_of_life() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.waits(seconds(1), seconds(30));
        assert!(matches!(side.tick(seconds(30)), Tick::Wait(_)));
        side.write_all(seconds(31));
        side.waits(seconds(31), seconds(51));
        side.gives_up(seconds(51), CloseCode::INTERNAL_ERROR);
    }
}

#[test]
fn output_after_a_ping_does_not_hide_that_the_ping_has_left() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.waits(seconds(1), seconds(30));
        assert!(matches!(side.tick(seconds(30)), Tick::Wait(_)));
        side.send(100);
        side.write_all(seconds(30));
        side.send(200);
        side.waits(seconds(30), seconds(50));
        side.write_all(seconds(30));
        side.gives_up(seconds(50), CloseCode::INTERNAL_ERROR);
    }
}

// ---- how long an answer took ----

#[test]
fn the_pong_of_the_last_ping_says_how_long_it_took() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let first = side.pings(seconds(30));
        let latency = |side: &mut Side, first: u8, payload: &[u8], now| {
            side.frame(first, payload, now);
            side.write_all(now);
            side.waits(now, now + seconds(30));
            side.endpoint.latency()
        };
        let is = Some(ms(123));
        assert_eq!(latency(&mut side, 0x8a, &first, ms(30_123)), is);
        assert_eq!(latency(&mut side, 0x8a, &first, ms(30_124)), is, "again");
        let second = side.pings(ms(60_124));
        for (frame, payload, what) in [
            (0x8a, &first[..], "an old one"),
            (0x8a, b"", "an unasked one"),
            (0x8a, b"other", "of another Ping"),
            (0x8a, &[&second[..], b"\0"].concat(), "of another Ping"),
            (0x89, &second, "a Ping"),
            (0x82, &second, "a message"),
        ] {
            let now = seconds(65);
            assert_eq!(latency(&mut side, frame, payload, now), is, "{what}");
        }
        // Other bytes came first, but it still answers the Ping.
        let is = Some(ms(7_876));
        assert_eq!(latency(&mut side, 0x8a, &second, seconds(68)), is);
        assert_eq!(latency(&mut side, 0x8a, &second, seconds(69)), is, "again");
    }
}

#[test]
fn a_pong_before_any_ping_says_nothing() {
    let mut side = Side::open(Role::Client, Times::default());
    for payload in [&[][..], &[0; 4], &[0, 0, 0, 1], &[0; 125]] {
        side.frame(0x8a, payload, seconds(1));
        assert_eq!(side.endpoint.latency(), None);
    }
}

#[test]
fn a_pong_that_comes_after_our_close_still_says_how_long_it_took() {
    let mut side = Side::open(Role::Server, Times::default());
    side.pings(seconds(30));
    side.waits(seconds(30), seconds(50));
    side.gives_up(seconds(50), CloseCode::INTERNAL_ERROR);
    side.frame(0x8a, &[0, 0, 0, 1], seconds(51));
    assert_eq!(side.endpoint.latency(), Some(seconds(21)));
    side.expires(seconds(55), Expired::Pong);
}

#[test]
fn a_round_trip_starts_when_the_ping_has_left() {
    let mut side = Side::open(Role::Server, Times::default());
    side.waits(seconds(1), seconds(30));
    assert!(matches!(side.tick(seconds(30)), Tick::Wait(_)));
    let ping = side.sent(seconds(33)).remove(0).payload;
    side.frame(0x8a, &ping, seconds(34));
    assert_eq!(side.endpoint.latency(), Some(seconds(1)));
}
