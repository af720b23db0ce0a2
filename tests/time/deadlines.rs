//! The deadlines of an endpoint, each at its exact time (RFC 6455, sections 5.5.2, 7.1.1 and 10.4).
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::support::endpoint::*;
use crate::support::*;
use sansocket::{
    CloseCode, Deliver, End, Endpoint, Event, Expired, Extension, ProtocolError, Role, Tick, Times,
};
use std::time::Duration;

#[test]
fn each_expired_has_a_text_of_its_own() {
    let all = [
        Expired::Handshake,
        Expired::Pong,
        Expired::Idle,
        Expired::Close,
        Expired::Write,
    ];
    let said: std::collections::BTreeSet<_> = all
        .map(|expired| End::Expired(expired).to_string())
        .into_iter()
        .collect();
    assert_eq!(said.len(), all.len());
    assert!(!said.contains(""));
}

#[test]
fn a_handshake_ends_at_its_time_however_slowly_it_arrives() {
    for role in ROLES {
        let (mut side, head) = opening(role, Times::default());
        side.write_all(Duration::ZERO);
        let start = head.split_inclusive('\n').next().unwrap();
        side.feed([start, "X: "].concat().as_bytes(), Duration::ZERO);
        for time in (0..10_000).map(ms) {
            side.feed(b"x", time);
            side.waits(time, seconds(10));
        }
        match role {
            Role::Client => side.expires(seconds(10), Expired::Handshake),
            Role::Server => {
                side.waits(seconds(10) - NANO, seconds(10));
                assert!(matches!(side.tick(seconds(10)), Tick::Wait(_)));
                assert!(side.write_all(seconds(10)).starts_with(b"HTTP/1.1 408 "));
                side.feed(b"x", seconds(11));
                assert_eq!(side.tick(seconds(12)), Tick::ShutDown(Some(seconds(15))));
                side.expires(seconds(15), Expired::Handshake);
            }
        }
        side.feed(b"x", seconds(30));
        let expired = End::Expired(Expired::Handshake);
        assert_eq!(side.tick(seconds(30)), Tick::Done(expired), "it stays so");
    }
}

/// An end whose transport exists from time zero, and the head that opens it.
pub(crate) fn opening(role: Role, times: Times) -> (Side, String) {
    match role {
        Role::Server => (Side::server(times), REQUEST.to_owned()),
        Role::Client => Side::client(times),
    }
}

#[test]
fn the_time_of_a_handshake_starts_with_the_transport() {
    let (config, start) = (config_of(Times::default()), seconds(100));
    let server = Endpoint::server(&config, start);
    let mut server = Side::of(server, Role::Server, bytes::BytesMut::new());
    server.waits(seconds(105), seconds(110));
    server.waits(seconds(110) - NANO, seconds(110));
    assert!(matches!(server.tick(seconds(110)), Tick::Wait(_)));
    assert!(server.out.starts_with(b"HTTP/1.1 408 "));
    let mut out = bytes::BytesMut::new();
    let client = Endpoint::client(&client_request(), &config, [9; 32], start, &mut out);
    let mut client = Side::of(client, Role::Client, out);
    client.write_all(seconds(105));
    client.waits(seconds(105), seconds(110));
    client.expires(seconds(110), Expired::Handshake);
}

#[test]
fn a_complete_handshake_has_no_deadline() {
    for (role, done) in ROLES.into_iter().zip([ms(9_999), seconds(10)]) {
        let (mut side, head) = opening(role, Times::default());
        side.write_all(Duration::ZERO);
        side.waits(ms(9_998), seconds(10));
        side.feed(head.as_bytes(), done);
        let opened = match role {
            Role::Client => done,
            // No time runs while the application decides.
            Role::Server => {
                side.waits(done, None);
                side.waits(seconds(1_000), None);
                side.accept();
                seconds(1_000)
            }
        };
        // Silence counts from now on, not from the last byte of the handshake.
        assert!(matches!(side.tick(opened), Tick::Wait(_)));
        side.write_all(opened);
        side.waits(opened, opened + seconds(30));
        side.waits(opened + seconds(1), opened + seconds(30));
        side.pings(opened + seconds(30));
    }
}

#[test]
fn silence_gets_a_ping_then_1011_then_the_end() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.pings(seconds(30));
        side.waits(seconds(30), seconds(50));
        side.gives_up(seconds(50), CloseCode::INTERNAL_ERROR);
        side.expires(seconds(55), Expired::Pong);
        assert_eq!(side.sent(seconds(99)), []);
    }
}

#[test]
fn a_peer_without_a_message_gets_1001_whatever_else_it_sends() {
    let mut times = nothing();
    times.idle = Some(seconds(60));
    times.close = seconds(5);
    for role in ROLES {
        let mut side = Side::open(role, times);
        side.frame(0x81, b"a message", seconds(7));
        side.frame(0x02, b"a message that ends never: ", seconds(20));
        for time in (21..67).map(seconds) {
            side.frame(0x00, b"part", time);
            side.frame(0x8a, b"", time);
            side.waits(time, seconds(67));
        }
        side.gives_up(seconds(67), CloseCode::GOING_AWAY);
        side.expires(seconds(72), Expired::Idle);
        assert_eq!(side.sent(seconds(99)), []);
    }
}

#[test]
fn each_message_restarts_the_idle_time() {
    let mut times = nothing();
    times.idle = Some(seconds(60));
    let mut side = Side::open(Role::Server, times);
    for (time, first) in [(1, 0x81), (2, 0x82), (61, 0x81), (121, 0x82)] {
        side.frame(first, b"", seconds(time));
        side.waits(seconds(time), seconds(time + 60));
    }
    side.gives_up(seconds(181), CloseCode::GOING_AWAY);
}

#[test]
fn each_piece_restarts_the_idle_time() {
    let mut times = nothing();
    times.idle = Some(seconds(60));
    let settings = settings(|settings| settings.deliver = Deliver::Pieces);
    for role in ROLES {
        let mut side = Side::open_with(role, times, settings, Duration::ZERO);
        // Each piece restarts it, also the first of a fragment; a header alone and a Pong do not.
        let first = frame(role, 0x02, b"abcd");
        let (header, payload) = first.split_at(first.len() - 4);
        side.feed(header, seconds(10));
        side.waits(seconds(10), seconds(60));
        for (index, byte) in payload.iter().enumerate() {
            let time = seconds(50 * (index as u64 + 1));
            assert!(matches!(side.feed(&[*byte], time)[..], [Event::Piece(_)]));
            side.waits(time, time + seconds(60));
        }
        side.frame(0x00, b"x", seconds(250));
        side.frame(0x8a, b"", seconds(251));
        side.waits(seconds(251), seconds(310));
        side.gives_up(seconds(310), CloseCode::GOING_AWAY);
    }
}

#[test]
fn the_idle_time_restarts_when_our_output_has_drained() {
    let mut times = nothing();
    times.idle = Some(seconds(60));
    for role in ROLES {
        let mut side = Side::open(role, times);
        side.send(1_000);
        assert!(matches!(side.tick(seconds(10)), Tick::Wait(_)));
        side.wrote(500, seconds(10));
        // The peer may have to read all of it before it can answer.
        for time in (11..500).map(seconds) {
            assert!(matches!(side.tick(time), Tick::Wait(_)));
            side.wrote(1, time);
        }
        side.wrote(11, seconds(500));
        assert!(side.out.is_empty());
        side.waits(seconds(500), seconds(560));
        side.gives_up(seconds(560), CloseCode::GOING_AWAY);
    }
}

#[test]
fn sending_to_an_idle_peer_without_a_stall_does_not_prolong_its_time() {
    let times = times(|times| {
        times.idle = Some(seconds(95));
        times.keepalive = Some(seconds(10));
    });
    for role in ROLES {
        let mut side = Side::open(role, times);
        for time in (10..100).step_by(10) {
            // Our own Pings, their Pongs, and messages of ours.
            let ping = side.pings(seconds(time));
            side.frame(0x8a, &ping, seconds(time));
            side.send(100);
            assert!(matches!(side.tick(seconds(time)), Tick::Wait(_)));
            side.write_all(seconds(time));
        }
        side.gives_up(seconds(95), CloseCode::GOING_AWAY);
    }
}

/// A way to start the closing handshake, and how it ends if the transport does not.
pub(crate) type Closing = (&'static str, fn(&mut Side, Duration), fn() -> End);

pub(crate) const CLOSINGS: [Closing; 4] = [
    (
        "our Close",
        |side, _| side.close(CloseCode::NORMAL),
        || End::Expired(Expired::Close),
    ),
    (
        "the peer's Close",
        |side, now| _ = side.frame(0x88, b"\x03\xe8", now),
        || closed(1000, true),
    ),
    (
        "a failure",
        |side, now| _ = side.frame(0x83, b"", now),
        || failed(ProtocolError::ReservedOpcode(3)),
    ),
    (
        "no sign of life",
        |side, now| _ = side.tick(now),
        || End::Expired(Expired::Pong),
    ),
];

/// The time that a tick asks for, whether it is the last output or not.
#[track_caller]
pub(crate) fn wake(side: &mut Side, now: Duration) -> Option<Duration> {
    match side.tick(now) {
        Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
        Tick::Done(end) => panic!("{end:?} at {now:?}"),
    }
}

#[test]
fn a_closing_handshake_ends_at_its_time_however_slowly_it_goes() {
    for (how, close, end) in CLOSINGS {
        for role in ROLES {
            let mut side = Side::open(role, Times::default());
            side.pings(seconds(30));
            side.waits(seconds(30), seconds(50));
            close(&mut side, seconds(50));
            // Nothing has left yet.
            let asked = wake(&mut side, seconds(50));
            assert!(asked <= Some(seconds(80)), "{how}");
            side.sent(seconds(50));
            assert_eq!(wake(&mut side, seconds(50)), Some(seconds(55)), "{how}");
            for time in (50_000..55_000).map(ms) {
                side.frame(0x81, b"", time); // as long as anything is read
                assert_eq!(wake(&mut side, time), Some(seconds(55)), "{how}");
            }
            side.ends(seconds(55), &end());
            assert_eq!(side.sent(seconds(99)), [], "{how}");
        }
    }
}

#[test]
fn the_closing_time_starts_when_the_close_has_left() {
    for (how, close, end) in CLOSINGS {
        for role in ROLES {
            let mut side = Side::open(role, times(|times| times.min_rate = 0));
            side.pings(seconds(30));
            side.waits(seconds(30), seconds(50));
            // There are 80 bytes before the Close.
            side.send(100);
            side.wrote(20, seconds(49));
            let left = side.out.len();
            if how == "no sign of life" {
                assert!(matches!(side.tick(seconds(50)), Tick::Wait(_)));
            } else {
                close(&mut side, seconds(50));
            }
            let frame = side.out.len() - left;
            assert!(frame > 0, "{how}");
            for time in (50..125).map(seconds) {
                let asked = wake(&mut side, time);
                assert!(asked <= Some(time + seconds(29)), "{how}: {asked:?}");
                side.wrote(1, time);
            }
            side.wrote(5, seconds(125));
            assert_eq!(side.out.len(), frame);
            side.wrote(frame - 1, seconds(126));
            assert!(wake(&mut side, seconds(126)) <= Some(seconds(156)), "{how}");
            for time in (131..=151).step_by(5).map(seconds) {
                wake(&mut side, time);
            }
            assert_eq!(wake(&mut side, seconds(155)), Some(seconds(156)), "{how}");
            side.wrote(1, seconds(155));
            assert_eq!(wake(&mut side, seconds(155)), Some(seconds(160)), "{how}");
            side.ends(seconds(160), &end());
        }
    }
}

#[test]
fn the_answer_to_our_close_does_not_restart_the_closing_time() {
    let mut side = Side::open(Role::Client, Times::default());
    side.close(CloseCode::NORMAL);
    side.waits_at_most(seconds(1), seconds(31));
    side.sent(seconds(1));
    side.waits(seconds(1), seconds(6));
    side.frame(0x88, b"\x03\xe8", seconds(3));
    side.waits(seconds(3), seconds(6));
    // The server does not end the transport.
    side.ends(seconds(6), &closed(1000, false));
}

#[test]
fn a_connection_that_is_closing_when_it_opens_has_the_closing_time() {
    let request = client_request().extension(Extension::new("needed").unwrap(), true);
    let (mut client, response) = Side::client_for(&request, Times::default());
    client.write_all(Duration::ZERO);
    client.feed(response.as_bytes(), seconds(3));
    client.waits_at_most(seconds(3), seconds(33));
    client.sent(seconds(4));
    client.waits(seconds(4), seconds(9));
    client.expires(seconds(9), Expired::Close);
    assert!(client.out.is_empty());
}

/// A peer may answer our Close with Pings, and read the Pongs slowly.
#[test]
fn a_closing_handshake_does_not_wait_for_what_follows_the_close() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.close(CloseCode::NORMAL);
        side.waits_at_most(seconds(1), seconds(31));
        let close = side.out.len();
        side.frame(0x89, &[0; 125], seconds(1));
        side.wrote(close, seconds(1));
        side.waits(seconds(1), seconds(6));
        for time in (2..6).map(seconds) {
            side.frame(0x89, &[0; 125], time);
            side.wrote(100, time);
            side.waits(time, seconds(6));
        }
        side.expires(seconds(6), Expired::Close);
    }
}

#[test]
fn the_end_of_the_transport_is_the_end() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.pings(seconds(30));
        side.endpoint.receive_eof();
        let end = failed(ProtocolError::TransportEnded);
        for time in [30, 31, 50, 1_000].map(seconds) {
            assert_eq!(side.tick(time), Tick::Done(end.clone()));
        }
        assert!(side.out.is_empty());
    }
}

#[test]
fn the_deadline_that_is_over_first_is_reported() {
    // The times for a Pong (its Ping is sent at once), a message and a write, and how each ends. What is
    // unwritten keeps the idle time from running.
    let never = 1_000;
    for (pong, idle, write, first) in [
        (1, 2, never, Expired::Pong),
        (2, 1, never, Expired::Idle),
        (1, never, 2, Expired::Pong),
        (2, never, 1, Expired::Write),
        (1, 2, 3, Expired::Pong),
        (1, 3, 2, Expired::Pong),
        (2, 3, 1, Expired::Write),
        (3, 2, 1, Expired::Write),
    ] {
        let mut times = nothing();
        times.keepalive = Some(Duration::ZERO);
        times.pong = seconds(pong);
        times.idle = Some(seconds(idle));
        times.write = seconds(write);
        times.close = seconds(1);
        for late in [0, 3, 100] {
            let mut side = Side::open(Role::Server, times);
            assert!(matches!(side.tick(Duration::ZERO), Tick::Wait(_)));
            side.write_all(Duration::ZERO); // the Ping
            if write != never {
                side.send(10);
            }
            side.waits(Duration::ZERO, seconds(1));
            let mut now = Duration::ZERO;
            if late > 0 {
                now = seconds(late);
                side.waits(now, now + seconds(1)); // everything that is over runs once more
            }
            now += seconds(1);
            let tick = side.tick(now);
            if first == Expired::Write {
                assert_eq!(tick, Tick::Done(End::Expired(first)), "{late} s late");
                continue;
            }
            side.write_all(now);
            let end = side.done_in(now, seconds(9));
            assert_eq!(end, End::Expired(first), "{late} s late");
        }
    }
}
