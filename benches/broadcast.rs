//! One message to 10,000 receivers: what each of them costs by ordinary sends, by appending a prepared
//! message, and by sharing its frame. `cargo bench --bench broadcast`
//!
//! All three ways take turns in one run, and each keeps its best round: the ratios say more than the
//! times, which are those of one machine. Making the prepared message is part of its time.

use bytes::{Bytes, BytesMut};
use sansocket::{Config, Connection, Deflate, DeflateParams, Prepared};
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;

fn json(len: usize) -> String {
    let mut text = String::from("[");
    let mut number = 1_u32;
    while text.len() < len {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let _ = write!(text, r#"{{"id":{number},"price":{}}},"#, number >> 20);
    }
    text.truncate(len);
    text
}

fn server(deflate: Option<&Deflate>) -> Connection {
    let ws = Connection::server(&Config::default());
    let params = DeflateParams {
        server_no_context_takeover: true,
        ..DeflateParams::default()
    };
    match deflate {
        Some(deflate) => ws.with_deflate(deflate, &params),
        None => ws,
    }
}

/// The time of each way to send `text` to all: ordinary, appended, shared.
fn measure(room: &mut [Connection], text: &str) -> [Duration; 3] {
    let mut best = [Duration::MAX; 3];
    let mut out = BytesMut::with_capacity(2 * text.len() + 64);
    let mut frames: Vec<Bytes> = Vec::with_capacity(room.len());
    for _ in 0..ROUNDS {
        for (way, best) in best.iter_mut().enumerate() {
            let start = Instant::now();
            let prepared = Prepared::text(text);
            for ws in &mut *room {
                let sent = match way {
                    0 => ws.send_text(text, &mut out),
                    1 => ws.send_prepared(&prepared, &mut out),
                    _ => ws.share_prepared(&prepared).map(|frame| frames.push(frame)),
                };
                sent.expect("it is open");
                // As if it were written: the next one finds the same warm buffer.
                black_box(&mut out).clear();
            }
            black_box(&mut frames).clear();
            *best = start.elapsed().min(*best);
        }
    }
    best
}

fn main() {
    // `cargo test --benches` only sees that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let receivers = if is_bench { 10_000 } else { 10 };
    println!("{receivers} receivers; ns for each, and the part of an ordinary send");
    println!(
        "{:>20} {:>10} {:>18} {:>18}",
        "", "ordinary", "appended", "shared"
    );
    for (name, deflate) in [("plain", None), ("deflate", Some(Deflate::default()))] {
        for len in [128, 1 << 10, 16 << 10] {
            let mut room: Vec<_> = (0..receivers).map(|_| server(deflate.as_ref())).collect();
            let times = measure(&mut room, &json(len));
            let [ordinary, appended, shared] =
                times.map(|time| time.as_secs_f64() * 1e9 / receivers as f64);
            let part = |time: f64| format!("{time:.1} ({:.4})", time / ordinary);
            let (appended, shared) = (part(appended), part(shared));
            println!("{name:>8} {len:>6} octets {ordinary:>9.1} {appended:>18} {shared:>18}");
        }
    }
}
