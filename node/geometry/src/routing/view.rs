//! What a node knows of the mesh: its neighbours and theirs.

use super::{Algorithm, NEIGHBOURS_MAX};
use crate::{Error, Point, fixed, point::sum_by};
use phalanx_types::agent::Position;
use std::collections::{BTreeMap, btree_map::Entry};

/// A neighbour that can be sent to now.
#[derive(Clone, Debug)]
pub struct Neighbour<'a, N> {
    /// Who it is.
    pub id: N,
    /// Where it is.
    pub position: &'a Position,
    /// How full the link to it is, in millionths of what it carries; above a
    /// million when a queue has formed. Only `gradient_flow` looks at it.
    pub load_ppm: u32,
    /// Its own neighbours, as it told them last; none when it has not yet.
    pub neighbours: Vec<(N, &'a Position)>,
}

/// A node's neighbours and their neighbours. The node makes it anew when one of its
/// links, or what a neighbour tells, has changed.
#[derive(Clone, Debug)]
pub struct View<N> {
    here: N,
    /// All nodes within two hops but the own one, by id.
    known: Vec<(N, Point)>,
    /// By id.
    links: Vec<Link<N>>,
}

#[derive(Clone, Debug)]
struct Link<N> {
    id: N,
    /// Index of the neighbour in what is known.
    slot: usize,
    /// The distance to the neighbour.
    length: f64,
    load_ppm: u32,
    /// Indices of the neighbour's neighbours; none when it has not told them.
    beyond: Option<Vec<usize>>,
}

/// What a message asks a view.
pub(super) struct Query<'a, N> {
    pub(super) algorithm: Algorithm,
    pub(super) target: N,
    pub(super) position: &'a Position,
    /// Where the message has been, by id.
    pub(super) been: &'a [N],
    /// Where it must not go, by id. The target is not meant.
    pub(super) avoid: &'a [N],
    /// Whether the link to the target must not be used.
    pub(super) is_indirect: bool,
    /// Whether neighbours that show nothing new are options too.
    pub(super) is_thorough: bool,
}

impl<N: Ord + Copy> View<N> {
    /// What the node `here` at `position` knows.
    ///
    /// What neighbours tell may be untrue, and lengthens ways at most. Told nodes at
    /// positions that are not valid are left out, and so is what is longer than
    /// [`NEIGHBOURS_MAX`]. Where neighbours disagree about the position of a node, the
    /// one with the lowest id is believed, and each about itself.
    ///
    /// # Errors
    /// When the own position or that of a neighbour is not valid, their dimensions
    /// differ, or there are more than [`NEIGHBOURS_MAX`] neighbours.
    pub fn new(here: N, position: &Position, neighbours: &[Neighbour<'_, N>]) -> Result<Self, Error> {
        if neighbours.len() > NEIGHBOURS_MAX {
            let found = neighbours.len();
            return Err(Error::PartCount { what: "a view", found, max: NEIGHBOURS_MAX });
        }
        let place = Point::try_from(position)?;
        let mut sorted: Vec<&Neighbour<'_, N>> = neighbours.iter().filter(|n| n.id != here).collect();
        sorted.sort_by_key(|n| n.id);
        sorted.dedup_by_key(|n| n.id);
        let mut places = BTreeMap::new();
        for neighbour in &sorted {
            fixed::same_dimension(place.dimension(), neighbour.position.0.len())?;
            places.insert(neighbour.id, Point::try_from(neighbour.position)?);
        }
        let told = sorted.iter().flat_map(|n| n.neighbours.iter().take(NEIGHBOURS_MAX));
        for (id, position) in
            told.filter(|(id, position)| *id != here && position.0.len() == place.dimension())
        {
            if let Entry::Vacant(entry) = places.entry(*id)
                && let Ok(point) = Point::try_from(*position)
            {
                entry.insert(point);
            }
        }
        let known = places.into_iter().collect();
        let mut view = Self { here, known, links: Vec::with_capacity(sorted.len()) };
        for Neighbour { id, load_ppm, neighbours: list, .. } in sorted {
            let Some((slot, (_, point))) = view.slot(id).and_then(|slot| Some((slot, view.known.get(slot)?)))
            else {
                continue;
            };
            let length = place.length_to(point)?;
            let beyond = list.iter().take(NEIGHBOURS_MAX).filter_map(|(id, _)| view.slot(id)).collect();
            let beyond = (!list.is_empty()).then_some(beyond);
            view.links.push(Link { id: *id, slot, length, load_ppm: *load_ppm, beyond });
        }
        Ok(view)
    }

    /// Whose view it is.
    #[must_use]
    pub const fn here(&self) -> N {
        self.here
    }

    /// Whether there is a live link to a node.
    #[must_use]
    pub fn is_linked(&self, id: N) -> bool {
        self.link(id).is_ok()
    }

    /// Sets how full a link is, in millionths; nothing happens when there is none.
    pub fn set_load(&mut self, id: N, load_ppm: u32) {
        if let Ok(at) = self.link(id)
            && let Some(link) = self.links.get_mut(at)
        {
            link.load_ppm = load_ppm;
        }
    }

    /// Takes out a link that has failed.
    pub fn cut(&mut self, id: N) {
        if let Ok(at) = self.link(id) {
            self.links.remove(at);
        }
    }

    fn link(&self, id: N) -> Result<usize, usize> {
        self.links.binary_search_by_key(&id, |link| link.id)
    }

    fn slot(&self, id: &N) -> Option<usize> {
        self.known.binary_search_by_key(id, |(id, _)| *id).ok()
    }

    /// The neighbour by which the way to the target is shortest, of equals the one
    /// nearest to the target, then the lowest id; none when no neighbour is an option.
    pub(super) fn best(&self, query: &Query<'_, N>) -> Result<Option<N>, Error> {
        let target = Point::try_from(query.position)?;
        let nearness = self.nearness(query, &target)?;
        let shown = self.shown(query);
        let at = |slot: &usize| nearness.get(*slot).copied().unwrap_or(f64::INFINITY);
        let mut best: Option<(f64, f64, N)> = None;
        for link in &self.links {
            let own = at(&link.slot);
            let is_new = |slot: &usize| shown.get(*slot) == Some(&false);
            let shows = query.is_thorough || link.beyond.as_ref().is_none_or(|list| list.iter().any(is_new));
            let is_option = if link.id == query.target { !query.is_indirect } else { shows };
            if own.is_infinite() || !is_option {
                continue;
            }
            let ahead = link.beyond.iter().flatten().map(at).fold(own, f64::min);
            let way = if query.algorithm == Algorithm::GradientFlow {
                // A link that is full is longer by its own length.
                let congestion = link.length.max(fixed::UNIT) * f64::from(link.load_ppm) / 1e6;
                2.0 * libm::asinh((ahead / target.gap()).sqrt()) + congestion
            } else {
                // What grows with the length will do.
                ahead
            };
            let is_better = |(w, o, _): &(f64, f64, N)| way.total_cmp(w).then(own.total_cmp(o)).is_lt();
            if best.as_ref().is_none_or(is_better) {
                best = Some((way, own, link.id));
            }
        }
        Ok(best.map(|(_, _, id)| id))
    }

    /// For each known node `‖x − t‖²/(1 − ‖x‖²)`, which grows with the distance from the
    /// target: zero for the target alone, infinite where the message must not go.
    fn nearness(&self, query: &Query<'_, N>, target: &Point) -> Result<Vec<f64>, Error> {
        let mut nearness = Vec::with_capacity(self.known.len());
        for (_, point) in &self.known {
            fixed::same_dimension(point.dimension(), target.dimension())?;
            let apart = sum_by(point.coordinates(), target.coordinates(), |x, t| (x - t) * (x - t));
            nearness.push((apart / point.gap()).max(f64::MIN_POSITIVE));
        }
        let closed = query.been.iter().chain(query.avoid).map(|id| (id, f64::INFINITY));
        for (id, value) in closed.chain([(&query.target, 0.0)]) {
            if let Some(own) = self.slot(id).and_then(|slot| nearness.get_mut(slot)) {
                *own = value;
            }
        }
        Ok(nearness)
    }

    /// For each known node whether the message has been to it or to a neighbour of it,
    /// as far as can be told here. The target is always new.
    fn shown(&self, query: &Query<'_, N>) -> Vec<bool> {
        let mut shown = vec![false; self.known.len()];
        for link in &self.links {
            let been = query.been.binary_search(&link.id).is_ok();
            let beyond = link.beyond.iter().flatten().filter(|_| been);
            for slot in beyond.chain([&link.slot]) {
                if let Some(shown) = shown.get_mut(*slot) {
                    *shown = true;
                }
            }
        }
        if let Some(shown) = self.slot(&query.target).and_then(|slot| shown.get_mut(slot)) {
            *shown = false;
        }
        shown
    }
}
