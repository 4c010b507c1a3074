//! The documents' mom_config as a typed file: parsed, checked, described.
//!
//! The types of [`mom`] are the only truth: their JSON Schema is generated, files are
//! checked against that schema, and the comments of a written file are its docs. This
//! crate is pure: it reads no disk.
//!
//! ```
//! use phalanx_config::{Format, MomConfig};
//!
//! let text = "[orchestration]\nmode = \"federated\"\n[geometry]\ncurvature = 1.5\n";
//! let config = MomConfig::parse(text, Format::Toml, "mom.toml")?;
//! assert_eq!(config.geometry.curvature.ppm(), 1_500_000);
//!
//! let text = "[orchestration]\nmode = \"federatd\"\n[geometry]\ncurvture = 0\n";
//! let problems = MomConfig::parse(text, Format::Toml, "mom.toml").unwrap_err();
//! assert_eq!(problems.problems.len(), 2);
//! assert!(problems.to_string().contains("mom.toml:2:8"));
//! assert!(problems.to_string().contains("did you mean \"federated\"?"));
//! # Ok::<(), phalanx_config::Problems>(())
//! ```
//!
//! Invariants:
//!
//! - **F1** A file is taken as a whole or not at all; what is not known is refused.
//! - **F2** All wrong settings of a file that can be read are told, each with its place; what they are
//!   together is judged when each of them is right.
//! - **F3** Decimals are exact: what sums to one, sums to one in millionths.
//! - **F4** No file makes the reader panic, or hold more than some times its length.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
#![deny(clippy::indexing_slicing)]

mod check;
mod decimal;
mod file;
mod founding;
mod json_text;
pub mod mom;
mod nearest;
mod problem;
mod schema;
mod toml_text;
mod tree;
mod write;

pub use decimal::{Decimal, DecimalError, Fraction, Kappa, Share};
pub use file::{FILE_BYTES_MAX, Format};
pub use founding::{FoundingError, Unheeded};
pub use mom::{
    Geometry, Identity, Label, MomConfig, OptimizationGoals, Orchestration, Receipts, RoutingAlgorithm,
    Verification,
};
pub use problem::{Fault, PROBLEMS_MAX, Problem, Problems};
pub use schema::schema;
