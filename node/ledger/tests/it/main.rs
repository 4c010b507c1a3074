//! The ledger under damage, forgery and crashes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../replica/tests/it/chain.rs"]
mod chain;
mod crashes;
mod damage;
mod files;
mod forgery;
mod levels;
mod opening;
mod proofs;
mod store;
