//! Weighted midpoints that many can keep and that never drift.
//!
//! The midpoint of points on the hyperboloid is their weighted sum, scaled back
//! onto it; in the ball this is the gyromidpoint. [`Mean`] keeps that sum in
//! integers, so putting in and taking out are exact inverses, order does not
//! matter, and a beat pays only for what it changed.

use crate::{
    Error,
    fixed::{self, ONE_SQUARED},
    wide::U256,
};
use phalanx_types::agent::{COORDINATE_FRACTION_BITS, Position};

/// Fractional bits of a hyperboloid coordinate. Such a coordinate is below 2^25,
/// so with weights of 2^40 in all the sums stay below 2^121 and their squares
/// below 2^242.
const HYPERBOLOID_BITS: u32 = 56;
/// The largest sum of weights.
pub const MEAN_WEIGHT_MAX: u64 = 1 << 40;

/// A weighted mean of positions, kept as exact sums.
///
/// Its position is off by a distance of at most `√dimension · (2^-40/g + 2^-53/h)`,
/// where `g` is the gap at the mean and `h` that of the outermost position in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mean {
    weight: u64,
    height: i128,
    sums: Vec<i128>,
}

impl Mean {
    /// The mean of nothing, in this many dimensions.
    ///
    /// # Errors
    /// When the dimension is not 2 to 1,024.
    pub fn new(dimension: usize) -> Result<Self, Error> {
        fixed::allowed_dimension(dimension)?;
        Ok(Self { weight: 0, height: 0, sums: vec![0; dimension] })
    }

    /// The weight that is in it.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// Puts a position in.
    ///
    /// # Errors
    /// When the position is not valid, has another dimension, or the weights would
    /// pass [`MEAN_WEIGHT_MAX`]. Nothing is changed then.
    pub fn insert(&mut self, position: &Position, weight: u64) -> Result<(), Error> {
        let total = self.weight.checked_add(weight).filter(|total| *total <= MEAN_WEIGHT_MAX);
        let total = total.ok_or(Error::TooHeavy)?;
        self.shift(position, i128::from(weight))?;
        self.weight = total;
        Ok(())
    }

    /// Takes out what was put in with the same position and weight.
    ///
    /// # Errors
    /// When the position is not valid, has another dimension, or weighs more than
    /// all that is in. Nothing is changed then.
    pub fn remove(&mut self, position: &Position, weight: u64) -> Result<(), Error> {
        let rest = self.weight.checked_sub(weight).ok_or(Error::NotInMean)?;
        self.shift(position, -i128::from(weight))?;
        self.weight = rest;
        Ok(())
    }

    /// Puts in all that another mean of the same dimension holds.
    ///
    /// # Errors
    /// When the dimensions differ or the weights would pass [`MEAN_WEIGHT_MAX`]. Nothing
    /// is changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        fixed::same_dimension(self.sums.len(), other.sums.len())?;
        let total = self.weight.checked_add(other.weight).filter(|total| *total <= MEAN_WEIGHT_MAX);
        self.weight = total.ok_or(Error::TooHeavy)?;
        self.height += other.height;
        for (sum, x) in self.sums.iter_mut().zip(&other.sums) {
            *sum += x;
        }
        Ok(())
    }

    fn shift(&mut self, position: &Position, factor: i128) -> Result<(), Error> {
        fixed::same_dimension(self.sums.len(), position.0.len())?;
        let gap = fixed::gap(position)?;
        self.height += factor * ratio(2 * ONE_SQUARED - gap, gap);
        for (sum, x) in self.sums.iter_mut().zip(&position.0) {
            let lifted = ratio(u128::from(x.unsigned_abs()) << (COORDINATE_FRACTION_BITS + 1), gap);
            *sum += factor * if *x < 0 { -lifted } else { lifted };
        }
        Ok(())
    }

    /// Where the mean is; the origin when nothing is in it.
    ///
    /// # Errors
    /// None for a mean of valid positions.
    pub fn position(&self) -> Result<Position, Error> {
        if self.weight == 0 {
            return Ok(Position(vec![0; self.sums.len()]));
        }
        let height = self.height.unsigned_abs();
        let mut square = U256::product(height, height);
        for sum in &self.sums {
            let sum = sum.unsigned_abs();
            // Below zero only by rounding, when all is at one place.
            square = square.checked_sub(U256::product(sum, sum)).unwrap_or(U256::ZERO);
        }
        // The sum of unit vectors is at least as long as all their weights.
        let least = u128::from(self.weight) << HYPERBOLOID_BITS;
        let below = height + square.isqrt().max(least);
        // 86 bits of the divisor are enough, and then everything fits 128.
        let shift = (128 - below.leading_zeros()).saturating_sub(86);
        let below = (below >> shift).max(1);
        let coordinates = self.sums.iter().map(|sum| {
            let above = (sum.unsigned_abs() >> shift) << COORDINATE_FRACTION_BITS;
            let rounded = i64::try_from((above + below / 2) / below).unwrap_or(i64::MAX);
            if *sum < 0 { -rounded } else { rounded }
        });
        fixed::pull_in(Position(coordinates.collect()))
    }
}

/// `above/below` with [`HYPERBOLOID_BITS`] fractional bits, cut, for a divisor
/// below 2^81 and a result below 2^26.
fn ratio(above: u128, below: u128) -> i128 {
    let (whole, rest) = (above / below, above % below);
    let (upper, rest) = ((rest << 40) / below, (rest << 40) % below);
    let lower = (rest << 16) / below;
    (whole << HYPERBOLOID_BITS | upper << 16 | lower) as i128
}
