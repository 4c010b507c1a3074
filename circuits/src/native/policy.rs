//! Policies as the leaf of an agent binds them: a step and up to seven rules.
//!
//! The root is a tree of one level: Poseidon(POLICY, step, rule 1, … rule 7), where a rule
//! is Poseidon(RULE, region, m, selector) and 0 where there is none. A rule is opened
//! by showing that it is one of the seven.

use super::{Error, Fr, poseidon::hash, tags};
use phalanx_geometry::Reach;
use serde::{Deserialize, Serialize};

/// Most rules of one policy.
pub const RULES_MAX: usize = 7;

/// On which side of the reach the agent must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// No further from the region's centre than the reach.
    Within,
    /// Further from it.
    Beyond,
}

impl Selector {
    /// The public input: 0 or 1.
    #[must_use]
    pub fn field(self) -> Fr {
        Fr::from(matches!(self, Self::Beyond))
    }
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// [`position_hash`](super::position_hash) of the region's centre.
    pub region: Fr,
    /// How far the region reaches: of [`Reach::for_within`] for within, of
    /// [`Reach::for_beyond`] for beyond.
    pub reach: Reach,
    /// On which side of it the agent must be.
    pub selector: Selector,
}

impl Rule {
    /// Poseidon(RULE, region, m, selector).
    #[must_use]
    pub fn field(&self) -> Fr {
        hash([tags::RULE.field(), self.region, Fr::from(self.reach.raw()), self.selector.field()])
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    step: Reach,
    rules: Vec<Rule>,
}

impl Policy {
    /// From how far one action may move an agent, and where it must be. A policy without a
    /// region has one rule: within [`Reach::MAX`] of the origin, which every position is.
    ///
    /// # Errors
    /// When there are more than [`RULES_MAX`] rules.
    pub fn new(step: Reach, rules: Vec<Rule>) -> Result<Self, Error> {
        if rules.len() > RULES_MAX {
            Err(Error::Rules { found: rules.len() })
        } else {
            Ok(Self { step, rules })
        }
    }

    /// The policy that forbids nothing but moves longer than [`Reach::MAX`], and has no rule.
    #[must_use]
    pub fn unbound() -> Self {
        Self { step: Reach::MAX, rules: Vec::new() }
    }

    /// How far one action may move an agent.
    #[must_use]
    pub fn step(&self) -> Reach {
        self.step
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The seven places of the root.
    #[must_use]
    pub fn places(&self) -> [Fr; RULES_MAX] {
        let mut places = [Fr::default(); RULES_MAX];
        for (place, rule) in places.iter_mut().zip(&self.rules) {
            *place = rule.field();
        }
        places
    }

    /// Poseidon(POLICY, step, rule 1, … rule 7).
    #[must_use]
    pub fn root(&self) -> Fr {
        let [a, b, c, d, e, f, g] = self.places();
        hash([tags::POLICY.field(), Fr::from(self.step.raw()), a, b, c, d, e, f, g])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_bound_to_the_step_and_to_every_rule() {
        let reach = |m| Reach::from_raw(m).unwrap();
        let rule = |m, selector| Rule { region: Fr::from(9), reach: reach(m), selector };
        let policy = |step, rules| Policy::new(reach(step), rules).unwrap().root();
        let base = policy(1, vec![rule(2, Selector::Within)]);
        assert_ne!(base, policy(2, vec![rule(2, Selector::Within)]));
        assert_ne!(base, policy(1, vec![rule(3, Selector::Within)]));
        assert_ne!(base, policy(1, vec![rule(2, Selector::Beyond)]));
        assert_ne!(base, policy(1, vec![]));
        assert_ne!(base, policy(1, vec![rule(2, Selector::Within); 2]));
    }

    #[test]
    fn an_eighth_rule_is_refused() {
        let rule = Rule { region: Fr::from(9), reach: Reach::MAX, selector: Selector::Within };
        assert!(Policy::new(Reach::MAX, vec![rule; 7]).is_ok());
        assert_eq!(Policy::new(Reach::MAX, vec![rule; 8]), Err(Error::Rules { found: 8 }));
    }
}
