//! The libp2p mesh: topics, request-response, peer admission and scoring.
//!
//! The mesh carries opaque bytes between admitted peers and knows nothing of
//! what they mean. Messages to all travel by gossip on four [`Lane`]s and are
//! passed on only after the application has found them valid; questions to one
//! peer travel by request and response. A node may be linked to some of the admitted
//! peers only ([`MeshConfig::links`]); gossip reaches all as long as links lead
//! there. Other meshes speak other protocol
//! names, so they never understand one another.
//!
//! Invariants:
//!
//! - **N1** A peer that is not admitted, is banned, or is none of the links, has no
//!   connection.
//! - **N2** A gossip message is passed on only after the application said so.
//! - **N3** Every queue, message and rate has a named maximum; what is above it
//!   is dropped and costs its sender score.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod behaviour;
pub mod codec;
mod config;
mod driver;
mod handle;
pub mod pacer;
pub mod rate;
pub mod records;
mod session;
mod standing;

pub use config::{Lane, Limits, MeshConfig, PeerKey, StartError};
pub use handle::{MeshEvent, MeshHandle, PeerReport, RequestError, RequestToken, Service, Verdict};

use libp2p::identity::Keypair;
use tokio::sync::mpsc;

/// Events that wait for the application; when it is that far behind, gossip is
/// dropped (the protocols above bear loss) and questions go unanswered.
pub const EVENTS_MAX: usize = 4_096;
/// Commands that wait for the mesh; senders wait for room.
pub const COMMANDS_MAX: usize = 4_096;

/// Starts a mesh node on the current tokio runtime.
///
/// # Errors
/// When the keys, addresses or limits are unusable.
pub fn start(config: MeshConfig) -> Result<(MeshHandle, mpsc::Receiver<MeshEvent>), StartError> {
    let seed = config.network_seed.clone();
    let keypair = Keypair::ed25519_from_bytes(*seed).map_err(|error| StartError::Key(error.to_string()))?;
    let (events, receiver) = mpsc::channel(EVENTS_MAX);
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let driver = driver::Driver::new(config, keypair, events, inbox)?;
    let local = driver.local();
    tokio::spawn(driver.run());
    Ok((MeshHandle::new(commands, local), receiver))
}
