//! What a node shows to the HTTP interface.

use super::{
    chain::{ChainHandle, Level},
    core::Core,
    net::{SendError, Sender},
    proving::Proven,
    routing::RoutingView,
};
use crate::witnesses::{self, Asked};
use futures::{FutureExt, future::BoxFuture};
use phalanx_api::{Answer, ApiError, NodeView, StatusCode, WitnessQuery};
use phalanx_fabric::{Agent, Declared, Fabric, Job, Phase, ValidatorState, Worker};
use phalanx_ledger::{Ledger, RocksKv, StoreError, WitnessError, Witnesses, proof};
use phalanx_p2p::{MeshHandle, PeerKey};
use phalanx_replica::{Decision, IntakeError, PoolError};
use phalanx_types::{
    AgentId, Checkpoint, Hash, Height, JobId, Name, Operation, PublicKey, Receipt, ReceiptIndex, ReceiptKind,
    SignedEnvelope, agent::Position, cosign::Cosignatures, units::CheckpointNumber,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, broadcast, watch};

/// Receipts named in one answer.
const RECEIPTS_MAX: usize = 1_000;
/// Checkpoints in one answer, the newest.
const CHECKPOINTS_MAX: u64 = 1_000;

pub struct View {
    pub core: Core,
    pub sender: Sender,
    pub mesh: MeshHandle,
    pub events: broadcast::Sender<Arc<str>>,
    pub decisions: broadcast::Sender<Arc<Decision>>,
    pub chain: Option<ChainHandle>,
    /// What was proven last, where the settings ask for proofs.
    pub proofs: Option<watch::Receiver<Proven>>,
    /// The ledger's store, to be read beside the core.
    pub store: RocksKv,
    /// One who reads for a prover at a time.
    pub prover: Semaphore,
    pub routing: RoutingView,
}

fn busy() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "the node is too busy or stopping",
        "try again in a moment",
    )
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(value).map_err(|e| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "encode", e.to_string(), "report this as a defect")
    })
}

fn no_witness(error: impl std::fmt::Display) -> ApiError {
    let remedy = "see the checkpoints and the agent's receipts";
    ApiError::new(StatusCode::NOT_FOUND, "no_witness", error.to_string(), remedy)
}

fn store(error: &StoreError) -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "store",
        error.to_string(),
        "stop the node and run `phalanx ledger fsck`",
    )
}

fn refused(error: &SendError) -> ApiError {
    let (status, code) = match error {
        SendError::Busy => return busy(),
        SendError::Intake(IntakeError::Signature(_)) => (StatusCode::BAD_REQUEST, "signature"),
        SendError::Intake(IntakeError::Refused(refusal)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, refusal.code())
        }
        SendError::Intake(IntakeError::Pool(pool)) => match pool {
            PoolError::Full { .. } => (StatusCode::SERVICE_UNAVAILABLE, "full"),
            PoolError::Number { .. } => (StatusCode::CONFLICT, "number_taken"),
            PoolError::Known | PoolError::Shape { .. } => (StatusCode::BAD_REQUEST, "shape"),
        },
    };
    ApiError::new(status, code, error.to_string(), "nothing was taken in")
}

fn job_row(id: &JobId, job: &Job) -> Value {
    let worker = match &job.phase {
        Phase::Running { worker, .. } => Some(worker),
        _ => None,
    };
    json!({
        "id": id, "label": job.spec.label, "tenant": job.spec.tenant, "shard": job.shard,
        "state": job.phase.word(), "worker": worker, "attempt": job.attempt,
        "accepted_ms": job.accepted, "priority": job.spec.priority,
    })
}

/// How much stands behind a checkpoint: what is in the ledger is decided, and only a
/// chain lifts it higher.
fn level(chain: Option<&ChainHandle>, number: CheckpointNumber) -> &'static str {
    chain.map_or(Level::Decided, |chain| chain.shared.level(number)).word()
}

/// A receipt with its hash, and how much stands behind it.
fn receipt_json(
    ledger: &Ledger<RocksKv>,
    chain: Option<&ChainHandle>,
    receipt: &Receipt,
) -> Result<Value, ApiError> {
    let checkpoint = ledger.checkpoint_of(receipt.index).map_err(|e| store(&e))?.map(|c| c.number);
    Ok(json!({
        "receipt": to_json(receipt)?, "hash": receipt.hash(),
        "level": checkpoint.map_or(Level::Decided.word(), |number| level(chain, number)),
        "checkpoint": checkpoint,
    }))
}

/// Who has signed a checkpoint, as far as it is known here.
fn cosignatures(
    chain: Option<&ChainHandle>,
    checkpoint: &Checkpoint,
) -> Result<Option<Cosignatures>, StoreError> {
    let Some(chain) = chain else { return Ok(None) };
    chain.shared.signatures(checkpoint.number, &checkpoint.set_hash)
}

/// What the node is, in one object.
fn status_json(fabric: &Fabric) -> Value {
    let mut jobs = std::collections::BTreeMap::<&str, u64>::new();
    for (_, job) in fabric.jobs() {
        *jobs.entry(job.phase.word()).or_default() += 1;
    }
    let workers = fabric.workers().count();
    let healthy = fabric.workers().filter(|(_, w)| w.is_healthy && w.is_open).count();
    json!({
        "mesh": fabric.mesh(), "time_ms": fabric.time(), "mode": fabric.mode().name(),
        "verification": fabric.verification().name(), "is_paused": fabric.is_paused(),
        "policy_version": fabric.policy_version().to_string(),
        "validators": fabric.validators().count(), "jobs": jobs,
        "workers": workers, "workers_healthy": healthy, "agents": fabric.agents().count(),
    })
}

impl View {
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Ledger<RocksKv>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.core.ask(move |replica, _| question(replica.ledger())).await.ok_or_else(busy)?
    }

    /// Reads for a prover: beside the core, which decides meanwhile, and one at a time.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&RocksKv) -> Result<T, WitnessError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _turn = self.prover.acquire().await.map_err(|_| busy())?;
        let store_of = self.store.clone();
        let answer = tokio::task::spawn_blocking(move || question(&store_of)).await.map_err(|_| busy())?;
        answer.map_err(|error| match error {
            WitnessError::Store(error) => store(&error),
            none => no_witness(none),
        })
    }

    fn decided_json(decision: &Decision, id: &Hash, signed: &SignedEnvelope) -> Value {
        let caused: Vec<&Receipt> = decision.receipts.iter().filter(|r| r.inputs == *id).collect();
        let refusals: Vec<Value> = caused
            .iter()
            .filter(|r| matches!(r.kind, ReceiptKind::Refused | ReceiptKind::OwnerCommandRefused))
            .map(|r| json!({"index": r.index, "data": r.data}))
            .collect();
        let jobs: Vec<JobId> = (0_u16..)
            .zip(&signed.envelope.operations)
            .filter(|(_, operation)| matches!(operation, Operation::SubmitJob(_)))
            .map(|(position, _)| JobId::of(id, position))
            .collect();
        let agents: Vec<AgentId> = (0_u16..)
            .zip(&signed.envelope.operations)
            .filter(|(_, operation)| matches!(operation, Operation::SpawnAgent(_)))
            .map(|(position, _)| AgentId::of(id, position))
            .collect();
        json!({
            "state": "decided", "envelope": id, "beat": decision.header.height,
            "receipts": caused.iter().map(|r| r.index).collect::<Vec<_>>(),
            "refusals": refusals, "jobs": jobs, "agents": agents,
        })
    }

    async fn submit_and_wait(&self, bytes: Vec<u8>, wait_ms: u64) -> Answer {
        let signed = SignedEnvelope::decode(&bytes).map_err(|e| {
            ApiError::bad_request(
                e.to_string(),
                "send a Borsh-encoded signed envelope, as `phalanx job submit` does",
            )
        })?;
        let mut decisions = self.decisions.subscribe();
        let id = self.sender.send(signed.clone()).await.map_err(|e| refused(&e))?;
        let accepted = json!({"state": "accepted", "envelope": id});
        let wait = async {
            loop {
                match decisions.recv().await {
                    Ok(decision) if decision.envelopes.contains(&id) => {
                        return Some(Self::decided_json(&decision, &id, &signed));
                    }
                    Ok(_) => {}
                    // The decision may have been among those that were missed.
                    Err(_) => return None,
                }
            }
        };
        match tokio::time::timeout(Duration::from_millis(wait_ms), wait).await {
            Ok(Some(decided)) => Ok(decided),
            Ok(None) | Err(_) => Ok(accepted),
        }
    }

    fn find_job(fabric: &Fabric, text: &str) -> Result<JobId, ApiError> {
        if let Ok(id) = text.parse::<JobId>() {
            return fabric.job(&id).map(|_| id).ok_or_else(|| ApiError::not_found(format!("job {text}")));
        }
        let mut found = fabric.jobs().map(|(id, _)| *id).filter(|id| id.to_string().starts_with(text));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(ApiError::bad_request(
                format!("several jobs begin with {text}"),
                "give more digits of the id",
            )),
            (None, _) => Err(ApiError::not_found(format!("job {text} among those the node still shows"))),
        }
    }

    async fn list_of(&self, what: String) -> Answer {
        let fabric = self.core.fabric();
        Ok(match what.as_str() {
            "jobs" => fabric.jobs().map(|(id, job)| job_row(id, job)).collect(),
            "workers" => to_json(&fabric.workers().map(|(_, w)| w).collect::<Vec<_>>())?,
            "shards" => fabric
                .shards()
                .map(|(name, shard, waiting)| {
                    json!({"name": name, "waiting": waiting, "is_paused": shard.is_paused, "spec": shard.spec})
                })
                .collect(),
            "agents" => fabric
                .agents()
                .map(|(id, agent)| {
                    // The seed is a secret of the tenant and the validators.
                    json!({
                        "id": id, "label": agent.spec.label, "tenant": agent.spec.tenant,
                        "region": agent.spec.region, "worker": agent.worker, "policy": agent.spec.policy,
                        "nonce": agent.nonce.to_string(), "is_moving": agent.course.is_some(),
                    })
                })
                .collect(),
            "tenants" => to_json(&fabric.tenants().map(|(_, t)| t).collect::<Vec<_>>())?,
            "validators" => {
                // As of the next height, with who votes how much.
                let set = fabric.validator_set();
                let height = fabric.height().next();
                let row = |(key, validator): (&PublicKey, &ValidatorState)| -> Result<Value, ApiError> {
                    let mut row = to_json(validator)?;
                    row["weight"] = set.weight_of(key).map_or(0, |w| w.0).to_string().into();
                    row["height"] = height.to_string().into();
                    Ok(row)
                };
                fabric.validators().map(row).collect::<Result<_, _>>()?
            }
            "positions" => positions(&fabric),
            "policies" => {
                let row = |(name, declared): (&Name, &Declared)| {
                    json!({"name": name, "version": declared.version.to_string(), "policy": declared.policy})
                };
                fabric.policies().map(row).collect()
            }
            "places" => places(&fabric),
            "checkpoints" => {
                let list = self.ask(|ledger| {
                    let last = ledger.tip().checkpoint.0;
                    (last.saturating_sub(CHECKPOINTS_MAX).saturating_add(1).max(1)..=last)
                        .filter_map(|number| ledger.checkpoint(CheckpointNumber(number)).transpose())
                        .collect::<Result<Vec<_>, _>>()
                        .map_err(|e| store(&e))
                });
                let list = list.await?;
                let chain = self.chain.as_ref();
                list.iter()
                    .map(|c| json!({"checkpoint": c, "hash": c.hash(), "level": level(chain, c.number)}))
                    .collect()
            }
            other => {
                return Err(ApiError::bad_request(
                    format!("there is no list {other:?}"),
                    "ask for jobs, workers, shards, agents, tenants, positions, policies, validators, places or checkpoints",
                ));
            }
        })
    }
}

fn coordinates(place: &Position) -> Vec<String> {
    place.0.iter().map(ToString::to_string).collect()
}

/// Regions and the focus.
pub fn places(fabric: &Fabric) -> Value {
    let row = |name: &str, place: &Position, is_focus: bool| json!({"name": name, "is_focus": is_focus, "place": coordinates(place)});
    let regions = fabric.placed_regions().map(|(region, place)| row(region, place, false));
    regions.chain(fabric.focus().map(|place| row("focus", place, true))).collect()
}

/// Where agents are and where they go, where workers are, and jobs that wait or run: for
/// validators alone, and whoever has this node's token.
pub fn positions(fabric: &Fabric) -> Value {
    let agent = |(id, agent): (&AgentId, &Agent)| {
        json!({
            "kind": "agent", "id": id, "label": agent.spec.label, "region": agent.spec.region,
            "worker": agent.worker, "place": coordinates(&agent.position),
            "course": agent.course.as_ref().map(coordinates),
        })
    };
    let worker = |(name, worker): (&Name, &Worker)| {
        let place = fabric.worker_place(name)?;
        let region = &worker.offer.region;
        Some(
            json!({"kind": "worker", "id": name, "label": name, "region": region, "place": coordinates(&place)}),
        )
    };
    let job = |(id, job): (&JobId, &Job)| {
        let place = fabric.job_place(id)?;
        let (label, region) = (&job.spec.label, &job.shard);
        Some(json!({"kind": "job", "id": id, "label": label, "region": region, "place": coordinates(&place)}))
    };
    let workers = fabric.workers().filter_map(worker);
    fabric.agents().map(agent).chain(workers).chain(fabric.jobs().filter_map(job)).collect()
}

impl NodeView for View {
    fn status(&self) -> BoxFuture<'_, Answer> {
        async {
            let fabric = self.core.fabric();
            let own = self.core.ask(|replica, status| {
                let tip = replica.ledger().tip();
                json!({
                    "height": tip.height, "beat": tip.header_id, "app_hash": tip.app_hash,
                    "receipts": tip.next_receipt, "checkpoint": tip.checkpoint,
                    "genesis": replica.ledger().genesis_hash(),
                    "round": status.round.0, "is_syncing": status.is_syncing,
                    "waiting_envelopes": replica.mempool().len(),
                })
            });
            let mut answer = own.await.ok_or_else(busy)?;
            let connected = self.mesh.peers().await.iter().filter(|p| p.is_connected).count();
            if let (Value::Object(own), Value::Object(rest)) = (&mut answer, status_json(&fabric)) {
                own.extend(rest);
                own.insert("peers_connected".to_owned(), connected.into());
                if let Some(chain) = &self.chain {
                    own.insert("chain".to_owned(), chain.shared.status(fabric.chain()));
                }
                if let Some(proofs) = &self.proofs {
                    own.insert("proofs".to_owned(), json!(*proofs.borrow()));
                }
            }
            Ok(answer)
        }
        .boxed()
    }

    fn submit(&self, envelope: Vec<u8>, wait_ms: u64) -> BoxFuture<'_, Answer> {
        self.submit_and_wait(envelope, wait_ms).boxed()
    }

    fn list(&self, what: String) -> BoxFuture<'_, Answer> {
        self.list_of(what).boxed()
    }

    fn job(&self, id: String) -> BoxFuture<'_, Answer> {
        async move {
            let fabric = self.core.fabric();
            let id = Self::find_job(&fabric, &id)?;
            let job = fabric.job(&id).ok_or_else(|| ApiError::not_found(format!("job {id}")))?;
            let table = matches!(job.phase, Phase::Queued).then(|| fabric.candidates(&id)).flatten();
            let chain = self.chain.clone();
            let receipts = self
                .ask(move |ledger| {
                    let indexes = ledger.receipts_of(&id.to_string(), RECEIPTS_MAX).map_err(|e| store(&e))?;
                    let mut receipts = Vec::new();
                    for index in indexes {
                        if let Some(receipt) = ledger.receipt(index).map_err(|e| store(&e))? {
                            receipts.push(receipt_json(ledger, chain.as_ref(), &receipt)?);
                        }
                    }
                    Ok(receipts)
                })
                .await?;
            Ok(json!({
                "id": id, "state": job.phase.word(), "job": to_json(job)?,
                "candidates": to_json(&table)?, "receipts": receipts,
            }))
        }
        .boxed()
    }

    fn receipt(&self, index: u64) -> BoxFuture<'_, Answer> {
        let chain = self.chain.clone();
        self.ask(move |ledger| {
            let receipt = ledger.receipt(ReceiptIndex(index)).map_err(|e| store(&e))?;
            let receipt = receipt.ok_or_else(|| ApiError::not_found(format!("receipt {index}")))?;
            receipt_json(ledger, chain.as_ref(), &receipt)
        })
        .boxed()
    }

    fn receipts_of(&self, subject: String) -> BoxFuture<'_, Answer> {
        self.ask(move |ledger| {
            let indexes = ledger.receipts_of(&subject, RECEIPTS_MAX).map_err(|e| store(&e))?;
            Ok(json!({"subject": subject, "receipts": indexes}))
        })
        .boxed()
    }

    fn proof(&self, index: u64) -> BoxFuture<'_, Result<Vec<u8>, ApiError>> {
        let chain = self.chain.clone();
        self.ask(move |ledger| {
            let cosigned = |checkpoint: &Checkpoint| cosignatures(chain.as_ref(), checkpoint);
            proof::export_cosigned(ledger, ReceiptIndex(index), cosigned).map_err(|error| match error {
                proof::ExportError::Store(error) => store(&error),
                other => ApiError::not_found(format!("proof of receipt {index}: {other}")),
            })
        })
        .boxed()
    }

    fn audit_path(&self, index: u64) -> BoxFuture<'_, Result<Vec<u8>, ApiError>> {
        async move {
            let file = self.read(move |kv| Witnesses::new(kv).audit_path(ReceiptIndex(index))).await?;
            file.to_json().map_err(no_witness)
        }
        .boxed()
    }

    fn witness(&self, statement: String, of: WitnessQuery) -> BoxFuture<'_, Result<Vec<u8>, ApiError>> {
        async move {
            let asked = Asked::parse(&statement, &of)
                .map_err(|reason| ApiError::bad_request(reason, "see `phalanx proof witness --help`"))?;
            let witness = self.read(move |kv| asked.witness(kv)).await?;
            witness.to_json().map(|json| json.as_bytes().to_vec()).map_err(no_witness)
        }
        .boxed()
    }

    fn bound_agents(&self, policy: String, checkpoint: Option<u64>) -> BoxFuture<'_, Answer> {
        async move {
            let policy = Name::new(&policy)
                .map_err(|error| ApiError::bad_request(error.to_string(), "give the policy's name"))?;
            to_json(&self.read(move |kv| witnesses::bound(kv, &policy, checkpoint)).await?)
        }
        .boxed()
    }

    fn sender(&self, key: String) -> BoxFuture<'_, Answer> {
        async move {
            let key: PublicKey = key.parse().map_err(|e: phalanx_types::DecodeError| {
                ApiError::bad_request(e.to_string(), "give a public key as 64 hex digits")
            })?;
            let next = self.core.ask(move |replica, _| {
                let waiting = replica.mempool().last_number(&key).map_or(0, |last| last.saturating_add(1));
                replica.fabric().next_sequence(&key).max(waiting)
            });
            Ok(json!({"key": key, "next_sequence": next.await.ok_or_else(busy)?.to_string()}))
        }
        .boxed()
    }

    fn beat(&self, height: u64) -> BoxFuture<'_, Answer> {
        self.ask(move |ledger| {
            let beat = ledger.beat(Height(height)).map_err(|e| store(&e))?;
            let beat = beat.ok_or_else(|| ApiError::not_found(format!("beat {height}")))?;
            Ok(json!({"id": beat.id(), "header": beat.header, "envelopes": beat.envelopes.len()}))
        })
        .boxed()
    }

    fn checkpoint(&self, number: u64) -> BoxFuture<'_, Answer> {
        let chain = self.chain.clone();
        self.ask(move |ledger| {
            let number = CheckpointNumber(number);
            let checkpoint = ledger.checkpoint(number).map_err(|e| store(&e))?;
            let checkpoint = checkpoint.ok_or_else(|| ApiError::not_found(format!("checkpoint {number}")))?;
            let cosigned = cosignatures(chain.as_ref(), &checkpoint).map_err(|e| store(&e))?;
            Ok(json!({
                "checkpoint": checkpoint, "hash": checkpoint.hash(), "level": level(chain.as_ref(), number),
                "cosigned": cosigned,
            }))
        })
        .boxed()
    }

    fn peers(&self) -> BoxFuture<'_, Answer> {
        async {
            let peers = self.mesh.peers().await;
            let rows = peers.iter().map(|p| {
                json!({
                    "key": p.key.to_string(), "label": p.label, "peer_id": p.peer_id,
                    "is_connected": p.is_connected, "addresses": p.addresses, "rtt_ms": p.rtt_ms,
                    "score": p.score, "reason": p.reason, "banned_ms": p.banned_ms,
                    "messages": p.messages.to_string(), "bytes": p.bytes.to_string(),
                })
            });
            Ok(rows.collect())
        }
        .boxed()
    }

    fn mesh_places(&self) -> BoxFuture<'_, Answer> {
        async { Ok(self.routing.places()) }.boxed()
    }

    fn mesh_topology(&self) -> BoxFuture<'_, Answer> {
        self.routing.topology().boxed()
    }

    fn mesh_trace(&self, node: String) -> BoxFuture<'_, Answer> {
        async move { self.routing.trace(&node).await }.boxed()
    }

    fn mesh_find(&self, capability: String) -> BoxFuture<'_, Answer> {
        async move { self.routing.find(&capability).await }.boxed()
    }

    fn ban(&self, key: String, reason: String, lasts_ms: u64) -> BoxFuture<'_, Answer> {
        async move {
            let parsed: PublicKey = key.parse().map_err(|e: phalanx_types::DecodeError| {
                ApiError::bad_request(e.to_string(), "give the peer's network key as 64 hex digits")
            })?;
            let peer = PeerKey(parsed.0);
            if !self.mesh.peers().await.iter().any(|p| p.key == peer) {
                return Err(ApiError::not_found(format!("peer {key}")));
            }
            self.mesh.ban(peer, reason, Duration::from_millis(lasts_ms)).await;
            Ok(json!({"banned": key, "lasts_ms": lasts_ms}))
        }
        .boxed()
    }

    fn events(&self) -> broadcast::Receiver<Arc<str>> {
        self.events.subscribe()
    }
}

/// Turns decisions into lines of JSON, while somebody listens.
pub async fn tell_events(
    mut decisions: broadcast::Receiver<Arc<Decision>>,
    events: broadcast::Sender<Arc<str>>,
) {
    loop {
        let decision = match decisions.recv().await {
            Ok(decision) => decision,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "events were too slow to follow the beats");
                continue;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if events.receiver_count() == 0 {
            continue;
        }
        let header = &decision.header;
        let beat = json!({
            "event": "beat", "height": header.height, "time_ms": header.time, "app_hash": header.app_hash,
            "proposer": header.proposer, "receipts": decision.receipts.len(),
            "envelopes": decision.envelopes.len(),
        });
        let checkpoint = decision
            .checkpoint
            .as_ref()
            .map(|c| json!({"event": "checkpoint", "number": c.number, "hash": c.hash()}));
        let receipts =
            decision.receipts.iter().map(|r| json!({"event": "receipt", "hash": r.hash(), "receipt": r}));
        let lines: Vec<String> =
            std::iter::once(beat).chain(receipts).chain(checkpoint).map(|event| event.to_string()).collect();
        // Nobody listening is no failure.
        let _ = events.send(lines.join("\n").into());
    }
}
