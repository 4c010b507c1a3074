//! What somebody can be shown who was not there.

use super::world::{Chained, WITHIN, anvil, dev, number};
use crate::support::{phalanx, stderr, stdout};
use phalanx_governance::digest;
use phalanx_types::{
    Checkpoint, SigningKey,
    cosign::{AccountSignature, Cosignatures, RegisteredValidator, set_hash},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A checkpoint under the hands of people whom nobody registered, in an epoch.
fn forged(chained: &Chained, genuine: &Value, epoch: u64) -> Value {
    let signers = [0, 1, 2].map(dev);
    let mut set: Vec<RegisteredValidator> = signers
        .iter()
        .zip(1..)
        .map(|(signer, byte)| RegisteredValidator {
            account: signer.address().0,
            network_key: SigningKey::from_seed([byte; 32]).public(),
            vote_key: SigningKey::from_seed([byte + 8; 32]).public(),
            weight: 100,
        })
        .collect();
    set.sort_by_key(|entry| entry.account);
    let mut checkpoint: Checkpoint = serde_json::from_value(genuine["checkpoint"].clone()).unwrap();
    checkpoint.app_hash.0[0] ^= 1;
    checkpoint.set_epoch = epoch;
    checkpoint.set_hash = set_hash(&set);
    checkpoint.next_set_hash = checkpoint.set_hash;
    let chain_id = phalanx_governance::keys::dev::CHAIN_ID;
    let digest = digest::checkpoint(chain_id, chained.deployment.anchor, &checkpoint.hash());
    let sign = |s: &phalanx_governance::Signer| AccountSignature(s.sign(&digest).unwrap().to_64());
    let cosigned = Cosignatures { set, signatures: signers.iter().map(sign).collect() };
    json!({"checkpoint": checkpoint, "cosigned": cosigned})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_file_is_checked_without_a_chain_and_a_set_that_anybody_can_make_shows_nothing() {
    let anvil = anvil(&["--block-time", "1"]);
    let mut chained = Chained::dev(&anvil.url()).await;
    chained.mesh.start().await;
    chained.all_until("one is final", |s| number(s, "/chain/final") >= 1).await;
    let home = chained.mesh.home(0);
    let home = home.to_str().unwrap();
    let export = || -> Value {
        let exported = phalanx(&["checkpoint", "export", "1", "--home", home]);
        serde_json::from_slice(&exported.stdout).unwrap()
    };
    // That it is anchored says nothing of how many signatures a node has heard itself.
    let mut genuine = export();
    let began = Instant::now();
    while genuine["cosigned"]["signatures"].as_array().map_or(0, Vec::len) < 3 {
        assert!(began.elapsed() < WITHIN, "{genuine}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        genuine = export();
    }
    let verified = phalanx(&["checkpoint", "verify", "1", "--home", home, "--rpc", &anvil.url()]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    assert!(stdout(&verified).contains("anchored for good"), "{}", stdout(&verified));
    chained.mesh.stop().await;

    // Also from the file, with nothing else of the mesh than its genesis.
    let file = chained.mesh.folder.path().join("checkpoint.json");
    std::fs::write(&file, genuine.to_string()).unwrap();
    let name = file.to_str().unwrap();
    let verified = phalanx(&["checkpoint", "verify", name, "--home", home, "--rpc", &anvil.url()]);
    assert_eq!(verified.status.code(), Some(0), "{}", stderr(&verified));
    assert!(stdout(&verified).contains("anchored for good"), "{}", stdout(&verified));
    let both = phalanx(&["checkpoint", "verify", "--offline", name, "--rpc", &anvil.url()]);
    assert_eq!(both.status.code(), Some(2), "{}", stdout(&both));

    let told = |record: &Value, code: i32, part: &str| {
        std::fs::write(&file, record.to_string()).unwrap();
        let told = phalanx(&["checkpoint", "verify", "--offline", file.to_str().unwrap(), "--home", home]);
        assert_eq!(told.status.code(), Some(code), "{}{}", stdout(&told), stderr(&told));
        let said = stdout(&told) + &stderr(&told);
        assert!(said.contains(part), "{said}");
    };
    told(&genuine, 0, "of the validators that the genesis names");

    let mut few = genuine.clone();
    few["cosigned"]["signatures"].as_array_mut().unwrap().truncate(2);
    told(&few, 1, "weight");
    let mut none = genuine.clone();
    none["cosigned"] = Value::Null;
    told(&none, 1, "none are given");
    let mut changed = genuine.clone();
    changed["checkpoint"]["time"] = json!("1");
    told(&changed, 1, "not in its set");
    let mut mesh = genuine.clone();
    mesh["checkpoint"]["mesh"] = json!("11".repeat(32));
    told(&mesh, 1, "another mesh");

    told(&forged(&chained, &genuine, 0), 1, "other validators than were named for it");
    told(&forged(&chained, &genuine, 3), 1, "only the chain knows");
}
