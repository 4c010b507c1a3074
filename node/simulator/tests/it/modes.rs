//! The mesh in every mode.

use crate::run;
use phalanx_simulator::{Fall, FaultSet, MeshMode, MeshScenario, Pillar};
use phalanx_types::Height;

/// Virtual time in which the others must have the next beat.
const SUCCESSION_MS: u64 = 2_000;

fn stands_crashes(mode: MeshMode) {
    for seed in 100..102 {
        let scenario =
            MeshScenario { mode, ..MeshScenario::new(4, seed, 100, "crash,drop".parse().unwrap()) };
        let report = run(&scenario);
        assert!(report.crashes > 0);
        assert_eq!(report.jobs.len(), 40);
    }
}

#[test]
fn centralized_stands_crashes_and_lost_messages() {
    stands_crashes(MeshMode::Centralized);
}

#[test]
fn federated_stands_crashes_and_lost_messages() {
    stands_crashes(MeshMode::Federated);
}

#[test]
fn fully_distributed_stands_crashes_and_lost_messages() {
    stands_crashes(MeshMode::FullyDistributed);
}

#[test]
fn geometric_mesh_stands_crashes_and_lost_messages() {
    stands_crashes(MeshMode::GeometricMesh);
}

/// The one who matters crashes, some times one after the other, and is missed for
/// less than two seconds.
fn goes_on_without(mode: MeshMode, nodes: usize, who: Pillar) {
    let mut times = Vec::new();
    for seed in 110..113 {
        let falls: Vec<Fall> = [20, 60, 100].map(|from| Fall { from: Height(from), who }).into();
        let scenario =
            MeshScenario { mode, falls, ..MeshScenario::new(nodes, seed, 240, FaultSet::default()) };
        let report = run(&scenario);
        assert_eq!(report.falls.len(), 3, "{mode}: {:?}", report.falls);
        assert_eq!(report.crashes, 3);
        for fall in &report.falls {
            let is_soon = fall.after_ms.is_some_and(|ms| ms <= SUCCESSION_MS);
            assert!(is_soon, "{mode}, seed {seed}: {fall:?}");
            times.extend(fall.after_ms);
        }
    }
    println!("{mode}, {who:?} of {nodes}: {times:?}");
}

#[test]
fn without_its_controller_a_mesh_goes_on_within_two_seconds() {
    goes_on_without(MeshMode::Centralized, 4, Pillar::Proposer);
}

#[test]
fn without_a_coordinator_a_mesh_goes_on_within_two_seconds() {
    // Two nodes a region: each coordinator has a successor.
    goes_on_without(MeshMode::Federated, 8, Pillar::Proposer);
}

#[test]
fn without_whose_turn_it_is_a_mesh_goes_on_within_two_seconds() {
    goes_on_without(MeshMode::FullyDistributed, 4, Pillar::Proposer);
}

#[test]
fn without_its_most_central_node_a_mesh_goes_on_within_two_seconds() {
    goes_on_without(MeshMode::GeometricMesh, 4, Pillar::Central);
    goes_on_without(MeshMode::GeometricMesh, 7, Pillar::Proposer);
}
