//! Agents of a running node: where they may be, who refuses it, and a picture of it.

use crate::{
    lone::Lone,
    support::{stderr, stdout},
};
use serde_json::Value;
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

#[test]
fn a_receipts_way_to_the_audit_root_is_given_and_checked_without_a_node() {
    let mut lone = Lone::found();
    lone.start();
    let genesis = lone.file("genesis.json");
    let agent =
        told(&lone, 0, &["agent", "spawn", "--region", "earth", "--stack", genesis.to_str().unwrap()]);
    let agent = agent.lines().next().unwrap().to_owned();
    let mut workers = lone.mesh.genesis.workers.keys().map(|name| name.to_string());
    let worker = workers.find(|name| name.starts_with("luna")).unwrap();
    told(&lone, 0, &["agent", "migrate", &agent, &worker]);
    let of_agent: Value =
        serde_json::from_str(&told(&lone, 0, &["--output", "json", "receipt", "of", &agent])).unwrap();
    let indexes: Vec<&str> =
        of_agent["receipts"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    let [spawned, migrated] = [indexes[0], indexes[1]];
    let show = |lone: &Lone, index: &str| -> Value {
        serde_json::from_str(&told(lone, 0, &["--output", "json", "receipt", "show", index])).unwrap()
    };
    lone.until("checkpoint of the action", |lone| !show(lone, migrated)["checkpoint"].is_null());
    let number = show(&lone, migrated)["checkpoint"].as_str().unwrap().to_owned();

    let write = |lone: &Lone, name: &str, text: &str| {
        let path = lone.mesh.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let text = told(&lone, 0, &["receipt", "path", migrated]);
    let path = write(&lone, "migrated.json", &text);
    let of_spawn = write(&lone, "spawned.json", &told(&lone, 0, &["receipt", "path", spawned]));
    let checkpoint = write(&lone, "checkpoint.json", &told(&lone, 0, &["checkpoint", "export", &number]));
    lone.until("another checkpoint", |lone| {
        let next = (number.parse::<u64>().unwrap() + 1).to_string();
        lone.phalanx(&["checkpoint", "show", &next]).status.success()
    });
    let next = (number.parse::<u64>().unwrap() + 1).to_string();
    let other = write(&lone, "next.json", &told(&lone, 0, &["checkpoint", "export", &next]));
    assert!(told(&lone, 4, &["receipt", "path", "1000000"]).contains("there is no receipt 1000000"));
    assert!(told(&lone, 2, &["receipt", "path", "first"]).contains("first"));
    lone.stop();

    // The store of a stopped node gives the same.
    assert_eq!(told(&lone, 0, &["receipt", "path", migrated]), text);
    assert!(told(&lone, 4, &["receipt", "path", "1000000"]).contains("there is no receipt 1000000"));
    let said = told(&lone, 0, &["receipt", "verify-path", &path]);
    assert!(said.contains("it tells the action 0") && said.contains("name one that you trust"), "{said}");
    let said = told(&lone, 0, &["receipt", "verify-path", &path, "--checkpoint", &checkpoint]);
    assert!(said.contains("the checkpoint is the one that is named"), "{said}");
    let said = told(&lone, 0, &["receipt", "verify-path", &of_spawn]);
    assert!(said.contains("it tells no action of an agent: the leaf of its beat stands for it"), "{said}");
    let said = told(&lone, 3, &["receipt", "verify-path", &path, "--checkpoint", &other]);
    assert!(said.contains(&format!("the one that is named is {next}")), "{said}");
    // The first place is that of the action's leaf.
    let changed = text.replacen("\"index\":", "\"index\":1", 1);
    let changed = write(&lone, "changed.json", &changed);
    assert!(told(&lone, 1, &["receipt", "verify-path", &changed]).contains("action.place"));
    assert!(told(&lone, 2, &["receipt", "verify-path", &checkpoint]).contains("no audit path"));
    let moved: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(moved["action"]["number"], "0");
}
