//! Ed25519 keys and signatures, verified by ZIP-215 rules.
//!
//! ZIP-215 makes batch and single verification agree on every input, so that
//! nodes that verify in different batches never disagree on a beat.

use crate::hex_bytes::hex_bytes;
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sha3::{Digest, Sha3_256};
use std::fmt;
use zeroize::Zeroizing;

hex_bytes! {
    /// An Ed25519 public key. It is the identity of who signs with it.
    PublicKey, 32
}

hex_bytes! {
    /// An Ed25519 signature.
    Signature, 64
}

/// An Ed25519 secret key. Wiped when dropped, never shown.
#[derive(Clone)]
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    key: ed25519_zebra::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// The key of a 32-byte seed, which must come from a good random source.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = ed25519_zebra::SigningKey::from(seed);
        let public = PublicKey(VerificationKeyBytes::from(&key).into());
        Self { seed: Zeroizing::new(seed), key, public }
    }

    /// The seed, to be written to a key file.
    #[must_use]
    pub fn seed(&self) -> &Zeroizing<[u8; 32]> {
        &self.seed
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs `tag ‖ 00 ‖ body`.
    #[must_use]
    pub fn sign(&self, tag: &str, body: &[u8]) -> Signature {
        Signature(self.key.sign(&signed_bytes(tag, body)).into())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public.short())
    }
}

/// The bytes under a signature: `tag ‖ 00 ‖ body`.
#[must_use]
pub fn signed_bytes(tag: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(tag.len() + 1 + body.len());
    bytes.extend_from_slice(tag.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(body);
    bytes
}

impl PublicKey {
    /// Whether `signature` is this key's over `tag ‖ 00 ‖ body`.
    #[must_use]
    pub fn verifies(&self, tag: &str, body: &[u8], signature: &Signature) -> bool {
        VerificationKey::try_from(VerificationKeyBytes::from(self.0)).is_ok_and(|key| {
            key.verify(&ed25519_zebra::Signature::from(signature.0), &signed_bytes(tag, body)).is_ok()
        })
    }
}

/// One claim of a batch: who, which tag, which body, which signature.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// The domain tag.
    pub tag: &'static str,
    /// The signed body.
    pub body: &'a [u8],
    /// The signature.
    pub signature: Signature,
}

/// Whether all claims hold; about twice as fast as one by one.
///
/// The blinding factors are drawn from a hash of all the claims, so the answer
/// is a pure function of them. By ZIP-215 it is what [`PublicKey::verifies`]
/// says of each, but for a chance of 2^-128 that nobody can steer short of
/// breaking SHA3.
#[must_use]
pub fn verify_batch(claims: &[Claim<'_>]) -> bool {
    let mut transcript = Sha3_256::new();
    let mut verifier = batch::Verifier::new();
    for claim in claims {
        let message = signed_bytes(claim.tag, claim.body);
        transcript.update(claim.key.0);
        transcript.update(claim.signature.0);
        transcript.update(Sha3_256::digest(&message));
        verifier.queue((
            VerificationKeyBytes::from(claim.key.0),
            ed25519_zebra::Signature::from(claim.signature.0),
            &message,
        ));
    }
    let blinding = ChaCha20Rng::from_seed(transcript.finalize().into());
    verifier.verify(blinding).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_only_for_its_key_tag_and_body() {
        let key = SigningKey::from_seed([1; 32]);
        let other = SigningKey::from_seed([2; 32]);
        let signature = key.sign("a", b"body");
        assert!(key.public().verifies("a", b"body", &signature));
        assert!(!key.public().verifies("b", b"body", &signature));
        assert!(!key.public().verifies("a", b"bodY", &signature));
        assert!(!other.public().verifies("a", b"body", &signature));
    }

    #[test]
    fn a_batch_fails_when_one_claim_is_false() {
        let keys: Vec<_> = (0..8).map(|i| SigningKey::from_seed([i; 32])).collect();
        let bodies: Vec<_> = (0..8_u8).map(|i| vec![i; 40]).collect();
        let mut claims: Vec<_> = keys
            .iter()
            .zip(&bodies)
            .map(|(k, b)| Claim { key: k.public(), tag: "t", body: b, signature: k.sign("t", b) })
            .collect();
        assert!(verify_batch(&claims));
        claims[3].body = &bodies[4];
        assert!(!verify_batch(&claims));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let key = SigningKey::from_seed([7; 32]);
        assert!(!format!("{key:?}").contains(&hex::encode([7_u8; 32])));
    }
}
