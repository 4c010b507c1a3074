//! Key files: one reading, and nobody else's key.

use crate::{small, truth};
use phalanx_circuits::{
    catalog::AnyStatement,
    groth16::{Identity, KeyError, Provenance, Prover, ProvingKey, VerifyingKey, setup_dev},
    position::Position,
    r1cs::{Circuit, Statement},
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
        for length in [141, 142, 300, file.len() - 1] {
            assert!(read(&file[..length]).is_err(), "{length}");
        }
        // Within the header nothing tells of which circuit it is: it is damaged, not another's.
        for length in [0, 1, 8, 10, 11, 12, 40, 76, 140] {
            assert_eq!(read(&file[..length]), Err(KeyError::Damaged), "{length}");
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
        for length in [0, 11, 40, 100, 140] {
            assert_eq!(Identity::of_file(&file[..length]), Err(KeyError::Damaged), "{length}");
        }
    }
    assert!(matches!(Identity::of_file(b"something else"), Err(KeyError::Format { .. })));
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

/// Any change of a circuit, of the setup or of the file shows here. Each circuit, its hash,
/// and the hash of its verifying key's file under one entropy.
const PINNED: [(&str, &str, &str); 9] = [
    (
        "position-2",
        "5a49aea40c86c610b895ab2b26ab6ea45b1618f9f88293336dd5d7a72a2f7ed7",
        "316768be3d727370142148ab7884895587e8d52930010c7cef351623dd30f10b",
    ),
    (
        "action-2",
        "10ff64640c85ab0cefa80ea6de558f5f03e118e9419ef313e6e8da62c5049d00",
        "7e84663b5b0a572481fe20bf533cb1a898096459417ef31e81fbb8d87fc900db",
    ),
    (
        "position-8",
        "ee7782ef131924e7018472b8f8909d71760a046efc36cb1ba9e607122030f85f",
        "bda1a9d58576ccb7690220a846259ff6de2e2fd8310470133dc53ad91bdf966f",
    ),
    (
        "action-8",
        "a067b5d9a34b936b2b07217f9d2df644779e37d97a0360e61234820662201bd7",
        "2965461537dd90245394ad803d35aeb0e13b9d51610d25bdea3f66b9e1815835",
    ),
    (
        "position-64",
        "90f856238cf0f1853cc344380a7bb2bf03aeff9e4a0042dc64f7587fd24e752a",
        "0d3eec2df969c5e3df22723d20cfc622d668fca8499d921074dd4946a56b8362",
    ),
    (
        "action-64",
        "b3f5b2d173be0f06df6788fc2573bc4fc2110b8471d9f11e443f8440d9a4e1ca",
        "a5ef8e118575ed8be932a9edbf3a01fc09002f809768a86738c397d5b2129f74",
    ),
    (
        "position-512",
        "7ce8d9869e4eb8ec47382dab564b0d90e95020feec298501a3d00c814caf6d33",
        "8da7ec6caa358e348791240b484ddfa0049c9db7b105dc45ced120593f91a8ff",
    ),
    (
        "action-512",
        "1dad42ae3ec54e6117c432fbd0b6e722cbd909a439b3c0dc613d32dc19fb0cd8",
        "85ba977af61232196f59a45b732dafd0a8fd725425e359dbfd52a6605f324679",
    ),
    (
        "integrity",
        "1787290bf823dc1245c3f0a28eb8ea87a506af04bb1bac6c188b298f1ba78919",
        "0c5dd03a3b2b2b551b5531dbc585e41bd4958224ffa65445217226ecf1c4a004",
    ),
];

#[test]
fn every_circuit_and_its_verifying_key_are_pinned() {
    let of = |statement: AnyStatement| {
        let circuit = Circuit::new(statement).unwrap();
        let key = setup_dev(&circuit, &[7; 32]).unwrap();
        let hash = key.verifying_key().hash().to_string();
        (statement.name(), circuit.hash().to_string(), hash)
    };
    let found: Vec<_> = AnyStatement::all().map(of).collect();
    let pinned = PINNED.iter().map(|(n, c, k)| ((*n).to_owned(), (*c).to_owned(), (*k).to_owned()));
    assert_eq!(found, pinned.collect::<Vec<_>>(), "{found:#?}");
}
