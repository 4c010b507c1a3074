//! Places from round-trip times.

mod internet;
mod mesh;
