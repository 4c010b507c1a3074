//! Convictions: evidence that stands by itself, and accusations by witnesses.

use crate::{
    Fabric, Refusal,
    receipts::{Drafts, Origin},
};
use phalanx_types::{
    Evidence, Height, PublicKey, ReceiptKind, ValidatorSet, Weight, evidence::Accusation, receipt::Cause,
};

/// Open accusations that are kept; more are refused until some are old.
const ACCUSATIONS_MAX: usize = 4_096;

impl Fabric {
    /// The set that decided `height`, as far back as evidence counts.
    pub(crate) fn set_at(&self, height: Height) -> Option<&ValidatorSet> {
        self.sets.range(..=height).last().map(|(_, set)| set)
    }

    /// Whether a piece of evidence has been judged already.
    #[must_use]
    pub fn is_convicted(&self, evidence: &Evidence) -> bool {
        self.convictions.contains(&evidence.hash())
            || self.validators.get(&evidence.offender()).is_none_or(|v| v.is_quarantined)
    }

    /// Judges evidence that a beat brings. The proposer and every validator have
    /// checked that it convicts.
    pub(crate) fn judge(&mut self, evidence: &Evidence, height: Height, drafts: &mut Drafts) {
        let hash = evidence.hash();
        let (offender, at) = (evidence.offender(), evidence.height());
        let horizon = height.saturating_sub(self.settings.params.evidence_beats_max.into());
        let was_member = self.set_at(at).is_some_and(|set| set.weight_of(&offender).is_some());
        if at < horizon || at > height || !was_member || self.convictions.contains(&hash) {
            return;
        }
        self.convictions.insert(hash, at);
        let kind = match evidence {
            Evidence::Votes { .. } => "two_votes",
            Evidence::Proposals { .. } => "two_proposals",
        };
        let cause = drafts
            .note(ReceiptKind::Evidence, offender, &Origin::fabric())
            .text("kind", kind)
            .u64("height", at.0)
            .text("evidence", hash)
            .done();
        self.quarantine(&offender, kind, Some(cause), drafts);
    }

    pub(crate) fn check_accusation(
        &self,
        sender: &PublicKey,
        accusation: &Accusation,
    ) -> Result<(), Refusal> {
        let is_validator = self.validators.get(sender).is_some_and(|v| !v.is_quarantined);
        if !is_validator || accusation.offender == *sender {
            return Err(Refusal::NotAllowed {
                sender: *sender,
                operation: "accuse",
                rule: "only validators accuse, and only others",
            });
        }
        if self.validators.get(&accusation.offender).is_none_or(|v| v.is_quarantined) {
            return Err(Refusal::Unknown {
                what: "voting validator",
                which: accusation.offender.to_string(),
            });
        }
        let horizon = self.settings.height.saturating_sub(self.settings.params.evidence_beats_max.into());
        // The accused height may be the next one, which is not decided yet.
        if accusation.height < horizon || accusation.height > self.settings.height.saturating_add(2) {
            return crate::admission::bad("height", "a height that evidence still counts for");
        }
        if self.accusations.len() >= ACCUSATIONS_MAX {
            return crate::admission::bad("accusation", "fewer open accusations: send it again later");
        }
        Ok(())
    }

    /// Counts an accusation that was checked. More than a third of the weight
    /// means that at least one honest validator has seen it.
    pub(crate) fn accuse(&mut self, sender: &PublicKey, accusation: &Accusation, drafts: &mut Drafts) {
        let key = (accusation.offender, accusation.fault, accusation.height);
        let mut accusers = self.accusations.get(&key).cloned().unwrap_or_default();
        if !accusers.insert(*sender) {
            return;
        }
        let set = self.next_set.clone();
        let weight = accusers
            .iter()
            .filter_map(|key| set.weight_of(key))
            .fold(Weight::ZERO, |sum, weight| sum.saturating_add(weight.0));
        let count = u32::try_from(accusers.len()).unwrap_or(u32::MAX);
        self.accusations.insert(key, accusers);
        if !set.has_honest(weight) {
            return;
        }
        let kind = match accusation.fault {
            phalanx_types::evidence::Fault::WrongRoot => "wrong_root",
            phalanx_types::evidence::Fault::WrongTime => "wrong_time",
            phalanx_types::evidence::Fault::BadInput => "bad_input",
            phalanx_types::evidence::Fault::Flood => "flood",
            phalanx_types::evidence::Fault::Garbage => "garbage",
            phalanx_types::evidence::Fault::BadSync => "bad_sync",
        };
        self.accusations.remove(&key);
        let cause = drafts
            .note(ReceiptKind::Evidence, accusation.offender, &Origin::fabric())
            .text("kind", kind)
            .u64("height", accusation.height.0)
            .text("seen", accusation.seen)
            .u32("accusers", count)
            .done();
        self.quarantine(&accusation.offender, kind, Some(cause), drafts);
    }

    /// Takes the vote of a convicted validator away, unless too few would be
    /// left to decide.
    fn quarantine(&mut self, offender: &PublicKey, reason: &str, cause: Option<Cause>, drafts: &mut Drafts) {
        let Some(mut state) = self.validators.get(offender).cloned() else { return };
        if state.is_quarantined {
            return;
        }
        state.is_quarantined = true;
        let before = self.validators.insert(*offender, state);
        let left = self.is_quorum_live();
        if !left && let Some(before) = before {
            self.validators.insert(*offender, before);
        }
        drafts
            .note(ReceiptKind::Quarantine, offender, &Origin::fabric())
            .text("reason", reason)
            .text(
                "effect",
                if left { "its votes count no more" } else { "too few would be left: its votes count on" },
            )
            .cause(cause)
            .done();
    }

    /// Forgets what is too old to count.
    pub(crate) fn forget_old_evidence(&mut self, height: Height) {
        let horizon = height.saturating_sub(self.settings.params.evidence_beats_max.into());
        let old: Vec<_> = self.convictions.iter().filter(|(_, at)| **at < horizon).map(|(h, _)| *h).collect();
        for hash in old {
            self.convictions.remove(&hash);
        }
        let old: Vec<_> =
            self.accusations.iter().filter(|((_, _, at), _)| *at < horizon).map(|(key, _)| *key).collect();
        for key in old {
            self.accusations.remove(&key);
        }
        // Keep the last set at or below the horizon: it decides the horizon.
        let heights: Vec<Height> = self.sets.range(..=horizon).map(|(at, _)| *at).collect();
        for at in heights.iter().rev().skip(1) {
            self.sets.remove(at);
        }
    }
}
