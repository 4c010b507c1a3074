//! The leaves of the audit tree: one for each action of an agent, one for each beat.

use super::{Fr, field_of, poseidon::hash, tags};
use phalanx_types::{Hash, Height};

/// An action as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its place among all actions.
    pub index: u64,
    /// The agent's leaf before it.
    pub before: Fr,
    /// The agent's leaf after it.
    pub after: Fr,
    /// Root of the policy that it was decided under.
    pub policy_root: Fr,
    /// [`capacity_hash`](super::capacity_hash) of the worker that the agent is on after it.
    pub capacity_hash: Fr,
    /// The beat that decided it.
    pub beat: Height,
}

impl Action {
    /// Poseidon(ACTION, index, before, after, policy root, capacity hash, beat).
    #[must_use]
    pub fn leaf(&self) -> Fr {
        hash(self.inputs())
    }

    /// What [`Action::leaf`] hashes.
    pub(super) fn inputs(&self) -> [Fr; 7] {
        [
            tags::ACTION.field(),
            Fr::from(self.index),
            self.before,
            self.after,
            self.policy_root,
            self.capacity_hash,
            Fr::from(self.beat.0),
        ]
    }
}

/// The audit leaf of a beat: Poseidon(BEAT, digest of the beat before, height, receipts
/// root). It stands for this beat's receipts and for those of all beats before it; the
/// digest before the first beat is zero.
#[must_use]
pub fn beat_digest(previous: Fr, beat: Height, receipts_root: &Hash) -> Fr {
    hash([tags::BEAT.field(), previous, Fr::from(beat.0), field_of(&receipts_root.0)])
}
