//! What the application holds of the mesh.

use crate::config::{Lane, PeerKey};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// What the application thinks of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Do not pass it on; nobody is to blame.
    Ignore,
    /// Do not pass it on, and whoever passed it on is to blame.
    Reject,
}

/// A question that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// What a question is about: who answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Beats, certificates, snapshots.
    Beats,
    /// Signatures under checkpoints.
    Checkpoints,
    /// Where a peer is, and whom it is linked to.
    Routes,
    /// A message that goes from node to node, and the answer that comes back the same way.
    Directed,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The mesh node is down.
    #[error("the mesh is closed")]
    Closed,
    /// The peer did not answer.
    #[error("no answer: {0}")]
    Failed(String),
}

/// What the mesh tells the application.
#[derive(Debug)]
pub enum MeshEvent {
    /// A gossip message that waits for a verdict.
    Message {
        /// To give the verdict with.
        token: u64,
        /// Who passed it on.
        source: PeerKey,
        /// Who sent it first: its signature is on it.
        author: PeerKey,
        /// The lane.
        lane: Lane,
        /// Its payloads: one, but for the inputs lane.
        payloads: Vec<Vec<u8>>,
    },
    /// A question of a peer.
    Request {
        /// To answer with.
        token: RequestToken,
        /// Who asks.
        peer: PeerKey,
        /// About what.
        service: Service,
        /// What.
        bytes: Vec<u8>,
    },
    /// A peer is connected.
    Connected(PeerKey),
    /// A peer's last connection is gone.
    Disconnected(PeerKey),
    /// This node listens here.
    Listening(String),
    /// A peer was banned for bad standing.
    Banned {
        /// Who.
        peer: PeerKey,
        /// Why.
        reason: String,
        /// Whether it was cut off for sending more than its rate.
        is_flood: bool,
    },
}

/// A peer as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerReport {
    /// Its key.
    pub key: PeerKey,
    /// A word for people; none when it is not admitted.
    pub label: Option<String>,
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Whether it is connected.
    pub is_connected: bool,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// Last round trip in milliseconds.
    pub rtt_ms: Option<u32>,
    /// The same in microseconds.
    pub rtt_us: Option<u32>,
    /// How often it was measured: a number that has not changed says nothing new.
    pub pings: u64,
    /// Its standing: 0 is best, −1000 is a ban.
    pub score: i64,
    /// Why it last lost points.
    pub reason: Option<String>,
    /// Milliseconds until its ban ends.
    pub banned_ms: Option<u64>,
    /// Messages taken from it.
    pub messages: u64,
    /// Bytes taken from it.
    pub bytes: u64,
}

pub(crate) enum Command {
    Publish(Lane, Vec<u8>),
    Report(u64, Verdict),
    Request(PeerKey, Service, Vec<u8>, oneshot::Sender<Result<Vec<u8>, RequestError>>),
    Respond(RequestToken, Vec<u8>),
    SetAdmitted(BTreeMap<PeerKey, String>),
    Ban(PeerKey, String, Duration),
    Unban(PeerKey),
    Penalize(PeerKey, i64, String),
    Peers(oneshot::Sender<Vec<PeerReport>>),
    Shutdown(oneshot::Sender<()>),
}

/// A handle on the mesh node. Clones are the same node.
#[derive(Clone, Debug)]
pub struct MeshHandle {
    commands: mpsc::Sender<Command>,
    local: PeerKey,
}

impl MeshHandle {
    pub(crate) const fn new(commands: mpsc::Sender<Command>, local: PeerKey) -> Self {
        Self { commands, local }
    }

    /// This node's key.
    #[must_use]
    pub const fn local(&self) -> PeerKey {
        self.local
    }

    async fn send(&self, command: Command) {
        // A closed mesh takes nothing; whoever asks a question learns it there.
        let _ = self.commands.send(command).await;
    }

    /// Sends to all.
    pub async fn publish(&self, lane: Lane, bytes: Vec<u8>) {
        self.send(Command::Publish(lane, bytes)).await;
    }

    /// Gives the verdict on a gossip message.
    pub async fn report(&self, token: u64, verdict: Verdict) {
        self.send(Command::Report(token, verdict)).await;
    }

    /// Asks a peer.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub async fn request(
        &self,
        peer: PeerKey,
        service: Service,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, RequestError> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Request(peer, service, bytes, sender)).await;
        receiver.await.map_err(|_| RequestError::Closed)?
    }

    /// Answers a question.
    pub async fn respond(&self, token: RequestToken, bytes: Vec<u8>) {
        self.send(Command::Respond(token, bytes)).await;
    }

    /// Replaces the list of who may connect; others are cut off.
    pub async fn set_admitted(&self, admitted: BTreeMap<PeerKey, String>) {
        self.send(Command::SetAdmitted(admitted)).await;
    }

    /// Cuts a peer off for a time.
    pub async fn ban(&self, peer: PeerKey, reason: String, lasts: Duration) {
        self.send(Command::Ban(peer, reason, lasts)).await;
    }

    /// Ends a ban.
    pub async fn unban(&self, peer: PeerKey) {
        self.send(Command::Unban(peer)).await;
    }

    /// Takes points from a peer's standing.
    pub async fn penalize(&self, peer: PeerKey, points: i64, reason: String) {
        self.send(Command::Penalize(peer, points, reason)).await;
    }

    /// All peers that are admitted, connected or banned.
    pub async fn peers(&self) -> Vec<PeerReport> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Peers(sender)).await;
        receiver.await.unwrap_or_default()
    }

    /// Closes all connections and ends the node.
    pub async fn shutdown(&self) {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Shutdown(sender)).await;
        let _ = receiver.await;
    }
}
