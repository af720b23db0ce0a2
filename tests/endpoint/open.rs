//! An endpoint that is open, and how it ends (RFC 6455, section 7).
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::opening::*;
use crate::support::endpoint::*;
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    CloseCode, End, Endpoint, Expired, HandshakeError, Input, ProtocolError, Role, Settings, Tick,
    Times,
};
use std::time::Duration;

// ---- an open connection ----

#[test]
fn silence_gets_a_ping_then_1011_and_then_the_transport_is_dropped() {
    for role in ROLES {
        for ends in [true, false] {
            let mut side = Side::open(role, Times::default());
            side.waits(Duration::ZERO, seconds(30));
            assert_eq!(side.feed(b"", seconds(29)), []); // an empty read is no sign of life
            side.pings(seconds(30));
            side.waits(seconds(30), seconds(50));
            assert_eq!(side.endpoint.end(), None);
            side.gives_up(seconds(50), CloseCode::INTERNAL_ERROR);
            side.waits(seconds(50), seconds(55));
            let expired = End::Expired(Expired::Pong);
            if ends {
                assert_eq!(side.done_after_eof(seconds(51)), expired);
            } else {
                side.ends(seconds(55), &expired);
            }
            stays_over(&mut side, seconds(60), &frame(role, 0x81, b"late"));
        }
    }
}

#[test]
fn a_peer_that_sends_no_message_gets_1001_and_the_cause_stays() {
    let times = times(|times| times.idle = Some(seconds(60)));
    for role in ROLES {
        let mut side = Side::open(role, times);
        side.frame(0x82, b"a message", seconds(7));
        for time in (8..67).map(seconds) {
            side.frame(0x8a, b"", time);
            side.waits(time, seconds(67).min(time + seconds(30)));
        }
        side.gives_up(seconds(67), CloseCode::GOING_AWAY);
        let events = side.frame(0x88, b"\x03\xe9", seconds(68));
        assert_eq!(events, [close(1001, "")]);
        let end = side.done_after_eof(seconds(68));
        assert_eq!(end, End::Expired(Expired::Idle), "nevertheless");
    }
}

#[test]
fn a_peer_that_takes_nothing_is_dropped_in_each_phase() {
    let times = times(|times| {
        times.write = seconds(4);
        times.idle = Some(seconds(99));
    });
    let mut open = Side::open(Role::Server, times);
    open.send(100);
    let mut closing = Side::open(Role::Server, times);
    closing.send(100);
    closing.close(None);
    let mut accepted = Side::asked(times);
    accepted.accept();
    let asking = Side::client(times).0;
    for mut side in [open, closing, accepted, asking] {
        side.waits(Duration::ZERO, seconds(4));
        side.wrote(1, seconds(1));
        side.waits(seconds(2), seconds(5));
        side.expires(seconds(5), Expired::Write);
        assert_eq!(
            side.done_after_eof(seconds(99)),
            End::Expired(Expired::Write)
        );
    }
}

#[test]
fn our_close_must_be_answered_in_time() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.close(CloseCode::NORMAL);
        assert!(!side.endpoint.is_open());
        assert!(matches!(side.tick(seconds(1)), Tick::Wait(_)));
        let sent = side.sent(seconds(1));
        assert_eq!((sent.len(), sent[0].close_code()), (1, Some(1000)));
        side.waits(seconds(1), seconds(6));
        let events = side.frame(0x81, b"still said", seconds(5));
        assert_eq!(events, [text("still said")]);
        side.expires(seconds(6), Expired::Close);
        stays_over(&mut side, seconds(7), &frame(role, 0x81, b"late"));
    }
}

#[test]
fn latency_is_that_of_the_last_ping_that_was_answered() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let latency = |side: &mut Side, payload: &[u8], now| {
            side.frame(0x8a, payload, now);
            side.endpoint.latency()
        };
        assert_eq!(side.endpoint.latency(), None);
        let first = side.pings(seconds(30));
        assert_eq!(side.endpoint.latency(), None);
        assert_eq!(latency(&mut side, &first, ms(31_500)), Some(ms(1_500)));
        side.frame(0x81, b"", seconds(32));
        assert_eq!(side.endpoint.latency(), Some(ms(1_500)));
        let unasked = latency(&mut side, b"", seconds(33));
        assert_eq!(unasked, Some(ms(1_500)), "it answers nothing");
        let second = side.pings(seconds(63));
        assert_eq!(
            latency(&mut side, &first, seconds(64)),
            Some(ms(1_500)),
            "late"
        );
        assert_eq!(latency(&mut side, &second, seconds(65)), Some(seconds(2)));
        assert_eq!(
            latency(&mut side, &second, seconds(66)),
            Some(seconds(2)),
            "twice"
        );
    }
}

#[test]
fn the_times_of_an_open_connection_start_when_it_is_handed_over() {
    let (then, later) = (seconds(100), seconds(103));
    for role in ROLES {
        let config = config_of(Times::default());
        let mut ours = connection(role, Settings::default());
        ours.close(None, "", &mut BytesMut::new()).unwrap();
        let mut peers = Run::new(role);
        peers.feed(&frame(role, 0x88, b""));
        for (ws, end) in [
            (ours, End::Expired(Expired::Close)),
            (peers.ws, closed(1005, true)),
        ] {
            let endpoint = Endpoint::open(ws, &config, then);
            let mut side = Side::of(endpoint, role, BytesMut::new());
            for now in [then, later] {
                let wake = match side.tick(now) {
                    Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
                    Tick::Done(end) => panic!("{end:?}"),
                };
                assert_eq!(wake, Some(seconds(105)));
            }
            side.ends(seconds(105), &end);
        }
    }
    for (idle, wake) in [(None, 130), (Some(seconds(25)), 125)] {
        let times = times(|times| times.idle = idle);
        let mut side = Side::open_with(Role::Client, times, Settings::default(), then);
        side.waits(later, seconds(wake));
        let events = side.frame(0x81, b"hello", seconds(104));
        assert_eq!(events, [text("hello")]);
        side.waits(seconds(104), seconds(wake + 4));
        let end = side.done_after_eof(seconds(104));
        assert_eq!(end, failed(ProtocolError::TransportEnded));
    }
}

#[test]
fn a_payload_apart_is_counted_beyond_the_output() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        let payload = [7; 300];
        let apart = side.endpoint.send_apart(&payload, &mut side.out).unwrap();
        // A client masks, so its payload is in the output.
        let (head, apart) = (side.out.len(), apart.len());
        assert_eq!(head + apart, if role == Role::Server { 304 } else { 308 });
        assert_eq!(side.endpoint.wrote(1, seconds(1), &mut side.out), 0);
        assert_eq!(side.out.len(), head - 1);
        let rest = head - 1 + apart;
        assert_eq!(side.endpoint.wrote(rest, seconds(1), &mut side.out), apart);
        assert_eq!(side.out.len(), 0);
        assert_eq!(side.endpoint.wrote(0, seconds(1), &mut side.out), 0);
    }
}

#[test]
fn the_connection_can_be_taken_out_once_it_is_open() {
    let mut server = Side::server(Times::default());
    server.feed(b"GET", Duration::ZERO);
    let (client, _) = Side::client(Times::default());
    for side in [server, client, Side::asked(Times::default())] {
        assert!(side.endpoint.into_connection().is_none());
    }
    let mut accepted = Side::asked(Times::default());
    accepted.accept();
    let (mut opened, response) = Side::client(Times::default());
    opened.feed(response.as_bytes(), Duration::ZERO);
    for side in [accepted, opened, Side::open(Role::Server, Times::default())] {
        let role = side.role;
        let mut ws = side.endpoint.into_connection().unwrap();
        assert!(ws.is_open() && ws.role() == role);
        let mut bytes = frame(role, 0x81, b"hello");
        let event = ws.receive(&mut Input(&mut bytes), &mut BytesMut::new());
        assert_eq!(event, Some(text("hello")));
    }
}

// ---- how it ends ----

/// What an open end does at zero seconds, and how it ends if its transport ends then.
type Ending = (&'static str, fn(&mut Side), fn(Role) -> End);

const ENDS: [Ending; 9] = [
    ("nothing", |_| {}, |_| failed(ProtocolError::TransportEnded)),
    (
        "a part of a message",
        |side| _ = side.frame(0x01, b"a", Duration::ZERO),
        |_| failed(ProtocolError::TransportEnded),
    ),
    (
        "our Close",
        |side| side.close(CloseCode::NORMAL),
        |_| closed(1006, false),
    ),
    (
        "our Close, answered",
        |side| {
            side.close(CloseCode::GOING_AWAY);
            side.write_all(Duration::ZERO);
            side.frame(0x88, b"\x0f\xa0", Duration::ZERO);
        },
        |_| closed(4000, false),
    ),
    (
        "our Close, answered without a code",
        |side| {
            side.close(CloseCode::NORMAL);
            side.write_all(Duration::ZERO);
            side.frame(0x88, b"", Duration::ZERO);
        },
        |_| closed(1005, false),
    ),
    (
        "the peer's Close",
        |side| _ = side.frame(0x88, b"\x03\xe9", Duration::ZERO),
        |_| closed(1001, true),
    ),
    (
        "the peer's Close without a code",
        |side| _ = side.frame(0x88, b"", Duration::ZERO),
        |_| closed(1005, true),
    ),
    (
        "a frame that breaks a rule",
        |side| _ = side.frame(0x83, b"", Duration::ZERO),
        |_| failed(ProtocolError::ReservedOpcode(3)),
    ),
    (
        "a frame that breaks a rule, after the peer's Close",
        |side| {
            side.frame(0x88, b"\x03\xe9", Duration::ZERO);
            side.frame(0x83, b"", Duration::ZERO);
        },
        |_| closed(1001, true),
    ),
];

#[test]
fn an_end_says_who_closed_with_which_code() {
    for (how, act, end) in ENDS {
        for role in ROLES {
            for written in [true, false] {
                let mut side = Side::open(role, Times::default());
                act(&mut side);
                assert_eq!(side.endpoint.end(), None, "{how}: not yet");
                if written {
                    side.write_all(Duration::ZERO);
                }
                let end = end(role);
                assert_eq!(side.done_after_eof(Duration::ZERO), end, "{how}");
                let code = match end {
                    End::Closed { code, .. } => code,
                    _ => CloseCode::ABNORMAL,
                };
                assert_eq!(end.close_code(), code, "{how}");
                let is_clean = matches!(end, End::Closed { code, .. } if code.0 != 1006);
                assert_eq!(end.is_clean(), is_clean, "{how}");
                assert!(!end.to_string().is_empty());
            }
        }
    }
}

#[test]
fn ends_without_a_connection_have_no_code() {
    let expired = [
        Expired::Handshake,
        Expired::Pong,
        Expired::Idle,
        Expired::Close,
        Expired::Write,
    ];
    for (end, is_clean) in [
        (End::Responded, true),
        (
            End::Refused(HandshakeError::TransportEnded { received: 0 }),
            false,
        ),
    ]
    .into_iter()
    .chain(expired.map(|expired| (End::Expired(expired), false)))
    {
        assert_eq!(end.is_clean(), is_clean, "{end:?}");
        assert_eq!(end.close_code(), CloseCode::ABNORMAL, "{end:?}");
    }
}

#[test]
fn a_complete_closing_handshake_is_no_failure_if_the_transport_stays_open() {
    for role in ROLES {
        for by_peer in [true, false] {
            let mut side = Side::open(role, Times::default());
            if !by_peer {
                side.close(CloseCode::NORMAL);
                side.sent(seconds(1));
                side.waits(seconds(1), seconds(6));
            }
            side.frame(0x88, b"\x03\xe8", seconds(2));
            side.write_all(seconds(2));
            // Our Close has left at 1 s, or our answer at 2 s.
            let last = seconds(if by_peer { 7 } else { 6 });
            let wait = match role {
                Role::Server => Tick::ShutDown(Some(last)),
                Role::Client => Tick::Wait(Some(last)),
            };
            assert_eq!(side.tick(seconds(2)), wait, "a server closes first");
            side.ends(last, &closed(1000, by_peer));
        }
    }
}

#[test]
fn an_answer_to_a_close_is_still_written_after_the_peer_has_shut_down_writing() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.send(1_000);
        side.frame(0x88, b"\x03\xe8", seconds(1));
        side.endpoint.receive_eof();
        side.waits_at_most(seconds(1), seconds(31));
        side.wrote(1_000, seconds(2));
        side.waits_at_most(seconds(2), seconds(32));
        let sent = side.sent(seconds(3));
        assert_eq!(sent[0].close_code(), Some(1000));
        assert_eq!(side.tick(seconds(3)), Tick::Done(closed(1000, true)));
    }
}

#[test]
fn our_close_is_still_written_after_the_peer_has_shut_down_writing() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.send(1_000);
        side.close(CloseCode::NORMAL);
        side.endpoint.receive_eof();
        side.waits_at_most(seconds(1), seconds(31));
        side.write_all(seconds(2));
        assert_eq!(side.tick(seconds(2)), Tick::Done(closed(1006, false)));
    }
}

#[test]
fn unwritten_messages_are_lost_with_the_transport() {
    for role in ROLES {
        let mut side = Side::open(role, Times::default());
        side.send(1_000);
        side.waits_at_most(seconds(1), seconds(31));
        side.endpoint.receive_eof();
        let end = failed(ProtocolError::TransportEnded);
        assert_eq!(side.tick(seconds(1)), Tick::Done(end));
    }
}

#[test]
fn a_transport_that_breaks_is_over_at_once() {
    for (how, act, end) in ENDS {
        for role in ROLES {
            let mut side = Side::open(role, Times::default());
            act(&mut side);
            side.out.clear();
            side.endpoint.receive_eof();
            assert_eq!(side.tick(Duration::ZERO), Tick::Done(end(role)), "{how}");
        }
    }
}

#[test]
fn a_close_may_wait_for_the_application_up_to_the_closing_time() {
    let settings = settings(|settings| settings.answer_close = false);
    for role in ROLES {
        for answers in [true, false] {
            let now = Duration::ZERO;
            let mut side = Side::open_with(role, Times::default(), settings, now);
            let events = side.frame(0x88, b"\x03\xe9bye", seconds(1));
            assert_eq!(events, [close(1001, "bye")]);
            assert!(side.out.is_empty());
            side.waits(seconds(1), seconds(6));
            if answers {
                // Messages of the application come before its Close.
                side.send(1_000);
                side.write_all(seconds(5));
                side.close(CloseCode::GOING_AWAY);
                assert!(matches!(side.tick(seconds(5)), Tick::Wait(_)));
                side.sent(seconds(5));
            }
            let end = side.done_in(seconds(5), seconds(10));
            // The first cause: that nobody answered it is no fault of the peer's.
            assert_eq!(end, closed(1001, true));
        }
    }
}
