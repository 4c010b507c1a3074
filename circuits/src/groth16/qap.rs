//! circom's reduction of an R1CS to a QAP, which keys of snarkjs are made for.
//!
//! It differs from libsnark's in how the quotient is committed: the key holds the
//! Lagrange basis of the odd coset of the domain of twice the size, and the prover gives
//! `A·B − C` on that coset, without the division. C is taken as `A∘B`, so that its
//! matrix is not needed.

use ark_ff::PrimeField;
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP, evaluate_constraint};
use ark_poly::EvaluationDomain;
use ark_relations::{
    gr1cs::{ConstraintSystemRef, Result, SynthesisError},
    utils::matrix::Matrix,
};

/// circom's reduction.
pub struct CircomReduction;

impl R1CSToQAP for CircomReduction {
    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        cs: ConstraintSystemRef<F>,
        t: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize)> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(cs, t)
    }

    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        matrices: &[Matrix<F>],
        inputs: usize,
        constraints: usize,
        variables: &[F],
    ) -> Result<Vec<F>> {
        let [rows_a, rows_b, ..] = matrices else { return Err(SynthesisError::Unsatisfiable) };
        let too_large = SynthesisError::PolynomialDegreeTooLarge;
        let domain = D::new(constraints + inputs).ok_or(too_large)?;
        let root = D::new(2 * domain.size()).ok_or(too_large)?.element(1);

        let evaluate = |rows: &Matrix<F>| -> Vec<F> {
            let mut values: Vec<F> = rows.iter().map(|row| evaluate_constraint(row, variables)).collect();
            values.resize(domain.size(), F::zero());
            values
        };
        let (mut a, mut b) = (evaluate(rows_a), evaluate(rows_b));
        for (to, input) in a.iter_mut().skip(constraints).zip(variables.iter().take(inputs)) {
            *to = *input;
        }
        let mut c: Vec<F> = a.iter().zip(&b).map(|(a, b)| *a * b).collect();
        for values in [&mut a, &mut b, &mut c] {
            domain.ifft_in_place(values);
            D::distribute_powers(values, root);
            domain.fft_in_place(values);
        }
        Ok(a.into_iter().zip(b).zip(c).map(|((a, b), c)| a * b - c).collect())
    }

    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(
        max_power: usize,
        t: F,
        _: F,
        delta_inverse: F,
    ) -> Result<Vec<F>> {
        let mut power = delta_inverse;
        let mut scalars: Vec<F> = (0..=2 * max_power)
            .map(|_| {
                let this = power;
                power *= t;
                this
            })
            .collect();
        let domain = D::new(scalars.len()).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        scalars.resize(domain.size(), F::zero());
        domain.ifft_in_place(&mut scalars);
        Ok(scalars.into_iter().skip(1).step_by(2).collect())
    }
}
