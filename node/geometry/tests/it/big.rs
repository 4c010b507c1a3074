//! The textbook formulas in 512 bits, and random positions.

use dashu_float::{FBig, round::mode::HalfEven};
use phalanx_geometry::Point;
use phalanx_types::agent::Position;
use proptest::prelude::*;

pub type Big = FBig<HalfEven, 2>;

const BITS: usize = 512;

pub fn big(x: f64) -> Big {
    Big::try_from(x).unwrap().with_precision(BITS).value()
}

pub fn integer(x: u128) -> Big {
    Big::from(x).with_precision(BITS).value()
}

pub fn float(x: &Big) -> f64 {
    x.to_f64().value()
}

/// The largest `m` at which the inequality of [`phalanx_geometry::Reach`] may not hold yet,
/// and whether it does hold there: the whole part of
/// `2^113·Σ(x−y)² / ((2^80−Σx²)·(2^80−Σy²))`, and whether nothing is left over.
pub fn boundary(x: &Position, y: &Position) -> (u128, bool) {
    let raw = |p: &Position| BigPoint(p.0.iter().map(|c| big(*c as f64)).collect());
    let (p, q) = (raw(x), raw(y));
    let apart = p.plus(&q.negated());
    let one = integer(1 << 80);
    let left = integer(1 << 113) * apart.dot(&apart);
    let gaps = (&one - p.dot(&p)) * (&one - q.dot(&q));
    let whole = (&left / &gaps).floor();
    let is_exact = &whole * gaps == left;
    (u128::try_from(whole.to_int().value()).unwrap(), is_exact)
}

/// A point in big numbers.
#[derive(Clone)]
pub struct BigPoint(pub Vec<Big>);

impl BigPoint {
    pub fn of(position: &Position) -> Self {
        Self(position.0.iter().map(|x| big(*x as f64) / big((1u64 << 40) as f64)).collect())
    }

    pub fn at(coordinates: &[f64]) -> Self {
        Self(coordinates.iter().map(|x| big(*x)).collect())
    }

    pub fn dot(&self, other: &Self) -> Big {
        self.0.iter().zip(&other.0).fold(big(0.0), |sum, (x, y)| sum + x * y)
    }

    pub fn gap(&self) -> Big {
        big(1.0) - self.dot(self)
    }

    pub fn times(&self, factor: &Big) -> Self {
        Self(self.0.iter().map(|x| x * factor).collect())
    }

    pub fn plus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(x, y)| x + y).collect())
    }

    pub fn negated(&self) -> Self {
        self.times(&big(-1.0))
    }

    /// The documents' metric: arcosh(1 + 2‖x−y‖²/((1−‖x‖²)(1−‖y‖²))).
    pub fn distance(&self, other: &Self) -> Big {
        let apart = self.plus(&other.negated());
        let u = big(2.0) * apart.dot(&apart) / (self.gap() * other.gap());
        arcosh_plus_one(&u)
    }

    /// Möbius addition as textbooks write it.
    pub fn moebius_add(&self, other: &Self) -> Self {
        let (xy, xx, yy) = (self.dot(other), self.dot(self), other.dot(other));
        let two = big(2.0) * xy;
        let below = big(1.0) + &two + &xx * &yy;
        self.times(&((big(1.0) + two + yy) / &below)).plus(&other.times(&((big(1.0) - xx) / below)))
    }

    /// `factor ⊗ x = tanh(factor·artanh ‖x‖)·x/‖x‖`.
    pub fn scaled(&self, factor: &Big) -> Self {
        let norm = self.dot(self).sqrt();
        if norm == big(0.0) {
            return self.clone();
        }
        self.times(&(tanh(&(artanh(&norm) * factor)) / norm))
    }
}

/// arcosh(1 + u) = ln(1 + u + √(u(u+2))).
pub fn arcosh_plus_one(u: &Big) -> Big {
    (big(1.0) + u + (u * (u + big(2.0))).sqrt()).ln()
}

pub fn tanh(x: &Big) -> Big {
    let e = (x * big(2.0)).exp();
    (&e - big(1.0)) / (e + big(1.0))
}

pub fn artanh(x: &Big) -> Big {
    ((big(1.0) + x) / (big(1.0) - x)).ln() / big(2.0)
}

pub fn cosh(x: &Big) -> Big {
    (x.exp() + (-x).exp()) / big(2.0)
}

/// How far a reckoned point is from the true one: its coordinates and its gap
/// both count.
pub fn error(found: &Point, truth: &BigPoint) -> f64 {
    let place = BigPoint::at(found.coordinates());
    let apart = place.plus(&truth.negated());
    let sideways = float(&(big(2.0) * (apart.dot(&apart) / (big(found.gap()) * truth.gap())).sqrt()));
    let inwards = float(&(big(found.gap()) / truth.gap())) - 1.0;
    sideways.max(inwards.abs())
}

/// Any position: every direction, every distance up to 18.
pub fn positions(dimension: usize) -> impl Strategy<Value = Position> + Clone {
    let radius = prop_oneof![0.0..18.0f64, Just(18.0), Just(0.0), 0.0..0.001f64, 17.9..18.0f64];
    (prop::collection::vec(-1.0..1.0f64, dimension), radius)
        .prop_map(|(direction, radius)| Point::at(&direction, radius).unwrap().to_position().unwrap())
}

/// Two positions of one dimension: independent, or near one another.
pub fn pairs() -> impl Strategy<Value = (Position, Position)> {
    prop_oneof![Just(2usize), Just(3), Just(8), Just(64)].prop_flat_map(|dimension| {
        let near = (positions(dimension), prop::collection::vec(-(1i64 << 18)..1 << 18, dimension)).prop_map(
            |(x, steps)| {
                // Towards the origin, so that it stays inside.
                let y = x.0.iter().zip(&steps).map(|(x, s)| x - x.signum() * s.abs().min(x.abs())).collect();
                (x, Position(y))
            },
        );
        prop_oneof![
            3 => (positions(dimension), positions(dimension)),
            1 => near,
            1 => positions(dimension).prop_map(|x| (x.clone(), Position(x.0.iter().map(|c| -c).collect()))),
        ]
    })
}
