//! Whole meshes: agreement, validity, nothing lost, nothing started twice.

use crate::run;
use phalanx_simulator::{FaultSet, GeometryReport, MeshMode, MeshReport, MeshScenario, sweep};
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
        let mut seen = Vec::new();
        for seed in 60..63 {
            let faults = "geometry,partition,drop".parse().unwrap();
            let report = run(&MeshScenario { jobs: 60, ..MeshScenario::new(nodes, seed, 120, faults) });
            assert!(report.beats >= 120);
            seen.push(report.geometry);
        }
        println!("{nodes} nodes: {seen:?}");
        // That nothing is broken says something only where something happened.
        for count in [
            |g: &GeometryReport| g.ball_cuts,
            |g: &GeometryReport| g.weight_sets - 1,
            |g: &GeometryReport| g.focus_moves,
            |g: &GeometryReport| g.lies_agreed,
        ] {
            assert!(seen.iter().map(count).sum::<usize>() > 0, "{nodes} nodes: {seen:?}");
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
fn two_liars_of_seven_change_nothing() {
    for seed in 70..73 {
        let report = run(&MeshScenario::new(7, seed, 120, "byzantine,drop,delay".parse().unwrap()));
        assert_eq!(report.jobs.len(), 40);
    }
}

#[test]
#[ignore = "slow: 200 seeds, half of them with seven nodes"]
fn two_hundred_seeds_with_every_fault_hold_slow() {
    let mut broken = Vec::new();
    // Of four nodes one lies, of seven two do.
    for (nodes, seeds) in [(4, 0..100), (7, 100..200)] {
        let scenario = MeshScenario {
            mode: MeshMode::GeometricMesh,
            ..MeshScenario::new(nodes, 0, 300, FaultSet::all())
        };
        sweep(&scenario, seeds, 2, |report| {
            if !report.violations.is_empty() {
                println!("seed {} of {nodes} nodes: {:#?}", report.seed, report.violations);
                broken.push((nodes, report.seed, report.violations));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
#[ignore = "slow: 500 beats twice"]
fn the_documented_run_has_one_audit_hash_slow() {
    let faults: FaultSet = "drop,delay,partition,crash,byzantine".parse().unwrap();
    let scenario = MeshScenario::new(4, 7, 500, faults);
    let (one, two) = (run(&scenario), run(&scenario));
    println!("audit {}", one.audit);
    assert_eq!(one.audit, two.audit);
    assert!(one.beats >= 500);
}
