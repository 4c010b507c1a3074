//! The chain, looked at: the owner's commands become observations, what is anchored
//! is compared with what is here.

use super::{Head, Shared};
use crate::{
    chain::{self, Contracts},
    runtime::core::Core,
};
use anyhow::Result;
use phalanx_fabric::{ChainCursor, Fabric, OBSERVED_AHEAD_MAX};
use phalanx_governance::{
    contracts::{
        Anchor, Commands, ContractError, LoggedCommand,
        watch::{CommandWatch, WatchError},
    },
    translate::{self, Registrar},
};
use phalanx_types::{Hash, Observation, Operation, observation::next_head, units::CheckpointNumber};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};

/// An observation that was not decided after this time is sent again.
const OBSERVE_AGAIN: Duration = Duration::from_secs(10);
/// Commands that wait for the mesh; no more are read until it has obeyed.
const COMMANDS_MAX: usize = 4_096;

/// The chain while it can be asked.
struct Link {
    contracts: Contracts,
    commands: CommandWatch,
    /// Whether the log was read from its beginning, and not from where the mesh is.
    is_from_start: bool,
    /// The hash chain after the last command that was read.
    head: Hash,
    /// Commands that were read, and the hash chain after each.
    read: BTreeMap<u64, (LoggedCommand, Hash)>,
    /// When each was told to the mesh.
    told: BTreeMap<u64, Instant>,
}

/// Looks at the chain until the node stops.
pub async fn run(
    shared: Arc<Shared>,
    core: Core,
    operations: mpsc::Sender<Operation>,
    head: watch::Sender<Head>,
) {
    let mut link: Option<Link> = None;
    loop {
        let looked = match &mut link {
            None => connect(&shared, &core.fabric()).await.map(|new| {
                link = Some(new);
            }),
            Some(link) => look(&shared, &core, link, &operations, &head).await,
        };
        match looked {
            Ok(()) => shared.set_trouble(None),
            Err(error) => {
                shared.set_trouble(Some(format!("{error:#}")));
                head.send_modify(|head| head.contracts = None);
                link = recover(&shared, &error, link);
            }
        }
        tokio::time::sleep(super::pause(&shared)).await;
    }
}

/// Connects, and checks that the contracts are those that the genesis binds.
async fn connect(shared: &Shared, fabric: &Fabric) -> Result<Link> {
    let chain = chain::connect(&shared.config.rpc, Some(shared.binding.chain_id)).await?;
    let contracts = Contracts::discover(chain, shared.anchor(), Some(shared.binding.code_hash)).await?;
    let (address, expected, found) = (shared.anchor(), shared.mesh, contracts.deployment.mesh);
    if expected != found {
        return Err(ContractError::OtherMesh { address, expected, found }.into());
    }
    let cursor = fabric.chain().copied().filter(|cursor| cursor.applied > 0 && !cursor.has_diverged);
    Ok(Link::new(shared, contracts, cursor))
}

impl Link {
    /// From where the mesh is, or from the beginning.
    fn new(shared: &Shared, contracts: Contracts, cursor: Option<ChainCursor>) -> Self {
        let depth = shared.config.depth;
        let commands = match &cursor {
            Some(c) => CommandWatch::behind(shared.mesh, c.applied, c.head, c.block, depth),
            None => CommandWatch::from_start(shared.mesh, shared.config.from_block, depth),
        };
        Self {
            contracts,
            commands,
            is_from_start: cursor.is_none(),
            head: cursor.map_or(Hash::ZERO, |c| c.head),
            read: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }
}

/// What to go on with after a failure. A chain whose past is not what the mesh has
/// obeyed, or was seen, is read anew from its beginning.
fn recover(shared: &Shared, error: &anyhow::Error, link: Option<Link>) -> Option<Link> {
    let link = link?;
    let has_changed = match error.downcast_ref::<WatchError>() {
        Some(WatchError::DeepReorganisation { .. }) => true,
        Some(WatchError::Contract(error)) => {
            matches!(error, ContractError::Chain { .. } | ContractError::Withheld { .. })
        }
        None => false,
    };
    if !has_changed {
        // An endpoint may come back as another one: everything is checked again.
        return None;
    }
    shared.alarm(format!("{error:#}"));
    Some(Link::new(shared, link.contracts, None))
}

async fn look(
    shared: &Shared,
    core: &Core,
    link: &mut Link,
    operations: &mpsc::Sender<Operation>,
    head: &watch::Sender<Head>,
) -> Result<()> {
    let chain = link.contracts.chain.clone();
    chain.check_id().await?;
    let tip = chain.tip().await?.number;
    let anchored = heads(shared, core, link, tip).await?;
    let contracts = link.contracts.clone();
    head.send_modify(|head| {
        *head = Head { contracts: Some(contracts), anchored };
    });
    shared.seen().block = tip;

    let deployment = link.contracts.deployment;
    if link.read.len() < COMMANDS_MAX {
        let commands = Commands::new(chain.clone(), deployment.commands, deployment.mesh);
        for command in link.commands.look(&chain, &commands).await? {
            link.head = next_head(&link.head, &command.hash);
            shared.tell(json!({
                "what": "command", "sequence": command.sequence.to_string(), "kind": command.kind,
                "transaction": command.tx_hash,
            }));
            link.read.insert(command.sequence, (command, link.head));
        }
        shared.seen().commands = link.commands.log.sequence();
    }
    observe(shared, core, link, operations).await;
    Ok(())
}

/// Compares what is anchored, and what stays so, with what is here; gives the last
/// checkpoint that is anchored.
async fn heads(shared: &Shared, core: &Core, link: &Link, tip: u64) -> Result<CheckpointNumber> {
    let anchor = Anchor::new(link.contracts.chain.clone(), link.contracts.deployment.anchor);
    let (anchored, hash) = anchor.head(tip).await?;
    if let Some(anchored) = compare(shared, core, anchored, hash, "anchored").await {
        let before = std::mem::replace(&mut shared.seen().anchored, anchored);
        match anchored.cmp(&before) {
            std::cmp::Ordering::Greater => {
                shared.tell(json!({"what": "anchored", "checkpoint": anchored, "block": tip.to_string()}));
            }
            std::cmp::Ordering::Less => {
                shared.tell(json!({
                    "what": "reorganised", "checkpoint": anchored, "before": before,
                    "reason": "the chain has taken anchored checkpoints back: they are sent again",
                }));
            }
            std::cmp::Ordering::Equal => {}
        }
    }
    let deep =
        tip.saturating_add(1).checked_sub(shared.config.depth).filter(|b| *b >= shared.config.from_block);
    let Some(deep) = deep else { return Ok(anchored) };
    let (lasting, hash) = match anchor.head(deep).await {
        // The contract was not there yet.
        Err(ContractError::Answer { .. }) => return Ok(anchored),
        found => found?,
    };
    if let Some(lasting) = compare(shared, core, lasting, hash, "final").await {
        let before = std::mem::replace(&mut shared.seen().lasting, lasting);
        if lasting > before {
            shared.cosigner().anchored(lasting);
            shared.tell(json!({"what": "final", "checkpoint": lasting, "block": deep.to_string()}));
        }
        if lasting < before {
            shared.alarm(format!(
                "checkpoint {before} was {} blocks deep on the chain, which now ends with {lasting}: it has \
                 reorganised deeper than was thought possible; what is missing is sent again",
                shared.config.depth
            ));
            shared.cosigner().reopen(lasting);
        }
    }
    Ok(anchored)
}

/// The number of a checkpoint on the chain, when it is the one that is here; none
/// when this node is behind, or when the two differ, which is an alarm.
async fn compare(
    shared: &Shared,
    core: &Core,
    number: CheckpointNumber,
    hash: Hash,
    what: &str,
) -> Option<CheckpointNumber> {
    if number == CheckpointNumber::ZERO {
        return Some(number);
    }
    let own = core.ask(move |replica, _| replica.ledger().checkpoint(number).ok().flatten()).await??;
    if own.hash() == hash {
        return Some(number);
    }
    shared.alarm(format!(
        "checkpoint {number} is {what} as {hash}, but here it is {}: stop, and find out which is forged",
        own.hash()
    ));
    None
}

/// Tells the mesh of the commands whose turn it is, as long as it has not heard the
/// same of this validator.
async fn observe(shared: &Shared, core: &Core, link: &mut Link, operations: &mpsc::Sender<Operation>) {
    let fabric = core.fabric();
    let Some(cursor) = fabric.chain().copied() else { return };
    if !cursor.has_diverged {
        link.read = link.read.split_off(&cursor.applied.saturating_add(1));
    }
    link.told.retain(|sequence, at| *sequence > cursor.applied && at.elapsed() < OBSERVE_AGAIN);
    let is_validator = fabric.validators().any(|(key, v)| *key == shared.me && !v.is_quarantined);
    if !is_validator {
        return;
    }
    let registrar = Registrar { chain_id: shared.binding.chain_id, mesh: shared.mesh };
    let next = cursor.applied.saturating_add(1);
    let turn: Vec<u64> = if cursor.has_diverged {
        // The owner's word that ends it may have any number.
        let ahead = usize::try_from(OBSERVED_AHEAD_MAX).unwrap_or(usize::MAX);
        link.read.range(next..).rev().take(ahead).map(|(sequence, _)| *sequence).collect()
    } else {
        let last = cursor.applied.saturating_add(OBSERVED_AHEAD_MAX);
        link.read.range(next..=last).map(|(sequence, _)| *sequence).collect()
    };
    for sequence in turn {
        let Some((logged, head)) = link.read.get(&sequence) else { continue };
        let seen = Observation {
            sequence,
            command_hash: logged.hash,
            head: *head,
            block: logged.block_number,
            block_hash: logged.block_hash,
            transaction: logged.tx_hash,
            command: translate::entry(logged, &registrar).ok(),
        };
        if fabric.told(&shared.me, sequence) == Some(&seen) || link.told.contains_key(&sequence) {
            continue;
        }
        link.told.insert(sequence, Instant::now());
        // A host that is gone ends the node anyhow.
        let _ = operations.send(Operation::Observe(Box::new(seen))).await;
    }
    if link.is_from_start && link.commands.log.sequence() < cursor.applied && link.head != Hash::ZERO {
        shared.alarm(format!(
            "the mesh has obeyed {} commands, the chain has {}: it has taken some back; the owner must reconcile",
            cursor.applied,
            link.commands.log.sequence()
        ));
    }
}
