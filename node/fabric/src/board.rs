//! The workers of a shard, laid out so that one decision reads them in one
//! short pass.
//!
//! A board is derived state. What it answers is what [`Fabric::table`] defines;
//! a property test holds the one against the other.

use crate::{
    CandidateTable, Fabric,
    routing::{Ask, Candidate, Removal, Terms, Tuning, capacity_term, cpu_share, has_slot, priority_term},
    state::Worker,
    table::append,
};
use phalanx_types::{GpuRequest, Hash, Name, WorkerOffer, resources::GPU_MILLI, tags};
use std::sync::Arc;

/// A shard's workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Board {
    /// Ascending; a worker's place here is its *rank*.
    names: Vec<Name>,
    /// By rank.
    rows: Vec<Row>,
    /// The kinds of offers, in the order of the first worker of each.
    kinds: Vec<Kind>,
    /// [`offers_digest`] of them all.
    offers: Hash,
    /// What the owner has turned.
    tuning: Tuning,
}

/// What decides whether workers could ever do a piece of work, and the terms
/// that do not change with their load: the same for all that offer the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    /// The offer of one of them.
    offer: WorkerOffer,
    /// Workers of this kind that are open.
    open: u32,
}

/// What changes with a worker's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    /// Its kind's place.
    kind: u32,
    cpu_free: u32,
    memory_free: u32,
    /// Most thousandths that are free on one GPU.
    gpu_free_max: u16,
    /// GPUs that are free as a whole.
    gpus_whole: u16,
    capacity: i32,
    cpu_share: i32,
    is_open: bool,
    is_healthy: bool,
    /// [`NOT_READY`], [`READY`] or [`HAS_SLOT`].
    ready: u8,
}

/// Closed or unhealthy.
const NOT_READY: u8 = 0;
/// Open and healthy; no slot is free.
const READY: u8 = 1;
/// Open and healthy, with a free slot.
const HAS_SLOT: u8 = 2;

/// What a piece of work finds in a kind.
#[derive(Clone, Copy)]
struct Verdict {
    /// Why no worker of the kind could ever do it.
    removal: Option<Removal>,
    skills: i32,
    latency: i32,
    /// The sum of both.
    fixed: i32,
}

/// What a piece of work asks of a row, in the row's numbers.
struct Needs {
    cpu: u32,
    memory: u32,
    gpu_free: u16,
    gpus_whole: u16,
    ready: u8,
}

impl Needs {
    fn of(ask: &Ask<'_>) -> Self {
        let (gpu_free, gpus_whole) = match ask.resources.gpu {
            GpuRequest::None => (0, 0),
            GpuRequest::Shared { milli } => (milli.max(1), 0),
            GpuRequest::Whole { count } => (0, count),
        };
        let (cpu, memory) = (ask.resources.cpu_milli, ask.resources.memory_mib);
        let ready = if ask.needs_slot { HAS_SLOT } else { READY };
        Self { cpu, memory, gpu_free, gpus_whole, ready }
    }
}

impl Kind {
    fn is_of(&self, offer: &WorkerOffer) -> bool {
        let mine = &self.offer;
        mine.price == offer.price
            && mine.latency_window_ms == offer.latency_window_ms
            && mine.resources == offer.resources
            && mine.capabilities == offer.capabilities
    }

    fn verdict(&self, ask: &Ask<'_>, latency_ms: u32) -> Verdict {
        let (skills, latency) = (ask.skills_term(&self.offer), ask.latency_term(&self.offer, latency_ms));
        Verdict {
            removal: ask.never(&self.offer, latency_ms),
            skills,
            latency,
            fixed: skills.saturating_add(latency),
        }
    }
}

impl Row {
    fn new(kind: u32, worker: &Worker, tuning: Tuning) -> Self {
        let offered = &worker.offer.resources;
        let gpus = &worker.gpu_free_milli;
        let whole = gpus.iter().filter(|free| **free == GPU_MILLI).count();
        Self {
            kind,
            cpu_free: offered.cpu_milli.saturating_sub(worker.cpu_milli),
            memory_free: offered.memory_mib.saturating_sub(worker.memory_mib),
            gpu_free_max: gpus.iter().copied().max().unwrap_or(0),
            gpus_whole: u16::try_from(whole).unwrap_or(u16::MAX),
            capacity: capacity_term(worker, tuning),
            cpu_share: cpu_share(worker),
            is_open: worker.is_open,
            is_healthy: worker.is_healthy,
            ready: match (worker.is_open && worker.is_healthy, has_slot(worker, tuning)) {
                (false, _) => NOT_READY,
                (true, false) => READY,
                (true, true) => HAS_SLOT,
            },
        }
    }

    /// Whether there is no reason of [`Ask::not_now`].
    #[inline]
    const fn fits(&self, needs: &Needs) -> bool {
        self.ready >= needs.ready
            && self.cpu_free >= needs.cpu
            && self.memory_free >= needs.memory
            && self.gpu_free_max >= needs.gpu_free
            && self.gpus_whole >= needs.gpus_whole
    }

    /// The reason of [`Ask::not_now`] of a row that does not fit.
    const fn not_now(&self, needs: &Needs) -> Removal {
        if !self.is_open {
            Removal::Closed
        } else if !self.is_healthy {
            Removal::Unhealthy
        } else if needs.ready > self.ready {
            Removal::Slots
        } else if needs.cpu > self.cpu_free {
            Removal::Cpu
        } else if needs.memory > self.memory_free {
            Removal::Memory
        } else {
            Removal::Gpu
        }
    }

    fn terms(&self, ask: &Ask<'_>, verdict: &Verdict) -> Terms {
        Terms {
            capacity: self.capacity,
            skills: verdict.skills,
            latency: verdict.latency,
            priority: priority_term(ask.urgency(), self.cpu_share),
        }
    }
}

/// The digest of a shard's offers, ascending by name; see [`crate::routing`].
fn offers_digest<'a>(offers: impl Iterator<Item = &'a WorkerOffer>) -> Hash {
    let mut bytes = Vec::new();
    for offer in offers {
        append(&mut bytes, offer);
    }
    Hash::of(tags::OFFERS, &bytes)
}

/// The best few by score, then by rank; ranks are offered in ascending order.
struct Best {
    len_max: usize,
    rows: Vec<(i32, u32)>,
    /// A score that is not above this has no place.
    bar: i32,
}

impl Best {
    fn new(len_max: usize) -> Self {
        Self { len_max, rows: Vec::with_capacity(len_max), bar: i32::MIN }
    }

    /// Takes in a score above the bar.
    fn take(&mut self, score: i32, rank: u32) {
        if self.rows.len() >= self.len_max {
            self.rows.pop();
        }
        let at = self.rows.partition_point(|(better, _)| *better >= score);
        self.rows.insert(at, (score, rank));
        if self.rows.len() >= self.len_max {
            self.bar = self.rows.last().map_or(i32::MIN, |(least, _)| *least);
        }
    }
}

impl Board {
    /// A board of these workers, which ascend by name.
    pub(crate) fn new<'a>(
        workers: impl Iterator<Item = (&'a Name, &'a Worker)> + Clone,
        tuning: Tuning,
    ) -> Self {
        let offers = offers_digest(workers.clone().map(|(_, worker)| &worker.offer));
        let mut board = Self { names: Vec::new(), rows: Vec::new(), kinds: Vec::new(), offers, tuning };
        for (name, worker) in workers {
            let known = board.kinds.iter().position(|kind| kind.is_of(&worker.offer));
            let at = known.unwrap_or_else(|| {
                board.kinds.push(Kind { offer: worker.offer.clone(), open: 0 });
                board.kinds.len().saturating_sub(1)
            });
            if let Some(kind) = board.kinds.get_mut(at) {
                kind.open = kind.open.saturating_add(worker.is_open.into());
            }
            board.names.push(name.clone());
            board.rows.push(Row::new(u32::try_from(at).unwrap_or(u32::MAX), worker, tuning));
        }
        board
    }

    /// Takes over the load of a worker of an unchanged offer. Copies a shared
    /// board only when something changed.
    fn update(board: &mut Arc<Self>, name: &Name, worker: &Worker) {
        let Ok(rank) = board.names.binary_search(name) else { return };
        let Some(old) = board.rows.get(rank).copied() else { return };
        let row = Row::new(old.kind, worker, board.tuning);
        if row == old {
            return;
        }
        let board = Arc::make_mut(board);
        if let Some(slot) = board.rows.get_mut(rank) {
            *slot = row;
        }
        if row.is_open != old.is_open
            && let Some(kind) = usize::try_from(row.kind).ok().and_then(|at| board.kinds.get_mut(at))
        {
            kind.open = if row.is_open { kind.open.saturating_add(1) } else { kind.open.saturating_sub(1) };
        }
    }

    /// Whether an open worker could ever do it.
    fn could_ever(&self, ask: &Ask<'_>, latency_ms: u32) -> bool {
        self.kinds.iter().any(|kind| kind.open > 0 && ask.never(&kind.offer, latency_ms).is_none())
    }

    /// The table's best `len_max` candidates and all its counts.
    fn shortlist(&self, ask: &Ask<'_>, latency_ms: u32, len_max: usize) -> CandidateTable {
        let verdicts: Vec<Verdict> = self.kinds.iter().map(|kind| kind.verdict(ask, latency_ms)).collect();
        let verdict_of = |row: &Row| usize::try_from(row.kind).ok().and_then(|at| verdicts.get(at));
        let needs = Needs::of(ask);
        let urgency = ask.urgency();
        let mut best = Best::new(len_max);
        let mut removed = [0_u32; Removal::ALL.len()];
        for (rank, row) in (0_u32..).zip(&self.rows) {
            let Some(verdict) = verdict_of(row) else { continue };
            let removal = match verdict.removal {
                None if row.fits(&needs) => {
                    // The sum of all terms: each is far inside its type.
                    let score = verdict
                        .fixed
                        .wrapping_add(row.capacity)
                        .wrapping_add(priority_term(urgency, row.cpu_share));
                    if score > best.bar {
                        best.take(score, rank);
                    }
                    continue;
                }
                None => row.not_now(&needs),
                Some(removal) => removal,
            };
            if let Some(count) = removed.get_mut(removal as usize) {
                *count = count.wrapping_add(1);
            }
        }
        let candidate = |rank: u32| {
            let rank = usize::try_from(rank).ok()?;
            let (name, row) = (self.names.get(rank)?, self.rows.get(rank)?);
            Some(Candidate { worker: name.clone(), terms: row.terms(ask, verdict_of(row)?) })
        };
        CandidateTable {
            candidates: best.rows.iter().filter_map(|(_, rank)| candidate(*rank)).collect(),
            removed: Removal::ALL.into_iter().zip(removed).filter(|(_, count)| *count > 0).collect(),
        }
    }
}

impl Fabric {
    /// Makes the boards that a changed offer has thrown away anew. Offers come
    /// before intake in a beat; from there to its end all boards are there.
    pub(crate) fn refresh_boards(&mut self) {
        let missing: Vec<Name> = self
            .index
            .workers
            .keys()
            .filter(|shard| !self.index.boards.contains_key(*shard))
            .cloned()
            .collect();
        for shard in missing {
            let board = Board::new(self.workers_of(&shard), self.tuning(&shard));
            self.index.boards.insert(shard, Arc::new(board));
        }
    }

    /// The workers of a shard, ascending by name.
    pub(crate) fn workers_of<'a>(
        &'a self,
        shard: &Name,
    ) -> impl Iterator<Item = (&'a Name, &'a Worker)> + Clone + use<'a> {
        let names = self.index.workers.get(shard).into_iter().flatten();
        names.filter_map(|name| self.workers.get(name).map(|worker| (name, worker)))
    }

    /// The digest of a shard's workers as they are now; see [`crate::routing`].
    #[must_use]
    pub fn roster_digest(&self, shard: &Name) -> Hash {
        let offers = match self.index.boards.get(shard) {
            Some(board) => board.offers,
            None => offers_digest(self.workers_of(shard).map(|(_, worker)| &worker.offer)),
        };
        let mut bytes = offers.0.to_vec();
        append(&mut bytes, &self.tuning(shard));
        for (_, worker) in self.workers_of(shard) {
            append(&mut bytes, &(worker.is_healthy, worker.is_open, worker.running));
            append(&mut bytes, &(worker.cpu_milli, worker.memory_mib, &worker.gpu_free_milli));
        }
        Hash::of(tags::ROSTER, &bytes)
    }

    /// Changes a worker's load or health and keeps its shard's board true.
    pub(crate) fn change_worker<R>(
        &mut self,
        name: &Name,
        change: impl FnOnce(&mut Worker) -> R,
    ) -> Option<R> {
        let worker = self.workers.get_mut(name)?;
        let result = change(worker);
        if let Some(board) = self.index.boards.get_mut(&worker.offer.region) {
            Board::update(board, name, worker);
        }
        Some(result)
    }

    /// [`Fabric::table`] without all but the first `len_max` candidates.
    pub(crate) fn shortlist(&self, shard: &Name, ask: &Ask<'_>, len_max: usize) -> CandidateTable {
        let Some(board) = self.index.boards.get(shard) else {
            let mut table = self.table(shard, ask);
            table.candidates.truncate(len_max);
            return table;
        };
        board.shortlist(ask, self.latency(ask.home, shard), len_max)
    }

    /// Whether an open worker of `shard` could ever do it, whatever is free.
    pub(crate) fn could_ever(&self, shard: &Name, ask: &Ask<'_>) -> bool {
        let latency_ms = self.latency(ask.home, shard);
        match self.index.boards.get(shard) {
            Some(board) => board.could_ever(ask, latency_ms),
            None => self
                .workers_of(shard)
                .any(|(_, worker)| worker.is_open && ask.never(&worker.offer, latency_ms).is_none()),
        }
    }
}
