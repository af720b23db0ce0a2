//! How far a connection is on its way to its end (RFC 6455, section 7).
//!
//! Invariant: only this file changes the closing state; the first cause of the end stays the cause.

use crate::frame::{CloseCode, ProtocolError, Role};
use alloc::boxed::Box;

/// The closing state of a connection. One that is open has none, and takes no room for it.
#[derive(Debug)]
pub(super) struct Closing(Option<Box<State>>);

#[derive(Debug)]
struct State {
    /// What ended the connection first.
    cause: Cause,
    /// Whether a Close frame of ours is in the output.
    is_sent: bool,
    /// The code of the peer's Close frame; 1005 if it had none.
    received: Option<CloseCode>,
    /// The first rule that the peer broke.
    error: Option<ProtocolError>,
    transport_ended: bool,
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

/// How far the closing handshake is.
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
    /// Nothing has ended yet.
    pub(super) const NEW: Self = Self(None);

    /// Whether anything has.
    #[inline]
    pub(super) const fn has_started(&self) -> bool {
        self.0.is_some()
    }

    fn start(&mut self, cause: Cause) -> &mut State {
        self.0.get_or_insert_with(|| {
            Box::new(State {
                cause,
                is_sent: false,
                received: None,
                error: None,
                transport_ended: false,
            })
        })
    }

    /// A Close frame of ours goes into the output, for this cause.
    pub(super) fn send(&mut self, cause: Cause) {
        self.start(cause).is_sent = true;
    }

    /// The peer's Close frame has arrived; without a code its code is 1005.
    pub(super) fn receive(&mut self, code: CloseCode) {
        self.start(Cause::Peer).received = Some(code);
    }

    /// The peer broke a rule.
    pub(super) fn fail(&mut self, error: ProtocolError) {
        self.start(Cause::Fault).error.get_or_insert(error);
    }

    /// The transport has ended.
    pub(super) fn end_transport(&mut self) {
        self.start(Cause::Peer).transport_ended = true;
    }

    pub(super) fn is_sent(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.is_sent)
    }

    pub(super) fn transport_has_ended(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.transport_ended)
    }

    pub(super) fn state(&self) -> ClosingState {
        match &self.0 {
            Some(state) if state.is_sent => ClosingState::Closing,
            Some(state) if state.received.is_some() => ClosingState::Answering,
            _ => ClosingState::Open,
        }
    }

    /// Whether both Close frames are there.
    pub(super) fn is_complete(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|state| state.is_sent && state.received.is_some())
    }

    /// Whether to close the transport once the output is written (RFC 6455, section 7.1.1): the
    /// server does so first, and the client waits for it.
    pub(super) fn must_close_transport(&self, role: Role) -> bool {
        let Some(state) = &self.0 else { return false };
        let receives_nothing_more = state.received.is_some() || state.error.is_some();
        state.transport_ended || (role == Role::Server && state.is_sent && receives_nothing_more)
    }

    /// How it ended, if the transport ends now.
    pub(super) fn outcome(&self) -> Outcome {
        let Some(state) = &self.0 else {
            return Outcome::Failed(ProtocolError::TransportEnded);
        };
        match (state.received, state.error) {
            (Some(code), None) => Outcome::Closed {
                code,
                by_peer: state.cause == Cause::Peer,
            },
            (received, _) if state.cause == Cause::Application => Outcome::Closed {
                code: received.unwrap_or(CloseCode::ABNORMAL),
                by_peer: false,
            },
            (_, Some(error)) => Outcome::Failed(error),
            (None, None) => Outcome::Failed(ProtocolError::TransportEnded),
        }
    }
}
