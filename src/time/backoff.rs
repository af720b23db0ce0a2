//! When a client tries again (RFC 6455, section 7.2.3). Its law: there is no clock and no hidden
//! randomness here; the same seed and the same outcomes give the same delays.

use crate::connection::Connection;
use crate::frame::CloseCode;
use crate::handshake::{Response, ResponseError};
use core::time::Duration;

/// How long to wait before another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackoffConfig {
    /// The first try comes after a random time up to this; 5 s (RFC 6455, section 7.2.3).
    ///
    /// When a server has gone, its clients do not come back all at once.
    pub first: Duration,
    /// No try waits longer than this, unless the server asks for it; 5 min.
    pub max: Duration,
    /// A connection that lasted so long was a success: the next delay is a first one; 60 s.
    pub lasting: Duration,
    /// The longest `Retry-After` that is kept to; 1 h.
    ///
    /// A server cannot send its clients away for ever.
    pub max_retry_after: Duration,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            max: Duration::from_secs(5 * 60),
            lasting: Duration::from_secs(60),
            max_retry_after: Duration::from_secs(60 * 60),
        }
    }
}

/// Whether and when a client tries again after each way in which a try can end.
///
/// The first delay is random, up to 5 s; each later one is about twice as long, half of it
/// random, up to 5 min (RFC 6455, section 7.2.3: truncated binary exponential backoff).
///
/// ```
/// use sansocket::{Backoff, BackoffConfig};
/// use std::time::Duration;
///
/// let seed = 7; // from the operating system, so that no two clients have the same
/// let mut backoff = Backoff::new(&BackoffConfig::default(), seed);
/// assert!(backoff.after_failure() <= Duration::from_secs(5));
/// assert!(backoff.after_failure() >= Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    random: u64,
    /// Delays since the last success.
    tries: u32,
}

impl Backoff {
    /// Nothing was tried yet. Clients that have different seeds do not try at the same times.
    #[must_use]
    pub const fn new(config: &BackoffConfig, seed: u64) -> Self {
        Self {
            config: *config,
            random: seed,
            tries: 0,
        }
    }

    /// There was no connection to the server: how long to wait.
    ///
    /// Call it when a name is not found, a transport cannot be opened or ends in a TLS handshake, or a
    /// handshake took too long. A certificate that is not good will not be better next time.
    pub fn after_failure(&mut self) -> Duration {
        // RFC 6455, section 7.2.3. The first delay is random as a whole.
        let Self { config, tries, .. } = *self;
        let longest = config
            .first
            .saturating_mul(1 << tries.min(31))
            .min(config.max);
        let shortest = if tries == 0 {
            Duration::ZERO
        } else {
            longest / 2
        };
        self.tries = tries.saturating_add(1);
        shortest + self.up_to(longest.saturating_sub(shortest))
    }

    /// The opening handshake failed: how long to wait, or `None` if another try would fail alike.
    ///
    /// Worth another try are statuses that mean another time, 408, 425, 429, 500, 502, 503 and
    /// 504, and a transport that ended. `Retry-After` in seconds, or as a date in a response
    /// that has its own date, is waited for (RFC 9110, section 10.2.3).
    pub fn after_handshake(&mut self, error: &ResponseError) -> Option<Duration> {
        match error {
            ResponseError::TransportEnded => Some(self.after_failure()),
            ResponseError::Refused(response) if is_passing(response.status) => {
                let delay = self.after_failure();
                let Some(asked) = retry_after(response) else {
                    return Some(delay);
                };
                // All who were sent away would come back at once.
                let asked = asked.min(self.config.max_retry_after);
                let spread = self.up_to(self.config.first);
                Some(delay.max(asked.saturating_add(spread)))
            }
            _ => None,
        }
    }

    /// The connection has ended after this time: how long to wait, or `None` if another try
    /// is not wanted or would end alike.
    ///
    /// Call it after [`Connection::receive_eof`], and also after an [`Expired`](crate::Expired) that
    /// has closed the connection. Not worth another try are an end that this
    /// client wanted, and a close code that says that all is done (1000), that it made a
    /// mistake which it would make again (1002, 1003, 1007 to 1010), or that it may not
    /// come in (3000, 3003). Other codes of applications, above 3000, are worth one: judge them
    /// before you call this if they are not.
    pub fn after_connection(&mut self, ws: &Connection, lasted: Duration) -> Option<Duration> {
        let is_worth = !ws.is_closed_at_will() && ws.close_code().is_none_or(is_worth_a_try);
        is_worth.then(|| self.after_expiry(lasted))
    }

    /// The connection was given up after this time, because something took too long
    /// ([`Expired`](crate::Expired)): how long to wait.
    pub fn after_expiry(&mut self, lasted: Duration) -> Duration {
        if lasted >= self.config.lasting {
            self.tries = 0;
        }
        self.after_failure()
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

/// Whether a refusal with this status may be another answer next time.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// Whether a new connection may end otherwise than with this code.
fn is_worth_a_try(code: CloseCode) -> bool {
    !matches!(
        code.0,
        1000 | 1002 | 1003 | 1007..=1010 | 1015 | 3000 | 3003
    )
}

/// RFC 9110, section 10.2.3.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers.get_str("retry-after")?;
    let seconds = match value.parse::<u64>() {
        Ok(seconds) if value.bytes().all(|octet| octet.is_ascii_digit()) => seconds,
        _ => date(value)?.checked_sub(date(response.headers.get_str("date")?)?)?,
    };
    Some(Duration::from_secs(seconds))
}

/// The seconds since 1970 of a date in the form that is written today, `Sun, 06 Nov 1994 08:49:37
/// GMT` (RFC 9110, section 5.6.7).
fn date(value: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = value.split_once(", ")?.1.split(' ');
    let day = number(words.next()?, 1, 31)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let year = number(words.next()?, 1970, 9999)?;
    let mut time = words.next()?.split(':');
    let hour = number(time.next()?, 0, 23)?;
    let minute = number(time.next()?, 0, 59)?;
    let second = number(time.next()?, 0, 60)?;
    if (words.next(), words.next(), time.next()) != (Some("GMT"), None, None) {
        return None;
    }
    // Years that begin in March: the leap day is the last of one.
    let (year, month) = match month {
        0 | 1 => (year - 1, month + 10),
        _ => (year, month - 2),
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    const DAYS_TO_1970: u64 = 719_469;
    Some(((days - DAYS_TO_1970) * 24 + hour) * 3_600 + minute * 60 + second)
}

fn number(digits: &str, least: u64, most: u64) -> Option<u64> {
    let number = digits.parse().ok()?;
    (least..=most).contains(&number).then_some(number)
}
