//! Where nodes are by round-trip times, and messages that find their way over the mesh's
//! links.
//!
//! A node keeps a place of its own in the ball ([`Places`]) from the round trips that
//! `p2p` measures, held by the agreed place of its region. Every few seconds it asks each
//! linked peer where it is and whom it is linked to. From that follows the view by which
//! a [`Directed`](wire::Directed) message goes from node to node, as
//! `phalanx_geometry::routing` says: each hop asks the next one and waits, and the answer
//! comes back along the open questions. So a node keeps nothing for a message but the
//! question that is open, and these are counted ([`bounds`]).
//!
//! A [`Router`] does this on a running mesh. Who asks a peer something uses
//! [`Router::ask`]: directly where there is a link, else by a directed message.
//!
//! Invariants:
//!
//! - **D1** A message arrives whenever a path of links that answer leads to its target in
//!   at most [`HOPS_MAX`] hops of its search, and the time lasts. A hop that fails, falls
//!   silent or is busy is cut from the view, and the message goes another way.
//! - **D2** What a node keeps for others is at most [`bounds::OPEN_MAX`] open questions of
//!   at most [`wire::DIRECTED_BYTES_MAX`] bytes, at most [`TRIP_MS_MAX`] each, and one list
//!   of neighbours a link. Only members of the mesh are in lists and counts.
//! - **D3** A message is signed by its source, an answer by the target over mesh, question
//!   and a number that the source drew. Every node on the way checks both before it passes
//!   them on, so one that is not signed is the fault of the peer that handed it over.
//! - **D4** Malformed bytes cost the peer that sent them [`GARBAGE_POINTS`]; honest nodes
//!   decode what they pass on, so they never send such.
//! - **D5** Messages are counted by source: who sends too many is short of room itself, and
//!   neither who passes them on nor other sources are.
//!
//! What is believed as far as it goes: a relay's word that there is no path, the nodes and
//! times of a way ([`Trip::way`]), and where others say they are. A liar among the members
//! can lose messages that go over it, as it could by silence, send again what passed over
//! it at the cost of the source's room, and make ways longer.
//!
//! Formats are in `docs/formats.md` of this crate.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod bounds;
mod flows;
mod places;
mod router;
mod trip;
pub mod wire;

pub use places::{Members, Places, Row, Source};
pub use router::{Asked, Delivered, Router, RouterConfig, StartError};
pub use trip::{SendError, Trip};

use std::time::Duration;

/// Most hops of a directed message: each of them is a question that stays open. A search
/// of `n` nodes takes `4n` at most, and a message usually goes by nearly the shortest way.
pub const HOPS_MAX: u16 = 256;
/// Longest time of a directed message in milliseconds, below that of a question between
/// two peers and of a call to the node.
pub const TRIP_MS_MAX: u32 = 8_000;
/// Most bytes of what a directed message carries.
pub const CONTENT_BYTES_MAX: usize = 4 << 10;
/// Most bytes of its answer: an answer of beats fits.
pub const BODY_BYTES_MAX: usize = 14 << 20;
/// Most neighbours that a node tells of: as many as it has connections.
pub const NEIGHBOURS_TOLD_MAX: usize = 512;
/// Points that malformed bytes cost.
pub const GARBAGE_POINTS: i64 = 200;
/// Points that a question costs that is beyond what a peer may have open.
pub const EXCESS_POINTS: i64 = 20;
/// How often linked peers are asked where they are.
pub const ROUND: Duration = Duration::from_secs(3);
/// How long the answer to that may take; a peer that takes longer is not sent to.
pub const LIST_PATIENCE: Duration = Duration::from_secs(2);
