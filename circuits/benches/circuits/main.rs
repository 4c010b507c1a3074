//! Constraints, setup, prover and verifier of every circuit; trees.
//!
//! Arguments choose parts by name, for example `position-64` or `trees`. Times are medians
//! of wall time; where CPU time stands beside it, it is that of all threads. `load` is the
//! machine's load average.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod snarkjs;
#[path = "../../src/testing.rs"]
mod testing;

use phalanx_circuits::{
    action,
    groth16::{Proof, Prover, ProvingKey, setup_dev},
    integrity,
    native::{Fr, Policy, Selector, Tree},
    position,
    r1cs::{Circuit, Statement},
};
use std::{hint::black_box, time::Instant};
use testing::Draw;

/// Seconds of the median call.
fn median(n: usize, mut call: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..n)
        .map(|_| {
            let began = Instant::now();
            call();
            began.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[n / 2]
}

/// CPU seconds of this process, in steps of 10 ms.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

/// Everything about one circuit; `truth` is inputs and a secret that fit together.
fn measure<S: Statement + Copy>(statement: S, truth: (Vec<Fr>, S::Secret), goal: Option<f64>) {
    let name = statement.name();
    let (inputs, secret) = truth;
    let began = Instant::now();
    let circuit = Circuit::new(statement).unwrap();
    let laid = began.elapsed().as_secs_f64();
    let shape = circuit.shape();
    let mut key = None;
    let set_up = median(3, || key = Some(setup_dev(&circuit, &[7; 32]).unwrap()));
    let key = key.unwrap();
    let file = key.encode();
    let bytes = file.len();
    let prover = Prover::new(&circuit, key).unwrap();
    let assigned = median(21, || {
        let _ = black_box(circuit.assign(&inputs, &secret).unwrap());
    });
    let mut proof = None;
    let before = cpu();
    let proven = median(11, || proof = Some(prover.prove(&inputs, &secret, &[1; 32]).unwrap()));
    let worked = (cpu() - before) / 11.0;
    let proof = proof.unwrap();
    let whole = median(3, || {
        let circuit = Circuit::new(statement).unwrap();
        let prover = Prover::new(&circuit, ProvingKey::decode(&file, &circuit).unwrap()).unwrap();
        let _ = black_box(prover.prove(&inputs, &secret, &[1; 32]).unwrap());
    });
    let verified = median(21, || prover.verifier().verify(&inputs, &proof).unwrap());
    let goal =
        goal.map(|goal| format!(" (goal {}, ratio {:.2})", time(goal), proven / goal)).unwrap_or_default();
    println!(
        "{name}: {} constraints, {} non-zeros, {} inputs; laid in {}, setup {}, proving key {:.2} MB, proof {} B; \
         values {}, prove {}{goal}, of CPU {}, with the circuit laid and the key read {}, verify {}; load {}",
        shape.constraints(),
        shape.non_zeros(),
        shape.inputs() - 1,
        time(laid),
        time(set_up),
        bytes as f64 / 1e6,
        Proof::LEN,
        time(assigned),
        time(proven),
        time(worked),
        time(whole),
        time(verified),
        load()
    );
}

fn position_truth(dimension: usize) -> (Vec<Fr>, position::Secret) {
    let mut draw = Draw(1);
    let (x, c) = (draw.place(dimension, 3.0), draw.place(dimension, 3.0));
    let reach = testing::reach(&mut draw);
    let selector = if reach.holds(&x, &c).unwrap() { Selector::Within } else { Selector::Beyond };
    let secret = testing::position_secret(&mut draw, (x, c), reach, selector);
    let public = position::Public::of(&secret, reach, selector, true, Fr::from(9)).unwrap();
    (public.inputs().to_vec(), secret)
}

fn position_of(dimension: usize) {
    // The project's goal for 64 dimensions on two cores.
    let goal = (dimension == 64).then_some(0.2);
    measure(position::Position::new(dimension).unwrap(), position_truth(dimension), goal);
}

fn action_of(dimension: usize) {
    let secret = testing::action_secret(&mut Draw(1), dimension, |_| ());
    let reach = secret.policy.rules()[1].reach;
    let public = action::Public::of(&secret, reach, Selector::Within, Fr::from(9)).unwrap();
    measure(action::Action::new(dimension).unwrap(), (public.inputs().to_vec(), secret), None);
}

fn integrity() {
    let (first, secret) = testing::integrity_secret(&mut Draw(1), 16);
    let public = integrity::Public::of(&secret, first).unwrap();
    measure(integrity::Integrity, (public.inputs().to_vec(), secret), None);
}

fn batch() {
    const N: usize = 1_000;
    let circuit = Circuit::new(position::Position::new(2).unwrap()).unwrap();
    let prover = Prover::new(&circuit, setup_dev(&circuit, &[7; 32]).unwrap()).unwrap();
    let (inputs, secret) = position_truth(2);
    let few: Vec<Proof> = (0..8).map(|i| prover.prove(&inputs, &secret, &[i; 32]).unwrap()).collect();
    let all: Vec<(Vec<Fr>, Proof)> = (0..N).map(|i| (inputs.clone(), few[i % few.len()].clone())).collect();
    let together = median(3, || prover.verifier().verify_all(&all).unwrap());
    let single = median(21, || prover.verifier().verify(&inputs, &few[0]).unwrap());
    println!(
        "batch/proofs={N}: {} together, {} a proof; alone {} (ratio {:.1}); load {}",
        time(together),
        time(together / N as f64),
        time(single),
        single * N as f64 / together,
        load()
    );
}

fn trees() {
    const AGENTS: usize = 100_000;
    const ACTIONS: usize = 10_000;
    let mut draw = Draw(5);
    let policy = Policy::unbound();
    let states: Vec<_> = (0..1_000)
        .map(|_| {
            let place = draw.place(8, 4.0);
            draw.agent(place, &policy)
        })
        .collect();
    let leaf = median(1_000, || {
        let _ = black_box(states[draw.below(1_000)].leaf().unwrap());
    });
    let leaves: Vec<Fr> = (1..=AGENTS as u64).map(Fr::from).collect();
    let before = cpu();
    let mut tree = None;
    let cut = median(3, || tree = Some(Tree::new(leaves.clone()).unwrap()));
    let worked = (cpu() - before) / 3.0;
    let audit = median(3, || drop(black_box(Tree::new(leaves[..ACTIONS].to_vec()).unwrap())));
    let mut tree = tree.unwrap();
    let changed = median(1_000, || drop(tree.set(&[(draw.below(AGENTS), Fr::from(7))]).unwrap()));
    let path = median(1_000, || {
        let _ = black_box(tree.path(draw.below(AGENTS)).unwrap());
    });
    println!(
        "trees/agents={AGENTS},actions={ACTIONS}: agent leaf (8 dimensions) {}, agents tree {}, of CPU {}, audit \
         tree {}, one leaf changed {}, a path {}; load {}",
        time(leaf),
        time(cut),
        time(worked),
        time(audit),
        time(changed),
        time(path),
        load()
    );
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let parts: [(&str, fn()); 10] = [
        ("position-2", || position_of(2)),
        ("position-8", || position_of(8)),
        ("position-64", || position_of(64)),
        ("position-512", || position_of(512)),
        ("action-8", || action_of(8)),
        ("action-64", || action_of(64)),
        ("integrity", integrity),
        ("batch", batch),
        ("trees", trees),
        ("snarkjs", || snarkjs::compare(position::Position::new(64).unwrap(), position_truth(64))),
    ];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|w| name == w) {
            part();
        }
    }
}
