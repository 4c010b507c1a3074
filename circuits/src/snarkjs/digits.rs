//! Field elements as decimal digits: one element, one text.

use super::FormatError;
use ark_ff::{BigInt, PrimeField};

/// Digits of the largest element of either field.
const DIGITS_MAX: usize = 77;

/// Reads an element.
pub(super) fn read<F: PrimeField<BigInt = BigInt<4>>>(
    what: &'static str,
    text: &str,
) -> Result<F, FormatError> {
    let refused = |reason| FormatError::Number { what, reason };
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refused("not a decimal number"));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(refused("a number with a leading zero"));
    }
    let above = refused("not below the modulus");
    if text.len() > DIGITS_MAX {
        return Err(above);
    }
    // 77 digits are below 2^256.
    let mut limbs = [0_u64; 4];
    for byte in text.bytes() {
        let mut carry = u128::from(byte - b'0');
        for limb in &mut limbs {
            carry += u128::from(*limb) * 10;
            *limb = carry as u64;
            carry >>= 64;
        }
    }
    F::from_bigint(BigInt(limbs)).ok_or(above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_bn254::Fr;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_element_is_read_as_it_is_written(limbs: [u64; 4]) {
            let element = Fr::from(BigInt([limbs[0], limbs[1], limbs[2], limbs[3] >> 4]));
            prop_assert_eq!(read::<Fr>("n", &element.to_string()), Ok(element));
        }
    }

    #[test]
    fn every_other_text_is_refused() {
        let most = (-Fr::from(1)).to_string();
        assert_eq!(read::<Fr>("n", &most), Ok(-Fr::from(1)));
        let modulus = "21888242871839275222246405745257275088548364400416034343698204186575808495617";
        let all_nines = "9".repeat(77);
        for text in ["", "00", "01", "-1", "+1", "0x1", " 1", "1 ", "1.0", "1e3", "٣", modulus, &all_nines] {
            assert!(read::<Fr>("n", text).is_err(), "{text}");
        }
        assert!(read::<Fr>("n", &"1".repeat(100_000)).is_err());
    }
}
