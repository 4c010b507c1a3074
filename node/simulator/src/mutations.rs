//! Rules broken on purpose: the checks must see it.
//!
//! These tests stand inside the crate: a node can break a rule only where the
//! crate is compiled for its own tests, so nothing that is shipped holds code
//! that breaks one.

use crate::{FaultSet, MeshReport, MeshScenario, simulate_mesh, sweep};
use phalanx_consensus::Mutation;
use std::ops::ControlFlow;

const THREADS: usize = 2;

/// The scenario in which a mutation shows soonest, and the first seed at which
/// it was seen to.
fn scenario(mutation: Mutation) -> (MeshScenario, u64) {
    let (faults, seed) = match mutation {
        Mutation::HalfIsQuorum => ("partition", 0),
        Mutation::SkipWal => ("crash,drop,delay", 0),
        Mutation::DropLock => ("drop,delay", 0),
    };
    let faults: FaultSet = faults.parse().unwrap();
    (MeshScenario { mutation: Some(mutation), ..MeshScenario::new(4, 0, 120, faults) }, seed)
}

/// The first seed from `from` on, of `count`, that breaks a rule.
fn first_broken(scenario: &MeshScenario, from: u64, count: u64) -> Option<MeshReport> {
    let mut found = None;
    sweep(scenario, from..from + count, THREADS, |report| {
        if report.violations.is_empty() {
            return ControlFlow::Continue(());
        }
        found = Some(report);
        ControlFlow::Break(())
    })
    .unwrap();
    found
}

fn is_caught(mutation: Mutation) {
    let (scenario, known) = scenario(mutation);
    let report = first_broken(&scenario, known, 200 - known)
        .or_else(|| first_broken(&scenario, 0, known))
        .unwrap_or_else(|| panic!("200 seeds hold although every node has {mutation:?}"));
    println!("{mutation:?} is caught by seed {}: {}", report.seed, report.violations[0]);
    // The same seed without the mutation holds: the mutation is what was seen.
    let sound = MeshScenario { mutation: None, seed: report.seed, ..scenario };
    let report = simulate_mesh(&sound).unwrap();
    assert!(report.violations.is_empty(), "{report:#?}");
}

#[test]
fn half_as_a_quorum_is_caught() {
    is_caught(Mutation::HalfIsQuorum);
}

#[test]
fn a_log_that_is_skipped_is_caught() {
    is_caught(Mutation::SkipWal);
}

#[test]
fn a_lock_that_is_dropped_is_caught() {
    is_caught(Mutation::DropLock);
}

#[test]
#[ignore = "slow: 200 seeds of four scenarios"]
fn of_200_seeds_every_mutation_fails_some_and_none_fails_without_slow() {
    for mutation in Mutation::ALL {
        let (broken, _) = scenario(mutation);
        for (scenario, is_mutated) in
            [(MeshScenario { mutation: None, ..broken.clone() }, false), (broken, true)]
        {
            let mut failed = Vec::new();
            sweep(&scenario, 0..200, THREADS, |report| {
                if !report.violations.is_empty() {
                    failed.push(report.seed);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
            println!("{mutation:?} {is_mutated}: {} of 200 seeds fail: {failed:?}", failed.len());
            assert_eq!(!failed.is_empty(), is_mutated, "{mutation:?}: {failed:?}");
        }
    }
}
