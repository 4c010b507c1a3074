//! The encodings: what is decoded, what is refused, and what is frozen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod decoders;
mod frozen;
mod samples;
