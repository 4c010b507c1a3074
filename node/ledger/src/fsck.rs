//! Checks everything in a store, from bytes to checkpoints, and names the first
//! thing that is wrong.
//!
//! There are two verdicts. *Integrity*: what is there is what was decided.
//! *Completeness*: nothing that was decided is missing. Values behind salted
//! fields may be dropped; they are counted and are no fault.

use crate::{
    history::{self, Edge},
    interval,
    kv::{Batch, Cf, Kv, StoreError},
    ledger::{SCHEMA, Tip, get_value, meta_key, number_key, subject_key},
    record,
    state_tree::StateTree,
};
use phalanx_types::{
    Beat, Checkpoint, CommitCertificate, Genesis, Hash, Height, Receipt, ReceiptIndex, ValidatorSet,
    beat::inputs_root, receipt::HiddenField, state::Column, units::CheckpointNumber,
};
use std::ops::ControlFlow;

/// What is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{table} {key}: {what}")]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// The record's key, in hex, or what stands for it.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// Whether something is missing rather than wrong.
    pub is_gap: bool,
}

/// The outcome of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// What is there is what was decided.
    pub integrity: bool,
    /// Nothing that was decided is missing.
    pub completeness: bool,
    /// The first thing that is wrong.
    pub first: Option<Finding>,
    /// Beats checked.
    pub beats: u64,
    /// Receipts checked.
    pub receipts: u64,
    /// Checkpoints checked.
    pub checkpoints: u64,
    /// State entries checked.
    pub state_entries: u64,
    /// Signatures checked.
    pub signatures: u64,
    /// Receipts whose salted values are still kept.
    pub hidden_kept: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.integrity && self.completeness
    }
}

type Check<T> = Result<T, Finding>;

fn wrong(cf: Cf, key: &[u8], what: impl Into<String>) -> Finding {
    Finding { table: cf.name(), key: hex::encode(key), what: what.into(), is_gap: false }
}

fn gap(cf: Cf, key: &[u8], what: impl Into<String>) -> Finding {
    Finding { is_gap: true, ..wrong(cf, key, what) }
}

fn stored(error: &StoreError) -> Finding {
    match error {
        StoreError::Damaged { cf, key, reason } => {
            Finding { table: cf.name(), key: key.clone(), what: reason.clone(), is_gap: false }
        }
        other => Finding { table: "store", key: String::new(), what: other.to_string(), is_gap: false },
    }
}

/// Checks a store.
#[must_use]
pub fn fsck(kv: &impl Kv) -> Report {
    let mut report = Report::default();
    let checked = Run { kv, report: &mut report }.all();
    match checked {
        Ok(()) => {
            report.integrity = true;
            report.completeness = true;
        }
        Err(finding) => {
            report.integrity = finding.is_gap;
            report.completeness = !finding.is_gap;
            report.first = Some(finding);
        }
    }
    report
}

struct Run<'a, K: Kv> {
    kv: &'a K,
    report: &'a mut Report,
}

impl<K: Kv> Run<'_, K> {
    fn all(&mut self) -> Check<()> {
        self.checksums()?;
        let genesis = self.meta()?;
        let tip: Tip = self.value(Cf::Meta, meta_key::TIP)?;
        self.beats(&genesis, &tip)?;
        let edge = self.receipts(&tip)?;
        self.checkpoints(&genesis, &tip)?;
        self.state(&tip)?;
        let kept: Edge = self.value(Cf::Meta, meta_key::EDGE)?;
        if kept != edge {
            return Err(wrong(Cf::Meta, meta_key::EDGE, "it is not the edge of the stored receipts"));
        }
        Ok(())
    }

    fn value<T: borsh::BorshDeserialize>(&self, cf: Cf, key: &[u8]) -> Check<T> {
        get_value(self.kv, cf, key)
            .map_err(|error| stored(&error))?
            .ok_or_else(|| gap(cf, key, "it is missing"))
    }

    /// Every record's checksum, and that no table has a key that it cannot have.
    fn checksums(&self) -> Check<()> {
        for cf in Cf::ALL {
            let mut bad = None;
            self.kv
                .scan(cf, &[], &mut |key, value| {
                    let shape = match cf {
                        Cf::Meta => [meta_key::SCHEMA, meta_key::GENESIS, meta_key::TIP, meta_key::EDGE]
                            .contains(&key),
                        Cf::Subjects => key.len() == 24,
                        Cf::Tiles => key.len() == 9,
                        Cf::State => !key.is_empty(),
                        _ => key.len() == 8,
                    };
                    bad = if shape {
                        record::unwrap(cf, key, value).err().map(|error| stored(&error))
                    } else {
                        Some(wrong(cf, key, "no record has such a key"))
                    };
                    if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .map_err(|error| stored(&error))?;
            if let Some(finding) = bad {
                return Err(finding);
            }
        }
        Ok(())
    }

    fn meta(&self) -> Check<Genesis> {
        let schema: u32 = self.value(Cf::Meta, meta_key::SCHEMA)?;
        if schema != SCHEMA {
            return Err(wrong(Cf::Meta, meta_key::SCHEMA, format!("the layout is {schema}, not {SCHEMA}")));
        }
        let genesis: Genesis = self.value(Cf::Meta, meta_key::GENESIS)?;
        genesis.check().map_err(|error| wrong(Cf::Meta, meta_key::GENESIS, error.to_string()))?;
        Ok(genesis)
    }

    /// Counts a table and checks that its numbers run from `first` to `last`.
    fn contiguous(&self, cf: Cf, first: u64, last: u64) -> Check<()> {
        let mut next = first;
        let mut finding = None;
        self.kv
            .scan(cf, &[], &mut |key, _| {
                if key != number_key(next).as_slice() || next > last {
                    finding = Some(if next <= last && key > number_key(next).as_slice() {
                        gap(cf, &number_key(next), "it is missing")
                    } else {
                        wrong(cf, key, "no such record belongs here")
                    });
                    return ControlFlow::Break(());
                }
                next += 1;
                ControlFlow::Continue(())
            })
            .map_err(|error| stored(&error))?;
        match finding {
            Some(finding) => Err(finding),
            None if next != last + 1 => Err(gap(cf, &number_key(next), "it is missing")),
            None => Ok(()),
        }
    }

    /// The chain of beats, their certificates, inputs and validator sets.
    fn beats(&mut self, genesis: &Genesis, tip: &Tip) -> Check<()> {
        self.contiguous(Cf::Beats, 1, tip.height.0)?;
        self.contiguous(Cf::Certificates, 1, tip.height.0)?;
        self.contiguous(Cf::Ranges, 0, tip.height.0)?;
        let mut set: ValidatorSet = self.value(Cf::Sets, &number_key(1))?;
        let mut sets = 1;
        let (mut parent, mut time) = (genesis.hash(), genesis.time);
        let mut certificate_before: Option<CommitCertificate> = None;
        for height in 1..=tip.height.0 {
            let key = number_key(height);
            let beat: Beat = self.value(Cf::Beats, &key)?;
            let certificate: CommitCertificate = self.value(Cf::Certificates, &key)?;
            let header = &beat.header;
            let bad = |what: &str| Err(wrong(Cf::Beats, &key, what));
            if header.mesh != genesis.mesh || header.height != Height(height) {
                return bad("it is not the beat of this mesh and height");
            }
            if header.parent != parent {
                return bad("it does not name the beat before it as its parent");
            }
            if header.time <= time {
                return bad("its time is not after its parent's");
            }
            if header.inputs_root != inputs_root(&beat.envelopes, &beat.evidence) {
                return bad("its inputs root does not cover its inputs");
            }
            let carried = beat.parent_certificate.as_ref();
            if header.parent_certificate != carried.map_or(Hash::ZERO, CommitCertificate::hash) {
                return bad("its parent certificate is not the one its header names");
            }
            if carried.map(|c| (c.height, c.beat)) != certificate_before.as_ref().map(|c| (c.height, c.beat))
            {
                return bad("its parent certificate is of another beat");
            }
            for signed in &beat.envelopes {
                if !signed.verify_signature(&signed.envelope.id()) {
                    return bad("one of its envelopes has a wrong signature");
                }
                self.report.signatures += 1;
            }
            if header.validator_set != set.hash() {
                return bad("its validator set is not the one stored for this height");
            }
            if certificate.beat != beat.id()
                || certificate.height != header.height
                || certificate.mesh != genesis.mesh
            {
                return Err(wrong(Cf::Certificates, &key, "it is not of the stored beat"));
            }
            certificate.verify(&set).map_err(|error| wrong(Cf::Certificates, &key, error.to_string()))?;
            self.report.signatures += certificate.signatures.len() as u64;
            if header.next_validator_set != header.validator_set {
                set = self.value(Cf::Sets, &number_key(height + 1))?;
                sets += 1;
                if set.hash() != header.next_validator_set {
                    return Err(wrong(
                        Cf::Sets,
                        &number_key(height + 1),
                        "it is not the set that the beat before it named",
                    ));
                }
            }
            (parent, time) = (beat.id(), header.time);
            if height == tip.height.0 {
                let same = tip.header.as_ref() == Some(header)
                    && tip.header_id == beat.id()
                    && tip.certificate.as_ref() == Some(&certificate)
                    && tip.time == header.time
                    && tip.app_hash == header.app_hash;
                if !same {
                    return Err(wrong(Cf::Meta, meta_key::TIP, "it is not the last stored beat"));
                }
            }
            certificate_before = Some(certificate);
            self.report.beats += 1;
        }
        if tip.height == Height::ZERO && (tip.header_id != genesis.hash() || tip.time != genesis.time) {
            return Err(wrong(Cf::Meta, meta_key::TIP, "it is not the genesis"));
        }
        let mut found = 0;
        self.kv
            .scan(Cf::Sets, &[], &mut |_, _| {
                found += 1;
                ControlFlow::Continue(())
            })
            .map_err(|error| stored(&error))?;
        if found != sets {
            return Err(wrong(Cf::Sets, &[], format!("{found} sets are stored, {sets} were decided")));
        }
        Ok(())
    }

    /// The chain of receipts, their roots, their index and the history tree.
    fn receipts(&mut self, tip: &Tip) -> Check<Edge> {
        let count = tip.next_receipt.0;
        if count == 0 {
            return Err(gap(Cf::Receipts, &number_key(0), "there is no genesis receipt"));
        }
        self.contiguous(Cf::Receipts, 0, count - 1)?;
        let (mut previous, mut next) = (Hash::ZERO, 0);
        let mut edge = Edge::default();
        let mut tiles = Batch::default();
        for height in 0..=tip.height.0 {
            let range_key = number_key(height);
            let (first, len): (ReceiptIndex, u64) = self.value(Cf::Ranges, &range_key)?;
            if first.0 != next || len > count - next {
                return Err(wrong(Cf::Ranges, &range_key, "it does not continue the beat before it"));
            }
            let header =
                if height == 0 { None } else { Some(self.value::<Beat>(Cf::Beats, &range_key)?.header) };
            let (mut hashes, mut leaves) = (Vec::new(), Vec::new());
            for index in first.0..first.0 + len {
                let (hash, leaf) = self.receipt(index, height, previous)?;
                previous = hash;
                hashes.push(hash);
                leaves.push(leaf);
            }
            edge.append(&leaves, &mut tiles);
            if let Some(header) = header
                && header.receipts_root != interval::root(&hashes)
            {
                return Err(wrong(
                    Cf::Receipts,
                    &number_key(first.0),
                    format!("the receipts of beat {height} do not have its receipts root"),
                ));
            }
            next = first.0 + len;
        }
        if next != count || tip.previous_hash != previous {
            return Err(wrong(Cf::Meta, meta_key::TIP, "it does not end where the receipts end"));
        }
        self.subjects(count)?;
        self.tiles(tiles)?;
        self.hidden(count)?;
        Ok(edge)
    }

    fn receipt(&mut self, index: u64, height: u64, previous: Hash) -> Check<(Hash, Hash)> {
        let key = number_key(index);
        let bytes = self
            .kv
            .get(Cf::Receipts, &key)
            .map_err(|error| stored(&error))?
            .ok_or_else(|| gap(Cf::Receipts, &key, "it is missing"))?;
        let canonical = record::unwrap(Cf::Receipts, &key, &bytes).map_err(|error| stored(&error))?;
        let receipt = Receipt::from_canonical_bytes(canonical)
            .map_err(|error| wrong(Cf::Receipts, &key, error.to_string()))?;
        if receipt.index.0 != index || receipt.beat.0 != height {
            return Err(wrong(Cf::Receipts, &key, "it is not the receipt of this place"));
        }
        if receipt.previous_hash != previous {
            return Err(wrong(Cf::Receipts, &key, "it does not name the receipt before it"));
        }
        let subject = subject_key(&receipt.subject, receipt.index);
        if self.kv.get(Cf::Subjects, &subject).map_err(|error| stored(&error))?.is_none() {
            return Err(gap(Cf::Subjects, &subject, "it is missing"));
        }
        self.report.receipts += 1;
        Ok((Hash::sha3(canonical), history::leaf(canonical)))
    }

    fn subjects(&self, count: u64) -> Check<()> {
        let (mut found, mut full) = (0, None);
        self.kv
            .scan(Cf::Subjects, &[], &mut |key, value| {
                found += 1;
                // An index record is nothing but its key.
                if record::unwrap(Cf::Subjects, key, value).is_ok_and(|payload| !payload.is_empty()) {
                    full = Some(wrong(Cf::Subjects, key, "it has a value"));
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })
            .map_err(|error| stored(&error))?;
        match full {
            Some(finding) => Err(finding),
            None if found != count => {
                Err(wrong(Cf::Subjects, &[], format!("{found} records stand for {count} receipts")))
            }
            None => Ok(()),
        }
    }

    /// The stored tiles are those that the receipts give.
    fn tiles(&self, batch: Batch) -> Check<()> {
        let mut expected = std::collections::BTreeMap::new();
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
        match (finding, expected.into_keys().next()) {
            (Some(finding), _) => Err(finding),
            (None, Some(key)) => Err(gap(Cf::Tiles, &key, "it is missing")),
            (None, None) => Ok(()),
        }
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
            let stored_receipt = self
                .kv
                .get(Cf::Receipts, &key)
                .map_err(|error| stored(&error))?
                .ok_or_else(|| gap(Cf::Receipts, &key, "it is missing"))?;
            let canonical =
                record::unwrap(Cf::Receipts, &key, &stored_receipt).map_err(|error| stored(&error))?;
            let receipt = Receipt::from_canonical_bytes(canonical).map_err(|e| bad(&e.to_string()))?;
            if fields.is_empty() || fields.iter().any(|f| receipt.data.get(&f.key) != Some(&f.commitment())) {
                return Err(bad("it does not open the receipt's salted fields"));
            }
            self.report.hidden_kept += 1;
        }
        Ok(())
    }

    fn checkpoints(&mut self, genesis: &Genesis, tip: &Tip) -> Check<()> {
        self.contiguous(Cf::Checkpoints, 1, tip.checkpoint.0)?;
        let (mut parent, mut first_beat, mut first_receipt) = (Hash::ZERO, Height::ZERO, ReceiptIndex::ZERO);
        let history = history::History::new(self.kv);
        for number in 1..=tip.checkpoint.0 {
            let key = number_key(number);
            let checkpoint: Checkpoint = self.value(Cf::Checkpoints, &key)?;
            let bad = |what: &str| Err(wrong(Cf::Checkpoints, &key, what));
            let Checkpoint { last_beat, receipt_count, .. } = checkpoint;
            if checkpoint.number != CheckpointNumber(number)
                || checkpoint.parent != parent
                || checkpoint.mesh != genesis.mesh
            {
                return bad("it does not continue the checkpoint before it");
            }
            if checkpoint.first_beat != first_beat
                || checkpoint.first_receipt != first_receipt
                || last_beat < first_beat
                || last_beat > tip.height
            {
                return bad("its interval does not begin where the one before it ended");
            }
            let beat: Beat = self.value(Cf::Beats, &number_key(last_beat.0))?;
            let (first, len): (ReceiptIndex, u64) = self.value(Cf::Ranges, &number_key(last_beat.0))?;
            let end = first.saturating_add(len);
            if end.since(first_receipt) != receipt_count || checkpoint.history_size != end.0 {
                return bad("it counts its receipts wrong");
            }
            let mut hashes = Vec::new();
            for index in first_receipt.0..end.0 {
                let key = number_key(index);
                let value = self.kv.get(Cf::Receipts, &key).map_err(|error| stored(&error))?;
                let value = value.ok_or_else(|| gap(Cf::Receipts, &key, "it is missing"))?;
                hashes.push(Hash::sha3(
                    record::unwrap(Cf::Receipts, &key, &value).map_err(|error| stored(&error))?,
                ));
            }
            if checkpoint.interval_root != interval::root(&hashes) {
                return bad("its interval root does not cover its receipts");
            }
            if checkpoint.history_root
                != history.root(checkpoint.history_size).map_err(|error| stored(&error))?
            {
                return bad("its history root does not cover the receipts up to it");
            }
            let header = &beat.header;
            if checkpoint.app_hash != header.app_hash
                || checkpoint.set_hash != header.validator_set
                || checkpoint.next_set_hash != header.next_validator_set
                || checkpoint.time != header.time
            {
                return bad("it does not agree with its last beat");
            }
            (parent, first_beat, first_receipt) = (checkpoint.hash(), last_beat.next(), end);
            self.report.checkpoints += 1;
        }
        if tip.checkpoint_hash != parent
            || tip.interval_beat != first_beat
            || tip.interval_receipt != first_receipt
        {
            return Err(wrong(Cf::Meta, meta_key::TIP, "it does not continue the last checkpoint"));
        }
        Ok(())
    }

    fn state(&mut self, tip: &Tip) -> Check<()> {
        let entries: Vec<(Column, Vec<u8>, Vec<u8>)> =
            crate::ledger::state_entries(self.kv).map_err(|error| stored(&error))?;
        self.report.state_entries = entries.len() as u64;
        if StateTree::of(entries.into_iter()).root() != tip.app_hash {
            return Err(wrong(Cf::State, &[], "the entries do not have the app hash of the last beat"));
        }
        Ok(())
    }
}
