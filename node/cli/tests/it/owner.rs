//! The owner's multisig by files, from a command to its effect on a chain.

use crate::{
    chain::contracts,
    lone::Lone,
    safe::{Owned, SECRETS, dev},
    support::{phalanx, stderr, stdout},
};
use ChainCommand as C;
use phalanx_devnet::anvil::foundry;
use phalanx_governance::{
    Address,
    address::Wei,
    contracts::{ChainCommand, ChainMode, ProposedValidator, Registration, TenantLimits},
    digest::SetEntry,
    keys::{DevKeys, PasswordSource, keystore},
    safe::{Call, Operation, SafeTx, TxFile},
};
use phalanx_types::{Hash, Name, PublicKey};
/// A policy of one constraint.
const POLICY: &[u8] =
    br#"{"constraints":[{"name":"near","rule":{"within":{"of":"core","delta_micro":1500000}}}]}"#;

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[test]
fn a_batch_goes_through_files_to_its_effect() {
    let owned = Owned::new();
    owned.write(
        "commands.json",
        br#"[{"pause_shard": {"shard": "mars"}}, {"set_thermostat": {"limit_ppm": 800000}}]"#,
    );
    let made = owned.done(&owned.online(&["command", "batch", "commands.json", "--out", "tx.json"]));
    for part in ["pauses shard mars", "80 %", "domain hash", "message hash", "safeTxHash", "nonce 0"] {
        assert!(made.contains(part), "{made}");
    }

    // Offline nobody knows the contracts; with their address all is understood.
    let commands = owned.deployment.commands.to_string();
    let shown = owned.done(&["tx", "show", "tx.json", "--multi-send", &owned.multi_send()]);
    assert!(shown.contains("? calls") && shown.contains("is OwnerCommands of your mesh"), "{shown}");
    let known = ["--commands", &commands, "--multi-send", &owned.multi_send()];
    let shown = owned.done(&[&["tx", "show", "tx.json"][..], &known].concat());
    assert!(shown.contains("1. pauses shard mars") && !shown.contains('?'), "{shown}");

    // Two owners sign their own copies, one with a keystore.
    let signed = [&["tx", "sign", "tx.json", "--out", "a.json"][..], &dev("1"), &known].concat();
    assert!(owned.done(&signed).contains("signed by"));
    owned.keystore("three.json", 3, "a password of one's own");
    fs::copy(owned.path("tx.json"), owned.path("b.json")).unwrap();
    let with_keystore = ["--keystore", "three.json", "--password-file", "three.json.password", "--dev"];
    owned.done(&[&["tx", "sign", "b.json"][..], &with_keystore, &known].concat());

    owned.told(1, &owned.exec("a.json"), "2 are needed");
    owned.done(&["tx", "merge", "a.json", "b.json", "--out", "tx-2.json"]);
    let shown = owned.done(&owned.online(&["tx", "show", "tx-2.json"]));
    assert!(shown.contains("2 signatures count; 2 are needed"), "{shown}");
    let simulated = owned.done(&owned.online(&["tx", "simulate", "tx-2.json"]));
    assert!(simulated.contains("it would succeed now"), "{simulated}");
    let executed = owned.done(&owned.exec("tx-2.json"));
    for part in
        ["executed by", "in block", "gas", "command 1 of the log: pauses", "command 2 of the log: lets"]
    {
        assert!(executed.contains(part), "{executed}");
    }

    // Once only; and the Safe is one further.
    owned.told(1, &owned.exec("tx-2.json"), "executed or cancelled");
    let status = owned.json(&owned.online(&["status"]));
    assert_eq!(status["safe"]["nonce"], 1);
    assert_eq!(status["safe"]["threshold"], 2);
    assert_eq!(status["log"]["sequence"], 2);

    // Through Safe's transaction builder and back, at the next nonce.
    owned.done(&["tx", "export", "tx.json", "--builder", "builder.json"]);
    owned.done(&owned.online(&["command", "batch", "--builder", "builder.json", "--out", "again.json"]));
    let (first, again) = (owned.file("tx.json"), owned.file("again.json"));
    assert_eq!((again.tx.nonce, &again.tx.data), (1, &first.tx.data));
}

#[test]
fn every_kind_becomes_the_calldata_of_its_function() {
    let owned = Owned::new();
    let key = |byte: u8| PublicKey([byte; 32]);
    let hex = |byte: u8| hex::encode([byte; 32]);
    let hash = Hash([9; 32]);
    let (mars, luna) = (|| name("mars"), || name("luna"));
    owned.write("policy.txt", b"be kind");
    owned.write("policy.json", POLICY);
    let validators: Vec<ProposedValidator> = owned
        .validators
        .iter()
        .map(|(entry, label)| ProposedValidator {
            entry: SetEntry { weight: 7, ..*entry },
            region: name("earth"),
            label: name(label),
            registration: Registration::NONE,
        })
        .collect();
    let mut shuffled = validators.clone();
    shuffled.reverse();
    owned.write("set.json", &serde_json::to_vec(&shuffled).unwrap());
    let (one, two, three, four, nine) = (hex(1), hex(2), hex(3), hex(4), hex(9));
    let coordinators = [("d", 4), ("c", 3), ("b", 2), ("a", 1)];
    let federated: Vec<String> =
        coordinators.iter().map(|(region, n)| format!("{region}={},{}", hex(*n), hex(n + 10))).collect();
    let federation: Vec<&str> =
        ["set-mode", "federated"].into_iter().chain(federated.iter().map(String::as_str)).collect();
    let limits =
        TenantLimits { jobs_max: 1, agents_max: 2, cpu_milli_max: 3, memory_mib_max: 4, gpu_milli_max: 0 };
    let tenant = [
        "set-tenant",
        "tenant",
        "--key",
        &two,
        "--key",
        &one,
        "--jobs-max",
        "1",
        "--agents-max",
        "2",
        "--cpu-milli-max",
        "3",
        "--memory-mib-max",
        "4",
    ];
    let weights = [
        "set-optimisation",
        "--performance",
        "400000",
        "--cost",
        "300000",
        "--reliability",
        "200000",
        "--sustainability",
        "100000",
    ];
    let shard = [
        "set-shard",
        "mars",
        "--queue-budget",
        "5",
        "--latency-budget-ms",
        "6",
        "--spillover",
        "luna",
        "--specialties",
        "b,a",
    ];
    let kinds: Vec<(Vec<&str>, C)> = vec![
        (vec!["pause-mesh"], C::PauseMesh),
        (vec!["resume-mesh"], C::ResumeMesh),
        (vec!["pause-shard", "mars"], C::PauseShard { shard: mars() }),
        (vec!["resume-shard", "mars"], C::ResumeShard { shard: mars() }),
        (
            shard.to_vec(),
            C::SetShard {
                name: mars(),
                queue_budget: 5,
                latency_budget_ms: 6,
                spillover: vec![luna()],
                specialties: vec![name("a"), name("b")],
            },
        ),
        (
            vec!["set-shard-budget", "mars", "--queue-budget", "5", "--latency-budget-ms", "6"],
            C::SetShardBudget { shard: mars(), queue_budget: 5, latency_budget_ms: 6 },
        ),
        (vec!["set-shard-weight", "mars", "70"], C::SetShardWeight { shard: mars(), weight_ppm: 70 }),
        (vec!["set-spillover", "mars", "luna"], C::SetSpillover { shard: mars(), spillover: vec![luna()] }),
        (vec!["set-thermostat", "800000"], C::SetThermostat { limit_ppm: 800_000 }),
        (
            weights.to_vec(),
            C::SetOptimisation {
                performance: 400_000,
                cost: 300_000,
                reliability: 200_000,
                sustainability: 100_000,
            },
        ),
        (vec!["set-verification", "none"], C::SetVerification { level: 0, fraction_ppm: 0 }),
        (
            vec!["set-verification", "sample", "--fraction", "5"],
            C::SetVerification { level: 1, fraction_ppm: 5 },
        ),
        (vec!["set-verification", "full-audit"], C::SetVerification { level: 2, fraction_ppm: 1_000_000 }),
        (
            vec!["set-mode", "centralized", &two, &one],
            C::SetMode { mode: ChainMode::Centralized(vec![key(2), key(1)]) },
        ),
        (
            federation,
            C::SetMode {
                mode: ChainMode::Federated(
                    ["a", "b", "c", "d"]
                        .into_iter()
                        .zip(1..)
                        .map(|(r, n)| (name(r), vec![key(n), key(n + 10)]))
                        .collect(),
                ),
            },
        ),
        (vec!["set-mode", "fully-distributed"], C::SetMode { mode: ChainMode::FullyDistributed }),
        (vec!["set-mode", "geometric-mesh"], C::SetMode { mode: ChainMode::GeometricMesh }),
        (tenant.to_vec(), C::SetTenant { name: name("tenant"), keys: vec![key(1), key(2)], limits }),
        (vec!["set-validators", "set.json"], C::SetValidators { validators }),
        (vec!["withdraw-validators", &nine], C::WithdrawValidators { set_hash: hash }),
        (vec!["request-force", &nine], C::RequestForce { set_hash: hash }),
        (vec!["cancel-force", &nine], C::CancelForce { set_hash: hash }),
        (vec!["execute-force", &nine], C::ExecuteForce { set_hash: hash }),
        (vec!["approve-worker", "w", &three], C::ApproveWorker { worker: name("w"), key: key(3) }),
        (vec!["revoke-worker", "w"], C::RevokeWorker { worker: name("w") }),
        (vec!["admit-peer", &four, "friend"], C::AdmitPeer { network_key: key(4), label: name("friend") }),
        (
            vec!["ban-peer", &four, "--reason", "it lies"],
            C::BanPeer { network_key: key(4), reason: "it lies".into(), until_ms: u64::MAX },
        ),
        (
            vec!["set-policy", "kindness", "policy.json"],
            C::SetPolicy { name: name("kindness"), document: POLICY.to_vec() },
        ),
        (vec!["remove-policy", "kindness"], C::RemovePolicy { name: name("kindness") }),
        (vec!["payload", "--hex", "0x0102"], C::Payload { data: vec![1, 2] }),
        (vec!["payload", "policy.txt"], C::Payload { data: b"be kind".to_vec() }),
        (vec!["set-delay", "60"], C::SetDelay { delay_s: 60 }),
        (vec!["reconcile", "7", &nine], C::Reconcile { applied: 7, head: hash }),
    ];
    let numbers: std::collections::BTreeSet<u8> = kinds.iter().map(|(_, command)| command.kind()).collect();
    assert_eq!(numbers, (1..=27).collect());
    for (at, (words, expected)) in kinds.iter().enumerate() {
        let out = format!("{at}.json");
        owned.done(&owned.online(&[&["command"], words.as_slice(), &["--out", &out]].concat()));
        assert_eq!(owned.file(&out).tx.data, expected.calldata(), "{words:?}");
    }

    // The same as JSON, in one batch, which says for itself that it would fail:
    // no set is pending that could be withdrawn.
    let commands: Vec<&C> = kinds.iter().map(|(_, command)| command).collect();
    owned.write("all.json", &serde_json::to_vec(&commands).unwrap());
    let made = owned.done(&owned.online(&["command", "batch", "all.json", "--out", "all-tx.json"]));
    assert!(made.contains("warning: it would fail now, in call"), "{made}");
    let calls = owned.file("all-tx.json").tx.calls().unwrap().unwrap();
    let found: Vec<_> = calls.iter().map(|call| C::from_calldata(&call.data).unwrap().unwrap()).collect();
    assert_eq!(found.iter().collect::<Vec<_>>(), commands);
}

#[test]
fn the_script_of_the_planetary_scenario_is_ready_to_be_signed() {
    let owned = Owned::new();
    let out = owned.path("");
    let words = ["simulate", "planetary", "--out", out.to_str().unwrap()].map(str::to_owned);
    let mut words = words.to_vec();
    words.extend(owned.online(&["status"]).into_iter().skip(1));
    let run = phalanx(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run.status.success(), "{}", stderr(&run));
    let builder = ["batch", "--builder", "reports/demo/owner-script.json"];
    let done = owned.through(&builder, "script.json");
    let calls = owned.file("script.json").tx.calls().unwrap().unwrap();
    assert!(calls.len() > 3 && calls.iter().all(|call| call.to == owned.deployment.commands));
    let pause = C::PauseShard { shard: name("mars") };
    assert!(calls.iter().any(|call| C::from_calldata(&call.data).unwrap() == Some(pause.clone())));
    assert!(done.contains(&format!("command {} of the log", calls.len())), "{done}");
}

#[test]
fn what_waits_is_shown_and_can_be_taken_back() {
    let owned = Owned::new();
    owned.through(&["set-delay", "3600"], "delay.json");
    let queued = owned.through(&["set-thermostat", "500000"], "thermostat.json");
    assert!(queued.contains("ticket 1 waits until"), "{queued}");
    // A pause does not wait.
    let paused = owned.through(&["pause-mesh"], "pause.json");
    assert!(paused.contains("command 2 of the log"), "{paused}");

    let status = owned.json(&owned.online(&["status"]));
    assert_eq!(status["tickets"][0]["ticket"], 1);
    assert_eq!(status["log"]["delay_s"], 3600);
    let cancelled = owned.through(&["cancel-ticket", "1"], "take-back.json");
    assert!(cancelled.contains("takes back") && cancelled.contains("ticket 1 is taken back"), "{cancelled}");
    assert_eq!(owned.json(&owned.online(&["status"]))["tickets"].as_array().unwrap().len(), 0);

    // The next file is behind those that wait; a replacement excludes one.
    let make = |words: &[&str], out: &str| {
        owned.done(&owned.online(&[&["command"], words, &["--out", out]].concat()))
    };
    make(&["resume-mesh"], "first.json");
    make(&["resume-shard", "mars", "--queue", "first.json"], "second.json");
    assert_eq!((owned.file("first.json").tx.nonce, owned.file("second.json").tx.nonce), (4, 5));
    let made = make(&["cancel", "--nonce", "4", "--queue", "first.json"], "instead.json");
    assert!(made.contains("does nothing") && made.contains("same nonce 4"), "{made}");
    let files = ["first.json", "second.json", "instead.json"];
    let status = owned.done(&owned.online(&[&["status"][..], &files].concat()));
    assert!(status.contains("cancels it") && status.contains("excludes it"), "{status}");
    // The replacement is executed, and the first one never.
    owned.sign("instead.json");
    owned.done(&owned.exec("instead.json"));
    owned.told(1, &owned.exec("first.json"), "executed or cancelled");
}

#[test]
fn evidence_is_checked_when_it_goes_in_and_when_it_is_shown() {
    let mut lone = Lone::found();
    // Each beat closes a checkpoint.
    let genesis = lone.file("genesis.json");
    let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&genesis).unwrap()).unwrap();
    document["params"]["checkpoint_beats"] = 1.into();
    fs::write(&genesis, document.to_string()).unwrap();
    lone.start();
    lone.work(2);
    lone.stop();
    let owned = Owned::of(lone.mesh.genesis.mesh);
    let receipt = lone.phalanx(&["receipt", "export", "1"]);
    assert!(receipt.status.success(), "{}", stderr(&receipt));
    owned.write("receipt.json", &receipt.stdout);
    let trust = ["--genesis", genesis.to_str().unwrap()];
    let propose = |receipt, out| {
        let words = ["command", "revoke-worker", "w", "--evidence", receipt, "--out", out];
        owned.online(&[&words[..], &trust].concat())
    };
    let made = owned.done(&propose("receipt.json", "tx.json"));
    assert!(made.contains("evidence      1,"), "{made}");
    let shown = owned.done(&[&["tx", "show", "tx.json", "--check"][..], &trust].concat());
    assert!(shown.contains("evidence 1: valid: ") && shown.contains(": receipt 1 of beat "), "{shown}");
    // The chain, when it is asked, has not anchored it.
    let online = owned.online(&[&["tx", "show", "tx.json", "--check"][..], &trust].concat());
    owned.told(1, &online, "it is NOT anchored");

    // Another receipt's text, in the proof and in the file.
    let change = |from: &str, to: &str| {
        let text = fs::read_to_string(owned.path(from)).unwrap();
        let at = text.find("\"receipt_hash\"").unwrap() + 18;
        let digit = if text[at..].starts_with('0') { "1" } else { "0" };
        owned.write(to, format!("{}{digit}{}", &text[..at], &text[at + 1..]).as_bytes());
    };
    change("receipt.json", "changed.json");
    owned.told(1, &propose("changed.json", "no.json"), "evidence changed.json");
    owned.write("none.json", b"{}");
    owned.told(2, &propose("none.json", "no.json"), "no proof file");
    change("tx.json", "changed-tx.json");
    let check = [&["tx", "show", "changed-tx.json", "--check"][..], &trust].concat();
    owned.told(1, &check, "evidence 1: not valid");
    // Whoever names no genesis document can check nothing, and another mesh's shows nothing.
    owned.told(2, &["tx", "show", "tx.json", "--check"], "anybody can make a ledger");
    let foreign = Owned::new();
    foreign.write("receipt.json", &receipt.stdout);
    let words = ["command", "revoke-worker", "w", "--evidence", "receipt.json", "--out", "no.json"];
    foreign.told(3, &foreign.online(&[&words[..], &trust].concat()), "but these contracts are of mesh");
    owned.done(&owned.online(&["command", "revoke-worker", "w", "--out", "bare.json"]));
    owned.told(1, &[&["tx", "show", "bare.json", "--check"][..], &trust].concat(), "no evidence");
    assert!(!owned.path("no.json").exists());
}

#[test]
fn what_is_grave_is_signed_by_its_hash_and_claims_are_no_consent() {
    let owned = Owned::new();
    owned.done(&owned.online(&["command", "set-delay", "60", "--out", "tx.json"]));
    let hash = owned.file("tx.json").safe_tx_hash().to_string();
    let sign = |more: &[&str]| owned.online(&[&["tx", "sign", "tx.json"], more, &dev("1")].concat());
    owned.told(1, &sign(&[]), "say --safe-tx-hash");
    let wrong = "07".repeat(32);
    owned.told(1, &sign(&["--safe-tx-hash", &wrong]), "not signed: the file has safeTxHash");
    assert_eq!(owned.file("tx.json").signatures().len(), 0);
    owned.done(&sign(&["--safe-tx-hash", &hash]));

    // Somebody writes into the file that owner 2 approves, who then executes it.
    let mut file: serde_json::Value =
        serde_json::from_slice(&fs::read(owned.path("tx.json")).unwrap()).unwrap();
    let owner = owned.owner(2).to_string();
    file["signatures"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({"kind": "approved_hash", "owner": owner}));
    owned.write("claimed.json", file.to_string().as_bytes());
    let exec = owned.online(&["tx", "exec", "claimed.json", "--dev", "--dev-key", "2"]);
    owned.told(1, &exec, "2 are needed");
    assert_eq!(owned.json(&owned.online(&["status"]))["safe"]["nonce"], 0);

    // A used nonce would not succeed, and is not signed.
    owned.through(&["pause-mesh", "--nonce", "0"], "pause.json");
    owned.told(1, &owned.online(&["tx", "simulate", "tx.json"]), "executed or cancelled");
    owned.told(1, &sign(&["--safe-tx-hash", &hash]), "executed or cancelled");
}

#[test]
fn wallets_contracts_and_approvals_on_the_chain_are_consents_too() {
    let owned = Owned::new();
    owned.done(&owned.online(&["command", "pause-shard", "mars", "--out", "tx.json"]));

    // A wallet signs the typed data, another the hash as a message.
    owned.done(&["tx", "export", "tx.json", "--typed-data", "typed.json"]);
    let by_wallet = |words: &[&str]| {
        let cast = foundry(&contracts().join("node_modules"), "cast");
        let output = Command::new(cast).args(["wallet", "sign"]).args(words).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).trim().to_owned()
    };
    let typed = owned.path("typed.json");
    let typed = ["--private-key", SECRETS[1], "--data", "--from-file", typed.to_str().unwrap()];
    let signature = by_wallet(&typed);
    owned.done(&owned.online(&["tx", "sign", "tx.json", "--signature", &signature, "--out", "a.json"]));
    let hash = format!("0x{}", owned.file("tx.json").safe_tx_hash());
    let message = by_wallet(&["--private-key", SECRETS[2], &hash]);
    let (digits, last) = message.split_at(message.len() - 2);
    let message = format!("{digits}{:x}", u8::from_str_radix(last, 16).unwrap() + 4);
    owned.done(&owned.online(&["tx", "sign", "tx.json", "--signature", &message, "--out", "b.json"]));
    owned.done(&["tx", "merge", "a.json", "b.json", "--out", "both.json"]);
    let shown = owned.done(&owned.online(&["tx", "show", "both.json"]));
    assert!(shown.contains("2 signatures count; 2 are needed"), "{shown}");

    // What is of nobody, or of another transaction, is refused.
    let sign = |signature: &str| owned.online(&["tx", "sign", "tx.json", "--signature", signature]);
    owned.told(2, &sign("0x1234"), "--signature");
    owned.told(2, &sign("no hex"), "--signature");
    owned.told(3, &sign(&by_wallet(&["--private-key", SECRETS[1], &hash])), "is no owner");
    assert_eq!(owned.file("tx.json").signatures().len(), 0);

    // A claim is called one, and counts for nothing until the chain knows it.
    let owner = owned.owner(3).to_string();
    let claim = ["tx", "sign", "a.json", "--signature", "0x00", "--contract", &owner, "--out", "c.json"];
    let claimed = owned.done(&owned.online(&claim));
    assert!(claimed.contains(&format!("noted as a claim of {owner}")), "{claimed}");
    let shown = owned.done(&owned.online(&["tx", "show", "c.json"]));
    assert!(shown.contains("only the chain can tell") && shown.contains("1 signatures count"), "{shown}");
    let waiting = owned.json(&owned.online(&["status", "c.json"]));
    assert_eq!(
        (&waiting["queue"][0]["signatures"], &waiting["queue"][0]["is_next"]),
        (&1.into(), &false.into())
    );
    owned.told(1, &owned.exec("c.json"), "2 are needed");
    let approve =
        |index: &'static str| owned.online(&[&["tx", "approve", "c.json"], &dev(index)[..]].concat());
    owned.told(3, &approve("7"), "is no owner");
    assert!(owned.done(&approve("3")).contains("approved on the chain"));
    let waiting = owned.json(&owned.online(&["status", "c.json"]));
    assert_eq!(waiting["queue"][0]["is_next"], true);
    assert!(owned.done(&owned.exec("c.json")).contains("command 1 of the log: pauses"));
}

#[test]
fn a_key_is_made_for_an_owner() {
    let owned = Owned::new();
    owned.write_private("password", b"a password of one's own\n");
    let made = owned.json(&["key", "new", "--out", "key.json", "--password-file", "password"]);
    let account = made["account"].as_str().unwrap();
    let mode = fs::metadata(owned.path("key.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    owned.told(1, &["key", "new", "--out", "key.json", "--password-file", "password"], "never overwritten");
    owned.told(2, &["key", "new", "--out", "other.json"], "--password-file");
    owned.told(4, &["key", "new", "--out", "other.json", "--password-file", "absent"], "absent");
    assert!(!owned.path("other.json").exists());

    owned.done(&owned.online(&["command", "pause-mesh", "--out", "tx.json"]));
    let key = ["--keystore", "key.json", "--password-file", "password"];
    let sign = owned.online(&[&["tx", "sign", "tx.json"][..], &key].concat());
    owned.told(3, &sign, &format!("{account} is no owner"));
}

#[test]
fn bad_input_is_refused_with_a_remedy() {
    let owned = Owned::new();
    owned.done(&owned.online(&["command", "pause-shard", "mars", "--out", "tx.json"]));
    let commands = owned.deployment.commands.to_string();
    let known = ["--commands", &commands];
    let sign = |file, key: &[&'static str]| -> Vec<String> {
        let words = [&["tx", "sign", file][..], key, &known].concat();
        words.iter().map(ToString::to_string).collect()
    };
    let told = |code, list: &[String], part| owned.told(code, list, part);

    // Arguments, before a chain is asked: nobody listens at this endpoint.
    let offline = |words: &[&'static str]| -> Vec<String> {
        let end = ["--out", "no.json", "--rpc", "http://127.0.0.1:1", "--anchor", &commands];
        [&["command"], words, &end].concat().iter().map(ToString::to_string).collect()
    };
    told(2, &offline(&["pause-shard", "Mars"]), "must start with a-z");
    told(2, &offline(&["pause-shard"]), "SHARD");
    told(2, &offline(&["fly-to-the-moon"]), "unrecognized");
    told(2, &offline(&["approve-worker", "w", "12"]), "KEY");
    told(2, &offline(&["cancel"]), "--nonce");
    told(2, &offline(&["set-validators", "absent.json"]), "absent.json");
    told(2, &offline(&["set-mode", "federated", "earth"]), "REGION=KEY,KEY");
    told(1, &offline(&["set-thermostat", "0"]), "nothing run");
    told(
        1,
        &offline(&[
            "set-optimisation",
            "--performance",
            "1",
            "--cost",
            "2",
            "--reliability",
            "3",
            "--sustainability",
            "4",
        ]),
        "sum to 1000000",
    );
    told(4, &offline(&["pause-mesh"]), "cannot be reached");
    owned.write("commands.json", b"[{\"pause_mesh\": 1}]");
    told(2, &offline(&["batch", "commands.json"]), "command 1");
    owned.told(1, &owned.online(&["command", "pause-mesh", "--out", "tx.json"]), "never overwritten");
    owned.told(2, &["command", "pause-mesh", "--out", "no.json"], "--rpc");
    owned.told(2, &["command", "pause-mesh", "--out", "no.json", "--rpc", &owned.url()], "--anchor");
    let safe = owned.safe.to_string();
    let not_an_anchor =
        ["command", "pause-mesh", "--out", "no.json", "--rpc", &owned.url(), "--anchor", &safe];
    owned.told(3, &not_an_anchor, "is it that contract?");

    // A batch without MultiSendCallOnly, or with something else in its place.
    owned.write("two.json", b"[\"pause_mesh\", \"resume_mesh\"]");
    let batch = ["command", "batch", "two.json", "--out", "no.json", "--rpc", &owned.url()];
    let anchor = owned.deployment.anchor.to_string();
    let batch = [&batch[..], &["--anchor", &anchor]].concat();
    owned.told(3, &batch, "MultiSendCallOnly");
    owned.told(3, &[&batch[..], &["--multi-send", &commands]].concat(), "act as the Safe itself");

    // Contracts without a chain to find them on.
    owned.told(2, &["tx", "show", "tx.json", "--anchor", &anchor], "give --rpc");

    // Keys.
    told(2, &sign("tx.json", &["--dev-key", "1"]), "--dev");
    told(2, &sign("tx.json", &[]), "name a key");
    owned.keystore("key.json", 1, "right horse");
    owned.write_private("wrong", b"wrong horse\n");
    told(3, &sign("tx.json", &["--keystore", "key.json", "--password-file", "wrong"]), "does not open");
    told(
        4,
        &sign("tx.json", &["--keystore", "absent.json", "--password-file", "wrong"]),
        "cannot read absent.json: No such file",
    );
    owned.write("readable", b"right horse");
    told(3, &sign("tx.json", &["--keystore", "key.json", "--password-file", "readable"]), "chmod 600");
    // A development key stays one in a keystore; and a key that was taken for a keystore
    // is not shown: what is run here is searched for the secrets.
    let right = ["--keystore", "key.json", "--password-file", "key.json.password"];
    told(3, &sign("tx.json", &right), "whose key everybody knows");
    for (name, secret) in
        [("bare.json", format!("\"0x{}\"", SECRETS[1])), ("list.json", format!("[\"{}\"]", SECRETS[1]))]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, secret).unwrap();
        let key = ["--keystore", path.to_str().unwrap(), "--password-file", "wrong"];
        owned.told(2, &[&["tx", "sign", "tx.json", "--blind"], &key[..]].concat(), "is not as in one");
    }
    let no_owner = owned.online(&["tx", "sign", "tx.json", "--dev", "--dev-key", "7"]);
    owned.told(3, &no_owner, "no owner");

    // Files.
    let text = fs::read_to_string(owned.path("tx.json")).unwrap();
    owned.write("changed.json", text.replacen("\"nonce\": \"0\"", "\"nonce\": \"1\"", 1).as_bytes());
    owned.told(1, &["tx", "show", "changed.json"], "somebody has changed it");
    owned.write("cut.json", &text.as_bytes()[..text.len() / 2]);
    owned.told(2, &["tx", "show", "cut.json"], "no phalanx-safe-tx file");
    owned.told(2, &["tx", "show", "absent.json"], "absent.json");
    let mut other = owned.file("tx.json");
    other.chain_id = 1;
    owned.write("other-chain.json", other.write().unwrap().as_bytes());
    told(3, &sign("other-chain.json", &dev("1")), "refused on chain 1");
    owned.told(3, &owned.exec("other-chain.json"), "on chain 1");
    let third = ["command", "pause-mesh", "--nonce", "2", "--out", "third.json"];
    owned.done(&owned.online(&third));
    owned.told(1, &owned.exec("third.json"), "execute those before it first");
    owned.told(1, &["tx", "merge", "tx.json", "third.json", "--out", "no.json"], "the nonce differs");
    let used = ["command", "pause-mesh", "--queue", "other-chain.json", "--out", "no.json"];
    owned.told(3, &owned.online(&used), "on chain 1");

    // What is not understood is not signed unasked.
    let stranger = Address([0xee; 20]);
    let unknown = Call { to: stranger, value: Wei(0), data: vec![1, 2, 3] };
    let mut tx = SafeTx::of_calls(&[unknown], Address::ZERO, 0).unwrap();
    for (file, operation) in [("call.json", Operation::Call), ("delegate.json", Operation::DelegateCall)] {
        tx.operation = operation;
        let file_text = TxFile::new(31_337, owned.safe, tx.clone()).write().unwrap();
        owned.write(file, file_text.as_bytes());
        told(1, &sign(file, &dev("1")), "--blind");
        assert!(owned.file(file).signatures().is_empty());
        told(0, &sign(file, &[&dev("1")[..], &["--blind"]].concat()), "signed by");
    }
    owned.told(
        2,
        &["tx", "sign", "tx.json", "--dev", "--dev-key", "1", "--keystore", "key.json"],
        "cannot be used",
    );

    // What would fail is said, and not sent: the contract has no such ticket.
    owned.done(&owned.online(&["command", "cancel-ticket", "9", "--out", "ticket.json"]));
    owned.told(1, &owned.online(&["tx", "simulate", "ticket.json"]), "it would fail now: NotWaiting");
    for owner in [dev("1"), dev("3")] {
        told(0, &sign("ticket.json", &owner), "signed by");
    }
    owned.told(1, &owned.exec("ticket.json"), "not sent");
    assert_eq!(owned.json(&owned.online(&["status"]))["safe"]["nonce"], 0);
    assert!(!owned.path("no.json").exists());
}

/// The look-out of all these tests sees a secret in each of its forms.
#[test]
fn the_known_secrets_are_those_of_the_development_keys() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    crate::safe::write_private(&password, b"p");
    for (index, secret) in SECRETS.iter().enumerate() {
        let key = DevKeys::new(31_337).unwrap().key(index as u32).unwrap();
        let bytes: [u8; 32] = hex::decode(secret).unwrap().try_into().unwrap();
        let same = phalanx_governance::keys::LocalKey::from_bytes(&zeroize::Zeroizing::new(bytes), "test");
        assert_eq!(same.unwrap().address(), key.address());
        let path = folder.path().join(format!("{index}.json"));
        keystore::create(&path, &key, &PasswordSource::File(password.clone())).unwrap();
        assert!(!fs::read_to_string(path).unwrap().contains(secret));
    }
}
