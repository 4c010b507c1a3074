//! The state under one hash.
//!
//! Entries fall into 65,536 buckets (see [`phalanx_types::state`]). A bucket's
//! hash is SHA3-256(tag STATE_BUCKET ‖ 00 ‖ its entries' hashes in ascending
//! order); the app hash is the root of the binary tree over the buckets, where
//! an inner node is SHA3-256(tag STATE_NODE ‖ 00 ‖ left ‖ right).

use phalanx_types::{
    Hash,
    state::{BUCKETS, Column, StateChange, entry_hash},
    tags,
};
use std::collections::BTreeMap;

/// Entries of one bucket: hash of (column, key), and entry hash; ascending.
type Bucket = Vec<(Hash, Hash)>;

/// The tree over all entries. Node 1 is the root; the children of node i are 2i
/// and 2i+1; the buckets are the nodes from 65,536 on.
#[derive(Clone, Debug)]
pub struct StateTree {
    buckets: Vec<Bucket>,
    nodes: Vec<Hash>,
}

/// The effect of some changes, computed and not yet applied.
#[derive(Clone, Debug)]
pub struct StatePreview {
    buckets: BTreeMap<usize, Bucket>,
    nodes: BTreeMap<usize, Hash>,
    root: Hash,
}

impl StatePreview {
    /// The app hash after the changes.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }
}

fn bucket_hash(bucket: &Bucket) -> Hash {
    let mut entries: Vec<Hash> = bucket.iter().map(|(_, entry)| *entry).collect();
    entries.sort_unstable();
    let parts: Vec<&[u8]> = entries.iter().map(AsRef::as_ref).collect();
    Hash::of_parts(tags::STATE_BUCKET, &parts)
}

pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::of_parts(tags::STATE_NODE, &[&left.0, &right.0])
}

fn place(column: Column, key: &[u8]) -> (usize, Hash) {
    let hash = Hash::of_parts(tags::STATE_KEY, &[&[column.0], key]);
    let Hash([high, low, ..]) = hash;
    (usize::from(u16::from_be_bytes([high, low])), hash)
}

impl Default for StateTree {
    fn default() -> Self {
        let mut nodes = vec![Hash::ZERO; 2 * BUCKETS];
        let mut row = bucket_hash(&Vec::new());
        let mut first = BUCKETS;
        while first > 0 {
            if let Some(level) = nodes.get_mut(first..2 * first) {
                level.fill(row);
            }
            row = node_hash(&row, &row);
            first /= 2;
        }
        Self { buckets: vec![Vec::new(); BUCKETS], nodes }
    }
}

impl StateTree {
    /// The tree over all entries of a store.
    #[must_use]
    pub fn of(entries: impl Iterator<Item = (Column, Vec<u8>, Vec<u8>)>) -> Self {
        let mut tree = Self::default();
        for (column, key, value) in entries {
            let (at, hash) = place(column, &key);
            if let Some(bucket) = tree.buckets.get_mut(at) {
                bucket.push((hash, entry_hash(column, &key, &value)));
            }
        }
        let mut preview = StatePreview { buckets: BTreeMap::new(), nodes: BTreeMap::new(), root: Hash::ZERO };
        for (at, bucket) in tree.buckets.iter_mut().enumerate() {
            if !bucket.is_empty() {
                bucket.sort_unstable();
                preview.nodes.insert(BUCKETS + at, bucket_hash(bucket));
            }
        }
        tree.climb(&mut preview);
        tree.apply(preview);
        tree
    }

    /// The app hash.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.node(1)
    }

    /// The hash of a node.
    pub(crate) fn node(&self, at: usize) -> Hash {
        self.nodes.get(at).copied().unwrap_or(Hash::ZERO)
    }

    /// What `changes` would make of it.
    #[must_use]
    pub fn preview(&self, changes: &[StateChange]) -> StatePreview {
        let mut preview =
            StatePreview { buckets: BTreeMap::new(), nodes: BTreeMap::new(), root: self.root() };
        for change in changes {
            let (at, hash) = place(change.column, &change.key);
            let bucket = preview
                .buckets
                .entry(at)
                .or_insert_with(|| self.buckets.get(at).cloned().unwrap_or_default());
            let found = bucket.binary_search_by_key(&hash, |(key, _)| *key);
            let entry = change.value.as_ref().map(|value| entry_hash(change.column, &change.key, value));
            match (found, entry) {
                (Ok(i), Some(entry)) => {
                    if let Some(slot) = bucket.get_mut(i) {
                        slot.1 = entry;
                    }
                }
                (Ok(i), None) => drop(bucket.remove(i)),
                (Err(i), Some(entry)) => bucket.insert(i, (hash, entry)),
                (Err(_), None) => {}
            }
        }
        for (at, bucket) in &preview.buckets {
            preview.nodes.insert(BUCKETS + at, bucket_hash(bucket));
        }
        self.climb(&mut preview);
        preview
    }

    /// Recomputes the inner nodes above the changed buckets.
    fn climb(&self, preview: &mut StatePreview) {
        let mut row: Vec<usize> = preview.nodes.keys().copied().collect();
        while row.first().is_some_and(|at| *at > 1) {
            let mut above: Vec<usize> = row.iter().map(|at| at / 2).collect();
            above.dedup();
            for at in &above {
                let child = |i: usize| preview.nodes.get(&i).copied().unwrap_or_else(|| self.node(i));
                let hash = node_hash(&child(2 * at), &child(2 * at + 1));
                preview.nodes.insert(*at, hash);
            }
            row = above;
        }
        preview.root = preview.nodes.get(&1).copied().unwrap_or_else(|| self.root());
    }

    /// Makes a preview real.
    pub fn apply(&mut self, preview: StatePreview) {
        for (at, bucket) in preview.buckets {
            if let Some(slot) = self.buckets.get_mut(at) {
                *slot = bucket;
            }
        }
        for (at, hash) in preview.nodes {
            if let Some(slot) = self.nodes.get_mut(at) {
                *slot = hash;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(column: u8, key: u16, value: Option<u8>) -> StateChange {
        StateChange { column: Column(column), key: key.to_le_bytes().into(), value: value.map(|v| vec![v]) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn stepwise_changes_give_the_hash_of_the_whole(steps in prop::collection::vec(
            prop::collection::vec((0_u8..3, 0_u16..40, prop::option::of(any::<u8>())), 0..12), 0..8)) {
            let mut tree = StateTree::default();
            let mut model: BTreeMap<(u8, u16), u8> = BTreeMap::new();
            for step in steps {
                let changes: Vec<_> = step.iter().map(|(c, k, v)| change(*c, *k, *v)).collect();
                let preview = tree.preview(&changes);
                let before = tree.root();
                prop_assert_eq!(tree.root(), before);
                let root = preview.root();
                tree.apply(preview);
                prop_assert_eq!(tree.root(), root);
                for (c, k, v) in step {
                    match v { Some(v) => { model.insert((c, k), v); } None => { model.remove(&(c, k)); } }
                }
            }
            let whole = StateTree::of(model.iter().map(|((c, k), v)| (Column(*c), k.to_le_bytes().to_vec(), vec![*v])));
            prop_assert_eq!(whole.root(), tree.root());
        }
    }

    #[test]
    fn an_entry_taken_back_leaves_the_empty_hash() {
        let mut tree = StateTree::default();
        let empty = tree.root();
        let preview = tree.preview(&[change(1, 1, Some(1))]);
        assert_ne!(preview.root(), empty);
        tree.apply(preview);
        let preview = tree.preview(&[change(1, 1, None)]);
        assert_eq!(preview.root(), empty);
    }
}
