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
    /// Its clock is ten seconds ahead.
    TimeShifter,
    /// Its clock is ten seconds behind.
    SlowClock,
    /// Says nothing.
    Silent,
    /// Answers those who catch up with changed beats and changed snapshots.
    LyingSync,
}

impl Byzantine {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Equivocator,
        Self::WrongRoot,
        Self::Replayer,
        Self::Flooder,
        Self::Garbage,
        Self::TimeShifter,
        Self::SlowClock,
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
            // What a slow clock proposes is only ever as old as the parent.
            Self::Silent | Self::LyingSync | Self::Replayer | Self::SlowClock => false,
        }
    }

    /// How far its clock is off, in milliseconds.
    pub(crate) const fn clock_off_ms(self) -> i64 {
        match self {
            Self::TimeShifter => 10_000,
            Self::SlowClock => -10_000,
            _ => 0,
        }
    }

    /// What a message becomes on its way to one peer. `twist` chooses among the ways of one lie.
    pub(crate) fn tell(
        self,
        key: &SigningKey,
        twist: u64,
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
            Self::WrongRoot => wrong_root(key, twist, lane, bytes).map_or(vec![original], |w| vec![w]),
            Self::Equivocator | Self::TimeShifter | Self::SlowClock | Self::LyingSync => vec![original],
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

/// A proposal with a wrong root of inputs, receipts or state.
fn wrong_root(key: &SigningKey, twist: u64, lane: Lane, bytes: &[u8]) -> Option<(Lane, Vec<u8>)> {
    match Message::decode(lane, bytes).ok()? {
        Message::Proposal(claim, mut beat) if claim.message.validator == key.public() => {
            let header = &mut beat.header;
            let roots = [&mut header.app_hash, &mut header.receipts_root, &mut header.inputs_root];
            if let Some(root) = roots.into_iter().nth((twist % 3) as usize) {
                *root = Hash::sha3(b"another root");
            }
            let mut message = claim.message;
            message.beat = beat.id();
            Some((lane, Message::Proposal(message.sign(key), beat).encode()))
        }
        _ => None,
    }
}
