//! Votes that weigh by distance from the work, capped for safety.
//!
//! `w = max(1, round(2^20·exp(−vote_decay·d)))`, then the cap.
//!
//! - **W1** The same positions give the same weights on every machine.
//! - **W2** For n voters and f = ⌊(n−1)/3⌋, any f of them hold less than a third
//!   of the total, wherever they and the focus are.
//! - **W3** Every weight is at least 1 and the total is below 2^32.
//!
//! Why the cap can be searched by halving: let `F(c)` be the total minus three
//! times the f largest, all cut at `c`. While a voter outside of the f largest is
//! above `c`, all f largest are, and one more unit adds (voters outside above
//! `c`) − 2f, which only falls as `c` grows; when none is, it adds at most 0. So
//! `F` rises once and falls once, from `F(1) = n − 3f > 0`: the caps that are
//! allowed are 1 to the largest one, without a hole.

use crate::{Ball, Error};
use phalanx_types::{Weight, agent::Position};

/// The weight of a vote at the focus.
pub const FULL: u64 = 1 << 20;
/// Most voters: their total stays below 2^32.
pub const VOTERS_MAX: usize = 4095;

const _: () = assert!(VOTERS_MAX as u64 * FULL < 1 << 32);

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

/// The weights of a set of voters, in their order, capped.
///
/// # Errors
/// When there are more than [`VOTERS_MAX`], a position is not valid, or the
/// dimensions differ.
pub fn vote_weights(
    ball: &Ball,
    vote_decay_ppm: u32,
    focus: &Position,
    voters: &[Position],
) -> Result<Vec<Weight>, Error> {
    let raw: Result<Vec<Weight>, Error> =
        voters.iter().map(|voter| raw_weight(ball, vote_decay_ppm, voter, focus)).collect();
    capped(raw?)
}

/// How many of `n` voters may be faulty: ⌊(n−1)/3⌋.
#[must_use]
pub const fn faulty_max(n: usize) -> usize {
    n.saturating_sub(1) / 3
}

/// Cuts weights at the largest integer for which three times the sum of the f
/// largest stays below the total. A weight of zero counts as 1.
///
/// # Errors
/// When there are more than [`VOTERS_MAX`] weights.
pub fn capped(mut weights: Vec<Weight>) -> Result<Vec<Weight>, Error> {
    if weights.len() > VOTERS_MAX {
        return Err(Error::TooManyVoters { found: weights.len() });
    }
    let mut falling: Vec<u64> = weights.iter().map(|w| w.0.clamp(1, FULL)).collect();
    falling.sort_unstable_by(|a, b| b.cmp(a));
    // `allowed` is allowed, `refused` is not or changes nothing.
    let (mut allowed, mut refused) = (1, FULL + 1);
    while refused - allowed > 1 {
        let middle = allowed + (refused - allowed) / 2;
        if is_safe(&falling, middle) {
            allowed = middle;
        } else {
            refused = middle;
        }
    }
    for weight in &mut weights {
        weight.0 = weight.0.clamp(1, allowed);
    }
    Ok(weights)
}

/// Whether the f largest of `falling`, cut at `cap`, hold less than a third.
fn is_safe(falling: &[u64], cap: u64) -> bool {
    let cut = |w: &u64| (*w).min(cap);
    let total: u64 = falling.iter().map(cut).sum();
    let largest: u64 = falling.iter().take(faulty_max(falling.len())).map(cut).sum();
    3 * largest < total
}
