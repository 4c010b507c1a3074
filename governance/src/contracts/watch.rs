//! The owner's commands as they become final: so many blocks deep as this node has
//! been told.
//!
//! What was given out once is remembered by its block; when that block is not on the chain any
//! more, the chain has reorganised deeper than was thought possible, which is
//! an alarm and never repaired silently.

use super::{CommandLog, Commands, ContractError, LoggedCommand};
use crate::rpc::{Chain, LOGS_RANGE_MAX, RpcError};
use phalanx_types::Hash;
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
    /// From the first command on.
    #[must_use]
    pub const fn from_start(mesh: Hash, deployed_in: u64, depth: u64) -> Self {
        Self { position: Position::new(deployed_in, depth), log: CommandLog::new(mesh) }
    }

    /// From the one behind `sequence` on, which was in `block` and after which the
    /// hash chain was `chain`, as the mesh has agreed. When the chain has another
    /// past now, the first look fails with [`ContractError::Chain`] or
    /// [`ContractError::Withheld`]: begin at the start then.
    #[must_use]
    pub const fn behind(mesh: Hash, sequence: u64, chain: Hash, block: u64, depth: u64) -> Self {
        Self { position: Position::new(block, depth), log: CommandLog::after(mesh, sequence, chain) }
    }

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
