//! Proves policies at each checkpoint, where the settings ask for it.
//!
//! A policy is proven by a process of its own, `phalanx proof policy`, at the lowest
//! priority: it takes all cores that nobody else needs, and no beat waits for it.
//! Checkpoints are proven in their order, also those that were closed while the node was
//! down, and each once: what was proven before is found in the folder.

use crate::{
    commands::proof::COVERAGE,
    home::{Home, ProofsConfig},
    output::Code,
};
use anyhow::{Context, Result};
use phalanx_replica::Decision;
use phalanx_types::{Name, units::CheckpointNumber};
use rustix::process::{Pid, setpriority_process};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use tokio::{
    process::Command,
    sync::{broadcast, mpsc, watch},
};

/// Checkpoints that may wait to be proven.
const WAITING_MAX: usize = 1_024;
/// Checkpoints before the first one seen that are made up for.
const RESUMED_MAX: u64 = 64;
/// The lowest priority.
const NICE: i32 = 19;

/// Proves what the settings ask for.
pub struct Proving {
    home: PathBuf,
    binary: PathBuf,
    keys: PathBuf,
    out: PathBuf,
    keep: u64,
    /// Further arguments: for which contract.
    context: Vec<String>,
    events: broadcast::Sender<Arc<str>>,
    progress: watch::Sender<Proven>,
}

/// What was told last of each policy.
pub type Proven = BTreeMap<Name, Value>;

/// A checkpoint, and the policies that ask to be proven at it.
struct Task {
    checkpoint: CheckpointNumber,
    policies: Vec<Name>,
}

impl Proving {
    /// Ready to prove; what it has done can be watched.
    pub fn new(
        home: &Home,
        settings: &ProofsConfig,
        context: Vec<String>,
        events: broadcast::Sender<Arc<str>>,
    ) -> Result<(Self, watch::Receiver<Proven>)> {
        let (progress, watched) = watch::channel(Proven::new());
        let proving = Self {
            home: home.path.clone(),
            binary: std::env::current_exe().context("this program's own path is unknown")?,
            keys: home.path.join(&settings.keys),
            out: home.path.join(&settings.out),
            keep: settings.keep,
            context,
            events,
            progress,
        };
        Ok((proving, watched))
    }

    /// Proves until the node stops.
    pub async fn run(self, decisions: broadcast::Receiver<Arc<Decision>>) {
        let (queue, tasks) = mpsc::channel(WAITING_MAX);
        let begun = self.begun().last().copied();
        tokio::join!(collect(decisions, begun, queue), self.work(tasks));
    }

    /// Checkpoints that have a folder, in order.
    fn begun(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.out).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    async fn work(&self, mut tasks: mpsc::Receiver<Task>) {
        while let Some(Task { checkpoint, policies }) = tasks.recv().await {
            for policy in policies {
                let folder = self.out.join(checkpoint.to_string()).join(policy.as_str());
                match self.prove(&policy, checkpoint, &folder).await {
                    Ok(Some(told)) => self.tell(policy, told),
                    Ok(None) => {}
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::warn!(%policy, %checkpoint, error, "a policy was not proven");
                        self.tell(policy, json!({"checkpoint": checkpoint, "error": error}));
                    }
                }
            }
            self.forget(checkpoint);
        }
    }

    /// Proves a policy at a checkpoint; none when it binds no agent there, or was proven before.
    async fn prove(
        &self,
        policy: &Name,
        checkpoint: CheckpointNumber,
        folder: &Path,
    ) -> Result<Option<Value>> {
        if folder.join(COVERAGE).exists() {
            return Ok(None);
        }
        if folder.exists() {
            // The node was stopped while it was proven.
            fs::remove_dir_all(folder).with_context(|| format!("{} is in the way", folder.display()))?;
        }
        let child = Command::new(&self.binary)
            .arg("--home")
            .arg(&self.home)
            .args(["--output", "json", "proof", "policy", policy.as_str(), "--running", "--checkpoint"])
            .arg(checkpoint.to_string())
            .arg("--out")
            .arg(folder)
            .arg("--keys")
            .arg(&self.keys)
            .args(&self.context)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the prover cannot be started")?;
        // None would be this process; a prover that has ended has no number any more.
        if let Some(id) = child.id().and_then(|id| Pid::from_raw(id.cast_signed()))
            && let Err(error) = setpriority_process(Some(id), NICE)
        {
            tracing::debug!(%error, "the prover runs at the usual priority");
        }
        let output = child.wait_with_output().await?;
        match serde_json::from_slice::<Value>(&output.stdout) {
            Ok(coverage) if folder.join(COVERAGE).exists() => {
                let agents = coverage["agents"].as_array().map(Vec::as_slice).unwrap_or_default();
                let covered = agents.iter().filter(|agent| agent.get("missing").is_none()).count();
                if covered < agents.len() {
                    tracing::warn!(%policy, %checkpoint, agents = agents.len(), covered, "a policy is not proven of all");
                }
                Ok(Some(json!({
                    "checkpoint": checkpoint, "agents": agents.len(), "covered": covered, "folder": folder,
                })))
            }
            _ => {
                // Nobody is bound: it is refused before a folder is made.
                if output.status.code() == Some(Code::Refused as i32) && !folder.exists() {
                    return Ok(None);
                }
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                anyhow::bail!("the prover ended with {}: {said}", output.status)
            }
        }
    }

    fn tell(&self, policy: Name, told: Value) {
        let event = json!({"event": "policy_proven", "policy": policy, "proven": told});
        // Nobody listening is no failure.
        let _ = self.events.send(event.to_string().into());
        self.progress.send_modify(|proven| {
            proven.insert(policy, told);
        });
    }

    /// Removes what is older than what is kept, and nothing but proofs.
    fn forget(&self, checkpoint: CheckpointNumber) {
        if self.keep == 0 {
            return;
        }
        for number in self.begun().into_iter().filter(|number| number + self.keep <= checkpoint.0) {
            let folder = self.out.join(number.to_string());
            let mut inside = fs::read_dir(&folder).into_iter().flatten().flatten();
            if !inside.all(|policy| policy.path().join(COVERAGE).is_file()) {
                continue;
            }
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::warn!(%error, "{} was not removed", folder.display());
            }
        }
    }
}

/// Queues each checkpoint from `begun` on, the last one that was begun before.
async fn collect(
    mut decisions: broadcast::Receiver<Arc<Decision>>,
    begun: Option<u64>,
    queue: mpsc::Sender<Task>,
) {
    // Again the last one that was begun: what of it is proven already is left alone.
    let mut next = begun;
    loop {
        let decision = match decisions.recv().await {
            Ok(decision) => decision,
            // What was missed is made up for at the next checkpoint.
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let Some(checkpoint) = &decision.checkpoint else { continue };
        let asked = decision.fabric.policies().filter(|(_, declared)| declared.policy.prove);
        let policies: Vec<Name> = asked.map(|(name, _)| name.clone()).collect();
        let number = checkpoint.number.0;
        let first = next.unwrap_or(number).max(number.saturating_sub(RESUMED_MAX));
        next = Some(number + 1);
        if policies.is_empty() {
            continue;
        }
        for number in first..=number {
            let task = Task { checkpoint: CheckpointNumber(number), policies: policies.clone() };
            if queue.try_send(task).is_err() {
                tracing::warn!(
                    number,
                    "too many checkpoints wait to be proven: this one is left out; `phalanx proof policy` proves it"
                );
            }
        }
    }
}
