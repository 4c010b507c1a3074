//! Where the regions and the work are, for votes that weigh by distance.
//!
//! - **P1** Places and focus are agreed state; regions have places from the beginning. Both
//!   are looked at anew in the beat that closes a checkpoint, and stay until they would move by more than [`STILL`]: so a set
//!   of validators lasts, and whoever joins has few hand-overs to check.
//! - **P2** A region's place follows from the agreed latencies, and a latency is agreed by
//!   more than two thirds of the weight of both its regions: liars with less than half of
//!   that can make their own region look farther from another, never nearer. All regions lie
//!   in the part of the ball that has [`DIMENSION_DEFAULT`] dimensions, however many the mesh has.
//! - **P3** The focus is the mean of the places of all work that waits or runs; the origin
//!   when there is none. Agents of a tenant whose home is not the region's place count
//!   there, as jobs do: nobody weighs more for lying further out.
//! - **P4** While there is no focus, before the first checkpoint, all weigh alike.

use crate::{
    Fabric,
    homes::is_home,
    state::{Agent, Index},
};
use phalanx_geometry::{Ball, Curvature, Error, Mean, Point, placing, weights};
use phalanx_types::{
    Name, Validator,
    agent::{DIMENSION_DEFAULT, Position},
    params::Mode,
};
use std::collections::BTreeSet;

/// Milliseconds of latency that are one unit of length, at the mesh's curvature.
const UNIT_MS: f64 = 100.0;
/// The longest length between two regions: what is further away weighs nothing anyway.
const LENGTH_MAX: f64 = 8.0;
/// Places and focus that would move by less stay, in units of length.
const STILL: f64 = 0.02;
/// How often each region is moved for a checkpoint, and at most how many moves that may be.
const ROUNDS: u32 = 40;
const MOVES_MAX: usize = 40_000;
/// Key of the focus; regions have theirs from their names.
const FOCUS: &str = "";

/// The ball in which steps, clusters and the homes of tenants have their lengths, whatever
/// the mesh's curvature is.
pub(crate) fn unit_ball() -> Ball {
    Ball::new(Curvature::ONE)
}

/// How much a vote weighs, before the set caps it so that no third of the voters holds a
/// third of the weight.
pub(crate) trait WeightFunction {
    /// The weight of this voter: any number, the same on every node.
    fn weight(&self, voter: &Validator) -> u64;
}

/// All weigh alike.
struct Equal;

impl WeightFunction for Equal {
    fn weight(&self, _: &Validator) -> u64 {
        1
    }
}

/// The nearer to the work, the more; whoever has no place weighs as in [`Equal`].
struct ByDistance<'a> {
    fabric: &'a Fabric,
    focus: &'a Position,
}

impl WeightFunction for ByDistance<'_> {
    fn weight(&self, voter: &Validator) -> u64 {
        let decay = self.fabric.settings.params.vote_decay_ppm;
        let place = self.fabric.place(&voter.region);
        let weight =
            place.and_then(|place| weights::raw_weight(&self.fabric.ball(), decay, place, self.focus).ok());
        weight.map_or(1, |weight| weight.0)
    }
}

impl Index {
    /// Takes the place of an agent that lives in `region` into the mean of its tenant's
    /// agents there, or out of it. Positions of other dimensions than the mesh's have no part
    /// in it.
    pub(crate) fn weigh_agent(&mut self, agent: &Agent, region: &Name, dimension: usize, is_in: bool) {
        if agent.position.0.len() != dimension {
            return;
        }
        let Ok(nothing) = Mean::new(dimension) else { return };
        let key = (agent.spec.tenant.clone(), region.clone());
        let is_gone = !weigh(self.agent_means.entry(key.clone()).or_insert(nothing), &agent.position, is_in);
        if is_gone {
            self.agent_means.remove(&key);
        }
    }

    /// The mean of the places of each tenant's agents, by name, for those that have any.
    pub(crate) fn tenant_means(&self) -> Vec<(&Name, Mean)> {
        let mut means: Vec<(&Name, Mean)> = Vec::new();
        for ((tenant, _), mean) in &self.agent_means {
            match means.last_mut().filter(|(last, _)| *last == tenant) {
                Some((_, of_tenant)) => {
                    let done = of_tenant.merge(mean);
                    debug_assert!(done.is_ok(), "{done:?}");
                }
                None => means.push((tenant, mean.clone())),
            }
        }
        means
    }
}

/// Puts a position into a mean or takes it out; whether anything is in it then.
fn weigh(mean: &mut Mean, position: &Position, is_in: bool) -> bool {
    // Agents' positions are valid, and few enough.
    let done = if is_in { mean.insert(position, 1) } else { mean.remove(position, 1) };
    debug_assert!(done.is_ok(), "{done:?}");
    mean.weight() > 0
}

impl Fabric {
    /// The ball of the mesh's curvature.
    #[must_use]
    pub fn ball(&self) -> Ball {
        // A genesis whose curvature is none is not taken.
        Ball::new(Curvature::from_ppm(self.settings.params.curvature_ppm).unwrap_or(Curvature::ONE))
    }

    /// How many dimensions places have.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.settings.params.dimension.into()
    }

    /// The place of a region, once there is one.
    #[must_use]
    pub fn place(&self, region: &Name) -> Option<&Position> {
        self.places.get(&region.to_string())
    }

    /// The mean of the places of all work, as of the last checkpoint.
    #[must_use]
    pub fn focus(&self) -> Option<&Position> {
        self.places.get(&FOCUS.to_owned())
    }

    /// The regions that have a place, with it.
    pub fn placed_regions(&self) -> impl Iterator<Item = (&str, &Position)> {
        let regions = self.places.iter().filter(|(key, _)| *key != FOCUS && !is_home(key));
        regions.map(|(key, place)| (key.as_str(), place))
    }

    /// Looks where everything is (P1).
    pub(crate) fn survey(&mut self) {
        self.place_all();
        let done = self.find_focus();
        // All that comes in is valid; a mesh without places votes with equal weights.
        debug_assert!(done.is_ok(), "{done:?}");
    }

    /// Looks where the regions are.
    pub(crate) fn place_all(&mut self) {
        let done = self.place_regions();
        debug_assert!(done.is_ok(), "{done:?}");
    }

    fn put_place(&mut self, key: String, place: Position) -> Result<(), Error> {
        let is_still = match self.places.get(&key) {
            Some(before) => self.ball().distance(before, &place)?.to_f64() < STILL,
            None => false,
        };
        if !is_still {
            if key != FOCUS {
                self.bounds.forget();
            }
            self.places.insert(key, place);
        }
        Ok(())
    }

    /// How far two regions should be from each other (P2).
    fn length_between(&self, a: &Name, b: &Name) -> f64 {
        let both = u64::from(self.latency(a, b)).saturating_add(self.latency(b, a).into());
        (both as f64 / (2.0 * UNIT_MS)).min(LENGTH_MAX)
    }

    fn place_regions(&mut self) -> Result<(), Error> {
        let mut regions: BTreeSet<Name> = self.shards.iter().map(|(name, _)| name.clone()).collect();
        regions.extend(self.validators.iter().map(|(_, v)| v.entry.region.clone()));
        let regions: Vec<Name> = regions.into_iter().collect();
        let mut points = Vec::with_capacity(regions.len());
        for (index, region) in regions.iter().enumerate() {
            points.push(match self.place(region) {
                Some(place) => Point::try_from(&place.clone().narrowed(DIMENSION_DEFAULT))?,
                None => placing::beginning(DIMENSION_DEFAULT, index)?,
            });
        }
        let moves = regions.len().saturating_mul(regions.len());
        let rounds = u32::try_from(MOVES_MAX.checked_div(moves).unwrap_or(0)).unwrap_or(u32::MAX);
        let between = |a: usize, b: usize| match (regions.get(a), regions.get(b)) {
            (Some(a), Some(b)) => self.length_between(a, b),
            _ => 0.0,
        };
        placing::relax(&self.ball(), &mut points, between, rounds.clamp(1, ROUNDS))?;
        for (region, point) in regions.iter().zip(points) {
            self.put_place(region.to_string(), point.to_position()?.widened(self.dimension()))?;
        }
        let gone: Vec<String> = self
            .placed_regions()
            .map(|(key, _)| key.to_owned())
            .filter(|key| !regions.iter().any(|region| region.as_str() == key))
            .collect();
        for key in gone {
            self.places.remove(&key);
            self.bounds.forget();
        }
        Ok(())
    }

    /// The mean of all work (P3).
    fn find_focus(&mut self) -> Result<(), Error> {
        let mut mean = Mean::new(self.dimension())?;
        for ((tenant, region), agents) in &self.index.agent_means {
            match self.place(region) {
                Some(place) if self.home_of(tenant, region) != Some(place) => {
                    mean.insert(place, agents.weight())?;
                }
                _ => mean.merge(agents)?,
            }
        }
        let waiting = self.index.queues.iter().map(|(shard, queue)| (shard, queue.len()));
        let running = self.index.running.iter().filter_map(|(worker, jobs)| {
            self.workers.get(worker).map(|worker| (&worker.offer.region, jobs.len()))
        });
        for (region, count) in waiting.chain(running) {
            if let Some(place) = self.place(region) {
                mean.insert(place, count as u64)?;
            }
        }
        self.put_place(FOCUS.to_owned(), mean.position()?)
    }

    /// How votes weigh under a mode.
    pub(crate) fn weight_function(&self, mode: &Mode) -> Box<dyn WeightFunction + '_> {
        match (mode, self.focus()) {
            (Mode::GeometricMesh, Some(focus)) => Box::new(ByDistance { fabric: self, focus }),
            _ => Box::new(Equal),
        }
    }

    /// The voters, the most central first, ties by key; as they come while there is no
    /// focus.
    pub(crate) fn by_centrality(&self, voters: &[Validator]) -> Vec<phalanx_types::PublicKey> {
        if self.focus().is_none() {
            return voters.iter().map(|v| v.vote_key).collect();
        }
        let origin = Position::origin(self.dimension());
        let placed = voters.iter().map(|v| {
            let place = self.place(&v.region).cloned();
            (v.vote_key, place.unwrap_or_else(|| origin.clone()))
        });
        let placed: Vec<_> = placed.collect();
        let keys = || placed.iter().map(|(key, _)| *key).collect();
        phalanx_geometry::order_by_centrality(&origin, &placed).unwrap_or_else(|_| keys())
    }
}
