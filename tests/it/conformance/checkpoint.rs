//! The checkpoint, version 1.

use super::hx;
use phalanx_types::{
    Checkpoint, Hash, Height, ReceiptIndex, TimeMs, checkpoint, encode, units::CheckpointNumber,
};
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};

fn first() -> Checkpoint {
    Checkpoint {
        version: checkpoint::VERSION,
        number: CheckpointNumber(1),
        parent: Hash::ZERO,
        mesh: Hash([0xaa; 32]),
        first_beat: Height(0),
        last_beat: Height(32),
        first_receipt: ReceiptIndex(0),
        receipt_count: 1_500,
        interval_root: Hash([2; 32]),
        history_root: Hash([3; 32]),
        history_size: 1_500,
        app_hash: Hash([4; 32]),
        agents_root: Hash::ZERO,
        audit_root: Hash::ZERO,
        set_epoch: 0,
        set_hash: Hash([5; 32]),
        next_set_hash: Hash([6; 32]),
        verification_level: 1,
        verification_fraction_ppm: 50_000,
        time: TimeMs(1_700_000_000_000),
    }
}

pub fn vectors() -> Value {
    let largest = Checkpoint {
        number: CheckpointNumber(u64::MAX),
        first_beat: Height(u64::MAX - 2),
        last_beat: Height(u64::MAX - 1),
        first_receipt: ReceiptIndex(1 << 60),
        receipt_count: 1 << 40,
        history_size: (1 << 60) + (1 << 40),
        set_epoch: u64::MAX,
        verification_level: u8::MAX,
        verification_fraction_ppm: u32::MAX,
        time: TimeMs(u64::MAX),
        ..first()
    };
    let second = Checkpoint {
        number: CheckpointNumber(2),
        parent: first().hash(),
        first_beat: Height(33),
        last_beat: Height(64),
        first_receipt: ReceiptIndex(1_500),
        receipt_count: 0,
        interval_root: Hash::ZERO,
        verification_level: 2,
        verification_fraction_ppm: 1_000_000,
        ..first()
    };
    let checkpoints: Vec<Value> = [first(), second, largest].iter().map(one).collect();
    json!({
        "type": checkpoint::TYPE,
        "type_hash": hx(Keccak256::digest(checkpoint::TYPE)),
        "checkpoints": checkpoints,
    })
}

fn one(checkpoint: &Checkpoint) -> Value {
    let number = |value: u64| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&value.to_be_bytes());
        word
    };
    let c = checkpoint;
    let words: [[u8; 32]; 20] = [
        number(c.version.into()),
        number(c.number.0),
        c.parent.0,
        c.mesh.0,
        number(c.first_beat.0),
        number(c.last_beat.0),
        number(c.first_receipt.0),
        number(c.receipt_count),
        c.interval_root.0,
        c.history_root.0,
        number(c.history_size),
        c.app_hash.0,
        c.agents_root.0,
        c.audit_root.0,
        number(c.set_epoch),
        c.set_hash.0,
        c.next_set_hash.0,
        number(c.verification_level.into()),
        number(c.verification_fraction_ppm.into()),
        number(c.time.0),
    ];
    let preimage = [&Keccak256::digest(checkpoint::TYPE)[..], &words.concat()].concat();
    assert_eq!(Keccak256::digest(&preimage)[..], c.hash().0);
    json!({"json": c, "borsh": hx(encode(c)), "words": words.map(hx), "hash": c.hash()})
}
