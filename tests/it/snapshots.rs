//! A node that goes on from a snapshot is as one that was there all the time,
//! and nothing but the real state is taken over.

use phalanx_ledger::{Ledger, MemoryKv, fsck::fsck, proof};
use phalanx_replica::{
    checkpoint_file,
    snapshot::{self, Joining, Query, RestoreError},
};
use phalanx_tests::solo::Solo;
use phalanx_types::{Height, Operation, OwnerCommand, ReceiptIndex};

/// A mesh with work in it, up to a height.
fn grown(beats: u64) -> Solo<MemoryKv> {
    let mut solo = Solo::open(MemoryKv::default()).unwrap();
    solo.offer_workers().unwrap();
    solo.decide(100).unwrap();
    for beat in 2..=beats {
        for n in 0..beat % 4 {
            solo.send(vec![Solo::<MemoryKv>::job("mars", &format!("job {beat}.{n}")).unwrap()]);
        }
        solo.decide(100).unwrap();
    }
    solo
}

fn taken_over(from: &Solo<MemoryKv>) -> Solo<MemoryKv> {
    let offered = from.replica.snapshot().unwrap().unwrap();
    let mut joining = Joining::new(&from.genesis).unwrap();
    let joined = loop {
        let query = snapshot::decode_query(&snapshot::encode_query(&joining.query())).unwrap();
        if let Some(joined) = joining.take(&offered.answer(&query)).unwrap() {
            break joined;
        }
    };
    let kv = MemoryKv::default();
    let mut solo = Solo::open(kv.clone()).unwrap();
    solo.replica.restore(joined).unwrap();
    // As after a restart.
    Solo::open(kv).unwrap()
}

#[test]
fn a_restored_node_goes_on_as_the_others_at_every_height_of_an_interval() {
    for beats in 1..=12 {
        let mut there = grown(beats);
        let mut joined = taken_over(&there);
        assert_eq!(joined.replica.ledger().tip(), there.replica.ledger().tip(), "after {beats}");
        for _ in 0..7 {
            for solo in [&mut there, &mut joined] {
                solo.send(vec![Solo::<MemoryKv>::job("earth", "later").unwrap()]);
                solo.decide(100).unwrap();
            }
            assert_eq!(joined.replica.ledger().tip(), there.replica.ledger().tip(), "after {beats}");
        }
        let report = fsck(joined.replica.ledger().kv());
        assert!(report.is_clean(), "after {beats}: {:?}", report.first);
        assert_eq!(report.begins, Some(Height(beats)));
        let report = fsck(there.replica.ledger().kv());
        assert!(report.is_clean() && report.begins.is_none(), "{:?}", report.first);
    }
}

#[test]
fn receipts_after_a_snapshot_are_proven_by_the_restored_node() {
    let there = grown(13);
    let mut joined = taken_over(&there);
    let first = joined.replica.ledger().tip().next_receipt;
    for _ in 0..6 {
        joined.send(vec![Solo::<MemoryKv>::job("luna", "later").unwrap()]);
        joined.decide(100).unwrap();
    }
    for index in first.0..first.0 + 3 {
        let file = proof::export(joined.replica.ledger(), ReceiptIndex(index)).unwrap();
        let shown = proof::verify(&file, &proof::Trust::Genesis(&joined.genesis)).unwrap();
        assert!(shown.checkpoint.is_some());
    }
    // What is older is not there, and that is said.
    assert!(proof::export(joined.replica.ledger(), ReceiptIndex(2)).is_err());
}

#[test]
fn a_snapshot_leads_over_changes_of_the_validator_set() {
    for beats in 0..4 {
        let mut there = grown(6);
        let vote_key = there.genesis.validators[3].vote_key;
        there.send(vec![Operation::Command(Box::new(OwnerCommand::RemoveValidator { vote_key }))]);
        for _ in 0..=beats {
            there.decide(100).unwrap();
        }
        let mut joined = taken_over(&there);
        for solo in [&mut there, &mut joined] {
            for _ in 0..6 {
                solo.send(vec![Solo::<MemoryKv>::job("earth", "later").unwrap()]);
                solo.decide(100).unwrap();
            }
            assert_eq!(solo.replica.fabric().validator_set().members().len(), 3);
        }
        assert_eq!(joined.replica.ledger().tip(), there.replica.ledger().tip());
        let report = fsck(joined.replica.ledger().kv());
        assert!(report.is_clean(), "{:?}", report.first);
        let last = ReceiptIndex(joined.replica.ledger().tip().next_receipt.0 - 1);
        let file = proof::export(joined.replica.ledger(), last).unwrap();
        let shown = proof::verify(&file, &proof::Trust::Genesis(&joined.genesis)).unwrap();
        assert_eq!(shown.set_changes, 1);
    }
}

#[test]
fn every_flipped_byte_of_a_snapshot_is_found() {
    let there = grown(8);
    let file = there.replica.snapshot().unwrap().unwrap().to_file();
    assert!(snapshot::read_file(&file, &there.genesis).is_ok());
    for at in (0..file.len()).step_by(file.len() / 120) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(snapshot::read_file(&changed, &there.genesis).is_err(), "byte {at}");
    }
    for cut in [0, 3, 30, file.len() / 2, file.len() - 1] {
        assert!(snapshot::read_file(&file[..cut], &there.genesis).is_err(), "cut at {cut}");
    }
    let longer = [&file[..], &[0]].concat();
    assert!(matches!(snapshot::read_file(&longer, &there.genesis), Err(RestoreError::File(_))));
}

#[test]
fn a_snapshot_of_another_mesh_is_refused() {
    let there = grown(4);
    let file = there.replica.snapshot().unwrap().unwrap().to_file();
    let mut other = there.genesis.clone();
    other.mesh = phalanx_types::Hash([8; 32]);
    assert!(snapshot::read_file(&file, &other).is_err());
}

#[test]
fn a_part_of_an_older_snapshot_is_not_offered() {
    let there = grown(4);
    let offered = there.replica.snapshot().unwrap().unwrap();
    let query = Query::Part { height: Height(3), part: phalanx_ledger::snapshot::PartId::State(0) };
    assert!(offered.answer(&query).is_empty());
}

#[test]
fn a_failing_store_leaves_the_ledger_as_it_was() {
    let there = grown(5);
    let file = there.replica.snapshot().unwrap().unwrap().to_file();
    let joined = snapshot::read_file(&file, &there.genesis).unwrap();
    let kv = MemoryKv::default();
    let mut solo = Solo::open(kv.clone()).unwrap();
    let before = solo.replica.ledger().tip().clone();
    kv.fill_after(0);
    assert!(solo.replica.restore(joined).is_err());
    assert_eq!(*solo.replica.ledger().tip(), before);
    assert!(fsck(&kv).is_clean());
}

#[test]
fn a_checkpoint_file_shows_what_its_snapshot_holds_or_is_refused() {
    let there = grown(9);
    let file = checkpoint_file::make(&there.replica.snapshot().unwrap().unwrap()).unwrap();
    let joined = checkpoint_file::read(&file, &there.genesis).unwrap();
    assert_eq!(joined.height(), Height(9));
    for at in (0..file.len()).step_by(file.len() / 60) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(checkpoint_file::read(&changed, &there.genesis).is_err(), "byte {at}");
    }
    // A forger who also mends the integrity hash is found out by the snapshot.
    let mut forged: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&file).unwrap();
    forged["shards"][0]["queue_budget"] = 1.into();
    forged.remove("integrity");
    let hash = phalanx_types::Hash::sha3(&serde_json::to_vec(&forged).unwrap());
    forged.insert("integrity".into(), hash.to_string().into());
    let error = checkpoint_file::read(&serde_json::to_vec(&forged).unwrap(), &there.genesis).unwrap_err();
    assert!(error.to_string().contains("shards"), "{error}");
}

#[test]
fn a_ledger_that_is_a_snapshot_long_opens_again() {
    let there = grown(7);
    let joined = taken_over(&there);
    let kv = joined.replica.ledger().kv().deep_clone();
    let ledger = Ledger::open(kv).unwrap();
    assert_eq!(ledger.base().unwrap().unwrap().tip.height, Height(7));
}
