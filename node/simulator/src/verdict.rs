//! What a run is judged by when it ends.

use crate::{
    checks::Violation,
    mesh::Mesh,
    scenario::{JobReport, MeshReport},
    setup::BEGIN_MS,
};
use phalanx_fabric::{Fabric, Phase};
use phalanx_ledger::{Ledger, MemoryKv, fsck::fsck};
use phalanx_types::{Field, Hash, Height, ReceiptIndex, ReceiptKind};
use sha3::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// Beats in which a liar must be caught: it had its turn in them many times.
const CAUGHT_BEATS: u64 = 100;

impl Mesh {
    /// What holds when the deadline after the last fault has passed.
    pub(crate) fn note_stuck(&mut self) {
        let wanted = Height(self.scenario.beats);
        let stuck: Vec<(usize, Height)> =
            self.honest().map(|(i, n)| (i, n.height())).filter(|(_, height)| *height < wanted).collect();
        for (node, height) in stuck {
            self.checks.violations.push(Violation::Stuck { node, height, wanted });
        }
        let jobs: Vec<String> = self.unended().map(|job| job.spec.label.clone()).collect();
        self.checks.violations.extend(jobs.into_iter().map(|job| Violation::Unended { job }));
        for envelope in self.open.keys() {
            self.checks.violations.push(Violation::LostInput { envelope: *envelope, node: 0 });
        }
    }

    pub(crate) fn last_checks(&mut self) {
        if !self.checks.violations.is_empty() {
            return;
        }
        let (mut found, mut restored) = (Vec::new(), BTreeMap::new());
        for (node, sim) in self.honest() {
            // A record that began with a snapshot has no beats before that.
            let report = fsck(sim.kv());
            let begins = report.begins.unwrap_or_default();
            if report.begins.is_some() {
                restored.insert(node, begins);
            }
            if let Some(first) = report.first {
                found.push(Violation::Validity { node, what: first.to_string() });
            }
            let Some(process) = &sim.process else { continue };
            let ledger = process.consensus.app().ledger();
            // A node may be a beat behind the front when the run ends.
            let is_front = self.heights(true).max() == Some(ledger.tip().height);
            if !is_front {
                continue;
            }
            let decided = envelopes(ledger, begins);
            let wanted = self.checks.decided_envelopes.iter().filter(|(_, height)| **height > begins);
            if let Some(envelope) = wanted.map(|(envelope, _)| envelope).find(|e| !decided.contains(e)) {
                found.push(Violation::LostInput { envelope: *envelope, node });
            }
            let state = process.consensus.app().fabric();
            for (liar, other) in self.nodes.iter().enumerate() {
                let Some(kind) = other.byzantine.filter(|kind| kind.is_provable()) else { continue };
                let is_out =
                    state.validators().any(|(key, v)| *key == other.key.public() && v.is_quarantined);
                if !is_out && self.scenario.beats >= CAUGHT_BEATS {
                    found.push(Violation::Unpunished { node: liar, kind: format!("{kind:?}") });
                }
            }
            for (honest, other) in self.honest() {
                if state.validators().any(|(key, v)| *key == other.key.public() && v.is_quarantined) {
                    found.push(Violation::Slandered { node: honest, by: node, what: "quarantine".into() });
                }
            }
        }
        self.checks.violations.extend(found);
        self.snapshots.restored = restored;
    }

    pub(crate) fn report(self) -> MeshReport {
        let front = self.honest().filter(|(_, n)| n.process.is_some()).max_by_key(|(_, n)| n.height());
        let process = front.and_then(|(_, n)| n.process.as_ref());
        let fabric = process.map(|p| p.consensus.app().fabric());
        // The record of one node may begin late.
        let ledgers =
            self.honest().filter_map(|(_, n)| n.process.as_ref()).map(|p| p.consensus.app().ledger());
        let quarantined =
            |key| fabric.is_some_and(|f| f.validators().any(|(other, v)| *other == key && v.is_quarantined));
        let jobs = fabric.map(jobs).unwrap_or_default();
        let probes = || self.nodes.iter().map(|n| n.probe.0.borrow());
        MeshReport {
            seed: self.scenario.seed,
            faults: self.scenario.faults.to_string(),
            mode: self.scenario.mode,
            beats: self.heights(true).min().unwrap_or_default().0,
            virtual_ms: self.world.now_ms() - BEGIN_MS,
            delivered: self.delivered,
            dropped: self.dropped,
            crashes: self.crashes,
            jobs_ended: jobs.iter().filter(|job| job.state.is_some()).count() as u32,
            attempts: self.checks.attempts(),
            jobs,
            cuts: self.cuts.clone(),
            byzantine: self.nodes.iter().find_map(|n| n.byzantine),
            quarantined: (0..)
                .zip(&self.nodes)
                .filter(|(_, n)| quarantined(n.key.public()))
                .map(|(i, _)| i)
                .collect(),
            evidence: ledgers.flat_map(evidence).collect(),
            penalties: self.penalties.clone(),
            falls: self.fallen.clone(),
            snapshots: self.snapshots.clone(),
            geometry: self.sights.report(),
            replays: self.replays,
            probed: probes().flat_map(|p| p.fired.clone()).collect(),
            effects: probes().flat_map(|p| p.seen.clone()).collect(),
            trail: if self.checks.violations.is_empty() { Vec::new() } else { self.trail.into() },
            violations: self.checks.violations,
            audit: Hash(self.audit.finalize().into()),
        }
    }
}

/// The envelopes of all beats after `begins`.
fn envelopes(ledger: &Ledger<MemoryKv>, begins: Height) -> BTreeSet<Hash> {
    (begins.next().0..=ledger.tip().height.0)
        .filter_map(|height| ledger.beat(Height(height)).ok().flatten())
        .flat_map(|beat| beat.envelopes.iter().map(|e| e.envelope.id()).collect::<Vec<_>>())
        .collect()
}

fn jobs(fabric: &Fabric) -> Vec<JobReport> {
    let mut jobs: Vec<JobReport> = fabric
        .jobs()
        .map(|(_, job)| JobReport {
            label: job.spec.label.clone(),
            attempts: job.attempt,
            state: match job.phase {
                Phase::Ended { state, .. } => Some(state),
                Phase::Queued | Phase::Running { .. } => None,
            },
        })
        .collect();
    jobs.sort_by(|a, b| a.label.cmp(&b.label));
    jobs
}

/// The kinds of evidence that were receipted.
fn evidence(ledger: &Ledger<MemoryKv>) -> BTreeSet<String> {
    (0..ledger.tip().next_receipt.0)
        .filter_map(|index| ledger.receipt(ReceiptIndex(index)).ok().flatten())
        .filter(|receipt| receipt.kind == ReceiptKind::Evidence)
        .filter_map(|receipt| match receipt.data.get("kind") {
            Some(Field::Text(kind)) => Some(kind.clone()),
            _ => None,
        })
        .collect()
}
