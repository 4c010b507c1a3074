//! How soon the owner is obeyed.

use super::world::{Chained, Pace, anvil, ask, number};
use phalanx_governance::contracts::{ChainCommand, ChainMode};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_obeyed_in_one_beat_of_all_nodes_two_beats_after_its_depth() {
    let anvil = anvil(&[]);
    // No checkpoint is anchored meanwhile, so that blocks come from this test alone.
    let pace = Pace { checkpoint_beats: 4_096, idle_beat_ms: 1_000 };
    let mut chained = Chained::dev_at(&anvil.url(), pace).await;
    chained.mesh.start().await;
    chained.all_until("the chain is seen", |s| number(s, "/chain/block") > 0).await;
    chained.command(ChainCommand::PauseShard { shard: phalanx_types::Name::new("mars").unwrap() }).await;

    // One block deep is not deep enough, however long that lasts.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for index in 0..4 {
        assert_eq!(number(&chained.status(index).await, "/chain/commands_seen"), 0);
    }
    ask(&anvil.url(), "anvil_mine", json!(["0x1"])).await;
    let mut height = 0;
    for index in 0..4 {
        height = height.max(number(&chained.status(index).await, "/height"));
    }
    chained.all_until("it is obeyed", |s| number(s, "/chain/commands_obeyed") == 1).await;
    let mut beats = Vec::new();
    for index in 0..4 {
        let receipts = chained.receipts(index, "pause").await;
        assert_eq!(receipts.len(), 1, "{receipts:?}");
        beats.push(number(&receipts[0]["receipt"], "/beat"));
    }
    assert!(beats.iter().all(|beat| *beat == beats[0]), "{beats:?}");
    // The beat that was going on when the block came, and two more.
    assert!(beats[0] <= height + 3, "obeyed in beat {}, {height} when the block came", beats[0]);

    let shards = chained.mesh.devnet.clients()[3].get("/v1/list/shards").await.unwrap();
    let is_paused = |name: &str| -> Value {
        shards.as_array().unwrap().iter().find(|s| s["name"] == name).unwrap()["is_paused"].clone()
    };
    assert_eq!((is_paused("mars"), is_paused("earth")), (json!(true), json!(false)));

    // Who decides is the Safe's to say as well.
    chained.all_until("the mode of the genesis", |s| s["mode"] == "geometric_mesh").await;
    chained.command(ChainCommand::SetMode { mode: ChainMode::FullyDistributed }).await;
    ask(&anvil.url(), "anvil_mine", json!(["0x1"])).await;
    chained.all_until("the mode is another", |s| s["mode"] == "fully_distributed").await;
    chained.mesh.stop().await;
    chained.mesh.fsck();
}
