//! The write-ahead log: what a node has seen and signed at its current height.

use crate::{
    Fatal,
    certificates::{from_polka, to_polka},
    context::{Address, CoreHeight, CoreProposal, CoreVote, Ctx, Value},
    wire::PolkaCertificate,
};
use arc_malachitebft_core_consensus::{Input, ProposedValue};
use arc_malachitebft_core_types::{
    Round as CoreRound, SignedMessage, Timeout, TimeoutKind, Validity, ValueOrigin,
};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_types::{
    Beat, DecodeError, Hash, Height, PublicKey, Round, codec, decode_exact,
    vote::{ProposalClaim, Signed, Vote},
};
use std::sync::Arc;

/// Longest record in bytes.
pub const RECORD_BYTES_MAX: usize = crate::wire::PROPOSAL_BYTES_MAX;

/// Whether bytes are a record of the log.
///
/// # Errors
/// When they are too long or malformed.
pub fn check_record(bytes: &[u8]) -> Result<(), DecodeError> {
    Record::decode(bytes).map(drop)
}

/// A log of one height. Every failure is fatal.
pub trait Wal {
    /// Adds a record.
    ///
    /// # Errors
    /// When it cannot be written.
    fn append(&mut self, record: &[u8]) -> Result<(), Fatal>;

    /// Makes all records durable.
    ///
    /// # Errors
    /// When they cannot be written.
    fn sync(&mut self) -> Result<(), Fatal>;

    /// The height the log is of, and its records in order.
    ///
    /// # Errors
    /// When it cannot be read.
    fn records(&self) -> Result<(Height, Vec<Vec<u8>>), Fatal>;

    /// Forgets all records and begins the log of `height`, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    fn reset(&mut self, height: Height) -> Result<(), Fatal>;
}

/// What stands in the log.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) enum Record {
    Vote(Signed<Vote>),
    Proposal(Signed<ProposalClaim>, Box<Beat>),
    Value { round: Round, lock_round: Option<Round>, proposer: PublicKey, beat: Box<Beat>, is_valid: bool },
    Polka(PolkaCertificate),
    Timeout { kind: u8, round: Round },
}

const PROPOSE: u8 = 0;
const PREVOTE: u8 = 1;
const PRECOMMIT: u8 = 2;
const REBROADCAST: u8 = 3;

impl Record {
    /// The record of an input that the engine wants logged.
    pub(crate) fn of(mesh: Hash, input: &Input<Ctx>) -> Option<Self> {
        Some(match input {
            Input::Vote(vote) => {
                Self::Vote(Signed { message: vote.message.ours(mesh), signature: vote.signature })
            }
            Input::Proposal(proposal) => Self::Proposal(
                Signed { message: proposal.message.claim(mesh), signature: proposal.signature },
                Box::new((*proposal.message.value.beat).clone()),
            ),
            Input::ProposedValue(value, _) => Self::Value {
                round: crate::context::round_of(value.round),
                lock_round: value.valid_round.as_u32().map(Round),
                proposer: value.proposer.0,
                beat: Box::new((*value.value.beat).clone()),
                is_valid: value.validity.is_valid(),
            },
            Input::PolkaCertificate(polka) => Self::Polka(to_polka(polka)),
            Input::TimeoutElapsed(timeout) => Self::Timeout {
                kind: match timeout.kind {
                    TimeoutKind::Propose => PROPOSE,
                    TimeoutKind::Prevote => PREVOTE,
                    TimeoutKind::Precommit => PRECOMMIT,
                    TimeoutKind::Rebroadcast => REBROADCAST,
                    TimeoutKind::FinalizeHeight(_) => return None,
                },
                round: crate::context::round_of(timeout.round),
            },
            Input::StartHeight(..)
            | Input::RoundCertificate(_)
            | Input::Propose(_)
            | Input::SyncValueResponse(_) => return None,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_exact(bytes, RECORD_BYTES_MAX, "write-ahead log record")
    }

    /// The input that the record is of.
    pub(crate) fn input(self, height: Height) -> Option<Input<Ctx>> {
        Some(match self {
            Self::Vote(vote) => {
                Input::Vote(SignedMessage::new(CoreVote::from_ours(&vote.message), vote.signature))
            }
            Self::Proposal(claim, beat) => {
                let value = Value::new(Arc::new(*beat));
                Input::Proposal(SignedMessage::new(
                    CoreProposal::from_ours(&claim.message, value),
                    claim.signature,
                ))
            }
            Self::Value { round, lock_round, proposer, beat, is_valid } => Input::ProposedValue(
                ProposedValue {
                    height: CoreHeight(height.0),
                    round: CoreRound::new(round.0),
                    valid_round: lock_round.map_or(CoreRound::Nil, |round| CoreRound::new(round.0)),
                    proposer: Address(proposer),
                    value: Value::new(Arc::new(*beat)),
                    validity: Validity::from_bool(is_valid),
                },
                ValueOrigin::Consensus,
            ),
            Self::Polka(polka) => Input::PolkaCertificate(from_polka(&polka)),
            Self::Timeout { kind, round } => {
                let kind = match kind {
                    PROPOSE => TimeoutKind::Propose,
                    PREVOTE => TimeoutKind::Prevote,
                    PRECOMMIT => TimeoutKind::Precommit,
                    REBROADCAST => TimeoutKind::Rebroadcast,
                    _ => return None,
                };
                Input::TimeoutElapsed(Timeout::new(CoreRound::new(round.0), kind))
            }
        })
    }
}
