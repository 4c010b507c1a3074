//! The baseline: flat coordinates and a height, as Vivaldi has them.

use super::{
    Space,
    space::{Seen, seen_along},
};
use crate::{Error, LENGTH_MAX, fixed, point::norm_squared};

/// Euclidean coordinates, and a height for the access link that every way crosses: the
/// distance of two places is that of their coordinates and both heights (Dabek and
/// others 2004, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flat {
    dimension: usize,
    unit_us: u32,
}

/// A place in [`Flat`], in units of length.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatPlace {
    x: Vec<f64>,
    height: f64,
}

impl FlatPlace {
    /// From coordinates and height.
    ///
    /// # Errors
    /// When one is not finite or above [`LENGTH_MAX`], the height is negative, or the
    /// dimension is not 2 to 1,024.
    pub fn new(x: Vec<f64>, height: f64) -> Result<Self, Error> {
        fixed::allowed_dimension(x.len())?;
        let fits = (0.0..=LENGTH_MAX).contains(&height) && norm_squared(&x).sqrt() <= LENGTH_MAX;
        if fits { Ok(Self { x, height }) } else { Err(Error::TooFar) }
    }

    /// The coordinates.
    #[must_use]
    pub fn coordinates(&self) -> &[f64] {
        &self.x
    }

    /// The height.
    #[must_use]
    pub const fn height(&self) -> f64 {
        self.height
    }
}

impl Flat {
    /// Of this many dimensions beside the height, where one unit of length is so many
    /// microseconds of round trip.
    ///
    /// # Errors
    /// When the dimension is not 2 to 1,024, or the unit is zero.
    pub fn new(dimension: usize, unit_us: u32) -> Result<Self, Error> {
        fixed::allowed_dimension(dimension)?;
        if unit_us == 0 { Err(Error::NoTime) } else { Ok(Self { dimension, unit_us }) }
    }
}

fn differences(from: &FlatPlace, to: &FlatPlace) -> Result<Vec<f64>, Error> {
    fixed::same_dimension(from.x.len(), to.x.len())?;
    Ok(from.x.iter().zip(&to.x).map(|(from, to)| to - from).collect())
}

impl Space for Flat {
    type Place = FlatPlace;

    fn unit_us(&self) -> u32 {
        self.unit_us
    }

    fn tangent_dimension(&self) -> usize {
        self.dimension + 1
    }

    fn see(&self, from: &FlatPlace, to: &FlatPlace) -> Result<Seen, Error> {
        fixed::same_dimension(self.dimension, from.x.len())?;
        let mut direction = differences(from, to)?;
        let heights = from.height + to.height;
        let distance = norm_squared(&direction).sqrt() + heights;
        // Upwards is away from everyone.
        direction.push(-heights);
        Ok(seen_along(distance, &direction))
    }

    fn go(&self, from: &FlatPlace, tangent: &[f64]) -> Result<FlatPlace, Error> {
        fixed::same_dimension(self.dimension + 1, tangent.len())?;
        let x = from.x.iter().zip(tangent).map(|(x, t)| x + t).collect();
        let up = tangent.last().copied().unwrap_or(0.0);
        FlatPlace::new(x, if from.height + up > HEIGHT_MIN { from.height + up } else { HEIGHT_MIN })
    }

    fn homeward(&self, from: &FlatPlace, home: &FlatPlace) -> Result<Vec<f64>, Error> {
        let mut direction = differences(from, home)?;
        // A home says nothing of the access link.
        direction.push(0.0);
        Ok(direction)
    }
}

/// A height of zero would never grow: its share of a step is its share of the distance.
const HEIGHT_MIN: f64 = 1e-3;
