pub use ark_bn254::Fr;
mod grain;
pub mod poseidon;
pub mod tags;
