//! Settings that change at every step, both ways to receive, and any cuts, compared with a model that reads
//! the same bytes at once.
//!
//! Invariant: events depend only on the bytes, and on the settings where each message starts.

#[path = "support/any.rs"]
mod any;
#[path = "support/model.rs"]
mod model;
mod support;

use any::*;
use bytes::BytesMut;
use model::{Model, Plan, Told};
use sansocket::{
    CloseCode, Connection, Data, Deliver, Event, Input, Prepared, ProtocolError as Error, Role,
    SendError, Settings,
};
use support::*;

/// A frame with a random key.
fn any_frame(random: &mut Random, role: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame_header(role, first, payload.len() as u64);
    if role == Role::Client {
        bytes.extend(payload);
        return bytes;
    }
    let key = [(); 4].map(|()| random.below(256) as u8);
    bytes.truncate(bytes.len() - 4);
    bytes.extend(key);
    bytes.extend(xor(payload, key));
    bytes
}

/// What a peer sends, mostly valid.
fn stream(random: &mut Random, role: Role) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.below(12) {
        let is_text = random.below(2) == 0;
        let mut left = payload(random, is_text);
        if random.below(40) == 0 && !left.is_empty() {
            let at = random.below(left.len());
            left[at] = random.below(256) as u8;
        }
        let fragments = if random.below(2) == 0 {
            1
        } else {
            1 + random.below(6)
        };
        for i in 0..fragments {
            while random.below(4) == 0 {
                let control = [0x89, 0x8a][random.below(2)];
                let len = [0, 1, 5, 125][random.below(4)];
                bytes.extend(any_frame(random, role, control, &vec![b'p'; len]));
            }
            let is_last = i + 1 == fragments;
            let len = if is_last {
                left.len()
            } else {
                random.below(left.len() + 1)
            };
            let rest = left.split_off(len);
            let opcode = if i > 0 { 0 } else { 2 - u8::from(is_text) };
            let mut first = opcode | u8::from(is_last) << 7;
            if random.below(300) == 0 {
                first = random.below(256) as u8;
            }
            bytes.extend(any_frame(random, role, first, &left));
            left = rest;
        }
    }
    if random.below(3) == 0 {
        let body: [&[u8]; 6] = [
            b"",
            b"\x03\xe8bye",
            b"\x03",
            b"\x03\xed",
            b"\x0f\xa0\xc3\xa4",
            b"\x03\xe8\xff",
        ];
        let body = body[random.below(6)];
        let close = any_frame(random, role, 0x88, body);
        bytes.extend(close);
        bytes.extend(any_frame(random, role, 0x82, b"after"));
    }
    if random.below(8) == 0 && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
    }
    if random.below(4) == 0 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    bytes
}

/// The event for the model; `None` for a piece that is not the last.
fn told(event: Event<'_>, unfinished: &mut Option<(bool, Vec<u8>)>) -> Option<Told> {
    Some(match event {
        Event::Piece(piece) => {
            assert_eq!(piece.is_first(), unfinished.is_none());
            assert!(piece.is_last() || !piece.as_bytes().is_empty());
            let is_text = piece.as_text().is_some();
            let (was_text, data) = unfinished.get_or_insert((is_text, Vec::new()));
            assert_eq!(*was_text, is_text);
            data.extend(piece.as_bytes());
            if !piece.is_last() {
                return None;
            }
            let (is_text, data) = unfinished.take()?;
            Told::Message(is_text, data)
        }
        Event::Text(text) => Told::Message(true, text.as_bytes().to_vec()),
        Event::Binary(data) => Told::Message(false, data.to_vec()),
        Event::Ping(payload) => Told::Ping(payload.to_vec()),
        Event::Pong(payload) => Told::Pong(payload.to_vec()),
        Event::Close { code, reason } => Told::Close(code.0, reason.to_string()),
        Event::Failed(error) => Told::Failed(error),
        other => panic!("{other:?} without a handshake"),
    })
}

/// Reads in random cuts, both ways in turns, with settings that change all the time.
struct Reader<'m> {
    ws: Connection,
    random: Random,
    plan: &'m Plan,
    model: &'m Model,
    buffer: BytesMut,
    out: BytesMut,
    told: Vec<Told>,
    /// The message that comes in pieces.
    unfinished: Option<(bool, Vec<u8>)>,
    fed: usize,
}

impl Reader<'_> {
    fn is_within(&self) -> bool {
        let is_within = |(start, end): &(usize, usize)| (*start..*end).contains(&self.fed);
        self.model.spans.iter().any(is_within)
    }

    /// Sets what the plan says, or anything else if it must not matter.
    fn switch(&mut self, is_within: bool) {
        let planned = (self.plan)(self.told.len());
        *self.ws.settings() = planned;
        if is_within {
            *self.ws.settings() = any_settings(&mut self.random, true);
            self.ws.settings().answer_pings = planned.answer_pings;
            self.ws.settings().answer_close = planned.answer_close;
        }
    }

    fn drain(&mut self) {
        loop {
            let (random, buffer) = (&mut self.random, &mut self.buffer);
            let event = receive_either(&mut self.ws, random, buffer, &mut self.out);
            let Some(event) = event else { break };
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        let last = self.told.last();
        assert!(
            !matches!(last, Some(Told::Close(..) | Told::Failed(_))),
            "{event:?} after the end"
        );
        match told(event, &mut self.unfinished) {
            None => self.switch(true),
            Some(told) => {
                self.told.push(told);
                self.switch(false);
            }
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        // Between reads settings may be anything, if they are restored before a message starts.
        if self.random.below(2) == 0 {
            let is_within = self.is_within();
            *self.ws.settings() = any_settings(&mut self.random, true);
            self.drain();
            self.switch(is_within);
        }
        self.buffer.extend_from_slice(bytes);
        self.fed += bytes.len();
        self.drain();
        if !self.buffer.is_empty() {
            let missing = self.ws.missing(&Input(&mut self.buffer));
            assert!(missing.is_some_and(|n| n > 0), "it says what it waits for");
        }
    }
}

#[test]
fn with_changing_settings_and_any_cuts_the_events_are_those_of_the_model() {
    for round in rounds(600) {
        let mut random = Random(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let role = ROLES[random.below(2)];
        let bytes = stream(&mut random, role);
        let limits = random.below(2) == 0;
        let plan: Vec<_> = (0..80).map(|_| any_settings(&mut random, limits)).collect();
        let plan = move |told: usize| plan[told.min(79)];
        let model = Model::of(role, &bytes, &plan);
        let mut reader = Reader {
            ws: connection(role, plan(0)),
            plan: &plan,
            model: &model,
            buffer: BytesMut::new(),
            out: BytesMut::new(),
            told: Vec::new(),
            unfinished: None,
            fed: 0,
            random: Random(random.0 ^ 0x55),
        };
        let longest = [1, 3, 40, 3_000, 100_000][random.below(5)];
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let len = if longest == 1 && rest.len() > 2_000 {
                1_000
            } else {
                1 + random.below(longest)
            };
            let (part, others) = rest.split_at(len.min(rest.len()));
            reader.feed(part);
            rest = others;
        }
        let mut expected = model.told.clone();
        if model.is_wrong_text_cut
            && reader.told.len() < expected.len()
            && !reader.buffer.is_empty()
        {
            expected.pop();
        }
        assert_eq!(reader.told, expected, "round {round}");
        if expected.len() == model.told.len() {
            let mut sent = raw_frames(&reader.out, role);
            if let (Some(Told::Failed(_)), Some((_, body))) = (reader.told.last(), sent.last_mut())
            {
                body.truncate(2);
            }
            assert_eq!(sent, model.sent, "round {round}");
        }
    }
}

fn data_of(is_text: bool, data: &[u8]) -> Data<'_> {
    match is_text {
        true => Data::Text(std::str::from_utf8(data).unwrap()),
        false => Data::Binary(data),
    }
}

/// One of two connected ends.
struct Talker {
    ws: Connection,
    out: BytesMut,
    /// Written, but not read yet.
    wire: BytesMut,
    buffer: BytesMut,
    unfinished: Option<(bool, Vec<u8>)>,
    /// The message that it sends in pieces.
    sending: Option<(bool, Vec<u8>)>,
    said: Vec<Told>,
    heard: Vec<Told>,
}

impl Talker {
    fn new(ws: Connection) -> Self {
        Self {
            ws,
            out: BytesMut::new(),
            wire: BytesMut::new(),
            buffer: BytesMut::new(),
            unfinished: None,
            sending: None,
            said: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Sends something in one of the possible ways, and notes it.
    fn say(&mut self, random: &mut Random, news: &[(bool, Vec<u8>, Prepared)]) {
        *self.ws.settings() = any_settings(random, false);
        self.ws.settings().answer_pings = true;
        let is_text = random.below(2) == 0;
        let mut data = payload(random, is_text);
        if random.below(30) == 0 {
            // It compresses to little, and inflates in many steps.
            data = [b"abcdefgh"[random.below(8)]].repeat(200_000);
        }
        let before = self.out.len();
        let is_between = self.sending.is_none();
        match random.below(9) {
            0..3 => {
                let sent = self.ws.send(data_of(is_text, &data), &mut self.out);
                self.note(
                    is_between,
                    sent.is_ok(),
                    before,
                    Told::Message(is_text, data),
                );
            }
            3 => {
                let apart = self.ws.send_apart(data_of(is_text, &data), &mut self.out);
                let sent = apart.map(|apart| self.out.extend_from_slice(apart));
                self.note(
                    is_between,
                    sent.is_ok(),
                    before,
                    Told::Message(is_text, data),
                );
            }
            4 => {
                let (is_text, payload, news) = &news[random.below(news.len())];
                let sent = match random.below(3) {
                    0 => self.ws.send(news, &mut self.out),
                    1 => self
                        .ws
                        .share(news)
                        .map(|frame| self.out.extend_from_slice(&frame)),
                    _ => {
                        let apart = self.ws.send_apart(news, &mut self.out);
                        apart.map(|apart| self.out.extend_from_slice(apart))
                    }
                };
                self.note(
                    is_between,
                    sent.is_ok(),
                    before,
                    Told::Message(*is_text, payload.clone()),
                );
            }
            5 | 6 => {
                let is_last = random.below(3) == 0;
                let sent = self
                    .ws
                    .send_piece(data_of(is_text, &data), is_last, &mut self.out);
                match self.sending.take() {
                    Some((was_text, unfinished)) if was_text != is_text => {
                        assert_eq!(sent, Err(SendError::OtherType));
                        assert_eq!(self.out.len(), before);
                        self.sending = Some((was_text, unfinished));
                    }
                    unfinished => {
                        assert_eq!(sent, Ok(()));
                        let mut all = unfinished.map_or(Vec::new(), |(_, unfinished)| unfinished);
                        all.extend(data);
                        match is_last {
                            true => self.said.push(Told::Message(is_text, all)),
                            false => self.sending = Some((is_text, all)),
                        }
                    }
                }
            }
            7 => {
                data.truncate(random.below(126));
                self.ws.send_ping(&data, &mut self.out).unwrap();
                self.said.push(Told::Ping(data));
            }
            _ => {
                assert!(self.ws.send_ping(&[0; 126], &mut self.out).is_err());
                assert!(
                    self.ws
                        .close(CloseCode::NO_STATUS, "", &mut self.out)
                        .is_err()
                );
                assert_eq!(self.out.len(), before);
            }
        }
    }

    fn note(&mut self, is_between: bool, is_sent: bool, before: usize, message: Told) {
        assert_eq!(is_sent, is_between, "the messages of two never mix");
        assert_eq!(self.out.len() > before, is_sent);
        if is_sent {
            self.said.push(message);
        }
    }

    /// Reads a part of what the other wrote.
    fn hear(&mut self, random: &mut Random, wire: &mut BytesMut, stops: bool) {
        let len = match random.below(4) {
            0 => wire.len(),
            1 => random.below(wire.len() + 1),
            _ => random.below(wire.len().min(300) + 1),
        };
        self.buffer.extend_from_slice(&wire.split_to(len));
        loop {
            let limit = self.ws.settings().max_message_size;
            *self.ws.settings() = any_settings(random, false);
            self.ws.settings().max_message_size = limit;
            let event = receive_either(&mut self.ws, random, &mut self.buffer, &mut self.out);
            match event {
                None => break,
                Some(Event::Pong(_)) => {}
                Some(event) => self.heard.extend(told(event, &mut self.unfinished)),
            }
            // What was not taken waits for the next read.
            if stops && random.below(8) == 0 {
                break;
            }
        }
    }
}

#[test]
fn two_ends_with_changing_settings_understand_each_other() {
    for round in rounds(30) {
        let mut random = Random(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let params =
            deflate::Params::both_ways([8, 9, 11, 15][random.below(4)], random.below(2) == 0);
        let has_deflate = random.below(4) > 0;
        let shared = deflate::deflate(|d| {
            d.min_size = [0, 1, 128][random.below(3)];
            d.max_pooled = [0, 1, 16][random.below(3)];
            d.level = [1, 2, 6, 9][random.below(4)];
        });
        let mut sides = ROLES.map(|role| {
            let ws = connection(role, any_settings(&mut random, false));
            Talker::new(if has_deflate {
                params.agreed(ws, &shared)
            } else {
                ws
            })
        });
        let news: Vec<_> = (0..4)
            .map(|i| {
                let data = payload(&mut random, i < 2);
                let news = Prepared::new(data_of(i < 2, &data));
                (i < 2, data, news)
            })
            .collect();
        for step in 0..200 {
            let [a, b] = &mut sides;
            let (me, you) = if random.below(2) == 0 { (a, b) } else { (b, a) };
            match random.below(4) {
                0 if step < 150 => me.say(&mut random, &news),
                1 => {
                    let len = random.below(me.out.len() + 1);
                    let part = me.out.split_to(len);
                    me.wire.extend_from_slice(&part);
                }
                _ => you.hear(&mut random, &mut me.wire, true),
            }
        }
        for turn in 0.. {
            let [a, b] = &mut sides;
            let (me, you) = if turn % 2 == 0 { (a, b) } else { (b, a) };
            let part = me.out.split();
            me.wire.extend_from_slice(&part);
            you.hear(&mut random, &mut me.wire, false);
            let is_quiet = |side: &Talker| side.out.is_empty() && side.wire.is_empty();
            if turn > 1 && sides.iter().all(is_quiet) {
                break;
            }
        }
        let [a, b] = &sides;
        for (me, you) in [(a, b), (b, a)] {
            assert!(
                me.said == you.heard,
                "round {round}: {} and {}",
                me.said.len(),
                you.heard.len()
            );
        }
    }
}

/// The events of a compressed message in random cuts, if the settings are these
/// until the first header has arrived, and change all the time afterwards.
fn inflated(wire: &[u8], header_len: usize, settings: Settings, random: &mut Random) -> Vec<Told> {
    let mut ws = with_deflate(connection(Role::Server, settings));
    let (mut unfinished, mut heard, mut out) = (None, Vec::new(), BytesMut::new());
    let longest = [2, 30, 3_000, 1_000_000][random.below(4)];
    let (header, mut rest) = wire.split_at(header_len);
    let mut part = header;
    loop {
        let mut buffer = BytesMut::from(part);
        while let Some(event) = receive_either(&mut ws, random, &mut buffer, &mut out) {
            heard.extend(told(event, &mut unfinished));
            *ws.settings() = any_settings(random, true);
        }
        assert!(buffer.is_empty());
        *ws.settings() = any_settings(random, true);
        if rest.is_empty() {
            break;
        }
        (part, rest) = rest.split_at((1 + random.below(longest)).min(rest.len()));
    }
    heard
}

#[test]
fn the_limit_of_a_compressed_message_holds_from_its_first_header_on() {
    for round in rounds(80) {
        let mut random = Random(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let is_text = random.below(2) == 0;
        let mut data = payload(&mut random, is_text);
        if random.below(4) == 0 {
            data = b"abc".repeat(random.below(50_000));
        }
        let mut client = with_deflate(connection(Role::Client, Settings::default()));
        let mut wire = BytesMut::new();
        let mut first_len = 0;
        for i in 0..1 + random.below(4) {
            let part = if i == 0 { &data[..] } else { &[] };
            client
                .send_piece(data_of(is_text, part), false, &mut wire)
                .unwrap();
            if i == 0 {
                first_len = wire.len();
            }
        }
        client
            .send_piece(data_of(is_text, &[]), true, &mut wire)
            .unwrap();
        let header_len = [6, 8, 14][match first_len {
            ..132 => 0,
            132..65_544 => 1,
            _ => 2,
        }];
        let is_corrupt = random.below(3) == 0 && first_len > header_len;
        if is_corrupt {
            let at = header_len + random.below(first_len - header_len);
            wire[at] ^= 1 << random.below(8);
        }
        let len = data.len() as u64;
        let max = [len, len.saturating_sub(1), len / 2][random.below(3)];
        let limited = |deliver| settings(|s| (s.deliver, s.max_message_size) = (deliver, max));
        let heard = inflated(&wire, header_len, limited(Deliver::Complete), &mut random);
        if !is_corrupt && max == len {
            assert_eq!(heard, [Told::Message(is_text, data)]);
        } else if !is_corrupt {
            assert!(
                matches!(heard[..], [Told::Failed(Error::MessageTooBig { max: m, .. })] if m == max)
            );
        }
        for deliver in [Deliver::Complete, Deliver::InPlace, Deliver::Pieces] {
            let again = inflated(&wire, header_len, limited(deliver), &mut random);
            assert_eq!(again, heard, "round {round} {deliver:?}");
        }
    }
}
