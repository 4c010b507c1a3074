//! What every validator reckons with: Poseidon, leaves, trees. No Groth16.
//!
//! Bytes of 32 (ids, hashes, seeds) become field elements as big-endian numbers modulo
//! `r`. Two hashes that differ stay different but with probability `2^-126`; who makes a
//! seed himself may make two that count as one, and gains nothing by it.

mod agent;
mod audit;
mod error;
mod openings;
mod packing;
mod policy;
pub mod poseidon;
pub mod tags;
mod tree;

pub use agent::{
    AgentState, agent_leaves, blinding, capacity_hash, nullifier, position_nullifier, resources_hash,
    tenant_field,
};
pub use ark_bn254::Fr;
pub use audit::{Action, beat_digest};
pub use error::Error;
pub use openings::{OpenedAction, Openings, action_leaves};
pub use packing::{COORDINATES_PER_ELEMENT, SLOT_BITS, pack, position_hash};
pub use policy::{Policy, RULES_MAX, Rule, Selector};
pub use tree::{ARITY, Change, DEPTH, LEAVES_MAX, Path, Tree, empty_node};

use ark_ff::PrimeField;
use phalanx_types::Hash;
use sha3::{Digest, Keccak256};

/// 32 bytes as a field element: the big-endian number modulo `r`.
#[must_use]
pub fn field_of(bytes: &[u8; 32]) -> Fr {
    Fr::from_be_bytes_mod_order(bytes)
}

/// A field element as 32 big-endian bytes, as the chain and checkpoints hold roots.
#[must_use]
pub fn bytes_of(element: Fr) -> Hash {
    use ark_ff::BigInteger;
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(element.into_bigint().to_bytes_be()) {
        *to = from;
    }
    Hash(bytes)
}

/// 32 big-endian bytes as the field element they stand for.
///
/// # Errors
/// When they are the modulus or more: that is no root and no input.
pub fn element_of(bytes: &Hash) -> Result<Fr, Error> {
    let element = field_of(&bytes.0);
    if bytes_of(element) == *bytes { Ok(element) } else { Err(Error::NotCanonical { bytes: *bytes }) }
}

/// What a proof is made for: `keccak256(abi.encode(chain id, contract, purpose)) mod r`.
/// A nullifier is unique in its context only.
#[must_use]
pub fn context(chain_id: u64, contract: &[u8; 20], purpose: &Hash) -> Fr {
    let mut hasher = Keccak256::new();
    hasher.update([0; 24]);
    hasher.update(chain_id.to_be_bytes());
    hasher.update([0; 12]);
    hasher.update(contract);
    hasher.update(purpose.0);
    field_of(&hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_has_one_encoding() {
        let most = bytes_of(-Fr::from(1));
        assert_eq!(element_of(&most), Ok(-Fr::from(1)));
        let mut modulus = most;
        modulus.0[31] += 1;
        assert_eq!(element_of(&modulus), Err(Error::NotCanonical { bytes: modulus }));
        assert!(element_of(&Hash([0xff; 32])).is_err());
    }

    #[test]
    fn a_context_is_bound_to_each_of_its_parts() {
        let base = context(1, &[2; 20], &Hash([3; 32]));
        assert_ne!(base, context(2, &[2; 20], &Hash([3; 32])));
        assert_ne!(base, context(1, &[3; 20], &Hash([3; 32])));
        assert_ne!(base, context(1, &[2; 20], &Hash([4; 32])));
    }
}
