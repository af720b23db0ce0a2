//! One message for many connections.
//!
//! Invariant: what a prepared message makes a connection send is, byte for byte, what an ordinary
//! send would have made, whatever was negotiated and whatever is sent before and after; and it is
//! framed once, and compressed once for each class of connections.

use crate::allocator::{allocations, held};
use crate::support::deflate::{Params, deflate};
use crate::support::strategies::*;
use crate::support::*;
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sansocket::{
    CloseCode, Connection, Data, Deflate, End, Event, Input, Prepared, Role, SendError, Settings,
};
use std::sync::Barrier;
use std::thread;

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
    /// Without context takeover, otherwise the defaults.
    const ALONE: Self = Self {
        bits: 15,
        takeover: false,
        min_size: 128,
        level: 2,
        mem_level: 8,
    };

    fn params(self) -> Params {
        Params::both_ways(self.bits, !self.takeover)
    }

    /// No compressor is pooled, as the tests count memory.
    fn settings(self) -> Deflate {
        deflate(|c| {
            c.min_size = self.min_size;
            c.level = self.level;
            c.mem_level = self.mem_level;
            c.max_pooled = 0;
        })
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
    /// All have the same seed, so two that send the same use the same masking keys.
    fn connection(self) -> Connection {
        let ws = connection(self.role, Settings::default());
        match self.deflate {
            Some(with) => with.params().agreed(ws, &with.settings()),
            None => ws,
        }
    }

    fn peer(self) -> Run {
        let role = other(self.role);
        Run::of(Self { role, ..self }.connection())
    }
}

fn plain_server() -> Connection {
    Connection::server(Settings::default())
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

/// Text that compresses: the same words, near and far.
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

fn send(ws: &mut Connection, prepared: &Prepared, out: &mut BytesMut) {
    ws.send(prepared, out).unwrap();
}

fn share(ws: &mut Connection, prepared: &Prepared) -> Bytes {
    ws.share(prepared).unwrap()
}

/// The payload of the message.
fn payload(prepared: &Prepared) -> &[u8] {
    match prepared.data() {
        Data::Text(text) => text.as_bytes(),
        Data::Binary(data) => data,
        other => panic!("{other:?}"),
    }
}

/// Sends the same message without preparing it.
fn ordinary(ws: &mut Connection, prepared: &Prepared, out: &mut BytesMut) -> Result<(), SendError> {
    match prepared.data() {
        Data::Text(text) => ws.send(text, out),
        Data::Binary(data) => ws.send(data, out),
        other => panic!("{other:?}"),
    }
}

fn event(prepared: &Prepared) -> Event<'static> {
    match prepared.data() {
        Data::Text(message) => text(message),
        Data::Binary(data) => binary(data),
        other => panic!("{other:?}"),
    }
}

/// Whether the two are the same memory, not just equal.
fn is_same(a: &Bytes, b: &Bytes) -> bool {
    (a.as_ptr(), a.len()) == (b.as_ptr(), b.len())
}

// ---- what the peer receives ----

#[test]
fn every_set_of_parameters_gets_exactly_the_message() {
    // One prepared message serves all of them.
    let messages = LENS.map(|len| {
        let text = words(len, len as u64);
        (Prepared::new(&text), Prepared::new(text.as_bytes()))
    });
    for terms in every_set() {
        let (mut ws, mut peer, mut out) = (terms.connection(), terms.peer(), BytesMut::new());
        let mut twin = terms.connection();
        for (text, binary) in &messages {
            // Unoptimised code is slow, so long messages only where they make a difference.
            let len = payload(text).len();
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
        0 => Prepared::new(&noise(len, seed)),
        1 => Prepared::new(words(len, seed).as_bytes()),
        2 => Prepared::new(&"€".repeat(len / 3)),
        _ => Prepared::new(&words(len, seed)),
    })
}

#[derive(Clone, Debug)]
enum Step {
    Append(Index),
    Share(Index),
    Apart(Index),
    Ordinary(Index),
    Fragment(bool),
    Compression(bool),
    Ping,
}

fn steps() -> impl Strategy<Value = (Index, Step)> {
    let step = prop_oneof![
        6 => any::<Index>().prop_map(Step::Append),
        6 => any::<Index>().prop_map(Step::Share),
        3 => any::<Index>().prop_map(Step::Apart),
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
            Step::Append(index)
            | Step::Share(index)
            | Step::Apart(index)
            | Step::Ordinary(index) => {
                let prepared = index.get(messages);
                let sent = match step {
                    Step::Append(_) => self.ws.send(prepared, &mut self.out),
                    Step::Share(_) => self
                        .ws
                        .share(prepared)
                        .map(|frame| self.out.extend_from_slice(&frame)),
                    Step::Apart(_) => self
                        .ws
                        .send_apart(prepared, &mut self.out)
                        .map(|payload| self.out.extend_from_slice(payload)),
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
                self.both(|ws, out| ws.send_piece("first ", false, out));
            }
            Step::Fragment(false) => self.both(|ws, out| ws.send_piece("", false, out)),
            Step::Fragment(true) => {
                self.is_unfinished = false;
                self.both(|ws, out| ws.send_piece("last", true, out));
                self.expected.push(text("first last"));
            }
            Step::Compression(on) => {
                self.ws.settings().compress = *on;
                self.twin.settings().compress = *on;
            }
            Step::Ping => {
                self.both(|ws, out| ws.send_ping(b"", out));
                self.expected.push(ping(b""));
            }
        }
        assert!(self.out == self.twin_out, "other bytes after {step:?}");
        self.peer.feed(&self.out.split());
        self.twin_out.clear();
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// Whichever connection compressed it first, and whatever is sent in between.
    #[test]
    fn prepared_sends_are_the_same_as_ordinary_sends(
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
            // Every message arrives, except one that is unfinished.
            prop_assert_eq!(&pair.peer.events, &pair.expected);
        }
    }
}

#[test]
fn a_prepared_message_may_be_sent_as_a_piece() {
    // As a piece it is encoded anew: the shared frame would be a complete message.
    let one = Prepared::new(&words(1_000, 1));
    for terms in every_set() {
        let (mut ws, mut out) = (terms.connection(), BytesMut::new());
        let (mut twin, mut expected) = (terms.connection(), BytesMut::new());
        // The last one is the only piece of its message.
        for is_last in [false, false, true, true] {
            ws.send_piece(&one, is_last, &mut out).unwrap();
            twin.send_piece(one.data(), is_last, &mut expected).unwrap();
        }
        let binary = Prepared::new(payload(&one));
        ws.send_piece(&one, false, &mut out).unwrap();
        twin.send_piece(one.data(), false, &mut expected).unwrap();
        let other_type = ws.send_piece(&binary, true, &mut out);
        assert_eq!(other_type, Err(SendError::OtherType));
        assert!(out == expected, "{terms:?}");
        let mut peer = terms.peer();
        peer.feed(&out);
        let three = words(1_000, 1).repeat(3);
        assert!(peer.events == [text(&three), event(&one)], "{terms:?}");
    }
}

// ---- the frames ----

#[test]
fn the_plain_frame_is_that_of_the_rfc() {
    for len in LENS {
        let bytes = words(len, 1);
        for (prepared, first) in [
            (Prepared::new(&bytes), 0x81),
            (Prepared::new(bytes.as_bytes()), 0x82),
        ] {
            let by_hand = frame(Role::Client, first, bytes.as_bytes());
            let (mut ws, mut out) = (plain_server(), BytesMut::new());
            ws.send_ping(b"", &mut out).unwrap();
            let start = out.len();
            send(&mut ws, &prepared, &mut out);
            assert!(out[start..] == by_hand, "{first:x} {len}");
            assert_eq!(out[..start], [0x89, 0], "what was there stays");
            assert!(share(&mut ws, &prepared) == by_hand, "{first:x} {len}");
            assert_eq!(payload(&prepared), bytes.as_bytes());
            let is_text = matches!(prepared.data(), Data::Text(_));
            assert_eq!(is_text, first == 0x81);
        }
    }
}

#[test]
fn servers_that_do_not_compress_share_the_plain_frame() {
    let short = Prepared::new(&words(127, 1));
    let long = Prepared::new(&words(1_000, 1));
    for prepared in [&short, &long] {
        let plain = share(&mut plain_server(), prepared);
        assert_eq!(plain[0], 0x81);
        for takeover in [false, true] {
            let alone = Compressed::ALONE;
            let mut off = Compressed { takeover, ..alone }.server();
            off.settings().compress = false;
            assert!(is_same(&share(&mut off, prepared), &plain), "off");
            off.settings().compress = true;
            let is_short = payload(prepared).len() < 128;
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
fn a_message_that_does_not_shrink_is_sent_plain() {
    let least = Compressed {
        min_size: 0,
        ..Compressed::ALONE
    };
    for prepared in [
        Prepared::new(b""),
        Prepared::new(b"a"),
        Prepared::new(&noise(1_000, 1)),
        Prepared::new(&noise(70_000, 1)),
    ] {
        let plain = share(&mut plain_server(), &prepared);
        let mut ws = least.server();
        assert!(is_same(&share(&mut ws, &prepared), &plain));
        // The failure is remembered: no connection tries again.
        let (_, count) = allocations(|| (share(&mut ws, &prepared), share(&mut ws, &prepared)));
        assert_eq!(count, 0);
    }
}

#[test]
fn a_message_that_compresses_to_its_own_length_is_sent_plain() {
    let (mut equal, min_size) = (0, 0);
    for len in 1..40 {
        let prepared = Prepared::new(&"ab".repeat(len)[..len]);
        // With context takeover it is sent compressed, whatever its length.
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
fn a_message_is_compressed_once_for_each_class() {
    let prepared = Prepared::new(&words(10_000, 1));
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
        // Another connection, another `Deflate` and another threshold share it, too.
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
    // So do settings that mean the same.
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
    let prepared = Prepared::new(&words(10_000, 1));
    let mut out = BytesMut::with_capacity(100_000);
    let mut off = Compressed::ALONE.server();
    off.settings().compress = false;
    let (_, count) = allocations(|| {
        send(&mut off, &prepared, &mut out);
        send(&mut plain_server(), &prepared, &mut out);
        let mut client = Connection::client(Settings::default(), [7; 32]);
        send(&mut client, &prepared, &mut out);
    });
    assert_eq!(count, 0);
    // With context takeover, and for clients, it is compressed for that connection alone.
    for (role, takeover) in [
        (Role::Server, true),
        (Role::Client, true),
        (Role::Client, false),
    ] {
        let deflate = Some(Compressed {
            takeover,
            ..Compressed::ALONE
        });
        let ((), bytes) = held(|| {
            let mut ws = Terms { role, deflate }.connection();
            out.clear();
            send(&mut ws, &prepared, &mut out);
            assert_eq!(out[0], 0xc1);
            let (a, b) = (share(&mut ws, &prepared), share(&mut ws, &prepared));
            assert!(!is_same(&a, &b), "its own");
        });
        assert_eq!(bytes, 0, "the prepared message holds nothing of it");
    }
}

#[test]
fn memory_is_bounded_by_the_classes() {
    let text = words(10_000, 1);
    let (prepared, bytes) = held(|| Prepared::new(&text));
    let overhead = bytes - 10_000;
    assert!((0..400).contains(&overhead), "{overhead} bytes");
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
        let apart = Prepared::new(&text);
        largest = largest.max(share(&mut of.server(), &apart).len() as isize);
    }
    assert!((1..10_000).contains(&largest));
    let ((), first) = held(send_to_all);
    assert!(first <= 7 * (largest + 200), "{first} bytes in 7 classes");
    assert_eq!(held(send_to_all).1, 0, "and no more");
    assert_eq!(held(|| drop(prepared)).1, -(bytes + first));
}

#[test]
fn a_frame_outlives_its_message() {
    for mut ws in [plain_server(), Compressed::ALONE.server()] {
        let ((), bytes) = held(|| {
            let prepared = Prepared::new(&words(1_000, 1));
            let frame = share(&mut ws, &prepared);
            let copy = frame.to_vec();
            drop(prepared);
            assert_eq!(frame, copy);
        });
        assert_eq!(bytes, 0, "freed with the last of them");
    }
}

// ---- errors ----

#[test]
fn an_error_leaves_nothing_behind() {
    let prepared = Prepared::new(&words(1_000, 1));
    for terms in every_set() {
        let (mut ws, mut out) = (terms.connection(), BytesMut::new());
        let refused = |ws: &mut Connection, out: &mut BytesMut, error| {
            let before = out.clone();
            let (results, count) = allocations(|| {
                let shared = ws.share(&prepared).map(drop);
                let apart = ws.send_apart(&prepared, out).map(drop);
                [ws.send(&prepared, out), shared, apart]
            });
            assert_eq!(results, [Err(error); 3], "{terms:?}");
            assert_eq!((&*out, count), (&before, 0), "{terms:?}");
        };
        ws.send_piece("one", false, &mut out).unwrap();
        refused(&mut ws, &mut out, SendError::MessageUnfinished);
        ws.send_piece("two", false, &mut out).unwrap();
        refused(&mut ws, &mut out, SendError::MessageUnfinished);
        ws.send_piece("three", true, &mut out).unwrap();
        send(&mut ws, &prepared, &mut out);
        let mut peer = terms.peer();
        peer.feed(&out);
        assert_eq!(peer.events, [text("onetwothree"), event(&prepared)]);

        ws.close(None, "", &mut out).unwrap();
        refused(&mut ws, &mut out, SendError::Closed);
        ws.receive_eof();
        // The peer's Close did not arrive.
        let (code, by_peer) = (CloseCode(1006), false);
        assert_eq!(ws.end(), Some(End::Closed { code, by_peer }));
        refused(&mut ws, &mut out, SendError::Closed);

        let (mut ws, mut out) = (terms.connection(), BytesMut::new());
        let mut wire = frame(terms.role, 0x88, b"");
        assert_eq!(
            ws.receive(&mut Input(&mut wire), &mut out),
            Some(close(1005, ""))
        );
        refused(&mut ws, &mut out, SendError::Closed);
        assert!(!ws.has_deflate());
    }
}

// ---- allocations ----

#[test]
fn appending_to_a_warm_output_allocates_nothing() {
    for len in LENS {
        let prepared = Prepared::new(&words(len, 1));
        let mut out = BytesMut::with_capacity(4 << 20);
        let (mut server, mut client) = (
            plain_server(),
            connection(Role::Client, Settings::default()),
        );
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
        let prepared = Prepared::new(&words(len, 1));
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
    // An ordinary send allocates a compressor.
    let prepared = Prepared::new(&words(1_000, 1));
    let mut first = Compressed::ALONE.server();
    share(&mut first, &prepared);
    let deflate = Compressed::ALONE.settings();
    let params = Compressed::ALONE.params();
    let mut ws = params.agreed(plain_server(), &deflate);
    assert_eq!(held(|| drop(share(&mut ws, &prepared))).1, 0);
}

// ---- threads ----

#[test]
fn threads_share_one_message() {
    each_delivery(|| {
        fn can_be_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
        const THREADS: usize = 8;
        for round in 0..20 {
            let prepared = Prepared::new(&words(2_000, round));
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
                        // Each thread starts with another class.
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
            let mut peer = Run::of(with_deflate(connection(Role::Client, Settings::default())));
            for frame in &frames[0] {
                // Without context takeover any peer can read any of the frames.
                peer.feed(frame);
            }
            assert_eq!(peer.events, [(); 7].map(|()| event(&prepared)));
        }
    });
}

#[test]
fn debug_does_not_show_the_message() {
    let (text, binary) = (Prepared::new("a secret"), Prepared::new(b"a secret"));
    for prepared in [&text, &binary] {
        for said in [
            format!("{prepared:?}"),
            format!("{prepared:#?}"),
            format!("{:?}", prepared.data()),
            format!("{:?}", Data::from(prepared)),
        ] {
            let is_there = ["secret", "97", "0x61", "61"]
                .iter()
                .any(|part| said.contains(part));
            assert!(!is_there, "{said}");
            assert!(said.contains('8'), "its length: {said}");
        }
    }
}
