//! Places of agents and jobs.

use phalanx_geometry::{
    Ball, Curvature, Error, Point,
    affinity::{
        CENTERS_APART, CLUSTER_RADIUS, MARGIN, SEMANTIC_LEN_MAX, SHELL_STEP, Work, candidates, position,
        position_of_skills, tenant_center,
    },
};
use phalanx_types::{Name, agent::Position, job::SKILLS_MAX};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What rounding to fixed point may take off a distance, far out and in 512 dimensions.
const ROUNDING: f64 = 5e-4;

fn name(text: String) -> Name {
    Name::new(&text).unwrap()
}

fn skills(from: usize, to: usize) -> BTreeSet<Name> {
    (from..to).map(|i| name(format!("skill-{i}"))).collect()
}

fn apart(x: &Position, y: &Position) -> f64 {
    Ball::new(Curvature::ONE).distance(x, y).unwrap().to_f64()
}

fn centers(dimension: usize, count: usize) -> Vec<Position> {
    let mut centers: Vec<Position> = Vec::new();
    for i in 0..count {
        centers.push(tenant_center(dimension, &name(format!("tenant-{i}")), &centers).unwrap());
    }
    centers
}

fn only<'a>(skills: &'a BTreeSet<Name>) -> Work<'a> {
    Work { skills, semantic: None, locality: None }
}

#[test]
fn centers_of_tenants_are_as_far_apart_as_stated() {
    for (dimension, count) in [(2, 600), (3, 600), (8, 600), (512, 60)] {
        let centers = centers(dimension, count);
        let origin = Position(vec![0; dimension]);
        for (i, a) in centers.iter().enumerate() {
            assert!(apart(a, &origin) >= CENTERS_APART, "{dimension} {i}");
            for b in &centers[..i] {
                assert!(apart(a, b) >= CENTERS_APART - 1e-6, "{dimension} {i}");
            }
        }
    }
}

#[test]
#[ignore = "slow: ten thousand tenants in the plane, compared one by one"]
fn ten_thousand_tenants_find_room_in_two_dimensions_slow() {
    let centers = centers(2, 10_000);
    let last = centers.last().unwrap();
    assert!(centers[..9_999].iter().all(|other| apart(last, other) >= CENTERS_APART - 1e-6));
}

#[test]
fn a_tenant_that_finds_no_room_is_told_so() {
    // The same name tries the same directions, and finds all of them taken.
    let mut taken = Vec::new();
    let full = loop {
        match tenant_center(2, &name("again".into()), &taken) {
            Ok(center) => taken.push(center),
            Err(full) => break full,
        }
    };
    assert_eq!(full, Error::Crowded { tenants: taken.len(), dimension: 2 });
    assert!(taken.len() > 100, "{}", taken.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_two_tenants_own_is_apart_by_the_margin(
        dimension in prop::sample::select(vec![2usize, 3, 8, 64]),
        (a, b) in (0usize..40, 0usize..40),
        from in prop::array::uniform2(0usize..100),
        meaning in prop::array::uniform2(prop::collection::vec(any::<i64>(), 1..40)),
        data in prop::bool::ANY,
    ) {
        let centers = centers(dimension, 40);
        let region = Position((0..dimension).map(|i| if i == 0 { 1 << 39 } else { 0 }).collect());
        let own = |tenant: usize, which: usize| {
            let skills = skills(from[which], from[which] + 3);
            let work = Work {
                skills: &skills,
                semantic: Some(&meaning[which]),
                locality: data.then_some(&region),
            };
            position(&centers[tenant], &work).unwrap()
        };
        let (x, y) = (own(a, 0), own(b, 1));
        prop_assert!(x.is_valid() && y.is_valid());
        for (x, center) in [(&x, a), (&y, b)] {
            prop_assert!(apart(x, &centers[center]) <= CLUSTER_RADIUS + ROUNDING);
        }
        let length = apart(&x, &y);
        if a == b {
            prop_assert!(length <= 2.0 * CLUSTER_RADIUS + ROUNDING, "{length}");
        } else {
            prop_assert!(length >= MARGIN - ROUNDING, "{length}");
        }
        // No tenant is one more cluster.
        let none = position(&Position(vec![0; dimension]), &only(&skills(0, 3))).unwrap();
        prop_assert!(apart(&none, &x) >= MARGIN - ROUNDING);
        prop_assert_eq!(own(a, 0), x);
    }

    #[test]
    fn distances_within_a_tenant_do_not_depend_on_the_tenant(from in 0usize..100, to in 0usize..100) {
        let centers = centers(8, 20);
        let both = |center: &Position| {
            let (x, y) = (skills(from, from + 2), skills(to, to + 3));
            apart(&position(center, &only(&x)).unwrap(), &position(center, &only(&y)).unwrap())
        };
        let first = both(&Position(vec![0; 8]));
        for center in &centers {
            prop_assert!((both(center) - first).abs() < ROUNDING);
        }
    }
}

#[test]
fn more_skills_in_common_are_nearer_on_average() {
    let center = centers(8, 1).remove(0);
    let means: Vec<f64> = (0..=4)
        .map(|common| {
            let lengths = (0..300).map(|i| {
                let (one, other) =
                    (skills(10 * i, 10 * i + 4), skills(10 * i + 4 - common, 10 * i + 8 - common));
                apart(&position(&center, &only(&one)).unwrap(), &position(&center, &only(&other)).unwrap())
            });
            lengths.sum::<f64>() / 300.0
        })
        .collect();
    assert!(means.windows(2).all(|pair| pair[1] < pair[0] - 0.02), "{means:?}");
    assert!(means[4] < 1e-6, "{means:?}");
}

#[test]
fn meanings_of_larger_cosine_are_nearer_on_average() {
    const LEN: usize = 96;
    let center = centers(8, 1).remove(0);
    let none = BTreeSet::new();
    // Two meanings on disjoint halves, by a small congruential generator.
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as i64 - (1 << 23)
    };
    let pairs: Vec<(Vec<i64>, Vec<i64>)> = (0..300)
        .map(|_| ((0..LEN / 2).map(|_| draw()).collect(), (0..LEN / 2).map(|_| draw()).collect()))
        .collect();
    let mean = |percent: i64| {
        let across = libm::rint(1e2 * libm::sqrt(1.0 - (percent * percent) as f64 / 1e4)) as i64;
        let lengths = pairs.iter().map(|(a, b)| {
            let one: Vec<i64> = a.iter().map(|x| x * 100).chain(b.iter().map(|_| 0)).collect();
            let other: Vec<i64> = a.iter().map(|x| x * percent).chain(b.iter().map(|x| x * across)).collect();
            let at = |meaning: &[i64]| {
                position(&center, &Work { skills: &none, semantic: Some(meaning), locality: None }).unwrap()
            };
            apart(&at(&one), &at(&other))
        });
        lengths.sum::<f64>() / 300.0
    };
    let means: Vec<f64> = [-100, -50, 0, 50, 90, 100].map(mean).to_vec();
    assert!(means.windows(2).all(|pair| pair[1] < pair[0] - 0.02), "{means:?}");
    assert!(means[5] < 1e-6, "{means:?}");
}

#[test]
fn only_the_direction_of_a_meaning_counts() {
    let origin = Position(vec![0; 8]);
    let none = BTreeSet::new();
    let at = |meaning: &[i64]| {
        position(&origin, &Work { skills: &none, semantic: Some(meaning), locality: None }).unwrap()
    };
    assert!(apart(&at(&[3, -5, 7]), &at(&[300, -500, 700])) < 1e-9);
    assert_eq!(at(&[0, 0, 0]), origin);
    assert!(apart(&at(&[1, 0]), &at(&[i64::MAX, 0])) < 1e-9);
    assert!(at(&vec![i64::MIN; SEMANTIC_LEN_MAX]).is_valid());
}

#[test]
fn work_is_drawn_towards_its_data() {
    let region = |axis: usize| Position((0..8).map(|i| if i == axis { 1 << 39 } else { 0 }).collect());
    let (here, there) = (region(1), region(2));
    let few = skills(0, 2);
    for center in centers(8, 20).into_iter().chain([Position::origin(8)]) {
        // The translation to the tenant's centre carries the regions' places along.
        let carried = |place: &Position| {
            let [center, place] = [&center, place].map(|x| Point::try_from(x).unwrap());
            center.moebius_add(&place).unwrap().to_position().unwrap()
        };
        let at = |skills: &BTreeSet<Name>, locality: &Position| {
            position(&center, &Work { skills, semantic: None, locality: Some(locality) }).unwrap()
        };
        for (own, other) in [(&here, &there), (&there, &here)] {
            // By its data alone it is nearer to their region than to the other one.
            let work = at(&BTreeSet::new(), own);
            assert!(apart(&work, &carried(own)) < apart(&work, &carried(other)) - 0.05);
            // With the same skills it is nearer there than when its data lie elsewhere.
            let [work, elsewhere] = [own, other].map(|region| at(&few, region));
            assert!(apart(&work, &carried(own)) < apart(&elsewhere, &carried(own)) - 0.05);
        }
    }
}

#[test]
fn what_only_has_skills_is_placed_by_them_and_may_have_many() {
    for center in centers(8, 3) {
        let few = skills(0, SKILLS_MAX);
        let places = [position_of_skills(&center, &few), position(&center, &only(&few))];
        assert_eq!(places[0], places[1]);
        assert_eq!(position_of_skills(&center, &BTreeSet::new()), position(&center, &only(&BTreeSet::new())));
        let many = position_of_skills(&center, &skills(0, 2 * SKILLS_MAX)).unwrap();
        assert!((apart(&many, &center) - 0.4).abs() < ROUNDING);
    }
    assert!(position_of_skills(&Position(vec![1 << 40; 8]), &skills(0, 1)).is_err());
}

#[test]
fn candidates_lie_on_shells_about_a_point_and_carry_a_tenants_name() {
    let (t, u) = (name("t".into()), name("u".into()));
    let about = Point::at(&[0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0], 1.5).unwrap();
    let of = |tenant| candidates(&about, tenant, 2.0, 3).collect::<Result<Vec<_>, _>>().unwrap();
    let (all, place) = (of(&t), about.to_position().unwrap());
    assert_eq!(all, of(&t));
    assert_ne!(all, of(&u));
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    for (n, candidate) in all.iter().enumerate() {
        let radius = 2.0 + SHELL_STEP * (n * 3 / all.len()) as f64;
        assert!((apart(candidate, &place) - radius).abs() < ROUNDING, "{n}");
    }
}

#[test]
fn what_cannot_be_placed_is_refused() {
    let origin = Position(vec![0; 8]);
    let (few, many) = (skills(0, 1), skills(0, SKILLS_MAX + 1));
    let with = |semantic, locality| Work { skills: &few, semantic, locality };
    let plane = Position(vec![0; 2]);
    let outside = Position(vec![1 << 40; 8]);
    let refusals = [
        (position(&origin, &only(&many)), "a set of skills with 17 parts"),
        (position(&origin, &with(Some(&[]), None)), "a semantic vector with 0 parts"),
        (
            position(&origin, &with(Some(&[1; SEMANTIC_LEN_MAX + 1]), None)),
            "a semantic vector with 4097 parts",
        ),
        (position(&origin, &with(None, Some(&plane))), "2 dimensions where 8 are expected"),
        (position(&origin, &with(None, Some(&outside))), "outside of the ball"),
        (position(&outside, &only(&few)), "outside of the ball"),
        (position(&Position(vec![0]), &only(&few)), "a position has 1 dimensions"),
        (tenant_center(1, &name("t".into()), &[]), "a position has 1 dimensions"),
        (tenant_center(2_000, &name("t".into()), &[]), "a position has 2000 dimensions"),
        (tenant_center(8, &name("t".into()), std::slice::from_ref(&plane)), "dimensions where"),
        (tenant_center(8, &name("t".into()), std::slice::from_ref(&outside)), "outside of the ball"),
    ];
    for (found, wanted) in refusals {
        let found = found.unwrap_err().to_string();
        assert!(found.contains(wanted), "{found:?} instead of {wanted:?}");
    }
}

#[test]
fn places_stay_what_they_are() {
    let center = tenant_center(2, &name("acme".into()), &[]).unwrap();
    let few = BTreeSet::from([name("rust".into()), name("gpu.a100".into())]);
    let work = Work {
        skills: &few,
        semantic: Some(&[1 << 40, -5, 77]),
        locality: Some(&Position(vec![0, 1 << 38])),
    };
    assert_eq!(
        (center.0.clone(), position(&center, &work).unwrap().0),
        (vec![978_561_022_211, 227_763_312_527], vec![1_005_613_594_384, 224_325_400_694]),
        "who is placed already stays: a change here needs a new tag"
    );
}
