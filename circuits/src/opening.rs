//! What statements open alike: an agent's leaf, a policy's root, a worker's capacity.

use crate::{
    native::{AgentState, Fr, Policy, RULES_MAX, field_of, tags},
    r1cs::{Mismatch, Place, System, hash, place},
};
use ark_ff::Field;
use phalanx_types::{Resources, agent::Position, resources::WorkerResources};

/// The least amount of bits that every amount of resources fits.
const AMOUNT_BITS: u32 = 32;

/// What stays the same from one action of an agent to the next. Bound by the leaf, whose
/// preimage they are part of, so that none needs a range.
pub(crate) struct Identity<N> {
    id: N,
    tenant: N,
    pub(crate) seed: N,
}

/// An opened leaf.
pub(crate) struct Opened<N> {
    pub(crate) place: Place<N>,
    pub(crate) policy_root: N,
    pub(crate) leaf: N,
}

pub(crate) fn identity<C: System>(cs: &mut C, agent: &AgentState) -> Identity<C::Num> {
    Identity {
        id: cs.witness(field_of(&agent.id.0)),
        tenant: cs.witness(agent.tenant),
        seed: cs.witness(field_of(&agent.seed.0)),
    }
}

/// Opens a leaf over the hash of its resources.
pub(crate) fn leaf<C: System>(
    cs: &mut C,
    who: &Identity<C::Num>,
    nonce: &C::Num,
    position: &Position,
    resources_hash: &C::Num,
    policy_root: Fr,
) -> Opened<C::Num> {
    let place = place(cs, position);
    let policy_root = cs.witness(policy_root);
    let blinding = hash(cs, Some(tags::BLIND), [&who.seed, nonce]);
    let parts = [&who.id, &who.tenant, &place.hash, resources_hash, &policy_root, nonce, &blinding];
    let leaf = hash(cs, Some(tags::AGENT), parts);
    Opened { place, policy_root, leaf }
}

/// An opened policy: its step, which is no reach yet, its places and its root.
pub(crate) struct OpenedPolicy<N> {
    pub(crate) step: N,
    pub(crate) places: [N; RULES_MAX],
    pub(crate) root: N,
}

/// Opens a policy's root. Its parts are inputs of Poseidon, so that none needs a range.
pub(crate) fn policy<C: System>(cs: &mut C, policy: &Policy) -> OpenedPolicy<C::Num> {
    let step = cs.witness(Fr::from(policy.step().raw()));
    let places = policy.places().map(|place| cs.witness(place));
    let [a, b, c, d, e, f, g] = &places;
    let root = hash(cs, Some(tags::POLICY), [&step, a, b, c, d, e, f, g]);
    OpenedPolicy { step, places, root }
}

/// Opens what an agent takes and what its worker has: `(resources hash, capacity hash)`,
/// where no amount is above the worker's. Amounts are range-checked.
pub(crate) fn capacity<C: System>(
    cs: &mut C,
    resources: &Resources,
    worker: &WorkerResources,
) -> (C::Num, C::Num) {
    let taken = [resources.cpu_milli, resources.memory_mib, resources.gpu.total_milli()];
    let gpus_milli = u32::from(worker.gpus) * u32::from(phalanx_types::resources::GPU_MILLI);
    let held = [worker.cpu_milli, worker.memory_mib, gpus_milli];
    let taken = taken.map(|amount| cs.witness(Fr::from(amount)));
    let held = held.map(|amount| cs.witness(Fr::from(amount)));
    for (amount, limit) in taken.iter().zip(&held) {
        let room = cs.sum([(Fr::ONE, limit), (-Fr::ONE, amount)]);
        crate::r1cs::range(cs, "an amount has 32 bits", amount, AMOUNT_BITS);
        crate::r1cs::range(cs, "an amount has 32 bits", limit, AMOUNT_BITS);
        crate::r1cs::range(cs, "the agent fits its worker", &room, AMOUNT_BITS);
    }
    let (resources, worker) = (taken.each_ref(), held.each_ref());
    (hash(cs, Some(tags::RESOURCES), resources), hash(cs, Some(tags::CAPACITY), worker))
}

/// Positions of the circuit's dimension.
pub(crate) fn dimensions(expected: usize, positions: &[&Position]) -> Result<(), Mismatch> {
    positions.iter().try_for_each(|position| Mismatch::dimension(expected, position))
}
