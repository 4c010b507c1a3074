//! Four node processes on this machine: operations per second and finality at
//! each verification level, beside a three-member etcd in the same run, and the
//! wait for a beat after a node was killed. The arguments `speed` and `failover` choose a part.
//!
//! An operation is the spawn of an agent: signed, agreed, executed, receipted
//! and synced at four nodes before its sender is told.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use phalanx_devnet::{Devnet, NodeSpec, PortBlock, Submitter};
use phalanx_types::{
    AgentSpec, Genesis, Hash, Name, Operation, OwnerCommand, Resources, SigningKey,
    agent::{AgentSeed, Position},
    params::{Mode, Verification},
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const SPELL: Duration = Duration::from_secs(6);
const GOAL_PER_S: f64 = 10_000.0;
const GOAL_TIMES_ETCD: f64 = 2.0;
const GOAL_FINALITY_MS: f64 = 100.0;
const GOAL_FAILOVER_MS: f64 = 2_000.0;
/// Beats between the first and the last node of a mesh that goes on together.
const APART_MAX: u64 = 4;
const KILLS: usize = 12;
const KILLS_OF_OTHERS: usize = 6;

fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join("phalanx")
}

fn key(path: &Path) -> SigningKey {
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    SigningKey::from_seed(hex::decode(file["seed"].as_str().unwrap()).unwrap().try_into().unwrap())
}

struct Bench {
    devnet: Devnet,
    genesis: Genesis,
    tenant: SigningKey,
    owner: SigningKey,
    folder: tempfile::TempDir,
    _ports: PortBlock,
}

impl Bench {
    async fn start() -> Self {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "/tmp".into());
        let folder = tempfile::tempdir_in(target).unwrap();
        let out = folder.path().join("mesh");
        let ports = PortBlock::free(4).unwrap();
        let base = ports.base().to_string();
        let made = Command::new(binary())
            .args(["init", "--mesh-of", "4", "--base-port", &base, "--out"])
            .arg(&out)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let at = |i: u16| NodeSpec::at(&format!("node-{i}"), out.join(format!("node-{i}"))).unwrap();
        let specs = (1..=4).map(at).collect();
        let genesis = Genesis::from_json(&std::fs::read(out.join("node-1/genesis.json")).unwrap()).unwrap();
        let mut devnet = Devnet::new(&binary(), specs);
        devnet.start_all().unwrap();
        let mut bench = Self {
            devnet,
            genesis,
            tenant: key(&out.join("tenant.json")),
            owner: key(&out.join("owner.json")),
            folder,
            _ports: ports,
        };
        bench.ready().await;
        bench
    }

    async fn ready(&mut self) {
        self.devnet
            .wait_until("a mesh", Duration::from_secs(60), |s| {
                s["workers_healthy"].as_u64() == Some(6) && s["peers_connected"].as_u64() == Some(3)
            })
            .await
            .unwrap();
    }

    /// Waits until every node votes again and is where the others are: who is killed then is the
    /// only one that is missing.
    async fn whole(&mut self) {
        self.ready().await;
        let began = Instant::now();
        loop {
            let mut heights = Vec::new();
            for client in self.devnet.clients() {
                let status = client.get("/v1/status").await.unwrap();
                heights.push(status["height"].as_str().unwrap().parse::<u64>().unwrap());
            }
            let rows = self.devnet.clients().remove(0).get("/v1/list/validators").await.unwrap();
            let votes = rows.as_array().unwrap().iter().all(|row| row["missed"].is_null());
            let apart = heights.iter().max().unwrap() - heights.iter().min().unwrap();
            if votes && apart <= APART_MAX {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "not whole: {heights:?} {rows}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn submitter(&self, key: &SigningKey) -> Submitter {
        Submitter::new(self.devnet.clients(), self.genesis.mesh, key.clone(), 60_000).await.unwrap()
    }
}

fn spawn_agent() -> Operation {
    Operation::SpawnAgent(Box::new(AgentSpec {
        label: String::new(),
        tenant: Name::new("tenant").unwrap(),
        region: Name::new("earth").unwrap(),
        stack: Hash::ZERO,
        position: Some(Position::origin(8)),
        affinity: Default::default(),
        resources: Resources::default(),
        policy: Name::new("default").unwrap(),
        wishes: Vec::new(),
        seed: AgentSeed([1; 32]),
    }))
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |d| d.as_secs_f64() * 1e3)
}

/// Operations decided per second, with so many under one signature.
async fn throughput(bench: &Bench, operations: usize) -> f64 {
    let submitter = bench.submitter(&bench.tenant).await.with_flights(192);
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..192)
        .map(|_| {
            let (submitter, done) = (submitter.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while began.elapsed() < SPELL {
                    let (envelope, _) = submitter.sign(vec![spawn_agent(); operations]);
                    let answer = submitter.send(envelope, 20_000).await.unwrap();
                    if answer["state"] == "decided" {
                        assert_eq!(answer["refusals"].as_array().map(Vec::len), Some(0), "{answer}");
                        done.fetch_add(operations as u64, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// Time from sending so many operations under one signature to their decision, alone in the
/// mesh.
async fn finality(bench: &Bench, operations: usize) -> Vec<Duration> {
    let submitter = bench.submitter(&bench.tenant).await;
    let mut times = Vec::new();
    for _ in 0..100 {
        let (envelope, _) = submitter.sign(vec![spawn_agent(); operations]);
        let began = Instant::now();
        let answer = submitter.send(envelope, 20_000).await.unwrap();
        assert_eq!(answer["state"], "decided");
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times
}

struct Etcd(Vec<Child>);

impl Drop for Etcd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Durable puts per second of a three-member etcd, by its own load test; else why not.
fn etcd(folder: &Path) -> Result<f64, String> {
    let ports = PortBlock::free(8).map_err(|error| error.to_string())?;
    let base = ports.base();
    let peer = |i: u16| format!("http://127.0.0.1:{}", base + i);
    let client = |i: u16| format!("http://127.0.0.1:{}", base + 100 + i);
    let cluster: Vec<String> = (1..=3).map(|i| format!("m{i}={}", peer(i))).collect();
    let mut members = Etcd(Vec::new());
    for i in 1..=3_u16 {
        let child = Command::new("etcd")
            .args([
                "--name",
                &format!("m{i}"),
                "--initial-cluster-state",
                "new",
                "--initial-cluster",
                &cluster.join(","),
            ])
            .args(["--listen-peer-urls", &peer(i), "--initial-advertise-peer-urls", &peer(i)])
            .args(["--listen-client-urls", &client(i), "--advertise-client-urls", &client(i)])
            .arg("--data-dir")
            .arg(folder.join(format!("etcd-{i}")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("etcd: {error}"))?;
        members.0.push(child);
    }
    std::thread::sleep(Duration::from_secs(3));
    let endpoints: Vec<String> = (1..=3).map(client).collect();
    let checked = Command::new("etcdctl")
        .env("ETCDCTL_API", "3")
        .args(["--endpoints", &endpoints.join(","), "check", "perf", "--load", "xl"])
        .output()
        .map_err(|error| format!("etcdctl: {error}"))?;
    let text =
        String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    let line = text.lines().find(|line| line.contains("writes/s"));
    let rate = line.and_then(|line| line.split_whitespace().filter_map(|word| word.parse().ok()).next_back());
    rate.ok_or_else(|| format!("etcdctl said: {}", text.trim()))
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// Who would propose next.
    Next,
    /// Whose vote weighs most: who is nearest to the work.
    MostCentral,
}

/// Whose vote weighs most, but for the first node, which is watched.
fn heaviest(validators: &Value) -> String {
    let rows = validators.as_array().unwrap().iter().filter(|row| row["entry"]["label"] != "earth");
    let weight = |row: &&Value| row["weight"].as_str().unwrap().parse::<u64>().unwrap();
    rows.max_by_key(weight).unwrap()["entry"]["vote_key"].as_str().unwrap().to_owned()
}

/// Lets the owner choose a mode.
async fn switch(bench: &Bench, mode: Mode) {
    let owner = bench.submitter(&bench.owner).await;
    let (envelope, _) = owner.sign(vec![Operation::Command(Box::new(OwnerCommand::SetMode { mode }))]);
    let answer = owner.send(envelope, 20_000).await.unwrap();
    assert_eq!(answer["refusals"].as_array().map(Vec::len), Some(0), "{answer}");
}

/// The longest wait for a beat after a node was killed, so many times.
async fn failover(bench: &mut Bench, victim: Victim, kills: usize) -> Vec<Duration> {
    let mut waits = Vec::new();
    for _ in 0..kills {
        bench.whole().await;
        let watcher = bench.devnet.clients().remove(0);
        let load = bench.submitter(&bench.tenant).await;
        let working = tokio::spawn(async move {
            loop {
                let (envelope, _) = load.sign(vec![spawn_agent()]);
                let _ = load.send(envelope, 0).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let validators = watcher.get("/v1/list/validators").await.unwrap();
        let node_of = |proposer: &str| {
            let label =
                validators.as_array().unwrap().iter().find(|v| v["entry"]["vote_key"] == proposer).unwrap();
            ["earth", "luna", "mars", "helios"].iter().position(|l| label["entry"]["label"] == **l).unwrap()
        };
        let mut stream = watcher.events().await.unwrap();
        let (mut proposers, mut last, mut killed, mut after, mut longest) =
            (Vec::new(), Instant::now(), None, 0, Duration::ZERO);
        let mut rest = Vec::new();
        while after < 8 {
            let chunk = stream.chunk().await.unwrap().unwrap();
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).unwrap();
                if event["event"] != "beat" {
                    continue;
                }
                if killed.is_some() {
                    after += 1;
                    longest = longest.max(last.elapsed());
                } else {
                    proposers.push(event["proposer"].as_str().unwrap().to_owned());
                    let next = match victim {
                        // Proposers take turns: the next one is the one of four beats ago; a
                        // controller takes every turn.
                        Victim::Next => proposers.len().checked_sub(4).map(|at| node_of(&proposers[at])),
                        Victim::MostCentral => Some(node_of(&heaviest(&validators))),
                    };
                    if let Some(victim) = next.filter(|node| *node != 0 && proposers.len() > 12) {
                        bench.devnet.kill(victim).await;
                        killed = Some(victim);
                        last = Instant::now();
                        continue;
                    }
                }
                last = Instant::now();
            }
        }
        waits.push(longest);
        working.abort();
        bench.devnet.start(killed.unwrap()).unwrap();
    }
    waits.sort_unstable();
    waits
}

/// Finality, and how fast the mesh takes operations in, at each verification level; the last
/// rate.
async fn speed(bench: &Bench) -> f64 {
    let owner = bench.submitter(&bench.owner).await;
    let levels = [
        ("none", Verification::None),
        ("sample 5 %", Verification::Sample { fraction_ppm: 50_000 }),
        ("full_audit", Verification::FullAudit),
    ];
    let mut last = 0.0;
    for (name, verification) in levels {
        let command = OwnerCommand::SetVerification { verification };
        let (envelope, _) = owner.sign(vec![Operation::Command(Box::new(command))]);
        let answer = owner.send(envelope, 20_000).await.unwrap();
        assert_eq!(answer["refusals"].as_array().map(Vec::len), Some(0), "{answer}");
        for operations in [1, 64] {
            let times = finality(bench, operations).await;
            let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
            println!(
                "{name}, {operations} operations a signature, one at a time: decided after p50 {p50:.0} ms, p99 {p99:.0} ms (goal p50 {GOAL_FINALITY_MS}, ratio {:.2})",
                GOAL_FINALITY_MS / p50
            );
        }
        for operations in [1, 64] {
            let rate = throughput(bench, operations).await;
            println!(
                "{name}, {operations} operations a signature: {rate:.0} operations/s (goal {GOAL_PER_S:.0}, ratio {:.2})",
                rate / GOAL_PER_S
            );
            last = rate;
        }
    }
    last
}

/// How long the mesh stands when it loses a node, in each mode.
async fn losses(bench: &mut Bench) {
    let validators = bench.genesis.validators.clone();
    let keys: Vec<_> = validators.iter().map(|v| v.vote_key).collect();
    let succession = vec![keys[1], keys[2], keys[3], keys[0]];
    let coordinators = validators.iter().map(|v| (v.region.clone(), vec![v.vote_key])).collect();
    for (what, mode, victim, kills) in [
        ("the next proposer (geometric_mesh)", Mode::GeometricMesh, Victim::Next, KILLS),
        ("the most central node (geometric_mesh)", Mode::GeometricMesh, Victim::MostCentral, KILLS_OF_OTHERS),
        ("the controller (centralized)", Mode::Centralized { succession }, Victim::Next, KILLS_OF_OTHERS),
        ("a coordinator (federated)", Mode::Federated { coordinators }, Victim::Next, KILLS_OF_OTHERS),
    ] {
        switch(bench, mode).await;
        let waits = failover(bench, victim, kills).await;
        let (p50, most) = (percentile(&waits, 50), percentile(&waits, 100));
        println!(
            "longest wait for a beat after kill -9 of {what}, {kills} times: p50 {p50:.0} ms, longest {most:.0} ms (goal {GOAL_FAILOVER_MS}, ratio {:.2})",
            GOAL_FAILOVER_MS / most
        );
    }
}

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    let mut bench = Bench::start().await;
    let rate = if is_wanted("speed") { Some(speed(&bench).await) } else { None };
    if is_wanted("failover") {
        losses(&mut bench).await;
    }
    bench.devnet.stop_all(Duration::from_secs(5)).await;
    let Some(rate) = rate else { return };
    match etcd(bench.folder.path()) {
        Ok(puts) => println!(
            "three-member etcd: {puts:.0} puts/s; ours, full_audit, 64 a signature: {rate:.0}, {:.2} times (goal {GOAL_TIMES_ETCD}, ratio {:.2})",
            rate / puts,
            rate / puts / GOAL_TIMES_ETCD
        ),
        Err(reason) => println!("three-member etcd: not compared ({reason})"),
    }
}
