//! Stopping by Ctrl-C and SIGTERM.

use anyhow::Result;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);

/// Whether a signal has come, once [`wake_to_stop`] was called.
pub fn is_stopping() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Makes a signal set what [`is_stopping`] returns, and connect to this address, which wakes the thread that accepts there.
pub fn wake_to_stop(address: SocketAddr) -> Result<()> {
    on_stop(move || {
        STOP.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(address));
    })
}

/// Makes each signal call this function, on a thread of its own.
pub fn on_stop(call: impl FnMut() + Send + 'static) -> Result<()> {
    Ok(ctrlc::set_handler(call)?)
}
