//! A development chain as a process: anvil, from the packages of `contracts/`.

use crate::processes::{DevnetError, io_error};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The chain id of a development chain.
pub const CHAIN_ID: u64 = 31_337;
/// How long it may take to listen.
const START: Duration = Duration::from_secs(30);

/// A chain of its own, gone when it is dropped.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    /// Where it listens on this machine.
    pub port: u16,
}

impl Anvil {
    /// Starts one on a free port, or on that of `--port` in `extra_args`.
    ///
    /// # Errors
    /// When the program does not start, or does not listen in time.
    pub fn start<S: AsRef<OsStr>>(program: &Path, extra_args: &[S]) -> Result<Self, DevnetError> {
        let names_port = extra_args.iter().any(|a| a.as_ref() == "--port");
        let port: &[&str] = if names_port { &[] } else { &["--port", "0"] };
        let mut child = Command::new(program)
            .args(port)
            .args(["--hardfork", "prague"])
            .args(extra_args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io_error(format!(
                "{} does not start (run contracts/scripts/tools, which installs it)",
                program.display()
            )))?;
        let output = child.stdout.take();
        // Dropped, and so ended, when something goes wrong from here on.
        let mut chain = Self { child, port: 0 };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let lines = output.into_iter().flat_map(|output| BufReader::new(output).lines());
            // It must not stop for want of a reader, so all is read.
            for line in lines.map_while(Result::ok) {
                let port =
                    line.strip_prefix("Listening on ").and_then(|a| a.rsplit(':').next()?.parse().ok());
                if let Some(port) = port {
                    let _ = sender.send(port);
                }
            }
        });
        // The sender is gone when it has ended by itself.
        chain.port = receiver.recv_timeout(START).map_err(|_| DevnetError::Late {
            what: format!("that {} listens", program.display()),
            seconds: START.as_secs(),
        })?;
        Ok(chain)
    }

    /// Its JSON-RPC endpoint.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks it to end, so that it writes its state where it was told to, and waits.
    pub fn stop(mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The folder of npm's packages: that around `$PHALANX_ANVIL`, or the one in
/// the folder of the contracts.
#[must_use]
pub fn node_modules(contracts: &Path) -> PathBuf {
    let named = std::env::var_os("PHALANX_ANVIL").map(PathBuf::from);
    let around = named.as_deref().and_then(|path| {
        path.ancestors().find(|p| p.file_name() == Some(OsStr::new("node_modules"))).map(Path::to_owned)
    });
    around.unwrap_or_else(|| contracts.join("node_modules"))
}

/// A tool of Foundry below the folder of npm's packages: the program itself,
/// not the script of npm before it, so that ending it ends it.
#[must_use]
pub fn foundry(node_modules: &Path, name: &str) -> PathBuf {
    let packages = fs::read_dir(node_modules.join("@foundry-rs")).into_iter().flatten().flatten();
    let prefix = format!("{name}-");
    packages
        .filter(|p| p.file_name().to_string_lossy().starts_with(&prefix))
        .map(|p| p.path().join("bin").join(name))
        .find(|p| p.is_file())
        .unwrap_or_else(|| node_modules.join(".bin").join(name))
}

/// The anvil of the folder of the contracts, or `$PHALANX_ANVIL`.
#[must_use]
pub fn anvil_in(contracts: &Path) -> PathBuf {
    match std::env::var_os("PHALANX_ANVIL") {
        Some(named) => PathBuf::from(named),
        None => foundry(&node_modules(contracts), "anvil"),
    }
}
