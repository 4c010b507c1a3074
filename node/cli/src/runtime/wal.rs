//! The write-ahead log in a file.
//!
//! The file begins with the height it is of (u64 little-endian) and goes on with
//! frames. A new height is a new file that replaces the old one at once.

use phalanx_consensus::{Fatal, Wal, wal::FrameCodec};
use phalanx_types::Height;
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

const HEAD: usize = 8;

pub struct FileWal {
    path: PathBuf,
    file: File,
    height: Height,
    records: Vec<Vec<u8>>,
    is_dirty: bool,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Fatal + '_ {
    move |error| Fatal::Wal(format!("{}: {error}", path.display()))
}

impl FileWal {
    /// Opens or makes the log; a torn end is cut off.
    pub fn open(path: &Path) -> Result<Self, Fatal> {
        if !path.exists() {
            fs::write(path, Height::ZERO.0.to_le_bytes()).map_err(failed(path))?;
        }
        let bytes = fs::read(path).map_err(failed(path))?;
        let (height, frames) = match bytes.split_at_checked(HEAD) {
            Some((head, frames)) => (head.try_into().map(u64::from_le_bytes).unwrap_or(0), frames),
            // Only the rename makes a log count, so this is an old torn one.
            None => (0, &[][..]),
        };
        let frames = FrameCodec::decode(frames)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed(path))?;
        file.set_len((HEAD + frames.whole_len) as u64).map_err(failed(path))?;
        file.sync_all().map_err(failed(path))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            height: Height(height),
            records: frames.records,
            is_dirty: false,
        })
    }
}

impl Wal for FileWal {
    fn append(&mut self, record: &[u8]) -> Result<(), Fatal> {
        self.file.write_all(&FrameCodec::encode(record)).map_err(failed(&self.path))?;
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
        let new = self.path.with_extension("new");
        let mut file = File::create(&new).map_err(failed(&new))?;
        file.write_all(&height.0.to_le_bytes()).map_err(failed(&new))?;
        file.sync_all().map_err(failed(&new))?;
        fs::rename(&new, &self.path).map_err(failed(&new))?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder).and_then(|f| f.sync_all()).map_err(failed(folder))?;
        self.file = file;
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
}
