//! What a prover is given: an agent or an action at a checkpoint, with its path.

use super::stored::{self, StoredAction, StoredAgent, StoredAudit};
use crate::{
    kv::{Cf, Kv, StoreError},
    ledger::{self, Ledger, Tip, get_value, meta_key, number_key},
};
use phalanx_circuits::{
    integrity::COUNT_MAX,
    native::{ARITY, DEPTH, Fr, Path, bytes_of, element_of},
    witness::{ActionWitness, BoundPolicy, IntegrityWitness, PositionWitness},
};
use phalanx_types::{AgentId, Checkpoint, Hash, Height, Name, ReceiptIndex, units::CheckpointNumber};
use std::collections::BTreeMap;

/// Why there is no witness.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing is there to be proven.
    #[error("{0}")]
    None(String),
}

pub(super) fn none<T>(what: impl Into<String>) -> Result<T, WitnessError> {
    Err(WitnessError::None(what.into()))
}

/// What proofs are made of, read from a store while a ledger may be writing to it: what a
/// checkpoint has does not change any more.
#[derive(Debug)]
pub struct Witnesses<'a, K: Kv>(pub(super) &'a K);

impl<'a, K: Kv> Witnesses<'a, K> {
    /// Over a store.
    pub const fn new(kv: &'a K) -> Self {
        Self(kv)
    }

    /// The number of the last checkpoint; 0 when there is none.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn last(&self) -> Result<CheckpointNumber, StoreError> {
        let tip: Option<Tip> = get_value(self.0, Cf::Meta, meta_key::TIP)?;
        Ok(tip.map_or(CheckpointNumber::ZERO, |tip| tip.checkpoint))
    }

    fn checkpoint(&self, number: CheckpointNumber) -> Result<Checkpoint, WitnessError> {
        match ledger::checkpoint(self.0, number)? {
            Some(checkpoint) => Ok(checkpoint),
            None => none(format!("there is no checkpoint {number}: the last one is {}", self.last()?)),
        }
    }

    fn tree_damaged(cf: Cf, key: &[u8], reason: impl ToString) -> WitnessError {
        StoreError::damaged(cf, key, reason.to_string()).into()
    }

    fn policy(&self, root: Fr) -> Result<BoundPolicy, WitnessError> {
        let root = bytes_of(root);
        stored::binding(self.0, &root)?.map_or_else(
            || none(format!("this node never saw the policy with the root {root}: ask one that was there")),
            Ok,
        )
    }

    /// The agent as it is in the agents tree of a checkpoint, with its path.
    ///
    /// # Errors
    /// When there is no such checkpoint, or the agent was not alive then.
    pub fn position_witness(
        &self,
        id: &AgentId,
        number: CheckpointNumber,
    ) -> Result<PositionWitness, WitnessError> {
        let checkpoint = self.checkpoint(number)?;
        let Some(opened): Option<StoredAgent> = stored::last_of(self.0, Cf::Agents, id, number.0)? else {
            return none(format!("the agent {id} is in no checkpoint up to {number}: wait for the next one"));
        };
        let damaged = |reason: String| Self::tree_damaged(Cf::Agents, &id.0, reason);
        let agent = opened.state().map_err(|error| damaged(error.to_string()))?;
        let mut path = Path([[Fr::default(); ARITY]; DEPTH]);
        let mut at = opened.slot as usize;
        for (level, group) in path.0.iter_mut().enumerate() {
            let first = at - at % ARITY;
            for (place, index) in group.iter_mut().zip(first..) {
                *place = stored::node(self.0, level, index, number)?;
            }
            at /= ARITY;
        }
        let leaf = agent.leaf().map_err(|error| damaged(error.to_string()))?;
        match path.root(leaf).map(bytes_of) {
            None => none(format!("the agent {id} had ended before the checkpoint {number}")),
            Some(root) if root != checkpoint.agents_root => {
                Err(damaged("its path does not lead to the checkpoint's agents root".into()))
            }
            Some(_) => {
                let policy = self.policy(agent.policy_root)?;
                Ok(PositionWitness { checkpoint: number, agent, path, policy })
            }
        }
    }

    /// The agents that are alive at a checkpoint and bound by a rule of this policy that
    /// circuits can show, by id.
    ///
    /// # Errors
    /// When there is no such checkpoint.
    pub fn bound_agents(
        &self,
        policy: &Name,
        number: CheckpointNumber,
    ) -> Result<Vec<AgentId>, WitnessError> {
        self.checkpoint(number)?;
        let mut bound = Vec::new();
        let mut known: BTreeMap<Hash, bool> = BTreeMap::new();
        for (id, opened) in stored::alive(self.0, number)? {
            let root = opened.policy_root;
            let has_rule = match known.get(&root) {
                Some(has_rule) => *has_rule,
                None => {
                    let binding = stored::binding(self.0, &root)?;
                    let has_rule = binding.is_some_and(|b| b.rules.iter().any(|rule| rule.policy == *policy));
                    known.insert(root, has_rule);
                    has_rule
                }
            };
            if has_rule {
                bound.push(id);
            }
        }
        Ok(bound)
    }

    pub(super) fn audit(&self, number: CheckpointNumber) -> Result<StoredAudit, WitnessError> {
        let found = get_value(self.0, Cf::Audit, &number_key(number.0))?;
        found.map_or_else(|| none(format!("there is no audit tree of the checkpoint {number}")), Ok)
    }

    /// The action that gave an agent this nonce, or its last one, with its path.
    ///
    /// # Errors
    /// When there is no such action in a closed interval.
    pub fn action_witness(&self, id: &AgentId, nonce: Option<u64>) -> Result<ActionWitness, WitnessError> {
        let asked = nonce.unwrap_or(u64::MAX);
        let found: Option<StoredAction> = stored::last_of(self.0, Cf::Actions, id, asked)?;
        let damaged = |reason: String| Self::tree_damaged(Cf::Actions, &id.0, reason);
        let state = |agent: &StoredAgent| agent.state().map_err(|error| damaged(error.to_string()));
        let Some(found) = found else {
            return none(format!("no action of the agent {id} is in a checkpoint yet"));
        };
        let after = state(&found.after)?;
        if nonce.is_some_and(|nonce| nonce != after.nonce) {
            return none(format!("the action {asked} of the agent {id} is in no checkpoint yet"));
        }
        let tree = self.audit(found.checkpoint)?.tree().map_err(|error| damaged(error.to_string()))?;
        let path = tree.path(found.position as usize).map_err(|error| damaged(error.to_string()))?;
        Ok(ActionWitness {
            checkpoint: found.checkpoint,
            before: state(&found.before)?,
            policy: self.policy(after.policy_root)?,
            after,
            worker: found.worker,
            index: found.index,
            beat: found.beat,
            path,
        })
    }

    /// The beats from the one of a receipt to the one of another.
    ///
    /// # Errors
    /// When one of the receipts is in no closed interval, or they are too far apart.
    pub fn integrity_witness(
        &self,
        from: ReceiptIndex,
        to: ReceiptIndex,
    ) -> Result<IntegrityWitness, WitnessError> {
        let beat = |index: ReceiptIndex| match ledger::receipt(self.0, index)? {
            Some(receipt) => Ok(receipt.beat),
            None => none(format!("there is no receipt {index} here")),
        };
        let (first, last) = (beat(from)?, beat(to)?);
        let beats = last.0.checked_sub(first.0).filter(|beats| (1..=COUNT_MAX as u64).contains(beats));
        let Some(_) = beats else {
            return none(format!(
                "the receipts are of the beats {first} and {last}: a proof spans 1 to {COUNT_MAX} beats, the \
                 earlier receipt first"
            ));
        };
        let newest = self.last()?;
        let closed = |index: ReceiptIndex| match ledger::checkpoint_of(self.0, newest, index)? {
            Some(checkpoint) => Ok(checkpoint.number),
            None => none(format!("the receipt {index} is in no checkpoint yet: wait for the next one")),
        };
        let (before, number) = (closed(from)?, closed(to)?);
        let digest = |audit: &StoredAudit, height: Height| {
            let position = audit.position(height);
            let leaf = position.and_then(|at| audit.leaves.get(at)).map(element_of);
            match (position, leaf) {
                (Some(at), Some(Ok(leaf))) => Ok((at, leaf)),
                _ => Err(Self::tree_damaged(Cf::Audit, &number_key(number.0), "it lacks a beat")),
            }
        };
        let (_, first_digest) = digest(&self.audit(before)?, first)?;
        let audit = self.audit(number)?;
        let (at, _) = digest(&audit, last)?;
        let mut receipts_roots = Vec::new();
        for height in first.next().0..=last.0 {
            let Some(root) = super::check::receipts_root(self.0, Height(height))? else {
                return none(format!("the receipts of the beat {height} are not here"));
            };
            receipts_roots.push(root);
        }
        let damaged = |error| Self::tree_damaged(Cf::Audit, &number_key(number.0), error);
        let path = audit.tree().and_then(|tree| tree.path(at)).map_err(|error| damaged(error.to_string()))?;
        Ok(IntegrityWitness {
            checkpoint: number,
            first: first_digest,
            from: first.next(),
            receipts_roots,
            path,
        })
    }
}

impl<K: Kv> Ledger<K> {
    /// Root over the receipts of a beat, from the receipts.
    ///
    /// # Errors
    /// When a record is damaged or the store cannot be read.
    pub fn receipts_root(&self, height: Height) -> Result<Option<Hash>, StoreError> {
        super::check::receipts_root(self.kv(), height)
    }
}
