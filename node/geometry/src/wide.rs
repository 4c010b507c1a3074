//! Unsigned integers of 256 bits: what the exact inequalities need, not more.

/// An unsigned integer of 256 bits, least significant word first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct U256([u64; 4]);

const fn low(x: u128) -> u64 {
    (x & 0xffff_ffff_ffff_ffff) as u64
}

const fn high(x: u128) -> u64 {
    (x >> 64) as u64
}

impl U256 {
    pub(crate) const ZERO: Self = Self([0; 4]);

    /// `high·2^128 + low`.
    const fn join(high_half: u128, low_half: u128) -> Self {
        Self([low(low_half), high(low_half), low(high_half), high(high_half)])
    }

    const fn halves(self) -> (u128, u128) {
        let [a, b, c, d] = self.0;
        ((d as u128) << 64 | c as u128, (b as u128) << 64 | a as u128)
    }

    /// `a·b`, which always fits.
    pub(crate) const fn product(a: u128, b: u128) -> Self {
        let (a0, a1, b0, b1) = (low(a) as u128, high(a) as u128, low(b) as u128, high(b) as u128);
        let p00 = a0 * b0;
        let p01 = a0 * b1;
        let p10 = a1 * b0;
        let p11 = a1 * b1;
        // At most 3·(2^64 - 1): no carry is lost.
        let middle = high(p00) as u128 + low(p01) as u128 + low(p10) as u128;
        let low_half = middle << 64 | low(p00) as u128;
        let high_half = p11 + high(p01) as u128 + high(p10) as u128 + (middle >> 64);
        Self::join(high_half, low_half)
    }

    /// `self·factor`, when it fits.
    pub(crate) fn checked_mul(self, factor: u128) -> Option<Self> {
        let (high_half, low_half) = self.halves();
        let below = Self::product(low_half, factor);
        let (overflow, above) = Self::product(high_half, factor).halves();
        let (carried, rest) = below.halves();
        if overflow != 0 {
            return None;
        }
        carried.checked_add(above).map(|top| Self::join(top, rest))
    }

    /// `self + other`, when it fits.
    pub(crate) fn checked_add(self, other: Self) -> Option<Self> {
        let ((a1, a0), (b1, b0)) = (self.halves(), other.halves());
        let (sum, carry) = a0.overflowing_add(b0);
        a1.checked_add(b1)?.checked_add(u128::from(carry)).map(|top| Self::join(top, sum))
    }

    /// `self - other`, when it is not negative.
    pub(crate) fn checked_sub(self, other: Self) -> Option<Self> {
        let ((a1, a0), (b1, b0)) = (self.halves(), other.halves());
        let (difference, borrow) = a0.overflowing_sub(b0);
        a1.checked_sub(b1)?.checked_sub(u128::from(borrow)).map(|top| Self::join(top, difference))
    }

    /// `⌊self/divisor⌋` and whether something was left over. A divisor of zero
    /// counts as one.
    pub(crate) fn div(self, divisor: u64) -> (Self, bool) {
        let divisor = u128::from(divisor.max(1));
        let mut rest: u128 = 0;
        let mut quotient = self.0;
        for word in quotient.iter_mut().rev() {
            let value = rest << 64 | u128::from(*word);
            *word = low(value / divisor);
            rest = value % divisor;
        }
        (Self(quotient), rest != 0)
    }

    /// `⌊self/2^bits⌋` for fewer than 128 bits, and whether something was cut off.
    pub(crate) fn shift_right(self, bits: u32) -> (Self, bool) {
        let (high_half, low_half) = self.halves();
        if bits == 0 || bits >= 128 {
            return (self, false);
        }
        let shifted = Self::join(high_half >> bits, low_half >> bits | high_half << (128 - bits));
        (shifted, low_half << (128 - bits) != 0)
    }

    /// The value when it is below 2^128.
    pub(crate) fn to_u128(self) -> Option<u128> {
        match self.halves() {
            (0, low_half) => Some(low_half),
            _ => None,
        }
    }

    /// The integer square root.
    pub(crate) fn isqrt(self) -> u128 {
        let mut root: u128 = 0;
        for bit in (0..128).rev() {
            let candidate = root | 1 << bit;
            if Self::product(candidate, candidate) <= self {
                root = candidate;
            }
        }
        root
    }
}

impl Ord for U256 {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.halves().cmp(&other.halves())
    }
}

impl PartialOrd for U256 {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_product_divided_by_its_factor_gives_the_other(a: u128, b in 1u64..) {
            let product = U256::product(a, u128::from(b));
            prop_assert_eq!(product.div(b), (U256::product(a, 1), false));
            prop_assert_eq!(U256::product(a, 1).checked_mul(u128::from(b)), Some(product));
        }

        #[test]
        fn a_square_has_its_root(a: u128) {
            let square = U256::product(a, a);
            prop_assert_eq!(square.isqrt(), a);
            if a > 0 {
                prop_assert_eq!(square.checked_sub(U256::product(1, 1)).unwrap().isqrt(), a - 1);
            }
        }

        #[test]
        fn products_distribute(a: u128, b: u64, c: u64) {
            let (b, c) = (u128::from(b), u128::from(c));
            let apart = U256::product(a, b).checked_add(U256::product(a, c));
            prop_assert_eq!(apart, Some(U256::product(a, b + c)));
            prop_assert_eq!(apart.unwrap().checked_sub(U256::product(a, c)), Some(U256::product(a, b)));
        }

        #[test]
        fn a_shift_is_a_division(a: u128, b: u128, bits in 1u32..64) {
            let value = U256::product(a, b);
            prop_assert_eq!(value.shift_right(bits), value.div(1 << bits));
        }
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let most = U256::product(u128::MAX, u128::MAX);
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(most.checked_add(most), None);
        assert_eq!(U256::ZERO.checked_sub(most), None);
        assert_eq!(most.to_u128(), None);
        assert_eq!(U256::product(7, 6).to_u128(), Some(42));
    }
}
