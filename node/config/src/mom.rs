//! The settings, as the documents name them.

use crate::{Fraction, Kappa, Share, decimal::ONE};
use phalanx_geometry::{Curvature, DIMENSION_MIN, routing::Algorithm};
use phalanx_types::{Name, agent, params::Params, shard::SHARDS_MAX, validator::VALIDATORS_MAX};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// The least regions of a federated mesh: with fewer coordinators no fault is borne.
const REGIONS_MIN: usize = 4;

/// The documents' mom_config: how a mesh works as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "mom_config")]
pub struct MomConfig {
    /// What this file is.
    pub identity: Identity,
    /// Who proposes beats and who weighs.
    pub orchestration: Orchestration,
    /// Weights of the owner's goals; they sum to exactly 1. They are kept and shown, and
    /// nothing is decided by them yet.
    pub optimization_goals: OptimizationGoals,
    /// The space that places and distances are in.
    pub geometry: Geometry,
    /// How much is receipted.
    pub verification: Verification,
}

/// What this file is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Version of the documents that it follows.
    pub version: Version,
    /// The way of orchestration.
    pub paradigm: Paradigm,
}

/// Version of the documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Version {
    /// MOM v2.
    #[default]
    #[serde(rename = "2")]
    Two,
}

/// The way of orchestration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Paradigm {
    /// The documents' only one.
    #[default]
    AutonomousGeometricDistributedOrchestration,
}

/// Who proposes beats and who weighs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Orchestration {
    /// A single point of control: the controller proposes while it does not miss a
    /// round; all validators vote with equal weight.
    Centralized {
        /// The validator that proposes: its label, or its vote key in hex.
        controller: Label,
        /// Who takes over, in this order. Left out: all others, as the genesis lists
        /// them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = VALIDATORS_MAX))]
        successors: Vec<Label>,
    },
    /// One coordinator a region proposes and votes; the next of its region takes over.
    Federated {
        /// For each region its coordinator, then its successors. Left out: every
        /// region with its validators, as the genesis lists them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[schemars(extend("minProperties" = REGIONS_MIN, "maxProperties" = SHARDS_MAX))]
        coordinators: BTreeMap<Label, Vec<Label>>,
    },
    /// Peer to peer: all propose in turn and vote with equal weight.
    FullyDistributed {},
    /// The full hyperbolic mesh: all propose in turn; weights fall with the distance
    /// from the work.
    GeometricMesh {},
}

impl Default for Orchestration {
    fn default() -> Self {
        Self::GeometricMesh {}
    }
}

impl Orchestration {
    /// The documents' name of the mode.
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        match self {
            Self::Centralized { .. } => "centralized",
            Self::Federated { .. } => "federated",
            Self::FullyDistributed {} => "fully_distributed",
            Self::GeometricMesh {} => "geometric_mesh",
        }
    }
}

/// Weights of the owner's goals. Nothing is decided by them yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimizationGoals {
    /// Latency and throughput.
    pub performance: Share,
    /// Resource efficiency and budgets.
    pub cost: Share,
    /// Uptime and fault tolerance.
    pub reliability: Share,
    /// Energy efficiency and carbon.
    pub sustainability: Share,
}

impl Default for OptimizationGoals {
    fn default() -> Self {
        let weights = Params::default().optimisation;
        Self {
            performance: Share::clamped(weights.performance_ppm),
            cost: Share::clamped(weights.cost_ppm),
            reliability: Share::clamped(weights.reliability_ppm),
            sustainability: Share::clamped(weights.sustainability_ppm),
        }
    }
}

impl OptimizationGoals {
    /// What they sum to, in millionths.
    #[must_use]
    pub fn sum_ppm(&self) -> u64 {
        [self.performance, self.cost, self.reliability, self.sustainability]
            .iter()
            .map(|share| u64::from(share.ppm()))
            .sum()
    }

    /// Whether they sum to exactly one.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.sum_ppm() == u64::from(ONE)
    }
}

/// The space that places and distances are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Geometry {
    /// κ of the ball: the larger, the shorter every way. The documents' metric is 1.
    pub curvature: Kappa,
    /// Dimensions of a place. The documents' typical sizes are 64 to 512.
    #[schemars(range(min = DIMENSION_MIN, max = agent::DIMENSION_MAX))]
    pub dimension: u16,
    /// How a way through the mesh is chosen.
    pub routing_algorithm: RoutingAlgorithm,
}

impl Default for Geometry {
    fn default() -> Self {
        Self {
            curvature: Kappa::clamped(Curvature::ONE.ppm()),
            dimension: const { agent::DIMENSION_DEFAULT as u16 },
            routing_algorithm: RoutingAlgorithm::default(),
        }
    }
}

/// How a way through the mesh is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoutingAlgorithm {
    /// One way: always to the neighbour that is nearest to the aim.
    #[default]
    GreedyForwarding,
    /// Several ways that share the load.
    MultipathHyperbolic,
    /// Down the slope of distance and load.
    GradientFlow,
}

impl RoutingAlgorithm {
    /// What it stands for.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::GreedyForwarding => Algorithm::GreedyForwarding,
            Self::MultipathHyperbolic => Algorithm::MultipathHyperbolic,
            Self::GradientFlow => Algorithm::GradientFlow,
        }
    }

    /// The documents' name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.algorithm().name()
    }
}

/// How much is receipted. Owner commands, evidence, checkpoints and outcomes are at
/// every level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "level", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verification {
    /// Only what is always receipted: for development.
    None {},
    /// A share of the subjects, chosen by hash: for monitoring.
    Sample {
        /// The share of the subjects.
        fraction: Fraction,
        /// Which decisions are receipted for a subject that is in the sample.
        #[serde(default)]
        receipts: Receipts,
    },
    /// Everything: for compliance and security.
    FullAudit {},
}

impl Default for Verification {
    fn default() -> Self {
        Self::FullAudit {}
    }
}

/// Which decisions are receipted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Receipts {
    /// Where a job goes: accepted, assigned, spilled over, queued again.
    pub placement: bool,
    /// What becomes of an agent: spawned, migrated, terminated.
    pub lifecycle: bool,
    /// How many replicas run.
    pub scaling: bool,
}

impl Default for Receipts {
    fn default() -> Self {
        Self { placement: true, lifecycle: true, scaling: true }
    }
}

/// The label of a validator or region, or a vote key in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(pub Name);

impl Label {
    /// What [`Name`] allows, for JSON Schema.
    pub(crate) const PATTERN: &str = "^[a-z0-9][a-z0-9._-]{0,63}$";
}

impl JsonSchema for Label {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": Self::PATTERN })
    }
}
