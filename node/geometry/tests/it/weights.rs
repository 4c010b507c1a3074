//! Votes: any f of n hold less than a third, wherever everybody is.

use crate::big::{BigPoint, big, float, pairs, positions};
use phalanx_geometry::{
    Ball, Curvature, Point,
    weights::{FULL, raw_weight},
};
use phalanx_types::{PublicKey, ValidatorSet, agent::Position, validator::Member};
use proptest::prelude::*;

fn ball() -> Ball {
    Ball::new(Curvature::ONE)
}

/// The weights that voters have in a set, in their order.
fn in_a_set(decay_ppm: u32, focus: &Position, voters: &[Position]) -> Vec<u64> {
    let key = |place: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(place as u64).to_be_bytes());
        PublicKey(key)
    };
    let member = |(place, voter)| Member {
        key: key(place),
        weight: raw_weight(&ball(), decay_ppm, voter, focus).unwrap(),
    };
    let members: Vec<Member> = voters.iter().enumerate().map(member).collect();
    let set = ValidatorSet::new(members, vec![key(0)]).unwrap();
    set.members().iter().map(|m| m.weight.0).collect()
}

/// Three times the f largest, and the total.
fn largest_and_total(weights: &[u64]) -> (u64, u64) {
    let mut falling = weights.to_vec();
    falling.sort_unstable_by(|a, b| b.cmp(a));
    let f = (weights.len() - 1) / 3;
    (3 * falling.iter().take(f).sum::<u64>(), falling.iter().sum())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_f_hold_less_than_a_third(
        (focus, voters) in (2usize..9).prop_flat_map(|d| (positions(d), prop::collection::vec(positions(d), 4..=100))),
        decay_ppm in prop_oneof![0u32..5_000_000, Just(0), Just(u32::MAX)],
    ) {
        let weights = in_a_set(decay_ppm, &focus, &voters);
        let (largest, total) = largest_and_total(&weights);
        prop_assert!(largest < total);
        prop_assert!(total < 1 << 32);
        prop_assert!(weights.iter().all(|w| *w >= 1));
        // The order of distance is the order of weight.
        let raw: Vec<_> = voters.iter().map(|v| raw_weight(&ball(), decay_ppm, v, &focus).unwrap()).collect();
        for (a, x) in raw.iter().zip(&weights) {
            for (b, y) in raw.iter().zip(&weights) {
                prop_assert!(a < b || x >= y);
            }
        }
    }

    #[test]
    fn a_weight_is_the_designs_to_one((voter, focus) in pairs(), decay_ppm in 0u32..3_000_000) {
        let found = raw_weight(&ball(), decay_ppm, &voter, &focus).unwrap();
        let distance = BigPoint::of(&voter).distance(&BigPoint::of(&focus));
        let exact = big(FULL as f64) * (-(big(f64::from(decay_ppm)) / big(1e6)) * distance).exp();
        let wrong = found.0 as f64 - float(&exact).max(1.0);
        prop_assert!(wrong.abs() <= 0.5 + 1e-6, "{wrong}");
    }
}

#[test]
fn a_hundred_at_one_place_and_one_far_away() {
    for n in 4..=100 {
        let mut voters = vec![Position(vec![0, 0]); n];
        let far = Point::at(&[1.0, 1.0], 18.0).unwrap().to_position().unwrap();
        voters[n - 1] = far.clone();
        // The focus is steered to the lonely one: it alone must not decide.
        let weights = in_a_set(1_000_000, &far, &voters);
        let (largest, total) = largest_and_total(&weights);
        assert!(largest < total, "{n}: {weights:?}");
        let even = in_a_set(1_000_000, &Position(vec![0, 0]), &voters);
        assert!(even[..n - 1].iter().all(|w| *w == even[0]));
    }
}

/// Agreed numbers: they may never change.
#[test]
fn golden_weights() {
    let at = |sixteenths: i64| Position(vec![sixteenths << 36, 0]);
    let voters = [at(0), at(8), at(-8), at(12), at(15), at(-15), at(1)];
    let raw: Vec<u64> = voters.iter().map(|v| raw_weight(&ball(), 1_000_000, v, &at(0)).unwrap().0).collect();
    // exp(−ln((1+r)/(1−r))) = (1−r)/(1+r).
    assert_eq!(raw, [1 << 20, 349_525, 349_525, 149_797, 33_825, 33_825, 925_214]);
    let weights = in_a_set(1_000_000, &at(0), &voters);
    assert_eq!(weights, [67_649, 67_649, 67_649, 67_649, 33_825, 33_825, 67_649]);
}
