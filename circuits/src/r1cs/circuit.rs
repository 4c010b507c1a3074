//! A statement, and the circuit that is made of it.

use super::{Assignment, Shape, System};
use ark_bn254::Fr;
use phalanx_types::Hash;

/// A public input, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name, in snake case.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// What can be proven.
pub trait Statement {
    /// What the prover knows.
    type Secret;

    /// Its name, with its size where there are several: `position-64`.
    fn name(&self) -> String;

    /// Its public inputs, in order.
    fn inputs(&self) -> &'static [Input];

    /// What a proof of it does not say.
    fn caveats(&self) -> &'static [&'static str];

    /// A secret of the right size, for laying the matrices.
    fn blank(&self) -> Self::Secret;

    /// Lays the constraints over the public inputs.
    ///
    /// # Errors
    /// When the inputs or the secret have another size than the statement.
    fn lay<C: System>(&self, cs: &mut C, inputs: &[C::Num], secret: &Self::Secret) -> Result<(), Mismatch>;
}

/// Something of another size than the circuit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {found} where the circuit has {expected}")]
pub struct Mismatch {
    /// What it is.
    pub what: &'static str,
    /// The circuit's size.
    pub expected: usize,
    /// The size that was given.
    pub found: usize,
}

/// Why there is no proof: these inputs and this secret do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A rule does not hold.
    #[error("the statement does not hold: it breaks the rule \"{rule}\"")]
    Rule {
        /// The rule.
        rule: &'static str,
    },
    /// Something has another size than the circuit's.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// A statement with its matrices.
pub struct Circuit<S> {
    statement: S,
    shape: Shape,
    hash: Hash,
}

impl<S: Statement> Circuit<S> {
    /// Lays the matrices: milliseconds to tenths of a second. Keep it.
    ///
    /// # Errors
    /// When the statement's own blank secret has another size than the statement.
    pub fn new(statement: S) -> Result<Self, Mismatch> {
        let mut shape = Shape::default();
        let zeros = vec![Fr::default(); statement.inputs().len()];
        lay(&statement, &mut shape, &zeros, &statement.blank())?;
        let hash = shape.hash();
        Ok(Self { statement, shape, hash })
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &S {
        &self.statement
    }

    /// The matrices.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The circuit's identity: [`Shape::hash`].
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The values of all variables, for public inputs and a secret that hold.
    ///
    /// # Errors
    /// The first rule that they break.
    pub fn assign(&self, inputs: &[Fr], secret: &S::Secret) -> Result<Assignment, Broken> {
        let mut assignment = Assignment::with_capacity(self.shape.columns());
        lay(&self.statement, &mut assignment, inputs, secret)?;
        let found = assignment.variables().len();
        if found != self.shape.columns() {
            return Err(Mismatch { what: "variables", expected: self.shape.columns(), found }.into());
        }
        match assignment.broken() {
            Some(rule) => Err(Broken::Rule { rule }),
            None => Ok(assignment),
        }
    }
}

fn lay<S: Statement, C: System>(
    statement: &S,
    cs: &mut C,
    inputs: &[Fr],
    secret: &S::Secret,
) -> Result<(), Mismatch> {
    let expected = statement.inputs().len();
    if inputs.len() != expected {
        return Err(Mismatch { what: "public inputs", expected, found: inputs.len() });
    }
    let inputs: Vec<C::Num> = inputs.iter().map(|value| cs.input(*value)).collect();
    statement.lay(cs, &inputs, secret)
}

impl Mismatch {
    /// Public inputs by name.
    ///
    /// # Errors
    /// When there are not `N` of them.
    pub(crate) fn named<N, const COUNT: usize>(inputs: &[N]) -> Result<&[N; COUNT], Self> {
        inputs.try_into().map_err(|_| Self { what: "public inputs", expected: COUNT, found: inputs.len() })
    }

    /// A position of the circuit's dimension.
    ///
    /// # Errors
    /// When it has another one.
    pub(crate) fn dimension(expected: usize, position: &phalanx_types::agent::Position) -> Result<(), Self> {
        let found = position.0.len();
        if found == expected { Ok(()) } else { Err(Self { what: "coordinates", expected, found }) }
    }
}
