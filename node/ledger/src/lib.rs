//! Receipts, Merkle trees, the RocksDB store, checkpoints, fsck.
//!
//! A [`Ledger`] turns what the state machine says of a beat into a record that
//! anyone can check: it seals receipts into a hash chain, grows two trees over
//! them, keeps the state under one hash, and cuts checkpoints. It is given a
//! store ([`Kv`]): [`RocksKv`] on disk, [`MemoryKv`] in tests and simulations.
//! The byte formats are in `docs/formats.md`.
//!
//! Invariants:
//!
//! - **D1** A beat, its certificate, its receipts, its state changes and the
//!   new tip are written in one synced batch, or not at all.
//! - **D2** [`Ledger::prepare`] writes nothing and changes nothing.
//! - **D3** Every stored record carries a checksum over its place and its
//!   bytes, and is bound by a chain or a tree besides ([`fsck`]).
//! - **D4** A failed write is an error that stops the node; memory is changed
//!   only after the batch is durable.
//! - **D5** The roots of agents and actions in a checkpoint follow from the state and the
//!   receipts alone: a node that begins from a snapshot cuts the same trees.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod audit;
#[cfg(feature = "rocksdb")]
pub mod cosigns;
pub mod fsck;
pub mod history;
pub mod interval;
pub mod kv;
mod ledger;
pub mod memory;
mod merkle;
pub mod proof;
pub mod record;
#[cfg(feature = "rocksdb")]
mod rocks;
pub mod seal;
pub mod snapshot;
pub mod state_tree;
mod stored;
mod trees;

pub use kv::{Batch, Cf, Durability, Kv, StoreError};
pub use ledger::{Ledger, OpenError, SCHEMA, Stats, Tip};
pub use memory::MemoryKv;
#[cfg(feature = "rocksdb")]
pub use rocks::RocksKv;
pub use seal::{BeatMeta, Prepared};
pub use stored::Stored;
pub use trees::{WitnessError, Witnesses};
