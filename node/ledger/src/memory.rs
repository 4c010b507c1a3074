//! A store in memory that crashes the way a disk does.

use crate::kv::{Batch, Cf, Durability, Kv, StoreError};
use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Table = BTreeMap<(Cf, Vec<u8>), Vec<u8>>;

#[derive(Debug, Default)]
struct Inner {
    durable: Table,
    buffered: Vec<Batch>,
    current: Table,
    writes_left: Option<u64>,
}

/// A store in memory. Clones share their content, as file handles would.
#[derive(Clone, Debug, Default)]
pub struct MemoryKv {
    inner: Arc<Mutex<Inner>>,
}

impl MemoryKv {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loses what was not synced, as a crash of the machine does.
    pub fn crash(&self) {
        let mut inner = self.lock();
        inner.buffered.clear();
        inner.current = inner.durable.clone();
    }

    /// After `writes` more writes the disk is full.
    pub fn fill_after(&self, writes: u64) {
        self.lock().writes_left = Some(writes);
    }

    /// A store with the same records that shares nothing with this one.
    #[must_use]
    pub fn deep_clone(&self) -> Self {
        let current = self.lock().current.clone();
        let inner = Inner { durable: current.clone(), current, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// All records, for tests that damage them.
    #[must_use]
    pub fn dump(&self) -> Vec<(Cf, Vec<u8>, Vec<u8>)> {
        self.lock().current.iter().map(|((cf, key), value)| (*cf, key.clone(), value.clone())).collect()
    }
}

fn apply(table: &mut Table, batch: Batch) {
    for (cf, key, value) in batch.writes {
        match value {
            Some(value) => table.insert((cf, key), value),
            None => table.remove(&(cf, key)),
        };
    }
}

impl Kv for MemoryKv {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().current.get(&(cf, key.to_vec())).cloned())
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if let Some(left) = &mut inner.writes_left {
            *left = left.checked_sub(1).ok_or_else(|| StoreError::DiskFull {
                reason: "the store in memory was told to be full".into(),
            })?;
        }
        apply(&mut inner.current, batch.clone());
        inner.buffered.push(batch);
        drop(inner);
        if durability == Durability::Synced { self.flush() } else { Ok(()) }
    }

    fn scan(
        &self,
        cf: Cf,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let inner = self.lock();
        for ((found, key), value) in inner.current.range((cf, from.to_vec())..) {
            if *found != cf || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last_at_most(&self, cf: Cf, key: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        let inner = self.lock();
        let range = (Bound::Included((cf, Vec::new())), Bound::Included((cf, key.to_vec())));
        Ok(inner.current.range(range).next_back().map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn flush(&self) -> Result<(), StoreError> {
        let inner = &mut *self.lock();
        for batch in inner.buffered.drain(..) {
            apply(&mut inner.durable, batch);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loses_what_was_not_synced_and_nothing_else() {
        let kv = MemoryKv::default();
        let put = |key: u8, durability| {
            let mut batch = Batch::default();
            batch.put(Cf::Meta, [key], vec![key]);
            kv.write(batch, durability).unwrap();
        };
        put(1, Durability::Buffered);
        put(2, Durability::Synced);
        put(3, Durability::Buffered);
        kv.crash();
        assert_eq!(kv.dump().len(), 2);
        assert_eq!(kv.get(Cf::Meta, &[3]).unwrap(), None);
    }
}
