//! Proofs are made of what is true, and verify for that and for nothing else.

use crate::{small, truth};
use phalanx_circuits::{
    groth16::{Proof, ProveError, Prover, Refused},
    native::Fr,
};

#[test]
fn a_proof_verifies_for_its_inputs_and_for_no_others() {
    let (circuit, key) = small();
    let prover = Prover::new(&circuit, key).unwrap();
    let (public, secret) = truth(1, 2);
    let inputs = public.inputs();
    let proof = prover.prove(&inputs, &secret, &[1; 32]).unwrap();
    let verifier = prover.verifier();
    assert_eq!(verifier.verify(&inputs, &proof), Ok(()));
    for at in 0..inputs.len() {
        let mut other = inputs;
        other[at] += Fr::from(1);
        assert_eq!(verifier.verify(&other, &proof), Err(Refused::Invalid), "input {at}");
    }
    assert!(matches!(verifier.verify(&inputs[1..], &proof), Err(Refused::Inputs { expected: 7, found: 6 })));
    let mut more = inputs.to_vec();
    more.push(Fr::from(0));
    assert!(matches!(verifier.verify(&more, &proof), Err(Refused::Inputs { expected: 7, found: 8 })));
}

#[test]
fn what_is_not_true_has_no_proof_and_the_broken_rule_is_named() {
    let (circuit, key) = small();
    let prover = Prover::new(&circuit, key).unwrap();
    let (public, secret) = truth(2, 2);
    let mut inputs = public.inputs();
    inputs[3] = Fr::from(1) - inputs[3];
    let error = prover.prove(&inputs, &secret, &[1; 32]).unwrap_err();
    assert!(matches!(error, ProveError::Broken(_)));
    assert!(error.to_string().contains("the place is where the rule says"), "{error}");
}

#[test]
fn proofs_with_other_entropy_differ_and_with_the_same_do_not() {
    let (circuit, key) = small();
    let prover = Prover::new(&circuit, key).unwrap();
    let (public, secret) = truth(3, 2);
    let proof = |entropy| prover.prove(&public.inputs(), &secret, &[entropy; 32]).unwrap();
    assert_eq!(proof(1), proof(1));
    assert_ne!(proof(1), proof(2));
}

#[test]
fn a_proof_survives_its_bytes_and_a_flipped_bit_is_refused() {
    let (circuit, key) = small();
    let prover = Prover::new(&circuit, key).unwrap();
    let (public, secret) = truth(4, 2);
    let inputs = public.inputs();
    let proof = prover.prove(&inputs, &secret, &[1; 32]).unwrap();
    let bytes: [u8; Proof::LEN] = proof.to_bytes().try_into().unwrap();
    assert_eq!(Proof::from_bytes(&bytes), Ok(proof));
    for at in (0..8 * Proof::LEN).step_by(61) {
        let mut other = bytes;
        other[at / 8] ^= 1 << (at % 8);
        if let Ok(proof) = Proof::from_bytes(&other) {
            assert_eq!(prover.verifier().verify(&inputs, &proof), Err(Refused::Invalid), "bit {at}");
        }
    }
    assert!(Proof::from_bytes(&[0; Proof::LEN]).is_err());
}

#[test]
fn a_batch_passes_when_all_are_valid_and_only_then() {
    let (circuit, key) = small();
    let prover = Prover::new(&circuit, key).unwrap();
    let mut batch: Vec<(Vec<Fr>, Proof)> = (10..14)
        .map(|seed| {
            let (public, secret) = truth(seed, 2);
            (public.inputs().to_vec(), prover.prove(&public.inputs(), &secret, &[1; 32]).unwrap())
        })
        .collect();
    let verifier = prover.verifier();
    assert_eq!(verifier.verify_all(&batch), Ok(()));
    assert_eq!(verifier.verify_all(&[]), Ok(()));
    batch[2].0[6] += Fr::from(1);
    assert_eq!(verifier.verify_all(&batch), Err(Refused::Invalid));
    batch[2].0[6] -= Fr::from(1);
    let first = batch[0].1.clone();
    batch[0].1 = std::mem::replace(&mut batch[1].1, first);
    assert_eq!(verifier.verify_all(&batch), Err(Refused::Invalid));
}
