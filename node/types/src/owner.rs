//! What the owner may command.

use crate::{
    crypto::PublicKey,
    hash::Hash,
    name::Name,
    params::{Mode, Verification},
    shard::ShardSpec,
    tenant::Tenant,
    units::TimeMs,
    validator::Validator,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What a pause stops.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scope {
    /// The whole mesh.
    Mesh,
    /// One shard.
    Shard {
        /// Its name.
        shard: Name,
    },
}

/// Parts of a whole, in millionths; they sum to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimisationWeights {
    /// Latency and throughput.
    pub performance_ppm: u32,
    /// Resource efficiency.
    pub cost_ppm: u32,
    /// Uptime and fault tolerance.
    pub reliability_ppm: u32,
    /// Energy.
    pub sustainability_ppm: u32,
}

impl OptimisationWeights {
    /// Whether they sum to one.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.performance_ppm as u64
            + self.cost_ppm as u64
            + self.reliability_ppm as u64
            + self.sustainability_ppm as u64
            == 1_000_000
    }
}

/// A command of the owner. The mesh applies it once, in order, and writes a
/// receipt.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OwnerCommand {
    /// Stops intake, assignment, scaling and migration. Consensus, heartbeats,
    /// outcomes, owner commands and checkpoints go on.
    Pause {
        /// What is stopped.
        scope: Scope,
    },
    /// Ends a pause.
    Resume {
        /// What goes on.
        scope: Scope,
    },
    /// Adds a shard, or replaces its settings.
    SetShard {
        /// The settings.
        shard: ShardSpec,
    },
    /// Sets the budgets of a shard.
    SetShardBudget {
        /// The shard.
        shard: Name,
        /// Most jobs that may wait there.
        queue_budget: u32,
        /// Latency that work of this region may have.
        latency_budget_ms: u32,
    },
    /// Sets how much free capacity counts in a shard's scores, in millionths of
    /// what the documents say.
    SetShardWeight {
        /// The shard.
        shard: Name,
        /// Millionths, at most [`SHARD_WEIGHT_PPM_MAX`].
        weight_ppm: u32,
    },
    /// Sets where a shard's overflow goes.
    SetSpillover {
        /// The shard.
        shard: Name,
        /// Other shards, in this order.
        to: Vec<Name>,
    },
    /// Sets how much of each worker's slots assignment may fill.
    SetThermostat {
        /// Millionths, from 1 to 1,000,000.
        limit_ppm: u32,
    },
    /// Sets the goals, by which nothing is decided yet.
    SetOptimisation {
        /// The weights.
        weights: OptimisationWeights,
    },
    /// Sets how much is receipted.
    SetVerification {
        /// The level.
        verification: Verification,
    },
    /// Sets who proposes and who weighs, from the next height on.
    SetMode {
        /// The mode.
        mode: Mode,
    },
    /// Adds a tenant, or replaces its keys and quota.
    SetTenant {
        /// The tenant.
        tenant: Tenant,
    },
    /// Adds a validator, or replaces its entry, from the next height on.
    SetValidator {
        /// The entry.
        validator: Validator,
    },
    /// Removes a validator, from the next height on.
    RemoveValidator {
        /// Its vote key.
        vote_key: PublicKey,
    },
    /// Replaces all validators, from the next height on.
    SetValidators {
        /// The entries.
        validators: Vec<Validator>,
    },
    /// Lets `key` sign for `worker`.
    ApproveWorker {
        /// The worker.
        worker: Name,
        /// The key of the node that hosts it.
        key: PublicKey,
    },
    /// Ends an approval; the worker's attempts are re-queued.
    RevokeWorker {
        /// The worker.
        worker: Name,
    },
    /// Lets a peer join the mesh.
    AdmitPeer {
        /// Its network key.
        network_key: PublicKey,
        /// A word for people.
        label: Name,
    },
    /// Cuts a peer off.
    BanPeer {
        /// Its network key.
        network_key: PublicKey,
        /// Why, for the receipt.
        reason: String,
        /// Until when; the largest time: for ever.
        until: TimeMs,
    },
    /// Declares a policy, or replaces it.
    SetPolicy {
        /// Its name.
        name: Name,
        /// Its text; at most [`POLICY_LEN_MAX`] bytes.
        #[serde(with = "hex::serde")]
        document: Vec<u8>,
    },
    /// Takes a policy back.
    RemovePolicy {
        /// Its name.
        name: Name,
    },
    /// Tells a mesh that stopped obeying, because the chain it obeyed is not the
    /// chain any more, to go on from here: what it has applied stays applied.
    Reconcile {
        /// The last command that the mesh has applied.
        #[serde(with = "crate::units::decimal")]
        applied: u64,
        /// The hash chain up to that one, as the mesh has it.
        head: Hash,
    },
    /// Something that the contracts carry out by themselves: a set of validators
    /// withdrawn or forced, another delay. The mesh keeps the receipt.
    OnChain {
        /// The contract's number of its kind.
        kind: u8,
        /// The contract's encoding of the rest; at most [`PAYLOAD_LEN_MAX`].
        #[serde(with = "hex::serde")]
        payload: Vec<u8>,
    },
    /// Bytes without a meaning to the mesh, receipted for others to read.
    Payload {
        /// The bytes; at most [`PAYLOAD_LEN_MAX`].
        #[serde(with = "hex::serde")]
        bytes: Vec<u8>,
    },
}

/// Longest free payload in bytes.
pub const PAYLOAD_LEN_MAX: usize = 4_096;
/// Longest text of a policy in bytes.
pub const POLICY_LEN_MAX: usize = 4_096;
/// Largest weight of a shard: that of the documents.
pub const SHARD_WEIGHT_PPM_MAX: u32 = 1_000_000;
/// Longest reason in bytes.
pub const REASON_LEN_MAX: usize = 256;
