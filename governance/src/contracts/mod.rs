//! Our contracts: what is called, read and deployed.
//!
//! The module [`command`] has the owner's commands and their encoding,
//! [`commands`] the log and the queue of `OwnerCommands`, [`anchor`]
//! `CheckpointAnchor`, [`registry`] `ValidatorRegistry`, [`deploy`] all three
//! in one transaction, [`watch`] commands as
//! they become final, [`verdict`] whether a checkpoint is anchored, [`verifier`] proofs,
//! and [`artifacts`] interface and bytes of this build.

/// A checkpoint as the bindings `$b` of a contract have it: each contract's are a type of their own.
macro_rules! checkpoint_words {
    ($c:expr, $b:ident) => {
        $b::Checkpoint {
            version: $c.version,
            number: $c.number.0,
            parent: $c.parent.0,
            mesh_id: $c.mesh.0,
            first_beat: $c.first_beat.0,
            last_beat: $c.last_beat.0,
            first_receipt: $c.first_receipt.0,
            receipt_count: $c.receipt_count,
            interval_root: $c.interval_root.0,
            history_root: $c.history_root.0,
            history_size: $c.history_size,
            app_hash: $c.app_hash.0,
            agents_root: $c.agents_root.0,
            audit_root: $c.audit_root.0,
            set_epoch: $c.set_epoch,
            set_hash: $c.set_hash.0,
            next_set_hash: $c.next_set_hash.0,
            verification_level: $c.verification_level,
            verification_fraction: $c.verification_fraction_ppm,
            time_ms: $c.time.0,
        }
    };
}

pub mod anchor;
pub mod artifacts;
pub(crate) mod bindings;
pub mod command;
pub mod commands;
pub mod deploy;
pub mod registry;
pub mod verdict;
pub mod verifier;
pub mod watch;

pub use anchor::{Anchor, SignedCheckpoint};
pub use command::{ChainCommand, ChainMode, ProposedValidator, Registration, TenantLimits};
pub use commands::{CommandLog, Commands, LoggedCommand};
pub use deploy::{Deployment, DeploymentPlan};
pub use registry::Registry;
pub use verifier::{CircuitKey, ProofVerifier};

use crate::{
    abi,
    address::Address,
    rpc::{Chain, RpcError},
};
use ethers::core::abi::{AbiDecode, AbiEncode};
use phalanx_types::{Hash, units::CheckpointNumber};

/// Why our contracts cannot be read, or say what they cannot say.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The chain.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The artifacts.
    #[error(transparent)]
    Artifact(#[from] artifacts::ArtifactError),
    /// An answer of another form.
    #[error("{address} answers {function} with {found} bytes that are no answer: is it that contract?")]
    Answer {
        /// The contract.
        address: Address,
        /// What was called.
        function: &'static str,
        /// Length of the answer.
        found: usize,
    },
    /// An event of another form.
    #[error("event {index} of block {block} is no {event}: {reason}")]
    Event {
        /// Its kind.
        event: &'static str,
        /// Its block.
        block: u64,
        /// Its place.
        index: u64,
        /// What is wrong.
        reason: String,
    },
    /// The log of commands has a gap.
    #[error("command {expected} is missing from the log: the next one is {found}; ask another --rpc")]
    Gap {
        /// The number that should come.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// An entry of the log is not what it says.
    #[error("command {sequence} has hash {computed}, but the log says {said}: the endpoint has changed it")]
    CommandHash {
        /// Its number.
        sequence: u64,
        /// Computed here.
        computed: Hash,
        /// In the event.
        said: Hash,
    },
    /// The log ends before the contract's head.
    #[error("the log ends at command {found}, but the contract has {expected}: the endpoint withholds some")]
    Withheld {
        /// The contract's number.
        expected: u64,
        /// The log's.
        found: u64,
    },
    /// The log has another hash chain than the contract.
    #[error(
        "the hash chain up to command {sequence} is {computed}, but the contract has {said}: the endpoint has changed the log"
    )]
    Chain {
        /// The number.
        sequence: u64,
        /// Computed here.
        computed: Hash,
        /// In the contract.
        said: Hash,
    },
    /// A contract of another mesh.
    #[error("{address} is of mesh {found}, not of {expected}")]
    OtherMesh {
        /// The contract.
        address: Address,
        /// The mesh that is meant.
        expected: Hash,
        /// The one it is of.
        found: Hash,
    },
    /// Two contracts that do not belong together.
    #[error("{contract} names {found} as its {part}, but {expected} is meant")]
    OtherPart {
        /// Who names it.
        contract: Address,
        /// What it names.
        part: &'static str,
        /// What is meant.
        expected: Address,
        /// What it names.
        found: Address,
    },
    /// Code that is not of this build.
    #[error("the code of {name} at {address} is not of this build: was it deployed by another version?")]
    OtherBuild {
        /// Which.
        name: &'static str,
        /// Where.
        address: Address,
    },
    /// A checkpoint that the anchor would complete in another way.
    #[error("checkpoint {number} cannot be anchored: its {part} is not what the anchor would fill in")]
    Checkpoint {
        /// Its number.
        number: CheckpointNumber,
        /// Which member.
        part: &'static str,
    },
    /// The transaction deployed nothing.
    #[error("transaction {tx} deployed no contracts of mesh {mesh}")]
    NotDeployed {
        /// The transaction.
        tx: Hash,
        /// The mesh.
        mesh: Hash,
    },
}

/// Calls a view and decodes its answer.
pub(crate) async fn view<C: AbiEncode, R: AbiDecode>(
    chain: &Chain,
    address: Address,
    function: &'static str,
    call: C,
    at: u64,
) -> Result<R, ContractError> {
    let answer = chain.call(address, &call.encode(), at).await?;
    abi::decode(&answer).map_err(|_| ContractError::Answer { address, function, found: answer.len() })
}
