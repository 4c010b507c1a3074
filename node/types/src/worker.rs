//! Workers: what they offer, and the signs of life they give.

use crate::{name::Name, resources::WorkerResources, units::MicroUnits};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most capabilities one worker may declare.
pub const CAPABILITIES_MAX: usize = 32;
/// Most workers in one heartbeat batch.
pub const HEARTBEAT_BATCH_MAX: usize = 4_096;

/// A worker's offer to the marketplace, signed by the key that the owner
/// approved for it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerOffer {
    /// Its name, such as `earth.core-alpha`.
    pub worker: Name,
    /// The region (shard) it serves.
    pub region: Name,
    /// Its weight in routing: free weighted capacity is this times the free
    /// share of its slots.
    pub capacity: u32,
    /// Most attempts at one time.
    pub max_concurrency: u32,
    /// It promises a sign of life at least this often.
    pub heartbeat_interval_ms: u32,
    /// It promises to take an attempt up within this time; added to the agreed
    /// latency of its region where latency counts.
    pub latency_window_ms: u32,
    /// What it can do.
    pub capabilities: BTreeSet<Name>,
    /// What it has.
    pub resources: WorkerResources,
    /// Price of one attempt.
    pub price: MicroUnits,
}
