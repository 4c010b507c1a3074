//! Long cuts.

use crate::run;
use phalanx_fabric::EndState;
use phalanx_simulator::{Cut, FaultSet, MeshMode, MeshScenario};
use std::collections::BTreeSet;

/// Longer than any lease of the simulated workers, and their margin.
const LONG_MS: u64 = 30_000;

fn cut(nodes: &[usize], from_ms: u64) -> Vec<Cut> {
    vec![Cut { from_ms, lasts_ms: LONG_MS, side: nodes.iter().copied().collect() }]
}

#[test]
fn two_of_four_cut_off_decide_nothing_and_go_on_when_healed() {
    for (mode, seed) in MeshMode::ALL.into_iter().zip(200..) {
        let scenario = MeshScenario {
            mode,
            cuts: cut(&[1, 3], 6_000),
            ..MeshScenario::new(4, seed, 150, FaultSet::default())
        };
        let report = run(&scenario);
        let around = report.cuts[0];
        assert!(around.cut.0 > 10, "{mode}: the mesh runs before the cut: {around:?}");
        // What was on its way may still be decided.
        assert!(around.healed <= around.cut.next(), "{mode}: {around:?}");
        assert!(report.beats >= 150 && report.beats > around.healed.0, "{mode}: {around:?}");
    }
}

#[test]
fn work_that_runs_while_the_mesh_stands_lives_and_counts_once() {
    for seed in 210..212 {
        // Every job is longer than the cut, and starts before it.
        let scenario = MeshScenario {
            cuts: cut(&[0, 2], 6_000),
            jobs: 12,
            job_ms: (40_000, 45_000),
            ..MeshScenario::new(4, seed, 200, FaultSet::default())
        };
        let report = run(&scenario);
        assert_eq!(report.jobs.len(), 12);
        for job in &report.jobs {
            let tries = if job.state == Some(EndState::Succeeded) { 1..=2 } else { 1..=1 };
            assert!(tries.contains(&job.attempts), "{job:?}");
            assert!(matches!(job.state, Some(EndState::Succeeded | EndState::Failed)), "{job:?}");
        }
        // A second attempt follows only where the first one failed by itself.
        let started: u32 = report.jobs.iter().map(|job| job.attempts).sum();
        assert_eq!(report.attempts, started as usize);
    }
}

#[test]
fn one_of_four_cut_off_loses_its_work_to_the_others() {
    for seed in 220..221 {
        let scenario = MeshScenario {
            cuts: cut(&[2], 6_000),
            jobs: 12,
            job_ms: (40_000, 45_000),
            ..MeshScenario::new(4, seed, 400, FaultSet::default())
        };
        let report = run(&scenario);
        // K9 has watched that no attempt began while an earlier one ran.
        assert!(report.cuts[0].healed > report.cuts[0].cut.next(), "{:?}", report.cuts);
        assert!(report.attempts > 12, "the jobs of the node that was cut off began anew");
    }
}

#[test]
fn cuts_and_crashes_together_heal() {
    for seed in 230..231 {
        let scenario = MeshScenario {
            cuts: cut(&[0, 1], 4_000),
            ..MeshScenario::new(4, seed, 200, "crash,drop,delay".parse().unwrap())
        };
        run(&scenario);
    }
}

#[test]
fn a_side_of_more_than_two_thirds_goes_on() {
    let side: BTreeSet<usize> = [4, 5].into();
    let scenario = MeshScenario {
        cuts: vec![Cut { from_ms: 3_000, lasts_ms: LONG_MS, side }],
        ..MeshScenario::new(7, 240, 200, FaultSet::default())
    };
    let report = run(&scenario);
    assert!(report.cuts[0].healed > report.cuts[0].cut.next(), "{:?}", report.cuts);
}
