//! What a node knows, and what follows from it: look-ahead, congestion, failed links.

use super::{Chance, Mesh, Tells};
use phalanx_geometry::{
    Error,
    graph::Graph,
    routing::{Algorithm, Message, NEIGHBOURS_MAX, Neighbour, Step, View},
};
use phalanx_types::agent::Position;
use std::collections::BTreeSet;

#[test]
fn congestion_lengthens_the_way_and_the_flow_takes_another_one() {
    // A square: from 0 to 3 over 1, which is nearer, or over 2.
    let at = |x: i64, y: i64| Position(vec![x << 36, y << 36]);
    let mesh = Mesh {
        graph: Graph::new(4, [(0, 1), (0, 2), (1, 3), (2, 3)]),
        places: vec![at(-8, 0), at(0, 1), at(0, -2), at(8, 0)],
        tells: Tells::Truth,
        dead: BTreeSet::new(),
        cut: BTreeSet::new(),
    };
    let message = |algorithm| Message::new(algorithm, 0, 3, mesh.places[3].clone()).unwrap();
    let first =
        |algorithm, full: u32| match mesh.next(&message(algorithm), 0, |id| if id == 1 { full } else { 0 }) {
            Step::Forward(next, _) => next,
            other => panic!("{other:?}"),
        };
    assert_eq!(first(Algorithm::GradientFlow, 0), 1);
    assert_eq!(first(Algorithm::GradientFlow, 900_000), 2);
    assert_eq!(first(Algorithm::GreedyForwarding, 900_000), 1);
}

#[test]
fn a_link_that_fails_or_fills_up_changes_the_view() {
    let mut chance = Chance(11);
    let mesh = Mesh { tells: Tells::Truth, ..Mesh::new(&mut chance, 40) };
    let at = (0..mesh.graph.len() as u32).max_by_key(|n| mesh.graph.neighbours(*n).len()).unwrap();
    let target = (0..mesh.graph.len() as u32).find(|n| *n != at && !mesh.live(at).contains(n)).unwrap();
    let place = mesh.places[target as usize].clone();
    let message = Message::new(Algorithm::GradientFlow, at, target, place).unwrap();
    let mut view = mesh.view(at, |_| 0);
    let mut left = BTreeSet::from_iter(mesh.live(at));
    // Each neighbour is full as soon as it was chosen: another one is.
    let Step::Forward(first, _) = message.next(&view).unwrap() else { panic!() };
    view.set_load(first, u32::MAX);
    assert!(!matches!(message.next(&view).unwrap(), Step::Forward(to, _) if to == first));
    // Each neighbour fails as soon as it was chosen: all are tried, and no other.
    while let Step::Forward(to, _) = message.next(&view).unwrap() {
        assert!(view.is_linked(to) && left.remove(&to));
        view.cut(to);
    }
    assert!(left.is_empty(), "{left:?} were not tried");
}

#[test]
fn two_hops_are_looked_ahead() {
    // 1 is nearer to 4 than 2 is, but the neighbour of 2 is nearest.
    let at = |x: i64, y: i64| Position(vec![x << 36, y << 36]);
    let mesh = Mesh {
        graph: Graph::new(6, [(0, 1), (0, 2), (1, 5), (2, 3), (3, 4), (5, 4)]),
        places: vec![at(-8, 0), at(0, 0), at(-8, 8), at(7, 1), at(8, 0), at(-2, -8)],
        tells: Tells::Truth,
        dead: BTreeSet::new(),
        cut: BTreeSet::new(),
    };
    let message = Message::new(Algorithm::GreedyForwarding, 0, 4, mesh.places[4].clone()).unwrap();
    assert!(matches!(mesh.next(&message, 0, |_| 0), Step::Forward(2, _)));
    let silent = Mesh { tells: Tells::Nothing, ..mesh };
    assert!(matches!(silent.next(&message, 0, |_| 0), Step::Forward(1, _)));
}

#[test]
fn what_a_neighbour_tells_cannot_break_a_view_and_what_it_is_can() {
    let place = Position(vec![0, 0]);
    let view = |position: &Position, told: &Position| {
        let neighbours = vec![(7, told); 2 * NEIGHBOURS_MAX];
        View::new(0_u32, &place, &[Neighbour { id: 1, position, load_ppm: 0, neighbours }])
    };
    let (flat, deep) = (Position(vec![1 << 41, 0]), Position(vec![0, 0, 0]));
    for told in [&place, &flat, &deep] {
        let message = Message::new(Algorithm::GreedyForwarding, 0, 9, place.clone()).unwrap();
        let step = message.next(&view(&place, told).unwrap()).unwrap();
        assert!(matches!(step, Step::Forward(1, _)));
    }
    let refused = |position| view(position, &place).unwrap_err();
    assert_eq!(refused(&flat), Error::OutsideBall);
    assert_eq!(refused(&deep), Error::DimensionMismatch { expected: 2, found: 3 });
    let many: Vec<Neighbour<'_, u32>> = (1..=NEIGHBOURS_MAX as u32 + 1)
        .map(|id| Neighbour { id, position: &place, load_ppm: 0, neighbours: Vec::new() })
        .collect();
    assert!(matches!(View::new(0, &place, &many), Err(Error::PartCount { .. })));
}
