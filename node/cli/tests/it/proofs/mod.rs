//! Keys, proofs and what they say, from files alone.

mod ceremony;
mod exports;
mod keys;
mod policies;
mod proving;
mod verifying;
pub mod workshop;
