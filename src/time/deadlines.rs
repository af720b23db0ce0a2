//! Time as a value: what must happen by when on a connection. Its law: there is no clock here; the
//! same octets at the same times give the same run, always.

use crate::connection::{Connection, Event, State};
use crate::frame::CloseCode;
use alloc::sync::Arc;
use bytes::BytesMut;
use core::fmt;
use core::ops::Div;
use core::time::Duration;

/// How long things may take.
///
/// ```
/// use sansocket::DeadlinesConfig;
/// use std::time::Duration;
///
/// let mut config = DeadlinesConfig::default();
/// config.keepalive = Some(Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadlinesConfig {
    /// For the whole opening handshake, however slowly it comes in; 10 s.
    ///
    /// A network that needs longer for two short messages is of no use for a WebSocket.
    pub handshake: Duration,
    /// After so much silence of the peer a Ping asks whether it is still there; 30 s.
    ///
    /// Below the 60 s after which many proxies end a silent connection, so that it keeps them
    /// open, too.
    pub keepalive: Option<Duration>,
    /// For any octet of the peer to come after that Ping; 20 s.
    ///
    /// Longer than a mobile network takes to wake up.
    pub pong: Duration,
    /// For the next message of the peer, whatever else it sends; no limit.
    ///
    /// A peer that answers Pings and says nothing is right in most applications.
    pub idle: Option<Duration>,
    /// For the closing handshake and the end of the transport; 5 s
    /// (RFC 6455, section 7.1.1).
    pub close: Duration,
    /// For a write in which the peer takes nothing; 30 s.
    ///
    /// A peer that does not read holds what is to be sent to it in memory.
    pub write: Duration,
}

impl Default for DeadlinesConfig {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            keepalive: Some(Duration::from_secs(30)),
            pong: Duration::from_secs(20),
            idle: None,
            close: Duration::from_secs(5),
            write: Duration::from_secs(30),
        }
    }
}

/// All times so many times shorter: for tests that shall end soon.
///
/// # Panics
///
/// By zero, as `Duration` does.
impl Div<u32> for DeadlinesConfig {
    type Output = Self;

    fn div(self, divisor: u32) -> Self {
        Self {
            handshake: self.handshake / divisor,
            keepalive: self.keepalive.map(|time| time / divisor),
            pong: self.pong / divisor,
            idle: self.idle.map(|time| time / divisor),
            close: self.close / divisor,
            write: self.write / divisor,
        }
    }
}

/// The deadlines of one connection, from its opening handshake to its end.
///
/// An [`Endpoint`](crate::Endpoint) has them built in. They are for who drives a handshake and a
/// [`Connection`] alone.
///
/// It has no clock. `now` is the time since any origin that does not change, as
/// `start.elapsed()`; it must not go back. Tell it what happens, and call
/// [`check`](Self::check) after each read and write, and when the time that it returned has come.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Config, Connection, Deadlines, DeadlinesConfig, Expired};
/// use std::time::Duration;
///
/// let seconds = Duration::from_secs;
/// let mut deadlines = Deadlines::new(DeadlinesConfig::default(), seconds(0));
/// let mut out = BytesMut::new();
/// assert_eq!(deadlines.check(None, seconds(1), &mut out), Ok(Some(seconds(10))));
///
/// // The opening handshake is done.
/// let mut ws = Connection::server(&Config::default());
/// assert_eq!(deadlines.check(Some(&mut ws), seconds(2), &mut out), Ok(Some(seconds(32))));
///
/// // Silence: a Ping is in the output.
/// assert_eq!(deadlines.check(Some(&mut ws), seconds(32), &mut out), Ok(Some(seconds(52))));
/// assert_eq!(out[0], 0x89);
/// // More silence: a Close frame with 1011 is.
/// assert_eq!(deadlines.check(Some(&mut ws), seconds(52), &mut out), Err(Expired::Pong));
/// // No answer to that.
/// assert_eq!(deadlines.check(Some(&mut ws), seconds(52), &mut out), Ok(Some(seconds(57))));
/// assert_eq!(deadlines.check(Some(&mut ws), seconds(57), &mut out), Err(Expired::Close));
/// ```
#[derive(Clone, Debug)]
pub struct Deadlines {
    config: Arc<DeadlinesConfig>,
    phase: Phase,
    /// When octets of the peer came last.
    received: Duration,
    /// When a message of the peer came last.
    message: Duration,
    /// When the Ping was sent that no octet has followed yet.
    pinged: Option<Duration>,
    /// The number of the last Ping, and when it was sent if its Pong has not come.
    ping: (u32, Option<Duration>),
    /// Since when the peer has taken nothing of what is to be written.
    stalled: Option<Duration>,
}

/// How far the connection is, and since when.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Handshake(Duration),
    Open,
    Closing(Duration),
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expired {
    /// [`DeadlinesConfig::handshake`]: the opening handshake. A server answers with 408 (a
    /// [`Rejection`](crate::Rejection)) and closes the transport.
    Handshake,
    /// [`DeadlinesConfig::pong`]: no sign of life after a Ping. A Close frame with 1011 is in the
    /// output; the closing handshake has begun.
    Pong,
    /// [`DeadlinesConfig::idle`]: no message. A Close frame with 1001 is in the output; the closing
    /// handshake has begun.
    Idle,
    /// [`DeadlinesConfig::close`]: the closing handshake, or the end of the transport after it.
    /// Close the transport.
    Close,
    /// [`DeadlinesConfig::write`]: the peer takes nothing. Close the transport; nothing that is sent
    /// would arrive.
    Write,
}

impl Expired {
    /// The status with which a server answers, if there is a request to answer (RFC 9110,
    /// section 15.5.9).
    #[must_use]
    pub const fn http_status(self) -> Option<u16> {
        match self {
            Self::Handshake => Some(408),
            _ => None,
        }
    }

    /// The code of the Close frame that is in the output for it, if there is one.
    #[must_use]
    pub const fn close_code(self) -> Option<CloseCode> {
        match self {
            // As IANA's registry puts it: an endpoint meets what keeps it from going on.
            Self::Pong => Some(CloseCode::INTERNAL_ERROR),
            Self::Idle => Some(CloseCode::GOING_AWAY),
            _ => None,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Handshake => "the opening handshake took too long",
            Self::Pong => "no sign of life after a Ping",
            Self::Idle => "no message for too long",
            Self::Close => "the closing handshake took too long",
            Self::Write => "the peer takes nothing",
        }
    }
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Expired {}

impl Deadlines {
    /// The opening handshake begins now: the transport is there.
    ///
    /// Give all connections one `Arc` of the settings, and each holds only a pointer to it.
    #[must_use]
    pub fn new(config: impl Into<Arc<DeadlinesConfig>>, now: Duration) -> Self {
        Self {
            config: config.into(),
            phase: Phase::Handshake(now),
            received: now,
            message: now,
            pinged: None,
            ping: (0, None),
            stalled: None,
        }
    }

    /// Octets of the peer have come in. Any octet is a sign of life.
    #[inline]
    pub const fn received(&mut self, now: Duration) {
        self.received = now;
        self.pinged = None;
    }

    /// An event has come out of the connection. For the Pong that answers the last Ping it is how
    /// long that took.
    #[inline]
    pub fn event(&mut self, event: &Event<'_>, now: Duration) -> Option<Duration> {
        match event {
            Event::Text(_) | Event::Binary(_) => self.message = now,
            Event::Pong(payload) if **payload == self.ping.0.to_be_bytes() => {
                return now.checked_sub(self.ping.1.take()?);
            }
            _ => {}
        }
        None
    }

    /// A write was tried, or is about to wait for room: the transport has taken `written` octets,
    /// and `left` are still to be written, those that TLS holds back among them.
    ///
    /// Who takes octets after having taken none is alive: its own may wait to be read until its
    /// output is written. No Ping is sent meanwhile; it would wait as well.
    pub fn wrote(&mut self, written: usize, left: usize, now: Duration) {
        if written > 0 && self.stalled.is_some() {
            self.received(now);
        }
        if left == 0 {
            self.stalled = None;
        } else if written > 0 || self.stalled.is_none() {
            self.stalled = Some(now);
        }
    }

    /// A request was refused: the transport is to end in the time of a closing handshake.
    ///
    /// A server calls it where there is a response and will be no connection, as after
    /// [`Expired::Handshake`].
    pub const fn refused(&mut self, now: Duration) {
        self.phase = Phase::Closing(now);
    }

    /// Does what is due and returns when to call again at the latest; `None` if nothing will be
    /// due.
    ///
    /// `ws` is the connection once there is one. It may get a Ping or a Close in `out`.
    ///
    /// Octets that come in only move that time on, so a timer which is set earlier may be left so:
    /// call when it fires, and set it to what comes back. The begin of a closing handshake or of a
    /// stall may bring it forward. What is appended to `out` is to be written, so look at `out`
    /// after this.
    ///
    /// # Errors
    ///
    /// What took too long. After [`Pong`](Expired::Pong) and [`Idle`](Expired::Idle) go on: write
    /// `out`, read, and call again. After the others the transport is to be closed; before that a
    /// server may answer [`Handshake`](Expired::Handshake), see [`refused`](Self::refused).
    pub fn check(
        &mut self,
        mut ws: Option<&mut Connection>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Result<Option<Duration>, Expired> {
        self.advance(ws.as_deref(), now);
        let wake = match self.phase {
            Phase::Open => self.keep_alive(ws.as_deref_mut(), now, out),
            Phase::Handshake(_) | Phase::Closing(_) => None,
        };
        let expiry = self.expiry();
        if let Some((time, expired)) = expiry
            && time <= now
        {
            if let (Some(ws), Some(code)) = (ws, expired.close_code()) {
                ws.give_up(code, expired.text(), out);
                self.phase = Phase::Closing(now);
            }
            return Err(expired);
        }
        let expiry = expiry.map(|(time, _)| time);
        Ok(wake.into_iter().chain(expiry).min())
    }

    /// Follows the connection from phase to phase.
    pub(crate) fn advance(&mut self, ws: Option<&Connection>, now: Duration) {
        match (ws.map(Connection::state), self.phase) {
            (Some(State::Open), Phase::Handshake(_)) => {
                self.phase = Phase::Open;
                (self.received, self.message) = (now, now);
            }
            (Some(State::Closing | State::Closed), Phase::Handshake(_) | Phase::Open) => {
                self.phase = Phase::Closing(now);
            }
            _ => {}
        }
    }

    /// Sends a Ping if there was silence for long enough, or says when there will have been.
    fn keep_alive(
        &mut self,
        ws: Option<&mut Connection>,
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<Duration> {
        let time = self.received.saturating_add(self.config.keepalive?);
        if self.pinged.is_some() || self.stalled.is_some() {
            return None;
        }
        if now < time {
            return Some(time);
        }
        let number = self.ping.0.wrapping_add(1);
        let sent = ws?.send_ping(&number.to_be_bytes(), out);
        debug_assert_eq!(sent, Ok(()));
        self.ping = (number, Some(now));
        self.pinged = Some(now);
        None
    }

    /// What will have taken too long first, and when.
    fn expiry(&self) -> Option<(Duration, Expired)> {
        let config = &*self.config;
        let mut first = None;
        let mut limit = |since: Option<Duration>, limit, expired| {
            let Some(since) = since else { return };
            let time = since.saturating_add(limit);
            if first.is_none_or(|(first, _)| time < first) {
                first = Some((time, expired));
            }
        };
        limit(self.stalled, config.write, Expired::Write);
        match self.phase {
            Phase::Handshake(since) => limit(Some(since), config.handshake, Expired::Handshake),
            Phase::Closing(since) => limit(Some(since), config.close, Expired::Close),
            Phase::Open => {
                limit(self.pinged, config.pong, Expired::Pong);
                if let Some(idle) = config.idle {
                    limit(Some(self.message), idle, Expired::Idle);
                }
            }
        }
        first
    }
}
