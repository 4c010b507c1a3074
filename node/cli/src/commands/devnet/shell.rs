//! This binary, run as a user would, and what it says shown to people.

use crate::output::{Code, Failure, Format, say};
use anyhow::Result;
use std::{
    path::{Path, PathBuf},
    process::Output,
};
use tokio::process::Command;

/// Runs the binary against the first node, and tells what was run and what it said.
pub struct Shell {
    binary: PathBuf,
    home: PathBuf,
    format: Format,
}

impl Shell {
    /// For the mesh in the folder `out`.
    pub fn new(binary: &Path, out: &Path, format: Format) -> Self {
        Self { binary: binary.to_owned(), home: out.join("node-1"), format }
    }

    /// Runs it; gone when nobody waits for it any more.
    pub async fn run(&self, words: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.binary);
        Ok(command.args(words).arg("--home").arg(&self.home).kill_on_drop(true).output().await?)
    }

    /// Runs it; its output when it succeeds.
    pub async fn done(&self, words: &[&str]) -> Result<String> {
        let done = self.run(words).await?;
        if !done.status.success() {
            let error = String::from_utf8_lossy(&done.stderr);
            let said = String::from_utf8_lossy(&done.stdout);
            return Err(Failure::because(
                Code::Refused,
                format!("phalanx {}: {}{}", words.join(" "), said, error.trim_end()),
            ));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Tells people something.
    pub fn line(&self, line: &str) {
        if self.format == Format::Text {
            say(line);
        }
    }

    /// Tells what was run and all that it said.
    pub fn all(&self, words: &[&str], said: &str) {
        self.line(&format!("phalanx {}", words.join(" ")));
        said.trim_end().lines().for_each(|line| self.line(&format!("  {line}")));
    }

    /// Tells what was run and the last line of what it said.
    pub fn last(&self, words: &[&str], said: &str) {
        self.all(words, said.trim_end().lines().last().unwrap_or_default());
    }
}
