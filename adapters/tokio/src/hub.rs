//! Who waits for a connection.
//!
//! Invariant: transport and timer know one waker, the hub's, and it wakes reader, writer and helper. So
//! no waker is stolen, and a stale one, whose future was dropped, is never the only one. Senders, of
//! which there may be many, are woken one by one, when there is room. No waker is dropped or called
//! while the hub's lock is held: that may run a task's destructor, which takes locks.

use crate::sync::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Wake, Waker};

#[derive(Debug, Default)]
pub(crate) struct Hub(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    by_role: [Option<Waker>; 3],
    /// The futures that wait for room, in the order in which they came.
    senders: BTreeMap<u64, Waker>,
    next_ticket: u64,
}

/// Who waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    Reader,
    Writer,
    Helper,
    /// One of any number of futures.
    Sender(Ticket),
}

/// The place of a sender's future among those that wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ticket(&self) -> Ticket {
        let mut waiting = self.lock();
        waiting.next_ticket += 1;
        Ticket(waiting.next_ticket)
    }

    /// Wakes this task at the next event. Call it before the transport is asked, and without the
    /// connection's lock.
    pub(crate) fn wait(&self, who: Who, context: &Context<'_>) {
        let mut waiting = self.lock();
        let replaced = match who {
            Who::Reader => wait_at(&mut waiting.by_role[0], context),
            Who::Writer => wait_at(&mut waiting.by_role[1], context),
            Who::Helper => wait_at(&mut waiting.by_role[2], context),
            Who::Sender(ticket) => waiting.senders.insert(ticket.0, context.waker().clone()),
        };
        drop(waiting);
        drop(replaced);
    }

    /// A sender's future does not wait any more. Returns whether it still had its place.
    pub(crate) fn leave(&self, ticket: Ticket) -> bool {
        let left = self.lock().senders.remove(&ticket.0);
        left.is_some()
    }

    pub(crate) fn has_senders(&self) -> bool {
        !self.lock().senders.is_empty()
    }

    /// Wakes the sender that has waited longest. It loses its place, and sees to it that the next one
    /// is woken.
    pub(crate) fn wake_sender(&self) {
        let first = self.lock().senders.pop_first();
        if let Some((_, waker)) = first {
            waker.wake();
        }
    }
}

fn wait_at(place: &mut Option<Waker>, context: &Context<'_>) -> Option<Waker> {
    match place {
        Some(waker) if waker.will_wake(context.waker()) => None,
        _ => place.replace(context.waker().clone()),
    }
}

impl Wake for Hub {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut waiting = self.lock();
        let by_role = mem::take(&mut waiting.by_role);
        drop(waiting);
        by_role.into_iter().flatten().for_each(Waker::wake);
    }
}
