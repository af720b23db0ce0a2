//! The last bytes of a stream of messages, as far as a window reaches.
//!
//! Invariant: it never holds more than the window, and takes no heap memory while it is empty.

use super::params::Window;
use alloc::collections::VecDeque;
use core::fmt;

/// What later messages may refer to.
#[derive(Default)]
pub(super) struct History(VecDeque<u8>);

impl History {
    /// Appends a part of a message, and keeps the last bytes, as far as this window reaches.
    pub(super) fn append(&mut self, part: &[u8], window: Window) {
        let window = window.size();
        let part = last(part, window);
        let len = self.0.len();
        let forgotten = (len + part.len()).saturating_sub(window);
        self.0.drain(..forgotten);
        self.0.shrink_to(window);
        // Exactly what is needed at first, never more than the window.
        let needed = len - forgotten + part.len();
        if needed > self.0.capacity() {
            let capacity = needed.next_power_of_two().min(window);
            self.0.reserve_exact(capacity - (len - forgotten));
        }
        self.0.extend(part);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }

    /// All of it, the older part first.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (older, newer) = self.0.as_slices();
        [older, newer]
    }
}

/// The last `max` bytes, or all if there are fewer.
fn last(bytes: &[u8], max: usize) -> &[u8] {
    bytes.split_at(bytes.len().saturating_sub(max)).1
}

/// Shows the length and not the bytes, which are payloads.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({})", self.0.len())
    }
}
