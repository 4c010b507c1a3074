//! The tree of boxes: nodes in one list, found by number.

use super::bucket::{Bounds, Bucket, Raw, Split};
use std::collections::BTreeMap;

/// Most points of a leaf before it is split.
const LEAF_MAX: usize = 32;
/// No node.
const NONE: u32 = u32::MAX;

/// What a node is.
#[derive(Clone, Debug)]
pub(super) enum Shape<K> {
    /// Two boxes, and where they were cut.
    Inner {
        /// The cut.
        split: Split,
        /// Before and after it.
        children: [u32; 2],
    },
    /// Points.
    Leaf(Bucket<K>),
    /// Not in use.
    Free,
}

#[derive(Clone, Debug)]
struct Node<K> {
    parent: u32,
    count: usize,
    /// A leaf is split when it has more points than this.
    limit: usize,
    bounds: Bounds,
    shape: Shape<K>,
}

/// The tree. Its root is always there, if only as an empty leaf.
#[derive(Clone, Debug)]
pub(super) struct Tree<K> {
    dimension: usize,
    nodes: Vec<Node<K>>,
    free: Vec<u32>,
    root: u32,
}

impl<K: Ord + Copy> Tree<K> {
    pub(super) fn new(dimension: usize) -> Self {
        let mut tree = Self { dimension, nodes: Vec::new(), free: Vec::new(), root: NONE };
        tree.root = tree.leaf(NONE, Bucket::new(dimension));
        tree
    }

    pub(super) fn root(&self) -> u32 {
        self.root
    }

    fn node(&self, at: u32) -> Option<&Node<K>> {
        self.nodes.get(at as usize)
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node<K>> {
        self.nodes.get_mut(at as usize)
    }

    pub(super) fn shape(&self, at: u32) -> Option<&Shape<K>> {
        self.node(at).map(|node| &node.shape)
    }

    pub(super) fn bounds(&self, at: u32) -> Option<&Bounds> {
        self.node(at).map(|node| &node.bounds)
    }

    fn count(&self, at: u32) -> usize {
        self.node(at).map_or(0, |node| node.count)
    }

    fn bucket(&self, at: u32) -> Option<&Bucket<K>> {
        match self.shape(at) {
            Some(Shape::Leaf(bucket)) => Some(bucket),
            _ => None,
        }
    }

    fn bucket_mut(&mut self, at: u32) -> Option<&mut Bucket<K>> {
        match self.node_mut(at).map(|node| &mut node.shape) {
            Some(Shape::Leaf(bucket)) => Some(bucket),
            _ => None,
        }
    }

    /// The coordinates of `id` in a leaf.
    pub(super) fn point(&self, leaf: u32, id: &K) -> Option<&[f64]> {
        self.bucket(leaf)?.row(id).map(|(_, x)| x)
    }

    fn add(&mut self, node: Node<K>) -> u32 {
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.node_mut(at)
        {
            *slot = node;
            return at;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    fn leaf(&mut self, parent: u32, bucket: Bucket<K>) -> u32 {
        let (bounds, count) = (bucket.bounds(), bucket.len());
        let limit = LEAF_MAX.max(2 * count);
        let limit = if count <= LEAF_MAX { LEAF_MAX } else { limit };
        self.add(Node { parent, count, limit, bounds, shape: Shape::Leaf(bucket) })
    }

    /// Makes the tree anew from all its points.
    pub(super) fn build(&mut self, all: Bucket<K>, leaves: &mut BTreeMap<K, u32>) {
        self.nodes.clear();
        self.free.clear();
        self.root = self.grow(NONE, all, leaves);
    }

    /// A balanced tree of these points.
    fn grow(&mut self, parent: u32, points: Bucket<K>, leaves: &mut BTreeMap<K, u32>) -> u32 {
        let bounds = points.bounds();
        let split = if points.len() > LEAF_MAX { points.median(&bounds) } else { None };
        let Some(split) = split else {
            let ids: Vec<K> = points.ids().to_vec();
            let at = self.leaf(parent, points);
            for id in ids {
                leaves.insert(id, at);
            }
            return at;
        };
        let count = points.len();
        let (before, after) = points.split(split);
        drop(points);
        let shape = Shape::Inner { split, children: [NONE; 2] };
        let at = self.add(Node { parent, count, limit: 0, bounds, shape });
        let grown = [self.grow(at, before, leaves), self.grow(at, after, leaves)];
        if let Some(Node { shape: Shape::Inner { children, .. }, .. }) = self.node_mut(at) {
            *children = grown;
        }
        at
    }

    /// Takes a part of the tree apart: its points.
    fn harvest(&mut self, at: u32) -> Bucket<K> {
        let mut all = Bucket::new(self.dimension);
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            let Some(node) = self.node_mut(at) else { continue };
            match std::mem::replace(&mut node.shape, Shape::Free) {
                Shape::Inner { children, .. } => open.extend(children),
                Shape::Leaf(bucket) => all.append(bucket),
                Shape::Free => continue,
            }
            self.free.push(at);
        }
        all
    }

    fn rebuild(&mut self, at: u32, leaves: &mut BTreeMap<K, u32>) {
        let parent = self.node(at).map_or(NONE, |node| node.parent);
        let points = self.harvest(at);
        let anew = self.grow(parent, points, leaves);
        self.hang(parent, at, anew);
    }

    /// Puts `anew` where `old` hung below `parent`.
    fn hang(&mut self, parent: u32, old: u32, anew: u32) {
        match self.node_mut(parent).map(|node| &mut node.shape) {
            Some(Shape::Inner { children, .. }) => {
                for child in children.iter_mut().filter(|child| **child == old) {
                    *child = anew;
                }
            }
            _ => self.root = anew,
        }
        if let Some(node) = self.node_mut(anew) {
            node.parent = parent;
        }
    }

    pub(super) fn insert(&mut self, id: K, point: &Raw, leaves: &mut BTreeMap<K, u32>) {
        let mut at = self.root;
        let mut lopsided = None;
        while let Some(node) = self.node_mut(at) {
            node.count += 1;
            node.bounds.include(point.gap, &point.x);
            let Shape::Inner { split, children: [before, after] } = &node.shape else { break };
            let (count, next) =
                (node.count, if split.is_before(point.gap, &point.x) { *before } else { *after });
            if lopsided.is_none() && self.count(next) + 1 > count / 2 + count / 5 + LEAF_MAX {
                lopsided = Some(at);
            }
            at = next;
        }
        if let Some(bucket) = self.bucket_mut(at) {
            bucket.push(id, point);
        }
        leaves.insert(id, at);
        let full = self.node(at).is_some_and(|node| node.count > node.limit);
        if let Some(at) = lopsided.or(full.then_some(at)) {
            self.rebuild(at, leaves);
        }
    }

    /// Moves a point within its leaf; false when it has to go elsewhere.
    pub(super) fn replace(&mut self, leaf: u32, id: &K, point: &Raw) -> bool {
        let mut at = self.root;
        while let Some(Shape::Inner { split, children: [before, after] }) = self.shape(at) {
            at = if split.is_before(point.gap, &point.x) { *before } else { *after };
        }
        if at != leaf {
            return false;
        }
        let Some(touched) = self.touches(leaf, id) else { return false };
        if let Some(bucket) = self.bucket_mut(leaf) {
            bucket.replace(id, point);
        }
        if touched {
            self.shrink(leaf);
        } else {
            self.widen(leaf, point);
        }
        true
    }

    /// Includes a point in the boxes from a leaf to the root.
    fn widen(&mut self, mut at: u32, point: &Raw) {
        while let Some(node) = self.node_mut(at) {
            node.bounds.include(point.gap, &point.x);
            at = node.parent;
        }
    }

    fn touches(&self, leaf: u32, id: &K) -> Option<bool> {
        let (gap, x) = self.bucket(leaf)?.row(id)?;
        Some(self.bounds(leaf)?.touches(gap, x))
    }

    /// Makes the boxes from a leaf to the root as small as they can be.
    fn shrink(&mut self, mut at: u32) {
        while let Some(node) = self.node(at) {
            let bounds = match &node.shape {
                Shape::Leaf(bucket) => bucket.bounds(),
                Shape::Inner { children, .. } => {
                    let mut bounds = Bounds::empty(self.dimension);
                    for child in children.iter().filter_map(|child| self.bounds(*child)) {
                        bounds.join(child);
                    }
                    bounds
                }
                Shape::Free => return,
            };
            let Some(node) = self.node_mut(at) else { return };
            if node.bounds == bounds {
                return;
            }
            node.bounds = bounds;
            at = node.parent;
        }
    }

    pub(super) fn remove(&mut self, leaf: u32, id: &K, leaves: &mut BTreeMap<K, u32>) {
        let touched = self.touches(leaf, id).unwrap_or(true);
        if let Some(bucket) = self.bucket_mut(leaf) {
            bucket.remove(id);
        }
        let (mut at, mut small) = (leaf, None);
        while let Some(node) = self.node_mut(at) {
            node.count = node.count.saturating_sub(1);
            if node.count <= LEAF_MAX / 2 && matches!(node.shape, Shape::Inner { .. }) {
                small = Some(at);
            }
            at = node.parent;
        }
        if touched {
            self.shrink(leaf);
        }
        let parent = self.node(leaf).map_or(NONE, |node| node.parent);
        if let Some(at) = small {
            self.rebuild(at, leaves);
        } else if self.count(leaf) == 0 && parent != NONE {
            self.fold(leaf, parent);
        }
    }

    /// Takes an empty leaf away: its sibling moves up.
    fn fold(&mut self, leaf: u32, parent: u32) {
        let Some(Shape::Inner { children: [a, b], .. }) = self.shape(parent) else { return };
        let sibling = if *a == leaf { *b } else { *a };
        let above = self.node(parent).map_or(NONE, |node| node.parent);
        for at in [leaf, parent] {
            if let Some(node) = self.node_mut(at) {
                node.shape = Shape::Free;
            }
            self.free.push(at);
        }
        self.hang(above, parent, sibling);
    }
}
