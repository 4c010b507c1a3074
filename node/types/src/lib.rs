//! The words all crates share: ids, units, envelopes, beats, receipts,
//! checkpoints, owner commands; their encodings and hashes.
//!
//! This crate is pure: it knows no clock, disk, network or random source.
//!
//! Invariants that every other crate relies on:
//!
//! - **T1** One value has one encoding. Everything hashed, signed, stored or
//!   sent is Borsh, decoded by [`codec::decode_exact`], which refuses trailing
//!   bytes; receipts are RFC 8785 JSON.
//! - **T2** Nothing encoded for agreement is a float, and no map has an order
//!   that depends on the machine.
//! - **T3** Every hash and signature has a domain tag from [`tags`], so a
//!   signed message of one kind is never a valid message of another kind.
//! - **T4** Arithmetic on units says what overflow does; none of it panics.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod agent;
pub mod beat;
pub mod certificate;
pub mod checkpoint;
pub mod codec;
pub mod cosign;
pub mod crypto;
pub mod envelope;
pub mod evidence;
pub mod frames;
pub mod genesis;
pub mod hash;
mod hex_bytes;
pub mod job;
pub mod key_file;
pub mod name;
pub mod observation;
pub mod owner;
pub mod params;
pub mod policy;
pub mod receipt;
pub mod registry;
pub mod resources;
pub mod shard;
pub mod state;
pub mod tags;
pub mod tenant;
pub mod units;
pub mod validator;
pub mod vote;
pub mod worker;

pub use agent::{AgentId, AgentSpec};
pub use beat::{Beat, Header};
pub use certificate::CommitCertificate;
pub use checkpoint::{Checkpoint, LedgerMark};
pub use codec::{DecodeError, decode_exact, encode};
pub use crypto::{PublicKey, Signature, SigningKey};
pub use envelope::{Envelope, Operation, SignedEnvelope};
pub use evidence::Evidence;
pub use genesis::Genesis;
pub use hash::Hash;
pub use job::{AttemptId, JobId, JobSpec, Outcome, Work};
pub use name::Name;
pub use observation::Observation;
pub use owner::OwnerCommand;
pub use params::Params;
pub use receipt::{Field, Receipt, ReceiptDraft, ReceiptKind};
pub use registry::RegisteredSet;
pub use resources::{GpuRequest, Resources};
pub use units::{Height, MicroUnits, ReceiptIndex, Round, TimeMs, Weight};
pub use validator::{Validator, ValidatorSet};
pub use worker::WorkerOffer;
