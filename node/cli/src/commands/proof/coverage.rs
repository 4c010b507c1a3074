//! Which agents of a policy the proofs in a folder cover.

use super::report::Verdict;
use crate::output::{Code, Failure};
use anyhow::{Context, Result};
use phalanx_circuits::{
    native::{Fr, Selector, bytes_of},
    witness::{BoundPolicy, BoundRule},
};
use phalanx_geometry::{Curvature, Reach};
use phalanx_types::{
    AgentId, Hash, Name,
    agent::{DIMENSION_DEFAULT, Position},
    owner::POLICY_LEN_MAX,
    policy::{Anchor, Constraint, Policy, Rule},
    units::CheckpointNumber,
};
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
    /// What the policy roots of the proofs stand for. Which rules there are to prove follows from
    /// these, as a root shows all its rules, and not from what the agents below list.
    pub bound: Vec<BoundPolicy>,
    /// The agents.
    pub agents: Vec<Covered>,
}

/// The root of what binds agents.
fn root(bound: &BoundPolicy) -> Option<String> {
    Some(bytes_of(bound.to_native().ok()?.root()).to_string())
}

/// What binds agents, by root.
type Bound<'a> = BTreeMap<String, &'a BoundPolicy>;

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

/// The owner's document of a policy, against which a folder is held.
pub struct Document {
    /// The file.
    name: String,
    policy: Policy,
    /// The curvature of the mesh, in which its lengths are.
    curvature: Curvature,
}

impl Document {
    /// Reads one.
    pub fn read(path: &Path, curvature: Curvature) -> Result<Self> {
        let name = path.display().to_string();
        let policy = Policy::parse(&crate::files::read(path, POLICY_LEN_MAX)?)
            .map_err(|error| Failure::because(Code::Unreadable, format!("{name}: {error}")))?;
        Ok(Self { name, policy, curvature })
    }

    /// What the rules that bind an agent, under the name `policy`, leave out of the document or
    /// say otherwise.
    fn gap(&self, policy: &Name, rules: &[BoundRule]) -> Option<String> {
        self.policy.constraints.iter().find_map(|Constraint { name, rule }| {
            let (of, reach, selector) = match rule {
                Rule::Within { of, delta_micro } => {
                    (of, Reach::for_within(self.curvature, (*delta_micro).into()), Selector::Within)
                }
                Rule::Beyond { of, delta_micro } => {
                    (of, Reach::for_beyond(self.curvature, (*delta_micro).into()), Selector::Beyond)
                }
                Rule::Inside { .. } | Rule::Apart { .. } => return None,
            };
            let center = match of {
                Anchor::Core => Some(Position::origin(DIMENSION_DEFAULT)),
                Anchor::Position(at) => Some(at.clone()),
                // Where a region is, the document does not say.
                Anchor::Region(_) => None,
            };
            let bound = rules.iter().find(|rule| rule.policy == *policy && rule.constraint == *name);
            let Some(bound) = bound else {
                return Some(format!(
                    "{name}: {} asks for it, and it is not among the rules that bind the agent",
                    self.name
                ));
            };
            // The agent's dimension is that of what binds it.
            let dimension = bound.center.0.len();
            let is_same = bound.selector == selector
                && reach.is_ok_and(|reach| reach == bound.reach)
                && center.is_none_or(|center| center.widened(dimension) == bound.center);
            (!is_same).then(|| format!("{name}: it says something else in {}", self.name))
        })
    }

    /// The constraints of which nothing can be shown.
    fn unprovable(&self) -> impl Iterator<Item = &Name> {
        let of_kind = |c: &&Constraint| matches!(c.rule, Rule::Inside { .. } | Rule::Apart { .. });
        self.policy.constraints.iter().filter(of_kind).map(|c| &c.name)
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
    /// The owner's document that it was held against.
    document: Option<String>,
    /// Constraints of the document that have no circuit.
    unprovable: Vec<Name>,
}

impl Coverage {
    /// Of a folder, if it has one.
    pub fn of(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = crate::files::read(&path, BYTES_MAX)?;
        let what = || format!("{} is no coverage of `phalanx proof policy`", path.display());
        let read: Self = serde_json::from_slice(&bytes).with_context(what)?;
        // Two lists of one root would call its rules by different names.
        let roots: BTreeSet<String> = read.bound.iter().filter_map(root).collect();
        if roots.len() < read.bound.len() {
            anyhow::bail!("{}: what is bound is named twice, or is no policy", what());
        }
        Ok(Some(read))
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
    pub fn findings(&self, folder: &Path, verdicts: &[Verdict], document: Option<&Document>) -> Findings {
        let bound: Bound<'_> = self.bound.iter().filter_map(|b| Some((root(b)?, b))).collect();
        let mut spent: BTreeSet<(Name, String)> = BTreeSet::new();
        let mut agents = Vec::new();
        for covered in &self.agents {
            let unproven = covered.missing.iter().next();
            let mut reason = unproven.map(|(constraint, why)| format!("{constraint}: {why}"));
            let mut roots = BTreeSet::new();
            for (constraint, name) in &covered.proofs {
                let held = self.held(folder, verdicts, (constraint, name), &bound, &mut spent);
                match held {
                    Ok(root) => drop(roots.insert(root)),
                    Err(why) => reason = reason.or_else(|| Some(format!("{constraint}: {why}"))),
                }
            }
            reason = reason.or_else(|| self.unproven(covered, &roots, &bound, document));
            agents.push(Finding { agent: covered.agent, reason });
        }
        let covered = agents.iter().filter(|finding| finding.reason.is_none()).count();
        Findings {
            policy: self.policy.clone(),
            checkpoint: self.checkpoint,
            covered,
            agents,
            document: document.map(|document| document.name.clone()),
            unprovable: document.into_iter().flat_map(Document::unprovable).cloned().collect(),
        }
    }

    /// A rule of the policy that binds an agent and is not proven of it.
    fn unproven(
        &self,
        covered: &Covered,
        roots: &BTreeSet<String>,
        bound: &Bound<'_>,
        document: Option<&Document>,
    ) -> Option<String> {
        let mut roots = roots.iter();
        let (Some(root), None) = (roots.next(), roots.next()) else {
            let is_none = covered.proofs.is_empty();
            let why = if is_none { "nothing is proven of it" } else { "its proofs are of several policies" };
            return Some(why.to_owned());
        };
        let rules = bound.get(root).map_or(&[][..], |bound| bound.rules.as_slice());
        let own = rules.iter().filter(|rule| rule.policy == self.policy);
        let unproven = own.map(|rule| &rule.constraint).find(|name| !covered.proofs.contains_key(*name));
        let gap = || document.and_then(|document| document.gap(&self.policy, rules));
        unproven.map(|constraint| format!("{constraint}: nothing is proven of it")).or_else(gap)
    }

    /// The policy root under which a proof shows the rule that it is said to show; or why it does
    /// not.
    fn held(
        &self,
        folder: &Path,
        verdicts: &[Verdict],
        (constraint, name): (&Name, &String),
        bound: &Bound<'_>,
        spent: &mut BTreeSet<(Name, String)>,
    ) -> Result<String, String> {
        let path = folder.join(name).display().to_string();
        let verdict = verdicts.iter().find(|verdict| verdict.name == path);
        let verdict = verdict.ok_or_else(|| format!("there is no {name}"))?;
        if verdict.code != Code::Done {
            return Err(format!("{name} is not valid"));
        }
        if verdict.openings.as_ref().and_then(|openings| openings.checkpoint) != Some(self.checkpoint) {
            return Err(format!("{name} is of another checkpoint"));
        }
        let input = |of: &str| verdict.input(of).ok_or_else(|| format!("{name} is of another statement"));
        let root = input("policy")?;
        if root == Hash::ZERO.to_string() {
            return Err(format!("{name} does not claim the agent's policy"));
        }
        let rules = bound.get(&root).map(|bound| &bound.rules);
        let rules = rules.ok_or_else(|| format!("the policy of {name} is none of those in {FILE}"))?;
        let rule = rules.iter().find(|rule| rule.policy == self.policy && rule.constraint == *constraint);
        let rule = rule.and_then(|rule| rule.to_native().ok());
        let rule = rule.ok_or_else(|| format!("the policy of {name} has no such rule"))?;
        let shown =
            [("region", rule.region), ("m", Fr::from(rule.reach.raw())), ("selector", rule.selector.field())];
        for (of, expected) in shown {
            if input(of)? != bytes_of(expected).to_string() {
                return Err(format!("{name} is of another rule"));
            }
        }
        if !spent.insert((constraint.clone(), input("nullifier")?)) {
            return Err(format!("{name} is of an agent that another proof is of"));
        }
        Ok(root)
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
        text.push_str(&match &self.document {
            Some(document) => format!(
                "  held against {document}, whose rules within and beyond must be among the proven ones\n  caveat: whom the policy binds, which proof is of whom and where \
                 regions are is the word of who made the folder\n"
            ),
            None => "  caveat: whom the policy binds, which proof is of whom and how rules are called is the word of who made \
                     the folder (`--policy FILE` holds them against the owner's document); that the proofs of a rule are of as \
                     many agents, and of all rules of their policy, is shown\n"
                .to_owned(),
        });
        let unprovable: Vec<&str> = self.unprovable.iter().map(Name::as_str).collect();
        if !unprovable.is_empty() {
            text.push_str(&format!(
                "  caveat: nothing is shown of {}: constraints of the kinds inside and apart have no circuit\n",
                unprovable.join(", ")
            ));
        } else if self.document.is_none() {
            text.push_str(
                "  caveat: constraints of the kinds inside and apart have no circuit, and nothing is shown of them\n",
            );
        }
        text
    }
}
