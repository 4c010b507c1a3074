//! New nodes: by beats, by snapshot over the mesh, by a snapshot file, and from
//! `storage/checkpoint.json`.

use crate::{
    mesh::work_gets_done,
    support::{Mesh, found, phalanx, stderr, stdout},
};
use phalanx_devnet::{Devnet, NodeSpec, PortBlock, compare_roots};
use serde_json::Value;
use std::{path::Path, time::Duration};

/// Makes a home folder for a fifth node, admitted by the owner.
fn newcomer(mesh: &mut Mesh, setting: &str) -> NodeSpec {
    let home = mesh.folder.path().join("mesh/node-5");
    let ports = PortBlock::free(1).unwrap();
    let base = ports.base().to_string();
    mesh.ports.push(ports);
    let like = mesh.home(0);
    let words =
        ["init", "--join", like.to_str().unwrap(), "--home", home.to_str().unwrap(), "--base-port", &base];
    let made = phalanx(&[&words[..], &["--output", "json"]].concat());
    assert!(made.status.success(), "{}", stderr(&made));
    let keys: Value = serde_json::from_slice(&made.stdout).unwrap();
    let added = phalanx(&[
        "peers",
        "add",
        keys["network_key"].as_str().unwrap(),
        "--label",
        "newcomer",
        "--home",
        like.to_str().unwrap(),
    ]);
    assert!(added.status.success(), "{}{}", stdout(&added), stderr(&added));
    let path = home.join("config.toml");
    let mut config: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    config.extend(setting.parse::<toml::Table>().unwrap());
    std::fs::write(&path, config.to_string()).unwrap();
    NodeSpec::at("node-5", home).unwrap()
}

/// Time to catch up with a short history.
const SOON: Duration = Duration::from_secs(60);
/// Time to catch up with ten thousand beats, all checked.
const IN_THE_END: Duration = Duration::from_secs(600);

/// Starts the newcomer and compares its root with the others'.
async fn joins(mesh: &mut Mesh, spec: NodeSpec, patience: Duration) -> Devnet {
    let mut fifth = Devnet::new(&crate::support::binary(), vec![spec]);
    fifth.start_all().unwrap();
    fifth
        .wait_until("a fifth node that has caught up", patience, |status| {
            status["height"].as_str().is_some_and(|h| h != "0") && status["is_syncing"] == false
        })
        .await
        .unwrap();
    assert!(work_gets_done(mesh, 0, 8).await, "{}", mesh.logs());
    let all = [mesh.devnet.clients(), fifth.clients()].concat();
    let roots = compare_roots(&all).await.unwrap();
    assert!(roots.agree(), "{roots:?}");
    fifth
}

/// Bans a peer at the first node, by the commands that people have.
async fn is_banned(mesh: &Mesh, label: &str) {
    let home = mesh.home(0);
    let listed = || {
        let told = phalanx(&["--output", "json", "peers", "list", "--home", home.to_str().unwrap()]);
        assert!(told.status.success(), "{}", stderr(&told));
        let rows: Value = serde_json::from_slice(&told.stdout).unwrap();
        rows["items"].as_array().unwrap().iter().find(|row| row["label"] == label).unwrap().clone()
    };
    let before = listed();
    assert_eq!((&before["is_connected"], &before["banned_ms"]), (&true.into(), &Value::Null), "{before}");
    let key = before["key"].as_str().unwrap();
    let words = ["peers", "ban", key, "--reason", "too loud", "--home", home.to_str().unwrap()];
    let told = phalanx(&words);
    assert!(told.status.success(), "{}", stderr(&told));
    for _ in 0..100 {
        if listed()["is_connected"] == false {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = listed();
    assert_eq!((&after["is_connected"], &after["reason"]), (&false.into(), &"too loud".into()), "{after}");
    assert!(!after["banned_ms"].is_null() && after["score"].is_number(), "{after}");
}

fn fsck(home: &Path) -> String {
    let checked = phalanx(&["ledger", "fsck", "--home", home.to_str().unwrap()]);
    assert!(checked.status.success(), "{}{}", stdout(&checked), stderr(&checked));
    stdout(&checked)
}

/// A mesh that has decided so many beats.
async fn with_beats(beats: u64) -> Mesh {
    let mut mesh = found(4, &[]);
    mesh.start().await;
    while mesh.height().await < beats {
        assert!(work_gets_done(&mesh, 1, 16).await, "{}", mesh.logs());
    }
    mesh
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_catches_up_by_beats() {
    let mut mesh = with_beats(20).await;
    let spec = newcomer(&mut mesh, "join_by_snapshot_beyond = 0");
    let home = spec.home.clone();
    let mut fifth = joins(&mut mesh, spec, SOON).await;
    is_banned(&mesh, "newcomer").await;
    fifth.stop_all(Duration::from_secs(5)).await;
    mesh.stop().await;
    assert!(!fsck(&home).contains("snapshot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_goes_on_from_a_snapshot_of_its_peers() {
    let mut mesh = with_beats(40).await;
    let spec = newcomer(&mut mesh, "join_by_snapshot_beyond = 10");
    let home = spec.home.clone();
    let mut fifth = joins(&mut mesh, spec, SOON).await;
    fifth.stop_all(Duration::from_secs(5)).await;
    mesh.stop().await;
    let said = fsck(&home);
    assert!(said.contains("restored from a snapshot"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: ten thousand beats"]
async fn a_new_node_joins_a_mesh_of_ten_thousand_beats_slow() {
    let mut mesh = with_beats(10_000).await;
    let spec = newcomer(&mut mesh, "join_by_snapshot_beyond = 0");
    let home = spec.home.clone();
    joins(&mut mesh, spec, IN_THE_END).await.stop_all(Duration::from_secs(5)).await;
    std::fs::remove_dir_all(home.join("data")).unwrap();
    std::fs::remove_file(home.join("wal")).unwrap();
    let path = home.join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("join_by_snapshot_beyond = 0", "join_by_snapshot_beyond = 1000"))
        .unwrap();
    let spec = NodeSpec {
        name: "node-5".into(),
        api: text.parse::<toml::Table>().unwrap()["api"].as_str().unwrap().parse().unwrap(),
        token: std::fs::read_to_string(home.join("api-token")).unwrap(),
        home: home.clone(),
    };
    joins(&mut mesh, spec, IN_THE_END).await.stop_all(Duration::from_secs(5)).await;
    mesh.stop().await;
    assert!(fsck(&home).contains("restored from a snapshot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_begins_anew_from_files_and_refuses_changed_ones() {
    let mut mesh = with_beats(12).await;
    mesh.stop().await;
    let (first, second) = (mesh.home(0), mesh.home(1));
    let (one, two) = (first.to_str().unwrap(), second.to_str().unwrap());
    let file = mesh.folder.path().join("snapshot");
    let file_name = file.to_str().unwrap();
    let told = phalanx(&["snapshot", "export", "--out", file_name, "--home", one]);
    assert!(told.status.success(), "{}", stderr(&told));

    // A node with a ledger keeps it.
    let told = phalanx(&["snapshot", "import", file_name, "--home", two]);
    assert_eq!(told.status.code(), Some(1), "{}", stderr(&told));
    assert!(stderr(&told).contains("move"), "{}", stderr(&told));

    std::fs::remove_dir_all(second.join("data")).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    std::fs::write(&file, &changed).unwrap();
    let told = phalanx(&["snapshot", "import", file_name, "--home", two]);
    assert!(matches!(told.status.code(), Some(1 | 2)), "{}", stderr(&told));
    std::fs::write(&file, &bytes).unwrap();
    let told = phalanx(&["snapshot", "import", file_name, "--home", two]);
    assert!(told.status.success(), "{}", stderr(&told));
    assert!(fsck(&second).contains("restored from a snapshot"));

    // The third goes on from the first one's storage/checkpoint.json.
    let stored = first.join("storage/checkpoint.json");
    let mut shown: Value = serde_json::from_slice(&std::fs::read(&stored).unwrap()).unwrap();
    shown["shards"][0]["waiting"] = 99.into();
    let forged = mesh.folder.path().join("forged.json");
    std::fs::write(&forged, shown.to_string()).unwrap();
    let told = phalanx(&["node", "run", "--resume", forged.to_str().unwrap(), "--home", one]);
    assert_eq!(told.status.code(), Some(1), "{}", stderr(&told));
    assert!(stderr(&told).contains("integrity"), "{}", stderr(&told));
    let third = mesh.home(2);
    std::fs::remove_dir_all(third.join("data")).unwrap();
    mesh.devnet.start_with(2, &["--resume", stored.to_str().unwrap()]).unwrap();
    for index in [0, 1, 3] {
        mesh.devnet.start(index).unwrap();
    }
    mesh.ready().await;
    assert!(work_gets_done(&mesh, 2, 8).await, "{}", mesh.logs());
    assert!(compare_roots(&mesh.devnet.clients()).await.unwrap().agree());
    mesh.stop().await;
    mesh.fsck();
}
