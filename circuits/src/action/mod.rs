//! *Action*: under this audit root, an action whose commitments before and after I can
//! open obeys the rules.
//!
//! In words: “I know an agent and an action of it whose leaf is in the tree with
//! `audit_root`. Before and after it the agent has the same id, tenant and seed; its
//! nonce grew by one; it moved no further than its policy's step; after it it is bound
//! by `policy`, of which (`region`, `m`, `selector`) is a rule, and obeys that rule; and what
//! it takes is no more than its worker has.” A policy of several rules takes a proof a rule.
//!
//! Public inputs, in order, and what binds each:
//!
//! 1. `audit_root`: the root of the action leaf's path.
//! 2. `region`: the hash of the region's centre, whose coordinates are range-checked.
//! 3. `policy`: the action leaf's, the later agent leaf's and the opened policy's root.
//! 4. `selector`: a bit; chooses the side.
//! 5. `m`: range-checked, 80 bits; the reach; part of a rule that the policy has.
//! 6. `nullifier`: Poseidon(NULLIFIER, seed, index, context) of the leaves' seed and index.
//! 7. `context`: an input of the nullifier.
//!
//! Witnesses: both agents' parts, the worker's capacity, the policy's parts, the path.
//! Coordinates, amounts and the step are range-checked; the others are bound by the
//! leaves whose preimages they are. Nothing that a rule is about is free: step, rule,
//! capacity and places are opened from leaves.
//!
//! Assumptions and rounding: as for [`position`](crate::position). A step of
//! [`Reach::MAX`](phalanx_geometry::Reach::MAX) still forbids a move longer than 33.9.
//! Spawns and ends are no actions here: they have one commitment only.
//!
//! Constraints, with 2, 8, 64 and 512 dimensions: 8,450, 9,281, 17,178 and 84,350.

mod circuit;
mod native;
#[cfg(test)]
mod tests;

pub use circuit::Action;
pub use native::{Public, Secret, check};
