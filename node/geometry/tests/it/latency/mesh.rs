//! A mesh whose nodes ping each other, with liars among them.

use super::internet::{Draw, Internet};
use phalanx_geometry::{
    Ball, Curvature, Point,
    latency::{Coordinate, Flat, FlatPlace, Hyperbolic, Sample, Space},
    placing,
};

/// What a liar does. Parts are of the median distance; lengths go along the first axis.
#[derive(Clone, Copy, Debug)]
pub enum Lie {
    /// It says it is this far from where it is.
    Shifted(f64),
    /// It says it is farther away every round, by so much.
    Dragging(f64),
    /// It holds its answers back by so much.
    Delaying(f64),
    /// It knows where each peer thinks itself and tells it a place that it would have to move
    /// towards by so much, always to the same side.
    Pulling(f64),
    /// As [`Lie::Pulling`], but to the other side every round.
    Shaking(f64),
    /// As [`Lie::Pulling`], but each peer in a direction of its own, always the same.
    Scattering(f64),
    /// As [`Lie::Pulling`], and it holds its answers back by as much.
    DelayingAndPulling(f64),
}

impl Lie {
    pub const ALL: [Self; 20] = [
        Self::Shifted(0.1),
        Self::Shifted(0.5),
        Self::Shifted(5.0),
        Self::Dragging(0.005),
        Self::Dragging(0.05),
        Self::Delaying(0.1),
        Self::Delaying(0.5),
        Self::Delaying(20.0),
        Self::Pulling(0.1),
        Self::Pulling(0.2),
        Self::Pulling(0.4),
        Self::Pulling(1.0),
        Self::Shaking(0.2),
        Self::Shaking(1.0),
        Self::Scattering(0.1),
        Self::Scattering(0.2),
        Self::Scattering(0.4),
        Self::DelayingAndPulling(0.1),
        Self::DelayingAndPulling(0.2),
        Self::DelayingAndPulling(0.5),
    ];
}

/// Who lies how, from which round on.
#[derive(Clone, Copy)]
pub struct Liars {
    /// Every so many-th node.
    pub one_of: usize,
    /// The first of them.
    pub first: usize,
    pub lie: Lie,
    pub from_round: u32,
}

pub struct Plan {
    pub neighbours: usize,
    pub rounds: u32,
    pub anchor_ppm: u32,
    pub liars: Option<Liars>,
}

fn along<S: Space>(space: &S, length: f64) -> Vec<f64> {
    let mut tangent = vec![0.0; space.tangent_dimension()];
    tangent[0] = length;
    tangent
}

/// A direction that follows from who lies to whom.
fn hashed<S: Space>(space: &S, liar: usize, peer: usize, length: f64) -> Vec<f64> {
    let mut draw = Draw((liar * 1_000_003 + peer) as u64);
    draw.unit();
    let direction: Vec<f64> = (0..space.tangent_dimension()).map(|_| draw.between(-1.0, 1.0)).collect();
    let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
    direction.iter().map(|x| x / norm * length).collect()
}

/// Where all nodes are in the end.
pub fn run<S: Space + Copy>(space: S, internet: &Internet, homes: &[S::Place], plan: &Plan) -> Vec<S::Place> {
    let n = internet.len();
    let mut nodes: Vec<Coordinate<S, u32>> = (0..n)
        .map(|i| {
            let home = homes[internet.regions[i]].clone();
            Coordinate::new(space, home, plan.anchor_ppm, &(i as u32).to_le_bytes()).unwrap()
        })
        .collect();
    let mut choice = Draw(n as u64);
    let neighbours: Vec<Vec<usize>> = (0..n)
        .map(|i| {
            let mut all: Vec<usize> = (0..n).filter(|j| *j != i).collect();
            for k in 0..plan.neighbours.min(all.len()) {
                let other = k + choice.below(all.len() - k);
                all.swap(k, other);
            }
            all.truncate(plan.neighbours);
            all
        })
        .collect();
    let median = internet.median_us() / f64::from(space.unit_us());
    let mut jitter = Draw(5);
    for round in 0..plan.rounds {
        for i in 0..n {
            for &j in &neighbours[i] {
                let quiet = f64::from(internet.round_trips_us[i][j]);
                let mut time = quiet * (1.0 + jitter.exponential(0.03));
                let mut place = nodes[j].place().clone();
                let mut error_ppm = nodes[j].error_ppm();
                if let Some(liars) = plan.liars
                    && j % liars.one_of == liars.first
                    && round >= liars.from_round
                {
                    error_ppm = 0;
                    let since = f64::from(round - liars.from_round);
                    let wanted = quiet / f64::from(space.unit_us());
                    let from_peer = |length: f64| space.go(nodes[i].place(), &along(&space, length)).unwrap();
                    match liars.lie {
                        Lie::Shifted(part) => {
                            place = space.go(&place, &along(&space, (part * median).min(15.0))).unwrap();
                        }
                        Lie::Dragging(part) => {
                            let length = (part * median * since).min(15.0);
                            place = space.go(&place, &along(&space, length)).unwrap();
                        }
                        Lie::Delaying(part) => time += part * internet.median_us(),
                        Lie::Pulling(part) => place = from_peer(wanted + part * median),
                        Lie::Shaking(part) => {
                            let side = if round.is_multiple_of(2) { 1.0 } else { -1.0 };
                            place = from_peer(side * (wanted + part * median));
                        }
                        Lie::Scattering(part) => {
                            let tangent = hashed(&space, j, i, wanted + part * median);
                            place = space.go(nodes[i].place(), &tangent).unwrap();
                        }
                        // Far enough that the place pulls though the answer was late.
                        Lie::DelayingAndPulling(part) => {
                            time += part * internet.median_us();
                            place = from_peer(wanted + 2.0 * part * median);
                        }
                    }
                }
                let sample = Sample { place: &place, error_ppm, round_trip_us: time as u32 };
                nodes[i].observe(&(j as u32), sample).unwrap();
            }
        }
    }
    nodes.iter().map(|node| node.place().clone()).collect()
}

/// The places of regions in the ball, as a mesh agrees on them.
pub fn homes(space: &Hyperbolic, internet: &Internet) -> Vec<Point> {
    placed(internet, space.tangent_dimension(), 1.0 / f64::from(space.unit_us()), 1.0)
}

/// The same for the baseline: in a ball so small that it is flat.
pub fn flat_homes(space: &Flat, internet: &Internet) -> Vec<FlatPlace> {
    const SMALL: f64 = 1e-3;
    let unit = 1.0 / f64::from(space.unit_us());
    placed(internet, space.tangent_dimension() - 1, unit * SMALL, SMALL)
        .iter()
        .map(|home| {
            // A length is twice the coordinate there.
            FlatPlace::new(home.coordinates().iter().map(|x| 2.0 * x / SMALL).collect(), 0.0).unwrap()
        })
        .collect()
}

fn placed(internet: &Internet, dimension: usize, unit: f64, beginning: f64) -> Vec<Point> {
    let count = internet.regions_len();
    let mut points: Vec<Point> =
        (0..count).map(|i| placing::beginning(dimension, i).unwrap().scaled(beginning).unwrap()).collect();
    let wanted: Vec<Vec<f64>> = (0..count)
        .map(|a| (0..count).map(|b| internet.between_us(a.min(b), a.max(b)) * unit).collect())
        .collect();
    placing::relax(&Ball::new(Curvature::ONE), &mut points, |a, b| wanted[a][b], 200).unwrap();
    points
}

/// How far each honest node is from where it would be, in parts of the median distance.
pub fn moved<S: Space>(
    space: &S,
    internet: &Internet,
    liars: Liars,
    with: &[S::Place],
    without: &[S::Place],
) -> Vec<f64> {
    let median = internet.median_us() / f64::from(space.unit_us());
    (0..internet.len())
        .filter(|i| i % liars.one_of != liars.first)
        .map(|i| {
            // Homeward is without the heights, which are no way between two places.
            let way = space.homeward(&with[i], &without[i]).unwrap();
            way.iter().map(|x| x * x).sum::<f64>().sqrt() / median
        })
        .collect()
}
