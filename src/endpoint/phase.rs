//! The opening handshake of an endpoint, in either role, and its result.
//!
//! Invariant: a request is answered once, and input after a refusal is discarded.

use super::end::End;
use super::event::Event;
use crate::connection::{SendError, Session};
use crate::frame::Input;
use crate::handshake::{
    ClientHandshake, Config, HandshakeError, Request, Response, ServerHandshake,
};
use crate::time::Expired;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::BytesMut;

/// The phase that an endpoint is in.
#[derive(Debug)]
pub(super) enum Phase {
    /// Server: the head of a request is arriving.
    Request(Box<Serving>),
    /// Server: the application decides on the request.
    Deciding(Box<Serving>),
    /// Client: the response is arriving.
    Response(Box<ClientHandshake>),
    /// There is a connection, and these bytes arrived before the request was accepted.
    Early(Box<Early>),
    /// There is a connection, open or closing.
    Open,
    /// There will be no connection, for this reason.
    Over(Box<End>),
}

/// A server's opening handshake, until its request is answered.
#[derive(Debug)]
pub(super) struct Serving {
    handshake: ServerHandshake,
    max_head_size: usize,
    /// Whether it is a HEAD request.
    is_head: bool,
    /// Why it gets the default answer, if the application does not answer first.
    default: Option<HandshakeError>,
    early: Early,
}

/// What a client sent after its request, before that was accepted.
#[derive(Default)]
pub(super) struct Early {
    bytes: Vec<u8>,
    /// The number of bytes that have been taken from the front.
    taken: usize,
}

impl core::fmt::Debug for Early {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Early({} bytes)", self.bytes.len() - self.taken)
    }
}

impl Phase {
    pub(super) fn server(config: &Config) -> Self {
        Self::Request(Box::new(Serving {
            handshake: ServerHandshake::new(config),
            max_head_size: config.max_head_size,
            is_head: false,
            default: None,
            early: Early::default(),
        }))
    }

    pub(super) fn client(handshake: ClientHandshake) -> Self {
        Self::Response(Box::new(handshake))
    }

    /// The next event while there is no connection yet, or of bytes that arrived before it was
    /// open.
    #[cold]
    pub(super) fn receive<'b>(
        &mut self,
        session: &mut Session,
        input: &mut Input<'b>,
        out: &mut BytesMut,
    ) -> Option<Event<'b>> {
        match self {
            Self::Request(serving) => match serving.handshake.receive(input, session.settings())? {
                Ok(request) => {
                    serving.is_head = request.is_head();
                    serving.default = request.error().cloned();
                    let is_handshake = serving.default.is_none();
                    self.decide();
                    Some(if is_handshake {
                        Event::Request(request)
                    } else {
                        Event::Http(request)
                    })
                }
                Err(error) => {
                    input.take_rest();
                    Some(self.refuse(error, false, out))
                }
            },
            Self::Deciding(deciding) => {
                let early = input.take_rest();
                let is_head = deciding.is_head;
                if let Some(error) = deciding.default.take() {
                    return Some(self.refuse(error, is_head, out));
                }
                let max = deciding.max_head_size;
                if deciding.early.bytes.len().saturating_add(early.len()) > max {
                    return Some(self.refuse(HandshakeError::HeadTooLarge { max }, is_head, out));
                }
                deciding.early.bytes.extend_from_slice(early);
                None
            }
            Self::Response(handshake) => match handshake.receive(input, session, out)? {
                Ok(response) => {
                    *self = Self::Open;
                    Some(Event::Opened(Box::new(response)))
                }
                Err(error) => {
                    input.take_rest();
                    *self = Self::Over(Box::new(End::Refused(error.clone())));
                    Some(Event::Refused(Box::new(error)))
                }
            },
            Self::Early(early) => {
                let (_, rest) = early.bytes.split_at_mut(early.taken);
                let mut cursor = Input(rest);
                let received = session.receive_gathered(&mut cursor, out);
                let left = cursor.len();
                early.taken = early.bytes.len() - left;
                match received {
                    Some(received) => Some(received.into()),
                    None => {
                        *self = Self::Open;
                        session.receive(input, out)
                    }
                }
            }
            Self::Open => session.receive(input, out),
            Self::Over(_) => {
                input.take_rest();
                None
            }
        }
    }

    /// The request is complete: waits for the application's decision.
    fn decide(&mut self) {
        *self = match core::mem::replace(self, Self::Open) {
            Self::Request(serving) => Self::Deciding(serving),
            other => other,
        };
    }

    /// Accepts the request; one that failed its checks gets its refusal.
    pub(super) fn accept(
        &mut self,
        request: Request,
        session: &mut Session,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let deciding = match self {
            Self::Deciding(deciding) => deciding,
            Self::Request(_) | Self::Response(_) => return Err(SendError::NotYetOpen),
            Self::Early(_) | Self::Open | Self::Over(_) => return Err(SendError::Closed),
        };
        let request = match request.acceptable() {
            Ok(request) => request,
            Err(error) => {
                let is_head = deciding.is_head;
                self.refuse(error, is_head, out);
                return Ok(());
            }
        };
        request.open(session, out);
        let early = core::mem::take(&mut deciding.early);
        *self = if early.bytes.is_empty() {
            Self::Open
        } else {
            Self::Early(Box::new(early))
        };
        Ok(())
    }

    /// Answers the request, or one that has not come yet, without opening a connection.
    pub(super) fn respond(
        &mut self,
        response: &Response,
        out: &mut BytesMut,
    ) -> Result<(), SendError> {
        let is_head = match self {
            Self::Request(_) => false,
            Self::Deciding(deciding) => deciding.is_head,
            _ => return Err(SendError::Closed),
        };
        response.write(is_head, out);
        *self = Self::Over(Box::new(End::Responded));
        Ok(())
    }

    fn refuse(
        &mut self,
        error: HandshakeError,
        is_head: bool,
        out: &mut BytesMut,
    ) -> Event<'static> {
        Response::from(&error).write(is_head, out);
        *self = Self::Over(Box::new(End::Refused(error.clone())));
        Event::Refused(Box::new(error))
    }

    /// Ends an opening handshake that took too long. A server answers with 408; a client may have
    /// received part of a refusal.
    pub(super) fn expire(&mut self, out: &mut BytesMut) {
        let expired = End::Expired(Expired::Handshake);
        let end = match self {
            Self::Request(_) => {
                Response::new(408).write(false, out);
                expired
            }
            Self::Response(handshake) => handshake.give_up().map_or(expired, End::Refused),
            _ => return,
        };
        *self = Self::Over(Box::new(end));
    }

    /// The transport has ended.
    pub(super) fn receive_eof(&mut self) {
        let error = match self {
            Self::Request(serving) | Self::Deciding(serving) => serving.handshake.receive_eof(),
            Self::Response(handshake) => handshake.receive_eof(),
            Self::Early(_) | Self::Open | Self::Over(_) => return,
        };
        *self = Self::Over(Box::new(End::Refused(error)));
    }
}
