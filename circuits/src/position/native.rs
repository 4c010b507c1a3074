//! The twin: the same verdict without a circuit.

use super::Position;
use crate::{
    native::{AgentState, Error, Fr, Path, Policy, Rule, Selector, position_hash, position_nullifier},
    r1cs::{Broken, Mismatch},
};
use ark_ff::{AdditiveGroup, BigInteger, PrimeField};
use phalanx_geometry::Reach;
use phalanx_types::agent;
use zeroize::Zeroize;

/// What the prover knows. It has no `Debug`, and its places and seed are wiped when
/// dropped.
#[derive(Clone)]
pub struct Secret {
    /// The agent.
    pub agent: AgentState,
    /// Where its leaf is.
    pub path: Path,
    /// The region's centre.
    pub region: agent::Position,
    /// The policy; any where it is not claimed.
    pub policy: Policy,
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.region.0.zeroize();
    }
}

/// The public inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Public {
    /// Root of the agents tree.
    pub agents_root: Fr,
    /// The rule that is obeyed.
    pub rule: Rule,
    /// The policy that the rule is of, when that is claimed.
    pub policy: Option<Fr>,
    /// What is spent.
    pub nullifier: Fr,
    /// What the proof is made for.
    pub context: Fr,
}

impl Public {
    /// What `secret` proves of `rule`, and of its own policy when that is claimed.
    ///
    /// # Errors
    /// When a position is not valid, or the path is not of the agent's leaf.
    pub fn of(
        secret: &Secret,
        reach: Reach,
        selector: Selector,
        with_policy: bool,
        context: Fr,
    ) -> Result<Self, Error> {
        let leaf = secret.agent.leaf()?;
        Ok(Self {
            agents_root: secret.path.root(leaf).ok_or(Error::OtherPath)?,
            rule: Rule { region: position_hash(&secret.region)?, reach, selector },
            policy: with_policy.then_some(secret.agent.policy_root),
            nullifier: position_nullifier(&secret.agent.seed, secret.agent.nonce, context),
            context,
        })
    }

    /// In the circuit's order.
    #[must_use]
    pub fn inputs(&self) -> [Fr; 7] {
        [
            self.agents_root,
            self.rule.region,
            self.policy.unwrap_or(Fr::ZERO),
            self.rule.selector.field(),
            Fr::from(self.rule.reach.raw()),
            self.nullifier,
            self.context,
        ]
    }
}

/// A field element as a reach, when it is one.
pub(crate) fn reach_of(m: Fr) -> Option<Reach> {
    let [low, high, ..] = m.into_bigint().0;
    let raw = u128::from(high) << 64 | u128::from(low);
    Reach::from_raw(raw).ok().filter(|_| m.into_bigint().num_bits() <= 80)
}

pub(crate) fn selector_of(selector: Fr) -> Option<Selector> {
    [Selector::Within, Selector::Beyond].into_iter().find(|s| s.field() == selector)
}

/// Whether the statement holds of any seven field elements.
///
/// # Errors
/// A rule that is broken; not always the one that the circuit names.
pub fn check(statement: &Position, inputs: &[Fr], secret: &Secret) -> Result<(), Broken> {
    let broken = |rule: &'static str| Broken::Rule { rule };
    let [agents_root, region, policy, selector, m, nullifier, context] = *Mismatch::named(inputs)?;
    Mismatch::dimension(statement.dimension(), &secret.agent.position)?;
    Mismatch::dimension(statement.dimension(), &secret.region)?;
    let selector = selector_of(selector).ok_or(broken("the selector is 0 or 1"))?;
    let reach = reach_of(m).ok_or(broken("m is below 2^80"))?;
    let outside = |_| broken("the place is inside of the ball");

    let leaf = secret.agent.leaf().map_err(outside)?;
    let root = secret.path.root(leaf).ok_or(broken("the leaf is in the tree"))?;
    let rule = Rule { region: position_hash(&secret.region).map_err(outside)?, reach, selector };
    let is_claimed = policy != Fr::ZERO;
    let within =
        reach.holds(&secret.agent.position, &secret.region).map_err(|e| outside(Error::Geometry(e)))?;
    let rules = [
        ("the tree is the one with this root", root == agents_root),
        ("the region is the one with this hash", rule.region == region),
        ("the place is where the rule says", within == (selector == Selector::Within)),
        ("the policy binds the agent", !is_claimed || secret.agent.policy_root == policy),
        ("the policy is the one with this root", !is_claimed || secret.policy.root() == policy),
        ("the rule is one of the policy", !is_claimed || secret.policy.rules().contains(&rule)),
        (
            "the nullifier is the agent's",
            position_nullifier(&secret.agent.seed, secret.agent.nonce, context) == nullifier,
        ),
    ];
    match rules.into_iter().find(|(_, holds)| !holds) {
        Some((rule, _)) => Err(broken(rule)),
        None => Ok(()),
    }
}
