//! The interval tree: Keccak-256 over the receipts of one checkpoint, for
//! verifiers on a chain. The same rules give a beat's receipts root.
//!
//! leaf = Keccak(00 ‖ receipt hash); node = Keccak(01 ‖ left ‖ right); order
//! matters; an odd node at the right edge is promoted. The root of no receipts
//! is zero. Index and count are part of a proof.

use crate::merkle::root_from_path;
use phalanx_types::Hash;
use rs_merkle::{Hasher, MerkleTree};
use sha3::{Digest, Keccak256};

/// Keccak-256 with prefixes, as `rs_merkle` takes it.
#[derive(Clone, Copy, Debug)]
pub struct Keccak;

impl Hasher for Keccak {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        Keccak256::digest(data).into()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        match right {
            Some(right) => node(&Hash(*left), &Hash(*right)).0,
            None => *left,
        }
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update([1]);
    hasher.update(left.0);
    hasher.update(right.0);
    Hash(hasher.finalize().into())
}

fn leaf(receipt: &Hash) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update([0]);
    hasher.update(receipt.0);
    Hash(hasher.finalize().into())
}

/// A tree that grows with the receipts.
#[derive(Clone, Default)]
pub struct IntervalTree {
    tree: MerkleTree<Keccak>,
}

impl std::fmt::Debug for IntervalTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IntervalTree({} receipts)", self.tree.leaves_len())
    }
}

impl IntervalTree {
    /// A tree over these receipts.
    #[must_use]
    pub fn of(receipts: &[Hash]) -> Self {
        let mut tree = Self::default();
        tree.extend(receipts);
        tree
    }

    /// Adds receipts.
    pub fn extend(&mut self, receipts: &[Hash]) {
        if receipts.is_empty() {
            return;
        }
        let mut leaves: Vec<[u8; 32]> = receipts.iter().map(|r| leaf(r).0).collect();
        self.tree.append(&mut leaves);
        self.tree.commit();
    }

    /// Takes back the last [`Self::extend`] by these receipts.
    pub(crate) fn take_back(&mut self, receipts: &[Hash]) {
        if !receipts.is_empty() {
            self.tree.rollback();
        }
    }

    /// Number of receipts.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.tree.leaves_len() as u64
    }

    /// Whether it has no receipts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its root; zero when it is empty.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root().map_or(Hash::ZERO, Hash)
    }

    /// The path from the receipt at `index` to the root, from below.
    #[must_use]
    pub fn path(&self, index: u64) -> Option<Vec<Hash>> {
        if index >= self.len() {
            return None;
        }
        let index = usize::try_from(index).ok()?;
        Some(self.tree.proof(&[index]).proof_hashes().iter().map(|hash| Hash(*hash)).collect())
    }
}

/// The root over `receipts`.
#[must_use]
pub fn root(receipts: &[Hash]) -> Hash {
    IntervalTree::of(receipts).root()
}

/// Whether `receipt` is at `index` of `count` under `root`.
#[must_use]
pub fn verify(root: &Hash, receipt: &Hash, index: u64, count: u64, path: &[Hash]) -> bool {
    root_from_path(leaf(receipt), index, count, path, node).as_ref() == Some(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::split;
    use proptest::prelude::*;

    /// The definition, read off the text.
    fn defined(receipts: &[Hash]) -> Hash {
        match receipts {
            [] => Hash::ZERO,
            [one] => leaf(one),
            _ => {
                let at = split(receipts.len() as u64) as usize;
                node(&defined(&receipts[..at]), &defined(&receipts[at..]))
            }
        }
    }

    fn receipts(count: usize) -> Vec<Hash> {
        (0..count).map(|i| Hash::sha3(&i.to_le_bytes())).collect()
    }

    #[test]
    fn the_root_is_the_defined_one_and_growing_gives_the_same() {
        let mut grown = IntervalTree::default();
        for count in 0..70 {
            let receipts = receipts(count);
            assert_eq!(root(&receipts), defined(&receipts));
            assert_eq!(grown.root(), root(&receipts));
            grown.extend(&[Hash::sha3(&count.to_le_bytes())]);
        }
    }

    proptest! {
        #[test]
        fn a_proof_holds_for_its_place_only(count in 1_usize..80, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let receipts = receipts(count);
            let (at, other) = (at.index(count), other.index(count));
            let tree = IntervalTree::of(&receipts);
            let path = tree.path(at as u64).unwrap();
            let (root, n) = (tree.root(), count as u64);
            prop_assert!(verify(&root, &receipts[at], at as u64, n, &path));
            prop_assert_eq!(verify(&root, &receipts[at], other as u64, n, &path), at == other);
            prop_assert!(!verify(&root, &receipts[at], at as u64, n * 2 + 1, &path) || count == 0);
            prop_assert!(!verify(&root, &receipts[at], at as u64 + n, n, &path));
            let mut longer = path.clone();
            longer.push(Hash::ZERO);
            prop_assert!(!verify(&root, &receipts[at], at as u64, n, &longer));
        }
    }
}
