//! How long things may take.
//!
//! Invariant: every time is finite by default, except where silence is right.

use core::ops::Div;
use core::time::Duration;

/// How long things may take; what takes longer ends the connection.
///
/// Every time judges the peer, not the scheduler: it runs from when its cause has left the output,
/// and [`Endpoint::tick`](crate::Endpoint::tick) says what a late call means.
///
/// ```
/// use sansocket::Config;
/// use std::time::Duration;
///
/// let mut config = Config::default();
/// config.times.keepalive = Some(Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// For the opening handshake, however slowly it arrives; 10 s.
    ///
    /// A network that needs longer for two short messages is of no use for a WebSocket. No time runs
    /// while the application decides on a request. A server answers 408 when it is over.
    pub handshake: Duration,
    /// After this much silence of the peer a Ping asks whether it is still there; 30 s. `None` sends
    /// no Pings.
    ///
    /// Below the 60 s after which many proxies end a silent connection, so that it keeps them
    /// open, too.
    pub keepalive: Option<Duration>,
    /// For any byte of the peer to arrive after that Ping has left; 20 s.
    ///
    /// Longer than a mobile network takes to wake up. What the kernel still holds cannot be seen: a
    /// Ping may wait there after other data. A smaller send buffer (`SO_SNDBUF`) or a longer time
    /// helps where links are slow.
    pub pong: Duration,
    /// For the next message of the peer (or piece of one), whatever else it sends; no limit.
    ///
    /// A peer that answers Pings and sends nothing else is normal in most applications.
    pub idle: Option<Duration>,
    /// For the closing handshake and the end of the transport, from when our Close (or a response
    /// that opens no connection) has left; 5 s (RFC 6455, section 7.1.1).
    pub close: Duration,
    /// For the transport to take at least one byte of what waits to be written; 30 s.
    ///
    /// What is to be sent to a peer that does not read stays in our memory.
    pub write: Duration,
    /// The lowest rate at which bytes that wait may be written, in bytes per second, averaged over
    /// twice the time of [`write`](Self::write); 64.
    ///
    /// It catches a peer that reads one byte now and then; no honest phone is that slow. 0 turns it
    /// off.
    pub min_rate: u32,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            keepalive: Some(Duration::from_secs(30)),
            pong: Duration::from_secs(20),
            idle: None,
            close: Duration::from_secs(5),
            write: Duration::from_secs(30),
            min_rate: 64,
        }
    }
}

/// Every time divided by a number: for tests that must finish quickly. The rate is multiplied.
///
/// # Panics
///
/// By zero, as `Duration` does.
impl Div<u32> for Times {
    type Output = Self;

    fn div(self, divisor: u32) -> Self {
        Self {
            handshake: self.handshake / divisor,
            keepalive: self.keepalive.map(|time| time / divisor),
            pong: self.pong / divisor,
            idle: self.idle.map(|time| time / divisor),
            close: self.close / divisor,
            write: self.write / divisor,
            min_rate: self.min_rate.saturating_mul(divisor),
        }
    }
}
