//! The twin: the same verdict without a circuit.

use super::Action;
use crate::{
    native::{
        self, AgentState, Error, Fr, Path, Policy, Rule, Selector, capacity_hash, nullifier, position_hash,
    },
    position::{reach_of, selector_of},
    r1cs::{Broken, Mismatch},
};
use phalanx_geometry::Reach;
use phalanx_types::{
    Height, Resources,
    agent::Position,
    resources::{GPU_MILLI, WorkerResources},
};
use zeroize::Zeroize;

/// What the prover knows. It has no `Debug`, and its places and seeds are wiped when
/// dropped.
#[derive(Clone)]
pub struct Secret {
    /// The agent before the action.
    pub before: AgentState,
    /// The agent after it.
    pub after: AgentState,
    /// The region's centre.
    pub region: Position,
    /// The policy after it.
    pub policy: Policy,
    /// What the agent's worker has in all, after it.
    pub worker: WorkerResources,
    /// The action's place among all actions.
    pub index: u64,
    /// The beat that decided it.
    pub beat: Height,
    /// Where its leaf is.
    pub path: Path,
}

impl Secret {
    /// The recorded action.
    ///
    /// # Errors
    /// When a position is not valid.
    pub fn action(&self) -> Result<native::Action, Error> {
        Ok(native::Action {
            index: self.index,
            before: self.before.leaf()?,
            after: self.after.leaf()?,
            policy_root: self.policy.root(),
            capacity_hash: capacity_hash(&self.worker),
            beat: self.beat,
        })
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.region.0.zeroize();
        self.index.zeroize();
    }
}

/// The public inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public {
    /// Root of the audit tree.
    pub audit_root: Fr,
    /// The rule that is obeyed.
    pub rule: Rule,
    /// The policy that it is of.
    pub policy: Fr,
    /// What is spent.
    pub nullifier: Fr,
    /// What the proof is made for.
    pub context: Fr,
}

impl Public {
    /// What `secret` proves of one rule of its policy.
    ///
    /// # Errors
    /// When a position is not valid, or the path is not of the action's leaf.
    pub fn of(secret: &Secret, reach: Reach, selector: Selector, context: Fr) -> Result<Self, Error> {
        Ok(Self {
            audit_root: secret.path.root(secret.action()?.leaf()).ok_or(Error::OtherPath)?,
            rule: Rule { region: position_hash(&secret.region)?, reach, selector },
            policy: secret.policy.root(),
            nullifier: nullifier(&secret.before.seed, secret.index, context),
            context,
        })
    }

    /// In the circuit's order.
    #[must_use]
    pub fn inputs(&self) -> [Fr; 7] {
        [
            self.audit_root,
            self.rule.region,
            self.policy,
            self.rule.selector.field(),
            Fr::from(self.rule.reach.raw()),
            self.nullifier,
            self.context,
        ]
    }
}

fn fits(resources: &Resources, worker: &WorkerResources) -> bool {
    resources.cpu_milli <= worker.cpu_milli
        && resources.memory_mib <= worker.memory_mib
        && resources.gpu.total_milli() <= u32::from(worker.gpus) * u32::from(GPU_MILLI)
}

/// Whether the statement holds of any seven field elements.
///
/// # Errors
/// A rule that is broken; not always the one that the circuit names.
pub fn check(statement: &Action, inputs: &[Fr], secret: &Secret) -> Result<(), Broken> {
    let broken = |rule: &'static str| Broken::Rule { rule };
    let [audit_root, region, policy, selector, m, spent, context] = *Mismatch::named(inputs)?;
    let Secret { before, after, worker, .. } = secret;
    for position in [&before.position, &after.position, &secret.region] {
        Mismatch::dimension(statement.dimension(), position)?;
    }
    let selector = selector_of(selector).ok_or(broken("the selector is 0 or 1"))?;
    let reach = reach_of(m).ok_or(broken("m is below 2^80"))?;
    let outside = |_| broken("the place is inside of the ball");

    let action = secret.action().map_err(outside)?;
    let root = secret.path.root(action.leaf()).ok_or(broken("the leaf is in the tree"))?;
    let rule = Rule { region: position_hash(&secret.region).map_err(outside)?, reach, selector };
    let holds =
        |reach: Reach, a: &Position, b: &Position| reach.holds(a, b).map_err(|e| outside(Error::Geometry(e)));
    let is_same = (before.id, before.tenant, before.seed) == (after.id, after.tenant, after.seed);
    let rules = [
        ("id, tenant and seed stay the same", is_same),
        ("the nonce grows by one", before.nonce.checked_add(1) == Some(after.nonce)),
        ("the tree is the one with this root", root == audit_root),
        ("the region is the one with this hash", rule.region == region),
        ("the policy binds the agent", after.policy_root == policy),
        ("the policy is the one with this root", secret.policy.root() == policy),
        ("the rule is one of the policy", secret.policy.rules().contains(&rule)),
        ("the move is within the step", holds(secret.policy.step(), &before.position, &after.position)?),
        (
            "the place is where the rule says",
            holds(reach, &after.position, &secret.region)? == (selector == Selector::Within),
        ),
        ("the agent fits its worker", fits(&after.resources, worker)),
        ("the nullifier is the agent's", nullifier(&before.seed, secret.index, context) == spent),
    ];
    match rules.into_iter().find(|(_, holds)| !holds) {
        Some((rule, _)) => Err(broken(rule)),
        None => Ok(()),
    }
}
