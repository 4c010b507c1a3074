//! Commands to run, and a look at what is left of them.

use phalanx_providers::{
    process::{Allowed, ProcessProvider},
    shim::Exit,
};
use phalanx_types::{
    AttemptId, JobId, Name, Resources, TimeMs, Work,
    job::{CommandLimits, WantedAttempt},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::watch, time::Instant};

/// The example `worker`, which is built with the tests and is the shim as well.
pub fn worker_program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/worker");
    assert!(path.exists(), "{} is not there: build with --all-targets", path.display());
    path
}

/// Far from every limit of a command that behaves.
pub const WIDE: CommandLimits =
    CommandLimits { time_ms: 30_000, cpu_ms: 20_000, memory_mib: 1_024, output_bytes: 1 << 20 };

/// A folder in which commands run, and by which they are known: each has its
/// path as an argument, or as its current folder, or in its environment.
pub struct Ground {
    folder: TempDir,
    provider: ProcessProvider,
}

impl Ground {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let provider = ProcessProvider {
            shim: (worker_program(), vec!["attempt-shim".into()]),
            work: folder.path().join("work"),
            allowed: Default::default(),
        };
        Self { folder, provider }
    }

    /// Allows a shell script by a name. It finds the ground's folder in `$0`.
    pub fn allow(&mut self, name: &str, script: &str) -> &mut Self {
        let args = vec!["-c".to_owned(), script.to_owned(), self.path().to_str().unwrap().to_owned()];
        self.allow_program(name, "/bin/sh", args)
    }

    pub fn allow_program(&mut self, name: &str, path: &str, args: Vec<String>) -> &mut Self {
        let allowed = Allowed { path: path.into(), args, more_args_max: 1 };
        self.provider.allowed.insert(Name::new(name).unwrap(), allowed);
        self
    }

    /// A ground with one script, named `it`.
    pub fn of(script: &str) -> Self {
        let mut ground = Self::new();
        ground.allow("it", script);
        ground
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn journal(&self) -> PathBuf {
        self.path().join("journal")
    }

    pub fn provider(&self) -> &ProcessProvider {
        &self.provider
    }

    /// Runs an allowed command to its end.
    pub async fn run(&self, name: &str, args: &[&str], limits: CommandLimits) -> Exit {
        let work = command(name, args, limits);
        match self.provider.task(&attempt(1), &work) {
            Ok(task) => {
                let (_lease, until) = lease();
                match self.provider.spawn(&task, until).await {
                    Ok(running) => running.wait(std::future::pending()).await,
                    Err(reason) => Exit::not_started(reason),
                }
            }
            Err(reason) => Exit::not_started(reason),
        }
    }

    /// Runs the script `it` to its end.
    pub async fn run_it(&self, limits: CommandLimits) -> Exit {
        self.run("it", &[], limits).await
    }

    /// Lines of a file that commands wrote in the ground's folder.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path().join(name)).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// Every process that lives and is known by this ground.
    pub fn left(&self) -> Vec<String> {
        let needle = self.path().to_str().unwrap();
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
            let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace('\0', " ");
            let (line, environment) = (text(read("cmdline")), text(read("environ")));
            let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            let is_ours = line.contains(needle)
                || environment.contains(needle)
                || cwd.to_string_lossy().contains(needle);
            if is_ours && pid != std::process::id() {
                left.push(format!("{pid}: {line}"));
            }
        }
        left
    }

    pub fn assert_nothing_is_left(&self) {
        assert_eq!(self.left(), Vec::<String>::new());
    }
}

impl Drop for Ground {
    /// A test that failed leaves nothing behind on the machine either.
    fn drop(&mut self) {
        use nix::{sys::signal::Signal, unistd::Pid};
        for line in self.left() {
            if let Some(pid) = line.split(':').next().and_then(|pid| pid.parse().ok()) {
                let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

/// A lease of an hour.
pub fn lease() -> (watch::Sender<Instant>, watch::Receiver<Instant>) {
    watch::channel(Instant::now() + Duration::from_secs(3_600))
}

pub fn attempt(number: u32) -> AttemptId {
    AttemptId { job: JobId([7; 32]), number }
}

pub fn command(name: &str, args: &[&str], limits: CommandLimits) -> Work {
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    Work::Command { program: Name::new(name).unwrap(), args, limits }
}

/// Attempt `number` at the command `name`, wanted until `lease_until`.
pub fn want(number: u32, name: &str, lease_until: u64) -> WantedAttempt {
    WantedAttempt {
        attempt: attempt(number),
        worker: Name::new("worker").unwrap(),
        work: command(name, &[], WIDE),
        resources: Resources::default(),
        lease_until: TimeMs(lease_until),
    }
}

/// Waits until something holds that must come to hold.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what} has not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
