//! Which rule is shown, and what the proof is made for.

use crate::{
    home::Home,
    output::{Code, Failure},
};
use anyhow::Result;
use phalanx_circuits::{
    claim::ChosenRule,
    native::Selector,
    proof_file::{self, PURPOSE_DEFAULT, PURPOSE_LEN_MAX},
    witness::{BoundPolicy, BoundRule, RuleName},
};
use phalanx_geometry::{Curvature, Reach};
use phalanx_governance::Address;
use phalanx_types::agent::{COORDINATE_FRACTION_BITS, Position};
use std::fmt::Display;

/// What the proof is made for: its nullifier is unique there, and nowhere else.
#[derive(clap::Args)]
pub struct ContextArgs {
    /// The chain that the proof is for; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 0)]
    chain_id: u64,
    /// The contract that takes the proof; zero for none.
    #[arg(long, value_name = "0x…", default_value_t = Address::ZERO)]
    contract: Address,
    /// What for: a text, or 0x and 64 hex digits.
    #[arg(long, value_name = "TEXT", default_value = PURPOSE_DEFAULT)]
    purpose: String,
}

/// A region of one's own.
#[derive(clap::Args)]
pub struct RegionArgs {
    /// Does not claim that the agent's policy has the rule: the public input `policy` is 0,
    /// and the rule may be any.
    #[arg(long)]
    unclaimed: bool,
    /// The region's centre, as coordinates in the unit ball [default: the rule's].
    #[arg(
        long,
        value_name = "X,Y,…",
        value_delimiter = ',',
        allow_hyphen_values = true,
        requires = "unclaimed"
    )]
    center: Vec<f64>,
    /// The agent is no further from the centre than this length [default: as the rule says].
    #[arg(long, value_name = "LENGTH", requires = "unclaimed", conflicts_with = "beyond")]
    within: Option<f64>,
    /// The agent is further from the centre than this length.
    #[arg(long, value_name = "LENGTH", requires = "unclaimed")]
    beyond: Option<f64>,
    /// The curvature that lengths are measured in [default: that of the mesh whose home this is, or 1].
    #[arg(long, value_name = "K", requires = "unclaimed")]
    curvature: Option<f64>,
}

fn unreadable(reason: impl Display) -> anyhow::Error {
    Failure::because(Code::Unreadable, reason)
}

fn millionths(what: &str, value: f64) -> Result<u32> {
    let scaled = (value * 1e6).round();
    if (0.0..=4e9).contains(&scaled) {
        Ok(scaled as u32)
    } else {
        Err(unreadable(format!("{what} {value} is not between 0 and 4000")))
    }
}

/// What `--curvature` says, or else the genesis in the home folder.
pub fn curvature(home: &Home, given: Option<f64>) -> Result<Curvature> {
    let ppm = match given {
        Some(value) => millionths("--curvature", value)?,
        None => home.params()?.curvature_ppm,
    };
    Curvature::from_ppm(ppm).map_err(unreadable)
}

impl ContextArgs {
    /// The context.
    pub fn context(&self) -> Result<proof_file::Context> {
        let found = self.purpose.len();
        if found > PURPOSE_LEN_MAX {
            let reason = format!("--purpose has {found} bytes; at most {PURPOSE_LEN_MAX} are allowed");
            return Err(Failure::because(Code::Unreadable, reason));
        }
        Ok(proof_file::Context {
            chain_id: self.chain_id,
            contract: self.contract.0,
            purpose: self.purpose.clone(),
        })
    }
}

impl RegionArgs {
    /// Whether the policy is claimed to have the rule.
    pub fn is_claimed(&self) -> bool {
        !self.unclaimed
    }

    /// The rule that is shown: the policy's, with what was given in place of its parts.
    pub fn rule(&self, home: &Home, policy: &BoundPolicy, name: Option<&RuleName>) -> Result<ChosenRule> {
        let reach = self.reach(home)?;
        let center = self.center()?;
        let is_own = reach.is_some() || center.is_some();
        if let (Some((reach, selector)), Some(center)) = (reach, &center) {
            return Ok(ChosenRule { name: None, center: center.clone(), reach, selector });
        }
        let mut rule = ChosenRule::from(chosen(policy, name)?);
        if is_own {
            rule.name = None;
        }
        if let Some(center) = center {
            rule.center = center;
        }
        if let Some((reach, selector)) = reach {
            (rule.reach, rule.selector) = (reach, selector);
        }
        Ok(rule)
    }

    fn reach(&self, home: &Home) -> Result<Option<(Reach, Selector)>> {
        let curvature = || curvature(home, self.curvature);
        let made = match (self.within, self.beyond) {
            (Some(length), _) => {
                let micro = u64::from(millionths("--within", length)?);
                (Reach::for_within(curvature()?, micro), Selector::Within)
            }
            (None, Some(length)) => {
                let micro = u64::from(millionths("--beyond", length)?);
                (Reach::for_beyond(curvature()?, micro), Selector::Beyond)
            }
            (None, None) => return Ok(None),
        };
        let (reach, selector) = made;
        Ok(Some((reach.map_err(unreadable)?, selector)))
    }

    fn center(&self) -> Result<Option<Position>> {
        if self.center.is_empty() {
            return Ok(None);
        }
        let one = (1_u64 << COORDINATE_FRACTION_BITS) as f64;
        let position = Position(self.center.iter().map(|x| (x * one).round() as i64).collect());
        if position.is_valid() {
            return Ok(Some(position));
        }
        let reason = "--center is outside of the unit ball, or has fewer than 2 or more than 512 coordinates";
        Err(Failure::because(Code::Unreadable, reason))
    }
}

/// The rule of a policy with this name, or its first one.
pub fn chosen<'a>(policy: &'a BoundPolicy, name: Option<&RuleName>) -> Result<&'a BoundRule> {
    policy.rule(name).ok_or_else(|| {
        let have: Vec<String> = policy.rules.iter().map(|rule| rule.name().to_string()).collect();
        let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
        let asked = name.map_or_else(|| "any rule".to_owned(), |name| format!("the rule {name}"));
        Failure::because(Code::Wrong, format!("the policy of this witness has not {asked}; it has {have}"))
    })
}
