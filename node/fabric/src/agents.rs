//! Agents: spawned, moved, ended; their positions only as commitments.

use crate::{
    Fabric, Refusal,
    admission::bad,
    receipts::{Building, Drafts, Origin},
    routing::{Ask, pick_gpus},
    state::{Agent, remove_member},
};
use phalanx_types::{
    AgentId, AgentSpec, Field, MicroUnits, Name, PublicKey, ReceiptKind, job::LABEL_LEN_MAX,
    receipt::HiddenField,
};
use std::collections::BTreeSet;

/// Agents of one lost worker that a beat looks at and finds no place for.
const HOMELESS_MAX: u64 = 64;

const NO_SKILLS: &BTreeSet<Name> = &BTreeSet::new();

/// The hidden place of an agent after its action number `nonce`.
fn place(spec: &AgentSpec, nonce: u64, key: &str) -> HiddenField {
    let coordinates = spec.position.0.iter().map(|x| Field::i64(*x)).collect();
    let mut context = spec.stack.0.to_vec();
    context.extend_from_slice(&nonce.to_le_bytes());
    HiddenField::new(key, Field::List(coordinates), &spec.seed.0, &context)
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
        if !spec.position.is_valid() {
            return bad(
                "position",
                "2 to 512 coordinates inside the ball: ‖x‖² ≤ 1 − 2^-24, 40 fractional bits",
            );
        }
        if !spec.resources.gpu.is_valid() {
            return bad("gpu", "shared: 1 to 999 thousandths; whole: 1 to 64");
        }
        self.check_tenant(sender, &spec.tenant, "spawn_agent")?;
        self.check_paused(&spec.region)?;
        self.check_quota(&spec.tenant, &spec.resources, true)
    }

    /// Where an agent that was checked would live, with its GPUs there.
    pub(crate) fn check_room(&self, spec: &AgentSpec) -> Result<(Name, Vec<(u16, u16)>), Refusal> {
        let home = self.home_for(spec, None);
        let found = home.and_then(|worker| self.gpus_on(&worker, spec).map(|gpus| (worker, gpus)));
        found.ok_or_else(|| Refusal::Impossible {
            region: spec.region.clone(),
            reason: "no worker in reach has room for an agent of this size now".to_owned(),
        })
    }

    /// The best worker for an agent, its own region first; none of a shard that
    /// is paused.
    fn home_for(&self, spec: &AgentSpec, avoid: Option<&Name>) -> Option<Name> {
        let ask = self.agent_ask(spec);
        let best_of = |shard: &Name| {
            if self.shards.get(shard).is_none_or(|s| s.is_paused) {
                return None;
            }
            let best = self.shortlist(shard, &ask, 2).candidates;
            best.into_iter().map(|c| c.worker).find(|worker| Some(worker) != avoid)
        };
        best_of(&spec.region).or_else(|| self.reachable(&spec.region).iter().skip(1).find_map(best_of))
    }

    /// Puts an agent on a worker, or takes it off.
    fn seat(&mut self, id: &AgentId, agent: &Agent, take: bool) {
        self.change_worker(&agent.worker, |worker| {
            worker.use_resources(&agent.spec.resources, &agent.gpus, take);
        });
        self.index.weigh_agent(agent, take);
        if take {
            self.index.agents.entry(agent.worker.clone()).or_default().insert(*id);
        } else {
            remove_member(&mut self.index.agents, &agent.worker, id);
        }
    }

    fn gpus_on(&self, worker: &Name, spec: &AgentSpec) -> Option<Vec<(u16, u16)>> {
        self.workers.get(worker).and_then(|w| pick_gpus(&w.gpu_free_milli, spec.resources.gpu))
    }

    /// Spawns an agent that was checked, if there is room for it.
    pub(crate) fn spawn(
        &mut self,
        id: AgentId,
        spec: &AgentSpec,
        origin: &Origin,
        drafts: &mut Drafts,
    ) -> Result<(), Refusal> {
        let (worker, gpus) = self.check_room(spec)?;
        let agent = Agent { spec: spec.clone(), worker, gpus, nonce: 0 };
        self.take_quota(&spec.tenant, &spec.resources, true);
        self.seat(&id, &agent, true);
        note(drafts, ReceiptKind::AgentSpawned, &id, &agent, origin)
            .text("label", &spec.label)
            .text("stack", spec.stack)
            .text("worker_after", &agent.worker)
            .hidden(place(spec, 0, "position_after"))
            .done();
        self.agents.insert(id, agent);
        Ok(())
    }

    pub(crate) fn check_migrate(
        &self,
        sender: &PublicKey,
        id: &AgentId,
        worker: &Name,
    ) -> Result<(), Refusal> {
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
            None => Ok(()),
        }
    }

    /// Moves an agent to a worker that was checked.
    pub(crate) fn migrate(
        &mut self,
        id: &AgentId,
        to: &Name,
        reason: &str,
        origin: &Origin,
        drafts: &mut Drafts,
    ) {
        let Some(before) = self.agents.get(id).cloned() else { return };
        let Some(gpus) = self.gpus_on(to, &before.spec) else { return };
        self.seat(id, &before, false);
        let nonce = before.nonce.saturating_add(1);
        let after = Agent { worker: to.clone(), gpus, nonce, spec: before.spec.clone() };
        self.seat(id, &after, true);
        note(drafts, ReceiptKind::AgentMigrated, id, &after, origin)
            .text("reason", reason)
            .text("worker_before", &before.worker)
            .text("worker_after", &after.worker)
            .hidden(place(&before.spec, before.nonce, "position_before"))
            .hidden(place(&after.spec, nonce, "position_after"))
            .done();
        self.agents.insert(*id, after);
    }

    /// Ends an agent.
    pub(crate) fn terminate(&mut self, id: &AgentId, origin: &Origin, drafts: &mut Drafts) {
        let Some(mut agent) = self.agents.remove(id) else { return };
        self.seat(id, &agent, false);
        self.release_quota(&agent.spec.tenant, &agent.spec.resources, true);
        let before = place(&agent.spec, agent.nonce, "position_before");
        agent.nonce = agent.nonce.saturating_add(1);
        note(drafts, ReceiptKind::AgentTerminated, id, &agent, origin)
            .text("worker_before", &agent.worker)
            .hidden(before)
            .done();
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
                match self.home_for(&agent.spec, Some(&worker)) {
                    Some(to) => self.migrate(&id, &to, "worker_lost", &Origin::fabric(), drafts),
                    None => homeless = homeless.saturating_add(1),
                }
                if homeless >= HOMELESS_MAX {
                    break;
                }
            }
        }
    }
}

fn note<'a>(
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
