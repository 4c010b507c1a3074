//! Leases, and commands that wait for their turn.

use crate::support::{Ground, until, want};
use phalanx_providers::runtime::{COMMANDS_MAX, WorkerRuntime};
use phalanx_types::{AttemptId, Outcome, TimeMs};
use std::collections::BTreeMap;

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
    worker.reconcile(TimeMs(0), &[want(1, "it", 100)]).unwrap();
    until("a run", || ground.path().join("runs").exists()).await;
    worker.expire(TimeMs(100));
    assert_eq!(worker.reports().count(), 0);
    // A longer lease counts.
    worker.reconcile(TimeMs(50), &[want(1, "it", 200)]).unwrap();
    worker.expire(TimeMs(150));
    assert_eq!((worker.reports().count(), worker.running()), (0, 1));
    worker.expire(TimeMs(201));
    let ended = outcomes(&mut worker, 1).await;
    assert_eq!(ended.into_values().collect::<Vec<_>>(), [Outcome::LeaseExpired]);
    ground.assert_nothing_is_left();
}

#[tokio::test]
async fn an_attempt_that_is_no_longer_wanted_is_killed() {
    let ground = Ground::of(r#": > "$0/runs"; sleep 300"#);
    let mut worker = open(&ground);
    worker.reconcile(TimeMs(0), &[want(1, "it", 100)]).unwrap();
    until("a run", || ground.path().join("runs").exists()).await;
    worker.reconcile(TimeMs(1), &[]).unwrap();
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
    let mut wanted: Vec<_> = (1..=max).map(|n| want(n, "it", 1_000)).collect();
    worker.reconcile(TimeMs(0), &wanted).unwrap();
    until("as many as may run", || ground.lines("counts").len() == COMMANDS_MAX).await;
    wanted.extend((1..=6).map(|n| want(max + n, "it", if n <= 3 { 1_000 } else { 100 })));
    worker.reconcile(TimeMs(1), &wanted).unwrap();
    // Three wait longer than their leases last.
    worker.expire(TimeMs(101));
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
