//! A small mesh from fixed keys, whose ledger the vectors are taken from.
//!
//! One validator begins it; the owner adds a second one. Nine beats, a
//! checkpoint every fourth, a job, an agent with a hidden position, a refusal.

use phalanx_consensus::Application;
use phalanx_ledger::MemoryKv;
use phalanx_replica::{Limits, Replica};
use phalanx_types::{
    AgentSpec, AttemptId, Beat, CommitCertificate, Envelope, Genesis, GpuRequest, Hash, Height, JobId,
    JobSpec, MicroUnits, Name, Operation, Outcome, OwnerCommand, Params, PublicKey, Resources, Round,
    SigningKey, TimeMs, Validator, ValidatorSet, Weight, Work, WorkerOffer,
    agent::{AgentSeed, Position},
    job::{OutcomeReport, WorkloadType},
    params::{Mode, Verification},
    resources::WorkerResources,
    shard::{LatencyEntry, ShardSpec},
    tenant::{Quota, Tenant},
    vote::{ValidatorMessage, Vote, VoteKind},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub const BEATS: u64 = 9;
const BEGIN: u64 = 1_700_000_000_000;

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

/// Seeds: validators 1 and 2, their hosts 11 and 12, the tenant 3, the owner 4.
fn validator(seed: u8) -> Validator {
    Validator {
        vote_key: key(seed).public(),
        network_key: key(seed + 10).public(),
        chain_address: [0; 20],
        base_weight: Weight(1),
        region: name("earth"),
        label: name(&format!("node-{seed}")),
    }
}

pub fn genesis() -> Genesis {
    Genesis {
        mesh: Hash::sha3(b"the mesh of the vectors"),
        time: TimeMs(BEGIN),
        chain: None,
        owner: key(4).public(),
        validators: vec![validator(1)],
        mode: Mode::FullyDistributed,
        verification: Verification::FullAudit,
        shards: vec![ShardSpec {
            name: name("earth"),
            queue_budget: 100,
            latency_budget_ms: 120,
            spillover: vec![],
            specialties: BTreeSet::from([name("finance")]),
        }],
        latencies: vec![LatencyEntry { from: name("earth"), to: name("earth"), latency_ms: 1 }],
        tenants: vec![Tenant {
            name: name("acme"),
            keys: BTreeSet::from([key(3).public()]),
            quota: Quota::UNLIMITED,
        }],
        workers: BTreeMap::from([(name("earth.core-alpha"), key(1).public())]),
        params: Params { checkpoint_beats: 4, ..Params::default() },
    }
}

/// The set that a genesis gives, proposers in the members' order.
pub fn first_set(genesis: &Genesis) -> ValidatorSet {
    let members = genesis.first_members();
    let proposers = members.iter().map(|m| m.key).collect();
    ValidatorSet::new(members, proposers).unwrap()
}

fn offer() -> Operation {
    Operation::OfferWorker(Box::new(WorkerOffer {
        worker: name("earth.core-alpha"),
        region: name("earth"),
        capacity: 32,
        max_concurrency: 4,
        heartbeat_interval_ms: 10_000,
        latency_window_ms: 20,
        capabilities: BTreeSet::from([name("finance"), name("general")]),
        resources: WorkerResources { cpu_milli: 8_000, memory_mib: 16_384, gpus: 0 },
        price: MicroUnits(1_000),
    }))
}

pub fn job() -> JobSpec {
    JobSpec {
        label: "Summe der Größen \"\\\n".into(),
        tenant: name("acme"),
        region: name("earth"),
        deadline_ms: 60_000,
        skills: BTreeSet::from([name("finance")]),
        budget: MicroUnits(1_500_000),
        resources: Resources { cpu_milli: 500, memory_mib: 256, gpu: GpuRequest::None },
        workload: WorkloadType::Batch,
        priority: 7,
        retries: 1,
        once: false,
        work: Work::Synthetic { duration_ms: 50 },
    }
}

fn agent() -> Operation {
    Operation::SpawnAgent(Box::new(AgentSpec {
        label: "analyst".into(),
        tenant: name("acme"),
        region: name("earth"),
        stack: Hash([4; 32]),
        position: Some(Position(vec![1 << 38, -(1 << 37), 0, 0, 0, 0, 0, 0])),
        affinity: Default::default(),
        resources: Resources { cpu_milli: 100, memory_mib: 64, gpu: GpuRequest::None },
        policy: name("default"),
        wishes: Vec::new(),
        seed: AgentSeed([5; 32]),
    }))
}

fn outcome(job: JobId) -> Operation {
    Operation::ReportOutcome(Box::new(OutcomeReport {
        worker: name("earth.core-alpha"),
        attempt: AttemptId { job, number: 1 },
        outcome: Outcome::Exited { code: 0 },
        stdout_len: 12,
        stdout_sha3: Hash::sha3(b"hello world\n"),
        stderr_len: 0,
        stderr_sha3: Hash::sha3(b""),
        cpu_ms: 40,
        wall_ms: 55,
    }))
}

/// The commit certificate of a beat, signed by all members of its set.
pub fn certificate(beat: &Beat, round: Round, set: &ValidatorSet) -> CommitCertificate {
    let sign = |seed| {
        let key = key(seed);
        let vote = Vote {
            mesh: beat.header.mesh,
            height: beat.header.height,
            round,
            kind: VoteKind::Precommit,
            beat: Some(beat.id()),
            validator: key.public(),
        };
        (key.public(), vote.sign(&key).signature)
    };
    let mut signatures: Vec<_> =
        [1, 2].into_iter().map(sign).filter(|(key, _)| set.weight_of(key).is_some()).collect();
    signatures.sort();
    CommitCertificate {
        mesh: beat.header.mesh,
        height: beat.header.height,
        round,
        beat: beat.id(),
        signatures,
    }
}

struct Mesh {
    replicas: Vec<Replica<MemoryKv>>,
    sequences: BTreeMap<PublicKey, u64>,
}

impl Mesh {
    /// Sends operations under one signature.
    fn send(&mut self, seed: u8, trace_id: Option<[u8; 16]>, operations: Vec<Operation>) -> Hash {
        let key = key(seed);
        let sequence = self.sequences.entry(key.public()).or_default();
        *sequence += 1;
        let now = self.replicas[0].ledger().tip().time;
        let signed = Arc::new(
            Envelope {
                mesh: genesis().mesh,
                sender: key.public(),
                sequence: *sequence,
                expiry: TimeMs(now.0 + 60_000),
                trace_id,
                operations,
            }
            .sign(&key),
        );
        for replica in &mut self.replicas {
            replica.intake(now, Arc::clone(&signed)).unwrap();
        }
        signed.envelope.id()
    }

    fn decide(&mut self, round: Round) {
        let set = self.replicas[0].validator_set();
        let height = self.replicas[0].height().next();
        let time = TimeMs(BEGIN + height.0 * 100);
        let proposer = set.proposer(round).unwrap();
        let by = [1, 2].iter().position(|seed| key(*seed).public() == proposer).unwrap();
        let beat = self.replicas[by].propose(height, round, time).unwrap();
        let certificate = certificate(&beat, round, &set);
        for replica in &mut self.replicas {
            replica.commit(&beat, &certificate).unwrap();
        }
    }
}

/// The first validator's replica after the last beat.
pub fn run() -> Replica<MemoryKv> {
    run_to(BEATS)
}

/// The same, stopped after a beat.
pub fn run_to(beats: u64) -> Replica<MemoryKv> {
    let open =
        |seed| Replica::open(MemoryKv::default(), &genesis(), key(seed).public(), Limits::default()).unwrap();
    let mut mesh = Mesh { replicas: vec![open(1), open(2)], sequences: BTreeMap::new() };
    let mut first_job = None;
    while mesh.replicas[0].height() < Height(beats) {
        let mut round = Round(0);
        match (mesh.replicas[0].height().next().0, first_job) {
            (1, _) => drop(mesh.send(1, None, vec![offer()])),
            (2, _) => {
                let operations = vec![Operation::SubmitJob(Box::new(job())), agent()];
                first_job = Some(JobId::of(&mesh.send(3, Some([8; 16]), operations), 0));
            }
            (3, _) => command(&mut mesh, OwnerCommand::SetValidator { validator: validator(2) }),
            (4, Some(job)) => drop(mesh.send(1, None, vec![outcome(job)])),
            (5, Some(job)) => {
                // The first operation makes the envelope worth taking; the second is refused.
                mesh.send(3, None, vec![agent(), Operation::CancelJob { job }]);
                round = Round(2);
            }
            (6, _) => command(
                &mut mesh,
                OwnerCommand::BanPeer {
                    network_key: key(99).public(),
                    reason: "zu laut: „ä“\t\u{1f600}".into(),
                    until: TimeMs::MAX,
                },
            ),
            _ => {}
        }
        mesh.decide(round);
    }
    let (first, second) = (mesh.replicas[0].ledger().tip().clone(), mesh.replicas[1].ledger().tip().clone());
    assert_eq!(first, second);
    mesh.replicas.swap_remove(0)
}

fn command(mesh: &mut Mesh, command: OwnerCommand) {
    mesh.send(4, None, vec![Operation::Command(Box::new(command))]);
}
