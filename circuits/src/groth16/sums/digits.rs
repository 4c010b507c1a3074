//! Scalars, cut into signed digits.

use ark_bn254::Fr;
use ark_ff::{BigInt, PrimeField};
use zeroize::Zeroizing;

/// Bits of a scalar, and one for the carry out of its highest digit.
const SCALAR_BITS: u32 = 255;

/// Numbers below the scalars' modulus, and their digits `−2^(c−1)` to `2^(c−1)`.
pub(in crate::groth16) struct Scalars {
    numbers: Zeroizing<Vec<BigInt<4>>>,
    /// Bits of a digit.
    bits: u32,
    /// Window by window, lowest first: the digits of all numbers.
    digits: Zeroizing<Vec<i16>>,
}

impl Scalars {
    pub(in crate::groth16) fn new(scalars: &[Fr]) -> Self {
        let numbers: Vec<_> = scalars.iter().map(|s| s.into_bigint()).collect();
        let bits = best_bits(numbers.len());
        let windows = SCALAR_BITS.div_ceil(bits) as usize;
        let mut digits = Zeroizing::new(vec![0; windows * numbers.len()]);
        for (i, number) in numbers.iter().enumerate() {
            let mut carry = 0;
            for window in 0..windows {
                let mut digit = i32::from(cut(number, window as u32 * bits, bits)) + carry;
                carry = i32::from(digit > 1 << (bits - 1));
                digit -= carry << bits;
                if let Some(to) = digits.get_mut(window * numbers.len() + i) {
                    *to = digit as i16;
                }
            }
        }
        Self { numbers: Zeroizing::new(numbers), bits, digits }
    }

    pub(super) fn numbers(&self) -> &[BigInt<4>] {
        &self.numbers
    }

    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// The digits of each window, lowest first.
    pub(super) fn windows(&self) -> Vec<&[i16]> {
        self.digits.chunks(self.numbers.len().max(1)).collect()
    }
}

/// `bits` bits of a number, from bit `from` on.
fn cut(BigInt(words): &BigInt<4>, from: u32, bits: u32) -> u16 {
    let (word, shift) = ((from / 64) as usize, from % 64);
    let two = |at: usize| u128::from(words.get(at).copied().unwrap_or(0));
    let both = two(word) | two(word + 1) << 64;
    (both >> shift) as u16 & ((1 << bits) - 1)
}

/// The bits of a digit with which there is least to add: every number once a window, then
/// half of all possible digits for each of their bits.
fn best_bits(count: usize) -> u32 {
    let additions =
        |bits: &u32| SCALAR_BITS.div_ceil(*bits) as usize * (count + (*bits as usize) * (1 << bits) / 4);
    (4..=14).min_by_key(additions).unwrap_or(4)
}
