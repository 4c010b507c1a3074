//! Typed tables of agreed state, with the keys that a beat has touched.

use borsh::{BorshDeserialize, BorshSerialize};
use imbl::{OrdMap, OrdSet};
use phalanx_types::{
    DecodeError, decode_exact, encode,
    state::{Column, StateChange},
};

/// Longest stored key or value in bytes.
const ENTRY_BYTES_MAX: usize = 8 << 20;

/// Why stored entries are no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// An entry of an unknown table.
    #[error("an entry of the unknown table {0}")]
    Column(u8),
    /// An entry that cannot be decoded.
    #[error("an entry of table {column}: {error}")]
    Entry {
        /// The table.
        column: u8,
        /// Why.
        error: DecodeError,
    },
    /// The settings are missing.
    #[error("the settings are missing")]
    Settings,
}

/// A table. Clones share what they have in common.
#[derive(Clone, Debug)]
pub(crate) struct Table<K: Ord + Clone, V: Clone> {
    column: Column,
    rows: OrdMap<K, V>,
    touched: OrdSet<K>,
}

impl<K, V> Table<K, V>
where
    K: Ord + Clone + BorshSerialize + BorshDeserialize,
    V: Clone + BorshSerialize + BorshDeserialize,
{
    pub(crate) fn new(column: u8) -> Self {
        Self { column: Column(column), rows: OrdMap::new(), touched: OrdSet::new() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    /// A row to change; it counts as touched.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.touched.insert(key.clone());
        Some(row)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.touched.insert(key.clone());
        self.rows.insert(key, value)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let gone = self.rows.remove(key)?;
        self.touched.insert(key.clone());
        Some(gone)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    pub(crate) fn range<R: std::ops::RangeBounds<K>>(&self, range: R) -> impl Iterator<Item = (&K, &V)> {
        self.rows.range(range)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The touched entries, and forgets that they were.
    pub(crate) fn drain(&mut self, changes: &mut Vec<StateChange>) {
        let touched = std::mem::take(&mut self.touched);
        let mut drained: Vec<StateChange> = touched
            .iter()
            .map(|key| StateChange {
                column: self.column,
                key: encode(key),
                value: self.rows.get(key).map(encode),
            })
            .collect();
        drained.sort_by(|a, b| a.key.cmp(&b.key));
        changes.append(&mut drained);
    }

    /// All entries.
    pub(crate) fn entries(&self) -> Vec<(Column, Vec<u8>, Vec<u8>)> {
        self.rows.iter().map(|(key, value)| (self.column, encode(key), encode(value))).collect()
    }

    /// Takes an entry that belongs here.
    pub(crate) fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        let error = |error| LoadError::Entry { column: self.column.0, error };
        let key = decode_exact(key, ENTRY_BYTES_MAX, "state key").map_err(error)?;
        let value = decode_exact(value, ENTRY_BYTES_MAX, "state value").map_err(error)?;
        self.rows.insert(key, value);
        Ok(())
    }
}
