//! One connection that several tasks may use: a lock around the core, and a helper that writes.
//!
//! Invariant: nobody waits while the lock is held. When a send has returned, all is written, or there
//! is a helper that writes it: nothing depends on a later call of the user. If senders wait and there
//! is room, one of them has been woken.

use crate::core::{Core, Opening, Outgoing};
use crate::error::Error;
use crate::helper::{self, Help};
use crate::hub::{Hub, Ticket, Who};
use crate::message::Message;
use crate::sync::{self, Mutex, MutexGuard};
use crate::transport::Transport;
use sansocket::{CloseCode, End, Request, Response};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use tokio::task::coop::poll_proceed;

/// So many messages that were read already cost one unit of a task's budget.
const PER_UNIT: u8 = 32;

pub(crate) struct Shared<S> {
    me: Weak<Self>,
    hub: Arc<Hub>,
    locked: Mutex<Locked<S>>,
}

pub(crate) struct Locked<S> {
    pub(crate) core: Core<S>,
    /// The hub's.
    waker: Waker,
    /// Whether a task sees to it that all is written.
    has_helper: bool,
    /// Whether writing is left to the helper or to who reads: then what one wake-up of a task sends is
    /// one write.
    defers: bool,
    /// Whether senders wait, of whom none has been woken.
    senders_wait: bool,
    /// How many of the user's handles keep the connection open.
    owners: u8,
    /// How many messages were received without a unit of the budget.
    free: u8,
}

impl<S: Transport> Shared<S> {
    pub(crate) fn new(core: Core<S>) -> Arc<Self> {
        let hub = Arc::new(Hub::default());
        let waker = Waker::from(hub.clone());
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            hub,
            locked: Mutex::new(Locked {
                core,
                waker,
                has_helper: false,
                defers: false,
                senders_wait: false,
                owners: 0,
                free: 0,
            }),
        })
    }

    /// For questions.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Locked<S>> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For what may make room.
    #[inline]
    fn with<T>(&self, act: impl FnOnce(&mut Locked<S>) -> T) -> T {
        let mut locked = self.lock();
        let result = act(&mut locked);
        let is_turn = locked.senders_wait && locked.core.has_room();
        locked.senders_wait &= !is_turn;
        drop(locked);
        if is_turn {
            self.hub.wake_sender();
        }
        result
    }

    /// Asks the core, in the name of the hub.
    fn ask<T>(
        &self,
        locked: &mut Locked<S>,
        ask: impl FnOnce(&mut Core<S>, &mut Context<'_>) -> T,
    ) -> T {
        self.hub.forget_events();
        locked.core.disturb();
        ask(&mut locked.core, &mut Context::from_waker(&locked.waker))
    }

    /// Whether asking the core would change nothing.
    fn is_calm(&self, locked: &Locked<S>) -> bool {
        locked.core.is_calm() && !self.hub.has_event()
    }

    /// Asks the core, after whoever asks has registered with the hub.
    fn poll<T>(
        &self,
        who: Who,
        context: &Context<'_>,
        ask: impl FnOnce(&mut Core<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.hub.wait(who, context);
        self.with(|locked| self.ask(locked, ask))
    }

    pub(crate) fn poll_opening(&self, context: &Context<'_>) -> Poll<Result<Opening, Error>> {
        self.poll(Who::Reader, context, Core::poll_opening)
    }

    pub(crate) fn decide(&self, decision: Result<Request, Response>) {
        self.lock().core.decide(decision);
    }

    pub(crate) fn poll_opened(&self, context: &Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(Who::Reader, context, Core::poll_opened)
    }

    pub(crate) fn poll_recv(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        {
            let mut locked = self.lock();
            locked.free = locked.free.wrapping_add(1);
            if locked.free >= PER_UNIT {
                let Poll::Ready(unit) = poll_proceed(context) else {
                    drop(locked);
                    // A peer that always has one more must not outlast its deadlines.
                    self.with(|locked| self.ask(locked, Core::turn));
                    return Poll::Pending;
                };
                unit.made_progress();
                locked.free = 0;
            }
            if let Some(message) = locked.core.take_for_reader() {
                return Poll::Ready(Ok(Some(message)));
            }
        }
        self.hub.wait(Who::Reader, context);
        self.with(|locked| {
            if self.is_calm(locked) {
                return Poll::Pending;
            }
            self.ask(locked, Core::poll_recv)
        })
    }

    pub(crate) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        if self.lock().core.has_room() {
            return Poll::Ready(());
        }
        self.poll(Who::Writer, context, Core::poll_room)
    }

    /// One future, and one place for the message in it: an `async fn` in an `async fn` has three, in each task.
    pub(crate) fn sending(
        &self,
        outgoing: Outgoing<'_>,
    ) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |context| self.poll_send(context, &outgoing))
    }

    /// Waits for room, appends, and sees to it that all will be written.
    pub(crate) fn poll_send(
        &self,
        context: &Context<'_>,
        outgoing: &Outgoing<'_>,
    ) -> Poll<Result<(), Error>> {
        match self.try_send(outgoing) {
            Ok(false) => self.poll_send_later(context, outgoing),
            sent => Poll::Ready(sent.map(drop)),
        }
    }

    #[cold]
    fn poll_send_later(
        &self,
        context: &Context<'_>,
        outgoing: &Outgoing<'_>,
    ) -> Poll<Result<(), Error>> {
        self.hub.wait(Who::Writer, context);
        self.with(|locked| {
            ready!(self.ask(locked, Core::poll_room));
            Poll::Ready(self.send(locked, outgoing))
        })
    }

    /// As [`poll_send`](Self::poll_send), for one of any number of futures.
    pub(crate) fn poll_send_in_turn(
        &self,
        ticket: Ticket,
        context: &Context<'_>,
        outgoing: &Outgoing<'_>,
    ) -> Poll<Result<(), Error>> {
        self.hub.wait(Who::Sender(ticket), context);
        self.with(|locked| {
            if self.ask(locked, Core::poll_room).is_pending() {
                self.ensure_helper(locked);
                locked.senders_wait = true;
                return Poll::Pending;
            }
            self.hub.leave(ticket);
            locked.senders_wait = self.hub.has_senders();
            Poll::Ready(self.send(locked, outgoing))
        })
    }

    /// Sends if there is room; `false` if there is none.
    #[inline(always)]
    pub(crate) fn try_send(&self, outgoing: &Outgoing<'_>) -> Result<bool, Error> {
        self.with(|locked| {
            let has_room = locked.core.has_room();
            if has_room {
                self.send(locked, outgoing)?;
            }
            Ok(has_room)
        })
    }

    #[inline(always)]
    fn send(&self, locked: &mut Locked<S>, outgoing: &Outgoing<'_>) -> Result<(), Error> {
        locked.core.push(outgoing)?;
        self.settle(locked);
        Ok(())
    }

    /// Appends a message; the caller has seen that there is room.
    pub(crate) fn push(&self, message: Message) -> Result<(), Error> {
        self.lock().core.push(&Outgoing::Message(message))
    }

    /// Sees to it that all will be written.
    pub(crate) fn hand_over(&self) {
        self.with(|locked| self.settle(locked));
    }

    pub(crate) fn poll_flush(&self, context: &Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(Who::Writer, context, Core::poll_flush)
    }

    /// Starts the closing handshake, if none has started.
    pub(crate) fn close(&self, code: Option<CloseCode>, reason: &str) -> Result<(), Error> {
        self.with(|locked| {
            locked.core.close(code, reason)?;
            self.settle(locked);
            Ok(())
        })
    }

    pub(crate) fn poll_end(&self, context: &Context<'_>) -> Poll<Result<End, Error>> {
        self.poll(Who::Writer, context, Core::poll_end)
    }

    #[inline]
    fn settle(&self, locked: &mut Locked<S>) {
        if !locked.has_helper || !locked.defers && !locked.core.has_input() {
            self.settle_now(locked);
        }
    }

    fn settle_now(&self, locked: &mut Locked<S>) {
        if !locked.core.has_input() && !self.is_calm(locked) {
            let defers = locked.defers;
            self.ask(locked, |core, context| core.settle(defers, context));
        }
        if !locked.core.is_settled() {
            self.ensure_helper(locked);
        }
    }

    /// Sees to it that a task writes what is left, whatever the user does.
    fn ensure_helper(&self, locked: &mut Locked<S>) {
        if locked.has_helper {
            return;
        }
        let Some(shared) = self.me.upgrade() else {
            return; // nobody is left
        };
        locked.has_helper = true;
        helper::ask(locked.core.runtime(), shared);
    }

    fn poll_help(&self, context: &Context<'_>) -> Poll<()> {
        self.hub.wait(Who::Helper, context);
        self.with(|locked| self.write(locked))
    }

    /// Writes what is left; ready when there is nothing.
    fn write(&self, locked: &mut Locked<S>) -> Poll<()> {
        if !locked.core.is_settled() {
            self.ask(locked, Core::drive);
        }
        if !locked.core.is_settled() {
            return Poll::Pending;
        }
        locked.has_helper = false;
        if locked.owners == 0 {
            self.ask(locked, Core::abandon);
        }
        Poll::Ready(())
    }

    /// From now on what one wake-up of a task sends is one write.
    pub(crate) fn defer(&self) {
        self.lock().defers = true;
    }

    /// One more handle keeps the connection open.
    pub(crate) fn own(&self) {
        self.lock().owners += 1;
    }

    /// A handle is gone. With the last of them the connection ends, once its output is written.
    pub(crate) fn disown(&self) {
        self.with(|locked| {
            locked.owners -= 1;
            if locked.owners > 0 {
                return;
            }
            locked.core.leave();
            self.ask(locked, Core::drive);
            if locked.core.is_settled() {
                self.ask(locked, Core::abandon);
            } else {
                self.ensure_helper(locked);
            }
        });
    }

    /// Nobody takes messages any more.
    pub(crate) fn discard_messages(&self) {
        self.lock().core.discard_messages();
    }

    pub(crate) fn ticket(&self) -> Ticket {
        self.hub.ticket()
    }

    /// A sender gives up. If it was its turn, it is the next one's now.
    pub(crate) fn leave(&self, ticket: Ticket) {
        if !self.hub.leave(ticket) {
            self.with(|locked| locked.senders_wait = self.hub.has_senders());
        }
    }
}

impl<S: Transport> Help for Shared<S> {
    fn help(self: Arc<Self>) {
        if self.with(|locked| self.write(locked)).is_pending() {
            self.help_alone();
        }
    }

    fn help_alone(self: Arc<Self>) {
        let runtime = self.lock().core.runtime().clone();
        sync::spawn(&runtime, poll_fn(move |context| self.poll_help(context)));
    }
}

impl<S> Shared<S> {
    /// Shows the state, and no payload.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct(name);
        match self.locked.try_lock() {
            Ok(locked) => f.field("end", &locked.core.end()).finish(),
            Err(_) => f.finish_non_exhaustive(),
        }
    }
}
