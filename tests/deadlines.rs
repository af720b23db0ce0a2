//! The deadlines of a connection, each at its very time (RFC 6455, sections 5.5.2, 7.1.1 and
//! 10.4). The law of this file: time is a number here; nothing waits and nothing has a clock.

mod support;

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sansocket::{
    CloseCode, Config, Connection, Deadlines, DeadlinesConfig, Event, Expired, HandshakeConfig,
    Input, Role, State,
};
use std::collections::VecDeque;
use std::time::Duration;
use support::*;

const NANO: Duration = Duration::from_nanos(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// No limit to anything that is not asked for: for tests of one deadline alone.
fn nothing() -> DeadlinesConfig {
    let mut config = DeadlinesConfig::default();
    config.handshake = Duration::MAX;
    config.keepalive = None;
    config.pong = Duration::MAX;
    config.idle = None;
    config.close = Duration::MAX;
    config.write = Duration::MAX;
    config
}

/// One end of a connection with its deadlines.
struct Timed {
    deadlines: Deadlines,
    /// Once the opening handshake is done.
    ws: Option<Connection>,
    out: BytesMut,
    role: Role,
}

type Checked = Result<Option<Duration>, Expired>;

impl Timed {
    /// The transport is there at time zero.
    fn new(config: &DeadlinesConfig, role: Role) -> Self {
        Self {
            deadlines: Deadlines::new(*config, Duration::ZERO),
            ws: None,
            out: BytesMut::new(),
            role,
        }
    }

    /// An end that was open at time zero.
    fn open(config: &DeadlinesConfig, role: Role) -> Self {
        let mut timed = Self::new(config, role);
        timed.open_now(Duration::ZERO).unwrap();
        timed
    }

    fn open_now(&mut self, now: Duration) -> Checked {
        self.ws = Some(connection(self.role, &Config::default()));
        self.check(now)
    }

    fn check(&mut self, now: Duration) -> Checked {
        self.deadlines.check(self.ws.as_mut(), now, &mut self.out)
    }

    /// It is due at this time and at no time before.
    #[track_caller]
    fn expires(&mut self, time: Duration, expired: Expired) {
        assert_eq!(
            self.check(time - NANO),
            Ok(Some(time)),
            "not before {time:?}"
        );
        assert_eq!(self.check(time), Err(expired), "at {time:?}");
    }

    /// A Ping is sent at this time and at no time before.
    #[track_caller]
    fn pings(&mut self, time: Duration) {
        assert_eq!(self.sent(), []);
        assert_eq!(
            self.check(time - NANO),
            Ok(Some(time)),
            "not before {time:?}"
        );
        assert_eq!(self.sent(), []);
        self.check(time).unwrap();
        let sent = self.sent();
        assert_eq!((sent.len(), sent[0].opcode, sent[0].fin), (1, 9, true));
    }

    /// What the peer has sent; the latencies that its Pongs gave.
    fn receive(&mut self, octets: &[u8], now: Duration) -> Vec<Duration> {
        self.deadlines.received(now);
        let (mut latencies, mut octets) = (Vec::new(), octets.to_vec());
        if let Some(ws) = &mut self.ws {
            let mut input = Input::new(&mut octets);
            while let Some(event) = ws.receive(&mut input, &mut self.out) {
                latencies.extend(self.deadlines.event(&event, now));
            }
        }
        latencies
    }

    /// A frame of the peer.
    fn frame(&mut self, first: u8, payload: &[u8], now: Duration) -> Vec<Duration> {
        self.receive(&frame(self.role, first, payload), now)
    }

    fn state(&self) -> Option<State> {
        self.ws.as_ref().map(Connection::state)
    }

    /// The frames that are in the output since the last call.
    fn sent(&mut self) -> Vec<Sent> {
        sent_frames(&self.out.split(), self.role)
    }

    /// There is one Close frame in the output since the last call, with this code.
    #[track_caller]
    fn has_closed(&mut self, code: CloseCode) {
        assert_eq!(self.state(), Some(State::Closing));
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!(sent[0].close_code(), Some(code.0));
        assert!(std::str::from_utf8(&sent[0].payload[2..]).is_ok_and(|reason| !reason.is_empty()));
    }
}

// ---- each deadline ----

#[test]
fn what_expired_says_what_to_send() {
    for (expired, status, code) in [
        (Expired::Handshake, Some(408), None),
        (Expired::Pong, None, Some(CloseCode::INTERNAL_ERROR)),
        (Expired::Idle, None, Some(CloseCode::GOING_AWAY)),
        (Expired::Close, None, None),
        (Expired::Write, None, None),
    ] {
        assert_eq!(expired.http_status(), status, "{expired}");
        assert_eq!(expired.close_code(), code, "{expired}");
        assert!(code.is_none_or(CloseCode::is_on_wire));
        assert!(!expired.to_string().is_empty());
    }
}

#[test]
fn a_handshake_ends_at_its_time_however_it_dribbles() {
    for role in ROLES {
        let mut timed = Timed::new(&DeadlinesConfig::default(), role);
        for time in (0..10_000).map(ms) {
            timed.receive(b"x", time);
            assert_eq!(timed.check(time), Ok(Some(seconds(10))));
        }
        timed.expires(seconds(10), Expired::Handshake);
        // It stays so.
        assert_eq!(timed.check(seconds(10)), Err(Expired::Handshake));
        timed.receive(b"x", seconds(11));
        assert_eq!(timed.check(seconds(12)), Err(Expired::Handshake));
        assert_eq!(timed.sent(), [], "there is no connection to send anything");
    }
}

#[test]
fn a_handshake_begins_when_the_transport_is_there() {
    let mut deadlines = Deadlines::new(DeadlinesConfig::default(), seconds(100));
    let out = &mut BytesMut::new();
    assert_eq!(
        deadlines.check(None, seconds(105), out),
        Ok(Some(seconds(110)))
    );
    assert_eq!(
        deadlines.check(None, seconds(110), out),
        Err(Expired::Handshake)
    );
}

#[test]
fn a_handshake_that_is_done_has_no_deadline_any_more() {
    for (role, done) in ROLES.into_iter().zip([ms(9_999), seconds(10)]) {
        let mut timed = Timed::new(&DeadlinesConfig::default(), role);
        assert_eq!(timed.check(ms(9_998)), Ok(Some(seconds(10))));
        // Silence counts from here on, not from the last octet of the handshake.
        assert_eq!(timed.open_now(done), Ok(Some(done + seconds(30))));
        assert_eq!(timed.check(seconds(11)), Ok(Some(done + seconds(30))));
        timed.pings(done + seconds(30));
    }
}

#[test]
fn silence_gets_a_ping_then_1011_then_the_end() {
    for role in ROLES {
        let mut timed = Timed::open(&DeadlinesConfig::default(), role);
        timed.pings(seconds(30));
        timed.expires(seconds(50), Expired::Pong);
        timed.has_closed(CloseCode::INTERNAL_ERROR);
        timed.expires(seconds(55), Expired::Close);
        assert_eq!(timed.check(seconds(55)), Err(Expired::Close), "it stays so");
        assert_eq!(timed.check(seconds(99)), Err(Expired::Close), "it stays so");
        assert_eq!(timed.sent(), []);
    }
}

#[test]
fn no_message_gets_1001_whatever_else_comes() {
    let mut config = nothing();
    config.idle = Some(seconds(60));
    config.close = seconds(5);
    for role in ROLES {
        let mut timed = Timed::open(&config, role);
        timed.frame(0x81, b"a message", seconds(7));
        timed.frame(0x02, b"a message that ends never: ", seconds(20));
        for time in (21..67).map(seconds) {
            timed.frame(0x00, b"part", time);
            timed.frame(0x8a, b"", time);
            assert_eq!(timed.check(time), Ok(Some(seconds(67))));
        }
        timed.expires(seconds(67), Expired::Idle);
        timed.has_closed(CloseCode::GOING_AWAY);
        timed.expires(seconds(72), Expired::Close);
        assert_eq!(timed.sent(), []);
    }
}

#[test]
fn each_message_moves_the_idle_time_on() {
    let mut config = nothing();
    config.idle = Some(seconds(60));
    let mut timed = Timed::open(&config, Role::Server);
    for (time, first) in [(1, 0x81), (2, 0x82), (61, 0x81), (121, 0x82)] {
        timed.frame(first, b"", seconds(time));
        assert_eq!(timed.check(seconds(time)), Ok(Some(seconds(time + 60))));
    }
    timed.expires(seconds(181), Expired::Idle);
}

/// A way to begin the closing handshake.
type Closing = fn(&mut Timed, Duration);

const CLOSINGS: [(&str, Closing); 5] = [
    ("our Close", |timed, _| {
        let ws = timed.ws.as_mut().unwrap();
        ws.close(CloseCode::NORMAL, "", &mut timed.out).unwrap();
    }),
    ("the peer's Close", |timed, now| {
        timed.frame(0x88, b"\x03\xe8", now);
    }),
    ("a failure", |timed, now| {
        timed.frame(0x83, b"", now);
    }),
    ("the transport's end", |timed, _| {
        timed.ws.as_mut().unwrap().receive_eof().unwrap_err();
    }),
    ("no sign of life", |timed, now| {
        timed
            .deadlines
            .check(timed.ws.as_mut(), now, &mut timed.out)
            .unwrap_err();
    }),
];

#[test]
fn a_closing_handshake_ends_at_its_time_however_it_dribbles() {
    for (how, close) in CLOSINGS {
        for role in ROLES {
            let mut timed = Timed::open(&DeadlinesConfig::default(), role);
            timed.pings(seconds(30));
            close(&mut timed, seconds(50));
            assert_eq!(timed.check(seconds(50)), Ok(Some(seconds(55))), "{how}");
            timed.sent();
            for time in (50_000..55_000).map(ms) {
                timed.frame(0x81, b"", time); // as long as anything is read
                assert_eq!(timed.check(time), Ok(Some(seconds(55))), "{how}");
            }
            timed.expires(seconds(55), Expired::Close);
            assert_eq!(timed.sent(), [], "{how}");
        }
    }
}

#[test]
fn the_answer_to_our_close_does_not_begin_the_closing_time_again() {
    let mut timed = Timed::open(&DeadlinesConfig::default(), Role::Client);
    let ws = timed.ws.as_mut().unwrap();
    ws.close(CloseCode::NORMAL, "", &mut timed.out).unwrap();
    assert_eq!(timed.check(seconds(1)), Ok(Some(seconds(6))));
    timed.frame(0x88, b"\x03\xe8", seconds(3));
    assert_eq!(timed.check(seconds(3)), Ok(Some(seconds(6))));
    // The server does not end the transport.
    timed.expires(seconds(6), Expired::Close);
}

#[test]
fn a_connection_that_is_closing_when_it_opens_has_the_closing_time() {
    let extension = sansocket::negotiation::Extension::new("needed").unwrap();
    let request = client_request().needed_extension(extension);
    let config = HandshakeConfig::default();
    let mut asked = ask(&request, RESPONSE, b"", Cuts::Whole, &config);
    let ws = &mut asked.opened().connection;
    let mut deadlines = Deadlines::new(DeadlinesConfig::default(), Duration::ZERO);
    let out = &mut BytesMut::new();
    assert_eq!(
        deadlines.check(Some(&mut *ws), seconds(4), out),
        Ok(Some(seconds(9)))
    );
    assert_eq!(
        deadlines.check(Some(&mut *ws), seconds(9), out),
        Err(Expired::Close)
    );
    assert!(out.is_empty());
}

#[test]
fn what_is_due_first_is_what_is_said() {
    // The times of Pong (after the Ping at once), idle and write, and what comes of them.
    for (pong, idle, write, first) in [
        (1, 2, 3, Expired::Pong),
        (1, 3, 2, Expired::Pong),
        (2, 1, 3, Expired::Idle),
        (3, 1, 2, Expired::Idle),
        (2, 3, 1, Expired::Write),
        (3, 2, 1, Expired::Write),
    ] {
        let mut config = nothing();
        config.keepalive = Some(Duration::ZERO);
        config.pong = seconds(pong);
        config.idle = Some(seconds(idle));
        config.write = seconds(write);
        for late in [1, 2, 3, 100] {
            let mut timed = Timed::open(&config, Role::Server);
            timed.deadlines.wrote(0, 1, Duration::ZERO);
            assert_eq!(timed.check(seconds(late)), Err(first), "also {late} s late");
        }
    }
}

// ---- the Ping ----

#[test]
fn a_ping_comes_after_silence_only() {
    for role in ROLES {
        let mut timed = Timed::open(&DeadlinesConfig::default(), role);
        // Any octet, also one of the inside of a frame.
        for (index, octet) in frame(role, 0x82, &[0; 20]).into_iter().enumerate() {
            timed.receive(&[octet], seconds(30 * index as u64) + ms(29_999));
            timed
                .check(seconds(30 * index as u64) + ms(29_999))
                .unwrap();
        }
        let last = if role == Role::Server { 25 } else { 21 };
        timed.pings(seconds(30 * last) + ms(29_999) + seconds(30));
    }
}

#[test]
fn there_is_one_ping_for_each_silence() {
    for role in ROLES {
        let mut timed = Timed::open(&DeadlinesConfig::default(), role);
        let mut payloads = Vec::new();
        for silence in 0..5 {
            let begin = seconds(45 * silence);
            assert_eq!(
                timed.check(begin + seconds(30)),
                Ok(Some(begin + seconds(50)))
            );
            for later in 30..45 {
                assert_eq!(
                    timed.check(begin + seconds(later)),
                    Ok(Some(begin + seconds(50)))
                );
            }
            payloads.extend(timed.sent().into_iter().map(|ping| ping.payload));
            timed.receive(&frame(role, 0x8a, b"")[..1], begin + seconds(45));
            timed.receive(&frame(role, 0x8a, b"")[1..], begin + seconds(45));
        }
        assert_eq!(payloads.len(), 5, "no second one before an octet has come");
        payloads.sort();
        payloads.dedup();
        assert_eq!(payloads.len(), 5, "no two are alike");
    }
}

#[test]
fn a_ping_may_come_between_the_fragments_that_are_sent() {
    let mut timed = Timed::open(&DeadlinesConfig::default(), Role::Server);
    let ws = timed.ws.as_mut().unwrap();
    ws.send_first_fragment("one, ", &mut timed.out).unwrap();
    timed.sent();
    timed.pings(seconds(30));
    timed.expires(seconds(50), Expired::Pong);
    timed.has_closed(CloseCode::INTERNAL_ERROR);
}

#[test]
fn without_keepalive_there_is_no_ping_and_nothing_is_due() {
    let mut config = DeadlinesConfig::default();
    config.keepalive = None;
    for role in ROLES {
        let mut timed = Timed::open(&config, role);
        for time in [seconds(1), seconds(1_000_000), Duration::MAX] {
            assert_eq!(timed.check(time), Ok(None));
        }
        assert_eq!(timed.sent(), []);
    }
}

#[test]
fn there_is_no_ping_while_opening_or_closing() {
    let mut config = nothing();
    config.keepalive = Some(Duration::ZERO);
    for role in ROLES {
        let mut timed = Timed::new(&config, role);
        for time in 0..100 {
            assert_eq!(timed.check(seconds(time)), Ok(Some(Duration::MAX)));
        }
        assert_eq!(timed.sent(), []);
    }
    config.keepalive = Some(seconds(60));
    for (how, close) in CLOSINGS.into_iter().take(4) {
        for role in ROLES {
            let mut timed = Timed::open(&config, role);
            close(&mut timed, seconds(50));
            timed.sent();
            for time in 50..1_000 {
                timed.check(seconds(time)).unwrap();
            }
            assert_eq!(timed.sent(), [], "{how}");
        }
    }
}

// ---- how long an answer took ----

#[test]
fn the_pong_of_the_last_ping_says_how_long_it_took() {
    for role in ROLES {
        let mut timed = Timed::open(&DeadlinesConfig::default(), role);
        timed.check(seconds(30)).unwrap();
        let first = timed.sent().remove(0).payload;
        assert_eq!(timed.frame(0x8a, &first, ms(30_123)), [ms(123)]);
        assert_eq!(timed.frame(0x8a, &first, ms(30_124)), [], "the same again");

        timed.check(seconds(61)).unwrap();
        let second = timed.sent().remove(0).payload;
        assert_eq!(timed.frame(0x8a, &first, seconds(62)), [], "an old one");
        assert_eq!(timed.frame(0x8a, b"", seconds(63)), [], "an unasked one");
        assert_eq!(
            timed.frame(0x8a, b"other", seconds(64)),
            [],
            "of another Ping"
        );
        let longer = [&second[..], b"\0"].concat();
        assert_eq!(
            timed.frame(0x8a, &longer, seconds(65)),
            [],
            "of another Ping"
        );
        assert_eq!(timed.frame(0x89, &second, seconds(66)), [], "a Ping");
        assert_eq!(timed.frame(0x82, &second, seconds(67)), [], "a message");
        // Other octets came first; it is its answer all the same.
        assert_eq!(timed.frame(0x8a, &second, seconds(68)), [seconds(7)]);
        assert_eq!(
            timed.frame(0x8a, &second, seconds(68)),
            [],
            "the same again"
        );
    }
}

#[test]
fn a_pong_before_any_ping_says_nothing() {
    let mut timed = Timed::open(&DeadlinesConfig::default(), Role::Client);
    for payload in [&[][..], &[0; 4], &[0, 0, 0, 1], &[0; 125]] {
        assert_eq!(timed.frame(0x8a, payload, seconds(1)), []);
    }
}

#[test]
fn a_pong_that_comes_after_our_close_still_says_how_long_it_took() {
    let mut timed = Timed::open(&DeadlinesConfig::default(), Role::Server);
    timed.pings(seconds(30));
    timed.expires(seconds(50), Expired::Pong);
    assert_eq!(timed.frame(0x8a, &[0, 0, 0, 1], seconds(51)), [seconds(21)]);
    timed.expires(seconds(55), Expired::Close);
}

// ---- writes ----

/// An end in each phase, in which nothing else than a write is ever due.
fn phases() -> Vec<Timed> {
    let config = {
        let mut config = nothing();
        config.write = seconds(30);
        config
    };
    let mut timed = Vec::new();
    for role in ROLES {
        timed.push(Timed::new(&config, role));
        timed.push(Timed::open(&config, role));
        let mut closing = Timed::open(&config, role);
        CLOSINGS[0].1(&mut closing, Duration::ZERO);
        closing.check(Duration::ZERO).unwrap();
        closing.sent();
        timed.push(closing);
    }
    timed
}

#[test]
fn a_write_that_does_not_go_on_ends_in_each_phase() {
    for mut timed in phases() {
        timed.deadlines.wrote(100, 50, seconds(2));
        timed.expires(seconds(32), Expired::Write);
        assert_eq!(timed.check(seconds(99)), Err(Expired::Write), "it stays so");
        assert_eq!(timed.sent(), [], "nothing that is sent would arrive");
    }
}

#[test]
fn only_octets_that_were_taken_give_a_write_more_time() {
    for mut timed in phases() {
        let before = timed.check(seconds(1)).unwrap();
        timed.deadlines.wrote(0, 50, seconds(2));
        for time in 3..32 {
            timed.deadlines.wrote(0, 50 + time as usize, seconds(time));
            timed.frame(0x8a, b"", seconds(time));
            assert_eq!(timed.check(seconds(time)), Ok(Some(seconds(32))));
        }
        timed.deadlines.wrote(1, 49, ms(31_999));
        assert_eq!(timed.check(seconds(32)), Ok(Some(ms(61_999))));
        timed.deadlines.wrote(49, 0, seconds(40));
        assert_eq!(timed.check(seconds(1_000)), Ok(before), "nothing is left");
        timed.deadlines.wrote(0, 1, seconds(1_000));
        timed.expires(seconds(1_030), Expired::Write);
    }
}

#[test]
fn a_write_of_everything_leaves_nothing_to_be_due() {
    for mut timed in phases() {
        let before = timed.check(seconds(1)).unwrap();
        for written in [0, 1, 1_000, usize::MAX] {
            timed.deadlines.wrote(written, 0, seconds(2));
            assert_eq!(timed.check(seconds(2)), Ok(before));
        }
    }
}

#[test]
fn a_peer_that_takes_octets_again_is_alive() {
    for role in ROLES {
        let mut timed = Timed::open(&DeadlinesConfig::default(), role);
        timed.pings(seconds(30));
        timed.deadlines.wrote(1, 99, seconds(31));
        // The transport's own buffer took that, whether or not there is a peer.
        assert_eq!(timed.check(seconds(31)), Ok(Some(seconds(50))));
        timed.deadlines.wrote(1, 98, seconds(49));
        assert_eq!(timed.check(seconds(50)), Ok(Some(seconds(79))));
        timed.deadlines.wrote(98, 0, seconds(60));
        timed.pings(seconds(90));
    }
}

#[test]
fn there_is_no_ping_while_it_would_have_to_wait() {
    let mut config = DeadlinesConfig::default();
    config.keepalive = Some(seconds(10));
    let mut timed = Timed::open(&config, Role::Server);
    timed.deadlines.wrote(0, 1, seconds(5));
    for time in 5..35 {
        assert_eq!(timed.check(seconds(time)), Ok(Some(seconds(35))));
    }
    assert_eq!(timed.sent(), []);
    // Nothing is left, although nothing was taken: it was dropped, say.
    timed.deadlines.wrote(0, 0, seconds(34));
    timed.check(seconds(34)).unwrap();
    assert_eq!(timed.sent()[0].opcode, 9);
}

#[test]
fn all_times_can_be_made_shorter() {
    let mut config = DeadlinesConfig::default();
    config.idle = Some(seconds(60));
    let short = config / 20;
    assert_eq!(
        (short.handshake, short.pong, short.close, short.write),
        (ms(500), seconds(1), ms(250), ms(1_500))
    );
    assert_eq!(
        (short.keepalive, short.idle),
        (Some(ms(1_500)), Some(seconds(3)))
    );
    config.keepalive = None;
    assert_eq!((config / 2).keepalive, None);
}

// ---- any schedule ----

fn config(cases: u32) -> ProptestConfig {
    proptest_config(cases, "proptest-regressions/deadlines.txt")
}

fn roles() -> impl Strategy<Value = Role> {
    select(vec![Role::Server, Role::Client])
}

/// Deadlines in milliseconds up to this, 0 among them.
fn limits(most: u64) -> impl Strategy<Value = DeadlinesConfig> {
    let time = move || prop_oneof![1 => Just(0), 3 => 0..10_u64, 6 => 0..most].prop_map(ms);
    let some = move || prop::option::weighted(0.8, time());
    (time(), some(), time(), some(), time(), time()).prop_map(
        |(handshake, keepalive, pong, idle, close, write)| {
            let mut config = DeadlinesConfig::default();
            (config.handshake, config.pong) = (handshake, pong);
            (config.keepalive, config.idle) = (keepalive, idle);
            (config.close, config.write) = (close, write);
            config
        },
    )
}

/// What happens at one end.
#[derive(Clone, Debug)]
enum Step {
    /// The opening handshake is done.
    Open,
    /// One octet of the peer, somewhere in a frame.
    Octet,
    Message,
    Ping,
    /// The answer to the Ping of this number, if there was one.
    Pong(u8),
    PeerCloses,
    PeerFails,
    WeClose,
    TransportEnds,
    Wrote(usize, usize),
}

/// Steps and how long after one another they come.
fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        6 => Just(Step::Octet),
        3 => Just(Step::Message),
        1 => Just(Step::Ping),
        2 => (0..5_u8).prop_map(Step::Pong),
        2 => Just(Step::Open),
        1 => select(vec![Step::PeerCloses, Step::PeerFails, Step::WeClose, Step::TransportEnds]),
        3 => (0..3_usize, 0..3_usize).prop_map(|(written, left)| Step::Wrote(written, left)),
    ];
    let opened = prop_oneof![3 => Just(Some((0, Step::Open))), 1 => Just(None)];
    let gap = || prop_oneof![2 => Just(0), 4 => 0..10_u64, 4 => 0..100_u64];
    (gap(), opened, vec((gap(), step), 0..30)).prop_map(|(first, opened, mut steps)| {
        let open = opened.map(|(_, step)| (first, step));
        steps.splice(0..0, open);
        steps
    })
}

/// What has happened, as the caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Opened,
    Received,
    Message,
    Closing,
    Wrote(usize, usize),
    Sent(Sent),
    Latency(Duration),
    Expired(Expired),
}

/// When a caller calls `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// At every millisecond, and after everything that happens.
    Always,
    /// At the times that come back, and after everything that happens.
    WhenTold,
    /// At the times that come back. When only octets have come it leaves the timer as it is.
    Timer,
}

/// One end, and what its caller has seen.
struct Watched {
    timed: Timed,
    seen: Vec<(Duration, Seen)>,
    /// The rest of the frame in which the peer is.
    unfinished: VecDeque<u8>,
    wake: Option<Duration>,
    ended: bool,
}

impl Watched {
    fn new(config: &DeadlinesConfig, role: Role) -> Self {
        let mut watched = Self {
            timed: Timed::new(config, role),
            seen: Vec::new(),
            unfinished: VecDeque::new(),
            wake: None,
            ended: false,
        };
        watched.check(Duration::ZERO);
        watched
    }

    fn see(&mut self, now: Duration, seen: Seen) {
        self.seen.push((now, seen));
    }

    fn see_sent(&mut self, now: Duration) {
        for sent in self.timed.sent() {
            self.see(now, Seen::Sent(sent));
        }
    }

    /// As a caller does it: go on after what has begun the closing handshake, else end.
    fn check(&mut self, now: Duration) {
        while !self.ended {
            let checked = self.timed.check(now);
            self.see_sent(now);
            match checked {
                Ok(wake) => {
                    assert!(wake.is_none_or(|wake| wake > now), "what is due is done");
                    // Nothing more happens at the same time.
                    assert_eq!(self.timed.check(now), Ok(wake));
                    assert_eq!(self.timed.sent(), []);
                    self.wake = wake;
                    return;
                }
                Err(expired) => {
                    self.see(now, Seen::Expired(expired));
                    self.ended = expired.close_code().is_none();
                }
            }
        }
        let Some((_, Seen::Expired(expired))) = self.seen.last().cloned() else {
            return;
        };
        assert_eq!(self.timed.check(now), Err(expired), "an end stays an end");
        self.timed.sent(); // it goes nowhere
    }

    fn receive(&mut self, octets: &[u8], now: Duration) {
        self.see(now, Seen::Received);
        let latencies = self.timed.receive(octets, now);
        for latency in latencies {
            self.see(now, Seen::Latency(latency));
        }
    }

    /// The rest of the frame in which the peer is, and one more frame.
    fn frame(&mut self, first: u8, payload: &[u8], now: Duration) {
        let mut octets: Vec<u8> = self.unfinished.drain(..).collect();
        octets.extend(frame(self.timed.role, first, payload));
        self.receive(&octets, now);
    }

    /// Whether more has happened than that octets came in.
    fn step(&mut self, step: &Step, now: Duration) -> bool {
        let state = self.timed.state();
        match step {
            Step::Open if state.is_none() => {
                let role = self.timed.role;
                self.timed.ws = Some(connection(role, &Config::default()));
                self.see(now, Seen::Opened);
                return true;
            }
            Step::Wrote(written, left) => {
                self.timed.deadlines.wrote(*written, *left, now);
                self.see(now, Seen::Wrote(*written, *left));
                return true;
            }
            _ => {}
        }
        match (step, state) {
            (Step::Octet, Some(_)) => {
                if self.unfinished.is_empty() {
                    self.unfinished
                        .extend(frame(self.timed.role, 0x8a, b"unasked"));
                }
                let octet = self.unfinished.pop_front().unwrap();
                self.receive(&[octet], now);
            }
            (Step::Octet | Step::Message, None) => self.receive(b"x", now),
            (Step::Message, Some(state)) => {
                self.frame(0x81, b"text", now);
                if state == State::Open {
                    self.see(now, Seen::Message);
                }
            }
            (Step::Ping, Some(_)) => self.frame(0x89, b"ping", now),
            (Step::Pong(number), Some(_)) => self.frame(0x8a, &[0, 0, 0, *number], now),
            (Step::PeerCloses, Some(_)) => self.frame(0x88, b"\x03\xe8", now),
            (Step::PeerFails, Some(_)) => self.frame(0x83, b"", now),
            (Step::WeClose, Some(State::Open)) => CLOSINGS[0].1(&mut self.timed, now),
            (Step::TransportEnds, Some(_)) => {
                let _ = self.timed.ws.as_mut().unwrap().receive_eof();
            }
            _ => {}
        }
        self.see_sent(now);
        let closing = state == Some(State::Open) && self.timed.state() != state;
        if closing {
            self.see(now, Seen::Closing);
        }
        closing
    }
}

/// What a caller sees of these steps until this time.
fn watch(
    config: &DeadlinesConfig,
    role: Role,
    steps: &[(u64, Step)],
    end: Duration,
    caller: Caller,
) -> Vec<(Duration, Seen)> {
    let mut watched = Watched::new(config, role);
    let mut now = Duration::ZERO;
    let mut until = |watched: &mut Watched, time: Duration| match caller {
        Caller::Always => {
            while now < time {
                now += ms(1);
                watched.check(now);
            }
        }
        Caller::WhenTold | Caller::Timer => {
            while let Some(wake) = watched.wake.filter(|wake| *wake <= time)
                && !watched.ended
            {
                watched.check(wake);
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
        let more_than_octets = watched.step(step, time);
        if more_than_octets || caller != Caller::Timer {
            watched.check(time);
        }
    }
    until(&mut watched, end);
    watched.seen
}

/// The time after which nothing happens any more by itself, with limits of 100 ms.
const END: Duration = Duration::from_millis(30 * 100 + 500);

/// Reads a log by the words of the rules: what was due when, and was it done then?
fn judge(config: &DeadlinesConfig, seen: &[(Duration, Seen)], end: Duration) {
    let (mut opened, mut closing) = (false, None);
    let (mut octets, mut message) = (Duration::ZERO, Duration::ZERO);
    let (mut stalled, mut resumed): (Option<Duration>, _) = (None, Duration::ZERO);
    let mut pings: Vec<(Duration, Vec<u8>)> = Vec::new();
    let (mut unanswered, mut measured) = (None, 0);
    for (time, seen) in seen
        .iter()
        .map(|(time, seen)| (*time, Some(seen)))
        .chain([(end, None)])
    {
        let is_open = opened && closing.is_none();
        let due = [
            stalled.map(|since| (since + config.write, Expired::Write)),
            (!opened).then_some((config.handshake, Expired::Handshake)),
            closing.map(|since: Duration| (since + config.close, Expired::Close)),
            unanswered
                .filter(|_| is_open)
                .map(|since: Duration| (since + config.pong, Expired::Pong)),
            config
                .idle
                .filter(|_| is_open)
                .map(|idle| (message + idle, Expired::Idle)),
        ];
        let first = due.iter().flatten().map(|(time, _)| *time).min();
        let may_ping = is_open && unanswered.is_none() && stalled.is_none();
        let ping = config.keepalive.filter(|_| may_ping);
        let ping = ping.map(|keepalive| resumed.max(octets + keepalive));
        assert!(
            first.is_none_or(|due| time <= due),
            "{time:?}: something was due at {first:?}"
        );
        assert!(
            ping.is_none_or(|due| time <= due),
            "{time:?}: a Ping was due at {ping:?}"
        );
        let Some(seen) = seen else {
            return;
        };
        match seen {
            Seen::Opened => (opened, octets, message) = (true, time, time),
            Seen::Received => (octets, unanswered) = (time, None),
            Seen::Message => message = time,
            Seen::Closing => closing = Some(time),
            Seen::Wrote(written, left) => {
                if *written > 0 && stalled.is_some() {
                    (octets, unanswered) = (time, None);
                }
                resumed = time;
                stalled = match (written, left) {
                    (_, 0) => None,
                    (0, _) => stalled.or(Some(time)),
                    _ => Some(time),
                };
            }
            Seen::Sent(sent) if sent.opcode == 9 => {
                assert_eq!(ping, Some(time), "a Ping when it was due");
                unanswered = Some(time);
                pings.push((time, sent.payload.clone()));
            }
            Seen::Sent(_) => {}
            Seen::Latency(latency) => {
                // One for each Ping at most, and of the last Ping only.
                assert!(pings.len() > measured);
                measured = pings.len();
                assert_eq!(*latency, time - pings.last().unwrap().0);
            }
            Seen::Expired(expired) => {
                assert_eq!(first, Some(time));
                assert!(due.contains(&Some((time, *expired))), "{expired} was due");
                match expired.close_code() {
                    Some(_) => closing = Some(time),
                    None => return,
                }
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
        judge(&limits, &seen, END);
        // One Close frame for each of these, with its code, and no other but answers.
        let mut closes = seen.iter().filter_map(|(_, seen)| match seen {
            Seen::Sent(sent) if sent.opcode == 8 => sent.close_code(),
            _ => None,
        });
        let expired = seen.iter().find_map(|(_, seen)| match seen {
            Seen::Expired(expired) => expired.close_code(),
            _ => None,
        });
        if let Some(code) = expired {
            prop_assert_eq!(closes.next(), Some(code.0));
        } else {
            prop_assert!(closes.next().is_none_or(|code| matches!(code, 1000 | 1002)));
        }
        prop_assert_eq!(closes.next(), None);
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
    fn a_timer_may_be_left_as_it_is_when_only_octets_come(
        role in roles(),
        mut limits in limits(100),
        steps in steps(),
    ) {
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
    for _ in 0..2_000 {
        let strategy = (roles(), limits(100), steps());
        let (role, limits, steps) = strategy.new_tree(&mut runner).unwrap().current();
        for (_, seen) in watch(&limits, role, &steps, END, Caller::WhenTold) {
            reached.insert(match seen {
                Seen::Expired(expired) => format!("{expired:?}"),
                Seen::Latency(_) => "Latency".into(),
                Seen::Sent(sent) => sent.opcode.to_string(),
                _ => "step".into(),
            });
        }
    }
    let all = [
        "10",
        "8",
        "9",
        "Close",
        "Handshake",
        "Idle",
        "Latency",
        "Pong",
        "Write",
        "step",
    ];
    assert_eq!(reached.iter().collect::<Vec<_>>(), all);
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

fn extreme_limits() -> impl Strategy<Value = DeadlinesConfig> {
    let time = extreme_times;
    let some = || prop::option::weighted(0.8, extreme_times());
    (time(), some(), time(), some(), time(), time()).prop_map(
        |(handshake, keepalive, pong, idle, close, write)| {
            let mut config = DeadlinesConfig::default();
            (config.handshake, config.pong) = (handshake, pong);
            (config.keepalive, config.idle) = (keepalive, idle);
            (config.close, config.write) = (close, write);
            config
        },
    )
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
        let mut watched = Watched::new(&limits, role);
        watched.timed.deadlines = Deadlines::new(limits, times[0]);
        for (time, (_, step)) in times.into_iter().zip(steps) {
            watched.check(time);
            watched.step(&step, time);
            watched.check(time);
        }
        let pings = watched.seen.iter().filter(|(_, seen)| matches!(seen, Seen::Sent(sent) if sent.opcode == 9));
        prop_assert!(limits.keepalive.is_some() || pings.count() == 0);
    }
}

#[test]
fn times_of_zero_are_over_at_once() {
    let mut zero = DeadlinesConfig::default();
    (zero.handshake, zero.pong) = (Duration::ZERO, Duration::ZERO);
    (zero.close, zero.write) = (Duration::ZERO, Duration::ZERO);
    zero.keepalive = Some(Duration::ZERO);
    zero.idle = None;
    for role in ROLES {
        let mut timed = Timed::new(&zero, role);
        assert_eq!(timed.check(Duration::ZERO), Err(Expired::Handshake));
        // It is done at once, so it never was late.
        assert_eq!(timed.open_now(Duration::ZERO), Err(Expired::Pong));
        assert_eq!(
            timed
                .sent()
                .iter()
                .map(|sent| sent.opcode)
                .collect::<Vec<_>>(),
            [9, 8]
        );
        assert_eq!(timed.check(Duration::ZERO), Err(Expired::Close));
    }
}

#[test]
fn the_longest_times_are_never_over() {
    let mut config = nothing();
    config.keepalive = Some(Duration::MAX);
    config.idle = Some(Duration::MAX);
    let last = Duration::MAX - NANO;
    for role in ROLES {
        let mut timed = Timed::new(&config, role);
        timed.deadlines.wrote(0, 1, seconds(1));
        assert_eq!(timed.check(last), Ok(Some(Duration::MAX)));
        assert_eq!(timed.open_now(last), Ok(Some(Duration::MAX)));
        CLOSINGS[0].1(&mut timed, last);
        timed.sent();
        assert_eq!(timed.check(last), Ok(Some(Duration::MAX)));
        assert_eq!(timed.sent(), []);
    }
}

// ---- a peer that speaks and then does not ----

/// Larger times than those above, in which nobody calls at each millisecond.
fn hours() -> impl Strategy<Value = Duration> {
    prop_oneof![1..100_u64, 1..10_000_u64, 1..10_000_000_u64].prop_map(ms)
}

/// The bound for the end of a connection whose peer says nothing from `silent` on, if it began at
/// zero: the opening handshake is over, or a Ping comes and nothing after it, or the closing
/// handshake is over.
fn bound(config: &DeadlinesConfig, silent: Duration) -> Duration {
    let pinged = silent + config.keepalive.unwrap();
    config.handshake.max(pinged + config.pong) + config.close
}

/// What a peer does that is there: some part of its time later it sends this.
fn signs_of_life() -> impl Strategy<Value = Vec<(f64, Step)>> {
    let step = prop_oneof![
        3 => Just(Step::Octet),
        1 => Just(Step::Message),
        1 => Just(Step::Ping),
        1 => (0..5_u8).prop_map(Step::Pong),
    ];
    vec((prop_oneof![Just(1.0), Just(0.0), 0.0..1.0], step), 0..60)
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn who_speaks_is_kept_and_who_falls_silent_is_not(
        role in roles(),
        times in [hours(), hours(), hours(), hours()],
        opens_after in prop_oneof![Just(None), (0.0..1.0).prop_map(Some)],
        signs in signs_of_life(),
        closes in any::<bool>(),
        stalls in any::<bool>(),
    ) {
        let mut limits = DeadlinesConfig::default();
        let [handshake, keepalive, pong, close] = times;
        (limits.handshake, limits.pong, limits.close) = (handshake, pong, close);
        limits.keepalive = Some(keepalive);
        let mut watched = Watched::new(&limits, role);
        let until = |watched: &mut Watched, time: Duration| {
            while let Some(wake) = watched.wake.filter(|wake| *wake <= time) && !watched.ended {
                watched.check(wake);
            }
        };

        let mut now = Duration::ZERO;
        if let Some(part) = opens_after {
            now = handshake.mul_f64(part);
            until(&mut watched, now);
            watched.step(&Step::Open, now);
            watched.check(now);
            for (part, step) in signs {
                now += keepalive.mul_f64(part).min(keepalive);
                until(&mut watched, now);
                watched.step(&step, now);
                watched.check(now);
                let expired = watched.seen.iter().any(|(_, seen)| matches!(seen, Seen::Expired(_)));
                prop_assert!(!expired, "it says something at least every keepalive");
            }
            if closes {
                watched.step(&Step::WeClose, now);
                watched.check(now);
            }
        }
        if stalls {
            // It does not hold on to a connection by not reading, either.
            watched.step(&Step::Wrote(0, 1), now);
            watched.check(now);
        }
        let mut last = bound(&limits, now);
        if stalls {
            last = last.max(now + limits.write);
        }
        until(&mut watched, last);
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
    latencies: [Vec<Duration>; 2],
    ended: [Option<(Duration, Expired)>; 2],
}

impl Pair {
    fn new(configs: [&DeadlinesConfig; 2], delay: Duration, cut: Duration) -> Self {
        let [client, server] = configs;
        let mut pair = Self {
            ends: [
                Watched::new(client, Role::Client),
                Watched::new(server, Role::Server),
            ],
            delay,
            cut,
            coming: [VecDeque::new(), VecDeque::new()],
            latencies: [Vec::new(), Vec::new()],
            ended: [None; 2],
        };
        for index in 0..2 {
            pair.ends[index].step(&Step::Open, Duration::ZERO);
            pair.check(index, Duration::ZERO);
        }
        pair
    }

    fn check(&mut self, index: usize, now: Duration) {
        let end = &mut self.ends[index];
        let Timed {
            deadlines, ws, out, ..
        } = &mut end.timed;
        loop {
            match deadlines.check(ws.as_mut(), now, out) {
                Ok(wake) => {
                    end.wake = wake;
                    break;
                }
                Err(expired) => {
                    self.ended[index].get_or_insert((now, expired));
                    if expired.close_code().is_none() {
                        self.ended[index] = Some((now, expired));
                        end.ended = true;
                        end.wake = None;
                        return;
                    }
                }
            }
        }
        let octets = end.timed.out.split().to_vec();
        if !octets.is_empty() && now + self.delay < self.cut {
            self.coming[1 - index].push_back((now + self.delay, octets));
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
                while let Some((time, octets)) = self.coming[index].pop_front() {
                    if time > now {
                        self.coming[index].push_front((time, octets));
                        break;
                    }
                    let latencies = self.ends[index].timed.receive(&octets, now);
                    self.latencies[index].extend(latencies);
                    self.check(index, now);
                }
                if self.ends[index].wake.is_some_and(|wake| wake <= now) {
                    self.check(index, now);
                }
            }
        }
    }

    fn say(&mut self, index: usize, now: Duration) {
        let Timed { ws, out, .. } = &mut self.ends[index].timed;
        let ws = ws.as_mut().unwrap();
        if ws.state() == State::Open {
            ws.send_text("hello", out).unwrap();
            self.check(index, now);
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
        let mut configs = [DeadlinesConfig::default(); 2];
        for (index, config) in configs.iter_mut().enumerate() {
            config.pong = 2 * delay + ms(slack[index]);
            let has = only_one.is_none_or(|only| only == index);
            config.keepalive = has.then_some(ms(keepalives[index]));
        }
        let cut = ms(says.iter().map(|(gap, _)| gap).sum::<u64>() + silence);
        let mut pair = Pair::new([&configs[0], &configs[1]], delay, cut);
        let mut now = Duration::ZERO;
        for (gap, who) in says {
            now += ms(gap);
            pair.run(now);
            pair.say(who, now);
        }
        pair.run(cut);
        // What was cut off may be missed from one keepalive and one Pong before the cut on.
        prop_assert_eq!(pair.ended, [None; 2]);
        for latency in pair.latencies.iter().flatten() {
            prop_assert_eq!(*latency, 2 * delay);
        }
        for (index, config) in configs.iter().enumerate() {
            if config.keepalive.is_some() {
                let bound = bound(config, cut);
                pair.run(bound);
                let (time, expired) = pair.ended[index].unwrap();
                prop_assert_eq!(expired, Expired::Close);
                prop_assert!(cut < time && time <= bound);
                prop_assert!(pair.ends[index].ended);
            } else {
                // It has heard every Ping of the other one and asks nothing itself.
                prop_assert_eq!(pair.ended[index], None);
            }
        }
    }
}

#[test]
fn a_message_is_a_sign_of_life_whatever_its_event_is() {
    // `received` says it, not `event`: also where a caller has no use for the events.
    let mut timed = Timed::open(&DeadlinesConfig::default(), Role::Server);
    timed.deadlines.event(&Event::Text("x".into()), seconds(29));
    timed.pings(seconds(30));
    timed.deadlines.received(seconds(31));
    assert_eq!(timed.check(seconds(31)), Ok(Some(seconds(61))));
}
