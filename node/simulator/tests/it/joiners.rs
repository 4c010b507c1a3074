//! Nodes that come late.

use crate::run;
use phalanx_simulator::{Byzantine, FaultSet, MeshReport, MeshScenario};
use phalanx_types::{Height, evidence::Fault};

fn joins_at(beats: u64, faults: &str) {
    let scenario = MeshScenario {
        joins_at: Some(Height(beats)),
        ..MeshScenario::new(4, 300, beats + 40, faults.parse::<FaultSet>().unwrap())
    };
    let report = run(&scenario);
    assert!(report.beats >= beats + 40);
}

#[test]
fn a_node_that_was_never_there_takes_over_1000_beats() {
    joins_at(1_000, "none");
}

#[test]
fn a_node_catches_up_while_messages_are_lost() {
    joins_at(150, "drop,delay");
}

#[test]
#[ignore = "slow: 10,000 beats"]
fn a_node_that_was_never_there_takes_over_10000_beats_slow() {
    joins_at(10_000, "none");
}

/// The last honest node, and the liar where there is one.
const JOINER: usize = 3;
const JOINER_BESIDE_LIAR: usize = 2;
const LIAR: usize = 3;

fn joins_by_snapshot(seed: u64, faults: &str, byzantine: Option<Byzantine>) -> MeshReport {
    run(&MeshScenario {
        joins_at: Some(Height(200)),
        snapshot_beyond: Some(50),
        byzantine,
        ..MeshScenario::new(4, seed, 240, faults.parse().unwrap())
    })
}

#[test]
fn a_node_that_was_never_there_goes_on_from_a_snapshot() {
    for (seed, faults) in [(310, "none"), (311, "drop,delay"), (312, "drop,crash")] {
        let report = joins_by_snapshot(seed, faults, None);
        // A new one is offered every 128 beats or so.
        let begins = report.snapshots.restored[&JOINER];
        assert!(begins > Height(50) && begins <= Height(report.beats), "{faults}: {begins}");
        assert_eq!(report.snapshots.restored.len(), 1, "{faults}");
        assert_eq!(report.jobs.len(), 40);
    }
}

#[test]
fn a_node_asks_for_beats_when_nobody_has_enough_of_them_for_a_snapshot() {
    let scenario = MeshScenario {
        joins_at: Some(Height(100)),
        snapshot_beyond: Some(10_000),
        ..MeshScenario::new(4, 313, 140, FaultSet::default())
    };
    assert!(run(&scenario).snapshots.restored.is_empty());
}

#[test]
fn who_lies_about_parts_of_a_snapshot_is_named_and_the_snapshot_still_comes() {
    let mut part_lies = 0;
    for seed in 320..326 {
        let report = joins_by_snapshot(seed, "byzantine", Some(Byzantine::LyingSync));
        let snapshots = &report.snapshots;
        assert!(snapshots.restored[&JOINER_BESIDE_LIAR] > Height(50), "{snapshots:?}");
        assert_eq!(snapshots.named, snapshots.lies, "seed {seed}: {snapshots:?}");
        let named = report.penalties.get(&LIAR).is_some_and(|faults| faults.contains(&Fault::BadSync));
        assert!(named || snapshots.lies == 0, "seed {seed}: {:?}", report.penalties);
        // After its first lie it is not asked again.
        assert!(snapshots.lies <= 1, "seed {seed}: {snapshots:?}");
        part_lies += snapshots.part_lies;
    }
    assert!(part_lies > 0);
}
