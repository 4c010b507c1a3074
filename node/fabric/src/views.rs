//! What others read of the state.

use crate::{
    Agent, CandidateTable, Declared, Fabric, Job, Phase, Shard, TenantState, ValidatorState, Worker,
    openings::ACTIONS_MAX,
};
use phalanx_types::{
    AgentId, AttemptId, Hash, Height, JobId, LedgerMark, Name, Params, PublicKey, RegisteredSet, TimeMs,
    ValidatorSet,
    job::WantedAttempt,
    params::{Mode, Verification},
};
use std::{collections::BTreeMap, sync::Arc};

impl Fabric {
    /// What the worker should be running now.
    #[must_use]
    pub fn wanted(&self, worker: &Name) -> Vec<WantedAttempt> {
        let Some(state) = self.workers.get(worker) else { return Vec::new() };
        let lease = state.lease_ms(&self.settings.params);
        let until = state.last_seen.saturating_add(lease).saturating_add(self.settings.shift_ms);
        let jobs = self.index.running.get(worker).into_iter().flatten();
        jobs.filter_map(|order| self.jobs.at(*order))
            .map(|row| (row.key, &row.value))
            .map(|(id, job)| WantedAttempt {
                attempt: AttemptId { job: id, number: job.attempt },
                worker: worker.clone(),
                work: job.spec.work.clone(),
                resources: job.spec.resources,
                lease_until: until,
            })
            .collect()
    }

    /// The clock by which a node ends the attempts of its workers: its own, less
    /// the time for which the mesh is known to have stood since the last beat.
    ///
    /// The first beat after a stand moves all leases by the part of its gap above
    /// `gap_ms`. A worker that waits for that beat must not end what the beat will
    /// let live; and it may wait, since until `stood_until` nobody can have
    /// decided that beat. A stand may begin within one gap and end within a second
    /// one, so two of them are not counted on.
    #[must_use]
    pub const fn lease_clock(&self, now: TimeMs, stood_until: TimeMs) -> TimeMs {
        let gaps = (self.settings.params.gap_ms as u64).saturating_mul(2);
        let known = if stood_until.0 < now.0 { stood_until } else { now };
        now.saturating_sub(known.since(self.settings.time).saturating_sub(gaps))
    }

    /// Whether an attempt's outcome is still waited for.
    #[must_use]
    pub fn awaits(&self, attempt: &AttemptId) -> bool {
        self.jobs
            .get(&attempt.job)
            .is_some_and(|job| job.attempt == attempt.number && matches!(job.phase, Phase::Running { .. }))
    }

    /// The weighted set that decides the next height.
    #[must_use]
    pub const fn validator_set(&self) -> &Arc<ValidatorSet> {
        &self.next_set
    }

    /// The height of the last beat.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.settings.height
    }

    /// The time of the last beat.
    #[must_use]
    pub const fn time(&self) -> TimeMs {
        self.settings.time
    }

    /// Where the ledger ended before the last beat.
    #[must_use]
    pub const fn ledger_mark(&self) -> LedgerMark {
        self.settings.ledger
    }

    /// The mesh.
    #[must_use]
    pub const fn mesh(&self) -> Hash {
        self.settings.mesh
    }

    /// The owner's key, while there is no chain.
    #[must_use]
    pub const fn owner(&self) -> PublicKey {
        self.settings.owner
    }

    /// The shared numbers.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.settings.params
    }

    /// Who proposes and who weighs.
    #[must_use]
    pub const fn mode(&self) -> &Mode {
        &self.settings.mode
    }

    /// How much is receipted.
    #[must_use]
    pub const fn verification(&self) -> Verification {
        self.settings.verification
    }

    /// Number of owner commands applied.
    #[must_use]
    pub const fn policy_version(&self) -> u64 {
        self.settings.policy_version
    }

    /// Whether the owner paused the mesh.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.settings.is_paused
    }

    /// The registered validators around the last beat.
    #[must_use]
    pub const fn registered(&self) -> &RegisteredSet {
        &self.settings.registered
    }

    /// How much of each worker's slots assignment may fill, in millionths.
    #[must_use]
    pub const fn thermostat_ppm(&self) -> u32 {
        self.settings.thermostat_ppm
    }

    /// The owner's policies by name.
    pub fn policies(&self) -> impl Iterator<Item = (&Name, &Declared)> {
        self.policies.iter()
    }

    /// Whether the last beat closed an interval.
    #[must_use]
    pub fn is_checkpoint(&self) -> bool {
        let beats = u64::from(self.settings.params.checkpoint_beats.max(1));
        let is_turn = self.settings.height.0.checked_rem(beats) == Some(0);
        let is_full = self.actions.len() >= ACTIONS_MAX;
        self.settings.height != Height::ZERO && (is_turn || is_full || self.settings.registered.changes())
    }

    /// A job.
    #[must_use]
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// All jobs by id.
    pub fn jobs(&self) -> impl Iterator<Item = (&JobId, &Job)> {
        self.jobs.iter()
    }

    /// A worker.
    #[must_use]
    pub fn worker(&self, name: &Name) -> Option<&Worker> {
        self.workers.get(name)
    }

    /// All workers by name.
    pub fn workers(&self) -> impl Iterator<Item = (&Name, &Worker)> {
        self.workers.iter()
    }

    /// All shards by name, with the number of jobs that wait there.
    pub fn shards(&self) -> impl Iterator<Item = (&Name, &Shard, usize)> {
        self.shards.iter().map(|(name, shard)| (name, shard, self.index.queue_len(name)))
    }

    /// All agents by id.
    pub fn agents(&self) -> impl Iterator<Item = (&AgentId, &Agent)> {
        self.agents.iter()
    }

    /// All tenants by name.
    pub fn tenants(&self) -> impl Iterator<Item = (&Name, &TenantState)> {
        self.tenants.iter()
    }

    /// All validators by vote key.
    pub fn validators(&self) -> impl Iterator<Item = (&PublicKey, &ValidatorState)> {
        self.validators.iter()
    }

    /// The network keys that may join at `now`: validators that are not in
    /// quarantine and peers that the owner admitted, less those that are banned.
    #[must_use]
    pub fn admitted(&self, now: TimeMs) -> BTreeMap<PublicKey, Name> {
        let validators = self
            .validators
            .iter()
            .filter(|(_, v)| !v.is_quarantined)
            .map(|(_, v)| (v.entry.network_key, v.entry.label.clone()));
        let peers = self.peers.iter().filter_map(|(key, peer)| peer.label.clone().map(|label| (*key, label)));
        validators
            .chain(peers)
            .filter(|(key, _)| self.peers.get(key).is_none_or(|peer| peer.banned_until <= now))
            .collect()
    }

    /// How the workers of a job's shard look to it now.
    #[must_use]
    pub fn candidates(&self, id: &JobId) -> Option<CandidateTable> {
        self.jobs.get(id).map(|job| self.table(&job.shard, &self.ask(&job.spec)))
    }

    /// The next number that a sender has not used.
    #[must_use]
    pub fn next_sequence(&self, sender: &PublicKey) -> u64 {
        self.windows.get(sender).map_or(0, |window| window.next)
    }
}
