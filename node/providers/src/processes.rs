//! The processes of this machine, as `/proc` tells of them.

use crate::journal::ProcessMark;
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, getpgrp},
};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Variable that every command carries: the path of its attempt's folder.
pub const ATTEMPT_VARIABLE: &str = "PHALANX_ATTEMPT";
/// Variable that every shim carries: the path of its attempt's folder.
pub const SHIM_VARIABLE: &str = "PHALANX_SHIM";
/// Clock ticks in a second, as Linux reports CPU time.
const TICKS_PER_S: u64 = 100;
/// Longest time that is spent on what is left of one attempt. Only a process
/// that hangs in the kernel outlives SIGKILL, and it runs no more of its own.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two rounds of killing.
const ROUND: Duration = Duration::from_millis(2);
/// Rounds in a row that must find nothing: one may miss a process whose parent
/// ended while it was reading.
const QUIET_ROUNDS: u32 = 3;

/// One line of `/proc/PID/stat`.
#[derive(Clone, Debug)]
pub(crate) struct Stat {
    pub pid: i32,
    pub state: char,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    pub start_ticks: u64,
    pub cpu_ticks: u64,
    pub rss_pages: u64,
}

impl Stat {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything; the fields begin after its last bracket.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        let signed = |at: usize| fields.get(at).and_then(|f| f.parse::<i32>().ok()).unwrap_or(0);
        Some(Self {
            pid,
            state: fields.first().and_then(|f| f.chars().next()).unwrap_or('?'),
            parent: signed(1),
            group: signed(2),
            session: signed(3),
            cpu_ticks: number(11) + number(12) + number(13) + number(14),
            start_ticks: number(19),
            rss_pages: number(21),
        })
    }

    /// All processes.
    pub(crate) fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()))
            .filter_map(Self::of)
            .collect()
    }

    /// Whether it was told the variable when its program began.
    fn carries(&self, variable: &str, value: &OsStr) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{}/environ", self.pid)) else { return false };
        environment.split(|byte| *byte == 0).any(|entry| {
            entry.strip_prefix(variable.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
                == Some(value.as_bytes())
        })
    }
}

/// The children of a process, of all its threads; none when the kernel keeps no
/// such list.
fn children_of(pid: i32) -> Option<Vec<i32>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let list = fs::read_to_string(task.path().join("children")).ok()?;
        children.extend(list.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
    }
    Some(children)
}

/// Adds to `members` everything of `all` that is below one of them. Parents may
/// have higher numbers than children, so until nothing changes.
fn close_below(all: &[Stat], members: &mut BTreeSet<i32>) {
    loop {
        let before = members.len();
        let more: Vec<i32> = all.iter().filter(|s| members.contains(&s.parent)).map(|s| s.pid).collect();
        members.extend(more);
        if members.len() == before {
            return;
        }
    }
}

/// The processes below this one.
pub(crate) fn below_me() -> Vec<Stat> {
    let me = std::process::id().cast_signed();
    let (mut found, mut next) = (Vec::new(), vec![me]);
    let mut seen = BTreeSet::from([me]);
    while let Some(pid) = next.pop() {
        match children_of(pid) {
            Some(children) => {
                for child in children.into_iter().filter(|child| seen.insert(*child)) {
                    found.extend(Stat::of(child));
                    next.push(child);
                }
            }
            None if pid == me => return below_me_by_all(),
            // It ended meanwhile; its children are children of this process now.
            None => {}
        }
    }
    found
}

/// The processes below this one, by looking at all there are.
pub(crate) fn below_me_by_all() -> Vec<Stat> {
    let me = std::process::id().cast_signed();
    let mut all = Stat::all();
    let mut members = BTreeSet::from([me]);
    close_below(&all, &mut members);
    members.remove(&me);
    all.retain(|stat| members.contains(&stat.pid));
    all
}

/// CPU time of living processes, and of the children that they have waited for.
pub(crate) fn cpu_ms(members: &[Stat]) -> u64 {
    members.iter().map(|s| s.cpu_ticks).sum::<u64>() * 1_000 / TICKS_PER_S
}

/// Memory of living processes.
pub(crate) fn rss_bytes(members: &[Stat]) -> u64 {
    members.iter().map(|s| s.rss_pages).sum::<u64>() * 4_096
}

/// Kills processes by group first: a group dies as one, also what it is forking
/// just now. The group of this process is spared.
pub(crate) fn kill_all(members: &[Stat]) {
    let own = getpgrp().as_raw();
    let groups: BTreeSet<i32> = members.iter().map(|s| s.group).filter(|g| *g > 1 && *g != own).collect();
    for group in groups {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    for stat in members {
        let _ = kill(Pid::from_raw(stat.pid), Signal::SIGKILL);
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// What a process can be found by after a restart.
pub(crate) fn mark_of(pid: i32) -> Option<ProcessMark> {
    Stat::of(pid).map(|stat| ProcessMark { group: pid, start_ticks: stat.start_ticks, boot: boot() })
}

/// Ends what is left of an attempt whose node or shim is gone: what is in the
/// session of its shim, what was told the attempt's folder, and everything below
/// those. The shim comes last: while it lives, orphans stay below it.
///
/// `mark` is not there when the node was ended before it could note it.
pub fn end_leftovers(folder: &Path, mark: Option<&ProcessMark>) {
    let mark = mark.filter(|mark| mark.boot == boot());
    let began = Instant::now();
    let mut quiet = 0;
    while quiet < QUIET_ROUNDS && began.elapsed() < PATIENCE {
        let all = Stat::all();
        // A number that was given to another process since then is left alone.
        // When the leader is gone, the session is still its own: numbers of
        // sessions are not given out again while a member lives.
        let mark =
            mark.filter(|mark| !all.iter().any(|s| s.pid == mark.group && s.start_ticks != mark.start_ticks));
        let in_session =
            |stat: &Stat| mark.is_some_and(|m| stat.session == m.group && stat.start_ticks >= m.start_ticks);
        let is_shim = |stat: &Stat| {
            mark.is_some_and(|m| stat.pid == m.group) || stat.carries(SHIM_VARIABLE, folder.as_os_str())
        };
        let shims: BTreeSet<i32> = all.iter().filter(|s| is_shim(s)).map(|s| s.pid).collect();
        let mut members: BTreeSet<i32> = all
            .iter()
            .filter(|s| in_session(s) || s.carries(ATTEMPT_VARIABLE, folder.as_os_str()))
            .map(|s| s.pid)
            .collect();
        members.extend(&shims);
        close_below(&all, &mut members);
        let alive = all.into_iter().filter(|s| members.contains(&s.pid) && s.state != 'Z');
        let (shims, others): (Vec<Stat>, Vec<Stat>) = alive.partition(|s| shims.contains(&s.pid));
        quiet = if shims.is_empty() && others.is_empty() { quiet + 1 } else { 0 };
        kill_all(if others.is_empty() { &shims } else { &others });
        thread::sleep(ROUND);
    }
}
