//! Executes a stored ledger again, from genesis, and compares everything.
//!
//! What [`phalanx_ledger::fsck`] cannot see is a record that hangs together but
//! was made up by somebody with enough keys: a state that does not follow from
//! the inputs. [`replay`] takes nothing from the store but genesis, beats and
//! certificates. It feeds them to a replica of its own, whose store is a
//! [`Twin`]: what the replica writes is compared with what is stored, byte by
//! byte, as it is written.
//!
//! - **P1** Equal means: every receipt, root, set, checkpoint, tree tile, state
//!   entry and index record is the one that execution gives, and no other record
//!   is stored. Only values behind salted fields may be missing.
//! - **P2** Nothing is written to the stored ledger.

mod twin;

use crate::{OpenError, Replica, mempool::Limits};
use phalanx_consensus::{Application, Fatal, Purpose, Verdict};
use phalanx_ledger::{Kv, StoreError, Stored};
use phalanx_types::{Genesis, Hash, Height, PublicKey};
use std::sync::Arc;
use twin::Twin;

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Beats compared.
    pub done: Height,
    /// Beats to compare.
    pub of: Height,
}

/// What a replay compared, all of it equal.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Replayed {
    /// The last beat that was executed.
    pub height: Height,
    /// Its id.
    pub header: Hash,
    /// The state after it.
    pub app_hash: Hash,
    /// The genesis it began from.
    pub genesis: Hash,
    /// Receipts compared.
    pub receipts: u64,
    /// Checkpoints compared.
    pub checkpoints: u64,
    /// Records compared in all tables.
    pub records: u64,
    /// Receipts whose salted values were dropped from the store.
    pub hidden_dropped: u64,
    /// Whether it went to the end of the ledger. If not, the records that later
    /// beats overwrite (state entries, open tiles, the tip) were not compared.
    pub is_whole: bool,
}

/// The first thing in which a store and its execution differ.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("beat {height}: {what}")]
pub struct Difference {
    /// The beat whose execution shows it; 0 for genesis.
    pub height: Height,
    /// What differs.
    pub what: String,
}

/// Why a replay does not say "equal".
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Something differs.
    #[error(transparent)]
    Differs(#[from] Difference),
    /// There is no ledger in the store, or not enough of one to begin with.
    #[error("there is no ledger to replay: the {0} is missing")]
    Absent(&'static str),
    /// It began with a snapshot.
    #[error(
        "this ledger was restored from a snapshot after beat {0}: its genesis and what followed are not here to \
         be executed; replay a node that has them"
    )]
    Restored(Height),
    /// There is no such beat.
    #[error("the ledger ends at beat {tip}; there is no beat {asked} to replay to")]
    BeyondTip {
        /// What was asked for.
        asked: Height,
        /// Where the ledger ends.
        tip: Height,
    },
    /// The ledger is of another mesh than the one that is trusted.
    #[error("the store is of the genesis {found}, the trusted one is {expected}")]
    OtherMesh {
        /// The trusted genesis hash.
        expected: Hash,
        /// The store's.
        found: Hash,
    },
    /// A record cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The genesis cannot begin a ledger.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The execution itself failed.
    #[error(transparent)]
    Failed(#[from] Fatal),
}

/// Executes the stored beats again, up to `to` or to the end, and compares.
/// `trusted` is the genesis document that the store must be of; without one the
/// store's own is taken, and the caller has to compare its hash.
///
/// # Errors
/// The first difference, or why the comparison cannot be made.
pub fn replay<K: Kv>(
    kv: &K,
    trusted: Option<&Genesis>,
    to: Option<Height>,
    mut progress: impl FnMut(Progress),
) -> Result<Replayed, ReplayError> {
    let stored = Stored::new(kv);
    let genesis = stored.genesis()?.ok_or(ReplayError::Absent("genesis"))?;
    let tip = stored.tip()?.ok_or(ReplayError::Absent("tip"))?.height;
    if let Some(trusted) = trusted
        && trusted.hash() != genesis.hash()
    {
        return Err(ReplayError::OtherMesh { expected: trusted.hash(), found: genesis.hash() });
    }
    if let Some(base) = stored.base()? {
        return Err(ReplayError::Restored(base.tip.height));
    }
    let end = to.unwrap_or(tip);
    if end > tip {
        return Err(ReplayError::BeyondTip { asked: end, tip });
    }
    let twin = Twin::new(kv);
    // The replica proposes nothing, so it may be anybody.
    let mut replica = Replica::open(&twin, &genesis, PublicKey([0; 32]), Limits::default())?;
    twin.verdict(Height::ZERO)?;
    for height in (1..=end.0).map(Height) {
        step(&stored, &mut replica, height)?;
        twin.verdict(height)?;
        progress(Progress { done: height, of: end });
    }
    let is_whole = end == tip;
    if is_whole {
        twin.compare_rest(end)?;
    }
    let reached = replica.ledger().tip();
    Ok(Replayed {
        height: end,
        header: reached.header_id,
        app_hash: reached.app_hash,
        genesis: genesis.hash(),
        receipts: reached.next_receipt.0,
        checkpoints: reached.checkpoint.0,
        records: twin.records(),
        hidden_dropped: twin.hidden_dropped(),
        is_whole,
    })
}

/// Judges and executes one stored beat, and checks who decided it.
fn step<K: Kv, T: Kv>(
    stored: &Stored<'_, K>,
    replica: &mut Replica<T>,
    height: Height,
) -> Result<(), ReplayError> {
    let differs = |what: String| ReplayError::Differs(Difference { height, what });
    let beat = stored.beat(height)?.ok_or_else(|| differs("the stored beat is missing".into()))?;
    let certificate =
        stored.certificate(height)?.ok_or_else(|| differs("its certificate is missing".into()))?;
    let beat = Arc::new(beat);
    if let Verdict::Invalid { reason, .. } = replica.check(&beat, certificate.round, Purpose::Sync)? {
        return Err(differs(format!("the stored beat is invalid: {reason}")));
    }
    if (certificate.height, certificate.beat) != (height, beat.id()) || certificate.mesh != beat.header.mesh {
        return Err(differs(format!(
            "its certificate is of beat {} at height {}, the stored beat is {}",
            certificate.beat,
            certificate.height,
            beat.id()
        )));
    }
    certificate
        .verify(&replica.validator_set())
        .map_err(|error| differs(format!("its certificate does not show that it was decided: {error}")))?;
    replica.commit(&beat, &certificate)?;
    replica.take_decisions();
    Ok(())
}
