//! Meshes of other curvatures and of more dimensions.

use crate::{
    policies::{at, checkpoint, declare, distance, place, planets_with, spawn_as, unordered},
    world::{World, agent, count, job, key, name, refusal},
};
use phalanx_types::{
    AgentSpec, Operation, ReceiptKind,
    agent::Position,
    params::{DIMENSIONS, Mode},
};

fn world(curvature_ppm: u32, dimension: u16) -> World {
    let mut world = planets_with(|genesis| {
        genesis.mode = Mode::GeometricMesh;
        (genesis.params.curvature_ppm, genesis.params.dimension) = (curvature_ppm, dimension);
    });
    world.offer_all("earth.1 luna.1 mars.1");
    for _ in 0..4 {
        checkpoint(&mut world);
    }
    world
}

/// The weights of the votes.
fn weights(world: &World) -> [u64; 4] {
    let set = world.fabric.validator_set();
    ["v1", "v2", "v3", "v4"].map(|v| set.weight_of(&key(v)).map_or(0, |weight| weight.0))
}

#[test]
fn regions_are_as_far_apart_as_their_latency_at_every_curvature() {
    for curvature in [250_000, 1_000_000, 4_000_000] {
        let world = world(curvature, 8);
        let root = (f64::from(curvature) / 1e6).sqrt();
        for (a, b, length) in [("earth", "luna", 0.6), ("earth", "mars", 1.8), ("luna", "mars", 1.9)] {
            let (a, b) = (place(&world, a), place(&world, b));
            let found = world.fabric.ball().distance(&a, &b).unwrap().to_f64();
            assert!((found - length).abs() < 0.05, "at {curvature}: {found} for {length}");
            assert!((distance(&a, &b) - found * root).abs() < 1e-6);
        }
    }
}

#[test]
fn votes_weigh_by_lengths_of_the_meshs_curvature() {
    let weighed = [250_000, 1_000_000, 4_000_000].map(|curvature| {
        let mut world = world(curvature, 8);
        world.submit_all(vec![job("mars"); 6]);
        checkpoint(&mut world);
        weights(&world)
    });
    // The lengths follow from the same latencies, and so do the weights, but for the focus:
    // the mean of the same places lies elsewhere.
    for of_one in weighed {
        for (found, expected) in of_one.into_iter().zip(weighed[1]) {
            assert!(found.abs_diff(expected) * 5 < expected, "{weighed:?}");
        }
        assert!(of_one[2] > of_one[0], "{weighed:?}");
    }
}

#[test]
fn a_policys_lengths_are_those_of_the_meshs_curvature() {
    // From the origin 1.1 at curvature 1, 0.55 at 4, 2.2 at a quarter.
    let half = Position(vec![1 << 39, 0, 0, 0, 0, 0, 0, 0]);
    let order = |policy: &str| {
        let spec = AgentSpec { position: Some(half.clone()), ..unordered("earth", policy) };
        Operation::SpawnAgent(Box::new(spec))
    };
    for (curvature, delta, is_within) in [
        (1_000_000, 1_090_000, false),
        (1_000_000, 1_110_000, true),
        (4_000_000, 540_000, false),
        (4_000_000, 560_000, true),
        (250_000, 2_190_000, false),
        (250_000, 2_210_000, true),
    ] {
        let mut world = world(curvature, 8);
        for (policy, rule) in [("near", "within"), ("off", "beyond")] {
            let rule = format!(r#"{{"{rule}":{{"of":"core","delta_micro":{delta}}}}}"#);
            declare(&mut world, policy, &format!(r#"{{"constraints":[{{"name":"only","rule":{rule}}}]}}"#));
            let applied = world.clone().one(key("tenant"), order(policy));
            let expected = if is_within == (policy == "near") { "" } else { "forbidden" };
            let is_refused = count(&applied.receipts, ReceiptKind::Refused) > 0;
            let found = if is_refused { refusal(&applied) } else { String::new() };
            assert_eq!(found, expected, "{policy} {delta} at {curvature}");
            // Whom the mesh places obeys it too.
            let id = spawn_as(&mut world, "tenant", unordered("earth", policy));
            let length = world.fabric.ball().distance(&at(&world, &id), &Position::origin(8)).unwrap();
            let delta = f64::from(delta) / 1e6;
            assert!((length.to_f64() <= delta) == (policy == "near"), "{length:?} {delta}");
        }
    }
}

#[test]
fn all_places_have_the_meshs_dimensions() {
    for dimension in DIMENSIONS {
        let mut world = world(1_000_000, dimension);
        let wide = usize::from(dimension);
        for (_, place) in world.fabric.placed_regions() {
            assert_eq!(place.0.len(), wide);
            assert!(place.0[8..].iter().all(|x| *x == 0), "regions lie in the part of eight");
        }
        // What agents can do and mean has room in all of them.
        let mut spec = unordered("earth", "default");
        spec.affinity.skills = [name("gpu")].into();
        spec.affinity.semantic = (0..100).map(|x| x * x - 2_000).collect();
        let id = spawn_as(&mut world, "tenant", spec.clone());
        let first = at(&world, &id);
        assert_eq!(first.0.len(), wide);
        assert!(wide == 8 || first.0[8..].iter().any(|x| *x != 0));
        let id = spawn_as(&mut world, "tenant", spec.clone());
        assert_eq!(at(&world, &id), first);
        spec.affinity.semantic.reverse();
        let id = spawn_as(&mut world, "tenant", spec);
        assert_ne!(at(&world, &id), first);
        // Agents draw the focus, and who is ordered to a place of eight coordinates is there.
        let ordered = Position(vec![1 << 38, 0, 0, 0, 0, 0, 0, 0]);
        let id =
            spawn_as(&mut world, "tenant", AgentSpec { position: Some(ordered.clone()), ..agent("mars") });
        assert_eq!(at(&world, &id), ordered.widened(wide));
        checkpoint(&mut world);
        let focus = world.fabric.focus().unwrap();
        assert!(focus.0.len() == wide && *focus != Position::origin(wide));
        assert!(weights(&world).into_iter().collect::<std::collections::BTreeSet<_>>().len() > 1);
        // Another one goes to Mars by steps.
        let migrated =
            world.one(key("tenant"), Operation::MigrateAgent { agent: id, worker: name("luna.1") });
        assert_eq!(count(&migrated.receipts, ReceiptKind::AgentMigrated), 1);
        for _ in 0..20 {
            world.idle();
        }
        let moved = at(&world, &id);
        assert!(moved.0.len() == wide && world.fabric.agent(&id).unwrap().course.is_none());
    }
}
