//! Writes `storage/checkpoint.json` while the node runs, and when it stops.

use super::core::Core;
use anyhow::{Context, Result};
use phalanx_replica::{Decision, checkpoint_file};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::broadcast;

/// Where the file is, below a folder.
pub const FILE: &str = "storage/checkpoint.json";

#[derive(Clone)]
pub struct Storage {
    pub core: Core,
    /// The folder under which the file goes.
    pub out: PathBuf,
    /// Checkpoints between two files; none are written in between when it is 0.
    pub every: u64,
}

impl Storage {
    /// Writes a file after every so many checkpoints.
    pub async fn run(self, mut decisions: broadcast::Receiver<Arc<Decision>>) {
        loop {
            let due = match decisions.recv().await {
                Ok(decision) => decision
                    .checkpoint
                    .as_ref()
                    .is_some_and(|c| c.number.0.checked_rem(self.every) == Some(0)),
                Err(broadcast::error::RecvError::Lagged(_)) => false,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            if due && let Err(error) = self.write().await {
                tracing::warn!("{FILE} was not written: {error:#}");
            }
        }
    }

    /// Writes the file now.
    pub async fn write(&self) -> Result<()> {
        let snapshot = self.core.ask(|replica, _| replica.snapshot()).await.context("the node is busy")??;
        let Some(snapshot) = snapshot else { return Ok(()) };
        let path = self.out.join(FILE);
        tokio::task::spawn_blocking(move || replace(&path, &checkpoint_file::make(&snapshot)?)).await?
    }
}

/// Puts a file in the place of an older one, whole or not at all.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("it has no folder")?;
    fs::create_dir_all(folder)?;
    let new = path.with_extension("new");
    let mut file = File::create(&new).with_context(|| format!("{} cannot be written", new.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()?;
    Ok(())
}
