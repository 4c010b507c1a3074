//! `phalanx ledger` on the store of a stopped node.

use crate::support::{Mesh, found, phalanx, spec, stderr, stdout, until};
use phalanx_devnet::{Planned, Watch};
use phalanx_ledger::{Batch, Cf, Durability, Kv, RocksKv, SCHEMA, record};
use phalanx_types::{Hash, Receipt, Work, encode};
use serde_json::Value;
use std::{path::Path, process::Output, time::Duration};

fn ledger(mesh: &Mesh, words: &[&str]) -> Output {
    let home = mesh.home(0);
    let mut all = vec!["ledger"];
    all.extend(words);
    all.extend(["--home", home.to_str().unwrap()]);
    phalanx(&all)
}

fn json(mesh: &Mesh, words: &[&str]) -> (i32, Value) {
    let told = ledger(mesh, &[words, &["--output", "json"]].concat());
    let value: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{}", stderr(&told)));
    assert_eq!(value["schema"], 1);
    (told.status.code().unwrap(), value)
}

/// One node that has run some jobs and was stopped.
async fn stopped() -> Mesh {
    let mut mesh = found(1, &[]);
    mesh.start().await;
    let watch = Watch::start(mesh.devnet.clients().remove(0));
    let submitter = mesh.submitter(2).await;
    let planned: Vec<Planned> = (0..6)
        .map(|i| Planned {
            spec: spec(&format!("job-{i}"), "earth", false, Work::Synthetic { duration_ms: 20 }),
            at: Duration::ZERO,
            expected: "succeeded",
        })
        .collect();
    let indexed: Vec<_> = planned.iter().enumerate().collect();
    for (envelope, _) in submitter.pack(&indexed) {
        submitter.send(envelope, 20_000).await.unwrap();
    }
    assert!(until(&watch, Duration::from_secs(60), |known| known.ended.len() >= 6).await, "{}", mesh.logs());
    let running = ledger(&mesh, &["fsck"]);
    assert_eq!(running.status.code(), Some(4), "a running node keeps its store: {}", stdout(&running));
    assert!(stderr(&running).contains("stop it first"), "{}", stderr(&running));
    mesh.stop().await;
    mesh
}

fn put(home: &Path, cf: Cf, key: &[u8], payload: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let kv = RocksKv::open(&home.join("data")).unwrap();
    let before = kv.get(cf, key).unwrap().map(|stored| record::unwrap(cf, key, &stored).unwrap().to_vec());
    let value = payload.map(|payload| record::wrap(cf, key, payload));
    kv.write(Batch { writes: vec![(cf, key.to_vec(), value)] }, Durability::Synced).unwrap();
    before
}

fn first_state_key(home: &Path) -> Vec<u8> {
    let kv = RocksKv::open(&home.join("data")).unwrap();
    let mut found = Vec::new();
    kv.scan(Cf::State, &[], &mut |key, value| {
        // One whose value has bytes before its checksum.
        found = key.to_vec();
        if value.len() > 9 { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    })
    .unwrap();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_nodes_ledger_is_measured_checked_executed_again_and_exported() {
    let mesh = stopped().await;

    let (code, stats) = json(&mesh, &["stats"]);
    assert_eq!(code, 0);
    let beats = stats["beats"].as_u64().unwrap();
    let receipts = stats["receipts"].as_u64().unwrap();
    assert!(beats >= 3 && receipts > 18 && stats["state_bytes"].as_u64().unwrap() > 1_000, "{stats}");
    let text = stdout(&ledger(&mesh, &["stats"]));
    assert!(
        text.lines().any(|line| line.starts_with("beats ") && line.ends_with(&beats.to_string())),
        "{text}"
    );

    let genesis = mesh.genesis.hash().to_string();
    let told = ledger(&mesh, &["fsck"]);
    let text = stdout(&told);
    assert_eq!(told.status.code(), Some(0), "{text}");
    for word in
        ["clean", "integrity holds", "completeness complete", "trusted: the genesis document", &genesis]
    {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
    let (code, report) = json(&mesh, &["fsck"]);
    assert_eq!(
        (code, &report["integrity"], &report["completeness"]),
        (0, &"holds".into(), &"complete".into())
    );
    assert_eq!((report["beats"].as_u64(), report["receipts"].as_u64()), (Some(beats), Some(receipts)));
    assert_eq!(report["trusted_genesis"], genesis);

    let told = ledger(&mesh, &["replay"]);
    let text = stdout(&told);
    assert_eq!(told.status.code(), Some(0), "{text}{}", stderr(&told));
    assert!(text.contains(&format!("equal: beats 1 to {beats}, {receipts} receipts")), "{text}");
    assert!(text.contains("every stored record") && text.contains(&genesis), "{text}");
    let (code, part) = json(&mesh, &["replay", "--to", "2"]);
    assert_eq!((code, &part["is_equal"], &part["replayed"]["is_whole"]), (0, &true.into(), &false.into()));
    let beyond = ledger(&mesh, &["replay", "--to", &(beats + 1).to_string()]);
    assert_eq!(beyond.status.code(), Some(2), "{}", stdout(&beyond));
    assert!(stderr(&beyond).contains(&format!("the ledger ends at beat {beats}")), "{}", stderr(&beyond));

    let exported = ledger(&mesh, &["export"]);
    assert_eq!(exported.status.code(), Some(0));
    let lines: Vec<&[u8]> = exported.stdout.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).collect();
    assert_eq!(lines.len() as u64, receipts);
    let mut previous = Hash::ZERO;
    for line in lines {
        let receipt = Receipt::from_canonical_bytes(line).unwrap();
        assert_eq!(receipt.previous_hash, previous, "receipt {}", receipt.index);
        previous = Hash::sha3(line);
    }

    tampered(&mesh, beats);
}

/// The same store, changed by somebody who can write to the disk.
fn tampered(mesh: &Mesh, beats: u64) {
    let home = mesh.home(0);

    // A state entry, its checksum set right.
    let key = first_state_key(&home);
    let honest = put(&home, Cf::State, &key, Some(vec![0; 3]));
    let told = ledger(mesh, &["fsck"]);
    let text = stdout(&told);
    assert_eq!(told.status.code(), Some(1), "{text}");
    assert!(text.starts_with("not clean: state") && text.contains("integrity broken"), "{text}");
    assert!(text.contains("completeness undecided") && text.contains("replace this node's data"), "{text}");
    let told = ledger(mesh, &["replay"]);
    let text = stdout(&told);
    assert_eq!(told.status.code(), Some(1), "{text}");
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        text.contains(&format!("not equal: beat {beats}: the record {hex} of the table state")),
        "{text}"
    );
    assert_eq!(ledger(mesh, &["stats"]).status.code(), Some(1));
    put(&home, Cf::State, &key, honest);

    // A beat that is gone.
    let place = 2_u64.to_be_bytes();
    let honest = put(&home, Cf::Beats, &place, None);
    let (code, report) = json(mesh, &["fsck"]);
    assert_eq!((code, &report["integrity"], &report["completeness"]), (1, &"holds".into(), &"gap".into()));
    assert_eq!(report["first_gap"]["key"], "0000000000000002");
    let (code, told) = json(mesh, &["replay"]);
    assert_eq!((code, &told["is_equal"], &told["difference"]["height"]), (1, &false.into(), &"2".into()));
    put(&home, Cf::Beats, &place, honest);

    // A receipt that is gone: an export that leaves it out would be a lie.
    let honest = put(&home, Cf::Receipts, &place, None);
    let told = ledger(mesh, &["export"]);
    assert_eq!(told.status.code(), Some(1));
    assert!(stderr(&told).contains("missing; run `phalanx ledger fsck`"), "{}", stderr(&told));
    put(&home, Cf::Receipts, &place, honest);

    // A store of a newer program.
    let honest = put(&home, Cf::Meta, b"schema", Some(encode(&(SCHEMA + 1))));
    let told = ledger(mesh, &["stats"]);
    assert_eq!(told.status.code(), Some(2));
    assert!(stderr(&told).contains("newer version"), "{}", stderr(&told));
    assert_eq!(ledger(mesh, &["fsck"]).status.code(), Some(2));
    put(&home, Cf::Meta, b"schema", honest);

    // All is as it was; but it is not the ledger of another mesh.
    assert_eq!(ledger(mesh, &["replay"]).status.code(), Some(0));
    let path = home.join("genesis.json");
    let mut genesis = mesh.genesis.clone();
    genesis.mesh = Hash([1; 32]);
    std::fs::write(&path, serde_json::to_vec(&genesis).unwrap()).unwrap();
    for words in [["fsck"], ["replay"]] {
        let told = ledger(mesh, &words);
        assert_eq!(told.status.code(), Some(3), "{}", stdout(&told));
        assert!(stderr(&told).contains("the trusted one is"), "{}", stderr(&told));
    }
}

#[test]
fn a_node_that_has_never_run_has_no_ledger() {
    let mesh = found(1, &[]);
    for words in [&["stats"][..], &["fsck"], &["replay"], &["export"]] {
        let told = ledger(&mesh, words);
        assert_eq!(told.status.code(), Some(4), "{words:?}");
        assert!(stderr(&told).contains("never run"), "{}", stderr(&told));
    }
    std::fs::create_dir(mesh.home(0).join("data")).unwrap();
    let told = ledger(&mesh, &["fsck"]);
    assert_eq!(told.status.code(), Some(4));
    assert!(stderr(&told).contains("has decided nothing yet"), "{}", stderr(&told));
}
