//! Each way to lie, one liar of four.

use crate::run;
use phalanx_simulator::{Byzantine, MeshReport, MeshScenario};
use phalanx_types::{Height, evidence::Fault};
use std::{collections::BTreeSet, ops::Range};

const LIAR: usize = 3;

fn lies(kind: Byzantine, seed: u64, faults: &str) -> MeshReport {
    let faults = format!("byzantine,{faults}");
    let scenario =
        MeshScenario { byzantine: Some(kind), ..MeshScenario::new(4, seed, 120, faults.parse().unwrap()) };
    let report = run(&scenario);
    assert_eq!(report.byzantine, Some(kind));
    report
}

/// The liar is in quarantine, for one of these reasons.
fn is_convicted(kind: Byzantine, reasons: &[&str]) {
    is_convicted_in(kind, reasons, 400..402);
}

fn is_convicted_in(kind: Byzantine, reasons: &[&str], seeds: Range<u64>) {
    for seed in seeds {
        let report = lies(kind, seed, "drop");
        assert_eq!(report.quarantined, [LIAR], "{kind:?}");
        let known: BTreeSet<String> = reasons.iter().map(ToString::to_string).collect();
        assert!(!report.evidence.is_empty() && report.evidence.is_subset(&known), "{:?}", report.evidence);
    }
}

/// Nobody is in quarantine, and all jobs end.
fn changes_nothing(kind: Byzantine, faults: &str) -> MeshReport {
    let report = lies(kind, 410, faults);
    assert!(report.quarantined.is_empty() && report.evidence.is_empty(), "{kind:?}: {:?}", report.evidence);
    assert_eq!(report.jobs.len(), 40);
    report
}

#[test]
fn an_equivocator_is_convicted_by_its_own_signatures() {
    is_convicted(Byzantine::Equivocator, &["two_votes", "two_proposals"]);
}

#[test]
fn a_wrong_root_is_convicted_by_witnesses() {
    // Three seeds in a row: the root of the inputs, of the receipts, of the state.
    is_convicted_in(Byzantine::WrongRoot, &["wrong_root", "two_proposals"], 400..403);
}

#[test]
fn a_wrong_clock_is_convicted_by_witnesses() {
    is_convicted(Byzantine::TimeShifter, &["wrong_time"]);
}

#[test]
fn a_slow_clock_changes_nothing() {
    changes_nothing(Byzantine::SlowClock, "drop");
}

#[test]
fn garbage_is_convicted_by_witnesses_and_penalised() {
    is_convicted(Byzantine::Garbage, &["garbage"]);
    let report = lies(Byzantine::Garbage, 400, "drop");
    assert!(report.penalties[&LIAR].contains(&Fault::Garbage));
}

#[test]
fn a_replayer_changes_nothing() {
    let replays = changes_nothing(Byzantine::Replayer, "drop").replays;
    // Of all it says again, much is of the height that is being decided, up to its end.
    assert!(replays.delivered > 10_000, "{replays:?}");
    assert!(replays.current > 300, "{replays:?}");
}

#[test]
fn a_flood_is_cut_off_and_convicted_by_witnesses() {
    is_convicted(Byzantine::Flooder, &["flood"]);
}

#[test]
fn a_silent_node_changes_nothing() {
    changes_nothing(Byzantine::Silent, "drop");
}

#[test]
fn a_lying_sync_is_named_and_the_sync_still_ends() {
    let named = (411..417).any(|seed| {
        let faults = "byzantine,drop".parse().unwrap();
        let report = run(&MeshScenario {
            byzantine: Some(Byzantine::LyingSync),
            // Who comes late asks, and perhaps the liar.
            joins_at: Some(Height(80)),
            ..MeshScenario::new(4, seed, 120, faults)
        });
        report.penalties.get(&LIAR).is_some_and(|faults| faults.contains(&Fault::BadSync))
    });
    assert!(named);
}
