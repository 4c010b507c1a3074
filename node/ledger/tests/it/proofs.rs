//! Proof files: what they show, and what they refuse.

use crate::{
    chain::{Chain, certify, command, genesis, key, owner, story, validator},
    store::flipped,
};
use phalanx_fabric::Fabric;
use phalanx_ledger::{
    MemoryKv,
    proof::{ExportError, ProofFile, Trust, VerifyError, export, verify},
};
use phalanx_types::{
    Genesis, Hash, Height, OwnerCommand, PublicKey, ReceiptIndex, Round, ValidatorSet, Weight, params::Mode,
    shard::ShardSpec, validator::Member,
};
use serde_json::Value;

fn file(chain: &Chain<MemoryKv>, index: u64) -> Vec<u8> {
    export(chain.replica.ledger(), ReceiptIndex(index)).unwrap()
}

fn parsed(bytes: &[u8]) -> ProofFile {
    serde_json::from_slice(bytes).unwrap()
}

/// The file as a forger writes it: in canonical form, with its digest.
fn resealed(mut file: ProofFile) -> Vec<u8> {
    let canonical = |file: &ProofFile| serde_json::to_vec(&serde_json::to_value(file).unwrap()).unwrap();
    file.digest = Hash::ZERO;
    file.digest = Hash::sha3(&canonical(&file));
    canonical(&file)
}

fn refused(file: ProofFile, genesis: &Genesis) -> String {
    match verify(&resealed(file), &Trust::Genesis(genesis)) {
        Err(error) => error.to_string(),
        Ok(shown) => panic!("a forged file was taken for valid: {shown:?}"),
    }
}

#[test]
fn every_receipt_of_a_beat_is_proven() {
    let chain = story();
    let tip = chain.replica.ledger().tip().clone();
    for index in 1..tip.next_receipt.0 {
        let bytes = file(&chain, index);
        assert_eq!(resealed(parsed(&bytes)), bytes, "a file is in its one form");
        let shown = verify(&bytes, &Trust::Genesis(&chain.genesis)).unwrap();
        assert_eq!(shown.index, ReceiptIndex(index));
        let is_closed = index < tip.interval_receipt.0;
        assert_eq!(shown.checkpoint.is_some(), is_closed, "receipt {index}");
        let hash = chain.replica.ledger().receipt(ReceiptIndex(index)).unwrap().unwrap().hash();
        assert_eq!(shown.receipt_hash, hash);
    }
}

#[test]
fn the_genesis_receipt_and_one_that_is_not_there_have_no_file() {
    let chain = story();
    let next = chain.replica.ledger().tip().next_receipt;
    let ledger = chain.replica.ledger();
    assert!(matches!(export(ledger, ReceiptIndex(0)), Err(ExportError::Genesis(_))));
    assert!(matches!(export(ledger, next), Err(ExportError::Absent(..))));
}

#[test]
fn a_file_shows_how_often_the_validators_changed_before_it() {
    let chain = story();
    let ledger = chain.replica.ledger();
    let mut seen = Vec::new();
    for height in 1..=ledger.tip().height.0 {
        let (first, count) = ledger.range(Height(height)).unwrap().unwrap();
        if count == 0 {
            continue;
        }
        let shown = verify(&file(&chain, first.0), &Trust::Genesis(&chain.genesis)).unwrap();
        let signers = ledger.certificate(Height(height)).unwrap().unwrap().signatures.len();
        assert_eq!(shown.signers, signers);
        assert_eq!(shown.weight, [signers as u64, signers as u64]);
        seen.push(shown.set_changes);
    }
    assert!(seen.is_sorted() && seen.first() == Some(&0) && seen.last() == Some(&2), "{seen:?}");
}

#[test]
fn a_file_before_and_after_its_checkpoint_differs_only_in_the_anchor() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.offer_all();
    chain.beat();
    let open = parsed(&file(&chain, 1));
    assert!(open.anchor.is_none());
    chain.beats(3);
    let closed = parsed(&file(&chain, 1));
    assert!(closed.anchor.is_some());
    assert_eq!(ProofFile { anchor: None, digest: open.digest, ..closed }, open);
}

#[test]
fn a_proof_outlives_the_hidden_values() {
    let chain = story();
    let ledger = chain.replica.ledger();
    let kept: Vec<u64> = (0..ledger.tip().next_receipt.0)
        .filter(|i| !ledger.hidden(ReceiptIndex(*i)).unwrap().is_empty())
        .collect();
    assert!(!kept.is_empty());
    for index in kept {
        let before = file(&chain, index);
        ledger.drop_hidden(ReceiptIndex(index)).unwrap();
        assert!(ledger.hidden(ReceiptIndex(index)).unwrap().is_empty());
        assert_eq!(file(&chain, index), before);
        let text = String::from_utf8(before).unwrap();
        assert!(text.contains("salted") && !text.contains(&(-(1_i64 << 37)).to_string()), "a place is shown");
    }
}

/// Every byte of a file with an anchor and set changes, and of one without.
#[test]
fn a_file_with_one_changed_byte_is_refused() {
    let chain = story();
    let tip = chain.replica.ledger().tip().clone();
    for index in [tip.interval_receipt.0 - 1, tip.next_receipt.0 - 1, 1] {
        let bytes = file(&chain, index);
        for at in 0..bytes.len() {
            for mask in [1, 0x20] {
                let bad = flipped(&bytes, at, mask);
                assert!(verify(&bad, &Trust::Genesis(&chain.genesis)).is_err(), "receipt {index}, byte {at}");
                assert!(verify(&bad, &Trust::File).is_err(), "receipt {index}, byte {at}, trusting nothing");
            }
        }
        for len in 0..bytes.len() {
            assert!(verify(&bytes[..len], &Trust::File).is_err(), "cut off at {len}");
        }
        let longer = [&bytes[..], b" "].concat();
        assert!(verify(&longer, &Trust::File).is_err());
    }
}

/// Changes each leaf of the JSON; the forger sets the digest right.
#[test]
fn no_field_can_be_forged_but_an_unsigned_checkpoints() {
    let chain = story();
    let index = chain.replica.ledger().tip().interval_receipt.0 - 1;
    let honest = serde_json::to_value(parsed(&file(&chain, index))).unwrap();
    let mut leaves = Vec::new();
    paths(&honest, String::new(), &mut leaves);
    assert!(leaves.len() > 100);
    let mut unsigned = Vec::new();
    for path in leaves {
        let mut forged = honest.clone();
        let leaf = forged.pointer_mut(&path).unwrap();
        *leaf = match &*leaf {
            Value::String(text) => match text.parse::<u64>() {
                Ok(number) if text.len() < 20 => Value::String((number + 1).to_string()),
                _ => Value::String(other_text(text)),
            },
            Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
            other => panic!("{path}: {other}"),
        };
        let Ok(forged) = serde_json::from_value::<ProofFile>(forged) else { continue };
        if verify(&resealed(forged), &Trust::Genesis(&chain.genesis)).is_ok() && path != "/digest" {
            unsigned.push(path);
        }
    }
    // Validators sign a checkpoint for the chain, after the beat is decided.
    // Until then only the checkpoint's own word stands for these.
    let checkpoint = [
        "agents_root",
        "audit_root",
        "last_beat",
        "next_set_hash",
        "number",
        "parent",
        "set_epoch",
        "set_hash",
        "verification_fraction_ppm",
        "verification_level",
    ];
    let mut expected: Vec<String> = checkpoint.iter().map(|f| format!("/anchor/checkpoint/{f}")).collect();
    expected.sort();
    assert_eq!(unsigned, expected);
}

fn other_text(text: &str) -> String {
    let head = if text.starts_with('1') { "2" } else { "1" };
    format!("{head}{}", text.get(1..).unwrap_or_default())
}

fn paths(value: &Value, at: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| paths(value, format!("{at}/{key}"), leaves)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| paths(value, format!("{at}/{i}"), leaves));
        }
        _ => leaves.push(at),
    }
}

#[test]
fn a_proof_of_another_mesh_is_another_mesh() {
    let chain = story();
    let other = Genesis { mesh: Hash::sha3(b"another"), ..genesis(1) };
    let bytes = file(&chain, 1);
    for trust in [Trust::Genesis(&other), Trust::GenesisHash(other.hash())] {
        let error = verify(&bytes, &trust).unwrap_err();
        assert!(matches!(error, VerifyError::OtherMesh { expected, .. } if expected == other.hash()));
    }
    verify(&bytes, &Trust::GenesisHash(chain.genesis.hash())).unwrap();
    // A forger may write the right genesis hash over another mesh's proof.
    let mut relabelled = parsed(&bytes);
    relabelled.genesis = other.hash();
    let told = refused(relabelled, &other);
    assert!(told.contains("mesh"), "{told}");
}

/// Four validators of which each counts one.
fn four() -> Chain<MemoryKv> {
    let mut chain = Chain::in_memory(genesis(4));
    chain.offer_all();
    chain.beats(2);
    chain
}

#[test]
fn more_than_two_thirds_must_have_signed() {
    let chain = four();
    let mut proof = parsed(&file(&chain, 1));
    assert_eq!(proof.certificate.signatures.len(), 4);
    proof.certificate.signatures.remove(1);
    verify(&resealed(proof.clone()), &Trust::Genesis(&chain.genesis)).unwrap();
    proof.certificate.signatures.remove(1);
    let told = refused(proof.clone(), &chain.genesis);
    assert!(told.contains("certificate.signatures") && told.contains("weight of 2"), "{told}");
    // The same signature again does not count again.
    let again = proof.certificate.signatures[0];
    proof.certificate.signatures.push(again);
    let told = refused(proof, &chain.genesis);
    assert!(told.contains("ascending"), "{told}");
}

#[test]
fn signatures_of_another_beat_height_or_round_do_not_count() {
    let chain = four();
    let honest = parsed(&file(&chain, 1));
    let later = chain.replica.ledger().certificate(Height(2)).unwrap().unwrap();
    let mut proof = honest.clone();
    proof.certificate = later.clone();
    assert!(refused(proof, &chain.genesis).contains("not of this header"));
    let mut proof = honest.clone();
    proof.certificate.signatures = later.signatures;
    assert!(refused(proof, &chain.genesis).contains("signature is wrong"));
    let mut proof = honest;
    proof.certificate.round = Round(proof.certificate.round.0 + 1);
    assert!(refused(proof, &chain.genesis).contains("signature is wrong"));
}

/// A set that is as large as the mesh's, of keys that are not its.
#[test]
fn a_certificate_of_another_set_is_refused() {
    let chain = four();
    let mut proof = parsed(&file(&chain, 1));
    let members = (11..15).map(|i| Member { key: key(i).public(), weight: Weight(1) }).collect();
    let strangers = ValidatorSet::new(members, vec![key(11).public()]).unwrap();
    let beat = chain.replica.ledger().beat(Height(1)).unwrap().unwrap();
    proof.certificate = certify(&strangers, &beat, Round(0));
    assert!(refused(proof.clone(), &chain.genesis).contains("is not a validator of this height"));
    // Nor can the file bring its own first set.
    proof.genesis_set = strangers;
    assert!(refused(proof, &chain.genesis).contains("genesis_set"));
}

/// One dishonest validator of four makes up a beat and gives itself the weight
/// to decide it.
#[test]
fn one_key_of_the_genesis_cannot_give_itself_a_quorum() {
    let chain = four();
    let mut proof = parsed(&file(&chain, 1));
    let heavy = |key: PublicKey, weight: u64| Member { key, weight: Weight(weight) };
    let honest = proof.genesis_set.clone();
    let liar = key(2).public();
    // Encoded by hand, since the constructor would cap the weight.
    let members: Vec<Member> =
        honest.members().iter().map(|m| heavy(m.key, if m.key == liar { 1 << 20 } else { 1 })).collect();
    let forged: ValidatorSet =
        phalanx_types::decode_exact(&phalanx_types::encode(&(members, vec![liar])), 1 << 16, "set").unwrap();
    let mut beat = chain.replica.ledger().beat(Height(1)).unwrap().unwrap();
    beat.header.validator_set = forged.hash();
    let alone = ValidatorSet::new(vec![heavy(liar, 1)], vec![liar]).unwrap();
    proof.certificate = certify(&alone, &beat, Round(0));
    proof.certificate.verify(&forged).expect("the forgery holds together");
    proof.header = beat.header;
    proof.genesis_set = forged;
    let told = refused(proof, &chain.genesis);
    assert!(told.contains("genesis_set"), "{told}");
}

#[test]
fn the_first_set_is_the_one_that_the_fabric_makes_of_the_genesis_in_every_mode() {
    let mut five = genesis(5);
    for (validator, shard) in five.validators.iter_mut().zip(&five.shards) {
        validator.region = shard.name.clone();
    }
    let keys: Vec<PublicKey> = five.validators.iter().map(|v| v.vote_key).collect();
    let coordinators =
        five.shards.iter().map(|s: &ShardSpec| s.name.clone()).zip(keys.iter().map(|k| vec![*k]));
    for mode in [
        Mode::FullyDistributed,
        Mode::GeometricMesh,
        Mode::Centralized { succession: vec![keys[0], keys[1]] },
        Mode::Federated { coordinators: coordinators.collect() },
    ] {
        let genesis = Genesis { mode, ..five.clone() };
        let (_, applied) = Fabric::genesis(&genesis).unwrap();
        let mut chain = Chain::in_memory(genesis.clone());
        chain.beats(1);
        chain.send(&owner(), vec![command(OwnerCommand::Payload { bytes: vec![1] })]);
        chain.beat();
        let proof = parsed(&file(&chain, 1));
        assert_eq!(proof.genesis_set.hash(), applied.next_set.hash());
        verify(&file(&chain, 1), &Trust::Genesis(&genesis))
            .unwrap_or_else(|_| panic!("{}", genesis.mode.name()));
    }
}

/// A mesh that changes its validators three times.
#[test]
fn the_chain_of_sets_has_no_hole_and_no_made_up_link() {
    let mut chain = Chain::in_memory(genesis(1));
    for seed in [2, 3, 4] {
        chain.send(&owner(), vec![command(OwnerCommand::SetValidator { validator: validator(seed) })]);
        chain.beats(2);
    }
    chain.send(&owner(), vec![command(OwnerCommand::Payload { bytes: vec![9] })]);
    chain.beat();
    let last = chain.replica.ledger().tip().next_receipt.0 - 1;
    let honest = parsed(&file(&chain, last));
    assert_eq!(honest.set_changes.len(), 3);
    verify(&resealed(honest.clone()), &Trust::Genesis(&chain.genesis)).unwrap();
    for at in 0..3 {
        let mut hole = honest.clone();
        hole.set_changes.remove(at);
        refused(hole, &chain.genesis);
        let mut twice = honest.clone();
        twice.set_changes.insert(at, honest.set_changes[at].clone());
        refused(twice, &chain.genesis);
        let mut unsigned = honest.clone();
        unsigned.set_changes[at].certificate.signatures.clear();
        refused(unsigned, &chain.genesis);
        let mut other = honest.clone();
        other.set_changes[at].next_set = honest.genesis_set.clone();
        assert!(refused(other, &chain.genesis).contains("set"));
    }
    let mut swapped = honest;
    swapped.set_changes.swap(0, 1);
    refused(swapped, &chain.genesis);
}

#[test]
fn a_receipt_cannot_take_the_place_of_another() {
    let chain = story();
    let (a, b) = (parsed(&file(&chain, 1)), parsed(&file(&chain, 2)));
    assert_eq!(a.receipt.beat, b.receipt.beat, "both are of one beat");
    let mut taken = a.clone();
    (taken.receipt, taken.receipt_hash) = (b.receipt, b.receipt_hash);
    assert!(refused(taken, &chain.genesis).contains("beat.path"));
    let mut moved = a;
    moved.beat.index += 1;
    assert!(refused(moved, &chain.genesis).contains("beat.path"));
}

#[test]
fn a_checkpoint_of_another_interval_is_refused() {
    let chain = story();
    let ledger = chain.replica.ledger();
    let first_of_second =
        ledger.checkpoint(phalanx_types::units::CheckpointNumber(2)).unwrap().unwrap().first_receipt.0;
    let (early, late) = (parsed(&file(&chain, 1)), parsed(&file(&chain, first_of_second)));
    let mut mixed = early;
    mixed.anchor = late.anchor;
    assert!(refused(mixed, &chain.genesis).contains("anchor"));
}

#[test]
fn what_is_no_proof_file_is_unreadable() {
    for bytes in [&b""[..], b"{}", b"null", b"\xff", b"[[[[", b"{\"version\":1}"] {
        assert!(matches!(verify(bytes, &Trust::File), Err(VerifyError::Unreadable(_))));
    }
    let huge = vec![b' '; phalanx_ledger::proof::PROOF_BYTES_MAX + 1];
    assert!(matches!(verify(&huge, &Trust::File), Err(VerifyError::Unreadable(_))));
    let mut newer = parsed(&file(&story(), 1));
    newer.version = 2;
    let told = verify(&resealed(newer), &Trust::File).unwrap_err();
    assert!(matches!(&told, VerifyError::Unreadable(why) if why.contains("version")), "{told}");
}
