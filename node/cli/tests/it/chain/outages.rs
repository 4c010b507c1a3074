//! Chains that reorganise, stop, and come back.

use super::world::{Chained, Pace, anvil, ask, is_calm, number};
use phalanx_governance::contracts::ChainCommand;
use serde_json::json;
use std::time::Duration;

fn last(status: &serde_json::Value) -> u64 {
    number(status, "/chain/final")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reorganisation_takes_back_is_sent_again_and_a_stopped_chain_is_waited_for() {
    let anvil = anvil(&["--block-time", "1"]);
    let mut chained = Chained::dev(&anvil.url()).await;
    chained.mesh.start().await;
    chained.all_until("the first checkpoint is final", |s| last(s) >= 1).await;

    // Blocks that are not final are replaced by empty ones, again and again.
    for _ in 0..3 {
        let before = number(&chained.status(0).await, "/chain/anchored");
        chained.until(0, "one more is anchored", |s| number(s, "/chain/anchored") > before).await;
        ask(&anvil.url(), "anvil_reorg", json!([1, []])).await;
    }
    let closed = number(&chained.status(0).await, "/checkpoint");
    chained.all_until("all that was closed is final", |s| last(s) >= closed).await;
    assert!(is_calm(&chained.status(0).await), "{}", chained.status(0).await);

    // No block comes: the mesh goes on, checkpoints are cosigned and wait.
    ask(&anvil.url(), "evm_setIntervalMining", json!([0])).await;
    let stopped = number(&chained.status(0).await, "/checkpoint");
    let waiting = chained
        .until(1, "checkpoints are cosigned without the chain", |s| {
            number(s, "/chain/cosigned") >= stopped + 4
        })
        .await;
    assert!(number(&waiting, "/chain/anchored") <= stopped + 1, "{waiting}");
    let level = chained.mesh.devnet.clients()[1].get("/v1/list/checkpoints").await.unwrap();
    assert!(level.as_array().unwrap().iter().any(|c| c["level"] == "cosigned"), "{level}");
    ask(&anvil.url(), "evm_setIntervalMining", json!([1])).await;
    chained.all_until("what waited is final", |s| last(s) >= stopped + 4).await;
    chained.mesh.stop().await;
    chained.mesh.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_killed_and_comes_back_is_caught_up_with_by_nodes_that_were_too() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let state = state.to_str().unwrap();
    let words = ["--block-time", "1", "--state", state, "--preserve-historical-states"];
    let first = anvil(&words);
    let url = first.url();
    let port = url.rsplit(':').next().unwrap().to_owned();
    let mut chained = Chained::dev(&url).await;
    chained.mesh.start().await;
    chained.command(ChainCommand::PauseMesh).await;
    chained.all_until("obeyed and final", |s| s["is_paused"] == true && last(s) >= 1).await;

    first.stop();
    chained.all_until("the chain is away", |s| !s["chain"]["trouble"].is_null()).await;
    let height = number(&chained.status(0).await, "/height");
    chained.until(0, "beats go on", |s| number(s, "/height") >= height + 8).await;
    // A node that starts without its chain works too.
    chained.mesh.devnet.kill(2).await;
    chained.mesh.devnet.start(2).unwrap();
    chained.mesh.ready().await;
    chained.until(2, "it says so", |s| !s["chain"]["trouble"].is_null()).await;

    let mut again = words.to_vec();
    again.extend(["--port", &port]);
    let second = anvil(&again);
    assert_eq!(second.url(), url);
    let closed = number(&chained.status(0).await, "/checkpoint");
    chained.command(ChainCommand::ResumeMesh).await;
    chained.all_until("obeyed, and all is final", |s| s["is_paused"] == false && last(s) >= closed).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for index in 0..4 {
        assert!(is_calm(&chained.status(index).await), "{}", chained.status(index).await);
        assert_eq!(chained.receipts(index, "resume").await.len(), 1);
    }
    chained.mesh.stop().await;
    chained.mesh.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_takes_back_what_was_obeyed_is_gone_on_with_when_the_owner_says_so() {
    let anvil = anvil(&[]);
    let pace = Pace { checkpoint_beats: 4_096, idle_beat_ms: 500 };
    let mut chained = Chained::dev_at(&anvil.url(), pace).await;
    let url = anvil.url();
    let mine = async |blocks: u64| ask(&url, "anvil_mine", json!([format!("0x{blocks:x}")])).await;
    mine(12).await;
    chained.mesh.start().await;
    chained.command(ChainCommand::PauseMesh).await;
    mine(2).await;
    chained.all_until("it is obeyed", |s| s["is_paused"] == true).await;
    let obeyed = chained.status(0).await;
    let head: phalanx_types::Hash = serde_json::from_value(obeyed["chain"]["commands_head"].clone()).unwrap();

    // The block of the command goes, with all behind it. Nobody un-obeys.
    ask(&url, "anvil_reorg", json!([5, []])).await;
    mine(3).await;
    let is_told = |s: &serde_json::Value| {
        let alarms = s["chain"]["alarms"].as_array().unwrap();
        alarms.iter().any(|a| a.as_str().unwrap().contains(&format!("owner command reconcile 1 {head}")))
    };
    chained.all_until("each node says what to do", is_told).await;
    assert_eq!(chained.status(3).await["is_paused"], true);

    // The owner's word has a number that was applied, and is heard all the same.
    chained.command(ChainCommand::Reconcile { applied: 1, head }).await;
    mine(2).await;
    chained
        .all_until("it is heard", |s| s["chain"]["commands_head"] != obeyed["chain"]["commands_head"])
        .await;
    chained.command(ChainCommand::ResumeMesh).await;
    mine(2).await;
    chained.all_until("the mesh goes on", |s| s["is_paused"] == false).await;
    for index in 0..4 {
        assert_eq!(chained.receipts(index, "reconcile").await.len(), 1);
        assert_eq!(number(&chained.status(index).await, "/chain/commands_obeyed"), 2);
    }
    // And after a restart.
    chained.mesh.devnet.kill(1).await;
    chained.mesh.devnet.start(1).unwrap();
    chained.mesh.ready().await;
    chained.command(ChainCommand::PauseMesh).await;
    mine(2).await;
    chained.all_until("the next one is obeyed", |s| s["is_paused"] == true).await;
    assert!(is_calm(&chained.status(1).await), "{}", chained.status(1).await);
    chained.mesh.stop().await;
    chained.mesh.fsck();
}
