//! A byte that flips by itself, a record that is gone: found, and named.

use crate::{
    chain::story,
    store::{Change, dump, flipped, places, with},
};
use phalanx_ledger::{
    Cf, MemoryKv,
    fsck::{Completeness, Finding, Integrity, fsck},
};

#[test]
fn a_whole_ledger_is_clean_and_complete() {
    let chain = story();
    let report = fsck(&chain.kv());
    assert_eq!(report.first, None);
    assert!(report.is_clean());
    assert_eq!((report.integrity, report.completeness), (Integrity::Holds, Completeness::Complete));
    let tip = chain.replica.ledger().tip();
    assert_eq!((report.beats, report.receipts), (tip.height.0, tip.next_receipt.0));
    assert_eq!(report.checkpoints, tip.checkpoint.0);
    assert!(report.checkpoints > 2, "the story has checkpoints, by number and by change of the validators");
    assert!(report.hidden_kept >= 3 && report.hidden_dropped == 0, "the story has hidden fields");
    let sets = dump(&chain.kv()).iter().filter(|(cf, ..)| *cf == Cf::Sets).count();
    assert_eq!(sets, 3, "the story changes the validators twice");
    let tables: Vec<_> =
        Cf::ALL.iter().filter(|cf| !dump(&chain.kv()).iter().any(|(c, ..)| c == *cf)).collect();
    assert!(tables.is_empty(), "the story fills every table but {tables:?}");
}

fn finding(kv: &MemoryKv) -> Option<Finding> {
    let report = fsck(kv);
    assert_eq!(report.is_clean(), report.first.is_none(), "{report:?}");
    report.first
}

fn names(found: &Option<Finding>, cf: Cf, keys: &[&[u8]]) -> bool {
    found.as_ref().is_some_and(|f| f.table == cf.name() && keys.iter().any(|key| f.key == hex::encode(key)))
}

/// Flips up to `most` bytes of each value, with each of `masks`.
fn flip_values(most: usize, masks: &[u8]) {
    let kv = story().kv();
    for (cf, key, value) in dump(&kv) {
        for at in places(value.len(), most) {
            for mask in masks {
                let change = (cf, key.clone(), Some(flipped(&value, at, *mask)));
                let found = with(&kv, vec![change], finding);
                assert!(names(&found, cf, &[&key]), "{cf} {} byte {at}: {found:?}", hex::encode(&key));
            }
        }
    }
    assert_eq!(finding(&kv), None, "every change was undone");
}

#[test]
fn a_flipped_byte_of_any_value_is_found_and_named() {
    flip_values(40, &[0x10]);
}

#[test]
#[ignore = "slow: every bit of every byte of a whole store"]
fn every_flipped_bit_of_every_value_is_found_and_named_slow() {
    flip_values(usize::MAX, &[1, 2, 4, 8, 16, 32, 64, 128]);
}

#[test]
fn a_flipped_byte_of_any_key_is_found_and_named() {
    let kv = story().kv();
    for (cf, key, value) in dump(&kv) {
        for at in 0..key.len() {
            let moved = flipped(&key, at, 1);
            let changes = vec![(cf, key.clone(), None), (cf, moved.clone(), Some(value.clone()))];
            let found = with(&kv, changes, finding);
            assert!(names(&found, cf, &[&key, &moved]), "{cf} {} byte {at}: {found:?}", hex::encode(&key));
        }
    }
}

#[test]
fn an_empty_or_truncated_value_is_found_and_named() {
    let kv = story().kv();
    for (cf, key, value) in dump(&kv) {
        for len in [0, value.len() / 2, value.len() - 1] {
            let change: Change = (cf, key.clone(), Some(value[..len].to_vec()));
            let found = with(&kv, vec![change], finding);
            assert!(names(&found, cf, &[&key]), "{cf} {}: {found:?}", hex::encode(&key));
        }
    }
}

#[test]
fn a_missing_record_is_a_gap_that_is_named_and_not_a_lie() {
    let kv = story().kv();
    for (cf, key, _) in dump(&kv) {
        let report = with(&kv, vec![(cf, key.clone(), None)], fsck);
        match cf {
            // What stands behind salted fields may be dropped.
            Cf::Hidden => {
                assert!(report.is_clean(), "{report:?}");
                assert_eq!(report.hidden_dropped, 1);
            }
            // Which entry the app hash covers, only execution tells.
            Cf::State => {
                assert_eq!(report.integrity, Integrity::Broken, "{report:?}");
                assert_eq!(report.completeness, Completeness::Undecided);
                assert!(names(&report.first, cf, &[b""]), "{report:?}");
            }
            // A leaf does not tell whose it is.
            Cf::Agents | Cf::Actions => {
                assert_eq!(
                    (report.integrity, report.completeness),
                    (Integrity::Undecided, Completeness::Gap)
                );
                assert!(report.first_gap.is_some_and(|gap| gap.table == cf.name()));
            }
            _ => {
                assert_ne!(report.integrity, Integrity::Broken, "{cf} {}: {report:?}", hex::encode(&key));
                assert_eq!(report.completeness, Completeness::Gap, "{report:?}");
                assert!(names(&report.first_gap, cf, &[&key]), "{cf} {}: {report:?}", hex::encode(&key));
                assert!(report.first.as_ref().is_some_and(|f| f.is_gap));
            }
        }
    }
}

#[test]
fn what_nothing_else_hangs_on_can_be_missing_while_integrity_holds() {
    let kv = story().kv();
    let height = |n: u64| n.to_be_bytes().to_vec();
    for (cf, key) in [(Cf::Beats, height(2)), (Cf::Certificates, height(3)), (Cf::Meta, b"edge".to_vec())] {
        let report = with(&kv, vec![(cf, key, None)], fsck);
        assert_eq!(
            (report.integrity, report.completeness),
            (Integrity::Holds, Completeness::Gap),
            "{report:?}"
        );
    }
    // With the set of a height its signatures cannot be checked.
    let sets: Vec<_> = dump(&kv).into_iter().filter(|(cf, ..)| *cf == Cf::Sets).collect();
    let report = with(&kv, vec![(Cf::Sets, sets[1].1.clone(), None)], fsck);
    assert_eq!(report.integrity, Integrity::Undecided, "{report:?}");
}

#[test]
fn damage_and_a_gap_are_two_findings() {
    let kv = story().kv();
    let receipt = 3_u64.to_be_bytes().to_vec();
    let (_, key, value) = dump(&kv).into_iter().find(|(cf, ..)| *cf == Cf::State).unwrap();
    let payload = crate::store::payload(Cf::State, &key, &value);
    let changes = vec![
        (Cf::Receipts, receipt.clone(), None),
        crate::store::forged(Cf::State, &key, flipped(&payload, 0, 1)),
    ];
    let report = with(&kv, changes, fsck);
    assert_eq!((report.integrity, report.completeness), (Integrity::Broken, Completeness::Gap));
    assert!(names(&report.first, Cf::State, &[b""]), "{report:?}");
    assert!(names(&report.first_gap, Cf::Receipts, &[&receipt]), "{report:?}");
}

#[test]
fn a_table_without_its_end_is_a_gap() {
    let kv = story().kv();
    for cf in [Cf::Beats, Cf::Receipts, Cf::Checkpoints, Cf::Certificates] {
        let mut keys: Vec<_> =
            dump(&kv).into_iter().filter(|(c, ..)| *c == cf).map(|(_, key, _)| key).collect();
        let lost = keys.split_off(keys.len() / 2);
        let changes = lost.iter().map(|key| (cf, key.clone(), None)).collect();
        let report = with(&kv, changes, fsck);
        assert_ne!(report.integrity, Integrity::Broken, "{report:?}");
        assert!(names(&report.first_gap, cf, &[&lost[0]]), "{report:?}");
    }
}
