//! The most that a connection may hold, as a formula of its configuration (RFC 6455, section 10.4), which
//! `SECURITY.md` tells.
//!
//! Invariant: no peer makes it hold more, and a hostile one makes it hold nearly as much.
//!
//!     cargo test --test memory formula -- --nocapture

use crate::allocations::warm;
use crate::allocator::peak;
use crate::heads::lines;
use crate::support::deflate::{Block, Params, write_message};
use crate::support::*;
use bytes::BytesMut;
use sansocket::{Config, Connection, Deflate, Endpoint, Event, Input, Role};
use std::time::Duration;

const NOW: Duration = Duration::ZERO;
const SECURITY: &str = include_str!("../../SECURITY.md");

/// What `SECURITY.md` says, in bytes, of what is not written yet: each line is one of the functions below.
const FORMULA: [&str; 4] = [
    "server, opening = 5·max_head_size + 48·max_headers + 2 KiB",
    "client, opening = max(4·max_head_size, 2·max_head_size + max_body_size) + 48·max_headers + 2 KiB",
    "open            = max_message_size + compression",
    "compression     = 80 KiB + 2^receiving + 4·2^sending + 2^(mem_level + 9) + 136 KiB",
];

fn opening(role: Role, config: &Config) -> isize {
    let (head, body) = (config.max_head_size, config.max_body_size);
    let texts = match role {
        // With what a client sends before it is answered.
        Role::Server => 5 * head,
        Role::Client => (4 * head).max(2 * head + body),
    };
    (texts + 48 * config.max_headers + (2 << 10)) as isize
}

/// `bits` are those of the window for receiving, and for sending.
fn open(config: &Config, bits: [u8; 2]) -> isize {
    let message = config.settings.max_message_size as isize;
    let compression = config.deflate.as_ref().map_or(0, |deflate| {
        let [receiving, sending] = bits.map(|bits| 1 << bits);
        let compressor = 4 * sending + (1 << (deflate.mem_level + 9)) + (136 << 10);
        (80 << 10) + receiving + compressor
    });
    message + compression
}

/// Feeds bytes in reads of this size.
fn feed(ws: &mut Connection, bytes: &mut [u8], read: usize, out: &mut BytesMut) {
    for read in bytes.chunks_mut(read) {
        let mut input = Input(read);
        while let Some(event) = ws.receive(&mut input, out) {
            assert!(!matches!(event, Event::Failed(_)), "{event:?}");
        }
    }
}

/// A message that makes its place grow once more for its last bytes.
fn growing(role: Role, first: u8, max: usize) -> Vec<u8> {
    let mut wire = frame(role, first, &vec![b'x'; max - 8]);
    for _ in 0..7 {
        wire.extend_from_slice(&frame(role, 0, b"x"));
    }
    wire
}

/// Compressed messages that fill every window, up to this limit.
fn filling(role: Role, max: usize) -> Vec<u8> {
    let payload = write_message(&[(Block::Stored(noise(max, 7)), false)]);
    frame(role, 0xc2, &payload).repeat(40_000 / max + 1)
}

#[test]
fn an_open_connection_holds_no_more_than_the_formula_and_may_hold_as_much() {
    for max in [1_000, 65_536, 1 << 20] {
        for (bits, mem_level) in [(None, 0), (Some(9), 1), (Some(15), 8), (Some(15), 9)] {
            for role in ROLES {
                let config = config(|c| {
                    c.settings.max_message_size = max as u64;
                    c.deflate = bits.map(|_| {
                        let mut deflate = Deflate::default();
                        deflate.mem_level = mem_level;
                        deflate
                    });
                });
                let allowed = open(&config, [bits.unwrap_or(0); 2]);
                let mut most = 0;
                let (sent, filling) = (noise(100_000, 9), filling(role, max));
                for (first, read) in [(2, usize::MAX), (2, 100), (1, usize::MAX), (1, 7)] {
                    let (mut wire, mut out) = (growing(role, first, max), warm());
                    let mut filling = filling.clone();
                    let ((), held) = peak(|| {
                        let mut ws = connection(role, config.settings);
                        if let (Some(bits), Some(deflate)) = (bits, &config.deflate) {
                            ws = Params::both_ways(bits, false).agreed(ws, deflate);
                            feed(&mut ws, &mut filling, usize::MAX, &mut out);
                            // A message that is not complete keeps its compressor.
                            ws.send_piece(&sent, false, &mut out).unwrap();
                        }
                        feed(&mut ws, &mut wire, read, &mut out);
                    });
                    assert!(
                        held <= allowed,
                        "{role:?} {max} {bits:?} {mem_level}: {held} bytes, not {allowed}"
                    );
                    most = held.max(most);
                }
                println!("{role:?} {max} {bits:?} {mem_level}: {most} of {allowed}");
                assert!(most * 10 >= allowed * 9, "{most} of {allowed}");
            }
        }
    }
}

/// The most that an endpoint holds for this head and what comes after it.
fn while_opening(role: Role, config: &Config, head: &str, rest: usize) -> isize {
    let (mut out, request, rest) = (warm(), client_request(), vec![b'x'; rest]);
    // What it sends depends on the seed alone.
    let _ = Endpoint::client(&request, config, [9; 32], NOW, &mut out);
    let head = head.replace("ACCEPT", &accept_key(&key_in(&out)));
    let ((), held) = peak(|| {
        let mut ws = match role {
            Role::Server => Endpoint::server(config, NOW),
            Role::Client => Endpoint::client(&request, config, [9; 32], NOW, &mut out),
        };
        let mut asked = None;
        let mut buffer = [0; 100];
        for read in head.as_bytes().chunks(100).chain(rest.chunks(100)) {
            let read_here = &mut buffer[..read.len()];
            read_here.copy_from_slice(read);
            let mut input = Input(read_here);
            while let Some(event) = ws.receive(&mut input, NOW, &mut out) {
                if let Event::Request(request) = event {
                    asked = Some(request);
                }
            }
        }
        ws.receive_eof();
        drop(asked);
    });
    held
}

#[test]
fn an_endpoint_that_opens_holds_no_more_than_the_formula_and_may_hold_as_much() {
    for (head, headers, body) in [(4 << 10, 20, 4 << 10), (16 << 10, 128, 64 << 10)] {
        let config = config(|c| {
            (c.max_head_size, c.max_headers, c.max_body_size) = (head, headers, body);
        });
        for role in ROLES {
            let (allowed, mut most) = (opening(role, &config), 0);
            let starts = match role {
                Role::Server => &[REQUEST][..],
                Role::Client => &[RESPONSE, "HTTP/1.1 401 X\r\nServer: x\r\n\r\n"],
            };
            for start in starts {
                for (kind, lines) in lines(head - start.len() - 100) {
                    let all = start.replacen("\r\n", &format!("\r\n{lines}"), 1);
                    assert!(all.len() <= head);
                    let rest = if role == Role::Server { head } else { body };
                    let held = while_opening(role, &config, &all, rest);
                    assert!(
                        held <= allowed,
                        "{role:?} {kind}: {held} bytes, not {allowed}"
                    );
                    most = held.max(most);
                }
            }
            println!("{role:?} {head} {headers} {body}: {most} of {allowed}");
            assert!(most * 2 >= allowed, "{most} of {allowed}");
        }
    }
}

#[test]
fn the_formula_is_in_security_md() {
    for line in FORMULA {
        assert!(SECURITY.contains(line), "{line}");
    }
}
