//! Points in time and spans of time, stored compactly.
//!
//! Invariant: arithmetic saturates, and what saturates never comes.

use core::time::Duration;

/// A point in time: nanoseconds since the caller's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Later than everything.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    #[inline]
    pub(crate) const fn new(now: Duration) -> Self {
        const SECOND: u64 = 1_000_000_000;
        let nanos = now.as_secs().saturating_mul(SECOND);
        let nanos = nanos.saturating_add(now.subsec_nanos() as u64);
        // After 584 years time stands still, just before `NEVER`.
        Self(if nanos == Self::NEVER.0 {
            nanos - 1
        } else {
            nanos
        })
    }

    pub(crate) const fn is_never(self) -> bool {
        self.0 == Self::NEVER.0
    }

    /// `None` for never.
    #[inline]
    pub(crate) fn duration(self) -> Option<Duration> {
        (self != Self::NEVER).then_some(Duration::from_nanos(self.0))
    }

    #[inline]
    pub(crate) const fn after(self, span: Span) -> Self {
        if span.0 == Span::ENDLESS.0 {
            return Self::NEVER;
        }
        Self(self.0.saturating_add(span.0 as u64 * 1_000_000))
    }

    /// The time since an earlier moment, as the same time after the origin.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// A span of time in milliseconds; none is longer than 49 days, except one without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(u32);

impl Span {
    pub(crate) const ENDLESS: Self = Self(u32::MAX);
    /// The shortest that is not zero.
    pub(crate) const LEAST: Self = Self(1);

    /// Rounded up, so that nothing but zero becomes zero.
    pub(crate) const fn new(duration: Duration) -> Self {
        let millis = duration.as_secs().saturating_mul(1_000);
        let millis = millis.saturating_add(duration.subsec_nanos().div_ceil(1_000_000) as u64);
        if millis < Self::ENDLESS.0 as u64 {
            Self(millis as u32)
        } else {
            Self::ENDLESS
        }
    }

    pub(crate) const fn or_endless(duration: Option<Duration>) -> Self {
        match duration {
            Some(duration) => Self::new(duration),
            None => Self::ENDLESS,
        }
    }

    /// Twice as long.
    pub(crate) const fn doubled(self) -> Self {
        Self(self.0.saturating_mul(2))
    }

    /// The number of bytes that this rate, per second, makes in the span.
    pub(crate) const fn bytes_at(self, rate: u32) -> u64 {
        self.0 as u64 * rate as u64 / 1_000
    }
}
