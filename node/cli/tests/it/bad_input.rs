//! Bad input: a clear error with a remedy, and a documented exit code.

use crate::support::{found, phalanx, stderr, stdout};

#[test]
fn a_missing_home_says_how_to_make_one() {
    let told = phalanx(&["status", "--home", "/nonexistent"]);
    assert_eq!(told.status.code(), Some(4));
    assert!(stderr(&told).contains("phalanx init"), "{}", stderr(&told));
}

#[test]
fn a_node_that_does_not_run_is_unavailable() {
    let mesh = found(1, &[]);
    let told = phalanx(&["status", "--home", mesh.home(0).to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(4));
    assert!(stderr(&told).contains("phalanx node run"), "{}", stderr(&told));
}

#[test]
fn an_unknown_setting_is_named() {
    let mesh = found(1, &[]);
    let path = mesh.home(0).join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("colour = \"red\"\n{text}")).unwrap();
    let told = phalanx(&["config", "check", "--home", mesh.home(0).to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(2));
    assert!(stderr(&told).contains("colour"), "{}", stderr(&told));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mesh = found(1, &[]);
    let key = mesh.home(0).join("keys/vote.json");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = phalanx(&["node", "run", "--home", mesh.home(0).to_str().unwrap()]);
    assert!(!told.status.success());
    assert!(stderr(&told).contains("chmod 600"), "{}", stderr(&told));
}

#[test]
fn an_interface_for_other_machines_is_refused() {
    let mesh = found(1, &[]);
    let path = mesh.home(0).join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("api = \"127.0.0.1", "api = \"0.0.0.0");
    std::fs::write(&path, text).unwrap();
    let told = phalanx(&["config", "check", "--home", mesh.home(0).to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(2));
    assert!(stderr(&told).contains("loopback"), "{}", stderr(&told));
}

#[test]
fn a_changed_genesis_is_another_mesh() {
    let mesh = found(1, &[]);
    let path = mesh.home(0).join("genesis.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("queue_budget\": 6000", "queue_budget\": 99999999999", 1)).unwrap();
    let told = phalanx(&["config", "check", "--home", mesh.home(0).to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(2));
    assert!(stderr(&told).contains("genesis"), "{}", stderr(&told));
}

#[test]
fn a_file_that_is_no_proof_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    for bytes in [&b""[..], b"{}", b"\xff\xfe\x00", b"[1,2"] {
        std::fs::write(&file, bytes).unwrap();
        let told = phalanx(&["receipt", "verify", file.to_str().unwrap(), "--home", "/nonexistent"]);
        assert_eq!(told.status.code(), Some(2), "{}", stdout(&told));
    }
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let mesh = found(2, &[]);
    let out = mesh.folder.path().join("mesh");
    let told = phalanx(&["init", "--mesh-of", "2", "--out", out.to_str().unwrap()]);
    assert!(!told.status.success());
    assert!(stderr(&told).contains("another --out"), "{}", stderr(&told));
}

#[test]
fn unknown_faults_and_flags_are_usage_errors() {
    assert_eq!(phalanx(&["simulate", "mesh", "--faults", "gremlins"]).status.code(), Some(2));
    assert_eq!(phalanx(&["frobnicate"]).status.code(), Some(2));
}
