//! Which worker a job goes to: filters first, then an integer sum of named
//! terms, ties by name.
//!
//! This file is the definition. Decisions are made from a shard's board, which
//! gives the same and is faster.
//!
//! A receipt binds the whole table of its decision by a digest
//! (`docs/adr/001-table-digest.md`). The first decision of a beat in a shard
//! hashes the workers as they are then, the *roster*; each one hashes the digest
//! before it and its job:
//!
//! - `O = SHA3-256(tag OFFERS ‖ 00 ‖ offer…)`, the Borsh encodings of the offers
//!   of the shard's workers, ascending by name;
//! - `R = SHA3-256(tag ROSTER ‖ 00 ‖ O ‖ thermostat ‖ weight ‖ load…)`: the
//!   owner's thermostat and the shard's weight, in millionths, as u32; in the same
//!   order, of each worker: healthy and open as u8, running as u32, CPU and memory in use as u32,
//!   number of GPUs as u32, free thousandths of each as u16; all little-endian;
//! - `D₁ = SHA3-256(tag CANDIDATES ‖ 00 ‖ R ‖ job id ‖ latency budget ‖ latency)`
//!   and `Dᵢ` with `Dᵢ₋₁` in place of `R`; budget and latency, in ms, as u32
//!   little-endian.
//!
//! A decision changes the roster only by what its winner takes, which follows
//! from the job: so `Dᵢ` fixes the roster that decision i saw, and with it every
//! row of its table.

use crate::{
    Fabric,
    state::{FULL_PPM, Worker, affordable},
};
use borsh::BorshSerialize;
use phalanx_types::{
    GpuRequest, Hash, JobId, JobSpec, MicroUnits, Name, Resources, WorkerOffer,
    job::WorkloadType,
    receipt::{Field, Key},
    resources::GPU_MILLI,
    tags,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One thousand: the scale of every term.
const SCALE: i32 = 1_000;
/// Largest capacity term.
const CAPACITY_TERM_MAX: u64 = 1_000_000_000;
/// Candidates that a receipt names: the winner and the next seven.
pub(crate) const SHOWN: usize = 8;

/// Why a worker cannot take a job now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// It gives no signs of life.
    Unhealthy,
    /// It was withdrawn or revoked.
    Closed,
    /// It lacks a skill.
    Skill,
    /// It costs more than the budget.
    Budget,
    /// It has never so much CPU.
    CpuTotal,
    /// It has never so much memory.
    MemoryTotal,
    /// It has never such GPUs.
    GpuTotal,
    /// Somebody waits for this job, and it is too far away.
    Latency,
    /// All its slots are taken.
    Slots,
    /// Its CPU is taken.
    Cpu,
    /// Its memory is taken.
    Memory,
    /// Its GPUs are taken.
    Gpu,
}

impl Removal {
    /// All reasons, in their order.
    pub(crate) const ALL: [Self; 12] = [
        Self::Unhealthy,
        Self::Closed,
        Self::Skill,
        Self::Budget,
        Self::CpuTotal,
        Self::MemoryTotal,
        Self::GpuTotal,
        Self::Latency,
        Self::Slots,
        Self::Cpu,
        Self::Memory,
        Self::Gpu,
    ];

    /// A stable word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unhealthy => "unhealthy",
            Self::Closed => "closed",
            Self::Skill => "skill",
            Self::Budget => "budget",
            Self::CpuTotal => "cpu_total",
            Self::MemoryTotal => "memory_total",
            Self::GpuTotal => "gpu_total",
            Self::Latency => "latency",
            Self::Slots => "slots",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Gpu => "gpu",
        }
    }

    /// Whether waiting can help.
    #[must_use]
    pub const fn is_for_now(self) -> bool {
        matches!(self, Self::Unhealthy | Self::Slots | Self::Cpu | Self::Memory | Self::Gpu)
    }
}

/// The terms of a score. Their sum is inside its type: a capacity term is at most
/// a thousand million, every other one a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Free weighted capacity: capacity · 1000 · free slots / slots, times the
    /// shard's weight; at most 10^9.
    pub capacity: i32,
    /// Skill match: 1000 · asked skills / capabilities; a specialist is kept
    /// for its speciality. With no skills asked: 1000 / (1 + capabilities).
    pub skills: i32,
    /// Agreed latency against budget: 1000 · (budget − latency) / budget,
    /// at least −1000; the latency is the agreed one from the job's region to
    /// the worker's, plus the worker's own window.
    pub latency: i32,
    /// Priority: urgent jobs go where the most CPU is free, others fill up:
    /// 1000 · (2·priority − 255) / 255 · free CPU / CPU.
    pub priority: i32,
}

impl Terms {
    /// The score: the sum.
    #[must_use]
    pub const fn total(&self) -> i32 {
        self.capacity.saturating_add(self.skills).saturating_add(self.latency).saturating_add(self.priority)
    }
}

/// A worker that could take the job now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The worker.
    pub worker: Name,
    /// Its terms.
    pub terms: Terms,
}

/// All workers of a shard as one job sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Who could take it now, best first.
    pub candidates: Vec<Candidate>,
    /// How many were removed, by reason.
    pub removed: BTreeMap<Removal, u32>,
}

impl Table {
    /// The winner.
    #[must_use]
    pub fn winner(&self) -> Option<&Candidate> {
        self.candidates.first()
    }

    /// Whether a removed worker could take the job later.
    #[must_use]
    pub fn is_possible_later(&self) -> bool {
        self.removed.keys().any(|removal| removal.is_for_now())
    }

    /// The winner and the next seven, as a receipt shows them.
    pub(crate) fn shown(&self) -> Field {
        let row = |c: &Candidate| {
            let term = |term: i32| Field::Number(term.into());
            Field::Map(BTreeMap::from([
                (Key::Borrowed("capacity"), term(c.terms.capacity)),
                (Key::Borrowed("latency"), term(c.terms.latency)),
                (Key::Borrowed("priority"), term(c.terms.priority)),
                (Key::Borrowed("score"), term(c.terms.total())),
                (Key::Borrowed("skills"), term(c.terms.skills)),
                (Key::Borrowed("worker"), Field::Text(c.worker.as_str().to_owned())),
            ]))
        };
        Field::List(self.candidates.iter().take(SHOWN).map(row).collect())
    }

    /// The counts by reason, as a receipt shows them.
    pub(crate) fn shown_removals(&self) -> Field {
        Field::Map(self.removed.iter().map(|(r, n)| (Key::Borrowed(r.code()), Field::u32(*n))).collect())
    }
}

/// The digest of a decision's table: `before` is the digest of the decision
/// before it in the same beat and shard, or the roster's; see the module.
#[must_use]
pub fn table_digest(before: &Hash, job: &JobId, latency_budget_ms: u32, latency_ms: u32) -> Hash {
    let numbers = [latency_budget_ms.to_le_bytes(), latency_ms.to_le_bytes()];
    Hash::of_parts(tags::CANDIDATES, &[&before.0, &job.0, numbers.as_flattened()])
}

/// `1000 · part / whole`, of a part that is no larger than the whole.
fn share(part: u32, whole: u32) -> i32 {
    let scaled = u64::from(part).saturating_mul(SCALE.unsigned_abs().into());
    i32::try_from(scaled.checked_div(whole.into()).unwrap_or(0)).unwrap_or(i32::MAX)
}

/// What the owner has turned in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize)]
pub(crate) struct Tuning {
    /// How much of each worker's slots assignment may fill, in millionths.
    pub thermostat_ppm: u32,
    /// How much free capacity counts, in millionths.
    pub weight_ppm: u32,
}

/// The millionths of a value, rounded down.
fn scaled(value: u64, ppm: u32) -> u64 {
    value.saturating_mul(ppm.into()).checked_div(FULL_PPM.into()).unwrap_or(0)
}

pub(crate) fn has_slot(worker: &Worker, tuning: Tuning) -> bool {
    // A worker that has slots at all has one.
    let slots = scaled(worker.offer.max_concurrency.into(), tuning.thermostat_ppm).max(1);
    u64::from(worker.running) < slots.min(worker.offer.max_concurrency.into())
}

/// See [`Terms::capacity`].
pub(crate) fn capacity_term(worker: &Worker, tuning: Tuning) -> i32 {
    let slots = worker.offer.max_concurrency;
    let free_share = share(slots.saturating_sub(worker.running), slots);
    let term = u64::from(worker.offer.capacity).saturating_mul(free_share.unsigned_abs().into());
    i32::try_from(scaled(term, tuning.weight_ppm).min(CAPACITY_TERM_MAX)).unwrap_or(i32::MAX)
}

/// The free share of a worker's CPU, in thousandths.
pub(crate) fn cpu_share(worker: &Worker) -> i32 {
    let all = worker.offer.resources.cpu_milli;
    share(all.saturating_sub(worker.cpu_milli), all)
}

/// See [`Terms::priority`]; `cpu_share` is in thousandths, so that the product
/// is far inside its type.
#[inline]
pub(crate) const fn priority_term(urgency: i32, cpu_share: i32) -> i32 {
    urgency.wrapping_mul(cpu_share).wrapping_div(255)
}

/// Whether these GPUs, all free, could ever serve the request.
const fn gpus_suffice(gpus: u16, request: GpuRequest) -> bool {
    match request {
        GpuRequest::None => true,
        GpuRequest::Shared { .. } => gpus >= 1,
        GpuRequest::Whole { count } => gpus >= count,
    }
}

/// The GPUs that a request gets: for a share, the one with the least room that
/// still fits, so that whole ones stay whole; for whole ones, the first free.
pub(crate) fn pick_gpus(free: &[u16], request: GpuRequest) -> Option<Vec<(u16, u16)>> {
    let numbered = || (0_u16..).zip(free.iter().copied());
    match request {
        GpuRequest::None => Some(Vec::new()),
        GpuRequest::Shared { milli } => numbered()
            .filter(|(_, room)| *room >= milli)
            .min_by_key(|(at, room)| (*room, *at))
            .map(|(at, _)| vec![(at, milli)]),
        GpuRequest::Whole { count } => {
            let whole: Vec<(u16, u16)> = numbered()
                .filter(|(_, room)| *room == GPU_MILLI)
                .take(usize::from(count))
                .map(|(at, _)| (at, GPU_MILLI))
                .collect();
            if whole.len() == usize::from(count) { Some(whole) } else { None }
        }
    }
}

/// What a job or agent asks of a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub skills: &'a BTreeSet<Name>,
    pub resources: &'a Resources,
    pub budget: MicroUnits,
    pub priority: u8,
    pub needs_slot: bool,
    pub is_interactive: bool,
    pub home: &'a Name,
    pub latency_budget_ms: u32,
}

impl Ask<'_> {
    /// Why a worker with this offer could never do it, whatever is free;
    /// `latency_ms` is the agreed one from the work's home to the worker's region.
    pub(crate) fn never(&self, offer: &WorkerOffer, latency_ms: u32) -> Option<Removal> {
        let Resources { cpu_milli, memory_mib, gpu } = *self.resources;
        if !self.skills.is_subset(&offer.capabilities) {
            Some(Removal::Skill)
        } else if !affordable(offer.price, self.budget) {
            Some(Removal::Budget)
        } else if cpu_milli > offer.resources.cpu_milli {
            Some(Removal::CpuTotal)
        } else if memory_mib > offer.resources.memory_mib {
            Some(Removal::MemoryTotal)
        } else if !gpus_suffice(offer.resources.gpus, gpu) {
            Some(Removal::GpuTotal)
        } else if self.is_interactive
            && latency_ms.saturating_add(offer.latency_window_ms) > self.latency_budget_ms
        {
            // Somebody waits for it, and the worker is too far away.
            Some(Removal::Latency)
        } else {
            None
        }
    }

    /// Why the worker cannot take it now.
    pub(crate) fn not_now(&self, worker: &Worker, tuning: Tuning) -> Option<Removal> {
        let offer = &worker.offer;
        let Resources { cpu_milli, memory_mib, gpu } = *self.resources;
        if !worker.is_open {
            Some(Removal::Closed)
        } else if !worker.is_healthy {
            Some(Removal::Unhealthy)
        } else if self.needs_slot && !has_slot(worker, tuning) {
            Some(Removal::Slots)
        } else if cpu_milli > offer.resources.cpu_milli.saturating_sub(worker.cpu_milli) {
            Some(Removal::Cpu)
        } else if memory_mib > offer.resources.memory_mib.saturating_sub(worker.memory_mib) {
            Some(Removal::Memory)
        } else if pick_gpus(&worker.gpu_free_milli, gpu).is_none() {
            Some(Removal::Gpu)
        } else {
            None
        }
    }

    /// See [`Terms::skills`].
    pub(crate) fn skills_term(&self, offer: &WorkerOffer) -> i32 {
        let count = |set: &BTreeSet<Name>| u32::try_from(set.len()).unwrap_or(u32::MAX);
        let capabilities = count(&offer.capabilities);
        if self.skills.is_empty() {
            share(1, capabilities.saturating_add(1))
        } else {
            share(count(self.skills), capabilities)
        }
    }

    /// See [`Terms::latency`].
    pub(crate) fn latency_term(&self, offer: &WorkerOffer, latency_ms: u32) -> i32 {
        let budget = i64::from(self.latency_budget_ms.max(1));
        let latency_ms = i64::from(latency_ms.saturating_add(offer.latency_window_ms));
        let slack = budget.saturating_sub(latency_ms).saturating_mul(SCALE.into());
        let least = i64::from(SCALE).saturating_neg();
        i32::try_from(slack.checked_div(budget).unwrap_or(0).max(least)).unwrap_or(SCALE)
    }

    /// From −255 for the lowest priority to 255 for the highest.
    pub(crate) fn urgency(&self) -> i32 {
        i32::from(self.priority).saturating_mul(2).saturating_sub(255)
    }

    fn terms(&self, worker: &Worker, latency_ms: u32, tuning: Tuning) -> Terms {
        Terms {
            capacity: capacity_term(worker, tuning),
            skills: self.skills_term(&worker.offer),
            latency: self.latency_term(&worker.offer, latency_ms),
            priority: priority_term(self.urgency(), cpu_share(worker)),
        }
    }
}

impl Fabric {
    /// What the owner has turned in a shard.
    pub(crate) fn tuning(&self, shard: &Name) -> Tuning {
        Tuning {
            thermostat_ppm: self.settings.thermostat_ppm,
            weight_ppm: self.shards.get(shard).map_or(FULL_PPM, |s| s.weight_ppm),
        }
    }

    /// What a job asks for, seen from its home shard.
    pub(crate) fn ask<'a>(&self, spec: &'a JobSpec) -> Ask<'a> {
        Ask {
            skills: &spec.skills,
            resources: &spec.resources,
            budget: spec.budget,
            priority: spec.priority,
            needs_slot: true,
            is_interactive: spec.workload == WorkloadType::Interactive,
            home: &spec.region,
            latency_budget_ms: self.shards.get(&spec.region).map_or(1, |s| s.spec.latency_budget_ms),
        }
    }

    /// How the workers of `shard` look to `ask`.
    pub(crate) fn table(&self, shard: &Name, ask: &Ask<'_>) -> Table {
        let mut table = Table::default();
        let latency_ms = self.latency(ask.home, shard);
        let tuning = self.tuning(shard);
        for (name, worker) in self.workers_of(shard) {
            let removal = ask.never(&worker.offer, latency_ms).or_else(|| ask.not_now(worker, tuning));
            match removal {
                Some(removal) => {
                    let count = table.removed.entry(removal).or_insert(0);
                    *count = count.saturating_add(1);
                }
                None => table
                    .candidates
                    .push(Candidate { worker: name.clone(), terms: ask.terms(worker, latency_ms, tuning) }),
            }
        }
        table
            .candidates
            .sort_by(|a, b| b.terms.total().cmp(&a.terms.total()).then_with(|| a.worker.cmp(&b.worker)));
        table
    }

    /// The shards that a job of `home` may reach: home, then breadth first along
    /// spillover rules, within the hops allowed.
    pub(crate) fn reachable(&self, home: &Name) -> Vec<Name> {
        let mut reached = vec![home.clone()];
        let mut ring = vec![home.clone()];
        for _ in 0..self.settings.params.spillover_hops_max {
            let mut next = Vec::new();
            for shard in ring.iter().filter_map(|name| self.shards.get(name)) {
                for to in &shard.spec.spillover {
                    if !reached.contains(to) {
                        reached.push(to.clone());
                        next.push(to.clone());
                    }
                }
            }
            ring = next;
        }
        reached
    }

    /// Why no reachable worker could ever do it; none when one could.
    pub(crate) fn impossible(&self, ask: &Ask<'_>) -> Option<String> {
        if self.could_ever(ask.home, ask) {
            return None;
        }
        let reachable = self.reachable(ask.home);
        if reachable.iter().any(|shard| self.could_ever(shard, ask)) {
            return None;
        }
        let mut reasons: BTreeMap<Removal, u32> = BTreeMap::new();
        for shard in reachable {
            let latency_ms = self.latency(ask.home, &shard);
            for (_, worker) in self.workers_of(&shard) {
                let removal = ask.never(&worker.offer, latency_ms).unwrap_or(Removal::Closed);
                let count = reasons.entry(removal).or_insert(0);
                *count = count.saturating_add(1);
            }
        }
        if reasons.is_empty() {
            return Some("no worker is offered there".to_owned());
        }
        let parts: Vec<String> = reasons.iter().map(|(r, n)| format!("{n} by {}", r.code())).collect();
        Some(format!("removed {}", parts.join(", ")))
    }
}
