//! What each public input rests on.

use super::{Openings, Wrong};
use crate::{
    catalog::AnyStatement,
    json::element,
    native::{Fr, bytes_of},
    r1cs::Statement,
};
use phalanx_types::{Checkpoint, Hash, units::CheckpointNumber};
use serde::Serialize;

/// Why a public input is what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// It was recomputed from what it is a hash of.
    Recomputed,
    /// It is the root of the checkpoint with this number, which was given.
    Compared(CheckpointNumber),
    /// The proof is about this value; whether it is the one you mean is yours to compare.
    Stated,
}

/// A public input that nothing speaks against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedInput {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// Its value.
    #[serde(serialize_with = "element::serialize")]
    pub value: Fr,
    /// What it rests on.
    pub basis: Basis,
}

/// Recomputes the inputs that are opened, and compares the root with the checkpoint that is
/// meant. Where checkpoints are given, it must be one of them.
///
/// # Errors
/// The first input that is another one.
pub fn check_inputs(
    statement: &AnyStatement,
    inputs: &[Fr],
    openings: &Openings,
    checkpoints: &[Checkpoint],
) -> Result<Vec<CheckedInput>, Wrong> {
    let region = match &openings.region {
        Some(region) => Some(region.field().map_err(Wrong::Center)?),
        None => None,
    };
    let context = openings.context.as_ref().map(super::Context::field);
    let root = |value| root(statement, value, openings.checkpoint, checkpoints);
    let described = statement.inputs().iter().zip(inputs);
    described
        .enumerate()
        .map(|(at, (input, value))| {
            let expected = match input.name {
                "region" => region,
                "context" => context,
                _ => None,
            };
            let basis = match expected {
                Some(expected) if expected != *value => {
                    let (expected, found) = (bytes_of(expected), bytes_of(*value));
                    return Err(Wrong::Input { input: input.name, expected, found });
                }
                Some(_) => Basis::Recomputed,
                None if at == 0 => root(bytes_of(*value))?,
                None => Basis::Stated,
            };
            Ok(CheckedInput { name: input.name, meaning: input.meaning, value: *value, basis })
        })
        .collect()
}

/// What the root rests on.
fn root(
    statement: &AnyStatement,
    found: Hash,
    meant: Option<CheckpointNumber>,
    checkpoints: &[Checkpoint],
) -> Result<Basis, Wrong> {
    let root = |checkpoint: &Checkpoint| statement.root().of(checkpoint);
    let candidates = || checkpoints.iter().filter(|c| meant.is_none_or(|meant| meant == c.number));
    match (candidates().find(|c| root(c) == found), candidates().next(), meant) {
        _ if checkpoints.is_empty() => Ok(Basis::Stated),
        (Some(same), ..) => Ok(Basis::Compared(same.number)),
        (None, Some(other), _) => Err(Wrong::Root { checkpoint: other.number, expected: root(other), found }),
        (None, None, meant) => Err(Wrong::Checkpoint { meant: meant.unwrap_or_default() }),
    }
}
