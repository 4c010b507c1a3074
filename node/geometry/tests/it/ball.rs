//! Maps of the ball against big numbers, near the edge too.

use crate::big::{BigPoint, artanh, big, error, float, pairs, positions, tanh};
use phalanx_geometry::{Ball, Curvature, Error, Mean, Point, gap};
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
    fn a_dilation_of_a_short_length_is_off_by_its_few_roundings_alone(
        (x, y) in pairs(), lengths in prop::array::uniform2(0.0..4.0f64), factor in 0.0..1.5f64,
    ) {
        let near = |p: &Position, length| {
            Point::at(point(p).coordinates(), length).unwrap().to_position().unwrap()
        };
        let (center, x) = (near(&x, lengths[0]), near(&y, lengths[1]));
        let c = BigPoint::of(&center);
        let seen = c.negated().moebius_add(&BigPoint::of(&x));
        let scaled = seen.scaled(&big(factor));
        let truth = c.moebius_add(&scaled);
        let length = float(&c.distance(&BigPoint::of(&x)));
        prop_assume!(length > 0.0);
        let made = [&c, &BigPoint::of(&x), &seen, &scaled, &truth];
        let gap = made.map(|p| float(&p.gap())).into_iter().fold(1.0, f64::min);
        // A sixth of what is stated for all maps.
        let carried = libm::sinh(factor * length) / libm::sinh(length);
        let limit = (4.0 + x.0.len() as f64 / 8.0) * ULP * (1.0 / gap + length) * carried.max(1.0);
        let wrong = error(&point(&x).dilated(&point(&center), factor).unwrap(), &truth);
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
        let exact = BigPoint::at(&v);
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
        let found = BigPoint::at(&ball().log(&point(&x), &point(&y)).unwrap());
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
    fn a_euclidean_twin_is_as_near_as_stated((center, _) in pairs(), radius in 0.0..40.0f64) {
        let found = Ball::new(Curvature::from_ppm(2_000_000).unwrap()).euclidean_twin(&point(&center), radius);
        let (middle, euclidean) = found.unwrap();
        let c = BigPoint::of(&center);
        let length = big(radius) * big(2.0).sqrt();
        let t = tanh(&(&length / big(2.0)));
        let below = big(1.0) - &t * &t * c.dot(&c);
        let truth = c.times(&((big(1.0) - &t * &t) / &below));
        let stated = big((3.0 * float(&length) + 16.0) * ULP);
        let apart = BigPoint::at(&middle).plus(&truth.negated());
        prop_assert!(apart.dot(&apart).sqrt() <= &stated * truth.dot(&truth).sqrt());
        let truth = t * c.gap() / below;
        let wrong = big(euclidean) - &truth;
        prop_assert!(-&stated * &truth <= wrong && wrong <= stated * truth);
    }

    #[test]
    fn a_hyperbolic_twin_is_as_near_as_stated(
        (direction, _) in pairs(), part in 0.0..1.0f64, outermost in 0.0..30.0f64,
    ) {
        // A Euclidean ball whose outermost point is at this distance from the origin.
        let far = libm::tanh(outermost / 2.0);
        let c = Point::at(point(&direction).coordinates(), 2.0 * libm::atanh(part * far)).unwrap();
        let (center, radius) = (c.coordinates(), (1.0 - part) * far);
        let (found, length) = ball().hyperbolic_twin(center, radius).unwrap();
        let c = BigPoint::at(center);
        let norm = c.dot(&c).sqrt();
        let (near, far) = (&norm - big(radius), &norm + big(radius));
        let stated = (center.len() as f64 / 4.0 + 8.0) * ULP / float(&(big(1.0) - &far));
        let (near, far) = (big(2.0) * artanh(&near), big(2.0) * artanh(&far));
        let wrong = float(&(big(length) - (&far - &near) / big(2.0))).abs();
        prop_assert!(wrong <= stated, "{wrong} > {stated}");
        let truth = if norm == big(0.0) { c } else { c.times(&(tanh(&((far + near) / big(4.0))) / norm)) };
        let wrong = error(&found, &truth);
        prop_assert!(wrong <= stated, "{wrong} > {stated}");
    }

    #[test]
    fn the_twin_of_a_twin_is_the_first_where_stated((center, _) in pairs(), radius in 0.0..20.0f64) {
        let c = point(&center);
        let outermost = ball().length(&c, &Point::origin(c.dimension()).unwrap()).unwrap() + radius;
        let (middle, euclidean) = ball().euclidean_twin(&c, radius).unwrap();
        if outermost < 30.0 {
            let (back, again) = ball().hyperbolic_twin(&middle, euclidean).unwrap();
            let rest = 2.0 / (libm::exp(outermost) + 1.0);
            let stated = (c.dimension() as f64 / 4.0 + 6.0 * radius + 40.0) * ULP / rest;
            prop_assert!((again - radius).abs() <= stated, "{again} {radius} {stated}");
            let moved = ball().length(&back, &c).unwrap();
            prop_assert!(moved <= stated, "{moved} > {stated}");
        }
    }

    #[test]
    fn rounding_moves_a_point_by_no_more_than_stated((direction, _) in pairs(), length in 0.0..18.0f64) {
        let at = Point::at(point(&direction).coordinates(), length).unwrap();
        let moved = BigPoint::at(at.coordinates()).distance(&BigPoint::of(&at.to_position().unwrap()));
        let stated = (at.dimension() as f64).sqrt() / (1u64 << 40) as f64 / at.gap();
        prop_assert!(float(&moved) <= stated * (1.0 + 1.0 / 4096.0), "{} > {stated}", float(&moved));
    }

    #[test]
    fn fixed_point_goes_out_and_in_unchanged((x, _) in pairs()) {
        prop_assert_eq!(point(&x).to_position().unwrap(), x);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn maps_of_many_dimensions_are_as_near_as_those_of_few(
        (x, y, z) in prop_oneof![Just(512usize), Just(1_024)]
            .prop_flat_map(|d| (positions(d), positions(d), positions(d))),
        t in 0.0..1.0f64,
    ) {
        let (p, q) = (point(&x), point(&y));
        let (a, b) = (BigPoint::of(&x), BigPoint::of(&y));
        let length = a.distance(&b);
        let found = ball().distance(&x, &y).unwrap().to_f64();
        let wrong = float(&(big(found) - &length)).abs();
        let length = float(&length);
        prop_assert!(wrong <= 0.51 / (1u64 << 40) as f64 + length / (1u64 << 49) as f64, "{wrong}");
        let wrong = (ball().length(&p, &q).unwrap() - length).abs();
        prop_assert!(wrong <= (x.0.len() as f64 + 16.0) * ULP * length, "{wrong}");
        let sum = a.moebius_add(&b);
        let wrong = error(&p.moebius_add(&q).unwrap(), &sum);
        prop_assert!(wrong <= allowed(&sum, 1.0), "{wrong} > {}", allowed(&sum, 1.0));
        let seen = a.negated().moebius_add(&BigPoint::of(&z));
        let carried = b.moebius_add(&seen);
        let limit = allowed(&seen, 1.0) + allowed(&carried, 1.0);
        let wrong = error(&point(&z).translated(&p, &q).unwrap(), &carried);
        prop_assert!(wrong <= limit, "{wrong} > {limit}");
        let between = a.moebius_add(&a.negated().moebius_add(&b).scaled(&big(t)));
        let wrong = error(&ball().geodesic(&p, &q, t).unwrap(), &between);
        prop_assert!(wrong <= allowed(&between, length + 1.0), "{wrong} > {}", allowed(&between, length + 1.0));
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

/// So must the other maps and the mean: placing and migrations are made of them.
#[test]
fn the_bits_of_maps_are_frozen() {
    let mut digest = 0u64;
    let mut seed = 2u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    let ball = Ball::new(Curvature::from_ppm(700_000).unwrap());
    for round in 0..1_000 {
        let dimension = [2, 8, 64][round % 3];
        let mut draw = |length: f64| {
            let direction: Vec<f64> = (0..dimension).map(|_| next() - 0.5).collect();
            Point::at(&direction, next() * length).unwrap()
        };
        let (x, y, z) = (draw(6.0), draw(6.0), draw(16.0));
        let tangent = ball.log(&x, &y).unwrap();
        let (middle, euclidean) = ball.euclidean_twin(&x, 1.5).unwrap();
        let (center, radius) = ball.hyperbolic_twin(&middle, euclidean).unwrap();
        let mut mean = Mean::new(dimension).unwrap();
        for (weight, member) in [(3, &x), (5, &y), (1 << 20, &z)] {
            mean.insert(&member.to_position().unwrap(), weight).unwrap();
        }
        let points = [
            ball.exp(&x, &tangent.iter().map(|t| t * 0.7).collect::<Vec<f64>>()).unwrap(),
            z.translated(&x, &y).unwrap(),
            y.dilated(&x, 0.6).unwrap(),
            ball.step(&x, &z, 0.3).unwrap(),
            center,
        ];
        let floats = points.iter().flat_map(|p| p.coordinates().iter().copied().chain([p.gap()]));
        let floats = floats.chain(tangent).chain(middle).chain([euclidean, radius]).map(f64::to_bits);
        let agreed = mean.position().unwrap().0.into_iter().map(|c| c as u64);
        for word in floats.chain(agreed) {
            digest = (digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
        }
    }
    assert_eq!(format!("{digest:016x}"), "7b8088b54a09720e");
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
    let (middle, euclidean) = ball().euclidean_twin(&a, 60.0).unwrap();
    assert_eq!(ball().hyperbolic_twin(&middle, euclidean), Err(Error::NoTwin));
    assert_eq!(Curvature::from_ppm(0), Err(Error::Flat));
    let outside = Position(vec![1 << 40, 0]);
    assert_eq!(ball().distance(&outside, &Position(vec![0, 0])), Err(Error::OutsideBall));
}
