//! Workers: offers, signs of life, and what is in use on them.

use crate::{
    Fabric, Refusal,
    receipts::{Drafts, Origin},
    routing::Removal,
    state::{Worker, remove_member},
};
use phalanx_types::{
    Field, Name, PublicKey, ReceiptKind, Resources, TimeMs, WorkerOffer, resources::GPU_MILLI,
};

impl Worker {
    /// Takes resources, or gives them back (F3: callers have checked).
    pub(crate) fn use_resources(&mut self, resources: &Resources, gpus: &[(u16, u16)], take: bool) {
        if take {
            self.cpu_milli = self.cpu_milli.saturating_add(resources.cpu_milli);
            self.memory_mib = self.memory_mib.saturating_add(resources.memory_mib);
        } else {
            self.cpu_milli = self.cpu_milli.saturating_sub(resources.cpu_milli);
            self.memory_mib = self.memory_mib.saturating_sub(resources.memory_mib);
        }
        for (at, milli) in gpus {
            if let Some(free) = self.gpu_free_milli.get_mut(usize::from(*at)) {
                *free = if take {
                    free.saturating_sub(*milli)
                } else {
                    free.saturating_add(*milli).min(GPU_MILLI)
                };
            }
        }
    }
}

impl Fabric {
    /// A changed offer must still hold what runs on the worker.
    pub(crate) fn check_offer_fits(&self, sender: &PublicKey, offer: &WorkerOffer) -> Result<(), Refusal> {
        let Some(worker) = self.workers.get(&offer.worker) else { return Ok(()) };
        let is_busy = worker.running > 0 || self.index.agents.contains_key(&offer.worker);
        let moves = offer.region != worker.offer.region || offer.resources != worker.offer.resources;
        if is_busy && moves {
            return crate::admission::bad(
                "region and resources",
                "unchanged while the worker is in use: withdraw it first",
            );
        }
        // F4: the old host may start or go on with an attempt until the lease
        // that it has learned is over.
        let is_shorter = offer.heartbeat_interval_ms < worker.offer.heartbeat_interval_ms;
        if worker.running > 0 && (worker.host != *sender || is_shorter) {
            return crate::admission::bad(
                "host and heartbeat_interval_ms",
                "the same host, and no shorter interval, while attempts run: send it again when they have ended",
            );
        }
        Ok(())
    }

    /// Whether `sender` hosts the worker and the owner still approves of it.
    pub(crate) fn is_host(&self, sender: &PublicKey, worker: &Name) -> bool {
        self.workers.get(worker).is_some_and(|w| w.host == *sender)
            && self.approvals.get(worker) == Some(sender)
    }

    /// Takes an offer that was checked.
    pub(crate) fn take_offer(
        &mut self,
        sender: &PublicKey,
        offer: &WorkerOffer,
        now: TimeMs,
        origin: &Origin,
        drafts: &mut Drafts,
    ) {
        let name = offer.worker.clone();
        let fresh = Worker {
            offer: offer.clone(),
            host: *sender,
            is_healthy: true,
            is_open: true,
            last_seen: now,
            running: 0,
            cpu_milli: 0,
            memory_mib: 0,
            gpu_free_milli: vec![GPU_MILLI; usize::from(offer.resources.gpus)],
        };
        let worker = match self.workers.get(&name) {
            Some(old) if old.offer.resources == offer.resources => Worker {
                running: old.running,
                cpu_milli: old.cpu_milli,
                memory_mib: old.memory_mib,
                gpu_free_milli: old.gpu_free_milli.clone(),
                ..fresh
            },
            _ => fresh,
        };
        let is_same = self.workers.get(&name).is_some_and(|old| old.offer == *offer && old.is_open);
        if is_same {
            // What a board shows besides the offer is the load and the health.
            self.change_worker(&name, |old| *old = worker);
            return;
        }
        if let Some(old) = self.workers.insert(name.clone(), worker) {
            self.index.boards.remove(&old.offer.region);
            remove_member(&mut self.index.workers, &old.offer.region, &name);
        }
        self.index.boards.remove(&offer.region);
        self.index.workers.entry(offer.region.clone()).or_default().insert(name.clone());
        drafts
            .note(ReceiptKind::WorkerOffered, &name, origin)
            .text("region", &offer.region)
            .u32("capacity", offer.capacity)
            .u32("max_concurrency", offer.max_concurrency)
            .u32("heartbeat_interval_ms", offer.heartbeat_interval_ms)
            .u32("latency_window_ms", offer.latency_window_ms)
            .with("capabilities", Field::List(offer.capabilities.iter().map(Field::text).collect()))
            .u32("cpu_milli", offer.resources.cpu_milli)
            .u32("memory_mib", offer.resources.memory_mib)
            .u32("gpus", offer.resources.gpus.into())
            .u64("price", offer.price.0)
            .done();
    }

    /// Takes a worker out of the marketplace; what runs on it goes on.
    pub(crate) fn close_worker(&mut self, name: &Name, origin: &Origin, drafts: &mut Drafts) {
        let was_open = self.change_worker(name, |worker| std::mem::replace(&mut worker.is_open, false));
        if was_open == Some(true) {
            drafts.note(ReceiptKind::WorkerWithdrawn, name, origin).done();
        }
        self.drop_idle_worker(name);
    }

    /// Forgets a closed worker once nothing is on it.
    fn drop_idle_worker(&mut self, name: &Name) {
        let Some(worker) = self.workers.get(name) else { return };
        let is_used = worker.running > 0 || self.index.agents.contains_key(name);
        if !worker.is_open && !is_used {
            self.index.boards.remove(&worker.offer.region);
            remove_member(&mut self.index.workers, &worker.offer.region, name);
            self.workers.remove(name);
        }
    }

    /// Takes signs of life; names that are not the sender's are left out.
    pub(crate) fn hear(
        &mut self,
        sender: &PublicKey,
        names: &[Name],
        now: TimeMs,
        origin: &Origin,
        drafts: &mut Drafts,
    ) {
        for name in names {
            if !self.is_host(sender, name) {
                continue;
            }
            let was_healthy = self.change_worker(name, |worker| {
                worker.last_seen = now;
                std::mem::replace(&mut worker.is_healthy, true)
            });
            if was_healthy == Some(false) {
                drafts.note(ReceiptKind::WorkerRecovered, name, origin).done();
            }
        }
    }

    /// Marks workers whose signs of life are overdue.
    pub(crate) fn audit(&mut self, now: TimeMs, drafts: &mut Drafts) {
        let misses = u64::from(self.settings.params.heartbeat_misses_max);
        let is_overdue = |worker: &Worker| {
            let allowed = u64::from(worker.offer.heartbeat_interval_ms).saturating_mul(misses);
            worker.is_healthy && now.since(worker.last_seen) > allowed
        };
        // One pass; few workers are either.
        let (mut overdue, mut closed) = (Vec::new(), Vec::new());
        for row in self.workers.scattered() {
            if is_overdue(&row.value) {
                overdue.push(row.key.clone());
            }
            if !row.value.is_open {
                closed.push(row.key.clone());
            }
        }
        overdue.sort_unstable();
        closed.sort_unstable();
        for name in overdue {
            let silent_ms = self.change_worker(&name, |worker| {
                worker.is_healthy = false;
                now.since(worker.last_seen)
            });
            drafts
                .note(ReceiptKind::WorkerUnhealthy, &name, &Origin::fabric())
                .u64("silent_ms", silent_ms.unwrap_or(0))
                .done();
        }
        for name in closed {
            self.drop_idle_worker(&name);
        }
    }

    /// Why `worker` does not take `spec` now; none when it could.
    #[must_use]
    pub fn why_not(&self, spec: &phalanx_types::JobSpec, worker: &Name) -> Option<Removal> {
        let ask = self.ask(spec);
        let worker = self.workers.get(worker)?;
        let latency_ms = self.latency(ask.home, &worker.offer.region);
        ask.never(&worker.offer, latency_ms)
            .or_else(|| ask.not_now(worker, self.tuning(&worker.offer.region)))
    }
}
