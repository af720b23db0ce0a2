//! What an input decides, and the bytes that a peer sends.
//!
//! Invariant: an input is `[n, n decisions, bytes…]`, so a mutation of the bytes moves no decision. Decisions never run out:
//! they start again from the first, each time changed. Without any, everything is the first choice.

/// The decisions of an input.
pub(crate) struct Script<'d> {
    decisions: &'d [u8],
    at: usize,
}

impl<'d> Script<'d> {
    /// Splits an input.
    pub(crate) fn split(data: &'d [u8]) -> (Self, &'d [u8]) {
        let (&n, rest) = data.split_first().unwrap_or((&0, &[]));
        let (decisions, bytes) = rest.split_at(rest.len().min(n.into()));
        (Self { decisions, at: 0 }, bytes)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let len = self.decisions.len().max(1);
        let byte = self.decisions.get(self.at % len).copied().unwrap_or(0);
        let turn = (self.at / len) as u8;
        self.at += usize::from(!self.decisions.is_empty());
        byte.wrapping_add(turn.wrapping_mul(89))
    }

    /// A number below `end`, which is at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// Seldom true.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.one_in(2)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// The length of the next read: all of it, if nothing is decided.
    pub(crate) fn cut(&mut self, left: usize) -> usize {
        let len = match self.byte() {
            0 => left,
            n @ 1..=99 => n.into(),
            n => (usize::from(n) - 99) * 64,
        };
        len.min(left)
    }
}
