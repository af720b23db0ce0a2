//! States that connections share. Its law: what comes out of the pool shows nothing of the
//! connection that used it before.

extern crate std;

use super::compress::Compressor;
use super::inflate::Inflater;
use super::params::WindowBits;
use alloc::boxed::Box;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle inflaters and compressors, a bounded number of each.
#[derive(Debug)]
pub(super) struct Pool {
    states: Mutex<States>,
    max: usize,
}

#[derive(Debug)]
struct States {
    owners: u64,
    /// As the compressors: those used last come last.
    inflaters: Vec<(Owner, Box<Inflater>)>,
    compressors: Vec<(WindowBits, Box<Compressor>)>,
}

/// One of the connections that use a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Pool {
    pub(super) const fn new(max: usize) -> Self {
        let states = States {
            owners: 0,
            inflaters: Vec::new(),
            compressors: Vec::new(),
        };
        Self {
            states: Mutex::new(states),
            max,
        }
    }

    /// A name that no other connection has.
    pub(super) fn new_owner(&self) -> Owner {
        let mut states = self.lock();
        states.owners += 1;
        Owner(states.owners)
    }

    /// The inflater that this owner used last, as it was, if it is still there; or another one,
    /// to be reset. Says which.
    pub(super) fn take_inflater(&self, owner: Owner) -> Option<(Box<Inflater>, bool)> {
        let mut states = self.lock();
        if states.inflaters.is_empty() {
            return None;
        }
        let own = states
            .inflaters
            .iter()
            .rposition(|(last, _)| *last == owner);
        // Otherwise the one that nobody has needed for the longest time.
        let (last, inflater) = states.inflaters.remove(own.unwrap_or(0));
        Some((inflater, last == owner))
    }

    pub(super) fn give_inflater(&self, owner: Owner, inflater: Box<Inflater>) {
        self.keep(&mut self.lock().inflaters, (owner, inflater));
    }

    /// A compressor with an empty window of this size.
    pub(super) fn take_compressor(&self, window: WindowBits) -> Option<Box<Compressor>> {
        let mut states = self.lock();
        let found = states.compressors.iter().rposition(|(of, _)| *of == window);
        found.map(|index| states.compressors.remove(index).1)
    }

    /// Takes back a compressor that has been reset.
    pub(super) fn give_compressor(&self, window: WindowBits, compressor: Box<Compressor>) {
        self.keep(&mut self.lock().compressors, (window, compressor));
    }

    /// Puts a state at the end; the one that has waited longest goes if there are too many.
    fn keep<T>(&self, states: &mut Vec<T>, state: T) {
        if states.len() >= self.max && !states.is_empty() {
            states.remove(0);
        }
        if states.len() < self.max {
            states.push(state);
        }
    }

    /// A panic elsewhere in the thread that held the lock has left the lists whole.
    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
