//! Where this node is, where others say they are, and who is linked with whom.

use crate::{
    NEIGHBOURS_TOLD_MAX,
    wire::{FlatWire, Told, ToldNeighbour},
};
use phalanx_geometry::{
    Ball, Curvature, Error, Point,
    latency::{ANCHOR_PPM, Comparison, Coordinate, Fit, Flat, FlatPlace, Hyperbolic, Sample, UNIT_US},
    placing,
    routing::{Neighbour, View},
};
use phalanx_types::{
    PublicKey,
    agent::{DIMENSION_DEFAULT, Position},
};
use std::collections::{BTreeMap, BTreeSet};

/// Most rounds in which the homes of the baseline find their places, and most moves in all
/// of them.
const FLAT_ROUNDS: usize = 200;
const FLAT_MOVES_MAX: usize = 100_000;
/// A ball so small that it is flat: lengths in it are so many times those outside.
const SMALL: f64 = 1e-3;

/// Who belongs to the mesh, as it is agreed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The network key of each admitted node, this one too, with the agreed place of its
    /// region; the origin where there is none.
    pub homes: BTreeMap<PublicKey, Position>,
}

impl Members {
    fn home(&self, key: &PublicKey) -> Position {
        self.homes.get(key).cloned().unwrap_or_else(|| Position::origin(DIMENSION_DEFAULT))
    }

    /// The homes in flat space: as far from one another as in the ball.
    fn flat_homes(&self) -> Result<BTreeMap<Position, FlatPlace>, Error> {
        let origin = Position::origin(DIMENSION_DEFAULT);
        let homes: BTreeSet<&Position> = self.homes.values().chain([&origin]).collect();
        let homes: Vec<&Position> = homes.into_iter().collect();
        let ball = Ball::new(Curvature::ONE);
        let in_ball: Vec<Point> =
            homes.iter().map(|home| Point::try_from(*home)).collect::<Result<_, _>>()?;
        let mut points = Vec::with_capacity(homes.len());
        for index in 0..homes.len() {
            points.push(placing::beginning(DIMENSION_DEFAULT, index)?.scaled(SMALL)?);
        }
        let between = |a: usize, b: usize| match (in_ball.get(a), in_ball.get(b)) {
            (Some(a), Some(b)) => ball.length(a, b).map_or(0.0, |length| length * SMALL),
            _ => 0.0,
        };
        let rounds = (FLAT_MOVES_MAX / points.len().pow(2).max(1)).clamp(1, FLAT_ROUNDS);
        placing::relax(&ball, &mut points, between, rounds as u32)?;
        let flat = points.iter().map(|point| {
            // A length is twice the coordinate there.
            FlatPlace::new(point.coordinates().iter().map(|x| 2.0 * x / SMALL).collect(), 0.0)
        });
        homes.into_iter().cloned().zip(flat).map(|(home, place)| Ok((home, place?))).collect()
    }
}

/// A peer to which there is a connection.
#[derive(Clone, Debug, Default)]
struct Link {
    told: Option<Told>,
    round_trip_us: Option<u32>,
    /// Number of the last measurement that was used.
    pings: u64,
    /// Whether it has left the last question unanswered.
    is_silent: bool,
}

/// How a node is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is this node.
    Own,
    /// It is linked and said so itself.
    Linked,
    /// A linked node tells of it.
    Told,
    /// Its region's place is agreed, and nothing else is known.
    Agreed,
}

impl Source {
    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Linked => "linked",
            Self::Told => "told",
            Self::Agreed => "agreed",
        }
    }
}

/// One node as this one knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its network key.
    pub key: PublicKey,
    /// How it is known.
    pub source: Source,
    /// Where it is.
    pub place: Position,
    /// How wrong its distances are, in millionths of them, if it said so.
    pub error_ppm: Option<u32>,
    /// The round trip to it that this node measured last, in microseconds.
    pub measured_us: Option<u32>,
    /// The round trip to be expected by the places in the ball, in microseconds.
    pub predicted_us: Option<u64>,
    /// The same by the flat places with a height.
    pub flat_predicted_us: Option<u64>,
}

/// What a node knows of places and links. It holds at most as many links as there are
/// members, and of each at most [`NEIGHBOURS_TOLD_MAX`] neighbours, who are members too.
#[derive(Debug)]
pub struct Places {
    own: PublicKey,
    members: Members,
    ball: Coordinate<Hyperbolic, PublicKey>,
    flat: Coordinate<Flat, PublicKey>,
    links: BTreeMap<PublicKey, Link>,
}

fn ball() -> Result<Hyperbolic, Error> {
    Hyperbolic::new(DIMENSION_DEFAULT, UNIT_US)
}

fn flat() -> Result<Flat, Error> {
    Flat::new(DIMENSION_DEFAULT, UNIT_US)
}

impl Places {
    /// A node that has heard nobody: it is near its home.
    ///
    /// # Errors
    /// When a member's home is not in the mesh's space.
    pub fn new(own: PublicKey, members: Members) -> Result<Self, Error> {
        let (home, flat_home) = Self::homes(&own, &members)?;
        Ok(Self {
            ball: Coordinate::new(ball()?, home, ANCHOR_PPM, &own.0)?,
            flat: Coordinate::new(flat()?, flat_home, ANCHOR_PPM, &own.0)?,
            own,
            members,
            links: BTreeMap::new(),
        })
    }

    fn homes(own: &PublicKey, members: &Members) -> Result<(Point, FlatPlace), Error> {
        let home = members.home(own);
        let flat_homes = members.flat_homes()?;
        let flat_home = flat_homes.get(&home).cloned();
        Ok((
            Point::try_from(&home)?,
            flat_home.map_or_else(|| FlatPlace::new(vec![0.0; DIMENSION_DEFAULT], 0.0), Ok)?,
        ))
    }

    /// Takes over who belongs to the mesh now; links to others are forgotten.
    ///
    /// # Errors
    /// When a member's home is not in the mesh's space. Nothing is changed then.
    pub fn set_members(&mut self, members: Members) -> Result<(), Error> {
        let (home, flat_home) = Self::homes(&self.own, &members)?;
        self.ball.set_home(home)?;
        self.flat.set_home(flat_home)?;
        for key in self.members.homes.keys().filter(|key| !members.homes.contains_key(key)) {
            self.links.remove(key);
            self.ball.forget(key);
            self.flat.forget(key);
        }
        for link in self.links.values_mut() {
            if let Some(told) = &mut link.told {
                told.neighbours.retain(|n| members.homes.contains_key(&n.key));
            }
        }
        self.members = members;
        Ok(())
    }

    /// Who belongs to the mesh.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// A connection with a member was made, or is there.
    pub fn connected(&mut self, key: PublicKey) {
        if key != self.own && self.members.homes.contains_key(&key) {
            self.links.entry(key).or_default();
        }
    }

    /// The last connection with a peer is gone.
    pub fn disconnected(&mut self, key: &PublicKey) {
        self.links.remove(key);
    }

    /// The peers to which there is a connection.
    pub fn linked(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.links.keys().copied()
    }

    /// Whether a peer is linked and answers.
    #[must_use]
    pub fn is_live(&self, key: &PublicKey) -> bool {
        self.links.get(key).is_some_and(|link| !link.is_silent)
    }

    /// A linked peer said where it is and whom it is linked to. What it says of nodes that
    /// are no members is left out.
    pub fn told(&mut self, key: &PublicKey, mut told: Told) {
        let Some(link) = self.links.get_mut(key) else { return };
        told.neighbours.retain(|n| self.members.homes.contains_key(&n.key));
        link.told = Some(told);
        link.is_silent = false;
    }

    /// A linked peer did not say it in time: it is not sent to until it does.
    pub fn silent(&mut self, key: &PublicKey) {
        if let Some(link) = self.links.get_mut(key) {
            link.is_silent = true;
        }
    }

    /// Learns from the round trip to a linked peer, when its number is a new one and the
    /// peer has said where it is.
    ///
    /// # Errors
    /// When what the peer said cannot be reckoned with. Nothing is learned then.
    pub fn measured(&mut self, key: &PublicKey, pings: u64, round_trip_us: u32) -> Result<(), Error> {
        let Some(link) = self.links.get_mut(key) else { return Ok(()) };
        link.round_trip_us = Some(round_trip_us);
        let Some(told) = link.told.as_ref().filter(|_| pings != link.pings) else { return Ok(()) };
        link.pings = pings;
        let round_trip_us = round_trip_us.max(1);
        let place = Point::try_from(&told.place)?;
        self.ball.observe(key, Sample { place: &place, error_ppm: told.error_ppm, round_trip_us })?;
        if let Ok(place) = told.flat.place() {
            let error_ppm = told.flat_error_ppm;
            self.flat.observe(key, Sample { place: &place, error_ppm, round_trip_us })?;
        }
        Ok(())
    }

    /// What this node tells its peers.
    ///
    /// # Errors
    /// None for places that were reckoned here.
    pub fn own_told(&self) -> Result<Told, Error> {
        let neighbours = self.links.iter().filter(|(_, link)| !link.is_silent).take(NEIGHBOURS_TOLD_MAX);
        Ok(Told {
            place: self.ball.place().to_position()?,
            error_ppm: self.ball.error_ppm(),
            flat: FlatWire::from(self.flat.place()),
            flat_error_ppm: self.flat.error_ppm(),
            neighbours: neighbours
                .map(|(key, link)| ToldNeighbour {
                    key: *key,
                    place: link
                        .told
                        .as_ref()
                        .map_or_else(|| self.members.home(key), |told| told.place.clone()),
                    round_trip_us: link.round_trip_us.unwrap_or(0),
                })
                .collect(),
        })
    }

    /// What messages find their way by: the links that answer, and what these tell.
    ///
    /// # Errors
    /// None for places that were taken in here.
    pub fn view(&self) -> Result<View<PublicKey>, Error> {
        let place = self.ball.place().to_position()?;
        let homes: BTreeMap<PublicKey, Position> =
            self.links.keys().map(|key| (*key, self.members.home(key))).collect();
        let neighbours: Vec<Neighbour<'_, PublicKey>> = self
            .links
            .iter()
            .filter(|(_, link)| !link.is_silent)
            .filter_map(|(key, link)| {
                let told = link.told.as_ref();
                Some(Neighbour {
                    id: *key,
                    position: told.map_or_else(|| homes.get(key), |told| Some(&told.place))?,
                    load_ppm: 0,
                    neighbours: told
                        .map(|told| told.neighbours.iter().map(|n| (n.key, &n.place)).collect())
                        .unwrap_or_default(),
                })
            })
            .collect();
        View::new(self.own, &place, &neighbours)
    }

    /// Where a member is, as far as it is known here; none for others.
    #[must_use]
    pub fn place_of(&self, key: &PublicKey) -> Option<Position> {
        let told = self.links.get(key).and_then(|link| link.told.as_ref()).map(|told| told.place.clone());
        told.or_else(|| self.told_place(key).cloned()).or_else(|| self.members.homes.get(key).cloned())
    }

    fn told_place(&self, key: &PublicKey) -> Option<&Position> {
        let lists = self.links.values().filter_map(|link| link.told.as_ref());
        lists.flat_map(|told| &told.neighbours).find(|n| n.key == *key).map(|n| &n.place)
    }

    /// The round trip to be expected to a place, in microseconds.
    #[must_use]
    pub fn predicted_us(&self, place: &Position) -> Option<u64> {
        let point = Point::try_from(place).ok()?;
        self.ball.round_trip_us(&point).ok().map(whole)
    }

    /// All members as this node knows them: itself first, then by key.
    #[must_use]
    pub fn table(&self) -> Vec<Row> {
        let row = |key: &PublicKey| {
            let link = self.links.get(key);
            let told = link.and_then(|link| link.told.as_ref());
            let flat = told.and_then(|told| told.flat.place().ok());
            let (source, place) = if *key == self.own {
                (Source::Own, self.ball.place().to_position().ok()?)
            } else if link.is_some() {
                (Source::Linked, self.place_of(key)?)
            } else if let Some(place) = self.told_place(key) {
                (Source::Told, place.clone())
            } else {
                (Source::Agreed, self.members.home(key))
            };
            let is_own = source == Source::Own;
            Some(Row {
                key: *key,
                source,
                error_ppm: if is_own { Some(self.ball.error_ppm()) } else { told.map(|told| told.error_ppm) },
                measured_us: link.and_then(|link| link.round_trip_us),
                predicted_us: if is_own { None } else { self.predicted_us(&place) },
                flat_predicted_us: flat.and_then(|place| self.flat.round_trip_us(&place).ok()).map(whole),
                place,
            })
        };
        let others = self.members.homes.keys().filter(|key| **key != self.own);
        std::iter::once(&self.own).chain(others).filter_map(row).collect()
    }

    /// How well both kinds of places fit the round trips between this node and the linked
    /// ones, and among these as far as they tell; none when nothing was measured.
    ///
    /// # Errors
    /// None for places that were taken in here.
    pub fn comparison(&self) -> Result<Option<Comparison>, Error> {
        let mut keys = vec![self.own];
        let mut points = vec![self.ball.place().clone()];
        let mut flats = vec![self.flat.place().clone()];
        for (key, told) in self.links.iter().filter_map(|(key, link)| Some((key, link.told.as_ref()?))) {
            if let (Ok(point), Ok(flat)) = (Point::try_from(&told.place), told.flat.place()) {
                keys.push(*key);
                points.push(point);
                flats.push(flat);
            }
        }
        let times = self.round_trips();
        let measured = |a: usize, b: usize| {
            let (a, b) = (keys.get(a)?, keys.get(b)?);
            times.get(&(*a, *b)).or_else(|| times.get(&(*b, *a))).copied()
        };
        let mut pairs = (0..keys.len()).flat_map(|a| (a + 1..keys.len()).map(move |b| (a, b)));
        if !pairs.any(|(a, b)| measured(a, b).is_some()) {
            return Ok(None);
        }
        Ok(Some(Comparison {
            ball: Fit::of(&ball()?, &points, measured)?,
            flat: Fit::of(&flat()?, &flats, measured)?,
        }))
    }

    /// Round trips in microseconds: those of this node, and those that are told.
    fn round_trips(&self) -> BTreeMap<(PublicKey, PublicKey), u32> {
        let mut times = BTreeMap::new();
        for (key, told) in self.links.iter().filter_map(|(key, link)| Some((key, link.told.as_ref()?))) {
            for neighbour in told.neighbours.iter().filter(|n| n.round_trip_us > 0) {
                times.insert((*key, neighbour.key), neighbour.round_trip_us);
            }
        }
        for (key, link) in &self.links {
            if let Some(us) = link.round_trip_us {
                // What this node measured itself comes before what it was told.
                times.remove(&(*key, self.own));
                times.insert((self.own, *key), us);
            }
        }
        times
    }
}

fn whole(us: f64) -> u64 {
    us.max(0.0) as u64
}
