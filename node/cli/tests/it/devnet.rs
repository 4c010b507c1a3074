//! The main job, as a user runs it, and what becomes of its nodes when it is stopped.

use crate::support::{binary, phalanx, stderr, stdout};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

fn run(folder: &Path, words: &[&str]) -> (Option<i32>, Value, String) {
    let out = folder.join("devnet");
    let mut all = vec!["--output", "json", "devnet", "--once", "--out", out.to_str().unwrap()];
    all.extend(words);
    let done = phalanx(&all);
    let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
    (done.status.code(), told, format!("{}{}", stdout(&done), stderr(&done)))
}

#[test]
fn the_main_job_ends_well_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told, said) = run(folder.path(), &["--jobs", "40"]);
    assert_eq!(code, Some(0), "{said}");
    let jobs = &told["jobs"];
    assert_eq!((&jobs["as_expected"], &jobs["states"]["failed"]), (&40.into(), &2.into()), "{said}");
    assert_eq!(jobs["roots_agree"], true);
    assert_eq!(jobs["roots"].as_array().unwrap().len(), 4);
    assert_eq!(told["is_proven"], true);
    assert_eq!(told["proofs"]["files"].as_array().unwrap().len(), 2);
    // Who decides weighs by where the work is, and the picture shows the traveller's way.
    let weights = told["weights"].as_array().unwrap();
    assert_eq!(weights.len(), 4);
    assert!(weights.iter().any(|row| row["weight"] != weights[0]["weight"]), "{weights:?}");
    assert!(told["journey"]["steps"].as_u64().unwrap() > 0);
    let picture = fs::read_to_string(told["journey"]["picture"].as_str().unwrap()).unwrap();
    assert!(picture.contains("navigator") && picture.contains("stroke-dasharray"), "no way in the picture");
    // What was printed can be checked from the files that are left.
    let node = folder.path().join("devnet/node-2");
    let checked = phalanx(&["ledger", "fsck", "--home", node.to_str().unwrap()]);
    assert!(checked.status.success(), "{}", stdout(&checked));
}

/// Two files in the columns of the trace: machines that a quarter of the jobs would fill.
fn small_trace(folder: &Path) {
    let machines = (0..24).map(|i| format!("machine-{i},16000,32768,{},\n", i % 3));
    let jobs = (0..240).map(|i| {
        let (gpus, milli) = if i % 6 == 0 { (1, 500) } else { (0, 0) };
        let begin = i * 40;
        format!("job-{i},2000,2048,{gpus},{milli},,LS,Running,{begin},{},{begin}\n", begin + 300 + i)
    });
    let head = "sn,cpu_milli,memory_mib,gpu,model\n".to_owned();
    fs::write(folder.join("a_node_list.csv"), head + &machines.collect::<String>()).unwrap();
    let head = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n";
    fs::write(folder.join("a_pod_list.csv"), head.to_owned() + &jobs.collect::<String>()).unwrap();
}

#[test]
fn a_trace_that_is_more_than_fits_spills_over_and_outlives_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    fs::create_dir(&trace).unwrap();
    small_trace(&trace);
    let (code, told, said) = run(folder.path(), &["--trace", trace.to_str().unwrap(), "--load", "1.3"]);
    assert_eq!(code, Some(0), "{said}");
    let jobs = &told["jobs"];
    assert_eq!(jobs["outage"], true);
    assert_eq!(jobs["missing"], Value::Array(Vec::new()));
    assert!(jobs["as_expected"].as_u64().unwrap() > 240, "{said}");
    assert_eq!(jobs["states"].as_object().unwrap().len(), 1, "{said}");
    for kind in ["job_spilled", "job_requeued"] {
        assert!(jobs["receipts"][kind].as_u64().unwrap() > 0, "{said}");
    }
}

#[test]
fn a_trace_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    fs::create_dir(&trace).unwrap();
    let words = ["--trace", trace.to_str().unwrap()];
    let (code, _, said) = run(folder.path(), &words);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("node_list") && said.contains("pod_list"), "{said}");
    small_trace(&trace);
    fs::write(trace.join("a_pod_list.csv"), "name,cpu_milli\njob,many\n").unwrap();
    let (code, _, said) = run(folder.path(), &words);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("a_pod_list.csv"), "{said}");
}

/// Processes whose command line has a word.
fn running(word: &str) -> Vec<String> {
    let line = |entry: fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        Some(String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(word))
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(line).collect()
}

#[test]
fn a_main_job_that_is_told_to_stop_takes_its_nodes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("devnet");
    let out = out.to_str().unwrap();
    let mut child = Command::new(binary())
        .args(["devnet", "--jobs", "10", "--out", out])
        .env_remove("PHALANX_HOME")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let stays = lines.into_iter().find(|line| line.contains("the mesh stays up"));
    assert!(stays.is_some(), "it did not come so far");
    assert_eq!(running(out).len(), 5, "itself and four nodes");
    let told = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(told.success());
    let asked = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(asked.elapsed() < Duration::from_secs(30), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(running(out), Vec::<String>::new());
}
