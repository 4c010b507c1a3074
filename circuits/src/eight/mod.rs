//! Eight elements of a prime field side by side, where the processor multiplies 52-bit numbers in
//! 512-bit registers (AVX-512 IFMA).
//!
//! An element is five limbs of 52 bits, times `2^260` as Montgomery has it (1985). Limb `i` of
//! eight elements is one register. Both fields of BN254 are used: that of scalars for Poseidon,
//! that of coordinates for sums of points.
//!
//! - **E1** Every element between two operations has limbs below `2^52`, and so is below `2^260`,
//!   which is more than `84p`.
//! - **E2** A reduction divides by `2^260`: a sum of products comes out below itself divided by
//!   `2^260`, plus `p`. A product of `a·p` and `b·p` with `a·b` up to 84 is below `2p`.
//! - **E3** A register takes at most ten parts below `2^52` of each product, so that 48 products
//!   and a reduction stay below `2^61`.

#[cfg(feature = "groth16")]
mod rows;

#[cfg(feature = "groth16")]
pub(crate) use rows::Row;

use ark_ff::{BigInt, Fp, MontBackend, MontConfig};
use std::{arch::x86_64::__m512i, marker::PhantomData};

/// Elements side by side.
pub(crate) const LANES: usize = 8;
pub(crate) const LIMBS: usize = 5;
const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;

pulp::simd_type! {
    /// That the processor has what is needed.
    pub(crate) struct Eight {
        avx512f: "avx512f",
        avx512ifma: "avx512ifma",
    }
}

/// Limbs of a number below `2^260`.
pub(crate) type Limbs = [u64; LIMBS];

pub(crate) const fn split(BigInt([a, b, c, d]): BigInt<4>) -> Limbs {
    [a & MASK, (a >> 52 | b << 12) & MASK, (b >> 40 | c << 24) & MASK, (c >> 28 | d << 36) & MASK, d >> 16]
}

const fn join([a, b, c, d, e]: Limbs) -> BigInt<4> {
    BigInt([a | b << 52, b >> 12 | c << 40, c >> 24 | d << 28, d >> 36 | e << 16])
}

/// A field of 254 bits, by its parameters.
pub(crate) trait Prime: MontConfig<4> {}

impl Prime for ark_bn254::FrConfig {}
#[cfg(feature = "groth16")]
impl Prime for ark_bn254::FqConfig {}

/// The field of parameters `P`.
pub(crate) type Element<P> = Fp<MontBackend<P, 4>, 4>;

struct Of<P>(PhantomData<P>);

impl<P: Prime> Of<P> {
    const MODULUS: Limbs = split(P::MODULUS);

    /// `−1/p` modulo `2^52`, by Newton's iteration: each step doubles the bits that are right.
    const NEGATIVE_INVERSE: u64 = {
        let [lowest, ..] = Self::MODULUS;
        let mut inverse = 1_u64;
        let mut bits = 1;
        while bits < BITS {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(lowest.wrapping_mul(inverse)));
            bits *= 2;
        }
        inverse.wrapping_neg() & MASK
    };

    /// Times this, divided by `2^260`: from the field's own form, which is times `2^256`.
    const FROM_FIELD: Limbs = split(Self::power_of_two(8));
    /// Times this, divided by `2^260`: to the field's own form.
    const TO_FIELD: Limbs = split(P::R);
    /// `2^(256 + more)` modulo `p`.
    const fn power_of_two(more: u32) -> BigInt<4> {
        let mut power = P::R;
        let mut i = 0;
        while i < more {
            power = Self::doubled(power);
            i += 1;
        }
        power
    }

    /// Twice a number below `p`, modulo `p`, which is below `2^255`.
    const fn doubled(BigInt([a, b, c, d]): BigInt<4>) -> BigInt<4> {
        let twice = [a << 1, b << 1 | a >> 63, c << 1 | b >> 63, d << 1 | c >> 63];
        match less(twice, P::MODULUS.0) {
            (_, true) => BigInt(twice),
            (less, false) => BigInt(less),
        }
    }
}

/// `a − b`, and whether it is below zero.
const fn less([a, b, c, d]: [u64; 4], [e, f, g, h]: [u64; 4]) -> ([u64; 4], bool) {
    const fn one(a: u64, b: u64, borrow: bool) -> (u64, bool) {
        let (difference, first) = a.overflowing_sub(b);
        let (difference, second) = difference.overflowing_sub(borrow as u64);
        (difference, first || second)
    }
    let (a, borrow) = one(a, e, false);
    let (b, borrow) = one(b, f, borrow);
    let (c, borrow) = one(c, g, borrow);
    let (d, borrow) = one(d, h, borrow);
    ([a, b, c, d], borrow)
}

/// Eight elements, limb by limb.
pub(crate) struct Elements<P>([__m512i; LIMBS], PhantomData<P>);

impl<P> Clone for Elements<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Elements<P> {}

/// A sum of products that is not reduced yet.
pub(crate) struct Sum<P>([__m512i; 2 * LIMBS], PhantomData<P>);

/// The limbs of a constant, as [`Eight::constant`] takes them.
pub(crate) fn constant<P: Prime>(value: &Element<P>) -> Limbs {
    split((Element::<P>::from(16) * value).0)
}

#[allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "by constants, in arrays; closures would not be inlined"
)]
impl Eight {
    #[inline(always)]
    fn splat(&self, limb: u64) -> __m512i {
        self.avx512f._mm512_set1_epi64(limb.cast_signed())
    }

    /// The same number in each lane.
    #[inline(always)]
    pub(crate) fn spread<P>(&self, [a, b, c, d, e]: Limbs) -> Elements<P> {
        Elements([self.splat(a), self.splat(b), self.splat(c), self.splat(d), self.splat(e)], PhantomData)
    }

    #[inline(always)]
    pub(crate) fn zero<P>(&self) -> Elements<P> {
        self.spread([0; LIMBS])
    }

    /// What a sum begins with: a constant times `2^260`.
    #[inline(always)]
    pub(crate) fn begun<P>(&self, [a, b, c, d, e]: Limbs) -> Sum<P> {
        let zero = self.splat(0);
        let limbs = [self.splat(a), self.splat(b), self.splat(c), self.splat(d), self.splat(e)];
        let [a, b, c, d, e] = limbs;
        Sum([zero, zero, zero, zero, zero, a, b, c, d, e], PhantomData)
    }

    /// `sum + a·b`
    #[inline(always)]
    pub(crate) fn add_product<P>(&self, sum: &mut Sum<P>, a: &Elements<P>, b: &Elements<P>) {
        let (sum, a, b) = (&mut sum.0, &a.0, &b.0);
        for i in 0..LIMBS {
            for j in 0..LIMBS {
                sum[i + j] = self.avx512ifma._mm512_madd52lo_epu64(sum[i + j], a[i], b[j]);
                sum[i + j + 1] = self.avx512ifma._mm512_madd52hi_epu64(sum[i + j + 1], a[i], b[j]);
            }
        }
    }

    #[inline(always)]
    fn carried(&self, limb: __m512i, below: __m512i) -> __m512i {
        self.avx512f._mm512_add_epi64(limb, self.avx512f._mm512_srai_epi64::<BITS>(below))
    }

    /// Limbs below `2^52` again, of a number that is not below zero.
    #[inline(always)]
    fn settled<P>(&self, mut limbs: [__m512i; LIMBS]) -> Elements<P> {
        let mask = self.splat(MASK);
        for i in 1..LIMBS {
            limbs[i] = self.carried(limbs[i], limbs[i - 1]);
            limbs[i - 1] = self.avx512f._mm512_and_si512(limbs[i - 1], mask);
        }
        Elements(limbs, PhantomData)
    }

    /// `sum/2^260`, modulo `p`.
    #[inline(always)]
    pub(crate) fn reduced<P: Prime>(&self, sum: Sum<P>) -> Elements<P> {
        let mut sum = sum.0;
        let (zero, inverse) = (self.splat(0), self.splat(Of::<P>::NEGATIVE_INVERSE));
        let modulus = self.spread::<P>(Of::<P>::MODULUS).0;
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
    pub(crate) fn product<P: Prime>(&self, a: &Elements<P>, b: &Elements<P>) -> Elements<P> {
        let mut sum = self.begun([0; LIMBS]);
        self.add_product(&mut sum, a, b);
        self.reduced(sum)
    }

    /// `a + b`, not reduced.
    #[inline(always)]
    pub(crate) fn plus<P>(&self, a: &Elements<P>, b: &Elements<P>) -> Elements<P> {
        let mut limbs = a.0;
        for i in 0..LIMBS {
            limbs[i] = self.avx512f._mm512_add_epi64(limbs[i], b.0[i]);
        }
        self.settled(limbs)
    }

    /// `a` below `2n·p`, less `n·p` where it is not below that.
    #[inline(always)]
    fn lowered<P: Prime>(&self, a: &Elements<P>, n: u64) -> Elements<P> {
        let mut limbs = a.0;
        for i in 0..LIMBS {
            let less = self.splat(Of::<P>::MODULUS[i].wrapping_mul(n));
            limbs[i] = self.avx512f._mm512_sub_epi64(limbs[i], less);
        }
        let lower: Elements<P> = self.settled(limbs);
        let is_negative = self.avx512f._mm512_cmplt_epi64_mask(lower.0[LIMBS - 1], self.splat(0));
        self.chosen(is_negative, &lower, a)
    }

    /// The one number below `p` that `a`, below `4p`, stands for.
    #[inline(always)]
    pub(crate) fn canonical<P: Prime>(&self, a: &Elements<P>) -> Elements<P> {
        self.lowered(&self.lowered(a, 2), 1)
    }

    /// `b` in the lanes of the mask, `a` in the others.
    #[inline(always)]
    pub(crate) fn chosen<P>(&self, lanes: u8, a: &Elements<P>, b: &Elements<P>) -> Elements<P> {
        let mut limbs = a.0;
        for i in 0..LIMBS {
            limbs[i] = self.avx512f._mm512_mask_blend_epi64(lanes, limbs[i], b.0[i]);
        }
        Elements(limbs, PhantomData)
    }

    /// From the field's own form.
    #[inline(always)]
    pub(crate) fn loaded<P: Prime>(&self, lanes: &[[u64; 4]; LANES]) -> Elements<P> {
        let mut limbs = [[0; LANES]; LIMBS];
        for (lane, words) in lanes.iter().enumerate() {
            let split = split(BigInt(*words));
            for i in 0..LIMBS {
                limbs[i][lane] = split[i];
            }
        }
        self.product(&Elements(limbs.map(pulp::cast), PhantomData), &self.spread(Of::<P>::FROM_FIELD))
    }

    /// In the field's own form.
    #[inline(always)]
    pub(crate) fn stored<P: Prime>(&self, elements: &Elements<P>) -> [[u64; 4]; LANES] {
        let canonical = self.canonical(&self.product(elements, &self.spread(Of::<P>::TO_FIELD)));
        let limbs: [[u64; LANES]; LIMBS] = canonical.0.map(pulp::cast);
        let mut lanes = [[0; 4]; LANES];
        for (lane, words) in lanes.iter_mut().enumerate() {
            let [a, b, c, d, e] = &limbs;
            *words = join([a[lane], b[lane], c[lane], d[lane], e[lane]]).0;
        }
        lanes
    }
}
