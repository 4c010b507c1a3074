//! What validators see of the owner's commands on the chain.

use crate::{hash::Hash, owner::OwnerCommand};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

/// Longest observation, encoded.
pub const OBSERVATION_BYTES_MAX: usize = 128 << 10;

/// A command of the owner as a validator sees it on the chain, deep enough that it
/// trusts it. The mesh obeys when validators with more than two thirds of the base
/// weight have seen exactly the same, and only in the order of the sequence.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// The contract's number of it, from 1.
    #[serde(with = "crate::units::decimal")]
    pub sequence: u64,
    /// Keccak-256 of mesh, sequence, kind and payload, as the contract emits it.
    pub command_hash: Hash,
    /// The contract's hash chain over all commands up to this one; see
    /// [`next_head`].
    pub head: Hash,
    /// Number of the block.
    #[serde(with = "crate::units::decimal")]
    pub block: u64,
    /// Hash of the block.
    pub block_hash: Hash,
    /// Hash of the transaction.
    pub transaction: Hash,
    /// What it says to the mesh; none when the mesh cannot read it.
    pub command: Option<OwnerCommand>,
}

/// The hash chain over commands after one more: Keccak-256 of the one before it
/// and the command's hash.
#[must_use]
pub fn next_head(head: &Hash, command_hash: &Hash) -> Hash {
    Hash(Keccak256::new().chain_update(head.0).chain_update(command_hash.0).finalize().into())
}
