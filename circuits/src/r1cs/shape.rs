//! The matrices of a circuit.

use super::{Linear, System};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use phalanx_types::Hash;
use sha3::{Digest, Sha3_256};

/// One row of a matrix: terms `(factor, column)` by rising column.
pub type Row = Vec<(Fr, usize)>;

/// A circuit: `A·z ∘ B·z = C·z` for `z = (1, inputs, witnesses)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Shape {
    inputs: usize,
    columns: usize,
    matrices: [Vec<Row>; 3],
    rules: Vec<&'static str>,
    named: Vec<usize>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            inputs: 1,
            columns: 1,
            matrices: [const { Vec::new() }; 3],
            rules: Vec::new(),
            named: Vec::new(),
        }
    }
}

impl Shape {
    /// Columns of the constant one and of the public inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// All columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of constraints.
    #[must_use]
    pub fn constraints(&self) -> usize {
        self.rules.len()
    }

    /// Terms in all rows.
    #[must_use]
    pub fn non_zeros(&self) -> usize {
        self.matrices.iter().flatten().map(Vec::len).sum()
    }

    /// A, B and C.
    #[must_use]
    pub fn matrices(&self) -> &[Vec<Row>; 3] {
        &self.matrices
    }

    /// Columns of the witnesses that the statement names; the others follow from them.
    #[must_use]
    pub fn named(&self) -> &[usize] {
        &self.named
    }

    /// The rows of the three matrices, constraint by constraint.
    pub fn rows(&self) -> impl Iterator<Item = (&Row, &Row, &Row)> {
        let [a, b, c] = &self.matrices;
        a.iter().zip(b).zip(c).map(|((a, b), c)| (a, b, c))
    }

    /// The rule of the first constraint that these values break.
    #[must_use]
    pub fn broken(&self, variables: &[Fr]) -> Option<&'static str> {
        let value = |row: &Row| -> Fr {
            row.iter().map(|(f, column)| *f * variables.get(*column).unwrap_or(&Fr::ZERO)).sum()
        };
        self.rows()
            .zip(&self.rules)
            .find_map(|((a, b, c), rule)| (value(a) * value(b) != value(c)).then_some(*rule))
    }

    /// SHA3-256 of the constraint system: number of inputs, of columns and of
    /// constraints, then for every constraint the three rows, each as its length and its
    /// terms (column, factor). Integers are 32 bits, factors 32 bytes, little-endian.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let mut hasher = Sha3_256::new();
        hasher.update(b"phalanx/r1cs/v1\0");
        for count in [self.inputs, self.columns, self.constraints()] {
            hasher.update((count as u32).to_le_bytes());
        }
        for (a, b, c) in self.rows() {
            for row in [a, b, c] {
                hasher.update((row.len() as u32).to_le_bytes());
                for (factor, column) in row {
                    hasher.update((*column as u32).to_le_bytes());
                    hasher.update(factor.into_bigint().to_bytes_le());
                }
            }
        }
        Hash(hasher.finalize().into())
    }
}

impl System for Shape {
    type Num = Linear;

    fn constant(&self, value: Fr) -> Linear {
        Linear::term(value, 0)
    }

    fn input(&mut self, _: Fr) -> Linear {
        debug_assert_eq!(self.inputs, self.columns, "inputs come before witnesses");
        self.inputs += 1;
        self.hint(Fr::ZERO)
    }

    fn witness(&mut self, _: Fr) -> Linear {
        self.named.push(self.columns);
        self.hint(Fr::ZERO)
    }

    fn hint(&mut self, _: Fr) -> Linear {
        self.columns += 1;
        Linear::term(Fr::ONE, self.columns - 1)
    }

    fn value(&self, _: &Linear) -> Fr {
        Fr::ZERO
    }

    fn add(&self, to: &mut Linear, factor: Fr, number: &Linear) {
        to.add(factor, number);
    }

    fn enforce(&mut self, rule: &'static str, a: &Linear, b: &Linear, c: &Linear) {
        for (matrix, row) in self.matrices.iter_mut().zip([a, b, c]) {
            matrix.push(row.0.clone());
        }
        self.rules.push(rule);
    }
}
