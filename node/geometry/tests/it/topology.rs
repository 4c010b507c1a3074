//! Places from links alone.

use phalanx_geometry::{
    Ball, Curvature,
    graph::Graph,
    topology::{Plan, embed},
};

fn ring_of_stars(stars: u32, rays: u32) -> Graph {
    let ring = (0..stars).map(|s| (s, (s + 1) % stars));
    let all = ring.chain((0..stars).flat_map(|s| (0..rays).map(move |r| (s, stars + s * rays + r))));
    Graph::new((stars * (rays + 1)) as usize, all)
}

#[test]
fn the_same_graph_and_seed_give_the_same_places() {
    let graph = ring_of_stars(12, 5);
    let plan = Plan { routes_thousands: 2, ..Plan::default() };
    let places = embed(&graph, plan).unwrap();
    assert_eq!(places, embed(&graph, plan).unwrap());
    assert_ne!(places, embed(&graph, Plan { seed: 2, ..plan }).unwrap());
    assert!(places.len() == graph.len() && places.iter().all(|place| place.is_valid()));
}

#[test]
fn neighbours_are_nearer_than_strangers() {
    let graph = ring_of_stars(16, 4);
    let places = embed(&graph, Plan { routes_thousands: 8, ..Plan::default() }).unwrap();
    let ball = Ball::new(Curvature::ONE);
    let mean = |pairs: &[(u32, u32)]| {
        let sum: f64 = pairs
            .iter()
            .map(|(a, b)| ball.distance(&places[*a as usize], &places[*b as usize]).unwrap().to_f64())
            .sum();
        sum / pairs.len() as f64
    };
    let near: Vec<(u32, u32)> = graph.links().collect();
    let hops = graph.hops_from(0);
    let far: Vec<(u32, u32)> =
        (0u32..).zip(&hops).filter(|(_, h)| h.is_some_and(|h| h > 5)).map(|(n, _)| (0, n)).collect();
    assert!(!far.is_empty() && mean(&near) * 2.0 < mean(&far), "{} {}", mean(&near), mean(&far));
}

#[test]
fn graphs_without_inside_and_dimensions_that_are_none_are_no_trouble() {
    for graph in [
        Graph::new(0, []),
        Graph::new(1, []),
        Graph::new(2, [(0, 1)]),
        Graph::new(4, [(0, 1), (1, 2), (2, 3)]),
    ] {
        assert_eq!(embed(&graph, Plan::default()).unwrap().len(), graph.len());
    }
    assert!(embed(&Graph::new(2, [(0, 1)]), Plan { dimension: 1, ..Plan::default() }).is_err());
}
