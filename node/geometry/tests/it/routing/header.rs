//! Headers from strangers: refused, or they end.

use super::{Chance, Mesh};
use phalanx_geometry::routing::{
    Algorithm, BadMessage, HEADER_BYTES_MAX, HOPS_MAX, Message, PATH_MAX, Step, TRAIL_MAX, Visit,
};
use phalanx_types::{
    agent::Position,
    codec::{DecodeError, encode},
};
use proptest::{collection::vec, prelude::*};

#[test]
fn nobody_can_make_a_message_that_holds_more_than_it_may() {
    let mut chance = Chance(3);
    let mesh = Mesh::new(&mut chance, 60);
    let position = mesh.places[1].clone();
    let honest = Message::new(Algorithm::GreedyForwarding, 0, 1, position.clone()).unwrap();
    let with = |change: &dyn Fn(&mut Message<u32>)| {
        let mut message = honest.clone();
        change(&mut message);
        message
    };
    let too_many = |what| matches!(what, Err(BadMessage::TooMany { .. }));
    assert!(too_many(with(&|m| m.hops_left = HOPS_MAX + 1).check()));
    assert!(too_many(with(&|m| m.trail = vec![Visit { node: 9, from: 0 }; TRAIL_MAX + 1]).check()));
    assert!(too_many(with(&|m| m.avoid = vec![9; PATH_MAX + 1]).check()));
    assert!(too_many(with(&|m| m.plan = vec![9; PATH_MAX + 1]).check()));
    assert_eq!(with(&|m| m.at = 1).check(), Err(BadMessage::BrokenTrail));
    let circle = vec![Visit { node: 0, from: 0 }, Visit { node: 1, from: 1 }];
    assert_eq!(with(&|m| m.trail = circle.clone()).check(), Err(BadMessage::BrokenTrail));
    assert!(matches!(
        with(&|m| m.position = Position(vec![i64::MAX, 0])).check(),
        Err(BadMessage::Position(_))
    ));
}

/// A message that passes the check and else is anything.
fn any_message(nodes: u32) -> impl Strategy<Value = Message<u32>> {
    let ids = move |max: usize| vec(0..nodes + 3, 0..max);
    let trail = vec((0..nodes + 3, any::<u16>()), 1..60);
    (0..3_usize, 0..nodes, 0..=HOPS_MAX, any::<bool>(), trail, any::<u16>(), ids(20), ids(20)).prop_map(
        |(algorithm, target, hops_left, is_thorough, trail, at, plan, avoid)| {
            let at = at % trail.len() as u16;
            let visit = |(i, (node, from)): (usize, (u32, u16))| Visit { node, from: from % i.max(1) as u16 };
            let trail = trail.into_iter().enumerate().map(visit).collect();
            let algorithm = Algorithm::ALL[algorithm];
            let position = Position(vec![1 << 38, -(1 << 38)]);
            Message { algorithm, target, position, hops_left, is_thorough, trail, at, plan, avoid }
        },
    )
}

#[test]
fn a_header_is_decoded_whole_or_not_at_all() {
    let mut chance = Chance(3);
    let mesh = Mesh::new(&mut chance, 60);
    let message = Message::new(Algorithm::GradientFlow, 0, 1, mesh.places[1].clone()).unwrap();
    let bytes = message.encode();
    assert_eq!(Message::decode(&bytes), Ok(message.clone()));
    for len in 0..bytes.len() {
        assert!(matches!(Message::<u32>::decode(&bytes[..len]), Err(BadMessage::Encoding(_))), "{len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(Message::<u32>::decode(&longer), Err(BadMessage::Encoding(_))));
    let huge = vec![0; HEADER_BYTES_MAX + 1];
    let too_long = Message::<u32>::decode(&huge);
    assert!(matches!(too_long, Err(BadMessage::Encoding(DecodeError::TooLong { .. }))));
    let many = Message { plan: vec![0; PATH_MAX + 1], ..message };
    assert!(matches!(Message::<u32>::decode(&encode(&many)), Err(BadMessage::TooMany { .. })));
}

#[test]
fn the_largest_header_of_long_ids_fits() {
    let id = [255_u8; 32];
    let trail: Vec<Visit<[u8; 32]>> = (0..TRAIL_MAX).map(|_| Visit { node: id, from: 0 }).collect();
    let (plan, avoid) = (vec![id; PATH_MAX], vec![id; PATH_MAX]);
    let position = Position(vec![0; phalanx_geometry::DIMENSION_MAX]);
    let message = Message::new(Algorithm::GreedyForwarding, id, id, position).unwrap();
    let message = Message { trail, plan, avoid, ..message };
    assert_eq!(Message::decode(&message.encode()), Ok(message));
}

proptest! {
    #[test]
    fn random_bytes_are_no_header(bytes in vec(any::<u8>(), 0..2_000)) {
        if let Ok(message) = Message::<u32>::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn a_header_with_a_changed_byte_is_refused_or_another(
        message in any_message(50), at in any::<prop::sample::Index>(), by in 1..=255_u8,
    ) {
        let mut bytes = message.encode();
        prop_assert_eq!(Message::decode(&bytes), Ok(message.clone()));
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        if let Ok(other) = Message::<u32>::decode(&bytes) {
            prop_assert_ne!(other, message);
        }
    }

    #[test]
    fn whatever_a_header_says_it_ends_within_its_hops(
        seed in any::<u64>(), message in any_message(60), at in 0..60_u32,
    ) {
        let mut chance = Chance(seed);
        let mut mesh = Mesh::new(&mut chance, 60);
        for place in &mut mesh.places {
            *place = chance.place(2);
        }
        message.check().unwrap();
        let (mut at, mut message, mut hops) = (at % mesh.graph.len() as u32, message, 0);
        let most = message.hops_left;
        while let Step::Forward(next, changed) = mesh.next(&message, at, |_| 0) {
            prop_assert!(changed.check().is_ok() && changed.hops_left < message.hops_left);
            (at, message) = (next, changed);
            hops += 1;
        }
        prop_assert!(hops <= most);
    }
}
