//! Leases, synthetic work, and commands that wait for their turn.

use crate::support::{Ground, attempt, until, want};
use phalanx_providers::runtime::{COMMANDS_MAX, LeaseTime, WorkerRuntime};
use phalanx_types::{AttemptId, Outcome, TimeMs, Work, job::WantedAttempt};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The clock that leases go by shows so many seconds; the shims' clocks go on by themselves.
fn at(seconds: u64) -> LeaseTime {
    LeaseTime::read(|| TimeMs(seconds * 1_000))
}

fn open(ground: &Ground) -> WorkerRuntime {
    WorkerRuntime::open(&ground.journal(), ground.provider().clone(), &[]).unwrap()
}

/// Waits for `count` outcomes.
async fn outcomes(worker: &mut WorkerRuntime, count: usize) -> BTreeMap<AttemptId, Outcome> {
    while worker.reports().count() < count {
        worker.next_exit().await.unwrap();
    }
    worker.reports().map(|report| (report.attempt, report.outcome.clone())).collect()
}

#[tokio::test]
async fn a_lease_that_ends_kills_the_attempt() {
    let ground = Ground::of(r#": > "$0/runs"; setsid sleep 300 & sleep 300"#);
    let mut worker = open(&ground);
    worker.reconcile(at(0), &[want(1, "it", 100_000)]).unwrap();
    until("a run", || ground.path().join("runs").exists()).await;
    worker.expire(at(100));
    assert_eq!(worker.reports().count(), 0);
    // A longer lease counts.
    worker.reconcile(at(50), &[want(1, "it", 200_000)]).unwrap();
    worker.expire(at(150));
    assert_eq!((worker.reports().count(), worker.running()), (0, 1));
    worker.expire(at(201));
    let ended = outcomes(&mut worker, 1).await;
    assert_eq!(ended.into_values().collect::<Vec<_>>(), [Outcome::LeaseExpired]);
    ground.assert_nothing_is_left();
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_ends_the_command_though_nobody_asks() {
    let ground = Ground::of(r#"trap "" TERM; : > "$0/runs"; while :; do sleep 1; done"#);
    let mut worker = open(&ground);
    const LEASE_MS: u64 = 600;
    let began = Instant::now();
    // Renewed for longer than it would last.
    while began.elapsed() < Duration::from_millis(3 * LEASE_MS) {
        let now = began.elapsed().as_millis().try_into().unwrap();
        worker.reconcile(LeaseTime::read(|| TimeMs(now)), &[want(1, "it", now + LEASE_MS)]).unwrap();
        assert_eq!((worker.reports().count(), worker.running()), (0, 1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(ground.path().join("runs").exists());
    let ended = outcomes(&mut worker, 1).await;
    assert_eq!(ended.into_values().collect::<Vec<_>>(), [Outcome::LeaseExpired]);
    ground.assert_nothing_is_left();
}

#[tokio::test]
async fn synthetic_work_takes_its_time_and_no_process() {
    let ground = Ground::new();
    let mut worker = open(&ground);
    let wanted = [40, 30_000].map(|duration_ms| WantedAttempt {
        work: Work::Synthetic { duration_ms },
        ..want(duration_ms, "it", 1_000_000)
    });
    worker.reconcile(at(0), &wanted).unwrap();
    outcomes(&mut worker, 1).await;
    assert_eq!((worker.running(), ground.left()), (1, Vec::new()));
    // The other one is wanted no more.
    worker.reconcile(at(1), &wanted[..1]).unwrap();
    outcomes(&mut worker, 2).await;
    let report = |number| worker.reports().find(|report| report.attempt == attempt(number)).unwrap();
    assert_eq!(report(40).outcome, Outcome::Exited { code: 0 });
    assert!(report(40).wall_ms >= 40);
    assert_eq!(report(30_000).outcome, Outcome::Killed);
    assert!(report(30_000).wall_ms < 30_000, "{}", report(30_000).wall_ms);
}

#[tokio::test]
async fn an_attempt_that_is_no_longer_wanted_is_killed() {
    let ground = Ground::of(r#": > "$0/runs"; sleep 300"#);
    let mut worker = open(&ground);
    worker.reconcile(at(0), &[want(1, "it", 100_000)]).unwrap();
    until("a run", || ground.path().join("runs").exists()).await;
    worker.reconcile(at(1), &[]).unwrap();
    let ended = outcomes(&mut worker, 1).await;
    assert_eq!(ended.into_values().collect::<Vec<_>>(), [Outcome::Killed]);
    ground.assert_nothing_is_left();
}

#[tokio::test]
async fn more_commands_than_may_run_wait_for_their_turn() {
    let mut ground = Ground::new();
    // Says how many run, itself included, and waits until the gate is open.
    let script = r#": > "$0/inside/$$"; ls "$0/inside" | wc -l >> "$0/counts"; read -r line < "$0/gate"; rm "$0/inside/$$""#;
    ground.allow("it", script);
    std::fs::create_dir(ground.path().join("inside")).unwrap();
    let gate = ground.path().join("gate");
    let made = std::process::Command::new("mkfifo").arg(&gate).status().unwrap();
    assert!(made.success());

    let mut worker = open(&ground);
    let max = u32::try_from(COMMANDS_MAX).unwrap();
    let mut wanted: Vec<_> = (1..=max).map(|n| want(n, "it", 1_000_000)).collect();
    worker.reconcile(at(0), &wanted).unwrap();
    until("as many as may run", || ground.lines("counts").len() == COMMANDS_MAX).await;
    wanted.extend((1..=6).map(|n| want(max + n, "it", if n <= 3 { 1_000_000 } else { 100_000 })));
    worker.reconcile(at(1), &wanted).unwrap();
    // Three wait longer than their leases last.
    worker.expire(at(101));
    let ended = outcomes(&mut worker, 3).await;
    assert!(ended.values().all(|outcome| *outcome == Outcome::LeaseExpired), "{ended:?}");
    let shims = ground.left().iter().filter(|process| process.contains("attempt-shim")).count();
    assert_eq!(shims, COMMANDS_MAX);

    // Open for those that wait and those that come.
    let mut lines = std::fs::OpenOptions::new().read(true).write(true).open(&gate).unwrap();
    std::io::Write::write_all(&mut lines, &[b'\n'; COMMANDS_MAX + 3]).unwrap();
    let ended = outcomes(&mut worker, COMMANDS_MAX + 6).await;
    assert_eq!(ended.values().filter(|outcome| outcome.is_success()).count(), COMMANDS_MAX + 3);
    let counts: Vec<usize> = ground.lines("counts").iter().map(|n| n.trim().parse().unwrap()).collect();
    assert_eq!(counts.len(), COMMANDS_MAX + 3, "one was started whose lease was over");
    assert!(counts.iter().all(|n| *n <= COMMANDS_MAX), "too many ran at one time: {counts:?}");
    ground.assert_nothing_is_left();
}
