//! Owner commands.

use crate::{
    Fabric, Refusal,
    admission::bad,
    receipts::{Drafts, Origin},
    state::{Peer, Shard, TenantState, ValidatorState},
};
use phalanx_types::{
    Hash, OwnerCommand, PublicKey, ReceiptKind, Weight, encode,
    owner::{PAYLOAD_LEN_MAX, REASON_LEN_MAX, Scope},
    params::{Mode, Verification},
    shard::{SHARDS_MAX, ShardSpec},
    tags,
    tenant::TENANT_KEYS_MAX,
    validator::{EqualWeights, VALIDATORS_MAX, WEIGHT_MAX},
};

impl Fabric {
    pub(crate) fn check_command(&self, sender: &PublicKey, command: &OwnerCommand) -> Result<(), Refusal> {
        if self.settings.has_chain {
            return Err(Refusal::ChainOwned);
        }
        if *sender != self.settings.owner {
            return Err(Refusal::NotAllowed {
                sender: *sender,
                operation: "command",
                rule: "only the owner may",
            });
        }
        match command {
            OwnerCommand::Pause { scope } | OwnerCommand::Resume { scope } => match scope {
                Scope::Mesh => Ok(()),
                Scope::Shard { shard } if self.shards.contains(shard) => Ok(()),
                Scope::Shard { shard } => Err(Refusal::Unknown { what: "shard", which: shard.to_string() }),
            },
            OwnerCommand::SetShard { shard } => self.check_shard(shard),
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
                after.check_quorum("the mode")
            }
            OwnerCommand::SetTenant { tenant } if tenant.keys.len() > TENANT_KEYS_MAX => {
                bad("keys", format!("at most {TENANT_KEYS_MAX}"))
            }
            OwnerCommand::SetValidator { validator } => {
                if !self.shards.contains(&validator.region) {
                    return Err(Refusal::Unknown { what: "shard", which: validator.region.to_string() });
                }
                if validator.base_weight == Weight::ZERO || validator.base_weight.0 > WEIGHT_MAX {
                    return bad("base_weight", format!("1 to {WEIGHT_MAX}"));
                }
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
                after.check_quorum("the removal")
            }
            OwnerCommand::RevokeWorker { worker } if !self.approvals.contains(worker) => {
                Err(Refusal::Unknown { what: "approved worker", which: worker.to_string() })
            }
            OwnerCommand::BanPeer { reason, .. } if reason.len() > REASON_LEN_MAX => {
                bad("reason", format!("at most {REASON_LEN_MAX} bytes"))
            }
            OwnerCommand::Payload { bytes } if bytes.len() > PAYLOAD_LEN_MAX => {
                bad("payload", format!("at most {PAYLOAD_LEN_MAX} bytes"))
            }
            OwnerCommand::SetOptimisation { .. }
            | OwnerCommand::SetVerification { .. }
            | OwnerCommand::SetTenant { .. }
            | OwnerCommand::ApproveWorker { .. }
            | OwnerCommand::RevokeWorker { .. }
            | OwnerCommand::AdmitPeer { .. }
            | OwnerCommand::BanPeer { .. }
            | OwnerCommand::Payload { .. } => Ok(()),
        }
    }

    fn check_shard(&self, shard: &ShardSpec) -> Result<(), Refusal> {
        if !self.shards.contains(&shard.name) && self.shards.len() >= SHARDS_MAX {
            return bad("shards", format!("at most {SHARDS_MAX}"));
        }
        let stranger = shard.spillover.iter().find(|to| **to == shard.name || !self.shards.contains(to));
        stranger.map_or(Ok(()), |to| Err(Refusal::Unknown { what: "other shard", which: to.to_string() }))
    }

    fn check_mode(&self, mode: &Mode) -> Result<(), Refusal> {
        let named: Vec<&PublicKey> = match mode {
            Mode::Centralized { succession } => {
                if succession.is_empty() {
                    return bad("succession", "at least one validator");
                }
                succession.iter().collect()
            }
            Mode::Federated { coordinators } => {
                if coordinators.len() < 4 || coordinators.values().any(Vec::is_empty) {
                    return bad("coordinators", "at least four regions, each with at least one");
                }
                coordinators.values().flatten().collect()
            }
            Mode::FullyDistributed | Mode::GeometricMesh => Vec::new(),
        };
        match named.into_iter().find(|key| !self.validators.contains(key)) {
            Some(key) => Err(Refusal::Unknown { what: "validator", which: key.to_string() }),
            None => Ok(()),
        }
    }

    /// Whether, after a change, validators that are there could decide alone.
    fn check_quorum(&self, what: &str) -> Result<(), Refusal> {
        let next = self.settings.height.saturating_add(2);
        if self.set_for(&self.settings.mode, next, &EqualWeights).is_none() {
            return Err(Refusal::NoQuorum(format!("{what} leaves nobody to vote")));
        }
        if self.is_quorum_live() {
            Ok(())
        } else {
            Err(Refusal::NoQuorum(format!("{what} leaves less than two thirds that are present")))
        }
    }

    /// Applies a command that was checked.
    pub(crate) fn command(&mut self, command: &OwnerCommand, origin: &Origin, drafts: &mut Drafts) {
        self.settings.policy_version = self.settings.policy_version.saturating_add(1);
        drafts
            .note(ReceiptKind::OwnerCommand, command_word(command), origin)
            .text("command", Hash::of(tags::POLICY, &encode(command)))
            .u64("policy_version", self.settings.policy_version)
            .with("what", shown(command))
            .done();
        match command.clone() {
            OwnerCommand::Pause { scope } => self.set_paused(&scope, true),
            OwnerCommand::Resume { scope } => self.set_paused(&scope, false),
            OwnerCommand::SetShard { shard } => {
                let is_paused = self.shards.get(&shard.name).is_some_and(|s| s.is_paused);
                self.shards.insert(shard.name.clone(), Shard { spec: shard, is_paused });
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
                let fresh = TenantState {
                    tenant: tenant.clone(),
                    jobs: 0,
                    agents: 0,
                    cpu_milli: 0,
                    memory_mib: 0,
                    gpu_milli: 0,
                };
                self.tenants.insert(name, old.map_or(fresh, |old| TenantState { tenant, ..old }));
            }
            OwnerCommand::SetValidator { validator } => {
                let key = validator.vote_key;
                let fresh =
                    ValidatorState { entry: validator, is_quarantined: false, convicted: None, missed: None };
                if self.validators.insert(key, fresh).is_none() {
                    self.index.add_sender(key);
                }
            }
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
            OwnerCommand::Payload { .. } => {}
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
        OwnerCommand::SetOptimisation { .. } => "set_optimisation",
        OwnerCommand::SetVerification { .. } => "set_verification",
        OwnerCommand::SetMode { .. } => "set_mode",
        OwnerCommand::SetTenant { .. } => "set_tenant",
        OwnerCommand::SetValidator { .. } => "set_validator",
        OwnerCommand::RemoveValidator { .. } => "remove_validator",
        OwnerCommand::ApproveWorker { .. } => "approve_worker",
        OwnerCommand::RevokeWorker { .. } => "revoke_worker",
        OwnerCommand::AdmitPeer { .. } => "admit_peer",
        OwnerCommand::BanPeer { .. } => "ban_peer",
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
        OwnerCommand::SetOptimisation { weights } => Field::text(format_args!(
            "performance {} cost {} reliability {} sustainability {}",
            weights.performance_ppm, weights.cost_ppm, weights.reliability_ppm, weights.sustainability_ppm
        )),
        OwnerCommand::SetVerification { verification } => {
            Field::text(format_args!("{} {}", verification.name(), verification.fraction_ppm()))
        }
        OwnerCommand::SetMode { mode } => Field::text(mode.name()),
        OwnerCommand::SetTenant { tenant } => Field::text(&tenant.name),
        OwnerCommand::SetValidator { validator } => Field::text(validator.vote_key),
        OwnerCommand::RemoveValidator { vote_key } => Field::text(vote_key),
        OwnerCommand::ApproveWorker { worker, .. } | OwnerCommand::RevokeWorker { worker } => {
            Field::text(worker)
        }
        OwnerCommand::AdmitPeer { network_key, .. } | OwnerCommand::BanPeer { network_key, .. } => {
            Field::text(network_key)
        }
        OwnerCommand::Payload { bytes } => Field::text(Hash::sha3(bytes)),
    }
}
