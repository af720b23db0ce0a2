//! Takes the time of several ways to do the same work.
//!
//! Invariant: all ways take turns, so that a busy machine slows all of them alike.

use crate::transport;
use report::Figure;
use std::time::{Duration, Instant};

/// The time of a round: shorter than the operating system lets one program run.
const ROUND: Duration = Duration::from_millis(3);

/// What was written is in a ring of this many bytes, which fits the cache as a kernel's buffers do.
const RING: usize = 256 << 10;

/// One way to do a work: does it for `n` messages.
pub type Way<'a> = Box<dyn FnMut(usize) + 'a>;

/// How often a work is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Each start is a sample: the median of its rounds. All starts are kept, so that each finds its buffers elsewhere in
    /// memory, on which times depend as well.
    pub starts: usize,
    pub rounds: usize,
}

/// For the tables.
pub const TABLE: Effort = Effort {
    starts: 5,
    rounds: 21,
};

/// Nanoseconds for each message in each of the ways that `start` returns; `None` if there is no such way.
pub fn figures<'a>(
    effort: Effort,
    start: impl Fn() -> Vec<Option<Way<'a>>>,
) -> Vec<Option<Figure>> {
    let (mut kept, mut samples) = (Vec::new(), Vec::new());
    for _ in 0..effort.starts {
        let ready = |way: Option<Way<'a>>| {
            let mut way = way?;
            let n = round(&mut way);
            Some((way, n, Vec::new()))
        };
        let mut ways: Vec<_> = start().into_iter().map(ready).collect();
        for number in 0..effort.rounds {
            for turn in 0..ways.len() {
                let turn = (turn + number) % ways.len(); // another one starts
                if let Some((way, n, times)) = &mut ways[turn] {
                    times.push(time(*n, way));
                }
            }
        }
        samples.resize(ways.len(), Vec::new());
        for (samples, way) in samples.iter_mut().zip(&mut ways) {
            samples.extend(
                way.as_mut()
                    .map(|(_, _, times)| median(std::mem::take(times))),
            );
        }
        kept.push(ways);
    }
    let figure = |samples: Vec<f64>| (!samples.is_empty()).then(|| Figure::of(samples));
    samples.into_iter().map(figure).collect()
}

/// The number of messages that make a round, once buffers have grown.
pub fn round(mut run: impl FnMut(usize)) -> usize {
    transport::keep(RING);
    run(4);
    let mut n = 1;
    loop {
        let time = time(n, &mut run);
        if time * n as f64 > ROUND.as_nanos() as f64 / 4.0 {
            return ((ROUND.as_nanos() as f64 / time) as usize).max(1);
        }
        n *= 2;
    }
}

/// Nanoseconds for each of `n` messages.
pub fn time(n: usize, run: impl FnOnce(usize)) -> f64 {
    let start = Instant::now();
    run(n);
    start.elapsed().as_nanos() as f64 / n as f64
}

pub fn median(times: Vec<f64>) -> f64 {
    Figure::of(times).median
}
