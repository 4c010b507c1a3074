//! The prover: a circuit and its key, kept.

use super::{
    KeyError, Proof, ProveError, ProvingKey, Verifier,
    qap::CircomReduction,
    seeded,
    sums::{Bases, Scalars},
};
use crate::r1cs::{Circuit, Shape, Statement};
use ark_bn254::{Bn254, Fr, g1, g2};
use ark_ec::CurveGroup;
use ark_ff::{BigInteger, PrimeField, UniformRand};
use ark_groth16::r1cs_to_qap::R1CSToQAP;
use ark_poly::GeneralEvaluationDomain;
use rayon::join;
use zeroize::Zeroizing;

/// Proves a statement.
pub struct Prover<'a, S> {
    circuit: &'a Circuit<S>,

    points: Points,
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
        Ok(Self { circuit, points: Points::of(key.key), verifier })
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
        let proof = self.points.prove(self.circuit.shape(), assignment.variables(), entropy)?;
        self.verifier.verify(inputs, &proof).map_err(|_| ProveError::Key)?;
        Ok(proof)
    }
}

/// The points of a key.
struct Points {
    alpha: g1::G1Affine,
    beta: (g1::G1Affine, g2::G2Affine),
    delta: (g1::G1Affine, g2::G2Affine),
    a: Bases<g1::Config>,
    b: Bases<g1::Config>,
    b_in_g2: Bases<g2::Config>,
    /// Those of the witnesses, for C.
    witnesses: Bases<g1::Config>,
    /// Those of the quotient, for C.
    quotient: Bases<g1::Config>,
}

impl Points {
    fn of(key: ark_groth16::ProvingKey<Bn254>) -> Self {
        Self {
            alpha: key.vk.alpha_g1,
            beta: (key.beta_g1, key.vk.beta_g2),
            delta: (key.delta_g1, key.vk.delta_g2),
            a: Bases::new(key.a_query),
            b: Bases::new(key.b_g1_query),
            b_in_g2: Bases::new(key.b_g2_query),
            witnesses: Bases::new(key.l_query),
            quotient: Bases::new(key.h_query),
        }
    }

    /// A proof of an assignment (Groth, 2016, section 3.2).
    fn prove(&self, shape: &Shape, variables: &[Fr], entropy: &[u8; 32]) -> Result<Proof, ProveError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(32 * variables.len()));
        for value in variables {
            bytes.extend(value.into_bigint().to_bytes_le());
        }
        let mut random = seeded("phalanx/prove/v1", &[entropy, &bytes]);
        let masks = Zeroizing::new([Fr::rand(&mut random), Fr::rand(&mut random)]);
        let [r, s] = *masks;

        let quotient = || {
            let quotient = CircomReduction::witness_map_from_matrices::<_, GeneralEvaluationDomain<Fr>>(
                shape.matrices(),
                shape.inputs(),
                shape.constraints(),
                variables,
            );
            let quotient =
                Zeroizing::new(quotient.map_err(|e| ProveError::Prover { reason: e.to_string() })?);
            Ok::<_, ProveError>(self.quotient.sum(&Scalars::new(&quotient)))
        };
        let values = Scalars::new(variables);
        let witnesses = Scalars::new(variables.get(shape.inputs()..).unwrap_or_default());
        let ((quotient, b_in_g2), (witnesses, (a, b))) = join(
            || join(quotient, || self.b_in_g2.sum(&values)),
            || {
                join(
                    || self.witnesses.sum(&witnesses),
                    || join(|| self.a.sum(&values), || self.b.sum(&values)),
                )
            },
        );
        let a = a + self.alpha + self.delta.0 * r;
        let b = b + self.beta.0 + self.delta.0 * s;
        let b_in_g2 = b_in_g2 + self.beta.1 + self.delta.1 * s;
        let c = witnesses + quotient? + a * s + b * r - self.delta.0 * (r * s);
        Proof::new(a.into_affine(), b_in_g2.into_affine(), c.into_affine()).map_err(|_| ProveError::Key)
    }
}
