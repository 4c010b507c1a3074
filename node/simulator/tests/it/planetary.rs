//! The documents' planetary scenario and its files.

use phalanx_simulator::{PlanetaryError, PlanetaryFiles, simulate_planetary};
use phalanx_types::{OwnerCommand, Receipt, ReceiptKind, receipt::Field};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

fn file<'a>(run: &'a PlanetaryFiles, name: &str) -> &'a [u8] {
    let path = Path::new("reports/demo").join(name);
    &run.files.iter().find(|(found, _)| *found == path).unwrap().1
}

fn events(run: &PlanetaryFiles) -> Vec<Value> {
    let text = std::str::from_utf8(file(run, "events.ndjson")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn receipts(run: &PlanetaryFiles) -> Vec<Receipt> {
    let receipts = events(run).into_iter().filter(|event| event["event"] == "receipt");
    receipts
        .map(|mut event| {
            let map = event.as_object_mut().unwrap();
            let said = map.remove("hash").unwrap();
            map.remove("event");
            map.remove("at_ms");
            let receipt: Receipt = serde_json::from_value(event).unwrap();
            assert_eq!(said.as_str().unwrap(), receipt.hash().to_string());
            receipt
        })
        .collect()
}

fn text<'a>(receipt: &'a Receipt, key: &str) -> &'a str {
    match receipt.data.get(key) {
        Some(Field::Text(text)) => text,
        _ => "",
    }
}

/// One run, and all that it must show.
#[test]
fn the_scenario_shows_what_the_documents_name() {
    let run = simulate_planetary(7, "demo").unwrap();
    the_events_hold_the_whole_chain_of_receipts_in_order(&run);
    a_worker_dies_and_its_jobs_begin_anew_from_the_shard_they_came_from(&run);
    a_shard_that_overflows_spills_to_the_first_of_its_list(&run);
    a_paused_shard_turns_work_away_and_takes_it_when_it_resumes(&run);
    every_job_ends_and_every_node_has_the_same_record(&run);
    the_owners_script_is_in_the_form_that_the_binary_takes(&run);
    the_summary_says_what_the_receipts_say(&run);
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let runs = [simulate_planetary(8, "demo").unwrap(), simulate_planetary(8, "demo").unwrap()];
    let written = [runs[0].write(folders[0].path()).unwrap(), runs[1].write(folders[1].path()).unwrap()];
    for (one, two) in written[0].iter().zip(&written[1]) {
        assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap(), "{}", one.display());
    }
    assert_eq!(written[0].len(), 4);
}

fn the_events_hold_the_whole_chain_of_receipts_in_order(run: &PlanetaryFiles) {
    let receipts = receipts(run);
    assert_eq!(receipts.len() as u64, run.summary.receipts);
    for (index, pair) in receipts.windows(2).enumerate() {
        assert_eq!(pair[0].index.0, index as u64);
        assert_eq!(pair[1].previous_hash, pair[0].hash());
    }
    let events = events(run);
    let times: Vec<u64> = events.iter().map(|event| event["at_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted());
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count() as u64;
    assert_eq!(count("beat"), run.summary.beats);
    assert_eq!(count("checkpoint"), run.summary.checkpoints);
    let last = events.iter().rfind(|event| event["event"] == "checkpoint").unwrap();
    assert_eq!(last["hash"], run.summary.end.checkpoint_hash.to_string());
}

fn a_worker_dies_and_its_jobs_begin_anew_from_the_shard_they_came_from(run: &PlanetaryFiles) {
    let receipts = receipts(run);
    let mut home = BTreeMap::new();
    let mut requeued = 0;
    for receipt in &receipts {
        let word = serde_json::to_value(receipt.kind).unwrap();
        match word.as_str().unwrap() {
            "job_accepted" => {
                home.insert(receipt.subject.clone(), text(receipt, "region").to_owned());
            }
            "job_requeued" if text(receipt, "reason") == "lease_expired" => {
                assert_eq!(text(receipt, "shard"), home[&receipt.subject]);
                requeued += 1;
            }
            _ => {}
        }
    }
    assert!(requeued > 4, "{requeued}");
    let health = &run.summary.workers["mars.gpu-helion"];
    assert_eq!(health.len(), 2, "{health:?}");
    // More came back than may wait on Mars: what can run elsewhere goes on.
    assert!(run.summary.shards["mars"].spilled.contains_key("to helios: queue_over_budget"));
}

fn a_shard_that_overflows_spills_to_the_first_of_its_list(run: &PlanetaryFiles) {
    let spilled = &run.summary.shards["luna"].spilled;
    assert!(spilled["to earth: queue_over_budget"] > 100, "{spilled:?}");
    // What only Mars can do goes on from Earth, which is not asked to keep it.
    assert!(spilled["to earth: no_worker_here"] > 0, "{spilled:?}");
    assert!(run.summary.shards["earth"].spilled["to mars: no_worker_here"] > 0);
}

fn a_paused_shard_turns_work_away_and_takes_it_when_it_resumes(run: &PlanetaryFiles) {
    assert!(run.summary.turned_away > 0);
    let events = events(run);
    let at = |what: &str| {
        let command = events.iter().find(|e| e["kind"] == "owner_command" && e["subject"] == what);
        command.unwrap()["at_ms"].as_u64().unwrap()
    };
    let paused = at("pause")..at("resume");
    for event in &events {
        let is_inside = paused.contains(&event["at_ms"].as_u64().unwrap());
        let is_mars = event["data"]["region"] == "mars" && event["kind"] == "job_accepted"
            || event["data"]["shard"] == "mars" && event["kind"] == "job_assigned";
        // What is decided in the beat of the command itself comes after it.
        assert!(!(is_inside && is_mars && event["at_ms"] != paused.start), "{event}");
    }
    let mars = &run.summary.shards["mars"].jobs;
    let ended = mars.succeeded + mars.failed + mars.expired + mars.unknown;
    assert_eq!(ended, mars.accepted);
}

fn every_job_ends_and_every_node_has_the_same_record(run: &PlanetaryFiles) {
    let jobs = &run.summary.total.jobs;
    // One that was on its way when Mars was paused is refused in a beat.
    assert_eq!(jobs.accepted + run.summary.total.refused, run.summary.submitted);
    assert_eq!(jobs.succeeded + jobs.failed + jobs.expired + jobs.unknown, jobs.accepted);
    assert!(jobs.succeeded * 10 > jobs.accepted * 8, "{jobs:?}");
    assert_eq!(run.summary.end.nodes, ["earth", "luna", "mars", "helios"]);
}

fn the_owners_script_is_in_the_form_that_the_binary_takes(run: &PlanetaryFiles) {
    let script: Value = serde_json::from_slice(file(run, "owner-script.json")).unwrap();
    let all = script["commands"].as_array().unwrap().iter().chain(script["templates"].as_array().unwrap());
    let mut count = 0;
    for entry in all {
        let command: OwnerCommand = serde_json::from_value(entry["command"].clone()).unwrap();
        let run = entry["run"].as_str().unwrap();
        if let Some(json) = run.strip_prefix("phalanx owner send '") {
            let said: OwnerCommand = serde_json::from_str(json.strip_suffix('\'').unwrap()).unwrap();
            assert_eq!(said, command);
        } else {
            assert!(
                run.starts_with("phalanx owner pause") || run.starts_with("phalanx owner resume"),
                "{run}"
            );
        }
        count += 1;
    }
    assert!(count > 15);
    assert_eq!(script["commands"].as_array().unwrap().len(), run.summary.owner_commands.len());
}

fn the_summary_says_what_the_receipts_say(run: &PlanetaryFiles) {
    let summary: Value = serde_json::from_slice(file(run, "summary.json")).unwrap();
    assert_eq!((&summary["seed"], &summary["label"]), (&json!(7), &json!("demo")));
    let receipts = receipts(run);
    assert_eq!(summary["receipts"], receipts.len());
    let (mut regions, mut homes) = (BTreeMap::new(), BTreeMap::new());
    let mut failures: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    let mut turnarounds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for receipt in &receipts {
        match receipt.kind {
            ReceiptKind::WorkerOffered => {
                regions.insert(receipt.subject.clone(), text(receipt, "region").to_owned());
            }
            ReceiptKind::JobAccepted => {
                homes.insert(receipt.subject.clone(), text(receipt, "region").to_owned());
            }
            ReceiptKind::AttemptEnded if text(receipt, "outcome") != "succeeded" => {
                for shard in [regions[text(receipt, "worker")].as_str(), "total"] {
                    let count = failures.entry(shard.to_owned()).or_default();
                    *count.entry(text(receipt, "outcome").to_owned()).or_default() += 1;
                }
            }
            ReceiptKind::JobEnded => {
                for shard in [homes[&receipt.subject].as_str(), "total"] {
                    let took = text(receipt, "turnaround_ms").parse().unwrap();
                    turnarounds.entry(shard.to_owned()).or_default().push(took);
                }
            }
            _ => {}
        }
    }
    assert!(!failures["total"].is_empty());
    for shard in ["earth", "luna", "mars", "helios", "total"] {
        let said = if shard == "total" { &summary["total"] } else { &summary["shards"][shard] };
        assert_eq!(said["failures"], json!(failures.remove(shard).unwrap_or_default()), "{shard}");
        let mut took = turnarounds.remove(shard).unwrap();
        took.sort_unstable();
        // All but a hundredth took at most this long.
        let p99 = took[took.len() - 1 - took.len() / 100];
        assert_eq!(said["turnaround"]["count"], took.len(), "{shard}");
        assert_eq!(said["turnaround"]["p99_ms"], p99, "{shard}");
        assert!(p99 > 0, "{shard}");
    }
    assert!(failures.is_empty() && turnarounds.is_empty());
}

#[test]
fn a_label_that_is_no_folder_name_is_refused() {
    for label in ["", "..", "a/b", ".hidden", "a b", &"x".repeat(65)] {
        assert!(matches!(simulate_planetary(1, label), Err(PlanetaryError::Label(_))), "{label:?}");
    }
}

#[test]
fn the_last_state_can_be_gone_on_from() {
    let run = simulate_planetary(7, "demo").unwrap();
    let (_, stored) = run.files.iter().find(|(path, _)| path.ends_with("checkpoint.json")).unwrap();
    let shown: Value = serde_json::from_slice(stored).unwrap();
    assert!(shown["height"].as_str().unwrap().parse::<u64>().unwrap() >= run.summary.beats);
    assert_eq!(shown["shards"].as_array().unwrap().len(), 4);
    assert_eq!(shown["metrics"]["workers"], 6);
}
