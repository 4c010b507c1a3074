//! From a witness to a proof file: what is to be shown of what is known.

use crate::{
    action,
    catalog::{AnySecret, AnyStatement},
    groth16::{ProveError, Prover},
    integrity,
    native::{Error, Fr, Selector},
    position,
    proof_file::{Context, Openings, ProofFile, Region},
    r1cs::Mismatch,
    witness::{ActionWitness, BoundRule, IntegrityWitness, PositionWitness, RuleName},
};
use phalanx_geometry::Reach;
use phalanx_types::{agent::Position, units::CheckpointNumber};

/// A rule that is shown to hold.
#[derive(Clone)]
pub struct ChosenRule {
    /// How it is called, when it is one of the agent's policy.
    pub name: Option<RuleName>,
    /// The region's centre.
    pub center: Position,
    /// How far the region reaches.
    pub reach: Reach,
    /// On which side of it the agent is.
    pub selector: Selector,
}

/// What can be proven: a statement, its public inputs, what is known, and what is told.
/// It holds secrets: no `Debug`.
pub struct Claim {
    statement: AnyStatement,
    inputs: Vec<Fr>,
    secret: AnySecret,
    openings: Openings,
}

/// Why nothing can be claimed of a witness.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Its parts do not fit together.
    #[error(transparent)]
    Witness(#[from] Error),
    /// There is no circuit of this size.
    #[error(transparent)]
    Size(#[from] Mismatch),
}

impl From<&BoundRule> for ChosenRule {
    fn from(rule: &BoundRule) -> Self {
        Self {
            name: Some(rule.name()),
            center: rule.center.clone(),
            reach: rule.reach,
            selector: rule.selector,
        }
    }
}

impl ChosenRule {
    fn openings(self, checkpoint: CheckpointNumber, context: Context) -> Openings {
        let region = Region { center: self.center, rule: self.name };
        Openings { checkpoint: Some(checkpoint), region: Some(region), context: Some(context) }
    }
}

impl Claim {
    /// That the agent keeps a rule; with `is_claimed`, that its policy has this rule.
    ///
    /// # Errors
    /// When the path is not of the agent, a place is not valid, or there is no circuit of
    /// its dimension. That the rule holds is seen when it is proven.
    pub fn position(
        witness: PositionWitness,
        rule: ChosenRule,
        is_claimed: bool,
        context: Context,
    ) -> Result<Self, ClaimError> {
        let statement = position::Position::new(witness.agent.position.0.len())?;
        let PositionWitness { checkpoint, agent, path, policy } = witness;
        let secret =
            position::Secret { agent, path, region: rule.center.clone(), policy: policy.to_native()? };
        let public = position::Public::of(&secret, rule.reach, rule.selector, is_claimed, context.field())?;
        Ok(Self {
            statement: AnyStatement::Position(statement),
            inputs: public.inputs().to_vec(),
            secret: AnySecret::Position(secret),
            openings: rule.openings(checkpoint, context),
        })
    }

    /// That the action keeps the rules, and the one that is shown.
    ///
    /// # Errors
    /// When the path is not of the action, a place is not valid, or there is no circuit of
    /// its dimension. That the rules hold is seen when it is proven.
    pub fn action(witness: ActionWitness, rule: ChosenRule, context: Context) -> Result<Self, ClaimError> {
        let statement = action::Action::new(witness.before.position.0.len())?;
        let ActionWitness { checkpoint, before, after, policy, worker, index, beat, path } = witness;
        let (region, policy) = (rule.center.clone(), policy.to_native()?);
        let secret = action::Secret { before, after, region, policy, worker, index, beat, path };
        let public = action::Public::of(&secret, rule.reach, rule.selector, context.field())?;
        Ok(Self {
            statement: AnyStatement::Action(statement),
            inputs: public.inputs().to_vec(),
            secret: AnySecret::Action(secret),
            openings: rule.openings(checkpoint, context),
        })
    }

    /// That the record from the first digest on is unbroken.
    ///
    /// # Errors
    /// When the path is not of the last beat.
    pub fn integrity(witness: IntegrityWitness) -> Result<Self, ClaimError> {
        let IntegrityWitness { checkpoint, first, from, receipts_roots, path } = witness;
        let secret = integrity::Secret { from, receipts_roots, path };
        Ok(Self {
            statement: AnyStatement::Integrity(integrity::Integrity),
            inputs: integrity::Public::of(&secret, first)?.inputs().to_vec(),
            secret: AnySecret::Integrity(secret),
            openings: Openings { checkpoint: Some(checkpoint), ..Openings::default() },
        })
    }

    /// The statement.
    #[must_use]
    pub fn statement(&self) -> AnyStatement {
        self.statement
    }

    /// Proves it, with 32 random bytes: see [`Prover::prove`].
    ///
    /// # Errors
    /// When it does not hold, or the key is damaged.
    pub fn prove(
        &self,
        prover: &Prover<'_, AnyStatement>,
        entropy: &[u8; 32],
    ) -> Result<ProofFile, ProveError> {
        let proof = prover.prove(&self.inputs, &self.secret, entropy)?;
        let key = prover.verifier().key();
        Ok(ProofFile::new(self.statement, key, &self.inputs, &proof, self.openings.clone()))
    }
}
