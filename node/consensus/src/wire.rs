//! What nodes send one another to agree.

use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_types::{
    Beat, CommitCertificate, DecodeError, Hash, Height, PublicKey, Round, Signature,
    beat::BEAT_BYTES_MAX,
    codec, decode_exact,
    validator::VALIDATORS_MAX,
    vote::{ProposalClaim, Signed, Vote, VoteKind},
};

/// Longest message that is no proposal, in bytes: a round certificate with two
/// votes of each validator.
pub const VOTE_MESSAGE_BYTES_MAX: usize = VALIDATORS_MAX * 2 * 160 + 256;
/// Longest proposal in bytes.
pub const PROPOSAL_BYTES_MAX: usize = BEAT_BYTES_MAX + 1_024;
/// Most beats in one answer.
pub const SYNC_BEATS_MAX: u8 = 64;
/// Bytes of beats after which an answer is full.
pub const SYNC_BYTES: usize = 4 << 20;
/// Longest answer in bytes: a full one and one more beat.
pub const SYNC_RESPONSE_BYTES_MAX: usize = SYNC_BYTES + BEAT_BYTES_MAX + (64 << 10);
/// Longest question in bytes.
pub const SYNC_REQUEST_BYTES_MAX: usize = 128;

/// The way a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Votes and what is as small.
    Votes,
    /// Proposals, which carry a whole beat.
    Proposals,
}

/// Prevotes of more than two thirds for one beat.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PolkaCertificate {
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// The beat.
    pub beat: Hash,
    /// Who prevoted, with the signature over the prevote.
    pub signatures: Vec<(PublicKey, Signature)>,
}

/// Votes that show why a round was left or entered.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundCertificate {
    /// The height.
    pub height: Height,
    /// The round of the votes.
    pub round: Round,
    /// Whether they are two thirds of the precommits, rather than a third of
    /// votes of any kind.
    pub is_precommit: bool,
    /// The votes.
    pub votes: Vec<RoundVote>,
}

/// A vote inside a round certificate.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RoundVote {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The beat, or nil.
    pub beat: Option<Hash>,
    /// Who voted.
    pub validator: PublicKey,
    /// The signature over the vote.
    pub signature: Signature,
}

/// A message to all.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// A vote.
    Vote(Signed<Vote>),
    /// A proposal with its beat.
    Proposal(Signed<ProposalClaim>, Box<Beat>),
    /// A polka.
    Polka(PolkaCertificate),
    /// A round certificate.
    Round(RoundCertificate),
    /// "I have committed up to here."
    Status {
        /// The last committed height.
        height: Height,
    },
}

impl Message {
    /// The lane it travels on.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Proposal(..) => Lane::Proposals,
            Self::Vote(_) | Self::Polka(_) | Self::Round(_) | Self::Status { .. } => Lane::Votes,
        }
    }

    /// Its encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Decodes a message of a lane.
    ///
    /// # Errors
    /// When it is too long, malformed, or of the other lane.
    pub fn decode(lane: Lane, bytes: &[u8]) -> Result<Self, DecodeError> {
        let max = match lane {
            Lane::Votes => VOTE_MESSAGE_BYTES_MAX,
            Lane::Proposals => PROPOSAL_BYTES_MAX,
        };
        let message: Self = decode_exact(bytes, max, "consensus message")?;
        if message.lane() == lane {
            Ok(message)
        } else {
            Err(DecodeError::Malformed { what: "consensus message", reason: "it is of another lane".into() })
        }
    }
}

/// A question to one peer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SyncRequest {
    /// Decided beats from a height on.
    Beats {
        /// The first.
        from: Height,
        /// How many at most; above [`SYNC_BEATS_MAX`] counts as that.
        count: u8,
    },
    /// A part of a snapshot, in the application's words.
    Snapshot {
        /// The application's question.
        query: Vec<u8>,
    },
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SyncResponse {
    /// Beats in order with what decided them; fewer than asked for when there
    /// are no more or the answer is full.
    Beats(Vec<(Beat, CommitCertificate)>),
    /// The application's answer; empty when there is no such part.
    Snapshot(Vec<u8>),
}

impl SyncRequest {
    /// Decodes a question.
    ///
    /// # Errors
    /// When it is too long or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_exact(bytes, SYNC_REQUEST_BYTES_MAX, "sync request")
    }
}

impl SyncResponse {
    /// Decodes an answer.
    ///
    /// # Errors
    /// When it is too long or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_exact(bytes, SYNC_RESPONSE_BYTES_MAX, "sync response")
    }
}
