//! Keys, proofs and files, through the public interface.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cubic;
mod decoders;
mod iden3;
mod keys;
mod proof_files;
mod proofs;
mod samples;
mod snarkjs;
#[path = "../../src/testing.rs"]
mod testing;
mod witnesses;

use phalanx_circuits::native::{Fr, Selector};
use phalanx_circuits::{
    groth16::{ProvingKey, setup_dev},
    position::{Position, Public, Secret},
    r1cs::Circuit,
};

/// Position in two dimensions with a development key.
fn small() -> (Circuit<Position>, ProvingKey) {
    let circuit = Circuit::new(Position::new(2).unwrap()).unwrap();
    let key = setup_dev(&circuit, &[7; 32]).unwrap();
    (circuit, key)
}

/// Something true.
fn truth(seed: u64, dimension: usize) -> (Public, Secret) {
    let mut draw = testing::Draw(seed);
    let (x, c) = (draw.place(dimension, 3.0), draw.place(dimension, 3.0));
    let reach = testing::reach(&mut draw);
    let selector = if reach.holds(&x, &c).unwrap() { Selector::Within } else { Selector::Beyond };
    let secret = testing::position_secret(&mut draw, (x, c), reach, selector);
    let public = Public::of(&secret, reach, selector, true, Fr::from(9)).unwrap();
    (public, secret)
}
