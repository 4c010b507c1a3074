//! Votes: any f of n hold less than a third, wherever everybody is.

use crate::big::{BigPoint, big, float, pairs, positions};
use phalanx_geometry::{
    Ball, Curvature, Error, Point,
    weights::{FULL, VOTERS_MAX, capped, faulty_max, raw_weight, vote_weights},
};
use phalanx_types::{Weight, agent::Position};
use proptest::prelude::*;

fn ball() -> Ball {
    Ball::new(Curvature::ONE)
}

/// Three times the f largest, and the total.
fn largest_and_total(weights: &[Weight]) -> (u64, u64) {
    let mut falling: Vec<u64> = weights.iter().map(|w| w.0).collect();
    falling.sort_unstable_by(|a, b| b.cmp(a));
    (3 * falling.iter().take(faulty_max(weights.len())).sum::<u64>(), falling.iter().sum())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_f_hold_less_than_a_third(
        (focus, voters) in (2usize..9).prop_flat_map(|d| (positions(d), prop::collection::vec(positions(d), 4..=100))),
        decay_ppm in prop_oneof![0u32..5_000_000, Just(0), Just(u32::MAX)],
    ) {
        let weights = vote_weights(&ball(), decay_ppm, &focus, &voters).unwrap();
        let (largest, total) = largest_and_total(&weights);
        prop_assert!(largest < total);
        prop_assert!(total < 1 << 32);
        prop_assert!(weights.iter().all(|w| w.0 >= 1));
        // The order of distance is the order of weight.
        let raw: Vec<_> = voters.iter().map(|v| raw_weight(&ball(), decay_ppm, v, &focus).unwrap()).collect();
        for (a, x) in raw.iter().zip(&weights) {
            for (b, y) in raw.iter().zip(&weights) {
                prop_assert!(a < b || x >= y);
            }
        }
    }

    #[test]
    fn the_cap_is_the_largest_that_is_safe(raw in prop::collection::vec(prop_oneof![1u64..40, 1u64..2_000], 1..40)) {
        let weights: Vec<Weight> = raw.iter().map(|w| Weight(*w)).collect();
        let found = capped(weights.clone()).unwrap();
        let cut = |cap: u64| weights.iter().map(|w| Weight(w.0.min(cap))).collect::<Vec<_>>();
        let best = (1..=2_000).rev().map(cut).find(|w| {
            let (largest, total) = largest_and_total(w);
            largest < total
        });
        prop_assert_eq!(Some(found), best);
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
        let weights = vote_weights(&ball(), 1_000_000, &far, &voters).unwrap();
        let (largest, total) = largest_and_total(&weights);
        assert!(largest < total, "{n}: {weights:?}");
        let even = vote_weights(&ball(), 1_000_000, &Position(vec![0, 0]), &voters).unwrap();
        assert!(even[..n - 1].iter().all(|w| *w == even[0]));
    }
}

#[test]
fn few_voters_are_not_capped_and_too_many_are_refused() {
    assert_eq!(capped(vec![]), Ok(vec![]));
    assert_eq!(
        capped(vec![Weight(5), Weight(FULL), Weight(0)]),
        Ok(vec![Weight(5), Weight(FULL), Weight(1)])
    );
    assert_eq!(capped(vec![Weight(1); VOTERS_MAX + 1]), Err(Error::TooManyVoters { found: VOTERS_MAX + 1 }));
    assert!(capped(vec![Weight(FULL); VOTERS_MAX]).is_ok());
}

/// Agreed numbers: they may never change.
#[test]
fn golden_weights() {
    let at = |sixteenths: i64| Position(vec![sixteenths << 36, 0]);
    let voters = [at(0), at(8), at(-8), at(12), at(15), at(-15), at(1)];
    let raw: Vec<u64> = voters.iter().map(|v| raw_weight(&ball(), 1_000_000, v, &at(0)).unwrap().0).collect();
    // exp(−ln((1+r)/(1−r))) = (1−r)/(1+r).
    assert_eq!(raw, [1 << 20, 349_525, 349_525, 149_797, 33_825, 33_825, 925_214]);
    let weights = vote_weights(&ball(), 1_000_000, &at(0), &voters).unwrap();
    assert_eq!(
        weights.iter().map(|w| w.0).collect::<Vec<_>>(),
        [67_649, 67_649, 67_649, 67_649, 33_825, 33_825, 67_649]
    );
}
