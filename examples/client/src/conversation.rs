//! One connection, from the opening handshake to its end: lines out, messages in.
//!
//! Invariant: a line is kept until it is written, so that it can be sent on the next connection.

use crate::ended::{Ended, Then};
use crate::tls::tls_problem;
use crate::transport::Transport;
use crate::{Client, Incoming};
use bytes::BytesMut;
use sansocket::{CloseCode, End, Endpoint, Event, Expired, HandshakeError, Input, Tick};
use std::io::{self, Write};
use std::mem;
use std::time::{Duration, Instant};

/// How long it waits for a reply after the end of stdin.
const REPLY_TIME: Duration = Duration::from_secs(5);

/// One connection, from the opening handshake to its end.
pub(crate) struct Conversation<'s, 'a> {
    client: &'s mut Client<'a>,
    number: u64,
    start: Instant,
    ws: Endpoint,
    pub(crate) transport: Transport,
    out: BytesMut,
    /// The client's line is in `out`, or was.
    line_in_out: bool,
    /// Messages sent minus messages received: the replies to wait for.
    unanswered: u64,
    last_activity: Instant,
    latency: Option<Duration>,
    /// The code and reason of the server's Close.
    reason: String,
    /// Why reading failed, if that was the end.
    read_error: Option<io::Error>,
}

impl<'s, 'a> Conversation<'s, 'a> {
    pub(crate) fn new(
        client: &'s mut Client<'a>,
        number: u64,
        start: Instant,
        ws: Endpoint,
        transport: Transport,
        out: BytesMut,
    ) -> Self {
        Self {
            client,
            number,
            start,
            ws,
            transport,
            out,
            line_in_out: false,
            unanswered: 0,
            last_activity: start,
            latency: None,
            reason: String::new(),
            read_error: None,
        }
    }

    pub(crate) fn converse(&mut self) -> Result<(), Ended> {
        loop {
            self.write_some();
            let now = self.start.elapsed();
            let wake = match self.ws.tick(now, &mut self.out) {
                Tick::Wait(wake) => wake,
                Tick::ShutDown(wake) => {
                    self.transport.shut_down();
                    wake
                }
                Tick::Done(end) => return self.end(&end),
            };
            let reply = self.say()?;
            let wait = match self.transport.is_pending(&self.out) {
                true => Duration::ZERO,
                false => wake
                    .into_iter()
                    .chain(reply)
                    .min()
                    .map_or(Duration::MAX, |time| time.saturating_sub(now)),
            };
            match self.client.incoming.recv_timeout(wait) {
                Ok(Incoming::Line(line)) => {
                    (self.client.line, self.client.line_asked) = (Some(line), false);
                }
                Ok(Incoming::EndOfLines(result)) => {
                    let ended =
                        |error| Ended::trying_again(format!("reading stdin: {error}"), None);
                    result.map_err(ended)?;
                    self.client.lines_ended = Some(Instant::now());
                }
                Ok(Incoming::Bytes(number, bytes)) if number == self.number => {
                    self.receive(bytes)?;
                }
                Ok(Incoming::EndOfTransport(number, result)) if number == self.number => {
                    self.read_error = result.err();
                    self.ws.receive_eof();
                }
                Ok(_) => {}  // of an earlier connection
                Err(_) => {} // time to see what is due
            }
        }
    }

    /// Writes as much as the socket takes at once.
    fn write_some(&mut self) {
        if self.transport.is_pending(&self.out) {
            let written = self
                .transport
                .write(&mut self.ws, &mut self.out, self.start);
            if written.is_err_and(|error| !common::is_temporary(&error)) {
                self.transport.is_broken = true; // the reading thread reports the end
                self.out.clear();
                self.ws.flushed(0, false, self.start.elapsed());
            }
        }
        let is_written = !self.transport.is_broken && !self.transport.is_pending(&self.out);
        if self.line_in_out && is_written {
            (self.client.line, self.line_in_out) = (None, false);
        }
    }

    /// Sends the next line, or closes after the last one. Returns until when it waits for replies.
    fn say(&mut self) -> Result<Option<Duration>, Ended> {
        let client = &mut *self.client;
        // One line at a time, and only when the last one is written.
        let is_busy = self.transport.is_broken || self.transport.is_pending(&self.out);
        if is_busy || !self.ws.is_open() {
            return Ok(None);
        }
        if let Some(line) = &client.line {
            self.ws.send(line, &mut self.out)?;
            self.line_in_out = true;
            self.unanswered += 1;
            self.last_activity = Instant::now();
        } else if let Some(ended) = client.lines_ended {
            let reply_by = self.last_activity.max(ended) + REPLY_TIME;
            if self.unanswered == 0 || Instant::now() >= reply_by {
                self.ws.close(CloseCode::NORMAL, "", &mut self.out)?;
            }
            return Ok(Some(reply_by - self.start));
        } else if !client.line_asked {
            client.line_asked = client.next_line.send(()).is_ok();
        }
        Ok(None)
    }

    /// Handles what came from the server.
    fn receive(&mut self, bytes: Vec<u8>) -> Result<(), Ended> {
        let now = self.start.elapsed();
        let host = self.client.request.host();
        let plain = self.transport.decrypt(bytes);
        let (mut plain, is_last) =
            plain.map_err(|error| Ended::trying_again(tls_problem(&error, host), None))?;
        let mut input = Input(&mut plain);
        let before = mem::replace(&mut self.last_activity, Instant::now());
        while let Some(event) = self.ws.receive(&mut input, now, &mut self.out) {
            match event {
                Event::Text(text) => {
                    writeln!(io::stdout(), "{}", &*text)?;
                    self.unanswered = self.unanswered.saturating_sub(1);
                }
                Event::Close { reason, .. } => self.reason = reason.into_string(),
                Event::Pong(_) => {
                    self.last_activity = before; // it answers a Ping, but no line
                    let latency = self.ws.latency();
                    let is_new = mem::replace(&mut self.latency, latency) != latency;
                    if let Some(time) = latency.filter(|_| is_new && self.client.options.latency) {
                        eprintln!("client: Pong after {:.3} ms", time.as_secs_f64() * 1e3);
                    }
                }
                _ => {} // Pings and Closes are answered already
            }
        }
        if is_last {
            self.ws.receive_eof();
        }
        Ok(())
    }

    /// The line about the end, and whether another try is worth it.
    fn end(&mut self, end: &End) -> Result<(), Ended> {
        // Not the URI, whose query may hold a token.
        let server = self.client.request.authority();
        let why = match end {
            End::Closed { code, by_peer }
                if end.is_clean() && (*code == CloseCode::NORMAL || !by_peer) =>
            {
                return Ok(());
            }
            End::Closed {
                code,
                by_peer: true,
            } => {
                let reason = format!("{} {}", code.0, self.reason.escape_debug());
                format!("the server closed the connection: {}", reason.trim_end())
            }
            End::Expired(Expired::Handshake)
            | End::Refused(HandshakeError::TransportEnded { .. })
                if self.transport.is_handshaking() =>
            {
                format!("no TLS with {}: it ended the connection", server)
            }
            End::Expired(Expired::Handshake) => {
                format!("{} did not answer in time", server)
            }
            End::Refused(HandshakeError::TransportEnded { received }) => {
                let how = match received {
                    0 => "without an answer".to_owned(),
                    n => format!("in the middle of its answer, after {n} bytes"),
                };
                match self.read_error.take() {
                    None => format!("{} closed the connection {how}", server),
                    Some(error) => format!("{} broke off {how}: {error}", server),
                }
            }
            End::Refused(HandshakeError::Refused(response))
                if response.status / 100 == 3 && self.client.redirects > 0 =>
            {
                match self.client.request.redirected(response) {
                    Ok(request) => {
                        let (why, then) = (String::new(), Then::Redirect(Box::new(request)));
                        return Err(Ended { why, then });
                    }
                    Err(error) => format!("{server} redirects, and that is not followed: {error}"),
                }
            }
            End::Refused(error) => refusal(error),
            _ => end.to_string(),
        };
        let after = self.client.backoff.after(end, self.start.elapsed());
        Err(Ended::trying_again(why, after))
    }
}

/// One line about a handshake that failed, with what the server's own first line says.
fn refusal(error: &HandshakeError) -> String {
    let HandshakeError::Refused(response) = error else {
        return error.to_string();
    };
    let body = String::from_utf8_lossy(&response.body);
    let words = body.lines().next().unwrap_or_default().trim();
    let words: String = words.chars().take(80).collect();
    match &*words {
        "" => error.to_string(),
        words => format!("{error}: {}", words.escape_debug()),
    }
}
