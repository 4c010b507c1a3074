//! Witness files: what a node hands to a prover, one JSON document a statement.
//!
//! A document is `{"format": 1, "witness": {"statement": …, "secret": {…}}}`. It holds
//! seeds and places: whoever reads it can prove what it says, link every proof of that
//! agent, and knows where it is. So nothing here has `Debug`, errors do not repeat what a
//! file says, and the text of a document is wiped when dropped. Reading is strict: no
//! unknown field, no number or element with two spellings, nothing larger than its bound.

mod error;
mod policy;

pub use error::WitnessError;
pub use policy::{BoundPolicy, BoundRule, RuleName};

use crate::{
    integrity::COUNT_MAX,
    json::{self, Unread, element, path},
    native::{AgentState, Fr, Path},
};
use phalanx_types::{
    AgentId, Hash, Height, Resources,
    agent::{AgentSeed, Position},
    resources::{WORKER_GPUS_MAX, WorkerResources},
    units::{CheckpointNumber, decimal},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The format that is read and written here.
pub const FORMAT: u16 = 1;
/// Most bytes of a document. The largest holds nine positions of 512 coordinates, of at
/// most 15 characters each.
pub const WITNESS_BYTES_MAX: usize = 128 << 10;

/// For a proof of a [`position`](crate::position).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PositionWitness {
    /// The checkpoint whose agents tree has the agent.
    pub checkpoint: CheckpointNumber,
    /// The agent as it is there.
    #[serde(with = "AgentJson")]
    pub agent: AgentState,
    /// Where its leaf is.
    #[serde(with = "path")]
    pub path: Path,
    /// The policy that binds it there.
    pub policy: BoundPolicy,
}

/// For a proof of an [`action`](crate::action).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionWitness {
    /// The checkpoint whose audit tree has the action.
    pub checkpoint: CheckpointNumber,
    /// The agent before the action.
    #[serde(with = "AgentJson")]
    pub before: AgentState,
    /// The agent after it.
    #[serde(with = "AgentJson")]
    pub after: AgentState,
    /// The policy that binds it after the action.
    pub policy: BoundPolicy,
    /// What its worker has in all, after the action.
    pub worker: WorkerResources,
    /// The action's place among all actions.
    #[serde(with = "decimal")]
    pub index: u64,
    /// The beat that decided it.
    pub beat: Height,
    /// Where its leaf is.
    #[serde(with = "path")]
    pub path: Path,
}

/// For a proof of [`integrity`](crate::integrity).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntegrityWitness {
    /// The checkpoint whose audit tree has the last beat.
    pub checkpoint: CheckpointNumber,
    /// Digest of the beat of the first receipt.
    #[serde(with = "element")]
    pub first: Fr,
    /// The height of the beat after that one.
    pub from: Height,
    /// The receipts roots from there on, 1 to 16.
    pub receipts_roots: Vec<Hash>,
    /// Where the leaf of the last beat is.
    #[serde(with = "path")]
    pub path: Path,
}

/// What is in a witness file.
#[expect(clippy::large_enum_variant, reason = "there is one of them a proof")]
#[derive(Serialize, Deserialize)]
#[serde(tag = "statement", content = "secret", rename_all = "snake_case", deny_unknown_fields)]
pub enum Witness {
    /// Of a position.
    Position(PositionWitness),
    /// Of an action.
    Action(ActionWitness),
    /// Of the record between two receipts.
    Integrity(IntegrityWitness),
}

/// How an agent is written. Only witness files hold one.
#[derive(Serialize, Deserialize)]
#[serde(remote = "AgentState", deny_unknown_fields)]
struct AgentJson {
    id: AgentId,
    #[serde(with = "element")]
    tenant: Fr,
    position: Position,
    resources: Resources,
    #[serde(with = "element")]
    policy_root: Fr,
    #[serde(with = "decimal")]
    nonce: u64,
    seed: AgentSeed,
}

/// The document, written from a reference and read as a value.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<W> {
    format: u16,
    witness: W,
}

impl Witness {
    /// The document, on one line.
    ///
    /// # Errors
    /// When a part is out of its bounds: it would not be read back.
    pub fn to_json(&self) -> Result<Zeroizing<String>, WitnessError> {
        self.check()?;
        // So large that it never moves and leaves a copy behind.
        let mut bytes = Vec::with_capacity(WITNESS_BYTES_MAX);
        let written = serde_json::to_writer(&mut bytes, &Document { format: FORMAT, witness: self });
        let text = Zeroizing::new(String::from_utf8(bytes).unwrap_or_default());
        written.map_err(|e| WitnessError::from(Unread::Malformed(e)))?;
        Ok(text)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it is too long, of another format or form, or a part is out of its bounds.
    pub fn from_json(bytes: &[u8]) -> Result<Self, WitnessError> {
        let document: Document<Self> = json::read(bytes, WITNESS_BYTES_MAX, FORMAT)?;
        document.witness.check()?;
        Ok(document.witness)
    }

    /// The statement's name.
    #[must_use]
    pub fn statement(&self) -> &'static str {
        match self {
            Self::Position(_) => "position",
            Self::Action(_) => "action",
            Self::Integrity(_) => "integrity",
        }
    }

    /// The checkpoint whose root is proven of.
    #[must_use]
    pub fn checkpoint(&self) -> CheckpointNumber {
        match self {
            Self::Position(witness) => witness.checkpoint,
            Self::Action(witness) => witness.checkpoint,
            Self::Integrity(witness) => witness.checkpoint,
        }
    }

    fn check(&self) -> Result<(), WitnessError> {
        match self {
            Self::Position(PositionWitness { agent, policy, .. }) => {
                check_agent(agent)?;
                policy.check(agent.position.0.len())
            }
            Self::Action(ActionWitness { before, after, policy, worker, .. }) => {
                check_agent(before)?;
                check_agent(after)?;
                let dimension = before.position.0.len();
                if after.position.0.len() != dimension {
                    return Err(WitnessError::Dimensions {
                        expected: dimension,
                        found: after.position.0.len(),
                    });
                }
                if worker.gpus > WORKER_GPUS_MAX {
                    return Err(WitnessError::Resources);
                }
                policy.check(dimension)
            }
            Self::Integrity(IntegrityWitness { receipts_roots, .. }) => match receipts_roots.len() {
                1..=COUNT_MAX => Ok(()),
                found => Err(WitnessError::Beats { found }),
            },
        }
    }
}

fn check_agent(agent: &AgentState) -> Result<(), WitnessError> {
    if !agent.position.is_valid() {
        return Err(WitnessError::Place { of: "the agent".to_owned() });
    }
    if agent.resources.gpu.is_valid() { Ok(()) } else { Err(WitnessError::Resources) }
}
