//! One message's trip: from this node on, hop by hop, and back.

use crate::{BODY_BYTES_MAX, GARBAGE_POINTS};
use crate::{
    HOPS_MAX, TRIP_MS_MAX,
    flows::planned,
    router::{Delivered, Router},
    wire::{Answer, Arrived, Directed, Failure, Held, Outcome, Question, Refused},
};
use phalanx_geometry::routing::{Algorithm, Message, Reason, Step, View};
use phalanx_p2p::{PeerKey, RequestError, RequestToken, Service};
use phalanx_types::PublicKey;
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::SemaphorePermit, time::sleep_until};

/// Pause before a message that found no path is sent once more: the lists of neighbours
/// may be older than the last failure.
const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// How often a message that waits for its turn looks whether it has come.
const TURN_AGAIN: Duration = Duration::from_millis(25);
/// Bodies above this are hashed and signed beside the runtime.
const LARGE_BYTES: usize = 64 << 10;

/// A message that arrived, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// The target's answer.
    pub body: Vec<u8>,
    /// The nodes from where the search that arrived began to the target, as this signed it.
    pub path: Vec<PublicKey>,
    /// The nodes that the answer came back through, the one next to this node first, with
    /// how long each held the message; by their own word.
    pub way: Vec<Held>,
    /// From sending until the answer was here.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The target is no member of the mesh.
    #[error("{0} is no member of this mesh")]
    Stranger(PublicKey),
    /// The target is this node.
    #[error("that is this node itself")]
    Own,
    /// The question is too long to be carried.
    #[error("a question of {found} bytes; at most {max} are carried")]
    TooLong {
        /// Its bytes.
        found: usize,
        /// How many are carried.
        max: usize,
    },
    /// A node on the way says why it did not arrive.
    #[error("the message did not arrive: {0}")]
    Failed(Failure),
    /// The linked peer did not answer.
    #[error(transparent)]
    Direct(RequestError),
}

/// What became of one try at the next hop.
enum Hop {
    Done(Answer),
    /// The link is not used again for this message.
    Cut,
    Late,
}

const fn failure_of(reason: Reason) -> Failure {
    match reason {
        Reason::Unreachable => Failure::Unreachable,
        Reason::HopLimit | Reason::TrailFull => Failure::HopLimit,
    }
}

/// Hashes and signatures of what may be large, beside the runtime.
async fn heavy<T: Send + 'static>(len: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if len <= LARGE_BYTES { Some(work()) } else { tokio::task::spawn_blocking(work).await.ok() }
}

impl Router {
    /// Sends a question to a member of the mesh and waits for the answer, at most for
    /// `patience` and never longer than [`TRIP_MS_MAX`].
    ///
    /// # Errors
    /// When there is none, with the reason.
    pub async fn send(
        &self,
        target: PublicKey,
        question: Question,
        patience: Duration,
    ) -> Result<Trip, SendError> {
        let began = Instant::now();
        let deadline = began + patience.min(Duration::from_millis(TRIP_MS_MAX.into()));
        if target == self.inner.own {
            return Err(SendError::Own);
        }
        let late = SendError::Failed(Failure::Late);
        let turn = tokio::time::timeout_at(deadline.into(), self.turn());
        let Ok(Some(_turn)) = turn.await else { return Err(late) };
        self.counted(target, question, began, deadline).await
    }

    /// Tells a member of the mesh something that nobody waits for. It comes after what waits to be
    /// sent, and is left out where it finds no room.
    pub fn tell(&self, target: PublicKey, question: Question) {
        let router = self.clone();
        tokio::spawn(async move {
            let Ok(_turn) = router.inner.own_sends.try_acquire() else { return };
            if router.may_send() {
                let began = Instant::now();
                let deadline = began + Duration::from_millis(TRIP_MS_MAX.into());
                let _ = router.counted(target, question, began, deadline).await;
            }
        });
    }

    /// Sends a question, once more when there was no path, and counts what came of it.
    async fn counted(
        &self,
        target: PublicKey,
        question: Question,
        began: Instant,
        deadline: Instant,
    ) -> Result<Trip, SendError> {
        let word = question.word();
        let mut trip = self.once(target, question.clone(), deadline).await;
        if trip == Err(SendError::Failed(Failure::Unreachable)) && Instant::now() + AGAIN_AFTER < deadline {
            tokio::time::sleep(AGAIN_AFTER).await;
            trip = self.once(target, question, deadline).await;
        }
        let mut state = self.state();
        let asked = state.asked.entry(word).or_default();
        asked.sent += 1;
        asked.answered += u64::from(trip.is_ok());
        trip.map(|trip| Trip { took: began.elapsed(), ..trip })
    }

    /// Waits until this node may send one more message of its own.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.inner.own_sends.acquire().await.ok()?;
        while !self.may_send() {
            tokio::time::sleep(TURN_AGAIN).await;
        }
        Some(turn)
    }

    fn may_send(&self) -> bool {
        let now = self.now();
        self.state().own_rate.take(1, now)
    }

    /// The header of a new message.
    fn header(&self, target: PublicKey, bytes: u64) -> Result<Message<PublicKey>, SendError> {
        let mut state = self.state();
        let Some(position) =
            state.places.place_of(&target).filter(|_| state.places.members().homes.contains_key(&target))
        else {
            return Err(SendError::Stranger(target));
        };
        let header = match self.inner.algorithm {
            Algorithm::MultipathHyperbolic => state.flows.message(target, position, bytes),
            algorithm => Message::new(algorithm, self.inner.own, target, position),
        };
        // Places that were taken in are valid.
        header.map_err(|_| SendError::Stranger(target))
    }

    async fn once(
        &self,
        target: PublicKey,
        question: Question,
        deadline: Instant,
    ) -> Result<Trip, SendError> {
        let bytes = phalanx_types::encode(&question).len();
        if bytes > crate::CONTENT_BYTES_MAX {
            return Err(SendError::TooLong { found: bytes, max: crate::CONTENT_BYTES_MAX });
        }
        let header = self.header(target, bytes as u64)?;
        let plan = planned(&header);
        let trip = self.travel(header, question, deadline).await;
        if self.inner.algorithm == Algorithm::MultipathHyperbolic {
            match &trip {
                Ok(trip) => self.learn(target, &plan, &trip.path),
                Err(_) => self.state().flows.failed(&target),
            }
        }
        trip
    }

    async fn travel(
        &self,
        mut header: Message<PublicKey>,
        question: Question,
        deadline: Instant,
    ) -> Result<Trip, SendError> {
        header.hops_left = header.hops_left.min(HOPS_MAX);
        let mut nonce = [0; 8];
        // Without random numbers an old answer could be taken for a new one.
        getrandom::fill(&mut nonce).map_err(|_| SendError::Failed(Failure::Refused))?;
        let directed =
            Directed::sign(&self.inner.key, &self.inner.id, header, u64::from_le_bytes(nonce), question);
        let Answer { outcome, mut way } = self.carry(&directed, deadline, None).await;
        way.reverse();
        match outcome {
            Outcome::Arrived(Arrived { path, body, .. }) => {
                Ok(Trip { body, path, way, took: Duration::ZERO })
            }
            Outcome::Failed(failure) => Err(SendError::Failed(failure)),
        }
    }

    /// Learns a path of `multipath_hyperbolic`, and looks for the next one.
    fn learn(&self, target: PublicKey, plan: &[PublicKey], path: &[PublicKey]) {
        let Some(probe) = self.state().flows.arrived(&target, plan, path) else { return };
        let router = self.clone();
        tokio::spawn(async move {
            // Probes come after what waits to be sent; one that finds no room is left out.
            let Ok(_turn) = router.inner.own_sends.try_acquire() else { return };
            if !router.may_send() {
                return;
            }
            let deadline = Instant::now() + Duration::from_millis(TRIP_MS_MAX.into());
            if let Ok(trip) = router.travel(probe, Question::Trace, deadline).await {
                router.state().flows.arrived(&target, &[], &trip.path);
            }
        });
    }

    /// Carries a message on from this node, whoever it is from, until it is answered:
    /// `came` says by which question it came.
    pub(crate) async fn carry(
        &self,
        directed: &Directed,
        deadline: Instant,
        came: Option<RequestToken>,
    ) -> Answer {
        let mut cut = BTreeSet::new();
        loop {
            if Instant::now() >= deadline {
                return Answer::failed(Failure::Late);
            }
            let view = self.state().view();
            let Ok(view) = view else { return Answer::failed(Failure::Unreachable) };
            let view = self.usable(view, &cut, directed.header.algorithm);
            match directed.header.next(&view) {
                Ok(Step::Deliver) => return self.arrived(directed, deadline, came).await,
                Ok(Step::GiveUp(reason)) => return Answer::failed(failure_of(reason)),
                Ok(Step::Forward(to, header)) => match self.hop(to, directed, header, deadline).await {
                    Hop::Done(answer) => return answer,
                    Hop::Late => return Answer::failed(Failure::Late),
                    Hop::Cut => {
                        cut.insert(to);
                    }
                },
                // Places of another dimension were refused before.
                Err(_) => return Answer::failed(Failure::Refused),
            }
        }
    }

    /// The view without what has failed, and with the loads where they count.
    fn usable(
        &self,
        view: Arc<View<PublicKey>>,
        cut: &BTreeSet<PublicKey>,
        algorithm: Algorithm,
    ) -> Arc<View<PublicKey>> {
        let is_loaded = algorithm == Algorithm::GradientFlow;
        if cut.is_empty() && !is_loaded {
            return view;
        }
        let mut own = View::clone(&view);
        cut.iter().for_each(|key| own.cut(*key));
        if is_loaded {
            let state = self.state();
            let linked: Vec<PublicKey> = state.places.linked().collect();
            linked.into_iter().for_each(|key| own.set_load(key, state.bounds.load_ppm(&key)));
        }
        Arc::new(own)
    }

    /// Hands a message to a neighbour and waits for what it says, as long as it is linked
    /// and answers.
    async fn hop(
        &self,
        to: PublicKey,
        directed: &Directed,
        header: Message<PublicKey>,
        deadline: Instant,
    ) -> Hop {
        let Some(_counted) = self.hand(to) else { return Hop::Cut };
        let left = deadline.saturating_duration_since(Instant::now());
        let left_ms = u32::try_from(left.as_millis()).unwrap_or(TRIP_MS_MAX).min(TRIP_MS_MAX);
        let frame = Directed { header, left_ms, ..directed.clone() }.encode();
        let bytes = tokio::select! {
            answered = self.inner.mesh.request(PeerKey(to.0), Service::Directed, frame) => match answered {
                Ok(bytes) => bytes,
                Err(_) => return Hop::Cut,
            },
            () = self.falls_silent(to) => return Hop::Cut,
            () = sleep_until(deadline.into()) => return Hop::Late,
        };
        match self.checked(bytes, directed).await {
            Ok(Answer { outcome: Outcome::Failed(Failure::Busy), .. }) => Hop::Cut,
            Ok(answer) => Hop::Done(answer),
            Err(refused) => {
                // D3: a peer that keeps the rules has checked it.
                let reason = format!("answered a directed message: {refused}");
                self.inner.mesh.penalize(PeerKey(to.0), GARBAGE_POINTS, reason).await;
                Hop::Cut
            }
        }
    }

    /// Ends when a neighbour is not linked any more, or does not answer.
    async fn falls_silent(&self, peer: PublicKey) {
        let mut changes = self.inner.changes.subscribe();
        while self.is_live(&peer) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    async fn checked(&self, bytes: Vec<u8>, directed: &Directed) -> Result<Answer, Refused> {
        let (mesh, target) = (self.inner.id, directed.header.target);
        let (nonce, question) = (directed.nonce, directed.question.clone());
        let len = bytes.len();
        let check = move || -> Result<Answer, Refused> {
            let answer = Answer::decode(&bytes)?;
            if let Outcome::Arrived(arrived) = &answer.outcome {
                arrived.verify(&target, &mesh, nonce, &question)?;
            }
            Ok(answer)
        };
        heavy(len, check).await.unwrap_or(Ok(Answer::failed(Failure::Late)))
    }

    /// Answers a message that is for this node.
    async fn arrived(&self, directed: &Directed, deadline: Instant, came: Option<RequestToken>) -> Answer {
        let body = match (&directed.question, came) {
            (Question::Trace, _) => Some(Vec::new()),
            (Question::Links, _) => self.told().map(|told| told.encode()),
            (question, Some(token)) => {
                let delivered = Delivered { token, source: directed.source, question: question.clone() };
                self.deliver(delivered, deadline.saturating_duration_since(Instant::now())).await
            }
            (_, None) => None,
        };
        let Some(body) = body.filter(|body| body.len() <= BODY_BYTES_MAX) else {
            return Answer::failed(Failure::Refused);
        };
        let (mesh, key, len) = (self.inner.id, self.inner.key.clone(), body.len());
        let (nonce, question, path) = (directed.nonce, directed.question.clone(), directed.header.path());
        let sign = move || Arrived::sign(&key, &mesh, nonce, &question, path, body);
        match heavy(len, sign).await {
            Some(arrived) => Answer { outcome: Outcome::Arrived(arrived), way: Vec::new() },
            None => Answer::failed(Failure::Refused),
        }
    }
}
