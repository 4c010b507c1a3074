//! A small mesh to test with: three shards, four validators, one tenant, hosts.

use phalanx_fabric::{Applied, BeatContext, EndState, Fabric, Input, Phase};
use phalanx_types::{
    AgentId, AgentSpec, AttemptId, Envelope, Evidence, Field, Genesis, Hash, Height, JobId, JobSpec,
    LedgerMark, MicroUnits, Name, Operation, Outcome, OwnerCommand, Params, PublicKey, ReceiptDraft,
    ReceiptKind, Resources, Round, Signature, SignedEnvelope, SigningKey, TimeMs, Validator, Weight, Work,
    WorkerOffer,
    agent::{AgentSeed, Position},
    job::OutcomeReport,
    params::{Mode, Verification},
    resources::WorkerResources,
    shard::{LatencyEntry, ShardSpec},
    state::Column,
    tenant::{Quota, Tenant},
};
use std::collections::{BTreeMap, BTreeSet};

/// Time between two beats, unless a test says otherwise.
pub const STEP_MS: u64 = 50;
/// Heartbeat interval of a worker that a test does not describe.
pub const HEARTBEAT_MS: u32 = 5_000;

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn names(text: &str) -> Vec<Name> {
    text.split_whitespace().map(name).collect()
}

/// The key that stands for a word.
pub fn key(word: &str) -> PublicKey {
    SigningKey::from_seed(Hash::sha3(word.as_bytes()).0).public()
}

pub fn validator(word: &str, region: &str, base_weight: u64) -> Validator {
    Validator {
        vote_key: key(word),
        network_key: key(&format!("{word}-network")),
        chain_address: [0; 20],
        base_weight: Weight(base_weight),
        region: name(region),
        label: name(word),
    }
}

pub fn shard(word: &str, queue_budget: u32, spillover: &str) -> ShardSpec {
    ShardSpec {
        name: name(word),
        queue_budget,
        latency_budget_ms: 100,
        spillover: names(spillover),
        specialties: BTreeSet::new(),
    }
}

/// Workers of three regions, two hosts: `host-1` has those that end in a digit
/// up to 4, `host-2` the others.
pub const WORKERS: &str = "earth.1 earth.2 earth.3 earth.9 luna.1 luna.9 mars.1 mars.2 mars.9";

pub fn host_of(worker: &str) -> PublicKey {
    key(if worker.ends_with(['1', '2', '3', '4']) { "host-1" } else { "host-2" })
}

pub fn genesis() -> Genesis {
    let shards =
        vec![shard("earth", 100, "luna mars"), shard("luna", 100, "earth"), shard("mars", 100, "earth")];
    let regions = ["earth", "luna", "mars"];
    let latency = |from: &&str, to: &&str| LatencyEntry {
        from: name(from),
        to: name(to),
        latency_ms: if from == to { 5 } else { 50 },
    };
    Genesis {
        mesh: Hash([7; 32]),
        time: TimeMs(1_000_000),
        chain: None,
        owner: key("owner"),
        validators: vec![
            validator("v1", "earth", 1),
            validator("v2", "luna", 1),
            validator("v3", "mars", 1),
            validator("v4", "earth", 1),
        ],
        mode: Mode::FullyDistributed,
        verification: Verification::FullAudit,
        shards,
        latencies: regions.iter().flat_map(|a| regions.iter().map(move |b| latency(a, b))).collect(),
        tenants: vec![Tenant {
            name: name("t"),
            keys: BTreeSet::from([key("tenant")]),
            quota: Quota::UNLIMITED,
        }],
        workers: names(WORKERS).into_iter().map(|w| (w.clone(), host_of(w.as_str()))).collect(),
        params: Params::default(),
    }
}

/// A worker with four slots, four cores, 4 GiB, no GPUs, one capability.
pub fn offer(worker: &str) -> WorkerOffer {
    WorkerOffer {
        worker: name(worker),
        region: name(worker.split('.').next().unwrap()),
        capacity: 8,
        max_concurrency: 4,
        heartbeat_interval_ms: HEARTBEAT_MS,
        latency_window_ms: 10,
        capabilities: names("general").into_iter().collect(),
        resources: WorkerResources { cpu_milli: 4_000, memory_mib: 4_096, gpus: 0 },
        price: MicroUnits(10),
    }
}

/// A job of the tenant that takes one core, without a deadline or retries.
pub fn job(region: &str) -> JobSpec {
    JobSpec {
        label: "job".to_owned(),
        tenant: name("t"),
        region: name(region),
        deadline_ms: 0,
        skills: BTreeSet::new(),
        budget: MicroUnits(100),
        resources: Resources { cpu_milli: 1_000, memory_mib: 64, ..Resources::default() },
        workload: Default::default(),
        priority: 100,
        retries: 0,
        once: false,
        work: Work::Synthetic { duration_ms: 10 },
    }
}

pub fn agent(region: &str) -> AgentSpec {
    AgentSpec {
        label: "agent".to_owned(),
        tenant: name("t"),
        region: name(region),
        stack: Hash([3; 32]),
        position: Some(Position(vec![1 << 30, -(1 << 20), 0, 0, 0, 0, 0, 5])),
        affinity: Default::default(),
        resources: Resources { cpu_milli: 1_000, memory_mib: 64, ..Resources::default() },
        policy: name("default"),
        wishes: Vec::new(),
        seed: AgentSeed([9; 32]),
    }
}

pub fn report(worker: &str, job: JobId, number: u32, outcome: Outcome) -> Operation {
    Operation::ReportOutcome(Box::new(OutcomeReport {
        worker: name(worker),
        attempt: AttemptId { job, number },
        outcome,
        stdout_len: 0,
        stdout_sha3: Hash::ZERO,
        stderr_len: 0,
        stderr_sha3: Hash::ZERO,
        cpu_ms: 1,
        wall_ms: 2,
    }))
}

pub type Entries = BTreeMap<(Column, Vec<u8>), Vec<u8>>;

pub fn entries(fabric: &Fabric) -> Entries {
    fabric.entries().into_iter().map(|(column, key, value)| ((column, key), value)).collect()
}

#[derive(Clone)]
pub struct World {
    pub fabric: Fabric,
    pub time: u64,
    /// Round that decided the last beat, and who signed it.
    pub round: u32,
    pub signers: Vec<PublicKey>,
    sequences: BTreeMap<PublicKey, u64>,
}

impl World {
    /// The mesh of [`genesis`] without workers.
    pub fn bare(change: impl FnOnce(&mut Genesis)) -> Self {
        let mut genesis = genesis();
        change(&mut genesis);
        let (fabric, _) = Fabric::genesis(&genesis).unwrap();
        Self { fabric, time: genesis.time.0, round: 0, signers: Vec::new(), sequences: BTreeMap::new() }
    }

    /// The mesh of [`genesis`] with these workers, as [`offer`] describes them.
    pub fn new(workers: &str) -> Self {
        let mut world = Self::bare(|_| ());
        world.offer_all(workers);
        world
    }

    pub fn offer_all(&mut self, workers: &str) {
        for worker in workers.split_whitespace() {
            self.offer(offer(worker));
        }
    }

    pub fn offer(&mut self, offer: WorkerOffer) -> Applied {
        let host = host_of(offer.worker.as_str());
        self.one(host, Operation::OfferWorker(Box::new(offer)))
    }

    /// The next envelope of a sender.
    pub fn envelope(&mut self, sender: PublicKey, operations: Vec<Operation>) -> SignedEnvelope {
        let next = self.fabric.next_sequence(&sender);
        let sequence = self.sequences.entry(sender).or_insert(0);
        *sequence = next.max(*sequence);
        let envelope = Envelope {
            mesh: self.fabric.mesh(),
            sender,
            sequence: *sequence,
            expiry: TimeMs(self.time + 10_000),
            trace_id: None,
            operations,
        };
        *sequence += 1;
        // Judging signatures is the caller's work, not the fabric's.
        SignedEnvelope { envelope, signature: Signature([0; 64]) }
    }

    pub fn context(&self, step_ms: u64) -> BeatContext {
        let set = self.fabric.validator_set();
        BeatContext {
            height: self.fabric.height().next(),
            time: TimeMs(self.time + step_ms),
            parent_time: TimeMs(self.time),
            parent: Hash::sha3(&self.fabric.height().0.to_le_bytes()),
            proposer: set.proposers()[0],
            parent_round: Round(self.round),
            parent_signers: self.signers.clone(),
            ledger: LedgerMark::BEGIN,
        }
    }

    /// Applies a beat of these envelopes, `step_ms` after the last one, and
    /// holds F1 and F2 against it.
    pub fn beat_of(&mut self, step_ms: u64, signed: &[SignedEnvelope], evidence: &[Evidence]) -> Applied {
        let inputs: Vec<Input<'_>> =
            signed.iter().map(|signed| Input { id: signed.envelope.id(), signed }).collect();
        let context = self.context(step_ms);
        let (next, applied) = self.fabric.apply(&context, &inputs, evidence);
        let (again, same) = self.fabric.apply(&context, &inputs, evidence);
        assert_same(&applied, &same);
        assert_eq!(next.entries(), again.entries());
        let loaded = Fabric::load(self.fabric.entries()).unwrap();
        let (from_loaded, same) = loaded.apply(&context, &inputs, evidence);
        assert_same(&applied, &same);
        assert_eq!(next.entries(), from_loaded.entries());
        let mut carried = entries(&self.fabric);
        for change in &applied.changes {
            let place = (change.column, change.key.clone());
            match &change.value {
                Some(value) => carried.insert(place, value.clone()),
                None => carried.remove(&place),
            };
        }
        assert_eq!(carried, entries(&next));
        self.fabric = next;
        self.time += step_ms;
        self.round = 0;
        self.signers = Vec::new();
        applied
    }

    /// A beat with one envelope for each sender.
    pub fn beat(&mut self, operations: Vec<(PublicKey, Vec<Operation>)>) -> Applied {
        let signed: Vec<SignedEnvelope> =
            operations.into_iter().map(|(sender, operations)| self.envelope(sender, operations)).collect();
        self.beat_of(STEP_MS, &signed, &[])
    }

    pub fn one(&mut self, sender: PublicKey, operation: Operation) -> Applied {
        self.beat(vec![(sender, vec![operation])])
    }

    pub fn idle(&mut self) -> Applied {
        self.beat(Vec::new())
    }

    pub fn command(&mut self, command: OwnerCommand) -> Applied {
        self.one(key("owner"), Operation::Command(Box::new(command)))
    }

    /// Submits jobs in one beat.
    pub fn submit_all(&mut self, specs: Vec<JobSpec>) -> (Vec<JobId>, Applied) {
        let count = u16::try_from(specs.len()).unwrap();
        let operations = specs.into_iter().map(|spec| Operation::SubmitJob(Box::new(spec))).collect();
        let signed = self.envelope(key("tenant"), operations);
        let id = signed.envelope.id();
        let applied = self.beat_of(STEP_MS, &[signed], &[]);
        ((0..count).map(|at| JobId::of(&id, at)).collect(), applied)
    }

    pub fn submit(&mut self, spec: JobSpec) -> (JobId, Applied) {
        let (ids, applied) = self.submit_all(vec![spec]);
        (ids[0], applied)
    }

    /// Fills the four slots of a worker, one beat a job, so that no queue runs
    /// over.
    pub fn fill(&mut self, region: &str) -> Vec<JobId> {
        (0..4).map(|_| self.submit(job(region)).0).collect()
    }

    pub fn spawn(&mut self, spec: AgentSpec) -> (AgentId, Applied) {
        let signed = self.envelope(key("tenant"), vec![Operation::SpawnAgent(Box::new(spec))]);
        let id = AgentId::of(&signed.envelope.id(), 0);
        (id, self.beat_of(STEP_MS, &[signed], &[]))
    }

    /// The outcome of a running job's current attempt, from its worker's host.
    pub fn end(&mut self, job: JobId, outcome: Outcome) -> Applied {
        let worker = self.worker_of(&job).unwrap();
        let number = self.fabric.job(&job).unwrap().attempt;
        self.one(host_of(worker.as_str()), report(worker.as_str(), job, number, outcome))
    }

    pub fn heartbeat(&mut self, workers: &str) -> Applied {
        let mut by_host: BTreeMap<PublicKey, Vec<Name>> = BTreeMap::new();
        for worker in workers.split_whitespace() {
            by_host.entry(host_of(worker)).or_default().push(name(worker));
        }
        self.beat(
            by_host
                .into_iter()
                .map(|(host, workers)| (host, vec![Operation::Heartbeat { workers }]))
                .collect(),
        )
    }

    /// Lets time go by in idle beats of a second, with signs of life of some.
    pub fn pass(&mut self, ms: u64, alive: &str) -> Vec<ReceiptDraft> {
        let mut receipts = Vec::new();
        let end = self.time + ms;
        while self.time < end {
            let mut signed = Vec::new();
            for worker in alive.split_whitespace() {
                let heartbeat = Operation::Heartbeat { workers: vec![name(worker)] };
                signed.push(self.envelope(host_of(worker), vec![heartbeat]));
            }
            let step = 1_000.min(end - self.time);
            receipts.extend(self.beat_of(step, &signed, &[]).receipts);
        }
        receipts
    }

    pub fn worker_of(&self, job: &JobId) -> Option<Name> {
        match &self.fabric.job(job)?.phase {
            Phase::Running { worker, .. } => Some(worker.clone()),
            _ => None,
        }
    }

    pub fn runs_on(&self, job: &JobId) -> String {
        self.worker_of(job).map_or_else(|| "nowhere".to_owned(), |worker| worker.to_string())
    }

    pub fn end_of(&self, job: &JobId) -> Option<EndState> {
        match &self.fabric.job(job)?.phase {
            Phase::Ended { state, .. } => Some(*state),
            _ => None,
        }
    }

    pub fn is_queued(&self, job: &JobId) -> bool {
        self.fabric.job(job).is_some_and(|job| job.phase == Phase::Queued)
    }

    pub fn shard_of(&self, job: &JobId) -> String {
        self.fabric.job(job).unwrap().shard.to_string()
    }

    pub fn home_of(&self, agent: &AgentId) -> String {
        self.fabric.agents().find(|(id, _)| *id == agent).unwrap().1.worker.to_string()
    }

    pub fn waiting_in(&self, shard: &str) -> usize {
        self.fabric.shards().find(|(name, _, _)| name.as_str() == shard).unwrap().2
    }

    pub fn height(&self) -> Height {
        self.fabric.height()
    }
}

fn assert_same(a: &Applied, b: &Applied) {
    assert_eq!(a.receipts, b.receipts);
    assert_eq!(a.changes, b.changes);
    assert_eq!(a.next_set, b.next_set);
    assert_eq!(
        (a.policy_version, a.verification, a.checkpoint_due, a.registered),
        (b.policy_version, b.verification, b.checkpoint_due, b.registered)
    );
}

pub fn kinds(receipts: &[ReceiptDraft]) -> Vec<ReceiptKind> {
    receipts.iter().map(|receipt| receipt.kind).collect()
}

/// The first receipt of a kind.
pub fn first(receipts: &[ReceiptDraft], kind: ReceiptKind) -> &ReceiptDraft {
    receipts
        .iter()
        .find(|receipt| receipt.kind == kind)
        .unwrap_or_else(|| panic!("no {kind:?}: {receipts:#?}"))
}

pub fn count(receipts: &[ReceiptDraft], kind: ReceiptKind) -> usize {
    receipts.iter().filter(|receipt| receipt.kind == kind).count()
}

/// A value of a receipt as text.
pub fn shown(receipt: &ReceiptDraft, key: &str) -> String {
    match receipt.data.get(key) {
        Some(Field::Text(text)) => text.clone(),
        Some(Field::Number(number)) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    }
}

/// The code of the only refusal.
pub fn refusal(applied: &Applied) -> String {
    let refused =
        |r: &&ReceiptDraft| matches!(r.kind, ReceiptKind::Refused | ReceiptKind::OwnerCommandRefused);
    let refused: Vec<&ReceiptDraft> = applied.receipts.iter().filter(refused).collect();
    assert_eq!(refused.len(), 1, "{:#?}", applied.receipts);
    shown(refused[0], "code")
}
