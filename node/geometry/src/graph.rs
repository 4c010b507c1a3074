//! A graph of nodes with numbers, over which routes are measured.

use std::collections::VecDeque;

/// An undirected graph without self-loops or double links. Nodes are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// For each node its neighbours, in order.
    links: Vec<Vec<u32>>,
}

impl Graph {
    /// A graph of `nodes` nodes. Self-loops, doubles, and links to nodes that are
    /// not there are left out.
    #[must_use]
    pub fn new(nodes: usize, links: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut all = vec![Vec::new(); nodes];
        for (a, b) in links {
            if a == b || a as usize >= nodes || b as usize >= nodes {
                continue;
            }
            for (from, to) in [(a, b), (b, a)] {
                if let Some(list) = all.get_mut(from as usize) {
                    list.push(to);
                }
            }
        }
        for list in &mut all {
            list.sort_unstable();
            list.dedup();
        }
        Self { links: all }
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// The neighbours of a node, in order; none for a node that is not there.
    #[must_use]
    pub fn neighbours(&self, node: u32) -> &[u32] {
        self.links.get(node as usize).map_or(&[], Vec::as_slice)
    }

    /// Every link once, the lower node first.
    pub fn links(&self) -> impl Iterator<Item = (u32, u32)> {
        let from = |(a, list): (usize, &'_ Vec<u32>)| {
            let a = a as u32;
            list.iter().filter(move |b| a < **b).map(move |b| (a, *b)).collect::<Vec<_>>()
        };
        self.links.iter().enumerate().flat_map(from)
    }

    /// Hops from `from` to every node; none for those that cannot be reached.
    #[must_use]
    pub fn hops_from(&self, from: u32) -> Vec<Option<u32>> {
        let mut hops = vec![None; self.len()];
        let mut open = VecDeque::from([(from, 0)]);
        while let Some((node, distance)) = open.pop_front() {
            let Some(seen @ None) = hops.get_mut(node as usize) else { continue };
            *seen = Some(distance);
            open.extend(self.neighbours(node).iter().map(|next| (*next, distance + 1)));
        }
        hops
    }

    /// The largest connected part with new numbers, and the old number of each of
    /// its nodes. Of several, the one with the least node.
    #[must_use]
    pub fn largest_component(&self) -> (Self, Vec<u32>) {
        let mut seen = vec![false; self.len()];
        let mut best: Vec<u32> = Vec::new();
        for start in 0..self.len() {
            if seen.get(start) != Some(&false) {
                continue;
            }
            let reached = self.hops_from(start as u32);
            let part: Vec<u32> =
                (0u32..).zip(&reached).filter(|(_, h)| h.is_some()).map(|(n, _)| n).collect();
            for node in &part {
                if let Some(seen) = seen.get_mut(*node as usize) {
                    *seen = true;
                }
            }
            if part.len() > best.len() {
                best = part;
            }
        }
        let number = |old: u32| best.binary_search(&old).ok().map(|new| new as u32);
        let links = self.links().filter_map(|(a, b)| Some((number(a)?, number(b)?)));
        (Self::new(best.len(), links), best)
    }

    /// The same nodes without the links of those for which `gone` is true.
    #[must_use]
    pub fn without(&self, gone: impl Fn(u32) -> bool) -> Self {
        Self::new(self.len(), self.links().filter(|(a, b)| !gone(*a) && !gone(*b)))
    }
}
