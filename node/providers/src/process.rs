//! Provider `process`: allow-listed commands, each under a shim of its own.

use crate::{
    journal::ProcessMark,
    shim::{Exit, Stat, Task},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use phalanx_types::{AttemptId, Name, Work};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, process::Stdio};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
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
        Ok(Task {
            program: allowed.path.clone(),
            args: allowed.args.iter().chain(args).cloned().collect(),
            folder: self.work.join(format!("{}-{}", attempt.job, attempt.number)),
            limits: *limits,
        })
    }

    /// Starts a command.
    ///
    /// # Errors
    /// Why it could not be started, for the outcome.
    pub async fn spawn(&self, task: &Task) -> Result<Running, String> {
        let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
        std::fs::create_dir_all(&task.folder).map_err(|e| failed("its folder", e))?;
        let (program, args) = &self.shim;
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| failed("the shim", e))?;
        let mark = child.id().and_then(|pid| mark_of(pid.cast_signed())).ok_or("the shim is gone")?;
        let mut line = serde_json::to_string(task).map_err(|e| e.to_string())?;
        line.push('\n');
        let stdin = child.stdin.as_mut().ok_or("the shim has no input")?;
        stdin.write_all(line.as_bytes()).await.map_err(|e| failed("the shim", e))?;
        Ok(Running { child, folder: task.folder.clone(), mark })
    }
}

impl Running {
    /// Waits for the end. `stop` ends the command early.
    pub async fn wait(mut self, stop: impl Future<Output = ()>) -> Exit {
        let mut said = Vec::new();
        let Some(out) = self.child.stdout.take() else { return Exit::not_started("the shim has no output") };
        let mut out = out.take(SHIM_LINE_MAX);
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
        loop {
            tokio::select! {
                read = out.read_buf(&mut said) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                },
                () = &mut stop, if !stopping => {
                    stopping = true;
                    drop(self.child.stdin.take());
                }
            }
        }
        let _ = self.child.wait().await;
        let exit: Option<Exit> = serde_json::from_slice(&said).ok();
        // What was written is gone with its attempt; digests and lengths stay.
        let _ = std::fs::remove_dir_all(&self.folder);
        exit.unwrap_or_else(|| Exit { outcome: phalanx_types::Outcome::Lost, ..Exit::not_started("") })
    }
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn mark_of(pid: i32) -> Option<ProcessMark> {
    Stat::of(pid).map(|stat| ProcessMark { group: pid, start_ticks: stat.start_ticks, boot: boot() })
}

/// Ends what is left of an attempt of an earlier run of this node: the shim, if
/// it is still the process that was started, and everything in its session.
pub fn kill_leftovers(mark: &ProcessMark) {
    if mark.boot != boot() {
        return;
    }
    let leader = Stat::of(mark.group);
    // A number that was given to another process since then is left alone. When
    // the leader is gone, the session is still its own: numbers of sessions are
    // not given out again while a member lives.
    if leader.is_some_and(|stat| stat.start_ticks != mark.start_ticks) {
        return;
    }
    for stat in
        Stat::all().iter().filter(|stat| stat.session == mark.group && stat.start_ticks >= mark.start_ticks)
    {
        let _ = kill(Pid::from_raw(stat.pid), Signal::SIGKILL);
    }
}
