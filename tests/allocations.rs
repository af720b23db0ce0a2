//! What memory costs: a counting allocator. Its laws: receiving whole messages and sending into
//! a warm buffer allocate nothing; an idle connection holds no heap memory; a message under
//! way holds memory for what was received, not for what was announced.

mod support;

use bytes::BytesMut;
use sansocket::{Config, Connection, Event, Input, Role};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::*;

thread_local! {
    /// Allocations, and octets held, by this test's own thread.
    static COUNT: Cell<(usize, isize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(allocations: usize, octets: isize) {
    // A thread that ends has no counter any more.
    let _ = COUNT.try_with(|c| c.set((c.get().0 + allocations, c.get().1 + octets)));
}

// SAFETY: all it does beside counting is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, octets: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        unsafe { System.dealloc(octets, layout) }
    }
    unsafe fn realloc(&self, octets: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        unsafe { System.realloc(octets, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `work` makes, and how many octets more are held after it.
fn cost<T>(work: impl FnOnce() -> T) -> (usize, isize, T) {
    let before = COUNT.get();
    let result = work();
    let after = COUNT.get();
    (after.0 - before.0, after.1 - before.1, result)
}

/// Receives all of it; the lengths of the messages are added up.
fn drain(ws: &mut Connection, octets: &mut [u8], out: &mut BytesMut) -> usize {
    let mut input = Input::new(octets);
    let mut sum = 0;
    while let Some(event) = ws.receive(&mut input, out) {
        sum += match event {
            Event::Text(text) => text.len(),
            Event::Binary(data) | Event::Ping(data) | Event::Pong(data) => data.len(),
            other => panic!("{other:?}"),
        };
    }
    sum
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn the_counter_counts() {
    let (allocations, held, data) = cost(|| vec![0_u8; 100]);
    assert_eq!((allocations, held), (1, 100));
    assert_eq!(cost(|| drop(data)).1, -100);
}

#[test]
fn whole_messages_are_received_without_an_allocation() {
    for role in ROLES {
        let text = "Grüße ".repeat(20_000);
        let mut octets = [
            frame(role, 0x81, b"hello"),
            frame(role, 0x81, text.as_bytes()),
            frame(role, 0x82, &[7; 100_000]),
            frame(role, 0x82, b""),
            frame(role, 0x89, &[1; 125]),
            frame(role, 0x8a, b"pong"),
        ]
        .concat();
        let mut ws = connection(role, &Config::default());
        let mut out = BytesMut::with_capacity(1024);
        let (allocations, held, sum) = cost(|| drain(&mut ws, &mut octets, &mut out));
        assert_eq!((allocations, held), (0, 0), "{role:?}");
        assert_eq!(sum, 5 + text.len() + 100_000 + 125 + 4);
    }
}

#[test]
fn a_warm_buffer_is_written_without_an_allocation() {
    for role in ROLES {
        let mut ws = connection(role, &Config::default());
        let mut out = BytesMut::with_capacity(300_000);
        let data = vec![7; 100_000];
        let (allocations, ..) = cost(|| {
            ws.send_text("hello", &mut out).unwrap();
            ws.send_binary(&data, &mut out).unwrap();
            ws.send_first_fragment("Hel", &mut out).unwrap();
            ws.send_ping(b"between", &mut out).unwrap();
            ws.send_last_fragment("lo", &mut out).unwrap();
            ws.send_binary(&data, &mut out).unwrap();
            ws.close(sansocket::CloseCode::NORMAL, "bye", &mut out)
                .unwrap();
        });
        assert_eq!(allocations, 0, "{role:?}");
        assert_eq!(sent_frames(&out, role).len(), 7);
    }
}

#[test]
fn an_idle_connection_holds_no_heap_memory() {
    for role in ROLES {
        let (allocations, held, mut ws) = cost(|| connection(role, &Config::default()));
        assert_eq!((allocations, held), (0, 0), "fresh");

        let big = vec![b'x'; 1 << 20];
        for octets in [
            frame(role, 0x81, b"hello"),
            frame(role, 0x82, &big),
            [
                frame(role, 0x01, &big),
                frame(role, 0x89, b"ping"),
                frame(role, 0x80, &big),
            ]
            .concat(),
            [
                frame(role, 0x02, b""),
                frame(role, 0x00, b""),
                frame(role, 0x80, b""),
            ]
            .concat(),
        ] {
            for cuts in [Cuts::Whole, Cuts::Random(5), Cuts::Octets] {
                if matches!(cuts, Cuts::Octets) && octets.len() > 100 {
                    continue; // a million pieces tell no more than the random ones
                }
                let mut out = BytesMut::with_capacity(1024);
                let mut pieces = cuts.cut(&octets);
                let (_, held, ()) = cost(|| {
                    for piece in &mut pieces {
                        drain(&mut ws, piece, &mut out);
                    }
                });
                assert_eq!(held, 0, "{role:?}, {} octets, {cuts:?}", octets.len());
            }
        }
    }
}

#[test]
fn a_failed_or_closed_connection_holds_no_heap_memory() {
    for role in ROLES {
        let open_message = frame(role, 0x01, &[b'x'; 10_000]);
        for end in [frame(role, 0x88, b""), frame(role, 0x83, b"")] {
            let mut octets = [open_message.clone(), end].concat();
            let mut ws = connection(role, &Config::default());
            let mut out = BytesMut::with_capacity(1024);
            let (_, held, ()) = cost(|| {
                let mut input = Input::new(&mut octets);
                while ws.receive(&mut input, &mut out).is_some() {}
            });
            assert_eq!(held, 0);
        }
        let mut ws = connection(role, &Config::default());
        let mut out = BytesMut::with_capacity(1024);
        let mut octets = open_message;
        let (_, held, _) = cost(|| {
            drain(&mut ws, &mut octets, &mut out);
            ws.receive_eof()
        });
        assert_eq!(held, 0, "the transport ended inside a message");
    }
}

#[test]
fn a_gathered_message_of_one_frame_costs_one_allocation() {
    for first in [0x81, 0x82] {
        let octets = frame(Role::Server, first, &[b'x'; 60_000]);
        let mut ws = Connection::server(&Config::default());
        let mut out = BytesMut::new();
        let mut pieces: Vec<_> = octets.chunks(16 << 10).map(<[u8]>::to_vec).collect();
        let (allocations, _, ()) = cost(|| {
            for piece in &mut pieces {
                drain(&mut ws, piece, &mut out);
            }
        });
        assert_eq!(allocations, 1, "of the right size at once");
    }
}

/// RUSTSEC-2022-0035 and others: memory was reserved as the header announced.
#[test]
fn memory_follows_what_was_received() {
    let config = Config::default();
    let len = config.max_message_size;
    for role in ROLES {
        for first in [0x81, 0x82] {
            let mut ws = connection(role, &config);
            let mut out = BytesMut::new();
            let octets = frame(role, first, &vec![b'x'; len]);
            let header_len = octets.len() - len;
            let (mut at, mut held, mut step) = (0, 0, header_len);
            while at < len / 4 {
                let mut piece = octets[at..at + step].to_vec();
                held += cost(|| drain(&mut ws, &mut piece, &mut out)).1;
                at += step;
                let received = at - header_len;
                let most = (9 * received).min(2 * received + (64 << 10));
                assert!(held as usize <= most, "{held} held for {received}");
                step = if received == 0 {
                    1
                } else {
                    (step * 3 / 2 + 1).min(16 << 10)
                };
            }
        }
    }
}

/// CVE-2026-48779: each fragment, even an empty one, cost its own piece of memory.
#[test]
fn empty_fragments_cost_nothing() {
    let mut ws = Connection::server(&Config::default());
    let mut out = BytesMut::new();
    let mut octets = frame(Role::Server, 0x02, b"");
    for _ in 0..10_000 {
        octets.extend(frame(Role::Server, 0x00, b""));
    }
    let (allocations, held, _) = cost(|| drain(&mut ws, &mut octets, &mut out));
    assert_eq!((allocations, held), (0, 0));
}

#[test]
fn tiny_fragments_cost_no_more_than_their_octets() {
    let mut ws = Connection::server(&Config::default());
    let mut out = BytesMut::new();
    let mut octets = frame(Role::Server, 0x02, b"");
    for _ in 0..10_000 {
        octets.extend(frame(Role::Server, 0x00, b"x"));
    }
    let (allocations, held, _) = cost(|| drain(&mut ws, &mut octets, &mut out));
    assert!(
        held <= 20_000 && allocations <= 16,
        "{held} octets, {allocations} allocations"
    );
}

#[test]
fn the_connection_itself_is_small() {
    let size = size_of::<Connection>();
    assert!(size <= 200, "{size} octets");
}
