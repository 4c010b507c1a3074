//! The life of agents as geometry: where one is spawned, how it goes to where it shall
//! be, how load spreads, and who is ended.
//!
//! - **L1** An agent lives on one worker and is at one point. To another worker it goes
//!   at once; its point follows along the geodesic, at most [`STEP_LENGTH`] a beat, each
//!   step an action with its own number and receipt.
//! - **L2** Migration to another region is the translation that takes its tenant's home in
//!   the one to that in the other: the agent is as far from the new one, and on the same
//!   side of it.
//! - **L3** Each checkpoint looks at up to [`PATROL_MAX`] agents in turn. Those that a
//!   constraint no longer allows are led back; those that cannot be are ended after
//!   [`STRAYS_MAX`] looks, and so are those that nobody has used for longer than a policy
//!   lets them.
//! - **L4** Where a region is crowded and another one within reach is not, the agents of
//!   the crowded one dilate about their tenants' homes there. As regions see them, those
//!   that come nearer to the other one move over, and so do those that are further out
//!   than twice the distance of the two, whichever way.

use crate::{
    Fabric,
    agents::{Ending, note, place},
    homes::{WISHES, translated},
    places::unit_ball,
    policies::Broken,
    receipts::{Drafts, Origin},
    state::Agent,
};
use phalanx_geometry::{
    Error, Mean, Point,
    affinity::{self, Work},
    compare_distance,
};
use phalanx_types::{
    AgentId, AgentSpec, Name, ReceiptKind, TimeMs,
    agent::{Affinity, DIMENSION_DEFAULT, OWN_REGION_WEIGHT, Position, Wish},
};
use std::{cmp::Ordering, ops::Bound};

/// The longest way of one step.
pub const STEP_LENGTH: f64 = 0.5;
/// Agents that go a step in one beat; others wait for their turn.
const STEPS_MAX: usize = 1_024;
/// Steps of the longest way that is checked before it is begun.
const WAY_STEPS_MAX: usize = 80;
/// Agents that a checkpoint looks at.
pub const PATROL_MAX: usize = 1_024;
/// Looks at which an agent was where it must not be, before it is ended.
pub const STRAYS_MAX: u8 = 3;
/// A region of whose CPU so much is taken is crowded, in millionths.
const CROWDED_PPM: u64 = 800_000;
/// A region of whose CPU no more is taken has room for those of others, in millionths.
const ROOMY_PPM: u64 = 500_000;
/// How much further from home an agent of a crowded region goes.
const DILATION: f64 = 1.25;
/// So many times the distance of two regions is as far as a dilation takes.
const OUT: f64 = 2.0;
/// And never further than this: there is an edge beyond which nothing may be.
const OUT_MAX: f64 = 8.0;
/// What the region of an agent's data weighs beside its own region and its wishes.
const DATA_WEIGHT: u64 = 25;

/// Why an agent goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Asked,
    WorkerLost,
    Policy,
    Spread,
}

impl Reason {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::WorkerLost => "worker_lost",
            Self::Policy => "policy",
            Self::Spread => "spread",
        }
    }
}

impl Fabric {
    /// Where an agent is, if there is such a one.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.get(id)
    }

    /// The mean of where an agent is at home, of what it wishes to be near, others being
    /// where `at` says, and of where its data are. What is not there has no part in it.
    fn wished_mean(
        &self,
        spec: &AgentSpec,
        home: Option<&Position>,
        at: impl Fn(&Agent) -> Position,
    ) -> Result<Position, Error> {
        let mut mean = Mean::new(self.dimension())?;
        if let Some(home) = home {
            mean.insert(home, OWN_REGION_WEIGHT.into())?;
        }
        for wish in &spec.wishes {
            let near = match wish {
                Wish::Near { region, .. } => self.place(region).cloned(),
                Wish::Beside { agent, .. } => self.agents.get(agent).map(&at),
                Wish::Avoid { .. } => None,
            };
            if let (Some(near), Some(weight)) =
                (near.filter(|p| p.0.len() == self.dimension()), wish.weight())
            {
                mean.insert(&near, weight.into())?;
            }
        }
        if let Some(data) = spec.affinity.data.as_ref().and_then(|region| self.place(region)) {
            mean.insert(data, DATA_WEIGHT)?;
        }
        mean.position()
    }

    /// Where an agent would best be if it lived in `region`: at its tenant's home there, a
    /// little towards what it wishes to be near and its data, off that in the direction of
    /// what it can do and means.
    fn wished_point(&self, spec: &AgentSpec, region: &Name) -> Result<Position, Error> {
        let Affinity { skills, semantic, data } = &spec.affinity;
        let home = self.home_of(&spec.tenant, region);
        let is_drawn = data.is_some() || spec.wishes.iter().any(|wish| wish.weight().is_some());
        let base = match home {
            Some(home) if !is_drawn => home.clone(),
            Some(home) => {
                let mean = self.wished_mean(spec, Some(home), |agent| agent.position.clone())?;
                step(home, &mean, WISHES)?
            }
            None => self.wished_mean(spec, None, |agent| agent.position.clone())?,
        };
        if skills.is_empty() && semantic.is_empty() {
            return Ok(base);
        }
        let semantic = Some(semantic.as_slice()).filter(|semantic| !semantic.is_empty());
        affinity::position(&base, &Work { skills, semantic, locality: None })
    }

    /// The regions that an agent may live in, the best first: as its own region spills
    /// over, or, when it wishes for a place, by the distance from there.
    pub(crate) fn regions_for(&self, spec: &AgentSpec) -> Vec<Name> {
        let mut regions = self.reachable(&spec.region);
        if spec.wishes.iter().any(|wish| wish.weight().is_some())
            && let Ok(wanted) = self.wished_mean(spec, self.place(&spec.region), |agent| self.seen(agent))
        {
            regions.sort_by(|a, b| match (self.place(a), self.place(b)) {
                (Some(a), Some(b)) => compare_distance(&wanted, a, b).unwrap_or(Ordering::Equal),
                _ => Ordering::Equal,
            });
        }
        regions
    }

    /// Where an agent would be if it were spawned in `region`: where its spawn orders it
    /// to be, or where the mesh finds best.
    pub(crate) fn spawn_point(&self, spec: &AgentSpec, region: &Name) -> Result<Position, Broken> {
        match &spec.position {
            Some(ordered) => {
                // A position of the usual dimension is one in the part that has it; of another
                // dimension than the mesh's an agent stays as it is.
                let is_usual = ordered.0.len() == DIMENSION_DEFAULT;
                let ordered = ordered.clone().widened(if is_usual { self.dimension() } else { 0 });
                match self.broken(spec, &ordered, region) {
                    Some(broken) => Err(broken),
                    None => Ok(ordered),
                }
            }
            None => {
                let wanted = self.wished_point(spec, region);
                let wanted = wanted.unwrap_or_else(|_| Position::origin(self.dimension()));
                self.point_for(spec, &wanted, region)
            }
        }
    }

    /// Where an agent shall go when it moves to a worker in `region` (L2), by a way on
    /// which it breaks nothing. An agent of another dimension than the regions' stays.
    pub(crate) fn way_to(&self, agent: &Agent, region: &Name) -> Result<Position, Broken> {
        let before = self.workers.get(&agent.worker).map(|worker| &worker.offer.region);
        let home = |region| self.home_of(&agent.spec.tenant, region);
        let target = match (before.and_then(home), home(region)) {
            (Some(from), Some(to)) => translated(&agent.position, from, to),
            _ => Ok(agent.position.clone()),
        };
        let target = target.unwrap_or_else(|_| agent.position.clone());
        let target = self.point_for(&agent.spec, &target, region)?;
        self.check_way(agent, &target, region)?;
        Ok(target)
    }

    /// Whether the steps to `target` break nothing that did not hold already.
    fn check_way(&self, agent: &Agent, target: &Position, region: &Name) -> Result<(), Broken> {
        let mut at = agent.position.clone();
        let mut was_broken = self.broken(&agent.spec, &at, region).is_some();
        for _ in 0..WAY_STEPS_MAX {
            if at == *target {
                break;
            }
            let Ok(next) = step(&at, target, STEP_LENGTH) else { break };
            let broken = self.broken(&agent.spec, &next, region);
            match broken {
                Some(broken) if !was_broken => return Err(broken),
                Some(_) => {}
                None => was_broken = false,
            }
            at = next;
        }
        Ok(())
    }

    /// Each agent that is on its way goes one step (L1).
    pub(crate) fn advance(&mut self, drafts: &mut Drafts) {
        if self.settings.is_paused || self.index.moving.is_empty() {
            return;
        }
        let turn = self.settings.height.0.wrapping_mul(STEPS_MAX as u64);
        let begin = turn.checked_rem(self.index.moving.len() as u64).unwrap_or(0);
        let begin = usize::try_from(begin).unwrap_or(0);
        let all = self.index.moving.iter();
        let turns: Vec<AgentId> =
            all.clone().skip(begin).chain(all.take(begin)).take(STEPS_MAX).copied().collect();
        for id in turns {
            self.go_on(&id, drafts);
        }
    }

    fn go_on(&mut self, id: &AgentId, drafts: &mut Drafts) {
        let Some(before) = self.agents.get(id).cloned() else { return };
        let (Some(target), Some(region)) = (before.course.clone(), self.region_of(&before)) else { return };
        let next = step(&before.position, &target, STEP_LENGTH).unwrap_or_else(|_| target.clone());
        let mut after = before.clone();
        let is_mending = self.broken(&before.spec, &before.position, &region).is_some();
        if let Some(broken) = self.broken(&before.spec, &next, &region).filter(|_| !is_mending) {
            after.course = None;
            note(drafts, ReceiptKind::AgentHeld, id, &after, &Origin::fabric())
                .text("policy_that_binds", &broken.policy)
                .text("constraint", &broken.constraint)
                .done();
            self.put_agent(id, &before, after);
            return;
        }
        after.nonce = before.nonce.saturating_add(1);
        after.position = next;
        if after.position == target {
            after.course = None;
        }
        let action = self.record(id, &before, &after);
        note(drafts, ReceiptKind::AgentMoved, id, &after, &Origin::fabric())
            .u64("action", action)
            .text("worker_after", &after.worker)
            .with("is_there", phalanx_types::Field::Bool(after.course.is_none()))
            .hidden(place(&before, "position_before"))
            .hidden(place(&after, "position_after"))
            .done();
        self.put_agent(id, &before, after);
    }

    /// The region of an agent's worker.
    pub(crate) fn region_of(&self, agent: &Agent) -> Option<Name> {
        self.workers.get(&agent.worker).map(|worker| worker.offer.region.clone())
    }

    /// Looks at agents in turn (L3), and lets load spread (L4).
    pub(crate) fn patrol(&mut self, now: TimeMs, drafts: &mut Drafts) {
        if self.settings.is_paused || self.agents.len() == 0 {
            return;
        }
        let crowds = self.crowds();
        if self.policies.len() == 0 && crowds.is_empty() {
            return;
        }
        let from = (Bound::Excluded(self.settings.patrol), Bound::Unbounded);
        let mut turn: Vec<AgentId> = self.agents.range(from).take(PATROL_MAX).map(|(id, _)| *id).collect();
        if turn.len() < PATROL_MAX {
            let rest = PATROL_MAX.saturating_sub(turn.len());
            let end = (Bound::Unbounded, Bound::Included(self.settings.patrol));
            turn.extend(self.agents.range(end).take(rest).map(|(id, _)| *id));
        }
        if let Some(last) = turn.last() {
            self.settings.patrol = *last;
        }
        for id in turn {
            let Some(agent) = self.agents.get(&id).cloned() else { continue };
            let Some(region) = self.region_of(&agent) else { continue };
            if let Some(policy) = self.idle_policy(&agent, now) {
                self.end_agent(&id, Ending::Underused { policy }, &Origin::fabric(), drafts);
            } else if let Some(broken) = self.broken(&agent.spec, &agent.position, &region) {
                self.lead_back(&id, &agent, &region, broken, drafts);
            } else if agent.strays > 0 {
                self.put_agent(&id, &agent, Agent { strays: 0, ..agent.clone() });
            } else if let Some((_, to)) = crowds.iter().find(|(from, _)| *from == region) {
                self.spread(&id, &agent, &region, to, drafts);
            }
        }
    }

    /// The policy that ends an agent since nobody has used it for too long.
    fn idle_policy(&self, agent: &Agent, now: TimeMs) -> Option<Name> {
        let idle_ms = now.since(agent.last_used);
        let is_over = |max: Option<u32>| max.is_some_and(|max| idle_ms > u64::from(max));
        self.policies_of(&agent.spec)
            .find(|(_, p)| is_over(p.policy.idle_max_ms))
            .map(|(name, _)| name.clone())
    }

    /// Leads an agent back to where it may be: where it is, or on another worker; ends
    /// it when there was no such place for several looks.
    fn lead_back(&mut self, id: &AgentId, agent: &Agent, region: &Name, broken: Broken, drafts: &mut Drafts) {
        if agent.course.is_some() {
            return;
        }
        if let Ok(target) = self.point_for(&agent.spec, &agent.position, region) {
            self.put_agent(id, agent, Agent { course: Some(target), ..agent.clone() });
            return;
        }
        if let Ok((worker, target)) = self.home_for(agent, None) {
            self.migrate(id, &worker, target, Reason::Policy, &Origin::fabric(), drafts);
            return;
        }
        let strays = agent.strays.saturating_add(1);
        if strays >= STRAYS_MAX {
            self.end_agent(id, Ending::Drifted(broken), &Origin::fabric(), drafts);
        } else {
            self.put_agent(id, agent, Agent { strays, ..agent.clone() });
        }
    }

    /// How much of a region's CPU is taken, in millionths; none without an open worker.
    fn taken_ppm(&self, region: &Name) -> Option<u64> {
        let (mut taken, mut all) = (0_u64, 0_u64);
        for (_, worker) in self.workers_of(region).filter(|(_, w)| w.is_open && w.is_healthy) {
            taken = taken.saturating_add(worker.cpu_milli.into());
            all = all.saturating_add(worker.offer.resources.cpu_milli.into());
        }
        taken.saturating_mul(1_000_000).checked_div(all)
    }

    /// Each crowded region that has agents, and the emptiest one in its reach that has
    /// room.
    fn crowds(&self) -> Vec<(Name, Name)> {
        let mut crowds = Vec::new();
        for (region, shard) in self.shards.iter() {
            if shard.is_paused || self.taken_ppm(region).is_none_or(|taken| taken < CROWDED_PPM) {
                continue;
            }
            let others = self.reachable(region).into_iter().skip(1);
            let open = others.filter(|other| self.shards.get(other).is_some_and(|s| !s.is_paused));
            let roomy = open.filter_map(|other| Some((self.taken_ppm(&other)?, other)));
            if let Some((_, to)) = roomy.filter(|(taken, _)| *taken <= ROOMY_PPM).min() {
                crowds.push((region.clone(), to));
            }
        }
        crowds
    }

    fn spread(&mut self, id: &AgentId, agent: &Agent, from: &Name, to: &Name, drafts: &mut Drafts) {
        let is_needed = self.taken_ppm(from).is_some_and(|taken| taken >= CROWDED_PPM)
            && self.taken_ppm(to).is_some_and(|taken| taken <= ROOMY_PPM);
        let (Some(center), Some(goal)) = (self.place(from).cloned(), self.place(to).cloned()) else { return };
        if !is_needed || agent.course.is_some() || agent.position.0.len() != self.dimension() {
            return;
        }
        let seen = self.seen(agent);
        let Ok(wider) = dilated(&seen, &center, &goal) else { return };
        if compare_distance(&wider, &goal, &center) == Ok(Ordering::Less) || is_out(&seen, &center, &goal) {
            if let Some((worker, target)) = self.room_in(agent, to) {
                self.migrate(id, &worker, target, Reason::Spread, &Origin::fabric(), drafts);
            }
            return;
        }
        let back = self
            .view_of(agent, from)
            .map_or(Ok(wider.clone()), |(home, _)| translated(&wider, &center, home));
        let Ok(wider) = back else { return };
        if wider != agent.position && self.broken(&agent.spec, &wider, from).is_none() {
            self.put_agent(id, agent, Agent { course: Some(wider), ..agent.clone() });
        }
    }
}

/// One step from `x` towards `target`, at most so long.
fn step(x: &Position, target: &Position, length_max: f64) -> Result<Position, Error> {
    let (from, to) = (Point::try_from(x)?, Point::try_from(target)?);
    if unit_ball().length(&from, &to)? <= length_max {
        return Ok(target.clone());
    }
    unit_ball().step(&from, &to, length_max)?.to_position()
}

/// Whether `x` is further from its region's place than a dilation takes it on the way to
/// another one.
fn is_out(x: &Position, center: &Position, goal: &Position) -> bool {
    let ball = unit_ball();
    let length = |to| ball.distance(center, to).map(|length| length.to_f64());
    matches!((length(x), length(goal)), (Ok(out), Ok(between)) if out > (OUT * between).min(OUT_MAX))
}

/// `x` after its region has dilated about `center`; who is at the very centre goes a
/// little towards `goal`.
fn dilated(x: &Position, center: &Position, goal: &Position) -> Result<Position, Error> {
    let (x, center) = (Point::try_from(x)?, Point::try_from(center)?);
    if unit_ball().length(&x, &center)? < STEP_LENGTH / 2.0 {
        return unit_ball().step(&x, &Point::try_from(goal)?, STEP_LENGTH / 2.0)?.to_position();
    }
    x.dilated(&center, DILATION)?.to_position()
}
