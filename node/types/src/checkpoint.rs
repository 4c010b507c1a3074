//! Checkpoints, version 1: the frozen summary of an interval of receipts.
//!
//! The hash is the EIP-712 struct hash, so that what validators sign for the
//! chain and what the ledger stores is one thing: Keccak-256 over the type's
//! hash and one 32-byte big-endian word a field, in the order of [`TYPE`].

use crate::{
    hash::Hash,
    units::{CheckpointNumber, Height, ReceiptIndex, TimeMs},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

/// The version of this format.
pub const VERSION: u16 = 1;

/// The EIP-712 type of a checkpoint.
pub const TYPE: &str = "Checkpoint(uint16 version,uint64 number,bytes32 parent,bytes32 meshId,\
uint64 firstBeat,uint64 lastBeat,uint64 firstReceipt,uint64 receiptCount,bytes32 intervalRoot,\
bytes32 historyRoot,uint64 historySize,bytes32 appHash,bytes32 agentsRoot,bytes32 auditRoot,\
uint64 setEpoch,bytes32 setHash,bytes32 nextSetHash,uint8 verificationLevel,\
uint32 verificationFraction,uint64 timeMs)";

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// [`VERSION`].
    pub version: u16,
    /// Its number, from 1, without gaps.
    pub number: CheckpointNumber,
    /// Hash of the checkpoint before it; zero for the first.
    pub parent: Hash,
    /// The mesh.
    pub mesh: Hash,
    /// First beat of the interval; 0 (genesis) for the first.
    pub first_beat: Height,
    /// Last beat of the interval.
    pub last_beat: Height,
    /// Index of the first receipt of the interval.
    pub first_receipt: ReceiptIndex,
    /// Number of receipts of the interval.
    #[serde(with = "crate::units::decimal")]
    pub receipt_count: u64,
    /// Keccak-256 root over the interval's receipts; zero when there is none.
    pub interval_root: Hash,
    /// RFC 6962 root over all receipts up to here.
    pub history_root: Hash,
    /// Number of all receipts up to here.
    #[serde(with = "crate::units::decimal")]
    pub history_size: u64,
    /// The state after the last beat.
    pub app_hash: Hash,
    /// Root of the agents tree after the last beat.
    pub agents_root: Hash,
    /// Root of the audit tree: the interval's beats and the actions of agents in it.
    pub audit_root: Hash,
    /// Epoch of the validators' registered set.
    #[serde(with = "crate::units::decimal")]
    pub set_epoch: u64,
    /// Hash of the set that decided the last beat.
    pub set_hash: Hash,
    /// Hash of the set that decides the beat after it.
    pub next_set_hash: Hash,
    /// 0 `none`, 1 `sample`, 2 `full_audit`.
    pub verification_level: u8,
    /// Share of subjects that are receipted, in millionths.
    pub verification_fraction_ppm: u32,
    /// Time of the last beat.
    pub time: TimeMs,
}

/// Where the ledger ended before a beat. It is part of the state after that
/// beat, so that the app hash binds both trees and the chain of receipts, and
/// nodes whose records differ cannot agree on the next beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct LedgerMark {
    /// Number of the last closed checkpoint; 0 when there is none.
    pub checkpoint: CheckpointNumber,
    /// Its hash; zero when there is none.
    pub checkpoint_hash: Hash,
    /// The audit digest of its last beat; zero when there is none.
    pub checkpoint_digest: Hash,
    /// Index of the first receipt of the beat.
    pub next_receipt: ReceiptIndex,
    /// Hash of the receipt before it.
    pub previous_hash: Hash,
}

impl LedgerMark {
    /// Before the first receipt.
    pub const BEGIN: Self = Self {
        checkpoint: CheckpointNumber::ZERO,
        checkpoint_hash: Hash::ZERO,
        checkpoint_digest: Hash::ZERO,
        next_receipt: ReceiptIndex::ZERO,
        previous_hash: Hash::ZERO,
    };
}

impl Checkpoint {
    /// Whether another set follows it.
    #[must_use]
    pub fn changes_set(&self) -> bool {
        self.next_set_hash != self.set_hash
    }

    /// Its hash: the EIP-712 struct hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        fn word(value: u64) -> [u8; 32] {
            let mut word = [0; 32];
            if let Some(tail) = word.get_mut(24..) {
                tail.copy_from_slice(&value.to_be_bytes());
            }
            word
        }
        let words: [[u8; 32]; 20] = [
            word(u64::from(self.version)),
            word(self.number.0),
            self.parent.0,
            self.mesh.0,
            word(self.first_beat.0),
            word(self.last_beat.0),
            word(self.first_receipt.0),
            word(self.receipt_count),
            self.interval_root.0,
            self.history_root.0,
            word(self.history_size),
            self.app_hash.0,
            self.agents_root.0,
            self.audit_root.0,
            word(self.set_epoch),
            self.set_hash.0,
            self.next_set_hash.0,
            word(u64::from(self.verification_level)),
            word(u64::from(self.verification_fraction_ppm)),
            word(self.time.0),
        ];
        let mut hasher = Keccak256::new();
        hasher.update(Keccak256::digest(TYPE.as_bytes()));
        for word in words {
            hasher.update(word);
        }
        Hash(hasher.finalize().into())
    }
}
