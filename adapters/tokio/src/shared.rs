//! One connection that several tasks may use: a lock around the core, and a helper that writes.
//!
//! Invariant: nobody waits while the lock is held. When a send has returned, all is written, or there
//! is a helper that writes it: nothing depends on a later call of the user.

use crate::core::{Core, Opening};
use crate::error::Error;
use crate::hub::{Hub, Ticket, Who};
use crate::message::Message;
use crate::transport::Transport;
use sansocket::{CloseCode, End, Request, Response};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
                owners: 0,
                free: 0,
            }),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Locked<S>> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the core, after whoever asks has registered with the hub.
    fn poll<T>(
        &self,
        who: Who,
        context: &Context<'_>,
        ask: impl FnOnce(&mut Core<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.hub.wait(who, context);
        let Locked { core, waker, .. } = &mut *self.lock();
        ask(core, &mut Context::from_waker(waker))
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
                ready!(poll_proceed(context)).made_progress();
                locked.free = 0;
            }
            if let Some(message) = locked.core.take() {
                return Poll::Ready(Ok(Some(message)));
            }
        }
        self.poll(Who::Reader, context, Core::poll_recv)
    }

    pub(crate) fn poll_room(&self, who: Who, context: &Context<'_>) -> Poll<()> {
        if self.lock().core.has_room() {
            return Poll::Ready(());
        }
        self.poll(who, context, Core::poll_room)
    }

    /// Waits for room, appends, and sees to it that all will be written.
    pub(crate) fn poll_send(
        &self,
        who: Who,
        context: &Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), Error>> {
        let mut locked = self.lock();
        if !locked.core.has_room() {
            drop(locked);
            self.hub.wait(who, context);
            locked = self.lock();
            let Locked { core, waker, .. } = &mut *locked;
            ready!(core.poll_room(&mut Context::from_waker(waker)));
        }
        if let Some(message) = message.take() {
            locked.core.push(message)?;
        }
        self.settle(&mut locked);
        Poll::Ready(Ok(()))
    }

    /// Appends a message; the caller has seen that there is room.
    pub(crate) fn push(&self, message: Message) -> Result<(), Error> {
        self.lock().core.push(message)
    }

    /// Sees to it that all will be written.
    pub(crate) fn hand_over(&self) {
        self.settle(&mut self.lock());
    }

    pub(crate) fn poll_flush(&self, context: &Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(Who::Writer, context, Core::poll_flush)
    }

    /// Starts the closing handshake, if none has started.
    pub(crate) fn close(&self, code: Option<CloseCode>, reason: &str) -> Result<(), Error> {
        let mut locked = self.lock();
        locked.core.close(code, reason)?;
        self.settle(&mut locked);
        Ok(())
    }

    pub(crate) fn poll_end(&self, context: &Context<'_>) -> Poll<Result<End, Error>> {
        self.poll(Who::Writer, context, Core::poll_end)
    }

    fn settle(&self, locked: &mut Locked<S>) {
        let Locked { core, waker, .. } = locked;
        if locked.has_helper && (locked.defers || core.has_input()) {
            return;
        }
        let mut context = Context::from_waker(waker);
        if !core.has_input() {
            core.read_ahead(&mut context);
            if !locked.defers && !core.has_input() {
                core.turn(&mut context);
            }
        }
        if !core.is_settled() && !locked.has_helper {
            self.spawn_helper(locked);
        }
    }

    /// Writes what is left, whatever the user does.
    fn spawn_helper(&self, locked: &mut Locked<S>) {
        let Some(shared) = self.me.upgrade() else {
            return; // it is being dropped
        };
        locked.has_helper = true;
        let runtime = locked.core.runtime();
        runtime.spawn(poll_fn(move |context| shared.poll_help(context)));
    }

    fn poll_help(&self, context: &Context<'_>) -> Poll<()> {
        self.hub.wait(Who::Helper, context);
        let locked = &mut *self.lock();
        locked.core.drive(&mut Context::from_waker(&locked.waker));
        if !locked.core.is_settled() {
            return Poll::Pending;
        }
        locked.has_helper = false;
        if locked.owners == 0 {
            locked.core.abandon();
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
        let mut locked = self.lock();
        locked.owners -= 1;
        if locked.owners > 0 {
            return;
        }
        locked.core.discards = true;
        let Locked { core, waker, .. } = &mut *locked;
        core.drive(&mut Context::from_waker(waker));
        if core.is_settled() {
            core.abandon();
        } else if !locked.has_helper {
            self.spawn_helper(&mut locked);
        }
    }

    /// Nobody takes messages any more.
    pub(crate) fn discard_messages(&self) {
        self.lock().core.discards = true;
    }

    pub(crate) fn ticket(&self) -> Ticket {
        self.hub.ticket()
    }

    pub(crate) fn leave(&self, ticket: Ticket) {
        self.hub.leave(ticket);
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
