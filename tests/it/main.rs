//! What no crate can test alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod conformance;
mod decoders;
mod proofs;
mod snapshots;
mod trees;
mod verifier;
