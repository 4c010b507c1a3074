//! The life of a job: queue, attempt, outcome, end.

use crate::{
    Fabric, Refusal,
    receipts::{Drafts, Origin},
    routing::{SHOWN, pick_gpus, table_digest},
    state::{EndState, Job, Phase, Worker},
    table::Row,
};
use phalanx_types::{
    Field, GpuRequest, Hash, JobId, JobSpec, Name, Outcome, Params, PublicKey, ReceiptKind, TimeMs,
    job::{OutcomeReport, WorkloadType},
    receipt::Cause,
};
use std::sync::Arc;

/// Attempts of one job, whatever its retries: a job that kills its workers
/// must not go round for ever.
pub(crate) const ATTEMPTS_MAX: u32 = 32;
/// Ended jobs that stay in the state, to be asked for; their receipts stay in
/// the ledger for ever.
pub(crate) const ENDED_MAX: usize = 10_000;
/// Jobs of one shard's queue that are looked at in one beat and find no worker.
/// Those that ask for no less than one of them are passed over and do not count.
pub(crate) const BLOCKED_MAX: usize = 64;

/// How long after a lease's end the mesh waits before it makes a new attempt.
///
/// A worker ends an attempt when its own clock passes the lease that it last
/// learned from a decided beat. Its clock may differ from the beats' by the
/// clock bound, a beat's time from its decision by the message bound, and a gap
/// of up to `gap_ms` does not move leases.
#[must_use]
pub const fn lease_margin_ms(params: &Params) -> u64 {
    (params.clock_bound_ms as u64)
        .saturating_mul(2)
        .saturating_add(params.message_bound_ms as u64)
        .saturating_add(params.gap_ms as u64)
}

/// Whether every worker that could take `job` could take `other`.
fn asks_no_less(job: &JobSpec, other: &JobSpec) -> bool {
    let gpu = match (job.resources.gpu, other.resources.gpu) {
        (_, GpuRequest::None) => true,
        (GpuRequest::Shared { milli }, GpuRequest::Shared { milli: less }) => milli >= less,
        (GpuRequest::Whole { count }, GpuRequest::Whole { count: less }) => count >= less,
        // A whole GPU is free for any share.
        (GpuRequest::Whole { count }, GpuRequest::Shared { .. }) => count >= 1,
        (GpuRequest::None | GpuRequest::Shared { .. }, _) => false,
    };
    gpu && job.resources.cpu_milli >= other.resources.cpu_milli
        && job.resources.memory_mib >= other.resources.memory_mib
        && job.budget <= other.budget
        && job.skills.is_superset(&other.skills)
        // Who waits for it counts distance from the job's own region.
        && (other.workload != WorkloadType::Interactive
            || (job.workload == WorkloadType::Interactive && job.region == other.region))
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
    /// A job by its order, to be kept while the state changes.
    pub(crate) fn job_at(&self, order: u64) -> Option<Arc<Row<JobId, Job>>> {
        self.jobs.at(order).cloned()
    }

    /// Changes a job and keeps the index true.
    pub(crate) fn change_job(&mut self, order: u64, change: impl FnOnce(&mut Job)) {
        let Some(job) = self.jobs.at_mut(order) else { return };
        self.index.leave(job);
        change(job);
        self.index.enter(job);
    }

    /// Takes a job's resources from its worker, or gives them back.
    fn settle(&mut self, worker: &Name, job: &Job, gpus: &[(u16, u16)], take: bool) {
        self.change_worker(worker, |worker| {
            worker.running =
                if take { worker.running.saturating_add(1) } else { worker.running.saturating_sub(1) };
            worker.use_resources(&job.spec.resources, gpus, take);
        });
    }

    /// Gives every waiting job that can have one a worker.
    pub(crate) fn assign_all(&mut self, now: TimeMs, drafts: &mut Drafts) {
        let shards: Vec<Name> = self.shards.iter().map(|(name, _)| name.clone()).collect();
        for shard in shards {
            if self.settings.is_paused || self.shards.get(&shard).is_none_or(|s| s.is_paused) {
                continue;
            }
            // The queue as it is now: what a decision moves elsewhere stays in it.
            let Some(waiting) = self.index.queues.get(&shard).cloned() else { continue };
            let mut blocked: Vec<Arc<Row<JobId, Job>>> = Vec::new();
            let mut digest = None;
            for (_, order) in waiting {
                if blocked.len() >= BLOCKED_MAX {
                    break;
                }
                let Some(row) = self.job_at(order) else { continue };
                if self.waits_with(&row.value, &blocked) {
                    continue;
                }
                drop(row);
                if !self.assign(order, &shard, &mut digest, now, drafts) {
                    blocked.extend(self.job_at(order));
                }
            }
        }
    }

    /// Whether a job finds no worker either, here or one hop on, because one that
    /// asks for no more found none in this beat: assigning only takes what is free.
    fn waits_with(&self, job: &Job, blocked: &[Arc<Row<JobId, Job>>]) -> bool {
        let is_no_less = |other: &Job| job.visited == other.visited && asks_no_less(&job.spec, &other.spec);
        blocked.iter().any(|other| is_no_less(&other.value))
            // One that no worker here could ever do goes on at once.
            && self.could_ever(&job.shard, &self.ask(&job.spec))
    }

    /// Gives one waiting job a worker of `shard`, or moves it on. `digest` is
    /// that of the beat's last decision in this shard.
    fn assign(
        &mut self,
        order: u64,
        shard: &Name,
        digest: &mut Option<Hash>,
        now: TimeMs,
        drafts: &mut Drafts,
    ) -> bool {
        let Some(row) = self.job_at(order) else { return true };
        let (id, job) = (&row.key, &row.value);
        let ask = self.ask(&job.spec);
        let table = self.shortlist(shard, &ask, SHOWN);
        let Some(winner) = table.winner() else {
            return self.spill_blocked(id, job, &ask, drafts);
        };
        let free = self.workers.get(&winner.worker).map(|w| w.gpu_free_milli.as_slice()).unwrap_or_default();
        let Some(gpus) = pick_gpus(free, job.spec.resources.gpu) else { return false };
        let before = digest.unwrap_or_else(|| self.roster_digest(shard));
        let latency_ms = self.latency(ask.home, shard);
        let after = table_digest(&before, id, ask.latency_budget_ms, latency_ms);
        *digest = Some(after);
        self.settle(&winner.worker, job, &gpus, true);
        let attempt = job.attempt.saturating_add(1);
        drafts
            .note(ReceiptKind::JobAssigned, id, &Origin::later(job.envelope, job.trace_id))
            .tenant(&job.spec.tenant)
            .name("worker", &winner.worker)
            .name("shard", shard)
            .u32("attempt", attempt)
            .with("candidates", table.shown())
            .with("removed", table.shown_removals())
            .text("table", after)
            .done();
        let phase = Phase::Running { worker: winner.worker.clone(), gpus, since: now };
        // The job is changed in place when nobody else holds it.
        drop(row);
        self.change_job(order, |job| {
            job.attempt = attempt;
            job.phase = phase;
        });
        true
    }

    /// Puts a job back into the queue of the shard it came from, and on from
    /// there when that queue is over its budget.
    fn requeue(&mut self, order: u64, reason: &str, cause: Option<Cause>, drafts: &mut Drafts) {
        let Some(row) = self.job_at(order) else { return };
        let job = &row.value;
        let home = job.visited.first().cloned().unwrap_or_else(|| job.shard.clone());
        drafts
            .note(ReceiptKind::JobRequeued, row.key, &Origin::later(job.envelope, job.trace_id))
            .tenant(&job.spec.tenant)
            .name("shard", &home)
            .text("reason", reason)
            .u32("attempt", job.attempt)
            .cause(cause)
            .done();
        drop(row);
        self.change_job(order, |job| {
            job.shard = home.clone();
            job.visited = vec![home];
            job.phase = Phase::Queued;
        });
        self.spill_overflow(order, drafts);
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
        drafts
            .note(ReceiptKind::JobEnded, id, origin)
            .tenant(&job.spec.tenant)
            .text("state", state.word())
            .u32("attempts", job.attempt)
            .u64("turnaround_ms", now.since(job.accepted))
            .cause(cause)
            .done();
        self.change_job(job.order, |job| job.phase = Phase::Ended { state, outcome, at: now, order });
        while self.index.ended.len() > ENDED_MAX {
            let Some((end, oldest)) = self.index.ended.get_min().copied() else { break };
            self.index.ended.remove(&end);
            if let Some(row) = self.job_at(oldest) {
                self.jobs.remove(&row.key);
            }
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
        if !self.is_host(sender, &report.worker) {
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
            self.change_job(job.order, |job| job.retries_left = job.retries_left.saturating_sub(1));
        }
        self.requeue(job.order, outcome_word(&outcome), cause, drafts);
    }

    /// Ends the attempts of workers whose leases are certainly over (F4).
    pub(crate) fn recover(&mut self, lost: &[Name], now: TimeMs, drafts: &mut Drafts) {
        for worker in lost {
            let orders: Vec<u64> = self.index.running.get(worker).into_iter().flatten().copied().collect();
            for row in orders.into_iter().filter_map(|order| self.job_at(order)).collect::<Vec<_>>() {
                let (id, job) = (&row.key, &row.value);
                let origin = Origin::later(job.envelope, job.trace_id);
                let cause = drafts
                    .note(ReceiptKind::AttemptEnded, id, &origin)
                    .tenant(&job.spec.tenant)
                    .name("worker", worker)
                    .u32("attempt", job.attempt)
                    .text("outcome", "lease_expired")
                    .done();
                self.after_attempt(id, job, Outcome::LeaseExpired, now, &origin, Some(cause), drafts);
            }
        }
    }

    /// The workers whose attempts have certainly ended by themselves, ascending.
    pub(crate) fn lost_workers(&self, now: TimeMs) -> Vec<Name> {
        let params = &self.settings.params;
        let margin = lease_margin_ms(params);
        let is_over = |worker: &Worker| {
            now > worker.last_seen.saturating_add(worker.lease_ms(params)).saturating_add(margin)
        };
        let mut lost: Vec<Name> =
            self.workers.scattered().filter(|row| is_over(&row.value)).map(|row| row.key.clone()).collect();
        lost.sort_unstable();
        lost
    }

    /// Ends jobs whose deadline has passed.
    pub(crate) fn expire(&mut self, now: TimeMs, drafts: &mut Drafts) {
        while let Some((deadline, order)) = self.index.deadlines.get_min().copied() {
            if deadline > now {
                break;
            }
            let Some(row) = self.job_at(order) else { break };
            let origin = Origin::later(row.value.envelope, row.value.trace_id);
            self.end_job(&row.key, EndState::Expired, None, now, &origin, None, drafts);
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
