//! Places for the nodes of a graph from its links alone, so that a message finds its
//! way by them.
//!
//! A place is good when distances are hops: the wanted distance of two nodes is the
//! number of hops between them, and what is missing, weighed by the inverse cube of the
//! wanted distance, is the *stress*. It is made small by stochastic gradient descent
//! (Zheng, Pawar and Goodman 2019, “Graph drawing by stochastic gradient descent”), in
//! the hyperboloid model instead of the plane: pair after pair, in random order, is
//! moved along its geodesic, by ever smaller steps. Not all pairs are looked at: of each
//! node those with its neighbours, with some nodes at two hops, with random ones and
//! with a few *pivots*.
//!
//! - **E1** The places are a function of the graph and the [`Plan`]: the same bits on
//!   every machine.
//! - **E2** Every place is valid ([`Position::is_valid`]).
//! - **E3** A hop is one unit of length at curvature 1, and less in a graph so wide that
//!   its hops would add up to more than [`WANTED_MAX`]. No wanted distance is zero, so
//!   nodes do not fall together.

mod chance;
mod pairs;
mod sheet;

use crate::{Error, fixed, graph::Graph, placing::WANTED_MAX};
use chance::Chance;
use pairs::Pair;
use phalanx_types::agent::Position;
use sheet::Lifted;

/// Most nodes of a graph: hops are counted from each of them.
pub const NODES_MAX: usize = 16_384;

/// How places are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Dimensions of the ball.
    pub dimension: usize,
    /// What chance begins with.
    pub seed: u64,
    /// How often every pair is moved.
    pub rounds: u32,
}

impl Default for Plan {
    /// As bench `routes` has them: with fewer dimensions or rounds, ways are longer.
    fn default() -> Self {
        Self { dimension: 32, seed: 1, rounds: 30 }
    }
}

/// How far from the origin a node begins, in units of length: no two at one place.
const BEGINNING: f64 = 0.1;
/// How much of what is missing the pairs at one hop are moved by in the last round.
const STEP_LAST: f64 = 0.05;

/// The weight of a pair at so many hops.
fn weight(hops: f64) -> f64 {
    1.0 / (hops * hops * hops)
}

/// Places for the nodes of a connected graph, in order.
///
/// # Errors
/// When the dimension is not 2 to 1,024, the graph is not connected, or it has more than
/// [`NODES_MAX`] nodes.
pub fn embed(graph: &Graph, plan: Plan) -> Result<Vec<Position>, Error> {
    fixed::allowed_dimension(plan.dimension)?;
    if graph.len() > NODES_MAX {
        return Err(Error::PartCount { what: "a graph", found: graph.len(), max: NODES_MAX });
    }
    let reached = graph.hops_from(0).iter().flatten().count();
    if reached < graph.len() {
        return Err(Error::Scattered { reached, nodes: graph.len() });
    }
    let mut chance = Chance::new(plan.seed);
    let mut pairs = pairs::sample(graph, &mut chance);
    let mut places = Vec::with_capacity(graph.len());
    for _ in 0..graph.len() {
        places.push(Lifted::at(&chance.direction(plan.dimension), BEGINNING));
    }
    descend(&mut places, &mut pairs, plan.rounds, &mut chance);
    places.iter().map(Lifted::to_position).collect()
}

/// Moves the pairs round after round. The first round puts every pair at its wanted
/// distance, whatever the others want; the steps shrink geometrically from there.
fn descend(places: &mut [Lifted], pairs: &mut [Pair], rounds: u32, chance: &mut Chance) {
    let widest = pairs.iter().map(|pair| pair.hops).max().map_or(1.0, f64::from);
    let unit = if widest > WANTED_MAX { WANTED_MAX / widest } else { 1.0 };
    let first = 1.0 / weight(widest);
    let shrink = libm::log(STEP_LAST / first) / f64::from(rounds.saturating_sub(1).max(1));
    for round in 0..rounds {
        let step = first * libm::exp(shrink * f64::from(round));
        chance.shuffle(pairs);
        for pair in pairs.iter() {
            let hops = f64::from(pair.hops);
            let share = (weight(hops) * step).min(1.0);
            let ends = [pair.a as usize, pair.b as usize];
            if let Ok([a, b]) = places.get_disjoint_mut(ends) {
                sheet::pull(a, b, unit * hops, share);
            }
        }
    }
}
