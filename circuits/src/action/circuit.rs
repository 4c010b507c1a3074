//! The circuit.

use super::Secret;
use crate::{
    native::{DEPTH, Fr, Path, Policy, resources_hash, tags},
    opening,
    position::{Position, nobody},
    r1cs::{self, Input, Mismatch, Side, Statement, System, hash},
};
use ark_ff::{AdditiveGroup, Field};
use phalanx_types::{Height, agent, resources::WorkerResources};

/// The statement, for positions of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action(Position);

impl Action {
    /// For one of [`Position::DIMENSIONS`].
    ///
    /// # Errors
    /// When it is another one.
    pub fn new(dimension: usize) -> Result<Self, Mismatch> {
        Position::new(dimension).map(Self)
    }

    /// Coordinates of a position.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.0.dimension()
    }
}

impl Statement for Action {
    type Secret = Secret;

    fn name(&self) -> String {
        format!("action-{}", self.dimension())
    }

    fn inputs(&self) -> &'static [Input] {
        &[
            Input { name: "audit_root", meaning: "root of the audit tree of a checkpoint" },
            Input { name: "region", meaning: "hash of the region's centre" },
            Input { name: "policy", meaning: "root of the policy that bound the action" },
            Input { name: "selector", meaning: "0: within the reach of the region; 1: beyond it" },
            Input { name: "m", meaning: "the reach: (cosh(sqrt(curvature)*delta) - 1)*2^32, rounded" },
            Input { name: "nullifier", meaning: "the same for the same agent, action and context" },
            Input { name: "context", meaning: "chain, contract and purpose that the proof is made for" },
        ]
    }

    fn caveats(&self) -> &'static [&'static str] {
        &[
            "more than two thirds of the validators recorded it so; whether it happened so is not shown",
            "the root must be one that they signed: compare it with a checkpoint",
            "one rule of the policy is shown; a policy of several takes a proof a rule",
            "which agent it was, and when, is not shown",
        ]
    }

    fn blank(&self) -> Secret {
        Secret {
            before: nobody(self.dimension()),
            after: nobody(self.dimension()),
            region: agent::Position::origin(self.dimension()),
            policy: Policy::unbound(),
            worker: WorkerResources::default(),
            index: 0,
            beat: Height(0),
            path: Path([[Fr::ZERO; crate::native::ARITY]; DEPTH]),
        }
    }

    fn lay<C: System>(&self, cs: &mut C, inputs: &[C::Num], secret: &Secret) -> Result<(), Mismatch> {
        let [audit_root, region, policy, selector, m, nullifier, context] = Mismatch::named(inputs)?;
        let Secret { before, after, .. } = secret;
        opening::dimensions(self.dimension(), &[&before.position, &after.position, &secret.region])?;
        let (one, zero) = (cs.constant(Fr::ONE), cs.constant(Fr::ZERO));

        let other = cs.minus(&one, selector);
        cs.enforce("the selector is 0 or 1", selector, &other, &zero);
        r1cs::reach(cs, m);

        // Both leaves of one agent; only what may differ is a new witness.
        let who = opening::identity(cs, before);
        let nonce = cs.witness(Fr::from(before.nonce));
        let next = cs.sum([(Fr::ONE, &nonce), (Fr::ONE, &one)]);
        let earlier = cs.witness(resources_hash(&before.resources));
        let (resources, worker) = opening::capacity(cs, &after.resources, &secret.worker);
        let before = opening::leaf(cs, &who, &nonce, &before.position, &earlier, before.policy_root);
        let after = opening::leaf(cs, &who, &next, &after.position, &resources, after.policy_root);
        cs.equal("the policy binds the agent", &after.policy_root, policy);

        let index = cs.witness(Fr::from(secret.index));
        let beat = cs.witness(Fr::from(secret.beat.0));
        let parts = [&index, &before.leaf, &after.leaf, policy, &worker, &beat];
        let leaf = hash(cs, Some(tags::ACTION), parts);
        let root = r1cs::member(cs, &leaf, &secret.path);
        cs.equal("the tree is the one with this root", &root, audit_root);

        let bound = opening::policy(cs, &secret.policy);
        cs.equal("the policy is the one with this root", &bound.root, policy);
        let rule = hash(cs, Some(tags::RULE), [region, m, selector]);
        r1cs::is_one_of(cs, "the rule is one of the policy", &rule, &bound.places);

        r1cs::reach(cs, &bound.step);
        let (from, to) = (&before.place, &after.place);
        r1cs::inequality(cs, "the move is within the step", from, to, &bound.step, Side::Holds);
        let center = r1cs::place(cs, &secret.region);
        cs.equal("the region is the one with this hash", &center.hash, region);
        r1cs::inequality(cs, "the place is where the rule says", to, &center, m, Side::By(selector));

        let spent = hash(cs, Some(tags::NULLIFIER), [&who.seed, &index, context]);
        cs.equal("the nullifier is the agent's", &spent, nullifier);
        Ok(())
    }
}
