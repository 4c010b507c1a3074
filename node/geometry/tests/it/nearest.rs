//! The index against a list that compares everything.

use crate::big::positions;
use phalanx_geometry::{Error, Point, Reach, compare_distance, nearest::Index};
use phalanx_types::agent::Position;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Change {
    Put(u16, Position),
    Nudge(u16),
    Take(u16),
}

/// Places of which several are the same, so that there are ties.
fn places(dimension: usize) -> impl Strategy<Value = Position> + Clone {
    prop_oneof![
        3 => positions(dimension),
        1 => (prop::collection::vec(-2i64..=2, dimension), 0..35)
            .prop_map(|(x, bits)| Position(x.iter().map(|x| x << bits).collect())),
    ]
}

fn changes(dimension: usize) -> impl Strategy<Value = Vec<Change>> {
    let id = 0u16..300;
    let change = prop_oneof![
        6 => (id.clone(), places(dimension)).prop_map(|(id, x)| Change::Put(id, x)),
        2 => id.clone().prop_map(Change::Nudge),
        3 => id.prop_map(Change::Take),
    ];
    prop::collection::vec(change, 0..600)
}

fn nearest_by_force(all: &BTreeMap<u16, Position>, center: &Position, k: usize) -> Vec<u16> {
    let mut order: Vec<_> = all.iter().collect();
    order.sort_by(|a, b| compare_distance(center, a.1, b.1).unwrap().then(a.0.cmp(b.0)));
    order.into_iter().take(k).map(|(id, _)| *id).collect()
}

fn within_by_force(all: &BTreeMap<u16, Position>, center: &Position, reach: Reach) -> Vec<u16> {
    all.iter().filter(|(_, x)| reach.holds(x, center).unwrap()).map(|(id, _)| *id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn answers_are_those_of_comparing_every_point(
        (changes, centers) in prop_oneof![Just(2usize), Just(3), Just(20)]
            .prop_flat_map(|d| (changes(d), prop::collection::vec(places(d), 6))),
        k in 0usize..40,
        reach in prop_oneof![0u128..1 << 40, 0u128..1 << 80],
    ) {
        let dimension = centers[0].0.len();
        let mut index = Index::new(dimension).unwrap();
        let mut model = BTreeMap::new();
        let reach = Reach::from_raw(reach).unwrap();
        let check = |index: &Index<u16>, model: &BTreeMap<u16, Position>| -> Result<(), TestCaseError> {
            for center in &centers {
                prop_assert_eq!(index.nearest(center, k).unwrap(), nearest_by_force(model, center, k));
                prop_assert_eq!(index.within(center, reach).unwrap(), within_by_force(model, center, reach));
            }
            Ok(())
        };
        for (step, change) in changes.into_iter().enumerate() {
            match change {
                Change::Put(id, x) => {
                    index.insert(id, &x).unwrap();
                    model.insert(id, x);
                }
                Change::Nudge(id) => {
                    if let Some(x) = model.get_mut(&id) {
                        x.0[0] -= x.0[0].signum();
                        index.insert(id, x).unwrap();
                    }
                }
                Change::Take(id) => prop_assert_eq!(index.remove(&id), model.remove(&id).is_some()),
            }
            prop_assert_eq!(index.len(), model.len());
            if step % 97 == 0 {
                check(&index, &model)?;
            }
        }
        check(&index, &model)?;
        for (id, x) in &model {
            prop_assert_eq!(index.position(id), Some(x.clone()));
        }
        let built = Index::build(dimension, model.iter().map(|(id, x)| (*id, x))).unwrap();
        check(&built, &model)?;
    }
}

#[test]
fn points_at_one_place_are_told_apart_by_id() {
    let here = Position(vec![1 << 39, 0]);
    let mut index = Index::new(2).unwrap();
    for id in (0..500u32).rev() {
        index.insert(id, &here).unwrap();
    }
    assert_eq!(index.nearest(&Position(vec![0, 0]), 3), Ok(vec![0, 1, 2]));
    assert_eq!(index.within(&here, Reach::from_raw(0).unwrap()).unwrap().len(), 500);
    for id in 0..499 {
        assert!(index.remove(&id));
    }
    assert_eq!(index.nearest(&here, 9), Ok(vec![499]));
    assert!(index.remove(&499) && index.is_empty() && !index.remove(&499));
    assert_eq!(index.nearest(&here, 9), Ok(vec![]));
}

#[test]
fn one_unit_decides_at_the_edge() {
    // Next to radius 18 neighbours differ in the last of 40 bits.
    let edge = Point::at(&[3.0, 4.0], 17.9).unwrap().to_position().unwrap();
    let mut index = Index::new(2).unwrap();
    for id in 0..100u32 {
        index.insert(id, &Position(vec![edge.0[0] - i64::from(id), edge.0[1]])).unwrap();
    }
    for id in [0u32, 1, 50, 99] {
        let found = index.nearest(&Position(vec![edge.0[0] - i64::from(id), edge.0[1]]), 1);
        assert_eq!(found, Ok(vec![id]));
    }
}

#[test]
fn what_does_not_belong_is_refused() {
    let mut index = Index::new(2).unwrap();
    assert_eq!(
        index.insert(1, &Position(vec![0; 3])),
        Err(Error::DimensionMismatch { expected: 2, found: 3 })
    );
    assert_eq!(index.insert(1, &Position(vec![1 << 40, 0])), Err(Error::OutsideBall));
    assert!(index.is_empty());
    assert!(Index::<u8>::new(1).is_err());
}
