//! One message to many connections. The law: what a prepared message makes a connection send is, octet
//! for octet, what an ordinary send would have made, whatever was agreed on and whatever is sent
//! before and after; and it is framed once, and compressed once for each class of connections.

#[path = "support/allocator.rs"]
mod allocator;
mod support;

use allocator::{allocations, held};
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sansocket::{
    Config, Connection, Deflate, DeflateConfig, DeflateParams, Event, Input, Prepared, Role,
    SendError, WindowBits,
};
use std::sync::Barrier;
use std::thread;
use support::*;

const LENS: [usize; 7] = [0, 1, 125, 126, 65_535, 65_536, 1 << 20];

/// What a connection has agreed on; the same in both directions.
#[derive(Clone, Copy, Debug)]
struct Terms {
    role: Role,
    /// `None` without permessage-deflate.
    deflate: Option<Compressed>,
}

#[derive(Clone, Copy, Debug)]
struct Compressed {
    bits: u8,
    takeover: bool,
    min_size: usize,
    level: u8,
    mem_level: u8,
}

impl Compressed {
    /// Without context takeover; all else as it is by default.
    const ALONE: Self = Self {
        bits: 15,
        takeover: false,
        min_size: 128,
        level: 2,
        mem_level: 8,
    };

    fn params(self) -> DeflateParams {
        let bits = WindowBits::new(self.bits);
        DeflateParams {
            server_no_context_takeover: !self.takeover,
            client_no_context_takeover: !self.takeover,
            server_max_window_bits: bits,
            client_max_window_bits: bits,
        }
    }

    /// It keeps no compressor, which would be counted.
    fn settings(self) -> Deflate {
        let mut config = DeflateConfig::default();
        config.min_size = self.min_size;
        config.level = self.level;
        config.mem_level = self.mem_level;
        config.max_pooled = 0;
        Deflate::new(config)
    }

    fn server(self) -> Connection {
        let terms = Terms {
            role: Role::Server,
            deflate: Some(self),
        };
        terms.connection()
    }
}

impl Terms {
    /// All with the same seed: two that send the same use the same masking keys.
    fn connection(self) -> Connection {
        let ws = connection(self.role, &Config::default());
        match self.deflate {
            Some(with) => ws.with_deflate(&with.settings(), &with.params()),
            None => ws,
        }
    }

    fn peer(self) -> Run {
        let role = other(self.role);
        Run::of(Self { role, ..self }.connection())
    }
}

fn plain_server() -> Connection {
    Connection::server(&Config::default())
}

fn every_set() -> Vec<Terms> {
    let mut all = Vec::new();
    for role in ROLES {
        all.push(Terms {
            role,
            deflate: None,
        });
        for bits in 8..=15 {
            for takeover in [false, true] {
                for min_size in [0, 128, usize::MAX] {
                    let deflate = Some(Compressed {
                        bits,
                        takeover,
                        min_size,
                        ..Compressed::ALONE
                    });
                    all.push(Terms { role, deflate });
                }
            }
        }
    }
    all
}

/// Text that shrinks: the same words, near and far.
fn words(len: usize, seed: u64) -> String {
    const WORDS: [&str; 5] = ["\"user\":", "null,", "{\"position\":[", "]},", "message "];
    let mut random = Random(seed);
    let mut text = String::new();
    while text.len() < len {
        match random.below(7) {
            n @ 0..5 => text.push_str(WORDS[n]),
            _ => text.push_str(&random.below(1 << 20).to_string()),
        }
    }
    text.truncate(len);
    text
}

/// Octets that do not shrink.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..len).map(|_| random.below(256) as u8).collect()
}

fn send(ws: &mut Connection, prepared: &Prepared, out: &mut BytesMut) {
    ws.send_prepared(prepared, out).unwrap();
}

fn share(ws: &mut Connection, prepared: &Prepared) -> Bytes {
    ws.share_prepared(prepared).unwrap()
}

/// What an ordinary send makes of it.
fn ordinary(ws: &mut Connection, prepared: &Prepared, out: &mut BytesMut) -> Result<(), SendError> {
    match prepared.is_text() {
        true => ws.send_text(str::from_utf8(prepared.payload()).unwrap(), out),
        false => ws.send_binary(prepared.payload(), out),
    }
}

fn event(prepared: &Prepared) -> Event<'static> {
    match prepared.is_text() {
        true => text(str::from_utf8(prepared.payload()).unwrap()),
        false => Event::Binary(prepared.payload().to_vec().into()),
    }
}

/// Whether the two are the same memory, not just equal.
fn is_same(a: &Bytes, b: &Bytes) -> bool {
    (a.as_ptr(), a.len()) == (b.as_ptr(), b.len())
}

// ---- what the peer receives ----

#[test]
fn every_set_of_parameters_gets_exactly_the_message() {
    // One prepared message for all of them, as the law says.
    let messages = LENS.map(|len| {
        let text = words(len, len as u64);
        (Prepared::text(&text), Prepared::binary(text.as_bytes()))
    });
    for terms in every_set() {
        let (mut ws, mut peer, mut out) = (terms.connection(), terms.peer(), BytesMut::new());
        let mut twin = terms.connection();
        for (text, binary) in &messages {
            // Without optimization much is slow: long ones only where they could make a difference.
            let len = text.payload().len();
            let is_tried = terms.deflate.is_none_or(|with| match with.min_size {
                0 => len <= 65_536 || with.bits == 15,
                128 => len <= 126,
                _ => len <= 126 || with.bits == 15,
            });
            if !is_tried {
                continue;
            }
            let mut expected = BytesMut::new();
            for (prepared, by) in [(text, 0), (text, 2), (binary, 1)] {
                match by {
                    0 => send(&mut ws, prepared, &mut out),
                    1 => out.extend_from_slice(&share(&mut ws, prepared)),
                    _ => ordinary(&mut ws, prepared, &mut out).unwrap(),
                }
                ordinary(&mut twin, prepared, &mut expected).unwrap();
            }
            assert!(out == expected, "{terms:?} {len}");
            peer.feed(&out.split());
            let received = [text, text, binary].map(event);
            assert!(peer.events == received, "{terms:?} {text:?}");
            peer.events.clear();
        }
    }
}

fn terms() -> impl Strategy<Value = Terms> {
    let numbers = (8..=15_u8, 0..=10_u8, 0..=10_u8);
    let min_sizes = prop_oneof![3 => Just(0), 3 => 0..2_000_usize, 1 => Just(usize::MAX)];
    let deflate = (numbers, any::<bool>(), min_sizes).prop_map(
        |((bits, level, mem_level), takeover, min_size)| Compressed {
            bits,
            takeover,
            min_size,
            level,
            mem_level,
        },
    );
    let deflate = prop::option::weighted(0.8, deflate);
    (prop::bool::weighted(0.7), deflate).prop_map(|(is_server, deflate)| Terms {
        role: if is_server {
            Role::Server
        } else {
            Role::Client
        },
        deflate,
    })
}

fn messages() -> impl Strategy<Value = Prepared> {
    let lens = prop_oneof![select(LENS[..6].to_vec()), 0..3_000_usize];
    (0..4_u8, lens, any::<u64>()).prop_map(|(kind, len, seed)| match kind {
        0 => Prepared::binary(&noise(len, seed)),
        1 => Prepared::binary(words(len, seed).as_bytes()),
        2 => Prepared::text(&"€".repeat(len / 3)),
        _ => Prepared::text(&words(len, seed)),
    })
}

#[derive(Clone, Debug)]
enum Step {
    Append(Index),
    Share(Index),
    Ordinary(Index),
    Fragment(bool),
    Compression(bool),
    Ping,
}

fn steps() -> impl Strategy<Value = (Index, Step)> {
    let step = prop_oneof![
        6 => any::<Index>().prop_map(Step::Append),
        6 => any::<Index>().prop_map(Step::Share),
        3 => any::<Index>().prop_map(Step::Ordinary),
        2 => any::<bool>().prop_map(Step::Fragment),
        1 => any::<bool>().prop_map(Step::Compression),
        1 => Just(Step::Ping),
    ];
    (any::<Index>(), step)
}

/// One connection, and another one that sends the same by ordinary means only.
#[derive(Debug)]
struct Pair {
    ws: Connection,
    out: BytesMut,
    twin: Connection,
    twin_out: BytesMut,
    is_unfinished: bool,
    peer: Run,
    expected: Vec<Event<'static>>,
}

impl Pair {
    fn new(terms: Terms) -> Self {
        Self {
            ws: terms.connection(),
            out: BytesMut::new(),
            twin: terms.connection(),
            twin_out: BytesMut::new(),
            is_unfinished: false,
            peer: terms.peer(),
            expected: Vec::new(),
        }
    }

    fn both(&mut self, send: impl Fn(&mut Connection, &mut BytesMut) -> Result<(), SendError>) {
        let sent = send(&mut self.ws, &mut self.out);
        assert_eq!(sent, send(&mut self.twin, &mut self.twin_out));
    }

    fn step(&mut self, step: &Step, messages: &[Prepared]) {
        match step {
            Step::Append(index) | Step::Share(index) | Step::Ordinary(index) => {
                let prepared = index.get(messages);
                let sent = match step {
                    Step::Append(_) => self.ws.send_prepared(prepared, &mut self.out),
                    Step::Share(_) => self
                        .ws
                        .share_prepared(prepared)
                        .map(|frame| self.out.extend_from_slice(&frame)),
                    _ => ordinary(&mut self.ws, prepared, &mut self.out),
                };
                let expected = ordinary(&mut self.twin, prepared, &mut self.twin_out);
                assert_eq!(sent, expected);
                assert_eq!(sent.is_err(), self.is_unfinished);
                if sent.is_ok() {
                    self.expected.push(event(prepared));
                }
            }
            Step::Fragment(_) if !self.is_unfinished => {
                self.is_unfinished = true;
                self.both(|ws, out| ws.send_first_fragment("first ", out));
            }
            Step::Fragment(false) => self.both(|ws, out| ws.send_next_fragment("", out)),
            Step::Fragment(true) => {
                self.is_unfinished = false;
                self.both(|ws, out| ws.send_last_fragment("last", out));
                self.expected.push(text("first last"));
            }
            Step::Compression(on) => {
                self.ws.set_compression(*on);
                self.twin.set_compression(*on);
            }
            Step::Ping => {
                self.both(|ws, out| ws.send_ping(b"", out));
                self.expected.push(Event::Ping(b"".into()));
            }
        }
        assert!(self.out == self.twin_out, "other octets after {step:?}");
        self.peer.feed(&self.out.split());
        self.twin_out.clear();
    }
}

proptest! {
    #![proptest_config(proptest_config(64, "proptest-regressions/prepared.txt"))]

    /// Whoever has compressed it first, and whatever is sent between.
    #[test]
    fn it_is_the_same_as_ordinary_sends(
        rooms in vec(terms(), 1..6),
        messages in vec(messages(), 1..4),
        steps in vec(steps(), 1..40),
    ) {
        let mut room: Vec<_> = rooms.into_iter().map(Pair::new).collect();
        for (who, step) in &steps {
            let index = who.index(room.len());
            room[index].step(step, &messages);
        }
        for pair in &room {
            // A message that is not finished is the only one that has not come.
            prop_assert_eq!(&pair.peer.events, &pair.expected);
        }
    }
}

// ---- the frames ----

#[test]
fn the_plain_frame_is_that_of_the_rfc() {
    for len in LENS {
        let octets = words(len, 1);
        for (prepared, first) in [
            (Prepared::text(&octets), 0x81),
            (Prepared::binary(octets.as_bytes()), 0x82),
        ] {
            let by_hand = frame(Role::Client, first, octets.as_bytes());
            let (mut ws, mut out) = (plain_server(), BytesMut::new());
            ws.send_ping(b"", &mut out).unwrap();
            let start = out.len();
            send(&mut ws, &prepared, &mut out);
            assert!(out[start..] == by_hand, "{first:x} {len}");
            assert_eq!(out[..start], [0x89, 0], "what was there stays");
            assert!(share(&mut ws, &prepared) == by_hand, "{first:x} {len}");
            assert_eq!(prepared.payload(), octets.as_bytes());
            assert_eq!(prepared.is_text(), first == 0x81);
        }
    }
}

#[test]
fn who_does_not_compress_shares_the_plain_frame() {
    let short = Prepared::text(&words(127, 1));
    let long = Prepared::text(&words(1_000, 1));
    for prepared in [&short, &long] {
        let plain = share(&mut plain_server(), prepared);
        assert_eq!(plain[0], 0x81);
        for takeover in [false, true] {
            let alone = Compressed::ALONE;
            let mut off = Compressed { takeover, ..alone }.server();
            off.set_compression(false);
            assert!(is_same(&share(&mut off, prepared), &plain), "off");
            off.set_compression(true);
            let is_short = prepared.payload().len() < 128;
            let now = share(&mut off, prepared);
            assert_eq!(is_same(&now, &plain), is_short, "min_size");
            assert_eq!(now[0] == 0xc1, !is_short);
            let never = Compressed {
                min_size: usize::MAX,
                takeover,
                ..alone
            };
            assert!(is_same(&share(&mut never.server(), prepared), &plain));
        }
    }
}

#[test]
fn what_does_not_shrink_is_sent_plain() {
    let least = Compressed {
        min_size: 0,
        ..Compressed::ALONE
    };
    for prepared in [
        Prepared::binary(b""),
        Prepared::binary(b"a"),
        Prepared::binary(&noise(1_000, 1)),
        Prepared::binary(&noise(70_000, 1)),
    ] {
        let plain = share(&mut plain_server(), &prepared);
        let mut ws = least.server();
        assert!(is_same(&share(&mut ws, &prepared), &plain));
        // That it does not is remembered, too: nothing is tried again.
        let (_, count) = allocations(|| (share(&mut ws, &prepared), share(&mut ws, &prepared)));
        assert_eq!(count, 0);
    }
}

#[test]
fn what_comes_out_as_long_as_it_was_is_sent_plain() {
    let (mut equal, min_size) = (0, 0);
    for len in 1..40 {
        let prepared = Prepared::text(&"ab".repeat(len)[..len]);
        // With context takeover it goes out compressed whatever its length.
        let [takeover, alone] = [true, false].map(|takeover| {
            let alone = Compressed::ALONE;
            let of = Compressed {
                takeover,
                min_size,
                ..alone
            };
            share(&mut of.server(), &prepared)
        });
        let compressed_len = takeover.len() - 2;
        assert_eq!(alone[0] == 0xc1, compressed_len < len, "{len}");
        equal += usize::from(compressed_len == len);
    }
    assert!(equal > 0, "there is one");
}

// ---- once for each class ----

#[test]
fn it_is_compressed_once_for_each_class() {
    let prepared = Prepared::text(&words(10_000, 1));
    let alone = Compressed::ALONE;
    let mut classes: Vec<Bytes> = Vec::new();
    for (bits, level, mem_level) in [(9, 2, 8), (10, 2, 8), (15, 2, 8), (15, 9, 8), (15, 2, 1)] {
        let of = Compressed {
            bits,
            level,
            mem_level,
            ..alone
        };
        let first = share(&mut of.server(), &prepared);
        assert_eq!(first[0], 0xc1);
        // Another connection, another `Deflate`, another threshold.
        let (mut second, mut out) = (of.server(), BytesMut::with_capacity(20_000));
        let mut third = Compressed { min_size: 0, ..of }.server();
        let (same, count) = allocations(|| {
            send(&mut second, &prepared, &mut out);
            [share(&mut second, &prepared), share(&mut third, &prepared)]
        });
        assert_eq!(count, 0, "it is there already");
        assert!(same.iter().all(|frame| is_same(frame, &first)));
        assert!(out == first);
        assert!(classes.iter().all(|other| !is_same(other, &first)));
        classes.push(first);
    }
    // Settings that come to the same.
    for (bits, level, mem_level, class) in [(8, 2, 8, 0), (15, 200, 8, 3), (15, 2, 0, 4)] {
        let of = Compressed {
            bits,
            level,
            mem_level,
            ..alone
        };
        let frame = share(&mut of.server(), &prepared);
        assert!(is_same(&frame, &classes[class]), "{of:?}");
    }
}

#[test]
fn nothing_is_compressed_that_nobody_needs() {
    let prepared = Prepared::text(&words(10_000, 1));
    let mut out = BytesMut::with_capacity(100_000);
    let mut off = Compressed::ALONE.server();
    off.set_compression(false);
    let (_, count) = allocations(|| {
        send(&mut off, &prepared, &mut out);
        send(&mut plain_server(), &prepared, &mut out);
        let mut client = Connection::client(&Config::default(), [7; 32]);
        send(&mut client, &prepared, &mut out);
    });
    assert_eq!(count, 0);
    // With context takeover, and by a client, it is compressed for that connection alone.
    for (role, takeover) in [
        (Role::Server, true),
        (Role::Client, true),
        (Role::Client, false),
    ] {
        let deflate = Some(Compressed {
            takeover,
            ..Compressed::ALONE
        });
        let ((), octets) = held(|| {
            let mut ws = Terms { role, deflate }.connection();
            out.clear();
            send(&mut ws, &prepared, &mut out);
            assert_eq!(out[0], 0xc1);
            let (a, b) = (share(&mut ws, &prepared), share(&mut ws, &prepared));
            assert!(!is_same(&a, &b), "its own");
        });
        assert_eq!(octets, 0, "the prepared message holds nothing of it");
    }
}

#[test]
fn memory_is_bounded_by_the_classes() {
    let text = words(10_000, 1);
    let (prepared, octets) = held(|| Prepared::text(&text));
    let overhead = octets - 10_000;
    assert!((0..400).contains(&overhead), "{overhead} octets");
    let send_to_all = || {
        for bits in 8..=15 {
            for takeover in [false, true] {
                let of = Compressed {
                    bits,
                    takeover,
                    ..Compressed::ALONE
                };
                for _ in 0..10 {
                    share(&mut of.server(), &prepared);
                }
            }
        }
    };
    let mut largest = 0;
    for bits in 9..=15 {
        let of = Compressed {
            bits,
            ..Compressed::ALONE
        };
        let apart = Prepared::text(&text);
        largest = largest.max(share(&mut of.server(), &apart).len() as isize);
    }
    assert!((1..10_000).contains(&largest));
    let ((), first) = held(send_to_all);
    assert!(first <= 7 * (largest + 200), "{first} octets in 7 classes");
    assert_eq!(held(send_to_all).1, 0, "and no more");
    assert_eq!(held(|| drop(prepared)).1, -(octets + first));
}

#[test]
fn a_frame_outlives_its_message() {
    for mut ws in [plain_server(), Compressed::ALONE.server()] {
        let ((), octets) = held(|| {
            let prepared = Prepared::text(&words(1_000, 1));
            let frame = share(&mut ws, &prepared);
            let copy = frame.to_vec();
            drop(prepared);
            assert_eq!(frame, copy);
        });
        assert_eq!(octets, 0, "freed with the last of them");
    }
}

// ---- errors ----

#[test]
fn an_error_leaves_nothing_behind() {
    let prepared = Prepared::text(&words(1_000, 1));
    for terms in every_set() {
        let (mut ws, mut out) = (terms.connection(), BytesMut::new());
        let refused = |ws: &mut Connection, out: &mut BytesMut, error| {
            let before = out.clone();
            let (results, count) = allocations(|| {
                let shared = ws.share_prepared(&prepared).map(drop);
                (ws.send_prepared(&prepared, out), shared)
            });
            assert_eq!(results, (Err(error), Err(error)), "{terms:?}");
            assert_eq!((&*out, count), (&before, 0), "{terms:?}");
        };
        ws.send_first_fragment("one", &mut out).unwrap();
        refused(&mut ws, &mut out, SendError::MessageUnfinished);
        ws.send_next_fragment("two", &mut out).unwrap();
        refused(&mut ws, &mut out, SendError::MessageUnfinished);
        ws.send_last_fragment("three", &mut out).unwrap();
        send(&mut ws, &prepared, &mut out);
        let mut peer = terms.peer();
        peer.feed(&out);
        assert_eq!(peer.events, [text("onetwothree"), event(&prepared)]);

        ws.close(None, "", &mut out).unwrap();
        refused(&mut ws, &mut out, SendError::NotOpen);
        assert!(ws.receive_eof().is_err());
        refused(&mut ws, &mut out, SendError::NotOpen);

        let (mut ws, mut out) = (terms.connection(), BytesMut::new());
        let mut close = frame(terms.role, 0x88, b"");
        assert_eq!(
            ws.receive(&mut Input::new(&mut close), &mut out),
            Some(Event::Close(None))
        );
        refused(&mut ws, &mut out, SendError::NotOpen);
        assert!(!ws.has_deflate());
    }
}

// ---- allocations ----

#[test]
fn appending_to_a_warm_output_allocates_nothing() {
    for len in LENS {
        let prepared = Prepared::text(&words(len, 1));
        let mut out = BytesMut::with_capacity(4 << 20);
        let (mut server, mut client) =
            (plain_server(), connection(Role::Client, &Config::default()));
        let ((), count) = allocations(|| {
            send(&mut server, &prepared, &mut out);
            send(&mut client, &prepared, &mut out);
        });
        assert_eq!(count, 0, "{len}");
    }
}

#[test]
fn sharing_and_cloning_allocate_nothing() {
    for len in LENS {
        let prepared = Prepared::text(&words(len, 1));
        let mut ws = plain_server();
        let ((one, two), count) = allocations(|| {
            let one = share(&mut ws, &prepared);
            let (copy, two) = (prepared.clone(), one.clone());
            assert!(is_same(&share(&mut ws, &copy), &one));
            (one, two)
        });
        assert_eq!(count, 0, "not the first time, either: {len}");
        assert!(is_same(&one, &two));
    }
}

#[test]
fn a_connection_that_finds_it_compressed_holds_nothing() {
    // An ordinary send begins a state of its own.
    let prepared = Prepared::text(&words(1_000, 1));
    let mut first = Compressed::ALONE.server();
    share(&mut first, &prepared);
    let deflate = Compressed::ALONE.settings();
    let params = Compressed::ALONE.params();
    let mut ws = plain_server().with_deflate(&deflate, &params);
    assert_eq!(held(|| drop(share(&mut ws, &prepared))).1, 0);
}

// ---- threads ----

#[test]
fn threads_share_one() {
    fn can_be_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    const THREADS: usize = 8;
    for round in 0..20 {
        let prepared = Prepared::text(&words(2_000, round));
        can_be_shared(&prepared);
        let barrier = Barrier::new(THREADS);
        let frames: Vec<Vec<Bytes>> = thread::scope(|scope| {
            let run = |thread: usize| {
                let (prepared, barrier) = (prepared.clone(), &barrier);
                scope.spawn(move || {
                    let mut servers: Vec<_> = (9..=15)
                        .map(|bits| {
                            let alone = Compressed::ALONE;
                            Compressed { bits, ..alone }.server()
                        })
                        .collect();
                    barrier.wait();
                    // Each begins with another class.
                    let mut frames = vec![Bytes::new(); servers.len()];
                    for step in 0..servers.len() {
                        let class = (step + thread) % servers.len();
                        frames[class] = share(&mut servers[class], &prepared);
                    }
                    frames
                })
            };
            let threads: Vec<_> = (0..THREADS).map(run).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        for other in &frames {
            let mut classes = other.iter().zip(&frames[0]);
            assert!(classes.all(|(a, b)| is_same(a, b)), "made once");
        }
        let mut peer = Run::of(with_deflate(connection(Role::Client, &Config::default())));
        for frame in &frames[0] {
            // Without context takeover any peer can follow.
            peer.feed(frame);
        }
        assert_eq!(peer.events, vec![event(&prepared); 7]);
    }
}

#[test]
fn what_it_says_of_itself_is_not_the_message() {
    let said = format!("{:?}", Prepared::text("a secret"));
    assert_eq!(said, "Prepared { is_text: true, payload_len: 8, .. }");
}
