//! How well places fit measured times, and which of two spaces does it better.

use super::Space;
use crate::Error;
use std::fmt;

/// How far predicted round-trip times are from measured ones, as parts of the latter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Half of the pairs are off by less.
    pub median: f64,
    /// Nine of ten pairs are off by less.
    pub p90: f64,
}

impl Fit {
    /// Of all pairs of `places`, where `round_trip_us` says what is measured; pairs with
    /// none or zero are left out. Zero when there is no pair.
    ///
    /// # Errors
    /// When the dimensions differ.
    pub fn of<S: Space>(
        space: &S,
        places: &[S::Place],
        round_trip_us: impl Fn(usize, usize) -> Option<u32>,
    ) -> Result<Self, Error> {
        let mut wrong = Vec::new();
        for (a, x) in places.iter().enumerate() {
            for (b, y) in places.iter().enumerate().skip(a + 1) {
                if let Some(measured) = round_trip_us(a, b).filter(|us| *us > 0) {
                    let predicted = space.see(x, y)?.distance * f64::from(space.unit_us());
                    wrong.push((predicted - f64::from(measured)).abs() / f64::from(measured));
                }
            }
        }
        wrong.sort_by(f64::total_cmp);
        let at = |tenths: usize| wrong.get(wrong.len() * tenths / 10).copied().unwrap_or(0.0);
        Ok(Self { median: at(5), p90: at(9) })
    }
}

/// The ball against the baseline, on the same data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The ball.
    pub ball: Fit,
    /// Flat coordinates with a height.
    pub flat: Fit,
}

impl Comparison {
    /// By how much the ball's median error is below the baseline's, as a part of the
    /// larger of both: negative when the baseline fits better.
    #[must_use]
    pub fn advantage(&self) -> f64 {
        let larger = self.ball.median.max(self.flat.median);
        if larger > 0.0 { (self.flat.median - self.ball.median) / larger } else { 0.0 }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ball, flat, advantage) = (self.ball, self.flat, self.advantage());
        let better = if advantage < 0.0 { "flat coordinates with a height fit" } else { "the ball fits" };
        write!(
            f,
            "{better} better by {:.1} %: median error {:.1} % in the ball and {:.1} % flat, 90th percentile \
             {:.1} % and {:.1} %",
            advantage.abs() * 100.0,
            ball.median * 100.0,
            flat.median * 100.0,
            ball.p90 * 100.0,
            flat.p90 * 100.0
        )
    }
}
