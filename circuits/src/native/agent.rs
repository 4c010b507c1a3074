//! What an agent is at one nonce, and its commitment: the leaf of the agents tree.

use super::{
    Error, Fr, field_of, packing,
    poseidon::{hash, hash_each, hash_list},
    tags,
};
use ark_ff::PrimeField;
use phalanx_types::{
    AgentId, Name, Resources,
    agent::{AgentSeed, Position},
    resources::{GPU_MILLI, WorkerResources},
};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroize;

/// An agent after its action number `nonce`. Its place and its seed are secret: it has
/// no `Debug`, and is wiped when dropped.
#[derive(Clone)]
pub struct AgentState {
    /// Its identity.
    pub id: AgentId,
    /// Whose it is: [`tenant_field`] of its name.
    pub tenant: Fr,
    /// Where it is.
    pub position: Position,
    /// What it takes from its worker.
    pub resources: Resources,
    /// Root of the policy that binds it.
    pub policy_root: Fr,
    /// How many actions it has taken.
    pub nonce: u64,
    /// From which its blindings are derived.
    pub seed: AgentSeed,
}

impl AgentState {
    /// Poseidon(AGENT, id, tenant, position hash, resources hash, policy root, nonce,
    /// blinding): what is in the agents tree. Who does not know the seed learns nothing
    /// from it.
    ///
    /// # Errors
    /// When the position is not valid.
    pub fn leaf(&self) -> Result<Fr, Error> {
        let position = packing::position_hash(&self.position)?;
        let blinding = blinding(&self.seed, self.nonce);
        Ok(hash(self.leaf_inputs(position, resources_hash(&self.resources), blinding)))
    }

    fn leaf_inputs(&self, position: Fr, resources: Fr, blinding: Fr) -> [Fr; 8] {
        [
            tags::AGENT.field(),
            field_of(&self.id.0),
            self.tenant,
            position,
            resources,
            self.policy_root,
            Fr::from(self.nonce),
            blinding,
        ]
    }
}

/// The leaf of each agent ([`AgentState::leaf`]), of many at once. Most agents ask for what
/// others ask for: that is hashed once.
///
/// # Errors
/// When a position is not valid.
pub fn agent_leaves(agents: &[&AgentState]) -> Result<Vec<Fr>, Error> {
    let asked: BTreeSet<Resources> = agents.iter().map(|agent| agent.resources).collect();
    let hashes: BTreeMap<Resources, Fr> = asked.into_iter().map(|r| (r, resources_hash(&r))).collect();
    let positions: Vec<Vec<Fr>> =
        agents.iter().map(|agent| packing::position_inputs(&agent.position)).collect::<Result<_, _>>()?;
    let blindings: Vec<[Fr; 3]> =
        agents.iter().map(|agent| blinding_inputs(&agent.seed, agent.nonce)).collect();
    let inputs: Vec<[Fr; 8]> = agents
        .iter()
        .zip(hash_each(&positions).into_iter().zip(hash_each(&blindings)))
        .map(|(agent, (position, blinding))| {
            let resources = hashes.get(&agent.resources).copied().unwrap_or_default();
            agent.leaf_inputs(position, resources, blinding)
        })
        .collect();
    Ok(hash_each(&inputs))
}

impl Drop for AgentState {
    fn drop(&mut self) {
        self.position.0.zeroize();
        self.seed.0.zeroize();
        self.nonce.zeroize();
    }
}

/// Poseidon over a name, 31 bytes an element.
#[must_use]
pub fn tenant_field(tenant: &Name) -> Fr {
    let bytes = tenant.as_str().as_bytes();
    let elements: Vec<Fr> = bytes.chunks(31).map(Fr::from_be_bytes_mod_order).collect();
    hash_list(tags::TENANT, bytes.len() as u32, &elements)
}

/// Poseidon(BLIND, seed, nonce).
#[must_use]
pub fn blinding(seed: &AgentSeed, nonce: u64) -> Fr {
    hash(blinding_inputs(seed, nonce))
}

fn blinding_inputs(seed: &AgentSeed, nonce: u64) -> [Fr; 3] {
    [tags::BLIND.field(), field_of(&seed.0), Fr::from(nonce)]
}

/// Poseidon(RESOURCES, thousandths of a core, MiB, thousandths of a GPU). The last one
/// tells the kind of the request: none, a part of one, or whole ones.
#[must_use]
pub fn resources_hash(resources: &Resources) -> Fr {
    hash([
        tags::RESOURCES.field(),
        Fr::from(resources.cpu_milli),
        Fr::from(resources.memory_mib),
        Fr::from(resources.gpu.total_milli()),
    ])
}

/// Poseidon(CAPACITY, thousandths of a core, MiB, thousandths of a GPU) of a worker.
#[must_use]
pub fn capacity_hash(worker: &WorkerResources) -> Fr {
    hash(capacity_inputs(worker))
}

pub(super) fn capacity_inputs(worker: &WorkerResources) -> [Fr; 4] {
    [
        tags::CAPACITY.field(),
        Fr::from(worker.cpu_milli),
        Fr::from(worker.memory_mib),
        Fr::from(u32::from(worker.gpus) * u32::from(GPU_MILLI)),
    ]
}

/// Poseidon(NULLIFIER, seed, audit index, context): what a proof of an action spends.
#[must_use]
pub fn nullifier(seed: &AgentSeed, audit_index: u64, context: Fr) -> Fr {
    hash([tags::NULLIFIER.field(), field_of(&seed.0), Fr::from(audit_index), context])
}

/// Poseidon(NULLIFIER_POSITION, seed, nonce, context): what a proof of a position spends.
/// A position is in no audit leaf; its nonce takes the index's place, under its own tag.
#[must_use]
pub fn position_nullifier(seed: &AgentSeed, nonce: u64, context: Fr) -> Fr {
    hash([tags::NULLIFIER_POSITION.field(), field_of(&seed.0), Fr::from(nonce), context])
}

#[cfg(test)]
mod tests {
    use super::*;
    use phalanx_types::GpuRequest;

    fn agent() -> AgentState {
        AgentState {
            id: AgentId([1; 32]),
            tenant: tenant_field(&Name::new("acme").unwrap()),
            position: Position(vec![5, -7]),
            resources: Resources { cpu_milli: 1, memory_mib: 2, gpu: GpuRequest::Shared { milli: 3 } },
            policy_root: Fr::from(4),
            nonce: 5,
            seed: AgentSeed([6; 32]),
        }
    }

    #[test]
    fn a_leaf_is_bound_to_each_part_of_the_agent() {
        let changes: [fn(&mut AgentState); 9] = [
            |a| a.id.0[31] ^= 1,
            |a| a.tenant = tenant_field(&Name::new("acmf").unwrap()),
            |a| a.position.0[1] += 1,
            |a| a.resources.cpu_milli += 1,
            |a| a.resources.memory_mib += 1,
            |a| a.resources.gpu = GpuRequest::None,
            |a| a.policy_root += Fr::from(1),
            |a| a.nonce += 1,
            |a| a.seed.0[0] ^= 1,
        ];
        let leaf = agent().leaf().unwrap();
        for (i, change) in changes.iter().enumerate() {
            let mut other = agent();
            change(&mut other);
            assert_ne!(other.leaf().unwrap(), leaf, "change {i}");
        }
    }

    #[test]
    fn many_leaves_are_those_of_each() {
        let of = |i: u64| {
            let mut one = agent();
            one.nonce = i;
            one.resources.cpu_milli += (i % 3) as u32;
            one.position = Position((0..=(i / 40 % 4) as i64 * 30 + 1).collect());
            one
        };
        let agents: Vec<AgentState> = (0..600).map(of).collect();
        let each: Vec<Fr> = agents.iter().map(|one| one.leaf().unwrap()).collect();
        assert_eq!(agent_leaves(&agents.iter().collect::<Vec<_>>()).unwrap(), each);
    }

    #[test]
    fn nullifiers_of_positions_and_actions_are_apart() {
        let seed = AgentSeed([6; 32]);
        assert_ne!(nullifier(&seed, 5, Fr::from(1)), position_nullifier(&seed, 5, Fr::from(1)));
        assert_ne!(nullifier(&seed, 5, Fr::from(1)), nullifier(&seed, 5, Fr::from(2)));
    }
}
