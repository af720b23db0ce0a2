//! What it costs as the work grows, for one unit of it. Its law: the axis ends where the memory does,
//! not where it gets unpleasant.

use crate::measure::{median, round, time, times};
use crate::peers::{self, Connection, PLOTTED, Peer};
use crate::plot::{Axis, Panel, decades, si};
use crate::transport::Transport;
use crate::work::{Role, Task, Work, size};
use bytes::BytesMut;
use sansocket::{Event, Input};
use std::io::{IoSlice, Read};

#[path = "../../tests/support/allocator.rs"]
mod allocator;

/// Peers whose connections would take more than this together are left out.
const MEMORY: f64 = (1_u64 << 30) as f64;

const ROUNDS: usize = 9;

/// Heap octets of a connection, and the time of an echo, for 1 to 1,000,000 connections.
pub fn connections() -> [Panel; 2] {
    let mut work = Work::binary(Task::Echo, Role::Server, 125);
    // A read brings one frame: header, masking key, payload.
    work.stream.truncate(2 + 4 + 125);
    let mut memory = vec![Vec::new(); PLOTTED.len()];
    let mut speed = memory.clone();
    for count in (0..=6).map(|power| 10_usize.pow(power)) {
        eprintln!("connections: {count}");
        for (peer, (memory, speed)) in PLOTTED.iter().zip(memory.iter_mut().zip(&mut speed)) {
            let last = memory.last().map_or(0.0, |&(_, octets)| octets);
            if last * count as f64 > MEMORY {
                continue;
            }
            let (octets, time) = if peer.name == peers::sansocket::PEER.name {
                room(
                    count,
                    Shared::new(),
                    |shared| shared.ws.push(ours(&work)),
                    Shared::echo,
                )
            } else {
                let open = |room: &mut Vec<_>| room.push(theirs(peer, &work));
                room(count, Vec::new(), open, |room, n| room[n].echo(1))
            };
            memory.push((count as f64, octets));
            speed.push((count as f64, time));
        }
    }
    let x = || Axis {
        label: "connections",
        ticks: (0..=6).map(|n| 10_f64.powi(n)).collect(),
        format: |n| si(n, ""),
    };
    let octets = Axis {
        label: "",
        ticks: decades(&memory),
        format: |octets| si(octets, "B"),
    };
    let seconds = Axis {
        label: "",
        ticks: decades(&speed),
        format: |ns| si(ns / 1e9, "s"),
    };
    [
        Panel {
            title: "Heap memory of a connection",
            x: x(),
            y: octets,
            lines: memory,
        },
        Panel {
            title: "An echo of 125 B, connections in turn",
            x: x(),
            y: seconds,
            lines: speed,
        },
    ]
}

/// Octets for each of `count` connections, and nanoseconds for an echo on each of them in turn.
fn room<R>(
    count: usize,
    mut room: R,
    open: impl Fn(&mut R),
    echo: impl Fn(&mut R, usize),
) -> (f64, f64) {
    let ((), held) = allocator::held(|| {
        for n in 0..count {
            open(&mut room);
            echo(&mut room, n); // some have buffers only from then on
        }
    });
    // Not in a row, which the processor would foresee; a step that ends in 3 reaches all of 10^n.
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

fn theirs(peer: &Peer, work: &Work) -> Box<dyn Connection> {
    (peer.open)(work, Transport::new(work.stream.clone()))
}

fn ours(work: &Work) -> (sansocket::Connection, Transport) {
    (
        peers::sansocket::connection(work.role),
        Transport::new(work.stream.clone()),
    )
}

/// Connections of ours, as a thread has them: with one buffer to read into and one to write from.
struct Shared {
    ws: Vec<(sansocket::Connection, Transport)>,
    read: Vec<u8>,
    out: BytesMut,
}

impl Shared {
    fn new() -> Self {
        Self {
            ws: Vec::new(),
            read: vec![0; 16 << 10],
            out: BytesMut::with_capacity(16 << 10),
        }
    }

    fn echo(&mut self, n: usize) {
        let (ws, transport) = &mut self.ws[n];
        let len = transport.read(&mut self.read).expect("it never fails");
        let mut input = Input::new(&mut self.read[..len]);
        while let Some(event) = ws.receive(&mut input, &mut self.out) {
            let Event::Binary(data) = event else {
                unreachable!("{event:?}")
            };
            ws.send_binary(&data, &mut self.out).expect("it is open");
        }
        transport.put(&[IoSlice::new(&self.out)]);
        self.out.clear();
    }
}

/// Octets a second for messages of 0 to 64 MiB, received and sent.
pub fn sizes() -> [Panel; 2] {
    [
        ("Receive, by length of message", Task::Receive),
        ("Send, by length of message", Task::Send),
    ]
    .map(|(title, task)| {
        let mut lines = vec![Vec::new(); PLOTTED.len()];
        for len in [0]
            .into_iter()
            .chain((0..=26).step_by(2).map(|power| 1 << power))
        {
            let work = Work::binary(task, Role::Server, len);
            eprintln!("{}", work.name);
            let frame = len + work.overhead();
            for (line, time) in lines.iter_mut().zip(times(&work, PLOTTED, ROUNDS)) {
                let ns = time.expect("all peers can do that");
                line.push(((len as f64).max(ZERO), frame as f64 / ns * 1e9));
            }
        }
        let ticks = [ZERO]
            .into_iter()
            .chain((0..=24).step_by(4).map(|power| f64::from(1 << power)))
            .chain([f64::from(1 << 26)]);
        let x = Axis {
            label: "octets in a message",
            ticks: ticks.collect(),
            format: |len| {
                if len < 1.0 {
                    "0".into()
                } else {
                    size(len as usize)
                }
            },
        };
        let y = Axis {
            label: "",
            ticks: decades(&lines),
            format: |rate| si(rate, "B/s"),
        };
        Panel { title, x, y, lines }
    })
}

/// Where an axis that counts by factors has its zero.
const ZERO: f64 = 1.0 / 16.0;
