//! Tenants: whose keys may submit what, and how much.

use crate::{crypto::PublicKey, name::Name};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most keys of one tenant.
pub const TENANT_KEYS_MAX: usize = 64;

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Its name.
    pub name: Name,
    /// Keys that may sign for it.
    pub keys: BTreeSet<PublicKey>,
    /// Its quota.
    pub quota: Quota,
}

/// What a tenant may hold at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Jobs waiting or running.
    pub jobs_max: u32,
    /// Agents alive.
    pub agents_max: u32,
    /// CPU of waiting and running jobs and agents, in thousandths of a core.
    #[serde(with = "crate::units::decimal")]
    pub cpu_milli_max: u64,
    /// Memory of the same, in MiB.
    #[serde(with = "crate::units::decimal")]
    pub memory_mib_max: u64,
    /// GPUs of the same, in thousandths.
    #[serde(with = "crate::units::decimal")]
    pub gpu_milli_max: u64,
}

impl Quota {
    /// No limit but what the integers hold.
    pub const UNLIMITED: Self = Self {
        jobs_max: u32::MAX,
        agents_max: u32::MAX,
        cpu_milli_max: u64::MAX,
        memory_mib_max: u64::MAX,
        gpu_milli_max: u64::MAX,
    };
}
