//! Places in the ball, and the policy inequality.
//!
//! Everything is exact integer arithmetic that never reaches the modulus. With
//! coordinates below `2^41` in magnitude and at most 512 of them, `Σx²` is below `2^91`:
//! a gap that is not negative and below `2^80` as a field element is so as an integer.
//! `m·gap·gap` is below `2^240`, `2^113·Σ(x−c)²` below `2^197` for places inside, and
//! the modulus is above `2^253`: a difference that is in range as a field element is so
//! as an integer.

use super::{System, bits};
use crate::native::{COORDINATES_PER_ELEMENT, SLOT_BITS, tags};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use phalanx_types::agent::{COORDINATE_FRACTION_BITS, Position};

/// Bits of a gap, of `m`, and of their product.
const GAP_BITS: u32 = 2 * COORDINATE_FRACTION_BITS;
const REACH_BITS: u32 = 80;
const PRODUCT_BITS: u32 = REACH_BITS + 2 * GAP_BITS;
/// The least gap of a valid position: `2^-24` in units of `2^-80`.
const GAP_MIN: u128 = 1 << (GAP_BITS - 24);
/// `2^113` of the inequality.
const SEPARATION_SHIFT: u64 = 113;

const _: () = assert!(PRODUCT_BITS < 253);

/// A place that is inside of the ball.
pub(crate) struct Place<N> {
    coordinates: Vec<N>,
    /// `Σx²`
    norm: N,
    /// `2^80 − Σx²`, from `2^56` to `2^80`.
    gap: N,
    /// Its [`position_hash`](crate::native::position_hash).
    pub(crate) hash: N,
}

/// On which side of the inequality a place is.
pub(crate) enum Side<'a, N> {
    /// It holds.
    Holds,
    /// It holds where this number is 0, and does not where it is 1.
    By(&'a N),
}

/// Opens a place: each coordinate is its 41 bits less `2^40`, and the norm leaves a gap of
/// at least `2^56`.
pub(crate) fn place<C: System>(cs: &mut C, position: &Position) -> Place<C::Num> {
    let one = cs.constant(Fr::ONE);
    let half = Fr::from(1_u64 << COORDINATE_FRACTION_BITS);
    let mut coordinates = Vec::with_capacity(position.0.len());
    let mut elements = Vec::with_capacity(position.0.len().div_ceil(COORDINATES_PER_ELEMENT));
    let step = Fr::from(1_u64 << SLOT_BITS);
    for chunk in position.0.chunks(COORDINATES_PER_ELEMENT) {
        let (mut element, mut weight) = (cs.constant(Fr::ZERO), Fr::ONE);
        for coordinate in chunk {
            // A coordinate that has no slot breaks the sum of its bits elsewhere: the
            // norm or the hash is another one.
            let slot = bits::number(cs, Fr::from(*coordinate) + half, SLOT_BITS);
            cs.add(&mut element, weight, &slot);
            weight *= step;
            coordinates.push(cs.sum([(Fr::ONE, &slot), (-half, &one)]));
        }
        elements.push(element);
    }
    let mut norm = cs.constant(Fr::ZERO);
    for x in &coordinates {
        let square = cs.product(x, x);
        cs.add(&mut norm, Fr::ONE, &square);
    }
    let gap = cs.sum([(Fr::from(1_u128 << GAP_BITS), &one), (-Fr::ONE, &norm)]);
    let above = cs.sum([(Fr::ONE, &gap), (-Fr::from(GAP_MIN), &one)]);
    bits::range(cs, "the place is inside of the ball", &above, GAP_BITS);
    let hash = super::hash_list(cs, tags::POSITION, position.0.len() as u32, &elements);
    Place { coordinates, norm, gap, hash }
}

/// A reach is below `2^80`.
pub(crate) fn reach<C: System>(cs: &mut C, m: &C::Num) {
    bits::range(cs, "m is below 2^80", m, REACH_BITS);
}

/// `2^113·Σ(x−c)² ≤ m·(2^80−Σx²)·(2^80−Σc²)`, or that it does not hold; for an `m` that is
/// a reach and a side that is a bit.
pub(crate) fn inequality<C: System>(
    cs: &mut C,
    rule: &'static str,
    x: &Place<C::Num>,
    c: &Place<C::Num>,
    m: &C::Num,
    side: Side<'_, C::Num>,
) {
    let two = Fr::from(2);
    let mut separation = cs.sum([(Fr::ONE, &x.norm), (Fr::ONE, &c.norm)]);
    for (a, b) in x.coordinates.iter().zip(&c.coordinates) {
        let product = cs.product(a, b);
        cs.add(&mut separation, -two, &product);
    }
    let gaps = cs.product(&x.gap, &c.gap);
    let right = cs.product(m, &gaps);
    let left = two.pow([SEPARATION_SHIFT]);
    let room = cs.sum([(Fr::ONE, &right), (-left, &separation)]);
    let room = match side {
        Side::Holds => room,
        // For beyond: what the left side has more than the right, less one.
        Side::By(beyond) => {
            let taken = cs.product(beyond, &room);
            cs.sum([(Fr::ONE, &room), (-two, &taken), (-Fr::ONE, beyond)])
        }
    };
    bits::range(cs, rule, &room, PRODUCT_BITS);
}
