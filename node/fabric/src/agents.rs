//! Agents: spawned, moved, used, ended; their positions only as commitments. Where they
//! go is said in [`crate::lifecycle`].

use crate::{
    Fabric, Refusal,
    admission::bad,
    lifecycle::Reason,
    policies::Broken,
    receipts::{Building, Drafts, Origin},
    routing::{Ask, pick_gpus},
    state::{Agent, remove_member},
};
use phalanx_types::{
    AgentId, AgentSpec, Field, MicroUnits, Name, PublicKey, ReceiptKind, TimeMs,
    agent::{Affinity, Position, SEMANTIC_LEN_MAX, USE_BATCH_MAX, WISH_WEIGHT_MAX, WISHES_MAX, Wish},
    job::{LABEL_LEN_MAX, SKILLS_MAX},
    receipt::HiddenField,
};
use std::collections::BTreeSet;

/// Agents of one lost worker that a beat looks at and finds no place for.
const HOMELESS_MAX: u64 = 64;
/// Candidates of a shard among which an agent's wishes choose.
const CANDIDATES_MAX: usize = 8;
/// The policy of agents that name none; it need not be declared.
const POLICY_DEFAULT: &str = "default";

const NO_SKILLS: &BTreeSet<Name> = &BTreeSet::new();

/// The hidden place of an agent after its last action.
pub(crate) fn place(agent: &Agent, key: &str) -> HiddenField {
    let coordinates = agent.position.0.iter().map(|x| Field::i64(*x)).collect();
    let mut context = agent.spec.stack.0.to_vec();
    context.extend_from_slice(&agent.nonce.to_le_bytes());
    HiddenField::new(key, Field::List(coordinates), &agent.spec.seed.0, &context)
}

/// Why an agent ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Asked,
    Underused { policy: Name },
    Drifted(Broken),
}

/// Why no worker can be found for an agent.
pub(crate) enum Homeless {
    NoRoom,
    Forbidden(Broken),
}

impl Fabric {
    fn agent_ask<'a>(&self, spec: &'a AgentSpec) -> Ask<'a> {
        Ask {
            skills: NO_SKILLS,
            resources: &spec.resources,
            budget: MicroUnits::MAX,
            priority: u8::MAX / 2,
            needs_slot: false,
            is_interactive: false,
            home: &spec.region,
            latency_budget_ms: self.shards.get(&spec.region).map_or(1, |s| s.spec.latency_budget_ms),
        }
    }

    /// The agent, if the sender may act on it.
    pub(crate) fn own_agent(&self, sender: &PublicKey, id: &AgentId) -> Result<&Agent, Refusal> {
        let agent =
            self.agents.get(id).ok_or_else(|| Refusal::Unknown { what: "agent", which: id.to_string() })?;
        self.check_tenant(sender, &agent.spec.tenant, "act on an agent")?;
        Ok(agent)
    }

    pub(crate) fn check_spawn(&self, sender: &PublicKey, spec: &AgentSpec) -> Result<(), Refusal> {
        if spec.label.len() > LABEL_LEN_MAX {
            return bad("label", format!("at most {LABEL_LEN_MAX} bytes"));
        }
        if spec.position.as_ref().is_some_and(|position| !position.is_valid()) {
            return bad(
                "position",
                "2 to 512 coordinates inside the ball: ‖x‖² ≤ 1 − 2^-24, 40 fractional bits",
            );
        }
        if !spec.resources.gpu.is_valid() {
            return bad("gpu", "shared: 1 to 999 thousandths; whole: 1 to 64");
        }
        if spec.affinity.skills.len() > SKILLS_MAX || spec.affinity.semantic.len() > SEMANTIC_LEN_MAX {
            return bad(
                "affinity",
                format!("at most {SKILLS_MAX} skills, and {SEMANTIC_LEN_MAX} components of a meaning"),
            );
        }
        let weighs_well = |wish: &Wish| wish.weight().is_none_or(|w| w > 0 && w <= WISH_WEIGHT_MAX);
        if spec.wishes.len() > WISHES_MAX || !spec.wishes.iter().all(weighs_well) {
            return bad("wishes", format!("at most {WISHES_MAX}, of weights from 1 to {WISH_WEIGHT_MAX}"));
        }
        if spec.policy.as_str() != POLICY_DEFAULT && !self.policies.contains(&spec.policy) {
            return Err(Refusal::Unknown { what: "policy", which: spec.policy.to_string() });
        }
        self.check_tenant(sender, &spec.tenant, "spawn_agent")?;
        self.check_paused(&spec.region)?;
        self.check_quota(&spec.tenant, &spec.resources, true)
    }

    /// Where an agent that was checked would live: worker, GPUs there, and its point.
    pub(crate) fn check_room(&self, spec: &AgentSpec) -> Result<Room, Refusal> {
        let found = self.home(spec, None, |region| self.spawn_point(spec, region));
        let gpus = |worker: &Name| self.gpus_on(worker, spec);
        match found.map(|(worker, point)| (gpus(&worker), worker, point)) {
            Ok((Some(gpus), worker, point)) => Ok(Room { worker, gpus, point }),
            Err(Homeless::Forbidden(broken)) => Err(broken.into()),
            Ok((None, ..)) | Err(Homeless::NoRoom) => Err(Refusal::Impossible {
                region: spec.region.clone(),
                reason: "no worker in reach has room for an agent of this size now".to_owned(),
            }),
        }
    }

    /// The best worker for an agent that lives already, and where it would go.
    pub(crate) fn home_for(&self, agent: &Agent, avoid: Option<&Name>) -> Result<(Name, Position), Homeless> {
        self.home(&agent.spec, avoid, |region| self.way_to(agent, region))
    }

    /// The best worker for an agent, region by region; none of a shard that is paused,
    /// and none where `point` finds no point for it.
    fn home(
        &self,
        spec: &AgentSpec,
        avoid: Option<&Name>,
        point: impl Fn(&Name) -> Result<Position, Broken>,
    ) -> Result<(Name, Position), Homeless> {
        let mut forbidden = None;
        for region in self.regions_for(spec) {
            let Some(worker) = self.best_worker(spec, &region, avoid) else { continue };
            match point(&region) {
                Ok(point) => return Ok((worker, point)),
                Err(broken) => forbidden = forbidden.or(Some(broken)),
            }
        }
        Err(forbidden.map_or(Homeless::NoRoom, Homeless::Forbidden))
    }

    /// The best worker of a shard that is not paused; one that the agent wishes to avoid
    /// only when there is no other.
    fn best_worker(&self, spec: &AgentSpec, region: &Name, avoid: Option<&Name>) -> Option<Name> {
        if self.shards.get(region).is_none_or(|s| s.is_paused) {
            return None;
        }
        let unwished = |worker: &Name| {
            spec.wishes.iter().any(|wish| matches!(wish, Wish::Avoid { worker: w } if w == worker))
        };
        let len_max = if spec.wishes.is_empty() { 2 } else { CANDIDATES_MAX };
        let best = self.shortlist(region, &self.agent_ask(spec), len_max).candidates;
        let mut open = best.into_iter().map(|c| c.worker).filter(|worker| Some(worker) != avoid);
        let first = open.next()?;
        if unwished(&first) { open.find(|other| !unwished(other)).or(Some(first)) } else { Some(first) }
    }

    /// A worker of a region with room for an agent, and where it would go.
    pub(crate) fn room_in(&self, agent: &Agent, region: &Name) -> Option<(Name, Position)> {
        let worker = self.best_worker(&agent.spec, region, Some(&agent.worker))?;
        Some((worker, self.way_to(agent, region).ok()?))
    }

    /// Puts an agent on a worker, or takes it off.
    fn seat(&mut self, id: &AgentId, agent: &Agent, take: bool) {
        self.change_worker(&agent.worker, |worker| {
            worker.use_resources(&agent.spec.resources, &agent.gpus, take);
        });
        self.weigh_agent(agent, take);
        if take {
            self.index.agents.entry(agent.worker.clone()).or_default().insert(*id);
        } else {
            remove_member(&mut self.index.agents, &agent.worker, id);
        }
        if take && agent.course.is_some() {
            self.index.moving.insert(*id);
        } else {
            self.index.moving.remove(id);
        }
    }

    /// Takes an agent into the means of places, or out of them.
    fn weigh_agent(&mut self, agent: &Agent, is_in: bool) {
        let dimension = self.dimension();
        if let Some(region) = self.region_of(agent) {
            self.index.weigh_agent(agent, &region, dimension, is_in);
        }
    }

    /// Replaces an agent that stays on its worker.
    pub(crate) fn put_agent(&mut self, id: &AgentId, before: &Agent, after: Agent) {
        if before.position != after.position {
            self.weigh_agent(before, false);
            self.weigh_agent(&after, true);
        }
        if after.course.is_some() {
            self.index.moving.insert(*id);
        } else {
            self.index.moving.remove(id);
        }
        self.agents.insert(*id, after);
    }

    fn gpus_on(&self, worker: &Name, spec: &AgentSpec) -> Option<Vec<(u16, u16)>> {
        self.workers.get(worker).and_then(|w| pick_gpus(&w.gpu_free_milli, spec.resources.gpu))
    }

    /// Spawns an agent that was checked, if there is room for it.
    pub(crate) fn spawn(
        &mut self,
        id: AgentId,
        spec: &AgentSpec,
        now: TimeMs,
        origin: &Origin,
        drafts: &mut Drafts,
    ) -> Result<(), Refusal> {
        let Room { worker, gpus, point } = self.check_room(spec)?;
        let slot = self.free_slot()?;
        // What has done its part in finding the place is not kept.
        let spec = AgentSpec { position: None, affinity: Affinity::default(), ..spec.clone() };
        let agent = Agent {
            spec,
            position: point,
            course: None,
            last_used: now,
            strays: 0,
            worker,
            gpus,
            nonce: 0,
            slot,
        };
        self.index.free_slots.remove(&slot);
        self.take_quota(&agent.spec.tenant, &agent.spec.resources, true);
        self.seat(&id, &agent, true);
        note(drafts, ReceiptKind::AgentSpawned, &id, &agent, origin)
            .text("label", &agent.spec.label)
            .text("stack", agent.spec.stack)
            .text("worker_after", &agent.worker)
            .hidden(place(&agent, "position_after"))
            .done();
        self.agents.insert(id, agent);
        Ok(())
    }

    /// The way of an agent to a worker, if it may go there.
    pub(crate) fn check_migrate(
        &self,
        sender: &PublicKey,
        id: &AgentId,
        worker: &Name,
    ) -> Result<Position, Refusal> {
        let agent = self.own_agent(sender, id)?;
        let no_room = |reason: &str| {
            Err(Refusal::NoRoom { agent: *id, worker: worker.clone(), reason: reason.to_owned() })
        };
        let Some(target) = self.workers.get(worker) else {
            return Err(Refusal::Unknown { what: "worker", which: worker.to_string() });
        };
        if *worker == agent.worker {
            return no_room("it lives there already");
        }
        self.check_paused(&target.offer.region)?;
        let ask = self.agent_ask(&agent.spec);
        let latency_ms = self.latency(ask.home, &target.offer.region);
        match ask
            .never(&target.offer, latency_ms)
            .or_else(|| ask.not_now(target, self.tuning(&target.offer.region)))
        {
            Some(removal) => no_room(removal.code()),
            None => Ok(self.way_to(agent, &target.offer.region)?),
        }
    }

    /// Moves an agent as its tenant asks.
    pub(crate) fn move_agent(
        &mut self,
        sender: &PublicKey,
        id: &AgentId,
        to: &Name,
        origin: &Origin,
        drafts: &mut Drafts,
    ) -> Result<(), Refusal> {
        let target = self.check_migrate(sender, id, to)?;
        self.migrate(id, to, target, Reason::Asked, origin, drafts);
        Ok(())
    }

    /// Moves an agent to a worker that was checked; its point follows to `target`.
    pub(crate) fn migrate(
        &mut self,
        id: &AgentId,
        to: &Name,
        target: Position,
        reason: Reason,
        origin: &Origin,
        drafts: &mut Drafts,
    ) {
        let Some(before) = self.agents.get(id).cloned() else { return };
        let Some(gpus) = self.gpus_on(to, &before.spec) else { return };
        self.seat(id, &before, false);
        let after = Agent {
            worker: to.clone(),
            gpus,
            nonce: before.nonce.saturating_add(1),
            course: Some(target).filter(|target| *target != before.position),
            strays: 0,
            ..before.clone()
        };
        self.seat(id, &after, true);
        let action = self.record(id, &before, &after);
        note(drafts, ReceiptKind::AgentMigrated, id, &after, origin)
            .u64("action", action)
            .text("reason", reason.word())
            .text("worker_before", &before.worker)
            .text("worker_after", &after.worker)
            .hidden(place(&before, "position_before"))
            .hidden(place(&after, "position_after"))
            .done();
        self.agents.insert(*id, after);
    }

    /// Ends an agent.
    pub(crate) fn end_agent(&mut self, id: &AgentId, ending: Ending, origin: &Origin, drafts: &mut Drafts) {
        let Some(agent) = self.agents.remove(id) else { return };
        self.seat(id, &agent, false);
        self.index.vacate(agent.slot, self.agents.len());
        self.release_quota(&agent.spec.tenant, &agent.spec.resources, true);
        let before = place(&agent, "position_before");
        let ended = Agent { nonce: agent.nonce.saturating_add(1), ..agent };
        let mut note = note(drafts, ReceiptKind::AgentTerminated, id, &ended, origin);
        note = match ending {
            Ending::Asked => note.text("reason", "asked"),
            Ending::Underused { policy } => {
                note.text("reason", "underused").text("policy_that_binds", policy)
            }
            Ending::Drifted(Broken { policy, constraint, .. }) => note
                .text("reason", "drifted")
                .text("policy_that_binds", policy)
                .text("constraint", constraint),
        };
        note.text("worker_before", &ended.worker).hidden(before).done();
    }

    pub(crate) fn check_use(&self, sender: &PublicKey, agents: &[AgentId]) -> Result<(), Refusal> {
        if agents.is_empty() || agents.len() > USE_BATCH_MAX || !agents.is_sorted_by(|a, b| a < b) {
            return bad("agents", format!("1 to {USE_BATCH_MAX}, ascending, without repeats"));
        }
        if agents.iter().any(|id| self.may_tell_use(sender, id)) {
            return Ok(());
        }
        Err(Refusal::NotAllowed {
            sender: *sender,
            operation: "use_agents",
            rule: "only the tenant of an agent or the host of its worker may tell that it was of use",
        })
    }

    fn may_tell_use(&self, sender: &PublicKey, id: &AgentId) -> bool {
        self.agents.get(id).is_some_and(|agent| {
            self.check_tenant(sender, &agent.spec.tenant, "use_agents").is_ok()
                || self.workers.get(&agent.worker).is_some_and(|worker| worker.host == *sender)
        })
    }

    /// Notes that agents were of use: those of which the sender may tell it.
    pub(crate) fn use_agents(&mut self, sender: &PublicKey, agents: &[AgentId], now: TimeMs) {
        for id in agents {
            if self.may_tell_use(sender, id)
                && let Some(agent) = self.agents.get_mut(id)
            {
                agent.last_used = now;
            }
        }
    }

    /// Moves agents away from workers whose lease is over or that the owner has
    /// revoked. An agent without a place stays, and is tried again: a beat looks
    /// at [`HOMELESS_MAX`] without a place of each worker, and begins where the
    /// height says, so that each has its turn.
    pub(crate) fn rehome_agents(&mut self, mut lost: Vec<Name>, drafts: &mut Drafts) {
        if self.settings.is_paused {
            return;
        }
        let revoked = self.index.agents.keys().filter(|name| !self.approvals.contains(name)).cloned();
        lost.extend(revoked);
        lost.sort_unstable();
        lost.dedup();
        for worker in lost {
            let mut agents: Vec<AgentId> =
                self.index.agents.get(&worker).map(|a| a.iter().copied().collect()).unwrap_or_default();
            let turn = self.settings.height.0.wrapping_mul(HOMELESS_MAX);
            let begin = turn.checked_rem(agents.len() as u64).unwrap_or(0);
            agents.rotate_left(usize::try_from(begin).unwrap_or(0));
            let mut homeless: u64 = 0;
            for id in agents {
                let Some(agent) = self.agents.get(&id) else { continue };
                match self.home_for(agent, Some(&worker)) {
                    Ok((to, target)) => {
                        self.migrate(&id, &to, target, Reason::WorkerLost, &Origin::fabric(), drafts);
                    }
                    Err(_) => homeless = homeless.saturating_add(1),
                }
                if homeless >= HOMELESS_MAX {
                    break;
                }
            }
        }
    }
}

/// Where an agent can live.
pub(crate) struct Room {
    worker: Name,
    gpus: Vec<(u16, u16)>,
    point: Position,
}

pub(crate) fn note<'a>(
    drafts: &'a mut Drafts,
    kind: ReceiptKind,
    id: &AgentId,
    agent: &Agent,
    origin: &Origin,
) -> Building<'a> {
    drafts
        .note(kind, id, origin)
        .tenant(&agent.spec.tenant)
        .u64("nonce", agent.nonce)
        .text("policy", &agent.spec.policy)
        .u32("cpu_milli", agent.spec.resources.cpu_milli)
        .u32("memory_mib", agent.spec.resources.memory_mib)
        .u32("gpu_milli", agent.spec.resources.gpu.total_milli())
}
