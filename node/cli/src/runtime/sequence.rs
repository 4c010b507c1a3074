//! Numbers of this node's envelopes, never used twice.
//!
//! A block of numbers is reserved on disk before the first of it is used; after
//! a crash the rest of the block is skipped.

use crate::output::{Code, Failure};
use anyhow::{Context, Result};
use phalanx_types::PublicKey;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Numbers reserved at once: fewer than a window holds, so that skipping a block
/// never makes a number too old.
const BLOCK: u64 = 512;

#[derive(Debug)]
pub struct Sequences {
    path: PathBuf,
    next: BTreeMap<PublicKey, u64>,
    reserved: BTreeMap<PublicKey, u64>,
}

impl Sequences {
    pub fn open(path: &Path) -> Result<Self> {
        let reserved: BTreeMap<PublicKey, u64> = if path.exists() {
            let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            serde_json::from_slice(&bytes).map_err(|error| {
                let path = path.display();
                Failure::because(
                    Code::Refused,
                    format!(
                        "{path} is damaged ({error}): move it away and start again; \
                         numbers then begin above what the mesh has seen"
                    ),
                )
            })?
        } else {
            BTreeMap::new()
        };
        Ok(Self { path: path.to_owned(), next: reserved.clone(), reserved })
    }

    fn write(&self) -> Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&self.reserved)?)?;
        file.sync_all()?;
        Ok(fs::rename(&new, &self.path)?)
    }

    /// The next number of a key; `floor` is one that the mesh has not seen.
    pub fn next(&mut self, key: PublicKey, floor: u64) -> Result<u64> {
        let number = self.next.get(&key).copied().unwrap_or(0).max(floor);
        if number >= self.reserved.get(&key).copied().unwrap_or(0) {
            self.reserved.insert(key, number + BLOCK);
            self.write().with_context(|| {
                format!("{} cannot be written: free space, then start again", self.path.display())
            })?;
        }
        self.next.insert(key, number + 1);
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sequences");
        let key = PublicKey([1; 32]);
        let mut last = None;
        for _ in 0..5 {
            let mut sequences = Sequences::open(&path).unwrap();
            for _ in 0..600 {
                let number = sequences.next(key, 0).unwrap();
                assert!(last.is_none_or(|last| number > last));
                last = Some(number);
            }
        }
    }
}
