//! Coordinates of eight points side by side.

use crate::eight::{Eight, Elements, LANES, LIMBS, Row};
use ark_bn254::{Fq, Fq2, FqConfig, Fr, g1, g2};
use ark_ec::{
    AffineRepr,
    short_weierstrass::{Affine, SWCurveConfig},
};
use ark_ff::{AdditiveGroup, BigInt, Field, batch_inversion};

/// A curve whose points are summed eight at a time.
pub(in crate::groth16) trait Curve: SWCurveConfig<ScalarField = Fr> {
    type Lanes: Coordinate<Base = Self::BaseField>;
}

impl Curve for g1::Config {
    type Lanes = One;
}

impl Curve for g2::Config {
    type Lanes = Two;
}

/// A point in rows; all zero for the point at infinity.
pub(super) type PackedOf<C> = <<C as Curve>::Lanes as Coordinate>::Packed;

/// One coordinate of eight points. What comes out of a product is below `2p`; what is packed
/// and unpacked is below `p`.
pub(in crate::groth16) trait Coordinate: Copy {
    /// The field of coordinates.
    type Base: Field;
    /// Both coordinates of a point.
    type Packed: Copy + PartialEq + Send + Sync + 'static;

    const ZERO: Self::Packed;

    /// Both coordinates of eight points.
    fn unpacked(with: Eight, points: [&Self::Packed; LANES]) -> [Self; 2];
    fn packed(with: Eight, point: [&Self; 2]) -> [Self::Packed; LANES];
    fn one(with: Eight) -> Self;
    fn zero(with: Eight) -> Self;
    /// Of factors below `2p`.
    fn product(with: Eight, a: &Self, b: &Self) -> Self;
    /// Of one below `2p`.
    fn square(with: Eight, a: &Self) -> Self;
    /// `a − b + p`, where `b` is not above `p`.
    fn minus(with: Eight, a: &Self, b: &Self) -> Self;
    /// Below `p`, of one below `4p`.
    fn canonical(with: Eight, a: &Self) -> Self;
    /// `b` in the lanes of the mask, `a` in the others.
    fn chosen(with: Eight, lanes: u8, a: &Self, b: &Self) -> Self;
    /// The lanes in which both are equal, of two below `p`.
    fn same(with: Eight, a: &Self, b: &Self) -> u8;
    /// The inverse in each lane, where none is zero.
    fn inverse(with: Eight, a: &Self) -> Self;

    /// The coordinates of a packed point.
    fn read(point: &Self::Packed) -> [Self::Base; 2];
    fn write(point: [&Self::Base; 2]) -> Self::Packed;
    /// The other point with the same x.
    fn opposite(point: &Self::Packed) -> Self::Packed;
}

/// A point of the curve that a packed one stands for.
pub(super) fn point<C: Curve>(packed: &PackedOf<C>) -> Affine<C> {
    if *packed == C::Lanes::ZERO {
        return Affine::identity();
    }
    let [x, y] = C::Lanes::read(packed);
    Affine::new_unchecked(x, y)
}

pub(super) fn pack<C: Curve>(point: &Affine<C>) -> PackedOf<C> {
    point.xy().map_or(C::Lanes::ZERO, |(x, y)| C::Lanes::write([&x, &y]))
}

/// An element of the field of which G1's coordinates are.
#[derive(Clone, Copy)]
pub(in crate::groth16) struct One(Elements<FqConfig>);

/// An element `a + b·u` of its extension, of which G2's are; `u² = −1`.
#[derive(Clone, Copy)]
pub(in crate::groth16) struct Two(Elements<FqConfig>, Elements<FqConfig>);

/// The words in which lanes hold an element.
fn words(element: &Fq) -> [u64; 4] {
    (Fq::from(16) * element).0.0
}

fn element(words: [u64; 4]) -> Fq {
    /// One sixteenth: `2^256/16`, as the field holds it.
    const SIXTEENTH: Fq = Fq::new_unchecked(BigInt([0, 0, 0, 1 << 60]));
    SIXTEENTH * Fq::new_unchecked(BigInt(words))
}

fn read(Row([a, b, c, d, e, f, g, h]): &Row) -> [Fq; 2] {
    [element([*a, *b, *c, *d]), element([*e, *f, *g, *h])]
}

fn write([first, second]: [&Fq; 2]) -> Row {
    let ([a, b, c, d], [e, f, g, h]) = (words(first), words(second));
    Row([a, b, c, d, e, f, g, h])
}

/// Each lane's inverse of numbers in the field's own form.
fn inverses<F: Field>(mut lanes: [F; LANES]) -> [F; LANES] {
    batch_inversion(&mut lanes);
    lanes
}

impl Coordinate for One {
    type Base = Fq;
    type Packed = Row;

    const ZERO: Row = Row([0; LANES]);

    #[inline(always)]
    fn unpacked(with: Eight, points: [&Row; LANES]) -> [Self; 2] {
        let [x, y] = with.unpacked(points);
        [Self(x), Self(y)]
    }

    #[inline(always)]
    fn packed(with: Eight, [x, y]: [&Self; 2]) -> [Row; LANES] {
        with.packed([&x.0, &y.0])
    }

    #[inline(always)]
    fn one(with: Eight) -> Self {
        Self(with.one())
    }

    #[inline(always)]
    fn zero(with: Eight) -> Self {
        Self(with.zero())
    }

    #[inline(always)]
    fn product(with: Eight, a: &Self, b: &Self) -> Self {
        Self(with.product(&a.0, &b.0))
    }

    #[inline(always)]
    fn square(with: Eight, a: &Self) -> Self {
        Self(with.product(&a.0, &a.0))
    }

    #[inline(always)]
    fn minus(with: Eight, a: &Self, b: &Self) -> Self {
        Self(with.minus(&a.0, &b.0, 1))
    }

    #[inline(always)]
    fn canonical(with: Eight, a: &Self) -> Self {
        Self(with.canonical(&a.0))
    }

    #[inline(always)]
    fn chosen(with: Eight, lanes: u8, a: &Self, b: &Self) -> Self {
        Self(with.chosen(lanes, &a.0, &b.0))
    }

    #[inline(always)]
    fn same(with: Eight, a: &Self, b: &Self) -> u8 {
        with.same(&a.0, &b.0)
    }

    #[inline(always)]
    fn inverse(with: Eight, a: &Self) -> Self {
        let inverses = inverses(with.stored(&a.0).map(|words| Fq::new_unchecked(BigInt(words))));
        Self(with.loaded(&inverses.map(|element| element.0.0)))
    }

    fn read(point: &Row) -> [Fq; 2] {
        read(point)
    }

    fn write(point: [&Fq; 2]) -> Row {
        write(point)
    }

    fn opposite(point: &Row) -> Row {
        let [x, y] = read(point);
        write([&x, &-y])
    }
}

impl Coordinate for Two {
    type Base = Fq2;
    type Packed = [Row; 2];

    const ZERO: [Row; 2] = [Row([0; LANES]); 2];

    #[inline(always)]
    fn unpacked(with: Eight, points: [&[Row; 2]; LANES]) -> [Self; 2] {
        let [[a, i], [b, j], [c, k], [d, l], [e, m], [f, n], [g, o], [h, p]] = points;
        let [x, ux] = with.unpacked([a, b, c, d, e, f, g, h]);
        let [y, uy] = with.unpacked([i, j, k, l, m, n, o, p]);
        [Self(x, ux), Self(y, uy)]
    }

    #[inline(always)]
    fn packed(with: Eight, [x, y]: [&Self; 2]) -> [[Row; 2]; LANES] {
        let [a, b, c, d, e, f, g, h] = with.packed([&x.0, &x.1]);
        let [i, j, k, l, m, n, o, p] = with.packed([&y.0, &y.1]);
        [[a, i], [b, j], [c, k], [d, l], [e, m], [f, n], [g, o], [h, p]]
    }

    #[inline(always)]
    fn one(with: Eight) -> Self {
        Self(with.one(), with.zero())
    }

    #[inline(always)]
    fn zero(with: Eight) -> Self {
        Self(with.zero(), with.zero())
    }

    /// Both sums of two products are reduced once.
    #[inline(always)]
    fn product(with: Eight, a: &Self, b: &Self) -> Self {
        let (mut real, mut other) = (with.begun([0; LIMBS]), with.begun([0; LIMBS]));
        with.add_product(&mut real, &a.0, &b.0);
        with.add_product(&mut real, &a.1, &with.minus(&with.zero(), &b.1, 2));
        with.add_product(&mut other, &a.0, &b.1);
        with.add_product(&mut other, &a.1, &b.0);
        Self(with.reduced(real), with.reduced(other))
    }

    #[inline(always)]
    fn square(with: Eight, a: &Self) -> Self {
        let (sum, difference) = (with.plus(&a.0, &a.1), with.minus(&a.0, &a.1, 2));
        Self(with.product(&sum, &difference), with.product(&with.plus(&a.0, &a.0), &a.1))
    }

    #[inline(always)]
    fn minus(with: Eight, a: &Self, b: &Self) -> Self {
        Self(with.minus(&a.0, &b.0, 1), with.minus(&a.1, &b.1, 1))
    }

    #[inline(always)]
    fn canonical(with: Eight, a: &Self) -> Self {
        Self(with.canonical(&a.0), with.canonical(&a.1))
    }

    #[inline(always)]
    fn chosen(with: Eight, lanes: u8, a: &Self, b: &Self) -> Self {
        Self(with.chosen(lanes, &a.0, &b.0), with.chosen(lanes, &a.1, &b.1))
    }

    #[inline(always)]
    fn same(with: Eight, a: &Self, b: &Self) -> u8 {
        with.same(&a.0, &b.0) & with.same(&a.1, &b.1)
    }

    #[inline(always)]
    fn inverse(with: Eight, a: &Self) -> Self {
        let (reals, others) = (with.stored(&a.0), with.stored(&a.1));
        let mut lanes = [Fq2::ZERO; LANES];
        for (lane, (real, other)) in lanes.iter_mut().zip(reals.into_iter().zip(others)) {
            *lane = Fq2::new(Fq::new_unchecked(BigInt(real)), Fq::new_unchecked(BigInt(other)));
        }
        let inverses = inverses(lanes);
        Self(with.loaded(&inverses.map(|e| e.c0.0.0)), with.loaded(&inverses.map(|e| e.c1.0.0)))
    }

    fn read([x, y]: &[Row; 2]) -> [Fq2; 2] {
        let ([a, b], [c, d]) = (read(x), read(y));
        [Fq2::new(a, b), Fq2::new(c, d)]
    }

    fn write([x, y]: [&Fq2; 2]) -> [Row; 2] {
        [write([&x.c0, &x.c1]), write([&y.c0, &y.c1])]
    }

    fn opposite(point: &[Row; 2]) -> [Row; 2] {
        let [x, y] = Self::read(point);
        Self::write([&x, &-y])
    }
}
