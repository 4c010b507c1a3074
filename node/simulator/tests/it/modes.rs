//! The mesh in every mode.

use crate::run;
use phalanx_simulator::{MeshMode, MeshScenario};

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
