//! Tasks that write what sends have left: one for all connections that need it at the same time.
//!
//! Invariant: whoever asks is helped, by a task of its own runtime, whatever becomes of the others.

use crate::sync::{self, Mutex, MutexGuard};
use std::cell::RefCell;
use std::sync::{Arc, PoisonError, Weak};
use std::vec;
use tokio::runtime::{Handle, Id};

/// The most connections for one task: more may be written by other threads.
const MOST: usize = 32;

/// A connection that has something to be written.
pub(crate) trait Help: Send + Sync {
    /// Writes what can be written now; if that is not all, starts a task for the rest.
    fn help(self: Arc<Self>);

    /// Starts a task that writes all.
    fn help_alone(self: Arc<Self>);
}

/// The connections that a task will help. The task alone keeps it.
struct Batch {
    runtime: Id,
    /// `None` once the task has started.
    connections: Mutex<Option<Vec<Arc<dyn Help>>>>,
}

thread_local! {
    /// The task that was started last.
    static LAST: RefCell<Weak<Batch>> = const { RefCell::new(Weak::new()) };
}

/// Has a task of this runtime help the connection.
pub(crate) fn ask(runtime: &Handle, connection: Arc<dyn Help>) {
    let id = runtime.id();
    let joined = LAST.try_with(|last| {
        let last = last.borrow().upgrade().filter(|last| last.runtime == id);
        last.is_some_and(|last| last.add(&connection))
    });
    if joined == Ok(true) {
        return;
    }
    let batch = Arc::new(Batch {
        runtime: id,
        connections: Mutex::new(Some(vec![connection])),
    });
    // The thread may be ending.
    let _ = LAST.try_with(|last| last.replace(Arc::downgrade(&batch)));
    sync::spawn(runtime, async move { batch.help() });
}

impl Batch {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Arc<dyn Help>>>> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room, and it has not started.
    fn add(&self, connection: &Arc<dyn Help>) -> bool {
        let mut connections = self.lock();
        match &mut *connections {
            Some(connections) if connections.len() < MOST => {
                connections.push(connection.clone());
                true
            }
            _ => false,
        }
    }

    fn help(&self) {
        let connections = self.lock().take();
        let mut rest = Rest(connections.unwrap_or_default().into_iter());
        while let Some(connection) = rest.0.next() {
            connection.help();
        }
    }
}

/// Those who are still to be helped, also if the transport of another one panics.
struct Rest(vec::IntoIter<Arc<dyn Help>>);

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.by_ref().for_each(Help::help_alone);
    }
}
