//! Meshes on a development chain: what is anchored, what is obeyed, and what happens
//! when the chain is not as it should be.

mod changes;
mod endpoints;
mod obeying;
mod outages;
mod proof_keys;
mod secrets;
mod spent;
mod verified;
mod world;

pub use proof_keys::call_of;
pub use world::{Chained, anvil, contracts};
