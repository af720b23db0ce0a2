//! The loop: completed operations, the turns of clients, timers.
//!
//! Invariant: each client is in the timers once.

use crate::client::Client;
use crate::ring::{LISTENER, OTHER, RECEIVE, Ring, SEND};
use common::{Context, Result};
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{cqueue, opcode};
use sansocket::Endpoint;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::{Duration, Instant};
use std::{io, mem};

/// The longest wait, as the kernel needs a limit.
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// What a receive returns when no buffer is left.
const ENOBUFS: i32 = 105;
pub(crate) fn run() -> Result<()> {
    let about = "An echo server on one thread and one io_uring, in the kernel's own buffers";
    let server = common::server("echo_uring", about, "");
    let config = server.config;

    let mut ring = match Ring::new() {
        Ok(ring) => ring,
        Err(error) => {
            eprintln!("echo_uring: this kernel has no io_uring ({error}); it takes Linux 6.0");
            return Ok(());
        }
    };
    let listener = TcpListener::bind(server.address)
        .with_context(|| format!("cannot listen on {}", server.address))?;
    let address = listener.local_addr()?;
    common::announce("ws", address, server.path)?;
    common::wake_to_stop(address)?;

    let start = Instant::now();
    // Never freed: the kernel may send from there even when the ring is gone.
    let clients: &mut BTreeMap<u64, Box<Client>> = Box::leak(Box::default());
    let mut last_id = LISTENER;
    let mut stop_at = None;
    // The latest time of each client's next turn; each client is in it once.
    let mut timers = BTreeSet::from([(Duration::ZERO, LISTENER)]);
    let mut ready = Vec::new();
    while stop_at.is_none_or(|time| start.elapsed() < time && !clients.is_empty()) {
        let first = timers.first().map(|(time, _)| *time);
        let wait = first.map(|time| time.saturating_sub(start.elapsed()));
        ring.enter(1, wait.map_or(MAX_WAIT, |wait| wait.min(MAX_WAIT)))?;
        let now = start.elapsed();
        while let Some((_, id)) = timers.first().filter(|(time, _)| *time <= now) {
            ready.push(*id);
            timers.pop_first();
        }

        if common::is_stopping() && stop_at.is_none() {
            let time = now + common::stop_time(&config);
            stop_at = Some(time);
            timers.insert((time, LISTENER));
            clients.values_mut().for_each(|client| client.go_away());
            ready.extend(clients.keys());
        }

        // Completed operations.
        let completions: Vec<_> = ring.ring.completion().collect();
        for done in completions {
            let (id, operation) = (done.user_data() / 4, done.user_data() % 4);
            let (result, flags) = (done.result(), done.flags());
            if id == LISTENER {
                if operation == OTHER {
                    return Err(io::Error::from_raw_os_error(-result).into());
                }
                if result >= 0 {
                    // SAFETY: it was accepted just now, so nothing else owns it.
                    let stream = unsafe { TcpStream::from_raw_fd(result) };
                    if stop_at.is_some() {
                        continue;
                    }
                    last_id += 1;
                    let client = Client::new(stream, Endpoint::server(&config, now), now);
                    clients.insert(last_id, Box::new(client));
                    timers.insert((now, last_id));
                }
                if !cqueue::more(flags) {
                    // Too many open files, for instance: wait until some are closed.
                    timers.insert((now + Duration::from_millis(50), LISTENER));
                }
            }
            let Some(client) = clients.get_mut(&id) else {
                continue;
            };
            ready.push(id);
            if operation == SEND {
                client.sent(usize::try_from(result).ok(), now);
            } else if operation == RECEIVE {
                client.is_receiving = false;
                if let Some(buffer) = cqueue::buffer_select(flags) {
                    let len = result.max(0) as usize;
                    ring.lend(buffer, len, |bytes| client.received(bytes, now))?;
                }
                if result <= 0 && result != -ENOBUFS {
                    client.ended();
                }
            }
        }

        // The turns of clients.
        for id in ready.drain(..) {
            if id == LISTENER && stop_at.is_none() {
                let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd()));
                ring.start(accept.build(), id, RECEIVE)?;
            }
            let Some(client) = clients.get_mut(&id) else {
                continue;
            };
            match client.turn(id, &mut ring, now)? {
                // Most bytes that arrive only move the time forward: an earlier timer may stay.
                Some(time) if client.timer > now && client.timer <= time => {}
                Some(time) => {
                    timers.remove(&(client.timer, id));
                    timers.insert((time, id));
                    client.timer = time;
                }
                None => {
                    timers.remove(&(client.timer, id));
                    // What the kernel still uses is kept until the kernel reports that it is done.
                    if !client.is_receiving && !client.is_sending {
                        clients.remove(&id);
                    } else if !mem::replace(&mut client.is_done, true) {
                        let all = CancelBuilder::fd(Fd(client.stream.as_raw_fd())).all();
                        ring.start(opcode::AsyncCancel2::new(all).build(), id, OTHER)?;
                    }
                }
            }
        }
    }
    Ok(())
}
