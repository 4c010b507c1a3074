//! Policies: geometric constraints that the owner declares.
//!
//! A policy is a JSON document:
//!
//! ```
//! # use phalanx_types::policy::Policy;
//! let document = br#"{
//!   "binds": {"tenants": ["security"]},
//!   "idle_max_ms": 86400000,
//!   "prove": true,
//!   "constraints": [
//!     {"name": "near-core", "rule": {"within": {"of": "core", "delta_micro": 1500000}}},
//!     {"name": "off-mars", "rule": {"beyond": {"of": {"region": "mars"}, "delta_micro": 200000}}},
//!     {"name": "at-home", "rule": {"inside": {"regions": ["earth", "luna"]}}},
//!     {"name": "alone", "rule": {"apart": {"delta_micro": 250000}}}
//!   ]
//! }"#;
//! assert_eq!(Policy::parse(document)?.constraints.len(), 4);
//! # Ok::<(), phalanx_types::policy::PolicyError>(())
//! ```

use crate::{
    agent::{DIMENSION_DEFAULT, Position},
    name::Name,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// Most constraints of a policy.
pub const CONSTRAINTS_MAX: usize = 16;
/// The longest δ, in millionths of length: further apart are no two points that count.
pub const DELTA_MICRO_MAX: u32 = 33_000_000;

/// What a constraint measures from.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Anchor {
    /// The centre of the ball.
    Core,
    /// The agreed place of a region, wherever that is now.
    Region(Name),
    /// A fixed point.
    Position(Position),
}

/// What must hold of an agent.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// It is no further than δ from there.
    Within {
        /// From where.
        of: Anchor,
        /// δ in millionths of length.
        delta_micro: u32,
    },
    /// It is further than δ from there.
    Beyond {
        /// From where.
        of: Anchor,
        /// δ in millionths of length.
        delta_micro: u32,
    },
    /// It lives on a worker of one of these regions.
    Inside {
        /// The regions.
        regions: BTreeSet<Name>,
    },
    /// It is further than δ from the mean of the agents of every other tenant.
    Apart {
        /// δ in millionths of length.
        delta_micro: u32,
    },
}

/// A rule with a name, by which a refusal tells what it would break.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// Unique within its policy.
    pub name: Name,
    /// The rule.
    pub rule: Rule,
}

/// Whom a policy binds.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Binds {
    /// Agents that name it.
    #[default]
    Named,
    /// Those, and all agents of these tenants, whatever they name.
    Tenants(BTreeSet<Name>),
    /// Every agent.
    All,
}

/// A policy of the owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Whom it binds.
    #[serde(default)]
    pub binds: Binds,
    /// An agent that nobody has used for so long is ended; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_max_ms: Option<u32>,
    /// Whether it is to be proven, at each checkpoint, of every agent that it binds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prove: bool,
    /// What must hold, all of it.
    #[serde(default)]
    pub constraints: Vec<Constraint>,
}

/// Why a document is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read as one.
    #[error("the policy cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is no object.
    #[error(
        "the policy is no JSON object: it begins with {{, and has binds, idle_max_ms, prove and constraints"
    )]
    NoObject,
    /// Too many constraints.
    #[error("the policy has {found} constraints; at most {CONSTRAINTS_MAX} are allowed")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// A name twice.
    #[error("the policy has two constraints of the name {0}: a refusal must be able to tell which")]
    Repeated(Name),
    /// δ is out of range.
    #[error(
        "constraint {constraint}: delta_micro is {found}; 1 to {DELTA_MICRO_MAX} millionths of length are allowed"
    )]
    Delta {
        /// Which constraint.
        constraint: Name,
        /// What it says.
        found: u32,
    },
    /// The point is not one of the ball in which agents are placed.
    #[error(
        "constraint {0}: a position has {DIMENSION_DEFAULT} coordinates inside the ball, ‖x‖² ≤ 1 − 2^-24, \
         40 fractional bits"
    )]
    Position(Name),
    /// No region is named.
    #[error("constraint {0}: name at least one region, or no agent could live anywhere")]
    Nowhere(Name),
    /// It would bind nobody.
    #[error("binds: name at least one tenant, or say \"named\" or \"all\"")]
    Nobody,
}

impl Policy {
    /// Reads and checks a document.
    ///
    /// # Errors
    /// See [`PolicyError`].
    pub fn parse(document: &[u8]) -> Result<Self, PolicyError> {
        // An array with the values in order would be read as well.
        if document.trim_ascii_start().first() != Some(&b'{') {
            return Err(PolicyError::NoObject);
        }
        let policy: Self = serde_json::from_slice(document)?;
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), PolicyError> {
        if self.constraints.len() > CONSTRAINTS_MAX {
            return Err(PolicyError::TooMany { found: self.constraints.len() });
        }
        if matches!(&self.binds, Binds::Tenants(tenants) if tenants.is_empty()) {
            return Err(PolicyError::Nobody);
        }
        let mut names = BTreeSet::new();
        for Constraint { name, rule } in &self.constraints {
            if !names.insert(name) {
                return Err(PolicyError::Repeated(name.clone()));
            }
            match rule {
                Rule::Within { delta_micro, .. }
                | Rule::Beyond { delta_micro, .. }
                | Rule::Apart { delta_micro }
                    if *delta_micro == 0 || *delta_micro > DELTA_MICRO_MAX =>
                {
                    return Err(PolicyError::Delta { constraint: name.clone(), found: *delta_micro });
                }
                Rule::Within { of: Anchor::Position(at), .. }
                | Rule::Beyond { of: Anchor::Position(at), .. }
                    if !at.is_valid() || at.0.len() != DIMENSION_DEFAULT =>
                {
                    return Err(PolicyError::Position(name.clone()));
                }
                Rule::Inside { regions } if regions.is_empty() => {
                    return Err(PolicyError::Nowhere(name.clone()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it binds an agent of `tenant` that names the policy `named`; `own` is
    /// this policy's name.
    #[must_use]
    pub fn binds(&self, own: &Name, tenant: &Name, named: &Name) -> bool {
        own == named
            || match &self.binds {
                Binds::Named => false,
                Binds::Tenants(tenants) => tenants.contains(tenant),
                Binds::All => true,
            }
    }
}

/// Millionths of length in units of length.
struct Micro(u32);

impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let text = format!("{whole}.{rest:06}");
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core => f.write_str("the core"),
            Self::Region(region) => write!(f, "{region}"),
            Self::Position(_) => f.write_str("the point that it names"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within { of, delta_micro } => write!(f, "within {} of {of}", Micro(*delta_micro)),
            Self::Beyond { of, delta_micro } => write!(f, "beyond {} of {of}", Micro(*delta_micro)),
            Self::Inside { regions } => {
                let regions: Vec<&str> = regions.iter().map(Name::as_str).collect();
                write!(f, "inside {}", regions.join(" or "))
            }
            Self::Apart { delta_micro } => {
                write!(f, "beyond {} of the agents of every other tenant", Micro(*delta_micro))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(constraints: &str) -> Result<Policy, PolicyError> {
        Policy::parse(format!(r#"{{"constraints":[{constraints}]}}"#).as_bytes())
    }

    #[test]
    fn what_no_policy_can_say_is_refused_with_what_it_may() {
        let cases = [
            (r#"{"name":"a","rule":{"within":{"of":"core","delta_micro":0}}}"#, "1 to 33000000"),
            (r#"{"name":"a","rule":{"apart":{"delta_micro":33000001}}}"#, "1 to 33000000"),
            (r#"{"name":"a","rule":{"inside":{"regions":[]}}}"#, "at least one region"),
            (r#"{"name":"a","rule":{"beyond":{"of":{"position":[1,2]},"delta_micro":5}}}"#, "8 coordinates"),
            (r#"{"name":"a","rule":{"near":{"of":"core"}}}"#, "unknown variant `near`"),
            (r#"{"name":"a","rule":{"apart":{"delta_micro":1.5}}}"#, "floating point"),
            (
                r#"{"name":"a","rule":{"apart":{"delta_micro":1}}},{"name":"a","rule":{"apart":{"delta_micro":2}}}"#,
                "two constraints of the name a",
            ),
        ];
        for (constraints, expected) in cases {
            let error = parse(constraints).unwrap_err().to_string();
            assert!(error.contains(expected), "{constraints}: {error}");
        }
        let many = vec![r#"{"name":"a","rule":{"apart":{"delta_micro":1}}}"#; CONSTRAINTS_MAX + 1].join(",");
        assert!(matches!(parse(&many), Err(PolicyError::TooMany { found: 17 })));
        assert!(matches!(Policy::parse(br#"{"binds":{"tenants":[]}}"#), Err(PolicyError::Nobody)));
    }

    #[test]
    fn a_policy_binds_who_names_it_and_whom_it_names() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let (own, other) = (name("near"), name("default"));
        let with = |binds| Policy { binds, ..Policy::default() };
        let tenants = Binds::Tenants([name("security")].into());
        for (policy, tenant, named, expected) in [
            (with(Binds::Named), "t", &own, true),
            (with(Binds::Named), "t", &other, false),
            (with(tenants.clone()), "security", &other, true),
            (with(tenants), "t", &other, false),
            (with(Binds::All), "t", &other, true),
        ] {
            assert_eq!(policy.binds(&own, &name(tenant), named), expected);
        }
    }

    #[test]
    fn rules_read_as_sentences() {
        let text = |rule: Rule| rule.to_string();
        assert_eq!(text(Rule::Within { of: Anchor::Core, delta_micro: 1_500_000 }), "within 1.5 of the core");
        assert_eq!(
            text(Rule::Apart { delta_micro: 2_000_000 }),
            "beyond 2 of the agents of every other tenant"
        );
    }
}
