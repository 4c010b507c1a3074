//! Bad input to commands: job files, keys, proof files.

use crate::{
    lone::Lone,
    support::{found, phalanx, stderr, stdout},
};
use phalanx_api::ClientError;
use phalanx_types::{Name, Operation};
use std::{fs, os::unix::fs::PermissionsExt, process::Output};

const JOB: &str = r#"{"label":"j","tenant":"tenant","region":"earth","budget":"1000000",
    "resources":{"cpu_milli":100,"memory_mib":16},"work":{"synthetic":{"duration_ms":10}}}"#;

fn assert_told(told: &Output, code: i32, words: &[&str]) {
    let said = format!("{}{}", stdout(told), stderr(told));
    assert_eq!(told.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

#[test]
fn a_job_file_that_cannot_be_read_is_named_before_anything_is_sent() {
    let mesh = found(1, &[]);
    let home = mesh.home(0);
    let file = mesh.folder.path().join("jobs.json");
    let name = file.to_str().unwrap();
    let submit = || phalanx(&["job", "submit", "--home", home.to_str().unwrap(), "--file", name]);
    assert_told(&submit(), 4, &[name, "cannot be read"]);
    let with = |from: &str, to: &str| {
        assert!(JOB.contains(from));
        format!("[{}]", JOB.replacen(from, to, 1))
    };
    for (text, word) in [
        (String::new(), "EOF"),
        ("[".to_owned(), "EOF"),
        ("{}".to_owned(), "sequence"),
        ("[]".to_owned(), "no job"),
        ("[{}]".to_owned(), "label"),
        (format!("[{JOB}] trailing"), "trailing"),
        (with(r#""label":"j""#, r#""label":"j","colour":"red""#), "colour"),
        (with(r#""duration_ms":10"#, r#""duration_ms":10,"colour":1"#), "colour"),
        (with(r#""cpu_milli":100"#, r#""cpu_milli":4294967296"#), "4294967296"),
        (with(r#""cpu_milli":100"#, r#""cpu_milli":1e99"#), "1e+99"),
        (with(r#""cpu_milli":100"#, r#""cpu_milli":-1"#), "-1"),
        (with(r#""budget":"1000000""#, r#""budget":"18446744073709551616""#), "too large"),
        (with(r#""budget":"1000000""#, r#""budget":"a lot""#), "invalid digit"),
        (with(r#""region":"earth""#, r#""region":"../earth""#), "../earth"),
        (with(r#""region":"earth""#, r#""region":null"#), "null"),
        (with("synthetic", "magic"), "magic"),
    ] {
        fs::write(&file, &text).unwrap();
        let told = submit();
        assert_told(&told, 2, &[word]);
    }
    fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    assert_told(&submit(), 4, &["UTF-8"]);
    // A good one gets as far as the node, which does not run.
    fs::write(&file, format!("[{JOB}]")).unwrap();
    assert_told(&submit(), 4, &["phalanx node run"]);
}

#[test]
fn a_key_file_that_is_none_is_named() {
    let mesh = found(1, &[]);
    let home = mesh.home(0);
    let file = mesh.folder.path().join("key.json");
    let submit = || {
        let key = file.to_str().unwrap();
        let home = home.to_str().unwrap();
        phalanx(&["job", "submit", "--home", home, "--region", "earth", "--key", key, "--", "true"])
    };
    assert_told(&submit(), 4, &["key.json", "--key"]);
    let good = fs::read_to_string(mesh.folder.path().join("mesh/tenant.json")).unwrap();
    let other = fs::read_to_string(mesh.folder.path().join("mesh/owner.json")).unwrap();
    let public = |text: &str| text.split('"').nth(5).unwrap().to_owned();
    let mixed = good.replacen(&public(&good), &public(&other), 1);
    assert_ne!(mixed, good);
    for (text, word) in [
        ("", "no valid key file"),
        ("{}", "no valid key file"),
        (&good[..good.len() - 9], "no valid key file"),
        (&good.replacen('{', "{\"colour\":1,", 1), "no valid key file"),
        (&good.replacen("\"seed\": \"", "\"seed\": \"zz", 1), "64 hex digits"),
        (&mixed, "not of the public key"),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_told(&submit(), 2, &["key.json", word]);
    }
    fs::write(&file, &good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert_told(&submit(), 2, &["chmod 600"]);
}

#[test]
fn what_a_running_node_refuses_has_its_reason_and_its_exit_code() {
    let mut lone = Lone::found();
    lone.start();
    let beside = |name: &str| lone.mesh.folder.path().join("mesh").join(name).display().to_string();
    // A key that nobody knows, and one that may do something else.
    let stranger = lone.mesh.folder.path().join("stranger");
    let other = phalanx(&["init", "--mesh-of", "1", "--out", stranger.to_str().unwrap()]);
    assert!(other.status.success(), "{}", stderr(&other));
    let unknown = stranger.join("tenant.json").display().to_string();
    let submit = |extra: &[&str]| {
        let mut words = vec!["job", "submit", "--region", "earth"];
        words.extend(extra);
        words.extend(["--", "true"]);
        lone.phalanx(&words)
    };
    assert_told(&submit(&["--key", &unknown]), 3, &["key"]);
    assert_told(&submit(&["--key", &beside("owner.json")]), 3, &["key"]);
    assert_told(&submit(&["--tenant", "nobody"]), 1, &["nobody"]);
    assert_told(&submit(&["--retries", "255"]), 1, &["retries"]);
    assert_told(&submit(&["--skill", "clairvoyance"]), 1, &["skill"]);
    assert_told(&submit(&["--cpu-milli", "4294967295"]), 1, &["no worker"]);
    assert_told(&submit(&["--label", &"x".repeat(200)]), 1, &["label"]);
    assert_told(&lone.phalanx(&["job", "submit", "--region", "atlantis", "--", "true"]), 1, &["atlantis"]);
    assert_told(&lone.phalanx(&["job", "show", "abcdef"]), 4, &["abcdef"]);
    assert_told(&lone.phalanx(&["receipt", "show", "999999999"]), 4, &["999999999"]);
    assert_told(&lone.phalanx(&["ledger", "fsck"]), 4, &["another node runs"]);
    fs::write(lone.file("api-token"), "00").unwrap();
    assert_told(&lone.phalanx(&["status"]), 3, &["api-token"]);
    lone.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_whose_signature_does_not_hold_is_refused_and_changes_nothing() {
    let mut mesh = found(1, &[]);
    mesh.start().await;
    let submitter = mesh.submitter(1).await;
    let withdrawal = || Operation::WithdrawWorker { worker: Name::new("earth.core-alpha").unwrap() };
    let (signed, _) = submitter.sign(vec![withdrawal()]);
    // The last 64 bytes are the signature; before them is what it is of.
    for at in [signed.len() - 1, signed.len() - 64, signed.len() - 66] {
        let mut changed = signed.clone();
        changed[at] ^= 1;
        let ClientError::Refused(refused) = submitter.send(changed, 0).await.unwrap_err() else {
            panic!("the node is gone")
        };
        assert_eq!((refused.status, refused.code.as_str()), (400, "signature"), "byte {at}: {refused:?}");
        assert!(!refused.remedy.is_empty());
    }
    mesh.stop().await;
    mesh.fsck();
}

#[test]
fn a_second_node_in_the_same_home_is_refused() {
    let mut lone = Lone::found();
    lone.start();
    let second = lone.phalanx(&["node", "run"]);
    assert_told(&second, 4, &["another node runs"]);
    lone.stop();
}

#[test]
fn a_home_of_another_mesh_is_refused() {
    let lone = Lone::with_history();
    let other = found(1, &[]);
    fs::copy(other.home(0).join("genesis.json"), lone.file("genesis.json")).unwrap();
    assert_told(&lone.phalanx(&["node", "run"]), 3, &["genesis", "home folder of this mesh"]);
}

#[test]
fn a_truncated_proof_file_is_damaged_and_one_of_another_mesh_is_wrong() {
    let lone = Lone::with_history();
    let proof = lone.phalanx(&["receipt", "export", "7"]);
    assert!(proof.status.success(), "{}", stderr(&proof));
    let file = lone.mesh.folder.path().join("proof.json");
    let name = file.to_str().unwrap();
    for len in (0..proof.stdout.len()).step_by(proof.stdout.len() / 20).chain([proof.stdout.len() - 2]) {
        fs::write(&file, &proof.stdout[..len]).unwrap();
        // The beginning of a proof file is a damaged one; nothing at all is none.
        let code = if len == 0 { 2 } else { 1 };
        assert_told(&lone.phalanx(&["receipt", "verify", name]), code, &["not valid: "]);
    }
    fs::write(&file, &proof.stdout).unwrap();
    assert_told(&lone.phalanx(&["receipt", "verify", name]), 0, &["valid: receipt 7"]);
    let other = found(1, &[]);
    let told = phalanx(&["receipt", "verify", name, "--home", other.home(0).to_str().unwrap()]);
    assert_told(&told, 3, &["not valid: "]);
    assert_told(&lone.phalanx(&["receipt", "verify", "/nonexistent"]), 4, &["/nonexistent"]);
    assert_told(&lone.phalanx(&["receipt", "export", "999999"]), 4, &["999999"]);
}
