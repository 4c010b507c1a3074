//! What work needs and what workers have: CPU, memory, GPUs whole and shared.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Thousandths in one whole GPU.
pub const GPU_MILLI: u16 = 1_000;
/// Most GPUs that one worker may offer.
pub const WORKER_GPUS_MAX: u16 = 64;

/// The GPUs a job needs.
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
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GpuRequest {
    /// No GPU.
    #[default]
    None,
    /// A part of one GPU, in thousandths: 1 to 999.
    Shared {
        /// Thousandths of one GPU.
        milli: u16,
    },
    /// That many whole GPUs of one worker: 1 to [`WORKER_GPUS_MAX`].
    Whole {
        /// Number of GPUs.
        count: u16,
    },
}

impl GpuRequest {
    /// The request in thousandths of a GPU, summed over GPUs.
    #[must_use]
    pub const fn total_milli(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Shared { milli } => milli as u32,
            Self::Whole { count } => count as u32 * GPU_MILLI as u32,
        }
    }

    /// Whether the numbers are inside their bounds.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        match self {
            Self::None => true,
            Self::Shared { milli } => milli >= 1 && milli < GPU_MILLI,
            Self::Whole { count } => count >= 1 && count <= WORKER_GPUS_MAX,
        }
    }
}

/// What a job or an agent takes from its worker while it runs.
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
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Thousandths of one CPU core.
    pub cpu_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// GPUs.
    #[serde(default)]
    pub gpu: GpuRequest,
}

/// What a worker has in all.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct WorkerResources {
    /// Thousandths of one CPU core.
    pub cpu_milli: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Number of GPUs, at most [`WORKER_GPUS_MAX`].
    #[serde(default)]
    pub gpus: u16,
}
