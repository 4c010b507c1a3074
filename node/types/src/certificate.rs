//! Commit certificates: the precommits that decided a beat.

use crate::{
    codec,
    crypto::{Claim, PublicKey, Signature, verify_batch},
    hash::Hash,
    tags,
    units::{Height, Round, Weight},
    validator::ValidatorSet,
    vote::{Vote, VoteKind},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Precommits of more than two thirds of the voting weight for one beat.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitCertificate {
    /// The mesh.
    pub mesh: Hash,
    /// The height.
    pub height: Height,
    /// The round that decided.
    pub round: Round,
    /// The beat's id.
    pub beat: Hash,
    /// Who precommitted, ascending by key, with the signature over the vote.
    pub signatures: Vec<(PublicKey, Signature)>,
}

/// Why a certificate does not show that its beat was decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Keys are not strictly ascending.
    #[error("the signers are not in strictly ascending order")]
    Order,
    /// A signer is not in the set.
    #[error("{0} is not a validator of this height")]
    Stranger(PublicKey),
    /// Too little weight.
    #[error("the signers hold a weight of {found}; more than two thirds of {total} are needed")]
    Weight {
        /// What they hold.
        found: Weight,
        /// The set's total.
        total: Weight,
    },
    /// A signature is not the signer's.
    #[error("at least one signature is wrong")]
    Signature,
}

impl CommitCertificate {
    /// Its hash, which the next header carries.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of_value(tags::CERTIFICATE, self)
    }

    /// The precommit of `validator` that this certificate stands for.
    #[must_use]
    pub const fn vote_of(&self, validator: PublicKey) -> Vote {
        Vote {
            mesh: self.mesh,
            height: self.height,
            round: self.round,
            kind: VoteKind::Precommit,
            beat: Some(self.beat),
            validator,
        }
    }

    /// Checks order, membership, weight and every signature against the
    /// weighted set of its height.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self, set: &ValidatorSet) -> Result<(), CertificateError> {
        let mut found = Weight::ZERO;
        let mut last: Option<PublicKey> = None;
        let mut bodies = Vec::with_capacity(self.signatures.len());
        for (key, _) in &self.signatures {
            if last.is_some_and(|l| l >= *key) {
                return Err(CertificateError::Order);
            }
            last = Some(*key);
            let weight = set.weight_of(key).ok_or(CertificateError::Stranger(*key))?;
            found = found.saturating_add(weight.0);
            bodies.push(codec::encode(&self.vote_of(*key)));
        }
        if !set.is_quorum(found) {
            return Err(CertificateError::Weight { found, total: set.total() });
        }
        let claims: Vec<_> = self
            .signatures
            .iter()
            .zip(&bodies)
            .map(|((key, signature), body)| Claim {
                key: *key,
                tag: tags::VOTE_SIGN,
                body,
                signature: *signature,
            })
            .collect();
        if verify_batch(&claims) { Ok(()) } else { Err(CertificateError::Signature) }
    }
}
