//! The worker of a node: attempts, providers and outcomes, put together.

use crate::{
    attempts::{Action, Attempts, KillReason},
    journal::{FileJournal, JournalError},
    process::ProcessProvider,
    shim::Exit,
};
use phalanx_types::{
    AttemptId, Name, Outcome, TimeMs, Work,
    job::{OutcomeReport, WantedAttempt},
};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::Instant,
};

/// Exits that wait to be taken in.
const EXITS_MAX: usize = 4_096;
/// Commands that run at one time, whatever the workers promise: a machine has
/// only so many processes. The others wait for their turn.
pub const COMMANDS_MAX: usize = 64;

/// What the clock by which leases end has shown, and when at the latest.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTime {
    read: Instant,
    now: TimeMs,
}

impl LeaseTime {
    /// Reads the clock. A pause between the two readings, of whatever length, makes leases
    /// shorter and never longer.
    pub fn read(clock: impl FnOnce() -> TimeMs) -> Self {
        Self { read: Instant::now(), now: clock() }
    }

    /// When a lease is over.
    fn end_of(self, lease_until: TimeMs) -> Instant {
        let rest = Duration::from_millis(lease_until.since(self.now));
        self.read.checked_add(rest).unwrap_or(self.read)
    }
}

/// An attempt that runs, or waits for its turn.
#[derive(Debug)]
struct Live {
    worker: Name,
    stop: Option<oneshot::Sender<KillReason>>,
    /// When its lease is over.
    lease: watch::Sender<Instant>,
}

/// The worker of a node.
#[derive(Debug)]
pub struct WorkerRuntime {
    attempts: Attempts<FileJournal>,
    provider: Arc<ProcessProvider>,
    turns: Arc<Semaphore>,
    running: BTreeMap<AttemptId, Live>,
    exits: mpsc::Receiver<Message>,
    exit_sender: mpsc::Sender<Message>,
}

#[derive(Debug)]
enum Message {
    Started(AttemptId, crate::journal::ProcessMark),
    Ended(AttemptId, Exit),
}

impl WorkerRuntime {
    /// Opens the journal; ends what is left of an earlier run. `wanted` is what
    /// the decided state that this node begins with wants of its workers.
    ///
    /// # Errors
    /// When the journal cannot be used.
    pub fn open(
        journal: &Path,
        provider: ProcessProvider,
        wanted: &[WantedAttempt],
    ) -> Result<Self, JournalError> {
        let attempts = Attempts::open(FileJournal::open(journal)?, wanted, |attempt, mark| {
            provider.end_leftovers(attempt, mark);
        })?;
        provider.clear_folders();
        let (exit_sender, exits) = mpsc::channel(EXITS_MAX);
        Ok(Self {
            attempts,
            provider: Arc::new(provider),
            turns: Arc::new(Semaphore::new(COMMANDS_MAX)),
            running: BTreeMap::new(),
            exits,
            exit_sender,
        })
    }

    /// Starts what the mesh wants and ends what it does not.
    ///
    /// # Errors
    /// When the journal cannot be written; then nothing new was started.
    pub fn reconcile(&mut self, time: LeaseTime, wanted: &[WantedAttempt]) -> Result<(), JournalError> {
        for action in self.attempts.reconcile(time.now, wanted)? {
            self.act(time, action);
        }
        self.renew(time);
        Ok(())
    }

    /// Ends attempts whose lease is over, and lets the others run until theirs is. What is
    /// not heard of by the end of its lease ends, even if this process is frozen.
    pub fn expire(&mut self, time: LeaseTime) {
        for action in self.attempts.expire(time.now) {
            self.act(time, action);
        }
        self.renew(time);
    }

    fn renew(&self, time: LeaseTime) {
        for (attempt, lease_until) in self.attempts.leases() {
            if let Some(live) = self.running.get(&attempt) {
                live.lease.send_replace(time.end_of(lease_until));
            }
        }
    }

    fn act(&mut self, time: LeaseTime, action: Action) {
        match action {
            Action::Spawn(want) => self.spawn(time, want),
            Action::Kill { attempt, reason } => {
                if let Some(live) = self.running.get_mut(&attempt)
                    && let Some(stop) = live.stop.take()
                {
                    let _ = stop.send(reason);
                }
            }
        }
    }

    fn spawn(&mut self, time: LeaseTime, want: WantedAttempt) {
        let (stop, stopped) = oneshot::channel();
        let (lease, until) = watch::channel(time.end_of(want.lease_until));
        let live = Live { worker: want.worker.clone(), stop: Some(stop), lease };
        self.running.insert(want.attempt, live);
        let (provider, sender) = (Arc::clone(&self.provider), self.exit_sender.clone());
        let turns = Arc::clone(&self.turns);
        tokio::spawn(async move {
            let attempt = want.attempt;
            let exit = carry_out(&provider, &turns, &want, stopped, until, &sender).await;
            let _ = sender.send(Message::Ended(attempt, exit)).await;
        });
    }

    /// Waits for the next exit and takes it in. Cancel-safe.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn next_exit(&mut self) -> Result<(), JournalError> {
        match self.exits.recv().await {
            Some(Message::Started(attempt, mark)) => self.attempts.started(attempt, mark),
            Some(Message::Ended(attempt, exit)) => {
                let Some(live) = self.running.remove(&attempt) else { return Ok(()) };
                self.attempts.ended(OutcomeReport {
                    worker: live.worker,
                    attempt,
                    outcome: exit.outcome,
                    stdout_len: exit.stdout_len,
                    stdout_sha3: exit.stdout_sha3,
                    stderr_len: exit.stderr_len,
                    stderr_sha3: exit.stderr_sha3,
                    cpu_ms: exit.cpu_ms,
                    wall_ms: exit.wall_ms,
                })
            }
            None => std::future::pending().await,
        }
    }

    /// Outcomes that the mesh may still wait for.
    pub fn reports(&self) -> impl Iterator<Item = &OutcomeReport> {
        self.attempts.reports()
    }

    /// Number of attempts that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Ends everything, waiting at most `patience`; what has not ended by then
    /// is reported as lost after the next start.
    pub async fn stop(mut self, patience: Duration) {
        for live in self.running.values_mut() {
            if let Some(stop) = live.stop.take() {
                let _ = stop.send(KillReason::Unwanted);
            }
        }
        let all = async {
            while !self.running.is_empty() {
                if self.next_exit().await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(patience, all).await;
    }
}

async fn carry_out(
    provider: &ProcessProvider,
    turns: &Semaphore,
    want: &WantedAttempt,
    mut stopped: oneshot::Receiver<KillReason>,
    lease: watch::Receiver<Instant>,
    sender: &mpsc::Sender<Message>,
) -> Exit {
    let ended = |reason: Option<KillReason>, exit: Exit| match reason {
        Some(KillReason::LeaseOver) => Exit { outcome: Outcome::LeaseExpired, ..exit },
        Some(KillReason::Unwanted) => Exit { outcome: Outcome::Killed, ..exit },
        None => exit,
    };
    match &want.work {
        Work::Synthetic { duration_ms } => {
            let began = Instant::now();
            let reason = tokio::select! {
                () = tokio::time::sleep(Duration::from_millis((*duration_ms).into())) => None,
                reason = &mut stopped => reason.ok(),
            };
            let wall_ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
            ended(reason, Exit { outcome: Outcome::Exited { code: 0 }, wall_ms, ..Exit::not_started("") })
        }
        Work::Command { .. } => {
            let _turn = tokio::select! {
                turn = turns.acquire() => turn,
                reason = &mut stopped => return ended(reason.ok(), Exit::not_started("")),
            };
            let running = match provider.task(&want.attempt, &want.work) {
                Ok(task) => provider.spawn(&task, lease).await,
                Err(reason) => Err(reason),
            };
            let running = match running {
                Ok(running) => running,
                Err(reason) => return Exit::not_started(reason),
            };
            let _ = sender.send(Message::Started(want.attempt, running.mark.clone())).await;
            let mut why = None;
            let exit = running
                .wait(async {
                    match stopped.await {
                        Ok(reason) => why = Some(reason),
                        // The runtime is gone, and so is the node.
                        Err(_) => std::future::pending().await,
                    }
                })
                .await;
            let was_killed = exit.outcome == Outcome::Killed;
            ended(why.filter(|_| was_killed), exit)
        }
    }
}
