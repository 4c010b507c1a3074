//! Openings: what public inputs are hashes of, told in the clear.

use crate::{
    json,
    native::{self, Error, Fr, position_hash},
    witness::RuleName,
};
use phalanx_types::{
    Hash,
    agent::Position,
    units::{CheckpointNumber, decimal},
};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

/// Longest purpose in bytes.
pub const PURPOSE_LEN_MAX: usize = 256;
/// The purpose of a proof that is made for nothing in particular.
pub const PURPOSE_DEFAULT: &str = "phalanx";

/// What is told beside the public inputs. Verifying recomputes the inputs from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Openings {
    /// The checkpoint whose root is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointNumber>,
    /// Where the region is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// What the proof is made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its centre, whose hash is the public input.
    pub center: Position,
    /// How the rule is called. A word of the prover: nothing is recomputed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
}

/// Parts of a context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The chain; 0 for none.
    #[serde(with = "decimal")]
    pub chain_id: u64,
    /// The contract on it that takes the proof; zero for none.
    #[serde(with = "json::bytes")]
    pub contract: [u8; 20],
    /// For what: at most [`PURPOSE_LEN_MAX`] bytes.
    pub purpose: String,
}

impl Region {
    /// The public input.
    ///
    /// # Errors
    /// When the centre is not valid.
    pub fn field(&self) -> Result<Fr, Error> {
        position_hash(&self.center)
    }
}

impl Default for Context {
    /// For no chain.
    fn default() -> Self {
        Self { chain_id: 0, contract: [0; 20], purpose: PURPOSE_DEFAULT.to_owned() }
    }
}

impl Context {
    /// The purpose as the contract takes it: `0x` and 64 lower-case hex digits are the 32
    /// bytes themselves, any other text stands for its Keccak-256.
    #[must_use]
    pub fn purpose_hash(&self) -> Hash {
        let literal = self.purpose.strip_prefix("0x").and_then(|digits| digits.parse().ok());
        literal.unwrap_or_else(|| Hash(Keccak256::digest(self.purpose.as_bytes()).into()))
    }

    /// The public input: [`native::context`].
    #[must_use]
    pub fn field(&self) -> Fr {
        native::context(self.chain_id, &self.contract, &self.purpose_hash())
    }
}
