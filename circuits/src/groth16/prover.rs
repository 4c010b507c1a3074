//! The prover: a circuit and its key, kept.

use super::{KeyError, Proof, ProveError, ProvingKey, Verifier, qap::CircomReduction, seeded};
use crate::r1cs::{Circuit, Shape, Statement};
use ark_bn254::{Bn254, Fr};
use ark_ff::{BigInteger, PrimeField, UniformRand};
use ark_groth16::Groth16;
use zeroize::Zeroizing;

/// Proves a statement.
pub struct Prover<'a, S> {
    circuit: &'a Circuit<S>,
    key: ProvingKey,
    verifier: Verifier,
}

impl<'a, S: Statement> Prover<'a, S> {
    /// Puts a circuit and its key together.
    ///
    /// # Errors
    /// When the key is of another circuit.
    pub fn new(circuit: &'a Circuit<S>, key: ProvingKey) -> Result<Self, KeyError> {
        key.identity().check(circuit)?;
        if !key.fits(circuit.shape()) {
            return Err(KeyError::Damaged);
        }
        let verifier = Verifier::new(key.verifying_key());
        Ok(Self { circuit, key, verifier })
    }

    /// The verifier of these proofs.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Proves that `secret` fits `inputs`, and verifies what it has proven. `entropy` is 32
    /// random bytes; they are hashed with all values of the proof, so that proofs of
    /// different statements never share their masks.
    ///
    /// # Errors
    /// When the statement does not hold, or the key is damaged.
    pub fn prove(&self, inputs: &[Fr], secret: &S::Secret, entropy: &[u8; 32]) -> Result<Proof, ProveError> {
        let assignment = self.circuit.assign(inputs, secret)?;
        let proof = prove(&self.key.key, self.circuit.shape(), assignment.variables(), entropy)?;
        self.verifier.verify(inputs, &proof).map_err(|_| ProveError::Key)?;
        Ok(proof)
    }
}

fn prove(
    key: &ark_groth16::ProvingKey<Bn254>,
    shape: &Shape,
    variables: &[Fr],
    entropy: &[u8; 32],
) -> Result<Proof, ProveError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(32 * variables.len()));
    for value in variables {
        bytes.extend(value.into_bigint().to_bytes_le());
    }
    let mut random = seeded("phalanx/prove/v1", &[entropy, &bytes]);
    let (r, s) = (Fr::rand(&mut random), Fr::rand(&mut random));
    let proof = Groth16::<Bn254, CircomReduction>::create_proof_with_reduction_and_matrices(
        key,
        r,
        s,
        shape.matrices(),
        shape.inputs(),
        shape.constraints(),
        variables,
    )
    .map_err(|e| ProveError::Prover { reason: e.to_string() })?;
    Proof::new(proof.a, proof.b, proof.c).map_err(|_| ProveError::Key)
}
