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

fn seeds(from: u64, to: u64, faults: &str, beats: u64) {
    for seed in from..to {
        run(&MeshScenario::new(4, seed, beats, faults.parse().unwrap()));
    }
}

#[test]
fn lost_and_late_messages_cost_time_and_nothing_else() {
    seeds(0, 6, "drop,delay", 120);
}

#[test]
fn partitions_heal_without_a_fork() {
    seeds(10, 16, "partition,delay", 120);
}

#[test]
fn crashes_lose_nothing_and_start_nothing_twice() {
    seeds(20, 28, "crash,drop", 120);
}

#[test]
fn one_liar_of_four_changes_nothing() {
    seeds(30, 46, "byzantine,drop", 150);
}

#[test]
fn everything_at_once() {
    seeds(50, 60, "all", 200);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let scenario = MeshScenario::new(4, 3, 150, FaultSet::all());
    assert_eq!(run(&scenario), run(&scenario));
    assert_ne!(run(&scenario).audit, run(&MeshScenario::new(4, 4, 150, FaultSet::all())).audit);
}
