//! What is refused, and with which words.

use crate::{json, toml};
use phalanx_config::{FILE_BYTES_MAX, Fault, PROBLEMS_MAX};

/// A wrong TOML file, and what is said of it.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "[geometry]\ncurvature = 0",
        &["`geometry.curvature` is 0", "mom.toml:2:13", "from 0.000001 to 4294.967295"],
    ),
    ("[geometry]\ncurvature = 1.0000001", &["at most 6 decimals", "help: round it to 6 decimals"]),
    ("[geometry]\ncurvature = \"1.5\"", &["is \"1.5\"", "help: write it without quotes"]),
    ("[geometry]\ncurvature = 1979-05-27", &["is a date"]),
    ("[geometry]\ncurvature = 4294.967296", &["`geometry.curvature` is 4294.967296", "allowed: a number"]),
    ("[geometry]\ndimension = 513", &["`geometry.dimension` is 513"]),
    ("[geometry]\ndimension = 1", &["a whole number from 2 to 512"]),
    ("[geometry]\ndimension = 1024", &["`geometry.dimension` is 1024", "a whole number from 2 to 512"]),
    ("[geometry]\ndimension = 8.5", &["`geometry.dimension` is 8.5"]),
    ("[geometry]\ndimensions = 8", &["`geometry.dimensions` is no setting", "did you mean `dimension`?"]),
    (
        "[geometry]\nrouting_algorithm = \"greedy\"",
        &["mom.toml:2:21", "\"greedy_forwarding\", \"multipath_hyperbolic\", \"gradient_flow\""],
    ),
    ("[geometry]\nrouting_algorithm = \"Gradient-Flow\"", &["did you mean \"gradient_flow\"?"]),
    (
        "[geometri]\ncurvature = 1",
        &["`geometri` is no setting", "did you mean `geometry`?", "`orchestration`"],
    ),
    ("geometry = 3", &["`geometry` is 3", "allowed: a table"]),
    ("mode = \"federated\"", &["`mode` is no setting", "`mode` belongs to `orchestration`"]),
    ("[orchestration]\nmode = \"federatd\"", &["mom.toml:2:8", "did you mean \"federated\"?"]),
    ("[orchestration]", &["`orchestration.mode` is missing", "mom.toml:1:2", "\"geometric_mesh\""]),
    (
        "[orchestration]\nmoed = \"federated\"",
        &["`orchestration.moed` is no setting", "did you mean `mode`?"],
    ),
    (
        "[orchestration]\nmode = \"centralized\"",
        &["`orchestration.controller` is missing", "a name of 1 to 64"],
    ),
    (
        "[orchestration]\nmode = \"geometric_mesh\"\ncontroller = \"a\"",
        &["`orchestration.controller` is no setting", "`controller` goes with mode = \"centralized\""],
    ),
    ("[orchestration]\nmode = \"centralized\"\ncontroller = \"Earth\"", &["is \"Earth\"", "a-z 0-9"]),
    (
        "[orchestration]\nmode = \"centralized\"\ncontroller = \"a\"\nsuccessors = [\"b\", 3]",
        &["`orchestration.successors[1]` is 3", "mom.toml:4:20"],
    ),
    (
        "[orchestration]\nmode = \"centralized\"\ncontroller = \"a\"\nsuccessors = [\"b\", \"a\"]",
        &["`orchestration.successors` names a twice", "mom.toml:4:1", "each validator once"],
    ),
    (
        "[orchestration]\nmode = \"federated\"\n[orchestration.coordinators]\na = [\"a\"]",
        &["`orchestration.coordinators` is a table", "a table of 4 to 64 lists", "this one has 1"],
    ),
    (
        "[orchestration.coordinators]\n\"A b\" = []\nb = []\nc = []\nd = []\n[orchestration]\nmode = \"federated\"",
        &["`orchestration.coordinators.\"A b\"` is no setting", "mom.toml:2:1"],
    ),
    (
        "[optimization_goals]\nperformance = 0.4\ncost = 0.2\nreliability = 0.3\nsustainability = 0.100001",
        &["`optimization_goals` sum to 1.000001", "mom.toml:1:2", "exactly 1", "give less by 0.000001"],
    ),
    (
        "[optimization_goals]\nperformance = 0.4\ncost = 0.2\nreliability = 0.3",
        &["`optimization_goals.sustainability` is missing", "a number from 0 to 1"],
    ),
    (
        "[optimization_goals]\nperformance = -0.4\ncost = 1.2\nreliability = true\nsustainability = []",
        &["is -0.4", "is 1.2", "is true", "is a list", "mom.toml: 4 problems"],
    ),
    ("[optimisation_goals]", &["did you mean `optimization_goals`?"]),
    ("[identity]\nversion = 2", &["`identity.version` is 2", "help: write it in quotes: \"2\""]),
    ("[identity]\nversion = \"3\"", &["allowed: \"2\""]),
    ("[identity]\nparadigm = \"manual\"", &["\"autonomous_geometric_distributed_orchestration\""]),
    ("[verification]\nlevel = \"sample\"", &["`verification.fraction` is missing", "from 0.000001 to 1"]),
    (
        "[verification]\nlevel = \"full_audit\"\nfraction = 0.5",
        &["`verification.fraction` is no setting", "`fraction` goes with level = \"sample\""],
    ),
    ("[verification]\nlevel = \"sample\"\nfraction = 0", &["`verification.fraction` is 0"]),
    ("[verification]\nlevel = \"full-audit\"", &["did you mean \"full_audit\"?"]),
    (
        "[verification]\nlevel = \"sample\"\nfraction = 1\nreceipts.scalling = \"no\"\nreceipts.placement = 1",
        &["did you mean `scaling`?", "`verification.receipts.placement` is 1", "true or false", "2 problems"],
    ),
    ("[geometry]\ncurvature =\ndimension = = 2", &["this is not TOML", "mom.toml:2:", "mom.toml:3:"]),
    ("[geometry]\ncurvature = 1\ncurvature = 2", &["duplicate key", "mom.toml:3:1"]),
];

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_is_allowed() {
    for (text, needles) in REFUSED {
        let told = toml(text).expect_err(text).to_string();
        for needle in *needles {
            assert!(told.contains(needle), "{text}\n---\n{told}\n--- has no {needle:?}");
        }
    }
}

#[test]
fn a_message_shows_the_line_and_marks_the_value() {
    let told = toml("[geometry]\n  curvature = -1.5 # too low\n").unwrap_err().to_string();
    let expected = "\
error: `geometry.curvature` is -1.5
 --> mom.toml:2:15
  |
2 |   curvature = -1.5 # too low
  |               ^^^^
  = allowed: a number from 0.000001 to 4294.967295 with at most 6 decimals

mom.toml: 1 problem";
    assert_eq!(told, expected);
}

#[test]
fn problems_are_told_in_the_order_of_the_file() {
    let text = "[verification]\nlevel = 1\n[geometry]\ndimension = 0\ncurvature = 0\n[zeal]\n";
    let lines: Vec<usize> = toml(text).unwrap_err().problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [2, 4, 5, 6]);
}

#[test]
fn json_is_checked_by_the_same_rules_with_its_own_places() {
    let told =
        json("{\n  \"geometry\": {\"curvature\": 0},\n  \"verification\": null\n}").unwrap_err().to_string();
    for needle in ["mom.json:2:29", "`geometry.curvature` is 0", "mom.json:3:19", "`verification` is null"] {
        assert!(told.contains(needle), "{told}\n--- has no {needle:?}");
    }
    for (text, place, needle) in [
        ("{\"geometry\": {\"dimension\": 8, \"dimension\": 9}}", "mom.json:1:31", "duplicate key"),
        ("{\n\"geometry\": {\n\"dimension\": 8,\n}}", "mom.json:4:1", "this is not JSON"),
        ("", "mom.json:1:1", "this is not JSON"),
        ("{} {}", "mom.json:1:4", "this is not JSON"),
        ("[]", "mom.json:1:1", "a table"),
    ] {
        let told = json(text).unwrap_err().to_string();
        assert!(told.contains(place) && told.contains(needle), "{text}\n---\n{told}");
    }
}

#[test]
fn problems_are_counted_beyond_those_that_are_shown() {
    let text: String = (0..PROBLEMS_MAX + 10).map(|i| format!("setting{i:03} = 1\n")).collect();
    let problems = toml(&text).unwrap_err();
    assert_eq!((problems.problems.len(), problems.more), (PROBLEMS_MAX, 10));
    assert!(problems.to_string().ends_with("74 problems, of which the first 64 are shown"));
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let problems = toml(&"#".repeat(FILE_BYTES_MAX + 1)).unwrap_err();
    assert!(matches!(problems.problems[0].fault, Fault::TooLong { found, max } if found == max + 1));
    assert!(toml(&"#".repeat(FILE_BYTES_MAX)).is_ok());
}

#[test]
fn a_long_line_is_cut_around_its_mark_and_controls_are_blank() {
    let text = format!("geometry = {{ dimension = 8, {} = 1, curvature = 0 }}", "e".repeat(9_000));
    let told = toml(&text).unwrap_err().to_string();
    assert!(told.len() < 2_000 && told.contains("curvature = 0 }"), "{told}");
    let told = json("{\"a\": \"\u{7f}\u{85}\"}").unwrap_err().to_string();
    assert!(!told.contains(['\u{7f}', '\u{85}']), "{told}");
}

#[test]
fn problems_can_be_read_by_programs() {
    let problems = toml("[geometry]\ndimensoin = 8").unwrap_err();
    let value = serde_json::to_value(&problems).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "file": "mom.toml",
            "problems": [{
                "line": 2, "column": 1,
                "fault": "`geometry.dimensoin` is no setting",
                "allowed": "`curvature`, `dimension`, `routing_algorithm`",
                "help": "did you mean `dimension`?",
            }],
            "more": 0,
        })
    );
}
