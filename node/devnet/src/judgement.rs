//! What came of a run, held against its plan.

use crate::{
    run::{Outage, Run},
    watch::Outcomes,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Header of one height at every node.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The height.
    pub height: u64,
    /// Each node's beat id, app hash and receipts root there.
    pub nodes: Vec<[String; 3]>,
}

impl Roots {
    /// Whether all nodes have the same; nothing to compare is no agreement.
    #[must_use]
    pub fn agree(&self) -> bool {
        let is_there = |node: &[String; 3]| node.iter().all(|hash| !hash.is_empty());
        self.nodes.first().is_some_and(|first| is_there(first) && self.nodes.iter().all(|node| node == first))
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Judgement {
    /// Jobs that ended as they should.
    pub as_expected: usize,
    /// Jobs that ended otherwise or not at all: label, expected, found.
    pub otherwise: Vec<(String, String, String)>,
    /// How many jobs ended in each state.
    pub states: BTreeMap<String, usize>,
    /// From the first submission to the last end.
    pub took: Duration,
    /// Median and 99th percentile of mesh time from acceptance to end, in ms.
    pub turnaround_ms: [u64; 2],
    /// What was seen.
    pub outcomes: Outcomes,
    /// All nodes at one height.
    pub roots: Roots,
    /// Receipt of the end of the last job.
    pub receipt: Option<u64>,
    /// The outage that took place.
    pub outage: Option<Outage>,
    /// What should have happened and did not.
    pub missing: Vec<&'static str>,
}

impl Judgement {
    /// Whether all jobs ended as they should, all nodes agree, and what was to be shown has
    /// happened.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.otherwise.is_empty() && self.missing.is_empty() && self.roots.agree()
    }

    /// A table for people.
    #[must_use]
    pub fn table(&self, names: &[String]) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        let states: Vec<String> = self.states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        let jobs = self.as_expected + self.otherwise.len();
        let seconds = self.took.as_secs_f64().max(0.001);
        let kinds = |word: &str| self.outcomes.kinds.get(word).copied().unwrap_or(0).to_string();
        let receipts: u64 = self.outcomes.kinds.values().sum();
        let rows = [
            ("jobs as expected", format!("{} of {jobs} ({})", self.as_expected, states.join(", "))),
            ("took", format!("{seconds:.1} s, {:.0} jobs/s", jobs as f64 / seconds)),
            (
                "acceptance to end",
                format!("median {} ms, p99 {} ms", self.turnaround_ms[0], self.turnaround_ms[1]),
            ),
            ("beats", format!("{} (to height {})", self.outcomes.beats, self.outcomes.height)),
            ("receipts", format!("{receipts}, {:.0}/s", receipts as f64 / seconds)),
            ("spilled, re-queued", format!("{}, {}", kinds("job_spilled"), kinds("job_requeued"))),
        ];
        for (name, value) in rows {
            table.add_row([name.to_owned(), value]);
        }
        if let Some(Outage { node, at, lasts }) = self.outage {
            let name = names.get(node).map_or("", String::as_str);
            let (from, until) = (at.as_secs(), (at + lasts).as_secs());
            table.add_row(["outage".to_owned(), format!("{name}: killed at {from} s, back at {until} s")]);
        }
        for (name, [beat, app, _]) in names.iter().zip(&self.roots.nodes) {
            let short = |hash: &str| hash.chars().take(16).collect::<String>();
            table.add_row([
                format!("{name} at {}", self.roots.height),
                format!("beat {} root {}", short(beat), short(app)),
            ]);
        }
        for what in &self.missing {
            table.add_row(["MISSING", what]);
        }
        let verdict = if self.roots.agree() { "all nodes have the same root" } else { "THE NODES DISAGREE" };
        format!("{table}\n{verdict}")
    }
}

/// Holds what was seen against the plan; `outage` is the one that took place.
pub fn judge(
    plan: &Run,
    ids: &HashMap<String, usize>,
    outcomes: Outcomes,
    took: Duration,
    roots: Roots,
    outage: Option<Outage>,
) -> Judgement {
    let mut found: Vec<&str> = vec!["not ended"; plan.jobs.len()];
    let mut turnarounds = Vec::new();
    let mut states = BTreeMap::new();
    for (id, (state, turnaround)) in &outcomes.ended {
        let Some(place) = ids.get(id).and_then(|planned| found.get_mut(*planned)) else { continue };
        *place = state;
        turnarounds.push(*turnaround);
        *states.entry(state.clone()).or_default() += 1;
    }
    let otherwise: Vec<(String, String, String)> = plan
        .jobs
        .iter()
        .zip(found)
        .filter(|(job, found)| job.expected != *found)
        .map(|(job, found)| (job.spec.label.clone(), job.expected.to_owned(), found.to_owned()))
        .collect();
    turnarounds.sort_unstable();
    let at = |percent: usize| {
        turnarounds
            .get((turnarounds.len() * percent / 100).min(turnarounds.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0)
    };
    let happened = |kind: &str| outcomes.kinds.get(kind).is_some_and(|count| *count > 0);
    let missing = [
        (plan.outage.is_some() && outage.is_none(), "the outage: all ended before it"),
        (plan.is_overfull && !happened("job_spilled"), "a job that spilled over to another shard"),
        (
            plan.is_overfull && outage.is_some() && !happened("job_requeued"),
            "a job that was queued again after its worker fell silent",
        ),
    ];
    let missing = missing.into_iter().filter_map(|(is_missing, what)| is_missing.then_some(what)).collect();
    Judgement {
        as_expected: plan.jobs.len() - otherwise.len(),
        otherwise,
        states,
        took,
        turnaround_ms: [at(50), at(99)],
        receipt: outcomes.receipts.values().max().copied(),
        outcomes,
        roots,
        outage,
        missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::mixed;
    use phalanx_types::{Hash, Name, SigningKey};

    const JOBS: usize = 40;

    fn plan() -> Run {
        Run {
            mesh: Hash([1; 32]),
            tenant: SigningKey::from_seed([2; 32]),
            expiry_ms: 1_000,
            jobs: mixed(&Name::new("tenant").unwrap(), 7, JOBS, Duration::ZERO).unwrap(),
            workers: 4,
            patience: Duration::from_secs(1),
            outage: None,
            is_overfull: false,
        }
    }

    /// All jobs ended as planned, under the ids `0`, `1`, …
    fn seen(plan: &Run) -> (HashMap<String, usize>, Outcomes) {
        let ids = (0..plan.jobs.len()).map(|at| (at.to_string(), at)).collect();
        let mut outcomes = Outcomes::default();
        for (at, job) in plan.jobs.iter().enumerate() {
            outcomes.ended.insert(at.to_string(), (job.expected.to_owned(), at as u64));
            outcomes.receipts.insert(at.to_string(), 100 + at as u64);
        }
        (ids, outcomes)
    }

    fn roots(of: &[&str]) -> Roots {
        let node = |app: &&str| ["beat".to_owned(), (*app).to_owned(), "receipts".to_owned()];
        Roots { height: 9, nodes: of.iter().map(node).collect() }
    }

    fn judged(plan: &Run, change: impl FnOnce(&mut Outcomes), roots: Roots) -> Judgement {
        let (ids, mut outcomes) = seen(plan);
        change(&mut outcomes);
        judge(plan, &ids, outcomes, Duration::from_secs(2), roots, plan.outage)
    }

    #[test]
    fn a_run_that_went_as_planned_is_good() {
        let judgement = judged(&plan(), |_| {}, roots(&["a", "a", "a"]));
        assert!(judgement.is_good());
        assert_eq!((judgement.as_expected, judgement.receipt), (JOBS, Some(100 + JOBS as u64 - 1)));
        assert_eq!(judgement.turnaround_ms, [20, 39]);
    }

    #[test]
    fn a_job_that_did_not_end_or_ended_otherwise_is_named() {
        let gone = judged(&plan(), |o| drop(o.ended.remove("3")), roots(&["a", "a"]));
        assert_eq!(gone.otherwise, [("mixed-3".to_owned(), "succeeded".to_owned(), "not ended".to_owned())]);
        // It should fail, and succeeded.
        let odd =
            judged(&plan(), |o| o.ended.get_mut("17").unwrap().0 = "succeeded".into(), roots(&["a", "a"]));
        assert_eq!(odd.otherwise, [("mixed-17".to_owned(), "failed".to_owned(), "succeeded".to_owned())]);
        assert!(!gone.is_good() && !odd.is_good());
    }

    #[test]
    fn nodes_agree_only_about_something_that_all_have() {
        assert!(roots(&["a"]).agree() && roots(&["a", "a"]).agree());
        for apart in [&["a", "b"][..], &["a", "a", "b"], &["", ""], &["a", ""], &[]] {
            assert!(!roots(apart).agree(), "{apart:?}");
            assert!(!judged(&plan(), |_| {}, roots(apart)).is_good(), "{apart:?}");
        }
    }

    #[test]
    fn an_overfull_run_is_good_only_if_the_overflow_was_used() {
        let outage = Outage { node: 2, at: Duration::ZERO, lasts: Duration::ZERO };
        let plan = Run { is_overfull: true, outage: Some(outage), ..plan() };
        let with = |kinds: &[&str]| {
            let kinds = kinds.iter().map(|kind| ((*kind).to_owned(), 1)).collect();
            judged(&plan, |o| o.kinds = kinds, roots(&["a", "a"]))
        };
        assert!(with(&["job_spilled", "job_requeued"]).is_good());
        assert_eq!(with(&["job_spilled"]).missing.len(), 1);
        assert_eq!(with(&["job_requeued"]).missing.len(), 1);
        let nothing = with(&[]);
        assert!(!nothing.is_good());
        assert!(nothing.table(&[]).contains("spilled over to another shard"));
    }

    #[test]
    fn an_outage_that_did_not_happen_is_missed() {
        let outage = Outage { node: 2, at: Duration::from_secs(20), lasts: Duration::ZERO };
        let plan = Run { outage: Some(outage), ..plan() };
        let (ids, outcomes) = seen(&plan);
        let judgement = judge(&plan, &ids, outcomes, Duration::from_secs(2), roots(&["a"]), None);
        assert_eq!(judgement.missing, ["the outage: all ended before it"]);
    }
}
