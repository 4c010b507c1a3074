//! *Position*: an agent under this agents root is within, or beyond, `m` of a region.
//!
//! In words: “I know an agent whose leaf is in the tree with `agents_root`, which is at a
//! place `x` of the ball, and a place `c` whose hash is `region`, such that
//! `2^113·Σ(x−c)² ≤ m·(2^80−Σx²)·(2^80−Σc²)` where `selector` is 0, and not where it is 1.
//! Where `policy` is not 0, the agent is bound by that policy, and the rule
//! (`region`, `m`, `selector`) is one of its rules.”
//!
//! Public inputs, in order, and what binds each:
//!
//! 1. `agents_root`: the root of the opened leaf's path.
//! 2. `region`: the hash of `c`, whose coordinates are range-checked.
//! 3. `policy`: 0, or both the leaf's policy root and the opened policy's root.
//! 4. `selector`: a bit; chooses the side.
//! 5. `m`: range-checked, 80 bits; the reach.
//! 6. `nullifier`: Poseidon(NULLIFIER_POSITION, seed, nonce, context) of the leaf's seed and nonce.
//! 7. `context`: an input of the nullifier.
//!
//! Witnesses: the agent's parts, of which coordinates are range-checked and the others are
//! bound by the leaf whose preimage they are; `c`, range-checked; the policy's parts, bound
//! by its root where the policy is claimed, and without meaning where it is not; the path.
//!
//! Assumptions: Groth16 and its key's setup; Poseidon is collision-resistant; the root is
//! one that validators signed; who verifies knows the region's centre and has recomputed
//! `region` from it (the proof shows that it is a place of the ball).
//!
//! Rounding: none here. Coordinates have 40 fractional bits: a distance is off by at most
//! `1e-5` out to radius 16. `m` is rounded down for within and up for beyond
//! ([`Reach`](phalanx_geometry::Reach)), so that a proof never claims more than the truth.
//! Both places leave a gap `2^80 − Σx²` of at least `2^56`, as every valid position does.
//!
//! Constraints, with 2, 8, 64 and 512 dimensions: 5,803, 6,355, 11,601 and 56,233.

mod circuit;
mod native;
#[cfg(test)]
pub(crate) mod tests;

pub use circuit::Position;
pub(crate) use circuit::nobody;
pub use native::{Public, Secret, check};
pub(crate) use native::{reach_of, selector_of};
