//! The write-ahead log in a file.
//!
//! The file is a list of frames ([`phalanx_types::frames`]): the height it is of
//! (u64 little-endian), then the records. A new height is a new file that
//! replaces the old one at once, so the first frame is always whole.

use phalanx_consensus::{Fatal, Wal, wal::RECORD_BYTES_MAX};
use phalanx_types::{Height, frames};
use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

pub struct FileWal {
    path: PathBuf,
    file: File,
    height: Height,
    records: Vec<Vec<u8>>,
    is_dirty: bool,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Fatal + '_ {
    move |error| {
        let remedy = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "the disk is full: free space, then start again; nothing that was decided is lost"
            }
            _ => "check the disk, then start again",
        };
        Fatal::Disk(format!("{}: {error}; {remedy}", path.display()))
    }
}

/// The file of a log of `height` without records, in place of what was there.
fn begin(path: &Path, height: Height) -> Result<File, Fatal> {
    let new = path.with_extension("new");
    let mut file = File::create(&new).map_err(failed(&new))?;
    file.write_all(&frames::frame(&height.0.to_le_bytes())).map_err(failed(&new))?;
    file.sync_all().map_err(failed(&new))?;
    fs::rename(&new, path).map_err(failed(&new))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed(folder))?;
    Ok(file)
}

impl FileWal {
    /// Opens or makes the log; a torn end is cut off.
    pub fn open(path: &Path) -> Result<Self, Fatal> {
        if !path.exists() {
            begin(path, Height::ZERO)?;
        }
        let damaged = |what: String| {
            Fatal::Wal(format!(
                "{} {what}; this node may have signed what stands there and must not sign against it: \
                 keep it stopped until its peers have decided the beats after the one it was at, \
                 then move the file away and start it again",
                path.display()
            ))
        };
        let bytes = fs::read(path).map_err(failed(path))?;
        let read = frames::read(&bytes, RECORD_BYTES_MAX)
            .map_err(|frames::Damaged { at }| damaged(format!("is damaged at byte {at}")))?;
        let mut records = read.records.into_iter();
        let height = records.next().and_then(|head| <[u8; 8]>::try_from(head).ok());
        let height = height.ok_or_else(|| damaged("does not begin with a height".to_owned()))?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed(path))?;
        file.set_len(read.whole_len as u64).map_err(failed(path))?;
        file.sync_all().map_err(failed(path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            height: Height(u64::from_le_bytes(height)),
            records: records.collect(),
            is_dirty: false,
        })
    }
}

impl Wal for FileWal {
    fn append(&mut self, record: &[u8]) -> Result<(), Fatal> {
        self.file.write_all(&frames::frame(record)).map_err(failed(&self.path))?;
        self.is_dirty = true;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Fatal> {
        if std::mem::take(&mut self.is_dirty) {
            self.file.sync_data().map_err(failed(&self.path))?;
        }
        Ok(())
    }

    fn records(&self) -> Result<(Height, Vec<Vec<u8>>), Fatal> {
        Ok((self.height, self.records.clone()))
    }

    fn reset(&mut self, height: Height) -> Result<(), Fatal> {
        self.file = begin(&self.path, height)?;
        self.height = height;
        self.records.clear();
        self.is_dirty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_outlive_a_restart_and_a_reset_forgets_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wal");
        let mut wal = FileWal::open(&path).unwrap();
        wal.reset(Height(7)).unwrap();
        wal.append(b"one").unwrap();
        wal.append(b"two").unwrap();
        wal.sync().unwrap();
        let (height, records) = FileWal::open(&path).unwrap().records().unwrap();
        assert_eq!((height, records), (Height(7), vec![b"one".to_vec(), b"two".to_vec()]));
        wal.reset(Height(8)).unwrap();
        assert_eq!(FileWal::open(&path).unwrap().records().unwrap(), (Height(8), vec![]));
    }

    #[test]
    fn a_torn_end_is_healed_and_a_changed_bit_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wal");
        let mut wal = FileWal::open(&path).unwrap();
        wal.reset(Height(7)).unwrap();
        wal.append(b"one").unwrap();
        wal.append(b"two").unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let mut healed = FileWal::open(&path).unwrap();
        assert_eq!(healed.records().unwrap(), (Height(7), vec![b"one".to_vec()]));
        healed.append(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(matches!(FileWal::open(&path), Err(Fatal::Wal(_))), "byte {at}");
        }
    }
}
