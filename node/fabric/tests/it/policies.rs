//! Policies as geometric constraints: who is bound, what is refused and by which name,
//! and that the mesh itself obeys them.

use crate::world::{World, agent, count, first, host_of, key, name, names, offer, refusal, shown};
use phalanx_fabric::{STEP_LENGTH, STRAYS_MAX};
use phalanx_geometry::{Ball, Curvature, Point, Reach, is_beyond, is_within};
use phalanx_types::{
    AgentId, AgentSpec, Genesis, Operation, OwnerCommand, ReceiptDraft, ReceiptKind,
    agent::{Affinity, Position, Wish},
    shard::LatencyEntry,
    tenant::{Quota, Tenant},
};
use std::collections::BTreeSet;

const BEATS: u32 = 4;

/// Earth, Luna and Mars at their distances, and a second tenant.
pub fn planets() -> World {
    planets_with(|_| ())
}

/// The same in a genesis that is changed.
pub fn planets_with(change: impl FnOnce(&mut Genesis)) -> World {
    World::bare(|genesis: &mut Genesis| {
        change(genesis);
        genesis.params.checkpoint_beats = BEATS;
        for LatencyEntry { from, to, latency_ms } in &mut genesis.latencies {
            let mut pair = [from.as_str(), to.as_str()];
            pair.sort_unstable();
            *latency_ms = match pair {
                ["earth", "luna"] => 60,
                ["earth", "mars"] => 180,
                ["luna", "mars"] => 190,
                _ => 5,
            };
        }
        genesis.tenants.push(Tenant {
            name: name("security"),
            keys: BTreeSet::from([key("guard")]),
            quota: Quota::UNLIMITED,
        });
    })
}

pub fn declare(world: &mut World, policy: &str, document: &str) {
    let command = OwnerCommand::SetPolicy { name: name(policy), document: document.as_bytes().to_vec() };
    let applied = world.command(command);
    assert_eq!(count(&applied.receipts, ReceiptKind::OwnerCommand), 1, "{:#?}", applied.receipts);
}

/// A policy of one rule for those that name it.
fn rule(name: &str, rule: &str) -> String {
    format!(r#"{{"constraints":[{{"name":"{name}","rule":{rule}}}]}}"#)
}

/// An agent that says nothing of where it shall be.
pub fn unordered(region: &str, policy: &str) -> AgentSpec {
    AgentSpec { position: None, policy: name(policy), ..agent(region) }
}

pub fn spawn_as(world: &mut World, sender: &str, spec: AgentSpec) -> AgentId {
    let signed = world.envelope(key(sender), vec![Operation::SpawnAgent(Box::new(spec))]);
    let applied = world.beat_of(50, std::slice::from_ref(&signed), &[]);
    first(&applied.receipts, ReceiptKind::AgentSpawned);
    AgentId::of(&signed.envelope.id(), 0)
}

pub fn at(world: &World, id: &AgentId) -> Position {
    world.fabric.agent(id).unwrap().position.clone()
}

pub fn place(world: &World, region: &str) -> Position {
    world.fabric.place(&name(region)).unwrap().clone()
}

pub fn distance(a: &Position, b: &Position) -> f64 {
    Ball::new(Curvature::ONE).distance(a, b).unwrap().to_f64()
}

fn within(micro: u64) -> Reach {
    Reach::for_within(Curvature::ONE, micro).unwrap()
}

fn beyond(micro: u64) -> Reach {
    Reach::for_beyond(Curvature::ONE, micro).unwrap()
}

/// Idle beats until a checkpoint has closed; what they did.
pub fn checkpoint(world: &mut World) -> Vec<ReceiptDraft> {
    let mut receipts = Vec::new();
    loop {
        let applied = world.idle();
        receipts.extend(applied.receipts);
        if applied.checkpoint_due {
            return receipts;
        }
    }
}

/// The refusal of a spawn or a migration, as text.
fn reason(receipts: &[ReceiptDraft]) -> String {
    shown(first(receipts, ReceiptKind::Refused), "reason")
}

#[test]
fn an_agent_without_an_order_is_spawned_at_its_regions_place() {
    let mut world = planets();
    world.offer_all("earth.1 mars.1");
    let id = spawn_as(&mut world, "tenant", unordered("mars", "default"));
    assert!(distance(&at(&world, &id), &place(&world, "mars")) < 1e-9);
    assert_eq!(world.home_of(&id), "mars.1");
}

#[test]
fn an_order_that_would_break_a_constraint_is_refused_with_its_name() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1 mars.1");
    declare(&mut world, "guard", &rule("near-core", r#"{"within":{"of":"core","delta_micro":500000}}"#));
    let far = Position(vec![1 << 39, 0, 0, 0, 0, 0, 0, 0]);
    let spec = AgentSpec { position: Some(far), ..unordered("earth", "guard") };
    let applied = world.one(key("tenant"), Operation::SpawnAgent(Box::new(spec)));
    assert_eq!(refusal(&applied), "forbidden");
    let text = reason(&applied.receipts);
    assert!(text.contains("guard") && text.contains("near-core") && text.contains("within 0.5 of"), "{text}");
    // Where it does not matter to it, the mesh finds a point at which all holds.
    let id = spawn_as(&mut world, "tenant", unordered("earth", "guard"));
    assert!(is_within(&at(&world, &id), &Position::origin(8), within(500_000)).unwrap());

    // A region that is too far away for the constraint is none to migrate to.
    declare(&mut world, "home", &rule("at-home", r#"{"inside":{"regions":["earth","luna"]}}"#));
    let id = spawn_as(&mut world, "tenant", unordered("earth", "home"));
    let applied = world.one(key("tenant"), Operation::MigrateAgent { agent: id, worker: name("mars.1") });
    assert_eq!(refusal(&applied), "forbidden");
    assert!(reason(&applied.receipts).contains("at-home"), "{}", reason(&applied.receipts));
    let applied = world.one(key("tenant"), Operation::MigrateAgent { agent: id, worker: name("luna.1") });
    assert_eq!(count(&applied.receipts, ReceiptKind::AgentMigrated), 1);
}

#[test]
fn an_order_through_forbidden_ground_is_refused() {
    let mut world = planets();
    world.offer_all("earth.1 mars.1");
    let id = spawn_as(&mut world, "tenant", unordered("earth", "default"));
    let (earth, mars) = (place(&world, "earth"), place(&world, "mars"));
    // A ball about the middle of the way, far from both ends.
    let middle = {
        let (x, y) = ((&earth).try_into().unwrap(), (&mars).try_into().unwrap());
        Ball::new(Curvature::ONE).geodesic(&x, &y, 0.5).unwrap().to_position().unwrap()
    };
    assert!(distance(&earth, &mars) > 1.2);
    let coordinates: Vec<String> = middle.0.iter().map(i64::to_string).collect();
    let document = format!(
        r#"{{"binds":"all","constraints":[{{"name":"no-way","rule":{{"beyond":{{"of":{{"position":[{}]}},"delta_micro":300000}}}}}}]}}"#,
        coordinates.join(",")
    );
    declare(&mut world, "minefield", &document);
    let applied = world.one(key("tenant"), Operation::MigrateAgent { agent: id, worker: name("mars.1") });
    assert_eq!(refusal(&applied), "forbidden");
    assert!(reason(&applied.receipts).contains("no-way"));
    // Declared while it is on its way, the same holds it.
    world.command(OwnerCommand::RemovePolicy { name: name("minefield") });
    world.one(key("tenant"), Operation::MigrateAgent { agent: id, worker: name("mars.1") });
    assert!(world.fabric.agent(&id).unwrap().course.is_some());
    let document = document.replace("300000", "200000");
    declare(&mut world, "minefield", &document);
    let mut receipts = Vec::new();
    while world.fabric.agent(&id).unwrap().course.is_some() {
        receipts.extend(world.idle().receipts);
    }
    let held = first(&receipts, ReceiptKind::AgentHeld);
    assert_eq!(
        (shown(held, "constraint"), shown(held, "policy_that_binds")),
        ("no-way".into(), "minefield".into())
    );
    assert!(is_beyond(&at(&world, &id), &middle, beyond(200_000)).unwrap());
}

#[test]
fn a_migration_goes_along_the_geodesic_in_bounded_steps_with_a_receipt_each() {
    let mut world = planets();
    world.offer_all("earth.1 mars.1");
    let id = spawn_as(&mut world, "tenant", unordered("earth", "default"));
    let (start, goal) = (at(&world, &id), place(&world, "mars"));
    let whole = distance(&start, &goal);
    let applied = world.one(key("tenant"), Operation::MigrateAgent { agent: id, worker: name("mars.1") });
    // It lives there at once; its point follows.
    assert_eq!((world.home_of(&id), at(&world, &id)), ("mars.1".into(), start.clone()));
    let mut receipts = applied.receipts;
    let mut before = start.clone();
    while world.fabric.agent(&id).unwrap().course.is_some() {
        receipts.extend(world.idle().receipts);
        let now = at(&world, &id);
        assert!(distance(&before, &now) <= STEP_LENGTH + 1e-9);
        // On the geodesic the parts add up to the whole.
        assert!((distance(&start, &now) + distance(&now, &goal) - whole).abs() < 1e-6);
        before = now;
    }
    assert_eq!(before, goal);
    let moves = count(&receipts, ReceiptKind::AgentMoved);
    assert_eq!(moves, (whole / STEP_LENGTH).ceil() as usize);
    assert_eq!(world.fabric.agent(&id).unwrap().nonce, moves as u64 + 1);
    let last = receipts.iter().rev().find(|r| r.kind == ReceiptKind::AgentMoved).unwrap();
    assert_eq!(last.data["is_there"], phalanx_types::Field::Bool(true));
    assert_eq!(last.hidden.len(), 2);
}

#[test]
fn migration_is_the_translation_that_keeps_the_distance_from_the_place() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1");
    let earth = place(&world, "earth");
    let aside = {
        let x: phalanx_geometry::Point = (&earth).try_into().unwrap();
        let step = phalanx_geometry::Point::at(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], 0.4).unwrap();
        x.moebius_add(&step).unwrap().to_position().unwrap()
    };
    let id =
        spawn_as(&mut world, "tenant", AgentSpec { position: Some(aside), ..unordered("earth", "default") });
    world.one(key("tenant"), Operation::MigrateAgent { agent: id, worker: name("luna.1") });
    while world.fabric.agent(&id).unwrap().course.is_some() {
        world.idle();
    }
    assert!((distance(&at(&world, &id), &place(&world, "luna")) - 0.4).abs() < 1e-6);
}

#[test]
fn recovery_goes_only_where_policy_allows() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1 mars.1");
    declare(&mut world, "home", &rule("at-home", r#"{"inside":{"regions":["earth","mars"]}}"#));
    let id = spawn_as(&mut world, "tenant", unordered("earth", "home"));
    // Luna would be its next one by spillover.
    world.pass(40_000, "luna.1 mars.1");
    assert_eq!(world.home_of(&id), "mars.1");
    world.pass(60_000, "luna.1");
    assert_eq!(world.home_of(&id), "mars.1", "there is no other place for it");
}

#[test]
fn a_policy_binds_whom_it_names_even_when_they_name_another() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1 mars.1");
    let document = r#"{"binds":{"tenants":["security"]},"constraints":[
        {"name":"not-mars","rule":{"inside":{"regions":["earth","luna"]}}}]}"#;
    declare(&mut world, "guards", document);
    let spec = AgentSpec { tenant: name("security"), ..unordered("mars", "default") };
    // Mars is its region, but it may not live there.
    let id = spawn_as(&mut world, "guard", spec);
    assert_ne!(world.home_of(&id), "mars.1");
    assert_eq!(spawn_as(&mut world, "tenant", unordered("mars", "default")), {
        let (other, _) = world.fabric.agents().find(|(_, a)| a.worker.as_str() == "mars.1").unwrap();
        *other
    });
    let unknown = Operation::SpawnAgent(Box::new(unordered("earth", "nobody-declared-it")));
    assert_eq!(refusal(&world.one(key("tenant"), unknown)), "unknown");
}

#[test]
fn tenants_that_must_be_apart_are_and_what_comes_too_near_is_refused() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1 mars.1");
    let document =
        r#"{"binds":"all","constraints":[{"name":"alone","rule":{"apart":{"delta_micro":400000}}}]}"#;
    declare(&mut world, "apart", document);
    let ours = spawn_as(&mut world, "tenant", unordered("earth", "default"));
    let guard = AgentSpec { tenant: name("security"), ..unordered("earth", "default") };
    let theirs = spawn_as(&mut world, "guard", guard.clone());
    assert!(is_beyond(&at(&world, &theirs), &at(&world, &ours), beyond(400_000)).unwrap());
    let too_near = AgentSpec { position: Some(at(&world, &ours)), ..guard };
    let applied = world.one(key("guard"), Operation::SpawnAgent(Box::new(too_near)));
    assert_eq!(refusal(&applied), "forbidden");
    assert!(reason(&applied.receipts).contains("alone"));
    // One's own are no strangers.
    let beside = AgentSpec { position: Some(at(&world, &ours)), ..unordered("earth", "default") };
    spawn_as(&mut world, "tenant", beside);
}

#[test]
fn who_is_where_it_must_not_be_any_more_is_led_back_by_steps() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1 mars.1");
    let far = Position(vec![1 << 39, 0, 0, 0, 0, 0, 0, 0]);
    let id =
        spawn_as(&mut world, "tenant", AgentSpec { position: Some(far), ..unordered("earth", "default") });
    let document = r#"{"binds":"all","constraints":[{"name":"near","rule":{"within":{"of":"core","delta_micro":300000}}}]}"#;
    declare(&mut world, "all-near", document);
    let mut receipts = Vec::new();
    for _ in 0..6 * BEATS {
        receipts.extend(world.idle().receipts);
    }
    assert!(is_within(&at(&world, &id), &Position::origin(8), within(300_000)).unwrap());
    assert!(count(&receipts, ReceiptKind::AgentMoved) >= 1);
    assert_eq!(count(&receipts, ReceiptKind::AgentTerminated), 0);
    // And it is not touched again.
    assert!(checkpoint(&mut world).iter().all(|r| r.kind == ReceiptKind::CheckpointClosed));
}

#[test]
fn who_must_not_live_in_its_region_any_more_moves_to_another_one() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1 mars.1");
    let id = spawn_as(&mut world, "tenant", unordered("earth", "default"));
    let document = r#"{"binds":"all","constraints":[{"name":"out","rule":{"inside":{"regions":["mars"]}}}]}"#;
    declare(&mut world, "exodus", document);
    let receipts = checkpoint(&mut world);
    let moved = first(&receipts, ReceiptKind::AgentMigrated);
    assert_eq!((shown(moved, "reason"), world.home_of(&id)), ("policy".into(), "mars.1".into()));
}

#[test]
fn who_has_drifted_out_of_every_valid_region_is_ended_after_some_looks() {
    let mut world = planets();
    world.offer_all("earth.1");
    let id = spawn_as(&mut world, "tenant", unordered("earth", "default"));
    let document = r#"{"binds":"all","constraints":[{"name":"out","rule":{"inside":{"regions":["mars"]}}}]}"#;
    declare(&mut world, "exodus", document);
    for _ in 1..STRAYS_MAX {
        assert_eq!(count(&checkpoint(&mut world), ReceiptKind::AgentTerminated), 0);
    }
    let receipts = checkpoint(&mut world);
    let ended = first(&receipts, ReceiptKind::AgentTerminated);
    assert_eq!(ended.subject, id.to_string());
    assert_eq!((shown(ended, "reason"), shown(ended, "constraint")), ("drifted".into(), "out".into()));
    let worker = world.fabric.worker(&name("earth.1")).unwrap();
    assert_eq!((worker.cpu_milli, world.fabric.agents().count()), (0, 0));
}

#[test]
fn a_policy_that_lets_none_idle_ends_who_is_of_no_use_and_nobody_else() {
    let mut world = planets();
    world.offer_all("earth.1");
    declare(&mut world, "busy", r#"{"idle_max_ms":10000,"constraints":[]}"#);
    let used = spawn_as(&mut world, "tenant", unordered("earth", "busy"));
    let idle = spawn_as(&mut world, "tenant", unordered("earth", "busy"));
    let unbound = spawn_as(&mut world, "tenant", unordered("earth", "default"));
    world.pass(9_000, "earth.1");
    world.one(host_of("earth.1"), Operation::UseAgents { agents: vec![used] });
    let receipts = world.pass(9_000, "earth.1");
    let ended: Vec<&ReceiptDraft> =
        receipts.iter().filter(|r| r.kind == ReceiptKind::AgentTerminated).collect();
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].subject.clone(), shown(ended[0], "reason")), (idle.to_string(), "underused".into()));
    let mut left: Vec<AgentId> = world.fabric.agents().map(|(id, _)| *id).collect();
    let mut expected = vec![used, unbound];
    left.sort_unstable();
    expected.sort_unstable();
    assert_eq!(left, expected);
    // A stranger cannot keep it alive.
    let told = world.one(key("guard"), Operation::UseAgents { agents: vec![used] });
    assert_eq!(refusal(&told), "not_allowed");
}

#[test]
fn wishes_weigh_and_do_not_bind() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1 mars.1");
    let towards = |region: &str, weight| {
        let wishes = vec![Wish::Near { region: name(region), weight }];
        AgentSpec { wishes, ..unordered("earth", "default") }
    };
    let (light, heavy) = (towards("mars", 50), towards("mars", 1_000));
    let light = spawn_as(&mut world, "tenant", light);
    let heavy = spawn_as(&mut world, "tenant", heavy);
    let from_earth = |world: &World, id: &AgentId| distance(&at(world, id), &place(world, "earth"));
    assert_eq!((world.home_of(&light), world.home_of(&heavy)), ("earth.1".into(), "mars.1".into()));
    assert!(from_earth(&world, &light) > 0.1);
    // A constraint is stronger than any wish.
    declare(&mut world, "home", &rule("at-home", r#"{"inside":{"regions":["earth"]}}"#));
    let bound = AgentSpec { policy: name("home"), ..towards("mars", 1_000) };
    let bound = spawn_as(&mut world, "tenant", bound);
    assert_eq!(world.home_of(&bound), "earth.1");
    // A worker is avoided while there is another one.
    world.offer_all("earth.2");
    let avoid = |worker: &str| {
        let wishes = vec![Wish::Avoid { worker: name(worker) }];
        AgentSpec { wishes, ..unordered("earth", "home") }
    };
    let first_one = spawn_as(&mut world, "tenant", avoid("earth.1"));
    let second = spawn_as(&mut world, "tenant", avoid("earth.2"));
    assert_eq!((world.home_of(&first_one), world.home_of(&second)), ("earth.2".into(), "earth.1".into()));
    world.one(host_of("earth.2"), Operation::WithdrawWorker { worker: name("earth.2") });
    let third = spawn_as(&mut world, "tenant", avoid("earth.1"));
    assert_eq!(world.home_of(&third), "earth.1");
}

#[test]
fn agents_that_are_alike_are_near_each_other_wherever_they_are() {
    let mut world = planets();
    world.offer_all("earth.1 earth.2 mars.1");
    let with = |region: &str, skills: &str, semantic: &[i64], data: Option<&str>| AgentSpec {
        affinity: Affinity {
            skills: names(skills).into_iter().collect(),
            semantic: semantic.to_vec(),
            data: data.map(name),
        },
        ..unordered(region, "default")
    };
    let seer = spawn_as(&mut world, "tenant", with("earth", "vision", &[], None));
    let alike = spawn_as(&mut world, "tenant", with("earth", "vision", &[], None));
    let other = spawn_as(&mut world, "tenant", with("earth", "accounting", &[], None));
    let far = spawn_as(&mut world, "tenant", with("mars", "vision", &[], None));
    assert_eq!(at(&world, &seer), at(&world, &alike));
    assert!(distance(&at(&world, &seer), &at(&world, &other)) > 0.2);
    assert!(
        distance(&at(&world, &seer), &at(&world, &far)) > distance(&at(&world, &seer), &at(&world, &other))
    );
    let mean = |values: &[i64]| with("earth", "", values, None);
    let hello = spawn_as(&mut world, "tenant", mean(&[1_000, 10, 0, 20]));
    let nearly = spawn_as(&mut world, "tenant", mean(&[990, 0, 10, 20]));
    let opposite = spawn_as(&mut world, "tenant", mean(&[-1_000, -10, 0, -20]));
    let hello = at(&world, &hello);
    assert!(distance(&hello, &at(&world, &nearly)) < distance(&hello, &at(&world, &opposite)) / 4.0);
    let here = spawn_as(&mut world, "tenant", with("earth", "", &[], None));
    let drawn = spawn_as(&mut world, "tenant", with("earth", "", &[], Some("mars")));
    let mars = place(&world, "mars");
    assert!(distance(&at(&world, &drawn), &mars) < distance(&at(&world, &here), &mars));
    // None of it stays in the state but the place.
    assert_eq!(world.fabric.agent(&drawn).unwrap().spec.affinity, Affinity::default());
    let mut wordy = with("earth", "", &[1; 1_025], None);
    let too_long = world.one(key("tenant"), Operation::SpawnAgent(Box::new(wordy.clone())));
    assert_eq!(refusal(&too_long), "bad_value");
    wordy.affinity.semantic = vec![0; 3];
    spawn_as(&mut world, "tenant", wordy);
}

#[test]
fn a_crowded_region_dilates_and_its_outermost_agents_move_over() {
    let mut world = planets();
    let mut big = offer("luna.1");
    big.resources.cpu_milli = 16_000;
    world.offer(big);
    world.offer_all("earth.1");
    let ids: Vec<AgentId> =
        (0..4).map(|_| spawn_as(&mut world, "tenant", unordered("earth", "default"))).collect();
    assert!(ids.iter().all(|id| world.home_of(id) == "earth.1"), "its four cores are taken");
    let mut receipts = Vec::new();
    for _ in 0..12 {
        receipts.extend(checkpoint(&mut world));
    }
    let spread: Vec<&ReceiptDraft> = receipts
        .iter()
        .filter(|r| r.kind == ReceiptKind::AgentMigrated)
        .inspect(|r| assert_eq!(shown(r, "reason"), "spread"))
        .collect();
    // One is enough: three quarters are not crowded any more.
    assert_eq!(spread.len(), 1, "{spread:#?}");
    assert_eq!(ids.iter().filter(|id| world.home_of(id) == "luna.1").count(), 1);
    for name in names("earth luna") {
        let home = place(&world, name.as_str());
        let here = world.fabric.agents().filter(|(_, a)| a.worker.as_str().starts_with(name.as_str()));
        for (_, agent) in here {
            assert!(distance(&agent.position, &home) < 2.0);
        }
    }
}

/// The point at a length from earth's place, straight away from luna's, or towards it.
fn from_earth(world: &World, length: f64, is_towards: bool) -> Position {
    let [earth, luna] = ["earth", "luna"].map(|region| Point::try_from(&place(world, region)).unwrap());
    // As luna is seen from earth.
    let back: Vec<f64> = earth.coordinates().iter().map(|x| -x).collect();
    let seen = Point::at(&back, Ball::new(Curvature::ONE).length(&earth, &origin()).unwrap());
    let seen = seen.unwrap().moebius_add(&luna).unwrap();
    let sign = if is_towards { 1.0 } else { -1.0 };
    let direction: Vec<f64> = seen.coordinates().iter().map(|x| sign * x).collect();
    earth.moebius_add(&Point::at(&direction, length).unwrap()).unwrap().to_position().unwrap()
}

fn origin() -> Point {
    Point::try_from(&Position::origin(8)).unwrap()
}

/// Four agents at these places, on earth's only worker, which has room for no more; luna has.
fn crowd(places: [(f64, bool); 4], policy: &str, document: &str) -> (World, Vec<AgentId>) {
    let mut world = planets();
    let mut big = offer("luna.1");
    big.resources.cpu_milli = 16_000;
    world.offer(big);
    world.offer_all("earth.1");
    declare(&mut world, policy, document);
    let ids = places
        .map(|(length, is_towards)| {
            let position = Some(from_earth(&world, length, is_towards));
            spawn_as(&mut world, "tenant", AgentSpec { position, ..unordered("earth", policy) })
        })
        .to_vec();
    assert!(ids.iter().all(|id| world.home_of(id) == "earth.1"));
    (world, ids)
}

const AWAY: [(f64, bool); 4] = [(0.3, false), (0.5, false), (0.8, false), (1.1, false)];

#[test]
fn a_dilation_takes_each_agent_a_quarter_further_from_the_place_of_its_region() {
    let (mut world, ids) = crowd(AWAY, "free", "{}");
    let earth = place(&world, "earth");
    let course = |world: &World, id: &AgentId| world.fabric.agent(id).unwrap().course.clone();
    let mut receipts = Vec::new();
    while course(&world, &ids[0]).is_none() {
        receipts = checkpoint(&mut world);
    }
    assert_eq!(count(&receipts, ReceiptKind::AgentMigrated), 0);
    for (id, (length, _)) in ids.iter().zip(AWAY) {
        let goal = course(&world, id).unwrap();
        assert!((distance(&goal, &earth) - 1.25 * length).abs() < 1e-6, "{length}");
    }
}

#[test]
fn a_dilation_takes_over_only_who_gets_nearer_to_the_other_region_and_may_live_there() {
    let outermost = [(0.27, true), (0.3, false), (0.5, false), (0.8, false)];
    let moved = |policy: &str, document: &str| {
        let (mut world, ids) = crowd(outermost, policy, document);
        for _ in 0..4 {
            checkpoint(&mut world);
        }
        ids.iter().map(|id| world.home_of(id)).collect::<Vec<_>>()
    };
    assert_eq!(moved("free", "{}"), ["luna.1", "earth.1", "earth.1", "earth.1"]);
    let at_home = rule("at-home", r#"{"inside":{"regions":["earth"]}}"#);
    assert_eq!(moved("home", &at_home), ["earth.1"; 4]);
}

#[test]
fn a_dilation_takes_nobody_to_where_a_policy_forbids_it() {
    let near = rule("near", r#"{"within":{"of":{"region":"earth"},"delta_micro":1200000}}"#);
    let (mut world, ids) = crowd(AWAY, "near", &near);
    for _ in 0..6 {
        checkpoint(&mut world);
    }
    let earth = place(&world, "earth");
    for (id, (length, _)) in ids.iter().zip(AWAY) {
        assert!(is_within(&at(&world, id), &earth, within(1_200_000)).unwrap(), "{length}");
    }
    // Who would have been taken further stays where it is.
    assert!((distance(&at(&world, &ids[3]), &earth) - 1.1).abs() < 1e-6);
}

#[test]
fn a_policy_has_the_version_with_which_it_was_declared() {
    let mut world = planets();
    let version = |world: &World, policy: &str| {
        world.fabric.policies().find(|(found, _)| found.as_str() == policy).unwrap().1.version
    };
    declare(&mut world, "a", "{}");
    declare(&mut world, "b", "{}");
    let (first, other) = (version(&world, "a"), version(&world, "b"));
    assert!(first < other);
    declare(&mut world, "a", &rule("at-home", r#"{"inside":{"regions":["earth"]}}"#));
    assert!(version(&world, "a") > other);
    assert_eq!(version(&world, "b"), other);
    // Kept with the state.
    let again = phalanx_fabric::Fabric::load(world.fabric.entries()).unwrap();
    let kept = again.policies().map(|(name, declared)| (name.to_string(), declared.version));
    let now = world.fabric.policies().map(|(name, declared)| (name.to_string(), declared.version));
    assert_eq!(kept.collect::<Vec<_>>(), now.collect::<Vec<_>>());
}

#[test]
fn who_wishes_to_be_beside_another_is_and_one_who_is_not_there_has_no_say() {
    let mut world = planets();
    world.offer_all("earth.1 mars.1");
    let far = AgentSpec { position: Some(place(&world, "mars")), ..unordered("mars", "default") };
    let far = spawn_as(&mut world, "tenant", far);
    let beside = |agent| {
        let wishes = vec![Wish::Beside { agent, weight: 1_000 }];
        AgentSpec { wishes, ..unordered("earth", "default") }
    };
    let near_it = spawn_as(&mut world, "tenant", beside(far));
    let near_nobody = spawn_as(&mut world, "tenant", beside(AgentId([9; 32])));
    let to_it = |id: &AgentId| distance(&at(&world, id), &at(&world, &far));
    assert!(to_it(&near_it) < to_it(&near_nobody));
    assert_eq!(world.home_of(&near_it), "mars.1");
    assert_eq!(world.home_of(&near_nobody), "earth.1");
    assert_eq!(at(&world, &near_nobody), place(&world, "earth"));
}

#[test]
fn a_document_that_is_no_policy_changes_nothing() {
    let mut world = planets();
    let rules = |count: u32| {
        let rule = |n| format!(r#"{{"name":"r{n}","rule":{{"within":{{"of":"core","delta_micro":{n}}}}}}}"#);
        let rules: Vec<String> = (1..=count).map(rule).collect();
        format!(r#"{{"prove":true,"constraints":[{}]}}"#, rules.join(","))
    };
    // A root shows seven rules.
    for document in ["be kind", "{\"constraints\":[{}]}", "", "[]", &rules(8)] {
        let command = OwnerCommand::SetPolicy { name: name("p"), document: document.as_bytes().to_vec() };
        assert_eq!(refusal(&world.command(command)), "bad_value");
    }
    assert_eq!(world.fabric.policies().count(), 0);
    let document = rules(7).into_bytes();
    world.command(OwnerCommand::SetPolicy { name: name("p"), document });
    assert_eq!(world.fabric.policies().count(), 1);
}

#[test]
fn agents_of_more_dimensions_are_bound_by_the_same_balls_and_those_of_fewer_refused_by_name() {
    let mut world = planets();
    world.offer_all("earth.1 luna.1 mars.1");
    let mars = r#"{"region":"mars"}"#;
    declare(&mut world, "core", &rule("near-core", r#"{"within":{"of":"core","delta_micro":500000}}"#));
    declare(
        &mut world,
        "home",
        &rule("near-mars", &format!(r#"{{"within":{{"of":{mars},"delta_micro":300000}}}}"#)),
    );
    declare(
        &mut world,
        "off",
        &rule("off-mars", &format!(r#"{{"beyond":{{"of":{mars},"delta_micro":300000}}}}"#)),
    );
    let wide = |position: Position, last: i64| {
        let mut wide = position.widened(64);
        wide.0[63] = last;
        wide
    };
    let order = |policy: &str, position: Position| {
        let spec = AgentSpec { position: Some(position), ..unordered("earth", policy) };
        Operation::SpawnAgent(Box::new(spec))
    };
    let (core, mars) = (Position::origin(8), place(&world, "mars"));
    // A sixteenth of the way to the edge is 0.13 from the core, a half is 1.1.
    let (little, far) = (1 << 36, 1 << 39);
    for (policy, position, broken) in [
        ("core", wide(core.clone(), little), None),
        ("core", wide(core.clone(), far), Some("near-core")),
        ("home", wide(mars.clone(), 0), None),
        ("home", wide(mars.clone(), little), None),
        ("home", wide(core.clone(), 0), Some("near-mars")),
        ("off", wide(core.clone(), little), None),
        ("off", wide(mars.clone(), 0), Some("off-mars")),
        ("off", wide(mars.clone(), 1 << 30), Some("off-mars")),
        // Nothing can be said of fewer.
        ("core", Position(vec![0; 4]), Some("near-core")),
        ("off", Position(vec![0; 4]), Some("off-mars")),
    ] {
        let applied = world.clone().one(key("tenant"), order(policy, position.clone()));
        match broken {
            None => drop(first(&applied.receipts, ReceiptKind::AgentSpawned)),
            Some(broken) => {
                let text = reason(&applied.receipts);
                assert!(text.contains(policy) && text.contains(broken), "{position:?}: {text}");
            }
        }
    }
    // What circuits are to show is of the agent's dimension.
    for dimension in [8, 64] {
        let (_, bound) = world.fabric.policy_of(&unordered("earth", "home"), dimension);
        assert_eq!(bound.rules[0].center, mars.clone().widened(dimension));
    }
    // Who is where it must not be any more is led back in all its dimensions.
    let spec = AgentSpec { position: Some(wide(core, far)), ..unordered("earth", "default") };
    let id = spawn_as(&mut world, "tenant", spec);
    let document = r#"{"binds":"all","constraints":[{"name":"near","rule":{"within":{"of":"core","delta_micro":300000}}}]}"#;
    declare(&mut world, "all-near", document);
    for _ in 0..6 * BEATS {
        world.idle();
    }
    assert!(is_within(&at(&world, &id), &Position::origin(64), within(300_000)).unwrap());
}
