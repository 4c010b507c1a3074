//! The circuit against its twin, and what must not pass.

use super::{Integrity, Public, Secret, check};
use crate::{
    native::Fr,
    r1cs::{Broken, Circuit},
    testing::{Draw, assert_bits, assert_determined, flip_each, integrity_secret},
};
use ark_ff::Field;
use phalanx_types::Hash;

fn circuit() -> Circuit<Integrity> {
    Circuit::new(Integrity).unwrap()
}

fn verdict(circuit: &Circuit<Integrity>, inputs: &[Fr], secret: &Secret) -> bool {
    let by_twin = check(inputs, secret);
    let by_circuit = circuit.assign(inputs, secret).err();
    assert_eq!(by_circuit.is_none(), by_twin.is_ok(), "circuit: {by_circuit:?}, twin: {by_twin:?}");
    by_twin.is_ok()
}

#[test]
fn the_constraint_count_is_pinned() {
    assert_eq!(circuit().shape().constraints(), 7740);
}

#[test]
fn an_unbroken_chain_of_every_length_is_proven() {
    let circuit = circuit();
    for count in 1..=16 {
        let (first, secret) = integrity_secret(&mut Draw(count), count as usize);
        let public = Public::of(&secret, first).unwrap();
        assert!(verdict(&circuit, &public.inputs(), &secret), "{count}");
    }
}

#[test]
fn a_chain_of_none_or_of_seventeen_is_not_proven() {
    let circuit = circuit();
    let (first, secret) = integrity_secret(&mut Draw(1), 16);
    let mut inputs = Public::of(&secret, first).unwrap().inputs();
    for count in [0, 15, 17, 32] {
        inputs[3] = Fr::from(count);
        assert!(!verdict(&circuit, &inputs, &secret), "{count}");
    }
    let mut longer = secret.clone();
    longer.receipts_roots.push(Hash::ZERO);
    assert!(matches!(circuit.assign(&inputs, &longer), Err(Broken::Mismatch(_))));
    assert!(matches!(check(&inputs, &longer), Err(Broken::Mismatch(_))));
}

#[test]
fn a_link_changed_taken_out_or_put_in_breaks_the_chain() {
    let circuit = circuit();
    let (first, secret) = integrity_secret(&mut Draw(2), 9);
    let inputs = Public::of(&secret, first).unwrap().inputs();
    for at in 0..9 {
        let mut changed = secret.clone();
        changed.receipts_roots[at].0[31] ^= 1;
        assert!(!verdict(&circuit, &inputs, &changed));
        let mut fewer = secret.clone();
        fewer.receipts_roots.remove(at);
        assert!(!verdict(&circuit, &inputs, &fewer));
        let mut more = secret.clone();
        more.receipts_roots.insert(at, Hash([7; 32]));
        assert!(!verdict(&circuit, &inputs, &more));
    }
    let mut later = secret.clone();
    later.from.0 += 1;
    assert!(!verdict(&circuit, &inputs, &later));
    // What stands behind the end has no meaning.
    let mut behind = secret;
    behind.receipts_roots.push(Hash([7; 32]));
    assert!(verdict(&circuit, &inputs, &behind));
}

#[test]
fn each_public_input_flipped_fails() {
    let circuit = circuit();
    let (first, secret) = integrity_secret(&mut Draw(3), 7);
    let inputs = Public::of(&secret, first).unwrap().inputs();
    for at in 0..inputs.len() {
        for by in [Fr::from(1), -Fr::from(1), Fr::from(2).pow([80])] {
            let mut other = inputs;
            other[at] += by;
            assert!(!verdict(&circuit, &other, &secret), "input {at}");
        }
    }
}

#[test]
fn each_variable_flipped_breaks_a_constraint() {
    let circuit = circuit();
    let (first, secret) = integrity_secret(&mut Draw(4), 5);
    let good = circuit.assign(&Public::of(&secret, first).unwrap().inputs(), &secret).unwrap();
    flip_each(circuit.shape(), good.variables(), &mut Draw(1), usize::MAX);
}

/// Named witnesses and public inputs fixed, every other variable has one value.
#[test]
fn nothing_that_follows_is_free() {
    let mut draw = Draw(13);
    let circuit = circuit();
    let (first, secret) = integrity_secret(&mut draw, 5);
    let good = circuit.assign(&Public::of(&secret, first).unwrap().inputs(), &secret).unwrap();
    assert_determined(circuit.shape(), good.variables());
}

/// Over the matrices alone, whatever has made them.
#[test]
fn every_bit_has_its_own_row() {
    let circuit = circuit();
    let mut assigned = Vec::new();
    for count in 1..=16 {
        let (first, secret) = integrity_secret(&mut Draw(count), count as usize);
        let public = Public::of(&secret, first).unwrap();
        assigned.push(circuit.assign(&public.inputs(), &secret).unwrap().variables().to_vec());
    }
    // One a link: whether the chain ends there.
    assert_bits(circuit.shape(), &assigned, 16);
}
