//! One node's own place.

use super::{Seen, Space};
use crate::{Error, hashed};
use std::collections::{BTreeMap, VecDeque};

/// Most peers whose samples are kept.
pub const PEERS_MAX: usize = 64;
/// Round-trip times of one peer that are kept; the least counts.
pub const ROUND_TRIPS: usize = 8;
/// An error that says nothing is known: the whole distance.
pub const ERROR_PPM_MAX: u32 = 1_000_000;
/// A residual of so many times the median residual has no influence any more.
pub const CUTOFF: f64 = 6.0;
/// The pull towards home beside that of all peers together, in millionths. With this one
/// no liar of twenty moves anybody who pings 16 others or more by 5 % of the median
/// distance: 4.3 % is the most that the slow tests saw, and 3.5 % where everybody pings
/// everybody. Who pings 12 was moved by up to 5.4 %, who pings 8 by 25 %. A weaker pull
/// leaves distances less wrong (bench `embedding`), and liars move nodes further.
pub const ANCHOR_PPM: u32 = 2_000_000;

/// The median residual is taken for at least this, so that a perfect fit may still move:
/// in roots of a unit of length.
const MEDIAN_MIN: f64 = 1e-3;
/// A peer nearer than this part of the median distance counts as if it were there.
const NEAR: f64 = 0.5;
/// The longest step, in units of length.
const STEP_MAX: f64 = 0.5;
/// How far from home a node begins, in units of length: no two at one place.
const BEGINNING: f64 = 0.05;
/// How much of the own error a new sample renews.
const RENEWED: f64 = 0.05;

/// What a node learns from one ping.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a, P> {
    /// Where the peer says it is.
    pub place: &'a P,
    /// How wrong the peer says its distances are, in millionths of them.
    pub error_ppm: u32,
    /// The round-trip time that the node measured, in microseconds.
    pub round_trip_us: u32,
}

#[derive(Clone, Debug)]
struct Peer<P> {
    place: P,
    error: f64,
    round_trips_us: VecDeque<u32>,
    /// Number of the sample that was its last.
    heard: u64,
}

/// A peer as a step uses it; lengths in units of the space.
struct Pull {
    wanted: f64,
    seen: Seen,
    error: f64,
}

/// The place of one node, among peers with ids `K`.
#[derive(Clone, Debug)]
pub struct Coordinate<S: Space, K> {
    space: S,
    home: S::Place,
    anchor: f64,
    place: S::Place,
    error: f64,
    peers: BTreeMap<K, Peer<S::Place>>,
    samples: u64,
}

impl<S: Space, K: Ord + Clone> Coordinate<S, K> {
    /// A node that has heard nobody: it begins near `home`, the place of its region, in a
    /// direction that follows from its `own` id. `anchor_ppm` is how strongly home holds it
    /// ([`ANCHOR_PPM`]).
    ///
    /// # Errors
    /// When the home has another dimension than the space.
    pub fn new(space: S, home: S::Place, anchor_ppm: u32, own: &[u8]) -> Result<Self, Error> {
        let anchor = f64::from(anchor_ppm) / 1e6;
        let dimension = space.tangent_dimension();
        let scale = BEGINNING / hashed::COMPONENT / (dimension as f64).sqrt();
        let tangent: Vec<f64> =
            hashed::direction(own, dimension).iter().map(|x| f64::from(*x) * scale).collect();
        space.see(&home, &home)?;
        let place = space.go(&home, &tangent)?;
        Ok(Self { space, home, anchor, place, error: 1.0, peers: BTreeMap::new(), samples: 0 })
    }

    /// Where it is.
    pub const fn place(&self) -> &S::Place {
        &self.place
    }

    /// How wrong its distances are, in millionths: the running median over its peers.
    pub fn error_ppm(&self) -> u32 {
        libm::rint(self.error * f64::from(ERROR_PPM_MAX)) as u32
    }

    /// Peers whose samples are kept.
    pub fn peers_len(&self) -> usize {
        self.peers.len()
    }

    /// The round-trip time to be expected to a place, in microseconds.
    ///
    /// # Errors
    /// When it has another dimension.
    pub fn round_trip_us(&self, to: &S::Place) -> Result<f64, Error> {
        Ok(self.space.see(&self.place, to)?.distance * f64::from(self.space.unit_us()))
    }

    /// Takes another home, as when the region was placed anew.
    ///
    /// # Errors
    /// When it has another dimension than the space.
    pub fn set_home(&mut self, home: S::Place) -> Result<(), Error> {
        self.space.see(&home, &home)?;
        self.home = home;
        Ok(())
    }

    /// Forgets a peer that has left.
    pub fn forget(&mut self, peer: &K) {
        self.peers.remove(peer);
    }

    /// Learns from a ping, and moves one step. When [`PEERS_MAX`] are kept, the one that
    /// was longest not heard is forgotten for a new one.
    ///
    /// # Errors
    /// When the time is zero, or the place has another dimension. Nothing is changed
    /// then.
    pub fn observe(&mut self, peer: &K, sample: Sample<'_, S::Place>) -> Result<(), Error> {
        if sample.round_trip_us == 0 {
            return Err(Error::NoTime);
        }
        self.space.see(&self.place, sample.place)?;
        self.samples += 1;
        let mut kept = match self.peers.remove(peer) {
            Some(kept) => kept.round_trips_us,
            None => VecDeque::with_capacity(ROUND_TRIPS),
        };
        if kept.len() == ROUND_TRIPS {
            kept.pop_front();
        }
        kept.push_back(sample.round_trip_us);
        if self.peers.len() == PEERS_MAX {
            let oldest = self.peers.iter().min_by_key(|(_, peer)| peer.heard).map(|(key, _)| key.clone());
            if let Some(key) = oldest {
                self.peers.remove(&key);
            }
        }
        let error = f64::from(sample.error_ppm.min(ERROR_PPM_MAX)) / f64::from(ERROR_PPM_MAX);
        let place = sample.place.clone();
        let known = Peer { place, error, round_trips_us: kept, heard: self.samples };
        self.peers.insert(peer.clone(), known);
        self.step()
    }

    fn pulls(&self) -> Result<Vec<Pull>, Error> {
        let pull = |peer: &Peer<S::Place>| {
            let least = peer.round_trips_us.iter().min().copied().unwrap_or(1);
            let seen = self.space.see(&self.place, &peer.place)?;
            Ok(Pull { wanted: self.space.length_of(least), seen, error: peer.error })
        };
        self.peers.values().map(pull).collect()
    }

    /// One step of iteratively reweighted least squares: the sum of what each peer pulls,
    /// by weight, over the sum of weights.
    fn step(&mut self) -> Result<(), Error> {
        let pulls = self.pulls()?;
        let near = NEAR * median(pulls.iter().map(|pull| pull.wanted));
        let claimed = median(pulls.iter().map(|pull| pull.error));
        // Residuals are weighed by distance, so that those of short ways count too.
        let residual = |pull: &Pull| (pull.wanted - pull.seen.distance) / pull.wanted.max(near).sqrt();
        let typical = median(pulls.iter().map(|pull| residual(pull).abs())).max(MEDIAN_MIN);
        let mut sum = vec![0.0; self.space.tangent_dimension()];
        let mut total = 0.0;
        for pull in &pulls {
            let beside = residual(pull) / (CUTOFF * typical);
            let rest = 1.0 - beside * beside;
            if rest <= 0.0 {
                continue;
            }
            let trust = if pull.error > claimed { claimed / pull.error } else { 1.0 };
            let weight = trust * rest * rest / pull.wanted.max(near);
            total += weight;
            add(&mut sum, &pull.seen.away, weight * (pull.wanted - pull.seen.distance));
        }
        let home = self.anchor * total;
        add(&mut sum, &self.space.homeward(&self.place, &self.home)?, home);
        let scale = 1.0 / (total + home);
        if scale.is_finite() {
            let length = sum.iter().fold(0.0, |square, x| square + x * x).sqrt() * scale;
            let scale = if length > STEP_MAX { scale * STEP_MAX / length } else { scale };
            let tangent: Vec<f64> = sum.iter().map(|x| x * scale).collect();
            self.place = self.space.go(&self.place, &tangent)?;
        }
        let wrong = |pull: &Pull| (pull.wanted - pull.seen.distance).abs() / pull.wanted;
        let wrong = median(pulls.iter().map(wrong)).min(1.0);
        self.error += RENEWED * (wrong - self.error);
        Ok(())
    }
}

fn add(sum: &mut [f64], vector: &[f64], factor: f64) {
    for (sum, x) in sum.iter_mut().zip(vector) {
        *sum += factor * x;
    }
}

/// The lower median; zero of nothing.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len().saturating_sub(1) / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}
