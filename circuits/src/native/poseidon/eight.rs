//! Eight permutations side by side, where the processor multiplies 52-bit numbers in 512-bit
//! registers (AVX-512 IFMA).
//!
//! An element is five limbs of 52 bits, times `2^260` as Montgomery has it (1985). Limb `i` of
//! eight elements is one register.
//!
//! - **E1** Every element between two operations is below `5p` and has limbs below `2^52`.
//! - **E2** A reduction divides by `2^260`, and `p` is below `2^260/84`. So a sum of up to 48
//!   products of an element and a constant below `p`, plus a constant, comes out below
//!   `48·5p·p/2^260 + p + p`, and a product of two elements below `25p·p/2^260 + p`: both are
//!   below `5p`. 48 is `3t − 3` of the widest permutation, the longest sum there is.
//! - **E3** A register takes at most ten parts below `2^52` of each product, so that 48 of them and
//!   a reduction stay below `2^61`.

use super::{
    LANES,
    rounds::{Arithmetic, Rounds},
};
use crate::native::Fr;
use ark_ff::{BigInt, BigInteger, Field, PrimeField};
use std::arch::x86_64::__m512i;

const LIMBS: usize = 5;
const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;

pulp::simd_type! {
    /// That the processor has what is needed.
    pub(super) struct Eight {
        avx512f: "avx512f",
        avx512ifma: "avx512ifma",
    }
}

/// Limbs of a number below `2^260`.
type Limbs = [u64; LIMBS];

/// Eight elements, limb by limb.
#[derive(Clone, Copy)]
pub(super) struct Elements([__m512i; LIMBS]);

/// A constant, below the modulus.
pub(super) struct Constant(Limbs);

const fn split(BigInt([a, b, c, d]): BigInt<4>) -> Limbs {
    [a & MASK, (a >> 52 | b << 12) & MASK, (b >> 40 | c << 24) & MASK, (c >> 28 | d << 36) & MASK, d >> 16]
}

const fn join([a, b, c, d, e]: Limbs) -> BigInt<4> {
    BigInt([a | b << 52, b >> 12 | c << 40, c >> 24 | d << 28, d >> 36 | e << 16])
}

const MODULUS: Limbs = split(Fr::MODULUS);

/// `−1/p` modulo `2^52`, by Newton's iteration: each step doubles the bits that are right.
const NEGATIVE_INVERSE: u64 = {
    let [lowest, ..] = MODULUS;
    let mut inverse = 1_u64;
    let mut bits = 1;
    while bits < BITS {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(lowest.wrapping_mul(inverse)));
        bits *= 2;
    }
    inverse.wrapping_neg() & MASK
};

impl Constant {
    pub(super) fn of(value: &Fr) -> Self {
        Self(split((Fr::from(2).pow([260]) * value).into_bigint()))
    }
}

#[allow(clippy::indexing_slicing, reason = "by constants, in arrays; closures would not be inlined")]
impl Eight {
    #[inline(always)]
    fn splat(&self, limb: u64) -> __m512i {
        self.avx512f._mm512_set1_epi64(limb.cast_signed())
    }

    #[inline(always)]
    fn spread(&self, [a, b, c, d, e]: Limbs) -> [__m512i; LIMBS] {
        [self.splat(a), self.splat(b), self.splat(c), self.splat(d), self.splat(e)]
    }

    /// `sum + a·b`
    #[inline(always)]
    fn add_product(&self, sum: &mut [__m512i; 2 * LIMBS], a: &[__m512i; LIMBS], b: &[__m512i; LIMBS]) {
        for i in 0..LIMBS {
            for j in 0..LIMBS {
                sum[i + j] = self.avx512ifma._mm512_madd52lo_epu64(sum[i + j], a[i], b[j]);
                sum[i + j + 1] = self.avx512ifma._mm512_madd52hi_epu64(sum[i + j + 1], a[i], b[j]);
            }
        }
    }

    #[inline(always)]
    fn carried(&self, limb: __m512i, below: __m512i) -> __m512i {
        self.avx512f._mm512_add_epi64(limb, self.avx512f._mm512_srli_epi64::<BITS>(below))
    }

    /// Limbs below `2^52` again.
    #[inline(always)]
    fn settled(&self, mut limbs: [__m512i; LIMBS]) -> Elements {
        let mask = self.splat(MASK);
        for i in 1..LIMBS {
            limbs[i] = self.carried(limbs[i], limbs[i - 1]);
            limbs[i - 1] = self.avx512f._mm512_and_si512(limbs[i - 1], mask);
        }
        Elements(limbs)
    }

    /// `sum/2^260`, modulo `p`.
    #[inline(always)]
    fn reduced(&self, mut sum: [__m512i; 2 * LIMBS]) -> Elements {
        let (zero, inverse, modulus) = (self.splat(0), self.splat(NEGATIVE_INVERSE), self.spread(MODULUS));
        for i in 0..LIMBS {
            // The multiple of p that makes limb i zero.
            let factor = self.avx512ifma._mm512_madd52lo_epu64(zero, sum[i], inverse);
            for j in 0..LIMBS {
                sum[i + j] = self.avx512ifma._mm512_madd52lo_epu64(sum[i + j], factor, modulus[j]);
                sum[i + j + 1] = self.avx512ifma._mm512_madd52hi_epu64(sum[i + j + 1], factor, modulus[j]);
            }
            sum[i + 1] = self.carried(sum[i + 1], sum[i]);
        }
        let [.., a, b, c, d, e] = sum;
        self.settled([a, b, c, d, e])
    }

    #[inline(always)]
    fn product(&self, a: &Elements, b: &Elements) -> Elements {
        let mut sum = [self.splat(0); 2 * LIMBS];
        self.add_product(&mut sum, &a.0, &b.0);
        self.reduced(sum)
    }

    /// From the field's own form, times `2^256`.
    #[inline(always)]
    fn loaded(&self, lanes: &[Limbs; LANES]) -> Elements {
        let [a, b, c, d, e, f, g, h] = lanes;
        let mut limbs = [self.splat(0); LIMBS];
        for i in 0..LIMBS {
            let limb = |lane: &Limbs| lane[i].cast_signed();
            let lanes = (limb(a), limb(b), limb(c), limb(d), limb(e), limb(f), limb(g), limb(h));
            limbs[i] = self
                .avx512f
                ._mm512_setr_epi64(lanes.0, lanes.1, lanes.2, lanes.3, lanes.4, lanes.5, lanes.6, lanes.7);
        }
        let factor = split((Fr::from(2).pow([264])).into_bigint());
        self.product(&Elements(limbs), &Elements(self.spread(factor)))
    }

    /// In the field's own form, below `2p`.
    #[inline(always)]
    fn stored(&self, elements: &Elements) -> [Limbs; LANES] {
        let factor = split(Fr::from(2).pow([256]).into_bigint());
        let limbs = self.product(elements, &Elements(self.spread(factor))).0;
        let mut lanes = [[0; LIMBS]; LANES];
        for i in 0..LIMBS {
            let row: [u64; LANES] = pulp::cast(limbs[i]);
            for (lane, limb) in lanes.iter_mut().zip(row) {
                lane[i] = limb;
            }
        }
        lanes
    }

    /// Lane 0 of up to eight permuted states that begin with zero and then have these inputs;
    /// none when they have another width than the permutation.
    pub(super) fn permute(self, rounds: &Rounds<Constant>, inputs: &[&[Fr]]) -> Option<[Fr; LANES]> {
        let width = inputs.first()?.len();
        let mut columns = vec![[[0; LIMBS]; LANES]; width];
        for (lane, list) in inputs.iter().take(LANES).enumerate() {
            for (column, element) in columns.iter_mut().zip(*list) {
                column[lane] = split(element.0);
            }
        }
        let permuted = self.vectorize(Permute { with: self, rounds, columns: &columns })?;
        Some(permuted.map(|limbs| {
            let mut number = join(limbs);
            if number >= Fr::MODULUS {
                number.sub_with_borrow(&Fr::MODULUS);
            }
            Fr::new_unchecked(number)
        }))
    }
}

impl Arithmetic for Eight {
    type Constant = Constant;
    type Value = Elements;

    #[inline(always)]
    fn add(&self, value: Elements, constant: &Constant) -> Elements {
        let Elements([a, b, c, d, e]) = value;
        let [f, g, h, i, j] = self.spread(constant.0);
        let add = self.avx512f;
        self.settled([
            add._mm512_add_epi64(a, f),
            add._mm512_add_epi64(b, g),
            add._mm512_add_epi64(c, h),
            add._mm512_add_epi64(d, i),
            add._mm512_add_epi64(e, j),
        ])
    }

    #[inline(always)]
    fn sum(&self, weights: &[Constant], values: &[Elements], constant: &Constant) -> Elements {
        // The constant times 2^260.
        let (zero, [a, b, c, d, e]) = (self.splat(0), self.spread(constant.0));
        let mut sum = [zero, zero, zero, zero, zero, a, b, c, d, e];
        for (weight, value) in weights.iter().zip(values) {
            self.add_product(&mut sum, &self.spread(weight.0), &value.0);
        }
        self.reduced(sum)
    }

    #[inline(always)]
    fn power(&self, value: Elements) -> Elements {
        let square = self.product(&value, &value);
        self.product(&self.product(&square, &square), &value)
    }
}

/// What is compiled for these instructions.
struct Permute<'a> {
    with: Eight,
    rounds: &'a Rounds<Constant>,
    /// The inputs, by their place.
    columns: &'a [[Limbs; LANES]],
}

impl pulp::NullaryFnOnce for Permute<'_> {
    type Output = Option<[Limbs; LANES]>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Self { with, rounds, columns } = self;
        let mut state = Vec::with_capacity(columns.len() + 1);
        state.push(Elements([with.splat(0); LIMBS]));
        for column in columns {
            state.push(with.loaded(column));
        }
        let permuted = rounds.permute(&with, state)?;
        Some(with.stored(&permuted))
    }
}
