//! Maps of the ball against big numbers, near the edge too.

use crate::big::{BigPoint, big, error, float, pairs, tanh};
use phalanx_geometry::{Ball, Curvature, Error, Point, gap};
use phalanx_types::agent::Position;
use proptest::prelude::*;

const ULP: f64 = 1.0 / (1u64 << 53) as f64;

fn ball() -> Ball {
    Ball::new(Curvature::ONE)
}

fn point(x: &Position) -> Point {
    Point::try_from(x).unwrap()
}

/// What a map may be off: a few roundings of a coordinate, which at this gap are
/// so long, and of each unit of length that it went.
fn allowed(truth: &BigPoint, length: f64) -> f64 {
    let dimension = truth.0.len() as f64;
    (24.0 + dimension) * ULP * (1.0 / float(&truth.gap()) + length)
}

/// The same for a point that is `length` from the origin.
fn allowed_at(truth: &BigPoint, length: f64) -> f64 {
    let cosh = libm::cosh(length / 2.0);
    (24.0 + truth.0.len() as f64) * ULP * (cosh * cosh + length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_agreed_distance_is_as_near_as_stated((x, y) in pairs(), curvature_ppm in 1_000u32..100_000_000) {
        let found = Ball::new(Curvature::from_ppm(curvature_ppm).unwrap()).distance(&x, &y).unwrap();
        let root = (big(f64::from(curvature_ppm)) / big(1e6)).sqrt();
        let truth = BigPoint::of(&x).distance(&BigPoint::of(&y)) / root;
        let wrong = float(&(big(found.0 as f64) / big((1u64 << 40) as f64) - &truth)).abs();
        let stated = 0.51 / (1u64 << 40) as f64 + float(&truth) / (1u64 << 49) as f64;
        prop_assert!(wrong <= stated, "{wrong} > {stated}");
        prop_assert_eq!(Ball::new(Curvature::from_ppm(curvature_ppm).unwrap()).distance(&y, &x).unwrap(), found);
    }

    #[test]
    fn the_distance_of_points_is_as_near_as_stated((x, y) in pairs()) {
        let found = ball().length(&point(&x), &point(&y)).unwrap();
        let truth = BigPoint::of(&x).distance(&BigPoint::of(&y));
        let wrong = float(&(big(found) - &truth)).abs();
        prop_assert!(wrong <= (x.0.len() as f64 + 16.0) * ULP * float(&truth), "{wrong}");
    }

    #[test]
    fn moebius_addition_is_the_textbooks((x, y) in pairs()) {
        let found = point(&x).moebius_add(&point(&y)).unwrap();
        let truth = BigPoint::of(&x).moebius_add(&BigPoint::of(&y));
        let wrong = error(&found, &truth);
        prop_assert!(wrong <= allowed(&truth, 1.0), "{wrong} > {}", allowed(&truth, 1.0));
    }

    #[test]
    fn a_translation_takes_one_end_to_the_other((x, y) in pairs()) {
        let (p, q) = (point(&x), point(&y));
        let wrong = error(&p.translated(&p, &q).unwrap(), &BigPoint::of(&y));
        prop_assert!(wrong <= allowed(&BigPoint::of(&y), 1.0), "{wrong}");
    }

    #[test]
    fn a_dilation_is_the_textbooks((center, x) in pairs(), factor in 0.0..1.5f64) {
        let c = BigPoint::of(&center);
        let seen = c.negated().moebius_add(&BigPoint::of(&x));
        let truth = c.moebius_add(&seen.scaled(&big(factor)));
        let found = point(&x).dilated(&point(&center), factor).unwrap();
        // Each of the three maps rounds where it lands; what the first is off sideways
        // is carried further out by the second.
        let length = float(&c.distance(&BigPoint::of(&x)));
        let (seen, scaled) = (allowed_at(&truth, length), allowed_at(&truth, factor * length));
        let carried = factor.max(libm::sinh(factor * length) / libm::sinh(length).max(1e-300));
        let limit = allowed(&truth, length) + scaled + seen * if carried.is_finite() { carried } else { 1.0 };
        let wrong = error(&found, &truth);
        prop_assert!(wrong <= limit, "{wrong} > {limit}");
    }

    #[test]
    fn the_exponential_is_the_textbooks((x, y) in pairs(), length in 0.0..18.0f64) {
        // exp_x(v) = x ⊕ tanh(λ‖v‖/2)·v/‖v‖ with λ = 2/gap, along y.
        prop_assume!(y.0.iter().any(|c| *c != 0));
        let direction = BigPoint::of(&y);
        let p = point(&x);
        let norm = float(&direction.dot(&direction).sqrt());
        let v: Vec<f64> =
            point(&y).coordinates().iter().map(|c| c / norm * length * p.gap() / 2.0).collect();
        let exact = BigPoint(v.iter().map(|c| big(*c)).collect());
        let along = exact.dot(&exact).sqrt();
        let truth = if along == big(0.0) {
            BigPoint::of(&x)
        } else {
            let t = tanh(&(&along / BigPoint::of(&x).gap()));
            BigPoint::of(&x).moebius_add(&exact.times(&(t / along)))
        };
        let found = ball().exp(&p, &v).unwrap();
        let wrong = error(&found, &truth);
        let limit = allowed(&truth, 1.0) + allowed_at(&truth, length);
        prop_assert!(wrong <= limit, "{wrong} > {limit}");
        prop_assert!((ball().tangent_length(&p, &v) - length).abs() <= 1e-13 * length);
    }

    #[test]
    fn the_logarithm_is_the_textbooks((x, y) in pairs()) {
        let seen = BigPoint::of(&x).negated().moebius_add(&BigPoint::of(&y));
        let norm = seen.dot(&seen).sqrt();
        let found = BigPoint(ball().log(&point(&x), &point(&y)).unwrap().iter().map(|c| big(*c)).collect());
        if norm == big(0.0) {
            prop_assert!(found.dot(&found) == big(0.0));
        } else {
            let length = BigPoint::of(&x).distance(&BigPoint::of(&y));
            let truth = seen.times(&(BigPoint::of(&x).gap() / big(2.0) * length / norm));
            let apart = truth.plus(&found.negated());
            let wrong = float(&(apart.dot(&apart) / truth.dot(&truth)).sqrt());
            prop_assert!(wrong <= (24.0 + x.0.len() as f64) * ULP, "{wrong}");
        }
    }

    #[test]
    fn a_geodesic_divides_its_length((x, y) in pairs(), t in 0.0..1.0f64) {
        // x ⊕ (t ⊗ (−x ⊕ y)).
        let start = BigPoint::of(&x);
        let truth = start.moebius_add(&start.negated().moebius_add(&BigPoint::of(&y)).scaled(&big(t)));
        let length = float(&start.distance(&BigPoint::of(&y)));
        let found = ball().geodesic(&point(&x), &point(&y), t).unwrap();
        let wrong = error(&found, &truth);
        prop_assert!(wrong <= allowed(&truth, length + 1.0), "{wrong} > {}", allowed(&truth, length + 1.0));
    }

    #[test]
    fn a_step_is_bounded_and_arrives((x, y) in pairs(), step in 0.1..5.0f64) {
        let ball = Ball::new(Curvature::from_ppm(250_000).unwrap());
        let (mut at, goal) = (point(&x), point(&y));
        let mut left = ball.length(&at, &goal).unwrap();
        let steps = (left / step) as usize + 2;
        for _ in 0..steps {
            let next = ball.step(&at, &goal, step).unwrap();
            prop_assert!(ball.length(&at, &next).unwrap() <= step * (1.0 + 1e-6));
            let rest = ball.length(&next, &goal).unwrap();
            prop_assert!(rest <= left);
            (at, left) = (next, rest);
        }
        prop_assert!(left <= step * 1e-3, "{left} left after {steps} steps");
    }

    #[test]
    fn the_twins_are_one_set((center, x) in pairs(), radius in 0.01..10.0f64) {
        let ball = Ball::new(Curvature::from_ppm(2_000_000).unwrap());
        let (c, p) = (point(&center), point(&x));
        let (middle, euclidean) = ball.euclidean_twin(&c, radius).unwrap();
        let apart: f64 = p.coordinates().iter().zip(&middle).map(|(a, b)| (a - b) * (a - b)).sum();
        let inside = ball.length(&c, &p).unwrap() - radius;
        // Far enough from the surface that rounding near the edge does not decide.
        if inside.abs() > 1e-14 / gap(&x).unwrap().min(gap(&center).unwrap()) as f64 * (1u128 << 80) as f64 {
            prop_assert_eq!(apart.sqrt() <= euclidean, inside <= 0.0);
        }
        // Back again, where the Euclidean numbers hold enough digits.
        if c.gap() > 1e-3 && radius < 3.0 {
            let (back, again) = ball.hyperbolic_twin(&middle, euclidean).unwrap();
            prop_assert!((again - radius).abs() < 1e-7, "{again} {radius}");
            prop_assert!(ball.length(&back, &c).unwrap() < 1e-7);
        }
    }

    #[test]
    fn fixed_point_goes_out_and_in_unchanged((x, _) in pairs()) {
        prop_assert_eq!(point(&x).to_position().unwrap(), x);
    }
}

#[test]
fn every_dimension_from_2_to_1024_works_and_no_other() {
    for dimension in [2, 3, 64, 511, 512, 1023, 1024] {
        let direction: Vec<f64> = (0..dimension).map(|i| f64::from(i as u32 % 7) - 3.0).collect();
        let out = Point::at(&direction, 18.0).unwrap().to_position().unwrap();
        let origin = Position(vec![0; dimension]);
        let found = ball().distance(&origin, &out).unwrap().to_f64();
        assert!((found - 18.0).abs() < 1e-3, "{dimension}: {found}");
    }
    for dimension in [0, 1, 1025] {
        let none = Err(Error::Dimension { found: dimension });
        assert_eq!(Point::at(&vec![1.0; dimension], 1.0).map(|_| ()), none);
        assert_eq!(gap(&Position(vec![0; dimension])).map(|_| ()), none);
    }
}

#[test]
fn the_documents_metric_has_its_golden_values() {
    // d(0, x) = ln((1 + ‖x‖)/(1 − ‖x‖)): ln 3 at 1/2, ln 7 at 3/4.
    let at = |sixteenths: i64| Position(vec![sixteenths << 36, 0]);
    let distance = |a, b| ball().distance(&at(a), &at(b)).unwrap().to_f64();
    assert!((distance(0, 8) - 1.098_612_288_668_109_8).abs() < 1e-12);
    assert!((distance(0, 12) - 1.945_910_149_055_313_2).abs() < 1e-12);
    assert!((distance(-8, 12) - (1.098_612_288_668_109_8 + 1.945_910_149_055_313_2)).abs() < 1e-12);
    // Four times the curvature halves every length.
    let curved = Ball::new(Curvature::from_ppm(4_000_000).unwrap());
    assert_eq!(curved.distance(&at(0), &at(8)).unwrap().0, ball().distance(&at(0), &at(8)).unwrap().0 / 2);
}

/// These bits are agreed state's: a new libm or compiler must not change them.
#[test]
fn the_bits_of_lengths_are_frozen() {
    let mut digest = 0u64;
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    for round in 0..2_000 {
        let dimension = [2, 8, 64][round % 3];
        let mut draw = || {
            let direction: Vec<f64> = (0..dimension).map(|_| next() - 0.5).collect();
            Point::at(&direction, next() * 18.0).unwrap()
        };
        let (x, y) = (draw(), draw());
        let middle = ball().geodesic(&x, &y, 0.25).unwrap().to_position().unwrap();
        let length = ball().distance(&x.to_position().unwrap(), &middle).unwrap();
        for word in middle.0.iter().map(|c| *c as u64).chain([length.0]) {
            digest = (digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
        }
    }
    assert_eq!(format!("{digest:016x}"), "58f1a25a47f6f57c");
}

#[test]
fn what_cannot_be_answered_is_an_error() {
    let (a, b) = (Point::origin(2).unwrap(), Point::origin(3).unwrap());
    let mismatch = Error::DimensionMismatch { expected: 2, found: 3 };
    assert_eq!(a.moebius_add(&b), Err(mismatch.clone()));
    assert_eq!(ball().length(&a, &b), Err(mismatch.clone()));
    assert_eq!(ball().geodesic(&a, &b, 0.5), Err(mismatch.clone()));
    assert_eq!(ball().log(&a, &b), Err(mismatch));
    assert_eq!(Point::at(&[f64::NAN, 0.0], 1.0), Err(Error::TooFar));
    assert_eq!(Point::at(&[1.0, 0.0], f64::INFINITY), Err(Error::TooFar));
    assert_eq!(ball().exp(&a, &[1e300, 0.0]), Err(Error::TooFar));
    assert_eq!(ball().euclidean_twin(&a, -1.0), Err(Error::TooFar));
    assert_eq!(ball().hyperbolic_twin(&[0.9, 0.0], 0.2), Err(Error::NoTwin));
    assert_eq!(Curvature::from_ppm(0), Err(Error::Flat));
    let outside = Position(vec![1 << 40, 0]);
    assert_eq!(ball().distance(&outside, &Position(vec![0, 0])), Err(Error::OutsideBall));
}
