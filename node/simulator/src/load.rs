//! The work of a simulated mesh: tenants' jobs, and the workers of each node.

use crate::{
    checks::Violation,
    mesh::{Happening, Mesh, Parcel},
};
use phalanx_consensus::Event;
use phalanx_ledger::{Ledger, MemoryKv};
use phalanx_providers::attempts::{Action, KillReason, empty_report};
use phalanx_types::{
    AttemptId, Envelope, GpuRequest, JobSpec, MicroUnits, Name, Operation, Outcome, Resources,
    SignedEnvelope, TimeMs, ValidatorSet, Weight, Work,
};
use sha3::Digest;
use std::{collections::BTreeSet, sync::Arc};

/// Time between a node's signs of life, and the sending again of what is not
/// decided.
const TICK_MS: u64 = 700;

impl Mesh {
    /// Puts an envelope of `node` into its pool and sends it to the others.
    fn spread(&mut self, node: usize, signed: &Arc<SignedEnvelope>) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        let (epoch, clock) = (sim.epoch, sim.clock(now_ms));
        let Some(process) = &mut sim.process else { return };
        process.pending.insert(signed.envelope.id(), Arc::clone(signed));
        let is_new = process.consensus.app_mut().intake(clock, Arc::clone(signed)).is_ok();
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            self.send(node, to, Parcel::Input(Arc::clone(signed)));
        }
        if is_new {
            self.step(node, epoch, Event::Work);
        }
    }

    /// Offers, signs of life, leases, reports, accusations; and again what is
    /// not decided yet.
    pub(crate) fn tick(&mut self, node: usize, epoch: u64) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        if sim.epoch != epoch {
            return;
        }
        self.world.after(TICK_MS, Happening::Tick { node, epoch });
        let workers = sim.workers.clone();
        let clock = sim.clock(now_ms);
        let Some(process) = &mut sim.process else { return };
        let fabric = process.consensus.app().fabric().clone();
        let (mut operations, mut alive) = (Vec::new(), Vec::new());
        for offer in &workers {
            if fabric.worker(&offer.worker).is_some_and(|w| w.is_open) {
                alive.push(offer.worker.clone());
            } else {
                operations.push(Operation::OfferWorker(Box::new(offer.clone())));
            }
        }
        alive.sort();
        if !alive.is_empty() {
            operations.push(Operation::Heartbeat { workers: alive });
        }
        for accusation in process.consensus.app_mut().take_accusations() {
            operations.push(Operation::Accuse(accusation));
        }
        process.pending.retain(|_, signed| signed.envelope.expiry >= clock);
        let again: Vec<_> = process.pending.values().cloned().collect();
        let lease_clock = fabric.lease_clock(clock, process.consensus.stood_until());
        let actions = process.attempts.expire(lease_clock);
        self.act(node, epoch, actions);
        operations.extend(self.measurement(node));
        for signed in again {
            self.spread(node, &signed);
        }
        if !operations.is_empty()
            && let Some(sim) = self.nodes.get_mut(node)
        {
            let signed = sim.sign(now_ms, operations);
            self.spread(node, &signed);
        }
        self.report_outcomes(node);
    }

    fn report_outcomes(&mut self, node: usize) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        let Some(process) = &mut sim.process else { return };
        let fabric = process.consensus.app().fabric();
        let fresh: Vec<_> = process
            .attempts
            .reports()
            .filter(|r| fabric.awaits(&r.attempt) && !process.reported.contains(&r.attempt))
            .take(32)
            .cloned()
            .collect();
        if fresh.is_empty() {
            return;
        }
        process.reported.extend(fresh.iter().map(|r| r.attempt));
        let operations = fresh.into_iter().map(|r| Operation::ReportOutcome(Box::new(r))).collect();
        let signed = sim.sign(now_ms, operations);
        self.spread(node, &signed);
    }

    /// What the decided state wants of the node's workers.
    pub(crate) fn after_commit(&mut self, node: usize) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        let (epoch, clock, is_honest) = (sim.epoch, sim.clock(now_ms), sim.byzantine.is_none());
        let wanted = sim.wanted();
        let Some(process) = &mut sim.process else { return };
        let weak = weak_certificate(process.consensus.app().ledger()).filter(|_| is_honest);
        self.checks.violations.extend(weak.map(|what| Violation::Validity { node, what }));
        let decisions = process.consensus.app_mut().take_decisions();
        let stood_until = process.consensus.stood_until();
        let lease_clock = process.consensus.app().fabric().lease_clock(clock, stood_until);
        let reconciled = process.attempts.reconcile(lease_clock, &wanted);
        for decision in &decisions {
            for id in &decision.envelopes {
                process.pending.remove(id);
            }
        }
        for decision in decisions {
            let id = decision.header.id();
            self.audit.update(decision.header.height.0.to_le_bytes());
            self.audit.update(id.0);
            self.audit.update(decision.header.app_hash.0);
            if is_honest {
                self.sights.decided(&decision, &self.setup.genesis);
                self.checks.decided(decision.header.height, id);
                for envelope in &decision.envelopes {
                    self.checks.decided_envelopes.entry(*envelope).or_insert(decision.header.height);
                    self.open.remove(envelope);
                }
            }
        }
        match reconciled {
            Ok(actions) => self.act(node, epoch, actions),
            Err(error) => self.checks.violations.push(Violation::Stopped { node, reason: error.to_string() }),
        }
        self.report_outcomes(node);
    }

    fn act(&mut self, node: usize, epoch: u64, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn(want) => {
                    let is_once = self
                        .nodes
                        .get(node)
                        .and_then(|n| n.process.as_ref())
                        .and_then(|p| p.consensus.app().fabric().job(&want.attempt.job))
                        .is_some_and(|job| job.spec.once);
                    let is_honest = self.nodes.get(node).is_some_and(|n| n.byzantine.is_none());
                    self.checks.spawned(node, want.attempt, is_once, is_honest);
                    let Work::Synthetic { duration_ms } = want.work else { continue };
                    // Every seventh job fails at its first attempt, so that
                    // retries run.
                    let [first, ..] = want.attempt.job.0;
                    let code = i32::from(first % 7 == 0 && want.attempt.number == 1);
                    let outcome = Outcome::Exited { code };
                    let done = Happening::WorkDone { node, epoch, attempt: want.attempt, outcome };
                    self.world.after(u64::from(duration_ms).max(1), done);
                }
                Action::Kill { attempt, reason } => {
                    let outcome = match reason {
                        KillReason::LeaseOver => Outcome::LeaseExpired,
                        KillReason::Unwanted => Outcome::Killed,
                    };
                    self.mark(|| format!("node {node} ends {attempt}: {reason:?}"));
                    self.world.after(1, Happening::WorkDone { node, epoch, attempt, outcome });
                }
            }
        }
    }

    pub(crate) fn work_done(&mut self, node: usize, epoch: u64, attempt: AttemptId, outcome: Outcome) {
        let Some(sim) = self.nodes.get_mut(node) else { return };
        if sim.epoch != epoch {
            return;
        }
        self.checks.ended(node, attempt);
        let Some(worker) = sim.workers.first().map(|w| w.worker.clone()) else { return };
        let Some(process) = &mut sim.process else { return };
        let fabric = process.consensus.app().fabric();
        let worker = match fabric.job(&attempt.job).map(|job| job.phase.clone()) {
            Some(phalanx_fabric::Phase::Running { worker, .. }) => worker,
            _ => worker,
        };
        if let Err(error) = process.attempts.ended(empty_report(&worker, attempt, outcome)) {
            self.checks.violations.push(Violation::Stopped { node, reason: error.to_string() });
        }
        self.report_outcomes(node);
    }

    /// A tenant submits a job to some node, and again to another while it is not
    /// decided.
    pub(crate) fn submit(&mut self) {
        let now_ms = self.world.now_ms();
        if self.submitted < self.scenario.jobs {
            let number = self.submitted;
            self.submitted += 1;
            if let Some(spec) = self.job(number) {
                let far = self.far_agent();
                let envelope = Envelope {
                    mesh: self.setup.genesis.mesh,
                    sender: self.setup.tenant.public(),
                    sequence: self.tenant_sequence,
                    expiry: TimeMs(now_ms + 590_000),
                    trace_id: None,
                    operations: [Operation::SubmitJob(Box::new(spec))].into_iter().chain(far).collect(),
                };
                self.tenant_sequence += 1;
                let signed = Arc::new(envelope.sign(&self.setup.tenant));
                self.open.insert(signed.envelope.id(), signed);
            }
        }
        let open: Vec<_> = self.open.values().cloned().collect();
        for signed in open {
            let to = self.random.below(self.nodes.len() as u64) as usize;
            self.world.after(1, Happening::Deliver { to, from: to, parcel: Parcel::Input(signed) });
        }
        if self.submitted < self.scenario.jobs || !self.open.is_empty() {
            let pause = self.random.between(50, 400);
            self.world.after(pause, Happening::Submit);
        }
    }

    fn job(&mut self, number: u32) -> Option<JobSpec> {
        let (shortest, longest) = self.scenario.job_ms;
        let regions = ["earth", "luna", "mars", "helios"];
        let region = Name::new(regions.get(self.random.below(4) as usize)?).ok()?;
        let region = self.pulled_region(number).unwrap_or(region);
        Some(JobSpec {
            label: format!("job {number}"),
            tenant: Name::new("acme").ok()?,
            region,
            deadline_ms: 0,
            skills: BTreeSet::new(),
            budget: MicroUnits(1_000_000),
            resources: Resources { cpu_milli: 500, memory_mib: 64, gpu: GpuRequest::None },
            workload: phalanx_types::job::WorkloadType::Batch,
            priority: self.random.below(256) as u8,
            retries: if number.is_multiple_of(5) { 0 } else { 3 },
            once: number.is_multiple_of(5),
            work: Work::Synthetic {
                duration_ms: self.random.between(shortest.into(), longest.into()) as u32,
            },
        })
    }
}

/// K2: whether a third of the validators, less than which may lie, could stop or fork it.
fn third(set: &ValidatorSet) -> Option<String> {
    third_of(set.members().iter().map(|member| member.weight.0).collect())
}

fn third_of(mut weights: Vec<u64>) -> Option<String> {
    weights.sort_unstable_by(|a, b| b.cmp(a));
    let liars = weights.len().saturating_sub(1) / 3;
    let (heaviest, total): (u64, u64) = (weights.iter().take(liars).sum(), weights.iter().sum());
    (liars > 0 && heaviest * 3 >= total)
        .then(|| format!("{liars} validators hold {heaviest} of {total}, which is a third"))
}

/// K2 at once: whether who signed the last beat's certificate may decide. Its
/// signatures are verified when the run ends.
fn weak_certificate(ledger: &Ledger<MemoryKv>) -> Option<String> {
    let certificate = ledger.tip().certificate.as_ref()?;
    let height = certificate.height;
    match ledger.validator_set(height) {
        Ok(Some(set)) => {
            let weights = certificate.signatures.iter().filter_map(|(key, _)| set.weight_of(key));
            let weight = weights.fold(Weight::ZERO, |sum, weight| sum.saturating_add(weight.0));
            let what =
                || format!("it took a weight of {weight} of {} for a decision at {height}", set.total());
            if set.is_quorum(weight) { third(&set) } else { Some(what()) }
        }
        Ok(None) => Some(format!("there is no set for height {height}")),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_weight_in_as_many_hands_as_may_lie_is_seen() {
        // Sets of the fabric are capped: these are not.
        for weights in
            [vec![1, 1, 2, 2], vec![9, 1, 1, 1], vec![1, 3, 1, 1, 3, 5, 4], vec![1, 1, 1, 1, 1, 5, 0]]
        {
            assert!(third_of(weights.clone()).is_some(), "{weights:?}");
        }
        for weights in [vec![1], vec![7, 1, 1], vec![1; 4], vec![2, 2, 2, 1], vec![5, 4, 4, 4, 4, 4, 3]] {
            assert!(third_of(weights.clone()).is_none(), "{weights:?}");
        }
    }
}
