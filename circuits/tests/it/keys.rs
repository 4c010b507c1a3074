//! Key files: one reading, and nobody else's key.

use crate::{small, truth};
use phalanx_circuits::{
    groth16::{Identity, KeyError, Provenance, Prover, ProvingKey, VerifyingKey},
    position::Position,
    r1cs::Circuit,
};
use phalanx_types::Hash;

#[test]
fn a_key_survives_its_file_and_proves() {
    let (circuit, key) = small();
    let file = key.encode();
    let read = ProvingKey::decode(&file, &circuit).unwrap();
    assert_eq!(read.encode(), file);
    assert_eq!(read.identity().provenance, Provenance::Dev);
    let prover = Prover::new(&circuit, read).unwrap();
    let (public, secret) = truth(1, 2);
    let proof = prover.prove(&public.inputs(), &secret, &[1; 32]).unwrap();
    let file = key.verifying_key().encode();
    let verifying = VerifyingKey::decode(&file, &circuit).unwrap();
    assert_eq!(verifying, key.verifying_key());
    let verifier = phalanx_circuits::groth16::Verifier::new(verifying);
    assert_eq!(verifier.verify(&public.inputs(), &proof), Ok(()));
}

#[test]
fn a_key_of_another_circuit_is_refused() {
    let (circuit, key) = small();
    let other = Circuit::new(Position::new(8).unwrap()).unwrap();
    let of_other = |error| matches!(error, KeyError::OtherCircuit { .. });
    assert!(of_other(ProvingKey::decode(&key.encode(), &other).err().unwrap()));
    assert!(of_other(VerifyingKey::decode(&key.verifying_key().encode(), &other).err().unwrap()));
    assert!(of_other(Prover::new(&other, key).err().unwrap()));
    assert_ne!(circuit.hash(), other.hash());
}

#[test]
fn a_file_that_is_cut_or_longer_or_changed_is_refused() {
    let (circuit, key) = small();
    for (file, is_proving) in [(key.encode(), true), (key.verifying_key().encode(), false)] {
        let read = |bytes: &[u8]| {
            if is_proving {
                ProvingKey::decode(bytes, &circuit).map(|_| ())
            } else {
                VerifyingKey::decode(bytes, &circuit).map(|_| ())
            }
        };
        assert_eq!(read(&file), Ok(()));
        for length in [0, 1, 8, 100, 140, 141, 142, 300, file.len() - 1] {
            assert!(read(&file[..length]).is_err(), "{length}");
        }
        let longer: Vec<u8> = file.iter().chain([&0]).copied().collect();
        assert!(matches!(read(&longer), Err(KeyError::Length { .. })));
        for at in (0..file.len()).step_by(file.len() / 40) {
            let mut other = file.clone();
            other[at] ^= 4;
            assert!(read(&other).is_err(), "byte {at}");
        }
    }
}

#[test]
fn the_header_of_either_kind_tells_what_it_is_of() {
    let (_, key) = small();
    for file in [key.encode(), key.verifying_key().encode()] {
        assert_eq!(Identity::of_file(&file), Ok(key.identity().clone()));
        assert!(matches!(Identity::of_file(&file[..100]), Err(KeyError::Format { .. })));
    }
    assert!(matches!(key.clone().with_transcript(Hash([5; 32])).identity().provenance, Provenance::Dev));
}

#[test]
fn a_proving_key_is_no_verifying_key() {
    let (circuit, key) = small();
    let (proving, verifying) = (key.encode(), key.verifying_key().encode());
    assert!(matches!(ProvingKey::decode(&verifying, &circuit), Err(KeyError::Format { .. })));
    assert!(matches!(VerifyingKey::decode(&proving, &circuit), Err(KeyError::Format { .. })));
}

#[test]
fn the_same_entropy_gives_the_pinned_key() {
    let (_, key) = small();
    assert_eq!(
        key.verifying_key().hash().to_string(),
        "316768be3d727370142148ab7884895587e8d52930010c7cef351623dd30f10b"
    );
}
