//! The replica: what it judges, makes, commits and replays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod judging;
mod making;
mod replaying;
