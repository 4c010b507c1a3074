//! What validators sign while they agree: votes and proposals.

use crate::{
    codec,
    crypto::{PublicKey, Signature, SigningKey},
    hash::Hash,
    tags,
    units::{Height, Round},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// First or second vote of a round.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum VoteKind {
    /// "I would accept this."
    Prevote,
    /// "I have seen two thirds accept this."
    Precommit,
}

/// A validator's vote in one round.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// The mesh.
    pub mesh: Hash,
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The beat's id, or none for nil.
    pub beat: Option<Hash>,
    /// Who votes.
    pub validator: PublicKey,
}

/// A validator's proposal of a beat in one round.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct ProposalClaim {
    /// The mesh.
    pub mesh: Hash,
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// The round in which the beat had two thirds of the prevotes, if the
    /// proposer is bound to it.
    pub lock_round: Option<Round>,
    /// The beat's id.
    pub beat: Hash,
    /// Who proposes.
    pub validator: PublicKey,
}

/// Something with its validator's signature.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Signed<T> {
    /// What is signed.
    pub message: T,
    /// The signature.
    pub signature: Signature,
}

/// Something that a validator signs, with its domain tag.
pub trait ValidatorMessage: BorshSerialize {
    /// The domain tag.
    const TAG: &'static str;
    /// Who signs.
    fn validator(&self) -> PublicKey;

    /// Signs it.
    #[must_use]
    fn sign(self, key: &SigningKey) -> Signed<Self>
    where
        Self: Sized,
    {
        let signature = key.sign(Self::TAG, &codec::encode(&self));
        Signed { message: self, signature }
    }
}

impl ValidatorMessage for Vote {
    const TAG: &'static str = tags::VOTE_SIGN;
    fn validator(&self) -> PublicKey {
        self.validator
    }
}

impl ValidatorMessage for ProposalClaim {
    const TAG: &'static str = tags::PROPOSAL_SIGN;
    fn validator(&self) -> PublicKey {
        self.validator
    }
}

impl<T: ValidatorMessage> Signed<T> {
    /// Whether the signature is the validator's.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.message.validator().verifies(T::TAG, &codec::encode(&self.message), &self.signature)
    }
}
