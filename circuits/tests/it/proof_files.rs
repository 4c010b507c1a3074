//! Proof files: what is claimed is proven, written, read and checked, and nothing else is.

use crate::samples;
use phalanx_circuits::{
    catalog::AnyStatement,
    claim::{ChosenRule, Claim, ClaimError},
    groth16::{ProveError, Prover, Refused, setup_dev},
    native::{Fr, bytes_of},
    proof_file::{Basis, Context, ProofFile, ProofFileError, Wrong},
    r1cs::Circuit,
    snarkjs::Places,
    witness::RuleName,
};
use phalanx_types::{Checkpoint, Hash, agent::Position, units::CheckpointNumber};
use serde_json::Value;

fn circuit(name: &str) -> Circuit<AnyStatement> {
    Circuit::new(name.parse().unwrap()).unwrap()
}

fn prover(circuit: &Circuit<AnyStatement>) -> Prover<'_, AnyStatement> {
    Prover::new(circuit, setup_dev(circuit, &[7; 32]).unwrap()).unwrap()
}

fn context() -> Context {
    Context { chain_id: 5, contract: [3; 20], purpose: "a vote".to_owned() }
}

/// The claim that an agent keeps the first rule of its policy.
fn claim(seed: usize) -> Claim {
    let witness = samples::position(seed, 2);
    let rule = ChosenRule::from(witness.policy.rule(None).unwrap());
    Claim::position(witness, rule, true, context()).unwrap()
}

fn checkpoint(number: u64, root: Fr) -> Checkpoint {
    let value = serde_json::json!({
        "version": 1, "number": number.to_string(), "parent": Hash::ZERO, "mesh": Hash::ZERO,
        "first_beat": "0", "last_beat": "1", "first_receipt": "0", "receipt_count": "1",
        "interval_root": Hash::ZERO, "history_root": Hash::ZERO, "history_size": "1", "app_hash": Hash::ZERO,
        "agents_root": bytes_of(root), "audit_root": Hash::ZERO, "set_epoch": "0", "set_hash": Hash::ZERO,
        "next_set_hash": Hash::ZERO, "verification_level": 2, "verification_fraction_ppm": 0, "time": "0",
    });
    serde_json::from_value(value).unwrap()
}

/// The file with one value changed.
fn changed(file: &ProofFile, change: impl FnOnce(&mut Value)) -> Result<ProofFile, ProofFileError> {
    let mut value: Value = serde_json::from_str(&file.to_json()).unwrap();
    change(&mut value);
    ProofFile::from_json(value.to_string().as_bytes())
}

#[test]
fn a_file_is_read_as_it_is_written_and_says_what_each_input_rests_on() {
    let circuit = circuit("position-2");
    let prover = prover(&circuit);
    let file = claim(1).prove(&prover, &[1; 32]).unwrap();
    let read = ProofFile::from_json(file.to_json().as_bytes()).unwrap();
    assert_eq!(read, file);
    let key = prover.verifier().key();
    let basis = |checkpoints: &[Checkpoint]| -> Result<Vec<Basis>, Wrong> {
        Ok(read.check(&circuit, key, checkpoints)?.into_iter().map(|input| input.basis).collect())
    };
    let mut expected = vec![Basis::Stated; 7];
    (expected[1], expected[6]) = (Basis::Recomputed, Basis::Recomputed);
    assert_eq!(basis(&[]), Ok(expected.clone()));
    let root = read.inputs()[0];
    expected[0] = Basis::Compared(CheckpointNumber(7));
    assert_eq!(basis(&[checkpoint(6, Fr::from(1)), checkpoint(7, root)]), Ok(expected));
    assert!(matches!(basis(&[checkpoint(7, root + Fr::from(1))]), Err(Wrong::Root { .. })));
    assert!(matches!(basis(&[checkpoint(6, root)]), Err(Wrong::Checkpoint { .. })));
    assert_eq!(prover.verifier().verify(&read.inputs(), &read.proof().unwrap()), Ok(()));
}

#[test]
fn every_statement_has_its_file() {
    for name in ["action-2", "integrity"] {
        let circuit = circuit(name);
        let prover = prover(&circuit);
        let claim = if name == "integrity" {
            Claim::integrity(samples::integrity(3)).unwrap()
        } else {
            let witness = samples::action(3, 2);
            let rule = ChosenRule::from(witness.policy.rule(None).unwrap());
            Claim::action(witness, rule, context()).unwrap()
        };
        let file = claim.prove(&prover, &[1; 32]).unwrap();
        let read = ProofFile::from_json(file.to_json().as_bytes()).unwrap();
        read.check(&circuit, prover.verifier().key(), &[]).unwrap();
        assert_eq!(prover.verifier().verify(&read.inputs(), &read.proof().unwrap()), Ok(()), "{name}");
    }
}

#[test]
fn what_does_not_hold_is_refused_by_its_rule_unless_it_is_not_claimed() {
    let circuit = circuit("position-2");
    let prover = prover(&circuit);
    let far: RuleName = "zones/far".parse().unwrap();
    let rule = ChosenRule::from(samples::position(1, 2).policy.rule(Some(&far)).unwrap());
    let error = Claim::position(samples::position(1, 2), rule.clone(), true, context())
        .unwrap()
        .prove(&prover, &[1; 32])
        .unwrap_err();
    assert!(matches!(error, ProveError::Broken(_)) && error.to_string().contains("the place is where"));

    // A rule of the prover's own: true, but of no policy.
    let own = ChosenRule { name: None, center: Position(vec![1 << 30, 0]), ..rule };
    let own = ChosenRule { selector: phalanx_circuits::native::Selector::Within, ..own };
    let claim =
        |is_claimed| Claim::position(samples::position(1, 2), own.clone(), is_claimed, context()).unwrap();
    let error = claim(true).prove(&prover, &[1; 32]).unwrap_err();
    assert!(error.to_string().contains("the rule is one of the policy"), "{error}");
    let file = claim(false).prove(&prover, &[1; 32]).unwrap();
    assert_eq!(file.inputs()[2], Fr::from(0));

    let mut other = samples::position(1, 2);
    other.agent.nonce += 1;
    let claimed = Claim::position(other, own, false, context());
    assert!(matches!(claimed, Err(ClaimError::Witness(phalanx_circuits::native::Error::OtherPath))));
    assert!(matches!(
        Claim::position(
            samples::position(1, 3),
            ChosenRule::from(&samples::position(1, 3).policy.rules[0]),
            true,
            context()
        ),
        Err(ClaimError::Size(_))
    ));
}

#[test]
fn each_changed_part_is_refused_for_what_it_is() {
    let circuit = circuit("position-2");
    let prover = prover(&circuit);
    let file = claim(1).prove(&prover, &[1; 32]).unwrap();
    let check = |file: ProofFile| file.check(&circuit, prover.verifier().key(), &[]).map(|_| file);
    let wrong = |change: fn(&mut Value)| check(changed(&file, change).unwrap()).unwrap_err();
    let zeros = "0".repeat(64);
    assert!(matches!(wrong(|v| v["circuit_hash"] = "0".repeat(64).into()), Wrong::Circuit { .. }));
    assert!(matches!(wrong(|v| v["key_hash"] = "0".repeat(64).into()), Wrong::Key { .. }));
    let ceremony = serde_json::json!({"CEREMONY": {"transcript": zeros}});
    let renamed = changed(&file, |v| v["provenance"] = ceremony).unwrap();
    assert!(matches!(check(renamed), Err(Wrong::Provenance { .. })));
    let is_input =
        |wrong: Wrong, name: &str| assert!(matches!(wrong, Wrong::Input { input, .. } if input == name));
    is_input(wrong(|v| v["openings"]["region"]["center"][0] = 1.into()), "region");
    is_input(wrong(|v| v["inputs"][1]["value"] = v["inputs"][0]["value"].clone()), "region");
    is_input(wrong(|v| v["openings"]["context"]["chain_id"] = "6".into()), "context");
    is_input(wrong(|v| v["openings"]["context"]["purpose"] = "another".into()), "context");
    is_input(
        wrong(|v| v["openings"]["context"]["contract"] = format!("0x{}", "04".repeat(20)).into()),
        "context",
    );
    // What is only stated is bound by the proof.
    for at in [0, 2, 3, 4, 5] {
        let other = format!("0x{:064x}", 1234);
        let file = check(changed(&file, |v| v["inputs"][at]["value"] = other.into()).unwrap()).unwrap();
        let verdict = prover.verifier().verify(&file.inputs(), &file.proof().unwrap());
        assert_eq!(verdict, Err(Refused::Invalid), "input {at}");
    }
    // A bit of each word of the proof: no point any more, or not valid.
    for word in 0..8 {
        let file = changed(&file, |v| {
            let text = v["proof"].as_str().unwrap().to_owned();
            let at = 2 + 64 * word + 63;
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            v["proof"] = format!("{}{other}{}", &text[..at], &text[at + 1..]).into();
        });
        let file = file.unwrap();
        let verdict = file.proof().map(|proof| prover.verifier().verify(&file.inputs(), &proof));
        assert!(!matches!(verdict, Ok(Ok(()))), "word {word}");
    }
}

#[test]
fn another_form_is_refused_and_named() {
    let circuit = circuit("position-2");
    let file = claim(1).prove(&prover(&circuit), &[1; 32]).unwrap();
    let says = |why: &str, change: fn(&mut Value)| {
        let error = changed(&file, change).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    };
    let modulus = "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
    assert!(changed(&file, |v| v["inputs"][0]["value"] = modulus.into()).is_err());
    says("format 2", |v| v["format"] = 2.into());
    says("unknown field", |v| v["more"] = 1.into());
    says("no circuit \"position-3\"", |v| v["circuit"] = "position-3".into());
    says("public inputs are not those", |v| v["circuit"] = "integrity".into());
    says("public inputs are not those", |v| v["inputs"].as_array_mut().unwrap().swap(0, 1));
    says("public inputs are not those", |v| drop(v["inputs"].as_array_mut().unwrap().pop()));
    says("no place of the ball", |v| v["circuit"] = "position-8".into());
    says("no place of the ball", |v| v["openings"]["region"]["center"][0] = (1_i64 << 41).into());
    says("needs the opening \"region\"", |v| drop(v["openings"].as_object_mut().unwrap().remove("region")));
    says("needs the opening \"checkpoint\"", |v| v["openings"]["checkpoint"] = Value::Null);
    says("purpose of 257 bytes", |v| v["openings"]["context"]["purpose"] = "x".repeat(257).into());
    says("hex digits", |v| v["proof"] = "0x00".into());
    says("lower case", |v| v["key_hash"] = "A".repeat(64).into());
    let text = file.to_json();
    for at in (0..text.len()).step_by(41) {
        assert!(ProofFile::from_json(&text.as_bytes()[..at]).is_err(), "{at}");
    }
    let padded = format!("{text}{}", " ".repeat(40_000));
    assert!(matches!(ProofFile::from_json(padded.as_bytes()), Err(ProofFileError::TooLong { .. })));
}

#[test]
fn the_format_is_frozen() {
    let circuit = circuit("position-2");
    let file = claim(1).prove(&prover(&circuit), &[1; 32]).unwrap();
    assert_eq!(
        Hash::sha3(file.to_json().as_bytes()).to_string(),
        "6674a9c75e7a8ae813b9e51638250762874318eb1f47a566c6b7b437469cd110"
    );
}

#[test]
fn one_bad_proof_of_many_is_told_from_the_others() {
    let circuit = circuit("position-2");
    let prover = prover(&circuit);
    let mut proofs: Vec<_> = (0..4)
        .map(|seed| {
            let file = claim(seed).prove(&prover, &[1; 32]).unwrap();
            (file.inputs(), file.proof().unwrap())
        })
        .collect();
    let verifier = prover.verifier();
    assert_eq!(verifier.verify_each(&proofs), vec![Ok(()); 4]);
    proofs[2].0[5] += Fr::from(1);
    assert_eq!(verifier.verify_each(&proofs), [Ok(()), Ok(()), Err(Refused::Invalid), Ok(())]);
    assert!(verifier.verify_each(&[]).is_empty());
}

#[test]
fn a_purpose_is_a_text_or_32_bytes() {
    let of = |purpose: &str| Context { purpose: purpose.to_owned(), ..context() }.purpose_hash().to_string();
    // As `cast keccak phalanx` has it.
    assert_eq!(of("phalanx"), "4c72817498b33ba343368920a7e5fd3e0ec3090780f055a8c83f70bfa0f6760e");
    let literal = "12".repeat(32);
    assert_eq!(of(&format!("0x{literal}")), literal);
    assert_ne!(of(&literal), literal);
}

#[test]
fn the_chain_is_told_where_it_finds_what_it_looks_at() {
    let of = |name: &str| Places::of(name.parse().unwrap());
    assert_eq!(of("position-8"), Places { root: 0, root_at: 0, nullifier_at: 5, context_at: 6 });
    assert_eq!(of("action-8"), Places { root: 1, root_at: 0, nullifier_at: 5, context_at: 6 });
    assert_eq!(of("integrity"), Places { root: 1, root_at: 0, nullifier_at: 255, context_at: 255 });
}
