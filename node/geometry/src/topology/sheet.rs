//! Points of the hyperboloid `h² − ‖x‖² = 1`, where geodesics are linear combinations.

use crate::{
    Error, fixed,
    placing::WANTED_MAX,
    point::{norm_squared, sum_by},
};
use phalanx_types::agent::Position;

/// The farthest from the origin: the cosine of a distance, up to `e^(2·8)/2`, keeps nine
/// decimal digits after its terms cancel, and the place keeps 16 bits beside its gap.
const RADIUS_MAX: f64 = 8.0;
// Nodes on opposite sides can be as far apart as is ever wanted.
const _: () = assert!(2.0 * RADIUS_MAX >= WANTED_MAX);
/// The sine of a distance below which nothing is towards.
const LEAST: f64 = 1e-6;

/// A point of the hyperboloid.
#[derive(Clone, Debug)]
pub(super) struct Lifted {
    x: Vec<f64>,
    height: f64,
}

impl Lifted {
    /// The point at this distance from the origin in a direction, which need not have
    /// length 1; the origin when it has none.
    pub(super) fn at(direction: &[f64], length: f64) -> Self {
        let norm = norm_squared(direction).sqrt();
        let scale = if norm > 0.0 { libm::sinh(length) / norm } else { 0.0 };
        let mut point = Self { x: direction.iter().map(|x| x * scale).collect(), height: 1.0 };
        point.settle();
        point
    }

    /// Makes the height fit the coordinates, which are pulled in to [`RADIUS_MAX`].
    fn settle(&mut self) {
        let (square, most) = (norm_squared(&self.x), libm::sinh(RADIUS_MAX));
        if square > most * most {
            let scale = most / square.sqrt();
            self.x.iter_mut().for_each(|x| *x *= scale);
        }
        self.height = (1.0 + square.min(most * most)).sqrt();
    }

    /// The same point of the Poincaré ball, in fixed point.
    pub(super) fn to_position(&self) -> Result<Position, Error> {
        let below = 1.0 + self.height;
        fixed::round(&self.x.iter().map(|x| x / below).collect::<Vec<_>>())
    }
}

/// Moves two points along their geodesic, each by half of a `share` of what their
/// distance misses of the `wanted` one. Points at one place stay there.
pub(super) fn pull(a: &mut Lifted, b: &mut Lifted, wanted: f64, share: f64) {
    let cosh = a.height * b.height - sum_by(&a.x, &b.x, |x, y| x * y);
    let sinh = if cosh > 1.0 { (cosh * cosh - 1.0).sqrt() } else { 0.0 };
    if sinh < LEAST {
        return;
    }
    let step = share * (libm::asinh(sinh) - wanted) / 2.0;
    let across = libm::sinh(step) / sinh;
    let along = libm::cosh(step) - across * cosh;
    for (x, y) in a.x.iter_mut().zip(&mut b.x) {
        (*x, *y) = (along * *x + across * *y, along * *y + across * *x);
    }
    a.settle();
    b.settle();
}
