//! Keys, proofs and what they say, from files alone.

mod exports;
mod keys;
mod proving;
mod verifying;
mod workshop;
