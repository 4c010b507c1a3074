//! The replicated state machine: shards, workers, jobs, agents, policies; beat
//! in, receipts and effects out.
//!
//! [`Fabric::apply`] takes a decided batch of inputs and gives the next state,
//! the receipts and the changed entries. It is total: what cannot be done is
//! refused with a receipt. It is pure: time comes from the beat, and there is
//! no other source of anything. Effects are level-triggered: a worker asks the
//! state what it should be running ([`Fabric::wanted`]), so a lost message or a
//! restart loses nothing.
//!
//! Invariants:
//!
//! - **F1** The same state and beat give the same state, receipts and changes
//!   on every machine.
//! - **F2** A state loaded from its entries behaves as the one that wrote them:
//!   what is not an entry is derived.
//! - **F3** What a worker's attempts and agents take never exceeds what it has.
//! - **F4** Only the current attempt's outcome counts, and a new attempt is made
//!   only when the old one has certainly ended: its outcome was decided, or its
//!   lease and the margin of [`lease_margin_ms`] are over.
//! - **F5** Every job that was accepted ends in exactly one end state.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )
)]

mod admission;
mod agents;
mod apply;
mod board;
mod chain;
pub mod defaults;
mod evidence;
mod genesis;
mod homes;
mod intake;
mod jobs;
mod lifecycle;
mod openings;
mod owner;
mod places;
mod policies;
mod receipts;
mod refusal;
mod routing;
mod spill;
mod state;
mod table;
mod validators;
mod views;
mod workers;

#[cfg(test)]
extern crate self as phalanx_fabric;
#[cfg(test)]
mod properties;
#[cfg(test)]
#[path = "../tests/it/world.rs"]
#[allow(dead_code)]
mod world;

pub use apply::{Applied, BeatContext, Input};
pub use chain::{ChainCursor, OBSERVED_AHEAD_MAX};
pub use homes::{HOME_RADIUS, HOMES_APART, TENANTS_APART};
pub use jobs::lease_margin_ms;
pub use lifecycle::{PATROL_MAX, STEP_LENGTH, STRAYS_MAX};
pub use policies::Declared;
pub use refusal::Refusal;
pub use routing::{Candidate, Removal, Table as CandidateTable, Terms, table_digest};
pub use state::{Agent, EndState, Fabric, Job, Phase, Shard, TenantState, ValidatorState, Worker};
pub use table::LoadError;
