//! The rules of the state machine, through its public interface. Each beat that
//! a test applies is applied twice and once more from loaded entries (F1, F2).

#![allow(missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod agents;
mod chain;
mod event_loop;
mod evidence;
mod homes;
mod latency;
mod places;
mod policies;
mod refusals;
mod runs;
mod scores;
mod space;
mod spillover;
mod time;
mod validators;
mod workers;
mod world;
