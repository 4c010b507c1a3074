//! What files of settings promise: read whole, or refused with every problem.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod damage;
mod founding;
mod oracle;
mod reading;
mod refusals;
mod writing;

use phalanx_config::{Format, MomConfig, Problems};

/// Reads TOML that is called `mom.toml`.
fn toml(text: &str) -> Result<MomConfig, Problems> {
    MomConfig::parse(text, Format::Toml, "mom.toml")
}

/// Reads JSON that is called `mom.json`.
fn json(text: &str) -> Result<MomConfig, Problems> {
    MomConfig::parse(text, Format::Json, "mom.json")
}

/// The files that show how settings are written.
const EXAMPLES: [(&str, &str); 4] = [
    ("geometric_mesh.toml", include_str!("../examples/geometric_mesh.toml")),
    ("centralized.toml", include_str!("../examples/centralized.toml")),
    ("federated.toml", include_str!("../examples/federated.toml")),
    ("sample.json", include_str!("../examples/sample.json")),
];
