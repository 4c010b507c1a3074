//! Snapshots and checkpoint files: whole ones, and changed ones that are refused.

use super::hx;
use phalanx_ledger::snapshot::{PartId, cut, cut_receipts};
use phalanx_replica::{
    checkpoint_file,
    snapshot::{FILE_HEAD, Offered, Query, encode_query, read_file},
};
use phalanx_tests::mesh;
use phalanx_types::{Genesis, Height, ReceiptIndex, encode};
use serde_json::{Value, json};

/// The same snapshot with its state in 2^b chunks and each receipt in a part of
/// its own.
fn in_parts(offered: &Offered, chunk_bits: u8, receipts: &[Vec<u8>]) -> Vec<u8> {
    let mut manifest = offered.manifest.clone();
    manifest.chunk_bits = chunk_bits;
    let mut parts = vec![encode(&manifest)];
    parts.extend(cut(offered.fabric.entries(), chunk_bits).iter().map(encode));
    let mut index = manifest.first_receipt();
    for receipt in receipts {
        parts.extend(cut_receipts(index, vec![receipt.clone()]).iter().map(encode));
        index.0 += 1;
    }
    let framed = parts.iter().flat_map(|part| [&(part.len() as u32).to_le_bytes()[..], part].concat());
    FILE_HEAD.iter().copied().chain(framed).collect()
}

/// A change: bytes taken out at a place, and others put in.
fn changed(file: &[u8], at: usize, out: usize, put: &[u8]) -> Vec<u8> {
    [&file[..at], put, &file[at + out..]].concat()
}

fn show(genesis: &Genesis, of: usize, file: &[u8], what: &str, at: usize, out: usize, put: &[u8]) -> Value {
    let is_taken = read_file(&changed(file, at, out, put), genesis).is_ok();
    assert!(!is_taken, "{what}, byte {at} of file {of}");
    json!({"what": what, "of": of, "at": at, "out": out, "put": hx(put), "is_taken": is_taken})
}

pub fn vectors() -> Value {
    let genesis = mesh::genesis();
    // After an interval; after the beat that changes the set, in the first
    // interval; within a later one, with the agent's job running.
    let snapshots = [(mesh::BEATS, None), (3, None), (6, Some(3))].map(|(beats, chunk_bits)| {
        let replica = mesh::run_to(beats);
        let offered = replica.snapshot().unwrap().unwrap();
        let first = offered.manifest.first_receipt();
        let receipts: Vec<Vec<u8>> = (first.0..replica.ledger().tip().next_receipt.0)
            .map(|index| replica.ledger().receipt_bytes(ReceiptIndex(index)).unwrap().unwrap())
            .collect();
        let file = chunk_bits.map_or_else(|| offered.to_file(), |bits| in_parts(&offered, bits, &receipts));
        (offered, file)
    });
    let shown_files: Vec<Value> = snapshots
        .iter()
        .map(|(offered, file)| {
            let joined = read_file(file, &genesis).unwrap();
            json!({"file": hx(file), "height": joined.height().0, "app_hash": joined.header().app_hash,
                "entries": offered.fabric.entries_len(), "receipts": offered.manifest.receipts})
        })
        .collect();
    let mut refused = Vec::new();
    for (of, (_, file)) in snapshots.iter().enumerate() {
        for at in (0..file.len()).step_by(file.len() / 40) {
            refused.push(show(&genesis, of, file, "one bit", at, 1, &[file[at] ^ 4]));
        }
        refused.push(show(&genesis, of, file, "a byte too many", file.len(), 0, &[0]));
        for at in [0, 5, 22, file.len() / 2, file.len() - 1] {
            refused.push(show(&genesis, of, file, "cut off", at, file.len() - at, &[]));
        }
    }
    // The second one has a job that runs.
    let offered = &snapshots[1].0;
    let checkpoint = checkpoint_file::make(offered).unwrap();
    let text = String::from_utf8(checkpoint).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let changes: Vec<Value> = [
        ("another height", "/height", json!("8")),
        ("a job that waits", "/jobs/0/state", json!("queued")),
        ("another policy version", "/policy_version", json!("77")),
        ("a worker more", "/metrics/workers", json!(9)),
        ("another root", "/app_hash", json!("00".repeat(32))),
        ("another schema", "/schema", json!(2)),
        ("another checksum", "/integrity", json!("00".repeat(32))),
        ("no snapshot", "/snapshot", json!("")),
    ]
    .into_iter()
    .flat_map(|(what, place, to)| {
        // As damage, and as a forger would do it: with the checksum made anew.
        [false, true].map(|is_resealed| {
            let mut other = value.clone();
            *other.pointer_mut(place).unwrap() = to.clone();
            if is_resealed {
                let mut rest = other.clone();
                rest.as_object_mut().unwrap().remove("integrity");
                let sum = phalanx_types::Hash::sha3(&serde_jcs::to_vec(&rest).unwrap());
                other["integrity"] = json!(sum);
            }
            let is_taken = checkpoint_file::read(other.to_string().as_bytes(), &genesis).is_ok();
            assert_eq!(is_taken, is_resealed && what == "another checksum", "{what}");
            json!({"what": what, "member": place, "to": to, "is_resealed": is_resealed, "is_taken": is_taken})
        })
    })
    .collect();
    let queries: Vec<Value> = [
        ("manifest", Query::Manifest),
        ("state", Query::Part { height: Height(9), part: PartId::State(5) }),
        ("receipts", Query::Part { height: Height(9), part: PartId::Receipts(offered.manifest.first_receipt()) }),
    ]
    .into_iter()
    .map(|(what, query)| json!({"what": what, "height": "9", "chunk": 5, "first": offered.manifest.first_receipt(), "borsh": hx(encode_query(&query))}))
    .collect();
    json!({
        "genesis": genesis,
        "files": shown_files,
        "changed": refused,
        "checkpoint_file": {"text": text, "of": 1, "changed": changes},
        "queries": queries,
    })
}
