//! The weighted mean against big numbers, and as a sum that never drifts.

use crate::big::{Big, BigPoint, big, float, positions};
use phalanx_geometry::{Error, MEAN_WEIGHT_MAX, Mean};
use phalanx_types::agent::Position;
use proptest::prelude::*;

/// The gyromidpoint: ½ ⊗ (Σ w λ x / Σ w(λ − 1)), with λ = 2/gap.
fn textbook(members: &[(Position, u64)]) -> BigPoint {
    let dimension = members[0].0.0.len();
    let mut above = BigPoint(vec![big(0.0); dimension]);
    let mut below = big(0.0);
    for (position, weight) in members {
        let x = BigPoint::of(position);
        let lambda: Big = big(2.0) / x.gap();
        above = above.plus(&x.times(&(big(*weight as f64) * &lambda)));
        below += big(*weight as f64) * (lambda - big(1.0));
    }
    above.times(&(big(1.0) / below)).scaled(&big(0.5))
}

fn members() -> impl Strategy<Value = Vec<(Position, u64)>> {
    prop_oneof![Just(2usize), Just(8)].prop_flat_map(|dimension| {
        let weight = prop_oneof![1u64..1 << 20, Just(1u64)];
        prop::collection::vec((positions(dimension), weight), 1..12)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn it_is_the_gyromidpoint_as_near_as_stated(members in members()) {
        let dimension = members[0].0.0.len();
        let mut mean = Mean::new(dimension).unwrap();
        for (position, weight) in &members {
            mean.insert(position, *weight).unwrap();
        }
        let truth = textbook(&members);
        let found = mean.position().unwrap();
        let wrong = float(&BigPoint::of(&found).distance(&truth));
        let outermost = members.iter().map(|(x, _)| float(&BigPoint::of(x).gap())).fold(1.0, f64::min);
        let here = float(&truth.gap()).min(float(&BigPoint::of(&found).gap()));
        let stated = (dimension as f64).sqrt()
            * (1.0 / (1u64 << 40) as f64 / here + 1.0 / (1u64 << 53) as f64 / outermost);
        prop_assert!(wrong <= stated, "{wrong} > {stated}");
    }

    #[test]
    fn what_is_taken_out_leaves_no_trace(members in members(), extra in members()) {
        let dimension = members[0].0.0.len();
        let extra: Vec<_> = extra.into_iter().filter(|(x, _)| x.0.len() == dimension).collect();
        let mut plain = Mean::new(dimension).unwrap();
        for (position, weight) in &members {
            plain.insert(position, *weight).unwrap();
        }
        let mut mean = Mean::new(dimension).unwrap();
        for (position, weight) in extra.iter().chain(members.iter().rev()) {
            mean.insert(position, *weight).unwrap();
        }
        for (position, weight) in &extra {
            mean.remove(position, *weight).unwrap();
        }
        prop_assert_eq!(mean, plain);
    }

    #[test]
    fn what_is_merged_is_as_if_it_had_been_put_in(members in members(), at in any::<prop::sample::Index>()) {
        let dimension = members[0].0.0.len();
        let of = |members: &[(Position, u64)]| {
            let mut mean = Mean::new(dimension).unwrap();
            for (position, weight) in members {
                mean.insert(position, *weight).unwrap();
            }
            mean
        };
        let (head, tail) = members.split_at(at.index(members.len()));
        let mut merged = of(head);
        merged.merge(&of(tail)).unwrap();
        prop_assert_eq!(merged, of(&members));
    }
}

#[test]
fn nothing_is_at_the_origin_and_one_is_where_it_is() {
    let mut mean = Mean::new(3).unwrap();
    assert_eq!(mean.position(), Ok(Position(vec![0, 0, 0])));
    let x = Position(vec![1 << 39, -(1 << 38), 12_345]);
    mean.insert(&x, 7).unwrap();
    assert_eq!(mean.position(), Ok(x.clone()));
    assert_eq!(mean.remove(&x, 8), Err(Error::NotInMean));
    mean.remove(&x, 7).unwrap();
    assert_eq!(mean, Mean::new(3).unwrap());
}

#[test]
fn the_heaviest_mean_at_the_edge_still_fits() {
    let mut mean = Mean::new(2).unwrap();
    let edge = Position(vec![(1 << 40) - (1 << 16), 0]);
    mean.insert(&edge, MEAN_WEIGHT_MAX).unwrap();
    assert_eq!(mean.insert(&edge, 1), Err(Error::TooHeavy));
    let mut one = Mean::new(2).unwrap();
    one.insert(&edge, 1).unwrap();
    assert_eq!(mean.merge(&one), Err(Error::TooHeavy));
    let other = Error::DimensionMismatch { expected: 2, found: 3 };
    assert_eq!(mean.merge(&Mean::new(3).unwrap()), Err(other));
    let found = mean.position().unwrap();
    assert!((found.0[0] - edge.0[0]).abs() <= 1, "{found:?}");
    assert_eq!(
        mean.insert(&Position(vec![0, 0, 0]), 0),
        Err(Error::DimensionMismatch { expected: 2, found: 3 })
    );
}
