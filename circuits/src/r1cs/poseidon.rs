//! Poseidon as constraints: three for each S-box, none for anything linear.
//!
//! The zero lane and the tag are constants, so their first S-boxes cost nothing. For
//! `t` lanes, `3·(8t + RP)` less 3 for each of them.

use super::{
    System,
    sparse::{Partial, Sparse},
};
use crate::native::{
    poseidon::{RATE_MAX, power},
    tags::Tag,
};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};

/// A lane before the first S-box.
enum Lane<'a, N> {
    Known(Fr),
    Number(&'a N),
}

fn s_box<C: System>(cs: &mut C, x: &C::Num) -> C::Num {
    let square = cs.product(x, x);
    let fourth = cs.product(&square, &square);
    cs.product(&fourth, x)
}

fn shifted<C: System>(cs: &C, number: &C::Num, constant: Fr) -> C::Num {
    let one = cs.constant(Fr::ONE);
    cs.sum([(Fr::ONE, number), (constant, &one)])
}

fn mix<C: System>(cs: &C, state: &[C::Num], matrix: &[Vec<Fr>]) -> Vec<C::Num> {
    matrix.iter().map(|row| cs.sum(row.iter().copied().zip(state))).collect()
}

fn full_round<C: System>(cs: &mut C, state: &[C::Num], constants: &[Fr], matrix: &[Vec<Fr>]) -> Vec<C::Num> {
    let powers: Vec<C::Num> = state
        .iter()
        .zip(constants)
        .map(|(lane, constant)| {
            let x = shifted(cs, lane, *constant);
            s_box(cs, &x)
        })
        .collect();
    mix(cs, &powers, matrix)
}

fn permute<C: System>(cs: &mut C, lanes: &[Lane<'_, C::Num>]) -> C::Num {
    let constants = Sparse::of(lanes.len() - 1);
    let mut state = Vec::new();
    if let Some((first, others)) = constants.before.split_first() {
        let powers: Vec<C::Num> = lanes
            .iter()
            .zip(first)
            .map(|(lane, constant)| match lane {
                Lane::Known(value) => cs.constant(power(*value + constant)),
                Lane::Number(number) => {
                    let x = shifted(cs, number, *constant);
                    s_box(cs, &x)
                }
            })
            .collect();
        state = mix(cs, &powers, &constants.matrix);
        for round in others {
            state = full_round(cs, &state, round, &constants.matrix);
        }
    }
    for (lane, constant) in state.iter_mut().zip(&constants.entry) {
        *lane = shifted(cs, lane, *constant);
    }
    for Partial { constant, row, column } in &constants.partial {
        if let Some((lane, others)) = state.split_first_mut() {
            let out = s_box(cs, lane);
            let out = shifted(cs, &out, *constant);
            *lane = cs.sum(row.iter().copied().zip(std::iter::once(&out).chain(others.iter())));
            for (other, factor) in others.iter_mut().zip(column) {
                cs.add(other, *factor, &out);
            }
        }
    }
    if let Some(lane) = state.first_mut() {
        *lane = s_box(cs, lane);
    }
    state = mix(cs, &state, &constants.exit);
    for round in &constants.after {
        state = full_round(cs, &state, round, &constants.matrix);
    }
    state.into_iter().next().unwrap_or_else(|| cs.constant(Fr::ZERO))
}

fn lanes<'a, N: 'a>(first: Option<Fr>, numbers: impl IntoIterator<Item = &'a N>) -> Vec<Lane<'a, N>> {
    let known = std::iter::once(Fr::ZERO).chain(first).map(Lane::Known);
    known.chain(numbers.into_iter().map(Lane::Number)).collect()
}

/// Poseidon of a tag, or of none, and numbers: at most 16 inputs.
pub(crate) fn hash<C: System, const N: usize>(cs: &mut C, tag: Option<Tag>, numbers: [&C::Num; N]) -> C::Num {
    const { assert!(N >= 1 && N < RATE_MAX, "Poseidon takes 1 to 16 inputs") };
    permute(cs, &lanes(tag.map(Tag::field), numbers))
}

/// As [`hash_list`](crate::native::poseidon::hash_list).
pub(crate) fn hash_list<C: System>(cs: &mut C, tag: Tag, count: u32, elements: &[C::Num]) -> C::Num {
    let mut elements = elements.to_vec();
    while elements.len() >= RATE_MAX {
        elements = elements.chunks(RATE_MAX).map(|chunk| permute(cs, &lanes(None, chunk))).collect();
    }
    permute(cs, &lanes(Some(tag.counted(count)), &elements))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        native::{poseidon, tags},
        r1cs::{Assignment, Shape},
    };

    #[test]
    fn the_gadget_is_the_native_hash_at_every_width() {
        for n in 1..=40_u64 {
            let values: Vec<Fr> = (0..n).map(|i| Fr::from(i * i + 7)).collect();
            let mut cs = Assignment::with_capacity(1000);
            let got = hash_list(&mut cs, tags::POSITION, n as u32, &values);
            assert_eq!(got, poseidon::hash_list(tags::POSITION, n as u32, &values), "{n}");
            assert_eq!(cs.broken(), None);

            let mut shape = Shape::default();
            let numbers: Vec<_> = values.iter().map(|_| shape.witness(Fr::ZERO)).collect();
            let out = hash_list(&mut shape, tags::POSITION, n as u32, &numbers);
            let mut variables = vec![Fr::ONE];
            variables.extend(&values);
            variables.extend(&cs.variables()[1..]);
            assert_eq!(shape.broken(&variables), None, "{n}");
            assert_eq!(out.value(&variables), got, "{n}");
        }
    }

    #[test]
    fn a_hash_costs_three_constraints_an_s_box() {
        let mut shape = Shape::default();
        let x = shape.witness(Fr::ZERO);
        let _ = hash(&mut shape, None, [&x, &x]);
        assert_eq!(shape.constraints(), 3 * (8 * 3 + 57) - 3);
        let before = shape.constraints();
        let _ = hash(&mut shape, Some(tags::RULE), [&x, &x]);
        assert_eq!(shape.constraints() - before, 3 * (8 * 4 + 56) - 6);
    }
}
