//! A policy of a running mesh, proven of every agent that it binds.

use crate::{
    lone::Lone,
    support::{stderr, stdout},
};
use serde_json::Value;
use std::fs;

const GUARDS: &str = r#"{"binds": "all", "prove": true, "constraints": [
    {"name": "near", "rule": {"within": {"of": "core", "delta_micro": 9000000}}},
    {"name": "home", "rule": {"inside": {"regions": ["earth", "luna", "mars", "helios", "edge"]}}},
    {"name": "off", "rule": {"beyond": {"of": {"region": "helios"}, "delta_micro": 1}}}]}"#;
const AGENTS: usize = 3;

fn done(lone: &Lone, words: &[&str]) -> String {
    let output = lone.phalanx(words);
    assert!(output.status.success(), "{words:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

/// The number of a checkpoint that has all that was decided until now.
fn checkpoint(lone: &mut Lone) -> u64 {
    let height = lone.status().unwrap()["height"].as_str().unwrap().parse::<u64>().unwrap();
    let mut found = None;
    lone.until("checkpoint", |lone| {
        let rows: Value =
            serde_json::from_str(&done(lone, &["--output", "json", "checkpoint", "list"])).unwrap();
        let newest = rows["items"].as_array().unwrap().last().map(|row| row["checkpoint"].clone());
        let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
        found = newest.filter(|c| number(&c["last_beat"]) >= height).map(|c| number(&c["number"]));
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_policy_is_proven_of_every_agent_and_gaps_are_named() {
    let mut lone = Lone::found();
    lone.start();
    let command = format!(r#"{{"set_policy":{{"name":"guards","document":"{}"}}}}"#, hex::encode(GUARDS));
    done(&lone, &["owner", "send", &command]);
    let stack = lone.file("genesis.json");
    for label in ["a", "b", "c"] {
        let words = ["agent", "spawn", "--region", "earth", "--label", label, "--stack"];
        done(&lone, &[&words[..], &[stack.to_str().unwrap()]].concat());
    }
    let number = checkpoint(&mut lone).to_string();
    done(&lone, &["proof", "setup", "--dev", "--circuit", "position-8"]);
    let folder = lone.mesh.folder.path().join("guards");
    let (shown, file) = (folder.to_str().unwrap(), lone.mesh.folder.path().join("checkpoint.json"));
    let said = done(&lone, &["proof", "policy", "guards", "--checkpoint", &number, "--out", shown]);
    assert!(said.contains("6 proofs of 3 of 3 agents"), "{said}");
    fs::write(&file, done(&lone, &["checkpoint", "export", &number])).unwrap();
    lone.stop();

    // Whoever has the folder and the checkpoint needs no node.
    let verify = ["--output", "json", "proof", "verify", shown, "--checkpoint", file.to_str().unwrap()];
    let verdict: Value = serde_json::from_str(&done(&lone, &verify)).unwrap();
    assert_eq!(verdict["coverage"][0]["covered"], AGENTS, "{verdict}");
    assert_eq!(verdict["valid"], 2 * AGENTS);

    // Held against the owner's document, and against ones that say otherwise.
    let document = lone.mesh.folder.path().join("guards.json");
    let by = |text: &str| {
        fs::write(&document, text).unwrap();
        lone.phalanx(&[&verify[2..], &["--policy", document.to_str().unwrap()]].concat())
    };
    let output = by(GUARDS);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("nothing is shown of home") && said.contains("held against"), "{said}");
    for (from, to, why) in [
        ("9000000", "8999999", "near: it says something else"),
        ("\"beyond\"", "\"within\"", "off: it says something else"),
        ("\"core\"", "{\"position\": [1, 0, 0, 0, 0, 0, 0, 0]}", "near: it says something else"),
        ("\"off\"", "\"far\"", "far: "),
    ] {
        assert!(GUARDS.contains(from));
        let output = by(&GUARDS.replacen(from, to, 1));
        assert_eq!(output.status.code(), Some(1), "{why}");
        assert!(stdout(&output).contains(why), "{why}: {}", stdout(&output));
    }
    assert_eq!(by("be kind").status.code(), Some(2));

    // The same, by a node that does not run.
    let again = lone.mesh.folder.path().join("again");
    let again = again.to_str().unwrap();
    done(&lone, &["proof", "policy", "guards", "--checkpoint", &number, "--out", again]);

    // A rule that is left out, and one that is passed off as another, in the list and in the file.
    let list = folder.join("coverage.json");
    let whole = fs::read_to_string(&list).unwrap();
    let changed: Value = serde_json::from_str(&whole).unwrap();
    let found = |changed: &Value, why: &str| {
        fs::write(&list, changed.to_string()).unwrap();
        let output = lone.phalanx(&verify);
        assert_eq!(output.status.code(), Some(1), "{why}");
        let verdict: Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(verdict["coverage"][0]["covered"], AGENTS - 1, "{verdict}");
        assert!(verdict["coverage"].to_string().contains(why), "{why}: {verdict}");
    };
    let mut omitted = changed.clone();
    omitted["agents"][0]["proofs"].as_object_mut().unwrap().remove("off");
    found(&omitted, "off: nothing is proven of it");
    let mut relabelled = changed.clone();
    let off = relabelled["agents"][0]["proofs"]["off"].as_str().unwrap().to_owned();
    relabelled["agents"][0]["proofs"]["near"] = off.clone().into();
    let file_of_off = folder.join(off);
    let proof = fs::read_to_string(&file_of_off).unwrap();
    fs::write(&file_of_off, proof.replace("guards/off", "guards/near")).unwrap();
    found(&relabelled, "is of another rule");
    fs::write(&file_of_off, proof).unwrap();
    fs::write(&list, whole).unwrap();

    // One proof is gone, one is put in another one's place.
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap() != "coverage.json");
    files.sort();
    let near: Vec<_> = files.iter().filter(|path| path.to_str().unwrap().ends_with("-near.json")).collect();
    fs::copy(near[0], near[1]).unwrap();
    fs::remove_file(near[2]).unwrap();
    let output = lone.phalanx(&verify);
    assert_eq!(output.status.code(), Some(1));
    let verdict: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(verdict["coverage"][0]["covered"], 1, "{verdict}");
    let reasons = verdict["coverage"][0]["agents"].to_string();
    assert!(
        reasons.contains("of an agent that another proof is of") && reasons.contains("there is no"),
        "{reasons}"
    );

    // Nobody is bound by what nobody has declared.
    let output = lone.phalanx(&["proof", "policy", "others", "--out", &format!("{again}-2")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no agent is bound"), "{}", stderr(&output));
}

/// A mesh of one with these shared numbers.
fn with_params(params: &[(&str, u64)]) -> Lone {
    let lone = Lone::found();
    let path = lone.file("genesis.json");
    let mut genesis: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (name, value) in params {
        genesis["params"][name] = (*value).into();
    }
    fs::write(path, genesis.to_string()).unwrap();
    lone
}

/// A mesh of one whose checkpoints come this often.
fn paced(checkpoint_beats: u64, idle_beat_ms: u64) -> Lone {
    with_params(&[("checkpoint_beats", checkpoint_beats), ("idle_beat_ms", idle_beat_ms)])
}

/// Gives a node the section `[proofs]`.
fn set_proofs(lone: &Lone, proofs: toml::Table) {
    let path = lone.file("config.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    config.insert("proofs".into(), proofs.into());
    fs::write(&path, config.to_string()).unwrap();
}

#[test]
fn a_policy_is_proven_in_the_dimensions_and_lengths_of_the_mesh() {
    let mut lone = with_params(&[("checkpoint_beats", 4), ("curvature_ppm", 4_000_000), ("dimension", 64)]);
    lone.start();
    let command = format!(r#"{{"set_policy":{{"name":"guards","document":"{}"}}}}"#, hex::encode(GUARDS));
    done(&lone, &["owner", "send", &command]);
    let stack = lone.file("genesis.json");
    let words = ["agent", "spawn", "--region", "earth", "--label", "a", "--stack", stack.to_str().unwrap()];
    done(&lone, &words);
    let number = checkpoint(&mut lone).to_string();
    let positions: Value =
        serde_json::from_str(&done(&lone, &["--output", "json", "list", "positions"])).unwrap();
    let agent = positions["items"].as_array().unwrap().iter().find(|row| row["kind"] == "agent").unwrap();
    assert_eq!(agent["place"].as_array().unwrap().len(), 64);
    let keys = done(&lone, &["proof", "setup", "--dev"]);
    assert!(keys.contains("position-64") && keys.contains("action-64"), "{keys}");
    let folder = lone.mesh.folder.path().join("guards");
    let folder = folder.to_str().unwrap();
    let said = done(&lone, &["proof", "policy", "guards", "--checkpoint", &number, "--out", folder]);
    assert!(said.contains("2 proofs of 1 of 1 agents"), "{said}");
    lone.stop();
    let document = lone.mesh.folder.path().join("guards.json");
    fs::write(&document, GUARDS).unwrap();
    let held = ["proof", "verify", folder, "--policy", document.to_str().unwrap()];
    // The home says of which curvature the mesh is.
    done(&lone, &held);
    for (other, code, why) in [("1", 1, "near: it says something else"), ("-1", 2, "between 0 and 4000")] {
        let output = lone.phalanx(&[&held[..], &["--curvature", other]].concat());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(said.contains(why), "{said}");
    }
    // A genesis that is damaged is said to be, and no curvature is taken instead.
    fs::write(lone.file("genesis.json"), "{").unwrap();
    let output = lone.phalanx(&held);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("is not a valid genesis"), "{}", stderr(&output));
}

/// What a node told last of the policy.
fn told(lone: &Lone) -> Value {
    lone.status().map(|status| status["proofs"]["guards"].clone()).unwrap_or_default()
}

/// The checkpoint up to which a node says that all is proven.
fn mark(lone: &Lone) -> Option<u64> {
    let mark: Value = serde_json::from_slice(&fs::read(lone.file("proofs/proven.json")).ok()?).ok()?;
    mark["checkpoint"].as_str()?.parse().ok()
}

/// A node that has failed to prove a checkpoint for want of a key; which one is told, with the
/// agent that the policy binds.
fn without_key() -> (Lone, u64, String) {
    let mut lone = paced(4, 50);
    set_proofs(&lone, toml::toml! { keep = 1_000 });
    lone.start();
    let command = format!(r#"{{"set_policy":{{"name":"guards","document":"{}"}}}}"#, hex::encode(GUARDS));
    done(&lone, &["owner", "send", &command]);
    let stack = lone.file("genesis.json");
    let spawn = ["agent", "spawn", "--region", "earth", "--label", "a", "--stack", stack.to_str().unwrap()];
    let agent = done(&lone, &spawn).lines().next().unwrap().to_owned();
    let from = checkpoint(&mut lone);
    lone.until("failure that is told", |lone| told(lone)["error"].is_string());
    let remedy = told(&lone)["remedy"].as_str().unwrap().to_owned();
    assert!(remedy.contains("phalanx proof policy guards --checkpoint"), "{remedy}");
    (lone, from, agent)
}

/// Waits until all is proven that was not for want of a key, from this checkpoint on.
fn made_up(lone: &mut Lone, from: u64) {
    let coverage = lone.file(&format!("proofs/{from}/guards/coverage.json"));
    lone.until("the first checkpoint with the agent", |_| coverage.exists());
    let covered: Value = serde_json::from_str(&fs::read_to_string(&coverage).unwrap()).unwrap();
    assert!(covered["agents"][0].get("missing").is_none(), "{covered}");
    // What is done is noted, so that no later start looks for it again.
    lone.until("mark", |lone| mark(lone) >= Some(from));
}

#[test]
fn a_node_makes_up_for_every_kept_checkpoint_however_many_it_did_not_prove() {
    const BEHIND: u64 = 75;
    let (mut lone, from, agent) = without_key();
    assert!(mark(&lone) < Some(from), "{:?}", mark(&lone));
    done(&lone, &["agent", "terminate", &agent]);
    let number = |lone: &Lone| lone.status().unwrap()["checkpoint"].as_str().unwrap().parse::<u64>().unwrap();
    lone.until("many checkpoints", |lone| number(lone) > from + BEHIND);
    lone.stop();
    done(&lone, &["proof", "setup", "--dev", "--circuit", "position-8"]);
    lone.start();
    made_up(&mut lone, from);
    lone.stop();
}

#[test]
fn a_node_that_gets_the_key_while_it_runs_makes_up_for_what_failed() {
    let (mut lone, from, _) = without_key();
    done(&lone, &["proof", "setup", "--dev", "--circuit", "position-8"]);
    made_up(&mut lone, from);
    lone.until("no failure any more", |lone| told(lone)["covered"] == 1);
    lone.stop();
}

#[test]
fn a_node_proves_at_each_checkpoint_what_a_policy_asks_for() {
    let mut lone = paced(4, 500);
    set_proofs(&lone, toml::toml! { keep = 1_000 });
    done(&lone, &["proof", "setup", "--dev", "--circuit", "position-8"]);
    lone.start();
    let command = format!(r#"{{"set_policy":{{"name":"guards","document":"{}"}}}}"#, hex::encode(GUARDS));
    done(&lone, &["owner", "send", &command]);
    let stack = lone.file("genesis.json");
    let words = ["agent", "spawn", "--region", "earth", "--label", "a", "--stack"];
    done(&lone, &[&words[..], &[stack.to_str().unwrap()]].concat());

    let folder = lone.file("proofs");
    let coverage = |number: u64| folder.join(format!("{number}/guards/coverage.json"));
    let proven = || -> Vec<u64> {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut numbers: Vec<u64> = numbers.filter(|number| coverage(*number).exists()).collect();
        numbers.sort_unstable();
        numbers
    };
    lone.until("two proven checkpoints", |_| proven().len() >= 2);
    lone.stop();
    // As if the node had been killed while it proved the last one.
    let last = *proven().last().unwrap();
    fs::rename(folder.join(format!("{last}/guards")), folder.join(format!("{last}/.unfinished-guards")))
        .unwrap();
    fs::remove_file(folder.join(format!("{last}/.unfinished-guards/coverage.json"))).unwrap();
    // What is no proof is never removed.
    let other = folder.join("0/own.txt");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, "kept").unwrap();
    lone.start();
    lone.until("the last one again", |_| coverage(last).exists());
    // None is left out, also not what was closed while the node stopped.
    lone.until("two more", |_| proven().last() >= Some(&(last + 2)));
    let numbers = proven();
    let expected: Vec<u64> = (numbers[0]..=*numbers.last().unwrap()).collect();
    assert_eq!(numbers, expected);
    // Old ones go where only some are kept.
    lone.stop();
    set_proofs(&lone, toml::toml! { keep = 1 });
    lone.start();
    lone.until("older proofs gone", |_| proven().first().is_some_and(|number| *number > last));
    assert!(other.exists());
    let status = lone.status().unwrap();
    let told = &status["proofs"]["guards"];
    assert_eq!((&told["covered"], &told["agents"]), (&1.into(), &1.into()), "{status}");
    lone.stop();
    let folder = lone.file(&format!("proofs/{}/guards", proven().last().unwrap()));
    let said = done(&lone, &["proof", "verify", folder.to_str().unwrap()]);
    assert!(said.contains("1 of 1 agents are covered"), "{said}");
}
