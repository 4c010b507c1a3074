//! Many nodes in one process: virtual time, faults, Byzantine peers, audit
//! hash.
//!
//! The nodes run the real consensus, replica, fabric and ledger code, speak the
//! real wire, and keep real stores that lose in a crash what was not synced.
//! Time, network and faults come from a seed; the same seed gives the same run,
//! which the audit hash over every delivered message, every decision and every
//! app hash shows.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod byzantine;
mod checks;
mod falls;
mod faults;
mod history;
mod load;
mod mesh;
#[cfg(test)]
mod mutations;
mod network;
mod node;
pub mod planetary;
mod random;
mod scenario;
mod setup;
mod shape;
mod sweep;
mod tear;
mod verdict;
mod wal;
mod world;

pub use byzantine::Byzantine;
pub use checks::Violation;
pub use faults::{Fault, FaultSet};
pub use mesh::simulate_mesh;
pub use planetary::{PlanetaryError, PlanetaryFiles, simulate_planetary};
pub use scenario::{
    Cut, CutReport, Fall, FallReport, GeometryReport, JobReport, MeshMode, MeshReport, MeshScenario, Pillar,
    ProbePoint, ReplayReport, SnapshotReport, UnknownMode,
};
pub use sweep::sweep;
