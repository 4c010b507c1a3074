//! How a mesh node is set up.

use libp2p::{Multiaddr, PeerId, identity};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

/// A peer's identity: its Ed25519 network key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

impl PeerKey {
    /// The libp2p peer id of this key, if the key is a point of the curve.
    #[must_use]
    pub fn peer_id(&self) -> Option<PeerId> {
        let key = identity::ed25519::PublicKey::try_from_bytes(&self.0).ok()?;
        Some(PeerId::from_public_key(&identity::PublicKey::from(key)))
    }
}

impl std::fmt::Display for PeerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

/// The way a message to all travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Votes: small, at once.
    Votes,
    /// Proposals: large, at once.
    Proposals,
    /// Inputs: paced, all that waits in one message.
    Inputs,
    /// Signatures under checkpoints: small, at once, after the decision.
    Checkpoints,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Votes, Self::Proposals, Self::Inputs, Self::Checkpoints];

    /// Its name in topics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Votes => "votes",
            Self::Proposals => "proposals",
            Self::Inputs => "inputs",
            Self::Checkpoints => "checkpoints",
        }
    }
}

/// What a node bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections_max: u32,
    /// Connections with one peer: TCP and QUIC in both directions.
    pub connections_per_peer_max: u32,
    /// Connections that are being made.
    pub pending_max: u32,
    /// Longest message on the votes lane in bytes.
    pub vote_bytes_max: usize,
    /// Longest message on the checkpoints lane in bytes.
    pub checkpoint_bytes_max: usize,
    /// Longest message on the proposals lane in bytes.
    pub proposal_bytes_max: usize,
    /// Longest message on the inputs lane in bytes.
    pub input_bytes_max: usize,
    /// Longest question in bytes, but for directed messages.
    pub request_bytes_max: usize,
    /// Longest directed message in bytes: it carries the way that it went.
    pub directed_bytes_max: usize,
    /// Longest answer in bytes.
    pub response_bytes_max: usize,
    /// Messages a second that one peer sends of its own, over all lanes, in the
    /// long run. It may pass on as many of each other peer's.
    pub messages_per_s: u32,
    /// Bytes a second, likewise.
    pub bytes_per_s: u32,
    /// Payloads that wait to be broadcast on the inputs lane.
    pub paced_max: usize,
    /// Time for an answer in milliseconds.
    pub request_timeout_ms: u64,
    /// Time between two measurements of a peer's round trip in milliseconds.
    pub ping_interval_ms: u64,
    /// How long a ban for bad standing lasts in milliseconds.
    pub ban_ms: u64,
    /// Longest wait before a peer is dialled again in milliseconds.
    pub redial_max_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            connections_per_peer_max: 4,
            pending_max: 128,
            vote_bytes_max: 64 << 10,
            checkpoint_bytes_max: 16 << 10,
            proposal_bytes_max: 9 << 20,
            input_bytes_max: 2 << 20,
            request_bytes_max: 4 << 10,
            directed_bytes_max: 64 << 10,
            response_bytes_max: 16 << 20,
            messages_per_s: 4_000,
            bytes_per_s: 64 << 20,
            paced_max: 8_192,
            request_timeout_ms: 10_000,
            ping_interval_ms: 5_000,
            ban_ms: 600_000,
            redial_max_ms: 2_000,
        }
    }
}

/// A mesh node's settings.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    /// The mesh: part of every protocol name.
    pub mesh: [u8; 32],
    /// The secret of the network key.
    pub network_seed: Zeroizing<[u8; 32]>,
    /// Where to listen, such as `/ip4/127.0.0.1/tcp/7001`.
    pub listen: Vec<String>,
    /// Peers to begin with: address and key.
    pub bootstrap: Vec<(PeerKey, String)>,
    /// Who may connect, with a word for people.
    pub admitted: BTreeMap<PeerKey, String>,
    /// The only admitted peers that this node is linked to; none: to all of them. Others
    /// are not dialled and have no connection, but what they write is passed on.
    pub links: Option<BTreeSet<PeerKey>>,
    /// What to bear.
    pub limits: Limits,
}

/// Why a mesh node cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The network key is unusable.
    #[error("the network key is unusable: {0}")]
    Key(String),
    /// An address cannot be read.
    #[error("{0:?} is no address: write it like /ip4/127.0.0.1/tcp/7001 or /ip4/127.0.0.1/udp/7001/quic-v1")]
    Address(String),
    /// Gossip, transport or listening failed.
    #[error("the network cannot be set up: {0}")]
    Network(String),
}

pub(crate) fn address(text: &str) -> Result<Multiaddr, StartError> {
    text.parse().map_err(|_| StartError::Address(text.to_owned()))
}
