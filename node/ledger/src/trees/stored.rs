//! What is stored of the trees, and under which keys.
//!
//! | table | key | value |
//! |---|---|---|
//! | `nodes` | level, index as u32, checkpoint as u64 | the node from that checkpoint on |
//! | `agents` | agent, checkpoint as u64 | the agent from that checkpoint on, as long as it lives |
//! | `actions` | agent, nonce after it as u64 | the action |
//! | `bindings` | policy root | the policy that it stands for, as JSON |
//! | `audit` | checkpoint as u64 | the leaves of its audit tree |
//!
//! Integers in keys are big-endian.

use super::keeper::Keep;
use crate::{
    kv::{Batch, Cf, Kv, StoreError},
    ledger::{number_key, put_value},
    record,
};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_circuits::{
    native::{AgentState, Error, Fr, OpenedAction, Openings, Tree, bytes_of, element_of, empty_node},
    witness::BoundPolicy,
};
use phalanx_types::{
    AgentId, Hash, Height, Resources,
    agent::{AgentSeed, Position},
    encode,
    resources::WorkerResources,
    units::CheckpointNumber,
};
use std::{collections::BTreeMap, ops::ControlFlow};

/// An agent at one nonce, as a leaf of the agents tree opens.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct StoredAgent {
    pub slot: u32,
    pub id: AgentId,
    tenant: Hash,
    position: Position,
    resources: Resources,
    pub policy_root: Hash,
    pub nonce: u64,
    seed: AgentSeed,
}

impl StoredAgent {
    pub(super) fn new(slot: u32, state: &AgentState) -> Self {
        Self {
            slot,
            id: state.id,
            tenant: bytes_of(state.tenant),
            position: state.position.clone(),
            resources: state.resources,
            policy_root: bytes_of(state.policy_root),
            nonce: state.nonce,
            seed: state.seed,
        }
    }

    /// Two agents with the same print have the same leaf.
    pub(super) fn print(&self) -> Hash {
        Hash::sha3(&encode(&Self { slot: 0, ..self.clone() }))
    }

    pub(super) fn state(&self) -> Result<AgentState, Error> {
        Ok(AgentState {
            id: self.id,
            tenant: element_of(&self.tenant)?,
            position: self.position.clone(),
            resources: self.resources,
            policy_root: element_of(&self.policy_root)?,
            nonce: self.nonce,
            seed: self.seed,
        })
    }
}

/// An action with what its leaf opens to.
#[derive(BorshSerialize, BorshDeserialize)]
pub(super) struct StoredAction {
    pub index: u64,
    /// Its leaf's place in the audit tree.
    pub position: u32,
    /// The checkpoint of that tree.
    pub checkpoint: CheckpointNumber,
    pub before: StoredAgent,
    pub after: StoredAgent,
    pub worker: WorkerResources,
    pub beat: Height,
}

impl StoredAction {
    pub(super) fn new(opened: &OpenedAction, position: u32) -> Self {
        Self {
            index: opened.index,
            position,
            checkpoint: CheckpointNumber::ZERO,
            before: StoredAgent::new(0, &opened.before),
            after: StoredAgent::new(0, &opened.after),
            worker: opened.worker,
            beat: opened.beat,
        }
    }

    pub(super) fn opened(&self) -> Result<OpenedAction, Error> {
        Ok(OpenedAction {
            index: self.index,
            before: self.before.state()?,
            after: self.after.state()?,
            worker: self.worker,
            beat: self.beat,
        })
    }
}

/// The leaves of an interval's audit tree.
#[derive(Default, BorshSerialize, BorshDeserialize)]
pub(super) struct StoredAudit {
    pub first_beat: Height,
    /// Where each beat's digest is.
    pub beats: Vec<u32>,
    pub leaves: Vec<Hash>,
}

impl StoredAudit {
    pub(super) fn push_beat(&mut self, height: Height, position: u32) {
        if self.beats.is_empty() {
            self.first_beat = height;
        }
        self.beats.push(position);
    }

    /// Where the digest of a beat is.
    pub(super) fn position(&self, beat: Height) -> Option<usize> {
        let at = usize::try_from(beat.0.checked_sub(self.first_beat.0)?).ok()?;
        self.beats.get(at).map(|position| *position as usize)
    }

    pub(super) fn tree(&self) -> Result<Tree, Error> {
        Tree::new(self.leaves.iter().map(element_of).collect::<Result<_, _>>()?)
    }
}

pub(super) fn node_key(level: usize, index: usize, number: CheckpointNumber) -> Vec<u8> {
    let mut key = vec![level as u8];
    key.extend((index as u32).to_be_bytes());
    key.extend(number.0.to_be_bytes());
    key
}

/// Level, index and checkpoint of a node's key.
pub(super) fn node_of(key: &[u8]) -> Option<(usize, usize, u64)> {
    let (level, rest) = key.split_first()?;
    let (index, number) = rest.split_first_chunk::<4>()?;
    let number = u64::from_be_bytes(number.try_into().ok()?);
    Some((usize::from(*level), u32::from_be_bytes(*index) as usize, number))
}

/// The agent's id and a number after it.
pub(super) fn agent_key(id: &AgentId, number: u64) -> Vec<u8> {
    let mut key = id.0.to_vec();
    key.extend(number.to_be_bytes());
    key
}

/// The last record of an agent whose number is at most `number`.
pub(super) fn last_of<T: BorshDeserialize>(
    kv: &impl Kv,
    cf: Cf,
    id: &AgentId,
    number: u64,
) -> Result<Option<T>, StoreError> {
    match kv.last_at_most(cf, &agent_key(id, number))? {
        Some((key, stored)) if key.starts_with(&id.0) => record::unwrap_value(cf, &key, &stored).map(Some),
        _ => Ok(None),
    }
}

/// The agents that are alive at a checkpoint, by id.
pub(super) fn alive(
    kv: &impl Kv,
    number: CheckpointNumber,
) -> Result<Vec<(AgentId, StoredAgent)>, StoreError> {
    let mut newest: BTreeMap<AgentId, (u64, StoredAgent)> = BTreeMap::new();
    let mut damaged = None;
    kv.scan(Cf::Agents, &[], &mut |key, stored| {
        let Some((id, tail)) = key.split_first_chunk::<32>() else { return ControlFlow::Continue(()) };
        let version = tail.try_into().map_or(u64::MAX, u64::from_be_bytes);
        if version > number.0 {
            return ControlFlow::Continue(());
        }
        match record::unwrap_value(Cf::Agents, key, stored) {
            // Versions ascend.
            Ok(agent) => drop(newest.insert(AgentId(*id), (version, agent))),
            Err(error) => damaged = Some(error),
        }
        if damaged.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = damaged {
        return Err(error);
    }
    // Whoever has ended has left a later leaf in its slot.
    let mut alive = Vec::with_capacity(newest.len());
    for (id, (version, agent)) in newest {
        let asked = node_key(0, agent.slot as usize, number);
        let last = kv.last_at_most(Cf::Nodes, &asked)?;
        if last.and_then(|(key, _)| node_of(&key)) == Some((0, agent.slot as usize, version)) {
            alive.push((id, agent));
        }
    }
    Ok(alive)
}

/// Adds what a checkpoint keeps.
pub(super) fn put(number: CheckpointNumber, keep: Keep, batch: &mut Batch) {
    for ((level, index), (_, node)) in keep.nodes {
        put_value(batch, Cf::Nodes, &node_key(level, index, number), &bytes_of(node));
    }
    for (id, agent) in keep.agents {
        put_value(batch, Cf::Agents, &agent_key(&id, number.0), &agent);
    }
    for action in keep.actions {
        let key = agent_key(&action.after.id, action.after.nonce);
        put_value(batch, Cf::Actions, &key, &StoredAction { checkpoint: number, ..action });
    }
    put_value(batch, Cf::Audit, &number_key(number.0), &keep.audit);
}

/// Adds the policies that a beat has opened.
pub(crate) fn put_bindings(openings: &Openings, batch: &mut Batch) {
    for (root, policy) in &openings.policies {
        let key = bytes_of(*root).0;
        let json = serde_json::to_vec(&**policy);
        debug_assert!(json.is_ok(), "a policy is names and numbers");
        batch.put(Cf::Bindings, key, record::wrap(Cf::Bindings, &key, json.unwrap_or_default()));
    }
}

/// Whether these bytes are the one form of a policy.
pub(super) fn is_canonical(json: &[u8]) -> bool {
    let policy: Option<BoundPolicy> = serde_json::from_slice(json).ok();
    policy.and_then(|policy| serde_json::to_vec(&policy).ok()).is_some_and(|again| again == json)
}

/// The policy of a root.
pub(super) fn binding(kv: &impl Kv, root: &Hash) -> Result<Option<BoundPolicy>, StoreError> {
    let damaged = |reason: String| StoreError::damaged(Cf::Bindings, &root.0, reason);
    let Some(stored) = kv.get(Cf::Bindings, &root.0)? else { return Ok(None) };
    let payload = record::unwrap(Cf::Bindings, &root.0, &stored)?;
    serde_json::from_slice(payload).map(Some).map_err(|error| damaged(error.to_string()))
}

/// A node of the agents tree at a checkpoint (T4).
pub(super) fn node(
    kv: &impl Kv,
    level: usize,
    index: usize,
    number: CheckpointNumber,
) -> Result<Fr, StoreError> {
    let asked = node_key(level, index, number);
    match kv.last_at_most(Cf::Nodes, &asked)? {
        Some((key, stored)) if key.get(..5) == asked.get(..5) => element(&key, &stored),
        _ => Ok(empty_node(level)),
    }
}

pub(super) fn element(key: &[u8], stored: &[u8]) -> Result<Fr, StoreError> {
    let bytes: Hash = record::unwrap_value(Cf::Nodes, key, stored)?;
    element_of(&bytes).map_err(|error| StoreError::damaged(Cf::Nodes, key, error.to_string()))
}

/// The leaves of the agents tree at the last checkpoint.
pub(crate) fn leaves(kv: &impl Kv) -> Result<Vec<Fr>, StoreError> {
    let mut leaves: Vec<Fr> = Vec::new();
    let mut damaged = None;
    kv.scan(Cf::Nodes, &[0], &mut |key, stored| {
        let Some((0, index, _)) = node_of(key) else { return ControlFlow::Break(()) };
        match element(key, stored) {
            Ok(leaf) => {
                if leaves.len() <= index {
                    leaves.resize(index + 1, Fr::default());
                }
                if let Some(place) = leaves.get_mut(index) {
                    *place = leaf;
                }
                ControlFlow::Continue(())
            }
            Err(error) => {
                damaged = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    damaged.map_or(Ok(leaves), Err)
}

/// An agent whose stored leaf is still its leaf.
pub(crate) struct Known {
    pub(super) slot: u32,
    pub(super) print: Hash,
    pub(super) leaf: Fr,
}

/// Those of these agents that are as they were stored last.
pub(crate) fn known(kv: &impl Kv, openings: &Openings) -> Result<Vec<(AgentId, Known)>, StoreError> {
    let mut known = Vec::new();
    for (id, state) in &openings.agents {
        let Some((slot, state)) = state else { continue };
        let print = StoredAgent::new(0, state).print();
        let stored: Option<StoredAgent> = last_of(kv, Cf::Agents, id, u64::MAX)?;
        if stored.is_some_and(|stored| stored.slot == *slot && stored.print() == print) {
            let leaf = node(kv, 0, *slot as usize, CheckpointNumber(u64::MAX))?;
            known.push((*id, Known { slot: *slot, print, leaf }));
        }
    }
    Ok(known)
}
