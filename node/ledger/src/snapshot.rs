//! Snapshots: the state after a beat in chunks, each of which can be checked
//! alone, and what is needed to go on from there.
//!
//! A snapshot is a [`Manifest`] and its [`Part`]s. The manifest leads from the
//! first validator set, hand-over by hand-over, to the certificate of a header;
//! the header's app hash binds every chunk of the state; the state names where
//! the ledger ended before the beat ([`LedgerMark`]), and that binds the last
//! checkpoint, the edge of the history tree, and the receipts since then. So
//! nothing is taken on trust but the genesis.
//!
//! A restored ledger has no beats and receipts from before the snapshot. It
//! proves and serves what came after it.

use crate::{
    history::{self, Edge},
    interval,
    kv::{Kv, StoreError},
    ledger::{Ledger, Tip},
    state_tree::{StateTree, chunk_root, root_from_chunk},
};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_types::{
    Checkpoint, CommitCertificate, DecodeError, Hash, Header, Height, LedgerMark, Receipt, ReceiptIndex,
    RegisteredSet, ValidatorSet, decode_exact, encode,
    params::Verification,
    state::{BUCKETS, Column, bucket_of},
    units::CheckpointNumber,
};

/// Version of the format.
pub const VERSION: u16 = 1;
/// Longest manifest or part in bytes.
pub const PART_BYTES_MAX: usize = 12 << 20;
/// Bytes of a part that a maker aims at.
const PART_BYTES: usize = 1 << 20;
/// Most chunks of the state, as a power of two.
const CHUNK_BITS_MAX: u8 = 12;
/// Most receipts after the last checkpoint.
const RECEIPTS_MAX: u64 = 1 << 20;
/// Most bytes of a whole snapshot.
const SNAPSHOT_BYTES_MAX: usize = 8 << 30;

/// A state entry: column, key, value.
pub type Entry = (Column, Vec<u8>, Vec<u8>);

/// A header after which another set decides, who decided it, and that set.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Handover {
    /// The header whose next set differs from its own.
    pub header: Header,
    /// The precommits.
    pub certificate: CommitCertificate,
    /// That next set.
    pub next_set: ValidatorSet,
}

/// What a snapshot is of, and what binds it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u16,
    /// The genesis hash of the mesh.
    pub genesis: Hash,
    /// Header of the beat after which the state was taken.
    pub header: Header,
    /// Its precommits.
    pub certificate: CommitCertificate,
    /// Every change of the validator set up to the header, in order.
    pub handovers: Vec<Handover>,
    /// The checkpoint that the state names, if there is one.
    pub checkpoint: Option<Checkpoint>,
    /// The history tree's edge at that checkpoint.
    pub edge: Edge,
    /// Number of receipts after that checkpoint.
    pub receipts: u64,
    /// The state comes in `2^chunk_bits` chunks.
    pub chunk_bits: u8,
}

/// Names a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum PartId {
    /// A chunk of the state by its number.
    State(u32),
    /// Receipts from this one on.
    Receipts(ReceiptIndex),
}

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Part {
    /// Entries of consecutive buckets.
    State {
        /// Its number.
        number: u32,
        /// Hashes of the sibling nodes, from below, up to the app hash.
        path: Vec<Hash>,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// Canonical bytes of consecutive receipts.
    Receipts {
        /// Index of the first.
        first: ReceiptIndex,
        /// The receipts.
        receipts: Vec<Vec<u8>>,
    },
}

/// Why bytes are no snapshot of this mesh.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// They cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The format is newer.
    #[error("the snapshot has version {found}, this program knows {VERSION}: use a newer one")]
    Version {
        /// Its version.
        found: u16,
    },
    /// It is of another mesh.
    #[error("the snapshot is of the genesis {found}, this node's is {expected}")]
    OtherMesh {
        /// This node's genesis hash.
        expected: Hash,
        /// The snapshot's.
        found: Hash,
    },
    /// Something does not match.
    #[error("{part} of the snapshot: {what}")]
    Mismatch {
        /// Which part.
        part: String,
        /// What is wrong.
        what: String,
    },
}

fn mismatch(part: impl ToString, what: impl Into<String>) -> SnapshotError {
    SnapshotError::Mismatch { part: part.to_string(), what: what.into() }
}

impl Manifest {
    /// Reads the manifest of a ledger's tip. `mark` is what the state at the tip
    /// says of the ledger, `state_bytes` the size of that state.
    ///
    /// # Errors
    /// When the store is damaged, or the ledger has no beat yet.
    pub fn of<K: Kv>(
        ledger: &Ledger<K>,
        mark: &LedgerMark,
        state_bytes: usize,
    ) -> Result<Option<Self>, StoreError> {
        let tip = ledger.tip();
        let (Some(header), Some(certificate)) = (tip.header.clone(), tip.certificate.clone()) else {
            return Ok(None);
        };
        let checkpoint = ledger.checkpoint(mark.checkpoint)?;
        let size = checkpoint.as_ref().map_or(0, |c| c.history_size);
        let mut handovers = Vec::new();
        for height in ledger.set_changes_up_to(tip.height.next())? {
            if let (Some((header, certificate)), Some(next_set)) =
                (ledger.handover(height)?, ledger.validator_set(height)?)
            {
                handovers.push(Handover { header, certificate, next_set });
            }
        }
        let mut chunk_bits = 0;
        while chunk_bits < CHUNK_BITS_MAX && state_bytes >> chunk_bits > PART_BYTES {
            chunk_bits += 1;
        }
        Ok(Some(Self {
            version: VERSION,
            genesis: ledger.genesis_hash(),
            header,
            certificate,
            handovers,
            checkpoint,
            edge: ledger.history().edge(size)?,
            receipts: tip.next_receipt.0.saturating_sub(size),
            chunk_bits,
        }))
    }

    /// Index of the first receipt after the checkpoint.
    #[must_use]
    pub const fn first_receipt(&self) -> ReceiptIndex {
        ReceiptIndex(self.edge.size())
    }

    /// Checks everything but the parts, from the first validator set on.
    ///
    /// # Errors
    /// The first thing that does not match.
    pub fn verify(&self, genesis: Hash, mesh: Hash, first_set: &ValidatorSet) -> Result<(), SnapshotError> {
        if self.version != VERSION {
            return Err(SnapshotError::Version { found: self.version });
        }
        if self.genesis != genesis {
            return Err(SnapshotError::OtherMesh { expected: genesis, found: self.genesis });
        }
        let mut set = first_set;
        let mut last = Height::ZERO;
        for (at, handover) in self.handovers.iter().enumerate() {
            let part = format!("hand-over {at}");
            let header = &handover.header;
            if header.height <= last || header.height > self.header.height {
                return Err(mismatch(part, "it is not in order"));
            }
            if header.height == self.header.height {
                if at + 1 != self.handovers.len() {
                    return Err(mismatch(part, "another one follows it"));
                }
                break;
            }
            decided(&part, mesh, header, &handover.certificate, set)?;
            if header.next_validator_set != handover.next_set.hash() {
                return Err(mismatch(part, "its set is not the one that its header names"));
            }
            // The hash covers the members; the proposers are checked for form.
            handover.next_set.check().map_err(|error| mismatch(&part, error.to_string()))?;
            (set, last) = (&handover.next_set, header.height);
        }
        decided("the header", mesh, &self.header, &self.certificate, set)?;
        let at_header = self.handovers.iter().find(|h| h.header.height == self.header.height);
        let changes = self.header.next_validator_set != self.header.validator_set;
        match at_header {
            None if !changes => {}
            Some(h)
                if changes
                    && h.header == self.header
                    && h.certificate == self.certificate
                    && h.next_set.hash() == self.header.next_validator_set
                    && h.next_set.check().is_ok() => {}
            _ => return Err(mismatch("the last hand-over", "it is not the header's")),
        }
        if self.chunk_bits > CHUNK_BITS_MAX || self.receipts > RECEIPTS_MAX {
            return Err(mismatch("the manifest", "it has more parts than a snapshot may have"));
        }
        match &self.checkpoint {
            None if self.edge != Edge::default() => Err(mismatch("the edge", "it belongs to no checkpoint")),
            Some(c) if c.history_size != self.edge.size() || c.history_root != self.edge.root() => {
                Err(mismatch("the edge", "it does not have the checkpoint's history root"))
            }
            _ if !self.edge.is_shaped() => Err(mismatch("the edge", "its tiles do not have its size")),
            _ => Ok(()),
        }
    }
}

fn decided(
    part: &str,
    mesh: Hash,
    header: &Header,
    certificate: &CommitCertificate,
    set: &ValidatorSet,
) -> Result<(), SnapshotError> {
    if header.mesh != mesh || header.validator_set != set.hash() {
        return Err(mismatch(part, "it is of another mesh or another validator set"));
    }
    if (certificate.mesh, certificate.height, certificate.beat) != (mesh, header.height, header.id()) {
        return Err(mismatch(part, "its certificate is of another beat"));
    }
    certificate.verify(set).map_err(|error| mismatch(part, error.to_string()))
}

/// Cuts entries into the chunks of a state.
#[must_use]
pub fn cut(entries: Vec<Entry>, chunk_bits: u8) -> Vec<Part> {
    let bits = chunk_bits.min(CHUNK_BITS_MAX);
    let tree = StateTree::of(entries.iter().cloned());
    let width = BUCKETS >> bits;
    let mut chunks: Vec<Vec<Entry>> = vec![Vec::new(); 1 << bits];
    for entry in entries {
        let place = usize::from(bucket_of(entry.0, &entry.1)) / width;
        if let Some(chunk) = chunks.get_mut(place) {
            chunk.push(entry);
        }
    }
    (0..)
        .zip(chunks)
        .map(|(number, entries)| Part::State { number, path: tree.chunk_path(bits, number), entries })
        .collect()
}

/// Cuts receipts into parts.
#[must_use]
pub fn cut_receipts(first: ReceiptIndex, receipts: Vec<Vec<u8>>) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut at, mut bytes, mut open) = (first, 0, Vec::new());
    for receipt in receipts {
        bytes += receipt.len();
        open.push(receipt);
        if bytes >= PART_BYTES {
            let next = at.saturating_add(open.len() as u64);
            parts.push(Part::Receipts { first: at, receipts: std::mem::take(&mut open) });
            (at, bytes) = (next, 0);
        }
    }
    if !open.is_empty() {
        parts.push(Part::Receipts { first: at, receipts: open });
    }
    parts
}

/// A snapshot that arrives part by part, in order.
#[derive(Debug)]
pub struct Assembly {
    manifest: Manifest,
    chunks: u32,
    entries: Vec<Entry>,
    receipts: Vec<Vec<u8>>,
    bytes: usize,
}

impl Assembly {
    /// Begins with a manifest, which is checked.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn begin(
        bytes: &[u8],
        genesis: Hash,
        mesh: Hash,
        first_set: &ValidatorSet,
    ) -> Result<Self, SnapshotError> {
        let manifest: Manifest = decode_exact(bytes, PART_BYTES_MAX, "snapshot manifest")?;
        manifest.verify(genesis, mesh, first_set)?;
        Ok(Self { manifest, chunks: 0, entries: Vec::new(), receipts: Vec::new(), bytes: bytes.len() })
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The part that comes next; none when all are there.
    #[must_use]
    pub fn wanted(&self) -> Option<PartId> {
        let had = self.receipts.len() as u64;
        if self.chunks < 1 << self.manifest.chunk_bits {
            Some(PartId::State(self.chunks))
        } else if had < self.manifest.receipts {
            Some(PartId::Receipts(self.manifest.first_receipt().saturating_add(had)))
        } else {
            None
        }
    }

    /// Takes the wanted part.
    ///
    /// # Errors
    /// When it is another, or does not lead to the app hash; nothing of it is
    /// kept then.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > SNAPSHOT_BYTES_MAX {
            return Err(mismatch("the whole", format!("it has more than {SNAPSHOT_BYTES_MAX} bytes")));
        }
        match (decode_exact(bytes, PART_BYTES_MAX, "snapshot part")?, self.wanted()) {
            (Part::State { number, path, mut entries }, Some(PartId::State(wanted))) if number == wanted => {
                let bits = self.manifest.chunk_bits;
                let root = chunk_root(bits, number, &entries);
                let app_hash = root.and_then(|root| root_from_chunk(bits, number, root, &path));
                if app_hash != Some(self.manifest.header.app_hash) {
                    return Err(mismatch(
                        format!("state chunk {number}"),
                        "it does not lead to the app hash",
                    ));
                }
                self.entries.append(&mut entries);
                self.chunks += 1;
                Ok(())
            }
            (Part::Receipts { first, mut receipts }, Some(PartId::Receipts(wanted))) if first == wanted => {
                let room = self.manifest.receipts - self.receipts.len() as u64;
                if receipts.is_empty() || receipts.len() as u64 > room {
                    return Err(mismatch(format!("receipts from {first}"), "their number is wrong"));
                }
                self.receipts.append(&mut receipts);
                Ok(())
            }
            (_, wanted) => Err(mismatch("a part", format!("{wanted:?} is wanted, this is another"))),
        }
    }

    /// The state's entries, once all parts are there.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Checks checkpoint and receipts against what the state says of the ledger.
    ///
    /// # Errors
    /// The first thing that does not match.
    pub fn finish(self, mark: &LedgerMark) -> Result<Restored, SnapshotError> {
        let Self { manifest, entries, receipts, .. } = self;
        let named = manifest
            .checkpoint
            .as_ref()
            .map_or((CheckpointNumber::ZERO, Hash::ZERO), |c| (c.number, c.hash()));
        if named != (mark.checkpoint, mark.checkpoint_hash) {
            return Err(mismatch("the checkpoint", "it is not the one that the state names"));
        }
        let mut parsed = Vec::with_capacity(receipts.len());
        let mut previous = None;
        let mut index = manifest.first_receipt();
        let (mut beat_hashes, mut leaves) = (Vec::new(), Vec::new());
        let mut beat = manifest.checkpoint.as_ref().map_or(Height::ZERO, |c| c.last_beat.next());
        for canonical in &receipts {
            let part = format!("receipt {index}");
            let receipt = Receipt::from_canonical_bytes(canonical)
                .map_err(|error| mismatch(&part, error.to_string()))?;
            if index == mark.next_receipt && previous.is_some_and(|p| p != mark.previous_hash) {
                return Err(mismatch(part, "the one before it is not the one that the state names"));
            }
            let follows = previous.is_none_or(|p| p == receipt.previous_hash)
                && (index != mark.next_receipt || receipt.previous_hash == mark.previous_hash);
            let is_last_beat = receipt.beat == manifest.header.height;
            if receipt.index != index
                || !follows
                || receipt.beat < beat
                || receipt.beat > manifest.header.height
                || is_last_beat != (index >= mark.next_receipt)
            {
                return Err(mismatch(part, "it does not continue the one before it"));
            }
            let hash = Hash::sha3(canonical);
            if is_last_beat {
                beat_hashes.push(hash);
            }
            leaves.push(history::leaf(canonical));
            previous = Some(hash);
            beat = receipt.beat;
            index = index.saturating_add(1);
            parsed.push((receipt, hash));
        }
        if index < mark.next_receipt
            || (index == mark.next_receipt && previous.is_some_and(|p| p != mark.previous_hash))
        {
            return Err(mismatch("the receipts", "they do not reach where the state says the ledger ended"));
        }
        if interval::root(&beat_hashes) != manifest.header.receipts_root {
            return Err(mismatch("the last beat's receipts", "they do not have its receipts root"));
        }
        Ok(Restored {
            previous_hash: previous.unwrap_or(mark.previous_hash),
            checkpoint_digest: mark.checkpoint_digest,
            manifest,
            entries,
            canonical: receipts,
            parsed,
            leaves,
        })
    }
}

/// A snapshot that was checked.
#[derive(Debug)]
pub struct Restored {
    pub(crate) manifest: Manifest,
    pub(crate) entries: Vec<Entry>,
    pub(crate) canonical: Vec<Vec<u8>>,
    pub(crate) parsed: Vec<(Receipt, Hash)>,
    pub(crate) leaves: Vec<Hash>,
    pub(crate) previous_hash: Hash,
    pub(crate) checkpoint_digest: Hash,
}

impl Restored {
    /// The header of its beat.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.manifest.header
    }

    /// Height of its beat.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.manifest.header.height
    }
}

/// Where a restored ledger begins.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Base {
    /// The tip that it was restored to.
    pub tip: Tip,
    /// The history tree's edge before the first receipt that is there.
    pub edge: Edge,
    /// The checkpoint before that receipt.
    pub checkpoint: Option<Checkpoint>,
    /// The registered validators around the tip's beat.
    pub registered: RegisteredSet,
    /// How much was receipted from there on.
    pub verification: Verification,
}

/// The part of a snapshot's `parts` with this id.
#[must_use]
pub fn find<'a>(parts: &'a [Part], id: &PartId) -> Option<&'a Part> {
    parts.iter().find(|part| match (part, id) {
        (Part::State { number, .. }, PartId::State(wanted)) => number == wanted,
        (Part::Receipts { first, .. }, PartId::Receipts(wanted)) => first == wanted,
        _ => false,
    })
}

/// The encoding of a part.
#[must_use]
pub fn encode_part(part: &Part) -> Vec<u8> {
    encode(part)
}
