//! Whether a checkpoint is on the chain, and what that rests on.

use super::{Anchor, ContractError, Deployment, Registry};
use crate::rpc::{Chain, RpcError};
use phalanx_types::{Checkpoint, Hash};
use serde::Serialize;

/// How sure a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "level")]
pub enum Standing {
    /// It is not on the chain.
    NotAnchored,
    /// It is on the chain, but not deep enough.
    Anchored,
    /// It is on the chain, deep enough.
    Final,
    /// Another checkpoint has its number: one of the two is forged.
    Contradicted {
        /// What is anchored.
        anchored: Hash,
    },
    /// It is older than the hashes that the contract keeps, and its descendants
    /// up to one of those were not given, or do not lead there.
    TooOld,
}

/// A verdict, with all that it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How sure it is.
    pub standing: Standing,
    /// Hash of the checkpoint, computed here.
    pub hash: Hash,
    /// The height at which the chain was asked.
    pub block: u64,
    /// Epochs that began without the signatures of the set before them.
    pub forced_epochs: Vec<u64>,
    /// What was taken for true without being checked, in words.
    pub trusted: Vec<String>,
}

impl Verdict {
    /// Whether it is on the chain, deep enough or not.
    #[must_use]
    pub const fn is_anchored(&self) -> bool {
        matches!(self.standing, Standing::Anchored | Standing::Final)
    }
}

/// Looks for a checkpoint on the chain. `descendants` are those after it, in
/// order, when it may have left the window of the contract. `depth` is how deep
/// is final: 1 is the newest block.
///
/// # Errors
/// When the chain cannot be asked, or the contracts are not what they should
/// be.
pub async fn checkpoint(
    chain: &Chain,
    deployment: &Deployment,
    checkpoint: &Checkpoint,
    descendants: &[Checkpoint],
    depth: u64,
) -> Result<Verdict, ContractError> {
    chain.check_id().await?;
    let at = chain.tip().await?.number;
    let report = deployment.check(chain, at).await?;
    let registry = Registry::new(chain.clone(), deployment.registry);
    let forced_epochs = registry.forced_epochs(at).await?;
    let anchor = Anchor::new(chain.clone(), deployment.anchor);

    let mut standing = at_height(&anchor, checkpoint, descendants, at).await?;
    let deep = at.saturating_add(1).checked_sub(depth.max(1));
    if standing == Standing::Anchored
        && let Some(deep) = deep
    {
        match at_height(&anchor, checkpoint, descendants, deep).await {
            Ok(Standing::Anchored) => standing = Standing::Final,
            // Before the contract was there it answers nothing.
            Ok(_) | Err(ContractError::Answer { .. }) => {}
            // A node that keeps no old states cannot say.
            Err(ContractError::Rpc(RpcError::Refused { .. })) => {}
            Err(error) => return Err(error),
        }
    }

    let mut trusted = vec![match chain.trusted().as_slice() {
        [one] => format!("{one}, alone: another --rpc would show whether it lies"),
        more => format!("that {} do not lie alike", more.join(" and ")),
    }];
    trusted.push(format!(
        "the contracts at {}, {} and {} of chain {}, whose code is of this build",
        deployment.anchor,
        deployment.registry,
        deployment.commands,
        chain.id()
    ));
    trusted.push(format!("more than two thirds of the validators of epoch {}", checkpoint.set_epoch));
    for epoch in forced_epochs.iter().filter(|e| **e <= checkpoint.set_epoch) {
        trusted.push(format!(
            "the owner {}: it FORCED the set of epoch {epoch} without the signatures of the one before",
            report.owner
        ));
    }
    Ok(Verdict { standing, hash: checkpoint.hash(), block: at, forced_epochs, trusted })
}

async fn at_height(
    anchor: &Anchor,
    checkpoint: &Checkpoint,
    descendants: &[Checkpoint],
    at: u64,
) -> Result<Standing, ContractError> {
    let (head, _) = anchor.head(at).await?;
    if checkpoint.number > head {
        return Ok(Standing::NotAnchored);
    }
    match anchor.hash_of(checkpoint.number, at).await? {
        Some(anchored) if anchored == checkpoint.hash() => Ok(Standing::Anchored),
        Some(anchored) => Ok(Standing::Contradicted { anchored }),
        None => {
            // A checkpoint names its parent by hash: what leads to one that the contract
            // knows is anchored with it.
            let (mut last, mut hash) = (checkpoint.number, checkpoint.hash());
            for next in descendants.iter().take_while(|d| d.number <= head) {
                if next.number != last.saturating_add(1) || next.parent != hash {
                    return Ok(Standing::TooOld);
                }
                (last, hash) = (next.number, next.hash());
            }
            let leads = last > checkpoint.number && anchor.hash_of(last, at).await? == Some(hash);
            Ok(if leads { Standing::Anchored } else { Standing::TooOld })
        }
    }
}
