//! Nodes and shims that are killed, and what becomes of their work.

use crate::support::{Ground, WIDE, attempt, command, lease, until, want, worker_program};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use phalanx_providers::{
    journal::JournalError,
    runtime::{LeaseTime, WorkerRuntime},
};
use phalanx_types::{Outcome, TimeMs, job::OutcomeReport};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// A child in another session, deaf to SIGTERM and without the variables of its
/// parent, and a parent that waits.
const STUBBORN: &str = r#"
    trap "" TERM
    setsid env -i /bin/sh -c 'trap "" TERM; while :; do sleep 1; done' "$0" > /dev/null 2>&1 &
    : > "$0/runs"
    while :; do sleep 1; done"#;

/// The example `worker`, as a node runs its own.
struct Worker {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Worker {
    fn start(ground: &Ground) -> Self {
        let mut child = Command::new(worker_program())
            .arg(ground.journal())
            .arg(&ground.provider().work)
            .arg(serde_json::to_string(&ground.provider().allowed).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    fn want(&mut self, numbers: impl Iterator<Item = u32>) {
        self.want_for(Duration::from_secs(3_600), numbers);
    }

    fn want_for(&mut self, lease: Duration, numbers: impl Iterator<Item = u32>) {
        let lease_ms = u64::try_from(lease.as_millis()).unwrap();
        let work = command("it", &[], WIDE);
        let wanted: Vec<_> = numbers
            .map(|n| serde_json::json!({"attempt": attempt(n), "work": work, "lease_ms": lease_ms}))
            .collect();
        writeln!(self.stdin, "{}", serde_json::Value::from(wanted)).unwrap();
    }

    fn next_report(&mut self) -> OutcomeReport {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The processes that were started by another.
fn children_of(parent: u32) -> Vec<i32> {
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        fields.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    };
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

fn now() -> LeaseTime {
    LeaseTime::read(|| TimeMs::ZERO)
}

fn outcomes(worker: &WorkerRuntime) -> Vec<Outcome> {
    worker.reports().map(|report| report.outcome.clone()).collect()
}

#[tokio::test]
async fn a_killed_node_takes_its_work_with_it() {
    let ground = Ground::of(STUBBORN);
    let mut worker = Worker::start(&ground);
    worker.want(1..=1);
    until("a run", || ground.path().join("runs").exists()).await;
    worker.kill();
    until("the end of the work", || ground.left().is_empty()).await;
}

#[tokio::test]
async fn a_frozen_node_has_no_work_that_outlives_its_lease() {
    let ground = Ground::of(STUBBORN);
    let mut worker = Worker::start(&ground);
    worker.want_for(Duration::from_secs(2), 1..=1);
    until("a run", || ground.path().join("runs").exists()).await;
    worker.signal(Signal::SIGSTOP);
    let is_work = |line: &&String| !line.contains("/journal");
    until("the end of the work", || ground.left().iter().filter(is_work).count() == 0).await;
    worker.signal(Signal::SIGCONT);
    assert_eq!(worker.next_report().outcome, Outcome::LeaseExpired);
    worker.kill();
}

#[tokio::test]
async fn a_node_that_is_back_at_once_ends_what_is_left_and_reports_it_lost() {
    let ground = Ground::of(STUBBORN);
    let mut worker = Worker::start(&ground);
    worker.want(1..=1);
    until("a run", || ground.path().join("runs").exists()).await;
    worker.kill();
    // The shim may still be asking the command to end.
    let worker = WorkerRuntime::open(&ground.journal(), ground.provider().clone(), &[]).unwrap();
    ground.assert_nothing_is_left();
    assert_eq!(outcomes(&worker), [Outcome::Lost]);
    assert!(!ground.provider().work.exists(), "its folder is left");
}

#[tokio::test]
async fn a_node_and_a_shim_that_were_killed_together_leave_nothing_after_the_restart() {
    // Nothing of it hides its environment.
    let ground = Ground::of(
        r#"setsid sh -c 'cd /; while :; do sleep 1; done' "$0" & : > "$0/runs"; while :; do sleep 1; done"#,
    );
    let mut worker = Worker::start(&ground);
    worker.want(1..=1);
    until("a run", || ground.path().join("runs").exists()).await;
    worker.signal(Signal::SIGSTOP);
    for shim in children_of(worker.child.id()) {
        kill(Pid::from_raw(shim), Signal::SIGKILL).unwrap();
    }
    worker.kill();
    assert!(!ground.left().is_empty(), "there was nothing to end");
    let worker = WorkerRuntime::open(&ground.journal(), ground.provider().clone(), &[]).unwrap();
    ground.assert_nothing_is_left();
    assert_eq!(outcomes(&worker), [Outcome::Lost]);
}

#[tokio::test]
async fn a_shim_that_was_killed_means_lost_and_nothing_is_left() {
    let ground = Ground::of(r#"setsid sleep 300 & : > "$0/runs"; sleep 300"#);
    let task = ground.provider().task(&attempt(1), &command("it", &[], WIDE)).unwrap();
    let (_lease, until_then) = lease();
    let running = ground.provider().spawn(&task, until_then).await.unwrap();
    until("a run", || ground.path().join("runs").exists()).await;
    kill(Pid::from_raw(running.mark.group), Signal::SIGKILL).unwrap();
    let exit = running.wait(std::future::pending()).await;
    assert_eq!(exit.outcome, Outcome::Lost);
    ground.assert_nothing_is_left();
}

#[tokio::test]
async fn an_attempt_runs_at_most_once_over_kills_of_its_node() {
    const ATTEMPTS: u32 = 24;
    let ground = Ground::of(r#"basename "$PWD" >> "$0/marks"; sleep 0.02"#);
    let mut reports = BTreeMap::new();
    for round in 0..8 {
        let mut worker = Worker::start(&ground);
        worker.want(1..=(round + 1) * ATTEMPTS / 8);
        // Kill it at another point of its work each time.
        for _ in 0..round % 4 {
            let report = worker.next_report();
            reports.insert(report.attempt, report.outcome);
        }
        worker.kill();
    }
    let mut worker = Worker::start(&ground);
    worker.want(1..=ATTEMPTS);
    while reports.len() < ATTEMPTS as usize {
        let report = worker.next_report();
        reports.insert(report.attempt, report.outcome);
    }
    let marks = ground.lines("marks");
    let distinct: BTreeSet<_> = marks.iter().collect();
    assert_eq!(marks.len(), distinct.len(), "an attempt was started twice: {marks:?}");
    let done = reports.values().filter(|outcome| outcome.is_success()).count();
    assert!(marks.len() >= done);
    assert!(reports.values().all(|o| o.is_success() || *o == Outcome::Lost), "{reports:?}");
    worker.kill();
    until("the end", || ground.left().is_empty()).await;
}

#[tokio::test]
async fn what_an_operator_moved_away_counts_as_started() {
    let ground = Ground::of(r#": > "$0/runs"; exit 0"#);
    let mut worker = WorkerRuntime::open(&ground.journal(), ground.provider().clone(), &[]).unwrap();
    worker.reconcile(now(), &[want(1, "it", 100_000)]).unwrap();
    while outcomes(&worker).is_empty() {
        worker.next_exit().await.unwrap();
    }
    std::fs::remove_file(ground.path().join("runs")).unwrap();
    std::fs::remove_file(ground.journal()).unwrap();
    let wanted = [want(1, "it", 100)];
    let mut worker = WorkerRuntime::open(&ground.journal(), ground.provider().clone(), &wanted).unwrap();
    worker.reconcile(now(), &wanted).unwrap();
    assert_eq!((outcomes(&worker), worker.running()), (vec![Outcome::Lost], 0));
    assert!(!ground.path().join("runs").exists(), "it was started again");
}

#[tokio::test]
async fn a_damaged_journal_is_an_error_that_says_what_to_do_and_a_torn_one_is_healed() {
    let ground = Ground::of("exit 0");
    let open = || WorkerRuntime::open(&ground.journal(), ground.provider().clone(), &[]);
    let mut worker = open().unwrap();
    worker.reconcile(now(), &[want(1, "it", 100_000), want(2, "it", 100_000)]).unwrap();
    while outcomes(&worker).len() < 2 {
        worker.next_exit().await.unwrap();
    }
    drop(worker);
    let whole = std::fs::read(ground.journal()).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(ground.journal(), &damaged).unwrap();
        let error = open().unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "byte {at}: {error}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(std::fs::read(ground.journal()).unwrap(), damaged, "a damaged journal was changed");
    }
    std::fs::write(ground.journal(), &whole[..whole.len() - 3]).unwrap();
    let worker = open().unwrap();
    // The end of the second was being written: it counts as started.
    let mut found = outcomes(&worker);
    found.sort_by_key(Outcome::is_success);
    assert_eq!(found, [Outcome::Lost, Outcome::Exited { code: 0 }]);
}
