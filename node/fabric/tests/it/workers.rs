//! The marketplace: offers, hosts, signs of life, withdrawing, revoking.

use crate::world::{World, count, entries, host_of, job, key, kinds, name, names, offer, refusal, report};
use phalanx_types::{JobSpec, Operation, Outcome, OwnerCommand, ReceiptKind, state::Column};

const DONE: Outcome = Outcome::Exited { code: 0 };

fn withdraw(world: &mut World, worker: &str) -> phalanx_fabric::Applied {
    world.one(host_of(worker), Operation::WithdrawWorker { worker: name(worker) })
}

#[test]
fn a_withdrawn_worker_finishes_what_it_has_and_takes_no_more() {
    let mut world = World::new("earth.1 earth.2");
    let (id, _) = world.submit(job("earth"));
    assert_eq!(world.runs_on(&id), "earth.1");
    assert_eq!(kinds(&withdraw(&mut world, "earth.1").receipts), [ReceiptKind::WorkerWithdrawn]);
    assert_eq!(kinds(&withdraw(&mut world, "earth.1").receipts), []);
    let (next, _) = world.submit(job("earth"));
    assert_eq!(world.runs_on(&next), "earth.2");
    world.pass(60_000, "earth.1 earth.2");
    assert_eq!(world.runs_on(&id), "earth.1", "it keeps its lease by its signs of life");
    world.end(id, DONE);
    assert!(world.fabric.worker(&name("earth.1")).is_none(), "idle and closed: forgotten");
}

#[test]
fn a_withdrawn_busy_worker_can_be_offered_again_and_keeps_its_load() {
    let mut world = World::new("earth.1");
    let (id, _) = world.submit(job("earth"));
    withdraw(&mut world, "earth.1");
    assert_eq!(kinds(&world.offer(offer("earth.1")).receipts), [ReceiptKind::WorkerOffered]);
    let worker = world.fabric.worker(&name("earth.1")).unwrap();
    assert_eq!((worker.is_open, worker.running, worker.cpu_milli), (true, 1, 1_000));
    let (ids, _) = world.submit_all(vec![job("earth"); 4]);
    assert!(world.is_queued(&ids[3]), "three slots were left");
    world.end(id, DONE);
    assert_eq!(world.runs_on(&ids[3]), "earth.1");
}

#[test]
fn the_same_offer_again_is_a_sign_of_life_without_a_receipt() {
    let mut world = World::new("earth.1");
    world.pass(11_000, "");
    assert!(!world.fabric.worker(&name("earth.1")).unwrap().is_healthy);
    assert_eq!(kinds(&world.offer(offer("earth.1")).receipts), []);
    assert!(world.fabric.worker(&name("earth.1")).unwrap().is_healthy);
    let (id, _) = world.submit(job("earth"));
    assert_eq!(world.runs_on(&id), "earth.1");
}

#[test]
fn an_idle_worker_may_move_and_change_and_a_busy_one_not() {
    let mut world = World::new("earth.1");
    let mut moved = offer("earth.1");
    moved.region = name("luna");
    moved.resources.cpu_milli = 9_000;
    let (id, _) = world.submit(job("earth"));
    assert_eq!(refusal(&world.offer(moved.clone())), "bad_value");
    world.end(id, DONE);
    assert_eq!(kinds(&world.offer(moved).receipts), [ReceiptKind::WorkerOffered]);
    let (id, _) = world.submit(JobSpec { ..job("luna") });
    assert_eq!((world.runs_on(&id).as_str(), world.shard_of(&id).as_str()), ("earth.1", "luna"));
}

#[test]
fn a_busy_worker_may_change_what_does_not_move_its_load() {
    let mut world = World::new("earth.1");
    world.submit(job("earth"));
    let mut wider = offer("earth.1");
    wider.max_concurrency = 2;
    wider.capacity = 99;
    wider.heartbeat_interval_ms += 1;
    assert_eq!(kinds(&world.offer(wider).receipts), [ReceiptKind::WorkerOffered]);
    let (ids, _) = world.submit_all(vec![job("earth"); 2]);
    assert!(world.is_queued(&ids[1]), "two slots now");
}

#[test]
fn a_lease_that_a_host_has_learned_never_gets_shorter_under_an_attempt() {
    let mut world = World::new("");
    let mut slow = offer("earth.1");
    slow.heartbeat_interval_ms = 60_000;
    world.offer(slow);
    let (id, _) = world.submit(job("earth"));
    assert_eq!(refusal(&world.offer(offer("earth.1"))), "bad_value");
    world.end(id, DONE);
    assert_eq!(kinds(&world.offer(offer("earth.1")).receipts), [ReceiptKind::WorkerOffered]);
}

#[test]
fn a_worker_changes_its_host_by_the_owners_word_and_not_under_an_attempt() {
    let mut world = World::new("earth.1");
    let (id, _) = world.submit(job("earth"));
    world.command(OwnerCommand::ApproveWorker { worker: name("earth.1"), key: key("host-2") });
    let again = || Operation::OfferWorker(Box::new(offer("earth.1")));
    assert_eq!(refusal(&world.one(key("host-1"), again())), "not_allowed");
    assert_eq!(refusal(&world.one(key("host-2"), again())), "bad_value");
    // The old host's signs of life count no more: its lease runs out.
    let receipts = world.pass(36_000, "earth.1");
    assert_eq!(count(&receipts, ReceiptKind::JobRequeued), 1);
    assert!(world.is_queued(&id));
    world.one(key("host-2"), again());
    assert_eq!(world.runs_on(&id), "earth.1");
    assert_eq!(world.fabric.worker(&name("earth.1")).unwrap().host, key("host-2"));
}

#[test]
fn a_revoked_workers_attempts_are_requeued_when_its_lease_is_over() {
    let mut world = World::new("earth.1 earth.2");
    let (id, _) = world.submit(job("earth"));
    assert_eq!(world.runs_on(&id), "earth.1");
    let applied = world.command(OwnerCommand::RevokeWorker { worker: name("earth.1") });
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::OwnerCommand, ReceiptKind::WorkerWithdrawn]);
    assert_eq!(refusal(&world.offer(offer("earth.1"))), "not_allowed");
    // Its host still hosts another one, and is heard for that one alone.
    let done = report("earth.1", id, 1, DONE);
    assert_eq!(refusal(&world.one(key("host-1"), done)), "not_allowed");
    let receipts = world.pass(36_000, "earth.1 earth.2");
    assert_eq!(count(&receipts, ReceiptKind::JobRequeued), 1);
    assert_eq!(world.runs_on(&id), "earth.2");
    assert!(world.fabric.worker(&name("earth.1")).is_none());
}

#[test]
fn a_host_without_any_role_left_is_a_stranger() {
    let mut world = World::bare(|genesis| {
        genesis.workers = [(name("earth.1"), key("host-1"))].into();
    });
    world.offer_all("earth.1");
    world.command(OwnerCommand::RevokeWorker { worker: name("earth.1") });
    assert_eq!(refusal(&world.heartbeat("earth.1")), "unknown_sender");
}

#[test]
fn signs_of_life_of_other_hosts_workers_count_for_nothing() {
    let mut world = World::new("earth.1 earth.9");
    world.pass(11_000, "");
    let both = Operation::Heartbeat { workers: names("earth.1 earth.2 earth.9") };
    let mut other = world.clone();
    let alone = Operation::Heartbeat { workers: names("earth.1") };
    let applied = world.one(key("host-1"), both);
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::WorkerRecovered]);
    assert!(world.fabric.worker(&name("earth.1")).unwrap().is_healthy);
    assert!(!world.fabric.worker(&name("earth.9")).unwrap().is_healthy);
    other.one(key("host-1"), alone);
    assert_eq!(entries(&world.fabric), entries(&other.fabric));
}

#[test]
fn a_worker_is_unhealthy_after_the_heartbeats_it_may_miss_and_gets_no_work() {
    let mut world = World::new("earth.1");
    let seen = world.fabric.worker(&name("earth.1")).unwrap().last_seen.0;
    world.pass(seen + 10_000 - world.time, "");
    assert!(world.fabric.worker(&name("earth.1")).unwrap().is_healthy);
    let receipts = world.pass(1, "");
    assert_eq!(kinds(&receipts), [ReceiptKind::WorkerUnhealthy]);
    let (id, _) = world.submit(job("earth"));
    assert!(world.is_queued(&id));
    let applied = world.heartbeat("earth.1");
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::WorkerRecovered, ReceiptKind::JobAssigned]);
}

#[test]
fn heartbeats_alone_change_nothing_but_the_time_a_worker_was_seen() {
    let mut world = World::new("earth.1");
    let before = entries(&world.fabric);
    world.heartbeat("earth.1");
    let after = entries(&world.fabric);
    let changed: Vec<Column> = after
        .iter()
        .filter(|(place, value)| before.get(*place) != Some(value))
        .map(|((column, _), _)| *column)
        .collect();
    assert_eq!(changed, [Column(0), Column(3), Column(5)], "settings, window, worker");
}
