//! What a worker does about its attempts.
//!
//! - **W1** `starting` is durable in the journal before an attempt is spawned.
//! - **W2** An attempt that is in the journal is never spawned again, so each is
//!   spawned at most once, over any crash.
//! - **W3** An attempt that was started and has no outcome after a restart is
//!   `lost`; what is left of its processes is killed first.
//! - **W4** An attempt whose lease is over by this node's clock is ended, before
//!   the mesh may make a new one; a command also when the node is frozen, for its shim
//!   keeps the lease that it was told last.
//! - **W5** An outcome is durable, and is reported until the mesh no longer
//!   waits for it.
//! - **W6** Where the journal holds nothing, whatever the mesh wanted when the
//!   node started may have been started before, and is `lost`.
//!
//! The state is level-triggered: [`Attempts::reconcile`] compares what the
//! decided state wants with the journal. The decided state never goes back, so
//! an attempt that it no longer wants is never wanted again and is forgotten.

use crate::journal::{Journal, JournalError, ProcessMark, Record};
use phalanx_types::{
    AttemptId, Hash, Name, Outcome, TimeMs,
    job::{OutcomeReport, WantedAttempt},
};
use std::collections::BTreeMap;

/// Records in the journal after which it is written anew with what still counts.
const JOURNAL_RECORDS_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Running { worker: Name, lease_until: TimeMs, mark: Option<ProcessMark>, is_ending: bool },
    Ended(OutcomeReport),
}

/// Why an attempt is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillReason {
    /// The mesh no longer wants it.
    Unwanted,
    /// Its lease is over.
    LeaseOver,
}

/// What to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it, now and never again.
    Spawn(WantedAttempt),
    /// End it, and report its exit.
    Kill {
        /// Which.
        attempt: AttemptId,
        /// Why.
        reason: KillReason,
    },
}

/// A worker's attempts.
#[derive(Debug)]
pub struct Attempts<J> {
    journal: J,
    records: usize,
    states: BTreeMap<AttemptId, State>,
}

/// The report of an attempt that nothing is known about.
#[must_use]
pub fn empty_report(worker: &Name, attempt: AttemptId, outcome: Outcome) -> OutcomeReport {
    OutcomeReport {
        worker: worker.clone(),
        attempt,
        outcome,
        stdout_len: 0,
        stdout_sha3: Hash::sha3(b""),
        stderr_len: 0,
        stderr_sha3: Hash::sha3(b""),
        cpu_ms: 0,
        wall_ms: 0,
    }
}

impl<J: Journal> Attempts<J> {
    /// Reads the journal. Attempts that were started and have no outcome are
    /// `lost`, once `kill_leftovers` has ended what is left of them (W3). So are
    /// those of `wanted`, the decided state that this node had at its end, when
    /// the journal holds nothing, as after an operator moved it away (W6).
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn open(
        mut journal: J,
        wanted: &[WantedAttempt],
        mut kill_leftovers: impl FnMut(&AttemptId, Option<&ProcessMark>),
    ) -> Result<Self, JournalError> {
        let mut records = journal.load()?;
        if records.is_empty() {
            for want in wanted {
                let starting = Record::Starting { attempt: want.attempt, worker: want.worker.clone() };
                journal.append(&starting)?;
                records.push(starting);
            }
        }
        let mut states: BTreeMap<AttemptId, State> = BTreeMap::new();
        for record in &records {
            match record {
                Record::Starting { attempt, worker } => {
                    let state = State::Running {
                        worker: worker.clone(),
                        lease_until: TimeMs::ZERO,
                        mark: None,
                        is_ending: false,
                    };
                    states.insert(*attempt, state);
                }
                Record::Started { attempt, mark: started } => {
                    if let Some(State::Running { mark, .. }) = states.get_mut(attempt) {
                        *mark = Some(started.clone());
                    }
                }
                Record::Ended { report } => {
                    states.insert(report.attempt, State::Ended(report.clone()));
                }
                Record::Forgotten { attempt } => {
                    states.remove(attempt);
                }
            }
        }
        let mut count = records.len();
        for (attempt, state) in &mut states {
            if let State::Running { worker, mark, .. } = state {
                kill_leftovers(attempt, mark.as_ref());
                let report = empty_report(worker, *attempt, Outcome::Lost);
                journal.append(&Record::Ended { report: report.clone() })?;
                count += 1;
                *state = State::Ended(report);
            }
        }
        Ok(Self { journal, records: count, states })
    }

    fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.journal.append(record)?;
        self.records += 1;
        Ok(())
    }

    /// Compares what the mesh wants of this node's workers with what is there.
    ///
    /// # Errors
    /// When the journal cannot be written; then nothing may be spawned.
    pub fn reconcile(&mut self, now: TimeMs, wanted: &[WantedAttempt]) -> Result<Vec<Action>, JournalError> {
        let mut actions = Vec::new();
        let by_id: BTreeMap<AttemptId, &WantedAttempt> = wanted.iter().map(|w| (w.attempt, w)).collect();
        let unwanted: Vec<AttemptId> =
            self.states.keys().filter(|id| !by_id.contains_key(id)).copied().collect();
        for attempt in unwanted {
            match self.states.get_mut(&attempt) {
                Some(State::Running { is_ending, .. }) if !*is_ending => {
                    *is_ending = true;
                    actions.push(Action::Kill { attempt, reason: KillReason::Unwanted });
                }
                Some(State::Ended(_)) => {
                    self.append(&Record::Forgotten { attempt })?;
                    self.states.remove(&attempt);
                }
                _ => {}
            }
        }
        for want in wanted {
            match self.states.get_mut(&want.attempt) {
                Some(State::Running { lease_until, .. }) => *lease_until = want.lease_until,
                Some(State::Ended(_)) => {}
                // A lease that is over is not begun.
                None if want.lease_until <= now => {}
                None => {
                    let worker = want.worker.clone();
                    self.append(&Record::Starting { attempt: want.attempt, worker: worker.clone() })?;
                    let state = State::Running {
                        worker,
                        lease_until: want.lease_until,
                        mark: None,
                        is_ending: false,
                    };
                    self.states.insert(want.attempt, state);
                    actions.push(Action::Spawn(want.clone()));
                }
            }
        }
        actions.extend(self.expire(now));
        self.compact()?;
        Ok(actions)
    }

    /// Until when what runs may run.
    pub fn leases(&self) -> impl Iterator<Item = (AttemptId, TimeMs)> {
        self.states.iter().filter_map(|(attempt, state)| match state {
            State::Running { lease_until, .. } => Some((*attempt, *lease_until)),
            State::Ended(_) => None,
        })
    }

    /// Ends attempts whose lease is over (W4).
    pub fn expire(&mut self, now: TimeMs) -> Vec<Action> {
        let mut actions = Vec::new();
        for (attempt, state) in &mut self.states {
            if let State::Running { lease_until, is_ending, .. } = state
                && *lease_until < now
                && !*is_ending
            {
                *is_ending = true;
                actions.push(Action::Kill { attempt: *attempt, reason: KillReason::LeaseOver });
            }
        }
        actions
    }

    /// Notes the processes of an attempt, so that a restart can end them.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn started(&mut self, attempt: AttemptId, mark: ProcessMark) -> Result<(), JournalError> {
        self.append(&Record::Started { attempt, mark: mark.clone() })?;
        if let Some(State::Running { mark: known, .. }) = self.states.get_mut(&attempt) {
            *known = Some(mark);
        }
        Ok(())
    }

    /// Notes how an attempt ended (W5). A second word on it does not count.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn ended(&mut self, report: OutcomeReport) -> Result<(), JournalError> {
        if let Some(State::Running { .. }) = self.states.get(&report.attempt) {
            self.append(&Record::Ended { report: report.clone() })?;
            self.states.insert(report.attempt, State::Ended(report));
        }
        Ok(())
    }

    /// The outcomes that the mesh may still wait for.
    pub fn reports(&self) -> impl Iterator<Item = &OutcomeReport> {
        self.states.values().filter_map(|state| match state {
            State::Ended(report) => Some(report),
            State::Running { .. } => None,
        })
    }

    /// The attempts that run.
    pub fn running(&self) -> impl Iterator<Item = AttemptId> {
        self.states.iter().filter(|(_, s)| matches!(s, State::Running { .. })).map(|(id, _)| *id)
    }

    /// Gives up the journal.
    pub fn into_journal(self) -> J {
        self.journal
    }

    fn compact(&mut self) -> Result<(), JournalError> {
        if self.records < JOURNAL_RECORDS_MAX || self.records < self.states.len().saturating_mul(4) {
            return Ok(());
        }
        let mut kept = Vec::new();
        for (attempt, state) in &self.states {
            match state {
                State::Running { worker, mark, .. } => {
                    kept.push(Record::Starting { attempt: *attempt, worker: worker.clone() });
                    if let Some(mark) = mark {
                        kept.push(Record::Started { attempt: *attempt, mark: mark.clone() });
                    }
                }
                State::Ended(report) => kept.push(Record::Ended { report: report.clone() }),
            }
        }
        self.journal.rewrite(&kept)?;
        self.records = kept.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::MemoryJournal;
    use phalanx_types::{JobId, Resources, Work};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn want(job: u8, number: u32, lease_until: u64) -> WantedAttempt {
        WantedAttempt {
            attempt: AttemptId { job: JobId([job; 32]), number },
            worker: Name::new("w").unwrap(),
            work: Work::Synthetic { duration_ms: 1 },
            resources: Resources::default(),
            lease_until: TimeMs(lease_until),
        }
    }

    proptest! {
        /// Crashes anywhere, wants anything: no attempt is spawned twice, and
        /// whatever was spawned has one outcome in the end.
        #[test]
        fn an_attempt_is_spawned_at_most_once(steps in prop::collection::vec(
            (0_u8..4, 1_u32..4, 0_u8..6, prop::option::of(0_u64..4)), 1..80)) {
            let journal = MemoryJournal::default();
            let mut attempts = Attempts::open(journal.clone(), &[], |_, _| {}).unwrap();
            let mut spawned: BTreeMap<AttemptId, u32> = BTreeMap::new();
            let (mut current, mut last): (BTreeMap<u8, u32>, BTreeMap<u8, u32>) = Default::default();
            for (at, (job, by, action, crash_after)) in (0_u64..).zip(steps) {
                let now = TimeMs(at * 10);
                // The decided state only goes forward: a new attempt of a job
                // has a higher number than all before it.
                if action == 0 || !current.contains_key(&job) {
                    let number = last.get(&job).copied().unwrap_or(0) + by;
                    last.insert(job, number);
                    current.insert(job, number);
                }
                if action == 1 { current.remove(&job); }
                let wanted: Vec<_> = current.iter().map(|(j, n)| want(*j, *n, now.0 + 5)).collect();
                if let Some(after) = crash_after { journal.fail_after(after); }
                if let Ok(actions) = attempts.reconcile(now, &wanted) { for action in actions {
                    if let Action::Spawn(w) = action {
                        let times = spawned.entry(w.attempt).or_insert(0);
                        *times += 1;
                        prop_assert_eq!(*times, 1);
                    }
                } }
                if action == 5 {
                    let done: Vec<_> = attempts.running().collect();
                    for id in done { let _ = attempts.ended(empty_report(&Name::new("w").unwrap(), id, Outcome::Exited { code: 0 })); }
                }
                if crash_after.is_some() || action == 4 {
                    journal.heal();
                    attempts = Attempts::open(journal.clone(), &[], |_, _| {}).unwrap();
                    prop_assert_eq!(attempts.running().count(), 0);
                }
            }
        }
    }

    #[test]
    fn a_started_attempt_is_lost_after_a_restart_and_its_leftovers_are_killed() {
        let journal = MemoryJournal::default();
        let mut attempts = Attempts::open(journal.clone(), &[], |_, _| {}).unwrap();
        attempts.reconcile(TimeMs(1), &[want(1, 1, 100)]).unwrap();
        let mark = ProcessMark { group: 7, start_ticks: 9, boot: "b".into() };
        attempts.started(want(1, 1, 0).attempt, mark.clone()).unwrap();
        let mut killed = Vec::new();
        let attempts = Attempts::open(journal, &[], |_, m| killed.push(m.cloned())).unwrap();
        assert_eq!(killed, [Some(mark)]);
        let outcomes: Vec<_> = attempts.reports().map(|r| r.outcome.clone()).collect();
        assert_eq!(outcomes, [Outcome::Lost]);
    }

    #[test]
    fn a_lease_that_is_over_ends_the_attempt_once() {
        let mut attempts = Attempts::open(MemoryJournal::default(), &[], |_, _| {}).unwrap();
        attempts.reconcile(TimeMs(1), &[want(1, 1, 100)]).unwrap();
        assert!(attempts.expire(TimeMs(100)).is_empty());
        assert_eq!(attempts.expire(TimeMs(101)).len(), 1);
        assert!(attempts.expire(TimeMs(102)).is_empty());
    }
    #[test]
    fn an_attempt_that_an_empty_journal_may_have_forgotten_is_lost_and_not_started() {
        let before = [want(1, 1, 100)];
        let mut attempts = Attempts::open(MemoryJournal::default(), &before, |_, _| {}).unwrap();
        let actions = attempts.reconcile(TimeMs(1), &[want(1, 1, 100), want(2, 1, 100)]).unwrap();
        assert_eq!(actions, [Action::Spawn(want(2, 1, 100))]);
        let lost: Vec<_> = attempts.reports().map(|r| (r.attempt, r.outcome.clone())).collect();
        assert_eq!(lost, [(want(1, 1, 0).attempt, Outcome::Lost)]);
    }
}
