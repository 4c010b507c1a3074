//! Snapshots of a replica: offering them, taking them over, and their files.

use phalanx_fabric::{Fabric, LoadError};
use phalanx_ledger::{
    BeatMeta, Kv, Ledger, StoreError,
    snapshot::{self, Assembly, Manifest, Part, PartId, Restored, SnapshotError},
};
use phalanx_types::{
    DecodeError, Genesis, Hash, Header, Height, ReceiptIndex, ValidatorSet, codec, decode_exact, encode,
    genesis::GenesisError,
};
use std::sync::OnceLock;

/// Longest question for a snapshot in bytes.
pub const QUERY_BYTES_MAX: usize = 64;
/// The first line of a snapshot file.
pub const FILE_HEAD: &[u8] = b"phalanx-snapshot/v1\n";
/// What a state entry is taken to have in bytes, to choose the number of chunks.
const ENTRY_BYTES: usize = 512;

/// A question to one who offers a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub enum Query {
    /// For the manifest of the newest one.
    Manifest,
    /// For a part of the one after this beat.
    Part {
        /// The snapshot's beat.
        height: Height,
        /// Which part.
        part: PartId,
    },
}

/// Why a snapshot cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It is no snapshot of this mesh.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Its entries are no state.
    #[error("the snapshot's state cannot be loaded: {0}")]
    State(#[from] LoadError),
    /// The state is not the one after the snapshot's beat.
    #[error("the snapshot's state says of itself another {0} than its header")]
    Beat(&'static str),
    /// The genesis document is no basis.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The file is no snapshot file.
    #[error("this is no snapshot file: {0}")]
    File(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A snapshot of a replica. Cheap to make; it is cut into parts when somebody
/// first asks for one, which takes a while and needs no lock on the replica.
#[derive(Debug)]
pub struct Offered {
    /// Its manifest.
    pub manifest: Manifest,
    /// The state.
    pub fabric: Fabric,
    receipts: Vec<Vec<u8>>,
    parts: OnceLock<Vec<Part>>,
}

impl Offered {
    /// The snapshot after a ledger's last beat; none before the first.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn of<K: Kv>(ledger: &Ledger<K>, fabric: &Fabric) -> Result<Option<Self>, StoreError> {
        let state_bytes = fabric.entries_len().saturating_mul(ENTRY_BYTES);
        let Some(manifest) = Manifest::of(ledger, &fabric.ledger_mark(), state_bytes)? else {
            return Ok(None);
        };
        let first = manifest.first_receipt();
        let mut receipts = Vec::new();
        for index in first.0..ledger.tip().next_receipt.0 {
            receipts.extend(ledger.receipt_bytes(ReceiptIndex(index))?);
        }
        Ok(Some(Self { manifest, fabric: fabric.clone(), receipts, parts: OnceLock::new() }))
    }

    /// Its beat.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.manifest.header.height
    }

    fn parts(&self) -> &[Part] {
        self.parts.get_or_init(|| {
            let mut parts = snapshot::cut(self.fabric.entries(), self.manifest.chunk_bits);
            parts.extend(snapshot::cut_receipts(self.manifest.first_receipt(), self.receipts.clone()));
            parts
        })
    }

    /// The answer to a question; empty when it has no such part.
    #[must_use]
    pub fn answer(&self, query: &Query) -> Vec<u8> {
        match query {
            Query::Manifest => encode(&self.manifest),
            Query::Part { height, part } if *height == self.height() => {
                snapshot::find(self.parts(), part).map(encode).unwrap_or_default()
            }
            Query::Part { .. } => Vec::new(),
        }
    }

    /// The whole as a file: the head line, then manifest and parts, each after
    /// its length as u32 little-endian.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        let mut file = FILE_HEAD.to_vec();
        let mut put = |bytes: Vec<u8>| {
            file.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
            file.extend_from_slice(&bytes);
        };
        put(encode(&self.manifest));
        self.parts().iter().for_each(|part| put(encode(part)));
        file
    }
}

/// A node that takes a snapshot over, part by part.
#[derive(Debug)]
pub struct Joining {
    genesis: Hash,
    mesh: Hash,
    first_set: ValidatorSet,
    assembly: Option<Assembly>,
}

/// A snapshot that was checked, with its state.
#[derive(Debug)]
pub struct Joined {
    pub(crate) fabric: Fabric,
    pub(crate) first_set: ValidatorSet,
    pub(crate) meta: BeatMeta,
    pub(crate) restored: Restored,
}

impl Joined {
    /// The header of that beat.
    #[must_use]
    pub const fn header(&self) -> &Header {
        self.restored.header()
    }

    /// The state after it.
    #[must_use]
    pub const fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// The beat after which it goes on.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.restored.height()
    }
}

impl Joining {
    /// Begins, trusting a genesis document.
    ///
    /// # Errors
    /// When the document does not hang together.
    pub fn new(genesis: &Genesis) -> Result<Self, GenesisError> {
        let (_, applied) = Fabric::genesis(genesis)?;
        let first_set = (*applied.next_set).clone();
        Ok(Self { genesis: genesis.hash(), mesh: genesis.mesh, first_set, assembly: None })
    }

    /// The next question.
    #[must_use]
    pub fn query(&self) -> Query {
        match self.assembly.as_ref().and_then(|a| a.wanted().map(|part| (a.manifest().header.height, part))) {
            None => Query::Manifest,
            Some((height, part)) => Query::Part { height, part },
        }
    }

    /// Begins anew, after one who offered a snapshot has gone or lied.
    pub fn restart(&mut self) {
        self.assembly = None;
    }

    /// Takes an answer. Gives the checked snapshot when that was the last part.
    ///
    /// # Errors
    /// When the answer is wrong; the snapshot then begins anew.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Joined>, RestoreError> {
        let taken = self.try_take(bytes);
        if taken.is_err() {
            self.restart();
        }
        taken
    }

    fn try_take(&mut self, bytes: &[u8]) -> Result<Option<Joined>, RestoreError> {
        match &mut self.assembly {
            None => {
                self.assembly = Some(Assembly::begin(bytes, self.genesis, self.mesh, &self.first_set)?);
            }
            Some(assembly) => assembly.take(bytes)?,
        }
        match self.assembly.take_if(|assembly| assembly.wanted().is_none()) {
            None => Ok(None),
            Some(assembly) => self.finish(assembly).map(Some),
        }
    }

    fn finish(&self, assembly: Assembly) -> Result<Joined, RestoreError> {
        let fabric = Fabric::load(assembly.entries().iter().cloned())?;
        let header = &assembly.manifest().header;
        if fabric.mesh() != self.mesh {
            return Err(RestoreError::Beat("mesh"));
        }
        if (fabric.height(), fabric.time()) != (header.height, header.time) {
            return Err(RestoreError::Beat("height or time"));
        }
        if fabric.validator_set().hash() != header.next_validator_set {
            return Err(RestoreError::Beat("validator set"));
        }
        let meta = BeatMeta {
            height: header.height,
            time: header.time,
            parent: header.parent,
            policy_version: fabric.policy_version(),
            verification: fabric.verification(),
            checkpoint_due: fabric.is_checkpoint(),
            registered: *fabric.registered(),
        };
        let mark = fabric.ledger_mark();
        let restored = assembly.finish(&mark)?;
        Ok(Joined { fabric, first_set: self.first_set.clone(), meta, restored })
    }
}

/// Checks a snapshot file, trusting a genesis document.
///
/// # Errors
/// See [`RestoreError`].
pub fn read_file(file: &[u8], genesis: &Genesis) -> Result<Joined, RestoreError> {
    let bad = |what: &str| RestoreError::File(what.to_owned());
    let mut rest = file.strip_prefix(FILE_HEAD).ok_or_else(|| bad("its first line is another"))?;
    let mut joining = Joining::new(genesis)?;
    loop {
        let (len, tail) = rest.split_first_chunk::<4>().ok_or_else(|| bad("it is cut off"))?;
        let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let (part, tail) = tail.split_at_checked(len).ok_or_else(|| bad("it is cut off"))?;
        rest = tail;
        if let Some(joined) = joining.take(part)? {
            return if rest.is_empty() { Ok(joined) } else { Err(bad("it goes on after its last part")) };
        }
    }
}

/// Decodes a question.
///
/// # Errors
/// When it is too long or malformed.
pub fn decode_query(bytes: &[u8]) -> Result<Query, DecodeError> {
    decode_exact(bytes, QUERY_BYTES_MAX, "snapshot query")
}

/// Encodes a question.
#[must_use]
pub fn encode_query(query: &Query) -> Vec<u8> {
    codec::encode(query)
}
