//! Beats: a header, the certificate of the parent, and a batch of inputs.

use crate::{
    certificate::CommitCertificate,
    codec,
    crypto::PublicKey,
    envelope::SignedEnvelope,
    evidence::Evidence,
    hash::Hash,
    tags,
    units::{Height, TimeMs},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Longest encoded beat in bytes: the inputs' bound and room for the rest.
pub const BEAT_BYTES_MAX: usize = 8 << 20;
/// Most pieces of evidence in one beat.
pub const EVIDENCE_MAX: usize = 16;

/// What validators agree on. Everything else follows from it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The mesh.
    pub mesh: Hash,
    /// The height.
    pub height: Height,
    /// Id of the parent beat; the genesis hash for the first.
    pub parent: Hash,
    /// Hash of the parent's commit certificate; zero for the first.
    pub parent_certificate: Hash,
    /// Later than the parent's.
    pub time: TimeMs,
    /// [`inputs_root`] of the body.
    pub inputs_root: Hash,
    /// Root over this beat's receipts.
    pub receipts_root: Hash,
    /// The state after this beat.
    pub app_hash: Hash,
    /// Hash of the weighted set that decides this height.
    pub validator_set: Hash,
    /// Hash of the set that decides the next height.
    pub next_validator_set: Hash,
    /// The policy version after this beat.
    #[serde(with = "crate::units::decimal")]
    pub policy_version: u64,
    /// Who made it.
    pub proposer: PublicKey,
}

impl Header {
    /// The beat's id.
    #[must_use]
    pub fn id(&self) -> Hash {
        Hash::of_value(tags::HEADER, self)
    }
}

/// A beat: what is proposed, decided, stored and synced.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beat {
    /// The header.
    pub header: Header,
    /// The parent's certificate; none for the first beat.
    pub parent_certificate: Option<CommitCertificate>,
    /// The inputs, in the order in which they apply within each step.
    pub envelopes: Vec<SignedEnvelope>,
    /// Evidence that this beat brings.
    pub evidence: Vec<Evidence>,
}

/// Root over the inputs of a beat: SHA3-256 over the hashes of the encodings of
/// the envelopes (with signatures) and of the evidence.
#[must_use]
pub fn inputs_root(envelopes: &[SignedEnvelope], evidence: &[Evidence]) -> Hash {
    let envelopes: Vec<Hash> = envelopes.iter().map(|e| Hash::sha3(&codec::encode(e))).collect();
    let evidence: Vec<Hash> = evidence.iter().map(|e| Hash::sha3(&codec::encode(e))).collect();
    Hash::of_value(tags::INPUTS, &(envelopes, evidence))
}

impl Beat {
    /// Its id: the header's hash.
    #[must_use]
    pub fn id(&self) -> Hash {
        self.header.id()
    }

    /// Decodes a beat that came from outside.
    ///
    /// # Errors
    /// When it is too long or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        codec::decode_exact(bytes, BEAT_BYTES_MAX, "beat")
    }
}
