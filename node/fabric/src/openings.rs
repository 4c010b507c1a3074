//! What proofs are about: the leaf of each agent, and its actions.
//!
//! - **O1** An agent has a slot in the agents tree from its spawn to its end, the lowest
//!   that was free: two nodes with the same state have the same tree.
//! - **O2** The actions since the last checkpoint are entries of the state: a node that
//!   begins from a snapshot cuts the same audit tree as all others.
//! - **O3** Whatever changes an agent's leaf is opened in the beat that changes it: its own
//!   change, and a change of what binds it.

use crate::{
    Fabric, Refusal,
    admission::bad,
    lifecycle::STEP_LENGTH,
    state::{Agent, Index, Recorded},
};
use imbl::OrdMap;
use phalanx_circuits::{
    native::{
        AgentState, Fr, LEAVES_MAX, OpenedAction, Openings, RULES_MAX, Selector, bytes_of, element_of,
        tenant_field,
    },
    witness::{BoundPolicy, BoundRule},
};
use phalanx_geometry::{Curvature, Reach};
use phalanx_types::{AgentId, AgentSpec, Hash, Name, agent::Position, policy::Rule};
use std::{collections::BTreeMap, sync::Arc};

/// Actions after which an interval is closed before its time, so that the audit tree has
/// room for those of one more beat.
pub(crate) const ACTIONS_MAX: usize = LEAVES_MAX / 4;
/// How much longer than [`STEP_LENGTH`] a step may be for rounding, in millionths of length.
const STEP_MARGIN_MICRO: u64 = 20;

/// What binds agents of one tenant, named policy and number of dimensions.
#[derive(Clone)]
struct Bound {
    tenant: Fr,
    root: Fr,
    policy: Arc<BoundPolicy>,
}

/// What binds agents, as far as it was asked for. Derived from policies and places.
#[derive(Clone, Default)]
pub(crate) struct Bounds {
    known: OrdMap<(Name, Name, usize), Bound>,
    /// Whether it has changed since agents were opened last.
    has_changed: bool,
}

impl std::fmt::Debug for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.known.keys()).finish()
    }
}

impl Bounds {
    /// Forgets all of it: a policy or a place of a region is another one.
    pub(crate) fn forget(&mut self) {
        *self = Self { known: OrdMap::new(), has_changed: true };
    }
}

impl Index {
    /// Frees a slot; `agents` are left.
    pub(crate) fn vacate(&mut self, slot: u32, agents: usize) {
        self.free_slots.insert(slot);
        // No slot is kept free above the last one that is taken.
        while let Some(top) = self.free_slots.get_max().copied()
            && top as usize >= agents.saturating_add(self.free_slots.len()).saturating_sub(1)
        {
            self.free_slots.remove(&top);
        }
    }
}

impl Fabric {
    /// The slot of the next agent (O1).
    ///
    /// # Errors
    /// When there are as many agents as the tree has leaves.
    pub(crate) fn free_slot(&self) -> Result<u32, Refusal> {
        let free = self.index.free_slots.get_min().copied();
        let slot = free.unwrap_or(u32::try_from(self.agents.len()).unwrap_or(u32::MAX));
        if (slot as usize) < LEAVES_MAX {
            return Ok(slot);
        }
        bad("agents", format!("a mesh has at most {LEAVES_MAX}: end some first"))
    }

    /// The rules that circuits can show of such agents: those of policies that are to be
    /// proven first, then by the names of policies, in their order.
    fn bound_policy(&self, tenant: &Name, named: &Name, dimension: usize) -> BoundPolicy {
        let mut rules = Vec::new();
        let binding =
            self.policies.iter().filter(|(name, declared)| declared.policy.binds(name, tenant, named));
        for (name, declared) in binding {
            for (constraint, m) in declared.policy.constraints.iter().zip(&declared.reaches) {
                let (of, selector) = match &constraint.rule {
                    Rule::Within { of, .. } => (of, Selector::Within),
                    Rule::Beyond { of, .. } => (of, Selector::Beyond),
                    Rule::Inside { .. } | Rule::Apart { .. } => continue,
                };
                let center = self.anchor(of).map(|center| center.widened(dimension));
                if let (Some(center), Ok(reach)) = (center, Reach::from_raw(*m)) {
                    let (policy, constraint) = (name.clone(), constraint.name.clone());
                    rules.push((
                        !declared.policy.prove,
                        BoundRule { policy, constraint, center, reach, selector },
                    ));
                }
            }
        }
        rules.sort_by_key(|(is_later, _)| *is_later);
        let mut rules: Vec<BoundRule> = rules.into_iter().map(|(_, rule)| rule).take(RULES_MAX).collect();
        if rules.is_empty() {
            rules.extend(anywhere(dimension));
        }
        BoundPolicy { step: step_reach(), rules }
    }

    fn bound(&mut self, tenant: &Name, named: &Name, dimension: usize) -> Bound {
        let key = (tenant.clone(), named.clone(), dimension);
        if let Some(known) = self.bounds.known.get(&key) {
            return known.clone();
        }
        let policy = self.bound_policy(tenant, named, dimension);
        // No more than the seven rules that a policy has room for.
        let root = policy.to_native().map(|policy| policy.root()).unwrap_or_default();
        let bound = Bound { tenant: tenant_field(tenant), root, policy: Arc::new(policy) };
        self.bounds.known.insert(key, bound.clone());
        bound
    }

    /// Records an action that took an agent from `before` to `after`; its number.
    pub(crate) fn record(&mut self, id: &AgentId, before: &Agent, after: &Agent) -> u64 {
        let spec = &after.spec;
        let bound = self.bound(&spec.tenant, &spec.policy, after.position.0.len());
        let worker = self.workers.get(&after.worker).map(|worker| worker.offer.resources);
        let index = self.settings.actions;
        self.settings.actions = index.saturating_add(1);
        let recorded = Recorded {
            agent: *id,
            tenant: spec.tenant.clone(),
            policy: spec.policy.clone(),
            policy_root: bytes_of(bound.root),
            seed: spec.seed,
            resources: spec.resources,
            nonce: before.nonce,
            before: before.position.clone(),
            after: after.position.clone(),
            worker: worker.unwrap_or_default(),
            beat: self.settings.height,
        };
        self.actions.insert(index, recorded);
        index
    }

    /// Forgets the actions of an interval that was closed by the beat before this one.
    pub(crate) fn begin_interval(&mut self) {
        let closed: Vec<u64> = self.actions.iter().map(|(index, _)| *index).collect();
        for index in closed {
            self.actions.remove(&index);
        }
    }

    fn open_agent(
        &mut self,
        id: &AgentId,
        policies: &mut BTreeMap<Fr, Arc<BoundPolicy>>,
    ) -> Option<(u32, AgentState)> {
        let agent = self.agents.get(id)?.clone();
        let bound = self.bound(&agent.spec.tenant, &agent.spec.policy, agent.position.0.len());
        policies.insert(bound.root, Arc::clone(&bound.policy));
        let state = AgentState {
            id: *id,
            tenant: bound.tenant,
            position: agent.position,
            resources: agent.spec.resources,
            policy_root: bound.root,
            nonce: agent.nonce,
            seed: agent.spec.seed,
        };
        Some((agent.slot, state))
    }

    fn open_action(
        &mut self,
        index: u64,
        recorded: &Recorded,
        policies: &mut BTreeMap<Fr, Arc<BoundPolicy>>,
    ) -> Option<OpenedAction> {
        let bound = self.bound(&recorded.tenant, &recorded.policy, recorded.after.0.len());
        let policy_root = element_of(&recorded.policy_root).ok()?;
        if bound.root == policy_root {
            policies.insert(bound.root, Arc::clone(&bound.policy));
        }
        let state = |position: &Position, nonce| AgentState {
            id: recorded.agent,
            tenant: bound.tenant,
            position: position.clone(),
            resources: recorded.resources,
            policy_root,
            nonce,
            seed: recorded.seed,
        };
        Some(OpenedAction {
            index,
            before: state(&recorded.before, recorded.nonce),
            after: state(&recorded.after, recorded.nonce.saturating_add(1)),
            worker: recorded.worker,
            beat: recorded.beat,
        })
    }

    /// What the beat has changed (O3). To be asked before the changed entries are taken.
    pub(crate) fn opened(&mut self) -> Openings {
        let agents: Vec<AgentId> = if std::mem::take(&mut self.bounds.has_changed) {
            self.agents
                .iter()
                .map(|(id, _)| *id)
                .chain(self.agents.touched().filter(|id| !self.agents.contains(id)).copied())
                .collect()
        } else {
            self.agents.touched().copied().collect()
        };
        let mut actions: Vec<u64> =
            self.actions.touched().copied().filter(|index| self.actions.contains(index)).collect();
        actions.sort_unstable();
        self.open_these(agents, &actions)
    }

    /// All agents, and the actions since the last checkpoint.
    #[must_use]
    pub fn openings(&self) -> Openings {
        let mut copy = self.clone();
        let agents = self.agents.iter().map(|(id, _)| *id).collect();
        let actions: Vec<u64> = self.actions.iter().map(|(index, _)| *index).collect();
        copy.open_these(agents, &actions)
    }

    fn open_these(&mut self, mut agents: Vec<AgentId>, actions: &[u64]) -> Openings {
        agents.sort_unstable();
        agents.dedup();
        let mut policies = BTreeMap::new();
        let agents = agents.into_iter().map(|id| (id, self.open_agent(&id, &mut policies))).collect();
        let mut opened = Vec::with_capacity(actions.len());
        for index in actions {
            if let Some(recorded) = self.actions.get(index).cloned() {
                opened.extend(self.open_action(*index, &recorded, &mut policies));
            }
        }
        Openings { agents, actions: opened, policies: policies.into_iter().collect() }
    }

    /// What binds an agent as circuits know it, with its root.
    #[must_use]
    pub fn policy_of(&self, spec: &AgentSpec, dimension: usize) -> (Hash, Arc<BoundPolicy>) {
        let bound = self.clone().bound(&spec.tenant, &spec.policy, dimension);
        (bytes_of(bound.root), bound.policy)
    }
}

/// The rule of agents that no other one binds: within the longest reach of the core.
fn anywhere(dimension: usize) -> Option<BoundRule> {
    Some(BoundRule {
        policy: Name::new("default").ok()?,
        constraint: Name::new("anywhere").ok()?,
        center: Position::origin(dimension),
        reach: Reach::MAX,
        selector: Selector::Within,
    })
}

/// How far one action may take an agent.
fn step_reach() -> Reach {
    let micro = (STEP_LENGTH * 1e6) as u64;
    Reach::for_within(Curvature::ONE, micro.saturating_add(STEP_MARGIN_MICRO)).unwrap_or(Reach::MAX)
}
