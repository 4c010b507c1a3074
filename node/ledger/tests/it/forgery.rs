//! Records whose checksums hold, made by somebody who can write to the disk.

use crate::{
    chain::story,
    store::{dump, flipped, forged, payload, places, with},
};
use phalanx_ledger::{Cf, Kv, MemoryKv, Stored, Tip, fsck::fsck};
use phalanx_replica::replay::{ReplayError, replay};
use phalanx_types::{Height, ReceiptIndex, encode};

fn forge_values(most: usize, is_wanted: impl Fn(Cf) -> bool) {
    let kv = story().kv();
    let mut only_replay = 0;
    for (cf, key, value) in dump(&kv).into_iter().filter(|(cf, ..)| is_wanted(*cf)) {
        let payload = payload(cf, &key, &value);
        for at in places(payload.len(), most) {
            let change = forged(cf, &key, flipped(&payload, at, 1));
            let report = with(&kv, vec![change.clone()], fsck);
            if !report.is_clean() {
                continue;
            }
            // A set's hash covers who votes, and a policy's root what its rules say; who
            // proposes, and how a rule is called, follows from the state, so only execution
            // can tell.
            assert!(
                matches!(cf, Cf::Sets | Cf::Bindings),
                "{} byte {at} of {} was forged unseen",
                cf,
                hex::encode(&key)
            );
            let told = with(&kv, vec![change], |kv| replay(kv, None, None, |_| {}));
            assert!(matches!(told, Err(ReplayError::Differs(_))), "{told:?}");
            only_replay += 1;
        }
    }
    assert!(only_replay > 0 || most < 8 || !is_wanted(Cf::Sets), "the exception above is real");
}

#[test]
fn a_forged_byte_in_any_record_is_found() {
    forge_values(4, |_| true);
}

#[test]
fn a_forged_byte_in_any_field_of_an_action_is_found() {
    // All fields of it, the short ones too.
    forge_values(300, |cf| cf == Cf::Actions);
}

#[test]
#[ignore = "slow: every byte of a whole store, each with a whole check"]
fn every_forged_byte_in_any_record_is_found_slow() {
    forge_values(usize::MAX, |_| true);
}

/// Keys near `key` under which a forger may put a record.
fn other_keys(cf: Cf, key: &[u8]) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = [0, key.len() - 1].iter().map(|at| flipped(key, *at, 1)).collect();
    if key.len() == 8 {
        let number = u64::from_be_bytes(key.try_into().unwrap());
        keys.extend([number + 1, number + 1_000, u64::MAX].map(|n| n.to_be_bytes().to_vec()));
    }
    if cf == Cf::Meta {
        keys = vec![b"other".to_vec()];
    }
    keys
}

#[test]
fn a_record_that_also_stands_under_another_key_is_found() {
    let kv = story().kv();
    for (cf, key, value) in dump(&kv) {
        let payload = payload(cf, &key, &value);
        for other in other_keys(cf, &key) {
            let there = kv.get(cf, &other).unwrap();
            let change = forged(cf, &other, payload.clone());
            if there == change.2 {
                continue;
            }
            let report = with(&kv, vec![change], fsck);
            let first = report.first.expect("a copied record was not seen");
            // A range and the receipts that it counts: either may be the wrong one.
            let is_named = first.table == cf.name() || (cf == Cf::Ranges && first.table == "receipts");
            assert!(is_named, "{cf} {}: {first}", hex::encode(&other));
        }
    }
}

#[test]
fn a_record_that_was_moved_is_found() {
    let kv = story().kv();
    for (cf, key, value) in dump(&kv) {
        let payload = payload(cf, &key, &value);
        for other in other_keys(cf, &key) {
            let changes = vec![(cf, key.clone(), None), forged(cf, &other, payload.clone())];
            let report = with(&kv, changes, fsck);
            assert!(!report.is_clean(), "{cf} {} was moved unseen", hex::encode(&key));
        }
    }
}

#[test]
fn two_records_that_changed_places_are_found() {
    let kv = story().kv();
    let all = dump(&kv);
    for pair in all.windows(2) {
        let [(cf, a, first), (other, b, second)] = pair else { continue };
        if cf != other || *cf == Cf::Subjects {
            continue;
        }
        let changes = vec![forged(*cf, a, payload(*cf, b, second)), forged(*cf, b, payload(*cf, a, first))];
        if changes[0].2.as_ref() == Some(first) {
            continue;
        }
        let report = with(&kv, changes, fsck);
        assert!(!report.is_clean(), "{cf} {} and {}", hex::encode(a), hex::encode(b));
    }
}

fn tip(kv: &MemoryKv) -> Tip {
    Stored::new(kv).tip().unwrap().unwrap()
}

#[test]
fn a_tip_that_counts_wildly_wrong_is_found_at_once() {
    let kv = story().kv();
    let honest = tip(&kv);
    for change in [
        |tip: &mut Tip| tip.height = Height(u64::MAX),
        |tip: &mut Tip| tip.next_receipt = ReceiptIndex(u64::MAX),
        |tip: &mut Tip| tip.next_receipt = ReceiptIndex(0),
        |tip: &mut Tip| tip.checkpoint.0 = u64::MAX,
        |tip: &mut Tip| tip.height = Height(0),
    ] {
        let mut forged_tip = honest.clone();
        change(&mut forged_tip);
        let report = with(&kv, vec![forged(Cf::Meta, b"tip", encode(&forged_tip))], fsck);
        assert!(!report.is_clean(), "{forged_tip:?}");
    }
}

#[test]
fn a_checkpoint_that_was_cut_out_with_the_tip_set_back_is_found() {
    let kv = story().kv();
    let mut back = tip(&kv);
    let last = back.checkpoint.0;
    let stored: phalanx_types::Checkpoint = {
        let key = (last - 1).to_be_bytes();
        let value = kv.get(Cf::Checkpoints, &key).unwrap().unwrap();
        phalanx_ledger::record::unwrap_value(Cf::Checkpoints, &key, &value).unwrap()
    };
    back.checkpoint.0 = last - 1;
    back.checkpoint_hash = stored.hash();
    back.interval_beat = stored.last_beat.next();
    back.interval_receipt = ReceiptIndex(stored.history_size);
    let changes =
        vec![forged(Cf::Meta, b"tip", encode(&back)), (Cf::Checkpoints, last.to_be_bytes().to_vec(), None)];
    let report = with(&kv, changes, fsck);
    assert!(!report.is_clean(), "a checkpoint that the receipts tell of may not vanish");
}

#[test]
fn roots_that_the_checkpoint_made_up_are_named_at_the_checkpoint() {
    let kv = story().kv();
    let key = 2_u64.to_be_bytes();
    let value = kv.get(Cf::Checkpoints, &key).unwrap().unwrap();
    let honest: phalanx_types::Checkpoint =
        phalanx_ledger::record::unwrap_value(Cf::Checkpoints, &key, &value).unwrap();
    for change in [
        |c: &mut phalanx_types::Checkpoint| c.version = 2,
        |c: &mut phalanx_types::Checkpoint| c.agents_root.0[0] = 1,
        |c: &mut phalanx_types::Checkpoint| c.audit_root.0[0] = 1,
        |c: &mut phalanx_types::Checkpoint| c.set_epoch += 1,
        |c: &mut phalanx_types::Checkpoint| c.verification_level = 0,
        |c: &mut phalanx_types::Checkpoint| c.verification_fraction_ppm -= 1,
        |c: &mut phalanx_types::Checkpoint| c.next_set_hash.0[0] ^= 1,
        |c: &mut phalanx_types::Checkpoint| c.history_size += 1,
    ] {
        let mut checkpoint = honest.clone();
        change(&mut checkpoint);
        // The forger sets the tip right, too.
        let mut tip = tip(&kv);
        tip.checkpoint_hash = checkpoint.hash();
        let changes =
            vec![forged(Cf::Checkpoints, &key, encode(&checkpoint)), forged(Cf::Meta, b"tip", encode(&tip))];
        let first = with(&kv, changes, fsck).first.expect("a forged checkpoint was not seen");
        assert_eq!((first.table, first.key), ("checkpoints", hex::encode(key)), "{}", first.what);
    }
}
