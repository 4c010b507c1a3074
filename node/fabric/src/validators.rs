//! Who votes with which weight, and who proposes.
//!
//! The set of a height follows from the state after its parent. Proposers
//! rotate with the height; whoever missed its turn goes to the end until a vote
//! of it is in a parent certificate.

use crate::{
    BeatContext, Fabric,
    places::WeightFunction,
    receipts::{Drafts, Origin},
    state::ValidatorState,
};
use phalanx_types::{
    Height, PublicKey, ReceiptKind, Validator, ValidatorSet, Weight, params::Mode, validator::Member,
};
use std::{collections::BTreeSet, sync::Arc};

impl Fabric {
    fn active(&self) -> impl Iterator<Item = (&PublicKey, &ValidatorState)> {
        self.validators.iter().filter(|(_, v)| !v.is_quarantined)
    }

    /// Who votes under a mode: all, or the coordinators of the regions.
    fn voters(&self, mode: &Mode) -> Vec<Validator> {
        let all = || self.active().map(|(_, v)| v.entry.clone());
        let Mode::Federated { coordinators } = mode else { return all().collect() };
        let chosen: BTreeSet<PublicKey> = coordinators
            .values()
            .filter_map(|list| {
                let able = |key: &&PublicKey| self.validators.get(key).is_some_and(|v| !v.is_quarantined);
                let present = |key: &&PublicKey| self.validators.get(key).is_some_and(|v| v.missed.is_none());
                let mut able_ones = list.iter().filter(able);
                able_ones.clone().find(present).or_else(|| able_ones.next()).copied()
            })
            .collect();
        all().filter(|v| chosen.contains(&v.vote_key)).collect()
    }

    /// How many coordinate now; in other modes as many as one could ask for.
    pub(crate) fn coordinators(&self) -> usize {
        let mode = &self.settings.mode;
        if matches!(mode, Mode::Federated { .. }) { self.voters(mode).len() } else { usize::MAX }
    }

    /// In which order voters propose at `height`.
    fn proposers(&self, mode: &Mode, voters: &[Validator], height: Height) -> Vec<PublicKey> {
        let members: Vec<PublicKey> = voters.iter().map(|v| v.vote_key).collect();
        let rotated = |mut list: Vec<PublicKey>| {
            let by = height.0.checked_rem(list.len() as u64).unwrap_or(0);
            list.rotate_left(usize::try_from(by).unwrap_or(0));
            list
        };
        let order: Vec<PublicKey> = match mode {
            Mode::Centralized { succession } => {
                // The controller first, whatever the height; then its successors;
                // then, so that the mesh never waits for ever, everybody else.
                let mut order: Vec<PublicKey> =
                    succession.iter().filter(|key| members.contains(key)).copied().collect();
                let rest: Vec<PublicKey> =
                    members.iter().filter(|key| !order.contains(key)).copied().collect();
                order.extend(rotated(rest));
                order
            }
            Mode::Federated { .. } | Mode::FullyDistributed => rotated(members),
            Mode::GeometricMesh => rotated(self.by_centrality(voters)),
        };
        let missed = |key: &&PublicKey| self.validators.get(key).is_some_and(|v| v.missed.is_some());
        let (late, present): (Vec<&PublicKey>, Vec<&PublicKey>) = order.iter().partition(missed);
        present.into_iter().chain(late).copied().collect()
    }

    /// The set for `height` under a mode.
    pub(crate) fn set_for(&self, mode: &Mode, height: Height) -> Option<ValidatorSet> {
        self.set_weighed(mode, height, self.weight_function(mode).as_ref())
    }

    fn set_weighed(
        &self,
        mode: &Mode,
        height: Height,
        function: &dyn WeightFunction,
    ) -> Option<ValidatorSet> {
        let voters = self.voters(mode);
        let members: Vec<Member> =
            voters.iter().map(|v| Member { key: v.vote_key, weight: Weight(function.weight(v)) }).collect();
        ValidatorSet::new(members, self.proposers(mode, &voters, height)).ok()
    }

    /// Whether those that are there could decide alone: who has not missed its turn, or
    /// was late with it but has voted for the parent.
    pub(crate) fn is_quorum_live(&self) -> bool {
        let next = self.settings.height.saturating_add(2);
        let Some(set) = self.set_for(&self.settings.mode, next) else { return false };
        let live = set
            .members()
            .iter()
            .filter(|m| {
                self.voted.contains(&m.key) || self.validators.get(&m.key).is_some_and(|v| v.missed.is_none())
            })
            .fold(Weight::ZERO, |sum, m| sum.saturating_add(m.weight.0));
        set.is_quorum(live)
    }

    /// Notes who missed its turn at the parent's height, and who is back.
    pub(crate) fn note_misses(&mut self, ctx: &BeatContext) {
        self.voted = ctx.parent_signers.iter().copied().collect();
        let parent_height = self.settings.height;
        let proposers = self.settings.last_set.proposers().to_vec();
        let rounds = usize::try_from(ctx.parent_round.0).unwrap_or(usize::MAX);
        let late: BTreeSet<PublicKey> =
            proposers.iter().cycle().take(rounds.min(proposers.len())).copied().collect();
        for key in late {
            if let Some(state) = self.validators.get_mut(&key) {
                state.missed = Some(parent_height);
            }
        }
        for key in &ctx.parent_signers {
            if self.validators.get(key).is_some_and(|v| v.missed.is_some_and(|at| at < parent_height))
                && let Some(state) = self.validators.get_mut(key)
            {
                state.missed = None;
            }
        }
    }

    /// Computes the set that decides the next height, and notes a change.
    pub(crate) fn turn_set(&mut self, drafts: &mut Drafts) {
        let next = self.settings.height.next();
        // Commands and convictions that would leave no set are refused before.
        let Some(set) = self.set_for(&self.settings.mode, next) else { return };
        self.settings.last_set = std::mem::replace(&mut self.settings.next_set, set.clone());
        if set.members() != self.settings.last_set.members() {
            self.sets.insert(next, set.clone());
            drafts
                .note(ReceiptKind::ValidatorsChanged, next, &Origin::fabric())
                .text("mode", self.settings.mode.name())
                .text("set", set.hash())
                .u32("members", u32::try_from(set.members().len()).unwrap_or(u32::MAX))
                .done();
        }
        self.next_set = Arc::new(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, key};

    /// What a voter's label says.
    struct ByLabel;

    impl WeightFunction for ByLabel {
        fn weight(&self, voter: &Validator) -> u64 {
            voter.label.as_str().trim_start_matches('v').parse().unwrap_or(0)
        }
    }

    #[test]
    fn any_function_may_weigh_and_the_cap_holds() {
        let fabric = World::new("earth.1").fabric;
        let set = fabric.set_weighed(&Mode::FullyDistributed, Height(1), &ByLabel).unwrap();
        let weight = |who: &str| set.members().iter().find(|m| m.key == key(who)).unwrap().weight.0;
        // Of 1, 2, 3 and 4 the last would hold more than a third, and of 1, 2, 3 and 3 just a third.
        assert_eq!(["v1", "v2", "v3", "v4"].map(weight), [1, 2, 2, 2]);
    }
}
