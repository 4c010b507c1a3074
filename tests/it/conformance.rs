//! Conformance vectors: frozen examples of every format that
//! `node/ledger/docs/formats.md` describes.
//!
//! Each file in `tests/vectors` is made here from fixed seeds and compared byte
//! for byte with what is committed. `PHALANX_BLESS=1` writes the files anew: a
//! changed file is a changed format.

mod agreement;
mod borsh;
mod checkpoint;
mod frames;
pub mod genesis;
mod hashes;
mod ledger;
mod proof;
mod receipts;
mod records;
mod snapshot;
mod state;
mod trees;

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A file of vectors: its name, and what makes it.
type Topic = (&'static str, fn() -> Value);

const TOPICS: &[Topic] = &[
    ("agreement.json", agreement::vectors),
    ("borsh.json", borsh::vectors),
    ("checkpoint.json", checkpoint::vectors),
    ("frames.json", frames::vectors),
    ("genesis.json", genesis::vectors),
    ("hashes.json", hashes::vectors),
    ("history.json", trees::history),
    ("interval.json", trees::interval),
    ("ledger.json", ledger::vectors),
    ("proof.json", proof::vectors),
    ("receipts.json", receipts::vectors),
    ("records.json", records::vectors),
    ("snapshot.json", snapshot::vectors),
    ("state.json", state::vectors),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn hx(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(bytes)
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_default()
}

#[test]
fn the_vectors_have_not_changed() {
    let mut changed = Vec::new();
    for (name, make) in TOPICS {
        let text = serde_json::to_string_pretty(&make()).unwrap() + "\n";
        if std::env::var_os("PHALANX_BLESS").is_some_and(|v| v == "1") {
            fs::write(folder().join(name), &text).unwrap();
        }
        if read(name) != text {
            changed.push(*name);
        }
    }
    assert!(changed.is_empty(), "changed: {changed:?}; with PHALANX_BLESS=1 they are written anew");
}

#[test]
fn every_file_of_vectors_is_compared() {
    let found: BTreeSet<String> =
        fs::read_dir(folder()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let known: BTreeSet<String> = TOPICS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, known);
}

#[test]
fn every_hex_value_of_the_text_is_in_a_vector() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/ledger/docs/formats.md");
    let text = fs::read_to_string(path).unwrap();
    let vectors: String = TOPICS.iter().map(|(name, _)| read(name)).collect();
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    // Digits alone are a decimal number.
    let is_value = |word: &&str| word.len() >= 16 && word.contains(|c: char| c.is_ascii_lowercase());
    let values: Vec<&str> = text.split(|c| !is_hex(c)).filter(is_value).collect();
    assert!(values.len() > 20, "the text has its examples");
    for value in values {
        assert!(vectors.contains(value), "{value} is in the text and in no vector");
    }
}
