//! The store on disk: RocksDB.

use crate::kv::{Batch, Cf, Durability, Kv, StoreError};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    Direction, ErrorKind, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
};
use std::{io::Read, ops::ControlFlow, path::Path, sync::Arc};

/// Bytes of the block cache of all tables together.
const CACHE_BYTES: usize = 64 << 20;
/// Bytes of one table's memory buffer.
const BUFFER_BYTES: usize = 8 << 20;
/// Bytes of all write-ahead logs above which buffers are flushed.
const WAL_BYTES_MAX: u64 = 256 << 20;
/// Open files at one time.
const OPEN_FILES_MAX: i32 = 256;

/// What to do about damaged files.
const DAMAGED: &str = "the files are damaged: put back a copy of the folder, or move it away and start again, and the node catches up from its peers";

/// A RocksDB store. Every write goes through its log; after a crash it is
/// recovered to a point in time, never with a hole. Clones are the same store, for readers
/// on other threads.
#[derive(Clone)]
pub struct RocksKv {
    db: Arc<DB>,
}

impl std::fmt::Debug for RocksKv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RocksKv({})", self.db.path().display())
    }
}

impl RocksKv {
    /// Opens the store in a folder, which is made when it is not there.
    ///
    /// # Errors
    /// When it is in use, damaged, or cannot be made.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let is_new = is_new(path)?;
        check_logs(path)?;
        let mut options = Options::default();
        options.create_if_missing(is_new);
        options.create_missing_column_families(true);
        options.set_paranoid_checks(true);
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_recycle_log_file_num(0);
        options.set_wal_bytes_per_sync(0);
        options.set_max_total_wal_size(WAL_BYTES_MAX);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_keep_log_file_num(4);
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let tables = Cf::ALL.iter().map(|cf| {
            let mut table = Options::default();
            table.set_compression_type(DBCompressionType::Lz4);
            table.set_write_buffer_size(BUFFER_BYTES);
            let mut blocks = BlockBasedOptions::default();
            blocks.set_block_cache(&cache);
            blocks.set_bloom_filter(10.0, false);
            table.set_block_based_table_factory(&blocks);
            ColumnFamilyDescriptor::new(cf.name(), table)
        });
        let db = DB::open_cf_descriptors(&options, path, tables).map_err(|error| {
            // Not any "lock": a damaged "block" is another matter.
            let words = error.to_string();
            if words.contains("While lock file") || words.contains("lock hold by current process") {
                StoreError::Locked { path: path.display().to_string() }
            } else {
                store_error(error)
            }
        })?;
        Ok(Self { db: Arc::new(db) })
    }

    fn table(&self, cf: Cf) -> Result<&ColumnFamily, StoreError> {
        self.db
            .cf_handle(cf.name())
            .ok_or_else(|| StoreError::Io { reason: format!("the table {cf} is not in the store") })
    }
}

/// Whether a folder holds no store yet. RocksDB would take one that has lost the file
/// CURRENT for a new store, and remove what is in it.
pub(crate) fn is_new(path: &Path) -> Result<bool, StoreError> {
    let is_new = !path.join("CURRENT").exists();
    if is_new && holds_tables_or_logs(path) {
        return Err(StoreError::Io {
            reason: format!(
                "{} holds a store without the file CURRENT, which names its newest state; {DAMAGED}",
                path.display()
            ),
        });
    }
    Ok(is_new)
}

/// Bytes of a block of RocksDB's logs, of which the manifest is one; no record crosses its
/// end.
const LOG_BLOCK_BYTES: usize = 32 << 10;
/// Bytes of a record's header: a checksum of four, a length of two, a kind of one.
const LOG_HEADER_BYTES: usize = 7;
/// The last kind of record that is written here: kinds above it are of logs that are used
/// again, compressed, or dated.
const LOG_KIND_MAX: u8 = 4;

/// Checks the kinds of the records in the manifest and the logs: RocksDB (11.8) never
/// comes back from some of those that are not written here. All else that may be wrong it
/// finds; a record that was cut off by a crash ends a log.
pub(crate) fn check_logs(folder: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !(name.starts_with("MANIFEST-") || name.ends_with(".log")) {
            continue;
        }
        let failed = |error: std::io::Error| StoreError::Io { reason: format!("{name}: {error}") };
        let mut file = std::fs::File::open(entry.path()).map_err(failed)?;
        let mut block = Vec::with_capacity(LOG_BLOCK_BYTES);
        for number in 0_u64.. {
            block.clear();
            file.by_ref().take(LOG_BLOCK_BYTES as u64).read_to_end(&mut block).map_err(failed)?;
            if let Some(at) = unknown_record(&block) {
                let place = number.saturating_mul(LOG_BLOCK_BYTES as u64).saturating_add(at as u64);
                return Err(StoreError::Io {
                    reason: format!("{name} has a record of no known kind at byte {place}; {DAMAGED}"),
                });
            }
            if block.len() < LOG_BLOCK_BYTES {
                break;
            }
        }
    }
    Ok(())
}

/// Where the first record of a kind that is not written here begins in a block.
fn unknown_record(block: &[u8]) -> Option<usize> {
    let mut at: usize = 0;
    while let Some([_, _, _, _, low, high, kind]) = block.get(at..at.checked_add(LOG_HEADER_BYTES)?) {
        if *kind > LOG_KIND_MAX {
            return Some(at);
        }
        at = at.checked_add(LOG_HEADER_BYTES)?.checked_add(usize::from(u16::from_le_bytes([*low, *high])))?;
    }
    None
}

fn holds_tables_or_logs(folder: &Path) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let is_data =
            entry.path().extension().is_some_and(|extension| extension == "sst" || extension == "log");
        is_data && entry.metadata().is_ok_and(|meta| meta.len() > 0)
    })
}

pub(crate) fn store_error(error: rocksdb::Error) -> StoreError {
    let reason = error.to_string();
    let full = reason.contains("No space left") || reason.contains("ENOSPC") || reason.contains("quota");
    match error.kind() {
        _ if full => StoreError::DiskFull { reason },
        _ if reason.contains("No such file") => StoreError::Io { reason: format!("{reason}; {DAMAGED}") },
        ErrorKind::Corruption => StoreError::Io { reason: format!("{reason}; {DAMAGED}") },
        _ => StoreError::Io {
            reason: format!("{reason}; check the disk and who may write to it, then start again"),
        },
    }
}

impl Kv for RocksKv {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.table(cf)?, key).map_err(store_error)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut writes = WriteBatch::default();
        for (cf, key, value) in batch.writes {
            let table = self.table(cf)?;
            match value {
                Some(value) => writes.put_cf(table, key, value),
                None => writes.delete_cf(table, key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        self.db.write_opt(writes, &options).map_err(store_error)
    }

    fn scan(
        &self,
        cf: Cf,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        let mode = IteratorMode::From(from, Direction::Forward);
        for record in self.db.iterator_cf_opt(self.table(cf)?, options, mode) {
            let (key, value) = record.map_err(store_error)?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last_at_most(&self, cf: Cf, key: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        let mode = IteratorMode::From(key, Direction::Reverse);
        match self.db.iterator_cf(self.table(cf)?, mode).next() {
            None => Ok(None),
            Some(record) => {
                let (key, value) = record.map_err(store_error)?;
                Ok(Some((key.into_vec(), value.into_vec())))
            }
        }
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(store_error)
    }
}
