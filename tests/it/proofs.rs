//! Proof files that a liar makes with real keys.

use crate::conformance::genesis::large;
use phalanx_ledger::{
    interval,
    proof::{self, Inclusion, ProofFile, Shown, Trust, VerifyError},
};
use phalanx_tests::mesh;
use phalanx_types::{
    CommitCertificate, Genesis, Hash, Header, Height, Receipt, ReceiptIndex, ReceiptKind, Round, SigningKey,
    TimeMs, ValidatorSet, Weight,
    beat::inputs_root,
    params::Mode,
    receipt::Data,
    validator::Member,
    vote::{ValidatorMessage, Vote, VoteKind},
};
use serde_json::json;
use std::collections::BTreeMap;

/// A proof file of a receipt in beat 1, decided by `set` and signed by `signers`.
fn made(genesis: &Genesis, parent: Hash, set: &ValidatorSet, signers: &[SigningKey]) -> Vec<u8> {
    let time = TimeMs(genesis.time.0 + 100);
    let receipt = Receipt {
        actor: "fabric".into(),
        beat: Height(1),
        causes: vec![],
        data: Data::new(),
        index: ReceiptIndex(1),
        inputs: Hash::ZERO,
        kind: ReceiptKind::JobEnded,
        policy_version: 0,
        previous_hash: Hash([9; 32]),
        subject: "a job".into(),
        tenant: None,
        time_ms: time,
        trace_id: None,
    };
    let header = Header {
        mesh: genesis.mesh,
        height: Height(1),
        parent,
        parent_certificate: Hash::ZERO,
        time,
        inputs_root: inputs_root(&[], &[]),
        receipts_root: interval::root(&[receipt.hash()]),
        app_hash: Hash([3; 32]),
        validator_set: set.hash(),
        next_validator_set: set.hash(),
        policy_version: 0,
        proposer: set.proposers()[0],
    };
    let sign = |key: &SigningKey| {
        let vote = Vote {
            mesh: genesis.mesh,
            height: Height(1),
            round: Round(0),
            kind: VoteKind::Precommit,
            beat: Some(header.id()),
            validator: key.public(),
        };
        (key.public(), vote.sign(key).signature)
    };
    let mut signatures: Vec<_> = signers.iter().map(sign).collect();
    signatures.sort();
    let certificate = CommitCertificate {
        mesh: genesis.mesh,
        height: Height(1),
        round: Round(0),
        beat: header.id(),
        signatures,
    };
    let file = ProofFile {
        anchor: None,
        beat: Inclusion { count: 1, index: 0, path: vec![] },
        certificate,
        digest: Hash::ZERO,
        genesis: genesis.hash(),
        genesis_set: set.clone(),
        header,
        receipt_hash: receipt.hash(),
        receipt,
        set_changes: vec![],
        version: proof::VERSION,
    };
    let mut value = serde_json::to_value(&file).unwrap();
    value["digest"] = json!(Hash::sha3(&serde_json::to_vec(&value).unwrap()));
    serde_json::to_vec(&value).unwrap()
}

fn voters(seeds: &[u8]) -> Vec<SigningKey> {
    seeds.iter().map(|seed| mesh::key(20 + seed)).collect()
}

fn verdict(file: &[u8], genesis: &Genesis) -> Result<Shown, String> {
    proof::verify(file, &Trust::Genesis(genesis)).map_err(|error| match error {
        VerifyError::Mismatch { field, .. } => field,
        other => other.to_string(),
    })
}

#[test]
fn a_validator_that_gives_itself_weight_in_the_file_does_not_decide_alone() {
    let genesis = large(Mode::FullyDistributed);
    let honest = mesh::first_set(&genesis);
    assert!(
        verdict(&made(&genesis, genesis.hash(), &honest, &voters(&[0, 1, 2, 3, 4, 5])), &genesis).is_ok()
    );
    let liar = mesh::key(20).public();
    let heavy = |weight: u64| {
        let mut set = serde_json::to_value(&honest).unwrap();
        for member in set["members"].as_array_mut().unwrap() {
            if member["key"] == json!(liar) {
                member["weight"] = json!(Weight(weight));
            }
        }
        serde_json::from_value::<ValidatorSet>(set).unwrap()
    };
    for weight in [1_000, 1 << 24, 1 << 40, u64::MAX] {
        let file = made(&genesis, genesis.hash(), &heavy(weight), &voters(&[0]));
        assert_eq!(verdict(&file, &genesis), Err("genesis_set".into()), "{weight}");
    }
}

#[test]
fn a_set_of_strangers_is_not_the_genesis_set() {
    let genesis = large(Mode::FullyDistributed);
    let stranger = mesh::key(99);
    let members = vec![Member { key: stranger.public(), weight: Weight(1) }];
    let set = ValidatorSet::new(members, vec![stranger.public()]).unwrap();
    let file = made(&genesis, genesis.hash(), &set, &[stranger]);
    assert_eq!(verdict(&file, &genesis), Err("genesis_set".into()));
    // Who trusts nothing from outside is told so.
    assert!(proof::verify(&file, &Trust::File).unwrap().trusted.contains("compare"));
}

#[test]
fn in_a_federated_mesh_the_first_coordinators_decide_and_nobody_else() {
    let voter = |i: u8| mesh::key(20 + i).public();
    let coordinators: BTreeMap<_, _> = ["earth", "luna", "mars", "helios"]
        .iter()
        .zip(0_u8..)
        .map(|(region, i)| (mesh::name(region), vec![voter(2 * i + 1), voter(2 * i)]))
        .collect();
    let genesis = large(Mode::Federated { coordinators });
    let set = mesh::first_set(&genesis);
    let by = |signers: &[u8]| verdict(&made(&genesis, genesis.hash(), &set, &voters(signers)), &genesis);
    let shown = by(&[1, 3, 5]).unwrap();
    assert_eq!((shown.signers, shown.weight), (3, [3, 4]));
    assert_eq!(by(&[1, 3]), Err("certificate.signatures".into()));
    assert_eq!(by(&[0, 1, 3, 5]), Err("certificate.signatures".into()));
    // The set of all validators, signed by all, is not this mesh's.
    let all = mesh::first_set(&large(Mode::FullyDistributed));
    let file = made(&genesis, genesis.hash(), &all, &voters(&[0, 1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(verdict(&file, &genesis), Err("genesis_set".into()));
}

#[test]
fn the_first_beat_follows_the_genesis() {
    let genesis = large(Mode::FullyDistributed);
    let set = mesh::first_set(&genesis);
    let file = made(&genesis, Hash([1; 32]), &set, &voters(&[0, 1, 2, 3, 4, 5]));
    assert_eq!(verdict(&file, &genesis), Err("header.parent".into()));
}
