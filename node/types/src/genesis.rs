//! The genesis document: what a mesh starts from.

use crate::{
    codec::DecodeError,
    crypto::PublicKey,
    hash::Hash,
    name::Name,
    params::{self, Mode, ModeError, Params, Verification},
    shard::{LatencyEntry, SHARDS_MAX, ShardSpec},
    tags,
    tenant::Tenant,
    units::{TimeMs, Weight},
    validator::{Member, VALIDATORS_MAX, Validator},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Longest genesis document in bytes.
pub const GENESIS_BYTES_MAX: usize = 16 << 20;

/// The contract that anchors this mesh's checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainBinding {
    /// EIP-155 chain id.
    #[serde(with = "crate::units::decimal")]
    pub chain_id: u64,
    /// Address of the anchor contract.
    #[serde(with = "hex::serde")]
    pub contract: [u8; 20],
    /// Keccak-256 of its code.
    pub code_hash: Hash,
}

/// A mesh's genesis document.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Random identity of the mesh.
    pub mesh: Hash,
    /// When it was made; the first beat is later.
    pub time: TimeMs,
    /// The contract, once there is one. A mesh without one takes owner commands
    /// signed by `owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainBinding>,
    /// The owner's key while there is no chain.
    pub owner: PublicKey,
    /// The first validators.
    pub validators: Vec<Validator>,
    /// Who proposes and weighs.
    pub mode: Mode,
    /// How much is receipted.
    pub verification: Verification,
    /// The shards.
    pub shards: Vec<ShardSpec>,
    /// Latencies between regions until validators have measured them.
    pub latencies: Vec<LatencyEntry>,
    /// The first tenants.
    pub tenants: Vec<Tenant>,
    /// Which key may sign for which worker.
    pub workers: BTreeMap<Name, PublicKey>,
    /// The shared numbers.
    #[serde(default)]
    pub params: Params,
}

/// What is wrong with a genesis document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// It cannot be read.
    #[error("the genesis document cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// A list has a wrong number of entries.
    #[error("the genesis has {found} {what}; {least} to {most} are allowed")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Something is there twice.
    #[error("the genesis names the {what} {which} twice")]
    Twice {
        /// What.
        what: &'static str,
        /// Which.
        which: String,
    },
    /// Something refers to what is not there.
    #[error("the genesis names the {what} {which}, which it does not define")]
    Unknown {
        /// What.
        what: &'static str,
        /// Which.
        which: String,
    },
    /// The mode names the wrong ones.
    #[error("the genesis's mode: {0}")]
    Mode(#[from] ModeError),
    /// A number is out of range.
    #[error("the genesis sets {what} to {found}, but {rule}")]
    Range {
        /// Which.
        what: &'static str,
        /// What it is.
        found: u64,
        /// What it must be.
        rule: &'static str,
    },
}

impl Genesis {
    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of_value(tags::GENESIS, self)
    }

    /// Who decides the first beat, ascending by key: in mode `federated` the
    /// first coordinator of each region, else all validators; each with weight 1.
    #[must_use]
    pub fn first_members(&self) -> Vec<Member> {
        let all: BTreeSet<PublicKey> = self.validators.iter().map(|v| v.vote_key).collect();
        let voters: BTreeSet<PublicKey> = match &self.mode {
            Mode::Federated { coordinators } => {
                coordinators.values().filter_map(|list| list.first()).copied().collect()
            }
            Mode::Centralized { .. } | Mode::FullyDistributed | Mode::GeometricMesh => all.clone(),
        };
        voters.intersection(&all).map(|key| Member { key: *key, weight: Weight(1) }).collect()
    }

    /// Reads a genesis document from JSON and checks it.
    ///
    /// # Errors
    /// See [`GenesisError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, GenesisError> {
        const WHAT: &str = "genesis document";
        if bytes.len() > GENESIS_BYTES_MAX {
            return Err(
                DecodeError::TooLong { what: WHAT, max: GENESIS_BYTES_MAX, found: bytes.len() }.into()
            );
        }
        let genesis: Self = serde_json::from_slice(bytes)
            .map_err(|e| DecodeError::Malformed { what: WHAT, reason: e.to_string() })?;
        genesis.check()?;
        Ok(genesis)
    }

    /// Checks that it hangs together.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), GenesisError> {
        count("validators", self.validators.len(), 1, VALIDATORS_MAX)?;
        count("shards", self.shards.len(), 1, SHARDS_MAX)?;
        distinct("vote key", self.validators.iter().map(|v| v.vote_key))?;
        distinct("network key", self.validators.iter().map(|v| v.network_key))?;
        distinct("shard", self.shards.iter().map(|s| s.name.clone()))?;
        distinct("tenant", self.tenants.iter().map(|t| t.name.clone()))?;
        let shards: BTreeSet<&Name> = self.shards.iter().map(|s| &s.name).collect();
        let known = |name: &Name| {
            if shards.contains(name) {
                Ok(())
            } else {
                Err(GenesisError::Unknown { what: "shard", which: name.to_string() })
            }
        };
        for shard in &self.shards {
            shard.spillover.iter().try_for_each(known)?;
        }
        for entry in &self.latencies {
            known(&entry.from)?;
            known(&entry.to)?;
        }
        self.validators.iter().try_for_each(|v| known(&v.region))?;
        let homes: BTreeMap<PublicKey, &Name> =
            self.validators.iter().map(|v| (v.vote_key, &v.region)).collect();
        self.mode.check(|key| homes.get(key).copied())?;
        self.params.check()
    }
}

impl Params {
    /// Checks the numbers against one another.
    ///
    /// # Errors
    /// The first number that is out of range.
    pub fn check(&self) -> Result<(), GenesisError> {
        let range = |what, found: u64, holds: bool, rule| {
            if holds { Ok(()) } else { Err(GenesisError::Range { what, found, rule }) }
        };
        let beat_room = crate::beat::BEAT_BYTES_MAX as u64 / 2;
        range(
            "beat_interval_ms",
            self.beat_interval_ms.into(),
            self.beat_interval_ms <= self.idle_beat_ms,
            "it must not be above idle_beat_ms",
        )?;
        range(
            "idle_beat_ms",
            self.idle_beat_ms.into(),
            self.idle_beat_ms >= 10 && self.idle_beat_ms <= self.gap_ms,
            "it must be at least 10 and not above gap_ms, or idling would count as a gap",
        )?;
        range(
            "lease_ms",
            self.lease_ms.into(),
            self.lease_ms > self.gap_ms,
            "it must be above gap_ms, or a mesh that stood still would kill its work",
        )?;
        range(
            "beat_bytes_max",
            self.beat_bytes_max.into(),
            u64::from(self.beat_bytes_max) <= beat_room
                && self.beat_bytes_max as usize >= crate::envelope::ENVELOPE_BYTES_MAX,
            "it must hold the largest envelope (262144) and be at most 4194304",
        )?;
        range(
            "beat_operations_max",
            self.beat_operations_max.into(),
            self.beat_operations_max >= 64,
            "it must hold the largest envelope (64 operations)",
        )?;
        range(
            "checkpoint_beats",
            self.checkpoint_beats.into(),
            self.checkpoint_beats >= 1,
            "it must be at least 1",
        )?;
        range(
            "heartbeat_misses_max",
            self.heartbeat_misses_max.into(),
            self.heartbeat_misses_max >= 1,
            "it must be at least 1",
        )?;
        range(
            "propose_timeout_ms",
            self.propose_timeout_ms.into(),
            self.propose_timeout_ms >= 10,
            "it must be at least 10",
        )?;
        range(
            "vote_timeout_ms",
            self.vote_timeout_ms.into(),
            self.vote_timeout_ms >= 10,
            "it must be at least 10",
        )?;
        range(
            "curvature_ppm",
            self.curvature_ppm.into(),
            params::CURVATURE_PPM.contains(&self.curvature_ppm),
            "it must be 250000 to 4000000",
        )?;
        range(
            "dimension",
            self.dimension.into(),
            params::DIMENSIONS.contains(&self.dimension),
            "it must be 8, 64 or 512: of these dimensions positions can be proven",
        )?;
        let sum = u64::from(self.optimisation.performance_ppm)
            + u64::from(self.optimisation.cost_ppm)
            + u64::from(self.optimisation.reliability_ppm)
            + u64::from(self.optimisation.sustainability_ppm);
        range("the sum of the optimisation weights", sum, self.optimisation.is_valid(), "it must be 1000000")
    }
}

fn count(what: &'static str, found: usize, least: usize, most: usize) -> Result<(), GenesisError> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(GenesisError::Count { what, found, least, most })
    }
}

fn distinct<T: Ord + ToString>(
    what: &'static str,
    items: impl Iterator<Item = T>,
) -> Result<(), GenesisError> {
    let mut seen = BTreeSet::new();
    for item in items {
        let which = item.to_string();
        if !seen.insert(item) {
            return Err(GenesisError::Twice { what, which });
        }
    }
    Ok(())
}
