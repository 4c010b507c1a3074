//! What is opened, and what is refused with a reason.

use crate::{
    chain::story,
    store::{Change, dump, forged, with, write},
};
use phalanx_ledger::{Cf, Ledger, MemoryKv, OpenError, SCHEMA, Stored, fsck::fsck};
use phalanx_replica::{Limits, Replica};
use phalanx_types::{Hash, encode};

fn opened(kv: &MemoryKv, changes: Vec<Change>) -> Result<(), OpenError> {
    with(kv, changes, |kv| Ledger::open(kv.clone()).map(|_| ()))
}

#[test]
fn a_closed_ledger_opens_as_it_was() {
    let chain = story();
    let before = (chain.replica.ledger().tip().clone(), dump(&chain.kv()));
    let kv = chain.kv();
    chain.replica.close().unwrap();
    let ledger = Ledger::open(kv.clone()).unwrap();
    assert_eq!((ledger.tip().clone(), dump(&kv)), before);
    assert_eq!(ledger.genesis_hash(), ledger.genesis().hash());
}

#[test]
fn an_empty_store_has_no_ledger() {
    let kv = MemoryKv::default();
    assert!(!Ledger::exists(&kv).unwrap());
    assert!(matches!(Ledger::open(kv), Err(OpenError::Empty)));
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_says_what_to_do() {
    let kv = story().kv();
    let newer = forged(Cf::Meta, b"schema", encode(&(SCHEMA + 1)));
    let error = opened(&kv, vec![newer.clone()]).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found } if found == SCHEMA + 1), "{error}");
    assert!(error.to_string().contains("use a newer version of the program"), "{error}");
    let first = with(&kv, vec![newer], fsck).first.unwrap();
    assert_eq!((first.table, first.key), ("meta", hex::encode("schema")));
}

#[test]
fn a_layout_that_never_was_is_a_contradiction() {
    let error = opened(&story().kv(), vec![forged(Cf::Meta, b"schema", encode(&0_u32))]).unwrap_err();
    assert!(error.to_string().contains("layout 0"), "{error}");
}

/// A half-lost store must not be taken for an empty one: beginning anew would
/// write over what is left.
#[test]
fn a_store_that_lost_its_first_record_is_no_empty_store() {
    let chain = story();
    let kv = chain.kv();
    write(&kv, vec![(Cf::Meta, b"schema".to_vec(), None)]);
    let before = dump(&kv);
    let me = crate::chain::key(1).public();
    assert!(Replica::open(kv.clone(), &chain.genesis, me, Limits::default()).is_err());
    assert_eq!(dump(&kv), before, "nothing was written over it");
}

#[test]
fn every_contradiction_at_opening_is_named() {
    let kv = story().kv();
    let tip = Stored::new(&kv).tip().unwrap().unwrap();
    let mut fewer = tip.clone();
    fewer.next_receipt.0 -= 1;
    let mut other_state = tip.clone();
    other_state.app_hash = Hash([1; 32]);
    let entry = dump(&kv).into_iter().find(|(cf, ..)| *cf == Cf::State).unwrap();
    let open_receipt = tip.interval_receipt.0.to_be_bytes().to_vec();
    let cases: Vec<(Change, &str)> = vec![
        ((Cf::Meta, b"genesis".to_vec(), None), "genesis is missing"),
        ((Cf::Meta, b"tip".to_vec(), None), "tip is missing"),
        ((Cf::Meta, b"edge".to_vec(), None), "edge is missing"),
        (forged(Cf::Meta, b"tip", encode(&fewer)), "count receipts differently"),
        (forged(Cf::Meta, b"tip", encode(&other_state)), "app hash"),
        ((Cf::State, entry.1, None), "app hash"),
        ((Cf::Receipts, open_receipt, None), "open interval is missing"),
        ((Cf::Meta, b"tip".to_vec(), Some(vec![1, 2, 3])), "checksum"),
        (forged(Cf::Meta, b"genesis", vec![1]), "genesis"),
    ];
    for (change, word) in cases {
        let shown = format!("{} {}", change.0, hex::encode(&change.1));
        let error = opened(&kv, vec![change]).unwrap_err().to_string();
        assert!(error.contains(word) || word == "genesis", "{shown}: {error}");
        assert!(error.contains("phalanx ledger fsck"), "{shown}: {error}");
    }
    assert!(opened(&kv, Vec::new()).is_ok());
}
