//! The owner's commands and the anchored checkpoints as they become final.
//!
//! Final means: so many blocks deep as the mesh has agreed. What was given out
//! once is remembered by its block; when that block is not on the chain any
//! more, the chain has reorganised deeper than was thought possible, which is
//! an alarm and never repaired silently.

use super::{Anchor, CommandLog, Commands, ContractError, LoggedCommand, anchor::Anchored};
use crate::rpc::{Chain, LOGS_RANGE_MAX, RpcError};
use phalanx_types::{Hash, units::CheckpointNumber};
use serde::{Deserialize, Serialize};

/// Most blocks of one look: a node that was away for long catches up in steps.
pub const BLOCKS_MAX: u64 = 10 * LOGS_RANGE_MAX;

/// Why watching stops.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The chain or the contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A block that was final is not any more.
    #[error(
        "block {number} was {expected}, {depth} blocks deep, and is now {found}: the chain has reorganised deeper than the depth; the owner must reconcile"
    )]
    DeepReorganisation {
        /// Its number.
        number: u64,
        /// The depth that was thought safe.
        depth: u64,
        /// Its hash when it was final.
        expected: Hash,
        /// Its hash now.
        found: Hash,
    },
}

impl From<RpcError> for WatchError {
    fn from(error: RpcError) -> Self {
        Self::Contract(error.into())
    }
}

/// How far was watched: the last final block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The first block that was not looked at.
    next_block: u64,
    /// The last one that was, and its hash.
    last: Option<(u64, Hash)>,
    /// How deep a final block is: 1 is the newest one.
    depth: u64,
}

impl Position {
    /// Before the block of the deployment.
    #[must_use]
    pub const fn new(deployed_in: u64, depth: u64) -> Self {
        Self { next_block: deployed_in, last: None, depth }
    }

    /// The first block that was not looked at.
    #[must_use]
    pub const fn next_block(&self) -> u64 {
        self.next_block
    }

    /// The blocks to look at now, when there are any; checks first that what
    /// was final still is.
    async fn range(&self, chain: &Chain) -> Result<Option<(u64, u64)>, WatchError> {
        let tip = chain.tip().await?.number;
        if let Some((number, expected)) = self.last
            && number <= tip
        {
            let found = chain.block(number).await?.hash;
            if found != expected {
                return Err(WatchError::DeepReorganisation { number, depth: self.depth, expected, found });
            }
        }
        let Some(last) = tip.checked_add(1).and_then(|t| t.checked_sub(self.depth)) else { return Ok(None) };
        let last = last.min(self.next_block.saturating_add(BLOCKS_MAX - 1));
        Ok((last >= self.next_block).then_some((self.next_block, last)))
    }

    async fn moved(&self, chain: &Chain, to: u64) -> Result<Self, WatchError> {
        let hash = chain.block(to).await?.hash;
        Ok(Self { next_block: to.saturating_add(1), last: Some((to, hash)), depth: self.depth })
    }
}

/// Watches the owner's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandWatch {
    /// How far it is.
    pub position: Position,
    /// What it has read.
    pub log: CommandLog,
}

impl CommandWatch {
    /// The commands that have become final since the last look, in order. When
    /// it fails, nothing is moved on: the next look asks again.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub async fn look(
        &mut self,
        chain: &Chain,
        commands: &Commands,
    ) -> Result<Vec<LoggedCommand>, WatchError> {
        let Some((from, to)) = self.position.range(chain).await? else { return Ok(Vec::new()) };
        let mut log = self.log;
        let found = commands.read(&mut log, from, to).await?;
        self.position = self.position.moved(chain, to).await?;
        self.log = log;
        Ok(found)
    }
}

/// Watches anchored checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorWatch {
    /// How far it is.
    pub position: Position,
    /// Number of the last checkpoint that is final.
    pub last: CheckpointNumber,
}

impl AnchorWatch {
    /// The checkpoints that have become final since the last look, in order.
    /// The caller compares each hash with its own.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub async fn look(&mut self, chain: &Chain, anchor: &Anchor) -> Result<Vec<Anchored>, WatchError> {
        let Some((from, to)) = self.position.range(chain).await? else { return Ok(Vec::new()) };
        let found = anchor.anchored(from, to).await?;
        if let Some(first) = found.first()
            && first.number != self.last.saturating_add(1)
        {
            let (expected, found) = (self.last.0.saturating_add(1), first.number.0);
            return Err(ContractError::Gap { expected, found }.into());
        }
        let last = found.last().map_or(self.last, |a| a.number);
        let (head, _) = anchor.head(to).await?;
        if head != last {
            return Err(ContractError::Withheld { expected: head.0, found: last.0 }.into());
        }
        self.position = self.position.moved(chain, to).await?;
        self.last = last;
        Ok(found)
    }
}
