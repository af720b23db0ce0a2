//! The opening handshake, in either role.
//!
//! Invariant: it is open only when the response is written.

use super::{Core, Opening};
use crate::error::Error;
use crate::trace;
use crate::transport::Transport;
use sansocket::{Event, Request, Response};
use std::task::{Context, Poll};

/// Opens.
impl<S: Transport> Core<S> {
    /// Reads until there is a request to decide on, or the server's response.
    pub(crate) fn poll_opening(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Opening, Error>> {
        loop {
            while !self.input.is_hungry {
                let (bytes, out) = (&mut self.input.bytes, self.output.buffer());
                match self.endpoint.receive_owned(bytes, self.now, out) {
                    Some(Event::Request(request) | Event::Http(request)) => {
                        return Poll::Ready(Ok(Opening::Request(request)));
                    }
                    Some(Event::Opened(response)) => {
                        if self.input.bytes.is_empty() {
                            self.input.empty();
                        }
                        trace::opened(false, self.endpoint.has_deflate());
                        return Poll::Ready(Ok(Opening::Opened(*response)));
                    }
                    Some(_) => {} // refused: the end tells
                    None => self.input.empty(),
                }
            }
            self.turn(context);
            if self.end.is_some() {
                return Poll::Ready(Err(self.ended()));
            }
            if self.poll_read(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Answers the request. One that failed its checks is refused in any case.
    pub(crate) fn decide(&mut self, decision: Result<Request, Response>) {
        // It cannot fail: the request was not answered before.
        let _ = match decision {
            Ok(request) => self.endpoint.accept(request, self.output.buffer()),
            Err(response) => self.endpoint.respond(response, self.output.buffer()),
        };
        if self.input.bytes.is_empty() {
            self.input.empty();
        }
    }

    /// Open, with the response written; an error if there is no connection.
    pub(crate) fn poll_opened(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.turn(context);
            if self.end.is_some() {
                return Poll::Ready(Err(self.ended()));
            }
            if self.endpoint.is_open() {
                if !self.output.is_settled() {
                    return Poll::Pending;
                }
                trace::opened(true, self.endpoint.has_deflate());
                return Poll::Ready(Ok(()));
            }
            // It was refused: the client reads the response, and leaves.
            let must_wait = self.has_read_enough(context);
            if must_wait || self.take().is_none() && self.poll_read(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
