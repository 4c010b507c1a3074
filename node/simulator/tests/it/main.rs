//! Runs of the real code under faults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod byzantine;
mod effects;
mod joiners;
mod meshes;
mod modes;
mod outages;
mod planetary;

use phalanx_simulator::{MeshReport, MeshScenario, simulate_mesh};

/// Runs a scenario in which no rule may be broken.
fn run(scenario: &MeshScenario) -> MeshReport {
    let report = simulate_mesh(scenario).unwrap();
    assert!(report.violations.is_empty(), "{report:#?}");
    report
}
