//! Who waits for a connection.
//!
//! Invariant: transport and timer know one waker, the hub's, and it wakes reader, writer and helper. So
//! no waker is stolen, and a stale one, whose future was dropped, is never the only one. Senders, of
//! which there may be many, are woken one by one, when there is room. No waker is dropped or called
//! while the hub's lock is held: that may run a task's destructor, which takes locks.

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Wake, Waker};

#[derive(Debug, Default)]
pub(crate) struct Hub {
    waiting: Mutex<Waiting>,
    /// Whether anything has happened since the transport was asked.
    has_event: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    by_role: [Option<Waker>; 3],
    /// Boxed, as few connections have any.
    senders: Option<Box<Senders>>,
}

#[derive(Debug, Default)]
struct Senders {
    /// The futures that wait for room, in the order in which they came.
    waiting: BTreeMap<u64, Waker>,
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
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ticket(&self) -> Ticket {
        let mut waiting = self.lock();
        let senders = waiting.senders.get_or_insert_default();
        senders.next_ticket += 1;
        Ticket(senders.next_ticket)
    }

    /// Wakes this task at the next event. Call it before the transport is asked, and without the
    /// connection's lock.
    pub(crate) fn wait(&self, who: Who, context: &Context<'_>) {
        let mut waiting = self.lock();
        let replaced = match who {
            Who::Reader => wait_at(&mut waiting.by_role[0], context),
            Who::Writer => wait_at(&mut waiting.by_role[1], context),
            Who::Helper => wait_at(&mut waiting.by_role[2], context),
            Who::Sender(ticket) => {
                let senders = waiting.senders.get_or_insert_default();
                senders.waiting.insert(ticket.0, context.waker().clone())
            }
        };
        drop(waiting);
        drop(replaced);
    }

    /// Call it before the transport is asked: it will tell what has happened until then.
    pub(crate) fn forget_events(&self) {
        self.has_event.swap(false, Ordering::AcqRel);
    }

    /// Whether anything has happened since. If not, all that wait by now will be woken when it does.
    pub(crate) fn has_event(&self) -> bool {
        self.has_event.load(Ordering::Acquire)
    }

    /// A sender's future does not wait any more. Returns whether it still had its place.
    pub(crate) fn leave(&self, ticket: Ticket) -> bool {
        let mut waiting = self.lock();
        let senders = waiting.senders.as_mut();
        let left = senders.and_then(|senders| senders.waiting.remove(&ticket.0));
        drop(waiting);
        left.is_some()
    }

    pub(crate) fn has_senders(&self) -> bool {
        let waiting = self.lock();
        let senders = waiting.senders.as_ref();
        senders.is_some_and(|senders| !senders.waiting.is_empty())
    }

    /// Wakes the sender that has waited longest. It loses its place, and sees to it that the next one
    /// is woken.
    pub(crate) fn wake_sender(&self) {
        let mut waiting = self.lock();
        let senders = waiting.senders.as_mut();
        let first = senders.and_then(|senders| senders.waiting.pop_first());
        drop(waiting);
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
        self.has_event.store(true, Ordering::Release);
        let mut waiting = self.lock();
        let by_role = mem::take(&mut waiting.by_role);
        drop(waiting);
        by_role.into_iter().flatten().for_each(Waker::wake);
    }
}
