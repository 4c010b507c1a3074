//! Groth16 over BN254: setup, prover, verifier, keys.
//!
//! There is one reduction to a QAP, circom's ([`qap`]), so that keys of a snarkjs
//! ceremony and development keys are used alike. Randomness comes in as 32 bytes.

mod error;
mod keys;
pub mod points;
mod prover;
pub mod qap;
mod setup;
mod sums;
mod verifier;

pub use error::{KeyError, PointError, ProveError, Refused};
pub(crate) use keys::domain_size;
pub use keys::{Identity, Provenance, ProvingKey, RawKey, VerifyingKey};
pub use prover::Prover;
pub use setup::setup_dev;
pub use verifier::{Proof, Verifier};

use sha3::{Digest, Sha3_256};

/// A generator that is seeded by the hash of a tag and of parts.
fn seeded(tag: &str, parts: &[&[u8]]) -> ark_std::rand::rngs::StdRng {
    let mut hasher = Sha3_256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    for part in parts {
        hasher.update(part);
    }
    ark_std::rand::SeedableRng::from_seed(hasher.finalize().into())
}
