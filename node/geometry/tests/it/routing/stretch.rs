//! Places from links and look-ahead together: ways are short.

use super::{Chance, Mesh, Tells, flow::arrive};
use phalanx_geometry::{
    graph::Graph,
    routing::{Algorithm, Message},
    topology::{Plan, embed},
};
use std::collections::BTreeSet;

/// A graph that grows by popularity: every new node links to two ends of random links.
fn scale_free(chance: &mut Chance, nodes: u32) -> Graph {
    let mut links = vec![(0, 1)];
    for node in 2..nodes {
        for _ in 0..2 {
            let (a, b) = links[chance.below(links.len())];
            links.push((node, if chance.below(2) == 0 { a } else { b }));
        }
    }
    Graph::new(nodes as usize, links)
}

/// The mean stretch over many pairs, all of which arrive.
fn stretch(mesh: &Mesh, algorithm: Algorithm) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0.0);
    for to in (0..mesh.graph.len() as u32).step_by(7) {
        let least = mesh.graph.hops_from(to);
        for from in (0..mesh.graph.len() as u32).step_by(11).filter(|from| *from != to) {
            let message = Message::new(algorithm, from, to, mesh.places[to as usize].clone()).unwrap();
            let most = message.hops_left;
            let hops = most - arrive(mesh, message, from).unwrap().hops_left;
            sum += f64::from(hops) / f64::from(least[from as usize].unwrap());
            pairs += 1.0;
        }
    }
    sum / pairs
}

#[test]
fn by_places_from_links_the_mean_way_is_at_most_six_hundredths_longer_than_the_shortest() {
    let mut chance = Chance(1);
    let graph = scale_free(&mut chance, 300);
    let places = embed(&graph, Plan { dimension: 16, ..Plan::default() }).unwrap();
    let random = (0..graph.len()).map(|_| chance.place(16)).collect();
    let (dead, cut) = (BTreeSet::new(), BTreeSet::new());
    let mut mesh = Mesh { graph, places, tells: Tells::Truth, dead, cut };
    for algorithm in Algorithm::ALL {
        let stretch = stretch(&mesh, algorithm);
        assert!((1.0..=1.06).contains(&stretch), "{}: {stretch}", algorithm.name());
    }
    mesh.places = random;
    let stretch = stretch(&mesh, Algorithm::GreedyForwarding);
    assert!(stretch > 1.2, "random places do it as well: {stretch}");
}
