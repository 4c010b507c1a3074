//! Validators and weighted sets of them.
//!
//! - **V1** In every set of n validators, any f = ⌊(n−1)/3⌋ of them together
//!   hold less than a third of the weight, whatever the weight function said:
//!   [`ValidatorSet::new`] caps.
//! - **V2** The total of a set is below 2^32, so three times any sum of weights
//!   fits a `u64` many times over.

use crate::{
    crypto::PublicKey,
    hash::Hash,
    name::Name,
    tags,
    units::{Round, Weight},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most validators of one mesh.
pub const VALIDATORS_MAX: usize = 128;
/// Largest weight a function may give one validator.
pub const WEIGHT_MAX: u64 = 1 << 24;

/// A validator's entry in agreed state.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validator {
    /// Signs votes and proposals. It is the validator's identity.
    pub vote_key: PublicKey,
    /// Identifies its node in the mesh.
    pub network_key: PublicKey,
    /// Signs checkpoints on the chain; all zero while there is none.
    #[serde(with = "hex::serde")]
    pub chain_address: [u8; 20],
    /// Weight in what the base weight decides (checkpoints, observations).
    pub base_weight: Weight,
    /// The region it stands in.
    pub region: Name,
    /// A word for people.
    pub label: Name,
}

/// One member of a weighted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Who.
    pub key: PublicKey,
    /// With which weight.
    pub weight: Weight,
}

/// The weighted validators of one height, and the order in which they propose.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorSet {
    /// Ascending by key.
    members: Vec<Member>,
    /// Who proposes in round r: the entry at r mod length. Never empty.
    proposers: Vec<PublicKey>,
}

/// Why a set cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// No members, or too many.
    #[error("a validator set has 1 to {VALIDATORS_MAX} members, not {0}")]
    Size(usize),
    /// Somebody is in it twice.
    #[error("{0} is in the set twice")]
    Twice(PublicKey),
    /// No proposers, or one who is no member.
    #[error("the proposers must be members, and at least one")]
    Proposers,
    /// Members out of order.
    #[error("the members are not in ascending order")]
    Order,
    /// A weight that no set gives.
    #[error("a weight of {0}; 1 to {WEIGHT_MAX} are possible")]
    Weight(Weight),
}

impl ValidatorSet {
    /// Makes a set of raw weights, capped (V1, V2).
    ///
    /// # Errors
    /// See [`SetError`].
    pub fn new(mut members: Vec<Member>, proposers: Vec<PublicKey>) -> Result<Self, SetError> {
        if members.is_empty() || members.len() > VALIDATORS_MAX {
            return Err(SetError::Size(members.len()));
        }
        members.sort_by_key(|m| m.key);
        if let Some(twice) = members.windows(2).find_map(|w| match w {
            [a, b] if a.key == b.key => Some(a.key),
            _ => None,
        }) {
            return Err(SetError::Twice(twice));
        }
        for member in &mut members {
            member.weight = Weight(member.weight.0.clamp(1, WEIGHT_MAX));
        }
        cap(&mut members);
        let set = Self { members, proposers };
        set.check()?;
        Ok(set)
    }

    /// Checks the form of a set that came from outside: its size, the order of
    /// its members, its weights and its proposers. [`Self::new`] makes no other.
    ///
    /// # Errors
    /// See [`SetError`].
    pub fn check(&self) -> Result<(), SetError> {
        if self.members.is_empty() || self.members.len() > VALIDATORS_MAX {
            return Err(SetError::Size(self.members.len()));
        }
        if !self.members.is_sorted_by(|a, b| a.key < b.key) {
            return Err(SetError::Order);
        }
        if let Some(member) = self.members.iter().find(|m| m.weight.0 < 1 || m.weight.0 > WEIGHT_MAX) {
            return Err(SetError::Weight(member.weight));
        }
        let proposers_ok = !self.proposers.is_empty()
            && self.proposers.len() <= VALIDATORS_MAX
            && self.proposers.iter().all(|p| self.weight_of(p).is_some());
        if proposers_ok { Ok(()) } else { Err(SetError::Proposers) }
    }

    /// The members, ascending by key.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The proposers in the order of the rounds.
    #[must_use]
    pub fn proposers(&self) -> &[PublicKey] {
        &self.proposers
    }

    /// Who proposes in `round`.
    #[must_use]
    pub fn proposer(&self, round: Round) -> Option<PublicKey> {
        let len = self.proposers.len();
        (round.0 as usize).checked_rem(len).and_then(|i| self.proposers.get(i).copied())
    }

    /// The weight of `key`, if it is a member.
    #[must_use]
    pub fn weight_of(&self, key: &PublicKey) -> Option<Weight> {
        self.members
            .binary_search_by_key(key, |m| m.key)
            .ok()
            .and_then(|i| self.members.get(i))
            .map(|m| m.weight)
    }

    /// The sum of all weights.
    #[must_use]
    pub fn total(&self) -> Weight {
        self.members.iter().fold(Weight::ZERO, |sum, m| sum.saturating_add(m.weight.0))
    }

    /// Whether `weight` is more than two thirds of the total.
    #[must_use]
    pub fn is_quorum(&self, weight: Weight) -> bool {
        weight.0.saturating_mul(3) > self.total().0.saturating_mul(2)
    }

    /// Whether `weight` is more than a third of the total: at least one honest
    /// validator is among them.
    #[must_use]
    pub fn has_honest(&self, weight: Weight) -> bool {
        weight.0.saturating_mul(3) > self.total().0
    }

    /// Its hash, as headers carry it. It covers who votes with which weight;
    /// who proposes follows from the state and need not be proven to anybody.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of_value(tags::VALIDATOR_SET, &self.members)
    }
}

/// Lowers the largest weights to the largest integer `c` for which three times
/// the sum of the f largest stays below the total.
fn cap(members: &mut [Member]) {
    let f = members.len().saturating_sub(1) / 3;
    if f == 0 {
        return;
    }
    let mut weights: Vec<u64> = members.iter().map(|m| m.weight.0).collect();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    let holds = |c: u64| {
        let capped = weights.iter().map(|w| (*w).min(c));
        let heavy: u64 = capped.clone().take(f).sum();
        let total: u64 = capped.sum();
        heavy * 3 < total
    };
    // `holds` is monotone: with c = 1 all weights are 1 and 3f < n.
    let (mut low, mut high) = (1, WEIGHT_MAX);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    for member in members {
        member.weight = Weight(member.weight.0.min(low));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(weights: &[u64]) -> ValidatorSet {
        let members: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(i, w)| {
                let mut key = [0; 32];
                key[0] = i as u8;
                Member { key: PublicKey(key), weight: Weight(*w) }
            })
            .collect();
        let proposers = members.iter().map(|m| m.key).collect();
        ValidatorSet::new(members, proposers).unwrap()
    }

    proptest! {
        #[test]
        fn any_f_validators_hold_less_than_a_third(weights in prop::collection::vec(0_u64..=u64::MAX, 4..=100)) {
            let set = set(&weights);
            let f = (weights.len() - 1) / 3;
            let mut capped: Vec<u64> = set.members().iter().map(|m| m.weight.0).collect();
            capped.sort_unstable_by(|a, b| b.cmp(a));
            let heavy: u64 = capped.iter().take(f).sum();
            prop_assert!(heavy * 3 < set.total().0);
            prop_assert!(set.total().0 < 1 << 32);
            prop_assert!(!set.has_honest(Weight(heavy)));
        }

        #[test]
        fn the_cap_is_the_largest_that_holds(weights in prop::collection::vec(1_u64..=4_000, 4..=40)) {
            let capped = set(&weights);
            let used = capped.members().iter().map(|m| m.weight.0).max().unwrap();
            let f = (weights.len() - 1) / 3;
            let holds = |c: u64| {
                let mut all: Vec<u64> = weights.iter().map(|w| (*w).min(c)).collect();
                all.sort_unstable_by(|a, b| b.cmp(a));
                all.iter().take(f).sum::<u64>() * 3 < all.iter().sum()
            };
            prop_assert!(holds(used));
            let largest = *weights.iter().max().unwrap();
            prop_assert!(used == largest || !holds(used + 1));
        }
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds() {
        let set = set(&[1, 1, 1]);
        assert!(!set.is_quorum(Weight(2)));
        assert!(set.is_quorum(Weight(3)));
    }
}
