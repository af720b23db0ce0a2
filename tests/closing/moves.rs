//! What may happen next, and how often.
//!
//! Invariant: writing and delivery are never used up.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The application of this end sends a message.
    Send(usize),
    Ping(usize),
    Close(usize),
    /// This end is broken: it sends what breaks a rule.
    Fail(usize),
    /// The transport takes all that waits.
    Write(usize),
    /// The next frame arrives at this end, or the end of the stream.
    Deliver(usize),
    /// A part of it arrives.
    Cut(usize),
    /// This end stops reading, or reads again.
    Hold(usize),
    /// The transport breaks.
    Break,
    /// Nothing happens until the next deadline.
    TimeOut,
}

/// How often each end may do something that is not bounded by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) sends: u8,
    pub(crate) pings: u8,
    pub(crate) fails: u8,
    pub(crate) cuts: u8,
    pub(crate) holds: u8,
    pub(crate) breaks: u8,
    /// How often nothing happens until a deadline: an open connection may be silent for ever.
    pub(crate) time_outs: u8,
    /// Whether the server, and the client, answers a Close by itself.
    pub(crate) answers: [bool; 2],
}

impl Budget {
    /// What a test of this size explores: each adds to the one before.
    pub(crate) fn all(size: usize) -> Vec<Self> {
        let of = |time_outs, sends, pings, fails, cuts, holds, breaks, answers| Self {
            sends,
            pings,
            fails,
            cuts,
            holds,
            breaks,
            time_outs,
            answers,
        };
        let both = [true, true];
        let mut all = vec![
            of(1, 0, 0, 0, 0, 0, 0, both),
            of(0, 0, 0, 1, 0, 0, 0, both),
            of(0, 0, 0, 0, 1, 0, 1, both),
            of(0, 1, 0, 0, 0, 0, 0, both),
            of(0, 0, 0, 0, 0, 0, 0, [false, false]),
        ];
        if size > 0 {
            all.extend([
                of(1, 0, 0, 0, 0, 0, 1, [false, false]),
                of(1, 0, 0, 0, 1, 0, 1, both),
                of(1, 1, 0, 0, 0, 0, 0, both),
                of(0, 1, 1, 0, 0, 0, 1, both),
                of(0, 1, 0, 1, 0, 0, 1, [false, true]),
                of(0, 1, 0, 0, 1, 1, 0, [true, false]),
            ]);
        }
        if size > 1 {
            all.extend([
                of(1, 0, 0, 1, 0, 0, 1, both),
                of(1, 0, 0, 0, 0, 1, 0, both),
                of(2, 0, 0, 0, 0, 0, 1, both),
                of(2, 0, 0, 0, 0, 0, 0, [false, false]),
            ]);
        }
        all
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "each closes once, sends {}, pings {}, fails {}, cuts {}, holds back {}; the transport breaks {}; {} time-outs; \
             they answer a Close by themselves: {:?}",
            self.sends,
            self.pings,
            self.fails,
            self.cuts,
            self.holds,
            self.breaks,
            self.time_outs,
            self.answers
        )
    }
}
