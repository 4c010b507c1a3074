//! Provider `process`: allow-listed commands, each under a shim of its own.

use crate::{
    journal::ProcessMark,
    processes::{SHIM_VARIABLE, end_leftovers, mark_of},
    shim::{Exit, Task},
};
use phalanx_types::{AttemptId, Name, Work};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, process::Stdio};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::Instant,
};

/// Longest line that a shim says.
const SHIM_LINE_MAX: u64 = 64 << 10;

/// A command that the operator allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// Its absolute path.
    pub path: PathBuf,
    /// Arguments that always come first.
    #[serde(default)]
    pub args: Vec<String>,
    /// How many more a job may give.
    #[serde(default)]
    pub more_args_max: usize,
}

/// Where and what commands run.
#[derive(Clone, Debug)]
pub struct ProcessProvider {
    /// The binary that is called as a shim, and the arguments that make it one.
    pub shim: (PathBuf, Vec<String>),
    /// The folder in which each attempt gets a folder.
    pub work: PathBuf,
    /// What may run, by name.
    pub allowed: BTreeMap<Name, Allowed>,
}

/// A command that was started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    folder: PathBuf,
    lease: watch::Receiver<Instant>,
    /// Enough to find it again after a restart.
    pub mark: ProcessMark,
}

impl ProcessProvider {
    /// What a job's work would run here.
    ///
    /// # Errors
    /// Why it may not run, for the outcome.
    pub fn task(&self, attempt: &AttemptId, work: &Work) -> Result<Task, String> {
        let Work::Command { program, args, limits } = work else {
            return Err("this work is no command".to_owned());
        };
        let Some(allowed) = self.allowed.get(program) else {
            return Err(format!("{program} is not on this worker's list of allowed commands"));
        };
        if args.len() > allowed.more_args_max {
            return Err(format!(
                "{program} may have {} arguments here, not {}",
                allowed.more_args_max,
                args.len()
            ));
        }
        if !allowed.path.is_absolute() {
            return Err(format!("the list of allowed commands names no absolute path for {program}"));
        }
        Ok(Task {
            program: allowed.path.clone(),
            args: allowed.args.iter().chain(args).cloned().collect(),
            folder: self.folder(attempt),
            limits: *limits,
        })
    }

    /// The folder of an attempt, by which its processes can be found.
    #[must_use]
    pub fn folder(&self, attempt: &AttemptId) -> PathBuf {
        let work = std::path::absolute(&self.work).unwrap_or_else(|_| self.work.clone());
        work.join(format!("{}-{}", attempt.job, attempt.number))
    }

    /// Ends what is left of an attempt of an earlier run of this node.
    pub fn end_leftovers(&self, attempt: &AttemptId, mark: Option<&ProcessMark>) {
        end_leftovers(&self.folder(attempt), mark);
    }

    /// Removes what attempts of earlier runs have left on the disk.
    pub fn clear_folders(&self) {
        let _ = std::fs::remove_dir_all(&self.work);
    }

    /// Starts a command, which the shim ends when the newest `lease` it was told is over,
    /// whether or not this process still runs.
    ///
    /// # Errors
    /// Why it could not be started, for the outcome.
    pub async fn spawn(&self, task: &Task, mut lease: watch::Receiver<Instant>) -> Result<Running, String> {
        let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
        std::fs::create_dir_all(&task.folder).map_err(|e| failed("its folder", e))?;
        let (program, args) = &self.shim;
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .env(SHIM_VARIABLE, &task.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| failed("the shim", e))?;
        let mark = child.id().and_then(|pid| mark_of(pid.cast_signed())).ok_or("the shim is gone")?;
        let mut line = serde_json::to_string(task).map_err(|e| e.to_string())?;
        line.push('\n');
        line.push_str(&rest_of(*lease.borrow_and_update()));
        let stdin = child.stdin.as_mut().ok_or("the shim has no input")?;
        stdin.write_all(line.as_bytes()).await.map_err(|e| failed("the shim", e))?;
        Ok(Running { child, folder: task.folder.clone(), lease, mark })
    }
}

/// What the shim is told of a lease: the milliseconds that are left, on a line.
fn rest_of(lease: Instant) -> String {
    format!("{}\n", lease.saturating_duration_since(Instant::now()).as_millis())
}

/// Tells the shim of every change of the lease.
async fn renew(mut stdin: ChildStdin, lease: &mut watch::Receiver<Instant>) {
    while lease.changed().await.is_ok() {
        let rest = rest_of(*lease.borrow_and_update());
        // A shim that is gone has said why.
        let _ = stdin.write_all(rest.as_bytes()).await;
    }
    // Nobody renews it any more, so that the shim ends the command in time.
    std::future::pending().await
}

impl Running {
    /// Waits for the end. `stop` ends the command early.
    pub async fn wait(mut self, stop: impl Future<Output = ()>) -> Exit {
        let mut said = Vec::new();
        let Some(out) = self.child.stdout.take() else { return Exit::not_started("the shim has no output") };
        let mut out = out.take(SHIM_LINE_MAX);
        let stdin = self.child.stdin.take();
        let lease = &mut self.lease;
        // Closes the pipe when it is to stop.
        let mut talk = std::pin::pin!(async {
            let renew = async {
                match stdin {
                    Some(stdin) => renew(stdin, lease).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop => {}
                () = renew => {}
            }
        });
        let mut is_stopping = false;
        loop {
            tokio::select! {
                read = out.read_buf(&mut said) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                },
                () = &mut talk, if !is_stopping => is_stopping = true,
            }
        }
        let _ = self.child.wait().await;
        let exit: Option<Exit> = serde_json::from_slice(&said).ok();
        if exit.is_none() {
            // The shim is gone, but not what it was to watch over: nobody may
            // start the job anew beside it.
            let (folder, mark) = (self.folder.clone(), self.mark.clone());
            let _ = tokio::task::spawn_blocking(move || end_leftovers(&folder, Some(&mark))).await;
        }
        // What was written is gone with its attempt; digests and lengths stay.
        let _ = std::fs::remove_dir_all(&self.folder);
        exit.unwrap_or_else(|| Exit { outcome: phalanx_types::Outcome::Lost, ..Exit::not_started("") })
    }
}
