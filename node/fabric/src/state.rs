//! The agreed state: tables that are entries, and indexes derived from them.

use crate::{
    board::Board,
    chain::ChainCursor,
    openings::Bounds,
    policies::Declared,
    table::{LoadError, Table},
};
use borsh::{BorshDeserialize, BorshSerialize};
use imbl::{OrdMap, OrdSet};
use phalanx_geometry::Mean;
use phalanx_types::{
    AgentId, AgentSpec, Hash, Height, JobId, JobSpec, LedgerMark, MicroUnits, Name, Observation, Outcome,
    Params, PublicKey, RegisteredSet, TimeMs, Validator, ValidatorSet, WorkerOffer,
    agent::{AgentSeed, Position},
    evidence::Fault,
    params::{Mode, Verification},
    resources::{Resources, WorkerResources},
    shard::ShardSpec,
    state::{Column, StateChange},
    tenant::Tenant,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What there is one of.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Settings {
    pub mesh: Hash,
    pub owner: PublicKey,
    /// How far the owner's contract was obeyed; none without a chain.
    pub chain: Option<ChainCursor>,
    pub params: Params,
    pub mode: Mode,
    pub verification: Verification,
    pub policy_version: u64,
    /// Whose signatures checkpoints ask for.
    pub registered: RegisteredSet,
    pub is_paused: bool,
    /// How much of each worker's slots assignment may fill, in millionths.
    pub thermostat_ppm: u32,
    pub height: Height,
    pub time: TimeMs,
    /// How long time has stood still in all. Deadlines, leases and signs of life
    /// are kept in *mesh time*: header time less this.
    pub shift_ms: u64,
    /// Where the ledger ended before the last beat.
    pub ledger: LedgerMark,
    /// Numbers jobs in the order of their acceptance, and ended jobs in theirs.
    pub arrivals: u64,
    /// The agent that the last checkpoint looked at last.
    pub patrol: AgentId,
    /// Number of all actions of agents.
    pub actions: u64,
    /// The set that decides the next height.
    pub next_set: ValidatorSet,
    /// The set that decided the last height: who should have proposed it.
    pub last_set: ValidatorSet,
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Shard {
    /// Its settings.
    pub spec: ShardSpec,
    /// Whether the owner paused it.
    pub is_paused: bool,
    /// How much free capacity counts in its scores, in millionths.
    pub weight_ppm: u32,
}

/// The whole, in millionths.
pub(crate) const FULL_PPM: u32 = 1_000_000;

impl Shard {
    /// One that the owner has turned nothing in.
    pub(crate) fn new(spec: ShardSpec) -> Self {
        Self { spec, is_paused: false, weight_ppm: FULL_PPM }
    }
}

/// A tenant and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct TenantState {
    /// Keys and quota.
    pub tenant: Tenant,
    /// Jobs waiting or running.
    pub jobs: u32,
    /// Agents alive.
    pub agents: u32,
    /// CPU they ask for, in thousandths of a core.
    pub cpu_milli: u64,
    /// Memory they ask for, in MiB.
    pub memory_mib: u64,
    /// GPUs they ask for, in thousandths.
    pub gpu_milli: u64,
}

impl TenantState {
    /// One that holds nothing.
    pub(crate) const fn new(tenant: Tenant) -> Self {
        Self { tenant, jobs: 0, agents: 0, cpu_milli: 0, memory_mib: 0, gpu_milli: 0 }
    }
}

/// A worker in the marketplace.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Worker {
    /// What it offers.
    pub offer: WorkerOffer,
    /// The key that signs for it.
    pub host: PublicKey,
    /// Whether its signs of life come in time.
    pub is_healthy: bool,
    /// Whether it takes new work: false once it was withdrawn or revoked.
    pub is_open: bool,
    /// Mesh time of its last sign of life.
    pub last_seen: TimeMs,
    /// Attempts running on it.
    pub running: u32,
    /// CPU in use, in thousandths of a core.
    pub cpu_milli: u32,
    /// Memory in use, in MiB.
    pub memory_mib: u32,
    /// Free thousandths of each of its GPUs.
    pub gpu_free_milli: Vec<u16>,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// An attempt exited with 0.
    Succeeded,
    /// The last attempt failed and no retry was left.
    Failed,
    /// Its deadline passed.
    Expired,
    /// Its tenant gave it up.
    Cancelled,
    /// It was to run once, was started, and nobody knows how that ended.
    Unknown,
}

impl EndState {
    /// A stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            EndState::Succeeded => "succeeded",
            EndState::Failed => "failed",
            EndState::Expired => "expired",
            EndState::Cancelled => "cancelled",
            EndState::Unknown => "unknown",
        }
    }
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits in its shard's queue.
    Queued,
    /// Its current attempt is on a worker.
    Running {
        /// The worker.
        worker: Name,
        /// The GPUs it has there, and how many thousandths of each.
        gpus: Vec<(u16, u16)>,
        /// Mesh time of the assignment.
        since: TimeMs,
    },
    /// It is over.
    Ended {
        /// How.
        state: EndState,
        /// Outcome of the last attempt, if there was one.
        outcome: Option<Outcome>,
        /// Mesh time of the end.
        at: TimeMs,
        /// Place among ended jobs.
        order: u64,
    },
}

impl Phase {
    /// A stable word: `queued`, `running`, or how it ended.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running { .. } => "running",
            Self::Ended { state, .. } => state.word(),
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Job {
    /// What was asked for.
    pub spec: JobSpec,
    /// Hash of the envelope that brought it.
    pub envelope: Hash,
    /// Trace id of that envelope.
    pub trace_id: Option<[u8; 16]>,
    /// Place among accepted jobs.
    pub order: u64,
    /// Mesh time of its acceptance.
    pub accepted: TimeMs,
    /// Mesh time by which it must have ended.
    pub deadline: Option<TimeMs>,
    /// The shard it is in.
    pub shard: Name,
    /// The shards it has been in, the first first.
    pub visited: Vec<Name>,
    /// Number of the current or last attempt; 0 before the first.
    pub attempt: u32,
    /// Retries left.
    pub retries_left: u8,
    /// Where it is.
    pub phase: Phase,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Agent {
    /// As it was spawned, less what has told where.
    pub spec: AgentSpec,
    /// Where it is.
    pub position: Position,
    /// Where it is going, if it is on its way.
    pub course: Option<Position>,
    /// Mesh time at which somebody last told that it was of use.
    pub last_used: TimeMs,
    /// Looks in succession at which it was where it must not be, with no way back.
    pub strays: u8,
    /// The worker it lives on.
    pub worker: Name,
    /// The GPUs it has there, and how many thousandths of each.
    pub gpus: Vec<(u16, u16)>,
    /// Number of actions on it, from 0 at its spawn.
    pub nonce: u64,
    /// Its slot in the agents tree.
    pub slot: u32,
}

/// An action of an agent since the last checkpoint: what its leaf in the audit tree is
/// made of.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Recorded {
    pub agent: AgentId,
    pub tenant: Name,
    /// The policy that the agent names.
    pub policy: Name,
    /// Root of all that binds it, as it was decided under.
    pub policy_root: Hash,
    pub seed: AgentSeed,
    pub resources: Resources,
    /// Actions on the agent before it.
    pub nonce: u64,
    pub before: Position,
    pub after: Position,
    /// What the agent's worker has in all.
    pub worker: WorkerResources,
    pub beat: Height,
}

/// A validator's place in agreed state.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct ValidatorState {
    /// Its entry.
    pub entry: Validator,
    /// Whether it was convicted and does not vote.
    pub is_quarantined: bool,
    /// Why it was convicted, while too few would be left to decide without it.
    pub convicted: Option<String>,
    /// The last height at which it missed its turn to propose, until a vote of
    /// it is seen.
    pub missed: Option<Height>,
}

/// Which envelope numbers of a sender were used.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Window {
    /// The highest number used, plus one.
    pub next: u64,
    /// Bit i of the whole: whether the number next − 1 − i was used.
    pub used: [u64; 16],
}

/// A peer by the owner's word.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Peer {
    pub label: Option<Name>,
    pub banned_until: TimeMs,
}

/// The agreed state. Clones are cheap: they share what they have in common.
#[derive(Clone, Debug)]
pub struct Fabric {
    pub(crate) settings: Settings,
    pub(crate) settings_table: Table<u8, Settings>,
    pub(crate) shards: Table<Name, Shard>,
    pub(crate) tenants: Table<Name, TenantState>,
    pub(crate) windows: Table<PublicKey, Window>,
    pub(crate) approvals: Table<Name, PublicKey>,
    pub(crate) workers: Table<Name, Worker>,
    pub(crate) jobs: Table<JobId, Job>,
    pub(crate) agents: Table<AgentId, Agent>,
    pub(crate) latencies: Table<(Name, Name), u32>,
    pub(crate) measurements: Table<(Name, Name, PublicKey), u32>,
    pub(crate) validators: Table<PublicKey, ValidatorState>,
    pub(crate) sets: Table<Height, ValidatorSet>,
    pub(crate) convictions: Table<Hash, Height>,
    /// What an accuser saw, by accuser, offender, fault and height.
    pub(crate) accusations: Table<(PublicKey, PublicKey, Fault, Height), Hash>,
    pub(crate) peers: Table<PublicKey, Peer>,
    /// The owner's policies by name.
    pub(crate) policies: Table<Name, Declared>,
    /// What validators see of commands that were not applied yet.
    pub(crate) observations: Table<(u64, PublicKey), Observation>,
    /// Places of regions by name, and the focus.
    pub(crate) places: Table<String, Position>,
    /// Actions since the last checkpoint, by number.
    pub(crate) actions: Table<u64, Recorded>,
    // Derived.
    pub(crate) index: Index,
    pub(crate) bounds: Bounds,
    pub(crate) next_set: Arc<ValidatorSet>,
    /// Whose votes the parent's certificate has, while a beat is applied; else empty.
    pub(crate) voted: BTreeSet<PublicKey>,
}

/// What is derived from the tables, to find things fast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// Waiting jobs of each shard that has any: (255 − priority, order).
    pub queues: OrdMap<Name, OrdSet<(u8, u64)>>,
    /// Running jobs of each worker that has any, by their order.
    pub running: OrdMap<Name, OrdSet<u64>>,
    /// Agents of each worker that has any.
    pub agents: OrdMap<Name, OrdSet<AgentId>>,
    /// The mean of the places of agents of each tenant and region that have any.
    pub agent_means: OrdMap<(Name, Name), Mean>,
    /// Agents that are on their way.
    pub moving: OrdSet<AgentId>,
    /// Slots that no agent has, below one that has an agent.
    pub free_slots: OrdSet<u32>,
    /// Workers of each shard that has any.
    pub workers: OrdMap<Name, OrdSet<Name>>,
    /// The same, laid out for routing. Thrown away when an offer changes.
    pub boards: OrdMap<Name, Arc<Board>>,
    /// Deadlines of jobs that have not ended, and their order.
    pub deadlines: OrdSet<(TimeMs, u64)>,
    /// Ended jobs in the order of their end, by their order of acceptance.
    pub ended: OrdMap<u64, u64>,
    /// Keys that may sign anything at all, and how many roles each has.
    pub senders: OrdMap<PublicKey, u32>,
}

impl Fabric {
    pub(crate) fn empty(settings: Settings) -> Self {
        let next_set = Arc::new(settings.next_set.clone());
        Self {
            settings,
            settings_table: Table::new(0),
            shards: Table::new(1),
            tenants: Table::new(2),
            windows: Table::new(3),
            approvals: Table::new(4),
            workers: Table::new(5),
            jobs: Table::placed(6, |job| Some(job.order)),
            agents: Table::new(7),
            latencies: Table::new(8),
            measurements: Table::new(9),
            validators: Table::new(10),
            sets: Table::new(11),
            convictions: Table::new(12),
            accusations: Table::new(13),
            peers: Table::new(14),
            policies: Table::new(15),
            observations: Table::new(16),
            places: Table::new(17),
            actions: Table::new(18),
            bounds: Bounds::default(),
            voted: BTreeSet::new(),
            index: Index::default(),
            next_set,
        }
    }

    /// The changed entries since the last call, ascending.
    pub(crate) fn drain(&mut self) -> Vec<StateChange> {
        if self.settings_table.get(&0) != Some(&self.settings) {
            self.settings_table.insert(0, self.settings.clone());
        }
        let mut changes = Vec::new();
        self.settings_table.drain(&mut changes);
        self.shards.drain(&mut changes);
        self.tenants.drain(&mut changes);
        self.windows.drain(&mut changes);
        self.approvals.drain(&mut changes);
        self.workers.drain(&mut changes);
        self.jobs.drain(&mut changes);
        self.agents.drain(&mut changes);
        self.latencies.drain(&mut changes);
        self.measurements.drain(&mut changes);
        self.validators.drain(&mut changes);
        self.sets.drain(&mut changes);
        self.convictions.drain(&mut changes);
        self.accusations.drain(&mut changes);
        self.peers.drain(&mut changes);
        self.policies.drain(&mut changes);
        self.observations.drain(&mut changes);
        self.places.drain(&mut changes);
        self.actions.drain(&mut changes);
        changes
    }

    /// Number of entries.
    #[must_use]
    pub fn entries_len(&self) -> usize {
        [
            self.settings_table.len(),
            self.shards.len(),
            self.tenants.len(),
            self.windows.len(),
            self.approvals.len(),
            self.workers.len(),
            self.jobs.len(),
            self.agents.len(),
            self.latencies.len(),
            self.measurements.len(),
            self.validators.len(),
            self.sets.len(),
            self.convictions.len(),
            self.accusations.len(),
            self.peers.len(),
            self.policies.len(),
            self.observations.len(),
            self.places.len(),
            self.actions.len(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// All entries, ascending by table.
    #[must_use]
    pub fn entries(&self) -> Vec<(Column, Vec<u8>, Vec<u8>)> {
        [
            self.settings_table.entries(),
            self.shards.entries(),
            self.tenants.entries(),
            self.windows.entries(),
            self.approvals.entries(),
            self.workers.entries(),
            self.jobs.entries(),
            self.agents.entries(),
            self.latencies.entries(),
            self.measurements.entries(),
            self.validators.entries(),
            self.sets.entries(),
            self.convictions.entries(),
            self.accusations.entries(),
            self.peers.entries(),
            self.policies.entries(),
            self.observations.entries(),
            self.places.entries(),
            self.actions.entries(),
        ]
        .concat()
    }

    /// The state that wrote these entries (F2).
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(entries: impl IntoIterator<Item = (Column, Vec<u8>, Vec<u8>)>) -> Result<Self, LoadError> {
        let mut by_column: BTreeMap<u8, Vec<(Vec<u8>, Vec<u8>)>> = BTreeMap::new();
        for (column, key, value) in entries {
            by_column.entry(column.0).or_default().push((key, value));
        }
        let mut settings: Table<u8, Settings> = Table::new(0);
        for (key, value) in by_column.remove(&0).unwrap_or_default() {
            settings.load(&key, &value)?;
        }
        let mut fabric = Self::empty(settings.get(&0).cloned().ok_or(LoadError::Settings)?);
        fabric.settings_table = settings;
        for (column, rows) in by_column {
            for (key, value) in rows {
                match column {
                    1 => fabric.shards.load(&key, &value)?,
                    2 => fabric.tenants.load(&key, &value)?,
                    3 => fabric.windows.load(&key, &value)?,
                    4 => fabric.approvals.load(&key, &value)?,
                    5 => fabric.workers.load(&key, &value)?,
                    6 => fabric.jobs.load(&key, &value)?,
                    7 => fabric.agents.load(&key, &value)?,
                    8 => fabric.latencies.load(&key, &value)?,
                    9 => fabric.measurements.load(&key, &value)?,
                    10 => fabric.validators.load(&key, &value)?,
                    11 => fabric.sets.load(&key, &value)?,
                    12 => fabric.convictions.load(&key, &value)?,
                    13 => fabric.accusations.load(&key, &value)?,
                    14 => fabric.peers.load(&key, &value)?,
                    15 => fabric.policies.load(&key, &value)?,
                    16 => fabric.observations.load(&key, &value)?,
                    17 => fabric.places.load(&key, &value)?,
                    18 => fabric.actions.load(&key, &value)?,
                    other => return Err(LoadError::Column(other)),
                }
            }
        }
        fabric.rebuild_index();
        Ok(fabric)
    }

    /// Derives the index from the tables.
    pub(crate) fn rebuild_index(&mut self) {
        let mut index = Index::default();
        for row in self.jobs.scattered() {
            index.add_job(&row.value);
        }
        let slots: OrdSet<u32> = self.agents.iter().map(|(_, agent)| agent.slot).collect();
        let slots_len = slots.get_max().map_or(0, |top| top.saturating_add(1));
        index.free_slots = (0..slots_len).filter(|slot| !slots.contains(slot)).collect();
        for (id, agent) in self.agents.iter() {
            index.agents.entry(agent.worker.clone()).or_default().insert(*id);
            if let Some(worker) = self.workers.get(&agent.worker) {
                index.weigh_agent(agent, &worker.offer.region, self.dimension(), true);
            }
            if agent.course.is_some() {
                index.moving.insert(*id);
            }
        }
        for (name, worker) in self.workers.iter() {
            index.workers.entry(worker.offer.region.clone()).or_default().insert(name.clone());
        }
        for tenant in self.tenants.iter().map(|(_, t)| t) {
            for key in &tenant.tenant.keys {
                index.add_sender(*key);
            }
        }
        for key in self.approvals.iter().map(|(_, key)| key) {
            index.add_sender(*key);
        }
        for key in self.validators.iter().map(|(key, _)| key) {
            index.add_sender(*key);
        }
        index.add_sender(self.settings.owner);
        self.index = index;
        self.refresh_boards();
    }

    /// Mesh time of a header time: less the time that stood still.
    pub(crate) const fn mesh_time(&self, time: TimeMs) -> TimeMs {
        time.saturating_sub(self.settings.shift_ms)
    }
}

impl Index {
    /// Takes a job in.
    pub(crate) fn add_job(&mut self, job: &Job) {
        self.enter(job);
        if let Some(deadline) = job.deadline
            && !matches!(job.phase, Phase::Ended { .. })
        {
            self.deadlines.insert((deadline, job.order));
        }
    }

    /// Puts a job where its phase says.
    pub(crate) fn enter(&mut self, job: &Job) {
        match &job.phase {
            Phase::Queued => {
                self.queues.entry(job.shard.clone()).or_default().insert(queue_key(job));
            }
            Phase::Running { worker, .. } => {
                self.running.entry(worker.clone()).or_default().insert(job.order);
            }
            Phase::Ended { order, .. } => {
                self.ended.insert(*order, job.order);
                if let Some(deadline) = job.deadline {
                    self.deadlines.remove(&(deadline, job.order));
                }
            }
        }
    }

    /// Takes a job out from where its phase says.
    pub(crate) fn leave(&mut self, job: &Job) {
        match &job.phase {
            Phase::Queued => remove_member(&mut self.queues, &job.shard, &queue_key(job)),
            Phase::Running { worker, .. } => remove_member(&mut self.running, worker, &job.order),
            Phase::Ended { order, .. } => {
                self.ended.remove(order);
            }
        }
    }

    /// Number of jobs that wait in a shard.
    pub(crate) fn queue_len(&self, shard: &Name) -> usize {
        self.queues.get(shard).map_or(0, OrdSet::len)
    }

    pub(crate) fn add_sender(&mut self, key: PublicKey) {
        let roles = self.senders.entry(key).or_insert(0);
        *roles = roles.saturating_add(1);
    }

    pub(crate) fn remove_sender(&mut self, key: &PublicKey) {
        let roles = self.senders.get(key).copied().unwrap_or(0).saturating_sub(1);
        if roles == 0 {
            self.senders.remove(key);
        } else {
            self.senders.insert(*key, roles);
        }
    }
}

/// Takes a member out of a set of sets, and the set with its last one.
pub(crate) fn remove_member<T: Ord + Clone>(sets: &mut OrdMap<Name, OrdSet<T>>, of: &Name, member: &T) {
    if let Some(set) = sets.get_mut(of) {
        set.remove(member);
        if set.is_empty() {
            sets.remove(of);
        }
    }
}

fn queue_key(job: &Job) -> (u8, u64) {
    (u8::MAX.saturating_sub(job.spec.priority), job.order)
}

/// The price of work is never above what was offered for it.
pub(crate) const fn affordable(price: MicroUnits, budget: MicroUnits) -> bool {
    price.0 <= budget.0
}
