//! The circuit against its twin, and what must not pass.

use super::{Position, Public, Secret, check};
use crate::{
    native::{
        AgentState, Fr, Selector, Tree, blinding, field_of, poseidon, position_nullifier, resources_hash,
        tags,
    },
    r1cs::{Assignment, Broken, Circuit},
    testing::{Draw, assert_bits, assert_determined, flip_each, position_secret, reach},
};
use ark_ff::Field;
use phalanx_geometry::{Reach, gap};
use phalanx_types::agent;
use std::sync::OnceLock;

fn circuit(dimension: usize) -> &'static Circuit<Position> {
    static CIRCUITS: [OnceLock<Circuit<Position>>; 4] = [const { OnceLock::new() }; 4];
    let at = Position::DIMENSIONS.iter().position(|d| *d == dimension).unwrap();
    CIRCUITS[at].get_or_init(|| Circuit::new(Position::new(dimension).unwrap()).unwrap())
}

/// Asserts that circuit and twin agree, and returns their verdict.
fn verdict(dimension: usize, inputs: &[Fr], secret: &Secret) -> bool {
    let circuit = circuit(dimension);
    let by_twin = check(circuit.statement(), inputs, secret);
    let by_circuit = circuit.assign(inputs, secret);
    assert_eq!(
        by_circuit.is_ok(),
        by_twin.is_ok(),
        "circuit: {:?}, twin: {by_twin:?}",
        by_circuit.err().map(|e| e.to_string())
    );
    by_twin.is_ok()
}

fn sample(draw: &mut Draw, dimension: usize, with_policy: bool) -> (Public, Secret) {
    let (x, c) = (draw.place(dimension, 4.0), draw.place(dimension, 4.0));
    let reach = reach(draw);
    let selector = if reach.holds(&x, &c).unwrap() { Selector::Within } else { Selector::Beyond };
    let secret = position_secret(draw, (x, c), reach, selector);
    let public = Public::of(&secret, reach, selector, with_policy, draw.field()).unwrap();
    (public, secret)
}

#[test]
fn constraint_counts_are_pinned() {
    for (dimension, constraints) in [(2, 5803), (8, 6355), (64, 11601), (512, 56233)] {
        let shape = circuit(dimension).shape();
        assert_eq!((dimension, shape.constraints()), (dimension, constraints));
        assert_eq!(shape.inputs(), 8);
    }
}

#[test]
fn what_is_true_is_proven_within_and_beyond_in_every_dimension() {
    let mut draw = Draw(1);
    for dimension in [2, 8, 64] {
        let mut sides = [0; 2];
        for _ in 0..if dimension == 64 { 12 } else { 40 } {
            let with_policy = draw.below(2) == 0;
            let (public, secret) = sample(&mut draw, dimension, with_policy);
            assert!(verdict(dimension, &public.inputs(), &secret));
            sides[usize::from(public.rule.selector == Selector::Beyond)] += 1;
            let mut other = public.inputs();
            other[3] = Fr::from(1) - other[3];
            assert!(!verdict(dimension, &other, &secret), "both sides hold");
        }
        assert!(sides.iter().all(|n| *n > 0), "{sides:?}");
    }
}

/// `m` that is met exactly needs gaps that divide. Over `used` coordinates of one size lie two
/// places whose squares make 1/2, and half of these coordinates have the other sign: both gaps
/// are 1/2 and the places are 1 apart: `2^113·2^80 = m·2^79·2^79` gives `m = 2^35`.
pub(crate) fn halves(dimension: usize, used: usize) -> (agent::Position, agent::Position) {
    let size = ((1_u128 << 79) / used as u128).isqrt() as i64;
    let mut x = vec![0; dimension];
    x[dimension - used..].fill(size);
    let mut c = x.clone();
    c[dimension - used / 2..].fill(-size);
    let (x, c) = (agent::Position(x), agent::Position(c));
    assert_eq!([gap(&x).unwrap() * 2, gap(&c).unwrap() * 2], [1 << 80; 2]);
    (x, c)
}

#[test]
fn at_the_boundary_within_holds_and_one_unit_over_is_beyond() {
    let exact = 1_u128 << 35;
    for (dimension, used) in [(2, 2), (8, 8), (64, 32), (64, 2), (512, 512), (512, 2)] {
        let (x, c) = halves(dimension, used);
        // One unit of a coordinate further apart, which also is nearer to the rim.
        let mut further = c.clone();
        *further.0.last_mut().unwrap() -= 1;
        for (c, m, selector, holds) in [
            (&c, exact, Selector::Within, true),
            (&c, exact - 1, Selector::Within, false),
            (&c, exact + 1, Selector::Within, true),
            (&c, exact, Selector::Beyond, false),
            (&c, exact - 1, Selector::Beyond, true),
            (&further, exact, Selector::Within, false),
            (&further, exact, Selector::Beyond, true),
        ] {
            let reach = Reach::from_raw(m).unwrap();
            let secret = position_secret(&mut Draw(3), (x.clone(), c.clone()), reach, selector);
            let public = Public::of(&secret, reach, selector, true, Fr::from(5)).unwrap();
            let found = verdict(dimension, &public.inputs(), &secret);
            assert_eq!(found, holds, "{used} of {dimension}: {m} {selector:?}");
        }
    }
}

#[test]
fn extreme_places_have_the_twins_verdict() {
    let one = 1_i64 << 40;
    // The largest x on an axis: ‖x‖² ≤ 1 − 2^-24.
    let edge = ((1_u128 << 80) - (1 << 56)).isqrt() as i64;
    let places = [0, 1, -1, one / 2, edge, -edge, edge + 1, -edge - 1, one, -one, one - 1, 1 - one];
    let mut verdicts = [0; 2];
    for dimension in [2, 8, 64, 512] {
        for (i, x) in places.iter().enumerate().skip(if dimension < 512 { 0 } else { 3 }) {
            for c in [places[i], 0, edge, -edge, edge + 1, one] {
                let place = |value: i64| {
                    let mut coordinates = vec![0; dimension];
                    coordinates[dimension - 1] = value;
                    agent::Position(coordinates)
                };
                let (x, c) = (place(*x), place(c));
                for (m, selector) in
                    [(0, Selector::Within), ((1 << 80) - 1, Selector::Within), (0, Selector::Beyond)]
                {
                    let reach = Reach::from_raw(m).unwrap();
                    let mut secret = position_secret(&mut Draw(4), (x.clone(), c.clone()), reach, selector);
                    let inputs = recorded_anyway(&mut secret, m, selector);
                    verdicts[usize::from(verdict(dimension, &inputs, &secret))] += 1;
                }
            }
        }
    }
    assert!(verdicts.iter().all(|n| *n > 20), "{verdicts:?}");
}

/// The hash of the slots of any place, also of one outside of the ball.
pub(crate) fn hash_anyway(place: &agent::Position) -> Fr {
    crate::r1cs::place(&mut Assignment::with_capacity(50_000), place).hash
}

/// The leaf of an agent at any place.
pub(crate) fn leaf_anyway(agent: &AgentState) -> Fr {
    poseidon::hash([
        tags::AGENT.field(),
        field_of(&agent.id.0),
        agent.tenant,
        hash_anyway(&agent.position),
        resources_hash(&agent.resources),
        agent.policy_root,
        Fr::from(agent.nonce),
        blinding(&agent.seed, agent.nonce),
    ])
}

/// As if validators had recorded a place outside of the ball: the hash of its slots is in
/// the leaf, the leaf is in the tree, and nothing but the ball forbids a proof.
fn recorded_anyway(secret: &mut Secret, m: u128, selector: Selector) -> [Fr; 7] {
    let (agent, leaf) = (&secret.agent, leaf_anyway(&secret.agent));
    let tree = Tree::new(vec![leaf]).unwrap();
    let (region, context) = (hash_anyway(&secret.region), Fr::from(5));
    let spent = position_nullifier(&agent.seed, agent.nonce, context);
    secret.path = tree.path(0).unwrap();
    [tree.root(), region, Fr::from(0), selector.field(), Fr::from(m), spent, context]
}

#[test]
fn each_public_input_flipped_fails() {
    let mut draw = Draw(5);
    for dimension in [2, 8, 64] {
        let (public, secret) = sample(&mut draw, dimension, true);
        let inputs = public.inputs();
        assert!(verdict(dimension, &inputs, &secret));
        for at in 0..inputs.len() {
            for by in [Fr::from(1), -Fr::from(1), Fr::from(2).pow([80]), draw.field()] {
                let mut other = inputs;
                other[at] += by;
                assert!(!verdict(dimension, &other, &secret), "input {at} by {by}");
            }
        }
    }
}

#[test]
fn a_rule_that_is_not_the_policys_cannot_be_claimed_but_can_be_stated() {
    let mut draw = Draw(6);
    let (x, c) = (draw.place(2, 1.0), draw.place(2, 1.0));
    let secret = position_secret(&mut draw, (x, c), Reach::from_raw(5).unwrap(), Selector::Within);
    let free = Public::of(&secret, Reach::MAX, Selector::Within, false, Fr::from(1)).unwrap();
    assert!(verdict(2, &free.inputs(), &secret));
    let claimed = Public { policy: Some(secret.agent.policy_root), ..free };
    assert!(!verdict(2, &claimed.inputs(), &secret));
    // Another policy that has the rule does not bind this agent.
    let other = position_secret(
        &mut draw,
        (secret.agent.position.clone(), secret.region.clone()),
        Reach::MAX,
        Selector::Within,
    );
    let mut swapped = secret.clone();
    swapped.policy = other.policy.clone();
    assert!(!verdict(2, &claimed.inputs(), &swapped));
    assert!(!verdict(2, &Public { policy: Some(swapped.policy.root()), ..free }.inputs(), &swapped));
}

#[test]
fn each_variable_flipped_breaks_a_constraint() {
    let mut draw = Draw(7);
    for (dimension, tried) in [(2, usize::MAX), (8, usize::MAX), (64, 200)] {
        let (public, secret) = sample(&mut draw, dimension, true);
        let circuit = circuit(dimension);
        let good = circuit.assign(&public.inputs(), &secret).unwrap();
        flip_each(circuit.shape(), good.variables(), &mut draw, tried);
    }
}

#[test]
fn another_size_is_refused() {
    let mut draw = Draw(8);
    let (public, secret) = sample(&mut draw, 2, false);
    let inputs = public.inputs();
    assert!(matches!(circuit(8).assign(&inputs, &secret), Err(Broken::Mismatch(_))));
    assert!(matches!(circuit(2).assign(&inputs[1..], &secret), Err(Broken::Mismatch(_))));
    assert!(Position::new(3).is_err());
}

/// Named witnesses and public inputs fixed, every other variable has one value.
#[test]
fn nothing_that_follows_is_free() {
    let mut draw = Draw(13);
    let (public, secret) = sample(&mut draw, 2, true);
    let good = circuit(2).assign(&public.inputs(), &secret).unwrap();
    assert_determined(circuit(2).shape(), good.variables());
}

/// Over the matrices alone, whatever has made them.
#[test]
fn every_bit_has_its_own_row() {
    let mut draw = Draw(17);
    let shape = circuit(2).shape();
    let mut assigned = Vec::new();
    for at in 0..24 {
        let (public, secret) = sample(&mut draw, 2, at % 2 == 0);
        let good = circuit(2).assign(&public.inputs(), &secret).unwrap();
        assigned.push(good.variables().to_vec());
    }
    // Two places of two coordinates and their gaps, m, the inequality, and the selector.
    assert_bits(shape, &assigned, 2 * (2 * 41 + 80) + 80 + 240 + 1);
}
