//! The binary as a user has it: processes, home folders, files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agents;
mod bad_input;
mod bad_requests;
mod chain;
mod config;
mod damage;
mod devnet;
mod full_disk;
mod joining;
mod ledger;
mod liar;
mod lone;
mod mesh;
mod modes;
mod owner;
mod proofs;
mod rollback;
mod routes;
mod safe;
mod simulate;
mod support;
