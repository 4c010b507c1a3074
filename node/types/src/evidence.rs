//! Evidence of misbehaviour: what convicts by itself, and what needs witnesses.

use crate::{
    crypto::PublicKey,
    hash::Hash,
    tags,
    units::{Height, Round},
    vote::{ProposalClaim, Signed, Vote},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Two signed messages that an honest validator never signs both. It convicts
/// by itself: anybody can check it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Evidence {
    /// Two votes of one kind in one round for different beats (or nil).
    Votes {
        /// The smaller by encoding.
        first: Signed<Vote>,
        /// The larger.
        second: Signed<Vote>,
    },
    /// Two proposals in one round.
    Proposals {
        /// The smaller by encoding.
        first: Signed<ProposalClaim>,
        /// The larger.
        second: Signed<ProposalClaim>,
    },
}

impl Evidence {
    /// Evidence of two votes, in its one order.
    #[must_use]
    pub fn votes(a: Signed<Vote>, b: Signed<Vote>) -> Self {
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        Self::Votes { first, second }
    }

    /// Evidence of two proposals, in its one order.
    #[must_use]
    pub fn proposals(a: Signed<ProposalClaim>, b: Signed<ProposalClaim>) -> Self {
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        Self::Proposals { first, second }
    }

    /// Who is accused.
    #[must_use]
    pub const fn offender(&self) -> PublicKey {
        match self {
            Self::Votes { first, .. } => first.message.validator,
            Self::Proposals { first, .. } => first.message.validator,
        }
    }

    /// The height it happened at.
    #[must_use]
    pub const fn height(&self) -> Height {
        match self {
            Self::Votes { first, .. } => first.message.height,
            Self::Proposals { first, .. } => first.message.height,
        }
    }

    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of_value(tags::EVIDENCE, self)
    }

    /// Whether the pair really conflicts, is in its one order, and both
    /// signatures hold. Membership at that height is the caller's to check.
    #[must_use]
    pub fn convicts(&self, mesh: &Hash) -> bool {
        match self {
            Self::Votes { first, second } => {
                let (a, b) = (&first.message, &second.message);
                first < second
                    && a.mesh == *mesh
                    && (a.mesh, a.height, a.round, a.kind, a.validator)
                        == (b.mesh, b.height, b.round, b.kind, b.validator)
                    && a.beat != b.beat
                    && first.verifies()
                    && second.verifies()
            }
            Self::Proposals { first, second } => {
                let (a, b) = (&first.message, &second.message);
                first < second
                    && a.mesh == *mesh
                    && (a.mesh, a.height, a.round, a.validator) == (b.mesh, b.height, b.round, b.validator)
                    && (a.beat, a.lock_round) != (b.beat, b.lock_round)
                    && first.verifies()
                    && second.verifies()
            }
        }
    }
}

/// A fault that others must witness: no two signed messages show it alone.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It proposed a beat whose header does not follow from its inputs.
    WrongRoot,
    /// It proposed a beat with a time outside the bounds.
    WrongTime,
    /// It proposed a beat with an input that no honest node would take.
    BadInput,
    /// It sent more than its rate for long.
    Flood,
    /// It sent bytes that are no message.
    Garbage,
    /// It served a wrong beat, certificate or snapshot chunk.
    BadSync,
    /// Its account signed another checkpoint than the mesh has closed.
    WrongCheckpoint,
}

impl Fault {
    /// The last one in order.
    pub const LAST: Self = Self::WrongCheckpoint;
}

/// A validator's accusation. When validators with more than a third of the
/// weight accuse the same offender of the same fault at the same height, at
/// least one of them is honest, and the offender is quarantined.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accusation {
    /// Who is accused.
    pub offender: PublicKey,
    /// Of what.
    pub fault: Fault,
    /// The height it happened at.
    pub height: Height,
    /// The round it happened in.
    pub round: Round,
    /// Hash of what was seen (the proposal's beat id, the bytes' hash).
    pub seen: Hash,
}
