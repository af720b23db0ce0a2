//! The deadlines of an endpoint, each at its very time (RFC 6455, sections 5.5.2, 7.1.1 and 10.4).
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::support::endpoint::*;
use crate::support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sansocket::{
    CloseCode, Deliver, End, Endpoint, Event, Expired, Extension, HandshakeError, ProtocolError,
    Response, Role, Settings, Tick, Times,
};
use std::collections::VecDeque;
use std::time::Duration;

/// How much later a tick may be than the time that the last one asked for, and be on time.
const TOLERANCE: Duration = Duration::from_millis(100);

// ---- each deadline ----

#[test]
fn what_expired_says_what_it_was() {
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
fn a_handshake_ends_at_its_time_however_it_dribbles() {
    for role in ROLES {
        let (mut side, head) = opening(role, Times::default());
        side.write_all(Duration::ZERO);
        let begin = head.split_inclusive('\n').next().unwrap();
        side.feed([begin, "X: "].concat().as_bytes(), Duration::ZERO);
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

/// An end whose transport is there at time zero, and the head that opens it.
fn opening(role: Role, times: Times) -> (Side, String) {
    match role {
        Role::Server => (Side::server(times), REQUEST.to_owned()),
        Role::Client => Side::client(times),
    }
}

#[test]
fn a_handshake_begins_when_the_transport_is_there() {
    let (config, begin) = (config_of(Times::default()), seconds(100));
    let server = Endpoint::server(&config, begin);
    let mut server = Side::of(server, Role::Server, bytes::BytesMut::new());
    server.waits(seconds(105), seconds(110));
    server.waits(seconds(110) - NANO, seconds(110));
    assert!(matches!(server.tick(seconds(110)), Tick::Wait(_)));
    assert!(server.out.starts_with(b"HTTP/1.1 408 "));
    let mut out = bytes::BytesMut::new();
    let client = Endpoint::client(&client_request(), &config, [9; 32], begin, &mut out);
    let mut client = Side::of(client, Role::Client, out);
    client.write_all(seconds(105));
    client.waits(seconds(105), seconds(110));
    client.expires(seconds(110), Expired::Handshake);
}

#[test]
fn a_handshake_that_is_done_has_no_deadline_any_more() {
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
        // Silence counts from here on, not from the last byte of the handshake.
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
fn no_message_gets_1001_whatever_else_comes() {
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
fn each_message_moves_the_idle_time_on() {
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
fn each_piece_moves_the_idle_time_on() {
    let mut times = nothing();
    times.idle = Some(seconds(60));
    let settings = settings(|settings| settings.deliver = Deliver::Pieces);
    for role in ROLES {
        let mut side = Side::open_with(role, times, settings, Duration::ZERO);
        // Header, and a piece of it; the rest of it, and none; a fragment.
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
fn an_idle_time_begins_again_when_what_we_have_written_has_drained() {
    let mut times = nothing();
    times.idle = Some(seconds(60));
    for role in ROLES {
        let mut side = Side::open(role, times);
        side.send(1_000);
        assert!(matches!(side.tick(seconds(10)), Tick::Wait(_)));
        side.wrote(500, seconds(10));
        // The peer may have to read all that before it can say anything.
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
fn what_we_send_to_an_idle_peer_without_a_stall_does_not_prolong_its_time() {
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

/// A way to begin the closing handshake, and how it ends if the transport does not.
type Closing = (&'static str, fn(&mut Side, Duration), fn() -> End);

const CLOSINGS: [Closing; 4] = [
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
        || failed(ProtocolError::ReservedOpcode),
    ),
    (
        "no sign of life",
        |side, now| _ = side.tick(now),
        || End::Expired(Expired::Pong),
    ),
];

/// The time that a tick asks for, whether it is the last output or not.
#[track_caller]
fn wake(side: &mut Side, now: Duration) -> Option<Duration> {
    match side.tick(now) {
        Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
        Tick::Done(end) => panic!("{end:?} at {now:?}"),
    }
}

#[test]
fn a_closing_handshake_ends_at_its_time_however_it_dribbles() {
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
fn a_closing_handshake_begins_when_the_close_has_left() {
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
fn the_answer_to_our_close_does_not_begin_the_closing_time_again() {
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

/// A peer may answer our Close with Pings, whose Pongs it takes slowly.
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
fn what_is_due_first_is_what_is_said() {
    // The times of Pong (after the Ping at once), idle and write, and what comes of them. What is
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
                side.waits(now, now + seconds(1)); // one more turn for all that is over
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

// ---- the Ping ----

#[test]
fn a_ping_comes_after_silence_only() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        // Any byte, also one of the inside of a frame.
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
            let begin = seconds(45 * silence);
            side.waits(begin, begin + seconds(30));
            assert!(matches!(side.tick(begin + seconds(30)), Tick::Wait(_)));
            payloads.extend(side.sent(begin + seconds(30)));
            for later in 30..45 {
                side.waits(begin + seconds(later), begin + seconds(50));
            }
            assert!(side.out.is_empty());
            side.feed(&frame(role, 0x8a, b"")[..1], begin + seconds(45));
            side.feed(&frame(role, 0x8a, b"")[1..], begin + seconds(45));
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
fn the_time_for_a_pong_begins_when_the_ping_has_left() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.waits(seconds(1), seconds(30));
        assert!(matches!(side.tick(seconds(30)), Tick::Wait(_)));
        // Nothing is written yet: there is the time for a write, and no other.
        side.waits_at_most(seconds(30), seconds(60));
        side.waits_at_most(seconds(50), seconds(60));
        side.waits_at_most(seconds(55), seconds(60));
        assert!(side.endpoint.is_open());
        let ping = side.out.len();
        side.send(100);
        side.wrote(ping - 1, seconds(55));
        side.waits_at_most(seconds(55), seconds(85));
        // Its last byte, and what follows it is still there.
        side.wrote(1, seconds(56));
        assert_eq!(side.out.len(), 100);
        // That was progress after a stall, which is life, so there is nothing to be answered.
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
fn what_is_sent_after_a_ping_does_not_hide_that_it_has_left() {
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
        // Other bytes came first; it is its answer all the same.
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
fn a_round_trip_begins_when_the_ping_has_left() {
    let mut side = Side::open(Role::Server, Times::default());
    side.waits(seconds(1), seconds(30));
    assert!(matches!(side.tick(seconds(30)), Tick::Wait(_)));
    let ping = side.sent(seconds(33)).remove(0).payload;
    side.frame(0x8a, &ping, seconds(34));
    assert_eq!(side.endpoint.latency(), Some(seconds(1)));
}

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
fn a_write_that_does_not_go_on_ends_in_each_phase() {
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
fn a_write_that_does_not_begin_ends_in_each_phase() {
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
        // The transport's own buffer took that, whether or not there is a peer.
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
    // Nothing is left, although nothing was taken: it was dropped, say.
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
            let begin = seconds(60 * minute);
            side.send(100);
            side.waits(begin, begin + seconds(30));
            side.wrote(50, begin + seconds(29));
            side.waits(begin + seconds(29), begin + seconds(59));
            side.write_all(begin + seconds(58));
            side.waits(begin + seconds(58), None);
        }
    }
}

#[test]
fn a_rate_of_nothing_asks_for_none() {
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

/// An end on top of TLS, say, in which nothing waits.
fn open_above(role: Role, times: Times) -> Side {
    let mut side = Side::open(role, times);
    side.endpoint.flushed(0, false, Duration::ZERO);
    side
}

#[test]
fn what_a_layer_below_holds_is_not_written() {
    for role in ROLES {
        // The layer may be heard of here for the first time, too.
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
            // Progress after a stall is life, so there is nothing to be answered.
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
fn a_layer_below_that_writes_nothing_ends_it() {
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

// ---- a tick that is late ----

/// A deadline that is about to be over: an end and the time of the deadline, how long it is, and how
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
    for (what, begin, _, end) in deadlines() {
        for late in [Duration::ZERO, NANO, ms(50), TOLERANCE] {
            let (mut side, time) = begin();
            assert_eq!(wake(&mut side, time - NANO), Some(time), "{what}");
            assert!(
                is_judged(&mut side, time + late, &end()),
                "{what}: {late:?}"
            );
        }
    }
}

#[test]
fn a_tick_that_is_late_gives_the_time_once_more() {
    for (what, begin, again, end) in deadlines() {
        for late in [TOLERANCE + NANO, seconds(1), seconds(100_000)] {
            let (mut side, time) = begin();
            assert_eq!(wake(&mut side, time - NANO), Some(time), "{what}");
            let (now, len) = (time + late, side.out.len());
            let asked = now + again;
            assert_eq!(wake(&mut side, now), Some(asked), "{what}: {late:?}");
            assert_eq!(side.out.len(), len, "{what}");
            // Only once, whether it is late then or not.
            for late in [Duration::ZERO, TOLERANCE + NANO, seconds(100_000)] {
                let (mut side, time) = begin();
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
    let begin = || {
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
        assert_eq!(begin().tick(seconds(60) + late), Tick::Done(expired));
    }
    for late in [TOLERANCE + NANO, seconds(1), seconds(28)] {
        let (mut side, now) = (begin(), seconds(60) + late);
        side.waits_at_most(now, now + seconds(30));
        for time in [20, 40, 59].map(seconds) {
            side.wrote(1, now + time);
            wake(&mut side, now + time);
        }
        side.expires(now + seconds(60), Expired::Write);
    }
}

#[test]
fn a_late_tick_without_a_deadline_that_is_over_uses_nothing_up() {
    let mut side = Side::open(Role::Server, Times::default());
    side.waits(Duration::ZERO, seconds(30));
    // A Ping is no deadline.
    assert!(matches!(side.tick(seconds(40)), Tick::Wait(_)));
    assert_eq!(side.sent(seconds(40))[0].opcode, 9);
    side.waits(seconds(40), seconds(60));
    side.waits(seconds(100), seconds(120));
    side.gives_up(seconds(120), CloseCode::INTERNAL_ERROR);
}

#[test]
fn life_after_a_late_tick_makes_the_next_late_tick_the_first_one() {
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
fn a_pong_that_waits_to_be_read_is_not_missed() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let ping = side.pings(seconds(30));
        side.waits(seconds(30), seconds(50));
        // Woken up hours later, it looks at the clock before it reads.
        let now = seconds(100_000);
        side.waits(now, now + seconds(20));
        assert!(side.endpoint.is_open() && side.out.is_empty());
        side.frame(0x8a, &ping, now);
        side.waits(now, now + seconds(30));
    }
}

// ---- any schedule ----

fn config(cases: u32) -> ProptestConfig {
    proptest_config(cases, "proptest-regressions/deadlines.txt")
}

fn roles() -> impl Strategy<Value = Role> {
    select(vec![Role::Server, Role::Client])
}

/// Limits in milliseconds up to this, 0 among them. There is no least rate: its windows are
/// another matter.
fn limits(most: u64) -> impl Strategy<Value = Times> {
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
enum Step {
    /// The peer's head is there.
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

/// Steps and how long after one another they come.
fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
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

/// What has happened, as the caller sees it.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    /// The peer's head has come.
    Head,
    /// The connection is open.
    Opened,
    Received,
    Message,
    WeClosed,
    PeerClosed,
    PeerFailed,
    /// Bytes are in the output that were not, and the frames that they are.
    Queued(usize, Vec<Sent>),
    Wrote(usize),
    TransportEnded,
    Latency(Duration),
    ShutDown,
    Done(End),
}

/// When a caller calls `tick`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// At every millisecond, and after everything that happens.
    Always,
    /// At the times that come back, and after everything that happens.
    WhenTold,
    /// At the times that come back. When only bytes have come it leaves the timer as it is.
    Timer,
}

/// One end, and what its caller has seen.
struct Watched {
    side: Side,
    seen: Vec<(Duration, Seen)>,
    /// The rest of the head.
    head: VecDeque<u8>,
    /// The rest of the frame in which the peer is.
    unfinished: VecDeque<u8>,
    latency: Option<Duration>,
    wake: Option<Duration>,
    has_opened: bool,
    has_shut_down: bool,
    ended: bool,
}

impl Watched {
    fn new(times: &Times, role: Role) -> Self {
        let (side, head) = opening(role, *times);
        Self::of(side, head, Duration::ZERO)
    }

    fn of(side: Side, head: String, now: Duration) -> Self {
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

    fn see(&mut self, now: Duration, seen: Seen) {
        self.seen.push((now, seen));
    }

    /// The output was this long before.
    fn see_queued(&mut self, before: usize, now: Duration) {
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

    fn tick(&mut self, now: Duration) {
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

    fn receive(&mut self, bytes: &[u8], now: Duration) {
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

    /// The rest of the frame in which the peer is, and one more frame.
    fn frame(&mut self, first: u8, payload: &[u8], now: Duration) {
        let mut bytes: Vec<u8> = self.unfinished.drain(..).collect();
        bytes.extend(frame(self.side.role, first, payload));
        self.receive(&bytes, now);
    }

    /// Whether more has happened than that bytes came in.
    fn step(&mut self, step: &Step, now: Duration) -> bool {
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
            // A Pong after our Close is a matter of its own: see below.
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

/// What a caller sees of these steps until this time.
fn watch(
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

/// The time after which nothing happens any more by itself, with limits of 100 ms.
const END: Duration = Duration::from_millis(30 * 100 + 700);

/// What a judge knows of one end.
#[derive(Debug, Default)]
struct Judge {
    head: bool,
    opened: bool,
    /// Bytes that were ever in the output, and those that have left it.
    queued: usize,
    written: usize,
    /// Since when nothing was taken of what is unwritten.
    waits: Option<Duration>,
    /// A write has left something, or a tick has found it again, and something is left since.
    stalled: bool,
    /// When the last byte or other sign of life came, and the last message.
    life: Duration,
    message: Duration,
    /// When the output was empty again.
    drained: Duration,
    /// Where the last Ping ends, and when it has left; whether it waits for a sign of life.
    ping: Option<(usize, Option<Duration>)>,
    is_asked: bool,
    /// Where the last output ends, and when it has left.
    last: Option<(usize, Option<Duration>)>,
    /// The first cause of the end that is no Close frame of an application.
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

    /// Without anything to be written, or only with what is there since this very moment.
    fn unless_stalled(&self, due: Duration) -> Option<Duration> {
        match self.waits {
            None => Some(due.max(self.drained)),
            Some(since) => (!self.stalled && due <= since).then_some(since),
        }
    }

    /// What is over when.
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

    /// When all is over because the transport has ended.
    fn over(&self) -> Option<Duration> {
        let ended = self.transport_ended?;
        match self.last {
            Some((_, left)) => left.map(|left| left.max(ended)),
            None => Some(ended),
        }
    }

    /// The peer has broken a rule, or was given up.
    fn is_caused(&mut self, end: End) {
        if self.peer_closed.is_none() {
            self.cause.get_or_insert(end);
        }
    }

    /// How it may end. Two causes that come together are alike.
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
            (None, None) => vec![End::Refused(HandshakeError::TransportEnded)],
        }
    }
}

/// Reads a log by the words of the rules: what was due when, and was it done then?
fn judge(times: &Times, role: Role, seen: &[(Duration, Seen)], end: Duration) {
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
            Seen::PeerFailed => judge.is_caused(failed(ProtocolError::ReservedOpcode)),
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
    #![proptest_config(config(1_000))]

    #[test]
    fn everything_is_done_when_it_is_due_and_nothing_else(
        role in roles(),
        limits in limits(100),
        steps in steps(),
    ) {
        let seen = watch(&limits, role, &steps, END, Caller::Always);
        judge(&limits, role, &seen, END);
        // One Close frame, with the code of what has expired, and no other but answers.
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
    fn who_calls_when_told_sees_what_who_calls_always_sees(
        role in roles(),
        limits in limits(100),
        steps in steps(),
    ) {
        let always = watch(&limits, role, &steps, END, Caller::Always);
        prop_assert_eq!(&watch(&limits, role, &steps, END, Caller::WhenTold), &always);
    }

    /// A Ping's time for an answer ends before the next Ping is due, as in the default.
    #[test]
    fn a_timer_may_be_left_as_it_is_when_only_bytes_come(
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

/// The strategies reach what they are for: otherwise the laws above would hold for nothing.
#[test]
fn the_schedules_reach_everything() {
    let mut runner = TestRunner::deterministic();
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..4_000 {
        let strategy = (roles(), limits(100), steps());
        let (role, limits, steps) = strategy.new_tree(&mut runner).unwrap().current();
        for (_, seen) in watch(&limits, role, &steps, END, Caller::WhenTold) {
            reached.extend(match seen {
                Seen::Done(End::Refused(_)) => vec!["Refused".to_owned()],
                Seen::Done(end) => vec![format!("{end:?}")],
                Seen::Latency(_) => vec!["Latency".into()],
                Seen::ShutDown => vec!["ShutDown".into()],
                Seen::Queued(_, sent) => sent.iter().map(|sent| sent.opcode.to_string()).collect(),
                _ => Vec::new(),
            });
        }
    }
    for what in [
        "2",
        "8",
        "9",
        "10",
        "Expired(Close)",
        "Expired(Handshake)",
        "Expired(Idle)",
        "Expired(Pong)",
        "Expired(Write)",
        "Failed(ReservedOpcode)",
        "Failed(TransportEnded)",
        "Latency",
        "Refused",
        "ShutDown",
    ] {
        assert!(reached.contains(what), "{what} is not in {reached:?}");
    }
    for (code, by_peer) in [(1000, true), (1000, false), (1006, false)] {
        let end = format!("{:?}", closed(code, by_peer));
        assert!(reached.contains(&end), "{end} is not in {reached:?}");
    }
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
    #![proptest_config(config(2_000))]

    #[test]
    fn no_time_is_too_long_or_too_short(
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
    // Nothing is ever written in no time.
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
        // It is done at once, so it never was late.
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

// ---- a peer that speaks and then does not ----

/// Larger times than those above, in which nobody calls at each millisecond.
fn hours() -> impl Strategy<Value = Duration> {
    prop_oneof![1..100_u64, 1..10_000_u64, 1..10_000_000_u64].prop_map(ms)
}

/// The bound for the end of a connection whose peer says nothing from `silent` on, if it began at
/// zero and everything is written at once: the opening handshake is over, or a Ping comes and
/// nothing after it; then the closing handshake is over.
fn bound(times: &Times, silent: Duration) -> Duration {
    let pinged = silent + times.keepalive.unwrap();
    times.handshake.max(pinged + times.pong) + times.close
}

/// What a peer does that is there: some part of its time later it sends this.
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
    #![proptest_config(config(1_000))]

    #[test]
    fn who_speaks_is_kept_and_who_falls_silent_is_not(
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
            // It does not hold on to a connection by not reading, either.
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
    /// What is on its way to each end, and when it is there.
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
    #![proptest_config(config(500))]

    /// Neither end ever gives up the other while the link is there, Pings and Pongs being all that
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
        // What was cut off may be missed from one keepalive and one Pong before the cut on.
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
                // It has heard every Ping of the other one and asks nothing itself.
                prop_assert_eq!(&pair.ended[index], &None);
            }
        }
    }
}

#[test]
fn bytes_are_a_sign_of_life_whatever_their_event_is() {
    // What counts is that bytes came, not what they are; none are none.
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
    let ended = End::Refused(HandshakeError::TransportEnded);
    assert_eq!(server.tick(seconds(2_000)), Tick::Done(ended));
}
