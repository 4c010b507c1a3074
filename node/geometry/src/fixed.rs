//! Positions in fixed point and what is exact about them.
//!
//! A coordinate is an integer `X` and means `X·2^-40`. Sums of squares are
//! integers in units of `2^-80`, so nothing here rounds.

use crate::{Error, wide::U256};
use phalanx_types::agent::{COORDINATE_FRACTION_BITS, Position};
use std::cmp::Ordering;

/// Fewest dimensions of a ball.
pub const DIMENSION_MIN: usize = 2;
/// Most dimensions of a ball. What a signed spawn may carry is bounded by
/// `phalanx_types::agent::DIMENSION_MAX`.
pub const DIMENSION_MAX: usize = 1024;

/// One, in units of a coordinate.
pub(crate) const ONE: i64 = 1 << COORDINATE_FRACTION_BITS;
/// One, in units of a squared coordinate.
pub(crate) const ONE_SQUARED: u128 = 1 << (2 * COORDINATE_FRACTION_BITS);
/// The least gap of a valid position: `2^-24` in units of `2^-80`.
pub(crate) const GAP_MIN: u128 = ONE_SQUARED >> 24;
/// One unit of a coordinate, as a float.
pub(crate) const UNIT: f64 = 1.0 / ONE as f64;

// Squares of differences, at most (2^41)² each, must add up below 2^128.
const _: () = assert!(DIMENSION_MAX <= 1 << 40);

/// `1 − ‖x‖²` in units of `2^-80`: at least `2^56`, so never zero.
///
/// # Errors
/// When the position has a wrong number of dimensions or is outside of
/// `‖x‖² ≤ 1 − 2^-24`.
pub fn gap(x: &Position) -> Result<u128, Error> {
    if x.0.len() < DIMENSION_MIN || x.0.len() > DIMENSION_MAX {
        return Err(Error::Dimension { found: x.0.len() });
    }
    let mut room = ONE_SQUARED;
    for coordinate in &x.0 {
        let magnitude = u128::from(coordinate.unsigned_abs());
        // Below 2^128 for every i64.
        room = room.checked_sub(magnitude * magnitude).ok_or(Error::OutsideBall)?;
    }
    if room < GAP_MIN { Err(Error::OutsideBall) } else { Ok(room) }
}

/// `‖x − y‖²` in units of `2^-80`, for coordinates of valid positions.
///
/// # Errors
/// When the dimensions differ, or a difference is larger than any that two
/// valid positions have.
pub fn separation(x: &Position, y: &Position) -> Result<u128, Error> {
    same_dimension(x.0.len(), y.0.len())?;
    let mut sum: u128 = 0;
    for (a, b) in x.0.iter().zip(&y.0) {
        let difference = a.abs_diff(*b);
        if difference > 2 * ONE.unsigned_abs() {
            return Err(Error::OutsideBall);
        }
        sum += u128::from(difference) * u128::from(difference);
    }
    Ok(sum)
}

/// Compares the distances of `x` and of `y` from `center`, exactly.
///
/// # Errors
/// When a position is not valid or the dimensions differ.
pub fn compare_distance(center: &Position, x: &Position, y: &Position) -> Result<Ordering, Error> {
    gap(center)?;
    Ok(Nearness { separation: separation(center, x)?, gap: gap(x)? }
        .cmp(&Nearness { separation: separation(center, y)?, gap: gap(y)? }))
}

/// How near a point is to a fixed centre: `‖x − c‖²/(1 − ‖x‖²)`. It grows with
/// the hyperbolic distance, at every curvature, and compares exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nearness {
    pub(crate) separation: u128,
    pub(crate) gap: u128,
}

impl Ord for Nearness {
    fn cmp(&self, other: &Self) -> Ordering {
        U256::product(self.separation, other.gap).cmp(&U256::product(other.separation, self.gap))
    }
}

impl PartialOrd for Nearness {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Nearness {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Nearness {}

/// Orders `members` by centrality: nearest to `center` first, ties by id. The
/// first is the most central one.
///
/// # Errors
/// When a position is not valid or has another dimension than `center`.
pub fn order_by_centrality<K: Ord + Clone>(
    center: &Position,
    members: &[(K, Position)],
) -> Result<Vec<K>, Error> {
    gap(center)?;
    let mut order = Vec::with_capacity(members.len());
    for (id, position) in members {
        let gap = gap(position)?;
        order.push((Nearness { separation: separation(center, position)?, gap }, id));
    }
    order.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    Ok(order.into_iter().map(|(_, id)| id.clone()).collect())
}

pub(crate) fn allowed_dimension(found: usize) -> Result<(), Error> {
    if (DIMENSION_MIN..=DIMENSION_MAX).contains(&found) { Ok(()) } else { Err(Error::Dimension { found }) }
}

pub(crate) fn same_dimension(expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::DimensionMismatch { expected, found }) }
}

/// Rounds coordinates (in units of 1) to the nearest fixed point, and pulls the
/// result radially inside of `‖x‖² ≤ 1 − 2^-24` when it lies outside.
///
/// # Errors
/// When a coordinate is not a finite number of magnitude at most 2, or there are
/// too few or too many.
pub(crate) fn round(coordinates: &[f64]) -> Result<Position, Error> {
    let mut raw = Vec::with_capacity(coordinates.len());
    for x in coordinates {
        if x.is_nan() || x.abs() > 2.0 {
            return Err(Error::TooFar);
        }
        // Scaling by a power of two is exact, and the cast is in range.
        raw.push(libm::rint(x * ONE as f64) as i64);
    }
    pull_in(Position(raw))
}

/// Shrinks a position to the edge of what is valid when it lies outside of it.
/// Coordinates are below 2^42 in magnitude.
pub(crate) fn pull_in(mut position: Position) -> Result<Position, Error> {
    if let Err(Error::OutsideBall) = gap(&position) {
        let norm: u128 = position.0.iter().map(|x| u128::from(x.unsigned_abs()).pow(2)).sum();
        // The margin covers the few roundings of this line and of the products.
        let factor =
            ((ONE_SQUARED - GAP_MIN) as f64 / norm as f64).sqrt() * (1.0 - 1.0 / (1u64 << 50) as f64);
        for x in &mut position.0 {
            // The cast cuts towards zero, so the norm only shrinks.
            *x = (*x as f64 * factor) as i64;
        }
    }
    gap(&position).map(|_| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_is_where_the_types_say() {
        // ‖x‖² = 1 − 2^-24 has no exact point on an axis: the largest x below it.
        let edge = U256::product(ONE_SQUARED - GAP_MIN, 1).isqrt() as i64;
        for (x, valid) in
            [(edge, true), (-edge, true), (edge + 1, false), (i64::MIN, false), (i64::MAX, false)]
        {
            let position = Position(vec![x, 0]);
            assert_eq!(gap(&position).is_ok(), valid, "{x}");
            assert_eq!(position.is_valid(), valid, "{x}");
        }
    }

    #[test]
    fn a_point_outside_is_pulled_to_the_edge() {
        for dimension in [2, 3, 8, 1024] {
            let far = round(&vec![1.7 / (dimension as f64).sqrt(); dimension]).unwrap();
            let room = gap(&far).unwrap();
            assert!(room < GAP_MIN + (GAP_MIN >> 10), "{room}");
        }
        assert_eq!(round(&[f64::NAN, 0.0]), Err(Error::TooFar));
        assert_eq!(round(&[2.5, 0.0]), Err(Error::TooFar));
        assert_eq!(round(&[0.5]), Err(Error::Dimension { found: 1 }));
    }

    #[test]
    fn the_most_central_is_the_nearest_then_the_least_id() {
        let at = |x: i64, y: i64| Position(vec![x, y]);
        let members =
            [(3, at(ONE / 2, 0)), (2, at(0, -ONE / 2)), (1, at(ONE / 2 + 1, 0)), (9, at(ONE / 2 - 1, 0))];
        assert_eq!(order_by_centrality(&at(0, 0), &members), Ok(vec![9, 2, 3, 1]));
    }
}
