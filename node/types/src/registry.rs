//! The registered validators: whom the chain knows, and whose signatures it asks
//! for under a checkpoint.
//!
//! They are all validators of the mesh with their keys, accounts and base weights,
//! whatever mode the mesh is in and whoever is in quarantine: the mesh alone says
//! who votes on beats, the registry who signs checkpoints.

use crate::{crypto::PublicKey, hash::Hash, validator::Validator};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

/// The EIP-712 type of a registered validator.
pub const TYPE: &str = "Validator(bytes32 networkKey,bytes32 voteKey,address account,uint32 weight)";

/// The registered set around a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredSet {
    /// How often it has changed before this beat.
    #[serde(with = "crate::units::decimal")]
    pub epoch: u64,
    /// Hash of the set that signs a checkpoint of this beat.
    pub hash: Hash,
    /// Hash of the set from the next beat on. When it is another one, the beat
    /// closes a checkpoint: the old set signs for the new one.
    pub next: Hash,
}

impl RegisteredSet {
    /// The first set.
    #[must_use]
    pub fn first<'a>(validators: impl IntoIterator<Item = &'a Validator>) -> Self {
        let hash = set_hash(validators);
        Self { epoch: 0, hash, next: hash }
    }

    /// Whether it changes with this beat.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.hash != self.next
    }

    /// The set around the next beat.
    #[must_use]
    pub fn turned(&self) -> Self {
        if !self.changes() {
            return *self;
        }
        Self { epoch: self.epoch.saturating_add(1), hash: self.next, next: self.next }
    }
}

/// The hash of a set: the EIP-712 hash of the array of its entries, ascending by
/// account, then by vote key.
#[must_use]
pub fn set_hash<'a>(validators: impl IntoIterator<Item = &'a Validator>) -> Hash {
    let mut entries: Vec<&Validator> = validators.into_iter().collect();
    entries.sort_unstable_by_key(|v| (v.chain_address, v.vote_key));
    let mut all = Keccak256::new();
    for v in entries {
        all.update(entry_hash(&v.network_key, &v.vote_key, &v.chain_address, v.base_weight.0).0);
    }
    Hash(all.finalize().into())
}

/// The EIP-712 hash of one entry of a set.
#[must_use]
pub fn entry_hash(network_key: &PublicKey, vote_key: &PublicKey, account: &[u8; 20], weight: u64) -> Hash {
    let mut words = [0_u8; 64];
    let (first, second) = words.split_at_mut(32);
    if let (Some(place), Some(number)) = (first.get_mut(12..), second.get_mut(24..)) {
        place.copy_from_slice(account);
        number.copy_from_slice(&weight.to_be_bytes());
    }
    let entry = Keccak256::new()
        .chain_update(Keccak256::digest(TYPE.as_bytes()))
        .chain_update(network_key.0)
        .chain_update(vote_key.0)
        .chain_update(words);
    Hash(entry.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Name, Weight};

    fn validator(seed: u8, account: u8) -> Validator {
        Validator {
            vote_key: PublicKey([seed; 32]),
            network_key: PublicKey([seed + 100; 32]),
            chain_address: [account; 20],
            base_weight: Weight(u64::from(seed)),
            region: Name::new("earth").unwrap(),
            label: Name::new("v").unwrap(),
        }
    }

    #[test]
    fn the_order_in_which_they_come_does_not_matter() {
        let (a, b) = (validator(1, 9), validator(2, 3));
        assert_eq!(set_hash([&a, &b]), set_hash([&b, &a]));
        assert_ne!(set_hash([&a, &b]), set_hash([&a]));
    }

    #[test]
    fn label_and_region_are_not_the_chains_business() {
        let a = validator(1, 9);
        let b = Validator { label: Name::new("other").unwrap(), ..a.clone() };
        assert_eq!(set_hash([&a]), set_hash([&b]));
    }

    #[test]
    fn a_set_turns_once() {
        let (a, b) = (validator(1, 9), validator(2, 3));
        let set = RegisteredSet { next: set_hash([&a, &b]), ..RegisteredSet::first([&a]) };
        assert!(set.changes());
        let turned = set.turned();
        assert_eq!((turned.epoch, turned.hash, turned.next), (1, set.next, set.next));
        assert_eq!(turned.turned(), turned);
    }
}
