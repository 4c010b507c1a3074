//! Places from links alone.

use phalanx_geometry::{
    Ball, Curvature, Error,
    graph::Graph,
    placing::WANTED_MAX,
    topology::{NODES_MAX, Plan, embed},
};
use phalanx_types::{Hash, agent::Position};

const SMALL: Plan = Plan { dimension: 8, seed: 1, rounds: 20 };

/// A ring of hubs, each with leaves.
fn ring_of_stars(hubs: u32, leaves: u32) -> Graph {
    let ring = (0..hubs).map(|hub| (hub, (hub + 1) % hubs));
    let all = ring.chain((0..hubs).flat_map(|hub| (0..leaves).map(move |i| (hub, hubs + hub * leaves + i))));
    Graph::new((hubs * (leaves + 1)) as usize, all)
}

/// A tree in which every node has so many children.
fn tree(nodes: u32, children: u32) -> Graph {
    Graph::new(nodes as usize, (1..nodes).map(|node| (node, (node - 1) / children)))
}

fn grid(side: u32) -> Graph {
    let at = move |x: u32, y: u32| y * side + x;
    let links = (0..side)
        .flat_map(move |y| (1..side).flat_map(move |x| [(at(x - 1, y), at(x, y)), (at(y, x - 1), at(y, x))]));
    Graph::new((side * side) as usize, links)
}

fn distance(places: &[Position], a: u32, b: u32) -> f64 {
    Ball::new(Curvature::ONE).distance(&places[a as usize], &places[b as usize]).unwrap().to_f64()
}

/// Ranks from 0, the mean one for equals.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for equals in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        let before = values.iter().filter(|v| **v < values[equals[0]]).count();
        equals.iter().for_each(|i| ranks[*i] = before as f64 + (equals.len() - 1) as f64 / 2.0);
    }
    ranks
}

/// Spearman's correlation of distances and hops over all pairs.
fn rank_correlation(graph: &Graph, places: &[Position]) -> f64 {
    let (mut distances, mut hops) = (Vec::new(), Vec::new());
    for a in 0..graph.len() as u32 {
        for (b, far) in (0u32..).zip(graph.hops_from(a)).skip(a as usize + 1) {
            distances.push(distance(places, a, b));
            hops.push(f64::from(far.unwrap()));
        }
    }
    let (x, y) = (ranks(&distances), ranks(&hops));
    let mean = (x.len() - 1) as f64 / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    product(&x, &y) / (product(&x, &x) * product(&y, &y)).sqrt()
}

#[test]
fn places_depend_on_the_graph_and_the_seed_alone() {
    let graph = ring_of_stars(12, 5);
    let places = embed(&graph, SMALL).unwrap();
    assert_eq!(places, embed(&graph, SMALL).unwrap());
    assert_ne!(places, embed(&graph, Plan { seed: 2, ..SMALL }).unwrap());
    // The same bits on every machine: whoever changes them moves all nodes of all meshes.
    let hash = Hash::of_value("places", &places).to_string();
    assert_eq!(hash, "13026a0b131b043e7d530ad510f6994f1f73047231b0e2bc04a6951f2ca146bf");
}

#[test]
fn nodes_do_not_fall_together_and_farther_is_more_hops() {
    for (name, graph, least) in [
        ("stars", ring_of_stars(16, 5), 0.9),
        ("tree", tree(121, 3), 0.9),
        ("grid", grid(10), 0.9),
        ("path", tree(150, 1), 0.9),
    ] {
        let places = embed(&graph, SMALL).unwrap();
        assert!(places.iter().all(Position::is_valid));
        let widest = (0..graph.len() as u32).flat_map(|a| graph.hops_from(a)).flatten().max().unwrap();
        let hop = (WANTED_MAX / f64::from(widest)).min(1.0);
        for a in 0..graph.len() as u32 {
            for b in 0..a {
                assert!(distance(&places, a, b) > hop / 10.0, "{name}: {a} and {b} are at one place");
            }
        }
        let correlation = rank_correlation(&graph, &places);
        assert!(correlation > least, "{name}: rank correlation {correlation}");
    }
}

#[test]
fn graphs_and_plans_that_are_none_are_refused() {
    let plan = |dimension| Plan { dimension, ..SMALL };
    let pair = Graph::new(2, [(0, 1)]);
    assert_eq!(embed(&pair, plan(1)), Err(Error::Dimension { found: 1 }));
    assert_eq!(embed(&pair, plan(1025)), Err(Error::Dimension { found: 1025 }));
    let apart = Graph::new(5, [(0, 1), (1, 2), (3, 4)]);
    assert_eq!(embed(&apart, SMALL), Err(Error::Scattered { reached: 3, nodes: 5 }));
    let large = tree(NODES_MAX as u32 + 1, 2);
    assert!(matches!(embed(&large, SMALL), Err(Error::PartCount { .. })));
}

#[test]
fn the_smallest_graphs_have_places() {
    assert_eq!(embed(&Graph::new(0, []), SMALL), Ok(Vec::new()));
    assert_eq!(embed(&Graph::new(1, []), SMALL).unwrap().len(), 1);
    let places = embed(&Graph::new(2, [(0, 1)]), Plan { dimension: 2, ..SMALL }).unwrap();
    assert!((distance(&places, 0, 1) - 1.0).abs() < 1e-3);
    assert_eq!(embed(&tree(7, 2), Plan { rounds: 0, ..SMALL }).unwrap().len(), 7);
}
