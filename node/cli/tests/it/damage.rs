//! Files of a home folder that are not what the node wrote: each is healed where
//! that is safe, or an error that says what to do; nothing that was decided is
//! lost.

use crate::{
    lone::{Ended, Lone, cut, flip},
    support::stderr,
};
use phalanx_ledger::{Batch, Cf, Durability, Kv, RocksKv, SCHEMA, record};
use phalanx_types::frames;
use std::{fs, io::Write, path::PathBuf};

fn assert_says(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.said);
    let last = ended.said.lines().last().unwrap_or_default();
    for word in words {
        assert!(last.contains(word), "no {word:?} in: {}", ended.said);
    }
}

#[test]
fn a_store_from_a_newer_version_is_refused_and_left_as_it_is() {
    let mut lone = Lone::with_history();
    let before = lone.receipts();
    lone.copy("data");
    {
        let store = RocksKv::open(&lone.file("data")).unwrap();
        let mut batch = Batch::default();
        let newer = record::wrap_value(Cf::Meta, b"schema", &(SCHEMA + 1));
        batch.put(Cf::Meta, b"schema", newer);
        store.write(batch, Durability::Synced).unwrap();
    }
    assert_says(&lone.refused(), 2, &["newer version"]);
    for words in [["ledger", "stats"], ["ledger", "fsck"], ["ledger", "export"], ["receipt", "export"]] {
        let mut words = words.to_vec();
        words.extend((words[0] == "receipt").then_some("3"));
        let told = lone.phalanx(&words);
        assert_eq!(told.status.code(), Some(2), "{words:?}: {}", stderr(&told));
        assert!(stderr(&told).contains("newer version"), "{}", stderr(&told));
    }
    lone.put_back("data");
    lone.goes_on_with(&before);
}

#[test]
fn a_torn_end_of_the_logs_is_healed_and_damage_is_an_error_with_a_remedy() {
    let mut lone = Lone::with_history();
    let before = lone.receipts();
    lone.copy("wal");
    lone.copy("journal");

    // What was being written when the node was killed.
    lone.start();
    lone.kill();
    for name in ["wal", "journal"] {
        let torn = &frames::frame(&[7; 100])[..60];
        fs::OpenOptions::new().append(true).open(lone.file(name)).unwrap().write_all(torn).unwrap();
    }
    lone.goes_on_with(&before);

    let before = lone.receipts();
    let damages: [(&str, &dyn Fn(&PathBuf)); 3] = [
        ("a flipped bit", &|path| flip(path)),
        ("a lost beginning", &|path| cut(path, 3)),
        ("garbage", &|path| {
            fs::write(path, [0xa5; 200]).unwrap();
        }),
    ];
    for name in ["wal", "journal"] {
        let remedy = if name == "wal" { "must not sign against it" } else { "reported as lost" };
        for (what, damage) in damages {
            lone.copy(name);
            damage(&lone.file(name));
            // A journal that is cut before its first record is an empty one.
            if name == "wal" || what != "a lost beginning" {
                let ended = lone.refused();
                assert_says(&ended, 1, &[name, "move", "away", remedy]);
            }
            lone.put_back(name);
        }
    }
    // The remedy works: nobody else decides with this node.
    for name in ["wal", "journal"] {
        flip(&lone.file(name));
        fs::rename(lone.file(name), lone.file("moved-away")).unwrap();
    }
    lone.goes_on_with(&before);
}

#[test]
fn garbage_in_place_of_the_numbers_is_an_error_and_they_begin_above_those_seen() {
    let mut lone = Lone::with_history();
    let before = lone.receipts();
    for garbage in [&b""[..], b"{", b"[1,2]", b"{\"x\":1}", b"\xff\xff"] {
        fs::write(lone.file("sequences"), garbage).unwrap();
        assert_says(&lone.refused(), 1, &["sequences", "move it away"]);
    }
    fs::remove_file(lone.file("sequences")).unwrap();
    lone.goes_on_with(&before);
}

#[test]
fn a_store_that_lost_beats_is_not_signed_for() {
    let mut lone = Lone::with_history();
    lone.copy("data");
    lone.start();
    lone.work(1);
    lone.stop();
    let before = lone.receipts();
    let newest = lone.mesh.folder.path().join("newest");
    crate::lone::replace(&lone.file("data"), &newest);

    lone.put_back("data");
    assert_says(&lone.refused(), 1, &["the store ends with beat", "has signed at beat", "put back a copy"]);
    // Nor is an empty one.
    fs::remove_dir_all(lone.file("data")).unwrap();
    assert_says(&lone.refused(), 1, &["the store ends with beat 0,", "put back a copy"]);

    crate::lone::replace(&newest, &lone.file("data"));
    lone.goes_on_with(&before);
}

/// The largest file of the store with this extension, or this name.
fn of_store(lone: &Lone, kind: &str) -> Option<PathBuf> {
    let files = fs::read_dir(lone.file("data")).unwrap().flatten().map(|entry| entry.path());
    let is_kind = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name == kind || name.starts_with(kind) || name.ends_with(kind)
    };
    files.filter(is_kind).max_by_key(|path| path.metadata().unwrap().len())
}

#[test]
fn damaged_files_of_the_store_are_errors_with_a_remedy_and_never_a_new_beginning() {
    let mut lone = Lone::with_history();
    // The next start writes what was logged into tables, and logs anew.
    lone.start();
    lone.work(1);
    lone.stop();
    lone.copy("data");
    let before = lone.receipts();
    lone.put_back("data");
    let damages: [(&str, &dyn Fn(&PathBuf)); 4] = [
        ("flipped", &|path| flip(path)),
        ("halved", &|path| cut(path, fs::metadata(path).unwrap().len() as usize / 2)),
        ("emptied", &|path| cut(path, 0)),
        ("removed", &|path| fs::remove_file(path).unwrap()),
    ];
    let mut refused = 0;
    for kind in ["CURRENT", "MANIFEST-", ".sst", ".log"] {
        for (what, damage) in damages {
            damage(&of_store(&lone, kind).unwrap_or_else(|| panic!("the store has no {kind}")));
            let checked = lone.phalanx(&["ledger", "fsck"]);
            lone.put_back("data");
            damage(&of_store(&lone, kind).unwrap());
            let ended = lone.refused();
            assert_eq!(ended.code, Some(1), "{kind} {what}: {}", ended.said);
            let last = ended.said.lines().last().unwrap_or_default().to_owned();
            let has_remedy = ["put back a copy", "ledger fsck"].iter().any(|remedy| last.contains(remedy));
            assert!(has_remedy, "{kind} {what}: {last}");
            refused += 1;
            // Without the log of consensus, fsck sees a shorter record that is whole.
            if kind != ".log" {
                assert_eq!(checked.status.code(), Some(1), "{kind} {what}: fsck: {}", stderr(&checked));
            }
            lone.put_back("data");
        }
    }
    assert_eq!(refused, 16);
    lone.goes_on_with(&before);
}
