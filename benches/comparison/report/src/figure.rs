//! A measured figure and its spread.
//!
//! Invariant: no figure without its spread.

use std::fmt::{self, Display, Formatter};

/// What several samples say.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The sample in the middle.
    pub median: f64,
    /// How far the furthest sample is from the median, as a part of the median.
    pub spread: f64,
}

impl Figure {
    /// Panics if there is no sample.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut samples: Vec<_> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        let (least, greatest) = (samples[0], samples[samples.len() - 1]);
        let median = samples[samples.len() / 2];
        let spread = (greatest - median).max(median - least) / median;
        Self { median, spread }
    }

    /// As a cell of a table; the best figure is bold.
    pub fn cell(&self, is_best: bool) -> String {
        let (median, percent) = (grouped(self.median), self.percent());
        match is_best {
            true => format!("**{median}** ±{percent}%"),
            false => format!("{median} ±{percent}%"),
        }
    }

    /// The spread, rounded up: ±0% would claim too much.
    fn percent(&self) -> f64 {
        (self.spread * 100.0).ceil().max(1.0)
    }
}

impl Display for Figure {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str(&self.cell(false))
    }
}

/// 12.3, 1,234.
fn grouped(number: f64) -> String {
    if number < 99.95 {
        return format!("{number:.1}");
    }
    let mut digits = format!("{number:.0}");
    for at in (1..digits.len()).rev().skip(2).step_by(3) {
        digits.insert(at, ',');
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::{Figure, grouped};

    #[test]
    fn a_figure_is_the_median_and_the_furthest_sample() {
        let cell = |samples: &[f64]| Figure::of(samples.iter().copied()).to_string();
        assert_eq!(cell(&[200.0, 100.0, 90.0]), "100 ±100%");
        assert_eq!(cell(&[101.0, 60.0, 100.0]), "100 ±40%");
        assert_eq!(cell(&[7.0]), "7.0 ±1%");
        assert_eq!(Figure::of([100.0, 100.1]).cell(true), "**100** ±1%");
    }

    #[test]
    fn digits_are_grouped_by_three() {
        let numbers = [0.04, 99.94, 99.96, 999.5, 123_456.0, 1_234_567.0];
        let texts = ["0.0", "99.9", "100", "1,000", "123,456", "1,234,567"];
        assert_eq!(numbers.map(grouped), texts);
    }
}
