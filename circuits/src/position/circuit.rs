//! The circuit.

use super::Secret;
use crate::{
    native::{AgentState, DEPTH, Fr, Path, Policy, resources_hash, tags},
    opening,
    r1cs::{self, Input, Mismatch, Side, Statement, System, hash},
};
use ark_ff::{AdditiveGroup, Field};
use phalanx_types::{
    AgentId, Resources,
    agent::{self, AgentSeed},
};

/// The statement, for positions of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    dimension: usize,
}

impl Position {
    /// Dimensions that keys are made for; the default is 8.
    pub const DIMENSIONS: [usize; 4] = [2, 8, 64, 512];

    /// For one of [`Self::DIMENSIONS`].
    ///
    /// # Errors
    /// When it is another one.
    pub fn new(dimension: usize) -> Result<Self, Mismatch> {
        if Self::DIMENSIONS.contains(&dimension) {
            Ok(Self { dimension })
        } else {
            Err(Mismatch { what: "dimensions (2, 8, 64 or 512)", expected: 8, found: dimension })
        }
    }

    /// Coordinates of a position.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }
}

/// An agent of nothing, at the origin.
pub(crate) fn nobody(dimension: usize) -> AgentState {
    AgentState {
        id: AgentId([0; 32]),
        tenant: Fr::ZERO,
        position: agent::Position::origin(dimension),
        resources: Resources::default(),
        policy_root: Fr::ZERO,
        nonce: 0,
        seed: AgentSeed([0; 32]),
    }
}

impl Statement for Position {
    type Secret = Secret;

    fn name(&self) -> String {
        format!("position-{}", self.dimension)
    }

    fn inputs(&self) -> &'static [Input] {
        &[
            Input { name: "agents_root", meaning: "root of the agents tree of a checkpoint" },
            Input { name: "region", meaning: "hash of the region's centre" },
            Input {
                name: "policy",
                meaning: "root of the agent's policy that has this rule; 0: not claimed",
            },
            Input { name: "selector", meaning: "0: within the reach of the region; 1: beyond it" },
            Input { name: "m", meaning: "the reach: (cosh(sqrt(curvature)*delta) - 1)*2^32, rounded" },
            Input { name: "nullifier", meaning: "the same for the same agent, nonce and context" },
            Input { name: "context", meaning: "chain, contract and purpose that the proof is made for" },
        ]
    }

    fn caveats(&self) -> &'static [&'static str] {
        &[
            "more than two thirds of the validators recorded it so; whether the place is true is not shown",
            "the root must be one that they signed: compare it with a checkpoint",
            "the region is named by its hash: recompute it from the centre",
            "where policy is 0 the rule is the prover's choice",
        ]
    }

    fn blank(&self) -> Secret {
        Secret {
            agent: nobody(self.dimension),
            path: Path([[Fr::ZERO; crate::native::ARITY]; DEPTH]),
            region: agent::Position::origin(self.dimension),
            policy: Policy::unbound(),
        }
    }

    fn lay<C: System>(&self, cs: &mut C, inputs: &[C::Num], secret: &Secret) -> Result<(), Mismatch> {
        let [agents_root, region, policy, selector, m, nullifier, context] = Mismatch::named(inputs)?;
        let agent = &secret.agent;
        opening::dimensions(self.dimension, &[&agent.position, &secret.region])?;
        let (one, zero) = (cs.constant(Fr::ONE), cs.constant(Fr::ZERO));

        let other = cs.minus(&one, selector);
        cs.enforce("the selector is 0 or 1", selector, &other, &zero);
        r1cs::reach(cs, m);

        let who = opening::identity(cs, agent);
        let nonce = cs.witness(Fr::from(agent.nonce));
        let resources = cs.witness(resources_hash(&agent.resources));
        let opened = opening::leaf(cs, &who, &nonce, &agent.position, &resources, agent.policy_root);
        let root = r1cs::member(cs, &opened.leaf, &secret.path);
        cs.equal("the tree is the one with this root", &root, agents_root);

        let center = r1cs::place(cs, &secret.region);
        cs.equal("the region is the one with this hash", &center.hash, region);
        let side = Side::By(selector);
        r1cs::inequality(cs, "the place is where the rule says", &opened.place, &center, m, side);

        let bound = opening::policy(cs, &secret.policy);
        let difference = cs.minus(policy, &opened.policy_root);
        cs.enforce("the policy binds the agent", policy, &difference, &zero);
        let difference = cs.minus(policy, &bound.root);
        cs.enforce("the policy is the one with this root", policy, &difference, &zero);
        let rule = hash(cs, Some(tags::RULE), [region, m, selector]);
        let distance = r1cs::distance(cs, &rule, &bound.places);
        cs.enforce("the rule is one of the policy", policy, &distance, &zero);

        let spent = hash(cs, Some(tags::NULLIFIER_POSITION), [&who.seed, &nonce, context]);
        cs.equal("the nullifier is the agent's", &spent, nullifier);
        Ok(())
    }
}
