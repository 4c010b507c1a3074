//! What consensus asks of the node it runs in.

use crate::PeerKey;
use phalanx_types::{
    Beat, CommitCertificate, Evidence, Hash, Height, Round, TimeMs, ValidatorSet,
    evidence::{Accusation, Fault},
};
use std::sync::Arc;

/// Why a beat is judged, which decides whether the clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new proposal, seen at this time of this node's clock.
    Proposal {
        /// This node's clock.
        now: TimeMs,
    },
    /// It comes with a proof that two thirds would have accepted it before.
    Relocked,
    /// It stands in this node's log.
    Replay,
    /// It was decided.
    Sync,
}

/// What the application thinks of a beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It follows from the state and its inputs.
    Valid,
    /// No honest node makes it.
    Invalid {
        /// What its proposer did wrong, when only that can explain it.
        fault: Option<Fault>,
        /// Why, in words.
        reason: String,
    },
}

/// Why a node's part in the agreement ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The application failed.
    #[error("{0}")]
    Application(String),
    /// The disk failed: what failed, and what to do.
    #[error("{0}")]
    Disk(String),
    /// The write-ahead log does not hold what it should.
    #[error("the write-ahead log cannot be trusted: {0}")]
    Wal(String),
    /// The store lost beats, and nobody is there to give them again.
    #[error(
        "the store ends with beat {stored}, but this node has signed at beat {signed}: decided beats are gone; put back a copy of the home folder's data"
    )]
    BeatsLost {
        /// The store's last beat.
        stored: Height,
        /// The height of the log.
        signed: Height,
    },
    /// The engine failed.
    #[error("the consensus engine failed: {0}")]
    Engine(String),
    /// A probe ended it, as a crash would.
    #[error("crashed by its probe")]
    Crashed,
    /// It has ended before.
    #[error("this node has stopped: {0}")]
    Stopped(String),
}

/// What an answer about a snapshot led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotStep {
    /// It was taken; there is more to ask for.
    More,
    /// It was the last part: the node now goes on after the snapshot's beat.
    Restored,
    /// The peer offers no such thing.
    Unavailable,
    /// It is wrong.
    Wrong {
        /// Why, in words.
        reason: String,
    },
}

/// The node that consensus runs in. Every error is fatal (C2).
pub trait Application {
    /// Makes a beat for a height. It must be valid for others.
    ///
    /// # Errors
    /// When the node cannot go on.
    fn propose(&mut self, height: Height, round: Round, now: TimeMs) -> Result<Arc<Beat>, Fatal>;

    /// Judges a beat for the next height, by executing it.
    ///
    /// # Errors
    /// When the node cannot go on; a bad beat is a verdict, no error.
    fn check(&mut self, beat: &Arc<Beat>, round: Round, purpose: Purpose) -> Result<Verdict, Fatal>;

    /// Writes a decided beat. It is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    fn commit(&mut self, beat: &Arc<Beat>, certificate: &CommitCertificate) -> Result<(), Fatal>;

    /// The last committed height.
    fn height(&self) -> Height;

    /// The weighted set that decides the height after it.
    fn validator_set(&self) -> Arc<ValidatorSet>;

    /// A decided beat's encoding and its certificate, for those who catch up.
    ///
    /// # Errors
    /// When it cannot be read.
    fn decided(&self, height: Height) -> Result<Option<(Vec<u8>, CommitCertificate)>, Fatal>;

    /// The next question for a snapshot, when this node would rather go on after
    /// one than take over every beat up to `best`.
    fn snapshot_query(&self, best: Height) -> Option<Vec<u8>>;

    /// Takes the answer to that question. When it was the last one, the state is
    /// replaced, and durably so, before this returns.
    ///
    /// # Errors
    /// When the node cannot go on; a wrong answer is a step, no error.
    fn snapshot_answer(&mut self, answer: &[u8]) -> Result<SnapshotStep, Fatal>;

    /// Forgets the parts of a snapshot whose peer is gone.
    fn snapshot_abandon(&mut self);

    /// Takes evidence that convicts by itself, to put it into a beat.
    fn evidence(&mut self, evidence: Evidence);

    /// Takes note of a fault that this node has seen.
    fn fault(&mut self, accusation: Accusation);

    /// Takes note of what a peer, known by its network key, sent: garbage, too
    /// much, or a wrong beat to one that catches up. If it is a validator it can
    /// be accused.
    fn peer_fault(&mut self, peer: PeerKey, fault: Fault, seen: Hash);

    /// Whether something waits to be decided.
    fn has_work(&self) -> bool;
}
