//! Keys stay where they are.

use super::world::{Chained, Pace, anvil, ask, dev, number};
use crate::support::{self, binary, phalanx, stderr, stdout};
use base64::{Engine, engine::general_purpose::STANDARD};
use phalanx_governance::keys::{LocalKey, PasswordSource, keystore};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, process::Command};
use zeroize::Zeroizing;

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// A secret in the forms in which it could be seen.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let base64 = STANDARD.encode(secret);
    vec![
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
        base64.trim_end_matches('=').as_bytes().to_vec(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_a_log_a_ledger_an_answer_or_a_list_of_processes() {
    let anvil = anvil(&["--block-time", "1"]);
    let folder = tempfile::tempdir().unwrap();
    let (payer, password) = (folder.path().join("payer.json"), folder.path().join("password"));
    let secret = [0x5c; 32];
    let words = b"correct horse battery staple";
    fs::write(&password, words).unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let key = LocalKey::from_bytes(&Zeroizing::new(secret), "test").unwrap();
    keystore::create(&payer, &key, &PasswordSource::File(password.clone())).unwrap();
    let rich = json!(["", "0x56bc75e2d63100000"]);
    let fund = |account: String| {
        let mut params = rich.clone();
        params[0] = account.into();
        params
    };
    ask(&anvil.url(), "anvil_setBalance", fund(key.address().to_string())).await;

    let words_of = ["--keystore", payer.to_str().unwrap(), "--password-file", password.to_str().unwrap()];
    let mut chained = Chained::new(&anvil.url(), Pace::default(), &words_of).await;
    let genesis: Value =
        serde_json::from_slice(&fs::read(chained.mesh.home(0).join("genesis.json")).unwrap()).unwrap();
    let mut secrets = forms(&secret);
    secrets.extend(forms(words));
    for index in 0..4 {
        let account = genesis["validators"][index]["chain_address"].as_str().unwrap();
        ask(&anvil.url(), "anvil_setBalance", fund(format!("0x{account}"))).await;
        let home = chained.mesh.home(index);
        let file = home.join("keys/chain-password");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "the password is its owner's alone");
        secrets.extend(forms(&fs::read(&file).unwrap()));
        for name in ["vote", "network", "host"] {
            let key: Value =
                serde_json::from_slice(&fs::read(home.join(format!("keys/{name}.json"))).unwrap()).unwrap();
            secrets.extend(forms(&hex::decode(key["seed"].as_str().unwrap()).unwrap()));
        }
    }
    chained.mesh.start().await;
    chained.all_until("anchored for good", |s| number(s, "/chain/final") >= 1).await;

    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        seen.push((entry.path().display().to_string(), line));
    }
    for index in 0..4 {
        seen.push(("status".into(), chained.status(index).await.to_string().into_bytes()));
    }
    chained.mesh.stop().await;
    for path in support::files(&chained.mesh.folder.path().join("mesh")) {
        seen.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    assert!(seen.iter().any(|(name, _)| name.ends_with("node.log")));
    assert!(seen.iter().any(|(name, _)| name.ends_with(".log") && name.contains("cosigns")));
    for (name, bytes) in &seen {
        for secret in &secrets {
            assert!(!holds(bytes, secret), "{name} holds a secret");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn development_keys_are_refused_unless_they_are_meant_and_on_any_other_chain() {
    let anvil = anvil(&["--block-time", "1", "--chain-id", "31338"]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mesh");
    let out = out.to_str().unwrap();
    assert!(phalanx(&["init", "--mesh-of", "4", "--out", out, "--base-port", "17000"]).status.success());
    let (owner, url) = (dev(1).address().to_string(), anvil.url());
    let words = ["chain", "deploy", "--mesh", out, "--rpc", &url, "--owner", &owner, "--threshold", "1"];
    let refused = |more: &[&str]| {
        let mut all = words.to_vec();
        all.extend(more);
        phalanx(&all)
    };
    let other_chain = refused(&["--dev", "--dev-key", "0"]);
    assert_eq!(other_chain.status.code(), Some(3), "{}", stderr(&other_chain));
    assert!(stderr(&other_chain).contains("31338"), "{}", stderr(&other_chain));
    let not_meant = refused(&["--dev-key", "0"]);
    assert_eq!(not_meant.status.code(), Some(2), "{}{}", stdout(&not_meant), stderr(&not_meant));
    let none = refused(&[]);
    assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));
    assert!(stderr(&none).contains("name a key"), "{}", stderr(&none));

    let anvil = self::anvil(&["--block-time", "1"]);
    let chained = Chained::dev(&anvil.url()).await;
    let home = chained.mesh.home(0);
    let started = Command::new(binary()).args(["node", "run", "--home"]).arg(&home).output().unwrap();
    assert_eq!(started.status.code(), Some(3), "{}", stderr(&started));
    assert!(stderr(&started).contains("say --dev"), "{}", stderr(&started));
}
