//! Checkpoints signed by the accounts of registered validators, for the chain.
//!
//! A checkpoint is decided before it is signed: these signatures bind nothing in
//! the mesh. They are what the chain asks for, and what lets anybody check a
//! checkpoint without the mesh.

use crate::{
    codec::{DecodeError, decode_exact},
    crypto::PublicKey,
    hash::Hash,
    hex_bytes::hex_bytes,
    registry::entry_hash,
    units::CheckpointNumber,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

/// Most signatures of one message, and checkpoints of one answer.
pub const BATCH_MAX: usize = 64;

/// Longest message of signatures, in bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// The signatures of one message, as peers send them: 1 to [`BATCH_MAX`].
///
/// # Errors
/// When it is none.
pub fn decode_batch(bytes: &[u8]) -> Result<Vec<CheckpointSignature>, DecodeError> {
    const WHAT: &str = "list of checkpoint signatures";
    let batch: Vec<CheckpointSignature> = decode_exact(bytes, MESSAGE_BYTES_MAX, WHAT)?;
    if (1..=BATCH_MAX).contains(&batch.len()) {
        Ok(batch)
    } else {
        let reason = format!("{} signatures; 1 to {BATCH_MAX} are taken", batch.len());
        Err(DecodeError::Malformed { what: WHAT, reason })
    }
}

hex_bytes! {
    /// A secp256k1 signature with the lower `s`, EIP-2098: `r`, then `s` with the
    /// parity of y in its highest bit.
    AccountSignature, 64
}

/// A validator's signature under a checkpoint. Who it is by is recovered from it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSignature {
    /// The checkpoint's number.
    pub number: CheckpointNumber,
    /// Its hash.
    pub checkpoint: Hash,
    /// The signature of its EIP-712 digest.
    pub signature: AccountSignature,
}

/// All signatures that are known of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosigned {
    /// Hash of the checkpoint.
    pub checkpoint: Hash,
    /// In any order, none twice.
    pub signatures: Vec<AccountSignature>,
}

/// A question for signatures under checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CosignQuery {
    /// The first number.
    pub from: CheckpointNumber,
    /// How many, at most [`BATCH_MAX`].
    pub count: u16,
}

/// A validator as the chain has it registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredValidator {
    /// Signs its checkpoints.
    #[serde(with = "hex::serde")]
    pub account: [u8; 20],
    /// Identifies its node in the mesh.
    pub network_key: PublicKey,
    /// Signs its votes.
    pub vote_key: PublicKey,
    /// Its base weight.
    pub weight: u32,
}

/// Who has signed a checkpoint, for those who were not there.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosignatures {
    /// The set that the checkpoint names, ascending by account.
    pub set: Vec<RegisteredValidator>,
    /// Signatures of its members.
    pub signatures: Vec<AccountSignature>,
}

/// The hash of a registered set whose entries ascend by account: that of
/// [`crate::registry::set_hash`].
#[must_use]
pub fn set_hash(entries: &[RegisteredValidator]) -> Hash {
    let mut all = Keccak256::new();
    for e in entries {
        all.update(entry_hash(&e.network_key, &e.vote_key, &e.account, e.weight.into()).0);
    }
    Hash(all.finalize().into())
}
