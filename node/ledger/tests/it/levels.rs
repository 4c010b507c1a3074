//! Verification levels: what is receipted, and what is said of it.

use crate::chain::{Chain, command, genesis, job, owner, tenant};
use phalanx_ledger::{
    BeatMeta, Kv, Ledger,
    fsck::{Completeness, Integrity, fsck},
    proof::{Trust, export, verify},
    seal::is_receipted,
};
use phalanx_types::{
    Genesis, Hash, Height, OwnerCommand, Receipt, ReceiptDraft, ReceiptIndex, ReceiptKind, TimeMs,
    params::Verification, receipt::Data, units::CheckpointNumber,
};
use proptest::prelude::*;
use sha3::{Digest, Sha3_256};
use std::collections::BTreeSet;

fn draft(kind: ReceiptKind, subject: &str) -> ReceiptDraft {
    ReceiptDraft {
        kind,
        subject: subject.to_owned(),
        actor: "fabric".into(),
        tenant: None,
        inputs: Hash::ZERO,
        data: Data::new(),
        causes: Vec::new(),
        trace_id: None,
        hidden: Vec::new(),
    }
}

fn meta(parent: Hash, verification: Verification) -> BeatMeta {
    BeatMeta {
        height: Height(1),
        time: TimeMs(1),
        parent,
        policy_version: 0,
        verification,
        checkpoint_due: false,
        registered: phalanx_types::RegisteredSet::first(&[]),
    }
}

/// The rule read off the text: number · 10^6 / 2^32 below the fraction.
fn by_the_text(parent: &Hash, subject: &str, fraction_ppm: u32) -> bool {
    let mut hasher = Sha3_256::new();
    hasher.update(b"phalanx/sample/v1\0");
    hasher.update(parent.0);
    hasher.update(subject.as_bytes());
    let digest = hasher.finalize();
    let number = u64::from(u32::from_be_bytes(digest[..4].try_into().unwrap()));
    number * 1_000_000 / (1 << 32) < u64::from(fraction_ppm)
}

proptest! {
    #[test]
    fn sampling_is_the_rule_of_the_text(parent in any::<[u8; 32]>(), subject in "[ -~]{0,40}", fraction_ppm in 0_u32..=1_000_000) {
        let parent = Hash(parent);
        let sampled = is_receipted(&meta(parent, Verification::Sample { fraction_ppm }), &draft(ReceiptKind::JobAccepted, &subject));
        prop_assert_eq!(sampled, by_the_text(&parent, &subject, fraction_ppm));
    }

    /// All receipts about one subject in one beat stay or go together.
    #[test]
    fn a_subject_is_sampled_whole(parent in any::<[u8; 32]>(), subject in "[a-z]{1,20}") {
        let meta = meta(Hash(parent), Verification::Sample { fraction_ppm: 500_000 });
        let kinds = [ReceiptKind::JobAccepted, ReceiptKind::JobAssigned, ReceiptKind::JobRequeued];
        let taken: BTreeSet<bool> = kinds.iter().map(|kind| is_receipted(&meta, &draft(*kind, &subject))).collect();
        prop_assert_eq!(taken.len(), 1);
    }
}

#[test]
fn the_ends_of_the_scale_are_none_and_all() {
    for number in 0..200_u32 {
        let job = draft(ReceiptKind::JobAccepted, &number.to_string());
        let at = |verification| is_receipted(&meta(Hash::ZERO, verification), &job);
        assert!(!at(Verification::None) && !at(Verification::Sample { fraction_ppm: 0 }));
        assert!(at(Verification::FullAudit) && at(Verification::Sample { fraction_ppm: 1_000_000 }));
    }
}

fn receipts<K: Kv>(ledger: &Ledger<K>) -> Vec<Receipt> {
    (0..ledger.tip().next_receipt.0).map(|i| ledger.receipt(ReceiptIndex(i)).unwrap().unwrap()).collect()
}

fn at_level(verification: Verification) -> Chain<phalanx_ledger::MemoryKv> {
    let mut chain = Chain::in_memory(Genesis { verification, ..genesis(1) });
    chain.first_half();
    chain.second_half();
    chain
}

#[test]
fn what_is_always_receipted_stays_at_every_level() {
    let always = |chain: &Chain<phalanx_ledger::MemoryKv>| -> Vec<_> {
        receipts(chain.replica.ledger())
            .into_iter()
            .filter(|r| r.kind.is_always_receipted())
            .map(|r| (r.kind, r.beat, r.subject))
            .filter(|(kind, ..)| *kind != ReceiptKind::Genesis)
            .collect()
    };
    // Ids of jobs do not depend on the level, so the lists can be compared.
    let full = at_level(Verification::FullAudit);
    for kind in [
        ReceiptKind::OwnerCommand,
        ReceiptKind::ValidatorsChanged,
        ReceiptKind::CheckpointClosed,
        ReceiptKind::AttemptEnded,
        ReceiptKind::JobEnded,
    ] {
        assert!(always(&full).iter().any(|(k, ..)| *k == kind), "the story has {kind:?}");
    }
    for level in [Verification::None, Verification::Sample { fraction_ppm: 300_000 }] {
        let chain = at_level(level);
        assert_eq!(always(&chain), always(&full), "{level:?}");
        let tip = chain.replica.ledger().tip();
        assert_eq!(tip.height, full.replica.ledger().tip().height);
        assert!(
            tip.next_receipt < full.replica.ledger().tip().next_receipt,
            "{level:?} leaves something out"
        );
        if level == Verification::None {
            assert!(receipts(chain.replica.ledger()).iter().all(|r| r.kind.is_always_receipted()));
        }
        // Beats, certificates and state are whole at every level.
        assert_eq!(chain.replica.fabric().entries().len(), full.replica.fabric().entries().len());
    }
}

#[test]
fn a_level_switched_mid_run_holds_from_its_beat_on_and_is_told() {
    let mut chain = Chain::in_memory(genesis(1));
    let set = |verification| vec![command(OwnerCommand::SetVerification { verification })];
    chain.offer_all();
    chain.beats(3);
    let half = Verification::Sample { fraction_ppm: 500_000 };
    let mut levels = vec![(0, Verification::FullAudit)];
    for level in [Verification::None, half, Verification::FullAudit] {
        chain.send(&owner(), set(level));
        levels.push((chain.replica.ledger().tip().height.0 + 1, level));
        for _ in 0..4 {
            chain.send(&tenant(), (0..20).map(|i| job(&i.to_string())).collect());
            chain.beat();
        }
    }
    let ledger = chain.replica.ledger();
    let level_at = |height: u64| levels.iter().rev().find(|(from, _)| *from <= height).unwrap().1;
    let accepted = |height: u64| {
        let all = receipts(ledger);
        all.iter().filter(|r| r.beat.0 == height && r.kind == ReceiptKind::JobAccepted).count()
    };
    for height in 4..=15 {
        let taken = accepted(height);
        let header = ledger.beat(Height(height)).unwrap().unwrap().header;
        match level_at(height) {
            Verification::None => assert_eq!(taken, 0, "beat {height}"),
            Verification::FullAudit => assert_eq!(taken, 20, "beat {height}"),
            Verification::Sample { fraction_ppm } => {
                assert!((1..20).contains(&taken), "beat {height} took {taken} of 20");
                for receipt in receipts(ledger).iter().filter(|r| r.beat.0 == height) {
                    let by_rule = by_the_text(&header.parent, &receipt.subject, fraction_ppm);
                    assert!(receipt.kind.is_always_receipted() || by_rule, "{receipt:?}");
                }
            }
        }
    }
    // Each change of the level is receipted, also the one to none.
    let told = receipts(ledger).iter().filter(|r| r.subject == "set_verification").count();
    assert_eq!(told, 3);
    // Checkpoints tell the level of their last beat.
    for number in 1..=ledger.tip().checkpoint.0 {
        let checkpoint = ledger.checkpoint(CheckpointNumber(number)).unwrap().unwrap();
        let level = level_at(checkpoint.last_beat.0);
        let said = (checkpoint.verification_level, checkpoint.verification_fraction_ppm);
        assert_eq!(said, (level.code(), level.fraction_ppm()), "checkpoint {number}");
    }
    let report = fsck(&chain.kv());
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.sampled_beats, 8);
}

#[test]
fn a_sampled_record_is_never_called_complete() {
    for level in [Verification::None, Verification::Sample { fraction_ppm: 999_999 }] {
        let report = fsck(&at_level(level).kv());
        assert_eq!(report.integrity, Integrity::Holds);
        assert_eq!(report.completeness, Completeness::Sampled);
        assert!(report.is_clean() && report.sampled_beats == report.beats);
    }
    // Nor is one that was sampled for a single beat and then audited in full.
    let mut chain = Chain::in_memory(genesis(1));
    for verification in [Verification::None, Verification::FullAudit] {
        chain.send(&owner(), vec![command(OwnerCommand::SetVerification { verification })]);
        chain.beat();
    }
    chain.beats(4);
    let report = fsck(&chain.kv());
    assert_eq!((report.completeness, report.sampled_beats), (Completeness::Sampled, 1));
}

#[test]
fn a_sampled_receipt_is_proven_like_any_other() {
    let chain = at_level(Verification::Sample { fraction_ppm: 300_000 });
    let ledger = chain.replica.ledger();
    for index in 1..ledger.tip().next_receipt.0 {
        let file = export(ledger, ReceiptIndex(index)).unwrap();
        verify(&file, &Trust::Genesis(&chain.genesis)).unwrap();
    }
}
