//! What a chain answers, as types.

use crate::{abi, address::Address};
use phalanx_types::Hash;
use std::fmt;

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its parent's hash.
    pub parent: Hash,
    /// Its time in seconds.
    pub timestamp_s: u64,
    /// What a unit of gas costs at least; zero on chains without EIP-1559.
    pub base_fee: u128,
}

/// How far the endpoints are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The height that all of them have.
    pub number: u64,
    /// By how many blocks they differ.
    pub apart: u64,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Who emitted it.
    pub address: Address,
    /// Its topics.
    pub topics: Vec<Hash>,
    /// Its data.
    pub data: Vec<u8>,
    /// The block.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: Hash,
    /// The transaction.
    pub tx_hash: Hash,
    /// Its place in the block.
    pub index: u64,
}

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// Of which contract.
    pub address: Address,
    /// Any of these kinds (first topic); all kinds when empty.
    pub kinds: Vec<Hash>,
    /// First block.
    pub from: u64,
    /// Last block.
    pub to: u64,
}

/// What became of a transaction that is in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxReceipt {
    /// The transaction.
    pub tx_hash: Hash,
    /// The block.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: Hash,
    /// Whether it did not revert.
    pub is_success: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Price of a unit of gas.
    pub gas_price: u128,
    /// The contract it created.
    pub created: Option<Address>,
    /// Its events.
    pub logs: Vec<Log>,
}

/// What an endpoint knows of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxState {
    /// Nothing: never seen, or dropped.
    Unknown,
    /// It waits to be mined.
    Waiting,
    /// It is in a block.
    Mined(TxReceipt),
}

/// What gas costs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The next block's base fee.
    pub base: u128,
    /// What miners ask for on top.
    pub tip: u128,
}

/// Why a contract refuses, as far as its data can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// The data.
    pub data: Vec<u8>,
}

impl Reverted {
    /// The text of a revert with a reason.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        abi::revert_reason(&self.data)
    }

    /// The selector of a custom error.
    #[must_use]
    pub fn selector(&self) -> Option<[u8; 4]> {
        self.data.get(..4).and_then(|s| s.try_into().ok())
    }
}

impl fmt::Display for Reverted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = abi::known_error(&self.data) {
            return f.write_str(&text);
        }
        match self.reason() {
            Some(reason) => write!(f, "{reason:?}"),
            None if self.data.is_empty() => f.write_str("without a reason"),
            None => {
                let shown = self.data.get(..self.data.len().min(132)).unwrap_or_default();
                let more = if shown.len() < self.data.len() { "…" } else { "" };
                write!(f, "data 0x{}{more}", hex::encode(shown))
            }
        }
    }
}
