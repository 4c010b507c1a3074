//! Settings of a mesh as a file: shown, checked, founded with.

use crate::support::{found, phalanx, stderr, stdout};
use std::path::Path;

fn check(file: &Path) -> std::process::Output {
    phalanx(&["config", "check", file.to_str().unwrap()])
}

#[test]
fn the_defaults_are_a_file_that_is_in_order_and_founds_a_mesh() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mom.toml");
    let defaults = stdout(&phalanx(&["config", "show", "defaults"]));
    let settings = defaults
        .replace("mode = \"geometric_mesh\"", "mode = \"centralized\"\ncontroller = \"mars\"")
        .replace("= \"greedy_forwarding\"", "= \"gradient_flow\"")
        .replace("level = \"full_audit\"", "level = \"sample\"\nfraction = 0.05");
    std::fs::write(&file, settings).unwrap();
    let told = check(&file);
    assert!(told.status.success(), "{}", stdout(&told));

    let mesh = found(4, &["--config", file.to_str().unwrap()]);
    let shown = phalanx(&["config", "show", "mesh", "--home", mesh.home(0).to_str().unwrap()]);
    let shown = stdout(&shown);
    for needle in [
        "mode = \"centralized\"",
        "controller = \"mars\"",
        "fraction = 0.05",
        "routing_algorithm = \"gradient_flow\"",
    ] {
        assert!(shown.contains(needle), "{shown}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_line_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mom.toml");
    std::fs::write(&file, "[orchestration]\nmode = \"federatd\"\n[geometry]\ncurvature = 0\n").unwrap();
    let told = check(&file);
    assert_eq!(told.status.code(), Some(1));
    for needle in
        ["mom.toml:2:8", "did you mean \"federated\"?", "mom.toml:4:13", "from 0.000001", "2 problems"]
    {
        assert!(stdout(&told).contains(needle), "{}", stdout(&told));
    }
    std::fs::write(&file, "mode = ").unwrap();
    assert_eq!(check(&file).status.code(), Some(2));
}

#[test]
fn nothing_is_made_for_settings_that_name_who_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("mom.toml"), folder.path().join("mesh"));
    std::fs::write(&file, "[orchestration]\nmode = \"centralized\"\ncontroller = \"venus\"\n").unwrap();
    let words =
        ["init", "--mesh-of", "1", "--out", out.to_str().unwrap(), "--config", file.to_str().unwrap()];
    let told = phalanx(&words);
    assert!(!told.status.success() && stderr(&told).contains("venus"), "{}", stderr(&told));
    assert!(!out.exists());
}

#[test]
fn nothing_is_made_for_settings_that_no_mesh_carries_out_and_goals_are_only_told() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("mom.toml"), folder.path().join("mesh"));
    let goals =
        "[optimization_goals]\nperformance = 0.1\ncost = 0.7\nreliability = 0.1\nsustainability = 0.1\n";
    std::fs::write(&file, format!("{goals}[geometry]\ncurvature = 9\n")).unwrap();
    let words =
        ["init", "--mesh-of", "1", "--out", out.to_str().unwrap(), "--config", file.to_str().unwrap()];
    let told = phalanx(&words);
    assert_eq!(told.status.code(), Some(1));
    for needle in
        ["mom.toml:7:13", "`geometry.curvature` is 9, and no mesh carries that out yet", "allowed: 0.25 to 4"]
    {
        assert!(stderr(&told).contains(needle), "{}", stderr(&told));
    }
    assert!(!out.exists());
    // The file itself is in order, and it is told what would keep a mesh from it.
    let told = check(&file);
    assert!(told.status.success());
    for needle in ["0.25 to 4 is allowed", "nothing is decided by it yet", "--founding"] {
        assert!(stdout(&told).contains(needle), "{}", stdout(&told));
    }
    let asked = phalanx(&["config", "check", "--founding", file.to_str().unwrap()]);
    assert_eq!(asked.status.code(), Some(1));
    assert!(stdout(&asked).contains("mom.toml:7:13"), "{}", stdout(&asked));

    std::fs::write(&file, goals).unwrap();
    let told = phalanx(&words);
    assert!(told.status.success(), "{}", stderr(&told));
    assert!(stderr(&told).contains("`optimization_goals.cost` is 0.7: kept and shown"), "{}", stderr(&told));
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_slice(&phalanx(&["config", "schema"]).stdout).unwrap();
    assert_eq!(schema["title"], "mom_config");
}
