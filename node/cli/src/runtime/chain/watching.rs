//! The chain, looked at: the owner's commands become observations, what is anchored
//! is compared with what is here.

use super::{Head, Shared};
use crate::{
    chain::{self, Contracts},
    runtime::core::Core,
};
use anyhow::{Result, bail};
use phalanx_fabric::{ChainCursor, OBSERVED_AHEAD_MAX};
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
/// A chain that ends before what was seen is waited for so long without a word.
const BEHIND_MAX: Duration = Duration::from_secs(60);
/// After so long what was seen is taken for an error, or for a lie.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Commands that wait for the mesh; no more are read until it has obeyed.
const COMMANDS_MAX: usize = 4_096;

/// The chain, as far as it was looked at.
struct Link {
    /// The contracts, while they can be asked.
    contracts: Option<Contracts>,
    commands: CommandWatch,
    /// The hash chain after the last command that was read.
    head: Hash,
    /// Commands that were read, and the hash chain after each.
    read: BTreeMap<u64, (LoggedCommand, Hash)>,
    /// When each was told to the mesh.
    told: BTreeMap<u64, Instant>,
    behind: Behind,
}

/// How a chain that ends before a block that was seen is taken: an endpoint that lags
/// says nothing of what is on the chain, and neither does a balancer that has turned to
/// one. But what was seen was one endpoint's word: it does not bind for ever.
#[derive(Debug, Default)]
struct Behind {
    since: Option<Instant>,
}

/// What to do with a chain of some height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has all that was seen.
    Current,
    /// It says nothing for now.
    Waits,
    /// The same, and somebody should know.
    Trouble,
    /// Nobody shows what was seen: from here on this one counts.
    Forgets,
}

impl Behind {
    fn judge(&mut self, tip: u64, seen: u64, now: Instant) -> Standing {
        if tip >= seen {
            self.since = None;
            return Standing::Current;
        }
        match now.saturating_duration_since(*self.since.get_or_insert(now)) {
            waited if waited < BEHIND_MAX => Standing::Waits,
            waited if waited < FORGET_AFTER => Standing::Trouble,
            _ => {
                self.since = None;
                Standing::Forgets
            }
        }
    }
}

/// Looks at the chain until the node stops.
pub async fn run(
    shared: Arc<Shared>,
    core: Core,
    operations: mpsc::Sender<Operation>,
    head: watch::Sender<Head>,
) {
    let cursor = core.fabric().chain().copied();
    let mut link = Link::new(&shared, cursor.filter(|cursor| cursor.applied > 0 && !cursor.has_diverged));
    loop {
        let has_more = match look(&shared, &core, &mut link, &operations, &head).await {
            Ok(has_more) => {
                shared.set_trouble(None);
                has_more
            }
            Err(error) => {
                shared.set_trouble(Some(format!("{error:#}")));
                link.recover(&shared, &error);
                false
            }
        };
        if !has_more {
            tokio::time::sleep(super::pause(&shared)).await;
        }
    }
}

/// Connects, and checks that the contracts are those that the genesis binds.
async fn connect(shared: &Shared) -> Result<Contracts> {
    let chain = chain::connect(&shared.config.rpc, Some(shared.binding.chain_id)).await?;
    let contracts = Contracts::discover(chain, shared.anchor(), Some(shared.binding.code_hash)).await?;
    let (address, expected, found) = (shared.anchor(), shared.mesh, contracts.deployment.mesh);
    if expected != found {
        return Err(ContractError::OtherMesh { address, expected, found }.into());
    }
    Ok(contracts)
}

impl Link {
    /// From where the mesh is, or from the beginning.
    fn new(shared: &Shared, cursor: Option<ChainCursor>) -> Self {
        let depth = shared.config.depth;
        let commands = match &cursor {
            Some(c) => CommandWatch::behind(shared.mesh, c.applied, c.head, c.block, depth),
            None => CommandWatch::from_start(shared.mesh, shared.config.from_block, depth),
        };
        Self {
            contracts: None,
            commands,
            head: cursor.map_or(Hash::ZERO, |c| c.head),
            read: BTreeMap::new(),
            told: BTreeMap::new(),
            behind: Behind::default(),
        }
    }

    /// Prepares to go on after a failure. A chain whose past is not what the mesh has
    /// obeyed, or was seen, is read anew from its beginning; else from where it was.
    fn recover(&mut self, shared: &Shared, error: &anyhow::Error) {
        let has_changed = match error.downcast_ref::<WatchError>() {
            Some(WatchError::DeepReorganisation { .. }) => true,
            Some(WatchError::Contract(ContractError::Chain { .. })) => true,
            // Fewer commands than were read: taken back. More: the log is not complete yet.
            Some(WatchError::Contract(ContractError::Withheld { expected, found })) => expected < found,
            Some(WatchError::Contract(_)) | None => false,
        };
        if has_changed {
            shared.alarm(format!("{error:#}"));
            *self = Self::new(shared, None);
        }
        // An endpoint may come back as another one: everything is checked again.
        self.contracts = None;
    }
}

/// Looks once; says whether there is more to read at once.
async fn look(
    shared: &Shared,
    core: &Core,
    link: &mut Link,
    operations: &mpsc::Sender<Operation>,
    head: &watch::Sender<Head>,
) -> Result<bool> {
    let anchored = look_at_anchor(shared, core, link).await;
    // Whoever sends waits for a chain that can be asked, and not for its commands.
    let seen = match &anchored {
        Ok(Some((contracts, anchored))) => Head { contracts: Some(contracts.clone()), anchored: *anchored },
        Ok(None) | Err(_) => Head::default(),
    };
    head.send_replace(seen);
    let Some((contracts, _)) = anchored? else { return Ok(false) };

    let deployment = contracts.deployment;
    let mut has_more = false;
    if link.read.len() < COMMANDS_MAX {
        let commands = Commands::new(contracts.chain.clone(), deployment.commands, deployment.mesh);
        for command in link.commands.look(&contracts.chain, &commands).await? {
            link.head = next_head(&link.head, &command.hash);
            shared.tell(json!({
                "what": "command", "sequence": command.sequence.to_string(), "kind": command.kind,
                "transaction": command.tx_hash,
            }));
            link.read.insert(command.sequence, (command, link.head));
        }
        shared.seen().commands = link.commands.log.sequence();
        let last = shared.seen().block.saturating_add(1).saturating_sub(shared.config.depth);
        has_more = link.commands.position.next_block() <= last;
    }
    observe(shared, core, link, operations).await;
    Ok(has_more)
}

/// Connects where that is needed, and compares what is anchored; nothing for a chain that
/// is behind.
async fn look_at_anchor(
    shared: &Shared,
    core: &Core,
    link: &mut Link,
) -> Result<Option<(Contracts, CheckpointNumber)>> {
    let contracts = match link.contracts.take() {
        Some(contracts) => contracts,
        None => connect(shared).await?,
    };
    contracts.chain.check_id().await?;
    let tip = contracts.chain.tip().await?.number;
    let seen = shared.seen().block;
    let standing = link.behind.judge(tip, seen, Instant::now());
    match standing {
        // A height counts only with a block that has it.
        Standing::Current if tip > seen => drop(contracts.chain.block(tip).await?),
        Standing::Current => {}
        Standing::Waits => {
            link.contracts = Some(contracts);
            return Ok(None);
        }
        Standing::Trouble => bail!(
            "the chain ends with block {tip}, but block {seen} was seen before: the endpoint lags, or the chain was \
             replaced by a shorter one; nothing is obeyed or sent until it is longer, or {} minutes have passed",
            FORGET_AFTER.as_secs() / 60
        ),
        Standing::Forgets => {
            shared.alarm(format!(
                "block {seen} was seen, and for {} minutes nobody has shown it again: either an endpoint named a \
                 height that there was not, or the chain was replaced by a shorter one; block {tip} counts from here",
                FORGET_AFTER.as_secs() / 60
            ));
        }
    }
    shared.seen().block = tip;
    let anchored = heads(shared, core, &contracts, tip).await?;
    link.contracts = Some(contracts.clone());
    Ok(Some((contracts, anchored)))
}

/// Compares what is anchored, and what stays so, with what is here; gives the last
/// checkpoint that is anchored.
async fn heads(shared: &Shared, core: &Core, contracts: &Contracts, tip: u64) -> Result<CheckpointNumber> {
    let anchor = Anchor::new(contracts.chain.clone(), contracts.deployment.anchor);
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
        if lasting < before {
            shared.alarm(format!(
                "checkpoint {before} was {} blocks deep on the chain, which now ends with {lasting}: it has \
                 reorganised deeper than was thought possible; what is missing is sent again",
                shared.config.depth
            ));
            shared.cosigner().reopen(lasting);
        }
        shared.cosigner().anchored(lasting);
        if lasting != before {
            shared.store.put_final(lasting, deep)?;
        }
        if lasting > before {
            shared.tell(json!({"what": "final", "checkpoint": lasting, "block": deep.to_string()}));
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
    let has_passed = link.commands.position.next_block() > cursor.block;
    if has_passed && link.commands.log.sequence() < cursor.applied {
        shared.alarm(format!(
            "the mesh has obeyed {0} commands, of which the chain has taken some back: it has {1}; compare both, and \
             then go on with phalanx owner command reconcile {0} {2}",
            cursor.applied,
            link.commands.log.sequence(),
            cursor.head
        ));
    }
    let registrar = Registrar { chain_id: shared.binding.chain_id, mesh: shared.mesh };
    let observation = |logged: &LoggedCommand, head: &Hash| Observation {
        sequence: logged.sequence,
        command_hash: logged.hash,
        head: *head,
        block: logged.block_number,
        block_hash: logged.block_hash,
        transaction: logged.tx_hash,
        command: translate::entry(logged, &registrar).ok(),
    };
    // Of what was applied only the owner's word that ends a divergence is of use.
    link.read.retain(|sequence, (logged, head)| {
        *sequence > cursor.applied || cursor.is_reconciled_by(&observation(logged, head))
    });
    link.told.retain(|sequence, at| link.read.contains_key(sequence) && at.elapsed() < OBSERVE_AGAIN);
    let is_validator = fabric.validators().any(|(key, v)| *key == shared.me && !v.is_quarantined);
    if !is_validator {
        return;
    }
    let ahead = cursor.applied.saturating_add(OBSERVED_AHEAD_MAX);
    let turn: Vec<u64> = if cursor.has_diverged {
        // The owner's word may have any number.
        let newest = usize::try_from(OBSERVED_AHEAD_MAX).unwrap_or(usize::MAX);
        link.read.keys().rev().take(newest).copied().collect()
    } else {
        link.read.keys().take_while(|sequence| **sequence <= ahead).copied().collect()
    };
    for sequence in turn {
        let Some((logged, head)) = link.read.get(&sequence) else { continue };
        let seen = observation(logged, head);
        if fabric.told(&shared.me, sequence) == Some(&seen) || link.told.contains_key(&sequence) {
            continue;
        }
        link.told.insert(sequence, Instant::now());
        // A host that is gone ends the node anyhow.
        let _ = operations.send(Operation::Observe(Box::new(seen))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{BEHIND_MAX, Behind, FORGET_AFTER, Standing};
    use std::time::{Duration, Instant};

    #[test]
    fn a_height_that_nobody_shows_again_is_waited_for_then_told_then_forgotten() {
        let (mut behind, start) = (Behind::default(), Instant::now());
        assert_eq!(behind.judge(10, 10, start), Standing::Current);
        assert_eq!(behind.judge(11, u64::MAX, start), Standing::Waits);
        assert_eq!(behind.judge(12, u64::MAX, start + BEHIND_MAX), Standing::Trouble);
        assert_eq!(behind.judge(13, u64::MAX, start + FORGET_AFTER), Standing::Forgets);
        // What was forgotten binds no longer, and the next lie is waited for anew.
        assert_eq!(behind.judge(14, 13, start + FORGET_AFTER), Standing::Current);
        assert_eq!(behind.judge(14, 99, start + FORGET_AFTER), Standing::Waits);
    }

    #[test]
    fn an_endpoint_that_catches_up_begins_anew_when_it_lags_again() {
        let (mut behind, start) = (Behind::default(), Instant::now());
        assert_eq!(behind.judge(5, 9, start), Standing::Waits);
        let later = start + BEHIND_MAX - Duration::from_millis(1);
        assert_eq!(behind.judge(9, 9, later), Standing::Current);
        assert_eq!(behind.judge(8, 9, start + FORGET_AFTER), Standing::Waits);
    }
}
