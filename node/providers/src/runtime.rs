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
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Exits that wait to be taken in.
const EXITS_MAX: usize = 4_096;
/// Commands that run at one time, whatever the workers promise: a machine has
/// only so many processes. The others wait for their turn.
pub const COMMANDS_MAX: usize = 64;

/// The worker of a node.
#[derive(Debug)]
pub struct WorkerRuntime {
    attempts: Attempts<FileJournal>,
    provider: Arc<ProcessProvider>,
    turns: Arc<Semaphore>,
    running: BTreeMap<AttemptId, (Name, Option<oneshot::Sender<KillReason>>)>,
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
    pub fn reconcile(&mut self, now: TimeMs, wanted: &[WantedAttempt]) -> Result<(), JournalError> {
        for action in self.attempts.reconcile(now, wanted)? {
            self.act(action);
        }
        Ok(())
    }

    /// Ends attempts whose lease is over.
    pub fn expire(&mut self, now: TimeMs) {
        for action in self.attempts.expire(now) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn(want) => self.spawn(want),
            Action::Kill { attempt, reason } => {
                if let Some((_, stop)) = self.running.get_mut(&attempt)
                    && let Some(stop) = stop.take()
                {
                    let _ = stop.send(reason);
                }
            }
        }
    }

    fn spawn(&mut self, want: WantedAttempt) {
        let (stop, stopped) = oneshot::channel();
        self.running.insert(want.attempt, (want.worker.clone(), Some(stop)));
        let (provider, sender) = (Arc::clone(&self.provider), self.exit_sender.clone());
        let turns = Arc::clone(&self.turns);
        tokio::spawn(async move {
            let attempt = want.attempt;
            let exit = carry_out(&provider, &turns, &want, stopped, &sender).await;
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
                let Some((worker, _)) = self.running.remove(&attempt) else { return Ok(()) };
                self.attempts.ended(OutcomeReport {
                    worker,
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
        for (_, stop) in self.running.values_mut() {
            if let Some(stop) = stop.take() {
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
    sender: &mpsc::Sender<Message>,
) -> Exit {
    let ended = |reason: Option<KillReason>, exit: Exit| match reason {
        Some(KillReason::LeaseOver) => Exit { outcome: Outcome::LeaseExpired, ..exit },
        Some(KillReason::Unwanted) => Exit { outcome: Outcome::Killed, ..exit },
        None => exit,
    };
    match &want.work {
        Work::Synthetic { duration_ms } => {
            let done =
                Exit { outcome: Outcome::Exited { code: 0 }, wall_ms: *duration_ms, ..Exit::not_started("") };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis((*duration_ms).into())) => done,
                reason = &mut stopped => ended(reason.ok(), done),
            }
        }
        Work::Command { .. } => {
            let _turn = tokio::select! {
                turn = turns.acquire() => turn,
                reason = &mut stopped => return ended(reason.ok(), Exit::not_started("")),
            };
            let running = match provider.task(&want.attempt, &want.work) {
                Ok(task) => provider.spawn(&task).await,
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
