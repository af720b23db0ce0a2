//! A room: who talks when, and what has arrived.
//!
//! Invariant: each message is counted once for each member.

use common::Result;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::sleep_until;
use tokio_sansocket::Sender;

/// A room of the load.
pub(crate) struct Room {
    pub(crate) name: String,
    number: usize,
    size: usize,
    start: Instant,
    senders: Mutex<Vec<Sender>>,
    messages: Vec<Message>,
    misplaced: AtomicU64,
}

/// A message that is said.
#[derive(Default)]
struct Message {
    /// Its id, once somebody has received it.
    place: AtomicU64,
    received: AtomicU64,
    /// Nanoseconds to the last of those who have received it.
    slowest: AtomicU64,
}

impl Room {
    pub(crate) fn new(number: usize, size: usize, seconds: usize, start: Instant) -> Self {
        Self {
            // The stream of a room in Redis outlives the load.
            name: format!("load {number} {}", std::process::id()),
            number,
            size,
            start,
            senders: Mutex::default(),
            messages: (0..seconds).map(|_| Message::default()).collect(),
            misplaced: AtomicU64::new(0),
        }
    }

    pub(crate) fn join(&self, sender: Sender) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.push(sender);
    }

    /// One of the members says something each second. The rooms do not do so at the same time.
    pub(crate) async fn talk(self: std::sync::Arc<Self>) -> Result<()> {
        let senders = self
            .senders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let first = Instant::now() + Duration::from_millis(self.number as u64 * 97 % 1_000);
        for number in 0..self.messages.len() {
            sleep_until((first + Duration::from_secs(number as u64)).into()).await;
            let now = self.start.elapsed().as_nanos();
            let text =
                format!("{number} {now} and as many words as somebody types in a second or two");
            let say = serde_json::json!({"type": "say", "room": self.name, "text": text});
            senders[number % senders.len()]
                .send(say.to_string())
                .await?;
        }
        Ok(())
    }

    /// A member has received a message; `seen` is the last id that it has.
    pub(crate) fn received(&self, seen: &mut u64, id: u64, text: &str) {
        let now = self.start.elapsed().as_nanos() as u64;
        let is_next = id == *seen + 1;
        *seen = id;
        let mut words = text.split(' ').map(|word| word.parse::<u64>());
        let (Some(Ok(number)), Some(Ok(sent))) = (words.next(), words.next()) else {
            return;
        };
        let message = &self.messages[number as usize];
        // Everybody has it in the same place. Of two members who talk at the same time either may be first.
        let (ordering, place) = (Ordering::Relaxed, &message.place);
        let known = place.compare_exchange(0, id, ordering, ordering);
        let is_same = known.is_ok() || known == Err(id);
        if !is_next || !is_same {
            self.misplaced.fetch_add(1, Ordering::Relaxed);
        }
        message.received.fetch_add(1, Ordering::Relaxed);
        message.slowest.fetch_max(now - sent, Ordering::Relaxed);
    }

    pub(crate) fn missing(&self) -> u64 {
        let received = self
            .messages
            .iter()
            .map(|message| message.received.load(Ordering::Relaxed));
        received
            .map(|received| (self.size as u64).saturating_sub(received))
            .sum()
    }

    pub(crate) fn misplaced(&self) -> u64 {
        self.misplaced.load(Ordering::Relaxed)
    }

    /// How long each message took to the last of its receivers.
    pub(crate) fn slowest(&self) -> impl Iterator<Item = Duration> {
        let slowest = self
            .messages
            .iter()
            .map(|message| message.slowest.load(Ordering::Relaxed));
        slowest.map(Duration::from_nanos)
    }
}
