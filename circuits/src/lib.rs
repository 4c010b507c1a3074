//! Groth16 statements: position, action, integrity; and what every validator reckons with.
//!
//! Everything here is a pure function: no clock, disk, network or random source; entropy
//! comes in as bytes. [`native`] and the twins build without Groth16 (feature `groth16`).
//!
//! - [`native`]: Poseidon, leaves, trees: what every validator reckons with.
//! - [`position`], [`action`], [`integrity`]: the statements, each with its exact words, its
//!   public inputs, a native twin and a circuit.
//! - [`r1cs`]: the builder of constraint systems that they are written against.
//! - [`witness`]: what a node hands to a prover.
//! - `catalog`: the circuits by name, as one type.
//! - `groth16`: setup, prover, verifier, key files.
//! - `eight`: field elements side by side, for Poseidon and for the prover's sums.
//! - `claim`, `proof_file`: from a witness to a proof file, and back to what it says.
//! - `snarkjs`, `iden3`: what other tools and the chain read and write.
//!
//! ```
//! use phalanx_circuits::{
//!     integrity::{Integrity, Public, Secret, check},
//!     native::{Fr, Tree, beat_digest},
//!     r1cs::Circuit,
//! };
//! use phalanx_types::{Hash, Height};
//!
//! // Two beats follow the digest 7; the last one's digest is in the audit tree.
//! let roots = vec![Hash([1; 32]), Hash([2; 32])];
//! let digest = beat_digest(beat_digest(Fr::from(7), Height(4), &roots[0]), Height(5), &roots[1]);
//! let tree = Tree::new(vec![Fr::from(3), digest])?;
//! let secret = Secret { from: Height(4), receipts_roots: roots, path: tree.path(1)? };
//! let inputs = Public::of(&secret, Fr::from(7))?.inputs();
//! assert_eq!(inputs[0], tree.root());
//! assert!(check(&inputs, &secret).is_ok());
//! assert!(Circuit::new(Integrity)?.assign(&inputs, &secret).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//!
//! - **C1** A circuit and its twin give one verdict on every input and secret.
//! - **C2** Every witness is range-checked, or bound by a hash that the validators made of a
//!   value in range; every other variable has one value where those are fixed.
//! - **C3** All arithmetic of a rule is integer arithmetic that never reaches the modulus.
//! - **C4** A key says which circuit it is of, by the hash of its matrices, and whether its
//!   trapdoor is known (`DEV`) or was thrown away (`CEREMONY`).
//! - **C5** What a stranger sends is refused or read in one way; nothing here panics.
//! - **C6** What the prover knows has no `Debug`; seeds, places and assignments are wiped
//!   when dropped, and so are the prover's masks, digits and quotient. Sums of points on the
//!   way to a proof are not, nor what arkworks holds meanwhile.

#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod action;
pub mod catalog;
#[cfg(feature = "groth16")]
pub mod claim;
#[cfg(target_arch = "x86_64")]
mod eight;
#[cfg(feature = "groth16")]
pub mod groth16;
#[cfg(feature = "groth16")]
pub mod iden3;
pub mod integrity;
mod json;
pub mod native;
mod opening;
pub mod position;
#[cfg(feature = "groth16")]
pub mod proof_file;
pub mod r1cs;
#[cfg(feature = "groth16")]
pub mod snarkjs;
#[cfg(test)]
mod testing;
pub mod witness;

/// The next bytes of what is left; fewer at the end.
#[cfg(feature = "groth16")]
fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at(count.min(rest.len()));
    *rest = after;
    taken
}

#[cfg(test)]
extern crate self as phalanx_circuits;
