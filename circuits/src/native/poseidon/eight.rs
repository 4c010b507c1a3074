//! Eight permutations side by side ([`crate::eight`]).
//!
//! Every element between two operations is below `5p`: a sum of up to 48 products of an element
//! and a constant below `p`, plus a constant, comes out below `48·5p·p/2^260 + p + p`, and a product
//! of two elements below `25p·p/2^260 + p`. 48 is `3t − 3` of the widest permutation, the longest sum
//! there is.

use super::rounds::{Arithmetic, Rounds};
use crate::{
    eight::{Eight, Elements, LANES, Limbs, constant},
    native::Fr,
};
use ark_bn254::FrConfig;
use ark_ff::BigInt;

type Lanes = Elements<FrConfig>;

/// A constant, below the modulus.
pub(super) struct Constant(Limbs);

impl Constant {
    pub(super) fn of(value: &Fr) -> Self {
        Self(constant(value))
    }
}

/// Lane 0 of up to eight permuted states that begin with zero and then have these inputs;
/// none when they have another width than the permutation.
pub(super) fn permute(with: Eight, rounds: &Rounds<Constant>, inputs: &[&[Fr]]) -> Option<[Fr; LANES]> {
    let width = inputs.first()?.len();
    let mut columns = vec![[[0; 4]; LANES]; width];
    for (lane, list) in inputs.iter().take(LANES).enumerate() {
        for (column, element) in columns.iter_mut().zip(*list) {
            if let Some(words) = column.get_mut(lane) {
                *words = element.0.0;
            }
        }
    }
    let permuted = with.vectorize(Permute { with, rounds, columns: &columns })?;
    Some(permuted.map(|words| Fr::new_unchecked(BigInt(words))))
}

impl Arithmetic for Eight {
    type Constant = Constant;
    type Value = Lanes;

    #[inline(always)]
    fn add(&self, value: Lanes, constant: &Constant) -> Lanes {
        self.plus(&value, &self.spread(constant.0))
    }

    #[inline(always)]
    fn sum(&self, weights: &[Constant], values: &[Lanes], constant: &Constant) -> Lanes {
        let mut sum = self.begun(constant.0);
        for (weight, value) in weights.iter().zip(values) {
            self.add_product(&mut sum, &self.spread(weight.0), value);
        }
        self.reduced(sum)
    }

    #[inline(always)]
    fn power(&self, value: Lanes) -> Lanes {
        let square = self.product(&value, &value);
        self.product(&self.product(&square, &square), &value)
    }
}

/// What is compiled for these instructions.
struct Permute<'a> {
    with: Eight,
    rounds: &'a Rounds<Constant>,
    /// The inputs, by their place.
    columns: &'a [[[u64; 4]; LANES]],
}

impl pulp::NullaryFnOnce for Permute<'_> {
    type Output = Option<[[u64; 4]; LANES]>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Self { with, rounds, columns } = self;
        let mut state = Vec::with_capacity(columns.len() + 1);
        state.push(with.zero());
        for column in columns {
            state.push(with.loaded(column));
        }
        let permuted = rounds.permute(&with, state)?;
        Some(with.stored(&permuted))
    }
}
