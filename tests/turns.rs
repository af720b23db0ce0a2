//! An endpoint that is driven in any order: late, twice, after its end, with a clock that jumps.
//!
//! Invariant: what is written is one well-formed stream, and what is over stays over.

#[path = "support/any.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod any;
mod support;

use any::{any_settings, rounds};
use bytes::BytesMut;
use sansocket::{
    ClientRequest, CloseCode, Config, Deflate, End, Endpoint, Event, Input, Prepared,
    ProtocolError, Request, Response, Role, SendError, Tick, Times,
};
use std::time::Duration;
use support::*;

/// In every secret place, and in nothing that is printed.
const SECRET: &str = "sesame-sesame";

fn any_config(random: &mut Random) -> Config {
    config(|c| {
        c.settings = any_settings(random, true);
        if random.below(2) == 0 {
            c.deflate = Some(Deflate::default());
        }
        let mut span = || Duration::from_millis([0, 1, 50, 1_000, 30_000][random.below(5)]);
        c.times.handshake = span();
        c.times.keepalive = Some(span());
        c.times.pong = span();
        c.times.idle = Some(span());
        c.times.close = span();
        c.times.write = span();
        if random.below(2) == 0 {
            c.times = Times::default();
        }
        if random.below(4) == 0 {
            c.times.keepalive = None;
        }
        c.times.min_rate = [0, 64, u32::MAX][random.below(3)];
        if random.below(4) == 0 {
            c.max_head_size = 100 + random.below(500);
        }
    })
}

struct Driven {
    ws: Endpoint,
    role: Role,
    now: Duration,
    out: BytesMut,
    /// All bytes that were ever in the output.
    written: Vec<u8>,
    buffer: BytesMut,
    requests: Vec<Request>,
    /// Whether no event may follow.
    is_over: bool,
    end: Option<End>,
    opened_by_hand: bool,
    log: Vec<String>,
}

impl Driven {
    fn any(random: &mut Random) -> Self {
        let config = any_config(random);
        let now = Duration::from_millis(random.below(3) as u64 * 1_000);
        let mut out = BytesMut::new();
        let mut opened_by_hand = false;
        let (ws, role) = match random.below(4) {
            0 => (Endpoint::server(&config, now), Role::Server),
            1 => {
                let request = ClientRequest::new("ws://a.test/path?sesame-sesame").unwrap();
                let request = request.header("Cookie", SECRET).unwrap();
                (
                    Endpoint::client(&request, &config, [7; 32], now, &mut out),
                    Role::Client,
                )
            }
            _ => {
                let role = ROLES[random.below(2)];
                opened_by_hand = true;
                let mut ws = connection(role, config.settings);
                if config.deflate.is_some() {
                    ws = with_deflate(ws);
                }
                if random.below(10) == 0 {
                    ws.receive_eof();
                }
                (Endpoint::open(ws, &config, now), role)
            }
        };
        Self {
            ws,
            role,
            now,
            out,
            written: Vec::new(),
            buffer: BytesMut::new(),
            requests: Vec::new(),
            is_over: false,
            end: None,
            opened_by_hand,
            log: vec![format!("{config:?}")],
        }
    }

    fn take(&mut self, n: usize) {
        let part = &self.out[..n.min(self.out.len())];
        self.written.extend_from_slice(part);
    }

    fn bytes(&self, random: &mut Random) -> Vec<u8> {
        let head = match self.role {
            Role::Server => match random.below(6) {
                0 => with_line(REQUEST, "Cookie: sesame-sesame"),
                1 => replaced(REQUEST, "GET /chat", "GET /chat?sesame-sesame"),
                2 => replaced(REQUEST, "GET", "HEAD"),
                3 => replaced(REQUEST, "HTTP/1.1", "HTTP/1.0"),
                4 => with_line(REQUEST, "Sec-WebSocket-Extensions: permessage-deflate"),
                _ => replaced(REQUEST, "Upgrade: websocket", "Upgrade: sesame"),
            },
            Role::Client => {
                let request = std::str::from_utf8(&self.out).unwrap_or_default();
                let key = request
                    .split("Sec-WebSocket-Key: ")
                    .nth(1)
                    .and_then(|k| k.get(..24));
                let key = key.unwrap_or("dGhlIHNhbXBsZSBub25jZQ==");
                let accept = accept_key(key);
                match random.below(4) {
                    0 => "HTTP/1.1 403 No\r\nSet-Cookie: sesame-sesame\r\nContent-Length: 13\r\n\r\nsesame-sesame".into(),
                    1 => "HTTP/1.1 103 Early\r\n\r\n".into(),
                    _ => format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: {SECRET}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"),
                }
            }
        };
        let mut bytes = Vec::new();
        if random.below(4) == 0 && !self.opened_by_hand {
            bytes.extend(head.into_bytes());
        }
        for _ in 0..random.below(4) {
            let first =
                [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88, 0xc1][random.below(10)];
            let body = match random.below(3) {
                0 => SECRET.as_bytes().to_vec(),
                _ if first == 0x88 => b"\x03\xe8sesame-sesame".to_vec(),
                1 if first & 8 == 0 => SECRET.repeat(3_000).into_bytes(),
                _ => Vec::new(),
            };
            if first == 0x88 && random.below(3) > 0 {
                continue;
            }
            bytes.extend(frame(self.role, first, &body));
        }
        if random.below(6) == 0 {
            bytes.truncate(random.below(bytes.len() + 1));
        }
        bytes
    }

    fn event(&mut self, event: Event<'static>) {
        self.log.push(format!("  {event:?}"));
        assert!(!self.is_over, "{event:?} after the end");
        let shown = format!("{event:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        match event {
            Event::Request(request) | Event::Http(request) => self.requests.push(request),
            Event::Close { .. } | Event::Failed(_) | Event::Refused(_) => self.is_over = true,
            _ => {}
        }
    }

    fn step(&mut self, random: &mut Random, others: &mut Vec<Request>) {
        let before = self.out.len();
        match random.below(16) {
            0..4 => {
                let bytes = self.bytes(random);
                self.log.push(format!("receive {}", bytes.len()));
                self.buffer.extend_from_slice(&bytes);
                loop {
                    if random.below(3) == 0 {
                        *self.ws.settings() = any_settings(random, true);
                    }
                    let event = if random.below(2) == 0 {
                        self.ws
                            .receive_owned(&mut self.buffer, self.now, &mut self.out)
                    } else {
                        let len = self.buffer.len();
                        let mut input = Input(&mut self.buffer);
                        let event = self.ws.receive(&mut input, self.now, &mut self.out);
                        let event = event.map(Event::into_owned);
                        let left = input.0.len();
                        let _ = self.buffer.split_to(len - left);
                        event
                    };
                    let Some(event) = event else { break };
                    let is_http = matches!(event, Event::Http(_) | Event::Request(_));
                    self.event(event);
                    if is_http && random.below(2) == 0 {
                        break;
                    }
                }
            }
            4..6 => {
                match random.below(20) {
                    0 => self.now += Duration::from_secs(random.below(100_000) as u64),
                    1 => self.now = self.now.saturating_sub(Duration::from_secs(1)),
                    _ => self.now += Duration::from_millis(random.below(400) as u64),
                }
                let tick = self.ws.tick(self.now, &mut self.out);
                self.log.push(format!("tick {:?} {tick:?}", self.now));
                match tick {
                    Tick::Wait(wake) | Tick::ShutDown(wake) => {
                        assert_eq!(self.end, None);
                        assert!(
                            wake.is_none_or(|wake| wake > self.now),
                            "{:?} {wake:?}",
                            self.now
                        );
                    }
                    Tick::Done(end) => {
                        assert!(self.end.as_ref().is_none_or(|first| *first == end));
                        assert_eq!(self.ws.end().as_ref(), Some(&end));
                        self.end = Some(end);
                        self.is_over = true;
                    }
                }
                if self.end.is_some() && before == self.out.len() {
                    assert_eq!(self.ws.end(), self.end);
                }
            }
            6 | 7 => {
                let n = match random.below(10) {
                    0 => usize::MAX,
                    1 => self.out.len() + random.below(10),
                    2 => 0,
                    3..5 => random.below(self.out.len() + 1),
                    _ => self.out.len(),
                };
                let of_out = n.min(self.out.len());
                self.take(of_out);
                assert_eq!(self.ws.wrote(n, self.now, &mut self.out), n - of_out);
                assert_eq!(self.out.len(), before - of_out);
                self.log.push(format!("wrote {n}"));
            }
            8 => {
                self.take(before);
                self.out.clear();
                self.log.push("split".into());
            }
            9 => {
                let (n, holds) = (random.below(3) * 100, random.below(2) == 0);
                self.ws.flushed(n, holds, self.now);
                self.log.push(format!("flushed {n} {holds}"));
            }
            10 => {
                let from = if random.below(8) == 0 {
                    others
                } else {
                    &mut self.requests
                };
                if let Some(request) = from.pop() {
                    self.log.push(format!("accept {:?}", request.error()));
                    let accepted = self.ws.accept(request, &mut self.out);
                    assert_eq!(accepted.is_ok(), self.out.len() > before);
                }
            }
            11 => {
                let response = Response::new([200, 204, 404, 101][random.below(4)]).body(SECRET);
                assert!(!format!("{response:?}").contains(SECRET));
                if random.below(4) == 0 {
                    let responded = self.ws.respond(response, &mut self.out);
                    self.log.push(format!("respond {responded:?}"));
                    assert_eq!(responded.is_ok(), self.out.len() > before);
                    self.is_over |= responded.is_ok();
                }
            }
            12 => {
                let data = [SECRET, ""][random.below(2)];
                let news = Prepared::new(data);
                let is_open = self.ws.is_open();
                let sent = match random.below(7) {
                    0 => self.ws.send(data, &mut self.out),
                    1 => self
                        .ws
                        .send_piece(data, random.below(2) == 0, &mut self.out),
                    2 => self.ws.send(&news, &mut self.out),
                    3 => {
                        let frame = self.ws.share(&news);
                        frame.map(|frame| self.out.extend_from_slice(&frame))
                    }
                    4 => {
                        let apart = self.ws.send_apart(data, &mut self.out);
                        apart.map(|apart| self.out.extend_from_slice(apart))
                    }
                    5 => self.ws.send_ping(b"", &mut self.out),
                    _ => self.ws.send_pong(b"", &mut self.out),
                };
                self.log.push(format!("send {sent:?}"));
                assert_eq!(sent.is_ok(), self.out.len() > before);
                assert_eq!(
                    is_open,
                    !matches!(sent, Err(SendError::Closed | SendError::NotYetOpen))
                );
                if self.end.is_some() {
                    assert_eq!(sent, Err(SendError::Closed));
                }
            }
            13 if random.below(4) == 0 => {
                let code = [CloseCode::NORMAL, CloseCode(1005)][random.below(2)];
                let closed = self.ws.close(code, SECRET, &mut self.out);
                self.log.push(format!("close {closed:?}"));
                assert_eq!(closed.is_ok(), self.out.len() > before);
            }
            14 if random.below(8) == 0 => {
                self.log.push("eof".into());
                self.ws.receive_eof();
                self.is_over = true;
                assert!(!self.ws.is_open());
            }
            _ => {
                *self.ws.settings() = any_settings(random, true);
                let _ = self.ws.missing(&Input(&mut self.buffer));
            }
        }
        let shown = format!("{:?} {:?}", self.ws, self.end);
        assert!(!shown.contains(SECRET), "{shown}");
    }

    /// One response or none, frames, at most one Close, and after it nothing but Pongs.
    fn judge(mut self) {
        let len = self.out.len();
        self.take(len);
        let mut stream = &self.written[..];
        if !self.opened_by_hand {
            let Some(at) = stream.windows(4).position(|w| w == b"\r\n\r\n") else {
                return assert!(stream.is_empty());
            };
            let head = std::str::from_utf8(&stream[..at]).unwrap();
            stream = &stream[at + 4..];
            if self.role == Role::Server && !head.starts_with("HTTP/1.1 101") {
                return assert!(stream.len() < 400, "one response");
            }
        }
        let frames = raw_frames(stream, self.role);
        let closed = frames.iter().position(|(first, _)| *first == 0x88);
        let after = closed.map_or(&[][..], |at| &frames[at + 1..]);
        assert!(after.iter().all(|(first, _)| *first == 0x8a), "{after:?}");
        let mut is_under_way = false;
        for (first, _) in &frames {
            match first & 15 {
                0 => assert!(is_under_way),
                1 | 2 => assert!(!is_under_way),
                _ => continue,
            }
            is_under_way = first & 0x80 == 0;
        }
    }

    /// With a silent peer, and a transport that takes nothing or everything, the connection ends.
    fn abandon(&mut self, random: &mut Random) {
        let takes = random.below(2) == 0;
        for _ in 0..200_000 {
            if takes {
                let n = self.out.len();
                self.take(n);
                self.ws.wrote(n, self.now, &mut self.out);
            }
            match self.ws.tick(self.now, &mut self.out) {
                Tick::Done(_) | Tick::Wait(None) => return,
                Tick::Wait(Some(wake)) | Tick::ShutDown(Some(wake)) => {
                    assert!(wake > self.now);
                    self.now = wake;
                }
                Tick::ShutDown(None) => panic!("no end"),
            }
        }
        panic!("no end");
    }
}

#[test]
fn any_order_of_calls_keeps_the_laws() {
    for round in rounds(800) {
        let mut random = Random(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut others = Vec::new();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut driven = Driven::any(&mut random);
            let steps = 1 + random.below(120);
            let log = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for _ in 0..steps {
                    driven.step(&mut random, &mut others);
                }
                driven.abandon(&mut random);
            }));
            if let Err(panic) = log {
                eprintln!("{:#?}", driven.log);
                std::panic::resume_unwind(panic);
            }
            driven.judge();
        }));
        if let Err(panic) = result {
            eprintln!("round {round}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Elsewhere it stayed in `ShutDown` until the first Ping failed.
#[test]
fn a_connection_that_has_ended_is_over_at_once() {
    for role in ROLES {
        let mut ws = connection(role, Default::default());
        ws.receive_eof();
        let mut endpoint = Endpoint::open(ws, &Config::default(), Duration::ZERO);
        let mut out = BytesMut::new();
        for now in [0, 30, 60].map(Duration::from_secs) {
            let end = End::Failed(ProtocolError::TransportEnded);
            assert_eq!(endpoint.tick(now, &mut out), Tick::Done(end));
        }
        assert!(out.is_empty());
    }
}

#[test]
fn early_bytes_are_received_with_an_empty_input() {
    let now = Duration::ZERO;
    for owned in [false, true] {
        let early = frames(Role::Server, &[(0x81, b"early"), (0x81, b"bird")]);
        let mut buffer = BytesMut::from(&[REQUEST.as_bytes(), &early].concat()[..]);
        let mut ws = Endpoint::server(&Config::default(), now);
        let mut out = BytesMut::new();
        let Some(Event::Request(request)) = ws.receive_owned(&mut buffer, now, &mut out) else {
            panic!("no request");
        };
        assert_eq!(ws.receive_owned(&mut buffer, now, &mut out), None);
        assert!(buffer.is_empty());
        ws.accept(request, &mut out).unwrap();
        for wanted in [Some(text("early")), Some(text("bird")), None] {
            let event = match owned {
                true => ws.receive_owned(&mut buffer, now, &mut out),
                false => ws.receive(&mut Input(&mut []), now, &mut out),
            };
            assert_eq!(event, wanted);
        }
        assert!(ws.into_connection().is_some());
    }
}
