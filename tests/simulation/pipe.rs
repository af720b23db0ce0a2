//! One direction of a transport: a buffer of limited size whose bytes take their time.
//!
//! Invariant: bytes arrive in order or not at all, and everything ever written is kept for the judge.

use crate::plan::Micros;
use std::collections::VecDeque;

const NEVER: Micros = Micros::MAX;

#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// All that was ever written.
    pub(crate) bytes: Vec<u8>,
    /// The number of bytes that were read.
    read: usize,
    /// When the bytes up to this place arrive.
    arrivals: VecDeque<(Micros, usize)>,
    capacity: usize,
    /// When the end of the stream arrives, after all bytes.
    end: Option<Micros>,
    /// When the reader is told that the transport is broken, whatever it has not read.
    broken: Option<Micros>,
    /// Nothing that is written arrives any more.
    is_cut: bool,
    /// The reader is gone: what is written is lost, without resistance.
    is_gone: bool,
}

impl Pipe {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            ..Self::default()
        }
    }

    pub(crate) fn room(&self) -> usize {
        if self.is_gone {
            return usize::MAX;
        }
        self.capacity.saturating_sub(self.bytes.len() - self.read)
    }

    /// Takes at most `bytes`; what it takes arrives at this time, or after what was sent before.
    pub(crate) fn write(&mut self, bytes: &[u8], arrives: Micros) -> usize {
        let n = self.room().min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..n]);
        let before = self.arrivals.back().map_or(0, |(time, _)| *time);
        let arrives = if self.is_cut || self.is_gone {
            NEVER
        } else {
            arrives
        };
        self.arrivals
            .push_back((arrives.max(before), self.bytes.len()));
        n
    }

    /// Reads at most `most` of what has arrived by now.
    pub(crate) fn read(&mut self, most: usize, now: Micros) -> &[u8] {
        let mut arrived = self.read;
        while let Some((time, end)) = self.arrivals.front().copied()
            && time <= now
        {
            let taken = end.min(self.read + most);
            arrived = taken;
            if taken < end {
                break;
            }
            self.arrivals.pop_front();
        }
        let from = std::mem::replace(&mut self.read, arrived);
        &self.bytes[from..arrived]
    }

    /// When there is something to read, or to be told.
    pub(crate) fn next(&self) -> Option<Micros> {
        let arrival = self.arrivals.front().map(|(time, _)| *time);
        let next = arrival.or(self.end).unwrap_or(NEVER);
        let next = next.min(self.broken.unwrap_or(NEVER));
        (next != NEVER).then_some(next)
    }

    pub(crate) fn has_ended(&self, now: Micros) -> bool {
        self.arrivals.is_empty() && self.end.is_some_and(|time| time <= now)
    }

    pub(crate) fn is_broken(&self, now: Micros) -> bool {
        self.broken.is_some_and(|time| time <= now)
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.read < self.bytes.len()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// The writer ends its stream.
    pub(crate) fn end(&mut self, arrives: Micros) {
        let before = self.arrivals.back().map_or(0, |(time, _)| *time);
        if before != NEVER && !self.is_cut {
            let arrives = arrives.max(before);
            self.end.get_or_insert(arrives);
        }
    }

    /// The reader learns at this time that the transport is broken.
    pub(crate) fn breaks(&mut self, arrives: Micros) {
        if !self.is_cut {
            self.broken.get_or_insert(arrives);
        }
    }

    /// Nothing arrives any more, and nobody is told.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        for (time, _) in &mut self.arrivals {
            *time = NEVER;
        }
    }

    /// The reader is gone.
    pub(crate) fn forsake(&mut self) {
        self.is_gone = true;
    }
}
