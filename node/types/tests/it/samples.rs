//! One value of every kind that is stored or sent.

use phalanx_types::{
    agent::{Affinity, AgentSeed, Position, Wish},
    certificate::CommitCertificate,
    evidence::{Accusation, Evidence, Fault},
    job::{CommandLimits, JobId, OutcomeReport, WorkloadType},
    params::{Mode, Verification},
    resources::{GpuRequest, WorkerResources},
    shard::{LatencyEntry, ShardSpec},
    tenant::{Quota, Tenant},
    units::CheckpointNumber,
    validator::{Member, Validator},
    vote::{ProposalClaim, ValidatorMessage, Vote, VoteKind},
    *,
};
use std::collections::{BTreeMap, BTreeSet};

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

const MESH: Hash = Hash([0xaa; 32]);

pub fn job() -> JobSpec {
    JobSpec {
        label: "sum of squares".into(),
        tenant: name("acme"),
        region: name("mars"),
        deadline_ms: 60_000,
        skills: BTreeSet::from([name("gpu"), name("vision")]),
        budget: MicroUnits(1_500_000),
        resources: Resources { cpu_milli: 500, memory_mib: 256, gpu: GpuRequest::Shared { milli: 250 } },
        workload: WorkloadType::Interactive,
        priority: 7,
        retries: 2,
        once: false,
        work: Work::Command {
            program: name("sha3"),
            args: vec!["--bits".into(), "256".into()],
            limits: CommandLimits::default(),
        },
    }
}

pub fn operations() -> Vec<Operation> {
    vec![
        Operation::SubmitJob(Box::new(job())),
        Operation::CancelJob { job: JobId([3; 32]) },
        Operation::SpawnAgent(Box::new(AgentSpec {
            label: "analyst".into(),
            tenant: name("acme"),
            region: name("luna"),
            stack: Hash([4; 32]),
            position: Some(Position(vec![1 << 38, -(1 << 37), 0, 0, 0, 0, 0, 0])),
            affinity: Affinity {
                skills: BTreeSet::from([name("vision")]),
                semantic: vec![1, -2, i64::MAX],
                data: Some(name("mars")),
            },
            resources: Resources { cpu_milli: 100, memory_mib: 64, gpu: GpuRequest::None },
            policy: name("core-security"),
            wishes: vec![
                Wish::Near { region: name("earth"), weight: 50 },
                Wish::Beside { agent: AgentId([7; 32]), weight: 1_000 },
                Wish::Avoid { worker: name("mars.gpu-helion") },
            ],
            seed: AgentSeed([5; 32]),
        })),
        Operation::MigrateAgent { agent: AgentId([6; 32]), worker: name("mars.gpu-helion") },
        Operation::TerminateAgent { agent: AgentId([6; 32]) },
        Operation::UseAgents { agents: vec![AgentId([6; 32]), AgentId([7; 32])] },
        Operation::OfferWorker(Box::new(WorkerOffer {
            worker: name("mars.gpu-helion"),
            region: name("mars"),
            capacity: 32,
            max_concurrency: 20,
            heartbeat_interval_ms: 10_000,
            latency_window_ms: 20,
            capabilities: BTreeSet::from([name("gpu"), name("simulation"), name("vision")]),
            resources: WorkerResources { cpu_milli: 64_000, memory_mib: 262_144, gpus: 8 },
            price: MicroUnits(1_000),
        })),
        Operation::WithdrawWorker { worker: name("mars.gpu-helion") },
        Operation::Heartbeat { workers: vec![name("a"), name("b")] },
        Operation::ReportOutcome(Box::new(OutcomeReport {
            worker: name("mars.gpu-helion"),
            attempt: AttemptId { job: JobId([3; 32]), number: 2 },
            outcome: Outcome::LimitReached { limit: job::Limit::Memory },
            stdout_len: 12,
            stdout_sha3: Hash::sha3(b"hello world\n"),
            stderr_len: 0,
            stderr_sha3: Hash::sha3(b""),
            cpu_ms: 40,
            wall_ms: 55,
        })),
        Operation::MeasureLatency(LatencyEntry { from: name("earth"), to: name("luna"), latency_ms: 1_280 }),
        Operation::Accuse(Accusation {
            offender: key(9).public(),
            fault: Fault::WrongRoot,
            height: Height(8),
            round: Round(1),
            seen: Hash([7; 32]),
        }),
        Operation::Command(Box::new(OwnerCommand::Pause {
            scope: owner::Scope::Shard { shard: name("mars") },
        })),
    ]
}

pub fn envelope() -> SignedEnvelope {
    let key = key(1);
    Envelope {
        mesh: MESH,
        sender: key.public(),
        sequence: 42,
        expiry: TimeMs(1_700_000_060_000),
        trace_id: Some([8; 16]),
        operations: operations(),
    }
    .sign(&key)
}

pub fn vote(seed: u8, beat: Option<Hash>) -> vote::Signed<Vote> {
    let key = key(seed);
    Vote {
        mesh: MESH,
        height: Height(8),
        round: Round(1),
        kind: VoteKind::Precommit,
        beat,
        validator: key.public(),
    }
    .sign(&key)
}

pub fn evidence() -> Vec<Evidence> {
    let claim = |beat| {
        let key = key(2);
        ProposalClaim {
            mesh: MESH,
            height: Height(8),
            round: Round(1),
            lock_round: None,
            beat,
            validator: key.public(),
        }
        .sign(&key)
    };
    vec![
        Evidence::votes(vote(2, None), vote(2, Some(Hash([1; 32])))),
        Evidence::proposals(claim(Hash([1; 32])), claim(Hash([2; 32]))),
    ]
}

pub fn set() -> ValidatorSet {
    let members: Vec<_> =
        (1..=4).map(|i| Member { key: key(i).public(), weight: Weight(u64::from(i)) }).collect();
    let proposers = members.iter().map(|m| m.key).collect();
    ValidatorSet::new(members, proposers).unwrap()
}

pub fn certificate() -> CommitCertificate {
    let beat = Hash([1; 32]);
    let mut signatures: Vec<_> = (1..=4).map(|i| (key(i).public(), vote(i, Some(beat)).signature)).collect();
    signatures.sort();
    CommitCertificate { mesh: MESH, height: Height(8), round: Round(1), beat, signatures }
}

pub fn beat() -> Beat {
    let (envelopes, evidence) = (vec![envelope()], evidence());
    let certificate = certificate();
    Beat {
        header: Header {
            mesh: MESH,
            height: Height(9),
            parent: Hash([1; 32]),
            parent_certificate: certificate.hash(),
            time: TimeMs(1_700_000_000_123),
            inputs_root: beat::inputs_root(&envelopes, &evidence),
            receipts_root: Hash([2; 32]),
            app_hash: Hash([3; 32]),
            validator_set: set().hash(),
            next_validator_set: set().hash(),
            policy_version: 5,
            proposer: key(1).public(),
        },
        parent_certificate: Some(certificate),
        envelopes,
        evidence,
    }
}

pub fn checkpoint() -> Checkpoint {
    Checkpoint {
        version: checkpoint::VERSION,
        number: CheckpointNumber(3),
        parent: Hash([1; 32]),
        mesh: MESH,
        first_beat: Height(65),
        last_beat: Height(96),
        first_receipt: ReceiptIndex(1_000),
        receipt_count: 500,
        interval_root: Hash([2; 32]),
        history_root: Hash([3; 32]),
        history_size: 1_500,
        app_hash: Hash([4; 32]),
        agents_root: Hash::ZERO,
        audit_root: Hash::ZERO,
        set_epoch: 1,
        set_hash: Hash([5; 32]),
        next_set_hash: Hash([5; 32]),
        verification_level: 2,
        verification_fraction_ppm: 1_000_000,
        time: TimeMs(1_700_000_000_000),
    }
}

pub fn genesis() -> Genesis {
    let regions = ["earth", "luna", "mars", "helios"];
    Genesis {
        mesh: MESH,
        time: TimeMs(1_700_000_000_000),
        chain: None,
        owner: key(100).public(),
        validators: regions
            .iter()
            .zip(1_u8..)
            .map(|(region, i)| Validator {
                vote_key: key(i).public(),
                network_key: key(i + 50).public(),
                chain_address: [0; 20],
                base_weight: Weight(1),
                region: name(region),
                label: name(&format!("{region}-node")),
            })
            .collect(),
        mode: Mode::FullyDistributed,
        verification: Verification::Sample { fraction_ppm: 50_000 },
        shards: regions
            .iter()
            .map(|region| ShardSpec {
                name: name(region),
                queue_budget: 100,
                latency_budget_ms: 120,
                spillover: vec![name("earth")],
                specialties: BTreeSet::from([name("finance")]),
            })
            .collect(),
        latencies: vec![LatencyEntry { from: name("earth"), to: name("mars"), latency_ms: 300 }],
        tenants: vec![Tenant {
            name: name("acme"),
            keys: BTreeSet::from([key(1).public()]),
            quota: Quota::UNLIMITED,
        }],
        workers: BTreeMap::from([(name("mars.gpu-helion"), key(3).public())]),
        params: Params::default(),
    }
}
