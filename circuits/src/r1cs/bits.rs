//! Bits and ranges.

use super::System;
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};

/// A bit: `b·(1 − b) = 0`.
pub(crate) fn bit<C: System>(cs: &mut C, value: bool) -> C::Num {
    let bit = cs.hint(Fr::from(value));
    let (one, zero) = (cs.constant(Fr::ONE), cs.constant(Fr::ZERO));
    let other = cs.minus(&one, &bit);
    cs.enforce("a bit is 0 or 1", &bit, &other, &zero);
    bit
}

/// The number of `count` new bits that hold `value`, low bit first: it is below
/// `2^count` because it is made of them. One constraint a bit.
pub(crate) fn number<C: System>(cs: &mut C, value: Fr, count: u32) -> C::Num {
    let integer = value.into_bigint();
    let mut number = cs.constant(Fr::ZERO);
    let mut weight = Fr::ONE;
    for at in 0..count {
        let bit = bit(cs, integer.get_bit(at as usize));
        cs.add(&mut number, weight, &bit);
        weight.double_in_place();
    }
    number
}

/// `0 ≤ number < 2^count`, for fewer bits than the field has.
pub(crate) fn range<C: System>(cs: &mut C, rule: &'static str, what: &C::Num, count: u32) {
    let value = cs.value(what);
    let made = number(cs, value, count);
    cs.equal(rule, what, &made);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::r1cs::Assignment;

    #[test]
    fn a_range_ends_where_it_says() {
        for (value, fits) in [
            (Fr::from(0), true),
            (Fr::from((1_u64 << 40) - 1), true),
            (Fr::from(1_u64 << 40), false),
            (-Fr::from(1), false),
            (-Fr::from(1_u64 << 40), false),
        ] {
            let mut cs = Assignment::with_capacity(64);
            range(&mut cs, "range", &value, 40);
            assert_eq!(cs.broken().is_none(), fits, "{value}");
        }
    }
}
