//! Changes to a store behind the ledger's back.

use phalanx_ledger::{Batch, Cf, Durability, Kv, MemoryKv, record};
use std::ops::ControlFlow;

pub type Record = (Cf, Vec<u8>, Vec<u8>);
pub type Change = (Cf, Vec<u8>, Option<Vec<u8>>);

pub fn write(kv: &impl Kv, changes: Vec<Change>) {
    kv.write(Batch { writes: changes }, Durability::Synced).unwrap();
}

/// Makes changes, looks, and undoes them.
pub fn with<T>(kv: &MemoryKv, changes: Vec<Change>, look: impl FnOnce(&MemoryKv) -> T) -> T {
    let undo = changes.iter().map(|(cf, key, _)| (*cf, key.clone(), kv.get(*cf, key).unwrap())).collect();
    write(kv, changes);
    let seen = look(kv);
    write(kv, undo);
    seen
}

/// All records of any store.
pub fn dump(kv: &impl Kv) -> Vec<Record> {
    let mut all = Vec::new();
    for cf in Cf::ALL {
        kv.scan(cf, &[], &mut |key, value| {
            all.push((cf, key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    all
}

/// The payload of a record of the store.
pub fn payload(cf: Cf, key: &[u8], value: &[u8]) -> Vec<u8> {
    record::unwrap(cf, key, value).unwrap().to_vec()
}

/// A record as a forger writes it: its checksum holds.
pub fn forged(cf: Cf, key: &[u8], payload: Vec<u8>) -> Change {
    (cf, key.to_vec(), Some(record::wrap(cf, key, payload)))
}

pub fn flipped(bytes: &[u8], at: usize, mask: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= mask;
    bytes
}

/// Up to `most` places of something that is `len` long: both ends and between.
pub fn places(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let step = len.div_ceil(most.max(1)).max(1);
    (0..len).filter(move |at| at % step == 0 || at + 1 == len)
}
