//! The policy of a witness: with the centres and the names that its root does not show.

use super::WitnessError;
use crate::{
    json::reach,
    native::{Error, Policy, RULES_MAX, Rule, Selector, position_hash},
};
use phalanx_geometry::Reach;
use phalanx_types::{DecodeError, Name, agent::Position};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A policy as it binds an agent.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundPolicy {
    /// How far one action may move the agent.
    #[serde(with = "reach")]
    pub step: Reach,
    /// Its rules, in the order of the root; at most [`RULES_MAX`].
    pub rules: Vec<BoundRule>,
}

/// One rule of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundRule {
    /// The policy that it comes from.
    pub policy: Name,
    /// The constraint of that policy.
    pub constraint: Name,
    /// The region's centre.
    pub center: Position,
    /// How far the region reaches.
    #[serde(with = "reach")]
    pub reach: Reach,
    /// On which side of it the agent must be.
    pub selector: Selector,
}

/// How a rule is called: `POLICY/CONSTRAINT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleName {
    /// The policy.
    pub policy: Name,
    /// The constraint of it.
    pub constraint: Name,
}

impl BoundPolicy {
    /// The policy whose root is in the agent's leaf.
    ///
    /// # Errors
    /// When a centre is not valid, or there are too many rules.
    pub fn to_native(&self) -> Result<Policy, Error> {
        let rules = self.rules.iter().map(BoundRule::to_native).collect::<Result<_, _>>()?;
        Policy::new(self.step, rules)
    }

    /// The rule with this name, or the first one.
    #[must_use]
    pub fn rule(&self, name: Option<&RuleName>) -> Option<&BoundRule> {
        match name {
            Some(name) => self.rules.iter().find(|rule| rule.name() == *name),
            None => self.rules.first(),
        }
    }

    /// Refuses what is out of its bounds, for agents of that dimension.
    pub(super) fn check(&self, dimension: usize) -> Result<(), WitnessError> {
        if self.rules.len() > RULES_MAX {
            return Err(WitnessError::Rules { found: self.rules.len() });
        }
        for rule in &self.rules {
            let found = rule.center.0.len();
            if found != dimension {
                return Err(WitnessError::Dimensions { expected: dimension, found });
            }
            if !rule.center.is_valid() {
                return Err(WitnessError::Place { of: format!("the centre of {}", rule.name()) });
            }
        }
        Ok(())
    }
}

impl BoundRule {
    /// How it is called.
    #[must_use]
    pub fn name(&self) -> RuleName {
        RuleName { policy: self.policy.clone(), constraint: self.constraint.clone() }
    }

    /// The rule as the policy's root has it.
    ///
    /// # Errors
    /// When the centre is not valid.
    pub fn to_native(&self) -> Result<Rule, Error> {
        Ok(Rule { region: position_hash(&self.center)?, reach: self.reach, selector: self.selector })
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.policy, self.constraint)
    }
}

impl FromStr for RuleName {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let (policy, constraint) = text.split_once('/').ok_or_else(|| DecodeError::Malformed {
            what: "rule",
            reason: format!("{text:?} is not POLICY/CONSTRAINT"),
        })?;
        Ok(Self { policy: Name::new(policy)?, constraint: Name::new(constraint)? })
    }
}

impl TryFrom<String> for RuleName {
    type Error = DecodeError;

    fn try_from(text: String) -> Result<Self, DecodeError> {
        text.parse()
    }
}

impl From<RuleName> for String {
    fn from(name: RuleName) -> Self {
        name.to_string()
    }
}
