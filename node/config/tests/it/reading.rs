//! What is read, and what it means.

use crate::{EXAMPLES, json, toml};
use phalanx_config::{
    FILE_BYTES_MAX, Format, MomConfig, Orchestration, Receipts, RoutingAlgorithm, Verification,
};
use phalanx_types::{Params, params};
use std::path::Path;

fn example(name: &str) -> MomConfig {
    let (name, text) = EXAMPLES.iter().find(|(file, _)| *file == name).unwrap();
    MomConfig::parse(text, Format::of(Path::new(name)), name).unwrap()
}

#[test]
fn an_empty_file_is_the_default_and_the_default_is_the_nodes() {
    assert_eq!(toml("").unwrap(), MomConfig::default());
    assert_eq!(json("{}").unwrap(), MomConfig::default());
    let config = MomConfig::default();
    assert_eq!(config.orchestration, Orchestration::GeometricMesh {});
    assert_eq!(config.to_params(), Params::default());
    assert_eq!(config.verification.to_level(), params::Verification::FullAudit);
    assert!(config.optimization_goals.is_valid());
    assert_eq!((config.geometry.curvature.ppm(), config.geometry.dimension), (1_000_000, 8));
}

#[test]
fn examples_mean_what_they_say() {
    let config = example("geometric_mesh.toml");
    assert_eq!(config.geometry.routing_algorithm, RoutingAlgorithm::MultipathHyperbolic);
    assert_eq!(config.geometry.dimension, 64);
    let Orchestration::Centralized { controller, successors } = example("centralized.toml").orchestration
    else {
        panic!("another mode");
    };
    assert_eq!(controller.0.as_str(), "earth");
    assert_eq!(successors.len(), 2);
    assert_eq!(example("federated.toml").orchestration.mode(), "federated");
    let config = example("sample.json");
    let receipts = Receipts { scaling: false, ..Receipts::default() };
    let Verification::Sample { fraction, receipts: found } = config.verification else {
        panic!("another level");
    };
    assert_eq!((fraction.ppm(), found), (50_000, receipts));
    assert_eq!(config.optimization_goals.reliability.ppm(), 333_334);
}

#[test]
fn decimals_are_exact_however_they_are_written() {
    let curvature = |literal: &str| {
        let config = toml(&format!("[geometry]\ncurvature = {literal}")).ok()?;
        Some(config.geometry.curvature.ppm())
    };
    for (literal, ppm) in [
        ("1", 1_000_000),
        ("+1.0", 1_000_000),
        ("0.000001", 1),
        ("1e-6", 1),
        ("1_000.000_000_000", 1_000_000_000),
        ("4294.967295", u32::MAX),
        ("42949672.95E-4", u32::MAX),
        ("0x10", 16_000_000),
    ] {
        assert_eq!(curvature(literal), Some(ppm), "{literal}");
    }
    for literal in ["0", "0.0", "-1", "1e-7", "0.0000001", "4294.967296", "inf", "nan", "1e99999999999"] {
        assert_eq!(curvature(literal), None, "{literal}");
    }
    // Ten tenths are one: in floats they are not.
    let goals =
        "[optimization_goals]\nperformance = 0.7\ncost = 0.1\nreliability = 0.1\nsustainability = 0.1";
    assert!(toml(goals).unwrap().optimization_goals.is_valid());
}

#[test]
fn each_way_of_routing_and_each_mode_of_the_documents_is_known() {
    for routing in ["greedy_forwarding", "multipath_hyperbolic", "gradient_flow"] {
        let config = toml(&format!("[geometry]\nrouting_algorithm = \"{routing}\"")).unwrap();
        assert_eq!(config.geometry.routing_algorithm.name(), routing);
    }
    for mode in ["federated", "fully_distributed", "geometric_mesh", "centralized\"\ncontroller = \"a"] {
        let config = toml(&format!("[orchestration]\nmode = \"{mode}\"")).unwrap();
        assert!(mode.starts_with(config.orchestration.mode()));
    }
    for level in ["none", "full_audit", "sample\"\nfraction = 1 # \""] {
        let config = toml(&format!("[verification]\nlevel = \"{level}\"")).unwrap();
        assert!(level.starts_with(config.verification.level()));
    }
}

#[test]
fn the_format_is_told_by_the_name() {
    assert_eq!(Format::of(Path::new("a/mom.JSON")), Format::Json);
    assert_eq!(Format::of(Path::new("mom.toml")), Format::Toml);
    assert_eq!(Format::of(Path::new("mom")), Format::Toml);
}

#[test]
fn settings_that_name_the_most_validators_by_their_keys_fit_a_file() {
    let keys: Vec<String> = (0..127).map(|i| format!("\"{i:064x}\"")).collect();
    let text = format!(
        "[orchestration]\nmode = \"centralized\"\ncontroller = \"{:064x}\"\nsuccessors = [{}]\n",
        999,
        keys.join(", ")
    );
    let config = toml(&text).unwrap();
    assert!(config.to_toml().unwrap().len() < FILE_BYTES_MAX / 4);
}
