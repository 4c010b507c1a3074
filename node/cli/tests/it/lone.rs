//! A mesh of one node, which decides alone, for what is done to its files.

use crate::support::{Mesh, binary, found, phalanx, stderr, stdout};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Time for what a lone node must come to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A founded mesh of one, its node running or not.
pub struct Lone {
    pub mesh: Mesh,
    child: Option<Child>,
}

/// What a node that ended by itself has said.
pub struct Ended {
    pub code: Option<i32>,
    pub said: String,
}

impl Lone {
    pub fn found() -> Self {
        Self { mesh: found(1, &[]), child: None }
    }

    /// One that has decided and run something, stopped.
    pub fn with_history() -> Self {
        let mut lone = Self::found();
        lone.start();
        lone.work(2);
        lone.stop();
        lone
    }

    pub fn home(&self) -> PathBuf {
        self.mesh.home(0)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// The log is outside the home folder, whose disk may be full.
    fn log(&self) -> PathBuf {
        self.mesh.folder.path().join("lone.log")
    }

    /// Runs a command in this home folder.
    pub fn phalanx(&self, words: &[&str]) -> Output {
        let home = self.home();
        let mut all = vec!["--home", home.to_str().unwrap()];
        all.extend(words);
        phalanx(&all)
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none());
        let child = Command::new(binary())
            .args(["node", "run", "--home"])
            .arg(self.home())
            .env_remove("PHALANX_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.log()).unwrap())
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Starts the node and waits until its workers are there.
    pub fn start(&mut self) {
        self.spawn();
        let workers = self.mesh.genesis.workers.len() as u64;
        self.until("a node with workers", |lone| {
            lone.status().is_some_and(|s| s["workers_healthy"].as_u64() >= Some(workers))
        });
    }

    /// Waits until something holds while the node runs.
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().unwrap()) {
                panic!("no {what}: the node ended with {status}:\n{}", self.said());
            }
            assert!(began.elapsed() < PATIENCE, "no {what}:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    pub fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub fn status(&self) -> Option<Value> {
        let told = self.phalanx(&["--output", "json", "status"]);
        serde_json::from_slice(&told.stdout).ok().filter(|_| told.status.success())
    }

    /// Submits jobs that run a command, and waits until each has ended well.
    pub fn work(&mut self, jobs: usize) {
        for job in 0..jobs {
            let label = format!("work-{job}");
            let told = self
                .phalanx(&["job", "submit", "--region", "earth", "--label", &label, "--", "echo", &label]);
            assert!(told.status.success(), "{}\n{}", stderr(&told), self.said());
            let id = stdout(&told).lines().next().unwrap().to_owned();
            self.until("end of the job", |lone| {
                let shown = lone.phalanx(&["--output", "json", "job", "show", &id]);
                let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
                assert!(shown["state"] != "failed", "{shown}");
                shown["state"] == "succeeded"
            });
        }
    }

    /// Waits until the node has ended by itself.
    pub fn ended(&mut self) -> Ended {
        let mut child = self.child.take().expect("a node that runs");
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the node went on:\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(30));
        };
        Ended { code: status.code(), said: self.said() }
    }

    /// Starts a node that must not come up, and gives what it said.
    pub fn refused(&mut self) -> Ended {
        self.spawn();
        self.ended()
    }

    /// SIGTERM, and a clean end.
    pub fn stop(&mut self) {
        let child = self.child.as_ref().expect("a node that runs");
        let told = Command::new("sh").arg("-c").arg(format!("kill {}", child.id())).status().unwrap();
        assert!(told.success());
        let ended = self.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
    }

    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a node that runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// All receipts of the stopped node, a line each.
    pub fn receipts(&self) -> Vec<String> {
        let told = self.phalanx(&["ledger", "export"]);
        assert!(told.status.success(), "{}", stderr(&told));
        stdout(&told).lines().map(ToOwned::to_owned).collect()
    }

    /// The node starts, works, stops; its ledger is clean, and holds all of
    /// `before`.
    pub fn goes_on_with(&mut self, before: &[String]) {
        self.start();
        self.work(1);
        self.stop();
        let checked = self.phalanx(&["ledger", "fsck"]);
        assert!(checked.status.success(), "{}{}", stdout(&checked), stderr(&checked));
        let after = self.receipts();
        assert!(after.len() > before.len() && after.starts_with(before), "what was decided is lost");
    }

    /// A copy of the home folder, or of something in it.
    pub fn copy(&self, name: &str) -> PathBuf {
        let to = self.mesh.folder.path().join("copy").join(name);
        replace(&self.file(name), &to);
        to
    }

    /// Puts a copy back.
    pub fn put_back(&self, name: &str) {
        replace(&self.mesh.folder.path().join("copy").join(name), &self.file(name));
    }
}

impl Drop for Lone {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Makes `to` the same as `from`, a file or a folder.
pub fn replace(from: &Path, to: &Path) {
    if to.is_dir() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-a").arg("-T").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// Changes one bit in the middle of a file.
pub fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Cuts a file.
pub fn cut(path: &Path, len: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..len.min(bytes.len())]).unwrap();
}
