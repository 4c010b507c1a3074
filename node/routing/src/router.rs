//! The running part: asks peers where they are, and answers what comes.

use crate::{
    EXCESS_POINTS, GARBAGE_POINTS, LIST_PATIENCE, Members, Places, ROUND, Row, SendError, TRIP_MS_MAX,
    bounds::{Bounds, Full, OPEN_MAX, OWN_OPEN_MAX, OWN_PER_S},
    flows::Flows,
    wire::{Answer, Directed, Failure, Held, Question, Refused, Told, WAY_MAX},
};
use phalanx_geometry::{
    Error,
    latency::Comparison,
    routing::{Algorithm, View},
};
use phalanx_p2p::{MeshEvent, MeshHandle, PeerKey, RequestToken, Service, rate::Bucket};
use phalanx_types::{Hash, PublicKey, SigningKey};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

/// Peers that are asked at one time where they are.
const ASKED_MAX: usize = 32;

/// What a router is started with.
#[derive(Debug)]
pub struct RouterConfig {
    /// The mesh.
    pub mesh: Hash,
    /// The network key: it signs answers.
    pub key: SigningKey,
    /// The configuration's `routing_algorithm`.
    pub algorithm: Algorithm,
    /// Who belongs to the mesh.
    pub members: Members,
}

/// Why a router cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The place of a region is none.
    #[error("the place of a region cannot be used: {0}")]
    Place(#[from] Error),
    /// The operating system gives no random numbers.
    #[error("there are no random numbers: {0}")]
    Random(String),
}

/// A question that came by a directed message and waits for [`Router::respond`].
#[derive(Debug)]
pub struct Delivered {
    /// To answer with.
    pub token: RequestToken,
    /// Who asks: its signature is on the question.
    pub source: PublicKey,
    /// What is asked.
    pub question: Question,
}

/// Questions that a node has sent by directed messages since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// How many.
    pub sent: u64,
    /// How many of them were answered.
    pub answered: u64,
}

pub(crate) struct State {
    pub(crate) places: Places,
    pub(crate) bounds: Bounds,
    pub(crate) flows: Flows,
    /// Messages that this node may send of its own.
    pub(crate) own_rate: Bucket,
    /// By [`Question::word`].
    pub(crate) asked: BTreeMap<&'static str, Asked>,
    view: Option<Arc<View<PublicKey>>>,
    told: Option<Arc<Vec<u8>>>,
}

impl State {
    fn touch(&mut self) {
        self.view = None;
        self.told = None;
    }

    /// The view as it is now.
    pub(crate) fn view(&mut self) -> Result<Arc<View<PublicKey>>, Error> {
        if let Some(view) = &self.view {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(self.places.view()?);
        self.view = Some(Arc::clone(&view));
        Ok(view)
    }

    fn told(&mut self) -> Result<Arc<Vec<u8>>, Error> {
        if let Some(told) = &self.told {
            return Ok(Arc::clone(told));
        }
        let told = Arc::new(self.places.own_told()?.encode());
        self.told = Some(Arc::clone(&told));
        Ok(told)
    }
}

pub(crate) struct Inner {
    pub(crate) mesh: MeshHandle,
    pub(crate) id: Hash,
    pub(crate) key: SigningKey,
    pub(crate) own: PublicKey,
    pub(crate) algorithm: Algorithm,
    pub(crate) own_sends: Semaphore,
    start: Instant,
    state: Mutex<State>,
    /// Counts changes of who is linked and answers.
    pub(crate) changes: watch::Sender<u64>,
    deliveries: mpsc::Sender<Delivered>,
    /// Who waits for the answer to a question that was delivered.
    awaited: Mutex<BTreeMap<u64, oneshot::Sender<Vec<u8>>>>,
}

/// A node's part in routing. Clones are the same node.
#[derive(Clone)]
pub struct Router {
    pub(crate) inner: Arc<Inner>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One message in a count; dropping it takes it out.
pub(crate) struct Counted {
    router: Router,
    key: PublicKey,
    end: fn(&mut Bounds, &PublicKey),
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.end)(&mut self.router.state().bounds, &self.key);
    }
}

impl Router {
    /// A router on a mesh, and the questions that reach this node by it.
    ///
    /// # Errors
    /// When a place cannot be used, or there are no random numbers.
    pub fn new(
        mesh: MeshHandle,
        config: RouterConfig,
    ) -> Result<(Self, mpsc::Receiver<Delivered>), StartError> {
        let own = config.key.public();
        // Each waiting question is one that is open, so there is always room.
        let (deliveries, receiver) = mpsc::channel(OPEN_MAX);
        let state = State {
            places: Places::new(own, config.members)?,
            bounds: Bounds::default(),
            flows: Flows::new(own),
            own_rate: Bucket::new(OWN_PER_S, Duration::ZERO),
            asked: BTreeMap::new(),
            view: None,
            told: None,
        };
        let inner = Inner {
            mesh,
            id: config.mesh,
            key: config.key,
            own,
            algorithm: config.algorithm,
            own_sends: Semaphore::new(OWN_OPEN_MAX),
            start: Instant::now(),
            state: Mutex::new(state),
            changes: watch::channel(0).0,
            deliveries,
            awaited: Mutex::new(BTreeMap::new()),
        };
        Ok((Self { inner: Arc::new(inner) }, receiver))
    }

    /// This node's network key.
    #[must_use]
    pub fn own(&self) -> PublicKey {
        self.inner.own
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }

    pub(crate) fn now(&self) -> Duration {
        self.inner.start.elapsed()
    }

    /// Changes who is linked, or what is known of them.
    fn change<T>(&self, change: impl FnOnce(&mut Places) -> T) -> T {
        let result = {
            let mut state = self.state();
            state.touch();
            change(&mut state.places)
        };
        self.inner.changes.send_modify(|count| *count = count.wrapping_add(1));
        result
    }

    /// Takes over who belongs to the mesh, when that has changed.
    pub fn set_members(&self, members: Members) {
        if *self.state().places.members() == members {
            return;
        }
        self.state().bounds.retain(|peer| members.homes.contains_key(peer));
        if let Err(error) = self.change(|places| places.set_members(members)) {
            tracing::warn!(%error, "the mesh's members cannot be placed; those before are kept");
        }
    }

    /// Takes what is for routing out of the mesh's events; others are given back.
    pub async fn heard(&self, event: MeshEvent) -> Option<MeshEvent> {
        match event {
            MeshEvent::Request { token, peer, service: Service::Routes, bytes } => {
                self.answer_list(token, peer, &bytes).await;
                None
            }
            MeshEvent::Request { token, peer, service: Service::Directed, bytes } => {
                self.relay(token, peer, &bytes).await;
                None
            }
            event => {
                match &event {
                    MeshEvent::Connected(peer) => self.connected(*peer),
                    MeshEvent::Disconnected(peer) => self.disconnected(*peer),
                    _ => {}
                }
                Some(event)
            }
        }
    }

    /// A peer is connected: it is asked at once where it is.
    fn connected(&self, peer: PeerKey) {
        let key = PublicKey(peer.0);
        self.change(|places| places.connected(key));
        let router = self.clone();
        tokio::spawn(async move { router.ask_list(key).await });
    }

    /// A peer's last connection is gone: what waits for it goes another way.
    fn disconnected(&self, peer: PeerKey) {
        self.change(|places| places.disconnected(&PublicKey(peer.0)));
    }

    /// Whether there is a connection with a peer.
    #[must_use]
    pub fn is_linked(&self, peer: &PublicKey) -> bool {
        self.state().places.linked().any(|key| key == *peer)
    }

    /// Whether a peer is linked and answers.
    #[must_use]
    pub fn is_live(&self, peer: &PublicKey) -> bool {
        self.state().places.is_live(peer)
    }

    /// All members as this node knows them.
    #[must_use]
    pub fn table(&self) -> Vec<Row> {
        self.state().places.table()
    }

    /// How well both kinds of places fit what was measured; none while nothing was.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        self.state().places.comparison().ok().flatten()
    }

    /// The round trip to be expected to a member, in microseconds.
    #[must_use]
    pub fn predicted_us(&self, peer: &PublicKey) -> Option<u64> {
        let state = self.state();
        state.places.predicted_us(&state.places.place_of(peer)?)
    }

    /// What this node has asked by directed messages, by what it is about
    /// ([`Question::word`]).
    #[must_use]
    pub fn asked(&self) -> BTreeMap<&'static str, Asked> {
        self.state().asked.clone()
    }

    /// Messages of others that are under way here.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state().bounds.open()
    }

    /// Asks all linked peers again and again where they are, until the mesh is closed.
    pub async fn run(self) {
        let mut tick = tokio::time::interval(ROUND);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.round().await;
        }
    }

    async fn round(&self) {
        // Events may have been missed: the mesh knows best who is connected.
        let reports = self.inner.mesh.peers().await;
        self.change(|places| {
            let connected: Vec<PublicKey> =
                reports.iter().filter(|r| r.is_connected).map(|r| PublicKey(r.key.0)).collect();
            let gone: Vec<PublicKey> = places.linked().filter(|key| !connected.contains(key)).collect();
            gone.iter().for_each(|key| places.disconnected(key));
            connected.iter().for_each(|key| places.connected(*key));
            for report in &reports {
                if let Some(us) = report.rtt_us
                    && let Err(error) = places.measured(&PublicKey(report.key.0), report.pings, us)
                {
                    tracing::debug!(peer = %report.key, %error, "nothing learned from a round trip");
                }
            }
        });
        let linked: Vec<PublicKey> = self.state().places.linked().collect();
        let mut asked = JoinSet::new();
        for key in linked {
            if asked.len() >= ASKED_MAX {
                asked.join_next().await;
            }
            let router = self.clone();
            asked.spawn(async move { router.ask_list(key).await });
        }
        while asked.join_next().await.is_some() {}
    }

    /// Asks a peer where it is and whom it is linked to.
    async fn ask_list(&self, key: PublicKey) {
        let mesh = &self.inner.mesh;
        let asked = mesh.request(PeerKey(key.0), Service::Routes, Vec::new());
        match timeout(LIST_PATIENCE, asked).await {
            Ok(Ok(bytes)) => match Told::decode(&bytes) {
                Ok(told) => self.change(|places| places.told(&key, told)),
                Err(refused) => {
                    self.change(|places| places.silent(&key));
                    let reason = format!("told of its neighbours: {refused}");
                    mesh.penalize(PeerKey(key.0), GARBAGE_POINTS, reason).await;
                }
            },
            Ok(Err(_)) | Err(_) => self.change(|places| places.silent(&key)),
        }
    }

    /// Where this node is and whom it is linked to, as it tells its peers.
    #[must_use]
    pub fn told(&self) -> Option<Told> {
        self.state().places.own_told().ok()
    }

    /// Answers a peer that asks where this node is.
    async fn answer_list(&self, token: RequestToken, peer: PeerKey, question: &[u8]) {
        let mesh = &self.inner.mesh;
        if !question.is_empty() {
            let reason = "asked for neighbours with more than nothing".to_owned();
            return mesh.penalize(peer, GARBAGE_POINTS, reason).await;
        }
        let told = {
            let now = self.now();
            let mut state = self.state();
            state.bounds.list(PublicKey(peer.0), now).then(|| state.told())
        };
        match told {
            None => mesh.penalize(peer, EXCESS_POINTS, "asks too often for neighbours".to_owned()).await,
            Some(Ok(told)) => mesh.respond(token, told.to_vec()).await,
            Some(Err(error)) => tracing::warn!(%error, "this node's place cannot be told"),
        }
    }

    /// Counts a message of a source.
    fn begin(&self, source: PublicKey) -> Result<Counted, Full> {
        let now = self.now();
        self.state().bounds.begin(source, now)?;
        Ok(Counted { router: self.clone(), key: source, end: Bounds::end })
    }

    /// Counts a message that is handed to a linked peer; none when it has enough.
    pub(crate) fn hand(&self, peer: PublicKey) -> Option<Counted> {
        let now = self.now();
        let has_room = self.state().bounds.hand(peer, now);
        has_room.then(|| Counted { router: self.clone(), key: peer, end: Bounds::answered })
    }

    /// Takes a directed message from a peer, and sees to it that it is answered.
    async fn relay(&self, token: RequestToken, peer: PeerKey, bytes: &[u8]) {
        let began = Instant::now();
        let mesh = &self.inner.mesh;
        let directed = match Directed::decode(bytes) {
            Ok(directed) => directed,
            Err(refused) => return self.refuse(token, peer, &refused).await,
        };
        // Who is no member here may be one elsewhere already: another way may lead there,
        // and nobody is to blame.
        let is_known = {
            let state = self.state();
            let members = &state.places.members().homes;
            members.contains_key(&directed.header.target) && members.contains_key(&directed.source)
        };
        if !is_known {
            return mesh.respond(token, Answer::failed(Failure::Busy).encode()).await;
        }
        let counted = match self.begin(directed.source) {
            Ok(counted) => counted,
            Err(full) => {
                // Who passes on what another sends is not to blame.
                if full == Full::Source && directed.source.0 == peer.0 {
                    let reason = "sends more directed messages than it may".to_owned();
                    mesh.penalize(peer, EXCESS_POINTS, reason).await;
                }
                return mesh.respond(token, Answer::failed(Failure::Busy).encode()).await;
            }
        };
        let router = self.clone();
        tokio::spawn(async move {
            if let Err(refused) = directed.verify(&router.inner.id) {
                return router.refuse(token, peer, &refused).await;
            }
            let left = Duration::from_millis(directed.left_ms.into());
            let mut answer = router.carry(&directed, began + left, Some(token)).await;
            if answer.way.len() < WAY_MAX {
                let us = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
                answer.way.push(Held { node: router.inner.own, us });
            }
            // Ended before the answer is out, so that the source never counts less than this.
            drop(counted);
            router.inner.mesh.respond(token, answer.encode()).await;
        });
    }

    /// A message that honest nodes do not pass on.
    async fn refuse(&self, token: RequestToken, peer: PeerKey, refused: &Refused) {
        let mesh = &self.inner.mesh;
        mesh.penalize(peer, GARBAGE_POINTS, format!("sent a directed message: {refused}")).await;
        mesh.respond(token, Answer::failed(Failure::Refused).encode()).await;
    }

    /// Hands a question to the application and waits for what it says.
    pub(crate) async fn deliver(&self, delivered: Delivered, patience: Duration) -> Option<Vec<u8>> {
        let token = delivered.token.0;
        let (sender, receiver) = oneshot::channel();
        lock(&self.inner.awaited).insert(token, sender);
        let answered = match self.inner.deliveries.try_send(delivered) {
            Ok(()) => timeout(patience, receiver).await.ok().and_then(Result::ok),
            Err(_) => None,
        };
        lock(&self.inner.awaited).remove(&token);
        answered
    }

    /// Answers a question, whichever way it came.
    pub async fn respond(&self, token: RequestToken, bytes: Vec<u8>) {
        let awaited = lock(&self.inner.awaited).remove(&token.0);
        match awaited {
            // Whoever waited may have given up.
            Some(sender) => drop(sender.send(bytes)),
            None => self.inner.mesh.respond(token, bytes).await,
        }
    }

    /// Leaves a question that came by a directed message without an answer.
    pub fn decline(&self, token: RequestToken) {
        lock(&self.inner.awaited).remove(&token.0);
    }

    /// Asks a peer something: directly when it is linked, else by a directed message.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn ask(&self, peer: PublicKey, service: Service, bytes: Vec<u8>) -> Result<Vec<u8>, SendError> {
        let question = match service {
            Service::Beats if !self.is_linked(&peer) => Question::Beats(bytes),
            Service::Checkpoints if !self.is_linked(&peer) => Question::Checkpoints(bytes),
            // What goes over one link by its nature.
            service => {
                let asked = self.inner.mesh.request(PeerKey(peer.0), service, bytes).await;
                return asked.map_err(SendError::Direct);
            }
        };
        let longest = Duration::from_millis(TRIP_MS_MAX.into());
        Ok(self.send(peer, question, longest).await?.body)
    }
}
