//! Exact nearest neighbours and range queries over points that move.
//!
//! [`Index`] is a tree of boxes. For a fixed centre the hyperbolic distance grows
//! with `‖x − c‖²/(1 − ‖x‖²)`, so a box of coordinates and an interval of gaps
//! bound the distance of all that is in it, and no bound needs a transcendental
//! function. Boxes are split at the median, across the widest coordinate or, where
//! their points are at very different depths, across the gap.
//!
//! - **N1** Answers are those of comparing every point: floats only leave out what
//!   is too far by more than their error, and integers decide the rest. Ties are
//!   broken by id.
//! - **N2** Answers depend on the points alone, not on the order in which they came.
//! - **N3** A change costs `O(log² n)` on average: a part of the tree that has
//!   become lopsided is built anew.

mod bucket;
mod search;
mod tree;

use crate::{Error, Reach, fixed};
use phalanx_types::agent::Position;
use std::collections::BTreeMap;
use tree::Tree;

/// Points by id that answer who is nearest and who is within reach.
#[derive(Clone, Debug)]
pub struct Index<K> {
    dimension: usize,
    tree: Tree<K>,
    /// The leaf that holds each id.
    leaves: BTreeMap<K, u32>,
}

impl<K: Ord + Copy> Index<K> {
    /// An empty index of points of this many dimensions.
    ///
    /// # Errors
    /// When the dimension is not 2 to 1,024.
    pub fn new(dimension: usize) -> Result<Self, Error> {
        fixed::allowed_dimension(dimension)?;
        Ok(Self { dimension, tree: Tree::new(dimension), leaves: BTreeMap::new() })
    }

    /// An index of many points at once: quicker than one by one. Of points with the
    /// same id the last one counts.
    ///
    /// # Errors
    /// When a position is not valid or has another dimension.
    pub fn build<'a>(
        dimension: usize,
        points: impl IntoIterator<Item = (K, &'a Position)>,
    ) -> Result<Self, Error> {
        let mut index = Self::new(dimension)?;
        let points: BTreeMap<K, &Position> = points.into_iter().collect();
        let mut all = bucket::Bucket::new(dimension);
        for (id, position) in points {
            all.push(id, &index.raw(position)?);
        }
        index.tree.build(all, &mut index.leaves);
        Ok(index)
    }

    /// Number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there is no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Where `id` is.
    #[must_use]
    pub fn position(&self, id: &K) -> Option<Position> {
        let point = self.tree.point(*self.leaves.get(id)?, id)?;
        Some(Position(point.iter().map(|x| *x as i64).collect()))
    }

    /// Puts a point in, or moves it when its id is there already.
    ///
    /// # Errors
    /// When the position is not valid or has another dimension. Nothing is changed
    /// then.
    pub fn insert(&mut self, id: K, position: &Position) -> Result<(), Error> {
        let raw = self.raw(position)?;
        if let Some(leaf) = self.leaves.get(&id) {
            if self.tree.replace(*leaf, &id, &raw) {
                return Ok(());
            }
            self.remove(&id);
        }
        self.tree.insert(id, &raw, &mut self.leaves);
        Ok(())
    }

    /// Takes a point out; false when there was none.
    pub fn remove(&mut self, id: &K) -> bool {
        let Some(leaf) = self.leaves.remove(id) else { return false };
        self.tree.remove(leaf, id, &mut self.leaves);
        true
    }

    /// The `k` points nearest to `center`, nearest first, ties by id.
    ///
    /// # Errors
    /// When the position is not valid or has another dimension.
    pub fn nearest(&self, center: &Position, k: usize) -> Result<Vec<K>, Error> {
        Ok(search::nearest(&self.tree, &self.raw(center)?, k.min(self.len())))
    }

    /// All points for which the policy inequality with `reach` about `center`
    /// holds, by id.
    ///
    /// # Errors
    /// When the position is not valid or has another dimension.
    pub fn within(&self, center: &Position, reach: Reach) -> Result<Vec<K>, Error> {
        Ok(search::within(&self.tree, &self.raw(center)?, reach))
    }

    fn raw(&self, position: &Position) -> Result<bucket::Raw, Error> {
        fixed::same_dimension(self.dimension, position.0.len())?;
        let gap = fixed::gap(position)? as f64;
        // Below 2^40 in magnitude, so exact.
        Ok(bucket::Raw { x: position.0.iter().map(|x| *x as f64).collect(), gap })
    }
}
