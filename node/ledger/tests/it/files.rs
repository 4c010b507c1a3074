//! The store on disk: damaged files, torn logs, locks.

use crate::{
    chain::{Chain, genesis},
    store::{Record, dump, flipped, places},
};
use phalanx_ledger::{Kv, RocksKv, StoreError, fsck::fsck};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The files of a ledger that was opened twice, so that a part of it is in
/// tables and a part in the log.
struct Fixture {
    folder: TempDir,
    /// The contents after each beat, the first being the empty store.
    states: Vec<Vec<Record>>,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let open = || RocksKv::open(folder.path()).unwrap();
    let mut states = Vec::new();
    let mut chain = Chain::on(open(), genesis(1));
    chain.first_half();
    let mut chain = chain.reopened(open);
    states.push(dump(chain.replica.ledger().kv()));
    // The beats of the second half, each with its state.
    for _ in 0..4 {
        chain.offer_all();
        chain.beat();
        states.push(dump(chain.replica.ledger().kv()));
    }
    chain.replica.close().unwrap();
    Fixture { folder, states }
}

fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

fn files(folder: &Path, of: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| of(&path.file_name().unwrap().to_string_lossy()))
        .filter(|path| fs::metadata(path).unwrap().len() > 0)
        .collect();
    found.sort();
    found
}

/// What came of a damaged store.
#[derive(Debug, PartialEq)]
enum Came {
    /// It does not open, and says why.
    Refused,
    /// `fsck` finds it.
    Found,
    /// Nothing that matters was touched.
    Same,
    /// The log was cut at the damage: an earlier beat, whole and clean.
    Earlier,
}

fn look(folder: &Path, fixture: &Fixture) -> Came {
    let kv = match RocksKv::open(folder) {
        Err(error) => {
            assert!(!matches!(error, StoreError::Locked { .. }), "damage is no lock: {error}");
            assert!(error.to_string().len() > 20, "{error}");
            return Came::Refused;
        }
        Ok(kv) => kv,
    };
    let report = fsck(&kv);
    if !report.is_clean() {
        assert!(report.first.is_some());
        return Came::Found;
    }
    let found = dump(&kv);
    match fixture.states.iter().position(|state| *state == found) {
        Some(at) if at + 1 == fixture.states.len() => Came::Same,
        Some(_) => Came::Earlier,
        None => panic!("a damaged store opens clean with contents that never were"),
    }
}

fn flip_files(most: usize) {
    let fixture = fixture();
    let from = fixture.folder.path();
    assert_eq!(look(copy(from).path(), &fixture), Came::Same);
    let kinds: [(&str, fn(&str) -> bool); 5] = [
        ("tables", |name| name.ends_with(".sst")),
        ("log", |name| name.ends_with(".log")),
        ("manifest", |name| name.starts_with("MANIFEST")),
        ("current", |name| name == "CURRENT"),
        ("other", |name| name.starts_with("OPTIONS") || name == "IDENTITY"),
    ];
    for (kind, is_it) in kinds {
        let files = files(from, is_it);
        assert!(!files.is_empty(), "there are no {kind}");
        let each = most.div_ceil(files.len());
        for file in files {
            let bytes = fs::read(&file).unwrap();
            for at in places(bytes.len(), each) {
                let damaged = copy(from);
                let name = file.file_name().unwrap();
                fs::write(damaged.path().join(name), flipped(&bytes, at, 0x04)).unwrap();
                let came = look(damaged.path(), &fixture);
                let is_log = kind == "log";
                assert!(came != Came::Earlier || is_log, "{kind} {name:?} byte {at} lost beats unseen");
            }
        }
    }
}

#[test]
fn a_flipped_byte_of_any_file_is_refused_found_or_without_effect() {
    flip_files(8);
}

#[test]
#[ignore = "slow: opens a store for each of a thousand places"]
fn a_flipped_byte_of_any_file_is_refused_found_or_without_effect_slow() {
    flip_files(300);
}

/// RocksDB comes back from none of them.
#[test]
fn a_record_whose_kind_has_changed_is_refused_and_not_waited_for() {
    let fixture = fixture();
    let from = fixture.folder.path();
    let is_log: fn(&str) -> bool = |name| name.starts_with("MANIFEST") || name.ends_with(".log");
    for file in files(from, is_log) {
        let bytes = fs::read(&file).unwrap();
        let (mut at, mut records) = (0, 0);
        while at + 7 <= bytes.len() {
            let len = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
            // The first, the last, and some between them.
            if records % 9 == 0 || at + 7 + len == bytes.len() {
                for kind in [5, 8, 9, 10, 130, 255] {
                    let damaged = copy(from);
                    let mut changed = bytes.clone();
                    changed[at + 6] = kind;
                    fs::write(damaged.path().join(file.file_name().unwrap()), changed).unwrap();
                    let error = RocksKv::open(damaged.path()).unwrap_err().to_string();
                    assert!(
                        error.contains(&format!("at byte {at}")) && error.contains("put back"),
                        "{error}"
                    );
                }
            }
            at += 7 + len;
            records += 1;
        }
        assert_eq!(at, bytes.len(), "{}", file.display());
        assert!(records > 3, "{}", file.display());
    }
}

#[test]
fn a_log_that_was_cut_anywhere_ends_after_a_whole_beat() {
    let fixture = fixture();
    let from = fixture.folder.path();
    let logs = files(from, |name| name.ends_with(".log"));
    let [log] = &logs[..] else { panic!("one log is open: {logs:?}") };
    let bytes = fs::read(log).unwrap();
    let mut seen = Vec::new();
    for len in places(bytes.len(), 24) {
        let torn = copy(from);
        fs::write(torn.path().join(log.file_name().unwrap()), &bytes[..len]).unwrap();
        let kv = RocksKv::open(torn.path()).unwrap();
        assert!(fsck(&kv).is_clean(), "cut at {len}");
        let found = dump(&kv);
        let state = fixture.states.iter().position(|state| *state == found);
        seen.push(state.unwrap_or_else(|| panic!("cut at {len}: a state between two beats")));
    }
    assert!(seen.is_sorted() && seen.first() == Some(&0) && seen.len() > 4, "{seen:?}");
    assert!(seen.last() < Some(&fixture.states.len()), "{seen:?}");
}

#[test]
fn a_store_in_use_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let _first = RocksKv::open(folder.path()).unwrap();
    let error = RocksKv::open(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("stop that node first"), "{error}");
}

#[test]
fn both_stores_hold_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut on_disk = Chain::on(RocksKv::open(folder.path()).unwrap(), genesis(1));
    on_disk.first_half();
    let mut in_memory = Chain::in_memory(genesis(1));
    in_memory.first_half();
    assert!(dump(on_disk.replica.ledger().kv()) == dump(&in_memory.kv()));
    let (disk, memory) = (on_disk.replica.ledger().kv(), in_memory.kv());
    for key in [0_u64, 1, 4, 5, u64::MAX] {
        let key = key.to_be_bytes();
        let cf = phalanx_ledger::Cf::Sets;
        assert_eq!(disk.last_at_most(cf, &key).unwrap(), memory.last_at_most(cf, &key).unwrap());
    }
}
