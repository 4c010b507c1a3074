//! Workers: offers, signs of life, and what is in use on them.

use crate::{
    Fabric, Refusal,
    receipts::{Drafts, Origin},
    routing::Removal,
    state::Worker,
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
    pub(crate) fn check_offer_fits(&self, offer: &WorkerOffer) -> Result<(), Refusal> {
        let Some(worker) = self.workers.get(&offer.worker) else { return Ok(()) };
        let is_busy =
            worker.running > 0 || self.index.agents.get(&offer.worker).is_some_and(|a| !a.is_empty());
        let moves = offer.region != worker.offer.region || offer.resources != worker.offer.resources;
        if is_busy && moves {
            return crate::admission::bad(
                "region and resources",
                "unchanged while the worker is in use: withdraw it first",
            );
        }
        Ok(())
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
        if let Some(old) = self.workers.insert(name.clone(), worker)
            && let Some(names) = self.index.workers.get_mut(&old.offer.region)
        {
            names.remove(&name);
        }
        self.index.workers.entry(offer.region.clone()).or_default().insert(name.clone());
        if is_same {
            return;
        }
        drafts
            .note(ReceiptKind::WorkerOffered, &name, origin)
            .text("region", &offer.region)
            .u32("capacity", offer.capacity)
            .u32("max_concurrency", offer.max_concurrency)
            .u32("heartbeat_interval_ms", offer.heartbeat_interval_ms)
            .with("capabilities", Field::List(offer.capabilities.iter().map(Field::text).collect()))
            .u32("cpu_milli", offer.resources.cpu_milli)
            .u32("memory_mib", offer.resources.memory_mib)
            .u32("gpus", offer.resources.gpus.into())
            .u64("price", offer.price.0)
            .done();
    }

    /// Takes a worker out of the marketplace; what runs on it goes on.
    pub(crate) fn close_worker(&mut self, name: &Name, origin: &Origin, drafts: &mut Drafts) {
        let Some(worker) = self.workers.get_mut(name) else { return };
        if worker.is_open {
            worker.is_open = false;
            drafts.note(ReceiptKind::WorkerWithdrawn, name, origin).done();
        }
        self.drop_idle_worker(name);
    }

    /// Forgets a closed worker once nothing is on it.
    fn drop_idle_worker(&mut self, name: &Name) {
        let Some(worker) = self.workers.get(name) else { return };
        let is_used = worker.running > 0 || self.index.agents.get(name).is_some_and(|a| !a.is_empty());
        if !worker.is_open && !is_used {
            if let Some(names) = self.index.workers.get_mut(&worker.offer.region) {
                names.remove(name);
            }
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
            if self.workers.get(name).is_none_or(|worker| worker.host != *sender) {
                continue;
            }
            let Some(worker) = self.workers.get_mut(name) else { continue };
            worker.last_seen = now;
            if !worker.is_healthy {
                worker.is_healthy = true;
                drafts.note(ReceiptKind::WorkerRecovered, name, origin).done();
            }
        }
    }

    /// Marks workers whose signs of life are overdue.
    pub(crate) fn audit(&mut self, now: TimeMs, drafts: &mut Drafts) {
        let misses = u64::from(self.settings.params.heartbeat_misses_max);
        let overdue: Vec<Name> = self
            .workers
            .iter()
            .filter(|(_, worker)| {
                let allowed = u64::from(worker.offer.heartbeat_interval_ms).saturating_mul(misses);
                worker.is_healthy && now.since(worker.last_seen) > allowed
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in overdue {
            if let Some(worker) = self.workers.get_mut(&name) {
                worker.is_healthy = false;
                let silent_ms = now.since(worker.last_seen);
                drafts
                    .note(ReceiptKind::WorkerUnhealthy, &name, &Origin::fabric())
                    .u64("silent_ms", silent_ms)
                    .done();
            }
        }
        let closed: Vec<Name> =
            self.workers.iter().filter(|(_, w)| !w.is_open).map(|(name, _)| name.clone()).collect();
        for name in closed {
            self.drop_idle_worker(&name);
        }
    }

    /// Why `worker` does not take `spec` now; none when it could.
    #[must_use]
    pub fn why_not(&self, spec: &phalanx_types::JobSpec, worker: &Name) -> Option<Removal> {
        let ask = self.ask(spec);
        self.workers.get(worker).and_then(|w| ask.never(&w.offer).or_else(|| ask.not_now(w)))
    }
}
