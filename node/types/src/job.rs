//! Jobs: what is asked for, and how an attempt at it ended.

use crate::{
    hash::Hash, hex_bytes::hex_bytes, name::Name, resources::Resources, tags, units::MicroUnits,
    units::TimeMs,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most skills one job may ask for.
pub const SKILLS_MAX: usize = 16;
/// Most arguments of one command.
pub const ARGS_MAX: usize = 64;
/// Longest argument in bytes.
pub const ARG_LEN_MAX: usize = 4_096;
/// Longest label in bytes.
pub const LABEL_LEN_MAX: usize = 128;
/// Most retries a job may ask for.
pub const RETRIES_MAX: u8 = 16;

hex_bytes! {
    /// Identity of a job: hash of its envelope's id and its place in it.
    JobId, 32
}

impl JobId {
    /// The id of operation number `position` of the envelope `envelope`.
    #[must_use]
    pub fn of(envelope: &Hash, position: u16) -> Self {
        Self(Hash::of_parts(tags::JOB, &[&envelope.0, &position.to_le_bytes()]).0)
    }
}

/// One try at a job. Numbers of a job start at 1; a re-queue makes a new one.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct AttemptId {
    /// The job.
    pub job: JobId,
    /// Number of the attempt, from 1.
    pub number: u32,
}

impl std::fmt::Display for AttemptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.job.short(), self.number)
    }
}

/// The kind of load a job puts on its worker.
#[derive(
    Clone,
    Copy,
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
#[serde(rename_all = "snake_case")]
pub enum WorkloadType {
    /// Runs to its end; throughput matters.
    #[default]
    Batch,
    /// Runs on and on over a stream.
    Streaming,
    /// Somebody waits for it.
    Interactive,
    /// Trains a model.
    MlTraining,
}

/// What a worker does for a job.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Takes only the time it is told to, for traces and load tests.
    Synthetic {
        /// How long it takes, in milliseconds.
        duration_ms: u32,
    },
    /// Runs a command that the worker's operator has allowed by name.
    Command {
        /// Name in the worker's allow list; never a path.
        program: Name,
        /// Arguments: at most [`ARGS_MAX`], each at most [`ARG_LEN_MAX`] bytes.
        #[serde(default)]
        args: Vec<String>,
        /// Limits; a worker's own limits may be tighter.
        #[serde(default)]
        limits: CommandLimits,
    },
}

/// Limits of one run of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandLimits {
    /// Wall time in milliseconds.
    pub time_ms: u32,
    /// CPU time of the whole process tree in milliseconds.
    pub cpu_ms: u32,
    /// Memory of the whole process tree in MiB.
    pub memory_mib: u32,
    /// Bytes of standard output and standard error together.
    pub output_bytes: u32,
}

impl Default for CommandLimits {
    fn default() -> Self {
        Self { time_ms: 60_000, cpu_ms: 60_000, memory_mib: 512, output_bytes: 1 << 20 }
    }
}

/// A job as its submitter signs it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// A word for people; it need not be unique. At most [`LABEL_LEN_MAX`] bytes.
    pub label: String,
    /// Who pays and whose quota it counts against.
    pub tenant: Name,
    /// The region (shard) it wants to run in.
    pub region: Name,
    /// Milliseconds from its acceptance in which it must end; 0: no deadline.
    #[serde(default)]
    pub deadline_ms: u32,
    /// Capabilities its worker must all have.
    #[serde(default)]
    pub skills: BTreeSet<Name>,
    /// The most it may cost.
    pub budget: MicroUnits,
    /// What it takes while it runs.
    pub resources: Resources,
    /// Its kind of load.
    #[serde(default)]
    pub workload: WorkloadType,
    /// 0 (lowest) to 255.
    #[serde(default)]
    pub priority: u8,
    /// How often it is tried again after a failure: at most [`RETRIES_MAX`].
    #[serde(default)]
    pub retries: u8,
    /// Never started twice, not even after a worker lost it: it then ends as
    /// [`Outcome::Unknown`].
    #[serde(default)]
    pub once: bool,
    /// What is done.
    pub work: Work,
}

/// Why a worker stopped a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Wall time.
    Time,
    /// CPU time.
    Cpu,
    /// Memory.
    Memory,
    /// Output bytes.
    Output,
}

/// How an attempt ended, as its worker reports it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It ran to its end. Exit code 0 is success.
    Exited {
        /// Exit code.
        code: i32,
    },
    /// A signal from elsewhere ended it.
    Signalled {
        /// Signal number.
        signal: i32,
    },
    /// The worker stopped it at a limit.
    LimitReached {
        /// Which one.
        limit: Limit,
    },
    /// The worker stopped it because its lease ran out.
    LeaseExpired,
    /// The worker stopped it because the mesh no longer wanted it.
    Killed,
    /// It could not be started.
    NotStarted {
        /// Why; at most [`LABEL_LEN_MAX`] bytes.
        reason: String,
    },
    /// The worker came back from a crash and does not know how it ended.
    Lost,
    /// Set by the mesh, never by a worker: it may or may not have run, and must
    /// not run again.
    Unknown,
}

impl Outcome {
    /// Whether the job is done well.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }
}

/// An attempt that a worker should be running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedAttempt {
    /// The attempt.
    pub attempt: AttemptId,
    /// The worker.
    pub worker: Name,
    /// What to do.
    pub work: Work,
    /// What it may use.
    pub resources: Resources,
    /// Header time at which the worker must have ended it, unless the lease is
    /// renewed.
    pub lease_until: TimeMs,
}

/// A worker's signed word on one attempt.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeReport {
    /// The worker it ran on.
    pub worker: Name,
    /// The attempt.
    pub attempt: AttemptId,
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes of standard output.
    pub stdout_len: u32,
    /// SHA3-256 of standard output, as far as it was read.
    pub stdout_sha3: Hash,
    /// Bytes of standard error.
    pub stderr_len: u32,
    /// SHA3-256 of standard error, as far as it was read.
    pub stderr_sha3: Hash,
    /// CPU time of the process tree in milliseconds.
    pub cpu_ms: u32,
    /// Wall time in milliseconds.
    pub wall_ms: u32,
}
