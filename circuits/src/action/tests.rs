//! The circuit against its twin, and what must not pass.

use super::{Action, Public, Secret, check};
use crate::{
    native::{Fr, Selector},
    r1cs::Circuit,
    testing::{Draw, action_secret, assert_determined, flip_each},
};
use ark_ff::Field;
use phalanx_geometry::Reach;
use phalanx_types::{AgentId, GpuRequest, Height, agent::AgentSeed};

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
    let most = action_secret(&mut Draw(11), 2, |s| {
        s.worker.cpu_milli = u32::MAX;
        s.after.resources.cpu_milli = u32::MAX;
    });
    assert!(verdict(&circuit, &public(&most).inputs(), &most));
}

#[test]
fn a_step_is_bounded_exactly() {
    use crate::native::Policy;
    let circuit = circuit(2);
    let half = 1_i64 << 39;
    // Between (1/2, 1/2) and (1/2, −1/2) the inequality is met at m = 2^35.
    for (step, holds) in [(1_u128 << 35, true), ((1 << 35) - 1, false)] {
        let secret = action_secret(&mut Draw(12), 2, |s| {
            s.before.position.0 = vec![half, half];
            s.after.position.0 = vec![half, -half];
            s.region = s.after.position.clone();
        });
        let rules = secret.policy.rules().iter().map(|r| crate::native::Rule {
            region: crate::native::position_hash(&secret.region).unwrap(),
            ..*r
        });
        let policy = Policy::new(Reach::from_raw(step).unwrap(), rules.collect()).unwrap();
        let mut secret = secret.clone();
        secret.policy = policy;
        let secret = crate::testing::recorded(&mut Draw(1), secret, true);
        assert_eq!(verdict(&circuit, &public(&secret).inputs(), &secret), holds, "{step}");
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
