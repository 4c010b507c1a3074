//! A ledger executed again from genesis.

use crate::chain::{Chain, certify, genesis, job, key, story, tenant};
use phalanx_consensus::Application;
use phalanx_fabric::{BeatContext, Input};
use phalanx_ledger::{Batch, BeatMeta, Cf, Durability, Kv, Ledger, MemoryKv, StoreError, fsck::fsck, record};
use phalanx_replica::replay::{Difference, Progress, ReplayError, replay};
use phalanx_types::{Beat, Genesis, Hash, Height, ReceiptDraft, Round, state::StateChange};

fn write(kv: &MemoryKv, cf: Cf, key: &[u8], payload: Option<Vec<u8>>) {
    let value = payload.map(|payload| record::wrap(cf, key, payload));
    kv.write(Batch { writes: vec![(cf, key.to_vec(), value)] }, Durability::Synced).unwrap();
}

fn payload(kv: &MemoryKv, cf: Cf, key: &[u8]) -> Vec<u8> {
    record::unwrap(cf, key, &kv.get(cf, key).unwrap().unwrap()).unwrap().to_vec()
}

fn first(kv: &MemoryKv) -> Difference {
    match replay(kv, None, None, |_| {}) {
        Err(ReplayError::Differs(difference)) => difference,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_honest_ledger_is_equal_in_every_record() {
    let chain = story();
    let before = chain.kv().dump();
    let mut seen = Vec::new();
    let replayed = replay(&chain.kv(), Some(&chain.genesis), None, |p| seen.push(p)).unwrap();
    let tip = chain.replica.ledger().tip();
    assert!(replayed.is_whole);
    assert_eq!(
        (replayed.height, replayed.header, replayed.app_hash),
        (tip.height, tip.header_id, tip.app_hash)
    );
    assert_eq!((replayed.receipts, replayed.checkpoints), (tip.next_receipt.0, tip.checkpoint.0));
    assert_eq!(replayed.records, before.len() as u64, "every record was compared");
    assert_eq!(chain.kv().dump(), before, "P2: nothing is written");
    let all: Vec<_> =
        (1..=tip.height.0).map(|done| Progress { done: Height(done), of: tip.height }).collect();
    assert_eq!(seen, all);
}

#[test]
fn a_part_is_compared_up_to_its_height() {
    let chain = story();
    let tip = chain.replica.ledger().tip().height;
    for to in 0..=tip.0 {
        let replayed = replay(&chain.kv(), None, Some(Height(to)), |_| {}).unwrap();
        assert_eq!((replayed.height.0, replayed.is_whole), (to, to == tip.0));
    }
    let beyond = replay(&chain.kv(), None, Some(tip.next()), |_| {});
    assert!(matches!(beyond, Err(ReplayError::BeyondTip { .. })), "{beyond:?}");
    // What is wrong later does not matter to it.
    write(&chain.kv(), Cf::Beats, &tip.0.to_be_bytes(), None);
    replay(&chain.kv(), None, Some(Height(tip.0 - 1)), |_| {}).unwrap();
    assert_eq!(first(&chain.kv()).height, tip);
}

#[test]
fn dropped_hidden_values_are_no_difference_but_are_counted() {
    let chain = story();
    let kv = chain.kv();
    let hidden: Vec<_> = kv.dump().into_iter().filter(|(cf, ..)| *cf == Cf::Hidden).collect();
    assert!(hidden.len() > 2);
    write(&kv, Cf::Hidden, &hidden[1].1, None);
    assert_eq!(replay(&kv, None, None, |_| {}).unwrap().hidden_dropped, 1);
}

#[test]
fn a_ledger_of_a_trusted_genesis_only() {
    let chain = story();
    let other = Genesis { mesh: Hash([1; 32]), ..genesis(1) };
    let told = replay(&chain.kv(), Some(&other), None, |_| {});
    assert!(matches!(told, Err(ReplayError::OtherMesh { .. })), "{told:?}");
    assert!(matches!(replay(&MemoryKv::default(), None, None, |_| {}), Err(ReplayError::Absent("genesis"))));
}

/// Every record, changed with a checksum that holds, removed, and copied.
#[test]
fn any_record_that_execution_does_not_give_is_found() {
    let chain = story();
    let kv = chain.kv();
    for (cf, key, value) in kv.dump() {
        let honest = payload(&kv, cf, &key);
        let mut changes = vec![None];
        if !honest.is_empty() {
            let mut changed = honest.clone();
            let middle = changed.len() / 2;
            changed[middle] ^= 1;
            changes.push(Some(changed));
        }
        for change in changes {
            if cf == Cf::Hidden && change.is_none() || key == b"schema" && change.is_none() {
                continue;
            }
            write(&kv, cf, &key, change);
            let told = replay(&kv, None, None, |_| {});
            assert!(told.is_err(), "{cf} {key:?}");
            kv.write(Batch { writes: vec![(cf, key.clone(), Some(value.clone()))] }, Durability::Synced)
                .unwrap();
        }
        let mut other = key.clone();
        *other.last_mut().unwrap() ^= 0x40;
        if kv.get(cf, &other).unwrap().is_none() {
            write(&kv, cf, &other, Some(honest));
            assert!(replay(&kv, None, None, |_| {}).is_err(), "{cf} {other:?} is one too many");
            write(&kv, cf, &other, None);
        }
    }
    replay(&kv, None, None, |_| {}).unwrap();
}

#[test]
fn the_first_difference_is_named_with_its_height() {
    let chain = story();
    let kv = chain.kv();
    let (first_of_two, _) = chain.replica.ledger().range(Height(2)).unwrap().unwrap();
    let place = first_of_two.0.to_be_bytes();
    let text = String::from_utf8(payload(&kv, Cf::Receipts, &place)).unwrap();
    write(&kv, Cf::Receipts, &place, Some(text.replace("\"actor\":\"", "\"actor\":\"x").into_bytes()));
    // A later one does not hide it.
    write(&kv, Cf::Beats, &4_u64.to_be_bytes(), None);
    let difference = first(&kv);
    assert_eq!(difference.height, Height(2));
    let hex: String = place.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(difference.what.contains(&format!("the record {hex} of the table receipts")), "{difference}");
}

#[test]
fn damage_is_told_as_damage() {
    let chain = story();
    let kv = chain.kv();
    let broken = Batch { writes: vec![(Cf::Beats, 3_u64.to_be_bytes().to_vec(), Some(vec![1; 40]))] };
    kv.write(broken, Durability::Synced).unwrap();
    let told = replay(&kv, None, None, |_| {});
    assert!(matches!(told, Err(ReplayError::Store(StoreError::Damaged { cf: Cf::Beats, .. }))), "{told:?}");
}

/// A forger of the whole mesh: it has every key and changes the state, the
/// receipts or the index of a beat, with all roots and signatures right.
fn forge(change: impl FnOnce(&mut Vec<ReceiptDraft>, &mut Vec<StateChange>)) -> MemoryKv {
    let mut chain = Chain::in_memory(genesis(1));
    chain.offer_all();
    chain.beats(2);
    chain.send(&tenant(), vec![job("a")]);
    let mut beat: Beat = (*chain.propose()).clone();
    let kv = chain.kv();
    let context = BeatContext {
        height: beat.header.height,
        time: beat.header.time,
        parent_time: chain.replica.ledger().tip().time,
        parent: beat.header.parent,
        proposer: beat.header.proposer,
        parent_round: Round(0),
        parent_signers: vec![key(1).public()],
        ledger: chain.replica.ledger().tip().mark(),
    };
    let ids: Vec<Hash> = beat.envelopes.iter().map(|signed| signed.envelope.id()).collect();
    let inputs: Vec<Input<'_>> =
        ids.iter().zip(&beat.envelopes).map(|(id, signed)| Input { id: *id, signed }).collect();
    let (_, mut applied) = chain.replica.fabric().apply(&context, &inputs, &[]);
    change(&mut applied.receipts, &mut applied.changes);
    let meta = BeatMeta {
        height: beat.header.height,
        time: beat.header.time,
        parent: beat.header.parent,
        policy_version: applied.policy_version,
        verification: applied.verification,
        checkpoint_due: applied.checkpoint_due,
        registered: applied.registered,
    };
    let set = chain.replica.validator_set();
    drop(chain);
    let mut ledger = Ledger::open(kv.clone()).unwrap();
    let prepared = ledger.prepare(&meta, &applied.receipts, &applied.changes);
    beat.header.receipts_root = prepared.receipts_root();
    beat.header.app_hash = prepared.app_hash();
    let certificate = certify(&set, &beat, Round(0));
    ledger.commit(&beat, &certificate, prepared, &applied.next_set).unwrap();
    kv
}

#[test]
fn a_beat_that_all_validators_forged_together_is_found_by_execution_alone() {
    let honest = forge(|_, _| {});
    assert!(fsck(&honest).is_clean());
    replay(&honest, None, None, |_| {}).unwrap();

    let state = forge(|_, changes| {
        let value = changes.last_mut().unwrap().value.as_mut().unwrap();
        *value.last_mut().unwrap() ^= 1;
    });
    assert!(fsck(&state).is_clean(), "it hangs together: {:?}", fsck(&state).first);
    let difference = first(&state);
    assert_eq!(difference.height, Height(3));
    assert!(difference.what.contains("app hash"), "{difference}");

    let receipt = forge(|receipts, _| receipts[0].actor = "somebody else".into());
    assert!(fsck(&receipt).is_clean());
    let difference = first(&receipt);
    assert_eq!(difference.height, Height(3));
    assert!(difference.what.contains("receipts root"), "{difference}");

    // A hidden value is bound by the receipt, its absence by nothing: it may be
    // dropped. One that was never there is a made-up one.
    let left_out = forge(|receipts, _| drop(receipts.pop()));
    assert!(first(&left_out).what.contains("receipts root"));
}

/// A forger without keys: state, app hash and header fit one another, but the
/// certificate is of another header.
#[test]
fn a_state_that_was_changed_with_its_app_hash_has_no_certificate() {
    let kv = forge(|_, changes| {
        let value = changes.last_mut().unwrap().value.as_mut().unwrap();
        *value.last_mut().unwrap() ^= 1;
    });
    let honest = forge(|_, _| {});
    let place = 3_u64.to_be_bytes();
    write(&kv, Cf::Certificates, &place, Some(payload(&honest, Cf::Certificates, &place)));
    assert!(!fsck(&kv).is_clean());
    assert_eq!(first(&kv).height, Height(3));
}

/// The same beats under a certificate of too few.
#[test]
fn every_certificate_is_checked_against_the_set_that_execution_gives() {
    let mut chain = Chain::in_memory(genesis(4));
    chain.beats(3);
    let kv = chain.kv();
    let place = 3_u64.to_be_bytes();
    let mut certificate = chain.replica.ledger().certificate(Height(3)).unwrap().unwrap();
    certificate.signatures.truncate(2);
    write(&kv, Cf::Certificates, &place, Some(phalanx_types::encode(&certificate)));
    let difference = first(&kv);
    assert_eq!(difference.height, Height(3));
    assert!(difference.what.contains("weight of 2"), "{difference}");
    // Nor does the certificate of another beat do.
    write(&kv, Cf::Certificates, &place, Some(payload(&kv, Cf::Certificates, &2_u64.to_be_bytes())));
    assert!(first(&kv).what.contains("its certificate is of beat"));
}
