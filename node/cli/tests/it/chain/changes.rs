//! Validator sets that follow one another.

use super::world::{Chained, Pace, anvil, ask, connect, contracts, is_calm, number};
use crate::support::{phalanx, stderr, stdout};
use phalanx_governance::{
    contracts::{ChainCommand, ProposedValidator, Registration, Registry},
    digest::SetEntry,
};
use phalanx_ledger::{Durability, cosigns::CosignStore};
use phalanx_types::{cosign::RegisteredValidator, units::CheckpointNumber};
use serde_json::{Value, json};
use std::{path::Path, process::Command};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_checkpoints_that_wait_across_a_change_of_the_validators_are_anchored() {
    let anvil = anvil(&["--block-time", "1"]);
    let pace = Pace { checkpoint_beats: 2, idle_beat_ms: 50 };
    let mut chained = Chained::dev_at(&anvil.url(), pace).await;
    chained.mesh.start().await;
    chained.all_until("the first checkpoint is final", |s| number(s, "/chain/final") >= 1).await;

    // The first one counts more from now on: all are registered.
    let validators = chained.mesh.genesis.validators.iter().zip(1..).map(|(v, place)| ProposedValidator {
        entry: SetEntry::from(&RegisteredValidator {
            account: v.chain_address,
            network_key: v.network_key,
            vote_key: v.vote_key,
            weight: if place == 1 { 4 } else { 3 },
        }),
        region: v.region.clone(),
        label: v.label.clone(),
        registration: Registration::NONE,
    });
    let command = ChainCommand::SetValidators { validators: validators.collect() };
    chained.command(command.ordered()).await;
    // Deep enough to be obeyed, and then no block comes.
    ask(&anvil.url(), "evm_setIntervalMining", json!([0])).await;
    ask(&anvil.url(), "anvil_mine", json!(["0x1"])).await;
    chained.all_until("the change is obeyed", |s| number(s, "/chain/commands_obeyed") == 1).await;
    let changed = number(&chained.status(0).await, "/checkpoint");
    chained.all_until("fifty more are cosigned", |s| number(s, "/chain/cosigned") >= changed + 50).await;
    let before = number(&chained.status(0).await, "/chain/anchored");
    assert!(before <= changed, "{before} of {changed}: nothing of the new set is anchored");

    ask(&anvil.url(), "evm_setIntervalMining", json!([1])).await;
    chained.all_until("all is final", |s| number(s, "/chain/final") >= changed + 50).await;
    for index in 0..4 {
        assert!(is_calm(&chained.status(index).await), "{}", chained.status(index).await);
    }
    let chain = connect(&anvil.url()).await;
    let at = chain.tip().await.unwrap().number;
    let registry = Registry::new(chain, chained.deployment.registry);
    let (epoch, hash) = registry.current(at).await.unwrap();
    assert_eq!((epoch, registry.forced_epochs(at).await.unwrap()), (1, Vec::new()));
    let last = number(&chained.status(0).await, "/chain/final");
    let shown = chained.mesh.devnet.clients()[2].get(&format!("/v1/checkpoints/{last}")).await.unwrap();
    assert_eq!(shown["checkpoint"]["set_epoch"], "1");
    assert_eq!(shown["checkpoint"]["set_hash"], hash.to_string());

    // A file from after the change shows by itself who may sign, from the genesis on.
    let home = chained.mesh.home(2);
    let home = home.to_str().unwrap();
    let exported = phalanx(&["checkpoint", "export", &last.to_string(), "--home", home]);
    let whole: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!(whole["handovers"].as_array().unwrap().len(), 1, "{whole}");
    let offline = |record: &Value, code: i32, part: &str| {
        let file = chained.mesh.folder.path().join("checkpoint.json");
        std::fs::write(&file, record.to_string()).unwrap();
        let told = phalanx(&["checkpoint", "verify", "--offline", file.to_str().unwrap(), "--home", home]);
        assert_eq!(told.status.code(), Some(code), "{}{}", stdout(&told), stderr(&told));
        assert!(stdout(&told).contains(part), "{}", stdout(&told));
    };
    offline(&whole, 0, "1 hand-overs lead from those that the genesis names");
    let mut alone = whole.clone();
    alone["handovers"] = json!([]);
    offline(&alone, 1, "only the chain knows");
    let mut other = whole.clone();
    other["handovers"][0]["checkpoint"]["next_set_hash"] = json!("11".repeat(32));
    offline(&other, 1, "hand-over at checkpoint");
    let mut twice = whole.clone();
    twice["handovers"] = json!([whole["handovers"][0], whole["handovers"][0]]);
    offline(&twice, 1, "does not follow");

    // The same with cast alone, from the bytes of a proof file.
    let file = chained.mesh.folder.path().join("receipt.json");
    std::fs::write(&file, chained.mesh.devnet.clients()[1].bytes("/v1/receipts/1/proof").await.unwrap())
        .unwrap();
    let by_hand = |file: &Path| {
        let script = contracts().join("scripts/by-hand");
        let anchor = chained.deployment.anchor.to_string();
        Command::new(script).args([&anvil.url(), &anchor]).arg(file).output().unwrap()
    };
    let told = by_hand(&file);
    assert!(
        told.status.success() && stdout(&told).contains("all the same"),
        "{}{}",
        stdout(&told),
        stderr(&told)
    );
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"receipt_hash\":\"", "\"receipt_hash\":\"00", 1)).unwrap();
    assert_eq!(by_hand(&file).status.code(), Some(1));
    chained.mesh.stop().await;
    chained.mesh.fsck();

    // A flipped bit of a signature on disk is named.
    let home = chained.mesh.home(0);
    let fsck = || phalanx(&["ledger", "fsck", "--home", home.to_str().unwrap()]);
    assert!(stdout(&fsck()).contains("signatures for the chain: "), "{}", stdout(&fsck()));
    {
        let store = CosignStore::open(&home.join("cosigns")).unwrap();
        let mut kept = store.signatures(CheckpointNumber(2)).unwrap().unwrap();
        kept.signatures[0].0[40] ^= 1;
        store.put_signatures(CheckpointNumber(2), &kept, Durability::Synced).unwrap();
    }
    let told = fsck();
    assert_eq!(told.status.code(), Some(1), "{}", stdout(&told));
    assert!(stdout(&told).contains("not clean: checkpoint 2: "), "{}", stdout(&told));
}
