//! A mesh of node processes on one machine: the main job, its workload and its
//! traces.
//!
//! Everything here uses what a user has: the binary, home folders and the HTTP
//! interface.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod anvil;
mod judgement;
mod processes;
mod run;
mod submit;
pub mod trace;
mod watch;
mod workload;

pub use anvil::{Anvil, anvil_in};
pub use judgement::{Judgement, Roots};
pub use processes::{Devnet, DevnetError, NodeSpec, PortBlock};
pub use run::{Outage, Run, compare_roots, run};
pub use submit::{Submitted, Submitter};
pub use watch::{Outcomes, Watch};
pub use workload::{Planned, mixed};
