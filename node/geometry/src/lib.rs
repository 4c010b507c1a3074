//! Points, distances, geodesics, routing and voting weights in the Poincaré ball.
//!
//! Everything here is a pure function: no clock, disk, network or random source.
//!
//! A [`Position`](phalanx_types::agent::Position) is what is agreed, stored and
//! sent: fixed point, exact. A [`Point`] is what is reckoned with: floats, and the
//! gap to the edge beside them. A result that must be agreed goes back to fixed
//! point first ([`Point::to_position`], [`Length`]).
//!
//! ```
//! use phalanx_geometry::{Ball, Curvature, Point, Reach, is_within};
//! use phalanx_types::agent::Position;
//!
//! let ball = Ball::new(Curvature::ONE);
//! let (earth, luna) = (Position(vec![0, 0]), Position(vec![1 << 39, 0]));
//! // From the origin to 1/2 it is ln 3.
//! assert!((ball.distance(&earth, &luna)?.to_f64() - 1.0986122886681098).abs() < 1e-12);
//!
//! let halfway = ball.geodesic(&Point::try_from(&earth)?, &Point::try_from(&luna)?, 0.5)?;
//! let reach = Reach::for_within(Curvature::ONE, 600_000)?;
//! assert!(is_within(&halfway.to_position()?, &earth, reach)?);
//! assert!(!is_within(&luna, &earth, reach)?);
//! # Ok::<(), phalanx_geometry::Error>(())
//! ```
//!
//! Invariants:
//!
//! - **G1** The same arguments give the same bits on every machine: integers, the
//!   IEEE operations `+ − × ÷ √`, and the functions of `libm`, in a fixed order.
//! - **G2** “Within” and “beyond” mean the integer inequality of [`Reach`] and
//!   nothing else. Whatever orders by distance for agreement compares integers.
//! - **G3** Nothing here panics: what cannot be answered is an [`Error`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]
#![deny(clippy::indexing_slicing)]

// The x87 unit rounds differently.
#[cfg(all(target_arch = "x86", not(target_feature = "sse2")))]
compile_error!("agreed numbers need IEEE arithmetic: build for a machine with SSE2");

pub mod affinity;
mod ball;
mod error;
mod fixed;
pub mod graph;
mod hashed;
pub mod latency;
mod mean;
pub mod nearest;
pub mod placing;
pub mod plot;
mod point;
mod reach;
pub mod routing;
pub mod topology;
pub mod weights;
mod wide;

pub use ball::{Ball, Curvature, Length};
pub use error::Error;
pub use fixed::{DIMENSION_MAX, DIMENSION_MIN, compare_distance, gap, order_by_centrality, separation};
pub use mean::{MEAN_WEIGHT_MAX, Mean};
pub use point::{LENGTH_MAX, Point};
pub use reach::{Reach, is_beyond, is_within};
