//! What a latency coordinate needs of the space that it lies in, and the ball.

use crate::{Error, Point, fixed, placing, point::norm_squared};

/// The longest length that a round-trip time may stand for; what is longer is held there.
pub const LENGTH_WANTED_MAX: f64 = placing::WANTED_MAX;
/// Nearer than this nothing is towards.
const LEAST: f64 = 1e-9;

/// One place as seen from another.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// How far it is, in units of length.
    pub distance: f64,
    /// The tangent vector of length 1 along which the distance grows fastest; zero when
    /// both are at one place.
    pub away: Vec<f64>,
}

/// A space of places with lengths, and tangent vectors at each place.
pub trait Space {
    /// A place in it.
    type Place: Clone;

    /// Microseconds of round trip that are one unit of length.
    fn unit_us(&self) -> u32;

    /// Components of a tangent vector.
    fn tangent_dimension(&self) -> usize;

    /// `to` as seen from `from`.
    ///
    /// # Errors
    /// When a place has another dimension than the space.
    fn see(&self, from: &Self::Place, to: &Self::Place) -> Result<Seen, Error>;

    /// Where the tangent vector at `from` leads.
    ///
    /// # Errors
    /// When it has another dimension, is not finite, or leads further than
    /// [`LENGTH_MAX`](crate::LENGTH_MAX).
    fn go(&self, from: &Self::Place, tangent: &[f64]) -> Result<Self::Place, Error>;

    /// The tangent vector at `from` that leads home, as far as a home says it.
    ///
    /// # Errors
    /// As [`Space::see`].
    fn homeward(&self, from: &Self::Place, home: &Self::Place) -> Result<Vec<f64>, Error>;

    /// The length that a round-trip time stands for.
    fn length_of(&self, round_trip_us: u32) -> f64 {
        (f64::from(round_trip_us) / f64::from(self.unit_us())).min(LENGTH_WANTED_MAX)
    }
}

/// The Poincaré ball. What the unit is decides how curved the data are: in the small
/// the ball is flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hyperbolic {
    dimension: usize,
    unit_us: u32,
}

impl Hyperbolic {
    /// Of this many dimensions, where one unit of length (at curvature 1) is so many
    /// microseconds of round trip.
    ///
    /// # Errors
    /// When the dimension is not 2 to 1,024, or the unit is zero.
    pub fn new(dimension: usize, unit_us: u32) -> Result<Self, Error> {
        fixed::allowed_dimension(dimension)?;
        if unit_us == 0 { Err(Error::NoTime) } else { Ok(Self { dimension, unit_us }) }
    }
}

impl Space for Hyperbolic {
    type Place = Point;

    fn unit_us(&self) -> u32 {
        self.unit_us
    }

    fn tangent_dimension(&self) -> usize {
        self.dimension
    }

    fn see(&self, from: &Point, to: &Point) -> Result<Seen, Error> {
        fixed::same_dimension(self.dimension, from.dimension())?;
        // Tangents at a place are those at the origin, carried there by translation.
        let seen = from.negated().moebius_add(to)?;
        Ok(seen_along(seen.length_from_origin(), &seen.x))
    }

    fn go(&self, from: &Point, tangent: &[f64]) -> Result<Point, Error> {
        fixed::same_dimension(self.dimension, tangent.len())?;
        from.moebius_add(&Point::at(tangent, norm_squared(tangent).sqrt())?)
    }

    fn homeward(&self, from: &Point, home: &Point) -> Result<Vec<f64>, Error> {
        let Seen { distance, away } = self.see(from, home)?;
        Ok(away.iter().map(|x| -x * distance).collect())
    }
}

/// A place in this direction and distance.
pub(super) fn seen_along(distance: f64, direction: &[f64]) -> Seen {
    let norm = norm_squared(direction).sqrt();
    let away = |x: &f64| if norm > LEAST { -x / norm } else { 0.0 };
    Seen { distance, away: direction.iter().map(away).collect() }
}
