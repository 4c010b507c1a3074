//! What is refused, with which reason. A refusal leaves the state as an idle
//! beat does, but for the sender's window.

use crate::world::{
    STEP_MS, World, agent, entries, job, key, kinds, name, names, offer, refusal, report, shard,
};
use phalanx_fabric::{Input, Refusal};
use phalanx_types::{
    AgentId, GpuRequest, Hash, Height, JobId, JobSpec, MicroUnits, Operation, Outcome, OwnerCommand,
    PublicKey, ReceiptKind, Resources, Round, TimeMs, Weight, Work, WorkerOffer,
    agent::Position,
    evidence::{Accusation, Fault},
    genesis::ChainBinding,
    job::CommandLimits,
    owner::{OptimisationWeights, Scope},
    params::{Mode, Verification},
    shard::LatencyEntry,
    state::Column,
    tenant::{Quota, Tenant},
};
use std::collections::BTreeSet;

const SETTINGS: Column = Column(0);
const WINDOWS: Column = Column(3);

/// The code with which an operation is refused, after holding that nothing else
/// came of it.
fn refused(world: &World, sender: PublicKey, operation: Operation) -> String {
    let mut idle = world.clone();
    idle.idle();
    let mut with = world.clone();
    let applied = with.one(sender, operation);
    assert_eq!(applied.receipts.len(), 1, "{:#?}", applied.receipts);
    assert_eq!(applied.receipts[0].actor, sender.to_string());
    let (mut expected, mut found) = (entries(&idle.fabric), entries(&with.fabric));
    expected.retain(|(column, _), _| *column != WINDOWS);
    found.retain(|(column, _), _| *column != WINDOWS);
    assert_eq!(expected, found);
    assert_eq!(with.fabric.next_sequence(&sender), world.fabric.next_sequence(&sender) + 1);
    refusal(&applied)
}

fn refused_job(world: &World, change: impl FnOnce(&mut JobSpec)) -> String {
    let mut spec = job("earth");
    change(&mut spec);
    refused(world, key("tenant"), Operation::SubmitJob(Box::new(spec)))
}

fn refused_offer(world: &World, change: impl FnOnce(&mut WorkerOffer)) -> String {
    let mut offer = offer("earth.1");
    change(&mut offer);
    refused(world, key("host-1"), Operation::OfferWorker(Box::new(offer)))
}

fn refused_command(world: &World, command: OwnerCommand) -> String {
    refused(world, key("owner"), Operation::Command(Box::new(command)))
}

/// The code with which an envelope is refused as a whole: then not even the
/// window moves.
fn refused_envelope(world: &World, change: impl FnOnce(&mut phalanx_types::Envelope)) -> String {
    let mut world = world.clone();
    let mut signed = world.envelope(key("tenant"), vec![Operation::SubmitJob(Box::new(job("earth")))]);
    change(&mut signed.envelope);
    let mut idle = world.clone();
    idle.idle();
    let applied = world.beat_of(STEP_MS, &[signed], &[]);
    assert_eq!(entries(&idle.fabric), entries(&world.fabric));
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::Refused]);
    refusal(&applied)
}

#[test]
fn an_envelope_of_another_mesh_or_a_stranger_is_refused() {
    let world = World::new("earth.1");
    assert_eq!(refused_envelope(&world, |e| e.mesh = Hash([8; 32])), "other_mesh");
    assert_eq!(refused_envelope(&world, |e| e.sender = key("stranger")), "unknown_sender");
}

#[test]
fn an_envelope_counts_until_its_expiry_and_is_valid_for_at_most_ten_minutes() {
    let world = World::new("earth.1");
    let beat = world.time + STEP_MS;
    assert_eq!(refused_envelope(&world, |e| e.expiry = TimeMs(beat - 1)), "expired");
    assert_eq!(refused_envelope(&world, |e| e.expiry = TimeMs(beat + 600_001)), "too_far_ahead");
    for expiry in [beat, beat + 600_000] {
        let mut world = world.clone();
        let mut signed = world.envelope(key("tenant"), vec![Operation::SubmitJob(Box::new(job("earth")))]);
        signed.envelope.expiry = TimeMs(expiry);
        let applied = world.beat_of(STEP_MS, &[signed], &[]);
        assert_eq!(applied.receipts[0].kind, ReceiptKind::JobAccepted);
    }
}

#[test]
fn a_number_counts_once_and_only_inside_the_window() {
    let mut world = World::new("earth.1");
    let mut signed = world.envelope(key("tenant"), vec![Operation::SubmitJob(Box::new(job("earth")))]);
    signed.envelope.sequence = 2_000;
    // The same twice in one beat counts once.
    let applied = world.beat_of(50, &[signed.clone(), signed], &[]);
    assert_eq!(
        kinds(&applied.receipts),
        [ReceiptKind::Refused, ReceiptKind::JobAccepted, ReceiptKind::JobAssigned]
    );
    assert_eq!(refusal(&applied), "replayed");
    assert_eq!(refused_envelope(&world, |e| e.sequence = 2_000), "replayed");
    assert_eq!(refused_envelope(&world, |e| e.sequence = 2_000 - 1_024), "replayed");
    // Inside the window, out of order, a number is as good as any.
    let mut old = world.envelope(key("tenant"), vec![Operation::SubmitJob(Box::new(job("earth")))]);
    old.envelope.sequence = 2_000 - 1_023;
    assert_eq!(world.beat_of(50, &[old], &[]).receipts[0].kind, ReceiptKind::JobAccepted);
    assert_eq!(refused_envelope(&world, |e| e.sequence = 2_000 - 1_023), "replayed");
}

#[test]
fn a_refused_operation_does_not_take_its_neighbours_with_it() {
    let mut world = World::new("earth.1");
    let bad = JobSpec { retries: 17, ..job("earth") };
    let (_, applied) = world.submit_all(vec![job("earth"), bad, job("earth")]);
    assert_eq!(refusal(&applied), "bad_value");
    assert_eq!(crate::world::count(&applied.receipts, ReceiptKind::JobAssigned), 2);
}

#[test]
fn who_may_not_is_refused() {
    let mut world = World::new("earth.1 earth.9");
    let (id, _) = world.submit(job("earth"));
    let (resident, _) = world.spawn(agent("earth"));
    let accusation = |offender: &str| Accusation {
        offender: key(offender),
        fault: Fault::Flood,
        height: Height(1),
        round: Round(0),
        seen: Hash::ZERO,
    };
    let latency = LatencyEntry { from: name("earth"), to: name("mars"), latency_ms: 1 };
    let spec = Box::new(job("earth"));
    let cases = [
        ("host-1", Operation::SubmitJob(spec)),
        ("host-1", Operation::CancelJob { job: id }),
        ("host-1", Operation::SpawnAgent(Box::new(agent("earth")))),
        ("host-1", Operation::MigrateAgent { agent: resident, worker: name("earth.9") }),
        ("host-1", Operation::TerminateAgent { agent: resident }),
        ("host-2", Operation::OfferWorker(Box::new(offer("earth.1")))),
        ("host-1", Operation::OfferWorker(Box::new(offer("earth.unapproved")))),
        ("host-2", Operation::WithdrawWorker { worker: name("earth.1") }),
        ("host-2", Operation::WithdrawWorker { worker: name("earth.2") }),
        ("host-2", Operation::Heartbeat { workers: names("earth.1") }),
        ("host-2", report("earth.1", id, 1, Outcome::Exited { code: 0 })),
        ("tenant", Operation::MeasureLatency(latency)),
        ("tenant", Operation::Accuse(accusation("v1"))),
        ("v1", Operation::Accuse(accusation("v1"))),
        ("v1", Operation::Command(Box::new(OwnerCommand::Pause { scope: Scope::Mesh }))),
    ];
    for (sender, operation) in cases {
        assert_eq!(refused(&world, key(sender), operation.clone()), "not_allowed", "{sender} {operation:?}");
    }
}

#[test]
fn a_job_with_a_value_out_of_range_is_refused() {
    let world = World::new("earth.1");
    let command = |args: Vec<String>, limits| Work::Command { program: name("true"), args, limits };
    let limits = CommandLimits::default();
    let cases: [fn(&mut JobSpec); 6] = [
        |s| s.label = "x".repeat(129),
        |s| s.skills = (0..17).map(|n| name(&format!("s{n}"))).collect(),
        |s| s.retries = 17,
        |s| (s.once, s.retries) = (true, 1),
        |s| s.resources.gpu = GpuRequest::Shared { milli: 1_000 },
        |s| s.resources.gpu = GpuRequest::Whole { count: 65 },
    ];
    for (at, change) in cases.into_iter().enumerate() {
        assert_eq!(refused_job(&world, change), "bad_value", "case {at}");
    }
    let works = [
        command(vec![String::new(); 65], limits),
        command(vec!["x".repeat(4_097)], limits),
        command(vec!["a\0b".to_owned()], limits),
        command(vec![], CommandLimits { time_ms: 0, ..limits }),
        command(vec![], CommandLimits { cpu_ms: 0, ..limits }),
        command(vec![], CommandLimits { memory_mib: 0, ..limits }),
    ];
    for work in works {
        assert_eq!(refused_job(&world, |s| s.work = work.clone()), "bad_value", "{work:?}");
    }
}

#[test]
fn an_offer_with_a_value_out_of_range_is_refused() {
    let world = World::new("");
    let cases: [fn(&mut WorkerOffer); 9] = [
        |o| o.capacity = 0,
        |o| o.capacity = 1_000_001,
        |o| o.max_concurrency = 0,
        |o| o.heartbeat_interval_ms = 99,
        |o| o.heartbeat_interval_ms = 600_001,
        |o| o.latency_window_ms = 3_600_001,
        |o| o.capabilities = (0..33).map(|n| name(&format!("c{n}"))).collect(),
        |o| o.resources.gpus = 65,
        |o| o.resources.gpus = u16::MAX,
    ];
    for (at, change) in cases.into_iter().enumerate() {
        assert_eq!(refused_offer(&world, change), "bad_value", "case {at}");
    }
    assert_eq!(refused_offer(&world, |o| o.region = name("venus")), "unknown");
}

#[test]
fn other_values_out_of_range_are_refused() {
    let mut world = World::new("earth.1");
    let (id, _) = world.submit(job("earth"));
    let host = key("host-1");
    for workers in [vec![], names("earth.1 earth.1"), names("earth.2 earth.1"), vec![name("earth.1"); 4_097]]
    {
        assert_eq!(refused(&world, host, Operation::Heartbeat { workers }), "bad_value");
    }
    let reason = Outcome::NotStarted { reason: "x".repeat(129) };
    assert_eq!(refused(&world, host, report("earth.1", id, 1, reason)), "bad_value");
    let slow = LatencyEntry { from: name("earth"), to: name("mars"), latency_ms: 3_600_001 };
    assert_eq!(refused(&world, key("v1"), Operation::MeasureLatency(slow)), "bad_value");
    let accusation = |height| {
        Operation::Accuse(Accusation {
            offender: key("v2"),
            fault: Fault::Flood,
            height: Height(height),
            round: Round(0),
            seen: Hash::ZERO,
        })
    };
    let too_new = world.height().0 + 4;
    assert_eq!(refused(&world, key("v1"), accusation(too_new)), "bad_value");
    for change in [
        |s: &mut phalanx_types::AgentSpec| s.label = "x".repeat(129),
        |s: &mut phalanx_types::AgentSpec| s.position = Some(Position(vec![1 << 40, 0])),
        |s: &mut phalanx_types::AgentSpec| s.position = Some(Position(vec![0])),
        |s: &mut phalanx_types::AgentSpec| s.resources.gpu = GpuRequest::Shared { milli: 0 },
    ] {
        let mut spec = agent("earth");
        change(&mut spec);
        assert_eq!(refused(&world, key("tenant"), Operation::SpawnAgent(Box::new(spec))), "bad_value");
    }
}

#[test]
fn an_owner_command_with_a_value_out_of_range_is_refused() {
    let world = World::new("");
    let weights =
        OptimisationWeights { performance_ppm: 1, cost_ppm: 0, reliability_ppm: 0, sustainability_ppm: 0 };
    let mut heavy = crate::world::validator("v5", "earth", 1);
    heavy.base_weight = Weight((1 << 24) + 1);
    let mut weightless = heavy.clone();
    weightless.base_weight = Weight::ZERO;
    let crowd = Tenant {
        name: name("t"),
        keys: (0..65).map(|n| key(&format!("k{n}"))).collect(),
        quota: Quota::UNLIMITED,
    };
    let commands = [
        OwnerCommand::SetOptimisation { weights },
        OwnerCommand::SetVerification { verification: Verification::Sample { fraction_ppm: 1_000_001 } },
        OwnerCommand::SetTenant { tenant: crowd },
        OwnerCommand::SetValidator { validator: heavy },
        OwnerCommand::SetValidator { validator: weightless },
        OwnerCommand::SetMode { mode: Mode::Centralized { succession: vec![] } },
        OwnerCommand::SetMode { mode: Mode::Centralized { succession: vec![key("v1"); 2] } },
        federation(&[]),
        federation(&[("earth", "v1"), ("luna", "v2"), ("mars", "v3")]),
        federation(&[("earth", "v1"), ("luna", "v2"), ("mars", "v3"), ("helios", "v1")]),
        federation(&[("earth", "v2"), ("luna", "v1"), ("mars", "v3"), ("helios", "v4")]),
        OwnerCommand::BanPeer { network_key: key("p"), reason: "x".repeat(257), until: TimeMs::MAX },
        OwnerCommand::Payload { bytes: vec![0; 4_097] },
    ];
    for command in commands {
        assert_eq!(refused_command(&world, command.clone()), "bad_value", "{command:?}");
    }
}

fn federation(coordinators: &[(&str, &str)]) -> OwnerCommand {
    let coordinators = coordinators.iter().map(|(region, who)| (name(region), vec![key(who)])).collect();
    OwnerCommand::SetMode { mode: Mode::Federated { coordinators } }
}

#[test]
fn what_is_not_there_is_refused_as_unknown() {
    let world = World::new("earth.1");
    let no_job = JobId([1; 32]);
    let no_agent = AgentId([1; 32]);
    assert_eq!(refused_job(&world, |s| s.tenant = name("nobody")), "unknown");
    assert_eq!(refused_job(&world, |s| s.region = name("venus")), "unknown");
    let cases = [
        ("tenant", Operation::CancelJob { job: no_job }),
        ("tenant", Operation::MigrateAgent { agent: no_agent, worker: name("earth.1") }),
        ("tenant", Operation::TerminateAgent { agent: no_agent }),
        ("host-1", report("earth.1", no_job, 1, Outcome::Lost)),
        (
            "v1",
            Operation::MeasureLatency(LatencyEntry { from: name("earth"), to: name("venus"), latency_ms: 1 }),
        ),
        (
            "v1",
            Operation::Accuse(Accusation {
                offender: key("nobody"),
                fault: Fault::Flood,
                height: Height(1),
                round: Round(0),
                seen: Hash::ZERO,
            }),
        ),
    ];
    for (sender, operation) in cases {
        assert_eq!(refused(&world, key(sender), operation.clone()), "unknown", "{operation:?}");
    }
    let venus = || Scope::Shard { shard: name("venus") };
    let stranger = crate::world::validator("v5", "venus", 1);
    let commands = [
        OwnerCommand::Pause { scope: venus() },
        OwnerCommand::Resume { scope: venus() },
        OwnerCommand::SetShard { shard: shard("pluto", 1, "venus") },
        OwnerCommand::SetShard { shard: shard("earth", 1, "earth") },
        OwnerCommand::SetValidator { validator: stranger },
        OwnerCommand::RemoveValidator { vote_key: key("nobody") },
        OwnerCommand::RevokeWorker { worker: name("earth.unapproved") },
        OwnerCommand::SetMode { mode: Mode::Centralized { succession: vec![key("nobody")] } },
    ];
    for command in commands {
        assert_eq!(refused_command(&world, command.clone()), "unknown", "{command:?}");
    }
}

#[test]
fn what_would_exceed_a_quota_is_refused() {
    let none = Quota::UNLIMITED;
    let gpus = |count| Resources { gpu: GpuRequest::Whole { count }, ..job("earth").resources };
    let quotas = [
        Quota { jobs_max: 1, ..none },
        Quota { cpu_milli_max: 1_999, ..none },
        Quota { memory_mib_max: 127, ..none },
        Quota { gpu_milli_max: 1_999, ..none },
    ];
    for quota in quotas {
        let mut world = World::bare(|genesis| genesis.tenants[0].quota = quota);
        let mut big = offer("earth.1");
        big.resources.gpus = 4;
        world.offer(big);
        let spec = JobSpec { resources: gpus(1), ..job("earth") };
        let (id, _) = world.submit(spec.clone());
        assert_eq!(refused_job(&world, |s| *s = spec.clone()), "over_quota", "{quota:?}");
        // What has ended counts no more.
        world.end(id, Outcome::Exited { code: 0 });
        let (again, _) = world.submit(spec);
        assert_eq!(world.runs_on(&again), "earth.1");
    }
    for quota in [Quota { agents_max: 1, ..none }, Quota { cpu_milli_max: 1_999, ..none }] {
        let mut world = World::bare(|genesis| genesis.tenants[0].quota = quota);
        world.offer_all("earth.1");
        let (resident, _) = world.spawn(agent("earth"));
        let spawn = || Operation::SpawnAgent(Box::new(agent("earth")));
        assert_eq!(refused(&world, key("tenant"), spawn()), "over_quota");
        world.one(key("tenant"), Operation::TerminateAgent { agent: resident });
        assert_eq!(kinds(&world.one(key("tenant"), spawn()).receipts), [ReceiptKind::AgentSpawned]);
    }
}

#[test]
fn what_no_reachable_worker_could_ever_do_is_refused() {
    let mut world = World::new("earth.1");
    let cases: [fn(&mut JobSpec); 6] = [
        |s| s.skills = names("welding").into_iter().collect(),
        |s| s.budget = MicroUnits(9),
        |s| s.resources.cpu_milli = 4_001,
        |s| s.resources.memory_mib = 4_097,
        |s| s.resources.gpu = GpuRequest::Shared { milli: 1 },
        |s| s.resources.gpu = GpuRequest::Whole { count: 1 },
    ];
    for (at, change) in cases.into_iter().enumerate() {
        assert_eq!(refused_job(&world, change), "impossible", "case {at}");
    }
    let huge = {
        let mut spec = agent("earth");
        spec.resources.cpu_milli = 4_001;
        spec
    };
    assert_eq!(refused(&world, key("tenant"), Operation::SpawnAgent(Box::new(huge))), "impossible");
    // A worker that is closed takes nothing, ever; a busy one does later.
    world.fill("earth");
    assert_eq!(kinds(&world.clone().submit(job("earth")).1.receipts), [ReceiptKind::JobAccepted]);
    world.one(key("host-1"), Operation::WithdrawWorker { worker: name("earth.1") });
    assert_eq!(refused_job(&world, |_| ()), "impossible");
    assert_eq!(refused_job(&World::new(""), |_| ()), "impossible");
}

#[test]
fn a_paused_mesh_or_shard_takes_nothing_in() {
    let mut world = World::new("earth.1");
    world.command(OwnerCommand::Pause { scope: Scope::Shard { shard: name("earth") } });
    assert_eq!(refused_job(&world, |_| ()), "paused");
    world.command(OwnerCommand::Pause { scope: Scope::Mesh });
    assert_eq!(refused_job(&world, |s| s.region = name("luna")), "paused");
    assert_eq!(refused(&world, key("tenant"), Operation::SpawnAgent(Box::new(agent("luna")))), "paused");
}

#[test]
fn a_job_is_refused_when_its_queue_and_those_it_spills_to_are_full() {
    let mut world = World::bare(|genesis| {
        genesis.shards = vec![shard("earth", 1, "luna"), shard("luna", 1, ""), shard("mars", 1, "")];
    });
    world.offer_all("earth.1 luna.1");
    for region in ["earth", "luna"] {
        world.fill(region);
    }
    world.submit_all(vec![job("earth"); 2]);
    assert_eq!((world.waiting_in("earth"), world.waiting_in("luna")), (1, 1));
    assert_eq!(refused_job(&world, |_| ()), "queue_full");
}

#[test]
fn a_report_counts_for_the_current_attempt_of_a_job_that_has_not_ended() {
    let mut world = World::new("earth.1 earth.2");
    let (id, _) = world.submit(JobSpec { retries: 1, ..job("earth") });
    let host = key("host-1");
    let done = || Outcome::Exited { code: 0 };
    assert_eq!(world.runs_on(&id), "earth.1");
    assert_eq!(refused(&world, host, report("earth.1", id, 2, done())), "stale_attempt");
    assert_eq!(refused(&world, host, report("earth.1", id, 0, done())), "stale_attempt");
    assert_eq!(refused(&world, host, report("earth.2", id, 1, done())), "stale_attempt");
    world.end(id, Outcome::Exited { code: 1 });
    assert_eq!(world.fabric.job(&id).unwrap().attempt, 2);
    assert_eq!(refused(&world, host, report("earth.1", id, 1, done())), "stale_attempt");
    world.end(id, done());
    assert_eq!(refused(&world, host, report("earth.1", id, 2, done())), "job_ended");
    assert_eq!(refused(&world, key("tenant"), Operation::CancelJob { job: id }), "job_ended");
}

#[test]
fn a_waiting_job_has_no_attempt_to_report_on() {
    let mut world = World::new("earth.1");
    let (ids, _) = world.submit_all(vec![job("earth"); 5]);
    assert!(world.is_queued(&ids[4]));
    assert_eq!(refused(&world, key("host-1"), report("earth.1", ids[4], 0, Outcome::Lost)), "stale_attempt");
}

#[test]
fn an_agent_moves_only_where_it_can_live() {
    let mut world = World::new("earth.1 luna.1");
    let (resident, _) = world.spawn(agent("earth"));
    let to = |worker: &str| Operation::MigrateAgent { agent: resident, worker: name(worker) };
    assert_eq!(refused(&world, key("tenant"), to("earth.1")), "no_room");
    assert_eq!(refused(&world, key("tenant"), to("mars.1")), "unknown");
    world.submit_all(vec![job("luna"); 4]);
    assert_eq!(refused(&world, key("tenant"), to("luna.1")), "no_room");
}

#[test]
fn a_command_that_would_leave_too_few_to_decide_is_refused() {
    let mut world = World::new("");
    // Everybody but one misses a turn: three of four are not there.
    world.round = 3;
    world.idle();
    let succession = OwnerCommand::RemoveValidator { vote_key: key("v1") };
    assert_eq!(refused_command(&world, succession), "no_quorum");
    let mode = OwnerCommand::SetMode { mode: Mode::Centralized { succession: vec![key("v1")] } };
    assert_eq!(refused_command(&world, mode), "no_quorum");
}

#[test]
fn who_was_late_with_its_turn_but_has_voted_is_there() {
    let mode = || Operation::Command(Box::new(OwnerCommand::SetMode { mode: Mode::FullyDistributed }));
    let after = |signers: &[&str]| {
        let mut world = World::new("");
        world.round = 3;
        world.signers = signers.iter().map(|v| key(v)).collect();
        kinds(&world.one(key("owner"), mode()).receipts)
    };
    assert_eq!(after(&[]), [ReceiptKind::OwnerCommandRefused]);
    assert!(!after(&["v1", "v2", "v3"]).contains(&ReceiptKind::OwnerCommandRefused));
}

#[test]
fn the_last_validator_is_never_removed() {
    let mut world = World::bare(|genesis| genesis.validators.truncate(1));
    world.idle();
    assert_eq!(refused_command(&world, OwnerCommand::RemoveValidator { vote_key: key("v1") }), "no_quorum");
}

#[test]
fn a_mesh_with_a_chain_takes_no_signed_owner_commands() {
    let world = World::bare(|genesis| {
        genesis.chain = Some(ChainBinding { chain_id: 1, contract: [1; 20], code_hash: Hash([2; 32]) });
    });
    assert_eq!(refused_command(&world, OwnerCommand::Pause { scope: Scope::Mesh }), "chain_owned");
}

#[test]
fn a_node_admits_an_envelope_when_one_of_its_operations_would_be_taken() {
    let mut world = World::new("earth.1");
    let bad = || Operation::SubmitJob(Box::new(JobSpec { retries: 17, ..job("earth") }));
    let good = || Operation::SubmitJob(Box::new(job("earth")));
    let now = TimeMs(world.time);
    let mixed = world.envelope(key("tenant"), vec![bad(), good()]);
    assert_eq!(world.fabric.admit(now, &mixed.envelope.id(), &mixed), Ok(()));
    let hopeless = world.envelope(key("tenant"), vec![bad(), bad()]);
    let refusal = world.fabric.admit(now, &hopeless.envelope.id(), &hopeless).unwrap_err();
    assert!(matches!(refusal, Refusal::BadValue { what: "retries", .. }), "{refusal:?}");
    assert!(refusal.is_permanent());
    let mut late = world.envelope(key("tenant"), vec![good()]);
    late.envelope.expiry = TimeMs(world.time - 1);
    let input = Input { id: late.envelope.id(), signed: &late };
    assert!(matches!(world.fabric.beat_worthy(now, &input), Err(Refusal::Expired { .. })));
    assert!(matches!(world.fabric.admit(now, &input.id, &late), Err(Refusal::Expired { .. })));
}

#[test]
fn a_refusal_says_what_to_do() {
    let world = World::bare(|genesis| genesis.tenants[0].quota.jobs_max = 0);
    let mut world = world;
    world.offer_all("earth.1");
    let (_, applied) = world.submit(job("earth"));
    let reason = crate::world::shown(&applied.receipts[0], "reason");
    assert_eq!(
        reason,
        "the tenant t would hold 1 jobs; its quota is 0: wait for work to end or ask the owner for more"
    );
}

#[test]
fn the_helpers_of_these_tests_see_a_change_of_state() {
    // A job that is taken in changes more than the window: `refused` would fail.
    let world = World::new("earth.1");
    let (mut idle, mut with) = (world.clone(), world);
    idle.idle();
    with.submit(job("earth"));
    let (a, b) = (entries(&idle.fabric), entries(&with.fabric));
    let differs = |place: &(Column, Vec<u8>)| a.get(place) != b.get(place);
    let differing: BTreeSet<Column> =
        a.keys().chain(b.keys()).filter(|place| differs(place)).map(|(column, _)| *column).collect();
    assert_eq!(differing.len(), 5, "settings, tenant, window, worker, job: {differing:?}");
    assert!(differing.contains(&SETTINGS) && differing.contains(&WINDOWS));
}
