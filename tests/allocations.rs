//! What is allocated, and what is held (RFC 6455, section 10.4): nothing for a message that
//! lies whole in a read, nothing while idle, and for a message under way as much as has
//! arrived, never as much as was announced. Each test counts the allocations of its own thread.

#[path = "support/allocator.rs"]
mod allocator;
mod support;

use allocator::{allocations, held, live};
use bytes::BytesMut;
use sansocket::{CloseCode, Config, Connection, Event, HandshakeConfig, Input, Role};
use support::*;

/// Feeds octets and drops the events; returns how many there were.
fn feed(ws: &mut Connection, octets: &mut [u8], out: &mut BytesMut) -> usize {
    let (mut input, mut events) = (Input::new(octets), 0);
    while let Some(event) = ws.receive(&mut input, out) {
        assert!(!matches!(event, Event::Failed(_)), "{event:?}");
        events += 1;
    }
    events
}

/// An output that has been used before.
fn warm() -> BytesMut {
    BytesMut::with_capacity(4 << 20)
}

#[test]
fn the_counters_count() {
    let (octets, count) = allocations(|| vec![0_u8; 100]);
    assert_eq!(count, 1);
    assert_eq!(held(|| drop(octets)).1, -100);
}

#[test]
fn receiving_whole_frames_allocates_nothing() {
    for role in ROLES {
        let (mut ws, mut out) = (connection(role, &Config::default()), warm());
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            for first in [0x81, 0x82] {
                let mut octets = frame(role, first, &vec![b'x'; len]);
                let (events, count) = allocations(|| feed(&mut ws, &mut octets, &mut out));
                assert_eq!((events, count), (1, 0), "{role:?} {first:x} {len}");
            }
        }
        for (first, payload) in [
            (0x89, &[1; 125][..]),
            (0x8a, b"pong"),
            (0x88, b"\x03\xe8bye"),
        ] {
            let mut octets = frame(role, first, payload);
            let (events, count) = allocations(|| feed(&mut ws, &mut octets, &mut out));
            assert_eq!((events, count), (1, 0), "{role:?} {first:x}");
        }
        assert_eq!(sent_frames(&out, role).len(), 2, "Pong and Close");
    }
}

#[test]
fn sending_into_a_warm_output_allocates_nothing() {
    let (text, data) = ("x".repeat(1 << 20), vec![0; 1 << 20]);
    for role in ROLES {
        let (mut ws, mut out) = (connection(role, &Config::default()), warm());
        let (result, count) = allocations(|| {
            for len in [0, 1, 125, 126, 65_536, 1 << 20] {
                out.clear();
                ws.send_text(&text[..len], &mut out)?;
                ws.send_binary(&data[..len], &mut out)?;
                ws.send_first_fragment(&text[..len], &mut out)?;
                ws.send_last_fragment("", &mut out)?;
            }
            ws.send_ping(&data[..125], &mut out)?;
            ws.close(CloseCode::NORMAL, &text[..123], &mut out)
        });
        assert_eq!((result, count), (Ok(()), 0), "{role:?}");
    }
}

#[test]
fn failing_allocates_nothing() {
    for role in ROLES {
        let (mut ws, mut out) = (connection(role, &Config::default()), warm());
        let mut octets = [0xff; 100];
        let (failed, count) = allocations(|| {
            let mut input = Input::new(&mut octets);
            matches!(ws.receive(&mut input, &mut out), Some(Event::Failed(_)))
        });
        assert!(failed);
        assert_eq!(count, 0);
    }
}

#[test]
fn an_idle_connection_holds_nothing() {
    // Elsewhere each connection has a read buffer, or keeps the largest message it ever had.
    for role in ROLES {
        let mut out = warm();
        let mib = vec![b'x'; 1 << 20];
        let whole = frame(role, 0x81, b"echo");
        let fragments = [
            frame(role, 1, b"a"),
            frame(role, 0, b""),
            frame(role, 0x80, b"b"),
        ];
        let large = frame(role, 0x82, &mib);
        let ping = frame(role, 0x89, &[1; 125]);
        let large_fragments = [frame(role, 1, &mib), frame(role, 0x80, &mib)];

        let (mut ws, octets) = held(|| connection(role, &Config::default()));
        assert_eq!(octets, 0, "new");
        for (name, wire) in [
            ("whole message", whole),
            ("fragments", fragments.concat()),
            ("large message", large),
            ("control frame", ping),
            ("large fragments", large_fragments.concat()),
        ] {
            for piece_len in [1, 100, 4_096, usize::MAX] {
                if piece_len == 1 && wire.len() > 1_000 {
                    continue; // enough is cut that way
                }
                let mut octets = wire.clone();
                let (events, octets) = held(|| {
                    let pieces = octets.chunks_mut(piece_len);
                    pieces
                        .map(|piece| feed(&mut ws, piece, &mut out))
                        .sum::<usize>()
                });
                assert_eq!((events, octets), (1, 0), "{name} in {piece_len}");
            }
        }
        let (result, octets) = held(|| {
            out.clear();
            ws.send_text("echo", &mut out)
        });
        assert_eq!((result, octets), (Ok(()), 0), "sent");
    }
}

#[test]
fn a_connection_that_is_over_holds_nothing() {
    for role in ROLES {
        for end in [vec![0x83], frame(role, 0x88, b""), Vec::new()] {
            let (mut begun, mut end) = (frame(role, 1, &[b'x'; 5_000]), end);
            let mut out = warm();
            let (_ws, octets) = held(|| {
                let mut ws = connection(role, &Config::default());
                feed(&mut ws, &mut begun, &mut out);
                let mut input = Input::new(&mut end);
                if ws.receive(&mut input, &mut out).is_none() {
                    assert!(ws.receive_eof().is_err());
                }
                ws
            });
            assert_eq!(octets, 0, "the message under way is dropped");
        }
    }
}

#[test]
fn a_claim_holds_no_memory() {
    // Elsewhere a header of 14 octets made the peer allocate what it said.
    for role in ROLES {
        for first in [0x81, 0x82, 0x01, 0x02] {
            let mut out = warm();
            let mut header = frame_header(role, first, 16 << 20);
            let (mut ws, octets) = held(|| {
                let mut ws = connection(role, &Config::default());
                feed(&mut ws, &mut header, &mut out);
                ws
            });
            assert_eq!(octets, 0, "nothing has arrived yet");
            let mut payload = xor(&[b'x'; 10], if role == Role::Server { KEY } else { [0; 4] });
            let ((), octets) = held(|| {
                feed(&mut ws, &mut payload, &mut out);
            });
            assert!((10..=64 << 10).contains(&octets), "{octets} octets for 10");
            // Tighter than asked for, and what the code promises: 8 times ahead at most.
            assert!(octets <= 9 * 10, "{octets} octets for 10");
        }
    }
}

#[test]
fn a_refused_claim_allocates_nothing() {
    for role in ROLES {
        for claim in [(16 << 20) + 1, 1 << 62, (1 << 63) - 1] {
            let mut header = frame_header(role, 0x82, claim);
            let (mut ws, mut out) = (connection(role, &Config::default()), warm());
            let (failed, count) = allocations(|| {
                let mut input = Input::new(&mut header);
                matches!(ws.receive(&mut input, &mut out), Some(Event::Failed(_)))
            });
            assert!(failed);
            assert_eq!(count, 0);
        }
    }
}

#[test]
fn a_hundred_claims_hold_a_hundred_times_as_little() {
    for role in ROLES {
        let mut connections = Vec::with_capacity(100);
        let mut out = warm();
        let mut octets = frame_header(role, 0x82, 16 << 20);
        octets.extend([0; 10]);
        let mut reads = vec![octets; 100];
        let ((), octets) = held(|| {
            for read in &mut reads {
                let mut ws = connection(role, &Config::default());
                feed(&mut ws, read, &mut out);
                connections.push(ws);
            }
        });
        assert!(octets <= 100 * (64 << 10), "{octets} octets");
        assert_eq!(
            held(|| drop(connections)).1 + octets,
            size_of::<Connection>() as isize * -100
        );
    }
}

#[test]
fn a_message_under_way_holds_at_most_twice_what_arrived() {
    for role in ROLES {
        for (first, fragment_len) in [(0x02, 1 << 20), (0x02, 100), (0x01, 5_000), (0x01, 70_000)] {
            for read_len in [7, 1_000, 70_000] {
                let mut wire = frame(role, first, &vec![b'x'; fragment_len]);
                let next = frame(role, 0x00, &vec![b'x'; fragment_len]);
                while wire.len() < 1 << 20 {
                    wire.extend_from_slice(&next);
                }
                let (mut ws, mut out, mut arrived) =
                    (connection(role, &Config::default()), warm(), 0);
                let before = live();
                for read in wire.chunks_mut(read_len) {
                    arrived += read.len() as isize;
                    feed(&mut ws, read, &mut out);
                    let octets = live() - before;
                    assert!(
                        octets <= 2 * arrived + (64 << 10),
                        "{octets} octets for {arrived}, {read_len} a read"
                    );
                }
            }
        }
    }
}

#[test]
fn empty_fragments_and_control_frames_between_cost_nothing() {
    // Elsewhere each fragment was an object in a list.
    let mut config = Config::default();
    config.max_fragments = u32::MAX;
    for role in ROLES {
        let (mut ws, mut out) = (connection(role, &config), warm());
        feed(&mut ws, &mut frame(role, 1, b""), &mut out);
        let thousand = [frame(role, 0, b""), frame(role, 0x8a, b"")]
            .concat()
            .repeat(1_000);
        let mut read = thousand.clone();
        let (events, count) = allocations(|| {
            (0..1_000)
                .map(|_| {
                    read.copy_from_slice(&thousand);
                    feed(&mut ws, &mut read, &mut out)
                })
                .sum::<usize>()
        });
        assert_eq!((events, count), (1_000_000, 0));
    }
}

#[test]
fn small_fragments_cost_a_message_no_more_than_large_ones() {
    for role in ROLES {
        let (mut ws, mut out) = (connection(role, &Config::default()), warm());
        let fragment = frame(role, 0, b"x");
        let mut octets = [frame(role, 2, b"x"), fragment.repeat(100_000)].concat();
        let before = live();
        let (_, count) = allocations(|| feed(&mut ws, &mut octets, &mut out));
        let octets = live() - before;
        assert!(octets <= 2 * 100_001 + (64 << 10), "{octets} octets");
        assert!(count < 40, "{count} allocations: not one for each fragment");
    }
}

#[test]
fn a_head_under_way_holds_at_most_twice_what_arrived() {
    let config = HandshakeConfig::default();
    let mut octets = with_line(REQUEST, &format!("X: {}", "a".repeat(10_000))).into_bytes();
    octets.truncate(10_000);
    let mut out = warm();
    let before = live();
    let mut handshake = sansocket::ServerHandshake::new(&config);
    assert_eq!(live() - before, 0, "nothing before the first octet");
    for (arrived, octet) in octets.chunks_mut(1).enumerate() {
        let result = handshake.receive(&mut Input::new(octet), &mut out);
        assert!(matches!(result, Ok(None)));
        let held = live() - before;
        assert!(
            held <= 2 * arrived as isize + 64,
            "{held} octets for {arrived}"
        );
    }
    drop(handshake);
    assert_eq!(live() - before, 0);
}

#[test]
fn a_connection_is_small() {
    let size = size_of::<Connection>();
    assert!(size <= 200, "a Connection has {size} octets");
}
