//! Signed address records: where a peer says it can be reached.

use crate::config::PeerKey;
use borsh::{BorshDeserialize, BorshSerialize};
use libp2p::identity::{Keypair, ed25519};
use phalanx_types::{codec, decode_exact};
use std::collections::BTreeMap;

/// Most addresses in a record.
pub const ADDRESSES_MAX: usize = 8;
/// Longest address in bytes.
pub const ADDRESS_LEN_MAX: usize = 128;
/// Most records in one message, and in the book.
pub const RECORDS_MAX: usize = 256;
/// Longest message of records in bytes.
pub const RECORDS_BYTES_MAX: usize = RECORDS_MAX * (ADDRESSES_MAX * (ADDRESS_LEN_MAX + 4) + 160);
const TAG: &[u8] = b"phalanx/address-record/v1\0";

/// What a peer signs.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Body {
    mesh: [u8; 32],
    key: [u8; 32],
    sequence: u64,
    addresses: Vec<String>,
}

/// A signed address record.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AddressRecord {
    body: Body,
    signature: Vec<u8>,
}

impl AddressRecord {
    /// This node's record. A higher sequence replaces a lower one.
    #[must_use]
    pub fn sign(keypair: &Keypair, mesh: [u8; 32], sequence: u64, addresses: &[String]) -> Option<Self> {
        let key = keypair.public().try_into_ed25519().ok()?.to_bytes();
        let addresses = addresses.iter().take(ADDRESSES_MAX).cloned().collect();
        let body = Body { mesh, key, sequence, addresses };
        let signature = keypair.sign(&signed(&body)).ok()?;
        Some(Self { body, signature })
    }

    /// Whose it is.
    #[must_use]
    pub const fn key(&self) -> PeerKey {
        PeerKey(self.body.key)
    }

    /// Where the peer can be reached.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.body.addresses
    }

    fn is_valid(&self, mesh: &[u8; 32]) -> bool {
        self.body.mesh == *mesh
            && self.body.addresses.len() <= ADDRESSES_MAX
            && self.body.addresses.iter().all(|a| a.len() <= ADDRESS_LEN_MAX)
            && ed25519::PublicKey::try_from_bytes(&self.body.key)
                .is_ok_and(|key| key.verify(&signed(&self.body), &self.signature))
    }
}

fn signed(body: &Body) -> Vec<u8> {
    let mut bytes = TAG.to_vec();
    bytes.extend_from_slice(&codec::encode(body));
    bytes
}

/// The key pair of a 32-byte seed.
#[must_use]
pub fn keypair(seed: [u8; 32]) -> Option<Keypair> {
    Keypair::ed25519_from_bytes(seed).ok()
}

/// The newest record of each peer.
#[derive(Clone, Debug)]
pub struct AddressBook {
    mesh: [u8; 32],
    records: BTreeMap<PeerKey, AddressRecord>,
}

impl AddressBook {
    /// An empty book.
    #[must_use]
    pub const fn new(mesh: [u8; 32]) -> Self {
        Self { mesh, records: BTreeMap::new() }
    }

    /// Takes a record of a peer that `is_welcome`; true when it says something
    /// new. Full: only known peers are updated.
    pub fn insert(&mut self, record: AddressRecord, is_welcome: impl Fn(&PeerKey) -> bool) -> bool {
        let key = record.key();
        let known = self.records.get(&key);
        let is_newer = known.is_none_or(|old| old.body.sequence < record.body.sequence);
        let has_room = known.is_some() || self.records.len() < RECORDS_MAX;
        if !is_newer || !has_room || !is_welcome(&key) || !record.is_valid(&self.mesh) {
            return false;
        }
        self.records.insert(key, record);
        true
    }

    /// All records, as they are sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&self.records.values().collect::<Vec<_>>())
    }

    /// Records that were sent.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Vec<AddressRecord>> {
        let records: Vec<AddressRecord> = decode_exact(bytes, RECORDS_BYTES_MAX, "address records").ok()?;
        if records.len() <= RECORDS_MAX { Some(records) } else { None }
    }

    /// The addresses of a peer.
    #[must_use]
    pub fn addresses(&self, key: &PeerKey) -> &[String] {
        self.records.get(key).map_or(&[], |record| record.addresses())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(sequence: u64) -> (AddressRecord, PeerKey) {
        let keypair = Keypair::ed25519_from_bytes([7; 32]).unwrap();
        let record =
            AddressRecord::sign(&keypair, [1; 32], sequence, &["/ip4/127.0.0.1/tcp/1".into()]).unwrap();
        let key = record.key();
        (record, key)
    }

    #[test]
    fn the_newest_valid_record_of_a_welcome_peer_counts() {
        let mut book = AddressBook::new([1; 32]);
        let (first, key) = record(1);
        assert!(book.insert(first.clone(), |k| *k == key));
        assert!(!book.insert(first.clone(), |_| true), "the same again");
        assert!(book.insert(record(2).0, |_| true));
        assert!(!book.insert(first, |_| true), "an older one");
        assert!(!book.insert(record(3).0, |_| false), "a stranger's");
        let mut forged = record(4).0;
        forged.body.addresses = vec!["/ip4/10.0.0.1/tcp/1".into()];
        assert!(!book.insert(forged, |_| true), "a forged one");
        assert!(!AddressBook::new([2; 32]).insert(record(5).0, |_| true), "another mesh");
        assert_eq!(AddressBook::decode(&book.encode()).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = AddressBook::decode(&bytes);
        }
    }
}
