//! A mesh that one process grows: all keys are here, beats follow one another a
//! second apart, and every member of the set signs.
//!
//! The tests of the ledger use this file too.

// Each of the two test binaries uses a part of it.
#![allow(dead_code)]

use phalanx_consensus::{Application, Purpose, Verdict};
use phalanx_fabric::defaults::planetary;
use phalanx_ledger::{Kv, MemoryKv};
use phalanx_replica::{IntakeError, Limits, Replica};
use phalanx_types::{
    AgentId, AgentSpec, Beat, CommitCertificate, Envelope, Genesis, Hash, Height, JobId, JobSpec, MicroUnits,
    Name, Operation, Outcome, OwnerCommand, Params, PublicKey, Resources, Round, SignedEnvelope, SigningKey,
    TimeMs, Validator, ValidatorSet, Weight, Work, WorkerOffer,
    agent::{AgentSeed, Position},
    job::OutcomeReport,
    owner::Scope,
    params::{Mode, Verification},
    tenant::{Quota, Tenant},
    vote::{ValidatorMessage, Vote, VoteKind},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// When the meshes of the tests begin.
pub const BEGIN_MS: u64 = 1_700_000_000_000;
/// Time between two beats.
pub const STEP_MS: u64 = 1_000;

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A key of the tests: 1 and up are validators, the rest have names below.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

pub fn owner() -> SigningKey {
    key(200)
}

pub fn tenant() -> SigningKey {
    key(201)
}

pub fn host() -> SigningKey {
    key(202)
}

pub fn validator(seed: u8) -> Validator {
    Validator {
        vote_key: key(seed).public(),
        network_key: key(seed + 100).public(),
        chain_address: [0; 20],
        base_weight: Weight(1),
        region: name("earth"),
        label: name(&format!("v{seed}")),
    }
}

/// The genesis of a planetary mesh with this many validators.
pub fn genesis(validators: u8) -> Genesis {
    let planetary = planetary().unwrap();
    Genesis {
        mesh: Hash::sha3(b"a mesh of the tests"),
        time: TimeMs(BEGIN_MS),
        chain: None,
        owner: owner().public(),
        validators: (1..=validators).map(validator).collect(),
        mode: Mode::FullyDistributed,
        verification: Verification::FullAudit,
        shards: planetary.shards,
        latencies: planetary.latencies,
        tenants: vec![Tenant {
            name: name("acme"),
            keys: BTreeSet::from([tenant().public()]),
            quota: Quota::UNLIMITED,
        }],
        workers: planetary.workers.iter().map(|w| (w.worker.clone(), host().public())).collect(),
        params: Params { checkpoint_beats: 4, ..Params::default() },
    }
}

pub fn offers() -> Vec<WorkerOffer> {
    planetary().unwrap().workers
}

pub fn job(label: &str) -> Operation {
    Operation::SubmitJob(Box::new(JobSpec {
        label: label.into(),
        tenant: name("acme"),
        region: name("earth"),
        deadline_ms: 60_000,
        skills: BTreeSet::new(),
        budget: MicroUnits(1_000_000),
        resources: Resources { cpu_milli: 100, memory_mib: 16, ..Resources::default() },
        workload: Default::default(),
        priority: 7,
        retries: 1,
        once: false,
        work: Work::Synthetic { duration_ms: 10 },
    }))
}

pub fn agent(seed: u8) -> Operation {
    Operation::SpawnAgent(Box::new(AgentSpec {
        label: format!("agent {seed}"),
        tenant: name("acme"),
        region: name("earth"),
        stack: Hash([seed; 32]),
        position: Some(Position(vec![i64::from(seed) << 30, -(1 << 37), 0, 0, 0, 0, 0, 0])),
        affinity: Default::default(),
        resources: Resources { cpu_milli: 100, memory_mib: 64, ..Resources::default() },
        policy: name("default"),
        wishes: Vec::new(),
        seed: AgentSeed([seed; 32]),
    }))
}

pub fn command(command: OwnerCommand) -> Operation {
    Operation::Command(Box::new(command))
}

/// The precommits of all members of `set` whose keys the tests have.
pub fn certify(set: &ValidatorSet, beat: &Beat, round: Round) -> CommitCertificate {
    let keys: BTreeMap<PublicKey, SigningKey> = (1..100).map(key).map(|key| (key.public(), key)).collect();
    let mut certificate = CommitCertificate {
        mesh: beat.header.mesh,
        height: beat.header.height,
        round,
        beat: beat.id(),
        signatures: Vec::new(),
    };
    for member in set.members() {
        let vote = Vote {
            mesh: beat.header.mesh,
            height: beat.header.height,
            round,
            kind: VoteKind::Precommit,
            beat: Some(beat.id()),
            validator: member.key,
        };
        certificate.signatures.push((member.key, vote.sign(&keys[&member.key]).signature));
    }
    certificate
}

/// A mesh and the replica of its first validator.
pub struct Chain<K: Kv> {
    pub genesis: Genesis,
    pub replica: Replica<K>,
    /// This node's clock: the time of the next beat.
    pub now: u64,
    sequences: BTreeMap<PublicKey, u64>,
}

impl Chain<MemoryKv> {
    pub fn in_memory(genesis: Genesis) -> Self {
        Self::on(MemoryKv::default(), genesis)
    }

    /// The store; a clone shares its content.
    pub fn kv(&self) -> MemoryKv {
        self.replica.ledger().kv().clone()
    }
}

impl<K: Kv> Chain<K> {
    pub fn on(kv: K, genesis: Genesis) -> Self {
        let replica = Replica::open(kv, &genesis, key(1).public(), Limits::default()).unwrap();
        let now = replica.ledger().tip().time.0 + STEP_MS;
        Self { genesis, replica, now, sequences: BTreeMap::new() }
    }

    /// Stops the replica and starts it again on a store.
    pub fn reopened(self, open: impl FnOnce() -> K) -> Self {
        let Self { genesis, replica, now, sequences } = self;
        replica.close().unwrap();
        let replica = Replica::open(open(), &genesis, key(1).public(), Limits::default()).unwrap();
        Self { genesis, replica, now, sequences }
    }

    /// An envelope with the sender's next number.
    pub fn sign(&mut self, sender: &SigningKey, operations: Vec<Operation>) -> SignedEnvelope {
        let sequence = self.sequences.entry(sender.public()).or_insert(0);
        *sequence += 1;
        Envelope {
            mesh: self.genesis.mesh,
            sender: sender.public(),
            sequence: *sequence,
            expiry: TimeMs(self.now + 60_000),
            trace_id: None,
            operations,
        }
        .sign(sender)
    }

    pub fn try_send(&mut self, sender: &SigningKey, operations: Vec<Operation>) -> Result<Hash, IntakeError> {
        let signed = self.sign(sender, operations);
        self.replica.intake(TimeMs(self.now), Arc::new(signed))
    }

    pub fn send(&mut self, sender: &SigningKey, operations: Vec<Operation>) -> Hash {
        self.try_send(sender, operations).unwrap()
    }

    /// A round in which this node proposes.
    pub fn round(&self) -> Round {
        let set = self.replica.validator_set();
        (0..=set.proposers().len() as u32)
            .map(Round)
            .find(|round| set.proposer(*round) == Some(key(1).public()))
            .unwrap()
    }

    pub fn propose(&mut self) -> Arc<Beat> {
        let height = Height(self.replica.height().0 + 1);
        let (round, now) = (self.round(), TimeMs(self.now));
        self.replica.propose(height, round, now).unwrap()
    }

    pub fn check(&mut self, beat: &Arc<Beat>) -> Verdict {
        let (round, now) = (self.round(), TimeMs(self.now));
        self.replica.check(beat, round, Purpose::Proposal { now }).unwrap()
    }

    pub fn certify(&self, beat: &Beat) -> CommitCertificate {
        certify(&self.replica.validator_set(), beat, self.round())
    }

    pub fn commit(&mut self, beat: &Arc<Beat>) {
        let certificate = self.certify(beat);
        self.replica.commit(beat, &certificate).unwrap();
        self.now += STEP_MS;
    }

    /// One beat with all that waits.
    pub fn beat(&mut self) -> Arc<Beat> {
        let beat = self.propose();
        assert_eq!(self.check(&beat), Verdict::Valid);
        self.commit(&beat);
        beat
    }

    pub fn beats(&mut self, count: usize) {
        for _ in 0..count {
            self.beat();
        }
    }

    pub fn offer_all(&mut self) {
        let offers = offers().into_iter().map(|offer| Operation::OfferWorker(Box::new(offer))).collect();
        self.send(&host(), offers);
    }

    /// Reports that all that runs has ended well.
    pub fn report_all(&mut self) {
        let mut reports = Vec::new();
        for offer in offers() {
            for wanted in self.replica.fabric().wanted(&offer.worker) {
                reports.push(Operation::ReportOutcome(Box::new(OutcomeReport {
                    worker: offer.worker.clone(),
                    attempt: wanted.attempt,
                    outcome: Outcome::Exited { code: 0 },
                    stdout_len: 0,
                    stdout_sha3: Hash::sha3(b""),
                    stderr_len: 0,
                    stderr_sha3: Hash::sha3(b""),
                    cpu_ms: 1,
                    wall_ms: 2,
                })));
            }
        }
        for part in reports.chunks(64) {
            self.send(&host(), part.to_vec());
        }
    }

    /// Six beats with something of everything: offers, jobs, agents with hidden
    /// places, outcomes, owner commands, a second validator, a checkpoint.
    pub fn first_half(&mut self) {
        self.offer_all();
        self.beat();
        let spawned = self.send(&tenant(), vec![job("one"), agent(1), agent(2), job("two")]);
        self.beat();
        let migrate = |position, to| Operation::MigrateAgent {
            agent: AgentId::of(&spawned, position),
            worker: name(to),
        };
        self.report_all();
        self.send(&tenant(), vec![migrate(1, "mars.gpu-helion"), job("three")]);
        self.send(
            &owner(),
            vec![command(OwnerCommand::Pause { scope: Scope::Shard { shard: name("luna") } })],
        );
        self.beat();
        self.send(&owner(), vec![command(OwnerCommand::SetValidator { validator: validator(2) })]);
        self.send(&tenant(), vec![Operation::TerminateAgent { agent: AgentId::of(&spawned, 2) }]);
        self.beat();
        self.send(&tenant(), vec![Operation::CancelJob { job: JobId::of(&self.last_tenant_envelope(), 1) }]);
        self.beats(2);
    }

    fn last_tenant_envelope(&self) -> Hash {
        let mut last = Hash::ZERO;
        for height in 1..=self.replica.height().0 {
            let beat = self.replica.ledger().beat(Height(height)).unwrap().unwrap();
            for signed in &beat.envelopes {
                let submits = matches!(signed.envelope.operations.last(), Some(Operation::SubmitJob(_)));
                if signed.envelope.sender == tenant().public() && submits {
                    last = signed.envelope.id();
                }
            }
        }
        last
    }

    /// Five more beats: the set changes back, a second checkpoint, an open
    /// interval.
    pub fn second_half(&mut self) {
        self.send(&owner(), vec![command(OwnerCommand::RemoveValidator { vote_key: key(2).public() })]);
        self.send(&tenant(), vec![job("four"), job("five")]);
        self.beats(2);
        self.report_all();
        self.send(&owner(), vec![command(OwnerCommand::Payload { bytes: vec![7; 40] })]);
        self.beats(3);
    }
}

/// A whole small ledger: eleven beats, three sets, two checkpoints.
pub fn story() -> Chain<MemoryKv> {
    let mut chain = Chain::in_memory(genesis(1));
    chain.first_half();
    chain.second_half();
    chain
}
