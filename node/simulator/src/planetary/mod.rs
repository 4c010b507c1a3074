//! The documents' planetary fabric in one run: four shards, six workers, a
//! worker that dies, a shard that overflows, an owner that steps in.
//!
//! Four nodes, one a region, run the real consensus, replica, fabric and ledger
//! over links with the agreed latencies, in virtual time. What the files say is
//! read from the ledger of that run: nothing is made up for them.

mod files;
mod genesis;
mod plan;
mod run;
mod site;
mod summary;

pub use files::PlanetaryFiles;
pub use summary::{Final, JobCounts, Percentiles, ShardSummary, Summary};

use phalanx_ledger::OpenError;
use phalanx_types::DecodeError;

/// Longest label in bytes.
const LABEL_LEN_MAX: usize = 64;

/// Why the scenario could not be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanetaryError {
    /// The label cannot name a folder.
    #[error("the label {0:?} cannot name a folder: use 1 to 64 of a-z A-Z 0-9 . _ -, not first a dot")]
    Label(String),
    /// A name of the scenario is malformed.
    #[error("the scenario cannot be set up: {0}")]
    Setup(#[from] DecodeError),
    /// A replica cannot start.
    #[error("a node cannot start: {0}")]
    Open(#[from] phalanx_replica::OpenError),
    /// A ledger cannot be read.
    #[error("the ledger cannot be read: {0}")]
    Store(#[from] phalanx_ledger::StoreError),
    /// A ledger cannot be opened.
    #[error("the ledger cannot be opened: {0}")]
    Ledger(#[from] OpenError),
    /// A node stopped.
    #[error("the node {node} stopped: {reason}")]
    Stopped {
        /// Which.
        node: String,
        /// Why.
        reason: String,
    },
    /// The run did not come to rest in its time.
    #[error("after {0} virtual ms jobs were still open")]
    Unfinished(u64),
    /// The nodes do not agree, or a ledger is damaged.
    #[error("the run does not hold together: {0}")]
    Broken(String),
}

/// Runs the scenario. The same seed and label give the same files, byte by byte.
///
/// # Errors
/// See [`PlanetaryError`].
pub fn simulate_planetary(seed: u64, label: &str) -> Result<PlanetaryFiles, PlanetaryError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if label.is_empty()
        || label.len() > LABEL_LEN_MAX
        || label.starts_with('.')
        || !label.bytes().all(allowed)
    {
        return Err(PlanetaryError::Label(label.to_owned()));
    }
    let ended = run::Run::new(seed, label)?.finish()?;
    files::write_up(seed, label, &ended)
}
