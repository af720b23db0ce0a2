//! A turn: writes what there is, does what is due, and sets the timer.
//!
//! Invariant: after a turn all output was offered to the transport and all deadlines were looked at, and
//! transport and timer have the waker for what is left.

use super::{Core, Shutdown, saturated};
use crate::trace;
use crate::transport::Transport;
use sansocket::{End, Tick};
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::unconstrained;
use tokio::time::{sleep_until, timeout};

/// Turns.
impl<S: Transport> Core<S> {
    /// Does everything that can be done without the reader.
    pub(crate) fn drive(&mut self, context: &mut Context<'_>) {
        self.read_ahead(context);
        self.turn(context);
    }

    /// After something was sent: reads ahead, and then writes, unless writing is left to others, or
    /// messages wait whose answers may come.
    pub(crate) fn settle(&mut self, defers: bool, context: &mut Context<'_>) {
        self.read_ahead(context);
        if !defers && !self.has_input() {
            self.turn(context);
        }
    }

    /// Writes what there is and does what is due. What is left has the waker for room.
    pub(crate) fn turn(&mut self, context: &mut Context<'_>) {
        self.now = self.start.elapsed();
        if self.now >= self.alarm {
            self.alarm = Duration::MAX;
        }
        let holds_back = self.has_input() && !self.discards();
        self.endpoint.hold_back(holds_back, self.now);
        let wake = loop {
            let Some(io) = &mut self.io else { return };
            let mut io = Pin::new(io);
            let (output, endpoint) = (&mut self.output, &mut self.endpoint);
            match output.write(io.as_mut(), context, endpoint, self.now) {
                Ok(moved) => {
                    if moved && std::mem::take(&mut self.is_awaited) {
                        context.waker().wake_by_ref();
                    }
                }
                Err(error) => {
                    self.failure.get_or_insert(error);
                    context.waker().wake_by_ref();
                }
            }
            self.answers = self.answers.min(saturated(output.len()));
            let before = output.out().len();
            let is_settled = output.is_settled();
            let due = (self.due).check(is_settled, self.now, endpoint, output.out());
            let wake = match endpoint.tick(self.now, output.out()) {
                Tick::Wait(wake) => wake,
                Tick::ShutDown(wake) => {
                    if !matches!(self.shutdown, Shutdown::Done) {
                        // An error is an end, which reading tells as well.
                        let is_done = io.poll_shutdown(context).is_ready();
                        self.shutdown = if is_done {
                            Shutdown::Done
                        } else {
                            Shutdown::Due
                        };
                    }
                    wake
                }
                Tick::Done(end) => {
                    self.finish(end, context);
                    return;
                }
            };
            if output.out().len() == before {
                break [wake, due].into_iter().flatten().min();
            }
        };
        self.set_timer(wake, context);
        self.is_calm = self.is_read_pending && !self.has_input() && self.is_settled();
    }

    /// It is over: what was read is still the user's.
    fn finish(&mut self, end: End, context: &mut Context<'_>) {
        trace::ended(&end, self.failure.as_ref());
        // A peer that was given up has had its time.
        let patience = match end {
            End::Expired(_) => Duration::ZERO,
            _ => self.due.close_time,
        };
        self.end = Some(Box::new(end));
        self.let_go(patience, context);
        if self.discards() || !self.has_input() {
            self.drop_input();
        }
        context.waker().wake_by_ref();
    }

    /// Nobody is left.
    pub(crate) fn abandon(&mut self, context: &mut Context<'_>) {
        self.let_go(self.due.close_time, context);
        self.drop_input();
    }

    fn drop_input(&mut self) {
        self.ready = None;
        self.input.discard();
    }

    /// Drops the transport, once it is shut down: TLS tells its peer that nothing was cut off. If that
    /// takes time, it has this much of it, in a task of its own.
    fn let_go(&mut self, patience: Duration, context: &mut Context<'_>) {
        self.output.discard(&mut self.endpoint, self.now);
        self.timer = None;
        let is_shut = matches!(self.shutdown, Shutdown::Done);
        self.shutdown = Shutdown::Done;
        let Some(mut io) = self.io.take().filter(|_| !is_shut) else {
            return;
        };
        let is_pending = Pin::new(&mut io).poll_shutdown(context).is_pending();
        if is_pending && !patience.is_zero() {
            (self.runtime).spawn(async move { timeout(patience, io.shutdown()).await });
        }
    }

    /// One that is set for an earlier time stays: it finds nothing due, and is set anew.
    pub(super) fn set_timer(&mut self, wake: Option<Duration>, context: &mut Context<'_>) {
        let Some(wake) = wake.filter(|wake| *wake < self.alarm) else {
            return;
        };
        // A time that the clock does not reach never comes.
        let Some(at) = self.start.checked_add(wake) else {
            return;
        };
        self.alarm = wake;
        let timer = match &mut self.timer {
            Some(timer) => {
                timer.as_mut().reset(at);
                timer
            }
            none => {
                let _runtime = self.runtime.enter();
                none.insert(Box::pin(sleep_until(at)))
            }
        };
        // The runtime knows it from its first poll on. A task that has used up its budget would not
        // get so far.
        let _ = pin!(unconstrained(timer.as_mut())).poll(context);
    }
}
