//! The owner's commands as the chain has them: a kind and a payload.
//!
//! The payload is `abi.encode` of the arguments, and the calldata of the
//! function of `OwnerCommands` is its selector and that payload. People write it
//! as JSON, `{"pause_shard": {"shard": "mars"}}`, with the same arguments.

mod check;
mod codec;
mod json;

pub use check::{CommandFault, DELAY_S_MAX};
pub use json::{COMMANDS_BYTES_MAX, NoCommands};

pub(crate) use codec::{entry_token, registration_token};

use crate::{abi, digest::SetEntry};
use codec::{Arguments, FUNCTIONS, parameters, selector};
use ethers::core::abi::ParamType;
use phalanx_types::{Hash, Name, PublicKey, Signature, tags, units::decimal};
use serde::{Deserialize, Serialize};

/// Longest payload that is read: one transaction does not hold more.
const PAYLOAD_BYTES_MAX: usize = 128 << 10;
/// The same where a list holds lists: their places may be given so that a few bytes mean
/// very many.
const NESTED_BYTES_MAX: usize = 16 << 10;

/// Three signatures that say that the keys of a validator belong together; all
/// zero when the entry was in the set before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// By the account, EIP-2098.
    #[serde(with = "hex::serde")]
    pub account: [u8; 64],
    /// By the network key.
    pub network: Signature,
    /// By the vote key.
    pub vote: Signature,
}

impl Registration {
    /// The entry stays as it was.
    pub const NONE: Self = Self { account: [0; 64], network: Signature([0; 64]), vote: Signature([0; 64]) };

    /// Whether the two Ed25519 keys have signed what the chain cannot check.
    #[must_use]
    pub fn is_signed_by_keys(&self, digest: &Hash, entry: &SetEntry) -> bool {
        entry.network_key.verifies(tags::REGISTRATION, &digest.0, &self.network)
            && entry.vote_key.verifies(tags::REGISTRATION, &digest.0, &self.vote)
    }
}

/// A validator of a proposed set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "json::Proposed", into = "json::Proposed")]
pub struct ProposedValidator {
    /// Keys, account, weight.
    pub entry: SetEntry,
    /// Where it stands.
    pub region: Name,
    /// A word for people.
    pub label: Name,
    /// Its keys' consent.
    pub registration: Registration,
}

/// The limits of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantLimits {
    /// Jobs waiting or running.
    pub jobs_max: u32,
    /// Agents alive.
    pub agents_max: u32,
    /// Thousandths of a core.
    #[serde(with = "decimal")]
    pub cpu_milli_max: u64,
    /// MiB.
    #[serde(with = "decimal")]
    pub memory_mib_max: u64,
    /// Thousandths of a GPU.
    #[serde(with = "decimal")]
    pub gpu_milli_max: u64,
}

/// Who proposes, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainMode {
    /// One controller and its successors.
    Centralized(Vec<PublicKey>),
    /// For each region its coordinator and its successors.
    Federated(Vec<(Name, Vec<PublicKey>)>),
    /// All in turn.
    FullyDistributed,
    /// All in turn, weighted by distance.
    GeometricMesh,
}

/// A command, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs, reason = "each variant is a line of `Kinds`, whose argument names these are")]
pub enum ChainCommand {
    PauseMesh,
    ResumeMesh,
    PauseShard {
        shard: Name,
    },
    ResumeShard {
        shard: Name,
    },
    SetShard {
        name: Name,
        queue_budget: u32,
        latency_budget_ms: u32,
        spillover: Vec<Name>,
        specialties: Vec<Name>,
    },
    SetShardBudget {
        shard: Name,
        queue_budget: u32,
        latency_budget_ms: u32,
    },
    SetShardWeight {
        shard: Name,
        weight_ppm: u32,
    },
    SetSpillover {
        shard: Name,
        spillover: Vec<Name>,
    },
    SetThermostat {
        limit_ppm: u32,
    },
    SetOptimisation {
        performance: u32,
        cost: u32,
        reliability: u32,
        sustainability: u32,
    },
    SetVerification {
        level: u8,
        fraction_ppm: u32,
    },
    SetMode {
        mode: ChainMode,
    },
    SetTenant {
        name: Name,
        keys: Vec<PublicKey>,
        limits: TenantLimits,
    },
    SetValidators {
        validators: Vec<ProposedValidator>,
    },
    WithdrawValidators {
        set_hash: Hash,
    },
    RequestForce {
        set_hash: Hash,
    },
    CancelForce {
        set_hash: Hash,
    },
    ExecuteForce {
        set_hash: Hash,
    },
    ApproveWorker {
        worker: Name,
        key: PublicKey,
    },
    RevokeWorker {
        worker: Name,
    },
    AdmitPeer {
        network_key: PublicKey,
        label: Name,
    },
    BanPeer {
        network_key: PublicKey,
        reason: String,
        #[serde(with = "decimal")]
        until_ms: u64,
    },
    SetPolicy {
        name: Name,
        #[serde(with = "hex::serde")]
        document: Vec<u8>,
    },
    RemovePolicy {
        name: Name,
    },
    Payload {
        #[serde(with = "hex::serde")]
        data: Vec<u8>,
    },
    SetDelay {
        delay_s: u32,
    },
    Reconcile {
        #[serde(with = "decimal")]
        applied: u64,
        head: Hash,
    },
}

/// A payload that is none of its kind's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload of {} bytes is none of kind {kind}: {reason}", payload.len())]
pub struct CommandError {
    /// The kind.
    pub kind: u8,
    /// The payload.
    pub payload: Vec<u8>,
    /// What is wrong with it.
    pub reason: String,
}

impl ChainCommand {
    /// Its number and the function of `OwnerCommands`.
    #[must_use]
    pub const fn kind_and_function(&self) -> (u8, &'static str) {
        match self {
            Self::PauseMesh => (1, "pauseMesh"),
            Self::ResumeMesh => (2, "resumeMesh"),
            Self::PauseShard { .. } => (3, "pauseShard"),
            Self::ResumeShard { .. } => (4, "resumeShard"),
            Self::SetShard { .. } => (5, "setShard"),
            Self::SetShardBudget { .. } => (6, "setShardBudget"),
            Self::SetShardWeight { .. } => (7, "setShardWeight"),
            Self::SetSpillover { .. } => (8, "setSpillover"),
            Self::SetThermostat { .. } => (9, "setThermostat"),
            Self::SetOptimisation { .. } => (10, "setOptimisation"),
            Self::SetVerification { .. } => (11, "setVerification"),
            Self::SetMode { .. } => (12, "setMode"),
            Self::SetTenant { .. } => (13, "setTenant"),
            Self::SetValidators { .. } => (14, "setValidators"),
            Self::WithdrawValidators { .. } => (15, "withdrawValidators"),
            Self::RequestForce { .. } => (16, "requestForce"),
            Self::CancelForce { .. } => (17, "cancelForce"),
            Self::ExecuteForce { .. } => (18, "executeForce"),
            Self::ApproveWorker { .. } => (19, "approveWorker"),
            Self::RevokeWorker { .. } => (20, "revokeWorker"),
            Self::AdmitPeer { .. } => (21, "admitPeer"),
            Self::BanPeer { .. } => (22, "banPeer"),
            Self::SetPolicy { .. } => (23, "setPolicy"),
            Self::RemovePolicy { .. } => (24, "removePolicy"),
            Self::Payload { .. } => (25, "payload"),
            Self::SetDelay { .. } => (26, "setDelay"),
            Self::Reconcile { .. } => (27, "reconcile"),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        self.kind_and_function().0
    }

    /// Its arguments, encoded.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        ethers::core::abi::encode(&self.tokens())
    }

    /// Calldata for `OwnerCommands`.
    #[must_use]
    pub fn calldata(&self) -> Vec<u8> {
        let (kind, function) = self.kind_and_function();
        let mut data = selector(kind, function).to_vec();
        data.extend_from_slice(&self.payload());
        data
    }

    /// The command in calldata for `OwnerCommands`; `None` when it calls
    /// another function.
    ///
    /// # Errors
    /// When the arguments are none of the function's.
    pub fn from_calldata(data: &[u8]) -> Result<Option<Self>, CommandError> {
        let Some((head, payload)) = data.split_first_chunk::<4>() else { return Ok(None) };
        match FUNCTIONS.iter().find(|(kind, function)| selector(*kind, function) == *head) {
            Some((kind, _)) => Self::decode(*kind, payload).map(Some),
            None => Ok(None),
        }
    }

    /// The command of a kind with a payload, which must be the one encoding of
    /// its arguments.
    ///
    /// # Errors
    /// When it is none, or the kind is unknown.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Self, CommandError> {
        let failed = |reason: String| CommandError { kind, payload: payload.to_vec(), reason };
        let kinds = parameters(kind).ok_or_else(|| failed("there is no such kind".into()))?;
        let is_nested =
            |kind: &ParamType| matches!(kind, ParamType::Array(of) if matches!(**of, ParamType::Array(_)));
        let max = if kinds.iter().any(is_nested) { NESTED_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
        if payload.len() > max {
            return Err(failed(format!("it has {} bytes; at most {max} are read", payload.len())));
        }
        let tokens = abi::decode_exact(&kinds, payload).map_err(|e| failed(e.to_string()))?;
        let mut read = Arguments::new(tokens);
        read.command(kind).map_err(failed)
    }
}

#[cfg(test)]
pub(crate) mod tests;
