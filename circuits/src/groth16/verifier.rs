//! Proofs, and the verifier.

use super::{
    PointError, Refused, VerifyingKey,
    points::{G1_LEN, G2_LEN, Order, in_group, read_g1, read_g2, write_g1, write_g2},
    qap::CircomReduction,
    seeded,
};
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{
    AffineRepr, CurveGroup, VariableBaseMSM,
    pairing::{MillerLoopOutput, Pairing},
};
use ark_ff::{Field, PrimeField, Zero};
use ark_groth16::{Groth16, PreparedVerifyingKey};
use ark_std::rand::RngCore;

/// A proof: three points of their groups, none of them infinity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    a: G1Affine,
    b: G2Affine,
    c: G1Affine,
}

impl Proof {
    /// Bytes of a proof.
    pub const LEN: usize = 2 * G1_LEN + G2_LEN;

    /// From points that are on their curves.
    ///
    /// # Errors
    /// When one is infinity or outside of its group.
    pub fn new(a: G1Affine, b: G2Affine, c: G1Affine) -> Result<Self, PointError> {
        if a.is_zero() || b.is_zero() || c.is_zero() {
            return Err(PointError::Infinity);
        }
        Ok(Self { a, b: in_group(b)?, c })
    }

    /// A, B and C.
    pub fn points(&self) -> (G1Affine, G2Affine, G1Affine) {
        (self.a, self.b, self.c)
    }

    /// As the chain's verifier takes it: A, B with `c1` first, C; 256 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        write_g1(&mut bytes, &self.a);
        write_g2(&mut bytes, &self.b, Order::ImaginaryFirst);
        write_g1(&mut bytes, &self.c);
        bytes
    }

    /// From what [`Self::to_bytes`] gives.
    ///
    /// # Errors
    /// When a point is none, infinity, or outside of its group.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, PointError> {
        let (a, rest) = bytes.split_at(G1_LEN);
        let (b, c) = rest.split_at(G2_LEN);
        Self::new(read_g1(a)?, read_g2(b, Order::ImaginaryFirst)?, read_g1(c)?)
    }
}

/// A verifying key, prepared.
pub struct Verifier {
    key: VerifyingKey,
    prepared: PreparedVerifyingKey<Bn254>,
}

impl Verifier {
    /// Prepares a key: one pairing.
    #[must_use]
    pub fn new(key: VerifyingKey) -> Self {
        let prepared = ark_groth16::prepare_verifying_key(&key.key.to_ark());
        Self { key, prepared }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    fn check_count(&self, inputs: &[Fr]) -> Result<(), Refused> {
        let expected = self.key.key.inputs.len().saturating_sub(1);
        let found = inputs.len();
        if found == expected { Ok(()) } else { Err(Refused::Inputs { expected, found }) }
    }

    /// Checks one proof.
    ///
    /// # Errors
    /// When it has a wrong number of inputs, or is not valid.
    pub fn verify(&self, inputs: &[Fr], proof: &Proof) -> Result<(), Refused> {
        self.check_count(inputs)?;
        let proof = ark_groth16::Proof { a: proof.a, b: proof.b, c: proof.c };
        match Groth16::<Bn254, CircomReduction>::verify_proof(&self.prepared, &proof, inputs) {
            Ok(true) => Ok(()),
            _ => Err(Refused::Invalid),
        }
    }

    /// Checks many proofs at once: one Miller loop each instead of three, and one final
    /// exponentiation for all. Each proof counts by 128 bits that are drawn from the hash
    /// of all of them, so that a set with an invalid proof passes with probability
    /// `2^-128`. It does not tell which one is invalid.
    ///
    /// # Errors
    /// When one has a wrong number of inputs, or one is not valid.
    pub fn verify_all(&self, proofs: &[(Vec<Fr>, Proof)]) -> Result<(), Refused> {
        proofs.iter().try_for_each(|(inputs, _)| self.check_count(inputs))?;
        let mut all = Vec::with_capacity(proofs.len() * 2 * Proof::LEN);
        for (inputs, proof) in proofs {
            all.extend(proof.to_bytes());
            for input in inputs {
                all.extend(crate::native::bytes_of(*input).0);
            }
        }
        let mut random = seeded("phalanx/verify-all/v1", &[&self.key.hash().0, &all]);
        let weights: Vec<Fr> = proofs
            .iter()
            .map(|_| Fr::from(u128::from(random.next_u64()) << 64 | u128::from(random.next_u64())))
            .collect();

        let mut by_input = vec![Fr::zero(); self.key.key.inputs.len()];
        for (weight, (inputs, _)) in weights.iter().zip(proofs) {
            for (sum, input) in by_input.iter_mut().zip(std::iter::once(&Fr::ONE).chain(inputs)) {
                *sum += *weight * input;
            }
        }
        let inputs = G1Projective::msm_unchecked(&self.key.key.inputs, &by_input);
        let outputs: Vec<G1Affine> = proofs.iter().map(|(_, proof)| proof.c).collect();
        let outputs = G1Projective::msm_unchecked(&outputs, &weights);
        let weighted: Vec<G1Projective> = weights
            .iter()
            .zip(proofs)
            .map(|(weight, (_, proof))| proof.a.mul_bigint(weight.into_bigint()))
            .collect();
        let weighted = G1Projective::normalize_batch(&weighted);
        // A few hundred loops at a time: prepared points are large.
        let mut loops = Bn254::multi_miller_loop(
            [inputs.into_affine(), outputs.into_affine()],
            [self.prepared.gamma_g2_neg_pc.clone(), self.prepared.delta_g2_neg_pc.clone()],
        )
        .0;
        for (a, b) in weighted.chunks(256).zip(proofs.chunks(256)) {
            loops *= Bn254::multi_miller_loop(a, b.iter().map(|(_, proof)| proof.b)).0;
        }
        let found = Bn254::final_exponentiation(MillerLoopOutput(loops)).ok_or(Refused::Invalid)?.0;
        let total: Fr = weights.iter().sum();
        if found == self.prepared.alpha_g1_beta_g2.pow(total.into_bigint()) {
            Ok(())
        } else {
            Err(Refused::Invalid)
        }
    }

    /// Checks many proofs and tells of each: all at once, and one by one when that fails.
    #[must_use]
    pub fn verify_each(&self, proofs: &[(Vec<Fr>, Proof)]) -> Vec<Result<(), Refused>> {
        if proofs.len() > 1 && self.verify_all(proofs).is_ok() {
            return vec![Ok(()); proofs.len()];
        }
        proofs.iter().map(|(inputs, proof)| self.verify(inputs, proof)).collect()
    }
}
