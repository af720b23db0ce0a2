//! What an application does: it sends by every method, answers, changes settings, stops reading, and closes.
//!
//! Invariant: it knows by itself which calls must fail; such a call writes nothing.

use crate::ledger::UNSOLICITED;
use crate::plan::{Draw, Features, MS, Micros, SECOND, any_settings};
use crate::run::{Run, note};
use crate::side::{Jump, Side};
use crate::support::Random;
use sansocket::{CloseCode, Data, Event, Prepared, Response, SendError};
use std::sync::OnceLock;
use std::time::Duration;

/// Text and noise, of which every payload is a part.
struct Table {
    text: String,
    noise: Vec<u8>,
}

const LONGEST: usize = 66_000;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let random = &mut Random(5);
        let parts = ["a", "seven b", "ß", "€", "𝄞", "日本語 and some more"];
        let mut text = String::new();
        while text.len() < 2 * LONGEST {
            text.push_str(random.any(&parts));
        }
        let noise = (0..2 * LONGEST).map(|_| random.below(256) as u8).collect();
        Table { text, noise }
    })
}

fn any_data(random: &mut Random, longest: usize) -> Data<'static> {
    let len = match random.below(400) {
        0 => 65_530 + random.below(12),
        1..4 => 16_380 + random.below(9),
        4..40 => 120 + random.below(12),
        40..100 => random.below(700),
        _ => random.below(24),
    };
    let len = len.min(longest);
    let start = random.below(LONGEST);
    if random.is_one_in(2) {
        return Data::Binary(&table().noise[start..start + len]);
    }
    let text = &table().text;
    let floor = |place| (0..=place).rev().find(|p| text.is_char_boundary(*p));
    let (start, end) = (floor(start), floor(start + len));
    Data::Text(&text[start.unwrap_or(0)..end.unwrap_or(0)])
}

impl Run {
    /// Does what is due. Returns whether anything was.
    pub(crate) fn act(&mut self, index: usize) -> bool {
        let now = self.now;
        let is_due = |time: Option<Micros>| time.is_some_and(|time| time <= now);
        let side = &mut self.sides[index];
        if is_due(side.holds) {
            side.holds = None;
            note!(self, index, "reads again");
        } else if is_due(side.request.as_ref().map(|(time, _)| *time)) {
            self.decide(index);
        } else if is_due(side.answer.map(|(time, _)| time)) {
            let code = side.answer.take().and_then(|(_, code)| code);
            self.close(index, code);
        } else if is_due(side.next_action) {
            self.next_action(index);
        } else {
            return false;
        }
        true
    }

    fn next_action(&mut self, index: usize) {
        let plan = &self.plan.sides[index];
        let side = &mut self.sides[index];
        if side.actions == 0 {
            side.next_action = None;
            if side.ws.is_open() {
                let code = [1000, 1000, 1001, 3000, 4999, 0];
                let code = side.random.any(&code);
                self.close(index, (code != 0).then_some(CloseCode(code)));
            } else if side.closing.stopped.is_none() && !side.has_ended_input {
                side.next_action = Some(self.now + SECOND); // when it is open
            }
            return;
        }
        side.actions -= 1;
        let pause = match side.actions {
            0 => plan.waits,
            _ => side.random.up_to(plan.pause),
        };
        side.next_action = Some(self.now + pause);
        match side.random.below(32) {
            0..18 => self.say(index),
            18..21 => self.ping(index),
            21..24 => {
                let limits = plan.has_limits && side.random.is_one_in(4);
                let settings = any_settings(&mut side.random, limits, self.plan.features);
                side.set(settings);
            }
            24..27 if self.plan.features.has(Features::HOLDS) => self.hold(index),
            27..29 if self.plan.features.has(Features::JUMPS) => self.jump(index),
            29 if !self.plan.is_kind && self.plan.features.has(Features::VANISHES) => {
                self.vanish(index);
            }
            30 if side.random.is_one_in(4) => self.close(index, Some(CloseCode::GOING_AWAY)),
            _ => {}
        }
    }

    fn say(&mut self, index: usize) {
        let longest = self.longest(index);
        let has_pieces = self.plan.features.has(Features::PIECES);
        let now = self.local(index);
        let random = &mut self.sides[index].random;
        let (data, method) = (any_data(random, longest), random.below(9));
        let is_last = random.is_one_in(3);
        let is_piece = method > 5 && has_pieces;
        let side = &mut self.sides[index];
        let before = side.out.len();
        let expected = side.must_fail(data, is_piece);
        let sent = side.counted(|side| side.send(data, method, is_piece, is_last));
        let apart = match sent {
            Ok(apart) => apart,
            Err(error) => {
                assert_eq!(Some(error), expected, "a call that fails");
                return assert_eq!(side.out.len(), before, "an error writes nothing");
            }
        };
        assert_eq!(expected, None, "a call that must fail");
        let (is_text, bytes) = match data {
            Data::Text(text) => (true, text.as_bytes()),
            Data::Binary(data) => (false, data),
            other => panic!("{other:?}"),
        };
        side.said.say(is_text, bytes, !is_piece || is_last);
        let what = if is_text { "text" } else { "binary" };
        note!(
            self,
            index,
            "sends {} bytes of {what}, by method {method}",
            bytes.len()
        );
        if !apart.is_empty() {
            let side = &mut self.sides[index];
            // A vectored write, which may take a part.
            if self.plan.sides[index].layer.is_none() && side.held.is_empty() {
                let out_len = side.out.len();
                let together = [&side.out[..], apart].concat();
                let n = self.write_to_pipe(index, &together);
                let side = &mut self.sides[index];
                let taken = side.ws.wrote(n, now, &mut side.out);
                assert_eq!(taken, n.saturating_sub(out_len));
                side.wrote(n, now);
                side.out.extend_from_slice(&apart[taken..]);
            } else {
                side.out.extend_from_slice(apart);
            }
        }
    }

    /// What is much longer than the buffers on its way takes many turns.
    fn longest(&self, index: usize) -> usize {
        let (plan, peer) = (&self.plan.sides[index], &self.plan.sides[1 - index]);
        let narrowest = plan.layer.unwrap_or(LONGEST).min(peer.read);
        (100 * narrowest.min(self.plan.capacity)).min(LONGEST)
    }

    fn ping(&mut self, index: usize) {
        let side = &mut self.sides[index];
        if !self.plan.features.has(Features::PINGS) {
            return;
        }
        let before = side.out.len();
        let is_open = side.ws.is_open();
        let sent = match side.random.below(5) {
            0 => side.ws.send_pong(UNSOLICITED, &mut side.out),
            1 => {
                let sent = side.ws.send_ping(&[0; 126], &mut side.out);
                assert!(sent.is_err(), "too long");
                return assert_eq!(side.out.len(), before, "an error writes nothing");
            }
            n => {
                let payload = vec![side.said.pings.len() as u8; [0, 5, 125][n - 2]];
                let sent = side.ws.send_ping(&payload, &mut side.out);
                if sent.is_ok() {
                    side.said.pings.push(payload);
                }
                sent
            }
        };
        assert_eq!(sent.is_ok(), is_open);
        side.said.cost += side.out.len() - before;
        note!(self, index, "sends a Ping or a Pong: {sent:?}");
    }

    fn hold(&mut self, index: usize) {
        let side = &mut self.sides[index];
        let until = self.now + side.random.up_to(self.plan.sides[index].answers);
        side.holds = Some(until);
        note!(self, index, "reads nothing until {until}");
    }

    /// The clock jumps, or the process stands still. A second time before the peer had a chance to be
    /// heard is too much to ask for.
    fn jump(&mut self, index: usize) {
        let side = &mut self.sides[index];
        if self.plan.is_kind && side.jump != Jump::Over {
            return;
        }
        side.jump = Jump::Now;
        if side.random.is_one_in(2) {
            let by = side.random.any(&[100 * MS, 60 * SECOND, 86_400 * SECOND]);
            // A jump to just before a deadline, or just after it, cannot be told from time that passes.
            let is_seen = side.wake.is_none_or(|wake| self.now + by > wake + 500 * MS);
            if self.plan.is_kind && by > SECOND && !is_seen {
                return;
            }
            side.offset += by;
            side.wake = side.wake.map(|wake| wake.saturating_sub(by));
            note!(self, index, "its clock jumps by {by}");
        } else {
            let until = self.now + side.random.up_to(3 * SECOND);
            side.runs = until;
            note!(self, index, "stands still until {until}");
        }
    }

    fn vanish(&mut self, index: usize) {
        let is_silent = self.sides[index].random.is_one_in(2);
        self.sides[index].has_vanished = true;
        note!(self, index, "vanishes, silently: {is_silent}");
        if is_silent {
            self.pipes.iter_mut().for_each(crate::pipe::Pipe::cut);
        } else {
            self.drop_transport(index);
        }
    }

    fn close(&mut self, index: usize, code: Option<CloseCode>) {
        let now = self.local(index);
        let side = &mut self.sides[index];
        let (before, was_open) = (side.out.len(), side.ws.is_open());
        if side.random.is_one_in(4) {
            let wrong = side.ws.close(CloseCode::NO_STATUS, "", &mut side.out);
            assert!(wrong.is_err() && side.out.len() == before);
        }
        let reason = if code.is_some() { "done" } else { "" };
        let closed = side.ws.close(code, reason, &mut side.out);
        assert_eq!(closed.is_ok(), was_open);
        assert_eq!(side.out.len() > before, was_open);
        if was_open {
            side.closing.is_ours = side.closing.heard.is_none();
            side.said.cost += side.out.len() - before;
        }
        side.watch(was_open, now);
        note!(self, index, "closes with {code:?}: {closed:?}");
    }

    fn decide(&mut self, index: usize) {
        let now = self.local(index);
        let side = &mut self.sides[index];
        let Some((_, request)) = side.request.take() else {
            return;
        };
        let is_refused = !self.plan.is_kind && side.random.is_one_in(6);
        let answered = side.counted(|side| match is_refused {
            true => side.ws.respond(Response::new(404), &mut side.out),
            false => side.ws.accept(request, &mut side.out),
        });
        side.said.cost += 400;
        if answered.is_ok() {
            (side.last.opened, side.last.life, side.last.message) = (now, now, now);
            if is_refused {
                side.closing.stopped = Some(now);
            }
        } else {
            assert!(side.has_ended_input, "a request that can be answered");
        }
        note!(
            self,
            index,
            "answers the request, refused: {is_refused}: {answered:?}"
        );
    }

    /// Takes an event, and holds it against what the other end has said.
    pub(crate) fn hear(&mut self, index: usize, event: &Event<'static>) {
        let now = self.local(index);
        note!(self, index, "hears {event:?}");
        let (now_true, answers) = (self.now, self.plan.sides[index].answers);
        let [a, b] = &mut self.sides;
        let (side, peer) = if index == 0 { (a, b) } else { (b, a) };
        let closing = &side.closing;
        let is_over = closing.heard.is_some() || closing.failed.is_some() || closing.is_refused;
        let is_done = side.end.is_some() && !side.holds_back;
        assert!(!is_over && !is_done, "{event:?} after the end");
        let is_message = matches!(event, Event::Text(_) | Event::Binary(_) | Event::Piece(_));
        if is_message {
            side.last.message = now;
            side.unheard = side.buffer.len();
        }
        let before = side.heard.messages;
        match event {
            Event::Text(text) => side.heard.message(&peer.said, true, text.as_bytes()),
            Event::Binary(data) => side.heard.message(&peer.said, false, data),
            Event::Piece(piece) => side.heard.piece(&peer.said, piece),
            Event::Ping(payload) => {
                side.heard.ping(&peer.said, payload);
                if !side.ws.settings().answer_pings {
                    let before = side.out.len();
                    // Fails if it has closed.
                    let _ = side.ws.send_pong(payload, &mut side.out);
                    side.said.cost += side.out.len() - before;
                }
            }
            Event::Pong(payload) => side.heard.pong(&side.said, payload),
            Event::Close { code, .. } => {
                side.closing.heard = Some((*code, now));
                side.closing.heard_at = now_true;
                assert!(
                    side.heard.has_all(&peer.said),
                    "a message before the Close is lost"
                );
                let answer = code.is_on_wire().then_some(*code);
                if side.ws.is_open() {
                    let time = now_true + side.random.up_to(answers);
                    side.answer = Some((time, answer));
                } else {
                    side.closing.is_echoed = !side.closing.is_ours && !side.closing.gave_up;
                }
            }
            Event::Failed(error) => {
                side.closing.failed = Some(*error);
                self.may_fail(index, *error);
            }
            Event::Request(request) => assert_eq!(request.error(), None),
            Event::Opened(_) => {
                (side.last.opened, side.last.life, side.last.message) = (now, now, now);
            }
            Event::Refused(_) => {
                side.closing.is_refused = true;
                side.closing.stopped = Some(now);
            }
            other => panic!("{other:?} of an end of this crate"),
        }
        let [a, b] = &mut self.sides;
        let (side, peer) = if index == 0 { (a, b) } else { (b, a) };
        if side.heard.messages > before {
            side.judge_limits(&peer.said.messages[before]);
        }
    }
}

impl Side {
    /// Sends; what is returned is to be written after the output.
    fn send(
        &mut self,
        data: Data<'static>,
        method: usize,
        is_piece: bool,
        is_last: bool,
    ) -> Result<&'static [u8], SendError> {
        let Self { ws, out, .. } = self;
        if is_piece {
            return ws.send_piece(data, is_last, out).map(|()| &[][..]);
        }
        match method {
            0 => return ws.send_apart(data, out),
            1 => {
                let shared = ws.share(&Prepared::new(data))?;
                out.extend_from_slice(&shared);
            }
            2 => ws.send(&Prepared::new(data), out)?,
            3 => {
                let prepared = Prepared::new(data);
                let apart = ws.send_apart(&prepared, out)?;
                out.extend_from_slice(apart);
            }
            _ => ws.send(data, out)?,
        }
        Ok(&[])
    }

    /// Why a call to send must fail.
    fn must_fail(&self, data: Data<'_>, is_piece: bool) -> Option<SendError> {
        if !self.ws.is_open() {
            let was_open = self.closing.stopped.is_some() || self.has_ended_input;
            return Some(match was_open {
                true => SendError::Closed,
                false => SendError::NotYetOpen,
            });
        }
        let message = self.said.messages.last();
        let message = message.filter(|message| !message.is_complete)?;
        let is_other = message.is_text != matches!(data, Data::Text(_));
        match is_piece {
            false => Some(SendError::MessageUnfinished),
            true => is_other.then_some(SendError::OtherType),
        }
    }

    /// The transport or the layer below took these bytes.
    pub(crate) fn wrote(&mut self, n: usize, now: Duration) {
        if n > 0 || !self.is_pending() {
            self.last.progress = now;
        }
        if !self.is_pending() {
            self.last.waits = now;
        }
    }
}
