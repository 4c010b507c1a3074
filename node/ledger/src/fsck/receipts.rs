//! Receipts, what is kept beside them, both trees, checkpoints and state.

use super::{Check, Run, Stop, begin::Begin, stored, wrong};
use crate::{
    history, interval,
    kv::{Batch, Cf, Kv},
    ledger::{Tip, meta_key, number_key, subject_key},
    record,
    state_tree::StateTree,
};
use phalanx_types::{
    Beat, Checkpoint, Field, Genesis, Hash, Height, Receipt, ReceiptIndex, ReceiptKind, RegisteredSet,
    checkpoint, params::Verification, receipt::HiddenField, state::Column, units::CheckpointNumber,
};
use std::{collections::BTreeMap, ops::ControlFlow};

impl<K: Kv> Run<'_, K> {
    /// The chain of receipts, their roots, their index and the history tree.
    pub(super) fn receipts(&mut self, genesis: &Genesis, tip: &Tip, begin: &Begin) -> Check<()> {
        let count = tip.next_receipt.0;
        if count == 0 {
            return Err(wrong(Cf::Meta, meta_key::TIP, "it counts no receipts, but there is a genesis"));
        }
        let begins_at = begin.edge.size();
        let end = self.contiguous(Cf::Receipts, begins_at, count - 1)?;
        // None after a receipt that is missing.
        let (mut previous, mut next) = (begin.previous, begins_at);
        let (mut registered, mut level) = begin.level;
        let mut leaves_by_beat = Vec::new();
        for height in begin.first_range.0..=tip.height.0 {
            let range_key = number_key(height);
            // Noted as missing before; what follows cannot be told apart then.
            let (first, len): (ReceiptIndex, u64) = self.needed(Cf::Ranges, &range_key)?;
            if first.0 != next || len > count - next {
                return Err(wrong(Cf::Ranges, &range_key, "it does not continue the beat before it"));
            }
            let header = match begin.header(Height(height)) {
                Some(header) => Some(header.clone()),
                None if height <= begin.height.0 => None,
                None => self.value::<Beat>(Cf::Beats, &range_key)?.map(|beat| beat.header),
            };
            let (mut hashes, mut leaves, mut is_whole) = (Vec::new(), Vec::new(), true);
            if height > begin.height.0 {
                registered = registered.turned();
            }
            for index in first.0..(first.0 + len).min(end) {
                let Some((receipt, hash, leaf)) = self.receipt(index, height, previous)? else {
                    (previous, is_whole) = (None, false);
                    (self.facts.blind, self.facts.receipts_missing) = (true, true);
                    continue;
                };
                if index == 0 {
                    begins(&receipt, genesis)?;
                }
                level = level_after(&receipt).unwrap_or(level);
                if let Some(told) = registered_by(&receipt)
                    && height > begin.height.0
                {
                    // An earlier change may be among the receipts that are missing.
                    let is_known = !self.facts.receipts_missing;
                    if is_known && (told.epoch, told.hash) != (registered.epoch, registered.hash) {
                        return Err(wrong(
                            Cf::Receipts,
                            &number_key(index),
                            "it does not tell the registered set that was there",
                        ));
                    }
                    registered = told;
                }
                if receipt.kind == ReceiptKind::CheckpointClosed {
                    self.facts.closed.push(Height(height));
                }
                previous = Some(hash);
                hashes.push(hash);
                leaves.push(leaf);
            }
            if end < first.0 + len {
                (previous, is_whole) = (None, false);
                (self.facts.blind, self.facts.receipts_missing) = (true, true);
            }
            if header.is_some_and(|header| is_whole && header.receipts_root != interval::root(&hashes)) {
                return Err(wrong(
                    Cf::Receipts,
                    &number_key(first.0),
                    format!("the receipts of beat {height} do not have its receipts root"),
                ));
            }
            if height >= begin.height.0 {
                self.facts.levels.insert(Height(height), (registered, level));
            }
            self.report.sampled_beats +=
                u64::from(height > begin.height.0 && level != Verification::FullAudit);
            leaves_by_beat.push(leaves);
            next = first.0 + len;
            if let Some(base) = begin.base.as_ref().filter(|base| base.tip.height.0 == height)
                && (base.tip.next_receipt.0 != next
                    || previous.is_some_and(|previous| previous != base.tip.previous_hash))
            {
                return Err(wrong(Cf::Meta, meta_key::BASE, "it does not end where its receipts end"));
            }
        }
        if next != count || previous.is_some_and(|previous| tip.previous_hash != previous) {
            return Err(wrong(Cf::Meta, meta_key::TIP, "it does not end where the receipts end"));
        }
        self.subjects(count)?;
        self.hidden(count)?;
        if !self.facts.receipts_missing {
            let (mut edge, mut tiles) = (begin.edge.clone(), Batch::default());
            edge.put(&mut tiles);
            for leaves in &leaves_by_beat {
                edge.append(leaves, &mut tiles);
            }
            self.tiles(tiles)?;
            self.edge(&edge)?;
        }
        Ok(())
    }

    fn receipt(
        &mut self,
        index: u64,
        height: u64,
        previous: Option<Hash>,
    ) -> Check<Option<(Receipt, Hash, Hash)>> {
        let key = number_key(index);
        let Some(bytes) = self.kv.get(Cf::Receipts, &key).map_err(|error| stored(&error))? else {
            // Noted before.
            return Ok(None);
        };
        let canonical = record::unwrap(Cf::Receipts, &key, &bytes).map_err(|error| stored(&error))?;
        let receipt = Receipt::from_canonical_bytes(canonical)
            .map_err(|error| wrong(Cf::Receipts, &key, error.to_string()))?;
        if receipt.index.0 != index || receipt.beat.0 != height {
            return Err(wrong(Cf::Receipts, &key, "it is not the receipt of this place"));
        }
        if previous.is_some_and(|previous| receipt.previous_hash != previous) {
            return Err(wrong(Cf::Receipts, &key, "it does not name the receipt before it"));
        }
        let subject = subject_key(&receipt.subject, receipt.index);
        if self.kv.get(Cf::Subjects, &subject).map_err(|error| stored(&error))?.is_none() {
            self.gap(Cf::Subjects, &subject, "it is missing");
        }
        self.facts.subjects.insert(subject);
        let is_salted = |field: &Field| matches!(field, Field::Map(map) if map.contains_key("salted"));
        if receipt.data.values().any(is_salted)
            && self.kv.get(Cf::Hidden, &key).map_err(|error| stored(&error))?.is_none()
        {
            self.report.hidden_dropped += 1;
        }
        self.report.receipts += 1;
        Ok(Some((receipt, Hash::sha3(canonical), history::leaf(canonical))))
    }

    /// No index record stands for a receipt that is not there.
    fn subjects(&self, count: u64) -> Check<()> {
        let mut finding = None;
        self.kv
            .scan(Cf::Subjects, &[], &mut |key, value| {
                let bad = |what: &str| Some(wrong(Cf::Subjects, key, what));
                let index = key.get(16..).and_then(|tail| tail.try_into().ok()).map(u64::from_be_bytes);
                // Of a missing receipt nobody knows what it is about.
                let may_be_missing = self.facts.receipts_missing && index.is_some_and(|index| index < count);
                finding = if record::unwrap(Cf::Subjects, key, value).is_ok_and(|payload| !payload.is_empty())
                {
                    // An index record is nothing but its key.
                    bad("it has a value")
                } else if !self.facts.subjects.contains(key) && !may_be_missing {
                    bad("there is no such receipt about this subject")
                } else {
                    None
                };
                if finding.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .map_err(|error| stored(&error))?;
        finding.map_or(Ok(()), Err)
    }

    /// The stored tiles are those that the receipts give.
    fn tiles(&mut self, batch: Batch) -> Check<()> {
        let mut expected = BTreeMap::new();
        for (_, key, value) in batch.writes {
            expected.insert(key, value);
        }
        let mut finding = None;
        self.kv
            .scan(Cf::Tiles, &[], &mut |key, value| match expected.remove(key) {
                Some(Some(tile)) if tile == value => ControlFlow::Continue(()),
                _ => {
                    finding = Some(wrong(Cf::Tiles, key, "it is not the tile that the receipts give"));
                    ControlFlow::Break(())
                }
            })
            .map_err(|error| stored(&error))?;
        if let Some(finding) = finding {
            return Err(finding);
        }
        if let Some(key) = expected.into_keys().next() {
            self.gap(Cf::Tiles, &key, "it is missing");
        }
        Ok(())
    }

    /// What is kept behind salted fields opens them.
    fn hidden(&mut self, count: u64) -> Check<()> {
        let mut kept = Vec::new();
        self.kv
            .scan(Cf::Hidden, &[], &mut |key, value| {
                kept.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .map_err(|error| stored(&error))?;
        for (key, value) in kept {
            let payload = record::unwrap(Cf::Hidden, &key, &value).map_err(|error| stored(&error))?;
            let bad = |what: &str| wrong(Cf::Hidden, &key, what);
            let fields: Vec<HiddenField> =
                serde_json::from_slice(payload).map_err(|e| bad(&e.to_string()))?;
            if serde_json::to_vec(&fields).ok().as_deref() != Some(payload) {
                return Err(bad("it is not in its one form"));
            }
            let index = <[u8; 8]>::try_from(key.as_slice()).map(u64::from_be_bytes).unwrap_or(u64::MAX);
            if index >= count {
                return Err(bad("there is no such receipt"));
            }
            let Some(receipt) = self.kv.get(Cf::Receipts, &key).map_err(|error| stored(&error))? else {
                continue;
            };
            let canonical = record::unwrap(Cf::Receipts, &key, &receipt).map_err(|error| stored(&error))?;
            let receipt = Receipt::from_canonical_bytes(canonical).map_err(|e| bad(&e.to_string()))?;
            if fields.is_empty()
                || fields.iter().any(|f| receipt.data.get(f.key.as_str()) != Some(&f.commitment()))
            {
                return Err(bad("it does not open the receipt's salted fields"));
            }
            self.report.hidden_kept += 1;
        }
        Ok(())
    }

    pub(super) fn checkpoints(&mut self, genesis: &Genesis, tip: &Tip, begin: &Begin) -> Check<()> {
        let (known, parent, first_beat, first_receipt) = begin.checkpoint;
        let end = self.contiguous(Cf::Checkpoints, known.max(1), tip.checkpoint.0)?;
        if known > 0 {
            let key = number_key(known);
            let stored: Option<Checkpoint> = self.value(Cf::Checkpoints, &key)?;
            if stored.is_some_and(|stored| !begin.is_known(&stored)) {
                return Err(wrong(Cf::Checkpoints, &key, "it is not the one that the snapshot began with"));
            }
        }
        let closed = known + self.facts.closed.len() as u64;
        if !self.facts.receipts_missing && closed != tip.checkpoint.0 {
            return Err(wrong(
                Cf::Meta,
                meta_key::TIP,
                format!("it counts {} checkpoints, the receipts {closed}", tip.checkpoint),
            ));
        }
        // None after a checkpoint that is missing.
        let mut before = Some((parent, first_beat, first_receipt));
        if end <= tip.checkpoint.0 {
            self.facts.blind = true;
        }
        for number in known + 1..end {
            let Some(checkpoint) = self.value::<Checkpoint>(Cf::Checkpoints, &number_key(number))? else {
                (before, self.facts.blind) = (None, true);
                continue;
            };
            before = Some(self.checkpoint(genesis, tip, begin, &checkpoint, number, before)?);
            self.report.checkpoints += 1;
        }
        let is_whole = end > tip.checkpoint.0;
        if before
            .filter(|_| is_whole)
            .is_some_and(|before| before != (tip.checkpoint_hash, tip.interval_beat, tip.interval_receipt))
        {
            return Err(wrong(Cf::Meta, meta_key::TIP, "it does not continue the last checkpoint"));
        }
        Ok(())
    }

    /// Checks one checkpoint; gives what the next one continues.
    fn checkpoint(
        &mut self,
        genesis: &Genesis,
        tip: &Tip,
        begin: &Begin,
        checkpoint: &Checkpoint,
        number: u64,
        before: Option<(Hash, Height, ReceiptIndex)>,
    ) -> Check<(Hash, Height, ReceiptIndex)> {
        let key = number_key(number);
        let bad = |what: &str| Err(wrong(Cf::Checkpoints, &key, what));
        let Checkpoint { first_beat, last_beat, first_receipt, receipt_count, .. } = *checkpoint;
        if checkpoint.version != checkpoint::VERSION
            || checkpoint.number != CheckpointNumber(number)
            || checkpoint.mesh != genesis.mesh
        {
            return bad("it is not this mesh's checkpoint of this number");
        }
        if let Some((parent, beat, receipt)) = before {
            if checkpoint.parent != parent {
                return bad("it does not continue the checkpoint before it");
            }
            if (first_beat, first_receipt) != (beat, receipt) {
                return bad("its interval does not begin where the one before it ended");
            }
        }
        if last_beat < first_beat || last_beat > tip.height {
            return bad("its interval does not end at a beat of this ledger");
        }
        let place = usize::try_from(number - begin.checkpoint.0 - 1).unwrap_or(usize::MAX);
        if !self.facts.receipts_missing && self.facts.closed.get(place) != Some(&last_beat) {
            return bad("its interval does not end where the receipts say");
        }
        let last_key = number_key(last_beat.0);
        let (first, len): (ReceiptIndex, u64) = self.needed(Cf::Ranges, &last_key)?;
        let end = first.saturating_add(len);
        if end.since(first_receipt) != receipt_count || checkpoint.history_size != end.0 {
            return bad("it counts its receipts wrong");
        }
        if !self.facts.receipts_missing {
            if checkpoint.interval_root != interval::root(&self.hashes(first_receipt, end)?) {
                return bad("its interval root does not cover its receipts");
            }
            // Read from the tiles, of which one may be missing.
            if self.report.first_gap.is_none() {
                let root = history::History::new(self.kv).root(checkpoint.history_size);
                if checkpoint.history_root != root.map_err(|error| stored(&error))? {
                    return bad("its history root does not cover the receipts up to it");
                }
            }
        }
        if let Some((registered, level)) = self.facts.levels.get(&last_beat)
            && self.report.first_gap.is_none()
        {
            if (checkpoint.set_epoch, checkpoint.set_hash, checkpoint.next_set_hash)
                != (registered.epoch, registered.hash, registered.next)
            {
                return bad("it does not tell the registered sets that the receipts tell");
            }
            if (checkpoint.verification_level, checkpoint.verification_fraction_ppm)
                != (level.code(), level.fraction_ppm())
            {
                return bad("it does not tell the verification level that was decided");
            }
        }
        let header = match begin.header(last_beat) {
            Some(header) => Some(header.clone()),
            None => self.value::<Beat>(Cf::Beats, &last_key)?.map(|beat| beat.header),
        };
        let agrees = header
            .is_none_or(|header| (checkpoint.app_hash, checkpoint.time) == (header.app_hash, header.time));
        if !agrees {
            return bad("it does not agree with its last beat");
        }
        Ok((checkpoint.hash(), last_beat.next(), end))
    }

    fn hashes(&self, first: ReceiptIndex, end: ReceiptIndex) -> Check<Vec<Hash>> {
        let mut hashes = Vec::new();
        for index in first.0..end.0 {
            let key = number_key(index);
            let value = self.kv.get(Cf::Receipts, &key).map_err(|error| stored(&error))?;
            let value = value.ok_or(Stop::Blind)?;
            let canonical = record::unwrap(Cf::Receipts, &key, &value).map_err(|error| stored(&error))?;
            hashes.push(Hash::sha3(canonical));
        }
        Ok(hashes)
    }

    pub(super) fn state(&mut self, tip: &Tip) -> Check<()> {
        let entries: Vec<(Column, Vec<u8>, Vec<u8>)> =
            crate::ledger::state_entries(self.kv).map_err(|error| stored(&error))?;
        self.report.state_entries = entries.len() as u64;
        if StateTree::of(entries.into_iter()).root() != tip.app_hash {
            return Err(wrong(
                Cf::State,
                &[],
                "the entries do not have the app hash of the last beat: one is changed, missing or too many",
            ));
        }
        Ok(())
    }
}

/// The first receipt is of this genesis.
fn begins(receipt: &Receipt, genesis: &Genesis) -> Check<()> {
    let is_of = receipt.kind == ReceiptKind::Genesis
        && receipt.data.get("genesis") == Some(&Field::text(genesis.hash()));
    if is_of {
        Ok(())
    } else {
        Err(wrong(Cf::Receipts, &number_key(0), "it is not the receipt of the stored genesis"))
    }
}

/// The registered sets around a beat that a receipt of it tells; such a receipt is
/// made at every level, when they differ.
fn registered_by(receipt: &Receipt) -> Option<RegisteredSet> {
    if receipt.kind != ReceiptKind::ValidatorsRegistered {
        return None;
    }
    let text = |key: &str| match receipt.data.get(key) {
        Some(Field::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    Some(RegisteredSet {
        epoch: text("epoch")?.parse().ok()?,
        hash: text("set")?.parse().ok()?,
        next: text("next_set")?.parse().ok()?,
    })
}

/// The level that a receipt says the owner has set. These receipts are made at
/// every level.
fn level_after(receipt: &Receipt) -> Option<Verification> {
    if receipt.kind != ReceiptKind::OwnerCommand || receipt.subject != "set_verification" {
        return None;
    }
    let Some(Field::Text(what)) = receipt.data.get("what") else { return None };
    match what.split_once(' ')? {
        ("none", _) => Some(Verification::None),
        ("full_audit", _) => Some(Verification::FullAudit),
        ("sample", fraction) => Some(Verification::Sample { fraction_ppm: fraction.parse().ok()? }),
        _ => None,
    }
}
