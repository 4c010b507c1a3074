//! The application behind consensus: mempool, speculative execution of beats,
//! and the commit of what is decided.
//!
//! A replica is one node's copy of the mesh: the fabric's state, the ledger
//! it is written to, and the envelopes that wait. Consensus asks it to make a
//! beat, to judge one, and to commit one; the shell around it feeds it
//! envelopes and reads its views. It knows no clock, network or async runtime.
//!
//! Invariants:
//!
//! - **R1** The fabric in memory is the state after the ledger's tip, always:
//!   both change in `commit` and nowhere else, the ledger first.
//! - **R2** A beat is judged by executing it on a copy of the state. What is
//!   committed is what was judged: the copy is kept under the beat's id.
//! - **R3** A beat that this replica makes passes its own [`judge`].
//! - **R4** Kept executions are bounded ([`EXECUTIONS_MAX`]); a beat that was
//!   dropped is executed again when it is needed.
//!
//! [`replay()`] executes a whole stored ledger again and compares every byte.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod checkpoint_file;
pub mod judge;
pub mod mempool;
pub mod replay;
mod replica;
pub mod snapshot;

pub use mempool::{Limits, Mempool, PoolError};
pub use replay::replay;
pub use replica::{Decision, EXECUTIONS_MAX, IntakeError, OpenError, Replica};
