//! The geometry of a simulated mesh as a target: cuts along its distances, work that pulls
//! the focus, and measurements that lie.

use crate::{faults::Fault, mesh::Mesh, scenario::GeometryReport};
use phalanx_fabric::Fabric;
use phalanx_geometry::compare_distance;
use phalanx_replica::Decision;
use phalanx_types::{
    AgentSpec, Genesis, Hash, Height, Name, Operation, Resources,
    agent::{Affinity, AgentSeed, COORDINATE_FRACTION_BITS, Position},
    shard::LatencyEntry,
};
use std::{cmp::Ordering, collections::BTreeSet};

/// Jobs that go to one region before the focus is pulled to another one.
const PULL_JOBS: u32 = 8;
/// A tick of so many measures a latency.
const MEASURE_ONE_IN_PPM: u64 = 200_000;
/// What a lie about a latency is at most.
const LIE_MS_MAX: u64 = 3_600_000;

/// What was seen of the geometry in a run.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    /// Whether the mesh is cut along a ball that has not stopped a message yet.
    pub is_ball: bool,
    ball_cuts: usize,
    sets: BTreeSet<Hash>,
    height: Height,
    focus: Option<Position>,
    focus_moves: usize,
    lies: BTreeSet<(Name, Name, u32)>,
}

impl Sights {
    /// A message was lost, perhaps to the cut.
    pub(crate) fn stopped(&mut self, is_cut: bool) {
        if is_cut && self.is_ball {
            self.ball_cuts += 1;
            self.is_ball = false;
        }
    }

    /// A beat was decided, here for the first time or again.
    pub(crate) fn decided(&mut self, decision: &Decision, genesis: &Genesis) {
        if decision.header.height <= self.height {
            return;
        }
        self.height = decision.header.height;
        self.sets.insert(decision.header.next_validator_set);
        let focus = decision.fabric.focus();
        if focus != self.focus.as_ref() {
            self.focus_moves += usize::from(self.focus.is_some());
            self.focus = focus.cloned();
        }
        for entry in &genesis.latencies {
            let agreed = decision.fabric.latency(&entry.from, &entry.to);
            if agreed != entry.latency_ms {
                self.lies.insert((entry.from.clone(), entry.to.clone(), agreed));
            }
        }
    }

    pub(crate) fn report(&self) -> GeometryReport {
        GeometryReport {
            ball_cuts: self.ball_cuts,
            weight_sets: self.sets.len(),
            focus_moves: self.focus_moves,
            lies_agreed: self.lies.len(),
        }
    }
}

impl Mesh {
    /// The state of the honest node that is farthest.
    fn front(&self) -> Option<Fabric> {
        let running = self.honest().filter(|(_, n)| n.process.is_some());
        let front = running.max_by_key(|(_, n)| n.height())?.1;
        front.process.as_ref().map(|p| p.consensus.app().fabric().clone())
    }

    /// The `count` nodes nearest to one of them: a ball, cut off from the rest. None
    /// while not all of them have a place.
    pub(crate) fn ball_side(&mut self, count: usize) -> Option<BTreeSet<usize>> {
        let center = self.random.below(self.nodes.len() as u64) as usize;
        let fabric = self.front()?;
        let place = |node: usize| {
            let region = &self.setup.genesis.validators.get(node)?.region;
            fabric.place(region).cloned()
        };
        let places: Vec<Position> = (0..self.nodes.len()).map(place).collect::<Option<_>>()?;
        let middle = places.get(center)?;
        let mut order: Vec<(usize, &Position)> = places.iter().enumerate().collect();
        order.sort_by(|(a, x), (b, y)| {
            compare_distance(middle, x, y).unwrap_or(Ordering::Equal).then(a.cmp(b))
        });
        Some(order.into_iter().take(count).map(|(node, _)| node).collect())
    }

    /// Where job number `number` goes when work shall pull the focus.
    pub(crate) fn pulled_region(&self, number: u32) -> Option<Name> {
        if !self.scenario.faults.has(Fault::Geometry) {
            return None;
        }
        let regions = &self.setup.genesis.shards;
        let turn = (number / PULL_JOBS) as usize;
        regions.get(turn % regions.len().max(1)).map(|shard| shard.name.clone())
    }

    /// An agent at the very edge, which outweighs all other work in the mean.
    pub(crate) fn far_agent(&mut self) -> Option<Operation> {
        if !self.scenario.faults.has(Fault::Geometry) || !self.random.chance(200_000) {
            return None;
        }
        let dimension = self.setup.genesis.params.dimension;
        let mut far = vec![0; dimension.into()];
        let axis = self.random.below(dimension.into()) as usize;
        if let Some(x) = far.get_mut(axis) {
            // As far out as is allowed: ‖x‖² ≤ 1 − 2^-24.
            *x = (1 << COORDINATE_FRACTION_BITS) - (1 << (COORDINATE_FRACTION_BITS - 24));
        }
        let region = self.setup.genesis.shards.first()?.name.clone();
        Some(Operation::SpawnAgent(Box::new(AgentSpec {
            label: "far".to_owned(),
            tenant: Name::new("acme").ok()?,
            region,
            stack: Hash::ZERO,
            position: Some(Position(far)),
            affinity: Affinity::default(),
            resources: Resources { cpu_milli: 1, ..Resources::default() },
            policy: Name::new("default").ok()?,
            wishes: Vec::new(),
            seed: AgentSeed([1; 32]),
        })))
    }

    /// What a node tells of a latency from its region: the last third lies.
    pub(crate) fn measurement(&mut self, node: usize) -> Option<Operation> {
        if !self.scenario.faults.has(Fault::Geometry) || !self.random.chance(MEASURE_ONE_IN_PPM) {
            return None;
        }
        let from = self.setup.genesis.validators.get(node)?.region.clone();
        let at = self.random.below(self.setup.genesis.latencies.len() as u64) as usize;
        let honest = self.setup.genesis.latencies.get(at)?.clone();
        let liars = (self.nodes.len() - 1) / 3;
        if node >= self.nodes.len() - liars {
            let latency_ms = self.random.below(LIE_MS_MAX + 1) as u32;
            let latency_ms = if self.random.chance(500_000) { 0 } else { latency_ms };
            return Some(Operation::MeasureLatency(LatencyEntry { from, to: honest.to, latency_ms }));
        }
        (honest.from == from || honest.to == from).then_some(Operation::MeasureLatency(honest))
    }
}
