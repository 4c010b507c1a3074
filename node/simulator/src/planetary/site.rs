//! One node of the scenario with its workers, each on a machine of its own.

use super::PlanetaryError;
use crate::wal::MemoryWal;
use phalanx_consensus::{Config, Consensus};
use phalanx_fabric::Phase;
use phalanx_ledger::MemoryKv;
use phalanx_providers::{
    attempts::{Action, Attempts, KillReason, empty_report},
    journal::MemoryJournal,
};
use phalanx_replica::{Limits, Replica};
use phalanx_types::{
    AttemptId, Envelope, Genesis, Name, Operation, Outcome, SignedEnvelope, SigningKey, TimeMs, Work,
    WorkerOffer, envelope::OPERATIONS_MAX,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How long an envelope of a node is valid.
const EXPIRY_MS: u64 = 300_000;
/// An offer that was not decided in this time is made again.
const OFFER_AGAIN_MS: u64 = 10_000;
/// One attempt of this many fails.
const FAILS_ONE_OF: u64 = 25;

/// A worker on its machine.
pub(super) struct Desk {
    pub offer: WorkerOffer,
    journal: MemoryJournal,
    /// None while the machine is dead.
    attempts: Option<Attempts<MemoryJournal>>,
    /// Number of its life; what belongs to an earlier one is stale.
    pub life: u64,
    reported: BTreeSet<AttemptId>,
    offered_ms: Option<u64>,
    beaten_ms: Option<u64>,
}

/// A node.
pub(super) struct Site {
    pub region: Name,
    pub key: SigningKey,
    pub consensus: Consensus<Replica<MemoryKv>, MemoryWal>,
    pub desks: Vec<Desk>,
    sequences: BTreeMap<[u8; 32], u64>,
    mesh: phalanx_types::Hash,
}

/// An attempt that will end: desk, life, attempt, after how long, and how.
pub(super) type Ending = (usize, u64, AttemptId, u64, Outcome);

impl Site {
    pub(super) fn new(
        genesis: &Genesis,
        region: Name,
        key: SigningKey,
        offers: Vec<WorkerOffer>,
    ) -> Result<Self, PlanetaryError> {
        let replica = Replica::open(MemoryKv::default(), genesis, key.public(), Limits::default())?;
        let config = Config { mesh: genesis.mesh, key: key.clone(), params: genesis.params.clone() };
        let mut desks = Vec::new();
        for offer in offers {
            let mut desk = Desk {
                offer,
                journal: MemoryJournal::default(),
                attempts: None,
                life: 0,
                reported: BTreeSet::new(),
                offered_ms: None,
                beaten_ms: None,
            };
            desk.start().map_err(|reason| PlanetaryError::Stopped { node: region.to_string(), reason })?;
            desks.push(desk);
        }
        Ok(Self {
            region,
            key,
            consensus: Consensus::new(config, replica, MemoryWal::default()),
            desks,
            sequences: BTreeMap::new(),
            mesh: genesis.mesh,
        })
    }

    /// An envelope signed by `key`, numbered here.
    pub(super) fn sign(
        &mut self,
        now_ms: u64,
        key: &SigningKey,
        operations: Vec<Operation>,
    ) -> Arc<SignedEnvelope> {
        let sequence = self.sequences.entry(key.public().0).or_insert(0);
        let envelope = Envelope {
            mesh: self.mesh,
            sender: key.public(),
            sequence: *sequence,
            expiry: TimeMs(now_ms + EXPIRY_MS),
            trace_id: None,
            operations,
        };
        *sequence += 1;
        Arc::new(envelope.sign(key))
    }

    /// Offers, signs of life and outcomes that are due.
    pub(super) fn operations(&mut self, now_ms: u64) -> Vec<Operation> {
        let fabric = self.consensus.app().fabric().clone();
        let (mut operations, mut alive) = (Vec::new(), Vec::new());
        for desk in &mut self.desks {
            let Some(attempts) = &desk.attempts else { continue };
            let is_due = |at: Option<u64>, every: u64| at.is_none_or(|at| now_ms >= at + every);
            let is_offered = fabric.worker(&desk.offer.worker).is_some_and(|w| w.is_open);
            if !is_offered && is_due(desk.offered_ms, OFFER_AGAIN_MS) {
                desk.offered_ms = Some(now_ms);
                operations.push(Operation::OfferWorker(Box::new(desk.offer.clone())));
            }
            // Twice in the interval that it has promised.
            if is_offered && is_due(desk.beaten_ms, u64::from(desk.offer.heartbeat_interval_ms) / 2) {
                desk.beaten_ms = Some(now_ms);
                alive.push(desk.offer.worker.clone());
            }
            for report in attempts.reports().filter(|r| fabric.awaits(&r.attempt)) {
                if operations.len() + 1 < OPERATIONS_MAX && desk.reported.insert(report.attempt) {
                    operations.push(Operation::ReportOutcome(Box::new(report.clone())));
                }
            }
        }
        if !alive.is_empty() {
            alive.sort();
            operations.push(Operation::Heartbeat { workers: alive });
        }
        operations
    }

    /// Starts what the decided state wants, and ends what it does not.
    pub(super) fn reconcile(&mut self, now_ms: u64) -> Result<Vec<Ending>, String> {
        let fabric = self.consensus.app().fabric();
        let clock = fabric.lease_clock(TimeMs(now_ms), self.consensus.stood_until());
        let mut endings = Vec::new();
        for (at, desk) in self.desks.iter_mut().enumerate() {
            let Some(attempts) = &mut desk.attempts else { continue };
            let wanted = fabric.wanted(&desk.offer.worker);
            for action in attempts.reconcile(clock, &wanted).map_err(|e| e.to_string())? {
                endings.push(match action {
                    Action::Spawn(want) => {
                        let Work::Synthetic { duration_ms } = want.work else { continue };
                        let outcome = Outcome::Exited { code: i32::from(fails(&want.attempt)) };
                        (at, desk.life, want.attempt, u64::from(duration_ms).max(1), outcome)
                    }
                    Action::Kill { attempt, reason: KillReason::LeaseOver } => {
                        (at, desk.life, attempt, 1, Outcome::LeaseExpired)
                    }
                    Action::Kill { attempt, reason: KillReason::Unwanted } => {
                        (at, desk.life, attempt, 1, Outcome::Killed)
                    }
                });
            }
        }
        Ok(endings)
    }

    /// Whether the state has work that runs on a worker of this node.
    pub(super) fn is_idle(&self) -> bool {
        let fabric = self.consensus.app().fabric();
        fabric.jobs().all(|(_, job)| matches!(job.phase, Phase::Ended { .. }))
    }
}

/// Whether an attempt fails: always the same ones.
fn fails(attempt: &AttemptId) -> bool {
    let [a, b, ..] = attempt.job.0;
    (u64::from(a) * 256 + u64::from(b) + u64::from(attempt.number)).is_multiple_of(FAILS_ONE_OF)
}

impl Desk {
    /// Starts the machine: what ran in its last life is lost.
    pub(super) fn start(&mut self) -> Result<(), String> {
        self.life += 1;
        (self.offered_ms, self.beaten_ms) = (None, None);
        self.attempts =
            Some(Attempts::open(self.journal.clone(), &[], |_, _| {}).map_err(|e| e.to_string())?);
        Ok(())
    }

    /// The machine dies, and all that runs on it.
    pub(super) fn die(&mut self) {
        self.life += 1;
        self.attempts = None;
    }

    /// An attempt ended.
    pub(super) fn ended(&mut self, attempt: AttemptId, outcome: Outcome, wall_ms: u64) -> Result<(), String> {
        let Some(attempts) = &mut self.attempts else { return Ok(()) };
        let mut report = empty_report(&self.offer.worker, attempt, outcome);
        report.wall_ms = u32::try_from(wall_ms).unwrap_or(u32::MAX);
        attempts.ended(report).map_err(|e| e.to_string())
    }
}
