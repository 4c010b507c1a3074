//! Scenarios across crates, conformance vectors, fuzz targets.
//!
//! [`decoders`] lists every decoder that reads bytes from outside. The list is
//! run twice: by the default suite over seeded mutations, and by coverage-guided
//! fuzzing through `tests/fuzz`.

pub mod decoders;
pub mod solo;
