//! Audit paths: a receipt with its way to the audit root of its checkpoint, to be checked
//! offline.
//!
//! An audit path is the RFC 8785 JSON of [`AuditFile`]. Every receipt is under the audit root
//! through the digest of its beat, whose leaf stands for all receipts of the beat. A receipt
//! that tells an action of an agent leads also to the action's own leaf; no other has one. What
//! the path does not show is that validators signed the checkpoint in it: that is for whoever
//! knows the checkpoint. The format and every check are in `docs/formats.md`.

use crate::{
    interval,
    proof::{Inclusion, VerifyError, canonical, mismatch},
};
use phalanx_circuits::native::{
    ARITY, Action, DEPTH, Error, Fr, LEAVES_MAX, Path, beat_digest, bytes_of, element_of, poseidon::hash,
};
use phalanx_types::{
    Checkpoint, Field, Hash, Height, Receipt, ReceiptIndex, ReceiptKind, units::CheckpointNumber,
};
use serde::{Deserialize, Serialize};

/// Version of the file format.
pub const VERSION: u32 = 1;
/// Longest file in bytes: a receipt of 64 KiB, three paths and a checkpoint.
pub const AUDIT_BYTES_MAX: usize = 128 << 10;

/// Where a leaf is in the audit tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its index.
    pub index: u32,
    /// The four children of each node from the leaf's to the root, from below.
    pub path: Vec<[Hash; ARITY]>,
}

impl Place {
    pub(crate) fn new(index: u32, path: &Path) -> Self {
        Self { index, path: path.0.iter().map(|children| children.map(bytes_of)).collect() }
    }

    /// The root above `leaf`; none when the path is not of this leaf at this index.
    fn root(&self, leaf: Hash) -> Option<Hash> {
        let mut at = self.index as usize;
        if at >= LEAVES_MAX || self.path.len() != DEPTH {
            return None;
        }
        let mut node = element_of(&leaf).ok()?;
        for children in &self.path {
            let mut group = [Fr::default(); ARITY];
            for (to, from) in group.iter_mut().zip(children) {
                *to = element_of(from).ok()?;
            }
            if group.get(at % ARITY) != Some(&node) {
                return None;
            }
            node = hash(group);
            at /= ARITY;
        }
        Some(bytes_of(node))
    }
}

/// The leaf of a beat, and the receipt's place under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeatLeaf {
    /// Digest of the beat before.
    pub before: Hash,
    /// Digest of the beat.
    pub leaf: Hash,
    /// Where that is.
    pub place: Place,
    /// The receipt's place among those of the beat.
    pub receipts: Inclusion,
    /// Root over the receipts of the beat.
    pub receipts_root: Hash,
}

/// The leaf of an action, and what it is a hash of. The agent's leaves hide what they are
/// hashes of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionLeaf {
    /// The agent's leaf after it.
    pub after: Hash,
    /// The agent's leaf before it.
    pub before: Hash,
    /// Hash of what the agent's worker has in all, after it.
    pub capacity: Hash,
    /// The leaf.
    pub leaf: Hash,
    /// The action's place among all actions.
    #[serde(with = "phalanx_types::units::decimal")]
    pub number: u64,
    /// Where the leaf is.
    pub place: Place,
    /// Root of the policy that bound the agent.
    pub policy: Hash,
}

impl ActionLeaf {
    pub(crate) fn new(action: &Action, place: Place) -> Self {
        Self {
            after: bytes_of(action.after),
            before: bytes_of(action.before),
            capacity: bytes_of(action.capacity_hash),
            leaf: bytes_of(action.leaf()),
            number: action.index,
            place,
            policy: bytes_of(action.policy_root),
        }
    }

    /// The leaf of what it tells, in a beat.
    fn recomputed(&self, beat: Height) -> Result<Hash, Error> {
        let action = Action {
            index: self.number,
            before: element_of(&self.before)?,
            after: element_of(&self.after)?,
            policy_root: element_of(&self.policy)?,
            capacity_hash: element_of(&self.capacity)?,
            beat,
        };
        Ok(bytes_of(action.leaf()))
    }
}

/// An audit path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditFile {
    /// The leaf of the action that the receipt tells; absent where it tells none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionLeaf>,
    /// The leaf of the receipt's beat.
    pub beat: BeatLeaf,
    /// The checkpoint whose audit root it leads to.
    pub checkpoint: Checkpoint,
    /// The receipt, without its hash.
    pub receipt: Receipt,
    /// [`VERSION`].
    pub version: u32,
}

impl AuditFile {
    /// The file: its one form.
    ///
    /// # Errors
    /// When it cannot be written as text.
    pub fn to_json(&self) -> Result<Vec<u8>, String> {
        canonical(self)
    }
}

/// The number of the action that a receipt tells.
pub(crate) fn action_of(receipt: &Receipt) -> Option<u64> {
    let tells_action = matches!(receipt.kind, ReceiptKind::AgentMigrated | ReceiptKind::AgentMoved);
    match receipt.data.get("action") {
        Some(Field::Text(number)) if tells_action => number.parse().ok(),
        _ => None,
    }
}

/// What an audit path shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The receipt's hash.
    pub receipt_hash: Hash,
    /// The receipt's index.
    pub index: ReceiptIndex,
    /// The beat that decided it.
    pub beat: Height,
    /// The checkpoint's number.
    pub checkpoint: CheckpointNumber,
    /// The checkpoint's hash.
    pub checkpoint_hash: Hash,
    /// The audit root, which is in the checkpoint.
    pub audit_root: Hash,
    /// Index of the beat's leaf.
    pub beat_leaf: u32,
    /// Number of the action that it tells, and index of the action's leaf.
    pub action: Option<(u64, u32)>,
}

/// Reads an audit path in its one form; nothing else of it is checked.
///
/// # Errors
/// When it is none.
pub fn read(bytes: &[u8]) -> Result<AuditFile, VerifyError> {
    if bytes.len() > AUDIT_BYTES_MAX {
        let reason = format!("it has {} bytes; an audit path has at most {AUDIT_BYTES_MAX}", bytes.len());
        return Err(VerifyError::Unreadable(reason));
    }
    let unreadable = |error: serde_json::Error| VerifyError::Unreadable(format!("no audit path: {error}"));
    let file: AuditFile = serde_json::from_slice(bytes).map_err(unreadable)?;
    if file.version != VERSION {
        let reason = format!("its version is {}, this program knows {VERSION}", file.version);
        return Err(VerifyError::Unreadable(reason));
    }
    if canonical(&file).ok().as_deref() != Some(bytes) {
        return Err(mismatch("file", "it is not in RFC 8785 form, so it was changed after it was made"));
    }
    file.receipt.check().map_err(|error| mismatch("receipt", error.to_string()))?;
    Ok(file)
}

/// Checks an audit path against the audit root in its checkpoint. Whether that checkpoint is
/// the mesh's is not checked: compare its hash with that of one that is.
///
/// # Errors
/// The first thing that does not match.
pub fn verify(bytes: &[u8]) -> Result<Shown, VerifyError> {
    let AuditFile { action, beat, checkpoint, receipt, .. } = read(bytes)?;
    if checkpoint.version != phalanx_types::checkpoint::VERSION {
        return Err(mismatch("checkpoint.version", "it is not a version 1 checkpoint"));
    }
    if !(checkpoint.first_beat..=checkpoint.last_beat).contains(&receipt.beat) {
        return Err(mismatch("receipt.beat", "the beat is not in the checkpoint's interval"));
    }
    let interval =
        checkpoint.first_receipt..checkpoint.first_receipt.saturating_add(checkpoint.receipt_count);
    if !interval.contains(&receipt.index) {
        return Err(mismatch("receipt.index", "the receipt is not in the checkpoint's interval"));
    }
    let receipt_hash = receipt.hash();
    let Inclusion { count, index, path } = &beat.receipts;
    if !interval::verify(&beat.receipts_root, &receipt_hash, *index, *count, path) {
        return Err(mismatch("beat.receipts", "it does not lead from the receipt to beat.receipts_root"));
    }
    let before = element_of(&beat.before).map_err(|error| mismatch("beat.before", error.to_string()))?;
    if bytes_of(beat_digest(before, receipt.beat, &beat.receipts_root)) != beat.leaf {
        return Err(mismatch("beat.leaf", "it is not the digest of the beat after beat.before"));
    }
    let audit_root = checkpoint.audit_root;
    if beat.place.root(beat.leaf) != Some(audit_root) {
        return Err(mismatch("beat.place", "it does not lead from the leaf to the checkpoint's audit root"));
    }
    match (action_of(&receipt), &action) {
        (None, None) => {}
        (None, Some(_)) => return Err(mismatch("action", "the receipt tells no action of an agent")),
        (Some(number), None) => {
            return Err(mismatch(
                "action",
                format!("the receipt tells the action {number}: its leaf is missing"),
            ));
        }
        (Some(number), Some(action)) => {
            if action.number != number {
                return Err(mismatch("action.number", format!("the receipt tells the action {number}")));
            }
            if action.recomputed(receipt.beat).ok() != Some(action.leaf) {
                return Err(mismatch("action.leaf", "it is not the leaf of what is told of the action"));
            }
            if action.place.root(action.leaf) != Some(audit_root) {
                let what = "it does not lead from the leaf to the checkpoint's audit root";
                return Err(mismatch("action.place", what));
            }
        }
    }
    Ok(Shown {
        receipt_hash,
        index: receipt.index,
        beat: receipt.beat,
        checkpoint: checkpoint.number,
        checkpoint_hash: checkpoint.hash(),
        audit_root,
        beat_leaf: beat.place.index,
        action: action.map(|action| (action.number, action.place.index)),
    })
}
