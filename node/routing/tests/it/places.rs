//! What a node makes of round trips and of what it is told.

use crate::mesh::{key, members};
use phalanx_geometry::routing::{Algorithm, Message, Step};
use phalanx_routing::{
    Places, Source,
    wire::{Told, ToldNeighbour},
};
use std::collections::BTreeMap;

/// `count` nodes that all measure one another, for so many rounds.
fn meet(count: u8, rounds: u64, round_trip_us: impl Fn(u8, u8) -> u32) -> BTreeMap<u8, Places> {
    let mut nodes: BTreeMap<u8, Places> =
        (1..=count).map(|n| (n, Places::new(key(n), members(count)).unwrap())).collect();
    for round in 1..=rounds {
        for a in 1..=count {
            for b in (1..=count).filter(|b| *b != a) {
                let told = nodes[&b].own_told().unwrap();
                let own = nodes.get_mut(&a).unwrap();
                own.connected(key(b));
                own.told(&key(b), Told::decode(&told.encode()).unwrap());
                own.measured(&key(b), round, round_trip_us(a, b)).unwrap();
            }
        }
    }
    nodes
}

#[test]
fn places_come_to_predict_what_was_measured() {
    let row = |a: u8, b: u8| u32::from(a.abs_diff(b)) * 30_000;
    let nodes = meet(6, 40, row);
    let comparison = nodes[&3].comparison().unwrap().unwrap();
    assert!(comparison.ball.median < 0.35, "{comparison}");
    for line in nodes[&3].table().iter().skip(1) {
        assert_eq!(line.source, Source::Linked);
        assert!(line.measured_us.is_some() && line.predicted_us.is_some() && line.error_ppm.is_some());
    }
}

#[test]
fn a_number_that_was_seen_teaches_nothing() {
    let mut nodes = meet(3, 1, |_, _| 20_000);
    let one = nodes.get_mut(&1).unwrap();
    let before = one.own_told().unwrap().place;
    one.measured(&key(2), 1, 90_000).unwrap();
    assert_eq!(one.own_told().unwrap().place, before);
    one.measured(&key(2), 2, 90_000).unwrap();
    assert_ne!(one.own_told().unwrap().place, before);
}

#[test]
fn nothing_is_kept_of_strangers_or_of_members_that_left() {
    let mut places = Places::new(key(1), members(3)).unwrap();
    let told = |keys: &[u8]| {
        let mut neighbours: Vec<ToldNeighbour> = keys
            .iter()
            .map(|n| ToldNeighbour {
                key: key(*n),
                place: members(3).homes[&key(3)].clone(),
                round_trip_us: 9,
            })
            .collect();
        neighbours.sort_by_key(|n| n.key);
        Told { neighbours, ..Places::new(key(2), members(3)).unwrap().own_told().unwrap() }
    };
    places.connected(key(9));
    assert_eq!(places.linked().count(), 0, "a stranger");
    places.connected(key(2));
    places.told(&key(2), told(&[3, 8, 9]));
    assert_eq!(places.place_of(&key(8)), None);
    assert_eq!(places.table().iter().map(|row| row.source).filter(|s| *s == Source::Told).count(), 1);
    let mut fewer = members(3);
    fewer.homes.remove(&key(3));
    places.set_members(fewer).unwrap();
    assert_eq!((places.table().len(), places.place_of(&key(3))), (2, None));
    places.set_members(members(1)).unwrap();
    assert_eq!(places.linked().count(), 0);
}

#[test]
fn a_peer_that_is_silent_is_not_sent_to_until_it_speaks() {
    let mut places = Places::new(key(1), members(2)).unwrap();
    places.connected(key(2));
    let next = |places: &Places| {
        let place = members(2).homes[&key(2)].clone();
        let message = Message::new(Algorithm::GreedyForwarding, key(1), key(2), place).unwrap();
        message.next(&places.view().unwrap()).unwrap()
    };
    assert!(matches!(next(&places), Step::Forward(..)), "a new link is used at once");
    places.silent(&key(2));
    assert!(!places.is_live(&key(2)) && matches!(next(&places), Step::GiveUp(_)));
    assert!(places.own_told().unwrap().neighbours.is_empty(), "nor is it told to others");
    places.told(&key(2), Places::new(key(2), members(2)).unwrap().own_told().unwrap());
    assert!(places.is_live(&key(2)) && matches!(next(&places), Step::Forward(..)));
}

#[test]
fn a_node_without_a_region_is_at_the_origin_and_works() {
    let places = Places::new(key(7), members(3)).unwrap();
    assert_eq!(places.table()[0].source, Source::Own);
    assert!(places.comparison().unwrap().is_none());
}
