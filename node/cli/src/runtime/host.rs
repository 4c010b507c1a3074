//! This node's workers: offers, signs of life, attempts, outcomes.

use super::{core::Core, latency, net::Sender, sequence::Sequences};
use anyhow::Result;
use phalanx_fabric::Fabric;
use phalanx_providers::runtime::{LeaseTime, WorkerRuntime};
use phalanx_replica::Decision;
use phalanx_types::{
    AttemptId, Envelope, Hash, Name, Operation, SigningKey, TimeMs, WorkerOffer, job::WantedAttempt,
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, mpsc, oneshot};

/// How long an envelope of the host is valid.
const EXPIRY_MS: u64 = 120_000;
/// How often leases are looked at, and what is not decided is thought of again.
const TICK: Duration = Duration::from_millis(250);
/// A report that was not decided after this time is put into a new envelope.
const REPORT_AGAIN: Duration = Duration::from_secs(20);
/// Offers that were not decided after this time are made again.
const OFFER_AGAIN: Duration = Duration::from_secs(10);
/// How often the latency to other regions is looked at.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// Operations in one envelope.
const OPERATIONS: usize = 64;

pub struct Host {
    pub mesh_id: Hash,
    pub key: SigningKey,
    pub vote_key: SigningKey,
    pub offers: Vec<WorkerOffer>,
    pub workers: WorkerRuntime,
    pub sequences: Sequences,
    pub sender: Sender,
    pub core: Core,
    pub decisions: broadcast::Receiver<Arc<Decision>>,
    /// What this validator sees on the chain, where there is one.
    pub observed: Option<mpsc::Receiver<Operation>>,
}

/// What a state wants of this node's workers.
pub fn wanted(fabric: &Fabric, offers: &[WorkerOffer]) -> Vec<WantedAttempt> {
    offers.iter().flat_map(|offer| fabric.wanted(&offer.worker)).collect()
}

/// What was seen next on the chain; never, where there is none.
async fn next(observed: &mut Option<mpsc::Receiver<Operation>>) -> Operation {
    if let Some(receiver) = observed
        && let Some(operation) = receiver.recv().await
    {
        return operation;
    }
    std::future::pending().await
}

impl Host {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// When the journal or the numbers cannot be written: a worker must not go
    /// on without them, and neither does the node.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) -> Result<()> {
        let mut tick = tokio::time::interval(TICK);
        let mut reported: BTreeMap<AttemptId, Instant> = BTreeMap::new();
        let mut measured = Instant::now();
        let (mut offered, mut beaten): (Option<Instant>, Option<Instant>) = (None, None);
        let ended = loop {
            let step = tokio::select! {
                _ = &mut stop => break Ok(()),
                decision = self.decisions.recv() => match decision {
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => self.reconcile(),
                    Err(broadcast::error::RecvError::Closed) => break Ok(()),
                },
                seen = next(&mut self.observed) => self.send(true, vec![seen]).await,
                exit = self.workers.next_exit() => exit.map_err(Into::into),
                _ = tick.tick() => {
                    self.workers.expire(self.lease_time());
                    if measured.elapsed() >= MEASURE_EVERY {
                        measured = Instant::now();
                        self.measure().await.and(self.offer(&mut offered).await)
                    } else {
                        self.offer(&mut offered).await
                    }
                }
            };
            let step = match step {
                Ok(()) => self.tell(&mut reported, &mut beaten).await,
                Err(error) => Err(error),
            };
            if step.is_err() {
                break step;
            }
        };
        self.workers.stop(Duration::from_millis(1_500)).await;
        ended
    }

    fn lease_time(&self) -> LeaseTime {
        LeaseTime::read(|| self.core.lease_clock())
    }

    /// Starts and ends what the decided state says.
    fn reconcile(&mut self) -> Result<()> {
        let wanted = wanted(&self.core.fabric(), &self.offers);
        self.workers.reconcile(self.lease_time(), &wanted)?;
        Ok(())
    }

    /// Offers the workers that the mesh does not have as they are.
    async fn offer(&mut self, offered: &mut Option<Instant>) -> Result<()> {
        if offered.is_some_and(|at| at.elapsed() < OFFER_AGAIN) {
            return Ok(());
        }
        let fabric = self.core.fabric();
        let missing: Vec<Operation> = self
            .offers
            .iter()
            .filter(|offer| fabric.worker(&offer.worker).is_none_or(|w| w.offer != **offer || !w.is_open))
            .map(|offer| Operation::OfferWorker(Box::new(offer.clone())))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        *offered = Some(Instant::now());
        for operations in missing.chunks(OPERATIONS) {
            self.send(false, operations.to_vec()).await?;
        }
        Ok(())
    }

    /// Tells the mesh of latencies that are not as agreed.
    async fn measure(&mut self) -> Result<()> {
        let peers = self.sender.mesh.peers().await;
        let entries = latency::measured(&self.core.fabric(), &self.vote_key.public(), &peers);
        let operations: Vec<Operation> = entries.into_iter().map(Operation::MeasureLatency).collect();
        for operations in operations.chunks(OPERATIONS) {
            self.send(true, operations.to_vec()).await?;
        }
        Ok(())
    }

    /// Signs of life, outcomes, accusations.
    async fn tell(
        &mut self,
        reported: &mut BTreeMap<AttemptId, Instant>,
        beaten: &mut Option<Instant>,
    ) -> Result<()> {
        let fabric = self.core.fabric();
        let alive: Vec<(Name, u32)> = self
            .offers
            .iter()
            .filter(|offer| fabric.worker(&offer.worker).is_some_and(|w| w.is_open))
            .map(|offer| (offer.worker.clone(), offer.heartbeat_interval_ms))
            .collect();
        // Twice in the shortest interval that a worker has promised.
        let every = alive.iter().map(|(_, ms)| *ms).min().unwrap_or(u32::MAX) / 2;
        let is_due = beaten.is_none_or(|at| at.elapsed() >= Duration::from_millis(every.into()));
        if is_due && !alive.is_empty() {
            *beaten = Some(Instant::now());
            let mut workers: Vec<Name> = alive.into_iter().map(|(name, _)| name).collect();
            workers.sort();
            self.send(false, vec![Operation::Heartbeat { workers }]).await?;
        }
        reported.retain(|attempt, at| fabric.awaits(attempt) && at.elapsed() < REPORT_AGAIN);
        let fresh: Vec<Operation> = self
            .workers
            .reports()
            .filter(|report| fabric.awaits(&report.attempt) && !reported.contains_key(&report.attempt))
            .map(|report| Operation::ReportOutcome(Box::new(report.clone())))
            .collect();
        for operations in fresh.chunks(OPERATIONS) {
            for operation in operations {
                if let Operation::ReportOutcome(report) = operation {
                    reported.insert(report.attempt, Instant::now());
                }
            }
            self.send(false, operations.to_vec()).await?;
        }
        let accusations: Vec<Operation> =
            self.core.take_accusations().into_iter().map(Operation::Accuse).collect();
        for operations in accusations.chunks(OPERATIONS) {
            self.send(true, operations.to_vec()).await?;
        }
        Ok(())
    }

    async fn send(&mut self, is_validator: bool, operations: Vec<Operation>) -> Result<()> {
        let key = if is_validator { self.vote_key.clone() } else { self.key.clone() };
        let floor = self.core.fabric().next_sequence(&key.public());
        let envelope = Envelope {
            mesh: self.mesh_id,
            sender: key.public(),
            sequence: self.sequences.next(key.public(), floor)?,
            expiry: TimeMs(super::now().0 + EXPIRY_MS),
            trace_id: None,
            operations,
        };
        if let Err(reason) = self.sender.send(envelope.sign(&key)).await {
            tracing::debug!(%reason, "an envelope of this host was not taken in");
        }
        Ok(())
    }
}
