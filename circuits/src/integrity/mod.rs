//! *Integrity*: the record between two receipts is unbroken.
//!
//! In words: “I know `count` beats of consecutive heights, each with its receipts root,
//! that lead from the digest `first` to the digest `last`, and `last` is in the tree with
//! `audit_root`.” A digest is [`beat_digest`](crate::native::beat_digest): it stands for its
//! beat's receipts and, by the digest before it, for all receipts before. So nothing was
//! taken out, put in or changed between a receipt of the beat of `first` and one of the beat
//! of `last`; each receipt is tied to its beat by its own path to the receipts root.
//!
//! Public inputs, in order, and what binds each:
//!
//! 1. `audit_root`: the root of the path of `last`.
//! 2. `first`: an input of the first link.
//! 3. `last`: the digest after `count` links.
//! 4. `count`: 1 to 16; exactly one link is the last.
//!
//! Witnesses: the heights, the receipts roots and the path. They are inputs of Poseidon
//! only, so that none needs a range; roots behind the last link have no meaning.
//!
//! Assumptions: Groth16 and its key's setup; Poseidon is collision-resistant; the root is
//! one that validators signed. That `first` is in the tree follows: `last` is, and has one
//! preimage. Nothing is rounded.
//!
//! Constraints: 7,740.

mod circuit;
mod native;
#[cfg(test)]
mod tests;

pub use circuit::{COUNT_MAX, Integrity};
pub use native::{Public, Secret, check};
