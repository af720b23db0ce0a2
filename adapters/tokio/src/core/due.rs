//! A Close of the peer that is not answered yet.
//!
//! Invariant: whoever was answering a message when the Close came has time to send the answer; but the
//! peer does not wait for ever.

use crate::message::Utf8;
use bytes::BytesMut;
use sansocket::{CloseCode, Endpoint, Settings};
use std::time::Duration;

/// The peer's Close, if it has come.
#[derive(Debug)]
pub(super) struct Due {
    close: Option<Box<Close>>,
    /// Whether we answer it ([`Settings::answer_close`], which the core must not do by itself).
    answers: bool,
    /// Whether the reader holds a message that he may answer.
    pub(super) is_reader_busy: bool,
    /// How long the closing handshake may take. Half of it the answer waits, after all was written.
    pub(super) close_time: Duration,
}

#[derive(Debug)]
struct Close {
    code: CloseCode,
    reason: Utf8,
    /// When it is answered at the latest; only while nothing waits to be written.
    by: Option<Duration>,
}

impl Due {
    pub(super) const fn new(close_time: Duration) -> Self {
        Self {
            close: None,
            answers: true,
            is_reader_busy: false,
            close_time,
        }
    }

    /// Takes over the answer.
    pub(super) const fn take_over(&mut self, settings: &mut Settings) {
        self.answers = settings.answer_close;
        settings.answer_close = false;
    }

    /// The settings as the user knows them.
    pub(super) const fn give_back(&self, settings: &mut Settings) {
        settings.answer_close = self.answers;
    }

    pub(super) fn came(&mut self, code: CloseCode, reason: Utf8) {
        let by = None;
        self.close = Some(Box::new(Close { code, reason, by }));
    }

    /// Whether a Close waits for its answer. Then nothing is read: the end of the transport may
    /// follow it, and would end the connection before the answer.
    #[inline]
    pub(super) fn is_waiting(&self, endpoint: &Endpoint) -> bool {
        self.close.is_some() && endpoint.is_open()
    }

    /// The reader asks for more, or nobody reads: there is nothing to be waited for.
    pub(super) fn answer(&self, endpoint: &mut Endpoint, out: &mut BytesMut) {
        if !self.answers || !self.is_waiting(endpoint) {
            return;
        }
        if let Some(close) = &self.close {
            let code = close.code.is_on_wire().then_some(close.code);
            // A server may not send 1010, and a client may have.
            if endpoint.close(code, &close.reason, out).is_err() {
                let _ = endpoint.close(None, "", out);
            }
        }
    }

    /// Answers when it has waited for long enough. Returns when that will be.
    pub(super) fn check(
        &mut self,
        is_settled: bool,
        now: Duration,
        endpoint: &mut Endpoint,
        out: &mut BytesMut,
    ) -> Option<Duration> {
        let is_waiting = self.answers && self.is_waiting(endpoint);
        let close = self.close.as_mut().filter(|_| is_waiting)?;
        if !is_settled {
            close.by = None;
            return None;
        }
        let by = *(close.by).get_or_insert_with(|| now.saturating_add(self.close_time / 2));
        if now < by && self.is_reader_busy {
            return Some(by);
        }
        self.answer(endpoint, out);
        None
    }
}
