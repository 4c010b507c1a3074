//! Random beats: what holds whatever happens (F1, F2, F3, F5), quotas, the
//! index, and that boards say what the definition says.

use crate::{
    Fabric, Phase,
    state::Index,
    world::{World, agent, host_of, job, key, name, names, offer, report, shard},
};
use phalanx_circuits::native::{AgentState, Openings};
use phalanx_geometry::{Curvature, Reach, is_beyond};
use phalanx_types::{
    AgentId, AgentSpec, Evidence, GpuRequest, JobId, JobSpec, MicroUnits, Name, Operation, Outcome,
    OwnerCommand, PublicKey, ReceiptKind, WorkerOffer,
    agent::Wish,
    job::WorkloadType,
    owner::Scope,
    params::{CURVATURE_PPM, DIMENSIONS},
    policy::{Anchor, Binds, Constraint, Policy, Rule},
    receipt::Field,
    shard::LatencyEntry,
    tenant::{Quota, Tenant},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const REGIONS: [&str; 3] = ["earth", "luna", "mars"];

/// Something that may happen. Numbers choose among what there is then.
#[derive(Clone, Debug)]
enum Event {
    Submit(Box<JobSpec>),
    Cancel(usize),
    Report(usize, Outcome),
    Stale(usize, u32),
    Spawn(Box<AgentSpec>),
    Migrate(usize, usize),
    Terminate(usize),
    Offer(Box<WorkerOffer>),
    Withdraw(usize),
    Heartbeat(Vec<bool>),
    Measure(usize, u32),
    Command(Box<OwnerCommand>),
}

fn worker(at: usize) -> Name {
    let all = names(crate::world::WORKERS);
    all[at % all.len()].clone()
}

/// Two that are there from the beginning, and one that the owner may let in.
fn tenant() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("t"), 3 => Just("u"), 1 => Just("late")]
}

/// Whose key signs for a tenant.
fn signer(tenant: &Name) -> PublicKey {
    key(if tenant.as_str() == "t" { "tenant" } else { tenant.as_str() })
}

fn region() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&REGIONS[..])
}

fn gpu() -> impl Strategy<Value = GpuRequest> {
    prop_oneof![
        6 => Just(GpuRequest::None),
        2 => (1_u16..1_000).prop_map(|milli| GpuRequest::Shared { milli }),
        1 => (1_u16..4).prop_map(|count| GpuRequest::Whole { count }),
    ]
}

prop_compose! {
    fn spec()(
        region in region(), gpu in gpu(), cpu in 0_u32..2_500, memory in 0_u32..2_000, priority in any::<u8>(),
        retries in 0_u8..3, once in prop::bool::weighted(0.2), deadline in prop_oneof![Just(0), 1_u32..20_000],
        skilled in prop::bool::weighted(0.3), interactive in prop::bool::weighted(0.2), budget in 5_u64..30,
    ) -> JobSpec {
        let mut spec = job(region);
        spec.resources = phalanx_types::Resources { cpu_milli: cpu, memory_mib: memory, gpu };
        spec.priority = priority;
        spec.retries = if once { 0 } else { retries };
        spec.once = once;
        spec.deadline_ms = deadline;
        spec.budget = MicroUnits(budget);
        if skilled {
            spec.skills = names("gpu").into_iter().collect();
        }
        if interactive {
            spec.workload = WorkloadType::Interactive;
        }
        spec
    }
}

prop_compose! {
    fn agent_spec()(
        region in region(), gpu in gpu(), cpu in 0_u32..2_500, is_ordered in any::<bool>(),
        who in tenant(),
        wish in prop::option::weighted(0.3, (region(), 1_u16..1_000)),
    ) -> AgentSpec {
        let mut spec = agent(region);
        spec.tenant = name(who);
        spec.resources.cpu_milli = cpu;
        spec.resources.gpu = gpu;
        if !is_ordered {
            spec.position = None;
        }
        if let Some((near, weight)) = wish {
            spec.wishes.push(Wish::Near { region: name(near), weight });
        }
        spec
    }
}

fn policy() -> impl Strategy<Value = OwnerCommand> {
    let of = prop_oneof![Just(Anchor::Core), region().prop_map(|region| Anchor::Region(name(region)))];
    let rule = prop_oneof![
        (of.clone(), 1_u32..3_000_000).prop_map(|(of, delta_micro)| Rule::Within { of, delta_micro }),
        (of, 1_u32..1_000_000).prop_map(|(of, delta_micro)| Rule::Beyond { of, delta_micro }),
        prop::collection::btree_set(region().prop_map(name), 1..3)
            .prop_map(|regions| Rule::Inside { regions }),
        (1_u32..500_000).prop_map(|delta_micro| Rule::Apart { delta_micro }),
    ];
    (0_usize..3, rule, prop::bool::weighted(0.3)).prop_map(|(at, rule, is_over)| {
        let policy = name(["near", "far", "default"][at]);
        if is_over {
            return OwnerCommand::RemovePolicy { name: policy };
        }
        let constraints = vec![Constraint { name: name("only"), rule }];
        let document = Policy { binds: Binds::All, idle_max_ms: None, prove: false, constraints };
        OwnerCommand::SetPolicy { name: policy, document: serde_json::to_vec(&document).unwrap() }
    })
}

prop_compose! {
    fn an_offer()(
        at in 0_usize..9, region in region(), at_home in prop::bool::weighted(0.8), slots in 1_u32..6,
        capacity in 1_u32..12, window in 0_u32..110, gpus in 0_u16..4, cpu in 1_000_u32..6_000,
        price in 5_u64..30, skilled in any::<bool>(), interval in 4_000_u32..7_000,
    ) -> WorkerOffer {
        let mut offer = offer(worker(at).as_str());
        if !at_home {
            offer.region = name(region);
        }
        offer.max_concurrency = slots;
        offer.capacity = capacity;
        offer.latency_window_ms = window;
        offer.resources.gpus = gpus;
        offer.resources.cpu_milli = cpu;
        offer.price = MicroUnits(price);
        offer.heartbeat_interval_ms = interval;
        if skilled {
            offer.capabilities = names("general gpu").into_iter().collect();
        }
        offer
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Exited { code: 0 }),
        2 => Just(Outcome::Exited { code: 3 }),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Killed),
        1 => Just(Outcome::NotStarted { reason: String::new() }),
    ]
}

fn command() -> impl Strategy<Value = OwnerCommand> {
    let scope =
        prop_oneof![Just(Scope::Mesh), region().prop_map(|region| Scope::Shard { shard: name(region) }),];
    let quota = (0_u32..30, 0_u64..30_000).prop_map(|(jobs_max, cpu_milli_max)| Quota {
        jobs_max,
        cpu_milli_max,
        ..Quota::UNLIMITED
    });
    prop_oneof![
        policy(),
        scope.clone().prop_map(|scope| OwnerCommand::Pause { scope }),
        scope.prop_map(|scope| OwnerCommand::Resume { scope }),
        (region(), 0_u32..6).prop_map(|(region, budget)| OwnerCommand::SetShard {
            shard: shard(region, budget, if region == "earth" { "luna mars" } else { "earth" }),
        }),
        (tenant(), quota).prop_map(|(who, quota)| OwnerCommand::SetTenant {
            tenant: Tenant { name: name(who), keys: [signer(&name(who))].into(), quota },
        }),
        (0_usize..9).prop_map(|at| OwnerCommand::RevokeWorker { worker: worker(at) }),
        (0_usize..9).prop_map(|at| OwnerCommand::ApproveWorker {
            worker: worker(at),
            key: host_of(worker(at).as_str()),
        }),
        (1_usize..6).prop_map(|n| OwnerCommand::SetValidator {
            validator: crate::world::validator(&format!("v{n}"), "earth", n as u64),
        }),
        (1_usize..6).prop_map(|n| OwnerCommand::RemoveValidator { vote_key: key(&format!("v{n}")) }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => spec().prop_map(|spec| Event::Submit(Box::new(spec))),
        1 => any::<usize>().prop_map(Event::Cancel),
        5 => (any::<usize>(), outcome()).prop_map(|(at, outcome)| Event::Report(at, outcome)),
        1 => (any::<usize>(), 0_u32..4).prop_map(|(at, number)| Event::Stale(at, number)),
        3 => agent_spec().prop_map(|spec| Event::Spawn(Box::new(spec))),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(agent, worker)| Event::Migrate(agent, worker)),
        1 => any::<usize>().prop_map(Event::Terminate),
        3 => an_offer().prop_map(|offer| Event::Offer(Box::new(offer))),
        1 => any::<usize>().prop_map(Event::Withdraw),
        3 => prop::collection::vec(prop::bool::weighted(0.8), 9).prop_map(Event::Heartbeat),
        1 => (1_usize..5, 0_u32..200).prop_map(|(who, ms)| Event::Measure(who, ms)),
        1 => command().prop_map(|command| Event::Command(Box::new(command))),
    ]
}

/// One beat: its events, its distance from the last one, the round before it.
fn beats() -> impl Strategy<Value = Vec<(Vec<Event>, u64, u32)>> {
    let step = prop_oneof![4 => 1_u64..1_900, 2 => 5_000_u64..60_000];
    prop::collection::vec((prop::collection::vec(event(), 0..8), step, 0_u32..2), 1..25)
}

fn pick<T: Copy>(from: &[T], at: usize) -> Option<T> {
    at.checked_rem(from.len()).and_then(|at| from.get(at)).copied()
}

/// Who signs an event, and as what.
fn operation(fabric: &Fabric, event: &Event) -> Option<(PublicKey, Operation)> {
    let jobs: Vec<JobId> = fabric.jobs().map(|(id, _)| *id).collect();
    let agents: Vec<AgentId> = fabric.agents().map(|(id, _)| *id).collect();
    let running: Vec<JobId> = fabric
        .jobs()
        .filter(|(_, job)| matches!(job.phase, Phase::Running { .. }))
        .map(|(id, _)| *id)
        .collect();
    let on = |id: JobId, number: Option<u32>, outcome: &Outcome| {
        let job = fabric.job(&id)?;
        let Phase::Running { worker, .. } = &job.phase else { return None };
        let number = number.unwrap_or(job.attempt);
        Some((host_of(worker.as_str()), report(worker.as_str(), id, number, outcome.clone())))
    };
    let tenant = key("tenant");
    let of = |agent: &AgentId| fabric.agent(agent).map(|agent| signer(&agent.spec.tenant));
    Some(match event {
        Event::Submit(spec) => (tenant, Operation::SubmitJob(spec.clone())),
        Event::Cancel(at) => (tenant, Operation::CancelJob { job: pick(&jobs, *at)? }),
        Event::Report(at, outcome) => on(pick(&running, *at)?, None, outcome)?,
        Event::Stale(at, number) => on(pick(&running, *at)?, Some(*number), &Outcome::Lost)?,
        Event::Spawn(spec) => (signer(&spec.tenant), Operation::SpawnAgent(spec.clone())),
        Event::Migrate(agent, to) => {
            let agent = pick(&agents, *agent)?;
            (of(&agent)?, Operation::MigrateAgent { agent, worker: worker(*to) })
        }
        Event::Terminate(at) => {
            let agent = pick(&agents, *at)?;
            (of(&agent)?, Operation::TerminateAgent { agent })
        }
        Event::Offer(offer) => (host_of(offer.worker.as_str()), Operation::OfferWorker(offer.clone())),
        Event::Withdraw(at) => {
            (host_of(worker(*at).as_str()), Operation::WithdrawWorker { worker: worker(*at) })
        }
        Event::Heartbeat(_) => return None,
        Event::Measure(who, latency_ms) => {
            let (from, to) = (name("earth"), name("mars"));
            let entry = LatencyEntry { from, to, latency_ms: *latency_ms };
            (key(&format!("v{who}")), Operation::MeasureLatency(entry))
        }
        Event::Command(command) => (key("owner"), Operation::Command(command.clone())),
    })
}

/// Applies a beat of these events; [`World::beat_of`] holds F1 and F2.
fn apply(world: &mut World, events: &[Event], step_ms: u64, round: u32, evidence: &[Evidence]) {
    let mut operations: BTreeMap<PublicKey, Vec<Operation>> = BTreeMap::new();
    for event in events {
        if let Event::Heartbeat(alive) = event {
            for (at, alive) in alive.iter().enumerate() {
                let beat = Operation::Heartbeat { workers: vec![worker(at)] };
                if *alive {
                    operations.entry(host_of(worker(at).as_str())).or_default().push(beat);
                }
            }
        } else if let Some((sender, operation)) = operation(&world.fabric, event) {
            operations.entry(sender).or_default().push(operation);
        }
    }
    let signed: Vec<_> =
        operations.into_iter().map(|(sender, operations)| world.envelope(sender, operations)).collect();
    world.round = round;
    let before = world.fabric.clone();
    let applied = world.beat_of(step_ms, &signed, evidence);
    // Places move with a checkpoint, under those who have moved before it in the same beat.
    if applied.checkpoint_due {
        check_patrolled(&before, &applied, &world.fabric);
    } else {
        check_obeyed(&before, &world.fabric);
    }
    check_opened(&before, &applied, &world.fabric);
}

/// O1 to O3: what a beat opens takes the trees from before it to after it, and each action
/// is one that circuits can show.
fn check_opened(before: &Fabric, applied: &crate::Applied, after: &Fabric) {
    let leaf =
        |(slot, state): &(u32, AgentState)| (*slot, state.position.clone(), state.nonce, state.policy_root);
    let all = |openings: &Openings| -> BTreeMap<AgentId, _> {
        openings.agents.iter().filter_map(|(id, opened)| Some((*id, leaf(opened.as_ref()?)))).collect()
    };
    let mut mirror = all(&before.openings());
    for (id, opened) in &applied.openings.agents {
        match opened {
            Some(opened) => drop(mirror.insert(*id, leaf(opened))),
            None => drop(mirror.remove(id)),
        }
    }
    let openings = after.openings();
    let expected = all(&openings);
    assert_eq!(mirror, expected);
    let slots: BTreeSet<u32> = expected.values().map(|(slot, ..)| *slot).collect();
    assert_eq!(slots.len(), expected.len(), "two agents in one slot");

    let earlier = if before.is_checkpoint() { 0 } else { before.actions.len() };
    assert_eq!(openings.actions.len(), earlier + applied.openings.actions.len());
    for action in &applied.openings.actions {
        assert_eq!(action.beat, after.height());
        assert_eq!(action.before.nonce + 1, action.after.nonce);
        let root = action.after.policy_root;
        let (_, policy) = applied.openings.policies.iter().find(|(found, _)| *found == root).unwrap();
        assert_eq!(policy.to_native().unwrap().root(), root);
        assert!(policy.step.holds(&action.before.position, &action.after.position).unwrap());
    }
}

/// Whether what a policy says of an agent changes with where others are.
fn moves_with_others((_, declared): (&Name, &crate::Declared)) -> bool {
    declared.policy.constraints.iter().any(|c| matches!(c.rule, Rule::Apart { .. }))
}

/// C2: who was placed or moved in a beat is where it may be; only who was where it must
/// not be may still be on its way back. Constraints that move with others are left out.
fn check_obeyed(before: &Fabric, after: &Fabric) {
    if after.policies().any(moves_with_others) {
        return;
    }
    let broken = |agent: &crate::Agent, worker: &Name| {
        let region = &after.worker(worker).unwrap().offer.region;
        after.broken(&agent.spec, &agent.position, region)
    };
    for (id, agent) in after.agents() {
        let old = before.agent(id);
        if old.is_some_and(|old| old.position == agent.position && old.worker == agent.worker) {
            continue;
        }
        let was_broken = old
            .is_some_and(|old| after.worker(&old.worker).is_none_or(|_| broken(old, &old.worker).is_some()));
        assert!(was_broken || broken(agent, &agent.worker).is_none(), "{id}: {agent:?}");
    }
}

/// C2: whom the patrol has sent somewhere may be where it is to go.
fn check_patrolled(before: &Fabric, applied: &crate::Applied, after: &Fabric) {
    if after.policies().any(moves_with_others) {
        return;
    }
    let sent = applied.receipts.iter().filter(|r| {
        r.kind == ReceiptKind::AgentMigrated
            && ["policy", "spread"].map(|word| Field::Text(word.to_owned())).contains(&r.data["reason"])
    });
    for receipt in sent {
        let (id, agent) = after.agents().find(|(id, _)| id.to_string() == receipt.subject).unwrap();
        let region = &after.worker(&agent.worker).unwrap().offer.region;
        let goal = agent.course.as_ref().unwrap_or(&agent.position);
        assert!(after.broken(&agent.spec, goal, region).is_none(), "{id}: {agent:?}");
        assert!(before.agent(id).is_none_or(|old| old.worker != agent.worker), "{id} was sent nowhere");
    }
}

/// F3: what workers say is in use is what jobs and agents take, and no more
/// than there is.
fn check_use(fabric: &Fabric) {
    let mut used: BTreeMap<Name, (u32, u32, u32, BTreeMap<u16, u16>)> = BTreeMap::new();
    let takers = fabric
        .jobs()
        .filter_map(|(_, job)| match &job.phase {
            Phase::Running { worker, gpus, .. } => Some((worker, &job.spec.resources, gpus, 1)),
            _ => None,
        })
        .chain(fabric.agents().map(|(_, agent)| (&agent.worker, &agent.spec.resources, &agent.gpus, 0)));
    for (worker, resources, gpus, slot) in takers {
        let sum = used.entry(worker.clone()).or_default();
        sum.0 += slot;
        sum.1 += resources.cpu_milli;
        sum.2 += resources.memory_mib;
        let milli: u32 = gpus.iter().map(|(_, milli)| u32::from(*milli)).sum();
        assert_eq!(milli, resources.gpu.total_milli());
        for (at, milli) in gpus {
            *sum.3.entry(*at).or_default() += milli;
        }
    }
    for worker in used.keys() {
        assert!(fabric.worker(worker).is_some(), "{worker} is used and gone");
    }
    for (name, worker) in fabric.workers() {
        let (running, cpu, memory, gpus) = used.remove(name).unwrap_or_default();
        assert_eq!((worker.running, worker.cpu_milli, worker.memory_mib), (running, cpu, memory), "{name}");
        let free: Vec<u16> =
            (0..worker.offer.resources.gpus).map(|at| 1_000 - gpus.get(&at).copied().unwrap_or(0)).collect();
        assert_eq!(worker.gpu_free_milli, free, "{name}");
        assert!(cpu <= worker.offer.resources.cpu_milli && memory <= worker.offer.resources.memory_mib);
    }
}

fn check_quotas(fabric: &Fabric) {
    for (name, tenant) in fabric.tenants() {
        let alive = |job: &crate::Job| !matches!(job.phase, Phase::Ended { .. }) && job.spec.tenant == *name;
        let jobs: Vec<_> =
            fabric.jobs().filter(|(_, job)| alive(job)).map(|(_, j)| j.spec.resources).collect();
        let agents: Vec<_> = fabric
            .agents()
            .filter(|(_, agent)| agent.spec.tenant == *name)
            .map(|(_, agent)| agent.spec.resources)
            .collect();
        assert_eq!((tenant.jobs as usize, tenant.agents as usize), (jobs.len(), agents.len()));
        let all = || jobs.iter().chain(&agents);
        assert_eq!(tenant.cpu_milli, all().map(|r| u64::from(r.cpu_milli)).sum::<u64>());
        assert_eq!(tenant.memory_mib, all().map(|r| u64::from(r.memory_mib)).sum::<u64>());
        assert_eq!(tenant.gpu_milli, all().map(|r| u64::from(r.gpu.total_milli())).sum::<u64>());
    }
}

/// What the index holds is what the tables say.
fn check_index(fabric: &Fabric) {
    let mut rebuilt = fabric.clone();
    rebuilt.index = Index::default();
    rebuilt.rebuild_index();
    assert_eq!(fabric.index, rebuilt.index);
}

/// A board's answers are the definition's.
fn check_boards(fabric: &Fabric, specs: &[JobSpec]) {
    for spec in specs {
        let ask = fabric.ask(spec);
        for region in REGIONS {
            let shard = name(region);
            let table = fabric.table(&shard, &ask);
            for len_max in [1, 2, 8] {
                let shortlist = fabric.shortlist(&shard, &ask, len_max);
                assert_eq!(shortlist.removed, table.removed);
                let best = &table.candidates[..table.candidates.len().min(len_max)];
                assert_eq!(shortlist.candidates, best);
            }
            let possible = table.winner().is_some() || table.is_possible_later();
            assert_eq!(fabric.could_ever(&shard, &ask), possible);
        }
    }
}

/// F5 and the rules of spillover, for each job as it is.
fn check_jobs(fabric: &Fabric) {
    for (id, job) in fabric.jobs() {
        let mut seen = job.visited.clone();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), job.visited.len(), "{id:?} visits a shard once");
        assert!(job.visited.len() <= 1 + usize::from(fabric.params().spillover_hops_max));
        assert_eq!(job.visited.first(), Some(&job.spec.region));
        assert_eq!(job.visited.last(), Some(&job.shard));
        assert!(!(job.spec.once && job.attempt > 1), "{id:?} is to run once");
    }
}

/// H2: each tenant has a home in each region, far from those of all others.
fn check_homes(fabric: &Fabric) {
    let apart = Reach::for_beyond(Curvature::ONE, (crate::HOMES_APART * 1e6) as u64).unwrap();
    let of = |tenant: &Name| REGIONS.map(|region| fabric.home_of(tenant, &name(region)).unwrap());
    for (tenant, _) in fabric.tenants() {
        for (other, _) in fabric.tenants().filter(|(other, _)| *other != tenant) {
            let mut pairs = of(tenant).into_iter().flat_map(|a| of(other).map(|b| (a, b)));
            assert!(pairs.all(|(a, b)| is_beyond(a, b, apart).unwrap()), "{tenant} {other}");
        }
    }
}

fn check(fabric: &Fabric) {
    check_homes(fabric);
    check_use(fabric);
    check_quotas(fabric);
    check_index(fabric);
    check_jobs(fabric);
}

/// A curvature and a dimension that a mesh may have; in the largest all is as in the middle
/// one, and slow.
fn space() -> impl Strategy<Value = (u32, u16)> {
    let curvature = prop_oneof![Just(1_000_000), CURVATURE_PPM];
    (curvature, prop_oneof![5 => Just(DIMENSIONS[0]), 1 => Just(DIMENSIONS[1])])
}

fn world((curvature_ppm, dimension): (u32, u16)) -> World {
    let mut world = World::bare(|genesis| {
        (genesis.params.curvature_ppm, genesis.params.dimension) = (curvature_ppm, dimension);
        genesis.shards =
            vec![shard("earth", 5, "luna mars"), shard("luna", 3, "earth"), shard("mars", 3, "earth")];
        genesis.params.checkpoint_beats = 3;
        let keys = [key("u")].into();
        genesis.tenants.push(Tenant { name: name("u"), keys, quota: Quota::UNLIMITED });
    });
    world.offer_all("earth.1 earth.9 luna.1 mars.2");
    world
}

/// Ends everything that can end: all workers are back, answer, and have no
/// limits that a deadline would not.
fn wind_down(world: &mut World) {
    let everything = |word: &str| {
        let mut offer = offer(word);
        offer.resources.gpus = 4;
        offer.resources.cpu_milli = 1_000_000;
        offer.max_concurrency = 100;
        offer.price = MicroUnits(0);
        offer.latency_window_ms = 0;
        offer.capabilities = names("general gpu").into_iter().collect();
        offer
    };
    for scope in [Scope::Mesh].into_iter().chain(REGIONS.map(|r| Scope::Shard { shard: name(r) })) {
        world.command(OwnerCommand::Resume { scope });
    }
    // A fresh worker in each region that can run whatever was accepted, and
    // nobody else to wait for.
    for at in 0..9 {
        let gone = Operation::WithdrawWorker { worker: worker(at) };
        world.one(host_of(worker(at).as_str()), gone);
    }
    for region in REGIONS {
        let word = format!("{region}.fresh4");
        world.command(OwnerCommand::ApproveWorker { worker: name(&word), key: host_of(&word) });
        world.offer(everything(&word));
    }
    for _ in 0..200 {
        let running: Vec<(JobId, Name, u32)> = world
            .fabric
            .jobs()
            .filter_map(|(id, job)| match &job.phase {
                Phase::Running { worker, .. } => Some((*id, worker.clone(), job.attempt)),
                _ => None,
            })
            .collect();
        let waiting = world.fabric.shards().map(|(_, _, waiting)| waiting).sum::<usize>();
        if running.is_empty() && waiting == 0 {
            return;
        }
        let fresh: Vec<Name> = REGIONS.map(|region| name(&format!("{region}.fresh4"))).to_vec();
        let mut operations: BTreeMap<PublicKey, Vec<Operation>> = BTreeMap::new();
        for (id, worker, number) in running {
            let done = report(worker.as_str(), id, number, Outcome::Exited { code: 0 });
            operations.entry(host_of(worker.as_str())).or_default().push(done);
        }
        let alive = Operation::Heartbeat {
            workers: {
                let mut f = fresh;
                f.sort();
                f
            },
        };
        operations.entry(host_of("earth.fresh4")).or_default().push(alive);
        let signed: Vec<_> =
            operations.into_iter().map(|(sender, operations)| world.envelope(sender, operations)).collect();
        world.beat_of(1_000, &signed, &[]);
    }
    let left: Vec<_> =
        world.fabric.jobs().filter(|(_, job)| !matches!(job.phase, Phase::Ended { .. })).collect();
    panic!("these never end: {left:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_use_quotas_index_and_boards_are_true(
        beats in beats(), space in space(), specs in prop::collection::vec(spec(), 3),
    ) {
        let mut world = world(space);
        for (events, step_ms, round) in beats {
            apply(&mut world, &events, step_ms, round, &[]);
            check(&world.fabric);
            check_boards(&world.fabric, &specs);
        }
    }

    #[test]
    fn every_accepted_job_ends_once_workers_answer(beats in beats(), space in space()) {
        let mut world = world(space);
        let mut accepted = std::collections::BTreeSet::new();
        for (events, step_ms, round) in beats {
            apply(&mut world, &events, step_ms, round, &[]);
            accepted.extend(world.fabric.jobs().map(|(id, _)| *id));
        }
        wind_down(&mut world);
        check(&world.fabric);
        for id in accepted {
            let job = world.fabric.job(&id).unwrap();
            prop_assert!(matches!(job.phase, Phase::Ended { .. }), "{:?}", job);
        }
    }
}
