//! Loads that follow from the traffic so far: `gradient_flow` spreads it.

use super::{Chance, Mesh, Tells, pair};
use phalanx_geometry::{
    routing::{Algorithm, Message, Step},
    topology::{Plan, embed},
};
use std::collections::BTreeMap;

/// Messages after which a link is full.
const CAPACITY: u32 = 10;
const MESSAGES: usize = 400;

/// How many of the messages the busiest link carries. Each link is as full as what it
/// carried before makes it.
fn largest_load(mesh: &Mesh, algorithm: Algorithm, pairs: &[(u32, u32)]) -> u32 {
    let mut carried: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for (from, to) in pairs {
        let mut at = *from;
        let mut message = Message::new(algorithm, at, *to, mesh.places[*to as usize].clone()).unwrap();
        loop {
            let load =
                |id| carried.get(&pair(at, id)).map_or(0, |messages| messages * (1_000_000 / CAPACITY));
            match mesh.next(&message, at, load) {
                Step::Forward(next, changed) => {
                    *carried.entry(pair(at, next)).or_default() += 1;
                    (at, message) = (next, changed);
                }
                step => {
                    assert_eq!(step, Step::Deliver);
                    break;
                }
            }
        }
    }
    carried.values().max().copied().unwrap_or(0)
}

#[test]
fn where_loads_follow_the_traffic_gradient_flow_leaves_less_on_the_busiest_link() {
    let (mut greedy, mut gradient) = (0, 0);
    for seed in 0..20 {
        let mut chance = Chance(seed);
        let mut mesh = Mesh { tells: Tells::Truth, ..Mesh::new(&mut chance, 60) };
        mesh.places = embed(&mesh.graph, Plan { dimension: 8, seed: 1, rounds: 20 }).unwrap();
        let mut node = || chance.below(mesh.graph.len()) as u32;
        let pairs: Vec<(u32, u32)> = (0..MESSAGES).map(|_| (node(), node())).collect();
        greedy += largest_load(&mesh, Algorithm::GreedyForwarding, &pairs);
        gradient += largest_load(&mesh, Algorithm::GradientFlow, &pairs);
    }
    // Links without which a graph falls apart carry the same whoever chooses.
    assert!(gradient * 100 < greedy * 93, "{gradient} of {greedy}");
}
