//! Owner commands.

use crate::{
    Fabric, Refusal,
    admission::bad,
    policies::Declared,
    receipts::{Drafts, Origin},
    state::{FULL_PPM, Peer, Shard, TenantState, ValidatorState},
};
use phalanx_types::{
    Hash, Name, Observation, OwnerCommand, PublicKey, ReceiptKind, Validator, Weight, encode,
    owner::{PAYLOAD_LEN_MAX, POLICY_LEN_MAX, REASON_LEN_MAX, SHARD_WEIGHT_PPM_MAX, Scope},
    params::{COORDINATORS_MIN, Mode, ModeError, Verification},
    registry::set_hash,
    shard::{SHARDS_MAX, ShardSpec},
    tags,
    tenant::TENANT_KEYS_MAX,
    validator::{VALIDATORS_MAX, WEIGHT_MAX},
};
use std::collections::BTreeSet;

/// Policies of the owner.
const POLICIES_MAX: usize = 256;

impl Fabric {
    pub(crate) fn check_command(&self, sender: &PublicKey, command: &OwnerCommand) -> Result<(), Refusal> {
        if self.settings.chain.is_some() {
            return Err(Refusal::ChainOwned);
        }
        if *sender != self.settings.owner {
            return Err(Refusal::NotAllowed {
                sender: *sender,
                operation: "command",
                rule: "only the owner may",
            });
        }
        self.check_command_content(command)
    }

    /// Whether a command of the owner can be obeyed now.
    pub(crate) fn check_command_content(&self, command: &OwnerCommand) -> Result<(), Refusal> {
        match command {
            OwnerCommand::Pause { scope } | OwnerCommand::Resume { scope } => match scope {
                Scope::Mesh => Ok(()),
                Scope::Shard { shard } if self.shards.contains(shard) => Ok(()),
                Scope::Shard { shard } => Err(Refusal::Unknown { what: "shard", which: shard.to_string() }),
            },
            OwnerCommand::SetShard { shard } => self.check_shard(shard),
            OwnerCommand::SetShardBudget { shard, .. } => self.known_shard(shard).map(|_| ()),
            OwnerCommand::SetShardWeight { shard, weight_ppm } => {
                self.known_shard(shard)?;
                if *weight_ppm > SHARD_WEIGHT_PPM_MAX {
                    return bad("weight_ppm", format!("at most {SHARD_WEIGHT_PPM_MAX}"));
                }
                Ok(())
            }
            OwnerCommand::SetSpillover { shard, to } => {
                let spec = self.known_shard(shard)?.spec.clone();
                self.check_shard(&ShardSpec { spillover: to.clone(), ..spec })
            }
            OwnerCommand::SetThermostat { limit_ppm } if *limit_ppm == 0 || *limit_ppm > FULL_PPM => {
                bad("limit_ppm", format!("1 to {FULL_PPM}"))
            }
            OwnerCommand::SetOptimisation { weights } if !weights.is_valid() => {
                bad("weights", "they must sum to 1000000")
            }
            OwnerCommand::SetVerification { verification: Verification::Sample { fraction_ppm } }
                if *fraction_ppm > 1_000_000 =>
            {
                bad("fraction_ppm", "at most 1000000")
            }
            OwnerCommand::SetMode { mode } => {
                self.check_mode(mode)?;
                let mut after = self.clone();
                after.settings.mode = mode.clone();
                after.check_quorum(self, "the mode")
            }
            OwnerCommand::SetTenant { tenant } if tenant.keys.len() > TENANT_KEYS_MAX => {
                bad("keys", format!("at most {TENANT_KEYS_MAX}"))
            }
            OwnerCommand::SetTenant { tenant } if !self.tenants.contains(&tenant.name) => {
                self.check_homes("tenant", Some(&tenant.name), |after| {
                    after.tenants.insert(tenant.name.clone(), TenantState::new(tenant.clone()));
                })
            }
            OwnerCommand::SetValidators { validators } => self.check_validators(validators),
            OwnerCommand::SetValidator { validator } => {
                self.check_validator(validator)?;
                let is_new = !self.validators.contains(&validator.vote_key);
                if is_new && self.validators.len() >= VALIDATORS_MAX {
                    return bad("validators", format!("at most {VALIDATORS_MAX}"));
                }
                Ok(())
            }
            OwnerCommand::RemoveValidator { vote_key } => {
                let mut after = self.clone();
                if after.validators.remove(vote_key).is_none() {
                    return Err(Refusal::Unknown { what: "validator", which: vote_key.to_string() });
                }
                after.check_quorum(self, "the removal")
            }
            OwnerCommand::RevokeWorker { worker } if !self.approvals.contains(worker) => {
                Err(Refusal::Unknown { what: "approved worker", which: worker.to_string() })
            }
            OwnerCommand::SetPolicy { document, .. } if document.len() > POLICY_LEN_MAX => {
                bad("document", format!("at most {POLICY_LEN_MAX} bytes"))
            }
            OwnerCommand::SetPolicy { name, .. }
                if !self.policies.contains(name) && self.policies.len() >= POLICIES_MAX =>
            {
                bad("policies", format!("at most {POLICIES_MAX}"))
            }
            OwnerCommand::SetPolicy { document, .. } => Declared::read(document, 0, self.settings.params.curvature_ppm).map(|_| ()),
            OwnerCommand::RemovePolicy { name } if !self.policies.contains(name) => {
                Err(Refusal::Unknown { what: "policy", which: name.to_string() })
            }
            OwnerCommand::BanPeer { reason, .. } if reason.len() > REASON_LEN_MAX => {
                bad("reason", format!("at most {REASON_LEN_MAX} bytes"))
            }
            OwnerCommand::Payload { bytes } | OwnerCommand::OnChain { payload: bytes, .. }
                if bytes.len() > PAYLOAD_LEN_MAX =>
            {
                bad("payload", format!("at most {PAYLOAD_LEN_MAX} bytes"))
            }
            OwnerCommand::SetOptimisation { .. }
            | OwnerCommand::SetThermostat { .. }
            | OwnerCommand::RemovePolicy { .. }
            // Where nothing has diverged there is nothing to reconcile, and no harm.
            | OwnerCommand::Reconcile { .. }
            | OwnerCommand::OnChain { .. }
            | OwnerCommand::SetVerification { .. }
            | OwnerCommand::SetTenant { .. }
            | OwnerCommand::ApproveWorker { .. }
            | OwnerCommand::RevokeWorker { .. }
            | OwnerCommand::AdmitPeer { .. }
            | OwnerCommand::BanPeer { .. }
            | OwnerCommand::Payload { .. } => Ok(()),
        }
    }

    fn known_shard(&self, name: &Name) -> Result<&Shard, Refusal> {
        self.shards.get(name).ok_or_else(|| Refusal::Unknown { what: "shard", which: name.to_string() })
    }

    fn check_validator(&self, validator: &Validator) -> Result<(), Refusal> {
        self.known_shard(&validator.region)?;
        if validator.base_weight == Weight::ZERO || validator.base_weight.0 > WEIGHT_MAX {
            return bad("base_weight", format!("1 to {WEIGHT_MAX}"));
        }
        Ok(())
    }

    fn check_validators(&self, validators: &[Validator]) -> Result<(), Refusal> {
        if validators.is_empty() || validators.len() > VALIDATORS_MAX {
            return bad("validators", format!("1 to {VALIDATORS_MAX}"));
        }
        validators.iter().try_for_each(|validator| self.check_validator(validator))?;
        let votes: BTreeSet<PublicKey> = validators.iter().map(|v| v.vote_key).collect();
        let networks: BTreeSet<PublicKey> = validators.iter().map(|v| v.network_key).collect();
        if votes.len() != validators.len() || networks.len() != validators.len() {
            return bad("validators", "no vote key and no network key twice");
        }
        let mut after = self.clone();
        after.replace_validators(validators.to_vec());
        after.check_quorum(self, "the new set")
    }

    /// Those that stay as they are keep their standing.
    fn replace_validators(&mut self, validators: Vec<Validator>) {
        let kept: BTreeSet<PublicKey> = validators.iter().map(|v| v.vote_key).collect();
        let gone: Vec<PublicKey> =
            self.validators.iter().map(|(key, _)| *key).filter(|key| !kept.contains(key)).collect();
        for key in gone {
            self.validators.remove(&key);
            self.index.remove_sender(&key);
        }
        for entry in validators {
            if self.validators.get(&entry.vote_key).is_none_or(|v| v.entry != entry) {
                self.set_validator(entry);
            }
        }
    }

    fn set_validator(&mut self, entry: Validator) {
        let key = entry.vote_key;
        let fresh = ValidatorState { entry, is_quarantined: false, convicted: None, missed: None };
        if self.validators.insert(key, fresh).is_none() {
            self.index.add_sender(key);
        }
    }

    fn check_shard(&self, shard: &ShardSpec) -> Result<(), Refusal> {
        if !self.shards.contains(&shard.name) && self.shards.len() >= SHARDS_MAX {
            return bad("shards", format!("at most {SHARDS_MAX}"));
        }
        let stranger = shard.spillover.iter().find(|to| **to == shard.name || !self.shards.contains(to));
        if let Some(to) = stranger {
            return Err(Refusal::Unknown { what: "other shard", which: to.to_string() });
        }
        if self.shards.contains(&shard.name) || self.tenants.len() < 2 {
            return Ok(());
        }
        self.check_homes("shard", None, |after| {
            after.shards.insert(shard.name.clone(), Shard::new(shard.clone()));
            after.place_all();
        })
    }

    fn check_mode(&self, mode: &Mode) -> Result<(), Refusal> {
        match mode.check(|key| self.validators.get(key).map(|v| &v.entry.region)) {
            Ok(()) => Ok(()),
            Err(ModeError::Unknown(key)) => {
                Err(Refusal::Unknown { what: "validator", which: key.to_string() })
            }
            Err(error) => bad("mode", error.to_string()),
        }
    }

    /// Whether, after a change, validators that are there could decide alone, and a
    /// federation is not made smaller than one that bears a fault.
    fn check_quorum(&self, before: &Self, what: &str) -> Result<(), Refusal> {
        let [now, then] = [self, before].map(|state| state.coordinators());
        if now < COORDINATORS_MIN && now < then {
            return Err(Refusal::NoQuorum(format!(
                "{what} leaves a federation of {now} coordinators, where at least {COORDINATORS_MIN} are \
                 needed: set another mode, or other coordinators, before"
            )));
        }
        let next = self.settings.height.saturating_add(2);
        if self.set_for(&self.settings.mode, next).is_none() {
            return Err(Refusal::NoQuorum(format!("{what} leaves nobody to vote")));
        }
        if self.is_quorum_live() {
            Ok(())
        } else {
            Err(Refusal::NoQuorum(format!("{what} leaves less than two thirds that are present")))
        }
    }

    /// Applies a command that was checked; `seen` is where it stands on the chain.
    pub(crate) fn command(
        &mut self,
        command: &OwnerCommand,
        seen: Option<&Observation>,
        origin: &Origin,
        drafts: &mut Drafts,
    ) {
        self.settings.policy_version = self.settings.policy_version.saturating_add(1);
        let mut note = drafts.note(ReceiptKind::OwnerCommand, command_word(command), origin);
        if let Some(seen) = seen {
            note = note
                .u64("sequence", seen.sequence)
                .text("command_hash", seen.command_hash)
                .text("transaction", seen.transaction)
                .u64("block", seen.block)
                .text("block_hash", seen.block_hash);
        }
        note.text("command", Hash::of(tags::POLICY, &encode(command)))
            .u64("policy_version", self.settings.policy_version)
            .with("what", shown(command))
            .done();
        match command.clone() {
            OwnerCommand::Pause { scope } => self.set_paused(&scope, true),
            OwnerCommand::Resume { scope } => self.set_paused(&scope, false),
            OwnerCommand::SetShard { shard } => {
                let fresh = Shard::new(shard);
                let old = self.shards.get(&fresh.spec.name);
                let changed = old.map(|old| Shard { spec: fresh.spec.clone(), ..old.clone() });
                self.shards.insert(fresh.spec.name.clone(), changed.unwrap_or(fresh));
                self.place_all();
                let is_room = self.find_all_homes(None);
                debug_assert!(is_room, "it was checked");
            }
            OwnerCommand::SetShardBudget { shard, queue_budget, latency_budget_ms } => {
                self.change_shard(&shard, |shard| {
                    shard.spec.queue_budget = queue_budget;
                    shard.spec.latency_budget_ms = latency_budget_ms;
                });
            }
            OwnerCommand::SetShardWeight { shard, weight_ppm } => {
                self.change_shard(&shard, |shard| shard.weight_ppm = weight_ppm);
                self.index.boards.remove(&shard);
            }
            OwnerCommand::SetSpillover { shard, to } => {
                self.change_shard(&shard, |shard| shard.spec.spillover = to);
            }
            OwnerCommand::SetThermostat { limit_ppm } => {
                self.settings.thermostat_ppm = limit_ppm;
                self.index.boards.clear();
            }
            OwnerCommand::SetOptimisation { weights } => self.settings.params.optimisation = weights,
            OwnerCommand::SetVerification { verification } => self.settings.verification = verification,
            OwnerCommand::SetMode { mode } => self.settings.mode = mode,
            OwnerCommand::SetTenant { tenant } => {
                let old = self.tenants.get(&tenant.name).cloned();
                for key in old.iter().flat_map(|t| &t.tenant.keys) {
                    self.index.remove_sender(key);
                }
                for key in &tenant.keys {
                    self.index.add_sender(*key);
                }
                let name = tenant.name.clone();
                let fresh = TenantState::new(tenant.clone());
                self.tenants.insert(name.clone(), old.map_or(fresh, |old| TenantState { tenant, ..old }));
                let is_room = self.find_all_homes(Some(&name));
                debug_assert!(is_room, "it was checked");
            }
            OwnerCommand::SetValidators { validators } => self.replace_validators(validators),
            OwnerCommand::SetValidator { validator } => self.set_validator(validator),
            OwnerCommand::RemoveValidator { vote_key } => {
                if self.validators.remove(&vote_key).is_some() {
                    self.index.remove_sender(&vote_key);
                }
            }
            OwnerCommand::ApproveWorker { worker, key } => {
                if let Some(old) = self.approvals.insert(worker, key) {
                    self.index.remove_sender(&old);
                }
                self.index.add_sender(key);
            }
            OwnerCommand::RevokeWorker { worker } => {
                if let Some(old) = self.approvals.remove(&worker) {
                    self.index.remove_sender(&old);
                }
                self.close_worker(&worker, origin, drafts);
            }
            OwnerCommand::AdmitPeer { network_key, label } => {
                let peer = Peer { label: Some(label), banned_until: phalanx_types::TimeMs::ZERO };
                self.peers.insert(network_key, peer);
            }
            OwnerCommand::BanPeer { network_key, until, .. } => {
                let label = self.peers.get(&network_key).and_then(|p| p.label.clone());
                self.peers.insert(network_key, Peer { label, banned_until: until });
            }
            OwnerCommand::SetPolicy { name, document } => {
                let (version, curvature) = (self.settings.policy_version, self.settings.params.curvature_ppm);
                if let Ok(declared) = Declared::read(&document, version, curvature) {
                    self.policies.insert(name, declared);
                    self.bounds.forget();
                }
            }
            OwnerCommand::RemovePolicy { name } => {
                self.policies.remove(&name);
                self.bounds.forget();
            }
            OwnerCommand::Payload { .. } | OwnerCommand::OnChain { .. } | OwnerCommand::Reconcile { .. } => {}
        }
        if matches!(
            command,
            OwnerCommand::SetValidators { .. }
                | OwnerCommand::SetValidator { .. }
                | OwnerCommand::RemoveValidator { .. }
        ) {
            self.settings.registered.next = set_hash(self.validators.iter().map(|(_, v)| &v.entry));
        }
    }

    fn change_shard(&mut self, name: &Name, change: impl FnOnce(&mut Shard)) {
        if let Some(shard) = self.shards.get_mut(name) {
            change(shard);
        }
    }

    fn set_paused(&mut self, scope: &Scope, is_paused: bool) {
        match scope {
            Scope::Mesh => self.settings.is_paused = is_paused,
            Scope::Shard { shard } => {
                if let Some(shard) = self.shards.get_mut(shard) {
                    shard.is_paused = is_paused;
                }
            }
        }
    }
}

/// A stable word for a command.
pub(crate) const fn command_word(command: &OwnerCommand) -> &'static str {
    match command {
        OwnerCommand::Pause { .. } => "pause",
        OwnerCommand::Resume { .. } => "resume",
        OwnerCommand::SetShard { .. } => "set_shard",
        OwnerCommand::SetShardBudget { .. } => "set_shard_budget",
        OwnerCommand::SetShardWeight { .. } => "set_shard_weight",
        OwnerCommand::SetSpillover { .. } => "set_spillover",
        OwnerCommand::SetThermostat { .. } => "set_thermostat",
        OwnerCommand::SetOptimisation { .. } => "set_optimisation",
        OwnerCommand::SetVerification { .. } => "set_verification",
        OwnerCommand::SetMode { .. } => "set_mode",
        OwnerCommand::SetTenant { .. } => "set_tenant",
        OwnerCommand::SetValidators { .. } => "set_validators",
        OwnerCommand::SetValidator { .. } => "set_validator",
        OwnerCommand::RemoveValidator { .. } => "remove_validator",
        OwnerCommand::ApproveWorker { .. } => "approve_worker",
        OwnerCommand::RevokeWorker { .. } => "revoke_worker",
        OwnerCommand::AdmitPeer { .. } => "admit_peer",
        OwnerCommand::BanPeer { .. } => "ban_peer",
        OwnerCommand::SetPolicy { .. } => "set_policy",
        OwnerCommand::RemovePolicy { .. } => "remove_policy",
        OwnerCommand::Reconcile { .. } => "reconcile",
        OwnerCommand::OnChain { .. } => "on_chain",
        OwnerCommand::Payload { .. } => "payload",
    }
}

/// The part of a command that a reader looks for first.
fn shown(command: &OwnerCommand) -> phalanx_types::Field {
    use phalanx_types::Field;
    match command {
        OwnerCommand::Pause { scope } | OwnerCommand::Resume { scope } => match scope {
            Scope::Mesh => Field::text("mesh"),
            Scope::Shard { shard } => Field::text(shard),
        },
        OwnerCommand::SetShard { shard } => Field::text(&shard.name),
        OwnerCommand::SetShardBudget { shard, queue_budget, latency_budget_ms } => {
            Field::text(format_args!("{shard} queue {queue_budget} latency {latency_budget_ms} ms"))
        }
        OwnerCommand::SetShardWeight { shard, weight_ppm } => {
            Field::text(format_args!("{shard} {weight_ppm}"))
        }
        OwnerCommand::SetSpillover { shard, to } => {
            let to: Vec<&str> = to.iter().map(Name::as_str).collect();
            Field::text(format_args!("{shard} to {}", to.join(" ")))
        }
        OwnerCommand::SetThermostat { limit_ppm } => Field::u32(*limit_ppm),
        OwnerCommand::SetOptimisation { weights } => Field::text(format_args!(
            "performance {} cost {} reliability {} sustainability {}",
            weights.performance_ppm, weights.cost_ppm, weights.reliability_ppm, weights.sustainability_ppm
        )),
        OwnerCommand::SetVerification { verification } => {
            Field::text(format_args!("{} {}", verification.name(), verification.fraction_ppm()))
        }
        OwnerCommand::SetMode { mode } => Field::text(mode.name()),
        OwnerCommand::SetTenant { tenant } => Field::text(&tenant.name),
        OwnerCommand::SetValidators { validators } => Field::text(set_hash(validators)),
        OwnerCommand::SetValidator { validator } => Field::text(validator.vote_key),
        OwnerCommand::RemoveValidator { vote_key } => Field::text(vote_key),
        OwnerCommand::ApproveWorker { worker, .. } | OwnerCommand::RevokeWorker { worker } => {
            Field::text(worker)
        }
        OwnerCommand::AdmitPeer { network_key, .. } | OwnerCommand::BanPeer { network_key, .. } => {
            Field::text(network_key)
        }
        OwnerCommand::SetPolicy { name, .. } | OwnerCommand::RemovePolicy { name } => Field::text(name),
        OwnerCommand::Reconcile { applied, .. } => Field::u64(*applied),
        OwnerCommand::OnChain { kind, .. } => Field::u32((*kind).into()),
        OwnerCommand::Payload { bytes } => Field::text(Hash::sha3(bytes)),
    }
}
