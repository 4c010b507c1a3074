//! Convictions: evidence that stands by itself, and accusations by witnesses.

use crate::{
    Fabric, Refusal,
    receipts::{Drafts, Origin},
    state::ValidatorState,
};
use phalanx_types::{
    Evidence, Height, PublicKey, ReceiptKind, ValidatorSet, Weight,
    evidence::{Accusation, Fault},
    receipt::Cause,
};

/// Open accusations of one accuser that are kept; a new one takes the place of
/// its oldest, so that nobody fills the room of others.
const ACCUSATIONS_MAX: usize = 64;
/// Faults that are seen on a connection, not in a proposal, have no height of
/// their own: those within so many beats count as one.
const WINDOW_BEATS: u64 = 256;

/// The heights that count as one for a fault.
const fn window(fault: Fault, height: Height) -> Height {
    match fault {
        Fault::WrongRoot | Fault::WrongTime | Fault::BadInput | Fault::WrongCheckpoint => height,
        Fault::Flood | Fault::Garbage | Fault::BadSync => {
            Height(height.0.saturating_sub(height.0.wrapping_rem(WINDOW_BEATS)))
        }
    }
}

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
        Ok(())
    }

    /// Counts an accusation that was checked. More than a third of the weight
    /// means that at least one honest validator has seen it.
    pub(crate) fn accuse(&mut self, sender: &PublicKey, accusation: &Accusation, drafts: &mut Drafts) {
        let Accusation { offender, fault, seen, .. } = *accusation;
        let at = window(fault, accusation.height);
        let key = (*sender, offender, fault, at);
        if self.accusations.contains(&key) {
            return;
        }
        let of_sender = self.accusations_by(sender);
        if of_sender.len() >= ACCUSATIONS_MAX
            && let Some(oldest) = of_sender.into_iter().min_by_key(|(_, _, _, at)| *at)
        {
            self.accusations.remove(&oldest);
        }
        self.accusations.insert(key, seen);
        let set = self.next_set.clone();
        let accusers: Vec<_> = set
            .members()
            .iter()
            .filter(|member| self.accusations.contains(&(member.key, offender, fault, at)))
            .collect();
        let weight = accusers.iter().fold(Weight::ZERO, |sum, member| sum.saturating_add(member.weight.0));
        let count = u32::try_from(accusers.len()).unwrap_or(u32::MAX);
        if !set.has_honest(weight) {
            return;
        }
        let kind = match accusation.fault {
            Fault::WrongRoot => "wrong_root",
            Fault::WrongTime => "wrong_time",
            Fault::BadInput => "bad_input",
            Fault::Flood => "flood",
            Fault::Garbage => "garbage",
            Fault::BadSync => "bad_sync",
            Fault::WrongCheckpoint => "wrong_checkpoint",
        };
        for member in accusers {
            self.accusations.remove(&(member.key, offender, fault, at));
        }
        let cause = drafts
            .note(ReceiptKind::Evidence, offender, &Origin::fabric())
            .text("kind", kind)
            .u64("height", accusation.height.0)
            .text("seen", seen)
            .u32("accusers", count)
            .done();
        self.quarantine(&offender, kind, Some(cause), drafts);
    }

    /// The open accusations of one accuser.
    fn accusations_by(&self, accuser: &PublicKey) -> Vec<(PublicKey, PublicKey, Fault, Height)> {
        let first = (*accuser, PublicKey([0; 32]), Fault::WrongRoot, Height(0));
        let last = (*accuser, PublicKey([u8::MAX; 32]), Fault::LAST, Height(u64::MAX));
        self.accusations.range(first..=last).map(|(key, _)| *key).collect()
    }

    /// Takes the vote of a convicted validator away: at once, or as soon as enough
    /// others are left to decide.
    fn quarantine(&mut self, offender: &PublicKey, reason: &str, cause: Option<Cause>, drafts: &mut Drafts) {
        let is_open = self.validators.get(offender).is_some_and(|v| !v.is_quarantined);
        if !is_open {
            return;
        }
        let is_out = self.try_quarantine(offender);
        if !is_out && let Some(state) = self.validators.get_mut(offender) {
            state.convicted = Some(reason.to_owned());
        }
        drafts
            .note(ReceiptKind::Quarantine, offender, &Origin::fabric())
            .text("reason", reason)
            .text(
                "effect",
                if is_out {
                    "its votes count no more"
                } else {
                    "too few would be left: its votes count until others are back"
                },
            )
            .cause(cause)
            .done();
    }

    /// False, and nothing changed, when too few would be left.
    fn try_quarantine(&mut self, offender: &PublicKey) -> bool {
        let Some(before) = self.validators.get(offender).cloned() else { return false };
        let out = ValidatorState { is_quarantined: true, convicted: None, ..before.clone() };
        self.validators.insert(*offender, out);
        let is_out = self.is_quorum_live();
        if !is_out {
            self.validators.insert(*offender, before);
        }
        is_out
    }

    /// Carries out the convictions that had to wait.
    pub(crate) fn carry_out_convictions(&mut self, drafts: &mut Drafts) {
        let waiting: Vec<(PublicKey, String)> =
            self.validators.iter().filter_map(|(key, v)| Some((*key, v.convicted.clone()?))).collect();
        for (offender, reason) in waiting {
            if self.try_quarantine(&offender) {
                drafts
                    .note(ReceiptKind::Quarantine, offender, &Origin::fabric())
                    .text("reason", reason)
                    .text("effect", "its votes count no more")
                    .done();
            }
        }
    }

    /// Forgets what is too old to count.
    pub(crate) fn forget_old_evidence(&mut self, height: Height) {
        let horizon = height.saturating_sub(self.settings.params.evidence_beats_max.into());
        let old: Vec<_> = self.convictions.iter().filter(|(_, at)| **at < horizon).map(|(h, _)| *h).collect();
        for hash in old {
            self.convictions.remove(&hash);
        }
        let old: Vec<_> =
            self.accusations.iter().filter(|((_, _, _, at), _)| *at < horizon).map(|(key, _)| *key).collect();
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
