//! Within and beyond: the integers never claim more than the truth.

use crate::big::{BigPoint, big, boundary, cosh, integer, pairs};
use phalanx_geometry::{Curvature, Error, Reach, is_beyond, is_within};
use phalanx_types::agent::Position;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn who_is_called_within_is_and_who_is_called_beyond_is(
        (x, y) in pairs(), curvature_ppm in 10_000u32..4_000_000, off in -30i64..30
    ) {
        // A reach that is nearly the true distance, so that rounding decides.
        let curvature = Curvature::from_ppm(curvature_ppm).unwrap();
        let root = (big(f64::from(curvature_ppm)) / big(1e6)).sqrt();
        let truth = BigPoint::of(&x).distance(&BigPoint::of(&y)) / root;
        let micro = (truth.to_f64().value() * 1e6) as i64 + off;
        let micro = u64::try_from(micro.max(0)).unwrap();
        let (Ok(near), Ok(far)) = (Reach::for_within(curvature, micro), Reach::for_beyond(curvature, micro)) else {
            return Ok(());
        };
        let length = big(micro as f64) / big(1e6);
        if is_within(&x, &y, near).unwrap() {
            prop_assert!(truth <= length);
        }
        if is_beyond(&x, &y, far).unwrap() {
            prop_assert!(truth > length);
        }
        // And nobody is called both.
        prop_assert!(!(is_within(&x, &y, near).unwrap() && is_beyond(&x, &y, far).unwrap()));
    }

    #[test]
    fn a_reach_is_less_than_two_units_from_the_truth(curvature_ppm in 1u32.., micro in 0u64..400_000_000) {
        let curvature = Curvature::from_ppm(curvature_ppm).unwrap();
        let z = (big(f64::from(curvature_ppm)) / big(1e6)).sqrt() * big(micro as f64) / big(1e6);
        let truth = (cosh(&z) - big(1.0)) * big((1u64 << 32) as f64);
        match (Reach::for_within(curvature, micro), Reach::for_beyond(curvature, micro)) {
            (Ok(down), Ok(up)) => {
                prop_assert!(integer(down.raw()) <= truth);
                prop_assert!(integer(down.raw()) + big(2.0) > truth);
                prop_assert!(integer(up.raw()) >= truth);
                prop_assert!(integer(up.raw()) < truth + big(2.0));
            }
            (_, found) => {
                prop_assert_eq!(found, Err(Error::ReachTooLong { length_micro: micro, curvature_ppm }));
                prop_assert!(truth + big(2.0) > integer(1 << 80));
            }
        }
    }

    #[test]
    fn the_inequality_is_the_designs((x, y) in pairs(), m in 0u128..1 << 80) {
        let raw = |p: &Position| BigPoint(p.0.iter().map(|c| big(*c as f64)).collect());
        let (p, q) = (raw(&x), raw(&y));
        let apart = p.plus(&q.negated());
        let one = integer(1 << 80);
        let left = integer(1 << 113) * apart.dot(&apart);
        let right = integer(m) * (&one - p.dot(&p)) * (&one - q.dot(&q));
        prop_assert_eq!(Reach::from_raw(m).unwrap().holds(&x, &y).unwrap(), left <= right);
    }

    #[test]
    fn the_inequality_begins_to_hold_where_the_designs_does((x, y) in pairs()) {
        let (m, is_exact) = boundary(&x, &y);
        prop_assume!(m < Reach::MAX.raw());
        let holds = |m| Reach::from_raw(m).unwrap().holds(&x, &y).unwrap();
        prop_assert!(m == 0 || !holds(m - 1), "one below {m}");
        prop_assert_eq!(holds(m), is_exact, "{}", m);
        prop_assert!(holds(m + 1), "one above {m}");
    }
}

#[test]
fn a_distance_that_is_exactly_the_reach_is_within() {
    // From the origin to 1/2 on an axis the inequality is 2^33·(1/4) ≤ m·(3/4); to
    // 1/2 on both, 2^33·(1/2) ≤ m·(1/2), without a rest.
    let (origin, on_axis) = (Position(vec![0, 0]), Position(vec![1 << 39, 0]));
    let diagonal = Position(vec![1 << 39, 1 << 39]);
    let holds = |x, m| Reach::from_raw(m).unwrap().holds(x, &origin).unwrap();
    assert_eq!(boundary(&on_axis, &origin), ((1 << 33) / 3, false));
    assert!(!holds(&on_axis, (1 << 33) / 3) && holds(&on_axis, (1 << 33) / 3 + 1));
    assert_eq!(boundary(&diagonal, &origin), (1 << 33, true));
    assert!(!holds(&diagonal, (1 << 33) - 1) && holds(&diagonal, 1 << 33));
}

#[test]
fn the_least_reach_holds_for_the_place_itself_only() {
    let zero = Reach::for_within(Curvature::ONE, 0).unwrap();
    let x = Position(vec![5, 7]);
    assert_eq!(zero.raw(), 0);
    assert_eq!(is_within(&x, &x, zero), Ok(true));
    assert_eq!(is_within(&x, &Position(vec![5, 6]), zero), Ok(false));
}

#[test]
fn golden_reaches() {
    // (cosh 1 − 1)·2^32 = 2332513565.62…
    assert_eq!(Reach::for_within(Curvature::ONE, 1_000_000).unwrap().raw(), 2_332_513_565);
    assert_eq!(Reach::for_beyond(Curvature::ONE, 1_000_000).unwrap().raw(), 2_332_513_566);
    assert!(Reach::for_within(Curvature::ONE, 33_900_000).is_ok());
    assert!(Reach::for_within(Curvature::ONE, 34_000_000).is_err());
    assert!(Reach::for_within(Curvature::ONE, u64::MAX).is_err());
    assert_eq!(Reach::from_raw(1 << 80), Err(Error::ReachTooLarge));
}

#[test]
fn a_position_outside_has_no_verdict() {
    let (inside, outside) = (Position(vec![0, 0]), Position(vec![0, 1 << 40]));
    for (x, y) in [(&inside, &outside), (&outside, &inside)] {
        assert_eq!(is_within(x, y, Reach::MAX), Err(Error::OutsideBall));
        assert_eq!(is_beyond(x, y, Reach::MAX), Err(Error::OutsideBall));
    }
    let space = Position(vec![0, 0, 0]);
    assert!(matches!(is_within(&inside, &space, Reach::MAX), Err(Error::DimensionMismatch { .. })));
}
