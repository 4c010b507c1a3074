//! The supervisor of one command: the node's own binary, run again.
//!
//! The shim leads a session of its own and adopts every orphan below it, so
//! that whatever a command forks stays within reach. It reads its task from
//! standard input as one JSON line, and ends the command when that pipe closes:
//! a node that is killed takes its work with it. It writes one JSON line about
//! how the command ended.

use nix::{
    sys::{
        prctl::set_child_subreaper,
        resource::{Resource, setrlimit},
        signal::{Signal, kill, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, setsid},
};
use phalanx_types::{
    Hash, Outcome,
    job::{CommandLimits, Limit},
};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Sha3_256};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
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
/// Time between asking a command to end and ending it.
const GRACE: Duration = Duration::from_millis(500);
/// Rounds of killing what is left; each round sees what the last one missed.
const KILL_ROUNDS: u32 = 100;
/// Bytes of each output that are kept in a file.
const KEPT_BYTES: usize = 64 << 10;
/// Clock ticks in a second, as Linux reports CPU time.
const TICKS_PER_S: u64 = 100;

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
    let mut line = String::new();
    let task: Option<Task> = match std::io::stdin().lock().read_line(&mut line) {
        Ok(_) => serde_json::from_str(&line).ok(),
        Err(_) => None,
    };
    let exit = task.map_or_else(|| Exit::not_started("the shim was given no task"), |task| run(&task));
    let written = serde_json::to_string(&exit).is_ok_and(|text| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).is_ok()
    });
    if written { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a reader thread has seen of an output.
struct Seen {
    len: u64,
    digest: [u8; 32],
}

fn run(task: &Task) -> Exit {
    let started = Instant::now();
    // A session of its own; orphans come here instead of to init.
    let _ = setsid();
    if let Err(error) = set_child_subreaper(true) {
        return Exit::not_started(format!("no subreaper: {error}"));
    }
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let cpu_s = u64::from(task.limits.cpu_ms).div_ceil(1_000).saturating_add(2);
    let _ = setrlimit(Resource::RLIMIT_CPU, cpu_s, cpu_s.saturating_add(2));
    // A stop for one that grows faster than it is looked at.
    let address_space = (u64::from(task.limits.memory_mib) * 4 + 1_024) << 20;
    let _ = setrlimit(Resource::RLIMIT_AS, address_space, address_space);
    let child = Command::new(&task.program)
        .args(&task.args)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", &task.folder)
        .current_dir(&task.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Exit::not_started(format!("{}: {error}", task.program.display())),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let output = Arc::new(AtomicU64::new(0));
    let readers = [
        reader(child.stdout.take(), task.folder.join("stdout"), &output),
        reader(child.stderr.take(), task.folder.join("stderr"), &output),
    ];
    // The node closes the pipe, or is gone.
    let stopper = Arc::clone(&stop);
    thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().lock().read_to_end(&mut rest);
        stopper.store(true, Ordering::Relaxed);
    });
    let group = Pid::from_raw(child.id().cast_signed());
    let limits = &task.limits;
    let mut cpu_ms: u64 = 0;
    let outcome = loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                break status
                    .code()
                    .map_or(Outcome::Signalled { signal: status.signal().unwrap_or(0) }, |code| {
                        Outcome::Exited { code }
                    });
            }
            Ok(None) => {}
            Err(_) => break Outcome::Lost,
        }
        let tree = Tree::look();
        cpu_ms = cpu_ms.max(tree.cpu_ms);
        let reached = if stop.load(Ordering::Relaxed) {
            Some(Outcome::Killed)
        } else if started.elapsed() > Duration::from_millis(limits.time_ms.into()) {
            Some(Outcome::LimitReached { limit: Limit::Time })
        } else if output.load(Ordering::Relaxed) > u64::from(limits.output_bytes) {
            Some(Outcome::LimitReached { limit: Limit::Output })
        } else if tree.rss_bytes > u64::from(limits.memory_mib) << 20 {
            Some(Outcome::LimitReached { limit: Limit::Memory })
        } else if tree.cpu_ms > u64::from(limits.cpu_ms) {
            Some(Outcome::LimitReached { limit: Limit::Cpu })
        } else {
            None
        };
        if let Some(outcome) = reached {
            let _ = killpg(group, Signal::SIGTERM);
            let asked = Instant::now();
            while asked.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
                thread::sleep(LOOK);
            }
            break outcome;
        }
        thread::sleep(LOOK);
    };
    end_all();
    let _ = child.wait();
    let [stdout, stderr] =
        readers.map(|reader| reader.join().unwrap_or(Seen { len: 0, digest: Sha3_256::digest(b"").into() }));
    let bounded = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Exit {
        outcome,
        stdout_len: bounded(stdout.len),
        stdout_sha3: Hash(stdout.digest),
        stderr_len: bounded(stderr.len),
        stderr_sha3: Hash(stderr.digest),
        cpu_ms: bounded(cpu_ms),
        wall_ms: bounded(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)),
    }
}

/// Reads an output to its end: counts, digests, keeps the beginning.
fn reader(
    source: Option<impl Read + Send + 'static>,
    kept: PathBuf,
    total: &Arc<AtomicU64>,
) -> thread::JoinHandle<Seen> {
    let total = Arc::clone(total);
    thread::spawn(move || {
        let mut digest = Sha3_256::new();
        let mut len: u64 = 0;
        let mut head = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let Some(mut source) = source else { return Seen { len, digest: digest.finalize().into() } };
        while let Ok(read) = source.read(&mut buffer) {
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            digest.update(bytes);
            len += read as u64;
            total.fetch_add(read as u64, Ordering::Relaxed);
            let room = KEPT_BYTES.saturating_sub(head.len());
            head.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        }
        let _ = File::create(kept).and_then(|mut file| file.write_all(&head));
        Seen { len, digest: digest.finalize().into() }
    })
}

/// Ends every process below this one, however it is related, and reaps it.
fn end_all() {
    for _ in 0..KILL_ROUNDS {
        let below = Tree::look().members;
        for pid in &below {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
        }
        if below.is_empty() {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// One line of `/proc/PID/stat`.
pub(crate) struct Stat {
    pub pid: i32,
    pub state: char,
    pub parent: i32,
    pub session: i32,
    pub start_ticks: u64,
    cpu_ticks: u64,
    rss_pages: u64,
}

impl Stat {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything; the fields begin after its last bracket.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        let signed = |at: usize| fields.get(at).and_then(|f| f.parse::<i32>().ok()).unwrap_or(0);
        Some(Self {
            pid,
            state: fields.first().and_then(|f| f.chars().next()).unwrap_or('?'),
            parent: signed(1),
            session: signed(3),
            cpu_ticks: number(11) + number(12) + number(13) + number(14),
            start_ticks: number(19),
            rss_pages: number(21),
        })
    }

    /// All processes.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
            .filter_map(Self::of)
            .collect()
    }
}

/// The processes below this one, and what they use.
struct Tree {
    members: Vec<i32>,
    cpu_ms: u64,
    rss_bytes: u64,
}

impl Tree {
    fn look() -> Self {
        let me = std::process::id().cast_signed();
        let all = Stat::all();
        let mut below: BTreeSet<i32> = BTreeSet::from([me]);
        // Parents may have higher numbers than children: until nothing changes.
        loop {
            let before = below.len();
            below.extend(all.iter().filter(|s| below.contains(&s.parent)).map(|s| s.pid).collect::<Vec<_>>());
            if below.len() == before {
                break;
            }
        }
        below.remove(&me);
        let members = || all.iter().filter(|s| below.contains(&s.pid));
        Self {
            cpu_ms: members().map(|s| s.cpu_ticks).sum::<u64>() * 1_000 / TICKS_PER_S,
            rss_bytes: members().map(|s| s.rss_pages).sum::<u64>() * 4_096,
            members: members().filter(|s| s.state != 'Z').map(|s| s.pid).collect(),
        }
    }
}
