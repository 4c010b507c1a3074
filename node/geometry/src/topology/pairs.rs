//! The pairs of nodes whose distance is fitted.

use super::chance::Chance;
use crate::graph::Graph;
use std::cmp::Reverse;

// With fewer pairs the ways are longer where nodes have been removed (bench `routes`).
/// Nodes to which every other one is fitted: half of them those with the most links, half
/// random ones.
const PIVOTS: usize = 100;
/// Random partners of a node.
const RANDOM: usize = 200;
/// Partners of a node at two hops: look-ahead tells them apart by their places.
const SECOND: usize = 40;

/// Two nodes and the hops between them, at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) hops: u32,
}

/// The pairs of a connected graph.
pub(super) fn sample(graph: &Graph, chance: &mut Chance) -> Vec<Pair> {
    let nodes: Vec<u32> = (0..graph.len() as u32).collect();
    let pivots = pivots(graph, &nodes, chance);
    let mut pairs = Vec::new();
    for a in &nodes {
        let hops = graph.hops_from(*a);
        let mut add = |b: u32| {
            if let Some(Some(hops @ 1..)) = hops.get(b as usize) {
                pairs.push(Pair { a: *a, b, hops: *hops });
            }
        };
        pivots.iter().for_each(|b| add(*b));
        graph.neighbours(*a).iter().filter(|b| *b > a).for_each(|b| add(*b));
        for _ in 0..RANDOM {
            chance.pick(&nodes).into_iter().for_each(|b| add(*b));
        }
        let is_second = |b: &u32| hops.get(*b as usize) == Some(&Some(2));
        let second: Vec<u32> = nodes.iter().copied().filter(is_second).collect();
        for _ in 0..SECOND.min(second.len()) {
            chance.pick(&second).into_iter().for_each(|b| add(*b));
        }
    }
    pairs
}

fn pivots(graph: &Graph, nodes: &[u32], chance: &mut Chance) -> Vec<u32> {
    let mut order = nodes.to_vec();
    order.sort_by_key(|node| (Reverse(graph.neighbours(*node).len()), *node));
    let most = order.len().min(PIVOTS / 2);
    let (first, rest) = order.split_at_mut(most);
    chance.shuffle(rest);
    first.iter().chain(rest.iter().take(PIVOTS / 2)).copied().collect()
}
