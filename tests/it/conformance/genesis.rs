//! Genesis documents: JSON, encoding, hash, first validators.

use super::hx;
use phalanx_fabric::Fabric;
use phalanx_tests::mesh;
use phalanx_types::{
    Genesis, Hash, Validator, encode,
    genesis::ChainBinding,
    params::{Mode, Verification},
    shard::ShardSpec,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const REGIONS: [&str; 4] = ["earth", "luna", "mars", "helios"];

/// Four regions, two validators in each.
pub fn large(mode: Mode) -> Genesis {
    let small = mesh::genesis();
    let shard = |region: &&str| ShardSpec {
        name: mesh::name(region),
        queue_budget: 100,
        latency_budget_ms: 120,
        spillover: vec![mesh::name("earth")],
        specialties: BTreeSet::from([mesh::name("finance"), mesh::name("analytics")]),
    };
    let validator = |i: u8| Validator {
        vote_key: mesh::key(20 + i).public(),
        network_key: mesh::key(40 + i).public(),
        chain_address: [i; 20],
        region: mesh::name(REGIONS[usize::from(i) / 2]),
        label: mesh::name(&format!("node-{i}")),
        ..small.validators[0].clone()
    };
    Genesis {
        chain: Some(ChainBinding { chain_id: 11_155_111, contract: [0xc0; 20], code_hash: Hash([0xc1; 32]) }),
        validators: (0..8).map(validator).collect(),
        mode,
        verification: Verification::Sample { fraction_ppm: 50_000 },
        shards: REGIONS.iter().map(shard).collect(),
        ..small
    }
}

fn all() -> Vec<(&'static str, Genesis)> {
    let voter = |i: u8| mesh::key(20 + i).public();
    let coordinators: BTreeMap<_, _> = REGIONS
        .iter()
        .zip(0_u8..)
        .map(|(region, i)| (mesh::name(region), vec![voter(2 * i + 1), voter(2 * i)]))
        .collect();
    vec![
        ("small", mesh::genesis()),
        ("centralized", large(Mode::Centralized { succession: vec![voter(3), voter(0)] })),
        ("federated", large(Mode::Federated { coordinators })),
        ("geometric_mesh", large(Mode::GeometricMesh)),
    ]
}

pub fn vectors() -> Value {
    let documents: Vec<Value> = all()
        .iter()
        .map(|(name, genesis)| {
            let json = serde_json::to_value(genesis).unwrap();
            assert_eq!(&Genesis::from_json(json.to_string().as_bytes()).unwrap(), genesis);
            json!({"name": name, "json": json, "borsh": hx(encode(genesis)), "hash": genesis.hash(),
                "first_members": genesis.first_members(), "first_set_hash": mesh::first_set(genesis).hash()})
        })
        .collect();
    json!({"documents": documents})
}

#[test]
fn the_fabric_begins_with_the_set_that_the_genesis_gives() {
    for (name, genesis) in all() {
        let (_, applied) = Fabric::genesis(&genesis).unwrap();
        assert_eq!(applied.next_set.members(), genesis.first_members(), "{name}");
    }
}
