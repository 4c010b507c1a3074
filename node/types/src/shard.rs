//! Shards: the regions of the planetary fabric and their budgets.

use crate::name::Name;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most shards of one mesh.
pub const SHARDS_MAX: usize = 64;

/// A shard's settings, the owner's to change.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSpec {
    /// Its name: the region's.
    pub name: Name,
    /// Most jobs that may wait here; more spill over.
    pub queue_budget: u32,
    /// Latency that work of this region may have.
    pub latency_budget_ms: u32,
    /// Where overflow goes, in this order.
    pub spillover: Vec<Name>,
    /// What this region is good at, in the documents' words.
    pub specialties: BTreeSet<Name>,
}

/// One-way latency between two regions, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LatencyEntry {
    /// From.
    pub from: Name,
    /// To.
    pub to: Name,
    /// Milliseconds.
    pub latency_ms: u32,
}
