//! Places from round-trip times, against the flat baseline, with and without liars; places
//! from affinity. The internets are made up, by seed.
//!
//! Arguments choose parts by the start of their names, for example `affinity::`.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/it/latency/internet.rs"]
mod internet;
#[path = "../tests/it/latency/mesh.rs"]
mod mesh;

use internet::{Internet, geographic, transit_stub};
use mesh::{Liars, Lie, Plan, flat_homes, homes, moved, run};
use phalanx_geometry::{
    affinity::{Work, position, tenant_center},
    latency::{ANCHOR_PPM, Comparison, Fit, Flat, Hyperbolic, Space, UNIT_US},
};
use phalanx_types::{Name, agent::Position};
use std::{collections::BTreeSet, hint::black_box, time::Instant};

type Make = fn(usize, u64) -> Internet;
const INTERNETS: [(&str, Make); 2] = [("transit-stub", transit_stub), ("geographic", geographic)];

/// The fit of a space and the seconds that it took.
fn fitted<S: Space + Copy>(space: S, internet: &Internet, homes: &[S::Place], plan: &Plan) -> (Fit, f64) {
    let began = Instant::now();
    let places = run(space, internet, homes, plan);
    let seconds = began.elapsed().as_secs_f64();
    (Fit::of(&space, &places, |a, b| internet.measured(a, b)).unwrap(), seconds)
}

fn fit() {
    println!(
        "{:<14}{:>6}{:>4}{:>9}{:>8}  {:>16}{:>16}  {:>8}{:>8}",
        "internet",
        "nodes",
        "dim",
        "unit ms",
        "anchor",
        "ball med/p90 %",
        "flat med/p90 %",
        "ball s",
        "flat s"
    );
    for (name, make) in INTERNETS {
        for (nodes, rounds) in [(200, 15), (1_000, 10)] {
            let internet = make(nodes, 1);
            let small = nodes == 200;
            let spaces = [(8, UNIT_US), (3, UNIT_US), (8, 100_000), (8, 50_000)];
            for (dimension, unit_us) in spaces.into_iter().take(if small { 4 } else { 1 }) {
                for anchor_ppm in [ANCHOR_PPM, ANCHOR_PPM / 40] {
                    let plan = Plan { neighbours: 32, rounds, anchor_ppm, liars: None };
                    let ball = Hyperbolic::new(dimension, unit_us).unwrap();
                    let flat = Flat::new(dimension, unit_us).unwrap();
                    let (ball, ball_s) = fitted(ball, &internet, &homes(&ball, &internet), &plan);
                    let (flat, flat_s) = fitted(flat, &internet, &flat_homes(&flat, &internet), &plan);
                    let percent = |fit: Fit| format!("{:.1} / {:.1}", fit.median * 100.0, fit.p90 * 100.0);
                    println!(
                        "{name:<14}{nodes:>6}{dimension:>4}{:>9}{:>8.2}  {:>16}{:>16}  {ball_s:>8.2}{flat_s:>8.2}  {}",
                        unit_us / 1_000,
                        f64::from(anchor_ppm) / 1e6,
                        percent(ball),
                        percent(flat),
                        Comparison { ball, flat }
                    );
                }
            }
        }
    }
}

/// The farthest that one liar of twenty moves an honest node, for each lie, as a part of
/// the median distance.
fn farthest<S: Space + Copy>(space: S, internet: &Internet, homes: &[S::Place]) -> Vec<f64> {
    let plan = |liars| Plan { neighbours: 32, rounds: 15, anchor_ppm: ANCHOR_PPM, liars };
    let honest = run(space, internet, homes, &plan(None));
    let lied = |lie| {
        let liars = Liars { one_of: 20, first: 3, lie, from_round: 0 };
        let lied = run(space, internet, homes, &plan(Some(liars)));
        moved(&space, internet, liars, &lied, &honest).into_iter().fold(0.0, f64::max)
    };
    Lie::ALL.into_iter().map(lied).collect()
}

fn liars() {
    println!(
        "the farthest that every twentieth node, lying, moves an honest one, in % of the median distance"
    );
    for (name, make) in INTERNETS {
        for nodes in [20, 100] {
            let internet = make(nodes, 1);
            let (ball, flat) = (Hyperbolic::new(8, UNIT_US).unwrap(), Flat::new(8, UNIT_US).unwrap());
            let in_ball = farthest(ball, &internet, &homes(&ball, &internet));
            let in_flat = farthest(flat, &internet, &flat_homes(&flat, &internet));
            for (lie, (ball, flat)) in Lie::ALL.iter().zip(in_ball.iter().zip(&in_flat)) {
                let (ball, flat) = (ball * 100.0, flat * 100.0);
                println!("{name:<14}{nodes:>6} {:<16} ball {ball:>6.2} flat {flat:>6.2}", format!("{lie:?}"));
            }
        }
    }
}

fn affinity() {
    let names = |what: &str, count: usize| -> Vec<Name> {
        (0..count).map(|i| Name::new(&format!("{what}-{i}")).unwrap()).collect()
    };
    let skills: BTreeSet<Name> = names("skill", 4).into_iter().collect();
    for dimension in [8, 64, 512] {
        let center = tenant_center(dimension, &names("tenant", 1)[0], &[]).unwrap();
        for len in [0, 384, 1_536] {
            let meaning: Vec<i64> = (0..len).map(|i| (i * i) % 1_001 - 500).collect();
            let semantic = (len > 0).then_some(meaning.as_slice());
            let count = 40_000 / dimension;
            let began = Instant::now();
            for _ in 0..count {
                let work = Work { skills: &skills, semantic, locality: Some(&center) };
                black_box(position(black_box(&center), &work).unwrap());
            }
            let rate = count as f64 / began.elapsed().as_secs_f64();
            println!("affinity::position/dimension={dimension},skills=4,semantic={len}: {rate:.0} a second");
        }
    }
    for (dimension, count) in [(2, 1_000), (8, 1_000), (8, 5_000)] {
        let began = Instant::now();
        let mut centers: Vec<Position> = Vec::new();
        for name in names("tenant", count) {
            centers.push(tenant_center(dimension, &name, &centers).unwrap());
        }
        let each = began.elapsed().as_secs_f64() / count as f64;
        println!("affinity::tenant_center/dimension={dimension},tenants={count}: {:.1} µs each", each * 1e6);
    }
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let parts: [(&str, fn()); 3] = [("fit", fit), ("liars", liars), ("affinity", affinity)];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|w| name.starts_with(w.trim_end_matches(':'))) {
            part();
        }
    }
}
