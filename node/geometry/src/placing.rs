//! Places for few that know how far they should be from each other: the regions of a
//! mesh, whose latencies are agreed.
//!
//! Each is moved along the geodesic towards every other, or away from it, by its share
//! of what is missing, round after round: the least squares of the errors, found step by
//! step. The result depends on where it begins, so that a change of one latency moves
//! what is concerned, and nothing else.

use crate::{Ball, Error, Mean, Point};
use phalanx_types::agent::Position;

/// Where number `index` begins when it has no place yet: on a small sphere, no two at one
/// point for twice the dimension, and after that on larger ones.
///
/// # Errors
/// When the dimension is not 2 to 1,024, or the index is 400 times the dimension or more:
/// those spheres are larger than [`LENGTH_MAX`](crate::LENGTH_MAX).
pub fn beginning(dimension: usize, index: usize) -> Result<Point, Error> {
    let (axis, turn) = (index % dimension.max(1), index / dimension.max(1));
    let mut direction = vec![0.0; dimension];
    if let Some(x) = direction.get_mut(axis) {
        *x = if turn % 2 == 0 { 1.0 } else { -1.0 };
    }
    // No other lies on the same line through the origin.
    if let Some(x) = direction.get_mut((axis + 1) % dimension.max(1)) {
        *x += 0.1;
    }
    Point::at(&direction, 0.5 + 0.5 * (turn / 2) as f64)
}

/// Moves points so that their distances come nearer to those that are `wanted` of each
/// pair, for so many rounds; then moves all so that their mean is the origin.
///
/// # Errors
/// When the dimensions differ, or a wanted length is not between 0 and [`WANTED_MAX`].
pub fn relax(
    ball: &Ball,
    points: &mut [Point],
    wanted: impl Fn(usize, usize) -> f64,
    rounds: u32,
) -> Result<(), Error> {
    let count = points.len();
    part(ball, points)?;
    let share = 1.0 / count.max(1) as f64;
    for _ in 0..rounds {
        for own in 0..count {
            let Some(mut point) = points.get(own).cloned() else { continue };
            for (other, goal) in points.iter().enumerate().filter(|(other, _)| *other != own) {
                let wanted = wanted(own, other);
                if !(0.0..=WANTED_MAX).contains(&wanted) {
                    return Err(Error::TooFar);
                }
                let length = ball.length(&point, goal)?;
                if length <= LEAST {
                    continue;
                }
                let step = share * (length - wanted);
                let direction = ball.log(&point, goal)?;
                let whole = ball.tangent_length(&point, &direction);
                let towards: Vec<f64> = direction.iter().map(|x| x / whole * step).collect();
                point = ball.exp(&point, &towards)?;
            }
            if let Some(slot) = points.get_mut(own) {
                *slot = point;
            }
        }
    }
    centre(points)
}

/// The longest length that may be wanted.
pub const WANTED_MAX: f64 = 12.0;
/// Nearer than this nothing is towards.
const LEAST: f64 = 1e-9;

/// Moves those apart that lie at one place, each in its own direction.
fn part(ball: &Ball, points: &mut [Point]) -> Result<(), Error> {
    for own in 1..points.len() {
        let Some((point, before)) = points.get(..=own).and_then(<[Point]>::split_last) else { continue };
        let mut is_apart = true;
        for other in before {
            is_apart &= ball.length(point, other)? > LEAST;
        }
        if !is_apart {
            let moved = point.moebius_add(&beginning(point.dimension(), own)?.scaled(0.1)?)?;
            if let Some(slot) = points.get_mut(own) {
                *slot = moved;
            }
        }
    }
    Ok(())
}

/// Moves all so that their mean is the origin.
fn centre(points: &mut [Point]) -> Result<(), Error> {
    let Some(dimension) = points.first().map(Point::dimension) else { return Ok(()) };
    let mut mean = Mean::new(dimension)?;
    for point in points.iter() {
        mean.insert(&point.to_position()?, 1)?;
    }
    let (mean, origin) = (Point::try_from(&mean.position()?)?, Point::origin(dimension)?);
    for point in points.iter_mut() {
        *point = point.translated(&mean, &origin)?;
    }
    Ok(())
}

/// The root of the mean square of what distances miss of those wanted, as a part of the
/// mean that is wanted.
///
/// # Errors
/// When a position is not valid or the dimensions differ.
pub fn misfit(ball: &Ball, places: &[Position], wanted: impl Fn(usize, usize) -> f64) -> Result<f64, Error> {
    let (mut squares, mut sum, mut pairs) = (0.0, 0.0, 0.0);
    for (a, x) in places.iter().enumerate() {
        for (b, y) in places.iter().enumerate().skip(a + 1) {
            let wrong = ball.distance(x, y)?.to_f64() - wanted(a, b);
            squares += wrong * wrong;
            sum += wanted(a, b);
            pairs += 1.0;
        }
    }
    Ok(if sum > 0.0 { (squares * pairs).sqrt() / sum } else { 0.0 })
}
