//! `phalanx simulate`.

use crate::support::{binary, phalanx, stderr, stdout};

const MESH: [&str; 10] = [
    "simulate",
    "mesh",
    "--nodes",
    "4",
    "--seed",
    "7",
    "--beats",
    "40",
    "--faults",
    "drop,delay,partition,crash,byzantine",
];

#[test]
fn two_processes_with_one_seed_print_one_audit_hash() {
    let (one, two) = (phalanx(&MESH), phalanx(&MESH));
    assert!(one.status.success(), "{}{}", stdout(&one), stderr(&one));
    assert!(stdout(&one).contains("audit "), "{}", stdout(&one));
    assert_eq!(stdout(&one), stdout(&two));
    let other = phalanx(&[&MESH[..], &["--mode", "centralized"]].concat());
    assert!(other.status.success(), "{}{}", stdout(&other), stderr(&other));
    assert_ne!(stdout(&one), stdout(&other));
}

#[test]
fn many_seeds_are_told_in_their_order_and_counted() {
    let words = [
        "simulate", "mesh", "--seed", "3", "--seeds", "4", "--beats", "10", "--faults", "none", "--output",
        "json",
    ];
    let told = phalanx(&words);
    assert!(told.status.success(), "{}", stderr(&told));
    let lines: Vec<serde_json::Value> =
        stdout(&told).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seeds: Vec<u64> = lines.iter().filter_map(|line| line["seed"].as_u64()).collect();
    assert_eq!(seeds, [3, 4, 5, 6]);
    assert_eq!(lines[4]["broken"], 0);
}

#[test]
fn the_planetary_scenario_writes_its_files_and_prints_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let told = phalanx(&["simulate", "planetary", "--seed", "7", "--label", "demo", "--out", out]);
    assert!(told.status.success(), "{}", stderr(&told));
    for shard in ["earth", "luna", "mars", "helios", "all"] {
        assert!(stdout(&told).lines().any(|line| line.trim_start().starts_with(shard)), "{}", stdout(&told));
    }
    for file in ["events.ndjson", "summary.json", "owner-script.json"] {
        assert!(folder.path().join("reports/demo").join(file).exists(), "{file}");
    }
}

#[test]
fn words_that_name_nothing_are_usage_errors() {
    assert_eq!(phalanx(&["simulate", "mesh", "--mode", "anarchy"]).status.code(), Some(2));
    assert_eq!(phalanx(&["simulate", "mesh", "--nodes", "65"]).status.code(), Some(2));
    assert_eq!(phalanx(&["simulate", "planetary", "--label", "../x"]).status.code(), Some(2));
}

/// A node that breaks a rule says so when it starts; a program that cannot break
/// one does not even hold the words.
#[test]
fn the_binary_holds_no_code_that_breaks_a_rule() {
    let bytes = std::fs::read(binary()).unwrap();
    let has = |words: &str| bytes.windows(words.len()).any(|part| part == words.as_bytes());
    assert!(!has("breaks a rule on purpose"));
    // The search itself finds what is there.
    assert!(has("an effect that fails") || has("the consensus engine failed"));
}
