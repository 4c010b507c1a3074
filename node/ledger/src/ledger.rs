//! The ledger: one node's record of a mesh.

mod reading;

use crate::{
    history::{self, Edge},
    interval::{self, IntervalTree},
    kv::{Batch, Cf, Durability, Kv, StoreError},
    record,
    seal::{BeatMeta, Prepared},
    snapshot::{Base, Restored},
    state_tree::StateTree,
    trees::{self, Cut, Trees},
};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_circuits::native::Openings;
use phalanx_types::{
    Beat, Checkpoint, CommitCertificate, Genesis, Hash, Header, Height, LedgerMark, Receipt, ReceiptDraft,
    ReceiptIndex, RegisteredSet, TimeMs, ValidatorSet, checkpoint,
    state::{Column, StateChange},
    units::CheckpointNumber,
};
use std::{cmp::Ordering, ops::ControlFlow};

/// Version of the store's layout. A store of a newer one is refused.
pub const SCHEMA: u32 = 1;

/// Keys of the meta table.
pub(crate) mod meta_key {
    pub(crate) const SCHEMA: &[u8] = b"schema";
    pub(crate) const GENESIS: &[u8] = b"genesis";
    pub(crate) const TIP: &[u8] = b"tip";
    pub(crate) const EDGE: &[u8] = b"edge";
    /// Where a restored ledger begins; absent in one that began at genesis.
    pub(crate) const BASE: &[u8] = b"base";
    pub(crate) const ALL: [&[u8]; 5] = [SCHEMA, GENESIS, TIP, EDGE, BASE];
}

/// Where the ledger ends.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tip {
    /// Height of the last beat; 0 after genesis.
    pub height: Height,
    /// The last beat's header; none after genesis.
    pub header: Option<Header>,
    /// The last beat's id; the genesis hash after genesis.
    pub header_id: Hash,
    /// The last beat's certificate; none after genesis.
    pub certificate: Option<CommitCertificate>,
    /// The last beat's time; the genesis time after genesis.
    pub time: TimeMs,
    /// Index of the next receipt.
    pub next_receipt: ReceiptIndex,
    /// Hash of the last receipt.
    pub previous_hash: Hash,
    /// The state's hash.
    pub app_hash: Hash,
    /// Number of the last checkpoint; 0 when there is none.
    pub checkpoint: CheckpointNumber,
    /// Its hash; zero when there is none.
    pub checkpoint_hash: Hash,
    /// The audit digest of its last beat; zero when there is none.
    pub checkpoint_digest: Hash,
    /// First beat of the open interval.
    pub interval_beat: Height,
    /// First receipt of the open interval.
    pub interval_receipt: ReceiptIndex,
}

impl Tip {
    /// Where the ledger ends, as the next beat's state names it.
    #[must_use]
    pub const fn mark(&self) -> LedgerMark {
        LedgerMark {
            checkpoint: self.checkpoint,
            checkpoint_hash: self.checkpoint_hash,
            checkpoint_digest: self.checkpoint_digest,
            next_receipt: self.next_receipt,
            previous_hash: self.previous_hash,
        }
    }

    /// Goes on to the interval after a checkpoint.
    fn begin_interval(&mut self, closed: &Checkpoint, digest: Hash) {
        self.checkpoint = closed.number;
        self.checkpoint_hash = closed.hash();
        self.checkpoint_digest = digest;
        self.interval_beat = closed.last_beat.next();
        self.interval_receipt = ReceiptIndex(closed.history_size);
    }
}

/// Why a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store is newer than this program.
    #[error(
        "the store has layout {found}, this program knows up to {SCHEMA}: use a newer version of the program"
    )]
    Newer {
        /// Its layout.
        found: u32,
    },
    /// There is no ledger in the store.
    #[error("there is no ledger in this store: begin one with the mesh's genesis document")]
    Empty,
    /// The genesis does not hold together.
    #[error("the genesis document cannot begin a ledger: {0}")]
    Genesis(#[from] phalanx_types::genesis::GenesisError),
    /// Parts of the store contradict each other.
    #[error("the store contradicts itself: {0}; run `phalanx ledger fsck`")]
    Contradiction(String),
}

/// Sizes of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Beats decided.
    pub beats: u64,
    /// Receipts sealed.
    pub receipts: u64,
    /// Checkpoints cut.
    pub checkpoints: u64,
    /// State entries.
    pub state_entries: u64,
    /// Bytes of the state entries' keys and values.
    pub state_bytes: u64,
}

/// One node's record of a mesh.
#[derive(Debug)]
pub struct Ledger<K: Kv> {
    kv: K,
    genesis: Genesis,
    genesis_hash: Hash,
    tip: Tip,
    edge: Edge,
    open_interval: IntervalTree,
    state: StateTree,
    /// None until a beat is to be written.
    trees: Option<Trees>,
}

/// The key of a record that is numbered.
pub(crate) fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The key of a subject's index record: the first 16 bytes of SHA3-256 of the
/// subject, and the receipt's index.
pub(crate) fn subject_key(subject: &str, index: ReceiptIndex) -> Vec<u8> {
    let mut key = Hash::sha3(subject.as_bytes()).0.to_vec();
    key.truncate(16);
    key.extend_from_slice(&index.0.to_be_bytes());
    key
}

/// The key of a state entry: column, then key.
pub(crate) fn state_key(column: Column, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(column.0);
    full.extend_from_slice(key);
    full
}

pub(crate) fn put_value<T: BorshSerialize>(batch: &mut Batch, cf: Cf, key: &[u8], value: &T) {
    batch.put(cf, key, record::wrap_value(cf, key, value));
}

/// Puts a receipt and the record that finds it by its subject.
fn put_receipt(batch: &mut Batch, receipt: &Receipt, canonical: Vec<u8>) {
    let key = number_key(receipt.index.0);
    batch.put(Cf::Receipts, key, record::wrap(Cf::Receipts, &key, canonical));
    let subject = subject_key(&receipt.subject, receipt.index);
    let value = record::wrap(Cf::Subjects, &subject, Vec::new());
    batch.put(Cf::Subjects, subject, value);
}

pub(crate) fn get_value<T: BorshDeserialize>(
    kv: &impl Kv,
    cf: Cf,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    kv.get(cf, key)?.map(|stored| record::unwrap_value(cf, key, &stored)).transpose()
}

/// A checkpoint.
pub(crate) fn checkpoint(kv: &impl Kv, number: CheckpointNumber) -> Result<Option<Checkpoint>, StoreError> {
    get_value(kv, Cf::Checkpoints, &number_key(number.0))
}

/// The first checkpoint, up to the last one, whose interval holds the receipt.
pub(crate) fn checkpoint_of(
    kv: &impl Kv,
    last: CheckpointNumber,
    index: ReceiptIndex,
) -> Result<Option<Checkpoint>, StoreError> {
    let (mut low, mut high) = (1, last.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(found) = checkpoint(kv, CheckpointNumber(middle))? else {
            low = middle + 1;
            continue;
        };
        if found.history_size > index.0 { high = middle } else { low = middle + 1 }
    }
    checkpoint(kv, CheckpointNumber(low))
}

/// A receipt.
pub(crate) fn receipt(kv: &impl Kv, index: ReceiptIndex) -> Result<Option<Receipt>, StoreError> {
    let key = number_key(index.0);
    let Some(stored) = kv.get(Cf::Receipts, &key)? else { return Ok(None) };
    let canonical = record::unwrap(Cf::Receipts, &key, &stored)?;
    let read = Receipt::from_canonical_bytes(canonical);
    read.map(Some).map_err(|error| StoreError::damaged(Cf::Receipts, &key, error.to_string()))
}

/// The checkpoint that closes the open interval of `tip`, whose counts are those
/// after the beat.
fn close(
    mesh: Hash,
    tip: &Tip,
    meta: &BeatMeta,
    interval: &IntervalTree,
    edge: &Edge,
    cut: &Cut,
) -> Checkpoint {
    Checkpoint {
        version: checkpoint::VERSION,
        number: tip.checkpoint.saturating_add(1),
        parent: tip.checkpoint_hash,
        mesh,
        first_beat: tip.interval_beat,
        last_beat: meta.height,
        first_receipt: tip.interval_receipt,
        receipt_count: interval.len(),
        interval_root: interval.root(),
        history_root: edge.root(),
        history_size: edge.size(),
        app_hash: tip.app_hash,
        agents_root: cut.agents_root,
        audit_root: cut.audit_root,
        set_epoch: meta.registered.epoch,
        set_hash: meta.registered.hash,
        next_set_hash: meta.registered.next,
        verification_level: meta.verification.code(),
        verification_fraction_ppm: meta.verification.fraction_ppm(),
        time: meta.time,
    }
}

impl<K: Kv> Ledger<K> {
    /// Whether the store holds a ledger, or what is left of one: then a new one
    /// must not be begun over it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn exists(kv: &K) -> Result<bool, StoreError> {
        let mut found = false;
        kv.scan(Cf::Meta, &[], &mut |_, _| {
            found = true;
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// Begins a ledger with the receipts and the state of a genesis.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn create(
        kv: K,
        genesis: &Genesis,
        drafts: &[ReceiptDraft],
        changes: &[StateChange],
        first_set: &ValidatorSet,
    ) -> Result<Self, OpenError> {
        let genesis_hash = genesis.hash();
        let mut ledger = Self {
            kv,
            genesis: genesis.clone(),
            genesis_hash,
            tip: Tip {
                height: Height::ZERO,
                header: None,
                header_id: genesis_hash,
                certificate: None,
                time: genesis.time,
                next_receipt: ReceiptIndex::ZERO,
                previous_hash: Hash::ZERO,
                app_hash: Hash::ZERO,
                checkpoint: CheckpointNumber::ZERO,
                checkpoint_hash: Hash::ZERO,
                checkpoint_digest: Hash::ZERO,
                interval_beat: Height::ZERO,
                interval_receipt: ReceiptIndex::ZERO,
            },
            edge: Edge::default(),
            open_interval: IntervalTree::default(),
            state: StateTree::default(),
            trees: None,
        };
        let meta = BeatMeta {
            height: Height::ZERO,
            time: genesis.time,
            parent: Hash::ZERO,
            policy_version: 0,
            verification: genesis.verification,
            checkpoint_due: false,
            registered: RegisteredSet::first(&genesis.validators),
        };
        let prepared = ledger.prepare(&meta, drafts, changes);
        let mut batch = Batch::default();
        put_value(&mut batch, Cf::Meta, meta_key::SCHEMA, &SCHEMA);
        put_value(&mut batch, Cf::Meta, meta_key::GENESIS, genesis);
        put_value(&mut batch, Cf::Sets, &number_key(Height::FIRST.0), first_set);
        ledger.write(batch, prepared, ledger.tip.clone(), None)?;
        Ok(ledger)
    }

    /// Whether the store holds a ledger that this program can read.
    ///
    /// # Errors
    /// When there is none, one of a newer program, or what is left of one.
    pub fn check_layout(kv: &K) -> Result<(), OpenError> {
        if !Self::exists(kv)? {
            return Err(OpenError::Empty);
        }
        let schema: u32 = get_value(kv, Cf::Meta, meta_key::SCHEMA)?
            .ok_or_else(|| OpenError::Contradiction("its layout's number is missing".into()))?;
        match schema.cmp(&SCHEMA) {
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(OpenError::Newer { found: schema }),
            Ordering::Less => {
                Err(OpenError::Contradiction(format!("it has layout {schema}, which never was")))
            }
        }
    }

    /// Opens the ledger in a store.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(kv: K) -> Result<Self, OpenError> {
        Self::check_layout(&kv)?;
        let missing = |what: &str| OpenError::Contradiction(format!("its {what} is missing"));
        let genesis: Genesis =
            get_value(&kv, Cf::Meta, meta_key::GENESIS)?.ok_or_else(|| missing("genesis"))?;
        let tip: Tip = get_value(&kv, Cf::Meta, meta_key::TIP)?.ok_or_else(|| missing("tip"))?;
        let edge: Edge = get_value(&kv, Cf::Meta, meta_key::EDGE)?.ok_or_else(|| missing("tree edge"))?;
        let genesis_hash = genesis.hash();
        let mut ledger = Self {
            kv,
            genesis,
            genesis_hash,
            tip,
            edge,
            open_interval: IntervalTree::default(),
            state: StateTree::default(),
            trees: None,
        };
        if ledger.edge.size() != ledger.tip.next_receipt.0 {
            return Err(OpenError::Contradiction(
                "the tree edge and the tip count receipts differently".into(),
            ));
        }
        ledger.state = StateTree::of(ledger.state_entries()?.into_iter());
        if ledger.state.root() != ledger.tip.app_hash {
            return Err(OpenError::Contradiction("the state entries do not have the tip's app hash".into()));
        }
        let mut hashes = Vec::new();
        for index in ledger.tip.interval_receipt.0..ledger.tip.next_receipt.0 {
            let bytes = ledger.receipt_bytes(ReceiptIndex(index))?.ok_or_else(|| missing("open interval"))?;
            hashes.push(Hash::sha3(&bytes));
        }
        ledger.open_interval = IntervalTree::of(&hashes);
        Ok(ledger)
    }

    /// Goes on from a snapshot that was checked, in place of what the store holds:
    /// all of it in one synced batch. `meta` is what the restored state says of
    /// its beat; `openings` are all agents in it, and the actions since the last
    /// checkpoint.
    ///
    /// # Errors
    /// When the store cannot be read or written; then it is as it was.
    pub fn restore(
        &mut self,
        first_set: &ValidatorSet,
        meta: &BeatMeta,
        restored: Restored,
        openings: Openings,
    ) -> Result<(), StoreError> {
        let Restored { manifest, entries, canonical, parsed, leaves, previous_hash, checkpoint_digest } =
            restored;
        let mut batch = Batch::default();
        for cf in Cf::ALL {
            self.kv.scan(cf, &[], &mut |key, _| {
                batch.delete(cf, key);
                ControlFlow::Continue(())
            })?;
        }
        put_value(&mut batch, Cf::Meta, meta_key::SCHEMA, &SCHEMA);
        put_value(&mut batch, Cf::Meta, meta_key::GENESIS, &self.genesis);
        put_value(&mut batch, Cf::Sets, &number_key(Height::FIRST.0), first_set);
        for handover in &manifest.handovers {
            let key = number_key(handover.header.height.next().0);
            put_value(&mut batch, Cf::Sets, &key, &handover.next_set);
            put_value(&mut batch, Cf::Handovers, &key, &(&handover.header, &handover.certificate));
        }
        let header = manifest.header;
        let mut tip = Tip {
            height: header.height,
            header_id: header.id(),
            certificate: Some(manifest.certificate),
            time: header.time,
            next_receipt: ReceiptIndex::ZERO,
            previous_hash,
            app_hash: header.app_hash,
            checkpoint: CheckpointNumber::ZERO,
            checkpoint_hash: Hash::ZERO,
            checkpoint_digest,
            interval_beat: Height::ZERO,
            interval_receipt: ReceiptIndex::ZERO,
            header: Some(header.clone()),
        };
        if let Some(checkpoint) = &manifest.checkpoint {
            put_value(&mut batch, Cf::Checkpoints, &number_key(checkpoint.number.0), checkpoint);
            tip.begin_interval(checkpoint, checkpoint_digest);
        }
        trees::put_bindings(&openings, &mut batch);
        let trees = Trees::begin(Vec::new(), checkpoint_digest)?;
        trees.resume(openings, Vec::new())?;
        let mut edge = manifest.edge;
        edge.put(&mut batch);
        let base_edge = edge.clone();
        edge.append(&leaves, &mut batch);
        tip.next_receipt = ReceiptIndex(edge.size());
        let mut rest = canonical.iter().zip(&parsed).peekable();
        for height in tip.interval_beat.0..=header.height.0 {
            let first = rest.peek().map_or(tip.next_receipt, |(_, (receipt, _))| receipt.index);
            let mut hashes = Vec::new();
            while let Some((bytes, (receipt, hash))) = rest.next_if(|(_, (r, _))| r.beat.0 == height) {
                put_receipt(&mut batch, receipt, bytes.clone());
                hashes.push(*hash);
            }
            let range = (first, hashes.len() as u64);
            put_value(&mut batch, Cf::Ranges, &number_key(height), &range);
            trees.beat(Height(height), interval::root(&hashes), Openings::default())?;
        }
        let hashes: Vec<Hash> = parsed.iter().map(|(_, hash)| *hash).collect();
        let mut open_interval = IntervalTree::of(&hashes);
        let base = Base {
            edge: base_edge,
            checkpoint: manifest.checkpoint,
            tip: tip.clone(),
            registered: meta.registered,
            verification: meta.verification,
        };
        if meta.checkpoint_due {
            let cut = trees.cut()?;
            let closed = close(self.genesis.mesh, &tip, meta, &open_interval, &edge, &cut);
            put_value(&mut batch, Cf::Checkpoints, &number_key(closed.number.0), &closed);
            tip.begin_interval(&closed, cut.digest);
            cut.put(closed.number, &mut batch);
            open_interval = IntervalTree::default();
        }
        put_value(&mut batch, Cf::Meta, meta_key::BASE, &base);
        put_value(&mut batch, Cf::Meta, meta_key::TIP, &tip);
        put_value(&mut batch, Cf::Meta, meta_key::EDGE, &edge);
        for (column, key, value) in &entries {
            let key = state_key(*column, key);
            let value = record::wrap(Cf::State, &key, value.clone());
            batch.put(Cf::State, key, value);
        }
        self.kv.write(batch, Durability::Synced)?;
        self.state = StateTree::of(entries.into_iter());
        (self.tip, self.edge, self.open_interval) = (tip, edge, open_interval);
        self.trees = Some(trees);
        Ok(())
    }

    /// Tells what the state holds of agents and actions; to be called once after the
    /// ledger was opened, before its next beat.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn resume(&mut self, openings: Openings) -> Result<(), StoreError> {
        let trees = Trees::begin(trees::stored_leaves(&self.kv)?, self.tip.checkpoint_digest)?;
        let known = trees::known(&self.kv, &openings)?;
        trees.resume(openings, known)?;
        // After genesis there are the receipts of genesis.
        for height in self.tip.interval_beat.0..=self.tip.height.0 {
            if let Some(root) = self.receipts_root(Height(height))? {
                trees.beat(Height(height), root, Openings::default())?;
            }
        }
        self.trees = Some(trees);
        Ok(())
    }

    /// Where a restored ledger begins; none when it began at genesis.
    ///
    /// # Errors
    /// When the record is damaged or the store cannot be read.
    pub fn base(&self) -> Result<Option<Base>, StoreError> {
        get_value(&self.kv, Cf::Meta, meta_key::BASE)
    }

    /// The store.
    #[must_use]
    pub const fn kv(&self) -> &K {
        &self.kv
    }

    /// The genesis document.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Its hash.
    #[must_use]
    pub const fn genesis_hash(&self) -> Hash {
        self.genesis_hash
    }

    /// Where the ledger ends.
    #[must_use]
    pub const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Seals the receipts of the next beat and computes its roots. Writes and
    /// changes nothing (D2).
    #[must_use]
    pub fn prepare(&self, meta: &BeatMeta, drafts: &[ReceiptDraft], changes: &[StateChange]) -> Prepared {
        let state = self.state.preview(changes);
        Prepared::new(meta, self.tip.next_receipt, self.tip.previous_hash, drafts, changes, state)
    }

    /// Writes a decided beat, durably (D1). Gives the checkpoint that it closed.
    ///
    /// # Errors
    /// When it cannot be written. Then the node must stop and open the ledger
    /// anew: nobody knows what a half-failed disk holds.
    pub fn commit(
        &mut self,
        beat: &Beat,
        certificate: &CommitCertificate,
        prepared: Prepared,
        next_set: &ValidatorSet,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let header = &beat.header;
        let key = number_key(header.height.0);
        let mut batch = Batch::default();
        put_value(&mut batch, Cf::Beats, &key, beat);
        put_value(&mut batch, Cf::Certificates, &key, certificate);
        if header.next_validator_set != header.validator_set {
            let key = number_key(header.height.next().0);
            put_value(&mut batch, Cf::Sets, &key, next_set);
            put_value(&mut batch, Cf::Handovers, &key, &(header, certificate));
        }
        let tip = Tip {
            height: header.height,
            header_id: beat.id(),
            header: Some(header.clone()),
            certificate: Some(certificate.clone()),
            time: header.time,
            ..self.tip.clone()
        };
        self.write(batch, prepared, tip, Some(header))
    }

    /// Adds receipts, tiles, state and the checkpoint to `batch`, writes it, and
    /// then changes memory (D4). `tip` has the new beat but the old counts.
    fn write(
        &mut self,
        mut batch: Batch,
        prepared: Prepared,
        mut tip: Tip,
        header: Option<&Header>,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let Prepared { meta, receipts, sealed, changes, state, receipts_root, openings } = prepared;
        if header.is_some() && self.trees.is_none() {
            self.resume(Openings::default())?;
        }
        let first = tip.next_receipt;
        for (receipt, seal) in receipts.iter().zip(&sealed) {
            let key = number_key(receipt.index.0);
            put_receipt(&mut batch, receipt, seal.canonical.clone());
            if !seal.hidden.is_empty() {
                let payload = serde_json::to_vec(&seal.hidden).map_err(|e| StoreError::Io {
                    reason: format!("a hidden field cannot be encoded: {e}"),
                })?;
                batch.put(Cf::Hidden, key, record::wrap(Cf::Hidden, &key, payload));
            }
        }
        put_value(&mut batch, Cf::Ranges, &number_key(meta.height.0), &(first, sealed.len() as u64));
        for change in changes {
            let key = state_key(change.column, &change.key);
            match change.value {
                Some(value) => {
                    let value = record::wrap(Cf::State, &key, value);
                    batch.put(Cf::State, key, value);
                }
                None => batch.delete(Cf::State, key),
            }
        }
        let mut edge = self.edge.clone();
        let leaves: Vec<Hash> = sealed.iter().map(|seal| history::leaf(&seal.canonical)).collect();
        edge.append(&leaves, &mut batch);
        let hashes: Vec<Hash> = sealed.iter().map(|seal| seal.hash).collect();
        let mut interval = std::mem::take(&mut self.open_interval);
        interval.extend(&hashes);
        tip.next_receipt = first.saturating_add(sealed.len() as u64);
        tip.previous_hash = hashes.last().copied().unwrap_or(tip.previous_hash);
        tip.app_hash = state.root();
        let mut checkpoint = None;
        if let Some(trees) = &self.trees {
            trees::put_bindings(&openings, &mut batch);
            trees.beat(meta.height, receipts_root, openings)?;
            if meta.checkpoint_due {
                let cut = trees.cut()?;
                let closed = close(self.genesis.mesh, &tip, &meta, &interval, &edge, &cut);
                put_value(&mut batch, Cf::Checkpoints, &number_key(closed.number.0), &closed);
                tip.begin_interval(&closed, cut.digest);
                cut.put(closed.number, &mut batch);
                checkpoint = Some(closed);
            }
        }
        put_value(&mut batch, Cf::Meta, meta_key::TIP, &tip);
        put_value(&mut batch, Cf::Meta, meta_key::EDGE, &edge);
        if let Err(error) = self.kv.write(batch, Durability::Synced) {
            interval.take_back(&hashes);
            self.open_interval = interval;
            self.trees = None;
            return Err(error);
        }
        self.state.apply(state);
        self.open_interval = if checkpoint.is_some() { IntervalTree::default() } else { interval };
        (self.tip, self.edge) = (tip, edge);
        Ok(checkpoint)
    }

    /// Makes everything durable and gives up the store.
    ///
    /// # Errors
    /// When the last bytes cannot be written.
    pub fn close(self) -> Result<(), StoreError> {
        self.kv.flush()
    }
}

pub(crate) fn state_entries(kv: &impl Kv) -> Result<Vec<(Column, Vec<u8>, Vec<u8>)>, StoreError> {
    let mut entries = Vec::new();
    let mut failed = None;
    kv.scan(Cf::State, &[], &mut |key, stored| {
        let entry = record::unwrap(Cf::State, key, stored).and_then(|value| match key.split_first() {
            Some((column, rest)) => Ok((Column(*column), rest.to_vec(), value.to_vec())),
            None => Err(StoreError::damaged(Cf::State, key, "its key is empty")),
        });
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(entries), Err)
}
