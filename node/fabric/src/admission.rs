//! What an envelope must be before any of its operations counts.

use crate::{Fabric, Input, Refusal, state::Window};
use phalanx_types::{
    Hash, JobSpec, Operation, PublicKey, SignedEnvelope, TimeMs, Work, WorkerOffer,
    job::{ARG_LEN_MAX, ARGS_MAX, LABEL_LEN_MAX, RETRIES_MAX, SKILLS_MAX},
    resources::{GPU_MILLI, WORKER_GPUS_MAX},
    worker::{CAPABILITIES_MAX, HEARTBEAT_BATCH_MAX},
};

/// Numbers that a sender may use out of order.
pub(crate) const WINDOW: u64 = 1_024;
/// Longest heartbeat interval a worker may promise.
const HEARTBEAT_MS_MAX: u32 = 600_000;
/// Longest latency window a worker may promise: an hour.
const LATENCY_WINDOW_MS_MAX: u32 = 3_600_000;

impl Window {
    /// Whether `number` was not used and is not older than the window.
    pub(crate) fn is_fresh(&self, number: u64) -> bool {
        if number >= self.next {
            return true;
        }
        let back = self.next.saturating_sub(1).saturating_sub(number);
        back < WINDOW && !self.bit(back)
    }

    fn bit(&self, back: u64) -> bool {
        let word = usize::try_from(back / 64).ok().and_then(|at| self.used.get(at));
        word.is_some_and(|word| word & (1 << (back % 64)) != 0)
    }

    /// Marks a fresh number as used.
    pub(crate) fn mark(&mut self, number: u64) {
        if number >= self.next {
            let ahead = number.saturating_sub(self.next).saturating_add(1);
            self.shift(ahead);
            self.next = number.saturating_add(1);
        }
        let back = self.next.saturating_sub(1).saturating_sub(number);
        if let Some(word) = usize::try_from(back / 64).ok().and_then(|at| self.used.get_mut(at)) {
            *word |= 1 << (back % 64);
        }
    }

    /// Moves all bits to where they are after `by` higher numbers.
    fn shift(&mut self, by: u64) {
        if by >= WINDOW {
            self.used = [0; 16];
            return;
        }
        let (words, bits) = (usize::try_from(by / 64).unwrap_or(16), by % 64);
        let old = self.used;
        for (at, word) in self.used.iter_mut().enumerate() {
            let from = |i: Option<usize>| i.and_then(|i| old.get(i)).copied().unwrap_or(0);
            let low = from(at.checked_sub(words));
            let carry = from(at.checked_sub(words.saturating_add(1)));
            *word = low << bits | if bits == 0 { 0 } else { carry >> (64_u64.saturating_sub(bits)) };
        }
    }
}

impl Fabric {
    /// Whether an honest proposer may put the envelope into a beat of `time`
    /// after this state: right mesh, known sender, in time, its number fresh.
    ///
    /// # Errors
    /// The reason why not.
    pub fn beat_worthy(&self, time: TimeMs, input: &Input<'_>) -> Result<(), Refusal> {
        let envelope = &input.signed.envelope;
        if envelope.mesh != self.settings.mesh {
            return Err(Refusal::OtherMesh { expected: self.settings.mesh, found: envelope.mesh });
        }
        if !self.index.senders.contains_key(&envelope.sender) {
            return Err(Refusal::UnknownSender(envelope.sender));
        }
        if envelope.expiry < time {
            return Err(Refusal::Expired { expiry: envelope.expiry, now: time });
        }
        let ahead_ms = envelope.expiry.since(time);
        let max_ms = u64::from(self.settings.params.expiry_max_ms);
        if ahead_ms > max_ms {
            return Err(Refusal::TooFarAhead { ahead_ms, max_ms });
        }
        let fresh = self.windows.get(&envelope.sender).is_none_or(|w| w.is_fresh(envelope.sequence));
        if fresh { Ok(()) } else { Err(Refusal::Replayed { sequence: envelope.sequence }) }
    }

    /// Whether a node takes the envelope in. Beyond [`Self::beat_worthy`], it is
    /// refused here when every one of its operations would be refused, with the
    /// first reason. Its signature is the caller's to verify.
    ///
    /// # Errors
    /// The reason why not.
    pub fn admit(&self, now: TimeMs, id: &Hash, signed: &SignedEnvelope) -> Result<(), Refusal> {
        self.beat_worthy(now, &Input { id: *id, signed })?;
        let sender = &signed.envelope.sender;
        let mut first = None;
        for operation in &signed.envelope.operations {
            // Whether there is room is dear to find out: whoever may not ask does not.
            let room = || match operation {
                Operation::SpawnAgent(spec) => self.check_room(spec).map(|_| ()),
                _ => Ok(()),
            };
            match self.check(sender, operation).and_then(|()| room()) {
                Ok(()) => return Ok(()),
                Err(refusal) => first = first.or(Some(refusal)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Whether the state would take an operation now; for a spawn, if there is
    /// room for it besides.
    pub(crate) fn check(&self, sender: &PublicKey, operation: &Operation) -> Result<(), Refusal> {
        let not_allowed =
            |rule| Err(Refusal::NotAllowed { sender: *sender, operation: operation.name(), rule });
        match operation {
            Operation::SubmitJob(spec) => self.check_job(sender, spec),
            Operation::CancelJob { job } => self.check_cancel(sender, job),
            Operation::SpawnAgent(spec) => self.check_spawn(sender, spec),
            Operation::MigrateAgent { agent, worker } => {
                self.check_migrate(sender, agent, worker).map(|_| ())
            }
            Operation::TerminateAgent { agent } => self.own_agent(sender, agent).map(|_| ()),
            Operation::UseAgents { agents } => self.check_use(sender, agents),
            Operation::OfferWorker(offer) => {
                check_offer(offer)?;
                if self.approvals.get(&offer.worker) != Some(sender) {
                    return not_allowed("only the key that the owner approved for a worker may offer it");
                }
                if !self.shards.contains(&offer.region) {
                    return Err(Refusal::Unknown { what: "shard", which: offer.region.to_string() });
                }
                self.check_offer_fits(sender, offer)
            }
            Operation::WithdrawWorker { worker } => {
                if self.is_host(sender, worker) {
                    Ok(())
                } else {
                    not_allowed("only the host of a worker may withdraw it")
                }
            }
            Operation::Heartbeat { workers } => {
                if workers.is_empty()
                    || workers.len() > HEARTBEAT_BATCH_MAX
                    || !workers.is_sorted_by(|a, b| a < b)
                {
                    return bad("workers", "1 to 4096 names, ascending, without repeats");
                }
                if !workers.iter().any(|worker| self.is_host(sender, worker)) {
                    return not_allowed("only the host of a worker may give its signs of life");
                }
                Ok(())
            }
            Operation::ReportOutcome(report) => self.check_report(sender, report),
            Operation::MeasureLatency(entry) => {
                let region = self.validators.get(sender).map(|v| &v.entry.region);
                if region.is_none_or(|region| *region != entry.from && *region != entry.to) {
                    return not_allowed("only validators of its two regions measure a latency");
                }
                for shard in [&entry.from, &entry.to] {
                    if !self.shards.contains(shard) {
                        return Err(Refusal::Unknown { what: "shard", which: shard.to_string() });
                    }
                }
                if entry.latency_ms > 3_600_000 { bad("latency_ms", "at most an hour") } else { Ok(()) }
            }
            Operation::Accuse(accusation) => self.check_accusation(sender, accusation),
            Operation::Command(command) => self.check_command(sender, command),
            Operation::Observe(seen) => self.check_observation(sender, seen),
        }
    }
}

pub(crate) fn bad<T>(what: &'static str, rule: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::BadValue { what, rule: rule.into() })
}

fn check_offer(offer: &WorkerOffer) -> Result<(), Refusal> {
    if offer.max_concurrency == 0 || offer.capacity == 0 || offer.capacity > 1_000_000 {
        return bad("capacity and max_concurrency", "1 to 1000000");
    }
    if offer.heartbeat_interval_ms < 100 || offer.heartbeat_interval_ms > HEARTBEAT_MS_MAX {
        return bad("heartbeat_interval_ms", "100 to 600000");
    }
    if offer.latency_window_ms > LATENCY_WINDOW_MS_MAX {
        return bad("latency_window_ms", "at most 3600000");
    }
    if offer.capabilities.len() > CAPABILITIES_MAX {
        return bad("capabilities", "at most 32");
    }
    if offer.resources.gpus > WORKER_GPUS_MAX {
        return bad("gpus", "at most 64");
    }
    Ok(())
}

/// Bounds of a job's values.
pub(crate) fn check_spec(spec: &JobSpec) -> Result<(), Refusal> {
    if spec.label.len() > LABEL_LEN_MAX {
        return bad("label", format!("at most {LABEL_LEN_MAX} bytes"));
    }
    if spec.skills.len() > SKILLS_MAX {
        return bad("skills", format!("at most {SKILLS_MAX}"));
    }
    if spec.retries > RETRIES_MAX {
        return bad("retries", format!("at most {RETRIES_MAX}"));
    }
    if spec.once && spec.retries > 0 {
        return bad("retries", "a job that is marked once cannot be retried");
    }
    if !spec.resources.gpu.is_valid() {
        return bad(
            "gpu",
            format!("shared: 1 to {} thousandths; whole: 1 to {WORKER_GPUS_MAX}", GPU_MILLI - 1),
        );
    }
    if let Work::Command { args, limits, .. } = &spec.work {
        if args.len() > ARGS_MAX || args.iter().any(|arg| arg.len() > ARG_LEN_MAX || arg.contains('\0')) {
            return bad(
                "args",
                format!("at most {ARGS_MAX}, each at most {ARG_LEN_MAX} bytes, none with a zero byte"),
            );
        }
        if limits.time_ms == 0 || limits.cpu_ms == 0 || limits.memory_mib == 0 {
            return bad("limits", "time, CPU and memory above zero");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn the_window_takes_what_a_plain_set_takes(numbers in prop::collection::vec(
            prop_oneof![0_u64..300, 900_u64..1_200, 1_000_u64..5_000, Just(u64::MAX - 1)], 1..200)) {
            let (mut window, mut used) = (Window::default(), BTreeSet::new());
            let mut highest: Option<u64> = None;
            for number in numbers {
                let old = highest.is_some_and(|h| number <= h && h - number >= WINDOW);
                let fresh = !used.contains(&number) && !old;
                prop_assert_eq!(window.is_fresh(number), fresh, "{}", number);
                if fresh {
                    window.mark(number);
                    used.insert(number);
                    highest = Some(highest.map_or(number, |h| h.max(number)));
                }
            }
        }
    }
}
