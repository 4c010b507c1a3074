//! Work that is on its way to another region, told to it.

use phalanx_fabric::Fabric;
use phalanx_replica::Decision;
use phalanx_routing::wire::{JOBS_MAX, Question};
use phalanx_types::{JobId, Name, PublicKey, ReceiptKind, Validator, receipt::Field};
use std::collections::BTreeMap;

/// Beats that are older when they are decided here are caught up with, and no news.
const NEWS_MS: u64 = 5_000;

/// The first validator of a region that votes.
fn first_of<'a>(fabric: &'a Fabric, region: &Name) -> Option<&'a Validator> {
    let mut voting = fabric.validators().filter(|(_, v)| !v.is_quarantined).map(|(_, v)| &v.entry);
    voting.find(|entry| entry.region == *region)
}

/// What `own`, a network key, tells to whom after a beat: the jobs that spilled over from
/// its region, when it is the first there.
pub fn told(decision: &Decision, own: &PublicKey, now_ms: u64) -> Vec<(PublicKey, Question)> {
    let fabric = &decision.fabric;
    if now_ms > decision.header.time.0.saturating_add(NEWS_MS) {
        return Vec::new();
    }
    let mut moved: BTreeMap<PublicKey, Vec<JobId>> = BTreeMap::new();
    for receipt in decision.receipts.iter().filter(|r| r.kind == ReceiptKind::JobSpilled) {
        let region = |key: &str| match receipt.data.get(key) {
            Some(Field::Text(name)) => Name::new(name).ok(),
            _ => None,
        };
        let (Some(from), Some(to)) = (region("from"), region("to")) else { continue };
        let is_first = first_of(fabric, &from).is_some_and(|entry| entry.network_key == *own);
        let target = first_of(fabric, &to).map(|entry| entry.network_key).filter(|target| target != own);
        if let (true, Some(target), Ok(job)) = (is_first, target, receipt.subject.parse()) {
            moved.entry(target).or_default().push(job);
        }
    }
    let height = decision.header.height;
    let question = |mut jobs: Vec<JobId>| {
        jobs.truncate(JOBS_MAX);
        Question::HandOver { height, jobs }
    };
    moved.into_iter().map(|(target, jobs)| (target, question(jobs))).collect()
}
