//! Places from round-trip times, kept online by each node for itself.
//!
//! A [`Coordinate`] keeps the newest samples of a bounded number of peers: the peer's
//! place and its error as the peer says them, and the round-trip time as the node itself
//! measured it. Every sample moves the place one step towards where all kept samples
//! agree best. It is Vivaldi (Dabek, Cox, Kaashoek and Morris 2004) in the Poincaré ball
//! (Lumezanu and Spring 2008), with a robust sum in place of the newest sample alone.
//! [`Flat`], with a height for the access link, is the baseline; [`Comparison`] says which
//! of the two fits the same data better.
//!
//! What one liar can do, to a node that pings 16 others or more ([`ANCHOR_PPM`] says how
//! much is left then, and what fewer peers cost):
//!
//! - **L1** Each peer has one part in a step, however often it is heard: more samples
//!   give no more influence. Its part does not grow with the error it claims to be
//!   without, nor by being very near.
//! - **L2** A peer's round-trip time is the least of its last [`ROUND_TRIPS`]: some
//!   answers held back change nothing.
//! - **L3** A residual counts in full when it is small beside the median of all, less
//!   when it is larger, and not at all beyond [`CUTOFF`] medians (Tukey's biweight): far
//!   lies are not heard, near ones pull a little.
//! - **L4** Distances say nothing of where all are together. What holds that is a pull
//!   towards the node's home, its region's agreed place: nobody drags the mesh along, a
//!   little a day, errors die out from node to node, and positions need no alignment to
//!   be compared. Its price is that nodes of one region seem nearer than they are.
//! - **L5** State is bounded by [`PEERS_MAX`]; the node that was longest not heard makes
//!   room. No clock, no random source.

mod coordinate;
mod fit;
mod flat;
mod space;

pub use coordinate::{ANCHOR_PPM, CUTOFF, Coordinate, ERROR_PPM_MAX, PEERS_MAX, ROUND_TRIPS, Sample};
pub use fit::{Comparison, Fit};
pub use flat::{Flat, FlatPlace};
pub use space::{Hyperbolic, LENGTH_WANTED_MAX, Seen, Space};

/// Microseconds of round trip that are one unit of length where regions have agreed
/// places: 100 ms one way.
pub const UNIT_US: u32 = 200_000;
