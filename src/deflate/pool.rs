//! States that connections share.
//!
//! Invariant: a state from the pool reveals nothing of the connection that used it before.

extern crate std;

use super::class::Class;
use super::compressor::Compressor;
use super::inflater::Inflater;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle inflaters and compressors. A clone is the same pool.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<States>>);

#[derive(Default)]
struct States {
    owners: u64,
    /// Like the compressors, the ones used last come last.
    inflaters: Vec<(Owner, Box<Inflater>)>,
    compressors: Vec<(Class, Box<Compressor>)>,
}

/// One of the connections that use a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Pool {
    /// A name that no other connection has.
    pub(super) fn new_owner(&self) -> Owner {
        let mut states = self.lock();
        states.owners += 1;
        Owner(states.owners)
    }

    /// The inflater that this owner used last, as it was, if it is still there; otherwise another
    /// one, which must be restarted. Also returns whether it is the owner's.
    pub(super) fn take_inflater(&self, owner: Owner) -> Option<(Box<Inflater>, bool)> {
        let mut states = self.lock();
        if states.inflaters.is_empty() {
            return None;
        }
        let own = states
            .inflaters
            .iter()
            .rposition(|(last, _)| *last == owner);
        // Otherwise the one that was not used for the longest time.
        let (last, inflater) = states.inflaters.remove(own.unwrap_or(0));
        Some((inflater, last == owner))
    }

    /// Takes back an inflater; at most `max` are kept.
    pub(super) fn give_inflater(&self, owner: Owner, inflater: Box<Inflater>, max: u16) {
        keep(&mut self.lock().inflaters, (owner, inflater), max);
    }

    /// A compressor of this class with an empty window.
    pub(super) fn take_compressor(&self, class: Class) -> Option<Box<Compressor>> {
        let mut states = self.lock();
        let found = states.compressors.iter().rposition(|(of, _)| *of == class);
        found.map(|index| states.compressors.remove(index).1)
    }

    /// Takes back a compressor of this class, and empties its window; at most `max` are kept.
    pub(super) fn give_compressor(&self, class: Class, mut compressor: Box<Compressor>, max: u16) {
        compressor.reset();
        keep(&mut self.lock().compressors, (class, compressor), max);
    }

    /// A panic elsewhere in the thread that held the lock has left the lists intact.
    fn lock(&self) -> MutexGuard<'_, States> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a state at the end; the ones that have waited longest go if there are more than `max`.
fn keep<T>(states: &mut Vec<T>, state: T, max: u16) {
    let excess = (states.len() + 1).saturating_sub(usize::from(max));
    states.drain(..excess.min(states.len()));
    if max > 0 {
        states.push(state);
    }
}

/// The same pool.
impl PartialEq for Pool {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Pool {}

/// Without the states, which hold payloads and are guarded by a lock.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
