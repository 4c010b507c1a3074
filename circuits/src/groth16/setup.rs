//! Development keys: one machine knows the trapdoor, so that it could forge proofs.

use super::{KeyError, Provenance, ProvingKey, qap::CircomReduction, seeded};
use crate::r1cs::{Circuit, Row, Shape, Statement};
use ark_bn254::{Bn254, Fr};
use ark_groth16::Groth16;
use ark_relations::{
    gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, Result, Variable},
    utils::linear_combination::LinearCombination,
};
use phalanx_types::Hash;

/// The matrices, handed to arkworks.
struct Laid<'a>(&'a Shape);

impl ConstraintSynthesizer<Fr> for Laid<'_> {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<()> {
        let shape = self.0;
        for _ in 1..shape.inputs() {
            let _ = cs.new_input_variable(|| Ok(Fr::default()))?;
        }
        for _ in shape.inputs()..shape.columns() {
            let _ = cs.new_witness_variable(|| Ok(Fr::default()))?;
        }
        let variable = |column: usize| match column.checked_sub(shape.inputs()) {
            Some(witness) => Variable::witness(witness),
            None if column == 0 => Variable::One,
            None => Variable::instance(column),
        };
        let linear = |row: &Row| LinearCombination(row.iter().map(|(f, at)| (*f, variable(*at))).collect());
        for (a, b, c) in shape.rows() {
            cs.enforce_r1cs_constraint(|| linear(a), || linear(b), || linear(c))?;
        }
        Ok(())
    }
}

/// Makes a key that is marked `DEV` for ever. The same 32 bytes give the same key: whoever
/// knows them can forge.
///
/// # Errors
/// When the circuit is larger than the field's domains.
pub fn setup_dev<S: Statement>(
    circuit: &Circuit<S>,
    entropy: &[u8; 32],
) -> std::result::Result<ProvingKey, KeyError> {
    generate(circuit.shape(), entropy, &circuit.hash())
        .map(|key| ProvingKey::new(circuit, Provenance::Dev, key))
        .map_err(|e| KeyError::Setup { reason: e.to_string() })
}

fn generate(shape: &Shape, entropy: &[u8; 32], hash: &Hash) -> Result<ark_groth16::ProvingKey<Bn254>> {
    let mut random = seeded("phalanx/setup-dev/v1", &[entropy, &hash.0]);
    Groth16::<Bn254, CircomReduction>::generate_random_parameters_with_reduction(Laid(shape), &mut random)
}
