//! Proves policies at each checkpoint, where the settings ask for it.
//!
//! A policy is proven by a process of its own, `phalanx proof policy`, at the lowest
//! priority: it takes all cores that nobody else needs, and no beat waits for it.
//! Checkpoints are proven in their order, also those that were closed while the node was
//! down, however many, and each once: what was proven before is found in the folder, and up to
//! where all is proven in a file there. One that fails holds none of the later ones up; it is
//! tried again after one that is proven, and whenever nothing else waits.

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
/// Checkpoints that failed and are tried again one by one.
const FAILED_MAX: usize = 1_024;
/// The file, beside the folders of checkpoints, that tells up to which one all is proven.
const MARK: &str = "proven.json";
/// How the folder begins in which the node proves a policy: no policy is called so.
const UNFINISHED: &str = ".unfinished-";
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
        let noted = self.mark().inspect_err(|error| {
            tracing::warn!(
                error = format!("{error:#}"),
                "it is left alone: how far policies are proven is not noted"
            );
        });
        let (is_noted, mark) = (noted.is_ok(), noted.ok().flatten());
        let backlog = Mutex::new(Backlog::new(self.begin(mark), self.keep));
        let woken = Notify::new();
        tokio::select! {
            () = collect(decisions, &backlog, &woken) => {}
            () = self.work(&backlog, &woken, mark, is_noted) => {}
        }
    }

    /// The checkpoint to begin with, where something was to be proven before.
    fn begin(&self, mark: Option<u64>) -> Option<u64> {
        let begun = self.begun();
        let is_cut_off = |number: u64| self.inside(number).iter().any(|folder| is_unfinished(folder));
        let cut_off = begun.iter().copied().find(|number| is_cut_off(*number));
        // Without a mark the first one that was begun: what is proven already is left alone.
        let next = mark.map(|done| done + 1).or_else(|| begun.first().copied());
        match (cut_off, next) {
            (Some(cut_off), Some(next)) => Some(next.min(cut_off)),
            (one, other) => one.or(other),
        }
    }

    /// What is in the folder of a checkpoint.
    fn inside(&self, number: u64) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.out.join(number.to_string())).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// The checkpoint up to which nothing is left to prove, if any was noted.
    ///
    /// # Errors
    /// When what is noted cannot be read.
    fn mark(&self) -> Result<Option<u64>> {
        let path = self.out.join(MARK);
        let unreadable = || format!("{} is not readable", path.display());
        match fs::read(&path) {
            Ok(bytes) => {
                let mark: Mark = serde_json::from_slice(&bytes).with_context(unreadable)?;
                Ok(Some(mark.checkpoint.0))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(unreadable),
        }
    }

    fn set_mark(&self, number: u64) {
        let write = || -> Result<()> {
            fs::create_dir_all(&self.out)
                .with_context(|| format!("{} cannot be made", self.out.display()))?;
            files::put(
                &self.out.join(MARK),
                &serde_json::to_vec(&Mark { checkpoint: CheckpointNumber(number) })?,
            )
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

    async fn work(&self, backlog: &Mutex<Backlog>, woken: &Notify, mut mark: Option<u64>, is_noted: bool) {
        let mut failed = Failed::default();
        loop {
            let taken = lock(backlog).take();
            let Some(task) = taken else {
                woken.notified().await;
                continue;
            };
            let number = task.checkpoint.0;
            if is_noted && mark.is_none() {
                // So that whatever happens to the first one, the next start begins with it.
                mark = Some(number.saturating_sub(1));
                self.set_mark(number.saturating_sub(1));
            }
            let refused = self.prove_all(&task).await;
            // Where nothing could be proven, what was proven last stays.
            if task.policies.is_empty() || refused.len() < task.policies.len() {
                self.forget(task.checkpoint);
            }
            let mut is_due = refused.is_empty();
            failed.add(number, refused);
            failed.forget(lock(backlog).oldest());
            // What has failed may have lacked a key that is there by now: one is tried after each
            // checkpoint that is proven, and while nothing waits, all are until one fails.
            while (lock(backlog).is_empty() || std::mem::take(&mut is_due))
                && let Some(again) = failed.next(number)
            {
                let still = self.prove_all(&again).await;
                let is_still = !still.is_empty();
                failed.add(again.checkpoint.0, still);
                if is_still {
                    break;
                }
            }
            if let Some(first) = failed.left_out() {
                lock(backlog).back_to(first);
            }
            // Where nobody asks, the mark may wait for the last one.
            let done = failed.first().map_or(number, |first| first.saturating_sub(1).min(number));
            if is_noted && mark < Some(done) && (!task.policies.is_empty() || task.left == 0) {
                mark = Some(done);
                self.set_mark(done);
            }
        }
    }

    /// Proves all that is asked for at a checkpoint; what failed.
    async fn prove_all(&self, task: &Task) -> Vec<Name> {
        let Task { checkpoint, policies, left } = task;
        let mut failed = Vec::new();
        for policy in policies {
            match self.prove(policy, *checkpoint).await {
                Ok(Some(mut told)) => {
                    told["left"] = (*left).into();
                    self.tell(policy, told);
                }
                Ok(None) => self.tell_nobody(policy, *checkpoint),
                Err(error) => {
                    failed.push(policy.clone());
                    let error = format!("{error:#}");
                    let remedy = format!(
                        "`phalanx proof policy {policy} --checkpoint {checkpoint} --out {}` proves it; so does \
                         the node, which tries again after each checkpoint",
                        self.folder(policy, *checkpoint).display()
                    );
                    tracing::warn!(%policy, %checkpoint, error, remedy, "a policy was not proven");
                    let mut told =
                        json!({"checkpoint": checkpoint, "error": error, "remedy": remedy, "left": left});
                    // What was proven last is told besides.
                    if let Some(before) = self.progress.borrow().get(policy) {
                        let is_failure = before["error"].is_string();
                        told["proven"] = if is_failure { before["proven"].clone() } else { before.clone() };
                    }
                    self.tell(policy, told);
                }
            }
        }
        failed
    }

    /// Where the proofs of a policy are.
    fn folder(&self, policy: &Name, checkpoint: CheckpointNumber) -> PathBuf {
        self.out.join(checkpoint.to_string()).join(policy.as_str())
    }

    /// Proves a policy at a checkpoint; none when it binds no agent there, or was proven before.
    /// What is not finished is in a folder of the node's own, and nothing else is ever removed.
    async fn prove(&self, policy: &Name, checkpoint: CheckpointNumber) -> Result<Option<Value>> {
        let folder = self.folder(policy, checkpoint);
        if folder.join(COVERAGE).exists() {
            return Ok(None);
        }
        anyhow::ensure!(
            !folder.exists(),
            "{} is there without its {COVERAGE}: remove it when nobody is writing to it",
            folder.display()
        );
        let own = folder.with_file_name(format!("{UNFINISHED}{policy}"));
        remove(&own)?;
        let child = Command::new(&self.binary)
            .arg("--home")
            .arg(&self.home)
            .args(["--output", "json", "proof", "policy", policy.as_str(), "--running", "--checkpoint"])
            .arg(checkpoint.to_string())
            .arg("--out")
            .arg(&own)
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
        let coverage: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        let agents = coverage.as_ref().and_then(|coverage| coverage["agents"].as_array());
        match agents {
            Some(agents) if agents.is_empty() => Ok(None),
            Some(agents) if own.join(COVERAGE).exists() => {
                let covered = agents.iter().filter(|agent| agent.get("missing").is_none()).count();
                if covered < agents.len() {
                    tracing::warn!(%policy, %checkpoint, agents = agents.len(), covered, "a policy is not proven of all");
                }
                if let Err(error) = fs::rename(&own, &folder) {
                    remove(&own)?;
                    // Somebody has proven it meanwhile.
                    anyhow::ensure!(folder.join(COVERAGE).exists(), "{}: {error}", folder.display());
                }
                Ok(Some(json!({
                    "checkpoint": checkpoint, "agents": agents.len(), "covered": covered, "folder": folder,
                })))
            }
            _ => {
                remove(&own)?;
                if let Some(empty) = own.parent() {
                    // It stays when other policies are in it.
                    let _ = fs::remove_dir(empty);
                }
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                anyhow::bail!("the prover ended with {}: {said}", output.status)
            }
        }
    }

    /// A failure that was told of is over where nobody is bound.
    fn tell_nobody(&self, policy: &Name, checkpoint: CheckpointNumber) {
        self.progress.send_if_modified(|proven| {
            let is_over = proven.get(policy).is_some_and(|told| {
                let failed = told["checkpoint"].as_str().and_then(|number| number.parse::<u64>().ok());
                told["error"].is_string() && failed <= Some(checkpoint.0)
            });
            if is_over {
                proven.remove(policy);
            }
            is_over
        });
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
            let is_own = |path: &PathBuf| path.join(COVERAGE).is_file() || is_unfinished(path);
            if !self.inside(number).iter().all(is_own) {
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
        let policies = self.asked.front().map(|(_, policies)| policies.clone()).unwrap_or_default();
        Some(Task { checkpoint: CheckpointNumber(next), policies, left: self.last - next })
    }

    /// Begins once more with a checkpoint that was taken before, of what is asked now.
    fn back_to(&mut self, number: u64) {
        self.next = self.next.min(Some(number));
    }

    /// Whether nothing waits.
    fn is_empty(&self) -> bool {
        self.next.is_none_or(|next| next > self.last)
    }

    /// The oldest checkpoint that stays.
    const fn oldest(&self) -> u64 {
        if self.keep == 0 { 0 } else { (self.last + 1).saturating_sub(self.keep) }
    }
}

/// What has failed, by checkpoint: the earliest ones. No mark goes past the first.
#[derive(Default)]
struct Failed {
    by_checkpoint: BTreeMap<u64, Vec<Name>>,
    /// The earliest one that was too many to be remembered.
    left_out: Option<u64>,
    /// The one that was tried last.
    tried: u64,
}

impl Failed {
    /// What failed of a checkpoint; nothing takes it out.
    fn add(&mut self, number: u64, policies: Vec<Name>) {
        if policies.is_empty() {
            self.by_checkpoint.remove(&number);
            return;
        }
        self.by_checkpoint.insert(number, policies);
        if self.by_checkpoint.len() > FAILED_MAX
            && let Some((number, _)) = self.by_checkpoint.pop_last()
        {
            self.left_out = Some(self.left_out.map_or(number, |before| before.min(number)));
        }
    }

    /// Forgets what does not stay.
    fn forget(&mut self, oldest: u64) {
        self.by_checkpoint = self.by_checkpoint.split_off(&oldest);
        self.left_out = self.left_out.filter(|number| *number >= oldest);
    }

    /// The next one in turn, but not `but`, which has just been tried.
    fn next(&mut self, but: u64) -> Option<Task> {
        let left = self.by_checkpoint.len().saturating_sub(1) as u64;
        let after = self.by_checkpoint.range(self.tried.saturating_add(1)..);
        let (number, policies) = after.chain(&self.by_checkpoint).find(|(number, _)| **number != but)?;
        self.tried = *number;
        Some(Task { checkpoint: CheckpointNumber(*number), policies: policies.clone(), left })
    }

    fn first(&self) -> Option<u64> {
        self.by_checkpoint.keys().next().copied().or(self.left_out)
    }

    /// Where to begin once more, when all that was remembered is proven, and more had failed.
    fn left_out(&mut self) -> Option<u64> {
        if self.by_checkpoint.is_empty() { self.left_out.take() } else { None }
    }
}

/// Whether a folder is one that a node has begun and not finished.
fn is_unfinished(folder: &Path) -> bool {
    folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(UNFINISHED))
}

/// Removes a folder, if it is there.
fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} is in the way", folder.display()))
        }
        _ => Ok(()),
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

    #[test]
    fn what_has_failed_is_tried_in_turn_and_no_mark_goes_past_it() {
        let mut failed = Failed::default();
        for number in [5, 7, 9] {
            failed.add(number, names("a b"));
        }
        let mut turn = || failed.next(9).map(|task| (task.checkpoint.0, task.policies, task.left));
        assert_eq!(turn(), Some((5, names("a b"), 2)));
        assert_eq!(turn(), Some((7, names("a b"), 2)));
        assert_eq!(turn(), Some((5, names("a b"), 2)), "what was tried just now has to wait");
        failed.add(5, names("b"));
        assert_eq!(failed.next(9).map(|task| task.checkpoint.0), Some(7));
        assert_eq!(failed.next(0).map(|task| task.checkpoint.0), Some(9));
        assert_eq!(failed.next(0).map(|task| task.policies), Some(names("b")));
        failed.add(5, Vec::new());
        assert_eq!(failed.first(), Some(7));
        failed.forget(8);
        assert_eq!((failed.first(), failed.next(9)), (Some(9), None));
    }

    #[test]
    fn of_more_failures_than_are_remembered_none_is_forgotten() {
        let mut failed = Failed::default();
        let many = 2 * FAILED_MAX as u64;
        for number in 1..=many {
            failed.add(number, names("a"));
        }
        assert_eq!((failed.by_checkpoint.len(), failed.left_out()), (FAILED_MAX, None));
        for number in 1..=FAILED_MAX as u64 {
            assert_eq!(failed.first(), Some(number));
            failed.add(number, Vec::new());
        }
        assert_eq!(failed.first(), Some(1 + FAILED_MAX as u64));
        assert_eq!((failed.left_out(), failed.left_out()), (Some(1 + FAILED_MAX as u64), None));
        let mut backlog = Backlog::new(Some(many), 0);
        backlog.closed(many, names("a"));
        assert!(backlog.take().is_some() && backlog.is_empty());
        backlog.back_to(many - 2);
        assert_eq!(taken(&mut backlog).len(), 3);
    }
}
