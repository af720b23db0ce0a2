//! One message to many connections, in each way that this crate has.
//!
//! Invariant: making a prepared message is part of the time of sending it.

use crate::measure::{self, Effort, TABLE, Way};
use crate::tables::{Row, Table};
use crate::work::size;
use bytes::{Bytes, BytesMut};
use report::Figure;
use sansocket::{Connection, Deflate, Extension, Prepared, Settings};
use std::hint::black_box;
use std::iter;

const RECEIVERS: usize = 10_000;

/// One round takes a message to all receivers, which is up to 50 times as long as a round of the other tables.
const EFFORT: Effort = Effort { rounds: 3, ..TABLE };

pub fn table() -> Table {
    let head = [
        "ns for each receiver",
        "`send(text)`",
        "`send(&prepared)`",
        "`share(&prepared)`",
    ];
    let cases = [(false, 1 << 10), (false, 16 << 10), (true, 1 << 10)];
    Table {
        mark: "broadcast",
        head: head.map(String::from).into(),
        rows: cases.map(|(compressed, len)| row(compressed, len)).into(),
        has_rivals: false,
    }
}

fn row(compressed: bool, len: usize) -> Row {
    let kind = match compressed {
        true => "compressed without context takeover",
        false => "plain",
    };
    let name = format!("broadcast, {kind}, {}", size(len));
    let measure = move || {
        let text = json(len);
        let start = || ways(&text, compressed).map(Some).into();
        let each = |figure: Figure| Figure {
            median: figure.median / RECEIVERS as f64,
            ..figure
        };
        let figures = measure::figures(EFFORT, start);
        figures.into_iter().map(|figure| figure.map(each)).collect()
    };
    (name, Box::new(measure))
}

/// Each has connections of its own.
fn ways(text: &str, compressed: bool) -> [Way<'_>; 3] {
    let room = || -> Vec<_> {
        iter::repeat_with(|| server(compressed))
            .take(RECEIVERS)
            .collect()
    };
    let (mut each, mut prepared, mut shared) = (room(), room(), room());
    let out = || BytesMut::with_capacity(2 * text.len() + 64);
    let (mut each_out, mut prepared_out) = (out(), out());
    let mut frames: Vec<Bytes> = Vec::with_capacity(RECEIVERS);
    // A buffer is cleared as if it were written: the next message finds it warm.
    [
        Box::new(move |n| {
            for _ in 0..n {
                for ws in &mut each {
                    ws.send(text, &mut each_out).expect("it is open");
                    black_box(&mut each_out).clear();
                }
            }
        }),
        Box::new(move |n| {
            for _ in 0..n {
                let message = Prepared::new(text);
                for ws in &mut prepared {
                    ws.send(&message, &mut prepared_out).expect("it is open");
                    black_box(&mut prepared_out).clear();
                }
            }
        }),
        Box::new(move |n| {
            for _ in 0..n {
                let message = Prepared::new(text);
                let shares = shared
                    .iter_mut()
                    .map(|ws| ws.share(&message).expect("it is open"));
                frames.extend(shares);
                black_box(&mut frames).clear();
            }
        }),
    ]
}

fn server(compressed: bool) -> Connection {
    let ws = Connection::server(Settings::default());
    if !compressed {
        return ws;
    }
    let agreed = Extension::new("permessage-deflate").expect("a token");
    let agreed = agreed.param("server_no_context_takeover", None);
    ws.with_deflate(&Deflate::default(), &agreed.expect("a token"))
        .expect("a response may say that")
}

/// Text that compresses like what applications send.
fn json(len: usize) -> String {
    let entry = |n: u32| {
        format!(
            r#"{{"id":{},"price":{}}},"#,
            n * 7919 % 99_991,
            n * n % 4093
        )
    };
    let chars = (1..).flat_map(|n| entry(n).chars().collect::<Vec<_>>());
    chars.take(len).collect()
}
