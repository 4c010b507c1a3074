//! Whole meshes: agreement, validity, nothing lost, nothing started twice.

use crate::run;
use phalanx_simulator::{FaultSet, MeshReport, MeshScenario, sweep};
use std::ops::ControlFlow;

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
    seeds(0, 4, "drop,delay", 100);
}

#[test]
fn partitions_heal_without_a_fork() {
    seeds(10, 13, "partition,delay", 100);
}

#[test]
fn crashes_lose_nothing_and_start_nothing_twice() {
    seeds(20, 24, "crash,drop", 100);
}

#[test]
fn one_liar_of_four_changes_nothing() {
    seeds(30, 36, "byzantine,drop", 100);
}

#[test]
fn cuts_along_distances_a_pulled_focus_and_lies_about_places_change_nothing() {
    for nodes in [4, 7] {
        for seed in 60..63 {
            let faults = "geometry,partition,drop".parse().unwrap();
            let report = run(&MeshScenario { jobs: 60, ..MeshScenario::new(nodes, seed, 120, faults) });
            assert!(report.beats >= 120);
        }
    }
}

#[test]
fn everything_at_once() {
    seeds(50, 56, "all", 120);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let scenario = MeshScenario::new(4, 3, 80, FaultSet::all());
    let report = run(&scenario);
    assert_eq!(report, run(&scenario));
    assert_ne!(report.audit, run(&MeshScenario::new(4, 4, 20, FaultSet::all())).audit);
}

#[test]
fn a_sweep_tells_in_the_order_of_the_seeds_and_as_one_thread_does() {
    let scenario = MeshScenario::new(4, 0, 30, FaultSet::all());
    let told = |threads| {
        let mut reports: Vec<MeshReport> = Vec::new();
        sweep(&scenario, 5..11, threads, |report| {
            reports.push(report);
            ControlFlow::Continue(())
        })
        .unwrap();
        reports
    };
    let one = told(1);
    assert_eq!(one.iter().map(|r| r.seed).collect::<Vec<_>>(), [5, 6, 7, 8, 9, 10]);
    assert_eq!(one, told(3));
}

#[test]
#[ignore = "slow: 200 seeds"]
fn two_hundred_seeds_with_every_fault_hold_slow() {
    let mut broken = Vec::new();
    sweep(&MeshScenario::new(4, 0, 300, FaultSet::all()), 0..200, 2, |report| {
        if !report.violations.is_empty() {
            broken.push((report.seed, report.violations));
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
}
