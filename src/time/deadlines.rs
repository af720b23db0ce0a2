//! What must happen by when on one connection.
//!
//! Invariant: a deadline judges the peer, not the scheduler. It runs from when its cause has left the
//! output, a call that comes too late restarts it once, and the same calls at the same times give the
//! same run.

use super::expired::Expired;
use super::moment::{Moment, Span};
use super::times::Times;
use core::time::Duration;

/// A call that comes this much later than it was asked for says nothing about the peer: the process
/// stood still, or the clock jumped.
const LATE: Span = Span::new(Duration::from_millis(100));

/// The stage that a connection is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The opening handshake.
    Opening,
    /// The application decides on a request.
    Deciding,
    Open,
    /// The peer's Close waits for the application's answer.
    Answering,
    /// Our Close, or a response that opens no connection, was sent.
    Closing,
}

/// What is still to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    /// The number of bytes that the caller has to write; counted up to 4 GiB.
    pub(crate) in_output: u32,
    /// Whether a layer below the output holds bytes back.
    pub(crate) is_held: bool,
}

impl Left {
    pub(crate) const fn is_none(self) -> bool {
        self.in_output == 0 && !self.is_held
    }
}

/// A number of bytes, counted up to 4 GiB.
#[inline]
pub(crate) fn saturated(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this time.
    Nothing(Option<Duration>),
    /// A Ping with this payload.
    Ping([u8; 4]),
    /// The end: this took too long.
    End(Expired),
}

/// The deadlines of one connection, from its opening handshake to its end.
#[derive(Debug)]
pub(crate) struct Deadlines {
    handshake: Span,
    keepalive: Span,
    pong: Span,
    idle: Span,
    close: Span,
    write: Span,
    min_rate: u32,
    /// The number in the last Ping.
    ping: u32,
    stage: Stage,
    /// Whether the last Ping has not left yet.
    ping_waits: bool,
    /// Whether there was no sign of life since the last Ping was sent.
    is_asked: bool,
    /// The number of bytes in the output up to the end of what waits to leave: the last Ping, or
    /// our Close. What follows it is not waited for.
    ahead: u32,
    /// Whether a write was incomplete, or a later call found the same bytes waiting.
    is_blocked: bool,
    /// Whether the application holds back reading: the peer's answers may wait unread.
    is_held_back: bool,
    /// Whether a deadline was restarted, and there was no sign of life since.
    was_late: bool,
    /// When the peer was last seen alive.
    alive: Moment,
    /// Since when the deadline of the stage runs; while open, that for the next message.
    since: Moment,
    /// Since when a Pong is awaited.
    awaits_pong: Moment,
    /// When the last Ping left, until its Pong has arrived.
    pinged: Moment,
    /// The round trip of the last Ping that was answered, as the time since 0.
    latency: Moment,
    /// Since when the peer has taken nothing although something waits.
    backlog: Moment,
    /// Since when `taken` bytes were taken, with something to be written all the time.
    window: Moment,
    /// Counted up to 4 GiB, which is enough.
    taken: u32,
    /// The time that the last call asked for.
    asked: Moment,
}

impl Deadlines {
    /// The deadlines of a transport that is connected now.
    pub(crate) fn new(times: &Times, stage: Stage, now: Duration) -> Self {
        let now = Moment::new(now);
        Self {
            handshake: Span::new(times.handshake),
            keepalive: Span::or_endless(times.keepalive),
            pong: Span::new(times.pong),
            idle: Span::or_endless(times.idle),
            close: Span::new(times.close),
            write: Span::new(times.write),
            min_rate: times.min_rate,
            ping: 0,
            stage,
            ping_waits: false,
            is_asked: false,
            ahead: 0,
            is_blocked: false,
            is_held_back: false,
            was_late: false,
            alive: now,
            since: now,
            awaits_pong: Moment::NEVER,
            pinged: Moment::NEVER,
            latency: Moment::NEVER,
            backlog: Moment::NEVER,
            window: now,
            taken: 0,
            asked: now,
        }
    }

    /// Records that bytes of the peer have arrived. Any byte is a sign of life.
    #[inline]
    pub(crate) const fn received(&mut self, now: Moment) {
        self.alive = now;
        self.awaits_pong = Moment::NEVER;
        self.is_asked = false;
        self.was_late = false;
    }

    /// Records that a message of the peer has arrived, or a piece of one.
    #[inline]
    pub(crate) const fn message(&mut self, now: Moment) {
        if let Stage::Open = self.stage {
            self.since = now;
        }
    }

    /// Records that a Pong has arrived.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Moment) {
        if payload == self.ping.to_be_bytes() && self.pinged != Moment::NEVER {
            self.latency = now.since(self.pinged);
            self.pinged = Moment::NEVER;
        }
    }

    /// The round trip of the last Ping that was answered.
    pub(crate) fn latency(&self) -> Option<Duration> {
        self.latency.duration()
    }

    /// The application holds back reading from now on, or no longer: then the peer gets its full time
    /// again.
    pub(crate) const fn hold_back(&mut self, is_held_back: bool, now: Moment) {
        if self.is_held_back && !is_held_back {
            self.received(now);
            self.message(now);
        }
        self.is_held_back = is_held_back;
    }

    pub(crate) const fn is_held_back(&self) -> bool {
        self.is_held_back
    }

    /// `n` bytes have left the output, for the transport or a layer below.
    pub(crate) fn handed_on(&mut self, n: usize) {
        self.ahead = self.ahead.saturating_sub(saturated(n));
    }

    /// The transport took `n` bytes; `left` says what is still to be written.
    ///
    /// A peer that resumes reading is alive: its own bytes may wait to be read until ours are
    /// written.
    pub(crate) fn wrote(&mut self, n: usize, left: Left, now: Moment) {
        if n > 0 {
            if self.backlog == Moment::NEVER {
                (self.window, self.taken) = (now, 0);
            }
            self.taken = self.taken.saturating_add(saturated(n));
            if self.is_blocked {
                self.received(now);
                self.message(now);
            }
        }
        if left.is_none() {
            self.all_written(now);
            return;
        }
        if n > 0 {
            (self.backlog, self.is_blocked) = (now, true);
        }
        if self.ahead == 0 && !left.is_held {
            self.has_left(now);
        }
    }

    /// Everything has been written.
    fn all_written(&mut self, now: Moment) {
        (self.backlog, self.is_blocked, self.ahead) = (Moment::NEVER, false, 0);
        self.has_left(now);
        if self.stage == Stage::Answering && self.since == Moment::NEVER {
            self.since = now;
        }
    }

    /// Starts the deadline of what waited to leave.
    fn has_left(&mut self, now: Moment) {
        if self.ping_waits {
            (self.ping_waits, self.pinged) = (false, now);
            if self.is_asked {
                self.awaits_pong = now;
            }
        }
        if self.stage == Stage::Closing && self.since == Moment::NEVER {
            self.since = now;
        }
    }

    /// A layer below is reported for the first time, and holds what was written: nothing of it has
    /// left.
    pub(crate) fn held(&mut self) {
        if !self.awaits_pong.is_never() {
            (self.awaits_pong, self.ping_waits) = (Moment::NEVER, true);
        }
        if matches!(self.stage, Stage::Answering | Stage::Closing) {
            self.since = Moment::NEVER;
        }
    }

    /// The common case of [`check`](Self::check): open, and the peer owes nothing. `None` in any
    /// other case, or if something is due.
    #[inline]
    pub(crate) fn calm(&mut self, is_left: bool, now: Moment) -> Option<Moment> {
        let owes_nothing = self.backlog.is_never() && self.awaits_pong.is_never();
        let is_unsure = self.ping_waits | self.is_blocked | self.is_held_back;
        if !owes_nothing || is_unsure || self.stage != Stage::Open {
            return None;
        }
        let mut time = self.alive.after(self.keepalive);
        time = time.min(self.since.after(self.idle));
        if is_left {
            time = time.min(now.after(self.write));
        }
        if time <= now {
            return None;
        }
        if is_left {
            (self.backlog, self.window, self.taken) = (now, now, 0);
        }
        self.asked = time;
        Some(time)
    }

    /// Says what is due now, in this stage and with `left` still to be written.
    pub(crate) fn check(&mut self, stage: Stage, left: Left, now: Moment) -> Due {
        if stage != self.stage {
            self.enter(stage, now);
            self.ahead = left.in_output;
        }
        if self.ahead == u32::MAX {
            self.ahead = left.in_output; // the Ping is the last of it
        }
        let is_left = !left.is_none();
        if !is_left {
            self.all_written(now);
        } else if self.backlog == Moment::NEVER {
            (self.backlog, self.window, self.taken) = (now, now, 0);
        } else if now > self.backlog {
            self.is_blocked = true;
        }
        if is_left && stage == Stage::Answering {
            self.since = Moment::NEVER; // the application is still sending
        }
        if self.keepalive_time() <= now {
            self.ping = self.ping.wrapping_add(1);
            (self.ping_waits, self.is_asked) = (true, true);
            (self.pinged, self.ahead) = (now, u32::MAX);
            return Due::Ping(self.ping.to_be_bytes());
        }
        let (mut time, mut expired) = self.first_expiry(now);
        if time <= now {
            let is_late = now > self.asked.after(LATE);
            if !is_late || self.was_late {
                return Due::End(expired);
            }
            self.was_late = true;
            // Restarts everything that is over; while open that may be three deadlines. A time of
            // zero is over again at once.
            for _ in 0..3 {
                if time <= now {
                    self.restart(expired, now);
                    (time, expired) = self.first_expiry(now);
                }
            }
            if time <= now {
                return Due::End(expired);
            }
        }
        self.asked = time
            .min(self.keepalive_time())
            .min(self.earliest_of_waiting(now));
        Due::Nothing(self.asked.duration())
    }

    /// Enters the next stage.
    fn enter(&mut self, stage: Stage, now: Moment) {
        self.stage = stage;
        self.since = match stage {
            Stage::Opening | Stage::Deciding => now,
            Stage::Open => {
                self.alive = now;
                now
            }
            // Starts when what was sent has left.
            Stage::Answering | Stage::Closing => Moment::NEVER,
        };
    }

    /// When to send a Ping. None is sent while the peer takes nothing: it would only wait. Nor while
    /// nobody would read the Pong.
    const fn keepalive_time(&self) -> Moment {
        let is_pointless = self.is_asked || self.is_blocked || self.is_held_back;
        if is_pointless || !matches!(self.stage, Stage::Open) {
            return Moment::NEVER;
        }
        self.alive.after(self.keepalive)
    }

    /// The deadline that is over first, and when.
    fn first_expiry(&mut self, now: Moment) -> (Moment, Expired) {
        let mut first = (self.write_time(now), Expired::Write);
        let mut limit = |since: Moment, span, expired| {
            let time = since.after(span);
            if time < first.0 {
                first = (time, expired);
            }
        };
        match self.stage {
            Stage::Opening => limit(self.since, self.handshake, Expired::Handshake),
            Stage::Deciding => {}
            Stage::Open if self.is_held_back => {}
            Stage::Open => {
                limit(self.awaits_pong, self.pong, Expired::Pong);
                if !self.is_blocked {
                    limit(self.since, self.idle, Expired::Idle);
                }
            }
            Stage::Answering | Stage::Closing => limit(self.since, self.close, Expired::Close),
        }
        first
    }

    /// When the peer will have taken nothing for too long, or too little.
    fn write_time(&mut self, now: Moment) -> Moment {
        if self.backlog == Moment::NEVER {
            return Moment::NEVER;
        }
        let span = self.write.doubled();
        let mut window_end = Moment::NEVER;
        if self.taken < u32::MAX && u64::from(self.taken) < span.bytes_at(self.min_rate) {
            window_end = self.window.after(span);
        } else if self.window.after(span) <= now {
            (self.window, self.taken) = (now, 0);
        }
        self.backlog.after(self.write).min(window_end)
    }

    /// The earliest deadline of what has not left yet, which may leave right after this call.
    /// Always later than `now`.
    fn earliest_of_waiting(&self, now: Moment) -> Moment {
        match self.stage {
            Stage::Open if self.ping_waits && self.is_asked => {
                now.after(self.pong.max(Span::LEAST))
            }
            Stage::Answering | Stage::Closing if self.since == Moment::NEVER => {
                now.after(self.close.max(Span::LEAST))
            }
            _ => Moment::NEVER,
        }
    }

    /// Restarts the time of the peer.
    const fn restart(&mut self, expired: Expired, now: Moment) {
        match expired {
            Expired::Pong => self.awaits_pong = now,
            Expired::Write => (self.backlog, self.window, self.taken) = (now, now, 0),
            Expired::Handshake | Expired::Idle | Expired::Close => self.since = now,
        }
    }
}
