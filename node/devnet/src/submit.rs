//! Sending many jobs: up to 64 under one signature, again until they are taken.

use crate::workload::Planned;
use phalanx_api::{Client, ClientError};
use phalanx_types::{Envelope, Hash, JobId, Operation, SigningKey, TimeMs, encode, envelope::OPERATIONS_MAX};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Semaphore;

/// Envelopes on their way at one time.
const FLIGHTS_MAX: usize = 16;
/// Pause before an envelope that found no room is sent to the next node.
const AGAIN: Duration = Duration::from_millis(200);

/// A job under way.
#[derive(Clone, Copy, Debug)]
pub struct Submitted {
    /// Its id.
    pub id: JobId,
    /// Its place among the planned jobs.
    pub planned: usize,
}

/// Signs and sends for one tenant.
#[derive(Clone)]
pub struct Submitter {
    clients: Vec<Client>,
    mesh: Hash,
    key: SigningKey,
    expiry_ms: u64,
    operations: usize,
    next: Arc<AtomicU64>,
    turn: Arc<AtomicUsize>,
    flights: Arc<Semaphore>,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Submitter {
    /// Sends for `key` through `clients` in turn; envelopes expire after
    /// `expiry_ms`.
    ///
    /// # Errors
    /// When no node tells the next number of the key.
    pub async fn new(
        clients: Vec<Client>,
        mesh: Hash,
        key: SigningKey,
        expiry_ms: u64,
    ) -> Result<Self, ClientError> {
        let mut next = Ok(0);
        for client in &clients {
            next = client.next_sequence(&key.public()).await;
            if next.is_ok() {
                break;
            }
        }
        let next = next?;
        Ok(Self {
            clients,
            mesh,
            key,
            expiry_ms,
            operations: OPERATIONS_MAX,
            next: Arc::new(AtomicU64::new(next)),
            turn: Arc::new(AtomicUsize::new(0)),
            flights: Arc::new(Semaphore::new(FLIGHTS_MAX)),
        })
    }

    /// Puts at most so many operations under one signature.
    #[must_use]
    pub fn with_operations(self, operations: usize) -> Self {
        Self { operations: operations.clamp(1, OPERATIONS_MAX), ..self }
    }

    /// Has at most so many envelopes on their way.
    #[must_use]
    pub fn with_flights(self, flights: usize) -> Self {
        Self { flights: Arc::new(Semaphore::new(flights.max(1))), ..self }
    }

    /// Signs operations into an envelope; gives its encoding and its id.
    #[must_use]
    pub fn sign(&self, operations: Vec<Operation>) -> (Vec<u8>, Hash) {
        let envelope = Envelope {
            mesh: self.mesh,
            sender: self.key.public(),
            sequence: self.next.fetch_add(1, Ordering::Relaxed),
            expiry: TimeMs(now().saturating_add(self.expiry_ms)),
            trace_id: None,
            operations,
        };
        let id = envelope.id();
        (encode(&envelope.sign(&self.key)), id)
    }

    /// Signs jobs into envelopes. `planned` names them to the caller.
    #[must_use]
    pub fn pack(&self, jobs: &[(usize, &Planned)]) -> Vec<(Vec<u8>, Vec<Submitted>)> {
        jobs.chunks(self.operations)
            .map(|chunk| {
                let operations =
                    chunk.iter().map(|(_, job)| Operation::SubmitJob(Box::new(job.spec.clone())));
                let (envelope, id) = self.sign(operations.collect());
                let submitted = (0_u16..)
                    .zip(chunk)
                    .map(|(position, (planned, _))| Submitted {
                        id: JobId::of(&id, position),
                        planned: *planned,
                    })
                    .collect();
                (envelope, submitted)
            })
            .collect()
    }

    /// Sends a packed envelope until a node takes it in, or all refuse it for
    /// good; waits at most `wait_ms` for its decision.
    ///
    /// # Errors
    /// The refusal.
    pub async fn send(&self, envelope: Vec<u8>, wait_ms: u64) -> Result<serde_json::Value, ClientError> {
        let _flight = self.flights.acquire().await;
        let mut may_be_taken = false;
        loop {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let Some(client) = self.clients.get(turn % self.clients.len().max(1)) else {
                return Ok(serde_json::Value::Null);
            };
            match client.submit(envelope.clone(), wait_ms).await {
                // A node took it in and died before it could say so.
                Err(ClientError::Refused(error)) if may_be_taken && error.code == "replayed" => {
                    return Ok(serde_json::json!({"state": "accepted"}));
                }
                Err(ClientError::Refused(error)) if !is_for_now(&error.code) => {
                    return Err(ClientError::Refused(error));
                }
                Err(error) => {
                    may_be_taken |= matches!(error, ClientError::Unreachable { .. });
                    tokio::time::sleep(AGAIN).await;
                }
                Ok(answer) => return Ok(answer),
            }
        }
    }
}

/// Whether a refusal may pass by itself.
fn is_for_now(code: &str) -> bool {
    matches!(code, "busy" | "full" | "queue_full" | "paused" | "impossible")
}
