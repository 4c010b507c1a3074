//! Nodes that come late.

use crate::run;
use phalanx_simulator::{FaultSet, MeshScenario};
use phalanx_types::Height;

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
