//! What tasks share: locks, and a task that is spawned; a model checker's own under `cfg(shuttle)`.
//!
//! Invariant: the code that uses it is the same in both.

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

use tokio::runtime::Handle;

#[cfg(not(shuttle))]
pub(crate) fn spawn(runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
    runtime.spawn(task);
}

#[cfg(shuttle)]
pub(crate) fn spawn(_: &Handle, task: impl Future<Output = ()> + Send + 'static) {
    shuttle::future::spawn(task);
}
