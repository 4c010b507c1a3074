//! The binary as a user has it: processes, home folders, files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod mesh;
mod support;
