//! Places, formats, and messages over real links.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod formats;
mod mesh;
mod places;
mod trips;
