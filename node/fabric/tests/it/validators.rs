//! Sets that change by decision, and who proposes in each mode.

use crate::world::{World, count, first, key, name, shard, shown, validator};
use phalanx_types::{OwnerCommand, PublicKey, ReceiptKind, Weight, params::Mode};
use std::collections::BTreeMap;

fn members(world: &World) -> Vec<PublicKey> {
    world.fabric.validator_set().members().iter().map(|m| m.key).collect()
}

fn proposers(world: &World) -> Vec<PublicKey> {
    world.fabric.validator_set().proposers().to_vec()
}

fn keys(words: &[&str]) -> Vec<PublicKey> {
    words.iter().map(|word| key(word)).collect()
}

/// Lets the next beat say that its parent took this many rounds, with these
/// signatures.
fn beat_after(world: &mut World, rounds: u32, signers: &[&str]) {
    world.round = rounds;
    world.signers = keys(signers);
    world.idle();
}

#[test]
fn validators_are_added_and_removed_by_the_owners_command_from_the_next_height_on() {
    let mut world = World::new("");
    let registered = world.idle().registered;
    assert_eq!((registered.epoch, registered.changes()), (0, false));
    let applied = world.command(OwnerCommand::SetValidator { validator: validator("v5", "mars", 1) });
    let changed = first(&applied.receipts, ReceiptKind::ValidatorsChanged);
    assert_eq!((shown(changed, "members"), shown(changed, "mode")), ("5".into(), "fully_distributed".into()));
    assert_eq!(changed.subject, world.height().next().to_string());
    assert_eq!(shown(changed, "set"), world.fabric.validator_set().hash().to_string());
    // The beat closes a checkpoint, which the old set signs for the new one.
    let told = first(&applied.receipts, ReceiptKind::ValidatorsRegistered);
    assert_eq!((shown(told, "epoch"), shown(told, "set")), ("0".into(), registered.hash.to_string()));
    assert_eq!(shown(told, "next_set"), applied.registered.next.to_string());
    assert!(applied.checkpoint_due && applied.registered.changes());
    assert_eq!((applied.registered.epoch, applied.registered.hash), (0, registered.hash));
    assert!(members(&world).contains(&key("v5")));
    // A sender at once.
    let envelope = world.envelope(key("v5"), vec![]);
    let input = phalanx_fabric::Input { id: envelope.envelope.id(), signed: &envelope };
    assert!(world.fabric.beat_worthy(phalanx_types::TimeMs(world.time), &input).is_ok());
    let applied = world.command(OwnerCommand::RemoveValidator { vote_key: key("v5") });
    assert_eq!((applied.registered.epoch, applied.registered.next), (1, registered.hash));
    assert_eq!(members(&world).len(), 4);
    assert!(world.fabric.beat_worthy(phalanx_types::TimeMs(world.time), &input).is_err());
    let applied = world.idle();
    assert_eq!((applied.registered.epoch, applied.registered.changes()), (2, false));
    assert!(!applied.checkpoint_due);
}

#[test]
fn all_validators_are_replaced_at_once_and_who_stays_keeps_its_standing() {
    let mut world = World::new("");
    world.idle();
    let entries = |words: &[&str]| words.iter().map(|w| validator(w, "earth", 1)).collect::<Vec<_>>();
    let mut stays = entries(&["v2"]);
    stays[0].region = name("luna");
    let validators = [stays, entries(&["v5", "v6", "v7", "v8"])].concat();
    let applied = world.command(OwnerCommand::SetValidators { validators: validators.clone() });
    assert_eq!(members(&world).len(), 5);
    assert!(!members(&world).contains(&key("v1")) && members(&world).contains(&key("v8")));
    assert_eq!(applied.registered.next, phalanx_types::registry::set_hash(&validators));
    // The same again changes nothing.
    let applied = world.command(OwnerCommand::SetValidators { validators: validators.clone() });
    assert!(!applied.registered.changes());
    let twice = [validators.clone(), entries(&["v8"])].concat();
    let refused = world.command(OwnerCommand::SetValidators { validators: twice });
    assert_eq!(crate::world::refusal(&refused), "bad_value");
    let refused = world.command(OwnerCommand::SetValidators { validators: Vec::new() });
    assert_eq!(crate::world::refusal(&refused), "bad_value");
}

#[test]
fn who_is_in_quarantine_stays_registered() {
    let mut world = World::new("");
    world.idle();
    let before = world.idle().registered;
    let vote = |beat: u8| phalanx_types::vote::Signed {
        message: phalanx_types::vote::Vote {
            mesh: phalanx_types::Hash([7; 32]),
            height: world.height(),
            round: phalanx_types::Round(0),
            kind: phalanx_types::vote::VoteKind::Prevote,
            beat: Some(phalanx_types::Hash([beat; 32])),
            validator: key("v1"),
        },
        signature: phalanx_types::Signature([0; 64]),
    };
    let evidence = phalanx_types::Evidence::votes(vote(1), vote(2));
    let applied = world.beat_of(crate::world::STEP_MS, &[], &[evidence]);
    assert_eq!(members(&world).len(), 3);
    assert_eq!(applied.registered, before);
}

#[test]
fn a_validator_with_another_weight_changes_what_is_weighed_and_not_who_votes() {
    let mut world = World::new("");
    let before = world.fabric.validator_set().hash();
    let mut heavy = validator("v1", "earth", 1);
    heavy.base_weight = Weight(5);
    let applied = world.command(OwnerCommand::SetValidator { validator: heavy });
    assert_eq!(count(&applied.receipts, ReceiptKind::ValidatorsChanged), 0);
    assert_eq!(world.fabric.validator_set().hash(), before);
}

#[test]
fn distributed_proposers_rotate_with_the_height() {
    let mut world = World::new("");
    let sorted = members(&world);
    for _ in 0..8 {
        let by = (world.height().next().0 % 4) as usize;
        let mut expected = sorted.clone();
        expected.rotate_left(by);
        assert_eq!(proposers(&world), expected);
        world.idle();
    }
}

#[test]
fn who_missed_its_turn_goes_to_the_end_until_its_vote_is_seen() {
    let mut world = World::new("");
    let late = proposers(&world)[0];
    // The beat of that height was decided in round 1.
    world.idle();
    beat_after(&mut world, 1, &[]);
    for _ in 0..6 {
        assert_eq!(proposers(&world).last(), Some(&late));
        world.idle();
    }
    world.signers = vec![late];
    world.idle();
    let turns: Vec<PublicKey> = (0..4)
        .map(|_| {
            world.idle();
            proposers(&world)[0]
        })
        .collect();
    assert!(turns.contains(&late), "it has its turn again");
}

#[test]
fn a_vote_of_the_height_of_the_miss_itself_does_not_bring_back() {
    let mut world = World::new("");
    let late = proposers(&world)[0];
    world.idle();
    world.round = 1;
    world.signers = vec![late];
    world.idle();
    assert_eq!(proposers(&world).last(), Some(&late));
}

#[test]
fn the_centralized_controller_proposes_until_it_misses_and_its_successor_takes_over() {
    let mut world = World::bare(|genesis| {
        genesis.mode = Mode::Centralized { succession: keys(&["v3", "v1"]) };
    });
    for _ in 0..5 {
        assert_eq!(proposers(&world)[..2], keys(&["v3", "v1"]));
        assert_eq!(proposers(&world).len(), 4, "everybody else comes after, so that nobody waits for ever");
        world.idle();
    }
    beat_after(&mut world, 1, &["v1", "v2", "v4"]);
    assert_eq!(proposers(&world)[0], key("v1"));
    assert_eq!(proposers(&world).last(), Some(&key("v3")));
    assert_eq!(members(&world).len(), 4, "all vote");
    beat_after(&mut world, 0, &["v1", "v2", "v3"]);
    assert_eq!(proposers(&world)[..2], keys(&["v3", "v1"]));
}

fn federated() -> World {
    World::bare(|genesis| {
        let regions = ["a", "b", "c", "d"];
        genesis.shards = regions.iter().map(|r| shard(r, 9, "")).collect();
        genesis.latencies.clear();
        genesis.validators =
            regions.iter().flat_map(|r| [1, 2].map(|n| validator(&format!("{r}{n}"), r, 1))).collect();
        let coordinators: BTreeMap<_, _> =
            regions.iter().map(|r| (name(r), keys(&[&format!("{r}1"), &format!("{r}2")]))).collect();
        genesis.mode = Mode::Federated { coordinators };
    })
}

#[test]
fn in_a_federation_one_coordinator_a_region_proposes_and_votes() {
    let mut world = federated();
    let mut expected = keys(&["a1", "b1", "c1", "d1"]);
    expected.sort();
    assert_eq!(members(&world), expected);
    let mut turns = Vec::new();
    for _ in 0..4 {
        turns.push(proposers(&world)[0]);
        world.idle();
    }
    turns.sort();
    assert_eq!(turns, expected);
}

#[test]
fn a_coordinator_that_misses_is_replaced_by_its_successor() {
    let mut world = federated();
    let late = proposers(&world)[0];
    world.idle();
    beat_after(&mut world, 1, &[]);
    assert!(!members(&world).contains(&late));
    let successor = ["a", "b", "c", "d"]
        .into_iter()
        .find(|r| key(&format!("{r}1")) == late)
        .map(|r| key(&format!("{r}2")))
        .unwrap();
    assert!(members(&world).contains(&successor));
    assert_eq!(members(&world).len(), 4);
}

#[test]
fn a_federation_is_not_made_smaller_than_one_that_bears_a_fault() {
    let mut world = federated();
    let remove = |who: &str| OwnerCommand::RemoveValidator { vote_key: key(who) };
    let is_refused = |world: &mut World, command: OwnerCommand| {
        let applied = world.command(command);
        applied.receipts.iter().any(|r| r.kind == ReceiptKind::OwnerCommandRefused)
    };
    assert!(!is_refused(&mut world, remove("a1")));
    assert!(members(&world).contains(&key("a2")));
    // Nobody else coordinates a.
    assert!(is_refused(&mut world, remove("a2")));
    assert_eq!(members(&world).len(), 4);
    assert!(!is_refused(&mut world, OwnerCommand::SetMode { mode: Mode::FullyDistributed }));
    assert!(!is_refused(&mut world, remove("a2")));
}

#[test]
fn the_mode_changes_by_the_owners_command() {
    let mut world = World::new("");
    let mode = Mode::Centralized { succession: keys(&["v2"]) };
    world.command(OwnerCommand::SetMode { mode: mode.clone() });
    assert_eq!(world.fabric.mode(), &mode);
    assert_eq!(proposers(&world)[0], key("v2"));
    world.command(OwnerCommand::SetMode { mode: Mode::FullyDistributed });
    let first_ones: Vec<PublicKey> = (0..4)
        .map(|_| {
            world.idle();
            proposers(&world)[0]
        })
        .collect();
    assert!(first_ones.iter().any(|one| *one != first_ones[0]));
}

#[test]
fn all_may_miss_and_the_mesh_still_has_an_order() {
    let mut world = World::new("");
    world.idle();
    beat_after(&mut world, 40, &[]);
    let mut order = proposers(&world);
    order.sort();
    assert_eq!(order, members(&world));
}
