//! The mesh that is simulated: its genesis, keys and workers.

use crate::scenario::MeshMode;
use phalanx_fabric::defaults::planetary;
use phalanx_types::{
    DecodeError, Genesis, Hash, Name, Params, SigningKey, TimeMs, Validator, Weight, WorkerOffer,
    params::Verification,
    tenant::{Quota, Tenant},
};
use std::collections::{BTreeMap, BTreeSet};

/// When simulated meshes begin.
pub(crate) const BEGIN_MS: u64 = 1_700_000_000_000;

/// Who is who in a simulated mesh.
#[derive(Debug)]
pub(crate) struct Setup {
    pub genesis: Genesis,
    /// Vote keys, one a node. They also sign for the node's workers.
    pub nodes: Vec<SigningKey>,
    /// The workers of each node.
    pub workers: Vec<Vec<WorkerOffer>>,
    pub tenant: SigningKey,
}

pub(crate) fn key(purpose: u8, number: u64) -> SigningKey {
    let mut seed = [purpose; 32];
    if let Some(head) = seed.get_mut(..8) {
        head.copy_from_slice(&number.to_le_bytes());
    }
    SigningKey::from_seed(seed)
}

/// A mesh of `count` nodes in the planetary fabric, each with two workers.
pub(crate) fn setup(count: usize, mode: MeshMode, verification: Verification) -> Result<Setup, DecodeError> {
    let planetary = planetary()?;
    let nodes: Vec<SigningKey> = (0..count as u64).map(|i| key(1, i)).collect();
    let regions: Vec<Name> = planetary.shards.iter().map(|s| s.name.clone()).collect();
    let region = |i: usize| regions.get(i % regions.len().max(1)).cloned();
    let mut workers = vec![Vec::new(); count];
    let mut approvals = BTreeMap::new();
    let mut validators = Vec::new();
    for (i, (node, own)) in nodes.iter().zip(&mut workers).enumerate() {
        let Some(region) = region(i) else { continue };
        validators.push(Validator {
            vote_key: node.public(),
            network_key: key(2, i as u64).public(),
            chain_address: [0; 20],
            base_weight: Weight(1),
            region: region.clone(),
            label: Name::new(&format!("node-{}", i + 1))?,
        });
        // The document's workers of this region, renamed for this node.
        for offer in planetary.workers.iter().filter(|w| w.region == region) {
            let offer = WorkerOffer {
                worker: Name::new(&format!("n{}.{}", i + 1, offer.worker))?,
                heartbeat_interval_ms: 2_000,
                ..offer.clone()
            };
            approvals.insert(offer.worker.clone(), node.public());
            own.push(offer);
        }
    }
    let tenant = key(3, 0);
    let owner = key(4, 0);
    let genesis = Genesis {
        mesh: Hash::sha3(b"a simulated mesh"),
        time: TimeMs(BEGIN_MS),
        chain: None,
        owner: owner.public(),
        mode: mode.of(&validators),
        validators,
        verification,
        shards: planetary.shards,
        latencies: planetary.latencies,
        tenants: vec![Tenant {
            name: Name::new("acme")?,
            keys: BTreeSet::from([tenant.public()]),
            quota: Quota::UNLIMITED,
        }],
        workers: approvals,
        params: Params {
            beat_interval_ms: 20,
            idle_beat_ms: 100,
            checkpoint_beats: 16,
            lease_ms: 8_000,
            ..Params::default()
        },
    };
    Ok(Setup { genesis, nodes, workers, tenant })
}
