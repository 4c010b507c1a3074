//! The order of distances against the order of big numbers.

use crate::big::{Big, BigPoint, big, pairs, positions};
use phalanx_geometry::{compare_distance, order_by_centrality};
use phalanx_types::agent::Position;
use proptest::prelude::*;
use std::{cmp::Ordering, collections::BTreeMap};

/// The order of two distances. What is exact about them are fractions with divisors below
/// 2^160: those nearer to each other than any two such fractions can be are equal.
fn order(a: &Big, b: &Big) -> Ordering {
    let least = (0..4).fold(big(1.0), |least, _| least / big((1u128 << 75) as f64));
    let apart = a - b;
    if apart > least {
        Ordering::Greater
    } else if -apart > least {
        Ordering::Less
    } else {
        Ordering::Equal
    }
}

/// Some positions, of which some are near one another, opposite or the same, so that there
/// are ties, and some are one unit apart across, which no float would tell.
fn members(x: &Position, y: &Position) -> impl Strategy<Value = Vec<(u16, Position)>> + use<> {
    let turned = Position(x.0.iter().rev().map(|c| -c).collect());
    let [at_0, at_1] = [0, 1].map(|first| {
        let mut place = x.clone();
        place.0[0] = first;
        place
    });
    let made = [x.clone(), y.clone(), turned, at_0, at_1];
    let others = prop::collection::vec(positions(x.0.len()), 0..6);
    (others, any::<[u16; 11]>()).prop_map(move |(others, ids)| {
        let all: BTreeMap<u16, Position> =
            ids.into_iter().zip(others.into_iter().chain(made.clone())).collect();
        all.into_iter().collect()
    })
}

fn centers(x: &Position) -> impl Strategy<Value = Position> + use<> {
    let dimension = x.0.len();
    prop_oneof![
        2 => positions(dimension),
        1 => Just(Position::origin(dimension)),
        1 => Just(x.clone()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn distances_are_compared_as_they_are(
        (center, members) in pairs().prop_flat_map(|(x, y)| (centers(&x), members(&x, &y))),
    ) {
        let c = BigPoint::of(&center);
        let truth: Vec<Big> = members.iter().map(|(_, x)| c.distance(&BigPoint::of(x))).collect();
        for ((_, x), a) in members.iter().zip(&truth) {
            for ((_, y), b) in members.iter().zip(&truth) {
                prop_assert_eq!(compare_distance(&center, x, y).unwrap(), order(a, b));
            }
        }
        let mut wanted: Vec<(&Big, u16)> = truth.iter().zip(members.iter().map(|(id, _)| *id)).collect();
        wanted.sort_by(|(a, i), (b, j)| order(a, b).then(i.cmp(j)));
        let wanted: Vec<u16> = wanted.into_iter().map(|(_, id)| id).collect();
        let mut shuffled = members.clone();
        shuffled.reverse();
        prop_assert_eq!(order_by_centrality(&center, &shuffled).unwrap(), wanted);
    }
}
