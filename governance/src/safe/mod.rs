//! The owner's Safe: transactions as files that its owners pass around.
//!
//! A [`tx::SafeTx`] is built from calls, put in a [`file::TxFile`], signed and
//! merged; [`chain::Safe`] reads the Safe, checks the signatures against its
//! owners, simulates and executes. No service takes part.

pub mod builder;
pub mod chain;
pub mod deploy;
pub mod file;
pub mod queue;
pub mod signatures;
pub mod tx;

pub use chain::{Safe, SafeStatus};
pub use file::TxFile;
pub use signatures::OwnerSignature;
pub use tx::{Call, Operation, SafeTx};

/// The version of Safe that this crate builds for.
pub const VERSION: &str = "1.4.1";
