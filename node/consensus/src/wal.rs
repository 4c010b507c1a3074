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
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Longest record in bytes.
pub const RECORD_BYTES_MAX: usize = crate::wire::PROPOSAL_BYTES_MAX;

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

/// Frames records in a file: length as u32 little-endian, the first 8 bytes of
/// SHA-256 over length and record, record.
#[derive(Clone, Copy, Debug)]
pub struct FrameCodec;

/// What was read from a file of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// The whole records.
    pub records: Vec<Vec<u8>>,
    /// Bytes up to the end of the last whole record; what follows was being
    /// written when the node went down, and is cut off.
    pub whole_len: usize,
}

impl FrameCodec {
    const HEAD: usize = 12;

    fn checksum(len: [u8; 4], record: &[u8]) -> [u8; 8] {
        let digest: [u8; 32] = Sha256::new().chain_update(len).chain_update(record).finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        [a, b, c, d, e, f, g, h]
    }

    /// The frame of a record.
    #[must_use]
    pub fn encode(record: &[u8]) -> Vec<u8> {
        let len = (record.len() as u32).to_le_bytes();
        let mut frame = Vec::with_capacity(Self::HEAD + record.len());
        frame.extend_from_slice(&len);
        frame.extend_from_slice(&Self::checksum(len, record));
        frame.extend_from_slice(record);
        frame
    }

    /// Reads frames up to the first that is not whole.
    ///
    /// # Errors
    /// When a frame that is not the last is damaged: a log with a hole must not
    /// be replayed, since a signature could be missing.
    pub fn decode(bytes: &[u8]) -> Result<Frames, Fatal> {
        let mut records = Vec::new();
        let mut at = 0;
        while let Some((head, rest)) = bytes.get(at..).and_then(|b| b.split_at_checked(Self::HEAD)) {
            let (len_bytes, sum) = head.split_at(4);
            let Ok(len_bytes) = <[u8; 4]>::try_from(len_bytes) else { break };
            let len = u32::from_le_bytes(len_bytes) as usize;
            if len > RECORD_BYTES_MAX {
                return Err(Fatal::Wal(format!("the frame at byte {at} says it has {len} bytes")));
            }
            let Some(record) = rest.get(..len) else { break };
            if sum != Self::checksum(len_bytes, record) {
                if rest.len() > len {
                    return Err(Fatal::Wal(format!("the frame at byte {at} is damaged and is not the last")));
                }
                break;
            }
            records.push(record.to_vec());
            at += Self::HEAD + len;
        }
        Ok(Frames { records, whole_len: at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_torn_tail_is_cut_and_damage_before_it_is_an_error(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8),
            cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
        ) {
            let frames: Vec<Vec<u8>> = records.iter().map(|r| FrameCodec::encode(r)).collect();
            let bytes = frames.concat();
            let whole = FrameCodec::decode(&bytes).unwrap();
            prop_assert_eq!(&whole.records, &records);
            prop_assert_eq!(whole.whole_len, bytes.len());
            let torn = FrameCodec::decode(&bytes[..cut.index(bytes.len())]).unwrap();
            prop_assert!(records.starts_with(&torn.records));
            let mut damaged = bytes.clone();
            damaged[flip.index(bytes.len())] ^= 1;
            if let Ok(read) = FrameCodec::decode(&damaged) {
                prop_assert!(records.starts_with(&read.records) && read.records.len() < records.len());
            }
        }
    }
}
