//! Allocations, and memory held (RFC 6455, section 10.4).
//!
//! Invariant: nothing is allocated for a message that is complete in a read, nothing is held while
//! idle, and a message under way holds as much as has arrived, never as much as was announced.

use crate::allocator::{allocations, held, live};
use crate::support::*;
use bytes::BytesMut;
use sansocket::{
    CloseCode, Config, Connection, Deliver, Endpoint, Event, Input, Role, Settings, Tick,
};
use std::time::Duration;

/// Feeds bytes and drops the events; returns their number.
fn feed(ws: &mut Connection, bytes: &mut [u8], out: &mut BytesMut) -> usize {
    let (mut input, mut events) = (Input(bytes), 0);
    while let Some(event) = ws.receive(&mut input, out) {
        assert!(!matches!(event, Event::Failed(_)), "{event:?}");
        events += 1;
    }
    events
}

/// An output that has been used before.
pub(crate) fn warm() -> BytesMut {
    BytesMut::with_capacity(4 << 20)
}

#[test]
fn the_counters_count() {
    let (bytes, count) = allocations(|| vec![0_u8; 100]);
    assert_eq!(count, 1);
    assert_eq!(held(|| drop(bytes)).1, -100);
}

#[test]
fn receiving_complete_frames_allocates_nothing() {
    for role in ROLES {
        let (mut ws, mut out) = (connection(role, Settings::default()), warm());
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            for first in [0x81, 0x82] {
                let mut bytes = frame(role, first, &vec![b'x'; len]);
                let (events, count) = allocations(|| feed(&mut ws, &mut bytes, &mut out));
                assert_eq!((events, count), (1, 0), "{role:?} {first:x} {len}");
            }
        }
        for (first, payload) in [
            (0x89, &[1; 125][..]),
            (0x8a, b"pong"),
            (0x88, b"\x03\xe8bye"),
        ] {
            let mut bytes = frame(role, first, payload);
            let (events, count) = allocations(|| feed(&mut ws, &mut bytes, &mut out));
            assert_eq!((events, count), (1, 0), "{role:?} {first:x}");
        }
        assert_eq!(sent_frames(&out, role).len(), 2, "Pong and Close");
    }
}

#[test]
fn sending_into_a_warm_output_allocates_nothing() {
    let (text, data) = ("x".repeat(1 << 20), vec![0; 1 << 20]);
    for role in ROLES {
        let (mut ws, mut out) = (connection(role, Settings::default()), warm());
        let (result, count) = allocations(|| {
            for len in [0, 1, 125, 126, 65_536, 1 << 20] {
                out.clear();
                ws.send(&text[..len], &mut out)?;
                ws.send(&data[..len], &mut out)?;
                ws.send_piece(&text[..len], false, &mut out)?;
                ws.send_piece("", true, &mut out)?;
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
        let (mut ws, mut out) = (connection(role, Settings::default()), warm());
        let mut bytes = [0xff; 100];
        let (failed, count) = allocations(|| {
            let mut input = Input(&mut bytes);
            matches!(ws.receive(&mut input, &mut out), Some(Event::Failed(_)))
        });
        assert!(failed);
        assert_eq!(count, 0);
    }
}

#[test]
fn an_idle_connection_holds_nothing() {
    // Elsewhere each connection has a read buffer, or keeps the buffer of its largest message.
    for role in ROLES {
        let mut out = warm();
        let mib = vec![b'x'; 1 << 20];
        let full = frame(role, 0x81, b"echo");
        let fragments = [
            frame(role, 1, b"a"),
            frame(role, 0, b""),
            frame(role, 0x80, b"b"),
        ];
        let large = frame(role, 0x82, &mib);
        let ping = frame(role, 0x89, &[1; 125]);
        let large_fragments = [frame(role, 1, &mib), frame(role, 0x80, &mib)];

        let (mut ws, bytes) = held(|| connection(role, Settings::default()));
        assert_eq!(bytes, 0, "new");
        for (name, wire) in [
            ("one frame", full),
            ("fragments", fragments.concat()),
            ("large message", large),
            ("control frame", ping),
            ("large fragments", large_fragments.concat()),
        ] {
            for piece_len in [1, 100, 4_096, usize::MAX] {
                if piece_len == 1 && wire.len() > 1_000 {
                    continue; // the others cut enough
                }
                let mut bytes = wire.clone();
                let (events, bytes) = held(|| {
                    let pieces = bytes.chunks_mut(piece_len);
                    pieces
                        .map(|piece| feed(&mut ws, piece, &mut out))
                        .sum::<usize>()
                });
                assert_eq!((events, bytes), (1, 0), "{name} in {piece_len}");
            }
        }
        let (result, bytes) = held(|| {
            out.clear();
            ws.send("echo", &mut out)
        });
        assert_eq!((result, bytes), (Ok(()), 0), "sent");
    }
}

#[test]
fn a_connection_that_is_over_holds_nothing() {
    for role in ROLES {
        for end in [vec![0x83], frame(role, 0x88, b""), Vec::new()] {
            let (mut unfinished, mut end) = (frame(role, 1, &[b'x'; 5_000]), end);
            let mut out = warm();
            let (_ws, bytes) = held(|| {
                let mut ws = connection(role, Settings::default());
                feed(&mut ws, &mut unfinished, &mut out);
                let mut input = Input(&mut end);
                if ws.receive(&mut input, &mut out).is_none() {
                    ws.receive_eof();
                    assert!(!ws.end().unwrap().is_clean());
                }
                ws
            });
            assert_eq!(bytes, 0, "the message under way is dropped");
        }
    }
}

#[test]
fn an_announced_length_holds_no_memory() {
    // Elsewhere a header of 14 bytes made the receiver allocate the announced length.
    for role in ROLES {
        for first in [0x81, 0x82, 0x01, 0x02] {
            let mut out = warm();
            let mut header = frame_header(role, first, 16 << 20);
            let (mut ws, bytes) = held(|| {
                let mut ws = connection(role, Settings::default());
                feed(&mut ws, &mut header, &mut out);
                ws
            });
            assert_eq!(bytes, 0, "nothing has arrived yet");
            let mut payload = xor(&[b'x'; 10], if role == Role::Server { KEY } else { [0; 4] });
            let ((), bytes) = held(|| {
                feed(&mut ws, &mut payload, &mut out);
            });
            assert!((10..=64 << 10).contains(&bytes), "{bytes} bytes for 10");
            // The promise of the code: at most 8 times what has arrived.
            assert!(bytes <= 9 * 10, "{bytes} bytes for 10");
        }
    }
}

#[test]
fn a_rejected_length_allocates_nothing() {
    for role in ROLES {
        for claim in [(16 << 20) + 1, 1 << 62, (1 << 63) - 1] {
            let mut header = frame_header(role, 0x82, claim);
            let (mut ws, mut out) = (connection(role, Settings::default()), warm());
            let (failed, count) = allocations(|| {
                let mut input = Input(&mut header);
                matches!(ws.receive(&mut input, &mut out), Some(Event::Failed(_)))
            });
            assert!(failed);
            assert_eq!(count, 0);
        }
    }
}

#[test]
fn a_hundred_announced_lengths_hold_next_to_nothing() {
    for role in ROLES {
        let mut connections = Vec::with_capacity(100);
        let mut out = warm();
        let mut bytes = frame_header(role, 0x82, 16 << 20);
        bytes.extend([0; 10]);
        let mut reads = vec![bytes; 100];
        let ((), bytes) = held(|| {
            for read in &mut reads {
                let mut ws = connection(role, Settings::default());
                feed(&mut ws, read, &mut out);
                connections.push(ws);
            }
        });
        assert!(bytes <= 100 * (64 << 10), "{bytes} bytes");
        assert_eq!(
            held(|| drop(connections)).1 + bytes,
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
                    (connection(role, Settings::default()), warm(), 0);
                let before = live();
                for read in wire.chunks_mut(read_len) {
                    arrived += read.len() as isize;
                    feed(&mut ws, read, &mut out);
                    let bytes = live() - before;
                    assert!(
                        bytes <= 2 * arrived + (64 << 10),
                        "{bytes} bytes for {arrived}, {read_len} a read"
                    );
                }
            }
        }
    }
}

#[test]
fn empty_fragments_and_control_frames_in_between_cost_nothing() {
    // Elsewhere each fragment was an object in a list.
    let settings = settings(|s| s.max_fragments = u32::MAX);
    for role in ROLES {
        let (mut ws, mut out) = (connection(role, settings), warm());
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
        let (mut ws, mut out) = (connection(role, Settings::default()), warm());
        let fragment = frame(role, 0, b"x");
        let mut bytes = [frame(role, 2, b"x"), fragment.repeat(100_000)].concat();
        let before = live();
        let (_, count) = allocations(|| feed(&mut ws, &mut bytes, &mut out));
        let bytes = live() - before;
        assert!(bytes <= 2 * 100_001 + (64 << 10), "{bytes} bytes");
        assert!(count < 40, "{count} allocations: not one for each fragment");
    }
}

#[test]
fn pieces_and_messages_that_wait_in_the_input_allocate_nothing() {
    for role in ROLES {
        for (deliver, first) in [
            (Deliver::Pieces, 0x81),
            (Deliver::Pieces, 0x82),
            (Deliver::InPlace, 0x81),
            (Deliver::InPlace, 0x82),
        ] {
            let mut ws = connection(role, settings(|s| s.deliver = deliver));
            // A character cut by reads would be put together and delivered as a piece of its own.
            let character = if deliver == Deliver::Pieces {
                "e"
            } else {
                "é"
            };
            let wire = frame(role, first, character.repeat(5_000).as_bytes());
            for read_len in [1, 7, 4_096, usize::MAX] {
                let (mut bytes, mut out) = (wire.clone(), warm());
                let mut ends = 0;
                let ((), count) = allocations(|| {
                    // What is left is received again, with what follows it.
                    let (mut start, mut end) = (0, 0);
                    while end < bytes.len() {
                        end = bytes.len().min(end.saturating_add(read_len));
                        let mut input = Input(&mut bytes[start..end]);
                        while let Some(event) = ws.receive(&mut input, &mut out) {
                            ends += match event {
                                Event::Piece(piece) => usize::from(piece.is_last()),
                                Event::Text(_) | Event::Binary(_) => 1,
                                other => panic!("{other:?}"),
                            };
                        }
                        start = end - input.0.len();
                    }
                    assert_eq!(start, end);
                });
                assert_eq!((ends, count), (1, 0), "{deliver:?} {first:x} {read_len}");
            }
        }
    }
}

/// An open endpoint, with the output of its opening handshake in `out`.
fn open(role: Role, out: &mut BytesMut) -> Endpoint {
    let config = Config::default();
    match role {
        Role::Server => {
            let mut endpoint = Endpoint::server(&config, Duration::ZERO);
            let mut bytes = REQUEST.as_bytes().to_vec();
            let event = endpoint.receive(&mut Input(&mut bytes), Duration::ZERO, out);
            let Some(Event::Request(request)) = event else {
                panic!("{event:?}");
            };
            endpoint.accept(request, out).unwrap();
            endpoint
        }
        Role::Client => {
            let asked = ask(&client_request(), RESPONSE, b"", Cuts::Bytes, &config);
            asked.opened();
            asked.endpoint
        }
    }
}

#[test]
fn an_idle_endpoint_holds_nothing() {
    for role in ROLES {
        let mut out = warm();
        let (mut endpoint, bytes) = held(|| open(role, &mut out));
        assert_eq!(bytes, 0, "{role:?}: its opening handshake is forgotten");
        let mut read = frames(role, &[(1, b"a"), (0x80, b"b"), (0x89, b"ping")]);
        let (wake, bytes) = held(|| {
            let mut input = Input(&mut read);
            while let Some(event) = endpoint.receive(&mut input, Duration::ZERO, &mut out) {
                assert!(!matches!(event, Event::Failed(_)), "{event:?}");
            }
            let n = out.len();
            endpoint.wrote(n, Duration::ZERO, &mut out);
            endpoint.tick(Duration::ZERO, &mut out)
        });
        assert_eq!(bytes, 0, "{role:?}: its message was complete");
        let Tick::Wait(Some(wake)) = wake else {
            panic!("{wake:?}");
        };
        let (next, count) = allocations(|| endpoint.tick(wake, &mut out));
        assert!(matches!(next, Tick::Wait(Some(_))) && !out.is_empty());
        assert_eq!(count, 0, "{role:?}: its Ping");
    }
}

#[test]
fn a_head_under_way_holds_at_most_twice_what_arrived() {
    let config = Config::default();
    let mut bytes = with_line(REQUEST, &format!("X: {}", "a".repeat(10_000))).into_bytes();
    bytes.truncate(10_000);
    let mut out = warm();
    let before = live();
    let mut endpoint = Endpoint::server(&config, Duration::ZERO);
    let own = live() - before;
    assert!(own <= 256, "{own} bytes, of which an open endpoint is rid");
    for (arrived, byte) in bytes.chunks_mut(1).enumerate() {
        let event = endpoint.receive(&mut Input(byte), Duration::ZERO, &mut out);
        assert_eq!(event, None);
        let held = live() - before - own;
        assert!(
            held <= 2 * arrived as isize + 64,
            "{held} bytes for {arrived}"
        );
    }
    drop(endpoint);
    assert_eq!(live() - before, 0);
}
