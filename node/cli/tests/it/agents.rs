//! Agents of a running node: where they may be, who refuses it, and a picture of it.

use crate::{
    lone::Lone,
    support::{stderr, stdout},
};
use std::fs;

const GUARDS: &str = r#"{"binds": "all", "constraints": [
    {"name": "at-home", "rule": {"inside": {"regions": ["earth", "luna"]}}},
    {"name": "near-core", "rule": {"within": {"of": "core", "delta_micro": 9000000}}}]}"#;
/// Nobody can obey it; it binds who names it.
const EXILES: &str = r#"{"constraints": [{"name": "gone", "rule": {"inside": {"regions": ["atlantis"]}}}]}"#;

/// Runs a command that must end with a code, and gives what it said.
fn told(lone: &Lone, code: i32, words: &[&str]) -> String {
    let output = lone.phalanx(words);
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    said
}

#[test]
fn what_would_break_a_policy_is_refused_by_name_and_the_disk_shows_who_is_where() {
    let mut lone = Lone::found();
    lone.start();
    let genesis = lone.file("genesis.json");
    let stack = genesis.to_str().unwrap();
    let spawn = |region: &'static str, label: &'static str| {
        ["agent", "spawn", "--region", region, "--label", label, "--stack", stack]
    };
    let agent = told(&lone, 0, &spawn("earth", "walker")).lines().next().unwrap().to_owned();
    for (name, document) in [("guards", GUARDS), ("exiles", EXILES)] {
        let document = hex::encode(document);
        let command = format!(r#"{{"set_policy":{{"name":"{name}","document":"{document}"}}}}"#);
        told(&lone, 0, &["owner", "send", &command]);
    }

    let said = told(&lone, 1, &[&spawn("mars", "stray")[..], &["--policy", "exiles"]].concat());
    assert!(said.contains("exiles") && said.contains("gone"), "{said}");
    // Where it wants to be it may not; where it may be is in reach.
    told(&lone, 0, &spawn("mars", "guest"));
    let agents = told(&lone, 0, &["--output", "json", "agent", "list"]);
    assert!(!agents.contains("mars."), "{agents}");
    let worker_in = |region: &str| {
        let mut all = lone.mesh.genesis.workers.keys().map(|name| name.to_string());
        all.find(|name| name.starts_with(region)).unwrap()
    };
    let said = told(&lone, 1, &["agent", "migrate", &agent, &worker_in("mars")]);
    assert!(said.contains("guards") && said.contains("at-home"), "{said}");
    told(&lone, 0, &["agent", "migrate", &agent, &worker_in("luna")]);

    let picture = lone.mesh.folder.path().join("disk.svg");
    let shown = picture.to_str().unwrap();
    told(&lone, 0, &["geometry", "plot", "--out", shown]);
    told(&lone, 1, &["geometry", "plot", "--out", shown]);
    let drawn = fs::read_to_string(&picture).unwrap();
    for shard in &lone.mesh.genesis.shards {
        assert!(drawn.contains(shard.name.as_str()), "no {}", shard.name);
    }
    assert!(drawn.contains("walker") && !drawn.contains("stray"), "{drawn}");
    assert_eq!(drawn.matches("<rect").count(), lone.mesh.genesis.workers.len(), "{drawn}");

    // The same from a snapshot, with no node running.
    lone.stop();
    let snapshot = lone.mesh.folder.path().join("snapshot");
    told(&lone, 0, &["snapshot", "export", "--out", snapshot.to_str().unwrap()]);
    fs::remove_file(&picture).unwrap();
    told(&lone, 0, &["geometry", "plot", "--snapshot", snapshot.to_str().unwrap(), "--out", shown]);
    assert!(fs::read_to_string(&picture).unwrap().contains("walker"));
}
