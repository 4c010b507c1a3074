//! The life of a job: queue, attempt, outcome, end.

use crate::{
    Fabric, Refusal,
    receipts::{Drafts, Origin},
    routing::{Table, pick_gpus},
    state::{EndState, Job, Phase, Worker},
};
use phalanx_types::{
    Field, JobId, Name, Outcome, Params, PublicKey, ReceiptKind, TimeMs, job::OutcomeReport, receipt::Cause,
};

/// Attempts of one job, whatever its retries: a job that kills its workers
/// must not go round for ever.
pub(crate) const ATTEMPTS_MAX: u32 = 32;
/// Ended jobs that stay in the state, to be asked for; their receipts stay in
/// the ledger for ever.
pub(crate) const ENDED_MAX: usize = 10_000;
/// Jobs of one shard's queue that are looked at in one beat and find no worker.
pub(crate) const BLOCKED_MAX: usize = 64;

/// How long after a lease's end the mesh waits before it makes a new attempt.
///
/// A worker ends an attempt when its own clock passes the lease that it last
/// learned from a decided beat. Its clock may differ from the beats' by the
/// clock bound, a beat's time from its decision by the message bound, and a gap
/// of up to `gap_ms` does not move leases.
#[must_use]
pub const fn lease_margin_ms(params: &Params) -> u64 {
    params.clock_bound_ms as u64 * 2 + params.message_bound_ms as u64 + params.gap_ms as u64
}

impl Worker {
    /// How long its attempts may go on after a sign of life: at least as long as
    /// it may be silent before it counts as unhealthy.
    pub(crate) fn lease_ms(&self, params: &Params) -> u64 {
        let misses = u64::from(params.heartbeat_misses_max).saturating_add(1);
        let silent = u64::from(self.offer.heartbeat_interval_ms).saturating_mul(misses);
        silent.max(u64::from(params.lease_ms))
    }
}

impl Fabric {
    /// Changes a job and keeps the index true.
    pub(crate) fn change_job(&mut self, id: &JobId, change: impl FnOnce(&mut Job)) {
        let Some(mut job) = self.jobs.get(id).cloned() else { return };
        self.index.remove_job(id, &job);
        change(&mut job);
        self.index.add_job(id, &job);
        self.jobs.insert(*id, job);
    }

    /// Takes a job's resources from its worker, or gives them back.
    fn settle(&mut self, worker: &Name, job: &Job, gpus: &[(u16, u16)], take: bool) {
        let Some(worker) = self.workers.get_mut(worker) else { return };
        worker.running =
            if take { worker.running.saturating_add(1) } else { worker.running.saturating_sub(1) };
        worker.use_resources(&job.spec.resources, gpus, take);
    }

    /// Gives every waiting job that can have one a worker.
    pub(crate) fn assign_all(&mut self, now: TimeMs, drafts: &mut Drafts) {
        let shards: Vec<Name> = self.shards.iter().map(|(name, _)| name.clone()).collect();
        for shard in shards {
            if self.settings.is_paused || self.shards.get(&shard).is_none_or(|s| s.is_paused) {
                continue;
            }
            let mut blocked: usize = 0;
            let waiting: Vec<JobId> =
                self.index.queues.get(&shard).map(|q| q.values().copied().collect()).unwrap_or_default();
            for id in waiting {
                if blocked >= BLOCKED_MAX {
                    break;
                }
                if !self.assign(&id, &shard, now, drafts) {
                    blocked = blocked.saturating_add(1);
                }
            }
        }
    }

    /// Gives one waiting job a worker of `shard`, or moves it on.
    fn assign(&mut self, id: &JobId, shard: &Name, now: TimeMs, drafts: &mut Drafts) -> bool {
        let Some(job) = self.jobs.get(id).cloned() else { return true };
        let table = self.table(shard, &self.ask(&job.spec));
        let Some(winner) = table.winner() else {
            return self.spill_if_better(id, &job, &table, drafts);
        };
        let name = winner.worker.clone();
        let free = self.workers.get(&name).map(|w| w.gpu_free_milli.clone()).unwrap_or_default();
        let Some(gpus) = pick_gpus(&free, job.spec.resources.gpu) else { return false };
        self.settle(&name, &job, &gpus, true);
        let attempt = job.attempt.saturating_add(1);
        let origin = Origin::later(job.envelope, job.trace_id);
        drafts
            .note(ReceiptKind::JobAssigned, id, &origin)
            .tenant(&job.spec.tenant)
            .text("worker", &name)
            .text("shard", shard)
            .u32("attempt", attempt)
            .with("candidates", table.shown())
            .with("removed", table.shown_removals())
            .text("table", table.digest())
            .done();
        self.change_job(id, |job| {
            job.attempt = attempt;
            job.phase = Phase::Running { worker: name, gpus, since: now };
        });
        true
    }

    /// Moves a blocked job along its shard's spillover rule: at once when its
    /// shard can never run it, else to where a worker is free for it now.
    fn spill_if_better(&mut self, id: &JobId, job: &Job, table: &Table, drafts: &mut Drafts) -> bool {
        let never_here = !table.is_possible_later();
        let ask = self.ask(&job.spec);
        let target = self.spill_targets(job).into_iter().find(|to| {
            let there = self.table(to, &ask);
            there.winner().is_some() || (never_here && there.is_possible_later())
        });
        let Some(to) = target else { return false };
        let reason = if never_here { "no_worker_here" } else { "workers_busy" };
        self.spill(id, &to, reason, drafts);
        true
    }

    /// Where a job may go on to: the listed shards it has not been in, that take
    /// work and have room in their queue, while it has hops left.
    pub(crate) fn spill_targets(&self, job: &Job) -> Vec<Name> {
        let hops = job.visited.len().saturating_sub(1);
        if hops >= usize::from(self.settings.params.spillover_hops_max) {
            return Vec::new();
        }
        let Some(shard) = self.shards.get(&job.shard) else { return Vec::new() };
        shard
            .spec
            .spillover
            .iter()
            .filter(|to| !job.visited.contains(to))
            .filter(|to| {
                self.shards.get(*to).is_some_and(|s| {
                    !s.is_paused
                        && self.index.queue_len(to) < usize::try_from(s.spec.queue_budget).unwrap_or(0)
                })
            })
            .cloned()
            .collect()
    }

    /// Moves a waiting job to another shard.
    pub(crate) fn spill(&mut self, id: &JobId, to: &Name, reason: &str, drafts: &mut Drafts) {
        let Some(job) = self.jobs.get(id).cloned() else { return };
        drafts
            .note(ReceiptKind::JobSpilled, id, &Origin::later(job.envelope, job.trace_id))
            .tenant(&job.spec.tenant)
            .text("from", &job.shard)
            .text("to", to)
            .text("reason", reason)
            .u32("hop", u32::try_from(job.visited.len()).unwrap_or(u32::MAX))
            .done();
        self.change_job(id, |job| {
            job.shard = to.clone();
            job.visited.push(to.clone());
        });
    }

    /// Puts a job back into the queue of the shard it came from, and on from
    /// there when that queue is over its budget.
    fn requeue(&mut self, id: &JobId, reason: &str, cause: Option<Cause>, drafts: &mut Drafts) {
        let Some(job) = self.jobs.get(id).cloned() else { return };
        let home = job.visited.first().cloned().unwrap_or_else(|| job.shard.clone());
        drafts
            .note(ReceiptKind::JobRequeued, id, &Origin::later(job.envelope, job.trace_id))
            .tenant(&job.spec.tenant)
            .text("shard", &home)
            .text("reason", reason)
            .u32("attempt", job.attempt)
            .cause(cause)
            .done();
        self.change_job(id, |job| {
            job.shard = home.clone();
            job.visited = vec![home.clone()];
            job.phase = Phase::Queued;
        });
        self.spill_overflow(id, drafts);
    }

    /// Sends the newcomer of a queue that is over its budget on.
    pub(crate) fn spill_overflow(&mut self, id: &JobId, drafts: &mut Drafts) {
        let Some(job) = self.jobs.get(id) else { return };
        let budget = self.shards.get(&job.shard).map_or(0, |s| s.spec.queue_budget);
        if self.index.queue_len(&job.shard) <= usize::try_from(budget).unwrap_or(usize::MAX) {
            return;
        }
        if let Some(to) = self.spill_targets(job).into_iter().next() {
            self.spill(id, &to, "queue_over_budget", drafts);
        }
    }

    /// Ends a job.
    pub(crate) fn end_job(
        &mut self,
        id: &JobId,
        state: EndState,
        outcome: Option<Outcome>,
        now: TimeMs,
        origin: &Origin,
        cause: Option<Cause>,
        drafts: &mut Drafts,
    ) {
        let Some(job) = self.jobs.get(id).cloned() else { return };
        if let Phase::Running { worker, gpus, .. } = &job.phase {
            self.settle(worker, &job, gpus, false);
        }
        self.release_quota(&job.spec.tenant, &job.spec.resources, false);
        let order = self.next_arrival();
        let word = match state {
            EndState::Succeeded => "succeeded",
            EndState::Failed => "failed",
            EndState::Expired => "expired",
            EndState::Cancelled => "cancelled",
            EndState::Unknown => "unknown",
        };
        drafts
            .note(ReceiptKind::JobEnded, id, origin)
            .tenant(&job.spec.tenant)
            .text("state", word)
            .u32("attempts", job.attempt)
            .u64("turnaround_ms", now.since(job.accepted))
            .cause(cause)
            .done();
        self.change_job(id, |job| job.phase = Phase::Ended { state, outcome, at: now, order });
        while self.index.ended.len() > ENDED_MAX {
            let Some((order, oldest)) = self.index.ended.get_min().cloned() else { break };
            self.index.ended.remove(&order);
            self.jobs.remove(&oldest);
        }
    }

    pub(crate) fn next_arrival(&mut self) -> u64 {
        let order = self.settings.arrivals;
        self.settings.arrivals = order.saturating_add(1);
        order
    }

    pub(crate) fn check_report(&self, sender: &PublicKey, report: &OutcomeReport) -> Result<(), Refusal> {
        let id = report.attempt.job;
        let job =
            self.jobs.get(&id).ok_or_else(|| Refusal::Unknown { what: "job", which: id.to_string() })?;
        if self.workers.get(&report.worker).is_none_or(|w| w.host != *sender) {
            return Err(Refusal::NotAllowed {
                sender: *sender,
                operation: "report_outcome",
                rule: "only the host of the worker may report for it",
            });
        }
        if let Outcome::NotStarted { reason } = &report.outcome
            && reason.len() > phalanx_types::job::LABEL_LEN_MAX
        {
            return crate::admission::bad("reason", "at most 128 bytes");
        }
        match &job.phase {
            Phase::Ended { .. } => Err(Refusal::JobEnded(id)),
            Phase::Running { worker, .. }
                if *worker == report.worker && job.attempt == report.attempt.number =>
            {
                Ok(())
            }
            _ => Err(Refusal::StaleAttempt),
        }
    }

    /// Takes a worker's word on an attempt, which was checked.
    pub(crate) fn apply_report(
        &mut self,
        report: &OutcomeReport,
        now: TimeMs,
        origin: &Origin,
        drafts: &mut Drafts,
    ) {
        let id = report.attempt.job;
        let Some(job) = self.jobs.get(&id).cloned() else { return };
        let outcome = if report.outcome == Outcome::Unknown { Outcome::Lost } else { report.outcome.clone() };
        let mut note = drafts.note(ReceiptKind::AttemptEnded, id, origin).tenant(&job.spec.tenant);
        if let Outcome::Exited { code } = outcome {
            note = note.with("exit_code", Field::Number(code.into()));
        }
        let cause = note
            .text("worker", &report.worker)
            .u32("attempt", report.attempt.number)
            .text("outcome", outcome_word(&outcome))
            .u32("stdout_len", report.stdout_len)
            .text("stdout_sha3", report.stdout_sha3)
            .u32("stderr_len", report.stderr_len)
            .text("stderr_sha3", report.stderr_sha3)
            .u32("cpu_ms", report.cpu_ms)
            .u32("wall_ms", report.wall_ms)
            .done();
        self.after_attempt(&id, &job, outcome, now, origin, Some(cause), drafts);
    }

    /// What follows when the current attempt of a running job has ended.
    fn after_attempt(
        &mut self,
        id: &JobId,
        job: &Job,
        outcome: Outcome,
        now: TimeMs,
        origin: &Origin,
        cause: Option<Cause>,
        drafts: &mut Drafts,
    ) {
        if outcome.is_success() {
            return self.end_job(id, EndState::Succeeded, Some(outcome), now, origin, cause, drafts);
        }
        // The worker's or the mesh's fault, not the job's: it costs no retry.
        let is_lost = matches!(outcome, Outcome::Lost | Outcome::LeaseExpired | Outcome::Killed);
        let may_have_run = !matches!(outcome, Outcome::NotStarted { .. });
        if job.spec.once && may_have_run {
            let state = if is_lost { EndState::Unknown } else { EndState::Failed };
            let outcome = if is_lost { Outcome::Unknown } else { outcome };
            return self.end_job(id, state, Some(outcome), now, origin, cause, drafts);
        }
        if job.attempt >= ATTEMPTS_MAX || (!is_lost && job.retries_left == 0) {
            return self.end_job(id, EndState::Failed, Some(outcome), now, origin, cause, drafts);
        }
        if let Phase::Running { worker, gpus, .. } = &job.phase {
            self.settle(worker, job, gpus, false);
        }
        if !is_lost {
            self.change_job(id, |job| job.retries_left = job.retries_left.saturating_sub(1));
        }
        self.requeue(id, outcome_word(&outcome), cause, drafts);
    }

    /// Ends the attempts of workers whose leases are certainly over (F4).
    pub(crate) fn recover(&mut self, now: TimeMs, drafts: &mut Drafts) {
        let margin = lease_margin_ms(&self.settings.params);
        let lost: Vec<Name> = self
            .index
            .running
            .iter()
            .filter(|(_, jobs)| !jobs.is_empty())
            .filter(|(name, _)| {
                self.workers.get(*name).is_none_or(|worker| {
                    let lease = worker.lease_ms(&self.settings.params);
                    now > worker.last_seen.saturating_add(lease).saturating_add(margin)
                })
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in lost {
            let jobs: Vec<JobId> =
                self.index.running.get(&name).map(|j| j.iter().copied().collect()).unwrap_or_default();
            for id in jobs {
                let Some(job) = self.jobs.get(&id).cloned() else { continue };
                let origin = Origin::later(job.envelope, job.trace_id);
                let cause = drafts
                    .note(ReceiptKind::AttemptEnded, id, &origin)
                    .tenant(&job.spec.tenant)
                    .text("worker", &name)
                    .u32("attempt", job.attempt)
                    .text("outcome", "lease_expired")
                    .done();
                self.after_attempt(&id, &job, Outcome::LeaseExpired, now, &origin, Some(cause), drafts);
            }
            self.rehome_agents(&name, now, drafts);
        }
    }

    /// Ends jobs whose deadline has passed.
    pub(crate) fn expire(&mut self, now: TimeMs, drafts: &mut Drafts) {
        while let Some((deadline, id)) = self.index.deadlines.get_min().copied() {
            if deadline > now {
                break;
            }
            let Some(job) = self.jobs.get(&id).cloned() else { break };
            let origin = Origin::later(job.envelope, job.trace_id);
            self.end_job(&id, EndState::Expired, None, now, &origin, None, drafts);
        }
    }

    pub(crate) fn check_cancel(&self, sender: &PublicKey, id: &JobId) -> Result<(), Refusal> {
        let job = self.jobs.get(id).ok_or_else(|| Refusal::Unknown { what: "job", which: id.to_string() })?;
        self.check_tenant(sender, &job.spec.tenant, "cancel_job")?;
        if matches!(job.phase, Phase::Ended { .. }) { Err(Refusal::JobEnded(*id)) } else { Ok(()) }
    }
}

/// A stable word for an outcome.
pub(crate) const fn outcome_word(outcome: &Outcome) -> &'static str {
    use phalanx_types::job::Limit;
    match outcome {
        Outcome::Exited { code: 0 } => "succeeded",
        Outcome::Exited { .. } => "exited",
        Outcome::Signalled { .. } => "signalled",
        Outcome::LimitReached { limit: Limit::Time } => "time_limit",
        Outcome::LimitReached { limit: Limit::Cpu } => "cpu_limit",
        Outcome::LimitReached { limit: Limit::Memory } => "memory_limit",
        Outcome::LimitReached { limit: Limit::Output } => "output_limit",
        Outcome::LeaseExpired => "lease_expired",
        Outcome::Killed => "killed",
        Outcome::NotStarted { .. } => "not_started",
        Outcome::Lost => "lost",
        Outcome::Unknown => "unknown",
    }
}
