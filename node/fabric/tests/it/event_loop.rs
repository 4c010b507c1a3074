//! The documents' event loop: what a beat does, in which order.

use crate::world::{World, agent, count, first, host_of, job, key, kinds, name, refusal, report, shown};
use phalanx_types::{
    JobSpec, Operation, Outcome, OwnerCommand, ReceiptKind as Kind, owner::Scope, params::Verification,
};

#[test]
fn a_beat_goes_through_the_steps_in_the_documents_order() {
    let mut world = World::bare(|genesis| genesis.params.checkpoint_beats = 1);
    world.offer_all("luna.1 earth.1 mars.1 mars.2");
    let expiring = JobSpec { deadline_ms: 34_500, priority: 255, ..job("mars") };
    let (ids, _) = world.submit_all(vec![job("earth"), job("luna"), expiring]);
    assert_eq!(ids.iter().map(|id| world.runs_on(id)).collect::<Vec<_>>(), ["earth.1", "luna.1", "mars.1"]);
    // Luna's worker falls silent first, then Earth's, then Mars's second.
    world.pass(15_000, "earth.1 mars.1 mars.2");
    world.pass(9_000, "mars.1 mars.2");
    world.pass(10_000, "mars.1");

    let alive = Operation::Heartbeat { workers: vec![name("earth.1")] };
    let done = report("earth.1", ids[0], 1, Outcome::Exited { code: 0 });
    let note = Operation::Command(Box::new(OwnerCommand::Payload { bytes: vec![1] }));
    // The order of the inputs is not the order of the steps.
    let signed = [
        world.envelope(key("tenant"), vec![Operation::SubmitJob(Box::new(job("earth")))]),
        world.envelope(host_of("earth.1"), vec![alive, done]),
        world.envelope(key("owner"), vec![note]),
    ];
    let applied = world.beat_of(1_000, &signed, &[]);
    assert_eq!(
        kinds(&applied.receipts),
        [
            Kind::OwnerCommand,
            // Outcomes and heartbeats, as they were sent.
            Kind::WorkerRecovered,
            Kind::AttemptEnded,
            Kind::JobEnded,
            // Heartbeat audit.
            Kind::WorkerUnhealthy,
            // Failure recovery, then deadlines.
            Kind::AttemptEnded,
            Kind::JobRequeued,
            Kind::JobEnded,
            Kind::JobAccepted,
            // Routing: Earth's turn, then Luna's.
            Kind::JobAssigned,
            Kind::JobSpilled,
            Kind::CheckpointClosed,
        ]
    );
    let subjects: Vec<&str> = applied.receipts.iter().map(|r| r.subject.as_str()).collect();
    assert_eq!(subjects[1], "earth.1");
    assert_eq!(subjects[3], ids[0].to_string());
    assert_eq!(subjects[4], "mars.2");
    assert_eq!(subjects[6], ids[1].to_string());
    assert_eq!(subjects[7], ids[2].to_string());
    // A spilled job is routed with the next beat, its queue's turn being over.
    let applied = world.idle();
    assert_eq!(kinds(&applied.receipts), [Kind::JobAssigned, Kind::CheckpointClosed]);
    assert_eq!(world.runs_on(&ids[1]), "earth.1");
}

#[test]
fn an_idle_beat_says_nothing() {
    let mut world = World::new("earth.1");
    assert_eq!(kinds(&world.idle().receipts), []);
}

#[test]
fn an_interval_is_closed_every_checkpoint_beats() {
    let mut world = World::bare(|genesis| genesis.params.checkpoint_beats = 3);
    let closed: Vec<bool> = (0..7)
        .map(|_| {
            let applied = world.idle();
            assert_eq!(applied.checkpoint_due, count(&applied.receipts, Kind::CheckpointClosed) == 1);
            applied.checkpoint_due
        })
        .collect();
    assert_eq!(closed, [false, false, true, false, false, true, false]);
}

#[test]
fn a_receipt_names_its_cause_in_the_same_beat() {
    let mut world = World::new("earth.1");
    let (id, _) = world.submit(job("earth"));
    let applied = world.end(id, Outcome::Exited { code: 0 });
    assert_eq!(kinds(&applied.receipts), [Kind::AttemptEnded, Kind::JobEnded]);
    assert_eq!(applied.receipts[1].causes, [phalanx_types::receipt::Cause::SameBeat(0)]);
    assert_eq!(applied.receipts[0].actor, host_of("earth.1").to_string());
    assert_eq!(applied.receipts[0].tenant, Some(name("t")));
}

#[test]
fn what_follows_later_carries_the_envelope_that_brought_the_job() {
    let mut world = World::new("earth.1");
    let mut signed = world.envelope(key("tenant"), vec![Operation::SubmitJob(Box::new(job("earth")))]);
    signed.envelope.trace_id = Some([5; 16]);
    let id = signed.envelope.id();
    let applied = world.beat_of(50, &[signed], &[]);
    for receipt in &applied.receipts {
        assert_eq!((receipt.inputs, receipt.trace_id), (id, Some([5; 16])), "{receipt:?}");
    }
    assert_eq!(first(&applied.receipts, Kind::JobAssigned).actor, "fabric");
}

#[test]
fn a_pause_stops_intake_assignment_spawning_and_migration() {
    let mut world = World::new("earth.1 earth.2");
    let (resident, _) = world.spawn(agent("earth"));
    world.command(OwnerCommand::Pause { scope: Scope::Mesh });
    let migrate = Operation::MigrateAgent { agent: resident, worker: name("earth.2") };
    for operation in [
        Operation::SubmitJob(Box::new(job("earth"))),
        Operation::SpawnAgent(Box::new(agent("earth"))),
        migrate.clone(),
    ] {
        assert_eq!(refusal(&world.one(key("tenant"), operation)), "paused");
    }
    world.command(OwnerCommand::Resume { scope: Scope::Mesh });
    assert_eq!(kinds(&world.one(key("tenant"), migrate).receipts), [Kind::AgentMigrated]);
}

#[test]
fn a_pause_assigns_nothing_and_lets_everything_else_go_on() {
    let mut world = World::bare(|genesis| genesis.params.checkpoint_beats = 1);
    world.offer_all("earth.1");
    // Slots for four; the fifth waits.
    let (ids, _) = world.submit_all(vec![job("earth"); 5]);
    assert!(world.is_queued(&ids[4]));
    world.command(OwnerCommand::Pause { scope: Scope::Mesh });
    let applied = world.end(ids[0], Outcome::Exited { code: 0 });
    assert_eq!(kinds(&applied.receipts), [Kind::AttemptEnded, Kind::JobEnded, Kind::CheckpointClosed]);
    assert!(world.is_queued(&ids[4]));
    // Signs of life keep leases through a long pause; silence still ends them.
    assert_eq!(count(&world.pass(40_000, "earth.1"), Kind::WorkerUnhealthy), 0);
    let receipts = world.pass(36_000, "");
    assert_eq!(count(&receipts, Kind::WorkerUnhealthy), 1);
    assert_eq!(count(&receipts, Kind::JobRequeued), 3);
    world.heartbeat("earth.1");
    let applied = world.command(OwnerCommand::Resume { scope: Scope::Mesh });
    assert_eq!(count(&applied.receipts, Kind::JobAssigned), 4);
}

#[test]
fn a_paused_shard_assigns_nothing_and_the_others_go_on() {
    let mut world = World::new("earth.1 luna.1");
    world.submit_all(vec![job("earth"); 4]);
    let (waiting, _) = world.submit(JobSpec { deadline_ms: 0, ..job("earth") });
    assert_eq!(world.runs_on(&waiting), "luna.1");
    world.command(OwnerCommand::Pause { scope: Scope::Shard { shard: name("luna") } });
    assert_eq!(refusal(&world.submit(job("luna")).1), "paused");
    let (next, _) = world.submit(job("earth"));
    assert!(world.is_queued(&next), "Luna takes no job while it is paused");
    assert_eq!(world.shard_of(&next), "earth");
    let resumed = world.command(OwnerCommand::Resume { scope: Scope::Shard { shard: name("luna") } });
    assert_eq!(first(&resumed.receipts, Kind::JobAssigned).subject, next.to_string());
}

#[test]
fn every_owner_command_counts_up_the_policy_version_and_has_a_receipt() {
    let mut world = World::new("");
    let commands = [
        OwnerCommand::Pause { scope: Scope::Mesh },
        OwnerCommand::Resume { scope: Scope::Mesh },
        OwnerCommand::SetShard { shard: crate::world::shard("venus", 5, "earth") },
        OwnerCommand::SetShardBudget { shard: name("venus"), queue_budget: 6, latency_budget_ms: 7 },
        OwnerCommand::SetShardWeight { shard: name("venus"), weight_ppm: 500_000 },
        OwnerCommand::SetSpillover { shard: name("venus"), to: vec![name("mars")] },
        OwnerCommand::SetThermostat { limit_ppm: 500_000 },
        OwnerCommand::SetPolicy { name: name("near"), document: br#"{"constraints":[]}"#.to_vec() },
        OwnerCommand::RemovePolicy { name: name("near") },
        OwnerCommand::SetVerification { verification: Verification::Sample { fraction_ppm: 5 } },
        OwnerCommand::ApproveWorker { worker: name("earth.5"), key: key("host-2") },
        OwnerCommand::RevokeWorker { worker: name("earth.5") },
        OwnerCommand::AdmitPeer { network_key: key("peer"), label: name("peer") },
        OwnerCommand::BanPeer {
            network_key: key("peer"),
            reason: "loud".to_owned(),
            until: phalanx_types::TimeMs::MAX,
        },
        OwnerCommand::Payload { bytes: vec![1, 2] },
    ];
    for (version, command) in (1_u64..).zip(commands) {
        let applied = world.command(command);
        let receipt = first(&applied.receipts, Kind::OwnerCommand);
        assert_eq!(shown(receipt, "policy_version"), version.to_string());
        assert_eq!((applied.policy_version, world.fabric.policy_version()), (version, version));
    }
    assert_eq!(world.fabric.verification(), Verification::Sample { fraction_ppm: 5 });
    assert_eq!(world.fabric.shards().count(), 4);
    let (_, venus, _) = world.fabric.shards().find(|(shard, ..)| shard.as_str() == "venus").unwrap();
    assert_eq!((venus.spec.queue_budget, venus.spec.latency_budget_ms, venus.weight_ppm), (6, 7, 500_000));
    assert_eq!(venus.spec.spillover, [name("mars")]);
    assert_eq!((world.fabric.thermostat_ppm(), world.fabric.policies().count()), (500_000, 0));
}

#[test]
fn a_banned_peer_is_out_until_the_ban_is_over_and_a_quarantined_one_for_good() {
    let mut world = World::new("");
    let until = phalanx_types::TimeMs(world.time + 10_000);
    world.command(OwnerCommand::AdmitPeer { network_key: key("peer"), label: name("guest") });
    assert_eq!(world.fabric.admitted(phalanx_types::TimeMs(world.time))[&key("peer")], name("guest"));
    world.command(OwnerCommand::BanPeer { network_key: key("peer"), reason: String::new(), until });
    assert!(!world.fabric.admitted(phalanx_types::TimeMs(world.time)).contains_key(&key("peer")));
    assert!(world.fabric.admitted(until).contains_key(&key("peer")));
}
