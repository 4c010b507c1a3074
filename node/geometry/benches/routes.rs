//! Routes over the Internet's autonomous systems of 2 January 2000 (the largest
//! connected part): how many messages arrive and how much longer their way is than the
//! shortest, for each algorithm, with all nodes and with a tenth of them gone.
//!
//! The file is named by `PHALANX_AS_GRAPH`: lines of two numbers, `#` begins a comment.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use phalanx_geometry::{
    graph::Graph,
    routing::{Algorithm, Message, Neighbour, Step},
    topology::{Plan, embed},
};
use phalanx_types::agent::Position;
use std::time::Instant;

const PAIRS: usize = 100_000;
const TARGETS: usize = 500;
const GOAL_STRETCH: f64 = 1.06;

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 11) as u128 * n as u128) >> 53) as usize
    }
}

/// One message's way; its hops when it arrived.
fn way(graph: &Graph, places: &[Position], algorithm: Algorithm, from: u32, to: u32) -> Option<u32> {
    let mut message = Message::new(algorithm, from, to, places[to as usize].clone()).unwrap();
    let (mut at, mut hops) = (from, 0);
    loop {
        let neighbours: Vec<Neighbour<'_, u32>> = graph
            .neighbours(at)
            .iter()
            .map(|id| Neighbour { id: *id, position: &places[*id as usize], load_ppm: 0 })
            .collect();
        match message.next(at, &places[at as usize], &neighbours).unwrap() {
            Step::Deliver => return Some(hops),
            Step::Forward(next, changed) => {
                (at, message) = (next, changed);
                hops += 1;
            }
            Step::GiveUp(_) => return None,
        }
    }
}

fn measure(what: &str, graph: &Graph, places: &[Position], algorithm: Algorithm) {
    let mut chance = Chance(7);
    let (mut pairs, mut arrived, mut stretch, mut shortest, mut longest) = (0u32, 0u32, 0.0, 0u32, 0);
    let began = Instant::now();
    for _ in 0..TARGETS {
        let to = chance.below(graph.len()) as u32;
        let hops = graph.hops_from(to);
        for _ in 0..PAIRS / TARGETS {
            let from = chance.below(graph.len()) as u32;
            let Some(least) = hops[from as usize].filter(|hops| *hops > 0) else { continue };
            pairs += 1;
            let Some(taken) = way(graph, places, algorithm, from, to) else { continue };
            arrived += 1;
            stretch += f64::from(taken) / f64::from(least);
            shortest += u32::from(taken == least);
            longest = longest.max(taken);
        }
    }
    let stretch = stretch / f64::from(arrived.max(1));
    println!(
        "{:22} {what:20} {arrived} of {pairs} joined pairs delivered, mean stretch {stretch:.4} (goal {GOAL_STRETCH}, ratio {:.2}), {:.1} % on a shortest path, longest way {longest}, {:.1} us a message",
        algorithm.name(),
        GOAL_STRETCH / stretch,
        100.0 * f64::from(shortest) / f64::from(pairs.max(1)),
        began.elapsed().as_secs_f64() * 1e6 / f64::from(pairs.max(1)),
    );
}

fn main() {
    let Some(file) = std::env::var_os("PHALANX_AS_GRAPH") else {
        println!("routes over autonomous systems: not measured (name the graph's file by PHALANX_AS_GRAPH)");
        return;
    };
    let text = std::fs::read_to_string(file).unwrap();
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let links: Vec<(u32, u32)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t').and_then(|(a, b)| Some((number(a)?, number(b)?))))
        .collect();
    let nodes = links.iter().map(|(a, b)| a.max(b) + 1).max().unwrap_or(0) as usize;
    let (graph, _) = Graph::new(nodes, links).largest_component();
    let began = Instant::now();
    let plan = Plan::default();
    let places = embed(&graph, plan).unwrap();
    println!(
        "{} nodes, {} links, embedded in {} dimensions in {:.1} s",
        graph.len(),
        graph.links().count(),
        plan.dimension,
        began.elapsed().as_secs_f64()
    );
    let mut chance = Chance(11);
    let gone: Vec<bool> = (0..graph.len()).map(|_| chance.below(10) == 0).collect();
    let damaged = graph.without(|node| gone[node as usize]);
    for algorithm in Algorithm::ALL {
        measure("all nodes", &graph, &places, algorithm);
        measure("a tenth gone", &damaged, &places, algorithm);
    }
}
