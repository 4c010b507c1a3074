//! A worker without a mesh, for trying things out and for tests.
//!
//! `worker JOURNAL WORK ALLOWED` runs it: the file of its journal, the folder
//! its attempts run in, and a JSON object of allowed commands. Each line on
//! standard input is a JSON list of what is wanted; each line on standard output
//! is the report of an attempt that ended. It ends when its input ends.
//!
//! `worker attempt-shim` is the shim that watches over one command.

#![allow(clippy::unwrap_used)]

use phalanx_providers::{
    process::{Allowed, ProcessProvider},
    runtime::{LeaseTime, WorkerRuntime},
    shim,
};
use phalanx_types::{AttemptId, Name, Resources, TimeMs, Work, job::WantedAttempt};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

#[derive(serde::Deserialize)]
struct Want {
    attempt: AttemptId,
    work: Work,
    /// From when it is read.
    lease_ms: u64,
}

impl Want {
    fn whole(self) -> WantedAttempt {
        WantedAttempt {
            attempt: self.attempt,
            worker: Name::new("worker").unwrap(),
            work: self.work,
            resources: Resources::default(),
            lease_until: TimeMs(self.lease_ms),
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["attempt-shim"] => shim::main(),
        [journal, work, allowed] => {
            let provider = ProcessProvider {
                shim: (std::env::current_exe().unwrap(), vec!["attempt-shim".into()]),
                work: PathBuf::from(work),
                allowed: serde_json::from_str::<BTreeMap<Name, Allowed>>(allowed).unwrap(),
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(PathBuf::from(journal), provider));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: worker JOURNAL WORK ALLOWED");
            ExitCode::from(2)
        }
    }
}

async fn run(journal: PathBuf, provider: ProcessProvider) {
    let mut worker = WorkerRuntime::open(&journal, provider, &[]).unwrap();
    let (sender, mut lines) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if sender.blocking_send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    let mut told = BTreeSet::new();
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { break };
                let wanted: Vec<Want> = serde_json::from_str(&line).unwrap();
                let wanted: Vec<_> = wanted.into_iter().map(Want::whole).collect();
                worker.reconcile(LeaseTime::read(|| TimeMs::ZERO), &wanted).unwrap();
            }
            exit = worker.next_exit() => exit.unwrap(),
        }
        for report in worker.reports() {
            if told.insert(report.attempt) {
                println!("{}", serde_json::to_string(report).unwrap());
            }
        }
    }
    worker.stop(Duration::from_secs(5)).await;
}
