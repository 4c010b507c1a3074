//! The router before a node that is not there, over real HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake;
mod places;
mod refusals;
mod streams;
