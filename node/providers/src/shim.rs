//! The supervisor of one command: the node's own binary, run again.
//!
//! The shim leads a session of its own and adopts every orphan below it, so
//! that whatever a command forks stays within reach. It reads its task from
//! standard input as one JSON line, and ends the command when that pipe closes:
//! a node that is killed takes its work with it. Each further line is the rest of the
//! lease in milliseconds, from when it is read; when no new one comes in time the command
//! is ended: so does a node that hangs, or is frozen. It writes one JSON line about how
//! the command ended, when nothing of it is left.

use crate::processes::{ATTEMPT_VARIABLE, below_me, below_me_by_all, cpu_ms, kill_all, rss_bytes};
use nix::{
    sys::{
        prctl::set_child_subreaper,
        resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit},
        signal::{Signal, killpg},
    },
    unistd::{Pid, setsid},
};
use phalanx_types::{
    Hash, Outcome,
    job::{CommandLimits, Limit},
};
use rustix::{io::Errno, process::WaitOptions};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Sha3_256};
use std::{
    io::{BufRead, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How often limits are looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How often they are looked at once a command has run for [`YOUNG`].
const LOOK_LATER: Duration = Duration::from_millis(30);
/// How long a command is looked at more often: most are short.
const YOUNG: Duration = Duration::from_secs(2);
/// How often the files of a command are counted.
const LOOK_FILES: Duration = Duration::from_millis(200);
/// Files of a command that are counted at most; more are too many.
const FILES_MAX: usize = 10_000;
/// What a command may write into its folder, when its output may be less.
const FILE_BYTES_MIN: u64 = 64 << 20;
/// Time between asking a command to end and ending it.
const GRACE: Duration = Duration::from_millis(500);
/// Longest time for ending what is left; see [`end_all`].
const END_PATIENCE: Duration = Duration::from_secs(30);
/// Time between two rounds of killing.
const ROUND: Duration = Duration::from_millis(1);

/// What a shim is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// Its limits.
    pub limits: CommandLimits,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// In one word.
    pub outcome: Outcome,
    /// Bytes of standard output.
    pub stdout_len: u32,
    /// Their SHA3-256.
    pub stdout_sha3: Hash,
    /// Bytes of standard error.
    pub stderr_len: u32,
    /// Their SHA3-256.
    pub stderr_sha3: Hash,
    /// CPU time of the whole tree in milliseconds.
    pub cpu_ms: u32,
    /// Wall time in milliseconds.
    pub wall_ms: u32,
}

impl Exit {
    /// A command that was never started.
    #[must_use]
    pub fn not_started(reason: impl Into<String>) -> Self {
        let mut reason: String = reason.into();
        while reason.len() > phalanx_types::job::LABEL_LEN_MAX {
            reason.pop();
        }
        Self {
            outcome: Outcome::NotStarted { reason },
            stdout_len: 0,
            stdout_sha3: Hash::sha3(b""),
            stderr_len: 0,
            stderr_sha3: Hash::sha3(b""),
            cpu_ms: 0,
            wall_ms: 0,
        }
    }
}

/// Runs the shim to its end. What the binary does when it is called as one.
#[must_use]
pub fn main() -> ExitCode {
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    let task: Option<Task> = lines.next().and_then(|line| serde_json::from_str(&line).ok());
    let lease = lines.next().and_then(|line| Lease::of(&line));
    drop(lines);
    let exit = match (task, lease) {
        (Some(task), Some(lease)) => run(&task, lease),
        _ => Exit::not_started("the shim was given no task, or no lease"),
    };
    let written = serde_json::to_string(&exit).is_ok_and(|text| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
    });
    if written { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Until when the command may run, unless the node says more.
struct Lease {
    began: Instant,
    /// Milliseconds after the begin.
    until: AtomicU64,
}

impl Lease {
    fn of(line: &str) -> Option<Self> {
        let lease = Self { began: Instant::now(), until: AtomicU64::new(0) };
        lease.renew(line).then_some(lease)
    }

    /// Takes a line of the node, if it is one.
    fn renew(&self, line: &str) -> bool {
        let Ok(rest) = line.parse::<u64>() else { return false };
        self.until.store(self.passed_ms().saturating_add(rest), Ordering::Relaxed);
        true
    }

    fn passed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_over(&self) -> bool {
        self.passed_ms() > self.until.load(Ordering::Relaxed)
    }
}

/// What a reader thread has seen of an output.
struct Seen {
    len: u64,
    digest: [u8; 32],
}

/// Bytes that a command may have in its folder.
fn file_bytes_max(limits: &CommandLimits) -> u64 {
    u64::from(limits.output_bytes).max(FILE_BYTES_MIN)
}

/// Starts the command with limits of the kernel besides the shim's: a stop for
/// what grows faster than it is looked at. They are the command's alone, so the
/// shim takes them back for itself.
fn start(task: &Task) -> std::io::Result<std::process::Child> {
    let limits = &task.limits;
    let cpu_s = u64::from(limits.cpu_ms).div_ceil(1_000).saturating_add(2);
    let address_space = (u64::from(limits.memory_mib) * 4 + 1_024) << 20;
    let of_command = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_CPU, cpu_s),
        (Resource::RLIMIT_AS, address_space),
        (Resource::RLIMIT_FSIZE, file_bytes_max(limits)),
    ];
    let of_shim = of_command.map(|(resource, value)| {
        let (soft, hard) = getrlimit(resource).unwrap_or((u64::MAX, u64::MAX));
        let _ = setrlimit(resource, value.min(hard), hard);
        (resource, soft, hard)
    });
    let child = Command::new(&task.program)
        .args(&task.args)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", &task.folder)
        .env(ATTEMPT_VARIABLE, &task.folder)
        .current_dir(&task.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    for (resource, soft, hard) in of_shim {
        let _ = setrlimit(resource, soft, hard);
    }
    child
}

fn run(task: &Task, lease: Lease) -> Exit {
    let started = Instant::now();
    // A session of its own; orphans come here instead of to init.
    let _ = setsid();
    if let Err(error) = set_child_subreaper(true) {
        return Exit::not_started(format!("no subreaper: {error}"));
    }
    let mut child = match start(task) {
        Ok(child) => child,
        Err(error) => return Exit::not_started(format!("{}: {error}", task.program.display())),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let output = Arc::new(AtomicU64::new(0));
    let readers = [reader(child.stdout.take(), &output), reader(child.stderr.take(), &output)];
    let lease = Arc::new(lease);
    let (stopper, renewed) = (Arc::clone(&stop), Arc::clone(&lease));
    thread::spawn(move || {
        let lines = std::io::stdin().lock().lines();
        let _ = lines.map_while(Result::ok).take_while(|line| renewed.renew(line)).count();
        // The node has closed the pipe, or is gone.
        stopper.store(true, Ordering::Relaxed);
    });
    let outcome = watch(task, started, Pid::from_raw(child.id().cast_signed()), &stop, &lease, &output);
    end_all();
    let [stdout, stderr] =
        readers.map(|reader| reader.join().unwrap_or(Seen { len: 0, digest: Sha3_256::digest(b"").into() }));
    let cpu_ms = waited_cpu_ms();
    let bounded = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Exit {
        outcome: with_last_look(outcome, &task.limits, cpu_ms, stdout.len + stderr.len),
        stdout_len: bounded(stdout.len),
        stdout_sha3: Hash(stdout.digest),
        stderr_len: bounded(stderr.len),
        stderr_sha3: Hash(stderr.digest),
        cpu_ms: bounded(cpu_ms),
        wall_ms: bounded(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)),
    }
}

/// What a command that ended by itself had overstepped before anybody looked.
fn with_last_look(outcome: Outcome, limits: &CommandLimits, cpu_ms: u64, output: u64) -> Outcome {
    let by_itself = matches!(outcome, Outcome::Exited { .. } | Outcome::Signalled { .. });
    let signal = match outcome {
        Outcome::Signalled { signal } => Signal::try_from(signal).ok(),
        _ => None,
    };
    if !by_itself {
        outcome
    } else if output > u64::from(limits.output_bytes) || signal == Some(Signal::SIGXFSZ) {
        Outcome::LimitReached { limit: Limit::Output }
    } else if cpu_ms > u64::from(limits.cpu_ms) || signal == Some(Signal::SIGXCPU) {
        Outcome::LimitReached { limit: Limit::Cpu }
    } else {
        outcome
    }
}

/// Waits until the command ends, reaches a limit, or is to stop, or its lease is over.
fn watch(
    task: &Task,
    started: Instant,
    command: Pid,
    stop: &AtomicBool,
    lease: &Lease,
    output: &AtomicU64,
) -> Outcome {
    let limits = &task.limits;
    let mut files_seen = started;
    loop {
        match reap(command) {
            Reaped { command: Some(outcome), .. } => return outcome,
            Reaped { is_alone: true, .. } => return Outcome::Lost,
            Reaped { .. } => {}
        }
        let members = below_me();
        let files_due = files_seen.elapsed() > LOOK_FILES;
        let reached = if stop.load(Ordering::Relaxed) {
            Some(Outcome::Killed)
        } else if lease.is_over() {
            Some(Outcome::LeaseExpired)
        } else if started.elapsed() > Duration::from_millis(limits.time_ms.into()) {
            Some(Outcome::LimitReached { limit: Limit::Time })
        } else if output.load(Ordering::Relaxed) > u64::from(limits.output_bytes)
            || files_due && !fits(&task.folder, file_bytes_max(limits))
        {
            Some(Outcome::LimitReached { limit: Limit::Output })
        } else if rss_bytes(&members) > u64::from(limits.memory_mib) << 20 {
            Some(Outcome::LimitReached { limit: Limit::Memory })
        } else if cpu_ms(&members) + waited_cpu_ms() > u64::from(limits.cpu_ms) {
            Some(Outcome::LimitReached { limit: Limit::Cpu })
        } else {
            None
        };
        if files_due {
            files_seen = Instant::now();
        }
        if let Some(outcome) = reached {
            // What takes memory or disk is given no time to take more.
            let is_greedy = matches!(outcome, Outcome::LimitReached { limit: Limit::Memory | Limit::Output });
            if !is_greedy {
                ask_to_end(command);
            }
            return outcome;
        }
        thread::sleep(if started.elapsed() < YOUNG { LOOK } else { LOOK_LATER });
    }
}

fn ask_to_end(command: Pid) {
    let _ = killpg(command, Signal::SIGTERM);
    let asked = Instant::now();
    while asked.elapsed() < GRACE && reap(command).command.is_none() {
        thread::sleep(LOOK);
    }
}

/// What reaping has shown.
struct Reaped {
    /// How the command itself ended, if it did just now.
    command: Option<Outcome>,
    /// Nothing is left below this process: since it adopts orphans, what has no
    /// child has no descendant.
    is_alone: bool,
}

/// Reaps what has ended below this process: the command, and orphans.
fn reap(command: Pid) -> Reaped {
    let mut reaped = Reaped { command: None, is_alone: false };
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == command.as_raw() => {
                reaped.command = match status.exit_status() {
                    Some(code) => Some(Outcome::Exited { code }),
                    None => status.terminating_signal().map(|signal| Outcome::Signalled { signal }),
                };
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return reaped,
            Err(_) => {
                reaped.is_alone = true;
                return reaped;
            }
        }
    }
}

/// CPU time of everything that was reaped.
fn waited_cpu_ms() -> u64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return 0 };
    let ms = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000 + u64::try_from(time.tv_usec()).unwrap_or(0) / 1_000
    };
    ms(usage.user_time()) + ms(usage.system_time())
}

/// Whether what is in a folder stays below a number of bytes and of files.
fn fits(folder: &Path, bytes_max: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (mut bytes, mut files) = (0_u64, 0_usize);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            files += 1;
            bytes = bytes.saturating_add(meta.blocks().saturating_mul(512));
            if files > FILES_MAX || bytes > bytes_max {
                return false;
            }
            if meta.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    true
}

/// Reads an output to its end: counts and digests.
fn reader(source: Option<impl Read + Send + 'static>, total: &Arc<AtomicU64>) -> thread::JoinHandle<Seen> {
    let total = Arc::clone(total);
    thread::spawn(move || {
        let mut digest = Sha3_256::new();
        let mut len: u64 = 0;
        let mut buffer = vec![0; 64 << 10];
        let Some(mut source) = source else { return Seen { len, digest: digest.finalize().into() } };
        while let Ok(read) = source.read(&mut buffer) {
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            digest.update(bytes);
            len += read as u64;
            total.fetch_add(read as u64, Ordering::Relaxed);
        }
        Seen { len, digest: digest.finalize().into() }
    })
}

/// Ends every process below this one, however it is related, and reaps it. It
/// returns when nothing is left. Only what hangs in the kernel is left behind
/// after [`END_PATIENCE`]: it has its signal, and runs no more of its own.
fn end_all() {
    let began = Instant::now();
    while began.elapsed() < END_PATIENCE {
        if reap(Pid::from_raw(0)).is_alone {
            return;
        }
        let members = below_me();
        kill_all(if members.is_empty() { below_me_by_all() } else { members }.as_slice());
        thread::sleep(ROUND);
    }
}
