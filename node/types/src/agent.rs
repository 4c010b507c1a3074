//! Agents: long-lived entities with a position, a policy, a nonce and a seed.

use crate::{hash::Hash, hex_bytes::hex_bytes, name::Name, resources::Resources, tags};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

hex_bytes! {
    /// Identity of an agent: hash of its envelope's id and its place in it.
    AgentId, 32
}

/// The 32-byte secret from which the blinding of an agent's commitments is
/// derived. Only validators hold it; no log shows it.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentSeed(#[serde(with = "hex::serde")] pub [u8; 32]);

impl std::fmt::Debug for AgentSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgentSeed(secret)")
    }
}

impl AgentId {
    /// The id of operation number `position` of the envelope `envelope`.
    #[must_use]
    pub fn of(envelope: &Hash, position: u16) -> Self {
        Self(Hash::of_parts(tags::AGENT, &[&envelope.0, &position.to_le_bytes()]).0)
    }
}

/// Fractional bits of a coordinate.
pub const COORDINATE_FRACTION_BITS: u32 = 40;
/// Default number of dimensions of a position.
pub const DIMENSION_DEFAULT: usize = 8;
/// Most dimensions of a position.
pub const DIMENSION_MAX: usize = 512;

/// A point of the Poincaré ball: signed fixed point, 40 fractional bits.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub Vec<i64>);

impl Position {
    /// The origin of the ball.
    #[must_use]
    pub fn origin(dimension: usize) -> Self {
        Self(vec![0; dimension.min(DIMENSION_MAX)])
    }

    /// The same point in a ball of more dimensions, of which the smaller ball is the part
    /// where all further coordinates are 0: distances within that part, and policy
    /// inequalities, are the same. One that is to have fewer stays as it is.
    #[must_use]
    pub fn widened(mut self, dimension: usize) -> Self {
        if dimension > self.0.len() {
            self.0.resize(dimension.min(DIMENSION_MAX), 0);
        }
        self
    }

    /// The nearest point of the part where all coordinates but the first ones are 0.
    #[must_use]
    pub fn narrowed(mut self, dimension: usize) -> Self {
        self.0.truncate(dimension);
        self
    }

    /// Whether it is inside the ball that the system allows:
    /// `‖x‖² ≤ 1 − 2^-24`, with 2 to [`DIMENSION_MAX`] dimensions.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        const ONE: u128 = 1 << (2 * COORDINATE_FRACTION_BITS);
        const LIMIT: u128 = ONE - (ONE >> 24);
        if self.0.len() < 2 || self.0.len() > DIMENSION_MAX {
            return false;
        }
        let mut sum: u128 = 0;
        for x in &self.0 {
            let magnitude = u128::from(x.unsigned_abs());
            // Below 2^126 for any i64, so the addition cannot overflow before
            // the limit of 2^80 is seen.
            sum = sum.saturating_add(magnitude.saturating_mul(magnitude));
            if sum > LIMIT {
                return false;
            }
        }
        true
    }
}

/// Most components of what an agent means.
pub const SEMANTIC_LEN_MAX: usize = 1_024;

/// What an agent has to do with others: alike ones are placed near each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Affinity {
    /// What it can do; at most [`crate::job::SKILLS_MAX`].
    pub skills: BTreeSet<Name>,
    /// What it means, as a model says it, in fixed point of any scale, since only the
    /// direction counts; at most [`SEMANTIC_LEN_MAX`] components, or none.
    pub semantic: Vec<i64>,
    /// The region in which its data are.
    pub data: Option<Name>,
}

/// Most agents that one operation tells the use of.
pub const USE_BATCH_MAX: usize = 1_024;
/// Most wishes of an agent.
pub const WISHES_MAX: usize = 8;
/// What a wish weighs at most; the agent's own region weighs [`OWN_REGION_WEIGHT`].
pub const WISH_WEIGHT_MAX: u16 = 1_000;
/// What an agent's own region weighs beside its wishes.
pub const OWN_REGION_WEIGHT: u16 = 100;

/// What an agent would like about its own placement.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wish {
    /// To be near a region.
    Near {
        /// The region.
        region: Name,
        /// 1 to [`WISH_WEIGHT_MAX`].
        weight: u16,
    },
    /// To be near another agent.
    Beside {
        /// The agent.
        agent: AgentId,
        /// 1 to [`WISH_WEIGHT_MAX`].
        weight: u16,
    },
    /// Not to live on a worker while there is another one.
    Avoid {
        /// The worker.
        worker: Name,
    },
}

impl Wish {
    /// What it weighs; nothing when it is not about a place.
    #[must_use]
    pub const fn weight(&self) -> Option<u16> {
        match self {
            Self::Near { weight, .. } | Self::Beside { weight, .. } => Some(*weight),
            Self::Avoid { .. } => None,
        }
    }
}

/// An agent as its owner signs its spawn.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSpec {
    /// A word for people; it need not be unique.
    pub label: String,
    /// Whose it is.
    pub tenant: Name,
    /// The region (shard) it wants to live in.
    pub region: Name,
    /// Digest of its stack's definition.
    pub stack: Hash,
    /// Where it shall be in the ball; none: where the mesh finds best.
    pub position: Option<Position>,
    /// What it has to do with others, by which the mesh finds where it is best.
    pub affinity: Affinity,
    /// What it takes from its worker as long as it lives.
    pub resources: Resources,
    /// Name of the policy it is bound by, beside those that bind it unasked.
    pub policy: Name,
    /// What it would like; at most [`WISHES_MAX`]. Wishes weigh, they do not bind.
    pub wishes: Vec<Wish>,
    /// Secret from which its blindings are derived.
    pub seed: AgentSeed,
}
