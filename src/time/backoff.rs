//! When a client tries again (RFC 6455, section 7.2.3).
//!
//! Invariant: there is no clock and no hidden randomness here; the same seed and the same outcomes
//! give the same delays.

use core::time::Duration;

/// Decides whether and when a client tries again after a connection has ended.
///
/// The first delay is random, up to [`first`](Self::first); each later one is about twice as long,
/// half of it random, up to [`max`](Self::max) (RFC 6455, section 7.2.3: truncated binary exponential
/// backoff). Call [`after_failure`](Self::after_failure) if there was no transport, and
/// [`after`](Self::after) with the [`End`](crate::End) of a connection.
///
/// ```
/// use sansocket::Backoff;
/// use std::time::Duration;
///
/// let mut backoff = Backoff::new([7; 32]); // `seed()`, so that no two clients have the same
/// backoff.max = Duration::from_secs(60);
/// assert!(backoff.after_failure() <= Duration::from_secs(5));
/// assert!(backoff.after_failure() >= Duration::from_secs(5));
/// ```
///
/// Around the loop of an [`Endpoint`](crate::Endpoint):
///
/// ```
/// use sansocket::{Backoff, End};
/// use std::net::TcpStream;
/// use std::thread::sleep;
/// use std::time::Instant;
///
/// /// `run` is the loop: it makes a new endpoint, with a new `seed()`, and returns how it ended.
/// fn stay(address: &str, mut backoff: Backoff, mut run: impl FnMut(TcpStream) -> End) -> End {
///     loop {
///         let wait = match TcpStream::connect(address) {
///             Err(_) => backoff.after_failure(),
///             Ok(stream) => {
///                 let start = Instant::now();
///                 let end = run(stream);
///                 match backoff.after(&end, start.elapsed()) {
///                     Some(wait) => wait,
///                     None => return end,
///                 }
///             }
///         };
///         sleep(wait);
///     }
/// }
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let mut backoff = Backoff::new([7; 32]);
/// # (backoff.first, backoff.max) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
/// # let mut runs = 0;
/// # let end = stay(&listener.local_addr()?.to_string(), backoff, |_| {
/// #     runs += 1;
/// #     match runs {
/// #         1 => End::Failed(sansocket::ProtocolError::TransportEnded),
/// #         _ => End::Closed { code: sansocket::CloseCode::NORMAL, by_peer: false },
/// #     }
/// # });
/// # assert!(runs == 2 && end.is_clean());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Backoff {
    /// The first try comes after a random time up to this; 5 s (RFC 6455, section 7.2.3).
    ///
    /// When a server has failed, its clients do not come back all at once.
    pub first: Duration,
    /// No try waits longer than this, unless the server asks for it; 5 min.
    pub max: Duration,
    /// A connection that lasted at least this long was a success: the next delay is a first one;
    /// 60 s.
    pub lasting: Duration,
    /// The longest `Retry-After` that is obeyed; 1 h.
    ///
    /// A server cannot turn its clients away for ever.
    pub max_retry_after: Duration,
    random: u64,
    /// The number of delays since the last success.
    tries: u32,
}

impl Backoff {
    /// A backoff before the first try. Clients with different seeds do not try at the same times.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let random = seed
            .as_chunks()
            .0
            .iter()
            .fold(0, |random, part| random ^ u64::from_le_bytes(*part));
        Self {
            first: Duration::from_secs(5),
            max: Duration::from_secs(5 * 60),
            lasting: Duration::from_secs(60),
            max_retry_after: Duration::from_secs(60 * 60),
            random,
            tries: 0,
        }
    }

    /// Returns how long to wait when there was no connection to the server.
    ///
    /// Call it when a name is not found, or a transport cannot be opened or ends during the TLS
    /// handshake. After an invalid certificate do not try again: the next try would find the same.
    pub fn after_failure(&mut self) -> Duration {
        // RFC 6455, section 7.2.3. The first delay is completely random.
        let Self {
            first, max, tries, ..
        } = *self;
        let longest = first.saturating_mul(1 << tries.min(31)).min(max);
        let shortest = if tries == 0 {
            Duration::ZERO
        } else {
            longest / 2
        };
        self.tries = tries.saturating_add(1);
        shortest + self.up_to(longest.saturating_sub(shortest))
    }

    /// Returns how long to wait after a connection that lasted this long.
    pub(crate) fn after_connection(&mut self, lasted: Duration) -> Duration {
        if lasted >= self.lasting {
            self.tries = 0;
        }
        self.after_failure()
    }

    /// Returns how long to wait after a refusal, perhaps with a time that the server asked for.
    pub(crate) fn after_refusal(&mut self, asked: Option<Duration>) -> Duration {
        let delay = self.after_failure();
        let Some(asked) = asked else {
            return delay;
        };
        // Otherwise all clients that were refused would come back at once.
        let spread = self.up_to(self.first);
        delay.max(asked.min(self.max_retry_after).saturating_add(spread))
    }

    /// A random time from zero to this.
    fn up_to(&mut self, most: Duration) -> Duration {
        // SplitMix64, which needs no good seed; nothing secret depends on it.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = (x ^ (x >> 31)) >> 32; // of 2^32
        let nanos = (most.as_nanos().min(u128::from(u64::MAX)) * u128::from(part)) >> 32;
        Duration::from_nanos(nanos as u64)
    }
}

/// Hides the state of the random numbers.
impl core::fmt::Debug for Backoff {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Backoff")
            .field("first", &self.first)
            .field("max", &self.max)
            .field("lasting", &self.lasting)
            .field("max_retry_after", &self.max_retry_after)
            .field("tries", &self.tries)
            .finish_non_exhaustive()
    }
}
