//! Spillover: along a shard's listed order, each shard once, a bounded number
//! of hops.

use crate::{
    Fabric,
    receipts::{Drafts, Origin},
    routing::Ask,
    state::Job,
};
use phalanx_types::{JobId, Name, ReceiptKind};

impl Fabric {
    /// Whether one more job fits into a shard's budget of waiting jobs.
    fn queue_has_room(&self, shard: &Name) -> bool {
        let budget = self.shards.get(shard).map_or(0, |s| s.spec.queue_budget);
        self.index.queue_len(shard) < usize::try_from(budget).unwrap_or(usize::MAX)
    }

    /// Whether a new job of `home` finds room there, or one hop on on a way that
    /// leads to a worker.
    pub(crate) fn takes_jobs(&self, home: &Name, ask: &Ask<'_>) -> bool {
        let visited = std::slice::from_ref(home);
        self.queue_has_room(home)
            || self.spill_targets(home, visited).any(|to| self.leads_on(to, visited, ask))
    }

    /// Where a job in `shard` may go on to: the listed shards it has not
    /// visited, that take work and have room, while it has hops left.
    fn spill_targets<'a>(&'a self, shard: &Name, visited: &'a [Name]) -> impl Iterator<Item = &'a Name> {
        let hops = visited.len().saturating_sub(1);
        let may_hop = hops < usize::from(self.settings.params.spillover_hops_max);
        let listed = self.shards.get(shard).filter(|_| may_hop).map(|s| s.spec.spillover.as_slice());
        listed.unwrap_or_default().iter().filter(|to| {
            !visited.contains(to)
                && self.shards.get(to).is_some_and(|s| !s.is_paused)
                && self.queue_has_room(to)
        })
    }

    /// Whether a job that goes on to `to` gets to a worker that could ever do
    /// it, there or within the hops that are left then.
    fn leads_on(&self, to: &Name, visited: &[Name], ask: &Ask<'_>) -> bool {
        let hops_max = usize::from(self.settings.params.spillover_hops_max);
        let mut seen: Vec<&Name> = visited.iter().chain([to]).collect();
        let mut ring = vec![to];
        let mut hops = visited.len();
        loop {
            if ring.iter().any(|shard| self.could_ever(shard, ask)) {
                return true;
            }
            if hops >= hops_max || ring.is_empty() {
                return false;
            }
            hops = hops.saturating_add(1);
            let mut next = Vec::new();
            for shard in ring.into_iter().filter_map(|name| self.shards.get(name)) {
                for on in &shard.spec.spillover {
                    let is_open = self.shards.get(on).is_some_and(|s| !s.is_paused);
                    if is_open && !seen.contains(&on) {
                        seen.push(on);
                        next.push(on);
                    }
                }
            }
            ring = next;
        }
    }

    /// Moves a job that finds no worker on: to where a worker is free for it
    /// now; at once to where one could ever be, when its shard never has one.
    pub(crate) fn spill_blocked(
        &mut self,
        id: &JobId,
        job: &Job,
        ask: &Ask<'_>,
        drafts: &mut Drafts,
    ) -> bool {
        let never_here = !self.could_ever(&job.shard, ask);
        let targets = || self.spill_targets(&job.shard, &job.visited);
        let target = if never_here {
            targets()
                .find(|to| self.could_ever(to, ask))
                .or_else(|| targets().find(|to| self.leads_on(to, &job.visited, ask)))
        } else {
            targets().find(|to| self.shortlist(to, ask, 1).winner().is_some())
        };
        let Some(to) = target.cloned() else { return false };
        let reason = if never_here { "no_worker_here" } else { "workers_busy" };
        self.spill(id, job.order, &to, reason, drafts);
        true
    }

    /// Moves a waiting job to another shard.
    fn spill(&mut self, id: &JobId, order: u64, to: &Name, reason: &str, drafts: &mut Drafts) {
        let Some(job) = self.jobs.at(order).map(|row| &row.value) else { return };
        drafts
            .note(ReceiptKind::JobSpilled, id, &Origin::later(job.envelope, job.trace_id))
            .tenant(&job.spec.tenant)
            .name("from", &job.shard)
            .name("to", to)
            .text("reason", reason)
            .u32("hop", u32::try_from(job.visited.len()).unwrap_or(u32::MAX))
            .done();
        self.change_job(order, |job| {
            job.shard = to.clone();
            job.visited.push(to.clone());
        });
    }

    /// Sends the newcomer of a queue that is over its budget on.
    pub(crate) fn spill_overflow(&mut self, order: u64, drafts: &mut Drafts) {
        let Some(row) = self.jobs.at(order) else { return };
        let (id, job) = (row.key, &row.value);
        let budget = self.shards.get(&job.shard).map_or(0, |s| s.spec.queue_budget);
        if self.index.queue_len(&job.shard) <= usize::try_from(budget).unwrap_or(usize::MAX) {
            return;
        }
        let ask = self.ask(&job.spec);
        // A job that is sent where no worker could ever do it never comes back.
        let target = self
            .spill_targets(&job.shard, &job.visited)
            .find(|to| self.leads_on(to, &job.visited, &ask))
            .cloned();
        if let Some(to) = target {
            self.spill(&id, order, &to, "queue_over_budget", drafts);
        }
    }
}
