//! The worker's journal: what was started, and how it ended.
//!
//! A file of frames ([`phalanx_types::frames`]). A torn frame at the end was being
//! written when the node went down and is cut off; damage is an error.

use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_types::{AttemptId, Name, codec, decode_exact, frames, job::OutcomeReport};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const RECORD_BYTES_MAX: usize = 64 << 10;

/// Enough to find an attempt's processes again, and nobody else's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProcessMark {
    /// Process id of the shim, which leads the group.
    pub group: i32,
    /// When it was started, in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot it was started in.
    pub boot: String,
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// It is about to be spawned.
    Starting {
        /// Which.
        attempt: AttemptId,
        /// On which worker.
        worker: Name,
    },
    /// It runs in these processes.
    Started {
        /// Which.
        attempt: AttemptId,
        /// Where.
        mark: ProcessMark,
    },
    /// It ended.
    Ended {
        /// How.
        report: OutcomeReport,
    },
    /// The mesh no longer waits for it.
    Forgotten {
        /// Which.
        attempt: AttemptId,
    },
}

/// The journal failed. The worker must not start anything then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read or written.
    #[error(
        "the worker's journal {path} cannot be used ({reason}): free space or mend the disk, then start again"
    )]
    Io {
        /// Its file.
        path: String,
        /// Why.
        reason: String,
    },
    /// It is damaged.
    #[error(
        "the worker's journal {path} is damaged at byte {at}: move it away and start again; what this node was running is then reported as lost, and nothing is started twice"
    )]
    Damaged {
        /// Its file.
        path: String,
        /// Where.
        at: usize,
    },
}

/// A durable list of records.
pub trait Journal {
    /// Adds a record. It is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    fn append(&mut self, record: &Record) -> Result<(), JournalError>;

    /// All records in order.
    ///
    /// # Errors
    /// When they cannot be read.
    fn load(&mut self) -> Result<Vec<Record>, JournalError>;

    /// Replaces all records at once.
    ///
    /// # Errors
    /// When they cannot be written; then the old ones stay.
    fn rewrite(&mut self, records: &[Record]) -> Result<(), JournalError>;
}

/// The frame of a record.
#[must_use]
pub fn frame(record: &Record) -> Vec<u8> {
    frames::frame(&codec::encode(record))
}

/// The whole records of a file, and where they end.
///
/// # Errors
/// The place of a frame that is damaged and is not the last.
pub fn parse(bytes: &[u8]) -> Result<(Vec<Record>, usize), usize> {
    let read = frames::read(bytes, RECORD_BYTES_MAX).map_err(|damaged| damaged.at)?;
    let mut at = 0;
    let mut records = Vec::with_capacity(read.records.len());
    for body in &read.records {
        // Its checksum holds, so another program wrote it.
        records.push(decode_exact(body, RECORD_BYTES_MAX, "journal record").map_err(|_| at)?);
        at += frames::HEAD + body.len();
    }
    Ok((records, read.whole_len))
}

/// A journal in a file.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    file: File,
}

impl FileJournal {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(path);
        let file = file.map_err(|error| io(path, &error))?;
        sync_folder(path)?;
        Ok(Self { path: path.to_owned(), file })
    }
}

fn io(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::Io { path: path.display().to_string(), reason: error.to_string() }
}

fn sync_folder(path: &Path) -> Result<(), JournalError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(|error| io(folder, &error))
}

impl Journal for FileJournal {
    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let written = self.file.write_all(&frame(record)).and_then(|()| self.file.sync_data());
        written.map_err(|error| io(&self.path, &error))
    }

    fn load(&mut self) -> Result<Vec<Record>, JournalError> {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut f| f.read_to_end(&mut bytes));
        read.map_err(|error| io(&self.path, &error))?;
        let damaged = |at| JournalError::Damaged { path: self.path.display().to_string(), at };
        let (records, whole) = parse(&bytes).map_err(damaged)?;
        if whole < bytes.len() {
            let cut = self.file.set_len(whole as u64).and_then(|()| self.file.sync_all());
            cut.map_err(|error| io(&self.path, &error))?;
        }
        Ok(records)
    }

    fn rewrite(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let new = self.path.with_extension("new");
        let bytes: Vec<u8> = records.iter().flat_map(frame).collect();
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)
        });
        written.map_err(|error| io(&new, &error))?;
        sync_folder(&self.path)?;
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        self.file = file.map_err(|error| io(&self.path, &error))?;
        Ok(())
    }
}

/// A journal in memory, for simulations. Clones share their records.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    inner: Arc<Mutex<(Vec<Record>, Option<u64>)>>,
}

impl MemoryJournal {
    fn lock(&self) -> MutexGuard<'_, (Vec<Record>, Option<u64>)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails every write after `writes` more.
    pub fn fail_after(&self, writes: u64) {
        self.lock().1 = Some(writes);
    }

    /// Writes succeed again.
    pub fn heal(&self) {
        self.lock().1 = None;
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        let inner = &mut *self.lock();
        if let Some(left) = &mut inner.1 {
            *left = left.checked_sub(1).ok_or_else(|| JournalError::Io {
                path: "memory".to_owned(),
                reason: "told to fail".to_owned(),
            })?;
        }
        inner.0.push(record.clone());
        Ok(())
    }

    fn load(&mut self) -> Result<Vec<Record>, JournalError> {
        Ok(self.lock().0.clone())
    }

    fn rewrite(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.lock().0 = records.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phalanx_types::JobId;
    use proptest::prelude::*;

    fn record(n: u8) -> Record {
        Record::Forgotten { attempt: AttemptId { job: JobId([n; 32]), number: n.into() } }
    }

    proptest! {
        // Each case syncs a file many times.
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_torn_end_is_cut_and_the_rest_is_read(count in 1_u8..20, cut in 1_usize..40) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal");
            let mut journal = FileJournal::open(&path).unwrap();
            for n in 0..count { journal.append(&record(n)).unwrap(); }
            let len = std::fs::metadata(&path).unwrap().len();
            OpenOptions::new().write(true).open(&path).unwrap().set_len(len - cut as u64 % frame(&record(0)).len() as u64).unwrap();
            let read = FileJournal::open(&path).unwrap().load().unwrap();
            prop_assert!(read.len() >= count as usize - 1);
            for (n, found) in (0..count).zip(&read) { prop_assert_eq!(found, &record(n)); }
            let mut journal = FileJournal::open(&path).unwrap();
            journal.load().unwrap();
            journal.append(&record(99)).unwrap();
            let read = FileJournal::open(&path).unwrap().load().unwrap();
            prop_assert_eq!(read.last(), Some(&record(99)));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn damage_is_an_error_that_names_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = FileJournal::open(&path).unwrap();
        journal.append(&record(1)).unwrap();
        journal.append(&record(2)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[20] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = FileJournal::open(&path).unwrap().load().unwrap_err();
        assert!(matches!(error, JournalError::Damaged { at: 0, .. }));
    }
}
