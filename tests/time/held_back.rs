//! An application that holds back reading: what it has not read is never held against the peer.
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::support::endpoint::*;
use crate::support::*;
use sansocket::{CloseCode, End, Event, Expired, Input, Role, SendError, Tick, Times};
use std::time::Duration;

#[test]
fn no_ping_is_sent_and_no_answer_awaited_while_reading_is_held_back() {
    let times = times(|times| times.idle = Some(seconds(40)));
    for role in ROLES {
        for held_from in [Duration::ZERO, seconds(29), seconds(30), seconds(39)] {
            let mut side = Side::open(role, times);
            if held_from >= seconds(30) {
                side.pings(seconds(30)); // its Pong will come after a message
            }
            side.endpoint.hold_back(true, held_from);
            for time in [held_from, seconds(50), seconds(100), seconds(1_000_000)] {
                side.waits(time, None);
            }
            assert!(side.out.is_empty());
        }
    }
}

#[test]
fn the_peer_has_its_full_time_when_reading_resumes() {
    let times = times(|times| times.idle = Some(seconds(100)));
    for role in ROLES {
        let mut side = Side::open(role, times);
        side.pings(seconds(30));
        side.endpoint.hold_back(true, seconds(49));
        side.waits(seconds(49), None);
        let read = seconds(600);
        side.endpoint.hold_back(false, read);
        side.waits(read, read + seconds(30));
        side.pings(read + seconds(30));
        side.waits(read + seconds(30), read + seconds(50));
        side.gives_up(read + seconds(50), CloseCode::INTERNAL_ERROR);

        let mut side = Side::open(role, times);
        side.endpoint.hold_back(true, seconds(99));
        side.endpoint.hold_back(false, read);
        let (mut last, mut lives) = (read, 0);
        for _ in 0..3 {
            side.waits(last, last + seconds(30));
            last += seconds(30);
            side.pings(last);
            side.frame(0x8a, b"", last); // a Pong is a sign of life, and no message
            lives += 1;
        }
        assert_eq!(lives, 3);
        side.waits(last, read + seconds(100));
        side.gives_up(read + seconds(100), CloseCode::GOING_AWAY);
    }
}

#[test]
fn holding_back_twice_changes_nothing() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        for second in 0..30 {
            side.endpoint.hold_back(false, seconds(second)); // it was not held back
            side.waits(seconds(second), seconds(30));
        }
        side.pings(seconds(30));
        side.endpoint.hold_back(false, seconds(49));
        side.waits(seconds(49), seconds(50));
        side.gives_up(seconds(50), CloseCode::INTERNAL_ERROR);
    }
}

/// An attack: a peer that makes the application hold back reading, and then takes nothing.
#[test]
fn a_peer_that_takes_nothing_is_given_up_while_reading_is_held_back() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.endpoint.hold_back(true, Duration::ZERO);
        side.send(1000);
        side.waits(Duration::ZERO, seconds(30));
        side.expires(seconds(30), Expired::Write);
    }
}

#[test]
fn a_closing_handshake_ends_while_reading_is_held_back() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.endpoint.hold_back(true, Duration::ZERO);
        side.close(CloseCode::NORMAL);
        side.write_all(seconds(1));
        side.waits(seconds(1), seconds(6));
        side.expires(seconds(6), Expired::Close);
    }
}

/// Only the peer is given up: what it said before is still received, and nobody is answered.
#[test]
fn what_was_read_before_the_end_is_received_after_it() {
    for (role, breaks) in ROLES
        .into_iter()
        .flat_map(|role| [(role, false), (role, true)])
    {
        for expired in [Expired::Write, Expired::Close] {
            let mut side = Side::open(role, Times::default());
            let last = match breaks {
                true => frame(role, 0x83, b""),
                false => frame(role, 0x88, b"\x03\xe8"),
            };
            let read = [
                frame(role, 0x81, b"one"),
                frame(role, 0x89, b"ping"),
                frame(role, 0x82, &[2; 1000]),
                last,
            ];
            let (mut read, mut events) = (read.concat(), Vec::new());
            let mut input = Input(&mut read);
            side.endpoint.hold_back(true, Duration::ZERO);
            let end = match expired {
                Expired::Write => {
                    side.send(1000);
                    side.waits(Duration::ZERO, seconds(30));
                    side.expires(seconds(30), expired);
                    side.write_all(seconds(39));
                    seconds(39)
                }
                _ => {
                    side.close(CloseCode::NORMAL);
                    side.write_all(Duration::ZERO);
                    side.waits(Duration::ZERO, seconds(5));
                    side.expires(seconds(5), expired);
                    seconds(14)
                }
            };
            while let Some(event) = side.endpoint.receive(&mut input, end, &mut side.out) {
                events.push(event.into_owned());
            }
            assert!(matches!(&events[0], Event::Text(text) if text == "one"));
            assert!(matches!(&events[1], Event::Ping(_)));
            assert!(matches!(&events[2], Event::Binary(data) if **data == [2; 1000]));
            assert!(matches!(
                (&events[3], breaks),
                (Event::Close { .. }, false) | (Event::Failed(_), true)
            ));
            assert_eq!((events.len(), input.0.len()), (4, 0));
            assert!(side.out.is_empty(), "there is no transport");
            let closed = Err(SendError::Closed);
            assert_eq!(side.endpoint.send("late", &mut side.out), closed);
            assert_eq!(side.endpoint.send_pong(b"", &mut side.out), closed);
            assert_eq!(side.tick(end), Tick::Done(End::Expired(expired)));
            assert!(side.endpoint.into_connection().is_none());
        }
    }
}

#[test]
fn the_opening_handshake_has_its_deadline() {
    let mut side = Side::server(Times::default());
    side.endpoint.hold_back(true, Duration::ZERO);
    side.waits(Duration::ZERO, seconds(10));
    assert_eq!(side.role, Role::Server);
}
