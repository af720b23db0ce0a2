//! An endpoint for any calls at any times, and two ends.
//!
//! Invariant: time is a number here; nothing waits and nothing has a clock.

use crate::support::endpoint::*;
use crate::support::strategies::*;
use crate::support::*;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sansocket::{
    ClientRequest, Connection, Deliver, End, Event, HandshakeError, Input, ProtocolError, Response,
    Role, SendError, Settings, Tick, Times,
};
use std::time::Duration;

// ---- any calls at any times ----

#[derive(Clone, Debug)]
enum Step {
    Bytes(Vec<u8>),
    Answer(bool),
    /// The application sends a message, or a Close.
    Say(bool),
    /// This part of the output is written.
    Wrote(f64),
    /// A layer below has written this much and holds more, or not.
    Flushed(usize, bool),
    Eof,
    /// Only time passes.
    Tick,
}

/// The peer's head, mostly a valid one.
fn head(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let good = match role {
        Role::Server => REQUEST.to_owned(),
        Role::Client => Side::client(Times::default()).1,
    };
    let bad = match role {
        Role::Server => ["PUT / HTTP/1.1\r\n\r\n", "GET\n\n"],
        Role::Client => [RESPONSE, "HTTP/1.1 103 \r\n\r\nHTTP/1.1 503 \r\n\r\nx"],
    };
    let bad = bad.map(String::from).to_vec();
    prop_oneof![4 => Just(good), 1 => select(bad)].prop_map(String::into_bytes)
}

/// What the peer sends: valid and invalid, complete and cut off.
fn bytes(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let firsts = select(vec![0x81, 0x82, 0x89, 0x8a]);
    let data = (firsts, vec(0x20..0x7f_u8, 0..9));
    let complete = prop_oneof![
        3 => head(role),
        9 => data.prop_map(move |(first, payload)| frame(role, first, &payload)),
        9 => (1..4_u32).prop_map(move |number| frame(role, 0x8a, &number.to_be_bytes())),
        1 => Just(frame(role, 0x88, b"\x03\xe8bye")),
        1 => Just(frame(role, 0x83, b"")),
        1 => vec(any::<u8>(), 0..40),
    ];
    (complete, 0.0..10.0).prop_map(|(mut bytes, part)| {
        bytes.truncate((bytes.len() as f64 * part) as usize);
        bytes
    })
}

/// What happens, and how many milliseconds after the step before. It mostly starts with a valid head.
fn steps(role: Role) -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        12 => bytes(role).prop_map(Step::Bytes),
        1 => any::<bool>().prop_map(Step::Answer),
        3 => prop::bool::weighted(0.3).prop_map(Step::Say),
        8 => prop_oneof![3 => Just(1.0), 1 => 0.0..1.0].prop_map(Step::Wrote),
        1 => (0..3_usize, any::<bool>()).prop_map(|(n, more)| Step::Flushed(n, more)),
        1 => Just(Step::Eof),
        20 => Just(Step::Tick),
    ];
    let gap = prop_oneof![2 => Just(0), 8 => 0..20_u64, 1 => 0..150_u64];
    let answered = if role == Role::Server { 4 } else { 2_usize };
    let start = prop_oneof![1 => 0..=answered, 3 => Just(answered)];
    (head(role), start, vec((gap, step), 0..40)).prop_map(move |(head, start, steps)| {
        let (head, written) = (Step::Bytes(head), Step::Wrote(1.0));
        let opening = match role {
            Role::Server => vec![head, Step::Answer(true), written, Step::Tick],
            Role::Client => vec![written, head],
        };
        let start = opening.into_iter().map(|step| (1, step)).take(start);
        start.chain(steps).collect()
    })
}

/// Times of up to this many milliseconds.
fn short_times(most: u64) -> impl Strategy<Value = Times> {
    let some = || prop::option::weighted(0.3, 1..=most);
    (vec(0..=most, 4), 1..=most / 4, some()).prop_map(|(limits, keepalive, idle)| {
        times(|times| {
            (times.handshake, times.pong) = (ms(limits[0]), ms(limits[1]));
            (times.close, times.write) = (ms(limits[2]), ms(limits[3]));
            (times.keepalive, times.idle) = (Some(ms(keepalive)), idle.map(ms));
        })
    })
}

/// Everything that an endpoint has reported, and when it ended.
#[derive(Debug, Default, PartialEq)]
struct Log {
    now: Duration,
    requests: usize,
    seen: Vec<Event<'static>>,
    sent: Vec<Result<(), SendError>>,
    ticks: Vec<Tick>,
    out: Vec<u8>,
}

/// Does the steps. `ticks` is off where only what is received and sent matters.
fn run(side: &mut Side, steps: &[(u64, Step)], ticks: bool) -> Log {
    let (mut log, mut unread, mut has_ended) = (Log::default(), Vec::new(), false);
    // Whether a layer below has reported, since the last tick, that it holds what was written.
    let mut is_held = false;
    for (gap, step) in steps {
        log.now += ms(*gap);
        let len = side.out.len();
        let was_over = matches!(log.ticks.last(), Some(Tick::ShutDown(_) | Tick::Done(_)));
        match step {
            Step::Bytes(bytes) => unread.extend_from_slice(bytes),
            Step::Answer(accept) => {
                let out = &mut side.out;
                if let Some(request) = side.request.take() {
                    log.requests += 1;
                    log.sent.push(match accept {
                        true => side.endpoint.accept(request, out),
                        false => side.endpoint.respond(Response::new(404), out),
                    });
                }
            }
            Step::Wrote(part) => {
                let n = (side.out.len() as f64 * part) as usize;
                log.out.extend_from_slice(&side.out[..n]);
                if n > 0 {
                    side.wrote(n, log.now);
                }
            }
            Step::Flushed(n, more) => {
                side.endpoint.flushed(*n, *more, log.now);
                is_held = *more;
            }
            Step::Eof => {
                side.endpoint.receive_eof();
                has_ended = true;
            }
            Step::Say(closes) => log.sent.push(match closes {
                true => side.endpoint.close(None, "", &mut side.out),
                false => side.endpoint.send("hi", &mut side.out),
            }),
            Step::Tick if ticks => {
                let tick = side.tick(log.now);
                match log.ticks.last() {
                    Some(Tick::Done(_)) => assert_eq!(log.ticks.last(), Some(&tick), "it is over"),
                    Some(Tick::ShutDown(_)) if !is_held => {
                        assert!(
                            !matches!(tick, Tick::Wait(_)),
                            "the last output is the last"
                        );
                    }
                    _ => {}
                }
                is_held = false;
                let over = matches!(tick, Tick::ShutDown(_) | Tick::Done(_));
                assert!(!over || !side.endpoint.is_open());
                log.ticks.push(tick);
            }
            Step::Tick => {}
        }
        log.seen.extend(side.read(&mut unread, log.now));
        let grows = side.out.len() > len;
        assert!(!grows || !has_ended, "nothing after the transport");
        assert!(!grows || !was_over, "nothing after the last");
    }
    log.out.extend_from_slice(&side.out);
    log
}

/// The peer is silent from now on: it sends nothing, and reads everything or nothing. Returns when
/// that is over; `None` if it waits for the application.
fn silence(side: &mut Side, mut now: Duration, answers: bool, takes: bool) -> Option<Duration> {
    // Each time runs at most once: a Ping, its Pong, the handshake or the closing, and a write; and each
    // once more if the first tick is late. While something waits to leave, a tick asks for the next
    // one after the time that runs from then on, which may be a millisecond.
    for _ in 0..1_000 {
        if answers && side.request.is_some() {
            let request = side.request.take().unwrap();
            let _ = side.endpoint.accept(request, &mut side.out);
        }
        let wake = match side.tick(now) {
            Tick::Done(_) => return Some(now),
            Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
        };
        if takes && !side.out.is_empty() {
            side.write_all(now);
            continue;
        }
        let Some(wake) = wake else {
            assert!(side.request.is_some(), "it does not end");
            return None;
        };
        now = wake;
    }
    panic!("it does not end");
}

proptest! {
    #![proptest_config(cases(500))]

    /// Without deadlines an endpoint does exactly what its connection does.
    #[test]
    fn an_endpoint_does_what_its_connection_does(
        (role, steps) in select(&ROLES[..]).prop_flat_map(|role| (Just(role), steps(role))),
    ) {
        let log = run(&mut Side::open(role, nothing()), &steps, true);
        let mut ws: Connection = connection(role, Settings::default());
        let (mut out, mut unread) = (BytesMut::new(), Vec::new());
        let (mut seen, mut sent) = (Vec::new(), Vec::new());
        for (_, step) in &steps {
            match step {
                Step::Bytes(bytes) => unread.extend_from_slice(bytes),
                Step::Say(true) => sent.push(ws.close(None, "", &mut out)),
                Step::Say(false) => sent.push(ws.send("hi", &mut out)),
                Step::Eof => ws.receive_eof(),
                _ => {}
            }
            let mut input = Input(&mut unread);
            while let Some(event) = ws.receive(&mut input, &mut out) {
                seen.push(event.into_owned());
            }
            prop_assert!(input.0.is_empty());
            unread.clear();
        }
        prop_assert_eq!(log.seen, seen);
        prop_assert_eq!(log.sent, sent);
        prop_assert_eq!(&log.out, &out[..]);
    }

    #[test]
    fn whatever_a_server_does_a_client_does_not_panic(
        times in short_times(100),
        steps in steps(Role::Client),
    ) {
        let mut client = Side::client(times).0;
        let log = run(&mut client, &steps, true);
        let opened = log.seen.iter().filter(|seen| matches!(seen, Event::Opened(_)));
        let refused = log.seen.iter().filter(|seen| matches!(seen, Event::Refused(_)));
        prop_assert!(opened.count() + refused.count() <= 1);
    }

    #[test]
    fn whatever_a_client_does_a_server_does_not_panic(
        times in short_times(100),
        steps in steps(Role::Server),
    ) {
        let mut server = Side::server(times);
        let log = run(&mut server, &steps, true);
        let refused = log.seen.iter().filter(|seen| matches!(seen, Event::Refused(_)));
        prop_assert!(log.requests + refused.count() <= 1);
    }

    #[test]
    fn an_endpoint_whose_peer_falls_silent_is_over_in_time(
        times in short_times(100),
        (role, steps) in select(&ROLES[..]).prop_flat_map(|role| (Just(role), steps(role))),
        answers in any::<bool>(),
        takes in any::<bool>(),
    ) {
        let mut side = match role {
            Role::Server => Side::server(times),
            Role::Client => Side::client(times).0,
        };
        let now = run(&mut side, &steps, true).now;
        if let Some(end) = silence(&mut side, now, answers, takes) {
            let keepalive = times.keepalive.unwrap();
            let most = times.handshake + keepalive + times.pong + times.close + 2 * times.write;
            // The first tick may be late.
            prop_assert!(end <= now + 2 * most, "{end:?} is after {now:?} + 2 * {most:?}");
        } else {
            prop_assert!(!answers);
        }
    }

    #[test]
    fn cuts_do_not_change_what_comes_out(
        (role, head, frames) in select(&ROLES[..])
            .prop_flat_map(|role| (Just(role), head(role), vec(bytes(role), 0..9))),
        seed in any::<u64>(),
    ) {
        let cut = |cuts: Cuts| {
            let mut side = match role {
                Role::Server => Side::server(Times::default()),
                Role::Client => Side::client(Times::default()).0,
            };
            let pieces = cuts.cut(&[head.clone(), frames.concat()].concat());
            let steps = pieces.into_iter();
            let steps = steps.flat_map(|piece| [Step::Bytes(piece), Step::Answer(true), Step::Tick]);
            let steps = steps.map(|step| (0, step)).collect::<Vec<_>>();
            let log = run(&mut side, &steps, false);
            (log.seen, log.requests, log.out, side.done_after_eof(Duration::ZERO))
        };
        let complete = cut(Cuts::AtOnce);
        prop_assert_eq!(&cut(Cuts::Bytes), &complete);
        prop_assert_eq!(&cut(Cuts::Random(seed)), &complete);
    }
}

/// Otherwise the laws above would be tested with steps that reach nothing.
#[test]
fn the_steps_reach_every_end() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reached = std::collections::BTreeSet::new();
    for case in 0..4_000 {
        let role = ROLES[case % 2];
        let strategy = (short_times(100), steps(role));
        let (times, steps) = strategy.new_tree(&mut runner).unwrap().current();
        let mut side = match role {
            Role::Server => Side::server(times),
            Role::Client => Side::client(times).0,
        };
        let log = run(&mut side, &steps, true);
        let _ = silence(&mut side, log.now, true, case % 3 == 0);
        reached.insert(match side.endpoint.end() {
            None => "none".to_owned(),
            Some(End::Closed { code, by_peer }) => format!("Closed {} {by_peer}", code.0),
            Some(End::Refused(HandshakeError::TransportEnded { .. })) => "TransportEnded".into(),
            Some(End::Refused(_)) => "Refused".into(),
            Some(End::Failed(ProtocolError::TransportEnded)) => "Failed at the end".into(),
            Some(End::Failed(_)) => "Failed".into(),
            Some(end) => format!("{end:?}"),
        });
    }
    for end in [
        "Closed 1000 false",
        "Closed 1000 true",
        "Closed 1006 false",
        "Expired(Close)",
        "Expired(Handshake)",
        "Expired(Idle)",
        "Expired(Pong)",
        "Expired(Write)",
        "Failed",
        "Failed at the end",
        "Refused",
        "Responded",
        "TransportEnded",
    ] {
        assert!(reached.contains(end), "{end} is not in {reached:?}");
    }
}

#[test]
fn a_message_in_pieces_is_cut_off_only_by_the_transport() {
    // The connection delivers; this shows once that it works through an endpoint.
    let settings = settings(|settings| settings.deliver = Deliver::Pieces);
    for role in ROLES {
        let mut side = Side::open_with(role, Times::default(), settings, Duration::ZERO);
        let mut joining = Joining::default();
        let mut full = Vec::new();
        for piece in frame(role, 0x81, b"in pieces").chunks(3) {
            for event in side.feed(piece, Duration::ZERO) {
                full.extend(joining.push(event));
            }
        }
        assert_eq!(full, [text("in pieces")]);
    }
}

#[test]
fn a_client_request_can_be_used_again() {
    let request: ClientRequest = client_request();
    for _ in 0..2 {
        let (mut client, response) = Side::client_for(&request, Times::default());
        let events = client.feed(response.as_bytes(), Duration::ZERO);
        assert!(matches!(&events[..], [Event::Opened(_)]), "{events:?}");
    }
}
