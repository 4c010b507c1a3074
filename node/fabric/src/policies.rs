//! Policies: what the owner has declared about where agents may be, and who obeys it.
//!
//! - **C1** A constraint is judged by the exact inequality of
//!   [`phalanx_geometry::Reach`], whose `m` is kept in state, and by nothing else.
//! - **C2** An agent is spawned, moved and recovered only to where every constraint that
//!   binds it holds. What would break one is refused, or not done, with its name.
//! - **C3** What was allowed and is no longer, because the owner has declared something
//!   new or a region's place has moved, is mended by steps (see [`crate::lifecycle`]).

use crate::{Fabric, Refusal, admission::bad};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_circuits::native::RULES_MAX;
use phalanx_geometry::{Ball, Curvature, Error, Point, Reach, is_beyond, is_within, placing};
use phalanx_types::{
    AgentSpec, Name,
    agent::Position,
    policy::{Anchor, Constraint, Policy, Rule},
};

/// How often a point is pushed back to where a constraint holds, before the search for
/// one at which all hold is given up.
const PUSHES_MAX: usize = 32;
/// How much further than to the edge a point is pushed, in units of length: more than
/// rounding takes back wherever agents are placed.
const MARGIN: f64 = 1e-4;

/// A policy as it was declared.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Declared {
    /// The policy version that it began with.
    pub version: u64,
    /// What it says.
    pub policy: Policy,
    /// The `m` of each constraint's inequality; 0 where it has none.
    pub reaches: Vec<u128>,
}

/// A constraint that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The policy.
    pub policy: Name,
    /// Its constraint.
    pub constraint: Name,
    /// What it asks for, in words.
    pub rule: String,
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        let Broken { policy, constraint, rule } = broken;
        Self::Forbidden { policy, constraint, rule }
    }
}

impl Declared {
    /// Reads a policy.
    ///
    /// # Errors
    /// When it is none. What exactly is wrong depends on who reads it, and is not agreed.
    pub(crate) fn read(document: &[u8], version: u64, curvature_ppm: u32) -> Result<Self, Refusal> {
        let Ok(policy) = Policy::parse(document) else {
            return bad(
                "document",
                "a JSON object of binds, idle_max_ms, prove and constraints: phalanx owner command set-policy says \
                 what is wrong with a file",
            );
        };
        let is_provable = |c: &&Constraint| matches!(c.rule, Rule::Within { .. } | Rule::Beyond { .. });
        if policy.prove && policy.constraints.iter().filter(is_provable).count() > RULES_MAX {
            return bad(
                "document",
                format!("a policy that is to be proven has at most {RULES_MAX} rules within and beyond"),
            );
        }
        let reaches =
            policy.constraints.iter().map(|c| reach_of(curvature_ppm, &c.rule)).collect::<Result<_, _>>();
        match reaches {
            Ok(reaches) => Ok(Self { version, policy, reaches }),
            Err(error) => bad("document", error.to_string()),
        }
    }
}

fn reach_of(curvature_ppm: u32, rule: &Rule) -> Result<u128, Error> {
    let curvature = Curvature::from_ppm(curvature_ppm)?;
    let reach = match rule {
        Rule::Within { delta_micro, .. } => Reach::for_within(curvature, (*delta_micro).into()),
        Rule::Beyond { delta_micro, .. } | Rule::Apart { delta_micro } => {
            Reach::for_beyond(curvature, (*delta_micro).into())
        }
        Rule::Inside { .. } => return Ok(0),
    };
    reach.map(Reach::raw)
}

/// A side of a ball on which a point must be.
struct Side {
    center: Position,
    delta_micro: u32,
    is_inside: bool,
}

impl Side {
    fn holds(&self, m: u128, x: &Position) -> Result<bool, Error> {
        let reach = Reach::from_raw(m)?;
        if self.is_inside { is_within(x, &self.center, reach) } else { is_beyond(x, &self.center, reach) }
    }

    /// The point nearest to `x` at which it holds, a little further.
    fn push(&self, ball: &Ball, x: &Point) -> Result<Point, Error> {
        let center = Point::try_from(&self.center)?;
        let delta = f64::from(self.delta_micro) / 1e6;
        let wanted = if self.is_inside { (delta - MARGIN).max(delta / 2.0) } else { delta + MARGIN };
        let length = ball.length(&center, x)?;
        if length > MARGIN * MARGIN {
            return x.dilated(&center, wanted / length);
        }
        if self.is_inside {
            return Ok(x.clone());
        }
        // From the centre every way out is as good.
        let way = placing::beginning(x.dimension(), 0)?;
        let whole = ball.length(&Point::origin(x.dimension())?, &way)?;
        center.moebius_add(&way.scaled(wanted / whole)?)
    }
}

impl Fabric {
    /// The policies that bind an agent, with their names.
    pub(crate) fn policies_of<'a>(
        &'a self,
        spec: &'a AgentSpec,
    ) -> impl Iterator<Item = (&'a Name, &'a Declared)> {
        self.policies
            .iter()
            .filter(|(name, declared)| declared.policy.binds(name, &spec.tenant, &spec.policy))
    }

    /// The sides that a rule names, for agents of a tenant that have so many dimensions.
    fn sides(&self, rule: &Rule, tenant: &Name, dimension: usize) -> Vec<Side> {
        let side = |center: Position, delta_micro: u32, is_inside: bool| Side {
            center: center.widened(dimension),
            delta_micro,
            is_inside,
        };
        let anchored = |of: &Anchor, delta_micro: u32, is_inside: bool| {
            let center = self.anchor(of);
            center.map(|center| side(center, delta_micro, is_inside)).into_iter().collect()
        };
        match rule {
            Rule::Within { of, delta_micro } => anchored(of, *delta_micro, true),
            Rule::Beyond { of, delta_micro } => anchored(of, *delta_micro, false),
            Rule::Inside { .. } => Vec::new(),
            Rule::Apart { delta_micro } => {
                let means = self.index.tenant_means().into_iter();
                let centers = means.filter(|(other, _)| *other != tenant);
                let centers = centers.filter_map(|(_, mean)| mean.position().ok());
                centers.map(|center| side(center, *delta_micro, false)).collect()
            }
        }
    }

    /// Where an anchor is, in the dimension of the mesh or its own.
    pub(crate) fn anchor(&self, of: &Anchor) -> Option<Position> {
        match of {
            Anchor::Core => Some(Position::origin(self.dimension())),
            Anchor::Region(region) => self.place(region).cloned(),
            Anchor::Position(at) => Some(at.clone()),
        }
    }

    /// The first constraint, by policy, that an agent at `x` on a worker in `region`
    /// would break. A point that cannot be compared breaks it; so does a region without
    /// a place, since nothing is known to be near it.
    pub(crate) fn broken(&self, spec: &AgentSpec, x: &Position, region: &Name) -> Option<Broken> {
        self.first_broken(spec, x, region).map(|(broken, _)| broken)
    }

    fn first_broken(&self, spec: &AgentSpec, x: &Position, region: &Name) -> Option<(Broken, Option<Side>)> {
        for (name, declared) in self.policies_of(spec) {
            for (constraint, m) in declared.policy.constraints.iter().zip(&declared.reaches) {
                let broken = || Broken {
                    policy: name.clone(),
                    constraint: constraint.name.clone(),
                    rule: constraint.rule.to_string(),
                };
                let is_there = match &constraint.rule {
                    Rule::Inside { regions } => regions.contains(region),
                    Rule::Within { of: Anchor::Region(of), .. } => self.place(of).is_some(),
                    _ => true,
                };
                if !is_there {
                    return Some((broken(), None));
                }
                for side in self.sides(&constraint.rule, &spec.tenant, x.0.len()) {
                    match side.holds(*m, x) {
                        Ok(true) => {}
                        Ok(false) => return Some((broken(), Some(side))),
                        Err(_) => return Some((broken(), None)),
                    }
                }
            }
        }
        None
    }

    /// A point near `wanted` at which an agent on a worker in `region` breaks no
    /// constraint: pushed out of what is broken, again and again.
    ///
    /// # Errors
    /// The constraint that was still broken at the end.
    pub(crate) fn point_for(
        &self,
        spec: &AgentSpec,
        wanted: &Position,
        region: &Name,
    ) -> Result<Position, Broken> {
        let mut x = wanted.clone();
        for _ in 0..PUSHES_MAX {
            let (broken, side) = match self.first_broken(spec, &x, region) {
                None => return Ok(x),
                Some((broken, None)) => return Err(broken),
                Some((broken, Some(side))) => (broken, side),
            };
            let pushed = Point::try_from(&x).and_then(|x| side.push(&self.ball(), &x)?.to_position());
            match pushed {
                Ok(pushed) if pushed != x => x = pushed,
                _ => return Err(broken),
            }
        }
        self.broken(spec, &x, region).map_or(Ok(x), Err)
    }
}
