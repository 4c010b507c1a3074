//! Positions as field elements: six coordinates of 41 bits in each.
//!
//! A coordinate `X` of 40 fractional bits takes the slot `X + 2^40`; slot `j` of an
//! element counts `2^(41·j)`. 246 bits stay below the modulus, so an element has one
//! reading.

use super::{Error, Fr, poseidon, tags};
use ark_ff::BigInt;
use phalanx_types::agent::{COORDINATE_FRACTION_BITS, Position};

/// Bits of a coordinate's slot.
pub const SLOT_BITS: u32 = COORDINATE_FRACTION_BITS + 1;
/// Coordinates in one field element.
pub const COORDINATES_PER_ELEMENT: usize = 6;

const _: () = assert!(SLOT_BITS as usize * COORDINATES_PER_ELEMENT < 253);

/// The slot of a coordinate of a valid position.
pub(crate) fn slot(coordinate: i64) -> u64 {
    coordinate.wrapping_add(1 << COORDINATE_FRACTION_BITS).cast_unsigned()
}

/// The position as field elements.
///
/// # Errors
/// When it is outside of the ball or has too few or too many dimensions.
pub fn pack(position: &Position) -> Result<Vec<Fr>, Error> {
    phalanx_geometry::gap(position)?;
    let element = |chunk: &[i64]| {
        let mut limbs = [0_u64; 4];
        for (at, coordinate) in (0_u32..).step_by(SLOT_BITS as usize).zip(chunk) {
            // The slots do not overlap and end at bit 246: limbs take them by halves.
            let wide = u128::from(slot(*coordinate)) << (at % 64);
            let halves = [wide as u64, (wide >> 64) as u64];
            for (limb, half) in limbs.iter_mut().skip(at as usize / 64).zip(halves) {
                *limb |= half;
            }
        }
        Fr::from(BigInt(limbs))
    };
    Ok(position.0.chunks(COORDINATES_PER_ELEMENT).map(element).collect())
}

/// What [`position_hash`] hashes in the end.
pub(super) fn position_inputs(position: &Position) -> Result<Vec<Fr>, Error> {
    Ok(poseidon::list_inputs(tags::POSITION, position.0.len() as u32, pack(position)?))
}

/// Poseidon over the packed position and the number of its dimensions. It is also the
/// name of a region: its centre's hash.
///
/// # Errors
/// As [`pack`].
pub fn position_hash(position: &Position) -> Result<Fr, Error> {
    Ok(poseidon::hash_list(tags::POSITION, position.0.len() as u32, &pack(position)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{Field, PrimeField};

    #[test]
    fn each_coordinate_has_its_slot() {
        let coordinates: Vec<i64> = (1..=8).map(|i| (i - 4) << 36).collect();
        let packed = pack(&Position(coordinates.clone())).unwrap();
        let expected: Vec<Fr> = coordinates
            .chunks(6)
            .map(|chunk| {
                let step = Fr::from(2).pow([41]);
                chunk.iter().rev().fold(Fr::from(0), |sum, x| sum * step + Fr::from(slot(*x)))
            })
            .collect();
        assert_eq!(packed, expected);
        assert!(packed.iter().all(|x| x.into_bigint().0[3] >> 54 == 0));
    }

    #[test]
    fn a_position_is_bound_to_its_dimension() {
        let hash = |n: usize| position_hash(&Position(vec![0; n])).unwrap();
        assert_ne!(hash(2), hash(3));
        assert_ne!(hash(64), hash(512));
    }

    #[test]
    fn what_is_outside_of_the_ball_has_no_hash() {
        assert!(position_hash(&Position(vec![1 << 40, 0])).is_err());
        assert!(position_hash(&Position(vec![-(1 << 40), 0])).is_err());
        assert!(position_hash(&Position(vec![i64::MIN, i64::MAX])).is_err());
        assert!(position_hash(&Position(vec![0])).is_err());
    }
}
