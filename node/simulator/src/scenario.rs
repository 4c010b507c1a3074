//! What is simulated, and what came of it.

use crate::{byzantine::Byzantine, checks::Violation, faults::FaultSet};
use phalanx_consensus::EffectKind;
use phalanx_fabric::EndState;
use phalanx_types::{Hash, Height, PublicKey, Validator, evidence::Fault, params::Mode};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// Ends one node at an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePoint {
    /// The effect.
    pub kind: EffectKind,
    /// Before it, or after it.
    pub is_before: bool,
    /// How many effects of the kind pass at most before it strikes.
    pub passes_max: u32,
}

/// Who proposes and who weighs in a simulated mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MeshMode {
    /// The first node proposes; the others succeed it in order.
    Centralized,
    /// One coordinator a region; the other nodes of a region succeed it.
    Federated,
    /// All propose in turn and weigh alike.
    FullyDistributed,
    /// All propose in turn; weights fall with the distance from the work.
    #[default]
    GeometricMesh,
}

impl MeshMode {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Centralized, Self::Federated, Self::FullyDistributed, Self::GeometricMesh];

    /// The mode for these validators.
    pub(crate) fn of(self, validators: &[Validator]) -> Mode {
        match self {
            Self::Centralized => {
                Mode::Centralized { succession: validators.iter().map(|v| v.vote_key).collect() }
            }
            Self::Federated => {
                let mut coordinators: BTreeMap<_, Vec<PublicKey>> = BTreeMap::new();
                for validator in validators {
                    coordinators.entry(validator.region.clone()).or_default().push(validator.vote_key);
                }
                Mode::Federated { coordinators }
            }
            Self::FullyDistributed => Mode::FullyDistributed,
            Self::GeometricMesh => Mode::GeometricMesh,
        }
    }
}

impl fmt::Display for MeshMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Centralized => "centralized",
            Self::Federated => "federated",
            Self::FullyDistributed => "fully_distributed",
            Self::GeometricMesh => "geometric_mesh",
        })
    }
}

/// A word that is no mode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no mode: use centralized, federated, fully_distributed or geometric_mesh")]
pub struct UnknownMode(String);

impl FromStr for MeshMode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| UnknownMode(text.to_owned()))
    }
}

/// A cut of the mesh that is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When, in virtual time from the begin.
    pub from_ms: u64,
    /// How long.
    pub lasts_ms: u64,
    /// The nodes of one side.
    pub side: BTreeSet<usize>,
}

/// A node on which the others rely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pillar {
    /// Who proposes the next beat: the controller, a coordinator, or whose turn it is.
    Proposer,
    /// Who is nearest to the focus of the work, when it is its turn.
    Central,
}

/// A crash of a node on which the others rely, before it can propose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fall {
    /// The beat from which on it is due.
    pub from: Height,
    /// Who falls.
    pub who: Pillar,
}

/// A run to simulate.
#[derive(Clone, Debug)]
pub struct MeshScenario {
    /// Number of nodes, 1 to 64.
    pub nodes: usize,
    /// The seed.
    pub seed: u64,
    /// Beats after which it ends.
    pub beats: u64,
    /// What goes wrong.
    pub faults: FaultSet,
    /// Who proposes.
    pub mode: MeshMode,
    /// What the Byzantine nodes do; by the seed when none is given.
    pub byzantine: Option<Byzantine>,
    /// Crash a node at this effect, again and again.
    pub probe: Option<ProbePoint>,
    /// Cuts besides those that the seed makes, one after the other.
    pub cuts: Vec<Cut>,
    /// The last honest node is started for the first time when the others are here.
    pub joins_at: Option<Height>,
    /// Who joins takes a snapshot over when a peer has more beats than this.
    pub snapshot_beyond: Option<u64>,
    /// Crashes of those who matter, one after the other.
    pub falls: Vec<Fall>,
    /// Jobs to submit.
    pub jobs: u32,
    /// How long a job takes, at least and at most.
    pub job_ms: (u32, u32),
    /// Break this rule at every node.
    #[cfg(test)]
    pub(crate) mutation: Option<phalanx_consensus::Mutation>,
}

impl MeshScenario {
    /// A run without further settings.
    #[must_use]
    pub const fn new(nodes: usize, seed: u64, beats: u64, faults: FaultSet) -> Self {
        Self {
            nodes,
            seed,
            beats,
            faults,
            mode: MeshMode::GeometricMesh,
            byzantine: None,
            probe: None,
            cuts: Vec::new(),
            joins_at: None,
            snapshot_beyond: None,
            falls: Vec::new(),
            jobs: 40,
            job_ms: (5, 3_000),
            #[cfg(test)]
            mutation: None,
        }
    }
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct JobReport {
    /// Its label.
    pub label: String,
    /// Attempts made.
    pub attempts: u32,
    /// How it ended; none when it has not.
    pub state: Option<EndState>,
}

/// How far the mesh was around a planned cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CutReport {
    /// The highest beat when the cut was made.
    pub cut: Height,
    /// The highest beat when it healed.
    pub healed: Height,
}

/// How the mesh went on after a planned fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FallReport {
    /// Who fell.
    pub node: usize,
    /// After which beat.
    pub height: Height,
    /// When, in virtual time from the begin.
    pub at_ms: u64,
    /// How long after that another node had the next beat; none when it never had.
    pub after_ms: Option<u64>,
}

/// How snapshots were taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotReport {
    /// The beats after which the records of nodes begin that took one over.
    pub restored: BTreeMap<usize, Height>,
    /// Answers about a snapshot that a liar changed.
    pub lies: u32,
    /// Of them, parts of one.
    pub part_lies: u32,
    /// Liars that were named by who takes a snapshot over.
    pub named: u32,
}

/// What the geometry of a run went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct GeometryReport {
    /// Partitions in the shape of a ball that stopped a message.
    pub ball_cuts: usize,
    /// Different sets of weighted validators.
    pub weight_sets: usize,
    /// Beats that moved the focus of the work.
    pub focus_moves: usize,
    /// Different latencies that were agreed and are not those of the genesis document.
    pub lies_agreed: usize,
}

/// What a replayer said again, as far as it came to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ReplayReport {
    /// Messages.
    pub delivered: u64,
    /// Of them, votes and proposals of the height that the receiver was deciding.
    pub current: u64,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MeshReport {
    /// The seed.
    pub seed: u64,
    /// The faults.
    pub faults: String,
    /// The mode.
    pub mode: MeshMode,
    /// SHA3-256 over every delivered message, decision and app hash.
    pub audit: Hash,
    /// The height that all honest nodes reached.
    pub beats: u64,
    /// Virtual time it took in milliseconds.
    pub virtual_ms: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Messages lost.
    pub dropped: u64,
    /// Crashes.
    pub crashes: u32,
    /// Jobs that have ended.
    pub jobs_ended: u32,
    /// Attempts started.
    pub attempts: usize,
    /// The jobs by label.
    pub jobs: Vec<JobReport>,
    /// The planned cuts.
    pub cuts: Vec<CutReport>,
    /// What the Byzantine node did.
    pub byzantine: Option<Byzantine>,
    /// The nodes whose votes count no more.
    pub quarantined: Vec<usize>,
    /// Kinds of the evidence receipts.
    pub evidence: BTreeSet<String>,
    /// What nodes were penalised for by honest peers.
    pub penalties: BTreeMap<usize, BTreeSet<Fault>>,
    /// The planned falls.
    pub falls: Vec<FallReport>,
    /// How snapshots were taken over.
    pub snapshots: SnapshotReport,
    /// What the geometry went through.
    pub geometry: GeometryReport,
    /// What a replayer said again.
    pub replays: ReplayReport,
    /// Effects at which the probe crashed a node.
    #[serde(skip)]
    pub probed: BTreeSet<(EffectKind, bool)>,
    /// Effects that the engine asked for at any node.
    #[serde(skip)]
    pub effects: BTreeSet<EffectKind>,
    /// Broken rules; empty when all is well.
    pub violations: Vec<Violation>,
    /// The last things that happened before the first broken rule.
    pub trail: Vec<String>,
}
