//! The task of one client: its loop, and what it does when it is woken.
//!
//! Invariant: all state is in [`Client`]; a future that is dropped takes nothing with it.

use crate::inbox::{Inbox, Message, QUEUE};
use crate::transfer::MAX_READ;
use bytes::BytesMut;
use common::Result;
use sansocket::{CloseCode, Config, Endpoint, SendError, Tick};
use std::cell::Cell;
use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{self, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// With this much output waiting, nothing more is read and no message of another task is taken.
const HIGH_WATER: usize = 64 << 10;

/// Serves one connection to its end.
///
/// Nothing is lost whichever branch of the `select!` wins, nor if this future is dropped or made
/// part of another `select!`: all state, the protocol's and the bytes to be written, lives in
/// `client` and changes in code that does not wait. The futures of the branches keep nothing.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: &Config,
    start: Instant,
    mut stopping: watch::Receiver<()>,
) -> Result<()> {
    let mut client = Client {
        stream,
        ws: Endpoint::server(config, Duration::ZERO),
        max_read: MAX_READ,
        out: BytesMut::new(),
        is_flushed: true,
        inbox: None,
    };
    let (mut stop, mut is_stopping) = (pin!(stopping.changed()), false);
    let mut alarm = config.times.handshake; // what the timer is set to
    let mut timer = pin!(sleep_until(start + alarm));
    loop {
        tokio::select! {
            wake = poll_fn(|context| client.turn(context, start.elapsed(), alarm)) => {
                let Some(wake) = wake else { return Ok(()) };
                timer.as_mut().reset(start + wake);
                alarm = wake;
            }
            _ = &mut stop, if !is_stopping => {
                is_stopping = true;
                let Client { ws, out, .. } = &mut client;
                let closed = ws.close(CloseCode::GOING_AWAY, "the server stops", out);
                if closed == Err(SendError::NotYetOpen) {
                    return Ok(());
                }
            }
            // A timer that fires too early is set again.
            () = &mut timer, if alarm < Duration::MAX => alarm = Duration::MAX,
        }
    }
}

pub(crate) struct Client<S> {
    pub(crate) stream: S,
    pub(crate) ws: Endpoint,
    /// The most that is read at once.
    pub(crate) max_read: usize,
    /// The output. It holds no memory while it is empty.
    pub(crate) out: BytesMut,
    /// Whether the stream, which may be TLS, holds nothing back.
    pub(crate) is_flushed: bool,
    /// Messages of other tasks.
    pub(crate) inbox: Option<Inbox>,
}

thread_local! {
    /// What all connections of this thread start to write from.
    static OUT: Cell<BytesMut> = Cell::default();
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Does everything that can be done now. It is ready when the timer must be set to this time,
    /// which is before `alarm`; with `None` at the end of the connection.
    fn turn(
        &mut self,
        context: &mut task::Context<'_>,
        now: Duration,
        alarm: Duration,
    ) -> Poll<Option<Duration>> {
        if self.out.is_empty() {
            self.out = OUT.take();
        }
        let wake = loop {
            let mut is_busy =
                self.out.len() < HIGH_WATER && (self.read(context, now) | self.send(context));
            let wake = match self.ws.tick(now, &mut self.out) {
                Tick::Wait(wake) => wake,
                Tick::ShutDown(wake) => {
                    // Calling it again does no harm. An error is the end, which reading reports as well.
                    let _ = Pin::new(&mut self.stream).poll_shutdown(context);
                    wake
                }
                Tick::Done(end) => {
                    common::log(&end);
                    return Poll::Ready(None);
                }
            };
            is_busy |= self.write(context, &[], now);
            if !is_busy {
                break wake;
            }
        };
        if self.out.is_empty() {
            OUT.set(mem::take(&mut self.out)); // an idle connection keeps no buffer
        }
        match wake {
            Some(wake) if wake < alarm => Poll::Ready(Some(wake)),
            _ => Poll::Pending,
        }
    }

    /// Sends the messages of other tasks. Returns whether there were any.
    fn send(&mut self, context: &mut task::Context<'_>) -> bool {
        let Some(inbox) = self.inbox.as_mut().filter(|_| self.ws.is_open()) else {
            return false;
        };
        let mut messages = Vec::new();
        if inbox
            .poll_recv_many(context, &mut messages, QUEUE)
            .is_pending()
        {
            return false;
        }
        if messages.is_empty() {
            self.inbox = None; // all senders are gone
        }
        for message in messages {
            let _ = match message {
                Message::Text(text) => self.ws.send(&text, &mut self.out),
                Message::Binary(data) => self.ws.send(&data, &mut self.out),
            };
        }
        true
    }
}
