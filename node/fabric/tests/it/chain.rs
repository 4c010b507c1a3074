//! Commands that the owner gives on a chain, as validators see them.

use crate::world::{World, count, first, key, kinds, name, refusal, shown, validator};
use phalanx_fabric::Applied;
use phalanx_types::{
    Hash, Observation, Operation, OwnerCommand, ReceiptKind, genesis::ChainBinding, observation::next_head,
    owner::Scope,
};

const ALL: [&str; 4] = ["v1", "v2", "v3", "v4"];

fn chained() -> World {
    let mut world = World::bare(|genesis| {
        genesis.chain = Some(ChainBinding { chain_id: 1, contract: [1; 20], code_hash: Hash([2; 32]) });
    });
    world.idle();
    world
}

/// A log of commands as the contract keeps it.
#[derive(Clone)]
struct Log {
    head: Hash,
    sequence: u64,
    fork: u8,
}

impl Log {
    const fn new() -> Self {
        Self { head: Hash::ZERO, sequence: 0, fork: 0 }
    }

    fn next(&mut self, command: Option<OwnerCommand>) -> Observation {
        self.sequence += 1;
        let command_hash = Hash::sha3(&[self.sequence.to_le_bytes().as_slice(), &[self.fork]].concat());
        self.head = next_head(&self.head, &command_hash);
        Observation {
            sequence: self.sequence,
            command_hash,
            head: self.head,
            block: self.sequence * 10,
            block_hash: Hash([self.fork; 32]),
            transaction: Hash::sha3(&command_hash.0),
            command,
        }
    }
}

fn pause() -> Option<OwnerCommand> {
    Some(OwnerCommand::Pause { scope: Scope::Mesh })
}

fn resume() -> Option<OwnerCommand> {
    Some(OwnerCommand::Resume { scope: Scope::Mesh })
}

fn see(world: &mut World, who: &str, seen: &Observation) -> Applied {
    world.one(key(who), Operation::Observe(Box::new(seen.clone())))
}

fn all_see(world: &mut World, seen: &Observation) -> Applied {
    let operations = |who: &&str| (key(who), vec![Operation::Observe(Box::new(seen.clone()))]);
    world.beat(ALL.iter().map(operations).collect())
}

#[test]
fn a_command_is_obeyed_once_when_more_than_two_thirds_have_seen_the_same() {
    let mut world = chained();
    let seen = Log::new().next(pause());
    for who in ["v1", "v2"] {
        assert_eq!(kinds(&see(&mut world, who, &seen).receipts), []);
    }
    assert!(!world.fabric.is_paused());
    let applied = see(&mut world, "v3", &seen);
    assert!(world.fabric.is_paused());
    let receipt = first(&applied.receipts, ReceiptKind::OwnerCommand);
    assert_eq!((receipt.subject.as_str(), receipt.actor.as_str()), ("pause", "owner"));
    assert_eq!(shown(receipt, "sequence"), "1");
    assert_eq!(shown(receipt, "transaction"), seen.transaction.to_string());
    assert_eq!(shown(receipt, "block_hash"), seen.block_hash.to_string());
    assert_eq!(world.fabric.chain().unwrap().applied, 1);
    // Who comes late changes nothing.
    assert_eq!(refusal(&see(&mut world, "v4", &seen)), "bad_value");
}

#[test]
fn one_liar_of_four_neither_forges_a_command_nor_stops_one() {
    let mut world = chained();
    let mut log = Log::new();
    let lie = Observation { command: resume(), ..log.clone().next(resume()) };
    let truth = log.next(pause());
    see(&mut world, "v4", &lie);
    see(&mut world, "v1", &truth);
    see(&mut world, "v2", &truth);
    assert!(!world.fabric.is_paused());
    see(&mut world, "v3", &truth);
    assert!(world.fabric.is_paused());
}

#[test]
fn commands_are_obeyed_in_their_order_whatever_order_they_are_seen_in() {
    let mut world = chained();
    let mut log = Log::new();
    let (one, two, three) = (log.next(pause()), log.next(resume()), log.next(pause()));
    assert_eq!(kinds(&all_see(&mut world, &three).receipts), []);
    assert_eq!(kinds(&all_see(&mut world, &two).receipts), []);
    let applied = all_see(&mut world, &one);
    let words: Vec<&str> = applied.receipts.iter().map(|r| r.subject.as_str()).collect();
    assert_eq!(words, ["pause", "resume", "pause"]);
    assert_eq!(world.fabric.chain().unwrap().applied, 3);
    assert_eq!(world.fabric.told(&key("v1"), 4), None);
}

#[test]
fn what_cannot_be_obeyed_or_read_is_refused_and_the_next_one_is_obeyed() {
    let mut world = chained();
    let mut log = Log::new();
    let unknown = OwnerCommand::Pause { scope: Scope::Shard { shard: name("venus") } };
    for command in [Some(unknown), None] {
        let applied = all_see(&mut world, &log.next(command));
        assert_eq!(count(&applied.receipts, ReceiptKind::OwnerCommandRefused), 1);
    }
    all_see(&mut world, &log.next(pause()));
    assert!(world.fabric.is_paused());
}

#[test]
fn a_chain_that_changed_its_past_is_obeyed_no_more_until_the_owner_reconciles() {
    let mut world = chained();
    let mut log = Log::new();
    all_see(&mut world, &log.next(pause()));
    let cursor = *world.fabric.chain().unwrap();
    // Another first command: the second one does not follow from ours.
    let mut other = Log { fork: 1, ..Log::new() };
    other.next(resume());
    let applied = all_see(&mut world, &other.next(resume()));
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::ChainDiverged]);
    assert!(world.fabric.chain().unwrap().has_diverged && world.fabric.is_paused());
    for _ in 0..20 {
        let applied = all_see(&mut world, &other.next(resume()));
        assert_eq!(kinds(&applied.receipts), []);
    }
    assert!(world.fabric.is_paused(), "a diverged chain is not obeyed");
    // The wrong word does not do, the right one does.
    let wrong = OwnerCommand::Reconcile { applied: cursor.applied, head: Hash([9; 32]) };
    assert_eq!(kinds(&all_see(&mut world, &other.next(Some(wrong))).receipts), []);
    let right = OwnerCommand::Reconcile { applied: cursor.applied, head: cursor.head };
    let applied = all_see(&mut world, &other.next(Some(right)));
    assert_eq!(first(&applied.receipts, ReceiptKind::OwnerCommand).subject, "reconcile");
    assert!(!world.fabric.chain().unwrap().has_diverged);
    all_see(&mut world, &other.next(resume()));
    assert!(!world.fabric.is_paused());
}

#[test]
fn a_chain_that_has_taken_commands_back_is_reconciled_at_a_number_that_was_applied() {
    let mut world = chained();
    let mut log = Log::new();
    for command in [pause(), resume(), pause()] {
        all_see(&mut world, &log.next(command));
    }
    let cursor = *world.fabric.chain().unwrap();
    assert_eq!(cursor.applied, 3);
    // The chain has one command now, and the owner's word is the second.
    let mut other = Log { fork: 1, ..Log::new() };
    let gone = other.next(resume());
    assert_eq!(refusal(&see(&mut world, "v1", &gone)), "bad_value");
    let wrong = OwnerCommand::Reconcile { applied: cursor.applied, head: other.head };
    assert_eq!(refusal(&see(&mut world, "v1", &other.clone().next(Some(wrong)))), "bad_value");
    let word = other.next(Some(OwnerCommand::Reconcile { applied: cursor.applied, head: cursor.head }));
    for who in ["v1", "v2"] {
        assert_eq!(kinds(&see(&mut world, who, &word).receipts), []);
    }
    // Nobody's further observations put it out.
    for _ in 0..8 {
        see(&mut world, "v1", &log.next(resume()));
    }
    see(&mut world, "v1", &word);
    let applied = see(&mut world, "v3", &word);
    assert_eq!(first(&applied.receipts, ReceiptKind::OwnerCommand).subject, "reconcile");
    let now = *world.fabric.chain().unwrap();
    assert_eq!((now.applied, now.head, now.has_diverged), (2, other.head, false));
    // It was said once.
    assert_eq!(refusal(&see(&mut world, "v4", &word)), "bad_value");
    assert!(world.fabric.is_paused());
    all_see(&mut world, &other.next(resume()));
    assert!(!world.fabric.is_paused());
}

#[test]
fn only_validators_tell_and_only_what_is_near() {
    let mut world = chained();
    let mut log = Log::new();
    let first_seen = log.next(pause());
    assert_eq!(refusal(&see(&mut world, "host-1", &first_seen)), "not_allowed");
    for _ in 0..7 {
        log.next(pause());
    }
    assert_eq!(refusal(&see(&mut world, "v1", &log.next(pause()))), "bad_value");
    see(&mut world, "v1", &first_seen);
    assert_eq!(refusal(&see(&mut world, "v1", &first_seen)), "bad_value");
    let mut unchained = World::new("");
    assert_eq!(refusal(&see(&mut unchained, "v1", &first_seen)), "unknown");
    let entries = vec![validator("v1", "earth", 1); 2_000];
    let huge =
        Observation { command: Some(OwnerCommand::SetValidators { validators: entries }), ..first_seen };
    assert_eq!(refusal(&see(&mut world, "v2", &huge)), "bad_value");
}

#[test]
fn validators_registered_on_the_chain_turn_at_the_beat_that_obeys() {
    let mut world = chained();
    let validators: Vec<_> =
        ["v1", "v2", "v3", "v4", "v5"].iter().map(|v| validator(v, "earth", 1)).collect();
    let applied = all_see(&mut world, &Log::new().next(Some(OwnerCommand::SetValidators { validators })));
    assert!(applied.checkpoint_due && applied.registered.changes());
    assert_eq!(world.fabric.validator_set().members().len(), 5);
}
