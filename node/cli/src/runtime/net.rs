//! Between the core and the mesh.

use super::{
    chain::{ChainHandle, ToCosign},
    core::{Core, CoreOutput, Input},
    handover,
    routing::{self, Hosting},
};
use phalanx_consensus::{
    Event, Output,
    wire::{self, Message, SyncResponse},
};
use phalanx_p2p::{Lane, MeshEvent, MeshHandle, PeerKey, RequestToken, Service, Verdict};
use phalanx_replica::{Decision, IntakeError, PoolError, snapshot::decode_query};
use phalanx_routing::{
    Delivered, Router,
    wire::{Hosted, Question},
};
use phalanx_types::{
    Hash, PublicKey, SignedEnvelope, cosign::Cosigned, crypto::verify_batch, encode, evidence::Fault,
    units::CheckpointNumber,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Semaphore, broadcast, mpsc};

/// Envelopes of this node that are sent again until they are decided.
const PENDING_MAX: usize = 65_536;
/// KiB of peers' envelopes that wait to be verified.
pub const UNVERIFIED_KIB_MAX: usize = 64 << 10;
/// How often they are sent again.
const AGAIN: Duration = Duration::from_secs(2);
/// Points that faults cost a peer.
const GARBAGE_POINTS: i64 = 200;
const BAD_SYNC_POINTS: i64 = 400;

/// This node's envelopes that are not decided yet.
#[derive(Clone, Default)]
pub struct Pending(Arc<Mutex<BTreeMap<Hash, Arc<SignedEnvelope>>>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, Arc<SignedEnvelope>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an envelope was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("the node is too busy: send it again in a moment")]
    Busy,
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

/// Sends this node's envelopes.
#[derive(Clone)]
pub struct Sender {
    pub mesh: MeshHandle,
    pub core: Core,
    pub pending: Pending,
}

impl Sender {
    /// Takes an envelope in and spreads it. One that waits already is sent
    /// again, so that sending twice is as good as sending once.
    pub async fn send(&self, signed: SignedEnvelope) -> Result<Hash, SendError> {
        let id = signed.envelope.id();
        if !signed.verify_signature(&id) {
            return Err(IntakeError::Signature(signed.envelope.sender).into());
        }
        let signed = Arc::new(signed);
        match self.core.intake(id, Arc::clone(&signed)).await {
            None => return Err(SendError::Busy),
            Some(Err(IntakeError::Pool(PoolError::Known)) | Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
        }
        {
            let mut pending = self.pending.lock();
            if pending.len() < PENDING_MAX {
                pending.insert(id, Arc::clone(&signed));
            }
        }
        self.mesh.publish(Lane::Inputs, encode(&*signed)).await;
        Ok(id)
    }
}

pub struct Net {
    pub mesh: MeshHandle,
    pub mesh_events: mpsc::Receiver<MeshEvent>,
    pub core: Core,
    pub core_outputs: mpsc::Receiver<CoreOutput>,
    pub decisions: broadcast::Receiver<Arc<Decision>>,
    pub pending: Pending,
    pub admitted: BTreeMap<PeerKey, String>,
    pub chain: Option<ChainHandle>,
    pub router: Router,
    /// Questions that came by directed messages.
    pub delivered: mpsc::Receiver<Delivered>,
    pub hosting: Hosting,
    /// Room for envelopes that wait to be verified, in KiB; see [`UNVERIFIED_KIB_MAX`].
    pub unverified: Arc<Semaphore>,
}

pub async fn run(mut net: Net) {
    let mut again = tokio::time::interval(AGAIN);
    loop {
        tokio::select! {
            event = net.mesh_events.recv() => match event {
                Some(event) => {
                    if let Some(event) = net.router.heard(event).await {
                        net.heard(event).await;
                    }
                }
                None => return,
            },
            output = net.core_outputs.recv() => match output {
                Some(output) => net.tell(output).await,
                None => return,
            },
            Some(delivered) = net.delivered.recv() => net.delivered(delivered).await,
            decision = net.decisions.recv() => match decision {
                Ok(decision) => net.decided(&decision).await,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = again.tick() => net.send_again().await,
        }
    }
}

impl Net {
    async fn heard(&mut self, event: MeshEvent) {
        match event {
            MeshEvent::Message { token, source, lane: Lane::Inputs, payloads, .. } => {
                self.envelopes(token, source, payloads).await;
            }
            MeshEvent::Message { token, author, lane: Lane::Checkpoints, payloads, .. } => {
                let bytes = payloads.into_iter().next().unwrap_or_default();
                if !self.cosign(ToCosign::Gossip { token, author: PublicKey(author.0), bytes }) {
                    self.mesh.report(token, Verdict::Ignore).await;
                }
            }
            MeshEvent::Request { token, service: Service::Checkpoints, bytes, .. } => {
                self.signatures(token, bytes).await;
            }
            MeshEvent::Message { token, source, author, lane, payloads } => {
                let lane = if lane == Lane::Votes { wire::Lane::Votes } else { wire::Lane::Proposals };
                let Some(bytes) = payloads.into_iter().next() else { return };
                let event = Event::Message { from: source.0, author: author.0, lane, bytes };
                if !self.core.offer(Input::Event(event, Some(token))) {
                    self.mesh.report(token, Verdict::Ignore).await;
                }
            }
            MeshEvent::Request { token, peer, service: Service::Beats, bytes } => {
                self.core.offer(Input::Event(Event::Request { from: peer.0, token: token.0, bytes }, None));
            }
            MeshEvent::Banned { peer, reason, is_flood } => {
                tracing::warn!(%peer, reason, "peer banned");
                if is_flood {
                    self.core.offer(Input::Event(Event::Flooded { from: peer.0 }, None));
                }
            }
            // Routing takes these.
            MeshEvent::Request { service: Service::Routes | Service::Directed, .. } => {}
            MeshEvent::Connected(peer) => tracing::info!(%peer, "connected"),
            MeshEvent::Disconnected(peer) => tracing::info!(%peer, "disconnected"),
            MeshEvent::Listening(address) => tracing::info!(address, "listening"),
        }
    }

    /// Answers a question that came by a directed message, as it would its source's own.
    async fn delivered(&self, Delivered { token, source, question }: Delivered) {
        let is_offered = match question {
            Question::Beats(bytes) => {
                let event = Event::Request { from: source.0, token: token.0, bytes };
                self.core.offer(Input::Event(event, None))
            }
            Question::Checkpoints(bytes) => {
                self.signatures(token, bytes).await;
                true
            }
            Question::Find(capability) => {
                let hosted = self.hosting.with(&self.core.fabric(), &capability);
                self.router.respond(token, Hosted::encode_list(&hosted)).await;
                true
            }
            // As good as its own word of a height, which every node gives now and then.
            Question::HandOver { height, .. } => {
                let bytes = Message::Status { height }.encode();
                let lane = wire::Lane::Votes;
                let event = Event::Message { from: source.0, author: source.0, lane, bytes };
                let is_offered = self.core.offer(Input::Event(event, None));
                if is_offered {
                    self.router.respond(token, encode(&self.core.fabric().height())).await;
                }
                is_offered
            }
            // Routing answers these.
            Question::Trace | Question::Links => false,
        };
        if !is_offered {
            self.router.decline(token);
        }
    }

    /// Answers a question for signatures under checkpoints.
    async fn signatures(&self, token: RequestToken, bytes: Vec<u8>) {
        if !self.cosign(ToCosign::Query { token, bytes }) {
            let none = Vec::<(CheckpointNumber, Cosigned)>::new();
            self.router.respond(token, encode(&none)).await;
        }
    }

    /// Hands something to the chain's part; false when there is none, or no room.
    fn cosign(&self, what: ToCosign) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.inbox.try_send(what).is_ok())
    }

    /// Envelopes from a peer: all signatures hold, or none of them counts.
    async fn envelopes(&self, token: u64, source: PeerKey, payloads: Vec<Vec<u8>>) {
        let decoded: Result<Vec<SignedEnvelope>, _> =
            payloads.iter().map(|bytes| SignedEnvelope::decode(bytes)).collect();
        let Ok(envelopes) = decoded else {
            self.mesh.penalize(source, GARBAGE_POINTS, "sent a malformed envelope".to_owned()).await;
            return self.mesh.report(token, Verdict::Reject).await;
        };
        // So many bytes wait to be verified at most; more is for others to pass on.
        let kib = payloads.iter().map(Vec::len).sum::<usize>().div_ceil(1 << 10);
        let room = Arc::clone(&self.unverified);
        let Ok(room) = room.try_acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX)) else {
            return self.mesh.report(token, Verdict::Ignore).await;
        };
        // Verifying is work for a while; the loop must not wait for it.
        let (mesh, core) = (self.mesh.clone(), self.core.clone());
        tokio::task::spawn_blocking(move || {
            let ids: Vec<Hash> = envelopes.iter().map(|e| e.envelope.id()).collect();
            let claims: Vec<_> = envelopes.iter().zip(&ids).map(|(e, id)| e.claim(id)).collect();
            let holds = verify_batch(&claims);
            drop(room);
            let verdict = if holds { Verdict::Accept } else { Verdict::Reject };
            tokio::runtime::Handle::current().block_on(mesh.report(token, verdict));
            if holds {
                for (id, signed) in ids.into_iter().zip(envelopes) {
                    core.offer(Input::Envelope(id, Arc::new(signed), None));
                }
            }
        });
    }

    async fn tell(&self, output: CoreOutput) {
        match output {
            CoreOutput::Verdict(token, is_valid) => {
                let verdict = if is_valid { Verdict::Accept } else { Verdict::Reject };
                self.mesh.report(token, verdict).await;
            }
            CoreOutput::Output(Output::Broadcast { lane, bytes }) => {
                let lane = if lane == wire::Lane::Votes { Lane::Votes } else { Lane::Proposals };
                self.mesh.publish(lane, bytes).await;
            }
            CoreOutput::Output(Output::Request { peer, bytes }) => {
                let (router, core) = (self.router.clone(), self.core.clone());
                tokio::spawn(async move {
                    let event = match router.ask(PublicKey(peer), Service::Beats, bytes).await {
                        Ok(bytes) => Event::Response { from: peer, bytes },
                        Err(_) => Event::RequestFailed { from: peer },
                    };
                    core.offer(Input::Event(event, None));
                });
            }
            CoreOutput::Output(Output::Respond { token, bytes }) => {
                self.router.respond(RequestToken(token), bytes).await;
            }
            CoreOutput::Snapshot { peer, token, query, offered } => {
                let Ok(query) = decode_query(&query) else {
                    let reason = "a malformed question for a snapshot".to_owned();
                    return self.mesh.penalize(PeerKey(peer), GARBAGE_POINTS, reason).await;
                };
                let router = self.router.clone();
                // Cutting a snapshot into parts takes a while.
                tokio::task::spawn_blocking(move || {
                    let answer = offered.map(|offered| offered.answer(&query)).unwrap_or_default();
                    let bytes = encode(&SyncResponse::Snapshot(answer));
                    let token = RequestToken(token);
                    tokio::runtime::Handle::current().block_on(router.respond(token, bytes));
                });
            }
            CoreOutput::Output(Output::Penalize { peer, fault, reason }) => {
                let points = if fault == Fault::BadSync { BAD_SYNC_POINTS } else { GARBAGE_POINTS };
                self.mesh.penalize(PeerKey(peer), points, reason).await;
            }
            CoreOutput::Output(
                Output::SetTimer { .. }
                | Output::Verdict { .. }
                | Output::Committed { .. }
                | Output::ServeSnapshot { .. },
            ) => {}
        }
    }

    async fn decided(&mut self, decision: &Decision) {
        {
            let mut pending = self.pending.lock();
            for id in &decision.envelopes {
                pending.remove(id);
            }
        }
        let admitted: BTreeMap<PeerKey, String> = decision
            .fabric
            .admitted(super::now())
            .into_iter()
            .map(|(key, label): (PublicKey, _)| (PeerKey(key.0), label.to_string()))
            .collect();
        if admitted != self.admitted {
            self.admitted.clone_from(&admitted);
            self.mesh.set_admitted(admitted).await;
        }
        self.router.set_members(routing::members(&decision.fabric));
        for (target, question) in handover::told(decision, &self.router.own(), super::now().0) {
            self.router.tell(target, question);
        }
    }

    /// Sends what is not decided again, and forgets what expired.
    async fn send_again(&self) {
        let now = super::now();
        let waiting: Vec<(Hash, Arc<SignedEnvelope>)> = {
            let mut pending = self.pending.lock();
            pending.retain(|_, signed| signed.envelope.expiry >= now);
            pending.iter().map(|(id, signed)| (*id, Arc::clone(signed))).collect()
        };
        for (id, signed) in waiting {
            self.core.offer(Input::Envelope(id, Arc::clone(&signed), None));
            self.mesh.publish(Lane::Inputs, encode(&*signed)).await;
        }
    }
}
