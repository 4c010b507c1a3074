//! Typed tables of agreed state, with the keys that a beat has touched.

use borsh::{BorshDeserialize, BorshSerialize};
use imbl::OrdMap;
use phalanx_types::{
    DecodeError, decode_exact, encode,
    state::{Column, StateChange},
};
use std::sync::Arc;

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

/// Appends the encoding of a value.
pub(crate) fn append<T: BorshSerialize>(buffer: &mut Vec<u8>, value: &T) {
    let written = value.serialize(buffer);
    debug_assert!(written.is_ok(), "memory is writable");
}

fn encode_by<T: BorshSerialize>(buffer: &mut Vec<u8>, value: &T) -> Vec<u8> {
    buffer.clear();
    append(buffer, value);
    buffer.as_slice().to_vec()
}

/// A row with its key.
#[derive(Clone, Debug)]
pub(crate) struct Row<K, V> {
    pub key: K,
    pub value: V,
}

/// A table. Clones share what they have in common.
///
/// Rows lie at *places*, apart from their keys, in the order of their arrival:
/// a beat that takes in many rows under scattered keys then copies the keys
/// around them, not the rows.
#[derive(Clone, Debug)]
pub(crate) struct Table<K: Ord + Clone, V: Clone> {
    column: Column,
    places: OrdMap<K, u64>,
    rows: OrdMap<u64, Arc<Row<K, V>>>,
    /// Where the next row lies, unless `place_of` says.
    next_place: u64,
    place_of: fn(&V) -> Option<u64>,
    /// Rows touched since the last drain, in any order, perhaps repeated.
    touched: Vec<(K, u64)>,
}

impl<K, V> Table<K, V>
where
    K: Ord + Clone + BorshSerialize + BorshDeserialize,
    V: Clone + BorshSerialize + BorshDeserialize,
{
    /// A table whose places differ between two machines: no result may depend
    /// on them.
    pub(crate) fn new(column: u8) -> Self {
        Self::placed(column, |_| None)
    }

    /// A table whose rows say their places, which are agreed and unique.
    pub(crate) fn placed(column: u8, place_of: fn(&V) -> Option<u64>) -> Self {
        Self {
            column: Column(column),
            places: OrdMap::new(),
            rows: OrdMap::new(),
            next_place: 0,
            place_of,
            touched: Vec::new(),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.places.get(key).and_then(|place| self.at(*place)).map(|row| &row.value)
    }

    /// The row at a place; a clone of it stays as it is while the table changes.
    pub(crate) fn at(&self, place: u64) -> Option<&Arc<Row<K, V>>> {
        self.rows.get(&place)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.places.contains_key(key)
    }

    /// A row to change; it counts as touched.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        self.at_mut(place)
    }

    /// [`Self::get_mut`], by place.
    pub(crate) fn at_mut(&mut self, place: u64) -> Option<&mut V> {
        let row = self.rows.get_mut(&place)?;
        if self.touched.last().is_none_or(|(_, last)| *last != place) {
            self.touched.push((row.key.clone(), place));
        }
        Some(&mut Arc::make_mut(row).value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (place, old) = self.put(key.clone(), value);
        self.touched.push((key, place));
        old
    }

    fn put(&mut self, key: K, value: V) -> (u64, Option<V>) {
        let place = (self.place_of)(&value).unwrap_or(self.next_place);
        self.next_place = self.next_place.max(place.saturating_add(1));
        let old = self.places.insert(key.clone(), place).and_then(|old| self.rows.remove(&old));
        self.rows.insert(place, Arc::new(Row { key, value }));
        (place, old.map(|row| Arc::unwrap_or_clone(row).value))
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        let gone = self.rows.remove(&place)?;
        self.touched.push((key.clone(), place));
        Some(Arc::unwrap_or_clone(gone).value)
    }

    /// Keys of rows touched since the last drain, in any order, perhaps repeated; some may
    /// be gone.
    pub(crate) fn touched(&self) -> impl Iterator<Item = &K> {
        self.touched.iter().map(|(key, _)| key)
    }

    /// All rows, not in the order of their keys.
    pub(crate) fn scattered(&self) -> impl Iterator<Item = &Row<K, V>> {
        self.rows.values().map(|row| &**row)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.places.iter().filter_map(|(key, place)| self.at(*place).map(|row| (key, &row.value)))
    }

    pub(crate) fn range<R: std::ops::RangeBounds<K>>(&self, range: R) -> impl Iterator<Item = (&K, &V)> {
        self.places.range(range).filter_map(|(key, place)| self.at(*place).map(|row| (key, &row.value)))
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The touched entries, and forgets that they were.
    pub(crate) fn drain(&mut self, changes: &mut Vec<StateChange>) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable_by_key(|(_, place)| *place);
        touched.dedup_by_key(|(_, place)| *place);
        touched.sort_unstable();
        // Encoded here first, so that what is kept is no longer than it must be.
        let mut buffer = Vec::new();
        let mut drained: Vec<StateChange> = Vec::with_capacity(touched.len());
        for (at, (key, place)) in touched.iter().enumerate() {
            // A row that was removed and came again lies at a later place.
            if touched.get(at.saturating_add(1)).is_some_and(|(next, _)| next == key) {
                continue;
            }
            drained.push(StateChange {
                column: self.column,
                key: encode_by(&mut buffer, key),
                value: self.at(*place).map(|row| encode_by(&mut buffer, &row.value)),
            });
        }
        // Encoded keys sort otherwise than keys where they have a length.
        drained.sort_by(|a, b| a.key.cmp(&b.key));
        changes.append(&mut drained);
    }

    /// All entries.
    pub(crate) fn entries(&self) -> Vec<(Column, Vec<u8>, Vec<u8>)> {
        self.iter().map(|(key, value)| (self.column, encode(key), encode(value))).collect()
    }

    /// Takes an entry that belongs here.
    pub(crate) fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        let error = |error| LoadError::Entry { column: self.column.0, error };
        let key = decode_exact(key, ENTRY_BYTES_MAX, "state key").map_err(error)?;
        let value = decode_exact(value, ENTRY_BYTES_MAX, "state value").map_err(error)?;
        self.put(key, value);
        Ok(())
    }
}
