//! The Grain shift register that Poseidon's constants come from.
//!
//! As in the reference of the Poseidon paper (`generate_parameters_grain.sage`), for
//! prime fields and `x^5`. It gives the constants of circomlib.

use super::Fr;
use ark_ff::{BigInt, BigInteger, PrimeField};

const FIELD_BITS: u32 = Fr::MODULUS_BIT_SIZE;
/// Bits that are thrown away before the first one is used.
const WARM_UP: usize = 160;

/// Eighty bits; the lowest one leaves first.
pub(crate) struct Grain(u128);

impl Grain {
    /// For a permutation of `width` lanes.
    pub(crate) fn new(width: u32, full_rounds: u32, partial_rounds: u32) -> Self {
        let mut state = 0_u128;
        let mut at = 0;
        let fields = [
            (1, 2),
            (0, 4),
            (FIELD_BITS, 12),
            (width, 12),
            (full_rounds, 10),
            (partial_rounds, 10),
            ((1 << 30) - 1, 30),
        ];
        for (value, bits) in fields {
            for bit in (0..bits).rev() {
                state |= u128::from(value >> bit & 1) << at;
                at += 1;
            }
        }
        let mut grain = Self(state);
        for _ in 0..WARM_UP {
            grain.step();
        }
        grain
    }

    fn step(&mut self) -> bool {
        let s = self.0;
        let new = (s >> 62 ^ s >> 51 ^ s >> 38 ^ s >> 23 ^ s >> 13 ^ s) & 1;
        self.0 = s >> 1 | new << 79;
        new == 1
    }

    /// Of each pair of bits the second counts if the first is set.
    fn bit(&mut self) -> bool {
        while !self.step() {
            self.step();
        }
        self.step()
    }

    fn integer(&mut self) -> BigInt<4> {
        let mut bits: Vec<bool> = (0..FIELD_BITS).map(|_| self.bit()).collect();
        bits.reverse();
        BigInt::from_bits_le(&bits)
    }

    /// A round constant: integers that are no field element are skipped.
    pub(crate) fn constant(&mut self) -> Fr {
        loop {
            if let Some(constant) = Fr::from_bigint(self.integer()) {
                return constant;
            }
        }
    }

    /// The Cauchy matrix `1/(x_i + y_j)`; integers are reduced, and a draw in which two are
    /// equal is made again.
    pub(crate) fn matrix(&mut self, width: usize) -> Vec<Vec<Fr>> {
        loop {
            let drawn: Vec<Fr> =
                (0..2 * width).map(|_| Fr::from_le_bytes_mod_order(&self.integer().to_bytes_le())).collect();
            let (x, y) = drawn.split_at(width);
            let inverse = |a: &Fr, b: &Fr| ark_ff::Field::inverse(&(*a + b));
            let rows: Option<Vec<Vec<Fr>>> =
                x.iter().map(|a| y.iter().map(|b| inverse(a, b)).collect()).collect();
            if let Some(rows) =
                rows.filter(|_| drawn.iter().collect::<std::collections::BTreeSet<_>>().len() == drawn.len())
            {
                return rows;
            }
        }
    }
}
