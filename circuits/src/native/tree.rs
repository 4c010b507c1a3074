//! The trees that are cut at each checkpoint: four children a node, ten levels.
//!
//! Room for `4^10 = 1,048,576` leaves: the mesh's goal is a million agents, and each further
//! level costs every proof 300 constraints. Four children, because ten levels of
//! Poseidon-4 cost a proof 3,000 constraints, where twenty levels of Poseidon-2 cost
//! 4,900 and seven of Poseidon-8 2,900 with a longer path; native work is the same.
//!
//! A node is Poseidon of its four children, without a tag: all paths have one length, so
//! that a node is never read as a leaf. Missing leaves are zero. A path shows that a leaf
//! is there, not where: leaves name what they are about themselves.

use super::{
    Error, Fr,
    poseidon::{hash, hash_each},
};
use std::{collections::BTreeSet, sync::OnceLock};

/// Children of a node.
pub const ARITY: usize = 4;
/// Levels above the leaves.
pub const DEPTH: usize = 10;
/// Most leaves.
pub const LEAVES_MAX: usize = ARITY.pow(DEPTH as u32);

/// A tree. Levels hold their nodes up to the last one that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    levels: [Vec<Fr>; DEPTH + 1],
}

/// A node of a tree before and after leaves were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its level; that of leaves is 0.
    pub level: usize,
    /// Its place there.
    pub index: usize,
    /// What it was.
    pub before: Fr,
    /// What it is.
    pub after: Fr,
}

/// The children of every node on the way from a leaf to the root. What it says of its
/// agent is which it is: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(pub [[Fr; ARITY]; DEPTH]);

/// The node over nothing, of a level; the top one above that.
#[must_use]
pub fn empty_node(level: usize) -> Fr {
    let [.., top] = empty();
    empty().get(level).copied().unwrap_or(*top)
}

/// Nodes over nothing, by level.
fn empty() -> &'static [Fr; DEPTH + 1] {
    static EMPTY: OnceLock<[Fr; DEPTH + 1]> = OnceLock::new();
    EMPTY.get_or_init(|| {
        let mut node = Fr::default();
        std::array::from_fn(|level| {
            if level > 0 {
                node = hash([node; ARITY]);
            }
            node
        })
    })
}

fn group(nodes: &[Fr], filler: Fr) -> [Fr; ARITY] {
    let mut group = [filler; ARITY];
    for (to, from) in group.iter_mut().zip(nodes) {
        *to = *from;
    }
    group
}

impl Tree {
    /// Over leaves in this order.
    ///
    /// # Errors
    /// When there are more than [`LEAVES_MAX`].
    pub fn new(leaves: Vec<Fr>) -> Result<Self, Error> {
        if leaves.len() > LEAVES_MAX {
            return Err(Error::TreeFull { found: leaves.len() });
        }
        let mut below = leaves;
        let mut fillers = empty().iter();
        let levels = std::array::from_fn(|level| {
            let filler = fillers.next().copied().unwrap_or_default();
            let above = if level < DEPTH {
                hash_each(&below.chunks(ARITY).map(|nodes| group(nodes, filler)).collect::<Vec<_>>())
            } else {
                Vec::new()
            };
            std::mem::replace(&mut below, above)
        });
        Ok(Self { levels })
    }

    /// Its root.
    #[must_use]
    pub fn root(&self) -> Fr {
        let [.., top] = &self.levels;
        let [.., nothing] = empty();
        top.first().copied().unwrap_or(*nothing)
    }

    /// Number of leaves.
    #[must_use]
    pub fn leaves(&self) -> usize {
        let [leaves, ..] = &self.levels;
        leaves.len()
    }

    /// A leaf, up to the last one.
    #[must_use]
    pub fn leaf(&self, index: usize) -> Option<Fr> {
        let [leaves, ..] = &self.levels;
        leaves.get(index).copied()
    }

    /// Replaces leaves, each once, or adds them behind the end, where what lies between
    /// becomes nothing. Gives the nodes on the ways to the root, leaves included, by level.
    ///
    /// # Errors
    /// When there is no room for one; then nothing is changed.
    pub fn set(&mut self, leaves: &[(usize, Fr)]) -> Result<Vec<Change>, Error> {
        if let Some((found, _)) = leaves.iter().find(|(index, _)| *index >= LEAVES_MAX) {
            return Err(Error::TreeFull { found: found.saturating_add(1) });
        }
        let mut changed = Vec::new();
        let mut nodes: Vec<(usize, Fr)> = leaves.to_vec();
        for (at, (level, filler)) in self.levels.iter_mut().zip(empty()).enumerate() {
            for (index, after) in &nodes {
                if level.len() <= *index {
                    level.resize(index + 1, *filler);
                }
                if let Some(place) = level.get_mut(*index) {
                    let before = std::mem::replace(place, *after);
                    changed.push(Change { level: at, index: *index, before, after: *after });
                }
            }
            let parents: BTreeSet<usize> = nodes.iter().map(|(index, _)| index / ARITY).collect();
            let children = |index: &usize| group(level.get(index * ARITY..).unwrap_or_default(), *filler);
            let hashes = hash_each(&parents.iter().map(children).collect::<Vec<_>>());
            nodes = parents.into_iter().zip(hashes).collect();
        }
        Ok(changed)
    }

    /// The path of leaf `index`.
    ///
    /// # Errors
    /// When there is no such leaf.
    pub fn path(&self, index: usize) -> Result<Path, Error> {
        if index >= self.leaves() {
            return Err(Error::NoLeaf { index, leaves: self.leaves() });
        }
        let mut at = index;
        let mut levels = self.levels.iter().zip(empty());
        Ok(Path(std::array::from_fn(|_| {
            let first = at - at % ARITY;
            at /= ARITY;
            levels.next().map_or([Fr::default(); ARITY], |(level, filler)| {
                group(level.get(first..).unwrap_or_default(), *filler)
            })
        })))
    }
}

impl Path {
    /// The root of the tree that has `leaf` at this path; none when the path is of
    /// another leaf.
    #[must_use]
    pub fn root(&self, leaf: Fr) -> Option<Fr> {
        self.0.iter().try_fold(leaf, |node, children| children.contains(&node).then(|| hash(*children)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: u64) -> Vec<Fr> {
        (1..=n).map(Fr::from).collect()
    }

    #[test]
    fn much_at_once_gives_what_one_after_the_other_gives() {
        let all: Vec<(usize, Fr)> = leaves(3_000).into_iter().enumerate().collect();
        let mut slow = Tree::new(Vec::new()).unwrap();
        all.chunks(100).for_each(|some| drop(slow.set(some).unwrap()));
        let mut fast = Tree::new(Vec::new()).unwrap();
        fast.set(&all).unwrap();
        assert_eq!(fast, slow);
        assert_eq!(Tree::new(leaves(3_000)).unwrap(), slow);
    }

    #[test]
    fn every_path_leads_to_the_root() {
        for n in [1, 2, 4, 5, 16, 17, 70] {
            let tree = Tree::new(leaves(n)).unwrap();
            for (index, leaf) in leaves(n).into_iter().enumerate() {
                let path = tree.path(index).unwrap();
                assert_eq!(path.root(leaf), Some(tree.root()), "{index} of {n}");
                assert_ne!(path.root(Fr::from(1000)), Some(tree.root()));
            }
            assert!(matches!(tree.path(n as usize), Err(Error::NoLeaf { .. })));
        }
    }

    #[test]
    fn a_tree_that_grows_is_the_tree_that_is_made_at_once() {
        let mut grown = Tree::new(Vec::new()).unwrap();
        assert_eq!(grown.root(), empty()[DEPTH]);
        for n in 1..40 {
            grown.set(&[(n as usize - 1, Fr::from(n))]).unwrap();
            assert_eq!(grown, Tree::new(leaves(n)).unwrap(), "{n}");
        }
        let changed = grown.set(&[(7, Fr::from(99)), (41, Fr::from(98)), (6, Fr::from(97))]).unwrap();
        let mut other = leaves(39);
        (other[6], other[7]) = (Fr::from(97), Fr::from(99));
        other.extend([Fr::from(0), Fr::from(0), Fr::from(98)]);
        let made = Tree::new(other).unwrap();
        assert_eq!(grown.root(), made.root());
        // Three leaves, of two groups on the first two levels.
        let levels: Vec<usize> = changed.iter().map(|change| change.level).collect();
        assert_eq!(levels[..7], [0, 0, 0, 1, 1, 2, 2], "{levels:?}");
        let old = Tree::new(leaves(39)).unwrap();
        for Change { level, index, before, after } in changed {
            assert_eq!(made.levels[level][index], after, "{level} {index}");
            assert_eq!(old.levels[level].get(index).copied().unwrap_or(empty_node(level)), before);
        }
    }

    #[test]
    fn a_changed_sibling_changes_the_root() {
        let tree = Tree::new(leaves(70)).unwrap();
        let path = tree.path(33).unwrap();
        for level in 0..DEPTH {
            for child in 0..ARITY {
                let mut other = path.clone();
                other.0[level][child] += Fr::from(1);
                assert_ne!(other.root(Fr::from(34)), Some(tree.root()), "{level} {child}");
            }
        }
    }

    #[test]
    fn a_full_tree_takes_no_leaf() {
        assert!(matches!(Tree::new(vec![Fr::from(0); LEAVES_MAX + 1]), Err(Error::TreeFull { .. })));
        let mut tree = Tree::new(leaves(1)).unwrap();
        assert!(matches!(tree.set(&[(LEAVES_MAX, Fr::from(1))]), Err(Error::TreeFull { .. })));
    }
}
