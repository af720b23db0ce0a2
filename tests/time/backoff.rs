//! When a client tries again, after each way in which a try can end (RFC 6455, section 7.2.3;
//! RFC 9110, section 10.2.3).
//!
//! Invariant: seeds and dates are numbers here; nothing waits and nothing is random.

use crate::support::endpoint::*;
use crate::support::strategies::*;
use crate::support::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sansocket::{
    Backoff, CloseCode, End, Event, Expired, HandshakeError, ProtocolError, Role, Times,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// The times of the default.
const FIRST: Duration = Duration::from_secs(5);
const MAX: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3_600);

/// A seed as bad as seeds may be: 24 of its bytes are zero.
fn seed(number: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

fn backoff(number: u64) -> Backoff {
    Backoff::new(seed(number))
}

/// The settings of a [`Backoff`].
#[derive(Clone, Copy, Debug)]
struct Delays {
    first: Duration,
    max: Duration,
    lasting: Duration,
    max_retry_after: Duration,
}

impl Delays {
    fn backoff(self, number: u64) -> Backoff {
        let mut backoff = backoff(number);
        (backoff.first, backoff.max) = (self.first, self.max);
        (backoff.lasting, backoff.max_retry_after) = (self.lasting, self.max_retry_after);
        backoff
    }
}

/// The end of a try in which the server sends these bytes and ends the transport.
fn end_of(bytes: &[u8]) -> End {
    let (mut client, _) = Side::client(Times::default());
    client.write_all(Duration::ZERO);
    client.feed(bytes, Duration::ZERO);
    client.done_after_eof(Duration::ZERO)
}

/// The end of a client that got this response.
fn refused(status: u16, fields: &[(&str, &[u8])]) -> End {
    let mut bytes = format!("HTTP/1.1 {status} X\r\n").into_bytes();
    for (name, value) in fields {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"Content-Length: 0\r\n\r\n");
    let (mut client, _) = Side::client(Times::default());
    client.write_all(Duration::ZERO);
    let events = client.feed(&bytes, Duration::ZERO);
    let [Event::Refused(error)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(matches!(&**error, HandshakeError::Refused(response) if response.status == status));
    End::Refused((**error).clone())
}

/// The end of a connection whose server has sent these frames and then ended the transport.
fn ended_after(bytes: &[u8]) -> End {
    let mut client = Side::open(Role::Client, Times::default());
    client.feed(bytes, Duration::ZERO);
    client.write_all(Duration::ZERO);
    client.done_after_eof(Duration::ZERO)
}

/// The end of a connection whose server has sent this Close frame and then ended the transport.
fn closed_with(code: Option<u16>) -> End {
    let body = code.map_or_else(Vec::new, |code| code.to_be_bytes().to_vec());
    let end = ended_after(&frame(Role::Client, 0x88, &body));
    let code = code.map_or(CloseCode::NO_STATUS, CloseCode);
    let by_peer = true;
    assert_eq!(end, End::Closed { code, by_peer });
    end
}

/// Whether both are in the same state: their next delays are equal.
fn is_same(one: &Backoff, other: &Backoff) -> bool {
    let (mut one, mut other) = (one.clone(), other.clone());
    (0..10).all(|_| one.after_failure() == other.after_failure())
}

// ---- how long ----

/// The shortest and the longest delay after `tries` others.
fn bounds(config: &Delays, tries: u32) -> (Duration, Duration) {
    let mut most = config.first.min(config.max);
    for _ in 0..tries {
        most = most.saturating_mul(2).min(config.max);
    }
    let least = if tries == 0 { Duration::ZERO } else { most / 2 };
    (least, most)
}

#[test]
fn delays_grow_as_the_rfc_says() {
    for seed in 0..1_000 {
        let mut backoff = backoff(seed);
        let most = [5, 10, 20, 40, 80, 160, 300, 300, 300, 300];
        for (tries, most) in most.into_iter().enumerate() {
            let least = if tries == 0 { 0 } else { most * 1_000 / 2 };
            let delay = backoff.after_failure();
            assert!(delay >= Duration::from_millis(least) && delay <= seconds(most));
        }
    }
}

#[test]
fn delays_stay_at_the_longest_however_often_a_try_fails() {
    let mut backoff = backoff(1);
    let delays: Vec<_> = (0..100_000).map(|_| backoff.after_failure()).collect();
    assert!(
        delays[6..]
            .iter()
            .all(|delay| (MAX / 2..=MAX).contains(delay))
    );
    assert!(delays[6..].iter().any(|delay| *delay > MAX - FIRST));
    assert!(delays[6..].iter().any(|delay| *delay < MAX / 2 + FIRST));
}

fn times() -> impl Strategy<Value = Duration> {
    prop_oneof![
        2 => select(vec![
            Duration::ZERO,
            NANO,
            seconds(1),
            Duration::from_secs(u64::MAX),
            Duration::MAX - NANO,
            Duration::MAX,
        ]),
        3 => (0..10_000_000_u64).prop_map(Duration::from_millis),
        1 => any::<(u64, u32)>()
            .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos % 1_000_000_000)),
    ]
}

fn delays() -> impl Strategy<Value = Delays> {
    [times(), times(), times(), times()].prop_map(|[first, max, lasting, max_retry_after]| Delays {
        first,
        max,
        lasting,
        max_retry_after,
    })
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn every_delay_is_within_its_bounds(config in delays(), seed: u64) {
        let mut backoff = config.backoff(seed);
        for tries in 0..31 {
            let (least, most) = bounds(&config, tries);
            let delay = backoff.after_failure();
            prop_assert!(least <= delay && delay <= most, "{least:?} <= {delay:?} <= {most:?}");
        }
        for _ in 31..100 {
            prop_assert!(backoff.after_failure() <= config.max);
        }
    }

    #[test]
    fn the_same_seed_and_outcomes_give_the_same_delays(
        config in delays(),
        seed: u64,
        outcomes in vec((0..5_u8, times()), 0..30),
    ) {
        let run = |seed| {
            let mut backoff = config.backoff(seed);
            let delay = |(outcome, lasted): &(u8, Duration)| match outcome {
                0 => Some(backoff.after_failure()),
                1 => backoff.after(&End::Refused(HandshakeError::TransportEnded { received: 0 }), *lasted),
                2 => backoff.after(&refused(429, &[("Retry-After", b"7")]), *lasted),
                3 => backoff.after(&closed_with(Some(1001)), *lasted),
                _ => backoff.after(&End::Expired(Expired::Pong), *lasted),
            };
            outcomes.iter().map(delay).collect::<Vec<_>>()
        };
        let delays = run(seed);
        prop_assert!(delays.iter().all(Option::is_some));
        prop_assert_eq!(run(seed), delays);
    }

    #[test]
    fn a_servers_delay_is_obeyed_up_to_the_limit_and_spread(
        config in delays(),
        seed: u64,
        tries in 0..10_u32,
        asked in prop_oneof![0..10_000_u64, any::<u64>()],
    ) {
        let mut backoff = config.backoff(seed);
        for _ in 0..tries {
            backoff.after_failure();
        }
        let end = refused(503, &[("Retry-After", asked.to_string().as_bytes())]);
        let delay = backoff.after(&end, HOUR).unwrap();
        let (least, most) = bounds(&config, tries);
        let asked = seconds(asked).min(config.max_retry_after);
        prop_assert!(delay >= least.max(asked));
        prop_assert!(delay <= most.max(asked.saturating_add(config.first)));
    }
}

// ---- many clients ----

/// The number of values in each part of this length, from `least` on.
fn parts(delays: &[Duration], least: Duration, len: Duration) -> Vec<usize> {
    let mut parts = Vec::new();
    for delay in delays {
        let part = ((*delay - least).as_nanos() / len.as_nanos()) as usize;
        if parts.len() <= part {
            parts.resize(part + 1, 0);
        }
        parts[part] += 1;
    }
    parts
}

/// About equally many in each of 50 parts: with 200 clients in a part, chance alone makes it 200 give
/// or take 14, so 100 to 300 says that it is even and nothing more.
#[track_caller]
fn are_spread(delays: &[Duration], least: Duration, most: Duration) {
    assert_eq!(delays.len(), 10_000);
    let parts = parts(delays, least, (most - least) / 50);
    assert_eq!(parts.len(), 50);
    assert!(
        parts.iter().all(|part| (100..300).contains(part)),
        "{parts:?}"
    );
}

#[test]
fn clients_with_different_seeds_do_not_come_back_at_once() {
    // Seeds as bad as they may be; each part of one counts.
    let at = |place: usize, number: u64| {
        let mut seed = [0; 32];
        seed[place..place + 8].copy_from_slice(&number.to_be_bytes());
        seed
    };
    let numbers: [fn(u64) -> u64; 3] = [|n| n, |n| n << 32, |n| u64::MAX - n * n];
    let seeds = numbers.map(|number| (0..10_000).map(|n| seed(number(n))).collect::<Vec<_>>());
    let places = [8, 16, 24].map(|place| (0..10_000).map(|n| at(place, n)).collect());
    for seeds in seeds.into_iter().chain(places) {
        let mut clients: Vec<_> = seeds.into_iter().map(Backoff::new).collect();
        for most in [5, 10, 20, 40, 80, 160, 300, 300, 300] {
            let (most, first) = (seconds(most), most == 5);
            let delays: Vec<_> = clients.iter_mut().map(Backoff::after_failure).collect();
            are_spread(&delays, if first { Duration::ZERO } else { most / 2 }, most);
            let different: BTreeSet<_> = delays.into_iter().collect();
            assert!(different.len() > 9_990);
        }
    }
}

#[test]
fn clients_that_were_refused_at_once_do_not_come_back_at_once() {
    let end = refused(503, &[("Retry-After", b"600")]);
    let delay = |seed| backoff(seed).after(&end, Duration::ZERO).unwrap();
    let delays: Vec<_> = (0..10_000).map(delay).collect();
    are_spread(&delays, seconds(600), seconds(600) + FIRST);
    // Nor do they come back together at the limit.
    let end = refused(503, &[("Retry-After", b"600000")]);
    let delay = |seed| backoff(seed).after(&end, Duration::ZERO).unwrap();
    let delays: Vec<_> = (0..10_000).map(delay).collect();
    are_spread(&delays, HOUR, HOUR + FIRST);
}

#[test]
fn the_delays_of_a_client_do_not_depend_on_its_earlier_ones() {
    let mut backoff = backoff(0);
    let delays: Vec<_> = (0..10_010)
        .map(|_| backoff.after_failure())
        .skip(10)
        .collect();
    are_spread(&delays, MAX / 2, MAX);
    // Those that follow a short delay are spread as well.
    let follow = delays.windows(2).filter(|pair| pair[0] < MAX * 3 / 4);
    let follow: Vec<_> = follow.map(|pair| pair[1]).collect();
    let parts = parts(&follow, MAX / 2, MAX / 20);
    assert!(
        parts.iter().all(|part| (400..600).contains(part)),
        "{parts:?}"
    );
}

// ---- a handshake that failed ----

#[test]
fn a_status_that_may_be_temporary_is_worth_another_try() {
    const WORTH: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];
    for status in 200..=999 {
        let mut backoff = backoff(3);
        let before = backoff.clone();
        let end = refused(status, &[("Retry-After", b"9")]);
        let delay = backoff.after(&end, HOUR);
        if WORTH.contains(&status) {
            assert!(delay.is_some_and(|delay| delay >= seconds(9)), "{status}");
        } else {
            assert_eq!(delay, None, "{status}");
            assert!(
                is_same(&backoff, &before),
                "what is not worth a try changes nothing"
            );
        }
    }
}

/// Every other error of an opening handshake, each made by a response.
fn other_failures() -> Vec<(HandshakeError, bool)> {
    let mut failures = Vec::new();
    for (response, is_worth) in [
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), false),
        (
            format!("HTTP/1.1 503 X\r\nX: {}\r\n\r\n", "x".repeat(100_000)),
            false,
        ),
        (
            format!("HTTP/1.1 503 X\r\n{}\r\n", "X: y\r\n".repeat(1_000)),
            false,
        ),
        ("HTTP/1.1 100 X\r\n\r\n".repeat(100), false),
        (RESPONSE.replace("1.1", "1.0"), false),
        (RESPONSE.replace("websocket", "other"), false),
        (
            RESPONSE.replace("Connection: Upgrade", "Connection: close"),
            false,
        ),
        (
            RESPONSE.replace("ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            false,
        ),
        (with_line(RESPONSE, "Sec-WebSocket-Protocol: other"), false),
        (
            with_line(RESPONSE, "Sec-WebSocket-Extensions: other"),
            false,
        ),
        // The transport ends in the head, and before it.
        (RESPONSE[..50].to_owned(), true),
        (String::new(), true),
        // A refusal that was cut off counts as a refusal.
        (
            "HTTP/1.1 503 X\r\nContent-Length: 9\r\n\r\ncut".to_owned(),
            true,
        ),
        (
            "HTTP/1.1 404 X\r\nContent-Length: 9\r\n\r\ncut".to_owned(),
            false,
        ),
    ] {
        let (mut client, good) = Side::client(Times::default());
        let accept = good.split("Sec-WebSocket-Accept: ").nth(1).unwrap();
        let accept = accept.split("\r\n").next().unwrap();
        let response = response.replace("ACCEPT", accept);
        client.write_all(Duration::ZERO);
        client.feed(response.as_bytes(), Duration::ZERO);
        let End::Refused(error) = client.done_after_eof(Duration::ZERO) else {
            panic!("{response} is a failure");
        };
        failures.push((error, is_worth));
    }
    failures
}

#[test]
fn a_response_that_breaks_the_rules_is_not_worth_another_try() {
    let failures = other_failures();
    let kinds: BTreeSet<_> = failures
        .iter()
        .map(|(error, _)| error.to_string())
        .collect();
    assert_eq!(kinds.len(), failures.len(), "each kind is there once");
    for (error, is_worth) in failures {
        let mut backoff = backoff(3);
        let before = backoff.clone();
        let delay = backoff.after(&End::Refused(error.clone()), HOUR);
        assert_eq!(delay.is_some(), is_worth, "{error}");
        if let Some(delay) = delay {
            assert!(delay <= FIRST, "as after a failure");
        } else {
            assert!(
                is_same(&backoff, &before),
                "what is not worth a try changes nothing"
            );
        }
    }
}

#[test]
fn handshakes_that_fail_make_the_delays_grow() {
    let mut backoff = backoff(0);
    for (tries, most) in [5, 10, 20, 40].into_iter().enumerate() {
        let end = match tries % 3 {
            0 => refused(502, &[]),
            1 => end_of(b""),
            _ => End::Expired(Expired::Handshake),
        };
        // A failed handshake is no success, however long it took.
        let delay = backoff.after(&end, HOUR).unwrap();
        assert!(delay <= seconds(most) && (tries == 0 || delay >= seconds(most / 2)));
    }
}

// ---- Retry-After ----

/// A backoff whose delay is exactly what the server asks for.
fn exact() -> Backoff {
    let mut backoff = backoff(0);
    backoff.first = Duration::ZERO;
    backoff.max_retry_after = Duration::MAX;
    backoff
}

/// For how long a response with these fields keeps a client waiting.
fn asked(fields: &[(&str, &[u8])]) -> Duration {
    exact().after(&refused(429, fields), HOUR).unwrap()
}

/// The seconds since 1970 of this date.
fn since_1970(date: &[u8]) -> Duration {
    asked(&[
        ("Retry-After", date),
        ("Date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
    ])
}

#[test]
fn retry_after_in_seconds_is_waited_for() {
    for (value, wanted) in [
        ("0", 0),
        ("1", 1),
        ("120", 120),
        ("007", 7),
        (" 120 ", 120),
        ("86400", 86_400),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(
            asked(&[("Retry-After", value.as_bytes())]),
            seconds(wanted),
            "{value}"
        );
        assert_eq!(asked(&[("rEtRy-aFtEr", value.as_bytes())]), seconds(wanted));
    }
    // The first of several.
    assert_eq!(
        asked(&[("Retry-After", b"5"), ("Retry-After", b"900")]),
        seconds(5)
    );
}

#[test]
fn an_invalid_retry_after_is_ignored() {
    let date: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
    let later = "Sun, 06 Nov 1994 08:59:37 GMT";
    assert_eq!(
        asked(&[("Retry-After", later.as_bytes()), ("Date", date)]),
        seconds(600)
    );
    let values: [&[u8]; 27] = [
        b"",
        b"-1",
        b"+1",
        b"1.5",
        b"1,2",
        b"1 2",
        b"0x10",
        b"1e3",
        b"soon",
        b"\xd9\xa1\xd9\xa2", // digits, but none of ASCII
        b"\xff\xfe",
        b"120; x",
        b"Sun, 06 Nov 1994 08:59:37",
        b"Sun, 06 Nov 1994 08:59:37 UTC",
        b"Sun, 06 Nov 1994 08:59:37 GMT x",
        b"Sun, 06 Nov 1994 08:59 GMT",
        b"Sun, 06 Nov 1994 08:59:37:00 GMT",
        b"Sun, 06 Nov 1994  08:59:37 GMT",
        b"Sun, 06 nov 1994 08:59:37 GMT",
        b"Sun, 00 Nov 1994 08:59:37 GMT",
        b"Sun, 32 Nov 1994 08:59:37 GMT",
        b"Sun, 06 Nov 1994 24:59:37 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 0000 08:59:37 GMT",
        b"Sun, 06 Nov 99999999999999999999 08:59:37 GMT",
        b"Sunday, 06-Nov-94 08:59:37 GMT",
        b"Sun Nov  6 08:59:37 1994",
    ];
    for value in values {
        let fields = [("Retry-After", value), ("Date", date)];
        assert_eq!(asked(&fields), Duration::ZERO, "{}", value.escape_ascii());
        let (mut with, mut without) = (backoff(5), backoff(5));
        let delay = with.after(&refused(503, &fields), HOUR);
        assert_eq!(delay, without.after(&refused(503, &[]), HOUR));
        assert!(is_same(&with, &without));
        // Nor is it the date of the response.
        let fields = [("Retry-After", later.as_bytes()), ("Date", value)];
        assert_eq!(asked(&fields), Duration::ZERO, "{}", value.escape_ascii());
    }
}

#[test]
fn retry_after_as_a_date_needs_the_date_of_the_response() {
    let (date, later): (&[u8], &[u8]) = (
        b"Wed, 28 Feb 2024 23:59:58 GMT",
        b"Thu, 29 Feb 2024 00:00:03 GMT",
    );
    assert_eq!(asked(&[("Retry-After", later), ("Date", date)]), seconds(5));
    assert_eq!(asked(&[("Date", date), ("Retry-After", later)]), seconds(5));
    assert_eq!(asked(&[("Retry-After", later)]), Duration::ZERO);
    assert_eq!(asked(&[("Date", date)]), Duration::ZERO);
    // A date in the past means no delay.
    assert_eq!(
        asked(&[("Retry-After", date), ("Date", later)]),
        Duration::ZERO
    );
    assert_eq!(
        asked(&[("Retry-After", date), ("Date", date)]),
        Duration::ZERO
    );
    // The date matters for nothing else.
    assert_eq!(asked(&[("Retry-After", b"7"), ("Date", b"x")]), seconds(7));
}

#[test]
fn retry_after_is_capped_and_never_shortens_a_delay() {
    let ask = |value: &[u8], tries: usize| {
        let mut backoff = backoff(11);
        for _ in 0..tries {
            backoff.after_failure();
        }
        let plain = backoff.clone().after_failure();
        let fields = [
            ("Retry-After", value),
            ("Date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
        ];
        let delay = backoff.after(&refused(503, &fields), HOUR).unwrap();
        (delay, plain)
    };
    for value in [
        &b"3600"[..],
        b"3601",
        b"18446744073709551615",
        b"Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        let (delay, _) = ask(value, 0);
        assert!(HOUR <= delay && delay <= HOUR + FIRST, "{delay:?}");
    }
    let (delay, plain) = ask(b"1", 10);
    assert_eq!(
        delay, plain,
        "a delay that is longer than what was asked for"
    );
}

/// What the application fails to answer is still the server's word.
#[test]
fn a_close_that_nobody_answered_is_judged_by_its_code() {
    let settings = settings(|s| s.answer_close = false);
    for (code, is_worth_it) in [(1000_u16, false), (1012, true)] {
        let now = Duration::ZERO;
        let mut client = Side::open_with(Role::Client, Times::default(), settings, now);
        client.frame(0x88, &code.to_be_bytes(), now);
        let end = client.done_in(now, seconds(10));
        assert_eq!(end, closed(code, true));
        assert_eq!(backoff(1).after(&end, now).is_some(), is_worth_it, "{code}");
    }
}

// ---- dates ----

/// The date as HTTP writes it, counted a day at a time: slow, but surely right.
struct Calendar {
    year: u64,
    month: usize,
    day: u64,
    days_since_1970: u64,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Calendar {
    fn next(&mut self) {
        let is_leap = self.year.is_multiple_of(400)
            || (self.year.is_multiple_of(4) && !self.year.is_multiple_of(100));
        let len = match self.month {
            1 if is_leap => 29,
            1 => 28,
            3 | 5 | 8 | 10 => 30,
            _ => 31,
        };
        self.day += 1;
        self.days_since_1970 += 1;
        if self.day > len {
            (self.day, self.month) = (1, self.month + 1);
        }
        if self.month == 12 {
            (self.month, self.year) = (0, self.year + 1);
        }
    }

    fn date(&self, time: &str) -> String {
        let Self {
            year, month, day, ..
        } = self;
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let weekday = weekdays[(self.days_since_1970 % 7) as usize];
        format!(
            "{weekday}, {day:02} {} {year:04} {time} GMT",
            MONTHS[*month]
        )
    }
}

#[test]
fn dates_mean_what_other_programs_say() {
    // `date --utc --date=@SECONDS` of GNU coreutils.
    for (date, since) in [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 1),
        ("Thu, 01 Jan 1970 23:59:59 GMT", 86_399),
        ("Sat, 28 Feb 1970 12:00:00 GMT", 5_054_400),
        ("Tue, 29 Feb 1972 00:00:00 GMT", 68_169_600),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 946_684_799),
        ("Mon, 28 Feb 2000 23:59:59 GMT", 951_782_399),
        ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
        ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
        ("Sun, 09 Sep 2001 01:46:40 GMT", 1_000_000_000),
        ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
        ("Sun, 28 Feb 2100 23:59:59 GMT", 4_107_542_399),
        ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ("Tue, 29 Feb 2400 00:00:00 GMT", 13_574_563_200),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        // A leap second.
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
    ] {
        assert_eq!(since_1970(date.as_bytes()), seconds(since), "{date}");
    }
}

#[test]
fn every_month_of_centuries_starts_and_ends_when_it_should() {
    let mut calendar = Calendar {
        year: 1970,
        month: 0,
        day: 1,
        days_since_1970: 0,
    };
    let mut judged = 0;
    while calendar.year < 2405 {
        let years = [1970..2040, 2090..2110, 2195..2205, 2295..2305, 2395..2405];
        if years.iter().any(|years| years.contains(&calendar.year))
            && (calendar.day == 1 || calendar.day >= 28)
        {
            let date = calendar.date("07:08:09");
            let since = calendar.days_since_1970 * 86_400 + 7 * 3_600 + 8 * 60 + 9;
            assert_eq!(since_1970(date.as_bytes()), seconds(since), "{date}");
            judged += 1;
        }
        calendar.next();
    }
    assert!(judged > 6_000);
}

/// Values of fields, most of them almost dates.
fn almost_dates() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        "[0-9]{1,30}",
        select(vec![
            "0", "00", "31", "1970", "9999", "1969", "Feb", "Jan", "GMT", "-1", "+1"
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,5}",
        "[é٣０]{1,3}",
    ];
    let place = (any::<Index>(), word);
    let date = (vec(place, 0..4), any::<bool>()).prop_map(|(places, colons)| {
        let date = "Thu, 29 Feb 2024 23 59 60 GMT";
        let mut words: Vec<_> = date.split(' ').map(str::to_owned).collect();
        for (place, word) in places {
            let at = place.index(words.len());
            words[at] = word;
        }
        if colons {
            let time = words[4..7].join(":");
            words.splice(4..7, [time]);
        }
        words.join(" ").into_bytes()
    });
    let bytes = prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8];
    prop_oneof![4 => date.boxed(), 1 => vec(bytes, 0..40).boxed()]
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn no_dates_make_anything_panic(
        retry in almost_dates(),
        date in prop_oneof![
            Just(b"Thu, 01 Jan 1970 00:00:00 GMT".to_vec()).boxed(),
            almost_dates().boxed(),
        ],
        seed: u64,
    ) {
        let fields: [(&str, &[u8]); 2] = [("Retry-After", &retry), ("Date", &date)];
        prop_assert!(asked(&fields) <= seconds(u64::MAX));
        let delay = backoff(seed).after(&refused(503, &fields), HOUR).unwrap();
        prop_assert!(delay <= HOUR + FIRST);
    }
}

/// Otherwise the law above would be tested with no dates at all.
#[test]
fn some_of_the_almost_dates_are_dates() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = almost_dates();
    let mut dates = 0;
    for _ in 0..1_000 {
        let value = strategy.new_tree(&mut runner).unwrap();
        let value = proptest::strategy::ValueTree::current(&value);
        dates += usize::from(since_1970(&value) > Duration::ZERO);
    }
    assert!((50..950).contains(&dates), "{dates}");
}

// ---- a connection that ended ----

#[test]
fn a_close_code_is_worth_another_try_or_not() {
    for code in (0..=5_100).chain([u16::MAX]) {
        let code = CloseCode(code);
        if !code.is_on_wire() {
            continue;
        }
        let is_worth = match code.0 {
            1001 | 1011..=1014 => true,
            1000 | 1002 | 1003 | 1007..=1010 => false,
            // "Unauthorized" and "Forbidden" of IANA's registry.
            3000 | 3003 => false,
            3001 | 3002 | 3004..=4999 => true,
            other => panic!("{other} is not on the wire"),
        };
        let end = closed_with(Some(code.0));
        for lasted in [Duration::ZERO, HOUR] {
            let mut backoff = backoff(3);
            backoff.after_failure();
            let before = backoff.clone();
            let delay = backoff.after(&end, lasted);
            assert_eq!(delay.is_some(), is_worth, "{code}");
            assert!(delay.is_some() || is_same(&backoff, &before));
        }
    }
}

#[test]
fn a_close_without_a_code_is_worth_another_try() {
    assert!(backoff(0).after(&closed_with(None), HOUR).is_some());
}

#[test]
fn a_transport_that_ends_is_worth_another_try() {
    for bytes in [
        &b""[..],
        &[0x81],
        &[0x81, 5, b'H'],
        &[0x01, 1, b'H'],
        &[0x88],
    ] {
        let end = ended_after(bytes);
        assert_eq!(end, End::Failed(ProtocolError::TransportEnded));
        assert!(backoff(0).after(&end, HOUR).is_some());
    }
}

#[test]
fn a_server_that_breaks_the_protocol_is_worth_another_try() {
    let (len, max) = (1 << 40, 16 << 20);
    for (bytes, error) in [
        (
            frame(Role::Client, 0x83, b""),
            ProtocolError::ReservedOpcode(3),
        ),
        (
            frame(Role::Client, 0xf1, b""),
            ProtocolError::ReservedBit { first: 0xf1 },
        ),
        (
            frame(Role::Client, 0x81, b"\xff"),
            ProtocolError::TextNotUtf8,
        ),
        (
            frame(Role::Client, 0x80, b""),
            ProtocolError::ContinuationUnexpected,
        ),
        (frame(Role::Server, 0x81, b""), ProtocolError::FrameMasked),
        (
            frame_header(Role::Client, 0x82, len),
            ProtocolError::MessageTooBig { len, max },
        ),
        // Codes that may not be on the wire, also those after which a valid Close would forbid another try.
        (
            frame(Role::Client, 0x88, &[3]),
            ProtocolError::CloseBodyTooShort,
        ),
        (
            frame(Role::Client, 0x88, &1015_u16.to_be_bytes()),
            ProtocolError::CloseCodeInvalid(CloseCode(1015)),
        ),
    ] {
        let mut client = Side::open(Role::Client, Times::default());
        let events = client.feed(&bytes, Duration::ZERO);
        assert_eq!(events, [Event::Failed(error)]);
        // The transport may end or not.
        client.write_all(Duration::ZERO);
        let given_up = client.done_in(Duration::ZERO, Times::default().close);
        let ended = ended_after(&bytes);
        assert_eq!((&given_up, &ended), (&End::Failed(error), &given_up));
        assert!(backoff(0).after(&ended, HOUR).is_some(), "{error}");
    }
}

/// How a server may end a connection whose client has sent its Close.
const ENDS: [(&str, &[u8]); 5] = [
    ("with the answer", b"\x88\x02\x03\xe8"),
    ("with no answer", b""),
    ("in a message", b"\x81\x05H"),
    ("with a Close of its own", b"\x88\x02\x03\xf3"),
    ("with a Close of no code", b"\x88\x00"),
];

#[test]
fn an_end_that_the_client_wants_is_not_worth_another_try() {
    for (how, bytes) in ENDS {
        for code in [None, Some(1000), Some(1001), Some(1011), Some(4000)] {
            for ends in [true, false] {
                let mut client = Side::open(Role::Client, Times::default());
                let code = code.map(CloseCode);
                client.endpoint.close(code, "", &mut client.out).unwrap();
                client.write_all(Duration::ZERO);
                client.feed(bytes, Duration::ZERO);
                let end = match ends {
                    true => client.done_after_eof(Duration::ZERO),
                    // The server may also leave the transport open.
                    false => client.done_in(Duration::ZERO, Times::default().close),
                };
                let mut backoff = backoff(3);
                let before = backoff.clone();
                assert_eq!(backoff.after(&end, HOUR), None, "{how}: {end:?}");
                assert!(is_same(&backoff, &before));
            }
        }
    }
}

#[test]
fn an_end_that_the_client_wants_stays_one_if_the_server_then_breaks_the_protocol() {
    let mut client = Side::open(Role::Client, Times::default());
    let close = client
        .endpoint
        .close(CloseCode::NORMAL, "", &mut client.out);
    assert_eq!(close, Ok(()));
    client.write_all(Duration::ZERO);
    let events = client.feed(&frame(Role::Client, 0x83, b""), Duration::ZERO);
    assert_eq!(events, [Event::Failed(ProtocolError::ReservedOpcode(3))]);
    let end = client.done_after_eof(Duration::ZERO);
    assert_eq!(backoff(0).after(&end, HOUR), None, "{end:?}");
}

// ---- a connection that lasted ----

#[test]
fn only_a_connection_that_lasted_makes_the_next_delay_a_first_one() {
    let lasting = seconds(60);
    let ends = [
        End::Expired(Expired::Pong),
        End::Expired(Expired::Idle),
        End::Expired(Expired::Write),
        closed_with(Some(1001)),
        ended_after(b""),
    ];
    for end in ends {
        for (lasted, is_first) in [
            (Duration::ZERO, false),
            (lasting - NANO, false),
            (lasting, true),
            (Duration::MAX, true),
        ] {
            for seed in 0..100 {
                let mut backoff = backoff(seed);
                for _ in 0..10 {
                    backoff.after_failure();
                }
                let delay = backoff.after(&end, lasted).unwrap();
                let next = backoff.after_failure();
                if is_first {
                    assert!(delay <= FIRST);
                    assert!(FIRST <= next && next <= 2 * FIRST, "and it grows again");
                } else {
                    assert!(MAX / 2 <= delay && delay <= MAX);
                    assert!(MAX / 2 <= next && next <= MAX);
                }
            }
        }
    }
}

#[test]
fn a_server_that_takes_clients_and_drops_them_is_not_flooded() {
    let mut backoff = backoff(1);
    let end = closed_with(Some(1013));
    let delays: Vec<_> = (0..20)
        .map(|_| backoff.after(&end, seconds(1)).unwrap())
        .collect();
    assert!(delays[10..].iter().all(|delay| *delay >= MAX / 2));
}

#[test]
fn a_peer_that_took_too_long_is_worth_another_try_although_the_close_was_ours() {
    let mut client = Side::open(Role::Client, Times::default());
    client.pings(seconds(30));
    let end = client.done_in(seconds(30), seconds(99));
    assert_eq!(end, End::Expired(Expired::Pong));
    let delay = backoff(0).after(&end, seconds(55)).unwrap();
    assert!(delay <= FIRST);
}
