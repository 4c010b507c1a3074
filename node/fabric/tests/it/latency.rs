//! Agreed latencies: the weighted median of validators' measurements.

use crate::world::{World, first, key, kinds, name, shown};
use phalanx_fabric::Applied;
use phalanx_types::{Genesis, Operation, OwnerCommand, ReceiptKind, shard::LatencyEntry};

fn measure(world: &mut World, who: &str, latency_ms: u32) -> Applied {
    let entry = LatencyEntry { from: name("earth"), to: name("mars"), latency_ms };
    world.one(key(who), Operation::MeasureLatency(entry))
}

fn agreed(world: &World) -> u32 {
    world.fabric.latency(&name("earth"), &name("mars"))
}

/// Two validators in each of the two regions; nobody else can measure.
fn between(change: impl FnOnce(&mut Genesis)) -> World {
    World::bare(|genesis| {
        for (validator, region) in genesis.validators.iter_mut().zip(["earth", "mars", "earth", "mars"]) {
            validator.region = name(region);
        }
        change(genesis);
    })
}

#[test]
fn only_validators_of_the_two_regions_measure_a_latency() {
    let mut world = World::bare(|genesis| {
        for validator in &mut genesis.validators {
            validator.region = name("luna");
        }
    });
    assert_eq!(kinds(&measure(&mut world, "v1", 70).receipts), [ReceiptKind::Refused]);
}

#[test]
fn a_latency_is_agreed_when_more_than_two_thirds_have_measured() {
    let mut world = between(|_| ());
    assert_eq!(agreed(&world), 50);
    assert_eq!(kinds(&measure(&mut world, "v1", 70).receipts), []);
    assert_eq!(kinds(&measure(&mut world, "v2", 80).receipts), []);
    assert_eq!(agreed(&world), 50);
    let applied = measure(&mut world, "v3", 90);
    let receipt = first(&applied.receipts, ReceiptKind::LatencyAgreed);
    assert_eq!(receipt.subject, "earth>mars");
    assert_eq!((shown(receipt, "before_ms"), shown(receipt, "after_ms")), ("50".into(), "80".into()));
    assert_eq!(agreed(&world), 80);
    // The other direction and other pairs are their own.
    assert_eq!(world.fabric.latency(&name("mars"), &name("earth")), 50);
}

#[test]
fn one_liar_of_four_moves_the_median_only_among_honest_values() {
    for lie in [0, 1, 79, 91, 3_600_000] {
        for liar in 1..=4_u32 {
            let mut world = between(|_| ());
            for validator in 1..=4 {
                let honest = 80 + validator;
                let said = if validator == liar { lie } else { honest };
                measure(&mut world, &format!("v{validator}"), said);
                // Whoever speaks first: never agreed on a lie.
                assert!(agreed(&world) == 50 || (81..=84).contains(&agreed(&world)), "{}", agreed(&world));
            }
            assert!((81..=84).contains(&agreed(&world)));
        }
    }
}

#[test]
fn a_median_is_weighted() {
    let mut world = between(|genesis| genesis.validators[3].base_weight = phalanx_types::Weight(4));
    for (who, ms) in [("v1", 10), ("v2", 20), ("v4", 90)] {
        measure(&mut world, who, ms);
    }
    assert_eq!(agreed(&world), 90);
}

#[test]
fn a_validators_last_word_counts_and_a_removed_ones_none() {
    let mut world = between(|_| ());
    for (who, ms) in [("v1", 10), ("v2", 20), ("v3", 30)] {
        measure(&mut world, who, ms);
    }
    assert_eq!(agreed(&world), 20);
    measure(&mut world, "v1", 40);
    assert_eq!(agreed(&world), 30);
    world.command(OwnerCommand::RemoveValidator { vote_key: key("v1") });
    // Two of three have measured; with the third it is 5, 20, 30.
    measure(&mut world, "v4", 5);
    assert_eq!(agreed(&world), 20);
}
