//! The loop that owns the swarm.

use crate::{
    behaviour::{Behaviour, BehaviourEvent, topic},
    config::{Lane, Limits, MeshConfig, PeerKey, StartError, address},
    handle::{Command, MeshEvent, PeerReport, RequestError, RequestToken, Service, Verdict},
    pacer::{Pacer, unpack},
    rate::Bucket,
    records::{AddressBook, AddressRecord},
    session::Session,
    standing::Standing,
};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    gossipsub::{self, MessageAcceptance, MessageId, TopicHash},
    identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise, ping,
    request_response::{self, OutboundRequestId, ResponseChannel},
    swarm::{
        DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
    tcp, yamux,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

/// Gossip messages that wait for a verdict; beyond that the oldest are ignored.
const UNJUDGED_MAX: usize = 4_096;
/// Questions that wait for the application's answer.
const UNANSWERED_MAX: usize = 1_024;
/// How often missing peers are dialled and bans looked at.
const TEND: Duration = Duration::from_millis(200);
/// A connection that held this long was worth having.
const LASTING: Duration = Duration::from_secs(5);
/// A QUIC connection on which nothing comes for this long is gone.
const QUIC_IDLE_MS: u32 = 4_000;
/// Points that faults cost.
const GARBAGE_POINTS: i64 = 100;
const FLOOD_POINTS: i64 = 20;
/// A peer may pass on what so many others send.
const RELAYED_PEERS: u32 = 128;

/// First byte of a question or answer.
const KIND_ADDRESSES: u8 = 1;

const fn kind(service: Service) -> u8 {
    match service {
        Service::Beats => 0,
        Service::Checkpoints => 2,
        Service::Routes => 3,
        Service::Directed => 4,
    }
}

const fn service(kind: u8) -> Option<Service> {
    match kind {
        0 => Some(Service::Beats),
        2 => Some(Service::Checkpoints),
        3 => Some(Service::Routes),
        4 => Some(Service::Directed),
        _ => None,
    }
}

struct Peer {
    key: PeerKey,
    connections: u32,
    session: Session,
    standing: Standing,
    banned_until: Option<Duration>,
    rtt_us: Option<u32>,
    pings: u64,
    /// What it sends of its own.
    own: Rate,
    /// What it passes on.
    relayed: Rate,
    messages_total: u64,
    bytes_total: u64,
    dialled: Duration,
    connected: Duration,
    backoff: Duration,
}

/// Why a peer loses points.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    Garbage,
    Flood,
    /// As many as the application says.
    Points(i64),
}

/// Messages and bytes that a peer may send.
struct Rate {
    messages: Bucket,
    bytes: Bucket,
}

impl Rate {
    fn new(limits: &Limits, peers: u32, now: Duration) -> Self {
        Self {
            messages: Bucket::new(limits.messages_per_s.saturating_mul(peers), now),
            bytes: Bucket::new(limits.bytes_per_s.saturating_mul(peers), now),
        }
    }

    fn take(&mut self, bytes: usize, now: Duration) -> bool {
        self.messages.take(1, now) && self.bytes.take(bytes as u64, now)
    }
}

struct Unjudged {
    id: MessageId,
    source: PeerId,
}

type Asker = oneshot::Sender<Result<Vec<u8>, RequestError>>;

pub(crate) struct Driver {
    mesh: [u8; 32],
    limits: Limits,
    local: PeerKey,
    keypair: Keypair,
    swarm: Swarm<Behaviour>,
    topics: HashMap<TopicHash, Lane>,
    events: mpsc::Sender<MeshEvent>,
    commands: mpsc::Receiver<Command>,
    start: Instant,
    admitted: BTreeMap<PeerKey, String>,
    links: Option<BTreeSet<PeerKey>>,
    peers: HashMap<PeerId, Peer>,
    book: AddressBook,
    bootstrap: BTreeMap<PeerKey, Vec<Multiaddr>>,
    listening: Vec<String>,
    pacer: Pacer,
    next_token: u64,
    unjudged: BTreeMap<u64, Unjudged>,
    unanswered: BTreeMap<u64, (Service, ResponseChannel<Vec<u8>>)>,
    asked: HashMap<OutboundRequestId, Option<(Service, Asker)>>,
}

impl Driver {
    pub(crate) fn new(
        config: MeshConfig,
        keypair: Keypair,
        events: mpsc::Sender<MeshEvent>,
        commands: mpsc::Receiver<Command>,
    ) -> Result<Self, StartError> {
        let failed = |error: String| StartError::Network(error);
        let local = keypair
            .public()
            .try_into_ed25519()
            .map(|key| PeerKey(key.to_bytes()))
            .map_err(|error| StartError::Key(error.to_string()))?;
        let behaviour = Behaviour::new(&keypair, &config.mesh, &config.limits)?;
        let mut swarm = SwarmBuilder::with_existing_identity(keypair.clone())
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .map_err(|e| failed(e.to_string()))?
            .with_quic_config(|mut config| {
                config.max_idle_timeout = QUIC_IDLE_MS;
                config.keep_alive_interval = Duration::from_millis(u64::from(QUIC_IDLE_MS) / 4);
                config
            })
            .with_behaviour(|_| behaviour)
            .map_err(|e| failed(e.to_string()))?
            .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(60)))
            .build();
        for text in &config.listen {
            swarm.listen_on(address(text)?).map_err(|e| failed(format!("{text}: {e}")))?;
        }
        let mut bootstrap: BTreeMap<PeerKey, Vec<Multiaddr>> = BTreeMap::new();
        for (key, text) in &config.bootstrap {
            bootstrap.entry(*key).or_default().push(address(text)?);
        }
        let limits = config.limits;
        let mut driver = Self {
            mesh: config.mesh,
            local,
            keypair,
            swarm,
            topics: Lane::ALL.iter().map(|lane| (topic(&config.mesh, *lane).hash(), *lane)).collect(),
            events,
            commands,
            start: Instant::now(),
            admitted: BTreeMap::new(),
            links: config.links,
            peers: HashMap::new(),
            book: AddressBook::new(config.mesh),
            bootstrap,
            listening: Vec::new(),
            pacer: Pacer::new(limits.paced_max, limits.input_bytes_max),
            next_token: 0,
            unjudged: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            asked: HashMap::new(),
            limits,
        };
        driver.admit(config.admitted);
        Ok(driver)
    }

    pub(crate) const fn local(&self) -> PeerKey {
        self.local
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) async fn run(mut self) {
        let mut tend = tokio::time::interval(TEND);
        tend.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let due = self.pacer.due().map(|due| self.start + due);
            let drain = sleep_until(due.unwrap_or_else(|| Instant::now() + Duration::from_secs(3_600)));
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = self.commands.recv() => match command {
                    Some(Command::Shutdown(done)) => {
                        self.flush();
                        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
                        for peer in peers {
                            let _ = self.swarm.disconnect_peer_id(peer);
                        }
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.on_command(command),
                    None => return,
                },
                () = drain, if due.is_some() => self.flush(),
                _ = tend.tick() => self.tend(),
            }
        }
    }

    /// Sends what waits on the inputs lane, once.
    fn flush(&mut self) {
        let now = self.now();
        if let Some(message) = self.pacer.drain(now) {
            self.gossip(Lane::Inputs, message);
        }
    }

    fn gossip(&mut self, lane: Lane, bytes: Vec<u8>) {
        let topic = topic(&self.mesh, lane);
        if let Err(error) = self.swarm.behaviour_mut().gossip.publish(topic, bytes) {
            // Without peers there is nobody to tell; the protocols above send
            // again what matters.
            tracing::debug!(lane = lane.name(), %error, "not published");
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish(Lane::Inputs, bytes) => {
                if !self.pacer.push(bytes) {
                    tracing::warn!("the queue of inputs to broadcast is full; one was dropped");
                }
            }
            Command::Publish(lane, bytes) => self.gossip(lane, bytes),
            Command::Report(token, verdict) => self.judged(token, verdict),
            Command::Request(peer, service, bytes, asker) => {
                let Some(peer_id) = peer.peer_id().filter(|id| self.swarm.is_connected(id)) else {
                    let _ = asker.send(Err(RequestError::Failed("not connected".to_owned())));
                    return;
                };
                let mut framed = vec![kind(service)];
                framed.extend_from_slice(&bytes);
                let id = self.swarm.behaviour_mut().asks.send_request(&peer_id, framed);
                self.asked.insert(id, Some((service, asker)));
            }
            Command::Respond(token, bytes) => {
                if let Some((service, channel)) = self.unanswered.remove(&token.0) {
                    let mut framed = vec![kind(service)];
                    framed.extend_from_slice(&bytes);
                    let _ = self.swarm.behaviour_mut().asks.send_response(channel, framed);
                }
            }
            Command::SetAdmitted(admitted) => self.admit(admitted),
            Command::Ban(peer, reason, lasts) => {
                if let Some(id) = peer.peer_id() {
                    self.ban(id, peer, &reason, lasts);
                }
            }
            Command::Unban(peer) => {
                if let Some(id) = peer.peer_id() {
                    self.unban(id);
                }
            }
            Command::Penalize(peer, points, reason) => {
                if let Some(id) = peer.peer_id() {
                    self.lose(id, Loss::Points(points), &reason);
                }
            }
            Command::Peers(reply) => {
                let _ = reply.send(self.report());
            }
            Command::Shutdown(_) => {}
        }
    }

    fn judged(&mut self, token: u64, verdict: Verdict) {
        let Some(Unjudged { id, source }) = self.unjudged.remove(&token) else { return };
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &source, acceptance);
        if verdict == Verdict::Reject {
            self.lose(source, Loss::Garbage, "passed on an invalid message");
        }
    }

    /// Replaces the list of admitted peers (N1).
    fn admit(&mut self, admitted: BTreeMap<PeerKey, String>) {
        for key in self.admitted.keys().filter(|key| !admitted.contains_key(key)) {
            if let Some(id) = key.peer_id() {
                let behaviour = self.swarm.behaviour_mut();
                behaviour.allowed.disallow_peer(id);
                // Who is admitted again begins anew: that is decided, a ban is not.
                behaviour.blocked.unblock_peer(id);
                self.peers.remove(&id);
            }
        }
        let local = self.local;
        for key in admitted.keys().filter(|key| **key != local) {
            if let Some(id) = key.peer_id() {
                if self.is_link(key) {
                    self.swarm.behaviour_mut().allowed.allow_peer(id);
                }
                self.peer(id, *key);
            }
        }
        self.admitted = admitted;
    }

    /// Whether there may be a connection with an admitted peer.
    fn is_link(&self, key: &PeerKey) -> bool {
        self.links.as_ref().is_none_or(|links| links.contains(key))
    }

    fn peer(&mut self, id: PeerId, key: PeerKey) -> &mut Peer {
        let now = self.now();
        let limits = &self.limits;
        self.peers.entry(id).or_insert_with(|| Peer {
            key,
            connections: 0,
            session: Session::default(),
            standing: Standing::default(),
            banned_until: None,
            rtt_us: None,
            pings: 0,
            own: Rate::new(limits, 1, now),
            relayed: Rate::new(limits, RELAYED_PEERS, now),
            messages_total: 0,
            bytes_total: 0,
            dialled: Duration::ZERO,
            connected: Duration::ZERO,
            backoff: Duration::ZERO,
        })
    }

    fn ban(&mut self, id: PeerId, key: PeerKey, reason: &str, lasts: Duration) {
        let until = self.now().saturating_add(lasts);
        let peer = self.peer(id, key);
        peer.banned_until = Some(until);
        peer.standing.reason = Some(reason.to_owned());
        self.swarm.behaviour_mut().blocked.block_peer(id);
        let _ = self.swarm.disconnect_peer_id(id);
    }

    fn unban(&mut self, id: PeerId) {
        self.swarm.behaviour_mut().blocked.unblock_peer(id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if self.admitted.contains_key(&peer.key) {
            peer.banned_until = None;
            peer.standing = Standing::default();
        } else {
            self.peers.remove(&id);
        }
    }

    fn lose(&mut self, id: PeerId, loss: Loss, reason: &str) {
        let now = self.now();
        let points = match loss {
            Loss::Garbage => GARBAGE_POINTS,
            Loss::Flood => FLOOD_POINTS,
            Loss::Points(points) => points,
        };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.banned_until.is_none() && peer.standing.lose(points, reason, now) {
            let key = peer.key;
            tracing::warn!(peer = %id, reason, "banned");
            self.ban(id, key, reason, Duration::from_millis(self.limits.ban_ms));
            let is_flood = loss == Loss::Flood;
            let banned = MeshEvent::Banned { peer: key, reason: reason.to_owned(), is_flood };
            let _ = self.events.try_send(banned);
        }
    }

    /// Takes from the rates of a message's author and of the peer that handed it
    /// over; false when one of them sends too much (N3).
    ///
    /// Who passes on what others may send is never at fault: a message beyond its
    /// author's rate is not passed on by anybody.
    fn within_rate(&mut self, source: PeerId, author: PeerId, bytes: usize) -> bool {
        let now = self.now();
        if source != author {
            let Some(peer) = self.peers.get_mut(&source) else { return false };
            if !peer.relayed.take(bytes, now) {
                self.lose(source, Loss::Flood, "passes on more than its rate");
                return false;
            }
        }
        let Some(peer) = self.peers.get_mut(&author) else { return false };
        if !peer.own.take(bytes, now) {
            if source == author {
                self.lose(author, Loss::Flood, "sends more than its rate");
            }
            return false;
        }
        if let Some(peer) = self.peers.get_mut(&source) {
            peer.messages_total += 1;
            peer.bytes_total += bytes as u64;
        }
        true
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => self.on_gossip(propagation_source, message_id, message),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, result: Ok(rtt), .. })) => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.rtt_us = Some(u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX));
                    peer.pings += 1;
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Asks(event)) => self.on_ask(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                info,
            })) => {
                let peer = self.peers.get_mut(&peer_id);
                if peer.is_some_and(|peer| peer.session.named(connection_id, info.agent_version)) {
                    self.begin_anew(peer_id);
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, num_established, .. } => {
                let now = self.now();
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.connections = num_established.get();
                    if num_established.get() == 1 {
                        peer.connected = now;
                        peer.session.began(connection_id, now);
                        let key = peer.key;
                        let _ = self.events.try_send(MeshEvent::Connected(key));
                        self.tell_addresses(peer_id);
                    }
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established, .. } => {
                let now = self.now();
                if let Some(peer) = self.peers.get_mut(&peer_id) {
                    peer.connections = num_established;
                    if num_established == 0 {
                        // One who hangs up at once is not dialled at once.
                        if now > peer.connected + LASTING {
                            peer.backoff = Duration::ZERO;
                        }
                        peer.session.ended();
                        let key = peer.key;
                        let _ = self.events.try_send(MeshEvent::Disconnected(key));
                    }
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                let text = address.to_string();
                self.listening.push(text.clone());
                self.record_own();
                let _ = self.events.try_send(MeshEvent::Listening(text));
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(id), error, .. }
                if !matches!(error, DialError::DialPeerConditionFalse(_)) =>
            {
                tracing::debug!(peer = %id, %error, "not reached");
            }
            _ => {}
        }
    }

    /// Closes all connections with a peer whose process changed.
    fn begin_anew(&mut self, id: PeerId) {
        tracing::debug!(peer = %id, "another process answers for it: connecting anew");
        // It may have gone meanwhile.
        let _ = self.swarm.disconnect_peer_id(id);
    }

    /// Signs this node's record anew: it listens at one more place.
    fn record_own(&mut self) {
        let sequence = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX));
        if let Some(record) = AddressRecord::sign(&self.keypair, self.mesh, sequence, &self.listening) {
            self.book.insert(record, |_| true);
        }
    }

    fn tell_addresses(&mut self, peer: PeerId) {
        let mut framed = vec![KIND_ADDRESSES];
        framed.extend_from_slice(&self.book.encode());
        let id = self.swarm.behaviour_mut().asks.send_request(&peer, framed);
        self.asked.insert(id, None);
    }

    fn learn_addresses(&mut self, from: PeerId, bytes: &[u8]) {
        let Some(records) = AddressBook::decode(bytes) else {
            return self.lose(from, Loss::Garbage, "sent malformed address records");
        };
        for record in records {
            let admitted = &self.admitted;
            self.book.insert(record, |key| admitted.contains_key(key));
        }
    }

    fn on_gossip(&mut self, source: PeerId, id: MessageId, message: gossipsub::Message) {
        let lane = self.topics.get(&message.topic).copied();
        // The author must be admitted too, not only who passes it on.
        let admitted = |id: &PeerId| self.peers.get(id).filter(|p| self.admitted.contains_key(&p.key));
        let author = message.source.and_then(|id| admitted(&id).map(|peer| (id, peer.key)));
        let judged = |driver: &mut Self, acceptance| {
            driver.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &source, acceptance);
        };
        let (Some(lane), Some((author_id, author))) = (lane, author) else {
            return judged(self, MessageAcceptance::Reject);
        };
        if !self.within_rate(source, author_id, message.data.len()) {
            return judged(self, MessageAcceptance::Ignore);
        }
        let payloads = match lane {
            Lane::Inputs => unpack(&message.data),
            Lane::Votes | Lane::Proposals | Lane::Checkpoints => Some(vec![message.data]),
        };
        let Some(payloads) = payloads else {
            judged(self, MessageAcceptance::Reject);
            return self.lose(source, Loss::Garbage, "sent a malformed message");
        };
        let Some(key) = self.peers.get(&source).map(|peer| peer.key) else {
            return judged(self, MessageAcceptance::Ignore);
        };
        let token = self.token();
        if self.events.try_send(MeshEvent::Message { token, source: key, author, lane, payloads }).is_err() {
            return judged(self, MessageAcceptance::Ignore);
        }
        self.unjudged.insert(token, Unjudged { id, source });
        if self.unjudged.len() > UNJUDGED_MAX
            && let Some((_, old)) = self.unjudged.pop_first()
        {
            let ignore = MessageAcceptance::Ignore;
            self.swarm.behaviour_mut().gossip.report_message_validation_result(&old.id, &old.source, ignore);
        }
    }

    const fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    fn on_ask(&mut self, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                if !self.within_rate(peer, peer, request.len()) {
                    return;
                }
                match request.split_first() {
                    Some((&KIND_ADDRESSES, bytes)) => {
                        self.learn_addresses(peer, bytes);
                        let mut framed = vec![KIND_ADDRESSES];
                        framed.extend_from_slice(&self.book.encode());
                        let _ = self.swarm.behaviour_mut().asks.send_response(channel, framed);
                    }
                    Some((&kind, bytes)) => {
                        let Some(service) = service(kind) else {
                            return self.lose(peer, Loss::Garbage, "asked a question that nobody answers");
                        };
                        let max = match service {
                            Service::Directed => self.limits.directed_bytes_max,
                            _ => self.limits.request_bytes_max,
                        };
                        if bytes.len() > max {
                            return self.lose(peer, Loss::Garbage, "asked a question that is too long");
                        }
                        let Some(key) = self.peers.get(&peer).map(|p| p.key) else { return };
                        let token = self.token();
                        let event = MeshEvent::Request {
                            token: RequestToken(token),
                            peer: key,
                            service,
                            bytes: bytes.to_vec(),
                        };
                        // Dropping the channel tells the peer that there is no answer.
                        if self.events.try_send(event).is_ok() {
                            self.unanswered.insert(token, (service, channel));
                            if self.unanswered.len() > UNANSWERED_MAX {
                                self.unanswered.pop_first();
                            }
                        }
                    }
                    None => self.lose(peer, Loss::Garbage, "asked a malformed question"),
                }
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                let asker = self.asked.remove(&request_id).flatten();
                match (response.split_first(), asker) {
                    (Some((&KIND_ADDRESSES, bytes)), None) => self.learn_addresses(peer, bytes),
                    (Some((&found, bytes)), Some((service, asker))) if found == kind(service) => {
                        let _ = asker.send(Ok(bytes.to_vec()));
                    }
                    (_, asker) => {
                        if let Some((_, asker)) = asker {
                            let _ = asker.send(Err(RequestError::Failed("a malformed answer".to_owned())));
                        }
                        self.lose(peer, Loss::Garbage, "gave a malformed answer");
                    }
                }
            }
            Event::OutboundFailure { request_id, error, .. } => {
                if let Some((_, asker)) = self.asked.remove(&request_id).flatten() {
                    let _ = asker.send(Err(RequestError::Failed(error.to_string())));
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    /// Ends bans that are over and dials peers that are missing.
    fn tend(&mut self) {
        let now = self.now();
        let over: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.banned_until.is_some_and(|until| until <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            self.unban(id);
        }
        let stale: Vec<PeerId> =
            self.peers.iter().filter(|(_, peer)| peer.session.is_stale(now)).map(|(id, _)| *id).collect();
        for id in stale {
            self.begin_anew(id);
        }
        let redial_max = Duration::from_millis(self.limits.redial_max_ms);
        let mut dials = Vec::new();
        for (id, peer) in &mut self.peers {
            let is_link = self.links.as_ref().is_none_or(|links| links.contains(&peer.key));
            let is_missing = is_link && peer.connections == 0 && peer.banned_until.is_none();
            if !is_missing || now < peer.dialled + peer.backoff {
                continue;
            }
            let mut addresses: Vec<Multiaddr> =
                self.book.addresses(&peer.key).iter().filter_map(|text| text.parse().ok()).collect();
            addresses.extend(self.bootstrap.get(&peer.key).into_iter().flatten().cloned());
            if addresses.is_empty() {
                continue;
            }
            peer.dialled = now;
            peer.backoff = (peer.backoff * 2).clamp(TEND, redial_max);
            dials.push((*id, addresses));
        }
        for (id, addresses) in dials {
            let addresses = addresses
                .into_iter()
                .map(|a| {
                    if a.iter().any(|p| matches!(p, Protocol::P2p(_))) {
                        a
                    } else {
                        a.with(Protocol::P2p(id))
                    }
                })
                .collect();
            let options = DialOpts::peer_id(id)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses)
                .build();
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(peer = %id, %error, "not dialled");
            }
        }
    }

    fn report(&self) -> Vec<PeerReport> {
        let now = self.now();
        let mut reports: Vec<PeerReport> = self
            .peers
            .iter()
            .map(|(id, peer)| PeerReport {
                key: peer.key,
                label: self.admitted.get(&peer.key).cloned(),
                peer_id: id.to_string(),
                is_connected: peer.connections > 0,
                addresses: self.book.addresses(&peer.key).to_vec(),
                rtt_ms: peer.rtt_us.map(|us| us / 1_000),
                rtt_us: peer.rtt_us,
                pings: peer.pings,
                score: peer.standing.points(now),
                reason: peer.standing.reason.clone(),
                banned_ms: peer
                    .banned_until
                    .map(|until| u64::try_from(until.saturating_sub(now).as_millis()).unwrap_or(u64::MAX)),
                messages: peer.messages_total,
                bytes: peer.bytes_total,
            })
            .collect();
        reports.sort_by_key(|report| report.key);
        reports
    }
}
