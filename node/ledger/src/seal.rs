//! Sealing: drafts of a beat become receipts with a place in the chain.

use crate::{interval, state_tree::StatePreview};
use phalanx_circuits::native::Openings;
use phalanx_types::{
    Hash, Height, Receipt, ReceiptDraft, ReceiptIndex, RegisteredSet, TimeMs,
    params::Verification,
    receipt::{Cause, HiddenField},
    state::StateChange,
    tags,
};
use std::sync::Arc;

/// What the ledger is told of a beat besides receipts and changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeatMeta {
    /// Its height; 0 for genesis.
    pub height: Height,
    /// Its time.
    pub time: TimeMs,
    /// Id of its parent: what is sampled depends on it, so that nobody can
    /// choose it together with the inputs.
    pub parent: Hash,
    /// The policy version after it.
    pub policy_version: u64,
    /// How much is receipted.
    pub verification: Verification,
    /// Whether it closes an interval.
    pub checkpoint_due: bool,
    /// The registered validators around it.
    pub registered: RegisteredSet,
}

/// A receipt with the forms that are needed again and again.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub canonical: Vec<u8>,
    pub hash: Hash,
    pub hidden: Vec<HiddenField>,
}

/// A beat as it would be written: sealed receipts, state changes, roots.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) meta: BeatMeta,
    pub(crate) receipts: Arc<[Receipt]>,
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) changes: Vec<StateChange>,
    pub(crate) state: StatePreview,
    pub(crate) receipts_root: Hash,
    pub(crate) openings: Openings,
}

impl Prepared {
    /// Root over the beat's receipts.
    #[must_use]
    pub const fn receipts_root(&self) -> Hash {
        self.receipts_root
    }

    /// The state's hash after the beat.
    #[must_use]
    pub const fn app_hash(&self) -> Hash {
        self.state.root()
    }

    /// The policy version after the beat.
    #[must_use]
    pub const fn policy_version(&self) -> u64 {
        self.meta.policy_version
    }

    /// The same, with what the beat has changed in the trees of agents and actions.
    #[must_use]
    pub fn with_openings(self, openings: Openings) -> Self {
        Self { openings, ..self }
    }

    /// The receipts.
    #[must_use]
    pub fn receipts(&self) -> Arc<[Receipt]> {
        Arc::clone(&self.receipts)
    }

    pub(crate) fn new(
        meta: &BeatMeta,
        next: ReceiptIndex,
        previous_hash: Hash,
        drafts: &[ReceiptDraft],
        changes: &[StateChange],
        state: StatePreview,
    ) -> Self {
        let (receipts, sealed) = seal(meta, next, previous_hash, drafts);
        let hashes: Vec<Hash> = sealed.iter().map(|s| s.hash).collect();
        Self {
            meta: meta.clone(),
            receipts: receipts.into(),
            sealed,
            changes: changes.to_vec(),
            state,
            receipts_root: interval::root(&hashes),
            openings: Openings::default(),
        }
    }
}

/// Whether a draft becomes a receipt at this level.
///
/// At `sample`, the subject's number is the first four bytes, big-endian, of
/// SHA3-256(tag SAMPLE ‖ 00 ‖ parent header hash ‖ subject); it is taken when
/// number · 10^6 / 2^32 is below the fraction in millionths.
#[must_use]
pub fn is_receipted(meta: &BeatMeta, draft: &ReceiptDraft) -> bool {
    if draft.kind.is_always_receipted() {
        return true;
    }
    match meta.verification {
        Verification::None => false,
        Verification::FullAudit => true,
        Verification::Sample { fraction_ppm } => {
            let Hash([a, b, c, d, ..]) =
                Hash::of_parts(tags::SAMPLE, &[&meta.parent.0, draft.subject.as_bytes()]);
            let number = u64::from(u32::from_be_bytes([a, b, c, d]));
            (number * 1_000_000) >> 32 < u64::from(fraction_ppm)
        }
    }
}

fn seal(
    meta: &BeatMeta,
    next: ReceiptIndex,
    mut previous_hash: Hash,
    drafts: &[ReceiptDraft],
) -> (Vec<Receipt>, Vec<Sealed>) {
    let mut receipts: Vec<Receipt> = Vec::with_capacity(drafts.len());
    let mut sealed = Vec::with_capacity(drafts.len());
    // Where each draft went, for causes within the beat.
    let mut places: Vec<Option<ReceiptIndex>> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        if !is_receipted(meta, draft) {
            places.push(None);
            continue;
        }
        let index = next.saturating_add(receipts.len() as u64);
        let mut causes: Vec<ReceiptIndex> = draft
            .causes
            .iter()
            .filter_map(|cause| match cause {
                Cause::Earlier(index) => Some(*index),
                Cause::SameBeat(at) => places.get(*at as usize).copied().flatten(),
            })
            .collect();
        causes.sort_unstable();
        causes.dedup();
        let receipt = Receipt {
            actor: draft.actor.clone(),
            beat: meta.height,
            causes,
            data: draft.data.clone(),
            index,
            inputs: draft.inputs,
            kind: draft.kind,
            policy_version: meta.policy_version,
            previous_hash,
            subject: draft.subject.clone(),
            tenant: draft.tenant.clone(),
            time_ms: meta.time,
            trace_id: draft.trace_id.map(hex::encode),
        };
        let canonical = receipt.canonical_bytes();
        let hash = Hash::sha3(&canonical);
        previous_hash = hash;
        places.push(Some(index));
        sealed.push(Sealed { canonical, hash, hidden: draft.hidden.clone() });
        receipts.push(receipt);
    }
    (receipts, sealed)
}
