//! What must hold in every run.

use phalanx_types::{
    AttemptId, Hash, Height, JobId, PublicKey, Round,
    vote::{Vote, VoteKind},
};
use std::collections::BTreeMap;

/// A rule that a run broke.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum Violation {
    /// K1: honest nodes decided differently.
    #[error("K1 agreement: at height {height} one node decided {first}, another {second}")]
    Agreement {
        /// Where.
        height: Height,
        /// What the first decided.
        first: Hash,
        /// What another decided.
        second: Hash,
    },
    /// K2: a decided beat does not stand up to a second look.
    #[error("K2 validity: node {node}: {what}")]
    Validity {
        /// Whose record.
        node: usize,
        /// What is wrong.
        what: String,
    },
    /// K3: an honest node signed two different votes.
    #[error("K3 double sign: node {node} voted twice at height {height}, round {round}")]
    DoubleSign {
        /// Who.
        node: usize,
        /// Where.
        height: Height,
        /// In which round.
        round: u32,
    },
    /// K4: an input that was decided at one node is not at another.
    #[error("K4 lost input: the envelope {envelope} was acknowledged and is not at node {node}")]
    LostInput {
        /// Which.
        envelope: Hash,
        /// Where it is missing.
        node: usize,
    },
    /// K5: an attempt was started twice.
    #[error("K5 twice: the attempt {attempt} was started {times} times")]
    StartedTwice {
        /// Which.
        attempt: String,
        /// How often.
        times: u32,
    },
    /// K6: the mesh stands still although nothing is wrong any more.
    #[error("K6 liveness: node {node} is at height {height} when all should have {wanted}")]
    Stuck {
        /// Who.
        node: usize,
        /// Where.
        height: Height,
        /// Where it should be.
        wanted: Height,
    },
    /// K6: a job does not end although nothing is wrong any more.
    #[error("K6 liveness: {job} has not ended")]
    Unended {
        /// Its label.
        job: String,
    },
    /// K7: a node stopped for a reason that no fault explains.
    #[error("K7 stopped: node {node}: {reason}")]
    Stopped {
        /// Who.
        node: usize,
        /// Why.
        reason: String,
    },
    /// K8: a provable liar is still trusted.
    #[error("K8 unpunished: node {node} is {kind} and was not put in quarantine")]
    Unpunished {
        /// Who.
        node: usize,
        /// What it does.
        kind: String,
    },
    /// K9: two attempts of one job ran at one time.
    #[error("K9 overlap: {attempt} was started while {other} ran")]
    Overlap {
        /// The later one.
        attempt: String,
        /// The earlier one.
        other: String,
    },
    /// K10: an honest node was penalised by an honest one, or quarantined.
    #[error("K10 slander: node {node}, which is honest, was penalised by node {by}: {what}")]
    Slandered {
        /// Who.
        node: usize,
        /// By whom.
        by: usize,
        /// For what.
        what: String,
    },
}

/// What was seen in a run.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    headers: BTreeMap<Height, Hash>,
    votes: BTreeMap<(PublicKey, Height, Round, VoteKind), Option<Hash>>,
    spawns: BTreeMap<AttemptId, u32>,
    once: BTreeMap<JobId, u32>,
    /// The attempts that run at honest nodes.
    running: BTreeMap<(JobId, u32), usize>,
    /// Where each envelope was decided.
    pub decided_envelopes: BTreeMap<Hash, Height>,
    pub violations: Vec<Violation>,
}

impl Checks {
    /// K1.
    pub(crate) fn decided(&mut self, height: Height, header: Hash) {
        let first = *self.headers.entry(height).or_insert(header);
        if first != header {
            self.violations.push(Violation::Agreement { height, first, second: header });
        }
    }

    /// K3.
    pub(crate) fn vote(&mut self, node: usize, vote: &Vote) {
        let key = (vote.validator, vote.height, vote.round, vote.kind);
        let first = *self.votes.entry(key).or_insert(vote.beat);
        if first != vote.beat {
            self.violations.push(Violation::DoubleSign { node, height: vote.height, round: vote.round.0 });
        }
    }

    /// K5, K9.
    pub(crate) fn spawned(&mut self, node: usize, attempt: AttemptId, is_once: bool, is_honest: bool) {
        let times = self.spawns.entry(attempt).or_insert(0);
        *times += 1;
        let by_job = self.once.entry(attempt.job).or_insert(0);
        *by_job += u32::from(is_once);
        let most = (*times).max(*by_job);
        if most > 1 {
            self.violations.push(Violation::StartedTwice { attempt: attempt.to_string(), times: most });
        }
        if !is_honest {
            return;
        }
        let same_job = (attempt.job, 0)..=(attempt.job, u32::MAX);
        if let Some(((job, number), _)) = self.running.range(same_job).next() {
            let other = AttemptId { job: *job, number: *number };
            self.violations
                .push(Violation::Overlap { attempt: attempt.to_string(), other: other.to_string() });
        }
        self.running.insert((attempt.job, attempt.number), node);
    }

    /// An attempt ended at a node.
    pub(crate) fn ended(&mut self, node: usize, attempt: AttemptId) {
        let key = (attempt.job, attempt.number);
        if self.running.get(&key) == Some(&node) {
            self.running.remove(&key);
        }
    }

    /// All attempts of a node ended with it.
    pub(crate) fn node_down(&mut self, node: usize) {
        self.running.retain(|_, at| *at != node);
    }

    pub(crate) fn attempts(&self) -> usize {
        self.spawns.len()
    }
}
