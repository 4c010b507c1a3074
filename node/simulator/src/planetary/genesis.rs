//! Who is who in the planetary scenario.

use crate::setup::{BEGIN_MS, key};
use phalanx_fabric::defaults::planetary;
use phalanx_types::{
    DecodeError, Genesis, Hash, Name, Params, SigningKey, TimeMs, Validator, Weight, WorkerOffer,
    params::{Mode, Verification},
    tenant::{Quota, Tenant},
};
use std::collections::{BTreeMap, BTreeSet};

/// A tenant of each region, in the order of the shards.
pub(super) const TENANTS: [&str; 4] = ["terra-finance", "lunar-transit", "ares-works", "solar-lab"];

pub(super) struct Founding {
    pub genesis: Genesis,
    /// Region, key and workers of each node.
    pub nodes: Vec<(Name, SigningKey, Vec<WorkerOffer>)>,
    /// Key of each tenant, in the order of the shards.
    pub tenants: Vec<(Name, SigningKey)>,
    pub owner: SigningKey,
}

/// The documents' shards, workers and budgets, one node a region.
pub(super) fn found(seed: u64, label: &str) -> Result<Founding, DecodeError> {
    let planetary = planetary()?;
    let owner = key(4, 0);
    let (mut validators, mut nodes, mut tenants) = (Vec::new(), Vec::new(), Vec::new());
    let mut approvals = BTreeMap::new();
    for ((number, shard), tenant) in (0..).zip(&planetary.shards).zip(TENANTS) {
        let vote_key = key(1, number);
        validators.push(Validator {
            vote_key: vote_key.public(),
            network_key: key(2, number).public(),
            chain_address: [0; 20],
            base_weight: Weight(1),
            region: shard.name.clone(),
            label: shard.name.clone(),
        });
        let own: Vec<WorkerOffer> =
            planetary.workers.iter().filter(|w| w.region == shard.name).cloned().collect();
        approvals.extend(own.iter().map(|offer| (offer.worker.clone(), vote_key.public())));
        nodes.push((shard.name.clone(), vote_key, own));
        tenants.push((Name::new(tenant)?, key(3, number)));
    }
    let genesis = Genesis {
        mesh: Hash::sha3(format!("phalanx simulate planetary {seed} {label}").as_bytes()),
        time: TimeMs(BEGIN_MS),
        chain: None,
        owner: owner.public(),
        validators,
        mode: Mode::GeometricMesh,
        verification: Verification::FullAudit,
        shards: planetary.shards,
        latencies: planetary.latencies,
        tenants: tenants
            .iter()
            .map(|(name, key)| Tenant {
                name: name.clone(),
                keys: BTreeSet::from([key.public()]),
                quota: Quota::UNLIMITED,
            })
            .collect(),
        workers: approvals,
        // Light needs up to 370 ms from one region to another.
        params: Params {
            beat_interval_ms: 500,
            idle_beat_ms: 1_000,
            propose_timeout_ms: 1_500,
            vote_timeout_ms: 1_000,
            round_step_ms: 500,
            ..Params::default()
        },
    };
    Ok(Founding { genesis, nodes, tenants, owner })
}
