//! Whose keys are made, taken over and kept.

use super::workshop::Workshop;
use crate::support::{stderr, stdout};
use std::fs;

#[test]
fn development_keys_say_so_and_are_replaced_only_when_asked() {
    let shop = Workshop::with(&["position-2"]);
    let first = fs::read(shop.path("proof-keys/position-2.vk")).unwrap();
    let again = shop.proof(&["setup", "--dev", "--circuit", "position-2"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("--force replaces it"), "{}", stderr(&again));
    assert_eq!(fs::read(shop.path("proof-keys/position-2.vk")).unwrap(), first);

    let (told, code) = shop.json(&["setup", "--dev", "--circuit", "position-2", "--force"]);
    assert_eq!(code, 0);
    assert_eq!(told["keys"][0]["provenance"], "DEV");
    assert_eq!(told["keys"][0]["key_hash"].as_str().unwrap().len(), 64);
    assert_ne!(fs::read(shop.path("proof-keys/position-2.vk")).unwrap(), first);
    let text = stdout(&shop.proof(&["setup", "--dev", "--circuit", "position-2", "--force"]));
    assert!(text.contains("forge any proof") && text.contains("verifying key"), "{text}");
}

#[test]
fn a_ceremonys_key_is_never_overwritten() {
    let shop = Workshop::with(&["position-2"]);
    // The byte after magic, format and kind is the provenance, the 32 after it the transcript.
    let path = shop.path("proof-keys/position-2.vk");
    let mut key = fs::read(&path).unwrap();
    key[11] = 1;
    key[12] = 9;
    fs::write(&path, &key).unwrap();
    let run = shop.proof(&["setup", "--dev", "--circuit", "position-2", "--force"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("of a ceremony"), "{}", stderr(&run));
    assert_eq!(fs::read(&path).unwrap(), key);
}

#[test]
fn usage_is_refused_before_anything_is_made() {
    let shop = Workshop { folder: tempfile::tempdir().unwrap() };
    let without = shop.proof(&["setup"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(stderr(&without).contains("--dev"), "{}", stderr(&without));
    let unknown = shop.proof(&["setup", "--dev", "--circuit", "position-3"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("position-64"), "{}", stderr(&unknown));
    assert!(!fs::exists(shop.path("proof-keys")).unwrap());
}

#[test]
fn constraints_go_out_and_only_a_ceremony_of_them_comes_in() {
    let shop = Workshop { folder: tempfile::tempdir().unwrap() };
    let out = shop.proof(&["r1cs", "position-2"]);
    assert!(out.status.success() && out.stdout.starts_with(b"r1cs"));
    let transcript = shop.write("transcript", "who took part");
    let zkey = shop.write("other.zkey", "zkey");
    let words = ["import-zkey", "position-2", &zkey, "--transcript", &transcript];
    let run = shop.proof(&words);
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).contains("not a .zkey"), "{}", stderr(&run));
    let cubic = concat!(env!("CARGO_MANIFEST_DIR"), "/../../circuits/tests/vectors/cubic.zkey");
    let run = shop.proof(&["import-zkey", "position-2", cubic, "--transcript", &transcript]);
    assert_eq!(run.status.code(), Some(3));
    assert!(stderr(&run).contains("not of position-2"), "{}", stderr(&run));
}
