//! What settings found a mesh with.

use crate::{EXAMPLES, json, toml};
use phalanx_config::{Format, FoundingError, MomConfig, Orchestration};
use phalanx_types::{
    Genesis, Hash, Name, Params, PublicKey, TimeMs, Validator, Weight,
    params::{Mode, Verification},
};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn validator(at: u8, label: &str, region: &str) -> Validator {
    Validator {
        vote_key: PublicKey([at; 32]),
        network_key: PublicKey([at + 100; 32]),
        chain_address: [0; 20],
        base_weight: Weight(1),
        region: name(region),
        label: name(label),
    }
}

fn validators() -> Vec<Validator> {
    let regions = ["earth", "luna", "mars", "helios"];
    let mut all: Vec<Validator> =
        (1..).zip(regions).map(|(at, region)| validator(at, region, region)).collect();
    all.push(validator(5, "earth-2", "earth"));
    all
}

fn regions() -> Vec<Name> {
    ["earth", "luna", "mars", "helios"].map(name).to_vec()
}

fn mode(settings: &str) -> Result<Mode, FoundingError> {
    let config = toml(&format!("[orchestration]\nmode = {settings}")).unwrap();
    config.orchestration.to_mode(&validators(), &regions())
}

fn keys(of: &[u8]) -> Vec<PublicKey> {
    of.iter().map(|at| PublicKey([*at; 32])).collect()
}

#[test]
fn a_controller_is_followed_by_its_successors_or_by_all() {
    let given = mode("\"centralized\"\ncontroller = \"mars\"\nsuccessors = [\"earth-2\", \"luna\"]");
    assert_eq!(given.unwrap(), Mode::Centralized { succession: keys(&[3, 5, 2]) });
    let all = mode("\"centralized\"\ncontroller = \"mars\"");
    assert_eq!(all.unwrap(), Mode::Centralized { succession: keys(&[3, 1, 2, 4, 5]) });
    let by_key =
        mode(&format!("\"centralized\"\ncontroller = \"{}\"\nsuccessors = [\"earth\"]", "02".repeat(32)));
    assert_eq!(by_key.unwrap(), Mode::Centralized { succession: keys(&[2, 1]) });
}

#[test]
fn a_region_without_coordinators_of_its_own_takes_its_validators() {
    let Mode::Federated { coordinators } = mode("\"federated\"").unwrap() else { panic!("another mode") };
    assert_eq!(coordinators[&name("earth")], keys(&[1, 5]));
    assert_eq!(coordinators.len(), 4);
    let some = "\"federated\"\n[orchestration.coordinators]\nearth = [\"earth-2\"]\nluna = [\"luna\"]\n\
        mars = [\"mars\"]\nhelios = [\"helios\"]";
    let Mode::Federated { coordinators } = mode(some).unwrap() else { panic!("another mode") };
    assert_eq!(coordinators[&name("earth")], keys(&[5]));
}

#[test]
fn who_is_not_there_is_named_with_those_who_are() {
    let told = mode("\"centralized\"\ncontroller = \"venus\"").unwrap_err().to_string();
    assert!(told.contains("controller") && told.contains("venus") && told.contains("earth, luna"), "{told}");
    let region = "\"federated\"\n[orchestration.coordinators]\nvenus = [\"earth\"]\na = []\nb = []\nc = []";
    assert!(matches!(mode(region), Err(FoundingError::UnknownRegion { .. })));
    let nobody = toml("[orchestration]\nmode = \"federated\"").unwrap().orchestration;
    let found = nobody.to_mode(&validators()[..2], &regions());
    assert!(matches!(found, Err(FoundingError::Nobody { .. })), "{found:?}");
}

#[test]
fn a_validator_is_named_once_and_by_a_label_of_its_own() {
    let by_key = format!("\"centralized\"\ncontroller = \"luna\"\nsuccessors = [\"{}\"]", "02".repeat(32));
    assert_eq!(mode(&by_key), Err(FoundingError::Twice { setting: "successors", found: name("luna") }));
    let mut twins = validators();
    twins[4].label = name("earth");
    let config = toml("[orchestration]\nmode = \"centralized\"\ncontroller = \"earth\"").unwrap();
    let found = config.orchestration.to_mode(&twins, &regions());
    assert!(matches!(found, Err(FoundingError::Ambiguous { count: 2, .. })), "{found:?}");
}

#[test]
fn goals_reach_the_shared_numbers() {
    let text = "[optimization_goals]\nperformance = 0.1\ncost = 0.7\nreliability = 0.1\nsustainability = 0.1";
    let params = toml(text).unwrap().to_params();
    assert_eq!(params.optimisation.cost_ppm, 700_000);
    assert!(params.check().is_ok());
    assert_eq!(Params { optimisation: Params::default().optimisation, ..params }, Params::default());
}

#[test]
fn the_space_reaches_the_shared_numbers() {
    for (curvature, dimension) in [(250_000, 8), (2_500_000, 64), (4_000_000, 512)] {
        let literal = f64::from(curvature) / 1e6;
        let text = format!("[geometry]\ncurvature = {literal}\ndimension = {dimension}\n");
        let config = toml(&text).unwrap();
        assert_eq!(config.problems_of_founding(&text, Format::Toml, "mom.toml"), None);
        let params = config.to_params();
        assert_eq!((params.curvature_ppm, params.dimension), (curvature, dimension));
        assert!(params.check().is_ok());
    }
    for (params, what) in [
        (Params { curvature_ppm: 249_999, ..Params::default() }, "curvature_ppm"),
        (Params { curvature_ppm: 4_000_001, ..Params::default() }, "curvature_ppm"),
        (Params { dimension: 2, ..Params::default() }, "dimension"),
        (Params { dimension: 1_024, ..Params::default() }, "dimension"),
    ] {
        assert!(params.check().unwrap_err().to_string().contains(what));
    }
}

#[test]
fn what_no_mesh_carries_out_is_named() {
    assert!(MomConfig::default().unheeded().is_empty());
    let text = "[geometry]\ncurvature = 4.1\ndimension = 128\nrouting_algorithm = \"gradient_flow\"\n\
        [verification]\nlevel = \"sample\"\nfraction = 0.05\nreceipts.scaling = false";
    let unheeded = toml(text).unwrap().unheeded();
    let paths: Vec<&str> = unheeded.iter().map(|u| u.path).collect();
    assert_eq!(paths, ["geometry.curvature", "geometry.dimension", "verification.receipts.scaling"]);
    assert_eq!((unheeded[0].found.as_str(), unheeded[0].allowed.as_deref()), ("4.1", Some("0.25 to 4")));
    assert_eq!(
        unheeded[1].to_string(),
        "`geometry.dimension` is 128, and no mesh carries that out yet: 8, 64, 512 is allowed"
    );
}

#[test]
fn goals_that_are_not_the_usual_ones_are_said_to_decide_nothing_and_keep_nobody_from_founding() {
    let text = "[optimization_goals]\nperformance = 0.5\ncost = 0.1\nreliability = 0.3\nsustainability = 0.1";
    let config = toml(text).unwrap();
    let told: Vec<String> = config.unheeded().iter().map(ToString::to_string).collect();
    let expected = ["`optimization_goals.performance` is 0.5", "`optimization_goals.cost` is 0.1"];
    assert_eq!(
        told,
        expected.map(|what| format!("{what}: kept and shown, and nothing is decided by it yet"))
    );
    assert_eq!(config.problems_of_founding(text, Format::Toml, "mom.toml"), None);
    let value = serde_json::to_value(config.unheeded()).unwrap();
    assert_eq!(value[1], serde_json::json!({"path": "optimization_goals.cost", "found": "0.1"}));
}

#[test]
fn what_no_mesh_carries_out_keeps_it_from_being_founded_and_is_told_with_its_line() {
    let text = "[geometry]\ncurvature = 9\ndimension = 8\n\
        [verification]\nlevel = \"sample\"\nfraction = 0.05\nreceipts.scaling = false\n";
    let config = toml(text).unwrap();
    let problems = config.problems_of_founding(text, Format::Toml, "mom.toml").unwrap();
    let expected = "\
error: `geometry.curvature` is 9, and no mesh carries that out yet
 --> mom.toml:2:13
  |
2 | curvature = 9
  |             ^
  = allowed: 0.25 to 4

error: `verification.receipts.scaling` is false, and no mesh carries that out yet
 --> mom.toml:7:20
  |
7 | receipts.scaling = false
  |                    ^^^^^
  = allowed: true

mom.toml: 2 problems";
    assert_eq!(problems.to_string(), expected);
    let json_text = "{\"geometry\": {\n\"dimension\": 65}}";
    let config = json(json_text).unwrap();
    let problems = config.problems_of_founding(json_text, Format::Json, "mom.json").unwrap();
    assert_eq!((problems.problems[0].line, problems.problems[0].column), (2, 14));
    let lines = EXAMPLES.map(|(file, text)| {
        let format = Format::of(file.as_ref());
        let config = MomConfig::parse(text, format, file).unwrap();
        let problems = config.problems_of_founding(text, format, file);
        problems.map(|p| p.problems.iter().map(|p| p.line).collect::<Vec<_>>())
    });
    assert_eq!(lines, [None, None, None, Some(vec![12])]);
    let defaults = MomConfig::default().to_toml().unwrap();
    assert_eq!(MomConfig::default().problems_of_founding(&defaults, Format::Toml, "mom.toml"), None);
}

#[test]
fn a_genesis_is_described_by_the_settings_that_make_it() {
    let mut twins = validators();
    twins[4].label = name("earth");
    for (validators, orchestration) in [
        (validators(), "mode = \"fully_distributed\""),
        (validators(), "mode = \"centralized\"\ncontroller = \"luna\""),
        (validators(), "mode = \"federated\""),
        (twins, "mode = \"federated\""),
    ] {
        for verification in ["\"none\"", "\"sample\"\nfraction = 0.000007", "\"full_audit\""] {
            let config = toml(&format!(
                "[orchestration]\n{orchestration}\n[verification]\nlevel = {verification}\n[geometry]\ncurvature = 2.5\ndimension = 64"
            ));
            let config = config.unwrap();
            let genesis = Genesis {
                mesh: Hash([1; 32]),
                time: TimeMs(1),
                chain: None,
                owner: PublicKey([9; 32]),
                mode: config.orchestration.to_mode(&validators, &regions()).unwrap(),
                validators: validators.clone(),
                verification: config.verification.to_level(),
                shards: Vec::new(),
                latencies: Vec::new(),
                tenants: Vec::new(),
                workers: Default::default(),
                params: config.to_params(),
            };
            let described = MomConfig::of_genesis(&genesis).unwrap();
            assert_eq!(described.verification, config.verification);
            assert_eq!(described.geometry, config.geometry);
            assert_eq!(described.orchestration.to_mode(&validators, &regions()).unwrap(), genesis.mode);
            // And it is a file.
            assert_eq!(toml(&described.to_toml().unwrap()).unwrap(), described);
            if let Verification::Sample { fraction_ppm } = genesis.verification {
                let broken = Genesis {
                    verification: Verification::Sample { fraction_ppm: fraction_ppm + 1_000_000 },
                    ..genesis
                };
                assert!(matches!(MomConfig::of_genesis(&broken), Err(FoundingError::Number(_))));
            }
        }
    }
    assert_eq!(Orchestration::default(), Orchestration::GeometricMesh {});
}
