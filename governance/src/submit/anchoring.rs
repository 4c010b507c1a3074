//! Checkpoints on their way to the chain.
//!
//! An [`AnchorJob`] is one transaction's worth of a queue. Who starts one, and
//! when the next node does, is for the caller: two that overlap do not hinder
//! one another, because the contract passes over what is there.

use super::{
    Settings, Submission,
    account::{Account, AccountError, SignedTx, TxPayload},
    driver::{self, Progress},
};
use crate::{
    address::Address,
    contracts::{
        Anchor, ContractError, Registry, SignedCheckpoint,
        anchor::{QUEUE_MAX, anchor_calldata},
    },
    rpc::RpcError,
};
use phalanx_types::{Hash, units::CheckpointNumber};
use serde::{Deserialize, Serialize};

/// Longest calldata of a transaction: public nodes do not take one of 128 KiB in all.
const DATA_BYTES_MAX: usize = 120_000;
/// Most gas of a transaction; EIP-7825 allows 16,777,216.
const GAS_MAX: u64 = 16_000_000;

/// Why a queue is not anchored.
#[derive(Debug, thiserror::Error)]
pub enum AnchoringError {
    /// The account, or the chain behind it.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// What is anchored is not what this mesh has: an alarm.
    #[error(
        "checkpoint {number} is anchored as {anchored}, but here it is {own}: stop, and find out which is forged"
    )]
    Foreign {
        /// Its number.
        number: CheckpointNumber,
        /// Its hash here.
        own: Hash,
        /// Its hash on chain.
        anchored: Hash,
    },
    /// The queue begins too late.
    #[error(
        "the chain's head is checkpoint {head}, the queue begins with {first}: those between are missing"
    )]
    Missing {
        /// The head's number.
        head: CheckpointNumber,
        /// The first of the queue.
        first: CheckpointNumber,
    },
    /// The set that the next checkpoint hands over to does not wait on the chain.
    #[error(
        "checkpoint {number} hands over to validator set {set}, which the mesh has taken up, but {} waits on the \
         chain: nothing can be anchored until the owner proposes that set again (phalanx owner command \
         set-validators)",
        pending.map_or_else(|| "none".to_owned(), |found| format!("set {found}"))
    )]
    NotPending {
        /// The checkpoint's number.
        number: CheckpointNumber,
        /// The set's hash.
        set: Hash,
        /// The set that waits instead, if one does.
        pending: Option<Hash>,
    },
}

impl From<RpcError> for AnchoringError {
    fn from(error: RpcError) -> Self {
        Self::Contract(error.into())
    }
}

/// The part of a queue that is to be anchored behind a head: what comes next,
/// at most [`QUEUE_MAX`]. Empty when all is anchored. Pure.
///
/// # Errors
/// When the head is another checkpoint than the queue has, or the queue begins
/// too late.
pub fn behind<'a>(
    queue: &'a [SignedCheckpoint],
    head: CheckpointNumber,
    head_hash: &Hash,
) -> Result<&'a [SignedCheckpoint], AnchoringError> {
    let done = queue.iter().take_while(|s| s.checkpoint.number <= head).count();
    let (old, new) = queue.split_at(done);
    let foreign = |own: Hash| AnchoringError::Foreign { number: head, own, anchored: *head_hash };
    if let Some(last) = old.last()
        && last.checkpoint.number == head
        && last.checkpoint.hash() != *head_hash
    {
        return Err(foreign(last.checkpoint.hash()));
    }
    if let Some(next) = new.first() {
        if next.checkpoint.number != head.saturating_add(1) {
            return Err(AnchoringError::Missing { head, first: next.checkpoint.number });
        }
        if next.checkpoint.parent != *head_hash {
            return Err(foreign(next.checkpoint.parent));
        }
    }
    Ok(new.get(..new.len().min(QUEUE_MAX)).unwrap_or(new))
}

/// The part of a queue that the contract takes while a set waits to be handed over to:
/// what lies before the first checkpoint that hands over to another one. Pure.
///
/// # Errors
/// [`AnchoringError::NotPending`] when that is the first one: the owner has withdrawn a
/// set that the mesh has taken up.
pub fn until_handover(
    queue: &[SignedCheckpoint],
    pending: Option<Hash>,
) -> Result<&[SignedCheckpoint], AnchoringError> {
    let mut waits = pending;
    let refused = queue.iter().position(|signed| {
        let checkpoint = &signed.checkpoint;
        // A set that was handed over to waits no more.
        checkpoint.changes_set() && waits.take() != Some(checkpoint.next_set_hash)
    });
    match (refused, queue.first()) {
        (Some(0), Some(first)) => Err(AnchoringError::NotPending {
            number: first.checkpoint.number,
            set: first.checkpoint.next_set_hash,
            pending,
        }),
        (Some(count), _) => Ok(queue.get(..count).unwrap_or(queue)),
        (None, _) => Ok(queue),
    }
}

/// A transaction that anchors checkpoints. It is serialisable, so that a node goes on
/// with it after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorJob {
    chain_id: u64,
    account: Address,
    last: CheckpointNumber,
    last_hash: Hash,
    payload: TxPayload,
    gas: u64,
    submission: Submission,
}

impl AnchorJob {
    /// Prepares the next transaction for a queue; `None` when all of it is
    /// anchored. Nothing is sent yet.
    ///
    /// # Errors
    /// See [`AnchoringError`]; a refusal by the contract is said in its words.
    pub async fn start(
        account: &Account,
        anchor: &Anchor,
        queue: &[SignedCheckpoint],
    ) -> Result<Option<Self>, AnchoringError> {
        let at = account.chain().tip().await?.number;
        let (head, head_hash) = anchor.head(at).await?;
        let mut batch = behind(queue, head, &head_hash)?;
        if batch.iter().any(|signed| signed.checkpoint.changes_set()) {
            let registry = Registry::new(account.chain().clone(), anchor.registry(at).await?);
            let pending = registry.pending(at).await?;
            batch = until_handover(batch, pending.map(|set| set.hash))?;
        }
        if batch.is_empty() {
            return Ok(None);
        }
        let (payload, gas) = loop {
            let payload = TxPayload::call(anchor.address(), anchor_calldata(batch)?);
            let half = batch.get(..batch.len() / 2).unwrap_or_default();
            let is_one = half.is_empty();
            if payload.data.len() > DATA_BYTES_MAX && !is_one {
                batch = half;
                continue;
            }
            match account.gas_for(&payload).await {
                Ok(gas) if gas > GAS_MAX && !is_one => batch = half,
                Ok(gas) => break (payload, gas),
                // Too much for this endpoint, perhaps.
                Err(RpcError::Refused { .. }) if !is_one => batch = half,
                Err(error) => return Err(error.into()),
            }
        };
        let Some(last) = batch.last() else { return Ok(None) };
        let nonce = account.chain().nonce(account.address()).await?;
        Ok(Some(Self {
            chain_id: account.chain().id(),
            account: account.address(),
            last: last.checkpoint.number,
            last_hash: last.checkpoint.hash(),
            payload,
            gas,
            submission: Submission::new(nonce),
        }))
    }

    /// Whether it is of this account, to this anchor: a file may be from before either
    /// was changed.
    #[must_use]
    pub fn is_of(&self, account: &Account, anchor: &Anchor) -> bool {
        self.chain_id == account.chain().id()
            && self.account == account.address()
            && self.payload.to == Some(anchor.address())
    }

    /// Its submission. The whole job is to be written down before [`Self::send`].
    #[must_use]
    pub const fn submission(&self) -> &Submission {
        &self.submission
    }

    /// The last checkpoint that it anchors.
    #[must_use]
    pub const fn last(&self) -> CheckpointNumber {
        self.last
    }

    /// Looks once. What it gives to be sent is sent by [`Self::send`] when the
    /// submission is on disk.
    ///
    /// # Errors
    /// [`AnchoringError::Foreign`] when another checkpoint took its number.
    pub async fn look(
        &mut self,
        account: &Account,
        anchor: &Anchor,
        settings: &Settings,
        now_ms: u64,
    ) -> Result<Progress, AnchoringError> {
        let at = account.chain().tip().await?.number;
        let (head, _) = anchor.head(at).await?;
        let is_reached = head >= self.last;
        if is_reached
            && let Some(anchored) = anchor.hash_of(self.last, at).await?
            && anchored != self.last_hash
        {
            return Err(AnchoringError::Foreign { number: self.last, own: self.last_hash, anchored });
        }
        let (submission, payload) = (&mut self.submission, &self.payload);
        Ok(driver::look(account, submission, payload, self.gas, is_reached, settings, now_ms).await?)
    }

    /// Sends what [`Self::look`] has prepared.
    ///
    /// # Errors
    /// When no endpoint takes it.
    pub async fn send(&mut self, account: &Account, signed: &SignedTx, now_ms: u64) -> Result<(), RpcError> {
        driver::send(account, &mut self.submission, signed, now_ms).await
    }
}
