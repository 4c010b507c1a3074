//! Agents: spawned, moved, ended; what their receipts show and hide; and where
//! they go when their worker is lost.

use crate::world::{World, agent, count, first, host_of, job, key, kinds, name, offer, refusal, shown};
use phalanx_types::{
    AgentId, Field, JobSpec, Operation, OwnerCommand, ReceiptDraft, ReceiptKind, owner::Scope,
    receipt::HiddenField,
};

fn hidden<'a>(receipt: &'a ReceiptDraft, key: &str) -> &'a HiddenField {
    let hidden = receipt.hidden.iter().find(|hidden| hidden.key == key).unwrap();
    assert_eq!(receipt.data[key], hidden.commitment());
    hidden
}

fn migrate(agent: AgentId, worker: &str) -> Operation {
    Operation::MigrateAgent { agent, worker: name(worker) }
}

/// Workers of one slot's worth of room each.
fn small(world: &mut World, workers: &str, cpu_milli: u32) {
    for worker in workers.split_whitespace() {
        let mut offer = offer(worker);
        offer.resources.cpu_milli = cpu_milli;
        world.offer(offer);
    }
}

#[test]
fn an_action_receipt_carries_before_after_nonce_and_policy() {
    let mut world = World::new("earth.1 luna.1");
    let (id, applied) = world.spawn(agent("earth"));
    let spawned = first(&applied.receipts, ReceiptKind::AgentSpawned);
    assert_eq!(spawned.subject, id.to_string());
    assert_eq!((shown(spawned, "nonce"), shown(spawned, "worker_after")), ("0".into(), "earth.1".into()));
    assert_eq!(shown(spawned, "policy"), "default");
    let at_first = hidden(spawned, "position_after").clone();

    let applied = world.one(key("tenant"), migrate(id, "luna.1"));
    let moved = first(&applied.receipts, ReceiptKind::AgentMigrated);
    assert_eq!(shown(moved, "worker_before"), "earth.1");
    assert_eq!(shown(moved, "worker_after"), "luna.1");
    assert_eq!((shown(moved, "nonce"), shown(moved, "reason")), ("1".into(), "asked".into()));
    assert_eq!((hidden(moved, "position_before").value.clone(), at_first.value.clone()), {
        let value = hidden(moved, "position_after").value.clone();
        (value.clone(), value)
    });

    // Its point follows with the next beat, which is an action as well.
    let applied = world.one(key("tenant"), Operation::TerminateAgent { agent: id });
    let ended = first(&applied.receipts, ReceiptKind::AgentTerminated);
    assert_eq!((shown(ended, "nonce"), shown(ended, "worker_before")), ("3".into(), "luna.1".into()));
    hidden(ended, "position_before");
    assert_eq!(world.fabric.agents().count(), 0);
    let worker = world.fabric.worker(&name("luna.1")).unwrap();
    assert_eq!((worker.cpu_milli, worker.memory_mib), (0, 0));
}

#[test]
fn a_position_stands_in_a_receipt_only_as_a_salted_hash() {
    let mut world = World::new("earth.1 luna.1");
    let (id, applied) = world.spawn(agent("earth"));
    let spawned = &applied.receipts[0];
    let coordinate = (1_i64 << 30).to_string();
    for value in spawned.data.values() {
        assert!(!format!("{value:?}").contains(&coordinate), "{value:?}");
    }
    assert!(format!("{:?}", spawned.hidden).contains(&coordinate));
    // The same place under another nonce has another salt: nobody sees that an
    // agent did not move.
    let applied = world.one(key("tenant"), migrate(id, "luna.1"));
    let moved = &applied.receipts[0];
    assert_ne!(moved.data["position_before"], moved.data["position_after"]);
    assert_ne!(hidden(moved, "position_before").salt, hidden(moved, "position_after").salt);
}

#[test]
fn the_policy_version_of_a_beat_counts_its_owner_commands() {
    let mut world = World::new("earth.1");
    let command = Operation::Command(Box::new(OwnerCommand::Payload { bytes: vec![] }));
    let signed = [
        world.envelope(key("tenant"), vec![Operation::SpawnAgent(Box::new(agent("earth")))]),
        world.envelope(key("owner"), vec![command]),
    ];
    let applied = world.beat_of(50, &signed, &[]);
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::OwnerCommand, ReceiptKind::AgentSpawned]);
    assert_eq!(applied.policy_version, 1);
}

#[test]
fn an_agent_lives_in_its_region_while_there_is_room_and_then_within_reach() {
    let mut world = World::new("");
    small(&mut world, "earth.1 mars.1", 1_000);
    let (first_one, _) = world.spawn(agent("earth"));
    let (second, _) = world.spawn(agent("earth"));
    assert_eq!(world.home_of(&first_one), "earth.1");
    assert_eq!(world.home_of(&second), "mars.1");
    let spawn = Operation::SpawnAgent(Box::new(agent("earth")));
    assert_eq!(refusal(&world.one(key("tenant"), spawn)), "impossible");
}

#[test]
fn an_agent_takes_no_slot_and_shares_the_rest_with_jobs() {
    let mut world = World::new("earth.1");
    for _ in 0..3 {
        world.spawn(agent("earth"));
    }
    let (ids, _) = world.submit_all(vec![job("earth"); 2]);
    let worker = world.fabric.worker(&name("earth.1")).unwrap();
    assert_eq!((worker.running, worker.cpu_milli), (1, 4_000));
    assert!(world.is_queued(&ids[1]), "the CPU is taken, not the slots");
}

#[test]
fn agents_of_a_lost_worker_without_jobs_move_to_another_one() {
    let mut world = World::new("earth.1 earth.2 luna.1");
    let (id, _) = world.spawn(agent("earth"));
    let seen = world.fabric.worker(&name("earth.1")).unwrap().last_seen.0;
    let over = seen + 30_000 + phalanx_fabric::lease_margin_ms(world.fabric.params());
    let receipts = world.pass(over - world.time, "earth.2 luna.1");
    assert_eq!(count(&receipts, ReceiptKind::AgentMigrated), 0);
    let receipts = world.pass(1, "earth.2 luna.1");
    let moved = first(&receipts, ReceiptKind::AgentMigrated);
    assert_eq!((shown(moved, "reason"), moved.actor.as_str()), ("worker_lost".into(), "fabric"));
    assert_eq!((shown(moved, "worker_before"), shown(moved, "nonce")), ("earth.1".into(), "1".into()));
    assert_eq!(world.home_of(&id), "earth.2");
    assert_eq!(world.fabric.worker(&name("earth.1")).unwrap().cpu_milli, 0);
}

#[test]
fn agents_of_a_lost_worker_move_beside_its_jobs() {
    let mut world = World::new("earth.1 earth.2");
    let (resident, _) = world.spawn(agent("earth"));
    let (ids, _) = world.submit_all(vec![JobSpec { priority: 0, ..job("earth") }; 2]);
    assert!(ids.iter().any(|id| world.runs_on(id) == "earth.1"));
    let receipts = world.pass(36_000, "earth.2");
    assert_eq!(count(&receipts, ReceiptKind::AgentMigrated), 1);
    assert_eq!(world.home_of(&resident), "earth.2");
    assert!(ids.iter().all(|id| world.runs_on(id) == "earth.2"));
}

#[test]
fn an_agent_without_a_place_stays_and_is_tried_again_at_later_beats() {
    let mut world = World::new("");
    small(&mut world, "earth.1 earth.2", 1_000);
    let (first_one, _) = world.spawn(agent("earth"));
    let (second, _) = world.spawn(agent("earth"));
    assert_eq!((world.home_of(&first_one), world.home_of(&second)), ("earth.1".into(), "earth.2".into()));
    let receipts = world.pass(40_000, "earth.2");
    assert_eq!(count(&receipts, ReceiptKind::AgentMigrated), 0);
    assert_eq!(world.home_of(&first_one), "earth.1");
    world.one(key("tenant"), Operation::TerminateAgent { agent: second });
    let receipts = world.pass(1_000, "earth.2");
    assert_eq!(count(&receipts, ReceiptKind::AgentMigrated), 1);
    assert_eq!(world.home_of(&first_one), "earth.2");
}

#[test]
fn more_homeless_agents_than_a_beat_looks_at_all_have_their_turn() {
    let mut world = World::new("");
    small(&mut world, "earth.1", 64_000);
    let big = || agent("earth");
    let small_one = || {
        let mut spec = agent("earth");
        spec.resources.cpu_milli = 10;
        spec.resources.memory_mib = 0;
        spec
    };
    // More of the big ones than a beat looks at, and a few that would fit.
    for _ in 0..2 {
        let spawns = (0..32).map(|_| Operation::SpawnAgent(Box::new(big()))).collect();
        world.beat(vec![(key("tenant"), spawns)]);
    }
    assert_eq!(world.fabric.agents().count(), 64);
    world.one(key("tenant"), {
        let (id, _) = world.fabric.agents().next().unwrap();
        Operation::TerminateAgent { agent: *id }
    });
    let spawns = (0..20).map(|_| Operation::SpawnAgent(Box::new(small_one()))).collect();
    world.beat(vec![(key("tenant"), spawns)]);
    assert_eq!(world.fabric.agents().count(), 83);
    small(&mut world, "earth.2", 500);
    world.pass(40_000, "earth.2");
    let moved = world.fabric.agents().filter(|(_, a)| a.worker.as_str() == "earth.2").count();
    assert_eq!(moved, 20);
}

#[test]
fn a_lost_worker_that_comes_back_keeps_the_agents_that_are_left() {
    let mut world = World::new("");
    small(&mut world, "earth.1", 1_000);
    let (id, _) = world.spawn(agent("earth"));
    world.pass(40_000, "");
    world.heartbeat("earth.1");
    small(&mut world, "earth.2", 1_000);
    world.pass(5_000, "earth.1 earth.2");
    assert_eq!(world.home_of(&id), "earth.1");
}

#[test]
fn agents_of_a_revoked_worker_move_at_once_and_those_of_a_withdrawn_one_stay() {
    let mut world = World::new("earth.1 earth.2");
    let (id, _) = world.spawn(agent("earth"));
    assert_eq!(world.home_of(&id), "earth.1");
    world.one(host_of("earth.1"), Operation::WithdrawWorker { worker: name("earth.1") });
    world.pass(60_000, "earth.1 earth.2");
    assert_eq!(world.home_of(&id), "earth.1");
    let applied = world.command(OwnerCommand::RevokeWorker { worker: name("earth.1") });
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::OwnerCommand, ReceiptKind::AgentMigrated]);
    assert_eq!(world.home_of(&id), "earth.2");
    world.idle();
    assert!(world.fabric.worker(&name("earth.1")).is_none(), "closed and empty: forgotten");
}

#[test]
fn nothing_moves_while_the_mesh_is_paused_or_into_a_paused_shard() {
    let mut world = World::new("earth.1 luna.1 mars.1");
    let (id, _) = world.spawn(agent("earth"));
    world.command(OwnerCommand::Pause { scope: Scope::Mesh });
    let receipts = world.pass(40_000, "luna.1 mars.1");
    assert_eq!(count(&receipts, ReceiptKind::AgentMigrated), 0);
    world.command(OwnerCommand::Pause { scope: Scope::Shard { shard: name("luna") } });
    let applied = world.command(OwnerCommand::Resume { scope: Scope::Mesh });
    assert_eq!(count(&applied.receipts, ReceiptKind::AgentMigrated), 1);
    assert_eq!(world.home_of(&id), "mars.1");
    assert_eq!(refusal(&world.one(key("tenant"), migrate(id, "luna.1"))), "paused");
}

#[test]
fn an_agent_keeps_its_gpus_apart_from_those_of_jobs() {
    let mut world = World::new("");
    let mut big = offer("earth.1");
    big.resources.gpus = 2;
    world.offer(big);
    let mut spec = agent("earth");
    spec.resources.gpu = phalanx_types::GpuRequest::Shared { milli: 400 };
    let (id, applied) = world.spawn(spec);
    assert_eq!(applied.receipts[0].data["gpu_milli"], Field::u32(400));
    let free = |world: &World| world.fabric.worker(&name("earth.1")).unwrap().gpu_free_milli.clone();
    assert_eq!(free(&world), [600, 1_000]);
    world.one(key("tenant"), Operation::TerminateAgent { agent: id });
    assert_eq!(free(&world), [1_000, 1_000]);
}
