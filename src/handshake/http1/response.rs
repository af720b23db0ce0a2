//! A response of HTTP/1.1, from its first byte on (RFC 9112, section 2.1).
//!
//! Invariant: nothing after a head that opens is taken, and everything after a refusal is.

use super::body::BodyReader;
use super::head::HeadReader;
use super::status_line::status_line;
use crate::frame::Input;
use crate::handshake::config::Config;
use crate::handshake::error::HandshakeError;
use crate::handshake::headers::Headers;
use crate::handshake::response::Response;
use alloc::boxed::Box;
use core::mem;
use core::ops::RangeInclusive;

/// Reads a response in pieces: skips interim ones, and reads a refusal with its body.
#[derive(Debug)]
pub(in crate::handshake) struct ResponseReader {
    /// The statuses that open what was asked for.
    opening: RangeInclusive<u16>,
    max_interim_responses: u8,
    max_body_size: usize,
    /// How many bytes have come.
    received: usize,
    state: Reading,
}

/// Which part of the response is being read.
#[derive(Debug)]
enum Reading {
    Head {
        reader: HeadReader,
        interim: u8,
    },
    /// The body of a response that refuses.
    Body(Refusal),
    Over,
}

/// A response that refuses, as far as it has arrived.
#[derive(Debug)]
struct Refusal {
    status: u16,
    headers: Headers,
    body: BodyReader,
}

impl Refusal {
    /// `ended` says whether the transport has ended.
    fn finish(self, ended: bool) -> HandshakeError {
        let (body, is_complete) = self.body.finish(ended);
        HandshakeError::Refused(Box::new(Response {
            status: self.status,
            headers: self.headers,
            body,
            is_complete,
        }))
    }
}

impl ResponseReader {
    pub(in crate::handshake) fn new(config: &Config, opening: RangeInclusive<u16>) -> Self {
        Self {
            opening,
            max_interim_responses: config.max_interim_responses,
            max_body_size: config.max_body_size,
            received: 0,
            state: Reading::Head {
                reader: HeadReader::new(config.max_head_size, config.max_headers),
                interim: 0,
            },
        }
    }

    /// Returns the fields of a response that opens, once its head is complete; `None` until then,
    /// and after a result.
    ///
    /// # Errors
    ///
    /// The rule that the response breaks, or the refusal, once its body is complete or has reached
    /// its limit; then all of `input` is taken.
    pub(in crate::handshake) fn receive(
        &mut self,
        input: &mut Input<'_>,
    ) -> Option<Result<Headers, HandshakeError>> {
        let len = input.len();
        let result = self.step(input).transpose();
        self.received += len - input.len();
        if let Some(result) = &result {
            self.state = Reading::Over;
            if result.is_err() {
                input.take_rest();
            }
        }
        result
    }

    /// The transport has ended. Returns the refusal, if this was the end of its body or a part of
    /// it has arrived.
    pub(in crate::handshake) fn receive_eof(&mut self) -> HandshakeError {
        let refusal = self.end(true);
        refusal.unwrap_or(HandshakeError::TransportEnded {
            received: self.received,
        })
    }

    /// Ends the handshake, as its time is over. Returns the refusal, if a part of it has arrived.
    pub(in crate::handshake) fn give_up(&mut self) -> Option<HandshakeError> {
        self.end(false)
    }

    fn end(&mut self, transport_ended: bool) -> Option<HandshakeError> {
        match mem::replace(&mut self.state, Reading::Over) {
            Reading::Body(refusal) => Some(refusal.finish(transport_ended)),
            Reading::Head { .. } | Reading::Over => None,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) -> Result<Option<Headers>, HandshakeError> {
        loop {
            match &mut self.state {
                Reading::Head { reader, interim } => {
                    let head = reader.receive(input).map_err(|error| match error {
                        // There is no target in a response.
                        HandshakeError::TargetTooLong { max } => {
                            HandshakeError::HeadTooLarge { max }
                        }
                        error => error,
                    });
                    let Some(head) = head? else {
                        return Ok(None);
                    };
                    match status_line(head.first_line())? {
                        status if self.opening.contains(&status) => return Ok(Some(head.headers)),
                        // RFC 9110, section 15.2: skipped. After a 101 nobody asked for, what comes
                        // is no HTTP.
                        100 | 102..200 if *interim == self.max_interim_responses => {
                            return Err(HandshakeError::TooManyInterimResponses { max: *interim });
                        }
                        100 | 102..200 => *interim += 1,
                        status => {
                            let body = BodyReader::new(status, &head.headers, self.max_body_size);
                            self.state = Reading::Body(Refusal {
                                status,
                                headers: head.headers,
                                body,
                            });
                        }
                    }
                }
                Reading::Body(refusal) => {
                    if !refusal.body.receive(input) {
                        return Ok(None);
                    }
                    return self.end(false).map_or(Ok(None), Err);
                }
                Reading::Over => return Ok(None),
            }
        }
    }
}
