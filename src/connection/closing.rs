//! How far the closing of a connection has come (RFC 6455, section 7).
//!
//! Invariant: only this file changes the closing state; the first cause of the end stays the cause.

use crate::frame::{CloseCode, ProtocolError, Role};

/// The closing state of a connection, without the rule that the peer broke: the stopped receiving
/// half holds that, so that ending a connection allocates nothing.
#[derive(Debug)]
pub(super) struct Closing {
    /// What ended the connection first.
    cause: Option<Cause>,
    /// Whether our Close frame is in the output.
    is_sent: bool,
    /// Whether the peer broke a rule.
    has_failed: bool,
    transport_ended: bool,
    /// The code of the peer's Close frame; 1005 if it had none.
    received: Option<CloseCode>,
}

/// What ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The application called `close`.
    Application,
    /// The peer broke a rule or took too long.
    Fault,
    /// The peer sent a Close frame, or its transport ended.
    Peer,
}

/// How far the closing handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosingState {
    /// Messages go both ways.
    Open,
    /// The peer's Close waits for the application's answer.
    Answering,
    /// Our Close was sent.
    Closing,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// By a Close frame. The code is the peer's, 1006 if none came.
    Closed { code: CloseCode, by_peer: bool },
    /// The peer broke a rule, or its transport ended early.
    Failed(ProtocolError),
}

impl Closing {
    /// The state of a new connection.
    pub(super) const NEW: Self = Self {
        cause: None,
        is_sent: false,
        has_failed: false,
        transport_ended: false,
        received: None,
    };

    /// Whether anything has happened that ends the connection.
    #[inline]
    pub(super) const fn has_started(&self) -> bool {
        self.cause.is_some()
    }

    /// Records that our Close frame goes into the output, for this cause.
    pub(super) fn send(&mut self, cause: Cause) {
        self.is_sent = true;
        self.cause.get_or_insert(cause);
    }

    /// Records that the peer's Close frame has arrived; its code is 1005 if it had none.
    pub(super) fn receive(&mut self, code: CloseCode) {
        self.received = Some(code);
        self.cause.get_or_insert(Cause::Peer);
    }

    /// The peer broke a rule.
    pub(super) fn fail(&mut self) {
        self.has_failed = true;
        self.cause.get_or_insert(Cause::Fault);
    }

    /// The transport has ended.
    pub(super) fn end_transport(&mut self) {
        self.transport_ended = true;
        self.cause.get_or_insert(Cause::Peer);
    }

    pub(super) const fn is_sent(&self) -> bool {
        self.is_sent
    }

    pub(super) const fn transport_has_ended(&self) -> bool {
        self.transport_ended
    }

    pub(super) const fn state(&self) -> ClosingState {
        if self.is_sent {
            ClosingState::Closing
        } else if self.received.is_some() {
            ClosingState::Answering
        } else {
            ClosingState::Open
        }
    }

    /// Whether our Close frame was sent and the peer's has arrived.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_sent && self.received.is_some()
    }

    /// Whether to close the transport once the output is written (RFC 6455, section 7.1.1): the
    /// server does so first, and the client waits for it.
    pub(super) const fn must_close_transport(&self, role: Role) -> bool {
        let receives_nothing_more = self.received.is_some() || self.has_failed;
        self.transport_ended
            || (matches!(role, Role::Server) && self.is_sent && receives_nothing_more)
    }

    /// How it ended, if the transport ends now; `error` is the rule that the peer broke.
    pub(super) fn outcome(&self, error: Option<ProtocolError>) -> Outcome {
        match (self.received, error) {
            (Some(code), None) => Outcome::Closed {
                code,
                by_peer: self.cause == Some(Cause::Peer),
            },
            (received, _) if self.cause == Some(Cause::Application) => Outcome::Closed {
                code: received.unwrap_or(CloseCode::ABNORMAL),
                by_peer: false,
            },
            (_, Some(error)) => Outcome::Failed(error),
            (None, None) => Outcome::Failed(ProtocolError::TransportEnded),
        }
    }
}
