//! Proof files: a receipt with everything that is needed to check it offline.
//!
//! A proof file is the RFC 8785 JSON of [`ProofFile`]. It leads from the
//! receipt's bytes to its beat's receipts root, to the beat's header, to the
//! precommits of more than two thirds of the weight of a validator set, and from
//! that set, change by change, to the set of the genesis. When the interval is
//! closed it also has the receipt's place in both trees of its checkpoint.
//!
//! What is trusted is the genesis that the verifier brings: that document names
//! the first validators. The format and every check are in `docs/formats.md`.

use crate::{
    history, interval,
    kv::{Kv, StoreError},
    ledger::Ledger,
};
use phalanx_types::{
    Checkpoint, CommitCertificate, Genesis, Hash, Header, Height, Receipt, ReceiptIndex, ValidatorSet,
    cosign::{Cosignatures, set_hash},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the file format.
pub const VERSION: u32 = 1;
/// Longest proof file in bytes.
pub const PROOF_BYTES_MAX: usize = 32 << 20;

/// A path in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// Number of leaves.
    #[serde(with = "phalanx_types::units::decimal")]
    pub count: u64,
    /// Place of the leaf.
    #[serde(with = "phalanx_types::units::decimal")]
    pub index: u64,
    /// Hashes from below.
    pub path: Vec<Hash>,
}

/// A header, who decided it, and the set it handed over to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetChange {
    /// The precommits.
    pub certificate: CommitCertificate,
    /// The header whose next set differs from its own.
    pub header: Header,
    /// That next set.
    pub next_set: ValidatorSet,
}

/// A receipt's place in its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Who has signed it for the chain, where that is known. It is for whoever knows
    /// the chain to check the signatures; here only the set is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned: Option<Cosignatures>,
    /// In the history tree.
    pub history: Inclusion,
    /// In the interval tree.
    pub interval: Inclusion,
}

/// A proof file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    /// The place in its checkpoint, once the interval is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// Place in the beat's receipts.
    pub beat: Inclusion,
    /// The precommits of the beat.
    pub certificate: CommitCertificate,
    /// SHA3-256 of the RFC 8785 JSON of the file with this field zero: it finds
    /// damage in what no signature covers yet (the checkpoint).
    pub digest: Hash,
    /// The genesis hash of the mesh.
    pub genesis: Hash,
    /// The set of the first beat.
    pub genesis_set: ValidatorSet,
    /// The beat's header.
    pub header: Header,
    /// The receipt, without its hash.
    pub receipt: Receipt,
    /// The receipt's hash.
    pub receipt_hash: Hash,
    /// Every change of the set from the genesis to the beat, in order.
    pub set_changes: Vec<SetChange>,
    /// [`VERSION`].
    pub version: u32,
}

/// Why no proof file can be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such receipt.
    #[error("there is no receipt {0}: the ledger has receipts 0 to {1}")]
    Absent(ReceiptIndex, u64),
    /// The receipt was not decided by a beat.
    #[error("receipt {0} is of the genesis: no beat decided it; its hash is bound by receipt 1")]
    Genesis(ReceiptIndex),
    /// The file cannot be written as text.
    #[error("the proof cannot be written: {0}")]
    Encode(String),
}

/// Makes the proof file of a receipt.
///
/// # Errors
/// See [`ExportError`].
pub fn export<K: Kv>(ledger: &Ledger<K>, index: ReceiptIndex) -> Result<Vec<u8>, ExportError> {
    export_cosigned(ledger, index, |_| Ok(None))
}

/// The same with the signatures under the receipt's checkpoint that `cosigned` finds.
///
/// # Errors
/// See [`ExportError`].
pub fn export_cosigned<K: Kv>(
    ledger: &Ledger<K>,
    index: ReceiptIndex,
    cosigned: impl FnOnce(&Checkpoint) -> Result<Option<Cosignatures>, StoreError>,
) -> Result<Vec<u8>, ExportError> {
    let last = ledger.tip().next_receipt.0.saturating_sub(1);
    let absent = || ExportError::Absent(index, last);
    let receipt = ledger.receipt(index)?.ok_or_else(absent)?;
    if receipt.beat == Height::ZERO {
        return Err(ExportError::Genesis(index));
    }
    let beat = ledger.beat(receipt.beat)?.ok_or_else(absent)?;
    let certificate = ledger.certificate(receipt.beat)?.ok_or_else(absent)?;
    let (first, count) = ledger.range(receipt.beat)?.ok_or_else(absent)?;
    let inside = index.since(first);
    let path = tree(ledger, first, count)?.path(inside).ok_or_else(absent)?;
    let genesis_set = ledger.validator_set(Height::FIRST)?.ok_or_else(absent)?;
    let mut set_changes = Vec::new();
    for height in ledger.set_changes_up_to(receipt.beat)? {
        let (header, certificate) = ledger.handover(height)?.ok_or_else(absent)?;
        set_changes.push(SetChange {
            header,
            certificate,
            next_set: ledger.validator_set(height)?.ok_or_else(absent)?,
        });
    }
    let anchor = match ledger.checkpoint_of(index)? {
        None => None,
        Some(checkpoint) => {
            let place = index.since(checkpoint.first_receipt);
            let interval = Inclusion {
                count: checkpoint.receipt_count,
                index: place,
                path: tree(ledger, checkpoint.first_receipt, checkpoint.receipt_count)?
                    .path(place)
                    .ok_or_else(absent)?,
            };
            let size = checkpoint.history_size;
            let history = Inclusion {
                count: size,
                index: index.0,
                path: ledger.history().inclusion(index.0, size)?.ok_or_else(absent)?,
            };
            Some(Anchor { cosigned: cosigned(&checkpoint)?, checkpoint, history, interval })
        }
    };
    let mut file = ProofFile {
        anchor,
        beat: Inclusion { count, index: inside, path },
        certificate,
        digest: Hash::ZERO,
        genesis: ledger.genesis_hash(),
        genesis_set,
        header: beat.header,
        receipt_hash: receipt.hash(),
        receipt,
        set_changes,
        version: VERSION,
    };
    file.digest = digest(&file).map_err(ExportError::Encode)?;
    canonical(&file).map_err(ExportError::Encode)
}

fn tree<K: Kv>(
    ledger: &Ledger<K>,
    first: ReceiptIndex,
    count: u64,
) -> Result<interval::IntervalTree, StoreError> {
    let mut hashes = Vec::new();
    for index in first.0..first.0.saturating_add(count) {
        if let Some(bytes) = ledger.receipt_bytes(ReceiptIndex(index))? {
            hashes.push(Hash::sha3(&bytes));
        }
    }
    Ok(interval::IntervalTree::of(&hashes))
}

/// RFC 8785 bytes: through a value with sorted keys.
pub(crate) fn canonical(file: &impl Serialize) -> Result<Vec<u8>, String> {
    let value = serde_json::to_value(file).map_err(|e| e.to_string())?;
    serde_json::to_vec(&value).map_err(|e| e.to_string())
}

fn digest(file: &ProofFile) -> Result<Hash, String> {
    digest_of(serde_json::to_value(file).map_err(|e| e.to_string())?)
}

/// The digest of a file of any version.
fn digest_of(mut file: Value) -> Result<Hash, String> {
    let fields = file.as_object_mut().ok_or("it is no JSON object")?;
    fields.insert("digest".to_owned(), Value::String(Hash::ZERO.to_string()));
    serde_json::to_vec(&file).map(|bytes| Hash::sha3(&bytes)).map_err(|e| e.to_string())
}

/// What a verifier trusts.
#[derive(Clone, Debug)]
pub enum Trust<'a> {
    /// This genesis document.
    Genesis(&'a Genesis),
    /// The document with this hash, whoever has it; the first set is then taken
    /// from the file.
    GenesisHash(Hash),
    /// Nothing: the file's own genesis hash is shown for the reader to compare.
    File,
}

/// What a proof file shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The receipt's hash.
    pub receipt_hash: Hash,
    /// The receipt's index.
    pub index: ReceiptIndex,
    /// The beat that decided it.
    pub beat: Height,
    /// Validators that signed the beat.
    pub signers: usize,
    /// Their weight, of the set's total.
    pub weight: [u64; 2],
    /// Changes of the validator set between the genesis and the beat.
    pub set_changes: usize,
    /// The checkpoint that closed its interval.
    pub checkpoint: Option<(u64, Hash)>,
    /// What was taken on trust, in words.
    pub trusted: String,
}

/// Why a proof file shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is no proof file.
    #[error("this is no proof file: {0}")]
    Unreadable(String),
    /// It is of another mesh than the verifier trusts.
    #[error("the proof is of the genesis {found}, the trusted one is {expected}")]
    OtherMesh {
        /// The trusted genesis hash.
        expected: Hash,
        /// The file's.
        found: Hash,
    },
    /// Something does not match.
    #[error("{field}: {what}")]
    Mismatch {
        /// Path of the field in the file.
        field: String,
        /// What is wrong.
        what: String,
    },
}

pub(crate) fn mismatch(field: impl Into<String>, what: impl Into<String>) -> VerifyError {
    VerifyError::Mismatch { field: field.into(), what: what.into() }
}

/// Checks a proof file.
///
/// # Errors
/// The first thing that does not match.
pub fn verify(bytes: &[u8], trust: &Trust<'_>) -> Result<Shown, VerifyError> {
    let file = read(bytes)?;
    let is_whole = digest(&file).ok() == Some(file.digest);
    let trusted = trusted(&file, trust).map_err(|error| match error {
        VerifyError::OtherMesh { expected, .. } if !is_whole => {
            mismatch("genesis", format!("it is not {expected}, and something in the file was changed"))
        }
        other => other,
    })?;
    let shown = chain(&file, trusted)?;
    if !is_whole {
        return Err(mismatch("digest", "it is not of this file, so something in it was changed"));
    }
    Ok(shown)
}

/// A proof file of this version in its one form; nothing else of it is checked.
///
/// # Errors
/// When it is no such file.
pub fn read(bytes: &[u8]) -> Result<ProofFile, VerifyError> {
    if bytes.len() > PROOF_BYTES_MAX {
        return Err(VerifyError::Unreadable(format!(
            "it has {} bytes; at most {PROOF_BYTES_MAX}",
            bytes.len()
        )));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| unreadable(bytes, &error))?;
    let version = value.get("version").and_then(Value::as_u64);
    if let Some(version) = version.filter(|version| *version != u64::from(VERSION)) {
        let named = value.get("digest").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let is_whole = named.is_some_and(|digest: Hash| digest_of(value).ok() == Some(digest));
        return Err(if is_whole {
            VerifyError::Unreadable(format!("its version is {version}, this program knows {VERSION}"))
        } else {
            mismatch("version", format!("it is {version}, and something in the file was changed"))
        });
    }
    let file: ProofFile = serde_json::from_slice(bytes).map_err(|error| unreadable(bytes, &error))?;
    if canonical(&file).ok().as_deref() != Some(bytes) {
        return Err(mismatch("file", "it is not in RFC 8785 form, so it was changed after it was made"));
    }
    file.receipt.check().map_err(|error| mismatch("receipt", error.to_string()))?;
    file.genesis_set.check().map_err(|error| mismatch("genesis_set", error.to_string()))?;
    Ok(file)
}

/// Bytes that begin or end as a proof file does are a damaged one.
fn unreadable(bytes: &[u8], error: &serde_json::Error) -> VerifyError {
    let begins = BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning));
    if begins || bytes.ends_with(END) {
        mismatch("file", format!("it is damaged: {error}"))
    } else {
        VerifyError::Unreadable(error.to_string())
    }
}

/// How a proof file begins: with an anchor, and without.
const BEGINNINGS: [&[u8]; 2] = [br#"{"anchor":{"checkpoint":{"#, br#"{"beat":{"count":""#];
/// How it ends.
const END: &[u8] = br#","version":1}"#;

/// From the receipt to the first validators.
fn chain(file: &ProofFile, trusted: String) -> Result<Shown, VerifyError> {
    if file.receipt.hash() != file.receipt_hash {
        return Err(mismatch("receipt", "it does not have the hash in receipt_hash"));
    }
    if file.receipt.beat != file.header.height || file.receipt.time_ms != file.header.time {
        return Err(mismatch("receipt.beat", "it is not of the beat in header"));
    }
    let Inclusion { count, index, path } = &file.beat;
    if !interval::verify(&file.header.receipts_root, &file.receipt_hash, *index, *count, path) {
        return Err(mismatch("beat.path", "it does not lead to header.receipts_root"));
    }
    let set = walk_sets(file)?;
    decided("", &file.header, &file.certificate, &set, file)?;
    if let Some(anchor) = &file.anchor {
        anchored(anchor, file)?;
    }
    let weight: u64 =
        file.certificate.signatures.iter().filter_map(|(key, _)| set.weight_of(key)).map(|w| w.0).sum();
    Ok(Shown {
        receipt_hash: file.receipt_hash,
        index: file.receipt.index,
        beat: file.header.height,
        signers: file.certificate.signatures.len(),
        weight: [weight, set.total().0],
        set_changes: file.set_changes.len(),
        checkpoint: file.anchor.as_ref().map(|a| (a.checkpoint.number.0, a.checkpoint.hash())),
        trusted,
    })
}

fn trusted(file: &ProofFile, trust: &Trust<'_>) -> Result<String, VerifyError> {
    let same = |expected: Hash| {
        if expected == file.genesis {
            Ok(())
        } else {
            Err(VerifyError::OtherMesh { expected, found: file.genesis })
        }
    };
    match trust {
        Trust::Genesis(genesis) => {
            same(genesis.hash())?;
            if genesis.mesh != file.header.mesh {
                return Err(mismatch("header.mesh", "it is not the mesh of the genesis"));
            }
            if file.genesis_set.members() != genesis.first_members() {
                return Err(mismatch("genesis_set", "its members are not those that the genesis gives"));
            }
            Ok(format!("the genesis document {}, which names the first validators", file.genesis))
        }
        Trust::GenesisHash(hash) => {
            same(*hash)?;
            Ok(format!("the genesis hash {hash}, and that its first validators are those in the file"))
        }
        Trust::File => Ok(format!(
            "nothing from outside the file: compare the genesis hash {} and the first validator set {} yourself",
            file.genesis,
            file.genesis_set.hash()
        )),
    }
}

/// Follows the changes of the set from the genesis to the beat.
fn walk_sets(file: &ProofFile) -> Result<ValidatorSet, VerifyError> {
    let mut set = file.genesis_set.clone();
    let mut last = Height::ZERO;
    for (at, change) in file.set_changes.iter().enumerate() {
        let field = format!("set_changes[{at}]");
        let header = &change.header;
        if header.height <= last || header.height >= file.header.height {
            return Err(mismatch(
                format!("{field}.header.height"),
                "the changes are not in order before the beat",
            ));
        }
        change.next_set.check().map_err(|error| mismatch(format!("{field}.next_set"), error.to_string()))?;
        decided(&format!("{field}."), header, &change.certificate, &set, file)?;
        if header.next_validator_set != change.next_set.hash() {
            return Err(mismatch(format!("{field}.next_set"), "it is not the set that its header names"));
        }
        last = header.height;
        set = change.next_set.clone();
    }
    Ok(set)
}

fn decided(
    prefix: &str,
    header: &Header,
    certificate: &CommitCertificate,
    set: &ValidatorSet,
    file: &ProofFile,
) -> Result<(), VerifyError> {
    if header.mesh != file.header.mesh {
        return Err(mismatch(format!("{prefix}header.mesh"), "it is of another mesh"));
    }
    if header.height == Height::FIRST && header.parent != file.genesis {
        return Err(mismatch(format!("{prefix}header.parent"), "it is not the genesis"));
    }
    if header.validator_set != set.hash() {
        return Err(mismatch(
            format!("{prefix}header.validator_set"),
            "it is not the set that the changes lead to",
        ));
    }
    if (certificate.mesh, certificate.height, certificate.beat) != (header.mesh, header.height, header.id()) {
        return Err(mismatch(format!("{prefix}certificate"), "it is not of this header"));
    }
    certificate
        .verify(set)
        .map_err(|error| mismatch(format!("{prefix}certificate.signatures"), error.to_string()))
}

fn anchored(anchor: &Anchor, file: &ProofFile) -> Result<(), VerifyError> {
    let Anchor { checkpoint, cosigned, history, interval } = anchor;
    let field = |name: &str| format!("anchor.{name}");
    if checkpoint.mesh != file.header.mesh || checkpoint.version != phalanx_types::checkpoint::VERSION {
        return Err(mismatch(field("checkpoint"), "it is not a version 1 checkpoint of this mesh"));
    }
    if let Some(cosigned) = cosigned
        && (cosigned.signatures.len() > cosigned.set.len() || set_hash(&cosigned.set) != checkpoint.set_hash)
    {
        return Err(mismatch(field("cosigned.set"), "it is not the set that the checkpoint names"));
    }
    if file.header.height < checkpoint.first_beat || file.header.height > checkpoint.last_beat {
        return Err(mismatch(field("checkpoint.first_beat"), "the beat is not in its interval"));
    }
    let index = file.receipt.index;
    if interval.count != checkpoint.receipt_count
        || checkpoint.first_receipt.saturating_add(interval.index) != index
    {
        return Err(mismatch(field("interval.index"), "it is not the receipt's place in the interval"));
    }
    if !interval::verify(
        &checkpoint.interval_root,
        &file.receipt_hash,
        interval.index,
        interval.count,
        &interval.path,
    ) {
        return Err(mismatch(field("interval.path"), "it does not lead to the interval root"));
    }
    if history.count != checkpoint.history_size || history.index != index.0 {
        return Err(mismatch(field("history.index"), "it is not the receipt's place in the history"));
    }
    let bytes = file.receipt.canonical_bytes();
    if !history::verify_inclusion(
        &checkpoint.history_root,
        &bytes,
        history.index,
        history.count,
        &history.path,
    ) {
        return Err(mismatch(field("history.path"), "it does not lead to the history root"));
    }
    if checkpoint.first_receipt.saturating_add(checkpoint.receipt_count).0 != checkpoint.history_size {
        return Err(mismatch(field("checkpoint.history_size"), "its interval does not end there"));
    }
    let header = &file.header;
    let is_last = checkpoint.last_beat == header.height;
    if is_last && (checkpoint.app_hash, checkpoint.time) != (header.app_hash, header.time) {
        return Err(mismatch(field("checkpoint"), "it does not agree with its last beat"));
    }
    Ok(())
}
