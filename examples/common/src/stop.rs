//! Stopping by Ctrl-C and SIGTERM.

use anyhow::Result;
use sansocket::Config;
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// How long a server that stops waits for its connections. Each keeps its own deadlines, and a client that takes nothing is gone
/// within this time; it limits those that read slowly.
pub fn stop_time(config: &Config) -> Duration {
    config.times.write + config.times.close
}

/// Lets the first signal call this function, on a thread of its own. A second one ends the program at once.
pub fn on_stop(mut call: impl FnMut() + Send + 'static) -> Result<()> {
    let mut is_called = false;
    Ok(ctrlc::set_handler(move || {
        if mem::replace(&mut is_called, true) {
            exit(1);
        }
        call();
    })?)
}
