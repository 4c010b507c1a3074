//! Votes that weigh by distance from the work.

use crate::world::{World, agent, count, job, key, name, shard, validator};
use phalanx_types::{
    Operation, OwnerCommand, PublicKey, ReceiptKind,
    agent::{COORDINATE_FRACTION_BITS, Position},
    params::Mode,
    shard::LatencyEntry,
};
use std::collections::BTreeMap;

const BEATS: u32 = 4;

/// Earth, Luna and Mars as far apart as in the planetary scenario, one validator in each
/// and a second one on Earth.
fn planets(mode: Mode) -> World {
    World::bare(|genesis| {
        genesis.mode = mode;
        genesis.params.checkpoint_beats = BEATS;
        // Nobody has measured how far it is.
        genesis.shards.push(shard("helios", 100, "earth"));
        for entry in &mut genesis.latencies {
            let mut pair = [entry.from.as_str(), entry.to.as_str()];
            pair.sort_unstable();
            entry.latency_ms = match pair {
                ["earth", "luna"] => 60,
                ["earth", "mars"] => 180,
                ["luna", "mars"] => 190,
                _ => 5,
            };
        }
    })
}

fn weights(world: &World) -> BTreeMap<&'static str, u64> {
    let set = world.fabric.validator_set();
    ["v1", "v2", "v3", "v4"].map(|v| (v, set.weight_of(&key(v)).map_or(0, |w| w.0))).into()
}

/// Beats until a checkpoint has closed.
fn checkpoint(world: &mut World) {
    while !world.idle().checkpoint_due {}
}

#[test]
fn all_weigh_alike_until_a_checkpoint_and_then_by_their_distance_from_the_work() {
    let mut world = planets(Mode::GeometricMesh);
    world.offer_all("mars.1");
    let (ids, _) = world.submit_all(vec![job("mars"); 6]);
    assert_eq!((ids.len(), weights(&world).into_values().collect::<Vec<_>>()), (6, vec![1; 4]));
    assert_eq!(world.fabric.focus(), None);
    checkpoint(&mut world);
    let found = weights(&world);
    assert_eq!(found["v1"], found["v4"], "{found:?}");
    assert!(found["v3"] > found["v1"], "{found:?}");
    // None of four holds a third, wherever the work is.
    let total: u64 = found.values().sum();
    assert!(found.values().all(|weight| 3 * weight < total), "{found:?}");
    assert_eq!(world.fabric.focus(), world.fabric.place(&name("mars")));
}

#[test]
fn without_work_the_focus_is_the_origin_and_a_mesh_that_idles_keeps_its_set() {
    let mut world = planets(Mode::GeometricMesh);
    checkpoint(&mut world);
    assert_eq!(world.fabric.focus(), Some(&Position::origin(8)));
    // Places settle within a few checkpoints, and then nothing moves any more.
    for _ in 0..8 {
        checkpoint(&mut world);
    }
    let set = world.fabric.validator_set().clone();
    for _ in 0..20 * BEATS {
        let applied = world.idle();
        assert_eq!(count(&applied.receipts, ReceiptKind::ValidatorsChanged), 0);
    }
    assert_eq!(world.fabric.validator_set().members(), set.members());
}

#[test]
fn agents_draw_the_focus_and_leave_it() {
    let mut world = planets(Mode::GeometricMesh);
    world.offer_all("earth.1 luna.1 mars.1");
    checkpoint(&mut world);
    let far = Position(vec![1 << (COORDINATE_FRACTION_BITS - 1), 0, 0, 0, 0, 0, 0, 0]);
    let (id, _) = world.spawn(phalanx_types::AgentSpec { position: Some(far.clone()), ..agent("earth") });
    checkpoint(&mut world);
    let near = |a: &Position, b: &Position| a.0.iter().zip(&b.0).all(|(a, b)| (a - b).abs() < 1 << 20);
    assert!(near(world.fabric.focus().unwrap(), &far), "{:?}", world.fabric.focus());
    // One of another dimension has no part in it.
    let flat = phalanx_types::AgentSpec { position: Some(Position(vec![5, 5])), ..agent("earth") };
    world.spawn(flat);
    checkpoint(&mut world);
    assert!(near(world.fabric.focus().unwrap(), &far));
    world.one(key("tenant"), Operation::TerminateAgent { agent: id });
    checkpoint(&mut world);
    assert_eq!(world.fabric.focus(), Some(&Position::origin(8)));
}

#[test]
fn a_focus_that_would_hardly_move_stays() {
    let mut world = planets(Mode::GeometricMesh);
    world.offer_all("earth.1");
    // Distances from the first: nothing, 0.003, 0.17.
    let focus: Vec<Position> = [0, 1 << 30, 1 << 36]
        .into_iter()
        .map(|moved| {
            let position = Position(vec![(1 << (COORDINATE_FRACTION_BITS - 1)) + moved, 0, 0, 0, 0, 0, 0, 0]);
            let (id, _) =
                world.spawn(phalanx_types::AgentSpec { position: Some(position), ..agent("earth") });
            checkpoint(&mut world);
            let focus = world.fabric.focus().unwrap().clone();
            world.one(key("tenant"), Operation::TerminateAgent { agent: id });
            focus
        })
        .collect();
    assert_eq!(focus[0], focus[1]);
    assert_ne!(focus[0], focus[2]);
}

#[test]
fn a_latency_that_is_agreed_anew_moves_what_it_concerns() {
    let mut world = planets(Mode::GeometricMesh);
    world.offer_all("earth.1");
    world.submit_all(vec![job("earth"); 3]);
    for _ in 0..4 {
        checkpoint(&mut world);
    }
    let before = weights(&world);
    for (from, to) in [("earth", "luna"), ("luna", "earth"), ("mars", "luna"), ("luna", "mars")] {
        for who in ["v1", "v2", "v3", "v4"] {
            let entry = LatencyEntry { from: name(from), to: name(to), latency_ms: 500 };
            world.one(key(who), Operation::MeasureLatency(entry));
        }
    }
    for _ in 0..6 {
        checkpoint(&mut world);
    }
    let after = weights(&world);
    let part =
        |weights: &BTreeMap<&str, u64>, who| weights[who] as f64 / weights.values().sum::<u64>() as f64;
    assert!(part(&after, "v2") < part(&before, "v2") / 2.0, "{before:?} {after:?}");
}

#[test]
fn the_owner_switches_through_all_modes_from_the_next_height_on() {
    let mut world = planets(Mode::FullyDistributed);
    world.offer_all("mars.1");
    world.submit_all(vec![job("mars"); 6]);
    checkpoint(&mut world);
    let equal = vec![1; 4];
    assert_eq!(weights(&world).into_values().collect::<Vec<_>>(), equal);
    world.command(OwnerCommand::SetMode { mode: Mode::GeometricMesh });
    let geometric = weights(&world);
    assert!(geometric["v3"] > geometric["v1"], "{geometric:?}");
    world.command(OwnerCommand::SetMode { mode: Mode::Centralized { succession: vec![key("v2")] } });
    assert_eq!(weights(&world).into_values().collect::<Vec<_>>(), equal);
    assert_eq!(world.fabric.validator_set().proposers()[0], key("v2"));
    world.command(OwnerCommand::SetValidator { validator: validator("v5", "helios", 1) });
    let coordinators = [("earth", "v1"), ("luna", "v2"), ("mars", "v3"), ("helios", "v5")];
    let coordinators = coordinators.map(|(region, who)| (name(region), vec![key(who)])).into();
    world.command(OwnerCommand::SetMode { mode: Mode::Federated { coordinators } });
    assert_eq!(world.fabric.validator_set().members().len(), 4);
    world.command(OwnerCommand::SetMode { mode: Mode::GeometricMesh });
    assert_eq!(world.fabric.validator_set().members().len(), 5);
    // A region whose latencies nobody knows is as far as can be.
    let new = world.fabric.validator_set().weight_of(&key("v5")).unwrap().0;
    assert!(new < weights(&world)["v2"], "{new} {:?}", weights(&world));
}

#[test]
fn the_most_central_proposes_first_and_then_each_in_turn() {
    let mut world = planets(Mode::GeometricMesh);
    for _ in 0..4 {
        checkpoint(&mut world);
    }
    let order: Vec<PublicKey> = {
        let height = world.fabric.height().next().0;
        let mut order = world.fabric.validator_set().proposers().to_vec();
        order.rotate_right(usize::try_from(height % 4).unwrap());
        order
    };
    // Mars is the outermost.
    assert_eq!(order.last(), Some(&key("v3")));
    let mut first = Vec::new();
    for _ in 0..4 {
        world.idle();
        first.push(world.fabric.validator_set().proposers()[0]);
    }
    first.sort();
    let mut all: Vec<PublicKey> = ["v1", "v2", "v3", "v4"].map(key).into();
    all.sort();
    assert_eq!(first, all);
}
