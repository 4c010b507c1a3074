//! Numbers of a run, read from its receipts.

use phalanx_types::{Field, Hash, Height, Receipt, ReceiptKind, TimeMs, units::CheckpointNumber};
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of `summary.json`.
const SCHEMA: u32 = 1;

/// How jobs ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JobCounts {
    /// Taken in.
    pub accepted: u32,
    /// Ended well.
    pub succeeded: u32,
    /// No retry was left.
    pub failed: u32,
    /// Their deadline passed.
    pub expired: u32,
    /// Their tenant gave them up.
    pub cancelled: u32,
    /// They were to run once, and nobody knows how that ended.
    pub unknown: u32,
}

/// Percentiles by nearest rank, in milliseconds; zeros when there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many values.
    pub count: u32,
    /// Half are at most this.
    pub p50_ms: u64,
    /// 95 of 100 are at most this.
    pub p95_ms: u64,
    /// 99 of 100 are at most this.
    pub p99_ms: u64,
}

/// A shard's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShardSummary {
    /// Jobs that named it as their region.
    pub jobs: JobCounts,
    /// Jobs that ended well in a minute, of those that named it.
    pub jobs_per_minute: String,
    /// From acceptance to the first assignment.
    pub wait: Percentiles,
    /// From acceptance to the end.
    pub turnaround: Percentiles,
    /// Attempts made by its workers.
    pub attempts: u32,
    /// Attempts of its workers that did not end well, by outcome.
    pub failures: BTreeMap<String, u32>,
    /// Jobs that it sent on, by where to and why.
    pub spilled: BTreeMap<String, u32>,
    /// Jobs that went back into its queue, by why.
    pub requeued: BTreeMap<String, u32>,
    /// Operations of its tenants that were refused in a beat.
    pub refused: u32,
}

/// Where the record ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Final {
    /// The last beat.
    pub height: Height,
    /// Its time.
    pub time: TimeMs,
    /// Its id.
    pub header: Hash,
    /// The state after it.
    pub app_hash: Hash,
    /// Number of the last checkpoint.
    pub checkpoint: CheckpointNumber,
    /// Its hash.
    pub checkpoint_hash: Hash,
    /// RFC 6962 root over all receipts.
    pub history_root: Hash,
    /// Keccak-256 root over the last interval's receipts.
    pub interval_root: Hash,
    /// Nodes that have this beat, whose stores were checked from bytes up.
    pub nodes: Vec<String>,
}

/// `summary.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Version of this format.
    pub schema: u32,
    /// The label.
    pub label: String,
    /// The seed; the same seed and label give the same files.
    pub seed: u64,
    /// Virtual time from the first beat's to the last beat's.
    pub virtual_ms: u64,
    /// Beats decided.
    pub beats: u64,
    /// Receipts.
    pub receipts: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Jobs that tenants sent.
    pub submitted: u32,
    /// Times that a node turned a tenant's envelope away; it came again.
    pub turned_away: u32,
    /// Jobs of all shards.
    pub total: ShardSummary,
    /// Shards by name.
    pub shards: BTreeMap<String, ShardSummary>,
    /// Signs of life that failed and came back, by worker.
    pub workers: BTreeMap<String, Vec<String>>,
    /// Owner commands that were applied, in order.
    pub owner_commands: Vec<String>,
    /// Where the record ends.
    #[serde(rename = "final")]
    pub end: Final,
}

#[derive(Default)]
struct Tally {
    summary: ShardSummary,
    waits: Vec<u64>,
    turnarounds: Vec<u64>,
}

/// What the receipts of a run say.
pub(super) struct Counted {
    pub total: ShardSummary,
    pub shards: BTreeMap<String, ShardSummary>,
    pub workers: BTreeMap<String, Vec<String>>,
    pub owner_commands: Vec<String>,
}

fn text<'a>(receipt: &'a Receipt, key: &str) -> &'a str {
    match receipt.data.get(key) {
        Some(Field::Text(text)) => text,
        _ => "",
    }
}

fn add(counts: &mut BTreeMap<String, u32>, key: String) {
    *counts.entry(key).or_insert(0) += 1;
}

/// The value at a percentile by nearest rank.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

fn percentiles(mut values: Vec<u64>) -> Percentiles {
    values.sort_unstable();
    Percentiles {
        count: values.len() as u32,
        p50_ms: percentile(&values, 50),
        p95_ms: percentile(&values, 95),
        p99_ms: percentile(&values, 99),
    }
}

/// A rate per minute with two decimals, without floats.
fn per_minute(count: u32, virtual_ms: u64) -> String {
    let hundredths = u64::from(count).saturating_mul(6_000_000).checked_div(virtual_ms).unwrap_or(0);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Counts receipts, which must be all of a run, in order.
pub(super) fn count<'a>(receipts: impl Iterator<Item = &'a Receipt>, virtual_ms: u64) -> Counted {
    let mut shards: BTreeMap<String, Tally> = BTreeMap::new();
    let mut regions: BTreeMap<String, String> = BTreeMap::new();
    let mut accepted: BTreeMap<&str, (&str, TimeMs, bool)> = BTreeMap::new();
    let mut workers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut owner_commands = Vec::new();
    for receipt in receipts {
        let subject = receipt.subject.as_str();
        let home = accepted.get(subject).map_or("", |(region, _, _)| region);
        match receipt.kind {
            ReceiptKind::WorkerOffered => {
                regions.insert(receipt.subject.clone(), text(receipt, "region").to_owned());
            }
            ReceiptKind::WorkerUnhealthy => {
                workers
                    .entry(receipt.subject.clone())
                    .or_default()
                    .push(format!("{} unhealthy", receipt.time_ms));
            }
            ReceiptKind::WorkerRecovered => {
                workers
                    .entry(receipt.subject.clone())
                    .or_default()
                    .push(format!("{} recovered", receipt.time_ms));
            }
            ReceiptKind::OwnerCommand => {
                owner_commands.push(format!("{} {}", receipt.subject, text(receipt, "what")));
            }
            ReceiptKind::JobAccepted => {
                let region = text(receipt, "region");
                accepted.insert(subject, (region, receipt.time_ms, false));
                shards.entry(region.to_owned()).or_default().summary.jobs.accepted += 1;
            }
            ReceiptKind::JobAssigned => {
                shards.entry(text(receipt, "shard").to_owned()).or_default().summary.attempts += 1;
                if let Some((region, at, is_assigned @ false)) = accepted.get_mut(subject) {
                    *is_assigned = true;
                    let wait = receipt.time_ms.since(*at);
                    shards.entry((*region).to_owned()).or_default().waits.push(wait);
                }
            }
            ReceiptKind::JobSpilled => {
                let tally = shards.entry(text(receipt, "from").to_owned()).or_default();
                let why = format!("to {}: {}", text(receipt, "to"), text(receipt, "reason"));
                add(&mut tally.summary.spilled, why);
            }
            ReceiptKind::JobRequeued => {
                let tally = shards.entry(text(receipt, "shard").to_owned()).or_default();
                add(&mut tally.summary.requeued, text(receipt, "reason").to_owned());
            }
            ReceiptKind::AttemptEnded => {
                let outcome = text(receipt, "outcome");
                let region = regions.get(text(receipt, "worker")).cloned().unwrap_or_default();
                if outcome != "succeeded" {
                    add(&mut shards.entry(region).or_default().summary.failures, outcome.to_owned());
                }
            }
            ReceiptKind::JobEnded => {
                let tally = shards.entry(home.to_owned()).or_default();
                tally.turnarounds.push(text(receipt, "turnaround_ms").parse().unwrap_or(0));
                let jobs = &mut tally.summary.jobs;
                match text(receipt, "state") {
                    "succeeded" => jobs.succeeded += 1,
                    "failed" => jobs.failed += 1,
                    "expired" => jobs.expired += 1,
                    "cancelled" => jobs.cancelled += 1,
                    _ => jobs.unknown += 1,
                }
            }
            ReceiptKind::Refused if text(receipt, "operation") == "submit_job" => {
                shards.entry("refused".to_owned()).or_default().summary.refused += 1;
            }
            _ => {}
        }
    }
    let mut total = Tally::default();
    for tally in shards.values() {
        let (sum, part) = (&mut total.summary, &tally.summary);
        sum.jobs.accepted += part.jobs.accepted;
        sum.jobs.succeeded += part.jobs.succeeded;
        sum.jobs.failed += part.jobs.failed;
        sum.jobs.expired += part.jobs.expired;
        sum.jobs.cancelled += part.jobs.cancelled;
        sum.jobs.unknown += part.jobs.unknown;
        sum.attempts += part.attempts;
        sum.refused += part.refused;
        let pairs = [
            (&mut sum.failures, &part.failures),
            (&mut sum.spilled, &part.spilled),
            (&mut sum.requeued, &part.requeued),
        ];
        for (all, some) in pairs {
            for (key, count) in some {
                *all.entry(key.clone()).or_insert(0) += count;
            }
        }
        total.waits.extend(&tally.waits);
        total.turnarounds.extend(&tally.turnarounds);
    }
    shards.remove("refused");
    let close = |tally: Tally| ShardSummary {
        jobs_per_minute: per_minute(tally.summary.jobs.succeeded, virtual_ms),
        wait: percentiles(tally.waits),
        turnaround: percentiles(tally.turnarounds),
        ..tally.summary
    };
    Counted {
        total: close(total),
        shards: shards.into_iter().map(|(name, tally)| (name, close(tally))).collect(),
        workers,
        owner_commands,
    }
}

impl Summary {
    pub(super) const SCHEMA: u32 = SCHEMA;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let found = percentiles((1..=200).rev().collect());
        assert_eq!((found.count, found.p50_ms, found.p95_ms, found.p99_ms), (200, 100, 190, 198));
        assert_eq!(percentiles(vec![7]), Percentiles { count: 1, p50_ms: 7, p95_ms: 7, p99_ms: 7 });
        assert_eq!(percentiles(Vec::new()), Percentiles::default());
    }

    #[test]
    fn rates_are_cut_to_hundredths() {
        assert_eq!(per_minute(2, 90_000), "1.33");
        assert_eq!(per_minute(0, 0), "0.00");
    }
}
