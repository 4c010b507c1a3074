//! Proves policies at each checkpoint, where the settings ask for it.
//!
//! A policy is proven by a process of its own, `phalanx proof policy`, at the lowest
//! priority: it takes all cores that nobody else needs, and no beat waits for it.
//! Checkpoints are proven in their order, also those that were closed while the node was
//! down, however many, and each once: what was proven before is found in the folder, and up to
//! where all is proven in a file there. One that fails holds none of the later ones up; it is
//! tried again after each.

use crate::{
    commands::proof::COVERAGE,
    files,
    home::{Home, ProofsConfig},
};
use anyhow::{Context, Result};
use phalanx_replica::Decision;
use phalanx_types::{Name, units::CheckpointNumber};
use rustix::process::{Pid, setpriority_process};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    process::Command,
    sync::{Notify, broadcast, watch},
};

/// Changes of which policies ask, that are remembered of checkpoints that wait; of more, the
/// oldest checkpoints are proven of what was asked later.
const CHANGES_MAX: usize = 1_024;
/// The file, beside the folders of checkpoints, that tells up to which one all is proven.
const MARK: &str = "proven.json";
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

/// Up to which checkpoint all is proven.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    checkpoint: CheckpointNumber,
}

/// What was told last of each policy.
pub type Proven = BTreeMap<Name, Value>;

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
        let backlog = Mutex::new(Backlog::new(self.begin(), self.keep));
        let woken = Notify::new();
        tokio::select! {
            () = collect(decisions, &backlog, &woken) => {}
            () = self.work(&backlog, &woken) => {}
        }
    }

    /// The checkpoint to begin with, where something was to be proven before.
    fn begin(&self) -> Option<u64> {
        let begun = self.begun();
        let is_cut_off = |policy: &Path| policy.is_dir() && !policy.join(COVERAGE).is_file();
        let cut_off = begun.iter().copied().find(|number| {
            let inside = fs::read_dir(self.out.join(number.to_string())).into_iter().flatten().flatten();
            inside.into_iter().any(|policy| is_cut_off(&policy.path()))
        });
        // Without a mark the first one that was begun: what is proven already is left alone.
        let next = self.mark().map(|done| done + 1).or_else(|| begun.first().copied());
        match (cut_off, next) {
            (Some(cut_off), Some(next)) => Some(next.min(cut_off)),
            (one, other) => one.or(other),
        }
    }

    /// The checkpoint up to which nothing is left to prove.
    fn mark(&self) -> Option<u64> {
        let path = self.out.join(MARK);
        let mark: Mark = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .inspect_err(
                    |error| tracing::warn!(%error, "{} is not readable and left alone", path.display()),
                )
                .ok()?,
            Err(_) => return None,
        };
        Some(mark.checkpoint.0)
    }

    fn set_mark(&self, number: u64) {
        let write = || -> Result<()> {
            let path = self.out.join(MARK);
            let bytes = serde_json::to_vec(&Mark { checkpoint: CheckpointNumber(number) })?;
            if path.exists() {
                return files::replace(&path, &bytes);
            }
            fs::create_dir_all(&self.out)
                .with_context(|| format!("{} cannot be made", self.out.display()))?;
            files::write_new(&path, &bytes)
        };
        if let Err(error) = write() {
            tracing::warn!(error = format!("{error:#}"), "how far policies are proven was not written");
        }
    }

    /// Checkpoints that have a folder, in order.
    fn begun(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.out).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    async fn work(&self, backlog: &Mutex<Backlog>, woken: &Notify) {
        let mut has_mark = self.mark().is_some();
        // The first checkpoint that failed. The mark stays before it.
        let mut failed: Option<u64> = None;
        loop {
            let taken = lock(backlog).take();
            let Some(task) = taken else {
                woken.notified().await;
                continue;
            };
            let number = task.checkpoint.0;
            if !has_mark {
                // So that whatever happens to the first one, the next start begins with it.
                self.set_mark(number.saturating_sub(1));
                has_mark = true;
            }
            let is_proven = self.prove_all(&task).await;
            if !is_proven {
                failed.get_or_insert(number);
            }
            // Where nobody asks, the mark may wait for the last one.
            if failed.is_none() && (!task.policies.is_empty() || task.left == 0) {
                self.set_mark(number);
            }
            self.forget(task.checkpoint);
            // What has failed may have lacked a key that is there by now. It is tried alone, so that
            // one that never can be proven costs one try a checkpoint, and the others wait for it.
            if task.left == 0
                && let Some(first) = failed.filter(|first| *first < number)
            {
                let again = lock(backlog).again(first);
                if self.prove_all(&again).await {
                    failed = None;
                    lock(backlog).back_to(again.checkpoint.0);
                } else {
                    failed = Some(again.checkpoint.0);
                }
            }
        }
    }

    /// Proves all that is asked for at a checkpoint; false when something failed.
    async fn prove_all(&self, task: &Task) -> bool {
        let Task { checkpoint, policies, left } = task;
        let mut is_proven = true;
        for policy in policies {
            let folder = self.out.join(checkpoint.to_string()).join(policy.as_str());
            match self.prove(policy, *checkpoint, &folder).await {
                Ok(Some(mut told)) => {
                    told["left"] = (*left).into();
                    self.tell(policy, told);
                }
                Ok(None) => {}
                Err(error) => {
                    is_proven = false;
                    let error = format!("{error:#}");
                    let remedy = format!(
                        "`phalanx proof policy {policy} --checkpoint {checkpoint} --out {}` proves it; so does \
                         the node, which tries again after each checkpoint",
                        folder.display()
                    );
                    tracing::warn!(%policy, %checkpoint, error, remedy, "a policy was not proven");
                    let told =
                        json!({"checkpoint": checkpoint, "error": error, "remedy": remedy, "left": left});
                    self.tell(policy, told);
                }
            }
        }
        is_proven
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
            Ok(coverage) if coverage["agents"].as_array().is_some_and(Vec::is_empty) => Ok(None),
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
                // So that whoever proves it by hand finds nothing in the way.
                if folder.exists() {
                    fs::remove_dir_all(folder)
                        .with_context(|| format!("{} is in the way", folder.display()))?;
                }
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                anyhow::bail!("the prover ended with {}: {said}", output.status)
            }
        }
    }

    fn tell(&self, policy: &Name, told: Value) {
        let event = json!({"event": "policy_proven", "policy": policy, "proven": told});
        // Nobody listening is no failure.
        let _ = self.events.send(event.to_string().into());
        self.progress.send_modify(|proven| {
            proven.insert(policy.clone(), told);
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

/// A checkpoint to prove.
#[derive(Debug, PartialEq, Eq)]
struct Task {
    checkpoint: CheckpointNumber,
    /// The policies that ask for it.
    policies: Vec<Name>,
    /// How many checkpoints are left after it.
    left: u64,
}

/// What is left to prove: two numbers, however much it is, and which policies ask from which
/// checkpoint on.
struct Backlog {
    /// The next checkpoint to prove; none before one was closed or proven.
    next: Option<u64>,
    /// The last one that was closed.
    last: u64,
    /// Changes of what is asked, in order; the first one holds for `next`.
    asked: VecDeque<(u64, Vec<Name>)>,
    /// How many checkpoints stay; all when 0.
    keep: u64,
}

impl Backlog {
    fn new(next: Option<u64>, keep: u64) -> Self {
        Self { next, last: 0, asked: VecDeque::new(), keep }
    }

    /// A checkpoint was closed, at which these policies ask. What was closed since the last
    /// one that was told of is asked for by the same.
    fn closed(&mut self, number: u64, policies: Vec<Name>) {
        let next = *self.next.get_or_insert(number);
        if self.asked.back().is_none_or(|(_, before)| *before != policies) {
            let from = if self.asked.is_empty() { next } else { self.last + 1 };
            self.asked.push_back((from, policies));
        }
        if self.asked.len() > CHANGES_MAX {
            self.asked.pop_front();
        }
        self.last = number;
    }

    /// The next checkpoint that is to be proven; none when all are.
    fn take(&mut self) -> Option<Task> {
        let next = self.next?.max(self.oldest());
        if next > self.last {
            return None;
        }
        while self.asked.get(1).is_some_and(|(from, _)| *from <= next) {
            self.asked.pop_front();
        }
        self.next = Some(next + 1);
        Some(self.task(next))
    }

    /// A checkpoint that was taken before, once more; the oldest one that stays when it does not.
    /// It is proven of what is asked now.
    fn again(&self, number: u64) -> Task {
        self.task(number.max(self.oldest()))
    }

    /// Goes on behind a checkpoint that was taken before.
    fn back_to(&mut self, number: u64) {
        self.next = self.next.min(Some(number + 1));
    }

    /// The oldest checkpoint that stays.
    const fn oldest(&self) -> u64 {
        if self.keep == 0 { 0 } else { (self.last + 1).saturating_sub(self.keep) }
    }

    fn task(&self, number: u64) -> Task {
        let policies = self.asked.front().map(|(_, policies)| policies.clone()).unwrap_or_default();
        Task { checkpoint: CheckpointNumber(number), policies, left: self.last.saturating_sub(number) }
    }
}

fn lock(backlog: &Mutex<Backlog>) -> MutexGuard<'_, Backlog> {
    // A number is never half changed.
    backlog.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts each checkpoint that is closed on the backlog.
async fn collect(
    mut decisions: broadcast::Receiver<Arc<Decision>>,
    backlog: &Mutex<Backlog>,
    woken: &Notify,
) {
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
        lock(backlog).closed(checkpoint.number.0, policies);
        woken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Name> {
        text.split_whitespace().map(|name| Name::new(name).unwrap()).collect()
    }

    /// All that is left, and by which policies.
    fn taken(backlog: &mut Backlog) -> Vec<(u64, Vec<Name>)> {
        std::iter::from_fn(|| backlog.take()).map(|task| (task.checkpoint.0, task.policies)).collect()
    }

    #[test]
    fn a_node_that_was_down_for_long_makes_up_for_all_that_is_kept() {
        for (keep, first) in [(0, 3), (5_000, 3), (256, 1_745), (1, 2_000)] {
            let mut backlog = Backlog::new(Some(3), keep);
            assert_eq!(backlog.take(), None);
            backlog.closed(2_000, names("a"));
            let left = backlog.take().unwrap();
            assert_eq!((left.checkpoint.0, left.left), (first, 2_000 - first), "of {keep}");
            let rest: Vec<u64> = taken(&mut backlog).into_iter().map(|(number, _)| number).collect();
            assert_eq!(rest, (first + 1..=2_000).collect::<Vec<u64>>());
            assert_eq!(backlog.take(), None);
        }
        // What has failed is tried alone, and what follows it once more.
        let mut backlog = Backlog::new(Some(3), 5);
        backlog.closed(6, names("a"));
        assert_eq!(taken(&mut backlog).len(), 4);
        let again = backlog.again(4);
        assert_eq!((again.checkpoint.0, again.left), (4, 2));
        assert_eq!(backlog.take(), None);
        backlog.back_to(4);
        assert_eq!(taken(&mut backlog), [(5, names("a")), (6, names("a"))]);
        backlog.closed(20, names("a"));
        assert_eq!(backlog.again(4).checkpoint.0, 16);
        // Whoever has proven nothing yet begins with what is closed next.
        let mut fresh = Backlog::new(None, 0);
        fresh.closed(70, names("a"));
        assert_eq!(taken(&mut fresh), [(70, names("a"))]);
    }

    #[test]
    fn each_checkpoint_is_proven_of_what_asked_at_it() {
        let mut backlog = Backlog::new(Some(5), 0);
        // 5 to 7 were not seen, nor was 9.
        for (number, asked) in [(8, "a"), (10, "a b"), (11, ""), (12, ""), (13, "b")] {
            backlog.closed(number, names(asked));
        }
        let expected = [(5, "a"), (6, "a"), (7, "a"), (8, "a"), (9, "a b"), (10, "a b"), (11, ""), (12, "")];
        let expected = expected.into_iter().chain([(13, "b")]).map(|(number, asked)| (number, names(asked)));
        assert_eq!(taken(&mut backlog), expected.collect::<Vec<_>>());
        backlog.closed(14, names("b"));
        assert_eq!(taken(&mut backlog), [(14, names("b"))]);
        // More changes than are remembered: none of the checkpoints is left out.
        for number in 15..15 + 2 * CHANGES_MAX as u64 {
            backlog.closed(number, names(if number % 2 == 0 { "a" } else { "b" }));
            assert!(backlog.asked.len() <= CHANGES_MAX);
        }
        assert_eq!(taken(&mut backlog).len(), 2 * CHANGES_MAX);
    }
}
