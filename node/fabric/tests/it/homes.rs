//! Tenants are at home at points of their own, and what two of them own is apart.

use crate::{
    policies::{at, checkpoint, declare, distance, place, planets, spawn_as, unordered},
    world::{World, agent, count, first, job, key, name, names, offer, refusal, shard, shown},
};
use phalanx_fabric::{Fabric, HOME_RADIUS, HOMES_APART, TENANTS_APART, defaults::planetary};
use phalanx_types::{
    AgentId, AgentSpec, Genesis, JobId, JobSpec, MicroUnits, Name, Operation, Outcome, OwnerCommand,
    ReceiptKind, Resources, WorkerOffer,
    agent::{Affinity, Position, Wish},
    params::Mode,
    resources::WorkerResources,
    shard::LatencyEntry,
    tenant::{Quota, Tenant},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What fixed point may take from a length.
const ROUNDING: f64 = 0.000_5;
const REGIONS: [&str; 3] = ["earth", "luna", "mars"];
/// Tenants, and whose key signs for each.
const TENANTS: [(&str, &str); 3] = [("t", "tenant"), ("security", "guard"), ("acme", "smith")];

fn tenant(name_of: &str, signer: &str) -> Tenant {
    Tenant { name: name(name_of), keys: BTreeSet::from([key(signer)]), quota: Quota::UNLIMITED }
}

fn admit(world: &mut World, (name_of, signer): (&str, &str)) {
    let applied = world.command(OwnerCommand::SetTenant { tenant: tenant(name_of, signer) });
    assert_eq!(count(&applied.receipts, ReceiptKind::OwnerCommand), 1, "{:#?}", applied.receipts);
}

/// The planets with three tenants and workers that have room.
fn crowd() -> World {
    let mut world = planets();
    admit(&mut world, TENANTS[2]);
    world.offer_all("earth.1 earth.2 luna.1 luna.9 mars.1 mars.2");
    world
}

fn home(world: &World, tenant: &str, region: &str) -> Position {
    world.fabric.home_of(&name(tenant), &name(region)).unwrap().clone()
}

fn homes(world: &World) -> Vec<(&'static str, &'static str, Position)> {
    let all = TENANTS.iter().flat_map(|(tenant, _)| REGIONS.map(|region| (*tenant, region)));
    all.map(|(tenant, region)| (tenant, region, home(world, tenant, region))).collect()
}

fn region_of(worker: &Name) -> &str {
    worker.as_str().split('.').next().unwrap()
}

/// H3: everybody is about home, and what two tenants own is apart.
fn check_apart(world: &World) {
    let agents: Vec<_> = world.fabric.agents().map(|(_, agent)| agent).collect();
    for (i, one) in agents.iter().enumerate() {
        let home = home(world, one.spec.tenant.as_str(), region_of(&one.worker));
        assert!(distance(&one.position, &home) <= HOME_RADIUS + ROUNDING, "{one:?}");
        for other in agents.iter().skip(i + 1).filter(|other| other.spec.tenant != one.spec.tenant) {
            let apart = distance(&one.position, &other.position);
            assert!(apart >= TENANTS_APART - ROUNDING, "{apart}: {one:?} {other:?}");
        }
    }
}

/// Beats until nobody is on its way.
fn arrive(world: &mut World) {
    while world.fabric.agents().any(|(_, agent)| agent.course.is_some()) {
        world.idle();
    }
}

/// An agent of tenant number `.0`, and the region it is sent to, if to any.
type Life = (usize, AgentSpec, Option<usize>);

fn life() -> impl Strategy<Value = Life> {
    let skills = prop::collection::btree_set(prop::sample::select(names("a b c d e f")), 0..4);
    let semantic = prop::collection::vec(any::<i64>(), 0..6);
    let near = (0..REGIONS.len(), 1_u16..1_000);
    let wishes = prop::collection::vec(near, 0..3);
    let data = prop::option::of(0..REGIONS.len());
    let goal = prop::option::of(0..REGIONS.len());
    (0..TENANTS.len(), 0..REGIONS.len(), skills, semantic, wishes, data, goal).prop_map(
        |(who, region, skills, semantic, wishes, data, goal)| {
            let near = |(region, weight): (usize, u16)| Wish::Near { region: name(REGIONS[region]), weight };
            let mut spec = AgentSpec {
                tenant: name(TENANTS[who].0),
                affinity: Affinity { skills, semantic, data: data.map(|region| name(REGIONS[region])) },
                wishes: wishes.into_iter().map(near).collect(),
                ..unordered(REGIONS[region], "default")
            };
            spec.resources.cpu_milli = 100;
            (who, spec, goal)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn what_two_tenants_own_is_apart_wherever_it_was_sent(lives in prop::collection::vec(life(), 4..16)) {
        let mut world = crowd();
        let mut sent: Vec<(usize, AgentId, Option<usize>)> = Vec::new();
        for (who, mut spec, goal) in lives {
            // Also beside whoever came before, whosever it is.
            if let Some((_, agent, _)) = sent.last() {
                spec.wishes.push(Wish::Beside { agent: *agent, weight: 200 });
            }
            sent.push((who, spawn_as(&mut world, TENANTS[who].1, spec), goal));
        }
        check_apart(&world);
        for (who, agent, goal) in sent {
            if let Some(goal) = goal {
                let worker = ["earth.2", "luna.9", "mars.2"][goal];
                world.one(key(TENANTS[who].1), Operation::MigrateAgent { agent, worker: name(worker) });
            }
        }
        arrive(&mut world);
        check_apart(&world);
        for (tenant, _, home) in homes(&world) {
            for (other, _, there) in homes(&world).into_iter().filter(|(other, ..)| *other != tenant) {
                prop_assert!(distance(&home, &there) >= HOMES_APART - ROUNDING, "{tenant} {other}");
            }
        }
    }
}

#[test]
fn homes_and_their_margin_stay_when_latencies_move_the_regions_places() {
    let mut world = crowd();
    for (who, signer) in TENANTS {
        for region in REGIONS {
            spawn_as(&mut world, signer, AgentSpec { tenant: name(who), ..unordered(region, "default") });
        }
    }
    let (before, mars) = (homes(&world), place(&world, "mars"));
    for (from, to) in [("earth", "mars"), ("mars", "earth"), ("luna", "mars"), ("mars", "luna")] {
        for who in ["v1", "v2", "v3", "v4"] {
            let entry = LatencyEntry { from: name(from), to: name(to), latency_ms: 500 };
            world.one(key(who), Operation::MeasureLatency(entry));
        }
    }
    for _ in 0..6 {
        checkpoint(&mut world);
    }
    assert!(distance(&mars, &place(&world, "mars")) > 0.5, "the place has moved");
    assert_eq!(homes(&world), before);
    for (who, signer) in TENANTS {
        let spec = AgentSpec { tenant: name(who), ..unordered("mars", "default") };
        let id = spawn_as(&mut world, signer, spec);
        assert_eq!(at(&world, &id), home(&world, who, "mars"));
    }
    check_apart(&world);
    // Homes are state, and no regions.
    let loaded = Fabric::load(world.fabric.entries()).unwrap();
    assert_eq!(loaded.home_of(&name("acme"), &name("luna")), Some(&home(&world, "acme", "luna")));
    assert_eq!(world.fabric.placed_regions().map(|(region, _)| region).collect::<Vec<_>>(), REGIONS);
}

/// Keys of places that are homes.
fn stored_homes(world: &World) -> usize {
    let places = world.fabric.entries().into_iter().filter(|(column, ..)| column.0 == 17);
    places.filter(|(_, key, _)| key.contains(&b'/')).count()
}

#[test]
fn a_lone_tenant_is_at_home_at_the_regions_places_and_the_next_one_leaves_it_there() {
    let mut world = World::bare(|genesis| genesis.params.checkpoint_beats = 4);
    world.offer_all("earth.1 mars.1");
    let id = spawn_as(&mut world, "tenant", unordered("mars", "default"));
    checkpoint(&mut world);
    assert_eq!(stored_homes(&world), 0);
    assert_eq!(home(&world, "t", "mars"), place(&world, "mars"));
    // Its own settings are no newcomer's.
    admit(&mut world, TENANTS[0]);
    assert_eq!(stored_homes(&world), 0);
    let places: Vec<Position> = REGIONS.map(|region| place(&world, region)).to_vec();
    admit(&mut world, TENANTS[1]);
    assert_eq!(stored_homes(&world), 6);
    assert_eq!(REGIONS.map(|region| home(&world, "t", region)).to_vec(), places);
    let before = at(&world, &id);
    let next = AgentSpec { tenant: name("security"), ..unordered("mars", "default") };
    let next = spawn_as(&mut world, "guard", next);
    assert_eq!(at(&world, &id), before);
    assert!(distance(&at(&world, &next), &before) >= HOMES_APART - 2.0 * HOME_RADIUS);
    // A new region has a home for each.
    world.command(OwnerCommand::SetShard { shard: shard("helios", 10, "earth") });
    assert_eq!(stored_homes(&world), 8);
    admit(&mut world, TENANTS[1]);
    assert_eq!(stored_homes(&world), 8);
}

/// The planets by `geometric_mesh`, with two tenants.
fn weighing() -> World {
    let change = |genesis: &mut Genesis| {
        genesis.mode = Mode::GeometricMesh;
        genesis.params.checkpoint_beats = 4;
        genesis.tenants.push(tenant("security", "guard"));
        for entry in genesis.latencies.iter_mut().filter(|entry| entry.from != entry.to) {
            let is_far = entry.from.as_str() == "mars" || entry.to.as_str() == "mars";
            entry.latency_ms = if is_far { 180 } else { 60 };
        }
    };
    let mut world = World::bare(change);
    world.offer_all("earth.1 earth.2 luna.1 mars.1");
    world
}

fn weight(world: &World, who: &str) -> u64 {
    world.fabric.validator_set().weight_of(&key(who)).unwrap().0
}

#[test]
fn votes_weigh_by_where_the_work_of_all_tenants_is() {
    let mut world = weighing();
    for (who, signer) in &TENANTS[..2] {
        let spec = AgentSpec { tenant: name(who), ..unordered("mars", "default") };
        spawn_as(&mut world, signer, spec);
        spawn_as(&mut world, signer, AgentSpec { tenant: name(who), ..agent("mars") });
    }
    world.submit(job("mars"));
    checkpoint(&mut world);
    assert!(weight(&world, "v3") > weight(&world, "v1") && weight(&world, "v3") > weight(&world, "v2"));
}

#[test]
fn nobody_weighs_more_for_lying_further_out() {
    let mut world = weighing();
    for _ in 0..6 {
        spawn_as(&mut world, "tenant", unordered("earth", "default"));
    }
    let spec = AgentSpec { tenant: name("security"), ..unordered("mars", "default") };
    let id = spawn_as(&mut world, "guard", spec);
    checkpoint(&mut world);
    let (focus, [earth, mars]) =
        (world.fabric.focus().unwrap(), ["earth", "mars"].map(|region| place(&world, region)));
    assert!(distance(&at(&world, &id), &mars) > TENANTS_APART);
    // One of seven pulls as one at its region's place.
    assert!(distance(focus, &earth) < distance(&earth, &mars) / 2.0);
    assert!(weight(&world, "v1") > weight(&world, "v3"));
}

#[test]
fn a_crowded_region_lets_agents_of_any_tenant_move_over() {
    for (who, signer) in [("t", "tenant"), ("security", "guard")] {
        let mut world = planets();
        let mut big = offer("luna.1");
        big.resources.cpu_milli = 16_000;
        world.offer(big);
        world.offer_all("earth.1");
        let spec = AgentSpec { tenant: name(who), ..unordered("earth", "default") };
        let ids: Vec<AgentId> = (0..4).map(|_| spawn_as(&mut world, signer, spec.clone())).collect();
        let mut moved = Vec::new();
        for _ in 0..12 {
            moved.extend(checkpoint(&mut world));
        }
        moved.retain(|receipt| receipt.kind == ReceiptKind::AgentMigrated);
        assert_eq!(moved.len(), 1, "{who}: {moved:#?}");
        assert_eq!(shown(&moved[0], "reason"), "spread");
        let over: Vec<_> = ids.iter().filter(|id| world.home_of(id) == "luna.1").collect();
        assert!(distance(&at(&world, over[0]), &home(&world, who, "luna")) < 2.0);
    }
}

#[test]
fn who_points_away_from_where_there_is_room_is_not_taken_ever_further() {
    let mut world = planets();
    let mut big = offer("luna.1");
    big.resources.cpu_milli = 16_000;
    world.offer(big);
    world.offer_all("earth.1");
    let away = {
        let [earth, luna] = ["earth", "luna"].map(|region| place(&world, region));
        let opposite = |x: &Position| Position(x.0.iter().map(|x| -x).collect());
        // Mirrored at the origin, beside which earth is.
        assert!(distance(&opposite(&luna), &luna) > distance(&earth, &luna));
        opposite(&luna)
    };
    for _ in 0..4 {
        let spec = AgentSpec { position: Some(away.clone()), ..unordered("earth", "default") };
        spawn_as(&mut world, "tenant", spec);
    }
    let mut moved = 0;
    for _ in 0..20 {
        moved += count(&checkpoint(&mut world), ReceiptKind::AgentMigrated);
    }
    assert_eq!(moved, 1, "then it is not crowded any more");
    let between = distance(&place(&world, "earth"), &place(&world, "luna"));
    for (_, agent) in world.fabric.agents().filter(|(_, agent)| agent.worker.as_str() == "earth.1") {
        assert!(distance(&agent.position, &place(&world, "earth")) < 2.0 * 1.25 * between + 0.1);
    }
}

#[test]
fn data_draw_an_agent_to_the_region_where_they_are_whosever_it_is() {
    let mut world = crowd();
    for (who, signer) in TENANTS {
        let with = |data: Option<&str>| AgentSpec {
            tenant: name(who),
            affinity: Affinity { data: data.map(name), ..Affinity::default() },
            ..unordered("earth", "default")
        };
        let here = spawn_as(&mut world, signer, with(None));
        let drawn = spawn_as(&mut world, signer, with(Some("mars")));
        let to_mars = |id: &AgentId| distance(&at(&world, id), &place(&world, "mars"));
        assert!(to_mars(&drawn) < to_mars(&here) - 0.05, "{who}");
        assert_eq!(world.home_of(&drawn), world.home_of(&here), "it weighs little");
    }
}

#[test]
fn who_wishes_to_be_beside_one_of_its_own_comes_nearer_wherever_its_tenant_is() {
    let mut world = crowd();
    for (who, signer) in TENANTS {
        let with = |skill: &str, wishes: Vec<Wish>| AgentSpec {
            tenant: name(who),
            affinity: Affinity { skills: [name(skill)].into(), ..Affinity::default() },
            wishes,
            resources: Resources::default(),
            ..unordered("luna", "default")
        };
        let other = spawn_as(&mut world, signer, with("vision", Vec::new()));
        let alone = spawn_as(&mut world, signer, with("accounting", Vec::new()));
        let beside = with("accounting", vec![Wish::Beside { agent: other, weight: 100 }]);
        let beside = spawn_as(&mut world, signer, beside);
        let to_it = |id: &AgentId| distance(&at(&world, id), &at(&world, &other));
        assert!(to_it(&beside) < to_it(&alone) - 0.05, "{who}");
    }
}

#[test]
fn a_policy_is_stronger_than_a_home() {
    let mut world = crowd();
    let near = r#"{"constraints":[{"name":"near","rule":{"within":{"of":"core","delta_micro":1500000}}}]}"#;
    declare(&mut world, "guards", near);
    let spec = AgentSpec { tenant: name("acme"), ..unordered("earth", "guards") };
    let id = spawn_as(&mut world, "smith", spec);
    assert!(distance(&at(&world, &id), &Position::origin(8)) <= 1.5);
    // What nothing keeps elsewhere is refused by nobody.
    let stranger = Operation::SpawnAgent(Box::new(AgentSpec {
        tenant: name("nobody"),
        ..unordered("earth", "default")
    }));
    assert_eq!(refusal(&world.one(key("smith"), stranger)), "unknown");
    let spec = AgentSpec { tenant: name("acme"), ..unordered("earth", "default") };
    let signed = world.envelope(key("smith"), vec![Operation::SpawnAgent(Box::new(spec))]);
    first(&world.beat_of(50, &[signed], &[]).receipts, ReceiptKind::AgentSpawned);
}

/// A job of a tenant that asks for these skills, sent by its key.
fn submit_as(world: &mut World, (who, signer): (&str, &str), region: &str, skills: &str) -> JobId {
    let skills = names(skills).into_iter().collect();
    let spec = JobSpec { tenant: name(who), skills, budget: MicroUnits(1_000_000), ..job(region) };
    let signed = world.envelope(key(signer), vec![Operation::SubmitJob(Box::new(spec))]);
    let id = JobId::of(&signed.envelope.id(), 0);
    let applied = world.beat_of(50, &[signed], &[]);
    first(&applied.receipts, ReceiptKind::JobAccepted);
    id
}

fn job_at(world: &World, id: &JobId) -> Position {
    world.fabric.job_place(id).unwrap()
}

#[test]
fn jobs_of_two_tenants_are_apart_and_equal_skills_are_at_one_place() {
    let mut world = planets();
    for worker in names("earth.1 luna.1 mars.1") {
        let capabilities = names("general a b c d e f").into_iter().collect();
        let resources = WorkerResources { cpu_milli: 64_000, memory_mib: 65_536, gpus: 0 };
        let max_concurrency = 32;
        world.offer(WorkerOffer { capabilities, resources, max_concurrency, ..offer(worker.as_str()) });
    }
    let mut places = Vec::new();
    for tenant in &TENANTS[..2] {
        for region in REGIONS {
            let [one, same, other] =
                ["a b", "a b", "c"].map(|skills| submit_as(&mut world, *tenant, region, skills));
            assert_eq!(job_at(&world, &one), job_at(&world, &same));
            assert_ne!(job_at(&world, &one), job_at(&world, &other));
            for id in [one, same, other] {
                let at = job_at(&world, &id);
                let home = home(&world, tenant.0, region);
                assert!(distance(&at, &home) <= HOME_RADIUS);
                places.push((tenant.0, at));
            }
            // A job whose outcome is there is nowhere.
            world.end(one, Outcome::Exited { code: 0 });
            assert_eq!(world.fabric.job_place(&one), None);
        }
    }
    for (tenant, at) in &places {
        for (_, there) in places.iter().filter(|(other, _)| other != tenant) {
            assert!(distance(at, there) >= TENANTS_APART - ROUNDING);
        }
    }
    assert_eq!(world.fabric.job_place(&JobId([9; 32])), None);
    // Places follow from what is kept.
    let loaded = Fabric::load(world.fabric.entries()).unwrap();
    assert!(world.fabric.jobs().all(|(id, _)| loaded.job_place(id) == world.fabric.job_place(id)));
    assert!(world.fabric.workers().all(|(w, _)| loaded.worker_place(w) == world.fabric.worker_place(w)));
}

#[test]
fn the_more_skills_two_jobs_share_the_nearer_they_are_on_average() {
    let mut world = World::bare(|_| ());
    let skill = |n: usize| format!("s{n}");
    let capabilities = (0..32).map(|n| name(&skill(n))).collect();
    world.offer(WorkerOffer { capabilities, ..offer("earth.1") });
    let list = |from: usize| (from..from + 4).map(skill).collect::<Vec<_>>().join(" ");
    let jobs: Vec<JobId> =
        (0..29).map(|from| submit_as(&mut world, TENANTS[0], "earth", &list(from))).collect();
    let mean = |shift: usize| {
        let pairs = jobs.iter().zip(jobs.iter().skip(shift));
        let lengths: Vec<f64> =
            pairs.map(|(a, b)| distance(&job_at(&world, a), &job_at(&world, b))).collect();
        lengths.iter().sum::<f64>() / lengths.len() as f64
    };
    let means: Vec<f64> = (0..5).map(mean).collect();
    assert!(means.windows(2).all(|pair| pair[0] < pair[1]), "{means:?}");
}

/// The documents' six workers and their regions.
fn six() -> World {
    let planetary = planetary().unwrap();
    let mut world = World::bare(|genesis| {
        genesis.shards = planetary.shards.clone();
        genesis.latencies = planetary.latencies.clone();
        genesis.workers = planetary.workers.iter().map(|w| (w.worker.clone(), key("host-1"))).collect();
    });
    for offer in planetary.workers {
        world.one(key("host-1"), Operation::OfferWorker(Box::new(offer)));
    }
    world
}

#[test]
fn a_job_is_nearer_to_the_workers_that_have_its_skill() {
    let mut world = six();
    let workers: Vec<WorkerOffer> = world.fabric.workers().map(|(_, w)| w.offer.clone()).collect();
    assert_eq!(workers.len(), 6);
    let skills: BTreeSet<Name> = workers.iter().flat_map(|w| w.capabilities.clone()).collect();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for skill in &skills {
        for region in workers.iter().map(|w| w.region.clone()).collect::<BTreeSet<_>>() {
            let id = submit_as(&mut world, TENANTS[0], region.as_str(), skill.as_str());
            let at = job_at(&world, &id);
            for worker in &workers {
                let length = distance(&at, &world.fabric.worker_place(&worker.worker).unwrap());
                let lengths = if worker.capabilities.contains(skill) { &mut with } else { &mut without };
                lengths.push(length);
            }
            world.one(key("tenant"), Operation::CancelJob { job: id });
        }
    }
    let mean = |lengths: &[f64]| lengths.iter().sum::<f64>() / lengths.len() as f64;
    assert!(mean(&with) < mean(&without), "{} {}", mean(&with), mean(&without));
}

#[test]
fn the_place_of_a_job_that_spills_over_follows_it() {
    let mut world = World::new("earth.1 luna.1");
    let change =
        OwnerCommand::SetShardBudget { shard: name("earth"), queue_budget: 0, latency_budget_ms: 100 };
    world.command(change);
    world.fill("earth");
    let (id, _) = world.submit(job("earth"));
    assert_eq!(world.shard_of(&id), "luna");
    assert_eq!(job_at(&world, &id), place(&world, "luna"));
}
