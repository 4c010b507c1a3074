//! The circuits that there are, by name: `position-8`, `action-64`, `integrity`.
//!
//! [`AnyStatement`] is a statement itself, so that a circuit, a key or a prover of any of
//! them is one type. Its circuit is, and has the hash of, the statement's own.

use crate::{
    action::{self, Action},
    integrity::{self, Integrity},
    position::{self, Position},
    r1cs::{Input, Mismatch, Statement, System},
};
use phalanx_types::{Checkpoint, Hash};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One of the statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AnyStatement {
    /// A position.
    Position(Position),
    /// An action.
    Action(Action),
    /// The record between two receipts.
    Integrity(Integrity),
}

/// What the prover of it knows.
#[expect(clippy::large_enum_variant, reason = "there is one of them a proof")]
pub enum AnySecret {
    /// Of a position.
    Position(position::Secret),
    /// Of an action.
    Action(action::Secret),
    /// Of the record between two receipts.
    Integrity(integrity::Secret),
}

/// Which root of a checkpoint a statement is about. It is the first public input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// `agents_root`
    Agents,
    /// `audit_root`
    Audit,
}

/// A name that no circuit has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no circuit {name:?}: the circuits are {}", AnyStatement::names())]
pub struct UnknownCircuit {
    /// The name.
    pub name: String,
}

impl AnyStatement {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let sized = Position::DIMENSIONS.into_iter().filter_map(|n| {
            let (position, action) = (Position::new(n).ok()?, Action::new(n).ok()?);
            Some([Self::Position(position), Self::Action(action)])
        });
        sized.flatten().chain([Self::Integrity(Integrity)])
    }

    fn names() -> String {
        Self::all().map(|statement| statement.name()).collect::<Vec<_>>().join(", ")
    }

    /// Coordinates of a position, where there are any.
    #[must_use]
    pub fn dimension(&self) -> Option<usize> {
        match self {
            Self::Position(statement) => Some(statement.dimension()),
            Self::Action(statement) => Some(statement.dimension()),
            Self::Integrity(_) => None,
        }
    }

    /// The root that it is about.
    #[must_use]
    pub fn root(&self) -> Root {
        match self {
            Self::Position(_) => Root::Agents,
            Self::Action(_) | Self::Integrity(_) => Root::Audit,
        }
    }

    /// The place of a public input among them, from 0.
    #[must_use]
    pub fn place(&self, input: &str) -> Option<usize> {
        self.inputs().iter().position(|found| found.name == input)
    }
}

impl Root {
    /// That root of a checkpoint.
    #[must_use]
    pub fn of(self, checkpoint: &Checkpoint) -> Hash {
        match self {
            Self::Agents => checkpoint.agents_root,
            Self::Audit => checkpoint.audit_root,
        }
    }
}

impl FromStr for AnyStatement {
    type Err = UnknownCircuit;

    fn from_str(name: &str) -> Result<Self, UnknownCircuit> {
        Self::all()
            .find(|statement| statement.name() == name)
            .ok_or_else(|| UnknownCircuit { name: name.chars().take(64).collect() })
    }
}

impl TryFrom<String> for AnyStatement {
    type Error = UnknownCircuit;

    fn try_from(name: String) -> Result<Self, UnknownCircuit> {
        name.parse()
    }
}

impl From<AnyStatement> for String {
    fn from(statement: AnyStatement) -> Self {
        statement.name()
    }
}

impl fmt::Display for AnyStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

impl AnySecret {
    /// Its kind as a number, for [`Mismatch`].
    fn kind(&self) -> usize {
        match self {
            Self::Position(_) => 1,
            Self::Action(_) => 2,
            Self::Integrity(_) => 3,
        }
    }
}

impl Statement for AnyStatement {
    type Secret = AnySecret;

    fn name(&self) -> String {
        match self {
            Self::Position(statement) => statement.name(),
            Self::Action(statement) => statement.name(),
            Self::Integrity(statement) => statement.name(),
        }
    }

    fn inputs(&self) -> &'static [Input] {
        match self {
            Self::Position(statement) => statement.inputs(),
            Self::Action(statement) => statement.inputs(),
            Self::Integrity(statement) => statement.inputs(),
        }
    }

    fn caveats(&self) -> &'static [&'static str] {
        match self {
            Self::Position(statement) => statement.caveats(),
            Self::Action(statement) => statement.caveats(),
            Self::Integrity(statement) => statement.caveats(),
        }
    }

    fn blank(&self) -> AnySecret {
        match self {
            Self::Position(statement) => AnySecret::Position(statement.blank()),
            Self::Action(statement) => AnySecret::Action(statement.blank()),
            Self::Integrity(statement) => AnySecret::Integrity(statement.blank()),
        }
    }

    fn lay<C: System>(&self, cs: &mut C, inputs: &[C::Num], secret: &AnySecret) -> Result<(), Mismatch> {
        match (self, secret) {
            (Self::Position(statement), AnySecret::Position(secret)) => statement.lay(cs, inputs, secret),
            (Self::Action(statement), AnySecret::Action(secret)) => statement.lay(cs, inputs, secret),
            (Self::Integrity(statement), AnySecret::Integrity(secret)) => statement.lay(cs, inputs, secret),
            _ => Err(Mismatch {
                what: "kind of secret (1 position, 2 action, 3 integrity)",
                expected: self.blank().kind(),
                found: secret.kind(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::r1cs::Circuit;

    #[test]
    fn a_circuit_of_the_catalog_is_the_statements_own() {
        let by_name = |name: &str| Circuit::new(name.parse::<AnyStatement>().unwrap()).unwrap().hash();
        assert_eq!(by_name("position-2"), Circuit::new(Position::new(2).unwrap()).unwrap().hash());
        assert_eq!(by_name("action-8"), Circuit::new(Action::new(8).unwrap()).unwrap().hash());
        assert_eq!(by_name("integrity"), Circuit::new(Integrity).unwrap().hash());
    }

    #[test]
    fn each_circuit_has_its_name_and_other_names_are_refused() {
        assert_eq!(AnyStatement::all().count(), 9);
        for statement in AnyStatement::all() {
            assert_eq!(statement.to_string().parse(), Ok(statement));
            let root = statement.inputs()[0].name;
            assert_eq!(root, if statement.root() == Root::Agents { "agents_root" } else { "audit_root" });
        }
        let error = "position-3".parse::<AnyStatement>().unwrap_err().to_string();
        assert!(error.contains("position-2") && error.contains("integrity"), "{error}");
    }

    #[test]
    fn a_secret_of_another_statement_is_refused() {
        let circuit = Circuit::new(AnyStatement::Integrity(Integrity)).unwrap();
        let blank = AnyStatement::Position(Position::new(2).unwrap()).blank();
        assert!(circuit.assign(&[Default::default(); 4], &blank).is_err());
    }
}
