//! A small builder of rank-1 constraint systems, and the gadgets of the statements.
//!
//! A statement is written once, against [`System`], and laid twice: [`Shape`] keeps the
//! matrices and knows no values, [`Assignment`] keeps the values and knows no matrices.
//! The first is done once a circuit, the second once a proof; an assignment checks each
//! constraint as it is made, so that nothing is proven that does not hold.

mod assignment;
mod ball;
mod bits;
mod circuit;
mod linear;
mod merkle;
mod poseidon;
mod shape;
mod sparse;

pub use assignment::Assignment;
pub use circuit::{Broken, Circuit, Input, Mismatch, Statement};
pub use linear::Linear;
pub use shape::{Row, Shape};

pub(crate) use ball::{Place, Side, inequality, place, reach};
pub(crate) use bits::{bit, range};
pub(crate) use merkle::{distance, is_one_of, member};
pub(crate) use poseidon::{hash, hash_list};

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

/// What a statement is laid into.
pub trait System {
    /// A number: a linear combination of variables, or its value.
    type Num: Clone;

    /// A constant.
    fn constant(&self, value: Fr) -> Self::Num;

    /// A public input. All of them come before the first witness.
    fn input(&mut self, value: Fr) -> Self::Num;

    /// A witness that the statement names: what the prover knows.
    fn witness(&mut self, value: Fr) -> Self::Num;

    /// A variable that follows from others.
    fn hint(&mut self, value: Fr) -> Self::Num;

    /// The value of a number; zero where values are not known.
    fn value(&self, number: &Self::Num) -> Fr;

    /// `to + factor·number`
    fn add(&self, to: &mut Self::Num, factor: Fr, number: &Self::Num);

    /// `a·b = c`. The rule is what a prover reads who breaks it.
    fn enforce(&mut self, rule: &'static str, a: &Self::Num, b: &Self::Num, c: &Self::Num);

    /// The sum of numbers, each times its factor.
    fn sum<'a>(&self, terms: impl IntoIterator<Item = (Fr, &'a Self::Num)>) -> Self::Num
    where
        Self::Num: 'a,
    {
        let mut sum = self.constant(Fr::ZERO);
        for (factor, number) in terms {
            self.add(&mut sum, factor, number);
        }
        sum
    }

    /// `a − b`
    fn minus(&self, a: &Self::Num, b: &Self::Num) -> Self::Num {
        self.sum([(Fr::ONE, a), (-Fr::ONE, b)])
    }

    /// `a·b`, by one constraint.
    fn product(&mut self, a: &Self::Num, b: &Self::Num) -> Self::Num {
        let product = self.value(a) * self.value(b);
        let product = self.hint(product);
        self.enforce("a product is the product", a, b, &product);
        product
    }

    /// `a = b`
    fn equal(&mut self, rule: &'static str, a: &Self::Num, b: &Self::Num) {
        let (difference, one, zero) = (self.minus(a, b), self.constant(Fr::ONE), self.constant(Fr::ZERO));
        self.enforce(rule, &difference, &one, &zero);
    }
}
