//! Convictions: evidence, accusations, quarantine.

use crate::world::{STEP_MS, World, count, first, key, kinds, refusal, shown, validator};
use phalanx_fabric::Applied;
use phalanx_types::{
    Evidence, Hash, Height, Operation, OwnerCommand, PublicKey, ReceiptKind, Round, Signature,
    evidence::{Accusation, Fault},
    vote::{Signed, Vote, VoteKind},
};

fn two_votes(offender: &str, height: Height) -> Evidence {
    let vote = |beat: u8| Signed {
        message: Vote {
            mesh: Hash([7; 32]),
            height,
            round: Round(0),
            kind: VoteKind::Precommit,
            beat: Some(Hash([beat; 32])),
            validator: key(offender),
        },
        // Whoever makes or votes for a beat has judged the signatures.
        signature: Signature([0; 64]),
    };
    Evidence::votes(vote(1), vote(2))
}

fn accuse(world: &mut World, who: &str, offender: &str, fault: Fault, height: Height) -> Applied {
    let accusation =
        Accusation { offender: key(offender), fault, height, round: Round(0), seen: Hash([1; 32]) };
    world.one(key(who), Operation::Accuse(accusation))
}

fn is_quarantined(world: &World, who: &str) -> bool {
    world.fabric.validators().any(|(key_of, v)| *key_of == key(who) && v.is_quarantined)
}

fn members(world: &World) -> Vec<PublicKey> {
    world.fabric.validator_set().members().iter().map(|m| m.key).collect()
}

/// A mesh of seven, of which two may be lost.
fn seven() -> World {
    let mut world = World::bare(|genesis| {
        genesis.validators = (1..=7).map(|n| validator(&format!("v{n}"), "earth", 1)).collect();
    });
    world.idle();
    world
}

#[test]
fn evidence_convicts_once_and_takes_the_vote_from_the_next_height_on() {
    let mut world = seven();
    let evidence = two_votes("v1", world.height());
    assert!(!world.fabric.is_convicted(&evidence));
    let applied = world.beat_of(STEP_MS, &[], &[evidence.clone(), evidence.clone()]);
    assert_eq!(
        kinds(&applied.receipts),
        [ReceiptKind::Evidence, ReceiptKind::Quarantine, ReceiptKind::ValidatorsChanged]
    );
    assert_eq!(shown(&applied.receipts[0], "evidence"), evidence.hash().to_string());
    assert_eq!(applied.receipts[1].causes, [phalanx_types::receipt::Cause::SameBeat(0)]);
    assert!(is_quarantined(&world, "v1") && !members(&world).contains(&key("v1")));
    assert_eq!(applied.next_set.members().len(), 6);
    assert!(world.fabric.is_convicted(&evidence));
    assert_eq!(kinds(&world.beat_of(STEP_MS, &[], &[evidence]).receipts), []);
}

#[test]
fn a_second_piece_of_evidence_against_the_same_is_noted_without_a_second_quarantine() {
    let mut world = seven();
    let height = world.height();
    world.idle();
    world.beat_of(STEP_MS, &[], &[two_votes("v1", height)]);
    let applied = world.beat_of(STEP_MS, &[], &[two_votes("v1", height.next())]);
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::Evidence]);
}

#[test]
fn evidence_is_judged_by_the_set_of_its_height_and_within_its_age() {
    let mut world = World::bare(|genesis| {
        genesis.validators = (1..=7).map(|n| validator(&format!("v{n}"), "earth", 1)).collect();
        genesis.params.evidence_beats_max = 3;
    });
    let first_beat = world.idle();
    assert_eq!(kinds(&first_beat.receipts), []);
    // Of the future, of a stranger, of somebody who was not in the set then.
    world.command(OwnerCommand::SetValidator { validator: validator("late", "earth", 1) });
    world.idle();
    for evidence in
        [two_votes("v1", Height(50)), two_votes("stranger", Height(1)), two_votes("late", Height(1))]
    {
        assert_eq!(kinds(&world.beat_of(STEP_MS, &[], &[evidence]).receipts), []);
    }
    // Height 6 now: 4 is three beats back when 7 is applied, 3 is too old.
    assert_eq!(world.height(), Height(6));
    let mut old = world.clone();
    assert_eq!(kinds(&old.beat_of(STEP_MS, &[], &[two_votes("v1", Height(3))]).receipts), []);
    let applied = world.beat_of(STEP_MS, &[], &[two_votes("v1", Height(4))]);
    assert_eq!(count(&applied.receipts, ReceiptKind::Evidence), 1);
}

#[test]
fn an_accusation_counts_when_more_than_a_third_of_the_weight_stands_behind_it() {
    let mut world = seven();
    let height = world.height();
    for who in ["v1", "v2"] {
        assert_eq!(kinds(&accuse(&mut world, who, "v7", Fault::WrongRoot, height).receipts), []);
    }
    // The same accuser twice, another fault, another height: all other counts.
    assert_eq!(kinds(&accuse(&mut world, "v2", "v7", Fault::WrongRoot, height).receipts), []);
    assert_eq!(kinds(&accuse(&mut world, "v3", "v7", Fault::Flood, height).receipts), []);
    assert_eq!(kinds(&accuse(&mut world, "v4", "v7", Fault::WrongRoot, height.next()).receipts), []);
    assert!(!is_quarantined(&world, "v7"));
    let applied = accuse(&mut world, "v5", "v7", Fault::WrongRoot, height);
    let evidence = first(&applied.receipts, ReceiptKind::Evidence);
    assert_eq!((shown(evidence, "kind"), shown(evidence, "accusers")), ("wrong_root".into(), "3".into()));
    assert!(is_quarantined(&world, "v7"));
}

#[test]
fn a_quarantined_validator_accuses_nobody_and_is_accused_no_more() {
    let mut world = seven();
    let height = world.height();
    world.beat_of(STEP_MS, &[], &[two_votes("v1", height)]);
    let applied = accuse(&mut world, "v1", "v2", Fault::Flood, height);
    assert_eq!(refusal(&applied), "not_allowed");
    assert_eq!(refusal(&accuse(&mut world, "v2", "v1", Fault::Flood, height)), "unknown");
}

#[test]
fn a_quarantine_never_takes_the_live_weight_below_two_thirds() {
    let mut world = World::new("");
    world.idle();
    let height = world.height();
    world.beat_of(STEP_MS, &[], &[two_votes("v1", height)]);
    assert!(is_quarantined(&world, "v1"), "three of three are left");
    // One of the three is not there: the next conviction is noted, and no more.
    let absent = world.fabric.validator_set().proposers()[0];
    world.idle();
    world.round = 1;
    world.idle();
    let offender = ["v2", "v3", "v4"].into_iter().find(|v| key(v) != absent).unwrap();
    let before = members(&world);
    let applied = world.beat_of(STEP_MS, &[], &[two_votes(offender, height)]);
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::Evidence, ReceiptKind::Quarantine]);
    let effect = shown(&applied.receipts[1], "effect");
    assert_eq!(effect, "too few would be left: its votes count until others are back");
    assert!(!is_quarantined(&world, offender));
    assert_eq!(members(&world), before);
}

#[test]
fn a_validators_votes_count_until_a_decision_quarantines_it() {
    let mut world = seven();
    let height = world.height();
    // Absence alone takes nobody's vote.
    world.round = 1;
    world.idle();
    assert_eq!(members(&world).len(), 7);
    world.beat_of(STEP_MS, &[], &[two_votes("v1", height)]);
    assert_eq!(members(&world).len(), 6);
}

#[test]
fn the_owner_brings_a_quarantined_validator_back() {
    let mut world = seven();
    world.beat_of(STEP_MS, &[], &[two_votes("v1", Height(1))]);
    assert_eq!(members(&world).len(), 6);
    let applied = world.command(OwnerCommand::SetValidator { validator: validator("v1", "earth", 1) });
    assert_eq!(count(&applied.receipts, ReceiptKind::ValidatorsChanged), 1);
    assert_eq!(members(&world).len(), 7);
}

#[test]
fn faults_of_a_connection_count_together_when_they_are_near_in_time() {
    let mut world = seven();
    for _ in 0..4 {
        world.idle();
    }
    // Seen at different heights, as what goes over a connection is.
    assert_eq!(kinds(&accuse(&mut world, "v1", "v7", Fault::Flood, Height(1)).receipts), []);
    assert_eq!(kinds(&accuse(&mut world, "v2", "v7", Fault::Flood, Height(3)).receipts), []);
    assert_eq!(kinds(&accuse(&mut world, "v3", "v7", Fault::Garbage, Height(3)).receipts), []);
    let applied = accuse(&mut world, "v4", "v7", Fault::Flood, Height(4));
    let evidence = first(&applied.receipts, ReceiptKind::Evidence);
    assert_eq!((shown(evidence, "kind"), shown(evidence, "accusers")), ("flood".into(), "3".into()));
    assert!(is_quarantined(&world, "v7"));
}

#[test]
fn an_accuser_without_end_takes_no_room_from_others() {
    let mut world = seven();
    for _ in 0..100 {
        world.idle();
    }
    for height in 0..100 {
        let applied = accuse(&mut world, "v1", "v2", Fault::WrongRoot, Height(height));
        assert_eq!(count(&applied.receipts, ReceiptKind::Refused), 0);
    }
    let open = |world: &World| world.fabric.entries().iter().filter(|(column, ..)| column.0 == 13).count();
    assert_eq!(open(&world), 64);
    // Its newest accusations are there, its oldest are not.
    for (height, is_out) in [(10, false), (99, true)] {
        for who in ["v3", "v4"] {
            accuse(&mut world, who, "v2", Fault::WrongRoot, Height(height));
        }
        assert_eq!(is_quarantined(&world, "v2"), is_out, "height {height}");
    }
}
