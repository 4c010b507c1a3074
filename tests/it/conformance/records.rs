//! The wrapper of stored records.

use super::hx;
use phalanx_ledger::{Cf, record};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub fn vectors() -> Value {
    let one = |cf: Cf, key: &[u8], payload: &[u8]| {
        let preimage = [cf.name().as_bytes(), &[0], &(key.len() as u32).to_le_bytes(), key, payload].concat();
        let stored = record::wrap(cf, key, payload.to_vec());
        let digest = Sha256::digest(&preimage);
        assert_eq!(stored, [payload, &digest[..8]].concat());
        json!({"table": cf.name(), "key": hx(key), "payload": hx(payload), "preimage": hx(preimage),
            "checksum": hx(&digest[..8]), "stored": hx(stored)})
    };
    let number = 258_u64.to_be_bytes();
    let mut records = vec![
        one(Cf::Meta, b"schema", &[1, 0, 0, 0]),
        one(Cf::State, &[4, 1, 0, 0, 0, b'a'], b""),
        one(Cf::Tiles, &[&[0][..], &number].concat(), &[0x11; 64]),
    ];
    records.extend(Cf::ALL.map(|cf| one(cf, &number, b"payload")));
    json!({"tables": Cf::ALL.map(Cf::name), "records": records})
}
