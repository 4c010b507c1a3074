//! A write-ahead log in memory that loses in a crash what was not synced.

use phalanx_consensus::{Fatal, Wal};
use phalanx_types::Height;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Inner {
    height: Height,
    durable: Vec<Vec<u8>>,
    buffered: Vec<Vec<u8>>,
}

/// The log. Clones share their content, as file handles would.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryWal(Arc<Mutex<Inner>>);

impl MemoryWal {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn crash(&self) {
        self.lock().buffered.clear();
    }
}

impl Wal for MemoryWal {
    fn append(&mut self, record: &[u8]) -> Result<(), Fatal> {
        self.lock().buffered.push(record.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Fatal> {
        let inner = &mut *self.lock();
        inner.durable.append(&mut inner.buffered);
        Ok(())
    }

    fn records(&self) -> Result<(Height, Vec<Vec<u8>>), Fatal> {
        let inner = self.lock();
        Ok((inner.height, inner.durable.clone()))
    }

    fn reset(&mut self, height: Height) -> Result<(), Fatal> {
        *self.lock() = Inner { height, ..Inner::default() };
        Ok(())
    }
}
