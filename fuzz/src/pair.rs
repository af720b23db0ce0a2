//! Two endpoints, a transport that cuts and delays, and applications that do anything.
//!
//! Invariant: neither end breaks a rule; what is heard is a prefix of what was said, and all of it when both ends are clean;
//! and it ends.

use crate::model::Told;
use crate::script::Script;
use crate::support::deflate::deflate;
use bytes::{Buf, BytesMut};
use sansocket::{
    ClientRequest, CloseCode, Config, Data, Deliver, End, Endpoint, Event, Input, Prepared,
    SendError, Tick,
};
use std::time::Duration;

/// Each byte is a step of one end; the decisions choose what it sends, and how much of it moves.
pub fn pair(data: &[u8]) {
    let (mut script, steps) = Script::split(data);
    let mut pair = Pair::new(&mut script);
    for step in steps.iter().take(200) {
        pair.step(
            usize::from(*step & 1),
            usize::from(*step >> 1) % 16,
            &mut script,
        );
    }
    pair.end(&mut script);
}

struct Side {
    endpoint: Endpoint,
    out: BytesMut,
    /// Written, and not yet read by the other.
    wire: BytesMut,
    has_shut_down: bool,
    /// Read; a message may wait in it.
    buffer: BytesMut,
    has_read_all: bool,
    end: Option<End>,
    said: Vec<Told>,
    heard: Vec<Told>,
    /// The message that it sends in pieces, and the one that it hears in pieces.
    sending: Option<(bool, Vec<u8>)>,
    hearing: Option<(bool, Vec<u8>)>,
}

struct Pair {
    sides: [Side; 2],
    now: Duration,
}

fn data_of(is_text: bool, data: &[u8]) -> Data<'_> {
    match is_text {
        true => Data::Text(std::str::from_utf8(data).expect("ASCII")),
        false => Data::Binary(data),
    }
}

impl Side {
    fn new(endpoint: Endpoint, out: BytesMut) -> Self {
        Self {
            endpoint,
            out,
            wire: BytesMut::new(),
            has_shut_down: false,
            buffer: BytesMut::new(),
            has_read_all: false,
            end: None,
            said: Vec::new(),
            heard: Vec::new(),
            sending: None,
            hearing: None,
        }
    }

    /// Sends a message in one of the possible ways, and notes it.
    fn send(&mut self, script: &mut Script<'_>) {
        let is_text = script.flag();
        let len = match script.byte() {
            n @ ..240 => usize::from(n),
            // Seldom the longest form of a length: compressing takes most of the time.
            255 => 65_540,
            n => usize::from(n - 239) * 500,
        };
        let step = script.byte() | 1;
        let letter = |n: usize| b'a' + (n as u8).wrapping_mul(step) % 26;
        let data: Vec<_> = (0..len).map(letter).collect();
        let before = self.out.len();
        let result = match script.below(5) {
            0 | 1 => self.endpoint.send(data_of(is_text, &data), &mut self.out),
            2 => {
                let apart = self
                    .endpoint
                    .send_apart(data_of(is_text, &data), &mut self.out);
                apart.map(|apart| self.out.extend_from_slice(apart))
            }
            3 => {
                let news = Prepared::new(data_of(is_text, &data));
                self.endpoint.send(&news, &mut self.out)
            }
            _ => {
                let frame = self.endpoint.share(&Prepared::new(data_of(is_text, &data)));
                frame.map(|frame| self.out.extend_from_slice(&frame))
            }
        };
        match result {
            Ok(()) => self.said.push(Told::Message(is_text, data)),
            Err(error) => {
                assert_eq!(self.out.len(), before, "nothing was appended");
                let is_unfinished = error == SendError::MessageUnfinished;
                assert!(!is_unfinished || self.sending.is_some());
                assert!(is_unfinished || !self.endpoint.is_open());
            }
        }
    }

    fn send_piece(&mut self, script: &mut Script<'_>) {
        let (is_text, is_last) = (script.flag(), script.flag());
        let data = vec![b'p'; usize::from(script.byte())];
        let before = self.out.len();
        let sent = self
            .endpoint
            .send_piece(data_of(is_text, &data), is_last, &mut self.out);
        if let Err(error) = sent {
            assert_eq!(self.out.len(), before, "nothing was appended");
            assert!(error == SendError::OtherType || !self.endpoint.is_open());
            return;
        }
        let (was_text, mut all) = self.sending.take().unwrap_or((is_text, Vec::new()));
        assert_eq!(was_text, is_text);
        all.extend(data);
        if is_last {
            self.said.push(Told::Message(is_text, all));
        } else {
            self.sending = Some((is_text, all));
        }
    }

    fn close(&mut self, script: &mut Script<'_>) {
        let code = script.one_of(&[CloseCode::NORMAL, CloseCode(4999), CloseCode::GOING_AWAY]);
        let was_open = self.endpoint.is_open();
        let closed = self.endpoint.close(code, "bye", &mut self.out);
        assert_eq!(closed.is_ok(), was_open);
    }

    fn change_settings(&mut self, script: &mut Script<'_>) {
        let settings = self.endpoint.settings();
        settings.deliver = script.one_of(&[Deliver::Complete, Deliver::InPlace, Deliver::Pieces]);
        settings.compress = script.flag();
        settings.answer_close = !script.one_in(4);
    }

    /// The transport takes a part of the output.
    fn write(&mut self, len: usize, now: Duration) {
        self.wire.extend_from_slice(&self.out[..len]);
        assert_eq!(self.endpoint.wrote(len, now, &mut self.out), 0);
    }

    /// Reads what has come, and what waits.
    fn receive(&mut self, bytes: &[u8], now: Duration, script: &mut Script<'_>) {
        self.buffer.extend_from_slice(bytes);
        loop {
            let event = if script.flag() {
                self.endpoint
                    .receive_owned(&mut self.buffer, now, &mut self.out)
            } else {
                let before = self.buffer.len();
                let mut input = Input(&mut self.buffer);
                let event = self.endpoint.receive(&mut input, now, &mut self.out);
                let event = event.map(Event::into_owned);
                let taken = before - input.0.len();
                self.buffer.advance(taken);
                event
            };
            match event {
                None => return,
                Some(Event::Request(request)) => {
                    let accepted = self.endpoint.accept(request, &mut self.out);
                    assert!(accepted.is_ok());
                }
                Some(event) => self.hear(event),
            }
        }
    }

    fn hear(&mut self, event: Event<'_>) {
        let is_over = matches!(self.heard.last(), Some(Told::Close(..)));
        assert!(!is_over, "{event:?} after the Close");
        let told = match event {
            Event::Opened(_) | Event::Pong(_) => return,
            // The deadline of the opening handshake, or the end of the transport within it.
            Event::Refused(_) => return assert!(self.said.is_empty() && self.heard.is_empty()),
            Event::Text(text) => Told::Message(true, text.as_bytes().to_vec()),
            Event::Binary(data) => Told::Message(false, data.to_vec()),
            Event::Piece(piece) => {
                let is_text = piece.as_text().is_some();
                let (_, all) = self.hearing.get_or_insert((is_text, Vec::new()));
                all.extend(piece.as_bytes());
                if !piece.is_last() {
                    return;
                }
                let (is_text, all) = self.hearing.take().expect("it was there");
                Told::Message(is_text, all)
            }
            // Those of the keepalive are not said by the application.
            Event::Ping(payload) if payload.starts_with(b"ours") => Told::Ping(payload.to_vec()),
            Event::Ping(_) => return,
            Event::Close { code, reason } => Told::Close(code.0, reason.to_string()),
            other => panic!("{other:?} between two of us"),
        };
        self.heard.push(told);
    }

    /// Returns when it wants to be called again.
    fn tick(&mut self, now: Duration) -> Option<Duration> {
        let wake = match self.endpoint.tick(now, &mut self.out) {
            Tick::Wait(wake) => wake,
            Tick::ShutDown(wake) => {
                assert!(self.out.is_empty(), "all is written before");
                self.has_shut_down = true;
                wake
            }
            Tick::Done(end) => {
                assert!(self.end.as_ref().is_none_or(|first| *first == end));
                assert!(!self.endpoint.is_open());
                self.end = Some(end);
                None
            }
        };
        assert!(wake.is_none_or(|wake| wake > now));
        wake
    }
}

impl Pair {
    fn new(script: &mut Script<'_>) -> Self {
        let mut config = Config::default();
        if script.flag() {
            let (bits, no_takeover) = (script.one_of(&[None, Some(9)]), script.flag());
            config.deflate = Some(deflate(|d| {
                d.min_size = script.one_of(&[0, 128]);
                d.mem_level = 1; // less to clear
                d.max_pooled = script.one_of(&[16, 0, 1]);
                (d.server_max_window_bits, d.client_max_window_bits) = (bits, bits);
                d.client_no_context_takeover = no_takeover;
            }));
        }
        config.times.keepalive = script.one_of(&[Some(Duration::from_secs(30)), None]);
        let (mut out, now) = (BytesMut::new(), Duration::ZERO);
        let request = ClientRequest::new("ws://a.test/").expect("a URI");
        let client = Endpoint::client(&request, &config, [7; 32], now, &mut out);
        let server = Endpoint::server(&config, now);
        let sides = [Side::new(server, BytesMut::new()), Side::new(client, out)];
        Self { sides, now }
    }

    fn step(&mut self, side: usize, step: usize, script: &mut Script<'_>) {
        let now = self.now;
        let me = &mut self.sides[side];
        if me.end.is_some() {
            return;
        }
        match step {
            0..3 => me.send(script),
            3 => me.send_piece(script),
            4 => {
                let payload = [&b"ours"[..], &[script.byte()]].concat();
                match me.endpoint.send_ping(&payload, &mut me.out) {
                    Ok(()) => me.said.push(Told::Ping(payload)),
                    Err(_) => assert!(!me.endpoint.is_open()),
                }
            }
            5 => me.change_settings(script),
            6 if script.one_in(4) => me.close(script),
            7..10 => {
                let len = script.cut(me.out.len());
                me.write(len, now);
            }
            10..13 => self.read(side, script),
            13 => drop(me.tick(now)),
            14 => self.now += Duration::from_millis(script.one_of(&[1, 20, 400, 6_000, 40_000])),
            _ if script.one_in(16) => {
                // The transport breaks.
                for side in &mut self.sides {
                    side.out.clear();
                    side.wire.clear();
                    side.endpoint.receive_eof();
                    side.has_read_all = true;
                }
            }
            _ => {}
        }
    }

    /// One side reads a part of what the other has written.
    fn read(&mut self, side: usize, script: &mut Script<'_>) {
        let len = script.cut(self.sides[1 - side].wire.len());
        self.read_up_to(side, len, script);
    }

    fn read_up_to(&mut self, side: usize, len: usize, script: &mut Script<'_>) {
        let (now, other) = (self.now, &mut self.sides[1 - side]);
        let bytes = other.wire.split_to(len);
        let is_all = other.wire.is_empty() && (other.has_shut_down || other.end.is_some());
        let me = &mut self.sides[side];
        if me.has_read_all || me.end.is_some() {
            return;
        }
        me.receive(&bytes, now, script);
        if is_all {
            me.has_read_all = true;
            me.endpoint.receive_eof();
        }
    }

    /// Lets both end, and judges what was heard.
    fn end(mut self, script: &mut Script<'_>) {
        for turn in 0..2_000 {
            let mut wake: Option<Duration> = None;
            let mut has_moved = false;
            for side in 0..2 {
                let other_len = self.sides[1 - side].wire.len();
                self.read_up_to(side, other_len, script);
                let (now, me) = (self.now, &mut self.sides[side]);
                if me.end.is_some() {
                    continue;
                }
                if turn > 3 && me.endpoint.is_open() {
                    me.close(script);
                }
                let next = me.tick(now);
                let len = me.out.len();
                if me.end.is_none() {
                    me.write(len, now);
                }
                has_moved |= len > 0 || other_len > 0;
                wake = [wake, next].into_iter().flatten().min();
            }
            if self.sides.iter().all(|side| side.end.is_some()) {
                return self.judge();
            }
            if !has_moved && let Some(wake) = wake {
                self.now = wake;
            }
        }
        panic!("no end");
    }

    fn judge(&self) {
        let are_clean = self
            .sides
            .iter()
            .all(|side| side.end.as_ref().is_some_and(End::is_clean));
        for side in 0..2 {
            let (heard, said) = (&self.sides[side].heard, &self.sides[1 - side].said);
            let (heard, close) = match &heard[..] {
                [heard @ .., Told::Close(code, _)] => (heard, Some(*code)),
                heard => (heard, None),
            };
            assert_eq!(
                heard,
                &said[..heard.len().min(said.len())],
                "a prefix of what was said"
            );
            let end = self.sides[side].end.as_ref();
            if are_clean {
                assert_eq!(heard.len(), said.len(), "all that was said");
                assert_eq!(close, end.map(|end| end.close_code().0));
            }
        }
    }
}
