//! Taking jobs in: tenants, quotas, and the first queue.

use crate::{
    Fabric, Refusal,
    admission::check_spec,
    receipts::{Drafts, Origin},
    state::{Job, Phase},
};
use phalanx_types::{JobId, JobSpec, Name, PublicKey, ReceiptKind, Resources, TimeMs};

impl Fabric {
    pub(crate) fn check_tenant(
        &self,
        sender: &PublicKey,
        tenant: &Name,
        operation: &'static str,
    ) -> Result<(), Refusal> {
        let state = self
            .tenants
            .get(tenant)
            .ok_or_else(|| Refusal::Unknown { what: "tenant", which: tenant.to_string() })?;
        if state.tenant.keys.contains(sender) {
            Ok(())
        } else {
            Err(Refusal::NotAllowed { sender: *sender, operation, rule: "only a key of the tenant may" })
        }
    }

    /// Whether the tenant may hold one more job or agent with these resources.
    pub(crate) fn check_quota(
        &self,
        tenant: &Name,
        resources: &Resources,
        is_agent: bool,
    ) -> Result<(), Refusal> {
        let Some(state) = self.tenants.get(tenant) else { return Ok(()) };
        let quota = &state.tenant.quota;
        let count = if is_agent {
            ("agents", u64::from(state.agents).saturating_add(1), u64::from(quota.agents_max))
        } else {
            ("jobs", u64::from(state.jobs).saturating_add(1), u64::from(quota.jobs_max))
        };
        let sums = [
            count,
            (
                "thousandths of a CPU",
                state.cpu_milli.saturating_add(resources.cpu_milli.into()),
                quota.cpu_milli_max,
            ),
            (
                "MiB of memory",
                state.memory_mib.saturating_add(resources.memory_mib.into()),
                quota.memory_mib_max,
            ),
            (
                "thousandths of a GPU",
                state.gpu_milli.saturating_add(resources.gpu.total_milli().into()),
                quota.gpu_milli_max,
            ),
        ];
        match sums.into_iter().find(|(_, would, quota)| would > quota) {
            Some((what, would, quota)) => {
                Err(Refusal::OverQuota { tenant: tenant.clone(), what, would, quota })
            }
            None => Ok(()),
        }
    }

    pub(crate) fn take_quota(&mut self, tenant: &Name, resources: &Resources, is_agent: bool) {
        if let Some(state) = self.tenants.get_mut(tenant) {
            if is_agent {
                state.agents = state.agents.saturating_add(1);
            } else {
                state.jobs = state.jobs.saturating_add(1);
            }
            state.cpu_milli = state.cpu_milli.saturating_add(resources.cpu_milli.into());
            state.memory_mib = state.memory_mib.saturating_add(resources.memory_mib.into());
            state.gpu_milli = state.gpu_milli.saturating_add(resources.gpu.total_milli().into());
        }
    }

    pub(crate) fn release_quota(&mut self, tenant: &Name, resources: &Resources, is_agent: bool) {
        if let Some(state) = self.tenants.get_mut(tenant) {
            if is_agent {
                state.agents = state.agents.saturating_sub(1);
            } else {
                state.jobs = state.jobs.saturating_sub(1);
            }
            state.cpu_milli = state.cpu_milli.saturating_sub(resources.cpu_milli.into());
            state.memory_mib = state.memory_mib.saturating_sub(resources.memory_mib.into());
            state.gpu_milli = state.gpu_milli.saturating_sub(resources.gpu.total_milli().into());
        }
    }

    pub(crate) fn check_paused(&self, shard: &Name) -> Result<(), Refusal> {
        if self.settings.is_paused {
            return Err(Refusal::Paused { what: "the mesh".to_owned() });
        }
        match self.shards.get(shard) {
            None => Err(Refusal::Unknown { what: "shard", which: shard.to_string() }),
            Some(state) if state.is_paused => Err(Refusal::Paused { what: format!("the shard {shard}") }),
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn check_job(&self, sender: &PublicKey, spec: &JobSpec) -> Result<(), Refusal> {
        check_spec(spec)?;
        self.check_tenant(sender, &spec.tenant, "submit_job")?;
        self.check_paused(&spec.region)?;
        self.check_quota(&spec.tenant, &spec.resources, false)?;
        let ask = self.ask(spec);
        if let Some(reason) = self.impossible(&ask) {
            return Err(Refusal::Impossible { region: spec.region.clone(), reason });
        }
        if self.takes_jobs(&spec.region, &ask) {
            Ok(())
        } else {
            Err(Refusal::QueueFull { region: spec.region.clone() })
        }
    }

    /// Takes in a job that was checked.
    pub(crate) fn accept_job(
        &mut self,
        id: JobId,
        spec: &JobSpec,
        now: TimeMs,
        origin: &Origin,
        drafts: &mut Drafts,
    ) {
        self.take_quota(&spec.tenant, &spec.resources, false);
        let job = Job {
            spec: spec.clone(),
            envelope: origin.inputs,
            trace_id: origin.trace_id,
            order: self.next_arrival(),
            accepted: now,
            deadline: (spec.deadline_ms > 0).then(|| now.saturating_add(spec.deadline_ms.into())),
            shard: spec.region.clone(),
            visited: vec![spec.region.clone()],
            attempt: 0,
            retries_left: spec.retries,
            phase: Phase::Queued,
        };
        drafts
            .note(ReceiptKind::JobAccepted, id, origin)
            .tenant(&spec.tenant)
            .text("label", &spec.label)
            .name("region", &spec.region)
            .u32("priority", spec.priority.into())
            .u32("deadline_ms", spec.deadline_ms)
            .u64("budget", spec.budget.0)
            .u32("cpu_milli", spec.resources.cpu_milli)
            .u32("memory_mib", spec.resources.memory_mib)
            .u32("gpu_milli", spec.resources.gpu.total_milli())
            .done();
        let order = job.order;
        self.index.add_job(&job);
        self.jobs.insert(id, job);
        self.spill_overflow(order, drafts);
    }
}
