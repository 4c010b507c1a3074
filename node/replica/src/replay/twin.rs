//! A store that compares what is written with what another one holds.

use super::Difference;
use phalanx_ledger::{Batch, Cf, Durability, Kv, MemoryKv, StoreError};
use phalanx_types::Height;
use std::{
    ops::ControlFlow,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Whether later beats overwrite records of this table, maybe with the same, so that it can
/// be compared only at the end. The others are compared as they are written.
const fn is_overwritten(cf: Cf) -> bool {
    matches!(cf, Cf::Meta | Cf::Tiles | Cf::State | Cf::Bindings)
}

#[derive(Default)]
struct Seen {
    /// Records written once, by table.
    counts: Vec<(Cf, u64)>,
    hidden_dropped: u64,
    compared: u64,
    first: Option<String>,
}

impl Seen {
    fn count(&mut self, cf: Cf) {
        match self.counts.iter_mut().find(|(table, _)| *table == cf) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((cf, 1)),
        }
    }
}

/// The store of a replica that replays: it keeps what is overwritten later and
/// compares the rest with `original`, which it never changes.
pub(super) struct Twin<'a, K: Kv> {
    original: &'a K,
    kept: MemoryKv,
    seen: Mutex<Seen>,
}

fn place(cf: Cf, key: &[u8]) -> String {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("the record {hex} of the table {cf}")
}

impl<'a, K: Kv> Twin<'a, K> {
    pub(super) fn new(original: &'a K) -> Self {
        Self { original, kept: MemoryKv::default(), seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first difference that the writes up to `height` have shown.
    pub(super) fn verdict(&self, height: Height) -> Result<(), Difference> {
        match &self.seen().first {
            Some(what) => Err(Difference { height, what: what.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.seen().compared
    }

    pub(super) fn hidden_dropped(&self) -> u64 {
        self.seen().hidden_dropped
    }

    fn compare(&self, cf: Cf, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let stored = self.original.get(cf, key)?;
        let mut seen = self.seen();
        let difference = match &stored {
            Some(stored) if stored == value => None,
            Some(_) => Some(format!("{} is not what execution gives", place(cf, key))),
            // What stands behind salted fields may be dropped.
            None if cf == Cf::Hidden => {
                seen.hidden_dropped += 1;
                return Ok(());
            }
            None => Some(format!("{} is missing", place(cf, key))),
        };
        seen.compared += 1;
        if let Some(difference) = difference {
            seen.first.get_or_insert(difference);
        }
        Ok(())
    }

    /// Compares what beats overwrite, and that nothing else is stored.
    pub(super) fn compare_rest(&self, height: Height) -> Result<(), super::ReplayError> {
        for cf in Cf::ALL {
            if is_overwritten(cf) {
                self.compare_table(cf)?;
            } else {
                self.compare_count(cf)?;
            }
            self.verdict(height)?;
        }
        Ok(())
    }

    fn compare_table(&self, cf: Cf) -> Result<(), StoreError> {
        let mut expected = Vec::new();
        self.kept.scan(cf, &[], &mut |key, value| {
            expected.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        for (key, value) in expected {
            self.compare(cf, &key, &value)?;
        }
        let mut failed = None;
        self.original.scan(cf, &[], &mut |key, _| match self.kept.get(cf, key) {
            Ok(Some(_)) => ControlFlow::Continue(()),
            Ok(None) => {
                let more = format!("{} is stored, but execution does not give it", place(cf, key));
                self.seen().first.get_or_insert(more);
                ControlFlow::Break(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn compare_count(&self, cf: Cf) -> Result<(), StoreError> {
        let mut stored: u64 = 0;
        self.original.scan(cf, &[], &mut |_, _| {
            stored += 1;
            ControlFlow::Continue(())
        })?;
        let mut seen = self.seen();
        let mut given = seen.counts.iter().find(|(table, _)| *table == cf).map_or(0, |(_, count)| *count);
        if cf == Cf::Hidden {
            given -= seen.hidden_dropped.min(given);
        }
        if stored != given {
            seen.first.get_or_insert(format!(
                "{stored} records are stored in the table {cf}, execution gives {given}; \
                 `phalanx ledger fsck` names the stranger"
            ));
        }
        Ok(())
    }
}

/// Reads see what was kept, or else the original, which is equal so far.
impl<K: Kv> Kv for &Twin<'_, K> {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if is_overwritten(cf) { self.kept.get(cf, key) } else { self.original.get(cf, key) }
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut kept = Batch::default();
        for (cf, key, value) in batch.writes {
            match value {
                Some(value) if !is_overwritten(cf) => {
                    self.compare(cf, &key, &value)?;
                    self.seen().count(cf);
                }
                value => kept.writes.push((cf, key, value)),
            }
        }
        self.kept.write(kept, durability)
    }

    fn scan(
        &self,
        cf: Cf,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if is_overwritten(cf) { self.kept.scan(cf, from, visit) } else { self.original.scan(cf, from, visit) }
    }

    fn last_at_most(&self, cf: Cf, key: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        if is_overwritten(cf) { self.kept.last_at_most(cf, key) } else { self.original.last_at_most(cf, key) }
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
