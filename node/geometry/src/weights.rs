//! Votes that weigh by distance from the work: `max(1, round(2^20·exp(−vote_decay·d)))`.
//!
//! The same positions give the same weights on every machine. What keeps any ⌊(n−1)/3⌋
//! voters below a third, wherever they and the focus are, is the cap of every
//! [`ValidatorSet`](phalanx_types::ValidatorSet).

use crate::{Ball, Error};
use phalanx_types::{Weight, agent::Position};

/// The weight of a vote at the focus.
pub const FULL: u64 = 1 << 20;

/// The weight of a vote from `voter` on work around `focus`, not yet capped.
/// `vote_decay_ppm` is in millionths per unit of length.
///
/// # Errors
/// When a position is not valid or the dimensions differ.
pub fn raw_weight(
    ball: &Ball,
    vote_decay_ppm: u32,
    voter: &Position,
    focus: &Position,
) -> Result<Weight, Error> {
    let exponent = -(f64::from(vote_decay_ppm) / 1e6) * ball.distance_f64(voter, focus)?;
    let rounded = libm::floor(FULL as f64 * libm::exp(exponent) + 0.5) as u64;
    Ok(Weight(rounded.clamp(1, FULL)))
}
