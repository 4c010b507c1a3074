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

/// The hash over chunk `number` of `2^bits` chunks that has these entries; none
/// when one of them belongs elsewhere or there is no such chunk.
pub(crate) fn chunk_root(bits: u8, number: u32, entries: &[(Column, Vec<u8>, Vec<u8>)]) -> Option<Hash> {
    let width = BUCKETS >> bits;
    let first = (number as usize).checked_mul(width).filter(|first| *first < BUCKETS)?;
    let mut buckets: Vec<Bucket> = vec![Vec::new(); width];
    for (column, key, value) in entries {
        let (at, hash) = place(*column, key);
        buckets.get_mut(at.checked_sub(first)?)?.push((hash, entry_hash(*column, key, value)));
    }
    let mut row: Vec<Hash> = buckets.iter().map(bucket_hash).collect();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                _ => Hash::ZERO,
            })
            .collect();
    }
    row.first().copied()
}

/// The app hash that a chunk's hash and its path lead to.
pub(crate) fn root_from_chunk(bits: u8, number: u32, chunk: Hash, path: &[Hash]) -> Option<Hash> {
    if path.len() != usize::from(bits) {
        return None;
    }
    let climb = |(hash, at): (Hash, u32), sibling: &Hash| {
        let above = if at % 2 == 0 { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) };
        (above, at / 2)
    };
    Some(path.iter().fold((chunk, number), climb).0)
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

    /// The hashes beside the way from chunk `number` of `2^bits` up to the root.
    pub(crate) fn chunk_path(&self, bits: u8, number: u32) -> Vec<Hash> {
        let mut at = (1_usize << bits) + number as usize;
        let mut path = Vec::with_capacity(usize::from(bits));
        while at > 1 {
            path.push(self.node(at ^ 1));
            at /= 2;
        }
        path
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
    fn a_chunk_leads_to_the_app_hash_and_a_changed_one_does_not() {
        let entries: Vec<(Column, Vec<u8>, Vec<u8>)> =
            (0..200_u16).map(|i| (Column(1), i.to_le_bytes().to_vec(), vec![i as u8])).collect();
        let tree = StateTree::of(entries.iter().cloned());
        for bits in [0, 1, 5, 12] {
            for number in 0..1_u32 << bits {
                let mine: Vec<_> = entries
                    .iter()
                    .filter(|(c, k, _)| place(*c, k).0 / (BUCKETS >> bits) == number as usize)
                    .cloned()
                    .collect();
                let path = tree.chunk_path(bits, number);
                let root = chunk_root(bits, number, &mine).unwrap();
                assert_eq!(root_from_chunk(bits, number, root, &path), Some(tree.root()));
                if let Some((first, rest)) = mine.split_first() {
                    let without = chunk_root(bits, number, rest).unwrap();
                    assert_ne!(root_from_chunk(bits, number, without, &path), Some(tree.root()));
                    let twice = [&mine[..], std::slice::from_ref(first)].concat();
                    let twice = chunk_root(bits, number, &twice).unwrap();
                    assert_ne!(root_from_chunk(bits, number, twice, &path), Some(tree.root()));
                }
            }
            assert_eq!(chunk_root(bits, 1 << bits, &[]), None);
        }
        assert_eq!(chunk_root(1, 0, &entries), None);
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
