//! From an owner command on the chain to one of the mesh, and back.

use crate::{
    contracts::{
        command::{ChainCommand, ChainMode, CommandError, ProposedValidator, Registration, TenantLimits},
        commands::LoggedCommand,
    },
    digest,
};
use phalanx_types::{
    Hash, OwnerCommand, TimeMs, Validator, Weight,
    owner::{OptimisationWeights, Scope},
    params::{Mode, Verification},
    shard::ShardSpec,
    tenant::{Quota, Tenant},
};
use std::collections::{BTreeMap, BTreeSet};

/// Why a command has no meaning: its payload is none of its kind's, or says what
/// cannot be. Every node finds the same, counts it and goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command says what cannot be: {reason}")]
pub struct Meaningless {
    /// What is wrong.
    pub reason: String,
}

fn meaningless<T>(reason: impl Into<String>) -> Result<T, Meaningless> {
    Err(Meaningless { reason: reason.into() })
}

/// For whom registrations are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registrar {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The mesh.
    pub mesh: Hash,
}

/// What an entry of the log means. Pure: all nodes get the same for the same
/// entry.
///
/// # Errors
/// When it has no meaning.
pub fn entry(logged: &LoggedCommand, registrar: &Registrar) -> Result<OwnerCommand, Meaningless> {
    match logged.command() {
        Ok(command) => translate(command, registrar),
        Err(CommandError { reason, .. }) => meaningless(reason),
    }
}

/// What a command means.
///
/// # Errors
/// When it has no meaning.
pub fn translate(command: ChainCommand, registrar: &Registrar) -> Result<OwnerCommand, Meaningless> {
    use ChainCommand as C;
    use OwnerCommand as O;
    Ok(match command {
        C::PauseMesh => O::Pause { scope: Scope::Mesh },
        C::ResumeMesh => O::Resume { scope: Scope::Mesh },
        C::PauseShard { shard } => O::Pause { scope: Scope::Shard { shard } },
        C::ResumeShard { shard } => O::Resume { scope: Scope::Shard { shard } },
        C::SetShard { name, queue_budget, latency_budget_ms, spillover, specialties } => O::SetShard {
            shard: ShardSpec {
                name,
                queue_budget,
                latency_budget_ms,
                spillover,
                specialties: specialties.into_iter().collect(),
            },
        },
        C::SetOptimisation { performance, cost, reliability, sustainability } => {
            let weights = OptimisationWeights {
                performance_ppm: performance,
                cost_ppm: cost,
                reliability_ppm: reliability,
                sustainability_ppm: sustainability,
            };
            if !weights.is_valid() {
                return meaningless("the weights do not sum to 1,000,000");
            }
            O::SetOptimisation { weights }
        }
        C::SetVerification { level, fraction_ppm } => match verification(level, fraction_ppm) {
            Some(verification) => O::SetVerification { verification },
            None => {
                return meaningless(format!("level {level} with a fraction of {fraction_ppm} millionths"));
            }
        },
        C::SetMode { mode } => match mesh_mode(mode) {
            Ok(mode) => O::SetMode { mode },
            Err(reason) => return meaningless(reason),
        },
        C::SetTenant { name, keys, limits } => {
            let count = keys.len();
            let keys: BTreeSet<_> = keys.into_iter().collect();
            if keys.len() != count {
                return meaningless("a key is there twice");
            }
            let quota = Quota {
                jobs_max: limits.jobs_max,
                agents_max: limits.agents_max,
                cpu_milli_max: limits.cpu_milli_max,
                memory_mib_max: limits.memory_mib_max,
                gpu_milli_max: limits.gpu_milli_max,
            };
            O::SetTenant { tenant: Tenant { name, keys, quota } }
        }
        C::ApproveWorker { worker, key } => O::ApproveWorker { worker, key },
        C::RevokeWorker { worker } => O::RevokeWorker { worker },
        C::AdmitPeer { network_key, label } => O::AdmitPeer { network_key, label },
        C::BanPeer { network_key, reason, until_ms } => {
            O::BanPeer { network_key, reason, until: TimeMs(until_ms) }
        }
        C::Payload { data } => O::Payload { bytes: data },
        C::SetShardBudget { shard, queue_budget, latency_budget_ms } => {
            O::SetShardBudget { shard, queue_budget, latency_budget_ms }
        }
        C::SetShardWeight { shard, weight_ppm } => O::SetShardWeight { shard, weight_ppm },
        C::SetSpillover { shard, spillover } => O::SetSpillover { shard, to: spillover },
        C::SetThermostat { limit_ppm } => O::SetThermostat { limit_ppm },
        C::SetPolicy { name, document } => O::SetPolicy { name, document },
        C::RemovePolicy { name } => O::RemovePolicy { name },
        C::Reconcile { applied, head } => O::Reconcile { applied, head },
        C::SetValidators { validators } => O::SetValidators {
            validators: validators
                .into_iter()
                .map(|proposed| validator(proposed, registrar))
                .collect::<Result<_, _>>()?,
        },
        C::WithdrawValidators { .. }
        | C::RequestForce { .. }
        | C::CancelForce { .. }
        | C::ExecuteForce { .. }
        | C::SetDelay { .. } => O::OnChain { kind: command.kind(), payload: command.payload() },
    })
}

/// A new validator's two mesh keys must have signed what the chain cannot check;
/// who was there before needs to sign nothing, and the chain has seen to that.
fn validator(proposed: ProposedValidator, registrar: &Registrar) -> Result<Validator, Meaningless> {
    let ProposedValidator { entry, region, label, registration } = proposed;
    let digest =
        digest::registration(registrar.chain_id, &registrar.mesh, &entry.network_key, &entry.vote_key);
    if registration != Registration::NONE && !registration.is_signed_by_keys(&digest, &entry) {
        return meaningless(format!("the mesh keys of {label} have not signed its registration"));
    }
    Ok(Validator {
        vote_key: entry.vote_key,
        network_key: entry.network_key,
        chain_address: entry.account.0,
        base_weight: Weight(entry.weight.into()),
        region,
        label,
    })
}

fn verification(level: u8, fraction_ppm: u32) -> Option<Verification> {
    match (level, fraction_ppm) {
        (0, 0) => Some(Verification::None),
        (1, fraction_ppm) if fraction_ppm <= 1_000_000 => Some(Verification::Sample { fraction_ppm }),
        (2, 1_000_000) => Some(Verification::FullAudit),
        _ => None,
    }
}

fn mesh_mode(mode: ChainMode) -> Result<Mode, String> {
    Ok(match mode {
        ChainMode::Centralized(succession) => Mode::Centralized { succession },
        ChainMode::Federated(regions) => {
            let count = regions.len();
            let coordinators: BTreeMap<_, _> = regions.into_iter().collect();
            if coordinators.len() != count {
                return Err("a region is there twice".into());
            }
            Mode::Federated { coordinators }
        }
        ChainMode::FullyDistributed => Mode::FullyDistributed,
        ChainMode::GeometricMesh => Mode::GeometricMesh,
    })
}

/// The command on the chain that means a command of the mesh. None for those that say
/// who the validators are: a new one must have signed its registration.
#[must_use]
pub fn on_chain(command: &OwnerCommand) -> Option<ChainCommand> {
    use ChainCommand as C;
    use OwnerCommand as O;
    Some(match command.clone() {
        O::Pause { scope: Scope::Mesh } => C::PauseMesh,
        O::Resume { scope: Scope::Mesh } => C::ResumeMesh,
        O::Pause { scope: Scope::Shard { shard } } => C::PauseShard { shard },
        O::Resume { scope: Scope::Shard { shard } } => C::ResumeShard { shard },
        O::SetShard { shard } => C::SetShard {
            name: shard.name,
            queue_budget: shard.queue_budget,
            latency_budget_ms: shard.latency_budget_ms,
            spillover: shard.spillover,
            specialties: shard.specialties.into_iter().collect(),
        },
        O::SetShardBudget { shard, queue_budget, latency_budget_ms } => {
            C::SetShardBudget { shard, queue_budget, latency_budget_ms }
        }
        O::SetShardWeight { shard, weight_ppm } => C::SetShardWeight { shard, weight_ppm },
        O::SetSpillover { shard, to } => C::SetSpillover { shard, spillover: to },
        O::SetThermostat { limit_ppm } => C::SetThermostat { limit_ppm },
        O::SetOptimisation { weights } => C::SetOptimisation {
            performance: weights.performance_ppm,
            cost: weights.cost_ppm,
            reliability: weights.reliability_ppm,
            sustainability: weights.sustainability_ppm,
        },
        O::SetVerification { verification } => {
            let (level, fraction_ppm) = match verification {
                Verification::None => (0, 0),
                Verification::Sample { fraction_ppm } => (1, fraction_ppm),
                Verification::FullAudit => (2, 1_000_000),
            };
            C::SetVerification { level, fraction_ppm }
        }
        O::SetMode { mode } => C::SetMode {
            mode: match mode {
                Mode::Centralized { succession } => ChainMode::Centralized(succession),
                Mode::Federated { coordinators } => ChainMode::Federated(coordinators.into_iter().collect()),
                Mode::FullyDistributed => ChainMode::FullyDistributed,
                Mode::GeometricMesh => ChainMode::GeometricMesh,
            },
        },
        O::SetTenant { tenant } => C::SetTenant {
            name: tenant.name,
            keys: tenant.keys.into_iter().collect(),
            limits: TenantLimits {
                jobs_max: tenant.quota.jobs_max,
                agents_max: tenant.quota.agents_max,
                cpu_milli_max: tenant.quota.cpu_milli_max,
                memory_mib_max: tenant.quota.memory_mib_max,
                gpu_milli_max: tenant.quota.gpu_milli_max,
            },
        },
        O::ApproveWorker { worker, key } => C::ApproveWorker { worker, key },
        O::RevokeWorker { worker } => C::RevokeWorker { worker },
        O::AdmitPeer { network_key, label } => C::AdmitPeer { network_key, label },
        O::BanPeer { network_key, reason, until } => C::BanPeer { network_key, reason, until_ms: until.0 },
        O::SetPolicy { name, document } => C::SetPolicy { name, document },
        O::RemovePolicy { name } => C::RemovePolicy { name },
        O::Reconcile { applied, head } => C::Reconcile { applied, head },
        O::Payload { bytes } => C::Payload { data: bytes },
        O::SetValidator { .. } | O::RemoveValidator { .. } | O::SetValidators { .. } | O::OnChain { .. } => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::command::tests::command;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_has_a_command_on_the_chain_has_one_of_the_same_meaning(command in command()) {
            let registrar = Registrar { chain_id: 31_337, mesh: Hash([7; 32]) };
            let kind = command.kind();
            if let Ok(meaning) = translate(command, &registrar) {
                match on_chain(&meaning) {
                    Some(back) => prop_assert_eq!(translate(back, &registrar), Ok(meaning)),
                    None => prop_assert!(matches!(kind, 14..=18 | 26)),
                }
            }
        }

        #[test]
        fn every_command_means_something_or_says_why_not(command in command()) {
            let kind = command.kind();
            let registrar = Registrar { chain_id: 31_337, mesh: Hash([7; 32]) };
            match translate(command, &registrar) {
                Ok(OwnerCommand::OnChain { kind: of, .. }) => {
                    prop_assert!(of == kind && matches!(kind, 15..=18 | 26));
                }
                Ok(_) => prop_assert!(!matches!(kind, 15..=18 | 26)),
                Err(Meaningless { reason }) => prop_assert!(matches!(kind, 10..=14), "{kind}: {reason}"),
            }
        }
    }
}
