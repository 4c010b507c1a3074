//! What consensus asks of the node it runs in.

use phalanx_types::{
    Beat, CommitCertificate, Evidence, Height, Round, TimeMs, ValidatorSet,
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
        /// What its proposer did wrong.
        fault: Fault,
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
    /// The write-ahead log failed.
    #[error("the write-ahead log failed: {0}; check the disk, then start again")]
    Wal(String),
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

    /// Takes evidence that convicts by itself, to put it into a beat.
    fn evidence(&mut self, evidence: Evidence);

    /// Takes note of a fault that this node has seen.
    fn fault(&mut self, accusation: Accusation);

    /// Whether something waits to be decided.
    fn has_work(&self) -> bool;
}
