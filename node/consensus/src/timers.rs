//! Timeouts: how long, and whether they still count.

use arc_malachitebft_core_types::{Timeout, TimeoutKind};
use phalanx_types::{Height, Params};
use std::collections::BTreeMap;

/// A timer that the shell keeps. It counts only while its height and number are
/// the current ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    /// The height it was set at.
    pub height: Height,
    /// Its number.
    pub number: u64,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// A timeout of the engine.
    Engine(Timeout),
    /// Begin the next height.
    Start,
    /// Ask for what is missing.
    Sync,
    /// Tell the others how far this node is.
    Status,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    next: u64,
    active: BTreeMap<u64, (Height, Alarm)>,
}

impl Timers {
    pub(crate) fn set(&mut self, height: Height, alarm: Alarm) -> TimerId {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.active.insert(number, (height, alarm));
        TimerId { height, number }
    }

    /// What a timer was for, if it still counts. It counts once.
    pub(crate) fn take(&mut self, id: TimerId) -> Option<Alarm> {
        match self.active.remove(&id.number) {
            Some((height, alarm)) if height == id.height => Some(alarm),
            _ => None,
        }
    }

    /// Forgets the engine's timeouts that `gone` picks.
    pub(crate) fn cancel(&mut self, gone: impl Fn(&Alarm) -> bool) {
        self.active.retain(|_, (_, alarm)| !gone(alarm));
    }
}

/// How long a timeout of the engine waits, in milliseconds.
pub(crate) fn duration_ms(params: &Params, timeout: Timeout) -> u64 {
    let round = u64::from(timeout.round.as_u32().unwrap_or(0));
    let (base, rounds) = match timeout.kind {
        TimeoutKind::Propose => (params.propose_timeout_ms, round),
        TimeoutKind::Prevote | TimeoutKind::Precommit => (params.vote_timeout_ms, round),
        // Often enough to heal a lost vote soon, and not slower in late rounds.
        TimeoutKind::Rebroadcast => (params.vote_timeout_ms.saturating_mul(2), round.min(4)),
        TimeoutKind::FinalizeHeight(_) => (0, 0),
    };
    u64::from(base).saturating_add(u64::from(params.round_step_ms).saturating_mul(rounds))
}
