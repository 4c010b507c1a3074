//! Which agents of a policy the proofs in a folder cover.

use super::report::Verdict;
use crate::output::Code;
use anyhow::{Context, Result};
use phalanx_types::{AgentId, Name, units::CheckpointNumber};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Its name in the folder.
pub const FILE: &str = "coverage.json";
/// Longest such file in bytes.
const BYTES_MAX: usize = 64 << 20;

/// The agents that a policy binds at a checkpoint, and what is proven of each.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// The policy.
    pub policy: Name,
    /// The checkpoint.
    pub checkpoint: CheckpointNumber,
    /// The agents.
    pub agents: Vec<Covered>,
}

/// What is proven of one agent.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covered {
    /// The agent.
    pub agent: AgentId,
    /// From constraints to proof files.
    pub proofs: BTreeMap<Name, String>,
    /// From constraints to why they are not proven.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
}

impl Covered {
    /// Nothing yet.
    pub fn new(agent: AgentId) -> Self {
        Self { agent, proofs: BTreeMap::new(), missing: BTreeMap::new() }
    }

    /// Nothing, for this reason.
    pub fn missing(agent: AgentId, reason: String) -> Self {
        Self { missing: BTreeMap::from([("all".to_owned(), reason)]), ..Self::new(agent) }
    }
}

/// An agent and whether it is covered.
#[derive(Serialize)]
pub struct Finding {
    agent: AgentId,
    /// Why it is not; none when it is.
    reason: Option<String>,
}

/// What the proofs of a folder cover.
#[derive(Serialize)]
pub struct Findings {
    policy: Name,
    checkpoint: CheckpointNumber,
    covered: usize,
    agents: Vec<Finding>,
}

impl Coverage {
    /// Of a folder, if it has one.
    pub fn of(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = crate::files::read(&path, BYTES_MAX)?;
        let read = serde_json::from_slice(&bytes);
        read.map(Some).with_context(|| format!("{} is no coverage of `phalanx proof policy`", path.display()))
    }

    /// Number of proofs.
    pub fn proofs(&self) -> usize {
        self.agents.iter().map(|covered| covered.proofs.len()).sum()
    }

    /// Number of agents of which nothing is missing.
    pub fn whole(&self) -> usize {
        self.agents.iter().filter(|covered| covered.missing.is_empty()).count()
    }

    /// What is missing.
    pub fn gaps(&self) -> impl Iterator<Item = (AgentId, String)> {
        self.agents.iter().flat_map(|covered| {
            covered.missing.iter().map(|(constraint, why)| (covered.agent, format!("{constraint}: {why}")))
        })
    }

    /// Holds the proofs against it. A proof does not show whose it is; that two are of two agents
    /// is shown by their nullifiers, which differ.
    pub fn findings(&self, folder: &Path, verdicts: &[Verdict]) -> Findings {
        let mut spent: BTreeSet<(Name, String)> = BTreeSet::new();
        let mut agents = Vec::new();
        for covered in &self.agents {
            let unproven = covered.missing.iter().next();
            let mut reason = unproven.map(|(constraint, why)| format!("{constraint}: {why}"));
            if covered.proofs.is_empty() {
                reason = reason.or_else(|| Some("nothing is proven of it".to_owned()));
            }
            for (constraint, name) in &covered.proofs {
                let unheld = self.unheld(folder, verdicts, constraint, name, &mut spent);
                reason = reason.or_else(|| unheld.map(|why| format!("{constraint}: {why}")));
            }
            agents.push(Finding { agent: covered.agent, reason });
        }
        let covered = agents.iter().filter(|finding| finding.reason.is_none()).count();
        Findings { policy: self.policy.clone(), checkpoint: self.checkpoint, covered, agents }
    }

    /// Why a proof does not cover what it is said to; none when it does.
    fn unheld(
        &self,
        folder: &Path,
        verdicts: &[Verdict],
        constraint: &Name,
        name: &str,
        spent: &mut BTreeSet<(Name, String)>,
    ) -> Option<String> {
        let path = folder.join(name).display().to_string();
        let Some(verdict) = verdicts.iter().find(|verdict| verdict.name == path) else {
            return Some(format!("there is no {name}"));
        };
        if verdict.code != Code::Done {
            return Some(format!("{name} is not valid"));
        }
        let openings = verdict.openings.as_ref();
        let rule = openings.and_then(|o| o.region.as_ref()).and_then(|region| region.rule.as_ref());
        let is_its = rule.is_some_and(|r| r.policy == self.policy && r.constraint == *constraint);
        if !is_its || openings.and_then(|o| o.checkpoint) != Some(self.checkpoint) {
            return Some(format!("{name} is of another rule or checkpoint"));
        }
        match (verdict.input("policy"), verdict.input("nullifier")) {
            (Some(policy), _) if policy == phalanx_types::Hash::ZERO.to_string() => {
                Some(format!("{name} does not claim the agent's policy"))
            }
            (_, nullifier) => {
                let is_new = nullifier.is_some_and(|spends| spent.insert((constraint.clone(), spends)));
                (!is_new).then(|| format!("{name} is of an agent that another proof is of"))
            }
        }
    }
}

impl Findings {
    /// Whether all are covered.
    pub fn is_whole(&self) -> bool {
        self.covered == self.agents.len()
    }

    /// For people.
    pub fn words(&self) -> String {
        let mut text = format!(
            "policy {} at the checkpoint {}: {} of {} agents are covered\n",
            self.policy,
            self.checkpoint,
            self.covered,
            self.agents.len()
        );
        for finding in &self.agents {
            text.push_str(&match &finding.reason {
                None => format!("  covered      {}\n", finding.agent),
                Some(reason) => format!("  NOT covered  {}: {reason}\n", finding.agent),
            });
        }
        text.push_str(
            "  caveat: whom the policy binds, and which proof is of whom, is the word of who made the folder; that the \
             proofs of a rule are of as many agents is shown\n",
        );
        text
    }
}
