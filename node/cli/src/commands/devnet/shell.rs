//! This binary, run as a user would, and what it says shown to people.

use crate::output::{Code, Failure, Format, say};
use anyhow::Result;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

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

    /// Runs it.
    pub fn run(&self, words: &[&str]) -> Result<Output> {
        Ok(Command::new(&self.binary).args(words).arg("--home").arg(&self.home).output()?)
    }

    /// Runs it; its output when it succeeds.
    pub fn done(&self, words: &[&str]) -> Result<String> {
        let done = self.run(words)?;
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
