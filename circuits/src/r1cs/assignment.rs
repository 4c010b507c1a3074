//! The values of all variables of one proof.

use super::System;
use ark_bn254::Fr;
use ark_ff::Field;
use zeroize::Zeroizing;

/// Values in the order of the columns, wiped when dropped; and the first rule that they
/// break.
pub struct Assignment {
    variables: Zeroizing<Vec<Fr>>,
    broken: Option<&'static str>,
}

impl Assignment {
    /// With room for that many columns.
    #[must_use]
    pub fn with_capacity(columns: usize) -> Self {
        // Growing would leave a copy behind that nobody wipes.
        let mut variables = Zeroizing::new(Vec::with_capacity(columns));
        variables.push(Fr::ONE);
        Self { variables, broken: None }
    }

    /// The values.
    #[must_use]
    pub fn variables(&self) -> &[Fr] {
        &self.variables
    }

    /// The first rule that is broken.
    #[must_use]
    pub fn broken(&self) -> Option<&'static str> {
        self.broken
    }
}

impl System for Assignment {
    type Num = Fr;

    fn constant(&self, value: Fr) -> Fr {
        value
    }

    fn input(&mut self, value: Fr) -> Fr {
        self.hint(value)
    }

    fn witness(&mut self, value: Fr) -> Fr {
        self.hint(value)
    }

    fn hint(&mut self, value: Fr) -> Fr {
        self.variables.push(value);
        value
    }

    fn value(&self, number: &Fr) -> Fr {
        *number
    }

    fn add(&self, to: &mut Fr, factor: Fr, number: &Fr) {
        *to += factor * number;
    }

    fn enforce(&mut self, rule: &'static str, a: &Fr, b: &Fr, c: &Fr) {
        if self.broken.is_none() && *a * b != *c {
            self.broken = Some(rule);
        }
    }
}
