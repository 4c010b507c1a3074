//! What is signed, against the deployed contracts and against cast.

use crate::{
    anvil::tool,
    world::{MESH, World, address, key},
};
use phalanx_governance::{
    EcdsaSignature,
    address::Wei,
    digest,
    safe::{Operation, SafeTx},
};
use phalanx_types::Hash;
use serde_json::{Value, json};
use std::process::Command;

/// Who signed what cast says is the typed data, under our digest of it.
fn signed_by_cast(typed: &Value, digest: &Hash) {
    // The key of anvil's first account, which everybody knows.
    let known = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let output = Command::new(tool("cast"))
        .args(["wallet", "sign", "--private-key", known, "--data", &typed.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let bytes = hex::decode(text.trim().trim_start_matches("0x")).unwrap();
    let signature = EcdsaSignature::from_bytes_strict(&bytes).unwrap();
    assert_eq!(signature.recover(digest).unwrap(), key(0).address(), "{typed}");
}

fn fields(text: &str) -> Value {
    let (_, list) = text.split_once('(').unwrap();
    let fields = list.trim_end_matches(')').split(',').map(|field| {
        let (kind, name) = field.split_once(' ').unwrap();
        json!({"type": kind, "name": name})
    });
    Value::Array(fields.collect())
}

const DOMAIN: &str = "D(string name,string version,uint256 chainId,address verifyingContract)";

#[tokio::test]
async fn safe_hashes_are_those_of_the_deployed_safe_and_of_cast() {
    let world = World::new().await;
    let (safe, at) = (world.safe.address(), world.tip().await);
    let txs = [
        SafeTx { to: address(1), value: Wei(0), data: vec![], operation: Operation::Call, nonce: 0 },
        SafeTx {
            to: address(2),
            value: Wei(u128::MAX),
            data: vec![1; 77],
            operation: Operation::DelegateCall,
            nonce: u64::MAX,
        },
        SafeTx::cancel(safe, 9),
    ];
    for tx in txs {
        let hash = digest::safe_tx(world.chain.id(), safe, &tx);
        assert_eq!(world.safe.transaction_hash(&tx, at).await.unwrap(), hash);
        let typed = json!({
            "types": {
                "EIP712Domain": fields("D(uint256 chainId,address verifyingContract)"),
                "SafeTx": fields("SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)"),
            },
            "primaryType": "SafeTx",
            "domain": {"chainId": world.chain.id(), "verifyingContract": safe},
            "message": {
                "to": tx.to, "value": tx.value, "data": format!("0x{}", hex::encode(&tx.data)),
                "operation": tx.operation.code(), "safeTxGas": "0", "baseGas": "0", "gasPrice": "0",
                "gasToken": address(0), "refundReceiver": address(0), "nonce": tx.nonce.to_string(),
            },
        });
        signed_by_cast(&typed, &hash);
    }
}

#[tokio::test]
async fn checkpoint_and_registration_digests_are_those_of_the_contracts_and_of_cast() {
    let world = World::new().await;
    let (chain_id, at) = (world.chain.id(), world.tip().await);
    let anchor = world.deployment.anchor;
    assert_eq!(world.anchor().domain(at).await.unwrap(), digest::checkpoint_domain(chain_id, anchor));

    let c = world.checkpoint(None, &world.validators, 0);
    let signed = world.signed(&c, &world.validators, 4);
    let expected = digest::checkpoint(chain_id, anchor, &c.hash());
    assert_eq!(world.anchor().preview(&signed, at).await.unwrap(), (c.hash(), expected));
    let hash = |h: &Hash| format!("0x{h}");
    let typed = json!({
        "types": {"EIP712Domain": fields(DOMAIN), "Checkpoint": fields(phalanx_types::checkpoint::TYPE)},
        "primaryType": "Checkpoint",
        "domain": {"name": "Phalanx", "version": "1", "chainId": chain_id, "verifyingContract": anchor},
        "message": {
            "version": c.version, "number": c.number, "parent": hash(&c.parent), "meshId": hash(&c.mesh),
            "firstBeat": c.first_beat, "lastBeat": c.last_beat, "firstReceipt": c.first_receipt,
            "receiptCount": c.receipt_count, "intervalRoot": hash(&c.interval_root),
            "historyRoot": hash(&c.history_root), "historySize": c.history_size, "appHash": hash(&c.app_hash),
            "agentsRoot": hash(&c.agents_root), "auditRoot": hash(&c.audit_root), "setEpoch": c.set_epoch,
            "setHash": hash(&c.set_hash), "nextSetHash": hash(&c.next_set_hash),
            "verificationLevel": c.verification_level, "verificationFraction": c.verification_fraction_ppm,
            "timeMs": c.time,
        },
    });
    signed_by_cast(&typed, &expected);

    let entry = world.validators[0].entry();
    let expected = digest::registration(chain_id, &MESH, &entry.network_key, &entry.vote_key);
    let found = world.registry().registration_digest(&entry.network_key, &entry.vote_key, at).await.unwrap();
    assert_eq!(found, expected);
    let typed = json!({
        "types": {
            "EIP712Domain": fields("D(string name,string version,uint256 chainId)"),
            "Registration": fields("R(bytes32 meshId,bytes32 networkKey,bytes32 voteKey)"),
        },
        "primaryType": "Registration",
        "domain": {"name": "Phalanx", "version": "1", "chainId": chain_id},
        "message": {
            "meshId": hash(&MESH), "networkKey": format!("0x{}", entry.network_key),
            "voteKey": format!("0x{}", entry.vote_key),
        },
    });
    signed_by_cast(&typed, &expected);
    assert!(world.validators[0].registration(chain_id).is_signed_by_keys(&expected, &entry));
    assert!(!world.validators[1].registration(chain_id).is_signed_by_keys(&expected, &entry));

    let set = world.registry().set_of(0, at).await.unwrap();
    assert_eq!(world.registry().current(at).await.unwrap(), (0, set.hash));
    assert_eq!(set.hash, c.set_hash);
}
