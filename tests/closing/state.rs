//! A state of the game as text, so that states can be compared.
//!
//! Invariant: it holds everything on which later moves depend: what an endpoint shows of itself (times as they
//! are from now on), what is on its way, and what may still be done.

use crate::game::{Game, shown};
use crate::support::{ROLES, next_frame};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};

impl Game {
    /// The state, hashed to 128 bits.
    pub(crate) fn state(&self) -> u128 {
        let text = self.text();
        let hash = |seed: u64| {
            let mut hasher = DefaultHasher::new();
            (seed, &text).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        hash(0) << 64 | hash(1)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (index, side) in self.sides.iter().enumerate() {
            let mut out = &side.out[..];
            while let Some((_, rest)) = next_frame(out, ROLES[index]) {
                text += &shown(&out[..out.len() - rest.len()], 1 - index);
                out = rest;
            }
            let coming: Vec<_> = side
                .coming
                .iter()
                .map(|frame| shown(frame, index))
                .collect();
            write!(
                text,
                "|{coming:?} {} {} {} {} {} {} {} {} {} {:?} {:?} {} {:?}|",
                side.arrived,
                side.may_close,
                side.is_held,
                side.is_last,
                side.has_ended_input,
                side.has_shut_down,
                side.closed_first,
                side.said,
                side.heard,
                side.sent,
                side.heard_close,
                side.has_failed,
                side.end,
            )
            .expect("it is text");
            let budget = &side.budget;
            write!(
                text,
                "{}{}{}{}{} ",
                budget.sends, budget.pings, budget.fails, budget.cuts, budget.holds
            )
            .expect("it is text");
            if side.end.is_none() {
                self.append_endpoint(&format!("{:?}", side.ws), &mut text);
            }
        }
        write!(text, "{}{}", self.may_break, self.time_outs).expect("it is text");
        text
    }

    /// Appends what an endpoint shows, with times from now on. The number of the last Ping and the latency
    /// decide nothing.
    fn append_endpoint(&self, shown: &str, text: &mut String) {
        let now = i128::try_from(self.now.as_nanos()).expect("a short game");
        let mut rest = shown;
        while let Some(at) = rest.find("Moment(") {
            let (before, after) = rest.split_at(at + "Moment(".len());
            let (number, after) = after.split_once(')').expect("it is closed");
            *text += before;
            if !before.ends_with("latency: Moment(") {
                let time: i128 = number.parse().expect("a number");
                let is_never = time == i128::from(u64::MAX);
                let time = if is_never { time } else { time - now };
                write!(text, "{time}").expect("it is text");
            }
            rest = after;
        }
        *text += rest;
        let number = text.rfind(" ping: ").expect("it counts Pings");
        let end = number + text[number..].find(',').expect("it goes on");
        text.replace_range(number..end, "");
    }
}
