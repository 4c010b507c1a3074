//! Where work runs: the worker's attempts, and the providers that carry them
//! out.
//!
//! [`attempts`] is the pure part: which attempt to start, to end and to report,
//! and what must be on disk before. [`process`] runs allow-listed commands under
//! a supervising [`shim`]; [`processes`] is what both know of the machine's
//! processes; [`runtime`] puts everything together.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod attempts;
pub mod journal;
pub mod process;
pub mod processes;
pub mod runtime;
pub mod shim;
