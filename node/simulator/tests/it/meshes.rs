//! Whole meshes: agreement, validity, nothing lost, nothing started twice.

use phalanx_simulator::{FaultSet, MeshReport, MeshScenario, simulate_mesh};

fn run(scenario: &MeshScenario) -> MeshReport {
    let report = simulate_mesh(scenario).unwrap();
    assert!(report.violations.is_empty(), "{:#?}", report);
    report
}

#[test]
fn a_calm_mesh_decides_and_ends_every_job() {
    let report = run(&MeshScenario::new(4, 7, 120, FaultSet::default()));
    assert!(report.beats >= 120);
    assert!(report.jobs_ended > 0);
}
