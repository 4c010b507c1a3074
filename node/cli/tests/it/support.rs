//! A mesh of real node processes.

use phalanx_devnet::{Devnet, NodeSpec, Outcomes, Planned, PortBlock, Submitter, Watch};
use phalanx_types::{Genesis, JobSpec, MicroUnits, Name, Resources, SigningKey, Work, job::CommandLimits};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The binary under test.
pub fn binary() -> PathBuf {
    assert_cmd::cargo::cargo_bin!("phalanx").to_path_buf()
}

/// Runs the binary with words.
pub fn phalanx(words: &[&str]) -> Output {
    Command::new(binary()).args(words).env_remove("PHALANX_HOME").output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A founded mesh in a folder of its own.
pub struct Mesh {
    pub folder: TempDir,
    pub devnet: Devnet,
    pub genesis: Genesis,
    pub tenant: SigningKey,
    /// Every run of the command `mark` adds a line here: job id and attempt.
    pub marks: PathBuf,
    /// Of the mesh, and of nodes that were added to it.
    pub ports: Vec<PortBlock>,
}

pub fn read_key(path: &Path) -> SigningKey {
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let seed = hex::decode(file["seed"].as_str().unwrap()).unwrap();
    SigningKey::from_seed(seed.try_into().unwrap())
}

/// Founds a mesh with `phalanx init`; `extra` are more words for it.
pub fn found(nodes: u16, extra: &[&str]) -> Mesh {
    let folder = tempfile::tempdir().unwrap();
    let ports = PortBlock::free(nodes).unwrap();
    let base = ports.base().to_string();
    let out = folder.path().join("mesh");
    let count = nodes.to_string();
    let mut words = vec!["init", "--mesh-of", &count, "--out", out.to_str().unwrap(), "--base-port", &base];
    words.extend(extra);
    let made = phalanx(&words);
    assert!(made.status.success(), "{}", stderr(&made));

    let marks = folder.path().join("marks");
    let mut specs = Vec::new();
    for i in 1..=nodes {
        let home = out.join(format!("node-{i}"));
        let path = home.join("config.toml");
        let mut config: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let mark = toml::toml! {
            path = "/bin/sh"
            args = ["-c", "basename \"$PWD\" >> \"$0\"; sleep 0.15", "MARKS"]
        };
        let mut mark = toml::Value::Table(mark);
        mark["args"][2] = marks.to_str().unwrap().into();
        config["commands"].as_table_mut().unwrap().insert("mark".into(), mark);
        std::fs::write(&path, config.to_string()).unwrap();
        specs.push(NodeSpec::at(&format!("node-{i}"), home).unwrap());
    }
    let genesis = Genesis::from_json(&std::fs::read(out.join("node-1/genesis.json")).unwrap()).unwrap();
    Mesh {
        devnet: Devnet::new(&binary(), specs),
        genesis,
        tenant: read_key(&out.join("tenant.json")),
        marks,
        folder,
        ports: vec![ports],
    }
}

impl Mesh {
    /// Starts all nodes and waits until they work together.
    pub async fn start(&mut self) {
        self.devnet.start_all().unwrap();
        self.ready().await;
    }

    /// Waits until all nodes work together.
    pub async fn ready(&mut self) {
        let workers = self.genesis.workers.len() as u64;
        self.devnet
            .wait_until("a mesh with workers", Duration::from_secs(60), |s| {
                s["workers_healthy"].as_u64().unwrap_or(0) >= workers
            })
            .await
            .unwrap();
    }

    /// Height of the first node.
    pub async fn height(&self) -> u64 {
        let status = self.devnet.clients().remove(0).get("/v1/status").await.unwrap();
        status["height"].as_str().unwrap().parse().unwrap()
    }

    pub fn home(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("mesh/node-{}", index + 1))
    }

    pub async fn submitter(&self, operations: usize) -> Submitter {
        self.signing(self.tenant.clone()).await.with_operations(operations)
    }

    /// Who sends the owner's commands to a mesh without a chain.
    pub async fn owner(&self) -> Submitter {
        self.signing(read_key(&self.folder.path().join("mesh/owner.json"))).await
    }

    async fn signing(&self, key: SigningKey) -> Submitter {
        Submitter::new(self.devnet.clients(), self.genesis.mesh, key, 300_000).await.unwrap()
    }

    /// A job that runs the command `mark`.
    pub fn marking(&self, label: &str, region: &str, once: bool) -> Planned {
        let work = Work::Command {
            program: Name::new("mark").unwrap(),
            args: Vec::new(),
            limits: CommandLimits::default(),
        };
        Planned { spec: spec(label, region, once, work), at: Duration::ZERO, expected: "succeeded" }
    }

    /// Jobs and attempt numbers in the file of marks.
    pub fn marked(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.marks).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// Stops all nodes: five seconds after SIGTERM all must have ended well.
    pub async fn stop(&mut self) {
        let wrong = self.devnet.stop_all(Duration::from_secs(5)).await;
        assert!(wrong.is_empty(), "{wrong:?}\n{}", self.logs());
    }

    /// `phalanx ledger fsck` must be clean at every stopped node.
    pub fn fsck(&self) {
        for index in 0..self.devnet.len() {
            let checked = phalanx(&["ledger", "fsck", "--home", self.home(index).to_str().unwrap()]);
            assert!(checked.status.success(), "node-{}: {}{}", index + 1, stdout(&checked), stderr(&checked));
        }
    }

    pub fn logs(&self) -> String {
        let tail = |i: usize| {
            let log = std::fs::read_to_string(self.home(i).join("node.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(12).collect();
            format!("node-{}\n{}\n", i + 1, lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        (0..self.devnet.len()).map(tail).collect()
    }
}

/// All files below a folder, but for the keys themselves.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("keys") {
                found.extend(files(&path));
            }
        } else {
            found.push(path);
        }
    }
    found
}

pub fn spec(label: &str, region: &str, once: bool, work: Work) -> JobSpec {
    JobSpec {
        label: label.into(),
        tenant: Name::new("tenant").unwrap(),
        region: Name::new(region).unwrap(),
        deadline_ms: 0,
        skills: [].into(),
        budget: MicroUnits(1_000_000),
        resources: Resources { cpu_milli: 100, memory_mib: 16, ..Resources::default() },
        workload: Default::default(),
        priority: 100,
        retries: if once { 0 } else { 8 },
        once,
        work,
    }
}

/// Waits until `holds` of what was seen.
pub async fn until(watch: &Watch, patience: Duration, mut holds: impl FnMut(&Outcomes) -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < patience {
        if holds(&watch.known()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}
