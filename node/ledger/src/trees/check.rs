//! Checks what is stored of the trees.

use super::stored::{self, StoredAction, StoredAgent, StoredAudit, element, node_key, node_of};
use crate::{
    interval,
    kv::{Cf, Kv, StoreError},
    ledger::{get_value, number_key},
    record,
};
use phalanx_circuits::{
    native::{ARITY, DEPTH, Fr, Tree, beat_digest, bytes_of, field_of, poseidon::hash},
    witness::BoundPolicy,
};
use phalanx_types::{Checkpoint, Hash, Height, ReceiptIndex, units::CheckpointNumber};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

/// What is wrong, and where.
pub(crate) enum Fault {
    Store(StoreError),
    Wrong { cf: Cf, key: Vec<u8>, what: &'static str },
    Missing { cf: Cf, key: Vec<u8> },
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn wrong<T>(cf: Cf, key: impl Into<Vec<u8>>, what: &'static str) -> Result<T, Fault> {
    Err(Fault::Wrong { cf, key: key.into(), what })
}

/// Visits a table's records, until one is wrong.
fn each(kv: &impl Kv, cf: Cf, mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    // The store must not be read while it is visited.
    let mut keys = Vec::new();
    kv.scan(cf, &[], &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    for key in keys {
        if let Some(value) = kv.get(cf, &key)? {
            visit(&key, &value)?;
        }
    }
    Ok(())
}

/// An audit tree has its checkpoint's root, and the digests of its beats follow from
/// `digest` and their receipts. Gives the digest of the last one.
pub(crate) fn audit(kv: &impl Kv, checkpoint: &Checkpoint, digest: Hash) -> Result<Hash, Fault> {
    let key = number_key(checkpoint.number.0);
    let Some(audit): Option<StoredAudit> = get_value(kv, Cf::Audit, &key)? else {
        return Err(Fault::Missing { cf: Cf::Audit, key: key.to_vec() });
    };
    let beats = checkpoint.last_beat.0 - checkpoint.first_beat.0 + 1;
    if audit.first_beat != checkpoint.first_beat || audit.beats.len() as u64 != beats {
        return wrong(Cf::Audit, key, "it does not have the beats of its checkpoint");
    }
    let mut digest = field_of(&digest.0);
    for height in checkpoint.first_beat.0..=checkpoint.last_beat.0 {
        let Some(root) = receipts_root(kv, Height(height))? else { continue };
        digest = beat_digest(digest, Height(height), &root);
        let found = audit.position(Height(height)).and_then(|at| audit.leaves.get(at));
        if found != Some(&bytes_of(digest)) {
            return wrong(Cf::Audit, key, "the digest of a beat does not follow from its receipts");
        }
    }
    match audit.tree() {
        Ok(tree) if bytes_of(tree.root()) == checkpoint.audit_root => Ok(bytes_of(digest)),
        _ => wrong(Cf::Checkpoints, key, "its audit root is not that of the stored audit tree"),
    }
}

/// Root over the stored receipts of a beat; none when one is not there.
pub(crate) fn receipts_root(kv: &impl Kv, height: Height) -> Result<Option<Hash>, StoreError> {
    let range: Option<(ReceiptIndex, u64)> = get_value(kv, Cf::Ranges, &number_key(height.0))?;
    let Some((first, count)) = range else { return Ok(None) };
    let mut hashes = Vec::new();
    for index in first.0..first.0.saturating_add(count) {
        let key = number_key(index);
        let Some(stored) = kv.get(Cf::Receipts, &key)? else { return Ok(None) };
        hashes.push(Hash::sha3(record::unwrap(Cf::Receipts, &key, &stored)?));
    }
    Ok(Some(interval::root(&hashes)))
}

/// The agents tree, grown again from its stored leaves, has every stored node and no
/// other, and at each checkpoint its root.
pub(crate) fn nodes(kv: &impl Kv, checkpoints: &[Checkpoint], opened: &Opened) -> Result<(), Fault> {
    let mut stored: BTreeMap<u64, BTreeMap<(usize, usize), Fr>> = BTreeMap::new();
    each(kv, Cf::Nodes, |key, value| {
        let fits = |level: usize, index: usize| level <= DEPTH && index >> (2 * (DEPTH - level)) == 0;
        match node_of(key).filter(|(level, index, _)| fits(*level, *index)) {
            Some((level, index, number)) => {
                let _ = stored.entry(number).or_default().insert((level, index), element(key, value)?);
                Ok(())
            }
            None => wrong(Cf::Nodes, key, "the tree has no such node"),
        }
    })?;
    let Ok(mut tree) = Tree::new(Vec::new()) else { return Ok(()) };
    for checkpoint in checkpoints {
        let nodes = stored.remove(&checkpoint.number.0).unwrap_or_default();
        let leaves = nodes.iter().filter(|((level, _), _)| *level == 0);
        let leaves: Vec<(usize, Fr)> = leaves.map(|((_, index), leaf)| (*index, *leaf)).collect();
        let Ok(changes) = tree.set(&leaves) else { continue };
        let grown = changes.into_iter().filter(|change| change.before != change.after);
        let grown: BTreeMap<(usize, usize), Fr> = grown.map(|c| ((c.level, c.index), c.after)).collect();
        let is_other = |place: &&(usize, usize)| nodes.get(place) != grown.get(place);
        if let Some((level, index)) = nodes.keys().chain(grown.keys()).filter(is_other).min() {
            let key = node_key(*level, *index, checkpoint.number);
            let told = |slot: usize| opened.get(&(slot, checkpoint.number.0)).map(|(_, leaf)| *leaf);
            return if let Some(leaf) = lost(&tree, &nodes, (*level, *index), told) {
                Err(Fault::Missing { cf: Cf::Nodes, key: node_key(0, leaf, checkpoint.number) })
            } else if nodes.contains_key(&(*level, *index)) {
                wrong(Cf::Nodes, key, "it is not the node over those below it")
            } else {
                Err(Fault::Missing { cf: Cf::Nodes, key })
            };
        }
        if bytes_of(tree.root()) != checkpoint.agents_root {
            let key = number_key(checkpoint.number.0);
            return wrong(Cf::Checkpoints, key, "its agents root is not that of the stored agents tree");
        }
    }
    let left = stored.into_iter().find_map(|(number, nodes)| Some((number, nodes.into_keys().next()?)));
    match left {
        Some((number, (level, index))) => {
            let key = node_key(level, index, CheckpointNumber(number));
            wrong(Cf::Nodes, key, "there is no such checkpoint")
        }
        None => Ok(()),
    }
}

/// The leaf that is missing below a stored node: the node is the one over its other leaves and
/// what the stored agent tells of this one, or nothing where an agent has ended.
fn lost(
    tree: &Tree,
    nodes: &BTreeMap<(usize, usize), Fr>,
    (level, index): (usize, usize),
    told: impl Fn(usize) -> Option<Fr>,
) -> Option<usize> {
    let node = nodes.get(&(level, index)).filter(|_| level == 1)?;
    let leaves: [usize; ARITY] = std::array::from_fn(|child| index * ARITY + child);
    leaves.into_iter().filter(|leaf| !nodes.contains_key(&(0, *leaf))).find(|lost| {
        let leaf = |at: usize| if at == *lost { told(at) } else { tree.leaf(at) };
        hash(leaves.map(|at| leaf(at).unwrap_or_default())) == *node
    })
}

/// The number at the end of an agent's key.
fn number_of(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|number| u64::from_be_bytes(*number))
}

/// What stored agents open, by slot and checkpoint: the agent's key and its leaf.
pub(crate) type Opened = BTreeMap<(usize, u64), (Vec<u8>, Fr)>;

/// Every stored agent is one, under its own key and after `known`. Gives what they open.
pub(crate) fn agents(kv: &impl Kv, known: u64) -> Result<Opened, Fault> {
    let mut opened = Opened::new();
    each(kv, Cf::Agents, |key, value| {
        let agent: StoredAgent = record::unwrap_value(Cf::Agents, key, value)?;
        let number = number_of(key).unwrap_or(u64::MAX);
        let leaf = agent.state().and_then(|state| state.leaf());
        let (Ok(leaf), true) = (leaf, key.starts_with(&agent.id.0) && number > known) else {
            return wrong(Cf::Agents, key, "it is not an agent of this key");
        };
        if kv.get(Cf::Bindings, &agent.policy_root.0)?.is_none() {
            return Err(Fault::Missing { cf: Cf::Bindings, key: agent.policy_root.0.to_vec() });
        }
        match opened.insert((agent.slot as usize, number), (key.to_vec(), leaf)) {
            None => Ok(()),
            Some(_) => wrong(Cf::Agents, key, "another one has its slot at this checkpoint"),
        }
    })?;
    Ok(opened)
}

/// Every leaf opens to a stored agent, and every stored agent is what a leaf opens to.
pub(crate) fn leaves(kv: &impl Kv, mut opened: Opened) -> Result<(), Fault> {
    each(kv, Cf::Nodes, |key, value| {
        let Some((0, slot, number)) = node_of(key) else { return Ok(()) };
        let leaf = element(key, value)?;
        match opened.remove(&(slot, number)) {
            None if leaf == Fr::default() => Ok(()),
            None => Err(Fault::Missing { cf: Cf::Agents, key: key.to_vec() }),
            Some((_, found)) if found == leaf => Ok(()),
            Some((agent, _)) => wrong(Cf::Agents, agent, "it does not open the leaf of its slot"),
        }
    })?;
    match opened.into_values().next() {
        Some((agent, _)) => wrong(Cf::Agents, agent, "no leaf has its slot at this checkpoint"),
        None => Ok(()),
    }
}

/// Every stored action is what a leaf of its audit tree opens to, and each leaf that is no
/// beat has one.
pub(crate) fn actions(kv: &impl Kv, known: u64, last: u64) -> Result<(), Fault> {
    let mut opened: BTreeMap<u64, BTreeMap<u32, Hash>> = BTreeMap::new();
    each(kv, Cf::Actions, |key, value| {
        let action: StoredAction = record::unwrap_value(Cf::Actions, key, value)?;
        let is_own = key.starts_with(&action.after.id.0) && number_of(key) == Some(action.after.nonce);
        // An action is about no slot.
        let is_own = is_own && (action.before.slot, action.after.slot) == (0, 0);
        let leaf = action.opened().and_then(|opened| opened.action());
        let (Ok(leaf), true) = (leaf, is_own) else {
            return wrong(Cf::Actions, key, "it is not an action of its agent");
        };
        let leaves = opened.entry(action.checkpoint.0).or_default();
        match leaves.insert(action.position, bytes_of(leaf.leaf())) {
            None => Ok(()),
            Some(_) => wrong(Cf::Actions, key, "another one opens the same leaf"),
        }
    })?;
    for number in known + 1..=last {
        let key = number_key(number);
        let Some(audit): Option<StoredAudit> = get_value(kv, Cf::Audit, &key)? else { continue };
        let beats: BTreeSet<u32> = audit.beats.iter().copied().collect();
        let mut actions = opened.remove(&number).unwrap_or_default();
        for (position, leaf) in (0_u32..).zip(&audit.leaves).filter(|(at, _)| !beats.contains(at)) {
            match actions.remove(&position) {
                None => return Err(Fault::Missing { cf: Cf::Actions, key: key.to_vec() }),
                Some(found) if found != *leaf => {
                    return wrong(Cf::Audit, key, "an action of it opens to another leaf");
                }
                Some(_) => {}
            }
        }
        if !actions.is_empty() {
            return wrong(Cf::Audit, key, "it lacks the leaf of an action");
        }
    }
    match opened.into_iter().next() {
        Some((number, _)) => wrong(Cf::Actions, number_key(number), "there is no such checkpoint"),
        None => Ok(()),
    }
}

/// Every stored policy has the root under which it is stored.
pub(crate) fn bindings(kv: &impl Kv) -> Result<(), Fault> {
    each(kv, Cf::Bindings, |key, value| {
        let payload = record::unwrap(Cf::Bindings, key, value)?;
        let policy: Option<BoundPolicy> = serde_json::from_slice(payload).ok();
        let root = policy.and_then(|policy| policy.to_native().ok()).map(|policy| bytes_of(policy.root()));
        if root.is_some_and(|root| root.0.as_slice() == key) && stored::is_canonical(payload) {
            Ok(())
        } else {
            wrong(Cf::Bindings, key, "it does not have the root that it is stored under")
        }
    })
}
