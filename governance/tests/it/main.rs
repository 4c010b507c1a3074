//! Against a real chain: anvil, the Safe's own contracts, and ours.
//!
//! anvil is that of `$PHALANX_ANVIL`, or the one that `npm ci` puts into
//! `contracts/node_modules`. Each test has a chain of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod agreement;
mod anchoring;
mod anvil;
mod commands;
mod endpoints;
mod hashes;
mod keystores;
mod owner;
mod submissions;
mod verifier;
mod world;
