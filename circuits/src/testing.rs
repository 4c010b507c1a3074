//! Samples for tests and benches; a file of both.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use ark_ff::Field;
use phalanx_circuits::{
    action, integrity,
    native::{AgentState, Fr, Policy, Rule, Selector, Tree, beat_digest, position_hash},
    position,
    r1cs::{Linear, Row, Shape},
};
use phalanx_geometry::{Curvature, Point, Reach};
use phalanx_types::{
    AgentId, GpuRequest, Hash, Height, Resources,
    agent::{AgentSeed, Position},
    resources::WorkerResources,
};
use std::collections::{BTreeMap, BTreeSet};

/// A multiplicative congruential generator.
pub struct Draw(pub u64);

impl Draw {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }

    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.word() >> 33) as usize % n
    }

    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.word().to_le_bytes());
        }
        bytes
    }

    pub fn field(&mut self) -> Fr {
        phalanx_circuits::native::field_of(&self.bytes())
    }

    /// A place up to `radius` away from the origin.
    pub fn place(&mut self, dimension: usize, radius: f64) -> Position {
        let direction: Vec<f64> = (0..dimension).map(|_| self.unit() + self.unit() - 1.0).collect();
        let length = self.unit() * radius;
        Point::at(&direction, length).unwrap().to_position().unwrap()
    }

    pub fn agent(&mut self, position: Position, policy: &Policy) -> AgentState {
        AgentState {
            id: AgentId(self.bytes()),
            tenant: self.field(),
            position,
            resources: Resources {
                cpu_milli: self.below(4000) as u32,
                memory_mib: self.below(9000) as u32,
                gpu: GpuRequest::Whole { count: 1 },
            },
            policy_root: policy.root(),
            nonce: self.word() >> 1,
            seed: AgentSeed(self.bytes()),
        }
    }
}

/// Reaches from nothing to everything.
pub fn reach(draw: &mut Draw) -> Reach {
    Reach::for_within(Curvature::ONE, draw.below(12_000_000) as u64).unwrap()
}

/// An agent among seventeen, a region, and a policy whose third rule is
/// (region, reach, selector).
pub fn position_secret(
    draw: &mut Draw,
    (x, c): (Position, Position),
    reach: Reach,
    selector: Selector,
) -> position::Secret {
    let other = |m| Rule { region: Fr::from(m), reach: Reach::MAX, selector: Selector::Within };
    let rule = Rule { region: position_hash(&c).unwrap_or_default(), reach, selector };
    let policy = Policy::new(Reach::from_raw(77).unwrap(), vec![other(1), other(2), rule]).unwrap();
    let agent = draw.agent(x, &policy);
    let (tree, at) = among_others(draw, agent.leaf().unwrap_or_default());
    let path = tree.path(at).unwrap();
    position::Secret { agent, path, region: c, policy }
}

/// A tree of seventeen leaves, one of them `leaf`, and where it is.
pub fn among_others(draw: &mut Draw, leaf: Fr) -> (Tree, usize) {
    let mut leaves: Vec<Fr> = (0..17).map(|_| draw.field()).collect();
    let at = draw.below(17);
    leaves[at] = leaf;
    (Tree::new(leaves).unwrap(), at)
}

/// A lawful action under a policy of two rules, the second of which is a region around
/// the agent; then changed, and recorded as it then is.
pub fn action_secret(
    draw: &mut Draw,
    dimension: usize,
    change: impl FnOnce(&mut action::Secret),
) -> action::Secret {
    let from = draw.place(dimension, 2.0);
    let mut to = from.clone();
    to.0[0] += 1 << 30;
    let mut region = to.clone();
    region.0[1] -= 1 << 34;
    let reach = |micro| Reach::for_within(Curvature::ONE, micro).unwrap();
    let rule = |region, reach| Rule { region, reach, selector: Selector::Within };
    let rules = vec![rule(Fr::from(1), Reach::MAX), rule(position_hash(&region).unwrap(), reach(100_000))];
    let policy = Policy::new(reach(50_000), rules).unwrap();
    let mut before = draw.agent(from, &policy);
    before.policy_root = draw.field();
    let mut after = before.clone();
    after.position = to;
    after.nonce += 1;
    after.policy_root = policy.root();
    after.resources.cpu_milli += 1;
    let mut secret = action::Secret {
        before,
        after,
        region,
        policy,
        worker: WorkerResources { cpu_milli: 4_000, memory_mib: 9_000, gpus: 8 },
        index: draw.word(),
        beat: Height(draw.word()),
        path: Tree::new(vec![Fr::from(1)]).unwrap().path(0).unwrap(),
    };
    change(&mut secret);
    recorded(draw, secret, false)
}

/// The action with the path of its own leaf, and bound to its policy when that is asked.
pub fn recorded(draw: &mut Draw, mut secret: action::Secret, bind: bool) -> action::Secret {
    if bind {
        secret.after.policy_root = secret.policy.root();
    }
    let (tree, at) = among_others(draw, secret.action().unwrap().leaf());
    secret.path = tree.path(at).unwrap();
    secret
}

/// A chain of `count` beats, and the digest before it.
pub fn integrity_secret(draw: &mut Draw, count: usize) -> (Fr, integrity::Secret) {
    let first = draw.field();
    let from = Height(draw.word() >> 8);
    let receipts_roots: Vec<Hash> = (0..count).map(|_| Hash(draw.bytes())).collect();
    let last = (from.0..)
        .zip(&receipts_roots)
        .fold(first, |digest, (height, root)| beat_digest(digest, Height(height), root));
    let (tree, at) = among_others(draw, last);
    (first, integrity::Secret { from, receipts_roots, path: tree.path(at).unwrap() })
}

/// Asserts that values which satisfy a circuit do not when one of them is changed: all of
/// them, or that many that are drawn.
pub fn flip_each(shape: &Shape, variables: &[Fr], draw: &mut Draw, tried: usize) {
    assert_eq!(shape.broken(variables), None);
    let mut users = vec![Vec::new(); shape.columns()];
    for (at, (a, b, c)) in shape.rows().enumerate() {
        for (_, column) in a.iter().chain(b).chain(c) {
            users[*column].push(at);
        }
    }
    let mut variables = variables.to_vec();
    let picks: Vec<usize> = if tried > variables.len() {
        (1..variables.len()).collect()
    } else {
        (0..tried).map(|_| 1 + draw.below(variables.len() - 1)).collect()
    };
    let value =
        |row: &Row, variables: &[Fr]| -> Fr { row.iter().map(|(f, column)| *f * variables[*column]).sum() };
    for at in picks {
        let before = variables[at];
        variables[at] += Fr::from(1);
        let holds = |row: &usize| {
            let [a, b, c] = shape.matrices().each_ref().map(|matrix| value(&matrix[*row], &variables));
            a * b == c
        };
        assert!(!users[at].iter().all(holds), "variable {at}");
        variables[at] = before;
    }
}

/// Asserts that, named witnesses and public inputs fixed, all other variables are isolated
/// at this assignment: the Jacobian of the constraints has full column rank in them.
pub fn assert_determined(shape: &Shape, variables: &[Fr]) {
    let mut is_fixed = vec![false; shape.columns()];
    is_fixed[..shape.inputs()].fill(true);
    for column in shape.named() {
        is_fixed[*column] = true;
    }
    let mut pivots: Vec<Option<Linear>> = vec![None; shape.columns()];
    for (a, b, c) in shape.rows() {
        let [a, b, c] = [a, b, c].map(|row| Linear(row.clone()));
        let mut row = Linear::default();
        row.add(a.value(variables), &b);
        row.add(b.value(variables), &a);
        row.add(-Fr::from(1), &c);
        row.0.retain(|(_, column)| !is_fixed[*column]);
        while let Some((factor, column)) = row.0.last().copied() {
            match &pivots[column] {
                Some(pivot) => row.add(-factor, pivot),
                None => {
                    let mut pivot = Linear::default();
                    pivot.add(factor.inverse().unwrap(), &row);
                    pivots[column] = Some(pivot);
                    break;
                }
            }
        }
    }
    for (column, pivot) in pivots.iter().enumerate() {
        assert_eq!(pivot.is_none(), is_fixed[column], "variable {column} of {}", shape.columns());
    }
}

/// The column of a row `b·(b − 1) = 0`, however it is written: a row about one variable that
/// only 0 and 1 satisfy.
fn boolean_column(a: &Row, b: &Row, c: &Row) -> Option<usize> {
    let columns: BTreeSet<usize> = [a, b, c].into_iter().flatten().map(|(_, column)| *column).collect();
    let mut variables = columns.into_iter().filter(|column| *column != 0);
    let (column, None) = (variables.next()?, variables.next()) else { return None };
    let holds = |value: u64| {
        let at = |row: &Row| -> Fr {
            row.iter().map(|(f, column)| if *column == 0 { *f } else { *f * Fr::from(value) }).sum()
        };
        at(a) * at(b) == at(c)
    };
    // A polynomial of degree two with these zeros has no other.
    (holds(0) && holds(1) && !holds(2)).then_some(column)
}

/// Asserts that the bits of a circuit are `count` variables, and that each has one row of its
/// own that makes it 0 or 1. What a bit is, is told without these rows: a variable that doubles
/// its neighbour's factor in a sum, as the digits of a number do, or that is 0 in some of these
/// assignments, 1 in others, and nothing else in any.
pub fn assert_bits(shape: &Shape, assigned: &[Vec<Fr>], count: usize) {
    let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
    let mut bits = BTreeSet::new();
    for (a, b, c) in shape.rows() {
        if let Some(column) = boolean_column(a, b, c) {
            *rows.entry(column).or_default() += 1;
        }
        for terms in [a, b, c] {
            for window in terms.windows(3) {
                let [(f, first), (g, second), (h, third)] = window else { continue };
                let are_neighbours = *first > 0 && (*second, *third) == (first + 1, first + 2);
                if are_neighbours && (*g, *h) == (*f + f, *g + g) {
                    bits.extend([*first, *second, *third]);
                }
            }
        }
    }
    let (zero, one) = (Fr::from(0), Fr::from(1));
    for column in 1..shape.columns() {
        let has = |value: Fr| assigned.iter().any(|variables| variables[column] == value);
        let is_no_other = assigned.iter().all(|variables| [zero, one].contains(&variables[column]));
        if is_no_other && has(zero) && has(one) {
            bits.insert(column);
        }
    }
    let free: Vec<&usize> = bits.iter().filter(|column| !rows.contains_key(column)).collect();
    assert!(free.is_empty(), "bits without a row: {free:?}");
    assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), bits, "rows of what is no bit");
    assert!(rows.values().all(|count| *count == 1), "a bit has two rows");
    assert_eq!(bits.len(), count);
}
