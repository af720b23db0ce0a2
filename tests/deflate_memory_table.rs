//! The README's table of the memory that permessage-deflate takes, measured. Its law: the README
//! says what this prints.
//!
//!     cargo test --test deflate_memory_table -- --nocapture

#[path = "support/allocator.rs"]
mod allocator;
mod support;

use allocator::live;
use bytes::BytesMut;
use sansocket::{Config, Connection, Deflate, DeflateConfig, DeflateParams, Input, WindowBits};
use std::fmt::Write;
use support::Random;

const README: &str = include_str!("../README.md");

fn params(bits: u8, takeover: bool) -> DeflateParams {
    DeflateParams {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_max_window_bits: WindowBits::new(bits),
        client_max_window_bits: WindowBits::new(bits),
    }
}

fn deflate(mem_level: u8) -> Deflate {
    let mut config = DeflateConfig::default();
    config.mem_level = mem_level;
    Deflate::new(config)
}

fn server(deflate: &Deflate, params: &DeflateParams) -> Connection {
    Connection::server(&Config::default()).with_deflate(deflate, params)
}

/// Messages that fill every window, as a client sends them.
fn compressed(params: &DeflateParams) -> Vec<u8> {
    let mut client = Connection::client(&Config::default(), [7; 32]);
    client = client.with_deflate(&deflate(8), params);
    let (mut out, mut random) = (BytesMut::new(), Random(1));
    for _ in 0..8 {
        let message: Vec<u8> = (0..8_192).map(|_| random.below(16) as u8).collect();
        client.send_binary(&message, &mut out).unwrap();
    }
    out.to_vec()
}

fn receive(ws: &mut Connection, mut octets: Vec<u8>) {
    let (mut input, mut out) = (Input::new(&mut octets), BytesMut::new());
    while ws.receive(&mut input, &mut out).is_some() {}
    assert_eq!(ws.error(), None);
}

/// What the connection alone holds, beside the `Connection` itself: what goes when it does, while
/// the states that it shares stay.
fn held(ws: Connection) -> isize {
    let before = live();
    drop(ws);
    before - live()
}

fn kib(octets: isize) -> String {
    match octets {
        0 => "0".into(),
        1..1024 => format!("{octets} B"),
        _ => format!("{:.0} KiB", octets as f64 / 1024.0),
    }
}

fn table() -> String {
    let mut table = String::from(
        "| context takeover | window | idle | has received | has sent | has sent, `mem_level` 1 | while a message comes in |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for takeover in [true, false] {
        for bits in [9, 12, 15] {
            let params = params(bits, takeover);
            let shared = deflate(8);
            let idle = held(server(&shared, &params));
            let received = {
                let mut ws = server(&shared, &params);
                receive(&mut ws, compressed(&params));
                held(ws)
            };
            let sent = [8, 1].map(|mem_level| {
                let shared = deflate(mem_level);
                let mut ws = server(&shared, &params);
                let mut out = BytesMut::new();
                ws.send_binary(&[b'a'; 100_000], &mut out).unwrap();
                held(ws)
            });
            let receiving = {
                let mut ws = server(&shared, &params);
                receive(&mut ws, compressed(&params));
                let mut begun = compressed(&params);
                begun.truncate(30); // a message of 8 KiB, hardly begun
                receive(&mut ws, begun);
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
fn the_readme_says_what_is_measured() {
    let table = table();
    println!("{table}");
    assert!(
        README.contains(&table),
        "the README has another table:\n{table}"
    );
}
