//! Witnesses of what is true.

use crate::testing::{self, Draw};
use phalanx_circuits::{
    native::Selector,
    witness::{ActionWitness, BoundPolicy, BoundRule, IntegrityWitness, PositionWitness},
};
use phalanx_geometry::{Curvature, Reach};
use phalanx_types::{Name, agent::Position, units::CheckpointNumber};

fn rule(constraint: &str, center: &Position, micro: u64, selector: Selector) -> BoundRule {
    let reach = match selector {
        Selector::Within => Reach::for_within(Curvature::ONE, micro),
        Selector::Beyond => Reach::for_beyond(Curvature::ONE, micro),
    };
    BoundRule {
        policy: Name::new("zones").unwrap(),
        constraint: Name::new(constraint).unwrap(),
        center: center.clone(),
        reach: reach.unwrap(),
        selector,
    }
}

/// Within a wide region around the origin, and not beyond a far one: the first of the rules
/// holds, the second does not.
fn policy(dimension: usize) -> BoundPolicy {
    let origin = Position::origin(dimension);
    BoundPolicy {
        step: Reach::for_within(Curvature::ONE, 2_000_000).unwrap(),
        rules: vec![
            rule("near", &origin, 5_000_000, Selector::Within),
            rule("far", &origin, 9_000_000, Selector::Beyond),
        ],
    }
}

/// An agent whose first rule holds.
pub fn position(seed: usize, dimension: usize) -> PositionWitness {
    let mut draw = Draw(seed as u64);
    let policy = policy(dimension);
    let place = draw.place(dimension, 3.0);
    let agent = draw.agent(place, &policy.to_native().unwrap());
    let (tree, at) = testing::among_others(&mut draw, agent.leaf().unwrap());
    PositionWitness { checkpoint: CheckpointNumber(7), agent, path: tree.path(at).unwrap(), policy }
}

/// A lawful action.
pub fn action(seed: u64, dimension: usize) -> ActionWitness {
    let mut draw = Draw(seed);
    let policy = policy(dimension);
    let secret = testing::action_secret(&mut draw, dimension, |secret| {
        secret.policy = policy.to_native().unwrap();
        secret.after.policy_root = secret.policy.root();
    });

    ActionWitness {
        checkpoint: CheckpointNumber(7),
        before: secret.before.clone(),
        after: secret.after.clone(),
        policy,
        worker: secret.worker,
        index: secret.index,
        beat: secret.beat,
        path: secret.path.clone(),
    }
}

/// A chain of three beats.
pub fn integrity(seed: u64) -> IntegrityWitness {
    let (first, secret) = testing::integrity_secret(&mut Draw(seed), 3);
    IntegrityWitness {
        checkpoint: CheckpointNumber(7),
        first,
        from: secret.from,
        receipts_roots: secret.receipts_roots.clone(),
        path: secret.path.clone(),
    }
}
