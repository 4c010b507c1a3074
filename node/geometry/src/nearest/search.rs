//! Walking the tree: nearest box first, leaving out what is certainly too far.

use super::{
    bucket::{MARGIN, Raw, Target},
    tree::{Shape, Tree},
};
use crate::{Reach, fixed::Nearness};
use std::collections::BinaryHeap;

/// A point that may be among the nearest; the largest is the furthest.
struct Candidate<K> {
    nearness: f64,
    exact: Nearness,
    id: K,
}

impl<K: Ord> Ord for Candidate<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.exact.cmp(&other.exact).then_with(|| self.id.cmp(&other.id))
    }
}

impl<K: Ord> PartialOrd for Candidate<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Candidate<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K: Ord> Eq for Candidate<K> {}

struct Nearest<'a, K> {
    tree: &'a Tree<K>,
    target: Target,
    k: usize,
    found: BinaryHeap<Candidate<K>>,
    /// Who is further than this is not among the nearest.
    limit: f64,
}

pub(super) fn nearest<K: Ord + Copy>(tree: &Tree<K>, center: &Raw, k: usize) -> Vec<K> {
    let target = Target::new(center);
    let mut search = Nearest { tree, target, k, found: BinaryHeap::new(), limit: f64::INFINITY };
    if k > 0 {
        search.visit(tree.root());
    }
    search.found.into_sorted_vec().into_iter().map(|candidate| candidate.id).collect()
}

impl<K: Ord + Copy> Nearest<'_, K> {
    fn visit(&mut self, at: u32) {
        match self.tree.shape(at) {
            Some(Shape::Inner { children: [a, b], .. }) => {
                let (near_a, near_b) = (self.bound(*a), self.bound(*b));
                let order =
                    if near_b < near_a { [(*b, near_b), (*a, near_a)] } else { [(*a, near_a), (*b, near_b)] };
                for (child, bound) in order {
                    if bound <= self.limit {
                        self.visit(child);
                    }
                }
            }
            Some(Shape::Leaf(bucket)) => {
                for (id, gap, x) in bucket.rows() {
                    let nearness = self.target.nearness(gap, x, self.limit);
                    if nearness <= self.limit {
                        self.offer(Candidate { nearness, exact: self.target.exact(x), id });
                    }
                }
            }
            _ => {}
        }
    }

    fn bound(&self, at: u32) -> f64 {
        self.tree
            .bounds(at)
            .map_or(f64::INFINITY, |bounds| bounds.nearness_least(&self.target) * (1.0 - MARGIN))
    }

    fn offer(&mut self, candidate: Candidate<K>) {
        if self.found.len() < self.k {
            self.found.push(candidate);
        } else if let Some(mut furthest) = self.found.peek_mut()
            && candidate < *furthest
        {
            *furthest = candidate;
        }
        if self.found.len() == self.k
            && let Some(furthest) = self.found.peek()
        {
            self.limit = furthest.nearness * (1.0 + MARGIN);
        }
    }
}

pub(super) fn within<K: Ord + Copy>(tree: &Tree<K>, center: &Raw, reach: Reach) -> Vec<K> {
    let target = Target::new(center);
    let gap = target.exact_gap();
    // The inequality, solved for the nearness.
    let limit = reach.raw() as f64 * gap as f64 / (1u128 << 113) as f64;
    let (surely, perhaps) = (limit * (1.0 - MARGIN), limit * (1.0 + MARGIN));
    let mut found = Vec::new();
    let mut open = vec![tree.root()];
    while let Some(at) = open.pop() {
        let Some(bounds) = tree.bounds(at) else { continue };
        if bounds.nearness_least(&target) * (1.0 - MARGIN) > perhaps {
            continue;
        }
        let all = bounds.nearness_most(&target) * (1.0 + MARGIN) < surely;
        match tree.shape(at) {
            Some(Shape::Inner { children, .. }) => open.extend(children),
            Some(Shape::Leaf(bucket)) if all => found.extend(bucket.ids()),
            Some(Shape::Leaf(bucket)) => {
                found.extend(bucket.rows().filter_map(|(id, row_gap, x)| {
                    let nearness = target.nearness(row_gap, x, perhaps);
                    let inside = nearness < surely
                        || nearness <= perhaps && {
                            let exact = target.exact(x);
                            reach.holds_for(exact.separation, exact.gap, gap)
                        };
                    inside.then_some(id)
                }));
            }
            _ => {}
        }
    }
    found.sort_unstable();
    found
}
