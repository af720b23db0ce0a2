//! Every bound of the server, and the rate of a connection.
//!
//! Invariant: nothing that a user can make grow is without a bound here.

use std::time::{Duration, Instant};

/// Connections at once, in bytes of nothing but themselves some 50 MB.
pub(crate) const CONNECTIONS: usize = 20_000;
/// A message of a client, in bytes. A longer one ends its connection with 1009.
pub(crate) const MESSAGE: u64 = 8 << 10;
/// The text in it, in bytes.
pub(crate) const TEXT: usize = 4 << 10;
/// The name of a person, in characters.
pub(crate) const NAME: usize = 32;
/// The name of a room, in characters.
pub(crate) const ROOM_NAME: usize = 64;
/// A message's key, in bytes.
pub(crate) const KEY: usize = 64;
/// Names that are given to somebody, on a server without Redis.
pub(crate) const NAMES: usize = 100_000;
/// Rooms that a server holds.
pub(crate) const ROOMS: usize = 1_000;
/// Rooms that a connection is in.
pub(crate) const ROOMS_EACH: usize = 20;
/// Rooms that a newcomer is told of.
pub(crate) const ROOMS_SHOWN: usize = 50;
/// Connections that are in a room.
pub(crate) const MEMBERS: usize = 1_000;
/// Messages that a room remembers.
pub(crate) const HISTORY: usize = 500;
/// The same in bytes.
pub(crate) const HISTORY_BYTES: usize = 256 << 10;
/// Bytes of messages in one event, when somebody catches up.
pub(crate) const PAGE: usize = 16 << 10;
/// Messages of a room that wait for Redis.
pub(crate) const WAITING: usize = 200;
/// Bytes that wait to be written to a connection. With more, somebody reads too slowly and has to come back.
pub(crate) const QUEUE: usize = 64 << 10;
/// Bytes that the kernel holds for a connection beside these (it takes twice of what it is asked for): in megabytes of its own
/// choice a slow reader would be seen late.
pub(crate) const KERNEL_QUEUE: u32 = 128 << 10;
/// Messages a second that a connection may send on average.
pub(crate) const RATE: u32 = 10;
/// Messages that it may send at once.
pub(crate) const BURST: u32 = 40;
/// The time for a request of HTTP, and for a connection that is no WebSocket.
pub(crate) const HTTP: Duration = Duration::from_secs(15);
/// How often it is told to a room that the same person types.
pub(crate) const TYPING: Duration = Duration::from_millis(1_500);

/// A bucket of what a connection may still send.
pub(crate) struct Rate {
    /// When the bucket was, or will be, full.
    full: Instant,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// Takes one message out of the bucket; `false` if there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let each = Duration::from_secs(1) / RATE;
        let full = self.full.max(now) + each;
        let is_enough = full <= now + each * BURST;
        if is_enough {
            self.full = full;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        assert!((0..BURST).all(|_| rate.take(start)));
        assert!(!rate.take(start));
        let second = start + Duration::from_secs(1);
        assert!((0..RATE).all(|_| rate.take(second)));
        assert!(!rate.take(second));
        let later = second + Duration::from_secs(3600);
        assert!((0..BURST).all(|_| rate.take(later)));
        assert!(!rate.take(later), "what is not used is not saved up");
    }
}
