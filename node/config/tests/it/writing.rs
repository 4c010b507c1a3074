//! Settings written as TOML.

use crate::{EXAMPLES, toml};
use phalanx_config::{Format, MomConfig};
use std::path::Path;

#[test]
fn what_is_written_is_read_back_the_same() {
    let mut all = vec![MomConfig::default()];
    for (name, text) in EXAMPLES {
        all.push(MomConfig::parse(text, Format::of(Path::new(name)), name).unwrap());
    }
    for config in all {
        let text = config.to_toml().unwrap();
        assert_eq!(toml(&text).unwrap(), config, "{text}");
    }
}

#[test]
fn what_is_written_says_what_it_means_and_what_is_allowed() {
    let text = MomConfig::default().to_toml().unwrap();
    for needle in [
        "# The documents' mom_config: how a mesh works as a whole.\n",
        "\n# How a way through the mesh is chosen.\n\
         # Allowed: \"greedy_forwarding\", \"multipath_hyperbolic\", \"gradient_flow\".\n\
         routing_algorithm = \"greedy_forwarding\"\n",
        "# Allowed: \"centralized\", \"federated\", \"fully_distributed\", \"geometric_mesh\".\nmode = \"geometric_mesh\"\n",
        "# Latency and throughput.\n# Allowed: a number from 0 to 1 with at most 6 decimals.\nperformance = 0.4\n",
        "# Allowed: a whole number from 2 to 512.\ndimension = 8\n",
        "# Allowed: \"none\", \"sample\", \"full_audit\".\nlevel = \"full_audit\"\n",
    ] {
        assert!(text.contains(needle), "{text}\n--- has no\n{needle}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn every_setting_that_is_written_has_a_comment_above_it() {
    for (name, text) in EXAMPLES {
        let config = MomConfig::parse(text, Format::of(Path::new(name)), name).unwrap();
        let text = config.to_toml().unwrap();
        let mut above = "";
        for line in text.lines() {
            // The regions of a mesh are its own words.
            let is_region = ["earth", "luna", "mars", "helios"].iter().any(|r| line.starts_with(r));
            if line.contains(" = ") && !line.starts_with('#') && !is_region {
                assert!(above.starts_with("# "), "{text}\n---\n{line}");
            }
            above = line;
        }
    }
}
