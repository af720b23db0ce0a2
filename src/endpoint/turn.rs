//! A turn of the caller's loop: what is due, what has left, and how it ends.
//!
//! Invariant: `tick` is the only place that says that it is over, and no time that it returns is in
//! the past.

use super::Endpoint;
use super::end::{End, Tick};
use super::phase::Phase;
use crate::connection::ClosingState;
use crate::frame::{ProtocolError, Role};
use crate::time::{Due, Expired, Left, Moment, Stage, saturated};
use alloc::boxed::Box;
use bytes::{Buf, BytesMut};
use core::time::Duration;

impl Endpoint {
    /// Does what is due, and says what the transport does next.
    ///
    /// Call it in each turn of the loop, after reading, sending and writing, before waiting; and when the
    /// time that it returned has come. A timer that is set for an earlier time may stay. Nothing else says
    /// that the connection is over, or that the transport is to be shut down. It may append to `out` a
    /// Ping, a Close for a peer that took too long, or a server's 408.
    ///
    /// Deadlines judge the peer, not the scheduler. Each starts when its cause has left `out` and
    /// no layer below holds it back ([`flushed`](Self::flushed)). None runs while the application
    /// decides on a request. A call more than 100 ms after the time that was asked for (the first call:
    /// after the endpoint was made) restarts everything that is over, once, so that what has arrived
    /// meanwhile is read before the peer is judged. A timer that is that late makes deadlines twice as
    /// long. The timeouts of blocking sockets are on Linux (`SO_RCVTIMEO` and `SO_SNDTIMEO`, up to an
    /// eighth of the time), so wait at most 1 s there; earlier calls do no harm.
    #[inline]
    pub fn tick(&mut self, now: Duration, out: &mut BytesMut) -> Tick {
        self.out_len = saturated(out.len());
        if self.is_plainly_open()
            && let Some(wake) = self
                .deadlines
                .calm(!self.left().is_none(), Moment::new(now))
        {
            return Tick::Wait(wake.duration());
        }
        self.tick_any(now, out)
    }

    /// Whether the connection is open in both directions.
    #[inline]
    fn is_plainly_open(&self) -> bool {
        matches!(self.phase, Phase::Open) && !self.session.is_ending()
    }

    fn tick_any(&mut self, now: Duration, out: &mut BytesMut) -> Tick {
        if self.is_done {
            return Tick::Done(self.verdict());
        }
        if self.is_over() {
            return self.done(self.verdict());
        }
        self.check(Moment::new(now), out)
    }

    fn check(&mut self, now: Moment, out: &mut BytesMut) -> Tick {
        loop {
            let left = self.left();
            match self.deadlines.check(self.stage(), left, now) {
                Due::Nothing(wake) if left.is_none() && self.must_shut_down() => {
                    return Tick::ShutDown(wake);
                }
                Due::Nothing(wake) => return Tick::Wait(wake),
                Due::Ping(payload) => {
                    let sent = self.session.send_ping(&payload, out);
                    debug_assert_eq!(sent, Ok(()), "it is open, and the payload is short");
                }
                Due::End(expired) => {
                    if let Some(end) = self.expire(expired, out) {
                        return self.done(end);
                    }
                }
            }
            self.out_len = saturated(out.len());
        }
    }

    /// Acts on what took too long. Returns how it ended; `None` if a closing handshake or a
    /// response follows.
    #[cold]
    fn expire(&mut self, expired: Expired, out: &mut BytesMut) -> Option<End> {
        match expired {
            Expired::Pong | Expired::Idle => {
                self.expired.get_or_insert(expired);
                let code = expired.close_code()?;
                self.session.give_up(code, expired.text(), out);
                None
            }
            Expired::Handshake => {
                self.phase.expire(out);
                self.stop_if_over();
                // A client has nothing more to say.
                (self.session.role() == Role::Client).then(|| self.verdict())
            }
            Expired::Close | Expired::Write => Some(self.given_up(expired)),
        }
    }

    /// How it ended when the peer was given up for good: by the cause that came first.
    fn given_up(&self, expired: Expired) -> End {
        let verdict = self.verdict();
        let came_first = match verdict {
            End::Refused(_) | End::Expired(_) => true,
            End::Responded => expired != Expired::Write,
            End::Closed { by_peer, .. } => {
                expired != Expired::Write && (by_peer || self.session.is_closing_complete())
            }
            End::Failed(error) => error != ProtocolError::TransportEnded,
        };
        if came_first {
            verdict
        } else {
            End::Expired(expired)
        }
    }

    /// How it ended, if it ends now.
    fn verdict(&self) -> End {
        match (&self.phase, self.expired) {
            (Phase::Over(end), _) => (**end).clone(),
            (_, Some(expired)) => End::Expired(expired),
            _ => self.session.outcome().into(),
        }
    }

    fn done(&mut self, end: End) -> Tick {
        self.is_done = true;
        match end {
            // What the application has read and not looked at yet is still received.
            End::Expired(expired) if self.holds_messages_back() => {
                self.expired = Some(expired);
                self.session.end_transport();
            }
            _ => {
                self.session.receive_eof();
                self.phase = Phase::Over(Box::new(end.clone()));
            }
        }
        Tick::Done(end)
    }

    fn holds_messages_back(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.deadlines.is_held_back()
    }

    /// What is still to be written, by the caller or by a layer below.
    #[inline]
    const fn left(&self) -> Left {
        Left {
            in_output: self.out_len,
            is_held: matches!(self.holds_more, Some(true)),
        }
    }

    /// Whether nothing is left to be done: the transport has ended, or a client was refused.
    fn is_over(&self) -> bool {
        let is_refused_client =
            matches!(self.phase, Phase::Over(_)) && self.session.role() == Role::Client;
        is_refused_client
            || (self.transport_ended && (self.left().is_none() || !self.is_worth_writing()))
    }

    /// Whether a peer that has ended its half may still wait for the rest: a response, or our
    /// Close.
    fn is_worth_writing(&self) -> bool {
        match self.phase {
            Phase::Over(_) => true,
            _ => matches!(self.session.closing_state(), ClosingState::Closing),
        }
    }

    fn must_shut_down(&self) -> bool {
        match self.phase {
            Phase::Over(_) => true,
            Phase::Open | Phase::Early(_) => self.session.must_close_transport(),
            Phase::Request(_) | Phase::Deciding(_) | Phase::Response(_) => false,
        }
    }

    fn stage(&self) -> Stage {
        match self.phase {
            Phase::Request(_) | Phase::Response(_) => Stage::Opening,
            Phase::Deciding(_) => Stage::Deciding,
            Phase::Over(_) => Stage::Closing,
            Phase::Early(_) | Phase::Open => match self.session.closing_state() {
                ClosingState::Open => Stage::Open,
                ClosingState::Answering => Stage::Answering,
                ClosingState::Closing => Stage::Closing,
            },
        }
    }

    /// The transport took `n` bytes: drains them from `out`, and returns how many of them belonged to
    /// the payload of [`send_apart`](crate::Session::send_apart): 0 if you do not use that.
    ///
    /// Call it after each write that took bytes. A vectored write goes on with
    /// `payload = &payload[ws.wrote(n, now, &mut out)..]`.
    pub fn wrote(&mut self, n: usize, now: Duration, out: &mut BytesMut) -> usize {
        let of_out = n.min(out.len());
        if of_out == out.len() {
            out.clear();
        } else {
            out.advance(of_out);
        }
        self.out_len = saturated(out.len());
        // What a layer below has taken may not have left yet: `flushed` reports that.
        self.deadlines.handed_on(n);
        if self.holds_more.is_none() {
            self.deadlines.wrote(n, self.left(), Moment::new(now));
        }
        n - of_out
    }

    /// Reports the progress of a layer below `out`: it wrote `n` bytes, and still holds some or not.
    ///
    /// Call it if something between `out` and the transport keeps bytes: TLS, HTTP/2, a write in
    /// flight, a queue of what was taken by `split` or [`share`](crate::Session::share). From the first
    /// call on, it alone reports progress: call it after each write of that layer, and after
    /// handing bytes to it, with 0 for `n` if none were written. `n` counts bytes as that layer
    /// writes them, encrypted ones for TLS. Write until neither `out` nor the layer holds bytes,
    /// then read:
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::Endpoint;
    /// use std::{io, time::Duration};
    ///
    /// # trait Tls { fn take(&mut self, plain: &[u8]) -> usize; fn wants_write(&self) -> bool; fn write_tls(&mut self) -> io::Result<usize>; }
    /// /// Writes some; `false` if there is nothing to write.
    /// fn write(ws: &mut Endpoint, tls: &mut impl Tls, now: Duration, out: &mut BytesMut) -> io::Result<bool> {
    ///     let n = tls.take(out); // rustls: `tls.writer().write(out)?`
    ///     ws.wrote(n, now, out);
    ///     if !tls.wants_write() {
    ///         return Ok(false);
    ///     }
    ///     let n = tls.write_tls()?; // after a timeout: 0
    ///     ws.flushed(n, tls.wants_write(), now);
    ///     Ok(true)
    /// }
    /// ```
    ///
    /// At [`Tick::ShutDown`] the layer ends its own stream first, such as with TLS's `close_notify`;
    /// shut the transport down when that is written. When reading or writing fails, the layer holds
    /// nothing any more: `ws.flushed(0, false, now)`.
    pub fn flushed(&mut self, n: usize, holds_more: bool, now: Duration) {
        if self.holds_more.replace(holds_more).is_none() && holds_more {
            self.deadlines.held();
        }
        self.deadlines.wrote(n, self.left(), Moment::new(now));
    }

    /// Says whether the application holds back reading: messages that have arrived are not taken, so
    /// nothing more is read.
    ///
    /// Call it with `true` when you stop reading although the transport may hold bytes of the peer,
    /// and with `false` when you read again; as often as you like. Meanwhile no Ping is sent, and
    /// neither [`Times::pong`](crate::Times::pong) nor [`Times::idle`](crate::Times::idle) runs: the
    /// peer's answer may be among what waits. After it the peer has its full time again.
    /// [`Times::write`](crate::Times::write) and [`Times::close`](crate::Times::close) run on: a peer
    /// has to read whether or not we do, and a closing handshake that we have asked for ends. If one
    /// of them ends the connection, [`receive`](Self::receive) still returns what you have read and
    /// held back.
    ///
    /// A loop that always reads does not need it, nor one that does not call `tick` while it holds
    /// back: a late `tick` says as much.
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Connection, Endpoint, Settings, Tick};
    /// # use std::time::Duration;
    /// # let (config, mut out) = (Config::default(), BytesMut::new());
    /// # let mut ws = Endpoint::open(Connection::server(Settings::default()), &config, Duration::ZERO);
    /// // The queue of messages is full: nothing is read until it has been emptied.
    /// let now = Duration::from_secs(1);
    /// ws.hold_back(true, now);
    /// assert_eq!(ws.tick(now, &mut out), Tick::Wait(None));
    /// // It has room again. The next Ping comes after as much silence as ever.
    /// let now = Duration::from_secs(600);
    /// ws.hold_back(false, now);
    /// let wake = now + config.times.keepalive.unwrap();
    /// assert_eq!(ws.tick(now, &mut out), Tick::Wait(Some(wake)));
    /// ```
    pub fn hold_back(&mut self, is_held_back: bool, now: Duration) {
        self.deadlines.hold_back(is_held_back, Moment::new(now));
    }

    /// How it ended, once [`tick`](Self::tick) has returned [`Tick::Done`].
    ///
    /// ```
    /// # use bytes::BytesMut;
    /// # use sansocket::{Config, Endpoint, Tick};
    /// # let (now, mut out) = (std::time::Duration::ZERO, BytesMut::new());
    /// let mut ws = Endpoint::server(&Config::default(), now);
    /// assert!(ws.end().is_none());
    /// ws.receive_eof(); // the client has left
    /// assert!(matches!(ws.tick(now, &mut out), Tick::Done(end) if Some(&end) == ws.end().as_ref()));
    /// ```
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.is_done.then(|| self.verdict())
    }

    /// The round-trip time of the last answered Ping of [`tick`](Self::tick), from when it left.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        self.deadlines.latency()
    }
}
