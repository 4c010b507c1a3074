//! The ball of a curvature: distances, exponential and logarithm, geodesics,
//! hyperbolic balls and their Euclidean twins.
//!
//! Coordinates are always those of the unit ball. Curvature `−κ` divides lengths
//! by `√κ`; at `κ = 1` the distance is the documents'.

use crate::{
    Error, LENGTH_MAX, fixed,
    point::{Point, norm_squared},
};
use phalanx_types::agent::Position;

/// How curved the ball is: `κ` in millionths, at least 1. The documents' metric
/// is 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Curvature(u32);

impl Curvature {
    /// The documents' metric: curvature −1.
    pub const ONE: Self = Self(1_000_000);

    /// From millionths.
    ///
    /// # Errors
    /// When it is zero.
    pub const fn from_ppm(ppm: u32) -> Result<Self, Error> {
        if ppm == 0 { Err(Error::Flat) } else { Ok(Self(ppm)) }
    }

    /// In millionths.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

/// A hyperbolic length in fixed point: 40 fractional bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(pub u64);

impl Length {
    /// In units of 1.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 * fixed::UNIT
    }
}

/// The Poincaré ball of one curvature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    root: f64,
}

impl Ball {
    /// The ball of this curvature.
    #[must_use]
    pub fn new(curvature: Curvature) -> Self {
        Self { root: (f64::from(curvature.0) / 1e6).sqrt() }
    }

    /// The distance of two positions, rounded to fixed point: the same bits on
    /// every machine. Its error is below `2^-40 + distance·2^-49` wherever the
    /// positions are, because gaps and differences are exact.
    ///
    /// # Errors
    /// When a position is not valid or the dimensions differ.
    pub fn distance(&self, x: &Position, y: &Position) -> Result<Length, Error> {
        Ok(Length(libm::rint(self.distance_f64(x, y)? / fixed::UNIT) as u64))
    }

    /// As [`Ball::distance`], not yet rounded.
    pub(crate) fn distance_f64(&self, x: &Position, y: &Position) -> Result<f64, Error> {
        let apart = fixed::separation(x, y)? as f64;
        let gaps = fixed::gap(x)? as f64 * fixed::gap(y)? as f64;
        // Units: 2^-80 above, 2^-160 below.
        Ok(2.0 * libm::asinh((apart / gaps).sqrt() / fixed::UNIT) / self.root)
    }

    /// The distance of two points. Beside the error of the points themselves it
    /// is relative: below `(dimension + 16)·2^-53`.
    ///
    /// # Errors
    /// When the dimensions differ.
    pub fn length(&self, x: &Point, y: &Point) -> Result<f64, Error> {
        Ok(x.length_to(y)? / self.root)
    }

    /// The length of a tangent vector `v` (in coordinates of the ball) at `x`:
    /// `2‖v‖ / (gap(x)·√κ)`.
    #[must_use]
    pub fn tangent_length(&self, x: &Point, v: &[f64]) -> f64 {
        2.0 * norm_squared(v).sqrt() / (x.gap * self.root)
    }

    /// Exponential map: from `x` along the tangent vector `v`, as far as it is long.
    ///
    /// # Errors
    /// When the dimensions differ, `v` is not finite, or it is longer than
    /// [`LENGTH_MAX`] at curvature 1.
    pub fn exp(&self, x: &Point, v: &[f64]) -> Result<Point, Error> {
        fixed::same_dimension(x.dimension(), v.len())?;
        x.moebius_add(&Point::at(v, 2.0 * norm_squared(v).sqrt() / x.gap)?)
    }

    /// Logarithm map: the tangent vector at `x` whose exponential is `y`.
    ///
    /// # Errors
    /// When the dimensions differ.
    pub fn log(&self, x: &Point, y: &Point) -> Result<Vec<f64>, Error> {
        let seen = x.negated().moebius_add(y)?;
        let norm = norm_squared(&seen.x).sqrt();
        // At the point itself the factor's limit is gap(x).
        let factor = if norm > 0.0 { x.gap / 2.0 * (x.length_to(y)? / norm) } else { x.gap };
        Ok(seen.x.iter().map(|s| s * factor).collect())
    }

    /// The point of the geodesic from `x` (`t = 0`) to `y` (`t = 1`) that divides
    /// its length at `t`, which is held between 0 and 1.
    ///
    /// It is interpolated on the hyperboloid, where both ends enter with positive
    /// factors: the error stays that of the ends' own rounding.
    ///
    /// # Errors
    /// When the dimensions differ.
    pub fn geodesic(&self, x: &Point, y: &Point, t: f64) -> Result<Point, Error> {
        let t = if t > 0.0 { t.min(1.0) } else { 0.0 };
        let length = x.length_to(y)?;
        let whole = libm::sinh(length);
        let (a, b) = if whole > 0.0 {
            (libm::sinh((1.0 - t) * length) / whole, libm::sinh(t * length) / whole)
        } else {
            (1.0 - t, t)
        };
        let (a, b) = (a / x.gap, b / y.gap);
        // Twice the hyperboloid's coordinate plus one is (2 − gap)/gap + 1 for an
        // end; the sum is at least 1 + 1.
        let height = 1.0 + a * (2.0 - x.gap) + b * (2.0 - y.gap);
        let place = x.x.iter().zip(&y.x).map(|(x, y)| 2.0 * (a * x + b * y) / height).collect();
        Ok(Point { x: place, gap: 2.0 / height })
    }

    /// One bounded step of a migration: along the geodesic from `x` towards `y`,
    /// at most `length_max` far, and `y` itself when it is that near.
    ///
    /// # Errors
    /// When the dimensions differ.
    pub fn step(&self, x: &Point, y: &Point, length_max: f64) -> Result<Point, Error> {
        let length = self.length(x, y)?;
        if length <= length_max {
            return Ok(y.clone());
        }
        self.geodesic(x, y, length_max / length)
    }

    /// The Euclidean twin of the hyperbolic ball of `radius` about `center`: the
    /// same set of points, as a Euclidean centre and radius.
    ///
    /// Beside the error of `center` itself both are relative: off by at most
    /// `(3·l + 16)·2^-53` of their lengths, where `l` is the radius at curvature 1.
    /// [`Ball::hyperbolic_twin`] gives the first back while the ball's outermost point is
    /// less than 30 from the origin, at curvature 1: with `f` for that point's Euclidean
    /// norm, both are then off by at most `(dimension/4 + 6·l + 40)·2^-53/(1 − f)`. Further
    /// out less and less is left of them, and where `f` rounds to 1 there is no way back.
    ///
    /// # Errors
    /// When the radius is negative, not a number, or above [`LENGTH_MAX`] at
    /// curvature 1.
    pub fn euclidean_twin(&self, center: &Point, radius: f64) -> Result<(Vec<f64>, f64), Error> {
        let half = radius * self.root / 2.0;
        if !(0.0..=LENGTH_MAX / 2.0).contains(&half) {
            return Err(Error::TooFar);
        }
        let (t, cosh) = (libm::tanh(half), libm::cosh(half));
        let rest = 1.0 / (cosh * cosh);
        let below = rest + t * t * center.gap;
        Ok((center.x.iter().map(|x| x * (rest / below)).collect(), t * center.gap / below))
    }

    /// The hyperbolic centre and radius of the Euclidean ball about `center`. At curvature
    /// 1 both are off by at most `(dimension/4 + 8)·2^-53/(1 − ‖center‖ − radius)`.
    ///
    /// # Errors
    /// When the ball is not inside the unit ball.
    pub fn hyperbolic_twin(&self, center: &[f64], radius: f64) -> Result<(Point, f64), Error> {
        let norm = norm_squared(center).sqrt();
        let (near, far) = (norm - radius, norm + radius);
        if !(radius >= 0.0 && far < 1.0) {
            return Err(Error::NoTwin);
        }
        let (near, far) = (2.0 * libm::atanh(near), 2.0 * libm::atanh(far));
        Ok((Point::at(center, (near + far) / 2.0)?, (far - near) / 2.0 / self.root))
    }
}
