//! Points for reckoning: `f64` coordinates beside the gap to the edge.
//!
//! Near the edge `1 − ‖x‖²` cannot be had from rounded coordinates: at radius 18
//! only the last 29 of 53 bits would be right, and beyond it none. So a point
//! carries its gap, and every map computes the gap of its result from the gaps of
//! its arguments. All formulas add what has one sign or subtract what is exact;
//! none of them cancels.
//!
//! How wrong a point is: a map moves its result by about
//! `(dimension + 24)·2^-53·(1/g + l)` in hyperbolic distance at most, where `g` is
//! the least gap among what it makes on the way and `l` the length it went. At
//! radius 18 in two dimensions that is 2^-24; tests hold it against big numbers. A
//! dilation by `f` above 1 also carries outwards what it is off sideways at length `l`
//! from its centre, and so multiplies it by up to `sinh(f·l)/sinh(l)`.

use crate::{Error, fixed};
use phalanx_types::agent::Position;

/// The longest length (at curvature 1) that a map may lead: further than any two
/// valid positions are apart (36), and far from where `f64` underflows.
pub const LENGTH_MAX: f64 = 100.0;

/// A point of the unit ball: coordinates and `1 − ‖x‖²`, kept apart.
///
/// A point made from a [`Position`] is exact. [`Point::to_position`] goes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub(crate) x: Vec<f64>,
    pub(crate) gap: f64,
}

/// The sum of `term(i)` in eight lanes, always in the same order: the same bits
/// on every machine, and room for vector units.
#[inline]
pub(crate) fn sum_by(a: &[f64], b: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail = a_blocks.remainder().iter().zip(b_blocks.remainder()).fold(0.0, |s, (x, y)| s + term(*x, *y));
    for (x, y) in a_blocks.zip(b_blocks) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += term(*x, *y);
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    (((a + e) + (b + f)) + ((c + g) + (d + h))) + tail
}

pub(crate) fn norm_squared(a: &[f64]) -> f64 {
    sum_by(a, a, |x, y| x * y)
}

impl TryFrom<&Position> for Point {
    type Error = Error;

    fn try_from(position: &Position) -> Result<Self, Error> {
        let gap = fixed::gap(position)? as f64 * (fixed::UNIT * fixed::UNIT);
        Ok(Self { x: position.0.iter().map(|x| *x as f64 * fixed::UNIT).collect(), gap })
    }
}

impl Point {
    /// The centre of the ball.
    ///
    /// # Errors
    /// When the dimension is not 2 to 1,024.
    pub fn origin(dimension: usize) -> Result<Self, Error> {
        Self::try_from(&Position(vec![0; dimension]))
    }

    /// The point at `length` (at curvature 1) from the origin in the direction of
    /// `direction`, which need not have length 1. A zero direction is the origin.
    ///
    /// # Errors
    /// When the direction is not finite, the length is above [`LENGTH_MAX`], or
    /// the dimension is not allowed.
    pub fn at(direction: &[f64], length: f64) -> Result<Self, Error> {
        let dimension = direction.len();
        fixed::allowed_dimension(dimension)?;
        // The largest coordinate is taken out, so that no square is lost.
        let largest = direction.iter().fold(0.0f64, |most, x| if x.abs() > most { x.abs() } else { most });
        if direction.iter().any(|x| !x.is_finite()) || length.is_nan() || length.abs() > LENGTH_MAX {
            return Err(Error::TooFar);
        }
        if largest <= 0.0 {
            return Self::origin(dimension);
        }
        let unit: Vec<f64> = direction.iter().map(|x| x / largest).collect();
        let scale = libm::tanh(length / 2.0) / norm_squared(&unit).sqrt();
        let cosh = libm::cosh(length / 2.0);
        Ok(Self { x: unit.iter().map(|x| x * scale).collect(), gap: 1.0 / (cosh * cosh) })
    }

    /// The coordinates, in units of 1.
    #[must_use]
    pub fn coordinates(&self) -> &[f64] {
        &self.x
    }

    /// `1 − ‖x‖²`.
    #[must_use]
    pub fn gap(&self) -> f64 {
        self.gap
    }

    /// Number of dimensions.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.x.len()
    }

    /// The nearest position in fixed point; a point further out than radius 18 is
    /// pulled in to there. Rounding moves a point by at most
    /// `√dimension · 2^-40 / gap · (1 + 2^-12)`.
    ///
    /// # Errors
    /// None for points that this crate made.
    pub fn to_position(&self) -> Result<Position, Error> {
        fixed::round(&self.x)
    }

    /// The point opposite: the inverse under Möbius addition.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self { x: self.x.iter().map(|x| -x).collect(), gap: self.gap }
    }

    /// Möbius addition `self ⊕ other`. It is also the translation that takes the
    /// origin to `self`, applied to `other`.
    ///
    /// With `s = x + y`: `x ⊕ y = (‖s‖²·x + gap(x)·s) / (‖s‖² + gap(x)·gap(y))`.
    ///
    /// # Errors
    /// When the dimensions differ.
    pub fn moebius_add(&self, other: &Self) -> Result<Self, Error> {
        fixed::same_dimension(self.dimension(), other.dimension())?;
        let sum = sum_by(&self.x, &other.x, |x, y| (x + y) * (x + y));
        let gaps = self.gap * other.gap;
        let below = sum + gaps;
        let (along, across) = (sum / below, self.gap / below);
        let x = self.x.iter().zip(&other.x).map(|(x, y)| along * x + across * (x + y)).collect();
        Ok(Self { x, gap: gaps / below })
    }

    /// The translation that takes `from` to `to`, applied to this point: first
    /// `from` to the origin, then the origin to `to`.
    ///
    /// # Errors
    /// When the dimensions differ.
    pub fn translated(&self, from: &Self, to: &Self) -> Result<Self, Error> {
        to.moebius_add(&from.negated().moebius_add(self)?)
    }

    /// Möbius multiplication `factor ⊗ self`: the distance from the origin is
    /// multiplied, the direction stays.
    ///
    /// # Errors
    /// When the result would be further away than [`LENGTH_MAX`].
    pub fn scaled(&self, factor: f64) -> Result<Self, Error> {
        Self::at(&self.x, factor * self.length_from_origin())
    }

    /// The dilation by `factor` about `center`: the distance from `center` is
    /// multiplied, the direction stays.
    ///
    /// # Errors
    /// When the dimensions differ, or the result would be too far from `center`.
    pub fn dilated(&self, center: &Self, factor: f64) -> Result<Self, Error> {
        center.moebius_add(&center.negated().moebius_add(self)?.scaled(factor)?)
    }

    /// The distance from the origin at curvature 1.
    pub(crate) fn length_from_origin(&self) -> f64 {
        2.0 * libm::asinh((norm_squared(&self.x) / self.gap).sqrt())
    }

    /// The distance at curvature 1: `2·arsinh(‖x − y‖ / √(gap(x)·gap(y)))`, the
    /// documents' arcosh written so that small distances keep their digits.
    pub(crate) fn length_to(&self, other: &Self) -> Result<f64, Error> {
        fixed::same_dimension(self.dimension(), other.dimension())?;
        let apart = sum_by(&self.x, &other.x, |x, y| (x - y) * (x - y));
        Ok(2.0 * libm::asinh((apart / (self.gap * other.gap)).sqrt()))
    }
}
