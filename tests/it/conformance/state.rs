//! State entries, buckets, app hash.

use super::hx;
use phalanx_ledger::state_tree::StateTree;
use phalanx_types::{
    Hash,
    state::{self, Column, StateChange},
    tags,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Entries = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// Levels between a bucket and the app hash.
const LEVELS: usize = 16;

fn bucket_hash(entries: &[Hash]) -> Hash {
    let mut sorted = entries.to_vec();
    sorted.sort_unstable();
    Hash::of(tags::STATE_BUCKET, &sorted.iter().flat_map(|h| h.0).collect::<Vec<u8>>())
}

/// Hashes of an empty subtree, from a bucket up to the whole.
fn empty() -> Vec<Hash> {
    let mut levels = vec![bucket_hash(&[])];
    for level in 0..LEVELS {
        levels.push(Hash::of_parts(tags::STATE_NODE, &[&levels[level].0, &levels[level].0]));
    }
    levels
}

/// The app hash by its definition, beside the tree's.
fn app_hash(entries: &Entries) -> (Hash, Vec<Value>) {
    let mut buckets: BTreeMap<u16, Vec<Hash>> = BTreeMap::new();
    for ((column, key), value) in entries {
        let bucket = state::bucket_of(Column(*column), key);
        buckets.entry(bucket).or_default().push(state::entry_hash(Column(*column), key, value));
    }
    let mut row: BTreeMap<u16, Hash> = buckets.iter().map(|(at, e)| (*at, bucket_hash(e))).collect();
    let shown = buckets
        .iter()
        .map(|(at, entries)| {
            let mut sorted = entries.clone();
            sorted.sort_unstable();
            json!({"bucket": at, "entry_hashes": sorted, "hash": row[at]})
        })
        .collect();
    for blank in &empty()[..LEVELS] {
        let at = |row: &BTreeMap<u16, Hash>, i: u16| row.get(&i).copied().unwrap_or(*blank);
        row = row
            .keys()
            .map(|i| i / 2)
            .map(|i| (i, Hash::of_parts(tags::STATE_NODE, &[&at(&row, 2 * i).0, &at(&row, 2 * i + 1).0])))
            .collect();
    }
    (row.get(&0).copied().unwrap_or(empty()[LEVELS]), shown)
}

/// The first number whose key falls into the bucket of number 0.
fn twin() -> u32 {
    let bucket = |n: u32| state::bucket_of(Column(6), &n.to_le_bytes());
    (1..).find(|n| bucket(*n) == bucket(0)).unwrap()
}

pub fn vectors() -> Value {
    let put = |column, key: &[u8], value: &[u8]| (column, key.to_vec(), Some(value.to_vec()));
    let (zero, twin) = (0_u32.to_le_bytes(), twin().to_le_bytes());
    let steps: Vec<Vec<(u8, Vec<u8>, Option<Vec<u8>>)>> = vec![
        vec![],
        vec![put(0, &[0], b"settings"), put(1, &[], b""), put(6, &zero, b"first")],
        vec![put(6, &twin, b"in the same bucket"), put(5, &zero, b"same key, other column")],
        vec![put(6, &zero, b"changed"), (1, vec![], None)],
        vec![(6, twin.to_vec(), None), (9, b"never there".to_vec(), None)],
    ];
    let (mut tree, mut entries) = (StateTree::default(), Entries::new());
    let mut shown = Vec::new();
    for step in steps {
        let changes: Vec<StateChange> = step
            .iter()
            .map(|(column, key, value)| StateChange {
                column: Column(*column),
                key: key.clone(),
                value: value.clone(),
            })
            .collect();
        for (column, key, value) in &step {
            match value {
                Some(value) => drop(entries.insert((*column, key.clone()), value.clone())),
                None => drop(entries.remove(&(*column, key.clone()))),
            }
        }
        tree.apply(tree.preview(&changes));
        let (defined, buckets) = app_hash(&entries);
        assert_eq!(tree.root(), defined);
        let changes: Vec<Value> = step
            .iter()
            .map(|(column, key, value)| match value {
                Some(value) => json!({"column": column, "key": hx(key), "value": hx(value)}),
                None => json!({"column": column, "key": hx(key)}),
            })
            .collect();
        let after: Vec<Value> = entries.iter().map(entry).collect();
        shown.push(json!({"changes": changes, "entries": after, "buckets": buckets, "app_hash": defined}));
    }
    json!({"empty_levels": empty(), "steps": shown})
}

fn entry(((column, key), value): (&(u8, Vec<u8>), &Vec<u8>)) -> Value {
    let key_hash = Hash::of_parts(tags::STATE_KEY, &[&[*column], key]);
    json!({"column": column, "key": hx(key), "value": hx(value), "key_hash": key_hash,
        "bucket": state::bucket_of(Column(*column), key),
        "entry_hash": state::entry_hash(Column(*column), key, value)})
}
