//! The index against a list that compares everything.

use crate::big::{boundary, positions};
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

fn changes(dimension: usize, changes_max: usize) -> impl Strategy<Value = Vec<Change>> {
    let id = 0u16..300;
    let change = prop_oneof![
        6 => (id.clone(), places(dimension)).prop_map(|(id, x)| Change::Put(id, x)),
        2 => id.clone().prop_map(Change::Nudge),
        3 => id.prop_map(Change::Take),
    ];
    prop::collection::vec(change, 0..changes_max)
}

fn nearest_by_force(all: &BTreeMap<u16, Position>, center: &Position, k: usize) -> Vec<u16> {
    let mut order: Vec<_> = all.iter().collect();
    order.sort_by(|a, b| compare_distance(center, a.1, b.1).unwrap().then(a.0.cmp(b.0)));
    order.into_iter().take(k).map(|(id, _)| *id).collect()
}

fn within_by_force(all: &BTreeMap<u16, Position>, center: &Position, reach: Reach) -> Vec<u16> {
    all.iter().filter(|(_, x)| reach.holds(x, center).unwrap()).map(|(id, _)| *id).collect()
}

/// Runs changes against the list, and compares all answers now and then.
fn compare(changes: Vec<Change>, centers: &[Position], k: usize, reach: Reach) -> Result<(), TestCaseError> {
    let dimension = centers[0].0.len();
    let mut index = Index::new(dimension).unwrap();
    let mut model = BTreeMap::new();
    let check = |index: &Index<u16>, model: &BTreeMap<u16, Position>| -> Result<(), TestCaseError> {
        for (turn, center) in centers.iter().enumerate() {
            prop_assert_eq!(index.nearest(center, k).unwrap(), nearest_by_force(model, center, k));
            // Beside the reach, those at which a member begins to be within.
            let members = model.values().skip(turn * model.len() / centers.len()).take(1);
            let edges = members.map(|x| boundary(x, center).0);
            let around = edges.flat_map(|m| [m.saturating_sub(1), m, m + 1]);
            for reach in around.filter_map(|m| Reach::from_raw(m).ok()).chain([reach]) {
                prop_assert_eq!(index.within(center, reach).unwrap(), within_by_force(model, center, reach));
            }
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
    check(&built, &model)
}

fn reaches() -> impl Strategy<Value = Reach> {
    prop_oneof![0u128..1 << 40, 0u128..1 << 80].prop_map(|m| Reach::from_raw(m).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn answers_are_those_of_comparing_every_point(
        (changes, centers) in prop_oneof![Just(2usize), Just(3), Just(20)]
            .prop_flat_map(|d| (changes(d, 600), prop::collection::vec(places(d), 6))),
        k in 0usize..40,
        reach in reaches(),
    ) {
        compare(changes, &centers, k, reach)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn and_so_they_are_where_coordinates_are_added_in_blocks(
        (changes, centers) in prop_oneof![Just(40usize), Just(64)]
            .prop_flat_map(|d| (changes(d, 200), prop::collection::vec(places(d), 3))),
        k in 0usize..40,
        reach in reaches(),
    ) {
        compare(changes, &centers, k, reach)?;
    }
}

/// A small generator whose numbers never change.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 11) as u128 * n as u128) >> 53) as usize
    }

    /// A place on a grid so coarse that many share one, and that many are equally far.
    fn on_grid(&mut self) -> Position {
        loop {
            let place = Position((0..3).map(|_| (self.below(127) as i64 - 63) << 34).collect());
            if place.is_valid() {
                return place;
            }
        }
    }
}

#[test]
#[ignore = "slow: a million points, and every one compared with each of twenty centres"]
fn a_million_points_that_come_move_and_leave_are_found_as_by_comparing_every_one_slow() {
    const POINTS: usize = 1_000_000;
    const CHANGES: usize = 50_000;
    let mut chance = Chance(1);
    let mut model: Vec<Option<Position>> = (0..POINTS).map(|_| Some(chance.on_grid())).collect();
    let points = |model: &[Option<Position>]| -> Vec<(u32, Position)> {
        (0u32..).zip(model).filter_map(|(id, x)| Some((id, x.clone()?))).collect()
    };
    let mut index = Index::build(3, points(&model).iter().map(|(id, x)| (*id, x))).unwrap();
    for _ in 0..CHANGES {
        let x = chance.on_grid();
        index.insert(model.len() as u32, &x).unwrap();
        model.push(Some(x));
    }
    for _ in 0..CHANGES {
        let (id, x) = (chance.below(model.len()), chance.on_grid());
        index.insert(id as u32, &x).unwrap();
        model[id] = Some(x);
    }
    for _ in 0..CHANGES {
        let id = chance.below(model.len());
        assert_eq!(index.remove(&(id as u32)), model[id].take().is_some());
    }
    let all = points(&model);
    assert_eq!(index.len(), all.len());
    let mut ties = 0;
    for turn in 0..20 {
        // On the grid and off it, where the order is that of one unit.
        let mut center = chance.on_grid();
        center.0[0] += turn % 2;
        let k = 1 + chance.below(200);
        // Those that are no further than the last of the nearest so far.
        let mut nearest: Vec<&(u32, Position)> = Vec::new();
        for point in &all {
            let is_before = |other: &&(u32, Position)| {
                let order = compare_distance(&center, &other.1, &point.1).unwrap();
                order.then(other.0.cmp(&point.0)).is_lt()
            };
            if nearest.len() < k || !nearest.last().is_some_and(is_before) {
                nearest.insert(nearest.partition_point(is_before), point);
                nearest.truncate(k);
            }
        }
        let ids: Vec<u32> = nearest.iter().map(|(id, _)| *id).collect();
        assert_eq!(index.nearest(&center, k).unwrap(), ids);
        let is_tie =
            |pair: &[&(u32, Position)]| compare_distance(&center, &pair[0].1, &pair[1].1).unwrap().is_eq();
        ties += nearest.windows(2).filter(|pair| is_tie(pair)).count();
        // As far as the last of them, exactly where it begins to be within.
        let edge = boundary(&nearest[k - 1].1, &center).0;
        let reach = Reach::from_raw(edge + u128::from(turn % 3 > 0)).unwrap();
        let within: Vec<u32> =
            (all.iter().filter(|(_, x)| reach.holds(x, &center).unwrap())).map(|(id, _)| *id).collect();
        assert_eq!(index.within(&center, reach).unwrap(), within);
    }
    assert!(ties > 500, "only {ties} neighbours in order are equally far");
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
