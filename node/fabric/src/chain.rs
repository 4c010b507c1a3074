//! Obeying the owner's contract, by what validators see of it.
//!
//! - **O1** Commands are applied once each, in the order of their sequence, in the
//!   beat in which validators with more than two thirds of the base weight have
//!   seen exactly the same: number, content, transaction and block.
//! - **O2** No beat's validity depends on a chain: what was seen is an input.
//! - **O3** A command whose hash chain does not follow from the commands that were
//!   applied shows that the chain has changed its past. Nothing is obeyed then
//!   until the owner reconciles.
//! - **O4** The owner reconciles by naming exactly what the mesh has applied. Such a
//!   word counts at a number that was applied before, too: the chain may have taken
//!   back so much that no other number would be reached. It counts once, since what
//!   was applied is never the same again.

use crate::{
    Fabric, Refusal,
    admission::bad,
    owner::command_word,
    receipts::{Drafts, Origin},
};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_types::{
    Hash, Observation, OwnerCommand, PublicKey, ReceiptKind, encode,
    observation::{OBSERVATION_BYTES_MAX, next_head},
};
use std::collections::BTreeMap;

/// Commands after the last applied one that may be seen ahead of their turn; of a
/// diverged chain, so many observations of one validator are kept.
pub const OBSERVED_AHEAD_MAX: u64 = 8;

/// How far the mesh has obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize)]
pub struct ChainCursor {
    /// The last command that was applied or refused; 0 before the first.
    #[serde(with = "phalanx_types::units::decimal")]
    pub applied: u64,
    /// The hash chain up to it; zero before the first.
    pub head: Hash,
    /// Its block.
    #[serde(with = "phalanx_types::units::decimal")]
    pub block: u64,
    /// Whether the chain has changed what was applied.
    pub has_diverged: bool,
}

impl ChainCursor {
    /// Before the first command.
    pub(crate) const BEGIN: Self = Self { applied: 0, head: Hash::ZERO, block: 0, has_diverged: false };

    /// Whether a command is the owner's word to go on from here whatever the chain's past
    /// was (O4).
    #[must_use]
    pub fn is_reconciled_by(&self, seen: &Observation) -> bool {
        seen.command == Some(OwnerCommand::Reconcile { applied: self.applied, head: self.head })
    }
}

impl Fabric {
    /// How far the mesh has obeyed its chain, if it has one.
    #[must_use]
    pub const fn chain(&self) -> Option<&ChainCursor> {
        self.settings.chain.as_ref()
    }

    /// What a validator has told of a command that is not applied yet.
    #[must_use]
    pub fn told(&self, validator: &PublicKey, sequence: u64) -> Option<&Observation> {
        self.observations.get(&(sequence, *validator))
    }

    pub(crate) fn check_observation(&self, sender: &PublicKey, seen: &Observation) -> Result<(), Refusal> {
        let Some(cursor) = &self.settings.chain else {
            return Err(Refusal::Unknown {
                what: "chain of this mesh",
                which: "its genesis names none".into(),
            });
        };
        if self.validators.get(sender).is_none_or(|v| v.is_quarantined) {
            return Err(Refusal::NotAllowed {
                sender: *sender,
                operation: "observe",
                rule: "only validators tell what they see on the chain",
            });
        }
        let is_next =
            seen.sequence.saturating_sub(cursor.applied) <= OBSERVED_AHEAD_MAX || cursor.has_diverged;
        let is_taken_back = seen.sequence <= cursor.applied && !cursor.is_reconciled_by(seen);
        if seen.sequence == 0 || is_taken_back || !is_next {
            return bad(
                "sequence",
                format!("from {} on, at most {OBSERVED_AHEAD_MAX} ahead", cursor.applied.saturating_add(1)),
            );
        }
        if encode(seen).len() > OBSERVATION_BYTES_MAX {
            return bad("observation", format!("at most {OBSERVATION_BYTES_MAX} bytes"));
        }
        if self.observations.get(&(seen.sequence, *sender)) == Some(seen) {
            return bad("observation", "once is enough");
        }
        Ok(())
    }

    /// Takes what a validator sees; its last word on a command counts.
    pub(crate) fn observe(&mut self, sender: &PublicKey, seen: &Observation) {
        self.observations.insert((seen.sequence, *sender), seen.clone());
        let of_sender: Vec<(u64, PublicKey)> =
            self.observations.iter().map(|(key, _)| *key).filter(|(_, who)| who == sender).collect();
        let over = of_sender.len().saturating_sub(usize::try_from(OBSERVED_AHEAD_MAX).unwrap_or(usize::MAX));
        for key in of_sender.into_iter().filter(|key| key.0 != seen.sequence).take(over) {
            self.observations.remove(&key);
        }
    }

    /// Applies the commands whose turn has come (O1).
    pub(crate) fn obey(&mut self, drafts: &mut Drafts) {
        while let Some(mut cursor) = self.settings.chain {
            let reconciles = self.agreed_reconciliation(&cursor);
            let is_reconciled = reconciles.is_some();
            let next = || {
                let next = cursor.applied.saturating_add(1);
                (!cursor.has_diverged).then(|| self.agreed(next)).flatten()
            };
            let Some(seen) = reconciles.or_else(next) else { return };
            let origin = Origin { actor: "owner".to_owned(), inputs: seen.command_hash, trace_id: None };
            let follows = seen.head == next_head(&cursor.head, &seen.command_hash);
            if !follows && !is_reconciled {
                cursor.has_diverged = true;
                self.settings.chain = Some(cursor);
                drafts
                    .note(ReceiptKind::ChainDiverged, seen.sequence, &origin)
                    .u64("applied", cursor.applied)
                    .text("head", cursor.head)
                    .text("seen_head", seen.head)
                    .text("transaction", seen.transaction)
                    .done();
                continue;
            }
            cursor = ChainCursor {
                applied: seen.sequence,
                head: seen.head,
                block: seen.block,
                has_diverged: false,
            };
            self.settings.chain = Some(cursor);
            self.forget_observations(cursor.applied);
            self.obey_one(&seen, &origin, drafts);
        }
    }

    fn obey_one(&mut self, seen: &Observation, origin: &Origin, drafts: &mut Drafts) {
        let checked = match &seen.command {
            Some(command) => self.check_command_content(command).map(|()| command),
            None => bad("command", "one that this version of the mesh can read"),
        };
        match checked {
            Ok(command) => self.command(command, Some(seen), origin, drafts),
            Err(refusal) => {
                let word = seen.command.as_ref().map_or("unreadable", command_word);
                drafts
                    .note(ReceiptKind::OwnerCommandRefused, word, origin)
                    .text("operation", "command")
                    .text("code", refusal.code())
                    .text("reason", &refusal)
                    .u64("sequence", seen.sequence)
                    .text("transaction", seen.transaction)
                    .done();
            }
        }
    }

    /// What validators with more than two thirds of the base weight have seen as
    /// the command of this number.
    fn agreed(&self, sequence: u64) -> Option<Observation> {
        let mut weights: BTreeMap<Hash, (u64, &Observation)> = BTreeMap::new();
        let first = (sequence, PublicKey([0; 32]));
        let last = (sequence, PublicKey([u8::MAX; 32]));
        for ((_, who), seen) in self.observations.range(first..=last) {
            let weight =
                self.validators.get(who).filter(|v| !v.is_quarantined).map_or(0, |v| v.entry.base_weight.0);
            let entry = weights.entry(Hash::sha3(&encode(seen))).or_insert((0, seen));
            entry.0 = entry.0.saturating_add(weight);
        }
        let total =
            self.validators.iter().fold(0_u64, |sum, (_, v)| sum.saturating_add(v.entry.base_weight.0));
        let is_quorum = |weight: u64| weight.saturating_mul(3) > total.saturating_mul(2);
        weights.into_values().find(|(weight, _)| is_quorum(*weight)).map(|(_, seen)| seen.clone())
    }

    /// The owner's word that ends a divergence (O4): of a chain that is known to have
    /// diverged at whatever number it is seen, of any other at one that was applied.
    fn agreed_reconciliation(&self, cursor: &ChainCursor) -> Option<Observation> {
        let last = if cursor.has_diverged { u64::MAX } else { cursor.applied };
        let through = (last, PublicKey([u8::MAX; 32]));
        let mut sequences: Vec<u64> = self
            .observations
            .range(..=through)
            .filter(|(_, seen)| cursor.is_reconciled_by(seen))
            .map(|((sequence, _), _)| *sequence)
            .collect();
        sequences.dedup();
        let mut agreed = sequences.into_iter().filter_map(|sequence| self.agreed(sequence));
        agreed.find(|seen| cursor.is_reconciled_by(seen))
    }

    fn forget_observations(&mut self, applied: u64) {
        let old: Vec<_> = self
            .observations
            .iter()
            .map(|(key, _)| *key)
            .take_while(|(sequence, _)| *sequence <= applied)
            .collect();
        for key in old {
            self.observations.remove(&key);
        }
    }
}
