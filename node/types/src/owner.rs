//! What the owner may command.

use crate::{
    crypto::PublicKey,
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
    /// Sets the goals that placement weighs.
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
    /// Bytes without a meaning to the mesh, receipted for others to read.
    Payload {
        /// The bytes; at most [`PAYLOAD_LEN_MAX`].
        #[serde(with = "hex::serde")]
        bytes: Vec<u8>,
    },
}

/// Longest free payload in bytes.
pub const PAYLOAD_LEN_MAX: usize = 4_096;
/// Longest reason in bytes.
pub const REASON_LEN_MAX: usize = 256;
