//! Which worker a job goes to: filters first, then an integer sum of named
//! terms, ties by name.

use crate::{
    Fabric,
    state::{Worker, affordable},
};
use phalanx_types::{
    GpuRequest, Hash, JobSpec, MicroUnits, Name, Resources, WorkerOffer, job::WorkloadType, receipt::Field,
    resources::GPU_MILLI, tags,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One thousand: the scale of every term.
const SCALE: i64 = 1_000;
/// Candidates that a receipt names besides the winner.
pub(crate) const RUNNERS_UP: usize = 7;

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

/// The terms of a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Free weighted capacity: capacity · 1000 · free slots / slots.
    pub capacity: i64,
    /// Skill match: 1000 · asked skills / capabilities; a specialist is kept
    /// for its speciality. With no skills asked: 1000 / (1 + capabilities).
    pub skills: i64,
    /// Agreed latency against budget: 1000 · (budget − latency) / budget,
    /// at least −1000.
    pub latency: i64,
    /// Priority: urgent jobs go where the most CPU is free, others fill up:
    /// 1000 · (2·priority − 255) / 255 · free CPU / CPU.
    pub priority: i64,
}

impl Terms {
    /// The score: the sum.
    #[must_use]
    pub const fn total(&self) -> i64 {
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

    /// Digest of the whole table: SHA3-256(tag CANDIDATES ‖ 00 ‖ for each
    /// candidate, best first: name length as u32 little-endian ‖ name ‖ score as
    /// i64 little-endian).
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut bytes = Vec::with_capacity(self.candidates.len().saturating_mul(32));
        for candidate in &self.candidates {
            let name = candidate.worker.as_str().as_bytes();
            bytes.extend_from_slice(&u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&candidate.terms.total().to_le_bytes());
        }
        Hash::of(tags::CANDIDATES, &bytes)
    }

    /// The winner and the next seven, as a receipt shows them.
    pub(crate) fn shown(&self) -> Field {
        let row = |c: &Candidate| {
            Field::Map(BTreeMap::from([
                ("capacity".to_owned(), Field::i64(c.terms.capacity)),
                ("latency".to_owned(), Field::i64(c.terms.latency)),
                ("priority".to_owned(), Field::i64(c.terms.priority)),
                ("score".to_owned(), Field::i64(c.terms.total())),
                ("skills".to_owned(), Field::i64(c.terms.skills)),
                ("worker".to_owned(), Field::text(&c.worker)),
            ]))
        };
        Field::List(self.candidates.iter().take(RUNNERS_UP.saturating_add(1)).map(row).collect())
    }

    /// The counts by reason, as a receipt shows them.
    pub(crate) fn shown_removals(&self) -> Field {
        Field::Map(self.removed.iter().map(|(r, n)| (r.code().to_owned(), Field::u32(*n))).collect())
    }
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
    /// Why the worker could never do it, whatever is free.
    pub(crate) fn never(&self, offer: &WorkerOffer) -> Option<Removal> {
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
        } else {
            None
        }
    }

    /// Why the worker cannot take it now.
    pub(crate) fn not_now(&self, worker: &Worker) -> Option<Removal> {
        let offer = &worker.offer;
        let Resources { cpu_milli, memory_mib, gpu } = *self.resources;
        if !worker.is_open {
            Some(Removal::Closed)
        } else if !worker.is_healthy {
            Some(Removal::Unhealthy)
        } else if self.needs_slot && worker.running >= offer.max_concurrency {
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

    fn terms(&self, worker: &Worker, latency_ms: u32) -> Terms {
        let offer = &worker.offer;
        let share = |part: u64, whole: u64| {
            let scaled = part.saturating_mul(1_000).checked_div(whole).unwrap_or(0);
            i64::try_from(scaled).unwrap_or(i64::MAX)
        };
        let free_slots = offer.max_concurrency.saturating_sub(worker.running);
        let free_cpu = offer.resources.cpu_milli.saturating_sub(worker.cpu_milli);
        let capabilities = offer.capabilities.len() as u64;
        let budget = i64::from(self.latency_budget_ms.max(1));
        let slack = budget.saturating_sub(i64::from(latency_ms)).saturating_mul(SCALE);
        let urgency = i64::from(self.priority).saturating_mul(2).saturating_sub(255);
        let cpu_share = share(free_cpu.into(), offer.resources.cpu_milli.into());
        Terms {
            capacity: i64::from(offer.capacity)
                .saturating_mul(share(free_slots.into(), offer.max_concurrency.into())),
            skills: if self.skills.is_empty() {
                share(1, capabilities.saturating_add(1))
            } else {
                share(self.skills.len() as u64, capabilities)
            },
            latency: slack.checked_div(budget).unwrap_or(0).max(-SCALE),
            priority: urgency.saturating_mul(cpu_share).checked_div(255).unwrap_or(0),
        }
    }
}

impl Fabric {
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
        let too_far = ask.is_interactive && latency_ms > ask.latency_budget_ms;
        for name in self.index.workers.get(shard).into_iter().flatten() {
            let Some(worker) = self.workers.get(name) else { continue };
            let removal = ask
                .never(&worker.offer)
                .or(if too_far { Some(Removal::Latency) } else { None })
                .or_else(|| ask.not_now(worker));
            match removal {
                Some(removal) => {
                    let count = table.removed.entry(removal).or_insert(0);
                    *count = count.saturating_add(1);
                }
                None => table
                    .candidates
                    .push(Candidate { worker: name.clone(), terms: ask.terms(worker, latency_ms) }),
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
        let mut reasons: BTreeMap<Removal, u32> = BTreeMap::new();
        for shard in self.reachable(ask.home) {
            let latency_ms = self.latency(ask.home, &shard);
            let too_far = ask.is_interactive && latency_ms > ask.latency_budget_ms;
            for name in self.index.workers.get(&shard).into_iter().flatten() {
                let Some(worker) = self.workers.get(name) else { continue };
                let removal = ask
                    .never(&worker.offer)
                    .or(if too_far { Some(Removal::Latency) } else { None })
                    .or(if worker.is_open { None } else { Some(Removal::Closed) });
                match removal {
                    None => return None,
                    Some(removal) => {
                        let count = reasons.entry(removal).or_insert(0);
                        *count = count.saturating_add(1);
                    }
                }
            }
        }
        if reasons.is_empty() {
            return Some("no worker is offered there".to_owned());
        }
        let parts: Vec<String> = reasons.iter().map(|(r, n)| format!("{n} by {}", r.code())).collect();
        Some(format!("removed {}", parts.join(", ")))
    }
}
