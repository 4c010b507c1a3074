//! The way from a receipt to the audit root of its checkpoint.

use super::{
    stored::{self, StoredAction, StoredAudit},
    witness::{WitnessError, Witnesses, none},
};
use crate::{
    audit::{ActionLeaf, AuditFile, BeatLeaf, Place, VERSION, action_of},
    interval::IntervalTree,
    kv::{Cf, Kv, StoreError},
    ledger::{self, Tip, get_value, meta_key, number_key},
    proof::Inclusion,
    record,
    snapshot::Base,
};
use phalanx_circuits::native::Tree;
use phalanx_types::{AgentId, Checkpoint, Field, Hash, Receipt, ReceiptIndex, units::CheckpointNumber};

impl<K: Kv> Witnesses<'_, K> {
    /// A receipt's way to the audit root of the checkpoint that closed its interval: through the
    /// leaf of its beat, and for one that tells an action also the action's own leaf.
    ///
    /// # Errors
    /// When there is no such receipt here, or its interval is open.
    pub fn audit_path(&self, index: ReceiptIndex) -> Result<AuditFile, WitnessError> {
        let Some(receipt) = ledger::receipt(self.0, index)? else { return self.no_receipt(index) };
        let Some(checkpoint) = ledger::checkpoint_of(self.0, self.last()?, index)? else {
            return none(format!("the receipt {index} is in no checkpoint yet: wait for the next one"));
        };
        let number = checkpoint.number;
        let damaged = |what: String| StoreError::damaged(Cf::Audit, &number_key(number.0), what);
        let audit = self.audit(number)?;
        let tree = audit.tree().map_err(|error| damaged(error.to_string()))?;
        let place = |at: u32| match tree.path(at as usize) {
            Ok(path) => Ok(Place::new(at, &path)),
            Err(error) => Err(damaged(error.to_string())),
        };
        let lacks = || damaged(format!("it lacks the beat {}", receipt.beat));
        let at = audit.position(receipt.beat).ok_or_else(lacks)?;
        let leaf = audit.leaves.get(at).copied().ok_or_else(lacks)?;
        let before = match receipt.beat.0.checked_sub(audit.first_beat.0) {
            Some(beats @ 1..) => {
                let at = audit.beats.get(beats as usize - 1).ok_or_else(lacks)?;
                audit.leaves.get(*at as usize).copied().ok_or_else(lacks)?
            }
            _ => self.digest_before(&checkpoint)?,
        };
        let (receipts, receipts_root) = self.among(&receipt)?;
        let beat = BeatLeaf { before, leaf, place: place(at as u32)?, receipts, receipts_root };
        let action = match action_of(&receipt) {
            None => None,
            Some(told) => Some(self.action_leaf(&receipt, told, &checkpoint, &tree)?),
        };
        Ok(AuditFile { action, beat, checkpoint, receipt, version: VERSION })
    }

    fn no_receipt<T>(&self, index: ReceiptIndex) -> Result<T, WitnessError> {
        let tip: Option<Tip> = get_value(self.0, Cf::Meta, meta_key::TIP)?;
        let base: Option<Base> = get_value(self.0, Cf::Meta, meta_key::BASE)?;
        let next = tip.map_or(0, |tip| tip.next_receipt.0);
        let first = base.map_or(0, |base| base.edge.size());
        if index.0 < first {
            return none(format!(
                "the receipt {index} is older than this node's record, which begins with receipt {first} from a \
                 snapshot: ask a node that was there"
            ));
        }
        none(format!(
            "there is no receipt {index}: the ledger has receipts {first} to {}",
            next.saturating_sub(1)
        ))
    }

    /// Digest of the beat before an interval.
    fn digest_before(&self, checkpoint: &Checkpoint) -> Result<Hash, WitnessError> {
        let before = CheckpointNumber(checkpoint.number.0.saturating_sub(1));
        if before == CheckpointNumber::ZERO {
            return Ok(Hash::ZERO);
        }
        let base: Option<Base> = get_value(self.0, Cf::Meta, meta_key::BASE)?;
        if let Some(base) = base.filter(|base| base.tip.checkpoint == before) {
            return Ok(base.tip.checkpoint_digest);
        }
        let audit: StoredAudit = self.audit(before)?;
        let last = audit.beats.last().and_then(|at| audit.leaves.get(*at as usize)).copied();
        let lacks = || StoreError::damaged(Cf::Audit, &number_key(before.0), "it lacks its last beat");
        Ok(last.ok_or_else(lacks)?)
    }

    /// The receipt's place among those of its beat, and their root.
    fn among(&self, receipt: &Receipt) -> Result<(Inclusion, Hash), WitnessError> {
        let key = number_key(receipt.beat.0);
        let damaged = |what: &str| StoreError::damaged(Cf::Ranges, &key, what);
        let range: Option<(ReceiptIndex, u64)> = get_value(self.0, Cf::Ranges, &key)?;
        let (first, count) = range.ok_or_else(|| damaged("it is missing"))?;
        let mut hashes = Vec::new();
        for index in first.0..first.0.saturating_add(count) {
            let key = number_key(index);
            let stored =
                self.0.get(Cf::Receipts, &key)?.ok_or_else(|| damaged("a receipt of it is missing"))?;
            hashes.push(Hash::sha3(record::unwrap(Cf::Receipts, &key, &stored)?));
        }
        let tree = IntervalTree::of(&hashes);
        let index = receipt.index.0.checked_sub(first.0);
        let path = index.and_then(|index| Some((index, tree.path(index)?)));
        let (index, path) = path.ok_or_else(|| damaged("it does not hold a receipt of the beat"))?;
        Ok((Inclusion { count, index, path }, tree.root()))
    }

    /// The leaf of the action that a receipt tells.
    fn action_leaf(
        &self,
        receipt: &Receipt,
        number: u64,
        checkpoint: &Checkpoint,
        tree: &Tree,
    ) -> Result<ActionLeaf, WitnessError> {
        let wrong = |what: String| {
            StoreError::damaged(
                Cf::Receipts,
                &number_key(receipt.index.0),
                format!("it tells an action {what}"),
            )
        };
        let agent: AgentId = receipt.subject.parse().map_err(|_| wrong("of no agent".to_owned()))?;
        let nonce = match receipt.data.get("nonce") {
            Some(Field::Text(nonce)) => nonce.parse().ok(),
            _ => None,
        };
        let nonce = nonce.ok_or_else(|| wrong("without the agent's nonce".to_owned()))?;
        let found: Option<StoredAction> = stored::last_of(self.0, Cf::Actions, &agent, nonce)?;
        let is_it = |action: &StoredAction| {
            (action.index, action.checkpoint, action.beat) == (number, checkpoint.number, receipt.beat)
        };
        let found = found.filter(is_it).ok_or_else(|| wrong(format!("{number} that is not stored")))?;
        let damaged = |error: phalanx_circuits::native::Error| {
            StoreError::damaged(Cf::Actions, &agent.0, error.to_string())
        };
        let action = found.opened().and_then(|opened| opened.action()).map_err(damaged)?;
        let path = tree.path(found.position as usize).map_err(damaged)?;
        Ok(ActionLeaf::new(&action, Place::new(found.position, &path)))
    }
}
