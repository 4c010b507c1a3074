//! What a prover may ask a node for, running or stopped.

use phalanx_api::WitnessQuery;
use phalanx_circuits::witness::Witness;
use phalanx_ledger::{Kv, WitnessError, Witnesses};
use phalanx_types::{AgentId, Name, ReceiptIndex, units::CheckpointNumber};
use serde::{Deserialize, Serialize};

/// Whom a policy binds at a checkpoint.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// The checkpoint.
    pub checkpoint: CheckpointNumber,
    /// The agents, by id.
    pub agents: Vec<AgentId>,
}

/// The agents that a policy binds at a checkpoint, the last one when none is named.
///
/// # Errors
/// See [`WitnessError`].
pub fn bound(kv: &impl Kv, policy: &Name, checkpoint: Option<u64>) -> Result<Bound, WitnessError> {
    let witnesses = Witnesses::new(kv);
    let checkpoint = checkpoint.map_or_else(|| witnesses.last(), |number| Ok(CheckpointNumber(number)))?;
    Ok(Bound { checkpoint, agents: witnesses.bound_agents(policy, checkpoint)? })
}

/// A question for a witness.
pub enum Asked {
    /// Where an agent is at a checkpoint; at the last one when none is named.
    Position { agent: AgentId, checkpoint: Option<CheckpointNumber> },
    /// The action that gave an agent this nonce; its last one when none is named.
    Action { agent: AgentId, nonce: Option<u64> },
    /// The record from one receipt to a later one.
    Integrity { from: ReceiptIndex, to: ReceiptIndex },
}

impl Asked {
    /// From a request's path and query.
    ///
    /// # Errors
    /// What is missing, or one too many.
    pub fn parse(statement: &str, query: &WitnessQuery) -> Result<Self, String> {
        let WitnessQuery { agent, checkpoint, nonce, from, to } = query;
        let agent = || match agent {
            Some(agent) => agent.parse().map_err(|error| format!("the agent {agent:?}: {error}")),
            None => Err(format!("a witness of {statement} is of an agent: name it")),
        };
        match (statement, nonce, checkpoint, from, to) {
            ("position", None, checkpoint, None, None) => {
                Ok(Self::Position { agent: agent()?, checkpoint: checkpoint.map(CheckpointNumber) })
            }
            ("action", nonce, None, None, None) => Ok(Self::Action { agent: agent()?, nonce: *nonce }),
            ("integrity", None, None, Some(from), Some(to)) if query.agent.is_none() => {
                Ok(Self::Integrity { from: ReceiptIndex(*from), to: ReceiptIndex(*to) })
            }
            ("position" | "action" | "integrity", ..) => {
                Err(format!("a witness of {statement} is not asked for like this"))
            }
            _ => Err(format!("{statement:?} is no statement: position, action and integrity are")),
        }
    }

    /// The request's statement and query.
    pub fn query(&self) -> (&'static str, WitnessQuery) {
        let nothing = WitnessQuery::default();
        match self {
            Self::Position { agent, checkpoint } => (
                "position",
                WitnessQuery {
                    agent: Some(agent.to_string()),
                    checkpoint: checkpoint.map(|c| c.0),
                    ..nothing
                },
            ),
            Self::Action { agent, nonce } => {
                ("action", WitnessQuery { agent: Some(agent.to_string()), nonce: *nonce, ..nothing })
            }
            Self::Integrity { from, to } => {
                ("integrity", WitnessQuery { from: Some(from.0), to: Some(to.0), ..nothing })
            }
        }
    }

    /// The answer of a ledger's store.
    ///
    /// # Errors
    /// See [`WitnessError`].
    pub fn witness(&self, kv: &impl Kv) -> Result<Witness, WitnessError> {
        let witnesses = Witnesses::new(kv);
        match self {
            Self::Position { agent, checkpoint } => {
                let checkpoint = checkpoint.map_or_else(|| witnesses.last(), Ok)?;
                witnesses.position_witness(agent, checkpoint).map(Witness::Position)
            }
            Self::Action { agent, nonce } => witnesses.action_witness(agent, *nonce).map(Witness::Action),
            Self::Integrity { from, to } => witnesses.integrity_witness(*from, *to).map(Witness::Integrity),
        }
    }
}
