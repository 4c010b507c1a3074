//! What the contracts would refuse in a command, found before anybody signs it.
//!
//! The checks are those of `OwnerCommands` and `SetRules` on the arguments alone, and of the
//! mesh that nobody is named twice, since it would refuse what the contracts have taken.
//! What only the chain knows, such as whether a set is pending, a simulation shows.

use super::{ChainCommand, ChainMode, ProposedValidator};
use phalanx_types::{
    Name, PublicKey,
    owner::{PAYLOAD_LEN_MAX, POLICY_LEN_MAX, REASON_LEN_MAX},
};
use std::collections::BTreeSet;

/// One in millionths.
const ONE: u32 = 1_000_000;
/// Longest delay in seconds: 30 days.
pub const DELAY_S_MAX: u32 = 30 * 24 * 3_600;
/// Most shards of a mesh, and so most regions of a federation.
const SHARDS_MAX: usize = 64;
/// Most specialties of a shard.
const SPECIALTIES_MAX: usize = 64;
/// Fewest regions of a federation.
const REGIONS_MIN: usize = 4;
/// Most keys of a tenant.
const TENANT_KEYS_MAX: usize = 64;
/// Most validators of a set, and most keys of a succession.
const VALIDATORS_MAX: usize = 128;
/// Largest weight of a validator.
const WEIGHT_MAX: u32 = 1 << 24;

/// A command that its contract would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{function} would be refused: {reason}")]
pub struct CommandFault {
    /// The contract's function.
    pub function: &'static str,
    /// What is wrong, and what is expected.
    pub reason: String,
}

type Checked = Result<(), String>;

impl ChainCommand {
    /// The same command, with its lists in the order that the contracts want.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        match &mut self {
            Self::SetShard { specialties, .. } => specialties.sort(),
            Self::SetTenant { keys, .. } => keys.sort(),
            Self::SetMode { mode: ChainMode::Federated(regions) } => regions.sort(),
            Self::SetValidators { validators } => validators.sort_by_key(|v| v.entry.account),
            _ => {}
        }
        self
    }

    /// Checks what the contracts will check of the arguments.
    ///
    /// # Errors
    /// When they would refuse.
    pub fn check(&self) -> Result<(), CommandFault> {
        let function = self.kind_and_function().1;
        self.check_arguments().map_err(|reason| CommandFault { function, reason })
    }

    fn check_arguments(&self) -> Checked {
        match self {
            Self::SetShard { name, spillover, specialties, .. } => {
                others(name, spillover)?;
                at_most("specialties", SPECIALTIES_MAX, specialties.len())?;
                ascending("the specialties", specialties)
            }
            Self::SetSpillover { shard, spillover } => others(shard, spillover),
            Self::SetShardWeight { weight_ppm, .. } => fraction(*weight_ppm),
            Self::SetThermostat { limit_ppm: 0 } => Err("a limit of 0 would let nothing run".into()),
            Self::SetThermostat { limit_ppm } => fraction(*limit_ppm),
            Self::SetOptimisation { performance, cost, reliability, sustainability } => {
                let parts = [*performance, *cost, *reliability, *sustainability];
                match parts.into_iter().map(u64::from).sum::<u64>() {
                    sum if sum == u64::from(ONE) => Ok(()),
                    sum => {
                        Err(format!("the weights sum to {sum}, but must sum to 1000000: they are millionths"))
                    }
                }
            }
            Self::SetVerification { level, fraction_ppm } => match (level, *fraction_ppm) {
                (0, 0) | (2, ONE) => Ok(()),
                (1, part) => fraction(part),
                (0 | 2, part) => {
                    Err(format!("level {level} does not go with a fraction of {part} millionths"))
                }
                _ => Err(format!("there is no level {level}: 0 is none, 1 sample, 2 full audit")),
            },
            Self::SetMode { mode: ChainMode::Centralized(succession) } => {
                succession_of(succession)?;
                once(succession)
            }
            Self::SetMode { mode: ChainMode::Federated(regions) } => {
                if !(REGIONS_MIN..=SHARDS_MAX).contains(&regions.len()) {
                    return Err(format!(
                        "a federation has {REGIONS_MIN} to {SHARDS_MAX} regions, not {}",
                        regions.len()
                    ));
                }
                let names: Vec<Name> = regions.iter().map(|(region, _)| region.clone()).collect();
                ascending("the regions", &names)?;
                regions.iter().try_for_each(|(_, keys)| succession_of(keys))?;
                once(regions.iter().flat_map(|(_, keys)| keys))
            }
            Self::SetTenant { keys, .. } => {
                at_most("keys", TENANT_KEYS_MAX, keys.len())?;
                keys.iter().try_for_each(key)?;
                ascending("the keys", keys)
            }
            Self::SetValidators { validators } => set(validators),
            Self::ApproveWorker { key: of, .. } | Self::AdmitPeer { network_key: of, .. } => key(of),
            Self::BanPeer { network_key, reason, .. } => {
                key(network_key)?;
                at_most("bytes of a reason", REASON_LEN_MAX, reason.len())
            }
            Self::SetPolicy { document, .. } if document.is_empty() => Err("the policy is empty".into()),
            Self::SetPolicy { document, .. } => at_most("bytes of a policy", POLICY_LEN_MAX, document.len()),
            Self::Payload { data } => at_most("bytes of a payload", PAYLOAD_LEN_MAX, data.len()),
            Self::SetDelay { delay_s } if *delay_s > DELAY_S_MAX => {
                Err(format!("a delay of {delay_s} s is longer than {DELAY_S_MAX} s, 30 days"))
            }
            _ => Ok(()),
        }
    }
}

fn at_most(what: &str, max: usize, found: usize) -> Checked {
    if found <= max { Ok(()) } else { Err(format!("{found} {what}; at most {max} are taken")) }
}

fn fraction(ppm: u32) -> Checked {
    if ppm <= ONE { Ok(()) } else { Err(format!("{ppm} millionths are more than one (1000000)")) }
}

fn key(key: &PublicKey) -> Checked {
    if key.0 == [0; 32] { Err("a key is zero".into()) } else { Ok(()) }
}

fn succession_of(keys: &[PublicKey]) -> Checked {
    if keys.is_empty() {
        return Err("a succession names at least one key".into());
    }
    at_most("keys of a succession", VALIDATORS_MAX, keys.len())?;
    keys.iter().try_for_each(key)
}

/// Nobody coordinates, or takes over, in two places.
fn once<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> Checked {
    let mut seen = BTreeSet::new();
    match keys.into_iter().find(|key| !seen.insert(**key)) {
        Some(twice) => Err(format!("{twice} is named twice")),
        None => Ok(()),
    }
}

fn others(name: &Name, spillover: &[Name]) -> Checked {
    at_most("shards to spill to", SHARDS_MAX, spillover.len())?;
    if spillover.contains(name) { Err(format!("shard {name} cannot spill to itself")) } else { Ok(()) }
}

fn ascending<T: Ord + std::fmt::Display>(what: &str, list: &[T]) -> Checked {
    match list.windows(2).find(|pair| pair.first() >= pair.last()) {
        Some([first, second]) if first == second => Err(format!("{first} is twice among {what}")),
        Some(_) => Err(format!("{what} are not in ascending order")),
        None => Ok(()),
    }
}

/// The rules of a set, registrations aside.
fn set(validators: &[ProposedValidator]) -> Checked {
    if !(1..=VALIDATORS_MAX).contains(&validators.len()) {
        return Err(format!("a set has 1 to {VALIDATORS_MAX} validators, not {}", validators.len()));
    }
    let mut keys = BTreeSet::new();
    for ProposedValidator { entry, label, .. } in validators {
        for of in [&entry.network_key, &entry.vote_key] {
            key(of)?;
            if !keys.insert(*of) {
                return Err(format!("key {of} of {label} is there twice"));
            }
        }
        if !(1..=WEIGHT_MAX).contains(&entry.weight) {
            return Err(format!("the weight of {label} is {}; 1 to {WEIGHT_MAX} is taken", entry.weight));
        }
        if entry.account.is_zero() {
            return Err(format!("{label} has no account"));
        }
    }
    let accounts: Vec<_> = validators.iter().map(|v| v.entry.account).collect();
    ascending("the accounts", &accounts)?;
    let mut weights: Vec<u64> = validators.iter().map(|v| v.entry.weight.into()).collect();
    weights.sort_unstable_by(|a, b| b.cmp(a));
    let faulty = (weights.len() - 1) / 3;
    let (total, heaviest): (u64, u64) = (weights.iter().sum(), weights.iter().take(faulty).sum());
    if 3 * heaviest >= total {
        return Err(format!(
            "the {faulty} heaviest validators have {heaviest} of {total}, a third or more: together they \
             could stop the mesh"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{address::Address, digest::SetEntry};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn validator(byte: u8, weight: u32) -> ProposedValidator {
        let entry = SetEntry {
            network_key: PublicKey([byte; 32]),
            vote_key: PublicKey([byte + 100; 32]),
            account: Address([byte; 20]),
            weight,
        };
        let (region, label) = (name("earth"), name("v"));
        ProposedValidator { entry, region, label, registration: super::super::Registration::NONE }
    }

    #[test]
    fn what_the_contracts_refuse_is_named() {
        use ChainCommand as C;
        let weights =
            |performance| C::SetOptimisation { performance, cost: 1, reliability: 0, sustainability: 0 };
        let shard = |spillover, specialties| C::SetShard {
            name: name("mars"),
            queue_budget: 1,
            latency_budget_ms: 1,
            spillover,
            specialties,
        };
        let list = |counts: &[u32]| C::SetValidators {
            validators: counts.iter().zip(1..).map(|(weight, byte)| validator(byte, *weight)).collect(),
        };
        let federated = |keys: [u8; 4]| {
            let regions = ["a", "b", "c", "d"].into_iter().zip(keys);
            let regions = regions.map(|(region, key)| (name(region), vec![PublicKey([key; 32])]));
            C::SetMode { mode: ChainMode::Federated(regions.collect()) }
        };
        let refused = [
            (weights(1_000_000), "sum to 1000001"),
            (shard(vec![name("mars")], vec![]), "spill to itself"),
            (shard(vec![], vec![name("b"), name("a")]), "ascending"),
            (shard(vec![], vec![name("a"), name("a")]), "twice"),
            (C::SetThermostat { limit_ppm: 0 }, "nothing run"),
            (C::SetThermostat { limit_ppm: 1_000_001 }, "more than one"),
            (C::SetVerification { level: 0, fraction_ppm: 5 }, "does not go"),
            (C::SetVerification { level: 3, fraction_ppm: 5 }, "no level 3"),
            (C::SetMode { mode: ChainMode::Centralized(vec![]) }, "at least one"),
            (C::SetMode { mode: ChainMode::Federated(vec![]) }, "4 to 64"),
            (federated([1, 2, 3, 1]), "named twice"),
            (C::SetMode { mode: ChainMode::Centralized(vec![PublicKey([1; 32]); 2]) }, "named twice"),
            (C::SetDelay { delay_s: DELAY_S_MAX + 1 }, "30 days"),
            (C::Payload { data: vec![0; PAYLOAD_LEN_MAX + 1] }, "4097"),
            (C::SetPolicy { name: name("p"), document: vec![] }, "empty"),
            (C::ApproveWorker { worker: name("w"), key: PublicKey([0; 32]) }, "zero"),
            (list(&[]), "1 to 128"),
            (list(&[1, 0]), "weight"),
            (list(&[10, 1, 1, 1]), "a third"),
        ];
        for (command, expected) in refused {
            let fault = command.check().unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
        for command in [
            weights(999_999),
            federated([1, 2, 3, 4]),
            list(&[1, 1, 1, 1]),
            C::SetDelay { delay_s: DELAY_S_MAX },
            C::PauseMesh,
        ] {
            assert_eq!(command.check(), Ok(()));
        }
    }

    #[test]
    fn lists_are_put_in_order() {
        let out_of_order = ChainCommand::SetValidators { validators: vec![validator(2, 1), validator(1, 1)] };
        assert!(out_of_order.check().is_err());
        assert_eq!(out_of_order.ordered().check(), Ok(()));
    }
}
