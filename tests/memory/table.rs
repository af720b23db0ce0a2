//! Measures the table of permessage-deflate's memory in the docs of `Deflate`.
//!
//! Invariant: the docs say what this prints.
//!
//!     cargo test --test memory table -- --nocapture

use crate::allocator::live;
use crate::support::Random;
use crate::support::deflate::{Params, deflate};
use bytes::BytesMut;
use sansocket::{Connection, Deflate, Event, Input, Settings};
use std::fmt::Write;

const SETTINGS: &str = include_str!("../../src/deflate/settings.rs");

fn with_mem_level(mem_level: u8) -> Deflate {
    deflate(|c| c.mem_level = mem_level)
}

fn server(deflate: &Deflate, params: &Params) -> Connection {
    params.agreed(Connection::server(Settings::default()), deflate)
}

/// Messages that fill every window, as a client sends them.
fn compressed(params: &Params) -> Vec<u8> {
    let client = Connection::client(Settings::default(), [7; 32]);
    let mut client = params.agreed(client, &Deflate::default());
    let (mut out, mut random) = (BytesMut::new(), Random(1));
    for _ in 0..8 {
        let message: Vec<u8> = (0..8_192).map(|_| random.below(16) as u8).collect();
        client.send(&message, &mut out).unwrap();
    }
    out.to_vec()
}

fn receive(ws: &mut Connection, mut bytes: Vec<u8>) {
    let (mut input, mut out) = (Input(&mut bytes), BytesMut::new());
    while let Some(event) = ws.receive(&mut input, &mut out) {
        assert!(matches!(event, Event::Binary(_)), "{event:?}");
    }
    assert!(ws.is_open());
}

/// What the connection alone holds, beside the `Connection` itself: what is freed with it, while
/// the states that it shares stay.
fn held(ws: Connection) -> isize {
    let before = live();
    drop(ws);
    before - live()
}

fn kib(bytes: isize) -> String {
    match bytes {
        0 => "0".into(),
        1..1024 => format!("{bytes} B"),
        _ => format!("{:.0} KiB", bytes as f64 / 1024.0),
    }
}

fn table() -> String {
    let mut table = String::from(
        "| context takeover | window | idle | has received | has sent | has sent, `mem_level` 1 | while a message comes in |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for takeover in [true, false] {
        for bits in [9, 12, 15] {
            let params = Params::both_ways(bits, !takeover);
            let shared = with_mem_level(8);
            let idle = held(server(&shared, &params));
            let received = {
                let mut ws = server(&shared, &params);
                receive(&mut ws, compressed(&params));
                held(ws)
            };
            let sent = [8, 1].map(|mem_level| {
                let shared = with_mem_level(mem_level);
                let mut ws = server(&shared, &params);
                let mut out = BytesMut::new();
                ws.send(&[b'a'; 100_000], &mut out).unwrap();
                held(ws)
            });
            let receiving = {
                let mut ws = server(&shared, &params);
                receive(&mut ws, compressed(&params));
                let mut unfinished = compressed(&params);
                unfinished.truncate(30); // the start of a message of 8 KiB
                receive(&mut ws, unfinished);
                held(ws)
            };
            writeln!(
                table,
                "| {} | {bits} bits | {} | {} | {} | {} | {} |",
                if takeover { "yes" } else { "no" },
                kib(idle),
                kib(received),
                kib(sent[0]),
                kib(sent[1]),
                kib(receiving),
            )
            .unwrap();
        }
    }
    table
}

#[test]
#[cfg_attr(
    not(target_pointer_width = "64"),
    ignore = "the table is of a 64-bit machine"
)]
fn the_docs_say_what_is_measured() {
    let table = table();
    println!("{table}");
    let docs: String = table.lines().map(|line| format!("/// {line}\n")).collect();
    assert!(
        SETTINGS.contains(&docs),
        "the docs of `Deflate` have another table:\n{docs}"
    );
}
