//! Scenarios across crates, conformance vectors, fuzz targets.
//!
//! [`decoders`] lists every decoder that reads bytes from outside, and [`samples`] has
//! valid bytes for each. The list is run twice: by the default suite over seeded
//! mutations, and by coverage-guided fuzzing through `tests/fuzz`.

/// The small circuit that the decoders of keys know.
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "shared with the tests of circuits"
)]
#[path = "../../circuits/tests/it/cubic.rs"]
pub mod cubic;
pub mod decoders;
#[allow(clippy::unwrap_used, missing_docs, reason = "for tests only")]
pub mod mesh;
#[allow(clippy::unwrap_used, reason = "for tests only")]
mod routed;
#[allow(clippy::unwrap_used, clippy::panic, reason = "for tests only")]
pub mod samples;
pub mod solo;
