//! What a beat opens of agents for those who keep the trees.

use super::{
    AgentState, Error, Fr,
    agent::{capacity_hash, capacity_inputs},
    poseidon::hash_each,
};
use crate::{native, witness::BoundPolicy};
use phalanx_types::{AgentId, Height, resources::WorkerResources};
use std::{fmt, sync::Arc};

/// What a beat has changed in the trees, and with what. It holds secrets: its `Debug` says
/// how many.
#[derive(Clone, Default)]
pub struct Openings {
    /// Agents whose leaf may be another one, with their slot in the agents tree; none
    /// for those that have ended.
    pub agents: Vec<(AgentId, Option<(u32, AgentState)>)>,
    /// Actions, in order.
    pub actions: Vec<OpenedAction>,
    /// What the policy roots of the above stand for.
    pub policies: Vec<(Fr, Arc<BoundPolicy>)>,
}

/// An action of an agent, with what its commitments hide.
#[derive(Clone)]
pub struct OpenedAction {
    /// Its place among all actions.
    pub index: u64,
    /// The agent before it.
    pub before: AgentState,
    /// The agent after it.
    pub after: AgentState,
    /// What its worker has in all, after it.
    pub worker: WorkerResources,
    /// The beat that decided it.
    pub beat: Height,
}

impl OpenedAction {
    /// As it is recorded.
    ///
    /// # Errors
    /// When a position is not valid.
    pub fn action(&self) -> Result<native::Action, Error> {
        let capacity = capacity_hash(&self.worker);
        Ok(self.sealed(self.before.leaf()?, self.after.leaf()?, capacity))
    }

    fn sealed(&self, before: Fr, after: Fr, capacity_hash: Fr) -> native::Action {
        native::Action {
            index: self.index,
            before,
            after,
            policy_root: self.after.policy_root,
            capacity_hash,
            beat: self.beat,
        }
    }
}

/// The leaf of each action ([`native::Action::leaf`]), of many at once, where the agent's leaves
/// before and after it are known.
#[must_use]
pub fn action_leaves(actions: &[(&OpenedAction, Fr, Fr)]) -> Vec<Fr> {
    let capacities: Vec<[Fr; 4]> =
        actions.iter().map(|(opened, ..)| capacity_inputs(&opened.worker)).collect();
    let sealed = |((opened, before, after), capacity): (&(&OpenedAction, Fr, Fr), Fr)| {
        opened.sealed(*before, *after, capacity).inputs()
    };
    hash_each(&actions.iter().zip(hash_each(&capacities)).map(sealed).collect::<Vec<_>>())
}

impl Openings {
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.actions.is_empty()
    }
}

impl fmt::Debug for Openings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} agents, {} actions, {} policies",
            self.agents.len(),
            self.actions.len(),
            self.policies.len()
        )
    }
}
