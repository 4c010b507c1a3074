//! The circuit against its twin, and what must not pass.

use super::{Action, Public, Secret, check};
use crate::{
    native::{self, Fr, Policy, Rule, Selector, Tree, capacity_hash, nullifier},
    position::tests::{halves, hash_anyway, leaf_anyway},
    r1cs::Circuit,
    testing::{Draw, action_secret, assert_bits, assert_determined, flip_each, recorded},
};
use ark_ff::Field;
use phalanx_geometry::Reach;
use phalanx_types::{
    AgentId, GpuRequest, Height,
    agent::{AgentSeed, Position},
    resources::{WORKER_GPUS_MAX, WorkerResources},
};

const WITHIN: Selector = Selector::Within;

fn circuit(dimension: usize) -> Circuit<Action> {
    Circuit::new(Action::new(dimension).unwrap()).unwrap()
}

/// Asserts that circuit and twin agree, and returns their verdict.
fn verdict(circuit: &Circuit<Action>, inputs: &[Fr], secret: &Secret) -> bool {
    let by_twin = check(circuit.statement(), inputs, secret);
    let by_circuit = circuit.assign(inputs, secret).err();
    assert_eq!(by_circuit.is_none(), by_twin.is_ok(), "circuit: {by_circuit:?}, twin: {by_twin:?}");
    by_twin.is_ok()
}

fn public(secret: &Secret) -> Public {
    Public::of(secret, secret.policy.rules()[1].reach, WITHIN, Fr::from(3)).unwrap()
}

#[test]
fn constraint_counts_are_pinned() {
    let found = [2, 8, 64, 512].map(|dimension| circuit(dimension).shape().constraints());
    assert_eq!(found, [8450, 9281, 17178, 84350]);
}

#[test]
fn a_lawful_action_is_proven_in_every_dimension() {
    for dimension in [2, 8, 64] {
        let circuit = circuit(dimension);
        for seed in 0..4 {
            let secret = action_secret(&mut Draw(seed), dimension, |_| ());
            assert!(verdict(&circuit, &public(&secret).inputs(), &secret));
        }
    }
}

/// Every change is recorded by the validators as it is: the leaf is in the tree, and yet
/// nothing can be proven of it.
#[test]
fn an_action_that_breaks_one_rule_has_no_proof() {
    let circuit = circuit(2);
    let changes: [(&str, fn(&mut Secret)); 11] = [
        ("id", |s| s.after.id = AgentId([1; 32])),
        ("tenant", |s| s.after.tenant += Fr::from(1)),
        ("seed", |s| s.after.seed = AgentSeed([1; 32])),
        ("nonce kept", |s| s.after.nonce -= 1),
        ("nonce skipped", |s| s.after.nonce += 1),
        ("cpu", |s| s.after.resources.cpu_milli = s.worker.cpu_milli + 1),
        ("memory", |s| s.after.resources.memory_mib = s.worker.memory_mib + 1),
        ("gpu", |s| s.after.resources.gpu = GpuRequest::Whole { count: s.worker.gpus + 1 }),
        ("policy", |s| s.after.policy_root += Fr::from(1)),
        ("step", |s| s.after.position.0[0] = s.before.position.0[0] + (1 << 38)),
        ("region", |s| s.region.0[0] = -s.region.0[0]),
    ];
    for (what, change) in changes {
        let secret = action_secret(&mut Draw(9), 2, change);
        assert!(!verdict(&circuit, &public(&secret).inputs(), &secret), "{what}");
    }
}

#[test]
fn amounts_are_bounded_by_the_worker_exactly() {
    let circuit = circuit(2);
    let secret = action_secret(&mut Draw(11), 2, |s| {
        s.after.resources.cpu_milli = s.worker.cpu_milli;
        s.after.resources.memory_mib = s.worker.memory_mib;
        s.after.resources.gpu = GpuRequest::Whole { count: s.worker.gpus };
    });
    assert!(verdict(&circuit, &public(&secret).inputs(), &secret));
    // The largest and the least amounts, and one more than the worker has.
    let (none, full) = (0, u32::MAX);
    let gpus = WORKER_GPUS_MAX;
    for (taken, held, holds) in [
        ((full, full, gpus), (full, full, gpus), true),
        ((none, none, 0), (none, none, 0), true),
        ((none, none, 0), (full, full, gpus), true),
        ((full, full, gpus), (full - 1, full, gpus), false),
        ((full, full, gpus), (full, full - 1, gpus), false),
        ((full, full, gpus), (full, full, gpus - 1), false),
        ((1, none, 0), (none, full, gpus), false),
        ((none, 1, 0), (full, none, gpus), false),
        ((none, none, 1), (full, full, 0), false),
    ] {
        let secret = action_secret(&mut Draw(11), 2, |s| {
            let resources = &mut s.after.resources;
            (resources.cpu_milli, resources.memory_mib) = (taken.0, taken.1);
            resources.gpu = match taken.2 {
                0 => GpuRequest::None,
                count => GpuRequest::Whole { count },
            };
            s.worker = WorkerResources { cpu_milli: held.0, memory_mib: held.1, gpus: held.2 };
        });
        let found = verdict(&circuit, &public(&secret).inputs(), &secret);
        assert_eq!(found, holds, "{taken:?} of {held:?}");
    }
}

#[test]
fn the_last_nonce_has_nothing_after_it() {
    let circuit = circuit(2);
    for (before, after, holds) in [
        (0, 1, true),
        (u64::MAX - 1, u64::MAX, true),
        (u64::MAX, u64::MAX, false),
        (u64::MAX, 0, false),
        (u64::MAX - 1, u64::MAX - 1, false),
    ] {
        let secret = action_secret(&mut Draw(14), 2, |s| (s.before.nonce, s.after.nonce) = (before, after));
        assert_eq!(verdict(&circuit, &public(&secret).inputs(), &secret), holds, "{before} {after}");
    }
}

/// A move from one place to another, under a policy with that step and the second place as
/// its region.
fn moved(dimension: usize, from: Position, to: Position, step: u128) -> Secret {
    let mut secret = action_secret(&mut Draw(12), dimension, |s| {
        s.before.position = from;
        s.after.position = to.clone();
        s.region = to;
    });
    let region = native::position_hash(&secret.region).unwrap();
    let rules = secret.policy.rules().iter().map(|rule| Rule { region, ..*rule }).collect();
    secret.policy = Policy::new(Reach::from_raw(step).unwrap(), rules).unwrap();
    recorded(&mut Draw(1), secret, true)
}

#[test]
fn a_step_is_bounded_exactly() {
    // Where the inequality of both places is met.
    let exact = 1_u128 << 35;
    for (dimension, used) in [(2, 2), (8, 8), (64, 32), (64, 2)] {
        let circuit = circuit(dimension);
        let (from, to) = halves(dimension, used);
        let mut further = to.clone();
        *further.0.last_mut().unwrap() -= 1;
        let mut nearer = to.clone();
        *nearer.0.last_mut().unwrap() += 1;
        for (to, step, holds) in [
            (&to, exact, true),
            (&to, exact - 1, false),
            (&to, exact + 1, true),
            (&further, exact, false),
            (&nearer, exact, true),
        ] {
            let secret = moved(dimension, from.clone(), to.clone(), step);
            let found = verdict(&circuit, &public(&secret).inputs(), &secret);
            assert_eq!(found, holds, "{used} of {dimension}: {step}");
        }
    }
}

/// As if validators had recorded a move that leaves the ball or comes from outside of it, under
/// a policy that lets it go everywhere.
fn recorded_anyway(mut secret: Secret) -> (Secret, [Fr; 7]) {
    let rule = Rule { region: hash_anyway(&secret.region), reach: Reach::MAX, selector: WITHIN };
    secret.policy = Policy::new(Reach::MAX, vec![rule]).unwrap();
    secret.after.policy_root = secret.policy.root();
    let action = native::Action {
        index: secret.index,
        before: leaf_anyway(&secret.before),
        after: leaf_anyway(&secret.after),
        policy_root: secret.policy.root(),
        capacity_hash: capacity_hash(&secret.worker),
        beat: secret.beat,
    };
    let tree = Tree::new(vec![action.leaf()]).unwrap();
    secret.path = tree.path(0).unwrap();
    let context = Fr::from(5);
    let spent = nullifier(&secret.before.seed, secret.index, context);
    let m = Fr::from(Reach::MAX.raw());
    let inputs = [tree.root(), rule.region, secret.policy.root(), WITHIN.field(), m, spent, context];
    (secret, inputs)
}

#[test]
fn extreme_places_have_the_twins_verdict() {
    let one = 1_i64 << 40;
    // The largest x on an axis: ‖x‖² ≤ 1 − 2^-24.
    let edge = ((1_u128 << 80) - (1 << 56)).isqrt() as i64;
    // The least coordinate that has a slot is -one, the largest is one - 1.
    let places = [0, edge, -edge, edge + 1, -edge - 1, one - 1, 1 - one, one, -one];
    for dimension in [2, 8, 64] {
        let circuit = circuit(dimension);
        let place = |value: i64| {
            let mut coordinates = vec![0; dimension];
            coordinates[dimension - 1] = value;
            Position(coordinates)
        };
        let mut verdicts = [0; 2];
        for x in places {
            for (from, to, region) in [(x, x, x), (x, x, 0), (x, 0, 0), (0, x, 0), (0, 0, x), (x, -x, x)] {
                let mut secret = action_secret(&mut Draw(15), dimension, |_| ());
                (secret.before.position, secret.after.position) = (place(from), place(to));
                secret.region = place(region);
                let (secret, inputs) = recorded_anyway(secret);
                let holds = verdict(&circuit, &inputs, &secret);
                let is_inside = [from, to, region].iter().all(|value| value.abs() <= edge);
                assert!(is_inside || !holds, "{dimension}: {from} {to} {region}");
                verdicts[usize::from(holds)] += 1;
            }
        }
        assert!(verdicts.iter().all(|n| *n > 10), "{verdicts:?}");
        // Every coordinate the least.
        let mut secret = action_secret(&mut Draw(16), dimension, |_| ());
        for position in [&mut secret.before.position, &mut secret.after.position, &mut secret.region] {
            position.0.fill(-one);
        }
        let (secret, inputs) = recorded_anyway(secret);
        assert!(!verdict(&circuit, &inputs, &secret), "{dimension}");
    }
}

#[test]
fn each_public_input_flipped_fails() {
    let mut draw = Draw(5);
    for dimension in [2, 8] {
        let circuit = circuit(dimension);
        let secret = action_secret(&mut draw, dimension, |_| ());
        let inputs = public(&secret).inputs();
        for at in 0..inputs.len() {
            for by in [Fr::from(1), -Fr::from(1), Fr::from(2).pow([80]), draw.field()] {
                let mut other = inputs;
                other[at] += by;
                assert!(!verdict(&circuit, &other, &secret), "input {at} by {by}");
            }
        }
    }
}

#[test]
fn what_was_recorded_cannot_be_opened_as_something_else() {
    let circuit = circuit(2);
    let secret = action_secret(&mut Draw(6), 2, |_| ());
    let inputs = public(&secret).inputs();
    let changes: [fn(&mut Secret); 8] = [
        |s| s.index += 1,
        |s| s.beat = Height(s.beat.0 + 1),
        |s| s.worker.cpu_milli += 1,
        |s| s.after.resources.cpu_milli -= 1,
        |s| s.before.resources.cpu_milli += 1,
        |s| s.before.position.0[0] += 1,
        |s| s.after.position.0[0] += 1,
        |s| s.before.policy_root += Fr::from(1),
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut other = secret.clone();
        change(&mut other);
        assert!(!verdict(&circuit, &inputs, &other), "change {i}");
    }
}

#[test]
fn each_variable_flipped_breaks_a_constraint() {
    let mut draw = Draw(7);
    for (dimension, tried) in [(2, usize::MAX), (8, usize::MAX), (64, 200)] {
        let circuit = circuit(dimension);
        let secret = action_secret(&mut draw, dimension, |_| ());
        let good = circuit.assign(&public(&secret).inputs(), &secret).unwrap();
        flip_each(circuit.shape(), good.variables(), &mut draw, tried);
    }
}

/// Named witnesses and public inputs fixed, every other variable has one value.
#[test]
fn nothing_that_follows_is_free() {
    let mut draw = Draw(13);
    let circuit = circuit(2);
    let secret = action_secret(&mut draw, 2, |_| ());
    let good = circuit.assign(&public(&secret).inputs(), &secret).unwrap();
    assert_determined(circuit.shape(), good.variables());
}

/// Over the matrices alone, whatever has made them.
#[test]
fn every_bit_has_its_own_row() {
    let circuit = circuit(2);
    let mut assigned = Vec::new();
    for seed in 0..24 {
        let secret = action_secret(&mut Draw(seed), 2, |_| ());
        let reach = secret.policy.rules()[0].reach;
        // Of the two rules that hold, and one that says beyond.
        let mut secret = secret;
        let selector = if seed % 2 == 0 { WITHIN } else { Selector::Beyond };
        let reach = if seed % 2 == 0 { reach } else { Reach::from_raw(0).unwrap() };
        let rule = Rule { region: native::position_hash(&secret.region).unwrap(), reach, selector };
        secret.policy = Policy::new(secret.policy.step(), vec![rule]).unwrap();
        let secret = recorded(&mut Draw(seed), secret, true);
        let public = Public::of(&secret, reach, selector, Fr::from(seed)).unwrap();
        assigned.push(circuit.assign(&public.inputs(), &secret).unwrap().variables().to_vec());
    }
    // Three places of two coordinates and their gaps, m, the step, two inequalities, nine amounts,
    // and the selector.
    let places = 3 * (2 * 41 + 80);
    assert_bits(circuit.shape(), &assigned, places + 80 + 80 + 2 * 240 + 9 * 32 + 1);
}
