//! Points that are summed in pairs, eight pairs side by side.
//!
//! In each round every two neighbours of one list become their sum, until each list is one
//! point. The slope of a sum needs an inverse: those of a piece of all pairs are taken from the
//! inverse of their product (Montgomery, 1987).
//!
//! - **S1** Coordinates in memory are below `p`, so that equal points are equal rows.
//! - **S2** Lanes in which two points have the same x, or one is the point at infinity, have no
//!   slope: they reckon with one instead of the difference, and their sums are taken anew by
//!   arkworks.

use super::{
    Scalars,
    coordinates::{Coordinate, Curve, PackedOf, pack, point},
};
use crate::eight::{Eight, LANES};
use ark_ec::{
    AffineRepr, CurveGroup,
    short_weierstrass::{Affine, Projective},
};
use ark_ff::AdditiveGroup;
use rayon::prelude::*;
use std::{marker::PhantomData, ops::Range};
use zeroize::{DefaultIsZeroes, Zeroizing};

/// Groups of eight pairs that share an inversion; what is kept of them fits a core's cache.
const PIECE: usize = 192;
/// Pieces of work for each thread, so that all end at about the same time.
const TASKS_PER_THREAD: usize = 2;

/// A point among others, and whether its opposite is meant.
#[derive(Clone, Copy, Default)]
struct Signed(u32);

impl DefaultIsZeroes for Signed {}

impl Signed {
    fn new(at: u32, is_negative: bool) -> Self {
        Self(at << 1 | u32::from(is_negative))
    }

    fn at(self) -> usize {
        (self.0 >> 1) as usize
    }

    fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Lists of points, one behind the other.
struct Lists {
    /// Which these are tells the scalars.
    members: Zeroizing<Vec<Signed>>,
    /// Where each list begins, and where the last one ends.
    starts: Vec<u32>,
}

/// Points in rows.
pub(super) struct Laid<C: Curve> {
    with: Eight,
    points: Vec<PackedOf<C>>,
}

impl<C: Curve> Laid<C> {
    /// None where the processor cannot.
    pub(super) fn new(points: &[Affine<C>]) -> Option<Self> {
        let with = Eight::try_new()?;
        Some(Self { with, points: points.iter().map(pack::<C>).collect() })
    }

    /// The sum of each point times its scalar; of the shorter list's length.
    pub(super) fn sum(&self, scalars: &Scalars) -> Projective<C> {
        let windows = scalars.windows();
        let each = windows.len().div_ceil(TASKS_PER_THREAD * rayon::current_num_threads());
        let bits: Vec<_> = windows
            .par_chunks(each.max(1))
            .flat_map_iter(|some| self.bits_of(some, scalars.bits()))
            .collect();
        bits.iter().rev().fold(Projective::ZERO, |sum, bit| sum.double() + point::<C>(bit))
    }

    /// For each bit of each window, lowest first: the sum of all points whose digit has it.
    fn bits_of(&self, windows: &[&[i16]], bits: u32) -> Vec<PackedOf<C>> {
        let sums = self.sums(&self.points, self.by_digit(windows, bits));
        let (bits, digits) = (bits as usize, 1 << (bits - 1));
        let mut lists = Lists { members: Zeroizing::default(), starts: vec![0] };
        for window in 0..windows.len() {
            for bit in 0..bits {
                let with_bit = (1..=digits)
                    .filter(|digit| digit >> bit & 1 == 1)
                    .map(|digit| window * digits + digit - 1);
                let present = with_bit.filter(|at| sums.get(*at).is_some_and(|sum| *sum != C::Lanes::ZERO));
                lists.members.extend(present.map(|at| Signed::new(at as u32, false)));
                lists.starts.push(lists.members.len() as u32);
            }
        }
        self.sums(&sums, lists)
    }

    /// The points of each digit but zero of each window.
    fn by_digit(&self, windows: &[&[i16]], bits: u32) -> Lists {
        let digits = 1_usize << (bits - 1);
        let of = |window: usize, digit: i16| window * digits + usize::from(digit.unsigned_abs()) - 1;
        let mut starts = vec![0_u32; windows.len() * digits + 1];
        let present = |digits: &[i16]| -> Zeroizing<Vec<(u32, i16)>> {
            let both = (0..).zip(&self.points).zip(digits);
            let present = both
                .filter(|((_, point), digit)| **digit != 0 && **point != C::Lanes::ZERO)
                .map(|((at, _), digit)| (at, *digit));
            Zeroizing::new(present.collect())
        };
        let windows: Vec<_> = windows.iter().map(|window| present(window)).collect();
        for (window, list) in windows.iter().enumerate() {
            for (_, digit) in list.iter() {
                if let Some(count) = starts.get_mut(of(window, *digit) + 1) {
                    *count += 1;
                }
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut next = starts.clone();
        let mut members = Zeroizing::new(vec![Signed::default(); total as usize]);
        for (window, list) in windows.iter().enumerate() {
            for (at, digit) in list.iter() {
                let Some(place) = next.get_mut(of(window, *digit)) else { continue };
                if let Some(member) = members.get_mut(*place as usize) {
                    *member = Signed::new(*at, *digit < 0);
                }
                *place += 1;
            }
        }
        Lists { members, starts }
    }

    /// The sum of each list.
    fn sums(&self, points: &[PackedOf<C>], mut lists: Lists) -> Vec<PackedOf<C>> {
        let mut sums = self.round(points, &mut lists);
        while lists.starts.windows(2).any(|ends| matches!(ends, [from, to] if to - from > 1)) {
            lists.members = Zeroizing::new((0..sums.len() as u32).map(|at| Signed::new(at, false)).collect());
            sums = self.round(&sums, &mut lists);
        }
        let ends = lists.starts.windows(2);
        ends.map(|ends| match ends {
            [from, to] if from < to => sums.get(*from as usize).copied().unwrap_or(C::Lanes::ZERO),
            _ => C::Lanes::ZERO,
        })
        .collect()
    }

    /// Lists of half the length.
    fn round(&self, points: &[PackedOf<C>], lists: &mut Lists) -> Vec<PackedOf<C>> {
        let mut pairs = Vec::with_capacity(lists.members.len() / 2 + LANES);
        let mut sums = Vec::with_capacity(lists.members.len() / 2 + lists.starts.len());
        let mut from = 0;
        for end in lists.starts.iter_mut().skip(1) {
            let list: Range<usize> = from..*end as usize;
            from = *end as usize;
            for pair in lists.members.get(list).unwrap_or_default().chunks(2) {
                match pair {
                    [first, second] => {
                        pairs.push(Pair { of: [*first, *second], to: sums.len() as u32 });
                        sums.push(C::Lanes::ZERO);
                    }
                    [last, ..] => sums.push(signed::<C>(points, *last)),
                    [] => {}
                }
            }
            *end = sums.len() as u32;
        }
        // What is left over of a group of eight is reckoned and thrown away.
        let count = pairs.len();
        if let Some(last) = pairs.last().copied() {
            pairs.resize(count.next_multiple_of(LANES), last);
        }
        let add = Add::<C> {
            with: self.with,
            points,
            pairs: pairs.as_chunks().0,
            sums: &mut sums,
            of: PhantomData,
        };
        let without_slope = self.with.vectorize(add);
        for pair in without_slope {
            let [first, second] = pair.of.map(|one| point::<C>(&signed::<C>(points, one)));
            if let Some(sum) = sums.get_mut(pair.to as usize) {
                *sum = pack(&(first.into_group() + second).into_affine());
            }
        }
        sums
    }
}

/// A point or its opposite.
fn signed<C: Curve>(points: &[PackedOf<C>], one: Signed) -> PackedOf<C> {
    let point = points.get(one.at()).copied().unwrap_or(C::Lanes::ZERO);
    if one.is_negative() { C::Lanes::opposite(&point) } else { point }
}

/// Two points, and where their sum goes.
#[derive(Clone, Copy)]
struct Pair {
    of: [Signed; 2],
    to: u32,
}

/// What is kept of eight pairs from the way there to the way back.
struct Step<L> {
    first: [L; 2],
    second: [L; 2],
    difference: L,
    /// The product of all differences before.
    before: L,
}

/// What is compiled for these instructions: puts the sum of each pair in its place, and gives the
/// pairs of which it cannot.
struct Add<'a, C: Curve> {
    with: Eight,
    points: &'a [PackedOf<C>],
    pairs: &'a [[Pair; LANES]],
    sums: &'a mut [PackedOf<C>],
    of: PhantomData<C>,
}

#[allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "by places that this module has counted; closures would not be inlined"
)]
impl<C: Curve> Add<'_, C> {
    /// One point of each of eight pairs.
    #[inline(always)]
    fn gathered(&self, group: &[Pair; LANES], which: usize) -> [C::Lanes; 2] {
        let mut rows = [&self.points[0]; LANES];
        let mut negative = 0_u8;
        for lane in 0..LANES {
            let one = group[lane].of[which];
            rows[lane] = &self.points[one.at()];
            negative |= u8::from(one.is_negative()) << lane;
        }
        let [x, y] = C::Lanes::unpacked(self.with, rows);
        if negative == 0 {
            return [x, y];
        }
        let opposite = C::Lanes::minus(self.with, &C::Lanes::zero(self.with), &y);
        [x, C::Lanes::chosen(self.with, negative, &y, &opposite)]
    }
}

#[allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "by places that this module has counted; closures would not be inlined"
)]
impl<C: Curve> pulp::NullaryFnOnce for Add<'_, C> {
    type Output = Vec<Pair>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let with = self.with;
        let (zero, one) = (C::Lanes::zero(with), C::Lanes::one(with));
        let mut without_slope = Vec::new();
        let mut steps = Vec::with_capacity(PIECE);
        for piece in self.pairs.chunks(PIECE) {
            let mut product = one;
            for group in piece {
                let (first, second) = (self.gathered(group, 0), self.gathered(group, 1));
                let ([x, _], [other, _]) = (&first, &second);
                let mut difference = C::Lanes::minus(with, other, x);
                let lanes = C::Lanes::same(with, x, other)
                    | C::Lanes::same(with, x, &zero)
                    | C::Lanes::same(with, other, &zero);
                if lanes != 0 {
                    difference = C::Lanes::chosen(with, lanes, &difference, &one);
                    without_slope
                        .extend((0..LANES).filter(|lane| lanes >> lane & 1 == 1).map(|lane| group[lane]));
                }
                steps.push(Step { first, second, difference, before: product });
                product = C::Lanes::product(with, &product, &difference);
            }
            let mut inverse = C::Lanes::inverse(with, &product);
            for group in piece.iter().rev() {
                let Some(step) = steps.pop() else { break };
                let ([x, y], [other, other_y]) = (&step.first, &step.second);
                let of_this = C::Lanes::product(with, &inverse, &step.before);
                inverse = C::Lanes::product(with, &inverse, &step.difference);
                let slope = C::Lanes::product(with, &C::Lanes::minus(with, other_y, y), &of_this);
                let square = C::Lanes::square(with, &slope);
                let sum_x = C::Lanes::minus(with, &C::Lanes::minus(with, &square, x), other);
                let sum_x = C::Lanes::canonical(with, &sum_x);
                let down = C::Lanes::product(with, &slope, &C::Lanes::minus(with, x, &sum_x));
                let sum_y = C::Lanes::canonical(with, &C::Lanes::minus(with, &down, y));
                let packed = C::Lanes::packed(with, [&sum_x, &sum_y]);
                for lane in 0..LANES {
                    self.sums[group[lane].to as usize] = packed[lane];
                }
            }
        }
        without_slope
    }
}
