//! The provider `process` with real commands under its real shim.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod commands;
mod limits;
mod restarts;
mod support;
mod turns;
