//! Records: a payload and a checksum over its place and its bytes.
//!
//! A stored value is `payload ‖ checksum`, where the checksum is the first 8
//! bytes of SHA-256(table name ‖ 00 ‖ key length as u32 little-endian ‖ key ‖
//! payload). It finds damage, and a record that stands under another key;
//! forgery is found by the chains and trees that the records are part of.

use crate::kv::{Cf, StoreError};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_types::{codec, decode_exact};
use sha2::{Digest, Sha256};

const CHECKSUM_LEN: usize = 8;
/// Longest payload in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

fn checksum(table: &str, key: &[u8], payload: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut hasher = Sha256::new();
    hasher.update(table.as_bytes());
    hasher.update([0]);
    hasher.update((key.len() as u32).to_le_bytes());
    hasher.update(key);
    hasher.update(payload);
    let digest: [u8; 32] = hasher.finalize().into();
    let mut head = [0; CHECKSUM_LEN];
    for (to, from) in head.iter_mut().zip(digest) {
        *to = from;
    }
    head
}

/// The stored form of `payload` under `key` in a table of whatever store.
pub(crate) fn seal(table: &str, key: &[u8], mut payload: Vec<u8>) -> Vec<u8> {
    let sum = checksum(table, key, &payload);
    payload.extend_from_slice(&sum);
    payload
}

/// The payload of a stored value; none when the checksum does not hold.
pub(crate) fn unseal<'a>(table: &str, key: &[u8], stored: &'a [u8]) -> Option<&'a [u8]> {
    let at = stored.len().checked_sub(CHECKSUM_LEN)?;
    let (payload, sum) = stored.split_at_checked(at)?;
    (sum == checksum(table, key, payload)).then_some(payload)
}

/// The stored form of `payload` under `key`.
#[must_use]
pub fn wrap(cf: Cf, key: &[u8], payload: Vec<u8>) -> Vec<u8> {
    seal(cf.name(), key, payload)
}

/// The payload of a stored value.
///
/// # Errors
/// When the checksum does not hold.
pub fn unwrap<'a>(cf: Cf, key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], StoreError> {
    unseal(cf.name(), key, stored).ok_or_else(|| StoreError::damaged(cf, key, "its checksum does not hold"))
}

/// [`wrap`] of an encoded value.
#[must_use]
pub fn wrap_value<T: BorshSerialize>(cf: Cf, key: &[u8], value: &T) -> Vec<u8> {
    wrap(cf, key, codec::encode(value))
}

/// [`unwrap`] and decode.
///
/// # Errors
/// When the checksum does not hold or the payload is no such value.
pub fn unwrap_value<T: BorshDeserialize>(cf: Cf, key: &[u8], stored: &[u8]) -> Result<T, StoreError> {
    let payload = unwrap(cf, key, stored)?;
    decode_exact(payload, PAYLOAD_BYTES_MAX, cf.name())
        .map_err(|error| StoreError::damaged(cf, key, error.to_string()))
}
