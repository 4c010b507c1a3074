//! What geometry promises, against big numbers and small models.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod affinity;
mod ball;
mod big;
mod latency;
mod mean;
mod nearest;
mod order;
mod placing;
mod plot;
mod policy;
mod routing;
mod topology;
mod weights;
