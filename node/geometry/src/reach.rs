//! The policy inequality: the only meaning of “within δ of” and “beyond δ of”.
//!
//! `2^113·Σ(x−c)² ≤ m·(2^80−Σx²)·(2^80−Σc²)` over integers, where
//! `m = (cosh(√κ·δ) − 1)·2^32`. It says `d(x, c) ≤ δ` without a float or a
//! transcendental function, and a circuit can say the same.
//!
//! - **R1** `m` is rounded down for [`Reach::for_within`]: who passes is within δ.
//! - **R2** `m` is rounded up for [`Reach::for_beyond`]: who fails it is beyond δ.
//! - **R3** Both are less than 2 units of `m` from the truth.

use crate::{Curvature, Error, fixed, wide::U256};
use phalanx_types::agent::Position;

/// How far a policy reaches, as the inequality's `m`: below 2^80.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reach(u128);

/// Fractional bits of the series.
const SERIES_BITS: u32 = 96;
/// Fractional bits of `m`.
const REACH_BITS: u32 = 32;
/// Terms of the series: with `z < 2^11` the 128th is below `2^-400`.
const TERMS: u64 = 128;

#[derive(Clone, Copy)]
enum Direction {
    Down,
    Up,
}

impl Direction {
    fn settle(self, (value, cut): (U256, bool)) -> Option<U256> {
        match self {
            Self::Up if cut => value.checked_add(U256::product(1, 1)),
            _ => Some(value),
        }
    }
}

impl Reach {
    /// The largest reach.
    pub const MAX: Self = Self((1 << 80) - 1);

    /// From the number kept in state.
    ///
    /// # Errors
    /// When it is 2^80 or more.
    pub const fn from_raw(m: u128) -> Result<Self, Error> {
        if m > Self::MAX.0 { Err(Error::ReachTooLarge) } else { Ok(Self(m)) }
    }

    /// The number kept in state.
    #[must_use]
    pub const fn raw(self) -> u128 {
        self.0
    }

    /// The reach of “within `length_micro` millionths of length”, rounded down.
    ///
    /// # Errors
    /// When it is about 33.9 or more at curvature 1: a policy of that reach binds
    /// nearly nobody.
    pub fn for_within(curvature: Curvature, length_micro: u64) -> Result<Self, Error> {
        Self::of(curvature, length_micro, Direction::Down)
    }

    /// The reach of “beyond `length_micro` millionths of length”, rounded up.
    ///
    /// # Errors
    /// As [`Reach::for_within`].
    pub fn for_beyond(curvature: Curvature, length_micro: u64) -> Result<Self, Error> {
        Self::of(curvature, length_micro, Direction::Up)
    }

    fn of(curvature: Curvature, length_micro: u64, direction: Direction) -> Result<Self, Error> {
        let m = Self::series(curvature.ppm(), length_micro, direction).filter(|m| *m <= Self::MAX.0);
        m.map(Self).ok_or(Error::ReachTooLong { length_micro, curvature_ppm: curvature.ppm() })
    }

    /// `(cosh(√z) − 1)·2^32` as the sum of `z^k/(2k)!` from k = 1, with
    /// `z = κδ²`: no root is taken, every step rounds to one side.
    fn series(curvature_ppm: u32, length_micro: u64, direction: Direction) -> Option<u128> {
        let length = u128::from(length_micro);
        // κδ² in units of 10^-18, below 2^71 so that z fits 11 + 96 bits.
        let z = U256::product(length * length, u128::from(curvature_ppm));
        let z = z.to_u128().filter(|z| *z < 1 << 71)?;
        let z = U256::product(z, 1 << SERIES_BITS);
        let z = direction.settle(z.div(1_000_000_000_000_000_000))?.to_u128()?;
        let mut term = U256::product(1 << SERIES_BITS, 1);
        let mut sum = U256::ZERO;
        for k in 1..=TERMS {
            // Above 2^150 the sum is past the maximum, which is 2^144 here.
            term.shift_right(75).0.shift_right(75).0.to_u128().filter(|above| *above == 0)?;
            term = direction.settle(term.checked_mul(z)?.shift_right(SERIES_BITS))?;
            term = direction.settle(term.div((2 * k - 1) * (2 * k)))?;
            sum = sum.checked_add(term)?;
        }
        if let Direction::Up = direction {
            // What the series has after its last term.
            sum = sum.checked_add(U256::product(1, 1))?;
        }
        direction.settle(sum.shift_right(SERIES_BITS - REACH_BITS))?.to_u128()
    }

    /// The policy inequality: whether `x` is within this reach of `center`.
    ///
    /// # Errors
    /// When a position is not valid or the dimensions differ.
    pub fn holds(self, x: &Position, center: &Position) -> Result<bool, Error> {
        Ok(self.holds_for(fixed::separation(x, center)?, fixed::gap(x)?, fixed::gap(center)?))
    }

    /// The inequality over what is exact about two valid positions.
    pub(crate) fn holds_for(self, separation: u128, gap_x: u128, gap_center: u128) -> bool {
        // Σ(x−c)² < 2^83, so the left side is below 2^196; the right below 2^240.
        let left = U256::product(separation, 1 << 113);
        U256::product(gap_x, gap_center).checked_mul(self.0).is_some_and(|right| left <= right)
    }
}

/// Whether `x` is certainly no further than the reach from `center`. The reach is
/// one of [`Reach::for_within`].
///
/// # Errors
/// When a position is not valid or the dimensions differ.
pub fn is_within(x: &Position, center: &Position, reach: Reach) -> Result<bool, Error> {
    reach.holds(x, center)
}

/// Whether `x` is certainly further than the reach from `center`. The reach is one
/// of [`Reach::for_beyond`].
///
/// # Errors
/// When a position is not valid or the dimensions differ.
pub fn is_beyond(x: &Position, center: &Position, reach: Reach) -> Result<bool, Error> {
    reach.holds(x, center).map(|holds| !holds)
}
