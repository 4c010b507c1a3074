//! The numbers that all nodes of a mesh share.

use crate::{agent::DIMENSION_DEFAULT, crypto::PublicKey, name::Name, owner::OptimisationWeights};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

/// The least coordinators of a federation: with fewer no fault is borne.
pub const COORDINATORS_MIN: usize = 4;

/// Who proposes beats and who weighs.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Mode {
    /// The first of the list proposes while it does not miss a round; the next
    /// ones take over in order. All validators vote with equal weight.
    Centralized {
        /// The controller, then its successors.
        succession: Vec<PublicKey>,
    },
    /// One coordinator a region proposes and votes; the lists give, for each
    /// region, who takes over in which order. At least [`COORDINATORS_MIN`] regions, each
    /// with validators of its own.
    Federated {
        /// For each region its coordinator, then its successors.
        coordinators: BTreeMap<Name, Vec<PublicKey>>,
    },
    /// All propose in turn and vote with equal weight.
    FullyDistributed,
    /// All propose in turn; weights fall with the distance from the work.
    GeometricMesh,
}

/// Why a mode cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// Somebody is named who is no validator.
    #[error("{0} is no validator")]
    Unknown(PublicKey),
    /// Somebody is named twice.
    #[error("{0} is named twice")]
    Twice(PublicKey),
    /// Nobody is named.
    #[error("at least one validator, the controller, must be named")]
    NoController,
    /// Too few regions have a coordinator.
    #[error("{0} regions have coordinators; at least {COORDINATORS_MIN} must")]
    FewRegions(usize),
    /// A region has none.
    #[error("region {0} has no coordinator")]
    Empty(Name),
    /// A coordinator is in another region.
    #[error("{key} is to coordinate {region}, but is in {home}")]
    Elsewhere {
        /// Who.
        key: PublicKey,
        /// Where it would coordinate.
        region: Name,
        /// Where it is.
        home: Name,
    },
}

impl Mode {
    /// Checks that whom it names can decide together: nobody counts twice, and each
    /// coordinator is of its region. `region_of` gives a validator's region.
    ///
    /// # Errors
    /// See [`ModeError`].
    pub fn check<'a>(&self, region_of: impl Fn(&PublicKey) -> Option<&'a Name>) -> Result<(), ModeError> {
        let mut named = BTreeSet::new();
        let mut home_of = |key: &PublicKey| {
            let home = region_of(key).ok_or(ModeError::Unknown(*key))?;
            if named.insert(*key) { Ok(home) } else { Err(ModeError::Twice(*key)) }
        };
        match self {
            Self::Centralized { succession } if succession.is_empty() => Err(ModeError::NoController),
            Self::Centralized { succession } => {
                succession.iter().try_for_each(|key| home_of(key).map(|_| ()))
            }
            Self::Federated { coordinators } => {
                if coordinators.len() < COORDINATORS_MIN {
                    return Err(ModeError::FewRegions(coordinators.len()));
                }
                for (region, keys) in coordinators {
                    if keys.is_empty() {
                        return Err(ModeError::Empty(region.clone()));
                    }
                    for key in keys {
                        let home = home_of(key)?;
                        if home != region {
                            let (region, home) = (region.clone(), home.clone());
                            return Err(ModeError::Elsewhere { key: *key, region, home });
                        }
                    }
                }
                Ok(())
            }
            Self::FullyDistributed | Self::GeometricMesh => Ok(()),
        }
    }

    /// The documents' name of the mode.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Centralized { .. } => "centralized",
            Self::Federated { .. } => "federated",
            Self::FullyDistributed => "fully_distributed",
            Self::GeometricMesh => "geometric_mesh",
        }
    }
}

/// How much is receipted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Verification {
    /// Only what is always receipted.
    None,
    /// A share of the subjects, chosen by hash.
    Sample {
        /// Millionths of all subjects.
        fraction_ppm: u32,
    },
    /// Everything.
    FullAudit,
}

impl Verification {
    /// The documents' name of the level.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sample { .. } => "sample",
            Self::FullAudit => "full_audit",
        }
    }

    /// The share of subjects that are receipted, in millionths.
    #[must_use]
    pub const fn fraction_ppm(&self) -> u32 {
        match self {
            Self::None => 0,
            Self::Sample { fraction_ppm } => *fraction_ppm,
            Self::FullAudit => 1_000_000,
        }
    }

    /// The level's number in a checkpoint: 0, 1, 2.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Sample { .. } => 1,
            Self::FullAudit => 2,
        }
    }
}

/// The curvatures that a mesh may have, in millionths: flatter, and the smallest numbers of
/// policies would be rounded by more than a thousandth; more curved, and regions that are far
/// apart would not fit into what a position may be.
pub const CURVATURE_PPM: RangeInclusive<u32> = 250_000..=4_000_000;
/// The dimensions that a mesh may have: those of which positions can be proven.
pub const DIMENSIONS: [u16; 3] = [8, 64, 512];

/// The mesh's shared numbers. They are agreed state: genesis sets them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Least time between the decisions of two beats.
    pub beat_interval_ms: u32,
    /// A beat without inputs is proposed after this time, so that time goes on.
    pub idle_beat_ms: u32,
    /// How far apart two honest clocks may be.
    pub clock_bound_ms: u32,
    /// How long a proposal may travel.
    pub message_bound_ms: u32,
    /// The part of a gap between two beats above this moves deadlines and leases.
    pub gap_ms: u32,
    /// How long a proposal is waited for in round 0.
    pub propose_timeout_ms: u32,
    /// How long other votes are waited for in round 0.
    pub vote_timeout_ms: u32,
    /// How much longer each further round waits.
    pub round_step_ms: u32,
    /// Most bytes of a beat's inputs.
    pub beat_bytes_max: u32,
    /// Most operations of a beat.
    pub beat_operations_max: u32,
    /// Beats of one checkpoint.
    pub checkpoint_beats: u32,
    /// How far ahead of the header's time an envelope's expiry may be.
    pub expiry_max_ms: u32,
    /// A worker is unhealthy when its last sign of life is older than its
    /// heartbeat interval times this number.
    pub heartbeat_misses_max: u32,
    /// How long an attempt may run without a sign of life of its worker before
    /// the worker stops it by itself.
    pub lease_ms: u32,
    /// Most shards a job may spill over to after its first.
    pub spillover_hops_max: u8,
    /// Longest evidence age in beats.
    pub evidence_beats_max: u32,
    /// How a vote's weight falls with distance, in millionths.
    pub vote_decay_ppm: u32,
    /// κ of the ball in millionths: it divides the lengths between regions, of policies and of
    /// votes by √κ. One of [`CURVATURE_PPM`].
    pub curvature_ppm: u32,
    /// How many dimensions the places of agents, regions and work have. One of [`DIMENSIONS`].
    pub dimension: u16,
    /// The owner's goals: kept and shown, and nothing is decided by them yet.
    pub optimisation: OptimisationWeights,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            beat_interval_ms: 50,
            idle_beat_ms: 1_000,
            clock_bound_ms: 500,
            message_bound_ms: 1_500,
            gap_ms: 2_000,
            propose_timeout_ms: 600,
            vote_timeout_ms: 300,
            round_step_ms: 300,
            beat_bytes_max: 2 << 20,
            beat_operations_max: 8_192,
            checkpoint_beats: 32,
            expiry_max_ms: 600_000,
            heartbeat_misses_max: 2,
            lease_ms: 30_000,
            spillover_hops_max: 3,
            evidence_beats_max: 10_000,
            vote_decay_ppm: 1_000_000,
            curvature_ppm: 1_000_000,
            dimension: const { DIMENSION_DEFAULT as u16 },
            optimisation: OptimisationWeights {
                performance_ppm: 400_000,
                cost_ppm: 200_000,
                reliability_ppm: 300_000,
                sustainability_ppm: 100_000,
            },
        }
    }
}
