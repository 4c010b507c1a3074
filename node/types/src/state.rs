//! Agreed state as entries, and how entries are hashed into buckets.
//!
//! An entry is (column, key, value), all bytes. Its bucket is the first two
//! bytes, big-endian, of SHA3-256(tag STATE_KEY ‖ 00 ‖ column ‖ key). Its hash
//! is SHA3-256(tag STATE_ENTRY ‖ 00 ‖ column ‖ key length as u32 little-endian
//! ‖ key ‖ value).

use crate::{hash::Hash, tags};
use borsh::{BorshDeserialize, BorshSerialize};

/// Number of buckets.
pub const BUCKETS: usize = 1 << 16;

/// One table of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Column(pub u8);

/// A changed entry: its new value, or none when it is gone.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateChange {
    /// The table.
    pub column: Column,
    /// The key's encoding.
    pub key: Vec<u8>,
    /// The value's encoding.
    pub value: Option<Vec<u8>>,
}

/// The bucket of a key.
#[must_use]
pub fn bucket_of(column: Column, key: &[u8]) -> u16 {
    let Hash([high, low, ..]) = Hash::of_parts(tags::STATE_KEY, &[&[column.0], key]);
    u16::from_be_bytes([high, low])
}

/// The hash of an entry.
#[must_use]
pub fn entry_hash(column: Column, key: &[u8], value: &[u8]) -> Hash {
    Hash::of_parts(tags::STATE_ENTRY, &[&[column.0], &(key.len() as u32).to_le_bytes(), key, value])
}
