//! One permutation at a time, by the field's own arithmetic.

use super::{power, rounds::Arithmetic};
use crate::native::Fr;

/// Products that the field adds before it reduces them: three fit without a carry.
const TOGETHER: usize = 3;

pub(super) struct Single;

impl Arithmetic for Single {
    type Constant = Fr;
    type Value = Fr;

    fn add(&self, value: Fr, constant: &Fr) -> Fr {
        value + constant
    }

    fn sum(&self, weights: &[Fr], values: &[Fr], constant: &Fr) -> Fr {
        let ((some, rest), (others, left)) =
            (weights.as_chunks::<TOGETHER>(), values.as_chunks::<TOGETHER>());
        let whole: Fr = some.iter().zip(others).map(|(a, b)| ark_ff::Field::sum_of_products(a, b)).sum();
        whole + rest.iter().zip(left).map(|(a, b)| *a * b).sum::<Fr>() + constant
    }

    fn power(&self, value: Fr) -> Fr {
        power(value)
    }
}
