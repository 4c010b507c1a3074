//! Points as bytes: uncompressed, each coordinate 32 bytes big-endian, infinity all zero.
//!
//! The order of the halves of a coordinate in G2 is told by [`Order`]: files have `c0`
//! first, like snarkjs; the chain's precompile has `c1` first.

use super::PointError;
use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, BigInteger, PrimeField};

/// Bytes of a coordinate.
pub const COORDINATE_LEN: usize = 32;
/// Bytes of a point of G1.
pub const G1_LEN: usize = 2 * COORDINATE_LEN;
/// Bytes of a point of G2.
pub const G2_LEN: usize = 4 * COORDINATE_LEN;

/// Which half of a coordinate in G2 comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `c0`, as in files.
    RealFirst,
    /// `c1`, as on the chain.
    ImaginaryFirst,
}

fn write(to: &mut Vec<u8>, coordinate: &Fq) {
    to.extend(coordinate.into_bigint().to_bytes_be());
}

fn read(bytes: &[u8]) -> Result<Fq, PointError> {
    let mut limbs = [0_u64; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks(8)) {
        *limb = chunk.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    }
    Fq::from_bigint(BigInt(limbs)).ok_or(PointError::Coordinate)
}

/// Appends a point of G1.
pub fn write_g1(to: &mut Vec<u8>, point: &G1Affine) {
    let (x, y) = point.xy().unwrap_or_default();
    write(to, &x);
    write(to, &y);
}

/// Appends a point of G2.
pub fn write_g2(to: &mut Vec<u8>, point: &G2Affine, order: Order) {
    let (x, y) = point.xy().unwrap_or_default();
    for coordinate in [x, y] {
        let (first, second) = match order {
            Order::RealFirst => (coordinate.c0, coordinate.c1),
            Order::ImaginaryFirst => (coordinate.c1, coordinate.c0),
        };
        write(to, &first);
        write(to, &second);
    }
}

/// A point of G1 from coordinates; infinity is not one.
///
/// # Errors
/// When it is not on the curve, which is all there is to G1.
pub fn g1(x: Fq, y: Fq) -> Result<G1Affine, PointError> {
    let point = G1Affine::new_unchecked(x, y);
    if point.is_on_curve() { Ok(point) } else { Err(PointError::NotOnCurve) }
}

/// A point of the curve of G2 from coordinates; infinity is not one.
///
/// # Errors
/// When it is not on the curve. Membership in the group is [`in_group`].
pub fn g2(x: Fq2, y: Fq2) -> Result<G2Affine, PointError> {
    let point = G2Affine::new_unchecked(x, y);
    if point.is_on_curve() { Ok(point) } else { Err(PointError::NotOnCurve) }
}

/// The point, when it is in the subgroup.
///
/// # Errors
/// When it is not.
pub fn in_group(point: G2Affine) -> Result<G2Affine, PointError> {
    if point.is_in_correct_subgroup_assuming_on_curve() { Ok(point) } else { Err(PointError::NotInSubgroup) }
}

/// A point of G1 or infinity, from [`G1_LEN`] bytes.
///
/// # Errors
/// When they are none.
pub fn read_g1(bytes: &[u8]) -> Result<G1Affine, PointError> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(G1Affine::identity());
    }
    let (x, y) = bytes.split_at(bytes.len().min(COORDINATE_LEN));
    g1(read(x)?, read(y)?)
}

/// A point of the curve of G2 or infinity, from [`G2_LEN`] bytes. Membership in the group
/// is [`in_group`].
///
/// # Errors
/// When they are none.
pub fn read_g2(bytes: &[u8], order: Order) -> Result<G2Affine, PointError> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(G2Affine::identity());
    }
    let mut halves = [Fq::default(); 4];
    for (half, bytes) in halves.iter_mut().zip(bytes.chunks(COORDINATE_LEN)) {
        *half = read(bytes)?;
    }
    let [a, b, c, d] = halves;
    match order {
        Order::RealFirst => g2(Fq2::new(a, b), Fq2::new(c, d)),
        Order::ImaginaryFirst => g2(Fq2::new(b, a), Fq2::new(d, c)),
    }
}
