//! A development chain as a process: anvil, from the npm package in `contracts`.

use crate::processes::{DevnetError, io_error};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    io::{BufRead, BufReader, Error, ErrorKind},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A chain of its own, with accounts that everybody knows. It is gone when this is
/// dropped.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    url: String,
}

/// The program below the folder of the contracts: itself, not the script of npm before
/// it, so that ending it ends it.
///
/// # Errors
/// When it is not there.
pub fn anvil_in(contracts: &Path) -> Result<PathBuf, DevnetError> {
    let packages = contracts.join("node_modules/@foundry-rs");
    let programs = fs::read_dir(&packages).into_iter().flatten().flatten();
    programs
        .filter(|package| package.file_name().to_string_lossy().starts_with("anvil-"))
        .map(|package| package.path().join("bin/anvil"))
        .find(|program| program.is_file())
        .ok_or_else(|| DevnetError::Io {
            what: format!("no anvil in {}: run contracts/scripts/tools", packages.display()),
            error: Error::from(ErrorKind::NotFound),
        })
}

impl Anvil {
    /// Starts it with more words on its command line, and waits until it listens. Without
    /// a `--port` it takes a free one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &Path, words: &[&str]) -> Result<Self, DevnetError> {
        let what = || format!("{} does not start", program.display());
        let port: &[&str] = if words.contains(&"--port") { &[] } else { &["--port", "0"] };
        let mut child = Command::new(program)
            .args(["--hardfork", "prague"])
            .args(port)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io_error(what()))?;
        let Some(out) = child.stdout.take() else {
            return Err(DevnetError::Io { what: what(), error: Error::from(ErrorKind::BrokenPipe) });
        };
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let Some(address) = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))
        else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(DevnetError::Io { what: what(), error: Error::from(ErrorKind::UnexpectedEof) });
        };
        // It must not stop for want of a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, url: format!("http://{address}") })
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Anvil {
    /// Asks it to end, so that it writes its state where it was told to, and waits.
    pub fn stop(mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
