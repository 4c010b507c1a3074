//! Keystores that other programs have made, and ours in theirs.

use crate::{anvil::tool, world::key};
use phalanx_governance::keys::{PasswordSource, keystore};
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

#[test]
fn a_keystore_of_cast_opens_here_and_ours_opens_there() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "four words and more\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let source = PasswordSource::File(password);

    // The key of anvil's first account, which everybody knows.
    let known = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let made = Command::new(tool("cast"))
        .args(["wallet", "import", "theirs", "--private-key", known])
        .args(["--unsafe-password", "four words and more", "--keystore-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let opened = keystore::open(&folder.path().join("theirs"), &source).unwrap();
    assert_eq!(opened.address(), key(0).address());

    let ours = folder.path().join("ours");
    keystore::create(&ours, &key(4), &source).unwrap();
    let read = Command::new(tool("cast"))
        .args(["wallet", "address", "--password", "four words and more", "--keystore"])
        .arg(&ours)
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), key(4).address().to_string());
}
