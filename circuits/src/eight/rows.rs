//! What sums of points need: rows of memory that become lanes, differences, comparisons.

use super::{Eight, Elements, LANES, LIMBS, MASK, Of, Prime, split};
use std::{arch::x86_64::__m512i, marker::PhantomData};

/// Two elements below `2^256`, in words of 64 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Row(pub(crate) [u64; LANES]);

#[allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "by constants, in arrays; closures would not be inlined"
)]
impl Eight {
    #[inline(always)]
    pub(crate) fn one<P: Prime>(&self) -> Elements<P> {
        self.spread(split(Of::<P>::power_of_two(4)))
    }

    /// `a − b + n·p`, not reduced, where `b` is not above `n·p`.
    #[inline(always)]
    pub(crate) fn minus<P: Prime>(&self, a: &Elements<P>, b: &Elements<P>, n: u64) -> Elements<P> {
        let mut limbs = a.0;
        for i in 0..LIMBS {
            // Each at most a few times 2^52, so that limbs stay signed numbers of 64 bits.
            let more = self.splat(Of::<P>::MODULUS[i].wrapping_mul(n));
            let difference = self.avx512f._mm512_sub_epi64(limbs[i], b.0[i]);
            limbs[i] = self.avx512f._mm512_add_epi64(difference, more);
        }
        self.settled(limbs)
    }

    /// The lanes in which `a` and `b` are the same limbs.
    #[inline(always)]
    pub(crate) fn same<P>(&self, a: &Elements<P>, b: &Elements<P>) -> u8 {
        let mut any = self.splat(0);
        for i in 0..LIMBS {
            any = self.avx512f._mm512_or_si512(any, self.avx512f._mm512_xor_si512(a.0[i], b.0[i]));
        }
        !self.avx512f._mm512_test_epi64_mask(any, any)
    }

    /// Their even numbers in turn, and their odd ones.
    #[inline(always)]
    fn twos(&self, a: __m512i, b: __m512i) -> [__m512i; 2] {
        [self.avx512f._mm512_unpacklo_epi64(a, b), self.avx512f._mm512_unpackhi_epi64(a, b)]
    }

    /// Their even quarters, and their odd ones.
    #[inline(always)]
    fn quarters(&self, a: __m512i, b: __m512i) -> [__m512i; 2] {
        [
            self.avx512f._mm512_shuffle_i64x2::<0b10_00_10_00>(a, b),
            self.avx512f._mm512_shuffle_i64x2::<0b11_01_11_01>(a, b),
        ]
    }

    /// Eight rows of eight numbers, turned: number `i` of each is row `i`.
    #[inline(always)]
    fn turned(&self, [a, b, c, d, e, f, g, h]: [__m512i; LANES]) -> [__m512i; LANES] {
        let ([a, b], [c, d]) = (self.twos(a, b), self.twos(c, d));
        let ([e, f], [g, h]) = (self.twos(e, f), self.twos(g, h));
        let ([a, c], [b, d]) = (self.quarters(a, c), self.quarters(b, d));
        let ([e, g], [f, h]) = (self.quarters(e, g), self.quarters(f, h));
        let ([r0, r4], [r1, r5]) = (self.quarters(a, e), self.quarters(b, f));
        let ([r2, r6], [r3, r7]) = (self.quarters(c, g), self.quarters(d, h));
        [r0, r1, r2, r3, r4, r5, r6, r7]
    }

    /// Two elements of each of eight rows.
    #[inline(always)]
    pub(crate) fn unpacked<P>(&self, rows: [&Row; LANES]) -> [Elements<P>; 2] {
        let [a, b, c, d, e, f, g, h] = rows;
        let rows = [a.0, b.0, c.0, d.0, e.0, f.0, g.0, h.0];
        let mut registers = [self.splat(0); LANES];
        for i in 0..LANES {
            registers[i] = pulp::cast(rows[i]);
        }
        let [a, b, c, d, e, f, g, h] = self.turned(registers);
        [self.limbs([a, b, c, d]), self.limbs([e, f, g, h])]
    }

    /// Eight rows of two elements each, which are below `2^256`.
    #[inline(always)]
    pub(crate) fn packed<P>(&self, elements: [&Elements<P>; 2]) -> [Row; LANES] {
        let [first, second] = elements;
        let ([a, b, c, d], [e, f, g, h]) = (self.words(first), self.words(second));
        let registers = self.turned([a, b, c, d, e, f, g, h]);
        let mut rows = [Row([0; LANES]); LANES];
        for i in 0..LANES {
            rows[i] = Row(pulp::cast(registers[i]));
        }
        rows
    }

    #[inline(always)]
    fn low(&self, limb: __m512i) -> __m512i {
        self.avx512f._mm512_and_si512(limb, self.splat(MASK))
    }

    /// Limbs of four words of 64 bits.
    #[inline(always)]
    fn limbs<P>(&self, [a, b, c, d]: [__m512i; 4]) -> Elements<P> {
        let with = self.avx512f;
        let limbs = [
            self.low(a),
            self.low(with._mm512_or_si512(with._mm512_srli_epi64::<52>(a), with._mm512_slli_epi64::<12>(b))),
            self.low(with._mm512_or_si512(with._mm512_srli_epi64::<40>(b), with._mm512_slli_epi64::<24>(c))),
            self.low(with._mm512_or_si512(with._mm512_srli_epi64::<28>(c), with._mm512_slli_epi64::<36>(d))),
            with._mm512_srli_epi64::<16>(d),
        ];
        Elements(limbs, PhantomData)
    }

    /// Four words of 64 bits of each.
    #[inline(always)]
    fn words<P>(&self, elements: &Elements<P>) -> [__m512i; 4] {
        let with = self.avx512f;
        let [a, b, c, d, e] = elements.0;
        [
            with._mm512_or_si512(a, with._mm512_slli_epi64::<52>(b)),
            with._mm512_or_si512(with._mm512_srli_epi64::<12>(b), with._mm512_slli_epi64::<40>(c)),
            with._mm512_or_si512(with._mm512_srli_epi64::<24>(c), with._mm512_slli_epi64::<28>(d)),
            with._mm512_or_si512(with._mm512_srli_epi64::<36>(d), with._mm512_slli_epi64::<16>(e)),
        ]
    }
}
