//! Distance, nearest neighbours and moves, with brute force beside them.
//!
//! Arguments choose parts by the start of their names, for example `nearest::`.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use phalanx_geometry::{Ball, Curvature, Point, Reach, is_within, nearest::Index, separation};
use phalanx_types::agent::Position;
use std::{hint::black_box, time::Instant};

/// Random numbers of this bench: a multiplicative congruential generator.
struct Draw(u64);

impl Draw {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n - 1)
    }

    /// Sum of four: nearly a normal distribution, so that all directions are alike.
    fn direction(&mut self, dimension: usize) -> Vec<f64> {
        (0..dimension).map(|_| self.unit() + self.unit() + self.unit() + self.unit() - 2.0).collect()
    }

    fn point(&mut self, dimension: usize, radius: f64) -> Point {
        let length = self.unit() * radius;
        Point::at(&self.direction(dimension), length).unwrap()
    }
}

/// Everywhere up to radius 6.
fn spread(draw: &mut Draw, dimension: usize, n: usize) -> Vec<Position> {
    (0..n).map(|_| draw.point(dimension, 6.0).to_position().unwrap()).collect()
}

/// A thousand tenants' clusters of radius 1, as affinity makes them.
fn clustered(draw: &mut Draw, dimension: usize, n: usize) -> Vec<Position> {
    let centers: Vec<Point> = (0..1_000).map(|_| draw.point(dimension, 6.0)).collect();
    (0..n)
        .map(|_| {
            let near = draw.point(dimension, 1.0);
            centers[draw.below(centers.len())].moebius_add(&near).unwrap().to_position().unwrap()
        })
        .collect()
}

/// Seconds that one of `n` calls takes.
fn each(n: usize, mut call: impl FnMut(usize)) -> f64 {
    let began = Instant::now();
    for i in 0..n {
        call(i);
    }
    began.elapsed().as_secs_f64() / n as f64
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.1} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

fn distance() {
    let ball = Ball::new(Curvature::ONE);
    let reach = Reach::for_within(Curvature::ONE, 5_000_000).unwrap();
    for dimension in [2, 8, 64, 512] {
        let points = spread(&mut Draw(7), dimension, 64);
        let reckoned: Vec<Point> = points.iter().map(|x| Point::try_from(x).unwrap()).collect();
        let n = 20_000_000 / (dimension + 50);
        let pair = |i: usize| (i % 64, (i * 7 + 1) % 64);
        let agreed = each(n, |i| {
            let (a, b) = pair(i);
            black_box(ball.distance(&points[a], &points[b]).unwrap());
        });
        let float = each(n, |i| {
            let (a, b) = pair(i);
            black_box(ball.length(&reckoned[a], &reckoned[b]).unwrap());
        });
        let within = each(n, |i| {
            let (a, b) = pair(i);
            black_box(is_within(&points[a], &points[b], reach).unwrap());
        });
        println!(
            "distance/dimension={dimension}: fixed point {}, floats {}, the policy inequality {}",
            time(agreed),
            time(float),
            time(within)
        );
    }
}

/// The nearest by comparing every point: with floats, as a good scan would.
fn force(rows: &[f64], gaps: &[f64], center: &[f64], k: usize) -> Vec<usize> {
    let dimension = center.len();
    let mut best: Vec<(f64, usize)> = Vec::with_capacity(k + 1);
    for (i, (row, gap)) in rows.chunks_exact(dimension).zip(gaps).enumerate() {
        let mut lanes = [0.0; 4];
        let mut blocks = row.chunks_exact(4);
        for (x, c) in blocks.by_ref().zip(center.chunks_exact(4)) {
            for l in 0..4 {
                lanes[l] += (x[l] - c[l]) * (x[l] - c[l]);
            }
        }
        let from = dimension - blocks.remainder().len();
        let rest: f64 = blocks.remainder().iter().zip(&center[from..]).map(|(x, c)| (x - c) * (x - c)).sum();
        let near = (lanes.iter().sum::<f64>() + rest) / gap;
        if best.len() < k || near < best[k - 1].0 {
            let at = best.partition_point(|(other, _)| *other <= near);
            best.insert(at, (near, i));
            best.truncate(k);
        }
    }
    best.into_iter().map(|(_, i)| i).collect()
}

fn nearest() {
    const K: usize = 10;
    type Layout = fn(&mut Draw, usize, usize) -> Vec<Position>;
    let layouts: [(&str, Layout); 2] = [("spread", spread), ("clustered", clustered)];
    for (layout, make) in layouts {
        for dimension in [2, 8, 64] {
            for n in [100_000, 1_000_000] {
                let mut draw = Draw(11);
                let points = make(&mut draw, dimension, n);
                let began = Instant::now();
                let mut index =
                    Index::build(dimension, points.iter().enumerate().map(|(i, x)| (i as u32, x))).unwrap();
                let built = began.elapsed().as_secs_f64();
                let mut rows: Vec<f64> = points.iter().flat_map(|x| x.0.iter().map(|c| *c as f64)).collect();
                let mut gaps: Vec<f64> =
                    points.iter().map(|x| phalanx_geometry::gap(x).unwrap() as f64).collect();
                // Near where points are: where searches come from.
                let centers: Vec<Position> = (0..400)
                    .map(|_| {
                        let at = Point::try_from(&points[draw.below(n)]).unwrap();
                        at.moebius_add(&draw.point(dimension, 0.5)).unwrap().to_position().unwrap()
                    })
                    .collect();
                let queries = if dimension == 64 { 60 } else { 400 };
                let scans = if n > 100_000 { 5 } else { 20 };
                let mut found = Vec::new();
                let ours = each(queries, |i| found.push(index.nearest(&centers[i], K).unwrap()));
                let mut scanned = Vec::new();
                let theirs = each(scans, |i| {
                    let center: Vec<f64> = centers[i].0.iter().map(|c| *c as f64).collect();
                    scanned.push(force(&rows, &gaps, &center, K));
                });
                for (a, b) in found.iter().zip(&scanned) {
                    assert!(a.iter().map(|id| *id as usize).eq(b.iter().copied()));
                }
                let reach = Reach::for_within(Curvature::ONE, 500_000).unwrap();
                let mut inside = 0;
                let range = each(queries, |i| inside += index.within(&centers[i], reach).unwrap().len());
                let moves = 20_000;
                let targets: Vec<(u32, Position)> = (0..moves)
                    .map(|_| {
                        let id = draw.below(n);
                        let at = Point::try_from(&points[id]).unwrap();
                        let to = at.moebius_add(&draw.point(dimension, 0.5)).unwrap();
                        (id as u32, to.to_position().unwrap())
                    })
                    .collect();
                let moved = each(moves, |i| index.insert(targets[i].0, &targets[i].1).unwrap());
                // What a list does: a row is overwritten.
                let overwritten = each(moves, |i| {
                    let (id, to) = &targets[i];
                    let row = &mut rows[*id as usize * dimension..][..dimension];
                    row.iter_mut().zip(&to.0).for_each(|(x, c)| *x = *c as f64);
                    gaps[*id as usize] = phalanx_geometry::gap(to).unwrap() as f64;
                });
                black_box((&rows, &gaps));
                let removed = each(moves, |i| assert!(index.remove(&(i as u32))));
                println!(
                    "nearest::{layout}/k={K},dimension={dimension},points={n}: {} against {} by force (ratio {:.1}); \
                     within 0.5 {} for {:.1} points; move {} against {} by force (ratio {:.3}); remove {}; built in {}",
                    time(ours),
                    time(theirs),
                    theirs / ours,
                    time(range),
                    inside as f64 / queries as f64,
                    time(moved),
                    time(overwritten),
                    overwritten / moved,
                    time(removed),
                    time(built)
                );
            }
        }
    }
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let parts: [(&str, fn()); 2] = [("distance", distance), ("nearest", nearest)];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|w| name.starts_with(w.trim_end_matches(':'))) {
            part();
        }
    }
    black_box(separation(&Position(vec![0, 0]), &Position(vec![1, 1])).unwrap());
}
