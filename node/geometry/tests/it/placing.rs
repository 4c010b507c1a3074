//! Places from distances.

use phalanx_geometry::{
    Ball, Curvature, Error, Point,
    placing::{beginning, misfit, relax},
};
use phalanx_types::agent::Position;
use proptest::prelude::*;

fn ball() -> Ball {
    Ball::new(Curvature::ONE)
}

fn placed(wanted: &[Vec<f64>], rounds: u32) -> Vec<Position> {
    let mut points: Vec<Point> = (0..wanted.len()).map(|i| beginning(8, i).unwrap()).collect();
    relax(&ball(), &mut points, |a, b| wanted[a][b], rounds).unwrap();
    points.iter().map(|p| p.to_position().unwrap()).collect()
}

/// The one-way latencies of the planetary scenario, in tenths of a second.
fn planetary() -> Vec<Vec<f64>> {
    let pairs = [(0, 1, 0.6), (0, 2, 1.8), (0, 3, 3.6), (1, 2, 1.9), (1, 3, 3.7), (2, 3, 2.4)];
    let mut wanted = vec![vec![0.0; 4]; 4];
    for (a, b, length) in pairs {
        wanted[a][b] = length;
        wanted[b][a] = length;
    }
    wanted
}

#[test]
fn the_planets_lie_as_far_from_each_other_as_they_should() {
    let wanted = planetary();
    let places = placed(&wanted, 60);
    let missed = misfit(&ball(), &places, |a, b| wanted[a][b]).unwrap();
    assert!(missed < 0.01, "{missed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn distances_of_real_points_are_found_again(
        lengths in prop::collection::vec((0usize..8, prop::bool::ANY, 0.2f64..3.0), 3..10),
    ) {
        let points: Vec<Point> = lengths
            .iter()
            .enumerate()
            .map(|(i, (axis, sign, length))| {
                let mut direction = vec![0.1 * (i as f64 + 1.0); 8];
                direction[*axis] = if *sign { 1.0 } else { -1.0 };
                Point::at(&direction, *length).unwrap()
            })
            .collect();
        let wanted: Vec<Vec<f64>> = points
            .iter()
            .map(|x| points.iter().map(|y| ball().length(x, y).unwrap()).collect())
            .collect();
        let missed = misfit(&ball(), &placed(&wanted, 200), |a, b| wanted[a][b]).unwrap();
        prop_assert!(missed < 0.05, "{missed}");
    }

    #[test]
    fn whatever_is_wanted_the_places_are_valid_and_their_mean_is_the_origin(
        count in 1usize..12,
        seed in prop::collection::vec(0.0f64..12.0, 144),
    ) {
        let wanted: Vec<Vec<f64>> = (0..count)
            .map(|a| (0..count).map(|b| if a == b { 0.0 } else { seed[a.min(b) * 12 + a.max(b)] }).collect())
            .collect();
        let places = placed(&wanted, 20);
        prop_assert!(places.iter().all(Position::is_valid));
        let mut mean = phalanx_geometry::Mean::new(8).unwrap();
        for place in &places {
            mean.insert(place, 1).unwrap();
        }
        let centre = mean.position().unwrap();
        let origin = Position::origin(8);
        prop_assert!(ball().distance(&centre, &origin).unwrap().to_f64() < 0.05);
    }
}

#[test]
fn all_at_one_place_come_apart() {
    let mut points = vec![Point::origin(8).unwrap(); 4];
    relax(&ball(), &mut points, |_, _| 1.0, 400).unwrap();
    let places: Vec<Position> = points.iter().map(|p| p.to_position().unwrap()).collect();
    let missed = misfit(&ball(), &places, |_, _| 1.0).unwrap();
    assert!(missed < 0.05, "{missed}");
    assert!(relax(&ball(), &mut points, |_, _| 12.1, 1).is_err());
    assert!(relax(&ball(), &mut points, |_, _| f64::NAN, 1).is_err());
}

#[test]
fn there_are_400_beginnings_a_dimension() {
    for dimension in [2, 8] {
        let last = beginning(dimension, 400 * dimension - 1).unwrap();
        assert!(last.gap() > 0.0);
        assert_eq!(beginning(dimension, 400 * dimension), Err(Error::TooFar));
    }
}

/// Agreed numbers: they may never change.
#[test]
fn golden_places() {
    let places = placed(&planetary(), 60);
    let digest = phalanx_types::Hash::sha3(&phalanx_types::encode(&places));
    assert_eq!(digest.to_string(), "59ca7c14db0401ce7bcde1f6861279a22ffd01fd52aba82e6ce44903f7ad0f22");
}
