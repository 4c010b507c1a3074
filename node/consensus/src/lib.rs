//! Orders beats: drives the BFT core, its write-ahead log and sync. The network and the
//! application, which says who votes with which weight, are traits or events.
//!
//! [`Consensus`] is one node's part in the agreement. It is sans-IO: events go
//! in with the time, outputs come out. What must happen in order with them (a
//! synced log before a vote leaves, a written ledger before the next height
//! begins) happens inside [`Consensus::step`], through [`Wal`] and
//! [`Application`]. The algorithm is Tendermint as implemented by the Malachite
//! core; nothing of it shows outside this crate.
//!
//! Invariants:
//!
//! - **C1** A vote or proposal leaves only after everything that led to it is
//!   synced to the log.
//! - **C2** An effect that fails ends the node's part: every later step is
//!   refused. Nothing is logged and gone on from.
//! - **C3** A node signs at a height only after the one before it is committed,
//!   and never at a height that it has committed.
//! - **C4** After a crash the log is replayed and gives the same signatures; a
//!   beat is only proposed anew when the log holds none of this round.
//! - **C5** What strangers and liars send grows nothing: votes are buffered only
//!   after their signature held, for validators of the set, within bounds.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod application;
mod certificates;
mod context;
mod engine;
mod handler;
mod inbox;
mod probe;
mod replay;
mod sync;
mod timers;
pub mod wal;
pub mod wire;

pub use application::{Application, Fatal, Purpose, SnapshotStep, Verdict};
pub use engine::{Config, Consensus, Event, Output, PeerKey, Status};
pub use probe::{EffectKind, Mutation, NoProbe, Probe};
pub use timers::TimerId;
pub use wal::Wal;
