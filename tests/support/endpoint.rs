//! An endpoint without a transport, driven by hand.
//!
//! Invariant: whoever drives an endpoint decides nothing; it tells the endpoint all that an adapter
//! would, and checks what every adapter relies on.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use super::*;
use bytes::BytesMut;
use sansocket::{
    ClientRequest, CloseCode, Config, End, Endpoint, Event, Expired, Input, ProtocolError, Request,
    Role, Settings, Tick, Times,
};
use std::time::Duration;

pub const NANO: Duration = Duration::from_nanos(1);

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The default times, changed.
pub fn times(change: impl FnOnce(&mut Times)) -> Times {
    let mut times = Times::default();
    change(&mut times);
    times
}

/// No limit to anything: for tests of one deadline alone.
pub fn nothing() -> Times {
    times(|times| {
        times.handshake = Duration::MAX;
        times.keepalive = None;
        times.pong = Duration::MAX;
        times.idle = None;
        times.close = Duration::MAX;
        times.write = Duration::MAX;
        times.min_rate = 0;
    })
}

/// The default configuration with these times.
pub fn config_of(times: Times) -> Config {
    config(|config| config.times = times)
}

/// An endpoint, its output, and the request that it has yielded.
#[derive(Debug)]
pub struct Side {
    pub endpoint: Endpoint,
    pub out: BytesMut,
    pub role: Role,
    pub request: Option<Request>,
}

impl Side {
    pub fn of(endpoint: Endpoint, role: Role, out: BytesMut) -> Self {
        Self {
            endpoint,
            out,
            role,
            request: None,
        }
    }

    /// A server whose transport is there at time zero.
    pub fn server(times: Times) -> Self {
        let endpoint = Endpoint::server(&config_of(times), Duration::ZERO);
        Self::of(endpoint, Role::Server, BytesMut::new())
    }

    /// A server that has got its request at time zero and has not answered it.
    pub fn asked(times: Times) -> Self {
        let mut server = Self::server(times);
        assert_eq!(server.feed(REQUEST.as_bytes(), Duration::ZERO), []);
        assert!(server.request.is_some(), "a request");
        server
    }

    /// A client whose transport is there at time zero and whose request is in the output, and the
    /// response that opens it.
    pub fn client(times: Times) -> (Self, String) {
        Self::client_for(&client_request(), times)
    }

    pub fn client_for(request: &ClientRequest, times: Times) -> (Self, String) {
        let mut out = BytesMut::new();
        let (config, now) = (config_of(times), Duration::ZERO);
        let endpoint = Endpoint::client(request, &config, [9; 32], now, &mut out);
        let response = RESPONSE.replace("ACCEPT", &accept_key(&key_in(&out)));
        (Self::of(endpoint, Role::Client, out), response)
    }

    /// An end that was open at time zero.
    pub fn open(role: Role, times: Times) -> Self {
        Self::open_with(role, times, Settings::default(), Duration::ZERO)
    }

    /// An end that was open at this time.
    pub fn open_with(role: Role, times: Times, settings: Settings, now: Duration) -> Self {
        let connection = connection(role, settings);
        let endpoint = Endpoint::open(connection, &config_of(times), now);
        Self::of(endpoint, role, BytesMut::new())
    }

    /// What an adapter does with what it has read. Leaves in `bytes` what nobody has taken. A
    /// request that passed every check goes to [`request`](Self::request), and is no event here.
    pub fn read(&mut self, bytes: &mut Vec<u8>, now: Duration) -> Vec<Event<'static>> {
        let (len, mut events) = (bytes.len(), Vec::new());
        let mut input = Input(bytes);
        while let Some(event) = self.endpoint.receive(&mut input, now, &mut self.out) {
            match event.into_owned() {
                Event::Request(request) => {
                    assert_eq!(request.error(), None);
                    assert!(self.request.replace(request).is_none(), "one request");
                }
                event => events.push(event),
            }
        }
        let taken = len - input.0.len();
        bytes.drain(..taken);
        events
    }

    /// As [`read`](Self::read), where every byte is taken.
    #[track_caller]
    pub fn feed(&mut self, bytes: &[u8], now: Duration) -> Vec<Event<'static>> {
        let mut bytes = bytes.to_vec();
        let events = self.read(&mut bytes, now);
        assert!(bytes.is_empty(), "every byte is taken");
        events
    }

    /// A frame of the peer.
    #[track_caller]
    pub fn frame(&mut self, first: u8, payload: &[u8], now: Duration) -> Vec<Event<'static>> {
        self.feed(&frame(self.role, first, payload), now)
    }

    /// Accepts the request that there is.
    #[track_caller]
    pub fn accept(&mut self) {
        let request = self.request.take().expect("a request");
        assert_eq!(self.endpoint.accept(request, &mut self.out), Ok(()));
        assert!(self.endpoint.is_open());
    }

    /// Our Close.
    #[track_caller]
    pub fn close(&mut self, code: impl Into<Option<CloseCode>>) {
        assert_eq!(self.endpoint.close(code, "", &mut self.out), Ok(()));
    }

    /// A binary message that takes this many bytes of the output.
    #[track_caller]
    pub fn send(&mut self, len: usize) {
        let before = self.out.len();
        let masked = if self.role == Role::Client { 4 } else { 0 };
        let payloads = [(2, 0..=125), (4, 126..=65_535), (10, 65_536..=usize::MAX)];
        let payload = payloads.into_iter().find_map(|(header, lens)| {
            let payload = len.checked_sub(header + masked)?;
            lens.contains(&payload).then_some(payload)
        });
        let payload = vec![0; payload.expect("a frame may have this length")];
        assert_eq!(self.endpoint.send(&payload, &mut self.out), Ok(()));
        assert_eq!(self.out.len() - before, len);
    }

    /// The transport has taken these bytes of the output.
    #[track_caller]
    pub fn wrote(&mut self, n: usize, now: Duration) {
        let left = self.out.len() - n;
        assert_eq!(self.endpoint.wrote(n, now, &mut self.out), 0);
        assert_eq!(self.out.len(), left, "{n} bytes are drained");
    }

    /// The transport has taken all of the output, which this returns.
    #[track_caller]
    pub fn write_all(&mut self, now: Duration) -> Vec<u8> {
        let bytes = self.out.to_vec();
        if !bytes.is_empty() {
            self.wrote(bytes.len(), now);
        }
        bytes
    }

    /// As [`write_all`](Self::write_all), for frames.
    #[track_caller]
    pub fn sent(&mut self, now: Duration) -> Vec<Sent> {
        sent_frames(&self.write_all(now), self.role)
    }

    /// One Close frame with this code, and a reason, is written.
    #[track_caller]
    pub fn has_closed(&mut self, code: CloseCode, now: Duration) {
        assert!(!self.endpoint.is_open());
        let sent = self.sent(now);
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!(sent[0].close_code(), Some(code.0));
        assert!(std::str::from_utf8(&sent[0].payload[2..]).is_ok_and(|reason| !reason.is_empty()));
    }

    /// What every adapter relies on holds at each tick: see the end of it.
    #[track_caller]
    pub fn tick(&mut self, now: Duration) -> Tick {
        let said_end = self.endpoint.end();
        let tick = self.endpoint.tick(now, &mut self.out);
        let len = self.out.len();
        match &tick {
            Tick::Wait(wake) | Tick::ShutDown(wake) => {
                assert!(wake.is_none_or(|wake| wake > now), "{wake:?}, not later");
            }
            Tick::Done(end) => assert_eq!(self.endpoint.end().as_ref(), Some(end)),
        }
        assert!(
            len == 0 || !matches!(tick, Tick::ShutDown(_)),
            "all is written before"
        );
        let end = self.endpoint.end();
        assert!(said_end.is_none() || said_end == end, "it ends once");
        // Nothing more happens at the same time.
        let again = self.endpoint.tick(now, &mut self.out);
        assert_eq!((&again, self.out.len()), (&tick, len), "once more");
        tick
    }

    /// Nothing is to be done before this time.
    #[track_caller]
    pub fn waits(&mut self, now: Duration, until: impl Into<Option<Duration>>) {
        assert_eq!(self.tick(now), Tick::Wait(until.into()), "at {now:?}");
    }

    /// Something is to be done at this time at the latest. What has not left yet may leave at any
    /// time, and its deadline runs from then, so a tick may ask to be called before that.
    #[track_caller]
    pub fn waits_at_most(&mut self, now: Duration, latest: Duration) {
        let Tick::Wait(Some(wake)) = self.tick(now) else {
            panic!("something will be due");
        };
        assert!(wake <= latest, "{wake:?} is later than {latest:?}");
    }

    /// It is over at this time and at no time before.
    #[track_caller]
    pub fn ends(&mut self, time: Duration, end: &End) {
        let before = match self.tick(time - NANO) {
            Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
            Tick::Done(end) => panic!("{end:?} before {time:?}"),
        };
        assert_eq!(before, Some(time), "not before {time:?}");
        let len = self.out.len();
        for time in [time, time + seconds(9)] {
            assert_eq!(self.tick(time), Tick::Done(end.clone()), "at {time:?}");
        }
        assert_eq!(self.out.len(), len, "nothing that is sent would arrive");
    }

    #[track_caller]
    pub fn expires(&mut self, time: Duration, expired: Expired) {
        self.ends(time, &End::Expired(expired));
    }

    /// The peer is given up at this time and at no time before, with a Close frame.
    #[track_caller]
    pub fn gives_up(&mut self, time: Duration, code: CloseCode) {
        self.waits(time - NANO, time);
        assert!(self.out.is_empty());
        let Tick::Wait(_) = self.tick(time) else {
            panic!("a Close frame is in the output");
        };
        self.has_closed(code, time);
    }

    /// A Ping is sent at this time and at no time before. Returns its payload.
    #[track_caller]
    pub fn pings(&mut self, time: Duration) -> Vec<u8> {
        assert!(self.out.is_empty());
        self.waits(time - NANO, time);
        assert!(self.out.is_empty());
        assert!(matches!(self.tick(time), Tick::Wait(_)));
        let mut sent = self.sent(time);
        assert_eq!((sent.len(), sent[0].opcode, sent[0].fin), (1, 9, true));
        sent.remove(0).payload
    }

    /// The transport ends. Returns how it all ended.
    #[track_caller]
    pub fn done_after_eof(&mut self, now: Duration) -> End {
        self.endpoint.receive_eof();
        let mut tick = self.tick(now);
        if !matches!(tick, Tick::Done(_)) {
            assert!(!self.out.is_empty(), "something is still to be written");
            self.write_all(now);
            tick = self.tick(now);
        }
        match tick {
            Tick::Done(end) => end,
            tick => panic!("{tick:?} after the end of the transport"),
        }
    }

    /// Ticks when it is told to and writes everything, until it is over, which it is this much
    /// later at the latest. Returns how it ended.
    #[track_caller]
    pub fn done_in(&mut self, mut now: Duration, within: Duration) -> End {
        let last = now + within;
        loop {
            let wake = match self.tick(now) {
                Tick::Done(end) => return end,
                Tick::Wait(wake) | Tick::ShutDown(wake) => wake,
            };
            if !self.out.is_empty() {
                self.write_all(now);
                continue;
            }
            now = wake.expect("it ends");
            assert!(now <= last, "over by {last:?}");
        }
    }
}

/// The end of a connection that failed.
pub const fn failed(error: ProtocolError) -> End {
    End::Failed(error)
}

/// The end after both Close frames.
pub fn closed(code: u16, by_peer: bool) -> End {
    let code = CloseCode(code);
    End::Closed { code, by_peer }
}
