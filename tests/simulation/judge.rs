//! The laws, beside those of the ledger and the wire.
//!
//! Invariant: each is a sentence of the documentation, and is judged by what an end was told, never by
//! what it holds.

use crate::plan::{MS, Micros, SECOND};
use crate::run::Run;
use crate::side::ROLES;
use crate::wire::Wire;
use bytes::BytesMut;
use sansocket::{CloseCode, End, Expired, ProtocolError, SendError, Tick};
use std::time::Duration;

/// What an end may hold beside its messages and its compression: of a handshake four times its head, and
/// the states.
const MEMORY: usize = 6 << 10;
/// Inflaters and compressors of both ends, and their windows.
const DEFLATE_MEMORY: usize = 1 << 20;

/// After both Closes nothing waits for a deadline: the longest of those who stop reading, or stand still.
const PROMPT: Micros = 10 * SECOND;

impl Run {
    /// Only limits may be broken by an end of this crate, and only by messages beyond them.
    pub(crate) fn may_fail(&self, index: usize, error: ProtocolError) {
        let (side, peer) = (&self.sides[index], &self.sides[1 - index]);
        let message = peer.said.messages.get(side.heard.messages);
        let message = message.expect("a message that breaks a limit");
        assert!(self.plan.sides[index].has_limits, "{error:?}");
        match error {
            ProtocolError::MessageTooBig { max, .. } => {
                assert!(message.len as u64 > max, "{message:?} {error:?}");
            }
            ProtocolError::TooManyFragments => {}
            other => panic!("{other:?} of an end of this crate"),
        }
    }

    /// `tick` has closed: the peer was silent for long enough.
    pub(crate) fn judge_given_up(&self, index: usize, now: Duration) {
        let (side, times) = (&self.sides[index], &self.plan.sides[index].config.times);
        assert!(
            !side.holds_back,
            "a peer was given up that was not listened to"
        );
        let silence = now - side.last.life.max(side.last.opened);
        let is_silent = times
            .keepalive
            .is_some_and(|keepalive| silence >= keepalive + times.pong);
        let says_nothing = now - side.last.message.max(side.last.opened);
        let is_idle = times.idle.is_some_and(|idle| says_nothing >= idle);
        assert!(is_silent || is_idle, "a peer was given up that was alive");
        assert!(
            !self.plan.is_kind,
            "a peer was given up though all delays are short"
        );
    }

    /// An end is done: for a reason that it was told, and for good.
    pub(crate) fn judge_end(&mut self, index: usize, now: Duration) {
        let times = self.plan.sides[index].config.times;
        let side = &mut self.sides[index];
        let end = side.end.clone().expect("it is done");
        let closing = &side.closing;
        let heard = closing.heard.map(|(code, _)| code);
        match &end {
            End::Closed { code, by_peer } => {
                assert_eq!(heard.unwrap_or(CloseCode::ABNORMAL), *code);
                assert_eq!(*by_peer, !closing.is_ours, "who closed first");
                assert!(heard.is_some() || closing.is_ours);
                assert!(
                    !closing.gave_up,
                    "the first cause is the one that is reported"
                );
            }
            End::Failed(error) => {
                assert!(!closing.is_ours && heard.is_none() && !closing.gave_up);
                let expected = closing.failed.unwrap_or(ProtocolError::TransportEnded);
                assert_eq!(*error, expected);
                assert!(closing.failed.is_some() || side.has_ended_input);
            }
            End::Expired(expired) => {
                let stopped = closing.stopped.into_iter();
                let closes = stopped.chain(closing.heard.map(|(_, time)| time)).min();
                let (since, span) = match expired {
                    Expired::Handshake => (Some(side.start), times.handshake),
                    Expired::Pong | Expired::Idle => {
                        assert!(closing.gave_up);
                        (closes, Duration::ZERO)
                    }
                    Expired::Close => (closes, times.close),
                    Expired::Write => {
                        let is_slow = now - side.last.waits >= times.write * 2;
                        let progress = side.last.progress.max(side.last.waits);
                        (
                            Some(if is_slow { side.last.waits } else { progress }),
                            times.write,
                        )
                    }
                    other => panic!("{other:?}"),
                };
                let since = since.expect("something has started that time");
                assert!(now - since >= span, "{expired:?} after {:?}", now - since);
            }
            End::Refused(_) => assert!(closing.is_refused || side.has_ended_input),
            End::Responded => assert!(closing.stopped.is_some()),
            other => panic!("{other:?}"),
        }
        if let Some(code) = heard {
            let is_told = matches!(&end, End::Closed { code: told, .. } if *told == code);
            let is_late = matches!(end, End::Expired(_));
            assert!(is_told || is_late, "{end:?} after a Close with {code}");
        }
        assert!(
            !self.plan.is_kind || end.is_clean(),
            "{end:?} though nothing broke and all delays are short"
        );
        let is_fast = self.plan.is_kind && self.plan.delay <= MS;
        let took = self.now - closing.heard_at;
        assert!(!is_fast || took < PROMPT, "it took {took} after the Close");
        self.hear_the_rest(index, now);
        let side = &mut self.sides[index];
        // It is over for good.
        for later in [now, now + Duration::from_secs(1_000_000)] {
            let len = side.out.len();
            assert_eq!(side.ws.tick(later, &mut side.out), Tick::Done(end.clone()));
            assert_eq!(side.ws.end().as_ref(), Some(&end));
            assert_eq!(side.ws.send("", &mut side.out), Err(SendError::Closed));
            assert_eq!(
                side.ws.close(None, "", &mut side.out),
                Err(SendError::Closed)
            );
            if !(side.holds_back && matches!(end, End::Expired(_))) {
                let mut read = BytesMut::from(&b"\x81\0\x88\0"[..]);
                let event = side.ws.receive_owned(&mut read, later, &mut side.out);
                assert_eq!(event, None, "nothing is received after the end");
            }
            assert_eq!(side.out.len(), len, "nothing is written after the end");
        }
    }

    /// What an application has read and holds back is still received after a deadline. It changes nothing.
    fn hear_the_rest(&mut self, index: usize, now: Duration) {
        let side = &mut self.sides[index];
        let is_expired = matches!(side.end, Some(End::Expired(_)));
        if !(side.holds_back && is_expired && side.ws.end().is_some()) {
            return;
        }
        let len = side.out.len();
        while let Some(event) = self.sides[index].receive(now) {
            self.hear(index, &event);
            self.sides[index].counted(|_| drop(event));
        }
        assert_eq!(
            self.sides[index].out.len(),
            len,
            "nothing is answered after the end"
        );
    }

    /// Both ends are done.
    pub(crate) fn judge(&self) {
        let wires = [0, 1].map(|index| self.wire(index));
        for (index, side) in self.sides.iter().enumerate() {
            let peer = &self.sides[1 - index];
            // Codes agree.
            if let Some((code, _)) = side.closing.heard {
                assert_eq!(
                    wires[1 - index].close,
                    Some(code.0),
                    "the code that was sent"
                );
            }
            if side.closing.is_echoed {
                let heard = side.closing.heard.map(|(code, _)| code.0);
                assert!(
                    wires[index].close.is_none() || wires[index].close == heard,
                    "an echo"
                );
            }
            let is_by_peer =
                |end: &Option<End>| matches!(end, Some(End::Closed { by_peer: true, .. }));
            assert!(
                !(is_by_peer(&side.end) && is_by_peer(&peer.end)),
                "both by the other"
            );
            // Output is bounded by what the application sent and the peer's bytes.
            let written = self.pipes[index].bytes.len();
            let most = 2 * side.said.cost + 3 * side.received + 131 + 600;
            assert!(written <= most, "{written} bytes, more than {most}");
            if self.plan.is_kind {
                assert!(side.heard.has_all(&peer.said), "a message is lost");
            }
            self.judge_idle_turns(index);
            self.judge_memory(index);
        }
        if self.plan.is_kind {
            let codes = wires.map(|wire| wire.close);
            assert!(codes.iter().all(Option::is_some), "one Close each way");
        }
    }

    /// `tick` asks for no turn that is not needed.
    fn judge_idle_turns(&self, index: usize) {
        let side = &self.sides[index];
        let times = &self.plan.sides[index].config.times;
        let shortest = times.pong.min(times.close).min(times.write);
        let of_time = self.now / (shortest.as_micros() as Micros);
        let most = 40 + 2 * of_time;
        assert!(
            u64::from(side.idle_turns) <= most,
            "{} turns in which nothing happened, of {}",
            side.idle_turns,
            self.turns
        );
    }

    fn judge_memory(&self, index: usize) {
        let (side, peer) = (&self.sides[index], &self.sides[1 - index]);
        if !self.plan.is_measured {
            return;
        }
        let most = match self.plan.deflate {
            Some(_) => MEMORY + DEFLATE_MEMORY + 8 * peer.said.longest(),
            None => MEMORY,
        };
        assert!(
            side.most_memory <= most as isize,
            "{} bytes of {most}",
            side.most_memory
        );
    }

    /// The frames that this end has written.
    fn wire(&self, index: usize) -> Wire {
        let mut bytes = &self.pipes[index].bytes[..];
        if !self.plan.is_opened {
            let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = head else {
                return Wire::default();
            };
            if !bytes.starts_with(b"GET ") && !bytes.starts_with(b"HTTP/1.1 101 ") {
                return Wire::default(); // a refusal
            }
            bytes = &bytes[end + 4..];
        }
        Wire::read(bytes, ROLES[index])
    }
}
