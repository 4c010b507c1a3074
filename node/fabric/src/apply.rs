//! One beat: the documents' event loop in its order.

use crate::{
    Fabric, Refusal,
    agents::Ending,
    owner::command_word,
    receipts::{Drafts, Origin},
};
use phalanx_circuits::native::Openings;
use phalanx_types::{
    AgentId, Evidence, Field, Hash, Height, JobId, LedgerMark, Operation, PublicKey, ReceiptDraft,
    ReceiptKind, RegisteredSet, Round, SignedEnvelope, TimeMs, ValidatorSet, Weight, params::Verification,
    shard::LatencyEntry, state::StateChange,
};
use std::sync::Arc;

/// What a beat is besides its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeatContext {
    /// Its height.
    pub height: Height,
    /// Its time.
    pub time: TimeMs,
    /// Its parent's time.
    pub parent_time: TimeMs,
    /// Its parent's id.
    pub parent: Hash,
    /// Who made it.
    pub proposer: PublicKey,
    /// The round that decided its parent, by the certificate it carries.
    pub parent_round: Round,
    /// Who signed that certificate; empty at the first beat.
    pub parent_signers: Vec<PublicKey>,
    /// Where the ledger ended before this beat.
    pub ledger: LedgerMark,
}

/// An envelope whose signature was verified.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its id.
    pub id: Hash,
    /// The envelope.
    pub signed: &'a SignedEnvelope,
}

/// What a beat did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Its receipts, in order.
    pub receipts: Vec<ReceiptDraft>,
    /// The changed entries, ascending by table and key.
    pub changes: Vec<StateChange>,
    /// What it has changed in the trees of agents and actions.
    pub openings: Openings,
    /// The policy version after it.
    pub policy_version: u64,
    /// How much is receipted.
    pub verification: Verification,
    /// The set that decides the next height.
    pub next_set: Arc<ValidatorSet>,
    /// Whether it closes an interval.
    pub checkpoint_due: bool,
    /// The registered validators around it.
    pub registered: RegisteredSet,
}

/// One operation on its way through the steps.
struct Pending<'a> {
    sender: &'a PublicKey,
    operation: &'a Operation,
    envelope: Hash,
    position: u16,
    origin: Origin,
}

/// The step of the loop in which an operation is applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Command,
    Report,
    Intake,
}

const fn step_of(operation: &Operation) -> Step {
    match operation {
        Operation::Command(_) | Operation::Observe(_) => Step::Command,
        Operation::ReportOutcome(_)
        | Operation::Heartbeat { .. }
        | Operation::OfferWorker(_)
        | Operation::WithdrawWorker { .. }
        | Operation::MeasureLatency(_)
        | Operation::UseAgents { .. }
        | Operation::Accuse(_) => Step::Report,
        Operation::SubmitJob(_)
        | Operation::CancelJob { .. }
        | Operation::SpawnAgent(_)
        | Operation::MigrateAgent { .. }
        | Operation::TerminateAgent { .. } => Step::Intake,
    }
}

impl Fabric {
    /// Applies a beat to a copy of the state. Total: what cannot be done is
    /// refused with a receipt.
    #[must_use]
    pub fn apply(&self, ctx: &BeatContext, inputs: &[Input<'_>], evidence: &[Evidence]) -> (Self, Applied) {
        let mut next = self.clone();
        let mut drafts = Drafts::default();
        if self.is_checkpoint() {
            next.begin_interval();
        }
        next.note_misses(ctx);
        next.note_gap(ctx, &mut drafts);
        next.settings.height = ctx.height;
        next.settings.time = ctx.time;
        next.settings.ledger = ctx.ledger;
        next.settings.registered = next.settings.registered.turned();
        let now = next.mesh_time(ctx.time);
        let pending = next.open(ctx.time, inputs, &mut drafts);
        for item in evidence {
            next.judge(item, ctx.height, &mut drafts);
        }
        next.carry_out_convictions(&mut drafts);
        next.run(&pending, Step::Command, now, &mut drafts);
        next.obey(&mut drafts);
        next.run(&pending, Step::Report, now, &mut drafts);
        next.audit(now, &mut drafts);
        let lost = next.lost_workers(now);
        next.recover(&lost, now, &mut drafts);
        next.expire(now, &mut drafts);
        next.refresh_boards();
        next.rehome_agents(lost, &mut drafts);
        next.advance(&mut drafts);
        next.run(&pending, Step::Intake, now, &mut drafts);
        next.assign_all(now, &mut drafts);
        next.forget_old_evidence(ctx.height);
        let checkpoint_due = next.is_checkpoint();
        if checkpoint_due {
            next.survey();
            next.patrol(now, &mut drafts);
        }
        next.turn_set(&mut drafts);
        let registered = next.settings.registered;
        if registered.changes() {
            drafts
                .note(ReceiptKind::ValidatorsRegistered, ctx.height, &Origin::fabric())
                .u64("epoch", registered.epoch)
                .text("set", registered.hash)
                .text("next_set", registered.next)
                .done();
        }
        if checkpoint_due {
            drafts
                .note(ReceiptKind::CheckpointClosed, ctx.height, &Origin::fabric())
                .u64("last_beat", ctx.height.0)
                .text("verification", next.settings.verification.name())
                .done();
        }
        let applied = next.finish(drafts, checkpoint_due);
        (next, applied)
    }

    /// Ends a beat: takes the changed entries.
    pub(crate) fn finish(&mut self, drafts: Drafts, checkpoint_due: bool) -> Applied {
        self.voted.clear();
        Applied {
            receipts: drafts.into_vec(),
            openings: self.opened(),
            changes: self.drain(),
            policy_version: self.settings.policy_version,
            verification: self.settings.verification,
            next_set: Arc::clone(&self.next_set),
            checkpoint_due,
            registered: self.settings.registered,
        }
    }

    /// The part of a gap above `gap_ms` does not count for deadlines, leases and
    /// signs of life, so that a mesh that stood still does not kill its work.
    fn note_gap(&mut self, ctx: &BeatContext, drafts: &mut Drafts) {
        let gap = ctx.time.since(ctx.parent_time);
        let over = gap.saturating_sub(self.settings.params.gap_ms.into());
        // Nothing was there to be shifted before the first beat.
        if over > 0 && ctx.height != Height::FIRST {
            self.settings.shift_ms = self.settings.shift_ms.saturating_add(over);
            drafts
                .note(ReceiptKind::TimeShifted, ctx.height, &Origin::fabric())
                .u64("gap_ms", gap)
                .u64("shifted_ms", over)
                .done();
        }
    }

    /// Marks the numbers of the envelopes as used and lists their operations.
    fn open<'a>(&mut self, time: TimeMs, inputs: &[Input<'a>], drafts: &mut Drafts) -> Vec<Pending<'a>> {
        let mut pending = Vec::new();
        for input in inputs {
            let envelope = &input.signed.envelope;
            let origin = Origin::envelope(&envelope.sender, input.id, envelope.trace_id);
            if let Err(refusal) = self.beat_worthy(time, input) {
                refuse(drafts, "envelope", input.id, &refusal, &origin);
                continue;
            }
            let mut window = self.windows.get(&envelope.sender).cloned().unwrap_or_default();
            window.mark(envelope.sequence);
            self.windows.insert(envelope.sender, window);
            for (position, operation) in (0_u16..).zip(&envelope.operations) {
                pending.push(Pending {
                    sender: &envelope.sender,
                    operation,
                    envelope: input.id,
                    position,
                    origin: origin.clone(),
                });
            }
        }
        pending
    }

    fn run(&mut self, pending: &[Pending<'_>], step: Step, now: TimeMs, drafts: &mut Drafts) {
        for item in pending.iter().filter(|item| step_of(item.operation) == step) {
            match self.try_perform(item, now, drafts) {
                Ok(()) => {}
                Err(refusal) => {
                    let subject = match item.operation {
                        Operation::SubmitJob(_) => JobId::of(&item.envelope, item.position).to_string(),
                        Operation::SpawnAgent(_) => AgentId::of(&item.envelope, item.position).to_string(),
                        Operation::CancelJob { job } => job.to_string(),
                        Operation::ReportOutcome(report) => report.attempt.job.to_string(),
                        Operation::Command(command) => command_word(command).to_owned(),
                        other => other.name().to_owned(),
                    };
                    refuse(drafts, item.operation.name(), subject, &refusal, &item.origin);
                }
            }
        }
    }

    /// Checks an operation and performs it.
    fn try_perform(&mut self, item: &Pending<'_>, now: TimeMs, drafts: &mut Drafts) -> Result<(), Refusal> {
        self.check(item.sender, item.operation)?;
        let origin = &item.origin;
        match item.operation {
            Operation::SubmitJob(spec) => {
                self.accept_job(JobId::of(&item.envelope, item.position), spec, now, origin, drafts);
            }
            Operation::CancelJob { job } => {
                self.end_job(job, crate::EndState::Cancelled, None, now, origin, None, drafts);
            }
            Operation::SpawnAgent(spec) => {
                self.spawn(AgentId::of(&item.envelope, item.position), spec, now, origin, drafts)?;
            }
            Operation::MigrateAgent { agent, worker } => {
                self.move_agent(item.sender, agent, worker, origin, drafts)?;
            }
            Operation::TerminateAgent { agent } => self.end_agent(agent, Ending::Asked, origin, drafts),
            Operation::UseAgents { agents } => self.use_agents(item.sender, agents, now),
            Operation::OfferWorker(offer) => self.take_offer(item.sender, offer, now, origin, drafts),
            Operation::WithdrawWorker { worker } => self.close_worker(worker, origin, drafts),
            Operation::Heartbeat { workers } => self.hear(item.sender, workers, now, origin, drafts),
            Operation::ReportOutcome(report) => self.apply_report(report, now, origin, drafts),
            Operation::MeasureLatency(entry) => self.measure(item.sender, entry, origin, drafts),
            Operation::Accuse(accusation) => self.accuse(item.sender, accusation, drafts),
            Operation::Command(command) => self.command(command, None, origin, drafts),
            Operation::Observe(seen) => self.observe(item.sender, seen),
        }
        Ok(())
    }

    /// The agreed one-way latency between two regions.
    #[must_use]
    pub fn latency(&self, from: &phalanx_types::Name, to: &phalanx_types::Name) -> u32 {
        let pair = (from.clone(), to.clone());
        self.latencies.get(&pair).copied().unwrap_or(if from == to { 0 } else { u32::MAX >> 8 })
    }

    /// Takes a validator's measurement. Once validators with more than two thirds
    /// of the base weight of the pair's two regions have measured it, their
    /// weighted median is agreed; of two equal halves the higher counts, so that a
    /// liar can make its own region look farther away, but never nearer.
    fn measure(&mut self, sender: &PublicKey, entry: &LatencyEntry, origin: &Origin, drafts: &mut Drafts) {
        let (from, to) = (entry.from.clone(), entry.to.clone());
        self.measurements.insert((from.clone(), to.clone(), *sender), entry.latency_ms);
        let weight_of = |key: &PublicKey| {
            let state = self.validators.get(key).filter(|v| !v.is_quarantined)?;
            let region = &state.entry.region;
            (*region == from || *region == to).then_some(state.entry.base_weight.0)
        };
        let total: u64 =
            self.validators.iter().filter_map(|(key, _)| weight_of(key)).fold(0, u64::saturating_add);
        let mut said: Vec<(u32, u64)> = self
            .measurements
            .range(
                (from.clone(), to.clone(), PublicKey([0; 32]))
                    ..=(from.clone(), to.clone(), PublicKey([0xff; 32])),
            )
            .filter_map(|((_, _, key), ms)| weight_of(key).map(|weight| (*ms, weight)))
            .collect();
        said.sort_unstable();
        let heard = said.iter().fold(0_u64, |sum, (_, weight)| sum.saturating_add(*weight));
        if heard.saturating_mul(3) <= total.saturating_mul(2) {
            return;
        }
        let mut passed: u64 = 0;
        let median = said.iter().find(|(_, weight)| {
            passed = passed.saturating_add(*weight);
            passed.saturating_mul(2) > heard
        });
        let Some((median, _)) = median.copied() else { return };
        let before = self.latency(&from, &to);
        if median != before {
            drafts
                .note(ReceiptKind::LatencyAgreed, format_args!("{from}>{to}"), origin)
                .u32("before_ms", before)
                .u32("after_ms", median)
                .u64("weight", Weight(heard).0)
                .done();
            self.latencies.insert((from, to), median);
        }
    }
}

fn refuse(
    drafts: &mut Drafts,
    operation: &'static str,
    subject: impl ToString,
    refusal: &Refusal,
    origin: &Origin,
) {
    let kind = if operation == "command" { ReceiptKind::OwnerCommandRefused } else { ReceiptKind::Refused };
    drafts
        .note(kind, subject, origin)
        .text("operation", operation)
        .text("code", refusal.code())
        .with("reason", Field::Text(refusal.to_string()))
        .done();
}
