//! Every stored record of a small ledger.

use super::hx;
use phalanx_ledger::{Cf, fsck, record};
use phalanx_tests::mesh;
use phalanx_types::{Height, units::CheckpointNumber};
use serde_json::{Map, Value, json};

pub fn vectors() -> Value {
    let replica = mesh::run();
    let ledger = replica.ledger();
    let report = fsck::fsck(ledger.kv());
    assert!(report.is_clean(), "{report:?}");
    // Every fourth beat, and the one that registers the second validator.
    assert_eq!(report.checkpoints, 3);
    let mut tables: Map<String, Value> =
        Cf::ALL.iter().map(|cf| (cf.name().to_owned(), Value::Array(Vec::new()))).collect();
    for (cf, key, stored) in ledger.kv().dump() {
        let payload = record::unwrap(cf, &key, &stored).unwrap();
        let shown = json!({"key": hx(&key), "payload": hx(payload), "stored": hx(&stored)});
        tables[cf.name()].as_array_mut().unwrap().push(shown);
    }
    let beats: Vec<Value> = (1..=mesh::BEATS)
        .map(|height| {
            let beat = ledger.beat(Height(height)).unwrap().unwrap();
            let certificate = ledger.certificate(Height(height)).unwrap().unwrap();
            let (first, count) = ledger.range(Height(height)).unwrap().unwrap();
            json!({"height": height, "id": beat.id(), "certificate_hash": certificate.hash(), "beat": beat,
                "certificate": certificate, "first_receipt": first, "receipt_count": count})
        })
        .collect();
    let checkpoints: Vec<Value> = (1..=report.checkpoints)
        .map(|number| {
            let checkpoint = ledger.checkpoint(CheckpointNumber(number)).unwrap().unwrap();
            json!({"json": checkpoint, "hash": checkpoint.hash()})
        })
        .collect();
    let tip = ledger.tip();
    json!({
        "genesis": ledger.genesis(),
        "genesis_hash": ledger.genesis_hash(),
        "tables": tables,
        "beats": beats,
        "checkpoints": checkpoints,
        "tip": {"height": tip.height, "header_id": tip.header_id, "time": tip.time,
            "next_receipt": tip.next_receipt, "previous_hash": tip.previous_hash, "app_hash": tip.app_hash,
            "checkpoint": tip.checkpoint, "checkpoint_hash": tip.checkpoint_hash,
            "checkpoint_digest": tip.checkpoint_digest,
            "interval_beat": tip.interval_beat, "interval_receipt": tip.interval_receipt},
    })
}
