//! Who drives an [`Endpoint`] without a transport, and the same by hand. The law: a driver decides
//! nothing; it tells all that it is told.

use super::*;
use sansocket::{
    Deadlines, DeadlinesConfig, Endpoint, Expired, Handshake, ProtocolError, Rejection,
};
use std::convert::Infallible;
use std::time::Duration;

pub const NANO: Duration = Duration::from_nanos(1);

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub type Checked = Result<Option<Duration>, Expired>;

/// What took too long first, the latency, and whether the output is the last.
pub type Said = (Option<Expired>, Option<Duration>, bool);

/// What an adapter calls in the opening handshake.
pub trait Opens {
    /// Hands octets to it. Returns what it says, if anything.
    fn open(&mut self, input: &mut Input<'_>, now: Duration) -> Option<String>;

    /// A server: accepts the request that there was, or rejects it with 404.
    fn answer(&mut self, _accept: bool, _now: Duration) -> Option<String> {
        None
    }
}

/// What an adapter calls, whatever is behind it.
pub trait Driver: Opens {
    fn receive<'b>(&mut self, input: &mut Input<'b>, now: Duration) -> Option<Event<'b>>;
    fn receive_eof(&mut self) -> Result<(), ProtocolError>;
    fn failure(&self) -> Option<String>;
    fn connection(&mut self) -> Option<(&mut Connection, &mut BytesMut)>;
    fn wrote(&mut self, written: usize, left: usize, now: Duration);
    fn check(&mut self, now: Duration) -> Checked;
    fn said(&self) -> Said;
    fn out(&mut self) -> &mut BytesMut;

    /// What an adapter does with what it has read. Leaves what nobody has taken in `octets`.
    fn read(&mut self, octets: &mut Vec<u8>, now: Duration) -> Vec<String> {
        let len = octets.len();
        let mut input = Input::new(octets);
        let mut seen = Vec::from_iter(self.open(&mut input, now));
        while let Some(event) = self.receive(&mut input, now) {
            seen.push(format!("{event:?}"));
        }
        let taken = len - input.len();
        octets.drain(..taken);
        seen
    }

    /// As [`read`](Self::read), where everything is taken.
    #[track_caller]
    fn feed(&mut self, octets: &[u8], now: Duration) -> Vec<String> {
        let mut octets = octets.to_vec();
        let seen = self.read(&mut octets, now);
        assert!(octets.is_empty(), "every octet is taken");
        seen
    }

    /// It is due at this time and at no time before.
    #[track_caller]
    fn expires(&mut self, time: Duration, expired: Expired) {
        assert_eq!(self.check(time - NANO), Ok(Some(time)));
        assert_eq!(self.check(time), Err(expired));
        assert_eq!(self.check(time + seconds(9)), Err(expired), "it stays so");
    }
}

/// An endpoint, its output, and the request that it has yielded.
#[derive(Debug)]
pub struct End<H: Handshake> {
    pub endpoint: Endpoint<H>,
    pub out: BytesMut,
    pub request: Option<Request>,
}

impl<H: Handshake> From<Endpoint<H>> for End<H> {
    fn from(endpoint: Endpoint<H>) -> Self {
        Self {
            endpoint,
            out: BytesMut::new(),
            request: None,
        }
    }
}

impl Opens for End<ServerHandshake> {
    fn open(&mut self, input: &mut Input<'_>, now: Duration) -> Option<String> {
        let request = self.endpoint.request(input, now, &mut self.out)?;
        self.request = Some(request);
        Some("a request".into())
    }

    fn answer(&mut self, accept: bool, now: Duration) -> Option<String> {
        let request = self.request.as_ref()?;
        if accept {
            let ws = self.endpoint.accept(request.accept(), now, &mut self.out)?;
            return Some(format!("{:?}", ws.state()));
        }
        let rejection = Rejection::new(404).unwrap();
        self.endpoint.reject(rejection, now, &mut self.out);
        None
    }
}

impl Opens for End<ClientHandshake> {
    fn open(&mut self, input: &mut Input<'_>, now: Duration) -> Option<String> {
        let opened = self.endpoint.opened(input, now, &mut self.out)?;
        Some(format!("{opened:?}"))
    }
}

impl Opens for End<Infallible> {
    fn open(&mut self, _: &mut Input<'_>, _: Duration) -> Option<String> {
        None
    }
}

impl<H: Handshake> Driver for End<H>
where
    Self: Opens,
{
    fn receive<'b>(&mut self, input: &mut Input<'b>, now: Duration) -> Option<Event<'b>> {
        let (event, _) = self.endpoint.receive(input, now, &mut self.out)?;
        Some(event)
    }

    fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        self.endpoint.receive_eof()
    }

    fn failure(&self) -> Option<String> {
        let failure = self.endpoint.failure()?;
        Some(format!("{failure:?}"))
    }

    fn connection(&mut self) -> Option<(&mut Connection, &mut BytesMut)> {
        Some((self.endpoint.connection()?, &mut self.out))
    }

    fn wrote(&mut self, written: usize, left: usize, now: Duration) {
        self.endpoint.wrote(written, left, now);
    }

    fn check(&mut self, now: Duration) -> Checked {
        self.endpoint.check(now, &mut self.out)
    }

    fn said(&self) -> Said {
        let endpoint = &self.endpoint;
        (
            endpoint.expired(),
            endpoint.latency(),
            endpoint.must_close_transport(),
        )
    }

    fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }
}

/// A server without an [`Endpoint`]: its parts as their documentation says.
#[derive(Debug)]
pub struct ByHand {
    /// Until it is answered, or its time or its transport is over.
    handshake: Option<ServerHandshake>,
    request: Option<Request>,
    error: Option<RequestError>,
    ws: Option<Connection>,
    deadlines: Deadlines,
    expired: Option<Expired>,
    latency: Option<Duration>,
    transport_ended: bool,
    out: BytesMut,
}

impl ByHand {
    pub fn new(times: DeadlinesConfig) -> Self {
        Self {
            handshake: Some(ServerHandshake::new(&HandshakeConfig::default())),
            request: None,
            error: None,
            ws: None,
            deadlines: Deadlines::new(times, Duration::ZERO),
            expired: None,
            latency: None,
            transport_ended: false,
            out: BytesMut::new(),
        }
    }
}

impl Opens for ByHand {
    fn open(&mut self, input: &mut Input<'_>, now: Duration) -> Option<String> {
        match self.handshake.as_mut()?.receive(input, &mut self.out) {
            Ok(request) => {
                self.request = Some(request?);
                Some("a request".into())
            }
            Err(error) => {
                (self.handshake, self.error) = (None, Some(error));
                self.deadlines.refused(now);
                None
            }
        }
    }

    fn answer(&mut self, accept: bool, now: Duration) -> Option<String> {
        let request = self.request.as_ref()?;
        self.handshake.take()?;
        if accept {
            let ws = self.ws.insert(request.accept().send(&mut self.out));
            // Its times begin now.
            let _ = self.deadlines.check(Some(ws), now, &mut self.out);
            return Some(format!("{:?}", ws.state()));
        }
        Rejection::new(404).unwrap().send(&mut self.out);
        self.deadlines.refused(now);
        None
    }
}

impl Driver for ByHand {
    fn receive<'b>(&mut self, input: &mut Input<'b>, now: Duration) -> Option<Event<'b>> {
        if self.handshake.is_some() {
            return None;
        }
        let Some(ws) = &mut self.ws else {
            input.take_rest();
            return None;
        };
        if !input.is_empty() {
            self.deadlines.received(now);
        }
        let event = ws.receive(input, &mut self.out)?;
        let latency = self.deadlines.event(&event, now);
        if matches!(event, Event::Pong(_)) {
            self.latency = latency;
        }
        Some(event)
    }

    fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        (self.handshake, self.transport_ended) = (None, true);
        self.ws.as_mut().map_or(Ok(()), Connection::receive_eof)
    }

    fn failure(&self) -> Option<String> {
        Some(format!("{:?}", self.error?))
    }

    fn connection(&mut self) -> Option<(&mut Connection, &mut BytesMut)> {
        Some((self.ws.as_mut()?, &mut self.out))
    }

    fn wrote(&mut self, written: usize, left: usize, now: Duration) {
        self.deadlines.wrote(written, left, now);
    }

    fn check(&mut self, now: Duration) -> Checked {
        if self.transport_ended {
            return Ok(None);
        }
        let checked = self.deadlines.check(self.ws.as_mut(), now, &mut self.out);
        let Err(expired) = checked else {
            return checked;
        };
        self.expired = self.expired.or(Some(expired));
        if let Some(status) = expired.http_status()
            && self.handshake.take().is_some()
        {
            Rejection::new(status).unwrap().send(&mut self.out);
            self.deadlines.refused(now);
        } else if expired.close_code().is_none() {
            self.handshake = None;
            return checked;
        }
        self.check(now)
    }

    fn said(&self) -> Said {
        let refused = self.handshake.is_none() && self.ws.is_none();
        let ws = self.ws.as_ref();
        let closes = refused || ws.is_some_and(Connection::must_close_transport);
        (self.expired, self.latency, closes)
    }

    fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }
}
