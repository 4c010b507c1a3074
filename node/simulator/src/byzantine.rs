//! Nodes that hold real keys, speak the real wire and run the real code, with
//! one rule replaced.

use crate::{history::History, random::Random};
use phalanx_consensus::wire::{Lane, Message};
use phalanx_types::{
    Hash, SigningKey,
    vote::{ValidatorMessage, Vote},
};

/// What a Byzantine node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Byzantine {
    /// Signs different votes and proposals for different peers.
    Equivocator,
    /// Proposes beats whose roots do not follow.
    WrongRoot,
    /// Sends again what was said just now and long ago.
    Replayer,
    /// Sends forty times what it should.
    Flooder,
    /// Sends bytes that are no message.
    Garbage,
    /// Its clock is wrong by ten seconds.
    TimeShifter,
    /// Says nothing.
    Silent,
    /// Answers those who catch up with changed beats.
    LyingSync,
}

impl Byzantine {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Equivocator,
        Self::WrongRoot,
        Self::Replayer,
        Self::Flooder,
        Self::Garbage,
        Self::TimeShifter,
        Self::Silent,
        Self::LyingSync,
    ];

    /// Whether its lies leave evidence that must end in quarantine.
    #[must_use]
    pub const fn is_provable(self) -> bool {
        match self {
            Self::Equivocator | Self::WrongRoot | Self::Flooder | Self::TimeShifter | Self::Garbage => true,
            // One that catches up is the only witness; silence is no fault; and honest
            // nodes too send again what others have signed, to keep the mesh alive.
            Self::Silent | Self::LyingSync | Self::Replayer => false,
        }
    }

    /// How far its clock is off, in milliseconds.
    pub(crate) const fn clock_ahead_ms(self) -> u64 {
        match self {
            Self::TimeShifter => 10_000,
            _ => 0,
        }
    }

    /// What a message becomes on its way to one peer.
    pub(crate) fn tell(
        self,
        key: &SigningKey,
        random: &mut Random,
        to: usize,
        lane: Lane,
        bytes: &[u8],
        history: &History,
    ) -> Vec<(Lane, Vec<u8>)> {
        let original = (lane, bytes.to_vec());
        match self {
            Self::Silent => Vec::new(),
            Self::Garbage => {
                let len = random.below(64) as usize;
                vec![(lane, (0..len).map(|_| random.below(256) as u8).collect())]
            }
            Self::Flooder => vec![original; 40],
            Self::Replayer => {
                let mut all = vec![original];
                all.extend((0..3).filter_map(|_| history.pick(random)));
                all
            }
            Self::Equivocator if to % 2 == 1 => {
                other_word(key, lane, bytes).map_or(vec![original], |w| vec![w])
            }
            Self::WrongRoot => wrong_root(key, lane, bytes).map_or(vec![original], |w| vec![w]),
            Self::Equivocator | Self::TimeShifter | Self::LyingSync => vec![original],
        }
    }
}

/// A second, different vote or proposal of the same round.
fn other_word(key: &SigningKey, lane: Lane, bytes: &[u8]) -> Option<(Lane, Vec<u8>)> {
    match Message::decode(lane, bytes).ok()? {
        Message::Vote(vote) if vote.message.validator == key.public() => {
            let beat = if vote.message.beat.is_some() { None } else { Some(Hash::sha3(b"another beat")) };
            let other = Vote { beat, ..vote.message }.sign(key);
            Some((lane, Message::Vote(other).encode()))
        }
        Message::Proposal(claim, mut beat) if claim.message.validator == key.public() => {
            beat.header.time = beat.header.time.saturating_add(1);
            let mut message = claim.message;
            message.beat = beat.id();
            Some((lane, Message::Proposal(message.sign(key), beat).encode()))
        }
        _ => None,
    }
}

fn wrong_root(key: &SigningKey, lane: Lane, bytes: &[u8]) -> Option<(Lane, Vec<u8>)> {
    match Message::decode(lane, bytes).ok()? {
        Message::Proposal(claim, mut beat) if claim.message.validator == key.public() => {
            beat.header.app_hash = Hash::sha3(b"another state");
            let mut message = claim.message;
            message.beat = beat.id();
            Some((lane, Message::Proposal(message.sign(key), beat).encode()))
        }
        _ => None,
    }
}
