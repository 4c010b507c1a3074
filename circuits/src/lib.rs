//! Groth16 statements: position, action, integrity; and what every validator reckons with.
//!
//! Everything here is a pure function: no clock, disk, network or random source.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
#![deny(clippy::indexing_slicing)]

pub mod action;
#[cfg(feature = "groth16")]
pub mod groth16;
#[cfg(feature = "groth16")]
pub mod iden3;
pub mod integrity;
pub mod native;
mod opening;
pub mod position;
pub mod r1cs;
#[cfg(feature = "groth16")]
pub mod snarkjs;
#[cfg(test)]
mod testing;

#[cfg(test)]
extern crate self as phalanx_circuits;
