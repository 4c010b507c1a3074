//! Placement at 1,523 workers: decisions per second, p99 of one decision, bytes
//! of memory and of state for each job and agent.
//!
//! A decision is everything that a beat does for a job: intake, scoring of every
//! worker of its shard, assignment, receipts, changed state. Rates are per second
//! of CPU time, so that a busy machine counts less; wall time stands beside.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use phalanx_fabric::{BeatContext, Fabric, Input, defaults::planetary};
use phalanx_types::{
    AgentSpec, Envelope, Genesis, Hash, Height, JobId, JobSpec, LedgerMark, MicroUnits, Name, Operation,
    Params, Resources, Round, SignedEnvelope, SigningKey, TimeMs, Validator, Weight, Work, WorkerOffer,
    agent::{AgentSeed, Position},
    params::{Mode, Verification},
    resources::WorkerResources,
    tenant::{Quota, Tenant},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKERS: usize = 1_523;
const MANY: usize = 100_000;
const GOAL_PER_S: f64 = 100_000.0;
const GOAL_P99_MS: f64 = 1.0;

/// Wall time, and CPU time of this thread.
#[derive(Clone, Copy, Default)]
struct Took {
    wall: Duration,
    cpu: Duration,
}

impl Took {
    fn of<T>(work: impl FnOnce() -> T) -> (Self, T) {
        let (began, cpu) = (Instant::now(), cpu_time());
        let result = work();
        let wall = began.elapsed();
        (Self { wall, cpu: cpu_time() - cpu }, result)
    }

    fn add(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

struct Bench {
    fabric: Fabric,
    key: SigningKey,
    sequence: u64,
    height: u64,
}

impl Bench {
    fn new() -> Self {
        let key = SigningKey::from_seed([1; 32]);
        let planetary = planetary().unwrap();
        let shards: Vec<Name> = planetary.shards.iter().map(|s| s.name.clone()).collect();
        let offers: Vec<WorkerOffer> = (0..WORKERS)
            .map(|i| WorkerOffer {
                worker: Name::new(&format!("machine-{i:04}")).unwrap(),
                region: shards[i % shards.len()].clone(),
                capacity: 16 + (i % 7) as u32 * 8,
                max_concurrency: 256,
                heartbeat_interval_ms: 600_000,
                latency_window_ms: 0,
                capabilities: [].into(),
                resources: WorkerResources { cpu_milli: 256_000, memory_mib: 1 << 20, gpus: 0 },
                price: MicroUnits(1),
            })
            .collect();
        let genesis = Genesis {
            mesh: Hash([7; 32]),
            time: TimeMs(1_000),
            chain: None,
            owner: key.public(),
            validators: vec![Validator {
                vote_key: key.public(),
                network_key: key.public(),
                chain_address: [0; 20],
                base_weight: Weight(1),
                region: shards[0].clone(),
                label: shards[0].clone(),
            }],
            mode: Mode::FullyDistributed,
            verification: Verification::FullAudit,
            shards: planetary
                .shards
                .into_iter()
                .map(|s| phalanx_types::shard::ShardSpec { queue_budget: 200_000, ..s })
                .collect(),
            latencies: planetary.latencies,
            tenants: vec![Tenant {
                name: Name::new("t").unwrap(),
                keys: BTreeSet::from([key.public()]),
                quota: Quota::UNLIMITED,
            }],
            workers: offers.iter().map(|o| (o.worker.clone(), key.public())).collect::<BTreeMap<_, _>>(),
            params: Params::default(),
        };
        let (fabric, _) = Fabric::genesis(&genesis).unwrap();
        let mut bench = Self { fabric, key, sequence: 0, height: 0 };
        bench.beat(offers.into_iter().map(|o| Operation::OfferWorker(Box::new(o))).collect());
        bench
    }

    /// Signs operations; the signatures are the judge's work, not the fabric's.
    fn sign(&mut self, operations: Vec<Operation>) -> Vec<(Hash, SignedEnvelope)> {
        operations
            .chunks(64)
            .map(|chunk| {
                let envelope = Envelope {
                    mesh: self.fabric.mesh(),
                    sender: self.key.public(),
                    sequence: self.sequence,
                    expiry: TimeMs(2_000 + self.height),
                    trace_id: None,
                    operations: chunk.to_vec(),
                };
                self.sequence += 1;
                (envelope.id(), envelope.sign(&self.key))
            })
            .collect()
    }

    /// Applies one beat; gives the ids of its jobs, receipts and time.
    fn beat(&mut self, operations: Vec<Operation>) -> (Vec<JobId>, usize, Took) {
        let signed = self.sign(operations);
        let inputs: Vec<Input<'_>> = signed.iter().map(|(id, signed)| Input { id: *id, signed }).collect();
        self.height += 1;
        let context = BeatContext {
            height: Height(self.height),
            time: TimeMs(1_000 + self.height),
            parent_time: TimeMs(999 + self.height),
            parent: Hash::ZERO,
            proposer: self.key.public(),
            parent_round: Round(0),
            parent_signers: Vec::new(),
            ledger: LedgerMark::BEGIN,
        };
        let (took, (fabric, applied)) = Took::of(|| self.fabric.apply(&context, &inputs, &[]));
        self.fabric = fabric;
        let jobs = signed
            .iter()
            .flat_map(|(id, signed)| (0..signed.envelope.operations.len()).map(|p| JobId::of(id, p as u16)))
            .collect();
        (jobs, applied.receipts.len(), took)
    }
}

fn job(i: usize, cpu_milli: u32) -> Operation {
    let regions = ["earth", "luna", "mars", "helios"];
    Operation::SubmitJob(Box::new(JobSpec {
        label: format!("job-{i}"),
        tenant: Name::new("t").unwrap(),
        region: Name::new(regions[i % 4]).unwrap(),
        deadline_ms: 0,
        skills: [].into(),
        budget: MicroUnits(10),
        resources: Resources { cpu_milli, memory_mib: 16, ..Resources::default() },
        workload: Default::default(),
        priority: (i % 256) as u8,
        retries: 0,
        once: false,
        work: Work::Synthetic { duration_ms: 1_000 },
    }))
}

fn agent(i: usize) -> Operation {
    Operation::SpawnAgent(Box::new(AgentSpec {
        label: format!("a-{i}"),
        tenant: Name::new("t").unwrap(),
        region: Name::new("earth").unwrap(),
        stack: Hash([3; 32]),
        position: Some(Position::origin(8)),
        affinity: Default::default(),
        resources: Resources { cpu_milli: 10, memory_mib: 1, ..Resources::default() },
        policy: Name::new("default").unwrap(),
        wishes: Vec::new(),
        seed: AgentSeed([9; 32]),
    }))
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

fn state_bytes(fabric: &Fabric) -> u64 {
    fabric.entries().iter().map(|(_, key, value)| (key.len() + value.len()) as u64).sum()
}

/// Fills the mesh in beats of 1,000; prints what it costs.
fn fill(what: &str, make: fn(usize) -> Operation) -> Bench {
    let mut bench = Bench::new();
    let (memory, state) = (resident_bytes(), state_bytes(&bench.fabric));
    let mut took = Took::default();
    for begin in (0..MANY).step_by(1_000) {
        took.add(bench.beat((begin..begin + 1_000).map(make).collect()).2);
    }
    show_rate(what, MANY, &format!("over the first {MANY}"), took);
    let many = MANY as f64;
    println!(
        "{what}: {:.0} bytes of state, {:.0} bytes of memory each",
        (state_bytes(&bench.fabric) - state) as f64 / many,
        resident_bytes().saturating_sub(memory) as f64 / many
    );
    bench
}

fn show_rate(what: &str, decisions: usize, when: &str, took: Took) {
    let rate = |time: Duration| decisions as f64 / time.as_secs_f64();
    println!(
        "{what}: {:.0} decisions/s {when} (goal {GOAL_PER_S:.0}, ratio {:.2}; {:.0}/s by wall time)",
        rate(took.cpu),
        rate(took.cpu) / GOAL_PER_S,
        rate(took.wall)
    );
}

fn show_p99(clock: &str, mut each: Vec<Duration>) {
    each.sort_unstable();
    let p99 = each[each.len() * 99 / 100].as_secs_f64() * 1e3;
    println!(
        "jobs: p99 of one decision in a beat of its own {p99:.3} ms of {clock} time (goal {GOAL_P99_MS}, ratio {:.2})",
        GOAL_P99_MS / p99
    );
}

fn main() {
    // A process of its own, so that its memory is not that of the jobs.
    const ONLY_AGENTS: &str = "PHALANX_BENCH_AGENTS";
    if std::env::var_os(ONLY_AGENTS).is_some() {
        assert_eq!(fill("agents", agent).fabric.agents().count(), MANY);
        return;
    }
    let mut bench = fill("jobs", |i| job(i, 100));
    assert_eq!(bench.fabric.jobs().count(), MANY);

    // With 100,000 jobs in place: more, and each single decision.
    let (_, receipts, took) = bench.beat((0..5_000).map(|i| job(MANY + i, 100)).collect());
    show_rate("jobs", 5_000, &format!("at {MANY} jobs, {receipts} receipts"), took);
    let each: Vec<Took> = (0..2_000).map(|i| bench.beat(vec![job(2 * MANY + i, 100)]).2).collect();
    show_p99("CPU", each.iter().map(|took| took.cpu).collect());
    show_p99("wall", each.iter().map(|took| took.wall).collect());
    let own = std::env::current_exe().unwrap();
    assert!(std::process::Command::new(own).env(ONLY_AGENTS, "1").status().unwrap().success());
}
