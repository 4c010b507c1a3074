//! Positions for the nodes of a graph, so that greedy routes are short.
//!
//! The nodes on the outskirts, from which only one link leads inwards, are taken
//! off first and put back beside the node they hang on. The rest starts as a tree
//! of shortest paths from the best connected node: depth becomes distance from the
//! origin, and a child's direction is near its parent's. Then routes are walked: at
//! each node of a shortest path the neighbour that greedy forwarding would choose is
//! compared with the best one on a shortest path, and where the wrong one is nearer
//! to the target, or nearly, both and the target are moved a little along geodesics.
//!
//! Everything is a function of the graph and the seed.

use crate::{
    Error,
    fixed::{self, DIMENSION_MAX, DIMENSION_MIN},
    graph::Graph,
};
use phalanx_types::agent::Position;

/// How an embedding is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Dimensions of the ball.
    pub dimension: usize,
    /// Where its chance comes from.
    pub seed: u64,
    /// How many routes are walked, in thousands.
    pub routes_thousands: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self { dimension: 8, seed: 1, routes_thousands: 400 }
    }
}

/// How far apart in angle children are thrown at the start.
const SPREAD: f64 = 0.6;
/// The longest step at the beginning, and what a step is at the end.
const STEP: f64 = 0.3;
const STEP_LAST: f64 = 0.005;
/// How much nearer the right neighbour must be than any wrong one: parts of the cosine.
const LEAD: f64 = 0.15;
/// No node moves further out: positions end at radius 18.
const RADIUS_MAX: f64 = 14.0;
/// Sources that are walked from for one target.
const SOURCES: usize = 32;

/// SplitMix64: a small generator whose numbers never change.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Nearly normal: the sum of four uniform numbers, of variance 1.
    fn normal(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| (self.next() >> 11) as f64 / (1u64 << 53) as f64).sum();
        (sum - 2.0) * 1.732_050_807_568_877_2
    }
}

/// Points of the hyperboloid in rows: height first.
struct Points {
    width: usize,
    rows: Vec<f64>,
}

impl Points {
    fn row(&self, node: u32) -> &[f64] {
        let from = node as usize * self.width;
        self.rows.get(from..from + self.width).unwrap_or(&[])
    }

    /// The cosine hyperbolicus of the distance.
    fn cosh(&self, a: &[f64], b: &[f64]) -> f64 {
        let mut sum = 0.0;
        for (a, b) in a.iter().zip(b).skip(1) {
            sum += a * b;
        }
        a.first().zip(b.first()).map_or(1.0, |(a, b)| a * b) - sum
    }

    /// Moves a node by `length` along the geodesic towards `goal`; away from it when
    /// the length is negative.
    fn shift(&mut self, node: u32, goal: &[f64], length: f64) {
        let from = node as usize * self.width;
        let cosh = self.cosh(self.row(node), goal);
        let sine = (cosh * cosh - 1.0).max(1e-12).sqrt();
        // goal − cosh·x is the direction, of length `sine`.
        let across = libm::sinh(length) / sine;
        let along = libm::cosh(length) - across * cosh;
        let Some(row) = self.rows.get_mut(from..from + self.width) else { return };
        let mut norm = 0.0;
        for (x, goal) in row.iter_mut().zip(goal).skip(1) {
            *x = along * *x + across * goal;
            norm += *x * *x;
        }
        let most = libm::sinh(RADIUS_MAX);
        let scale = if norm > most * most { most / norm.sqrt() } else { 1.0 };
        for x in row.iter_mut().skip(1) {
            *x *= scale;
        }
        if let Some(height) = row.first_mut() {
            *height = (1.0 + norm * scale * scale).sqrt();
        }
    }

    fn position(&self, node: u32) -> Result<Position, Error> {
        let row = self.row(node);
        let below = 1.0 + row.first().copied().unwrap_or(1.0);
        fixed::round(&row.iter().skip(1).map(|x| x / below).collect::<Vec<_>>())
    }
}

/// Positions for the nodes of a connected graph, in order.
///
/// # Errors
/// When the dimension is not 2 to 1,024.
pub fn embed(graph: &Graph, plan: Plan) -> Result<Vec<Position>, Error> {
    if !(DIMENSION_MIN..=DIMENSION_MAX).contains(&plan.dimension) {
        return Err(Error::Dimension { found: plan.dimension });
    }
    let mut work = Work::new(graph, plan);
    work.start();
    work.walk();
    work.positions()
}

struct Work<'a> {
    graph: &'a Graph,
    plan: Plan,
    chance: Chance,
    points: Points,
    /// For a node on the outskirts, the node it hangs on.
    hangs_on: Vec<Option<u32>>,
    /// Neighbours that are not on the outskirts.
    inner: Vec<Vec<u32>>,
}

impl<'a> Work<'a> {
    fn new(graph: &'a Graph, plan: Plan) -> Self {
        let n = graph.len();
        let width = plan.dimension + 1;
        let mut rows = vec![0.0; n * width];
        for row in rows.chunks_exact_mut(width) {
            if let Some(height) = row.first_mut() {
                *height = 1.0;
            }
        }
        let mut work = Self {
            graph,
            plan,
            chance: Chance(plan.seed),
            points: Points { width, rows },
            hangs_on: vec![None; n],
            inner: (0..n as u32).map(|node| graph.neighbours(node).to_vec()).collect(),
        };
        work.strip();
        work
    }

    fn links(&self, node: u32) -> &[u32] {
        self.inner.get(node as usize).map_or(&[], Vec::as_slice)
    }

    /// Takes off nodes with one link, until there are none.
    fn strip(&mut self) {
        let mut open: Vec<u32> = (0..self.graph.len() as u32).filter(|n| self.links(*n).len() == 1).collect();
        while let Some(node) = open.pop() {
            let [parent] = *self.links(node) else { continue };
            // The last two of a tree: one of them stays.
            if let Some(hangs) = self.hangs_on.get_mut(node as usize) {
                *hangs = Some(parent);
            }
            if let Some(list) = self.inner.get_mut(node as usize) {
                list.clear();
            }
            if let Some(list) = self.inner.get_mut(parent as usize) {
                list.retain(|other| *other != node);
                if list.len() == 1 {
                    open.push(parent);
                }
            }
        }
    }

    fn start(&mut self) {
        let degree = |node: &u32| (self.links(*node).len(), std::cmp::Reverse(*node));
        let Some(root) = (0..self.graph.len() as u32).max_by_key(degree) else { return };
        let most = self.links(root).len() as f64;
        let mut directions = vec![Vec::new(); self.graph.len()];
        let mut open = std::collections::VecDeque::from([(root, root, 0u32)]);
        let mut seen = vec![false; self.graph.len()];
        if let Some(seen) = seen.get_mut(root as usize) {
            *seen = true;
        }
        while let Some((node, parent, depth)) = open.pop_front() {
            let spread = if depth <= 1 { 1.0 } else { SPREAD };
            let above: Vec<f64> = directions.get(parent as usize).cloned().unwrap_or_default();
            let mut direction: Vec<f64> = (0..self.plan.dimension)
                .map(|i| {
                    let chance = self.chance.normal() * spread / (self.plan.dimension as f64).sqrt();
                    above.get(i).copied().unwrap_or(0.0) + if depth == 0 { 0.0 } else { chance }
                })
                .collect();
            let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            // Who has many links is near the middle, as in graphs that grow by popularity.
            let radius = libm::log(most / self.links(node).len().max(1) as f64);
            if norm > 0.0 {
                direction.iter_mut().for_each(|x| *x /= norm);
            }
            let from = node as usize * self.points.width;
            if let Some(row) = self.points.rows.get_mut(from..from + self.points.width) {
                let sinh = libm::sinh(radius);
                for (x, direction) in row.iter_mut().skip(1).zip(&direction) {
                    *x = sinh * direction;
                }
                if let Some(height) = row.first_mut() {
                    *height = libm::cosh(radius);
                }
            }
            if let Some(slot) = directions.get_mut(node as usize) {
                *slot = direction;
            }
            for next in self.inner.get(node as usize).into_iter().flatten() {
                if let Some(seen @ false) = seen.get_mut(*next as usize) {
                    *seen = true;
                    open.push_back((*next, node, depth + 1));
                }
            }
        }
    }

    /// The node of the inner graph that a node hangs on, through others.
    fn holder(&self, mut node: u32) -> u32 {
        while let Some(Some(next)) = self.hangs_on.get(node as usize) {
            node = *next;
        }
        node
    }

    fn walk(&mut self) {
        let n = self.graph.len();
        let rounds = u64::from(self.plan.routes_thousands) * 1_000 / SOURCES as u64;
        if n == 0 {
            return;
        }
        for round in 0..rounds {
            let left = 1.0 - round as f64 / rounds as f64;
            let step = STEP * left + STEP_LAST;
            let target = self.chance.below(n) as u32;
            let target = self.holder(target);
            let hops = self.hops(target);
            for _ in 0..SOURCES {
                let source = self.chance.below(n) as u32;
                let source = self.holder(source);
                self.route(source, target, &hops, step);
            }
        }
    }

    fn hops(&self, from: u32) -> Vec<u32> {
        let mut hops = vec![u32::MAX; self.graph.len()];
        let mut open = std::collections::VecDeque::from([(from, 0)]);
        if let Some(first) = hops.get_mut(from as usize) {
            *first = 0;
        }
        while let Some((node, distance)) = open.pop_front() {
            for next in self.links(node) {
                if let Some(seen @ &mut u32::MAX) = hops.get_mut(*next as usize) {
                    *seen = distance + 1;
                    open.push_back((*next, distance + 1));
                }
            }
        }
        hops
    }

    fn route(&mut self, source: u32, target: u32, hops: &[u32], step: f64) {
        let mut at = source;
        let of = |node: u32| hops.get(node as usize).copied().unwrap_or(u32::MAX);
        while of(at) > 1 && of(at) < u32::MAX {
            let goal = self.points.row(target);
            let (mut right, mut wrong) = ((f64::INFINITY, at), (f64::INFINITY, at));
            for next in self.links(at) {
                let cosh = self.points.cosh(self.points.row(*next), goal);
                let best = if of(*next) < of(at) { &mut right } else { &mut wrong };
                if cosh < best.0 {
                    *best = (cosh, *next);
                }
            }
            // Distances, roughly: e^d/2 for what is far.
            if wrong.0 < right.0 * (1.0 + LEAD) {
                let place = goal.to_vec();
                let (right_row, wrong_row) =
                    (self.points.row(right.1).to_vec(), self.points.row(wrong.1).to_vec());
                let share = |links: usize| 1.0 / (links as f64).sqrt();
                let (r, w) = (share(self.links(right.1).len()), share(self.links(wrong.1).len()));
                self.points.shift(right.1, &place, step * r);
                self.points.shift(wrong.1, &place, -step * w);
                self.points.shift(target, &right_row, step * 0.5);
                self.points.shift(target, &wrong_row, -step * 0.5);
            }
            at = right.1;
        }
    }

    fn positions(mut self) -> Result<Vec<Position>, Error> {
        // From the inside out: who hangs on a node stands a little further out.
        let n = self.graph.len() as u32;
        for node in 0..n {
            let mut chain = vec![node];
            while let Some(Some(next)) = chain.last().and_then(|last| self.hangs_on.get(*last as usize)) {
                chain.push(*next);
            }
            let Some(holder) = chain.last().filter(|_| chain.len() > 1) else { continue };
            let row = self.points.row(*holder).to_vec();
            let from = node as usize * self.points.width;
            if let Some(own) = self.points.rows.get_mut(from..from + self.points.width) {
                own.copy_from_slice(&row);
            }
        }
        (0..n).map(|node| self.points.position(node)).collect()
    }
}
