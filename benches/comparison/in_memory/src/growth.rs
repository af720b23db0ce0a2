//! The cost of one unit of work as the work grows.
//!
//! Invariant: an axis ends where memory ends, not where the figures become unpleasant.

use crate::check::figures;
use crate::measure::{Effort, median, round, time};
use crate::peers::{PLOTTED, sansocket};
use crate::plot::{Panel, si};
use crate::transport::Transport;
use crate::work::{Role, Task, Work, size};
use ::sansocket::{Connection, Deliver, Event, Input};
use bytes::BytesMut;
use std::io::{IoSlice, Read};
use std::iter;

#[path = "../../../../tests/support/allocator.rs"]
mod allocator;

/// Peers whose connections would take more than this together are left out, in bytes.
const MEMORY: f64 = (1_u64 << 30) as f64;

const ROUNDS: usize = 31;

/// For the messages of each size.
const SIZES: Effort = Effort {
    starts: 1,
    rounds: ROUNDS,
};

/// Where a logarithmic axis shows zero.
const ZERO: f64 = 1.0 / 16.0;

/// Heap bytes of a connection, and the time of an echo, for 1 to 1,000,000 connections.
pub fn connections() -> [Panel; 2] {
    let mut work = Work::binary("echo", Task::Echo, Role::Server, 125);
    // A read brings one message.
    work.stream.truncate(work.wire_len);
    let mut memory = vec![Vec::new(); PLOTTED.len()];
    let mut speed = memory.clone();
    let counts: Vec<_> = (0..=6).map(|power| 10_usize.pow(power)).collect();
    for &count in &counts {
        eprintln!("connections: {count}");
        for (n, peer) in PLOTTED.iter().enumerate() {
            let before = memory[n].last().map_or(0.0, |&(_, bytes)| bytes);
            if before * count as f64 > MEMORY {
                continue;
            }
            let transports = || (0..count).map(|_| Transport::new(work.stream.clone()));
            let (bytes, time) = if peer.name == sansocket::PEER.name {
                let open = |shared: &mut Shared| {
                    let ws = || sansocket::connection(work.role, Deliver::Complete);
                    shared.all = transports().map(|transport| (ws(), transport)).collect();
                };
                room(count, Shared::new(), open, Shared::echo)
            } else {
                let open = |all: &mut Vec<_>| {
                    *all = transports()
                        .map(|transport| (peer.open)(&work, transport))
                        .collect();
                };
                room(count, Vec::new(), open, |all, n| all[n].echo(1))
            };
            memory[n].push((count as f64, bytes));
            speed[n].push((count as f64, time / 1e9));
        }
    }
    let panel = |title, y_unit, lines| Panel {
        title,
        x_label: "connections",
        x_ticks: counts
            .iter()
            .map(|&n| (n as f64, si(n as f64, "")))
            .collect(),
        y_unit,
        lines,
    };
    [
        panel("Heap memory of each connection", "B", memory),
        panel("Echo of 125 B, on all of them in turn", "s", speed),
    ]
}

/// Bytes for each of `count` connections, and nanoseconds for an echo on each of them in turn.
fn room<R>(
    count: usize,
    mut room: R,
    open: impl Fn(&mut R),
    echo: impl Fn(&mut R, usize),
) -> (f64, f64) {
    let ((), held) = allocator::held(|| {
        open(&mut room);
        (0..count).for_each(|n| echo(&mut room, n)); // some have buffers only from then on
    });
    // Not in sequence, which the processor would predict; a step that ends in 3 reaches all of 10^n.
    let (mut at, step) = (0, count * 618 / 10_000 * 10 + 3);
    let mut run = |n| {
        for _ in 0..n {
            echo(&mut room, at);
            at = (at + step) % count;
        }
    };
    let n = round(&mut run).max(count);
    let times = (0..ROUNDS).map(|_| time(n, &mut run)).collect();
    (
        held as f64 / count as f64 - size_of::<Transport>() as f64,
        median(times),
    )
}

/// Our connections, as a thread has them: with one buffer to read into and one to write from.
struct Shared {
    all: Vec<(Connection, Transport)>,
    read: Vec<u8>,
    out: BytesMut,
}

impl Shared {
    fn new() -> Self {
        Self {
            all: Vec::new(),
            read: vec![0; 16 << 10],
            out: BytesMut::with_capacity(16 << 10),
        }
    }

    fn echo(&mut self, n: usize) {
        let (ws, transport) = &mut self.all[n];
        let len = transport.read(&mut self.read).expect("it never fails");
        let mut input = Input(&mut self.read[..len]);
        while let Some(event) = ws.receive(&mut input, &mut self.out) {
            let Event::Binary(data) = event else {
                unreachable!("{event:?}")
            };
            ws.send(&data, &mut self.out).expect("it is open");
        }
        transport.put(&[IoSlice::new(&self.out)]);
        self.out.clear();
    }
}

/// Bytes a second, headers included, for messages of 0 to 64 MiB.
pub fn sizes() -> [Panel; 2] {
    [("Receiving", Task::Receive), ("Sending", Task::Send)].map(|(title, task)| {
        let mut lines = vec![Vec::new(); PLOTTED.len()];
        for len in iter::once(0).chain((0..=26).step_by(2).map(|power| 1 << power)) {
            let work = Work::binary(title, task, Role::Server, len);
            eprintln!("{}", work.name);
            for (line, time) in lines.iter_mut().zip(figures(&work, PLOTTED, SIZES)) {
                let seconds = time.expect("all peers can do that").median / 1e9;
                line.push(((len as f64).max(ZERO), work.wire_len as f64 / seconds));
            }
        }
        let ticks = [0, 4, 8, 12, 16, 20, 26].map(|power| 1 << power);
        let ticks = ticks.map(|len| (len as f64, size(len)));
        Panel {
            title,
            x_label: "bytes of a message",
            x_ticks: iter::once((ZERO, "0".into())).chain(ticks).collect(),
            y_unit: "B/s",
            lines,
        }
    })
}
