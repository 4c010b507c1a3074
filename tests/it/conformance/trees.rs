//! The history tree and the interval tree.

use super::hx;
use phalanx_ledger::{
    Batch, Cf, Durability, Kv, MemoryKv,
    history::{self, Edge, History},
    interval::{self, IntervalTree},
    record,
};
use phalanx_types::{Hash, encode};
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};

fn input(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn grown(size: u64) -> (MemoryKv, Edge) {
    let (kv, mut edge) = (MemoryKv::default(), Edge::default());
    let leaves: Vec<Hash> = (0..size).map(|i| history::leaf(&input(i))).collect();
    let mut batch = Batch::default();
    edge.append(&leaves, &mut batch);
    kv.write(batch, Durability::Synced).unwrap();
    (kv, edge)
}

/// All of a short range, and the telling places of a long one.
fn places(from: u64, to: u64) -> Vec<u64> {
    if to <= 9 {
        return (from..to).collect();
    }
    let mut places: Vec<u64> = [from, from + 1, to / 2, 127, 128, 255, 256, 257, to - 2, to - 1]
        .into_iter()
        .filter(|i| (from..to).contains(i))
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

pub fn history() -> Value {
    let sizes: Vec<u64> = (0..=20).chain([255, 256, 257, 258, 300, 511, 512, 513]).collect();
    let (all, _) = grown(513);
    let read = History::new(&all);
    let trees: Vec<Value> = sizes
        .iter()
        .map(|size| {
            let root = read.root(*size).unwrap();
            assert_eq!(root, grown(*size).1.root());
            let inclusion: Vec<Value> = places(0, *size)
                .iter()
                .map(|index| {
                    let path = read.inclusion(*index, *size).unwrap().unwrap();
                    assert!(history::verify_inclusion(&root, &input(*index), *index, *size, &path));
                    json!({"index": index, "path": path})
                })
                .collect();
            let consistency: Vec<Value> = places(1, *size + 1)
                .iter()
                .map(|old| {
                    let proof = read.consistency(*old, *size).unwrap().unwrap();
                    let old_root = read.root(*old).unwrap();
                    assert!(history::verify_consistency(*old, *size, &old_root, &root, &proof));
                    json!({"old": old, "old_root": old_root, "proof": proof})
                })
                .collect();
            json!({"size": size, "root": root, "inclusion": inclusion, "consistency": consistency})
        })
        .collect();
    let stores: Vec<Value> = [5, 256, 300].iter().map(|size| stored(*size)).collect();
    let leaves: Vec<Value> = (0..4)
        .map(|i| json!({"index": i, "entry": hx(input(i)), "leaf": history::leaf(&input(i))}))
        .collect();
    json!({
        "entries": "entry number i is the ASCII text `entry i`, i in decimal",
        "empty_root": history::empty_root(),
        "leaves": leaves,
        "trees": trees,
        "stores": stores,
    })
}

/// The tiles and the edge as they are stored.
fn stored(size: u64) -> Value {
    let (kv, edge) = grown(size);
    let tiles: Vec<Value> = kv
        .dump()
        .iter()
        .map(|(cf, key, value)| {
            assert_eq!(*cf, Cf::Tiles);
            let payload = record::unwrap(*cf, key, value).unwrap();
            json!({"level": key[0], "number": u64::from_be_bytes(key[1..].try_into().unwrap()),
                "key": hx(key), "payload": hx(payload)})
        })
        .collect();
    json!({"size": size, "tiles": tiles, "edge": hx(encode(&edge)), "root": edge.root()})
}

pub fn interval() -> Value {
    let receipts: Vec<Hash> = (0..33).map(|i| Hash::sha3(&input(i))).collect();
    let leaves: Vec<String> =
        receipts.iter().map(|r| hx(Keccak256::digest([&[0][..], &r.0].concat()))).collect();
    let counts: Vec<u64> = (0..=9).chain([15, 16, 17, 31, 32, 33]).collect();
    let trees: Vec<Value> = counts
        .iter()
        .map(|count| {
            let tree = IntervalTree::of(&receipts[..*count as usize]);
            let paths: Vec<Value> = places(0, *count)
                .iter()
                .map(|index| {
                    let path = tree.path(*index).unwrap();
                    let receipt = &receipts[*index as usize];
                    assert!(interval::verify(&tree.root(), receipt, *index, *count, &path));
                    json!({"index": index, "path": path})
                })
                .collect();
            json!({"count": count, "root": tree.root(), "paths": paths})
        })
        .collect();
    json!({
        "receipts": receipts,
        "leaves": leaves,
        "node_of_first_two": hx(Keccak256::digest(
            [&[1][..], &hex::decode(&leaves[0]).unwrap(), &hex::decode(&leaves[1]).unwrap()].concat()
        )),
        "trees": trees,
    })
}
