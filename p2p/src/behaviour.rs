//! The protocols of a mesh node, put together.

use crate::{
    codec::FrameCodec,
    config::{Lane, Limits, StartError},
};
use libp2p::{
    allow_block_list::{self, AllowedPeers, BlockedPeers},
    connection_limits::{self, ConnectionLimits},
    gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode},
    identify,
    identity::Keypair,
    ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use std::time::Duration;

/// Questions that are open at one time on a connection, in both directions: room for
/// directed messages, which stay open on their way, beside all others.
const STREAMS_MAX: usize = 128;

/// All protocols. Admission comes first: it denies before others see a peer.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub allowed: allow_block_list::Behaviour<AllowedPeers>,
    pub blocked: allow_block_list::Behaviour<BlockedPeers>,
    pub limits: connection_limits::Behaviour,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub gossip: gossipsub::Behaviour,
    pub asks: request_response::Behaviour<FrameCodec>,
}

/// The name of a protocol of this mesh.
fn name(mesh: &[u8; 32], what: &str) -> String {
    let id: String = mesh.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("/phalanx/{id}/{what}/1")
}

/// A name of this process that no earlier one of this node had.
fn process_name() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("phalanx/{} {}-{}", env!("CARGO_PKG_VERSION"), std::process::id(), since.as_micros())
}

/// The topic of a lane.
pub(crate) fn topic(mesh: &[u8; 32], lane: Lane) -> IdentTopic {
    IdentTopic::new(name(mesh, lane.name()))
}

impl Behaviour {
    pub(crate) fn new(keypair: &Keypair, mesh: &[u8; 32], limits: &Limits) -> Result<Self, StartError> {
        let failed = |error: String| StartError::Network(error);
        let largest = limits.proposal_bytes_max.max(limits.input_bytes_max).max(limits.vote_bytes_max);
        let mut gossip = gossipsub::ConfigBuilder::default();
        gossip
            .protocol_id_prefix(name(mesh, "gossip"))
            .heartbeat_interval(Duration::from_millis(200))
            .validation_mode(ValidationMode::Strict)
            .validate_messages()
            .flood_publish(true)
            // What is published again is a message of its own: a vote that was
            // lost must pass a second time. So the id is author and number.
            .duplicate_cache_time(Duration::from_secs(60))
            .max_transmit_size(largest + 1_024);
        for lane in Lane::ALL {
            let max = match lane {
                Lane::Votes => limits.vote_bytes_max,
                Lane::Proposals => limits.proposal_bytes_max,
                Lane::Inputs => limits.input_bytes_max,
                Lane::Checkpoints => limits.checkpoint_bytes_max,
            };
            gossip.max_transmit_size_for_topic(max + 1_024, topic(mesh, lane).hash());
        }
        let gossip = gossip.build().map_err(|e| failed(e.to_string()))?;
        let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Signed(keypair.clone()), gossip)
            .map_err(|e| failed(e.to_owned()))?;
        let thresholds = gossipsub::PeerScoreThresholds::default();
        // Many nodes of a test or a rack share one address: it is no offence.
        let params = gossipsub::PeerScoreParams { ip_colocation_factor_weight: 0.0, ..Default::default() };
        gossip.with_peer_score(params, thresholds).map_err(failed)?;
        for lane in Lane::ALL {
            gossip.subscribe(&topic(mesh, lane)).map_err(|e| failed(e.to_string()))?;
        }
        let codec = FrameCodec {
            request_max: limits
                .request_bytes_max
                .max(limits.directed_bytes_max)
                .max(crate::records::RECORDS_BYTES_MAX)
                + 1,
            response_max: limits.response_bytes_max.max(crate::records::RECORDS_BYTES_MAX) + 1,
        };
        let asks = request_response::Behaviour::with_codec(
            codec,
            [(name(mesh, "ask"), ProtocolSupport::Full)],
            request_response::Config::default()
                .with_request_timeout(Duration::from_millis(limits.request_timeout_ms))
                .with_max_concurrent_streams(STREAMS_MAX),
        );
        let connections = ConnectionLimits::default()
            .with_max_established(Some(limits.connections_max))
            .with_max_established_per_peer(Some(limits.connections_per_peer_max))
            .with_max_pending_incoming(Some(limits.pending_max))
            .with_max_pending_outgoing(Some(limits.pending_max));
        Ok(Self {
            allowed: allow_block_list::Behaviour::default(),
            blocked: allow_block_list::Behaviour::default(),
            limits: connection_limits::Behaviour::new(connections),
            identify: identify::Behaviour::new(
                identify::Config::new(name(mesh, "identify"), keypair.public())
                    .with_agent_version(process_name()),
            ),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(Duration::from_millis(limits.ping_interval_ms)),
            ),
            gossip,
            asks,
        })
    }
}
